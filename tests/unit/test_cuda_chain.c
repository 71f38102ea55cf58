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
    {"narrow", {4, 64, 2, 8, .layers = 1, .gradients = true, .causal = true, .narrow = true}},
    {"narrow_odd", {2, 83, 2, 11, .layers = 1, .gradients = true, .bias = true, .narrow = true}},
    {"narrow_turned",
     {2, 52, 2, 8, .layers = 1, .gradients = true, .turned = true, .narrow = true}},
    /* so many sums over rows that fewer threads have more registers each */
    {"long_rows", {1, 132, 4, 8, .layers = 1, .gradients = true, .causal = true}},
    {"narrow_long_rows", {1, 132, 4, 8, .layers = 1, .gradients = true, .narrow = true}},
    {"narrow_of_wide",
     {2, 52, 2, 8, .layers = 1, .gradients = true, .bias = true, .narrow = true, .wide = true}},
    {"turned", {2, 48, 2, 8, .layers = 1, .gradients = true, .turned = true}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* All cases of a type are entries of one program. */
typedef struct World {
  const TdProgram *program;
  Session *session;
} World;

static Arena *arena;
static Graph *graph[CASES];
static World world[3]; /* f32, bf16, factors in bf16 of values in f32 */

static int world_of(const Attention *s) { return s->narrow ? s->wide ? 2 : 1 : 0; }

static void take_type(Backend *be, int which) {
  if (which == 1) backend_activations(be, TD_BF16);
  if (which == 2) backend_split(be, TD_SPLIT_BF16);
}

static bool wanted(const Case *k) {
  const char *only = getenv("ONLY");
  return !only || strcmp(only, k->name) == 0;
}

static bool make_world(int which, Diags *diags) {
  World *w = &world[which];
  Backend *be = backend_new(arena, diags, which ? "narrow" : "wide", NULL);
  backend_for(be, &cuda_target);
  take_type(be, which);
  for (int i = 0; i < CASES; i++) {
    if (!wanted(&cases[i]) || world_of(&cases[i].shape) != which) continue;
    graph[i] = attention_graph(arena, diags, &cases[i].shape);
    const char *why = ir_verify(graph[i]);
    if (why) fail_msg("%s: %s", cases[i].name, why);
    assert_true(backend_entry(be, graph[i], cases[i].name));
  }
  w->program = backend_finish(be);
  for (int i = 0; i < w->program->nkernels && getenv("SHOW"); i++)
    if (strcmp(w->program->kernels[i].klass, "chain") == 0)
      fprintf(stderr, "%s\n%s\n", w->program->kernels[i].comment, w->program->kernels[i].source);
  w->session = w->program->nentries ? emulated_session(w->program) : NULL;
  return w->session || !w->program->nentries;
}

static int plan_all(void **state) {
  (void)state;
  arena = arena_new();
  Diags *diags = diags_new(arena);
  emulate(true);
  return make_world(0, diags) && make_world(1, diags) && make_world(2, diags) ? 0 : -1;
}

static int free_all(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) session_free(world[i].session);
  arena_free(arena);
  return 0;
}

static int entry_of(const TdProgram *program, const char *name) {
  for (int i = 0; i < program->nentries; i++)
    if (strcmp(program->entries[i].name, name) == 0) return i;
  fail_msg("no entry %s", name);
  return -1;
}

static void check(void **state) {
  const Case *k = *state;
  const Attention *s = &k->shape;
  const World *w = &world[world_of(s)];
  const int entry = entry_of(w->program, k->name);
  const TdEntry *e = &w->program->entries[entry];
  const int64_t scores = s->b * s->h * s->l * s->l;
  int chains = 0;
  for (int i = 0; i < e->nsteps; i++) {
    if (e->steps[i].kind != TD_LAUNCH) continue;
    chains += strcmp(w->program->kernels[e->steps[i].kernel].klass, "chain") == 0;
    for (int a = 0; a < e->steps[i].nargs; a++)
      assert_true(e->buffers[e->steps[i].args[a]].count < scores);
  }
  assert_int_equal(chains, s->gradients ? 2 : 1);
  double tolerance = s->narrow ? 0.06 : 2e-4;
  assert_int_equal(emulated_compare(w->session, entry, graph[k - cases], 1, tolerance, 1), 0);
}

/* Chains of an entry that is planned and not run, none of which takes more than a block has. */
static int planned(const Attention *shape) {
  Arena *own = arena_new();
  Diags *diags = diags_new(own);
  Backend *be = backend_new(own, diags, "planned", NULL);
  backend_for(be, &cuda_target);
  take_type(be, world_of(shape));
  assert_true(backend_entry(be, attention_graph(own, diags, shape), "main"));
  const TdProgram *p = backend_finish(be);
  int n = 0;
  for (int i = 0; i < p->nkernels; i++) {
    if (strcmp(p->kernels[i].klass, "chain") != 0) continue;
    assert_true(p->kernels[i].launch.gpu.shared <= 160 << 10);
    n++;
  }
  arena_free(own);
  return n;
}

/* 16 rows of scores fit in three quarters of 160 KB: 1,920 numbers each. What sums over rows
 * give for keys and values of a head, 64 wide, are 2 x 64 numbers a row, of which there are
 * 32,768: 256 rows. */
static void test_limits(void **state) {
  (void)state;
  for (int narrow = 0; narrow < 2; narrow++) {
    Attention a = {.b = 4, .l = 1920, .h = 2, .e = 64, .layers = 1, .narrow = narrow};
    assert_int_equal(planned(&a), 1);
    a.l = 1921;
    assert_int_equal(planned(&a), 0);
    a.gradients = true;
    a.l = 256;
    assert_int_equal(planned(&a), 2);
    a.l = 257;
    assert_int_equal(planned(&a), 1);
  }
}

int main(void) {
  struct CMUnitTest tests[CASES + 1];
  tests[CASES] = (struct CMUnitTest){.name = "limits", .test_func = test_limits};
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
