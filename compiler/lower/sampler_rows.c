/* SPDX-License-Identifier: MIT */
/* How many rows a sampler computes. The batch of the file is that of its training; whoever
 * samples wants other numbers of texts. The dim that the text's first axis is can be given
 * anew, as -D does, where only extents follow from it: a `const` that is made of it might be
 * part of what the model computes. */
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"

/* Does e name it? */
static bool names(const AExpr *e, const char *name) {
  if (!e) return false;
  if (e->kind == A_NAME && e->name == name) return true;
  bool found = names(e->a, name) || names(e->b, name) || names(e->c, name) || names(e->guard, name);
  for (int i = 0; i < e->args.n; i++) found = found || names(e->args.at[i].value, name);
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    found = found || names(it->expr, name) || names(it->other, name) || names(it->lo, name) ||
            names(it->hi, name);
  }
  return found;
}

const char *sampler_rows(Lowering *l, const char *dim) {
  VEC(const char *) of = {0}; /* the dim, and what is made of it */
  for (int i = 0; i < l->numbers.n; i++) {
    const OwnNumber *n = &l->numbers.at[i];
    if (n->name == dim && n->kind == D_DIM && !n->given) vec_push(l->arena, &of, dim);
    bool follows = false;
    for (int k = 0; k < of.n; k++) follows = follows || names(n->value, of.at[k]);
    if (follows && n->kind == D_CONST) return NULL;
    if (follows) vec_push(l->arena, &of, n->name);
  }
  return of.n ? dim : NULL;
}
