/* SPDX-License-Identifier: MIT */
/* Which indices a statement has, and how far each runs.
 *
 * An index's extent comes from (in this order) a range written with it, the
 * header that names it, its bare uses, which must agree, or the dim that bears
 * its name in upper case (l: L). All of it is found before the statement is
 * lowered, by walking the syntax: lowering needs extents for its proofs. */
#include <ctype.h>
#include <string.h>

#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

/* ---- does an expression depend on an index of the statement? --------------------- */

typedef struct Shadow {
  struct Shadow *up;
  const char *name;
} Shadow;

static bool shadowed(const Shadow *sh, const char *name) {
  for (; sh; sh = sh->up)
    if (sh->name == name) return true;
  return false;
}

static bool uses(Lowering *l, Scope *s, const AExpr *e, const Shadow *sh, bool in_index) {
  if (!e) return false;
  switch (e->kind) {
  case A_NAME:
    if (shadowed(sh, e->name)) return false;
    if (frame_find(l->frame, e->name)) return true;
    return in_index && !index_is_value(s, e->name);
  case A_INDEX:
    if (uses(l, s, e->a, sh, false)) return true;
    for (int i = 0; i < e->items.n; i++)
      if (e->items.at[i].ellipsis || uses(l, s, e->items.at[i].expr, sh, true)) return true;
    return false;
  case A_REDUCE: {
    Shadow here[IR_MAX_VARS];
    int n = 0;
    for (int i = 0; i < e->items.n && n < IR_MAX_VARS; i++) {
      const AItem *it = &e->items.at[i];
      const char *name = it->var;
      if (!name && it->expr && it->expr->kind == A_NAME) name = it->expr->name;
      if (!name && it->expr && it->expr->kind == A_BINARY && it->expr->a->kind == A_NAME)
        name = it->expr->a->name;
      if (!name) continue;
      here[n].name = name;
      here[n].up = (Shadow *)sh;
      sh = &here[n++];
    }
    return uses(l, s, e->guard, sh, false) || uses(l, s, e->a, sh, false);
  }
  case A_CALL:
    if (e->a->kind == A_NAME && !strcmp(e->a->name, "extent")) return false;
    for (int i = 0; i < e->args.n; i++)
      if (uses(l, s, e->args.at[i].value, sh, false)) return true;
    return false;
  case A_MEMBER:
  case A_UNARY: return uses(l, s, e->a, sh, in_index);
  case A_BINARY: return uses(l, s, e->a, sh, in_index) || uses(l, s, e->b, sh, in_index);
  case A_COND:
    return uses(l, s, e->a, sh, in_index) || uses(l, s, e->b, sh, in_index) ||
           uses(l, s, e->c, sh, in_index);
  case A_NUM:
  case A_STR:
  case A_CHARACTER:
  case A_ERROR: return false;
  }
  return false;
}

static bool uses_index(Lowering *l, Scope *s, const AExpr *e) { return uses(l, s, e, NULL, false); }

/* ---- the walk ------------------------------------------------------------------------ */

/* The name at an index position, made an implicit index when nothing else claims it. */
static IndexVar *index_name(Lowering *l, Scope *s, const AExpr *e) {
  IndexVar *v = frame_find(l->frame, e->name);
  if (v) return v;
  if (index_is_value(s, e->name)) return NULL;
  v = index_declare(l, s, frame_of_statement(l), e->name, e->span);
  v->implicit = true;
  return v;
}

static void walk(Lowering *l, Scope *s, const AExpr *e, bool in_index);

/* h[b,l,d] where `h` is an index of the statement: a number, whatever else has the name. */
static void index_indexed(Lowering *l, Scope *s, IndexVar *v, Span at) {
  const Binding *b = scope_find(s, v->name);
  bool hides = b && b->value->kind == V_TENSOR && b->value->rank;
  Diag *x = lower_error(l, 306, at, "'%s' is an index of this statement%s", v->name,
                        hides ? arena_printf(l->arena, " and hides the tensor '%s'", v->name)
                              : ", a number, and has no axes");
  if (v->span.line) diag_label(l->d, x, v->span, "the index");
  if (hides && b->span.line) diag_note(l->d, x, b->span, "the tensor '%s' is given here", v->name);
  if (hides) diag_hint(l->d, x, "give the index, or the tensor, another name");
  v->wrong = true;
}

static Value *base_value(Lowering *l, Scope *s, const AExpr *e) {
  if (e->kind == A_NAME) {
    IndexVar *v = frame_find(l->frame, e->name);
    if (v) {
      index_indexed(l, s, v, e->span);
      return NULL;
    }
    return lookup(l, s, e->name, e->span);
  }
  if (e->kind == A_MEMBER) {
    for (int i = 0; i < l->call_values.n; i++)
      if (l->call_values.at[i].call == e) return l->call_values.at[i].value;
  }
  if ((e->kind == A_CALL || e->kind == A_MEMBER) && !uses_index(l, s, e)) {
    Frame *keep = l->frame;
    Frame *f = frame_push(l, true, NULL); /* evaluated once, outside the statement's indices */
    f->parent = NULL;
    Value *v = lower_expr(l, s, e);
    l->frame = keep;
    CallOf c = {e, v};
    vec_push(l->arena, &l->call_values, c);
    return v;
  }
  walk(l, s, e, false);
  return NULL;
}

static void walk_index(Lowering *l, Scope *s, const AExpr *e) {
  Value *base = base_value(l, s, e->a);
  int axis = 0;
  int dots = 0;
  for (int i = 0; i < e->items.n; i++) dots += e->items.at[i].ellipsis;
  bool known =
      base && indexable(l, base, e->a->span) && check_rank(l, e, base, e->items.n, dots > 0);
  bool missing = base && !known; /* it has been said; the extents are missing too */
  bool wrong = false;
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    if (it->ellipsis) {
      axis += known ? base->rank - (e->items.n - 1) : 0;
      continue;
    }
    if (it->expr && it->expr->kind == A_NAME && !it->other) {
      IndexVar *v = index_name(l, s, it->expr);
      if (v && known && axis < base->rank && dots <= 1)
        wrong = !index_bind(l, v, base, axis, it->expr->span, e, wrong) || wrong;
      if (v && missing && v->extent < 0) v->wrong = true;
    } else if (it->expr) {
      walk(l, s, it->expr, true);
    }
    if (it->other) walk(l, s, it->other, false);
    axis++;
  }
}

Diag *no_indices(Lowering *l, const char *reducer, Span at) {
  Diag *x = lower_error(l, 218, at, "the reducer '%s' must say over which indices", reducer);
  diag_hint(l->d, x, "%s[i](x[i])", reducer);
  return x;
}

/* A reducer's index runs where a range around it says that the index of this name runs. */
static void declare_reduced(Lowering *l, Scope *s, Frame *f, const char *name, Span at) {
  IndexVar *v = index_declare(l, s, f, name, at);
  const IndexVar *o = frame_find(f->parent, name);
  if (!o || !o->ranged) return;
  index_extent(l, v, o->extent, o->id, o->origin, o->origin_text);
  v->ranged = true;
  v->start = o->start;
}

/* The index of softmax is the statement's own: what one of them knows, both do. */
static void share_kept(Lowering *l, const Frame *f) {
  for (int i = 0; i < f->vars.n; i++) {
    IndexVar *v = &f->vars.at[i];
    IndexVar *o = v->name ? frame_find(f->parent, v->name) : NULL;
    if (o && o->extent < 0 && v->extent >= 0) {
      index_extent(l, o, v->extent, v->id, v->origin, v->origin_text);
      o->ranged = v->ranged;
      o->start = v->start;
    } else if (o && o->extent >= 0 && v->extent < 0) {
      index_extent(l, v, o->extent, o->id, o->origin, o->origin_text);
    }
  }
}

static void walk_reduce(Lowering *l, Scope *s, const AExpr *e) {
  Frame *f = frame_push(l, false, e);
  if (e->items.n == 0 && is_reducer(e->name)) no_indices(l, e->name, aexpr_name_span(e));
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    if (it->var)
      index_declare_range(l, s, f, it);
    else if (it->expr && it->expr->kind == A_NAME)
      declare_reduced(l, s, f, it->expr->name, it->span);
    else if (it->expr && it->expr->kind == A_BINARY && it->expr->op >= OP_LT &&
             it->expr->op <= OP_NE && it->expr->a->kind == A_NAME)
      declare_reduced(l, s, f, it->expr->a->name, it->expr->a->span);
    else
      lower_error(
          l, 209, it->span,
          "a reducer's brackets hold index names, ranges (k in 0 : K) or prefixes (s <= t)");
  }
  for (int i = 0; i < e->items.n; i++)
    if (e->items.at[i].expr && e->items.at[i].expr->kind == A_BINARY)
      walk(l, s, e->items.at[i].expr->b, false);
  if (e->guard) walk(l, s, e->guard, false);
  walk(l, s, e->a, false);
  if (!strcmp(e->name, "softmax")) share_kept(l, f);
  FrameOf fo = {e, f};
  vec_push(l->arena, &l->reduce_frames, fo);
  l->frame = f->parent;
}

/* Only numbers, names, extents and operators: what may be known before lowering. */
static bool plain_condition(const AExpr *e) {
  if (!e) return true;
  switch (e->kind) {
  case A_NUM:
  case A_NAME: return true;
  case A_CALL: return e->a->kind == A_NAME && !strcmp(e->a->name, "extent");
  case A_UNARY: return plain_condition(e->a);
  case A_BINARY: return plain_condition(e->a) && plain_condition(e->b);
  case A_STR:
  case A_CHARACTER:
  case A_MEMBER:
  case A_INDEX:
  case A_REDUCE:
  case A_COND:
  case A_ERROR: return false;
  }
  return false;
}

/* 1 or 0 when the condition of ?: is known now, else -1: the other branch is
 * then not part of the program, and its indices say nothing. */
static int known_condition(Lowering *l, Scope *s, const AExpr *e) {
  if (!plain_condition(e) || uses_index(l, s, e)) return -1;
  Value *v = lower_expr(l, s, e);
  return v->kind == V_TENSOR && v->rank == 0 && v->e->kind == E_BOOL ? v->e->inum != 0 : -1;
}

static void walk(Lowering *l, Scope *s, const AExpr *e, bool in_index) {
  if (!e) return;
  switch (e->kind) {
  case A_NAME:
    if (in_index) index_name(l, s, e);
    break;
  case A_INDEX: walk_index(l, s, e); break;
  case A_REDUCE: walk_reduce(l, s, e); break;
  case A_CALL:
    for (int i = 0; i < e->args.n; i++) walk(l, s, e->args.at[i].value, false);
    break;
  case A_UNARY: walk(l, s, e->a, in_index); break;
  case A_BINARY:
    walk(l, s, e->a, in_index);
    walk(l, s, e->b, in_index);
    break;
  case A_COND: {
    int known = known_condition(l, s, e->a);
    if (known < 0) walk(l, s, e->a, in_index);
    if (known != 0) walk(l, s, e->b, in_index);
    if (known != 1) walk(l, s, e->c, in_index);
    break;
  }
  case A_MEMBER:
  case A_NUM:
  case A_STR:
  case A_CHARACTER:
  case A_ERROR: break;
  }
}

/* ---- after the walk: what is still open ------------------------------------------------ */

/* The dim that bears the index's name in upper case, poison after an error in it; or NULL. */
static Value *dim_named_like(Lowering *l, Scope *s, const char *index) {
  if (!islower((unsigned char)index[0])) return NULL;
  char *up = arena_strdup(l->arena, index);
  up[0] = (char)toupper((unsigned char)up[0]);
  Binding *b = scope_find(s, intern(l->names, up));
  if (!b || b->pattern) return NULL;
  bool dim = b->value->kind == V_NUM && b->value->is_int && b->value->id;
  return dim || b->value->kind == V_POISON ? b->value : NULL;
}

static bool infer_finish(Lowering *l, Scope *s, Frame *f) {
  bool ok = true;
  for (int i = 0; i < f->vars.n; i++) {
    IndexVar *v = &f->vars.at[i];
    if (!v->name) continue;
    Value *dim = index_pattern(s, v->name) ? NULL : dim_named_like(l, s, v->name);
    if (dim && dim->kind == V_POISON) {
      v->wrong = v->wrong || v->extent < 0;
      dim = NULL;
    }
    if (v->extent < 0 && dim && !v->wrong)
      index_extent(l, v, dim->inum, dim->id, dim->span, extent_text(l, dim->id, dim->inum));
    if (v->extent < 0 && !v->wrong) {
      Diag *x = lower_error(l, 202, v->span, "nothing says how far index '%s' runs", v->name);
      if (f->reduce || v->implicit)
        diag_hint(l->d, x,
                  "say it where the index is reduced: %s[%s in 8](...), with a number or a dim",
                  f->reduce ? f->reduce->name : "sum", v->name);
      else
        diag_hint(
            l->d, x,
            "say it on the left: %s in 8, with a number or a dim; or use it alone as an index",
            v->name);
    }
    ok = ok && v->extent >= 0 && !v->wrong;
    if (v->extent < 0) index_extent(l, v, 1, NULL, v->span, NULL);
    /* a range that is written says what it runs over, whatever its letter is */
    if (dim && !v->ranged && dim->inum == v->extent) v->id = dim->id;
    if (!v->id) v->id = v->name;
    for (int j = 0; j < i; j++)
      if (f->vars.at[j].id == v->id) v->id = v->name;
  }
  return ok;
}

static bool finish_reducers(Lowering *l, Scope *s, int from) {
  bool ok = true;
  for (int i = from; i < l->reduce_frames.n; i++)
    ok = infer_finish(l, s, l->reduce_frames.at[i].frame) && ok;
  return ok;
}

Frame *infer_alone(Lowering *l, Scope *s, const AExpr *e) {
  int before = l->nerrors, from = l->reduce_frames.n;
  Frame *keep = l->frame, *f = frame_push(l, true, NULL);
  walk(l, s, e, false);
  bool ok = infer_finish(l, s, f);
  ok = finish_reducers(l, s, from) && ok;
  l->frame = keep;
  for (int i = 0; i < f->vars.n; i++) {
    Diag *x = lower_error(l, 226, f->vars.at[i].span,
                          "index '%s' is neither on the left nor reduced", f->vars.at[i].name);
    diag_hint(l->d, x, "write %s[%s, ...](...)", e->name, f->vars.at[i].name);
  }
  return ok && l->nerrors == before ? frame_of(l, e) : NULL;
}

bool infer_in(Lowering *l, Scope *s, const AExpr *e) {
  int before = l->nerrors, from = l->reduce_frames.n;
  Frame *f = l->frame;
  walk(l, s, e, false);
  bool ok = infer_finish(l, s, f);
  ok = finish_reducers(l, s, from) && ok;
  for (int i = 0; i < f->vars.n; i++) {
    const IndexVar *v = &f->vars.at[i];
    if (!v->implicit || v->wrong) continue;
    Diag *x =
        lower_error(l, 226, v->span, "index '%s' is neither on the left nor reduced", v->name);
    diag_hint(l->d, x, "write sum[%s](...), or give an axis of the left that name", v->name);
  }
  return ok && l->nerrors == before;
}

/* ---- the left side ----------------------------------------------------------------------- */

/* The indices that the left side names, with their ranges where it says them. */
static void target_indices(Lowering *l, Scope *s, const ATarget *target, Frame *f) {
  for (int i = 0; i < target->items.n; i++) {
    const AItem *it = &target->items.at[i];
    if (it->ellipsis) {
      Scope *k = s;
      while (k && !k->function) k = k->parent;
      if (!k || !k->has_ellipsis) {
        lower_error(l, 210, it->span,
                    "'...' stands for axes that the header names with '...'; this one has none");
        continue;
      }
      for (int j = 0; j < k->nellipsis; j++)
        index_add(l, f, NULL, it->span, k->ellipsis[j].extent, k->ellipsis[j].id);
    } else if (it->var) {
      index_declare_range(l, s, f, it);
    } else if (it->expr && it->expr->kind == A_NAME) {
      Binding *b = scope_find(s, it->expr->name);
      if (b && !b->pattern && b->value->kind == V_NUM && b->value->is_int && b->value->id)
        index_add(l, f, NULL, it->span, b->value->inum, b->value->id); /* x[B, L] ~ normal() */
      else
        index_declare(l, s, f, it->expr->name, it->span)->wrong |= b && b->value->kind == V_POISON;
    } else {
      int64_t extent;
      const char *id;
      if (it->expr && lower_extent(l, s, it->expr, &extent, &id))
        index_add(l, f, NULL, it->span, extent, id);
    }
  }
}

bool infer_indices(Lowering *l, Scope *s, const ATarget *target, const AExpr *e, Frame **out) {
  int before = l->nerrors;
  int from = l->reduce_frames.n;
  Frame *f = frame_push(l, true, NULL);
  *out = f;
  if (target && target->indexed) {
    target_indices(l, s, target, f);
    check_reduced_away(l, target, e);
  }
  if (e) walk(l, s, e, false);
  bool ok = infer_finish(l, s, f);
  ok = finish_reducers(l, s, from) && ok;
  return ok && l->nerrors == before;
}
