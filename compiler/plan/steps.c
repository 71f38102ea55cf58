/* SPDX-License-Identifier: MIT */
/* The list of steps: what is kept from run to run first, then every region's
 * groups in order, loops as brackets.
 *
 * needs       groups, their edges (Group.after), packs and launches
 * guarantees  every group that is not dropped is launched once for each iteration
 *             around it, after all that it waits for; costs of the entry are summed
 *             (a loop that is one kernel is a launch, its body's groups are none)
 *
 *     pack w (before loop i); loop i { a; b reads a }
 * ->  launch pack w; loop 8; launch a; launch b; end                             */
#include "compiler/plan/plan.h"

static void push_launch(Plan *p, Group *g, double times, TdOnce once) {
  PlanStep step = {.kind = TD_LAUNCH, .once = once, .group = g};
  vec_push(p->arena, &p->steps, step);
  p->flops += times * g->launch.flops;
  p->narrow_flops += times * g->launch.narrow_flops;
  p->bytes += times * g->launch.bytes;
  p->launches += times;
}

static void push_bracket(Plan *p, TdStepKind kind, const Loop *l, TdOnce once) {
  PlanStep step = {.kind = kind, .once = once, .loop = l};
  vec_push(p->arena, &p->steps, step);
}

static void list_region(Plan *p, const Region *r, double times) {
  Groups order = {0};
  group_order(p, r, &order);
  for (int i = 0; i < order.n; i++) {
    Group *g = order.at[i];
    if (g->kind != GROUP_LOOP || g->kernel) {
      push_launch(p, g, g->once ? 0 : times, g->once);
      continue;
    }
    for (int k = 0; k < p->packs.n; k++)
      if (p->packs.at[k]->packed->before == g->loop) push_launch(p, p->packs.at[k], times, TD_ANEW);
    push_bracket(p, TD_LOOP, g->loop, TD_ANEW);
    list_region(p, g->loop->body, times * (double)g->loop->count);
    push_bracket(p, TD_END, g->loop, TD_ANEW);
  }
}

/* What products read packed in every run, and no run changes: in loops of its own. Its
 * cost is not a run's. */
static void list_kept(Plan *p) {
  for (int i = 0; i < p->packs.n; i++) {
    Group *g = p->packs.at[i];
    if (g->packed->before) continue;
    for (int k = 0; k < g->packed->nloops; k++)
      push_bracket(p, TD_LOOP, g->packed->loops[k], TD_LASTING);
    push_launch(p, g, 0, TD_LASTING);
    for (int k = g->packed->nloops; k > 0; k--)
      push_bracket(p, TD_END, g->packed->loops[k - 1], TD_LASTING);
  }
}

void plan_steps(Plan *p) {
  list_kept(p);
  list_region(p, p->g->top, 1);
}
