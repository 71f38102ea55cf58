/* SPDX-License-Identifier: MIT */
/* Values while lowering: lambdas over symbolic index variables. Aligning two of
 * them is unifying variables by axis identity; materialising one makes a
 * comprehension whose leading axes are the free variables it also depends on. */
#include <stdlib.h>
#include <string.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

Value *v_poison(Lowering *l) {
  Value *v = NEW(l->arena, Value);
  v->kind = V_POISON;
  return v;
}

Value *v_int(Lowering *l, int64_t x, const char *id) {
  Value *v = NEW(l->arena, Value);
  v->kind = V_NUM;
  v->is_int = true;
  v->inum = x;
  v->num = (double)x;
  v->id = id;
  return v;
}

Value *v_real(Lowering *l, double x) {
  Value *v = NEW(l->arena, Value);
  v->kind = V_NUM;
  v->num = x;
  return v;
}

Value *v_scalar(Lowering *l, Expr *e) {
  Value *v = NEW(l->arena, Value);
  v->kind = V_TENSOR;
  v->e = e;
  return v;
}

int new_var(Lowering *l, int64_t extent, const char *name) {
  vec_push(l->arena, &l->var_extent, extent);
  vec_push(l->arena, &l->var_name, name);
  return l->var_extent.n - 1;
}

Value *v_of_node(Lowering *l, Node *n, const char *const *ids) {
  Value *v = v_scalar(l, NULL);
  Expr *index[IR_MAX_RANK];
  v->rank = n->rank;
  for (int k = 0; k < n->rank; k++) {
    v->axis[k].extent = n->shape[k];
    v->axis[k].id = ids ? ids[k] : NULL;
    v->axis[k].var = new_var(l, n->shape[k], n->axis[k]);
    index[k] = ex_var(l->g, v->axis[k].var);
  }
  v->e = ex_read(l->g, n, index);
  v->span = n->span;
  v->what = n->name;
  return v;
}

bool v_scalar_like(const Value *v) {
  return v->kind == V_NUM || (v->kind == V_TENSOR && v->rank == 0);
}

Expr *v_expr(Lowering *l, const Value *v) {
  if (v->kind == V_NUM) return v->is_int ? ex_int(l->g, v->inum) : ex_num(l->g, v->num);
  if (v->kind != V_TENSOR) bug("a value of kind %d has no expression", (int)v->kind);
  return v->e;
}

Type v_type(const Value *v) {
  if (v->kind == V_NUM) return v->is_int ? TY_INT : TY_REAL;
  return v->e->type;
}

Expr *to_real(Lowering *l, Expr *e) { return e->type == TY_REAL ? e : ex1(l->g, P_real, e); }

Expr *subst_vars(Lowering *l, Expr *e, const int *vars, Expr *const *by, int n) {
  while (l->map.n < l->var_extent.n) vec_push(l->arena, &l->map, NULL);
  for (int k = 0; k < n; k++) l->map.at[vars[k]] = by[k];
  Expr *out = ex_subst_some(l->g, e, l->map.at, l->map.n, vars, n);
  for (int k = 0; k < n; k++) l->map.at[vars[k]] = NULL;
  return out;
}

Expr *subst1(Lowering *l, Expr *e, int var, Expr *by) { return subst_vars(l, e, &var, &by, 1); }

Value *v_fresh(Lowering *l, const Value *v) {
  if (v->kind != V_TENSOR || v->rank == 0) return (Value *)v;
  Value *out = NEW(l->arena, Value);
  *out = *v;
  int vars[IR_MAX_RANK];
  Expr *by[IR_MAX_RANK];
  for (int k = 0; k < v->rank; k++) {
    out->axis[k].var = new_var(l, v->axis[k].extent, l->var_name.at[v->axis[k].var]);
    vars[k] = v->axis[k].var;
    by[k] = ex_var(l->g, out->axis[k].var);
  }
  out->e = subst_vars(l, v->e, vars, by, v->rank);
  return out;
}

typedef struct Collect {
  Arena *arena;
  Ints *out;
} Collect;

/* Each distinct variable is met once. */
static void collect_var(Expr *e, void *ctx) {
  Collect *c = ctx;
  if (e->kind == E_VAR) vec_push(c->arena, c->out, (int)e->inum);
}

static int ascending(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (x > y) - (x < y);
}

void free_vars(Lowering *l, Expr *e, Ints *out) {
  Ints found = {0};
  Collect c = {l->arena, &found};
  ex_visit(l->g, e, collect_var, &c);
  if (found.n > 1) qsort(found.at, (size_t)found.n, sizeof *found.at, ascending);
  for (int k = 0; k < found.n; k++) vec_push(l->arena, out, found.at[k]);
}

/* ---- alignment --------------------------------------------------------------- */

static int axis_by_id(const Value *v, const char *id) {
  if (!id) return -1;
  for (int k = 0; k < v->rank; k++)
    if (v->axis[k].id == id) return k;
  return -1;
}

static bool twice(Lowering *l, const Value *v, Span at) {
  for (int k = 0; k < v->rank; k++)
    for (int j = 0; j < k; j++)
      if (v->axis[k].id && v->axis[k].id == v->axis[j].id) {
        Diag *x = lower_error(
            l, 212, at,
            "%s has the axis %s twice, so whole-tensor arithmetic cannot tell which one is meant",
            v->what ? v->what : "this tensor", v->axis[k].id);
        diag_hint(l->d, x,
                  "write it with indices, or give one of them another identity: axis %s2 = %s",
                  v->axis[k].id, v->axis[k].id);
        return true;
      }
  return false;
}

static bool nameless(const Value *v) {
  for (int k = 0; k < v->rank; k++)
    if (!v->axis[k].id) return true;
  return false;
}

bool v_align(Lowering *l, Value **vs, int n, Span at, Value *out) {
  const Value *widest = vs[0];
  for (int i = 0; i < n; i++)
    if (vs[i]->kind == V_TENSOR && (widest->kind != V_TENSOR || vs[i]->rank > widest->rank))
      widest = vs[i];
  memset(out, 0, sizeof *out);
  out->kind = V_TENSOR;
  if (widest->kind != V_TENSOR) return true;
  out->rank = widest->rank;
  memcpy(out->axis, widest->axis, sizeof out->axis);
  if (out->rank == 0) return true;
  if (twice(l, widest, at)) {
    bool others = false;
    for (int i = 0; i < n; i++)
      others = others || (vs[i] != widest && vs[i]->kind == V_TENSOR && vs[i]->rank > 0);
    if (others) return false;
  }
  for (int i = 0; i < n; i++) {
    if (vs[i]->kind != V_TENSOR || vs[i] == widest || vs[i]->rank == 0) continue;
    Value *v = v_fresh(l, vs[i]);
    int vars[IR_MAX_RANK];
    Expr *by[IR_MAX_RANK];
    for (int k = 0; k < v->rank; k++) {
      int j = axis_by_id(out, v->axis[k].id);
      if (j < 0) {
        Diag *x = lower_error(
            l, 213, at, "these tensors do not share their axes: %s%s%s and %s%s%s",
            widest->what ? widest->what : "", widest->what ? " is " : "", shape_text(l, widest),
            v->what ? v->what : "", v->what ? " is " : "", shape_text(l, v));
        if (widest->what && widest->span.line)
          diag_note(l->d, x, widest->span, "%s is defined here", widest->what);
        if (v->what && v->span.line) diag_note(l->d, x, v->span, "%s is defined here", v->what);
        if (!v->axis[k].id || nameless(widest))
          diag_hint(l->d, x,
                    "axes are aligned by name, and an axis of a bare number has none: name the "
                    "extent (dim D = 8), or write the statement with indices");
        else
          diag_hint(l->d, x,
                    "axes are aligned by name, and one operand must have them all; write the "
                    "statement with indices to say what is meant");
        return false;
      }
      if (out->axis[j].extent != v->axis[k].extent) {
        Diag *x = lower_error(l, 204, at, "axis '%s' has two extents: %lld and %lld", v->axis[k].id,
                              (long long)out->axis[j].extent, (long long)v->axis[k].extent);
        if (widest->what && widest->span.line)
          diag_note(l->d, x, widest->span, "%s is %s", widest->what, shape_text(l, widest));
        if (v->what && v->span.line)
          diag_note(l->d, x, v->span, "%s is %s", v->what, shape_text(l, v));
        return false;
      }
      vars[k] = v->axis[k].var;
      by[k] = ex_var(l->g, out->axis[j].var);
    }
    if (twice(l, v, at)) return false;
    v->e = subst_vars(l, v->e, vars, by, v->rank);
    v->rank = 0;
    vs[i] = v;
  }
  return true;
}

/* ---- materialising -------------------------------------------------------------- */

/* The order of a node's axes: free variables the value does not own (an op was
 * inlined inside an indexed expression), then its own. */
static int axis_order(Lowering *l, const Value *v, int order[IR_MAX_VARS], Span at) {
  Ints free = {0};
  free_vars(l, v->e, &free);
  int n = 0;
  for (int i = 0; i < free.n; i++) {
    bool own = false;
    for (int k = 0; k < v->rank; k++) own = own || v->axis[k].var == free.at[i];
    if (own) continue;
    if (n >= IR_MAX_RANK) break;
    order[n++] = free.at[i];
  }
  if (n + v->rank > IR_MAX_RANK) {
    lower_error(l, 215, at, "a tensor of more than %d axes is needed here", IR_MAX_RANK);
    return -1;
  }
  for (int k = 0; k < v->rank; k++) order[n++] = v->axis[k].var;
  return n;
}

static bool reads_in_order(const Expr *e, const int *order, int n) {
  if (e->kind != E_READ || e->nargs != n) return false;
  for (int k = 0; k < n; k++)
    if (ex_bare_var(e->args[k]) != order[k]) return false;
  return true;
}

bool elements_fit(Lowering *l, const char *what, const int64_t *extent, int n, Span at) {
  /* Extents that were made up, to check what nothing uses, say nothing about size. */
  int bits = l->assumed && *l->assumed ? MADE_UP_BITS : ELEMENT_BITS;
  return elements_within(l, bits, what, extent, n, at);
}

bool elements_within(Lowering *l, int bits, const char *what, const int64_t *extent, int n,
                     Span at) {
  int64_t count = 1;
  bool fit = true;
  const char *shape = "";
  for (int k = 0; k < n; k++) {
    fit = fit && mul_fits(count, extent[k], &count) && count <= (int64_t)1 << bits;
    shape = arena_printf(l->arena, "%s%s%lld", shape, k ? " x " : "", (long long)extent[k]);
  }
  if (!fit) lower_error(l, 216, at, "%s would have more than 2^%d elements: %s", what, bits, shape);
  return fit;
}

Node *value_node(Lowering *l, Value *v, const char *name, Span at) {
  int order[IR_MAX_VARS];
  int n = 0;
  if (v->kind == V_NUM) v = v_scalar(l, v_expr(l, v));
  n = axis_order(l, v, order, at);
  if (n < 0) n = v->rank = 0;
  bool exact = reads_in_order(v->e, order, n);
  for (int k = 0; exact && k < n; k++) exact = v->e->node->shape[k] == l->var_extent.at[order[k]];
  if (exact) return v->e->node;
  int64_t extent[IR_MAX_VARS];
  Expr *by[IR_MAX_VARS] = {NULL};
  for (int k = 0; k < n; k++) {
    extent[k] = l->var_extent.at[order[k]];
    by[k] = ex_var(l->g, k);
  }
  if (!elements_fit(l, "this tensor", extent, n, at))
    return ir_comp(l->g, l->region, name, at, 0, 0, extent, RED_NONE, NULL, ex_num(l->g, 0));
  Node *node = ir_comp(l->g, l->region, name, at, n, 0, extent, RED_NONE, NULL,
                       subst_vars(l, defined_everywhere(l, v->e), order, by, n));
  whole_kept(l, node, at);
  for (int k = 0; k < n; k++) node->axis[k] = l->var_name.at[order[k]];
  return node;
}

Value *value_bind(Lowering *l, Value *v, const char *name, Span at) {
  if (v->kind != V_TENSOR) return v;
  int order[IR_MAX_VARS];
  int n = axis_order(l, v, order, at);
  if (n < 0) return v_poison(l);
  Node *node = value_node(l, v, name, at);
  Expr *index[IR_MAX_RANK];
  Value *out = NEW(l->arena, Value);
  *out = *v;
  if (node->rank == n) {
    for (int k = 0; k < n; k++) index[k] = ex_var(l->g, order[k]);
    out->e = ex_read(l->g, node, index);
  }
  out->span = at;
  out->what = name;
  return out;
}
