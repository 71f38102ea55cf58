/* SPDX-License-Identifier: MIT */
/* Products of a chain in f32, on the multipliers of every thread, which sums four by four of
 * a tile, or four by fewer columns where there are not so many. Y goes through shared memory, term
 * by term, and X if it does not lie there already:
 *
 *     IN, ROW   a block's rows (16, 32 or 64 of a tile) by as many columns as the threads take;
 *               what the next terms read is on its way while those before are multiplied
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

static int columns_of(int threads, int tile, int own) { return threads * MICRO * own / tile; }

/* Columns of a thread: no more than there are for it. */
static int own_of(int threads, int tile, int64_t n) {
  int own = MICRO;
  while (own > 1 && columns_of(threads, tile, own / 2) >= n) own /= 2;
  return own;
}

size_t chain_fma_staged(int threads, int tile) {
  int in = tile + PITCH + columns_of(threads, tile, MICRO) + PITCH, column = CHAIN_SQUARE + PITCH;
  return (size_t)(CHAIN_DEPTH * (in > column ? in : column)) * sizeof(float);
}

/* Some terms of an operand, and where they are staged: name[term][at]; 0 beyond the edges. */
typedef struct Stage {
  const ChainProduct *q;
  int which, width;
  const char *name, *from, *outer_end, *k_end, *k0;
} Stage;

static int rounds_of(const ChainWriter *w, const Stage *s) {
  return (int)ceil_div(s->width * CHAIN_DEPTH, w->shape->threads);
}

/* for (a thread's numbers) { at, term */
static void open_stage(ChainWriter *w, const Stage *s, bool along_terms) {
  StrBuf *out = &w->body;
  chain_line(out, "#pragma unroll\nfor (int u = 0; u < %d; u++) {", rounds_of(w, s));
  chain_line(out, "const int i = td_thread() + u * %d;", w->shape->threads);
  if (along_terms)
    chain_line(out, "const int at = i / %d, term = i %% %d;", CHAIN_DEPTH, CHAIN_DEPTH);
  else
    chain_line(out, "const int at = i %% %d, term = i / %d;", s->width, s->width);
  if (s->width * CHAIN_DEPTH % w->shape->threads)
    chain_line(out, "if (i >= %d) break;", s->width * CHAIN_DEPTH);
}

/* Into registers; true: neighbours in k lie side by side. */
static bool print_fetch(ChainWriter *w, const Stage *s) {
  ChainElement e = chain_element(w, s->q, s->which);
  StrBuf *out = &w->body;
  open_stage(w, s, e.along_terms);
  chain_line(out, "const %s outer = %s + at, k = %s + term;", emit_var_type(&w->em), s->from,
             s->k0);
  chain_line(out, "float value = 0.0f;\nif (outer < %s && k < %s) {", s->outer_end, s->k_end);
  chain_line(out, "%svalue = %s;\n}", e.before, e.value);
  chain_line(out, "%s_next[u] = value;\n}", s->name);
  return e.along_terms;
}

/* From there to their places. */
static void print_keep(ChainWriter *w, const Stage *s, bool along_terms) {
  open_stage(w, s, along_terms);
  chain_line(&w->body, "%s[term * %d + at] = %s_next[u];\n}", s->name, s->width + PITCH, s->name);
}

static bool in_block(const ChainWriter *w, const ChainOperand *o) {
  return !o->plain && member_of(w->g, o->node)->program != CHAIN_FRESH;
}

/* a[i] times b[j], a thread's four rows by its columns */
static void print_sums(ChainWriter *w, const char *into, int own, const char *left,
                       const char *right) {
  chain_line(&w->body,
             "float a[%d], b[%d];\n#pragma unroll\nfor (int i = 0; i < %d; i++) a[i] = %s;\n"
             "#pragma unroll\nfor (int i = 0; i < %d; i++) b[i] = %s;",
             MICRO, own, MICRO, left, own, right);
  chain_line(&w->body,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++) %s[i][j] += a[i] * b[j];",
             MICRO, own, into);
}

static void print_products(ChainWriter *w, const char *into, int own, const char *terms,
                           const char *left, const char *right) {
  chain_line(&w->body, "for (int term = 0; term < %s; term++) {", terms);
  print_sums(w, into, own, left, right);
  chain_line(&w->body, "}");
}

/* Of an X that lies in shared memory four terms of a row at a time: `row` is where row i begins. */
static void print_products_of_rows(ChainWriter *w, const char *into, int own, const char *row,
                                   const char *right) {
  chain_line(&w->body,
             "#pragma unroll\nfor (int term0 = 0; term0 < %d; term0 += 4) {\ntd_quad x[%d];\n"
             "#pragma unroll\nfor (int i = 0; i < %d; i++) x[i] = *(const td_quad *)&%s + term0];",
             CHAIN_DEPTH, MICRO, MICRO, row);
  chain_line(&w->body,
             "#pragma unroll\nfor (int t = 0; t < 4; t++) {\nconst int term = term0 + t;");
  print_sums(w, into, own, "x[i].at[t]", right);
  chain_line(&w->body, "}\n}");
}

static void print_parts(ChainWriter *w, int own) {
  chain_line(&w->body,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++) {\ntd_add_long(&sum[i][j], &over[i][j], part[i][j]);\n"
             "part[i][j] = 0.0f;\n}",
             MICRO, own);
}

void chain_fma_row(ChainWriter *w, const ChainProduct *q) {
  StrBuf *out = &w->body;
  const CudaChain *s = w->shape;
  Arena *arena = w->em.arena;
  bool in = q->role == CHAIN_IN, near = in_block(w, &q->operand[0]);
  long long k = (long long)(in ? q->k : q->s), n = (long long)(in ? q->s : q->e);
  int tile = s->tile, own = own_of(s->threads, tile, n);
  int columns = columns_of(s->threads, tile, own);
  bool parts = k > LONG, edge = k % CHAIN_DEPTH != 0;
  const ChainBlock *c = chain_block_of(w, q->sum);
  const char *k_end = arena_printf(arena, "%lld", k), *n_end = arena_printf(arena, "%lld", n);
  const char *type = emit_var_type(&w->em), *into = parts ? "part" : "sum";
  Stage left = {q, 0, tile, "left", "0", "rows", k_end, "k0"},
        right = {q, 1, columns, "right", "column0", n_end, k_end, "k0"};
  chain_line(out, "{\nconst int down = td_thread() / %d * %d, across = td_thread() %% %d * %d;",
             columns / own, MICRO, columns / own, own);
  chain_line(out, "float *const left = (float *)(td_shared_memory() + %d);", CHAIN_ROOM);
  chain_line(out, "float *const right = left + %d;", CHAIN_DEPTH * (tile + PITCH));
  chain_line(out, "#pragma unroll 1\nfor (%s column0 = 0; column0 < %lld; column0 += %d) {", type,
             n, columns);
  chain_line(out, "float sum[%d][%d] = {{0}};", MICRO, own);
  if (parts)
    chain_line(out, "float part[%d][%d] = {{0}}, over[%d][%d] = {{0}};", MICRO, own, MICRO, own);
  if (!near) chain_line(out, "float left_next[%d];", rounds_of(w, &left));
  chain_line(out, "float right_next[%d];", rounds_of(w, &right));
  /* the terms at k0 are staged, the next ones fetched, those at k0 multiplied */
  chain_line(out, "#pragma unroll 1\nfor (%s ahead = 0; ahead < %s + %d; ahead += %d) {", type,
             k_end, CHAIN_DEPTH, CHAIN_DEPTH);
  left.k0 = right.k0 = "ahead";
  bool left_along = false, right_along = false;
  StrBuf before = w->body;
  w->body = (StrBuf){0};
  if (!near) left_along = print_fetch(w, &left);
  right_along = print_fetch(w, &right);
  const char *fetch = chain_take(w, &w->body);
  w->body = before;
  chain_line(out, "if (ahead > 0) {");
  if (!near) print_keep(w, &left, left_along);
  print_keep(w, &right, right_along);
  chain_line(out, "td_barrier();\n}\nif (ahead < %s) {\n%s}\nif (ahead > 0) {", k_end, fetch);
  chain_line(out, "const %s k0 = ahead - %d;", type, CHAIN_DEPTH);
  const char *terms = arena_printf(arena, "%d", CHAIN_DEPTH), *a;
  const char *b = arena_printf(arena, "right[term * %d + across + i]", columns + PITCH);
  if (near) { /* rows that are none repeat the last one */
    const ChainBlock *x = chain_block_of(w, q->operand[0].node);
    if (edge)
      terms = arena_printf(arena, "(%s - k0 < %d ? %s - k0 : %d)", k_end, CHAIN_DEPTH, k_end,
                           CHAIN_DEPTH);
    a = arena_printf(arena, "%s[(down + i < rows ? down + i : rows - 1) * %lld + k0",
                     chain_block_name(w, q->operand[0].node), (long long)x->width);
    if (edge || x->width % 4 != 0)
      print_products(w, into, own, terms, arena_printf(arena, "%s + term]", a), b);
    else
      print_products_of_rows(w, into, own, a, b);
  } else {
    print_products(w, into, own, terms,
                   arena_printf(arena, "left[term * %d + down + i]", tile + PITCH), b);
  }
  chain_line(out, "td_barrier();");
  if (parts) {
    chain_line(out, "if ((k0 / %d + 1) %% %d == 0) {", CHAIN_DEPTH, PART / CHAIN_DEPTH);
    print_parts(w, own);
    chain_line(out, "}");
  }
  chain_line(out, "}\n}");
  if (parts) print_parts(w, own);
  chain_line(out,
             "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n"
             "for (int j = 0; j < %d; j++)",
             MICRO, own);
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
  Stage right = {q,
                 1,
                 CHAIN_SQUARE,
                 "right",
                 arena_printf(arena, "e * %d", CHAIN_SQUARE),
                 arena_printf(arena, "%lld", (long long)q->e),
                 "rows",
                 "k0"};
  chain_line(out, "float right_next[%d];", rounds_of(w, &right));
  print_keep(w, &right, print_fetch(w, &right));
  chain_line(out, "td_barrier();\n#pragma unroll\nfor (int s = 0; s < %d; s++) {", s_tiles(w, q));
  const char *at = arena_printf(arena, "s * %d + down + i", down_of(w));
  if (q->s % down_of(w)) /* columns that are none repeat the last one */
    at = arena_printf(arena, "(%s < %lld ? %s : %lld)", at, (long long)q->s, at,
                      (long long)q->s - 1);
  print_products(w, apart ? "sum[s]" : arena_printf(arena, "column_%d[s][e]", product), MICRO,
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
