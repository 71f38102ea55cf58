/* SPDX-License-Identifier: MIT */
/* The kernel of a sum of products that is no library's: which block has which tile, then
 * product_fma.c or product_mma.c. */
#include "compiler/cuda/product.h"

static void print_place(const ProductWriter *w, StrBuf *out) {
  const CudaTile *t = &w->tile;
  const char *type = emit_var_type(&w->em);
  sb_printf(out, "const %s block = (%s)td_block();\nconst %s column0 = block %% %lld * %d;\n", type,
            type, type, (long long)t->across, t->columns);
  sb_printf(out, "const %s row0 = block / %lld %% %lld * %d;\n", type, (long long)t->across,
            (long long)t->down, t->rows);
  if (w->c->extent[GEMM_BATCH] > 1)
    sb_printf(out, "const %s batch = block / %lld;\n", type, (long long)(t->across * t->down));
  else
    sb_printf(out, "const %s batch = 0;\n", type);
}

void cuda_emit_product(Plan *p, Group *g, TdKernel *k, const char **note) {
  ProductWriter w = {.p = p, .g = g, .n = g->members.at[0].node, .c = g->contraction};
  Emit *em = &w.em;
  w.tile = cuda_tile(p, g);
  emit_begin(em, p, g);
  em->row_level = PRODUCT_ELEMENT;
  em->nvars = w.n->nvars;
  em->short_vars = w.tile.down * w.tile.across * w.c->extent[GEMM_BATCH] < CUDA_SHORT;
  for (int axis = 0; axis < GEMM_AXES; axis++) em->short_vars &= w.c->extent[axis] < CUDA_SHORT;
  for (int v = 0; v < w.n->nvars; v++) {
    em->var[v] = emit_name(em, v < w.n->rank && w.n->axis[v] ? w.n->axis[v] : "r");
    em->extent[v] = w.n->extent[v];
    em->var_level[v] = PRODUCT_ELEMENT;
  }
  const char *body = w.tile.narrow ? product_mma(&w) : product_fma(&w);
  StrBuf out = {0};
  sb_puts(&out, "{\n");
  emit_prologue(em, &out);
  print_place(&w, &out);
  if (em->level[PRODUCT_BLOCK].text.n) sb_puts(&out, em->level[PRODUCT_BLOCK].text.s);
  sb_printf(&out, "%s}\n", body);
  k->source = product_take(&w, &out);
  const int64_t *extent = w.c->extent;
  *note =
      arena_printf(em->arena, "%lld x %lld x %lld, %lld of them, a block for %d x %d",
                   (long long)extent[GEMM_M], (long long)extent[GEMM_N], (long long)extent[GEMM_K],
                   (long long)extent[GEMM_BATCH], w.tile.rows, w.tile.columns);
  emit_end(em);
}
