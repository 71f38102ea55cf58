/* SPDX-License-Identifier: MIT */
/* The indices of the left side that nothing on the right runs over: a reducer took them away. */
#include <string.h>

#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"

/* The index that a reducer's item makes, or NULL. */
static const char *reduced_name(const AItem *it) {
  if (it->var) return it->var;
  const AExpr *e = it->expr && it->expr->kind == A_BINARY ? it->expr->a : it->expr;
  return e && e->kind == A_NAME ? e->name : NULL;
}

typedef struct Occurrence {
  const char *name;
  bool free;            /* where no reducer takes it away */
  const AExpr *reducer; /* the first that does */
} Occurrence;

static void occurs(Occurrence *o, const AExpr *e);

static void occurs_in_items(Occurrence *o, const AItems *items) {
  for (int i = 0; i < items->n; i++) {
    occurs(o, items->at[i].expr);
    occurs(o, items->at[i].other);
  }
}

static void occurs_in_reducer(Occurrence *o, const AExpr *e) {
  bool here = false;
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    here = here || reduced_name(it) == o->name;
    if (it->expr && it->expr->kind == A_BINARY) occurs(o, it->expr->b);
  }
  if (here && strcmp(e->name, "softmax") != 0) {
    if (!o->reducer) o->reducer = e;
    return;
  }
  o->free = o->free || here; /* softmax leaves its index where it is */
  occurs(o, e->guard);
  occurs(o, e->a);
}

static void occurs(Occurrence *o, const AExpr *e) {
  if (!e || o->free) return;
  if (e->kind == A_NAME) o->free = e->name == o->name;
  if (e->kind == A_REDUCE) {
    occurs_in_reducer(o, e);
    return;
  }
  if (e->kind == A_CALL && e->a->kind == A_NAME && !strcmp(e->a->name, "extent")) return;
  for (int i = 0; i < e->args.n; i++) occurs(o, e->args.at[i].value);
  occurs_in_items(o, &e->items);
  occurs(o, e->a);
  occurs(o, e->b);
  occurs(o, e->c);
}

void check_reduced_away(Lowering *l, const ATarget *t, const AExpr *e) {
  for (int i = 0; i < t->items.n; i++) {
    const AItem *it = &t->items.at[i];
    Occurrence o = {.name = reduced_name(it)};
    if (o.name) occurs(&o, e);
    if (o.free || !o.reducer) continue;
    Diag *x = lower_error(l, 228, it->span, "index '%s' stands on the left, but '%s' reduces it",
                          o.name, o.reducer->name);
    diag_label(l->d, x, it->span, "one number for each %s", o.name);
    diag_label(l->d, x, aexpr_name_span(o.reducer), "one number for all %s", o.name);
    diag_hint(l->d, x,
              "take %s off the left side; or, if the same number is meant for each, reduce over "
              "another name: %s[%s2](...)",
              o.name, o.reducer->name, o.name);
  }
}
