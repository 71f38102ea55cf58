/* SPDX-License-Identifier: MIT */
/* What texts mean, in numbers worked out by hand: kernels and the evaluator get the same graph
 * from lowering, so comparing the two says nothing about it. A case is one model; element i of
 * every real input is i + 1, of an integer input i modulo its range. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/data/feed.h"
#include "runtime/reference.h"
#include "tests/model.h"

enum { MOST = 32 };
static const double NEAR = 1e-5;

typedef struct Case {
  const char *name, *text; /* the first model's first output is compared */
  int n;
  double want[MOST];
} Case;

/* m is 1 2 3, 4 5 6, 7 8 9 unless the case says otherwise. */
#define SQUARE "dim M = 3\nmodel it(m[M,M]) -> t[M,M] { "

static const Case cases[] = {
    {"carry_transposed",
     SQUARE "t[a,b] = m[a,b]; for i in 1 { t[a,b] = t[b,a] } }",
     9,
     {1, 4, 7, 2, 5, 8, 3, 6, 9}},
    {"carry_transposed_three_times",
     SQUARE "t[a,b] = m[a,b]; for i in 3 { t[a,b] = 1 + t[b,a] } }",
     9,
     {4, 7, 10, 5, 8, 11, 6, 9, 12}},
    {"carry_of_one_identity_twice",
     SQUARE "t = m; for i in 4 { t[a,b] = t[b,a] + 1 } }",
     9,
     {5, 6, 7, 8, 9, 10, 11, 12, 13}},
    {"carry_in_a_product",
     SQUARE "t[a,b] = m[a,b]; for i in 1 { t[a,b] = sum[k](t[k,a] * t[b,k]) } }",
     9, /* (m m) transposed */
     {30, 66, 102, 36, 81, 126, 42, 96, 150}},
    {"carry_of_a_scan",
     SQUARE "scan i in 1 carry t[a,b] = m[a,b] { t[a,b] = t[b,a] } }",
     9,
     {1, 4, 7, 2, 5, 8, 3, 6, 9}},
    {"carry_of_a_call",
     "op tr(x[p,q]) -> y[q,p] { y[q,p] = x[p,q] }\n" SQUARE
     "t[a,b] = m[a,b]; for i in 1 { t = tr(t) } }",
     9,
     {1, 4, 7, 2, 5, 8, 3, 6, 9}},
    {"carry_of_two_dims_of_one_extent",
     "dim P = 2, Q = 2\nmodel it(m[P,Q]) -> t[P,Q] { t = m; for i in 1 { t[p,q] = m[q,p] } }",
     4,
     {1, 3, 2, 4}},
    {"tangent", /* of a sixth, a quarter, a third of half a turn, and behind it */
     "model it(x[4]) -> y[4] { y[i] = tan(x[i] * pi / (i == 0 ? 6 : i == 1 ? 8 : i == 2 ? 9 : 16 / "
     "3.0)) }",
     4,
     {0.577350269, 1, 1.732050808, -1}},
    {"range_beside_the_dim_of_its_letter", /* the axes are P and N, as written: z is not turned */
     "dim N = 2, P = 2\n"
     "model it(z[P,N]) -> y[P,N] { h[n in P, p in N] = 10 * z[n,p]; y = h + z }",
     4,
     {11, 22, 33, 44}},
    {"integers_of_a_turn", /* -1/4, 0, 1/4, 1/2 of a turn: 3, 0, 1, 2 quarters */
     "model it(x[4]) -> y[4] { w[i in 4] = 10 * i; y[i] = w[int(4 * ((x[i] / 4 - 0.5) % 1))] }",
     4,
     {30, 0, 10, 20}},
    {"integers_that_round_up", /* in single precision a whole turn */
     "model it(x[4]) -> y[4] { w[i in 4] = 10 * i; y[i] = w[int(4 * ((x[i] * -1e-12) % 1))] }",
     4,
     {30, 30, 30, 30}},
    {"result_named_by_its_header", /* 1 2, 3 4 and 10 times its transpose */
     "dim P = 2, Q = 2\n"
     "op turned(x[p,q]) -> y[p,q] { y[a,b] = x[b,a] }\n"
     "model it(x[P,Q]) -> y[P,Q] { y = x + 10 * turned(x) }",
     4,
     {11, 32, 23, 44}},
    {"short_array_read_elsewhere", /* u is what x has from place 20 on, which comes back there */
     "dim M = 4, N = 32\n"
     "model it(x: id<N>[N], m[M,M], k: id<3>[3]) -> y[N] {\n"
     "  o = 4 * k[1] + 8 * k[2]\n"
     "  s[a in M] = argmax[c in M](m[a,c])\n"
     "  seen[a in M] = x[min(o, N - 4) + a]\n"
     "  t[a in M] = sum[c in M](s[c] + c > s[a] ? 1 : 0)\n"
     "  u[a in M] = t[a] < 3 && seen[a] > 3 ? s[a] : seen[a]\n"
     "  y[n] = n >= o && n < o + 4 ? u[n - o] : x[n] }",
     32,
     {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}},
    {"emit_of_dots_then_index",
     "dim P = 2, T = 3\n"
     "op f(x[...,t]) -> y[...,t] {\n"
     "  scan i in t carry h[...] = 0.0 { h[...] = h[...] + x[...,i] } emit y[...,i] = h[...] }\n"
     "model it(x[1,P,T]) -> y[1,P,T] { y = f(x) }",
     6,
     {1, 3, 6, 4, 9, 15}},
    {"emit_of_index_then_dots",
     "dim P = 2, T = 3\n"
     "op f(x[...,t]) -> y[t,...] {\n"
     "  scan i in t carry h[...] = 0.0 { h[...] = h[...] + x[...,i] } emit y[i,...] = h[...] }\n"
     "model it(x[1,P,T]) -> y[T,1,P] { y = f(x) }",
     6,
     {1, 4, 3, 9, 6, 15}},
    {"loop_over_the_axis_behind_dots",
     "dim P = 2, T = 3\n"
     "op f(x[...,t]) -> y[...,t] {\n"
     "  scan t carry h[...] = 0.0 { h[...] = h[...] + x[...,t] } emit y[...,t] = h[...] }\n"
     "model it(x[1,P,T]) -> y[1,P,T] { y = f(x) }",
     6,
     {1, 3, 6, 4, 9, 15}},
    {"loop_beside_an_index_of_its_name", /* four turns: 1 + 2 + 3 + 4, and 3 in each */
     "model it(x[2], z[4]) -> y[1] {\n"
     "  h[a in 1] = 0.0\n"
     "  scan t { h[a] = sum[t](x[t]) + z[t] + h[a] }\n"
     "  y = h }",
     1,
     {22}},
    {"loop_in_a_loop_of_its_name", /* in each of two turns: 3 of the inner loop, and z */
     "model it(x[3], z[2]) -> y[1] {\n"
     "  h[a in 1] = 0.0\n"
     "  scan t { scan t { h[a] = h[a] + 0 * x[t] + 1 }; h[a] = h[a] + z[t] }\n"
     "  y = h }",
     1,
     {9}},
    /* p[d in 4] = softmax[d](x[d]): e^-3, e^-2, e^-1, 1 over their sum, 1.55300180 */
    {"range_of_the_left_in_softmax",
     "model it(x[6]) -> p[4] { p[d in 4] = softmax[d](x[d]) }",
     4,
     {0.0320586033, 0.0871443187, 0.236882818, 0.643914260}},
    {"range_of_the_left_in_mean",
     "model it(x[6]) -> p[4] { p[d in 4] = x[d] - mean[d](x[d]) }",
     4,
     {-1.5, -0.5, 0.5, 1.5}},
    {"range_of_the_left_in_a_prefix",
     "model it(x[6], w[6]) -> p[3] { p[d in 3] = x[d] * sum[k in 2](sum[d < k + 1](w[d])) }",
     3, /* 1 + (1 + 2) */
     {4, 8, 12}},
    {"range_of_a_reducer_before_that_of_the_left",
     "model it(x[6]) -> p[4] { p[d in 4] = x[d] - mean[d in 6](x[d]) }",
     4,
     {-2.5, -1.5, -0.5, 0.5}},
    {"range_of_softmax_on_the_left",
     "model it(x[6]) -> p[2] { p[d] = softmax[d in 2](x[d]) * x[d] }",
     2, /* 1 and 2 times e^-1 and 1 over 1.36787944 */
     {0.268941421, 1.46211716}},
    /* x is 1 2, 3 4, 5 6 */
    {"condition_around_a_sum",
     "dim P = 3, Q = 2\n"
     "model it(x[P,Q]) -> y[P] { y[p] = p > 0 ? sum[q](x[p - 1,q] * x[p,q]) : -1.0 }",
     3,
     {-1, 11, 39}},
    {"condition_around_a_mean_of_some",
     "dim P = 3, Q = 2\n"
     "model it(x[P,Q]) -> y[P] { y[p] = p > 0 ? mean[q | q < p](x[p - 1,q]) : -1.0 }",
     3,
     {-1, 1, 3.5}},
    {"condition_around_a_maximum_of_negatives",
     "dim P = 3, Q = 2\n"
     "model it(x[P,Q]) -> y[P] { y[p] = p < 2 ? max[q](-x[p + 1,q]) : 0.5 }",
     3,
     {-3, -5, 0.5}},
    {"condition_of_a_reducer_around_a_sum", /* of both rows before, of one, of none */
     "dim P = 3, Q = 2\n"
     "model it(x[P,Q]) -> y[P] { y[p] = sum[w in 2 | w < p](sum[q](x[p - 1 - w,q])) }",
     3,
     {0, 3, 10}},
    {"condition_of_softmax_around_a_sum", /* products: 5; 25, 11; 61, 39 */
     "dim P = 3, Q = 2\n"
     "op near(k[l,e]) -> p[l,2] {\n"
     "  p[l,w] = softmax[w in 2 | w <= l](0.1 * sum[e](k[l - w,e] * k[l,e])) }\n"
     "model it(x[P,Q]) -> y[P,2] { y = near(x) }",
     6,
     {1, 0, 0.802183889, 0.197816111, 0.900249511, 0.0997504891}},
    {"condition_and_within_a_condition", /* i is 0 1 0 1 0 1 */
     "model it(x[6], i: id<2>[6]) -> y[6] {\n"
     "  y[k in 6] = k > 0 && i[k - 1] > 0 ? sum[j in 2](x[i[k - 1] - 1 + j]) : 0.0 }",
     6,
     {0, 0, 3, 0, 3, 0}},
    {"condition_around_an_argument_with_a_clause",
     "dim P = 3\n"
     "op twice(x[...]) -> y[...] = 2 * x[...] grad(dy) { dx = 3 * dy } nocheck\n"
     "model it(x[P]) -> y[P] { y[p] = p > 0 ? twice(x[p - 1]) : -1.0 }",
     3,
     {-1, 2, 4}},
    {"index_of_a_parameter_by_its_header", /* d is a position, extent(d) 3 */
     "block f(x[d]) -> y[d] { param w[d] = 10 * d + extent(d)\n y[d] = x[d] * w[d] }\n"
     "model it(x[3]) -> y[3] { y = f(x) }",
     3,
     {3, 26, 69}},
    {"index_of_a_parameter_by_the_letter_of_its_dim", /* rows 0 1, 10 11, 20 21 */
     "dim D = 3, F = 2\nparam w[D,F] = 10 * d + f + 100 * (D - F)\n"
     "model it(x[D]) -> y[D,F] { y[d,f] = x[d] * w[d,f] }",
     6,
     {100, 101, 220, 222, 360, 363}},
    {"index_of_a_parameter_by_name", /* a letter with a meaning of its own is not taken */
     "dim D = 2\nconst d = 5\nparam w[i in D,j in D] = i == j ? d : 10 * i + j\n"
     "model it(x[D]) -> y[D,D] { y[i,j] = w[i,j] + 0 * x[i] }",
     4,
     {5, 1, 10, 5}},
    {"index_of_a_parameter_in_a_table",
     "dim T = 3\nschedule s[T] { a[t] = 1 + t }\n"
     "param w[T] = sum[k <= t](s.a[k])\nparam v[u in 2] = s.a[u]\n"
     "model it(x[T]) -> y[T] { y[t] = w[t] + v[t % 2] + 0 * x[t] }",
     3,
     {2, 5, 7}},
    {"quotient_under_a_condition",
     "model it(x[4]) -> y[12] { y[i in 12] = i < 8 ? x[i / 2] : 0.0 }",
     12,
     {1, 1, 2, 2, 3, 3, 4, 4, 0, 0, 0, 0}},
    {"quotient_in_a_function_of_an_index",
     "model it(x[4]) -> y[12] { y[i in 12] = x[min(i / 2, 3)] + 10 * x[clamp(i / 3, 1, 2)] }",
     12,
     {21, 21, 22, 22, 23, 23, 34, 34, 34, 34, 34, 34}},
    {"quotient_in_a_sum_under_a_condition", /* rows 1 2, 3 4, 5 6 */
     "model it(x[3,2]) -> y[8] { y[i in 8] = min(i, 6) < 6 ? sum[k](x[i / 2,k]) : -1.0 }",
     8,
     {3, 3, 7, 7, 11, 11, -1, -1}},
    {"logsumexp_of_infinities",
     "dim B = 4, D = 3\nmodel it(m[B]) -> t[B] {\n"
     "t[b] = logsumexp[d in D](d > 0 ? real(d - 1) : b == 0 ? inf : b == 1 ? -inf : m[b] - 3)\n}",
     4, /* log(2e^0 + e) for b == 2 */
     {INFINITY, 1.3132616875, 1.5514447139, 1.8619948041}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- running one ---------------------------------------------------------------------- */

static void give_input(Session *s, int entry, const Node *n) {
  TdError err = {0};
  int64_t count = ir_count(n);
  float *real = calloc((size_t)count, sizeof *real);
  int32_t *whole = calloc((size_t)count, sizeof *whole);
  for (int64_t i = 0; i < count; i++) {
    real[i] = (float)(i + 1);
    if (n->type == TY_INT) whole[i] = (int32_t)(n->lo + i % (n->hi - n->lo + 1));
  }
  if (n->type == TY_REAL ? !session_set_reals(s, entry, n->name, real, count, &err)
                         : !session_set_ints(s, entry, n->name, whole, count, &err))
    fail_msg("%s", err.message);
  free(real);
  free(whole);
}

static void expect(const Case *c, const char *on, Session *s, const Graph *g, int entry) {
  for (int i = 0; i < g->top->nodes.n; i++)
    if (g->top->nodes.at[i]->kind == N_INPUT) give_input(s, entry, g->top->nodes.at[i]);
  session_run(s, session_entry(s, "init"), 0, 0);
  session_run(s, entry, 0, 0);
  const char *name = g->outputs.at[0].name;
  const TdBuffer *b = session_output(s, entry, name);
  assert_non_null(b);
  assert_int_equal(b->count, c->n);
  void *got = output_of(s, entry, name);
  for (int i = 0; i < c->n; i++) {
    double x = typed_value(got, b->type, i);
    if (!(x == c->want[i] || (x > c->want[i] - NEAR && x < c->want[i] + NEAR)))
      fail_msg("%s, by the %s: %s[%d] is %.9g, by hand %.9g", c->name, on, name, i, x, c->want[i]);
  }
  free(got);
}

static int model_entry(const Unit *u) {
  for (int i = 0; i < u->nentries; i++)
    if (!strncmp(u->entries[i].name, "model.", 6)) return i;
  fail_msg("no model");
  return -1;
}

static void means(void **state) {
  const Case *c = *state;
  Model m;
  Running r;
  TdError err = {0};
  assert_true(model_open_source(&m, c->name, c->text));
  int i = model_entry(m.unit);
  const Graph *g = m.unit->entries[i].graph;
  assert_true(model_build(&m));
  assert_true(running_open(&r, &m, 1));
  expect(c, "kernels", r.session, g, session_entry(r.session, m.unit->entries[i].name));
  running_close(&r);
  Session *s = session_new(m.unit->program, reference_device(m.unit, &err), &err);
  assert_non_null(s);
  assert_true(session_need(s, (const char *const[]){".", NULL}, &err));
  expect(c, "evaluator", s, g, session_entry(s, m.unit->entries[i].name));
  session_free(s);
  model_close(&m);
}

/* Weights that are 1, 2, 3, .. after the steps, and their average: of it the least of 1/2 and
 * (1 + n) / (10 + n) stays at step n, from the initial 0. */
static void average_of_weights(void **state) {
  (void)state;
  static const char path[] = "build/tests/walk.td", verse[] = "tests/models/verse.txt",
                    text[] =
                        "data text { source \"tiny_shakespeare\" }\n"
                        "dim B = 2, L = 4, V = text.vocab\n"
                        "param w[V] = 0\n"
                        "op walk(p[...], g[...], lr = 1) -> q[...] = p[...] + lr + 0 * g[...]\n"
                        "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]) }\n"
                        "train { loss main  walk(lr = 1)  batch B  steps 20  ema 0.5 }\n";
  static const double want[] = {9.0 / 11,    1.704545455, 2.601398601, 3.500499500, 4.400199800,
                                5.300087413, 6.200041135, 7.100020568, 8.050010284};
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
  Model m;
  Running r;
  Feed feed;
  TdError err = {0};
  assert_true(model_open(&m, path, NULL, 0, verse, 0, NULL));
  assert_true(running_evaluated(&r, &m));
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  assert_true(feed_open(&feed, r.session, m.unit, "train", m.data, &err));
  for (int n = 1; n <= 9; n++) {
    assert_true(feed_train(&feed, 1, n, &err));
    session_run(r.session, feed.index, 1, n);
    int i = session_state(r.session, "ema.vector");
    assert_true(i >= 0);
    void *got = state_of(r.session, i);
    double x = typed_value(got, session_program(r.session)->states[i].type, 0);
    if (!(fabs(x - want[n - 1]) < NEAR)) fail_msg("step %d: %.9g, by hand %.9g", n, x, want[n - 1]);
    free(got);
  }
  feed_close(&feed);
  running_close(&r);
  model_close(&m);
}

/* A loss counts its steps: the gradient of w is the step's number, spread over the symbols, so
 * w, which descends by it, adds up to -1, -3, -6, .. On held-out text it is the last step. A name
 * of the file's own is that. */
static void step_of_a_loss(void **state) {
  (void)state;
  static const char path[] = "build/tests/counted.td", verse[] = "tests/models/verse.txt",
                    text[] = "data text { source \"tiny_shakespeare\" }\n"
                             "dim B = 2, L = 4, V = text.vocab\n"
                             "const own = 1\n"
                             "param w[V] = 0\n"
                             "op down(p[...], g[...], lr = 1) -> q[...] = p[...] - lr * g[...]\n"
                             "op weighted(x[b], by) -> y[b] = by * x[b]\n"
                             "loss main(x: id<V>[B,L]) {\n"
                             "  m[b] = mean[l](w[x[b,l]])\n"
                             "  log part = step / steps\n"
                             "  log twice = step / steps + real(step)\n"
                             "  minimize mean[b](weighted(m, step)[b])\n"
                             "}\n"
                             "train { loss main  down(lr = 1)  batch B  steps 20 }\n";
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
  Model m;
  TdError err = {0};
  assert_true(model_open(&m, path, NULL, 0, verse, 0, NULL));
  assert_true(model_build(&m));
  for (int device = 0; device < 2; device++) { /* kernels, the evaluator */
    Running r;
    Feed feed;
    assert_true(device == 0 ? running_open(&r, &m, 1) : running_evaluated(&r, &m));
    session_run(r.session, session_entry(r.session, "init"), 1, 0);
    assert_true(feed_open(&feed, r.session, m.unit, "train", m.data, &err));
    for (int n = 1; n <= 4; n++) {
      assert_true(feed_train(&feed, 1, n, &err));
      session_run(r.session, feed.index, 1, n);
      assert_true(fabs(session_scalar(r.session, feed.index, "part") - n / 20.0) < NEAR);
      int i = session_state(r.session, "params.vector");
      const TdState *w = &session_program(r.session)->states[i];
      void *got = state_of(r.session, i);
      double sum = 0;
      for (int64_t k = 0; k < w->count; k++) sum += typed_value(got, w->type, k);
      free(got);
      if (!(fabs(sum + n * (n + 1) / 2.0) < NEAR)) fail_msg("step %d: %.9g", n, sum);
    }
    feed_close(&feed);
    assert_true(feed_open(&feed, r.session, m.unit, "eval", m.data, &err));
    assert_true(feed_valid(&feed, 0, (FeedPart){.count = 1}, &err));
    session_run(r.session, feed.index, 1, 0);
    assert_true(fabs(session_scalar(r.session, feed.index, "twice") - 21) < NEAR);
    feed_close(&feed);
    running_close(&r);
  }
  model_close(&m);
  f = fopen(path, "w");
  assert_non_null(f);
  const char *at = strstr(text, "own");
  fprintf(f, "%.*sstep%s", (int)(at - text), text, at + strlen("own"));
  fclose(f);
  Running r;
  Feed feed;
  assert_true(model_open(&m, path, NULL, 0, verse, 0, NULL));
  assert_true(running_evaluated(&r, &m));
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  assert_true(feed_open(&feed, r.session, m.unit, "train", m.data, &err));
  assert_true(feed_train(&feed, 1, 7, &err));
  session_run(r.session, feed.index, 1, 7);
  assert_true(fabs(session_scalar(r.session, feed.index, "part") - 1 / 20.0) < NEAR);
  feed_close(&feed);
  running_close(&r);
  model_close(&m);
}

int main(void) {
  struct CMUnitTest tests[CASES + 2];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){cases[i].name, means, NULL, NULL, (void *)&cases[i]};
  tests[CASES] = (struct CMUnitTest)cmocka_unit_test(average_of_weights);
  tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(step_of_a_loss);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
