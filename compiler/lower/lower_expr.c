/* SPDX-License-Identifier: MIT */
/* Expressions to values. Numbers known now are folded here (extents must be
 * integers in the end); everything else becomes scalar expressions of the
 * graph, lifted over the axes of whole tensors. */
#include <math.h>
#include <string.h>

#include "compiler/lower/domain.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

static Value *expr(Lowering *l, Scope *s, const AExpr *e, bool index);

Value *lower_expr(Lowering *l, Scope *s, const AExpr *e) { return expr(l, s, e, false); }
Value *lower_index_value(Lowering *l, Scope *s, const AExpr *e) { return expr(l, s, e, true); }

/* ---- names and indices ------------------------------------------------------------ */

static Value *name(Lowering *l, Scope *s, const AExpr *e) {
  IndexVar *v = frame_find(l->frame, e->name);
  if (v) {
    Expr *x = ex_var(l->g, v->var);
    if (v->start) x = ex2(l->g, P_add, x, ex_int(l->g, v->start));
    Value *out = v_scalar(l, x);
    out->what = e->name;
    return out;
  }
  if (!scope_find(s, e->name)) {
    if (!strcmp(e->name, "inf")) return v_real(l, INFINITY);
    if (!strcmp(e->name, "true") || !strcmp(e->name, "false"))
      return v_scalar(l, ex_bool(l->g, e->name[0] == 't'));
    if (!strcmp(e->name, "training")) return v_scalar(l, ex_bool(l->g, l->entry->training));
    Value *now = loss_step(l, s, e->name, e->span);
    if (now) return now;
  }
  return lookup(l, s, e->name, e->span);
}

bool check_rank(Lowering *l, const AExpr *e, const Value *base, int given, bool dots) {
  if (dots ? given - 1 <= base->rank : given == base->rank) return true;
  Diag *x = lower_error(l, 203, e->op_span, "%s has %d %s %s, but %d %s given",
                        base->what ? base->what : "this tensor", base->rank,
                        base->rank == 1 ? "axis" : "axes", shape_text(l, base), given,
                        given == 1 ? "index is" : "indices are");
  if (base->span.line)
    diag_note(l->d, x, base->span, "%s is defined here", base->what ? base->what : "it");
  return false;
}

/* An axis's extent as it can be written between brackets: a dim, a header's name, a number. */
static const char *extent_written(Lowering *l, Scope *s, const ValueAxis *a) {
  const Binding *b = a->id ? scope_find(s, a->id) : NULL;
  bool is = b && b->value->kind == V_NUM && b->value->is_int && b->value->inum == a->extent;
  if (!is) return arena_printf(l->arena, "%lld", (long long)a->extent);
  return b->pattern ? arena_printf(l->arena, "extent(%s)", a->id) : a->id;
}

static void out_of_range(Lowering *l, Scope *s, const AItem *it, Expr *x, const Value *base,
                         int axis) {
  int64_t lo, hi;
  const ValueAxis *a = &base->axis[axis];
  Diag *d;
  if (interval_here(l, x, &lo, &hi) && !any_integer(lo, hi))
    d = lower_error(l, 205, it->span,
                    "this index runs over %lld .. %lld, but axis %d of %s holds 0 .. %lld",
                    (long long)lo, (long long)hi, axis + 1, base->what ? base->what : "the tensor",
                    (long long)a->extent - 1);
  else
    d = lower_error(l, 205, it->span,
                    "nothing proves that this index stays in 0 .. %lld, axis %d of %s",
                    (long long)a->extent - 1, axis + 1, base->what ? base->what : "the tensor");
  if (x->kind == E_INT && x->inum < 0 && x->inum >= -a->extent) {
    diag_hint(l->d, d, "positions count from 0; from the end this is %s - %lld",
              extent_written(l, s, a), -(long long)x->inum);
    return;
  }
  StrBuf b = {0};
  ast_print_expr(it->expr, &b);
  diag_hint(l->d, d,
            "say what is read outside: [%s else 0]; or guard the read with ?: ; or let a range "
            "stop earlier: i in 0 : n",
            b.s ? b.s : "");
  sb_free(&b);
}

bool indexable(Lowering *l, const Value *base, Span at) {
  if (base->kind == V_TENSOR) return true;
  if (base->kind != V_NUM) return usable(l, base, at);
  lower_error(l, 306, at, "%s%s%s a number and has no axes to index", base->what ? "'" : "",
              base->what ? base->what : "this", base->what ? "' is" : " is");
  return false;
}

/* The tensor that e indexes; NULL after an error. */
static Value *indexed_base(Lowering *l, Scope *s, const AExpr *e) {
  Value *base = NULL;
  for (int i = l->call_values.n - 1; i >= 0 && !base; i--)
    if (l->call_values.at[i].call == e->a) base = l->call_values.at[i].value;
  if (!base) base = lower_expr(l, s, e->a);
  return indexable(l, base, e->a->span) ? base : NULL;
}

/* A read while its indices are gathered. */
typedef struct Indexing {
  Value *base; /* with fresh variables */
  Expr *at[IR_MAX_RANK];
  int axis; /* the next one */
  bool bad;
  Expr *inside; /* where no `else` value is asked for; NULL: everywhere */
  Expr *other;
} Indexing;

/* `...` stands for the nameless indices of the statement, `want` of them. */
static bool index_dots(Lowering *l, Indexing *x, Span at, int want) {
  const Frame *f = frame_of_statement(l);
  int have = 0;
  for (int k = 0; f && k < f->vars.n && have < want; k++) {
    const IndexVar *v = &f->vars.at[k];
    int64_t extent = x->base->axis[x->axis].extent;
    if (v->name) continue;
    if (v->extent != extent) {
      lower_error(l, 204, at, "'...' stands for %lld here and for %lld on the left",
                  (long long)extent, (long long)v->extent);
      x->bad = true;
    }
    x->at[x->axis++] = ex_var(l->g, v->var);
    have++;
  }
  if (have == want) return true;
  lower_error(l, 210, at, "'...' would stand for %d axes here, the left side has %d", want, have);
  return false;
}

/* The value that `[i else x]` reads outside; NULL after an error. */
static Expr *other_value(Lowering *l, Scope *s, const AExpr *e) {
  Value *v = lower_expr(l, s, e);
  if (!usable(l, v, e->span)) return NULL;
  if (v_scalar_like(v)) return v_expr(l, v);
  lower_error(l, 206, e->span, "what is read outside is one number, this has the axes %s",
              shape_text(l, v));
  return NULL;
}

/* One index: an integer that is proved to lie in the axis, or has an `else`. */
static void index_axis(Lowering *l, Scope *s, const AItem *it, Indexing *x) {
  int axis = x->axis++;
  int64_t extent = x->base->axis[axis].extent;
  Value *v = lower_index_value(l, s, it->expr);
  if (v->kind == V_POISON) {
    x->bad = true;
    return;
  }
  if (!v_scalar_like(v) || v_type(v) != TY_INT) {
    Diag *d = lower_error(l, 214, it->span, "an index must be an integer");
    if (v_scalar_like(v)) diag_hint(l->d, d, "int(x) rounds down");
    x->bad = true;
    return;
  }
  Expr *e = x->at[axis] = v_expr(l, v);
  if (!prove_in_range(l, e, extent)) {
    if (it->other) {
      Expr *in = ex2(l->g, P_and, ex2(l->g, P_le, ex_int(l->g, 0), e),
                     ex2(l->g, P_lt, e, ex_int(l->g, extent)));
      x->inside = ex_and(l->g, x->inside, in);
    } else {
      out_of_range(l, s, it, e, x->base, axis);
      x->bad = true;
    }
  }
  if (!it->other) return;
  Expr *other = other_value(l, s, it->other);
  if (other)
    x->other = other;
  else
    x->bad = true;
}

static Value *indexed(Lowering *l, Scope *s, const AExpr *e) {
  Value *base = indexed_base(l, s, e);
  if (!base) return v_poison(l);
  bool dots = false;
  for (int i = 0; i < e->items.n; i++) dots = dots || e->items.at[i].ellipsis;
  if (!check_rank(l, e, base, e->items.n, dots)) return v_poison(l);
  Indexing x = {.base = v_fresh(l, base)};
  int vars[IR_MAX_RANK];
  for (int k = 0; k < base->rank; k++) {
    vars[k] = x.base->axis[k].var;
    x.at[k] = ex_var(l->g, vars[k]);
  }
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    if (it->ellipsis) {
      if (!index_dots(l, &x, it->span, base->rank - (e->items.n - 1))) return v_poison(l);
    } else if (it->expr) {
      index_axis(l, s, it, &x);
    } else {
      lower_error(l, 209, it->span,
                  "a range belongs to the left side or into a reducer's brackets");
      return v_poison(l);
    }
  }
  if (x.bad) return v_poison(l);
  Value *out = v_scalar(l, subst_vars(l, x.base->e, vars, x.at, base->rank));
  if (x.inside) {
    if (out->e->type == TY_REAL) x.other = to_real(l, x.other);
    if (out->e->type != x.other->type) {
      lower_error(l, 307, e->span, "the value after 'else' is %s, %s holds %s",
                  type_name(x.other->type), base->what ? base->what : "the tensor",
                  type_name(out->e->type));
      return v_poison(l);
    }
    out->e = ex3(l->g, P_select, x.inside, out->e, x.other);
  }
  out->id = base->id;
  return out;
}

/* ---- the rest ------------------------------------------------------------------------- */

static Value *conditional(Lowering *l, Scope *s, const AExpr *e, bool index_position) {
  Value *c = expr(l, s, e->a, index_position);
  if (c->kind == V_POISON || !usable(l, c, e->a->span)) return v_poison(l);
  if (v_type(c) != TY_BOOL) {
    Diag *x = lower_error(l, 307, e->a->span,
                          "the condition of ?: must be a comparison, this is a number");
    diag_hint(l->d, x, "write  x != 0 ? a : b");
    return v_poison(l);
  }
  if (c->kind == V_TENSOR && c->rank == 0 && c->e->kind == E_BOOL) {
    leave_out(l, s, c->e->inum ? e->c : e->b);
    return expr(l, s, c->e->inum ? e->b : e->c, index_position);
  }
  int facts = l->facts.n;
  bool scalar = v_scalar_like(c) && v_type(c) == TY_BOOL;
  if (scalar) fact_push(l, v_expr(l, c), true);
  Value *a = expr(l, s, e->b, index_position);
  l->facts.n = facts;
  if (scalar) fact_push(l, v_expr(l, c), false);
  Value *b = expr(l, s, e->c, index_position);
  l->facts.n = facts;
  if (a->kind == V_POISON || b->kind == V_POISON) return v_poison(l);
  Value *args[3] = {c, a, b};
  Value *out = lower_prim(l, P_select, args, 3, e->span);
  if (out->kind == V_TENSOR && a->id == b->id) out->id = a->id;
  return out;
}

/* Calls within calls and expressions within them take stack; a thread may have little. */
static bool stack_left(Lowering *l, Span at) {
  if ((uintptr_t)__builtin_frame_address(0) > l->stack_end) return true;
  if (!l->runaway) lower_error(l, 109, at, "calls and expressions nest too deep here");
  l->runaway = true;
  return false;
}

static Value *expr(Lowering *l, Scope *s, const AExpr *e, bool in_index) {
  if (!stack_left(l, e->span)) return v_poison(l);
  switch (e->kind) {
  case A_NUM: return e->is_int ? v_int(l, e->inum, NULL) : v_real(l, e->num);
  case A_STR: {
    Value *v = v_poison(l);
    v->kind = V_TEXT;
    v->str = e->str;
    return v;
  }
  case A_CHARACTER: return symbol_value(l, s, e->str, e->span);
  case A_NAME: return name(l, s, e);
  case A_MEMBER: {
    Value *base = lower_expr(l, s, e->a);
    return member(l, base, e->name, e->op_span.line ? e->op_span : e->span);
  }
  case A_INDEX: return indexed(l, s, e);
  case A_REDUCE: return lower_reduce(l, s, e);
  case A_CALL: {
    for (int i = l->call_values.n - 1; i >= 0; i--)
      if (l->call_values.at[i].call == e) return l->call_values.at[i].value;
    return lower_call(l, s, e, in_index);
  }
  case A_UNARY: {
    Value *a = expr(l, s, e->a, in_index);
    if (a->kind == V_POISON) return a;
    if (e->op == OP_NEG && a->kind == V_NUM && !a->is_int) return v_real(l, -a->num);
    return lower_prim(l, e->op == OP_NEG ? P_neg : P_not, &a, 1, e->span);
  }
  case A_BINARY: {
    Value *a = expr(l, s, e->a, in_index);
    int facts = l->facts.n;
    bool guards = (e->op == OP_AND || e->op == OP_OR) && a->kind == V_TENSOR && a->rank == 0 &&
                  a->e->type == TY_BOOL;
    if (guards) fact_push(l, a->e, e->op == OP_AND);
    Value *b = expr(l, s, e->b, in_index);
    l->facts.n = facts;
    Span at = e->op_span.line && e->op_span.file == e->span.file ? e->op_span : e->span;
    return lower_binary(l, e->op, a, b, at, in_index);
  }
  case A_COND: return conditional(l, s, e, in_index);
  case A_ERROR: return v_poison(l);
  }
  bug("unknown expression kind %d", (int)e->kind);
}

Value *lower_constant(Lowering *l, Scope *s, const AExpr *e) {
  Value *v = lower_expr(l, s, e);
  if (v->kind == V_NUM) return v;
  if (v->kind != V_POISON)
    lower_error(l, 308, e->span, "a number known at compile time is needed here");
  return NULL;
}

bool lower_number(Lowering *l, Scope *s, const AExpr *e, double *out, bool *is_int) {
  Value *v = lower_constant(l, s, e);
  if (!v) return false;
  *out = v->is_int ? (double)v->inum : v->num;
  if (is_int) *is_int = v->is_int;
  return true;
}

bool lower_extent(Lowering *l, Scope *s, const AExpr *e, int64_t *out, const char **id) {
  Value *v = lower_expr(l, s, e);
  if (v->kind == V_POISON) return false;
  if (v->kind != V_NUM || !v->is_int) {
    Diag *x = lower_error(
        l, 201, e->span, "%s",
        v->kind == V_NUM
            ? arena_printf(l->arena, "an extent must be a whole number, this is %g", v->num)
            : "an extent must be known at compile time");
    if (v->kind == V_NUM && e->kind == A_BINARY && e->op == OP_DIV)
      diag_hint(l->d, x, "the division must come out even");
    return false;
  }
  if (v->inum < 1 || v->inum > (int64_t)1 << 31) {
    lower_error(l, 201, e->span, "an extent must lie in 1 .. 2^31, this is %lld",
                (long long)v->inum);
    return false;
  }
  *out = v->inum;
  if (id) *id = v->id;
  return true;
}

/* Ends of ranges, so that the numbers next to them are integers of 32 bits too. */
static const int64_t RANGE_MOST = ((int64_t)1 << 31) - 2;

bool lower_range_ends(Lowering *l, Scope *s, const AExpr *lo, const AExpr *hi, int64_t *a,
                      int64_t *b) {
  const AExpr *ends[2] = {lo, hi};
  int64_t *out[2] = {a, b};
  for (int k = 0; k < 2; k++) {
    Value *v = lower_constant(l, s, ends[k]);
    if (!v) return false;
    if (!v->is_int) {
      lower_error(l, 208, ends[k]->span, "a range needs integers");
      return false;
    }
    if (v->inum < -RANGE_MOST || v->inum > RANGE_MOST) {
      lower_error(l, 208, ends[k]->span, "a range lies within 2^31 of 0, this is %lld",
                  (long long)v->inum);
      return false;
    }
    *out[k] = v->inum;
  }
  return true;
}
