/* SPDX-License-Identifier: MIT */
/* The formatter: declarations, statements and settings in canonical layout,
 * with the comments of the file. Formatting what was formatted changes nothing,
 * and the tree stays the same. */
#include "dsl/print_expr.h"

#include <string.h>

static void write_statements(Writer *w, const AStmts *list, Span braces);

/* ---- blocks ------------------------------------------------------------------------- */

static bool too_wide(const Writer *w) {
  int n = 0;
  for (size_t i = w->out->n; i > 0 && w->out->s[i - 1] != '\n' && n <= LINE_MAX; i--)
    n += ((unsigned char)w->out->s[i - 1] & 0xC0) != 0x80;
  return n > LINE_MAX;
}

static void write_statement(Writer *w, const AStmt *s);
static void write_expects(Writer *w, const AExpects *list, Span own);

static void write_inline(Writer *w, const AStmts *list, Span braces) {
  bool outer = w->one_line;
  w->one_line = true;
  write_text(w, list->n ? "{ " : "{");
  for (int i = 0; i < list->n && !too_wide(w); i++) { /* too wide: it will be taken back */
    if (i) write_text(w, "; ");
    write_expects(w, &list->at[i]->expects, list->at[i]->span);
    write_statement(w, list->at[i]);
  }
  write_text(w, list->n ? " }" : "}");
  w->one_line = outer;
  write_place(w, braces);
}

/* { ... } on one line where the author had it so and it fits. */
static void write_block(Writer *w, const AStmts *list, Span braces) {
  write_text(w, " ");
  bool inside_comments = comment_before(w, braces.end_line, braces.end_col);
  if (w->one_line) {
    write_inline(w, list, braces);
    return;
  }
  if (!inside_comments && (braces.line == braces.end_line || !list->n)) {
    Writer before = *w;
    size_t n = w->out->n, marks = w->marks.n;
    write_inline(w, list, braces);
    if (!too_wide(w) || !list->n) return;
    StrBuf kept = w->marks;
    *w = before;
    w->marks = kept;
    w->marks.n = marks;
    w->out->n = n;
    w->out->s[n] = 0;
  }
  write_statements(w, list, braces);
}

static void open_block(Writer *w, Span braces, Span first) {
  write_text(w, "{");
  w->line = braces.line;
  write_trailing(w, first.line, first.col);
  w->indent += 2;
  w->fresh = true;
}

static void close_block(Writer *w, Span braces) {
  write_comments_before(w, braces.end_line, braces.end_col);
  w->indent -= 2;
  w->fresh = false;
  write_line_start(w);
  write_text(w, "}");
  w->line = braces.end_line;
}

static Span end_of(Span s) { return (Span){s.file, s.end_line, s.end_col, s.end_line, s.end_col}; }

/* Where a statement or a declaration at `own` begins, with what stands before it. */
static Span begin_of(const AExpects *expects, Span own) {
  return expects->n ? expects->at[0].span : own;
}

/* Each on a line of its own, before what stands at `own`. */
static void write_expects(Writer *w, const AExpects *list, Span own) {
  for (int i = 0; i < list->n; i++) {
    const AExpect *e = &list->at[i];
    write_statement_start(w, e->span);
    sb_printf(w->out, "expect %s ", e->code);
    write_string(w, e->reason);
    write_place(w, e->span);
    if (w->one_line) write_text(w, "; ");
    Span next = i + 1 < list->n ? list->at[i + 1].span : own;
    if (!w->one_line) write_trailing(w, next.line, next.col);
  }
}

static void write_statements(Writer *w, const AStmts *list, Span braces) {
  open_block(w, braces,
             list->n ? begin_of(&list->at[0]->expects, list->at[0]->span) : end_of(braces));
  for (int i = 0; i < list->n; i++) {
    const AStmt *after = i + 1 < list->n ? list->at[i + 1] : NULL;
    Span next = after ? begin_of(&after->expects, after->span) : end_of(braces);
    write_expects(w, &list->at[i]->expects, list->at[i]->span);
    write_statement_start(w, list->at[i]->span);
    write_statement(w, list->at[i]);
    write_trailing(w, next.line, next.col);
  }
  close_block(w, braces);
}

/* ---- statements ------------------------------------------------------------------------ */

static void write_targets(Writer *w, const ATargets *list) {
  for (int i = 0; i < list->n; i++) {
    if (i) {
      write_text(w, ",");
      write_gap(w, list->at[i].span, " ");
    }
    write_target(w, &list->at[i]);
  }
}

static void write_binds(Writer *w, const ABinds *list) {
  for (int i = 0; i < list->n; i++) {
    if (i) {
      write_text(w, ",");
      write_gap(w, list->at[i].span, " ");
    }
    write_target(w, &list->at[i].target);
    write_text(w, " =");
    write_value(w, list->at[i].value);
  }
}

/* lo .. hi, lo:hi, or hi alone, behind `in`. */
static void write_range(Writer *w, ARangeKind kind, const AExpr *lo, const AExpr *hi) {
  write_text(w, " in ");
  if (kind != RANGE_COUNT) {
    write_range_end(w, lo);
    write_text(w, kind == RANGE_DOTS ? " .. " : ":");
  }
  write_range_end(w, hi);
}

static void write_loop(Writer *w, const AStmt *s) {
  sb_printf(w->out, "%s %s", s->is_scan ? "scan" : "for", s->var);
  if (s->next_var) sb_printf(w->out, ", %s", s->next_var);
  if (s->has_range) {
    write_range(w, s->range, s->lo, s->hi);
    if (s->steps) {
      write_text(w, " steps ");
      write_range_end(w, s->steps);
      if (s->ends != ENDS_BOTH) sb_printf(w->out, " without %s", aends_spelling(s->ends));
    }
  }
  if (s->carries.n) {
    write_text(w, " carry ");
    write_binds(w, &s->carries);
  }
  write_block(w, &s->body, s->braces);
  if (s->emits.n) {
    write_text(w, " emit ");
    write_binds(w, &s->emits);
  }
}

static void write_definition(Writer *w, const AStmt *s, const char *keyword) {
  write_text(w, keyword);
  write_targets(w, &s->targets);
  write_text(w, s->drawn ? " ~" : " =");
  write_value(w, s->value);
}

static void write_statement(Writer *w, const AStmt *s) {
  switch (s->kind) {
  case S_ASSIGN:
    write_definition(w, s, s->save ? "@save " : s->recompute ? "@recompute " : "");
    break;
  case S_DRAW: write_definition(w, s, ""); break;
  case S_PARAM: write_definition(w, s, "param "); break;
  case S_STATE: write_definition(w, s, "state "); break;
  case S_LOG: write_definition(w, s, "log "); break;
  case S_MINIMIZE:
    write_text(w, "minimize ");
    write_expr(w, s->value);
    break;
  case S_REPORT:
    write_text(w, "report ");
    write_expr(w, s->value);
    break;
  case S_EMIT:
    write_text(w, "emit ");
    write_expr(w, s->value);
    if (s->glyph) {
      write_text(w, " else ");
      write_string(w, s->glyph);
    }
    break;
  case S_FOR: write_loop(w, s); break;
  case S_ERROR: write_text(w, "<error>"); break;
  }
  write_place(w, s->span);
}

/* ---- settings ---------------------------------------------------------------------------- */

static bool is_word(const AExpr *e) {
  return e->kind == A_NAME || e->kind == A_MEMBER || e->kind == A_CALL || e->kind == A_NUM ||
         e->kind == A_STR || (e->kind == A_UNARY && e->op == OP_NEG && e->a->kind == A_NUM);
}

static void write_setting(Writer *w, const AExpr *e) {
  bool word = is_word(e);
  if (!word) write_text(w, "(");
  w->depth += !word;
  write_expr(w, e);
  w->depth -= !word;
  if (!word) write_text(w, ")");
  write_place(w, e->span);
}

/* Words that stood apart stay apart: two blanks group a one-line block. */
static const char *setting_blank(const AExpr *before, const AExpr *e) {
  bool same_line = before->span.line && before->span.end_line == e->span.line;
  return same_line && e->span.col >= before->span.end_col + 2 ? "  " : " ";
}

static void write_settings(Writer *w, const ADecl *d) {
  Span braces = d->braces;
  int n = d->settings.n;
  AExpr *const *at = d->settings.at;
  write_text(w, " ");
  bool inside_comments = comment_before(w, braces.end_line, braces.end_col);
  if (!inside_comments && (braces.line == braces.end_line || !n)) {
    write_text(w, n ? "{ " : "{");
    for (int i = 0; i < n; i++) {
      if (i) write_text(w, setting_blank(at[i - 1], at[i]));
      write_setting(w, at[i]);
    }
    write_text(w, n ? " }" : "}");
    write_place(w, braces);
    return;
  }
  open_block(w, braces, n ? at[0]->span : end_of(braces));
  for (int i = 0; i < n; i++) {
    if (i && at[i]->span.line == w->line && !comment_before(w, at[i]->span.line, at[i]->span.col)) {
      write_text(w, setting_blank(at[i - 1], at[i]));
    } else {
      if (i) write_trailing(w, at[i]->span.line, at[i]->span.col);
      write_statement_start(w, at[i]->span);
    }
    write_setting(w, at[i]);
  }
  write_trailing(w, braces.end_line, braces.end_col);
  close_block(w, braces);
}

/* ---- declarations -------------------------------------------------------------------------- */

static void write_formal(Writer *w, const AFormal *f) {
  write_text(w, f->name);
  if (f->id_bound) {
    write_text(w, ": id<");
    write_bound(w, f->id_bound);
    write_text(w, ">");
  }
  if (f->is_tensor) write_items(w, &f->items, NULL, (Span){0});
  if (f->dflt) {
    write_text(w, " =");
    write_value(w, f->dflt);
  }
  if (f->lo) write_range(w, f->range, f->lo, f->hi);
  write_place(w, f->span);
}

static void write_formals(Writer *w, const AFormals *list) {
  for (int i = 0; i < list->n; i++) {
    if (i) write_text(w, ",");
    write_gap(w, list->at[i].span, i ? " " : "");
    write_formal(w, &list->at[i]);
  }
}

/* `name(formals) -> results`; a ')' on a line of its own is not kept. */
static void write_head(Writer *w, const ADecl *d) {
  sb_printf(w->out, "%s %s(", adecl_spelling(d->kind), d->name);
  w->depth++;
  write_formals(w, &d->formals);
  w->depth--;
  write_text(w, ")");
  if (!d->results.n) return;
  for (int i = 0; i < d->results.n; i++) {
    if (i) write_text(w, ",");
    write_gap(w, d->results.at[i].span, " ");
    if (!i) write_text(w, "-> ");
    write_formal(w, &d->results.at[i]);
  }
}

static void write_grad(Writer *w, const ADecl *d) {
  const AGrad *g = &d->grad;
  if (g->present) {
    if (g->span.line > w->line || comment_before(w, g->span.line, g->span.col)) {
      write_trailing(w, g->span.line, g->span.col);
      write_comments_before(w, g->span.line, g->span.col);
      write_line_start(w);
    } else {
      write_text(w, " ");
    }
    write_text(w, "grad(");
    w->depth++;
    write_targets(w, &g->cotangents);
    w->depth--;
    write_text(w, ")");
    write_block(w, &g->body, g->braces);
  }
  if (g->nocheck) write_text(w, " nocheck");
}

static void write_declaration(Writer *w, const ADecl *d) {
  const char *word = adecl_spelling(d->kind);
  switch (d->kind) {
  case D_USE:
    write_text(w, "use ");
    if (d->path)
      write_string(w, d->path);
    else
      write_text(w, d->name);
    if (d->binds.n) {
      write_gap(w, d->with_span, " ");
      write_text(w, "with ");
      write_binds(w, &d->binds);
    }
    break;
  case D_CONST:
  case D_DIM:
  case D_AXIS:
    sb_printf(w->out, "%s ", word);
    write_binds(w, &d->binds);
    break;
  case D_PARAM: write_statement(w, d->stmt); break;
  case D_DATA:
  case D_TRAIN:
  case D_PRECISION:
    write_text(w, word);
    if (d->name) sb_printf(w->out, " %s", d->name);
    write_settings(w, d);
    break;
  case D_SCHEDULE:
    sb_printf(w->out, "%s %s[", word, d->name);
    write_range_end(w, d->extent);
    write_text(w, "]");
    write_block(w, &d->body, d->braces);
    break;
  case D_LOSS:
  case D_METRIC:
  case D_SAMPLER:
    write_head(w, d);
    if (d->claim != CLAIM_NONE) sb_printf(w->out, " %s", aclaim_spelling(d->claim));
    if (d->asked) sb_puts(w->out, " asked");
    write_block(w, &d->body, d->braces);
    break;
  case D_OP:
  case D_BLOCK:
  case D_MODEL:
    write_head(w, d);
    if (d->expr_body) {
      write_text(w, " =");
      write_value(w, d->body.at[0]->value);
    } else {
      write_block(w, &d->body, d->braces);
    }
    write_grad(w, d);
    break;
  }
  write_place(w, d->span);
}

void ast_print_file(const AFile *f, StrBuf *out) {
  StrBuf text = {0};
  Writer w = {.out = &text, .file = f, .fresh = true};
  for (int i = 0; i < f->decls.n; i++) {
    const ADecl *d = f->decls.at[i];
    write_expects(&w, &d->expects, d->span);
    write_statement_start(&w, d->span);
    write_declaration(&w, d);
    const ADecl *after = i + 1 < f->decls.n ? f->decls.at[i + 1] : NULL;
    Span next = after ? begin_of(&after->expects, after->span) : (Span){0, INT32_MAX, 1, 0, 0};
    write_trailing(&w, next.line, next.col);
  }
  write_comments_before(&w, INT32_MAX, 1);
  if (text.n) sb_putc(&text, '\n');
  align_trailing(&w, out);
  sb_free(&text);
  sb_free(&w.marks);
}
