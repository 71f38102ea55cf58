/* SPDX-License-Identifier: MIT */
/* How a contraction is cut: into pieces of rows x columns that threads take, and
 * these into blocks of k whose packed operands stay near. By the extents alone. */
#include "compiler/cpu/gemm_write.h"

enum {
  NARROW_NEAR = 400000, /* numbers in bf16 that stay in the second cache */
  PARTS_NEAR = 600000,  /* and where there are tiles, which only processors with a large one have */
  PACKED_NEAR = 600000, /* of bf16 that lie packed: what they are packed from comes nowhere near */
  NARROW_WORK = 6000000,  /* as PIECE_WORK */
  ROWS_LIMIT = 256,       /* of a piece */
  PACKED_LIMIT = 1 << 21, /* floats of packed B a thread keeps */
  NEAR_LIMIT = 1 << 18,   /* floats that stay in the second cache */
  FAR_LIMIT = 1 << 21,    /* floats that no cache of a core holds */
  PIECES_WANTED = 16,
  PIECE_WORK = 4000000 /* products that make a piece worth its while */
};

/* Cycles an element takes to pack, as measured; less than one is copied. */
static double packing_cost(const GemmWriter *w, GemmSide side) {
  const GemmOperand *operand = &w->plan->operand[side];
  if (operand->expensive) return 6;
  if (w->runs[side]) return 0.3;
  if (!w->flat[side]) return 0.6;
  if (side == GEMM_B) return w->outer_stride[side] == 1 || w->k_stride[side] == 1 ? 0.35 : 1;
  bool far = w->extent[GEMM_M] * w->extent[GEMM_K] > FAR_LIMIT;
  if (w->in_place) return far ? 0.3 : 0.05;
  return w->k_stride[side] == 1 ? 0.2 : w->outer_stride[side] == 1 ? (far ? 0.8 : 0.4) : 1;
}

/* Cycles for each k, roughly: packing A once for each block of columns, B once
 * for each and once more where a second thread starts, reading packed B again
 * for each block of rows, and for each row of tiles a block of k of it: from the
 * second cache, if it stays there. */
static double cost_of(const GemmWriter *w, int64_t row_blocks, int64_t columns,
                      int64_t column_blocks) {
  double m = (double)w->extent[GEMM_M], n = (double)w->extent[GEMM_N];
  double a = m * (double)column_blocks * packing_cost(w, GEMM_A), b = n * packing_cost(w, GEMM_B);
  if (row_blocks > 1) b *= (double)(column_blocks + 1) / (double)column_blocks;
  int64_t k = w->extent[GEMM_K];
  double again = columns * k > NEAR_LIMIT ? 0.06 : 0.02, tiles = m / TALLEST_TILE;
  bool far = columns * (k <= DEPTH_WHOLE ? k : DEPTH_LIMIT) > NEAR_LIMIT;
  return a + b + (double)row_blocks * n * again + (far ? 0.045 * tiles * n : 0);
}

/* What follows from rows and columns. */
static void finish(const GemmWriter *w, GemmBlocks *b, int64_t whole, int64_t limit, int64_t unit) {
  int64_t k = w->extent[GEMM_K], n = w->extent[GEMM_N];
  b->last_rows = w->extent[GEMM_M] - (b->row_blocks - 1) * b->rows;
  b->depth = round_up(k <= whole ? k : ceil_div(k, ceil_div(k, limit)), unit);
  b->depth_blocks = ceil_div(k, b->depth);
  b->grouped = gemm_is_deep(w) && b->depth_blocks > DEPTH_GROUP;
  b->padded = round_up(min_of(b->columns, n), WIDEST_TILE);
  b->stride = b->padded + LANES; /* rows of a tile lie in different sets of a cache */
}

/* How much longer so many pieces of one length take threads than if they never waited for the last:
 * of two threads and of four by their count, of more by few pieces. */
static double idle(int64_t pieces) {
  const double p = (double)pieces;
  double two = (double)(ceil_div(pieces, 2) * 2) / p - 1,
         four = (double)round_up(pieces, 4) / p - 1;
  return two / 2 + four / 4 + 1 / (double)min_of(pieces, 32);
}

/* The same for products in bf16, whose tiles are so fast that reading B is what
 * counts: it is read once for each strip of 32 rows, from the second cache if a
 * block of k of it stays there, and comes there once for each piece if not all
 * of k does. A is read across memory where its rows lie side by side. Numbers in
 * parts take as many times the room, and longer to pack and to multiply. */
static double narrow_cost(const GemmWriter *w, const GemmBlocks *b) {
  const int parts = gemm_parts(w);
  double m = (double)w->extent[GEMM_M], n = (double)w->extent[GEMM_N];
  double multiply = m * n / 512 * (parts > 1 ? w->plan->split : 1), pack = 0.35 * (parts - 1);
  double pack_a = w->in_place                          ? 0.15
                  : w->plan->operand[GEMM_A].expensive ? 6
                  : w->turned                          ? 0.6
                  : w->moved                           ? 0.2
                  : !w->flat[GEMM_A]                   ? 0.8
                  : w->k_stride[GEMM_A] == 1           ? 0.35
                                                       : 1.5;
  double pack_b = w->plan->operand[GEMM_B].expensive ? 6 : w->flat[GEMM_B] ? 0.3 : 0.8;
  const bool packed = w->plan->packed != NULL;
  const int64_t k = w->extent[GEMM_K],
                near = parts > 1 ? PARTS_NEAR
                       : packed  ? PACKED_NEAR
                                 : NARROW_NEAR,
                depth = parts == 1         ? min_of(k, NARROW_LIMIT)
                        : k <= DEPTH_WHOLE ? k
                                           : DEPTH_LIMIT;
  double again = b->row_blocks > 1 && b->columns * k * parts > near
                     ? (parts > 1 ? 0.15 : 0.1) * (double)(b->row_blocks * parts)
                     : 0;
  pack_a += pack;
  pack_b = packed ? 0 : pack_b + pack;
  int64_t pieces = w->extent[GEMM_BATCH] * b->row_blocks * b->column_blocks;
  double repeats =
      b->row_blocks > 1 ? (double)(b->column_blocks + 1) / (double)b->column_blocks : 1;
  const double packed_rows = w->turned ? (double)w->plan->operand[GEMM_A].moves.channels : m;
  double cost = multiply + packed_rows * (double)b->column_blocks * pack_a + n * pack_b * repeats +
                again * n + m / 32 * n * parts * (b->columns * depth * parts > near ? 0.2 : 0.04);
  return cost * (1 + idle(pieces));
}

/* Taps of moved places are whole tiles of k, in both bodies of a plan that is split. */
static int64_t depth_unit(const GemmWriter *w) {
  return w->plan->operand[GEMM_A].moves.n ? STRIP_ROWS : LANES;
}

static GemmBlocks narrow_blocks(const GemmWriter *w) {
  int64_t m = w->extent[GEMM_M], n = w->extent[GEMM_N], k = w->extent[GEMM_K],
          batch = w->extent[GEMM_BATCH];
  double work = (double)batch * (double)m * (double)n * (double)k;
  int64_t most_pieces = work > NARROW_WORK * 64.0 ? 64 : (int64_t)(work / NARROW_WORK) + 1;
  const int64_t whole = w->tiles == GEMM_PARTS ? DEPTH_WHOLE : NARROW_WHOLE,
                numbers = 2 * (int64_t)PACKED_LIMIT / gemm_parts(w);
  int64_t widest = max_of(WIDEST_TILE, numbers / k / WIDEST_TILE * WIDEST_TILE);
  GemmBlocks best = {0};
  double least_cost = 0;
  for (int64_t across = 1; across <= 32; across++) {
    GemmBlocks b = {.columns = round_up(ceil_div(n, across), WIDEST_TILE)};
    b.column_blocks = ceil_div(n, b.columns);
    if (b.columns > widest && b.columns > WIDEST_TILE) continue;
    for (int64_t down = 1; down <= 32; down++) {
      b.rows = round_up(ceil_div(m, down), 2 * LANES);
      if (w->turned && !gemm_turned_rows(w, down, &b.rows)) continue;
      b.row_blocks = ceil_div(m, b.rows);
      bool sums = k > whole && !w->direct; /* of a whole piece wait for the last block of k */
      if (sums && b.rows * b.columns > NARROW_NEAR && b.rows > 2 * LANES) continue;
      double cost = narrow_cost(w, &b);
      if (batch * b.row_blocks * b.column_blocks > most_pieces && best.rows) continue;
      if (best.rows && cost >= least_cost) continue;
      least_cost = cost;
      best = b;
    }
  }
  /* blocks of k of numbers in parts are those of floats: the sums of both are the same */
  if (w->tiles == GEMM_PARTS)
    finish(w, &best, DEPTH_WHOLE, DEPTH_LIMIT, depth_unit(w));
  else
    finish(w, &best, NARROW_WHOLE, NARROW_LIMIT, 2 * LANES);
  if (w->turned && best.row_blocks > 1)
    w->plan->axis[GEMM_M].cut = w->plan->operand[GEMM_A].moves.channels / best.row_blocks;
  return best;
}

GemmBlocks gemm_same_pieces(const GemmWriter *w, const GemmBlocks *as) {
  GemmBlocks b = {.rows = as->rows,
                  .row_blocks = as->row_blocks,
                  .columns = as->columns,
                  .column_blocks = as->column_blocks};
  finish(w, &b, DEPTH_WHOLE, DEPTH_LIMIT, depth_unit(w));
  return b;
}

/* Rows of A that are copied at once for a step of k, or 1. */
static int64_t run_of_rows(const GemmWriter *w) {
  const GemmAxis *m = &w->plan->axis[GEMM_M];
  return w->runs[GEMM_A] && !gemm_along_k(w, GEMM_A) ? m->extent[m->nvars - 1] : 1;
}

GemmBlocks gemm_choose_blocks(const GemmWriter *w) {
  if (w->tiles != GEMM_FLOATS) return narrow_blocks(w);
  const int64_t *e = w->extent;
  int64_t m = e[GEMM_M], n = e[GEMM_N], k = e[GEMM_K], batch = e[GEMM_BATCH];
  int64_t widest = max_of(WIDEST_TILE, PACKED_LIMIT / k / WIDEST_TILE * WIDEST_TILE);
  int64_t fewest = ceil_div(n, widest);
  double work = (double)batch * (double)m * (double)n * (double)k;
  bool large = work > PIECES_WANTED * PIECE_WORK;
  int64_t wanted = large ? PIECES_WANTED : (int64_t)(work / PIECE_WORK) + 1;
  const int64_t run = run_of_rows(w);
  GemmBlocks best = {0};
  double least_cost = 0;
  for (int64_t try = 0; try < 256; try++) {
    int64_t columns = round_up(ceil_div(n, fewest + try / 4), WIDEST_TILE);
    int64_t column_blocks = ceil_div(n, columns);
    /* as many pieces as are wanted, or half, a quarter of that */
    int64_t pieces = max_of(1, wanted >> try % 4);
    int64_t row_blocks = max_of(ceil_div(m, ROWS_LIMIT), ceil_div(pieces, batch * column_blocks));
    int64_t rows = ceil_div(m, min_of(row_blocks, ceil_div(m, 2 * LANES)));
    if (run > 1 && run < rows + LANES) rows = round_up(rows, run);
    row_blocks = ceil_div(m, rows);
    double cost = cost_of(w, row_blocks, columns, column_blocks);
    int64_t made = batch * row_blocks * column_blocks;
    if (made < wanted) cost += (2 * made < wanted ? 0.2 : 0.04) * (double)m * (double)n / 32;
    if (best.rows && cost >= least_cost) continue;
    least_cost = cost;
    best.rows = rows;
    best.row_blocks = row_blocks;
    best.columns = columns;
    best.column_blocks = column_blocks;
  }
  finish(w, &best, DEPTH_WHOLE, DEPTH_LIMIT, LANES);
  return best;
}
