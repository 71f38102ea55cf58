/* SPDX-License-Identifier: MIT */
/* The tests of gradients: set up, torn down, and checked. */
#include "tests/grads.h"

#include "compiler/ir/verify.h"

int grads_set_up(void **state) {
  Test *t = test_calloc(1, sizeof *t);
  t->arena = arena_new();
  t->names = interner_new(t->arena);
  t->diags = diags_new(t->arena);
  t->g = graph_new(t->arena, t->names, "test");
  *state = t;
  return 0;
}

int grads_tear_down(void **state) {
  Test *t = *state;
  arena_free(t->arena);
  test_free(t);
  return 0;
}

void grads_check(Test *t, Node *out, int n, Node **wrt, GradcheckFill *fill) {
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

bool grads_is_product(const Node *n, int nred) {
  return n->kind == N_COMP && n->reducer == RED_SUM && n->nvars - n->rank == nred && !n->guard &&
         ex_is_prim(n->body, P_mul) && n->body->args[0]->kind == E_READ &&
         n->body->args[1]->kind == E_READ;
}
