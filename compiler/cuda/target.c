/* SPDX-License-Identifier: MIT */
/* The numbers of a GPU with about 132 multiprocessors. They follow from extents and the
 * figures that such devices are sold with, those of products from a step of the flagship on an
 * H200 (tests/bench/results/gpu-nvidia-h200.json; its copies of memory go at 4.2 TB/s):
 *
 * own     what a kernel takes beyond its bytes and its launch: [8192, 384] x 1536 585 us in f32, 71
 *         in bf16; [8192, 1536] x 384 507 to 567 and 59 to 80; [8192, 384] x 384 227 and 26
 * others  of 58 GFLOP 1317 to 1427 us and 90 to 92, of 9.7 GFLOP 257 and 19, of 2.4 GFLOP 70 and
 *         9.2 to 10: a launch, and then this
 * pieces  [65, 384] over 8192 terms, 12 blocks: 298 us in f32 by the library, 209 and 319 in bf16,
 *         where operands do not lie as they are wanted; [32, 384] over 384 terms, 6 blocks: 8 us in
 *         bf16, a launch included */
#include "compiler/cuda/cuda.h"

static const char *prelude(Arena *a, bool rounds, bool split, bool *shares) {
  (void)split; /* products of floats are floats */
  (void)rounds;
  *shares = false;
  return dialect_prelude(a, prelude_cuda_text());
}

/* Parameters: buffers, counters, control; see TdKernel. */
static void head(Arena *a, const Group *g, const char **before, const char **after) {
  const Launch *l = &g->launch;
  StrBuf b = {0};
  const char *sep = "(";
  for (int i = 0; i < l->args.n; i++, sep = ", ") sb_printf(&b, "%svoid *arg%d", sep, i);
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (l->counters >> s & 1) {
      sb_printf(&b, "%slong long ix%d", sep, s);
      sep = ", ";
    }
  if (l->control) sb_printf(&b, "%sconst TdControl *ctl", sep);
  sb_putc(&b, ')');
  *before = arena_printf(a, "TD_KERNEL(%d, %d) ", l->shape.gpu.block[0], l->shape.gpu.resident);
  *after = arena_strndup(a, b.s, b.n);
  sb_free(&b);
}

static void shape(Plan *p, Group *g) {
  if (g->kind == GROUP_CHAIN)
    cuda_chain_shape(p, g);
  else
    cuda_shape(p, g);
}

static void emit(Plan *p, Group *g, TdKernel *k, const char **note) {
  switch (g->kind) {
  case GROUP_ROWS: cuda_emit_rows(p, g, k, note); return;
  case GROUP_SCATTER: cuda_emit_scatter(p, g, k); return;
  case GROUP_CONTRACTION: cuda_emit_product(p, g, k, note); return;
  case GROUP_CHAIN: cuda_emit_chain(p, g, k, note); return;
  case GROUP_LOOP: cuda_emit_loop(p, g, k, note); return;
  case GROUP_PACK: break;
  }
  bug("a group that this target has no kernel for");
}

const Target cuda_target = {
    .name = "cuda",
    .costs = {.store = 12,
              .operand = 2,
              .inline_most = 400,
              .again = 128,
              .table_entry = 10,
              .table_uses = 4,
              .table_gain = 1 << 16},
    .rows = {.rows_least = 64,
             .partials_most = 264,
             .partial_unit = 16,
             .partial_rows = 16,
             .small = 1 << 14,
             .split_work = 1 << 16,
             .split_terms = 256,
             .together_most = 1 << 20,
             .row_most = 1 << 17,
             .vector_most = 4096,
             .members_most = 32,
             .exprs_most = 512,
             .unroll_most = 4,
             .unroll_rows = 64,
             .piece_work = 1 << 16,
             .piece_unit = 32,
             .pieces_most = 1 << 20,
             .arrays_most = 40 << 10,
             .slices_most = 1 << 20,
             .slice_least = 1},
    .products = {.m_least = 8,
                 .n_least = 8,
                 .k_least = 8,
                 .work_least = 1 << 15,
                 .batch_least = 1 << 12,
                 .computed = true,
                 .epilogue = true,
                 .library = true,
                 .own = {.flops = 1.7e13, .narrow_flops = 1.8e14},
                 .others = {.flops = 3.6e13, .narrow_flops = 6.5e14},
                 .joined_most = 1 << 20,
                 .batched_most = 4 << 20,
                 .batched_bytes = (int64_t)4 << 30,
                 .rows_copied = 64,
                 .pieces = {.blocks = 264,
                            .tile = 64,
                            .terms_least = 128,
                            .most = 128,
                            .term = 3.6e-8,
                            .narrow_term = 1e-8}},
    .chains = {.any = true,
               .near = 1 << 18,
               .reread = 4,
               .batches_least = 4,
               .wide_least = 1 << 24,
               .gap = 4,
               .rows_most = 64,
               .row_least = 16,
               .sums_most = 1 << 15,
               .sums_s = 128,
               .sums_e = 64,
               .sums_near = 1 << 13,
               .stored_most = 1 << 27},
    .loops = {.any = true,
              .slices_most = 132,
              .near = 112 << 10,
              .stacked = 1 << 30,
              .kernel = 5e-6,
              .turn = 1e-6,
              .flops = 1e11,
              .bytes = 1e11},
    .memory = {.alignment = 256,
               .pitch = 16,
               .index_bits = 64,
               .on_chip = 160 << 10,
               .narrow_least = 1 << 12},
    .rates = {.bytes = 4e12, .flops = 6e13, .narrow_flops = 8e14, .launch = 3e-6},
    .dialect = &dialect_cuda,
    .head = head,
    .prelude = prelude,
    .shape = shape,
    .emit = emit,
};
