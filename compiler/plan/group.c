/* SPDX-License-Identifier: MIT */
/* Cuts every region into groups of nodes, one kernel each.
 *
 * A group of rows is a list of nodes over common row variables: what one node
 * computes for a row, another reads in that row, so one kernel does both and
 * the value need not leave it. A node joins the group of something it reads if
 *   - it reads the group's values at its own row: for every row variable, one
 *     and the same variable of its own stands bare in that index;
 *   - no other group lies between them.
 * Rows may be taken from a group's end to let a node in (they become loops of
 * its members): a map over [b, l, d] whose sum over d follows is rows of [b, l].
 * A sum over the rows themselves joins as partial sums, one for each block of
 * rows, that a second small node adds up: the order of addition is fixed.
 *
 * A matrix product is a group whose rows are its whole output; maps over the
 * same space join it and run on its tiles, unless a library is to make its sums (apart.c).
 * Where its results are few and its sums long, these are made by pieces (pieces.c), and
 * what adds them up is grouped like any sum.
 *
 * needs       every stored value has an owner (plan_own); regions in order
 * guarantees  each computed node is a member of one group, members in an order in which
 *             they can be evaluated; no groups wait for each other in a circle;
 *             `stored` says which values must be in memory
 * breaks      a sum that joins its rows reads a new node, the partial sums, which stands
 *             last in its region: nodes no longer follow what they read
 *
 *     m = max over j (x); e = exp(x - m); s = sum over i, j (e); y = a b
 * ->  rows [i]: m, e, s' (partial) | small: s = sum over blocks (s') | product: y      */
#include "compiler/plan/contract.h"
#include "compiler/plan/group.h"

#include <stdlib.h>

/* ---- which groups a node could join ------------------------------------------------------- */

typedef struct Largest {
  Plan *p;
  const Node *x;
  int64_t count;
} Largest;

static void find_largest(Node *read, void *ctx) {
  Largest *l = ctx;
  int64_t count = ir_count(read);
  if (count > l->count) {
    l->count = count;
    l->x = read;
  }
}

static const Node *largest_read(Plan *p, Node *n) {
  Largest l = {p, NULL, 0};
  ir_each_read(p->g, n, find_largest, &l);
  return l.x;
}

typedef struct Candidates {
  Plan *p;
  Node *n;
  VEC(Group *) at;
} Candidates;

static void add_candidate(Group *g, void *ctx) {
  Candidates *c = ctx;
  if (g->listed == c->p->searches) return;
  g->listed = c->p->searches;
  vec_push(c->p->arena, &c->at, g);
}

static int latest_first(const void *a, const void *b) {
  const Group *x = *(Group *const *)a, *y = *(Group *const *)b;
  return y->id - x->id;
}

/* Could another node join a group without rows? */
static bool is_open(const Plan *p, const Group *g) {
  return g->kind == GROUP_ROWS && !g->dropped && !g->late && g->nrows == 0 &&
         g->members.n < p->target->rows.members_most && group_work(g) <= p->target->rows.small;
}

/* Groups that n could join for an array that both read: those that read it, and those without
 * rows, in which there is nothing that would have to be the same. */
static void list_sharing(Candidates *c, const Node *x) {
  Plan *p = c->p;
  int open = 0;
  for (int i = 0; i < p->scalars.n; i++)
    if (is_open(p, p->scalars.at[i])) p->scalars.at[open++] = p->scalars.at[i];
  p->scalars.n = open;
  for (int i = 0; i < open; i++) add_candidate(p->scalars.at[i], c);
  for (int i = 0; i < plan_info(p, x)->read_by.n; i++) {
    Group *g = plan_info(p, plan_info(p, x)->read_by.at[i])->group;
    if (g) add_candidate(g, c);
  }
  if (c->at.n) qsort(c->at.at, (size_t)c->at.n, sizeof *c->at.at, latest_first);
}

/* ---- nodes in their order ----------------------------------------------------------------- */

static void group_node(Plan *p, Node *n) {
  Candidates c = {.p = p, .n = n}, sharing = c;
  bool alone = n->kind == N_SCATTER || plan_info(p, n)->commits ||
               (p->options->contractions && contract_matches(p->g, &p->target->products, n));
  plan_note_epilogue(p, n);
  if (!alone) {
    p->searches++;
    node_waits(p, n, add_candidate, &c);
    for (int kind = 0; kind < 2; kind++) /* matrix products' tiles first, then the latest rows */
      for (int i = c.at.n - 1; i >= 0; i--)
        if ((c.at.at[i]->kind == GROUP_CONTRACTION) == (kind == 0) &&
            group_joins(p, c.at.at[i], n)) {
          for (int k = 0; k < c.at.n; k++) group_absorb(p, c.at.at[i], c.at.at[k], n);
          return;
        }
    const Node *x = n->nvars > n->rank ? largest_read(p, n) : NULL;
    p->searches++;
    if (x) list_sharing(&sharing, x);
    for (int i = 0; i < sharing.at.n; i++)
      if (group_joins_by_share(p, sharing.at.at[i], n, x)) return;
  }
  if (!group_alone(p, n)) group_node(p, n); /* what is left of n */
}

static void group_region(Plan *p, Region *r) {
  int count = r->nodes.n; /* partial sums are appended meanwhile */
  __typeof__(p->scalars) around = p->scalars;
  p->scalars = (__typeof__(around)){0};
  plan_sources(p, r);
  for (int i = 0; i < count; i++) plan_info(p, r->nodes.at[i])->position = i;
  for (int i = 0; i < count; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      group_region(p, n->loop->body);
      Group *g = plan_new_group(p, r, GROUP_LOOP);
      g->loop = n->loop;
      plan_info(p, n)->group = g;
    } else if (ir_computes(n)) {
      group_node(p, n);
    }
  }
  p->scalars = around;
}

void plan_group(Plan *p) {
  group_region(p, p->g->top);
  plan_stored(p);
}
