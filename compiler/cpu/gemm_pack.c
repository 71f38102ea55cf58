/* SPDX-License-Identifier: MIT */
/* Operand B packed: by the kernel that multiplies it, or once for many launches. A
 * product in a loop whose B no iteration changes, such as the weights of a
 * recurrence, and one in a sampler's step, whose B no step changes, reads it where
 * another kernel has left it, block after block as its pieces want them. */
#include "compiler/cpu/gemm_write.h"

#include <string.h>

enum { NARROWEST_TILE = 8, GAP = 32 }; /* columns, over all targets; floats, two cache lines */

static const char *element_type(const GemmWriter *w) {
  return w->tiles == GEMM_FLOATS ? "float" : "uint16_t";
}

int64_t gemm_packed_blocks(const GemmWriter *w) {
  return w->block.column_blocks * (gemm_shares_b(w) ? 1 : w->extent[GEMM_BATCH]);
}

/* Does packed B stay for another piece? Else each block of k takes the place of the one before it,
 * which is still near. */
static bool keeps_b(const GemmWriter *w) {
  return w->plan->packed || gemm_banded(w) || w->block.row_blocks != 1 || gemm_same_b(w) > 1 ||
         (gemm_shares_b(w) && w->extent[GEMM_BATCH] > 1);
}

/* The panels of a block of k lie together, a little apart, so that neither
 * reading them nor writing all at once meets the same few sets of a cache. */
void gemm_put_panel(GemmWriter *w) {
  const long long padded = w->block.padded;
  const char *passing = keeps_b(w) ? "" : "0 * ";
  if (w->tiles == GEMM_FLOATS)
    gemm_line(w,
              "enum { PANEL = DEPTH * TD_TILE_COLUMNS + %d, BLOCK = %s%lld / TD_TILE_COLUMNS * "
              "PANEL };",
              GAP, passing, padded);
  else
    gemm_line(w, "enum { PANEL = %lld, BLOCK = %s%lld * PANEL };",
              (long long)gemm_panel(w, w->block.depth), passing, padded / STRIP_ROWS);
}

int gemm_parts(const GemmWriter *w) {
  return w->tiles != GEMM_PARTS ? 1 : w->plan->split == 6 ? 3 : 2;
}

/* Behind the cells of one in parts there are these cells' spans, behind another the gap. */
int64_t gemm_panel(const GemmWriter *w, int64_t depth) {
  const int64_t steps = ceil_div(depth, STRIP_ROWS);
  if (w->tiles == GEMM_PARTS && steps * 8 > 2 * 2 * GAP) bug("a panel has more cells than spans");
  return round_up(depth, STRIP_ROWS) * STRIP_ROWS * gemm_parts(w) + 2 * GAP;
}

int64_t gemm_packed_block(const GemmWriter *w) {
  const GemmBlocks *b = &w->block;
  const int64_t depths = keeps_b(w) ? b->depth_blocks : 1;
  if (w->tiles != GEMM_FLOATS) return depths * (b->padded / STRIP_ROWS) * gemm_panel(w, b->depth);
  return depths * (b->padded * b->depth + b->padded / NARROWEST_TILE * GAP);
}

void gemm_put_block(GemmWriter *w) {
  const char *which = gemm_shares_b(w) ? " % COLUMN_BLOCKS" : "";
  if (w->plan->packed) {
    const char *type = element_type(w);
    gemm_line(w, "const %s *const packed_b = (const %s *)%s + piece / ROW_BLOCKS%s * %lld;", type,
              type, w->plan->packed, which, (long long)gemm_packed_block(w));
    return;
  }
  if (gemm_same_b(w) > 1)
    gemm_line(w,
              "const int64_t block = piece / (ROW_BLOCKS * COLUMN_BLOCKS * %lld) * COLUMN_BLOCKS + "
              "piece / ROW_BLOCKS %% COLUMN_BLOCKS, fresh = held->block != block;",
              (long long)gemm_same_b(w));
  else
    gemm_line(w, "const int64_t block = piece / ROW_BLOCKS%s, fresh = held->block != block;",
              which);
  gemm_line(w, "held->block = block;");
}

/* A call that packs `count` columns of `depth` steps of k. Turned: columns lie
 * `across` apart; else steps of k lie `along` apart. */
static void put_call(GemmWriter *w, bool turned, const char *to, const char *k0, const char *from,
                     const char *across, const char *along, const char *count, const char *depth) {
  if (w->tiles == GEMM_FLOATS && turned)
    gemm_line(w, "td_pack_b_turned(%s, PANEL, %s, %s, %s, %s, %s, %s);", to, k0, from, across,
              along, count, depth);
  else if (w->tiles == GEMM_FLOATS)
    gemm_line(w, "td_pack_b_rows(%s, PANEL, %s, %s, %s, %s, %s);", to, k0, from, along, count,
              depth);
  else if (w->tiles == GEMM_PARTS)
    gemm_line(w, "td_split_pack_b%s(%s, PANEL, %s, %s, %d, %s, %s, %s);", turned ? "_turned" : "",
              to, k0, from, gemm_parts(w), turned ? across : along, count, depth);
  else
    gemm_line(w, "td_narrow_pack_b%s(%s, PANEL, %s, %s, %d, %s, %s, %s);", turned ? "_turned" : "",
              to, k0, from,
              strcmp(from, "from") == 0 ? w->plan->operand[GEMM_B].half
                                        : gemm_half_stage(w, GEMM_B),
              turned ? across : along, count, depth);
}

bool gemm_contiguous(const GemmWriter *w, GemmSide side) {
  return w->flat[side] && (w->k_stride[side] == 1 || w->outer_stride[side] == 1);
}

/* Straight from memory, or what is computed for it by way of a stage: a panel of
 * columns at once if it is read along k, else a slab of k. */
void gemm_pack_b(GemmWriter *w) {
  const bool floats = w->tiles == GEMM_FLOATS;
  const char *width = floats ? "TD_TILE_COLUMNS" : "TD_NARROW_COLUMNS";
  char across[32], along[32];
  gemm_line(w, "%s *const to = packed_b + k0 / DEPTH * BLOCK;", element_type(w));
  if (floats ? w->flat[GEMM_B] : gemm_contiguous(w, GEMM_B)) {
    snprintf(across, sizeof across, "%lld", (long long)w->outer_stride[GEMM_B]);
    snprintf(along, sizeof along, "%lld", (long long)w->k_stride[GEMM_B]);
    gemm_address(w, GEMM_B, "from", "column0", "k0");
    bool turned = floats ? w->outer_stride[GEMM_B] != 1 : w->k_stride[GEMM_B] == 1;
    put_call(w, turned, "to", "0", "from", across, along, "columns", "depth");
  } else if (gemm_along_k(w, GEMM_B)) {
    gemm_line(w, "for (int64_t j = 0; j < columns; j += %s) {", width);
    w->indent++;
    gemm_line(w, "const int64_t rest = columns - j;");
    gemm_line(w, "const int64_t count = rest < %s ? rest : %s;", width, width);
    gemm_line(w, "%s *panel = to + j / %s * PANEL;", element_type(w), width);
    if (w->plan->k_of[GEMM_B].any) {
      gemm_band_open_packed(w, "j");
      gemm_stage(w, GEMM_B, "column0 + j", "count", "kf", "(ke - kf)", "DEPTH");
      put_call(w, true, "panel", "kf - k0", "stage", "DEPTH", "1", "count", "ke - kf");
      gemm_band_close_packed(w);
    } else {
      gemm_stage(w, GEMM_B, "column0 + j", "count", "k0", "depth", "DEPTH");
      put_call(w, true, "panel", "0", "stage", "DEPTH", "1", "count", "depth");
    }
    gemm_close(w);
  } else {
    snprintf(along, sizeof along, "%lld", (long long)w->block.padded);
    gemm_line(w, "for (int64_t slab = k0; slab < k0 + depth; slab += %d) {", SLAB);
    w->indent++;
    gemm_line(w, "const int64_t rest = k0 + depth - slab, thick = rest < %d ? rest : %d;", SLAB,
              SLAB);
    gemm_stage(w, GEMM_B, "column0", "columns", "slab", "thick", along);
    put_call(w, false, "to", "slab - k0", "stage", NULL, along, "columns", "thick");
    gemm_close(w);
  }
}

static void put_head(GemmWriter *w) {
  static const char *const how[] = {
      [GEMM_FLOATS] = "", [GEMM_ROUNDED] = " in bf16", [GEMM_PARTS] = " in parts of bf16"};
  StrBuf what = {0};
  sb_printf(&what, "B[%lld][%lld]%s, packed for all iterations in blocks of %lld columns",
            (long long)w->extent[GEMM_K], (long long)w->extent[GEMM_N], how[w->tiles],
            (long long)w->plan->columns);
  gemm_head(w, what.s);
  sb_free(&what);
}

int64_t gemm_pack_stage(const GemmWriter *w) {
  return gemm_along_k(w, GEMM_B) ? WIDEST_TILE * w->block.depth : SLAB * w->block.padded;
}

/* What stands in the function. */
static void put_packing(GemmWriter *w, const StrBuf *prologue) {
  const GemmPlan *plan = w->plan;
  gemm_line(w, "enum { N = %lld, K = %lld, COLUMNS = %lld, COLUMN_BLOCKS = %lld, DEPTH = %lld };",
            (long long)w->extent[GEMM_N], (long long)w->extent[GEMM_K], (long long)plan->columns,
            (long long)w->block.column_blocks, (long long)plan->depth);
  gemm_put_panel(w);
  gemm_paste(w, prologue);
  gemm_take_scratch(w, "stage", gemm_pack_stage(w));
  if (w->flat[GEMM_B]) gemm_line(w, "(void)stage;");
  gemm_open(w, "for (int64_t piece = begin; piece < end; piece++)");
  gemm_line(w, "const int64_t column0 = piece %% COLUMN_BLOCKS * COLUMNS;");
  gemm_line(w, "const int64_t columns = N - column0 < COLUMNS ? N - column0 : COLUMNS;");
  gemm_decode(w, GEMM_BATCH, "piece / COLUMN_BLOCKS", w->load_vars[GEMM_B].of[GEMM_BATCH], true);
  gemm_line(w, "%s *const packed_b = (%s *)%s + piece * %lld;", element_type(w), element_type(w),
            plan->packed, (long long)gemm_packed_block(w));
  gemm_open(w, "for (int64_t k0 = 0; k0 < K; k0 += DEPTH)");
  gemm_line(w, "const int64_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;");
  gemm_pack_b(w);
  gemm_close(w);
  gemm_close(w);
}

void gemm_pack_kernel(GemmWriter *w, GemmWriter *other) {
  const GemmPlan *plan = w->plan;
  StrBuf prologue = {0};
  gemm_collect_load(w, GEMM_B);
  if (plan->prologue) plan->prologue(&prologue, plan->ctx);
  put_head(w);
  if (other) gemm_line(w, GEMM_IF_PARTS);
  put_packing(w, &prologue);
  if (other) {
    gemm_line(w, "#else");
    gemm_take_texts(other, w);
    put_packing(other, &prologue);
    gemm_line(w, "#endif");
  }
  gemm_close(w);
  sb_free(&prologue);
}
