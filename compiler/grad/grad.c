/* SPDX-License-Identifier: MIT */
/* Reverse-mode differentiation on the graph.
 *
 * needs       a verified graph; loss of rank 0, real, in the top region; wrt
 *             visible at the top
 * guarantees  nodes that compute the adjoints, appended to the top region; loops
 *             stay loops, and the graph grows by a constant factor
 * changes     forward loops: they emit what their backward loops read
 *
 *     s[] = sum_{i} x[i] * x[i]        ->        d.x[i] = x[i] + x[i]
 *
 * Only nodes on a path from a wrt to the loss get adjoints. Regions are visited
 * backwards, so that a node's adjoint is settled when all its readers were seen.
 * What cannot be differentiated is an error at its line. */
#include "compiler/grad/grad.h"
#include "compiler/grad/grad_internal.h"

#include <string.h>

void grad_contribute(GradFrame *f, Node *x, const Share *s) {
  GradPass *p = f->pass;
  if (!grad_active(p, x)) return;
  if (x->region == f->forward) {
    Like like = adjoint_like(x);
    adjoint_add(p, &p->adjoint[x->id], &like, s);
  } else {
    grad_outer(f, x, s);
  }
}

void grad_contribute_all(GradFrame *f, Node *x, Expr *value) {
  Share s = {.nvars = x->rank, .value = value, .span = x->span};
  for (int a = 0; a < x->rank; a++) {
    s.extent[a] = x->shape[a];
    s.index[a] = ex_var(f->pass->graph, a);
  }
  grad_contribute(f, x, &s);
}

/* ---- comprehensions ------------------------------------------------------------- */

/* Row-major position among the reduced variables. */
static Expr *flat_reduced(Graph *g, const Node *y) {
  Expr *flat = ex_int(g, 0);
  for (int k = y->rank; k < y->nvars; k++)
    flat = ex2(g, P_add, ex2(g, P_mul, flat, ex_int(g, y->extent[k])), ex_var(g, k));
  return flat;
}

/* A reduction over what y reduces over, beside the backward nodes. */
static Node *companion(GradFrame *f, const Node *y, const char *what, Reducer red, Expr *body) {
  GradPass *p = f->pass;
  Node *n = ir_comp(p->graph, f->backward, arena_printf(p->arena, "%s.%s", y->name, what), y->span,
                    y->rank, y->nvars - y->rank, y->extent, red, grad_frame_expr(f, y->guard),
                    grad_frame_expr(f, body));
  for (int k = 0; k < y->nvars; k++) n->axis[k] = y->axis[k];
  return n;
}

static void seed(GradPass *p, GuardedList *seeds, Expr *guard, Expr *value) {
  Guarded x = {guard, value};
  vec_push(p->arena, seeds, x);
}

/* max and min: to the first winner. */
static void seed_winner(GradFrame *f, const Node *y, Expr *dy, GuardedList *seeds) {
  Graph *g = f->pass->graph;
  Expr *body = y->reducer == RED_MAX ? y->body : ex1(g, P_neg, y->body);
  Node *winner = companion(f, y, "winner", RED_ARGMAX, body);
  Expr *wins = ex2(g, P_eq, flat_reduced(g, y), ir_read_all(g, winner));
  seed(f->pass, seeds, ex_and(g, y->guard, wins), dy);
}

/* prod: with no factor 0, each gets the product of the others by division; with
 * one, only that one gets anything; with more, none does. */
static void seed_factors(GradFrame *f, const Node *y, Expr *dy, GuardedList *seeds) {
  Graph *g = f->pass->graph;
  Expr *is_zero = ex2(g, P_eq, y->body, ex_num(g, 0));
  Node *zeros =
      companion(f, y, "zeros", RED_SUM, ex3(g, P_select, is_zero, ex_int(g, 1), ex_int(g, 0)));
  Node *rest = companion(f, y, "rest", RED_PROD, ex3(g, P_select, is_zero, ex_num(g, 1), y->body));
  Expr *count = ir_read_all(g, zeros), *others = ex2(g, P_mul, dy, ir_read_all(g, rest));
  Expr *none = ex2(g, P_eq, count, ex_int(g, 0)), *one = ex2(g, P_eq, count, ex_int(g, 1));
  seed(f->pass, seeds, ex_and(g, y->guard, none), ex2(g, P_div, others, y->body));
  seed(f->pass, seeds, ex_and(g, y->guard, ex_and(g, one, is_zero)), others);
}

static void seeds_of(GradFrame *f, const Node *y, Expr *dy, GuardedList *seeds) {
  switch (y->kind == N_SCATTER ? RED_SUM : y->reducer) {
  case RED_NONE:
  case RED_SUM: seed(f->pass, seeds, y->guard, dy); break;
  case RED_MAX:
  case RED_MIN: seed_winner(f, y, dy, seeds); break;
  case RED_PROD: seed_factors(f, y, dy, seeds); break;
  case RED_ARGMAX: bug("the argmax '%s' has an adjoint", y->name);
  }
}

/* N_COMP, N_SCATTER: every read of an active node receives its share. */
static void grad_comp(GradFrame *f, Node *y) {
  GradPass *p = f->pass;
  Graph *g = p->graph;
  Expr *at[IR_MAX_RANK];
  for (int k = 0; k < y->rank; k++)
    at[k] = y->kind == N_SCATTER ? grad_frame_expr(f, y->index[k]) : ex_var(g, k);
  Expr *dy = adjoint_read(p, &p->adjoint[y->id], at);
  GuardedList seeds = {0};
  seeds_of(f, y, dy, &seeds);
  bool map = ir_is_map(y) && !y->guard;
  ReadAdjoints reads = {0};
  grad_expr(p, y, y->body, map && y->body->kind == E_PRIM ? ir_read_all(g, y) : NULL, &seeds,
            &reads);
  for (int i = 0; i < reads.n; i++) {
    const ReadAdjoint *r = &reads.at[i];
    Share s = {.nvars = y->nvars, .span = y->span};
    memcpy(s.extent, y->extent, sizeof s.extent);
    for (int k = 0; k < y->nvars; k++) s.axis[k] = y->axis[k];
    for (int k = 0; k < r->read->nargs; k++) s.index[k] = grad_frame_expr(f, r->read->args[k]);
    s.guard = grad_frame_expr(f, r->share.guard);
    s.value = grad_frame_expr(f, r->share.value);
    grad_contribute(f, r->read->node, &s);
  }
}

/* ---- the other kinds ------------------------------------------------------------------ */

static void grad_view(GradFrame *f, Node *y, Node *dy) {
  Node *base = y->base;
  if (!grad_active(f->pass, base)) return;
  if (base->region == f->forward) {
    adjoint_add_view(f->pass, &f->pass->adjoint[base->id], base, dy, y->offset, y->span);
    return;
  }
  Graph *g = f->pass->graph; /* from inside a loop: element by element */
  Share s = {.nvars = y->rank, .value = ir_read_all(g, dy), .span = y->span};
  Expr *flat = ex_int(g, 0);
  for (int k = 0; k < y->rank; k++) {
    s.extent[k] = y->shape[k];
    flat = ex2(g, P_add, ex2(g, P_mul, flat, ex_int(g, y->shape[k])), ex_var(g, k));
  }
  s.index[0] = ex2(g, P_add, flat, ex_int(g, y->offset));
  grad_contribute(f, base, &s);
}

static void grad_pack(GradFrame *f, Node *y, Node *dy) {
  GradPass *p = f->pass;
  int64_t offset = 0;
  for (int k = 0; k < y->parts.n; k++) {
    Node *part = y->parts.at[k];
    if (grad_active(p, part)) {
      Node *view = ir_view(p->graph, f->backward, arena_printf(p->arena, "d.%s", part->name), dy,
                           offset, part->rank, part->shape, y->span);
      for (int a = 0; a < part->rank; a++) view->axis[a] = part->axis[a];
      grad_contribute_all(f, part, ir_read_all(p->graph, view));
    }
    offset += ir_count(part);
  }
}

/* A user's own derivative; without wrt nothing passes. */
static void grad_vjp(GradFrame *f, Node *y, Node *dy) {
  GradPass *p = f->pass;
  const Vjp *vjp = y->vjp;
  bool *wanted = NEWN(p->arena, bool, vjp->wrt.n + 1);
  Node **adjoint = NEWN(p->arena, Node *, vjp->wrt.n + 1);
  for (int k = 0; k < vjp->wrt.n; k++)
    wanted[k] = grad_active(p, vjp->wrt.at[k]) && vjp->adjoint.at[k];
  grad_frame_vjp(f, vjp, dy, wanted, adjoint);
  for (int k = 0; k < vjp->wrt.n; k++)
    if (adjoint[k]) grad_contribute_all(f, vjp->wrt.at[k], ir_read_all(p->graph, adjoint[k]));
}

static void grad_node_of(GradFrame *f, Node *y) {
  GradPass *p = f->pass;
  Like like = adjoint_like(y);
  int before = f->backward->nodes.n;
  if (!adjoint_close(p, f->backward, &p->adjoint[y->id], &like)) return;
  if (y->kind == N_INPUT || y->kind == N_STATE || y->kind == N_VIEW)
    adjoint_late(p, f->backward, before);
  if (y->vjp) {
    if (y->vjp->wrt.n > 0) grad_vjp(f, y, adjoint_node(p, f->backward, &p->adjoint[y->id], &like));
    return;
  }
  switch (y->kind) {
  case N_COMP:
  case N_SCATTER: grad_comp(f, y); break;
  case N_VIEW: grad_view(f, y, adjoint_node(p, f->backward, &p->adjoint[y->id], &like)); break;
  case N_PACK: grad_pack(f, y, adjoint_node(p, f->backward, &p->adjoint[y->id], &like)); break;
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_LOOP:
  case N_CARRY:
  case N_FINAL:
  case N_STACK:
  case N_COTANGENT: break; /* ends of paths; results of loops wait for their loop */
  }
}

/* What is made on the way of y's derivative comes from y. */
static void grad_node(GradFrame *f, Node *y) {
  Graph *g = f->pass->graph;
  Span before = g->user;
  g->user = y->users.n > 0 ? y->users.at[0] : y->span;
  grad_node_of(f, y);
  g->user = before;
}

void grad_region(GradFrame *f) {
  int n = f->forward->nodes.n;
  for (int i = n - 1; i >= 0; i--) {
    Node *y = f->forward->nodes.at[i];
    if (y->kind == N_LOOP)
      grad_loop(f, y);
    else if (y->kind != N_CARRY && grad_active(f->pass, y))
      grad_node(f, y);
  }
}

bool grad_reverse(Graph *g, Diags *d, Node *loss, Node *const *wrt, int n, Node **adjoint) {
  if (loss->rank != 0 || loss->type != TY_REAL) bug("the loss '%s' is no real number", loss->name);
  GradPass p = {.graph = g, .diags = d, .arena = g->arena, .nnodes = g->nodes.n};
  p.depends = NEWN(g->arena, bool, p.nnodes);
  p.reaches = NEWN(g->arena, bool, p.nnodes);
  p.adjoint = NEWN(g->arena, Adjoint, p.nnodes);
  p.clone = NEWN(g->arena, Node *, p.nnodes);
  grad_activity(&p, loss, wrt, n);
  GradFrame top = {.pass = &p, .forward = g->top, .backward = g->top};
  grad_contribute_all(&top, loss, ex_num(g, 1));
  grad_region(&top);
  for (int k = 0; k < n; k++) {
    Adjoint *a = &p.adjoint[wrt[k]->id];
    Like like = adjoint_like(wrt[k]);
    adjoint[k] = a->node || a->inlined ? adjoint_node(&p, g->top, a, &like) : NULL;
  }
  adjoint_move_up(&p, g->top);
  return p.errors == 0;
}
