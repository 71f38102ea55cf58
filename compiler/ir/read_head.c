/* SPDX-License-Identifier: MIT */
/* The reader of the textual form: what most statements begin with, the name, type, shape and range
 * of a node, and what they end with, where the node comes from and how it is kept. */
#include "compiler/ir/read.h"

void read_count(Reader *r, Span at, int n, const int64_t *extent) {
  int64_t count = 1;
  for (int i = 0; i < n; i++)
    if (!mul_fits(count, extent[i], &count) || count > INT64_C(1) << 48)
      read_fail(r, E_TEXT_LIMIT, at, "more than 2^48 elements");
}

/* : real[b:32, 7] */
static void read_type(Reader *r, ReadHead *h) {
  read_expect(r, ":");
  Span at = r->tok.span;
  if (read_accept_word(r, "real"))
    h->type = TY_REAL;
  else if (read_accept_word(r, "int"))
    h->type = TY_INT;
  else if (read_accept_word(r, "bool"))
    h->type = TY_BOOL;
  else
    read_fail(r, E_TEXT_SYNTAX, at, "expected real, int or bool");
  h->rank = 0;
  if (!read_accept(r, "[")) return;
  do {
    if (h->rank == IR_MAX_RANK)
      read_fail(r, E_TEXT_LIMIT, r->tok.span, "more than %d axes", IR_MAX_RANK);
    h->axis[h->rank] = NULL;
    if (r->tok.kind == T_NAME) {
      h->axis[h->rank] = read_name(r).text;
      read_expect(r, ":");
    }
    h->shape[h->rank++] = read_whole(r);
  } while (read_accept(r, ","));
  read_expect(r, "]");
  read_count(r, at, h->rank, h->shape);
}

/* in 0 .. 9   in 0 ..   in .. 9 */
void read_range(Reader *r, int64_t *lo, int64_t *hi) {
  *lo = IR_INT_MIN;
  *hi = IR_INT_MAX;
  if (!read_accept_word(r, "in")) return;
  if (!read_is(r, "..")) *lo = read_integer(r);
  read_expect(r, "..");
  if (r->tok.kind == T_INT || read_is(r, "-")) *hi = read_integer(r);
}

ReadHead read_head(Reader *r) {
  ReadHead h = {.name = read_name(r)};
  read_type(r, &h);
  read_range(r, &h.lo, &h.hi);
  return h;
}

Node *read_make(Reader *r, NodeKind kind, const ReadHead *h) {
  static const Span nowhere;
  Node *n = ir_node(r->g, r->region, kind, h->type, h->rank, h->shape, h->name.text, nowhere);
  for (int k = 0; k < h->rank; k++) n->axis[k] = h->axis[k];
  read_set_range(n, h->lo, h->hi);
  return n;
}

void read_set_range(Node *n, int64_t lo, int64_t hi) {
  if (n->type != TY_INT) return;
  n->lo = lo;
  n->hi = hi;
}

static int read_small(Reader *r) {
  Span at = r->tok.span;
  int64_t x = read_whole(r);
  if (x > INT32_MAX / 2) read_fail(r, E_TEXT_LIMIT, at, "too large for a place in a file");
  return (int)x;
}

/* at [file/]line:column-line:column */
static Span read_place(Reader *r) {
  Span s = {0, read_small(r), 0, 0, 0};
  if (read_accept(r, "/")) {
    s.file = s.line;
    s.line = read_small(r);
  }
  read_expect(r, ":");
  s.col = read_small(r);
  read_expect(r, "-");
  s.end_line = read_small(r);
  read_expect(r, ":");
  s.end_col = read_small(r);
  return s;
}

static void read_axes(Reader *r, Node *n) {
  read_expect(r, "(");
  for (int k = 0; k < n->nvars; k++) {
    if (k > 0) read_expect(r, ",");
    n->axis[k] = read_accept_word(r, "_") ? NULL : read_name(r).text;
  }
  read_expect(r, ")");
}

void read_tail(Reader *r, Node *n) {
  if (read_accept(r, ";")) {
    while (r->tok.kind == T_NAME) {
      Span at = r->tok.span;
      if (read_accept_word(r, "at"))
        n->span = read_place(r);
      else if (read_accept_word(r, "step"))
        r->g->step = n;
      else if (read_accept_word(r, "axes"))
        read_axes(r, n);
      else if (read_accept_word(r, "again"))
        n->again = true;
      else if (read_accept_word(r, "save")) {
        n->save = read_is_word(r, "keep") ? SAVE_KEEP : SAVE_RECOMPUTE;
        if (!read_accept_word(r, "keep")) read_expect_word(r, "recompute");
      } else {
        read_fail(r, E_TEXT_SYNTAX, at, "expected at, step, axes, save or again");
      }
    }
  }
  read_end_of_line(r);
}

void read_end_of_line(Reader *r) {
  if (r->tok.kind != T_NEWLINE && r->tok.kind != T_END)
    read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected the end of the line");
  read_skip_newlines(r);
}

void read_finish(Reader *r, ReadToken name, Node *n) {
  read_tail(r, n);
  read_define(r, name, n);
}
