/* SPDX-License-Identifier: MIT */
/* Files that use files: which numbers hold in them, and which of their losses, samplers, metrics
 * and settings are the file's own. Numbers are read off the shape of a parameter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/unit.h"

typedef struct Text {
  const char *path, *text;
} Text;

/* w has D rows of N * 10 + M numbers. */
#define WHOLE                                                                        \
  "use nn\n"                                                                         \
  "data text { source \"a.txt\" }\n"                                                 \
  "dim B = 2, L = 4, V = text.vocab, D = 3\n"                                        \
  "const N = 2, M = N + 1, lr = 0.5\n"                                               \
  "dim P = N * 10 + M\n"                                                             \
  "model net(x: id<V>[B,L]) -> z[B,L,V] {\n"                                         \
  "  param w[D,P] ~ normal()\n"                                                      \
  "  h = embedding(x, D)\n"                                                          \
  "  k[b,l,p] = h[b,l,d] * w[d,p]\n"                                                 \
  "  z = linear(k, V)\n"                                                             \
  "}\n"                                                                              \
  "loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }\n" \
  "metric m(x: id<V>[B,L]) { report mean[b,l](cross_entropy(net(x), x)[b,l]) }\n"    \
  "sampler s() { state x[B,L] ~ uniform(V); emit argmax[v](net(x)[b,l,v]) }\n"       \
  "train { loss main  sgd(lr = lr)  steps (10 * N)  ema 0.9 }\n"

static const Text files[] = {
    {"whole.td", WHOLE},
    {"small.td", "use \"whole.td\" with N = 1, D = 2 * B\n"},
    {"bf16.td", "use \"small.td\" with D = 7\nprecision { act bf16 }\n"},
    {"numbers.td", "const N = 5, q = 1\nop scaled(x[...]) -> y[...] = N * q * x[...]\n"},
    {"circle.td", "use \"circle.td\" with N = N + 1\nconst N = 1\n"},
    {"growing.td", "use \"growing.td\" with a = b, b = a\n"},
};

static const char *load(void *ctx, Arena *a, const char *path, size_t *size, const char **why) {
  (void)ctx, (void)a;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    if (strcmp(path, files[i].path) != 0) continue;
    *size = strlen(files[i].text);
    return files[i].text;
  }
  *why = "no such file";
  return NULL;
}

static bool some_text(void *ctx, const DataDecl *decl, DataInfo *out, const char **why) {
  static const double even[4] = {0.25, 0.25, 0.25, 0.25};
  (void)ctx, (void)decl, (void)why;
  *out = (DataInfo){.vocab = 4, .unigram = even};
  return true;
}

typedef struct Try {
  Arena *arena;
  Diags *diags;
  Unit *unit;
} Try;

static Try compile(const char *text, const Define *defines, int n) {
  Try t = {.arena = arena_new()};
  t.diags = diags_new(t.arena);
  UnitOptions o = {
      .query = some_text, .load = load, .defines = defines, .ndefines = n, .check_only = true};
  t.unit = unit_compile(t.arena, interner_new(t.arena), t.diags,
                        diags_source(t.diags, "mine.td", text, strlen(text)), &o);
  return t;
}

static Try compiled(const char *text, const Define *defines, int n) {
  Try t = compile(text, defines, n);
  for (int i = 0; i < diags_count(t.diags); i++)
    print_message("%d: %s\n", diags_at(t.diags, i)->code, diags_at(t.diags, i)->message);
  assert_int_equal(diags_count(t.diags), 0);
  assert_non_null(t.unit);
  return t;
}

/* D and N * 10 + M of the model's parameter. */
static void expect_shape(const Try *t, int d, int p) {
  for (int i = 0; i < t->unit->nparameters; i++) {
    const UnitParameter *w = &t->unit->parameters[i];
    if (strcmp(w->name, "net.w") != 0) continue;
    assert_int_equal(w->shape[0], d);
    assert_int_equal(w->shape[1], p);
    return;
  }
  fail_msg("no net.w");
}

static void with_gives_other_numbers(void **state) {
  (void)state;
  Try t = compiled("use \"whole.td\"\n", NULL, 0);
  expect_shape(&t, 3, 2 * 10 + 3);
  assert_int_equal(t.unit->train.steps, 20);
  arena_free(t.arena);
  t = compiled("use \"whole.td\" with N = 4, D = B + 3\n", NULL, 0);
  expect_shape(&t, 5, 4 * 10 + 5); /* M follows; B is 2 where D is declared */
  assert_int_equal(t.unit->train.steps, 40);
  arena_free(t.arena);
}

/* All that the used file trains, measures and samples is there; the name is the file's own. */
static void what_is_used_is_trained(void **state) {
  (void)state;
  Try t = compiled("use \"small.td\"\n", NULL, 0);
  const Unit *u = t.unit;
  expect_shape(&t, 4, 12);
  assert_string_equal(u->name, "mine");
  assert_true(u->train.present);
  assert_string_equal(u->train.loss, "main");
  assert_int_equal(u->train.steps, 10);
  assert_true(u->train.ema > 0.89);
  assert_int_equal(u->nsamplers, 1);
  assert_int_equal(u->nmetrics, 1);
  assert_int_equal(u->nmodels, 1);
  assert_int_equal(u->ndata, 1);
  assert_int_equal(u->act, TD_F32);
  arena_free(t.arena);
  t = compiled("use \"bf16.td\"\n", NULL, 0);
  expect_shape(&t, 7, 12); /* the outer of two `with` counts */
  assert_int_equal(t.unit->act, TD_BF16);
  arena_free(t.arena);
}

/* The file's own declarations win; a training block of its own sees the numbers that are used. */
static void own_declarations_win(void **state) {
  (void)state;
  Try t = compiled("use \"whole.td\" with N = 3\n"
                   "sampler s() { state x[B,L] ~ uniform(V); emit x[b,l] }\n"
                   "sampler other() { state x[B,L] ~ uniform(V); emit x[b,l] }\n"
                   "train { loss main  sgd(lr = lr)  steps (N + 100)  sample s every 5 }\n",
                   NULL, 0);
  assert_int_equal(t.unit->train.steps, 103);
  assert_true(t.unit->train.ema == 0);
  assert_int_equal(t.unit->nsamplers, 2);
  assert_int_equal(unit_sampler(t.unit, "s")->span.line, 2);
  assert_int_equal(t.unit->nmetrics, 1);
  arena_free(t.arena);
}

/* A file with a loss takes names: what it uses is not trained, measured or sampled. */
static void a_loss_of_its_own_takes_names_alone(void **state) {
  (void)state;
  Try t = compiled("use \"whole.td\" with N = 1\n"
                   "loss mine(x: id<V>[B,L]) { z = net(x); minimize mean[b,l,v](z[b,l,v]^2) }\n"
                   "train { loss mine  sgd(lr = lr)  steps 7 }\n",
                   NULL, 0);
  expect_shape(&t, 3, 12);
  assert_int_equal(t.unit->train.steps, 7);
  assert_int_equal(t.unit->nsamplers, 0);
  assert_int_equal(t.unit->nmetrics, 0);
  arena_free(t.arena);
}

static void defines_reach_what_is_used(void **state) {
  (void)state;
  Define d[] = {{"N", "6"}, {"D", "N + B"}};
  Try t = compile("use \"small.td\"\n", d, 2); /* N stands below D there */
  assert_null(t.unit);
  assert_int_equal(diags_at(t.diags, 0)->code, 301);
  arena_free(t.arena);
  d[1].value = "L + B";
  t = compiled("use \"small.td\"\n", d, 2); /* before what `with` says */
  expect_shape(&t, 6, 67);
  arena_free(t.arena);
  /* a name that the file declares itself is its own: the N of the other file stays */
  t = compiled("use \"whole.td\"\nuse \"numbers.td\" with q = 2\nconst N = 9\n"
               "train { loss main  sgd(lr = lr)  steps N }\n",
               d, 1);
  expect_shape(&t, 3, 23);
  assert_int_equal(t.unit->train.steps, 6);
  arena_free(t.arena);
  d[0].name = "q"; /* through a file that says it with another number */
  t = compiled("use \"whole.td\"\nuse \"numbers.td\" with q = 2\n", d, 1);
  arena_free(t.arena);
  d[0].name = "P2";
  t = compile("use \"small.td\"\n", d, 1);
  assert_int_equal(diags_count(t.diags), 1);
  assert_int_equal(diags_at(t.diags, 0)->code, 420);
  arena_free(t.arena);
}

/* How many rows a text has may be said of a used file too. */
static void rows_are_those_of_what_is_used(void **state) {
  (void)state;
  Define d = {"B", "5"};
  Try t = compiled("use \"small.td\"\n", NULL, 0);
  assert_string_equal(t.unit->samplers[0].rows, "B");
  assert_int_equal(t.unit->samplers[0].batch, 2);
  arena_free(t.arena);
  t = compiled("use \"small.td\" with B = 3\n", NULL, 0);
  assert_string_equal(t.unit->samplers[0].rows, "B");
  assert_int_equal(t.unit->samplers[0].batch, 3);
  arena_free(t.arena);
  t = compiled("use \"small.td\"\n", &d, 1);
  assert_null(t.unit->samplers[0].rows);
  assert_int_equal(t.unit->samplers[0].batch, 5);
  arena_free(t.arena);
}

/* Files that use themselves end, whatever they say of their numbers. */
static void circles_end(void **state) {
  (void)state;
  Try t = compile("use \"circle.td\"\nuse \"growing.td\"\n", NULL, 0);
  for (int i = 0; i < diags_count(t.diags); i++)
    assert_in_range(diags_at(t.diags, i)->code, 301, 420);
  arena_free(t.arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(with_gives_other_numbers),
      cmocka_unit_test(what_is_used_is_trained),
      cmocka_unit_test(own_declarations_win),
      cmocka_unit_test(a_loss_of_its_own_takes_names_alone),
      cmocka_unit_test(defines_reach_what_is_used),
      cmocka_unit_test(rows_are_those_of_what_is_used),
      cmocka_unit_test(circles_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
