/* SPDX-License-Identifier: MIT */
/* Which nodes carry gradients: those that a wrt reaches and that reach the loss,
 * both along positions that a derivative can pass. Conditions, guards and
 * indices pass none. Loops are iterated to a fixed point, since a carry feeds
 * itself. */
#include "compiler/grad/grad_internal.h"

bool grad_active(const GradPass *p, const Node *n) {
  return n->id < p->nnodes && n->type == TY_REAL && p->depends[n->id] && p->reaches[n->id];
}

bool grad_passes(const Expr *e, int k) {
  const char *rule = prim_info(e->prim)->derivative[k];
  return rule[0] == '#' ? e->args[k]->type == TY_INT : rule[0] != '\0';
}

typedef struct Visit {
  GradPass *pass;
  ExprOrder *order;
} Visit;

static void visit_one(Expr *e, void *ctx) {
  Visit *v = ctx;
  vec_push(v->pass->arena, &v->order->at, e);
}

void grad_order(GradPass *p, Expr *root, ExprOrder *out) {
  *out = (ExprOrder){0};
  Visit v = {p, out};
  ex_visit(p->graph, root, visit_one, &v);
  if (p->slots < p->graph->nexprs) {
    int wanted = 2 * p->graph->nexprs;
    p->slot = arena_grow(p->arena, p->slot, (size_t)p->slots * sizeof *p->slot,
                         (size_t)wanted * sizeof *p->slot);
    p->slots = wanted;
  }
  out->depends = NEWN(p->arena, bool, out->at.n);
  for (int i = 0; i < out->at.n; i++) {
    const Expr *e = out->at.at[i];
    p->slot[e->id] = i;
    if (e->kind == E_READ)
      out->depends[i] = e->node->id < p->nnodes && p->depends[e->node->id];
    else if (e->kind == E_PRIM)
      for (int k = 0; k < e->nargs; k++)
        if (grad_passes(e, k) && out->depends[p->slot[e->args[k]->id]]) out->depends[i] = true;
  }
}

static bool expr_depends(GradPass *p, Expr *root) {
  ExprOrder order;
  grad_order(p, root, &order);
  return order.depends[order.at.n - 1];
}

static bool depends_region(GradPass *p, const Region *r);

static bool node_depends(GradPass *p, const Node *n) {
  if (n->vjp) {
    for (int k = 0; k < n->vjp->wrt.n; k++)
      if (p->depends[n->vjp->wrt.at[k]->id]) return true;
    return false;
  }
  switch (n->kind) {
  case N_VIEW: return p->depends[n->base->id];
  case N_PACK:
    for (int k = 0; k < n->parts.n; k++)
      if (p->depends[n->parts.at[k]->id]) return true;
    return false;
  case N_COMP:
  case N_SCATTER: return n->type != TY_BOOL && expr_depends(p, n->body);
  case N_CARRY:
  case N_FINAL: {
    const Carry *c = &n->loop->carries.at[n->slot];
    return p->depends[c->init->id] || p->depends[c->next->id];
  }
  case N_STACK: return p->depends[n->loop->emits.at[n->slot]->id];
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_LOOP:
  case N_COTANGENT: break;
  }
  return false;
}

static bool depends_region(GradPass *p, const Region *r) {
  bool changed = false;
  for (int i = 0; i < r->nodes.n; i++) {
    const Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      while (depends_region(p, n->loop->body)) changed = true;
    else if (!p->depends[n->id] && node_depends(p, n))
      p->depends[n->id] = changed = true;
  }
  return changed;
}

/* ---- towards the loss --------------------------------------------------------- */

static bool reach(GradPass *p, const Node *n) {
  if (p->reaches[n->id]) return false;
  return p->reaches[n->id] = true;
}

static bool reach_expr(GradPass *p, Expr *root) {
  ExprOrder order;
  grad_order(p, root, &order);
  bool *flows = NEWN(p->arena, bool, order.at.n), changed = false;
  flows[order.at.n - 1] = true;
  for (int i = order.at.n - 1; i >= 0; i--) {
    Expr *e = order.at.at[i];
    if (!flows[i] || e->type != TY_REAL) continue;
    if (e->kind == E_READ) {
      if (reach(p, e->node)) changed = true;
    } else if (e->kind == E_PRIM) {
      for (int k = 0; k < e->nargs; k++)
        if (grad_passes(e, k)) flows[p->slot[e->args[k]->id]] = true;
    }
  }
  return changed;
}

static bool reach_region(GradPass *p, const Region *r);

static bool reach_from(GradPass *p, const Node *n) {
  bool changed = false;
  if (n->vjp) {
    for (int k = 0; k < n->vjp->wrt.n; k++) changed |= reach(p, n->vjp->wrt.at[k]);
    return changed;
  }
  switch (n->kind) {
  case N_VIEW: return reach(p, n->base);
  case N_PACK:
    for (int k = 0; k < n->parts.n; k++) changed |= reach(p, n->parts.at[k]);
    return changed;
  case N_COMP:
  case N_SCATTER: return n->type == TY_REAL && reach_expr(p, n->body);
  case N_FINAL:
    changed |= reach(p, n->loop->carries.at[n->slot].next);
    return changed | reach(p, n->loop->carries.at[n->slot].init);
  case N_CARRY:
    changed |= reach(p, n->loop->carries.at[n->slot].next);
    return changed | reach(p, n->loop->carries.at[n->slot].init);
  case N_STACK: return reach(p, n->loop->emits.at[n->slot]);
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_LOOP:
  case N_COTANGENT: break;
  }
  return false;
}

static bool reach_region(GradPass *p, const Region *r) {
  bool changed = false;
  for (int i = r->nodes.n - 1; i >= 0; i--) {
    const Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      while (reach_region(p, n->loop->body)) changed = true;
    else if (p->reaches[n->id] && reach_from(p, n))
      changed = true;
  }
  return changed;
}

void grad_activity(GradPass *p, Node *loss, Node *const *wrt, int n) {
  for (int k = 0; k < n; k++) p->depends[wrt[k]->id] = true;
  depends_region(p, p->graph->top);
  p->reaches[loss->id] = true;
  reach_region(p, p->graph->top);
}
