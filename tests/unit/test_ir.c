/* SPDX-License-Identifier: MIT */
/* The graph's core: folding constructors, walks, intervals, loops, pruning, the
 * verifier, and the reader under hostile text. */
#include <math.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"
#include "tests/workbench.h"

static const Span nowhere;

static Expr *add(Graph *g, Expr *a, Expr *b) { return ex2(g, P_add, a, b); }
static Expr *sub(Graph *g, Expr *a, Expr *b) { return ex2(g, P_sub, a, b); }
static Expr *mul(Graph *g, Expr *a, Expr *b) { return ex2(g, P_mul, a, b); }
static Expr *lt(Graph *g, Expr *a, Expr *b) { return ex2(g, P_lt, a, b); }
static Expr *le(Graph *g, Expr *a, Expr *b) { return ex2(g, P_le, a, b); }

static Node *map(Graph *g, Region *r, const char *name, Node *x) {
  return ir_comp(g, r, name, nowhere, x->rank, 0, x->shape, RED_NONE, NULL,
                 ex1(g, P_exp, ir_read_all(g, x)));
}

/* ---- expressions ---------------------------------------------------------------- */

static void integers_have_one_form(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  Expr *i = b->i, *j = b->j, *k = b->k;
  assert_ptr_equal(add(g, i, j), add(g, j, i));
  assert_ptr_equal(sub(g, add(g, i, k), k), i);
  assert_ptr_equal(add(g, mul(g, ex_int(g, 2), i), mul(g, i, ex_int(g, 3))),
                   mul(g, ex_int(g, 5), i));
  Expr *s = add(g, mul(g, ex_int(g, 4), i), mul(g, j, ex_int(g, 2)));
  assert_ptr_equal(ex2(g, P_div, s, ex_int(g, 2)), add(g, j, mul(g, ex_int(g, 2), i)));
  assert_ptr_equal(ex2(g, P_mod, s, ex_int(g, 2)), ex_int(g, 0));
  assert_ptr_equal(ex2(g, P_div, add(g, s, ex_int(g, -1)), ex_int(g, 2)),
                   sub(g, add(g, j, mul(g, ex_int(g, 2), i)), ex_int(g, 1)));
  assert_ptr_equal(lt(g, add(g, i, ex_int(g, 1)), add(g, j, ex_int(g, 1))), lt(g, i, j));
  assert_ptr_equal(le(g, add(g, i, ex_int(g, 1)), j), lt(g, i, j));
  assert_ptr_equal(lt(g, i, add(g, i, ex_int(g, 1))), ex_bool(g, true));
  assert_ptr_equal(ex2(g, P_eq, j, i), ex2(g, P_eq, i, j));
  assert_ptr_equal(
      ex2(g, P_eq, mul(g, ex_int(g, 2), i), add(g, ex_int(g, 1), mul(g, ex_int(g, 2), j))),
      ex_bool(g, false));
  assert_ptr_equal(ex1(g, P_not, lt(g, i, j)), le(g, j, i));
  assert_ptr_equal(lt(g, ex_int(g, 2), i), le(g, ex_int(g, 3), i));
}

static void integers_do_not_overflow(void **state) {
  Graph *g = ((Bench *)*state)->g;
  Expr *big = ex_int(g, INT64_MAX), *least = ex_int(g, INT64_MIN), *i = ex_var(g, 0);
  assert_int_equal(add(g, big, ex_int(g, 1))->kind, E_PRIM);
  assert_int_equal(mul(g, big, ex_int(g, 2))->kind, E_PRIM);
  assert_int_equal(ex1(g, P_neg, least)->kind, E_PRIM);
  assert_int_equal(ex2(g, P_div, least, ex_int(g, -1))->kind, E_PRIM);
  assert_int_equal(ex2(g, P_div, i, ex_int(g, 0))->kind, E_PRIM);
  assert_int_equal(ex2(g, P_mod, ex_int(g, 7), ex_int(g, 0))->kind, E_PRIM);
  assert_int_equal(add(g, add(g, i, big), big)->kind, E_PRIM);
  assert_int_equal(lt(g, sub(g, i, big), big)->kind, E_PRIM);
  assert_ptr_equal(ex2(g, P_div, ex_int(g, -7), ex_int(g, 2)), ex_int(g, -4));
  assert_ptr_equal(ex2(g, P_mod, ex_int(g, -7), ex_int(g, 3)), ex_int(g, 2));
  assert_ptr_equal(ex2(g, P_mod, ex_int(g, 7), ex_int(g, -3)), ex_int(g, -2));
}

static void reals_keep_their_nans(void **state) {
  Graph *g = ((Bench *)*state)->g;
  Expr *x = ex1(g, P_real, ex_var(g, 0)), *zero = ex_num(g, 0), *one = ex_num(g, 1);
  assert_int_equal(mul(g, x, zero)->kind, E_PRIM);
  assert_int_equal(sub(g, x, x)->kind, E_PRIM);
  assert_int_equal(ex2(g, P_div, x, x)->kind, E_PRIM);
  assert_int_equal(ex2(g, P_eq, x, x)->kind, E_PRIM);
  assert_int_equal(ex1(g, P_not, lt(g, x, one))->prim, P_not);
  assert_ptr_equal(add(g, zero, x), x);
  assert_ptr_equal(mul(g, x, one), x);
  assert_ptr_equal(ex1(g, P_neg, ex1(g, P_neg, x)), x);
  assert_ptr_equal(ex1(g, P_exp, zero), one);
  assert_true(isinf(ex2(g, P_div, one, zero)->num));
  assert_ptr_equal(ex3(g, P_select, lt(g, x, one), x, x), x);
  assert_ptr_equal(ex_num(g, NAN), ex_num(g, NAN));
  assert_ptr_not_equal(ex_num(g, 0.0), ex_num(g, -0.0));
  assert_ptr_equal(ex1(g, P_int, ex_num(g, -1.5)), ex_int(g, -2));
  assert_ptr_equal(ex1(g, P_round, ex_num(g, 2.5)), ex_num(g, 2));
}

static Expr *exp_to_sin(Graph *g, Expr *e, void *ctx) {
  (*(int *)ctx)++;
  return e->kind == E_PRIM && e->prim == P_exp ? ex1(g, P_sin, e->args[0]) : e;
}

static void count_one(Expr *e, void *ctx) {
  (void)e;
  (*(int *)ctx)++;
}

/* x = exp(x) + x, forty times over: a tree of 2^40 leaves, 81 expressions */
static void walks_see_each_once(void **state) {
  Graph *g = ((Bench *)*state)->g;
  Expr *x = ex1(g, P_real, ex_var(g, 0));
  for (int n = 0; n < 40; n++) x = add(g, ex1(g, P_exp, x), x);
  int visited = 0, mapped = 0;
  ex_visit(g, x, count_one, &visited);
  assert_int_equal(visited, 82);
  Expr *y = ex_map(g, x, exp_to_sin, &mapped);
  assert_int_equal(mapped, 82);
  assert_ptr_not_equal(x, y);
  Expr *to[1] = {ex_var(g, 5)}, *back[6] = {0};
  back[5] = ex_var(g, 0);
  Expr *z = ex_subst(g, y, to, 1);
  assert_int_equal(ex_vars(g, z), 1u << 5);
  assert_ptr_equal(ex_subst(g, z, back, 6), y);
}

static void deep_expressions_do_not_recurse(void **state) {
  Bench *b = *state;
  Expr *x = ex1(b->g, P_real, b->i), *to[1] = {b->j};
  for (int n = 0; n < 100000; n++) x = ex1(b->g, P_exp, ex1(b->g, P_sin, x));
  assert_int_equal(ex_vars(b->g, ex_subst(b->g, x, to, 1)), 2);
  int64_t extent = 4;
  Node *n = ir_comp(b->g, b->g->top, "deep", nowhere, 1, 0, &extent, RED_NONE, NULL, x);
  output(b->g, "deep", n);
  assert_null(ir_verify(b->g));
  StrBuf text = {0};
  ir_print(b->g, &text);
  assert_true(text.n > 100000);
  sb_free(&text);
}

/* What may leave 64 bits may be anything, whatever is done with it. */
static void intervals_of_what_may_wrap(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  const int64_t extent[3] = {(int64_t)1 << 16, 5, 6}; /* i * i * i < 2^48, i^5 may be 2^80 */
  int64_t lo, hi, none[1] = {0};
  Expr *cube = mul(g, mul(g, b->i, b->i), b->i), *most = ex_int(g, INT64_MAX);
  assert_true(ex_in_range(g, ex2(g, P_min, cube, ex_int(g, 3)), extent, 3, 4));
  Expr *fifth = mul(g, cube, mul(g, b->i, b->i));
  assert_false(ex_in_range(g, ex2(g, P_min, fifth, ex_int(g, 3)), extent, 3, 4));
  assert_true(ex_in_range(g, ex2(g, P_max, ex2(g, P_min, fifth, ex_int(g, 3)), ex_int(g, 0)),
                          extent, 3, 4));
  assert_false(ex_interval(g, ex1(g, P_abs, fifth), extent, 3, &lo, &hi));
  Expr *above = add(g, most, b->j), *below = sub(g, ex_int(g, -INT64_MAX), b->j);
  assert_false(ex_interval(g, above, extent, 3, &lo, &hi));
  assert_false(ex_interval(g, below, extent, 3, &lo, &hi));
  assert_false(ex_in_range(g, ex2(g, P_max, above, ex_int(g, 0)), extent, 3, INT64_MAX));
  Node *x = ir_input(g, "x", TY_REAL, 0, none, 0, 0, nowhere);
  assert_true(ex_interval(g, ex1(g, P_int, ex_read(g, x, NULL)), extent, 3, &lo, &hi));
  assert_int_equal(lo, INT32_MIN);
  assert_int_equal(hi, INT32_MAX);
}

/* Every quotient and remainder of small ranges lies in what their intervals say. */
static void intervals_of_divisions(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  const int64_t extent[3] = {7, 9, 1};
  Expr *a = sub(g, b->i, ex_int(g, 3)); /* -3 .. 3 */
  for (int64_t first = -9; first <= 2; first++) {
    Expr *d = add(g, b->j, ex_int(g, first)); /* first .. first + 8 */
    for (int p = 0; p < 2; p++) {
      Prim prim = p ? P_mod : P_div;
      int64_t lo, hi, x;
      assert_true(ex_interval(g, ex2(g, prim, a, d), extent, 3, &lo, &hi));
      for (int64_t i = -3; i <= 3; i++)
        for (int64_t j = first; j <= first + 8; j++) {
          prim_int(prim, i, j, &x);
          assert_true(lo <= x && x <= hi);
        }
    }
  }
}

/* Sums and products of integers, their partial ones included. */
static void ranges_of_reductions(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  const int64_t extent[2] = {4, 5};
  Expr *body = sub(g, b->j, ex_int(g, 2)); /* -2 .. 2 */
  Node *sum = ir_comp(g, g->top, "sum", nowhere, 1, 1, extent, RED_SUM, NULL, body);
  assert_int_equal(sum->lo, -10);
  assert_int_equal(sum->hi, 10);
  Node *prod = ir_comp(g, g->top, "prod", nowhere, 1, 1, extent, RED_PROD, NULL, body);
  assert_int_equal(prod->lo, -32);
  assert_int_equal(prod->hi, 32);
  Expr *guard = lt(g, b->j, b->i), *late = add(g, b->j, ex_int(g, 7)); /* 7 .. 11, or none */
  Node *some = ir_comp(g, g->top, "some", nowhere, 1, 1, extent, RED_SUM, guard, late);
  assert_int_equal(some->lo, 0);
  assert_int_equal(some->hi, 55);
  assert_null(ir_verify(g));
  ir_comp(g, g->top, "large", nowhere, 1, 1, extent, RED_SUM, NULL, ex_int(g, 429496730));
  assert_non_null(strstr(ir_verify(g), "may not fit 32 bits")); /* 5 * 429496730 = 2^31 + 2 */
}

static void intervals(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  int64_t extent[3] = {4, 5, 6}, lo, hi, shape[1] = {3};
  Expr *s = sub(g, add(g, mul(g, ex_int(g, 4), b->i), mul(g, ex_int(g, 2), b->j)), ex_int(g, 3));
  assert_true(ex_interval(g, s, extent, 3, &lo, &hi));
  assert_int_equal(lo, -3);
  assert_int_equal(hi, 17);
  assert_true(ex_interval(g, ex2(g, P_mod, s, ex_int(g, 5)), extent, 3, &lo, &hi));
  assert_int_equal(lo, 0);
  assert_int_equal(hi, 4);
  assert_true(ex_interval(g, ex2(g, P_div, s, ex_int(g, 3)), extent, 3, &lo, &hi));
  assert_int_equal(lo, -1);
  assert_int_equal(hi, 5);
  Node *n = ir_input(g, "n", TY_INT, 1, shape, -2, 7, nowhere);
  Expr *index = ex_int(g, 0), *read = ex_read(g, n, &index);
  assert_true(ex_interval(g, mul(g, read, b->i), extent, 3, &lo, &hi));
  assert_int_equal(lo, -6);
  assert_int_equal(hi, 21);
  assert_true(ex_interval(g, ex2(g, P_max, read, ex_int(g, 0)), extent, 3, &lo, &hi));
  assert_int_equal(lo, 0);
  Node *any = ir_input(g, "any", TY_INT, 1, shape, INT64_MIN, INT64_MAX, nowhere);
  Expr *free_read = ex_read(g, any, &index);
  assert_false(ex_interval(g, add(g, free_read, b->i), extent, 3, &lo, &hi));
  assert_true(ex_interval(g, ex2(g, P_min, ex2(g, P_max, free_read, ex_int(g, 0)), ex_int(g, 9)),
                          extent, 3, &lo, &hi));
  assert_int_equal(hi, 9);
  assert_true(ex_interval(g, lt(g, b->i, add(g, b->j, ex_int(g, 9))), extent, 3, &lo, &hi));
  assert_int_equal(lo, 1);
}

static void affine_forms(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  int64_t shape[1] = {3};
  Node *n = ir_input(g, "n", TY_INT, 1, shape, 0, 7, nowhere);
  Expr *zero = ex_int(g, 0), *read = ex_read(g, n, &zero), *by_var = ex_read(g, n, &b->i);
  Affine f;
  assert_true(ex_affine(
      g, add(g, sub(g, mul(g, ex_int(g, 4), b->i), b->k), add(g, read, ex_int(g, 2))), &f));
  assert_int_equal(f.coef[0], 4);
  assert_int_equal(f.coef[1], 0);
  assert_int_equal(f.coef[2], -1);
  assert_ptr_equal(f.rest, add(g, read, ex_int(g, 2)));
  assert_true(ex_affine(g, b->j, &f));
  assert_true(ex_is_zero(f.rest));
  assert_false(ex_affine(g, add(g, b->i, by_var), &f));
  assert_false(ex_affine(g, ex2(g, P_mod, b->i, ex_int(g, 2)), &f));
}

/* ---- nodes -------------------------------------------------------------------------- */

static void loops_and_pruning(void **state) {
  Graph *g = ((Bench *)*state)->g;
  int64_t shape[2] = {4, 5};
  Node *x = real_input(g, "x", 2, shape);
  Loop *l = ir_loop(g, g->top, "t", 3, false, nowhere);
  Node *a = ir_carry(g, l, "a", x), *b = ir_carry(g, l, "b", x);
  l->carries.at[0].next = map(g, l->body, "y", a);
  l->carries.at[1].next = map(g, l->body, "z", b);
  Node *fa = ir_final(g, l, 0), *fb = ir_final(g, l, 1);
  assert_ptr_equal(ir_final(g, l, 1), fb);
  Node *stack = ir_stack(g, l, a);
  assert_int_equal(stack->rank, 3);
  assert_int_equal(stack->shape[0], 3);
  assert_ptr_equal(ir_stack(g, l, a), stack);
  assert_true(ir_visible(l->body, x));
  assert_false(ir_visible(g->top, a));
  output(g, "b", fb);
  assert_null(ir_verify(g));
  ir_prune(g);
  assert_null(ir_verify(g));
  assert_int_equal(l->carries.n, 1);
  assert_int_equal(l->emits.n, 0);
  assert_int_equal(fb->slot, 0);
  assert_int_equal(b->slot, 0);
  assert_int_equal(g->top->nodes.n, 3);
  (void)fa;
}

typedef struct Seen {
  Node *node[8];
  int n;
} Seen;

static void see(Node *n, void *ctx) {
  Seen *s = ctx;
  s->node[s->n++] = n;
}

static void reads_are_listed_once(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  int64_t shape[1] = {4};
  Node *x = real_input(g, "x", 1, shape),
       *ids = ir_input(g, "ids", TY_INT, 1, shape, 0, 3, nowhere);
  Expr *id = ex_read(g, ids, &b->i);
  Expr *body = add(g, ex_read(g, x, &id), ex_read(g, x, &b->i));
  Node *y = ir_comp(g, g->top, "y", nowhere, 1, 0, shape, RED_NONE, lt(g, id, b->i), body);
  Seen s = {.n = 0};
  ir_each_read(g, y, see, &s);
  assert_int_equal(s.n, 2);
  Loop *l = ir_loop(g, g->top, "t", 2, false, nowhere);
  Node *c = ir_carry(g, l, "c", x);
  l->carries.at[0].next = map(g, l->body, "n", c);
  map(g, l->body, "m", y);
  s.n = 0;
  ir_each_read(g, l->node, see, &s);
  assert_int_equal(s.n, 2);
  assert_ptr_equal(s.node[0], x);
  assert_ptr_equal(s.node[1], y);
}

static void integer_bounds(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  int64_t extent[2] = {3, 4};
  Node *sum =
      ir_comp(g, g->top, "sum", nowhere, 1, 1, extent, RED_SUM, NULL, sub(g, b->j, ex_int(g, 1)));
  assert_int_equal(sum->lo, -4);
  assert_int_equal(sum->hi, 8);
  Node *best =
      ir_comp(g, g->top, "best", nowhere, 0, 2, extent, RED_ARGMAX, NULL, ex1(g, P_real, b->i));
  assert_int_equal(best->type, TY_INT);
  assert_int_equal(best->hi, 11);
  Node *some = ir_comp(g, g->top, "some", nowhere, 2, 0, extent, RED_NONE, lt(g, b->i, b->j),
                       add(g, b->i, ex_int(g, 5)));
  assert_int_equal(some->lo, 0);
  assert_int_equal(some->hi, 7);
}

/* ---- the verifier ---------------------------------------------------------------------- */

static void expect_broken(Graph *g, const char *part) {
  const char *broken = ir_verify(g);
  assert_non_null(broken);
  if (!strstr(broken, part)) fail_msg("'%s' does not say '%s'", broken, part);
}

static void verifier_objects(void **state) {
  Bench *b = *state;
  Graph *g = b->g;
  int64_t shape[1] = {4};
  Node *x = real_input(g, "x", 1, shape), *y = map(g, g->top, "y", x);
  assert_null(ir_verify(g));
  y->mark = 1;
  expect_broken(g, "left its mark");
  y->mark = 0;
  y->shape[0] = 5;
  expect_broken(g, "another extent");
  y->shape[0] = 4;
  g->top->nodes.at[0] = y;
  g->top->nodes.at[1] = x;
  expect_broken(g, "comes later");
  g->top->nodes.at[0] = x;
  g->top->nodes.at[1] = y;
  Expr *body = y->body;
  y->body = ex1(g, P_real, b->k);
  expect_broken(g, "variable 2 of 1");
  y->body = body;
  Loop *l = ir_loop(g, g->top, "t", 2, false, nowhere);
  y->body = ex1(g, P_real, ex_loopvar(g, l));
  expect_broken(g, "outside of it");
  y->body = body;
  Node *c = ir_carry(g, l, "c", x);
  expect_broken(g, "has no next");
  l->carries.at[0].next = c;
  assert_null(ir_verify(g));
  Node *site =
      ir_comp(g, g->top, "u", nowhere, 1, 0, shape, RED_NONE, NULL, ex2(g, P_uniform, b->i, b->i));
  expect_broken(g, "32-bit constant");
  site->body = body;
  output(g, "y", y);
  output(g, "y", x);
  expect_broken(g, "two outputs");
}

/* ---- text -------------------------------------------------------------------------------- */

static const char sample[] =
    "graph sample\n"
    "input x: int[b:4, l:8] in 0 .. 63 ; at 3:1-3:5\n"
    "input step: int in 0 .. ; step\n"
    "state w: real[100]\n"
    "const t: real[3] = {1.0, -2.5,\n  inf}\n"
    "view a: real[10, 10] = w + 0\n"
    "h[b:4, d:10] = sum[l:8 | x[b, l] < 10 and l <= b](exp(a[mod(x[b, l], 10), d]))\n"
    "s[b:4] = {\n  $1 = h[b, 0] * h[b, 1] + 2.0\n  $1 / ($1 - -1e-5) + (b < 2 ? 1.0 : nan)\n}\n"
    "loop l:3 reverse {\n  carry c: real[b:4] = s\n  n[b:4] = c[b] + real(@l) * t[@l]\n  next c = "
    "n\n  emit 0 = n\n}\n"
    "final c'2: real[b:4] = c\nstack st: real[l:3, b:4] = l emit 0\n"
    "best[b:4] in 0 .. 2 = argmax[l:3](st[l, b])\n"
    "scatter g: real[v:64, d:10] over [v0:4, v1:8, v2:10 | v1 < v0] at [x[v0, v1], v2] add h[v0, "
    "v2]\n"
    "pack p: real[100] = a\ncotangent dy: real[4]\nvjp s from dy: h -> none\n"
    "output loss = best\nupdate w = p\n";

static Graph *read_text(Arena *a, const char *text, size_t n) {
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "test.ir", text, n));
  assert_true((g != NULL) == (diags_errors(d) == 0));
  return g;
}

static void numbers_survive(void **state) {
  (void)state;
  static const double numbers[] = {0.1,           -0.0,    1e300, 5e-324, 1.7976931348623157e308,
                                   123456789.125, 1.0 / 3, 1e22};
  Arena *a = arena_new();
  Graph *g = graph_new(a, interner_new(a), "numbers");
  int64_t shape[1] = {8};
  ir_const(g, g->top, "c", TY_REAL, 1, shape, numbers, nowhere);
  uint64_t odd = UINT64_C(0xfff8000000001234);
  double nan;
  memcpy(&nan, &odd, sizeof nan);
  Node *y = ir_comp(g, g->top, "y", nowhere, 1, 0, shape, RED_NONE, NULL, ex_num(g, nan));
  StrBuf text = {0};
  ir_print(g, &text);
  Graph *h = read_text(a, text.s, text.n);
  assert_non_null(h);
  assert_memory_equal(h->nodes.at[0]->data, numbers, sizeof numbers);
  assert_memory_equal(&h->nodes.at[1]->body->num, &nan, sizeof nan);
  sb_free(&text);
  arena_free(a);
  (void)y;
}

static void names_survive(void **state) {
  (void)state;
  static const char *const names[] = {"x",    "x",   "",  "sum", "a b", "q`\\\n\x80",
                                      "loop", "x.y", "1", "v2",  "x'2"};
  Arena *a = arena_new();
  Graph *g = graph_new(a, interner_new(a), "a graph");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    Node *n =
        ir_comp(g, g->top, names[i], nowhere, 0, 0, NULL, RED_NONE, NULL, ex_num(g, (double)i));
    output(g, arena_printf(a, "o%d", (int)i), n);
  }
  int64_t shape[3] = {2, 3, 4};
  Node *n = ir_comp(g, g->top, "axes", nowhere, 3, 0, shape, RED_NONE, NULL,
                    ex1(g, P_real, ex_var(g, 1)));
  n->axis[0] = "v2";
  n->axis[1] = n->axis[2] = "sum";
  StrBuf text = {0}, again = {0};
  ir_print(g, &text);
  Graph *h = read_text(a, text.s, text.n);
  assert_non_null(h);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_string_equal(h->outputs.at[i].node->name, names[i]);
  Node *m = h->nodes.at[h->nodes.n - 1];
  assert_string_equal(m->axis[0], "v2");
  assert_string_equal(m->axis[1], "sum");
  assert_string_equal(m->axis[2], "sum");
  ir_print(h, &again);
  assert_string_equal(text.s, again.s);
  sb_free(&text);
  sb_free(&again);
  arena_free(a);
}

/* Whatever the text, an error with a place comes back, and no crash. */
static void hostile_text(void **state) {
  (void)state;
  Arena *a = arena_new();
  assert_non_null(read_text(a, sample, sizeof sample - 1));
  static const char bits[] = "()[]{}'`$@;:,.=|?-+*/<!09az_ \n\x01\xff";
  uint64_t rng = 12345;
  for (int n = 0; n < 6000; n++) {
    char text[sizeof sample];
    memcpy(text, sample, sizeof sample);
    size_t size = sizeof sample - 1;
    for (int k = 0; k < 1 + n % 3; k++) {
      rng = rng * UINT64_C(6364136223846793005) + 1442695040888963407u;
      size_t at = (size_t)(rng >> 33) % size;
      switch (rng >> 20 & 3) {
      case 0: text[at] = bits[(rng >> 24) % (sizeof bits - 1)]; break;
      case 1: memmove(text + at, text + at + 1, size-- - at); break;
      case 2: size = at + 1; break;
      default: text[at] = text[(size_t)(rng >> 24) % size]; break;
      }
    }
    Arena *own = arena_new();
    Graph *g = read_text(own, text, size);
    if (g) {
      StrBuf out = {0};
      ir_print(g, &out);
      assert_non_null(read_text(own, out.s, out.n));
      sb_free(&out);
    }
    arena_free(own);
  }
  arena_free(a);
}

static void deep_text_is_an_error(void **state) {
  (void)state;
  static const char *const heads[] = {"(", "-", "exp(", "not ", "true ? 1.0 : ", "1.0 + ("};
  for (size_t k = 0; k < sizeof heads / sizeof *heads; k++) {
    Arena *a = arena_new();
    StrBuf text = {0};
    sb_puts(&text, "graph deep\ny[] = ");
    for (int i = 0; i < 20000; i++) sb_puts(&text, heads[k]);
    sb_puts(&text, "1.0\n");
    assert_null(read_text(a, text.s, text.n));
    sb_free(&text);
    arena_free(a);
  }
  Arena *a = arena_new();
  StrBuf text = {0};
  sb_puts(&text, "graph deep\n");
  for (int i = 0; i < 5000; i++) sb_printf(&text, "loop a%d:1 {\n", i);
  assert_null(read_text(a, text.s, text.n));
  sb_free(&text);
  arena_free(a);
}

/* ---- the pipeline -------------------------------------------------------------------------- */

static void note_pass(Graph *g, const PassInfo *pass, double seconds, void *ctx) {
  (void)g;
  assert_true(seconds >= 0);
  sb_printf(ctx, "%s ", pass->name);
}

static void pipeline_is_a_table(void **state) {
  (void)state;
  Arena *a = arena_new();
  Graph *g = read_text(a, sample, sizeof sample - 1);
  StrBuf ran = {0}, wanted = {0};
  const PassOptions every = pass_options(backend_target("cpu"));
  PassOptions no_simplify = every;
  no_simplify.simplify = false;
  pipeline_run(g, &(PipelineOptions){.passes = &every,
                                     .general = true,
                                     .verify = true,
                                     .skip = (const char *[]){"hoist", NULL},
                                     .after = note_pass,
                                     .ctx = &ran});
  pipeline_run(g, &(PipelineOptions){
                      .passes = &no_simplify, .verify = true, .after = note_pass, .ctx = &ran});
  for (int i = 0; i < pipeline_count(); i++)
    if (pipeline_at(i)->general && strcmp(pipeline_at(i)->name, "hoist") != 0)
      sb_printf(&wanted, "%s ", pipeline_at(i)->name);
  for (int i = 0; i < pipeline_count(); i++)
    if (pipeline_at(i)->option != (int)offsetof(PassOptions, simplify))
      sb_printf(&wanted, "%s ", pipeline_at(i)->name);
  assert_string_equal(ran.s, wanted.s);
  sb_free(&wanted);
  assert_false(pipeline_run_one(g, &every, "nonesuch"));
  assert_true(pipeline_run_one(g, &every, "hoist"));
  for (int i = 0; i < pipeline_count(); i++)
    assert_ptr_equal(pipeline_find(pipeline_at(i)->name), pipeline_at(i));
  sb_free(&ran);
  arena_free(a);
}

/* Does the pass change the graph of that file? */
static bool changes(const char *path, const char *pass) {
  Arena *a = arena_new();
  StrBuf text = {0}, before = {0}, after = {0};
  char block[4096];
  FILE *f = fopen(path, "rb");
  if (!f) fail_msg("%s cannot be read", path);
  for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) sb_write(&text, block, n);
  fclose(f);
  Graph *g = read_text(a, text.s, text.n);
  if (!g) fail_msg("%s is no graph", path);
  ir_print(g, &before);
  bool cuda = strncmp(text.s, "# target: cuda\n", 15) == 0;
  const PassOptions every = pass_options(backend_target(cuda ? "cuda" : "cpu"));
  pipeline_run_one(g, &every, pass);
  ir_print(g, &after);
  bool different = strcmp(before.s, after.s) != 0;
  sb_free(&text);
  sb_free(&before);
  sb_free(&after);
  arena_free(a);
  return different;
}

/* tests/ir/PASS_*.ir: at least one for each, in which the pass does something (others show
 * what it leaves alone). */
static void every_pass_has_a_file(void **state) {
  (void)state;
  for (int i = 0; i < pipeline_count(); i++) {
    const char *pass = pipeline_at(i)->name;
    char path[300];
    int found = 0;
    DIR *d = opendir("tests/ir");
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
      size_t n = strlen(pass);
      if (strncmp(e->d_name, pass, n) != 0 || e->d_name[n] != '_') continue;
      snprintf(path, sizeof path, "tests/ir/%s", e->d_name);
      found += changes(path, pass);
    }
    closedir(d);
    if (!found) fail_msg("there is no tests/ir/%s_*.ir in which it does something", pass);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(integers_have_one_form, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(integers_do_not_overflow, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(reals_keep_their_nans, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(walks_see_each_once, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(deep_expressions_do_not_recurse, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(intervals, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(intervals_of_what_may_wrap, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(intervals_of_divisions, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(ranges_of_reductions, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(affine_forms, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(loops_and_pruning, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(reads_are_listed_once, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(integer_bounds, bench_make, bench_remove),
      cmocka_unit_test_setup_teardown(verifier_objects, bench_make, bench_remove),
      cmocka_unit_test(numbers_survive),
      cmocka_unit_test(names_survive),
      cmocka_unit_test(hostile_text),
      cmocka_unit_test(deep_text_is_an_error),
      cmocka_unit_test(pipeline_is_a_table),
      cmocka_unit_test(every_pass_has_a_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
