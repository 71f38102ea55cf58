/* SPDX-License-Identifier: MIT */
/* One group out of the parts of a chain: its members in the chain's rows, each
 * in the program that computes it; the sums apart from what is done with them;
 * operands that are no plain reads as values of their own.
 *
 * needs       parts that chain.c found: the role of each product, the rows of each part
 * guarantees  Group.chain, members with program and rows, in an order in which they can be
 *             evaluated; or false, and nothing is changed
 * breaks      the products' nodes read new nodes: their contractions are those of before
 *
 *     y[b, l, e] = 0.1 * sum over k (p[b, l, k] * g[b, l] * v[b, k, e])
 *  -> x[b, l, k] = p[b, l, k] * g[b, l]                      main program
 *     sum[b, l, e] = sum over k (x[b, l, k] * v[b, k, e])    product
 *     y[b, l, e] = 0.1 * sum[b, l, e]                        program `after`   */
#include "compiler/plan/chain.h"
#include "compiler/ir/linear.h"

typedef struct Build {
  Plan *p;
  ChainParts *f;
  Group *g;
  Chain *chain;
  int order[IR_MAX_VARS]; /* row k of the chain is row order[k] of the parts */
} Build;

static GemmSide other(GemmSide x) { return x == GEMM_A ? GEMM_B : GEMM_A; }

/* ---- members --------------------------------------------------------------------------- */

static void push_member(Build *b, Node *n, const int *rowvar, int program, int position) {
  Member m = {.node = n, .stored = true, .program = program};
  for (int k = 0; k < b->chain->nrows; k++) m.rowvar[k] = rowvar[k];
  plan_info(b->p, n)->group = b->g;
  plan_info(b->p, n)->position = position;
  vec_push(b->p->arena, &b->g->members, m);
}

/* By position, and within one in the order of pushing. */
static void sort_members(Build *b) {
  Group *g = b->g;
  for (int i = 1; i < g->members.n; i++) {
    Member m = g->members.at[i];
    int at = i, position = plan_info(b->p, m.node)->position;
    for (; at > 0 && plan_info(b->p, g->members.at[at - 1].node)->position > position; at--)
      g->members.at[at] = g->members.at[at - 1];
    g->members.at[at] = m;
  }
}

static int program_of(const ChainPart *t) {
  if (!t->product || t->role == CHAIN_IN) return CHAIN_MAIN;
  return t->role == CHAIN_ROW ? CHAIN_AFTER : CHAIN_LAST;
}

static void merge(Build *b, const ChainPart *t, const Member *members, int n) {
  for (int i = 0; i < n; i++) {
    int rowvar[IR_MAX_VARS];
    for (int k = 0; k < b->chain->nrows; k++) rowvar[k] = chain_var(t, &members[i], b->order[k]);
    push_member(b, members[i].node, rowvar, program_of(t),
                plan_info(b->p, members[i].node)->position);
  }
}

static Member *build_member(Build *b, const Node *n) {
  for (int i = 0; i < b->g->members.n; i++)
    if (b->g->members.at[i].node == n) return &b->g->members.at[i];
  bug("'%s' is not in its chain", n->name);
}

/* ---- variables of a product ----------------------------------------------------------------- */

static void list_axis(const Node *n, const Contraction *c, GemmAxisKind axis, const ChainProduct *q,
                      int nrows, int *out, int *count, int64_t *extent) {
  *count = 0;
  *extent = 1;
  for (int i = 0; i < c->nvars[axis]; i++) {
    int v = c->var[axis][i];
    bool row = n->extent[v] == 1;
    for (int k = 0; k < nrows; k++) row = row || q->row[k] == v;
    if (row) continue;
    out[(*count)++] = v;
    *extent *= n->extent[v];
  }
}

static void list_variables(Build *b, ChainProduct *q, const Node *n) {
  int nrows = b->chain->nrows;
  GemmAxisKind own = gemm_outer(other(q->x));
  switch (q->role) {
  case CHAIN_IN:
    list_axis(n, q->c, own, q, nrows, q->svar, &q->ns, &q->s);
    list_axis(n, q->c, GEMM_K, q, nrows, q->kvar, &q->nk, &q->k);
    return;
  case CHAIN_ROW: list_axis(n, q->c, GEMM_K, q, nrows, q->svar, &q->ns, &q->s); break;
  case CHAIN_COLUMN: list_axis(n, q->c, gemm_outer(q->x), q, nrows, q->svar, &q->ns, &q->s); break;
  }
  list_axis(n, q->c, own, q, nrows, q->evar, &q->ne, &q->e);
  int last = n->rank - 1;
  while (last > 0 && n->extent[last] == 1) last--;
  for (int i = 0; i < q->ns && q->role == CHAIN_COLUMN; i++)
    q->turned = q->turned || q->svar[i] == last;
}

/* ---- operands --------------------------------------------------------------------- */

/* One stride for the flat index over these variables, if theirs agree. */
static bool flat(const Node *n, const int *var, int count, const int64_t *stride, int64_t *out) {
  int64_t inner = 1;
  *out = 0;
  for (int i = count - 1; i >= 0; i--) {
    if (i == count - 1)
      *out = stride[var[i]];
    else if (stride[var[i]] != *out * inner)
      return false;
    inner *= n->extent[var[i]];
  }
  return true;
}

/* The flat position of a read that is always in bounds: strides by variable, and the rest. */
static bool affine(Plan *p, const Node *n, Expr *e, int64_t *stride, Expr **rest) {
  Linear lin, left;
  if (e->kind != E_READ || e->type != TY_REAL) return false;
  linear_init(&lin);
  int64_t step[IR_MAX_RANK];
  plan_strides(p, e->node, step);
  for (int d = e->nargs - 1; d >= 0; d--) {
    int64_t lo, hi;
    if (!ex_interval(p->g, e->args[d], n->extent, n->nvars, &lo, &hi) || lo < 0 ||
        hi >= e->node->shape[d])
      return false;
    if (!linear_add(&lin, e->args[d], step[d])) return false;
  }
  linear_init(&left);
  left.constant = lin.constant;
  for (int v = 0; v < n->nvars; v++) stride[v] = 0;
  for (int i = 0; i < lin.n; i++) {
    Expr *atom = lin.term[i].atom;
    if (atom->kind == E_VAR)
      stride[atom->inum] = lin.term[i].coef;
    else if (atom->vars)
      return false;
    else
      left.term[left.n++] = lin.term[i];
  }
  *rest = linear_build(p->g, &left);
  return true;
}

/* The variables of an operand's outer index and of its k, in the order of the chain. */
typedef struct Sides {
  int nouter, outer[IR_MAX_VARS], nk, k[IR_MAX_VARS];
} Sides;

static void put(int *to, int *n, const int *from, int count) {
  for (int i = 0; i < count; i++) to[(*n)++] = from[i];
}

static Sides sides_of(const Build *b, const ChainProduct *q, bool x) {
  Sides s = {0};
  const int *rows = q->row + b->chain->nbatch;
  int nrows = b->chain->nrows - b->chain->nbatch;
  if (q->role == CHAIN_IN) {
    if (x)
      put(s.outer, &s.nouter, rows, nrows);
    else
      put(s.outer, &s.nouter, q->svar, q->ns);
    put(s.k, &s.nk, q->kvar, q->nk);
  } else {
    put(s.outer, &s.nouter, q->evar, q->ne);
    if (q->role == CHAIN_ROW)
      put(s.k, &s.nk, q->svar, q->ns);
    else
      put(s.k, &s.nk, rows, nrows);
  }
  return s;
}

static bool plain(Build *b, const ChainProduct *q, const Node *n, bool x, ChainOperand *o) {
  GemmSide side = x ? q->x : other(q->x);
  int64_t stride[IR_MAX_VARS];
  Sides s = sides_of(b, q, x);
  Expr *e = q->c->operand[side];
  if (!affine(b->p, n, e, stride, &o->base)) return false;
  if (!flat(n, s.outer, s.nouter, stride, &o->outer_stride) ||
      !flat(n, s.k, s.nk, stride, &o->k_stride))
    return false;
  if (b->p->rounds && o->outer_stride != 1 && o->k_stride != 1) return false;
  for (int k = 0; k < b->chain->nbatch; k++) o->batch_stride[k] = stride[q->row[k]];
  o->node = e->node;
  o->plain = true;
  return true;
}

/* The operand as a value over so many rows of the chain and some more variables. */
static Node *computed(Build *b, const ChainProduct *q, const Node *n, GemmSide side, int nrows,
                      const int *more, int nmore, int program) {
  Graph *g = b->p->g;
  Expr *map[IR_MAX_VARS], *body = q->c->operand[side];
  int64_t shape[IR_MAX_RANK];
  int rowvar[IR_MAX_VARS];
  const char *axis[IR_MAX_RANK];
  for (int v = 0; v < n->nvars; v++) map[v] = ex_int(g, 0);
  for (int d = 0; d < nrows + nmore; d++) {
    int v = d < nrows ? q->row[d] : more[d - nrows];
    map[v] = ex_var(g, d);
    shape[d] = n->extent[v];
    axis[d] = n->axis[v];
  }
  for (int k = 0; k < b->chain->nrows; k++) rowvar[k] = k < nrows ? k : -1;
  Node *o = ir_node(g, n->region, N_COMP, TY_REAL, nrows + nmore, shape, n->name, n->span);
  o->reducer = RED_NONE;
  o->nvars = nrows + nmore;
  for (int d = 0; d < o->nvars; d++) {
    o->extent[d] = shape[d];
    o->axis[d] = axis[d];
  }
  o->body = ex_subst(g, body, map, n->nvars);
  push_member(b, o, rowvar, program, plan_info(b->p, n)->position);
  return o;
}

/* Is the wide operand a value of this kernel as it stands? Then its order of variables is ours. */
static Node *wide_as_it_is(Build *b, ChainProduct *q, const Node *n) {
  Expr *e = q->c->operand[q->x];
  if (e->kind != E_READ) return NULL;
  const Member *m = member_of(b->g, e->node);
  int svar[IR_MAX_VARS], ns = 0;
  if (!m || m->stored || (m->program != CHAIN_MAIN && m->program != CHAIN_PRODUCT)) return NULL;
  for (int d = 0; d < e->nargs; d++) {
    bool row = e->node->shape[d] == 1;
    for (int k = 0; k < b->chain->nrows; k++) row = row || m->rowvar[k] == d;
    if (row) continue;
    if (e->args[d]->kind != E_VAR || n->extent[e->args[d]->inum] != e->node->shape[d]) return NULL;
    svar[ns++] = (int)e->args[d]->inum;
  }
  if (ns != q->ns) return NULL;
  for (int i = 0; i < ns; i++) {
    bool known = false;
    for (int k = 0; k < ns; k++) known = known || q->svar[k] == svar[i];
    for (int k = 0; k < i; k++) known = known && svar[k] != svar[i];
    if (!known) return NULL;
  }
  for (int i = 0; i < ns; i++) q->svar[i] = svar[i];
  return e->node;
}

typedef struct Reads {
  const Group *g;
  bool found;
} Reads;

static void see_member(Expr *e, void *ctx) {
  Reads *r = ctx;
  if (e->kind == E_READ && member_of(r->g, e->node)) r->found = true;
}

static bool reads_members(Build *b, Expr *e) {
  Reads r = {b->g, false};
  if (e) ex_visit(b->p->g, e, see_member, &r);
  return r.found;
}

static void make_operands(Build *b, ChainProduct *q, const Node *n) {
  const Chain *c = b->chain;
  ChainOperand *x = &q->operand[0], *y = &q->operand[1];
  if (q->role == CHAIN_IN) {
    if (!plain(b, q, n, true, x))
      x->node = computed(b, q, n, q->x, c->nrows, q->kvar, q->nk, CHAIN_BEFORE);
  } else {
    x->node = wide_as_it_is(b, q, n);
    if (!x->node) x->node = computed(b, q, n, q->x, c->nrows, q->svar, q->ns, CHAIN_MAIN);
  }
  if (plain(b, q, n, false, y)) return;
  if (q->role == CHAIN_COLUMN) { /* a row's values may be part of it */
    bool members = reads_members(b, q->c->operand[other(q->x)]);
    y->node = computed(b, q, n, other(q->x), c->nrows, q->evar, q->ne,
                       members ? CHAIN_MAIN : CHAIN_BEFORE);
    return;
  }
  Sides s = sides_of(b, q, false);
  put(s.outer, &s.nouter, s.k, s.nk);
  y->node = computed(b, q, n, other(q->x), c->nbatch, s.outer, s.nouter, CHAIN_FRESH);
}

/* ---- sums ------------------------------------------------------------------------- */

/* n = factor * sum: the sum becomes a node of its own, n a map of it. An IN
 * product that is nothing but its sum may stay as it is. */
static void make_sum(Build *b, ChainProduct *q, Node *n) {
  Graph *g = b->p->g;
  Contraction *c = q->c;
  Member *m = build_member(b, n);
  if (q->role == CHAIN_IN && !c->factor && !c->condition && !m->stored) {
    m->program = CHAIN_PRODUCT;
    q->sum = n;
    return;
  }
  Node *sum = ir_comp_like(g, n->region, n, n->guard, n->body);
  Expr *value = ir_read_all(g, sum);
  if (c->factor) value = ex2(g, P_mul, value, c->factor);
  if (c->condition) value = ex3(g, P_select, c->condition, value, ex_num(g, 0));
  n->reducer = RED_NONE;
  n->nvars = n->rank;
  n->guard = NULL;
  n->body = value;
  q->sum = sum;
  push_member(b, sum, m->rowvar, CHAIN_PRODUCT, plan_info(b->p, n)->position);
}

static void add_product(Build *b, const ChainPart *t, Node *n, Contraction *c) {
  ChainProduct q = {.role = t->role, .result = n, .c = c, .x = t->x};
  for (int k = 0; k < b->chain->nrows; k++) q.row[k] = t->row[b->order[k]];
  list_variables(b, &q, n);
  make_operands(b, &q, n);
  make_sum(b, &q, n);
  b->chain->columns = b->chain->columns || q.role == CHAIN_COLUMN;
  vec_push(b->p->arena, &b->chain->products, q);
}

/* ---- the whole -------------------------------------------------------------------- */

static void order_rows(Build *b) {
  Chain *c = b->chain;
  for (int batch = 1; batch >= 0; batch--)
    for (int k = 0; k < b->f->nrows; k++) {
      if (b->f->batch[k] != batch) continue;
      b->order[c->nrows++] = k;
      if (batch) c->nbatch++;
    }
  c->batch = c->rows = 1;
  for (int k = 0; k < c->nrows; k++)
    *(k < c->nbatch ? &c->batch : &c->rows) *= b->f->row_extent[b->order[k]];
}

/* Would every operand that must be computed have few enough axes? */
static bool fits(const ChainParts *f) {
  for (int i = 0; i < f->at.n; i++)
    if (f->at.at[i].product && f->at.at[i].g->members.at[0].node->nvars > IR_MAX_RANK) return false;
  return true;
}

bool chain_build(ChainParts *f) {
  Plan *p = f->p;
  if (!fits(f)) return false;
  Build b = {.p = p, .f = f, .g = f->at.at[0].g, .chain = NEW(p->arena, Chain)};
  order_rows(&b);
  int parts = f->at.n;
  Group *old = NEWN(p->arena, Group, parts); /* as they were */
  for (int i = 0; i < parts; i++) {
    old[i] = *f->at.at[i].g;
    f->at.at[i].g->members = (__typeof__(old[i].members)){0};
    f->at.at[i].g->dropped = true;
    f->at.at[i].g = &old[i];
  }
  Group *g = b.g;
  g->dropped = false;
  g->kind = GROUP_CHAIN;
  g->chain = b.chain;
  g->nrows = b.chain->nrows;
  for (int k = 0; k < g->nrows; k++) g->row_extent[k] = f->row_extent[b.order[k]];
  for (int i = 0; i < parts; i++) merge(&b, &f->at.at[i], old[i].members.at, old[i].members.n);
  plan_stored(p);
  for (int in = 1; in >= 0; in--)
    for (int i = 0; i < parts; i++) {
      const ChainPart *t = &f->at.at[i];
      if (t->product && (t->role == CHAIN_IN) == in)
        add_product(&b, t, old[i].members.at[0].node, old[i].contraction);
    }
  sort_members(&b);
  return true;
}

static void chain_programs(Plan *p, Group *g) {
  for (int i = 0; i < CHAIN_PROGRAMS; i++) {
    bool batch = i == CHAIN_FRESH || i == CHAIN_LAST;
    g->chain->program[i] =
        plan_row_program(p, g, i, batch ? g->chain->nbatch : g->chain->nrows, i != CHAIN_LAST);
  }
  chain_find_band(p, g);
}

void plan_chain_programs(Plan *p) {
  for (int i = 0; i < p->groups.n; i++)
    if (p->groups.at[i]->kind == GROUP_CHAIN && !p->groups.at[i]->dropped)
      chain_programs(p, p->groups.at[i]);
}
