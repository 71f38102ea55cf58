/* SPDX-License-Identifier: MIT */
/* What a kernel is given and keeps: pointers to nodes' values, arrays of its own, and
 * the declarations of them at the top of its function. */
#include "compiler/emit/cell.h"

/* The plan says what the launch is given: a buffer that is not among it is a mistake there. */
static int argument(const Emit *em, int buffer, bool writes) {
  const Launch *l = em->launch;
  for (int i = 0; i < l->args.n; i++)
    if (l->args.at[i] == buffer && (l->writes.at[i] || !writes)) return i;
  bug("'%s': buffer %d is not planned to be %s", plan_first(em->group)->name, buffer,
      writes ? "written" : "read");
}

const char *emit_pointer(Emit *em, Node *n, bool writes) {
  for (int i = 0; i < em->pointers.n; i++) {
    EmitPointer *at = &em->pointers.at[i];
    if (at->node == n) {
      at->writes = at->writes || writes;
      return at->name;
    }
  }
  NodeInfo *info = plan_info(em->plan, n);
  if (!info->placed) bug("'%s' (node %d) has no storage", n->name, n->id);
  EmitPointer pointer = {n, emit_name(em, n->name), writes, info->group == em->group && em->group};
  vec_push(em->arena, &em->pointers, pointer);
  return pointer.name;
}

const char *emit_buffer(Emit *em, int buffer, const char *type, bool writes) {
  char number[16];
  snprintf(number, sizeof number, "%d", argument(em, buffer, writes));
  const char *at =
      dialect_spell(em->dialect, em->arena, em->dialect->argument, (const char *[]){number});
  return arena_printf(em->arena, "(%s%s *)%s", writes ? "" : "const ", type, at);
}

EmitLocal *emit_local(Emit *em, const Node *n) {
  for (int i = 0; i < em->locals.n; i++)
    if (em->locals.at[i].node == n) return &em->locals.at[i];
  return NULL;
}

bool emit_computes(Emit *em, const Node *n) {
  return em->group && plan_info(em->plan, n)->group == em->group;
}

/* ---- the top of a function -------------------------------------------------------- */

/* `begin`: the element that the pointer is given at. */
static void print_place(StrBuf *out, const Place *at, int64_t begin) {
  if (at->offset > begin) sb_printf(out, " + %lld", (long long)(at->offset - begin));
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (at->stride[s]) sb_printf(out, " + %lld * ix%d", (long long)at->stride[s], s);
}

void emit_prologue(Emit *em, StrBuf *out) {
  uint32_t slots = em->uses_counters;
  for (int i = 0; i < em->pointers.n; i++) {
    const Place *at = &plan_info(em->plan, em->pointers.at[i].node)->place;
    for (int s = 0; s < TD_MAX_LOOPS; s++)
      if (at->stride[s]) slots |= 1u << s;
  }
  if ((em->uses_control && !em->group->launch.control) || slots & ~em->group->launch.counters)
    bug("'%s' uses what its launch is not planned to be given", plan_first(em->group)->name);
  const Dialect *d = em->dialect;
  if (em->uses_control) sb_puts(out, d->control);
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (slots >> s & 1)
      sb_puts(out, dialect_spell(d, em->arena, d->counter,
                                 (const char *[]){arena_printf(em->arena, "%d", s)}));
  for (int i = 0; i < em->pointers.n; i++) {
    const EmitPointer *p = &em->pointers.at[i];
    const Place *at = &plan_info(em->plan, p->node)->place;
    int arg = argument(em, at->buffer, p->writes);
    if (at->offset < em->launch->begins.at[arg])
      bug("'%s' lies before what its launch is given", p->node->name);
    /* no other pointer into the same buffer, or nobody writes it */
    bool alone = em->launch == &em->group->launch;
    for (int k = 0; k < em->pointers.n; k++)
      if (k != i && plan_info(em->plan, em->pointers.at[k].node)->place.buffer == at->buffer)
        alone = false;
    alone = alone || !em->launch->writes.at[arg];
    const char *type =
        plan_type(em->plan, p->node) == TD_BF16 ? d->half : emit_ctype(em, p->node->type);
    sb_printf(out, "%s%s *%s %s = %s", p->writes ? "" : "const ", type,
              alone ? d->restrict_word : "", p->name, emit_buffer(em, at->buffer, type, p->writes));
    print_place(out, at, em->launch->begins.at[arg]);
    sb_puts(out, ";\n");
  }
}
