/* SPDX-License-Identifier: MIT */
/* Operands packed once for many launches: a product in a loop whose operand B no
 * iteration changes (the weights of a recurrence), and one in an entry that is
 * repeated, whose B follows from parameters alone, read it where a kernel of its own
 * has left it.
 *
 * needs       places and types are final
 * guarantees  Plan.packs has a group for each such product, in the order in which they
 *             will be launched, with a buffer; Group.packed says how B lies there
 *
 *     loop i { y = x[@i] w }   ->   pack w into p before loop i; loop i { y = x[@i] p } */
#include "compiler/cpu/cpu.h"

#include <string.h>

typedef struct Invariance {
  Plan *p;
  const Group *g;
  bool fails;
} Invariance;

/* Does it follow from what the loop is given? */
static void check_invariant(Expr *e, void *ctx) {
  Invariance *x = ctx;
  if (e->kind == E_LOOPVAR && e->loop == x->g->region->loop) x->fails = true;
  if (e->kind == E_READ && !ir_visible(x->g->region->parent, e->node)) x->fails = true;
}

/* Or from states that the entry leaves as they are? */
static void check_lasting(Expr *e, void *ctx) {
  Invariance *x = ctx;
  if (e->kind != E_READ) return;
  const Node *n = e->node;
  while (n->kind == N_VIEW) n = n->base;
  x->fails = x->fails || n->kind != N_STATE;
  for (int i = 0; i < x->p->g->updates.n; i++)
    x->fails = x->fails || x->p->g->updates.at[i].state == n;
}

static bool may_pack(const Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  if (!p->options->in_place || g->kind != GROUP_CONTRACTION || g->dropped || g->packed)
    return false;
  return !c->where[GEMM_B] && c->operand[GEMM_B]->kind == E_READ &&
         c->operand[GEMM_B]->node->type == TY_REAL;
}

/* Loops around g whose counters B is read with. */
static void list_loops(Plan *p, const Group *g, Packed *to) {
  for (const Region *r = g->region; r->loop; r = r->parent) {
    if (!ex_has_loopvar(p->g, g->contraction->operand[GEMM_B], r->loop)) continue;
    memmove(to->loops + 1, to->loops, (size_t)to->nloops * sizeof *to->loops);
    to->loops[0] = r->loop;
    to->nloops++;
  }
}

/* The buffer, cut as the kernel will read it, and the group that fills it; false: there is none. */
static bool make_pack(Plan *p, Group *g, Packed packed, TdBufferKind kind) {
  GemmPlan shape;
  product_geometry(p, g, &shape);
  if (!shape.operand[GEMM_B].plain) return false;
  contract_shape(&shape);
  if (shape.packed_count == 0) return false;
  product_geometry(p, g, &shape);
  shape.packed = "packed"; /* as who multiplies reads it */
  contract_shape(&shape);
  int64_t count = shape.packed_count;
  packed.count = count;
  packed.columns = shape.columns;
  packed.depth = shape.depth;
  for (int i = 0; i < packed.nloops; i++)
    if (!mul_fits(count, packed.loops[i]->count, &count) || count > INT32_MAX) return false;
  const char *name =
      arena_printf(p->arena, "packed %s", g->contraction->operand[GEMM_B]->node->name);
  packed.buffer = plan_buffer(p, kind, name, TY_REAL, 1, &count);
  g->packed = NEW(p->arena, Packed);
  *g->packed = packed;
  Group *pack = NEW(p->arena, Group);
  *pack = (Group){.kind = GROUP_PACK,
                  .id = -1,
                  .region = g->region,
                  .members = g->members,
                  .contraction = g->contraction,
                  .packed = g->packed};
  vec_push(p->arena, &p->packs, pack);
  return true;
}

static void keep(Plan *p, Group *g) {
  Invariance x = {.p = p, .g = g};
  Packed packed = {0};
  const TargetProducts *t = &p->target->products;
  if (!may_pack(p, g)) return;
  int64_t few = p->rounds             ? t->rows_packed_narrow
                : product_split(p, g) ? t->split.rows_packed
                                      : t->rows_packed;
  if (g->contraction->extent[GEMM_M] > few) return;
  ex_visit(p->g, g->contraction->operand[GEMM_B], check_lasting, &x);
  if (x.fails) return;
  list_loops(p, g, &packed);
  make_pack(p, g, packed, TD_KEPT);
}

static void pack_before(Plan *p, Group *g, const Loop *l) {
  Invariance x = {.p = p, .g = g};
  if (!may_pack(p, g) || g->region != l->body || l->count < 2) return;
  ex_visit(p->g, g->contraction->operand[GEMM_B], check_invariant, &x);
  if (x.fails) return;
  g->contraction->turns = l->count; /* so the product may be one in parts, and is packed as such */
  if (!make_pack(p, g, (Packed){.before = l}, TD_TEMP)) g->contraction->turns = 0;
}

/* Loops in the order in which they will run. */
static void pack_region(Plan *p, const Region *r) {
  Groups order = {0};
  group_order(p, r, &order);
  for (int i = 0; i < order.n; i++) {
    const Group *loop = order.at[i];
    if (loop->kind != GROUP_LOOP) continue;
    for (int k = 0; k < p->groups.n; k++) pack_before(p, p->groups.at[k], loop->loop);
    pack_region(p, loop->loop->body);
  }
}

void cpu_copies(Plan *p) {
  for (int i = 0; i < p->groups.n && p->repeated; i++) keep(p, p->groups.at[i]);
  pack_region(p, p->g->top);
}
