/* SPDX-License-Identifier: MIT */
/* Chains of products: attention and its gradients become few kernels that keep
 * nothing of length x length in memory, and mean what the evaluator means. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/ir/verify.h"
#include "tests/attention.h"
#include "tests/compiled.h"

typedef struct Test {
  Arena *arena;
  Diags *diags;
  Graph *g;
  const TdProgram *with, *without; /* chains */
  int program;                     /* with: its number in the library of its kind */
} Test;

static const TdProgram *compile(Test *t, const Attention *s, bool chains) {
  BackendOptions o = backend_defaults();
  o.chains = chains;
  Backend *be = backend_new(t->arena, t->diags, "attention", &o);
  if (s->narrow) backend_activations(be, TD_BF16);
  assert_true(backend_entry(be, t->g, "main"));
  return backend_finish(be);
}

static int chains(const TdProgram *p) {
  int n = 0;
  for (int s = 0; s < p->entries[0].nsteps; s++) {
    const TdStep *step = &p->entries[0].steps[s];
    n += step->kind == TD_LAUNCH && strcmp(p->kernels[step->kernel].klass, "chain") == 0;
  }
  return n;
}

/* The largest buffer that some kernel uses. */
static int64_t largest(const TdProgram *p) {
  int64_t most = 0;
  const TdEntry *e = &p->entries[0];
  for (int s = 0; s < e->nsteps; s++)
    for (int i = 0; i < e->steps[s].nargs; i++)
      if (e->buffers[e->steps[s].args[i]].count > most)
        most = e->buffers[e->steps[s].args[i]].count;
  return most;
}

static void *results(Test *t, Compiled *c, int64_t chunk, int64_t *bytes) {
  TdControl control = {7, 1};
  for (int i = 0; i < t->g->top->nodes.n; i++) {
    Node *n = t->g->top->nodes.at[i];
    float *to = n->kind == N_INPUT ? compiled_input(c, 0, n->name) : NULL;
    for (int64_t k = 0; to && k < ir_count(n); k++) to[k] = (float)((k * 37 + i) % 64 - 32) / 32;
  }
  compiled_run(c, 0, control, chunk);
  StrBuf all = {0};
  for (int i = 0; i < t->g->outputs.n; i++) {
    TdType type;
    int64_t count;
    const void *out = compiled_output(c, 0, t->g->outputs.at[i].name, &type, &count);
    sb_write(&all, out, (size_t)count * 4);
  }
  *bytes = (int64_t)all.n;
  void *copy = arena_strndup(t->arena, all.s, all.n);
  sb_free(&all);
  return copy;
}

/* ---- the cases ------------------------------------------------------------------------ */

typedef struct Case {
  const char *name;
  Attention shape;
} Case;

static const Case cases[] = {
    {"forward", {2, 48, 3, 16, .layers = 1}},
    {"gradients", {2, 64, 3, 16, .layers = 2, .gradients = true}},
    /* Without a loop one region has both: the scores are computed twice there. */
    {"one_layer", {2, 64, 3, 16, .layers = 1, .gradients = true}},
    {"one_causal_layer",
     {2, 83, 3, 16, .layers = 1, .gradients = true, .causal = true, .bias = true}},
    {"one_dropped_layer", {2, 64, 2, 16, .layers = 1, .gradients = true, .dropout = true}},
    {"causal", {2, 64, 2, 16, .layers = 2, .gradients = true, .causal = true}},
    {"dropout", {2, 64, 2, 16, .layers = 2, .gradients = true, .dropout = true}},
    {"odd_extents",
     {3, 83, 5, 11, .layers = 2, .gradients = true, .causal = true, .targets = true}},
    /* Rows are (head, query): no head is in the operands that are packed. */
    {"shared_keys", {4, 64, 3, 16, .layers = 2, .gradients = true, .shared_keys = true}},
    {"bias", {2, 64, 2, 16, .layers = 2, .gradients = true, .bias = true}},
    /* k in more than one block, and a block of few rows */
    {"long_rows", {2, 420, 2, 8, .layers = 2, .gradients = true, .causal = true}},
    /* odd extents too: k and rows that are no whole tiles */
    {"narrow", {2, 83, 3, 24, .layers = 2, .gradients = true, .causal = true, .narrow = true}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static Test planned[CASES];
static Library *wide_kernels, *narrow_kernels; /* of all cases, in f32 and in bf16 */

static Library *kernels_of(bool narrow) {
  const TdProgram *programs[CASES];
  int n = 0;
  for (int i = 0; i < CASES; i++) {
    if (cases[i].shape.narrow != narrow) continue;
    planned[i].program = n;
    programs[n++] = planned[i].with;
  }
  return library_new(programs, n, NULL);
}

static int plan_all(void **state) {
  (void)state;
  for (int i = 0; i < CASES; i++) {
    Test *t = &planned[i];
    *t = (Test){.arena = arena_new()};
    t->diags = diags_new(t->arena);
    t->g = attention_graph(t->arena, t->diags, &cases[i].shape);
    const char *why = ir_verify(t->g);
    if (why) fail_msg("%s: %s", cases[i].name, why);
    t->with = compile(t, &cases[i].shape, true);
    t->without = compile(t, &cases[i].shape, false);
  }
  wide_kernels = kernels_of(false);
  narrow_kernels = kernels_of(true);
  return wide_kernels && narrow_kernels ? 0 : -1;
}

static int free_all(void **state) {
  (void)state;
  library_free(wide_kernels);
  library_free(narrow_kernels);
  for (int i = 0; i < CASES; i++) arena_free(planned[i].arena);
  return 0;
}

/* A chain forwards and one backwards, no scores in memory, the evaluator's values, and the
 * same bits whatever pieces a thread gets. */
static void check(void **state) {
  const Case *k = *state;
  const Attention *s = &k->shape;
  Test *t = &planned[k - cases];
  const int64_t scores = s->b * s->h * s->l * s->l;
  assert_int_equal(chains(t->with), s->gradients ? 2 : 1);
  assert_int_equal(chains(t->without), 0);
  assert_true(largest(t->with) < scores);
  assert_true(largest(t->without) >= scores);
  Compiled *c = compiled_of(s->narrow ? narrow_kernels : wide_kernels, t->program);
  assert_int_equal(compiled_compare(c, 0, t->g, 1, s->narrow ? 0.06 : 2e-4, 1), 0);
  int64_t n, m;
  const void *one = results(t, c, INT64_MAX / 2, &n), *three = results(t, c, 3, &m);
  assert_int_equal(n, m);
  assert_memory_equal(one, three, (size_t)n);
  compiled_free(c);
#ifdef __x86_64__
  for (int i = 0; s->targets && i < 2; i++) { /* 4 lanes, 8 lanes */
    const char *const flags[] = {"-O1", i ? "-march=x86-64-v3" : "-march=x86-64", NULL};
    if (i && !__builtin_cpu_supports("avx2")) continue;
    c = compiled_new(t->with, flags);
    assert_non_null(c);
    assert_int_equal(compiled_compare(c, 0, t->g, 2, 2e-4, 1), 0);
    compiled_free(c);
  }
#endif
}

int main(void) {
  struct CMUnitTest tests[CASES];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
