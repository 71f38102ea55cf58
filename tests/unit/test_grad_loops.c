/* SPDX-License-Identifier: MIT */
/* Gradients of loops: layers with weights of their own and shared, scans, both
 * within each other. */
#include "tests/grads.h"

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

/* ---- structure --------------------------------------------------------------------- */

TEST(layer_gradients_are_stacks) {
  Node *x = STATE("x", 2, 3), *w = STATE("w", 4, 3, 3), *b = STATE("b", 4, 3), *d[2];
  Node *y = layers(g, x, w, b, 4);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(y, V(0), V(1)), 2, 3);
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){w, b}, 2, d));
  assert_int_equal(g->loops.n, 2);
  assert_true(g->loops.at[1]->reverse);
  assert_int_equal(d[0]->kind, N_STACK);
  assert_int_equal(d[1]->kind, N_STACK);
  assert_true(grads_is_product(g->loops.at[1]->emits.at[d[0]->slot], 1));
}

/* weights of a scan: one product over time and batch */
TEST(scan_weights_are_hoisted) {
  Node *x = STATE("x", 2, 4, 9), *h0 = STATE("h0", 2, 9), *w = STATE("w", 3, 9, 9),
       *u = STATE("u", 3, 9, 9), *d[2];
  Gru r = gru(g, g->top, x, h0, w, u, NULL, false);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, READ(r.y, V(0), V(1), V(2)), 2, 4, 9);
  int loops = g->loops.n;
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){w, u}, 2, d));
  assert_true(grads_is_product(d[0], 2) && grads_is_product(d[1], 2));
  assert_ptr_equal(d[1]->region, g->top);
  assert_int_equal(g->loops.at[loops]->emits.n, 2); /* of a and c, all gates in one */
}

int main(void) {
  const struct CMUnitTest tests[] = {
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
      T(layer_gradients_are_stacks),
      T(scan_weights_are_hoisted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
