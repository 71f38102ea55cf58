/* SPDX-License-Identifier: MIT */
/* What writers of products ask, whatever the target: what a sum of products is in the end. */
#include "compiler/emit/emit.h"
#include "compiler/plan/contract.h"

const char *emit_finished(Emit *em, const Contraction *c, int level, const char *sum) {
  const char *value = sum;
  if (c->factor)
    value = arena_printf(em->arena, "(%s * %s)", value, emit_value(em, c->factor, level));
  if (c->may_be_empty) value = arena_printf(em->arena, "(some ? %s : 0.0f)", value);
  if (c->condition)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, c->condition, level), value);
  return value;
}
