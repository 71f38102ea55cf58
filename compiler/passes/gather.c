/* SPDX-License-Identifier: MIT */
/* Products of rows that are a table's, as embedded symbols that a recurrent cell multiplies by its
 * weights: where there are many more such rows than the table has, the table is multiplied
 * instead, and rows of that product are read. In the gradients what is multiplied by equal rows is
 * added up first, once for the weights and for the table.
 *
 *     y[b, t, k] = sum over d (table[x[b, t], d] * w[d, k])
 *     dw[d, k] = sum over b, t (table[x[b, t], d] * e[b, t, k])
 *     dy[b, t, d] = sum over k (e[b, t, k] * w[d, k]); dtable[x[b, t], d] += dy[b, t, d]
 * ->  p[v, d] = sum over d (table[v, d] * w[d, k]); y[b, t, k] = p[x[b, t], k]
 *     s[x[b, t], k] += e[b, t, k]; n[x[b, t]] += 1
 *     dw[d, k] = sum over v where n[v] > 0 (table[v, d] * s[v, k])
 *     dtable[v, d] = sum over k where n[v] > 0 (s[v, k] * w[d, k])
 *
 * needs       after `cse`, so that what is looked up is one node; before `inline`, which puts y
 *             where it is read
 * guarantees  y's elements are sums of the same terms in the same order; those of gradients are
 *             sums of the same terms, those of equal rows first, in the order of positions. Rows
 *             that nobody looks up count for nothing, whatever stands in them
 * breaks      nothing; what nobody reads any more is pruned
 *
 * TargetProducts.gathered says from how many rows on. */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/contract.h"

typedef struct Sums { /* what is multiplied by equal rows, added up */
  const Expr *at, *of;
  Node *sums;
} Sums;

typedef struct Gather {
  Graph *g;
  const TargetProducts *target;
  int *readers;    /* of each node, by its id */
  Expr *looked_up; /* of a search */
  VEC(Sums) sums;
  VEC(Sums) counts;
} Gather;

/* ---- what is looked up ------------------------------------------------------------------ */

static void count_reader(Node *read, void *ctx) { ((Gather *)ctx)->readers[read->id]++; }

static void count_readers(Gather *x, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      count_readers(x, n->loop->body);
      for (int k = 0; k < n->loop->emits.n; k++) x->readers[n->loop->emits.at[k]->id]++;
      for (int k = 0; k < n->loop->carries.n; k++) x->readers[n->loop->carries.at[k].next->id]++;
    }
    ir_each_read(x->g, n, count_reader, x);
  }
}

/* The axis of a read at which data say where; -1: there is none, or more than one. */
static int data_axis(const Expr *e) {
  int axis = -1;
  if (e->kind != E_READ || e->type != TY_REAL) return -1;
  for (int d = 0; d < e->nargs; d++) {
    if (!e->args[d]->reads) continue;
    if (axis >= 0 || e->args[d]->vars == 0 || e->args[d]->draws) return -1;
    axis = d;
  }
  return axis;
}

/* A map that is nothing but a row that is looked up is read through. */
static Expr *look_up(Graph *g, Expr *e, void *ctx) {
  (void)ctx;
  if (e->kind != E_READ) return e;
  const Node *n = e->node;
  if (!ir_is_map(n) || n->guard || n->vjp || data_axis(n->body) < 0) return e;
  for (int d = 0; d < e->nargs; d++)
    if (e->args[d]->reads) return e;
  return ex_subst(g, n->body, e->args, n->rank);
}

static void find_look_up(Expr *e, void *ctx) {
  Gather *x = ctx;
  if (!x->looked_up && data_axis(e) >= 0) x->looked_up = e;
}

static int64_t times(const Node *n, uint32_t vars) {
  int64_t count = 1;
  for (int v = 0; v < n->nvars; v++)
    if (vars >> v & 1) count *= n->extent[v];
  return count;
}

static uint32_t outputs_of(const Node *n) { return (uint32_t)((1ull << n->rank) - 1); }

/* Are the positions, so many values of these variables, many more than there are rows? */
static bool many(const Gather *x, const Node *n, uint32_t vars, int64_t rows) {
  return times(n, vars) / x->target->gathered >= rows;
}

static bool may_change(const Node *n) {
  return ir_computes(n) && !n->vjp && !n->again && !n->body->draws;
}

/* ---- a product of rows --------------------------------------------------------------------- */

/* The node of all of the table's rows: variable `first` counts rows in place of those of `at`. */
static Node *product_of_table(Gather *x, const Node *n, Expr *body, Expr *guard, uint32_t vars,
                              int64_t rows) {
  Graph *g = x->g;
  Expr *map[IR_MAX_VARS] = {0};
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS] = {0};
  int nvars = 0, rank = 0;
  bool placed = false;
  for (int v = 0; v < n->nvars; v++) {
    if (vars >> v & 1 && placed) continue;
    if (vars >> v & 1) {
      map[n->nvars] = ex_var(g, nvars);
      extent[nvars++] = rows;
      placed = true;
    } else {
      map[v] = ex_var(g, nvars);
      axis[nvars] = n->axis[v];
      extent[nvars++] = n->extent[v];
    }
    if (v < n->rank) rank = nvars;
  }
  Node *p =
      ir_comp(g, n->region, arena_printf(g->arena, "%s.rows", n->name), n->span, rank, nvars - rank,
              extent, n->reducer, guard ? ex_subst(g, guard, map, n->nvars + 1) : NULL,
              ex_subst(g, body, map, n->nvars + 1));
  for (int v = 0; v < nvars; v++) p->axis[v] = axis[v];
  ir_same_users(g, p, n);
  return p;
}

static bool gather_product(Gather *x, Node *n) {
  Graph *g = x->g;
  if (n->nvars == IR_MAX_VARS) return false;
  Expr *body = ex_map(g, n->body, look_up, NULL);
  x->looked_up = NULL;
  ex_visit(g, body, find_look_up, x);
  if (!x->looked_up) return false;
  const int d = data_axis(x->looked_up);
  Expr *at = x->looked_up->args[d];
  const int64_t rows = x->looked_up->node->shape[d];
  if (at->vars & ~outputs_of(n) || !many(x, n, at->vars, rows)) return false;
  Expr *by = ex_var(g, n->nvars);
  body = ex_replace(g, body, at, by);
  Expr *guard = n->guard ? ex_replace(g, n->guard, at, by) : NULL;
  if (body->vars & at->vars || (guard && guard->vars & at->vars)) return false;
  Node *p = product_of_table(x, n, body, guard, at->vars, rows);
  ir_put_before(p, n);
  Expr *index[IR_MAX_RANK];
  int rank = 0;
  bool placed = false;
  for (int v = 0; v < n->rank; v++) {
    if (at->vars >> v & 1 && placed) continue;
    placed = placed || at->vars >> v & 1;
    index[rank++] = at->vars >> v & 1 ? at : ex_var(g, v);
  }
  n->reducer = RED_NONE;
  n->nvars = n->rank;
  n->guard = NULL;
  n->body = ex_read(g, p, index);
  return true;
}

/* ---- sums of what equal rows are multiplied by ----------------------------------------- */

/* All of a node, at variables of n, a different one at each axis? */
static bool reads_plainly(const Node *n, const Expr *e) {
  uint32_t seen = 0;
  if (e->kind != E_READ || e->type != TY_REAL) return false;
  for (int d = 0; d < e->nargs; d++) {
    int v = ex_bare_var(e->args[d]);
    if (v < 0 || seen >> v & 1 || n->extent[v] != e->node->shape[d]) return false;
    seen |= 1u << v;
  }
  return true;
}

static Node *find_sums(const Sums *all, int n, const Expr *at, const Expr *of) {
  for (int i = 0; i < n; i++)
    if (all[i].at == at && all[i].of == of) return all[i].sums;
  return NULL;
}

/* s[at, others] += e[...], its variables those of e's axes. */
static Node *sums_of(Gather *x, const Node *n, const Expr *e, Expr *at, int64_t rows) {
  Graph *g = x->g;
  Expr *map[IR_MAX_VARS] = {0}, *index[IR_MAX_RANK];
  int64_t shape[IR_MAX_RANK] = {rows};
  int rank = 1;
  for (int d = 0; d < e->nargs; d++) map[ex_bare_var(e->args[d])] = ex_var(g, d);
  for (int d = 0; d < e->nargs; d++) {
    if (at->vars >> ex_bare_var(e->args[d]) & 1) continue;
    index[rank] = ex_var(g, d);
    shape[rank++] = e->node->shape[d];
  }
  Expr *own = ex_subst(g, at, map, IR_MAX_VARS), *of = ir_read_all(g, e->node);
  index[0] = own;
  Node *s = find_sums(x->sums.at, x->sums.n, own, of);
  if (s && ir_visible(n->region, s)) return s;
  s = ir_scatter(g, n->region, arena_printf(g->arena, "%s.sums", e->node->name), n->span, rank,
                 shape, e->nargs, e->node->shape, index, NULL, of);
  ir_same_users(g, s, n);
  ir_put_before(s, n);
  vec_push(g->arena, &x->sums, ((Sums){own, of, s}));
  return s;
}

/* n[at] += 1 */
static Node *counts_of(Gather *x, const Node *n, const Expr *e, Expr *at, int64_t rows) {
  Graph *g = x->g;
  Expr *map[IR_MAX_VARS] = {0};
  int64_t extent[IR_MAX_VARS];
  int nvars = 0;
  for (int d = 0; d < e->nargs; d++) {
    int v = ex_bare_var(e->args[d]);
    if (!(at->vars >> v & 1)) continue;
    map[v] = ex_var(g, nvars);
    extent[nvars++] = e->node->shape[d];
  }
  Expr *own = ex_subst(g, at, map, IR_MAX_VARS);
  Node *s = find_sums(x->counts.at, x->counts.n, own, NULL);
  if (s && ir_visible(n->region, s)) return s;
  s = ir_scatter(g, n->region, arena_printf(g->arena, "%s.count", e->node->name), n->span, 1, &rows,
                 nvars, extent, &own, NULL, ex_num(g, 1));
  ir_same_users(g, s, n);
  ir_put_before(s, n);
  vec_push(g->arena, &x->counts, ((Sums){own, NULL, s}));
  return s;
}

/* A product whose operand is looked up, or is added to rows: e multiplies or makes these, and
 * `kept` is the other operand, all in the variables of the node that becomes the sum. */
typedef struct Turn {
  Expr *at, *factor;
  const Expr *e;
  Expr *kept;
  int64_t rows;
} Turn;

/* n becomes the sum over `row` and e's other variables: map says which they are in it. */
static void become(Gather *x, Node *n, const Turn *t, int rank, int nvars, const int64_t *extent,
                   Expr *const *map, Expr *row) {
  Graph *g = x->g;
  Node *s = sums_of(x, n, t->e, t->at, t->rows), *c = counts_of(x, n, t->e, t->at, t->rows);
  Expr *index[IR_MAX_RANK] = {row};
  int k = 1;
  for (int d = 0; d < t->e->nargs; d++) {
    int v = ex_bare_var(t->e->args[d]);
    if (!(t->at->vars >> v & 1)) index[k++] = map[v];
  }
  Expr *body = ex2(g, P_mul, ex_subst(g, t->kept, map, IR_MAX_VARS), ex_read(g, s, index));
  n->kind = N_COMP;
  n->reducer = RED_SUM;
  n->rank = rank;
  n->nvars = nvars;
  for (int v = 0; v < nvars; v++) n->extent[v] = extent[v];
  for (int v = 0; v < nvars; v++) n->axis[v] = NULL;
  n->body = t->factor ? ex2(g, P_mul, t->factor, body) : body;
  n->guard = ex2(g, P_lt, ex_num(g, 0), ex_read(g, c, &row));
}

static const Contraction *plain_product(const Gather *x, Node *n) {
  const Contraction *c = n->kind == N_COMP ? contract_find(x->g, x->target, n) : NULL;
  if (!c || c->condition || c->where[GEMM_A] || c->where[GEMM_B]) return NULL;
  return c->factor && c->factor->kind != E_NUM ? NULL : c;
}

/* Multiplications that are saved are many more than numbers that are added up. */
static bool pays(const Gather *x, int64_t width) { return width >= x->target->gathered_width; }

/* The gradient of what rows are multiplied by. */
static bool gather_weights(Gather *x, Node *n) {
  Graph *g = x->g;
  const Contraction *c = plain_product(x, n);
  for (int side = 0; c && side < 2; side++) {
    Expr *row = look_up(g, c->operand[side], NULL);
    const Expr *e = c->operand[!side];
    const int d = data_axis(row);
    if (d < 0 || !reads_plainly(n, e)) continue;
    Expr *at = row->args[d];
    const uint32_t vars = at->vars;
    if (vars & outputs_of(n) || vars & ~e->vars ||
        e->nargs - __builtin_popcount(vars) + 1 > IR_MAX_RANK)
      continue;
    const int64_t rows = row->node->shape[d];
    if (n->nvars == IR_MAX_VARS) continue;
    Expr *kept = ex_replace(g, row, at, ex_var(g, n->nvars));
    int64_t width = times(n, kept->vars & outputs_of(n) & ~e->vars);
    if (kept->vars & vars || !many(x, n, vars, rows) || !pays(x, width)) continue;
    Expr *map[IR_MAX_VARS] = {0};
    int64_t extent[IR_MAX_VARS];
    int nvars = n->rank;
    for (int v = 0; v < n->rank; v++) {
      map[v] = ex_var(g, v);
      extent[v] = n->extent[v];
    }
    Expr *counter = map[n->nvars] = ex_var(g, nvars);
    extent[nvars++] = rows;
    for (int v = n->rank; v < n->nvars; v++) {
      if (vars >> v & 1) continue;
      map[v] = ex_var(g, nvars);
      extent[nvars++] = n->extent[v];
    }
    become(x, n, &(Turn){at, c->factor, e, kept, rows}, n->rank, nvars, extent, map, counter);
    return true;
  }
  return false;
}

/* The gradient of the table, to whose rows a product's are added. */
static bool gather_table(Gather *x, Node *n) {
  Graph *g = x->g;
  const Expr *from = n->body;
  if (n->guard || !reads_plainly(n, from) || from->nargs != n->nvars ||
      x->readers[from->node->id] != 1)
    return false;
  Node *product = from->node;
  const Contraction *c =
      product->region == n->region && may_change(product) ? plain_product(x, product) : NULL;
  int axis = -1;
  uint32_t outer = 0; /* the product's variables that are the scatter's, but for positions */
  Expr *map[IR_MAX_VARS] = {0}, *own[IR_MAX_VARS] = {0};
  int64_t extent[IR_MAX_VARS];
  for (int d = 0; d < n->nvars; d++) own[ex_bare_var(from->args[d])] = ex_var(g, d);
  for (int d = 0; c && d < n->rank; d++) {
    extent[d] = n->shape[d];
    int v = ex_bare_var(n->index[d]);
    if (v >= 0) {
      const int mine = (int)own[v]->inum;
      if (n->extent[v] != n->shape[d] || outer >> mine & 1) return false;
      outer |= 1u << mine;
      map[mine] = ex_var(g, d);
    } else if (axis < 0 && n->index[d]->reads && !n->index[d]->draws) {
      axis = d;
    } else {
      return false;
    }
  }
  if (!c || axis < 0) return false;
  Expr *at = ex_subst(g, n->index[axis], own, IR_MAX_VARS); /* in the product's variables */
  if (at->vars & outer || (at->vars | outer) != outputs_of(product)) return false;
  int nvars = n->rank;
  for (int v = product->rank; v < product->nvars; v++) {
    if (nvars == IR_MAX_VARS) return false;
    map[v] = ex_var(g, nvars);
    extent[nvars++] = product->extent[v];
  }
  for (int side = 0; side < 2; side++) {
    const Expr *e = c->operand[side];
    Expr *kept = c->operand[!side];
    if (!reads_plainly(product, e) || at->vars & ~e->vars || kept->vars & at->vars) continue;
    const int64_t width = times(product, outer & ~e->vars);
    if (!many(x, product, at->vars, n->shape[axis]) || !pays(x, width)) continue;
    Expr *row = ex_var(g, axis);
    become(x, n, &(Turn){at, c->factor, e, kept, n->shape[axis]}, n->rank, nvars, extent, map, row);
    return true;
  }
  return false;
}

/* ---- all of them ---------------------------------------------------------------------------- */

static void gather_region(Gather *x, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) gather_region(x, n->loop->body);
    if (!may_change(n)) continue;
    if (n->kind == N_SCATTER)
      gather_table(x, n);
    else if (contract_matches(x->g, x->target, n) && !gather_product(x, n))
      gather_weights(x, n);
    while (r->nodes.at[i] != n) i++; /* what it reads now stands before it */
  }
}

void pass_gather(Graph *g, const PassOptions *o) {
  Gather x = {.g = g, .target = &o->target->products};
  if (x.target->gathered == 0) return;
  x.readers = NEWN(g->arena, int, g->nodes.n + 1);
  count_readers(&x, g->top);
  for (int i = 0; i < g->outputs.n; i++) x.readers[g->outputs.at[i].node->id]++;
  for (int i = 0; i < g->updates.n; i++) x.readers[g->updates.at[i].value->id]++;
  gather_region(&x, g->top);
  ir_prune(g);
}
