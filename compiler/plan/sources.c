/* SPDX-License-Identifier: MIT */
/* What the nodes of a region read of each other, through views, packs and the results
 * of loops. It is kept by node: groups change meanwhile.
 *
 * needs       owners are final (plan_own)
 * guarantees  the sources of a node are those of its present body. Its readers are at
 *             least the nodes that had it as a source: one that no longer reads it waits
 *             for it still, by way of a node that was made of its body
 *
 *     g = pack(a, b); y reads c and g    ->    y: c, around: a, b; readers of a: y   */
#include "compiler/plan/plan.h"

typedef struct Listing {
  Plan *p;
  Node *reader;
  bool around; /* only what is read around, else only the rest */
  VEC(Node *) found;
} Listing;

static void list_sources(Listing *l, Node *n) {
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_CARRY:
  case N_COTANGENT: return;
  case N_COMP:
  case N_SCATTER:
  case N_LOOP:
    if (n->region == l->reader->region && (l->found.n == 0 || l->found.at[l->found.n - 1] != n))
      vec_push(l->p->arena, &l->found, n);
    return;
  case N_VIEW: list_sources(l, n->base); return;
  case N_PACK:
    for (int i = 0; i < n->parts.n; i++) list_sources(l, n->parts.at[i]);
    return;
  case N_FINAL:
  case N_STACK: list_sources(l, n->loop->node); return;
  }
}

static void list_read(Node *read, void *ctx) {
  Listing *l = ctx;
  if (ir_computes(read) != l->around) list_sources(l, read);
  if (!l->around) vec_push(l->p->arena, &plan_info(l->p, read)->read_by, l->reader);
}

static bool holds(const Sources *s, const Node *n) {
  return s && s->guard == n->guard && s->body == n->body;
}

const Sources *node_sources(Plan *p, Node *n) {
  if (holds(plan_info(p, n)->sources, n)) return plan_info(p, n)->sources;
  Listing l = {.p = p, .reader = n};
  Sources *s = NEW(p->arena, Sources);
  s->guard = n->guard;
  s->body = n->body;
  ir_each_read(p->g, n, list_read, &l);
  s->direct = l.found.n;
  l.around = true;
  ir_each_read(p->g, n, list_read, &l);
  s->at = l.found.at;
  s->n = l.found.n;
  for (int i = 0; i < s->n; i++) vec_push(p->arena, &plan_info(p, s->at[i])->readers, n);
  plan_info(p, n)->sources = s;
  return s;
}

/* ---- a forest of nodes: each below the source that is the furthest from the inputs ------- */

static bool waits(const Node *n) { return ir_computes(n) || n->kind == N_LOOP; }

/* Its parent in the forest, or NULL. */
static Node *furthest(Plan *p, Node *n) {
  const Sources *s = node_sources(p, n);
  Node *best = NULL;
  for (int i = 0; i < s->n; i++)
    if (!best || plan_info(p, s->at[i])->depth > plan_info(p, best)->depth) best = s->at[i];
  return best;
}

/* A node's descendants are those whose number is in number .. last. */
void plan_sources(Plan *p, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (!waits(n)) continue;
    Node *above = furthest(p, n);
    int depth = above ? plan_info(p, above)->depth + 1 : 0;
    NodeInfo *info = plan_info(p, n);
    info->above = above;
    info->depth = depth;
    info->last = 1; /* so far: how many are in its tree */
  }
  for (int i = r->nodes.n - 1; i >= 0; i--) {
    Node *above = plan_info(p, r->nodes.at[i])->above;
    if (above) plan_info(p, above)->last += plan_info(p, r->nodes.at[i])->last;
  }
  for (int i = 0; i < r->nodes.n; i++) {
    NodeInfo *info = plan_info(p, r->nodes.at[i]);
    if (!waits(r->nodes.at[i])) continue;
    int *next = info->above ? &plan_info(p, info->above)->next : &p->numbered, size = info->last;
    info->number = *next + 1;
    info->next = info->number;
    info->last = *next = *next + size;
  }
}

bool node_is_below(Plan *p, const Node *n, const Node *above) {
  int number = plan_info(p, n)->number;
  const NodeInfo *a = plan_info(p, above);
  return number > a->number && number <= a->last;
}
