/* SPDX-License-Identifier: MIT */
#include "compiler/eval/eval.h"
#include "compiler/ir/draws.h"
#include "tests/entries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Single precision against double. A number may be off by `NEAR` of its own size
 * and of the tensor's root mean square; the whole tensor by `NORM`. Numbers that an
 * optimizer moved may not: where the gradient is rounding, so is the direction. */
static const double NEAR = 2e-3, NORM = 1e-4, MOVED = 2e-3;
/* Of the whole numbers and truth values, so many may differ: the first of two
 * equal maxima is a matter of rounding. */
static const double FLIPPED = 0.01;

typedef struct Compare {
  const Model *model;
  Running *run;
  const UnitEntry *entry;
  int index; /* of the entry in the session */
  Eval *ev;
  uint64_t seed;
  int64_t step;
  int wrong;
} Compare;

/* ---- the same numbers on both sides ----------------------------------------------- */

static double any_value(const Compare *c, const Node *n, int64_t i) {
  uint32_t site = draw_site(n->name);
  if (n->type == TY_REAL) return (double)(float)draw_normal(c->seed, 7, site, (uint64_t)i);
  double u = draw_uniform(c->seed, 7, site, (uint64_t)i);
  if (n->type == TY_BOOL) return u < 0.5;
  int64_t lo = n->lo < -100 ? -100 : n->lo, hi = n->hi > 1000 ? 1000 : n->hi;
  return (double)lo + floor(u * (double)(hi - lo + 1));
}

/* A sampler's number as it is when nobody sets it; NAN for other inputs. */
static double usual_value(const Compare *c, const Node *n) {
  const char *name = c->entry->name;
  if (strncmp(name, "sample.", 7) != 0 || n->rank > 0) return (double)NAN;
  for (int i = 0; i < c->model->unit->nsamplers; i++) {
    const UnitSampler *s = &c->model->unit->samplers[i];
    size_t len = strlen(s->name);
    if (strncmp(name + 7, s->name, len) != 0 || name[7 + len] != '.') continue;
    for (int k = 0; k < s->nparams; k++)
      if (strcmp(s->params[k].name, n->name) == 0) return s->params[k].dflt;
  }
  return (double)NAN;
}

static void give_input(Compare *c, Node *n) {
  int64_t count = ir_count(n);
  double *x = eval_bind(c->ev, n);
  TdError err = {0};
  bool ok = true;
  for (int64_t i = 0; i < count; i++) x[i] = any_value(c, n, i);
  if (!isnan(usual_value(c, n))) x[0] = usual_value(c, n);
  if (n == c->entry->graph->step) x[0] = (double)c->step;
  if (!session_input(c->run->session, c->index, n->name)) return;
  if (n->rank == 0) {
    ok = session_set_number(c->run->session, c->index, n->name, x[0], &err);
  } else {
    char *bytes = malloc((size_t)count * sizeof(double));
    for (int64_t i = 0; i < count; i++) {
      if (n->type == TY_REAL)
        ((float *)bytes)[i] = (float)x[i];
      else if (n->type == TY_INT)
        ((int32_t *)bytes)[i] = (int32_t)x[i];
      else
        ((uint8_t *)bytes)[i] = x[i] != 0;
    }
    if (n->type == TY_REAL)
      ok = session_set_reals(c->run->session, c->index, n->name, (float *)bytes, count, &err);
    else if (n->type == TY_INT)
      ok = session_set_ints(c->run->session, c->index, n->name, (int32_t *)bytes, count, &err);
    else
      ok = session_set_bools(c->run->session, c->index, n->name, (uint8_t *)bytes, count, &err);
    free(bytes);
  }
  if (ok) return;
  fprintf(stderr, "%s: %s: %s\n", c->model->path, c->entry->name, err.message);
  c->wrong++;
}

/* The evaluator begins with the session's states. */
static void give_state(Compare *c, Node *n) {
  int k = session_state(c->run->session, n->name);
  if (k < 0) return;
  const TdState *s = &session_program(c->run->session)->states[k];
  void *from = state_of(c->run->session, k);
  double *to = eval_bind(c->ev, n);
  for (int64_t i = 0; i < s->count; i++) to[i] = typed_value(from, s->type, i);
  free(from);
}

/* Weights that start at 0 or 1 say little: every weight a little elsewhere. */
static void stir_weights(const Compare *c) {
  Session *s = c->run->session;
  for (int k = 0; k < session_program(s)->nstates; k++) {
    const TdState *state = &session_program(s)->states[k];
    if (strncmp(state->name, "params.", 7) != 0 && strncmp(state->name, "ema.", 4) != 0) continue;
    float *x = state_of(s, k);
    for (int64_t i = 0; i < state->count; i++)
      x[i] +=
          (float)(0.05 * draw_normal(c->seed, 8, draw_site(strchr(state->name, '.')), (uint64_t)i));
    session_write_state(s, k, 0, state->count, x);
    free(x);
  }
}

/* ---- comparing -------------------------------------------------------------------- */

static void differs(Compare *c, const char *what, int64_t i, double got, double want, double norm) {
  c->wrong++;
  fprintf(
      stderr,
      "%s: %s: %s[%lld] is %.9g, the evaluator has %.9g (relative distance of the whole: %.2g)\n",
      c->model->path, c->entry->name, what, (long long)i, got, want, norm);
}

static void compare_numbers(Compare *c, const char *what, Type type, const double *want,
                            const void *got, TdType as, int64_t count, bool moved) {
  double square = 0, apart = 0;
  int64_t worst = -1, flipped = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = typed_value(got, as, i), d = x - want[i];
    if (isnan(x) != isnan(want[i]) || (!isfinite(d) && x != want[i] && !isnan(x))) {
      differs(c, what, i, x, want[i], (double)INFINITY);
      return;
    }
    if (!isfinite(d)) continue;
    square += want[i] * want[i];
    apart += d * d;
    flipped += d != 0;
  }
  double rms = sqrt(square / (double)(count > 0 ? count : 1)),
         norm = square > 0 ? sqrt(apart / square) : sqrt(apart);
  /* one number may be what is left of terms near 1 */
  if (count == 1 && apart <= 0x1p-48) return;
  if (type != TY_REAL) {
    if ((double)flipped > FLIPPED * (double)count)
      differs(c, what, flipped, (double)flipped, 0, norm);
    return;
  }
  for (int64_t i = 0; i < count && !moved; i++) {
    double x = typed_value(got, as, i);
    if (isfinite(x) && !(fabs(x - want[i]) <= NEAR * (fabs(want[i]) + rms) + 1e-12) && worst < 0)
      worst = i;
  }
  if (worst < 0 && norm <= (moved ? MOVED : NORM)) return;
  if (worst < 0) worst = 0;
  differs(c, what, worst, typed_value(got, as, worst), want[worst], norm);
}

static void compare_output(Compare *c, const Output *o) {
  const Session *s = c->run->session;
  const TdBuffer *b = session_output(s, c->index, o->name);
  if (!b || b->count != ir_count(o->node)) {
    differs(c, o->name, -1, b ? (double)b->count : -1, (double)ir_count(o->node), 0);
    return;
  }
  void *got = output_of(s, c->index, o->name);
  compare_numbers(c, o->name, o->node->type, eval_value(c->ev, o->node), got, b->type, b->count,
                  false);
  free(got);
}

static void compare_state(Compare *c, Node *n) {
  const Session *s = c->run->session;
  int k = session_state(s, n->name);
  bool moved = strcmp(c->entry->name, "train") == 0 &&
               (strncmp(n->name, "params.", 7) == 0 || strncmp(n->name, "ema.", 4) == 0);
  if (k < 0 || session_program(s)->states[k].count != ir_count(n)) {
    differs(c, n->name, -1, k, (double)ir_count(n), 0);
    return;
  }
  void *got = state_of(s, k);
  compare_numbers(c, n->name, n->type, eval_bind(c->ev, n), got, session_program(s)->states[k].type,
                  ir_count(n), moved);
  free(got);
}

static void compare_all(Compare *c) {
  Graph *g = c->entry->graph;
  for (int i = 0; i < g->outputs.n; i++) compare_output(c, &g->outputs.at[i]);
  for (int i = 0; i < g->updates.n; i++) compare_state(c, g->updates.at[i].state);
}

static void run_entry(Compare *c, const UnitEntry *e) {
  c->entry = e;
  c->index = session_entry(c->run->session, e->name);
  if (c->index < 0) {
    fprintf(stderr, "%s: the program has no entry %s\n", c->model->path, e->name);
    c->wrong++;
    return;
  }
  Graph *g = e->graph;
  c->ev = eval_new(g, c->seed, c->step);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == N_INPUT) give_input(c, n);
    if (n->kind == N_STATE) give_state(c, n);
  }
  const char *why = eval_run(c->ev);
  if (why) {
    fprintf(stderr, "%s: %s: evaluator: %s\n", c->model->path, e->name, why);
    c->wrong++;
  } else {
    session_run(c->run->session, c->index, c->seed, c->step);
    compare_all(c);
  }
  eval_free(c->ev);
}

int entries_compare(const Model *m, Running *r, uint64_t seed) {
  Compare c = {.model = m, .run = r, .seed = seed};
  run_entry(&c, unit_entry(m->unit, "init"));
  stir_weights(&c);
  for (int i = 0; i < m->unit->nentries; i++) {
    const UnitEntry *e = &m->unit->entries[i];
    if (strcmp(e->name, "init") == 0) continue;
    for (c.step = 1; c.step <= (strcmp(e->name, "train") == 0 ? 2 : 1); c.step++) run_entry(&c, e);
  }
  return c.wrong;
}
