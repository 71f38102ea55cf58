/* Cuts every region into groups of nodes, one kernel each. */
#include "compiler/plan.h"

enum { BLOCKS_MAX = 64 };

int64_t group_block(const Group *g) {
  int64_t rows = 1;
  for (int k = 0; k < g->nrows; k++) rows *= g->row_extent[k];
  int64_t block = (rows + BLOCKS_MAX - 1) / BLOCKS_MAX;
  return block > 0 ? block : 1;
}

static Group *group_new(Plan *p, Region *r, GroupKind kind) {
  Group *g = NEW(p->arena, Group);
  g->kind = kind;
  g->id = p->groups.n;
  g->region = r;
  g->kernel = -1;
  vec_push(p->arena, &p->groups, g);
  return g;
}

static Member *add_member(Plan *p, Group *g, Node *n) {
  Member m = {.node = n, .stored = true};
  for (int k = 0; k < g->nrows; k++) m.rowvar[k] = k;
  vec_push(p->arena, &g->members, m);
  plan_info(p, n)->group = g;
  return &g->members.at[g->members.n - 1];
}

/* A group for one node: its rows are its leading output variables. The last one
 * is left to the inner loop, unless a reduction runs inside. */
static Group *group_of_one(Plan *p, Node *n) {
  Group *g = group_new(p, n->region, n->kind == N_SCATTER ? GROUP_SCATTER : GROUP_ROWS);
  if (g->kind == GROUP_ROWS) {
    g->nrows = n->rank;
    if (n->reducer == RED_NONE && n->rank > 0) g->nrows--;
    for (int k = 0; k < g->nrows; k++) g->row_extent[k] = n->extent[k];
  }
  add_member(p, g, n);
  g->late = plan_info(p, n)->commits != NULL;
  return g;
}

static void group_region(Plan *p, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      group_region(p, n->loop->body);
      Group *g = group_new(p, r, GROUP_LOOP);
      g->loop = n->loop;
      plan_info(p, n)->group = g;
    } else if (plan_computes(n)) {
      group_of_one(p, n);
    }
  }
}

void plan_group(Plan *p) { group_region(p, p->g->top); }
