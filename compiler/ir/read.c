/* SPDX-License-Identifier: MIT */
/* Reads a graph from the textual form of IR.md: what ir_print wrote, or a
 * person. Stops at the first error. */
#include "compiler/ir/read.h"
#include "compiler/ir/spelling.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"

#include <string.h>

/* ---- comprehensions and scatters ---------------------------------------------------- */

/* [i:4, j:5 | guard] appended to the variables */
static Expr *read_vars(Reader *r, int64_t *extent, const char **axis) {
  Expr *guard = NULL;
  Span at = r->tok.span;
  read_expect(r, "[");
  while (r->tok.kind == T_NAME) {
    if (r->nvars == IR_MAX_VARS)
      read_fail(r, E_TEXT_LIMIT, r->tok.span, "more than %d variables", IR_MAX_VARS);
    ReadToken name = read_name(r);
    for (int k = 0; k < r->nvars; k++)
      if (r->var[k] == name.text)
        read_fail(r, E_TEXT_TWICE, name.span, "two variables '%s'", name.text);
    bool plain = !name.quoted && strcmp(name.text, arena_printf(r->arena, "v%d", r->nvars)) == 0;
    axis[r->nvars] = plain ? NULL : name.text;
    r->var[r->nvars] = name.text;
    read_expect(r, ":");
    extent[r->nvars++] = read_whole(r);
    if (!read_accept(r, ",")) break;
  }
  read_count(r, at, r->nvars, extent);
  if (read_accept(r, "|")) {
    at = r->tok.span;
    guard = read_expr(r);
    if (guard->type != TY_BOOL)
      read_fail(r, E_TEXT_TYPE, at, "a guard is bool, not %s", type_name(guard->type));
  }
  read_expect(r, "]");
  return guard;
}

static void end_line(Reader *r) {
  if (r->tok.kind != T_NEWLINE)
    read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected the end of the line");
  read_skip_newlines(r);
}

/* After `{`: $1 = ..., when ...; leaves the body to be read. */
static void read_block(Reader *r, Expr **guard) {
  read_skip_newlines(r);
  for (;;) {
    Span at = r->tok.span;
    if (r->tok.kind == T_LET && read_peek(r).kind == T_PUNCT &&
        strcmp(read_peek(r).text, "=") == 0) {
      if (r->tok.large || r->tok.whole != (uint64_t)r->lets.n + 1)
        read_fail(r, E_TEXT_SYNTAX, at, "expected $%d to be bound next", r->lets.n + 1);
      read_next(r);
      read_expect(r, "=");
      Expr *bound = read_expr(r);
      vec_push(r->arena, &r->lets, bound);
      end_line(r);
    } else if (read_is_word(r, "when")) {
      if (*guard) read_fail(r, E_TEXT_TWICE, at, "a second guard");
      read_next(r);
      *guard = read_expr(r);
      if ((*guard)->type != TY_BOOL)
        read_fail(r, E_TEXT_TYPE, at, "a guard is bool, not %s", type_name((*guard)->type));
      end_line(r);
    } else {
      return;
    }
  }
}

static void end_block(Reader *r) {
  read_skip_newlines(r);
  read_expect(r, "}");
}

static bool read_reducer(Reader *r, Reducer *out) {
  if (r->tok.kind != T_NAME || r->tok.quoted || r->tok.ordinal != 1) return false;
  for (Reducer red = RED_SUM; red <= RED_ARGMAX; red++) {
    if (strcmp(r->tok.text, reducer_name(red)) != 0) continue;
    ReadToken next = read_peek(r);
    if (next.kind != T_PUNCT || *next.text != '[') return false;
    read_next(r);
    *out = red;
    return true;
  }
  return false;
}

static void begin_vars(Reader *r) {
  r->nvars = 0;
  r->lets.n = 0;
  r->nesting = 0;
}

static void read_comp(Reader *r) {
  static const Span nowhere;
  int64_t extent[IR_MAX_VARS], lo, hi;
  const char *axis[IR_MAX_VARS];
  begin_vars(r);
  ReadToken name = read_name(r);
  Expr *guard = read_vars(r, extent, axis);
  int rank = r->nvars;
  if (rank > IR_MAX_RANK) read_fail(r, E_TEXT_LIMIT, name.span, "more than %d axes", IR_MAX_RANK);
  read_range(r, &lo, &hi);
  read_expect(r, "=");
  Reducer red = RED_NONE;
  Span at = r->tok.span;
  if (read_reducer(r, &red)) {
    if (guard)
      read_fail(r, E_TEXT_SYNTAX, at, "the guard of a reduction stands in its own brackets");
    guard = read_vars(r, extent, axis);
    if (r->nvars == rank) read_fail(r, E_TEXT_SYNTAX, at, "a reduction over no variable");
    if (!read_is(r, "{") && !read_is(r, "("))
      read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected '(' or '{'");
  }
  Expr *body;
  if (read_accept(r, "{")) {
    read_block(r, &guard);
    body = read_expr(r);
    end_block(r);
  } else {
    body = read_expr(r);
  }
  if (red == RED_ARGMAX ? body->type == TY_BOOL
                        : (red == RED_SUM || red == RED_PROD) && body->type == TY_BOOL)
    read_fail(r, E_TEXT_TYPE, at, "%s does not reduce bools", reducer_name(red));
  Node *n =
      ir_comp(r->g, r->region, name.text, nowhere, rank, r->nvars - rank, extent, red, guard, body);
  for (int k = 0; k < r->nvars; k++) n->axis[k] = axis[k];
  read_set_range(n, lo, hi);
  read_finish(r, name, n);
}

static void read_scatter(Reader *r) {
  static const Span nowhere;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS];
  ReadHead h = read_head(r);
  read_expect_word(r, "over");
  begin_vars(r);
  Expr *guard = read_vars(r, extent, axis), *index[IR_MAX_RANK];
  bool block = read_accept(r, "{");
  if (block) read_block(r, &guard);
  read_expect_word(r, "at");
  Span at = r->tok.span;
  read_expect(r, "[");
  int n = 0;
  while (!read_is(r, "]")) {
    if (n == IR_MAX_RANK) read_fail(r, E_TEXT_LIMIT, r->tok.span, "more than %d axes", IR_MAX_RANK);
    index[n++] = read_expr(r);
    if (!read_accept(r, ",")) break;
  }
  read_expect(r, "]");
  if (n != h.rank)
    read_fail(r, E_TEXT_TYPE, at, "'%s' has rank %d, not %d", h.name.text, h.rank, n);
  for (int k = 0; k < n; k++)
    if (index[k]->type != TY_INT)
      read_fail(r, E_TEXT_TYPE, at, "index %d is %s", k, type_name(index[k]->type));
  read_expect_word(r, "add");
  at = r->tok.span;
  Expr *body = read_expr(r);
  if (block) end_block(r);
  if (body->type != h.type)
    read_fail(r, E_TEXT_TYPE, at, "'%s' is %s, what is added is %s", h.name.text, type_name(h.type),
              type_name(body->type));
  Node *s = ir_scatter(r->g, r->region, h.name.text, nowhere, h.rank, h.shape, r->nvars, extent,
                       index, guard, body);
  for (int k = 0; k < h.rank; k++) s->axis[k] = h.axis[k];
  read_set_range(s, h.lo, h.hi);
  read_finish(r, h.name, s);
}

/* ---- the other statements ------------------------------------------------------------- */

static double read_datum(Reader *r, Type type) {
  Span at = r->tok.span;
  r->nvars = 0;
  r->lets.n = 0;
  Expr *e = read_expr(r);
  bool constant = e->kind == E_NUM || e->kind == E_INT || e->kind == E_BOOL;
  if (!constant || e->type != type)
    read_fail(r, E_TEXT_TYPE, at, "expected a constant of type %s", type_name(type));
  return type == TY_REAL ? e->num : (double)e->inum;
}

static void read_const(Reader *r) {
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Span at = r->tok.span;
  read_expect(r, "{");
  VEC(double) data = {0};
  read_skip_newlines(r);
  while (!read_is(r, "}")) {
    vec_push(r->arena, &data, read_datum(r, h.type));
    read_skip_newlines(r);
    if (!read_accept(r, ",")) break;
    read_skip_newlines(r);
  }
  read_expect(r, "}");
  Node *n = read_make(r, N_CONST, &h);
  if (ir_count(n) != data.n)
    read_fail(r, E_TEXT_TYPE, at, "%d numbers for %lld elements", data.n, (long long)ir_count(n));
  vec_push(r->arena, &data, 0); /* never NULL */
  n->data = data.at;
  read_finish(r, h.name, n);
}

static void read_view(Reader *r) {
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Node *base = read_lookup(r);
  read_expect(r, "+");
  int64_t offset = read_whole(r);
  Node *n = read_make(r, N_VIEW, &h);
  n->base = base;
  n->offset = offset;
  read_finish(r, h.name, n);
}

static void read_pack(Reader *r) {
  ReadHead h = read_head(r);
  read_expect(r, "=");
  Node *n = read_make(r, N_PACK, &h);
  do vec_push(r->arena, &n->parts, read_lookup(r));
  while (read_accept(r, ","));
  read_finish(r, h.name, n);
}

static void read_declared(Reader *r, NodeKind kind) {
  ReadHead h = read_head(r);
  read_finish(r, h.name, read_make(r, kind, &h));
}

/* ---- loops ------------------------------------------------------------------------------ */

static void read_statements(Reader *r);

static void read_loop(Reader *r) {
  static const Span nowhere;
  enum { LOOPS_MAX = 64 };
  ReadToken name = read_name(r);
  read_expect(r, ":");
  int64_t count = read_whole(r);
  bool reverse = read_accept_word(r, "reverse");
  read_expect(r, "{");
  int depth = 0;
  for (Region *x = r->region; x; x = x->parent) depth++;
  if (depth > LOOPS_MAX)
    read_fail(r, E_TEXT_LIMIT, name.span, "more than %d loops in one another", LOOPS_MAX);
  Region *around = r->region;
  Loop *l = ir_loop(r->g, around, name.text, count, reverse, nowhere);
  read_define(r, name, l->node);
  read_tail(r, l->node);
  r->region = l->body;
  read_statements(r);
  Span at = r->tok.span;
  read_expect(r, "}");
  for (int i = 0; i < l->carries.n; i++)
    if (!l->carries.at[i].next)
      read_fail(r, E_TEXT_SYNTAX, at, "no next for '%s'", l->carries.at[i].in->name);
  r->region = around;
  read_end_of_line(r);
}

/* ---- what stands at the end ---------------------------------------------------------------- */

static void read_vjp(Reader *r) {
  Node *n = read_lookup(r);
  Vjp *v = NEW(r->arena, Vjp);
  read_expect_word(r, "from");
  v->cotangent = read_accept_word(r, "none") ? NULL : read_lookup(r);
  v->nocheck = read_accept_word(r, "nocheck");
  n->vjp = v;
  if (!read_accept(r, ":")) return;
  do {
    vec_push(r->arena, &v->wrt, read_lookup(r));
    read_expect(r, "->");
    vec_push(r->arena, &v->adjoint, read_accept_word(r, "none") ? NULL : read_lookup(r));
  } while (read_accept(r, ","));
}

static void read_output(Reader *r) {
  Output o;
  o.name = read_name(r).text;
  read_expect(r, "=");
  o.node = read_lookup(r);
  vec_push(r->arena, &r->g->outputs, o);
}

static void read_update(Reader *r) {
  Update u;
  u.state = read_lookup(r);
  read_expect(r, "=");
  u.value = read_lookup(r);
  vec_push(r->arena, &r->g->updates, u);
}

static void read_statement(Reader *r) {
  ReadToken next = read_peek(r);
  Span at = r->tok.span;
  if (r->tok.kind != T_NAME) read_fail(r, E_TEXT_SYNTAX, at, "expected a statement");
  if (next.kind == T_PUNCT && *next.text == '[')
    read_comp(r);
  else if (read_accept_word(r, "input"))
    read_declared(r, N_INPUT);
  else if (read_accept_word(r, "state"))
    read_declared(r, N_STATE);
  else if (read_accept_word(r, "cotangent"))
    read_declared(r, N_COTANGENT);
  else if (read_accept_word(r, "const"))
    read_const(r);
  else if (read_accept_word(r, "view"))
    read_view(r);
  else if (read_accept_word(r, "pack"))
    read_pack(r);
  else if (read_accept_word(r, "scatter"))
    read_scatter(r);
  else if (read_accept_word(r, "loop"))
    read_loop(r);
  else if (read_accept_word(r, "carry"))
    read_carry(r, at);
  else if (read_accept_word(r, "final"))
    read_final(r);
  else if (read_accept_word(r, "stack"))
    read_stack(r);
  else {
    if (read_accept_word(r, "next"))
      read_next_carry(r, at);
    else if (read_accept_word(r, "emit"))
      read_emit(r, at);
    else if (read_accept_word(r, "vjp"))
      read_vjp(r);
    else if (read_accept_word(r, "output"))
      read_output(r);
    else if (read_accept_word(r, "update"))
      read_update(r);
    else
      read_fail(r, E_TEXT_SYNTAX, at, "no statement begins with '%s'", r->tok.text);
    read_end_of_line(r);
  }
}

static void read_statements(Reader *r) {
  read_skip_newlines(r);
  while (r->tok.kind != T_END && !read_is(r, "}")) read_statement(r);
}

static void read_graph(Reader *r) {
  read_next(r);
  read_skip_newlines(r);
  read_expect_word(r, "graph");
  ReadToken name = read_name(r);
  read_end_of_line(r);
  r->g = graph_new(r->arena, r->names, name.text);
  r->region = r->g->top;
  read_no_names(r);
  read_statements(r);
  if (r->tok.kind != T_END) read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected a statement");
  Node *where;
  const char *broken = ir_verify_where(r->g, &where);
  if (!broken) broken = ir_refute(r->g, &where);
  if (broken)
    read_fail(r, E_TEXT_BROKEN, where ? r->places.at[where->id] : name.span, "%s", broken);
}

Graph *ir_parse(Arena *a, Interner *names, Diags *d, int file) {
  const Source *source = diags_source_at(d, file);
  Reader r = {.arena = a, .names = names, .d = d, .file = file};
  r.lex = (ReadLexer){.at = source->text, .end = source->text + source->size, .line = 1, .col = 1};
  if (setjmp(r.failed)) return NULL;
  read_graph(&r);
  return r.g;
}
