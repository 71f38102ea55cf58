/* SPDX-License-Identifier: MIT */
/* Calls. A function is instantiated where it is used: its header's patterns bind
 * extents and identities, its body is lowered with them, and its results come
 * back with the caller's identities. Inside an indexed statement a rank-0
 * argument is an expression of the statement's indices, and the body becomes
 * part of that expression. */
#include <string.h>

#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

enum { MAX_CALL_DEPTH = 64, MAX_CALLS = 4000, MAX_ARGS = 64 };

/* ---- headers --------------------------------------------------------------------- */

typedef struct IdMap {
  const char *local, *caller;
} IdMap;
typedef struct Header {
  Lowering *l;
  Scope *s;
  ADecl *decl;
  IdMap map[4 * IR_MAX_RANK];
  int nmap;
  Span dots_span; /* the argument that says what `...` stands for */
} Header;

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

/* `fixed`: the header's name that has its extent already, or NULL */
static void mismatch(Lowering *l, const AFormal *f, int axis, int64_t want, const Binding *fixed,
                     const Value *arg, Span arg_span) {
  int64_t got = arg->axis[axis].extent;
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
  bool known = prove_interval(l, v_expr(l, arg), &lo, &hi);
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

static bool bind_formals(Header *h, Value **args, const Span *spans) {
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

static Value *result_value(Header *h, const AFormal *f) {
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
        Diag *x =
            lower_error(l, 221, f->span, "axis %d of the result '%s' should be %s and is %s",
                        axis + 1, f->name, extent_text(l, e->kind == A_NAME ? e->name : NULL, want),
                        extent_text(l, out->axis[axis].id, out->axis[axis].extent));
        if (v->span.line) diag_note(l->d, x, v->span, "'%s' gets its value here", f->name);
        return v_poison(l);
      }
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

/* ---- a user's own derivative ------------------------------------------------------------ */

/* The adjoint as a node over exactly the axes that `arg`'s node has: variables
 * it has beyond those are summed. */
static Node *adjoint_node(Lowering *l, Value *arg, Value *dx, const char *name, Span at) {
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

static void attach_gradient(Header *h) {
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
  Node *node = out->e->node;
  if (node->vjp ||
      node->kind != N_COMP) { /* the result is another value's node: give it one of its own */
    int64_t extent[IR_MAX_VARS];
    for (int k = 0; k < node->rank; k++) extent[k] = node->shape[k];
    Node *copy = ir_comp(l->g, l->region, node->name, d->span, node->rank, 0, extent, RED_NONE,
                         NULL, ir_read_all(l->g, node));
    out->e = ex_read(l->g, copy, out->e->args);
    node = copy;
  }
  y->value = out;
  Node *cot = ir_node(l->g, l->region, N_COTANGENT, TY_REAL, node->rank, node->shape,
                      arena_printf(l->arena, "d.%s", node->name), d->grad.span);
  Value *dy = NEW(l->arena, Value);
  *dy = *out;
  dy->e = ex_read(l->g, cot, out->e->args);
  Vjp *vjp = NEW(l->arena, Vjp);
  vjp->cotangent = cot;
  Scope *gs = scope_new(l, h->s, false);
  scope_set(l, gs, d->grad.cotangents.at[0].name, dy, d->grad.span);
  if (!lower_body(l, gs, d->grad.body.at, d->grad.body.n)) return;
  for (int i = 0; i < d->formals.n; i++) {
    Binding *dx =
        scope_here(gs, intern(l->names, arena_printf(l->arena, "d%s", d->formals.at[i].name)));
    Value *x = scope_here(h->s, d->formals.at[i].name)
                   ? scope_here(h->s, d->formals.at[i].name)->value
                   : NULL;
    if (!dx || !x || x->kind != V_TENSOR || x->e->kind != E_READ) continue;
    if (dx->value->kind != V_TENSOR || dx->value->rank != x->rank) {
      Diag *e = lower_error(l, 505, dx->span, "'%s' must have the axes of '%s', %s", dx->name,
                            d->formals.at[i].name, shape_text(l, x));
      if (dx->value->kind == V_TENSOR)
        diag_label(l->d, e, dx->span, "%s", shape_text(l, dx->value));
      continue;
    }
    Node *adj = adjoint_node(l, x, dx->value, dx->name, d->grad.span);
    if (!adj) continue;
    vec_push(l->arena, &vjp->wrt, x->e->node);
    vec_push(l->arena, &vjp->adjoint, adj);
  }
  node->vjp = vjp;
}

/* ---- the call ------------------------------------------------------------------------------ */

Value *call_fn(Lowering *l, Fn *fn, Value **given, const char **names, const Span *spans, int n,
               Span at) {
  ADecl *d = fn->decl;
  Value **args =
      NEWN(l->arena, Value *, d->formals.n + 1); /* calls nest: their frames stay small */
  Span *where = NEWN(l->arena, Span, d->formals.n + 1);
  if (d->kind != D_OP && d->kind != D_BLOCK && d->kind != D_MODEL) {
    lower_error(l, 312, at, "a %s is not called; it is what `tdc` runs", adecl_spelling(d->kind));
    return v_poison(l);
  }
  if (l->depth == 0) {
    l->runaway = false;
    l->ncalls = 0;
  }
  if (l->runaway) return v_poison(l);
  if (l->depth >= MAX_CALL_DEPTH || l->ncalls >= MAX_CALLS) {
    bool deep = l->depth >= MAX_CALL_DEPTH;
    if (deep)
      lower_error(l, 313, at,
                  "'%s' calls itself without end: ops are instantiated where they are used and "
                  "cannot recurse",
                  d->name);
    else
      lower_error(
          l, 321, at,
          "this call comes to more than %d calls of functions, each of which is instantiated",
          MAX_CALLS);
    l->runaway = true;
    l->exhausted = l->exhausted || !deep;
    return v_poison(l);
  }
  l->depth++;
  l->ncalls++;
  bool known = false, bad = false;
  for (int i = 0; i < l->instantiated.n; i++) known = known || l->instantiated.at[i] == d;
  if (!known) vec_push(l->arena, &l->instantiated, d);
  int position = 0;
  for (int i = 0; i < n; i++) {
    int k = -1;
    if (names && names[i]) {
      for (int j = 0; j < d->formals.n; j++)
        if (d->formals.at[j].name == names[i]) k = j;
      if (k < 0) {
        VEC(const char *) known_names = {0};
        for (int j = 0; j < d->formals.n; j++)
          vec_push(l->arena, &known_names, d->formals.at[j].name);
        Diag *x = lower_error(l, 310, spans[i], "'%s' has no parameter '%s'", d->name, names[i]);
        diag_hint_near(l->d, x, names[i], known_names.at, known_names.n);
        bad = true;
        continue;
      }
    } else {
      k = position++;
    }
    if (k >= d->formals.n || k >= MAX_ARGS) {
      Diag *x = lower_error(l, 310, at, "'%s' takes %d %s, but %d %s given", d->name, d->formals.n,
                            d->formals.n == 1 ? "argument" : "arguments", n, n == 1 ? "is" : "are");
      diag_note(l->d, x, d->name_span, "'%s' is declared here", d->name);
      bad = true;
      break;
    }
    if (args[k]) {
      lower_error(l, 310, spans[i], "'%s' is given twice", d->formals.at[k].name);
      bad = true;
    }
    args[k] = given[i];
    where[k] = spans[i];
    if (given[i]->kind == V_POISON) bad = true;
  }
  if (d->formals.n > MAX_ARGS) bad = true;
  Scope *s = scope_new(l, fn->scope, true);
  Frame *frame = l->frame;
  for (int i = 0; i < d->formals.n && i < MAX_ARGS; i++) {
    if (args[i]) continue;
    where[i] = d->formals.at[i].span;
    if (!d->formals.at[i].dflt) {
      if (!bad) {
        Diag *x = lower_error(l, 310, at, "'%s' needs '%s'", d->name, d->formals.at[i].name);
        diag_note(l->d, x, d->formals.at[i].span, "'%s' is declared here and has no default",
                  d->formals.at[i].name);
      }
      bad = true;
      continue;
    }
    frame_push(l, true, NULL); /* the caller's indices mean nothing in a header */
    args[i] = lower_expr(l, fn->scope, d->formals.at[i].dflt);
    l->frame = frame;
  }
  if (bad) {
    l->depth--;
    return v_poison(l);
  }
  CallContext call = {l->calls, d->name, at, d};
  l->calls = &call;
  PathMark mark = path_enter(l, d->name, d->kind == D_MODEL);
  const char *stmt = l->stmt_name;
  int facts = l->facts.n;
  bool clause = d->grad.present && (d->grad.nocheck || !l->plain_gradients);
  if (clause)
    for (int i = 0; i < d->formals.n; i++)
      if (d->formals.at[i].is_tensor && args[i]->kind == V_TENSOR && args[i]->e->type == TY_REAL)
        args[i] = value_bind(l, args[i], d->formals.at[i].name, where[i]);
  Header h = {.l = l, .s = s, .decl = d};
  Value *out = NULL;
  frame_push(l, true, NULL);
  bool bound = bind_formals(&h, args, where);
  l->frame = frame;
  if (bound && lower_body(l, s, d->body.at, d->body.n)) {
    if (clause) attach_gradient(&h);
    frame_push(l, true, NULL);
    if (d->results.n == 1) {
      out = result_value(&h, &d->results.at[0]);
    } else if (d->results.n > 1) {
      out = v_poison(l);
      out->kind = V_PACKED;
      out->parts = NEWN(l->arena, Value *, d->results.n);
      out->nparts = d->results.n;
      for (int i = 0; i < d->results.n; i++) out->parts[i] = result_value(&h, &d->results.at[i]);
    } else {
      lower_error(l, 311, d->name_span, "'%s' has no result", d->name);
    }
  }
  l->frame = frame;
  l->facts.n = facts;
  l->stmt_name = stmt;
  path_leave(l, mark);
  l->calls = call.parent;
  l->depth--;
  return out ? out : v_poison(l);
}

/* exp, max, ...: the primitives that are called by name */
static const char *const called[] = {"exp", "log", "sqrt", "rsqrt", "tanh",  "sigmoid",
                                     "erf", "sin", "cos",  "abs",   "floor", "round",
                                     "pow", "min", "max",  "real",  "int"};
enum { NCALLED = sizeof called / sizeof *called };

static bool callable_prim(const char *name, Prim *p) {
  for (int i = 0; i < NCALLED; i++)
    if (!strcmp(called[i], name)) return prim_find(name, p);
  return false;
}

/* "did you mean": only what can be called. */
static Value *unknown_function(Lowering *l, Scope *s, const char *name, Span at) {
  static const char *const others[] = {"uniform", "normal", "bernoulli", "extent"};
  if (l->names_missing) return v_poison(l);
  VEC(const char *) seen = {0};
  for (Scope *k = s; k; k = k->parent)
    for (int i = 0; i < k->names.n; i++)
      if (k->names.at[i].value->kind == V_FN) vec_push(l->arena, &seen, k->names.at[i].name);
  for (int i = 0; i < NCALLED; i++) vec_push(l->arena, &seen, called[i]);
  for (int i = 0; i < (int)(sizeof others / sizeof *others); i++)
    vec_push(l->arena, &seen, others[i]);
  Diag *x = lower_error(l, 301, at, "unknown function '%s'", name);
  hint_name(l, x, name, seen.at, seen.n);
  return v_poison(l);
}

static Value *call_prim(Lowering *l, Scope *s, const AExpr *e, Prim p) {
  const PrimInfo *info = prim_info(p);
  Value *args[8];
  bool variadic = p == P_min || p == P_max;
  if (variadic ? (e->args.n < 2 || e->args.n > 8) : e->args.n != info->arity) {
    lower_error(l, 310, e->span, "'%s' takes %s%d %s, but %d %s given", info->name,
                variadic ? "2 to " : "", variadic ? 8 : info->arity,
                info->arity == 1 ? "argument" : "arguments", e->args.n,
                e->args.n == 1 ? "is" : "are");
    return v_poison(l);
  }
  for (int i = 0; i < e->args.n; i++) {
    args[i] = lower_expr(l, s, e->args.at[i].value);
    if (args[i]->kind == V_POISON) return args[i];
  }
  if (!variadic) return lower_prim(l, p, args, e->args.n, e->span);
  Value *v = args[0];
  for (int i = 1; i < e->args.n && v->kind != V_POISON; i++) {
    Value *two[2] = {v, args[i]};
    v = lower_prim(l, p, two, 2, e->span);
  }
  return v;
}

/* extent(i): how far an index runs, as a number */
static Value *call_extent(Lowering *l, Scope *s, const AExpr *e) {
  const AExpr *a = e->args.n == 1 ? e->args.at[0].value : NULL;
  IndexVar *v = a && a->kind == A_NAME ? frame_find(l->frame, a->name) : NULL;
  Binding *b = a && a->kind == A_NAME ? scope_find(s, a->name) : NULL;
  if (v) return v_int(l, v->extent, NULL);
  if (b && b->value->kind == V_NUM && b->value->is_int) return b->value;
  Diag *x = lower_error(l, 310, e->span, "'extent' takes the name of an index or a dim");
  if (b && b->value->kind == V_TENSOR && b->value->rank)
    diag_hint(l->d, x, "of an axis of %s: name the axis in the header or by an index", a->name);
  return v_poison(l);
}

Value *lower_call(Lowering *l, Scope *s, const AExpr *e) {
  if (e->a->kind != A_NAME) {
    lower_error(l, 312, e->a->span, "only a name can be called");
    return v_poison(l);
  }
  const char *name = e->a->name;
  Binding *b = scope_find(s, name);
  Prim p;
  if (!b || b->value->kind != V_FN) {
    if (callable_prim(name, &p)) return call_prim(l, s, e, p);
    if (is_distribution(name)) return lower_draw(l, s, e);
    if (!strcmp(name, "extent")) return call_extent(l, s, e);
    if (is_reducer(name)) {
      Diag *x =
          lower_error(l, 218, e->a->span, "the reducer '%s' must say over which indices", name);
      diag_hint(l->d, x, "%s[i](x[i])", name);
      return v_poison(l);
    }
    if (b) {
      if (b->value->kind == V_POISON) return b->value;
      Diag *x = lower_error(l, 312, e->a->span, "'%s' is not a function", name);
      if (b->span.line) diag_note(l->d, x, b->span, "it is given here");
      if (b->value->kind == V_TENSOR && b->value->rank)
        diag_hint(l->d, x, "indices stand in square brackets: %s[i]", name);
      else if (v_scalar_like(b->value))
        diag_hint(l->d, x, "a product is written with '*'");
      return v_poison(l);
    }
    Value *unknown = unknown_function(l, s, name, e->a->span);
    for (int i = 0; i < e->args.n; i++) lower_expr(l, s, e->args.at[i].value);
    return unknown;
  }
  Value **args = NEWN(l->arena, Value *, e->args.n + 1);
  const char **names = NEWN(l->arena, const char *, e->args.n + 1);
  Span *spans = NEWN(l->arena, Span, e->args.n + 1);
  int n = 0;
  for (int i = 0; i < e->args.n && n < MAX_ARGS; i++, n++) {
    args[n] = lower_expr(l, s, e->args.at[i].value);
    names[n] = e->args.at[i].name;
    spans[n] = names[n] ? e->args.at[i].span : e->args.at[i].value->span;
  }
  return call_fn(l, b->value->fn, args, names, spans, n, e->span);
}
