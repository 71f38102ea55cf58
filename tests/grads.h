/* SPDX-License-Identifier: MIT */
/* What the tests of gradients share: graphs in few words, and the check against
 * central differences. */
#ifndef TDC_TESTS_GRADS_H
#define TDC_TESTS_GRADS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compiler/check/gradcheck.h"
#include "compiler/grad/grad.h"

typedef struct Test {
  Arena *arena;
  Interner *names;
  Diags *diags;
  Graph *g;
} Test;

int grads_set_up(void **state);
int grads_tear_down(void **state);
/* d out / d wrt is what differences say, and the graph is whole afterwards. */
void grads_check(Test *t, Node *out, int n, Node **wrt, GradcheckFill *fill);
/* A plain sum of products of two reads, over nred variables. */
bool grads_is_product(const Node *n, int nred);

/* ---- tests: of `t` and its graph `g` ------------------------------------------------ */

#define TEST(name)                            \
  static void name##_body(Test *t, Graph *g); \
  static void name(void **state) {            \
    Test *t = *state;                         \
    name##_body(t, t->g);                     \
  }                                           \
  static void name##_body(Test *t, Graph *g)
#define T(name) cmocka_unit_test_setup_teardown(name, grads_set_up, grads_tear_down)
#define CHECK(out, ...)                                                        \
  grads_check(t, out, (int)(sizeof((Node *[]){__VA_ARGS__}) / sizeof(Node *)), \
              (Node *[]){__VA_ARGS__}, NULL)

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

#endif
