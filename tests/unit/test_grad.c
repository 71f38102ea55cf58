/* SPDX-License-Identifier: MIT */
/* Gradients: every rule of reverse mode on graphs built by hand, against central
 * differences; and the structure of what comes out, where it matters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/check/gradcheck.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/verify.h"

typedef struct Test {
  Arena *arena;
  Interner *names;
  Diags *diags;
  Graph *g;
} Test;

static int set_up(void **state) {
  Test *t = test_calloc(1, sizeof *t);
  t->arena = arena_new();
  t->names = interner_new(t->arena);
  t->diags = diags_new(t->arena);
  t->g = graph_new(t->arena, t->names, "test");
  *state = t;
  return 0;
}

static int tear_down(void **state) {
  Test *t = *state;
  arena_free(t->arena);
  test_free(t);
  return 0;
}

/* ---- building ---------------------------------------------------------------------- */

static const Span nowhere;

#define COUNT(...) ((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))
#define STATE(name, ...) \
  ir_state(g, name, TY_REAL, COUNT(__VA_ARGS__), (int64_t[]){__VA_ARGS__}, nowhere)
#define READ(node, ...) ex_read(g, node, (Expr *[]){__VA_ARGS__})
#define READ0(node) ex_read(g, node, NULL)
#define V(k) ex_var(g, k)
#define NUM(x) ex_num(g, x)
#define INT(x) ex_int(g, x)
#define ADD(a, b) ex2(g, P_add, a, b)
#define SUB(a, b) ex2(g, P_sub, a, b)
#define MUL(a, b) ex2(g, P_mul, a, b)
#define DIV(a, b) ex2(g, P_div, a, b)
#define LT(a, b) ex2(g, P_lt, a, b)
#define LE(a, b) ex2(g, P_le, a, b)
#define AND(a, b) ex2(g, P_and, a, b)
#define F(p, a) ex1(g, P_##p, a)
#define SELECT(c, a, b) ex3(g, P_select, c, a, b)
/* rank output extents, then the reduced ones */
#define COMP_IN(region, name, red, rank, guard, body, ...)                                       \
  ir_comp(g, region, name, nowhere, rank, COUNT(__VA_ARGS__) - (rank), (int64_t[]){__VA_ARGS__}, \
          red, guard, body)
#define COMP(name, red, rank, guard, body, ...) \
  COMP_IN(g->top, name, red, rank, guard, body, __VA_ARGS__)
#define MAP(name, body, ...) COMP(name, RED_NONE, COUNT(__VA_ARGS__), NULL, body, __VA_ARGS__)

static void check_filled(Test *t, Node *out, int n, Node **wrt, GradcheckFill *fill) {
  GradcheckReport r;
  GradcheckOptions o = {.seed = 7, .fill = fill};
  bool ok = gradcheck(t->g, t->diags, out, wrt, n, &o, &r);
  if (r.error) print_message("%s\n", r.error);
  if (!ok)
    print_message("%s[%d]: derived %g, numeric %g\n", r.name ? r.name : "?", (int)r.element,
                  r.derived, r.numeric);
  assert_true(ok);
  assert_true(r.compared > 0);
  const char *broken = ir_verify(t->g);
  if (broken) print_message("%s\n", broken);
  assert_null(broken);
}

#define CHECK(out, ...)                                                         \
  check_filled(t, out, (int)(sizeof((Node *[]){__VA_ARGS__}) / sizeof(Node *)), \
               (Node *[]){__VA_ARGS__}, NULL)
#define TEST(name)                            \
  static void name##_body(Test *t, Graph *g); \
  static void name(void **state) {            \
    Test *t = *state;                         \
    name##_body(t, t->g);                     \
  }                                           \
  static void name##_body(Test *t, Graph *g)

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

/* ---- loops ------------------------------------------------------------------------- */

/* h = tanh(h w[i] + b[i]), `count` layers */
static Node *layers(Graph *g, Node *x, Node *w, Node *b, int64_t count) {
  Loop *l = ir_loop(g, g->top, "i", count, false, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  Expr *i = ex_loopvar(g, l);
  Node *a = COMP_IN(l->body, "a", RED_SUM, 2, NULL,
                    MUL(READ(h, V(0), V(2)), READ(w, i, V(2), V(1))), 2, 3, 3);
  Expr *next = ADD(F(tanh, ADD(READ(a, V(0), V(1)), READ(b, i, V(1)))), READ(h, V(0), V(1)));
  l->carries.at[0].next = COMP_IN(l->body, "next", RED_NONE, 2, NULL, next, 2, 3);
  return ir_final(g, l, 0);
}

TEST(layer_loop) {
  Node *x = STATE("x", 2, 3), *w = STATE("w", 4, 3, 3), *b = STATE("b", 4, 3);
  CHECK(layers(g, x, w, b, 4), x, w, b);
}

TEST(layer_loop_once) {
  Node *x = STATE("x", 2, 3), *w = STATE("w", 1, 3, 3), *b = STATE("b", 1, 3);
  CHECK(layers(g, x, w, b, 1), x, w, b);
}

/* the same weights in each layer, and a conditioning vector: sums over iterations */
TEST(layer_loop_shared) {
  Node *x = STATE("x", 5, 3), *w = STATE("w", 3, 3), *c = STATE("c", 3),
       *k = ir_state(g, "k", TY_REAL, 0, NULL, nowhere);
  Loop *l = ir_loop(g, g->top, "i", 3, true, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  Node *a = COMP_IN(l->body, "a", RED_SUM, 2, NULL, MUL(READ(h, V(0), V(2)), READ(w, V(2), V(1))),
                    5, 3, 3);
  Expr *e =
      F(tanh, ADD(ADD(READ(a, V(0), V(1)), READ(c, V(1))), MUL(READ0(k), READ(h, V(0), INT(1)))));
  l->carries.at[0].next = COMP_IN(l->body, "next", RED_NONE, 2, NULL, e, 5, 3);
  CHECK(ir_final(g, l, 0), x, w, c, k);
}

/* y[b,t,k]: a GRU over x[b,t,i]; `around`: the region, `layer`: NULL or the layer's counter */
typedef struct Gru {
  Node *y, *last;
} Gru;

static Expr *weight(Graph *g, Node *w, Expr *layer, Expr *a, Expr *b, Expr *c) {
  if (layer) return READ(w, layer, a, b, c);
  return READ(w, a, b, c);
}

static Gru gru(Graph *g, Region *around, Node *x, Node *h0, Node *w, Node *u, Expr *layer,
               bool inside) {
  int64_t B = x->shape[0], T = x->shape[1], I = x->shape[2], K = h0->shape[1];
  Node *a = NULL;
  if (!inside)
    a = COMP_IN(around, "a", RED_SUM, 4, NULL,
                MUL(READ(x, V(0), V(1), V(4)), weight(g, w, layer, V(2), V(4), V(3))), B, T, 3, K,
                I);
  Loop *l = ir_loop(g, around, "t", T, false, nowhere);
  Node *h = ir_carry(g, l, "h", h0);
  Expr *s = ex_loopvar(g, l), *at[3];
  if (inside)
    a = COMP_IN(l->body, "a", RED_SUM, 3, NULL,
                MUL(READ(x, V(0), s, V(3)), weight(g, w, layer, V(1), V(3), V(2))), B, 3, K, I);
  Node *c = COMP_IN(l->body, "c", RED_SUM, 3, NULL,
                    MUL(READ(h, V(0), V(3)), weight(g, u, layer, V(1), V(3), V(2))), B, 3, K, K);
  for (int k = 0; k < 3; k++)
    at[k] = inside ? READ(a, V(0), INT(k), V(1)) : READ(a, V(0), s, INT(k), V(1));
  Node *r = COMP_IN(l->body, "r", RED_NONE, 2, NULL,
                    F(sigmoid, ADD(at[0], READ(c, V(0), INT(0), V(1)))), B, K);
  Node *z = COMP_IN(l->body, "z", RED_NONE, 2, NULL,
                    F(sigmoid, ADD(at[1], READ(c, V(0), INT(1), V(1)))), B, K);
  Node *n =
      COMP_IN(l->body, "n", RED_NONE, 2, NULL,
              F(tanh, ADD(at[2], MUL(READ(r, V(0), V(1)), READ(c, V(0), INT(2), V(1))))), B, K);
  Expr *zz = READ(z, V(0), V(1));
  Node *next =
      COMP_IN(l->body, "h", RED_NONE, 2, NULL,
              ADD(MUL(SUB(NUM(1), zz), READ(n, V(0), V(1))), MUL(zz, READ(h, V(0), V(1)))), B, K);
  l->carries.at[0].next = next;
  Node *stack = ir_stack(g, l, next);
  Gru out = {COMP_IN(around, "y", RED_NONE, 3, NULL, READ(stack, V(1), V(0), V(2)), B, T, K),
             ir_final(g, l, 0)};
  return out;
}

TEST(gru_scan) {
  Node *x = STATE("x", 2, 4, 3), *h0 = STATE("h0", 2, 3), *w = STATE("w", 3, 3, 3),
       *u = STATE("u", 3, 3, 3);
  Gru r = gru(g, g->top, x, h0, w, u, NULL, false);
  Expr *e = ADD(READ(r.y, V(0), V(1), V(2)), READ(r.last, V(0), V(2)));
  CHECK(MAP("out", e, 2, 4, 3), x, h0, w, u);
}

TEST(gru_scan_projecting_inside) {
  Node *x = STATE("x", 2, 4, 3), *h0 = STATE("h0", 2, 3), *w = STATE("w", 3, 3, 3),
       *u = STATE("u", 3, 3, 3);
  CHECK(gru(g, g->top, x, h0, w, u, NULL, true).y, x, h0, w, u);
}

static void scan_in_layers(Test *t, bool inside) {
  Graph *g = t->g;
  Node *x = STATE("x", 2, 4, 3), *h0 = STATE("h0", 2, 3);
  Node *w = STATE("w", 2, 3, 3, 3), *u = STATE("u", 2, 3, 3, 3), *v = STATE("v", 3, 3, 3);
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Node *h = ir_carry(g, l, "x", x);
  Gru r = gru(g, l->body, h, h0, w, u, ex_loopvar(g, l), inside);
  Gru q = gru(g, l->body, r.y, h0, v, v, NULL, inside);
  l->carries.at[0].next =
      COMP_IN(l->body, "next", RED_NONE, 3, NULL,
              ADD(READ(q.y, V(0), V(1), V(2)), READ(h, V(0), V(1), V(2))), 2, 4, 3);
  CHECK(ir_final(g, l, 0), x, h0, w, u, v);
}

TEST(scan_in_layer_loop) {
  (void)g;
  scan_in_layers(t, false);
}
TEST(scan_in_layer_loop_projecting_inside) {
  (void)g;
  scan_in_layers(t, true);
}

/* reads around the counter, an outer table's fixed row, swapped carries, emitted carries */
TEST(loop_odds_and_ends) {
  Node *x = STATE("x", 8, 2), *p = STATE("p", 2), *q = STATE("q", 2), *w = STATE("w", 3);
  Loop *l = ir_loop(g, g->top, "t", 5, false, nowhere);
  Expr *s = ex_loopvar(g, l);
  Node *a = ir_carry(g, l, "a", p), *b = ir_carry(g, l, "b", q);
  Node *c = COMP_IN(l->body, "c", RED_SUM, 1, NULL, MUL(READ(x, ADD(s, V(1)), V(0)), READ(w, V(1))),
                    2, 3);
  Expr *e = ADD(MUL(READ(a, V(0)), READ(x, ADD(s, INT(2)), V(0))), F(sin, READ(c, V(0))));
  e = ADD(e, MUL(READ(x, INT(7), V(0)), READ(x, SUB(INT(4), s), INT(1))));
  Node *n = COMP_IN(l->body, "n", RED_NONE, 1, NULL, e, 2);
  l->carries.at[0].next = b;
  l->carries.at[1].next = n;
  Node *sa = ir_stack(g, l, a), *sn = ir_stack(g, l, n), *sp = ir_stack(g, l, c);
  Expr *out =
      MUL(READ(sa, V(0), V(1)), ADD(READ(sn, V(0), V(1)), READ(sp, SUB(INT(4), V(0)), V(1))));
  out = ADD(out, READ(ir_final(g, l, 0), V(1)));
  CHECK(MAP("y", out, 5, 2), x, p, q, w);
}

/* reductions of every kind inside, a gather of rows, draws redrawn */
TEST(loop_of_reductions) {
  Node *x = STATE("x", 3, 4), *e = STATE("e", 5, 4), *k = STATE("k", 2, 4);
  Node *id = ir_input(g, "id", TY_INT, 2, (int64_t[]){3, 4}, 0, 4, nowhere);
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Expr *i = ex_loopvar(g, l);
  Node *h = ir_carry(g, l, "h", x);
  Node *m =
      COMP_IN(l->body, "m", RED_MAX, 1, NULL, MUL(READ(h, V(0), V(1)), READ(k, i, V(1))), 3, 4);
  Node *v =
      COMP_IN(l->body, "v", RED_SUM, 1, NULL, MUL(READ(h, V(0), V(1)), READ(h, V(0), V(1))), 3, 4);
  Node *r = COMP_IN(l->body, "r", RED_NONE, 1, NULL, F(rsqrt, ADD(READ(v, V(0)), NUM(0.1))), 3);
  Expr *draw = ex2(g, P_uniform, INT(77), ADD(ADD(MUL(INT(12), i), MUL(INT(4), V(0))), V(1)));
  Expr *row = READ(e, READ(id, V(0), V(1)), V(1));
  Expr *n = ADD(MUL(READ(h, V(0), V(1)), READ(r, V(0))), MUL(row, READ(m, V(0))));
  n = ADD(SELECT(LT(draw, NUM(0.5)), MUL(n, NUM(2)), NUM(0)), READ(h, V(0), V(1)));
  l->carries.at[0].next = COMP_IN(l->body, "next", RED_NONE, 2, NULL, n, 3, 4);
  CHECK(ir_final(g, l, 0), x, e, k);
}

TEST(loops_without_parameters_stay) {
  Node *x = STATE("x", 3), *z = STATE("z", 3);
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Node *h = ir_carry(g, l, "h", z);
  l->carries.at[0].next = COMP_IN(l->body, "next", RED_NONE, 1, NULL, F(sin, READ(h, V(0))), 3);
  Node *f = ir_final(g, l, 0);
  int loops = g->loops.n;
  CHECK(MAP("y", MUL(READ(f, V(0)), READ(x, V(0))), 3), x);
  assert_int_equal(g->loops.n, loops);
  assert_int_equal(l->emits.n, 0);
}

/* ---- users' derivatives ------------------------------------------------------------ */

/* y = round(x) with dx = dy * s, computed in a region */
static Node *straight_through(Test *t, Region *r, Node *x, Node *s) {
  Graph *g = t->g;
  Node *y = COMP_IN(r, "y", RED_NONE, 1, NULL, F(round, READ(x, V(0))), 4);
  y->vjp = NEW(t->arena, Vjp);
  y->vjp->cotangent = ir_node(g, r, N_COTANGENT, TY_REAL, 1, y->shape, "dy", nowhere);
  Node *twice = COMP_IN(r, "twice", RED_NONE, 1, NULL, MUL(READ(x, V(0)), READ(s, V(0))), 4);
  Node *half = COMP_IN(r, "half", RED_NONE, 1, NULL,
                       MUL(READ(y->vjp->cotangent, V(0)), READ(twice, V(0))), 4);
  Node *dx = COMP_IN(r, "dx", RED_NONE, 1, NULL, MUL(READ(half, V(0)), NUM(0.5)), 4);
  vec_push(t->arena, &y->vjp->wrt, x);
  vec_push(t->arena, &y->vjp->adjoint, dx);
  return y;
}

TEST(users_derivative) {
  Node *x = STATE("x", 4), *s = STATE("s", 4);
  Node *y = straight_through(t, g->top, x, s);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, MUL(READ(y, V(0)), READ(s, V(0))), 4), *d;
  assert_true(grad_reverse(g, t->diags, loss, &x, 1, &d));
  Eval *ev = eval_new(g, 1, 1);
  double xs[4] = {1, 2.4, 3, -1}, ss[4] = {2, 1, 0.5, 4};
  memcpy(eval_bind(ev, x), xs, sizeof xs);
  memcpy(eval_bind(ev, s), ss, sizeof ss);
  assert_null(eval_run(ev));
  for (int i = 0; i < 4; i++)
    assert_true(fabs(eval_value(ev, d)[i] - 0.5 * ss[i] * ss[i] * xs[i]) < 1e-12);
  eval_free(ev);
}

TEST(users_derivative_in_a_loop) {
  Node *x = STATE("x", 4), *s = STATE("s", 4), *d;
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  Node *y = straight_through(t, l->body, h, s);
  l->carries.at[0].next =
      COMP_IN(l->body, "n", RED_NONE, 1, NULL, MUL(READ(y, V(0)), NUM(1.25)), 4);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(ir_final(g, l, 0), V(0)), 4);
  assert_true(grad_reverse(g, t->diags, loss, &x, 1, &d));
  Eval *ev = eval_new(g, 1, 1);
  double xs[4] = {1, 2.4, 3, -1}, ss[4] = {2, 1, 0.5, 4};
  memcpy(eval_bind(ev, x), xs, sizeof xs);
  memcpy(eval_bind(ev, s), ss, sizeof ss);
  assert_null(eval_run(ev));
  for (int i = 0; i < 4; i++) {
    double h1 = rint(xs[i]) * 1.25;
    double want = 1.25 * (0.5 * ss[i] * h1) * 1.25 * (0.5 * ss[i] * xs[i]);
    assert_true(fabs(eval_value(ev, d)[i] - want) < 1e-12);
  }
  eval_free(ev);
}

/* the adjoint is computed by a loop of its own; the forward one is in a loop */
TEST(users_derivative_with_a_loop) {
  Node *x = STATE("x", 4), *s = STATE("s", 4);
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  Node *y = COMP_IN(l->body, "y", RED_NONE, 1, NULL,
                    MUL(READ(h, V(0)), MUL(READ(s, V(0)), READ(s, V(0)))), 4);
  y->vjp = NEW(t->arena, Vjp);
  y->vjp->cotangent = ir_node(g, l->body, N_COTANGENT, TY_REAL, 1, y->shape, "dy", nowhere);
  Loop *k = ir_loop(g, l->body, "k", 2, false, nowhere); /* dy * s * s, one s at a time */
  Node *d = ir_carry(g, k, "d", y->vjp->cotangent);
  k->carries.at[0].next =
      COMP_IN(k->body, "n", RED_NONE, 1, NULL, MUL(READ(d, V(0)), READ(s, V(0))), 4);
  Node *rows = ir_stack(g, k, k->carries.at[0].next), *dx = ir_final(g, k, 0);
  Node *same = COMP_IN(l->body, "same", RED_NONE, 1, NULL,
                       MUL(NUM(0.5), ADD(READ(rows, INT(1), V(0)), READ(dx, V(0)))), 4);
  vec_push(t->arena, &y->vjp->wrt, h);
  vec_push(t->arena, &y->vjp->adjoint, same);
  l->carries.at[0].next = COMP_IN(l->body, "next", RED_NONE, 1, NULL, F(sin, READ(y, V(0))), 4);
  CHECK(ir_final(g, l, 0), x);
}

/* ---- errors ------------------------------------------------------------------------ */

static bool fails_with(Test *t, Node *loss, Node *x, int code) {
  Node *d;
  bool ok = grad_reverse(t->g, t->diags, loss, &x, 1, &d);
  bool found = false;
  for (int i = 0; i < diags_count(t->diags); i++) found |= diags_at(t->diags, i)->code == code;
  return !ok && found;
}

TEST(floor_is_an_error) {
  Node *x = STATE("x", 4);
  Node *y = COMP("y", RED_SUM, 0, NULL, MUL(F(floor, READ(x, V(0))), READ(x, V(0))), 4);
  assert_true(fails_with(t, y, x, 501));
}

TEST(integer_of_parameter_is_an_error) {
  Node *x = STATE("x", 4, 3);
  Node *a = COMP("a", RED_ARGMAX, 1, NULL, READ(x, V(0), V(1)), 4, 3);
  Node *y = COMP("y", RED_SUM, 0, NULL, F(real, ADD(READ(a, V(0)), INT(1))), 4);
  assert_true(fails_with(t, y, x, 502));
}

TEST(too_many_axes_to_keep) {
  int64_t shape[8] = {1, 1, 2, 1, 1, 1, 1, 1};
  Node *x = ir_state(g, "x", TY_REAL, 8, shape, nowhere);
  Loop *l = ir_loop(g, g->top, "i", 2, false, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  l->carries.at[0].next =
      ir_comp(g, l->body, "n", nowhere, 8, 0, shape, RED_NONE, NULL, F(sin, ir_read_all(g, h)));
  Node *loss = ir_comp(g, g->top, "loss", nowhere, 0, 8, shape, RED_SUM, NULL,
                       ir_read_all(g, ir_final(g, l, 0)));
  assert_true(fails_with(t, loss, x, 506));
}

/* floor of what depends on no parameter, an index from an argmax: no error */
TEST(constants_may_be_rounded) {
  Node *x = STATE("x", 4, 3), *z = STATE("z", 4);
  Node *a = COMP("a", RED_ARGMAX, 1, NULL, READ(x, V(0), V(1)), 4, 3);
  Expr *e = MUL(READ(x, V(0), READ(a, V(0))), F(floor, READ(z, V(0))));
  CHECK(MAP("y", e, 4), x);
}

TEST(unreached_is_null) {
  Node *x = STATE("x", 4), *z = STATE("z", 4), *d[2];
  Node *y = COMP("y", RED_SUM, 0, NULL, READ(x, V(0)), 4);
  MAP("w", READ(z, V(0)), 4);
  assert_true(grad_reverse(g, t->diags, y, (Node *[]){z, x}, 2, d));
  assert_null(d[0]);
  assert_non_null(d[1]);
}

/* ---- structure --------------------------------------------------------------------- */

/* a plain sum of products of two reads */
static bool is_product(const Node *n, int nred) {
  return n->kind == N_COMP && n->reducer == RED_SUM && n->nvars - n->rank == nred && !n->guard &&
         ex_is_prim(n->body, P_mul) && n->body->args[0]->kind == E_READ &&
         n->body->args[1]->kind == E_READ;
}

TEST(matmul_gives_two_products) {
  Node *a = STATE("a", 4, 5), *b = STATE("b", 5, 3), *r = STATE("r", 4, 3), *d[2];
  Node *c = COMP("c", RED_SUM, 2, NULL, MUL(READ(a, V(0), V(2)), READ(b, V(2), V(1))), 4, 3, 5);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, MUL(READ(c, V(0), V(1)), READ(r, V(0), V(1))), 4, 3);
  int before = g->nodes.n;
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){a, b}, 2, d));
  assert_true(is_product(d[0], 1) && is_product(d[1], 1));
  assert_string_equal(d[0]->name, "d.a");
  assert_int_equal(g->nodes.n - before, 2); /* the adjoint of c is r itself */
  assert_ptr_equal(d[0]->body, MUL(READ(r, V(0), V(2)), READ(b, V(1), V(2))));
  assert_ptr_equal(d[1]->body, MUL(READ(r, V(2), V(1)), READ(a, V(2), V(0))));
}

TEST(layer_gradients_are_stacks) {
  Node *x = STATE("x", 2, 3), *w = STATE("w", 4, 3, 3), *b = STATE("b", 4, 3), *d[2];
  Node *y = layers(g, x, w, b, 4);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(y, V(0), V(1)), 2, 3);
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){w, b}, 2, d));
  assert_int_equal(g->loops.n, 2);
  assert_true(g->loops.at[1]->reverse);
  assert_int_equal(d[0]->kind, N_STACK);
  assert_int_equal(d[1]->kind, N_STACK);
  assert_true(is_product(g->loops.at[1]->emits.at[d[0]->slot], 1));
}

/* weights of a scan: one product over time and batch */
TEST(scan_weights_are_hoisted) {
  Node *x = STATE("x", 2, 4, 9), *h0 = STATE("h0", 2, 9), *w = STATE("w", 3, 9, 9),
       *u = STATE("u", 3, 9, 9), *d[2];
  Gru r = gru(g, g->top, x, h0, w, u, NULL, false);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(r.y, V(0), V(1), V(2)), 2, 4, 9);
  int loops = g->loops.n;
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){w, u}, 2, d));
  assert_true(is_product(d[0], 2) && is_product(d[1], 2));
  assert_ptr_equal(d[1]->region, g->top);
  assert_int_equal(g->loops.at[loops]->emits.n, 2); /* of a and c, all gates in one */
}

TEST(embedding_gradient_sums_rows_first) {
  Node *e = STATE("e", 50, 8), *w = STATE("w", 8, 6), *d;
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){7}, 0, 49, nowhere);
  Expr *body = MUL(READ(e, READ(id, V(0)), V(2)), READ(w, V(2), V(1)));
  Node *y = COMP("y", RED_SUM, 2, NULL, body, 7, 6, 8);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, F(sin, READ(y, V(0), V(1))), 7, 6);
  assert_true(grad_reverse(g, t->diags, loss, &e, 1, &d));
  assert_int_equal(d->kind, N_SCATTER);
  assert_int_equal(d->nvars, 2);
  assert_true(is_product(d->body->node, 1));
}

/* x[b, id[b]] is a comparison, not a scatter; repetition is a sum over copies */
TEST(gathers_where_they_can_be) {
  Node *x = STATE("x", 7, 9), *z = STATE("z", 4), *d[2];
  Node *id = ir_input(g, "id", TY_INT, 1, (int64_t[]){7}, 0, 8, nowhere);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(x, V(0), READ(id, V(0))), 7);
  Node *r = COMP("r", RED_SUM, 0, NULL, F(sin, READ(z, DIV(V(0), INT(3)))), 12);
  loss = ir_comp(g, g->top, "all", nowhere, 0, 0, NULL, RED_NONE, NULL, ADD(READ0(loss), READ0(r)));
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){x, z}, 2, d));
  assert_true(d[0]->kind == N_COMP && d[0]->reducer == RED_NONE);
  assert_true(d[1]->kind == N_COMP && d[1]->nvars == 1); /* 3 * cos(z) */
}

/* results stand behind what they read, not at the end */
TEST(results_come_early) {
  Node *w = STATE("w", 3, 3), *x = STATE("x", 2, 3), *d[2];
  Node *a = COMP("a", RED_SUM, 2, NULL, MUL(READ(x, V(0), V(2)), READ(w, V(2), V(1))), 2, 3, 3);
  Node *b =
      COMP("b", RED_SUM, 2, NULL, MUL(F(tanh, READ(a, V(0), V(2))), READ(w, V(2), V(1))), 2, 3, 3);
  Node *v = STATE("v", 2, 3);
  Node *loss =
      COMP("loss", RED_SUM, 0, NULL, MUL(F(sin, READ(b, V(0), V(1))), READ(v, V(0), V(1))), 2, 3);
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){x, v}, 2, d));
  int dv = -1, db = -1;
  for (int i = 0; i < g->top->nodes.n; i++) {
    if (g->top->nodes.at[i] == d[1]) dv = i;
    if (strcmp(g->top->nodes.at[i]->name, "d.b") == 0) db = i;
  }
  assert_true(dv >= 0 && db >= 0 && dv < db);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
      T(layer_loop),
      T(layer_loop_once),
      T(layer_loop_shared),
      T(gru_scan),
      T(gru_scan_projecting_inside),
      T(scan_in_layer_loop),
      T(scan_in_layer_loop_projecting_inside),
      T(loop_odds_and_ends),
      T(loop_of_reductions),
      T(loops_without_parameters_stay),
      T(users_derivative),
      T(users_derivative_in_a_loop),
      T(users_derivative_with_a_loop),
      T(too_many_axes_to_keep),
      T(floor_is_an_error),
      T(integer_of_parameter_is_an_error),
      T(constants_may_be_rounded),
      T(unreached_is_null),
      T(matmul_gives_two_products),
      T(layer_gradients_are_stacks),
      T(scan_weights_are_hoisted),
      T(embedding_gradient_sums_rows_first),
      T(gathers_where_they_can_be),
      T(results_come_early),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
