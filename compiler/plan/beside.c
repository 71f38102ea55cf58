/* SPDX-License-Identifier: MIT */
/* Maps beside the epilogue of a product: what reads the same element of a large array as
 * the epilogue does is computed there too, though the product has no part in it. The array is
 * read once, and what both make of it is computed once.
 *
 *     h = gelu(y); d.h = sum over o (d.z * w); d.y = d.h * gelu'(y)
 * ->  product d.h: h, d.y       (h and d.y have the erf of y in common)
 *
 * needs       groups are final but for this; the target has epilogues and wants it
 *             (TargetProducts.beside)
 * guarantees  a group of maps goes as a whole, its rows are the product's in the same order,
 *             and neither waits for the other: values are those of before
 * breaks      such a map is made no earlier than the product                               */
#include "compiler/plan/contract.h"
#include "compiler/plan/group.h"

/* ---- do both read the same element? ------------------------------------------------------ */

enum { NO_ROW = -1 };

typedef struct Beside {
  Plan *p;
  const Group *product, *maps;
  const Member *theirs, *mine; /* a member of each, */
  const Expr *read;            /* and what theirs reads */
  bool found;
} Beside;

static int row_of(const Group *g, const Member *m, const Expr *index) {
  int var = ex_bare_var(index);
  for (int k = 0; k < g->nrows && var >= 0; k++)
    if (m->rowvar[k] == var) return k;
  return NO_ROW;
}

/* An index without a row in it: the same on both sides? */
static bool same_index(const Expr *a, const Expr *b) {
  if (a->kind != b->kind) return false;
  return a->kind == E_LOOPVAR ? a->loop == b->loop : a->kind == E_INT && a->inum == b->inum;
}

/* Is each row of one that row of the other, as both read the array? */
static void match_reads(Expr *e, void *ctx) {
  Beside *b = ctx;
  uint32_t seen = 0;
  if (b->found || e->kind != E_READ || e->node != b->read->node) return;
  for (int d = 0; d < e->nargs; d++) {
    int theirs = row_of(b->product, b->theirs, b->read->args[d]);
    if (theirs != row_of(b->maps, b->mine, e->args[d])) return;
    if (theirs == NO_ROW && !same_index(e->args[d], b->read->args[d])) return;
    if (theirs != NO_ROW) seen |= 1u << theirs;
  }
  b->found = seen == (1u << b->product->nrows) - 1;
}

static void try_read(Expr *e, void *ctx) {
  Beside *b = ctx;
  if (b->found || e->kind != E_READ || member_of(b->product, e->node)) return;
  b->read = e;
  for (int i = 0; i < b->maps->members.n && !b->found; i++) {
    b->mine = &b->maps->members.at[i];
    ir_visit_exprs(b->p->g, b->mine->node, match_reads, b);
  }
}

static bool share_rows(Beside *b) {
  for (int i = 1; i < b->product->members.n && !b->found; i++) {
    b->theirs = &b->product->members.at[i];
    ir_visit_exprs(b->p->g, b->theirs->node, try_read, b);
  }
  return b->found;
}

/* ---- one group out of two ------------------------------------------------------------------ */

static bool takes(const Group *g) {
  return g->kind == GROUP_CONTRACTION && !g->late && !g->once && !g->dropped && g->members.n > 1;
}

static bool may_go(Plan *p, const Group *g) {
  if (g->kind != GROUP_ROWS || g->late || g->once || g->dropped || g->rows_fixed || g->nrows == 0 ||
      loop_around(p, g) || !group_is_elementwise(g))
    return false;
  for (int i = 0; i < g->members.n; i++)
    if (!ir_is_map(g->members.at[i].node) || plan_info(p, g->members.at[i].node)->commits)
      return false;
  return true;
}

static bool fits(Plan *p, Group *product, Group *maps) {
  Beside b = {.p = p, .product = product, .maps = maps};
  if (maps->region != product->region || maps->nrows != product->nrows) return false;
  for (int k = 0; k < maps->nrows; k++)
    if (maps->row_extent[k] != product->row_extent[k]) return false;
  return maps->members.at[0].node->again == product->members.at[0].node->again &&
         maps->members.n + product->members.n <= p->target->rows.members_most &&
         maps->exprs + product->exprs <= p->target->rows.exprs_most && share_rows(&b) &&
         !group_follows(p, maps, product) && !group_follows(p, product, maps);
}

/* Behind the product's own members, which begin with its sum. */
static void take(Plan *p, Group *product, Group *maps) {
  for (int i = 0; i < maps->members.n; i++) {
    vec_push(p->arena, &product->members, maps->members.at[i]);
    plan_info(p, maps->members.at[i].node)->group = product;
  }
  product->exprs += maps->exprs;
  maps->members.n = 0;
  maps->dropped = true;
}

void plan_beside(Plan *p) {
  for (int i = 0; i < p->groups.n; i++) {
    if (!takes(p->groups.at[i])) continue;
    for (int k = 0; k < p->groups.n; k++)
      if (may_go(p, p->groups.at[k]) && fits(p, p->groups.at[i], p->groups.at[k]))
        take(p, p->groups.at[i], p->groups.at[k]);
  }
  plan_stored(p);
}
