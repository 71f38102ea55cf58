/* SPDX-License-Identifier: MIT */
/* An operand A that is read at moved places (GemmMoves), as tiles of floats take it: a piece copies
 * the places that its rows are made of, with zeros around the numbers, and another tap is the same
 * tile elsewhere in that copy. So a number is copied once and not once for each tap. What tiles are
 * told is where each vector's length of k begins.
 *
 *     places are rows    copy [channel / TD_LANES][place][TD_LANES]: the rows of a tile are places
 *                        side by side, as the rows of a packed panel would be
 *     k runs along them  copy [place][channel] of a block of k: the rows of a tile are channels,
 *                        and those of the next tap where its places follow one another
 *
 * Rows of a tile have to lie evenly, so that none has some of two runs of rows: up to the end of
 * the last direction, or of the channels. */
#include "compiler/cpu/gemm_write.h"

enum {
  PLACES_NEAR = 1 << 17, /* floats of a copy: half of a second cache */
  HEIGHT_LEAST = 8       /* rows of a tile that are worth it */
};

static const GemmMoves *moves_of(const GemmWriter *w) { return &w->plan->operand[GEMM_A].moves; }

static int64_t taps_of(const GemmWriter *w) {
  return w->extent[w->turned ? GEMM_M : GEMM_K] / moves_of(w)->channels;
}

static int64_t channels_of(const GemmWriter *w) {
  return w->turned ? w->block.rows / taps_of(w) : moves_of(w)->channels;
}

/* So many taps are one place apart, and the same again. */
static int64_t taps_joined(const GemmWriter *w) {
  const int64_t taps = taps_of(w);
  int64_t joined = 1;
  while (joined < taps && gemm_tap_place(w, joined) == gemm_tap_place(w, joined - 1) + 1) joined++;
  for (int64_t tap = 1; tap < taps; tap++)
    if (tap % joined && gemm_tap_place(w, tap) != gemm_tap_place(w, tap - 1) + 1) return 1;
  return taps % joined ? 1 : joined;
}

/* Rows that lie evenly, or 0: a piece has not whole runs of them. */
static int64_t run_of(const GemmWriter *w) {
  const int64_t rows = w->block.rows;
  if (w->turned) return taps_joined(w) * channels_of(w);
  const GemmMove *last = &moves_of(w)->at[moves_of(w)->n - 1];
  const int64_t extent = w->plan->axis[GEMM_M].extent[last->outer];
  if (last->step != 1) return 0;
  return rows % extent == 0 ? extent : extent % rows == 0 ? rows : 0;
}

/* The shortest tile of a run, where they are tallest. */
static int64_t least_height(int64_t run) { return run ? run / ceil_div(run, TALLEST_TILE) : 0; }

bool gemm_places_fit(const GemmWriter *w) {
  if (w->block.depth % LANES || w->extent[GEMM_K] % LANES) return false;
  if (w->turned && (w->block.rows % taps_of(w) || channels_of(w) % LANES ||
                    (w->block.row_blocks > 1 && w->plan->axis[GEMM_M].cut != channels_of(w))))
    return false;
  return least_height(run_of(w)) >= HEIGHT_LEAST && gemm_copy_room(w) <= PLACES_NEAR;
}

int64_t gemm_copy_room(const GemmWriter *w) { return gemm_most_places(w) * channels_of(w); }

/* From a row's, or step of k's, numbers to the next one's, if they all lie evenly; else 0. */
static int64_t even_stride(const GemmWriter *w) {
  const GemmMoves *m = moves_of(w);
  int64_t by_var[IR_MAX_VARS] = {0}, stride;
  for (int d = 0; d < m->n; d++) {
    if (m->at[d].step != 1) return 0;
    by_var[m->at[d].outer] = m->at[d].stride;
  }
  const GemmAxis *axis = &w->plan->axis[w->turned ? GEMM_K : GEMM_M];
  return gemm_flat_stride(axis, by_var, &stride) ? stride : 0;
}

bool gemm_copies_evenly(const GemmWriter *w) { return w->moved && even_stride(w) > 0; }

void gemm_fetch_places(GemmWriter *w) {
  const GemmOperand *a = &w->plan->operand[GEMM_A];
  const long long stride = even_stride(w);
  StrBuf at = {0};
  gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride_batch);
  gemm_line(w, "const float *const from = %s%s + %s * %lld;", a->base, at.s ? at.s : "",
            w->turned ? "next_row / (ROWS / CHANNELS) + next_k" : "next_row", stride);
  sb_free(&at);
  if (w->turned) {
    gemm_line(w, "td_fetch_begin(&fetch[FETCHES - 2], from, 1, %lld, CHANNELS, next_depth);",
              stride);
    return;
  }
  gemm_line(w, "const int64_t rest = M - next_row;");
  gemm_line(w, "if (next_k == 0)");
  gemm_line(w,
            "  td_fetch_begin(&fetch[FETCHES - 2], from, %lld, 1, rest < ROWS ? rest : ROWS, "
            "CHANNELS);",
            stride);
}

void gemm_put_copy(GemmWriter *w) {
  gemm_line(w, "enum { RUN = %lld, CHANNELS = %lld, PLACES = %lld };", (long long)run_of(w),
            (long long)channels_of(w), (long long)gemm_most_places(w));
  gemm_put_moves(w);
}

void gemm_copy_places(GemmWriter *w) {
  const GemmOperand *a = &w->plan->operand[GEMM_A];
  StrBuf at = {0};
  char reaching[48];
  snprintf(reaching, sizeof reaching, " - place0 + %lld", (long long)gemm_reach(w) + 1);
  gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride_batch);
  gemm_line(w, "/* the places of A, copied once for all taps */");
  gemm_put_place(w, "place0", w->turned ? "k0" : "row0", "");
  gemm_put_place(w, "places", w->turned ? "k0 + depth - 1" : "row0 + rows - 1", reaching);
  if (!w->turned && w->block.depth_blocks > 1) gemm_line(w, "if (k0 == 0)");
  gemm_line(w, "td_float_places(packed_a, %s, %s%s%s, &moves, CHANNELS, place0, places);",
            w->turned ? "CHANNELS, TD_LANES" : "TD_LANES, PLACES * TD_LANES", a->base,
            at.s ? at.s : "", w->turned ? " + row0 / (ROWS / CHANNELS)" : "");
  sb_free(&at);
  gemm_line(w, "int64_t steps[DEPTH / TD_LANES]; /* where TD_LANES of k lie */");
  gemm_open(w, "for (int64_t step = 0; step < depth / TD_LANES; step++)");
  gemm_line(w, "const int64_t flat = k0 + step * TD_LANES;");
  if (w->turned) {
    gemm_put_place(w, "place", "flat", " - place0");
    gemm_line(w, "steps[step] = place * CHANNELS;");
  } else {
    gemm_line(w, "steps[step] = (by_tap[flat / CHANNELS] + flat %% CHANNELS / TD_LANES * PLACES) * "
                 "TD_LANES;");
  }
  gemm_close(w);
}

void gemm_put_copied(GemmWriter *w) {
  if (w->turned) {
    gemm_line(w, ".a = packed_a + by_tap[i / CHANNELS] * CHANNELS + i %% CHANNELS,");
    gemm_line(w, ".a_step = CHANNELS, .taps = steps,");
  } else {
    gemm_line(w, ".a = packed_a + place * TD_LANES, .a_step = TD_LANES, .taps = steps,");
  }
}
