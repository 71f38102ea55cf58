/* SPDX-License-Identifier: MIT */
/* Products that multiply the same by weights which lie one behind the other, as queries, keys
 * and values, are one with the weights' number as its first axis: one launch of many tiles in
 * place of a few of few. What reads one of them reads its part; nothing is copied.
 *
 *     wq = view of p + 0; wk = view of p + 8; x = ...
 *     q[l, j] = sum over d (x[l, d] * wq[d, j]); k[l, j] = sum over d (x[l, d] * wk[d, j])
 *     ... q[l, j] ... k[m, j] ...
 * ->  wq.joined = view of p + 0, with an axis of 2 more
 *     q.joined[n, l, j] = sum over d (x[l, d] * wq.joined[n, d, j])
 *     ... q.joined[0, l, j] ... q.joined[1, m, j] ...
 *
 * needs       after `inline`, so that operands are what they will be
 * guarantees  each element is the sum of the same terms in the same order
 * breaks      nothing; what nobody reads any more is pruned
 *
 * All of them are stacked by their loop, or none is: else the stack would hold more. Where a map
 * follows, which could run on the sums before they are stored, only few results are joined. */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/contract.h"

#include <stdlib.h>

enum { MEMBERS = 16 };

typedef struct Part { /* what is read instead of a node: `whole`, where `axis` is `index` */
  Node *whole;
  int axis;
  int64_t index;
} Part;

typedef struct Member {
  Node *node, *view, *stack; /* stack: NULL: it is not stacked */
} Member;

typedef struct Join {
  Graph *g;
  const TargetProducts *target;
  bool *whole; /* by node id: something takes it as a whole, not by reads and emits */
  Part *part;  /* by node id */
  int nodes;   /* these have an entry in both */
  const Node *from;
  Node *to; /* of a substitution, with an axis more if `first` */
  Expr *first;
} Join;

/* ---- what may be joined ---------------------------------------------------------------- */

static void mark(Node *n, void *ctx) { ((Join *)ctx)->whole[n->id] = true; }

static void mark_region(Join *j, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_VIEW) mark(n->base, j);
    for (int k = 0; k < n->parts.n; k++) mark(n->parts.at[k], j);
    if (n->kind != N_LOOP) continue;
    mark_region(j, n->loop->body);
    for (int k = 0; k < n->loop->carries.n; k++) {
      const Carry *c = &n->loop->carries.at[k];
      mark(c->init, j);
      if (c->next) mark(c->next, j);
    }
  }
}

static Expr *substitute(Graph *g, Expr *e, void *ctx) {
  const Join *j = ctx;
  Expr *args[IR_MAX_RANK];
  if (e->kind != E_READ || e->node != j->from) return e;
  int more = j->first != NULL;
  args[0] = j->first;
  for (int d = 0; d < e->nargs; d++) args[d + more] = e->args[d];
  return ex_read(g, j->to, args);
}

static bool same_shape(const Node *a, const Node *b) {
  if (a->rank != b->rank) return false;
  for (int d = 0; d < a->rank; d++)
    if (a->shape[d] != b->shape[d]) return false;
  return true;
}

/* Is m what n would be with another view? */
static bool differ_by_view(Join *j, const Node *n, const Node *v, const Node *m, Node *w) {
  if (m->kind != N_COMP || m->nvars != n->nvars || m->reducer != n->reducer || m->vjp ||
      m->again != n->again || m->save != n->save || m->guard != n->guard || !same_shape(m, n))
    return false;
  for (int k = 0; k < n->nvars; k++)
    if (m->extent[k] != n->extent[k]) return false;
  j->from = v;
  j->to = w;
  j->first = NULL;
  return ex_map(j->g, n->body, substitute, j) == m->body;
}

static Node *stack_of(const Node *n) {
  const Loop *l = n->region->loop;
  if (!l) return NULL;
  for (int i = 0; i < l->node->region->nodes.n; i++) {
    Node *s = l->node->region->nodes.at[i];
    if (s->kind == N_STACK && s->loop == l && l->emits.at[s->slot] == n) return s;
  }
  return NULL;
}

/* Does a map of its region read it? */
static bool is_followed(const Join *j, const Node *n) {
  for (int i = 0; i < n->region->nodes.n; i++) {
    Node *m = n->region->nodes.at[i];
    if (ir_is_map(m) && ir_reads(j->g, m, n)) return true;
  }
  return false;
}

static bool is_joined(const Join *j, const Node *n) {
  return n->id >= j->nodes || j->part[n->id].whole;
}

static bool may_join(const Join *j, const Node *n, const Node *stack) {
  int rank = n->rank + 1 + (stack != NULL);
  return !is_joined(j, n) && !j->whole[n->id] && !(stack && j->whole[stack->id]) &&
         rank <= IR_MAX_RANK && n->nvars < IR_MAX_VARS;
}

typedef struct Views { /* that a product reads in its body */
  VEC(Node *) at;
  Arena *arena;
} Views;

static void note_view(Expr *e, void *ctx) {
  Views *v = ctx;
  if (e->kind != E_READ || e->node->kind != N_VIEW) return;
  for (int i = 0; i < v->at.n; i++)
    if (v->at.at[i] == e->node) return;
  vec_push(v->arena, &v->at, e->node);
}

static int by_offset(const void *a, const void *b) {
  const Member *x = a, *y = b;
  return (x->view->offset > y->view->offset) - (x->view->offset < y->view->offset);
}

/* Those that differ from n by the view in place of v, in the order of their weights. */
static int find_members(Join *j, Node *n, Node *v, Member *out) {
  int count = 0;
  for (int i = 0; i < n->region->nodes.n && count < MEMBERS; i++) {
    Node *m = n->region->nodes.at[i];
    Views views = {.arena = j->g->arena};
    if (m->kind != N_COMP || m->reducer != RED_SUM || is_joined(j, m)) continue;
    Node *stack = stack_of(m);
    if (!may_join(j, m, stack)) continue;
    ex_visit(j->g, m->body, note_view, &views);
    for (int k = 0; k < views.at.n; k++) {
      Node *w = views.at.at[k];
      if (w->base != v->base || !same_shape(w, v) || !differ_by_view(j, n, v, m, w)) continue;
      out[count++] = (Member){m, w, stack};
      break;
    }
  }
  qsort(out, (size_t)count, sizeof *out, by_offset);
  return count;
}

/* How many from the first on lie one behind the other, and are kept alike. */
static int run_of(const Member *m, int count) {
  int n = 1;
  int64_t room = ir_count(m[0].view);
  while (n < count && m[n].view->offset - m[n - 1].view->offset == room &&
         !m[n].stack == !m[0].stack)
    n++;
  return n;
}

/* ---- doing it ----------------------------------------------------------------------------- */

static const Node *first_of(const Member *m, int count) {
  const Region *r = m[0].node->region;
  for (int i = 0;; i++)
    for (int k = 0; k < count; k++)
      if (r->nodes.at[i] == m[k].node) return m[k].node;
}

/* A view of all the weights. */
static Node *join_views(Join *j, const Member *m, int count) {
  Node *v = m[0].view;
  int64_t shape[IR_MAX_RANK] = {count};
  for (int d = 0; d < v->rank; d++) shape[d + 1] = v->shape[d];
  Node *all = ir_view(j->g, v->region, arena_printf(j->g->arena, "%s.joined", v->name), v->base,
                      v->offset, v->rank + 1, shape, v->span);
  for (int d = 0; d < v->rank; d++) all->axis[d + 1] = v->axis[d];
  ir_put_before(all, v);
  return all;
}

static void join(Join *j, const Member *m, int count) {
  Graph *g = j->g;
  Node *n = m[0].node;
  Expr *map[IR_MAX_VARS];
  int64_t extent[IR_MAX_VARS] = {count};
  for (int k = 0; k < n->nvars; k++) {
    map[k] = ex_var(g, k + 1);
    extent[k + 1] = n->extent[k];
  }
  j->from = m[0].view;
  j->to = join_views(j, m, count);
  j->first = ex_var(g, 0);
  Expr *body = ex_map(g, ex_subst(g, n->body, map, n->nvars), substitute, j);
  Expr *guard = n->guard ? ex_subst(g, n->guard, map, n->nvars) : NULL;
  Node *all = ir_comp(g, n->region, arena_printf(g->arena, "%s.joined", n->name), n->span,
                      n->rank + 1, n->nvars - n->rank, extent, n->reducer, guard, body);
  for (int k = 0; k < n->nvars; k++) all->axis[k + 1] = n->axis[k];
  all->again = n->again;
  all->save = n->save;
  ir_put_before(all, first_of(m, count));
  Node *stack = m[0].stack ? ir_stack_behind(g, n->region->loop, all) : NULL;
  for (int k = 0; k < count; k++) {
    for (int u = 0; u < m[k].node->users.n; u++) ir_add_user(g, all, m[k].node->users.at[u]);
    j->part[m[k].node->id] = (Part){all, 0, k};
    if (stack) j->part[m[k].stack->id] = (Part){stack, 1, k};
  }
}

/* Those that n is one of. */
static void try_join(Join *j, Node *n) {
  Views views = {.arena = j->g->arena};
  Member m[MEMBERS];
  if (n->kind != N_COMP || n->vjp || is_joined(j, n) || !contract_matches(j->g, j->target, n))
    return;
  ex_visit(j->g, n->body, note_view, &views);
  for (int i = 0; i < views.at.n && !is_joined(j, n); i++) {
    if (views.at.at[i]->rank == IR_MAX_RANK) continue;
    int count = find_members(j, n, views.at.at[i], m), run;
    for (int k = 0; k < count; k += run) {
      bool followed = false;
      run = run_of(m + k, count - k);
      for (int x = k; x < k + run; x++) followed = followed || is_followed(j, m[x].node);
      if (run > 1 && (!followed || ir_count(n) * run <= j->target->joined_most))
        join(j, m + k, run);
    }
  }
}

static void join_region(Join *j, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      join_region(j, n->loop->body);
    else
      try_join(j, n);
  }
}

/* ---- who reads them --------------------------------------------------------------------- */

static Expr *read_part(Graph *g, Expr *e, void *ctx) {
  const Join *j = ctx;
  Expr *args[IR_MAX_RANK];
  if (e->kind != E_READ || e->node->id >= j->nodes) return e;
  const Part *p = &j->part[e->node->id];
  if (!p->whole) return e;
  for (int d = 0; d < e->nargs; d++) args[d + (d >= p->axis)] = e->args[d];
  args[p->axis] = ex_int(g, p->index);
  return ex_read(g, p->whole, args);
}

static void read_parts(Join *j, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) read_parts(j, n->loop->body);
    if (!ir_computes(n)) continue;
    n->body = ex_map(j->g, n->body, read_part, j);
    if (n->guard) n->guard = ex_map(j->g, n->guard, read_part, j);
    for (int d = 0; n->kind == N_SCATTER && d < n->rank; d++)
      n->index[d] = ex_map(j->g, n->index[d], read_part, j);
  }
}

void pass_join(Graph *g, const PassOptions *o) {
  Join j = {.g = g, .target = &o->target->products, .nodes = g->nodes.n};
  if (j.target->joined_most == 0) return;
  j.whole = NEWN(g->arena, bool, g->nodes.n + 1);
  j.part = NEWN(g->arena, Part, g->nodes.n + 1);
  mark_region(&j, g->top);
  for (int i = 0; i < g->outputs.n; i++) mark(g->outputs.at[i].node, &j);
  for (int i = 0; i < g->updates.n; i++) mark(g->updates.at[i].value, &j);
  join_region(&j, g->top);
  read_parts(&j, g->top);
  ir_prune(g);
}
