/* SPDX-License-Identifier: MIT */
/* Is a chain worth it, and does it fit on chip? By extents and the target's numbers
 * alone: what stays on chip is weighed against what comes and goes, and against what
 * tiles would save where the products stood apart (TargetSplit): in a chain they save
 * little (TargetChains.reuse_least). */
#include "compiler/plan/chain.h"
#include "compiler/plan/product.h"

/* Operands of their own for every batch (weights, which all share, are better
 * left to kernels that keep them packed), and pieces for the threads; or so much
 * in a batch that memory is what counts. */
bool chain_enough(const TargetChains *t, double batches, double wide) {
  return batches >= (double)t->batches_least || wide >= (double)t->wide_least;
}

bool chain_batches(const TargetChains *t, const Contraction *c) {
  return chain_enough(t, (double)c->extent[GEMM_BATCH],
                      (double)c->extent[GEMM_M] * (double)c->extent[GEMM_N]);
}

/* ---- is it worth it? -------------------------------------------------------------- */

typedef struct Uses {
  ChainParts *f;
  const Node *of;
  const Group *reader;
  bool outside, across;
} Uses;

static void see_use(Node *read, void *ctx) {
  Uses *u = ctx;
  if (read != u->of) return;
  bool part = false;
  for (int i = 0; i < u->f->at.n; i++) part = part || u->f->at.at[i].g == u->reader;
  if (!part)
    u->outside = true;
  else if (u->reader != plan_info(u->f->p, read)->group)
    u->across = true;
}

/* A value of one part that only other parts read? */
static bool stays(ChainParts *f, const Node *n) {
  Plan *p = f->p;
  Uses u = {.f = f, .of = n};
  if (plan_info(p, n)->owner) return false;
  for (int i = 0; i < p->groups.n; i++) {
    u.reader = p->groups.at[i];
    for (int k = 0; k < u.reader->members.n; k++)
      ir_each_read(p->g, u.reader->members.at[k].node, see_use, &u);
  }
  return u.across && !u.outside;
}

typedef struct Weight {
  double batches, wide; /* wide elements in each batch, of the widest value */
  double kept, moved;   /* elements that stay on chip; that come and go */
  double packed;        /* elements of operands of each batch */
  double apart;         /* seconds that its products would save apart */
} Weight;

static void weigh_product(ChainParts *f, const ChainPart *t, double inner, Weight *w) {
  const Contraction *c = t->g->contraction;
  double x = (double)c->extent[gemm_outer(t->x)],
         y = (double)c->extent[gemm_outer(t->x == GEMM_A ? GEMM_B : GEMM_A)];
  double k = (double)c->extent[GEMM_K], batch = (double)c->extent[GEMM_BATCH];
  if (t->role == CHAIN_IN && inner * y > w->wide) w->wide = inner * y;
  if (t->role != CHAIN_COLUMN) w->packed += y * k;
  w->moved += batch * y * k + (t->role == CHAIN_IN ? batch * x * k : batch * x * y);
  w->apart += product_saves(f->p, t->g);
}

static Weight weigh(ChainParts *f) {
  Weight w = {.batches = 1};
  double rows = 1, inner = 1;
  for (int k = 0; k < f->nrows; k++) {
    rows *= (double)f->row_extent[k];
    *(f->batch[k] ? &w.batches : &inner) *= (double)f->row_extent[k];
  }
  for (int i = 0; i < f->at.n; i++) {
    const ChainPart *t = &f->at.at[i];
    if (t->product) weigh_product(f, t, inner, &w);
    for (int m = 0; m < t->g->members.n && !(t->product && t->role != CHAIN_IN); m++) {
      const Node *n = t->g->members.at[m].node;
      if ((double)ir_count(n) > rows && stays(f, n)) w.kept += (double)ir_count(n);
    }
  }
  return w;
}

/* Twice what stays on chip, written and read, against what is read and written;
 * packed operands are read again for every block. Where more stays than moves it is
 * one in any case: what a program takes then grows with rows, not with rows x columns. */
bool chain_worth_it(ChainParts *f) {
  const Target *t = f->p->target;
  const Weight w = weigh(f);
  if (!chain_enough(&t->chains, w.batches, w.wide)) return false;
  if (2 * w.kept < w.moved || w.kept <= 0) return false;
  if (w.kept <= w.moved && w.apart > 2 * w.kept * (double)sizeof(float) / t->rates.bytes)
    return false;
  return w.packed <= (double)t->chains.near || w.wide >= (double)t->chains.reread * w.packed;
}

/* ---- does it fit? ------------------------------------------------------------------------ */

/* What a row's values take: those of all members, and of all operands that may have to be
 * computed, as if none lay where another one was; and what products give, of which some are
 * needed at a time in any case. */
typedef struct Room {
  double all, wide, sums;
} Room;

enum { GAP = 32 }; /* numbers behind each value, at most */

static double tiled(int64_t x, int64_t side) { return (double)(side > 0 ? round_up(x, side) : x); }

static void product_room(const TargetChains *t, const ChainPart *part, Room *r) {
  const Contraction *c = part->g->contraction;
  GemmAxisKind own = gemm_outer(part->x == GEMM_A ? GEMM_B : GEMM_A);
  int64_t x = c->extent[gemm_outer(part->x)], y = c->extent[own], k = c->extent[GEMM_K];
  switch (part->role) {
  case CHAIN_IN:
    r->wide += (double)y;
    r->all += (double)(y + k + 2 * GAP);
    return;
  case CHAIN_ROW: r->all += (double)(y + k + 2 * GAP); return;
  case CHAIN_COLUMN:
    r->all += (double)(x + y + 2 * GAP);
    r->sums += tiled(x, t->sums_s) * tiled(y, t->sums_e);
    return;
  }
}

bool chain_has_room(ChainParts *f) {
  const Target *t = f->p->target;
  if (t->chains.row_least == 0) return true;
  Room r = {0};
  double rows = 1, most = 0.75 * (double)(t->memory.on_chip / sizeof(float));
  for (int k = 0; k < f->nrows; k++) rows *= (double)f->row_extent[k];
  for (int i = 0; i < f->at.n; i++) {
    const ChainPart *part = &f->at.at[i];
    if (part->product) product_room(&t->chains, part, &r);
    for (int m = 0; m < part->g->members.n && (!part->product || part->role != CHAIN_COLUMN); m++)
      r.all += (double)ir_count(part->g->members.at[m].node) / rows + GAP;
  }
  return r.all <= most && r.wide * (double)t->chains.row_least <= most &&
         (t->chains.sums_most == 0 || r.sums <= (double)t->chains.sums_most);
}
