/* SPDX-License-Identifier: MIT */
/* Expressions, index lists and targets in canonical form: the fewest parentheses
 * that a reader needs (`&&` within `||` and a choice within a choice keep theirs),
 * blanks around operators but not inside index brackets. */
#include "dsl/print_expr.h"

#include <stdio.h>
#include <string.h>

#include "dsl/diag_internal.h"

enum { CHOICE = 1, EITHER, BOTH, EQUALITY, ORDER, SUM, PRODUCT, SIGNED, POWER, PRIMARY };

static int op_precedence(AOp op) {
  switch (op) {
  case OP_OR: return EITHER;
  case OP_AND: return BOTH;
  case OP_EQ:
  case OP_NE: return EQUALITY;
  case OP_LT:
  case OP_LE:
  case OP_GT:
  case OP_GE: return ORDER;
  case OP_ADD:
  case OP_SUB: return SUM;
  case OP_MUL:
  case OP_DIV:
  case OP_MOD: return PRODUCT;
  case OP_NEG:
  case OP_NOT: return SIGNED;
  case OP_POW: return POWER;
  }
  bug("no such operator: %d", (int)op);
}

static int precedence(const AExpr *e) {
  if (e->kind == A_COND) return CHOICE;
  if (e->kind == A_BINARY || e->kind == A_UNARY) return op_precedence(e->op);
  return PRIMARY;
}

static void write_level(Writer *w, const AExpr *e, int least);

/* How tightly `side`, an operand of `op`, must bind to stand bare where `least` would do. */
static int bare_level(AOp op, const AExpr *side, int least) {
  return op == OP_OR && precedence(side) == BOTH ? EQUALITY : least;
}

/* The first token of e, past parentheses that are not written. */
static Span first_token(const AExpr *e, int least) {
  if (e->parens && precedence(e) < least) return e->span;
  switch (e->kind) {
  case A_BINARY: return first_token(e->a, bare_level(e->op, e->a, op_precedence(e->op)));
  case A_COND: return first_token(e->a, EITHER);
  case A_MEMBER:
  case A_INDEX:
  case A_CALL: return first_token(e->a, PRIMARY);
  case A_UNARY: return e->op_span;
  case A_NUM:
  case A_STR:
  case A_CHARACTER:
  case A_NAME:
  case A_REDUCE:
  case A_ERROR: return e->span;
  }
  bug("no such expression: %d", (int)e->kind);
}

static Span closer_of(Span s) {
  return (Span){s.file, s.end_line, s.end_col > 1 ? s.end_col - 1 : 1, s.end_line, s.end_col};
}

static void open_bracket(Writer *w, const char *bracket) {
  write_text(w, bracket);
  w->depth++;
}

static void close_bracket(Writer *w, Span closer, const char *bracket) {
  write_gap_before_closer(w, closer);
  w->depth--;
  write_text(w, bracket);
}

/* ---- atoms --------------------------------------------------------------------------- */

static void write_number(Writer *w, const AExpr *e) {
  char text[32];
  if (e->text) {
    write_text(w, e->text);
    return;
  }
  if (e->is_int) {
    sb_printf(w->out, "%lld", (long long)e->inum);
    return;
  }
  fmt_double(text, e->num);
  write_text(w, text);
  if (!strpbrk(text, ".en")) write_text(w, ".0");
}

static void write_quoted(Writer *w, const char *s, char quote) {
  size_t n = strlen(s);
  sb_putc(w->out, quote);
  for (size_t i = 0; i < n;) {
    unsigned char c = (unsigned char)s[i];
    size_t step = utf8_length(s + i, n - i);
    if (c == '\n')
      write_text(w, "\\n");
    else if (c == '\t')
      write_text(w, "\\t");
    else if (c == (unsigned char)quote || c == '\\') {
      sb_putc(w->out, '\\');
      sb_putc(w->out, (char)c);
    } else if (!step || c < 0x20 || c == 0x7F)
      sb_printf(w->out, "\\x%02X", c);
    else
      sb_write(w->out, s + i, step);
    i += step ? step : 1;
  }
  sb_putc(w->out, quote);
}

void write_string(Writer *w, const char *s) { write_quoted(w, s, '"'); }

/* ---- between brackets ------------------------------------------------------------------- */

/* Short enough to follow its comma without a blank: b, t+1, 0, ... */
static bool is_plain(const AExpr *e) {
  switch (e->kind) {
  case A_NAME:
  case A_NUM:
  case A_ERROR: return true;
  case A_MEMBER: return is_plain(e->a);
  case A_INDEX: {
    bool plain = is_plain(e->a);
    for (int i = 0; i < e->items.n; i++)
      plain =
          plain && e->items.at[i].expr && !e->items.at[i].other && is_plain(e->items.at[i].expr);
    return plain;
  }
  case A_UNARY: return is_plain(e->a);
  case A_BINARY: return op_precedence(e->op) >= SUM && is_plain(e->a) && is_plain(e->b);
  case A_CHARACTER: return true;
  case A_STR:
  case A_REDUCE:
  case A_CALL:
  case A_COND: return false;
  }
  bug("no such expression: %d", (int)e->kind);
}

static bool all_plain(const AItems *items) {
  for (int i = 0; i < items->n; i++) {
    const AItem *it = &items->at[i];
    if (it->ellipsis || it->var || it->other || !is_plain(it->expr)) return false;
  }
  return true;
}

static void write_item(Writer *w, const AItem *it) {
  if (it->ellipsis) {
    write_text(w, "...");
  } else if (it->var) {
    sb_printf(w->out, "%s in ", it->var);
    write_level(w, it->lo, it->hi ? EITHER : CHOICE);
    if (it->hi) {
      write_text(w, ":");
      write_gap(w, first_token(it->hi, CHOICE), "");
      write_level(w, it->hi, CHOICE);
    }
  } else {
    write_level(w, it->expr, CHOICE);
    if (it->other) {
      write_text(w, " else ");
      write_level(w, it->other, CHOICE);
    }
  }
  write_place(w, it->span);
}

void write_items(Writer *w, const AItems *items, const AExpr *guard, Span closer) {
  bool tight = w->tight, plain = all_plain(items);
  open_bracket(w, "[");
  w->tight = true;
  for (int i = 0; i < items->n; i++) {
    if (i) write_text(w, ",");
    write_gap(w, items->at[i].span, i && !plain ? " " : "");
    write_item(w, &items->at[i]);
  }
  if (guard) {
    write_text(w, items->n ? " |" : "|");
    write_gap(w, first_token(guard, CHOICE), " ");
    write_level(w, guard, CHOICE);
  }
  w->tight = tight;
  close_bracket(w, closer, "]");
}

static void write_args(Writer *w, const AArgs *args, Span closer) {
  bool tight = w->tight;
  open_bracket(w, "(");
  w->tight = false;
  for (int i = 0; i < args->n; i++) {
    if (i) write_text(w, ",");
    write_gap(w, args->at[i].span, i ? " " : "");
    if (args->at[i].name) {
      sb_printf(w->out, "%s =", args->at[i].name);
      write_gap(w, first_token(args->at[i].value, CHOICE), " ");
    }
    write_level(w, args->at[i].value, CHOICE);
  }
  w->tight = tight;
  close_bracket(w, closer, ")");
}

/* ---- expressions -------------------------------------------------------------------------- */

static void write_binary(Writer *w, const AExpr *e) {
  int level = op_precedence(e->op);
  bool compares = level == EQUALITY || level == ORDER, power = level == POWER;
  bool tight = power || (w->tight && level >= SUM);
  int right = bare_level(e->op, e->b, power ? SIGNED : level + 1);
  write_level(w, e->a, bare_level(e->op, e->a, power || compares ? level + 1 : level));
  if (!tight) write_text(w, " ");
  write_text(w, aop_spelling(e->op));
  write_place(w, e->op_span);
  write_gap(w, first_token(e->b, right), tight ? "" : " ");
  write_level(w, e->b, right);
}

static void write_choice(Writer *w, const AExpr *e) {
  write_level(w, e->a, EITHER);
  write_gap(w, first_token(e->b, EITHER), " ");
  write_text(w, "? ");
  write_level(w, e->b, EITHER);
  write_gap(w, first_token(e->c, CHOICE), " ");
  write_text(w, ": ");
  write_level(w, e->c, CHOICE);
}

static void write_bare(Writer *w, const AExpr *e) {
  switch (e->kind) {
  case A_NUM: write_number(w, e); break;
  case A_STR: write_string(w, e->str); break;
  case A_CHARACTER: write_quoted(w, e->str, '\''); break;
  case A_NAME: write_text(w, e->name); break;
  case A_MEMBER:
    write_level(w, e->a, e->a->kind == A_NUM ? PRIMARY + 1 : PRIMARY);
    sb_printf(w->out, ".%s", e->name);
    break;
  case A_INDEX:
    write_level(w, e->a, PRIMARY);
    write_items(w, &e->items, e->guard, closer_of(e->span));
    break;
  case A_REDUCE: {
    bool tight = w->tight;
    write_text(w, e->name);
    write_items(w, &e->items, e->guard, (Span){0});
    open_bracket(w, "(");
    w->tight = false;
    write_gap(w, first_token(e->a, CHOICE), "");
    write_level(w, e->a, CHOICE);
    w->tight = tight;
    close_bracket(w, closer_of(e->span), ")");
    break;
  }
  case A_CALL:
    write_level(w, e->a, PRIMARY);
    write_args(w, &e->args, closer_of(e->span));
    break;
  case A_UNARY:
    write_text(w, aop_spelling(e->op));
    write_gap(w, first_token(e->a, SIGNED), "");
    write_level(w, e->a, SIGNED);
    break;
  case A_BINARY: write_binary(w, e); break;
  case A_COND: write_choice(w, e); break;
  case A_ERROR: write_text(w, "<error>"); break;
  }
}

/* e, in parentheses if it binds less than `least`. */
static void write_level(Writer *w, const AExpr *e, int least) {
  if (precedence(e) >= least) {
    write_bare(w, e);
    write_place(w, e->span);
    return;
  }
  bool tight = w->tight;
  open_bracket(w, "(");
  write_gap(w, first_token(e, CHOICE), "");
  write_bare(w, e);
  w->tight = tight;
  close_bracket(w, e->parens ? closer_of(e->span) : (Span){0}, ")");
  write_place(w, e->span);
}

void write_expr(Writer *w, const AExpr *e) { write_level(w, e, CHOICE); }

void write_value(Writer *w, const AExpr *e) {
  write_gap(w, first_token(e, CHOICE), " ");
  write_expr(w, e);
}

void write_bound(Writer *w, const AExpr *e) { write_level(w, e, SUM); }

/* A range reads better without blanks inside its ends: T-1 .. 0 */
void write_range_end(Writer *w, const AExpr *e) {
  bool tight = w->tight;
  w->tight = true;
  write_level(w, e, EITHER);
  w->tight = tight;
}

void write_target(Writer *w, const ATarget *t) {
  write_text(w, t->name);
  if (t->indexed) write_items(w, &t->items, NULL, closer_of(t->span));
  write_place(w, t->span);
}

void ast_print_expr(const AExpr *e, StrBuf *out) {
  Writer w = {.out = out};
  write_expr(&w, e);
}

void ast_print_target(const ATarget *t, StrBuf *out) {
  Writer w = {.out = out};
  write_target(&w, t);
}
