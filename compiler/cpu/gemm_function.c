/* SPDX-License-Identifier: MIT */
/* The function around the tiles, the same for f32, bf16 and f32 in parts:
 *
 *   for each piece: a block of rows x a block of columns of one batch
 *     for each block of k
 *       pack B, unless the piece before did
 *       what the body does: pack A and multiply, and after the last block of k
 *       the epilogue */
#include "compiler/cpu/gemm_write.h"

void gemm_begin(GemmWriter *w, StrBuf *prologue) {
  static const char *const how[] = {[GEMM_FLOATS] = "",
                                    [GEMM_ROUNDED] = " in bf16",
                                    [GEMM_PARTS] = " in parts of bf16",
                                    [GEMM_FEW] = ""};
  const GemmBlocks *b = &w->block;
  const long long m = w->extent[GEMM_M], n = w->extent[GEMM_N], k = w->extent[GEMM_K],
                  batch = w->extent[GEMM_BATCH];
  StrBuf what = {0};
  gemm_collect_texts(w, prologue);
  sb_printf(&what,
            "C[%lld][%lld] = A[%lld][%lld] B[%lld][%lld]%s, %lld times; in pieces of\n"
            " * %lld x %lld, %lld of k at a time",
            m, n, m, k, k, n, how[w->tiles], batch, (long long)b->rows, (long long)b->columns,
            (long long)b->depth);
  gemm_head(w, what.s);
  sb_free(&what);
}

static void put_extents(GemmWriter *w, const GemmBody *body) {
  const GemmBlocks *b = &w->block;
  const long long m = w->extent[GEMM_M], n = w->extent[GEMM_N], k = w->extent[GEMM_K];
  gemm_line(w, "enum { M = %lld, N = %lld, K = %lld, ROWS = %lld, COLUMNS = %lld, DEPTH = %lld,", m,
            n, k, (long long)b->rows, (long long)b->columns, (long long)b->depth);
  gemm_line(w, "       ROW_BLOCKS = %lld, COLUMN_BLOCKS = %lld };", (long long)b->row_blocks,
            (long long)b->column_blocks);
  if (b->grouped) gemm_line(w, "enum { GROUP = %d };       /* blocks of k */", DEPTH_GROUP);
  body->constants(w);
  gemm_put_panel(w);
}

static void put_pieces(GemmWriter *w, const GemmBody *body) {
  gemm_open(w, "for (int64_t piece = begin; piece < end; piece++)");
  gemm_line(w, "const int64_t row0 = piece %% ROW_BLOCKS * ROWS;");
  gemm_line(w, "const int64_t column0 = piece / ROW_BLOCKS %% COLUMN_BLOCKS * COLUMNS;");
  gemm_line(w, "const int64_t rows = M - row0 < ROWS ? M - row0 : ROWS;");
  gemm_line(w, "const int64_t columns = N - column0 < COLUMNS ? N - column0 : COLUMNS;");
  gemm_decode_batch(w);
  gemm_put_block(w);
  const bool banded = gemm_banded(w), many = banded || w->block.depth_blocks > 1;
  gemm_band_piece(w);
  if (banded) {
    gemm_band_open_blocks(w);
  } else if (many) {
    gemm_open(w, "for (int64_t k0 = 0; k0 < K; k0 += DEPTH)");
    gemm_line(w, "const int64_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;");
  } else {
    gemm_line(w, "const int64_t k0 = 0, depth = K;");
  }
  if (!w->plan->packed) {
    gemm_line(w, "/* pack B: panels of %s each */", body->panels);
    if (banded)
      gemm_band_open_packing(w);
    else
      gemm_open(w, "if (fresh)");
    gemm_pack_b(w);
    gemm_close(w);
  }
  body->multiply(w);
  if (many) gemm_close(w);
  gemm_close(w);
}

void gemm_function(GemmWriter *w, const GemmBody *body, const StrBuf *prologue) {
  gemm_choose_aheads(w);
  put_extents(w, body);
  gemm_paste(w, prologue);
  gemm_band_take(w);
  body->scratch(w);
  if (!w->plan->packed)
    gemm_line(w, "TdHeld *const held = td_held(call);      /* the block of B that is packed */");
  if (body->open) gemm_line(w, "%s", body->open);
  put_pieces(w, body);
  if (body->close) gemm_line(w, "%s", body->close);
}
