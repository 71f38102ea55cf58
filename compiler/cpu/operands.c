/* SPDX-License-Identifier: MIT */
/* What the tiles get to know of a contraction before any text is written: how its
 * operands lie, and whether its sums go straight to memory. The kernel's shape
 * follows from it, and so does whether an operand can be packed beforehand. */
#include "compiler/cpu/cpu.h"

/* ---- operands ------------------------------------------------------------------------- */

typedef struct Direction {
  Graph *g;
  int k, outer;
  int64_t along_k, along_outer;
  bool expensive;
} Direction;

static void weigh(Expr *e, void *ctx) {
  Direction *d = ctx;
  if (e->kind == E_PRIM && prim_expensive(e->prim)) d->expensive = true;
  if (e->kind != E_READ) return;
  int64_t stride = 1, by_k = 0, by_outer = 0;
  for (int i = e->node->rank - 1; i >= 0; i--) {
    Affine a;
    if (ex_affine(d->g, e->args[i], &a)) {
      by_k += d->k < 0 ? 0 : a.coef[d->k] * stride;
      by_outer += d->outer < 0 ? 0 : a.coef[d->outer] * stride;
    }
    stride *= e->node->shape[i];
  }
  int64_t count = ir_count(e->node);
  if (by_k == 1) d->along_k += count;
  if (by_outer == 1) d->along_outer += count;
}

static int last_var(const Contraction *c, GemmAxisKind kind) {
  return c->nvars[kind] ? c->var[kind][c->nvars[kind] - 1] : -1;
}

/* One read of a real at an affine place that is always in bounds; or how it is evaluated best. */
static void operand_geometry(Plan *p, const Group *g, GemmSide side, GemmOperand *out) {
  const Contraction *c = g->contraction;
  Expr *e = c->operand[side];
  GemmAxisKind outer = side == GEMM_A ? GEMM_M : GEMM_N;
  Linear lin;
  if (!c->where[side] && e->kind == E_READ &&
      product_place(p, g->members.at[0].node, e->node, e->args, &lin)) {
    product_strides(c, &lin, GEMM_BATCH, out->stride_batch);
    product_strides(c, &lin, outer, out->stride_outer);
    product_strides(c, &lin, GEMM_K, out->stride_k);
    out->plain = true;
    out->half = plan_type(p, e->node) == TD_BF16;
    return;
  }
  Direction d = {.g = p->g, .k = last_var(c, GEMM_K), .outer = last_var(c, outer)};
  ex_visit(p->g, e, weigh, &d);
  out->along_k = d.along_k >= d.along_outer;
  out->expensive = d.expensive;
}

/* ---- the product ------------------------------------------------------------------------- */

/* Nothing but the sum, as f32: then it goes from registers to memory. */
static void output_geometry(Plan *p, const Group *g, GemmPlan *out) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  if (g->members.n != 1 || c->factor || c->condition || plan_type(p, n) != TD_F32) return;
  out->plain_output = true;
  int64_t by_var[IR_MAX_VARS] = {0}; /* an output variable is an axis */
  plan_strides(p, n, by_var);
  for (int k = 0; k < GEMM_K; k++)
    for (int v = 0; v < c->nvars[k]; v++) out->stride_output[k][v] = by_var[c->var[k][v]];
}

void product_geometry(Plan *p, const Group *g, GemmPlan *out) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  *out = (GemmPlan){.narrow = p->act == TD_BF16, .split = product_split(p, c)};
  for (int k = 0; k < GEMM_AXES; k++) {
    out->axis[k].nvars = c->nvars[k];
    for (int v = 0; v < c->nvars[k]; v++) out->axis[k].extent[v] = n->extent[c->var[k][v]];
  }
  operand_geometry(p, g, GEMM_A, &out->operand[GEMM_A]);
  operand_geometry(p, g, GEMM_B, &out->operand[GEMM_B]);
  if (g->kind != GROUP_PACK) output_geometry(p, g, out);
}
