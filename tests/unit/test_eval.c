/* SPDX-License-Identifier: MIT */
/* The reference evaluator and the generator of draws: small graphs whose
 * values are known by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/eval/eval.h"
#include "compiler/ir/draws.h"
#include "compiler/ir/ir.h"
#include "tests/workbench.h"

static const Span nowhere;

static Node *comp(Graph *g, Region *r, int rank, int nred, const int64_t *extent, Reducer red,
                  Expr *guard, Expr *body) {
  return ir_comp(g, r, "y", nowhere, rank, nred, extent, red, guard, body);
}

static Expr *at1(Graph *g, Node *n, Expr *i) { return ex_read(g, n, &i); }

static Expr *at2(Graph *g, Node *n, Expr *i, Expr *j) {
  Expr *index[2] = {i, j};
  return ex_read(g, n, index);
}

static void fill(Eval *ev, Node *n, const double *x) {
  memcpy(eval_bind(ev, n), x, (size_t)ir_count(n) * sizeof *x);
}

static void check(Eval *ev, Node *n, const double *want) {
  const double *got = eval_value(ev, n);
  for (int64_t i = 0; i < ir_count(n); i++)
    if (!(fabs(got[i] - want[i]) <= 1e-12) && !(isinf(want[i]) && got[i] == want[i]))
      fail_msg("element %d is %g, not %g", (int)i, got[i], want[i]);
}

static void philox_known_answers(void **state) {
  (void)state;
  static const uint32_t vectors[3][10] = {
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
       0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
       0x94fdcceb, 0x5001e420, 0x24126ea1}};
  for (int i = 0; i < 3; i++) {
    uint32_t out[4];
    philox4x32(vectors[i], vectors[i] + 4, out);
    assert_memory_equal(out, vectors[i] + 6, sizeof out);
  }
}

static void draws_have_their_moments(void **state) {
  (void)state;
  double sum = 0, square = 0, mean = 0, low = 1, high = 0;
  int n = 100000;
  for (int i = 0; i < n; i++) {
    double x = draw_normal(7, 3, draw_site("noise"), (uint64_t)i),
           u = draw_uniform(7, 3, draw_site("u"), (uint64_t)i);
    sum += x;
    square += x * x;
    mean += u;
    low = fmin(low, u);
    high = fmax(high, u);
  }
  assert_true(fabs(sum / n) < 0.02);
  assert_true(fabs(square / n - 1) < 0.02);
  assert_true(fabs(mean / n - 0.5) < 0.01);
  assert_true(low >= 0 && high < 1);
  assert_true(draw_site("a.b") != draw_site("a.c"));
  assert_true(draw_uniform(7, 3, 1, 0) != draw_uniform(7, 4, 1, 0));
  assert_true(draw_uniform(7, 3, 1, 0) != draw_uniform(8, 3, 1, 0));
}

static void matrix_product(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t sa[] = {2, 3}, sb[] = {3, 2}, extent[] = {2, 2, 3};
  Node *a = real_input(g, "a", 2, sa), *b = real_input(g, "b", 2, sb);
  Expr *i = ex_var(g, 0), *j = ex_var(g, 1), *k = ex_var(g, 2);
  Node *c =
      comp(g, g->top, 2, 1, extent, RED_SUM, NULL, ex2(g, P_mul, at2(g, a, i, k), at2(g, b, k, j)));
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, a, (double[]){1, 2, 3, 4, 5, 6});
  fill(ev, b, (double[]){1, 2, 3, 4, 5, 6});
  assert_null(eval_run(ev));
  check(ev, c, (double[]){22, 28, 49, 64});
  eval_free(ev);
}

/* y[i] = sum k (x[i, n-1 - k] * z[k, i]), over several strips: each product is rounded, then added
 * to those before it, and so is x[i,k] squared; x[i, k / 2], which steps by no number, likewise. */
static void products_are_added_in_order(void **state) {
  enum { M = 2, N = 300 };
  const Bench *bench = *state;
  Graph *g = bench->g;
  const int64_t extent[] = {M, N};
  Node *x = real_input(g, "x", SHAPE(M, N)), *z = real_input(g, "z", SHAPE(N, M));
  Expr *i = bench->i, *k = bench->j;
  Expr *back = at2(g, x, i, ex2(g, P_sub, ex_int(g, N - 1), k)), *along = at2(g, x, i, k),
       *across = at2(g, z, k, i), *half = at2(g, x, i, ex2(g, P_div, k, ex_int(g, 2)));
  Node *y[] = {comp(g, g->top, 1, 1, extent, RED_SUM, NULL, ex2(g, P_mul, back, across)),
               comp(g, g->top, 1, 1, extent, RED_SUM, NULL, ex2(g, P_mul, along, along)),
               comp(g, g->top, 1, 1, extent, RED_SUM, NULL, ex2(g, P_mul, half, across))};
  static double a[M][N], b[N][M];
  for (int n = 0; n < M * N; n++) {
    a[n / N][n % N] = draw_normal(1, 0, 1, (uint64_t)n);
    b[n / M][n % M] = draw_normal(1, 0, 2, (uint64_t)n);
  }
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, x, a[0]);
  fill(ev, z, b[0]);
  assert_null(eval_run(ev));
  for (int m = 0; m < M; m++) {
    double want[3] = {0};
    for (int n = 0; n < N; n++) {
      const volatile double product[] = {a[m][N - 1 - n] * b[n][m], a[m][n] * a[m][n],
                                         a[m][n / 2] * b[n][m]};
      for (int c = 0; c < 3; c++) want[c] += product[c];
    }
    for (int c = 0; c < 3; c++)
      assert_memory_equal(&eval_value(ev, y[c])[m], &want[c], sizeof *want);
  }
  eval_free(ev);
}

/* y[i] = sum k (0 <= i+k-1 < 4 ? x[i+k-1] : 0): the read outside is not asked for */
static void guarded_reads(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t shape[] = {4}, extent[] = {4, 3};
  Node *x = real_input(g, "x", 1, shape);
  Expr *at = ex2(g, P_sub, ex2(g, P_add, ex_var(g, 0), ex_var(g, 1)), ex_int(g, 1));
  Expr *in = ex2(g, P_and, ex2(g, P_le, ex_int(g, 0), at), ex2(g, P_lt, at, ex_int(g, 4)));
  Node *by_select = comp(g, g->top, 1, 1, extent, RED_SUM, NULL,
                         ex3(g, P_select, in, at1(g, x, at), ex_num(g, 0)));
  Node *by_guard = comp(g, g->top, 1, 1, extent, RED_SUM, in, at1(g, x, at));
  Expr *positive = ex2(g, P_lt, ex_num(g, 0), at1(g, x, at));
  Node *by_and =
      comp(g, g->top, 1, 1, extent, RED_SUM, NULL, ex1(g, P_real, ex2(g, P_and, in, positive)));
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, x, (double[]){1, 2, 3, -4});
  assert_null(eval_run(ev));
  check(ev, by_select, (double[]){3, 6, 1, -1});
  check(ev, by_guard, (double[]){3, 6, 1, -1});
  check(ev, by_and, (double[]){2, 3, 2, 1});
  eval_free(ev);

  Node *bad = comp(g, g->top, 1, 1, extent, RED_SUM, NULL, at1(g, x, at));
  ev = eval_new(g, 0, 0);
  const char *message = eval_run(ev);
  assert_non_null(message);
  assert_non_null(strstr(message, "'x' out of bounds: index 0 is -1, the extent is 4"));
  eval_free(ev);
  (void)bad;
}

static void division_by_zero(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t extent[] = {3};
  Node *d = ir_input(g, "d", TY_INT, 1, extent, 0, 9, nowhere);
  Expr *i = ex_var(g, 0), *by = at1(g, d, i);
  Expr *safe = ex3(g, P_select, ex2(g, P_eq, by, ex_int(g, 0)), ex_int(g, -1),
                   ex2(g, P_div, ex_int(g, 7), by));
  Node *y = comp(g, g->top, 1, 0, extent, RED_NONE, NULL, safe);
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, d, (double[]){0, 2, 3});
  assert_null(eval_run(ev));
  check(ev, y, (double[]){-1, 3, 2});
  eval_free(ev);
  comp(g, g->top, 1, 0, extent, RED_NONE, NULL, ex2(g, P_mod, ex_int(g, 7), by));
  ev = eval_new(g, 0, 0);
  assert_non_null(strstr(eval_run(ev), "division by zero"));
  eval_free(ev);
}

static void reducers(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t shape[] = {2, 3}, extent[] = {2, 3};
  Node *x = real_input(g, "x", 2, shape);
  Expr *read = ir_read_all(g, x);
  Expr *some = ex2(g, P_lt, ex_num(g, 0), read);
  Node *sum = comp(g, g->top, 1, 1, extent, RED_SUM, some, read);
  Node *max = comp(g, g->top, 1, 1, extent, RED_MAX, some, read);
  Node *min = comp(g, g->top, 1, 1, extent, RED_MIN, some, read);
  Node *prod = comp(g, g->top, 1, 1, extent, RED_PROD, some, read);
  Node *first = comp(g, g->top, 1, 1, extent, RED_ARGMAX, some, read);
  Node *flat = comp(g, g->top, 0, 2, extent, RED_ARGMAX, NULL, read);
  Node *any = comp(g, g->top, 1, 1, extent, RED_MAX, NULL, some);
  Node *all = comp(g, g->top, 1, 1, extent, RED_MIN, NULL, some);
  Node *plain = comp(g, g->top, 2, 0, extent, RED_NONE, some, read);
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, x, (double[]){2, 5, 5, -1, -2, 0});
  assert_null(eval_run(ev));
  check(ev, sum, (double[]){12, 0});
  check(ev, max, (double[]){5, -INFINITY});
  check(ev, min, (double[]){2, INFINITY});
  check(ev, prod, (double[]){50, 1});
  check(ev, first, (double[]){1, 0});
  check(ev, flat, (double[]){1});
  check(ev, any, (double[]){1, 0});
  check(ev, all, (double[]){1, 0});
  check(ev, plain, (double[]){2, 5, 5, 0, 0, 0});
  eval_free(ev);
}

static void empty_index_spaces(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t none[] = {0}, extent[] = {2, 0};
  Node *x = real_input(g, "x", 1, none);
  Node *y = comp(g, g->top, 1, 1, extent, RED_SUM, NULL, at1(g, x, ex_var(g, 1)));
  Node *z = comp(g, g->top, 1, 1, extent, RED_MAX, NULL, at1(g, x, ex_var(g, 1)));
  Eval *ev = eval_new(g, 0, 0);
  assert_null(eval_run(ev));
  check(ev, y, (double[]){0, 0});
  check(ev, z, (double[]){-INFINITY, -INFINITY});
  eval_free(ev);
}

/* h' = 2 h + w[l]; the stack holds h before each step */
static void loop_with_carry(Graph *g, bool reverse) {
  int64_t one[] = {1}, three[] = {3};
  Node *w = real_input(g, "w", 1, three), *start = real_input(g, "h0", 1, one);
  Loop *l = ir_loop(g, g->top, "l", 3, reverse, nowhere);
  Node *h = ir_carry(g, l, "h", start);
  Expr *body =
      ex2(g, P_add, ex2(g, P_mul, ex_num(g, 2), ir_read_all(g, h)), at1(g, w, ex_loopvar(g, l)));
  l->carries.at[0].next = comp(g, l->body, 1, 0, one, RED_NONE, NULL, body);
  Node *final = ir_final(g, l, 0), *stack = ir_stack(g, l, h);
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, w, (double[]){1, 10, 100});
  fill(ev, start, (double[]){1});
  for (int again = 0; again < 2; again++) {
    assert_null(eval_run(ev));
    check(ev, final, reverse ? (double[]){8 + 400 + 20 + 1} : (double[]){8 + 4 + 20 + 100});
    check(ev, stack, reverse ? (double[]){214, 102, 1} : (double[]){1, 3, 16});
  }
  eval_free(ev);
}

static void loop_forwards(void **state) { loop_with_carry(((Bench *)*state)->g, false); }
static void loop_backwards(void **state) { loop_with_carry(((Bench *)*state)->g, true); }

/* (a, b) := (b, a): carries step at once */
static void carries_swap(void **state) {
  Graph *g = ((Bench *)*state)->g;
  Node *a = real_input(g, "a", 0, NULL), *b = real_input(g, "b", 0, NULL);
  Loop *l = ir_loop(g, g->top, "l", 3, false, nowhere);
  Node *x = ir_carry(g, l, "x", a), *y = ir_carry(g, l, "y", b);
  l->carries.at[0].next = y;
  l->carries.at[1].next = x;
  Node *fx = ir_final(g, l, 0), *fy = ir_final(g, l, 1);
  Eval *ev = eval_new(g, 0, 0);
  *eval_bind(ev, a) = 1;
  *eval_bind(ev, b) = 2;
  assert_null(eval_run(ev));
  check(ev, fx, (double[]){2});
  check(ev, fy, (double[]){1});
  eval_free(ev);
}

static void scatter_and_gather(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t n[] = {5}, table[] = {3}, extent[] = {5};
  Node *ids = ir_input(g, "ids", TY_INT, 1, n, 0, 2, nowhere), *x = real_input(g, "x", 1, n);
  Expr *i = ex_var(g, 0), *id = at1(g, ids, i);
  Node *s = ir_scatter(g, g->top, "s", nowhere, 1, table, 1, extent, &id, NULL, at1(g, x, i));
  Node *back = comp(g, g->top, 1, 0, extent, RED_NONE, NULL, at1(g, s, id));
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, ids, (double[]){0, 2, 0, 0, 2});
  fill(ev, x, (double[]){1, 2, 3, 4, 5});
  for (int again = 0; again < 2; again++) {
    assert_null(eval_run(ev));
    check(ev, s, (double[]){8, 0, 7});
    check(ev, back, (double[]){8, 7, 8, 8, 7});
  }
  eval_bind(ev, ids)[0] = 3;
  assert_non_null(strstr(eval_run(ev), "outside of 0 .. 2"));
  eval_free(ev);
}

static void views_packs_updates(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t six[] = {6}, shape[] = {2, 2};
  Node *flat = ir_state(g, "params", TY_REAL, 1, six, nowhere);
  Node *m = ir_view(g, g->top, "m", flat, 2, 2, shape, nowhere);
  Node *head = ir_view(g, g->top, "head", flat, 0, 1, (int64_t[]){2}, nowhere);
  Node *twice =
      comp(g, g->top, 2, 0, shape, RED_NONE, NULL, ex2(g, P_mul, ex_num(g, 2), ir_read_all(g, m)));
  Node *pack = ir_pack(g, g->top, "pack", (Node *[]){head, twice}, 2, nowhere);
  Update u = {flat, pack};
  vec_push(g->arena, &g->updates, u);
  Eval *ev = eval_new(g, 0, 0);
  fill(ev, flat, (double[]){1, 2, 3, 4, 5, 6});
  assert_null(eval_run(ev));
  check(ev, m, (double[]){3, 4, 5, 6});
  check(ev, flat, (double[]){1, 2, 6, 8, 10, 12});
  assert_null(eval_run(ev));
  check(ev, flat, (double[]){1, 2, 12, 16, 20, 24});
  eval_free(ev);
}

static void long_rows_and_draws(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t extent[] = {3, 1000};
  Expr *i = ex_var(g, 0), *j = ex_var(g, 1), *site = ex_int(g, draw_site("u"));
  Expr *counter = ex2(g, P_add, ex2(g, P_mul, i, ex_int(g, 1000)), j);
  Node *u = comp(g, g->top, 2, 0, extent, RED_NONE, NULL, ex2(g, P_uniform, site, counter));
  Node *sum = comp(g, g->top, 1, 1, extent, RED_SUM, NULL, ir_read_all(g, u));
  Eval *ev = eval_new(g, 11, 5);
  assert_null(eval_run(ev));
  double want[3] = {0, 0, 0};
  for (int k = 0; k < 3000; k++) want[k / 1000] += draw_uniform(11, 5, draw_site("u"), (uint64_t)k);
  check(ev, sum, want);
  eval_set_step(ev, 6);
  assert_null(eval_run(ev));
  assert_true(eval_value(ev, sum)[0] != want[0]);
  eval_free(ev);
}

static void cotangents_have_no_value(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t extent[] = {2};
  Node *x = real_input(g, "x", 1, extent);
  Node *y = comp(g, g->top, 1, 0, extent, RED_NONE, NULL, ir_read_all(g, x));
  Node *dy = ir_node(g, g->top, N_COTANGENT, TY_REAL, 1, extent, "dy", nowhere);
  Node *dx = comp(g, g->top, 1, 0, extent, RED_NONE, NULL, ir_read_all(g, dy));
  Output o = {"y", y};
  vec_push(g->arena, &g->outputs, o);
  Eval *ev = eval_new(g, 0, 0);
  assert_null(eval_run(ev));
  eval_free(ev);
  Output p = {"dx", dx};
  vec_push(g->arena, &g->outputs, p);
  ev = eval_new(g, 0, 0);
  assert_non_null(strstr(eval_run(ev), "cotangent"));
  eval_free(ev);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(philox_known_answers),
      cmocka_unit_test(draws_have_their_moments),
      cmocka_unit_test_setup_teardown(matrix_product, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(products_are_added_in_order, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(guarded_reads, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(division_by_zero, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(reducers, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(empty_index_spaces, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(loop_forwards, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(loop_backwards, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(carries_swap, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(scatter_and_gather, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(views_packs_updates, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(long_rows_and_draws, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(cotangents_have_no_value, bench_make, bench_remove),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
