/* SPDX-License-Identifier: MIT */
/* Compiled programs against the evaluator: graphs small enough to be read, each
 * with every option on and with each one off in turn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/verify.h"
#include "tests/compiled.h"
#include "tests/workbench.h"

static const Span nowhere;

static Node *comp(Graph *g, Region *r, const char *name, int rank, int nred, const int64_t *extent,
                  Reducer red, Expr *body) {
  return ir_comp(g, r, name, nowhere, rank, nred, extent, red, NULL, body);
}

static Expr *at(Graph *g, Node *n, const char *vars) {
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++) index[i] = ex_var(g, vars[i] - '0');
  return ex_read(g, n, index);
}

static void update(Graph *g, Node *state, Node *value) {
  Update u = {state, value};
  vec_push(g->arena, &g->updates, u);
}

/* Every option on, then each one off; then all off. */
static void check_options(Bench *b, double tolerance, int rounds) {
  enum { OPTIONS = sizeof(BackendOptions) / sizeof(bool), SETS = OPTIONS + 2 };
  const char *why = ir_verify(b->g);
  if (why) fail_msg("%s", why);
  const TdProgram *programs[SETS];
  for (int i = 0; i < SETS; i++) {
    BackendOptions o = backend_defaults();
    bool *flag = &o.simplify;
    for (int k = 0; k < OPTIONS; k++) flag[k] = i == OPTIONS + 1 ? false : k != i;
    Backend *be = backend_new(b->arena, diags_new(b->arena), "test", &o);
    assert_true(backend_entry(be, b->g, "main"));
    programs[i] = backend_finish(be);
  }
  Library *l = library_new(programs, SETS, NULL);
  assert_non_null(l);
  for (int i = 0; i < SETS; i++) {
    Compiled *c = compiled_of(l, i);
    if (compiled_compare(c, 0, b->g, (uint64_t)i, tolerance, rounds) != 0)
      fail_msg("with option %d off (%d: none, %d: all)", i, OPTIONS, OPTIONS + 1);
    compiled_free(c);
  }
  library_free(l);
}

static void test_map(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(5, 7)), *w = real_input(g, "w", SHAPE(7));
  Node *y = comp(g, g->top, "y", 2, 0, EXTENTS(5, 7), RED_NONE,
                 ex2(g, P_add, ex1(g, P_exp, at(g, x, "01")), at(g, w, "1")));
  Node *z = comp(g, g->top, "z", 2, 0, EXTENTS(7, 5), RED_NONE,
                 ex2(g, P_mul, at(g, y, "10"), ex1(g, P_tanh, at(g, w, "0"))));
  output(g, "y", y);
  output(g, "z", z);
  check_options(b, 1e-5, 1);
}

static void test_softmax(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(6, 40));
  Node *m = comp(g, g->top, "m", 1, 1, EXTENTS(6, 40), RED_MAX, at(g, x, "01"));
  Node *e = comp(g, g->top, "e", 2, 0, EXTENTS(6, 40), RED_NONE,
                 ex1(g, P_exp, ex2(g, P_sub, at(g, x, "01"), at(g, m, "0"))));
  Node *s = comp(g, g->top, "s", 1, 1, EXTENTS(6, 40), RED_SUM, at(g, e, "01"));
  Node *y = comp(g, g->top, "y", 2, 0, EXTENTS(6, 40), RED_NONE,
                 ex2(g, P_div, at(g, e, "01"), at(g, s, "0")));
  Node *l = comp(g, g->top, "l", 0, 2, EXTENTS(6, 40), RED_SUM,
                 ex2(g, P_mul, at(g, y, "01"), at(g, x, "01")));
  Node *best = comp(g, g->top, "best", 1, 1, EXTENTS(6, 40), RED_ARGMAX, at(g, y, "01"));
  output(g, "y", y);
  output(g, "loss", l);
  output(g, "best", best);
  check_options(b, 1e-5, 1);
}

static void test_product(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(3, 20, 30)), *w = real_input(g, "w", SHAPE(30, 50)),
       *bias = real_input(g, "b", SHAPE(50));
  Node *a = comp(g, g->top, "a", 3, 1, EXTENTS(3, 20, 50, 30), RED_SUM,
                 ex2(g, P_mul, at(g, x, "013"), at(g, w, "32")));
  Node *h = comp(g, g->top, "h", 3, 0, EXTENTS(3, 20, 50), RED_NONE,
                 ex2(g, P_add, at(g, a, "012"), at(g, bias, "2")));
  Node *y =
      comp(g, g->top, "y", 3, 0, EXTENTS(3, 20, 50), RED_NONE, ex1(g, P_tanh, at(g, h, "012")));
  Node *wt = comp(g, g->top, "dw", 2, 2, EXTENTS(30, 50, 3, 20), RED_SUM,
                  ex2(g, P_mul, at(g, x, "230"), at(g, y, "231")));
  Node *db = comp(g, g->top, "db", 1, 2, EXTENTS(50, 3, 20), RED_SUM, at(g, y, "120"));
  output(g, "y", y);
  output(g, "h", h);
  output(g, "dw", wt);
  output(g, "db", db);
  check_options(b, 1e-4, 1);
}

/* h carried over layers whose weights are rows of a stack; what each layer saw is kept. */
static void test_layers(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(4, 8)),
       *flat = ir_state(g, "w", TY_REAL, SHAPE(3 * 8 * 8 + 8), nowhere);
  Node *w = ir_view(g, g->top, "w", flat, 8, SHAPE(3, 8, 8), nowhere);
  Loop *l = ir_loop(g, g->top, "i", 3, false, nowhere);
  Node *h = ir_carry(g, l, "h", x);
  Expr *wi[3] = {ex_loopvar(g, l), ex_var(g, 2), ex_var(g, 1)};
  Node *a = comp(g, l->body, "a", 2, 1, EXTENTS(4, 8, 8), RED_SUM,
                 ex2(g, P_mul, at(g, h, "02"), ex_read(g, w, wi)));
  Node *n = comp(g, l->body, "n", 2, 0, EXTENTS(4, 8), RED_NONE,
                 ex2(g, P_add, at(g, h, "01"), ex1(g, P_sigmoid, at(g, a, "01"))));
  l->carries.at[0].next = n;
  Node *seen = ir_stack(g, l, h), *after = ir_stack(g, l, n), *y = ir_final(g, l, 0);
  /* backwards: the gradient of each layer's weights is a row of a pack's part */
  Loop *back = ir_loop(g, g->top, "i", 3, true, nowhere);
  Node *d = ir_carry(g, back, "d", y);
  Expr *hi[3] = {ex_loopvar(g, back), ex_var(g, 2), ex_var(g, 0)};
  Node *dw = comp(g, back->body, "dw", 2, 1, EXTENTS(8, 8, 4), RED_SUM,
                  ex2(g, P_mul, ex_read(g, seen, hi), at(g, d, "21")));
  Expr *ai[3] = {ex_loopvar(g, back), ex_var(g, 0), ex_var(g, 1)};
  Node *dn = comp(g, back->body, "dn", 2, 0, EXTENTS(4, 8), RED_NONE,
                  ex2(g, P_mul, at(g, d, "01"), ex_read(g, after, ai)));
  back->carries.at[0].next = dn;
  Node *dws = ir_stack(g, back, dw), *dx = ir_final(g, back, 0);
  Node *db = comp(g, g->top, "db", 1, 1, EXTENTS(8, 4), RED_SUM, at(g, dx, "10"));
  Node *parts[2] = {db, dws};
  Node *grad = ir_pack(g, g->top, "grad", parts, 2, nowhere);
  Node *next =
      comp(g, g->top, "w", 1, 0, EXTENTS(3 * 8 * 8 + 8), RED_NONE,
           ex2(g, P_sub, at(g, flat, "0"), ex2(g, P_mul, ex_num(g, 0.01), at(g, grad, "0"))));
  update(g, flat, next);
  output(g, "y", y);
  output(g, "dx", dx);
  check_options(b, 1e-4, 3);
}

static void test_swap(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *s = ir_state(g, "s", TY_REAL, SHAPE(5), nowhere),
       *t = ir_state(g, "t", TY_REAL, SHAPE(5), nowhere);
  Loop *l = ir_loop(g, g->top, "i", 3, false, nowhere);
  Node *p = ir_carry(g, l, "p", s), *q = ir_carry(g, l, "q", t);
  l->carries.at[0].next = q;
  l->carries.at[1].next = comp(g, l->body, "r", 1, 0, EXTENTS(5), RED_NONE,
                               ex2(g, P_add, at(g, p, "0"), ex1(g, P_real, ex_loopvar(g, l))));
  Node *rows = ir_stack(g, l, q);
  output(g, "rows", rows);
  output(g, "p", ir_final(g, l, 0));
  output(g, "q", ir_final(g, l, 1));
  update(g, s, t);
  update(g, t, s);
  check_options(b, 1e-6, 3);
}

static const TdProgram *compile(Bench *b) {
  Backend *be = backend_new(b->arena, diags_new(b->arena), "test", NULL);
  assert_true(backend_entry(be, b->g, "main"));
  return backend_finish(be);
}

/* A cache of which a turn writes one row: the other rows are not stored again, unless they come
 * from somewhere else. */
static void test_cache(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *k = ir_state(g, "k", TY_REAL, SHAPE(3, 7, 20), nowhere),
       *v = ir_state(g, "v", TY_REAL, SHAPE(7, 20), nowhere),
       *turn = ir_input(g, "turn", TY_INT, SHAPE(1), 0, 6, nowhere),
       *x = real_input(g, "x", SHAPE(20));
  Expr *zero[1] = {ex_int(g, 0)};
  Expr *here = ex2(g, P_eq, ex_var(g, 0), ex_read(g, turn, zero));
  Loop *l = ir_loop(g, g->top, "i", 3, false, nowhere);
  Expr *row[3] = {ex_loopvar(g, l), ex_var(g, 0), ex_var(g, 1)};
  Node *rows = comp(g, l->body, "rows", 2, 0, EXTENTS(7, 20), RED_NONE,
                    ex3(g, P_select, here, ex2(g, P_mul, at(g, x, "1"), ex1(g, P_real, row[0])),
                        ex_read(g, k, row)));
  Node *stack = ir_stack(g, l, rows);
  Expr *back[2] = {ex2(g, P_sub, ex_int(g, 6), ex_var(g, 0)), ex_var(g, 1)};
  update(g, k, stack);
  update(g, v,
         comp(g, g->top, "turned", 2, 0, EXTENTS(7, 20), RED_NONE,
              ex3(g, P_select, here, at(g, x, "1"), ex_read(g, v, back))));
  const TdProgram *p = compile(b);
  for (int i = 0; i < p->nkernels; i++) {
    const bool keeps = strcmp(p->kernels[i].name, "map_rows") == 0;
    assert_int_equal(strstr(p->kernels[i].source, "if (") != NULL, keeps);
  }
  check_options(b, 1e-6, 4);
}

static void test_scatter(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *id = ir_input(g, "id", TY_INT, SHAPE(3, 9), 0, 6, nowhere),
       *d = real_input(g, "d", SHAPE(3, 9, 24));
  Expr *index[2] = {at(g, id, "01"), ex_var(g, 2)};
  Node *table = ir_scatter(g, g->top, "table", nowhere, SHAPE(7, 24), 3, EXTENTS(3, 9, 24), index,
                           NULL, at(g, d, "012"));
  Expr *shift[1] = {ex2(g, P_sub, ex_var(g, 0), ex_int(g, 4))};
  Node *part = ir_scatter(g, g->top, "part", nowhere, SHAPE(4), 1, EXTENTS(9), shift,
                          ex2(g, P_and, ex2(g, P_le, ex_int(g, 4), ex_var(g, 0)),
                              ex2(g, P_lt, ex_var(g, 0), ex_int(g, 8))),
                          ex1(g, P_real, ex_var(g, 0)));
  Expr *gather[2] = {at(g, id, "01"), ex_var(g, 2)};
  Node *rows =
      comp(g, g->top, "rows", 3, 0, EXTENTS(3, 9, 24), RED_NONE, ex_read(g, table, gather));
  output(g, "table", table);
  output(g, "part", part);
  output(g, "rows", rows);
  check_options(b, 1e-5, 1);
}

/* A window of three with zeros outside, dropout, a select that guards a division. */
static void test_guards(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(4, 33)), *w = real_input(g, "w", SHAPE(3)),
       *k = ir_input(g, "k", TY_INT, SHAPE(4), -3, 3, nowhere);
  Expr *i = ex2(g, P_sub, ex2(g, P_add, ex_var(g, 1), ex_var(g, 2)), ex_int(g, 1));
  Expr *in = ex2(g, P_and, ex2(g, P_le, ex_int(g, 0), i), ex2(g, P_lt, i, ex_int(g, 33)));
  Expr *index[2] = {ex_var(g, 0), i};
  Node *c =
      comp(g, g->top, "c", 2, 1, EXTENTS(4, 33, 3), RED_SUM,
           ex3(g, P_select, in, ex2(g, P_mul, ex_read(g, x, index), at(g, w, "2")), ex_num(g, 0)));
  Expr *flat = ex2(g, P_add, ex2(g, P_mul, ex_int(g, 33), ex_var(g, 0)), ex_var(g, 1));
  Expr *u = ex2(g, P_uniform, ex_int(g, 12345), flat), *z = ex2(g, P_normal, ex_int(g, 777), flat);
  Node *d =
      comp(g, g->top, "d", 2, 0, EXTENTS(4, 33), RED_NONE,
           ex2(g, P_add,
               ex3(g, P_select, ex2(g, P_lt, u, ex_num(g, 0.5)), at(g, c, "01"), ex_num(g, 0)), z));
  Expr *q = ex2(g, P_mod, ex_var(g, 1), at(g, k, "0")),
       *nz = ex2(g, P_ne, at(g, k, "0"), ex_int(g, 0));
  Node *m =
      comp(g, g->top, "m", 2, 0, EXTENTS(4, 33), RED_NONE, ex3(g, P_select, nz, q, ex_int(g, -9)));
  Node *any = comp(g, g->top, "any", 1, 1, EXTENTS(4, 33), RED_MAX,
                   ex2(g, P_eq, at(g, m, "01"), ex_int(g, 2)));
  Node *prod = ir_comp(g, g->top, "prod", nowhere, 1, 1, EXTENTS(4, 33), RED_PROD,
                       ex2(g, P_lt, ex_var(g, 1), ex_int(g, 5)), at(g, x, "01"));
  output(g, "c", c);
  output(g, "d", d);
  output(g, "m", m);
  output(g, "any", any);
  output(g, "prod", prod);
  check_options(b, 1e-5, 1);
}

static void expect_integers(Bench *b, const char *name, const int32_t *want, int n) {
  Eval *ev = eval_new(b->g, 0, 0);
  assert_null(eval_run(ev));
  const double *meant = NULL;
  for (int i = 0; i < b->g->outputs.n; i++)
    if (!strcmp(b->g->outputs.at[i].name, name)) meant = eval_value(ev, b->g->outputs.at[i].node);
  assert_non_null(meant);
  for (int i = 0; i < n; i++) assert_int_equal((int64_t)meant[i], want[i]);
  eval_free(ev);
  Backend *be = backend_new(b->arena, diags_new(b->arena), "test", NULL);
  assert_true(backend_entry(be, b->g, "main"));
  Compiled *c = compiled_new(backend_finish(be), NULL);
  assert_non_null(c);
  compiled_run(c, 0, (TdControl){0}, 1);
  TdType type;
  int64_t count;
  const int32_t *is = compiled_output(c, 0, name, &type, &count);
  assert_true(type == TD_I32 && count == n);
  for (int i = 0; i < n; i++) assert_int_equal(is[i], want[i]);
  compiled_free(c);
}

/* Integers beyond 32 and 53 bits on the way (2^53 + 1 is 5 by 7, 3000000000 is 4), `int` of
 * what no integer holds, a division by 0 that a condition drops; worked out by hand. */
static void test_integers(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  static const double reals[5] = {NAN, 1e20, -1e20, 2.5, -2.5};
  Node *x = ir_const(g, g->top, "x", TY_REAL, 1, EXTENTS(5), reals, nowhere);
  Expr *i = ex_var(g, 0),
       *far = ex2(g, P_add, ex2(g, P_mul, i, ex_int(g, 3000000000)), ex_int(g, 9007199254740993));
  Node *rest =
      comp(g, g->top, "rest", 1, 0, EXTENTS(5), RED_NONE, ex2(g, P_mod, far, ex_int(g, 7)));
  Node *down =
      comp(g, g->top, "down", 1, 0, EXTENTS(5), RED_NONE, ex2(g, P_mod, far, ex_int(g, -7)));
  Node *whole = comp(g, g->top, "whole", 1, 0, EXTENTS(5), RED_NONE, ex1(g, P_int, at(g, x, "0")));
  Expr *guarded = ex3(g, P_select, ex2(g, P_ne, i, ex_int(g, 0)), ex2(g, P_mod, ex_int(g, 7), i),
                      ex_int(g, -1));
  Node *dropped = comp(g, g->top, "dropped", 1, 0, EXTENTS(5), RED_NONE, guarded);
  Node *steps = comp(g, g->top, "steps", 1, 0, EXTENTS(8), RED_NONE,
                     ex2(g, P_mod, ex2(g, P_mul, i, ex_int(g, (int64_t)1 << 60)), ex_int(g, 7)));
  Expr *within = ex2(g, P_lt, i, ex_int(g, 8)); /* where 2^60 i, made here, cannot wrap */
  Node *made = comp(g, g->top, "made", 1, 0, EXTENTS(10), RED_NONE,
                    ex3(g, P_select, within, at(g, steps, "0"), ex_int(g, -1)));
  output(g, "made", made);
  output(g, "rest", rest);
  output(g, "down", down);
  output(g, "whole", whole);
  output(g, "dropped", dropped);
  assert_null(ir_verify(g));
  expect_integers(b, "made", (const int32_t[]){0, 1, 2, 3, 4, 5, 6, 0, -1, -1}, 10);
  expect_integers(b, "rest", (const int32_t[]){5, 2, 6, 3, 0}, 5);
  expect_integers(b, "down", (const int32_t[]){-2, -5, -1, -4, 0}, 5);
  expect_integers(b, "whole", (const int32_t[]){0, INT32_MAX, INT32_MIN, 2, -3}, 5);
  expect_integers(b, "dropped", (const int32_t[]){-1, 0, 1, 1, 3}, 5);
}

/* A search among one place finds it, whatever is there: kept for another nest (q), stored, and
 * under a guard that never holds. */
static void test_one_place(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *c = real_input(g, "c", SHAPE(4)), *x = real_input(g, "x", SHAPE(4, 1));
  Expr *never = ex2(g, P_lt, at(g, c, "0"), ex_num(g, -INFINITY));
  Node *best = comp(g, g->top, "best", 1, 1, EXTENTS(4, 1), RED_ARGMAX, at(g, x, "01"));
  Node *none =
      ir_comp(g, g->top, "none", nowhere, 1, 1, EXTENTS(4, 1), RED_ARGMAX, never, at(g, x, "01"));
  Node *q = comp(g, g->top, "q", 2, 0, EXTENTS(4, 4), RED_NONE,
                 ex2(g, P_add, ex_var(g, 0), at(g, best, "1")));
  output(g, "q", q);
  output(g, "none", none);
  expect_integers(b, "q", (const int32_t[]){0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3}, 16);
  expect_integers(b, "none", (const int32_t[]){0, 0, 0, 0}, 4);
  check_options(b, 0, 1);
}

/* ---- structure: what becomes how many kernels ------------------------------------- */

static int launches(const TdProgram *p, const char *klass) {
  int n = 0;
  for (int s = 0; s < p->entries[0].nsteps; s++) {
    const TdStep *step = &p->entries[0].steps[s];
    n += step->kind == TD_LAUNCH && (!klass || strcmp(p->kernels[step->kernel].klass, klass) == 0);
  }
  return n;
}

static void test_softmax_is_one_kernel(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(64, 300)), *dy = real_input(g, "dy", SHAPE(64, 300));
  Node *m = comp(g, g->top, "m", 1, 1, EXTENTS(64, 300), RED_MAX, at(g, x, "01"));
  Node *e = comp(g, g->top, "e", 2, 0, EXTENTS(64, 300), RED_NONE,
                 ex1(g, P_exp, ex2(g, P_sub, at(g, x, "01"), at(g, m, "0"))));
  Node *s = comp(g, g->top, "s", 1, 1, EXTENTS(64, 300), RED_SUM, at(g, e, "01"));
  Node *y = comp(g, g->top, "y", 2, 0, EXTENTS(64, 300), RED_NONE,
                 ex2(g, P_div, at(g, e, "01"), at(g, s, "0")));
  Node *dot = comp(g, g->top, "dot", 1, 1, EXTENTS(64, 300), RED_SUM,
                   ex2(g, P_mul, at(g, y, "01"), at(g, dy, "01")));
  Node *dx = comp(g, g->top, "dx", 2, 0, EXTENTS(64, 300), RED_NONE,
                  ex2(g, P_mul, at(g, y, "01"), ex2(g, P_sub, at(g, dy, "01"), at(g, dot, "0"))));
  output(g, "y", y);
  output(g, "dx", dx);
  assert_int_equal(launches(compile(b), NULL), 1);
}

/* Forward and backward of a normalisation, its two parameter gradients as partial sums in the
 * same kernel. */
static void test_layernorm_backward(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(16, 40, 96)), *dy = real_input(g, "dy", SHAPE(16, 40, 96)),
       *gain = real_input(g, "gain", SHAPE(96));
  Expr *scale = ex_num(g, 1.0 / 96);
  Node *mu = comp(g, g->top, "mu", 2, 1, EXTENTS(16, 40, 96), RED_SUM,
                  ex2(g, P_mul, scale, at(g, x, "012")));
  Expr *d = ex2(g, P_sub, at(g, x, "012"), at(g, mu, "01"));
  Node *var = comp(g, g->top, "var", 2, 1, EXTENTS(16, 40, 96), RED_SUM,
                   ex2(g, P_mul, scale, ex2(g, P_mul, d, d)));
  Node *r = comp(g, g->top, "r", 2, 0, EXTENTS(16, 40), RED_NONE,
                 ex1(g, P_rsqrt, ex2(g, P_add, at(g, var, "01"), ex_num(g, 1e-5))));
  Node *h =
      comp(g, g->top, "h", 3, 0, EXTENTS(16, 40, 96), RED_NONE, ex2(g, P_mul, d, at(g, r, "01")));
  Node *dgain = comp(g, g->top, "dgain", 1, 2, EXTENTS(96, 16, 40), RED_SUM,
                     ex2(g, P_mul, at(g, dy, "120"), at(g, h, "120")));
  Node *dbias = comp(g, g->top, "dbias", 1, 2, EXTENTS(96, 16, 40), RED_SUM, at(g, dy, "120"));
  Expr *dh = ex2(g, P_mul, at(g, dy, "012"), at(g, gain, "2"));
  Node *a = comp(g, g->top, "a", 2, 1, EXTENTS(16, 40, 96), RED_SUM, ex2(g, P_mul, scale, dh));
  Node *c = comp(g, g->top, "c", 2, 1, EXTENTS(16, 40, 96), RED_SUM,
                 ex2(g, P_mul, scale, ex2(g, P_mul, dh, at(g, h, "012"))));
  Node *dx = comp(g, g->top, "dx", 3, 0, EXTENTS(16, 40, 96), RED_NONE,
                  ex2(g, P_mul, at(g, r, "01"),
                      ex2(g, P_sub, ex2(g, P_sub, dh, at(g, a, "01")),
                          ex2(g, P_mul, at(g, h, "012"), at(g, c, "01")))));
  output(g, "dx", dx);
  output(g, "dgain", dgain);
  output(g, "dbias", dbias);
  const TdProgram *p = compile(b);
  assert_int_equal(launches(p, "column"), 1);
  assert_int_equal(launches(p, NULL), 3); /* and one for each sum of partial sums */
  check_options(b, 1e-4, 1);
}

/* x w + b through gelu and dropout, plus a residual, is one kernel. */
static void test_epilogue(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(64, 48)), *w = real_input(g, "w", SHAPE(48, 80)),
       *bias = real_input(g, "bias", SHAPE(80)), *z = real_input(g, "z", SHAPE(64, 80));
  Node *a = comp(g, g->top, "a", 2, 1, EXTENTS(64, 80, 48), RED_SUM,
                 ex2(g, P_mul, at(g, x, "02"), at(g, w, "21")));
  Node *h = comp(g, g->top, "h", 2, 0, EXTENTS(64, 80), RED_NONE,
                 ex2(g, P_add, at(g, a, "01"), at(g, bias, "1")));
  Node *y = comp(g, g->top, "y", 2, 0, EXTENTS(64, 80), RED_NONE,
                 ex2(g, P_mul, at(g, h, "01"),
                     ex2(g, P_add, ex_num(g, 1),
                         ex1(g, P_erf, ex2(g, P_mul, ex_num(g, 0.7), at(g, h, "01"))))));
  Expr *u = ex2(g, P_uniform, ex_int(g, 99),
                ex2(g, P_add, ex2(g, P_mul, ex_int(g, 80), ex_var(g, 0)), ex_var(g, 1)));
  Node *o =
      comp(g, g->top, "o", 2, 0, EXTENTS(64, 80), RED_NONE,
           ex2(g, P_add, at(g, z, "01"),
               ex3(g, P_select, ex2(g, P_lt, u, ex_num(g, 0.1)), ex_num(g, 0), at(g, y, "01"))));
  output(g, "o", o);
  output(g, "h", h);
  assert_int_equal(launches(compile(b), NULL), 1);
  check_options(b, 1e-4, 1);
}

/* The optimizer is one kernel over the flat parameters that writes them where they are. */
static void test_optimizer(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *p = ir_state(g, "p", TY_REAL, SHAPE(1000), nowhere),
       *m = ir_state(g, "m", TY_REAL, SHAPE(1000), nowhere), *d = real_input(g, "d", SHAPE(1000));
  Node *m2 = comp(g, g->top, "m2", 1, 0, EXTENTS(1000), RED_NONE,
                  ex2(g, P_add, ex2(g, P_mul, ex_num(g, 0.9), at(g, m, "0")), at(g, d, "0")));
  Node *p2 = comp(g, g->top, "p2", 1, 0, EXTENTS(1000), RED_NONE,
                  ex2(g, P_sub, at(g, p, "0"), ex2(g, P_mul, ex_num(g, 0.1), at(g, m2, "0"))));
  update(g, m, m2);
  update(g, p, p2);
  const TdProgram *program = compile(b);
  assert_int_equal(launches(program, NULL), 1);
  assert_true(program->kernels[0].brief); /* 1,000 numbers take less than a launch */
  assert_int_equal(program->entries[0].arena_bytes, 0);
  check_options(b, 1e-6, 3);
}

/* Products by matrices that lie one behind the other in a state, as those of q, k and v, differ in
 * where these are and in their names: one kernel, given 0, 48 x 80 and 2 x 48 x 80 numbers on.
 * One whose sum is tripled is another. */
static void test_kernels_are_shared(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  enum { PRODUCTS = 4, MATRIX = 48 * 80 };
  static const char *const names[PRODUCTS] = {"q", "k", "v", "tripled"};
  Node *p = ir_state(g, "p", TY_REAL, SHAPE(PRODUCTS * MATRIX), nowhere),
       *x = real_input(g, "x", SHAPE(64, 48));
  for (int i = 0; i < PRODUCTS; i++) {
    Node *w = ir_view(g, g->top, i ? "w" : "u", p, i * MATRIX, SHAPE(48, 80), nowhere);
    Node *y = comp(g, g->top, names[i], 2, 1, EXTENTS(64, 80, 48), RED_SUM,
                   ex2(g, P_mul, at(g, x, "02"), at(g, w, "21")));
    if (i == 3)
      y = comp(g, g->top, "z", 2, 0, EXTENTS(64, 80), RED_NONE,
               ex2(g, P_mul, ex_num(g, 3), at(g, y, "01")));
    output(g, names[i], y);
  }
  const TdProgram *program = compile(b);
  const TdEntry *e = &program->entries[0];
  assert_int_equal(launches(program, "contraction"), PRODUCTS);
  assert_int_equal(e->nsteps, PRODUCTS);
  for (int i = 0; i < PRODUCTS; i++) {
    const TdStep *step = &e->steps[i];
    assert_int_equal(step->kernel == e->steps[0].kernel, i < 3);
    for (int k = 0; k < step->nargs; k++) {
      const bool params = e->buffers[step->args[k]].kind == TD_STATE;
      const size_t begin = step->begins ? step->begins[k] : 0;
      assert_int_equal(begin, params ? (size_t)i * MATRIX * sizeof(float) : 0);
    }
  }
  check_options(b, 1e-4, 1);
}

/* Products of which the sums are scaled by 3, 5 and 0.7, as statements with numbers of their own:
 * one kernel, and each launch gives it its factor. Twice a sum is another: a power of two stays in
 * the text. Draws differ in their sites. */
static void test_launches_give_numbers(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  enum { PRODUCTS = 4, DRAWS = 2 };
  static const double factor[PRODUCTS] = {3, 5, 0.7, 2};
  static const int64_t site[DRAWS] = {7, 3000000000};
  static const char *const names[] = {"z0", "z1", "z2", "z3", "u0", "u1"};
  static const char *const read[] = {"w0", "w1", "w2", "w3", "scale0", "scale1"};
  Node *x = real_input(g, "x", SHAPE(64, 48));
  for (int i = 0; i < PRODUCTS; i++) {
    Node *w = real_input(g, read[i], SHAPE(48, 80));
    Node *y = comp(g, g->top, "y", 2, 1, EXTENTS(64, 80, 48), RED_SUM,
                   ex2(g, P_mul, at(g, x, "02"), at(g, w, "21")));
    output(g, names[i],
           comp(g, g->top, "z", 2, 0, EXTENTS(64, 80), RED_NONE,
                ex2(g, P_mul, ex_num(g, factor[i]), at(g, y, "01"))));
  }
  for (int i = 0; i < DRAWS; i++) {
    Node *scale = real_input(g, read[PRODUCTS + i], SHAPE(40));
    Expr *number = ex2(g, P_add, ex2(g, P_mul, ex_int(g, 500), ex_var(g, 0)), ex_var(g, 1));
    output(g, names[PRODUCTS + i],
           comp(g, g->top, "u", 2, 0, EXTENTS(40, 500), RED_NONE,
                ex2(g, P_mul, at(g, scale, "0"), ex2(g, P_normal, ex_int(g, site[i]), number))));
  }
  const TdProgram *p = compile(b);
  const TdEntry *e = &p->entries[0];
  int products = 0, draws = 0;
  assert_int_equal(e->nsteps, PRODUCTS + DRAWS);
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    const TdBuffer *last = &e->buffers[step->args[step->nargs - 1]];
    const void *given = NULL;
    if (last->kind == TD_CONST)
      given = (const char *)last->data + (step->begins ? step->begins[step->nargs - 1] : 0);
    if (strcmp(p->kernels[step->kernel].klass, "contraction") == 0) {
      assert_int_equal(step->kernel == e->steps[0].kernel, products < 3);
      assert_int_equal(given != NULL, products < 3);
      assert_false(p->kernels[step->kernel].brief);
      if (given) assert_true(*(const float *)given == (float)factor[products]);
      products++;
    } else {
      assert_non_null(given);
      assert_int_equal(*(const int32_t *)given, (int32_t)(uint32_t)site[draws++]);
    }
  }
  assert_int_equal(products, PRODUCTS);
  assert_int_equal(draws, DRAWS);
  check_options(b, 1e-4, 1);
}

/* Maps that follow on each other are one kernel, unless it would be too long: six of 200
 * expressions are three kernels. */
static void test_long_kernels(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  enum { MAPS = 6, TERMS = 66 };
  Node *y = real_input(g, "x", SHAPE(64, 300));
  for (int i = 0; i < MAPS; i++) {
    Expr *e = at(g, y, "01");
    for (int k = 0; k < TERMS; k++)
      e = ex2(g, P_add, ex2(g, P_mul, e, ex_num(g, 0.3 + 0.001 * (k + i))), at(g, y, "01"));
    y = comp(g, g->top, "y", 2, 0, EXTENTS(64, 300), RED_NONE, ex1(g, P_tanh, e));
  }
  output(g, "y", y);
  assert_int_equal(launches(compile(b), NULL), 3);
  check_options(b, 1e-4, 1);
}

/* One statement of 400 terms, as the gradient of what 400 statements read is: of its 2,400
 * expressions a kernel has 512 at most, and kernels of as many terms each are one, given their
 * numbers. */
static void test_long_bodies(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  enum { TERMS = 400 };
  Node *x = real_input(g, "x", SHAPE(300));
  Expr *e = at(g, x, "0");
  for (int k = 0; k < TERMS; k++)
    e = ex2(g, P_add, e,
            ex2(g, P_mul, ex_num(g, 0.3003 + 0.001 * k),
                ex1(g, P_tanh, ex2(g, P_add, at(g, x, "0"), ex_num(g, 0.0103 + 0.01 * k)))));
  output(g, "y", comp(g, g->top, "y", 1, 0, EXTENTS(300), RED_NONE, e));
  const TdProgram *p = compile(b);
  assert_int_equal(launches(p, NULL), 9);
  assert_int_equal(p->nkernels, 3); /* the first, seven in between, the last */
  check_options(b, 1e-4, 1);
}

/* A sum of everything takes two kernels, whatever the threads. */
static void test_total(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(300, 400));
  Node *s = comp(g, g->top, "s", 0, 2, EXTENTS(300, 400), RED_SUM,
                 ex2(g, P_mul, at(g, x, "01"), at(g, x, "01")));
  Node *y =
      comp(g, g->top, "y", 1, 0, EXTENTS(400), RED_NONE, ex2(g, P_div, ex_num(g, 1), at(g, s, "")));
  output(g, "y", y);
  assert_int_equal(launches(compile(b), "column"), 1);
  check_options(b, 1e-5, 1);
}

/* Windows over a sequence, and a causal mask, inside the operands of products. */
static void test_operands(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(4, 40, 24)), *w = real_input(g, "w", SHAPE(3, 24, 32)),
       *v = real_input(g, "v", SHAPE(4, 40, 32));
  Expr *i = ex2(g, P_sub, ex2(g, P_add, ex_var(g, 1), ex_var(g, 3)), ex_int(g, 1));
  Expr *in = ex2(g, P_and, ex2(g, P_le, ex_int(g, 0), i), ex2(g, P_lt, i, ex_int(g, 40)));
  Expr *xi[3] = {ex_var(g, 0), i, ex_var(g, 4)};
  Node *c =
      comp(g, g->top, "c", 3, 2, EXTENTS(4, 40, 32, 3, 24), RED_SUM,
           ex3(g, P_select, in, ex2(g, P_mul, ex_read(g, x, xi), at(g, w, "342")), ex_num(g, 0)));
  Node *s = comp(g, g->top, "s", 3, 1, EXTENTS(4, 40, 40, 32), RED_SUM,
                 ex2(g, P_mul, at(g, c, "013"), at(g, v, "023")));
  Node *o =
      ir_comp(g, g->top, "o", nowhere, 3, 1, EXTENTS(4, 40, 32, 40), RED_SUM,
              ex2(g, P_le, ex_var(g, 3), ex_var(g, 1)),
              ex2(g, P_mul, ex2(g, P_mul, ex_num(g, 0.25), at(g, s, "013")), at(g, v, "032")));
  output(g, "o", o);
  assert_int_equal(launches(compile(b), "contraction"), 3);
  check_options(b, 1e-3, 1);
}

/* How many are larger: a sum over rows of what its kernel reads, but of all that another makes of
 * these. */
static void test_ranks(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *x = real_input(g, "x", SHAPE(128));
  Node *o = comp(g, g->top, "o", 1, 0, EXTENTS(128), RED_NONE, ex1(g, P_exp, at(g, x, "0")));
  Expr *larger = ex2(g, P_and, ex2(g, P_lt, ex_num(g, 0), at(g, x, "1")),
                     ex2(g, P_lt, at(g, o, "0"), at(g, o, "1")));
  Node *n = comp(g, g->top, "n", 1, 1, EXTENTS(128, 128), RED_SUM,
                 ex3(g, P_select, larger, ex_num(g, 1), ex_num(g, 0)));
  output(g, "s",
         comp(g, g->top, "s", 1, 0, EXTENTS(128), RED_NONE,
              ex2(g, P_add, at(g, n, "0"), at(g, o, "0"))));
  check_options(b, 1e-5, 1);
}

/* A recurrence: its weights are packed once, before the loop, also where every
 * batch has its own; what it keeps of three gates is written beside its state,
 * gate by gate, in one vector loop. */
static void test_recurrence(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Node *h0 = real_input(g, "h0", SHAPE(12, 64)), *u = real_input(g, "u", SHAPE(3, 64, 64)),
       *v = real_input(g, "v", SHAPE(5, 32, 40));
  Node *s0 = real_input(g, "s0", SHAPE(5, 24, 32));
  Loop *l = ir_loop(g, g->top, "t", 4, false, nowhere);
  Node *h = ir_carry(g, l, "h", h0), *s = ir_carry(g, l, "s", s0);
  Node *n = comp(g, l->body, "n", 3, 1, EXTENTS(12, 3, 64, 64), RED_SUM,
                 ex2(g, P_mul, at(g, h, "03"), at(g, u, "132")));
  Expr *gate[3][3];
  for (int k = 0; k < 3; k++)
    gate[k][0] = ex_var(g, 0), gate[k][1] = ex_int(g, k), gate[k][2] = ex_var(g, 1);
  Node *r = comp(g, l->body, "r", 2, 0, EXTENTS(12, 64), RED_NONE,
                 ex1(g, P_sigmoid, ex_read(g, n, gate[0])));
  Node *q = comp(g, l->body, "q", 2, 0, EXTENTS(12, 64), RED_NONE,
                 ex1(g, P_tanh, ex2(g, P_mul, at(g, r, "01"), ex_read(g, n, gate[2]))));
  Expr *last = ex2(g, P_eq, ex_var(g, 1), ex_int(g, 2));
  Node *d = comp(g, l->body, "d", 3, 0, EXTENTS(12, 3, 64), RED_NONE,
                 ex3(g, P_select, last, at(g, r, "02"), at(g, q, "02")));
  Node *e = comp(g, l->body, "e", 3, 0, EXTENTS(12, 3, 64), RED_NONE,
                 ex2(g, P_add, at(g, d, "012"), at(g, h, "02")));
  l->carries.at[0].next =
      comp(g, l->body, "next", 2, 0, EXTENTS(12, 64), RED_NONE,
           ex2(g, P_add, ex2(g, P_mul, ex_num(g, 0.5), at(g, h, "01")), at(g, q, "01")));
  Node *m = comp(g, l->body, "m", 3, 1, EXTENTS(5, 24, 40, 32), RED_SUM,
                 ex2(g, P_mul, at(g, s, "013"), at(g, v, "032")));
  l->carries.at[1].next = comp(g, l->body, "moved", 3, 0, EXTENTS(5, 24, 32), RED_NONE,
                               ex1(g, P_tanh, at(g, m, "012")));
  output(g, "kept", ir_stack(g, l, e));
  output(g, "h", ir_final(g, l, 0));
  output(g, "s", ir_final(g, l, 1));
  const TdProgram *p = compile(b);
  assert_int_equal(launches(p, "contraction"), 2);
  assert_int_equal(launches(p, "pack"), 2);
  const TdEntry *entry = &p->entries[0];
  int loop = 0;
  while (entry->steps[loop].kind != TD_LOOP) loop++;
  int before = 0;
  for (int i = 0; i < loop; i++)
    before += entry->steps[i].kind == TD_LAUNCH &&
              strcmp(p->kernels[entry->steps[i].kernel].klass, "pack") == 0;
  assert_int_equal(before, 2);
  bool written_out = false;
  for (int i = 0; i < p->nkernels; i++)
    written_out = written_out || (strstr(p->kernels[i].comment, " e[") &&
                                  strcmp(p->kernels[i].klass, "map") == 0 &&
                                  !strstr(p->kernels[i].source, "< 3;"));
  assert_true(written_out);
  check_options(b, 1e-4, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_map, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_softmax, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_product, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_layers, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_swap, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_cache, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_scatter, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_guards, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_integers, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_one_place, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_softmax_is_one_kernel, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_layernorm_backward, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_epilogue, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_optimizer, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_kernels_are_shared, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_launches_give_numbers, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_long_kernels, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_long_bodies, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_total, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_operands, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_ranks, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(test_recurrence, bench_make, bench_remove),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
