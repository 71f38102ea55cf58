/* SPDX-License-Identifier: MIT */
/* Products in bf16, on tensor cores: factors are rounded to bf16, sums are f32. A block of
 * eight warps, two by four, sums a tile of one batch's result in steps of 32 terms, whose
 * operands pass through a ring of `stages` tiles in shared memory:
 *
 *     step s:  the copies for step s are there; a barrier, behind which step s - 1 is over
 *              and its tile is free
 *              asynchronous copies for step s + stages - 1, into that tile
 *              other operands of step s + 1 -> registers, 8 numbers at a time
 *              16 x 8 x 16 products of step s
 *              registers -> the tile of step s + 1, which is free: with two stages it is that of
 *              step s - 1, with more an older one
 *     by halves of the rows: sums -> shared memory, the members of the group, in order,
 *              at each element inside, neighbours by neighbouring threads
 *
 * Each step closes a group of copies, an empty one where there is no tile any more, so that
 * at step s all groups but the last stages - 2 are those of steps up to s. */
#include "compiler/cuda/product.h"

enum { PART = 16 }; /* steps whose products are added one after another, where there are many */
enum { CHUNK = PRODUCT_CHUNK, DEPTH = CUDA_MMA_DEPTH };

/* ---- the products --------------------------------------------------------------------------- */

/* Fragments of 16 rows of A, or 16 columns of B, from term kk on: four 8 x 8 matrices, in the
 * order in which the multiplication wants them. Lane l names row l % 8 of matrix l / 8. */
static void print_fragments(ProductWriter *w, const ProductSide *s, StrBuf *out) {
  bool a = s->side == GEMM_A;
  int warps = a ? 2 : 4, each = s->width / warps, count = each / 16;
  const char *name = a ? "a" : "b";
  sb_printf(out, "uint32_t %s[%d][4];\n#pragma unroll\nfor (int i = 0; i < %d; i++) {\n", name,
            count, count);
  sb_printf(out, "const int from = %s * %d + i * 16;\n", a ? "warp / 4" : "warp % 4", each);
  /* which half of the 16 rows or columns, which half of the 16 terms */
  const char *outer = a ? "(lane >> 3 & 1)" : "(lane >> 4)",
             *term = a ? "(lane >> 4)" : "(lane >> 3 & 1)";
  Arena *arena = w->em.arena;
  const char *row, *place;
  if (s->terms) {
    row = arena_printf(arena, "from + (lane & 7) + %s * 8", outer);
    place = arena_printf(arena, "kk / 8 + %s", term);
  } else {
    row = arena_printf(arena, "kk + (lane & 7) + %s * 8", term);
    place = arena_printf(arena, "from / 8 + %s", outer);
  }
  sb_printf(out, "const int row = %s;\n", row);
  sb_printf(out, "td_ldmatrix4%s(%s[i], &%s[step %% %d * %d + %s]);\n}\n",
            s->terms ? "" : "_turned", name, s->name, w->tile.stages, s->size,
            product_chunk_at(s, "row", place, arena));
}

static void print_step(ProductWriter *w, const ProductSide *a, const ProductSide *b, StrBuf *out) {
  sb_printf(out, "#pragma unroll\nfor (int kk = 0; kk < %d; kk += 16) {\n", DEPTH);
  print_fragments(w, a, out);
  print_fragments(w, b, out);
  sb_printf(out,
            "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
            "for (int j = 0; j < %d; j++)\n",
            a->width / 32, b->width / 32);
  sb_printf(out, "td_mma_bf16(%s[i][j], a[i], &b[j / 2][j %% 2 * 2]);\n}\n",
            w->tile.parts ? "part" : "sum");
  if (!w->tile.parts) return;
  sb_printf(out, "if (step %% %d == %d)\n", PART, PART - 1);
  product_add_parts(out, a->width / 32, b->width / 32, 4);
}

/* Of both operands: what is done with those that are copied, or with the others. */
static void print_operands(ProductWriter *w, const ProductSide *const *sides, bool copied,
                           void (*print)(ProductWriter *, const ProductSide *, StrBuf *),
                           StrBuf *out) {
  for (int i = 0; i < 2; i++)
    if ((sides[i]->lie == PRODUCT_COPIED) == copied) print(w, sides[i], out);
}

static void print_variables(const ProductWriter *w, const ProductSide *a, const ProductSide *b,
                            StrBuf *out) {
  int rows = a->width / 32, columns = b->width / 32;
  sb_puts(out, "td_chunk *const left = (td_chunk *)td_shared_memory();\n");
  sb_printf(out, "td_chunk *const right = left + %d;\n", w->tile.stages * a->size);
  sb_puts(out, "const int warp = td_thread() / 32, lane = td_thread() % 32;\n");
  if (a->lie != PRODUCT_COPIED) sb_printf(out, "td_chunk left_next[%d];\n", a->chunks);
  if (b->lie != PRODUCT_COPIED) sb_printf(out, "td_chunk right_next[%d];\n", b->chunks);
  sb_printf(out, "float sum[%d][%d][4] = {{{0}}};\n", rows, columns);
  if (w->tile.parts)
    sb_printf(out, "float part[%d][%d][4] = {{{0}}}, over[%d][%d][4] = {{{0}}};\n", rows, columns,
              rows, columns);
}

static void print_sums(ProductWriter *w, const ProductSide *a, const ProductSide *b, StrBuf *out) {
  const ProductSide *const sides[] = {a, b};
  const char *type = emit_var_type(&w->em), *early = w->tile.stages > 2 ? "step >= -1 && " : "";
  long long steps = (long long)(w->c->extent[GEMM_K] + DEPTH - 1) / DEPTH;
  int stages = w->tile.stages;
  bool copies = a->lie == PRODUCT_COPIED || b->lie == PRODUCT_COPIED,
       others = a->lie != PRODUCT_COPIED || b->lie != PRODUCT_COPIED;
  print_variables(w, a, b, out);
  sb_printf(out, "for (int step = %d; step < %lld; step++) {\nif (step >= 0) {\n", 1 - stages,
            steps);
  if (copies) sb_printf(out, "td_wait(%d);\n", stages - 2);
  sb_puts(out, "td_barrier();\n}\n");
  if (copies) {
    sb_printf(out, "const int ahead = step + %d;\nif (ahead < %lld) {\n", stages - 1, steps);
    sb_printf(out, "const %s k0 = ahead * %d;\n", type, DEPTH);
    print_operands(w, sides, true, product_copy, out);
    sb_puts(out, "}\ntd_commit();\n");
  }
  if (others) {
    sb_printf(out, "if (%sstep < %lld) {\nconst %s k0 = (step + 1) * %d;\n", early, steps - 1, type,
              DEPTH);
    print_operands(w, sides, false, product_fetch, out);
    sb_puts(out, "}\n");
  }
  sb_puts(out, "if (step >= 0) {\n");
  print_step(w, a, b, out);
  sb_puts(out, "}\n");
  if (others) {
    sb_printf(out, "if (%sstep < %lld) {\n", early, steps - 1);
    print_operands(w, sides, false, product_keep, out);
    sb_puts(out, "}\n");
  }
  sb_puts(out, "}\ntd_barrier();\n");
  if (w->tile.parts) product_add_parts(out, a->width / 32, b->width / 32, 4);
}

/* ---- the results ----------------------------------------------------------------------------- */

/* Pairs of sums, rows of which begin 8 banks apart: a half warp, four rows of four pairs, asks
 * each bank once. */
static void print_stage(const ProductWriter *w, int pitch, StrBuf *out) {
  const CudaTile *t = &w->tile;
  sb_puts(out, "float *const stage = (float *)td_shared_memory();\n"
               "#pragma unroll 1\nfor (int half = 0; half < 2; half++) {\n"
               "if (warp / 4 == half)\n");
  sb_printf(out,
            "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
            "for (int j = 0; j < %d; j++)\n#pragma unroll\nfor (int e = 0; e < 4; e += 2)\n",
            t->rows / 32, t->columns / 32);
  sb_printf(out,
            "*(uint64_t *)&stage[(i * 16 + lane / 4 + e / 2 * 8) * %d + warp %% 4 * %d + j * 8 + "
            "lane %% 4 * 2] = td_pair_bits(sum[i][j][e], sum[i][j][e + 1]);\ntd_barrier();\n",
            pitch, t->columns / 4);
}

static void print_results(ProductWriter *w, StrBuf *out) {
  const CudaTile *t = &w->tile;
  int pitch = t->columns + CUDA_STAGE_GAP, rows = t->rows / 2;
  const char *four = product_results_of_four(w), *results = four ? four : product_results(w);
  const char *type = emit_var_type(&w->em), *n = four ? "n0" : "n";
  int each = four ? 4 : 1;
  print_stage(w, pitch, out);
  sb_printf(out, "for (int i = td_thread(); i < %d; i += %d) {\n", rows * t->columns / each,
            CUDA_BLOCK);
  sb_printf(out, "const int row = i / %d, column = i %% %d%s;\n", t->columns / each,
            t->columns / each, four ? " * 4" : "");
  sb_printf(out, "const %s m = row0 + half * %d + row, %s = column0 + column;\n", type, rows, n);
  sb_printf(out, "if (m < %lld && %s < %lld) {\n", (long long)w->c->extent[GEMM_M], n,
            (long long)w->c->extent[GEMM_N]);
  if (four)
    sb_printf(out, "const td_quad totals = *(const td_quad *)&stage[row * %d + column];\n", pitch);
  else
    sb_puts(out, product_total(w, arena_printf(w->em.arena, "stage[row * %d + column]", pitch)));
  sb_printf(out, "%s}\n", results);
  sb_puts(out, "}\ntd_barrier();\n}\n");
}

const char *product_mma(ProductWriter *w) {
  ProductSide a = product_side(w, GEMM_A), b = product_side(w, GEMM_B);
  StrBuf out = {0};
  print_sums(w, &a, &b, &out);
  print_results(w, &out);
  return product_take(w, &out);
}
