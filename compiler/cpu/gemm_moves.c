/* SPDX-License-Identifier: MIT */
/* An operand A that is read at moved places (GemmMoves), as tiles of bf16 take it: a piece copies
 * the places that its rows are made of, rounded or cut into parts, with zeros around the numbers.
 * A tile is 16 rows of that copy, a step apart, for 32 numbers of a place; another tap is the same
 * tile elsewhere. So a number is packed once in a piece and not once for each tap.
 *
 *     place of (m, k)   sum over directions of (step m + apart k - lowest) * places inside of it
 *     tile              packed_a + place of (first row, tap) + channel, rows `step` places apart */
#include "compiler/cpu/gemm_write.h"

enum { MOVES = 8 /* TD_MOVES */ };
enum { PLACES_LIMIT = 1 << 20 }; /* numbers of a piece: half of a second cache */

static const GemmMoves *moves_of(const GemmWriter *w) { return &w->plan->operand[GEMM_A].moves; }

/* What places follow from, besides taps: rows, or steps of k; and the other one. */
static GemmAxisKind along(const GemmWriter *w) {
  return w->plan->operand[GEMM_A].turned ? GEMM_K : GEMM_M;
}
static GemmAxisKind across(const GemmWriter *w) { return along(w) == GEMM_K ? GEMM_M : GEMM_K; }

/* Places from one of a direction to the next. */
static int64_t apart(const GemmMoves *m, int d) {
  int64_t places = 1;
  for (int i = d + 1; i < m->n; i++) places *= m->at[i].count;
  return places;
}

/* Rows of the product, or steps of k, from one of a direction's variable to the next. */
static int64_t rows_apart(const GemmWriter *w, int d) {
  const GemmAxis *axis = &w->plan->axis[along(w)];
  int64_t rows = 1;
  for (int v = moves_of(w)->at[d].outer + 1; v < axis->nvars; v++) rows *= axis->extent[v];
  return rows;
}

int64_t gemm_place_of(const GemmWriter *w, int64_t row) {
  const GemmMoves *m = moves_of(w);
  int64_t place = 0;
  for (int d = 0; d < m->n; d++) {
    const int64_t extent = w->plan->axis[along(w)].extent[m->at[d].outer];
    place += row / rows_apart(w, d) % extent * m->at[d].step * apart(m, d);
  }
  return place;
}

int64_t gemm_tap_place(const GemmWriter *w, int64_t tap) {
  const GemmMoves *m = moves_of(w);
  const GemmAxis *k = &w->plan->axis[across(w)];
  int64_t place = 0, inner = 1;
  for (int d = 0; d < m->n; d++) place -= m->at[d].lowest * apart(m, d);
  for (int v = k->nvars - 2; v >= 0; v--) {
    for (int d = 0; d < m->n; d++)
      if (m->at[d].k == v) place += tap / inner % k->extent[v] * m->at[d].apart * apart(m, d);
    inner *= k->extent[v];
  }
  return place;
}

int64_t gemm_reach(const GemmWriter *w) {
  const GemmMoves *m = moves_of(w);
  int64_t most = 0;
  for (int64_t tap = 0; tap < w->extent[across(w)] / m->channels; tap++)
    most = max_of(most, gemm_tap_place(w, tap));
  return most;
}

int64_t gemm_most_places(const GemmWriter *w) {
  const int64_t extent = w->extent[along(w)],
                step = along(w) == GEMM_K ? w->block.depth : w->block.rows;
  int64_t most = 0;
  for (int64_t row = 0; row < extent; row += step) {
    const int64_t last = min_of(row + step, extent) - 1;
    most = max_of(most, gemm_place_of(w, last) - gemm_place_of(w, row));
  }
  return most + gemm_reach(w) + 1;
}

int64_t gemm_place(const GemmWriter *w) { return gemm_parts(w) * moves_of(w)->channels; }

int64_t gemm_place_row(const GemmWriter *w) {
  const GemmMoves *m = moves_of(w);
  return m->at[m->n - 1].step * gemm_place(w);
}

bool gemm_moves_fit(const GemmWriter *w) {
  return moves_of(w)->n <= MOVES && w->block.depth % STRIP_ROWS == 0 &&
         w->block.rows % STRIP_ROWS == 0 && gemm_most_places(w) * gemm_place(w) <= PLACES_LIMIT;
}

int64_t gemm_places_room(const GemmWriter *w) { return gemm_most_places(w) * gemm_place(w) / 2; }

int64_t gemm_spans_room(const GemmWriter *w) {
  return w->tiles == GEMM_PARTS ? round_up(2 * (gemm_most_places(w) + 1), LANES) : 0;
}

static void put_list(GemmWriter *w, const char *name, const int64_t *at, int n) {
  StrBuf list = {0};
  for (int i = 0; i < n; i++) sb_printf(&list, "%s%lld", i ? ", " : "", (long long)at[i]);
  gemm_line(w, ".%s = { %s },", name, list.s);
  sb_free(&list);
}

/* Where each step of k lies. */
static void put_taps(GemmWriter *w) {
  const int64_t steps = moves_of(w)->channels / STRIP_ROWS;
  StrBuf taps = {0};
  for (int64_t step = 0; step < w->extent[GEMM_K] / STRIP_ROWS; step++)
    sb_printf(
        &taps, "%s%lld", step ? ", " : "",
        (long long)(gemm_tap_place(w, step / steps) * gemm_place(w) + step % steps * STRIP_ROWS));
  gemm_line(w, "static const int64_t taps[] = { %s };", taps.s);
  sb_free(&taps);
}

/* Where each tap lies in a copy, for tiles that find their steps of k as they go. */
static void put_by_tap(GemmWriter *w) {
  const int64_t taps = w->extent[w->turned ? GEMM_M : GEMM_K] / moves_of(w)->channels;
  StrBuf list = {0};
  for (int64_t tap = 0; tap < taps; tap++)
    sb_printf(&list, "%s%lld", tap ? ", " : "", (long long)gemm_tap_place(w, tap));
  gemm_line(w, "static const int64_t by_tap[] = { %s };", list.s);
  sb_free(&list);
}

void gemm_put_moves(GemmWriter *w) {
  const GemmMoves *m = moves_of(w);
  int64_t extent[IR_MAX_VARS], from[IR_MAX_VARS], to[IR_MAX_VARS], first[IR_MAX_VARS],
      stride[IR_MAX_VARS];
  if (w->turned || w->tiles == GEMM_FLOATS)
    put_by_tap(w);
  else
    put_taps(w);
  for (int d = 0; d < m->n; d++) {
    const GemmMove *x = &m->at[d];
    first[d] = x->first + x->lowest;
    extent[d] = x->count;
    from[d] = max_of(x->from - first[d], 0);
    to[d] = min_of(x->to - first[d], x->count);
    stride[d] = x->stride;
  }
  gemm_line(w, "static const TdMoves moves = {");
  w->indent++;
  gemm_line(w, ".n = %d, .half = %d, .channels = %lld,", m->n, w->plan->operand[GEMM_A].half,
            (long long)m->channels);
  put_list(w, "extent", extent, m->n);
  put_list(w, "from", from, m->n);
  put_list(w, "to", to, m->n);
  put_list(w, "first", first, m->n);
  put_list(w, "stride", stride, m->n);
  w->indent--;
  gemm_line(w, "};");
}

void gemm_put_place(GemmWriter *w, const char *name, const char *row, const char *then) {
  const GemmMoves *m = moves_of(w);
  StrBuf sum = {0};
  for (int d = 0; d < m->n; d++) {
    const long long extent = w->plan->axis[along(w)].extent[m->at[d].outer];
    sb_printf(&sum, "%s(%s) / %lld %% %lld * %lld", d ? " + " : "", row,
              (long long)rows_apart(w, d), extent, (long long)(m->at[d].step * apart(m, d)));
  }
  gemm_line(w, "const int64_t %s = %s%s;", name, sum.s, then);
  sb_free(&sum);
}

void gemm_pack_places(GemmWriter *w) {
  const GemmOperand *a = &w->plan->operand[GEMM_A];
  StrBuf at = {0};
  char reaching[48];
  gemm_line(w, "/* the places of A, packed once for all taps */");
  snprintf(reaching, sizeof reaching, " - place0 + %lld", (long long)gemm_reach(w) + 1);
  gemm_put_place(w, "place0", "row0", "");
  gemm_put_place(w, "places", "row0 + rows - 1", reaching);
  gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride_batch);
  if (w->block.depth_blocks > 1) gemm_line(w, "if (k0 == 0)");
  if (w->tiles == GEMM_PARTS)
    gemm_line(w, "td_split_places(packed_a, spans, %s%s, &moves, %d, place0, places);", a->base,
              at.s ? at.s : "", gemm_parts(w));
  else
    gemm_line(w, "td_narrow_places(packed_a, %s%s, &moves, place0, places);", a->base,
              at.s ? at.s : "");
  sb_free(&at);
}

void gemm_put_strip(GemmWriter *w) {
  char scaled[48];
  gemm_put_place(w, "place", "row0 + i", " - place0");
  snprintf(scaled, sizeof scaled, " - place0 - place");
  gemm_put_place(w, "to_lower", "row0 + i + 16", scaled);
  gemm_line(w, "const int64_t at = place * %lld, below = height > 16 ? to_lower * %lld : 0;",
            (long long)gemm_place(w), (long long)gemm_place(w));
}
