/* SPDX-License-Identifier: MIT */
/* What translation units have in common: functions of the prelude are compiled with the project, or
 * when a kernel calls them, once for all programs; kernels of several entries once for all of
 * these; the part of a prelude that a text needs; and the symbols of an object, whole or
 * damaged. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/cpu/cpu.h"
#include "runtime/cpu/jit.h"
#include "runtime/cpu/jit_units.h"
#include "runtime/cpu/ready.h"
#include "runtime/cpu/symbols.h"
#include "runtime/system/cache.h"
#include "tests/sandbox.h"

static const char prelude[] =
    "#include <stdint.h>\n"
    "typedef struct TdControl { uint64_t seed; int64_t step; } TdControl;\n"
    "typedef struct TdCall { char *const *arg; const int64_t *ix; char *scratch; const TdControl "
    "*ctl; } TdCall;\n"
    "#ifdef TD_DECLARES\n"
    "#define SHARED __attribute__((visibility(\"hidden\")))\n"
    "#else\n"
    "#define SHARED static __attribute__((noinline, unused))\n"
    "#endif\n"
    "SHARED int td_next(int x); SHARED int td_twice(int x); SHARED int td_square(int x);\n"
    "#ifndef TD_DECLARES\n"
    "SHARED int td_next(int x) { return x + 1; }\n"
    "SHARED int td_twice(int x) { return 2 * x; }\n"
    "SHARED int td_square(int x) { return td_twice(x) * x / 2; }\n"
    "#endif\n";

static TdProgram program = {.name = "shared", .prelude = prelude, .shares = true};

/* What a kernel writes, and how many units were compiled. */
static int value_of_kernel(const char *folder, TdKernel *kernel, int *compiled) {
  TdProgram p = program;
  p.kernels = kernel;
  p.nkernels = 1;
  JitOptions o = {.cache = folder, .parallel = 2};
  TdError err = {0};
  Jit *j = jit_build(&p, &o, &err);
  if (j == NULL) fail_msg("%s", err.message);
  int value = 0;
  char *const arg[] = {(char *)&value};
  const TdCall call = {.arg = arg};
  jit_kernel(j, 0)(&call, 0, 1);
  *compiled = jit_stats(j)->compiled;
  jit_close(j);
  return value;
}

/* The value of a kernel whose body is `expression`. */
static int value_of(const char *folder, const char *expression, int *compiled) {
  char source[1024];
  snprintf(source, sizeof source,
           "void k(const TdCall *c, int64_t b, int64_t e) { (void)b; (void)e; *(int *)c->arg[0] = "
           "%s; }\n",
           expression);
  TdKernel kernel = {.name = "k", .source = source, .launch.cpu.pieces = 1};
  return value_of_kernel(folder, &kernel, compiled);
}

/* A function of the prelude is compiled when the first kernel calls it, and never again. */
static void test_shared(void **state) {
  int compiled;
  assert_int_equal(value_of(*state, "41", &compiled), 41);
  assert_int_equal(compiled, 1);
  assert_int_equal(value_of(*state, "td_next(41)", &compiled), 42);
  assert_int_equal(compiled, 2);
  assert_int_equal(value_of(*state, "td_next(6) * 3", &compiled), 21);
  assert_int_equal(compiled, 1);
  assert_int_equal(value_of(*state, "td_twice(td_next(6))", &compiled), 14);
  assert_int_equal(compiled, 2);
  assert_int_equal(value_of(*state, "td_square(td_twice(3))", &compiled), 36);
  assert_int_equal(compiled, 2);
  assert_int_equal(value_of(*state, "td_square(5) + td_twice(5) + td_next(5)", &compiled), 41);
  assert_int_equal(compiled, 1);
}

/* Functions that were compiled together are one object under the name of each. When one of these
 * is gone the function is in two objects, and that is no contradiction. */
static void test_shared_twice(void **state) {
  int compiled;
  assert_int_equal(value_of(*state, "td_next(1) + td_twice(5)", &compiled), 12);
  assert_int_equal(compiled, 2);
  TdError err = {0};
  Toolchain t;
  char key[DIGEST_HEX];
  assert_true(toolchain_find(&t, NULL, &err));
  assert_true(jit_shared_key(&t, prelude, "td_twice", key, &err));
  toolchain_free(&t);
  Cache *cache = cache_open(NULL, *state, false, &err);
  assert_non_null(cache);
  cache_drop(cache, key, "o");
  cache_close(cache);
  assert_int_equal(value_of(*state, "td_twice(7) + td_square(2)", &compiled), 18);
  assert_int_equal(compiled, 2);
  assert_int_equal(value_of(*state, "td_next(1) + td_twice(2) + td_square(3)", &compiled), 15);
  assert_int_equal(compiled, 1);
}

/* A prelude whose function is another one makes another library, though the kernel, which only
 * declares it, is as it was. And what was compiled with the function as it was, and has not changed
 * itself, does not bring that along. */
static void test_other_definition(void **state) {
  int compiled;
  assert_int_equal(value_of(*state, "td_next(41)", &compiled), 42);
  assert_int_equal(value_of(*state, "td_square(3) + td_twice(1)", &compiled), 11);
  char other[sizeof prelude];
  memcpy(other, prelude, sizeof other);
  char *one = strstr(other, "x + 1");
  assert_non_null(one);
  one[4] = '3';
  program.prelude = other;
  const int value = value_of(*state, "td_next(41)", &compiled), made = compiled;
  char *square = strstr(other, "x / 2");
  assert_non_null(square);
  square[4] = '1';
  const int alone = value_of(*state, "td_square(10)", &compiled); /* and is in the cache then */
  const int first = value_of(*state, "td_square(10) + td_twice(2)", &compiled);
  const int last = value_of(*state, "td_twice(2) + td_square(10)", &compiled);
  program.prelude = prelude;
  assert_int_equal(value, 44);
  assert_int_equal(made, 1); /* the function */
  assert_int_equal(alone, 200);
  assert_int_equal(first, 204);
  assert_int_equal(last, 204);
}

/* What the CPU's prelude shares was compiled with the project, and serves programs whose prelude,
 * compiler and flags are the same. [[1, 3, 5], [2, 4, 6]] by rows of 10, 20 and 30: */
static void test_ready(void **state) {
  static const char product[] =
      "({ float a[] = { 1, 2, 3, 4, 5, 6 }, b[3 * TD_LANES], y[2 * TD_LANES]; TdFetch f = { 0 };\n"
      "   for (int i = 0; i < 3 * TD_LANES; i++) b[i] = (float)(10 * (i / TD_LANES + 1));\n"
      "   td_tile_2x1(3, a, 2, NULL, b, y, TD_LANES, 0, &f);\n"
      "   (int)y[0] * 1000 + (int)y[2 * TD_LANES - 1]; })";
  Arena *arena = arena_new();
  bool shares;
  int compiled;
  assert_non_null(ready.keys[0]);
  for (int k = 0; k < 6; k++) { /* each of the preludes, and with other texts each */
    const char *text = cpu_target.prelude(arena, k % 3 > 0, k % 3 > 1, &shares);
    const char *kernel = arena_printf(arena, "%s + %d", product, k);
    program.prelude = k < 3 ? text : arena_printf(arena, "%s\n/* another */\n", text);
    setenv("TDC_CFLAGS", "", 1);
    assert_int_equal(value_of(*state, kernel, &compiled), 220280 + k);
    assert_int_equal(compiled, k < 3 ? 1 : 2); /* the kernel, and the function */
    setenv("TDC_CFLAGS", "-O1", 1);            /* not what it was compiled with */
    assert_int_equal(value_of(*state, kernel, &compiled), 220280 + k);
    assert_int_equal(compiled, 2);
  }
  program.prelude = prelude;
  arena_free(arena);
}

/* Brief kernels, which are compiled with other flags, stand in units of their own. */
static void test_brief(void **state) {
  (void)state;
  static const int group[] = {0, 0, 0};
  TdKernel kernels[] = {{.name = "a", .source = "void a(void) {}\n"},
                        {.name = "b", .source = "void b(void) {}\n", .brief = true},
                        {.name = "c", .source = "void c(void) {}\n"}};
  TdProgram p = program;
  p.kernels = kernels;
  p.nkernels = 3;
  KernelUnits u;
  TdError err = {0};
  assert_true(units_make(&u, &p, group, 1 << 20, &err));
  assert_int_equal(u.n, 2);
  for (int i = 0; i < u.n; i++) {
    assert_int_equal(u.at[i].brief, i == 1);
    assert_int_equal(strstr(u.at[i].text, "void b(") != NULL, i == 1);
    assert_int_equal(strstr(u.at[i].text, "void a(") != NULL, i == 0);
    assert_int_equal(strstr(u.at[i].text, "void c(") != NULL, i == 0);
  }
  units_free(&u);
}

/* The flags of the user come last: they hold for brief kernels and shared functions too. */
static void test_user_flags(void **state) {
  static const char optimized[] = "\n#ifdef __OPTIMIZE__\n1\n#else\n0\n#endif\n",
                    kernel[] = "void k(const TdCall *c, int64_t b, int64_t e) { (void)b; (void)e; "
                               "*(int *)c->arg[0] = td_effort() + 2 * (%s); }\n";
  Arena *a = arena_new();
  program.prelude = arena_printf(a,
                                 "%sSHARED int td_effort(void);\n#ifndef TD_DECLARES\n"
                                 "SHARED int td_effort(void) { return %s; }\n#endif\n",
                                 prelude, optimized);
  TdKernel k = {.name = "k", .source = arena_printf(a, kernel, optimized)};
  for (int i = 0; i < 4; i++) {
    k.brief = i % 2 == 1;
    setenv("TDC_CFLAGS", i < 2 ? "-O0" : "-O1", 1);
    int compiled;
    assert_int_equal(value_of_kernel(*state, &k, &compiled), i < 2 ? 0 : 3);
  }
  program.prelude = prelude;
  arena_free(a);
}

/* An entry's kernels that another one has are not made a second time. */
static void test_entries(void **state) {
  TdKernel kernels[] = {
      {.name = "a",
       .source = "void a(const TdCall *c, int64_t b, int64_t e) { (void)b; (void)e; "
                 "*(int *)c->arg[0] = 7; }\n"},
      {.name = "z",
       .source = "void z(const TdCall *c, int64_t b, int64_t e) { (void)b; (void)e; "
                 "*(int *)c->arg[0] = 8; }\n"}};
  TdStep first[] = {{.kind = TD_LAUNCH, .kernel = 0}},
         second[] = {{.kind = TD_LAUNCH, .kernel = 0}, {.kind = TD_LAUNCH, .kernel = 1}},
         third[] = {{.kind = TD_LAUNCH, .kernel = 1}};
  TdEntry entries[] = {{.name = "train", .steps = first, .nsteps = 1},
                       {.name = "eval", .steps = second, .nsteps = 2},
                       {.name = "model.m", .steps = third, .nsteps = 1}};
  TdProgram p = program;
  p.kernels = kernels;
  p.nkernels = 2;
  p.entries = entries;
  p.nentries = 3;
  JitOptions o = {.cache = *state, .parallel = 2};
  TdError err = {0};
  Jit *j = jit_open(&p, &o, &err);
  assert_non_null(j);
  assert_true(jit_need(j, (int[]){0}, 1, &err));
  KernelFunction *a = jit_kernel(j, 0);
  assert_true(a != NULL && jit_kernel(j, 1) == NULL);
  assert_true(jit_need(j, (int[]){1}, 1, &err));
  assert_true(jit_kernel(j, 0) == a && jit_kernel(j, 1) != NULL);
  assert_int_equal(jit_stats(j)->compiled, 2);
  assert_true(jit_need(j, (int[]){2}, 1, &err) && jit_has(j, 2));
  assert_int_equal(jit_stats(j)->units, 2); /* nothing is left to make */
  int value = 0;
  char *const arg[] = {(char *)&value};
  const TdCall call = {.arg = arg};
  jit_kernel(j, 0)(&call, 0, 1);
  assert_int_equal(value, 7);
  jit_kernel(j, 1)(&call, 0, 1);
  assert_int_equal(value, 8);
  jit_close(j);
}

/* ---- parts of a prelude ------------------------------------------------------------- */

static const char pieces[] =
    "/* td_one is no word of this */\n"
    "#include <stdint.h>\n"
    "#define TD_A 3 /* two\n"
    "                  lines */\n"
    "#define TD_B TD_A\n"
    "enum { TD_E = 1, TD_F = TD_A };\n"
    "typedef struct TdS { int x; } TdS; typedef int TdV __attribute__((vector_size(16)));\n"
    "static int td_one(void) { return \"}\"[0]; }\n"
    "static int td_two(TdS s) {\n"
    "#if TD_A > 2\n"
    "  { return s.x + TD_B; }\n"
    "#endif\n"
    "}\n"
    "#define TD_LEAST(T, S) \\\n"
    "  static T td_min##S(T a, T b) { return a <= b ? a : b; }\n"
    "TD_LEAST(int, 32)\n"
    "TD_LEAST(int64_t, 64)\n"
    "#define TD_PICK(f, S) f##S\n"
    "#define td_min(a, b) TD_PICK(td_min, 32)(a, b)\n"
    "#define TD_ALL(X) X(1) X(2)\n"
    "#define TD_TILE(r) static int td_tile_##r(void) { return r; }\n"
    "TD_ALL(TD_TILE)\n"
    "static int td_named(void) __asm__(\"another\");\n"
    "extern int td_far(void);\n"
    "#ifndef TD_DECLARES\n"
    "int td_far(void) { return td_one(); }\n"
    "#else\n"
    "#define TD_FAR 1\n"
    "#endif\n";

static void part_is(const char *text, bool declares, const char *expected) {
  Prelude *p = prelude_read(pieces);
  StrBuf out = {0}, whole = {0};
  assert_non_null(p);
  assert_true(prelude_part(p, text, declares, &out));
  sb_printf(&whole, "#include <stdint.h>\n%s", expected);
  assert_string_equal(out.s, whole.s);
  sb_free(&out);
  sb_free(&whole);
  prelude_free(p);
}

/* What a text names is there with all that this needs, and nothing else. */
static void test_parts(void **state) {
  (void)state;
#define ENDS "#ifndef TD_DECLARES\n#else\n#endif\n"
#define AB "#define TD_A 3 /* two\n                  lines */\n"
#define LEAST \
  "#define TD_LEAST(T, S) \\\n  static T td_min##S(T a, T b) { return a <= b ? a : b; }\n"
#define ONE "static int td_one(void) { return \"}\"[0]; }\n"
  part_is("x = 1; /* td_one */", false, ENDS);
  part_is("td_ones(td_on)", false, ENDS);
  part_is("td_one()", false, ONE ENDS);
  part_is("__asm__(\"\");", false, ENDS); /* what has one does not define it */
  part_is("TD_F", false, AB "enum { TD_E = 1, TD_F = TD_A };\n" ENDS);
  part_is("TdV v;", false, "typedef int TdV __attribute__((vector_size(16)));\n" ENDS);
  part_is("td_two(s)", true,
          AB "#define TD_B TD_A\ntypedef struct TdS { int x; } TdS;\nstatic int td_two(TdS s) {\n"
             "#if TD_A > 2\n  { return s.x + TD_B; }\n#endif\n}\n" ENDS);
  part_is("td_min64(1, 2)", false, LEAST "TD_LEAST(int64_t, 64)\n" ENDS);
  part_is("td_min(1, 2)", false,
          LEAST "TD_LEAST(int, 32)\nTD_LEAST(int64_t, 64)\n#define TD_PICK(f, S) f##S\n"
                "#define td_min(a, b) TD_PICK(td_min, 32)(a, b)\n" ENDS);
  part_is("td_tile_2()", false,
          "#define TD_ALL(X) X(1) X(2)\n"
          "#define TD_TILE(r) static int td_tile_##r(void) { return r; }\nTD_ALL(TD_TILE)\n" ENDS);
  /* who only declares a function needs nothing of what it does */
  part_is("td_far()", true, "extern int td_far(void);\n" ENDS);
  part_is("td_far()", false,
          ONE "extern int td_far(void);\n#ifndef TD_DECLARES\nint td_far(void) { return td_one(); "
              "}\n#else\n#endif\n");
  part_is("TD_FAR", true, "#ifndef TD_DECLARES\n#else\n#define TD_FAR 1\n#endif\n");
}

/* A kernel of a real one does not read a tenth of it. */
static void test_real_parts(void **state) {
  (void)state;
  Arena *arena = arena_new();
  bool shares;
  const char *whole = cpu_target.prelude(arena, TD_BF16, true, &shares);
  Prelude *p = prelude_read(whole);
  StrBuf out = {0};
  assert_non_null(p);
  assert_true(prelude_part(p, "y[i] = td_expf(x[i]);", true, &out));
  assert_true(out.n < strlen(whole) / 10);
  assert_non_null(strstr(out.s, "td_exp_core(float x) {"));
  assert_null(strstr(out.s, "TdTiles"));
  sb_free(&out);
  prelude_free(p);
  arena_free(arena);
}

/* ---- symbols ------------------------------------------------------------------------ */

static bool count_names(void *ctx, const char *name) {
  int *counts = ctx; /* td_next, td_square, others of the prelude */
  if (strncmp(name, "td_", 3) == 0)
    counts[strcmp(name, "td_next") == 0 ? 0 : strcmp(name, "td_square") == 0 ? 1 : 2]++;
  return true;
}

static bool stop_at_once(void *ctx, const char *name) {
  (void)name;
  ++*(int *)ctx;
  return false;
}

/* The first object of the cache that names td_square. */
static uint8_t *find_object(const char *folder, size_t *n) {
  DIR *d = opendir(folder);
  uint8_t *bytes = NULL;
  TdError err = {0};
  for (struct dirent *e; bytes == NULL && (e = readdir(d)) != NULL;) {
    size_t len = strlen(e->d_name);
    if (len < 2 || strcmp(e->d_name + len - 2, ".o") != 0) continue;
    char *path = io_join(folder, e->d_name);
    int counts[3] = {0};
    assert_true(io_read_file(NULL, path, SIZE_MAX / 2, &bytes, n, &err));
    if (!symbols_undefined(bytes, *n, count_names, counts)) fail_msg("%s", path);
    if (counts[1] == 0) {
      free(bytes);
      bytes = NULL;
    }
    free(path);
  }
  closedir(d);
  return bytes;
}

static void test_symbols(void **state) {
  int compiled, counts[3] = {0}, calls = 0;
  value_of(*state, "td_next(1) + td_square(2) + td_square(3)", &compiled);
  size_t n;
  uint8_t *bytes = find_object(*state, &n);
  assert_non_null(bytes);
  assert_true(symbols_undefined(bytes, n, count_names, counts));
  assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 0); /* each name once */
  assert_false(symbols_undefined(bytes, n, stop_at_once, &calls));
  assert_int_equal(calls, 1);
  /* cut anywhere, in memory of that size: what is not all there is no object */
  for (size_t k = 0; k < n; k += k < 256 ? 1 : 37) {
    uint8_t *cut = malloc(k + 1);
    assert_non_null(cut);
    memcpy(cut, bytes, k);
    bool read = symbols_undefined(cut, k, count_names, counts);
    if (k < 64) assert_false(read);
    free(cut);
  }
  /* every byte of the header, and some others, as anything */
  uint8_t *other = malloc(n);
  assert_non_null(other);
  for (size_t k = 0; k < n; k += k < 64 ? 1 : 3) {
    memcpy(other, bytes, n);
    other[k] ^= (uint8_t)(0xff - k % 3);
    bool read = symbols_undefined(other, n, count_names, counts);
    if (k < 6) assert_false(read); /* the mark, the word size, the byte order */
  }
  assert_false(symbols_undefined((const uint8_t *)"BC\xc0\xde", 4, count_names, counts));
  free(other);
  free(bytes);
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, sandbox_compile, sandbox_remove)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_shared),       IN_FOLDER(test_shared_twice),      IN_FOLDER(test_brief),
      IN_FOLDER(test_entries),      IN_FOLDER(test_other_definition),  IN_FOLDER(test_ready),
      cmocka_unit_test(test_parts), cmocka_unit_test(test_real_parts), IN_FOLDER(test_symbols),
      IN_FOLDER(test_user_flags),
  };
  return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
