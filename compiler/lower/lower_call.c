/* SPDX-License-Identifier: MIT */
/* Calls. A function is instantiated where it is used: its header's patterns bind
 * extents and identities, its body is lowered with them, and its results come
 * back with the caller's identities. Inside an indexed statement a rank-0
 * argument is an expression of the statement's indices, and the body becomes
 * part of that expression. */
#include <string.h>

#include "compiler/lower/header.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

enum { MAX_CALL_DEPTH = 64, MAX_CALLS = 4000, MAX_ARGS = 64 };

/* ---- the call ------------------------------------------------------------------------------ */

/* May one more call be made? Functions are instantiated where they are used, so
 * neither their depth nor their number is bounded by the source. */
static bool call_fits(Lowering *l, const ADecl *d, Span at) {
  if (l->depth == 0) {
    l->runaway = false;
    l->ncalls = 0;
  }
  if (l->runaway) return false;
  bool deep = l->depth >= MAX_CALL_DEPTH;
  if (!deep && l->ncalls < MAX_CALLS) return true;
  if (deep)
    lower_error(l, 313, at,
                "'%s' calls itself without end: ops are instantiated where they are used and "
                "cannot recurse",
                d->name);
  else
    lower_error(l, 321, at,
                "this call comes to more than %d calls of functions, each of which is instantiated",
                MAX_CALLS);
  l->runaway = true;
  l->exhausted = l->exhausted || !deep;
  return false;
}

/* The formal of that name, or -1 after an error. */
static int named_formal(Lowering *l, const ADecl *d, const char *name, Span at) {
  VEC(const char *) known = {0};
  for (int k = 0; k < d->formals.n; k++) {
    if (d->formals.at[k].name == name) return k;
    vec_push(l->arena, &known, d->formals.at[k].name);
  }
  Diag *x = lower_error(l, 310, at, "'%s' has no parameter '%s'", d->name, name);
  diag_hint_near(l->d, x, name, known.at, known.n);
  return -1;
}

/* The arguments of one call, by formal. */
typedef struct Arguments {
  Value **value; /* NULL: not given */
  Span *span;
} Arguments;

static bool place_arguments(Lowering *l, const ADecl *d, Value **given, const char **names,
                            const Span *spans, int n, Span at, Arguments *out) {
  bool ok = d->formals.n <= MAX_ARGS;
  for (int i = 0, position = 0; i < n; i++) {
    bool named = names && names[i];
    int k = named ? named_formal(l, d, names[i], spans[i]) : position++;
    if (k < 0) {
      ok = false;
      continue;
    }
    if (k >= d->formals.n || k >= MAX_ARGS) {
      Diag *x = lower_error(l, 310, at, "'%s' takes %d %s, but %d %s given", d->name, d->formals.n,
                            d->formals.n == 1 ? "argument" : "arguments", n, n == 1 ? "is" : "are");
      diag_note(l->d, x, d->name_span, "'%s' is declared here", d->name);
      return false;
    }
    if (out->value[k]) {
      lower_error(l, 310, spans[i], "'%s' is given twice", d->formals.at[k].name);
      ok = false;
    }
    out->value[k] = given[i];
    out->span[k] = spans[i];
    ok = ok && given[i]->kind != V_POISON;
  }
  return ok;
}

/* Defaults for what is not given. `ok`: a missing one is worth a word. */
static bool fill_defaults(Lowering *l, const Fn *fn, Span at, bool ok, Arguments *out) {
  const ADecl *d = fn->decl;
  Frame *frame = l->frame;
  for (int i = 0; i < d->formals.n && i < MAX_ARGS; i++) {
    const AFormal *f = &d->formals.at[i];
    if (out->value[i]) continue;
    out->span[i] = f->span;
    if (f->dflt) {
      frame_push(l, true, NULL); /* the caller's indices mean nothing in a header */
      out->value[i] = lower_expr(l, fn->scope, f->dflt);
      l->frame = frame;
      continue;
    }
    if (ok) {
      Diag *x = lower_error(l, 310, at, "'%s' needs '%s'", d->name, f->name);
      diag_note(l->d, x, f->span, "'%s' is declared here and has no default", f->name);
    }
    ok = false;
  }
  return ok;
}

static Value *results(Header *h) {
  Lowering *l = h->l;
  const ADecl *d = h->decl;
  if (d->results.n == 1) return result_value(h, &d->results.at[0]);
  Value *out = v_poison(l);
  if (d->results.n == 0) {
    lower_error(l, 311, d->name_span, "'%s' has no result", d->name);
    return out;
  }
  out->kind = V_PACKED;
  out->parts = NEWN(l->arena, Value *, d->results.n);
  out->nparts = d->results.n;
  for (int i = 0; i < d->results.n; i++) out->parts[i] = result_value(h, &d->results.at[i]);
  return out;
}

/* d is called, with arguments that have values: no trial of it. What an error before the call kept
 * from being looked at still is. */
static void reached(Lowering *l, ADecl *d, Value **given, int n) {
  for (int i = 0; i < n; i++)
    if (given[i]->kind == V_POISON) return;
  for (int i = 0; i < l->instantiated.n; i++)
    if (l->instantiated.at[i] == d) return;
  vec_push(l->arena, &l->instantiated, d);
}

/* The body with its header bound. */
static Value *instantiate(Lowering *l, Fn *fn, Scope *s, const Arguments *a) {
  ADecl *d = fn->decl;
  Frame *frame = l->frame;
  bool clause = d->grad.present && (d->grad.nocheck || !l->plain_gradients);
  for (int i = 0; clause && i < d->formals.n; i++)
    if (a->value[i]->kind == V_TENSOR && a->value[i]->e->type == TY_REAL)
      a->value[i] = value_bind(l, a->value[i], d->formals.at[i].name, a->span[i]);
  Header h = {.l = l, .s = s, .decl = d};
  Value *out = NULL;
  frame_push(l, true, NULL);
  bool bound = bind_formals(&h, a->value, a->span);
  l->frame = frame;
  h.first = l->g->nodes.n;
  h.bound = NEWN(l->arena, Value *, d->formals.n + 1);
  for (int i = 0; bound && i < d->formals.n; i++)
    h.bound[i] = scope_here(s, d->formals.at[i].name)->value;
  if (bound && lower_body(l, s, d->body.at, d->body.n)) {
    if (clause) attach_gradient(&h);
    frame_push(l, true, NULL);
    out = results(&h);
  }
  l->frame = frame;
  return out ? out : v_poison(l);
}

/* Is it a place of the standard library? */
static bool in_library(const Lowering *l, Span at) {
  return at.line > 0 && diags_source_at(l->sources, at.file)->path[0] == '<';
}

/* A model is evaluated here. Within one it is a part of that one. */
static void count_evaluation(Lowering *l) {
  int64_t n = 1;
  for (const CallContext *c = l->calls; c; c = c->parent)
    if (c->decl && c->decl->kind == D_MODEL) return;
  for (const Region *r = l->region; r && r->loop; r = r->parent)
    if (!mul_fits(n, r->loop->count, &n)) n = INT64_MAX;
  l->evaluations = n > INT64_MAX - l->evaluations ? INT64_MAX : l->evaluations + n;
}

Value *call_fn(Lowering *l, Fn *fn, Value **given, const char **names, const Span *spans, int n,
               Span at) {
  ADecl *d = fn->decl;
  if (d->kind != D_OP && d->kind != D_BLOCK && d->kind != D_MODEL) {
    lower_error(l, 312, at, "a %s is not called; it is what `tdc` runs", adecl_spelling(d->kind));
    return v_poison(l);
  }
  if (!call_fits(l, d, at)) return v_poison(l);
  if (d->kind == D_MODEL) count_evaluation(l);
  l->depth++;
  l->ncalls++;
  reached(l, d, given, n);
  /* calls nest: their frames on the stack stay small */
  Arguments a = {NEWN(l->arena, Value *, d->formals.n + 1), NEWN(l->arena, Span, d->formals.n + 1)};
  bool ok = place_arguments(l, d, given, names, spans, n, at, &a);
  Scope *s = scope_new(l, fn->scope, true);
  if (!fill_defaults(l, fn, at, ok, &a)) {
    l->depth--;
    return v_poison(l);
  }
  CallContext call = {l->calls, d->name, at, d};
  Graph *g = l->g;
  Span user = g->user;
  l->calls = &call;
  if (user.line == 0 && in_library(l, d->span) && !in_library(l, at)) g->user = at;
  PathMark mark = path_enter(l, d->name, d->kind == D_MODEL);
  const char *stmt = l->stmt_name;
  int facts = l->facts.n;
  Value *out = instantiate(l, fn, s, &a);
  l->facts.n = facts;
  l->stmt_name = stmt;
  path_leave(l, mark);
  l->calls = call.parent;
  g->user = user;
  l->depth--;
  return out;
}

/* "did you mean": only what can be called. */
static Value *unknown_function(Lowering *l, Scope *s, const char *name, Span at) {
  static const char *const others[] = {"uniform", "normal", "bernoulli", "extent"};
  if (!name_is_news(l, s, name)) return v_poison(l);
  VEC(const char *) seen = {0};
  for (Scope *k = s; k; k = k->parent)
    for (int i = 0; i < k->names.n; i++)
      if (k->names.at[i].value->kind == V_FN) vec_push(l->arena, &seen, k->names.at[i].name);
  for (int p = 0; p < PRIM_COUNT; p++)
    if (prim_info((Prim)p)->call != CALL_SYNTAX)
      vec_push(l->arena, &seen, prim_info((Prim)p)->name);
  for (int i = 0; i < (int)(sizeof others / sizeof *others); i++)
    vec_push(l->arena, &seen, others[i]);
  Diag *x = lower_error(l, 301, at, "unknown function '%s'", name);
  if (!diag_hint_idiom(l->d, x, name)) hint_name(l, x, name, seen.at, seen.n);
  return v_poison(l);
}

/* An argument of a function that stands between the brackets of an index stands there too. */
static Value *argument(Lowering *l, Scope *s, const AExpr *e, bool in_index) {
  return in_index ? lower_index_value(l, s, e) : lower_expr(l, s, e);
}

static Value *call_prim(Lowering *l, Scope *s, const AExpr *e, Prim p, bool in_index) {
  const PrimInfo *info = prim_info(p);
  in_index = in_index && info->sig == SIG_NUM; /* the others are of real numbers */
  Value *args[8];
  bool variadic = info->call == CALL_MANY;
  if (variadic ? (e->args.n < 2 || e->args.n > 8) : e->args.n != info->arity) {
    lower_error(l, 310, e->span, "'%s' takes %s%d %s, but %d %s given", info->name,
                variadic ? "2 to " : "", variadic ? 8 : info->arity,
                info->arity == 1 ? "argument" : "arguments", e->args.n,
                e->args.n == 1 ? "is" : "are");
    return v_poison(l);
  }
  for (int i = 0; i < e->args.n; i++) {
    args[i] = argument(l, s, e->args.at[i].value, in_index);
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
  if (a && a->kind == A_NAME && (!b || b->value->kind == V_POISON))
    return lookup(l, s, a->name, a->span);
  Diag *x = lower_error(l, 310, e->span, "'extent' takes the name of an index or a dim");
  if (b && b->value->kind == V_TENSOR && b->value->rank)
    diag_hint(l->d, x, "of an axis of %s: name the axis in the header or by an index", a->name);
  return v_poison(l);
}

Value *lower_call(Lowering *l, Scope *s, const AExpr *e, bool in_index) {
  if (e->a->kind != A_NAME) return call_of_member(l, s, e);
  const char *name = e->a->name;
  Binding *b = scope_find(s, name);
  Prim p;
  if (!b || b->value->kind != V_FN) {
    bool prim = prim_find_callable(name, &p), draws = is_distribution(name);
    bool extent = !strcmp(name, "extent");
    if ((prim || draws || extent) && !arguments_unnamed(l, s, e)) return v_poison(l);
    if (prim) return call_prim(l, s, e, p, in_index);
    if (draws) return lower_draw(l, s, e);
    if (extent) return call_extent(l, s, e);
    if (is_reducer(name)) {
      hint_reducer(l, s, no_indices(l, name, e->a->span), name, e);
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
    args[n] = argument(l, s, e->args.at[i].value, in_index);
    names[n] = e->args.at[i].name;
    spans[n] = names[n] ? e->args.at[i].span : e->args.at[i].value->span;
  }
  return call_fn(l, b->value->fn, args, names, spans, n, e->span);
}
