/* SPDX-License-Identifier: MIT */
/* Writes new values over old ones: a carry's next value, an updated state.
 *
 * The copy that own.c put at the end of the region goes, and the value is
 * written to its final place at once, when
 *   - every other kernel that reads the old value can run before;
 *   - its own kernel reads the old value only at the element it is about to
 *     write, or earlier in the same row.
 * Edges from the readers to the writer keep the order.
 *
 * What a loop stacks is written to the state that the stack becomes, row by row, when the kernel
 * that makes the row is the only one of the loop that reads the state, and reads that row alone.
 *
 * needs       groups and nests are final (plan_rows); owners (plan_own)
 * guarantees  where the copy is dropped, no kernel reads the old value after the new one is
 *             there; groups still wait for each other in no circle
 * breaks      what a group reads does not tell all that it waits for: Group.after counts
 *
 *     loop { n = f(h); e = h w; copy n into h, late }
 * ->  loop { e = h w; n = f(h), written into h, after e }                          */
#include "compiler/plan/rows.h"

typedef struct Reads {
  Plan *p;
  const Node *old;
  bool found;
} Reads;

static bool stands_on(const Node *n, const Node *old) {
  for (; n; n = n->kind == N_VIEW ? n->base : NULL)
    if (n == old) return true;
  return false;
}

static bool names_old(Plan *p, const Node *n, const Node *old) {
  if (stands_on(n, old)) return true;
  if (n->kind == N_FINAL) return stands_on(n->loop->carries.at[n->slot].in, old);
  if (n->kind == N_PACK)
    for (int i = 0; i < n->parts.n; i++)
      if (names_old(p, n->parts.at[i], old)) return true;
  return false;
}

static void note_old_read(Node *read, void *ctx) {
  Reads *r = ctx;
  if (names_old(r->p, read, r->old)) r->found = true;
}

static bool group_reads(Plan *p, Group *g, const Node *old) {
  Reads r = {p, old, false};
  if (g->kind == GROUP_LOOP) ir_each_read(p->g, g->loop->node, note_old_read, &r);
  for (int i = 0; i < g->members.n && !r.found; i++)
    ir_each_read(p->g, g->members.at[i].node, note_old_read, &r);
  return r.found;
}

/* ---- within the writer's own kernel ----------------------------------------------------- */

typedef struct Own {
  Plan *p;
  const Node *old;
  const Item *writer, *reader;
  Expr *const *element; /* of the writer */
  int nrows;
  bool fails;
} Own;

static void check_read(Expr *e, void *ctx) {
  Own *o = ctx;
  if (e->kind != E_READ || !names_old(o->p, e->node, o->old)) return;
  if (e->node != o->old) {
    o->fails = true;
    return;
  }
  bool same = true;
  for (int d = 0; d < e->nargs; d++) same = same && e->args[d] == o->element[d];
  if (same && (!o->reader || o->reader->nest <= o->writer->nest)) return;
  /* another element of the row, in an earlier nest: the row's indices must be the same */
  bool row = o->reader && o->reader->nest < o->writer->nest;
  for (int d = 0; d < e->nargs && row; d++) {
    bool fixed = o->element[d]->kind != E_VAR || o->element[d]->inum < o->nrows;
    if (fixed && e->args[d] != o->element[d]) row = false;
  }
  if (!row) o->fails = true;
}

/* The item that computes n; NULL if several do, each a part of it. */
static const Item *item_of(const RowPlan *r, const Node *n) {
  const Item *found = NULL;
  for (int i = 0; i < r->nitems; i++) {
    if (r->items[i].node != n) continue;
    if (found) return NULL;
    found = &r->items[i];
  }
  return found;
}

/* `loop`: the old value's first axis counts its iterations, each of which has one `value`; NULL:
 * both have the same axes. */
static bool rows_allow(Plan *p, Group *g, const Node *value, const Node *old, Loop *loop) {
  const RowPlan *r = g->rows;
  const Item *writer = item_of(r, value);
  Expr *element[IR_MAX_RANK];
  if (!writer || !writer->self) return false;
  if (loop) element[0] = ex_loopvar(p->g, loop);
  for (int d = 0; d < value->rank; d++) element[d + (loop != NULL)] = writer->element[d];
  for (int i = 0; i < r->nitems; i++) {
    Own o = {p, old, writer, &r->items[i], element, r->nrows, false};
    ex_visit(p->g, r->items[i].body, check_read, &o);
    if (r->items[i].guard) ex_visit(p->g, r->items[i].guard, check_read, &o);
    /* a product reads its inputs long before, or long after, an element is written */
    if (r->items[i].form == FORM_MIXED && r->items[i].nest >= writer->nest) {
      Reads reads = {p, old, false};
      ir_each_read(p->g, r->items[i].node, note_old_read, &reads);
      if (reads.found) return false;
    }
    if (o.fails) return false;
  }
  return true;
}

/* The epilogue may read the element it writes; operands may not touch the old value. */
static bool epilogue_allows(Plan *p, Group *g, const Node *value, const Node *old) {
  Expr *map[IR_MAX_VARS], *element[IR_MAX_RANK];
  const Member *writer = NULL;
  for (int i = 0; i < g->members.n; i++)
    if (g->members.at[i].node == value) writer = &g->members.at[i];
  if (!writer) return false;
  for (int d = 0; d < value->rank; d++) element[d] = ex_int(p->g, 0);
  for (int k = 0; k < g->nrows; k++) element[writer->rowvar[k]] = ex_var(p->g, k);
  for (int i = 0; i < g->members.n; i++) {
    Node *n = g->members.at[i].node;
    if (i == 0) {
      Reads reads = {p, old, false};
      ir_each_read(p->g, n, note_old_read, &reads);
      if (reads.found) return false;
      continue;
    }
    for (int v = 0; v < n->nvars; v++) map[v] = ex_int(p->g, 0);
    for (int k = 0; k < g->nrows; k++) map[g->members.at[i].rowvar[k]] = ex_var(p->g, k);
    Own o = {p, old, NULL, NULL, element, g->nrows, false};
    ex_visit(p->g, ex_subst(p->g, n->body, map, n->nvars), check_read, &o);
    if (n->guard) ex_visit(p->g, ex_subst(p->g, n->guard, map, n->nvars), check_read, &o);
    if (o.fails) return false;
  }
  return true;
}

static bool own_kernel_allows(Plan *p, Group *g, const Node *value, const Node *old) {
  if (!group_reads(p, g, old)) return true;
  if (g->kind == GROUP_ROWS) return rows_allow(p, g, value, old, NULL);
  return g->kind == GROUP_CONTRACTION && epilogue_allows(p, g, value, old);
}

/* ---- one value ------------------------------------------------------------------------------ */

/* May iterations write the stack's rows over those of the old value? */
static bool loop_allows(Plan *p, const Node *stack, const Node *old) {
  Loop *l = stack->loop;
  Node *row = l->emits.at[stack->slot];
  Group *writer = plan_info(p, row)->group;
  if (p->target->loops.any || old->kind != N_STATE || !writer || writer->kind != GROUP_ROWS ||
      writer->region != l->body || plan_info(p, row)->owner != stack)
    return false;
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    if (g != writer && !g->dropped && ir_inside(g->region, l) && group_reads(p, g, old))
      return false;
  }
  return rows_allow(p, writer, row, old, l);
}

static void write_directly(Plan *p, Node *copy) {
  Node *value = plan_info(p, copy)->commits, *old = plan_info(p, copy)->owner;
  const bool stack = value->kind == N_STACK;
  Group *writer = plan_info(p, stack ? value->loop->node : value)->group;
  if (!(ir_computes(value) || stack) || !writer || plan_info(p, value)->owner != value ||
      old->type != value->type)
    return;
  if (!(stack ? loop_allows(p, value, old) : own_kernel_allows(p, writer, value, old))) return;
  Groups readers = {0};
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    if (g == writer || g->region != writer->region || g == plan_info(p, copy)->group ||
        !group_reads(p, g, old))
      continue;
    if (group_follows(p, g, writer)) return; /* needs both the old and the new value */
    vec_push(p->arena, &readers, g);
  }
  for (int i = 0; i < readers.n; i++) group_wait_for(p, writer, readers.at[i]);
  plan_info(p, value)->owner = old;
  plan_info(p, value)->owner_index = 1;
  plan_info(p, copy)->group->dropped = true;
}

static bool is_output(const Plan *p, const Node *n) {
  for (int i = 0; i < p->g->outputs.n; i++)
    if (p->g->outputs.at[i].node == n) return true;
  return false;
}

void plan_in_place(Plan *p) {
  int count = p->g->nodes.n;
  for (int i = 0; i < count; i++) {
    Node *copy = p->g->nodes.at[i];
    if (plan_info(p, copy)->commits && !is_output(p, plan_info(p, copy)->commits))
      write_directly(p, copy);
  }
}
