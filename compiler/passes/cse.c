/* SPDX-License-Identifier: MIT */
/* Common nodes: two nodes that compute the same become one, the earlier; inside
 * a loop also one of the regions around it. Draws with the same site and counter
 * are the same.
 *
 * needs       a verified graph
 * guarantees  no node computes what a node visible before it does; loops, carries
 *             and nodes with a derivative of their own are left apart
 * breaks      `prune`: emits and carries that nobody reads are left behind
 *
 *     a[i:4] = x[i] * 2.0                   a[i:4] = x[i] * 2.0
 *     b[i:4] = x[i] * 2.0            ->     c[i:4] = a[i] + a[i]
 *     c[i:4] = a[i] + b[i]                                                    */
#include "compiler/passes/pipeline.h"

#include <string.h>

typedef struct Bucket Bucket;
struct Bucket {
  Node *node;
  uint64_t hash;
  Bucket *next;
};

enum { BUCKETS = 1024 };

typedef struct Cse {
  Graph *g;
  Arena *arena;
  Node **as; /* by node id: what stands for it now, or NULL */
  Bucket *table[BUCKETS];
} Cse;

static Node *now(Cse *c, Node *n) { return n && c->as[n->id] ? c->as[n->id] : n; }

static Expr *renew_read(Graph *g, Expr *e, void *ctx) {
  Cse *c = ctx;
  if (e->kind != E_READ || !c->as[e->node->id]) return e;
  return ex_read(g, c->as[e->node->id], e->args);
}

static Expr *renewed(Cse *c, Expr *e) { return e && e->reads ? ex_map(c->g, e, renew_read, c) : e; }

static void renew(Cse *c, Node *n) {
  n->guard = renewed(c, n->guard);
  n->body = renewed(c, n->body);
  for (int k = 0; n->kind == N_SCATTER && k < n->rank; k++) n->index[k] = renewed(c, n->index[k]);
  n->base = now(c, n->base);
  for (int i = 0; i < n->parts.n; i++) n->parts.at[i] = now(c, n->parts.at[i]);
}

/* The number of an emit that hands out the same node: the first such. */
static int first_emit(const Node *stack) {
  const Loop *l = stack->loop;
  int k = 0;
  while (l->emits.at[k] != l->emits.at[stack->slot]) k++;
  return k;
}

static bool mergeable(const Node *n) {
  switch (n->kind) {
  case N_CONST:
  case N_VIEW:
  case N_PACK:
  case N_COMP:
  case N_SCATTER:
  case N_FINAL:
  case N_STACK: return n->vjp == NULL;
  case N_INPUT:
  case N_STATE:
  case N_LOOP:
  case N_CARRY:
  case N_COTANGENT: break;
  }
  return false;
}

static uint64_t mix(uint64_t h, uint64_t x) {
  h = (h ^ x) * UINT64_C(0x9e3779b97f4a7c15);
  return h ^ h >> 29;
}

static uint64_t hash_of(const Node *n) {
  uint64_t h =
      mix((uint64_t)n->kind * 8 + (uint64_t)n->type, (uint64_t)n->rank * 8 + (uint64_t)n->reducer);
  for (int k = 0; k < n->rank; k++) h = mix(h, (uint64_t)n->shape[k]);
  if (n->body) h = mix(h, (uint64_t)n->body->id);
  if (n->guard) h = mix(h, (uint64_t)n->guard->id);
  if (n->base) h = mix(h, (uint64_t)n->base->id);
  if (n->loop) h = mix(h, (uint64_t)n->loop->id);
  for (int i = 0; i < n->parts.n; i++) h = mix(h, (uint64_t)n->parts.at[i]->id);
  return h;
}

static bool same_data(const Node *a, const Node *b) {
  return a->data == b->data || memcmp(a->data, b->data, (size_t)ir_count(a) * sizeof *a->data) == 0;
}

static bool same(const Node *a, const Node *b) {
  if (a->kind != b->kind || a->type != b->type || a->rank != b->rank || a->reducer != b->reducer ||
      a->nvars != b->nvars || a->guard != b->guard || a->body != b->body || a->base != b->base ||
      a->offset != b->offset || a->loop != b->loop || a->parts.n != b->parts.n)
    return false;
  for (int k = 0; k < a->rank; k++)
    if (a->shape[k] != b->shape[k] || a->index[k] != b->index[k]) return false;
  for (int k = 0; k < a->nvars; k++)
    if (a->extent[k] != b->extent[k]) return false;
  for (int i = 0; i < a->parts.n; i++)
    if (a->parts.at[i] != b->parts.at[i]) return false;
  if (a->kind == N_CONST) return same_data(a, b);
  if (a->kind == N_FINAL) return a->slot == b->slot;
  if (a->kind == N_STACK) return first_emit(a) == first_emit(b);
  return true;
}

/* Both ranges hold for the one that stays. */
static void merge(Node *kept, const Node *gone) {
  if (kept->type == TY_INT && gone->lo > kept->lo) kept->lo = gone->lo;
  if (kept->type == TY_INT && gone->hi < kept->hi) kept->hi = gone->hi;
  if (kept->save == SAVE_AUTO) kept->save = gone->save;
  for (int k = 0; k < IR_MAX_VARS; k++)
    if (!kept->axis[k]) kept->axis[k] = gone->axis[k];
}

static Node *find_or_add(Cse *c, Node *n) {
  uint64_t h = hash_of(n);
  Bucket **at = &c->table[h % BUCKETS];
  for (Bucket *b = *at; b; b = b->next)
    if (b->hash == h && ir_visible(n->region, b->node) && same(b->node, n)) return b->node;
  Bucket *b = NEW(c->arena, Bucket);
  *b = (Bucket){n, h, *at};
  *at = b;
  return n;
}

static void run(Cse *c, Region *r) {
  int kept = 0;
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    renew(c, n);
    if (n->kind == N_LOOP) {
      Loop *l = n->loop;
      for (int k = 0; k < l->carries.n; k++) l->carries.at[k].init = now(c, l->carries.at[k].init);
      run(c, l->body);
      for (int k = 0; k < l->carries.n; k++) l->carries.at[k].next = now(c, l->carries.at[k].next);
      for (int k = 0; k < l->emits.n; k++) l->emits.at[k] = now(c, l->emits.at[k]);
    }
    Node *equal = mergeable(n) ? find_or_add(c, n) : n;
    if (equal == n) {
      r->nodes.at[kept++] = n;
    } else {
      merge(equal, n);
      c->as[n->id] = equal;
    }
  }
  r->nodes.n = kept;
}

static void renew_vjps(Cse *c, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) renew_vjps(c, n->loop->body);
    if (!n->vjp) continue;
    for (int k = 0; k < n->vjp->wrt.n; k++) n->vjp->wrt.at[k] = now(c, n->vjp->wrt.at[k]);
    for (int k = 0; k < n->vjp->adjoint.n; k++)
      n->vjp->adjoint.at[k] = now(c, n->vjp->adjoint.at[k]);
  }
}

void pass_cse(Graph *g, const PassOptions *o) {
  (void)o;
  Cse c = {.g = g, .arena = g->arena};
  c.as = NEWN(c.arena, Node *, g->nodes.n + 1);
  run(&c, g->top);
  renew_vjps(&c, g->top);
  for (int i = 0; i < g->outputs.n; i++) g->outputs.at[i].node = now(&c, g->outputs.at[i].node);
  for (int i = 0; i < g->updates.n; i++) g->updates.at[i].value = now(&c, g->updates.at[i].value);
}
