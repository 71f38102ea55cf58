/* SPDX-License-Identifier: MIT */
/* What of a chain's rows lies where in shared memory. A value is needed from the program or
 * nest that computes it to the last one that reads it; two share a slot where one is needed
 * after the other, or where one takes the other's place element by element:
 *
 *     s (a product)   m = max s   e = exp(s - m)   z = sum e   p = e / z   (a product of) p
 *     slot 0: s ....................e...........................p..........................
 *
 * Each warp has rows of its own in all nests, so nothing else has to be ordered. */
#include "compiler/cuda/chain.h"
#include "compiler/ir/linear.h"

/* Moments of a block of rows, in order; nests of the main program lie between the two. */
enum { AT_BEFORE, AT_IN, AT_MAIN, AT_ROW = 1 << 20, AT_AFTER, AT_COLUMN };

typedef struct Life {
  int first, last;
} Life;

typedef struct Slotting {
  Plan *p;
  Group *g;
  CudaChain *s;
  const RowPlan *main;
  VEC(Life) life; /* by block */
} Slotting;

static int moment(int program, const Item *it) {
  switch (program) {
  case CHAIN_BEFORE: return AT_BEFORE;
  case CHAIN_AFTER: return AT_AFTER;
  case CHAIN_MAIN: return AT_MAIN + it->nest;
  default: return AT_COLUMN;
  }
}

typedef struct Reads {
  const Node *of;
  bool found;
} Reads;

static void see(Expr *e, void *ctx) {
  Reads *r = ctx;
  if (e->kind == E_READ && e->node == r->of) r->found = true;
}

static bool item_reads(Plan *p, const Item *it, const Node *n) {
  Reads r = {n, false};
  ex_visit(p->g, it->body, see, &r);
  if (it->guard) ex_visit(p->g, it->guard, see, &r);
  return r.found;
}

static Life life_of(const Slotting *x, const Node *n) {
  Life l = {AT_COLUMN, AT_BEFORE};
  const Chain *c = x->g->chain;
  for (int i = 0; i < CHAIN_PROGRAMS; i++) {
    if (i == CHAIN_FRESH) continue;
    for (int k = 0; k < c->program[i]->nitems; k++) {
      const Item *it = &c->program[i]->items[k];
      int at = moment(i, it);
      if (it->node == n && at < l.first) l.first = at;
      if ((it->node == n || item_reads(x->p, it, n)) && at > l.last) l.last = at;
    }
  }
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    int at = q->role == CHAIN_IN ? AT_IN : q->role == CHAIN_ROW ? AT_ROW : AT_COLUMN;
    if (q->sum == n) l.first = at;
    for (int k = 0; k < 2; k++)
      if (!q->operand[k].plain && q->operand[k].node == n && at > l.last) l.last = at;
    if (q->sum == n && at > l.last) l.last = at;
  }
  return l;
}

/* ---- one takes another's place ---------------------------------------------------------- */

static bool flat_place(const ChainBlock *b, Expr *const *args, int rank, Linear *out) {
  linear_init(out);
  for (int d = 0; d < rank; d++)
    if (b->stride[d] && !linear_add(out, args[d], b->stride[d])) return false;
  return true;
}

static bool same_place(const Linear *a, const Linear *b) {
  if (a->n != b->n || a->constant != b->constant) return false;
  for (int i = 0; i < a->n; i++)
    if (a->term[i].atom != b->term[i].atom || a->term[i].coef != b->term[i].coef) return false;
  return true;
}

typedef struct Pointwise {
  const ChainBlock *old;
  const Linear *place;
  bool fails;
} Pointwise;

static void check_place(Expr *e, void *ctx) {
  Pointwise *w = ctx;
  Linear at;
  if (e->kind != E_READ || e->node != w->old->node) return;
  if (!flat_place(w->old, e->args, e->nargs, &at) || !same_place(&at, w->place)) w->fails = true;
}

/* Does the nest that computes `b` read `old` at the very element alone, and not after? */
static bool takes_place(const Slotting *x, const ChainBlock *old, const ChainBlock *b, int nest) {
  const Item *writer = NULL;
  for (int i = 0; i < x->main->nitems; i++) {
    const Item *it = &x->main->items[i];
    if (it->node != b->node) continue;
    if (writer) return false;
    writer = it;
  }
  Linear place;
  if (!writer || writer->nest != nest || writer->form != FORM_MAP || writer->nloops == 0 ||
      !flat_place(b, writer->element, writer->node->rank, &place))
    return false;
  for (int i = 0; i < x->main->nitems; i++) {
    const Item *it = &x->main->items[i];
    if (it->nest != nest || !item_reads(x->p, it, old->node)) continue;
    Pointwise w = {old, &place, false};
    ex_visit(x->p->g, it->body, check_place, &w);
    if (it->guard) ex_visit(x->p->g, it->guard, check_place, &w);
    if (w.fails || it > writer) return false;
  }
  return true;
}

/* ---- slots ------------------------------------------------------------------------------ */

static bool apart(const Slotting *x, int a, int b) {
  Life one = x->life.at[a], two = x->life.at[b];
  if (one.last < two.first || two.last < one.first) return true;
  bool turn = two.first < one.first;
  int old = turn ? b : a, next = turn ? a : b, at = turn ? one.first : two.first;
  if (at != x->life.at[old].last || x->life.at[old].first == at) return false;
  return at >= AT_MAIN && at < AT_ROW &&
         takes_place(x, &x->s->blocks.at[old], &x->s->blocks.at[next], at - AT_MAIN);
}

static bool fits(const Slotting *x, int block, int slot) {
  const ChainSlot *s = &x->s->slots.at[slot];
  const ChainBlock *b = &x->s->blocks.at[block];
  if (b->width <= 1 || s->width < b->width || s->size != td_type_size(plan_storage(b->node->type)))
    return false;
  for (int i = 0; i < x->s->slot.n; i++)
    if (x->s->slot.at[i] == slot && !apart(x, block, i)) return false;
  return true;
}

static int slot_for(Slotting *x, int block, bool make) {
  for (int i = 0; i < x->s->slots.n; i++)
    if (fits(x, block, i)) return i;
  if (!make) return -1;
  const ChainBlock *b = &x->s->blocks.at[block];
  ChainSlot s = {.width = b->width, .size = td_type_size(plan_storage(b->node->type))};
  vec_push(x->p->arena, &x->s->slots, s);
  return x->s->slots.n - 1;
}

/* Widest first, and of those the one that is needed first. */
static void place_blocks(Slotting *x) {
  CudaChain *s = x->s;
  for (int i = 0; i < s->blocks.n; i++) vec_push(x->p->arena, &s->slot, -1);
  for (;;) {
    int next = -1;
    for (int i = 0; i < s->blocks.n; i++) {
      const ChainBlock *b = &s->blocks.at[i];
      if (!b->rows || s->slot.at[i] >= 0) continue;
      bool before =
          next < 0 || b->width > s->blocks.at[next].width ||
          (b->width == s->blocks.at[next].width && x->life.at[i].first < x->life.at[next].first);
      if (before) next = i;
    }
    if (next < 0) return;
    s->slot.at[next] = slot_for(x, next, true);
  }
}

/* An array of the main program, as a block, if a slot is free for it. */
static void place_array(Slotting *x, const Item *it) {
  CudaChain *s = x->s;
  if (item_array_bytes(it) == 0 || chain_block(&s->blocks, it->node)) return;
  ChainBlock b = {.node = it->node, .rows = true, .width = 1};
  item_array_strides(it, x->main->given_rows, b.stride);
  for (int i = 0; i < it->nout; i++) b.width *= it->extent[i];
  vec_push(x->p->arena, &s->blocks, b);
  Life l = life_of(x, it->node);
  vec_push(x->p->arena, &x->life, l);
  int slot = slot_for(x, s->blocks.n - 1, false);
  if (slot >= 0) {
    vec_push(x->p->arena, &s->slot, slot);
  } else {
    s->blocks.n--;
    x->life.n--;
  }
}

/* Gaps, so that rows and columns of a block can be read without conflicts of banks. */
static int64_t padded(const Target *t, int64_t columns) {
  return round_up(columns, 16) + t->chains.gap;
}

void cuda_chain_slots(Plan *p, Group *g, CudaChain *out) {
  Slotting x = {.p = p, .g = g, .s = out, .main = g->chain->program[CHAIN_MAIN]};
  chain_blocks(p, g, padded, 1, &out->blocks);
  for (int i = 0; i < out->blocks.n; i++) {
    Life l = life_of(&x, out->blocks.at[i].node);
    vec_push(p->arena, &x.life, l);
  }
  place_blocks(&x);
  for (int i = 0; i < x.main->nitems; i++) place_array(&x, &x.main->items[i]);
  for (int i = 0; i < out->blocks.n; i++)
    if (out->slot.at[i] >= 0) out->blocks.at[i].width = out->slots.at[out->slot.at[i]].width;
}
