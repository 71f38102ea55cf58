/* SPDX-License-Identifier: MIT */
/* What the passes ask of a plan again and again. */
#include "compiler/plan/plan.h"

#include <string.h>

TdType plan_storage(Type t) { return t == TY_REAL ? TD_F32 : t == TY_INT ? TD_I32 : TD_U8; }

int plan_state(Arena *a, PlanStates *states, const char *name, Type type, int rank,
               const int64_t *shape) {
  for (int i = 0; i < states->n; i++)
    if (strcmp(states->at[i].name, name) == 0) return i;
  TdState s = {.name = arena_strdup(a, name), .type = plan_storage(type), .rank = rank, .count = 1};
  for (int d = 0; d < rank; d++) {
    s.shape[d] = shape[d];
    s.count *= shape[d];
  }
  vec_push(a, states, s);
  return states->n - 1;
}

NodeInfo *plan_info(Plan *p, const Node *n) {
  while (p->info.n <= n->id) {
    NodeInfo empty = {0};
    vec_push(p->arena, &p->info, empty);
  }
  return &p->info.at[n->id];
}

int plan_depth(const Region *r) {
  int depth = 0;
  for (; r->loop; r = r->parent) depth++;
  return depth;
}

const char *plan_class(const Group *g) {
  switch (g->kind) {
  case GROUP_CONTRACTION: return "contraction";
  case GROUP_SCATTER: return "scatter";
  case GROUP_LOOP: return "loop";
  case GROUP_CHAIN: return "chain";
  case GROUP_PACK: return "pack";
  case GROUP_ROWS: break;
  }
  bool reduces = false, column = false;
  for (int i = 0; i < g->members.n; i++) {
    reduces = reduces || g->members.at[i].node->reducer != RED_NONE;
    column = column || g->members.at[i].accumulates;
  }
  return column ? "column" : reduces ? "row" : "map";
}

Node *plan_first(const Group *g) {
  while (g->kernel) g = g->kernel->body.at[0];
  return g->members.at[0].node;
}

const Member *member_of(const Group *g, const Node *n) {
  for (int i = 0; i < g->members.n; i++)
    if (g->members.at[i].node == n) return &g->members.at[i];
  return NULL;
}

bool plan_adds_up(Plan *p, const Node *n) {
  const Expr *e = n->reducer != RED_NONE ? n->body : NULL;
  if (!e || e->kind != E_READ || ir_evaluations(n) > p->target->rows.together_most) return false;
  const Group *g = plan_info(p, e->node)->group;
  const Member *m = g ? member_of(g, e->node) : NULL;
  return m && m->accumulates;
}
