/* SPDX-License-Identifier: MIT */
/* Programs of many statements: what they take grows as they do, on a stack of 256 KB, and
 * what is too large ends with its name. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/unit.h"
#include "dsl/namemap.h"
#include "tests/sources.h"

enum { SMALL_STACK = 256 << 10 };

static const char *const head = "data text { source \"t\" tokens chars split 0.9 }\n"
                                "dim V = text.vocab, B = 2, D = 8\n";
static const char *const foot = "train { loss main adam(lr = 0.01) batch B steps 5 }\n";

/* h = x + w0[1] + w1[1] + ...: each parameter has a kernel that starts it, all of one text. */
static void many_parameters(StrBuf *out, int n) {
  sb_puts(out, head);
  for (int i = 0; i < n; i++) sb_printf(out, "param w%d[3] ~ normal(0, 0.1)\n", i);
  sb_puts(out, "loss main(x: id<V>[B,4]) {\n  h0[b] = real(x[b,0])\n");
  for (int i = 0; i < n; i++) sb_printf(out, "  h%d[b] = h%d[b] + w%d[1]\n", i + 1, i, i);
  sb_printf(out, "  minimize mean[b](h%d[b]^2)\n}\n%s", n, foot);
}

static void many_layers(StrBuf *out, int n) {
  sb_puts(out, head);
  sb_puts(out, "block layer(h[b,d]) -> y[b,d] {\n  param w[D,D] ~ normal(0, 0.1)\n"
               "  y[b,d] = h[b,d] + tanh(sum[e](h[b,e] * w[e,d]))\n}\n"
               "loss main(x: id<V>[B,D]) {\n  h0[b,d] = real(x[b,d])\n");
  for (int i = 0; i < n; i++) sb_printf(out, "  h%d = layer(h%d)\n", i + 1, i);
  sb_printf(out, "  minimize mean[b,d](h%d[b,d]^2)\n}\n%s", n, foot);
}

/* A compilation on a thread of its own, whose stack is small. */
typedef struct Job {
  const char *text;
  bool check;
  Arena *arena;
  Diags *diags;
  Unit *unit;
} Job;

static void *compile(void *ctx) {
  Job *j = ctx;
  UnitOptions o = {.query = some_text, .check_only = j->check};
  j->arena = arena_new();
  j->diags = diags_new(j->arena);
  j->unit = unit_compile(j->arena, interner_new(j->arena), j->diags,
                         diags_source(j->diags, "large.td", j->text, strlen(j->text)), &o);
  return NULL;
}

static void run(Job *j, void (*write)(StrBuf *out, int n), int n, bool check) {
  StrBuf text = {0};
  pthread_attr_t attr;
  pthread_t thread;
  write(&text, n);
  *j = (Job){.text = text.s, .check = check};
  assert_int_equal(pthread_attr_init(&attr), 0);
  assert_int_equal(pthread_attr_setstacksize(&attr, SMALL_STACK), 0);
  assert_int_equal(pthread_create(&thread, &attr, compile, j), 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attr);
  sb_free(&text);
}

/* ---- programs that fit ------------------------------------------------------------------- */

/* With names tried one by one 2,000 parameters took half a minute; they take half a second. */
static void two_thousand_parameters_compile(void **state) {
  (void)state;
  Job j;
  double before = cpu_seconds();
  run(&j, many_parameters, 2000, false);
  double took = cpu_seconds() - before;
  assert_non_null(j.unit);
  assert_int_equal(j.unit->nparameters, 2000);
  assert_int_equal(j.unit->nweights, 6000);
  const TdProgram *p = j.unit->program;
  NameMap names = {0};
  for (int i = 0; i < p->nkernels; i++)
    assert_int_equal((*namemap_at(j.arena, &names, p->kernels[i].name))++, 0);
  if (took > 10) fail_msg("it took %.1f s", took);
  arena_free(j.arena);
}

/* A kernel's writer took memory for every expression of the graph: 1,000 layers needed 420 MB. */
static void a_thousand_layers_compile(void **state) {
  (void)state;
  Job j;
  run(&j, many_layers, 1000, false);
  assert_non_null(j.unit);
  assert_int_equal(j.unit->nparameters, 1000);
  assert_int_equal(j.unit->nweights, 64000);
  arena_free(j.arena);
}

/* ---- and those that do not --------------------------------------------------------------- */

static void four_thousand_layers_are_too_large(void **state) {
  (void)state;
  Job j;
  run(&j, many_layers, 4000, true);
  assert_null(j.unit);
  assert_int_equal(diags_count(j.diags), 1);
  const Diag *d = diags_at(j.diags, 0);
  assert_int_equal(d->code, 425);
  int most, values, parameters;
  char entry[32];
  assert_int_equal(sscanf(d->message,
                          "the program takes more than %d MB to compile: '%31[^']' has come to %d "
                          "values, %d parameters are declared",
                          &most, entry, &values, &parameters),
                   4);
  assert_string_equal(entry, "train");
  assert_int_equal(parameters, 4000);
  assert_true(values > 12000); /* w, product and sum of each layer, at least */
  assert_true(d->span.line > 0);
  assert_non_null(strstr(d->hint, "in a loop"));
  arena_free(j.arena);
}

static void a_full_arena_unwinds(void **state) {
  (void)state;
  jmp_buf unwind;
  Arena *volatile a = arena_new();
  volatile size_t got = 0;
  int why = setjmp(unwind);
  if (why == 0) {
    arena_guard(a, &unwind);
    arena_limit(a, 1 << 20);
    for (;;) {
      memset(arena_alloc(a, 1000), 1, 1000);
      got += 1000;
    }
  }
  assert_int_equal(why, ARENA_FULL);
  assert_true(got > 400000 && got <= 1 << 20); /* chunks double: the next would not have fit */
  arena_limit(a, 0);
  assert_non_null(arena_alloc(a, 2 << 20));
  arena_free(a);
}

static void names_are_found_again(void **state) {
  (void)state;
  Arena *a = arena_new();
  NameMap m = {0};
  assert_null(namemap_find(&m, "k0"));
  for (int i = 0; i < 5000; i++) *namemap_at(a, &m, arena_printf(a, "k%d", i)) = 7 * i;
  for (int i = 0; i < 5000; i++) {
    const int *n = namemap_find(&m, arena_printf(a, "k%d", i));
    assert_non_null(n);
    assert_int_equal(*n, 7 * i);
  }
  assert_null(namemap_find(&m, "k5000"));
  assert_int_equal(*namemap_at(a, &m, "k5000"), 0);
  assert_int_equal(*namemap_at(a, &m, "k77"), 539);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_thousand_parameters_compile),
      cmocka_unit_test(a_thousand_layers_compile),
      cmocka_unit_test(four_thousand_layers_are_too_large),
      cmocka_unit_test(a_full_arena_unwinds),
      cmocka_unit_test(names_are_found_again),
  };
  return cmocka_run_group_tests_name("programs of many statements", tests, NULL, NULL);
}
