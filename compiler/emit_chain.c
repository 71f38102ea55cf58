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
#include "compiler/chain.h"

#include <string.h>

enum {
  COLUMNS = 32, LANES = 16, TALLEST = 14,   /* of a tile, over all targets; as in contract_emit.c */
  GAP = 16,                              /* floats between rows of a block: not all in the same sets of a cache */
  BLOCK_FLOATS = 96 * 1024,              /* of all blocks: stay in the second cache */
  ROWS_MOST = 128,
  PIECES_WANTED = 16,
  DEPTH_WHOLE = 384, DEPTH_LIMIT = 256,  /* k up to here is one block, else blocks of */
  NEAR_STRIDE = 1040,                    /* floats between steps of k that tiles may read without packing */
  HELD_BYTES = 64
};

/* A value of the kernel in scratch memory. */
typedef struct Block {
  Node       *node;
  const char *name;                      /* its memory */
  const char *row;                       /* the current row's; NULL: it has no rows */
  int64_t     width;                     /* elements from row to row */
  int64_t     count;                     /* without rows: of all */
} Block;

typedef struct Writer {
  Emit    em;
  Plan   *p;
  Group  *g;
  Chain  *c;
  VEC(Block) blocks;
  const char **packed;                   /* Y of each product that keeps it */
  int64_t rows, row_blocks, last_rows;   /* of a block */
  StrBuf  locals;                        /* declarations at the top */
  StrBuf  body;
  size_t  scratch;
  int64_t packed_a, packed_b;            /* floats wanted */
  double  flops;
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

static const char *num(Writer *w, int64_t x) { return arena_printf(w->em.arena, "%lld", (long long)x); }

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
static void add_batch_block(Writer *w, Node *node, const int *lead, int nlead, const int *more, int nmore, int64_t width) {
  EmitLocal local = {.node = node, .name = emit_name(&w->em, node->name)};
  int64_t count = 1;
  for (int i = nmore - 1; i >= 0; i--) {
    local.stride[more[i]] = count;
    count *= node->shape[more[i]];
  }
  for (int i = nlead - 1; i >= 0; i--) {
    local.stride[lead[i]] = width;
    width *= node->shape[lead[i]];
  }
  Block b = {.node = node, .name = local.name, .count = width};
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

typedef struct Crossing { Writer *w; const Member *reader; } Crossing;

/* What another program reads must outlive its row. */
static void find_crossing(Node *read, void *ctx) {
  Crossing *x = ctx;
  const Member *m = chain_member(x->w->g, read);
  if (m && !m->stored && m->program != CHAIN_PRODUCT && m->program != x->reader->program) add_row_block(x->w, read);
}

static void find_blocks(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role != CHAIN_COLUMN) add_row_block(w, q->sum);
    else if (q->turned) add_batch_block(w, q->sum, q->evar, q->ne, q->svar, q->ns, padded(q->s));
    else add_batch_block(w, q->sum, q->svar, q->ns, q->evar, q->ne, padded(q->e));
    for (int side = 0; side < 2; side++)
      if (!q->operand[side].plain) add_computed(w, q->operand[side].node);
  }
  for (int i = 0; i < w->g->members.n; i++) {
    Crossing x = {w, &w->g->members.at[i]};
    if (x.reader->program != CHAIN_PRODUCT) ir_each_read(w->p->g, x.reader->node, find_crossing, &x);
  }
}

/* As many rows as the blocks may have, in blocks that make tall tiles. */
static void choose_rows(Writer *w) {
  int64_t width = 0, rows = w->c->rows, best = 0;
  for (int i = 0; i < w->blocks.n; i++) width += w->blocks.at[i].row ? w->blocks.at[i].width : 0;
  int64_t limit = most(TALLEST, least(ROWS_MOST, BLOCK_FLOATS / most(width, 1)));
  if (!w->c->columns) limit = most(TALLEST, least(limit, rows * w->c->batch / PIECES_WANTED));
  int64_t fewest = ceil_div(rows, limit);
  for (int64_t blocks = fewest; blocks < fewest + 4; blocks++) {
    int64_t n = ceil_div(rows, blocks), height = 100 * n / ceil_div(n, TALLEST) - (blocks - fewest);
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
  sb_printf(&w->locals, "%s *const %s = (%s *)(call->scratch + %zu);\n", type, name, type, w->scratch);
  w->scratch += (size_t)round_up(bytes, 64);
}

static void take_blocks(Writer *w) {
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    int64_t count = b->row ? w->rows * b->width : b->count;
    take(w, emit_ctype(b->node->type), b->name, (count + LANES) * (int64_t)td_type_size(plan_storage(b->node->type)));
  }
}

/* Floats of packed A, for the target that needs most. */
static int64_t panels(int64_t rows, int64_t depth) {
  int64_t lines = most(ceil_div(rows, TALLEST) * LANES, ceil_div(rows, 6) * 8);
  return most(lines, ceil_div(rows, 4) * 4) * round_up(depth, LANES);
}

/* ---- programs --------------------------------------------------------------------------------- */

static void put_variables(Writer *w, StrBuf *out, const char *text, int from, int to, const char *flat) {
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
  const char *text = emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch, &flops);
  if (*text) line(w, "{\n%s}", text);
  w->flops += flops;
}

static void put_row_program(Writer *w, int program) {
  const char *text = emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch, &w->flops);
  if (!*text) return;
  line(w, "for (int64_t r = 0; r < rows; r++) {");
  put_variables(w, &w->body, text, w->c->nbatch, w->c->nrows, "row0 + r");
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    if (b->row && emit_mentions(text, b->row))
      line(w, "%s *restrict const %s = %s + r * %lld;", emit_ctype(b->node->type), b->row, b->name, (long long)b->width);
  }
  line(w, "%s}", text);
}

/* ---- operands ------------------------------------------------------------------------------------- */

/* A matrix in memory: where it begins, from outer to outer, from k to k. */
typedef struct Matrix { const char *from; int64_t across, along; } Matrix;

/* An operand from row `outer0` and k `k0` on (C texts, or NULL: 0). */
static Matrix matrix_of(Writer *w, const ChainProduct *q, int which, const char *outer0, const char *k0) {
  const ChainOperand *o = &q->operand[which];
  StrBuf b = {0};
  Matrix m = {.across = o->outer_stride, .along = o->k_stride};
  if (o->plain) {
    sb_puts(&b, emit_pointer(&w->em, o->node, false));
    if (o->base->kind != E_INT || o->base->inum != 0)
      sb_printf(&b, " + (int64_t)(%s)", emit_value(&w->em, o->base, 0));
    for (int k = 0; k < w->c->nbatch; k++)
      if (o->batch_stride[k]) sb_printf(&b, " + %lld * %s", (long long)o->batch_stride[k], w->em.var[k]);
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

/* B: `columns` x `depth`, panels of `room` steps of k. */
static void put_pack_b(Writer *w, const char *to, Matrix m, const char *columns, const char *depth, const char *room) {
  if (m.across == 1)
    line(w, "td_pack_b_rows(%s, %s * TD_TILE_COLUMNS, 0, %s, %lld, %s, %s);", to, room, m.from, (long long)m.along, columns,
         depth);
  else
    line(w, "td_pack_b_turned(%s, %s * TD_TILE_COLUMNS, 0, %s, %lld, %lld, %s, %s);", to, room, m.from,
         (long long)m.across, (long long)m.along, columns, depth);
}

/* ---- tiles ------------------------------------------------------------------------------------------- */

typedef struct Tiles {
  Matrix      a;
  bool        in_place;                  /* A is not packed */
  const char *rows;                      /* of C */
  int64_t     height, last;              /* that `rows` can be */
  const char *spare;                     /* rows of A that may be read */
  const char *b, *room;                  /* packed; steps of k in its panels */
  const char *k0, *depth;
  int64_t     columns;
  const char *c;
  int64_t     c_stride;
  const char *add;
} Tiles;

static void put_tiles(Writer *w, const Tiles *t) {
  bool turned = !t->in_place && t->a.along == 1;
  line(w, "{");
  if (!t->in_place && turned)
    line(w, "td_pack_a_turned(packed_a, %s, %lld, %s, %s);", t->a.from, (long long)t->a.across, t->rows, t->depth);
  else if (!t->in_place)
    line(w, "td_pack_a_rows(packed_a, %s, %lld, %lld, %s, %s, %s);", t->a.from, (long long)t->a.across,
         (long long)t->a.along, t->rows, t->depth, t->spare);
  line(w, "const int64_t tiles = TD_TILES_OF(%s);", t->rows);
  line(w, "TdFetch fetch[1] = { 0 };");
  line(w, "for (int64_t tile = 0, i = 0, height; tile < tiles; tile++, i += height) {");
  line(w, "height = %s / tiles + (tile < %s %% tiles);", t->rows, t->rows);
  line(w, "const TdTiles t = {");
  line(w, ".depth = %s, .k0 = %s, .b = %s, .panel = %s * TD_TILE_COLUMNS,", t->depth, t->k0, t->b, t->room);
  line(w, ".vectors = (%lld + TD_LANES - 1) / TD_LANES,", (long long)t->columns);
  if (t->in_place) line(w, ".a = %s + i, .a_step = %lld,", t->a.from, (long long)t->a.along);
  else line(w, ".a = packed_a + td_panel_a(tile, %s), .a_step = TD_LANES,", t->depth);
  line(w, ".c = %s + i * %lld, .c_stride = %lld, .add = %s, .fetch = fetch, .fetches = 1", t->c, (long long)t->c_stride,
       (long long)t->c_stride, t->add);
  line(w, "};");
  line(w, "td_tile_row_of(%lld, %lld, (%lld + TD_LANES - 1) / TD_LANES %% 2, %d, 0, height, &t);", (long long)t->height,
       (long long)t->last, (long long)t->columns, turned);
  line(w, "}\n}");
}

/* IN and ROW: a block of rows by k, times packed Y. */
static void put_row_product(Writer *w, const ChainProduct *q, const char *packed) {
  bool in = q->role == CHAIN_IN;
  int64_t k = in ? q->k : q->s, columns = in ? q->s : q->e;
  bool many = k > DEPTH_WHOLE;
  int64_t depth = many ? round_up(ceil_div(k, ceil_div(k, DEPTH_LIMIT)), LANES) : k;
  const Block *c = block_of(w, q->sum);
  if (many) {
    line(w, "for (int64_t k0 = 0; k0 < %lld; k0 += %lld) {", (long long)k, (long long)depth);
    line(w, "const int64_t depth = %lld - k0 < %lld ? %lld - k0 : %lld;", (long long)k, (long long)depth, (long long)k,
         (long long)depth);
  }
  Tiles t = {.a = matrix_of(w, q, 0, "row0", many ? "k0" : NULL), .rows = "rows", .height = w->rows, .last = w->last_rows,
             .b = packed, .room = num(w, k), .k0 = many ? "k0" : "0", .depth = many ? "depth" : num(w, k),
             .columns = columns, .c = c->name, .c_stride = c->width, .add = many ? "k0 > 0" : "0"};
  t.spare = arena_printf(w->em.arena, "%lld - row0", (long long)w->c->rows);
  w->packed_a = most(w->packed_a, panels(w->rows, depth));
  put_tiles(w, &t);
  if (many) line(w, "}");
  w->flops += 2.0 * (double)(w->c->batch * w->c->rows) * (double)(k * columns);
}

/* COLUMN: the wide block turned, times the block's rows of Y; onto what the blocks before gave. */
static void put_column_product(Writer *w, const ChainProduct *q) {
  const Block *c = block_of(w, q->sum);
  Matrix x = matrix_of(w, q, 0, NULL, NULL), y = matrix_of(w, q, 1, NULL, "row0");
  int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
  Tiles t = {.a = q->turned ? y : x, .rows = num(w, m), .height = m, .last = m, .spare = num(w, m), .b = "packed_b",
             .room = num(w, w->rows), .k0 = "0", .depth = "rows", .columns = n, .c = c->name, .c_stride = padded(n),
             .add = "row0 > 0"};
  t.in_place = !q->turned && x.along <= NEAR_STRIDE;
  put_pack_b(w, "packed_b", q->turned ? x : y, num(w, n), "rows", num(w, w->rows));
  w->packed_b = most(w->packed_b, round_up(n, COLUMNS) * w->rows);
  if (!t.in_place) w->packed_a = most(w->packed_a, panels(m, w->rows));
  put_tiles(w, &t);
  w->flops += 2.0 * (double)(w->c->batch * w->c->rows) * (double)(m * n);
}

/* ---- the function ---------------------------------------------------------------------------------------- */

static void put_fresh(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    int64_t k = q->role == CHAIN_IN ? q->k : q->s, columns = q->role == CHAIN_IN ? q->s : q->e;
    put_pack_b(w, w->packed[i], matrix_of(w, q, 1, NULL, NULL), num(w, columns), num(w, k), num(w, k));
  }
}

static void put_block(Writer *w) {
  const Chain *c = w->c;
  put_row_program(w, CHAIN_BEFORE);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_IN) put_row_product(w, &c->products.at[i], w->packed[i]);
  put_row_program(w, CHAIN_MAIN);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_ROW) put_row_product(w, &c->products.at[i], w->packed[i]);
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
    line(w, "for (int64_t row0 = 0; row0 < %lld; row0 += %lld) {", (long long)w->c->rows, (long long)w->rows);
  else
    line(w, "const int64_t row0 = piece %% %lld * %lld;", (long long)w->row_blocks, (long long)w->rows);
  line(w, "const int64_t rows = %lld - row0 < %lld ? %lld - row0 : %lld;", (long long)w->c->rows, (long long)w->rows,
       (long long)w->c->rows, (long long)w->rows);
  put_block(w);
  if (w->c->columns) line(w, "}");
  put_batch_program(w, CHAIN_LAST);
}

static void name_packed(Writer *w) {
  w->packed = NEWN(w->em.arena, const char *, w->c->products.n + 1);
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    int64_t k = q->role == CHAIN_IN ? q->k : q->s, columns = q->role == CHAIN_IN ? q->s : q->e;
    if (q->role == CHAIN_COLUMN) continue;
    w->packed[i] = emit_name(&w->em, "packed");
    take(w, "float", w->packed[i], round_up(columns, COLUMNS) * k * (int64_t)sizeof(float));
  }
}

static void finish(Writer *w, TdKernel *k) {
  StrBuf out = {0};
  take(w, "float", "packed_a", w->packed_a * (int64_t)sizeof(float));
  take(w, "float", "packed_b", w->packed_b * (int64_t)sizeof(float));
  sb_puts(&out, "{\n");
  emit_prologue(&w->em, &out);
  if (w->em.level[0].text.n) sb_write(&out, w->em.level[0].text.s, w->em.level[0].text.n);
  if (w->locals.n) sb_write(&out, w->locals.s, w->locals.n);
  sb_puts(&out, "TdHeld *const held = td_held(call);      /* the batch whose operands are packed */\n");
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (w->c->columns) sb_puts(&out, "const int64_t batch = piece;\n");
  else sb_printf(&out, "const int64_t batch = piece / %lld;\n", (long long)w->row_blocks);
  put_variables(w, &out, w->body.s, 0, w->c->nbatch, "batch");
  sb_write(&out, w->body.s, w->body.n);
  sb_puts(&out, "}\n}\n");
  k->source = arena_strndup(w->em.arena, out.s, out.n);
  k->pieces = w->c->columns ? w->c->batch : w->c->batch * w->row_blocks;
  k->scratch = w->scratch;
  k->flops = w->flops;
  sb_free(&out);
  sb_free(&w->body);
  sb_free(&w->locals);
}

void emit_chain(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w = {.p = p, .g = g, .c = g->chain, .scratch = HELD_BYTES};
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
  *note = arena_printf(p->arena, "%lld rows in blocks of %lld, %lld times", (long long)w.c->rows, (long long)w.rows,
                       (long long)w.c->batch);
  emit_arguments(em);
  emit_end(em);
}
