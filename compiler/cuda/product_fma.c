/* SPDX-License-Identifier: MIT */
/* Products in f32, on the multipliers of every thread. A block sums a tile of one batch's
 * result, a thread four by four of it:
 *
 *     for depth terms at a time           each thread evaluates some elements of both
 *       operands -> shared memory         operands; beyond the edges they are 0
 *       16 products of each thread's rows and columns
 *     the members of the group, in order, at each element inside                       */
#include "compiler/cuda/product.h"

enum { PART = 128 }; /* terms added one after another, where there are many parts of them */

/* A block's part of an operand, into shared memory, term by term. */
static const char *operand_text(ProductWriter *w, GemmSide side) {
  const Contraction *c = w->c;
  GemmAxisKind outer = gemm_outer(side);
  const char *tile = side == GEMM_A ? "left" : "right", *from = side == GEMM_A ? "row0" : "column0";
  const char *statements, *value = product_value(w, side, &statements);
  const char *type = emit_var_type(&w->em);
  StrBuf out = {0};
  bool terms = product_along_terms(w->p, w->g, side);
  sb_printf(&out, "for (int i = td_thread(); i < %d; i += %d) {\n", CUDA_TILE * CUDA_DEPTH,
            CUDA_BLOCK);
  sb_printf(&out,
            terms ? "const int at = i / %d, term = i %% %d;\n"
                  : "const int at = i %% %d, term = i / %d;\n",
            terms ? CUDA_DEPTH : CUDA_TILE, terms ? CUDA_DEPTH : CUDA_TILE);
  sb_printf(&out, "const %s outer = %s + at, k = k0 + term;\nfloat value = 0.0f;\n", type, from);
  sb_printf(&out, "if (outer < %lld && k < %lld) {\n", (long long)c->extent[outer],
            (long long)c->extent[GEMM_K]);
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, outer, "outer");
  product_variables(w, &out, GEMM_K, "k");
  sb_printf(&out, "%svalue = %s;\n}\n", statements, value);
  sb_printf(&out, "%s[term * %d + at] = value;\n}\n", tile, CUDA_PITCH);
  return product_take(w, &out);
}

static void print_sums(const ProductWriter *w, StrBuf *out, const char *left, const char *right) {
  const char *into = w->tile.parts ? "part" : "sum";
  sb_puts(out, "float sum[4][4] = {{0}};\n");
  if (w->tile.parts) sb_puts(out, "float part[4][4] = {{0}}, over[4][4] = {{0}};\n");
  sb_printf(out, "for (%s k0 = 0; k0 < %lld; k0 += %d) {\n", emit_var_type(&w->em),
            (long long)w->c->extent[GEMM_K], CUDA_DEPTH);
  sb_printf(out, "%s%std_barrier();\n", left, right);
  sb_printf(out,
            "#pragma unroll\nfor (int term = 0; term < %d; term++)\n#pragma unroll\n"
            "for (int i = 0; i < 4; i++)\n#pragma unroll\nfor (int j = 0; j < 4; j++)\n",
            CUDA_DEPTH);
  sb_printf(out, "%s[i][j] += left[term * %d + down + i] * right[term * %d + across + j];\n", into,
            CUDA_PITCH, CUDA_PITCH);
  sb_puts(out, "td_barrier();\n");
  if (w->tile.parts) {
    sb_printf(out, "if ((k0 / %d + 1) %% %d == 0)\n", CUDA_DEPTH, PART / CUDA_DEPTH);
    product_add_parts(out, 4, 4, 0);
  }
  sb_puts(out, "}\n");
  if (w->tile.parts) product_add_parts(out, 4, 4, 0);
}

const char *product_fma(ProductWriter *w) {
  const char *left = operand_text(w, GEMM_A), *right = operand_text(w, GEMM_B);
  const char *results = product_results(w), *total = product_total(w, "sum[i][j]");
  StrBuf out = {0};
  sb_puts(&out, "const int down = td_thread() / 16 * 4, across = td_thread() % 16 * 4;\n");
  sb_puts(&out, "float *const left = (float *)td_shared_memory();\n");
  sb_printf(&out, "float *const right = left + %d;\n", CUDA_DEPTH * CUDA_PITCH);
  print_sums(w, &out, left, right);
  sb_puts(&out, "#pragma unroll\nfor (int i = 0; i < 4; i++)\n#pragma unroll\n"
                "for (int j = 0; j < 4; j++) {\n");
  sb_printf(&out, "const %s m = row0 + down + i, n = column0 + across + j;\n",
            emit_var_type(&w->em));
  sb_printf(&out, "if (m < %lld && n < %lld) {\n%s%s}\n}\n", (long long)w->c->extent[GEMM_M],
            (long long)w->c->extent[GEMM_N], total, results);
  return product_take(w, &out);
}
