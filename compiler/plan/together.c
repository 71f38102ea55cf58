/* SPDX-License-Identifier: MIT */
/* Adds up partial sums together. A reduction over rows leaves partial sums, which a small
 * group adds up; where a launch costs more than that, groups of a region that do so over
 * equal rows, none of which waits for another, become one. Their rows are the results
 * (group.c), so that many threads share them.
 *
 *     rows [384]: gain = sum over 264 (gain') | rows [384]: bias = sum over 264 (bias')
 * ->  rows [384]: gain, bias
 *
 * needs       groups are final but for this; the program of no kernel is made yet  
 * guarantees  sums are those of before, in their order; no groups wait for each other in a
 *             circle; a group has no more members and expressions than the target lets it have
 * breaks      a sum may be made later than it could be: partial sums live longer        */
#include "compiler/plan/plan.h"

static int64_t evaluations(const Group *g) {
  int64_t n = 0;
  for (int i = 0; i < g->members.n; i++) n += ir_evaluations(g->members.at[i].node);
  return n;
}

/* Does g add up partial sums, and little besides? */
static bool adds_up(Plan *p, const Group *g) {
  if (g->kind != GROUP_ROWS || g->late || g->once || g->dropped || g->rows_fixed || g->nrows == 0 ||
      g->members.n == 0 || loop_around(p, g))
    return false;
  return plan_adds_up(p, g->members.at[0].node) && evaluations(g) <= p->target->rows.together_most;
}

static bool same_rows(const Group *a, const Group *b) {
  if (a->nrows != b->nrows) return false;
  for (int k = 0; k < a->nrows; k++)
    if (a->row_extent[k] != b->row_extent[k]) return false;
  return true;
}

static bool could_be_one(Plan *p, Group *a, Group *b) {
  return a->region == b->region && same_rows(a, b) &&
         a->members.at[0].node->again == b->members.at[0].node->again &&
         a->members.n + b->members.n <= p->target->rows.members_most &&
         a->exprs + b->exprs <= p->target->rows.exprs_most && !group_follows(p, a, b) &&
         !group_follows(p, b, a);
}

void plan_together(Plan *p) {
  for (int i = 0; i < p->groups.n; i++) {
    if (!adds_up(p, p->groups.at[i])) continue;
    for (int k = i + 1; k < p->groups.n; k++)
      if (adds_up(p, p->groups.at[k]) && could_be_one(p, p->groups.at[i], p->groups.at[k]))
        group_take(p, p->groups.at[i], p->groups.at[k]);
  }
  plan_stored(p);
}
