/* SPDX-License-Identifier: MIT */
/* A user's own derivative: `grad(dy) { dx[...] = ... }` becomes nodes beside those
 * of the body, and the result's node carries them. */
#include "compiler/lower/header.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

/* The adjoint as a node over exactly the axes that `arg`'s node has: variables
 * it has beyond those are summed. */
static Node *argument_adjoint(Lowering *l, Value *arg, Value *dx, const char *name, Span at) {
  Ints want = {0}, have = {0};
  Expr *e = v_expr(l, dx);
  if (arg->e->kind != E_READ) return NULL;
  for (int k = 0; k < arg->e->nargs; k++) {
    if (arg->e->args[k]->kind != E_VAR) return NULL;
    vec_push(l->arena, &want, (int)arg->e->args[k]->inum);
  }
  Expr **map = NEWN(l->arena, Expr *, l->var_extent.n);
  for (int k = 0; k < dx->rank; k++) map[dx->axis[k].var] = ex_var(l->g, arg->axis[k].var);
  e = ex_subst(l->g, e, map, l->var_extent.n);
  free_vars(l, e, &have);
  int extra[IR_MAX_VARS];
  int n = 0;
  for (int i = 0; i < have.n; i++) {
    bool known = false;
    for (int k = 0; k < want.n; k++) known = known || want.at[k] == have.at[i];
    if (!known && n < IR_MAX_VARS) extra[n++] = have.at[i];
  }
  if (n) e = reduce_vars(l, RED_SUM, extra, n, NULL, e, name, at)->e;
  int64_t extent[IR_MAX_VARS];
  Expr **to = NEWN(l->arena, Expr *, l->var_extent.n);
  for (int k = 0; k < want.n; k++) {
    extent[k] = l->var_extent.at[want.at[k]];
    to[want.at[k]] = ex_var(l->g, k);
  }
  return ir_comp(l->g, l->region, name, at, want.n, 0, extent, RED_NONE, NULL,
                 ex_subst(l->g, e, to, l->var_extent.n));
}

static bool has_axes_of(const Value *dx, const Value *x) {
  bool same = dx->kind == V_TENSOR && dx->rank == x->rank;
  for (int k = 0; same && k < x->rank; k++) same = dx->axis[k].extent == x->axis[k].extent;
  return same;
}

/* The result as a node of this call alone. What the body passed through (`y[...] = x[...]`, or
 * what folds to that) is the caller's: it has other readers, whose gradients are none of the
 * clause's business. So is what an op called inside gave a clause of its own. */
static Node *own_node(Header *h, Value *out) {
  Lowering *l = h->l;
  Node *node = out->e->node;
  if (node->id >= h->first && !node->vjp && node->kind == N_COMP) return node;
  Node *copy = ir_comp(l->g, l->region, node->name, h->decl->span, node->rank, 0, node->shape,
                       RED_NONE, NULL, ir_read_all(l->g, node));
  for (int k = 0; k < node->rank; k++) copy->axis[k] = node->axis[k];
  copy->lo = node->lo;
  copy->hi = node->hi;
  out->e = ex_read(l->g, copy, out->e->args);
  return copy;
}

/* What the clause says of the arguments: dX of each X that it defines. */
static void collect_adjoints(Header *h, Scope *clause, Vjp *vjp) {
  Lowering *l = h->l;
  const ADecl *d = h->decl;
  bool says = d->grad.body.n == 0;
  for (int i = 0; i < d->formals.n; i++) {
    const char *name = d->formals.at[i].name;
    Binding *dx = scope_here(clause, intern(l->names, arena_printf(l->arena, "d%s", name)));
    says = says || dx;
    Value *x = h->bound[i];
    if (!dx || !x || x->kind != V_TENSOR || x->e->kind != E_READ) continue;
    if (dx->value->kind == V_NUM) dx->value = v_scalar(l, v_expr(l, dx->value));
    if (!has_axes_of(dx->value, x)) {
      Diag *e = lower_error(l, 505, dx->span, "'%s' must have the axes of '%s', %s", dx->name, name,
                            shape_text(l, x));
      if (dx->value->kind == V_TENSOR)
        diag_label(l->d, e, dx->span, "%s", shape_text(l, dx->value));
      continue;
    }
    Node *adj = argument_adjoint(l, x, dx->value, dx->name, d->grad.span);
    if (!adj) continue;
    vec_push(l->arena, &vjp->wrt, x->e->node);
    vec_push(l->arena, &vjp->adjoint, adj);
  }
  if (says || d->formals.n == 0) return;
  Diag *e =
      lower_error(l, 504, d->grad.span, "the clause says nothing of any argument of '%s'", d->name);
  diag_hint(l->d, e, "'d%s' is what it says of '%s'; a clause that stops everything is empty",
            d->formals.at[0].name, d->formals.at[0].name);
}

/* Of integers there is no dy; that nothing passes can be said of them all the same. */
static void stop_integer(Header *h, Node *node) {
  const AGrad *clause = &h->decl->grad;
  if (clause->body.n)
    lower_error(h->l, 504, clause->span,
                "the result of '%s' is no real number, so there is no '%s': only an empty clause "
                "can be meant",
                h->decl->name, clause->cotangents.at[0].name);
  else
    node->vjp = NEW(h->l->arena, Vjp);
}

void attach_gradient(Header *h) {
  Lowering *l = h->l;
  ADecl *d = h->decl;
  if (d->results.n != 1 || d->grad.cotangents.n != 1) {
    lower_error(l, 504, d->grad.span,
                "a grad clause belongs to an op with one result and names one cotangent: grad(dy) "
                "{ dx[...] = ... }");
    return;
  }
  Binding *y = scope_here(h->s, d->results.at[0].name);
  if (!y || y->value->kind != V_TENSOR) return;
  Value *out = value_bind(l, y->value, l->stmt_name ? l->stmt_name : d->name, d->span);
  if (out->kind != V_TENSOR || out->e->kind != E_READ) return;
  Node *node = own_node(h, out);
  y->value = out;
  if (node->type != TY_REAL) {
    stop_integer(h, node);
    return;
  }
  Vjp *vjp = NEW(l->arena, Vjp);
  vjp->nocheck = d->grad.nocheck;
  vjp->cotangent = ir_node(l->g, l->region, N_COTANGENT, TY_REAL, node->rank, node->shape,
                           arena_printf(l->arena, "d.%s", node->name), d->grad.span);
  Value *dy = NEW(l->arena, Value);
  *dy = *out;
  dy->e = ex_read(l->g, vjp->cotangent, out->e->args);
  Scope *clause = scope_new(l, h->s, false);
  for (int i = 0; i < d->formals.n; i++) { /* a loop of the body may have carried the name on */
    const AFormal *f = &d->formals.at[i];
    if (scope_here(h->s, f->name)->value != h->bound[i])
      scope_set(l, clause, f->name, h->bound[i], f->span);
  }
  scope_set(l, clause, d->grad.cotangents.at[0].name, dy, d->grad.span);
  if (!lower_body(l, clause, d->grad.body.at, d->grad.body.n)) return;
  collect_adjoints(h, clause, vjp);
  node->vjp = vjp;
}
