/* SPDX-License-Identifier: MIT */
/* How the operands and the sums of a contraction lie in memory, and whether all of it
 * is a product that a library computes (TargetProducts.library): both operands single
 * reads in the type that factors have, each of its axes one run of equal strides (or several, a
 * batch for which the other operand is the same), nothing but the sums, or a constant times
 * them, as result.
 *
 *     y[b, l, f] = sum over d (x[b, l, d] * w[@i, d, f])
 * ->  m = b l, n = f, k = d; w lies at i * d f from its first element               */
#include "compiler/plan/product.h"

bool product_place(Plan *p, const Node *n, const Node *read, Expr *const *index, Linear *lin) {
  if (read->type != TY_REAL) return false;
  linear_init(lin);
  int64_t stride[IR_MAX_RANK];
  plan_strides(p, read, stride);
  for (int d = read->rank - 1; d >= 0; d--) {
    if (!ex_in_range(p->g, index[d], n->extent, n->nvars, read->shape[d])) return false;
    if (!linear_add(lin, index[d], stride[d])) return false;
  }
  for (int i = 0; i < lin->n; i++)
    if (lin->term[i].atom->kind != E_VAR && lin->term[i].atom->vars) return false;
  return true;
}

void product_strides(const Contraction *c, const Linear *lin, GemmAxisKind kind, int64_t *stride) {
  for (int v = 0; v < c->nvars[kind]; v++)
    for (int i = 0; i < lin->n; i++)
      if (lin->term[i].atom->kind == E_VAR && lin->term[i].atom->inum == c->var[kind][v])
        stride[v] = lin->term[i].coef;
}

/* The variables of an operand's own axis and those of the sum. */
typedef struct Gaps {
  Graph *g;
  uint32_t outer, k;
  bool any; /* a condition leaves every second place of both, or every third, ... */
} Gaps;

static uint32_t variables(const Contraction *c, GemmAxisKind kind) {
  uint32_t vars = 0;
  for (int v = 0; v < c->nvars[kind]; v++) vars |= 1u << c->var[kind][v];
  return vars;
}

static void find_residue(Expr *e, void *ctx) {
  Gaps *x = ctx;
  if (!ex_is_prim(e, P_eq)) return;
  for (int i = 0; i < 2; i++)
    if (ex_is_prim(e->args[i], P_mod) && e->args[i]->args[0]->vars & x->outer &&
        e->args[i]->args[0]->vars & x->k)
      x->any = true;
}

static void find_gaps(Expr *e, void *ctx) {
  Gaps *x = ctx;
  if (ex_is_prim(e, P_select) && ex_is_zero(e->args[2]))
    ex_visit(x->g, e->args[0], find_residue, x);
}

/* Is an operand 0 at most places, as the gradient of what a convolution reads in strides is? Floats
 * are soon filled with zeros, which parts are made of as of other numbers. A quotient alone leaves
 * no gaps, nor do the ends of what is read.
 *     sum over o, k where (l + k) mod 2 = 0 (d[b, (l + k) / 2, o] w[k, c, o]) */
static bool has_gaps(const Plan *p, const Contraction *c) {
  for (int side = 0; side < 2; side++) {
    Gaps x = {
        .g = p->g, .outer = variables(c, gemm_outer((GemmSide)side)), .k = variables(c, GEMM_K)};
    if (c->where[side]) ex_visit(p->g, c->where[side], find_residue, &x);
    ex_visit(p->g, c->operand[side], find_gaps, &x);
    if (x.any) return true;
  }
  return false;
}

/* How often a number that is packed is multiplied, in the mean over both operands: one that is
 * read at moved places once for each of them, one of B that comes again once for all of these. */
static double reuse(Plan *p, const Node *node, const Contraction *c) {
  GemmMoves moves;
  Expr *read;
  Linear base;
  double n = (double)c->extent[GEMM_N], places = 1;
  double m = (double)c->extent[GEMM_M] * (c->turns ? (double)c->turns : 1);
  int64_t period[IR_MAX_VARS];
  if (product_periods(p->g, node, c, period))
    for (int v = 0; v < c->nvars[GEMM_BATCH]; v++)
      m *= (double)(node->extent[c->var[GEMM_BATCH][v]] / period[v]);
  if (product_moves(p, node, c, &moves, &read, &base)) {
    for (int i = 0; i < moves.n; i++) places *= (double)moves.at[i].count;
    n *= (double)c->extent[GEMM_M] * (double)c->extent[GEMM_K] / ((double)moves.channels * places);
  } else if (product_turned(p, node, c, &moves, &read, &base)) {
    n *= (double)c->extent[GEMM_M] / (double)moves.channels;
  }
  return 2 * m * n / (m + n);
}

/* `often`: how often a number that is packed is multiplied. */
static int split_of(const Plan *p, const Contraction *c, double often, double least) {
  const TargetSplit *t = &p->target->products.split;
  if (!t->k_least || p->rounds || c->extent[GEMM_M] < t->m_least ||
      c->extent[GEMM_N] < t->n_least || c->extent[GEMM_K] < t->k_least)
    return 0;
  if (p->split == TD_SPLIT_F32 && (often < least || has_gaps(p, c))) return 0;
  return td_split_products(p->split);
}

int product_split(Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  return split_of(p, c, reuse(p, g->members.at[0].node, c),
                  (double)p->target->products.split.reuse_least);
}

int product_split_chained(const Plan *p, const Contraction *c, double share) {
  const double m = (double)c->extent[GEMM_M], n = (double)c->extent[GEMM_N];
  return split_of(p, c, share * 2 * m * n / (m + n), (double)p->target->chains.reuse_least);
}

/* Packing takes all of it at reuse_least, and less of it with each multiplication more. */
double product_saves(Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  const TargetSplit *t = &p->target->products.split;
  const double often = reuse(p, g->members.at[0].node, c), least = (double)t->reuse_least;
  if (!product_split(p, g) || often <= least) return 0;
  double flops = 2;
  for (int k = 0; k < GEMM_AXES; k++) flops *= (double)c->extent[k];
  return flops / p->target->rates.flops * t->saves * (1 - least / often);
}

/* ---- products of a library ------------------------------------------------------------ */

/* One stride for the flat index over the axis, if those of its variables agree. */
static bool flat(const Contraction *c, const Node *n, GemmAxisKind kind, const int64_t *stride,
                 int64_t *out) {
  int64_t inner = 1;
  bool found = false;
  *out = 0;
  for (int v = c->nvars[kind] - 1; v >= 0; v--) {
    int64_t extent = n->extent[c->var[kind][v]];
    if (extent == 1) continue;
    if (!found)
      *out = stride[v];
    else if (stride[v] != *out * inner)
      return false;
    found = true;
    inner *= extent;
  }
  return true;
}

static int argument_of(const Launch *l, int buffer) {
  for (int i = 0; i < l->args.n; i++)
    if (l->args.at[i] == buffer) return i;
  bug("a product is not given buffer %d", buffer);
}

/* Where it lies: the node's place, and what of the position follows from counters. */
static void locate(Plan *p, const Group *g, const Node *n, const Linear *lin, TdOperand *out) {
  const Place *at = &plan_info(p, n)->place;
  out->arg = argument_of(&g->launch, at->buffer);
  out->type = plan_type(p, n);
  out->offset = at->offset + lin->constant;
  for (int s = 0; s < TD_MAX_LOOPS; s++) out->by_slot[s] = at->stride[s];
  for (int i = 0; i < lin->n; i++) {
    const Expr *atom = lin->term[i].atom;
    if (atom->kind == E_LOOPVAR)
      out->by_slot[plan_depth(atom->loop->node->region)] += lin->term[i].coef;
  }
}

/* g NULL: nothing is placed yet, and only how it lies is asked. */
static bool matrix(Plan *p, const Group *g, const Contraction *c, const Node *n, const Node *read,
                   Expr *const *index, GemmAxisKind rows, GemmAxisKind columns, TdOperand *out) {
  Linear lin;
  int64_t stride[GEMM_AXES][IR_MAX_VARS] = {0};
  if (!product_place(p, n, read, index, &lin)) return false;
  for (int i = 0; i < lin.n; i++) /* read from a table: only a kernel can */
    if (lin.term[i].atom->kind != E_VAR && lin.term[i].atom->kind != E_LOOPVAR) return false;
  if (g) locate(p, g, read, &lin, out);
  for (int k = 0; k < GEMM_AXES; k++) product_strides(c, &lin, (GemmAxisKind)k, stride[k]);
  return flat(c, n, GEMM_BATCH, stride[GEMM_BATCH], &out->batch) &&
         flat(c, n, rows, stride[rows], &out->row) &&
         flat(c, n, columns, stride[columns], &out->column) &&
         (out->row == 1 || out->column == 1 || c->extent[rows] == 1 || c->extent[columns] == 1);
}

static bool matrices(Plan *p, const Group *g, const Node *n, const Contraction *c, TdProduct *x) {
  const Expr *a = c->operand[GEMM_A], *b = c->operand[GEMM_B];
  Expr *own[IR_MAX_RANK];
  for (int d = 0; d < n->rank; d++) own[d] = ex_var(p->g, d);
  *x = (TdProduct){.alpha = c->factor ? c->factor->num : 1,
                   .m = c->extent[GEMM_M],
                   .n = c->extent[GEMM_N],
                   .k = c->extent[GEMM_K],
                   .batch = c->extent[GEMM_BATCH]};
  return matrix(p, g, c, n, a->node, a->args, GEMM_M, GEMM_K, &x->a) &&
         matrix(p, g, c, n, b->node, b->args, GEMM_N, GEMM_K, &x->b) &&
         matrix(p, g, c, n, n, own, GEMM_M, GEMM_N, &x->c);
}

/* The same with the outermost variable of rows or columns as the batch, if there is none: the
 * other operand is one for all of it. */
static bool as_batch(const Contraction *c, const Node *n, GemmAxisKind from, Contraction *out) {
  *out = *c;
  if (c->extent[GEMM_BATCH] != 1 || c->nvars[from] < 2) return false;
  int var = c->var[from][0];
  out->nvars[from]--;
  for (int i = 0; i < out->nvars[from]; i++) out->var[from][i] = c->var[from][i + 1];
  out->extent[from] /= n->extent[var];
  out->nvars[GEMM_BATCH] = 1;
  out->var[GEMM_BATCH][0] = var;
  out->extent[GEMM_BATCH] = n->extent[var];
  return true;
}

/* Could a library compute it, as far as matrices lie? */
static bool lies_so(Plan *p, const Group *g, const Node *n, const Contraction *c, TdProduct *x) {
  Contraction other;
  if ((c->factor && c->factor->kind != E_NUM) || c->condition || contract_leaves_out(c))
    return false;
  if (c->operand[GEMM_A]->kind != E_READ || c->operand[GEMM_B]->kind != E_READ) return false;
  return matrices(p, g, n, c, x) ||
         (as_batch(c, n, GEMM_N, &other) && matrices(p, g, n, &other, x)) ||
         (as_batch(c, n, GEMM_M, &other) && matrices(p, g, n, &other, x));
}

bool product_is_plain(Plan *p, const Node *n, const Contraction *c) {
  TdProduct x;
  return lies_so(p, NULL, n, c, &x);
}

const TdProduct *plan_library_product(Plan *p, const Group *g) {
  if (!p->target->products.library || g->kind != GROUP_CONTRACTION || g->members.n != 1 ||
      g->packed)
    return NULL;
  TdProduct *x = NEW(p->arena, TdProduct);
  /* where factors are rounded to bf16 a library only reads them as they are */
  const TdType factors = p->rounds ? TD_BF16 : TD_F32;
  return lies_so(p, g, g->members.at[0].node, g->contraction, x) && x->a.type == factors &&
                 x->b.type == factors
             ? x
             : NULL;
}
