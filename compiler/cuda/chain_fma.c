/* SPDX-License-Identifier: MIT */
/* Products of a chain in f32, on the multipliers of every thread, which sums four by four of
 * a tile. Y goes through shared memory, term by term, and X if it does not lie there already:
 *
 *     IN, ROW   a block's rows (16, 32 or 64 of a tile) by as many columns as the threads take
 *     COLUMN    a quarter of the threads by 64 of [s, e]; each thread keeps its sums while the rows
 *               go by, and a block of rows adds what its rows come to                       */
#include "compiler/cuda/chain.h"

enum {
  MICRO = 4, /* rows and columns of a thread */
  PITCH = 4, /* gap between terms */
  LONG = 512,
  PART = 128,    /* of more terms than LONG, added one after another */
  IN_ORDER = 256 /* rows that are added to a column so; more by blocks */
};

static int columns_of(int threads, int tile) { return threads * MICRO * MICRO / tile; }

size_t chain_fma_staged(int threads, int tile) {
  int in = tile + PITCH + columns_of(threads, tile) + PITCH, column = CHAIN_SQUARE + PITCH;
  return (size_t)(CHAIN_DEPTH * (in > column ? in : column)) * sizeof(float);
}

/* Some terms of an operand into `name[term][at]`; 0 beyond the edges. */
static void print_stage(ChainWriter *w, const ChainProduct *q, int which, const char *name,
                        int width, const char *from, const char *outer_end, const char *k_end) {
  ChainElement e = chain_element(w, q, which);
  StrBuf *out = &w->body;
  const char *type = emit_var_type(&w->em);
  chain_line(out, "for (int i = td_thread(); i < %d; i += %d) {", width * CHAIN_DEPTH,
             w->shape->threads);
  if (e.along_terms)
    chain_line(out, "const int at = i / %d, term = i %% %d;", CHAIN_DEPTH, CHAIN_DEPTH);
  else
    chain_line(out, "const int at = i %% %d, term = i / %d;", width, width);
  chain_line(out, "const %s outer = %s + at, k = k0 + term;", type, from);
  chain_line(out, "float value = 0.0f;\nif (outer < %s && k < %s) {", outer_end, k_end);
  chain_line(out, "%svalue = %s;\n}", e.before, e.value);
  chain_line(out, "%s[term * %d + at] = value;\n}", name, width + PITCH);
}

static bool in_block(const ChainWriter *w, const ChainOperand *o) {
  return !o->plain && member_of(w->g, o->node)->program != CHAIN_FRESH;
}

static void print_products(ChainWriter *w, const char *into, const char *terms, const char *left,
                           const char *right) {
  chain_line(&w->body, "for (int term = 0; term < %s; term++) {", terms);
  chain_line(&w->body,
             "float a[%d], b[%d];\n#pragma unroll\nfor (int i = 0; i < %d; i++) {\na[i] = %s;\n"
             "b[i] = %s;\n}",
             MICRO, MICRO, MICRO, left, right);
  chain_line(&w->body,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++) %s[i][j] += a[i] * b[j];\n}",
             MICRO, MICRO, into);
}

static void print_parts(ChainWriter *w) {
  chain_line(&w->body,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++) {\ntd_add_long(&sum[i][j], &over[i][j], part[i][j]);\n"
             "part[i][j] = 0.0f;\n}",
             MICRO, MICRO);
}

void chain_fma_row(ChainWriter *w, const ChainProduct *q) {
  StrBuf *out = &w->body;
  const CudaChain *s = w->shape;
  Arena *arena = w->em.arena;
  int tile = s->tile, columns = columns_of(s->threads, tile);
  bool in = q->role == CHAIN_IN, near = in_block(w, &q->operand[0]);
  long long k = (long long)(in ? q->k : q->s), n = (long long)(in ? q->s : q->e);
  bool parts = k > LONG, edge = k % CHAIN_DEPTH != 0;
  const ChainBlock *c = chain_block_of(w, q->sum);
  const char *k_end = arena_printf(arena, "%lld", k), *n_end = arena_printf(arena, "%lld", n);
  const char *type = emit_var_type(&w->em);
  chain_line(out, "{\nconst int down = td_thread() / %d * %d, across = td_thread() %% %d * %d;",
             columns / MICRO, MICRO, columns / MICRO, MICRO);
  chain_line(out, "float *const left = (float *)(td_shared_memory() + %d);", CHAIN_ROOM);
  chain_line(out, "float *const right = left + %d;", CHAIN_DEPTH * (tile + PITCH));
  chain_line(out, "for (%s column0 = 0; column0 < %lld; column0 += %d) {", type, n, columns);
  chain_line(out, "float sum[%d][%d] = {{0}};", MICRO, MICRO);
  if (parts)
    chain_line(out, "float part[%d][%d] = {{0}}, over[%d][%d] = {{0}};", MICRO, MICRO, MICRO,
               MICRO);
  chain_line(out, "for (%s k0 = 0; k0 < %s; k0 += %d) {", type, k_end, CHAIN_DEPTH);
  if (!near) print_stage(w, q, 0, "left", tile, "0", "rows", k_end);
  print_stage(w, q, 1, "right", columns, "column0", n_end, k_end);
  chain_line(out, "td_barrier();");
  const char *terms = arena_printf(arena, "%d", CHAIN_DEPTH), *a;
  if (near) { /* rows that are none repeat the last one */
    const ChainBlock *x = chain_block_of(w, q->operand[0].node);
    if (edge)
      terms = arena_printf(arena, "(%s - k0 < %d ? %s - k0 : %d)", k_end, CHAIN_DEPTH, k_end,
                           CHAIN_DEPTH);
    a = arena_printf(arena, "%s[(down + i < rows ? down + i : rows - 1) * %lld + k0 + term]",
                     chain_block_name(w, q->operand[0].node), (long long)x->width);
  } else {
    a = arena_printf(arena, "left[term * %d + down + i]", tile + PITCH);
  }
  print_products(w, parts ? "part" : "sum", terms, a,
                 arena_printf(arena, "right[term * %d + across + i]", columns + PITCH));
  chain_line(out, "td_barrier();");
  if (parts) {
    chain_line(out, "if ((k0 / %d + 1) %% %d == 0) {", CHAIN_DEPTH, PART / CHAIN_DEPTH);
    print_parts(w);
    chain_line(out, "}");
  }
  chain_line(out, "}");
  if (parts) print_parts(w);
  chain_line(out,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++)",
             MICRO, MICRO);
  chain_line(out, "if (down + i < rows && column0 + across + j < %lld)", n);
  chain_line(out, "%s[(down + i) * %lld + column0 + across + j] = sum[i][j];\n}\n}",
             chain_block_name(w, q->sum), (long long)c->width);
}

/* ---- COLUMN ----------------------------------------------------------------------------- */

/* Tiles of [s, e]. */
static int down_of(const ChainWriter *w) { return w->shape->threads / 16 * MICRO; }
static int s_tiles(const ChainWriter *w, const ChainProduct *q) {
  return (int)ceil_div(q->s, down_of(w));
}
static int e_tiles(const ChainProduct *q) { return (int)ceil_div(q->e, CHAIN_SQUARE); }

void chain_fma_open(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  chain_line(&w->body, "float column_%d[%d][%d][%d][%d] = {{{{0}}}};", product, s_tiles(w, q),
             e_tiles(q), MICRO, MICRO);
}

void chain_fma_column(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  StrBuf *out = &w->body;
  Arena *arena = w->em.arena;
  const ChainBlock *x = chain_block_of(w, q->operand[0].node);
  const char *type = emit_var_type(&w->em);
  bool apart = w->c->rows > IN_ORDER;
  chain_line(out, "{\nconst int down = td_thread() / 16 * %d, across = td_thread() %% 16 * %d;",
             MICRO, MICRO);
  chain_line(out, "float *const right = (float *)(td_shared_memory() + %d);", CHAIN_ROOM);
  chain_line(out, "#pragma unroll\nfor (int e = 0; e < %d; e++) {", e_tiles(q));
  if (apart) chain_line(out, "float sum[%d][%d][%d] = {{{0}}};", s_tiles(w, q), MICRO, MICRO);
  chain_line(out, "for (%s k0 = 0; k0 < rows; k0 += %d) {", type, CHAIN_DEPTH);
  print_stage(w, q, 1, "right", CHAIN_SQUARE, arena_printf(arena, "e * %d", CHAIN_SQUARE),
              arena_printf(arena, "%lld", (long long)q->e), "rows");
  chain_line(out, "td_barrier();\n#pragma unroll\nfor (int s = 0; s < %d; s++) {", s_tiles(w, q));
  const char *at = arena_printf(arena, "s * %d + down + i", down_of(w));
  if (q->s % down_of(w)) /* columns that are none repeat the last one */
    at = arena_printf(arena, "(%s < %lld ? %s : %lld)", at, (long long)q->s, at,
                      (long long)q->s - 1);
  print_products(w, apart ? "sum[s]" : arena_printf(arena, "column_%d[s][e]", product),
                 arena_printf(arena, "(rows - k0 < %d ? rows - k0 : %d)", CHAIN_DEPTH, CHAIN_DEPTH),
                 arena_printf(arena, "%s[(k0 + term) * %lld + %s]",
                              chain_block_name(w, q->operand[0].node), (long long)x->width, at),
                 arena_printf(arena, "right[term * %d + across + i]", CHAIN_SQUARE + PITCH));
  chain_line(out, "}\ntd_barrier();\n}");
  if (apart)
    chain_line(out,
               "#pragma unroll\nfor (int s = 0; s < %d; s++)\n#pragma unroll\n"
               "for (int i = 0; i < %d; i++)\n#pragma unroll\n"
               "for (int j = 0; j < %d; j++) column_%d[s][e][i][j] += sum[s][i][j];",
               s_tiles(w, q), MICRO, MICRO, product);
  chain_line(out, "}\n}");
}

void chain_fma_close(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  const ChainBlock *c = chain_block_of(w, q->sum);
  StrBuf *out = &w->body;
  /* the flat index of s or e goes along the sum's innermost one */
  long long row = (long long)(q->turned ? c->count / q->e : c->count / q->s);
  chain_line(out, "{\nconst int down = td_thread() / 16 * %d, across = td_thread() %% 16 * %d;",
             MICRO, MICRO);
  chain_line(out,
             "#pragma unroll\nfor (int s = 0; s < %d; s++)\n#pragma unroll\n"
             "for (int e = 0; e < %d; e++)\n#pragma unroll\nfor (int i = 0; i < %d; i++)\n"
             "#pragma unroll\nfor (int j = 0; j < %d; j++) {",
             s_tiles(w, q), e_tiles(q), MICRO, MICRO);
  chain_line(out, "const int at = s * %d + down + i, of = e * %d + across + j;", down_of(w),
             CHAIN_SQUARE);
  chain_line(out, "if (at < %lld && of < %lld) %s[%s * %lld + %s] = column_%d[s][e][i][j];\n}\n}",
             (long long)q->s, (long long)q->e, chain_block_name(w, q->sum), q->turned ? "of" : "at",
             row, q->turned ? "at" : "of", product);
}
