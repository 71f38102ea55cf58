/* SPDX-License-Identifier: MIT */
/* Scalars: exact integers, real numbers in double precision, and a tape on which every
 * operation with an argument that depends on a parameter leaves a node. */
#include <math.h>
#include <string.h>

#include "tests/interp/internal.h"

Number real_number(double x) { return (Number){.kind = INTERP_REAL, .real = x}; }
Number whole_number(int64_t x) {
  return (Number){.kind = INTERP_WHOLE, .whole = x, .real = (double)x};
}
Number truth(bool x) { return (Number){.kind = INTERP_TRUTH, .whole = x, .real = x}; }
double real_of(Number a) { return a.kind == INTERP_REAL ? a.real : (double)a.whole; }
Number as_real(Number a) { return a.kind == INTERP_REAL ? a : real_number((double)a.whole); }

/* ---- the tape ----------------------------------------------------------------------- */

static int record(Interp *in, int a, double da, int b, double db) {
  if (!in->taping || in->dry || (a == 0 && b == 0)) return 0;
  TapeNode n = {{a, b}, {da, db}, NULL};
  vec_push(in->arena, &in->tape, n);
  return in->tape.n - 1;
}

Number leaf(Interp *in, double x) {
  Number n = real_number(x);
  if (!in->taping || in->dry) return n;
  TapeNode t = {{0, 0}, {0, 0}, NULL};
  vec_push(in->arena, &in->tape, t);
  n.node = in->tape.n - 1;
  return n;
}

static Number made(Interp *in, double x, Number a, double da, Number b, double db) {
  Number n = real_number(x);
  n.node = record(in, a.node, da, b.node, db);
  return n;
}

static Number made1(Interp *in, double x, Number a, double da) {
  return made(in, x, a, da, real_number(0), 0);
}

/* An adjoint of zero passes nothing on, however steep the function is there. */
void sweep(Interp *in, int from) {
  in->taping = false;
  in->adjoint = NEWN(in->arena, double, in->tape.n + 1);
  in->adjoint[from] = 1;
  for (int k = in->tape.n - 1; k > 0; k--) {
    const TapeNode *n = &in->tape.at[k];
    if (n->call) clause_gradients(in, n->call);
    for (int i = 0; i < 2 && in->adjoint[k] != 0; i++)
      if (n->from[i]) in->adjoint[n->from[i]] += in->adjoint[k] * n->slope[i];
  }
}

/* ---- whole numbers ------------------------------------------------------------------ */

static int64_t exact(Interp *in, bool fits, int64_t x, Span at) {
  if (!fits && !in->dry) give_up(in, INTERP_NO_VALUE, at, "an integer leaves 64 bits");
  return fits ? x : 0;
}

void check_kept(Interp *in, Number a, Span at) {
  if (a.kind == INTERP_WHOLE && (a.whole < INT32_MIN || a.whole > INT32_MAX) && !in->dry)
    give_up(in, INTERP_NO_VALUE, at, "an integer that is kept, %lld, leaves 32 bits",
            (long long)a.whole);
}

static Number whole_binary(Interp *in, AOp op, int64_t a, int64_t b, Span at) {
  int64_t x = 0;
  bool leaves = false;
  if ((op == OP_DIV || op == OP_MOD) && b == 0) {
    if (!in->dry) give_up(in, INTERP_NO_VALUE, at, "an integer is divided by 0");
    return whole_number(0);
  }
  if (op == OP_ADD) leaves = __builtin_add_overflow(a, b, &x);
  if (op == OP_SUB) leaves = __builtin_sub_overflow(a, b, &x);
  if (op == OP_MUL) leaves = __builtin_mul_overflow(a, b, &x);
  if (op == OP_DIV && b == -1) leaves = __builtin_sub_overflow((int64_t)0, a, &x);
  if (op == OP_DIV && b != -1) x = a / b - (a % b != 0 && (a % b < 0) != (b < 0));
  if (op == OP_MOD && b != -1) x = a % b + (a % b != 0 && (a % b < 0) != (b < 0) ? b : 0);
  return whole_number(exact(in, !leaves, x, at));
}

/* ---- real numbers ------------------------------------------------------------------- */

static Number power(Interp *in, Number a, Number b) {
  double x = a.real, y = b.real, p = pow(x, y);
  return made(in, p, a, y == 0 ? 0 : y * pow(x, y - 1), b, x > 0 ? p * log(x) : 0);
}

static Number remainder_of(Interp *in, Number a, Number b, Span at) {
  double r = fmod(a.real, b.real);
  if (r != 0 && (r < 0) != (b.real < 0)) r += b.real;
  if (b.node) UNCOVERED(in, at, "a gradient by the divisor of %%");
  return made1(in, r, a, 1);
}

static Number real_binary(Interp *in, AOp op, Number a, Number b, Span at) {
  double x = a.real, y = b.real;
  switch (op) {
  case OP_ADD: return made(in, x + y, a, 1, b, 1);
  case OP_SUB: return made(in, x - y, a, 1, b, -1);
  case OP_MUL: return made(in, x * y, a, y, b, x);
  case OP_DIV: return made(in, x / y, a, 1 / y, b, -(x / y) / y);
  case OP_POW: return power(in, a, b);
  case OP_MOD: return remainder_of(in, a, b, at);
  case OP_LT:
  case OP_LE:
  case OP_GT:
  case OP_GE:
  case OP_EQ:
  case OP_NE:
  case OP_AND:
  case OP_OR:
  case OP_NEG:
  case OP_NOT: break;
  }
  UNCOVERED(in, at, "this operator");
}

#define COMPARE(a, b)         \
  (op == OP_LT   ? (a) < (b)  \
   : op == OP_LE ? (a) <= (b) \
   : op == OP_GT ? (a) > (b)  \
   : op == OP_GE ? (a) >= (b) \
   : op == OP_EQ ? (a) == (b) \
                 : (a) != (b))

static bool compares(AOp op) {
  return op == OP_LT || op == OP_LE || op == OP_GT || op == OP_GE || op == OP_EQ || op == OP_NE;
}

/* x ^ n with a small whole n is a product: of an integer an integer, exactly. */
static Number product_of(Interp *in, Number a, int64_t n, Span at) {
  Number p = a;
  for (int64_t i = 1; i < n; i++) p = binary(in, OP_MUL, p, a, false, at);
  return p;
}

Number binary(Interp *in, AOp op, Number a, Number b, bool floors, Span at) {
  bool whole = a.kind != INTERP_REAL && b.kind != INTERP_REAL;
  if (op == OP_AND) return truth(a.whole && b.whole);
  if (op == OP_OR) return truth(a.whole || b.whole);
  if (compares(op))
    return truth(whole ? COMPARE(a.whole, b.whole) : COMPARE(real_of(a), real_of(b)));
  if (a.kind == INTERP_TRUTH || b.kind == INTERP_TRUTH)
    UNCOVERED(in, at, "arithmetic on truth values");
  if (op == OP_POW && b.kind == INTERP_WHOLE && b.node == 0 && b.whole >= 1 && b.whole <= 8)
    return product_of(in, a, b.whole, at);
  if (whole && op != OP_POW && (op != OP_DIV || floors))
    return whole_binary(in, op, a.whole, b.whole, at);
  return real_binary(in, op, as_real(a), as_real(b), at);
}

Number unary(Interp *in, AOp op, Number a, Span at) {
  if (op == OP_NOT) return truth(!a.whole);
  if (a.kind == INTERP_REAL) return made1(in, -a.real, a, -1);
  return whole_binary(in, OP_SUB, 0, a.whole, at);
}

Number extreme(Interp *in, bool most, Number a, Number b) {
  (void)in;
  if (a.kind == INTERP_REAL || b.kind == INTERP_REAL) {
    a = as_real(a), b = as_real(b);
    if (isnan(a.real)) return a;
    return isnan(b.real) || (most ? b.real > a.real : b.real < a.real) ? b : a;
  }
  return (most ? b.whole > a.whole : b.whole < a.whole) ? b : a;
}

/* ---- functions of numbers ----------------------------------------------------------- */

static const char *const functions[] = {
    "exp",  "expm1", "log",   "log1p", "pow", "sqrt", "rsqrt",   "sin", "cos",  "atan",
    "tanh", "abs",   "floor", "round", "min", "max",  "sigmoid", "erf", "real", "int"};

bool is_function_of_numbers(const char *name) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (!strcmp(functions[i], name)) return true;
  return false;
}

static Number int_of(double x) {
  double f = floor(x);
  if (isnan(f)) return whole_number(0);
  return whole_number(f < INT32_MIN ? INT32_MIN : f > INT32_MAX ? INT32_MAX : (int64_t)f);
}

static Number of_one(Interp *in, const char *f, Number a, Span at) {
  double x = a.real, y;
#define IS(name) (!strcmp(f, name))
  if (IS("exp")) return y = exp(x), made1(in, y, a, y);
  if (IS("expm1")) return y = expm1(x), made1(in, y, a, y + 1);
  if (IS("log")) return made1(in, log(x), a, 1 / x);
  if (IS("log1p")) return made1(in, log1p(x), a, 1 / (1 + x));
  if (IS("sqrt")) return y = sqrt(x), made1(in, y, a, 0.5 / y);
  if (IS("rsqrt")) return y = 1 / sqrt(x), made1(in, y, a, -0.5 * y / x);
  if (IS("sin")) return made1(in, sin(x), a, cos(x));
  if (IS("cos")) return made1(in, cos(x), a, -sin(x));
  if (IS("atan")) return made1(in, atan(x), a, 1 / (1 + x * x));
  if (IS("tanh")) return y = tanh(x), made1(in, y, a, 1 - y * y);
  if (IS("sigmoid")) return y = 1 / (1 + exp(-x)), made1(in, y, a, y * (1 - y));
  if (IS("erf")) return made1(in, erf(x), a, 2 / sqrt(acos(-1)) * exp(-x * x));
  if (IS("abs")) return made1(in, fabs(x), a, x < 0 ? -1 : 1);
  if (IS("floor")) return real_number(floor(x));
  if (IS("round")) return real_number(rint(x));
  if (IS("int")) return int_of(x);
#undef IS
  UNCOVERED(in, at, "the function %s", f);
}

Number apply(Interp *in, const char *f, const Number *a, int n, Span at) {
  if (!strcmp(f, "min") || !strcmp(f, "max")) {
    Number x = a[0];
    bool real = false;
    for (int i = 0; i < n; i++) real = real || a[i].kind == INTERP_REAL;
    for (int i = 1; i < n; i++) x = extreme(in, f[1] == 'a', x, a[i]);
    return real ? as_real(x) : x;
  }
  if (!strcmp(f, "pow") && n == 2) return power(in, as_real(a[0]), as_real(a[1]));
  if (n != 1) UNCOVERED(in, at, "%s of %d numbers", f, n);
  if (!strcmp(f, "real")) return as_real(a[0]);
  if (!strcmp(f, "abs") && a[0].kind == INTERP_WHOLE)
    return a[0].whole < 0 ? unary(in, OP_NEG, a[0], at) : a[0];
  return of_one(in, f, as_real(a[0]), at);
}
