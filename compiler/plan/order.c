/* SPDX-License-Identifier: MIT */
/* Which groups wait for which, and an order that respects it.
 *
 * needs       the group of each node; Group.after as far as it is known
 * guarantees  an order of a region's groups in which each follows all that it waits for:
 *             who computes what its members read, also through views, packs and the
 *             results of loops, and its edges; late groups after the others; of what is
 *             left, in the order in which they were made. A circle is a bug
 *
 *     y reads g = pack(a, b)        ->  a, b, y
 *     t, late, into s; y reads s    ->  y, t                                       */
#include "compiler/plan/plan.h"

static void group_sources(Plan *p, const Region *r, Node *n, void (*f)(Group *g, void *ctx),
                          void *ctx) {
  Group *g = plan_info(p, n)->group;
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_CARRY:
  case N_COTANGENT: return;
  case N_COMP:
  case N_SCATTER:
  case N_LOOP:
    if (g && g->region == r) f(g, ctx);
    return;
  case N_VIEW: group_sources(p, r, n->base, f, ctx); return;
  case N_PACK:
    for (int i = 0; i < n->parts.n; i++) group_sources(p, r, n->parts.at[i], f, ctx);
    return;
  case N_FINAL:
  case N_STACK: group_sources(p, r, n->loop->node, f, ctx); return;
  }
}

typedef struct Waits {
  Plan *p;
  Group *g;
  void (*f)(Group *, void *);
  void *ctx;
} Waits;

static void not_itself(Group *before, void *ctx) {
  Waits *w = ctx;
  if (before != w->g) w->f(before, w->ctx);
}

static void wait_for_node(Node *read, void *ctx) {
  Waits *w = ctx;
  group_sources(w->p, w->g->region, read, not_itself, w);
}

void node_waits(Plan *p, Node *n, void (*f)(Group *before, void *ctx), void *ctx) {
  Group here = {.region = n->region};
  Waits w = {p, &here, f, ctx};
  ir_each_read(p->g, n, wait_for_node, &w);
}

typedef struct Around {
  Plan *p;
  const Group *g;
  bool found;
} Around;

static void is_it(Group *source, void *ctx) {
  Around *a = ctx;
  if (source == a->g) a->found = true;
}

static void look_around(Node *read, void *ctx) {
  Around *a = ctx;
  if (!ir_computes(read)) group_sources(a->p, a->g->region, read, is_it, a);
}

bool node_reads_around(Plan *p, Node *n, const Group *g) {
  Around a = {p, g, false};
  ir_each_read(p->g, n, look_around, &a);
  return a.found;
}

void group_waits(Plan *p, Group *g, void (*f)(Group *before, void *ctx), void *ctx) {
  Waits w = {p, g, f, ctx};
  if (g->kind == GROUP_LOOP) ir_each_read(p->g, g->loop->node, wait_for_node, &w);
  for (int i = 0; i < g->members.n; i++)
    ir_each_read(p->g, g->members.at[i].node, wait_for_node, &w);
  for (int i = 0; i < g->after.n; i++) f(g->after.at[i], ctx);
}

typedef struct Path {
  Plan *p;
  const Group *to;
  VEC(Group *) seen;
  bool found;
} Path;

static void walk_back(Group *g, void *ctx) {
  Path *path = ctx;
  if (path->found || g->mark) return;
  if (g == path->to) {
    path->found = true;
    return;
  }
  g->mark = 1;
  vec_push(path->p->arena, &path->seen, g);
  group_waits(path->p, g, walk_back, path);
}

bool group_follows(Plan *p, Group *from, const Group *to) {
  Path path = {.p = p, .to = to};
  walk_back(from, &path);
  for (int i = 0; i < path.seen.n; i++) path.seen.at[i]->mark = 0;
  return path.found;
}

/* Depth first: a group is listed right after what it waits for. */
typedef struct Visit {
  Plan *p;
  Groups *out;
} Visit;

static void visit(Group *g, void *ctx) {
  Visit *v = ctx;
  if (g->mark == 2) return;
  if (g->mark == 1)
    bug("kernels wait for each other in a circle at '%s'",
        g->members.n ? g->members.at[0].node->name : "loop");
  g->mark = 1;
  group_waits(v->p, g, visit, v);
  g->mark = 2;
  vec_push(v->p->arena, v->out, g);
}

void group_order(Plan *p, const Region *r, Groups *out) {
  Visit v = {p, out};
  for (int late = 0; late < 2; late++)
    for (int i = 0; i < p->groups.n; i++)
      if (p->groups.at[i]->region == r && p->groups.at[i]->late == late &&
          !p->groups.at[i]->dropped)
        visit(p->groups.at[i], &v);
  for (int i = 0; i < out->n; i++) out->at[i]->mark = 0;
}
