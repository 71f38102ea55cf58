/* SPDX-License-Identifier: MIT */
/* Chains: products whose operands are made of products, kept on chip.
 *
 * needs       groups; nothing is placed yet, and nests are not made (plan_rows)
 * guarantees  values stay; the groups of a chain are one group (GROUP_CHAIN), the others
 *             dropped; no groups wait for each other in a circle
 * breaks      sums stand apart from what is done with them, as nodes of their own
 *
 *     s[b, l, k] = sum over e (q[b, l, e] * key[b, k, e])    contraction
 *     m[b, l] = max over k (s); p[b, l, k] = exp(s - m)      rows
 *     y[b, l, e] = sum over k (p[b, l, k] * v[b, k, e])      contraction
 * ->  one kernel: for each b, for a block of l: s, p, y
 *
 * s and p are *wide*: rows x columns, larger than what they are made of and than
 * what is made of them. A block of their rows fits the nearest caches, so the
 * tiles write it to scratch memory, the row program works on it there, and the
 * next product takes it from there: wide values are not in memory at all, but for those that
 * sums over rows read where the target has these apart (TargetChains.sums_near).
 *
 * A chain grows from a product and the choice of one of its sides as the rows:
 *   - groups of rows that read its members at their own row;
 *   - other products that those read in the same way: their rows are these rows;
 *   - products with a value of these as an operand, which either have the rows as
 *     their own, or sum over them (the gradients by keys and values do). Those
 *     need all rows of a batch in one piece, in order.
 * It is one if nothing outside stands between its parts, and worth it if what
 * stays on chip is more than what comes and goes.
 *
 * Whole rows are kept, however long they are: with 8,192 columns a block has
 * fewer rows, and memory grows with the length, not with its square. So nothing
 * here knows what a softmax is, as it would have to for rescaling while columns
 * go by; what that would save is the way of long rows to the third cache.
 *
 * Left alone: products with weights, which all batches share; and few batches,
 * as threads would have too little to share. Wide values that something outside
 * needs are stored as ever. */
#include "compiler/plan/chain.h"

/* ---- parts ------------------------------------------------------------------------- */

static bool may_join(ChainParts *f, const Group *g, const Region *r) {
  for (int i = 0; i < f->at.n; i++)
    if (f->at.at[i].g == g) return false;
  if (g->kind != GROUP_ROWS && g->kind != GROUP_CONTRACTION) return false;
  /* such sums may have to be added up anew, by a kernel that has all of their terms */
  if (g->kind == GROUP_CONTRACTION && contract_leaves_out(g->contraction)) return false;
  /* a library's is none of attention's products, by its extents (apart.c) */
  return g->region == r && !g->late && !g->once && !g->dropped && !g->rows_fixed &&
         g->members.n > 0 && !plan_info(f->p, g->members.at[0].node)->library;
}

static ChainPart new_part(Group *g) {
  ChainPart t = {.g = g, .product = g->kind == GROUP_CONTRACTION};
  for (int k = 0; k < IR_MAX_VARS; k++) t.row[k] = -1;
  return t;
}

static bool complete(const ChainParts *f, const ChainPart *t) {
  for (int k = 0; k < f->nrows; k++) {
    if (t->row[k] < 0) return false;
    for (int j = 0; j < k; j++)
      if (t->row[j] == t->row[k]) return false;
  }
  return true;
}

static bool is_row(const ChainParts *f, const ChainPart *t, int var) {
  for (int k = 0; k < f->nrows; k++)
    if (t->row[k] == var) return true;
  return false;
}

/* Are all variables of the axis that vary rows, or none of them? */
static bool all_rows(const ChainParts *f, const ChainPart *t, GemmAxisKind axis, bool want) {
  const Contraction *c = t->g->contraction;
  const Node *n = t->g->members.at[0].node;
  for (int i = 0; i < c->nvars[axis]; i++)
    if (n->extent[c->var[axis][i]] > 1 && is_row(f, t, c->var[axis][i]) != want) return false;
  return true;
}

/* Do its rows have the form of an IN or ROW product with X on that side? */
static bool rows_on_side(const ChainParts *f, const ChainPart *t, GemmSide x) {
  return all_rows(f, t, GEMM_BATCH, true) && all_rows(f, t, gemm_outer(x), true) &&
         all_rows(f, t, gemm_outer(x == GEMM_A ? GEMM_B : GEMM_A), false) &&
         all_rows(f, t, GEMM_K, false);
}

/* ---- reads at one's own row ------------------------------------------------------------ */

typedef struct Look {
  ChainParts *f;
  ChainPart *t;        /* the part being made, or checked */
  const Member *m;     /* that reads */
  const ChainPart *of; /* only reads of this group; NULL: of any part */
  bool reads, fails;
  bool wide; /* reads something wide */
} Look;

static void bind(Look *l, int k, int row, int64_t extent) {
  if (row < 0 || extent != l->f->row_extent[k])
    l->fails = true;
  else if (l->t->row[k] < 0)
    l->t->row[k] = row;
  else if (l->t->row[k] != row)
    l->fails = true;
}

/* The part that e reads, of which *m is computed there; NULL: it reads none, or one
 * whose values are not on chip, with which the look fails. */
static const ChainPart *part_read(Look *l, const Expr *e, const Member **m) {
  const ChainPart *x = e->kind == E_READ ? chain_part(l->f, e->node) : NULL;
  if (!x) return NULL;
  *m = member_of(x->g, e->node);
  bool on_chip = *m && (!x->product || x->role == CHAIN_IN);
  l->reads = l->reads || on_chip;
  l->fails = l->fails || !on_chip;
  return on_chip ? x : NULL;
}

/* A group of rows reads a part: which of its rows are the chain's? */
static void map_rows(Expr *e, void *ctx) {
  Look *l = ctx;
  const Member *m;
  const ChainPart *x = part_read(l, e, &m);
  for (int k = 0; x && k < l->f->nrows; k++) {
    int var = ex_bare_var(e->args[chain_var(x, m, k)]), row = -1;
    for (int j = 0; j < l->t->g->nrows && var >= 0; j++)
      if (l->m->rowvar[j] == var) row = j;
    bind(l, k, row, row < 0 ? 0 : l->t->g->row_extent[row]);
  }
}

static bool add_rows(ChainParts *f, Group *g) {
  ChainPart t = new_part(g);
  Look l = {.f = f, .t = &t};
  for (int i = 0; i < g->members.n && !l.fails; i++) {
    l.m = &g->members.at[i];
    if (l.m->accumulates) return false;
    ir_visit_exprs(f->p->g, l.m->node, map_rows, &l);
  }
  if (!l.reads || l.fails || !complete(f, &t)) return false;
  vec_push(f->p->arena, &f->at, t);
  return true;
}

/* A part reads a product: which of its rows are the chain's? */
static void map_read_product(Expr *e, void *ctx) {
  Look *l = ctx;
  const Member *x = e->kind == E_READ ? member_of(l->t->g, e->node) : NULL;
  if (!x) return;
  l->reads = true;
  const Member *first = &l->t->g->members.at[0];
  for (int j = 0; j < l->t->g->nrows; j++) {
    int var = ex_bare_var(e->args[x->rowvar[j]]);
    for (int k = 0; k < l->f->nrows && var >= 0; k++)
      if (chain_var(l->of, l->m, k) == var)
        bind(l, k, first->rowvar[j], first->node->extent[first->rowvar[j]]);
  }
}

static bool add_in(ChainParts *f, Group *g) {
  ChainPart t = new_part(g);
  Look l = {.f = f, .t = &t};
  for (int i = 0; i < f->at.n; i++) {
    l.of = &f->at.at[i];
    for (int k = l.of->product; k < l.of->g->members.n; k++) {
      l.m = &l.of->g->members.at[k];
      ir_visit_exprs(f->p->g, l.m->node, map_read_product, &l);
    }
  }
  if (!l.reads || l.fails || !complete(f, &t)) return false;
  t.role = CHAIN_IN;
  t.x = rows_on_side(f, &t, GEMM_A) ? GEMM_A : GEMM_B;
  if (!rows_on_side(f, &t, t.x)) return false;
  vec_push(f->p->arena, &f->at, t);
  return true;
}

/* An operand reads parts: which of the product's variables are the rows? */
static void map_operand(Expr *e, void *ctx) {
  Look *l = ctx;
  const Member *m;
  const ChainPart *x = part_read(l, e, &m);
  if (!x) return;
  const Node *n = l->t->g->members.at[0].node;
  int64_t rows = 1;
  for (int k = 0; k < l->f->nrows; k++) rows *= l->f->row_extent[k];
  l->wide = l->wide || ir_count(e->node) > rows;
  for (int k = 0; k < l->f->nrows; k++) {
    int var = ex_bare_var(e->args[chain_var(x, m, k)]);
    bind(l, k, var, var < 0 ? 0 : n->extent[var]);
  }
}

static Look look_at_operand(ChainParts *f, ChainPart *t, GemmSide side) {
  Look l = {.f = f, .t = t};
  ex_visit(f->p->g, t->g->contraction->operand[side], map_operand, &l);
  return l;
}

static bool sums_over_rows(const ChainParts *f, const ChainPart *t) {
  const Contraction *c = t->g->contraction;
  int reduced = 0, k = 0;
  for (int i = 0; i < f->nrows; i++) reduced += t->row[i] >= t->g->members.at[0].node->rank;
  for (int i = 0; i < c->nvars[GEMM_K]; i++)
    k += t->g->members.at[0].node->extent[c->var[GEMM_K][i]] > 1;
  return reduced > 0 && reduced == k && all_rows(f, t, GEMM_BATCH, true) &&
         all_rows(f, t, GEMM_M, false) && all_rows(f, t, GEMM_N, false) &&
         all_rows(f, t, GEMM_K, true);
}

static bool classify_out(ChainParts *f, ChainPart *t) {
  for (int side = 0; side < 2; side++) {
    Look x = look_at_operand(f, t, side);
    if (!x.reads) continue;
    ChainPart other = new_part(t->g);
    Look y = look_at_operand(f, &other, side == GEMM_A ? GEMM_B : GEMM_A);
    if (!x.wide && y.wide) {
      *t = new_part(t->g);
      continue;
    }
    if (x.fails || !complete(f, t) || y.fails || y.wide) return false;
    t->x = side;
    t->role = rows_on_side(f, t, side) ? CHAIN_ROW : CHAIN_COLUMN;
    return t->role == CHAIN_ROW ? !y.reads : sums_over_rows(f, t);
  }
  return false;
}

/* ---- may they be one kernel? ------------------------------------------------------ */

/* Every read of a part is at the reader's own row. */
static void check_read(Expr *e, void *ctx) {
  Look *l = ctx;
  const ChainPart *x = e->kind == E_READ ? chain_part(l->f, e->node) : NULL;
  if (!x) return;
  const Member *m = member_of(x->g, e->node);
  bool out = x->product && x->role != CHAIN_IN,
       sum = l->t->product && l->m == &l->t->g->members.at[0];
  if (!m || (out && x->g != l->t->g) || (sum && l->t->role == CHAIN_IN)) {
    l->fails = true;
    return;
  }
  for (int k = 0; k < l->f->nrows && !out; k++) {
    int var = chain_var(l->t, l->m, k);
    if (var < 0 || ex_bare_var(e->args[chain_var(x, m, k)]) != var) l->fails = true;
  }
}

static bool reads_allowed(ChainParts *f, ChainPart *t) {
  Look l = {.f = f, .t = t};
  for (int i = 0; i < t->g->members.n && !l.fails; i++) {
    l.m = &t->g->members.at[i];
    ir_visit_exprs(f->p->g, l.m->node, check_read, &l);
    for (int k = 0; k < f->at.n; k++)
      if (node_reads_around(f->p, l.m->node, f->at.at[k].g)) return false;
  }
  return !l.fails;
}

typedef struct Detour {
  ChainParts *f;
  const Group *g;
  bool found;
} Detour;

static void check_detour(Group *before, void *ctx) {
  Detour *d = ctx;
  bool part = before == d->g;
  for (int i = 0; i < d->f->at.n; i++) part = part || d->f->at.at[i].g == before;
  for (int i = 0; i < d->f->at.n && !part && !d->found; i++)
    d->found = group_follows(d->f->p, before, d->f->at.at[i].g);
}

/* Does g wait for a part by way of something that is none? */
static bool detour(ChainParts *f, Group *g) {
  Detour d = {f, g, false};
  group_waits(f->p, g, check_detour, &d);
  return d.found;
}

/* A product's epilogue may read what other products of the chain give. Then it is
 * a group of rows after the chain, and only the product is part of it. */
static void split(ChainParts *f, Group *g) {
  Plan *p = f->p;
  Group *rest = plan_new_group(p, g->region, GROUP_ROWS);
  rest->nrows = g->nrows;
  for (int k = 0; k < g->nrows; k++) rest->row_extent[k] = g->row_extent[k];
  for (int i = 1; i < g->members.n; i++) {
    vec_push(p->arena, &rest->members, g->members.at[i]);
    plan_info(p, g->members.at[i].node)->group = rest;
  }
  g->members.n = 1;
  ChainSplit s = {g, rest};
  vec_push(p->arena, &f->splits, s);
}

static void undo_splits(ChainParts *f, int from) {
  for (int i = from; i < f->splits.n; i++) {
    ChainSplit s = f->splits.at[i];
    for (int k = 0; k < s.rest->members.n; k++) {
      vec_push(f->p->arena, &s.product->members, s.rest->members.at[k]);
      plan_info(f->p, s.rest->members.at[k].node)->group = s.product;
    }
    s.rest->members.n = 0;
    s.rest->dropped = true;
  }
  f->splits.n = from;
}

static bool last_part_fits(ChainParts *f) {
  ChainPart *t = &f->at.at[f->at.n - 1];
  return reads_allowed(f, t) && !detour(f, t->g);
}

static void add_outs(ChainParts *f, Region *r) {
  for (int i = 0; i < f->p->groups.n; i++) {
    Group *g = f->p->groups.at[i];
    if (g->kind != GROUP_CONTRACTION || !may_join(f, g, r)) continue;
    ChainPart t = new_part(g);
    if (!classify_out(f, &t)) continue;
    vec_push(f->p->arena, &f->at, t);
    if (last_part_fits(f)) continue;
    int splits = f->splits.n;
    if (g->members.n > 1) split(f, g);
    if (f->splits.n > splits && last_part_fits(f)) continue;
    undo_splits(f, splits);
    f->at.n--;
  }
}

/* Is its wide value better stored, and the product one of its own? */
static bool apart(const ChainParts *f, const ChainPart *t) {
  const TargetChains *chains = &f->p->target->chains;
  const int64_t *extent = t->g->contraction->extent;
  double x = (double)extent[gemm_outer(t->x)],
         y = (double)extent[gemm_outer(t->x == GEMM_A ? GEMM_B : GEMM_A)];
  return x * y > (double)chains->sums_near &&
         (double)extent[GEMM_BATCH] * (double)extent[GEMM_K] * x <= (double)chains->stored_most;
}

/* Rows of the batch: those that a Y depends on. COLUMN products sum over all others. */
static void find_batch(ChainParts *f) {
  for (int i = 0; i < f->at.n; i++) {
    const ChainPart *t = &f->at.at[i];
    if (!t->product || t->role == CHAIN_COLUMN) continue;
    const Contraction *c = t->g->contraction;
    for (int k = 0; k < f->nrows; k++)
      for (int v = 0; v < c->nvars[GEMM_BATCH]; v++)
        if (c->var[GEMM_BATCH][v] == t->row[k]) f->batch[k] = true;
  }
  int64_t batches = 1, rows = 1;
  for (int k = 0; k < f->nrows; k++) *(f->batch[k] ? &batches : &rows) *= f->row_extent[k];
  int kept = 0;
  for (int i = 0; i < f->at.n; i++) {
    ChainPart t = f->at.at[i];
    bool keep = true;
    for (int k = 0; k < f->nrows && t.product && t.role == CHAIN_COLUMN; k++)
      if ((t.row[k] < t.g->members.at[0].node->rank) != f->batch[k]) keep = false;
    if (t.product && t.role == CHAIN_COLUMN &&
        (apart(f, &t) ||
         !chain_enough(&f->p->target->chains, (double)batches, (double)rows * (double)rows)))
      keep = false;
    if (keep) f->at.at[kept++] = t;
  }
  f->at.n = kept;
}

static bool is_chain(ChainParts *f) {
  bool out = false, rows = false;
  for (int i = 0; i < f->at.n; i++) {
    if (!reads_allowed(f, &f->at.at[i]) || detour(f, f->at.at[i].g)) return false;
    out = out || (f->at.at[i].product && f->at.at[i].role != CHAIN_IN);
  }
  for (int k = 0; k < f->nrows; k++) rows = rows || !f->batch[k];
  return out && rows;
}

/* ---- from one product ------------------------------------------------------------- */

static bool seed(ChainParts *f, Group *g, GemmSide x) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  ChainPart t = new_part(g);
  t.x = x;
  for (int v = 0; v < n->rank; v++) {
    bool row = false;
    for (int i = 0; i < c->nvars[GEMM_BATCH]; i++) row = row || c->var[GEMM_BATCH][i] == v;
    for (int i = 0; i < c->nvars[gemm_outer(x)]; i++) row = row || c->var[gemm_outer(x)][i] == v;
    if (!row || n->extent[v] == 1) continue;
    f->row_extent[f->nrows] = n->extent[v];
    t.row[f->nrows++] = v;
  }
  vec_push(f->p->arena, &f->at, t);
  return f->nrows > 0;
}

static bool grow(ChainParts *f, Region *r) {
  bool more = true;
  while (more) {
    more = false;
    for (int i = 0; i < f->p->groups.n; i++) {
      Group *g = f->p->groups.at[i];
      if (!may_join(f, g, r)) continue;
      bool added = g->kind == GROUP_ROWS ? add_rows(f, g) : add_in(f, g);
      if (added && !last_part_fits(f)) {
        f->at.n--;
        added = false;
      }
      more = more || added;
    }
  }
  add_outs(f, r);
  find_batch(f);
  return is_chain(f) && chain_worth_it(f) && chain_has_room(f);
}

void plan_chains(Plan *p) {
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    for (int side = 0; side < 2; side++) {
      ChainParts f = {.p = p};
      if (g->kind != GROUP_CONTRACTION || !may_join(&f, g, g->region) || !seed(&f, g, side))
        continue;
      if (grow(&f, g->region) && chain_build(&f)) break;
      undo_splits(&f, 0);
    }
  }
  plan_stored(p);
}
