/* SPDX-License-Identifier: MIT */
/* The table of codes against the sources that raise them, and the diagnostics
 * that no file of tests/errors or tests/warnings can show: those that depend on
 * -D, and the flagship's, whose corpus may not be at hand. */
#include <dirent.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sources.h"

enum { CODE_MAX = 1000 };

/* ---- codes ------------------------------------------------------------------------ */

typedef struct Named {
  char name[48];
  int code;
} Named;
typedef struct Raised {
  bool code[CODE_MAX];
  Named named[64]; /* E_SOMETHING = 501, W_SOMETHING = 901 */
  int n;
} Raised;

static bool word_char(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Every E_NAME or W_NAME of a text; with `define`, those followed by "= NUMBER" are remembered. */
static void names_of(Raised *r, const char *text, bool define) {
  for (const char *p = text; *p; p++) {
    if ((*p != 'E' && *p != 'W') || p[1] != '_' || (p > text && word_char(p[-1]))) continue;
    size_t n = 0;
    int code = 0;
    while (word_char(p[n])) n++;
    if (n >= sizeof r->named[0].name) continue;
    if (define && sscanf(p + n, " = %d", &code) == 1 && code > 99 && code < CODE_MAX) {
      assert_true(r->n < 64);
      memcpy(r->named[r->n].name, p, n);
      r->named[r->n].name[n] = 0;
      r->named[r->n++].code = code;
    } else if (!define && sscanf(p + n, " = %d", &code) != 1) {
      for (int k = 0; k < r->n; k++)
        if (strlen(r->named[k].name) == n && !strncmp(r->named[k].name, p, n))
          r->code[r->named[k].code] = true;
    }
    p += n - 1;
  }
}

/* lower_error(l, 204, ...): the number after the first argument */
static void literals_of(Raised *r, const char *text) {
  static const char *const calls[] = {"lower_error(", "lower_warn(", "syntax_diag(", "diag_error(",
                                      "diag_warn("};
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    for (const char *p = text; (p = strstr(p, calls[i])); p++) {
      const char *comma = strchr(p, ',');
      int code;
      if (comma && sscanf(comma + 1, " %d", &code) == 1 && code > 99 && code < CODE_MAX)
        r->code[code] = true;
    }
}

/* Every source below the folder. */
static void each_source(Raised *r, const char *folder, void (*f)(Raised *, const char *, bool),
                        bool define) {
  DIR *d = opendir(folder);
  assert_non_null(d);
  for (struct dirent *e; (e = readdir(d));) {
    const char *dot = strrchr(e->d_name, '.');
    StrBuf path = {0};
    sb_printf(&path, "%s/%s", folder, e->d_name);
    struct stat info;
    assert_int_equal(stat(path.s, &info), 0);
    if (S_ISDIR(info.st_mode) && e->d_name[0] != '.') {
      each_source(r, path.s, f, define);
    } else if (dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h") || !strcmp(dot, ".y") ||
                       !strcmp(dot, ".l"))) {
      char *text = file_text(path.s);
      assert_non_null(text);
      f(r, text, define);
      free(text);
    }
    sb_free(&path);
  }
  closedir(d);
}

static void uses_of(Raised *r, const char *text, bool define) {
  (void)define;
  names_of(r, text, false);
  literals_of(r, text);
}

static void every_code_has_a_row_and_a_place(void **state) {
  (void)state;
  static const char *const folders[] = {"dsl", "compiler", "runtime/cli"};
  Raised r = {0};
  for (int i = 0; i < 3; i++) each_source(&r, folders[i], names_of, true);
  for (int i = 0; i < 3; i++) each_source(&r, folders[i], uses_of, false);
  bool row[CODE_MAX] = {false};
  int wrong = 0;
  for (int i = 0; i < diag_code_count(); i++) {
    bool warning;
    int code = diag_code_at(i, &warning);
    row[code] = true;
    if (!r.code[code]) {
      print_message("%c%04d has a row in dsl/codes/ and is raised nowhere\n", warning ? 'W' : 'E',
                    code);
      wrong++;
    }
  }
  for (int code = 0; code < CODE_MAX; code++)
    if (r.code[code] && !row[code]) {
      print_message("%04d is raised and has no row in dsl/codes/\n", code);
      wrong++;
    }
  assert_int_equal(wrong, 0);
}

/* ---- compilations without their data ------------------------------------------------- */

typedef struct Try {
  Arena *arena;
  Diags *diags;
  Unit *unit;
} Try;

static Try compile(const char *path, const char *text, const Define *defines, int n) {
  Try t = {.arena = arena_new()};
  t.diags = diags_new(t.arena);
  UnitOptions o = {.query = some_text, .defines = defines, .ndefines = n, .check_only = true};
  t.unit = unit_compile(t.arena, interner_new(t.arena), t.diags,
                        diags_source(t.diags, path, text, strlen(text)), &o);
  return t;
}

static const Diag *only(const Try *t, int code) {
  assert_int_equal(diags_count(t->diags), 1);
  assert_int_equal(diags_at(t->diags, 0)->code, code);
  return diags_at(t->diags, 0);
}

static void a_define_names_what_the_file_declares(void **state) {
  (void)state;
  Define d = {"layer", "2"};
  Try t = compile("a.td", "const layers = 3\n", &d, 1);
  assert_null(t.unit);
  assert_string_equal(only(&t, 420)->hint, "did you mean 'layers'?");
  arena_free(t.arena);
}

/* 128 steps of the schedule made for 1000 leave half of the signal; 1000 do not. The file
 * answers that warning, and need not with another T; without the answer it is given. */
static void the_flagship_is_told_what_its_prior_leaks(void **state) {
  (void)state;
  char *text = file_text("models/shakespeare.td");
  assert_non_null(text);
  Try t = compile("models/shakespeare.td", text, NULL, 0);
  assert_non_null(t.unit);
  assert_int_equal(diags_count(t.diags), 0);
  arena_free(t.arena);
  char *expect = strstr(text, "expect W0901");
  assert_non_null(expect);
  *expect = '#';
  t = compile("models/shakespeare.td", text, NULL, 0);
  assert_non_null(t.unit);
  assert_string_equal(only(&t, 901)->message,
                      "x_T keeps 52% of the signal: the prior leaks 2.36 bits/char");
  arena_free(t.arena);
  Define d = {"T", "1000"};
  *expect = 'e';
  t = compile("models/shakespeare.td", text, &d, 1);
  assert_non_null(t.unit);
  assert_int_equal(diags_count(t.diags), 0);
  arena_free(t.arena);
  free(text);
}

/* What the tests train and compare is the model itself, in another size: the file that the name
 * says, used with other numbers; nothing is declared besides but how it is trained. */
static void nano_models_are_the_models(void **state) {
  (void)state;
  glob_t found = {0};
  assert_int_equal(glob("models/*_nano.td", 0, NULL, &found), 0);
  assert_true(found.gl_pathc >= 3);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    char *text = file_text(found.gl_pathv[i]), path[128];
    assert_non_null(text);
    Arena *a = arena_new();
    Diags *d = diags_new(a);
    int file = diags_source(d, found.gl_pathv[i], text, strlen(text));
    const AFile *f = ast_parse(a, interner_new(a), d, file);
    assert_int_equal(diags_count(d), 0);
    assert_true(f->decls.n == 1 || (f->decls.n == 2 && f->decls.at[1]->kind == D_TRAIN));
    const ADecl *use = f->decls.at[0];
    assert_int_equal(use->kind, D_USE);
    assert_non_null(use->path);
    assert_true(use->binds.n > 0);
    size_t stem = strlen(found.gl_pathv[i]) - strlen("_nano.td");
    assert_int_equal(strncmp(found.gl_pathv[i] + strlen("models/"), use->path, stem - 7), 0);
    assert_string_equal(use->path + stem - 7, ".td");
    snprintf(path, sizeof path, "models/%s", use->path);
    assert_int_equal(access(path, R_OK), 0);
    arena_free(a);
    free(text);
  }
  globfree(&found);
}

/* The closed form of the warning against the divergence itself, summed over the
 * axes of one character: KL(N(m, s^2) || N(0, 1)) = (s^2 + m^2 - 1 - ln s^2) / 2. */
static void the_leak_is_the_divergence(void **state) {
  (void)state;
  double a = 1, sum = 0;
  for (int t = 0; t < 128; t++) a *= 1 - (1e-4 + (0.02 - 1e-4) * t / 127.0);
  for (int v = 0; v < SOME_SYMBOLS; v++) {
    double m = v == 0 ? sqrt(a) : 0, s2 = 1 - a;
    sum += (s2 + m * m - 1 - log(s2)) / 2;
  }
  double closed = 0.5 * (SOME_SYMBOLS * (-a - log1p(-a)) + a) / log(2);
  assert_true(fabs(sum / log(2) - closed) < 1e-9);
  assert_true(fabs(closed - 2.36) < 0.005);
}

/* Its parameters are drawn when training begins, not when the sampler meets them. */
static void a_sampler_draws_no_parameters(void **state) {
  (void)state;
  static const char text[] =
      "use nn\n"
      "data text { source \"a.txt\" }\n"
      "dim B = 2, L = 4, V = text.vocab\n"
      "model net(x: id<V>[B,L]) -> z[B,L,V] { z = linear(embedding(x, 8), V) }\n"
      "sampler s(prompt: id<V>[L] = \"\") {\n"
      "  first[b in B,l] = prompt[l]\n"
      "  z = net(first)\n"
      "  emit argmax[v](z[b,l,v])\n"
      "}\n";
  Try t = compile("a.td", text, NULL, 0);
  assert_int_equal(diags_count(t.diags), 0);
  assert_non_null(t.unit);
  arena_free(t.arena);
}

/* A parameter that a known condition leaves out is in no program; what nothing names, or what only
 * a metric reads, stays an error. With V symbols: a table of V x 8 and a map of 8 x V are trained;
 * `on` adds 8 + 8 x 8 + 8 of its own, 2 x 8 of a loop and 8 x 4 + 4 + 4 x 8 + 8 of an mlp. */
static void a_parameter_switched_off_is_none(void **state) {
  (void)state;
  static const char text[] =
      "use nn\n"
      "data text { source \"a.txt\" }\n"
      "dim B = 2, L = 4, V = text.vocab, D = 8\n"
      "const on = 0\n"
      "param scale[D] = 1\n"
      "schedule plain[4] { a[t] = on == 2 ? scale[t] : 0.5 }\n" /* learned, but for the condition */
      "model net(x: id<V>[B,L]) -> z[B,L,V] {\n"
      "  param time[D], w[D,D] = 0\n"
      "  h = embedding(x, D)\n"
      "  m = mlp(h, 4)\n"
      "  g[b,l,d] = h[b,l,d] + (on == 1 ? time[d] * scale[d] : 0)\n"
      "  for i in 2 {\n"
      "    param gain[D] = 1\n"
      "    g = on == 1 ? g + m * gain : g\n"
      "  }\n"
      "  h2[b,l,d] = on == 0 ? g[b,l,d] : sum[k in D](g[b,l,k] * w[k,d])\n"
      "  k = %s\n"
      "  z = project(k, V)\n"
      "}\n"
      "loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }\n"
      "metric m(x: id<V>[B,L]) { report mean[d](%s) + mean[b,l,v](net(x)[b,l,v]) }\n"
      "train { loss main  adam(lr = 1e-3)  steps 5  ema 0.5 }\n";
  char whole[2048];
  Define on = {"on", "1"};
  int base = 2 * SOME_SYMBOLS * 8, more = 8 + 64 + 8 + 2 * 8 + 32 + 4 + 32 + 8;
  snprintf(whole, sizeof whole, text, "h2", "1.0");
  Try t = compile("a.td", whole, NULL, 0);
  assert_int_equal(diags_count(t.diags), 0);
  assert_int_equal(t.unit->nweights, base);
  assert_int_equal(t.unit->nparameters, 2);
  arena_free(t.arena);
  t = compile("a.td", whole, &on, 1);
  assert_int_equal(diags_count(t.diags), 0);
  assert_int_equal(t.unit->nweights, base + more);
  arena_free(t.arena);
  snprintf(whole, sizeof whole, text, "h2", "scale[d]"); /* another entry needs it */
  t = compile("a.td", whole, NULL, 0);
  assert_null(t.unit);
  assert_non_null(strstr(only(&t, 503)->message, "'scale'"));
  arena_free(t.arena);
  snprintf(whole, sizeof whole, text, "h2\n  param bias[D] = 0", "1.0"); /* nothing names it */
  t = compile("a.td", whole, NULL, 0);
  assert_null(t.unit);
  assert_non_null(strstr(only(&t, 503)->message, "'net.bias'"));
  arena_free(t.arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_has_a_row_and_a_place),
      cmocka_unit_test(a_define_names_what_the_file_declares),
      cmocka_unit_test(the_flagship_is_told_what_its_prior_leaks),
      cmocka_unit_test(nano_models_are_the_models),
      cmocka_unit_test(the_leak_is_the_divergence),
      cmocka_unit_test(a_sampler_draws_no_parameters),
      cmocka_unit_test(a_parameter_switched_off_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
