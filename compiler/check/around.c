/* SPDX-License-Identifier: MIT */
#include "compiler/check/around.h"

#include <string.h>

/* ---- finding ------------------------------------------------------------------------ */

static void find_in(Graph *g, const Region *r, Cuts *cuts) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) find_in(g, n->loop->body, cuts);
    if (!n->vjp || !n->vjp->nocheck || n->type != TY_REAL) continue;
    Cut c = {.node = n};
    vec_push(g->arena, cuts, c);
  }
}

/* A node of a loop's body by iteration, out to the top; NULL: too many axes. */
static Node *lifted(Graph *g, Node *n) {
  while (n->region->loop) {
    if (n->rank == IR_MAX_RANK) return NULL;
    n = ir_stack(g, n->region->loop, n);
  }
  return n;
}

const char *around_find(Graph *g, Cuts *cuts, CutNodes *results) {
  find_in(g, g->top, cuts);
  for (int i = 0; i < cuts->n; i++) {
    Cut *c = &cuts->at[i];
    c->value = lifted(g, c->node);
    if (!c->value) return c->node->name;
    for (int k = 0; k < c->node->vjp->wrt.n; k++) {
      Node *x = lifted(g, c->node->vjp->wrt.at[k]);
      if (!x) return c->node->name;
      vec_push(g->arena, results, x);
    }
  }
  return NULL;
}

/* ---- cutting ------------------------------------------------------------------------ */

/* An input stands before all that may read it. */
static Node *first_input(Graph *g, const Node *like) {
  Node *n = ir_input(g, like->name, TY_REAL, like->rank, like->shape, 0, 0, like->span);
  Node **at = g->top->nodes.at;
  memmove(at + 1, at, (size_t)(g->top->nodes.n - 1) * sizeof *at);
  at[0] = n;
  return n;
}

/* The input at this iteration of the loops around n. */
static Expr *read_input(Graph *g, const Node *n, Node *input) {
  Expr *index[IR_MAX_RANK];
  int outer = input->rank - n->rank;
  for (int k = 0; k < n->rank; k++) index[outer + k] = ex_var(g, k);
  for (const Region *r = n->region; r->loop; r = r->parent) index[--outer] = ex_loopvar(g, r->loop);
  return ex_read(g, input, index);
}

void around_cut(Graph *g, Cuts *cuts) {
  for (int i = 0; i < cuts->n; i++) {
    Cut *c = &cuts->at[i];
    Node *n = c->node;
    c->input = first_input(g, c->value);
    n->reducer = RED_NONE;
    n->guard = NULL;
    n->nvars = n->rank;
    n->body = read_input(g, n, c->input);
    n->vjp = NULL;
  }
}
