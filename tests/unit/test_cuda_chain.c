/* SPDX-License-Identifier: MIT */
/* Chains of products on CUDA: attention of several kinds and its gradients are few kernels that
 * keep nothing of length x length in memory, and mean what the evaluator means, on the emulated
 * device with every load and store watched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/cuda/chain.h"
#include "compiler/cuda/cuda.h"
#include "compiler/ir/verify.h"
#include "tests/attention.h"
#include "tests/emulated.h"

typedef struct Case {
  const char *name;
  Attention shape;
} Case;

static const Case cases[] = {
    {"forward", {2, 48, 2, 8, .layers = 1}},
    {"gradients", {2, 48, 2, 8, .layers = 2, .gradients = true}},
    {"one_causal_layer",
     {2, 67, 2, 8, .layers = 1, .gradients = true, .causal = true, .bias = true}},
    {"banded", {2, 50, 2, 8, .layers = 1, .gradients = true, .band = 5}},
    {"dropout", {2, 48, 2, 8, .layers = 2, .gradients = true, .dropout = true}},
    {"odd_extents", {1, 83, 5, 11, .layers = 2, .gradients = true, .causal = true}},
    {"shared_keys", {4, 48, 3, 8, .layers = 2, .gradients = true, .shared_keys = true}},
    {"turned", {2, 48, 2, 8, .layers = 1, .gradients = true, .turned = true}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static Arena *arena;
static Graph *graph[CASES];
static const TdProgram *program;
static Session *session;

static int plan_all(void **state) {
  (void)state;
  arena = arena_new();
  Diags *diags = diags_new(arena);
  Backend *be = backend_new(arena, diags, "attention", NULL);
  const char *only = getenv("ONLY");
  emulate(true);
  backend_for(be, &cuda_target);
  for (int i = 0; i < CASES; i++) {
    if (only && strcmp(only, cases[i].name) != 0) continue;
    graph[i] = attention_graph(arena, diags, &cases[i].shape);
    const char *why = ir_verify(graph[i]);
    if (why) fail_msg("%s: %s", cases[i].name, why);
    assert_true(backend_entry(be, graph[i], cases[i].name));
  }
  program = backend_finish(be);
  if (getenv("SHOW"))
    for (int i = 0; i < program->nkernels; i++)
      if (strcmp(program->kernels[i].klass, "chain") == 0)
        fprintf(stderr, "%s\n%s\n", program->kernels[i].comment, program->kernels[i].source);
  session = emulated_session(program);
  return session ? 0 : -1;
}

static int free_all(void **state) {
  (void)state;
  session_free(session);
  arena_free(arena);
  return 0;
}

static int entry_of(const char *name) {
  for (int i = 0; i < program->nentries; i++)
    if (strcmp(program->entries[i].name, name) == 0) return i;
  fail_msg("no entry %s", name);
  return -1;
}

static void check(void **state) {
  const Case *k = *state;
  const Attention *s = &k->shape;
  const TdEntry *e = &program->entries[entry_of(k->name)];
  const int64_t scores = s->b * s->h * s->l * s->l;
  int chains = 0;
  for (int i = 0; i < e->nsteps; i++) {
    if (e->steps[i].kind != TD_LAUNCH) continue;
    chains += strcmp(program->kernels[e->steps[i].kernel].klass, "chain") == 0;
    for (int a = 0; a < e->steps[i].nargs; a++)
      assert_true(e->buffers[e->steps[i].args[a]].count < scores);
  }
  assert_int_equal(chains, s->gradients ? 2 : 1);
  assert_int_equal(
      emulated_compare(session, entry_of(k->name), graph[k - cases], 1, s->narrow ? 0.06 : 2e-4, 1),
      0);
}

int main(void) {
  struct CMUnitTest tests[CASES];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
