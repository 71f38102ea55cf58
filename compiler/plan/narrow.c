/* SPDX-License-Identifier: MIT */
/* Which temporaries are kept in bf16, where `precision { act bf16 }` asks for it.
 *
 * Products round their factors to bf16 anyway, so a value that only products
 * read loses nothing by being stored so. What a product yields is stored so too,
 * as in the usual mixed precision: queries, scores, hidden layers; also by way of
 * its epilogue, unless that brings in something of the same size that is f32, as
 * x + f(x) w does. Everything else stays f32: carried values (a residual stream, a recurrent
 * state), sums
 * over rows and by pieces of k, scatters, whatever goes into a state or a pack (parameters'
 * gradients), outputs, and what only other kernels read (statistics, losses).
 *
 * needs       groups and places (plan_group, plan_place)
 * guarantees  the type and size of every temporary buffer are final
 * breaks      values: stored ones are rounded, so how things were grouped shows in them
 *
 *     h = tanh(x w), y = h v, r = h0 + y   ->   h in bf16; r in f32, as h0 is           */
#include "compiler/plan/chain.h"

typedef struct Use {
  bool wide;         /* something needs all of the fraction */
  bool by_product;   /* a contraction reads it, */
  bool by_others;    /* or another kernel does */
  bool from_product; /* a contraction and its epilogue make it, */
  bool from_others;  /* or something else */
  bool factor;       /* all that read it are products, whatever kernels they are in */
  bool narrow;
} Use;

typedef struct Narrowing {
  Plan *p;
  Use *use; /* by buffer */
  Node *reader;
  bool changed;
} Narrowing;

static bool is_product(const Group *g) { return g && (g->kind == GROUP_CONTRACTION || g->product); }

/* Is n what a product gives, by itself or in a chain, or a map on that? */
static bool is_of_product(Plan *p, const Group *g, const Node *n) {
  if (!g || g->kind != GROUP_CHAIN) return is_product(g) || plan_info(p, n)->epilogue;
  int program = member_of(g, n)->program;
  return program == CHAIN_AFTER || program == CHAIN_LAST;
}

/* Does n, of group g, read factors? In a chain the sums do, and what is computed for them. */
static bool is_factor_reader(const Group *g, const Node *n) {
  if (!g || g->kind != GROUP_CHAIN) return is_product(g);
  int program = member_of(g, n)->program;
  return program == CHAIN_PRODUCT || program == CHAIN_FRESH || program == CHAIN_BEFORE;
}

/* Does what n computes end in a state, a pack or an output? (Number by number,
 * that is: a bias's gradient, which sums, may read bf16.) */
static bool is_kept(Narrowing *x, const Node *n) {
  const NodeInfo *info = plan_info(x->p, n);
  return info->placed && info->place.buffer >= 0 && x->use[info->place.buffer].wide;
}

static void note_value(Narrowing *x, Node *n) {
  NodeInfo *info = plan_info(x->p, n);
  if (!info->placed || info->place.buffer < 0) return;
  Use *u = &x->use[info->place.buffer];
  u->factor = u->factor || info->factor;
  if (n->kind == N_STACK || n->kind == N_VIEW) return; /* what they show says it */
  if (n->kind != N_COMP || n->type != TY_REAL || info->pieces) u->wide = true;
  const Group *g = info->group;
  if (is_of_product(x->p, g, n))
    u->from_product = true;
  else
    u->from_others = true;
  for (int i = 0; g && i < g->members.n; i++)
    if (g->members.at[i].node == n && g->members.at[i].accumulates) u->wide = true;
}

static void note_read(Node *n, void *ctx) {
  Narrowing *x = ctx;
  NodeInfo *info = plan_info(x->p, n);
  const Group *g = plan_info(x->p, x->reader)->group;
  if (!info->placed || info->place.buffer < 0 || (g && info->group == g)) return;
  Use *u = &x->use[info->place.buffer];
  if (is_factor_reader(g, x->reader)) {
    u->by_product = true;
  } else {
    u->by_others = true;
    if (is_kept(x, x->reader) && ir_count(n) <= ir_count(x->reader)) u->wide = true;
  }
}

static void walk(Narrowing *x, Region *r, void (*f)(Narrowing *x, Node *n)) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      walk(x, n->loop->body, f);
    else
      f(x, n);
  }
}

static void note_reads(Narrowing *x, Node *n) {
  const Group *g = plan_info(x->p, n)->group;
  if (g && g->dropped) return; /* a copy that nobody makes */
  x->reader = n;
  if (n->kind == N_COMP || n->kind == N_SCATTER) ir_each_read(x->p->g, n, note_read, x);
}

/* Something f32 of the reader's size, from elsewhere: then so is the result. */
static void note_source(Node *n, void *ctx) {
  Narrowing *x = ctx;
  const NodeInfo *info = plan_info(x->p, n), *own = plan_info(x->p, x->reader);
  if (own->epilogue && (n == own->epilogue || info->epilogue == own->epilogue)) return;
  if (info->group == own->group || n->type != TY_REAL || ir_count(n) < ir_count(x->reader)) return;
  if (info->placed && info->place.buffer >= 0 && x->use[info->place.buffer].narrow) return;
  x->use[own->place.buffer].narrow = false;
  x->changed = true;
}

static void note_sources(Narrowing *x, Node *n) {
  const NodeInfo *info = plan_info(x->p, n);
  if (n->kind != N_COMP || !info->placed || info->place.buffer < 0) return;
  const Use *u = &x->use[info->place.buffer];
  bool first = info->group->members.at[0].node == n && !info->epilogue;
  if (!u->narrow || (u->by_product && !u->by_others) || first) return;
  x->reader = n;
  ir_each_read(x->p->g, n, note_source, x);
}

static bool may_be_narrow(const TargetMemory *t, const TdBuffer *b, const Use *u) {
  if ((b->kind != TD_TEMP && b->kind != TD_KEPT) || b->type != TD_F32 ||
      b->count < t->narrow_least || u->wide)
    return false;
  if (b->kind == TD_KEPT) return u->factor; /* tables keep their digits */
  return u->factor || (u->by_product && !u->by_others) || (u->from_product && !u->from_others);
}

void plan_narrow(Plan *p) {
  if (p->act != TD_BF16) return;
  Narrowing x = {.p = p, .use = NEWN(p->arena, Use, p->buffers.n + 1)};
  for (int i = 0; i < p->g->outputs.n; i++) {
    int b = plan_info(p, p->g->outputs.at[i].node)->place.buffer;
    if (b >= 0) x.use[b].wide = true;
  }
  walk(&x, p->g->top, note_value);
  walk(&x, p->g->top, note_reads);
  for (int b = 0; b < p->buffers.n; b++)
    x.use[b].narrow = may_be_narrow(&p->target->memory, &p->buffers.at[b].td, &x.use[b]);
  do {
    x.changed = false;
    walk(&x, p->g->top, note_sources);
  } while (x.changed);
  for (int b = 0; b < p->buffers.n; b++) {
    TdBuffer *td = &p->buffers.at[b].td;
    if (!x.use[b].narrow) continue;
    td->type = TD_BF16;
    td->bytes = (size_t)td->count * td_type_size(TD_BF16);
  }
}

TdType plan_type(Plan *p, const Node *n) {
  const NodeInfo *info = plan_info(p, n);
  return info->placed && info->place.buffer >= 0 ? p->buffers.at[info->place.buffer].td.type
                                                 : plan_storage(n->type);
}
