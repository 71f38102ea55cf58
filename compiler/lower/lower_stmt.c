/* SPDX-License-Identifier: MIT */
/* Statements: each assignment becomes a value of its scope and, unless it is
 * part of a larger expression, a node. */
#include <string.h>

#include "compiler/lower/domain.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

/* ---- Einstein's convention ------------------------------------------------------ */

/* Is e a product whose factors may be summed over indices the left side lacks? */
static bool pure_product(const AExpr *e) {
  if (e->kind == A_BINARY && e->op == OP_MUL) return pure_product(e->a) && pure_product(e->b);
  if (e->kind == A_BINARY && e->op == OP_DIV)
    return pure_product(e->a) &&
           (e->b->kind == A_NAME || e->b->kind == A_NUM || e->b->kind == A_CALL);
  if (e->kind == A_UNARY && e->op == OP_NEG) return pure_product(e->a);
  return e->kind == A_INDEX || e->kind == A_NAME || e->kind == A_NUM || e->kind == A_CALL ||
         e->kind == A_MEMBER;
}

static Value *sum_implicit(Lowering *l, const Frame *f, Value *v, const ATarget *t, const AExpr *e,
                           Span at) {
  int vars[IR_MAX_VARS];
  int n = 0;
  const IndexVar *first = NULL;
  for (int i = 0; i < f->vars.n; i++) {
    if (!f->vars.at[i].implicit) continue;
    if (!first) first = &f->vars.at[i];
    if (n < IR_MAX_VARS) vars[n++] = f->vars.at[i].var;
  }
  if (!first || v->kind == V_POISON) return v;
  if (!t || !t->indexed || !pure_product(e)) {
    Diag *x = lower_error(l, 226, first->span, "index '%s' is neither on the left nor reduced",
                          first->name);
    if (t && t->indexed)
      diag_hint(l->d, x,
                "only a pure product sums its free indices by itself; write sum[%s](...) where the "
                "sum is meant",
                first->name);
    else
      diag_hint(l->d, x, "give the left side indices, or write sum[%s](...)", first->name);
    return v_poison(l);
  }
  if (!v_scalar_like(v)) return v;
  doubt_implicit_sum(l, f, e);
  return reduce_vars(l, RED_SUM, vars, n, NULL, to_real(l, v_expr(l, v)), l->stmt_name, at);
}

/* ---- assignment --------------------------------------------------------------------- */

Value *lower_assign_value(Lowering *l, Scope *s, const ATarget *t, const AExpr *e, bool draw,
                          Span at) {
  int frames = l->reduce_frames.n, calls = l->call_values.n, facts = l->facts.n,
      before = l->nerrors;
  Frame *outer = l->frame, *f;
  const char *stmt = l->stmt_name;
  const AExpr *drawing = l->drawing;
  if (t)
    l->stmt_name =
        *l->param_path ? arena_printf(l->arena, "%s.%s", l->param_path, t->name) : t->name;
  l->drawing = draw ? e : NULL;
  Value *v;
  if (!infer_indices(l, s, t, e, &f))
    v = v_poison(l);
  else
    v = lower_expr(l, s, e);
  if (v->kind != V_PACKED && !usable(l, v, e->span)) v = v_poison(l);
  v = sum_implicit(l, f, v, t, e, at);
  if (v->kind == V_NUM && t && t->indexed) v = v_scalar(l, v_expr(l, v));
  if (v->kind == V_TENSOR && t && t->indexed) {
    if (v->rank) {
      Diag *x = lower_error(l, 206, e->span,
                            "the left side has indices, but the right side still has the axes %s",
                            shape_text(l, v));
      diag_hint(l->d, x, "index the right side too, or drop the brackets on the left");
      v = v_poison(l);
    } else {
      Value *out = NEW(l->arena, Value);
      *out = *v;
      for (int i = 0; i < f->vars.n; i++) {
        const IndexVar *x = &f->vars.at[i];
        if (x->implicit) continue;
        if (x->start) {
          lower_error(l, 208, x->span,
                      "a range on the left starts at 0: position 0 of the axis is index 0");
          continue;
        }
        if (out->rank == IR_MAX_RANK) {
          lower_error(l, 215, at, "a tensor has at most %d axes", IR_MAX_RANK);
          break;
        }
        ValueAxis a = {x->extent, x->id, x->var};
        out->axis[out->rank++] = a;
      }
      v = out;
    }
  }
  if (l->nerrors != before) v = v_poison(l);
  l->drawing = drawing;
  l->stmt_name = stmt;
  l->frame = outer;
  l->facts.n = facts;
  l->reduce_frames.n = frames;
  l->call_values.n = calls;
  return v;
}

static bool names(const AExpr *e, const char *name) {
  if (!e) return false;
  bool found = (e->kind == A_NAME && e->name == name) || names(e->a, name) || names(e->b, name) ||
               names(e->c, name);
  for (int i = 0; i < e->args.n; i++) found = found || names(e->args.at[i].value, name);
  return found;
}

/* h = rmsnorm(h): a step of its own, or one that a loop takes again and again. */
static void hint_next_step(Lowering *l, Scope *s, Diag *x, const ATarget *t, const AExpr *e) {
  enum { LINE = 40 };
  const char *fresh = t->name;
  for (int n = 2; scope_find(s, fresh); n++)
    fresh = intern(l->names, arena_printf(l->arena, "%s%d", t->name, n));
  StrBuf to = {0}, of = {0};
  ast_print_target(t, &to);
  ast_print_expr(e, &of);
  const char *brackets = to.s + strlen(t->name);
  if (of.n + to.n <= LINE)
    diag_hint(l->d, x,
              "the next step has a name of its own, %s%s = %s; only a loop carries one: for i in 3 "
              "{ %s = %s }",
              fresh, brackets, of.s, to.s, of.s);
  else
    diag_hint(l->d, x, "the next step has a name of its own, %s%s = ...; only a loop carries one",
              fresh, brackets);
  sb_free(&to);
  sb_free(&of);
}

bool may_assign(Lowering *l, Scope *s, const ATarget *t, const AExpr *e) {
  for (Scope *k = s; k; k = k->parent) {
    Binding *b = scope_here(k, t->name);
    if (b && !b->mutable_) {
      if (b->value->kind == V_POISON && diags_errors(l->d)) return false;
      Diag *x = lower_error(l, 314, t->span, "'%s' has a value already", t->name);
      diag_note(l->d, x, b->span,
                "it is given here; names are assigned once, except where a loop carries them");
      if (e && names(e, t->name))
        hint_next_step(l, s, x, t, e);
      else
        diag_hint(l->d, x, "choose another name");
      if (!b->pattern) b->value = v_poison(l);
      return false;
    }
    if (b || k->function) break;
  }
  return true;
}

static void assign(Lowering *l, Scope *s, const ATarget *t, Value *v) {
  for (Scope *k = s; k; k = k->parent) {
    Binding *b = scope_here(k, t->name);
    if (b && b->mutable_) {
      b->value = v;
      return;
    }
    if (k->function) break;
  }
  scope_set(l, s, t->name, v, t->span);
}

/* Is the value to stay an expression: a rank-0 step inside an indexed
 * statement, or the one expression of a short op? */
static bool stays_lazy(const Lowering *l, const Value *v) {
  if (v->rank == 0 && l->frame && l->frame->vars.n > 0) return true;
  return l->calls && l->calls->decl && l->calls->decl->expr_body;
}

static bool assignment(Lowering *l, Scope *s, AStmt *st) {
  bool draw = st->kind == S_DRAW;
  SavePolicy save = st->save ? SAVE_KEEP : st->recompute ? SAVE_RECOMPUTE : SAVE_AUTO;
  if (st->targets.n == 1) {
    const ATarget *t = &st->targets.at[0];
    if (!may_assign(l, s, t, st->value)) return false;
    Value *v = lower_assign_value(l, s, t, st->value, draw, st->span);
    if (v->kind == V_PACKED) {
      Diag *x =
          lower_error(l, 315, t->span, "one name on the left, %d results on the right", v->nparts);
      diag_hint(l->d, x, "name them all: a, b = ...");
      v = v_poison(l);
    }
    const char *name =
        *l->param_path ? arena_printf(l->arena, "%s.%s", l->param_path, t->name) : t->name;
    if (v->kind == V_TENSOR && (!stays_lazy(l, v) || save)) {
      Value *bound = value_bind(l, v, name, st->span);
      if (bound->kind == V_TENSOR && bound->e->kind == E_READ) {
        Node *n = bound->e->node;
        if (save) n->save = save;
        if (n->kind == N_COMP && n->span.line == st->span.line) n->name = name;
      }
      v = bound;
    }
    if (v->kind == V_TENSOR || v->kind == V_NUM) {
      Value *named = NEW(l->arena, Value);
      *named = *v;
      named->what = t->name;
      named->span = t->span;
      v = named;
    }
    assign(l, s, t, v);
    return v->kind != V_POISON;
  }
  Value *v = lower_assign_value(l, s, NULL, st->value, draw, st->span);
  if (v->kind != V_POISON && (v->kind != V_PACKED || v->nparts != st->targets.n)) {
    lower_error(l, 315, st->span, "%d names on the left, %d %s on the right", st->targets.n,
                v->kind == V_PACKED ? v->nparts : 1, v->kind == V_PACKED ? "results" : "result");
    v = v_poison(l);
  }
  for (int i = 0; i < st->targets.n; i++) {
    const ATarget *t = &st->targets.at[i];
    if (!may_assign(l, s, t, NULL)) return false;
    if (t->indexed && v->kind != V_POISON) {
      Diag *x = lower_error(l, 315, t->span, "several results are taken whole, without indices");
      diag_hint(l->d, x, "%s, ... = f(x)", t->name);
      v = v_poison(l);
    }
    Value *part = v->kind == V_PACKED ? v->parts[i] : v_poison(l);
    if (part->kind == V_TENSOR && part->rank) part = value_bind(l, part, t->name, st->span);
    Value *named = NEW(l->arena, Value);
    *named = *part;
    named->what = t->name;
    named->span = t->span;
    assign(l, s, t, named);
  }
  return v->kind != V_POISON;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static bool minimize(Lowering *l, Scope *s, AStmt *st) {
  const char *stmt = l->stmt_name;
  l->stmt_name = st->kind == S_MINIMIZE ? "loss" : "report";
  Value *v = lower_assign_value(l, s, NULL, st->value, false, st->span);
  l->stmt_name = stmt;
  if (v->kind == V_POISON) return false;
  bool each = st->kind == S_REPORT && v->kind == V_TENSOR && v->rank == 2 &&
              v->axis[0].extent == l->loss_rows && v->axis[1].extent <= l->loss_window;
  if (!v_scalar_like(v) && !each) {
    if (v->kind != V_TENSOR) return usable(l, v, st->value->span);
    Diag *x =
        lower_error(l, 402, st->value->span, "what is %s must be one number, this has the axes %s",
                    st->kind == S_MINIMIZE ? "minimised" : "reported", shape_text(l, v));
    diag_hint(l->d, x,
              st->kind == S_MINIMIZE
                  ? "take its mean over all indices: mean[b,l](...)"
                  : "take its mean over all indices: mean[b,l](...); or report one number for each "
                    "of the last symbols of a row, as many rows as the input has");
    return false;
  }
  if (l->objective) {
    Diag *x = lower_error(l, 403, st->span, "a second '%s'",
                          st->kind == S_MINIMIZE ? "minimize" : "report");
    diag_note(l->d, x, l->objective_span, "the first is here");
    diag_hint(l->d, x, "add the two, or log one of them: log NAME = ...");
    return false;
  }
  l->objective = each ? v : v_scalar(l, to_real(l, v_expr(l, v)));
  l->objective_span = st->span;
  return true;
}

static bool log_stmt(Lowering *l, Scope *s, AStmt *st) {
  const ATarget *t = &st->targets.at[0];
  Value *v = lower_assign_value(l, s, t, st->value, false, st->span);
  if (!usable(l, v, st->value->span)) return false;
  Output o = {t->name, value_node(l, v, t->name, st->span)};
  vec_push(l->arena, &l->logs, o);
  return true;
}

bool lower_stmt(Lowering *l, Scope *s, AStmt *st) {
  if (is_misplaced(l, st)) return false;
  switch (st->kind) {
  case S_ASSIGN:
  case S_DRAW: return assignment(l, s, st);
  case S_PARAM: return lower_param_stmt(l, s, st);
  case S_FOR: return lower_for(l, s, st);
  case S_MINIMIZE:
  case S_REPORT: return minimize(l, s, st);
  case S_LOG: return log_stmt(l, s, st);
  case S_STATE:
  case S_EMIT: bug("a sampler's statement in the wrong place");
  case S_ERROR: return false;
  }
  return false;
}

static void spoil(Lowering *l, Scope *s, const char *name, Span at) {
  for (Scope *k = s; k; k = k->parent) {
    if (scope_here(k, name)) return;
    if (k->function) break;
  }
  scope_set(l, s, name, v_poison(l), at);
}

bool lower_body(Lowering *l, Scope *s, AStmt *const *stmts, int n) {
  bool ok = true;
  for (int i = 0; i < n; i++) {
    if (lower_stmt(l, s, stmts[i])) continue;
    ok = false;
    /* Whatever it should have defined is poison, so that one mistake is one error. */
    for (int k = 0; k < stmts[i]->targets.n; k++)
      spoil(l, s, stmts[i]->targets.at[k].name, stmts[i]->span);
    for (int k = 0; k < stmts[i]->carries.n; k++)
      spoil(l, s, stmts[i]->carries.at[k].target.name, stmts[i]->span);
    for (int k = 0; k < stmts[i]->emits.n; k++)
      spoil(l, s, stmts[i]->emits.at[k].target.name, stmts[i]->span);
  }
  return ok;
}
