/* SPDX-License-Identifier: MIT */
/* A graph of one's own: the backend rewrites what it compiles, and the caller
 * keeps the original for the evaluator. Users' derivatives are left behind;
 * they have done their work. */
#include "compiler/ir/clone.h"
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

typedef struct Clone {
  Graph *from, *to;
  Node **node; /* by old id */
  Loop **loop;
  Expr **expr; /* by old id */
} Clone;

static Expr *clone_one(Clone *c, Expr *e) {
  Expr *args[IR_MAX_RANK] = {0};
  for (int i = 0; i < e->nargs; i++) {
    bool single = e->kind == E_READ && e->node->shape[i] == 1; /* there is no other index */
    args[i] = single ? ex_int(c->to, 0) : c->expr[e->args[i]->id];
  }
  switch (e->kind) {
  case E_NUM: return ex_num(c->to, e->num);
  case E_INT: return ex_int(c->to, e->inum);
  case E_BOOL: return ex_bool(c->to, e->inum != 0);
  case E_VAR: return ex_var(c->to, (int)e->inum);
  case E_LOOPVAR: return ex_loopvar(c->to, c->loop[e->loop->id]);
  case E_READ: return ex_read(c->to, c->node[e->node->id], args);
  case E_PRIM: return ex_prim(c->to, e->prim, args);
  }
  bug("unknown expression");
}

static Expr *clone_expr(Clone *c, Expr *e) {
  if (!e) return NULL;
  if (c->expr[e->id]) return c->expr[e->id];
  ExprWalk *w = walk_take(c->from, e);
  for (int i = 0; i < w->n; i++) {
    Expr *x = w->order[i];
    if (!c->expr[x->id]) c->expr[x->id] = clone_one(c, x);
  }
  walk_give(c->from, w);
  return c->expr[e->id];
}

static void clone_region(Clone *c, const Region *from, Region *to);

static Node *clone_loop(Clone *c, Node *n, Region *to) {
  Loop *old = n->loop, *l = ir_loop(c->to, to, old->var, old->count, old->reverse, n->span);
  c->loop[old->id] = l;
  c->node[n->id] = l->node;
  for (int i = 0; i < old->carries.n; i++) {
    Carry *carry = &old->carries.at[i];
    Node *in = ir_carry(c->to, l, carry->in->name, c->node[carry->init->id]);
    for (int d = 0; d < in->rank; d++) in->axis[d] = carry->in->axis[d];
    in->lo = carry->in->lo;
    in->hi = carry->in->hi;
    c->node[carry->in->id] = in;
  }
  clone_region(c, old->body, l->body);
  for (int i = 0; i < old->carries.n; i++)
    l->carries.at[i].next = c->node[old->carries.at[i].next->id];
  return l->node;
}

static Node *clone_node(Clone *c, Node *n, Region *to) {
  Graph *g = c->to;
  Node *x = NULL;
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_COTANGENT:
    x = ir_node(g, to, n->kind, n->type, n->rank, n->shape, n->name, n->span);
    break;
  case N_CONST: x = ir_const(g, to, n->name, n->type, n->rank, n->shape, n->data, n->span); break;
  case N_VIEW:
    x = ir_view(g, to, n->name, c->node[n->base->id], n->offset, n->rank, n->shape, n->span);
    break;
  case N_PACK: {
    Node **parts = NEWN(g->arena, Node *, n->parts.n);
    for (int i = 0; i < n->parts.n; i++) parts[i] = c->node[n->parts.at[i]->id];
    x = ir_pack(g, to, n->name, parts, n->parts.n, n->span);
    break;
  }
  case N_COMP:
    x = ir_comp(g, to, n->name, n->span, n->rank, n->nvars - n->rank, n->extent, n->reducer,
                clone_expr(c, n->guard), clone_expr(c, n->body));
    break;
  case N_SCATTER: {
    Expr *index[IR_MAX_RANK] = {0};
    for (int d = 0; d < n->rank; d++) index[d] = clone_expr(c, n->index[d]);
    x = ir_scatter(g, to, n->name, n->span, n->rank, n->shape, n->nvars, n->extent, index,
                   clone_expr(c, n->guard), clone_expr(c, n->body));
    break;
  }
  case N_LOOP: return clone_loop(c, n, to);
  case N_CARRY: return c->node[n->id];
  case N_FINAL: x = ir_final(g, c->loop[n->loop->id], n->slot); break;
  case N_STACK:
    x = ir_stack(g, c->loop[n->loop->id], c->node[n->loop->emits.at[n->slot]->id]);
    break;
  }
  x->lo = n->lo;
  x->hi = n->hi;
  x->save = n->save;
  x->again = n->again;
  ir_same_users(g, x, n);
  for (int d = 0; d < n->rank; d++) x->axis[d] = n->axis[d];
  return x;
}

static void clone_region(Clone *c, const Region *from, Region *to) {
  for (int i = 0; i < from->nodes.n; i++) {
    Node *n = from->nodes.at[i];
    c->node[n->id] = clone_node(c, n, to);
  }
}

Graph *graph_clone(Arena *a, const Graph *from) {
  Graph *to = graph_new(a, from->names, from->name);
  Clone c = {(Graph *)from, to, NULL, NULL, NULL};
  c.node = NEWN(a, Node *, from->nodes.n + 1);
  c.loop = NEWN(a, Loop *, from->loops.n + 1);
  c.expr = NEWN(a, Expr *, from->nexprs + 1);
  clone_region(&c, from->top, to->top);
  for (int i = 0; i < from->outputs.n; i++) {
    Output o = {from->outputs.at[i].name, c.node[from->outputs.at[i].node->id]};
    vec_push(a, &to->outputs, o);
  }
  for (int i = 0; i < from->updates.n; i++) {
    Update u = {c.node[from->updates.at[i].state->id], c.node[from->updates.at[i].value->id]};
    vec_push(a, &to->updates, u);
  }
  to->step = from->step ? c.node[from->step->id] : NULL;
  return to;
}
