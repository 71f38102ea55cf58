/* SPDX-License-Identifier: MIT */
/* Which values must be in memory: what another group reads, what is a state's, a view's or a
 * partial sum, and what is to be rounded. See plan_stored in plan.h. */
#include "compiler/plan/plan.h"

typedef struct Uses {
  Plan *p;
  const Group *g;
} Uses;

static void mark_stored(Node *read, void *ctx) {
  Uses *u = ctx;
  NodeInfo *info = plan_info(u->p, read);
  if (info->group != u->g) info->local = false;
}

static void mark_bases(Node *n, void *ctx) {
  Plan *p = ctx;
  plan_info(p, n)->local = false;
}

/* A product that is to be kept is rounded to storage before it is read: where it
 * is a local of its kernel, the C compiler makes one operation of it and a sum. */
static bool must_round(const Node *n) {
  const Expr *e = n->reducer == RED_NONE ? n->body : NULL;
  while (e && e->kind == E_PRIM && e->prim == P_neg) e = e->args[0];
  return n->save == SAVE_KEEP && e && e->kind == E_PRIM && e->prim == P_mul;
}

void plan_stored(Plan *p) {
  for (int i = 0; i < p->groups.n; i++)
    for (int k = 0; k < p->groups.at[i]->members.n; k++) {
      const Member *m = &p->groups.at[i]->members.at[k];
      NodeInfo *info = plan_info(p, m->node);
      info->local = !info->owner && !m->accumulates && !must_round(m->node);
    }
  for (int i = 0; i < p->groups.n; i++) {
    Uses u = {p, p->groups.at[i]};
    for (int k = 0; k < u.g->members.n; k++)
      ir_each_read(p->g, u.g->members.at[k].node, mark_stored, &u);
  }
  for (int i = 0; i < p->g->nodes.n; i++) {
    Node *n = p->g->nodes.at[i];
    if (n->kind == N_VIEW || n->kind == N_PACK) ir_each_read(p->g, n, mark_bases, p);
  }
  for (int i = 0; i < p->groups.n; i++)
    for (int k = 0; k < p->groups.at[i]->members.n; k++) {
      Member *m = &p->groups.at[i]->members.at[k];
      m->stored = !plan_info(p, m->node)->local;
    }
}
