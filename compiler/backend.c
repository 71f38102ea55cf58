/* SPDX-License-Identifier: MIT */
/* The backend's life: a backend, its states, one entry after another, the
 * program. compile() is the whole pipeline. */
#include "compiler/backend.h"
#include "compiler/cpu/cpu.h"
#include "compiler/cuda/cuda.h"
#include "compiler/ir/clone.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"
#include "compiler/plan/plan.h"

#include <limits.h>
#include <string.h>

struct Backend {
  Arena *arena;
  Diags *diags;
  const char *name;
  BackendOptions options;
  const Target *target;
  TdType act;                /* of activations: TD_F32 or TD_BF16 */
  int split;                 /* TD_SPLIT_* */
  int recompute, recomputed; /* see backend_recompute */
  bool repeated;             /* see backend_repeated */
  PlanStates states;
  VEC(TdTensor) tensors;
  Kernels kernels;
  VEC(TdEntry) entries;
  const char *dump_form; /* what backend_dump asked for, or NULL */
  StrBuf *dump;
};

BackendOptions backend_defaults(void) {
  return (BackendOptions){true, true, true, true, true, true, true, true, true, true};
}

#define OPTION(name) \
  { #name, offsetof(BackendOptions, name) }
static const struct {
  const char *name;
  size_t at;
} options[] = {OPTION(simplify),       OPTION(fuse_maps), OPTION(fuse_rows), OPTION(contractions),
               OPTION(fuse_epilogues), OPTION(chains),    OPTION(in_place),  OPTION(share_memory),
               OPTION(keep_values),    OPTION(loops)};
enum { OPTIONS = sizeof options / sizeof *options };

const char *backend_option(int i) { return i < OPTIONS ? options[i].name : NULL; }

bool backend_without(BackendOptions *o, const char *names) {
  for (;; names++) {
    size_t n = strcspn(names, ",");
    int i = 0;
    while (i < OPTIONS && (strlen(options[i].name) != n || strncmp(options[i].name, names, n) != 0))
      i++;
    if (i == OPTIONS) return false;
    *(bool *)((char *)o + options[i].at) = false;
    names += n;
    if (*names == '\0') return true;
  }
}

const Target *backend_target(const char *name) {
  static const Target *const all[] = {&cpu_target, &cuda_target};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i]->name, name) == 0) return all[i];
  return NULL;
}

Backend *backend_new(Arena *a, Diags *d, const char *name, const BackendOptions *o) {
  Backend *be = NEW(a, Backend);
  be->arena = a;
  be->diags = d;
  be->name = arena_strdup(a, name);
  be->options = o ? *o : backend_defaults();
  be->target = &cpu_target;
  be->split = TD_SPLIT_F32;
  return be;
}

void backend_for(Backend *be, const Target *target) { be->target = target; }

void backend_activations(Backend *be, TdType act) { be->act = act; }

void backend_split(Backend *be, int split) { be->split = split; }

void backend_recompute(Backend *be, int most) { be->recompute = most; }

void backend_repeated(Backend *be, bool yes) { be->repeated = yes; }

int backend_recomputed(const Backend *be) { return be->recomputed; }

int backend_state(Backend *be, const char *name, Type type, int rank, const int64_t *shape) {
  return plan_state(be->arena, &be->states, name, type, rank, shape);
}

void backend_tensor(Backend *be, const TdTensor *t) { vec_push(be->arena, &be->tensors, *t); }

/* ---- entries ---------------------------------------------------------------------- */

/* The first of its nodes that tells the user's own line, or the first. */
static const Node *first_known(const Group *g) {
  for (int i = 0; i < g->members.n; i++)
    if (g->members.at[i].node->users.n > 0) return g->members.at[i].node;
  return plan_first(g);
}

/* In bytes, or NULL. */
static const size_t *begins_of(const Plan *p, const Launch *l) {
  size_t *begins = NEWN(p->arena, size_t, l->args.n + 1);
  bool any = false;
  for (int i = 0; i < l->args.n; i++) {
    begins[i] = (size_t)l->begins.at[i] * td_type_size(p->buffers.at[l->args.at[i]].td.type);
    any = any || begins[i] > 0;
  }
  return any ? begins : NULL;
}

/* The plan's steps as the program has them; kernels are written in the order of launches. */
static void finish_entry(Backend *be, Plan *p) {
  TdEntry e = {.name = arena_strdup(p->arena, p->name),
               .follows = p->follows,
               .arena_bytes = p->arena_bytes,
               .arena_sum = p->arena_sum,
               .alignment = p->target->memory.alignment,
               .flops = p->flops,
               .narrow_flops = p->narrow_flops,
               .bytes = p->bytes,
               .nbuffers = p->buffers.n,
               .nsteps = p->steps.n,
               .outputs = p->outputs.at,
               .noutputs = p->outputs.n};
  e.buffers = NEWN(p->arena, TdBuffer, p->buffers.n + 1);
  for (int i = 0; i < p->buffers.n; i++) e.buffers[i] = p->buffers.at[i].td;
  e.steps = NEWN(p->arena, TdStep, p->steps.n + 1);
  for (int i = 0; i < p->steps.n; i++) {
    const PlanStep *from = &p->steps.at[i];
    TdStep *to = &e.steps[i];
    *to = (TdStep){.kind = from->kind, .once = from->once};
    if (from->kind == TD_LAUNCH) {
      const Launch *l = &from->group->launch;
      to->kernel = kernel_of(&be->kernels, p, from->group);
      emit_place(p->arena, p->diags, first_known(from->group), to);
      to->nargs = l->args.n;
      to->args = l->args.at;
      to->begins = begins_of(p, l);
    } else if (from->kind == TD_LOOP) {
      to->slot = plan_depth(from->loop->node->region);
      to->count = from->loop->count;
      to->reverse = from->loop->reverse;
    }
  }
  e.changes = NEWN(p->arena, int, p->g->updates.n + 1);
  for (int i = 0; i < p->g->updates.n; i++) {
    const NodeInfo *at = plan_info(p, p->g->updates.at[i].state);
    int state = at->placed ? p->buffers.at[at->place.buffer].td.state : -1;
    if (state >= 0) e.changes[e.nchanges++] = state; /* else it is a copy of one: weights.c */
  }
  vec_push(be->arena, &be->entries, e);
}

const char *backend_form(int i) {
  if (i == 0) return "lower";
  if (i <= pipeline_count()) return pipeline_at(i - 1)->name;
  return i == pipeline_count() + 1 ? "plan" : NULL;
}

void backend_dump(Backend *be, const char *form, StrBuf *out) {
  be->dump_form = form;
  be->dump = out;
}

/* Does somebody want to see it? */
static bool shown(const Backend *be, const char *form) {
  return be->dump_form && strcmp(be->dump_form, form) == 0;
}

static void show(const Backend *be, Graph *g, const char *form) {
  if (!shown(be, form)) return;
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
  PassOptions passes = {.target = be->target,
                        .simplify = o->simplify,
                        .fuse_maps = o->fuse_maps,
                        .contractions = o->contractions,
                        .chains = o->chains,
                        .batches = o->contractions && be->recompute == 0,
                        .keeps = o->keep_values && be->recompute == 0,
                        .repeated = be->repeated,
                        .loops = o->loops && be->target->loops.any && be->recompute == 0,
                        .recompute = o->keep_values ? be->recompute : INT_MAX,
                        .recomputed = &be->recomputed};
  pipeline_run(
      g, &(PipelineOptions){.passes = &passes, .verify = true, .after = show_after, .ctx = be});
}

/* Activations in bf16 are multiplied so, and those in f32 where the program says so. */
static bool rounds(const Backend *be) { return be->act == TD_BF16 || be->split == TD_SPLIT_BF16; }

static Plan new_plan(Backend *be, Graph *g, const char *name) {
  return (Plan){.arena = be->arena,
                .diags = be->diags,
                .g = g,
                .name = name,
                .options = &be->options,
                .target = be->target,
                .act = be->act,
                .split = be->split,
                .rounds = rounds(be),
                .repeated = be->repeated,
                .keeps = be->options.keep_values && be->recompute == 0,
                .states = &be->states};
}

static void make_plan(Plan *p) {
  plan_make(p);
  const char *wrong = plan_verify(p);
  if (wrong) bug("%s: the plan: %s", p->name, wrong);
}

bool backend_entry(Backend *be, Graph *g, const char *entry_name) {
  Plan p = new_plan(be, graph_clone(be->arena, g), entry_name);
  ir_drop_derivatives(p.g);
  rewrite(be, p.g, entry_name);
  make_plan(&p);
  if (shown(be, "plan")) {
    plan_dump(&p, be->dump);
    sb_putc(be->dump, '\n');
  }
  finish_entry(be, &p);
  return true;
}

void backend_plan(Backend *be, Graph *g, StrBuf *out) {
  ir_drop_derivatives(g);
  Plan p = new_plan(be, g, g->name);
  make_plan(&p);
  plan_dump(&p, out);
}

/* Does it take no longer than starting it? */
static bool is_brief(const TargetRates *r, const TdKernel *k) {
  return k->flops <= r->launch * r->flops && k->bytes <= r->launch * r->bytes;
}

/* Kernels all of whose launches are brief or not repeated: "init" is run once. */
static void find_brief(Backend *be) {
  if (!be->target->efforts) return;
  for (int k = 0; k < be->kernels.at.n; k++)
    be->kernels.at.at[k].brief = be->kernels.at.at[k].kind != TD_PRODUCT;
  for (int i = 0; i < be->entries.n; i++) {
    const TdEntry *e = &be->entries.at[i];
    for (int s = 0; s < e->nsteps && strcmp(e->name, "init") != 0; s++) {
      if (e->steps[s].kind != TD_LAUNCH || e->steps[s].once == TD_ONCE) continue;
      TdKernel *kernel = &be->kernels.at.at[e->steps[s].kernel];
      kernel->brief = kernel->brief && is_brief(&be->target->rates, kernel);
    }
  }
}

TdProgram *backend_finish(Backend *be) {
  TdProgram *p = NEW(be->arena, TdProgram);
  p->name = be->name;
  p->states = be->states.at;
  p->nstates = be->states.n;
  p->tensors = be->tensors.at;
  p->ntensors = be->tensors.n;
  find_brief(be);
  kernels_finish(&be->kernels, be->arena, be->target->dialect, be->entries.at, be->entries.n);
  p->kernels = be->kernels.at.at;
  p->nkernels = be->kernels.at.n;
  p->prelude = be->target->prelude(be->arena, rounds(be), td_program_splits(p), &p->shares);
  p->entries = be->entries.at;
  p->nentries = be->entries.n;
  return p;
}
