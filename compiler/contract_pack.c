/* Operand B packed once for many launches: a product in a loop whose B no
 * iteration changes, such as the weights of a recurrence, reads it where a kernel
 * before the loop has left it, block after block as its pieces want them. */
#include "compiler/contract_write.h"

enum { NARROW_COLUMNS = 32, GAP = 64 };      /* TD_NARROW_COLUMNS; of a panel, two cache lines */

static const char *element_type(const GemmWriter *w) { return w->plan->narrow ? "uint16_t" : "float"; }

int64_t gemm_packed_blocks(const GemmWriter *w) {
  return w->block.column_blocks * (gemm_shares_b(w) ? 1 : w->extent[GEMM_BATCH]);
}

/* In bf16 the panels of a block of k lie together, a little apart, so that neither
 * reading them nor writing all at once meets the same few sets of a cache. */
int64_t gemm_narrow_panel(const GemmWriter *w) { return w->block.depth * NARROW_COLUMNS + GAP; }

int64_t gemm_packed_block(const GemmWriter *w) {
  const GemmBlocks *b = &w->block;
  if (!w->plan->narrow) return b->padded * w->extent[GEMM_K];
  return b->depth_blocks * (b->padded / NARROW_COLUMNS) * gemm_narrow_panel(w);
}

void gemm_put_block(GemmWriter *w) {
  const char *which = gemm_shares_b(w) ? " % COLUMN_BLOCKS" : "";
  if (w->plan->packed) {
    gemm_line(w, "const %s *const packed_b = %s + piece / ROW_BLOCKS%s * %lld;", element_type(w), w->plan->packed, which,
              (long long)gemm_packed_block(w));
    return;
  }
  gemm_line(w, "const int64_t block = piece / ROW_BLOCKS%s, fresh = held->block != block;", which);
  gemm_line(w, "held->block = block;");
}

static void put_head(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  long long n = w->extent[GEMM_N], k = w->extent[GEMM_K];
  gemm_line(w, "/* B[%lld][%lld]%s, packed for all iterations in blocks of %lld columns */", k, n, plan->narrow ? " in bf16" : "",
            (long long)plan->columns);
  gemm_line(w, "void %s(const TdCall *call, int64_t begin, int64_t end)", plan->name);
  gemm_line(w, "{");
  w->indent++;
  gemm_line(w, "enum { N = %lld, K = %lld, COLUMNS = %lld, COLUMN_BLOCKS = %lld, DEPTH = %lld,", n, k, (long long)plan->columns,
            (long long)w->block.column_blocks, (long long)plan->depth);
  long long panel = (long long)gemm_narrow_panel(w);
  if (plan->narrow) gemm_line(w, "       PANEL = %lld, BLOCK = %lld * PANEL };", panel, (long long)w->block.padded / NARROW_COLUMNS);
  else gemm_line(w, "       PANEL = K * TD_TILE_COLUMNS };");
}

void gemm_pack_kernel(GemmWriter *w) {
  GemmPlan *plan = w->plan;
  StrBuf prologue = { 0 };
  gemm_collect_load(w, GEMM_B);
  if (plan->prologue) plan->prologue(&prologue, plan->ctx);
  put_head(w);
  gemm_paste(w, &prologue);
  sb_free(&prologue);
  plan->scratch = HELD * sizeof(float);
  bool rows = gemm_along_k(w, GEMM_B);
  gemm_take_scratch(w, "stage", rows ? WIDEST_TILE * w->block.depth : SLAB * w->block.padded);
  if (w->flat[GEMM_B]) gemm_line(w, "(void)stage;");
  gemm_open(w, "for (int64_t piece = begin; piece < end; piece++)");
  gemm_line(w, "const int64_t column0 = piece %% COLUMN_BLOCKS * COLUMNS;");
  gemm_line(w, "const int64_t columns = N - column0 < COLUMNS ? N - column0 : COLUMNS;");
  gemm_decode(w, GEMM_BATCH, "piece / COLUMN_BLOCKS", w->load[GEMM_B].s ? w->load[GEMM_B].s : "", true);
  gemm_line(w, "%s *const packed_b = %s + piece * %lld;", element_type(w), plan->packed, (long long)gemm_packed_block(w));
  gemm_open(w, "for (int64_t k0 = 0; k0 < K; k0 += DEPTH)");
  gemm_line(w, "const int64_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;");
  if (plan->narrow) gemm_narrow_pack_b(w);
  else gemm_wide_pack_b(w);
  gemm_close(w);
  gemm_close(w);
  gemm_close(w);
}
