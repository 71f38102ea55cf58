/* SPDX-License-Identifier: MIT */
/* Products in bf16, on tensor cores: factors are rounded to bf16, sums are f32. A block of
 * eight warps, two by four, sums a tile of one batch's result in steps of 32 terms:
 *
 *     step s:  the next step's operands -> registers, 8 numbers at a time
 *              16 x 8 x 16 products from half s % 2 of shared memory
 *              registers -> the other half; a barrier
 *     by halves of the rows: sums -> shared memory, the members of the group, in order,
 *              at each element inside, neighbours by neighbouring threads
 *
 * An operand lies as memory has it: rows of 32 terms, or rows of a tile's width of one
 * term each, which are turned when they are loaded. Chunks of 16 bytes change places by
 * their row, so that eight rows of a chunk lie in different banks. */
#include "compiler/cuda/product.h"
#include "compiler/ir/linear.h"

enum { ELEMENT = PRODUCT_ELEMENT };
enum { PART = 16 }; /* steps whose products are added one after another, where there are many */
enum { CHUNK = 8, DEPTH = CUDA_MMA_DEPTH, ROLLED = 24 /* operations of an operand's element */ };

typedef struct Side {
  GemmSide side;
  GemmAxisKind outer;
  const char *name, *from; /* of its half tiles; where the block begins */
  int width;               /* of the tile along it */
  bool terms;              /* rows of terms; else turned */
  int chunks;              /* of a thread */
} Side;

static Side side_of(ProductWriter *w, GemmSide side) {
  bool a = side == GEMM_A;
  Side s = {.side = side,
            .outer = gemm_outer(side),
            .name = a ? "left" : "right",
            .from = a ? "row0" : "column0",
            .width = a ? w->tile.rows : w->tile.columns,
            .terms = product_along_terms(w, side)};
  s.chunks = s.width * DEPTH / CHUNK / CUDA_BLOCK;
  return s;
}

/* ---- eight numbers of an operand ------------------------------------------------------------ */

/* Is all that the position is made of, but the axis along which the chunk runs, a multiple of
 * so many elements, and are the chunk's elements neighbours in memory? */
static bool aligned(ProductWriter *w, const Side *s, const Expr *e, Linear *lin, int unit) {
  const Contraction *c = w->c;
  GemmAxisKind along = s->terms ? GEMM_K : s->outer;
  if (!product_place(w->p, w->n, e->node, e->args, lin)) return false;
  const Place *at = &plan_info(w->p, e->node)->place;
  bool fits = (at->offset + lin->constant) % unit == 0;
  for (int i = 0; i < TD_MAX_LOOPS; i++) fits = fits && at->stride[i] % unit == 0;
  int64_t flat = 1;
  for (int v = c->nvars[along] - 1; v >= 0; v--) { /* one run of neighbours */
    int64_t extent = w->n->extent[c->var[along][v]], coef = 0;
    for (int i = 0; i < lin->n; i++)
      if (lin->term[i].atom->kind == E_VAR && lin->term[i].atom->inum == c->var[along][v])
        coef = lin->term[i].coef;
    if (v == c->nvars[along] - 1)
      fits = fits && coef == 1 && extent % CHUNK == 0;
    else
      fits = fits && coef % unit == 0;
    flat *= extent;
  }
  for (int i = 0; i < lin->n; i++) {
    const LinearTerm *t = &lin->term[i];
    bool own = t->atom->kind == E_VAR && c->nvars[along] > 0 &&
               t->atom->inum == c->var[along][c->nvars[along] - 1];
    fits = fits && (own || t->coef % unit == 0);
  }
  return fits && flat % CHUNK == 0;
}

/* One read that lies in memory as it is wanted: 16 bytes of bf16 or 32 of f32 at once; NULL. */
static const char *plain_chunk(ProductWriter *w, const Side *s) {
  Expr *e = w->c->operand[s->side];
  Linear lin;
  if (e->kind != E_READ || w->c->where[s->side]) return NULL;
  bool half = plan_type(w->p, e->node) == TD_BF16;
  if (!aligned(w, s, e, &lin, half ? CHUNK : CHUNK / 2)) return NULL;
  Emit *em = &w->em;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  const char *at = emit_element(em, e->node, e->args, ELEMENT, false);
  StrBuf out = {0};
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, s->outer, "outer");
  product_variables(w, &out, GEMM_K, "k");
  if (em->level[ELEMENT].text.n) sb_puts(&out, em->level[ELEMENT].text.s);
  sb_printf(&out, half ? "chunk = *(const td_chunk *)&%s;\n" : "chunk = td_narrow_chunk(&%s);\n",
            at);
  return product_take(w, &out);
}

static const char *computed_chunk(ProductWriter *w, const Side *s) {
  const Contraction *c = w->c;
  const char *statements, *value = product_value(w, s->side, &statements);
  const char *type = emit_var_type(&w->em);
  double cost = plan_flops(w->p->g, c->operand[s->side]);
  StrBuf out = {0};
  sb_printf(&out, "unsigned long long low = 0, high = 0;\n#pragma unroll %d\n",
            cost > ROLLED ? 1 : CHUNK);
  sb_printf(&out, "for (int e = 0; e < %d; e++) {\nconst %s %s;\n", CHUNK, type,
            s->terms ? "outer = outer0, k = term0 + e" : "outer = outer0 + e, k = term0");
  sb_printf(&out, "float value = 0.0f;\nif (outer < %lld && k < %lld) {\n",
            (long long)c->extent[s->outer], (long long)c->extent[GEMM_K]);
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, s->outer, "outer");
  product_variables(w, &out, GEMM_K, "k");
  sb_printf(&out, "%svalue = %s;\n}\n", statements, value);
  sb_puts(&out, "low = low >> 16 | high << 48;\n"
                "high = high >> 16 | (unsigned long long)td_narrow(value) << 48;\n}\n");
  sb_puts(&out, "chunk = td_chunk_of(low, high);\n");
  return product_take(w, &out);
}

/* Where chunk `at` of the thread lies in the tile: its first element, its place. */
static void print_chunk_place(const Side *s, StrBuf *out) {
  sb_printf(out, "const int at = td_thread() + i * %d;\n", CUDA_BLOCK);
  int row = s->terms ? DEPTH / CHUNK : s->width / CHUNK; /* chunks of one */
  sb_printf(out, "const int row = at / %d, place = at %% %d;\n", row, row);
}

static const char *fetch_text(ProductWriter *w, const Side *s) {
  const Contraction *c = w->c;
  const char *plain = plain_chunk(w, s), *type = emit_var_type(&w->em);
  StrBuf out = {0};
  sb_printf(&out, "#pragma unroll\nfor (int i = 0; i < %d; i++) {\n", s->chunks);
  print_chunk_place(s, &out);
  if (s->terms)
    sb_printf(&out, "const %s outer0 = %s + row, term0 = k0 + place * %d;\n", type, s->from, CHUNK);
  else
    sb_printf(&out, "const %s outer0 = %s + place * %d, term0 = k0 + row;\n", type, s->from, CHUNK);
  sb_puts(&out, "td_chunk chunk = {{0, 0, 0, 0}};\n");
  if (plain)
    sb_printf(&out,
              "if (outer0 < %lld && term0 < %lld) {\n"
              "const %s outer = outer0, k = term0;\n%s}\n",
              (long long)c->extent[s->outer], (long long)c->extent[GEMM_K], type, plain);
  else
    sb_printf(&out, "{\n%s}\n", computed_chunk(w, s));
  sb_printf(&out, "%s_next[i] = chunk;\n}\n", s->name);
  return product_take(w, &out);
}

/* The chunk of a row that stands at `place`: chunks of eight rows in different banks. */
static const char *moved(const Side *s, const char *row, const char *place, Arena *a) {
  return s->terms ? arena_printf(a, "(%s) * %d + ((%s) ^ ((%s) >> 1 & 3))", row, DEPTH / CHUNK,
                                 place, row)
                  : arena_printf(a, "(%s) * %d + ((%s) ^ ((%s) & 7))", row, s->width / CHUNK, place,
                                 row);
}

static void print_keep(ProductWriter *w, const Side *s, StrBuf *out) {
  sb_printf(out, "#pragma unroll\nfor (int i = 0; i < %d; i++) {\n", s->chunks);
  print_chunk_place(s, out);
  sb_printf(out, "%s[(step + 1 & 1) * %d + %s] = %s_next[i];\n}\n", s->name,
            s->width * DEPTH / CHUNK, moved(s, "row", "place", w->em.arena), s->name);
}

/* ---- the products --------------------------------------------------------------------------- */

/* Fragments of 16 rows of A, or 16 columns of B, from term kk on: four 8 x 8 matrices, in the
 * order in which the multiplication wants them. Lane l names row l % 8 of matrix l / 8. */
static void print_fragments(ProductWriter *w, const Side *s, StrBuf *out) {
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
  sb_printf(out, "td_ldmatrix4%s(%s[i], &%s[(step & 1) * %d + %s]);\n}\n",
            s->terms ? "" : "_turned", name, s->name, s->width * DEPTH / CHUNK,
            moved(s, "row", place, arena));
}

static void print_step(ProductWriter *w, const Side *a, const Side *b, StrBuf *out) {
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

static void print_sums(ProductWriter *w, const Side *a, const Side *b, StrBuf *out) {
  long long steps = (long long)(w->c->extent[GEMM_K] + DEPTH - 1) / DEPTH;
  const char *left = fetch_text(w, a), *right = fetch_text(w, b);
  sb_puts(out, "td_chunk *const left = (td_chunk *)td_shared_memory();\n");
  sb_printf(out, "td_chunk *const right = left + %d;\n", 2 * a->width * DEPTH / CHUNK);
  sb_puts(out, "const int warp = td_thread() / 32, lane = td_thread() % 32;\n");
  sb_printf(out, "td_chunk left_next[%d], right_next[%d];\nfloat sum[%d][%d][4] = {{{0}}};\n",
            a->chunks, b->chunks, a->width / 32, b->width / 32);
  if (w->tile.parts)
    sb_printf(out, "float part[%d][%d][4] = {{{0}}}, over[%d][%d][4] = {{{0}}};\n", a->width / 32,
              b->width / 32, a->width / 32, b->width / 32);
  sb_printf(out, "for (int step = -1; step < %lld; step++) {\nif (step < %lld) {\n", steps,
            steps - 1);
  sb_printf(out, "const %s k0 = (step + 1) * %d;\n%s%s}\n", emit_var_type(&w->em), DEPTH, left,
            right);
  sb_puts(out, "if (step >= 0) {\n");
  print_step(w, a, b, out);
  sb_printf(out, "}\nif (step < %lld) {\n", steps - 1);
  print_keep(w, a, out);
  print_keep(w, b, out);
  sb_puts(out, "}\ntd_barrier();\n}\n");
  if (w->tile.parts) product_add_parts(out, a->width / 32, b->width / 32, 4);
}

/* ---- the results ----------------------------------------------------------------------------- */

static void print_results(ProductWriter *w, StrBuf *out) {
  const CudaTile *t = &w->tile;
  int pitch = t->columns + 4, rows = t->rows / 2;
  const char *results = product_results(w);
  sb_puts(out, "float *const stage = (float *)td_shared_memory();\n"
               "#pragma unroll 1\nfor (int half = 0; half < 2; half++) {\n"
               "if (warp / 4 == half)\n");
  sb_printf(out,
            "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
            "for (int j = 0; j < %d; j++)\n#pragma unroll\nfor (int e = 0; e < 4; e++)\n",
            t->rows / 32, t->columns / 32);
  sb_printf(out,
            "stage[(i * 16 + lane / 4 + e / 2 * 8) * %d + warp %% 4 * %d + j * 8 + "
            "lane %% 4 * 2 + e %% 2] = sum[i][j][e];\n",
            pitch, t->columns / 4);
  sb_printf(out, "td_barrier();\nfor (int i = td_thread(); i < %d; i += %d) {\n", rows * t->columns,
            CUDA_BLOCK);
  sb_printf(out, "const int row = i / %d, column = i %% %d;\n", t->columns, t->columns);
  sb_printf(out, "const %s m = row0 + half * %d + row, n = column0 + column;\n",
            emit_var_type(&w->em), rows);
  sb_printf(out,
            "if (m < %lld && n < %lld) {\nconst float total = "
            "stage[row * %d + column];\n%s}\n",
            (long long)w->c->extent[GEMM_M], (long long)w->c->extent[GEMM_N], pitch, results);
  sb_puts(out, "}\ntd_barrier();\n}\n");
}

const char *product_mma(ProductWriter *w) {
  Side a = side_of(w, GEMM_A), b = side_of(w, GEMM_B);
  StrBuf out = {0};
  print_sums(w, &a, &b, &out);
  print_results(w, &out);
  return product_take(w, &out);
}
