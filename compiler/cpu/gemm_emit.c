/* SPDX-License-Identifier: MIT */
/* Contraction kernels: the whole C function of one (batched) matrix product
 *
 *     sum[b, i, j] = sum over p of A[b, i, p] * B[b, j, p]
 *
 * with what rides along: operands that are expressions are evaluated while they
 * are packed, what consumes the sums runs on each row of tiles while it is in
 * the nearest cache. The arithmetic is in the prelude (td_tile_row_of,
 * td_pack_a_*, td_pack_b_*); the function emitted here is the order of calls:
 *
 *   for each piece: a block of rows x a block of columns of one batch
 *     for each block of k
 *       pack B, unless the piece before did (pieces share blocks of columns)
 *       pack A, unless it can be read where it lies, or at moved places (gemm_places.c)
 *       for each row of tiles: multiply, while what is packed next is fetched;
 *         after the last block of k: the epilogue
 *
 * Blocks depend on the extents alone, so every sum has one order of additions. */
#include "compiler/cpu/gemm_write.h"

enum { NEAR_STRIDE = 512 }; /* floats between steps of k that a prefetcher follows */

/* Runs of A begin and end with vectors of a panel. */
static bool in_panels(const GemmWriter *w) {
  const GemmAxis *k = &w->plan->axis[GEMM_K];
  return w->runs[GEMM_A] && !w->plan->operand[GEMM_A].half && gemm_along_k(w, GEMM_A) &&
         k->extent[k->nvars - 1] % LANES == 0;
}

/* A is evaluated as tiles read it, steps of k a little apart. */
static bool from_stage(const GemmWriter *w) { return !w->flat[GEMM_A] && !gemm_along_k(w, GEMM_A); }

/* A panel of A, in a row of tiles. */
static void put_panel_a(GemmWriter *w) {
  const GemmSteps s = gemm_band_steps(w);
  gemm_line(w, "float *const panel = packed_a + td_panel_a(tile, depth);");
  if (in_panels(w)) {
    gemm_stage_runs(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth,
                    "td_pack_a_run(panel, height, r, from, source, run);");
    return;
  }
  gemm_stage(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth, "DEPTH");
  gemm_line(w, "td_pack_a_turned(panel, stage, DEPTH, height, %s);", s.a_depth);
}

/* Is each packed where it is multiplied, as far as its rows need it? */
static bool packs_by_tile(const GemmWriter *w) {
  return w->plan->k_of[GEMM_A].any && !w->flat[GEMM_A] && gemm_along_k(w, GEMM_A);
}

static void put_pack_a(GemmWriter *w) {
  long long across = w->outer_stride[GEMM_A], along = w->k_stride[GEMM_A];
  gemm_line(w, "/* pack A, a panel for each row of tiles */");
  if (w->flat[GEMM_A]) {
    gemm_scope(w);
    gemm_address(w, GEMM_A, "from", "row0", "k0");
    if (along == 1)
      gemm_line(w, "td_pack_a_turned(packed_a, from, %lld, rows, depth);", across);
    else
      gemm_line(w, "td_pack_a_rows(packed_a, from, %lld, %lld, rows, depth, M - row0);", across,
                along);
    gemm_close(w);
  } else if (gemm_along_k(w, GEMM_A)) {
    gemm_open_tiles(w);
    put_panel_a(w);
    gemm_close(w);
  } else if (w->plan->k_of[GEMM_A].any) {
    gemm_line(w, "const int64_t last = k_to < k0 + depth ? k_to : k0 + depth;");
    gemm_line(w, "const int64_t stage_from = k_from > k0 ? k0 + (k_from - k0) / %d * %d : k0;",
              LANES, LANES);
    gemm_stage(w, GEMM_A, "row0", "rows", "stage_from", "(last - stage_from)", "(ROWS + TD_LANES)");
  } else {
    gemm_stage(w, GEMM_A, "row0", "rows", "k0", "depth", "(ROWS + TD_LANES)");
  }
}

/* While this block is multiplied, what is packed next is on its way: the next
 * block of k, or the first one of the next piece. */
static void put_next(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  gemm_line(w, "TdFetch fetch[FETCHES] = { 0 };");
  const bool copied = gemm_copies_evenly(w);
  if ((!w->flat[GEMM_A] && !copied && !w->flat[GEMM_B]) || gemm_bands_k(w)) return;
  bool many = w->block.depth_blocks > 1;
  const char *per_batch = "(ROW_BLOCKS * COLUMN_BLOCKS)";
  if (many) {
    gemm_line(w, "const int64_t next_k = k0 + DEPTH < K ? k0 + DEPTH : 0;");
    gemm_line(w, "const int64_t next = next_k ? piece : piece + 1;");
    gemm_line(w, "const int64_t next_depth = K - next_k < DEPTH ? K - next_k : DEPTH;");
  } else {
    gemm_line(w, "const int64_t next_k = 0, next = piece + 1, next_depth = K;");
  }
  gemm_open(w, "if (next < end)");
  const GemmAxis *batch = &plan->axis[GEMM_BATCH];
  uint32_t vars = 0;
  char flat[64];
  for (int side = 0; side < 2; side++)
    if (w->flat[side] || (side == GEMM_A && copied))
      vars |= gemm_moving(batch, plan->operand[side].stride_batch);
  snprintf(flat, sizeof flat, "next / %s", per_batch);
  gemm_decode(w, GEMM_BATCH, flat, vars, true);
  if (copied) {
    gemm_scope(w);
    gemm_line(w, "const int64_t next_row = next %% ROW_BLOCKS * ROWS;");
    gemm_fetch_places(w);
    gemm_close(w);
  } else if (w->flat[GEMM_A]) {
    gemm_scope(w);
    gemm_line(w, "const int64_t next_row = next %% ROW_BLOCKS * ROWS;");
    gemm_address(w, GEMM_A, "from", "next_row", "next_k");
    gemm_line(w, "const int64_t rest = M - next_row;");
    gemm_line(w,
              "td_fetch_begin(&fetch[FETCHES - 2], from, %lld, %lld, rest < ROWS ? rest : ROWS, "
              "next_depth);",
              (long long)w->outer_stride[GEMM_A], (long long)w->k_stride[GEMM_A]);
    gemm_close(w);
  }
  if (w->flat[GEMM_B] && !plan->packed) {
    gemm_line(w, "if (next == piece ? fresh : next / ROW_BLOCKS%s != block) {",
              gemm_shares_b(w) ? " % COLUMN_BLOCKS" : "");
    w->indent++;
    gemm_line(w, "const int64_t next_column = next / ROW_BLOCKS %% COLUMN_BLOCKS * COLUMNS;");
    gemm_line(w, "const int64_t rest = N - next_column;");
    gemm_address(w, GEMM_B, "from", "next_column", "next_k");
    gemm_line(
        w, "td_fetch_begin(&fetch[FETCHES - 1], from, %lld, %lld, rest < COLUMNS ? rest : COLUMNS,",
        (long long)w->outer_stride[GEMM_B], (long long)w->k_stride[GEMM_B]);
    gemm_line(w, "               next_depth);");
    gemm_close(w);
  }
  gemm_line(w, "td_fetch_share(fetch + FETCHES - 2, 2, tiles * turns);");
  gemm_close(w);
}

/* While a row of tiles is multiplied, what its epilogue reads and writes is on
 * its way: each of these for an equal part of the tiles, what comes next for
 * the rest. */
static void put_ahead(GemmWriter *w) {
  bool many = w->block.depth_blocks > 1;
  if (w->naheads == 0) return;
  if (many) gemm_open(w, "if (k0 + depth >= K)");
  for (int i = 0; i < w->naheads; i++) {
    const GemmAhead *a = w->ahead[i].what;
    StrBuf at = {0};
    gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride[GEMM_BATCH]);
    gemm_line(
        w,
        "td_fetch_begin(&fetch[%d], %s%s + (row0 + i) * %lld + column0, %lld, 1, height, columns);",
        i, a->base, at.s ? at.s : "", (long long)w->ahead[i].by_row, (long long)w->ahead[i].by_row);
    gemm_line(w, "td_fetch_share(&fetch[%d], 1, turns);", i);
    sb_free(&at);
  }
  if (many) gemm_close(w);
}

/* The steps and columns that are multiplied. */
static void put_banded_b(GemmWriter *w) {
  const GemmSteps s = gemm_band_steps(w);
  gemm_line(w, ".depth = %s, .k0 = %s - k0, .panel = PANEL,", s.depth, s.from);
  gemm_line(w, ".b = packed_b + k0 / DEPTH * BLOCK + %s / TD_TILE_COLUMNS * PANEL,", s.column);
  gemm_line(w, ".vectors = (%s + TD_LANES - 1) / TD_LANES,", s.columns);
}

/* Where A lies; with bands, its step `from`. */
static void put_a(GemmWriter *w, bool turned) {
  const GemmSteps s = gemm_band_steps(w);
  const bool bands = gemm_bands_k(w);
  char skip[96] = "";
  if (w->moved) {
    gemm_put_copied(w);
  } else if (w->in_place) {
    if (bands)
      snprintf(skip, sizeof skip, " + (%s - k0) * %lld", s.from, (long long)w->k_stride[GEMM_A]);
    gemm_line(w, ".a = rows_a + i%s, .a_step = %lld,", skip, (long long)w->k_stride[GEMM_A]);
  } else if (from_stage(w)) {
    if (bands)
      snprintf(skip, sizeof skip, " + (%s - %s) * (ROWS + TD_LANES)", s.from,
               w->plan->k_of[GEMM_A].any ? "stage_from" : "k0");
    gemm_line(w, ".a = stage + i%s, .a_step = ROWS + TD_LANES,", skip);
  } else {
    if (bands)
      snprintf(skip, sizeof skip, " + (%s - %s) * %s", s.from, packs_by_tile(w) ? s.a_from : "k0",
               turned ? "height" : "TD_LANES");
    gemm_line(w, ".a = packed_a + td_panel_a(tile, depth)%s, .a_step = TD_LANES,", skip);
  }
}

static void put_multiply(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  const GemmBlocks *b = &w->block;
  bool many = b->depth_blocks > 1;
  gemm_line(w, "/* multiply: one row of tiles after the other */");
  if (w->flat[GEMM_A] || gemm_copies_evenly(w) || w->flat[GEMM_B] || w->naheads > 0)
    gemm_line(w, "const int64_t turns = td_fetch_turns(vectors, depth, FETCHES - 1);");
  put_next(w);
  gemm_open_tiles(w);
  put_ahead(w);
  int64_t stride = b->stride;
  if (w->direct) {
    int64_t by_row = 0;
    gemm_flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row);
    StrBuf at = {0};
    gemm_strides(&at, &plan->axis[GEMM_BATCH], plan->stride_output[GEMM_BATCH]);
    gemm_line(w, "float *target = %s%s + (row0 + i) * %lld + column0;", plan->output,
              at.s ? at.s : "", (long long)by_row);
    sb_free(&at);
    stride = by_row;
  } else {
    gemm_line(w, many ? "float *target = sums + i * %lld;" : "float *target = sums;",
              (long long)stride);
  }
  bool turned = w->flat[GEMM_A] ? w->k_stride[GEMM_A] == 1 : gemm_along_k(w, GEMM_A);
  gemm_band_open_row(w, stride);
  if (w->moved && !w->turned) gemm_put_place(w, "place", "row0 + i", " - place0");
  if (packs_by_tile(w)) put_panel_a(w);
  gemm_band_open_columns(w, stride);
  gemm_line(w, "const TdTiles t = {");
  w->indent++;
  if (gemm_banded(w))
    put_banded_b(w);
  else
    gemm_line(
        w,
        ".depth = depth, .b = packed_b + k0 / DEPTH * BLOCK, .panel = PANEL, .vectors = vectors,");
  put_a(w, turned);
  gemm_line(w, ".c = target%s%s, .c_stride = %lld, .add = %s, .fetch = fetch,",
            gemm_banded(w) ? " + " : "", gemm_banded(w) ? gemm_band_steps(w).column : "",
            (long long)stride, gemm_adds(w));
  gemm_line(w, ".fetches = FETCHES");
  w->indent--;
  gemm_line(w, "};");
  gemm_line(w, "td_tile_row_of(%s, ODD, %d, %d, height, &t);",
            w->moved ? "RUN, RUN" : "ROWS, LAST_ROWS", turned, w->direct);
  gemm_band_close_row(w);
  if (!w->direct) gemm_put_totals(w);
  gemm_put_again(w, stride);
  if (!w->direct) gemm_epilogue(w);
  gemm_close(w);
}

/* ---- the function ------------------------------------------------------------------------ */
static GemmScratch wide_scratch(const GemmWriter *w) {
  const GemmBlocks *b = &w->block;
  /* the widest of the targets: 14 rows a tile in 16 lanes, 6 in 8, 4 in 4 */
  int64_t rows = max_of(ceil_div(b->rows, TALLEST_TILE) * LANES, ceil_div(b->rows, 6) * 8);
  rows = max_of(rows, ceil_div(b->rows, 4) * 4);
  int64_t stage = 0;
  for (int side = 0; side < 2; side++) {
    int64_t tile = side == GEMM_A ? TALLEST_TILE : WIDEST_TILE, floats = tile * b->depth;
    if (!gemm_along_k(w, side))
      floats = side == GEMM_A ? b->depth * (b->rows + LANES) + LANES : SLAB * b->padded;
    const bool staged =
        !w->flat[side] && !(side == GEMM_A ? in_panels(w) || w->moved : w->plan->packed != NULL);
    if (staged) stage = max_of(stage, floats);
  }
  int64_t sums = (b->depth_blocks > 1 ? b->rows : TALLEST_TILE) * b->stride;
  return (GemmScratch){.packed_b = w->plan->packed ? 0 : gemm_packed_block(w),
                       .packed_a = w->moved                       ? gemm_copy_room(w)
                                   : w->in_place || from_stage(w) ? 0
                                                                  : rows * b->depth,
                       .sums = w->direct ? 0 : sums,
                       .totals = b->grouped ? sums : 0,
                       .stage = stage,
                       .bands = gemm_band_scratch(w)};
}

static void put_scratch(GemmWriter *w) {
  GemmScratch s = wide_scratch(w);
  gemm_take_scratch(w, "packed_b", s.packed_b);
  gemm_take_scratch(w, "packed_a", s.packed_a);
  gemm_take_scratch(w, "sums", s.sums);
  gemm_take_scratch(w, "totals", s.totals);
  gemm_take_scratch(w, "stage", s.stage);
}

static void put_constants(GemmWriter *w) {
  if (w->moved) gemm_put_copy(w);
  /* columns of a block are a multiple of a tile's, those of the last block may not be */
  /* a window of columns may end before the last of them */
  gemm_line(w, "enum { LAST_ROWS = %lld, ODD = TD_ODD(N %% COLUMNS)%s, FETCHES = %d };",
            (long long)w->block.last_rows, gemm_banded(w) ? " > 0" : "", w->naheads + 2);
}

static void put_block(GemmWriter *w) {
  gemm_line(w, "const int64_t tiles = %s, vectors = (columns + TD_LANES - 1) / TD_LANES;",
            w->moved ? "rows / RUN * TD_TILES_OF(RUN)" : "TD_TILES_OF(rows)");
  if (w->moved)
    gemm_copy_places(w);
  else if (w->in_place)
    gemm_address(w, GEMM_A, "rows_a", "row0", "k0");
  else if (!packs_by_tile(w))
    put_pack_a(w);
  put_multiply(w);
}

static void wide_choose(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  int64_t by_row, by_column;
  w->direct = plan->plain_output && !gemm_is_deep(w) && w->extent[GEMM_N] % LANES == 0 &&
              gemm_flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row) &&
              gemm_flat_stride(&plan->axis[GEMM_N], plan->stride_output[GEMM_N], &by_column) &&
              by_column == 1;
  w->in_place =
      w->flat[GEMM_A] && w->outer_stride[GEMM_A] == 1 && w->k_stride[GEMM_A] <= NEAR_STRIDE;
  w->moved = plan->operand[GEMM_A].moves.n > 0 && !gemm_banded(w);
  w->turned = w->moved && plan->operand[GEMM_A].turned;
}

/* Is it a plain one whose numbers lie side by side along the direction's last variable? */
static bool plain_runs(const GemmPlan *plan, GemmSide side, const GemmWriter *w) {
  const GemmOperand *operand = &plan->operand[side];
  const bool by_k = gemm_along_k(w, side);
  const GemmAxis *axis = &plan->axis[by_k ? GEMM_K : gemm_outer(side)];
  return operand->plain && axis->nvars > 0 && axis->extent[axis->nvars - 1] >= RUN_LEAST &&
         (by_k ? operand->stride_k : operand->stride_outer)[axis->nvars - 1] == 1;
}

static GemmWriter open_writer(StrBuf *out, GemmPlan *plan, GemmTiles tiles) {
  GemmWriter w = {.out = out, .plan = plan, .tiles = tiles, .taken = HELD * sizeof(float)};
  for (int k = 0; k < GEMM_AXES; k++) w.extent[k] = gemm_extent(&plan->axis[k]);
  for (int side = 0; side < 2; side++) {
    const GemmOperand *operand = &plan->operand[side];
    const GemmAxis *outer = &plan->axis[gemm_outer(side)], *k = &plan->axis[GEMM_K];
    w.flat[side] = operand->plain &&
                   gemm_flat_stride(outer, operand->stride_outer, &w.outer_stride[side]) &&
                   gemm_flat_stride(k, operand->stride_k, &w.k_stride[side]);
    w.runs[side] = !w.flat[side] && (operand->runs || plain_runs(plan, side, &w));
  }
  return w;
}

static void check_scratch(const GemmWriter *w) {
  if (w->taken > w->plan->scratch) bug("a product takes more scratch memory than its shape says");
}

static void close_writer(GemmWriter *w) {
  check_scratch(w);
  for (int side = 0; side < 2; side++) sb_free(&w->load[side]);
  sb_free(&w->epilogue);
  sb_free(&w->epilogue_row);
  sb_free(&w->epilogue_after);
  sb_free(&w->again);
  sb_free(&w->some);
}

/* The tiles of the plan, and where it is split the ones of processors that do not have these. */
static GemmTiles tiles_of(const GemmPlan *plan) {
  return plan->split ? GEMM_PARTS : plan->narrow ? GEMM_ROUNDED : GEMM_FLOATS;
}

static GemmWriter shaped_few(GemmWriter w) {
  GemmPlan *plan = w.plan;
  w.tiles = GEMM_FEW;
  w.block = gemm_few_blocks(&w);
  const GemmScratch s = gemm_few_scratch(&w);
  plan->columns = w.block.columns;
  plan->depth = w.block.depth;
  plan->pieces = w.extent[GEMM_BATCH] * w.block.column_blocks;
  plan->packed_count = 0;
  plan->scratch = (size_t)(HELD + s.sums + s.stage) * sizeof(float);
  return w;
}

/* How a body is cut; `as`: in the pieces of the other one. The plan's results become those of
 * all bodies that were. */
static GemmWriter shaped(StrBuf *out, GemmPlan *plan, GemmTiles tiles, const GemmBlocks *as) {
  GemmWriter w = open_writer(out, plan, tiles);
  if (gemm_is_few(&w)) return shaped_few(w);
  if (tiles == GEMM_FLOATS)
    wide_choose(&w);
  else
    gemm_narrow_choose(&w);
  w.block = as ? gemm_same_pieces(&w, as) : gemm_choose_blocks(&w);
  w.moved = w.moved && (tiles == GEMM_FLOATS ? gemm_places_fit(&w)
                        : w.turned           ? gemm_turned_fits(&w)
                                             : gemm_moves_fit(&w));
  w.turned = w.turned && w.moved;
  GemmScratch s = tiles == GEMM_FLOATS ? wide_scratch(&w) : gemm_narrow_scratch(&w);
  int64_t numbers = gemm_packed_blocks(&w) * gemm_packed_block(&w);
  int64_t floats = HELD + s.packed_b + s.packed_a + s.sums + s.totals + s.stage + s.bands;
  plan->columns = w.block.columns;
  plan->depth = w.block.depth;
  plan->pieces = w.extent[GEMM_BATCH] * w.block.row_blocks * w.block.column_blocks;
  plan->packed_count =
      max_of(as ? plan->packed_count : 0, tiles == GEMM_FLOATS ? numbers : (numbers + 1) / 2);
  plan->scratch = max_of(as ? (int64_t)plan->scratch : 0, floats * (int64_t)sizeof(float));
  return w;
}

void contract_shape(GemmPlan *plan) {
  GemmWriter w = shaped(NULL, plan, tiles_of(plan), NULL);
  if (plan->split) shaped(NULL, plan, GEMM_FLOATS, &w.block);
}

static void put_body(GemmWriter *w, const StrBuf *prologue) {
  if (w->tiles == GEMM_FEW)
    gemm_few(w, prologue);
  else if (w->tiles == GEMM_FLOATS)
    gemm_function(w,
                  &(GemmBody){.panels = "TD_TILE_COLUMNS columns, [k][columns]",
                              .constants = put_constants,
                              .scratch = put_scratch,
                              .multiply = put_block},
                  prologue);
  else
    gemm_narrow(w, prologue);
}

void contract_emit(StrBuf *out, GemmPlan *plan) {
  GemmWriter w = shaped(out, plan, tiles_of(plan), NULL), other;
  StrBuf prologue = {0};
  if (plan->split) other = shaped(out, plan, GEMM_FLOATS, &w.block);
  gemm_begin(&w, &prologue);
  if (plan->split) gemm_line(&w, GEMM_IF_PARTS);
  put_body(&w, &prologue);
  if (plan->split) {
    gemm_line(&w, "#else");
    gemm_take_texts(&other, &w);
    put_body(&other, &prologue);
    check_scratch(&other);
    gemm_line(&w, "#endif");
  }
  gemm_close(&w);
  sb_free(&prologue);
  close_writer(&w);
}

/* The same of packing B: columns and depth are the product's. */
static GemmWriter shaped_pack(StrBuf *out, GemmPlan *plan, GemmTiles tiles) {
  GemmWriter w = open_writer(out, plan, tiles);
  int64_t n = w.extent[GEMM_N];
  w.block = (GemmBlocks){
      .columns = plan->columns, .column_blocks = ceil_div(n, plan->columns), .depth = plan->depth};
  w.block.padded = round_up(plan->columns < n ? plan->columns : n, WIDEST_TILE);
  w.block.depth_blocks = ceil_div(w.extent[GEMM_K], plan->depth);
  plan->pieces = gemm_packed_blocks(&w);
  plan->scratch = (size_t)(HELD + gemm_pack_stage(&w)) * sizeof(float);
  return w;
}

void contract_pack_shape(GemmPlan *plan) { shaped_pack(NULL, plan, tiles_of(plan)); }

void contract_pack(StrBuf *out, GemmPlan *plan) {
  GemmWriter w = shaped_pack(out, plan, tiles_of(plan)),
             other = shaped_pack(out, plan, GEMM_FLOATS);
  gemm_pack_kernel(&w, plan->split ? &other : NULL);
  check_scratch(&other);
  close_writer(&w);
}
