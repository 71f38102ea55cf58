/* SPDX-License-Identifier: MIT */
/* The CPU's numbers. They were measured, most of them on Xeons with AVX-512 and AMX;
 * tests/bench/README.md says how. */
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/tiles.h"

/* Each part of the text stands on those before it. */
static const char *prelude(Arena *a, bool rounds, bool split, bool *shares) {
  bool narrow = rounds || split;
  *shares = true;
  return arena_printf(a, "%s\n%s%s%s%s%s", dialect_prelude(a, prelude_text()), prelude_draws_text(),
                      narrow ? "\n" : "", narrow ? prelude_narrow_text() : "", split ? "\n" : "",
                      split ? prelude_split_text() : "");
}

static void head(Arena *a, const Group *g, const char **before, const char **after) {
  (void)a;
  (void)g;
  *before = "void ";
  *after = "(const TdCall *call, int64_t begin, int64_t end)";
}

static void emit(Plan *p, Group *g, TdKernel *k, const char **note) {
  switch (g->kind) {
  case GROUP_ROWS: emit_rows(p, g, k); return;
  case GROUP_SCATTER: emit_scatter(p, g, k); return;
  case GROUP_CONTRACTION: emit_contraction(p, g, k, note); return;
  case GROUP_PACK: emit_packing(p, g, k, note); return;
  case GROUP_CHAIN: emit_chain(p, g, k, note); return;
  case GROUP_LOOP: break;
  }
  bug("a loop has no kernel");
}

const Target cpu_target = {
    .name = "cpu",
    .costs = {.store = 12,
              .operand = 2,
              .factors = true,
              .inline_most = 400,
              .again = 128,
              .table_entry = 10,
              .table_uses = 4,
              .table_gain = 1 << 16,
              .kept_most = 1 << 20},
    .rows = {.rows_least = 16,
             .partials_most = 64,
             .partial_unit = 64,
             .small = 4096,
             .split_work = 8 * 4096,
             .split_terms = 256,
             .row_most = 1 << 17,
             .band_most = 0.9,
             .band_between = 16,
             .vector_most = 4096,
             .members_most = 32,
             .exprs_most = 512,
             .unroll_most = 4,
             .unroll_rows = 64,
             .piece_work = 131072,
             .piece_unit = 64,
             .pieces_most = 1024,
             .local_bytes = 16384,
             .columns_work = 16384,
             .columns_least = 64,
             .columns_unit = 32,
             .slices_most = 64,
             .slice_least = 64},
    .products = {.m_least = 4,
                 .n_least = 8,
                 .k_least = 4,
                 .work_least = 1 << 15,
                 .few_rows = FEW_ROWS,
                 .few_columns = 32,
                 .few_work = 1 << 14,
                 .batch_least = 1024,
                 .computed = true,
                 .epilogue = true,
                 .gathered = 2,
                 .gathered_width = 32,
                 .beside = true,
                 /* packing an element of B takes as long as multiplying it with a dozen rows
                  * in f32 and 150 in bf16: with many more rows the memory is not worth it */
                 .rows_packed = 128,
                 .rows_packed_narrow = 2048,
                 .band_most = 0.9,
                 .band_least = 64, /* a window is one of 32 rows, */
                 .band_between = 64,
                 .moved_channels = 32,
                 .moved_rows = 16,
                 .turned_channels = 16,
                 .turned_steps = 32,
                 .turned_reach = 2048,
                 .residues = 16,
                 /* a step of the tiles is 32 terms, whose sum is rounded six times */
                 .split = {.m_least = 16,
                           .n_least = 16,
                           .k_least = 32,
                           .rows_packed = 512,
                           /* packing a number takes as long as 40 of its multiplications gain */
                           .reuse_least = 96,
                           .saves = 0.3}},
    /* reuse_least: in heads of 64 cutting takes what tiles gain with 256 symbols (1.0 to 1.06 of
     * the time); with 512 the scores alone take 0.94 */
    .chains = {.any = true,
               .bands = true,
               .band_most = 0.9,
               .band_between = 64, /* two tiles: windows begin and end with one */
               .near = 1 << 18,
               .reread = 4,
               .batches_least = 4,
               .wide_least = 1 << 24,
               .gap = 16,
               .rows_most = 128,
               .pieces_least = 16,
               .near_stride = 1040,
               .reuse_least = 384},
    .memory = {.alignment = 64,
               .pitch = 1,
               .index_bits = 64,
               .on_chip = 384 << 10, /* of a second cache, beside packed operands */
               .narrow_least = 1 << 14},
    /* a vector of 16 multiply-adds a cycle is 32 FLOPs: a draw is ten rounds of Philox, 1.0 cycle a
     * number where all units are busy; exp, and erf, 12 multiplications for 16 numbers */
    .rates = {.bytes = 2e10,
              .flops = 1e11,
              .narrow_flops = 6e11,
              .launch = 2e-6,
              .draw = 32,
              .function = 24},
    .efforts = true,
    .dialect = &dialect_c,
    .head = head,
    .prelude = prelude,
    .copies = cpu_copies,
    .shape = cpu_shape,
    .emit = emit,
};
