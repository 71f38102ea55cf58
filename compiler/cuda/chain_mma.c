/* SPDX-License-Identifier: MIT */
/* Products of a chain in bf16, on tensor cores: factors are rounded to bf16, sums are f32. Each
 * warp sums 16 rows by 32 columns of a tile at a time, or by 16.
 *
 *   IN, ROW   in steps of 32 terms: the operands of the step after the next are fetched, eight
 *             numbers at a time, by copies that nobody waits for yet or into registers; products
 *             of this step; registers -> staging memory, which has places for three steps
 *   COLUMN    by tiles of [s, e], a quarter of the threads x 64; each thread keeps its sums while
 *             the rows go by
 *
 * X that lies in shared memory goes from there to the registers, a pair at a time. Y is staged
 * as memory has it: rows of 32 terms, or rows of a tile's columns of one term each, which are
 * turned when they are loaded. Chunks of 16 bytes change places by their row, so that eight
 * rows of a chunk lie in different banks. */
#include "compiler/cuda/chain.h"
#include "compiler/ir/linear.h"

enum {
  CHUNK = 8,
  DEPTH = CUDA_MMA_DEPTH,
  OWN = 32,  /* columns of a warp */
  AHEAD = 2, /* steps that operands are fetched before they are multiplied */
  PLACES = AHEAD + 1
};

/* Columns of a warp: fewer where there are more warps, or not so many columns. */
static int own_of(int threads, int tile, int64_t n) {
  int warps = threads / CUDA_WARP / (tile / 16), own = threads > CUDA_BLOCK ? OWN / 2 : OWN;
  while (own > OWN / 2 && own / 2 * warps >= n) own /= 2;
  return own;
}

static int columns_of(int threads, int tile, int64_t n) {
  return own_of(threads, tile, n) * (threads / CUDA_WARP / (tile / 16));
}

size_t chain_mma_staged(int threads, int tile) {
  int columns = columns_of(threads, tile, INT64_MAX);
  return (size_t)(PLACES * (tile + columns) * DEPTH * 2);
}

/* ---- operands, eight numbers at a time -------------------------------------------------- */

typedef struct Stage {
  const ChainProduct *q;
  int which, width; /* operand; rows of it in the tile */
  bool terms;       /* rows of terms; else turned */
  bool copied;      /* chunks lie in memory as they are staged */
  const char *from; /* the tile's first row */
  const char *outer_end, *k_end;
} Stage;

static bool in_block(const ChainWriter *w, const ChainOperand *o) {
  return !o->plain && member_of(w->g, o->node)->program != CHAIN_FRESH;
}

static Stage stage_of(ChainWriter *w, const ChainProduct *q, int which, int width,
                      const char *from) {
  const ChainOperand *o = &q->operand[which];
  bool in = q->role == CHAIN_IN, column = q->role == CHAIN_COLUMN;
  bool terms = o->plain ? o->k_stride == 1 || o->outer_stride != 1 : !(column && in_block(w, o));
  Stage s = {.q = q,
             .which = which,
             .width = width,
             .terms = terms || which == 0,
             .from = from,
             .outer_end = "rows",
             .k_end = "rows"};
  if (which == 1) s.outer_end = arena_printf(w->em.arena, "%lld", (long long)(in ? q->s : q->e));
  if (!column) s.k_end = arena_printf(w->em.arena, "%lld", (long long)(in ? q->k : q->s));
  return s;
}

/* Is all but the index along which a chunk runs a multiple of so many elements, and is each chunk
 * inside or outside as a whole? */
static bool aligned(ChainWriter *w, const Stage *s, int64_t unit) {
  const ChainOperand *o = &s->q->operand[s->which];
  const Place *at = &plan_info(w->p, o->node)->place;
  const ChainRole role = s->q->role;
  int64_t along = s->terms ? o->k_stride : o->outer_stride;
  int64_t other = s->terms ? o->outer_stride : o->k_stride;
  int64_t extent = s->terms ? role == CHAIN_IN    ? s->q->k
                              : role == CHAIN_ROW ? s->q->s
                                                  : w->c->rows
                            : (role == CHAIN_IN ? s->q->s : s->q->e);
  Linear base;
  linear_init(&base);
  bool fits = along == 1 && other % unit == 0 && extent % CHUNK == 0 && at->offset % unit == 0 &&
              linear_add(&base, o->base, 1) && base.constant % unit == 0;
  if (role == CHAIN_COLUMN && s->terms) fits = fits && w->shape->rows % CHUNK == 0;
  for (int i = 0; i < base.n; i++) fits = fits && base.term[i].coef % unit == 0;
  for (int i = 0; i < TD_MAX_LOOPS; i++) fits = fits && at->stride[i] % unit == 0;
  for (int k = 0; k < w->c->nbatch; k++) fits = fits && o->batch_stride[k] % unit == 0;
  return fits;
}

/* `chunk` at outer0, term0. */
static const char *chunk_text(ChainWriter *w, const Stage *s) {
  const ChainOperand *o = &s->q->operand[s->which];
  StrBuf out = {0};
  bool half = o->plain && plan_type(w->p, o->node) == TD_BF16;
  const char *type = emit_var_type(&w->em);
  chain_line(&out, "td_chunk chunk = {{0, 0, 0, 0}};");
  if (o->plain && aligned(w, s, half ? CHUNK : CHUNK / 2)) {
    chain_line(&out, "if (outer0 < %s && term0 < %s) {", s->outer_end, s->k_end);
    chain_line(&out, "const %s outer = outer0, k = term0;", type);
    const char *at = chain_address(w, s->q, s->which);
    chain_line(
        &out, half ? "chunk = *(const td_chunk *)&%s;\n}" : "chunk = td_narrow_chunk(&%s);\n}", at);
    return chain_take(w, &out);
  }
  ChainElement e = chain_element(w, s->q, s->which);
  chain_line(&out, "unsigned long long low = 0, high = 0;\n#pragma unroll %d",
             *e.before ? 1 : CHUNK);
  chain_line(&out, "for (int c = 0; c < %d; c++) {\nconst %s %s;", CHUNK, type,
             s->terms ? "outer = outer0, k = term0 + c" : "outer = outer0 + c, k = term0");
  chain_line(&out, "float value = 0.0f;\nif (outer < %s && k < %s) {", s->outer_end, s->k_end);
  chain_line(&out, "%svalue = %s;\n}", e.before, e.value);
  chain_line(&out, "low = low >> 16 | high << 48;\n"
                   "high = high >> 16 | (unsigned long long)td_narrow(value) << 48;\n}\n"
                   "chunk = td_chunk_of(low, high);");
  return chain_take(w, &out);
}

static bool is_copied(ChainWriter *w, const Stage *s) {
  const ChainOperand *o = &s->q->operand[s->which];
  return o->plain && plan_type(w->p, o->node) == TD_BF16 && aligned(w, s, CHUNK);
}

/* The chunk of a row that stands at `place`. */
static const char *moved(ChainWriter *w, const Stage *s, const char *row, const char *place) {
  return s->terms ? arena_printf(w->em.arena, "(%s) * %d + ((%s) ^ ((%s) >> 1 & 3))", row,
                                 DEPTH / CHUNK, place, row)
                  : arena_printf(w->em.arena, "(%s) * %d + ((%s) ^ ((%s) & 7))", row,
                                 s->width / CHUNK, place, row);
}

static int chunks_of(const Stage *s) { return s->width * DEPTH / CHUNK; }
static int rounds_of(const ChainWriter *w, const Stage *s) {
  return (int)ceil_div(chunks_of(s), w->shape->threads);
}

/* for (this thread's chunks) { at, row, place */
static void open_chunks(ChainWriter *w, const Stage *s) {
  int row = s->terms ? DEPTH / CHUNK : s->width / CHUNK;
  chain_line(&w->body, "#pragma unroll\nfor (int i = 0; i < %d; i++) {", rounds_of(w, s));
  chain_line(&w->body, "const int at = td_thread() + i * %d;", w->shape->threads);
  chain_line(&w->body, "const int row = at / %d, place = at %% %d;", row, row);
}

static void open_place(ChainWriter *w, const Stage *s) {
  open_chunks(w, s);
  if (chunks_of(s) % w->shape->threads) chain_line(&w->body, "if (at < %d) {", chunks_of(s));
}

static void close_place(ChainWriter *w, const Stage *s) {
  chain_line(&w->body, chunks_of(s) % w->shape->threads ? "}\n}" : "}");
}

static void print_first(ChainWriter *w, const Stage *s) {
  chain_line(&w->body,
             s->terms ? "const %s outer0 = %s + row, term0 = k0 + place * %d;"
                      : "const %s outer0 = %s + place * %d, term0 = k0 + row;",
             emit_var_type(&w->em), s->from, CHUNK);
}

/* The operand's part of a step into registers, */
static void print_fetch(ChainWriter *w, const Stage *s, const char *name) {
  const char *text = chunk_text(w, s);
  open_place(w, s);
  print_first(w, s);
  chain_line(&w->body, "%s%s_next[i] = chunk;", text, name);
  close_place(w, s);
}

/* from there to its place, */
static void print_keep(ChainWriter *w, const Stage *s, const char *name, const char *half) {
  open_place(w, s);
  chain_line(&w->body, "%s[%s * %d + %s] = %s_next[i];", name, half, chunks_of(s),
             moved(w, s, "row", "place"), name);
  close_place(w, s);
}

/* or there without waiting. */
static void print_copy(ChainWriter *w, const Stage *s, const char *name, const char *half) {
  const char *address = chain_address(w, s->q, s->which), *type = emit_var_type(&w->em);
  open_place(w, s);
  print_first(w, s);
  chain_line(&w->body, "td_chunk *const to = &%s[%s * %d + %s];", name, half, chunks_of(s),
             moved(w, s, "row", "place"));
  chain_line(&w->body, "const td_chunk none = {{0, 0, 0, 0}};");
  chain_line(&w->body, "if (outer0 < %s && term0 < %s) {", s->outer_end, s->k_end);
  chain_line(&w->body, "const %s outer = outer0, k = term0;\ntd_copy_async(to, &%s);", type,
             address);
  chain_line(&w->body, "} else {\n*to = none;\n}");
  close_place(w, s);
}

static void print_next(ChainWriter *w, const Stage *s, const char *name, const char *half) {
  if (s->copied)
    print_copy(w, s, name, half);
  else
    print_fetch(w, s, name);
}

/* ---- fragments -------------------------------------------------------------------------- */

/* 16 rows of left, or 16 columns of right, from term kk on: four 8 x 8 matrices, in the order in
 * which the multiplication wants them. Lane l names row l % 8 of matrix l / 8. */
static void print_fragment(ChainWriter *w, const Stage *s, const char *name, const char *into,
                           const char *from, const char *half) {
  bool a = s->which == 0;
  const char *outer = a ? "(lane >> 3 & 1)" : "(lane >> 4)",
             *term = a ? "(lane >> 4)" : "(lane >> 3 & 1)", *row, *place;
  Arena *arena = w->em.arena;
  if (s->terms) {
    row = arena_printf(arena, "%s + (lane & 7) + %s * 8", from, outer);
    place = arena_printf(arena, "kk / 8 + %s", term);
  } else {
    row = arena_printf(arena, "kk + (lane & 7) + %s * 8", term);
    place = arena_printf(arena, "(%s) / 8 + %s", from, outer);
  }
  chain_line(&w->body, "{\nconst int row = %s;", row);
  chain_line(&w->body, "td_ldmatrix4%s(%s, &%s[%s * %d + %s]);\n}", s->terms ? "" : "_turned", into,
             name, half, chunks_of(s), moved(w, s, "row", place));
}

/* Fragment a out of a block of f32 [row][column]: element (m, k) of it at value(m, k). A pair
 * of a register is two terms. */
static void print_pairs(ChainWriter *w, const char *low, const char *high) {
  chain_line(&w->body, "uint32_t a[4];\n#pragma unroll\nfor (int i = 0; i < 4; i++) {");
  chain_line(&w->body,
             "const int m = i %% 2 * 8 + lane / 4, k = k0 + kk + i / 2 * 8 + lane %% 4 * 2;");
  chain_line(&w->body, "a[i] = td_narrow_pair(%s, %s);\n}", low, high);
}

static void print_columns(ChainWriter *w, const Stage *right, int own, const char *half,
                          const char *from, const char *into) {
  chain_line(&w->body, "#pragma unroll\nfor (int j = 0; j < %d; j += 2) {\nuint32_t b[4];",
             own / 8);
  print_fragment(w, right, "right", "b", arena_printf(w->em.arena, "%s + j * 8", from), half);
  chain_line(&w->body, "td_mma_bf16(%s[j], a, b);\ntd_mma_bf16(%s[j + 1], a, b + 2);\n}", into,
             into);
}

/* ---- IN and ROW ------------------------------------------------------------------------- */

static void print_left(ChainWriter *w, const Stage *left, bool near, long long k, const char *now) {
  Arena *arena = w->em.arena;
  if (!near) {
    chain_line(&w->body, "uint32_t a[4];");
    print_fragment(w, left, "left", "a", "down", now);
    return;
  }
  const ChainBlock *x = chain_block_of(w, left->q->operand[0].node);
  const char *row = arena_printf(arena, "%s[(down + m < rows ? down + m : rows - 1) * %lld + k",
                                 chain_block_name(w, x->node), (long long)x->width);
  if (k % DEPTH == 0)
    print_pairs(w, arena_printf(arena, "%s]", row), arena_printf(arena, "%s + 1]", row));
  else
    print_pairs(w, arena_printf(arena, "k < %lld ? %s] : 0.0f", k, row),
                arena_printf(arena, "k + 1 < %lld ? %s + 1] : 0.0f", k, row));
}

void chain_mma_row(ChainWriter *w, const ChainProduct *q) {
  StrBuf *out = &w->body;
  Arena *arena = w->em.arena;
  int tile = w->shape->tile, threads = w->shape->threads;
  bool in = q->role == CHAIN_IN, near = in_block(w, &q->operand[0]);
  long long k = (long long)(in ? q->k : q->s), n = (long long)(in ? q->s : q->e);
  long long steps = (k + DEPTH - 1) / DEPTH;
  int own = own_of(threads, tile, n), columns = columns_of(threads, tile, n),
      across = columns / own;
  const ChainBlock *c = chain_block_of(w, q->sum);
  const char *type = emit_var_type(&w->em);
  Stage left = stage_of(w, q, 0, tile, "0"), right = stage_of(w, q, 1, columns, "column0");
  left.copied = is_copied(w, &left);
  right.copied = is_copied(w, &right);
  chain_line(out, "{\nconst int warp = td_thread() / 32, lane = td_thread() %% 32;");
  chain_line(out, "const int down = warp / %d * 16, across = warp %% %d * %d;", across, across,
             own);
  chain_line(out, "td_chunk *const left = (td_chunk *)(td_shared_memory() + %d);", CHAIN_ROOM);
  chain_line(out, "td_chunk *const right = left + %d;", near ? 0 : PLACES * chunks_of(&left));
  chain_line(out, "#pragma unroll 1\nfor (%s column0 = 0; column0 < %lld; column0 += %d) {", type,
             n, columns);
  chain_line(out, "float sum[%d][4] = {{0}};", own / 8);
  if (!near && !left.copied) chain_line(out, "td_chunk left_next[%d];", rounds_of(w, &left));
  if (!right.copied) chain_line(out, "td_chunk right_next[%d];", rounds_of(w, &right));
  chain_line(out,
             "#pragma unroll 1\nfor (int step = -%d; step < %lld; step++) {\n"
             "if (step + %d < %lld) {",
             AHEAD, steps, AHEAD, steps);
  chain_line(out, "const %s k0 = (step + %d) * %d;", type, AHEAD, DEPTH);
  const char *next = arena_printf(arena, "(step + %d) %% %d", AHEAD, PLACES),
             *now = arena_printf(arena, "step %% %d", PLACES);
  if (!near) print_next(w, &left, "left", next);
  print_next(w, &right, "right", next);
  chain_line(out, "}");
  bool copies = right.copied || (!near && left.copied);
  if (copies) chain_line(out, "td_commit();");
  chain_line(out, "if (step >= 0) {");
  if (near) chain_line(out, "const %s k0 = step * %d;", type, DEPTH);
  chain_line(out, "#pragma unroll\nfor (int kk = 0; kk < %d; kk += 16) {", DEPTH);
  print_left(w, &left, near, k, now);
  print_columns(w, &right, own, now, "across", "sum");
  chain_line(out, "}\n}");
  if ((!near && !left.copied) || !right.copied) {
    chain_line(out, "if (step + %d < %lld) {", AHEAD, steps);
    if (!near && !left.copied) print_keep(w, &left, "left", next);
    if (!right.copied) print_keep(w, &right, "right", next);
    chain_line(out, "}");
  }
  if (copies) chain_line(out, "td_wait(%d);", AHEAD - 1);
  chain_line(out, "td_barrier();\n}");
  chain_line(out,
             "#pragma unroll\nfor (int j = 0; j < %d; j++)\n#pragma unroll\n"
             "for (int e = 0; e < 4; e++) {",
             own / 8);
  chain_line(out, "const int m = down + lane / 4 + e / 2 * 8, n = column0 + across + j * 8 + "
                  "lane %% 4 * 2 + e %% 2;");
  chain_line(out, "if (m < rows && n < %lld) %s[m * %lld + n] = sum[j][e];\n}\n}\n}", n,
             chain_block_name(w, q->sum), (long long)c->width);
}

/* ---- COLUMN ----------------------------------------------------------------------------- */

/* Tiles of [s, e]. */
static int down_of(const ChainWriter *w) { return w->shape->threads / CUDA_WARP / 2 * 16; }
static int s_tiles(const ChainWriter *w, const ChainProduct *q) {
  return (int)ceil_div(q->s, down_of(w));
}
static int e_tiles(const ChainProduct *q) { return (int)ceil_div(q->e, CHAIN_SQUARE); }

void chain_mma_open(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  chain_line(&w->body, "float column_%d[%d][%d][%d][4] = {{{{0}}}};", product, s_tiles(w, q),
             e_tiles(q), OWN / 8);
}

void chain_mma_column(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  StrBuf *out = &w->body;
  Arena *arena = w->em.arena;
  const ChainBlock *x = chain_block_of(w, q->operand[0].node);
  bool whole = w->c->rows % w->shape->rows == 0 && w->shape->rows % DEPTH == 0;
  Stage right = stage_of(w, q, 1, CHAIN_SQUARE, arena_printf(arena, "e * %d", CHAIN_SQUARE));
  chain_line(out, "{\nconst int warp = td_thread() / 32, lane = td_thread() %% 32;");
  chain_line(out, "const int down = warp / 2 * 16, across = warp %% 2 * %d;", OWN);
  chain_line(out, "td_chunk *const right = (td_chunk *)(td_shared_memory() + %d);", CHAIN_ROOM);
  chain_line(out, "#pragma unroll\nfor (int e = 0; e < %d; e++)", e_tiles(q));
  chain_line(out,
             "#pragma unroll 1\nfor (%s k0 = 0; k0 < rows; k0 += %d) {\ntd_chunk right_next[%d];",
             emit_var_type(&w->em), DEPTH, rounds_of(w, &right));
  print_fetch(w, &right, "right");
  print_keep(w, &right, "right", "0");
  chain_line(out,
             "td_barrier();\n#pragma unroll\nfor (int kk = 0; kk < %d; kk += 16)\n"
             "#pragma unroll\nfor (int s = 0; s < %d; s++) {",
             DEPTH, s_tiles(w, q));
  const char *at = arena_printf(arena, "s * %d + down + m", down_of(w));
  if (q->s % down_of(w)) /* columns that are none repeat the last one */
    at = arena_printf(arena, "(%s < %lld ? %s : %lld)", at, (long long)q->s, at,
                      (long long)q->s - 1);
  const char *value = arena_printf(arena, "%s[k * %lld + %s]", chain_block_name(w, x->node),
                                   (long long)x->width, at),
             *next = arena_printf(arena, "%s[(k + 1) * %lld + %s]", chain_block_name(w, x->node),
                                  (long long)x->width, at);
  if (whole)
    print_pairs(w, value, next);
  else
    print_pairs(w, arena_printf(arena, "k < rows ? %s : 0.0f", value),
                arena_printf(arena, "k + 1 < rows ? %s : 0.0f", next));
  print_columns(w, &right, OWN, "0", "across", arena_printf(arena, "column_%d[s][e]", product));
  chain_line(out, "}\ntd_barrier();\n}\n}");
}

void chain_mma_close(ChainWriter *w, int product) {
  const ChainProduct *q = &w->c->products.at[product];
  const ChainBlock *c = chain_block_of(w, q->sum);
  StrBuf *out = &w->body;
  long long row = (long long)(q->turned ? c->count / q->e : c->count / q->s);
  chain_line(out, "{\nconst int warp = td_thread() / 32, lane = td_thread() %% 32;");
  chain_line(out, "const int down = warp / 2 * 16, across = warp %% 2 * %d;", OWN);
  chain_line(out,
             "#pragma unroll\nfor (int s = 0; s < %d; s++)\n#pragma unroll\n"
             "for (int e = 0; e < %d; e++)\n#pragma unroll\nfor (int j = 0; j < %d; j++)\n"
             "#pragma unroll\nfor (int i = 0; i < 4; i++) {",
             s_tiles(w, q), e_tiles(q), OWN / 8);
  chain_line(out, "const int at = s * %d + down + lane / 4 + i / 2 * 8;", down_of(w));
  chain_line(out, "const int of = e * %d + across + j * 8 + lane %% 4 * 2 + i %% 2;", CHAIN_SQUARE);
  chain_line(out, "if (at < %lld && of < %lld) %s[%s * %lld + %s] = column_%d[s][e][j][i];\n}\n}",
             (long long)q->s, (long long)q->e, chain_block_name(w, q->sum), q->turned ? "of" : "at",
             row, q->turned ? "at" : "of", product);
}
