/* SPDX-License-Identifier: MIT */
/* May a node join a group, or a group another? The rules stand in group.c. See group.h. */
#include "compiler/plan/group.h"

/* What is kept near by joining a group is at most what the group computes: from so many times as
 * much work on, that is not worth computing across memory. */
enum { ACROSS_WORTH = 4 };

/* ---- paths between groups -------------------------------------------------------------- */

typedef struct Between {
  Plan *p;
  Group *g;
  bool found;
} Between;

static void check_between(Group *before, void *ctx) {
  Between *b = ctx;
  if (!b->found && before != b->g) b->found = group_follows(b->p, before, b->g);
}

/* Would n, as a part of g, wait for a group that itself waits for g? */
static bool blocked(Plan *p, Node *n, Group *g) {
  Between b = {p, g, false};
  node_waits(p, n, check_between, &b);
  return b.found;
}

/* The same, as far as it can be told at once. */
static bool surely_blocked(Plan *p, Node *n, const Group *g) {
  const Sources *s = node_sources(p, n);
  for (int i = 0; i < s->n; i++) {
    const Group *before = plan_info(p, s->at[i])->group;
    if (before && before != g && group_is_below(p, before, g)) return true;
  }
  return false;
}

/* ---- which variable of a node is which row -------------------------------------------------- */

enum { UNKNOWN = -1, NONE = -2 };

typedef struct Mapping {
  Plan *p;
  Group *g;
  Node *n;
  int var[IR_MAX_VARS]; /* by row of g; UNKNOWN or NONE */
  bool reads;           /* n reads a member */
  bool partial;         /* ... that is not whole yet */
  const Member *like;   /* a member: rows as it reads them from `from` */
  Node *from;
} Mapping;

static void bind(Mapping *m, int row, int var) {
  if (m->var[row] == UNKNOWN)
    m->var[row] = var;
  else if (m->var[row] != var)
    m->var[row] = NONE;
}

static int bare(const Expr *e) {
  int var = ex_bare_var(e);
  return var < 0 ? NONE : var;
}

static void map_read(Expr *e, void *ctx) {
  Mapping *m = ctx;
  if (e->kind != E_READ) return;
  const Member *x = member_of(m->g, e->node);
  if (!x) return;
  m->reads = true;
  m->partial = m->partial || x->accumulates;
  for (int k = 0; k < m->g->nrows && !x->accumulates; k++) bind(m, k, bare(e->args[x->rowvar[k]]));
}

/* How far from the first row on n's variables are distinct, bare, and on the
 * wanted side: outputs, or reduced ones. */
static int prefix(const Mapping *m, bool reduced) {
  uint32_t seen = 0;
  int k = 0;
  for (; k < m->g->nrows; k++) {
    int v = m->var[k];
    if (v < 0 || (v >= m->n->rank) != reduced || seen >> v & 1) break;
    if (m->n->extent[v] != m->g->row_extent[k]) break;
    seen |= 1u << v;
  }
  return k;
}

/* May g go on with only its first k rows? */
static bool may_shrink(const TargetRows *t, const Group *g, int k, int64_t more_work) {
  if (k == g->nrows) return true;
  if (g->kind != GROUP_ROWS || g->rows_fixed) return false;
  if (group_work(g) + more_work <= t->small) return true;
  if (extents_product(g->row_extent, k) < t->rows_least) return false;
  for (int i = 0; i < g->members.n; i++)
    if (node_trailing(g->members.at[i].node, g->members.at[i].rowvar, k) > t->row_most)
      return false;
  return true;
}

/* ---- joining ---------------------------------------------------------------------- */

static void join_rows(Plan *p, Group *g, Node *n, const Mapping *m, int nrows) {
  group_set_rows(p, g, nrows);
  group_add(p, g, n, m->var, false);
}

bool node_accumulates(const Node *n) {
  return n->kind == N_COMP && n->reducer != RED_NONE && n->reducer != RED_ARGMAX &&
         n->rank + 1 <= IR_MAX_RANK && n->type != TY_BOOL;
}

/* Would n be computed across memory: the axis along which its elements lie one behind the
 * other a row, other axes within? A table of sines over [l, e] does that to what it turns,
 * [b, l, h, e]. */
static bool across(const Node *n, const int *rowvar, int nrows) {
  int last = n->rank - 1;
  while (last >= 0 && n->extent[last] == 1) last--;
  bool row = false;
  for (int k = 0; k < nrows; k++) row = row || rowvar[k] == last;
  return last >= 0 && row && node_trailing(n, rowvar, nrows) > 1;
}

/* Could n be computed inside g? *sum: as partial sums over rows. */
static bool fits(Plan *p, Group *g, Node *n, Mapping *m, int *nrows, bool *sum) {
  int64_t work = ir_evaluations(n);
  *sum = false;
  *nrows = prefix(m, false);
  const TargetRows *t = &p->target->rows;
  if (m->partial || g->members.n >= t->members_most) return false;
  if (g->exprs + node_exprs(p, n) > t->exprs_most) return false;
  if (g->kind == GROUP_CONTRACTION)
    return p->options->fuse_epilogues && p->target->products.epilogue &&
           !plan_info(p, g->members.at[0].node)->library && ir_is_map(n) && *nrows == g->nrows &&
           node_trailing(n, m->var, *nrows) == 1;
  int over = prefix(m, true);
  if (over > 0 && node_accumulates(n) && work > p->target->rows.small) {
    if (over == g->nrows && over > 1 && group_is_elementwise(g) && !g->rows_fixed) over--;
    int64_t out = extents_product(n->extent, n->rank);
    *sum = may_shrink(&p->target->rows, g, over, work) && out <= p->target->rows.row_most &&
           extents_product(g->row_extent, over) >= p->target->rows.rows_least;
    *nrows = over;
    return *sum;
  }
  if (*nrows == 0 && group_work(g) + work > p->target->rows.small) return false;
  if (node_trailing(n, m->var, *nrows) > p->target->rows.row_most) return false;
  if (work > p->target->rows.small && work >= ACROSS_WORTH * group_work(g) &&
      across(n, m->var, *nrows))
    return false;
  return may_shrink(&p->target->rows, g, *nrows, work);
}

/* What is computed again stays among its like: so both are cut into kernels as
 * the loop that computes it first is, and as if it had been kept. So does what is
 * computed once for many runs. */
static bool group_mixes(Plan *p, const Group *g, const Node *n) {
  return g->members.n > 0 &&
         (g->members.at[0].node->again != n->again || g->once != plan_info(p, n)->once);
}

bool group_joins(Plan *p, Group *g, Node *n) {
  if (group_mixes(p, g, n)) return false;
  if ((g->kind != GROUP_ROWS && g->kind != GROUP_CONTRACTION) || g->late || g->dropped)
    return false;
  if (!p->options->fuse_rows && g->kind == GROUP_ROWS) return false;
  /* such a group has rows for its few sums alone; memory runs along them */
  if (g->members.n > 0 && plan_adds_up(p, g->members.at[0].node) &&
      ir_evaluations(n) > p->target->rows.small)
    return false;
  Mapping m = {.p = p, .g = g, .n = n};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
  ir_visit_exprs(p->g, n, map_read, &m);
  if (!m.reads) return false;
  int nrows;
  bool sum;
  if (node_reads_around(p, n, g) || !fits(p, g, n, &m, &nrows, &sum) || blocked(p, n, g))
    return false;
  if (sum) {
    group_set_rows(p, g, nrows);
    group_split_sum(p, g, n, m.var);
    return false; /* what is left of n is grouped like any other node */
  }
  join_rows(p, g, n, &m, nrows);
  return true;
}

/* ---- sharing inputs: neither reads the other, both read the same rows of one array  */

typedef struct Share {
  Mapping *m;
  const Node *x;
  const Expr *mine;
  bool conflict;
} Share;

static void find_mine(Expr *e, void *ctx) {
  Share *s = ctx;
  if (e->kind == E_READ && e->node == s->x) s->mine = e;
}

static void map_shared(Expr *e, void *ctx) {
  Share *s = ctx;
  if (e->kind != E_READ || e->node != s->x || !s->mine) return;
  for (int d = 0; d < e->nargs; d++) {
    int theirs = bare(e->args[d]), own = bare(s->mine->args[d]);
    for (int k = 0; k < s->m->g->nrows; k++)
      if (s->m->like->rowvar[k] == theirs && theirs >= 0) bind(s->m, k, own);
  }
}

bool group_joins_by_share(Plan *p, Group *g, Node *n, const Node *x) {
  if (g->kind != GROUP_ROWS || g->late || g->dropped || !p->options->fuse_rows ||
      g->region != n->region)
    return false;
  if (group_mixes(p, g, n) || surely_blocked(p, n, g)) return false;
  Mapping m = {.p = p, .g = g, .n = n};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
  ir_visit_exprs(p->g, n, map_read, &m);
  if (m.reads) return false; /* of other rows than its own, or group_joins had taken it */
  Share s = {.m = &m, .x = x};
  ir_visit_exprs(p->g, n, find_mine, &s);
  for (int i = 0; i < g->members.n; i++) {
    m.like = &g->members.at[i];
    ir_visit_exprs(p->g, m.like->node, map_shared, &s);
  }
  int nrows;
  bool sum;
  if (node_reads_around(p, n, g) || !fits(p, g, n, &m, &nrows, &sum) || blocked(p, n, g))
    return false;
  if (nrows < g->nrows) return false; /* not worth changing the others */
  if (sum) {
    group_split_sum(p, g, n, m.var);
    return false;
  }
  join_rows(p, g, n, &m, nrows);
  return true;
}

/* ---- one group out of two --------------------------------------------------------- */

typedef struct Detour {
  Plan *p;
  Group *to;
  bool found;
} Detour;

static void check_detour(Group *before, void *ctx) {
  Detour *d = ctx;
  if (!d->found && before != d->to) d->found = group_follows(d->p, before, d->to);
}

/* Does g wait for `to` by way of a third group? */
static bool detour(Plan *p, Group *g, Group *to) {
  Detour d = {p, to, false};
  group_waits(p, g, check_detour, &d);
  return d.found;
}

/* Does this member of g read members of `other`, if any, at its own rows only? */
static bool reads_own_rows(Plan *p, const Group *g, const Member *x, Group *other) {
  Mapping m = {.p = p, .g = other, .n = x->node};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
  ir_visit_exprs(p->g, x->node, map_read, &m);
  for (int k = 0; k < g->nrows && m.reads; k++)
    if (m.var[k] != x->rowvar[k]) return false;
  return !m.partial;
}

/* n, a member of g, also reads members of `other` at the same rows: then both
 * are one group, unless a third stands between them or another member of g
 * reads other rows (a convolution's neighbours, say). */
void group_absorb(Plan *p, Group *g, Group *other, Node *n) {
  if (other->members.n > 0 && group_mixes(p, g, other->members.at[0].node)) return;
  if (other == g || other->kind != GROUP_ROWS || g->kind != GROUP_ROWS || other->late ||
      other->dropped)
    return;
  if (g->members.n + other->members.n > p->target->rows.members_most ||
      g->exprs + other->exprs > p->target->rows.exprs_most)
    return;
  Mapping m = {.p = p, .g = other, .n = n};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
  ir_visit_exprs(p->g, n, map_read, &m);
  if (!m.reads || other->nrows < g->nrows || prefix(&m, false) < g->nrows) return;
  for (int i = 0; i < g->members.n; i++)
    if (!reads_own_rows(p, g, &g->members.at[i], other)) return;
  if (!may_shrink(&p->target->rows, other, g->nrows, 0) ||
      (g->nrows == 0 && group_work(g) + group_work(other) > p->target->rows.small))
    return;
  if (detour(p, g, other) || detour(p, other, g)) return;
  for (int i = 0; i < g->members.n; i++)
    if (node_reads_around(p, g->members.at[i].node, other)) return;
  for (int i = 0; i < other->members.n; i++)
    if (node_reads_around(p, other->members.at[i].node, g)) return;
  if (other->rows_fixed) {
    g->rows_fixed = true;
    g->block = other->block;
  }
  group_take(p, g, other);
}
