/* SPDX-License-Identifier: MIT */
/* Products of few rows, as a sampler multiplies its weights that makes one symbol a turn: they
 * take as long as B takes from memory. B is read where it lies, once for all rows
 * (prelude_few.h), and pieces are blocks of its columns:
 *
 *   for each piece: a block of columns of one batch
 *     evaluate A, unless it can be read where it lies or the piece before did
 *     sum, then the epilogue
 *
 * A sum has one order of additions, whatever the rows beside it and the columns of a block. */
#include "compiler/cpu/gemm_write.h"

enum {
  FEW_COLUMNS = 32,   /* of a strip, at least: two of the widest vectors */
  FEW_WIDE = 64,      /* of one in which less is loaded for each multiplication */
  FEW_WORK = 1 << 14, /* products that make a piece worth its while */
  FEW_STAGE = 1 << 16 /* numbers of A, where they are evaluated */
};

/* Is A read where it lies? */
static bool in_place(const GemmWriter *w) {
  return w->flat[GEMM_A] && !w->plan->operand[GEMM_A].half;
}

/* Columns that lie side by side in B: all of them, or the last variable's; 0: there are none. */
static int64_t run_of_columns(const GemmWriter *w) {
  const GemmAxis *n = &w->plan->axis[GEMM_N];
  const GemmOperand *b = &w->plan->operand[GEMM_B];
  const int last = n->nvars - 1;
  int64_t k_stride;
  if (!b->plain || last < 0 || !gemm_flat_stride(&w->plan->axis[GEMM_K], b->stride_k, &k_stride))
    return 0;
  if (w->flat[GEMM_B]) return w->outer_stride[GEMM_B] == 1 ? w->extent[GEMM_N] : 0;
  return b->stride_outer[last] == 1 && n->extent[last] % FEW_COLUMNS == 0 ? n->extent[last] : 0;
}

bool gemm_is_few(const GemmWriter *w) {
  const int64_t *e = w->extent;
  return !w->plan->split && !w->plan->packed && !w->plan->leaves_out && !gemm_banded(w) &&
         e[GEMM_M] <= FEW_ROWS && run_of_columns(w) >= FEW_COLUMNS &&
         (in_place(w) || e[GEMM_M] * e[GEMM_K] <= FEW_STAGE);
}

/* How much longer so many pieces of one length take two threads, and four, than if they never
 * waited for the last; of more threads, by few pieces. */
static double idle(int64_t pieces) {
  const double p = (double)pieces;
  return ((double)round_up(pieces, 2) / p - 1) * 1.5 + ((double)round_up(pieces, 4) / p - 1) / 4 +
         1 / (double)min_of(pieces, 32);
}

GemmBlocks gemm_few_blocks(const GemmWriter *w) {
  enum { MOST = 32 };
  const int64_t *e = w->extent;
  const int64_t m = e[GEMM_M], n = e[GEMM_N], k = e[GEMM_K];
  const double work = (double)m * (double)n * (double)k;
  const int64_t run = run_of_columns(w);
  GemmBlocks best = {0};
  double least = 0;
  for (int64_t across = n / run; across <= MOST; across++) {
    GemmBlocks b = {.rows = m,
                    .row_blocks = 1,
                    .last_rows = m,
                    .depth = k,
                    .depth_blocks = 1,
                    .columns = round_up(ceil_div(n, across), FEW_COLUMNS)};
    if (run < n && run % b.columns) continue;
    b.column_blocks = ceil_div(n, b.columns);
    b.padded = b.columns;
    b.stride = b.padded + LANES;
    const double cost = idle(b.column_blocks * e[GEMM_BATCH]) + (b.columns < FEW_WIDE ? 0.2 : 0);
    if (best.rows && (cost >= least || work < (double)FEW_WORK * (double)b.column_blocks)) continue;
    least = cost;
    best = b;
  }
  return best;
}

/* In front of the sums there is room for columns that a strip has besides those of its block. */
GemmScratch gemm_few_scratch(const GemmWriter *w) {
  const int64_t m = w->extent[GEMM_M];
  return (GemmScratch){.sums = m * w->block.stride + FEW_COLUMNS,
                       .stage = in_place(w) ? 0 : m * w->extent[GEMM_K] + LANES};
}

/* How far rows and steps of k lie apart in what is multiplied. */
static void put_a(GemmWriter *w) {
  const bool by_k = gemm_along_k(w, GEMM_A), lies = in_place(w);
  const int64_t m = w->extent[GEMM_M], k = w->extent[GEMM_K];
  gemm_line(w, "enum { A_ROW = %lld, A_K = %lld };",
            (long long)(lies   ? w->outer_stride[GEMM_A]
                        : by_k ? k
                               : 1),
            (long long)(lies   ? w->k_stride[GEMM_A]
                        : by_k ? 1
                               : m));
  if (!lies)
    gemm_line(w, "TdHeld *const held = td_held(call);      /* the batch of A that is evaluated */");
}

static void put_stage(GemmWriter *w) {
  if (in_place(w)) {
    gemm_address(w, GEMM_A, "rows_a", "0", "0");
    return;
  }
  gemm_open(w, "if (held->block != piece / COLUMN_BLOCKS)");
  gemm_line(w, "held->block = piece / COLUMN_BLOCKS;");
  gemm_stage(w, GEMM_A, "0", "M", "0", "K", gemm_along_k(w, GEMM_A) ? "K" : "M");
  gemm_close(w);
  gemm_line(w, "const float *const rows_a = stage;");
}

/* `rows_b`, where the piece's columns begin. */
static void put_b(GemmWriter *w) {
  const GemmOperand *b = &w->plan->operand[GEMM_B];
  const GemmAxis *n = &w->plan->axis[GEMM_N];
  if (w->flat[GEMM_B]) {
    gemm_address(w, GEMM_B, "rows_b", "column0", "0");
    return;
  }
  StrBuf at = {0};
  int64_t inner = run_of_columns(w);
  sb_printf(&at, "%s", b->base);
  gemm_strides(&at, &w->plan->axis[GEMM_BATCH], b->stride_batch);
  sb_printf(&at, " + column0 %% %lld", (long long)inner);
  for (int v = n->nvars - 2; v >= 0; v--) {
    sb_printf(&at, " + column0 / %lld %% %lld * %lld", (long long)inner, (long long)n->extent[v],
              (long long)b->stride_outer[v]);
    inner *= n->extent[v];
  }
  gemm_line(w, "const %s *rows_b = %s;", b->half ? "uint16_t" : "float", at.s);
  sb_free(&at);
}

void gemm_few(GemmWriter *w, const StrBuf *prologue) {
  const GemmBlocks *b = &w->block;
  const GemmScratch s = gemm_few_scratch(w);
  int64_t k_stride = 0;
  gemm_flat_stride(&w->plan->axis[GEMM_K], w->plan->operand[GEMM_B].stride_k, &k_stride);
  gemm_line(w, "enum { M = %lld, N = %lld, K = %lld, COLUMNS = %lld,", (long long)w->extent[GEMM_M],
            (long long)w->extent[GEMM_N], (long long)w->extent[GEMM_K], (long long)b->columns);
  gemm_line(w, "       ROW_BLOCKS = 1, COLUMN_BLOCKS = %lld };", (long long)b->column_blocks);
  put_a(w);
  gemm_paste(w, prologue);
  gemm_take_scratch(w, "sums", s.sums);
  gemm_take_scratch(w, "stage", s.stage);
  gemm_line(w, "float *const target = sums + %d;        /* a strip may begin before its block */",
            FEW_COLUMNS);
  gemm_open(w, "for (int64_t piece = begin; piece < end; piece++)");
  gemm_line(w, "enum { row0 = 0, i = 0, height = M };    /* all rows are done together */");
  gemm_line(w, "const int64_t column0 = piece %% COLUMN_BLOCKS * COLUMNS;");
  gemm_line(w, "const int64_t columns = N - column0 < COLUMNS ? N - column0 : COLUMNS;");
  gemm_decode_batch(w);
  put_stage(w);
  put_b(w);
  gemm_line(w, "const TdFewRows t = {");
  gemm_line(w, "  .depth = K, .a = rows_a, .a_row = A_ROW, .a_k = A_K, .b = rows_b, .b_k = %lld,",
            (long long)k_stride);
  gemm_line(w, "  .columns = columns, .c = target, .c_stride = %lld", (long long)b->stride);
  gemm_line(w, "};");
  gemm_line(w, "td_few_%lld%s(&t);", (long long)w->extent[GEMM_M],
            w->plan->operand[GEMM_B].half ? "_half" : "");
  gemm_epilogue(w);
  gemm_close(w);
}
