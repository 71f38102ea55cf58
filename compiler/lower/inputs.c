/* SPDX-License-Identifier: MIT */
/* What an entry takes in, by the header of a loss or a model. */
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"

bool bind_inputs(Lowering *l, Scope *s, ADecl *d, bool from_data) {
  for (int i = 0; i < d->formals.n; i++) {
    AFormal *f = &d->formals.at[i];
    int64_t shape[IR_MAX_RANK], hi = 0;
    const char *ids[IR_MAX_RANK] = {NULL};
    const char *vocab = NULL;
    if (f->items.n > IR_MAX_RANK) {
      lower_error(l, 215, f->span, "an input has at most %d axes", IR_MAX_RANK);
      return false;
    }
    for (int k = 0; k < f->items.n; k++) {
      const AItem *it = &f->items.at[k];
      if (!it->expr || (it->expr->kind == A_NAME && !scope_find(s, it->expr->name))) {
        Diag *x =
            lower_error(l, 201, it->span, "the inputs of a %s have extents known at compile time",
                        adecl_spelling(d->kind));
        diag_hint(l->d, x, "name dims here: %s[B, L]", f->name);
        return false;
      }
      if (!lower_extent(l, s, it->expr, &shape[k], &ids[k])) return false;
    }
    if (f->id_bound && !lower_extent(l, s, f->id_bound, &hi, &vocab)) return false;
    const char *data = NULL;
    if (from_data) {
      for (int k = 0; k < l->datas.n; k++)
        if (l->datas.at[k]->ok && l->datas.at[k]->got.vocab == hi && f->id_bound && f->items.n == 2)
          data = l->datas.at[k]->info.name;
      if (!data || i > 0) {
        Diag *x = lower_error(l, 415, f->span,
                              "a loss takes one input, windows of the text: x: id<V>[B, L] with V "
                              "= the data's vocab");
        if (l->datas.n == 0)
          diag_hint(l->d, x, "declare the text: data text { source \"tiny_shakespeare\" }");
        return false;
      }
      l->loss_rows = shape[0];
      l->loss_window = shape[1];
      l->loss_data = data;
      l->vocab = hi;
      l->vocab_id = vocab;
    }
    if (!elements_fit(l, arena_printf(l->arena, "the input '%s'", f->name), shape, f->items.n,
                      f->span)) {
      vec_push(l->arena, &l->instantiated, d); /* its header is settled: no trial of it */
      return false;
    }
    Value *v = entry_input(l, f->name, f->id_bound ? TY_INT : TY_REAL, f->items.n, shape, ids, 0,
                           f->id_bound ? hi - 1 : 0, data, f->span);
    v->id = vocab;
    scope_set(l, s, f->name, v, f->span);
  }
  return true;
}
