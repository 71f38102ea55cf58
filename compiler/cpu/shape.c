/* SPDX-License-Identifier: MIT */
/* How kernels are cut into pieces that threads take, and the scratch memory of one:
 * by extents alone, so that no sum depends on the number of threads. */
#include "compiler/cpu/cpu.h"

/* ---- rows ---------------------------------------------------------------------------- */

static void add_read(Expr *e, void *ctx) { *(double *)ctx += e->kind == E_READ; }

/* Of one evaluation, in additions: a draw takes as long as eighty; what is only copied takes
 * memory's time. */
static double cost_of(const Plan *p, const Item *it) {
  double cost = 1 + ex_cost(p->g, it->body);
  ex_visit(p->g, it->body, add_read, &cost);
  return cost;
}

int64_t cpu_rows_per_piece(const Plan *p, const Group *g) {
  const RowPlan *r = g->rows;
  const TargetRows *t = &p->target->rows;
  int64_t per_piece = g->block;
  if (!g->rows_fixed) {
    double work = 0; /* evaluations a row */
    for (int i = 0; i < r->nitems; i++) {
      double n = cost_of(p, &r->items[i]);
      for (int k = 0; k < r->items[i].nloops; k++) n *= (double)r->items[i].extent[k];
      work += n * r->items[i].share;
    }
    double per = t->piece_work / work;
    per_piece = per < 1 ? 1 : per > (double)r->rows ? r->rows : (int64_t)per;
    if (per_piece < 1) per_piece = 1; /* there are no rows */
    if (r->flat) per_piece = (per_piece + t->piece_unit - 1) / t->piece_unit * t->piece_unit;
    if (r->rows / per_piece > t->pieces_most)
      per_piece = (r->rows + t->pieces_most - 1) / t->pieces_most;
  }
  if (per_piece < 1) per_piece = 1;
  return per_piece > r->rows && r->rows > 0 ? r->rows : per_piece;
}

static size_t arrays(const Plan *p, const RowPlan *r) {
  size_t sum = 0;
  for (int i = 0; i < r->nitems; i++) {
    size_t bytes = item_array_bytes(&r->items[i]);
    if (bytes > p->target->rows.local_bytes) sum += (bytes + 63) / 64 * 64;
  }
  return sum;
}

int64_t cpu_totals(const Item *it, int64_t per_piece) {
  const Node *n = it->node;
  bool sums = n->reducer == RED_SUM && n->type == TY_REAL && it->member->accumulates;
  return sums && it->nout > 0 && per_piece > CPU_IN_ORDER ? ir_count(n) / n->shape[0] : 0;
}

static void shape_rows(const Plan *p, const Group *g, TdLaunch *out) {
  int64_t per_piece = cpu_rows_per_piece(p, g);
  out->cpu.pieces = (g->rows->rows + per_piece - 1) / per_piece;
  out->cpu.scratch = arrays(p, g->rows);
  for (int i = 0; i < g->rows->nitems; i++)
    out->cpu.scratch += ((size_t)cpu_totals(&g->rows->items[i], per_piece) * 8 + 63) / 64 * 64;
}

/* ---- products ------------------------------------------------------------------------- */

static void shape_product(Plan *p, const Group *g, TdLaunch *out) {
  GemmPlan shape;
  product_geometry(p, g, &shape);
  if (g->kind == GROUP_PACK) {
    shape.columns = g->packed->columns;
    shape.depth = g->packed->depth;
    contract_pack_shape(&shape);
  } else {
    shape.packed = g->packed ? "packed" : NULL;
    contract_shape(&shape);
  }
  out->cpu.pieces = shape.pieces;
  out->cpu.scratch = shape.scratch;
}

static void shape_chain(Plan *p, Group *g, TdLaunch *out) {
  const ChainShape *s = chain_shape(p, g);
  const Chain *c = g->chain;
  out->cpu.pieces = c->columns ? c->batch : c->batch * s->row_blocks;
  out->cpu.scratch = s->scratch;
}

void cpu_shape(Plan *p, Group *g) {
  TdLaunch *out = &g->launch.shape;
  switch (g->kind) {
  case GROUP_ROWS: shape_rows(p, g, out); return;
  case GROUP_SCATTER: {
    ScatterSlices s = scatter_slices(p, g);
    out->cpu.pieces = s.pieces;
    out->cpu.scratch = (size_t)s.totals * sizeof(double);
    return;
  }
  case GROUP_CONTRACTION:
  case GROUP_PACK: shape_product(p, g, out); return;
  case GROUP_CHAIN: shape_chain(p, g, out); return;
  case GROUP_LOOP: break;
  }
  bug("a loop has no shape");
}
