/* SPDX-License-Identifier: MIT */
/* Gradients: every rule of reverse mode on graphs built by hand, against central
 * differences: expressions, indices, reducers, views. */
#include <math.h>
#include <string.h>

#include "compiler/eval/eval.h"
#include "tests/grads.h"

/* ---- scalar expressions ------------------------------------------------------------ */

TEST(primitives) {
  Node *x = STATE("x", 5), *z = STATE("z", 5);
  Expr *a = READ(x, V(0)), *b = READ(z, V(0)), *p = ADD(MUL(a, a), NUM(0.5));
  Expr *e = MUL(F(exp, MUL(a, NUM(0.3))), F(log, p));
  e = ADD(e, ADD(F(sqrt, p), F(rsqrt, p)));
  e = ADD(e, MUL(F(tanh, a), F(sigmoid, b)));
  e = ADD(e, SUB(F(erf, a), MUL(F(sin, b), F(cos, a))));
  e = ADD(e, DIV(a, ADD(MUL(b, b), NUM(1))));
  e = ADD(e, ex2(g, P_pow, p, b));
  e = ADD(e, ADD(ex2(g, P_pow, a, NUM(2)), ex2(g, P_pow, a, NUM(3))));
  e = ADD(e, ADD(ex2(g, P_max, a, b), ex2(g, P_min, a, MUL(b, b))));
  e = ADD(e, SUB(F(abs, a), F(neg, b)));
  e = ADD(e, ex2(g, P_mod, ADD(a, NUM(10.3)), NUM(3)));
  e = ADD(e, ADD(ex2(g, P_pow, a, NUM(0)), ex2(g, P_pow, a, NUM(1))));
  CHECK(MAP("y", e, 5), x, z);
}

/* sqrt of a negative number stands in the branch not taken. */
TEST(untaken_branches) {
  Node *x = STATE("x", 16);
  Expr *a = READ(x, V(0)), *positive = LT(NUM(0), a);
  Expr *inner = SELECT(positive, F(log, a), F(sqrt, F(neg, a)));
  Expr *e = MUL(SELECT(positive, F(sqrt, a), NUM(0)), NUM(3));
  e = ADD(e, MUL(inner, a));
  e = ADD(e, SELECT(LT(a, NUM(0.5)), F(log, SUB(NUM(0.5), a)), F(sqrt, SUB(a, NUM(0.5)))));
  CHECK(MAP("y", e, 16), x);
}

TEST(guarded_sum_hides_nan) {
  Node *x = STATE("x", 4, 6);
  Expr *a = READ(x, V(0), V(1));
  CHECK(COMP("y", RED_SUM, 1, LT(NUM(0), a), MUL(F(sqrt, a), F(log, a)), 4, 6), x);
}

TEST(many_branches_are_merged) {
  Node *x = STATE("x", 12);
  Expr *a = READ(x, V(0)), *s = F(sqrt, F(abs, a)), *e = NUM(0);
  for (int i = 0; i < 9; i++)
    e = ADD(e,
            SELECT(LT(a, NUM(0.2 * i - 0.8)), MUL(s, NUM(i + 1)), F(log, ADD(F(abs, s), NUM(1)))));
  CHECK(MAP("y", F(tanh, e), 12), x);
}

TEST(chain_of_maps) {
  Node *x = STATE("x", 3, 4), *s = STATE("s", 4);
  Node *a = MAP("a", MUL(READ(x, V(0), V(1)), READ(s, V(1))), 3, 4);
  Node *b = MAP("b", F(tanh, READ(a, V(0), V(1))), 3, 4);
  Node *c = MAP("c", ADD(MUL(READ(a, V(0), V(1)), READ(b, V(0), V(1))), READ(x, V(0), V(1))), 3, 4);
  CHECK(c, x, s);
}

/* ---- indices ----------------------------------------------------------------------- */

TEST(matmul) {
  Node *a = STATE("a", 4, 5), *b = STATE("b", 5, 3);
  CHECK(COMP("c", RED_SUM, 2, NULL, MUL(READ(a, V(0), V(2)), READ(b, V(2), V(1))), 4, 3, 5), a, b);
}

TEST(matmul_extent_1) {
  Node *a = STATE("a", 1, 5), *b = STATE("b", 5, 1);
  Node *c = COMP("c", RED_SUM, 2, NULL, MUL(READ(a, V(0), V(2)), READ(b, V(2), V(1))), 1, 1, 5);
  Node *d = STATE("d", 1, 1);
  CHECK(COMP("e", RED_SUM, 2, NULL, MUL(READ(c, V(0), V(2)), READ(d, V(2), V(1))), 1, 1, 1), a, b,
        d);
}

TEST(permutation_and_broadcast) {
  Node *x = STATE("x", 2, 3, 4), *b = STATE("b", 3);
  Expr *e = MUL(READ(x, V(2), V(0), V(1)), READ(b, V(0)));
  CHECK(MAP("y", e, 3, 4, 2), x, b);
}

TEST(diagonal) {
  Node *x = STATE("x", 4, 4), *z = STATE("z", 3, 5);
  Node *y = COMP("y", RED_SUM, 1, NULL, MUL(READ(x, V(0), V(0)), READ(z, V(1), V(1))), 4, 3);
  CHECK(y, x, z);
}

TEST(constant_index) {
  Node *x = STATE("x", 3, 4);
  Expr *e = ADD(MUL(READ(x, INT(0), V(0)), READ(x, INT(2), V(0))), READ(x, INT(1), INT(3)));
  CHECK(MAP("y", e, 4), x);
}

TEST(shift_with_else) {
  Node *x = STATE("x", 7);
  Expr *i = SUB(V(0), INT(2)), *ok = AND(LE(INT(0), i), LT(i, INT(7)));
  CHECK(MAP("y", MUL(SELECT(ok, READ(x, i), NUM(0.3)), READ(x, SUB(INT(6), V(0)))), 7), x);
}

/* y[b,l,o] = sum_{k,c} x[b, l + k - 1 else 0, c] * w[k,c,o] */
TEST(convolution_padded) {
  Node *x = STATE("x", 2, 6, 3), *w = STATE("w", 3, 3, 2);
  Expr *at = SUB(ADD(V(1), V(3)), INT(1)), *ok = AND(LE(INT(0), at), LT(at, INT(6)));
  Expr *body = MUL(READ(x, V(0), at, V(4)), READ(w, V(3), V(4), V(2)));
  CHECK(COMP("y", RED_SUM, 3, ok, body, 2, 6, 2, 3, 3), x, w);
}

TEST(convolution_strided) {
  Node *x = STATE("x", 2, 9), *w = STATE("w", 3);
  Expr *body = MUL(READ(x, V(0), ADD(MUL(INT(2), V(1)), V(2))), READ(w, V(2)));
  CHECK(COMP("y", RED_SUM, 2, NULL, body, 2, 4, 3), x, w);
}

TEST(convolution_dilated) {
  Node *x = STATE("x", 11), *w = STATE("w", 3);
  Expr *body = MUL(READ(x, ADD(V(0), MUL(INT(3), V(1)))), READ(w, V(1)));
  CHECK(COMP("y", RED_SUM, 1, NULL, body, 5, 3), x, w);
}

TEST(convolution_strided_dilated) {
  Node *x = STATE("x", 16), *w = STATE("w", 3);
  Expr *body = MUL(READ(x, ADD(MUL(INT(2), V(0)), MUL(INT(4), V(1)))), READ(w, V(1)));
  CHECK(COMP("y", RED_SUM, 1, NULL, body, 4, 3), x, w);
}

TEST(blocks_and_digits) {
  Node *x = STATE("x", 12), *z = STATE("z", 30);
  Node *y = MAP("y", MUL(READ(x, ADD(MUL(INT(3), V(0)), V(1))), NUM(1.5)), 4, 3);
  CHECK(y, x);
  Expr *at = ADD(ADD(MUL(INT(10), V(0)), MUL(INT(3), V(1))), ADD(V(2), INT(1)));
  CHECK(MAP("u", F(sin, READ(z, at)), 2, 3, 2), z);
}

TEST(strided_slice) {
  Node *x = STATE("x", 10);
  CHECK(MAP("y", F(sin, READ(x, ADD(MUL(INT(3), V(0)), INT(1)))), 3), x);
  Node *r = STATE("r", 10);
  CHECK(MAP("u", F(sin, READ(r, SUB(INT(9), MUL(INT(3), V(0))))), 4), r);
}

TEST(mixed_equations) {
  Node *x = STATE("x", 9, 5), *z = STATE("z", 12, 12);
  CHECK(MAP("y", F(sin, READ(x, ADD(V(0), V(1)), V(1))), 5, 5), x);
  Expr *i = ADD(V(0), V(1)), *j = ADD(SUB(V(0), V(1)), INT(4));
  CHECK(MAP("u", F(sin, READ(z, i, j)), 5, 5), z);
  Node *q = STATE("q", 16, 16);
  CHECK(MAP("v", F(sin, READ(q, ADD(MUL(INT(2), V(0)), V(1)), ADD(MUL(INT(3), V(0)), V(1)))), 3, 5),
        q);
}

/* each x[s] scatters a kernel: y[p] = sum_{s,k: 2 s + k = p} x[s] w[k] */
TEST(transposed_convolution) {
  Node *x = STATE("x", 4), *w = STATE("w", 3);
  Expr *d = SUB(V(0), MUL(INT(2), V(1))), *ok = AND(LE(INT(0), d), LT(d, INT(3)));
  CHECK(COMP("y", RED_SUM, 1, ok, MUL(READ(x, V(1)), READ(w, d)), 9, 4), x, w);
}

TEST(flattened) {
  Node *x = STATE("x", 3, 4);
  CHECK(MAP("y", F(sin, READ(x, DIV(V(0), INT(4)), ex2(g, P_mod, V(0), INT(4)))), 12), x);
}

/* repeated, tiled, and both at once with a remainder left over */
TEST(quotients_and_remainders) {
  Node *x = STATE("x", 4), *z = STATE("z", 3), *q = STATE("q", 3, 5);
  Expr *s = F(sin, READ(x, DIV(V(0), INT(3))));
  CHECK(MAP("y", MUL(s, READ(z, ex2(g, P_mod, ADD(V(0), INT(2)), INT(3)))), 11), x, z);
  Expr *i = ADD(V(0), MUL(INT(2), V(1)));
  CHECK(MAP("u", F(sin, READ(q, DIV(i, INT(4)), ex2(g, P_mod, i, INT(4)))), 3, 4), q);
}

TEST(cumulative_sum) {
  Node *x = STATE("x", 6, 2);
  Expr *a = READ(x, V(2), V(1));
  CHECK(COMP("y", RED_SUM, 2, LE(V(2), V(0)), MUL(a, a), 6, 2, 6), x);
}

TEST(gather_rows) {
  Node *e = STATE("e", 5, 3), *w = STATE("w", 3, 2);
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){7}, 0, 4, nowhere);
  Node *h = MAP("h", READ(e, READ(id, V(0)), V(1)), 7, 3);
  CHECK(h, e);
  Expr *body = MUL(READ(e, READ(id, V(0)), V(2)), READ(w, V(2), V(1)));
  CHECK(COMP("y", RED_SUM, 2, NULL, body, 7, 2, 3), e, w);
}

TEST(gather_guarded) {
  Node *e = STATE("e", 5), *w = STATE("w", 4);
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){7}, 0, 4, nowhere);
  Expr *before = SUB(V(0), INT(1));
  Expr *body = MUL(READ(e, READ(id, before)), READ(w, V(1)));
  CHECK(COMP("y", RED_SUM, 1, AND(LE(INT(1), V(0)), LE(V(1), READ(id, V(0)))), body, 7, 4), e, w);
}

TEST(scatter) {
  Node *x = STATE("x", 7, 2), *w = STATE("w", 2);
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){7}, 0, 4, nowhere);
  Expr *body = MUL(F(sin, READ(x, V(0), V(1))), READ(w, V(1)));
  Node *y = ir_scatter(g, g->top, "y", nowhere, 2, (int64_t[]){5, 2}, 2, (int64_t[]){7, 2},
                       (Expr *[]){READ(id, V(0)), V(1)}, LT(INT(0), V(0)), body);
  CHECK(y, x, w);
}

/* ---- reducers ---------------------------------------------------------------------- */

TEST(extrema) {
  Node *x = STATE("x", 4, 3, 2), *b = STATE("b", 3);
  Expr *body = MUL(READ(x, V(0), V(1), V(2)), READ(b, V(1)));
  Node *hi = COMP("hi", RED_MAX, 1, NULL, body, 4, 3, 2);
  Node *lo = COMP("lo", RED_MIN, 1, LE(V(2), V(1)), body, 4, 3, 2);
  CHECK(MAP("y", MUL(READ(hi, V(0)), ADD(READ(lo, V(0)), NUM(2))), 4), x, b);
}

/* dloss/dx of sum(y) at given values */
static const double *gradient(Test *t, Node *y, Node *x, const double *values) {
  Graph *g = t->g;
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(y, V(0)), y->shape[0]), *d;
  assert_true(grad_reverse(g, t->diags, loss, &x, 1, &d));
  Eval *ev = eval_new(g, 1, 1);
  memcpy(eval_bind(ev, x), values, (size_t)ir_count(x) * sizeof *values);
  const char *error = eval_run(ev);
  if (error) print_message("%s\n", error);
  assert_null(error);
  double *out = arena_alloc(t->arena, (size_t)ir_count(x) * sizeof *out);
  memcpy(out, eval_value(ev, d), (size_t)ir_count(x) * sizeof *out);
  eval_free(ev);
  return out;
}

static void expect(const double *got, const double *want, int n) {
  for (int i = 0; i < n; i++) assert_true(fabs(got[i] - want[i]) < 1e-12);
}

TEST(first_winner_takes_all) {
  Node *x = STATE("x", 2, 4);
  Node *y = COMP("y", RED_MAX, 1, NULL, READ(x, V(0), V(1)), 2, 4);
  expect(gradient(t, y, x, (double[]){1, 3, 3, 2, 5, 5, 5, 5}), (double[]){0, 1, 0, 0, 1, 0, 0, 0},
         8);
  Node *z = COMP("z", RED_MIN, 1, NULL, READ(x, V(0), V(1)), 2, 4);
  expect(gradient(t, z, x, (double[]){1, 0, 0, 2, 5, 5, 5, 5}), (double[]){0, 1, 0, 0, 1, 0, 0, 0},
         8);
}

TEST(product) {
  Node *x = STATE("x", 3, 4), *s = STATE("s", 3);
  Expr *body = ADD(READ(x, V(0), V(1)), READ(s, V(0)));
  CHECK(COMP("y", RED_PROD, 1, LE(V(1), ADD(V(0), INT(1))), body, 3, 4), x, s);
}

TEST(product_counts_zeros) {
  Node *x = STATE("x", 3, 3);
  Node *y = COMP("y", RED_PROD, 1, NULL, READ(x, V(0), V(1)), 3, 3);
  expect(gradient(t, y, x, (double[]){2, 3, 4, 2, 0, 4, 0, 5, 0}),
         (double[]){12, 8, 6, 0, 8, 0, 0, 0, 0}, 9);
}

TEST(softmax_cross_entropy) {
  Node *x = STATE("x", 3, 5);
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){3}, 0, 4, nowhere);
  Node *m = COMP("m", RED_MAX, 1, NULL, READ(x, V(0), V(1)), 3, 5);
  m->vjp = NEW(t->arena, Vjp); /* the shift is a constant to differentiation */
  Node *s = COMP("s", RED_SUM, 1, NULL, F(exp, SUB(READ(x, V(0), V(1)), READ(m, V(0)))), 3, 5);
  CHECK(
      MAP("nll", SUB(ADD(F(log, READ(s, V(0))), READ(m, V(0))), READ(x, V(0), READ(id, V(0)))), 3),
      x);
}

/* ---- views and packs --------------------------------------------------------------- */

TEST(views_and_packs) {
  Node *flat = STATE("flat", 20), *x = STATE("x", 2, 2);
  Node *a = ir_view(g, g->top, "a", flat, 2, 2, (int64_t[]){2, 3}, nowhere);
  Node *b = ir_view(g, g->top, "b", flat, 10, 1, (int64_t[]){4}, nowhere);
  Node *c = COMP("c", RED_SUM, 1, NULL, MUL(READ(a, V(0), V(1)), READ(b, V(1))), 2, 3);
  Node *q = ir_pack(g, g->top, "q", (Node *[]){c, x, b}, 3, nowhere);
  CHECK(MAP("y", F(sin, READ(q, V(0))), 10), flat, x);
}

TEST(overlapping_views) {
  Node *flat = STATE("flat", 8);
  Node *a = ir_view(g, g->top, "a", flat, 0, 2, (int64_t[]){2, 3}, nowhere);
  Node *b = ir_view(g, g->top, "b", flat, 2, 2, (int64_t[]){3, 2}, nowhere);
  CHECK(MAP("y", MUL(READ(a, V(0), V(1)), READ(b, V(1), V(0))), 2, 3), flat);
}

TEST(views_as_parameters) {
  Node *flat = STATE("flat", 10);
  Node *a = ir_view(g, g->top, "a", flat, 0, 2, (int64_t[]){2, 3}, nowhere);
  Node *b = ir_view(g, g->top, "b", flat, 6, 1, (int64_t[]){3}, nowhere), *d[2];
  Node *loss = COMP("loss", RED_SUM, 0, NULL, MUL(READ(a, V(0), V(1)), READ(b, V(1))), 2, 3);
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){a, b}, 2, d));
  assert_int_equal(d[0]->rank, 2);
  assert_int_equal(d[1]->shape[0], 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      T(primitives),
      T(untaken_branches),
      T(guarded_sum_hides_nan),
      T(many_branches_are_merged),
      T(chain_of_maps),
      T(matmul),
      T(matmul_extent_1),
      T(permutation_and_broadcast),
      T(diagonal),
      T(constant_index),
      T(shift_with_else),
      T(convolution_padded),
      T(convolution_strided),
      T(convolution_dilated),
      T(convolution_strided_dilated),
      T(blocks_and_digits),
      T(strided_slice),
      T(mixed_equations),
      T(transposed_convolution),
      T(flattened),
      T(quotients_and_remainders),
      T(cumulative_sum),
      T(gather_rows),
      T(gather_guarded),
      T(scatter),
      T(extrema),
      T(first_winner_takes_all),
      T(product),
      T(product_counts_zeros),
      T(softmax_cross_entropy),
      T(views_and_packs),
      T(overlapping_views),
      T(views_as_parameters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
