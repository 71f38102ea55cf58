/* SPDX-License-Identifier: MIT */
/* Gradients of losses written as text, against numbers worked out by hand: both the
 * evaluator and the compiled kernels must have them. Where the meaning of a program is at
 * stake, comparing the two with each other would see nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/check/opcheck.h"
#include "compiler/eval/eval.h"
#include "tests/model.h"

enum { MOST = 64 };

/* A step of the optimizer below takes the gradient off the parameters. */
static const char head[] = "data text { source \"verse.txt\"  tokens chars  split 0.9 }\n"
                           "dim B = 1, L = 2, V = text.vocab, N = 3\n";
static const char tail[] = "}\ntrain { loss main  sgd(lr = 1, momentum = 0)  batch B  steps 1 }\n";
static const char file[] = "build/tests/grad_text.td";

static void write_program(const char *declared, const char *loss) {
  FILE *f = fopen(file, "w");
  assert_non_null(f);
  fprintf(f, "%s%s\nloss main(x: id<V>[B,L+1]) {\n%s\n%s", head, declared, loss, tail);
  assert_int_equal(fclose(f), 0);
}

typedef struct Vector {
  int state;
  int64_t count;
  double before[MOST];
} Vector;

/* The parameters as the program's init leaves them. */
static void initial(const Session *s, Vector *v) {
  v->state = session_state(s, "params.vector");
  assert_true(v->state >= 0);
  const TdState *state = &session_program(s)->states[v->state];
  v->count = state->count;
  assert_true(v->count <= MOST);
  void *x = state_of(s, v->state);
  for (int64_t i = 0; i < v->count; i++) v->before[i] = typed_value(x, state->type, i);
  free(x);
}

static void check(const char *who, const Vector *v, int64_t i, double after, const double *want) {
  double derived = v->before[i] - after;
  if (!(fabs(derived - want[i]) <= 1e-5 * (1 + fabs(want[i]))))
    fail_msg("%s: the gradient of parameter %d is %.9g, not %.9g", who, (int)i, derived, want[i]);
}

static void check_evaluator(const Model *m, const Vector *v, const double *want) {
  Graph *g = unit_entry(m->unit, "train")->graph;
  Eval *ev = eval_new(g, 1, 1);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    for (int64_t k = 0; k < ir_count(n); k++) x[k] = n == g->step;
    if (!strcmp(n->name, "params.vector")) memcpy(x, v->before, (size_t)v->count * sizeof *x);
  }
  assert_null(eval_run(ev));
  const double *after = eval_bind(ev, graph_leaf(g, N_STATE, "params.vector"));
  for (int64_t i = 0; i < v->count; i++) check("evaluator", v, i, after[i], want);
  eval_free(ev);
}

static void check_kernels(Session *s, const Vector *v, const double *want) {
  static const int32_t symbols[3];
  int train = session_entry(s, "train");
  TdError err = {0};
  if (session_input(s, train, "x")) assert_true(session_set_ints(s, train, "x", symbols, 3, &err));
  session_run(s, train, 1, 1);
  const TdState *state = &session_program(s)->states[v->state];
  void *x = state_of(s, v->state);
  for (int64_t i = 0; i < v->count; i++)
    check("kernels", v, i, typed_value(x, state->type, i), want);
  free(x);
}

/* d loss by the parameters, all of rank 1, one after another as they are declared. */
static void gradients(const char *declared, const char *loss, int n, const double *want) {
  Model m;
  Running r;
  Vector v;
  write_program(declared, loss);
  assert_true(model_open(&m, file, NULL, 0, NULL, 28, NULL));
  assert_true(model_build(&m));
  assert_true(running_open(&r, &m, 1));
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  initial(r.session, &v);
  assert_int_equal(v.count, n);
  check_evaluator(&m, &v, want);
  check_kernels(r.session, &v, want);
  running_close(&r);
  model_close(&m);
}

#define GRADIENTS(declared, loss, ...)                                               \
  gradients(declared, loss, (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), \
            (double[]){__VA_ARGS__})

/* ---- a clause belongs to its call --------------------------------------------------- */

/* d = 1 + 2 * 1.5 * 1.5 by w = 1; nothing through the call. */
static void test_identity_passes_nothing(void **state) {
  (void)state;
  static const char op[] = "param w[N] = 1\n"
                           "op fixed(x[...]) -> y[...] = x[...] grad(dy) { } nocheck";
  static const char loss[] = "a[i] = 1.5 * w[i]\n c = fixed(a)\n"
                             "minimize sum[i](w[i]) + sum[i](a[i] * a[i]) + sum[i](c[i])";
  GRADIENTS(op, loss, 5.5, 5.5, 5.5);
  GRADIENTS("param w[N] = 1\nop fixed(x[...]) -> y[...] = 1 * x[...] grad(dy) { } nocheck", loss,
            5.5, 5.5, 5.5);
  GRADIENTS("param w[N] = 1\nop fixed(x[n]) -> y[n] { z[n] = x[n]; y = z } grad(dy) { } nocheck",
            loss, 5.5, 5.5, 5.5);
  GRADIENTS("param w[N] = 1",
            "a[i] = 1.5 * w[i]\n c = stop(a)\n"
            "minimize sum[i](w[i]) + sum[i](a[i] * a[i]) + sum[i](c[i])",
            5.5, 5.5, 5.5);
}

/* Two calls with the same argument, each its own clause: 10 + 100, and 1 of w itself. */
static void test_clauses_of_two_calls(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 2\n"
            "op ten(x[...]) -> y[...] = x[...] grad(dy) { dx[...] = 10 * dy[...] } nocheck\n"
            "op hundred(x[...]) -> y[...] = x[...] grad(dy) { dx[...] = 100 * dy[...] } nocheck",
            "a = ten(w)\n b = hundred(w)\n"
            "minimize sum[i](a[i]) + sum[i](b[i]) + sum[i](w[i])",
            111, 111, 111);
  /* one inside the other: 10 of the first call, 2 of the second, whose clause is all that counts */
  GRADIENTS("param w[N] = 2\n"
            "op ten(x[...]) -> y[...] = x[...] grad(dy) { dx[...] = 10 * dy[...] } nocheck\n"
            "op both(x[...]) -> y[...] { y = ten(x) } grad(dy) { dx[...] = 2 * dy[...] } nocheck",
            "a = ten(w)\n b = both(w)\n minimize sum[i](a[i]) + sum[i](b[i])", 12, 12, 12);
}

/* A carry handed on: each of two turns adds u * stop(r), r = 1, then 1 + 2. */
static void test_clause_in_a_loop(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 1\nparam u[N] = 2",
            "r = w\n for k in 2 { r[i] = r[i] + u[i] * stop(r[i]) }\n minimize sum[i](r[i])", 1, 1,
            1, 4, 4, 4);
}

/* The clause speaks of the argument, 2, also where a loop of the body carries its name on to 16:
 * 10 * 2; and of no other path, to what the loop reads. */
static void test_clause_of_a_carried_argument(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 2\nparam u[N] = 1\n"
            "op powers(x[n], z[n]) -> y[n] { for k in 2 { x[i] = x[i] * x[i] * z[i] }; y = x }\n"
            "  grad(dy) { dx[i] = 10 * dy[i] * x[i] } nocheck",
            "a = powers(w, u)\n minimize sum[i](a[i]) + sum[i](3 * u[i])", 20, 20, 20, 3, 3, 3);
}

/* Scalars of a statement: straight through where the op rounds, w * stop(w) is w. */
static void test_clause_of_numbers(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 2\nop rounded(x) -> y = round(x) grad(dy) { dx = 3 * dy } nocheck",
            "a[i] = rounded(0.7 * w[i]) * 2 + w[i] * stop(w[i])\n minimize sum[i](a[i])", 6.2, 6.2,
            6.2);
}

/* What is no real number has no gradient: an empty clause may say so. */
static void test_clause_of_integers(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 2\nop whole(x[...]) -> k[...] = int(x[...]) grad(dk) { } nocheck",
            "k = whole(w)\n j = stop(k)\n minimize sum[i](real(k[i]) * w[i] + real(j[i]))", 2, 2,
            2);
}

/* ---- a zero passes nothing on ------------------------------------------------------- */

/* The branch of another statement is not taken where f is steep: 2 is left. */
static void test_branch_not_taken(void **state) {
  (void)state;
  static const char *const steep[] = {"sqrt(w[i] * w[i])", "sqrt(w[i])",         "log(w[i])",
                                      "rsqrt(w[i])",       "1 / w[i]",           "pow(w[i], 0.5)",
                                      "pow(w[i], -1)",     "log1p(w[i] - 1)",    "exp(1000 + w[i])",
                                      "expm1(w[i] + 1e9)", "w[i] * log(w[i])",   "log(w[i]) / w[i]",
                                      "(w[i] + 1) / w[i]", "sqrt(log(w[i] + 1))"};
  for (size_t k = 0; k < sizeof steep / sizeof *steep; k++) {
    char loss[256];
    snprintf(loss, sizeof loss,
             "c[i] = %s\n h[i] = w[i] > 0.5 ? c[i] : 2 * w[i]\n minimize sum[i](h[i])", steep[k]);
    GRADIENTS("param w[N] = 0", loss, 2, 2, 2);
  }
}

/* The norm of a row of zeros, which is replaced; and inside a loop, twice over. */
static void test_norm_of_nothing(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 0",
            "n = sqrt(sum[i](w[i] * w[i]))\n h = n > 0.5 ? n : 1.0\n minimize h + sum[i](w[i])", 1,
            1, 1);
  GRADIENTS("param w[N] = 0",
            "r = w\n for k in 2 { n[i] = sqrt(r[i]); r[i] = r[i] > 0.5 ? n[i] : 3 * r[i] }\n"
            "minimize sum[i](r[i])",
            9, 9, 9);
}

/* log(1 + exp x) by hand, with x itself where exp is too large. */
static void test_overflow_not_taken(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 1000",
            "e[i] = exp(w[i])\n s[i] = log1p(e[i])\n h[i] = w[i] > 20 ? w[i] : s[i]\n"
            "minimize sum[i](h[i])",
            1, 1, 1);
}

/* A weight of zero, whatever it weighs; and what is not zero passes as ever. */
static void test_weights(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 0\nparam u[N] = 0", "minimize sum[i](u[i] * sqrt(w[i]))", 0, 0, 0, 0, 0,
            0);
  GRADIENTS("param w[N] = 4\nparam u[N] = 2",
            "minimize sum[i](u[i] * sqrt(w[i]) + u[i] / w[i] + log(w[i]) + rsqrt(w[i]))", 0.5625,
            0.5625, 0.5625, 2.25, 2.25, 2.25);
}

/* pow(p, e): at 0, 0 neither has a slope; at 2, 3 they are 12 and 8 log 2. */
static void test_powers(void **state) {
  (void)state;
  GRADIENTS("param w[N] = 0\nparam u[N] = 0", "minimize sum[i](pow(w[i], u[i]))", 0, 0, 0, 0, 0, 0);
  GRADIENTS("param w[N] = 2\nparam u[N] = 3", "minimize sum[i](pow(w[i], u[i]))", 12, 12, 12,
            5.54517744, 5.54517744, 5.54517744);
}

/* ---- differences go around what is meant to differ ---------------------------------- */

static const char rounded[] =
    "param w[N] ~ normal(0, 1)\n"
    "op rounded(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] } nocheck\n"
    "op tripled(x[...]) -> y[...] = 2 * x[...] grad(dy) { dx[...] = 3 * dy[...] }\n"
    "op uses(x[...]) -> y[...] { r = rounded(x); y[...] = r[...] * sin(x[...]) }";

static void open_for_check(Model *m, const char *loss) {
  UnitOptions o = {.check_only = true, .no_update = true, .no_eval = true};
  write_program(rounded, loss);
  assert_true(model_open(m, file, NULL, 0, NULL, 28, &o));
}

static OpCheckVerdict loss_verdict(const char *loss, int64_t *compared) {
  Model m;
  OpCheck c;
  OpCheckOptions o = {.seed = 3};
  open_for_check(&m, loss);
  assert_true(opcheck_loss(m.unit, &o, m.arena, &c));
  OpCheckVerdict v = c.verdict;
  *compared = c.compared;
  model_close(&m);
  return v;
}

/* The loss is right with the clause in it, at the top and in a loop; a false gradient in front
 * of the clause, behind it, or between two is found. */
static void test_check_goes_around(void **state) {
  (void)state;
  static const char *const right[] = {
      "a = rounded(w)\n minimize sum[i](a[i] * w[i] * w[i])",
      "a = w\n for k in 4 { a[i] = sin(rounded(3 * a[i]) * w[i] + a[i]) }\n"
      "minimize sum[i](a[i] * rounded(a[i]))"};
  static const char *const wrong[] = {
      "a = rounded(tripled(w))\n minimize sum[i](a[i] * a[i])",
      "a = rounded(w)\n b = tripled(a)\n minimize sum[i](b[i] * a[i])",
      "a = w\n for k in 3 { b = tripled(rounded(a)); a = rounded(b) }\n minimize sum[i](a[i])"};
  int64_t n;
  assert_int_equal(loss_verdict(right[0], &n), OPCHECK_OK);
  assert_int_equal(n, 3 + 3); /* by w and by what is rounded */
  assert_int_equal(loss_verdict(right[1], &n), OPCHECK_OK);
  assert_int_equal(n, 3 + 4 * 3 + 3);
  for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
    assert_int_equal(loss_verdict(wrong[k], &n), OPCHECK_WRONG);
}

/* So is an op that calls such an op; the op itself has nothing to compare. */
static void test_ops_go_around(void **state) {
  (void)state;
  Model m;
  TrialOp *ops;
  OpCheckOptions o = {.trials = 5};
  open_for_check(&m, "a = uses(w)\n minimize sum[i](a[i])");
  int n = trial_ops(m.unit, m.arena, false, &ops);
  for (int i = 0; i < n; i++) {
    OpCheck c = opcheck_op(m.unit, &ops[i], &o, m.arena);
    OpCheckVerdict want = !strcmp(c.name, "uses")      ? OPCHECK_OK
                          : !strcmp(c.name, "rounded") ? OPCHECK_LEFT
                                                       : OPCHECK_WRONG;
    assert_int_equal(c.verdict, want);
  }
  assert_int_equal(n, 3);
  model_close(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_identity_passes_nothing),
      cmocka_unit_test(test_clauses_of_two_calls),
      cmocka_unit_test(test_clause_in_a_loop),
      cmocka_unit_test(test_clause_of_a_carried_argument),
      cmocka_unit_test(test_clause_of_numbers),
      cmocka_unit_test(test_clause_of_integers),
      cmocka_unit_test(test_branch_not_taken),
      cmocka_unit_test(test_norm_of_nothing),
      cmocka_unit_test(test_overflow_not_taken),
      cmocka_unit_test(test_weights),
      cmocka_unit_test(test_powers),
      cmocka_unit_test(test_check_goes_around),
      cmocka_unit_test(test_ops_go_around),
  };
  model_quick(NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
