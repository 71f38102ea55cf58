/* The list of steps: every region's groups in order, loops as brackets. */
#include "compiler/plan.h"

static void push_step(Plan *p, TdStep step, const bool *writes) {
  vec_push(p->arena, &p->steps, step);
  vec_push(p->arena, &p->step_writes, writes);
}

static void push_launch(Plan *p, const Group *g, double times) {
  const TdKernel *k = &p->be->kernels.at[g->kernel];
  TdStep step = {.kind = TD_LAUNCH, .from_slot = -1, .to_slot = -1, .kernel = g->kernel, .nargs = g->nargs, .args = g->args};
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
    TdStep step = {.from_slot = -1, .to_slot = -1};
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

void plan_steps(Plan *p) { list_region(p, p->g->top, 1); }
