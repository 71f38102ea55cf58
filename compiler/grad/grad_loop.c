/* SPDX-License-Identifier: MIT */
/* Loops backwards: a loop whose counter runs the other way.
 *
 *     loop i { h = f(h, w[i]) }       carry d.h from d.final(h);
 *                                     loop i reversed { d.w.i = ..h[i]..; d.h = .. }
 *                                     d.w = stack of d.w.i
 *
 * What the body contributes to nodes outside is one of
 *
 *     sliced    the counter fixes an axis (w[i,..], x[b,i,..]): each iteration
 *               emits its own part, stacked
 *     carried   the parts are summed in a carry
 *     hoisted   the operands are stacked and the contribution is made once, after
 *               the loop, with the counter as one more summed variable; when the
 *               operands are smaller than the sum, as for weights in a scan     */
#include "compiler/grad/grad_internal.h"

void grad_outer(GradFrame *f, Node *x, const Share *s) {
  Pending p = {x, *s, false};
  vec_push(f->pass->arena, &f->pending, p);
}

/* ---- hoisting ------------------------------------------------------------------ */

typedef struct Cost {
  const GradFrame *frame;
  int64_t elements;
  bool possible;
  VEC(Node *) seen;
  Arena *arena;
} Cost;

static void cost_read(Expr *e, void *ctx) {
  Cost *c = ctx;
  Node *n = e->node;
  if (e->kind != E_READ || n->region != c->frame->backward) return;
  const Loop *l = c->frame->backward_loop;
  for (int i = 0; i < l->emits.n; i++)
    if (l->emits.at[i] == n) return;
  for (int i = 0; i < c->seen.n; i++)
    if (c->seen.at[i] == n) return;
  vec_push(c->arena, &c->seen, n);
  if (n->rank == IR_MAX_RANK) c->possible = false;
  c->elements += ir_count(n);
}

static void visit_share(Graph *g, const Share *s, int rank, ExprVisit *f, void *ctx) {
  for (int a = 0; a < rank; a++) ex_visit(g, s->index[a], f, ctx);
  if (s->guard) ex_visit(g, s->guard, f, ctx);
  ex_visit(g, s->value, f, ctx);
}

/* Is axis a of x the same for the whole iteration? A constant is, where all
 * contributions agree on it; of c[b,0,k], c[b,1,k], .. the axis stays free, so
 * that they are one part. */
static bool is_fixed(const GradFrame *f, const Node *x, const Share *s, int a) {
  const Expr *index = s->index[a];
  if (index->vars || index->reads) return false;
  if (index->counts) return true;
  for (int i = 0; i < f->pending.n; i++)
    if (f->pending.at[i].node == x && f->pending.at[i].share.index[a] != index) return false;
  return true;
}

/* The share as the free axes see it. */
static Share free_share(const GradFrame *f, const Node *x, const Share *s, int64_t *shape,
                        int *rank) {
  Share out = *s;
  *rank = 0;
  for (int a = 0; a < x->rank; a++) {
    if (is_fixed(f, x, s, a)) continue;
    shape[*rank] = x->shape[a];
    out.index[(*rank)++] = s->index[a];
  }
  return out;
}

static bool counted(const GradFrame *f, const Node *x, const Share *s) {
  for (int a = 0; a < x->rank; a++)
    if (is_fixed(f, x, s, a) && ex_has_loopvar(f->pass->graph, s->index[a], f->backward_loop))
      return true;
  return false;
}

/* The operands that are stacked must be smaller than the sum that is carried. A
 * slice is made in its iteration, unless it sums and all operands are there. */
static bool worth_hoisting(GradFrame *f, const Pending *p) {
  Graph *g = f->pass->graph;
  Cost c = {.frame = f, .possible = p->share.nvars < IR_MAX_VARS, .arena = f->pass->arena};
  visit_share(g, &p->share, p->node->rank, cost_read, &c);
  if (!c.possible) return false;
  int64_t shape[IR_MAX_RANK], size = 1;
  int rank;
  Share s = free_share(f, p->node, &p->share, shape, &rank);
  for (int a = 0; a < rank; a++) size *= shape[a];
  if (!counted(f, p->node, &p->share)) return c.elements < size;
  Term t;
  return c.elements == 0 && (!grad_invert(g, rank, shape, &s, &t) || t.nred > 0);
}

static Expr *stack_step(Graph *g, Expr *e, void *ctx) {
  const GradFrame *f = ctx;
  if (e->kind == E_LOOPVAR && e->loop == f->backward_loop) return ex_var(g, 0);
  if (e->kind != E_READ || e->node->region != f->backward) return e;
  Expr *row[IR_MAX_RANK] = {ex_var(g, 0)};
  for (int i = 0; i < e->nargs; i++) row[i + 1] = e->args[i];
  return ex_read(g, ir_stack(g, f->backward_loop, e->node), row);
}

/* As it is written after the loop: variable 0 counts iterations. */
static Expr *after_loop(GradFrame *f, Expr *e, int nvars) {
  if (!e) return NULL;
  Expr *map[IR_MAX_VARS];
  for (int k = 0; k < nvars; k++) map[k] = ex_var(f->pass->graph, k + 1);
  return ex_map(f->pass->graph, ex_subst(f->pass->graph, e, map, nvars), stack_step, f);
}

static void hoist(GradFrame *f, const Pending *p) {
  const Share *s = &p->share;
  Share out = {.nvars = s->nvars + 1, .span = s->span};
  out.extent[0] = f->backward_loop->count;
  out.axis[0] = f->backward_loop->var;
  for (int k = 0; k < s->nvars; k++) {
    out.extent[k + 1] = s->extent[k];
    out.axis[k + 1] = s->axis[k];
  }
  for (int a = 0; a < p->node->rank; a++) out.index[a] = after_loop(f, s->index[a], s->nvars);
  out.guard = after_loop(f, s->guard, s->nvars);
  out.value = after_loop(f, s->value, s->nvars);
  grad_contribute(f->parent, p->node, &out);
}

/* Stacking for one makes it free for the others: until nothing changes. The
 * stacks are only announced here; they are made when the body is whole. */
static void choose_hoisted(GradFrame *f) {
  for (bool changed = true; changed;) {
    changed = false;
    for (int i = 0; i < f->pending.n; i++) {
      Pending *p = &f->pending.at[i];
      if (p->hoisted || !worth_hoisting(f, p)) continue;
      p->hoisted = changed = true;
      Cost c = {.frame = f, .possible = true, .arena = f->pass->arena};
      visit_share(f->pass->graph, &p->share, p->node->rank, cost_read, &c);
      for (int k = 0; k < c.seen.n; k++)
        vec_push(f->pass->arena, &f->backward_loop->emits, c.seen.at[k]);
    }
  }
}

/* ---- slices and carried sums --------------------------------------------------------- */

static Like outer_like(const OuterAdjoint *o) {
  return (Like){o->rank, o->shape, o->node->name, o->axis, o->span};
}

static OuterAdjoint *outer_of(GradFrame *f, Node *x, const Share *s) {
  for (int i = 0; i < f->outer.n; i++) {
    OuterAdjoint *o = &f->outer.at[i];
    bool same = o->node == x;
    for (int a = 0; a < x->rank && same; a++)
      same = o->fixed[a] == (is_fixed(f, x, s, a) ? s->index[a] : NULL);
    if (same) return o;
  }
  OuterAdjoint o = {.node = x, .span = s->span};
  for (int a = 0; a < x->rank; a++) {
    if (is_fixed(f, x, s, a)) {
      o.fixed[a] = s->index[a];
    } else {
      o.shape[o.rank] = x->shape[a];
      o.axis[o.rank++] = x->axis[a];
    }
  }
  o.sliced = counted(f, x, s);
  o.adjoint = NEW(f->pass->arena, Adjoint);
  vec_push(f->pass->arena, &f->outer, o);
  return &f->outer.at[f->outer.n - 1];
}

static void collect_outer(GradFrame *f) {
  for (int i = 0; i < f->pending.n; i++) {
    const Pending *p = &f->pending.at[i];
    if (p->hoisted) continue;
    OuterAdjoint *o = outer_of(f, p->node, &p->share);
    Like like = outer_like(o);
    int64_t shape[IR_MAX_RANK];
    int rank;
    Share s = free_share(f, p->node, &p->share, shape, &rank);
    adjoint_add(f->pass, o->adjoint, &like, &s);
  }
}

/* Every element of something of this shape, once. */
static Share all_of(Graph *g, int rank, const int64_t *shape, Span at) {
  Share s = {.nvars = rank, .span = at};
  for (int a = 0; a < rank; a++) {
    s.extent[a] = shape[a];
    s.index[a] = ex_var(g, a);
  }
  return s;
}

/* A node that lies in the backward body, for what must. */
static Node *inside(GradFrame *f, Node *n) {
  if (n->region == f->backward) return n;
  Node *m = ir_comp(f->pass->graph, f->backward, n->name, n->span, n->rank, 0, n->shape, RED_NONE,
                    NULL, ir_read_all(f->pass->graph, n));
  for (int k = 0; k < n->rank; k++) m->axis[k] = n->axis[k];
  return m;
}

/* Settle the body's part of one outer adjoint: the node that is emitted, or the
 * carry's slot. */
static Node *settle_outer(GradFrame *f, OuterAdjoint *o, int *slot) {
  GradPass *p = f->pass;
  if (o->adjoint->terms.n == 0) return NULL;
  Like like = outer_like(o);
  if (!o->sliced) {
    Node *sum = ir_carry(p->graph, f->backward_loop, arena_printf(p->arena, "d.%s", o->node->name),
                         adjoint_zeros(p, f->parent->backward, &like));
    for (int k = 0; k < o->rank; k++) sum->axis[k] = o->axis[k];
    *slot = sum->slot;
    Share s = all_of(p->graph, o->rank, o->shape, o->span);
    s.value = ir_read_all(p->graph, sum);
    adjoint_add(p, o->adjoint, &like, &s);
  }
  adjoint_close(p, f->backward, o->adjoint, &like);
  Node *n = adjoint_node(p, f->backward, o->adjoint, &like);
  if (!o->sliced) f->backward_loop->carries.at[*slot].next = n;
  return o->sliced ? inside(f, n) : n;
}

static void contribute_outer(GradFrame *f, const OuterAdjoint *o, Node *part, int slot) {
  Graph *g = f->pass->graph;
  int64_t shape[IR_MAX_RANK] = {f->backward_loop->count};
  for (int k = 0; k < o->rank; k++) shape[k + o->sliced] = o->shape[k];
  Share s = all_of(g, o->rank + o->sliced, shape, o->span);
  Node *whole =
      o->sliced ? ir_stack(g, f->backward_loop, part) : ir_final(g, f->backward_loop, slot);
  s.value = ir_read_all(g, whole);
  for (int a = 0, k = o->sliced; a < o->node->rank; a++)
    s.index[a] = o->fixed[a] ? ex_map(g, o->fixed[a], stack_step, f) : ex_var(g, k++);
  grad_contribute(f->parent, o->node, &s);
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* The results of the forward loop that carry gradients, by slot. */
static void find_results(const GradFrame *f, const Loop *l, Node **finals, Node **stacks) {
  for (int i = 0; i < f->forward->nodes.n; i++) {
    Node *n = f->forward->nodes.at[i];
    if (n->loop != l || !grad_active(f->pass, n)) continue;
    if (n->kind == N_FINAL) finals[n->slot] = n;
    if (n->kind == N_STACK) stacks[n->slot] = n;
  }
}

static bool has_value(const GradPass *p, const Node *n) {
  const Adjoint *a = n ? &p->adjoint[n->id] : NULL;
  return a && (a->node || a->inlined);
}

/* The loop node stands before what was made while its body was filled: move it. */
static void move_to_end(Region *r, Node *n) {
  int k = 0;
  for (int i = 0; i < r->nodes.n; i++)
    if (r->nodes.at[i] != n) r->nodes.at[k++] = r->nodes.at[i];
  r->nodes.at[k] = n;
}

static void seed_carries(GradFrame *f, GradFrame *b, Node *const *finals, int *slots) {
  GradPass *p = f->pass;
  const Loop *l = b->forward_loop;
  for (int k = 0; k < l->carries.n; k++) {
    const Carry *c = &l->carries.at[k];
    slots[k] = -1;
    if (!grad_active(p, c->in) && !grad_active(p, c->next)) continue;
    Like like = adjoint_like(c->in);
    Node *init = has_value(p, finals[k])
                     ? adjoint_node(p, f->backward, &p->adjoint[finals[k]->id], &like)
                     : adjoint_zeros(p, f->backward, &like);
    Node *in =
        ir_carry(p->graph, b->backward_loop, arena_printf(p->arena, "d.%s", c->in->name), init);
    for (int a = 0; a < in->rank; a++) in->axis[a] = c->in->axis[a];
    slots[k] = in->slot;
    grad_contribute_all(b, c->next, ir_read_all(p->graph, in));
  }
}

static void seed_emits(GradFrame *b, Node *const *stacks) {
  GradPass *p = b->pass;
  const Loop *l = b->forward_loop;
  for (int k = 0; k < l->emits.n; k++) {
    if (!has_value(p, stacks[k])) continue;
    Node *e = l->emits.at[k];
    Expr *row[IR_MAX_RANK] = {ex_loopvar(p->graph, b->backward_loop)};
    for (int a = 0; a < e->rank; a++) row[a + 1] = ex_var(p->graph, a);
    grad_contribute_all(b, e, adjoint_read(p, &p->adjoint[stacks[k]->id], row));
  }
}

static void settle_carries(GradFrame *b, const int *slots) {
  GradPass *p = b->pass;
  const Loop *l = b->forward_loop;
  for (int k = 0; k < l->carries.n; k++) {
    if (slots[k] < 0) continue;
    Node *in = l->carries.at[k].in;
    Like like = adjoint_like(in);
    Adjoint *a = &p->adjoint[in->id];
    b->backward_loop->carries.at[slots[k]].next = adjoint_close(p, b->backward, a, &like)
                                                      ? adjoint_node(p, b->backward, a, &like)
                                                      : adjoint_zeros(p, b->backward, &like);
  }
}

static bool anything_active(const GradPass *p, const Loop *l, Node *const *finals,
                            Node *const *stacks) {
  for (int k = 0; k < l->carries.n; k++)
    if (has_value(p, finals[k])) return true;
  for (int k = 0; k < l->emits.n; k++)
    if (has_value(p, stacks[k])) return true;
  return false;
}

void grad_loop(GradFrame *f, Node *node) {
  GradPass *p = f->pass;
  Loop *l = node->loop;
  int ncarries = l->carries.n;
  Node **finals = NEWN(p->arena, Node *, ncarries + 1),
       **stacks = NEWN(p->arena, Node *, l->emits.n + 1);
  int *slots = NEWN(p->arena, int, ncarries + 1);
  find_results(f, l, finals, stacks);
  if (!anything_active(p, l, finals, stacks)) return;
  Loop *back = ir_loop(p->graph, f->backward, l->var, l->count, !l->reverse, node->span);
  GradFrame b = {.pass = p,
                 .parent = f,
                 .forward = l->body,
                 .backward = back->body,
                 .forward_loop = l,
                 .backward_loop = back};
  seed_carries(f, &b, finals, slots);
  seed_emits(&b, stacks);
  grad_region(&b);
  settle_carries(&b, slots);
  choose_hoisted(&b);
  collect_outer(&b);
  Node **part = NEWN(p->arena, Node *, b.outer.n + 1);
  int *slot = NEWN(p->arena, int, b.outer.n + 1);
  int before = b.backward->nodes.n;
  for (int i = 0; i < b.outer.n; i++) part[i] = settle_outer(&b, &b.outer.at[i], &slot[i]);
  adjoint_late(p, b.backward, before);
  adjoint_move_up(p, b.backward);
  move_to_end(f->backward, back->node);
  for (int k = 0; k < ncarries; k++)
    if (slots[k] >= 0 && grad_active(p, l->carries.at[k].init)) {
      Node *final = ir_final(p->graph, back, slots[k]);
      grad_contribute_all(f, l->carries.at[k].init, ir_read_all(p->graph, final));
    }
  for (int i = 0; i < b.pending.n; i++)
    if (b.pending.at[i].hoisted) hoist(&b, &b.pending.at[i]);
  for (int i = 0; i < b.outer.n; i++)
    if (part[i]) contribute_outer(&b, &b.outer.at[i], part[i], slot[i]);
}
