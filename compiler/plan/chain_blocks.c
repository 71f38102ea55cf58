/* SPDX-License-Identifier: MIT */
/* Which values of a chain's kernel outlive a row program and must lie somewhere: sums,
 * operands that are computed, what one program leaves for another. */
#include "compiler/plan/chain.h"

typedef struct Blocking {
  Plan *p;
  Group *g;
  Chain *c;
  ChainPadded *padded;
  int64_t strip;
  ChainBlocks *out;
} Blocking;

const ChainBlock *chain_block(const ChainBlocks *blocks, const Node *n) {
  for (int i = 0; i < blocks->n; i++)
    if (blocks->at[i].node == n) return &blocks->at[i];
  return NULL;
}

static bool is_row_axis(const Chain *c, const Member *m, int d) {
  for (int k = 0; k < c->nrows; k++)
    if (m->rowvar[k] == d) return true;
  return m->node->shape[d] == 1;
}

/* Of a value with rows: what is left, row-major. */
static void add_row_block(Blocking *x, Node *n) {
  const Member *m = member_of(x->g, n);
  if (chain_block(x->out, n)) return;
  ChainBlock b = {.node = n, .rows = true};
  int64_t count = 1;
  for (int d = n->rank - 1; d >= 0; d--) {
    if (is_row_axis(x->c, m, d)) continue;
    b.stride[d] = count;
    count *= n->shape[d];
  }
  b.width = count == 1 ? 1 : x->padded(x->p->target, count);
  vec_push(x->p->arena, x->out, b);
}

/* Of a batch: `lead` axes of these node variables, then `n` more, `width` from one to the next. */
static void add_batch_block(Blocking *x, Node *node, const int *lead, int nlead, const int *more,
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
  b.count = width * round_up(rows, nlead ? x->strip : 1);
  vec_push(x->p->arena, x->out, b);
}

static void add_computed(Blocking *x, Node *n) {
  if (member_of(x->g, n)->program != CHAIN_FRESH) {
    add_row_block(x, n);
    return;
  }
  int axis[IR_MAX_VARS], count = 0;
  for (int d = x->c->nbatch; d < n->rank; d++) axis[count++] = d;
  add_batch_block(x, n, NULL, 0, axis, count, ir_count(n) / x->c->batch);
}

typedef struct Crossing {
  Blocking *x;
  const Member *reader;
} Crossing;

/* What another program reads must outlive its row. */
static void find_crossing(Node *read, void *ctx) {
  Crossing *c = ctx;
  const Member *m = member_of(c->x->g, read);
  if (m && !m->stored && m->program != CHAIN_PRODUCT && m->program != c->reader->program)
    add_row_block(c->x, read);
}

void chain_blocks(Plan *p, Group *g, ChainPadded *padded, int64_t strip, ChainBlocks *out) {
  Blocking blocking = {p, g, g->chain, padded, strip, out}, *x = &blocking;
  for (int i = 0; i < x->c->products.n; i++) {
    const ChainProduct *q = &x->c->products.at[i];
    if (q->role != CHAIN_COLUMN)
      add_row_block(x, q->sum);
    else if (q->turned)
      add_batch_block(x, q->sum, q->evar, q->ne, q->svar, q->ns, x->padded(x->p->target, q->s));
    else
      add_batch_block(x, q->sum, q->svar, q->ns, q->evar, q->ne, x->padded(x->p->target, q->e));
    for (int side = 0; side < 2; side++)
      if (!q->operand[side].plain) add_computed(x, q->operand[side].node);
  }
  for (int i = 0; i < x->g->members.n; i++) {
    Crossing c = {x, &x->g->members.at[i]};
    if (c.reader->program != CHAIN_PRODUCT)
      ir_each_read(x->p->g, c.reader->node, find_crossing, &c);
  }
}
