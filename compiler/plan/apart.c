/* SPDX-License-Identifier: MIT */
/* Products whose sums a library makes, though maps follow on them. A kernel of our own does the
 * maps on its sums before these leave it; a library multiplies faster, and what it makes is
 * written and read once more. Which takes less follows from the extents and the target's
 * numbers (TargetProducts.own, .others): where it is the library, no map joins the product, and
 * maps are grouped with what follows them, as in rows that a norm is made of.
 *
 *     y = sum over d (x * w); h = gelu(y + b)   ->   product y | map h
 *
 * needs       a graph after plan_weights and plan_own; nothing is grouped
 * guarantees  values are what they were, but that in bf16 sums may be rounded before maps
 *             read them; a product that is so chosen is one that a library computes, in f32
 *             always, in bf16 as far as it can be told before types are
 * breaks      nothing                                                                     */
#include "compiler/plan/group.h"
#include "compiler/plan/product.h"

#include <math.h>

/* Who reads a node, stacks of it and views included. */
typedef struct Readers {
  bool product, others;
} Readers;

/* What is saved has to be this share at least of what a library's way takes: rates are rough. */
static const double MARGIN = 0.1;
/* What a chain keeps near is so many times longer each way than what is multiplied for it. */
enum { NARROW = 16 };

typedef struct Apart {
  Plan *p;
  Readers *readers; /* by node id */
  Node *reader;
  bool product; /* it is one */
} Apart;

/* What a read of n shows. */
static Node *shown(Node *n) {
  for (;;) {
    if (n->kind == N_VIEW)
      n = n->base;
    else if (n->kind == N_STACK)
      n = n->loop->emits.at[n->slot];
    else
      return n;
  }
}

/* Will a sum over n's rows be made where n is? Then nobody else reads it there. */
static bool sums_rows(const Node *reader, const Node *n) {
  return reader->region == n->region && node_accumulates(reader) && reader->nvars > reader->rank &&
         ir_count(n) == ir_evaluations(reader);
}

static void note_read(Node *read, void *ctx) {
  Apart *a = ctx;
  Node *n = shown(read);
  Readers *r = &a->readers[n->id];
  if (a->product)
    r->product = true;
  else if (n != read || !sums_rows(a->reader, n))
    r->others = true;
}

typedef void Visit(Apart *a, Node *n, const Contraction *c);

static void each_node(Apart *a, const Region *r, Visit *f) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      each_node(a, n->loop->body, f);
    else if (ir_computes(n))
      f(a, n, contract_find(a->p->g, &a->p->target->products, n));
  }
}

static void note_reads(Apart *a, Node *n, const Contraction *c) {
  a->reader = n;
  a->product = c != NULL;
  ir_each_read(a->p->g, n, note_read, a);
}

static bool is_output(const Plan *p, const Node *n) {
  for (int i = 0; i < p->g->outputs.n; i++)
    if (p->g->outputs.at[i].node == n) return true;
  return false;
}

/* Will it be stored in the type in which factors are multiplied? In bf16 what only products
 * read is, by plan_narrow; of others it is not known here. */
static bool is_factor(const Apart *a, const Expr *operand) {
  Plan *p = a->p;
  Node *n = shown(operand->node);
  if (!p->rounds) return true;
  const Node *owner = plan_info(p, n)->owner;
  const Readers *r = &a->readers[n->id];
  if (p->act != TD_BF16) return false;
  if (plan_info(p, n)->factor) return true;
  return n->kind == N_COMP && !is_output(p, n) && r->product && !r->others &&
         (!owner || owner == n || owner->kind == N_STACK) &&
         ir_count(n) >= p->target->memory.narrow_least;
}

/* Seconds: what a kernel of our own takes for the products, against a library's, another launch,
 * and the way of the sums to memory and back. */
static bool is_worth(const Plan *p, const Contraction *c) {
  const TargetProducts *t = &p->target->products;
  const TargetRates *r = &p->target->rates;
  double own = p->rounds ? t->own.narrow_flops : t->own.flops,
         library = p->rounds ? t->others.narrow_flops : t->others.flops;
  double sums =
             (double)c->extent[GEMM_BATCH] * (double)c->extent[GEMM_M] * (double)c->extent[GEMM_N],
         flops = 2 * sums * (double)c->extent[GEMM_K];
  if (own <= 0 || library <= 0) return false;
  double apart = flops / library + r->launch + 2 * sums * (double)sizeof(float) / r->bytes;
  return flops / own > (1 + MARGIN) * apart;
}

bool product_may_chain(const Plan *p, const Contraction *c) {
  const TargetChains *t = &p->target->chains;
  double least = INFINITY, most = 0, all = 1;
  if (!p->options->chains || !t->any) return false;
  if (c->extent[GEMM_BATCH] >= t->batches_least) return true;
  for (int k = GEMM_M; k <= GEMM_K; k++) {
    least = fmin(least, (double)c->extent[k]);
    most = fmax(most, (double)c->extent[k]);
    all *= (double)c->extent[k];
  }
  double middle = all / least / most;
  return middle >= NARROW * least && middle * most >= (double)t->wide_least;
}

static void choose(Apart *a, Node *n, const Contraction *c) {
  Plan *p = a->p;
  if (!c || product_may_chain(p, c)) return;
  plan_info(p, n)->library = is_worth(p, c) && product_is_plain(p, n, c) &&
                             is_factor(a, c->operand[GEMM_A]) && is_factor(a, c->operand[GEMM_B]);
}

void plan_apart(Plan *p) {
  Apart a = {.p = p};
  if (!p->target->products.library || !p->options->contractions || !p->options->fuse_epilogues)
    return;
  a.readers = NEWN(p->arena, Readers, p->g->nodes.n + 1);
  each_node(&a, p->g->top, note_reads);
  each_node(&a, p->g->top, choose);
}

/* ---- maps on their sums ------------------------------------------------------------------- */

typedef struct Maps {
  Plan *p;
  Node *n, *product; /* the last one of those whose sums or maps it reads */
  bool fails;
} Maps;

static Node *product_of(Plan *p, Node *n) {
  const NodeInfo *info = plan_info(p, n);
  return info->library ? n : info->epilogue;
}

/* At its own element? */
static void find_product(Expr *e, void *ctx) {
  Maps *m = ctx;
  Node *product = e->kind == E_READ ? product_of(m->p, e->node) : NULL;
  if (!product || product->region != m->n->region || ir_count(e->node) != ir_count(m->n)) return;
  for (int d = 0; d < e->nargs; d++)
    if (e->node->shape[d] > 1 && ex_bare_var(e->args[d]) < 0) return;
  if (!m->product || plan_info(m->p, product)->position > plan_info(m->p, m->product)->position)
    m->product = product;
}

/* Nothing else that it reads may have to wait for the sums, or they would have left a kernel. */
static void check_read(Node *read, void *ctx) {
  Maps *m = ctx;
  const NodeInfo *info = plan_info(m->p, read);
  Group *of = plan_info(m->p, m->product)->group;
  if (read == m->product || info->epilogue == m->product || !info->group || info->group == of)
    return;
  m->fails = m->fails || group_follows(m->p, info->group, of);
}

void plan_note_epilogue(Plan *p, Node *n) {
  Maps m = {.p = p, .n = n};
  if (!ir_is_map(n) || n->type != TY_REAL) return;
  ir_visit_exprs(p->g, n, find_product, &m);
  if (!m.product || !plan_info(p, m.product)->group) return;
  ir_each_read(p->g, n, check_read, &m);
  if (!m.fails) plan_info(p, n)->epilogue = m.product;
}
