/* SPDX-License-Identifier: MIT */
/* The backend's life: a backend, its states, one entry after another, the
 * program. compile() is the whole pipeline. */
#include "compiler/ir/clone.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"
#include "compiler/plan/plan.h"

#include <limits.h>
#include <string.h>

BackendOptions backend_defaults(void) {
  return (BackendOptions){true, true, true, true, true, true, true, true, true};
}

TdType plan_storage(Type t) { return t == TY_REAL ? TD_F32 : t == TY_INT ? TD_I32 : TD_U8; }

Backend *backend_new(Arena *a, Diags *d, const char *name, const BackendOptions *o) {
  Backend *be = NEW(a, Backend);
  be->arena = a;
  be->diags = d;
  be->name = arena_strdup(a, name);
  be->options = o ? *o : backend_defaults();
  return be;
}

void backend_activations(Backend *be, TdType act) { be->act = act; }

void backend_recompute(Backend *be, int most) { be->recompute = most; }

void backend_repeated(Backend *be, bool yes) { be->repeated = yes; }

int backend_recomputed(const Backend *be) { return be->recomputed; }

int backend_state(Backend *be, const char *name, Type type, int rank, const int64_t *shape) {
  for (int i = 0; i < be->states.n; i++)
    if (strcmp(be->states.at[i].name, name) == 0) return i;
  TdState s = {
      .name = arena_strdup(be->arena, name), .type = plan_storage(type), .rank = rank, .count = 1};
  for (int d = 0; d < rank; d++) {
    s.shape[d] = shape[d];
    s.count *= shape[d];
  }
  vec_push(be->arena, &be->states, s);
  return be->states.n - 1;
}

void backend_tensor(Backend *be, const TdTensor *t) { vec_push(be->arena, &be->tensors, *t); }

/* ---- the plan -------------------------------------------------------------------- */

NodeInfo *plan_info(Plan *p, const Node *n) {
  while (p->info.n <= n->id) {
    NodeInfo empty = {0};
    vec_push(p->arena, &p->info, empty);
  }
  return &p->info.at[n->id];
}

int plan_depth(const Region *r) {
  int depth = 0;
  for (; r->loop; r = r->parent) depth++;
  return depth;
}

static void finish_entry(Plan *p) {
  TdEntry e = {.name = arena_strdup(p->arena, p->name),
               .arena_bytes = p->arena_bytes,
               .arena_sum = p->arena_sum,
               .flops = p->flops,
               .bytes = p->bytes};
  e.nbuffers = p->buffers.n;
  e.buffers = NEWN(p->arena, TdBuffer, p->buffers.n + 1);
  for (int i = 0; i < p->buffers.n; i++) e.buffers[i] = p->buffers.at[i].td;
  e.nsteps = p->steps.n;
  e.steps = p->steps.at;
  e.noutputs = p->outputs.n;
  e.outputs = p->outputs.at;
  vec_push(p->arena, &p->be->entries, e);
}

static void list_outputs(Plan *p) {
  for (int i = 0; i < p->g->outputs.n; i++) {
    const Output *o = &p->g->outputs.at[i];
    TdOutput out = {arena_strdup(p->arena, o->name), plan_info(p, o->node)->place.buffer};
    vec_push(p->arena, &p->outputs, out);
  }
}

const char *backend_form(int i) {
  if (i == 0) return "lower";
  return i <= pipeline_count() ? pipeline_at(i - 1)->name : NULL;
}

void backend_dump(Backend *be, const char *form, StrBuf *out) {
  be->dump_form = form;
  be->dump = out;
}

/* Does somebody want to see it? */
static void show(const Backend *be, Graph *g, const char *form) {
  if (!be->dump_form || strcmp(be->dump_form, form) != 0) return;
  ir_print(g, be->dump);
  sb_putc(be->dump, '\n');
}

static void show_after(Graph *g, const PassInfo *pass, double seconds, void *ctx) {
  (void)seconds;
  show(ctx, g, pass->name);
}

/* All passes over the entry's graph. */
static void rewrite(Backend *be, Graph *g, const char *entry_name) {
  const char *broken = ir_verify(g);
  if (broken) bug("%s: before all passes: %s", entry_name, broken);
  show(be, g, "lower");
  const BackendOptions *o = &be->options;
  PassOptions passes = {.simplify = o->simplify,
                        .fuse_maps = o->fuse_maps,
                        .contractions = o->contractions,
                        .chains = o->chains,
                        .recompute = o->keep_values ? be->recompute : INT_MAX,
                        .recomputed = &be->recomputed};
  pipeline_run(
      g, &(PipelineOptions){.passes = &passes, .verify = true, .after = show_after, .ctx = be});
}

bool backend_entry(Backend *be, Graph *g, const char *entry_name) {
  Plan p = {.be = be,
            .arena = be->arena,
            .g = graph_clone(be->arena, g),
            .name = entry_name,
            .repeated = be->repeated};
  rewrite(be, p.g, entry_name);
  plan_own(&p);
  plan_group(&p);
  if (be->options.chains) plan_chains(&p);
  plan_rows(&p);
  if (be->options.in_place) plan_in_place(&p);
  plan_place(&p);
  plan_narrow(&p);
  list_outputs(&p);
  plan_steps(&p);
  plan_memory(&p);
  finish_entry(&p);
  return true;
}

TdProgram *backend_finish(Backend *be) {
  TdProgram *p = NEW(be->arena, TdProgram);
  p->name = be->name;
  p->prelude =
      arena_printf(be->arena, "%s\n%s%s%s", prelude_text(), prelude_draws_text(),
                   be->act == TD_BF16 ? "\n" : "", be->act == TD_BF16 ? prelude_narrow_text() : "");
  p->nparts = be->act == TD_BF16 ? PRELUDE_PARTS : PRELUDE_PARTS - 1;
  p->states = be->states.at;
  p->nstates = be->states.n;
  p->tensors = be->tensors.at;
  p->ntensors = be->tensors.n;
  p->kernels = be->kernels.at;
  p->nkernels = be->kernels.n;
  p->entries = be->entries.at;
  p->nentries = be->entries.n;
  return p;
}
