/* SPDX-License-Identifier: MIT */
/* Gives every stored value one owner. What a pack, a stack, a carry, an update
 * or an output keeps becomes a node that was made for it alone and lives in the
 * right region; where the program has no such node, a copy (a comprehension) is
 * inserted. Storage can then be handed down from owners without any clash.
 *
 *     s = stack(h); g = pack(w, w)      ->   h' = h[i]; s = stack(h')
 *                                            w' = w[i]; g = pack(w, w')
 *
 * A carry whose values are stacked anyway is kept as rows of one buffer: an
 * iteration reads a row and writes the next, and the stack is that buffer.
 *
 * needs       a graph after its passes; nothing is grouped
 * guarantees  a value has one owner at most, which is alive for as long as the value is
 *             needed; what a carry or a state becomes is a copy at the end of its region
 *             (NodeInfo.commits), which no other node reads
 * breaks      equal nodes are made, on purpose: `cse` may not run any more */
#include "compiler/plan/plan.h"

/* Made at the end of the region, or right before one of its nodes. */
static Node *copy_of(Plan *p, Region *r, Node *n, const Node *before) {
  Node *c = ir_comp(p->g, r, n->name, n->span, n->rank, 0, n->shape, RED_NONE, NULL,
                    ir_read_all(p->g, n));
  for (int d = 0; d < n->rank; d++) c->axis[d] = n->axis[d];
  ir_same_users(p->g, c, n);
  c->lo = n->lo;
  c->hi = n->hi;
  int at = r->nodes.n - 1;
  while (before && at > 0 && r->nodes.at[at - 1] != before) {
    r->nodes.at[at] = r->nodes.at[at - 1];
    at--;
  }
  if (before && at > 0) {
    r->nodes.at[at] = r->nodes.at[at - 1];
    at--;
  }
  r->nodes.at[at] = c;
  return c;
}

static void count_use(Node *n, void *ctx) { plan_info(ctx, n)->uses++; }

static void count_uses(Plan *p, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_PACK) {
      for (int k = 0; k < n->parts.n; k++) count_use(n->parts.at[k], p);
    } else if (n->kind == N_LOOP) {
      count_uses(p, n->loop->body);
      for (int k = 0; k < n->loop->emits.n; k++) count_use(n->loop->emits.at[k], p);
      for (int k = 0; k < n->loop->carries.n; k++) {
        count_use(n->loop->carries.at[k].init, p);
        count_use(n->loop->carries.at[k].next, p);
      }
    } else {
      ir_each_read(p->g, n, count_use, p);
    }
  }
}

/* Does nobody else need n's value, nor that of its parts? */
static bool used_once(Plan *p, const Node *n) {
  if (plan_info(p, n)->uses != 1) return false;
  for (int i = 0; i < n->parts.n; i++)
    if (!used_once(p, n->parts.at[i])) return false;
  return true;
}

/* A node whose storage may be anywhere, not yet promised to anyone. */
static bool can_own(Plan *p, const Region *r, const Node *n) {
  const NodeInfo *info = plan_info(p, n);
  if (n->region != r || info->owner || info->rows_of || info->once) return false;
  return ir_computes(n) || n->kind == N_STACK || n->kind == N_PACK;
}

static Node *owned(Plan *p, Region *r, Node *n, Node *owner, int index, const Node *before) {
  if (!can_own(p, r, n)) n = copy_of(p, r, n, before);
  plan_info(p, n)->owner = owner ? owner : n;
  plan_info(p, n)->owner_index = index;
  return n;
}

/* A carry or a state is written at the end, when nobody reads the old value any
 * more: by a copy that runs last in its region. in_place.c drops the copy where
 * the value itself can be written there at once. */
static void commit(Plan *p, Region *r, Node *value, Node *owner) {
  Node *c = copy_of(p, r, value, NULL);
  plan_info(p, c)->owner = owner;
  plan_info(p, c)->commits = value;
}

static Node *stack_of(const Loop *l, int slot) {
  const Region *around = l->node->region;
  for (int k = 0; k < around->nodes.n; k++) {
    Node *n = around->nodes.at[k];
    if (n->kind == N_STACK && n->loop == l && n->slot == slot) return n;
  }
  return NULL;
}

/* Is the carry's value, or its next one, stacked in a buffer of its own? */
static bool keep_rows(Plan *p, Loop *l, const Carry *c) {
  if (!p->options->in_place) return false;
  bool rows = false;
  for (int i = 0; i < l->emits.n; i++) {
    Node *n = l->emits.at[i], *stack = stack_of(l, i);
    bool before = n == c->in, after = n == c->next && can_own(p, l->body, n) && ir_computes(n);
    if (!stack || plan_info(p, stack)->owner || !(before || after)) continue;
    plan_info(p, stack)->rows_of = c->in;
    plan_info(p, stack)->rows_next = after && !before;
    rows = true;
  }
  plan_info(p, c->in)->rows = rows;
  return rows;
}

static void own_loop(Plan *p, Loop *l) {
  for (int i = 0; i < l->carries.n; i++) {
    Carry *c = &l->carries.at[i];
    if (keep_rows(p, l, c)) c->next = owned(p, l->body, c->next, c->in, 1, NULL);
  }
  for (int i = 0; i < l->emits.n; i++) {
    Node *stack = stack_of(l, i);
    if (stack && !plan_info(p, stack)->rows_of)
      l->emits.at[i] = owned(p, l->body, l->emits.at[i], stack, 0, NULL);
  }
  for (int i = 0; i < l->carries.n; i++) {
    Carry *c = &l->carries.at[i];
    bool rows = plan_info(p, c->in)->rows; /* then the first value is never written over */
    Node *init =
        rows || used_once(p, c->init) ? c->init : copy_of(p, l->node->region, c->init, l->node);
    c->init = owned(p, l->node->region, init, c->in, 0, l->node);
    if (rows) continue;
    c->next = owned(p, l->body, c->next, NULL, 0, NULL);
    commit(p, l->body, c->next, c->in);
  }
}

static void own_region(Plan *p, Region *r) {
  for (int i = r->nodes.n - 1; i >= 0; i--) { /* owners before what they own */
    Node *n = r->nodes.at[i];
    if (n->kind == N_PACK)
      for (int k = 0; k < n->parts.n; k++) n->parts.at[k] = owned(p, r, n->parts.at[k], n, k, n);
    if (n->kind == N_LOOP) own_loop(p, n->loop);
  }
  for (int i = 0; i < r->nodes.n; i++)
    if (r->nodes.at[i]->kind == N_LOOP) own_region(p, r->nodes.at[i]->loop->body);
}

void plan_own(Plan *p) {
  Graph *g = p->g;
  count_uses(p, g->top);
  for (int i = 0; i < g->updates.n; i++) count_use(g->updates.at[i].value, p);
  for (int i = 0; i < g->outputs.n; i++) count_use(g->outputs.at[i].node, p);
  for (int i = 0; i < g->updates.n; i++) {
    Update *u = &g->updates.at[i];
    u->value = owned(p, g->top, u->value, NULL, 0, NULL);
    commit(p, g->top, u->value, u->state);
  }
  for (int i = 0; i < g->outputs.n; i++) {
    Node *n = g->outputs.at[i].node;
    if (!can_own(p, g->top, n)) n = copy_of(p, g->top, n, NULL);
    g->outputs.at[i].node = n;
    plan_info(p, n)->owner = n; /* itself: a buffer of its own */
  }
  own_region(p, g->top);
}
