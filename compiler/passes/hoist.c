/* SPDX-License-Identifier: MIT */
/* Loop-invariant nodes: what an iteration computes from outer values alone is
 * computed once, before the loop.
 *
 * needs       a verified graph
 * guarantees  what is left in a body depends on a carry, the counter, an inner
 *             loop, or another node of the body
 * keeps       users' derivatives whole: a node with one, and what belongs to
 *             one, stays
 * breaks      nothing
 *
 *     loop i:6 {                             a[k:4] = exp(x[k])
 *       a[k:4] = exp(x[k])             ->    loop i:6 {
 *       y[k:4] = a[k] * w[@i, k]               y[k:4] = a[k] * w[@i, k]
 *       ...                                    ...                            */
#include "compiler/passes/pipeline.h"

typedef struct Inside {
  const Region *body;
  bool found;
} Inside;

static void note_inside(Node *read, void *ctx) {
  Inside *in = ctx;
  if (read->region == in->body) in->found = true;
}

static bool counts(Graph *g, const Node *n) {
  const Loop *l = n->region->loop;
  if (n->guard && ex_has_loopvar(g, n->guard, l)) return true;
  for (int k = 0; n->kind == N_SCATTER && k < n->rank; k++)
    if (ex_has_loopvar(g, n->index[k], l)) return true;
  return n->body && ex_has_loopvar(g, n->body, l);
}

static bool movable(Graph *g, Node *n) {
  bool computed = n->kind == N_COMP || n->kind == N_SCATTER || n->kind == N_VIEW ||
                  n->kind == N_PACK || n->kind == N_CONST;
  if (!computed || n->vjp) return false;
  Inside in = {n->region, false};
  ir_each_read(g, n, note_inside, &in);
  return !in.found && !counts(g, n);
}

static void hoist(Graph *g, Region *r) {
  VEC(Node *) list = {0};
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      Region *body = n->loop->body;
      hoist(g, body);
      int kept = 0;
      for (int k = 0; k < body->nodes.n; k++) {
        Node *x = body->nodes.at[k];
        if (movable(g, x)) {
          x->region = r; /* what follows it sees it outside */
          vec_push(g->arena, &list, x);
        } else {
          body->nodes.at[kept++] = x;
        }
      }
      body->nodes.n = kept;
    }
    vec_push(g->arena, &list, n);
  }
  r->nodes.n = 0;
  for (int i = 0; i < list.n; i++) vec_push(g->arena, &r->nodes, list.at[i]);
}

void pass_hoist(Graph *g, const PassOptions *o) {
  (void)o;
  hoist(g, g->top);
}
