/* SPDX-License-Identifier: MIT */
/* Models as roots that can be run by name. */
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

/* Are all extents in the header known? Else the model is a function of the sizes
 * it is given and no root. */
static bool fixed_inputs(const Fn *fn) {
  for (int i = 0; i < fn->decl->formals.n; i++) {
    const AFormal *f = &fn->decl->formals.at[i];
    if (!f->is_tensor && !f->dflt) return false;
    for (int k = 0; k < f->items.n; k++) {
      const AExpr *e = f->items.at[k].expr;
      if (!e || (e->kind == A_NAME && !scope_find(fn->scope, e->name))) return false;
    }
  }
  return true;
}

static bool build_model(Lowering *l, Fn *fn) {
  ADecl *d = fn->decl;
  Entry *e = entry_new(l, arena_printf(l->arena, "model.%s", d->name));
  Context c = context_begin(l, e);
  Scope *s = scope_new(l, fn->scope, true);
  bool ok = bind_inputs(l, s, d, false);
  if (ok) {
    Value *args[64];
    Span spans[64];
    int n = 0;
    for (; n < d->formals.n && n < 64; n++) {
      args[n] = scope_here(s, d->formals.at[n].name)->value;
      spans[n] = d->formals.at[n].span;
    }
    Value *v = call_fn(l, fn, args, NULL, spans, n, d->name_span);
    ok = v->kind != V_POISON;
    for (int i = 0; ok && i < d->results.n; i++) {
      Value *r = v->kind == V_PACKED ? v->parts[i] : v;
      if (r->kind != V_TENSOR && r->kind != V_NUM) {
        ok = false;
        break;
      }
      Output o = {d->results.at[i].name, value_node(l, r, d->results.at[i].name, d->span)};
      vec_push(l->arena, &l->g->outputs, o);
    }
  }
  context_end(l, &c);
  if (ok) entry_add(l, e);
  return ok;
}

bool build_models(Lowering *l) {
  bool ok = true;
  VEC(const char *) names = {0};
  for (int i = 0; i < l->root->names.n; i++) {
    Value *v = l->root->names.at[i].value;
    if (v->kind != V_FN || v->fn->decl->kind != D_MODEL || !fixed_inputs(v->fn)) continue;
    vec_push(l->arena, &names, v->fn->decl->name);
    if (!l->options->no_models) ok = build_model(l, v->fn) && ok;
  }
  l->unit->models = names.at;
  l->unit->nmodels = names.n;
  return ok;
}
