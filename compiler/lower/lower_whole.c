/* SPDX-License-Identifier: MIT */
/* Integers are exact: nothing wraps around in a program that is accepted. What is
 * computed within an expression has 64 bits, what a name or a reduction holds has
 * 32; each is proved from the ranges of what goes in, or is an error here. */
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

enum { E_DIVISOR = 211, E_WHOLE = 227 };

/* A value's range in words. */
static const char *span_text(Lowering *l, int64_t lo, int64_t hi) {
  if (lo == INT64_MIN || hi == INT64_MAX) return "beyond 64 bits";
  return arena_printf(l->arena, "over %lld .. %lld", (long long)lo, (long long)hi);
}

bool whole_computed(Lowering *l, const Expr *e, Span at) {
  int64_t lo, hi;
  if (e->type != TY_INT || prove_interval(l, (Expr *)e, &lo, &hi)) return true;
  Diag *x = lower_error(l, E_WHOLE, at, "these integers may not fit 64 bits");
  diag_hint(l->d, x,
            "keep what goes in small: min(max(x, LO), HI); or compute with numbers: real(x)");
  return false;
}

bool whole_kept(Lowering *l, Node *n, Span at) {
  if (n->type != TY_INT || (n->lo >= IR_INT_MIN && n->hi <= IR_INT_MAX)) return true;
  Diag *x = lower_error(l, E_WHOLE, at, "these integers may run %s; 32 bits hold -2^31 .. 2^31 - 1",
                        span_text(l, n->lo, n->hi));
  if (n->reducer == RED_SUM || n->reducer == RED_PROD)
    diag_hint(l->d, x, "reduce numbers: %s[..](real(x)); or keep x small: min(max(x, LO), HI)",
              reducer_name(n->reducer));
  else
    diag_hint(l->d, x, "keep it small: min(max(x, LO), HI); or hold a number: real(x)");
  n->lo = IR_INT_MIN; /* what reads it is told nothing new */
  n->hi = IR_INT_MAX;
  return false;
}

bool whole_constant(Lowering *l, const Value *v, Span at) {
  if (v->kind != V_NUM || !v->is_int || (v->inum >= IR_INT_MIN && v->inum <= IR_INT_MAX))
    return true;
  Diag *x = lower_error(l, E_WHOLE, at, "this integer is %lld; 32 bits hold -2^31 .. 2^31 - 1",
                        (long long)v->inum);
  diag_hint(l->d, x, "make it a number: %lld.0", (long long)v->inum);
  return false;
}

/* Does a condition that holds here say that e is not 0? */
static bool guarded_nonzero(Lowering *l, Expr *e) {
  Expr *says = ex2(l->g, P_ne, e, ex_int(l->g, 0));
  for (int i = 0; i < l->facts.n; i++)
    if (l->facts.at[i] == says) return true;
  return prove_at_least(l, e, 1) || prove_at_least(l, ex1(l->g, P_neg, e), 1);
}

bool whole_nonzero(Lowering *l, Expr *e) {
  int64_t lo, hi;
  prove_interval(l, e, &lo, &hi);
  return lo > 0 || hi < 0 || guarded_nonzero(l, e);
}

bool whole_divisor(Lowering *l, Expr *e, Span at) {
  if (e->type != TY_INT || whole_nonzero(l, e)) return true;
  Diag *x = lower_error(l, E_DIVISOR, at, "nothing proves that this divisor is not 0");
  diag_hint(l->d, x, "max(1, d) keeps it positive; or guard the division: d != 0 ? x / d : 0");
  return false;
}
