/* SPDX-License-Identifier: MIT */
/* The tree as fully parenthesised text, one line a declaration, without places
 * and comments: two files with the same dump say the same. The formatter is
 * tested by it. */
#include "dsl/ast.h"

static void dump_expr(StrBuf *out, const AExpr *e);

static void dump_items(StrBuf *out, const AItems *items) {
  sb_putc(out, '[');
  for (int i = 0; i < items->n; i++) {
    const AItem *it = &items->at[i];
    if (i) sb_putc(out, ' ');
    if (it->ellipsis) sb_puts(out, "...");
    if (it->var) sb_printf(out, "in:%s ", it->var);
    dump_expr(out, it->expr);
    dump_expr(out, it->lo);
    if (it->hi) sb_putc(out, ':');
    dump_expr(out, it->hi);
    if (it->other) sb_puts(out, " else ");
    dump_expr(out, it->other);
  }
  sb_putc(out, ']');
}

static void dump_quoted(StrBuf *out, const char *s) {
  sb_putc(out, '"');
  for (; *s; s++)
    sb_printf(out, *s == '"' || *s == '\\' || (unsigned char)*s < 32 ? "\\%02X" : "%c",
              (unsigned char)*s);
  sb_putc(out, '"');
}

static void dump_expr(StrBuf *out, const AExpr *e) {
  if (!e) return;
  switch (e->kind) {
  case A_NUM: sb_printf(out, "%s%s", e->is_int ? "" : "real:", e->text); return;
  case A_STR: dump_quoted(out, e->str); return;
  case A_CHARACTER:
    sb_puts(out, "symbol:");
    dump_quoted(out, e->str);
    return;
  case A_NAME: sb_puts(out, e->name); return;
  case A_ERROR: sb_puts(out, "<error>"); return;
  case A_MEMBER:
  case A_INDEX:
  case A_REDUCE:
  case A_CALL:
  case A_UNARY:
  case A_BINARY:
  case A_COND: break;
  }
  static const char *const HEADS[] = {
      [A_MEMBER] = "member", [A_INDEX] = "index", [A_REDUCE] = "reduce", [A_CALL] = "call",
      [A_UNARY] = "",        [A_BINARY] = "",     [A_COND] = "?"};
  sb_printf(out, "(%s", HEADS[e->kind]);
  if (e->kind == A_UNARY || e->kind == A_BINARY) sb_puts(out, aop_spelling(e->op));
  if (e->name) sb_printf(out, " %s", e->name);
  if (e->kind == A_INDEX || e->kind == A_REDUCE) dump_items(out, &e->items);
  if (e->guard) sb_puts(out, " |");
  dump_expr(out, e->guard);
  const AExpr *parts[] = {e->a, e->b, e->c};
  for (int i = 0; i < 3 && parts[i]; i++) {
    sb_putc(out, ' ');
    dump_expr(out, parts[i]);
  }
  for (int i = 0; i < e->args.n; i++) {
    sb_printf(out, " %s%s", e->args.at[i].name ? e->args.at[i].name : "",
              e->args.at[i].name ? "=" : "");
    dump_expr(out, e->args.at[i].value);
  }
  sb_putc(out, ')');
}

static void dump_target(StrBuf *out, const ATarget *t) {
  sb_printf(out, " %s", t->name);
  if (t->indexed) dump_items(out, &t->items);
}

static void dump_binds(StrBuf *out, const char *word, const ABinds *binds) {
  for (int i = 0; i < binds->n; i++) {
    sb_printf(out, " (%s", word);
    dump_target(out, &binds->at[i].target);
    sb_putc(out, ' ');
    dump_expr(out, binds->at[i].value);
    sb_putc(out, ')');
  }
}

static void dump_expects(StrBuf *out, const AExpects *list) {
  for (int i = 0; i < list->n; i++) {
    sb_printf(out, " expect:%s ", list->at[i].code);
    dump_quoted(out, list->at[i].reason);
  }
}

static void dump_stmt(StrBuf *out, const AStmt *s);

static void dump_body(StrBuf *out, const AStmts *body) {
  sb_puts(out, " {");
  for (int i = 0; i < body->n; i++) dump_stmt(out, body->at[i]);
  sb_puts(out, " }");
}

static void dump_stmt(StrBuf *out, const AStmt *s) {
  static const char *const HEADS[] = {
      [S_ASSIGN] = "def",        [S_DRAW] = "draw",    [S_PARAM] = "param",   [S_FOR] = "for",
      [S_MINIMIZE] = "minimize", [S_LOG] = "log",      [S_REPORT] = "report", [S_STATE] = "state",
      [S_EMIT] = "emit",         [S_ERROR] = "<error>"};
  sb_printf(out, " (%s%s%s%s", HEADS[s->kind], s->save ? " @save" : "",
            s->recompute ? " @recompute" : "", s->drawn ? " ~" : "");
  for (int i = 0; i < s->targets.n; i++) dump_target(out, &s->targets.at[i]);
  sb_putc(out, ' ');
  dump_expr(out, s->value);
  if (s->glyph) {
    sb_puts(out, " else ");
    dump_quoted(out, s->glyph);
  }
  dump_expects(out, &s->expects);
  if (s->kind == S_FOR) {
    sb_printf(out, "%s %s %s range:%d ", s->is_scan ? "scan" : "", s->var,
              s->next_var ? s->next_var : "", s->has_range ? (int)s->range : -1);
    dump_expr(out, s->lo);
    sb_putc(out, ' ');
    dump_expr(out, s->hi);
    if (s->steps) sb_puts(out, " steps ");
    dump_expr(out, s->steps);
    if (s->ends != ENDS_BOTH) sb_printf(out, " without:%s", aends_spelling(s->ends));
    dump_binds(out, "carry", &s->carries);
    dump_body(out, &s->body);
    dump_binds(out, "emit", &s->emits);
  }
  sb_putc(out, ')');
}

static void dump_formals(StrBuf *out, const char *word, const AFormals *list) {
  for (int i = 0; i < list->n; i++) {
    const AFormal *f = &list->at[i];
    sb_printf(out, " (%s %s", word, f->name);
    if (f->id_bound) sb_puts(out, " id:");
    dump_expr(out, f->id_bound);
    if (f->is_tensor) dump_items(out, &f->items);
    if (f->dflt) sb_puts(out, " = ");
    dump_expr(out, f->dflt);
    if (f->lo) sb_printf(out, " in range:%d ", (int)f->range);
    dump_expr(out, f->lo);
    if (f->hi) sb_putc(out, ' ');
    dump_expr(out, f->hi);
    sb_putc(out, ')');
  }
}

static void dump_decl(StrBuf *out, const ADecl *d) {
  sb_printf(out, "%s %s", adecl_spelling(d->kind), d->name ? d->name : "");
  dump_expects(out, &d->expects);
  if (d->path) dump_quoted(out, d->path);
  dump_binds(out, "bind", &d->binds);
  if (d->stmt) dump_stmt(out, d->stmt);
  for (int i = 0; i < d->settings.n; i++) {
    sb_putc(out, ' ');
    dump_expr(out, d->settings.at[i]);
  }
  if (d->extent) sb_puts(out, " extent ");
  dump_expr(out, d->extent);
  dump_formals(out, "in", &d->formals);
  dump_formals(out, "out", &d->results);
  if (d->claim != CLAIM_NONE) sb_printf(out, " %s", aclaim_spelling(d->claim));
  if (d->asked) sb_puts(out, " asked");
  if (d->expr_body) sb_puts(out, " =");
  if (d->body.n) dump_body(out, &d->body);
  if (d->grad.present) {
    sb_puts(out, " grad");
    for (int i = 0; i < d->grad.cotangents.n; i++) dump_target(out, &d->grad.cotangents.at[i]);
    dump_body(out, &d->grad.body);
  }
  if (d->grad.nocheck) sb_puts(out, " nocheck");
  sb_putc(out, '\n');
}

void ast_dump(const AFile *f, StrBuf *out) {
  sb_puts(out, "");
  for (int i = 0; i < f->decls.n; i++) dump_decl(out, f->decls.at[i]);
}
