/* SPDX-License-Identifier: MIT */
/* Scalar expressions of the textual IR, by precedence. Everything goes through
 * the folding constructors, so what was printed is rebuilt as it was. */
#include "compiler/ir/read.h"
#include "compiler/ir/spelling.h"

#include <math.h>
#include <string.h>

enum { NESTING_MAX = 200 };

/* prim(args), its types checked first. */
static Expr *apply(Reader *r, Prim p, Expr *const *args, Span at) {
  const PrimInfo *info = prim_info(p);
  Type types[3] = {TY_REAL, TY_REAL, TY_REAL}, result;
  for (int i = 0; i < info->arity; i++) types[i] = args[i]->type;
  if (prim_result(p, types, &result)) return ex_prim(r->g, p, args);
  if (info->arity == 1)
    read_fail(r, E_TEXT_TYPE, at, "%s does not take %s", info->name, type_name(types[0]));
  if (info->arity == 2)
    read_fail(r, E_TEXT_TYPE, at, "%s does not take %s and %s", info->name, type_name(types[0]),
              type_name(types[1]));
  read_fail(r, E_TEXT_TYPE, at, "%s does not take %s, %s and %s", info->name, type_name(types[0]),
            type_name(types[1]), type_name(types[2]));
}

static int read_args(Reader *r, const char *close, Expr **args, int max) {
  int n = 0;
  while (!read_is(r, close)) {
    if (n == max) read_fail(r, E_TEXT_LIMIT, r->tok.span, "more than %d arguments", max);
    args[n++] = read_expr(r);
    if (!read_accept(r, ",")) break;
  }
  read_expect(r, close);
  return n;
}

static Expr *read_call(Reader *r) {
  ReadToken name = r->tok;
  Prim p;
  if (name.quoted || !prim_find(name.text, &p))
    read_fail(r, E_TEXT_NAME, name.span, "there is no primitive '%s'", name.text);
  read_next(r);
  read_expect(r, "(");
  Expr *args[IR_MAX_RANK];
  int n = read_args(r, ")", args, IR_MAX_RANK);
  if (n != prim_info(p)->arity)
    read_fail(r, E_TEXT_TYPE, name.span, "%s takes %d arguments, not %d", name.text,
              prim_info(p)->arity, n);
  return apply(r, p, args, name.span);
}

static Expr *read_read(Reader *r) {
  Span at = r->tok.span;
  Node *n = read_lookup(r);
  read_expect(r, "[");
  Expr *index[IR_MAX_RANK];
  int count = read_args(r, "]", index, IR_MAX_RANK);
  if (n->kind == N_LOOP) read_fail(r, E_TEXT_TYPE, at, "a loop has no value; its results are");
  if (count != n->rank)
    read_fail(r, E_TEXT_TYPE, at, "'%s' has rank %d, not %d", n->name, n->rank, count);
  for (int i = 0; i < count; i++)
    if (index[i]->type != TY_INT)
      read_fail(r, E_TEXT_TYPE, at, "index %d of '%s' is %s", i, n->name,
                type_name(index[i]->type));
  return ex_read(r->g, n, index);
}

/* nan(BITS): one that is not the usual */
static Expr *read_nan(Reader *r) {
  read_expect(r, "(");
  if (r->tok.kind != T_INT || r->tok.large)
    read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected the bits of a NaN");
  double x;
  uint64_t bits = r->tok.whole;
  memcpy(&x, &bits, sizeof x);
  if (x == x) read_fail(r, E_TEXT_SYNTAX, r->tok.span, "these are not the bits of a NaN");
  read_next(r);
  read_expect(r, ")");
  return ex_num(r->g, x);
}

static double quiet_nan(void) {
  uint64_t bits = UINT64_C(0x7ff8000000000000);
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static Expr *read_word(Reader *r) {
  ReadToken t = r->tok;
  read_next(r);
  if (!t.quoted) {
    if (strcmp(t.text, "true") == 0) return ex_bool(r->g, true);
    if (strcmp(t.text, "false") == 0) return ex_bool(r->g, false);
    if (strcmp(t.text, "inf") == 0) return ex_num(r->g, INFINITY);
    if (strcmp(t.text, "nan") == 0)
      return read_is(r, "(") ? read_nan(r) : ex_num(r->g, quiet_nan());
  }
  for (int k = 0; k < r->nvars; k++)
    if (strcmp(r->var[k], t.text) == 0) return ex_var(r->g, k);
  Diag *d = diag_error(r->d, E_TEXT_NAME, t.span, "there is no variable '%s' here", t.text);
  diag_hint_near(r->d, d, t.text, r->var, r->nvars);
  longjmp(r->failed, 1);
}

static Expr *read_let(Reader *r) {
  if (r->tok.large || r->tok.whole < 1 || r->tok.whole > (uint64_t)r->lets.n)
    read_fail(r, E_TEXT_NAME, r->tok.span, "this $ was not bound above");
  Expr *e = r->lets.at[r->tok.whole - 1];
  read_next(r);
  return e;
}

static Expr *read_atom(Reader *r) {
  Expr *e;
  switch (r->tok.kind) {
  case T_INT: return ex_int(r->g, read_whole(r));
  case T_REAL:
    e = ex_num(r->g, r->tok.real);
    read_next(r);
    return e;
  case T_LET: return read_let(r);
  case T_NAME: {
    ReadToken next = read_peek(r);
    if (next.kind == T_PUNCT && *next.text == '[') return read_read(r);
    bool number = !r->tok.quoted && strcmp(r->tok.text, "nan") == 0;
    if (next.kind == T_PUNCT && *next.text == '(' && !number) return read_call(r);
    return read_word(r);
  }
  case T_PUNCT:
    if (read_accept(r, "(")) {
      e = read_expr(r);
      read_expect(r, ")");
      return e;
    }
    if (read_accept(r, "@")) {
      Span at = r->tok.span;
      Node *n = read_lookup(r);
      if (n->kind != N_LOOP) read_fail(r, E_TEXT_TYPE, at, "'%s' is not a loop", n->name);
      return ex_loopvar(r->g, n->loop);
    }
    break;
  case T_END:
  case T_NEWLINE: break;
  }
  read_fail(r, E_TEXT_SYNTAX, r->tok.span, "expected an expression");
}

static void enter(Reader *r) {
  if (++r->nesting > NESTING_MAX)
    read_fail(r, E_TEXT_LIMIT, r->tok.span, "the expression nests deeper than %d", NESTING_MAX);
}

static Expr *read_unary(Reader *r) {
  Span at = r->tok.span;
  if (!read_is(r, "-")) return read_atom(r);
  ReadToken next = read_peek(r);
  if (next.kind == T_INT) return ex_int(r->g, read_integer(r));
  read_next(r);
  enter(r);
  Expr *e = read_unary(r);
  r->nesting--;
  return apply(r, P_neg, &e, at);
}

static const Infix *infix_here(const Reader *r, int level) {
  if (r->tok.kind != T_PUNCT && (r->tok.kind != T_NAME || r->tok.quoted || r->tok.ordinal != 1))
    return NULL;
  for (const Infix *f = text_infix; f->spelling; f++)
    if (f->level >= level && strcmp(f->spelling, r->tok.text) == 0) return f;
  return NULL;
}

/* Operators of `level` and tighter. */
static Expr *read_binary(Reader *r, int level) {
  Expr *args[2];
  Span at = r->tok.span;
  bool compared = false;
  if (level <= LEVEL_NOT && read_accept_word(r, "not")) {
    enter(r);
    args[0] = read_binary(r, LEVEL_NOT);
    r->nesting--;
    args[0] = apply(r, P_not, args, at);
  } else {
    args[0] = read_unary(r);
  }
  const Infix *f;
  while ((f = infix_here(r, level)) != NULL) {
    at = r->tok.span;
    if (f->level == LEVEL_COMPARE && compared)
      read_fail(r, E_TEXT_SYNTAX, at, "comparisons do not chain");
    compared = f->level == LEVEL_COMPARE;
    read_next(r);
    args[1] = read_binary(r, f->level + 1);
    args[0] = apply(r, f->prim, args, at);
  }
  return args[0];
}

Expr *read_expr(Reader *r) {
  enter(r);
  Expr *args[3] = {read_binary(r, LEVEL_OR), NULL, NULL};
  Span at = r->tok.span;
  if (read_accept(r, "?")) {
    args[1] = read_binary(r, LEVEL_OR);
    read_expect(r, ":");
    args[2] = read_expr(r);
    args[0] = apply(r, P_select, args, at);
  }
  r->nesting--;
  return args[0];
}
