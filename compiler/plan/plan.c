/* SPDX-License-Identifier: MIT */
/* One entry's plan, from its rewritten graph to offsets in the arena: the passes in
 * their order. */
#include "compiler/plan/chain.h"

static void list_outputs(Plan *p) {
  for (int i = 0; i < p->g->outputs.n; i++) {
    const Output *o = &p->g->outputs.at[i];
    TdOutput out = {arena_strdup(p->arena, o->name), plan_info(p, o->node)->place.buffer};
    vec_push(p->arena, &p->outputs, out);
  }
}

void plan_make(Plan *p) {
  plan_weights(p);
  plan_once(p);
  plan_own(p);
  plan_apart(p);
  plan_group(p);
  if (p->options->chains && p->target->chains.any) plan_chains(p);
  if (p->options->loops && p->target->loops.any) plan_loops(p);
  if (p->target->rows.together_most > 0) plan_together(p);
  if (p->options->fuse_epilogues && p->target->products.beside) plan_beside(p);
  plan_rows(p);
  plan_chain_programs(p);
  if (p->options->in_place) plan_in_place(p);
  plan_place(p);
  plan_narrow(p);
  list_outputs(p);
  if (p->target->copies) p->target->copies(p);
  plan_launches(p);
  plan_steps(p);
  plan_memory(p);
}
