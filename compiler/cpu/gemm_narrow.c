/* SPDX-License-Identifier: MIT */
/* Contraction kernels on tiles of bf16: the same pieces, blocks and epilogues as
 * gemm_emit.c, around the tiles of prelude_tiles.h, for which factors are rounded, or
 * those of prelude_split.h, for which they are cut into parts.
 *
 *   for each piece: a block of rows x a block of columns of one batch
 *     for each block of k
 *       pack B, unless the piece before did
 *       for each strip of 32 rows:
 *         pack A, unless it is read at moved places (gemm_moves.c, gemm_turned.c), or stored in
 *           bf16 and lies as tiles read it
 *         multiply; after the last block of k: the epilogue
 *
 * A strip is packed where it is used, so that it is still in the first cache. But
 * where rows of A lie side by side for each k (a gradient of weights), a strip
 * would be 64 bytes here and 64 there: then all strips are packed before the
 * first, along memory. */
#include "compiler/cpu/gemm_write.h"

enum {
  ROWS = 16,
  STRIP = 2 * ROWS,
  DEPTH = 32,          /* of the tiles: TD_NARROW_* */
  CROWDED_ROWS = 1024, /* from row to row of A, or a multiple: a strip of it is in two sets of the
                          first cache, which push one another out, */
  FEW_COLUMNS = 128    /* and packed, unless it is read so few times */
};

/* The functions' names begin so; */
static const char *family(const GemmWriter *w) {
  return w->tiles == GEMM_PARTS ? "td_split" : "td_narrow";
}

/* and those that pack are told of how many parts a number is, or whether it is one in bf16. */
static int form(const GemmWriter *w, bool half) {
  return w->tiles == GEMM_PARTS ? gemm_parts(w) : half;
}

/* Numbers of a strip of `depth`. */
static void put_strip_size(GemmWriter *w, StrBuf *out) {
  sb_printf(out,
            "((depth + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH * (STRIP * TD_NARROW_DEPTH * %d)",
            gemm_parts(w));
  sb_puts(out, w->tiles == GEMM_PARTS ? " + TD_SPLIT_SPANS)" : ")");
}

/* Are all strips of A packed at once? */
static bool all_at_once(const GemmWriter *w) {
  return gemm_contiguous(w, GEMM_A) && !w->in_place && w->k_stride[GEMM_A] != 1;
}

static void put_pack_all(GemmWriter *w) {
  gemm_address(w, GEMM_A, "from", "row0", "k0");
  gemm_line(w, "%s_pack_a_turned(packed_a, from, %d, %lld, rows, depth);", family(w),
            form(w, w->plan->operand[GEMM_A].half), (long long)w->k_stride[GEMM_A]);
}

/* Runs of A are rounded where they lie into the strip that tiles read. */
static bool in_strips(const GemmWriter *w) {
  return w->tiles == GEMM_ROUNDED && w->runs[GEMM_A] && gemm_along_k(w, GEMM_A) &&
         !w->plan->k_of[GEMM_A].any;
}

/* Where these do not begin and end with tiles, rows of a strip are whole, */
static bool in_rows(const GemmWriter *w) {
  const GemmAxis *k = &w->plan->axis[GEMM_K];
  return in_strips(w) && k->extent[k->nvars - 1] % DEPTH != 0;
}

/* an odd number of lines apart: 16 of them are not in the same sets of a cache. */
static int64_t pitch_of(const GemmWriter *w) { return round_up(w->block.depth, 2 * DEPTH) + DEPTH; }

static void put_pack_runs(GemmWriter *w) {
  const GemmSteps s = gemm_band_steps(w);
  char statement[96];
  if (in_rows(w)) {
    snprintf(statement, sizeof statement,
             "td_narrow_row_run(packed_a + r * PITCH + from, %d, source, run);",
             w->plan->operand[GEMM_A].half);
    gemm_stage_runs(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth, statement);
    gemm_line(w, "td_narrow_row_none(packed_a, PITCH, %s, height);", s.a_depth);
    return;
  }
  snprintf(statement, sizeof statement,
           "td_narrow_pack_run(packed_a, %d, %s, r, from, source, run);",
           w->plan->operand[GEMM_A].half, s.a_depth);
  gemm_stage_runs(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth, statement);
  gemm_line(w, "td_narrow_pack_none(packed_a, %s, height);", s.a_depth);
}

/* The strip of `height` rows from row0 + i on. */
static void put_pack_a(GemmWriter *w) {
  const char *name = family(w);
  const GemmSteps s = gemm_band_steps(w);
  if (gemm_contiguous(w, GEMM_A)) {
    gemm_address(w, GEMM_A, "from", "(row0 + i)", "k0");
    gemm_line(w, "%s_pack_a(packed_a, from, %d, %lld, height, depth);", name,
              form(w, w->plan->operand[GEMM_A].half), (long long)w->outer_stride[GEMM_A]);
  } else if (in_strips(w)) {
    put_pack_runs(w);
  } else if (gemm_along_k(w, GEMM_A)) {
    gemm_stage(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth, "DEPTH");
    gemm_line(w, "%s_pack_a(packed_a, stage, %d, DEPTH, height, %s);", name,
              form(w, gemm_half_stage(w, GEMM_A)), s.a_depth);
  } else {
    gemm_stage(w, GEMM_A, "row0 + i", "height", s.a_from, s.a_depth, "STRIP");
    gemm_line(w, "%s_pack_a_turned(packed_a, stage, %d, STRIP, height, %s);", name,
              form(w, gemm_half_stage(w, GEMM_A)), s.a_depth);
  }
}

/* `target` and the tiles' arguments; returns the rows' stride in C. */
static int64_t put_target(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  if (!w->direct) {
    gemm_line(
        w, w->block.depth_blocks > 1 ? "float *target = sums + i * %lld;" : "float *target = sums;",
        (long long)w->block.stride);
    return w->block.stride;
  }
  int64_t by_row = 0;
  gemm_flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row);
  StrBuf at = {0};
  gemm_strides(&at, &plan->axis[GEMM_BATCH], plan->stride_output[GEMM_BATCH]);
  gemm_line(w, "float *target = %s%s + (row0 + i) * %lld + column0;", plan->output,
            at.s ? at.s : "", (long long)by_row);
  sb_free(&at);
  return by_row;
}

/* Where an operand's block lies that is packed later: `turns` of the tiles from now. */
static void put_fetch(GemmWriter *w, GemmSide side, const char *fetch, const char *outer0,
                      const char *k0, const char *outer, const char *depth, const char *turns) {
  gemm_scope(w);
  gemm_address(w, side, "from", outer0, k0);
  gemm_line(w, "td_narrow_fetch(&fetch[%s], from, sizeof *from, %lld, %lld, %s, %s, %s);", fetch,
            (long long)w->outer_stride[side], (long long)w->k_stride[side], outer, depth, turns);
  gemm_close(w);
}

/* The batch of the next piece, as far as this operand's address needs it. */
static void put_next_address(GemmWriter *w, GemmSide side) {
  const GemmAxis *batch = &w->plan->axis[GEMM_BATCH];
  gemm_decode(w, GEMM_BATCH, "next / (ROW_BLOCKS * COLUMN_BLOCKS)",
              gemm_moving(batch, w->plan->operand[side].stride_batch), true);
}

/* What follows this block: the next one of k, or the next piece. Its packed
 * operands are on their way while this one is multiplied: all of B, and of A what
 * is packed at once, or the first strip while the last one of this block is. */
static void put_next(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  gemm_line(w, "TdFetch fetch[FETCHES] = { 0 };");
  if ((!w->flat[GEMM_A] && !w->flat[GEMM_B]) || gemm_bands_k(w)) return;
  if (w->block.depth_blocks > 1) {
    gemm_line(w, "const int64_t next_k = k0 + DEPTH < K ? k0 + DEPTH : 0;");
    gemm_line(w, "const int64_t next = next_k ? piece : piece + 1;");
    gemm_line(w, "const int64_t next_depth = K - next_k < DEPTH ? K - next_k : DEPTH;");
  } else {
    gemm_line(w, "const int64_t next_k = 0, next = piece + 1, next_depth = K;");
  }
  if (all_at_once(w)) {
    gemm_open(w, "if (next < end)");
    put_next_address(w, GEMM_A);
    gemm_line(w, "const int64_t next_row = next %% ROW_BLOCKS * ROWS, after = M - next_row < ROWS "
                 "? M - next_row : ROWS;");
    put_fetch(w, GEMM_A, "0", "next_row", "next_k", "after", "next_depth",
              "(rows + STRIP - 1) / STRIP * turns");
    gemm_close(w);
  }
  if (!w->flat[GEMM_B] || plan->packed) return;
  gemm_line(w, "if (next < end && (next == piece ? fresh : next / ROW_BLOCKS%s != block)) {",
            gemm_shares_b(w) ? " % COLUMN_BLOCKS" : "");
  w->indent++;
  put_next_address(w, GEMM_B);
  gemm_line(w, "const int64_t next_column = next / ROW_BLOCKS %% COLUMN_BLOCKS * COLUMNS;");
  gemm_line(w,
            "const int64_t next_columns = N - next_column < COLUMNS ? N - next_column : COLUMNS;");
  put_fetch(w, GEMM_B, "FETCHES - 1", "next_column", "next_k", "next_columns", "next_depth",
            "(rows + STRIP - 1) / STRIP * turns");
  gemm_close(w);
}

/* While a strip is multiplied: the strip of A after it. */
static void put_next_strip(GemmWriter *w) {
  if (!w->flat[GEMM_A] || all_at_once(w) || gemm_bands_k(w)) return;
  gemm_open(w, "if (i + STRIP < rows)");
  gemm_line(w, "const int64_t after = rows - i - STRIP < STRIP ? rows - i - STRIP : STRIP;");
  put_fetch(w, GEMM_A, "0", "(row0 + i + STRIP)", "k0", "after", "depth", "turns");
  w->indent--;
  gemm_line(w, "} else if (next < end) {");
  w->indent++;
  put_next_address(w, GEMM_A);
  gemm_line(w, "const int64_t next_row = next %% ROW_BLOCKS * ROWS;");
  gemm_line(w, "const int64_t after = M - next_row < STRIP ? M - next_row : STRIP;");
  put_fetch(w, GEMM_A, "0", "next_row", "next_k", "after", "next_depth", "turns");
  gemm_close(w);
}

/* And what the strip's epilogue reads and writes. */
static void put_ahead(GemmWriter *w) {
  bool many = w->block.depth_blocks > 1;
  if (w->naheads == 0) return;
  if (many) gemm_open(w, "if (k0 + depth >= K)");
  for (int i = 0; i < w->naheads; i++) {
    const GemmAhead *a = w->ahead[i].what;
    StrBuf at = {0};
    gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride[GEMM_BATCH]);
    gemm_line(w,
              "td_narrow_fetch(&fetch[%d], %s%s + (row0 + i) * %lld + column0, %d, %lld, 1, "
              "height, columns, turns);",
              1 + i, a->base, at.s ? at.s : "", (long long)w->ahead[i].by_row, a->half ? 2 : 4,
              (long long)w->ahead[i].by_row);
    sb_free(&at);
  }
  if (many) gemm_close(w);
}

/* Where the strip's rows lie that tiles read, and how. */
static void put_rows(GemmWriter *w) {
  const GemmSteps s = gemm_band_steps(w);
  const bool skips = w->plan->k_of[GEMM_B].any; /* the first steps of A */
  StrBuf at = {0};
  if (w->turned) {
    gemm_put_turned_rows(w);
    return;
  }
  if (w->moved) {
    gemm_line(w, ".depth = depth, .a = packed_a + at, .a_row = %lld, .a_half = below,",
              (long long)gemm_place_row(w));
    gemm_line(w, ".taps = taps + k0 / TD_NARROW_DEPTH,");
    if (w->tiles == GEMM_PARTS)
      gemm_line(w,
                ".parts = %d, .a_part = %lld, .places = packed_a, .spans = spans, .place = %lld,",
                gemm_parts(w), (long long)w->plan->operand[GEMM_A].moves.channels,
                (long long)gemm_place(w));
    return;
  }
  if (w->tiles == GEMM_PARTS)
    gemm_line(w, ".depth = %s, .parts = %d,", s.depth, gemm_parts(w));
  else if (w->extent[GEMM_K] % DEPTH || gemm_bands_k(w))
    gemm_line(w, ".depth = (%s + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH * TD_NARROW_DEPTH,",
              s.depth);
  else
    gemm_line(w, ".depth = depth,");
  if (skips && w->tiles == GEMM_PARTS)
    gemm_line(w, ".skip_a = (%s - %s) / TD_SPLIT_SIDE, .steps_a = td_split_steps(%s),", s.from,
              s.a_from, s.a_depth);
  if (w->in_place) {
    long long row = w->outer_stride[GEMM_A];
    sb_puts(&at, "strip");
    if (skips) sb_printf(&at, " + (%s - k0)", s.from);
    gemm_line(w, ".a = %s, .a_row = %lld, .a_step = TD_NARROW_DEPTH, .a_half = %lld,", at.s, row,
              row * ROWS);
    sb_free(&at);
    return;
  }
  sb_puts(&at, "packed_a");
  if (skips && w->tiles != GEMM_PARTS)
    sb_printf(&at, " + (%s - %s) / TD_NARROW_DEPTH * TD_NARROW_TILE", s.from, s.a_from);
  if (all_at_once(w)) {
    sb_puts(&at, " + i / STRIP * ");
    put_strip_size(w, &at);
  }
  gemm_line(w, ".a = %s,", at.s);
  sb_free(&at);
  if (in_rows(w)) {
    gemm_line(w, ".a_row = PITCH, .a_step = TD_NARROW_DEPTH, .a_half = TD_NARROW_ROWS * PITCH,");
    return;
  }
  if (w->tiles == GEMM_PARTS) {
    gemm_line(w, ".a_row = TD_NARROW_DEPTH, .a_half = TD_NARROW_TILE, .a_part = TD_SPLIT_PART,");
    return;
  }
  gemm_line(w,
            ".a_row = TD_NARROW_DEPTH, .a_step = TD_NARROW_TILE, .a_half = (%s + TD_NARROW_DEPTH - "
            "1) / TD_NARROW_DEPTH * TD_NARROW_TILE,",
            s.a_depth);
}

/* The steps and columns that are multiplied. */
static void put_banded_b(GemmWriter *w, int64_t stride) {
  const GemmSteps s = gemm_band_steps(w);
  gemm_line(w, ".b = packed_b + k0 / DEPTH * BLOCK + %s / TD_NARROW_COLUMNS * PANEL%s%s%s,",
            s.column, w->tiles == GEMM_PARTS ? "" : " + (", w->tiles == GEMM_PARTS ? "" : s.from,
            w->tiles == GEMM_PARTS ? "" : " - k0) * TD_NARROW_COLUMNS");
  if (w->tiles == GEMM_PARTS) gemm_line(w, ".skip_b = (%s - k0) / TD_SPLIT_SIDE,", s.from);
  gemm_line(w, ".panel = PANEL, .c = target + %s, .c_stride = %lld, .columns = %s,", s.column,
            (long long)stride, s.columns);
}

static void put_multiply(GemmWriter *w) {
  bool many = w->block.depth_blocks > 1;
  gemm_line(w, "/* a strip of rows after the other */");
  if (w->flat[GEMM_A] || w->flat[GEMM_B] || w->naheads > 0)
    gemm_line(w, "const int64_t turns = td_narrow_turns(columns, depth, FETCHES);");
  if (w->turned)
    gemm_turn_places(w);
  else if (w->moved)
    gemm_pack_places(w);
  else if (all_at_once(w))
    put_pack_all(w);
  put_next(w);
  gemm_open_tiles(w);
  int64_t stride = gemm_banded(w) ? put_target(w) : 0;
  gemm_band_open_row(w, stride);
  if (w->turned)
    gemm_put_turned_strip(w);
  else if (w->moved)
    gemm_put_strip(w);
  else if (w->in_place)
    gemm_address(w, GEMM_A, "strip", "(row0 + i)", "k0");
  else if (!all_at_once(w))
    put_pack_a(w);
  put_next_strip(w);
  put_ahead(w);
  if (!gemm_banded(w)) stride = put_target(w);
  gemm_band_open_columns(w, stride);
  gemm_line(w, "const %s t = {", w->tiles == GEMM_PARTS ? "TdSplit" : "TdNarrow");
  w->indent++;
  put_rows(w);
  if (gemm_banded(w))
    put_banded_b(w, stride);
  else
    gemm_line(w,
              ".b = packed_b + k0 / DEPTH * BLOCK, .panel = PANEL, .c = target, .c_stride = %lld, "
              ".columns = columns,",
              (long long)stride);
  gemm_line(w, "%s, .add = %s, .far = %s,",
            w->tiles == GEMM_PARTS ? ".rows = height" : ".tall = height > TD_NARROW_ROWS",
            gemm_adds(w),
            !w->direct || gemm_lists_k(w) ? "0"
            : gemm_bands_k(w)             ? "first"
            : many                        ? "k0 == 0"
                                          : "1");
  gemm_line(w, ".fetch = fetch, .fetches = FETCHES");
  w->indent--;
  gemm_line(w, "};");
  gemm_line(w, "%s_row(&t);", family(w));
  gemm_band_close_row(w);
  if (!w->direct) gemm_put_totals(w);
  gemm_put_again(w, stride);
  if (!w->direct) gemm_epilogue(w);
  gemm_close(w);
}

GemmScratch gemm_narrow_scratch(const GemmWriter *w) {
  const GemmBlocks *b = &w->block;
  GemmScratch s = {0};
  int64_t waiting = b->depth_blocks > 1 ? round_up(b->rows, STRIP) : STRIP;
  int64_t packed_rows = all_at_once(w) ? round_up(b->rows, STRIP) : STRIP;
  if (!gemm_contiguous(w, GEMM_A) && !w->in_place && !w->moved && !in_strips(w))
    s.stage = STRIP * b->depth;
  if (!gemm_contiguous(w, GEMM_B) && !w->plan->packed)
    s.stage = max_of(s.stage, gemm_along_k(w, GEMM_B) ? WIDEST_TILE * b->depth : SLAB * b->padded);
  if (!w->direct) s.sums = waiting * b->stride;
  s.bands = gemm_band_scratch(w);
  if (b->grouped) s.totals = s.sums;
  if (!w->plan->packed) s.packed_b = gemm_packed_block(w) / 2;
  if (w->turned)
    s.packed_a = gemm_turned_room(w) + gemm_turned_spans(w);
  else if (w->moved)
    s.packed_a = gemm_places_room(w) + gemm_spans_room(w);
  else if (!w->in_place)
    s.packed_a = w->tiles == GEMM_PARTS ? packed_rows / STRIP * gemm_panel(w, b->depth) / 2
                 : in_rows(w)           ? STRIP * pitch_of(w) / 2
                                        : packed_rows * b->depth / 2;
  return s;
}

static void put_scratch(GemmWriter *w) {
  GemmScratch s = gemm_narrow_scratch(w);
  gemm_take_scratch(w, "sums", s.sums);
  gemm_take_scratch(w, "totals", s.totals);
  gemm_take_scratch(w, "stage", s.stage);
  gemm_take_scratch(w, "half_b", s.packed_b);
  gemm_take_scratch(w, "half_a", s.packed_a);
  if (!w->plan->packed) gemm_line(w, "uint16_t *const packed_b = (uint16_t *)half_b;");
  if (!w->in_place) gemm_line(w, "uint16_t *const packed_a = (uint16_t *)half_a;");
  if (w->moved && w->tiles == GEMM_PARTS)
    gemm_line(w, "uint16_t *const spans = packed_a + %lld;",
              2 * (long long)(w->turned ? gemm_turned_room(w) : gemm_places_room(w)));
}

static void put_constants(GemmWriter *w) {
  gemm_line(w, "enum { STRIP = %d, FETCHES = %d };", STRIP, 2 + w->naheads);
  if (w->turned)
    gemm_put_turned(w);
  else if (w->moved)
    gemm_put_moves(w);
  else if (in_rows(w))
    gemm_line(w, "enum { PITCH = %lld };", (long long)pitch_of(w));
}

/* Sums that wait in C for the next block of k, 16 rows of a tile in so few sets of
 * the first cache that they push one another out. */
static bool crowded(const GemmWriter *w, int64_t by_row) {
  return w->extent[GEMM_K] > (w->tiles == GEMM_PARTS ? DEPTH_WHOLE : NARROW_WHOLE) &&
         by_row % 256 == 0;
}

void gemm_narrow_choose(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  w->moved = plan->operand[GEMM_A].moves.n > 0;
  w->turned = w->moved && plan->operand[GEMM_A].turned;
  int64_t by_row, by_column;
  w->direct = plan->plain_output && !w->turned && !gemm_is_deep(w) &&
              w->extent[GEMM_N] % WIDEST_TILE == 0 && w->extent[GEMM_M] % ROWS == 0 &&
              gemm_flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row) &&
              gemm_flat_stride(&plan->axis[GEMM_N], plan->stride_output[GEMM_N], &by_column) &&
              by_column == 1 && !crowded(w, by_row);
  w->in_place = w->flat[GEMM_A] && plan->operand[GEMM_A].half && w->k_stride[GEMM_A] == 1 &&
                (w->extent[GEMM_N] <= FEW_COLUMNS || w->outer_stride[GEMM_A] % CROWDED_ROWS != 0) &&
                w->extent[GEMM_K] % DEPTH == 0 && w->extent[GEMM_M] % ROWS == 0;
}

void gemm_narrow(GemmWriter *w, const StrBuf *prologue) {
  const GemmBody body = {.panels = w->tiles == GEMM_PARTS
                                       ? "TD_NARROW_COLUMNS columns, in parts,"
                                       : "TD_NARROW_COLUMNS columns, [k / 2][columns][2]",
                         .constants = put_constants,
                         .scratch = put_scratch,
                         .multiply = put_multiply,
                         .open = "td_narrow_open();",
                         .close = "td_narrow_close();"};
  gemm_function(w, &body, prologue);
}
