/* SPDX-License-Identifier: MIT */
/* Chains of products on CUDA: attention of several kinds and its gradients are few kernels that
 * mean what the evaluator means, on the emulated device with every load and store watched. With
 * gradients by keys and values in the chain nothing of length x length is in memory; where they are
 * products of their own, what they read is, and a block of rows is a piece. */
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
    /* gradients by keys and values are products of their own */
    {"apart", {2, 48, 2, 8, .layers = 2, .gradients = true}},
    {"apart_causal", {2, 67, 2, 8, .layers = 1, .gradients = true, .causal = true}},
    {"apart_dropout", {2, 48, 2, 8, .layers = 2, .gradients = true, .dropout = true}},
    {"apart_odd", {1, 83, 5, 11, .layers = 1, .gradients = true, .bias = true}},
    {"apart_shared_keys", {4, 48, 3, 8, .layers = 1, .gradients = true, .shared_keys = true}},
    {"apart_narrow", {4, 64, 2, 8, .layers = 1, .gradients = true, .narrow = true}},
    {"apart_narrow_odd",
     {2, 83, 2, 11, .layers = 1, .gradients = true, .causal = true, .narrow = true}},
    {"apart_narrow_of_wide",
     {2, 52, 2, 8, .layers = 1, .gradients = true, .narrow = true, .wide = true}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

/* All cases of a type are entries of one program. */
typedef struct World {
  const TdProgram *program;
  Session *session;
} World;

static Arena *arena;
static Graph *graph[CASES];
enum { TYPES = 3, WORLDS = 2 * TYPES };
static World world[WORLDS]; /* f32, bf16, factors in bf16 of values in f32; the same, apart */
static Target target[2];

static int type_of(const Attention *s) { return s->narrow ? s->wide ? 2 : 1 : 0; }
static bool is_apart(const Case *k) { return strncmp(k->name, "apart", 5) == 0; }
static int world_of(const Case *k) { return is_apart(k) * TYPES + type_of(&k->shape); }

/* No products of the library: its algorithms are tried in memory that is set to zero. */
static void make_targets(void) {
  for (int i = 0; i < 2; i++) target[i] = cuda_target;
  for (int i = 0; i < 2; i++) target[i].products.library = false;
  target[0].chains.stored_most = 0;
  target[1].chains.sums_near = 0;
}

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
  Backend *be = backend_new(arena, diags, which % TYPES ? "narrow" : "wide", NULL);
  backend_for(be, &target[which / TYPES]);
  take_type(be, which % TYPES);
  for (int i = 0; i < CASES; i++) {
    if (!wanted(&cases[i]) || world_of(&cases[i]) != which) continue;
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
  make_targets();
  for (int i = 0; i < WORLDS; i++)
    if (!make_world(i, diags)) return -1;
  return 0;
}

static int free_all(void **state) {
  (void)state;
  for (int i = 0; i < WORLDS; i++) session_free(world[i].session);
  arena_free(arena);
  return 0;
}

static int entry_of(const TdProgram *program, const char *name) {
  for (int i = 0; i < program->nentries; i++)
    if (strcmp(program->entries[i].name, name) == 0) return i;
  fail_msg("no entry %s", name);
  return -1;
}

/* Of the last chain, of which there are *n; and how many values of length x length are in memory,
 * each counted once. */
static int64_t pieces_of(const TdProgram *p, const TdEntry *e, int64_t scores, int *n,
                         int *stored) {
  int64_t pieces = 0;
  uint64_t seen = 0;
  *n = *stored = 0;
  for (int i = 0; i < e->nsteps; i++) {
    if (e->steps[i].kind != TD_LAUNCH) continue;
    const TdKernel *k = &p->kernels[e->steps[i].kernel];
    for (int a = 0; a < e->steps[i].nargs; a++) {
      const int b = e->steps[i].args[a];
      assert_true(b < 64);
      *stored += e->buffers[b].count >= scores && !(seen >> b & 1);
      seen |= 1ull << b;
    }
    if (strcmp(k->klass, "chain") != 0) continue;
    pieces = k->launch.gpu.grid[0];
    ++*n;
  }
  return pieces;
}

/* Rows of a block are halved from 64 to 16 while there are fewer than 132, of which there are far
 * fewer in all cases. Two values are stored: exp(scores) and the gradient by scores. */
static void check(void **state) {
  const Case *k = *state;
  const Attention *s = &k->shape;
  const World *w = &world[world_of(k)];
  const int entry = entry_of(w->program, k->name);
  int chains, stored;
  int64_t pieces = pieces_of(w->program, &w->program->entries[entry], s->b * s->h * s->l * s->l,
                             &chains, &stored);
  assert_int_equal(chains, s->gradients ? 2 : 1);
  assert_int_equal(stored, is_apart(k) ? 2 : 0);
  if (is_apart(k)) assert_int_equal(pieces, s->b * s->h * ((s->l + 15) / 16));
  double tolerance = s->narrow ? 0.06 : 2e-4;
  assert_int_equal(emulated_compare(w->session, entry, graph[k - cases], 1, tolerance, 1), 0);
}

/* Chains of an entry that is planned and not run, none of which takes more than a block has, and
 * blocks of the last one. */
static int planned(const Target *t, const Attention *shape, int64_t *blocks) {
  Arena *own = arena_new();
  Diags *diags = diags_new(own);
  Backend *be = backend_new(own, diags, "planned", NULL);
  backend_for(be, t);
  take_type(be, type_of(shape));
  assert_true(backend_entry(be, attention_graph(own, diags, shape), "main"));
  const TdProgram *p = backend_finish(be);
  int n = 0;
  for (int i = 0; i < p->nkernels; i++) {
    if (strcmp(p->kernels[i].klass, "chain") != 0) continue;
    assert_true(p->kernels[i].launch.gpu.shared <= 160 << 10);
    *blocks = p->kernels[i].launch.gpu.grid[0];
    n++;
  }
  arena_free(own);
  return n;
}

/* 16 rows of scores fit in three quarters of 160 KB: 1,920 numbers each. What sums over rows
 * give for keys and values of a head, 64 wide, are 2 x 64 numbers a row, of which there are
 * 32,768: 256 rows. Apart there are no such sums. */
static void test_limits(void **state) {
  (void)state;
  int64_t blocks;
  for (int narrow = 0; narrow < 2; narrow++) {
    Attention a = {.b = 4, .l = 1920, .h = 2, .e = 64, .layers = 1, .narrow = narrow};
    assert_int_equal(planned(&target[0], &a, &blocks), 1);
    a.l = 1921;
    assert_int_equal(planned(&target[0], &a, &blocks), 0);
    a.gradients = true;
    a.l = 256;
    assert_int_equal(planned(&target[0], &a, &blocks), 2);
    a.l = 257;
    assert_int_equal(planned(&target[0], &a, &blocks), 1);
    assert_int_equal(planned(&target[1], &a, &blocks), 2);
  }
}

/* 8 heads of 48 x 48 scores are 18,432 numbers: so many may be stored, and 16 rows are a block, of
 * which a head has 3; or one less, and a head is one. So it is where a head's 48 x 8 sums are few
 * enough for one. */
static void test_stored(void **state) {
  (void)state;
  Attention a = {.b = 4, .l = 48, .h = 2, .e = 8, .layers = 1, .gradients = true};
  Target t = cuda_target;
  int64_t blocks = 0;
  t.chains.stored_most = 18432;
  t.chains.sums_near = 383;
  assert_int_equal(planned(&t, &a, &blocks), 2);
  assert_int_equal(blocks, 24);
  t.chains.stored_most--;
  assert_int_equal(planned(&t, &a, &blocks), 2);
  assert_int_equal(blocks, 8);
  t.chains.stored_most++;
  t.chains.sums_near++;
  assert_int_equal(planned(&t, &a, &blocks), 2);
  assert_int_equal(blocks, 8);
}

int main(void) {
  struct CMUnitTest tests[CASES + 2];
  tests[CASES + 1] = (struct CMUnitTest){.name = "stored", .test_func = test_stored};
  tests[CASES] = (struct CMUnitTest){.name = "limits", .test_func = test_limits};
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
