/* SPDX-License-Identifier: MIT */
/* Cuts every region into groups of nodes, one kernel each.
 *
 * A group of rows is a list of nodes over common row variables: what one node
 * computes for a row, another reads in that row, so one kernel does both and
 * the value need not leave it. A node joins the group of something it reads if
 *   - it reads the group's values at its own row: for every row variable, one
 *     and the same variable of its own stands bare in that index;
 *   - no other group lies between them.
 * Rows may be taken from a group's end to let a node in (they become loops of
 * its members): a map over [b, l, d] whose sum over d follows is rows of [b, l].
 * A sum over the rows themselves joins as partial sums, one for each block of
 * rows, that a second small node adds up: the order of addition is fixed.
 *
 * A matrix product is a group whose rows are its whole output; maps over the
 * same space join it and run on its tiles.
 *
 * needs       every stored value has an owner (plan_own); regions in order
 * guarantees  each computed node is a member of one group, members in an order in which
 *             they can be evaluated; no groups wait for each other in a circle;
 *             `stored` says which values must be in memory
 * breaks      a sum that joins its rows reads a new node, the partial sums, which stands
 *             last in its region: nodes no longer follow what they read
 *
 *     m = max over j (x); e = exp(x - m); s = sum over i, j (e); y = a b
 * ->  rows [i]: m, e, s' (partial) | small: s = sum over blocks (s') | product: y      */
#include "compiler/plan/contract.h"
#include "compiler/plan/plan.h"

#include <stdlib.h>

/* What is kept near by joining a group is at most what the group computes: from so many times as
 * much work on, that is not worth computing across memory. */
enum { ACROSS_WORTH = 4 };

static int64_t product(const int64_t *x, int n) {
  int64_t p = 1;
  for (int i = 0; i < n; i++) p *= x[i];
  return p;
}

/* Rows of one piece, when members accumulate. */
static int64_t block_of(const TargetRows *t, const Group *g) {
  int64_t rows = product(g->row_extent, g->nrows), most = t->partials_most;
  int64_t block = (rows + most - 1) / most, unit = t->partial_unit;
  if (g->nrows == 1 && block > 1) block = (block + unit - 1) / unit * unit;
  return block > 0 ? block : 1;
}

Group *plan_new_group(Plan *p, Region *r, GroupKind kind) {
  Group *g = NEW(p->arena, Group);
  g->kind = kind;
  g->id = p->groups.n;
  g->region = r;
  vec_push(p->arena, &p->groups, g);
  return g;
}

static void group_node(Plan *p, Node *n);

static void add_member(Plan *p, Group *g, Node *n, const int *rowvar, bool accumulates) {
  Member m = {.node = n, .stored = true, .accumulates = accumulates};
  for (int k = 0; k < g->nrows; k++) m.rowvar[k] = rowvar[k];
  vec_push(p->arena, &g->members, m);
  plan_info(p, n)->group = g;
  node_sources(p, n); /* partial sums are new */
}

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

static int64_t trailing(const Node *n, const int *rowvar, int nrows) {
  int64_t count = 1;
  for (int v = 0; v < n->nvars; v++) {
    bool row = false;
    for (int k = 0; k < nrows; k++) row = row || rowvar[k] == v;
    if (!row) count *= n->extent[v];
  }
  return count;
}

static int64_t total_work(const Group *g) {
  int64_t work = 0;
  for (int i = 0; i < g->members.n; i++) work += ir_evaluations(g->members.at[i].node);
  return work;
}

/* May g go on with only its first k rows? */
static bool may_shrink(const TargetRows *t, const Group *g, int k, int64_t more_work) {
  if (k == g->nrows) return true;
  if (g->kind != GROUP_ROWS || g->rows_fixed) return false;
  if (total_work(g) + more_work <= t->small) return true;
  if (product(g->row_extent, k) < t->rows_least) return false;
  for (int i = 0; i < g->members.n; i++)
    if (trailing(g->members.at[i].node, g->members.at[i].rowvar, k) > t->row_most) return false;
  return true;
}

/* ---- joining ---------------------------------------------------------------------- */

static bool elementwise(const Group *g) {
  for (int i = 0; i < g->members.n; i++)
    if (trailing(g->members.at[i].node, g->members.at[i].rowvar, g->nrows) != 1) return false;
  return true;
}

/* y = red over r of body becomes partial[block] = red over the block's rows, in
 * g, and y = red over blocks of partial. */
static void split_sum(Plan *p, Group *g, Node *y, const int *rowvar) {
  int64_t rows = product(g->row_extent, g->nrows),
          block = g->rows_fixed ? g->block : block_of(&p->target->rows, g);
  int64_t shape[IR_MAX_RANK], extent[IR_MAX_VARS];
  if (y->rank + 1 > IR_MAX_RANK) bug("'%s' has too many axes", y->name);
  shape[0] = extent[y->rank] = (rows + block - 1) / block;
  for (int d = 0; d < y->rank; d++) shape[d + 1] = extent[d] = y->shape[d];
  Node *part = ir_node(p->g, y->region, N_COMP, y->type, y->rank + 1, shape, y->name, y->span);
  ir_same_users(p->g, part, y);
  part->lo = y->type == TY_INT ? INT32_MIN : 0;
  part->hi = y->type == TY_INT ? INT32_MAX : 0;
  part->reducer = y->reducer;
  part->again = y->again;
  part->nvars = y->nvars;
  part->guard = y->guard;
  part->body = y->body;
  for (int v = 0; v < y->nvars; v++) part->extent[v] = y->extent[v];
  for (int d = 0; d < y->rank; d++) part->axis[d + 1] = y->axis[d];
  plan_info(p, part)->position = plan_info(p, y)->position;
  add_member(p, g, part, rowvar, true);
  g->rows_fixed = true;
  g->block = block;
  Expr *index[IR_MAX_RANK];
  index[0] = ex_var(p->g, y->rank);
  for (int d = 0; d < y->rank; d++) index[d + 1] = ex_var(p->g, d);
  y->nvars = y->rank + 1;
  y->extent[y->rank] = shape[0];
  y->guard = NULL;
  y->body = ex_read(p->g, part, index);
}

static void set_rows(Plan *p, Group *g, int nrows) {
  if (nrows == 0 && g->nrows > 0) vec_push(p->arena, &p->scalars, g);
  g->nrows = nrows;
}

static void join_rows(Plan *p, Group *g, Node *n, const Mapping *m, int nrows) {
  set_rows(p, g, nrows);
  add_member(p, g, n, m->var, false);
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

void group_take(Plan *p, Group *g, Group *from) {
  for (int i = 0; i < from->members.n; i++) {
    Member m = from->members.at[i];
    int at = g->members.n;
    vec_push(p->arena, &g->members, m);
    for (; at > 0 &&
           plan_info(p, g->members.at[at - 1].node)->position > plan_info(p, m.node)->position;
         at--)
      g->members.at[at] = g->members.at[at - 1];
    g->members.at[at] = m;
    plan_info(p, m.node)->group = g;
  }
  from->members.n = 0;
  from->dropped = true;
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

/* What is computed again stays among its like: so both are cut into kernels as
 * the loop that computes it first is, and as if it had been kept. */
static bool mixes(const Group *g, const Node *n) {
  return g->members.n > 0 && g->members.at[0].node->again != n->again;
}

/* n, a member of g, also reads members of `other` at the same rows: then both
 * are one group, unless a third stands between them or another member of g
 * reads other rows (a convolution's neighbours, say). */
static void absorb(Plan *p, Group *g, Group *other, Node *n) {
  if (other->members.n > 0 && mixes(g, other->members.at[0].node)) return;
  if (other == g || other->kind != GROUP_ROWS || g->kind != GROUP_ROWS || other->late ||
      other->dropped)
    return;
  if (g->members.n + other->members.n > p->target->rows.members_most) return;
  Mapping m = {.p = p, .g = other, .n = n};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
  ir_visit_exprs(p->g, n, map_read, &m);
  if (!m.reads || other->nrows < g->nrows || prefix(&m, false) < g->nrows) return;
  for (int i = 0; i < g->members.n; i++)
    if (!reads_own_rows(p, g, &g->members.at[i], other)) return;
  if (!may_shrink(&p->target->rows, other, g->nrows, 0) ||
      (g->nrows == 0 && total_work(g) + total_work(other) > p->target->rows.small))
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

static bool can_accumulate(const Node *n) {
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
  return last >= 0 && row && trailing(n, rowvar, nrows) > 1;
}

/* Could n be computed inside g? *sum: as partial sums over rows. */
static bool fits(Plan *p, Group *g, Node *n, Mapping *m, int *nrows, bool *sum) {
  int64_t work = ir_evaluations(n);
  *sum = false;
  *nrows = prefix(m, false);
  if (m->partial || g->members.n >= p->target->rows.members_most) return false;
  if (g->kind == GROUP_CONTRACTION)
    return p->options->fuse_epilogues && p->target->products.epilogue && ir_is_map(n) &&
           *nrows == g->nrows && trailing(n, m->var, *nrows) == 1;
  int over = prefix(m, true);
  if (over > 0 && can_accumulate(n) && work > p->target->rows.small) {
    if (over == g->nrows && over > 1 && elementwise(g) && !g->rows_fixed) over--;
    int64_t out = product(n->extent, n->rank);
    *sum = may_shrink(&p->target->rows, g, over, work) && out <= p->target->rows.row_most &&
           product(g->row_extent, over) >= p->target->rows.rows_least;
    *nrows = over;
    return *sum;
  }
  if (*nrows == 0 && total_work(g) + work > p->target->rows.small) return false;
  if (trailing(n, m->var, *nrows) > p->target->rows.row_most) return false;
  if (work > p->target->rows.small && work >= ACROSS_WORTH * total_work(g) &&
      across(n, m->var, *nrows))
    return false;
  return may_shrink(&p->target->rows, g, *nrows, work);
}

static bool joins(Plan *p, Group *g, Node *n) {
  if (mixes(g, n)) return false;
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
    set_rows(p, g, nrows);
    split_sum(p, g, n, m.var);
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

typedef struct Largest {
  Plan *p;
  const Node *x;
  int64_t count;
} Largest;

static void find_largest(Node *read, void *ctx) {
  Largest *l = ctx;
  int64_t count = ir_count(read);
  if (count > l->count) {
    l->count = count;
    l->x = read;
  }
}

static const Node *largest_read(Plan *p, Node *n) {
  Largest l = {p, NULL, 0};
  ir_each_read(p->g, n, find_largest, &l);
  return l.x;
}

static bool joins_by_share(Plan *p, Group *g, Node *n, const Node *x) {
  if (g->kind != GROUP_ROWS || g->late || g->once || g->dropped || !p->options->fuse_rows ||
      g->region != n->region)
    return false;
  if (mixes(g, n) || surely_blocked(p, n, g)) return false;
  Mapping m = {.p = p, .g = g, .n = n};
  for (int k = 0; k < IR_MAX_VARS; k++) m.var[k] = UNKNOWN;
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
    split_sum(p, g, n, m.var);
    return false;
  }
  join_rows(p, g, n, &m, nrows);
  return true;
}

/* ---- a group of one's own --------------------------------------------------------- */

typedef struct Strides {
  Plan *p;
  const Node *n;
  int out, red;
  int64_t weight_out, weight_red;
} Strides;

static void weigh(Expr *e, void *ctx) {
  Strides *s = ctx;
  if (e->kind != E_READ) return;
  int64_t stride = 1, by_out = 0, by_red = 0, count = 1;
  for (int d = e->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (ex_affine(s->p->g, e->args[d], &a)) {
      if (s->out >= 0) by_out += a.coef[s->out] * stride;
      if (s->red >= 0) by_red += a.coef[s->red] * stride;
    }
    stride *= e->node->shape[d];
    if (e->args[d]->vars)
      count *= e->node->shape[d]; /* of one iteration: a row of a stack is no more than the value */
  }
  if (by_out == 1 || by_out == -1) s->weight_out += count;
  if (by_red == 1 || by_red == -1) s->weight_red += count;
}

/* Does memory run along the last output variable rather than the last reduced? */
static bool runs_along_output(Plan *p, const Node *n) {
  if (n->rank == 0) return false;
  Strides s = {p, n, n->rank - 1, n->nvars - 1, 0, 0};
  ex_visit(p->g, n->body, weigh, &s);
  return s.weight_out > s.weight_red;
}

/* Few results from many values: partial sums over leading reduced variables. */
static bool own_partial_sums(Plan *p, Node *n, int *nrows, int *rowvar) {
  int64_t out = product(n->extent, n->rank), work = ir_evaluations(n);
  if (!can_accumulate(n) || work < p->target->rows.split_work ||
      work / out < p->target->rows.split_terms || out > p->target->rows.row_most)
    return false;
  bool column = runs_along_output(p, n);
  int64_t parallel = column ? out / n->extent[n->rank - 1] : out;
  if (parallel >= p->target->rows.rows_least) return false;
  int64_t rows = 1;
  *nrows = 0;
  for (int v = n->rank; v < n->nvars; v++) { /* leave an inner loop, unless outputs are one */
    bool last = v == n->nvars - 1;
    if (n->extent[v] == 1) continue;
    if (rows >= p->target->rows.partials_most || (last && !column && *nrows > 0)) break;
    rowvar[(*nrows)++] = v;
    rows *= n->extent[v];
  }
  /* the second sum has far fewer terms, or it would be split again and again */
  int64_t partials = rows < p->target->rows.partials_most ? rows : p->target->rows.partials_most;
  return rows >= p->target->rows.rows_least && work / out >= 4 * partials;
}

static void group_alone(Plan *p, Node *n) {
  Group *g = plan_new_group(p, n->region, n->kind == N_SCATTER ? GROUP_SCATTER : GROUP_ROWS);
  int rowvar[IR_MAX_VARS];
  for (int k = 0; k < IR_MAX_VARS; k++) rowvar[k] = k;
  g->late = plan_info(p, n)->commits != NULL;
  g->once = plan_info(p, n)->kept;
  if (g->kind == GROUP_SCATTER) {
    add_member(p, g, n, rowvar, false);
    return;
  }
  if (p->options->contractions && contract_matches(p->g, &p->target->products, n)) {
    g->kind = GROUP_CONTRACTION;
    g->contraction = contract_find(p->g, &p->target->products, n);
  } else if (p->options->fuse_rows && own_partial_sums(p, n, &g->nrows, rowvar)) {
    for (int k = 0; k < g->nrows; k++) g->row_extent[k] = n->extent[rowvar[k]];
    split_sum(p, g, n, rowvar);
    group_node(p, n);
    return;
  }
  int outer = n->rank;
  if (g->kind == GROUP_ROWS && n->reducer != RED_NONE && runs_along_output(p, n) &&
      !plan_adds_up(p, n))
    outer--;
  g->nrows = 0;
  for (int v = 0; v < outer; v++) {
    if (n->extent[v] == 1) continue; /* rows are what varies */
    rowvar[g->nrows] = v;
    g->row_extent[g->nrows++] = n->extent[v];
  }
  if (g->nrows == 0) vec_push(p->arena, &p->scalars, g);
  add_member(p, g, n, rowvar, false);
}

typedef struct Candidates {
  Plan *p;
  Node *n;
  VEC(Group *) at;
} Candidates;

static void add_candidate(Group *g, void *ctx) {
  Candidates *c = ctx;
  if (g->listed == c->p->searches) return;
  g->listed = c->p->searches;
  vec_push(c->p->arena, &c->at, g);
}

static int latest_first(const void *a, const void *b) {
  const Group *x = *(Group *const *)a, *y = *(Group *const *)b;
  return y->id - x->id;
}

/* Could another node join a group without rows? */
static bool is_open(const Plan *p, const Group *g) {
  return g->kind == GROUP_ROWS && !g->dropped && !g->late && g->nrows == 0 &&
         g->members.n < p->target->rows.members_most && total_work(g) <= p->target->rows.small;
}

/* Groups that n could join for an array that both read: those that read it, and those without
 * rows, in which there is nothing that would have to be the same. */
static void list_sharing(Candidates *c, const Node *x) {
  Plan *p = c->p;
  int open = 0;
  for (int i = 0; i < p->scalars.n; i++)
    if (is_open(p, p->scalars.at[i])) p->scalars.at[open++] = p->scalars.at[i];
  p->scalars.n = open;
  for (int i = 0; i < open; i++) add_candidate(p->scalars.at[i], c);
  for (int i = 0; i < plan_info(p, x)->read_by.n; i++) {
    Group *g = plan_info(p, plan_info(p, x)->read_by.at[i])->group;
    if (g) add_candidate(g, c);
  }
  if (c->at.n) qsort(c->at.at, (size_t)c->at.n, sizeof *c->at.at, latest_first);
}

static void group_node(Plan *p, Node *n) {
  Candidates c = {.p = p, .n = n}, sharing = c;
  bool alone = n->kind == N_SCATTER || plan_info(p, n)->commits ||
               (p->options->contractions && contract_matches(p->g, &p->target->products, n));
  if (!alone) {
    p->searches++;
    node_waits(p, n, add_candidate, &c);
    for (int kind = 0; kind < 2; kind++) /* matrix products' tiles first, then the latest rows */
      for (int i = c.at.n - 1; i >= 0; i--)
        if ((c.at.at[i]->kind == GROUP_CONTRACTION) == (kind == 0) && joins(p, c.at.at[i], n)) {
          for (int k = 0; k < c.at.n; k++) absorb(p, c.at.at[i], c.at.at[k], n);
          return;
        }
    const Node *x = n->nvars > n->rank ? largest_read(p, n) : NULL;
    p->searches++;
    if (x) list_sharing(&sharing, x);
    for (int i = 0; i < sharing.at.n; i++)
      if (joins_by_share(p, sharing.at.at[i], n, x)) return;
  }
  group_alone(p, n);
}

static void group_region(Plan *p, Region *r) {
  int count = r->nodes.n; /* partial sums are appended meanwhile */
  __typeof__(p->scalars) around = p->scalars;
  p->scalars = (__typeof__(around)){0};
  plan_sources(p, r);
  for (int i = 0; i < count; i++) plan_info(p, r->nodes.at[i])->position = i;
  for (int i = 0; i < count; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      group_region(p, n->loop->body);
      Group *g = plan_new_group(p, r, GROUP_LOOP);
      g->loop = n->loop;
      plan_info(p, n)->group = g;
    } else if (ir_computes(n)) {
      group_node(p, n);
    }
  }
  p->scalars = around;
}

/* ---- what must be stored ---------------------------------------------------------- */

typedef struct Uses {
  Plan *p;
  const Group *g;
} Uses;

static void mark_stored(Node *read, void *ctx) {
  Uses *u = ctx;
  NodeInfo *info = plan_info(u->p, read);
  if (info->group != u->g) info->local = false;
}

static void mark_bases(Node *n, void *ctx) {
  Plan *p = ctx;
  plan_info(p, n)->local = false;
}

/* A product that is to be kept is rounded to storage before it is read: where it
 * is a local of its kernel, the C compiler makes one operation of it and a sum. */
static bool must_round(const Node *n) {
  const Expr *e = n->reducer == RED_NONE ? n->body : NULL;
  while (e && e->kind == E_PRIM && e->prim == P_neg) e = e->args[0];
  return n->save == SAVE_KEEP && e && e->kind == E_PRIM && e->prim == P_mul;
}

void plan_stored(Plan *p) {
  for (int i = 0; i < p->groups.n; i++)
    for (int k = 0; k < p->groups.at[i]->members.n; k++) {
      const Member *m = &p->groups.at[i]->members.at[k];
      NodeInfo *info = plan_info(p, m->node);
      info->local = !info->owner && !m->accumulates && !must_round(m->node);
    }
  for (int i = 0; i < p->groups.n; i++) {
    Uses u = {p, p->groups.at[i]};
    for (int k = 0; k < u.g->members.n; k++)
      ir_each_read(p->g, u.g->members.at[k].node, mark_stored, &u);
  }
  for (int i = 0; i < p->g->nodes.n; i++) {
    Node *n = p->g->nodes.at[i];
    if (n->kind == N_VIEW || n->kind == N_PACK) ir_each_read(p->g, n, mark_bases, p);
  }
  for (int i = 0; i < p->groups.n; i++)
    for (int k = 0; k < p->groups.at[i]->members.n; k++) {
      Member *m = &p->groups.at[i]->members.at[k];
      m->stored = !plan_info(p, m->node)->local;
    }
}

void plan_group(Plan *p) {
  group_region(p, p->g->top);
  plan_stored(p);
}
