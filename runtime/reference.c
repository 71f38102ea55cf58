/* SPDX-License-Identifier: MIT */
/* Entries on the reference evaluator. Memory is the host's and holds numbers in
 * storage types; a run widens inputs and states to doubles, evaluates the graph and
 * rounds outputs and states back, so that everything around it (checkpoints,
 * samplers, the viewer) sees what kernels would have left. */
#include "compiler/eval/eval.h"
#include "runtime/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/cpu/memory.h"
#include "runtime/store/checkpoint.h"

/* One entry has an evaluator at a time: it shares no memory between values, and
 * making one is cheap beside a run. */
typedef struct Reference {
  Device device;
  const Unit *unit;
  DeviceLayout at;
  int entry; /* the one with the evaluator, or -1 */
  Eval *ev;
} Reference;

/* ---- storage to doubles and back -------------------------------------------------- */

static void widen(double *to, const void *from, TdType type, int64_t n) {
  if (type == TD_I32) {
    for (int64_t i = 0; i < n; i++) to[i] = ((const int32_t *)from)[i];
  } else if (type == TD_U8) {
    for (int64_t i = 0; i < n; i++) to[i] = ((const uint8_t *)from)[i];
  } else if (!st_convert(ST_F64, to, checkpoint_type(type), from, (size_t)n)) {
    bug("type %d is not real", type);
  }
}

static void narrow(void *to, TdType type, const double *from, int64_t n) {
  if (type == TD_I32) {
    for (int64_t i = 0; i < n; i++) ((int32_t *)to)[i] = (int32_t)from[i];
  } else if (type == TD_U8) {
    for (int64_t i = 0; i < n; i++) ((uint8_t *)to)[i] = from[i] != 0;
  } else if (!st_convert(checkpoint_type(type), to, ST_F64, from, (size_t)n)) {
    bug("type %d is not real", type);
  }
}

static void check_count(const Node *n, int64_t count) {
  if (count != ir_count(n))
    bug("'%s' has %lld elements in the graph and %lld in the program", n->name,
        (long long)ir_count(n), (long long)count);
}

/* ---- one entry ---------------------------------------------------------------------- */

static const TdEntry *entry_of(const Reference *r, int entry) {
  return &r->unit->program->entries[entry];
}

static Graph *graph_of(const Reference *r, int entry) {
  const char *name = entry_of(r, entry)->name;
  const UnitEntry *e = unit_entry(r->unit, name);
  if (e == NULL) bug("the unit has no entry %s", name);
  return e->graph;
}

static void ready_evaluator(Reference *r, Graph *g, const DeviceRun *run) {
  if (r->entry != run->entry) {
    eval_free(r->ev);
    r->ev = eval_new(g, run->seed, run->step);
    r->entry = run->entry;
  }
  eval_set_seed(r->ev, run->seed);
  eval_set_step(r->ev, run->step);
}

/* An input that the program does not have cannot matter, but it has to lie
 * where the evaluator checks it to lie. */
static void give_input(Reference *r, int entry, Node *n) {
  double *to = eval_bind(r->ev, n);
  const TdEntry *e = entry_of(r, entry);
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind != TD_INPUT || strcmp(b->name, n->name) != 0) continue;
    check_count(n, b->count);
    widen(to, host_address(r->at.buffers[entry][i]), b->type, b->count);
    return;
  }
  double any = n->type != TY_INT ? 0 : n->lo > 0 ? (double)n->lo : n->hi < 0 ? (double)n->hi : 0;
  for (int64_t i = 0; i < ir_count(n); i++) to[i] = any;
}

/* The program's state of that name, and where it lies; NULL: it has none. */
static const TdState *find_state(const Reference *r, const char *name, char **at) {
  const TdProgram *p = r->unit->program;
  for (int i = 0; i < p->nstates; i++) {
    if (strcmp(p->states[i].name, name) != 0) continue;
    *at = host_address((DevicePlace){r->at.states[i], 0});
    return &p->states[i];
  }
  return NULL;
}

static bool matters(Graph *g, const Node *n) {
  for (int i = 0; i < g->top->nodes.n; i++)
    if (ir_reads(g, g->top->nodes.at[i], n)) return true;
  for (int i = 0; i < g->outputs.n; i++)
    if (g->outputs.at[i].node == n) return true;
  for (int i = 0; i < g->updates.n; i++)
    if (g->updates.at[i].value == n) return true;
  return false;
}

/* Before it is first written a state holds what no statement gave it: where nothing reads that, it
 * has to lie in range all the same. */
static void give_state(Reference *r, Graph *g, Node *n) {
  char *from;
  const TdState *state = find_state(r, n->name, &from);
  if (state == NULL) return;
  check_count(n, state->count);
  double *to = eval_bind(r->ev, n);
  widen(to, from, state->type, state->count);
  bool inside = true;
  for (int64_t i = 0; n->type == TY_INT && i < state->count; i++)
    inside = inside && to[i] >= (double)n->lo && to[i] <= (double)n->hi;
  if (inside || matters(g, n)) return;
  for (int64_t i = 0; i < state->count; i++) to[i] = (double)n->lo;
}

static void give_leaves(Reference *r, int entry, Graph *g) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == N_INPUT) give_input(r, entry, n);
    if (n->kind == N_STATE) give_state(r, g, n);
  }
}

/* Outputs that are states, inputs or tables already lie where they are read. */
static void take_outputs(Reference *r, int entry, const Graph *g) {
  const TdEntry *e = entry_of(r, entry);
  for (int i = 0; i < e->noutputs; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
    for (int k = 0; k < g->outputs.n && b->kind == TD_TEMP; k++) {
      Node *n = g->outputs.at[k].node;
      if (strcmp(g->outputs.at[k].name, e->outputs[i].name) != 0) continue;
      check_count(n, b->count);
      narrow(host_address(r->at.buffers[entry][e->outputs[i].buffer]), b->type,
             eval_value(r->ev, n), b->count);
      break;
    }
  }
}

static void take_states(Reference *r, const Graph *g) {
  for (int i = 0; i < g->updates.n; i++) {
    Node *n = g->updates.at[i].state;
    char *to;
    const TdState *state = find_state(r, n->name, &to);
    if (state != NULL) narrow(to, state->type, eval_bind(r->ev, n), state->count);
  }
}

static void show_values(Reference *r, const Graph *g, const DeviceWatch *watch) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->type != TY_REAL || (!ir_computes(n) && n->kind != N_STACK)) continue;
    TdStep place = {0};
    unit_place(r->unit, n, &place);
    watch->value(watch->ctx, n->name, &place, eval_value(r->ev, n), ir_count(n));
  }
}

static bool reference_prepare(Device *d, const DeviceLayout *at, const int *entries, int n,
                              TdError *err) {
  (void)entries;
  (void)n;
  (void)err;
  ((Reference *)d)->at = *at;
  return true;
}

static void reference_run(Device *d, const DeviceRun *run) {
  Reference *r = (Reference *)d;
  Graph *g = graph_of(r, run->entry);
  ready_evaluator(r, g, run);
  give_leaves(r, run->entry, g);
  const char *why = eval_run(r->ev);
  if (why != NULL) bug("%s: what was proved does not hold: %s", g->name, why);
  take_outputs(r, run->entry, g);
  take_states(r, g);
  if (run->watch != NULL && run->watch->value != NULL) show_values(r, g, run->watch);
}

static void reference_run_series(Device *d, const DeviceSeries *s) {
  device_run_each(d, &((Reference *)d)->at, s);
}

/* ---- the device ------------------------------------------------------------------------------ */

static double region_numbers(const Region *region) {
  double sum = 0;
  for (int i = 0; i < region->nodes.n; i++) {
    const Node *n = region->nodes.at[i];
    if (n->kind == N_LOOP)
      sum += region_numbers(n->loop->body);
    else if (n->kind != N_CONST && n->kind != N_VIEW)
      sum += (double)ir_count(n);
  }
  return sum;
}

/* Every value of an entry is kept, as doubles. */
static bool reference_fits(const Unit *u, TdError *err) {
  double need = 0, have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < u->nentries; i++)
    need = fmax(need, sizeof(double) * region_numbers(u->entries[i].graph->top));
  if (have <= 0 || need <= have) return true;
  return td_fail(err, TD_IO_FAILED,
                 "the reference evaluator needs %.1f GB of memory, this machine has %.1f GB; "
                 "a smaller batch, or a C compiler?",
                 need / 1e9, have / 1e9);
}

static void reference_close(Device *d) {
  Reference *r = (Reference *)d;
  eval_free(r->ev);
  free(r);
}

static const DeviceInterface reference_does = {
    .name = "reference",
    .alloc = host_alloc,
    .free = host_free,
    .upload = host_upload,
    .download = host_download,
    .zero = host_zero,
    .copy = host_copy,
    .prepare = reference_prepare,
    .run = reference_run,
    .run_series = reference_run_series,
    .finite = host_finite,
    .sync = host_sync,
    .close = reference_close,
};

Device *reference_device(const Unit *u, TdError *err) {
  if (!reference_fits(u, err) || !host_fits(u->program, 0, err)) return NULL;
  Reference *r = calloc(1, sizeof *r);
  if (r == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *r = (Reference){.device = {&reference_does}, .unit = u, .entry = -1};
  return &r->device;
}
