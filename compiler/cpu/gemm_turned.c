/* SPDX-License-Identifier: MIT */
/* An operand A whose places k runs along, while its rows are taps and channels, as the gradient of
 * a convolution's weights has it: for each block of k a piece turns the places that it needs of its
 * channels, so that those of a channel lie side by side. A tile is 16 channels of that copy for 32
 * places; another tap is the same tile some places on. So a number is turned once in a piece and
 * not once for each tap, and a piece has all taps of its channels (GemmAxis.cut).
 *
 *     row of the copy    a channel: PITCH places, from the block's first one on
 *     tile               copy + channel * PITCH + place of the tap + steps[k / 32]
 *
 * In parts there is a copy of each part. What cannot be split is that of none of its numbers:
 * then both first copies hold halves of bits, as in a cell of prelude_split.h. */
#include "compiler/cpu/gemm_write.h"

enum { TURNED_LIMIT = 1 << 19 }; /* numbers of a piece's copy: half of a second cache */

static int64_t taps_of(const GemmWriter *w) {
  return w->extent[GEMM_M] / w->plan->operand[GEMM_A].moves.channels;
}

static int64_t channels_of(const GemmWriter *w) { return w->block.rows / taps_of(w); }

/* Whole tiles, an odd number of lines: 16 channels are not in the same sets of a cache. */
static int64_t pitch_of(const GemmWriter *w) {
  return round_up(gemm_most_places(w), 2 * STRIP_ROWS) + STRIP_ROWS;
}

bool gemm_turned_rows(const GemmWriter *w, int64_t blocks, int64_t *rows) {
  const int64_t channels = w->plan->operand[GEMM_A].moves.channels;
  *rows = channels / blocks * taps_of(w);
  return channels % blocks == 0 && channels / blocks % LANES == 0;
}

bool gemm_turned_fits(const GemmWriter *w) {
  return w->block.depth % STRIP_ROWS == 0 &&
         pitch_of(w) * channels_of(w) * gemm_parts(w) <= TURNED_LIMIT;
}

int64_t gemm_turned_room(const GemmWriter *w) {
  return pitch_of(w) * channels_of(w) * gemm_parts(w) / 2;
}

int64_t gemm_turned_spans(const GemmWriter *w) { return w->tiles == GEMM_PARTS ? LANES : 0; }

void gemm_put_turned(GemmWriter *w) {
  gemm_line(w, "enum { TAPS = %lld, CHANNELS = %lld, PITCH = %lld };", (long long)taps_of(w),
            (long long)channels_of(w), (long long)pitch_of(w));
  gemm_put_moves(w);
}

void gemm_turn_places(GemmWriter *w) {
  const GemmOperand *a = &w->plan->operand[GEMM_A];
  StrBuf at = {0};
  char reaching[48];
  gemm_line(w, "/* the places of this block of k, turned once for all taps */");
  snprintf(reaching, sizeof reaching, " - place0 + %lld", (long long)gemm_reach(w) + 1);
  gemm_put_place(w, "place0", "k0", "");
  gemm_put_place(w, "places", "k0 + depth - 1", reaching);
  gemm_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride_batch);
  if (w->tiles == GEMM_PARTS)
    gemm_line(w,
              "td_split_turned(packed_a, spans, PITCH, %s%s + row0 / TAPS, &moves, %d, CHANNELS, "
              "place0, places);",
              a->base, at.s ? at.s : "", gemm_parts(w));
  else
    gemm_line(w,
              "td_narrow_turned(packed_a, PITCH, %s%s + row0 / TAPS, &moves, CHANNELS, place0, "
              "places);",
              a->base, at.s ? at.s : "");
  sb_free(&at);
  gemm_line(w, "int64_t steps[DEPTH / TD_NARROW_DEPTH]; /* where 32 of k lie */");
  gemm_open(w, "for (int64_t step = 0; step < depth / TD_NARROW_DEPTH; step++)");
  gemm_put_place(w, "place", "k0 + step * TD_NARROW_DEPTH", " - place0");
  gemm_line(w, "steps[step] = place;");
  gemm_close(w);
}

void gemm_put_turned_strip(GemmWriter *w) {
  gemm_line(w, "const int64_t at = i %% CHANNELS * PITCH + by_tap[i / CHANNELS];");
  gemm_line(w, "const int64_t lower = i + 16;");
  gemm_line(w, "const int64_t below = height > 16 ? lower %% CHANNELS * PITCH + by_tap[lower / "
               "CHANNELS] - at : 0;");
}

void gemm_put_turned_rows(GemmWriter *w) {
  gemm_line(w, ".depth = depth, .a = packed_a + at, .a_row = PITCH, .a_half = below,");
  gemm_line(w, ".taps = steps,");
  if (w->tiles == GEMM_PARTS)
    gemm_line(w,
              ".parts = %d, .a_part = CHANNELS * PITCH, .places = packed_a, .spans = spans, "
              ".place = %d * CHANNELS * PITCH,",
              gemm_parts(w), gemm_parts(w));
}
