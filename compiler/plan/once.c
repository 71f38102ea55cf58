/* SPDX-License-Identifier: MIT */
/* What is the same in many runs leaves them: a value that follows from constants is computed in
 * the first run of an entry, one that follows from states which the entry leaves as they are in the
 * first after they changed. What other runs read of these is kept, in memory of the entry's own;
 * what only they read themselves is not.
 *
 * needs       a graph after its passes; nothing is grouped, and nothing has an owner
 * guarantees  NodeInfo.once and .kept of nodes outside of loops; a node that is not computed in
 *             each run is read by such as are computed in no more runs than it is, or it is kept
 * breaks      nothing
 *
 *     p[e] = pow(1e4, e / 32); t[l, e] = sin(l / p[e]); y[l, e] = x[l, e] + t[l, e]
 * ->  once: p, t, which is kept; in each run: y                                           */
#include "compiler/plan/once.h"
#include "compiler/plan/plan.h"

struct Once {
  Graph *g;
  bool repeated;
  VEC(TdOnce) at; /* by node id */
};

/* ---- what follows from what ------------------------------------------------------------- */

/* In which runs is what comes of both? */
static TdOnce both(TdOnce a, TdOnce b) {
  if (a == TD_ANEW || b == TD_ANEW) return TD_ANEW;
  return a > b ? a : b;
}

TdOnce once_of(const Once *o, const Node *n) { return n->id < o->at.n ? o->at.at[n->id] : TD_ANEW; }

typedef struct Sum {
  const Once *o;
  TdOnce once;
} Sum;

static void add_read(Node *read, void *ctx) {
  Sum *s = ctx;
  s->once = both(s->once, once_of(s->o, read));
}

static void add_expr(Expr *e, void *ctx) {
  Sum *s = ctx;
  if (e->draws || e->counts) s->once = TD_ANEW;
}

static void add_read_expr(Expr *e, void *ctx) {
  if (e->kind == E_READ) add_read(e->node, ctx);
}

TdOnce once_of_expr(const Once *o, Expr *e) {
  Sum s = {o, e->draws || e->counts ? TD_ANEW : TD_ONCE};
  if (s.once != TD_ANEW && e->reads) ex_visit(o->g, e, add_read_expr, &s);
  return s.once;
}

static bool is_changed(const Graph *g, const Node *state) {
  for (int i = 0; i < g->updates.n; i++)
    if (g->updates.at[i].state == state) return true;
  return false;
}

void once_note(Once *o, Node *n) {
  Sum s = {o, TD_ANEW};
  if (n->kind == N_CONST) s.once = TD_ONCE;
  if (n->kind == N_STATE && o->repeated && !is_changed(o->g, n)) s.once = TD_LASTING;
  if (n->kind == N_VIEW) s.once = once_of(o, n->base);
  if (n->kind == N_COMP) {
    s.once = TD_ONCE;
    ir_visit_exprs(o->g, n, add_expr, &s);
    ir_each_read(o->g, n, add_read, &s);
  }
  while (o->at.n <= n->id) vec_push(o->g->arena, &o->at, TD_ANEW);
  o->at.at[n->id] = s.once;
}

static void note_region(Once *o, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      note_region(o, n->loop->body);
    else
      once_note(o, n);
  }
}

Once *once_find(Graph *g, bool repeated) {
  Once *o = NEW(g->arena, Once);
  *o = (Once){.g = g, .repeated = repeated};
  note_region(o, g->top);
  return o;
}

bool once_worth(const TargetCosts *c, double ops, int64_t count) {
  return ops >= c->table_entry && count > 0 && count <= c->kept_most;
}

/* ---- what is kept ------------------------------------------------------------------------ */

/* Readers of a node: some that are computed in each run, some that are when states changed. */
typedef struct Read {
  bool anew, lasting;
} Read;

typedef struct Keep {
  Plan *p;
  const Once *once;
  Read *read;  /* by node id */
  Read reader; /* what the node that is looked at reads is read by */
} Keep;

static void note_reader(Node *read, void *ctx) {
  Keep *k = ctx;
  k->read[read->id].anew |= k->reader.anew;
  k->read[read->id].lasting |= k->reader.lasting;
}

/* Operations for each of its elements. */
static double operations(Graph *g, const Node *n) {
  double ops = ex_cost(g, n->body) + (n->guard ? ex_cost(g, n->guard) : 0);
  int64_t count = ir_count(n);
  ops += n->reducer == RED_NONE ? 0 : 1;
  return count > 0 ? ops * (double)ir_evaluations(n) / (double)count : 0;
}

/* All of its readers were looked at. */
static void decide(Keep *k, Node *n) {
  NodeInfo *info = plan_info(k->p, n);
  Read r = k->read[n->id];
  TdOnce once = info->kept ? TD_ANEW : once_of(k->once, n); /* a copy of weights is decided */
  bool mixed = r.anew || (r.lasting && once == TD_ONCE);
  bool worth =
      n->kind == N_COMP && once_worth(&k->p->target->costs, operations(k->p->g, n), ir_count(n));
  if (n->kind == N_COMP && once != TD_ANEW) {
    info->kept = mixed && worth;
    if (mixed && !worth) once = r.anew ? TD_ANEW : TD_LASTING;
    info->once = once;
  }
  k->reader = n->kind == N_VIEW ? r : (Read){once == TD_ANEW, once == TD_LASTING};
  ir_each_read(k->p->g, n, note_reader, k);
  if (n->kind != N_LOOP) return;
  for (int i = 0; i < n->loop->carries.n; i++) note_reader(n->loop->carries.at[i].next, k);
  for (int i = 0; i < n->loop->emits.n; i++) note_reader(n->loop->emits.at[i], k);
}

void plan_once(Plan *p) {
  Graph *g = p->g;
  if (!p->keeps || p->target->costs.kept_most == 0) return;
  Keep k = {p, once_find(g, p->repeated), NEWN(g->arena, Read, g->nodes.n + 1), {true, false}};
  for (int i = 0; i < g->updates.n; i++) note_reader(g->updates.at[i].value, &k);
  for (int i = 0; i < g->outputs.n; i++) note_reader(g->outputs.at[i].node, &k);
  for (int i = g->top->nodes.n - 1; i >= 0; i--) decide(&k, g->top->nodes.at[i]);
}
