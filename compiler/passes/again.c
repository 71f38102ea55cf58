/* SPDX-License-Identifier: MIT */
/* Products that a loop stacks for a later one although that has all they are made
 * of: scores of attention, from stacked queries and keys. The later loop computes
 * them again, so that chains (chain.c) can keep them on chip there too and nothing
 * of their size is in memory.
 *
 * needs       regions in order; the option `contractions`
 * guarantees  values stay; a stack that nobody reads is pruned
 * breaks      nothing; but nodes of two loops are equal now, which `cse` keeps apart
 *
 *     loop i { s = sum over e (q[l, e] * k[m, e]); emit s }
 *     loop j reverse { ... S[@j, l, m] ... }
 *  -> loop j reverse { s' = sum over e (Q[@j, l, e] * K[@j, m, e]); ... s'[l, m] ... }
 *
 * Only what is stacked anyway, and maps of it, are read for it, and only products
 * that a chain can take are worth it: of batches, few operations an element.
 * `@save` before the assignment keeps the value.                                 */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/chain.h"

typedef struct Copy {
  const Node *of;
  Node *copy;
} Copy;

typedef struct Recompute {
  Graph *g;
  const Target *target;
  Loop *earlier, *later;
  Node *stack, *again; /* the value stacked, and computed in the later loop */
  VEC(Copy) copies;
  bool fails;
} Recompute;

static Node *stack_after(const Loop *l, const Node *value) {
  const Region *around = l->node->region;
  for (int i = 0; i < around->nodes.n; i++) {
    Node *n = around->nodes.at[i];
    if (n->kind == N_STACK && n->loop == l && l->emits.at[n->slot] == value) return n;
  }
  return NULL;
}

/* ---- may it be? ------------------------------------------------------------------ */

static bool is_plain_map(const Node *n) { return ir_is_map(n) && !n->vjp && !n->body->draws; }

/* Has the later loop what is read, or can it be had by maps of what it has? */
static void check_source(Node *read, void *ctx) {
  Recompute *r = ctx;
  if (r->fails || !ir_inside(read->region, r->earlier) || stack_after(r->earlier, read)) return;
  if (read->region == r->earlier->body && is_plain_map(read))
    ir_each_read(r->g, read, check_source, r);
  else
    r->fails = true;
}

static bool worth_it(Recompute *r, Node *n) {
  const Contraction *c = contract_matches(r->g, &r->target->products, n)
                             ? contract_find(r->g, &r->target->products, n)
                             : NULL;
  if (!c || n->save == SAVE_KEEP || n->vjp || n->body->draws ||
      (double)c->extent[GEMM_K] > r->target->costs.again || !chain_batches(&r->target->chains, c))
    return false;
  r->fails = false;
  ir_each_read(r->g, n, check_source, r);
  return !r->fails;
}

static void check_use(Expr *e, void *ctx) {
  Recompute *r = ctx;
  if (e->kind != E_READ || e->node != r->stack) return;
  if (e->args[0]->kind != E_LOOPVAR || e->args[0]->loop != r->later) r->fails = true;
}

static bool is_result(const Graph *g, const Node *n) {
  for (int i = 0; i < g->outputs.n; i++)
    if (g->outputs.at[i].node == n) return true;
  for (int i = 0; i < g->updates.n; i++)
    if (g->updates.at[i].value == n) return true;
  for (int i = 0; i < g->loops.n; i++) {
    const Loop *l = g->loops.at[i];
    for (int k = 0; k < l->carries.n; k++)
      if (l->carries.at[k].init == n || l->carries.at[k].next == n) return true;
    for (int k = 0; k < l->emits.n; k++)
      if (l->emits.at[k] == n) return true;
  }
  return false;
}

/* Is the stack read in the later loop only, each iteration its own row? */
static bool only_there(Recompute *r, const Region *region) {
  bool found = false;
  for (int i = 0; i < region->nodes.n; i++) {
    Node *n = region->nodes.at[i];
    if (n->kind == N_LOOP) {
      found = only_there(r, n->loop->body) || found;
    } else if (n != r->stack && ir_reads(r->g, n, r->stack)) {
      found = true;
      if (!ir_computes(n) || !ir_inside(region, r->later))
        r->fails = true;
      else
        ir_visit_exprs(r->g, n, check_use, r);
    }
  }
  return found;
}

/* ---- doing it ----------------------------------------------------------------------- */

static Node *copy_in_later(Recompute *r, const Node *n);

/* The expression as the later loop would write it. */
static Expr *translate(Graph *g, Expr *e, void *ctx) {
  Recompute *r = ctx;
  if (e->kind == E_LOOPVAR && e->loop == r->earlier) return ex_loopvar(g, r->later);
  if (e->kind != E_READ || !ir_inside(e->node->region, r->earlier)) return e;
  Node *stack = stack_after(r->earlier, e->node);
  if (!stack) return ex_read(g, copy_in_later(r, e->node), e->args);
  Expr *index[IR_MAX_RANK] = {ex_loopvar(g, r->later)};
  for (int d = 0; d < e->nargs; d++) index[d + 1] = e->args[d];
  return ex_read(g, stack, index);
}

/* Right before what needs the stack first; after what it reads itself. */
static Node *copy_in_later(Recompute *r, const Node *n) {
  Graph *g = r->g;
  Region *body = r->later->body;
  for (int i = 0; i < r->copies.n; i++)
    if (r->copies.at[i].of == n) return r->copies.at[i].copy;
  Expr *value = ex_map(g, n->body, translate, r),
       *guard = n->guard ? ex_map(g, n->guard, translate, r) : NULL;
  Node *again = ir_comp_like(g, body, n, guard, value);
  again->save = n->save;
  int first = 0, at = body->nodes.n - 1;
  while (first < at && !ir_reads(r->g, body->nodes.at[first], r->stack)) first++;
  for (; at > first; at--) body->nodes.at[at] = body->nodes.at[at - 1];
  body->nodes.at[at] = again;
  Copy made = {n, again};
  vec_push(g->arena, &r->copies, made);
  return again;
}

static Expr *use_again(Graph *g, Expr *e, void *ctx) {
  const Recompute *r = ctx;
  return e->kind == E_READ && e->node == r->stack ? ex_read(g, r->again, e->args + 1) : e;
}

static void replace_uses(Recompute *r, Region *region) {
  Graph *g = r->g;
  for (int i = 0; i < region->nodes.n; i++) {
    Node *n = region->nodes.at[i];
    if (n->kind == N_LOOP) replace_uses(r, n->loop->body);
    if (!ir_computes(n) || !ir_reads(r->g, n, r->stack)) continue;
    n->body = ex_map(g, n->body, use_again, r);
    if (n->guard) n->guard = ex_map(g, n->guard, use_again, r);
    for (int d = 0; d < n->rank && n->kind == N_SCATTER; d++)
      n->index[d] = ex_map(g, n->index[d], use_again, r);
  }
}

static bool try_stack(Graph *g, const Target *t, Node *stack, Loop *later) {
  Recompute r = {.g = g, .target = t, .earlier = stack->loop, .later = later, .stack = stack};
  Node *n = stack->loop->emits.at[stack->slot];
  if (n->region != r.earlier->body || later == r.earlier || !worth_it(&r, n)) return false;
  if (!only_there(&r, g->top) || r.fails || is_result(g, stack)) return false;
  r.again = copy_in_later(&r, n);
  replace_uses(&r, later->body);
  return true;
}

void pass_again(Graph *g, const PassOptions *o) {
  bool changed = false;
  for (int i = 0; i < g->nodes.n && o->contractions; i++) {
    Node *stack = g->nodes.at[i];
    if (stack->kind != N_STACK) continue;
    for (int k = 0; k < g->loops.n; k++)
      if (g->loops.at[k]->node->region == stack->region &&
          try_stack(g, o->target, stack, g->loops.at[k]))
        changed = true;
  }
  if (changed) ir_prune(g);
}
