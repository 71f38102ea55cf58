/* SPDX-License-Identifier: MIT */
/* Parameters that a known condition switches off, `use_time ? h + time : h` with const
 * use_time = 0: the branch is no part of the program, and what only it would have read is none
 * either. A parameter that nothing names stays an error, which this must not hide: one is left out
 * where no entry needs it, and a branch that was left out would have. */
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

static void note_read(Expr *e, void *ctx) {
  Lowering *l = ctx;
  if (e->kind == E_READ) vec_push(l->arena, &l->entry->left_out, e->node);
}

static void leave_out_name(Lowering *l, Scope *s, const char *name) {
  const Binding *b = scope_find(s, name);
  const Value *v = b ? b->value : NULL;
  if (v && v->kind == V_PARAM) l->params.at[v->param].named = true;
  if (v && v->kind == V_TENSOR && v->e->reads) ex_visit(l->g, v->e, note_read, l);
}

void leave_out(Lowering *l, Scope *s, const AExpr *e) {
  if (!e) return;
  if (e->kind == A_NAME) leave_out_name(l, s, e->name);
  leave_out(l, s, e->a);
  leave_out(l, s, e->b);
  leave_out(l, s, e->c);
  leave_out(l, s, e->guard);
  for (int i = 0; i < e->args.n; i++) leave_out(l, s, e->args.at[i].value);
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    const AExpr *parts[] = {it->expr, it->other, it->lo, it->hi};
    for (int k = 0; k < 4; k++) leave_out(l, s, parts[k]);
  }
}

/* By parameter: do these nodes of the entry's graph need it? roots NULL: what it puts out. */
static void mark(const Entry *e, Node *const *roots, int n, bool *needed) {
  const uint8_t *node = ir_needed(e->g, roots, n);
  for (int i = 0; i < e->views.n; i++)
    if (node[e->views.at[i].node->id]) needed[e->views.at[i].param] = true;
}

void left_out_parameters(Lowering *l) {
  bool *needed = NEWN(l->arena, bool, l->params.n + 1),
       *named = NEWN(l->arena, bool, l->params.n + 1);
  bool any = false;
  for (int i = 0; i < l->entries.n; i++) any = any || l->entries.at[i]->left_out.n > 0;
  for (int i = 0; i < l->params.n; i++) any = any || l->params.at[i].named;
  for (int i = 0; any && i < l->entries.n; i++) {
    const Entry *e = l->entries.at[i];
    mark(e, NULL, 0, needed);
    if (e->left_out.n) mark(e, e->left_out.at, e->left_out.n, named);
  }
  for (int i = 0; any && i < l->params.n; i++)
    l->params.at[i].left_out = (named[i] || l->params.at[i].named) && !needed[i];
}
