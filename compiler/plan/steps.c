/* SPDX-License-Identifier: MIT */
/* The list of steps: what is kept from run to run first, then every region's
 * groups in order, loops as brackets. */
#include "compiler/plan/plan.h"

static void push_step(Plan *p, TdStep step, const bool *writes) {
  vec_push(p->arena, &p->steps, step);
  vec_push(p->arena, &p->step_writes, writes);
}

static void push_launch(Plan *p, const Group *g, double times) {
  const TdKernel *k = &p->be->kernels.at[g->kernel];
  TdStep step = {.kind = TD_LAUNCH,
                 .kernel = g->kernel,
                 .nargs = g->nargs,
                 .args = g->args,
                 .writes = g->writes};
  push_step(p, step, g->writes);
  p->flops += times * k->flops;
  p->bytes += times * k->bytes;
}

/* What the products in a loop need packed but once. */
static void list_packing(Plan *p, const Region *body, double times) {
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    if (g->region != body || g->kind != GROUP_CONTRACTION || g->dropped) continue;
    const Group *pack = kernel_pack(p, g);
    if (pack) push_launch(p, pack, times);
  }
}

static void list_region(Plan *p, const Region *r, double times) {
  Groups order = {0};
  group_order(p, r, &order);
  for (int i = 0; i < order.n; i++) {
    Group *g = order.at[i];
    TdStep step = {0};
    if (g->kind == GROUP_LOOP) {
      step.kind = TD_LOOP;
      step.slot = plan_depth(r);
      step.count = g->loop->count;
      step.reverse = g->loop->reverse;
      list_packing(p, g->loop->body, times);
      push_step(p, step, NULL);
      list_region(p, g->loop->body, times * (double)g->loop->count);
      step.kind = TD_END;
      push_step(p, step, NULL);
      continue;
    }
    kernel_write(p, g);
    push_launch(p, g, times);
  }
}

/* What products read packed in every run, and no run changes: in loops of its own. */
static void list_kept(Plan *p) {
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    const Group *pack = g->kind == GROUP_CONTRACTION && !g->dropped ? kernel_keep(p, g) : NULL;
    if (!pack) continue;
    TdStep step = {.once = true};
    for (int k = 0; k < pack->npacked_for; k++) {
      step.kind = TD_LOOP;
      step.slot = plan_depth(pack->packed_for[k]->node->region);
      step.count = pack->packed_for[k]->count;
      push_step(p, step, NULL);
    }
    push_launch(p, pack, 0); /* its cost is not a run's */
    p->steps.at[p->steps.n - 1].once = true;
    step.kind = TD_END;
    for (int k = 0; k < pack->npacked_for; k++) push_step(p, step, NULL);
  }
}

void plan_steps(Plan *p) {
  if (p->repeated) list_kept(p);
  list_region(p, p->g->top, 1);
}
