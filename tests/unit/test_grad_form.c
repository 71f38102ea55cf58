/* SPDX-License-Identifier: MIT */
/* Gradients that a user wrote, those that there are not, and the structure of what
 * comes out, where it matters. */
#include <math.h>
#include <string.h>

#include "compiler/eval/eval.h"
#include "tests/grads.h"

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

TEST(matmul_gives_two_products) {
  Node *a = STATE("a", 4, 5), *b = STATE("b", 5, 3), *r = STATE("r", 4, 3), *d[2];
  Node *c = COMP("c", RED_SUM, 2, NULL, MUL(READ(a, V(0), V(2)), READ(b, V(2), V(1))), 4, 3, 5);
  Node *loss = COMP("loss", RED_SUM, 0, NULL, MUL(READ(c, V(0), V(1)), READ(r, V(0), V(1))), 4, 3);
  int before = g->nodes.n;
  assert_true(grad_reverse(g, t->diags, loss, (Node *[]){a, b}, 2, d));
  assert_true(grads_is_product(d[0], 1) && grads_is_product(d[1], 1));
  assert_string_equal(d[0]->name, "d.a");
  assert_int_equal(g->nodes.n - before, 2); /* the adjoint of c is r itself */
  assert_ptr_equal(d[0]->body, MUL(READ(r, V(0), V(2)), READ(b, V(1), V(2))));
  assert_ptr_equal(d[1]->body, MUL(READ(r, V(2), V(1)), READ(a, V(2), V(0))));
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
  assert_true(grads_is_product(d->body->node, 1));
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
  const struct CMUnitTest tests[] = {
      T(users_derivative),
      T(users_derivative_in_a_loop),
      T(users_derivative_with_a_loop),
      T(too_many_axes_to_keep),
      T(floor_is_an_error),
      T(integer_of_parameter_is_an_error),
      T(constants_may_be_rounded),
      T(unreached_is_null),
      T(matmul_gives_two_products),
      T(embedding_gradient_sums_rows_first),
      T(gathers_where_they_can_be),
      T(results_come_early),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
