/* SPDX-License-Identifier: MIT */
/* The inside of a group of rows, before storage is known: its members in the
 * kernel's variables, which of them share a loop nest, and index spaces made
 * simple. Neighbouring variables that every index treats as one flat position
 * become one: an elementwise kernel over [b, l, d] runs over a single index.
 *
 * needs       groups are final, and `stored` (plan_group, plan_chains)
 * guarantees  Group.rows of each group of rows: items nest by nest, each after the nests
 *             whose whole values it reads; what is read across nests and not stored is
 *             an array, and stored if the kernel has no room for it (TargetRows.arrays_most);
 *             nodes keep their own variables
 * breaks      indices of joined variables cannot be proved in bounds any more (in_bounds
 *             says whether they could)
 *
 *     y[b, l, d] = exp(x[b, l, d])              ->  row i of b*l*d: y[i] = exp(x[i])
 *     m[b] = max over l (x); y[b, l] = x - m    ->  row b: loop l { m }, loop l { y }    */
#include "compiler/ir/linear.h"
#include "compiler/plan/chain.h"

#include <string.h>

/* ---- members in the kernel's variables --------------------------------------------- */

/* A variable that does not vary is 0 and no loop. */
static void add_loop(Item *it, Expr **map, Graph *g, int nrows, int var) {
  Node *n = it->node;
  if (n->extent[var] == 1) {
    map[var] = ex_int(g, 0);
    return;
  }
  int at = nrows + it->nloops, d = it->member->accumulates ? var + 1 : var;
  if (at >= IR_MAX_VARS) bug("'%s' has too many variables for a kernel", n->name);
  it->extent[it->nloops] = n->extent[var];
  it->axis[it->nloops] = d < n->rank ? (n->axis[d] ? n->axis[d] : "i") : "r";
  it->nloops++;
  map[var] = ex_var(g, at);
}

static void make_item(Plan *p, int nrows, Item *it, Member *m) {
  Graph *g = p->g;
  Node *n = m->node;
  Expr *map[IR_MAX_VARS] = {0};
  int rank = m->accumulates ? n->rank - 1 : n->rank;
  memset(it, 0, sizeof *it);
  it->share = 1;
  it->member = m;
  it->node = n;
  bool is_row[IR_MAX_VARS] = {0};
  for (int k = 0; k < nrows; k++) {
    is_row[m->rowvar[k]] = true;
    map[m->rowvar[k]] = ex_var(g, k);
  }
  for (int v = 0; v < rank; v++)
    if (!is_row[v]) add_loop(it, map, g, nrows, v);
  it->nout = it->nloops;
  for (int v = rank; v < n->nvars; v++)
    if (!is_row[v]) add_loop(it, map, g, nrows, v);
  it->form = it->nout == it->nloops ? FORM_MAP : it->nout == 0 ? FORM_REDUCE : FORM_MIXED;
  it->body = ex_subst(g, n->body, map, n->nvars);
  it->guard = n->guard ? ex_subst(g, n->guard, map, n->nvars) : NULL;
  if (n->reducer == RED_ARGMAX && it->form == FORM_MAP) { /* of one place, whatever is there */
    it->body = ex_int(g, 0);
    it->guard = NULL;
  }
  if (m->accumulates) return;
  for (int d = 0; d < n->rank; d++) it->element[d] = map[d];
  it->self = ex_read(g, n, it->element);
}

/* ---- short loops ------------------------------------------------------------------------
 * A value of three gates beside values of none, y[b, g, k] beside h[b, k], would
 * keep the row loop from being a vector loop: such loops are written out, an
 * item for each of their iterations, in which conditions on g are known. */

typedef struct Elsewhere {
  const Item *of;
  bool found;
} Elsewhere;

static void find_elsewhere(Expr *e, void *ctx) {
  Elsewhere *x = ctx;
  if (e->kind == E_READ && e->node == x->of->node && e != x->of->self) x->found = true;
}

/* Is all of the item's value, which lives in the kernel only, read where it is computed? */
static bool read_in_place(Plan *p, const RowPlan *r, const Item *of) {
  Elsewhere x = {of, false};
  for (int i = 0; i < r->nitems && !of->member->stored; i++) {
    const Item *it = &r->items[i];
    if (it != of && it->nloops > 0 && it->extent[0] != of->extent[0]) return false;
    ex_visit(p->g, it->body, find_elsewhere, &x);
    if (it->guard) ex_visit(p->g, it->guard, find_elsewhere, &x);
  }
  return !x.found;
}

/* Neighbours in memory for neighbouring values of the last row variable? */
static bool rows_contiguous(Plan *p, const RowPlan *r, const Item *it) {
  int64_t stride[IR_MAX_RANK], step = 0;
  plan_strides(p, it->node, stride);
  for (int d = it->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (!ex_affine(p->g, it->element[d], &a)) return false;
    step += a.coef[r->nrows - 1] * stride[d];
  }
  return step == 1;
}

static bool is_short(Plan *p, const RowPlan *r, const Item *it) {
  return it->nloops == 1 && it->form == FORM_MAP && !it->member->accumulates &&
         it->extent[0] <= p->target->rows.unroll_most && rows_contiguous(p, r, it) &&
         read_in_place(p, r, it);
}

static void write_out(Plan *p, RowPlan *r) {
  int count = 0;
  bool any = false;
  if (r->nrows == 0 || r->row_extent[r->nrows - 1] < p->target->rows.unroll_rows) return;
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    if (it->nloops > 0 && !is_short(p, r, it)) return;
    if (it->nloops == 0 && it->form != FORM_MAP) return;
    any = any || it->nloops > 0;
    count += it->nloops > 0 ? (int)it->extent[0] : 1;
  }
  if (!any) return;
  Item *items = NEWN(p->arena, Item, count + 1);
  Expr *map[IR_MAX_VARS] = {0};
  count = 0;
  for (int i = 0; i < r->nitems; i++) {
    int64_t times = r->items[i].nloops > 0 ? r->items[i].extent[0] : 1;
    for (int64_t k = 0; k < times; k++) {
      Item *it = &items[count++];
      *it = r->items[i];
      if (it->nloops == 0) continue;
      map[r->nrows] = ex_int(p->g, k);
      it->nloops = it->nout = 0;
      it->part = true;
      it->body = ex_subst(p->g, it->body, map, r->nrows + 1);
      if (it->guard) it->guard = ex_subst(p->g, it->guard, map, r->nrows + 1);
      for (int d = 0; d < it->node->rank; d++)
        it->element[d] = ex_subst(p->g, it->element[d], map, r->nrows + 1);
      it->self = ex_read(p->g, it->node, it->element);
    }
  }
  r->items = items;
  r->nitems = count;
}

static bool map_only(const RowPlan *r) {
  for (int i = 0; i < r->nitems; i++)
    if (r->items[i].nloops > 0) return false;
  return true;
}

/* ---- joining neighbouring variables ---------------------------------------------------- */

typedef struct Join {
  Plan *p;
  const LoopKernel *loop;
  int outer, inner; /* variables */
  int64_t inner_extent;
  bool fails;
} Join;

/* Integers that are made here, of something else than by arithmetic on integers. */
static bool makes_integer(const Expr *e) { return ex_is_prim(e, P_int) || ex_is_prim(e, P_pick); }

static bool names_either(const Join *j, const Expr *e) {
  return (e->vars >> j->outer | e->vars >> j->inner) & 1;
}

/* Is e, an integer, a function of outer * extent + inner alone? */
static bool flat_in(const Join *j, const Linear *lin) {
  int64_t outer = 0, inner = 0;
  for (int i = 0; i < lin->n; i++) {
    const Expr *a = lin->term[i].atom;
    if (a->kind == E_VAR && a->inum == j->outer)
      outer = lin->term[i].coef;
    else if (a->kind == E_VAR && a->inum == j->inner)
      inner = lin->term[i].coef;
    else if (names_either(j, a) && a->kind == E_PRIM && !makes_integer(a))
      return false;
  }
  return outer == inner * j->inner_extent;
}

static void check_flat(Join *j, Expr *e) {
  if (e->type != TY_INT || !names_either(j, e)) return;
  Linear lin;
  linear_init(&lin);
  if (!linear_add(&lin, e, 1) || !flat_in(j, &lin)) j->fails = true;
}

/* As the kernel finds it. */
static void read_strides(const Join *j, const Node *n, int64_t *stride) {
  const LoopNear *near = loop_near(j->loop, n);
  if (near)
    loop_near_strides(near, stride);
  else
    plan_strides(j->p, n, stride);
}

/* Integers are checked where they turn into something else: positions of
 * reads, comparisons, conversions, draws. */
static void check_expr(Expr *e, void *ctx) {
  Join *j = ctx;
  if (j->fails || !names_either(j, e)) return;
  if (e->kind == E_PRIM) {
    bool inside = e->type == TY_INT && !makes_integer(e);
    for (int i = 0; i < e->nargs && !inside; i++) check_flat(j, e->args[i]);
  } else if (e->kind == E_READ) {
    Linear lin;
    linear_init(&lin);
    int64_t stride[IR_MAX_RANK];
    read_strides(j, e->node, stride);
    for (int d = e->nargs - 1; d >= 0; d--)
      if (!linear_add(&lin, e->args[d], stride[d])) j->fails = true;
    if (!j->fails && !flat_in(j, &lin)) j->fails = true;
  }
}

static void check_root(Join *j, Expr *e) {
  if (!e) return;
  check_flat(j, e);
  ex_visit(j->p->g, e, check_expr, j);
}

static void item_extents(const RowPlan *r, const Item *it, int64_t *extent, int *nvars) {
  for (int k = 0; k < r->nrows; k++) extent[k] = r->row_extent[k];
  for (int k = 0; k < it->nloops; k++) extent[r->nrows + k] = it->extent[k];
  *nvars = r->nrows + it->nloops;
}

/* Could `outer` and the next variable be one, for this item? */
static bool item_joins(Plan *p, const RowPlan *r, const Item *it, int outer) {
  int64_t extent[IR_MAX_VARS];
  int nvars;
  item_extents(r, it, extent, &nvars);
  Join j = {.p = p,
            .loop = r->loop,
            .outer = outer,
            .inner = outer + 1,
            .inner_extent = extent[outer + 1]};
  check_root(&j, it->body);
  check_root(&j, it->guard);
  check_root(&j, it->self);
  return !j.fails;
}

/* outer := 0, inner := outer * extent + inner; later variables move down. */
static void rename_item(Plan *p, Item *it, int outer, int nvars) {
  Expr *map[IR_MAX_VARS];
  for (int v = 0; v < nvars; v++) map[v] = ex_var(p->g, v <= outer ? v : v - 1);
  map[outer] = ex_int(p->g, 0);
  it->body = ex_subst(p->g, it->body, map, nvars);
  if (it->guard) it->guard = ex_subst(p->g, it->guard, map, nvars);
  if (!it->self) return;
  for (int d = 0; d < it->node->rank; d++)
    it->element[d] = ex_subst(p->g, it->element[d], map, nvars);
  it->self = ex_read(p->g, it->node, it->element);
}

/* x[at] *= x[at + 1], which goes. */
static void join_at(int64_t *extent, const char **axis, int at, int n) {
  extent[at] *= extent[at + 1];
  axis[at] = axis[at + 1];
  for (int v = at + 1; v < n - 1; v++) {
    extent[v] = extent[v + 1];
    axis[v] = axis[v + 1];
  }
}

static void join_rows(Plan *p, RowPlan *r) {
  for (int k = r->nrows - 2; k >= 0; k--) {
    bool ok = true;
    for (int i = 0; i < r->nitems && ok; i++) ok = item_joins(p, r, &r->items[i], k);
    if (!ok) continue;
    for (int i = 0; i < r->nitems; i++)
      rename_item(p, &r->items[i], k, r->nrows + r->items[i].nloops);
    join_at(r->row_extent, r->row_axis, k, r->nrows--);
  }
}

/* The loops of a nest's items, all alike. */
static void join_loops(Plan *p, RowPlan *r, Item *first, Item *last) {
  for (int k = first->nloops - 2; k >= 0; k--) {
    bool ok = k != first->nout - 1 || first->nout == first->nloops;
    for (Item *it = first; it <= last && ok; it++) ok = item_joins(p, r, it, r->nrows + k);
    if (!ok) continue;
    for (Item *it = first; it <= last; it++) {
      rename_item(p, it, r->nrows + k, r->nrows + it->nloops);
      join_at(it->extent, it->axis, k, it->nloops--);
      if (k < it->nout) it->nout--;
    }
  }
}

/* ---- are all reads in bounds, whatever their conditions? ------------------------------------ */

static bool all_proved(Plan *p, const RowPlan *r) {
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    int64_t extent[IR_MAX_VARS];
    int nvars;
    item_extents(r, it, extent, &nvars);
    if (!ex_reads_in_range(p->g, it->body, extent, nvars) ||
        !ex_reads_in_range(p->g, it->guard, extent, nvars))
      return false;
  }
  return true;
}

/* ---- nests ------------------------------------------------------------------------ */

typedef struct Dependence {
  const Item *on;
  bool reads, elsewhere;
} Dependence;

static void find_dependence(Expr *e, void *ctx) {
  Dependence *d = ctx;
  if (e->kind != E_READ || e->node != d->on->node) return;
  for (int k = 0; k < e->nargs && d->on->part; k++) /* a read of another one? */
    if (e->args[k]->kind == E_INT && d->on->element[k]->kind == E_INT &&
        e->args[k]->inum != d->on->element[k]->inum)
      return;
  d->reads = true;
  if (e != d->on->self) d->elsewhere = true;
}

static Dependence depends(Plan *p, const Item *it, const Item *on) {
  Dependence d = {.on = on};
  ex_visit(p->g, it->body, find_dependence, &d);
  if (it->guard) ex_visit(p->g, it->guard, find_dependence, &d);
  return d;
}

static bool stands_alone(const Item *it) { return it->form == FORM_MIXED || item_searches(it); }

static bool same_loops(const Item *a, const Item *b) {
  if (stands_alone(a) || stands_alone(b) || a->nloops != b->nloops) return false;
  for (int i = 0; i < a->nloops; i++)
    if (a->extent[i] != b->extent[i]) return false;
  return true;
}

static int earliest_nest(Plan *p, const RowPlan *r, int i) {
  const Item *it = &r->items[i];
  int lo = 0;
  for (int k = 0; k < i; k++) {
    const Item *on = &r->items[k];
    Dependence d = depends(p, it, on);
    if (!d.reads) continue;
    bool together = on->form == FORM_MAP && !d.elsewhere && same_loops(it, on);
    int nest = on->nest + (together ? 0 : 1);
    if (nest > lo) lo = nest;
  }
  return lo;
}

static int assign_nests(Plan *p, RowPlan *r) {
  int count = 0;
  for (int i = 0; i < r->nitems; i++) {
    Item *it = &r->items[i];
    it->nest = -1;
    for (int nest = earliest_nest(p, r, i); nest < count && it->nest < 0; nest++)
      for (int k = 0; k < i; k++)
        if (r->items[k].nest == nest && same_loops(it, &r->items[k])) it->nest = nest;
    if (it->nest < 0) it->nest = count++;
  }
  return count;
}

static void sort_by_nest(Plan *p, RowPlan *r, int nests) {
  Item *sorted = NEWN(p->arena, Item, r->nitems + 1);
  int n = 0;
  for (int nest = 0; nest < nests; nest++)
    for (int i = 0; i < r->nitems; i++)
      if (r->items[i].nest == nest) sorted[n++] = r->items[i];
  r->items = sorted;
}

static void find_arrays(Plan *p, RowPlan *r) {
  for (int i = 0; i < r->nitems; i++)
    for (int k = i + 1; k < r->nitems; k++) {
      Item *it = &r->items[i];
      bool value = it->form != FORM_REDUCE && it->nloops > 0;
      if (value && r->items[k].nest != it->nest && depends(p, &r->items[k], it).reads)
        it->array = true;
    }
}

/* ---- the plan --------------------------------------------------------------------- */

/* Nothing but single values a row: the last row variable becomes a loop. */
static void leave_a_loop(RowPlan *r) {
  r->nrows--;
  for (int i = 0; i < r->nitems; i++) {
    Item *it = &r->items[i];
    it->nloops = 1;
    it->nout = it->member->accumulates ? 0 : 1;
    it->form = it->member->accumulates ? FORM_REDUCE : FORM_MAP;
    it->extent[0] = r->row_extent[r->nrows];
    it->axis[0] = r->row_axis[r->nrows];
  }
}

static RowPlan *items_of(Plan *p, Group *g, int program, int nrows) {
  RowPlan *r = NEW(p->arena, RowPlan);
  r->items = NEWN(p->arena, Item, g->members.n + 1);
  for (int i = 0; i < g->members.n; i++)
    if (g->members.at[i].program == program)
      make_item(p, nrows, &r->items[r->nitems++], &g->members.at[i]);
  r->nrows = r->given_rows = nrows;
  r->loop = loop_around(p, g);
  for (int k = 0; k < nrows; k++) {
    const Member *m = r->nitems > 0 ? r->items[0].member : &g->members.at[0];
    int d = m->accumulates ? m->rowvar[k] + 1 : m->rowvar[k];
    r->row_extent[k] = g->row_extent[k];
    r->row_axis[k] = d < m->node->rank && m->node->axis[d] ? m->node->axis[d] : "i";
  }
  write_out(p, r);
  r->in_bounds = all_proved(p, r);
  return r;
}

static void plan_nests(Plan *p, RowPlan *r, bool join) {
  int nests = assign_nests(p, r);
  sort_by_nest(p, r, nests);
  for (int i = 0; i < r->nitems && r->in_bounds && join;) {
    int last = i;
    while (last + 1 < r->nitems && r->items[last + 1].nest == r->items[i].nest) last++;
    join_loops(p, r, &r->items[i], &r->items[last]);
    i = last + 1;
  }
  find_arrays(p, r);
  r->rows = 1;
  for (int k = 0; k < r->nrows; k++) r->rows *= r->row_extent[k];
}

RowPlan *plan_row_program(Plan *p, Group *g, int program, int nrows, bool join) {
  RowPlan *r = items_of(p, g, program, nrows);
  plan_nests(p, r, join);
  return r;
}

/* Values that nests hand on, while there are too many for the kernel's own memory: the
 * largest one goes to memory. */
static void store_arrays(Plan *p, RowPlan *r) {
  for (;;) {
    size_t sum = 0;
    Item *largest = NULL;
    for (int i = 0; i < r->nitems; i++) {
      size_t bytes = item_array_bytes(&r->items[i]);
      if (!largest || bytes > item_array_bytes(largest)) largest = &r->items[i];
      sum += bytes;
    }
    if (sum <= p->target->rows.arrays_most || p->target->rows.arrays_most == 0) return;
    largest->member->stored = true;
    plan_info(p, largest->node)->local = false;
  }
}

/* ---- columns ----------------------------------------------------------------------------
 * A product of one row would be one piece. Its columns are what there is to share out, so
 * blocks of them become its rows: each as narrow as its sums need to stay in registers.
 *
 *     y[j:768] = sum over k (x[k] * w[k, j])   ->   row r of 8: y[96 * r + j:96] = sum over k */

/* Blocks of a loop of n columns, or 1. */
static int64_t column_blocks(const TargetRows *t, int64_t n, double evaluations) {
  const double most = evaluations / (double)t->columns_work;
  int64_t best = 1;
  for (int64_t blocks = 2; blocks <= n / t->columns_least && (double)blocks <= most; blocks++)
    if (n % blocks == 0 && n / blocks % t->columns_unit == 0) best = blocks;
  return best;
}

static void share_columns(Plan *p, RowPlan *r) {
  const TargetRows *t = &p->target->rows;
  Item *it = &r->items[0];
  if (!t->columns_work || r->nrows > 0 || r->nitems != 1 || it->form != FORM_MIXED ||
      it->member->accumulates || item_searches(it))
    return;
  double evaluations = 1;
  for (int i = 0; i < it->nloops; i++) evaluations *= (double)it->extent[i];
  const int column = it->nout - 1;
  const int64_t blocks = column_blocks(t, it->extent[column], evaluations);
  if (blocks == 1 || it->nloops >= IR_MAX_VARS) return;
  const int64_t each = it->extent[column] / blocks;
  Expr *map[IR_MAX_VARS];
  for (int v = 0; v < it->nloops; v++) map[v] = ex_var(p->g, v + 1);
  map[column] =
      ex2(p->g, P_add, ex2(p->g, P_mul, ex_var(p->g, 0), ex_int(p->g, each)), map[column]);
  it->body = ex_subst(p->g, it->body, map, it->nloops);
  if (it->guard) it->guard = ex_subst(p->g, it->guard, map, it->nloops);
  for (int d = 0; d < it->node->rank; d++)
    it->element[d] = ex_subst(p->g, it->element[d], map, it->nloops);
  it->self = ex_read(p->g, it->node, it->element);
  it->extent[column] = each;
  r->nrows = 1;
  r->rows = r->row_extent[0] = blocks;
  r->row_axis[0] = "block";
}

static void plan_group_rows(Plan *p, Group *g) {
  RowPlan *r = items_of(p, g, 0, g->nrows);
  g->rows = r;
  if (r->in_bounds) join_rows(p, r);
  if (map_only(r) && r->nrows == 1)
    r->flat = true;
  else if (map_only(r) && r->nrows > 1 && !g->rows_fixed)
    leave_a_loop(r);
  plan_nests(p, r, true);
  share_columns(p, r);
  rows_find_bands(p, r);
  store_arrays(p, r);
}

void plan_rows(Plan *p) {
  for (int i = 0; i < p->groups.n; i++) {
    Group *g = p->groups.at[i];
    if (g->kind == GROUP_ROWS && !g->dropped) plan_group_rows(p, g);
  }
}

bool item_searches(const Item *it) {
  return it->node->reducer == RED_ARGMAX && it->form != FORM_MAP;
}

size_t item_array_bytes(const Item *it) {
  if (it->member->stored || !it->array) return 0;
  int64_t count = 1;
  for (int i = 0; i < it->nout; i++) count *= it->extent[i];
  return (size_t)count * td_type_size(plan_storage(it->node->type));
}

void item_array_strides(const Item *it, int given_rows, int64_t *stride) {
  int64_t step = 1;
  bool row[IR_MAX_RANK] = {0};
  for (int k = 0; k < given_rows; k++)
    if (it->member->rowvar[k] < it->node->rank) row[it->member->rowvar[k]] = true;
  for (int d = it->node->rank - 1; d >= 0; d--) {
    stride[d] = row[d] ? 0 : step;
    if (!row[d]) step *= it->node->shape[d];
  }
}
