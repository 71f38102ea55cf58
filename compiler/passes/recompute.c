/* SPDX-License-Identifier: MIT */
/* What a loop keeps for a later one can be computed there again: from what is
 * kept still, parameters, inputs and draws (a draw is a function of its number,
 * not of when it is made).
 *
 *     loop i { q = f(x, w[@i]); emit q }      loop i { q = f(x, w[@i]) }
 *     Q = stack of q                     ->   loop j reverse { q' = f(X[@j], w[@j]); ..q'.. }
 *     loop j reverse { ..Q[@j].. }
 *
 * needs       regions in order; after `inline`, so that what is copied is what the
 *             earlier loop computes in the end
 * guarantees  values stay, and so does their rounding: the same comprehensions are
 *             cut into kernels apart from all others (`again`), and what was read
 *             from memory is rounded to storage (`save keep`) as before. With
 *             activations in bf16 rounding is decided later, by who reads a
 *             buffer, and may differ
 * breaks      nothing; stacks and emits that nobody reads are pruned
 *
 * A value can be dropped when all that reads its stack is one later loop, each
 * iteration its own row, and it follows by comprehensions alone from what the
 * loop is given and from stacks. The pass `recompute` drops those that are
 * marked `save recompute`; `budget` as many as its option says, in the order of
 * operations for a byte: maps of what is kept, then products with few terms,
 * then the others. */
#include "compiler/passes/pipeline.h"

typedef struct Value { /* a stack that could go */
  Node *stack;
  Node *node;  /* in the earlier loop */
  Loop *later; /* that reads it */
  double bytes;
  bool dropped;
} Value;

/* The same value in the later loop. */
typedef struct Again {
  const Node *node;
  const Loop *later;
  Node *made;
} Again;

typedef struct Recompute {
  Graph *g;
  const Target *target;
  Node **stack;  /* by node id: the stack of a value of a loop, or NULL */
  Loop **reader; /* by node id, of stacks: the one loop that reads it by rows, or NULL */
  bool *spoiled; /* of stacks: something else reads it */
  int *possible; /* of nodes: 1 yes, -1 no, 0 not known yet */
  int *position; /* of nodes of a region: where they stand in it */
  VEC(Value) values;
  VEC(Again) again;
} Recompute;

/* ---- who reads a stack --------------------------------------------------------------- */

/* The loop around r whose counter the expression is, or NULL. */
static Loop *counter_of(const Expr *e, const Region *r) {
  for (; r && e->kind == E_LOOPVAR; r = r->parent)
    if (r->loop == e->loop) return r->loop;
  return NULL;
}

typedef struct Reader {
  Recompute *rc;
  const Region *region;
} Reader;

static void spoil(Node *read, void *ctx) {
  Recompute *rc = ctx;
  rc->spoiled[read->id] = true;
}

static void note_read(Expr *e, void *ctx) {
  Reader *r = ctx;
  if (e->kind != E_READ || e->node->kind != N_STACK) return;
  Recompute *rc = r->rc;
  Node *s = e->node;
  Loop *l = counter_of(e->args[0], r->region);
  bool own_row = l && l->node->region == s->region && l->count == s->loop->count;
  if (!own_row || (rc->reader[s->id] && rc->reader[s->id] != l))
    spoil(s, rc);
  else
    rc->reader[s->id] = l;
}

static void find_readers(Recompute *rc, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    rc->position[n->id] = i;
    if (ir_computes(n)) {
      Reader reader = {rc, r};
      ir_visit_exprs(rc->g, n, note_read, &reader);
    } else if (n->kind == N_LOOP) {
      find_readers(rc, n->loop->body);
      for (int k = 0; k < n->loop->carries.n; k++) {
        spoil(n->loop->carries.at[k].init, rc);
        spoil(n->loop->carries.at[k].next, rc);
      }
      for (int k = 0; k < n->loop->emits.n; k++) spoil(n->loop->emits.at[k], rc);
    } else {
      ir_each_read(rc->g, n, spoil, rc);
    }
    if (n->kind == N_STACK) rc->stack[n->loop->emits.at[n->slot]->id] = n;
  }
}

/* ---- what can be computed again -------------------------------------------------------- */

/* Does n's value reach the later loop by way of a stack? */
static bool stacked(const Recompute *rc, const Node *n, const Loop *later) {
  const Node *s = rc->stack[n->id];
  return s && s->region == later->node->region &&
         rc->position[s->id] < rc->position[later->node->id];
}

typedef struct Operands {
  Recompute *rc;
  Loop *earlier, *later;
  bool fine;
} Operands;

static bool possible(Recompute *rc, Node *n, Loop *earlier, Loop *later);

static void check_operand(Node *read, void *ctx) {
  Operands *o = ctx;
  if (!o->fine || !ir_inside(read->region, o->earlier) || stacked(o->rc, read, o->later)) return;
  o->fine = possible(o->rc, read, o->earlier, o->later);
}

/* Could the later loop compute n from stacks and from outside? */
static bool possible(Recompute *rc, Node *n, Loop *earlier, Loop *later) {
  if (rc->possible[n->id]) return rc->possible[n->id] > 0;
  Operands o = {rc, earlier, later, n->kind == N_COMP && n->region == earlier->body};
  if (o.fine) ir_each_read(rc->g, n, check_operand, &o);
  rc->possible[n->id] = o.fine ? 1 : -1;
  return o.fine;
}

static void find_values(Recompute *rc, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) find_values(rc, n->loop->body);
    Loop *later = rc->reader[n->id];
    if (n->kind != N_STACK || rc->spoiled[n->id] || !later) continue;
    Node *value = n->loop->emits.at[n->slot];
    if (value->save == SAVE_KEEP || rc->stack[value->id] != n || !stacked(rc, value, later))
      continue;
    if (!possible(rc, value, n->loop, later)) continue;
    Value v = {n, value, later, (double)ir_count(n) * (n->type == TY_BOOL ? 1 : 4), false};
    vec_push(rc->g->arena, &rc->values, v);
  }
}

static Recompute recompute_begin(Graph *g, const Target *t) {
  Recompute rc = {.g = g, .target = t};
  size_t n = (size_t)g->nodes.n + 1;
  rc.stack = NEWN(g->arena, Node *, n);
  rc.reader = NEWN(g->arena, Loop *, n);
  rc.spoiled = NEWN(g->arena, bool, n);
  rc.possible = NEWN(g->arena, int, n);
  rc.position = NEWN(g->arena, int, n);
  for (int i = 0; i < g->outputs.n; i++) spoil(g->outputs.at[i].node, &rc);
  for (int i = 0; i < g->updates.n; i++) spoil(g->updates.at[i].value, &rc);
  find_readers(&rc, g->top);
  find_values(&rc, g->top);
  return rc;
}

/* ---- what it costs ---------------------------------------------------------------------- */

typedef struct Bill {
  Recompute *rc;
  Loop *earlier, *later;
  double sum;
} Bill;

/* Is the value taken from a stack when everything marked as dropped is gone? */
static bool kept(const Recompute *rc, const Node *n, const Loop *later) {
  if (!stacked(rc, n, later)) return false;
  for (int i = 0; i < rc->values.n; i++)
    if (rc->values.at[i].node == n) return !rc->values.at[i].dropped;
  return true;
}

/* Operations of all iterations: a product's term is one multiply-add at the full
 * rate, a map's is what its primitives take, a stored element some more. */
static double operations(Graph *g, const Target *t, const Node *n) {
  double evaluations = (double)ir_evaluations(n), each = ex_cost(g, n->body);
  if (n->guard) each += ex_cost(g, n->guard);
  if (n->reducer != RED_NONE) each = each <= 1 ? 0.5 : each + 1;
  return evaluations * each + t->costs.store * (double)ir_count(n);
}

static void add_bill(Node *n, void *ctx) {
  Bill *b = ctx;
  if (!ir_inside(n->region, b->earlier) || n->mark || kept(b->rc, n, b->later)) return;
  n->mark = 1;
  b->sum += operations(b->rc->g, b->rc->target, n) * (double)b->earlier->count;
  ir_each_read(b->rc->g, n, add_bill, b);
}

/* Of computing again all that is dropped between the two loops of v. */
static double cost_of(Recompute *rc, const Value *v) {
  Bill b = {rc, v->stack->loop, v->later, 0};
  const Region *body = b.earlier->body;
  for (int i = 0; i < rc->values.n; i++) {
    const Value *x = &rc->values.at[i];
    if (x->dropped && x->stack->loop == b.earlier && x->later == b.later) add_bill(x->node, &b);
  }
  for (int i = 0; i < body->nodes.n; i++) body->nodes.at[i]->mark = 0;
  return b.sum;
}

/* The value that costs the fewest operations for a byte, or NULL. */
static Value *cheapest(Recompute *rc) {
  Value *best = NULL;
  double least = 0;
  for (int i = 0; i < rc->values.n; i++) {
    Value *v = &rc->values.at[i];
    if (v->dropped) continue;
    double before = cost_of(rc, v);
    v->dropped = true;
    double each = (cost_of(rc, v) - before) / v->bytes;
    v->dropped = false;
    if (best && each >= least) continue;
    best = v;
    least = each;
  }
  return best;
}

/* ---- doing it ------------------------------------------------------------------------------ */

typedef struct Rewrite {
  Recompute *rc;
  Loop *earlier, *later;
} Rewrite;

static Node *made(const Recompute *rc, const Node *n, const Loop *later) {
  for (int i = 0; i < rc->again.n; i++)
    if (rc->again.at[i].node == n && rc->again.at[i].later == later) return rc->again.at[i].made;
  return NULL;
}

static void compute_again(Recompute *rc, Node *n, Loop *earlier, Loop *later);

/* The earlier loop's expression, in the later one. Its operands are there. */
static Expr *translate(Graph *g, Expr *e, void *ctx) {
  Rewrite *w = ctx;
  if (e->kind == E_LOOPVAR && e->loop == w->earlier) return ex_loopvar(g, w->later);
  if (e->kind != E_READ || !ir_inside(e->node->region, w->earlier)) return e;
  if (!kept(w->rc, e->node, w->later)) return ex_read(g, made(w->rc, e->node, w->later), e->args);
  Expr *row[IR_MAX_RANK] = {ex_loopvar(g, w->later)};
  for (int d = 0; d < e->node->rank; d++) row[d + 1] = e->args[d];
  return ex_read(g, w->rc->stack[e->node->id], row);
}

static void make_operand(Node *read, void *ctx) {
  Rewrite *w = ctx;
  if (ir_inside(read->region, w->earlier) && !kept(w->rc, read, w->later))
    compute_again(w->rc, read, w->earlier, w->later);
}

/* Appended to the later loop's body, after what it needs. */
static void compute_again(Recompute *rc, Node *n, Loop *earlier, Loop *later) {
  if (made(rc, n, later)) return;
  Rewrite w = {rc, earlier, later};
  Graph *g = rc->g;
  ir_each_read(g, n, make_operand, &w);
  Expr *guard = n->guard ? ex_map(g, n->guard, translate, &w) : NULL;
  Node *m = ir_comp(g, later->body, n->name, n->span, n->rank, n->nvars - n->rank, n->extent,
                    n->reducer, guard, ex_map(g, n->body, translate, &w));
  for (int k = 0; k < IR_MAX_VARS; k++) m->axis[k] = n->axis[k];
  m->lo = n->lo;
  m->hi = n->hi;
  m->save = rc->stack[n->id] ? SAVE_KEEP : n->save;
  m->again = true;
  Again a = {n, later, m};
  vec_push(g->arena, &rc->again, a);
}

static Value *dropped_value(const Recompute *rc, const Node *stack) {
  for (int i = 0; i < rc->values.n; i++)
    if (rc->values.at[i].stack == stack) return rc->values.at[i].dropped ? &rc->values.at[i] : NULL;
  return NULL;
}

static void make_read(Expr *e, void *ctx) {
  Recompute *rc = ctx;
  Value *v = e->kind == E_READ ? dropped_value(rc, e->node) : NULL;
  if (v) compute_again(rc, v->node, v->stack->loop, v->later);
}

static Expr *reread(Graph *g, Expr *e, void *ctx) {
  Recompute *rc = ctx;
  Value *v = e->kind == E_READ ? dropped_value(rc, e->node) : NULL;
  return v ? ex_read(g, made(rc, v->node, v->later), e->args + 1) : e;
}

static void rewrite_node(Recompute *rc, Node *n) {
  Graph *g = rc->g;
  ir_visit_exprs(g, n, make_read, rc);
  if (n->body) n->body = ex_map(g, n->body, reread, rc);
  if (n->guard) n->guard = ex_map(g, n->guard, reread, rc);
  for (int d = 0; d < n->rank && n->kind == N_SCATTER; d++)
    n->index[d] = ex_map(g, n->index[d], reread, rc);
}

/* Each value is made right before the first that reads it: until then the room is free. */
static void rewrite_region(Recompute *rc, Region *r) {
  int count = r->nodes.n;
  Node **nodes = NEWN(rc->g->arena, Node *, count + 1);
  for (int i = 0; i < count; i++) nodes[i] = r->nodes.at[i];
  r->nodes.n = 0;
  for (int i = 0; i < count; i++) {
    if (nodes[i]->kind == N_LOOP)
      rewrite_region(rc, nodes[i]->loop->body);
    else if (ir_computes(nodes[i]))
      rewrite_node(rc, nodes[i]);
    vec_push(rc->g->arena, &r->nodes, nodes[i]);
  }
}

static void finish(Recompute *rc) {
  bool any = false;
  for (int i = 0; i < rc->values.n; i++) any = any || rc->values.at[i].dropped;
  if (!any) return;
  for (int i = 0; i < rc->values.n; i++)
    if (rc->values.at[i].dropped) rc->values.at[i].node->save = SAVE_KEEP;
  rewrite_region(rc, rc->g->top);
  ir_prune(rc->g);
}

void pass_recompute(Graph *g, const PassOptions *o) {
  Recompute rc = recompute_begin(g, o->target);
  for (int i = 0; i < rc.values.n; i++)
    rc.values.at[i].dropped = rc.values.at[i].node->save == SAVE_RECOMPUTE;
  finish(&rc);
}

void pass_budget(Graph *g, const PassOptions *o) {
  if (o->recomputed) *o->recomputed = 0;
  if (o->recompute <= 0) return;
  Recompute rc = recompute_begin(g, o->target);
  int n = 0;
  for (Value *v; n < o->recompute && (v = cheapest(&rc)); n++) v->dropped = true;
  finish(&rc);
  if (o->recomputed) *o->recomputed = n;
}
