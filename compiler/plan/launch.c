/* SPDX-License-Identifier: MIT */
/* What each launch is given: the buffers it reads and writes, the counters of the
 * loops around it, the control block; and what it costs.
 *
 * needs       places and their types are final (plan_place, plan_narrow); what the
 *             target lays out beforehand is decided (Target.copies)
 * guarantees  Group.launch of every group is complete: an emitter finds there all
 *             that its text may name, in the order of the call's arguments
 *
 * A loop that is one kernel (loop_kernel.c) is given what the groups of its body are.
 *
 * Buffers are given from the first element on that the launch uses of them: kernels that differ
 * in nothing but where their values lie in one, as those of q, k and v in the parameters, are
 * then one kernel.
 *
 *     y[l] = sum over d (x[@i, l, d] * w[d])
 * ->  args x w y*   counters ix0   flops 2 l d   bytes of one row of x, of w, of y
 *
 * A launch moves what it reads of a buffer, not all that the buffer holds: a layer's
 * row of a stack, not the stack. Reads of one node that differ only by a shift
 * overlap and count once; reads of different rows (other constants or counters in
 * a place without variables) add up; more than the whole node is never read, and no more
 * of its places than the reader has evaluations: a gather reads rows of a table. */
#include "compiler/ir/linear.h"
#include "compiler/plan/chain.h"
#include "compiler/plan/product.h"

#include <math.h>
#include <string.h>

/* One way in which the group reads a node. */
typedef struct Access {
  const Node *node;
  const Expr *row[IR_MAX_RANK]; /* by axis: the index, if no variable occurs in it; else NULL */
  int64_t count;                /* elements, at most */
} Access;

typedef struct Needs {
  Plan *p;
  Group *g;
  Launch *launch;
  const Node *reader;
  VEC(Access) reads;
  bool found; /* while a node is looked for */
} Needs;

/* From its element `begin` on. */
static void need_buffer(Needs *x, int buffer, int64_t begin, bool writes) {
  Launch *l = x->launch;
  for (int i = 0; i < l->args.n; i++)
    if (l->args.at[i] == buffer) {
      l->writes.at[i] = l->writes.at[i] || writes;
      if (begin < l->begins.at[i]) l->begins.at[i] = begin;
      return;
    }
  vec_push(x->p->arena, &l->args, buffer);
  vec_push(x->p->arena, &l->begins, begin);
  vec_push(x->p->arena, &l->writes, writes);
}

static void need_node(Needs *x, const Node *n, bool writes) {
  const NodeInfo *info = plan_info(x->p, n);
  if (!info->placed) {
    if (writes || info->group != x->g) bug("'%s' (node %d) has no storage", n->name, n->id);
    return; /* it lives and dies in this kernel */
  }
  need_buffer(x, info->place.buffer, info->place.offset, writes);
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (info->place.stride[s]) x->launch->counters |= 1u << s;
}

/* ---- what is read of a node ------------------------------------------------------ */

/* How many places an index can name while those of the reader's variables vary, `most` at
 * most. One that data decides names no more of them. */
static int64_t places(const Node *reader, uint32_t vars, int64_t most) {
  int64_t count = 1;
  for (int v = 0; v < reader->nvars && count < most; v++)
    if (vars >> v & 1 && !mul_fits(count, reader->extent[v], &count)) return most;
  return count > most ? most : count;
}

static void add_access(Needs *x, const Access *a) {
  for (int i = 0; i < x->reads.n; i++) {
    Access *o = &x->reads.at[i];
    if (o->node != a->node || memcmp(o->row, a->row, sizeof a->row) != 0) continue;
    if (a->count > o->count) o->count = a->count;
    return;
  }
  vec_push(x->p->arena, &x->reads, *a);
}

static void note_read(Needs *x, const Expr *e) {
  const Node *n = e->node;
  if (plan_info(x->p, n)->group == x->g) return;
  Access a = {.node = n, .count = 1};
  for (int d = 0; d < n->rank; d++) {
    a.count *= places(x->reader, e->args[d]->vars, n->shape[d]);
    if (!e->args[d]->vars) a.row[d] = e->args[d];
  }
  a.count = places(x->reader, e->vars, a.count); /* axes may vary together */
  add_access(x, &a);
}

/* Elements of n that the group reads; each node is counted at its first access. */
static int64_t elements_read(const Needs *x, int first) {
  const Node *n = x->reads.at[first].node;
  int64_t sum = 0;
  for (int i = 0; i < x->reads.n; i++) {
    if (x->reads.at[i].node != n) continue;
    if (i < first) return 0;
    sum += x->reads.at[i].count;
  }
  int64_t all = ir_count(n);
  return sum < all ? sum : all;
}

static double bytes_of(Plan *p, const Node *n, int64_t count) {
  return (double)count * (double)td_type_size(plan_type(p, n));
}

/* ---- what stays ----------------------------------------------------------------------- */

/* Does a node's element lie where this read finds its own? */
static bool lies_where(Plan *p, const Node *n, const Expr *read) {
  const NodeInfo *to = plan_info(p, n), *from = plan_info(p, read->node);
  Linear apart;
  int64_t own[IR_MAX_RANK], theirs[IR_MAX_RANK], by_slot[TD_MAX_LOOPS];
  if (!to->placed || !from->placed || to->place.buffer != from->place.buffer) return false;
  plan_strides(p, n, own);
  plan_strides(p, read->node, theirs);
  linear_init(&apart);
  for (int d = 0; d < n->rank; d++)
    if (n->extent[d] > 1 && !linear_add(&apart, ex_var(p->g, d), own[d])) return false;
  for (int d = 0; d < read->node->rank; d++)
    if (!linear_add(&apart, read->args[d], -theirs[d])) return false;
  for (int s = 0; s < TD_MAX_LOOPS; s++) by_slot[s] = to->place.stride[s] - from->place.stride[s];
  for (int i = 0; i < apart.n; i++) {
    const Expr *atom = apart.term[i].atom;
    if (atom->kind == E_VAR && n->extent[atom->inum] == 1) continue;
    if (atom->kind != E_LOOPVAR) return false;
    by_slot[plan_depth(atom->loop->node->region)] += apart.term[i].coef;
  }
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (by_slot[s]) return false;
  return apart.constant + to->place.offset - from->place.offset == 0;
}

/* The share of n's elements for which a condition can hold, as far as it says a variable. */
static double share_of(const Node *n, const Expr *where) {
  if (ex_is_prim(where, P_and)) return share_of(n, where->args[0]) * share_of(n, where->args[1]);
  for (int i = 0; i < 2 && ex_is_prim(where, P_eq); i++) {
    const int var = ex_bare_var(where->args[i]);
    if (var >= 0 && !(where->args[1 - i]->vars >> var & 1)) return 1 / (double)n->extent[var];
  }
  return 1;
}

/* Of a cache that a turn writes one place of the others stay as they lie: the read that says so,
 * or NULL. The condition is the same for a whole run of numbers, or all of it is written.
 *     k[s, e] = s == at ? new[e] : k[s, e] */
static const Expr *what_stays(Plan *p, const Member *m) {
  const Node *n = m->node;
  const Expr *e = n->body;
  if (!m->stored || !ir_is_map(n) || n->guard || n->rank == 0 || !ex_is_prim(e, P_select) ||
      e->args[2]->kind != E_READ || e->args[0]->vars >> (n->rank - 1) & 1)
    return NULL;
  return lies_where(p, n, e->args[2]) ? e->args[2] : NULL;
}

static void find_member(Expr *e, void *ctx) {
  Needs *x = ctx;
  x->found = x->found || (e->kind == E_READ && e->node == x->reader);
}

static bool is_read_inside(Needs *x, const Node *n) {
  x->reader = n;
  x->found = false;
  for (int i = 0; i < x->g->members.n; i++)
    ir_visit_exprs(x->p->g, x->g->members.at[i].node, find_member, x);
  return x->found;
}

/* Is it read for nothing but to stay? */
static bool only_stays(Needs *x, const Node *read) {
  bool stays = false;
  for (int i = 0; i < x->g->members.n && !stays; i++) {
    const Member *m = &x->g->members.at[i];
    const Expr *e = what_stays(x->p, m);
    stays = e && e->node == read && !is_read_inside(x, m->node);
  }
  return stays;
}

static double bytes_read(Needs *x) {
  double bytes = 0;
  for (int i = 0; i < x->reads.n; i++)
    if (plan_info(x->p, x->reads.at[i].node)->placed && !only_stays(x, x->reads.at[i].node))
      bytes += bytes_of(x->p, x->reads.at[i].node, elements_read(x, i));
  return bytes;
}

static double bytes_written(Needs *x) {
  double bytes = 0;
  for (int i = 0; i < x->g->members.n; i++) {
    const Member *m = &x->g->members.at[i];
    const double share = what_stays(x->p, m) ? share_of(m->node, m->node->body->args[0]) : 1;
    if (m->stored) bytes += share * bytes_of(x->p, m->node, ir_count(m->node));
  }
  return bytes;
}

/* ---- expressions ------------------------------------------------------------------- */

static void need_expr(Expr *e, void *ctx) {
  Needs *x = ctx;
  if (e->kind == E_LOOPVAR) {
    x->launch->counters |= 1u << plan_depth(e->loop->node->region);
  } else if (e->kind == E_PRIM) {
    if (prim_draws(e->prim)) x->launch->control = true;
  } else if (e->kind == E_READ && e->node == x->p->g->step) {
    x->launch->control = true;
  } else if (e->kind == E_READ) {
    note_read(x, e);
    need_node(x, e->node, false);
  }
}

static void need_all(Needs *x, Expr *e) {
  if (e) ex_visit(x->p->g, e, need_expr, x);
}

static void need_member(Needs *x, const Member *m) {
  x->reader = m->node;
  ir_visit_exprs(x->p->g, m->node, need_expr, x);
  if (m->stored) need_node(x, m->node, true);
}

/* ---- by kind ------------------------------------------------------------------------ */

/* Partial sums first, as they are opened before the rows; then nest by nest, where
 * what a nest reduces is stored behind its loops. */
static void need_rows(Needs *x) {
  const RowPlan *r = x->g->rows;
  for (int i = 0; i < r->nitems; i++)
    if (r->items[i].member->accumulates) need_node(x, r->items[i].node, true);
  for (int i = 0; i < r->nitems;) {
    int next = i;
    while (next < r->nitems && r->items[next].nest == r->items[i].nest) next++;
    for (int late = 0; late < 2; late++)
      for (int k = i; k < next; k++) {
        const Item *it = &r->items[k];
        x->reader = it->node;
        if (!late) ir_visit_exprs(x->p->g, it->node, need_expr, x);
        if (late == (it->form == FORM_REDUCE && it->nloops > 0) && it->member->stored)
          need_node(x, it->node, true);
      }
    i = next;
  }
}

static void need_scatter(Needs *x) {
  Node *n = x->g->members.at[0].node;
  x->reader = n;
  need_all(x, n->body);
  need_all(x, n->guard);
  need_node(x, n, true);
  for (int d = 0; d < n->rank; d++) need_all(x, n->index[d]);
}

static void need_product(Needs *x) {
  Group *g = x->g;
  const Contraction *c = g->contraction;
  Node *n = g->members.at[0].node;
  x->reader = n;
  need_all(x, c->operand[GEMM_A]);
  need_all(x, c->where[GEMM_A]);
  if (g->packed) {
    need_buffer(x, g->packed->buffer, 0, false);
    for (int i = 0; i < g->packed->nloops; i++)
      x->launch->counters |= 1u << plan_depth(g->packed->loops[i]->node->region);
  }
  if (!g->packed || contract_leaves_out(c)) {
    need_all(x, c->operand[GEMM_B]);
    need_all(x, c->where[GEMM_B]);
  }
  need_all(x, c->factor);
  need_all(x, c->condition);
  if (g->members.at[0].stored) need_node(x, n, true);
  for (int i = 1; i < g->members.n; i++) need_member(x, &g->members.at[i]);
}

static void need_program(Needs *x, int program) {
  for (int i = 0; i < x->g->members.n; i++)
    if (x->g->members.at[i].program == program) need_member(x, &x->g->members.at[i]);
}

/* A plain operand: all of its matrix, for every batch. */
static void need_operand(Needs *x, const ChainProduct *q, int which) {
  const ChainOperand *o = &q->operand[which];
  const Chain *c = x->g->chain;
  if (!o->plain) return;
  need_node(x, o->node, false);
  x->reader = q->sum;
  need_all(x, o->base);
  int64_t outer = which == 0 ? c->rows : q->role == CHAIN_IN ? q->s : q->e;
  int64_t inner = q->role == CHAIN_IN                     ? q->k
                  : which == 1 && q->role == CHAIN_COLUMN ? c->rows
                                                          : q->s;
  Access a = {.node = o->node, .count = outer * inner};
  for (int k = 0; k < c->nbatch; k++)
    if (o->batch_stride[k]) a.count *= x->g->row_extent[k];
  add_access(x, &a);
}

static void need_operands(Needs *x, ChainRole role, int which) {
  const Chain *c = x->g->chain;
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == role) need_operand(x, &c->products.at[i], which);
}

static void need_chain(Needs *x) {
  const Chain *c = x->g->chain;
  need_program(x, CHAIN_FRESH);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role != CHAIN_COLUMN) need_operand(x, &c->products.at[i], 1);
  need_program(x, CHAIN_BEFORE);
  need_operands(x, CHAIN_IN, 0);
  need_program(x, CHAIN_MAIN);
  need_operands(x, CHAIN_ROW, 0);
  need_program(x, CHAIN_AFTER);
  need_operands(x, CHAIN_COLUMN, 0);
  need_operands(x, CHAIN_COLUMN, 1);
  need_program(x, CHAIN_LAST);
}

/* Operand B of the product that it packs for. */
static void need_pack(Needs *x) {
  const Packed *packed = x->g->packed;
  x->reader = x->g->members.at[0].node;
  need_all(x, x->g->contraction->operand[GEMM_B]);
  need_buffer(x, packed->buffer, 0, true);
  for (int i = 0; i < packed->nloops; i++)
    x->launch->counters |= 1u << plan_depth(packed->loops[i]->node->region);
}

/* ---- operations: of real numbers, as they are counted in FLOP/s ------------------ */

static void add_flops(Expr *e, void *ctx) {
  if (e->kind != E_PRIM || (e->type != TY_REAL && prim_info(e->prim)->sig != SIG_CMP)) return;
  PrimSig s = prim_info(e->prim)->sig;
  *(double *)ctx += s == SIG_SEL || s == SIG_LOGIC ? 0 : 1;
}

double plan_flops(Graph *g, Expr *e) {
  double n = 0;
  ex_visit(g, e, add_flops, &n);
  return n;
}

/* `banded`: the share of banded loops that is run. */
static double rows_flops(Graph *g, const RowPlan *r, double banded) {
  double sum = 0;
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    double n = plan_flops(g, it->body) + (it->guard ? plan_flops(g, it->guard) : 0);
    n += it->node->reducer == RED_NONE ? 0 : 1;
    for (int k = 0; k < it->nloops; k++) n *= (double)it->extent[k];
    sum += n * (double)r->rows * (it->banded ? banded : it->share);
  }
  return sum;
}

/* Multiplied and added up by the group's matrix products alone. */
static double products_flops(Plan *p, const Group *group) {
  double sum = 0;
  if (group->kind == GROUP_CONTRACTION)
    sum = floor(2.0 * (double)ir_count(group->members.at[0].node) *
                    (double)group->contraction->extent[GEMM_K] * product_bands(p, group).share +
                0.5);
  const Chain *c = group->kind == GROUP_CHAIN ? group->chain : NULL;
  for (int i = 0; c && i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    int64_t inner = q->role == CHAIN_IN ? q->k * q->s : q->s * q->e;
    sum += 2.0 * (double)(c->batch * c->rows) * (double)inner;
  }
  return c && c->band ? floor(sum * c->band->share + 0.5) : sum;
}

static double product_flops(Plan *p, const Group *group) {
  double out = (double)ir_count(group->members.at[0].node), sum = products_flops(p, group);
  for (int i = 1; i < group->members.n; i++)
    sum += out * plan_flops(p->g, group->members.at[i].node->body);
  return sum;
}

static double chain_flops(Plan *p, const Group *group) {
  const Chain *c = group->chain;
  double sum = products_flops(p, group);
  for (int i = 0; i < CHAIN_PROGRAMS; i++)
    sum += rows_flops(p->g, c->program[i], c->band ? c->band->share : 1);
  return floor(sum + 0.5);
}

static double flops_of(Plan *p, const Group *group) {
  const Node *n = group->members.at[0].node;
  switch (group->kind) {
  case GROUP_ROWS: return rows_flops(p->g, group->rows, 1);
  case GROUP_CONTRACTION: return product_flops(p, group);
  case GROUP_CHAIN: return chain_flops(p, group);
  case GROUP_SCATTER: return (plan_flops(p->g, n->body) + 1) * (double)ir_evaluations(n);
  case GROUP_PACK:
  case GROUP_LOOP: break;
  }
  return 0;
}

/* ---- one group --------------------------------------------------------------------------- */

/* Packed operands are read and written as bytes of their buffer, of one iteration. */
static double packed_bytes(const Plan *p, const Packed *packed) {
  const TdBuffer *b = &p->buffers.at[packed->buffer].td;
  return (double)packed->count * (double)td_type_size(b->type);
}

static void complete(Plan *p, Group *g) {
  Needs x = {.p = p, .g = g, .launch = &g->launch};
  g->launch = (Launch){0};
  switch (g->kind) {
  case GROUP_ROWS: need_rows(&x); break;
  case GROUP_SCATTER: need_scatter(&x); break;
  case GROUP_CONTRACTION: need_product(&x); break;
  case GROUP_CHAIN: need_chain(&x); break;
  case GROUP_PACK: need_pack(&x); break;
  case GROUP_LOOP: return;
  }
  g->launch.flops = flops_of(p, g);
  bool parts = g->kind == GROUP_CONTRACTION && product_split(p, g) > 0;
  g->launch.narrow_flops = p->rounds || parts ? products_flops(p, g) : 0;
  g->launch.dear = plan_dear(p, g);
  const bool pack = g->kind == GROUP_PACK;
  const double packed = g->packed ? packed_bytes(p, g->packed) : 0;
  g->launch.read = pack ? 0 : bytes_read(&x) + packed;
  for (int i = 0; pack && i < x.reads.n; i++)
    g->launch.read += bytes_of(p, x.reads.at[i].node, elements_read(&x, i));
  g->launch.bytes = g->launch.read + (pack ? packed : bytes_written(&x));
  g->launch.product = plan_library_product(p, g);
  if (!g->launch.product) {
    p->target->shape(p, g);
    return;
  }
  for (int i = 0; i < g->launch.begins.n; i++)
    g->launch.begins.at[i] = 0; /* TdOperand.offset is it */
}

/* All that the groups of its body are given and cost, but for the counter, which it counts
 * itself. */
static void complete_loop(Plan *p, Group *g) {
  Needs x = {.p = p, .g = g, .launch = &g->launch};
  Groups body = {0};
  double times = (double)g->loop->count;
  group_order(p, g->loop->body, &body);
  for (int i = 0; i < body.n; i++) {
    const Launch *l = &body.at[i]->launch;
    vec_push(p->arena, &g->kernel->body, body.at[i]);
    for (int k = 0; k < l->args.n; k++) need_buffer(&x, l->args.at[k], 0, l->writes.at[k]);
    g->launch.counters |= l->counters;
    g->launch.control = g->launch.control || l->control;
    g->launch.flops += times * l->flops;
    g->launch.narrow_flops += times * l->narrow_flops;
    g->launch.bytes += times * l->bytes;
    g->launch.read += times * l->read;
    g->launch.dear += times * l->dear;
  }
  g->launch.counters &= ~(1u << plan_depth(g->region));
  p->target->shape(p, g);
}

void plan_launches(Plan *p) {
  for (int i = 0; i < p->groups.n; i++)
    if (!p->groups.at[i]->dropped) complete(p, p->groups.at[i]);
  for (int i = 0; i < p->groups.n; i++)
    if (p->groups.at[i]->kernel) complete_loop(p, p->groups.at[i]);
  for (int i = 0; i < p->packs.n; i++) complete(p, p->packs.at[i]);
}
