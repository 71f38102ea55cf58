/* SPDX-License-Identifier: MIT */
/* Products that a loop makes only to stack them, as the gradient of a layer's weights, are made
 * after it, those of all iterations as one product with the counter as one more axis: a
 * device that runs many tiles at once has few of them in one such product. What they multiply
 * is stacked for it; where an earlier loop computes the same, as the hidden layer that is computed
 * again for its gradient, there.
 *
 *     loop i { z = ...; h = exp(z); ...; emit z }
 *     loop i reverse { h' = exp(Z[@i]); e = ...
 *                      d[j, k] = sum over l (h'[l, j] * e[l, k]); emit d }
 *     D = stack of d
 * ->  loop i { z = ...; h = exp(z); ...; emit z; emit h }
 *     loop i reverse { e = ...; emit e }
 *     D[i, j, k] = sum over l (H[i, l, j] * E[i, l, k])
 *
 * needs       after `inline`, so that operands are what they will be; that memory need not be saved
 * guarantees  each element is the sum of the same terms; at most TargetProducts.batched_bytes
 *             more are stacked (of f32)
 * breaks      nothing; emits that nobody needs are pruned                                   */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/contract.h"

typedef struct Batch {
  Graph *g;
  const TargetProducts *target;
  Loop *loop;
  int64_t room; /* numbers that may still be stacked */
  bool fails;
  const Node *product;
  Loop *earlier; /* of the search for a value that it has too */
} Batch;

/* ---- values that an earlier loop has ---------------------------------------------------- */

/* An expression of the loop as the earlier one would write it. */
static Expr *translate(Graph *g, Expr *e, void *ctx) {
  Batch *b = ctx;
  if (e->kind == E_LOOPVAR && e->loop == b->loop) return ex_loopvar(g, b->earlier);
  if (e->kind != E_READ) return e;
  const Node *n = e->node;
  if (n->kind == N_STACK && n->loop == b->earlier) {
    bool own = e->args[0]->kind == E_LOOPVAR && e->args[0]->loop == b->earlier; /* by now */
    b->fails = b->fails || !own;
    return own ? ex_read(g, b->earlier->emits.at[n->slot], e->args + 1) : e;
  }
  b->fails = b->fails || n->region == b->loop->body;
  return e;
}

static bool same_space(const Node *a, const Node *b) {
  if (a->kind != N_COMP || b->kind != N_COMP || a->type != b->type || a->rank != b->rank ||
      a->nvars != b->nvars || a->reducer != b->reducer)
    return false;
  for (int v = 0; v < a->nvars; v++)
    if (a->extent[v] != b->extent[v]) return false;
  return true;
}

/* The node of b->earlier with n's value in the iteration of the same counter, or NULL. */
static Node *same_in(Batch *b, Node *n) {
  const Region *r = b->earlier->body;
  b->fails = false;
  Expr *body = ex_map(b->g, n->body, translate, b),
       *guard = n->guard ? ex_map(b->g, n->guard, translate, b) : NULL;
  for (int i = 0; i < r->nodes.n && !b->fails; i++) {
    Node *m = r->nodes.at[i];
    if (same_space(n, m) && m->body == body && m->guard == guard) return m;
  }
  return NULL;
}

/* Where to stack n: the loop, and there n or its like. What somebody asked to compute again is
 * computed again. */
static Node *source_of(Batch *b, Node *n, Loop **loop) {
  const Region *around = b->loop->node->region;
  *loop = b->loop;
  if (n->kind == N_CARRY) return n;
  for (int i = 0; i < around->nodes.n && around->nodes.at[i] != b->loop->node; i++) {
    b->earlier = around->nodes.at[i]->loop;
    if (around->nodes.at[i]->kind != N_LOOP || b->earlier->count != b->loop->count) continue;
    Node *first = same_in(b, n);
    if (!first) continue;
    *loop = b->earlier;
    return first;
  }
  return n;
}

/* ---- may it be? ------------------------------------------------------------------------- */

static void note_read(Node *read, void *ctx) {
  Batch *b = ctx;
  b->fails = b->fails || read == b->product;
}

/* Does nothing but its stack need the product? */
static bool only_stacked(Batch *b, const Node *product) {
  const Loop *l = b->loop;
  b->fails = false;
  b->product = product;
  for (int i = 0; i < l->body->nodes.n; i++) ir_each_read(b->g, l->body->nodes.at[i], note_read, b);
  for (int i = 0; i < l->carries.n; i++) b->fails = b->fails || l->carries.at[i].next == product;
  return !b->fails;
}

static bool is_emitted(const Loop *l, const Node *n) {
  for (int i = 0; i < l->emits.n; i++)
    if (l->emits.at[i] == n) return true;
  return false;
}

/* Is it one read, at a place that no data decides, of what is there after the loop or can be
 * stacked? */
static bool can_follow(const Batch *b, const Expr *e) {
  if (e->kind != E_READ) return false;
  for (int d = 0; d < e->nargs; d++)
    if (e->args[d]->reads) return false;
  const Node *n = e->node;
  if (n->region != b->loop->body) return true;
  if (n->type != TY_REAL || n->rank == IR_MAX_RANK) return false;
  return n->kind == N_CARRY || (n->kind == N_COMP && !n->vjp && !n->again);
}

/* Numbers that are stacked for two operands and are not yet. */
static int64_t stacked_for(Batch *b, const Contraction *c) {
  int64_t sum = 0;
  for (int side = 0; side < 2; side++) {
    Node *n = c->operand[side]->node;
    Loop *l;
    if (n->region != b->loop->body || (side == 1 && n == c->operand[0]->node)) continue;
    n = source_of(b, n, &l);
    if (!is_emitted(l, n)) sum += ir_count(n) * l->count;
  }
  return sum;
}

static const Contraction *find(const Batch *b, Node *n) {
  const Contraction *c = n->kind == N_COMP && !n->vjp && n->region == b->loop->body &&
                                 n->nvars < IR_MAX_VARS && n->rank < IR_MAX_RANK
                             ? contract_find(b->g, b->target, n)
                             : NULL;
  if (!c || c->condition || c->where[GEMM_A] || c->where[GEMM_B]) return NULL;
  if (c->factor && c->factor->kind != E_NUM) return NULL;
  return c->extent[GEMM_M] * c->extent[GEMM_N] <= b->target->batched_most ? c : NULL;
}

/* ---- doing it ----------------------------------------------------------------------------- */

/* An expression of an iteration as it is written after the loop: variable 0 counts. */
static Expr *follow(Graph *g, Expr *e, void *ctx) {
  Batch *b = ctx;
  Loop *l;
  if (e->kind == E_LOOPVAR && e->loop == b->loop) return ex_var(g, 0);
  if (e->kind != E_READ || e->node->region != b->loop->body) return e;
  Expr *row[IR_MAX_RANK] = {ex_var(g, 0)};
  for (int d = 0; d < e->nargs; d++) row[d + 1] = e->args[d];
  Node *n = source_of(b, e->node, &l);
  return ex_read(g, ir_stack_behind(g, l, n), row);
}

/* The stack becomes the product. */
static void make_after(Batch *b, Node *stack, const Node *n) {
  Graph *g = b->g;
  Expr *map[IR_MAX_VARS];
  for (int v = 0; v < n->nvars; v++) map[v] = ex_var(g, v + 1);
  Expr *body = ex_map(g, ex_subst(g, n->body, map, n->nvars), follow, b);
  stack->kind = N_COMP;
  stack->loop = NULL;
  stack->slot = 0;
  stack->reducer = n->reducer;
  stack->nvars = n->nvars + 1;
  stack->extent[0] = b->loop->count;
  for (int v = 0; v < n->nvars; v++) {
    stack->extent[v + 1] = n->extent[v];
    stack->axis[v + 1] = n->axis[v];
  }
  stack->body = body;
  stack->again = n->again;
  ir_same_users(g, stack, n);
}

static void batch_loop(Batch *b) {
  const Loop *l = b->loop;
  const Region *around = l->node->region;
  if (l->count < 2) return;
  for (int i = around->nodes.n - 1; i >= 0; i--) {
    Node *stack = around->nodes.at[i], *n;
    if (stack->kind != N_STACK || stack->loop != l) continue;
    n = l->emits.at[stack->slot];
    const Contraction *c = find(b, n);
    if (!c || !can_follow(b, c->operand[0]) || !can_follow(b, c->operand[1]) || !only_stacked(b, n))
      continue;
    int64_t more = stacked_for(b, c);
    if (more > b->room) continue;
    b->room -= more;
    make_after(b, stack, n);
    i = around->nodes.n; /* stacks have moved */
  }
}

static void batch_region(Batch *b, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    if (r->nodes.at[i]->kind != N_LOOP) continue;
    batch_region(b, r->nodes.at[i]->loop->body);
    b->loop = r->nodes.at[i]->loop;
    batch_loop(b);
  }
}

void pass_batch(Graph *g, const PassOptions *o) {
  const TargetProducts *t = &o->target->products;
  Batch b = {.g = g, .target = t, .room = t->batched_bytes / 4};
  if (t->batched_bytes == 0) return;
  batch_region(&b, g->top);
  ir_prune(g);
}
