/* SPDX-License-Identifier: MIT */
/* Windows of a product (GemmPlan.k_of, columns_of_row): what its kernel leaves out. The hulls of
 * the windows of each row of tiles, and of each 32 columns, are found once a piece; then
 *
 *   for each block of k from the first on that a row of tiles needs to the last one
 *     pack B, unless it is; a block that no piece needs never is
 *     for each row of tiles: multiply its steps of the block, kf .. ke - 1, with its columns,
 *       c_from .. c_to - 1; 0 where there are none
 *
 * Where there are several windows, of any kind, each has such a hull; those that meet are one. Sums
 * are 0 at first, and each window's are added, one after the other; a block of k that is in none of
 * them is passed over.
 *
 * Conditions stay in what is packed: at the borders of a window it holds zeros. Windows follow
 * from extents, counters and data alone, so every sum has one order of additions still. */
#include "compiler/cpu/gemm_write.h"

enum { GROUP = 32 }; /* columns that have a window of k together */

/* Rows of tiles, over all processors. */
static int64_t most_tiles(const GemmWriter *w) {
  return ceil_div(w->block.rows, w->tiles == GEMM_FLOATS ? 4 : STRIP_ROWS);
}

/* Numbers of a list of windows: its ends, and of several how many there are. */
static int numbers(const GemmWindow *x) { return gemm_is_list(x) ? 2 * x->n + 1 : 2; }

/* Of a row of tiles, its steps of k, then its columns; of 32 columns. */
static int of_tile(const GemmWriter *w) {
  return numbers(&w->plan->k_of[GEMM_A]) + numbers(&w->plan->columns_of_row);
}
static int of_columns_at(const GemmWriter *w) { return numbers(&w->plan->k_of[GEMM_A]); }
static int of_group(const GemmWriter *w) { return numbers(&w->plan->k_of[GEMM_B]); }

static int64_t all_numbers(const GemmWriter *w) {
  return of_tile(w) * most_tiles(w) + of_group(w) * ceil_div(w->block.padded, GROUP);
}

/* Of int64_t: windows of each row of tiles, of columns, and one a block of k. */
int64_t gemm_band_scratch(const GemmWriter *w) {
  if (!gemm_banded(w)) return 0;
  return round_up(2 * (all_numbers(w) + w->block.depth_blocks), LANES);
}

void gemm_band_take(GemmWriter *w) {
  if (!gemm_banded(w)) return;
  gemm_take_scratch(w, "bands", gemm_band_scratch(w));
  gemm_line(w, "int64_t *const of_tiles = (int64_t *)bands;");
  if (w->plan->k_of[GEMM_B].any)
    gemm_line(w, "int64_t *const of_columns = of_tiles + %lld;",
              (long long)(of_tile(w) * most_tiles(w)));
  if (!w->plan->packed)
    gemm_line(w, "int64_t *const ready = of_tiles + %lld; /* which blocks of k of B are packed */",
              (long long)all_numbers(w));
}

/* Steps of k from which tiles can begin; windows of columns are of whole groups. */
static int unit_of_k(const GemmWriter *w) { return w->tiles == GEMM_FLOATS ? LANES : STRIP_ROWS; }

/* to[0] .. to[1] - 1: the hull of the windows of `count` places from `start` on; to[0] is not less
 * where there is none. Of several windows these and so on, and how many, which begin where tiles
 * can, and end there if they are of columns. */
static void put_hull(GemmWriter *w, const GemmWindow *x, GemmAxisKind of, const char *start,
                     const char *count, const char *to, const char *extent) {
  gemm_scope(w);
  if (gemm_is_list(x)) {
    for (int i = 0; i < x->n; i++)
      gemm_line(w, "(%s)[%d] = %s, (%s)[%d] = 0;", to, 2 * i, extent, to, 2 * i + 1);
  } else {
    gemm_line(w, "int64_t least = %s, most = 0;", extent);
  }
  gemm_open(w, "for (int64_t r = 0; r < %s; r++)", count);
  char flat[64];
  snprintf(flat, sizeof flat, "%s + r", start);
  gemm_decode(w, of, flat, x->vars.of[of], true);
  StrBuf head = {0};
  sb_puts(&head, x->head);
  gemm_paste(w, &head);
  sb_free(&head);
  for (int i = 0; i < x->n && gemm_is_list(x); i++) {
    gemm_scope(w);
    gemm_line(w, "const int64_t start = %s, end = %s;", x->from[i], x->to[i]);
    gemm_line(w, "int64_t *const window = %s + %d;", to, 2 * i);
    gemm_line(w, "if (start < end && start < window[0]) window[0] = start;");
    gemm_line(w, "if (start < end && end > window[1]) window[1] = end;");
    gemm_close(w);
  }
  if (!gemm_is_list(x)) {
    gemm_line(w, "const int64_t start = %s, end = %s;", x->from[0], x->to[0]);
    gemm_line(w, "if (start < end && start < least) least = start;");
    gemm_line(w, "if (start < end && end > most) most = end;");
  }
  gemm_close(w);
  if (gemm_is_list(x)) {
    const bool columns = x == &w->plan->columns_of_row;
    const int unit = columns ? GROUP : unit_of_k(w);
    gemm_open(w, "for (int64_t *window = %s; window < %s + %d; window += 2)", to, to, 2 * x->n);
    gemm_line(w, "window[0] = window[0] / %d * %d;", unit, unit);
    if (columns) gemm_line(w, "window[1] = (window[1] + %d) / %d * %d;", unit - 1, unit, unit);
    gemm_close(w);
    gemm_line(w, "(%s)[%d] = td_windows(%s, %d);", to, 2 * x->n, to, x->n);
  } else {
    gemm_line(w, "(%s)[0] = least;", to);
    gemm_line(w, "(%s)[1] = most;", to);
  }
  gemm_close(w);
}

/* least, most: the hull of what they are and of a list of windows. */
static void put_more(GemmWriter *w, const GemmWindow *x, const char *window, const char *least,
                     const char *most) {
  if (!gemm_is_list(x)) {
    gemm_line(w, "if ((%s)[0] < %s) %s = (%s)[0];", window, least, least, window);
    gemm_line(w, "if ((%s)[1] > %s) %s = (%s)[1];", window, most, most, window);
    return;
  }
  gemm_scope(w);
  gemm_line(w, "const int64_t end = (%s)[2 * (%s)[%d] - 1];", window, window, 2 * x->n);
  gemm_line(w, "if (end > 0 && (%s)[0] < %s) %s = (%s)[0];", window, least, least, window);
  gemm_line(w, "if (end > %s) %s = end;", most, most);
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
  gemm_line(w, "int64_t *const of_tile = of_tiles + tile * %d;", of_tile(w));
  if (k) {
    put_hull(w, &plan->k_of[GEMM_A], GEMM_M, "row0 + i", "height", "of_tile", "K");
    put_more(w, &plan->k_of[GEMM_A], "of_tile", "k_least", "k_most");
  }
  if (columns) {
    char at[32];
    snprintf(at, sizeof at, "of_tile + %d", of_columns_at(w));
    put_hull(w, &plan->columns_of_row, GEMM_M, "row0 + i", "height", at, "N");
    put_more(w, &plan->columns_of_row, at, "c_least", "c_most");
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
  gemm_line(w, "int64_t *const of_group = of_columns + j / %d * %d;", GROUP, of_group(w));
  gemm_line(w, "const int64_t count = columns - j < %d ? columns - j : %d;", GROUP, GROUP);
  put_hull(w, &w->plan->k_of[GEMM_B], GEMM_N, "column0 + j", "count", "of_group", "K");
  put_more(w, &w->plan->k_of[GEMM_B], "of_group", "k_least", "k_most");
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

/* C: is there a window of the list at `window` in the block? */
static void put_touched(GemmWriter *w, const GemmWindow *x, const char *window, const char *into) {
  if (!gemm_is_list(x)) {
    gemm_line(w, "%s |= %s[0] < k0 + depth && %s[1] > k0;", into, window, window);
    return;
  }
  gemm_line(w, "for (int q = 0; q < %s[%d]; q++)", window, 2 * x->n);
  gemm_line(w, "  %s |= %s[2 * q] < k0 + depth && %s[2 * q + 1] > k0;", into, window, window);
}

/* Of several windows, a block between them is needed by nothing. */
static void put_needed(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  gemm_line(w, "_Bool by_rows = %d, by_columns = %d;", !plan->k_of[GEMM_A].any,
            !plan->k_of[GEMM_B].any);
  if (plan->k_of[GEMM_A].any) {
    gemm_open_tiles(w);
    gemm_line(w, "const int64_t *const of_tile = of_tiles + tile * %d;", of_tile(w));
    put_touched(w, &plan->k_of[GEMM_A], "of_tile", "by_rows");
    gemm_close(w);
  }
  if (plan->k_of[GEMM_B].any) {
    gemm_open(w, "for (int64_t g = 0; g < columns; g += %d)", GROUP);
    gemm_line(w, "const int64_t *const of_group = of_columns + g / %d * %d;", GROUP, of_group(w));
    put_touched(w, &plan->k_of[GEMM_B], "of_group", "by_columns");
    gemm_close(w);
  }
  gemm_line(w, "const _Bool needed = by_rows && by_columns;");
  if (!w->block.grouped) gemm_line(w, "if (!needed && !first && !done) continue;");
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
  if (gemm_lists_k(w)) put_needed(w);
}

void gemm_band_open_packing(GemmWriter *w) {
  gemm_open(w, "if (k_from < k_to && %s%s!ready[k0 / DEPTH])", gemm_lists_k(w) ? "needed && " : "",
            w->plan->columns_of_row.any ? "some && " : "");
  gemm_line(w, "ready[k0 / DEPTH] = 1;");
}

/* from, to: the steps of `window` in the block, from where packed steps can be reached. */
static void put_steps(GemmWriter *w, const char *from, const char *to, const char *window) {
  const int unit = unit_of_k(w);
  gemm_line(w, "if (%s[0] > k0) %s = k0 + (%s[0] - k0) / %d * %d;", window, from, window, unit,
            unit);
  gemm_line(w, "if (%s[1] < %s) %s = %s[1];", window, to, to, window);
}

/* Around what is done with one window, `window`, of the list at `list`. */
static void open_list(GemmWriter *w, const GemmWindow *x, const char *list, const char *index,
                      const char *window) {
  if (gemm_is_list(x)) {
    gemm_open(w, "for (int %s = 0; %s < (%s)[%d]; %s++)", index, index, list, 2 * x->n, index);
    gemm_line(w, "const int64_t *const %s = %s + 2 * %s;", window, list, index);
  } else if (x->any) {
    gemm_line(w, "const int64_t *const %s = %s;", window, list);
  }
}

static void close_list(GemmWriter *w, const GemmWindow *x) {
  if (gemm_is_list(x)) gemm_close(w);
}

void gemm_band_open_packed(GemmWriter *w, const char *column) {
  const GemmWindow *x = &w->plan->k_of[GEMM_B];
  if (!x->any) return;
  gemm_line(w, "const int64_t *const of_group = of_columns + %s / %d * %d;", column, GROUP,
            of_group(w));
  open_list(w, x, "of_group", "q", "window");
  gemm_line(w, "int64_t kf = k0, ke = k0 + depth;");
  put_steps(w, "kf", "ke", "window");
  gemm_line(w, "if (kf >= ke) continue;");
}

void gemm_band_close_packed(GemmWriter *w) { close_list(w, &w->plan->k_of[GEMM_B]); }

/* Sums of these columns are 0 so far. */
static void put_zeros(GemmWriter *w, const char *from, const char *to, int64_t stride) {
  gemm_line(w, "for (int64_t r = 0; r < height; r++)");
  gemm_line(w, "  for (int64_t q = %s; q < %s; q++) target[r * %lld + q] = 0;", from, to,
            (long long)stride);
}

void gemm_band_open_row(GemmWriter *w, int64_t stride) {
  const GemmPlan *plan = w->plan;
  const GemmWindow *k = &plan->k_of[GEMM_A], *columns = &plan->columns_of_row;
  if (!gemm_banded(w)) return;
  if (k->any || columns->any)
    gemm_line(w, "const int64_t *const of_tile = of_tiles + tile * %d;", of_tile(w));
  if (gemm_lists(w)) {
    gemm_open(w, gemm_lists_k(w) ? "if (first)" : "if (!(%s))", gemm_adds(w));
    put_zeros(w, "0", "columns", stride);
    gemm_close(w);
  }
  char at[32];
  snprintf(at, sizeof at, "(of_tile + %d)", of_columns_at(w));
  open_list(w, k, "of_tile", "of_k", "steps");
  open_list(w, columns, at, "of_n", "across");
  gemm_line(w, "int64_t kf = k0, ke = k0 + depth, c_from = 0, c_to = columns;");
  if (k->any) put_steps(w, "kf", "ke", "steps");
  if (columns->any) {
    gemm_line(w, "if (across[0] > column0) c_from = (across[0] - column0) / %d * %d;", GROUP,
              GROUP);
    gemm_line(w, "if (across[1] - column0 < columns) c_to = (across[1] - column0 + %d) / %d * %d;",
              GROUP - 1, GROUP, GROUP);
    gemm_line(w, "if (c_to > columns) c_to = columns;");
  }
  if (gemm_bands_k(w) && !gemm_lists_k(w)) {
    gemm_open(w, "if (kf >= ke && first)");
    put_zeros(w, "0", "columns", stride);
    gemm_close(w);
  }
  gemm_open(w, "if (kf < ke && c_from < c_to)");
}

void gemm_band_open_columns(GemmWriter *w, int64_t stride) {
  const GemmWindow *x = &w->plan->k_of[GEMM_B];
  if (!x->any) return;
  gemm_open(w, "for (int64_t g = c_from; g < c_to; g += %d)", GROUP);
  gemm_line(w, "const int64_t *const of_group = of_columns + g / %d * %d;", GROUP, of_group(w));
  gemm_line(w, "const int64_t g_to = c_to - g < %d ? c_to : g + %d;", GROUP, GROUP);
  open_list(w, x, "of_group", "of_g", "group_steps");
  gemm_line(w, "int64_t gf = kf, ge = ke;");
  gemm_line(w, "if (group_steps[0] > gf) gf = gf + (group_steps[0] - gf) / %d * %d;", unit_of_k(w),
            unit_of_k(w));
  gemm_line(w, "if (group_steps[1] < ge) ge = group_steps[1];");
  gemm_open(w, "if (gf >= ge)");
  if (!gemm_lists_k(w)) {
    gemm_open(w, "if (first)");
    put_zeros(w, "g", "g_to", stride);
    gemm_close(w);
  }
  gemm_line(w, "continue;");
  gemm_close(w);
}

void gemm_band_close_row(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  if (!gemm_banded(w)) return;
  if (plan->k_of[GEMM_B].any) {
    close_list(w, &plan->k_of[GEMM_B]);
    gemm_close(w);
  }
  gemm_close(w);
  close_list(w, &plan->columns_of_row);
  close_list(w, &plan->k_of[GEMM_A]);
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
