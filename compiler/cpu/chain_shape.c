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

int64_t chain_padded(const Target *t, int64_t columns) {
  return round_up(columns, WIDEST_TILE) + t->chains.gap;
}

/* As many rows as the blocks may have, in blocks that make tall tiles. Few rows
 * read packed operands too often, and what COLUMN products add up too. */
static int64_t block_rows(const Shaping *x) {
  const TargetChains *t = &x->p->target->chains;
  const int64_t near = (int64_t)(x->p->target->memory.on_chip / sizeof(float));
  const ChainShape *s = x->s;
  const Chain *c = x->c;
  int64_t width = 0, best = 0, rows = 0, tile = s->narrow || s->split ? STRIP_ROWS : TALLEST_TILE;
  for (int i = 0; i < s->blocks.n; i++) width += s->blocks.at[i].rows ? s->blocks.at[i].width : 0;
  int64_t fewest_rows = c->columns ? 4 * TALLEST_TILE : 2 * TALLEST_TILE;
  int64_t limit = max_of(fewest_rows, min_of(t->rows_most, near / max_of(width, 1)));
  if (!c->columns) limit = max_of(fewest_rows, min_of(limit, c->rows * c->batch / t->pieces_least));
  if (s->narrow || s->split) limit = max_of(STRIP_ROWS, limit / STRIP_ROWS * STRIP_ROWS);
  int64_t fewest = ceil_div(c->rows, limit);
  for (int64_t blocks = fewest; blocks < fewest + 4; blocks++) {
    int64_t n = ceil_div(c->rows, blocks), tiles = ceil_div(n, tile);
    int64_t height = 100 * n / tiles - (blocks - fewest);
    if (height <= best) continue;
    best = height;
    rows = n;
  }
  return rows;
}

/* With a band a block takes the columns that any of its rows needs: few rows need fewest beside
 * their own, which is worth more to floats than tall blocks are (causal, 128 columns: 0.7 of the
 * time forward, 0.85 backward; 512: 0.87). */
static void choose_rows(Shaping *x) {
  ChainShape *s = x->s;
  const Chain *c = x->c;
  s->rows = c->band && !s->narrow ? min_of(c->rows, STRIP_ROWS) : block_rows(x);
  s->row_blocks = ceil_div(c->rows, s->rows);
  s->last_rows = c->rows - (s->row_blocks - 1) * s->rows;
}

/* ---- packed operands -------------------------------------------------------------------- */

int64_t chain_room(const ChainShape *s, int64_t k) {
  return s->narrow ? round_up(k, STRIP_ROWS) : k;
}

int64_t chain_depth(const ChainShape *s, int64_t k) {
  if (k <= DEPTH_WHOLE) return k;
  return round_up(ceil_div(k, ceil_div(k, DEPTH_LIMIT)),
                  s->narrow || s->split ? STRIP_ROWS : LANES);
}

enum { SPAN = 4, SPANS = 64 }; /* numbers of a cell's span, and what spans take in steps of */

int64_t chain_split_panel(int parts, int64_t room) {
  const int64_t steps = ceil_div(room, STRIP_ROWS);
  return steps * parts * STRIP_ROWS * STRIP_ROWS + round_up(steps * SPAN, SPANS);
}

size_t chain_packed_bytes(const ChainShape *s, int parts, int64_t columns, int64_t room) {
  const int64_t panels = ceil_div(columns, WIDEST_TILE);
  int64_t bytes = panels * WIDEST_TILE * room * (s->narrow ? 2 : 4);
  if (parts) bytes = max_of(bytes, panels * chain_split_panel(parts, room) * 2);
  return (size_t)bytes;
}

/* Spans take less than a cell, from which the prelude knows where they are. */
static bool spans_fit(int parts, int64_t k) {
  return ceil_div(k, STRIP_ROWS) * SPAN + SPANS < parts * STRIP_ROWS * STRIP_ROWS;
}

/* Which products are made of parts: where that is asked for or pays. */
static void choose_parts(Shaping *x) {
  int *parts = NEWN(x->p->arena, int, x->c->products.n + 1);
  for (int i = 0; i < x->c->products.n; i++) {
    const ChainProduct *q = &x->c->products.at[i];
    const int products = product_split_chained(x->p, q->c, x->c->band ? x->c->band->share : 1);
    const int64_t k = q->role == CHAIN_IN ? q->k : q->s;
    parts[i] = products && spans_fit(2, k) ? products == 6 ? 3 : 2 : 0;
    x->s->split = x->s->split || parts[i];
  }
  x->s->parts = parts;
}

bool chain_in_place(const ChainShape *s, const ChainProduct *q, int64_t along) {
  return !s->narrow && !q->turned && along <= s->near_stride;
}

/* All of a block's rows, for the processor whose tiles need most; with bf16 a strip of them. */
static void need_packed_a(ChainShape *s, int parts, int64_t rows, int64_t depth) {
  int64_t lines = max_of(ceil_div(rows, TALLEST_TILE) * LANES, ceil_div(rows, 6) * 8);
  lines = max_of(lines, ceil_div(rows, 4) * 4);
  int64_t bytes =
      s->narrow ? STRIP_ROWS * round_up(depth, STRIP_ROWS) * 2 : lines * round_up(depth, LANES) * 4;
  if (parts) bytes = max_of(bytes, chain_split_panel(parts, depth) * 2);
  s->packed_a = max_of(s->packed_a, bytes);
}

/* X of a COLUMN product is a block of rows or lies in memory: from row to row of it. */
static int64_t along_x(const ChainShape *s, const ChainProduct *q) {
  const ChainOperand *o = &q->operand[0];
  const ChainBlock *b = chain_block(&s->blocks, o->node);
  return o->plain ? o->k_stride : b->rows ? b->width : 1;
}

static size_t pack_product(ChainShape *s, const ChainProduct *q, int parts) {
  if (q->role == CHAIN_COLUMN) {
    int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
    int64_t b = (int64_t)chain_packed_bytes(s, parts, n, chain_room(s, s->rows));
    s->packed_b = max_of(s->packed_b, b);
    if (parts || !chain_in_place(s, q, along_x(s, q))) need_packed_a(s, parts, m, s->rows);
    return 0;
  }
  int64_t k = q->role == CHAIN_IN ? q->k : q->s, columns = q->role == CHAIN_IN ? q->s : q->e;
  need_packed_a(s, parts, s->rows, chain_depth(s, k));
  return lines_of((int64_t)chain_packed_bytes(s, parts, columns, chain_room(s, k)));
}

/* ---- rows in bf16 ---------------------------------------------------------------------------- */

int64_t chain_halved(const ChainShape *s, const ChainBlock *b) {
  return s->halved[b - s->blocks.at];
}

int64_t chain_half_width(int64_t columns) { return round_up(columns, STRIP_ROWS) + STRIP_ROWS; }

size_t chain_half_bytes(const ChainShape *s, const ChainBlock *b) {
  return (size_t)(round_up(s->rows, STRIP_ROWS) * chain_half_width(chain_halved(s, b))) *
         sizeof(uint16_t);
}

typedef struct Reading {
  const Node *node;
  bool found;
} Reading;

static void see_reading(Node *read, void *ctx) {
  Reading *r = ctx;
  r->found = r->found || read == r->node;
}

/* Does a row program read it that is not the one that makes it? */
static bool read_elsewhere(const Shaping *x, const Member *made) {
  Reading r = {made->node, false};
  for (int i = 0; i < x->g->members.n; i++) {
    const Member *m = &x->g->members.at[i];
    if (m->program != CHAIN_PRODUCT && m->program != made->program)
      ir_each_read(x->p->g, m->node, see_reading, &r);
  }
  return r.found;
}

/* Columns of a block that products read, by what they are in the first of these; 0: none does. */
static int64_t operand_columns(const Chain *c, const Node *n) {
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    if (!q->operand[0].plain && q->operand[0].node == n) return q->role == CHAIN_IN ? q->k : q->s;
    if (!q->operand[1].plain && q->operand[1].node == n) return q->role == CHAIN_COLUMN ? q->e : 0;
  }
  return 0;
}

static void choose_halves(Shaping *x) {
  int64_t *halved = NEWN(x->p->arena, int64_t, x->s->blocks.n + 1);
  for (int i = 0; i < x->s->blocks.n && x->s->narrow; i++) {
    const ChainBlock *b = &x->s->blocks.at[i];
    const Member *m = member_of(x->g, b->node);
    if (!b->rows || b->width == 1 || b->node->type != TY_REAL || m->stored) continue;
    if (m->program != CHAIN_MAIN && m->program != CHAIN_BEFORE) continue;
    if (!read_elsewhere(x, m)) halved[i] = operand_columns(x->c, b->node);
  }
  x->s->halved = halved;
}

/* ---- all of it ------------------------------------------------------------------------------ */

size_t chain_block_bytes(const ChainShape *s, const ChainBlock *b) {
  const int64_t rows = chain_halved(s, b) ? 1 : round_up(s->rows, STRIP_ROWS);
  int64_t count = b->rows ? rows * b->width : b->count;
  return (size_t)(count + LANES) * td_type_size(plan_storage(b->node->type));
}

/* Arrays of the row programs that are no blocks, where they are too large for the stack. */
static size_t arrays(const Shaping *x) {
  size_t sum = 0;
  for (int k = 0; k < CHAIN_PROGRAMS; k++) {
    const RowPlan *r = x->c->program[k];
    for (int i = 0; i < r->nitems; i++) {
      size_t bytes =
          chain_block(&x->s->blocks, r->items[i].node) ? 0 : item_array_bytes(&r->items[i]);
      if (bytes > x->p->target->rows.local_bytes) sum += lines_of((int64_t)bytes);
    }
  }
  return sum;
}

ChainShape *chain_shape(Plan *p, Group *g) {
  Shaping x = {.p = p, .g = g, .c = g->chain, .s = NEW(p->arena, ChainShape)};
  ChainShape *s = x.s;
  s->narrow = p->rounds;
  s->near_stride = p->target->chains.near_stride;
  chain_blocks(p, g, chain_padded, STRIP_ROWS, &s->blocks);
  choose_parts(&x);
  choose_halves(&x);
  choose_rows(&x);
  s->scratch = HELD * sizeof(float) + arrays(&x);
  for (int i = 0; i < s->blocks.n; i++) {
    const ChainBlock *b = &s->blocks.at[i];
    s->scratch += lines_of((int64_t)chain_block_bytes(s, b));
    if (chain_halved(s, b)) s->scratch += lines_of((int64_t)chain_half_bytes(s, b));
  }
  for (int i = 0; i < x.c->products.n; i++)
    s->scratch += pack_product(s, &x.c->products.at[i], s->parts[i]);
  s->scratch += lines_of(s->packed_a) + lines_of(s->packed_b);
  return s;
}
