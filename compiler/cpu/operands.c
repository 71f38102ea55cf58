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
  if (e->kind != E_READ || e->type != TY_REAL) return;
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

bool operand_run(Plan *p, const Node *n, const Contraction *c, GemmSide side, int var,
                 OperandRun *out) {
  Graph *g = p->g;
  Expr *where = c->where[side], *e = product_inside(g, c->operand[side], &where);
  if (e->kind != E_READ || e->node->type != TY_REAL || e->node->rank == 0) return false;
  int64_t stride[IR_MAX_RANK];
  plan_strides(p, e->node, stride);
  int64_t by_var = 0;
  for (int d = 0; d < e->node->rank; d++) {
    Expr *index = e->args[d];
    Affine a;
    if (!ex_in_range(g, index, n->extent, n->nvars, e->node->shape[d])) {
      where = ex_and(g, where, ex2(g, P_le, ex_int(g, 0), index));
      where = ex_and(g, where, ex2(g, P_lt, index, ex_int(g, e->node->shape[d])));
    }
    if (!(index->vars >> var & 1)) continue;
    if (!ex_affine(g, index, &a)) return false;
    by_var += a.coef[var] * stride[d];
  }
  *out = (OperandRun){.read = e, .where = where};
  return by_var == 1 && !(where && where->vars >> var & 1);
}

int operand_along(const Contraction *c, GemmSide side, bool along_k) {
  GemmAxisKind kind = along_k ? GEMM_K : gemm_outer(side);
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
  Direction d = {
      .g = p->g, .k = operand_along(c, side, true), .outer = operand_along(c, side, false)};
  ex_visit(p->g, e, weigh, &d);
  out->along_k = d.along_k >= d.along_outer;
  out->expensive = d.expensive;
  OperandRun run;
  int var = out->along_k ? d.k : d.outer;
  const Node *n = g->members.at[0].node;
  out->runs = var >= 0 && n->extent[var] >= RUN_LEAST && operand_run(p, n, c, side, var, &run);
  out->half = out->runs && plan_type(p, run.read->node) == TD_BF16;
}

/* Of A, which is an operand in runs besides, for processors that have no tiles of bf16. */
static void moved_geometry(Plan *p, const Group *g, GemmPlan *out) {
  GemmOperand *a = &out->operand[GEMM_A];
  Expr *read;
  Linear base;
  const Node *n = g->members.at[0].node;
  const Contraction *c = g->contraction;
  if ((!out->narrow && !out->split) || !a->runs) return;
  const bool turned = !a->along_k;
  if (!(turned ? product_turned : product_moves)(p, n, c, &a->moves, &read, &base)) return;
  a->turned = turned;
  product_strides(c, &base, GEMM_BATCH, a->stride_batch);
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

_Static_assert((int)GEMM_WINDOWS == (int)BAND_WINDOWS, "windows of a product are those of a band");

static void window_geometry(const ProductBand *band, GemmWindow *out) {
  out->any = band->any;
  out->n = band->any ? band->flat.n : 0;
}

void product_geometry(Plan *p, const Group *g, GemmPlan *out) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  *out = (GemmPlan){.narrow = p->rounds, .split = product_split(p, g)};
  out->leaves_out = g->kind != GROUP_PACK && contract_leaves_out(c);
  out->may_be_empty = out->leaves_out && c->may_be_empty;
  for (int k = 0; k < GEMM_AXES; k++) {
    out->axis[k].nvars = c->nvars[k];
    for (int v = 0; v < c->nvars[k]; v++) out->axis[k].extent[v] = n->extent[c->var[k][v]];
  }
  operand_geometry(p, g, GEMM_A, &out->operand[GEMM_A]);
  operand_geometry(p, g, GEMM_B, &out->operand[GEMM_B]);
  moved_geometry(p, g, out);
  const ProductBands bands = product_bands(p, g);
  const bool banded = bands.k[GEMM_A].any || bands.k[GEMM_B].any || bands.columns.any;
  if (banded || !product_periods(p->g, n, c, out->period))
    for (int v = 0; v < c->nvars[GEMM_BATCH]; v++) out->period[v] = 0;
  if (g->kind == GROUP_PACK) return;
  output_geometry(p, g, out);
  for (int side = 0; side < 2; side++) window_geometry(&bands.k[side], &out->k_of[side]);
  window_geometry(&bands.columns, &out->columns_of_row);
}
