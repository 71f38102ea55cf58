/* SPDX-License-Identifier: MIT */
/* Entries on the reference evaluator. The session keeps its numbers in storage
 * types; a run widens inputs and states to doubles, evaluates the graph and
 * rounds outputs and states back, so that everything around it (checkpoints,
 * samplers, the viewer) sees what kernels would have left. */
#include "compiler/eval/eval.h"
#include "runtime/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/store/checkpoint.h"
#include "runtime/session_internal.h"

/* One entry is prepared at a time: the evaluator shares no memory between
 * values, and preparing is cheap beside a run. */
struct Reference {
  const Unit *unit;
  int entry; /* the one prepared, or -1 */
  Eval *ev;
};

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

static Graph *graph_of(const Reference *r, const Session *s, int entry) {
  const char *name = session_program(s)->entries[entry].name;
  const UnitEntry *e = unit_entry(r->unit, name);
  if (e == NULL) bug("the unit has no entry %s", name);
  return e->graph;
}

static void prepare(Reference *r, Graph *g, int entry, uint64_t seed, int64_t step) {
  if (r->entry != entry) {
    eval_free(r->ev);
    r->ev = eval_new(g, seed, step);
    r->entry = entry;
  }
  eval_set_seed(r->ev, seed);
  eval_set_step(r->ev, step);
}

/* An input that the program does not have cannot matter, but it has to lie
 * where the evaluator checks it to lie. */
static void give_input(Reference *r, const Session *s, int entry, Node *n) {
  double *to = eval_bind(r->ev, n);
  const TdEntry *e = &session_program(s)->entries[entry];
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind != TD_INPUT || strcmp(b->name, n->name) != 0) continue;
    check_count(n, b->count);
    widen(to, s->bound[entry].at[i], b->type, b->count);
    return;
  }
  double any = n->type != TY_INT ? 0 : n->lo > 0 ? (double)n->lo : n->hi < 0 ? (double)n->hi : 0;
  for (int64_t i = 0; i < ir_count(n); i++) to[i] = any;
}

static void give_state(Reference *r, const Session *s, Node *n) {
  int k = session_state(s, n->name);
  if (k < 0) return;
  const TdState *state = &session_program(s)->states[k];
  check_count(n, state->count);
  widen(eval_bind(r->ev, n), session_state_data(s, k), state->type, state->count);
}

static void give_leaves(Reference *r, const Session *s, int entry, const Graph *g) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == N_INPUT) give_input(r, s, entry, n);
    if (n->kind == N_STATE) give_state(r, s, n);
  }
}

/* Outputs that are states, inputs or tables already lie where they are read. */
static void take_outputs(Reference *r, const Session *s, int entry, const Graph *g) {
  const TdEntry *e = &session_program(s)->entries[entry];
  for (int i = 0; i < e->noutputs; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
    for (int k = 0; k < g->outputs.n && b->kind == TD_TEMP; k++) {
      Node *n = g->outputs.at[k].node;
      if (strcmp(g->outputs.at[k].name, e->outputs[i].name) != 0) continue;
      check_count(n, b->count);
      narrow(s->bound[entry].at[e->outputs[i].buffer], b->type, eval_value(r->ev, n), b->count);
      break;
    }
  }
}

static void take_states(Reference *r, const Session *s, const Graph *g) {
  for (int i = 0; i < g->updates.n; i++) {
    Node *n = g->updates.at[i].state;
    int k = session_state(s, n->name);
    if (k < 0) continue;
    const TdState *state = &session_program(s)->states[k];
    narrow(session_state_data(s, k), state->type, eval_bind(r->ev, n), state->count);
  }
}

void reference_run(Reference *r, Session *s, int entry, uint64_t seed, int64_t step) {
  Graph *g = graph_of(r, s, entry);
  prepare(r, g, entry, seed, step);
  give_leaves(r, s, entry, g);
  const char *why = eval_run(r->ev);
  if (why != NULL) bug("%s: what was proved does not hold: %s", g->name, why);
  take_outputs(r, s, entry, g);
  take_states(r, s, g);
}

/* ---- looking for the first NaN ---------------------------------------------------------- */

static bool not_finite(const Reference *r, Node *n, NanSource *out) {
  if (n->type != TY_REAL || (n->kind != N_COMP && n->kind != N_SCATTER && n->kind != N_STACK))
    return false;
  const double *x = eval_value(r->ev, n);
  for (int64_t i = 0; i < ir_count(n); i++) {
    bool nan = isnan(x[i]);
    if (isfinite(x[i]) || (out->found && !nan)) continue;
    *out = (NanSource){.found = true, .infinite = !nan, .index = i};
    out->tensor = out->kernel = n->name;
    if (nan) return true;
  }
  return false;
}

NanSource reference_trace(Reference *r, Session *s, int entry, uint64_t seed, int64_t step) {
  NanSource out = {0};
  Graph *g = graph_of(r, s, entry);
  reference_run(r, s, entry, seed, step);
  for (int i = 0; i < g->top->nodes.n; i++)
    if (not_finite(r, g->top->nodes.at[i], &out)) break;
  return out;
}

/* ---- sessions ------------------------------------------------------------------------------ */

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

Session *reference_session(const Unit *u, Pool *pool, TdError *err) {
  if (!reference_fits(u, err)) return NULL;
  Session *s = session_new(u->program, NULL, pool, err);
  if (s == NULL) return NULL;
  s->reference = calloc(1, sizeof *s->reference);
  if (s->reference != NULL) {
    *s->reference = (Reference){.unit = u, .entry = -1};
    return s;
  }
  td_fail_memory(err);
  session_free(s);
  return NULL;
}

void reference_free(Reference *r) {
  if (r == NULL) return;
  eval_free(r->ev);
  free(r);
}
