/* SPDX-License-Identifier: MIT */
/* What a chain's kernel keeps in scratch memory, and how many rows a block has: by
 * extents alone, so that every sum has one order of additions. */
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/tiles.h"

typedef struct Shaping {
  Plan *p;
  Group *g;
  Chain *c;
  ChainShape *s;
} Shaping;

static size_t lines_of(int64_t bytes) { return (size_t)round_up(bytes, 64); }

/* ---- blocks ---------------------------------------------------------------------------- */

static const ChainBlock *chain_block(const ChainShape *s, const Node *n) {
  for (int i = 0; i < s->blocks.n; i++)
    if (s->blocks.at[i].node == n) return &s->blocks.at[i];
  return NULL;
}

int64_t chain_padded(const Target *t, int64_t columns) {
  return round_up(columns, WIDEST_TILE) + t->chains.gap;
}

static bool is_row_axis(const Chain *c, const Member *m, int d) {
  for (int k = 0; k < c->nrows; k++)
    if (m->rowvar[k] == d) return true;
  return m->node->shape[d] == 1;
}

/* Of a value with rows: what is left, row-major. */
static void add_row_block(Shaping *x, Node *n) {
  const Member *m = member_of(x->g, n);
  if (chain_block(x->s, n)) return;
  ChainBlock b = {.node = n, .rows = true};
  int64_t count = 1;
  for (int d = n->rank - 1; d >= 0; d--) {
    if (is_row_axis(x->c, m, d)) continue;
    b.stride[d] = count;
    count *= n->shape[d];
  }
  b.width = count == 1 ? 1 : chain_padded(x->p->target, count);
  vec_push(x->p->arena, &x->s->blocks, b);
}

/* Of a batch: `lead` axes of these node variables, then `n` more, `width` from one to the next. */
static void add_batch_block(Shaping *x, Node *node, const int *lead, int nlead, const int *more,
                            int nmore, int64_t width) {
  ChainBlock b = {.node = node};
  int64_t count = 1, rows = 1;
  for (int i = nmore - 1; i >= 0; i--) {
    b.stride[more[i]] = count;
    count *= node->shape[more[i]];
  }
  for (int i = nlead - 1; i >= 0; i--) {
    b.stride[lead[i]] = width * rows;
    rows *= node->shape[lead[i]];
  }
  b.count = width * round_up(rows, nlead ? STRIP_ROWS : 1);
  vec_push(x->p->arena, &x->s->blocks, b);
}

static void add_computed(Shaping *x, Node *n) {
  if (member_of(x->g, n)->program != CHAIN_FRESH) {
    add_row_block(x, n);
    return;
  }
  int axis[IR_MAX_VARS], count = 0;
  for (int d = x->c->nbatch; d < n->rank; d++) axis[count++] = d;
  add_batch_block(x, n, NULL, 0, axis, count, ir_count(n) / x->c->batch);
}

typedef struct Crossing {
  Shaping *x;
  const Member *reader;
} Crossing;

/* What another program reads must outlive its row. */
static void find_crossing(Node *read, void *ctx) {
  Crossing *c = ctx;
  const Member *m = member_of(c->x->g, read);
  if (m && !m->stored && m->program != CHAIN_PRODUCT && m->program != c->reader->program)
    add_row_block(c->x, read);
}

static void find_blocks(Shaping *x) {
  for (int i = 0; i < x->c->products.n; i++) {
    const ChainProduct *q = &x->c->products.at[i];
    if (q->role != CHAIN_COLUMN)
      add_row_block(x, q->sum);
    else if (q->turned)
      add_batch_block(x, q->sum, q->evar, q->ne, q->svar, q->ns, chain_padded(x->p->target, q->s));
    else
      add_batch_block(x, q->sum, q->svar, q->ns, q->evar, q->ne, chain_padded(x->p->target, q->e));
    for (int side = 0; side < 2; side++)
      if (!q->operand[side].plain) add_computed(x, q->operand[side].node);
  }
  for (int i = 0; i < x->g->members.n; i++) {
    Crossing c = {x, &x->g->members.at[i]};
    if (c.reader->program != CHAIN_PRODUCT)
      ir_each_read(x->p->g, c.reader->node, find_crossing, &c);
  }
}

/* As many rows as the blocks may have, in blocks that make tall tiles. Few rows
 * read packed operands too often, and what COLUMN products add up too. */
static void choose_rows(Shaping *x) {
  const TargetChains *t = &x->p->target->chains;
  const int64_t near = (int64_t)(x->p->target->memory.on_chip / sizeof(float));
  ChainShape *s = x->s;
  const Chain *c = x->c;
  int64_t width = 0, best = 0, tile = s->narrow ? STRIP_ROWS : TALLEST_TILE;
  for (int i = 0; i < s->blocks.n; i++) width += s->blocks.at[i].rows ? s->blocks.at[i].width : 0;
  int64_t fewest_rows = c->columns ? 4 * TALLEST_TILE : 2 * TALLEST_TILE;
  int64_t limit = max_of(fewest_rows, min_of(t->rows_most, near / max_of(width, 1)));
  if (!c->columns) limit = max_of(fewest_rows, min_of(limit, c->rows * c->batch / t->pieces_least));
  if (s->narrow) limit = max_of(STRIP_ROWS, limit / STRIP_ROWS * STRIP_ROWS);
  int64_t fewest = ceil_div(c->rows, limit);
  for (int64_t blocks = fewest; blocks < fewest + 4; blocks++) {
    int64_t n = ceil_div(c->rows, blocks), tiles = ceil_div(n, tile);
    int64_t height = 100 * n / tiles - (blocks - fewest);
    if (height <= best) continue;
    best = height;
    s->rows = n;
  }
  s->row_blocks = ceil_div(c->rows, s->rows);
  s->last_rows = c->rows - (s->row_blocks - 1) * s->rows;
}

/* ---- packed operands -------------------------------------------------------------------- */

int64_t chain_room(const ChainShape *s, int64_t k) {
  return s->narrow ? round_up(k, STRIP_ROWS) : k;
}

int64_t chain_depth(const ChainShape *s, int64_t k) {
  if (k <= DEPTH_WHOLE) return k;
  return round_up(ceil_div(k, ceil_div(k, DEPTH_LIMIT)), s->narrow ? STRIP_ROWS : LANES);
}

size_t chain_packed_bytes(const ChainShape *s, int64_t columns, int64_t room) {
  return (size_t)(round_up(columns, WIDEST_TILE) * room * (s->narrow ? 2 : 4));
}

bool chain_in_place(const ChainShape *s, const ChainProduct *q, int64_t along) {
  return !s->narrow && !q->turned && along <= s->near_stride;
}

/* All of a block's rows, for the processor whose tiles need most; with bf16 a strip of them. */
static void need_packed_a(ChainShape *s, int64_t rows, int64_t depth) {
  int64_t lines = max_of(ceil_div(rows, TALLEST_TILE) * LANES, ceil_div(rows, 6) * 8);
  lines = max_of(lines, ceil_div(rows, 4) * 4);
  int64_t bytes =
      s->narrow ? STRIP_ROWS * round_up(depth, STRIP_ROWS) * 2 : lines * round_up(depth, LANES) * 4;
  s->packed_a = max_of(s->packed_a, bytes);
}

/* X of a COLUMN product is a block of rows or lies in memory: from row to row of it. */
static int64_t along_x(const ChainShape *s, const ChainProduct *q) {
  const ChainOperand *o = &q->operand[0];
  const ChainBlock *b = chain_block(s, o->node);
  return o->plain ? o->k_stride : b->rows ? b->width : 1;
}

static size_t pack_product(ChainShape *s, const ChainProduct *q) {
  if (q->role == CHAIN_COLUMN) {
    int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
    int64_t b = (int64_t)chain_packed_bytes(s, n, chain_room(s, s->rows));
    s->packed_b = max_of(s->packed_b, b);
    if (!chain_in_place(s, q, along_x(s, q))) need_packed_a(s, m, s->rows);
    return 0;
  }
  int64_t k = q->role == CHAIN_IN ? q->k : q->s, columns = q->role == CHAIN_IN ? q->s : q->e;
  need_packed_a(s, s->rows, chain_depth(s, k));
  return lines_of((int64_t)chain_packed_bytes(s, columns, chain_room(s, k)));
}

/* ---- all of it ------------------------------------------------------------------------------ */

size_t chain_block_bytes(const ChainShape *s, const ChainBlock *b) {
  int64_t count = b->rows ? round_up(s->rows, STRIP_ROWS) * b->width : b->count;
  return (size_t)(count + LANES) * td_type_size(plan_storage(b->node->type));
}

/* Arrays of the row programs that are no blocks, where they are too large for the stack. */
static size_t arrays(const Shaping *x) {
  size_t sum = 0;
  for (int k = 0; k < CHAIN_PROGRAMS; k++) {
    const RowPlan *r = x->c->program[k];
    for (int i = 0; i < r->nitems; i++) {
      size_t bytes = chain_block(x->s, r->items[i].node) ? 0 : item_array_bytes(&r->items[i]);
      if (bytes > x->p->target->rows.local_bytes) sum += lines_of((int64_t)bytes);
    }
  }
  return sum;
}

ChainShape *chain_shape(Plan *p, Group *g) {
  Shaping x = {.p = p, .g = g, .c = g->chain, .s = NEW(p->arena, ChainShape)};
  ChainShape *s = x.s;
  s->narrow = p->act == TD_BF16;
  s->near_stride = p->target->chains.near_stride;
  find_blocks(&x);
  choose_rows(&x);
  s->scratch = HELD * sizeof(float) + arrays(&x);
  for (int i = 0; i < s->blocks.n; i++)
    s->scratch += lines_of((int64_t)chain_block_bytes(s, &s->blocks.at[i]));
  for (int i = 0; i < x.c->products.n; i++) s->scratch += pack_product(s, &x.c->products.at[i]);
  s->scratch += lines_of(s->packed_a) + lines_of(s->packed_b);
  return s;
}
