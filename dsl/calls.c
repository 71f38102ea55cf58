/* SPDX-License-Identifier: MIT */
/* Which functions a file calls, by the names in its text. */
#include "dsl/ast.h"

static bool in_expr(const AExpr *e, const char *name);

static bool in_items(const AItems *items, const char *name) {
  for (int i = 0; i < items->n; i++) {
    const AItem *it = &items->at[i];
    if (in_expr(it->expr, name) || in_expr(it->other, name) || in_expr(it->lo, name) ||
        in_expr(it->hi, name))
      return true;
  }
  return false;
}

static bool in_expr(const AExpr *e, const char *name) {
  if (!e) return false;
  if (e->kind == A_CALL && e->a->kind == A_NAME && e->a->name == name) return true;
  for (int i = 0; i < e->args.n; i++)
    if (in_expr(e->args.at[i].value, name)) return true;
  return in_items(&e->items, name) || in_expr(e->guard, name) || in_expr(e->a, name) ||
         in_expr(e->b, name) || in_expr(e->c, name);
}

static bool in_binds(const ABinds *binds, const char *name) {
  for (int i = 0; i < binds->n; i++)
    if (in_items(&binds->at[i].target.items, name) || in_expr(binds->at[i].value, name))
      return true;
  return false;
}

static bool in_statements(const AStmts *body, const char *name);

static bool in_statement(const AStmt *st, const char *name) {
  for (int i = 0; i < st->targets.n; i++)
    if (in_items(&st->targets.at[i].items, name)) return true;
  return in_expr(st->value, name) || in_expr(st->lo, name) || in_expr(st->hi, name) ||
         in_expr(st->steps, name) || in_binds(&st->carries, name) || in_binds(&st->emits, name) ||
         in_statements(&st->body, name);
}

static bool in_statements(const AStmts *body, const char *name) {
  for (int i = 0; i < body->n; i++)
    if (in_statement(body->at[i], name)) return true;
  return false;
}

static bool in_formals(const AFormals *formals, const char *name) {
  for (int i = 0; i < formals->n; i++) {
    const AFormal *f = &formals->at[i];
    if (in_expr(f->id_bound, name) || in_items(&f->items, name) || in_expr(f->dflt, name))
      return true;
  }
  return false;
}

bool ast_calls(const AFile *f, const char *name, const ADecl *but) {
  for (int i = 0; i < f->decls.n; i++) {
    const ADecl *d = f->decls.at[i];
    if (d == but) continue;
    for (int k = 0; k < d->settings.n; k++)
      if (in_expr(d->settings.at[k], name)) return true;
    if (in_binds(&d->binds, name) || (d->stmt && in_statement(d->stmt, name)) ||
        in_expr(d->extent, name) || in_formals(&d->formals, name) ||
        in_formals(&d->results, name) || in_statements(&d->body, name) ||
        in_statements(&d->grad.body, name))
      return true;
  }
  return false;
}
