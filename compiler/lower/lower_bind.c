/* SPDX-License-Identifier: MIT */
/* The indices that have been named so far, frame by frame, and what binds each: its range, its
 * header, the axis that it reads. */
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

Frame *frame_of_statement(const Lowering *l) {
  Frame *f = l->frame;
  while (f && f->reduce && !f->barrier) f = f->parent;
  return f;
}

Frame *frame_push(Lowering *l, bool barrier, const AExpr *reduce) {
  Frame *f = NEW(l->arena, Frame);
  f->parent = l->frame;
  f->barrier = barrier;
  f->reduce = reduce;
  l->frame = f;
  return f;
}

IndexVar *frame_find(Frame *f, const char *name) {
  for (; f; f = f->parent) {
    for (int i = 0; i < f->vars.n; i++)
      if (f->vars.at[i].name == name) return &f->vars.at[i];
    if (f->barrier) return NULL;
  }
  return NULL;
}

Frame *frame_of(Lowering *l, const AExpr *reduce) {
  for (int i = l->reduce_frames.n - 1; i >= 0; i--)
    if (l->reduce_frames.at[i].reduce == reduce) return l->reduce_frames.at[i].frame;
  return NULL;
}

IndexVar *index_add(Lowering *l, Frame *f, const char *name, Span at, int64_t extent,
                    const char *id) {
  IndexVar v = {.name = name, .extent = extent, .id = id, .span = at};
  v.var = new_var(l, extent, name);
  vec_push(l->arena, &f->vars, v);
  return &f->vars.at[f->vars.n - 1];
}

void index_extent(Lowering *l, IndexVar *v, int64_t extent, const char *id, Span at,
                  const char *text) {
  v->extent = extent;
  l->var_extent.at[v->var] = extent;
  if (id) v->id = id;
  v->origin = at;
  v->origin_text = text;
}

bool index_is_value(Scope *s, const char *name) {
  Binding *b = scope_find(s, name);
  if (!b || b->pattern) return false;
  return b->value->kind == V_POISON || v_scalar_like(b->value);
}

Binding *index_pattern(Scope *s, const char *name) {
  Binding *b = scope_find(s, name);
  return b && b->pattern ? b : NULL;
}

IndexVar *index_declare(Lowering *l, Scope *s, Frame *f, const char *name, Span at) {
  for (int i = 0; i < f->vars.n; i++)
    if (f->vars.at[i].name == name) {
      lower_error(l, 207, at, "index '%s' stands here twice", name);
      return &f->vars.at[i];
    }
  Binding *b = index_pattern(s, name);
  IndexVar *v = index_add(l, f, name, at, -1, NULL);
  if (b && b->value->kind == V_NUM)
    index_extent(
        l, v, b->value->inum, b->value->id ? b->value->id : name, b->span,
        arena_printf(l->arena, "%s = %lld (from the header)", name, (long long)b->value->inum));
  return v;
}

void index_declare_range(Lowering *l, Scope *s, Frame *f, const AItem *it) {
  IndexVar *v = index_declare(l, s, f, it->var, it->span);
  int64_t lo = 0, hi;
  const char *id = NULL;
  bool known = it->hi ? lower_range_ends(l, s, it->lo, it->hi, &lo, &hi)
                      : lower_extent(l, s, it->lo, &hi, &id);
  if (known && hi <= lo) {
    lower_error(l, 208, it->span, "the range of '%s' is empty: %lld : %lld", it->var, (long long)lo,
                (long long)hi);
    known = false;
  }
  if (!known) {
    lo = 0;
    hi = 1;
  }
  v = frame_find(f, it->var);
  v->wrong = v->wrong || !known;
  v->start = lo;
  v->ranged = true;
  index_extent(l, v, hi - lo, id, it->span,
               arena_printf(l->arena, "%s runs over %lld values", it->var, (long long)(hi - lo)));
}

/* Would the read x[.., i, .., j, ..] fit with i and j exchanged? Then it as text. */
static const char *exchanged(Lowering *l, const AExpr *read, const Value *base, int axis,
                             const IndexVar *v) {
  if (!read || read->items.n != base->rank || read->a->kind != A_NAME) return NULL;
  for (int j = 0; j < base->rank; j++) {
    const AExpr *other = read->items.at[j].expr;
    if (j == axis || base->axis[j].extent != v->extent || !other || other->kind != A_NAME ||
        read->items.at[j].other)
      continue;
    const IndexVar *o = frame_find(l->frame, other->name);
    if (!o || (o->extent >= 0 && o->extent != base->axis[axis].extent)) continue;
    StrBuf b = {0};
    sb_printf(&b, "%s[", read->a->name);
    for (int k = 0; k < base->rank; k++) {
      if (k) sb_puts(&b, ", ");
      const AExpr *item = read->items.at[k == axis ? j : k == j ? axis : k].expr;
      if (!item) return NULL;
      ast_print_expr(item, &b);
    }
    sb_putc(&b, ']');
    const char *text = arena_strdup(l->arena, b.s);
    sb_free(&b);
    return text;
  }
  return NULL;
}

bool index_bind(Lowering *l, IndexVar *v, const Value *base, int axis, Span at, const AExpr *read,
                bool quiet) {
  const ValueAxis *a = &base->axis[axis];
  const char *text =
      arena_printf(l->arena, "%s (%s%saxis %d%s)", extent_text(l, a->id, a->extent),
                   base->what ? base->what : "", base->what ? ", " : "", axis + 1,
                   base->span.line ? arena_printf(l->arena, ", line %d", base->span.line) : "");
  if (v->extent < 0) {
    index_extent(l, v, a->extent, a->id, at, text);
    return true;
  }
  if (v->ranged) return true; /* a range of its own: proved where it is read */
  if (v->extent != a->extent && (quiet || v->wrong)) return false;
  if (v->extent != a->extent) {
    Diag *x = lower_error(l, 204, at, "index '%s' has two extents: %s and %s", v->name,
                          extent_text(l, v->id, v->extent), extent_text(l, a->id, a->extent));
    if (v->origin_text && v->origin.line) diag_label(l->d, x, v->origin, "%s", v->origin_text);
    diag_label(l->d, x, at, "%s", text);
    v->wrong = true; /* other uses of it say nothing new */
    const char *turned = exchanged(l, read, base, axis, v);
    if (turned) {
      diag_hint(l->d, x, "did you mean %s?", turned);
      return false;
    }
    /* Another index of the statement that does run over this axis? */
    for (Frame *f = l->frame; f; f = f->barrier ? NULL : f->parent)
      for (int i = 0; i < f->vars.n; i++)
        if (f->vars.at[i].name && f->vars.at[i].extent == a->extent &&
            f->vars.at[i].name != v->name) {
          diag_hint(l->d, x, "did you mean '%s'?", f->vars.at[i].name);
          return false;
        }
    return false;
  }
  if (!v->id) v->id = a->id;
  return true;
}
