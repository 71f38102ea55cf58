/* SPDX-License-Identifier: MIT */
/* Headers: patterns bind extents and identities of the arguments, and results come
 * back with the caller's. */
#include "compiler/lower/header.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

static bool local_taken(const Header *h, const char *id) {
  for (int i = 0; i < h->nmap; i++)
    if (h->map[i].local == id) return true;
  return false;
}

static const char *local_id(Header *h, const char *caller, const char *name) {
  const char *local = caller && !local_taken(h, caller) ? caller : name;
  if (h->nmap < (int)(sizeof h->map / sizeof *h->map)) {
    h->map[h->nmap].local = local;
    h->map[h->nmap++].caller = caller ? caller : name;
  }
  return local;
}

static bool mentions(const AItems *items, const char *name) {
  for (int i = 0; i < items->n; i++) {
    const AItem *it = &items->at[i];
    if (it->var == name || (it->expr && it->expr->kind == A_NAME && it->expr->name == name))
      return true;
  }
  return false;
}

static bool body_mentions(const AStmts *body, const char *name) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *st = body->at[i];
    for (int k = 0; k < st->targets.n; k++)
      if (mentions(&st->targets.at[k].items, name)) return true;
    if (body_mentions(&st->body, name)) return true;
  }
  return false;
}

bool fn_names_index(const ADecl *d, const char *name) {
  for (int i = 0; i < d->formals.n; i++)
    if (mentions(&d->formals.at[i].items, name)) return true;
  for (int i = 0; i < d->results.n; i++)
    if (mentions(&d->results.at[i].items, name)) return true;
  return body_mentions(&d->body, name);
}

static void bind_pattern(Lowering *l, Scope *s, const char *name, int64_t extent, const char *id,
                         Span at) {
  Binding b = {.name = name, .value = v_int(l, extent, id), .span = at, .pattern = true};
  b.value->what = name;
  b.value->span = at;
  vec_push(l->arena, &s->names, b);
}

/* Is it the first argument that contradicts the header so? One wrong dim there is contradicted
 * by every call. */
static bool contradiction_is_news(Lowering *l, Contradiction c) {
  for (int i = 0; i < l->contradictions.n; i++) {
    const Contradiction *o = &l->contradictions.at[i];
    if (o->formal == c.formal && o->axis == c.axis && o->want == c.want && o->got == c.got)
      return false;
  }
  vec_push(l->arena, &l->contradictions, c);
  return true;
}

/* `fixed`: the header's name that has its extent already, or NULL */
static void mismatch(Lowering *l, const AFormal *f, int axis, int64_t want, const Binding *fixed,
                     const Value *arg, Span arg_span) {
  int64_t got = arg->axis[axis].extent;
  if (!fixed || !fixed->pattern) { /* an extent of the header's own, not of another argument */
    if (!contradiction_is_news(l, (Contradiction){f, axis, want, got})) return;
  }
  Diag *x =
      lower_error(l, 221, arg_span, "axis %d of '%s' must be %s%s%lld, but %s has %s there",
                  axis + 1, f->name, fixed ? fixed->name : "", fixed ? " = " : "", (long long)want,
                  arg->what ? arg->what : "the argument", extent_text(l, arg->axis[axis].id, got));
  if (fixed && fixed->pattern && fixed->span.line)
    diag_label(l->d, x, fixed->span, "%s = %lld", fixed->name, (long long)want);
  if (fixed && fixed->pattern && fixed->span.line)
    diag_label(l->d, x, arg_span, "%s = %lld", fixed->name, (long long)got);
  diag_note(l->d, x, f->span, "'%s' is declared here; the argument is %s", f->name,
            shape_text(l, arg));
}

/* Match one pattern item against one axis. */
static bool match_item(Header *h, const AFormal *f, const AItem *it, Value *v, int axis,
                       const Value *arg, Span arg_span) {
  Lowering *l = h->l;
  ValueAxis *a = &v->axis[axis];
  if (it->expr && it->expr->kind == A_NAME) {
    const char *name = it->expr->name;
    Binding *b = scope_find(h->s, name);
    if (b && b->value->kind == V_NUM && b->value->is_int) {
      if (b->value->inum != a->extent) {
        mismatch(l, f, axis, b->value->inum, b, arg, arg_span);
        return false;
      }
      a->id = b->value->id ? b->value->id : name;
      return true;
    }
    const char *id = local_id(h, a->id, name);
    bind_pattern(l, h->s, name, a->extent, id, arg_span);
    a->id = id;
    return true;
  }
  int64_t want;
  const char *id = NULL;
  if (!it->expr) {
    lower_error(l, 209, it->span, "a header's brackets hold index names, extents and '...'");
    return false;
  }
  if (!lower_extent(l, h->s, it->expr, &want, &id)) return false;
  if (want != a->extent) {
    mismatch(l, f, axis, want, NULL, arg, arg_span);
    return false;
  }
  if (id) a->id = id;
  return true;
}

static bool match_tensor(Header *h, const AFormal *f, Value *arg, Span arg_span) {
  Lowering *l = h->l;
  Value *v = NEW(l->arena, Value);
  *v = *v_fresh(l, arg);
  int dots = -1;
  for (int i = 0; i < f->items.n; i++)
    if (f->items.at[i].ellipsis) dots = i;
  int named = f->items.n - (dots >= 0);
  if (dots >= 0 ? v->rank < named : v->rank != named) {
    Diag *x = lower_error(l, 222, arg_span, "'%s' takes %s%d %s, but %s has %d: %s", f->name,
                          dots >= 0 ? "at least " : "", named, named == 1 ? "axis" : "axes",
                          arg->what ? arg->what : "the argument", arg->rank, shape_text(l, arg));
    diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
    return false;
  }
  bool ok = true;
  int axis = 0;
  for (int i = 0; i < f->items.n; i++) {
    if (i != dots) {
      ok = match_item(h, f, &f->items.at[i], v, axis, arg, arg_span) && ok;
      axis++;
      continue;
    }
    int n = v->rank - named;
    if (h->s->has_ellipsis && h->s->nellipsis != n) {
      Diag *x = lower_error(l, 223, arg_span,
                            "'...' stands for %d %s in an earlier argument and for %d in this one",
                            h->s->nellipsis, h->s->nellipsis == 1 ? "axis" : "axes", n);
      if (h->dots_span.line) diag_label(l->d, x, h->dots_span, "%d", h->s->nellipsis);
      diag_label(l->d, x, arg_span, "%d", n);
      diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
      return false;
    }
    for (int k = 0; k < n; k++, axis++) {
      if (h->s->has_ellipsis) {
        if (h->s->ellipsis[k].extent != v->axis[axis].extent) {
          Diag *x =
              lower_error(l, 223, arg_span,
                          "'...' has the extent %lld in an earlier argument and %lld in this one",
                          (long long)h->s->ellipsis[k].extent, (long long)v->axis[axis].extent);
          if (h->dots_span.line)
            diag_label(l->d, x, h->dots_span, "%lld", (long long)h->s->ellipsis[k].extent);
          diag_label(l->d, x, arg_span, "%lld", (long long)v->axis[axis].extent);
          diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
          return false;
        }
        v->axis[axis].id = h->s->ellipsis[k].id;
      } else {
        h->s->ellipsis[k] = v->axis[axis];
        if (v->axis[axis].id)
          v->axis[axis].id = h->s->ellipsis[k].id = local_id(h, v->axis[axis].id, v->axis[axis].id);
      }
    }
    if (!h->s->has_ellipsis) {
      h->s->has_ellipsis = true;
      h->s->nellipsis = n;
      h->dots_span = arg_span;
    }
  }
  v->what = f->name;
  v->span = f->span;
  scope_set(l, h->s, f->name, v, f->span);
  return ok;
}

/* A scalar for a tensor formal: the same everywhere, if the header says how large. */
static bool match_scalar(Header *h, const AFormal *f, Value *arg, Span arg_span) {
  Lowering *l = h->l;
  Value *v = v_scalar(l, v_expr(l, arg));
  if (f->items.n + h->s->nellipsis > IR_MAX_RANK) {
    lower_error(l, 215, f->span, "a tensor has at most %d axes", IR_MAX_RANK);
    return false;
  }
  for (int i = 0; i < f->items.n; i++) {
    const AItem *it = &f->items.at[i];
    if (it->ellipsis) {
      if (!h->s->has_ellipsis) {
        h->s->has_ellipsis = true;
        h->s->nellipsis = 0;
      }
      for (int k = 0; k < h->s->nellipsis; k++) {
        ValueAxis a = h->s->ellipsis[k];
        a.var = new_var(l, a.extent, NULL);
        v->axis[v->rank++] = a;
      }
      continue;
    }
    int64_t extent;
    const char *id = NULL;
    if (it->expr && it->expr->kind == A_NAME && !scope_find(h->s, it->expr->name)) {
      Diag *x = lower_error(
          l, 222, arg_span,
          "'%s' takes a tensor, and nothing says how large one made of this number would be",
          f->name);
      diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
      return false;
    }
    if (!it->expr || !lower_extent(l, h->s, it->expr, &extent, &id)) return false;
    ValueAxis a = {extent, id, new_var(l, extent, NULL)};
    v->axis[v->rank++] = a;
  }
  v->what = f->name;
  v->span = f->span;
  v->id = arg->id;
  scope_set(l, h->s, f->name, v, f->span);
  return true;
}

static bool check_id(Header *h, const AFormal *f, Value *arg, Span at) {
  Lowering *l = h->l;
  if (v_type(arg) != TY_INT) {
    Diag *x = lower_error(l, 224, at, "'%s' takes integers (id<...>), but %s is %s", f->name,
                          arg->what ? arg->what : "this",
                          v_type(arg) == TY_REAL ? "real" : "a truth value");
    diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
    return false;
  }
  int64_t lo, hi, bound;
  bool known = prove_interval(l, v_expr(l, arg), &lo, &hi) && !any_integer(lo, hi);
  if (f->id_bound->kind == A_NAME && !scope_find(h->s, f->id_bound->name)) {
    if (!known || lo < 0) {
      lower_error(l, 225, at, "nothing proves that these integers lie in 0 .. n for some n");
      return false;
    }
    const char *id = local_id(h, arg->id, f->id_bound->name);
    bind_pattern(l, h->s, f->id_bound->name, hi + 1, id, at);
    return true;
  }
  if (!lower_extent(l, h->s, f->id_bound, &bound, NULL)) return false;
  if (known && lo >= 0 && hi < bound) return true;
  if (prove_in_range(l, v_expr(l, arg), bound)) return true;
  Diag *x =
      known
          ? lower_error(l, 225, at, "'%s' takes integers in 0 .. %lld, these run over %lld .. %lld",
                        f->name, (long long)bound - 1, (long long)lo, (long long)hi)
          : lower_error(l, 225, at,
                        "'%s' takes integers in 0 .. %lld, and nothing proves that these are",
                        f->name, (long long)bound - 1);
  diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, h->decl->name);
  diag_hint(l->d, x, "max(0, min(x, %lld)) keeps an integer inside", (long long)bound - 1);
  return false;
}

bool bind_formals(Header *h, Value **args, const Span *spans) {
  Lowering *l = h->l;
  ADecl *d = h->decl;
  bool ok = true;
  /* Numbers first: headers may use them as extents. Then tensors, then scalars that stand for
   * tensors. */
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < d->formals.n; i++) {
      AFormal *f = &d->formals.at[i];
      Value *v = args[i];
      if (v->kind == V_POISON) {
        scope_set(l, h->s, f->name, v, f->span);
        ok = false;
        continue;
      }
      bool tensor = f->is_tensor, scalar = v_scalar_like(v);
      int want = !tensor ? 0 : scalar && f->items.n ? 2 : 1;
      if (round != want) continue;
      if (!ok) return false; /* what follows may be wrong for the same reason */
      if (!usable(l, v, spans[i])) {
        ok = false;
        continue;
      }
      if (f->id_bound && !check_id(h, f, v, spans[i])) {
        ok = false;
        continue;
      }
      if (tensor) {
        ok = (want == 2 ? match_scalar(h, f, v, spans[i]) : match_tensor(h, f, v, spans[i])) && ok;
        if (scope_here(h->s, f->name)) scope_here(h->s, f->name)->value->id = v->id;
      } else if (v->kind == V_NUM && v->is_int && fn_names_index(d, f->name)) {
        const char *id = local_id(h, v->id, f->name);
        bind_pattern(l, h->s, f->name, v->inum, id, spans[i]);
      } else if (!scalar) {
        Diag *x = lower_error(l, 222, spans[i], "'%s' takes one number, but %s is a tensor %s",
                              f->name, v->what ? v->what : "this", shape_text(l, v));
        diag_note(l->d, x, f->span, "'%s' of %s is declared here", f->name, d->name);
        ok = false;
      } else {
        scope_set(l, h->s, f->name, v, f->span);
      }
    }
  return ok;
}

/* ---- results ------------------------------------------------------------------------ */

/* The header says what each axis of a result is; the indices of the body that computed it do not
 * matter to the caller. An identity is given once. */
static void name_axis(Value *v, int axis, const char *id) {
  for (int k = 0; k < axis; k++)
    if (v->axis[k].id == id) return;
  if (id) v->axis[axis].id = id;
}

Value *result_value(Header *h, const AFormal *f) {
  Lowering *l = h->l;
  Binding *b = scope_here(h->s, f->name);
  if (!b) {
    Diag *x = lower_error(l, 311, f->span, "'%s' promises the result '%s' and never computes it",
                          h->decl->name, f->name);
    StrBuf t = {0};
    ATarget pattern = {.name = f->name, .indexed = f->is_tensor, .items = f->items};
    ast_print_target(&pattern, &t);
    diag_hint(l->d, x, "add a statement  %s = ...", t.s ? t.s : f->name);
    sb_free(&t);
    return v_poison(l);
  }
  Value *v = b->value;
  if (v->kind != V_TENSOR && v->kind != V_NUM) return v;
  Value *out = NEW(l->arena, Value);
  *out = *v;
  out->span = f->span;
  if (v->kind == V_NUM) {
    if (!f->items.n) return out;
    out = v_scalar(l, v_expr(l, v));
  }
  if (f->is_tensor) {
    int dots = -1, named = 0;
    for (int i = 0; i < f->items.n; i++) {
      if (f->items.at[i].ellipsis)
        dots = i;
      else
        named++;
    }
    int n = dots >= 0 ? h->s->nellipsis : 0;
    if (out->rank != named + n) {
      Diag *x =
          lower_error(l, 222, f->span, "the result '%s' should have %d %s and has %d: %s", f->name,
                      named + n, named + n == 1 ? "axis" : "axes", out->rank, shape_text(l, out));
      if (v->span.line) diag_note(l->d, x, v->span, "'%s' gets its value here", f->name);
      return v_poison(l);
    }
    int axis = 0;
    for (int i = 0; i < f->items.n; i++) {
      const AItem *it = &f->items.at[i];
      if (it->ellipsis) {
        axis += n;
        continue;
      }
      int64_t want;
      const AExpr *e = it->var ? (it->hi ? NULL : it->lo) : it->expr;
      Binding *p = e && e->kind == A_NAME ? scope_find(h->s, e->name) : NULL;
      if (e && (e->kind != A_NAME || (p && p->value->kind == V_NUM)) &&
          lower_extent(l, h->s, e, &want, NULL) && want != out->axis[axis].extent) {
        const char *promised = e->kind == A_NAME ? e->name : NULL, *is = out->axis[axis].id;
        bool said = promised && h->blamed.local == promised && h->blamed.caller == is;
        if (said) return v_poison(l); /* one axis too many of the body, one error */
        h->blamed = (AxisName){promised, is};
        Diag *x = lower_error(l, 221, f->span, "axis %d of the result '%s' should be %s and is %s",
                              axis + 1, f->name, extent_text(l, promised, want),
                              extent_text(l, is, out->axis[axis].extent));
        if (v->span.line) diag_note(l->d, x, v->span, "'%s' gets its value here", f->name);
        return v_poison(l);
      }
      if (p && p->value->kind == V_NUM) name_axis(out, axis, p->value->id);
      axis++;
    }
  }
  for (int k = 0; k < out->rank; k++)
    for (int i = 0; i < h->nmap; i++)
      if (out->axis[k].id == h->map[i].local) {
        out->axis[k].id = h->map[i].caller;
        break;
      }
  for (int i = 0; i < h->nmap; i++)
    if (out->id && out->id == h->map[i].local) {
      out->id = h->map[i].caller;
      break;
    }
  out->what = NULL;
  return out;
}
