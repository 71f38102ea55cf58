/* SPDX-License-Identifier: MIT */
/* Operands of tensor cores, in chunks of 8 numbers of bf16: from memory to the ring of tiles in
 * shared memory. One that memory holds as it is wanted goes there by asynchronous copies, steps
 * ahead; another is computed or rounded, one step ahead, in registers.
 *
 * An operand lies as memory has it: rows of 32 terms, or rows of a tile's width of one
 * term each, which are turned when they are loaded. Chunks of 16 bytes change places by
 * their row, so that eight rows of a chunk lie in different banks. */
#include "compiler/cuda/product.h"
#include "compiler/ir/linear.h"

enum { ELEMENT = PRODUCT_ELEMENT };
enum { CHUNK = PRODUCT_CHUNK, DEPTH = CUDA_MMA_DEPTH, ROLLED = 24 /* operations of an element */ };

/* Do neighbours along k lie side by side, or is the operand none that lies anywhere? */
bool product_along_terms(Plan *p, const Group *g, GemmSide side) {
  const Contraction *c = g->contraction;
  const Expr *e = c->operand[side];
  int64_t stride[IR_MAX_VARS] = {0};
  Linear lin;
  if (e->kind != E_READ || !product_place(p, g->members.at[0].node, e->node, e->args, &lin))
    return true;
  product_strides(c, &lin, GEMM_K, stride);
  return c->nvars[GEMM_K] > 0 && stride[c->nvars[GEMM_K] - 1] == 1;
}

bool product_aligned(Plan *p, const Group *g, const Node *read, Expr *const *index,
                     GemmAxisKind along, int run, int unit) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  Linear lin;
  if (!product_place(p, n, read, index, &lin)) return false;
  const Place *at = &plan_info(p, read)->place;
  bool fits = (at->offset + lin.constant) % unit == 0;
  for (int i = 0; i < TD_MAX_LOOPS; i++) fits = fits && at->stride[i] % unit == 0;
  int64_t flat = 1;
  for (int v = c->nvars[along] - 1; v >= 0; v--) { /* one run of neighbours */
    int64_t extent = n->extent[c->var[along][v]], coef = 0;
    for (int i = 0; i < lin.n; i++)
      if (lin.term[i].atom->kind == E_VAR && lin.term[i].atom->inum == c->var[along][v])
        coef = lin.term[i].coef;
    if (v == c->nvars[along] - 1)
      fits = fits && coef == 1 && extent % run == 0;
    else
      fits = fits && coef % unit == 0;
    flat *= extent;
  }
  for (int i = 0; i < lin.n; i++) {
    const LinearTerm *t = &lin.term[i];
    bool own = t->atom->kind == E_VAR && c->nvars[along] > 0 &&
               t->atom->inum == c->var[along][c->nvars[along] - 1];
    fits = fits && (own || t->coef % unit == 0);
  }
  return fits && flat % run == 0;
}

ProductLie product_lie(Plan *p, const Group *g, GemmSide side) {
  const Contraction *c = g->contraction;
  const Expr *e = c->operand[side];
  if (e->kind != E_READ || c->where[side]) return PRODUCT_COMPUTED;
  bool half = plan_type(p, e->node) == TD_BF16;
  GemmAxisKind along = product_along_terms(p, g, side) ? GEMM_K : gemm_outer(side);
  if (!product_aligned(p, g, e->node, e->args, along, CHUNK, half ? CHUNK : CHUNK / 2))
    return PRODUCT_COMPUTED;
  return half ? PRODUCT_COPIED : PRODUCT_ROUNDED;
}

ProductSide product_side(ProductWriter *w, GemmSide side) {
  bool a = side == GEMM_A;
  ProductSide s = {.side = side,
                   .outer = gemm_outer(side),
                   .name = a ? "left" : "right",
                   .from = a ? "row0" : "column0",
                   .width = a ? w->tile.rows : w->tile.columns,
                   .terms = product_along_terms(w->p, w->g, side),
                   .lie = product_lie(w->p, w->g, side)};
  s.chunks = s.width * DEPTH / CHUNK / CUDA_BLOCK;
  s.size = s.width * DEPTH / CHUNK;
  return s;
}

/* ---- eight numbers ------------------------------------------------------------------------ */

/* One read that lies in memory as it is wanted: 16 bytes of bf16 or 32 of f32 at once. */
static const char *plain_chunk(ProductWriter *w, const ProductSide *s) {
  Expr *e = w->c->operand[s->side];
  Emit *em = &w->em;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  const char *at = emit_element(em, e->node, e->args, ELEMENT, false);
  StrBuf out = {0};
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, s->outer, "outer");
  product_variables(w, &out, GEMM_K, "k");
  if (em->level[ELEMENT].text.n) sb_puts(&out, em->level[ELEMENT].text.s);
  sb_printf(&out,
            s->lie == PRODUCT_COPIED ? "td_copy_async(to, &%s);\n"
                                     : "chunk = td_narrow_chunk(&%s);\n",
            at);
  return product_take(w, &out);
}

static const char *computed_chunk(ProductWriter *w, const ProductSide *s) {
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

/* ---- from memory to the tile --------------------------------------------------------------- */

/* Where chunk `at` of the thread lies in the tile: its row, its place there. */
static void print_chunk_place(const ProductSide *s, StrBuf *out) {
  sb_printf(out, "#pragma unroll\nfor (int i = 0; i < %d; i++) {\n", s->chunks);
  sb_printf(out, "const int at = td_thread() + i * %d;\n", CUDA_BLOCK);
  int row = s->terms ? DEPTH / CHUNK : s->width / CHUNK; /* chunks of one */
  sb_printf(out, "const int row = at / %d, place = at %% %d;\n", row, row);
}

/* Which numbers of the operand it is made of, k0 the tile's first term. */
static void print_chunk_origin(const ProductWriter *w, const ProductSide *s, StrBuf *out) {
  const char *type = emit_var_type(&w->em);
  if (s->terms)
    sb_printf(out, "const %s outer0 = %s + row, term0 = k0 + place * %d;\n", type, s->from, CHUNK);
  else
    sb_printf(out, "const %s outer0 = %s + place * %d, term0 = k0 + row;\n", type, s->from, CHUNK);
}

/* Is there anything of the operand? Tiles that fit need not ask. */
static void print_inside(const ProductWriter *w, const ProductSide *s, StrBuf *out) {
  int64_t outer = w->c->extent[s->outer], terms = w->c->extent[GEMM_K];
  const char *type = emit_var_type(&w->em);
  bool within = outer % s->width == 0, all = terms % DEPTH == 0;
  if (!within || !all) sb_puts(out, "if (");
  if (!within) sb_printf(out, "outer0 < %lld", (long long)outer);
  if (!within && !all) sb_puts(out, " && ");
  if (!all) sb_printf(out, "term0 < %lld", (long long)terms);
  sb_printf(out, "%s{\nconst %s outer = outer0, k = term0;\n", !within || !all ? ") " : "", type);
}

const char *product_chunk_at(const ProductSide *s, const char *row, const char *place, Arena *a) {
  return s->terms ? arena_printf(a, "(%s) * %d + ((%s) ^ ((%s) >> 1 & 3))", row, DEPTH / CHUNK,
                                 place, row)
                  : arena_printf(a, "(%s) * %d + ((%s) ^ ((%s) & 7))", row, s->width / CHUNK, place,
                                 row);
}

void product_copy(ProductWriter *w, const ProductSide *s, StrBuf *out) {
  bool whole = w->c->extent[s->outer] % s->width == 0 && w->c->extent[GEMM_K] % DEPTH == 0;
  print_chunk_place(s, out);
  print_chunk_origin(w, s, out);
  sb_printf(out, "td_chunk *const to = &%s[ahead %% %d * %d + %s];\n", s->name, w->tile.stages,
            s->size, product_chunk_at(s, "row", "place", w->em.arena));
  const char *copy = plain_chunk(w, s);
  print_inside(w, s, out);
  sb_printf(out, "%s}%s\n}\n", copy, whole ? "" : " else {\n*to = td_chunk_of(0, 0);\n}");
}

void product_fetch(ProductWriter *w, const ProductSide *s, StrBuf *out) {
  print_chunk_place(s, out);
  print_chunk_origin(w, s, out);
  sb_puts(out, "td_chunk chunk = {{0, 0, 0, 0}};\n");
  if (s->lie == PRODUCT_COMPUTED) {
    sb_printf(out, "{\n%s}\n", computed_chunk(w, s));
  } else {
    const char *plain = plain_chunk(w, s);
    print_inside(w, s, out);
    sb_printf(out, "%s}\n", plain);
  }
  sb_printf(out, "%s_next[i] = chunk;\n}\n", s->name);
}

void product_keep(ProductWriter *w, const ProductSide *s, StrBuf *out) {
  print_chunk_place(s, out);
  sb_printf(out, "%s[(step + 1) %% %d * %d + %s] = %s_next[i];\n}\n", s->name, w->tile.stages,
            s->size, product_chunk_at(s, "row", "place", w->em.arena), s->name);
}
