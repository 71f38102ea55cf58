/* SPDX-License-Identifier: MIT */
/* How a chain is cut: how many rows a block takes, and what it keeps in shared memory. By
 * extents alone. TargetChains says which chains there are: a block with one row always fits. */
#include "compiler/cuda/chain.h"

enum {
  PROCESSORS = 132,
  FEW_ROWS = 16,
  THREADS = CUDA_BLOCK,
  FEW_SUMS = 32,               /* of a thread */
  PROCESSOR_BYTES = 227 << 10, /* of shared memory */
  RESERVED = 1 << 10,
  LONG_NARROW = 4096 /* terms added one by one, in f32 */
};

static size_t aligned(size_t bytes) { return (bytes + 15) / 16 * 16; }

/* Arrays of one program that are in no slot. */
static size_t arrays_of(const CudaChain *s, const RowPlan *r) {
  size_t sum = 0;
  for (int i = 0; i < r->nitems; i++)
    if (!chain_block(&s->blocks, r->items[i].node)) sum += cuda_array_bytes(&r->items[i]);
  return sum;
}

static size_t most(size_t a, size_t b) { return a > b ? a : b; }

static int tile_of(int64_t rows) { return rows > 32 ? 64 : rows > 16 ? 32 : 16; }

/* Memory while rows are worked on: slots, then each warp's arrays. */
static size_t place_rows(const Chain *c, CudaChain *s, size_t at) {
  for (int i = 0; i < s->slots.n; i++) {
    ChainSlot *slot = &s->slots.at[i];
    slot->at = at;
    at += aligned((size_t)(s->rows * slot->width) * slot->size);
  }
  int64_t warps = s->threads / CUDA_WARP;
  s->near = 0;
  for (int i = 0; i < CHAIN_PROGRAMS; i++)
    if (i != CHAIN_FRESH && i != CHAIN_LAST) s->near = most(s->near, arrays_of(s, c->program[i]));
  s->arrays = at;
  return at + (size_t)(s->rows < warps ? s->rows : warps) * s->near;
}

/* Memory at the end of a batch: what COLUMN products gave, arrays of the last program. */
static size_t place_last(const Chain *c, CudaChain *s, size_t at) {
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    if (q->role != CHAIN_COLUMN) continue;
    s->sums[i] = at;
    at += aligned((size_t)chain_block(&s->blocks, q->sum)->count * sizeof(float));
  }
  s->last = at;
  s->last_own = arrays_of(s, c->program[CHAIN_LAST]);
  return at + s->last_own;
}

static void place_all(const Chain *c, CudaChain *s, int64_t rows) {
  s->rows = rows < c->rows ? rows : c->rows;
  s->tile = tile_of(s->rows);
  s->staged = (s->narrow ? chain_mma_staged : chain_fma_staged)(s->threads, s->tile);
  size_t at = CHAIN_ROOM + s->staged;
  /* nothing is staged any more at the end of a batch */
  s->shared = most(place_rows(c, s, at), place_last(c, s, CHAIN_ROOM));
}

/* As many rows as leave room for a second block of threads, if that leaves tall tiles; without
 * COLUMN products fewer, if there are too few pieces otherwise. */
static void choose_rows(const Plan *p, const Chain *c, CudaChain *s) {
  size_t limit = p->target->memory.on_chip;
  int64_t rows = p->target->chains.rows_most;
  while (place_all(c, s, rows), s->shared > limit / 2 && rows > 2 * FEW_ROWS) rows /= 2;
  if (!c->columns)
    while (rows > FEW_ROWS && c->batch * ceil_div(c->rows, rows) < PROCESSORS) rows /= 2;
  while (place_all(c, s, rows), s->shared > limit && rows > 1) rows /= 2;
  s->row_blocks = ceil_div(c->rows, s->rows);
  s->pieces = c->columns ? c->batch : c->batch * s->row_blocks;
}

/* Tensor cores add all terms of a sum one after another. */
static bool is_narrow(const Plan *p, const Chain *c) {
  bool out = p->rounds && (!c->columns || c->rows <= LONG_NARROW);
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    if (q->role != CHAIN_COLUMN) out = out && (q->role == CHAIN_IN ? q->k : q->s) <= LONG_NARROW;
  }
  return out;
}

/* Twice as many where each then keeps few sums of COLUMN products besides what it works on:
 * tensor cores leave room for them. */
static int threads_of(const Chain *c, bool narrow) {
  int64_t sums = 0;
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    if (q->role == CHAIN_COLUMN)
      sums += round_up(q->s, 2 * THREADS / 4) * round_up(q->e, CHAIN_SQUARE);
  }
  return narrow && c->columns && sums <= 2 * THREADS * FEW_SUMS ? 2 * THREADS : THREADS;
}

CudaChain *cuda_chain(Plan *p, Group *g) {
  CudaChain *s = NEW(p->arena, CudaChain);
  if (g->chain->products.n > (int)(sizeof s->sums / sizeof *s->sums))
    bug("a chain of %d products", g->chain->products.n);
  cuda_chain_slots(p, g, s);
  s->narrow = is_narrow(p, g->chain);
  s->threads = threads_of(g->chain, s->narrow);
  choose_rows(p, g->chain, s);
  if (s->shared > p->target->memory.on_chip)
    bug("'%s' takes more shared memory than there is", g->members.at[0].node->name);
  return s;
}

/* Blocks that share a processor, for which a thread's registers are kept few enough: in f32 a third
 * one where shared memory has room for it (each takes 1 KB more than it asked for) and one product
 * is worked on, not more. */
static int resident_of(const Chain *c, const CudaChain *s) {
  int in = 0;
  for (int i = 0; i < c->products.n; i++) in += c->products.at[i].role == CHAIN_IN;
  if (c->columns) return 1;
  return !s->narrow && in == 1 && 3 * (s->shared + RESERVED) <= PROCESSOR_BYTES ? 3 : 2;
}

void cuda_chain_shape(Plan *p, Group *g) {
  TdLaunch *out = &g->launch.shape;
  const CudaChain *s = cuda_chain(p, g);
  for (int d = 0; d < 3; d++) out->gpu.grid[d] = out->gpu.block[d] = 1;
  out->gpu.grid[0] = s->pieces;
  out->gpu.block[0] = s->threads;
  out->gpu.shared = s->shared;
  out->gpu.resident = resident_of(g->chain, s);
}
