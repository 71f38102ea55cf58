/* SPDX-License-Identifier: MIT */
/* The kernels' way from text to calls: compiling, caching, damaged entries,
 * broken compilers; and the session that runs them. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cpu/block.h"
#include "runtime/cpu/device.h"
#include "runtime/system/cache.h"
#include "runtime/system/signals.h"
#include "runtime/session.h"
#include "runtime/cpu/toolchain.h"
#include "tests/finite_case.h"
#include "tests/sandbox.h"

static const char prelude[] =
    "#include <stdint.h>\n"
    "typedef struct TdControl { uint64_t seed; int64_t step; } TdControl;\n"
    "typedef struct TdCall { char *const *arg; const int64_t *ix; char *scratch; const TdControl "
    "*ctl; } TdCall;\n";

enum { N = 1000, PIECES = 50, ROWS = 4 };

/* y[i] = x[i] * factor; then, in a loop of ROWS, stack[r] = y + r and total += stack[r]; what
 * each piece saw goes
 * through its scratch. */
static const char scale_source[] =
    "void scale(const TdCall *c, int64_t b, int64_t e) {\n"
    "  const float *x = (const float *)c->arg[0]; const float *f = (const float *)c->arg[1];\n"
    "  float *y = (float *)c->arg[2]; float *s = (float *)c->scratch;\n"
    "  for (int64_t p = b; p < e; p++)\n"
    "    for (int64_t i = p * 20; i < p * 20 + 20; i++) { s[0] = x[i] * f[0]; y[i] = s[0]; }\n}\n";
static const char add_source[] = "void add_row(const TdCall *c, int64_t b, int64_t e) {\n"
                                 "  const float *y = (const float *)c->arg[0]; float *stack = "
                                 "(float *)c->arg[1] + c->ix[0] * 1000;\n"
                                 "  float *total = (float *)c->arg[2];\n"
                                 "  for (int64_t i = b * 20; i < e * 20; i++) { stack[i] = y[i] + "
                                 "(float)c->ix[0]; total[i] += stack[i]; }\n}\n";
static const char seed_source[] = "void seeds(const TdCall *c, int64_t b, int64_t e) {\n"
                                  "  (void)b; (void)e; *(int32_t *)c->arg[0] = "
                                  "(int32_t)(c->ctl->seed + (uint64_t)c->ctl->step);\n}\n";
static const char keep_source[] =
    "void keep_row(const TdCall *c, int64_t b, int64_t e) {\n"
    "  const float *stack = (const float *)c->arg[0] + c->ix[0] * 1000;\n"
    "  for (int64_t i = b * 20; i < e * 20; i++) ((float *)c->arg[1])[i] = stack[i];\n}\n";

static TdKernel kernels[] = {
    {.name = "scale",
     .source = scale_source,
     .klass = "map",
     .where = "x.td:1",
     .text = "y = x * f",
     .launch.cpu = {.pieces = PIECES, .scratch = 64}},
    {.name = "add_row",
     .source = add_source,
     .klass = "map",
     .where = "x.td:2",
     .text = "s = y + i",
     .launch.cpu.pieces = PIECES},
    {.name = "seeds",
     .source = seed_source,
     .klass = "map",
     .where = "x.td:3",
     .text = "n",
     .launch.cpu.pieces = 1},
    {.name = "keep_row",
     .source = keep_source,
     .klass = "map",
     .where = "x.td:4",
     .text = "last = s",
     .launch.cpu.pieces = PIECES},
};
static const int scale_args[] = {0, 1, 2}, add_args[] = {2, 3, 4}, seed_args[] = {5},
                 keep_args[] = {3, 6};
static TdState states[] = {{.name = "total", .type = TD_F32, .rank = 1, .shape = {N}, .count = N},
                           {.name = "last", .type = TD_F32, .rank = 1, .shape = {N}, .count = N}};
static TdBuffer buffers[] = {
    {.kind = TD_INPUT,
     .name = "x",
     .type = TD_F32,
     .rank = 1,
     .shape = {N},
     .count = N,
     .bytes = 4 * N},
    {.kind = TD_INPUT, .name = "factor", .type = TD_F32, .rank = 0, .count = 1, .bytes = 4},
    {.kind = TD_TEMP,
     .name = "y",
     .type = TD_F32,
     .rank = 1,
     .shape = {N},
     .count = N,
     .bytes = 4 * N,
     .offset = 0},
    {.kind = TD_TEMP,
     .name = "stack",
     .type = TD_F32,
     .rank = 2,
     .shape = {ROWS, N},
     .count = ROWS * N,
     .bytes = 4 * ROWS * N,
     .offset = 4032},
    {.kind = TD_STATE,
     .name = "total",
     .type = TD_F32,
     .rank = 1,
     .shape = {N},
     .count = N,
     .bytes = 4 * N,
     .state = 0},
    {.kind = TD_TEMP,
     .name = "n",
     .type = TD_I32,
     .rank = 0,
     .count = 1,
     .bytes = 4,
     .offset = 20096},
    {.kind = TD_STATE,
     .name = "last",
     .type = TD_F32,
     .rank = 1,
     .shape = {N},
     .count = N,
     .bytes = 4 * N,
     .state = 1},
    {.kind = TD_INPUT,
     .name = "id",
     .type = TD_I32,
     .rank = 1,
     .shape = {2},
     .count = 2,
     .bytes = 8,
     .lo = 0,
     .hi = 9},
};
static TdStep steps[] = {
    {.kind = TD_LAUNCH, .kernel = 0, .nargs = 3, .args = scale_args},
    {.kind = TD_LOOP, .slot = 0, .count = ROWS},
    {.kind = TD_LAUNCH, .kernel = 1, .nargs = 3, .args = add_args},
    {.kind = TD_LAUNCH, .kernel = 3, .nargs = 2, .args = keep_args},
    {.kind = TD_END},
    {.kind = TD_LOOP, .slot = 0, .count = 0},
    {.kind = TD_LAUNCH, .kernel = 1, .nargs = 3, .args = add_args},
    {.kind = TD_END},
    {.kind = TD_LAUNCH, .kernel = 2, .nargs = 1, .args = seed_args},
};
static TdOutput outputs[] = {{"y", 2}, {"n", 5}};
static int changes[] = {0, 1};
static TdEntry entry = {.name = "run",
                        .changes = changes,
                        .nchanges = 2,
                        .buffers = buffers,
                        .nbuffers = 8,
                        .steps = steps,
                        .nsteps = 9,
                        .outputs = outputs,
                        .noutputs = 2,
                        .arena_bytes = 20160};
static TdProgram program = {.name = "test",
                            .prelude = prelude,
                            .states = states,
                            .nstates = 2,
                            .kernels = kernels,
                            .nkernels = 4,
                            .entries = &entry,
                            .nentries = 1};

static int remove_folder(void **state) {
  unsetenv("TDC_CC");
  return sandbox_remove(state);
}

static Jit *build(const char *folder, TdError *err) {
  JitOptions o = {.cache = folder, .parallel = 2};
  *err = (TdError){0};
  return jit_build(&program, &o, err);
}

/* Builds, and tells how much had to be compiled. */
static int compiled(const char *folder, bool *whole) {
  TdError err;
  Jit *j = build(folder, &err);
  if (j == NULL) fail_msg("%s", err.message);
  int n = jit_stats(j)->compiled;
  if (whole != NULL) *whole = jit_stats(j)->loaded_whole;
  jit_close(j);
  return n;
}

static void test_runs(void **state) {
  TdError err = {0};
  Jit *j = build(*state, &err);
  if (j == NULL) fail_msg("%s", err.message);
  static float x[N];
  for (int i = 0; i < N; i++) x[i] = (float)i;
  for (int threads = 1; threads <= 3; threads++) {
    Pool *pool = pool_new(threads, &err);
    Session *s = session_new(&program, cpu_device(&program, j, pool, &err), &err);
    assert_non_null(s);
    assert_true(session_need_one(s, 0, &err));
    int e = session_entry(s, "run");
    assert_true(e == 0 && session_entry(s, "absent") == -1);
    assert_true(session_set_reals(s, e, "x", x, N, &err) &&
                session_set_number(s, e, "factor", 2, &err));
    for (int k = 0; k < 100; k++) session_run(s, e, 5, k);
    static float y[N], total[N], last[N];
    assert_true(session_read_output(s, e, "y", 0, N, y, &err) &&
                session_read_state(s, 0, 0, N, total, &err) &&
                session_read_state(s, 1, 0, N, last, &err));
    for (int i = 0; i < N; i++) {
      assert_true(y[i] == 2 * x[i]);
      assert_true(total[i] == 100 * (4 * 2 * x[i] + 6));
      assert_true(last[i] == 2 * x[i] + 3);
    }
    assert_true(session_scalar(s, e, "n") == 104);
    /* the door */
    assert_false(session_set_ints(s, e, "id", (int32_t[]){3, 10}, 2, &err));
    assert_non_null(strstr(err.message, "'id'[1] is 10"));
    assert_false(session_set_ints(s, e, "id", (int32_t[]){3}, 1, &err));
    assert_false(session_set_number(s, e, "nothing", 1, &err));
    /* a NaN is found where it is made, and before the run in a state */
    assert_true(session_set_number(s, e, "factor", 0.0 / 0.0, &err));
    NanSource n = session_trace(s, e, 5, 1);
    assert_true(n.found && !n.infinite);
    assert_string_equal(n.tensor, "y");
    assert_string_equal(n.where, "x.td:1");
    n = session_check_states(s);
    assert_true(n.found && n.kernel == NULL);
    assert_string_equal(n.tensor, "total");
    session_free(s);
    pool_free(pool);
  }
  jit_close(j);
}

static void test_finite(void **state) {
  TdError err = {0};
  Jit *j = build(*state, &err);
  Pool *pool = pool_new(1, &err);
  assert_true(j != NULL && pool != NULL);
  Device *d = cpu_device(&program, j, pool, &err);
  assert_non_null(d);
  finite_case(d);
  d->does->close(d);
  pool_free(pool);
  jit_close(j);
}

static void test_cache(void **state) {
  bool whole;
  assert_int_equal(compiled(*state, &whole), 1);
  assert_false(whole);
  compiled(*state, &whole);
  assert_true(whole);
  setenv("TDC_CFLAGS", "-O1 -DOTHER", 1); /* other flags, another key */
  assert_int_equal(compiled(*state, &whole), 1);
  setenv("TDC_CFLAGS", "-O1", 1);
  compiled(*state, &whole);
  assert_true(whole);
}

/* A product of a library is refused by name, not compiled. */
static void test_library_product(void **state) {
  (void)state;
  static const TdProduct product = {.alpha = 1, .m = 1, .n = 1, .k = 1, .batch = 1};
  static TdKernel kernel = {
      .kind = TD_PRODUCT, .name = "product_y", .source = "", .product = &product};
  TdProgram p = {.name = "library", .prelude = prelude, .kernels = &kernel, .nkernels = 1};
  TdError err = {0};
  assert_null(cpu_device(&p, NULL, NULL, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "product_y"));
}

/* One changed kernel among many recompiles its own unit. */
static void test_units(void **state) {
  enum { MANY = 60 };
  static TdKernel many[MANY];
  static char names[MANY][16], sources[MANY][4000];
  for (int i = 0; i < MANY; i++) {
    snprintf(names[i], sizeof names[i], "k%d", i);
    int n = snprintf(sources[i], sizeof sources[i],
                     "void k%d(const TdCall *c, int64_t b, int64_t e) { (void)c; "
                     "(void)b; (void)e; /* %1500d */ }",
                     i, i);
    assert_true(n > 0);
    many[i] = (TdKernel){.name = names[i], .source = sources[i], .launch.cpu.pieces = 1};
  }
  TdProgram p = {.name = "many", .prelude = prelude, .kernels = many, .nkernels = MANY};
  JitOptions o = {.cache = *state, .parallel = 2};
  TdError err = {0};
  Jit *j = jit_build(&p, &o, &err);
  assert_non_null(j);
  int units = jit_stats(j)->units;
  assert_true(units >= 4 && jit_stats(j)->compiled == units);
  jit_close(j);
  many[30].comment = "/* n.td */\n"; /* the comment above a kernel is none of it */
  j = jit_build(&p, &o, &err);
  assert_non_null(j);
  assert_true(jit_stats(j)->loaded_whole);
  jit_close(j);
  memcpy(strstr(sources[30], "30 */ }"), "31", 2);
  j = jit_build(&p, &o, &err);
  assert_non_null(j);
  assert_true(jit_stats(j)->compiled >= 1 && jit_stats(j)->compiled <= 3);
  jit_close(j);
}

/* ---- damage ------------------------------------------------------------------------- */

/* The first file of the cache with that extension; malloc'ed. */
static char *find_entry(const char *folder, const char *ext) {
  char *path = NULL;
  DIR *d = opendir(folder);
  for (struct dirent *e; path == NULL && (e = readdir(d)) != NULL;) {
    size_t n = strlen(e->d_name), m = strlen(ext);
    if (n > m && strcmp(e->d_name + n - m, ext) == 0) path = io_join(folder, e->d_name);
  }
  closedir(d);
  return path;
}

static void damage_and_rebuild(const char *folder, void (*damage)(const char *path)) {
  bool whole;
  compiled(folder, NULL);
  char *so = find_entry(folder, ".so");
  assert_non_null(so);
  damage(so);
  compiled(folder, &whole);
  assert_false(whole); /* never loaded */
  compiled(folder, &whole);
  assert_true(whole); /* and made good */
  char *o = find_entry(folder, ".o");
  damage(o);
  damage(so);
  assert_int_equal(compiled(folder, &whole), 1);
  free(so);
  free(o);
}

static void damage_cut(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(truncate(path, st.st_size / 2), 0);
}
static void damage_empty(const char *path) { assert_int_equal(truncate(path, 0), 0); }
static void damage_bit(const char *path) {
  FILE *f = fopen(path, "r+b");
  assert_non_null(f);
  fseek(f, 700, SEEK_SET);
  int c = fgetc(f);
  fseek(f, 700, SEEK_SET);
  fputc(c ^ 1, f);
  fclose(f);
}
static void damage_garbage(const char *path) {
  FILE *f = fopen(path, "wb");
  for (int i = 0; i < 5000; i++) fputc(i * 7 & 255, f);
  fclose(f);
}
static void damage_writable(const char *path) { assert_int_equal(chmod(path, 0666), 0); }
static void damage_link(const char *path) {
  char other[1024];
  snprintf(other, sizeof other, "%s.moved", path);
  assert_int_equal(rename(path, other), 0);
  assert_int_equal(symlink(other, path), 0);
}
static void damage_owner(const char *path) {
  if (geteuid() == 0)
    assert_int_equal(chown(path, 65534, 65534), 0);
  else
    damage_empty(path);
}

static void test_damage(void **state) {
  damage_and_rebuild(*state, damage_cut);
  damage_and_rebuild(*state, damage_empty);
  damage_and_rebuild(*state, damage_bit);
  damage_and_rebuild(*state, damage_garbage);
  damage_and_rebuild(*state, damage_writable);
  damage_and_rebuild(*state, damage_link);
  damage_and_rebuild(*state, damage_owner);
}

/* A good entry under another key: the library of other flags. */
static void test_wrong_key(void **state) {
  bool whole;
  compiled(*state, NULL);
  char *first = find_entry(*state, ".so"), kept[1024];
  snprintf(kept, sizeof kept, "%s/kept", (const char *)*state);
  assert_int_equal(rename(first, kept), 0);
  setenv("TDC_CFLAGS", "-O1 -DOTHER", 1);
  compiled(*state, NULL);
  char *second = find_entry(*state, ".so");
  assert_non_null(second);
  assert_int_equal(rename(kept, second), 0);
  compiled(*state, &whole);
  assert_false(whole);
  free(first);
  free(second);
}

static void test_folder(void **state) {
  char *open_folder = io_join(*state, "open"), *link_folder = io_join(*state, "link"),
       *file = io_join(*state, "file");
  TdError err = {0};
  assert_int_equal(mkdir(open_folder, 0777), 0);
  assert_int_equal(chmod(open_folder, 0777), 0);
  assert_int_equal(symlink(open_folder, link_folder), 0);
  fclose(fopen(file, "w"));
  const char *const bad[] = {open_folder, link_folder, file, "/proc/none/x"};
  for (int i = 0; i < 4; i++) {
    Cache *c = cache_open(NULL, bad[i], false, &err);
    assert_non_null(c);
    assert_string_not_equal(cache_folder(c), bad[i]); /* a temporary one instead */
    assert_non_null(cache_complaint(c));
    char *folder = strdup(cache_folder(c));
    cache_close(c);
    assert_false(io_exists(folder));
    free(folder);
    compiled(bad[i], NULL);
  }
  free(open_folder);
  free(link_folder);
  free(file);
}

/* ---- compilers -------------------------------------------------------------------------- */

static void write_script(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  fputs(text, f);
  fclose(f);
  assert_int_equal(chmod(path, 0755), 0);
}

static void fails_with(const char *folder, const char *cc, const char *what) {
  TdError err;
  setenv("TDC_CC", cc, 1);
  JitOptions o = {.cache = folder, .parallel = 2, .timeout = 1};
  err = (TdError){0};
  Jit *j = jit_build(&program, &o, &err);
  assert_null(j);
  assert_int_equal(err.status, TD_NO_TOOL);
  if (strstr(err.message, what) == NULL) fail_msg("'%s' gave: %s", cc, err.message);
}

static void test_compilers(void **state) {
  const char *folder = *state;
  char canary[600], script[600], command[1300];
  snprintf(canary, sizeof canary, "%s/canary", folder);
  snprintf(command, sizeof command, "gcc; touch %s", canary);
  fails_with(folder, command, "gcc;");
  snprintf(command, sizeof command, "$(touch %s)", canary);
  fails_with(folder, command, "not here");
  assert_false(io_exists(canary));
  fails_with(folder, "-o evil", "not a compiler");
  fails_with(folder, "'gcc", "not a compiler");
  fails_with(folder, "no-such-compiler", "apt-get install gcc");
  fails_with(folder, "/bin", "not here");
  fails_with(folder, "false", "does not work");
  snprintf(script, sizeof script, "%s/slow", folder);
  write_script(script, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo slow 1\nsleep 100 & wait\n");
  fails_with(folder, script, "within 1 seconds");
  snprintf(script, sizeof script, "%s/loud", folder);
  write_script(
      script, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo loud 1\necho it is broken; exit 3\n");
  fails_with(folder, script, "it is broken");
  snprintf(script, sizeof script, "%s/liar", folder);
  write_script(script, "#!/bin/sh\necho liar 1; for a; do :; done; exit 0\n");
  TdError err = {0};
  setenv("TDC_CC", script, 1);
  assert_null(build(folder, &err)); /* says yes and makes nothing */
  snprintf(script, sizeof script, "'%s/with space'", folder);
  char bare[600];
  snprintf(bare, sizeof bare, "%s/with space", folder);
  write_script(bare, "#!/bin/sh\nexec cc \"$@\"\n");
  setenv("TDC_CC", script, 1);
  Jit *j = build(folder, &err);
  if (j == NULL) fail_msg("%s", err.message);
  jit_close(j);
}

static volatile sig_atomic_t stop_flag;
static void raise_stop(int signal_number) { stop_flag = signal_number; }

static void test_stop(void **state) {
  char script[600];
  snprintf(script, sizeof script, "%s/slow", (const char *)*state);
  write_script(script, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo slow 2\nsleep 100\n");
  setenv("TDC_CC", script, 1);
  stop_flag = 0;
  JitOptions o = {.cache = *state, .stop = &stop_flag};
  TdError err = {0};
  signal(SIGALRM, raise_stop);
  alarm(1);
  assert_null(jit_build(&program, &o, &err));
  assert_int_equal(err.status, TD_STOPPED);
}

static int builds_in(const char *folder) {
  int n = 0;
  DIR *d = opendir(folder);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d)) != NULL;) n += strncmp(e->d_name, "build-", 6) == 0;
  closedir(d);
  return n;
}

/* Waits for a compiler that says that it and its child are there: their numbers. */
static void read_pids(const char *path, int *compiler, int *child) {
  for (int tries = 0; tries < 5000; tries++) {
    FILE *f = fopen(path, "r");
    int got = f != NULL ? fscanf(f, "%d %d\n", compiler, child) : 0;
    if (f != NULL) fclose(f);
    if (got == 2) return;
    usleep(2000);
  }
  fail_msg("the compiler did not start");
}

static bool ends_soon(int pid) {
  for (int tries = 0; tries < 1000; tries++) {
    char path[64], state = 'X';
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) return true;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1) state = 'X';
    fclose(f);
    if (state == 'Z' || state == 'X') return true; /* nobody is there to wait for it */
    usleep(2000);
  }
  return false;
}

/* Two SIGINTs within milliseconds end the process; the compiler, what it started, and the
 * folder it worked in go with it. */
static void test_insist(void **state) {
  const char *folder = *state;
  char script[600], pids[600], text[2400];
  snprintf(script, sizeof script, "%s/slow", folder);
  snprintf(pids, sizeof pids, "%s/pids", folder);
  snprintf(text, sizeof text,
           "#!/bin/sh\n[ \"$1\" = --version ] && exec echo slow 4\n"
           "sleep 100 &\necho $$ $! > %s.new\nmv %s.new %s\nwait\n",
           pids, pids, pids);
  write_script(script, text);
  for (int gap = 0; gap < 4; gap++) {
    pid_t run = fork();
    if (run == 0) {
      setenv("TDC_CC", script, 1);
      signal(SIGINT, SIG_DFL); /* a shell's background jobs inherit it ignored */
      TdError err = {0};
      JitOptions o = {.cache = folder, .stop = signals_install()};
      jit_build(&program, &o, &err);
      _exit(0);
    }
    int compiler, child, status;
    read_pids(pids, &compiler, &child);
    assert_int_equal(builds_in(folder), 1);
    kill(run, SIGINT);
    usleep(500 << gap);
    kill(run, SIGINT);
    assert_int_equal(waitpid(run, &status, 0), run);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGINT : WEXITSTATUS(status) == 0);
    if (!ends_soon(compiler) || !ends_soon(child)) fail_msg("the compiler outlives the process");
    assert_int_equal(builds_in(folder), 0);
    unlink(pids);
  }
}

/* Eight processes and a cold cache: all succeed, one compiles. */
static void test_crowd(void **state) {
  pid_t pids[8];
  for (int i = 0; i < 8; i++) {
    pids[i] = fork();
    if (pids[i] != 0) continue;
    TdError err;
    Jit *j = build(*state, &err);
    _exit(j == NULL ? 100 : jit_stats(j)->compiled);
  }
  int sum = 0;
  for (int i = 0; i < 8; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
    sum += WEXITSTATUS(status);
  }
  assert_int_equal(sum, 1);
}

/* Small blocks and those that are mappings of their own: zero at first and when cleared. */
static void test_blocks(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 4096, 2 * (size_t)TD_HUGE_PAGE,
                                 5 * (size_t)TD_HUGE_PAGE + 12345};
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    size_t n = sizes[k], align, room = td_block(n, &align);
    char *block = block_new(n);
    assert_non_null(block);
    assert_true(room >= n && (uintptr_t)block % align == 0);
    for (int round = 0; round < 2; round++) {
      for (size_t i = 0; i < n; i++) assert_int_equal(block[i], 0);
      memset(block, 1, n);
      block_clear(block, n);
    }
    block_free(block, n);
  }
  block_free(NULL, 1);
  assert_null(block_new(SIZE_MAX));
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, sandbox_compile, remove_folder)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_library_product),
      IN_FOLDER(test_runs),
      IN_FOLDER(test_finite),
      IN_FOLDER(test_cache),
      IN_FOLDER(test_units),
      IN_FOLDER(test_damage),
      IN_FOLDER(test_wrong_key),
      IN_FOLDER(test_folder),
      IN_FOLDER(test_compilers),
      IN_FOLDER(test_stop),
      IN_FOLDER(test_insist),
      IN_FOLDER(test_crowd),
      cmocka_unit_test(test_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
