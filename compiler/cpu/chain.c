/* SPDX-License-Identifier: MIT */
/* Chains of products: one function for all parts of a group (chain.h).
 *
 *   for each piece: a block of rows of one batch, or with COLUMN products a batch
 *     pack the Y of IN and ROW products, unless the piece before did
 *     for each block of rows
 *       program `before`: X of IN products that are no plain reads
 *       IN products: tiles into blocks [row][column] in scratch memory
 *       program `main`: row by row, from block to block
 *       ROW products; program `after`, which stores their results
 *       COLUMN products, added up over the blocks
 *     program `last`: stores what the COLUMN products gave
 *
 * Blocks depend on the extents alone, so every sum has one order of additions. */
#include "compiler/plan/chain.h"

#include <string.h>

enum {
  COLUMNS = 32,
  LANES = 16,
  TALLEST = 14, /* of a tile, over all targets; as in gemm_emit.c */
  GAP = 16,     /* floats between rows of a block: not all in the same sets of a cache */
  BLOCK_FLOATS = 96 * 1024, /* of all blocks, if they can: stay in the second cache */
  ROWS_MOST = 128,
  PIECES_WANTED = 16,
  DEPTH_WHOLE = 384,
  DEPTH_LIMIT = 256,  /* k up to here is one block, else blocks of */
  NEAR_STRIDE = 1040, /* floats between steps of k that tiles may read without packing */
  NARROW = 32,        /* rows, columns and steps of k that tiles of bf16 take at once */
  HELD_BYTES = 64
};

/* A value of the kernel in scratch memory. */
typedef struct Block {
  Node *node;
  const char *name; /* its memory */
  const char *row;  /* the current row's; NULL: it has no rows */
  int64_t width;    /* elements from row to row */
  int64_t count;    /* without rows: of all */
} Block;

typedef struct Writer {
  Emit em;
  Plan *p;
  Group *g;
  Chain *c;
  VEC(Block) blocks;
  ChainPacked *packed;                 /* Y of each product that keeps it */
  bool narrow;                         /* factors are rounded to bf16 */
  int64_t rows, row_blocks, last_rows; /* of a block */
  StrBuf locals;                       /* declarations at the top */
  StrBuf body;
  size_t scratch;
  int64_t packed_a, packed_b; /* bytes wanted */
  double flops;
} Writer;

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static void TD_PRINTF(2, 3) line(Writer *w, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(&w->body, fmt, ap);
  va_end(ap);
  sb_putc(&w->body, '\n');
}

static const char *num(Writer *w, int64_t x) {
  return arena_printf(w->em.arena, "%lld", (long long)x);
}

/* ---- blocks ---------------------------------------------------------------------------- */

static Block *block_of(Writer *w, const Node *n) {
  for (int i = 0; i < w->blocks.n; i++)
    if (w->blocks.at[i].node == n) return &w->blocks.at[i];
  return NULL;
}

static bool is_row_axis(const Writer *w, const Member *m, int d) {
  for (int k = 0; k < w->c->nrows; k++)
    if (m->rowvar[k] == d) return true;
  return m->node->shape[d] == 1;
}

/* Of a value with rows: what is left, row-major. */
static void add_row_block(Writer *w, Node *n) {
  const Member *m = chain_member(w->g, n);
  if (block_of(w, n)) return;
  EmitLocal local = {.node = n, .name = emit_name(&w->em, n->name)};
  int64_t count = 1;
  for (int d = n->rank - 1; d >= 0; d--) {
    if (is_row_axis(w, m, d)) continue;
    local.stride[d] = count;
    count *= n->shape[d];
  }
  Block b = {.node = n, .name = emit_name(&w->em, "block"), .row = local.name};
  b.width = count == 1 ? 1 : round_up(count, COLUMNS) + GAP;
  vec_push(w->em.arena, &w->em.locals, local);
  vec_push(w->em.arena, &w->blocks, b);
}

/* Of a batch: `lead` axes of these node variables, then `n` more, `width` from one to the next. */
static void add_batch_block(Writer *w, Node *node, const int *lead, int nlead, const int *more,
                            int nmore, int64_t width) {
  EmitLocal local = {.node = node, .name = emit_name(&w->em, node->name)};
  int64_t count = 1;
  for (int i = nmore - 1; i >= 0; i--) {
    local.stride[more[i]] = count;
    count *= node->shape[more[i]];
  }
  int64_t rows = 1;
  for (int i = nlead - 1; i >= 0; i--) {
    local.stride[lead[i]] = width * rows;
    rows *= node->shape[lead[i]];
  }
  Block b = {.node = node, .name = local.name, .count = width * round_up(rows, nlead ? NARROW : 1)};
  vec_push(w->em.arena, &w->em.locals, local);
  vec_push(w->em.arena, &w->blocks, b);
}

static int64_t padded(int64_t n) { return round_up(n, COLUMNS) + GAP; }

static void add_computed(Writer *w, Node *n) {
  const Member *m = chain_member(w->g, n);
  if (m->program != CHAIN_FRESH) {
    add_row_block(w, n);
    return;
  }
  int axis[IR_MAX_VARS], count = 0;
  for (int d = w->c->nbatch; d < n->rank; d++) axis[count++] = d;
  add_batch_block(w, n, NULL, 0, axis, count, ir_count(n) / w->c->batch);
}

typedef struct Crossing {
  Writer *w;
  const Member *reader;
} Crossing;

/* What another program reads must outlive its row. */
static void find_crossing(Node *read, void *ctx) {
  Crossing *x = ctx;
  const Member *m = chain_member(x->w->g, read);
  if (m && !m->stored && m->program != CHAIN_PRODUCT && m->program != x->reader->program)
    add_row_block(x->w, read);
}

static void find_blocks(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role != CHAIN_COLUMN)
      add_row_block(w, q->sum);
    else if (q->turned)
      add_batch_block(w, q->sum, q->evar, q->ne, q->svar, q->ns, padded(q->s));
    else
      add_batch_block(w, q->sum, q->svar, q->ns, q->evar, q->ne, padded(q->e));
    for (int side = 0; side < 2; side++)
      if (!q->operand[side].plain) add_computed(w, q->operand[side].node);
  }
  for (int i = 0; i < w->g->members.n; i++) {
    Crossing x = {w, &w->g->members.at[i]};
    if (x.reader->program != CHAIN_PRODUCT)
      ir_each_read(w->p->g, x.reader->node, find_crossing, &x);
  }
}

/* As many rows as the blocks may have, in blocks that make tall tiles. Few rows
 * read packed operands too often, and what COLUMN products add up too. */
static void choose_rows(Writer *w) {
  int64_t width = 0, rows = w->c->rows, best = 0, tile = w->narrow ? NARROW : TALLEST;
  for (int i = 0; i < w->blocks.n; i++) width += w->blocks.at[i].row ? w->blocks.at[i].width : 0;
  int64_t fewest_rows = w->c->columns ? 4 * TALLEST : 2 * TALLEST;
  int64_t limit = most(fewest_rows, least(ROWS_MOST, BLOCK_FLOATS / most(width, 1)));
  if (!w->c->columns) limit = most(fewest_rows, least(limit, rows * w->c->batch / PIECES_WANTED));
  if (w->narrow) limit = most(NARROW, limit / NARROW * NARROW);
  int64_t fewest = ceil_div(rows, limit);
  for (int64_t blocks = fewest; blocks < fewest + 4; blocks++) {
    int64_t n = ceil_div(rows, blocks), height = 100 * n / ceil_div(n, tile) - (blocks - fewest);
    if (height <= best) continue;
    best = height;
    w->rows = n;
  }
  w->row_blocks = ceil_div(rows, w->rows);
  w->last_rows = rows - (w->row_blocks - 1) * w->rows;
}

/* ---- scratch memory ------------------------------------------------------------------------ */

static void take(Writer *w, const char *type, const char *name, int64_t bytes) {
  if (bytes == 0) return;
  sb_printf(&w->locals, "%s *const %s = (%s *)(call->scratch + %zu);\n", type, name, type,
            w->scratch);
  w->scratch += (size_t)round_up(bytes, 64);
}

static void take_blocks(Writer *w) {
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    int64_t count = b->row ? round_up(w->rows, NARROW) * b->width : b->count;
    take(w, emit_ctype(b->node->type), b->name,
         (count + LANES) * (int64_t)td_type_size(plan_storage(b->node->type)));
  }
}

/* Packed factors are floats or bf16, with k rounded up to what tiles take at once. */
static const char *factor_type(const Writer *w) { return w->narrow ? "uint16_t" : "float"; }
static int64_t room_of(const Writer *w, int64_t k) { return w->narrow ? round_up(k, NARROW) : k; }

static int64_t packed_bytes(const Writer *w, const ChainPacked *b) {
  return round_up(b->columns, COLUMNS) * b->room * (w->narrow ? 2 : 4);
}

/* All of a block's rows, for the target whose tiles need most; with bf16 a strip of them. */
static void need_packed_a(Writer *w, int64_t rows, int64_t depth) {
  int64_t lines = most(ceil_div(rows, TALLEST) * LANES, ceil_div(rows, 6) * 8);
  lines = most(lines, ceil_div(rows, 4) * 4);
  w->packed_a = most(w->packed_a, w->narrow ? NARROW * round_up(depth, NARROW) * 2
                                            : lines * round_up(depth, LANES) * 4);
}

/* ---- programs --------------------------------------------------------------------- */

static void put_variables(Writer *w, StrBuf *out, const char *text, int from, int to,
                          const char *flat) {
  int64_t inner = 1;
  for (int k = to - 1; k >= from; k--) {
    if (emit_mentions(text, w->em.var[k])) {
      sb_printf(out, "const int64_t %s = (%s)", w->em.var[k], flat);
      if (inner > 1) sb_printf(out, " / %lld", (long long)inner);
      if (k > from) sb_printf(out, " %% %lld", (long long)w->g->row_extent[k]);
      sb_puts(out, ";\n");
    }
    inner *= w->g->row_extent[k];
  }
}

static void put_batch_program(Writer *w, int program) {
  double flops = 0;
  const char *text =
      emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch, &flops);
  if (*text) line(w, "{\n%s}", text);
  w->flops += flops;
}

static void put_row_program(Writer *w, int program) {
  const char *text =
      emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch, &w->flops);
  if (!*text) return;
  line(w, "for (int64_t r = 0; r < rows; r++) {");
  put_variables(w, &w->body, text, w->c->nbatch, w->c->nrows, "row0 + r");
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    if (b->row && emit_mentions(text, b->row))
      line(w, "%s *restrict const %s = %s + r * %lld;", emit_ctype(b->node->type), b->row, b->name,
           (long long)b->width);
  }
  line(w, "%s}", text);
}

/* ---- operands --------------------------------------------------------------------- */

/* An operand from row `outer0` and k `k0` on (C texts, or NULL: 0). */
static ChainMatrix matrix_of(Writer *w, const ChainProduct *q, int which, const char *outer0,
                             const char *k0) {
  const ChainOperand *o = &q->operand[which];
  StrBuf b = {0};
  ChainMatrix m = {.across = o->outer_stride, .along = o->k_stride};
  if (o->plain) {
    m.half = plan_type(w->p, o->node) == TD_BF16;
    sb_puts(&b, emit_pointer(&w->em, o->node, false));
    if (o->base->kind != E_INT || o->base->inum != 0)
      sb_printf(&b, " + (int64_t)(%s)", emit_value(&w->em, o->base, 0));
    for (int k = 0; k < w->c->nbatch; k++)
      if (o->batch_stride[k])
        sb_printf(&b, " + %lld * %s", (long long)o->batch_stride[k], w->em.var[k]);
  } else {
    const Block *block = block_of(w, o->node);
    bool by_row = which == 0 ? q->role != CHAIN_COLUMN : false;
    m.across = !block->row ? q->role == CHAIN_IN ? q->k : q->s : by_row ? block->width : 1;
    m.along = block->row && !by_row ? block->width : 1;
    sb_puts(&b, block->name);
    outer0 = block->row && by_row ? NULL : outer0;
    if (block->row && !by_row) k0 = NULL;
  }
  if (outer0) sb_printf(&b, " + %s * %lld", outer0, (long long)m.across);
  if (k0) sb_printf(&b, " + %s * %lld", k0, (long long)m.along);
  m.from = arena_strndup(w->em.arena, b.s, b.n);
  sb_free(&b);
  return m;
}

/* IN and ROW: a block of rows by k, times packed Y. */
static void put_row_product(Writer *w, const ChainProduct *q, const ChainPacked *packed) {
  bool in = q->role == CHAIN_IN;
  int64_t k = in ? q->k : q->s, columns = in ? q->s : q->e;
  bool many = k > DEPTH_WHOLE;
  int64_t depth =
      many ? round_up(ceil_div(k, ceil_div(k, DEPTH_LIMIT)), w->narrow ? NARROW : LANES) : k;
  const Block *c = block_of(w, q->sum);
  if (many) {
    line(w, "for (int64_t k0 = 0; k0 < %lld; k0 += %lld) {", (long long)k, (long long)depth);
    line(w, "const int64_t depth = %lld - k0 < %lld ? %lld - k0 : %lld;", (long long)k,
         (long long)depth, (long long)k, (long long)depth);
  }
  ChainTiles t = {.a = matrix_of(w, q, 0, "row0", many ? "k0" : NULL),
                  .rows = "rows",
                  .height = w->rows,
                  .last = w->last_rows,
                  .b = packed,
                  .k0 = many ? "k0" : "0",
                  .depth = many ? "depth" : num(w, k),
                  .whole = many ? 0 : k,
                  .c = c->name,
                  .c_stride = c->width,
                  .add = many ? "k0 > 0" : "0"};
  t.spare = arena_printf(w->em.arena, "%lld - row0", (long long)w->c->rows);
  need_packed_a(w, w->rows, depth);
  chain_tiles(&w->body, w->narrow, &t);
  if (many) line(w, "}");
  w->flops += 2.0 * (double)(w->c->batch * w->c->rows) * (double)(k * columns);
}

/* COLUMN: the wide block turned, times the block's rows of Y; onto what the blocks before gave. */
static void put_column_product(Writer *w, const ChainProduct *q) {
  const Block *c = block_of(w, q->sum);
  ChainMatrix x = matrix_of(w, q, 0, NULL, NULL), y = matrix_of(w, q, 1, NULL, "row0");
  int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
  ChainPacked b = {"packed_b", n, room_of(w, w->rows)};
  ChainTiles t = {.a = q->turned ? y : x,
                  .rows = num(w, m),
                  .height = m,
                  .last = m,
                  .spare = num(w, m),
                  .b = &b,
                  .k0 = "0",
                  .depth = "rows",
                  .c = c->name,
                  .c_stride = padded(n),
                  .add = "row0 > 0"};
  t.in_place = !w->narrow && !q->turned && x.along <= NEAR_STRIDE;
  chain_pack_b(&w->body, w->narrow, &b, q->turned ? x : y, "rows");
  w->packed_b = most(w->packed_b, packed_bytes(w, &b));
  if (!t.in_place) need_packed_a(w, m, w->rows);
  chain_tiles(&w->body, w->narrow, &t);
  w->flops += 2.0 * (double)(w->c->batch * w->c->rows) * (double)(m * n);
}

/* ---- the function ----------------------------------------------------------------- */

static void put_fresh(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    chain_pack_b(&w->body, w->narrow, &w->packed[i], matrix_of(w, q, 1, NULL, NULL),
                 num(w, q->role == CHAIN_IN ? q->k : q->s));
  }
}

static void put_block(Writer *w) {
  const Chain *c = w->c;
  put_row_program(w, CHAIN_BEFORE);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_IN) put_row_product(w, &c->products.at[i], &w->packed[i]);
  put_row_program(w, CHAIN_MAIN);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_ROW) put_row_product(w, &c->products.at[i], &w->packed[i]);
  put_row_program(w, CHAIN_AFTER);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_COLUMN) put_column_product(w, &c->products.at[i]);
}

static void put_piece(Writer *w) {
  line(w, "if (held->block != batch) {");
  put_batch_program(w, CHAIN_FRESH);
  put_fresh(w);
  line(w, "held->block = batch;\n}");
  if (w->c->columns)
    line(w, "for (int64_t row0 = 0; row0 < %lld; row0 += %lld) {", (long long)w->c->rows,
         (long long)w->rows);
  else
    line(w, "const int64_t row0 = piece %% %lld * %lld;", (long long)w->row_blocks,
         (long long)w->rows);
  line(w, "const int64_t rows = %lld - row0 < %lld ? %lld - row0 : %lld;", (long long)w->c->rows,
       (long long)w->rows, (long long)w->c->rows, (long long)w->rows);
  put_block(w);
  if (w->c->columns) line(w, "}");
  put_batch_program(w, CHAIN_LAST);
}

static void name_packed(Writer *w) {
  w->packed = NEWN(w->em.arena, ChainPacked, w->c->products.n + 1);
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    bool in = q->role == CHAIN_IN;
    w->packed[i] =
        (ChainPacked){emit_name(&w->em, "packed"), in ? q->s : q->e, room_of(w, in ? q->k : q->s)};
    take(w, factor_type(w), w->packed[i].name, packed_bytes(w, &w->packed[i]));
  }
}

static void finish(Writer *w, TdKernel *k) {
  StrBuf out = {0};
  take(w, factor_type(w), "packed_a", w->packed_a);
  take(w, factor_type(w), "packed_b", w->packed_b);
  sb_puts(&out, "{\n");
  emit_prologue(&w->em, &out);
  if (w->em.level[0].text.n) sb_write(&out, w->em.level[0].text.s, w->em.level[0].text.n);
  if (w->locals.n) sb_write(&out, w->locals.s, w->locals.n);
  sb_puts(&out,
          "TdHeld *const held = td_held(call);      /* the batch whose operands are packed */\n");
  if (w->narrow) sb_puts(&out, "td_narrow_open();\n");
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (w->c->columns)
    sb_puts(&out, "const int64_t batch = piece;\n");
  else
    sb_printf(&out, "const int64_t batch = piece / %lld;\n", (long long)w->row_blocks);
  put_variables(w, &out, w->body.s, 0, w->c->nbatch, "batch");
  sb_write(&out, w->body.s, w->body.n);
  sb_puts(&out, w->narrow ? "}\ntd_narrow_close();\n}\n" : "}\n}\n");
  k->source = arena_strndup(w->em.arena, out.s, out.n);
  k->launch.cpu.pieces = w->c->columns ? w->c->batch : w->c->batch * w->row_blocks;
  k->launch.cpu.scratch = w->scratch;
  k->parts = w->em.parts | (w->narrow ? PRELUDE_NARROW : PRELUDE_TILES);
  k->flops = w->flops;
  sb_free(&out);
  sb_free(&w->body);
  sb_free(&w->locals);
}

void emit_chain(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w = {
      .p = p, .g = g, .c = g->chain, .scratch = HELD_BYTES, .narrow = p->be->act == TD_BF16};
  Emit *em = &w.em;
  emit_begin(em, p, g);
  const RowPlan *rows = w.c->program[CHAIN_MAIN];
  for (int v = 0; v < w.c->nrows; v++) em->var[v] = emit_name(em, rows->row_axis[v]);
  find_blocks(&w);
  choose_rows(&w);
  take_blocks(&w);
  name_packed(&w);
  put_piece(&w);
  finish(&w, k);
  *note = arena_printf(p->arena, "%lld rows in blocks of %lld, %lld times", (long long)w.c->rows,
                       (long long)w.rows, (long long)w.c->batch);
  emit_arguments(em);
  emit_end(em);
}
