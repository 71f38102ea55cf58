/* SPDX-License-Identifier: MIT */
/* Windows of a product (GemmPlan.k_of, columns_of_row): what its kernel leaves out. The hulls of
 * the windows of each row of tiles, and of each 32 columns, are found once a piece; then
 *
 *   for each block of k from the first on that a row of tiles needs to the last one
 *     pack B, unless it is; a block that no piece needs never is
 *     for each row of tiles: multiply its steps of the block, kf .. ke - 1, with its columns,
 *       c_from .. c_to - 1; 0 where there are none
 *
 * Conditions stay in what is packed: at the borders of a window it holds zeros. Windows follow
 * from extents, counters and data alone, so every sum has one order of additions still. */
#include "compiler/cpu/gemm_write.h"

enum { GROUP = 32 }; /* columns that have a window of k together */

/* Rows of tiles, over all processors. */
static int64_t most_tiles(const GemmWriter *w) {
  return ceil_div(w->block.rows, w->tiles == GEMM_FLOATS ? 4 : STRIP_ROWS);
}

/* Of int64_t: four a row of tiles, two for columns, one a block of k. */
int64_t gemm_band_scratch(const GemmWriter *w) {
  if (!gemm_banded(w)) return 0;
  int64_t numbers =
      4 * most_tiles(w) + 2 * ceil_div(w->block.padded, GROUP) + w->block.depth_blocks;
  return round_up(2 * numbers, LANES);
}

void gemm_band_take(GemmWriter *w) {
  if (!gemm_banded(w)) return;
  gemm_take_scratch(w, "bands", gemm_band_scratch(w));
  gemm_line(w, "int64_t *const of_tiles = (int64_t *)bands;");
  if (w->plan->k_of[GEMM_B].any)
    gemm_line(w, "int64_t *const of_columns = of_tiles + %lld;", (long long)(4 * most_tiles(w)));
  if (!w->plan->packed)
    gemm_line(w, "int64_t *const ready = of_tiles + %lld; /* which blocks of k of B are packed */",
              (long long)(4 * most_tiles(w) + 2 * ceil_div(w->block.padded, GROUP)));
}

/* to[0] .. to[1] - 1: the hull of the windows of `count` places from `start` on; to[0] is not less
 * where there is none. */
static void put_hull(GemmWriter *w, const GemmWindow *x, GemmAxisKind of, const char *start,
                     const char *count, const char *to, const char *extent) {
  gemm_scope(w);
  gemm_line(w, "int64_t least = %s, most = 0;", extent);
  gemm_open(w, "for (int64_t r = 0; r < %s; r++)", count);
  char flat[64];
  snprintf(flat, sizeof flat, "%s + r", start);
  gemm_decode(w, of, flat, x->vars.of[of], true);
  StrBuf head = {0};
  sb_puts(&head, x->head);
  gemm_paste(w, &head);
  sb_free(&head);
  gemm_line(w, "const int64_t start = %s, end = %s;", x->from, x->to);
  gemm_line(w, "if (start < end && start < least) least = start;");
  gemm_line(w, "if (start < end && end > most) most = end;");
  gemm_close(w);
  gemm_line(w, "(%s)[0] = least;", to);
  gemm_line(w, "(%s)[1] = most;", to);
  gemm_close(w);
}

static void put_meet(GemmWriter *w, const char *from, const char *to, const char *first,
                     const char *end) {
  gemm_line(w, "if (%s > %s) %s = %s;", first, from, from, first);
  gemm_line(w, "if (%s < %s) %s = %s;", end, to, to, end);
}

static void put_rows(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  const bool columns = plan->columns_of_row.any, k = plan->k_of[GEMM_A].any;
  if (!columns && !k) return;
  gemm_line(w, "int64_t k_least = K, k_most = 0, c_least = N, c_most = 0;");
  gemm_open_tiles(w);
  gemm_line(w, "int64_t *const window = of_tiles + tile * 4;");
  if (k) {
    put_hull(w, &plan->k_of[GEMM_A], GEMM_M, "row0 + i", "height", "window", "K");
    gemm_line(w, "if (window[0] < k_least) k_least = window[0];");
    gemm_line(w, "if (window[1] > k_most) k_most = window[1];");
  }
  if (columns) {
    put_hull(w, &plan->columns_of_row, GEMM_M, "row0 + i", "height", "window + 2", "N");
    gemm_line(w, "if (window[2] < c_least) c_least = window[2];");
    gemm_line(w, "if (window[3] > c_most) c_most = window[3];");
  }
  gemm_close(w);
  if (k) put_meet(w, "k_from", "k_to", "k_least", "k_most");
  if (columns) gemm_line(w, "const _Bool some = c_least < column0 + columns && c_most > column0;");
  gemm_line(w, "(void)%s;", k && !columns ? "c_least, (void)c_most" : "k_least, (void)k_most");
}

static void put_columns(GemmWriter *w) {
  if (!w->plan->k_of[GEMM_B].any) return;
  gemm_scope(w);
  gemm_line(w, "int64_t k_least = K, k_most = 0;");
  gemm_open(w, "for (int64_t j = 0; j < columns; j += %d)", GROUP);
  gemm_line(w, "int64_t *const window = of_columns + j / %d * 2;", GROUP);
  gemm_line(w, "const int64_t count = columns - j < %d ? columns - j : %d;", GROUP, GROUP);
  put_hull(w, &w->plan->k_of[GEMM_B], GEMM_N, "column0 + j", "count", "window", "K");
  gemm_line(w, "if (window[0] < k_least) k_least = window[0];");
  gemm_line(w, "if (window[1] > k_most) k_most = window[1];");
  gemm_close(w);
  put_meet(w, "k_from", "k_to", "k_least", "k_most");
  gemm_close(w);
}

void gemm_band_piece(GemmWriter *w) {
  if (!gemm_banded(w)) return;
  gemm_line(w, "/* what its conditions leave */");
  gemm_line(w, "int64_t k_from = 0, k_to = K;");
  if (w->tiles == GEMM_FLOATS) gemm_line(w, "const int64_t tiles = TD_TILES_OF(rows);");
  put_rows(w);
  put_columns(w);
  gemm_line(w, "if (k_from >= k_to) k_from = k_to = 0;");
  if (!w->plan->packed)
    gemm_line(w, "for (int64_t i = 0; fresh && i < %lld; i++) ready[i] = 0;",
              (long long)w->block.depth_blocks);
}

void gemm_band_open_blocks(GemmWriter *w) {
  gemm_line(w, "const int64_t k_first = k_from / DEPTH * DEPTH;");
  gemm_line(w, "_Bool done = 0;");
  gemm_open(w, "for (int64_t k0 = k_first; !done; k0 += DEPTH)");
  gemm_line(w, "const int64_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;");
  gemm_line(w, "done = k0 + depth >= k_to;");
  if (gemm_bands_k(w))
    gemm_line(w, "const _Bool first = k0 == k_first%s;",
              w->block.grouped ? " || k0 / DEPTH % GROUP == 0" : "");
}

void gemm_band_open_packing(GemmWriter *w) {
  gemm_open(w, "if (k_from < k_to && %s!ready[k0 / DEPTH])",
            w->plan->columns_of_row.any ? "some && " : "");
  gemm_line(w, "ready[k0 / DEPTH] = 1;");
}

/* from, to: the steps of `window` in the block, from where packed steps can be reached. */
static void put_steps(GemmWriter *w, const char *from, const char *to, const char *window) {
  const int unit = w->tiles == GEMM_FLOATS ? LANES : STRIP_ROWS;
  gemm_line(w, "if (%s[0] > k0) %s = k0 + (%s[0] - k0) / %d * %d;", window, from, window, unit,
            unit);
  gemm_line(w, "if (%s[1] < %s) %s = %s[1];", window, to, to, window);
}

void gemm_band_packed(GemmWriter *w, const char *column) {
  if (!w->plan->k_of[GEMM_B].any) return;
  gemm_line(w, "const int64_t *const window = of_columns + %s / %d * 2;", column, GROUP);
  gemm_line(w, "int64_t kf = k0, ke = k0 + depth;");
  put_steps(w, "kf", "ke", "window");
  gemm_line(w, "if (kf >= ke) continue;");
}

/* Sums of these columns are 0 so far. */
static void put_zeros(GemmWriter *w, const char *from, const char *to, int64_t stride) {
  gemm_line(w, "for (int64_t r = 0; r < height; r++)");
  gemm_line(w, "  for (int64_t q = %s; q < %s; q++) target[r * %lld + q] = 0;", from, to,
            (long long)stride);
}

void gemm_band_open_row(GemmWriter *w, int64_t stride) {
  const GemmPlan *plan = w->plan;
  if (!gemm_banded(w)) return;
  if (plan->k_of[GEMM_A].any || plan->columns_of_row.any)
    gemm_line(w, "const int64_t *const window = of_tiles + tile * 4;");
  gemm_line(w, "int64_t kf = k0, ke = k0 + depth, c_from = 0, c_to = columns;");
  if (plan->k_of[GEMM_A].any) put_steps(w, "kf", "ke", "window");
  if (plan->columns_of_row.any) {
    gemm_line(w, "if (window[2] > column0) c_from = (window[2] - column0) / %d * %d;", GROUP,
              GROUP);
    gemm_line(w, "if (window[3] - column0 < columns) c_to = (window[3] - column0 + %d) / %d * %d;",
              GROUP - 1, GROUP, GROUP);
    gemm_line(w, "if (c_to > columns) c_to = columns;");
  }
  if (gemm_bands_k(w)) {
    gemm_open(w, "if (kf >= ke && first)");
    put_zeros(w, "0", "columns", stride);
    gemm_close(w);
  }
  gemm_open(w, "if (kf < ke && c_from < c_to)");
}

void gemm_band_open_columns(GemmWriter *w, int64_t stride) {
  if (!w->plan->k_of[GEMM_B].any) return;
  gemm_open(w, "for (int64_t g = c_from; g < c_to; g += %d)", GROUP);
  gemm_line(w, "const int64_t *const of_group = of_columns + g / %d * 2;", GROUP);
  gemm_line(w, "const int64_t g_to = c_to - g < %d ? c_to : g + %d;", GROUP, GROUP);
  gemm_line(w, "int64_t gf = kf, ge = ke;");
  gemm_line(w, "if (of_group[0] > gf) gf = gf + (of_group[0] - gf) / %d * %d;",
            w->tiles == GEMM_FLOATS ? LANES : STRIP_ROWS,
            w->tiles == GEMM_FLOATS ? LANES : STRIP_ROWS);
  gemm_line(w, "if (of_group[1] < ge) ge = of_group[1];");
  gemm_open(w, "if (gf >= ge)");
  gemm_open(w, "if (first)");
  put_zeros(w, "g", "g_to", stride);
  gemm_close(w);
  gemm_line(w, "continue;");
  gemm_close(w);
}

void gemm_band_close_row(GemmWriter *w) {
  if (!gemm_banded(w)) return;
  if (w->plan->k_of[GEMM_B].any) gemm_close(w);
  gemm_close(w);
}

GemmSteps gemm_band_steps(const GemmWriter *w) {
  const bool groups = w->plan->k_of[GEMM_B].any, rows = w->plan->k_of[GEMM_A].any;
  GemmSteps s = {.from = "k0",
                 .depth = "depth",
                 .a_from = "k0",
                 .a_depth = "depth",
                 .column = "0",
                 .columns = "columns"};
  if (rows) s.from = s.a_from = "kf", s.depth = s.a_depth = "(ke - kf)";
  if (groups) s.from = "gf", s.depth = "(ge - gf)";
  if (groups)
    s.column = "g", s.columns = "(g_to - g)";
  else if (w->plan->columns_of_row.any)
    s.column = "c_from", s.columns = "(c_to - c_from)";
  return s;
}
