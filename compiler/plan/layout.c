/* SPDX-License-Identifier: MIT */
/* How a value's elements lie in its buffer. Rows of temporaries may be padded, so that
 * each begins where the target likes to load from (TargetMemory.pitch): values whose
 * storage is a buffer, a stack or a carry of their own. What lies among other things (parts
 * of a pack, states, what a view shows) or is read from outside (outputs), and partial
 * sums, which are added up as one run of numbers, has no gaps.
 *
 * needs       owners (plan_own)
 * guarantees  the answer for a node stays what it is: plan_in_place moves values only
 *             to where they lie in the same way */
#include "compiler/plan/plan.h"

/* The node whose buffer n's elements end up in. */
static const Node *storage_of(Plan *p, const Node *n) {
  for (;;) {
    const NodeInfo *info = plan_info(p, n);
    if (n->kind == N_VIEW)
      n = n->base;
    else if (n->kind == N_FINAL)
      n = n->loop->carries.at[n->slot].in;
    else if (info->rows_of)
      n = info->rows_of;
    else if (ir_computes(n) && info->owner && info->owner != n)
      n = info->owner;
    else if ((n->kind == N_STACK || n->kind == N_PACK) && info->owner && info->owner != n)
      n = info->owner;
    else
      return n;
  }
}

/* Seen from outside, or on its way into a state. */
static bool leaves(const Plan *p, const Node *n) {
  for (int i = 0; i < p->g->outputs.n; i++)
    if (p->g->outputs.at[i].node == n) return true;
  for (int i = 0; i < p->g->updates.n; i++)
    if (p->g->updates.at[i].value == n) return true;
  return false;
}

static bool is_partial(Plan *p, const Node *n) {
  const Group *g = plan_info(p, n)->group;
  const Member *m = g ? member_of(g, n) : NULL;
  return m && m->accumulates;
}

static bool padded(Plan *p, const Node *n) {
  if (p->target->memory.pitch <= 1 || n->rank == 0) return false;
  const Node *at = storage_of(p, n);
  if (plan_info(p, at)->local) return false; /* it lives in a kernel, in a layout of its own */
  if (at->kind != N_CARRY && at->kind != N_STACK && !ir_computes(at)) return false;
  return at->rank >= 2 && at->shape[at->rank - 1] == n->shape[n->rank - 1] && !leaves(p, at) &&
         !is_partial(p, at);
}

int64_t plan_pitch(Plan *p, const Node *n) {
  int64_t width = n->rank > 0 ? n->shape[n->rank - 1] : 1;
  if (!padded(p, n)) return width;
  size_t size = td_type_size(plan_storage(n->type));
  if (n->type == TY_REAL && p->act == TD_BF16)
    size = td_type_size(TD_BF16); /* it may be stored so */
  return round_up(width, (int64_t)(p->target->memory.pitch / size));
}

void plan_strides(Plan *p, const Node *n, int64_t *stride) {
  int64_t step = 1;
  for (int d = n->rank - 1; d >= 0; d--) {
    stride[d] = step;
    step = d == n->rank - 1 ? plan_pitch(p, n) : step * n->shape[d];
  }
}

int64_t plan_room(Plan *p, const Node *n) {
  int64_t room = plan_pitch(p, n);
  for (int d = 0; d < n->rank - 1; d++) room *= n->shape[d];
  return room;
}
