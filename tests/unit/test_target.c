/* SPDX-License-Identifier: MIT */
/* The seam between shared passes and targets. A second target, with other numbers and
 * rules than the CPU's, is planned for every model: it has a device of 132 processors in
 * mind, 32-bit positions, rows that begin at multiples of 16 bytes, products of a library
 * and nothing packed. Then the CPU itself with single rules of that target, so that what
 * the plans say is also what runs: padded rows, and products of a library. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/cpu/cpu.h"
#include "compiler/ir/clone.h"
#include "compiler/ir/text.h"
#include "compiler/passes/pipeline.h"
#include "tests/compiled.h"
#include "tests/model.h"
#include "tests/randgraph.h"

enum { PROCESSORS = 132, WARP = 32, PITCH = 16, BATCHED = 1 << 24, LAYERS = 2 };

/* ---- the other target ------------------------------------------------------------------- */

/* A block for each piece, a thread for each number of a row. */
static void other_shape(Plan *p, Group *g) {
  TdLaunch *out = &g->launch.shape;
  int64_t rows = 1;
  for (int k = 0; k < g->nrows; k++) rows *= g->row_extent[k];
  if (g->rows_fixed) rows = (rows + g->block - 1) / g->block;
  out->gpu.grid[0] = rows;
  out->gpu.grid[1] = out->gpu.grid[2] = 1;
  out->gpu.block[0] = WARP;
  out->gpu.block[1] = out->gpu.block[2] = 1;
  for (int i = 0; g->kind == GROUP_ROWS && i < g->rows->nitems; i++)
    out->gpu.shared += item_array_bytes(&g->rows->items[i]);
  out->gpu.resident = out->gpu.shared > p->target->memory.on_chip / 2 ? 1 : 2;
}

static Target other_target(void) {
  Target t = cpu_target;
  t.name = "other";
  t.rows.rows_least = PROCESSORS;
  t.rows.partials_most = PROCESSORS;
  t.rows.partial_unit = WARP;
  t.rows.small = 1 << 16;
  t.products = (TargetProducts){.m_least = 8,
                                .n_least = 8,
                                .k_least = 8,
                                .work_least = 1 << 12,
                                .batch_least = 1 << 12,
                                .library = true,
                                .joined_most = BATCHED,
                                .batched_most = BATCHED,
                                .batched_bytes = BATCHED,
                                .rows_copied = 16};
  t.chains.any = false;
  t.memory = (TargetMemory){.alignment = 256,
                            .pitch = PITCH,
                            .index_bits = 32,
                            .on_chip = 200 << 10,
                            .narrow_least = 1 << 10};
  t.rates = (TargetRates){.bytes = 4e12, .flops = 6e13, .narrow_flops = 8e14, .launch = 3e-6};
  t.copies = NULL;
  t.shape = other_shape;
  t.emit = NULL;
  return t;
}

typedef struct Seen {
  int products, padded, partials;
  int grids, said; /* texts that tell of them */
} Seen;

/* What must be true of its plans and is not of the CPU's. */
static void look_at(const Plan *p, Seen *seen) {
  assert_int_equal(p->packs.n, 0);
  for (int i = 0; i < p->groups.n; i++) {
    const Group *g = p->groups.at[i];
    if (g->dropped || g->kind == GROUP_LOOP) continue;
    assert_true(g->kind != GROUP_CHAIN && g->launch.shape.cpu.pieces == 0);
    assert_true(g->launch.product || g->launch.shape.gpu.grid[0] > 0);
    seen->products += g->launch.product != NULL;
    for (int k = 0; k < g->members.n; k++)
      if (g->members.at[k].accumulates && g->members.at[k].node->shape[0] > 64) seen->partials++;
  }
  for (int i = 0; i < p->buffers.n; i++) {
    const TdBuffer *b = &p->buffers.at[i].td;
    bool padded = b->rank > 0 && b->pitch > b->shape[b->rank - 1];
    assert_true(!padded || (size_t)b->pitch * td_type_size(b->type) % PITCH == 0);
    seen->padded += padded;
  }
}

static void plan_entry(Model *m, const Target *t, TdType act, const UnitEntry *e, Seen *seen) {
  BackendOptions options = backend_defaults();
  PassOptions passes = pass_options(t);
  passes.recompute = 0;
  PlanStates states = {0};
  Plan p = {.arena = m->arena,
            .diags = m->diags,
            .g = graph_clone(m->arena, e->graph),
            .name = e->name,
            .options = &options,
            .target = t,
            .act = act,
            .repeated = e->repeated,
            .states = &states};
  pipeline_run(p.g, &(PipelineOptions){.passes = &passes, .verify = true});
  plan_make(&p);
  const char *wrong = plan_verify(&p);
  if (wrong) fail_msg("%s: %s: %s", m->path, e->name, wrong);
  look_at(&p, seen);
  StrBuf text = {0}, again = {0};
  plan_dump(&p, &text);
  plan_dump(&p, &again);
  assert_string_equal(text.s, again.s);
  assert_non_null(strstr(text.s, " for other"));
  assert_null(strstr(text.s, "pieces"));
  seen->grids += strstr(text.s, "; grid [") != NULL;
  seen->said += strstr(text.s, "by a library") != NULL;
  sb_free(&text);
  sb_free(&again);
}

static void every_model_is_planned(void **state) {
  (void)state;
  const Target t = other_target();
  glob_t found = {0};
  assert_int_equal(glob("tests/models/*.td", 0, NULL, &found), 0);
  assert_int_equal(glob("models/*.td", GLOB_APPEND, NULL, &found), 0);
  Seen seen = {0};
  const char *longer = getenv("TDC_TEST_LONG");
  for (size_t i = 0; i < found.gl_pathc; i++) {
    Model m;
    if (!model_in_depth(found.gl_pathv[i], longer && *longer == '1')) continue;
    if (!model_open(&m, found.gl_pathv[i], NULL, 0, "tests/models/verse.txt", 0, NULL))
      fail_msg("%s does not compile", found.gl_pathv[i]);
    for (int e = 0; e < m.unit->nentries; e++) {
      plan_entry(&m, &t, TD_F32, &m.unit->entries[e], &seen);
      plan_entry(&m, &t, TD_BF16, &m.unit->entries[e], &seen);
    }
    model_close(&m);
  }
  globfree(&found);
  assert_true(seen.products > 100 && seen.padded > 50 && seen.partials > 10);
  assert_true(seen.grids > 100 && seen.said > 20);
}

/* ---- the CPU with other rules -------------------------------------------------------------- */

typedef struct World {
  Arena *arena;
  Interner *names;
  Backend *backend;
  Graph *graph[64];
  int n;
} World;

static void compare_on(const Target *t, bool chains, int graphs, Seen *seen) {
  World w = {.arena = arena_new()};
  w.names = interner_new(w.arena);
  Diags *d = diags_new(w.arena);
  diags_source(d, "random", "", 0);
  BackendOptions options = backend_defaults();
  w.backend = backend_new(w.arena, d, t->name, &options);
  backend_for(w.backend, t);
  for (; w.n < graphs; w.n++) {
    RandSpec spec = {.seed = 7000 + (uint64_t)w.n,
                     .size = 24,
                     .only = -1,
                     .smooth = true,
                     .chains = chains,
                     .mirror = w.n % 2 == 1};
    Graph *g = w.graph[w.n] = randgraph_new(w.arena, w.names, &spec);
    for (int i = 0; i < g->nodes.n; i++) /* states are shared by name */
      if (g->nodes.at[i]->kind == N_STATE)
        g->nodes.at[i]->name = arena_printf(w.arena, "g%d.%s", w.n, g->nodes.at[i]->name);
    assert_true(backend_entry(w.backend, g, arena_printf(w.arena, "g%d", w.n)));
  }
  const TdProgram *p = backend_finish(w.backend);
  for (int k = 0; k < p->nkernels; k++) seen->products += p->kernels[k].kind == TD_PRODUCT;
  for (int e = 0; e < p->nentries; e++)
    for (int i = 0; i < p->entries[e].nbuffers; i++) {
      const TdBuffer *b = &p->entries[e].buffers[i];
      seen->padded += b->rank > 0 && b->pitch > b->shape[b->rank - 1];
    }
  Compiled *c = compiled_new(p, NULL);
  assert_non_null(c);
  for (int i = 0; i < w.n; i++)
    if (compiled_compare(c, i, w.graph[i], 11, 2e-4, 2) != 0)
      fail_msg("graph %d on %s", i, t->name);
  compiled_free(c);
  arena_free(w.arena);
}

static void padded_rows_run(void **state) {
  (void)state;
  Seen seen = {0};
  Target t = cpu_target;
  t.name = "padded";
  t.memory.pitch = PITCH;
  t.products.batched_most = t.products.batched_bytes = BATCHED;
  compare_on(&t, false, 48, &seen);
  compare_on(&t, true, 6, &seen); /* take seconds to compile */
  assert_true(seen.padded > 100);
}

/* A transformer's training step, where products are in loops over layers, with the
 * products by their definition; queries, keys and values are one, gradients of weights are made
 * behind the loop, of all layers at once. */
static void library_products_run(void **state) {
  (void)state;
  Target t = cpu_target;
  t.name = "library";
  t.products.library = true;
  t.products.computed = t.products.epilogue = false;
  t.products.batched_most = t.products.batched_bytes = t.products.joined_most = BATCHED;
  t.memory.pitch = 64;
  t.chains.any = false;
  t.copies = NULL;
  Model m;
  assert_true(model_open(&m, "tests/models/causal.td", NULL, 0, "tests/models/verse.txt", 0, NULL));
  BackendOptions options = backend_defaults();
  Backend *be = backend_new(m.arena, m.diags, "causal", &options);
  backend_for(be, &t);
  static const char *const names[] = {"train", "eval"};
  for (int e = 0; e < 2; e++)
    assert_true(backend_entry(be, unit_entry(m.unit, names[e])->graph, names[e]));
  const TdProgram *p = backend_finish(be);
  int products = 0, moving = 0, batches = 0, joined = 0;
  for (int k = 0; k < p->nkernels; k++) {
    const TdProduct *x = p->kernels[k].product;
    products += x != NULL;
    joined += x && strstr(p->kernels[k].name, "_joined") != NULL && x->batch == 3 &&
              x->a.batch == 0 && x->b.batch != 0;
    batches += x && strncmp(p->kernels[k].name, "product_d_", 10) == 0 && x->batch == LAYERS &&
               x->a.batch != 0 && x->b.batch != 0;
    for (int i = 0; x && i < TD_MAX_LOOPS; i++) moving += x->b.by_slot[i] != 0;
  }
  assert_true(products > 10 && moving > 2 && batches >= 4 && joined > 0);
  Compiled *c = compiled_new(p, NULL);
  assert_non_null(c);
  /* Adam's quotient takes the relative error of a gradient near 0 whole: of one in a few hundred
   * thousand it is above 1e-3, by whichever functions */
  for (int e = 0; e < 2; e++)
    assert_int_equal(compiled_compare(c, e, unit_entry(m.unit, names[e])->graph, 5, 4e-3, 2), 0);
  compiled_free(c);
  model_close(&m);
}

/* A plan that was damaged is found out. */
static void damage_is_seen(void **state) {
  (void)state;
  Model m;
  assert_true(model_open(&m, "tests/models/causal.td", NULL, 0, "tests/models/verse.txt", 0, NULL));
  for (int what = 0; what < 6; what++) {
    BackendOptions options = backend_defaults();
    PassOptions passes = pass_options(&cpu_target);
    PlanStates states = {0};
    Plan p = {.arena = m.arena,
              .diags = m.diags,
              .g = graph_clone(m.arena, m.unit->entries[1].graph),
              .name = "train",
              .options = &options,
              .target = &cpu_target,
              .states = &states};
    passes.recompute = 0;
    pipeline_run(p.g, &(PipelineOptions){.passes = &passes, .verify = true});
    plan_make(&p);
    assert_null(plan_verify(&p));
    int launch = 0, temp = 0, read = -1;
    while (p.steps.at[launch].kind != TD_LAUNCH) launch++;
    while (p.buffers.at[temp].td.kind != TD_TEMP || p.buffers.at[temp].last < 1) temp++;
    Launch *l = &p.steps.at[launch].group->launch;
    for (int i = 0; i < l->args.n; i++)
      if (l->writes.at[i]) read = i;
    assert_true(read >= 0);
    PlanStep last = p.steps.at[p.steps.n - 1];
    switch (what) {
    case 0: l->writes.at[read] = false; break;
    case 1: p.buffers.at[temp].td.offset += 4; break;
    case 2: p.buffers.at[temp].td.count = 0; break;
    case 3: p.steps.n--; break;
    case 4:
      p.steps.at[p.steps.n - 1] = p.steps.at[launch];
      p.steps.at[launch] = last;
      break;
    case 5: p.arena_bytes = 64; break;
    }
    if (!plan_verify(&p)) fail_msg("damage %d was not seen", what);
  }
  model_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_model_is_planned),
      cmocka_unit_test(padded_rows_run),
      cmocka_unit_test(library_products_run),
      cmocka_unit_test(damage_is_seen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
