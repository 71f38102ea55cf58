/* SPDX-License-Identifier: MIT */
/* Loops that become one kernel: each of its parts runs all groups of the body for some of
 * the rows, one after another, through all iterations, and waits for no other part.
 *
 * That needs an axis along which iterations are independent, a batch: the first row of
 * every group of the body. What a group makes is read, in this iteration and in later ones
 * (as a carried value), at the reader's own place of that axis only; what comes from
 * outside is read anywhere. Then a part writes and reads places that are its own, apart
 * from what nobody writes while the loop runs, and stays right however far another is.
 *
 * Products of the body are summed row by row then, beside the maps around them. What is
 * read in every iteration alike, weights, may lie near the part. A loop stays kernels of its
 * own where those are quicker, by the target's rates: where much is read again and again.
 *
 * needs       groups are final (plan_group, plan_chains); owners (plan_own)
 * guarantees  Group.kernel of a loop that becomes one: its rows and what lies near; its body
 *             holds groups of rows alone. Else Group.apart tells why not
 * breaks      a body's groups are in no list of steps: one launch stands for them (plan_steps),
 *             so that all that they touch is alive at once and shares no memory
 *
 *     loop t { a[b, k] = sum[j](h[b, j] * u[j, k]); h'[b, k] = tanh(a[b, k] + x[t, b, k]) }
 * ->  b is independent: u is read by all rows, h and a at b alone                        */
#include "compiler/plan/rows.h"

typedef struct Fusing {
  Plan *p;
  Group *of; /* GROUP_LOOP */
  LoopKernel *k;
  Groups body;
  const Member *reader;
  const char *apart; /* the first reason that was found */
  double far_bytes;  /* that a part reads from afar in each iteration */
} Fusing;

#define APART(f, ...)                                                       \
  do {                                                                      \
    if (!(f)->apart) (f)->apart = arena_printf((f)->p->arena, __VA_ARGS__); \
    return;                                                                 \
  } while (0)

/* ---- independent rows --------------------------------------------------------------------- */

/* The axis of a value of the body that its kernel's first row runs along; -1: none. */
static int axis_of(Fusing *f, Node *n) {
  if (n->kind == N_CARRY && n->loop == f->of->loop) n = n->loop->carries.at[n->slot].next;
  const Group *g = plan_info(f->p, n)->group;
  const Member *m = g && g->region == f->of->loop->body ? member_of(g, n) : NULL;
  return m && g->nrows > 0 && m->rowvar[0] < n->rank ? m->rowvar[0] : -1;
}

static void check_read(Expr *e, void *ctx) {
  Fusing *f = ctx;
  if (e->kind != E_READ || e->node->region != f->of->loop->body) return;
  int axis = axis_of(f, e->node);
  if (axis < 0) APART(f, "'%s' has no kernel of rows", e->node->name);
  if (ex_bare_var(e->args[axis]) != f->reader->rowvar[0])
    APART(f, "'%s' reads '%s' of other rows", f->reader->node->name, e->node->name);
}

static void check_member(Fusing *f, const Group *g, const Member *m) {
  Node *n = m->node, *owner = plan_info(f->p, n)->owner;
  f->reader = m;
  if (m->accumulates) APART(f, "'%s' adds up rows", n->name);
  if (g->nrows == 0 || m->rowvar[0] >= n->rank) APART(f, "'%s' has no rows", n->name);
  if (n->extent[m->rowvar[0]] != f->k->rows)
    APART(f, "'%s' has %lld rows, '%s' has %lld", n->name, (long long)n->extent[m->rowvar[0]],
          f->body.at[0]->members.at[0].node->name, (long long)f->k->rows);
  if (owner && owner->kind == N_CARRY && axis_of(f, owner) != axis_of(f, n))
    APART(f, "'%s' is carried with other rows", n->name);
  ir_visit_exprs(f->p->g, n, check_read, f);
}

static void check_body(Fusing *f) {
  const Loop *l = f->of->loop;
  for (int i = 0; i < f->p->groups.n; i++) {
    Group *g = f->p->groups.at[i];
    if (g->region != l->body || g->dropped) continue;
    if (g->kind == GROUP_LOOP) APART(f, "there is a loop in it");
    if (g->kind == GROUP_CHAIN) APART(f, "products of products are in it");
    if (g->kind == GROUP_SCATTER) APART(f, "'%s' is a scatter", g->members.at[0].node->name);
    vec_push(f->p->arena, &f->body, g);
  }
  if (f->body.n == 0) APART(f, "nothing is computed in it");
  if (l->count < 2) APART(f, "it runs once");
  if (f->body.at[0]->nrows == 0)
    APART(f, "'%s' has no rows", f->body.at[0]->members.at[0].node->name);
  f->k->rows = f->body.at[0]->row_extent[0];
  for (int i = 0; i < f->body.n && !f->apart; i++)
    for (int m = 0; m < f->body.at[i]->members.n && !f->apart; m++)
      check_member(f, f->body.at[i], &f->body.at[i]->members.at[m]);
}

/* ---- what lies near ------------------------------------------------------------------------- */

const LoopKernel *loop_around(Plan *p, const Group *g) {
  const Loop *l = g->region->loop;
  return l ? plan_info(p, l->node)->group->kernel : NULL;
}

const LoopNear *loop_near(const LoopKernel *k, const Node *n) {
  for (int i = 0; k && i < k->near.n; i++)
    if (k->near.at[i].node == n) return &k->near.at[i];
  return NULL;
}

void loop_near_strides(const LoopNear *x, int64_t *stride) {
  int64_t step = 1;
  for (int d = x->node->rank - 1; d >= 0; d--) {
    stride[d] = d < x->fixed ? 0 : step;
    step = d == x->node->rank - 1 ? x->pitch : step * x->node->shape[d];
  }
}

/* A value from outside that the body reads, and how. */
typedef struct Outer {
  Node *node;
  Expr *at[IR_MAX_RANK]; /* by axis: the index, if all reads have it and it has no variable */
  bool alike;            /* the same is read whatever row and iteration it is for */
  bool turned;           /* some sums run along its last axis: others vary from thread to thread */
  double count, all;     /* elements that the present group reads for a part; all groups together */
} Outer;

typedef struct Reads {
  Fusing *f;
  VEC(Outer) of;
} Reads;

static Outer *outer_of(Reads *r, Node *n) {
  for (int i = 0; i < r->of.n; i++)
    if (r->of.at[i].node == n) return &r->of.at[i];
  return NULL;
}

/* How many elements of its node a part reads there in an iteration, at most. */
static double elements_read(const Fusing *f, const Expr *e) {
  double all = 1, places = 1;
  const Member *m = f->reader;
  for (int v = 0; v < m->node->nvars; v++)
    if (e->vars & expr_var_bit(v))
      places *= (double)(v == m->rowvar[0] ? f->k->slice : m->node->extent[v]);
  for (int d = 0; d < e->nargs; d++)
    if (e->args[d]->vars) all *= (double)e->node->shape[d];
  return all < places ? all : places;
}

static void note_outer(Expr *e, void *ctx) {
  Reads *r = ctx;
  Fusing *f = r->f;
  if (e->kind != E_READ || e->node->region == f->of->loop->body || e->node == f->p->g->step) return;
  Outer *x = outer_of(r, e->node);
  if (!x) {
    Outer first = {.node = e->node, .alike = e->node->type == TY_REAL && e->node->rank > 0};
    for (int d = 0; d < e->nargs; d++) first.at[d] = e->args[d];
    vec_push(f->p->arena, &r->of, first);
    x = outer_of(r, e->node);
  }
  for (int d = 0; d < e->nargs; d++) {
    const Expr *at = e->args[d];
    if (at->reads || ex_has_loopvar(f->p->g, at, f->of->loop) ||
        at->vars & expr_var_bit(f->reader->rowvar[0]))
      x->alike = false;
    if (x->at[d] != at || at->vars) x->at[d] = NULL;
  }
  double count = elements_read(f, e);
  if (count > x->count) x->count = count;
  int last = e->nargs > 0 ? ex_bare_var(e->args[e->nargs - 1]) : -1;
  x->turned = x->turned || last >= f->reader->node->rank;
}

/* Rows at an odd pitch, where a part's threads run along another axis than the last. */
static LoopNear near_of(const Outer *x) {
  const Node *n = x->node;
  int64_t width = n->shape[n->rank - 1], rows = 1;
  LoopNear out = {.node = x->node, .pitch = x->turned && n->rank > 1 ? width | 1 : width};
  while (out.fixed < n->rank - 1 && x->at[out.fixed]) {
    out.at[out.fixed] = x->at[out.fixed];
    out.fixed++;
  }
  for (int d = out.fixed; d < n->rank - 1; d++) rows *= n->shape[d];
  out.bytes = (size_t)round_up(rows * out.pitch * (int64_t)td_type_size(TD_F32), 16);
  return out;
}

/* What all of the body reads alike, as far as there is room for it. */
static void choose_near(Fusing *f) {
  Reads r = {.f = f};
  for (int i = 0; i < f->body.n; i++) {
    for (int m = 0; m < f->body.at[i]->members.n; m++) {
      f->reader = &f->body.at[i]->members.at[m];
      ir_visit_exprs(f->p->g, f->reader->node, note_outer, &r);
    }
    for (int k = 0; k < r.of.n; k++) {
      r.of.at[k].all += r.of.at[k].count;
      r.of.at[k].count = 0;
    }
  }
  for (int i = 0; i < r.of.n; i++) {
    LoopNear x = r.of.at[i].alike ? near_of(&r.of.at[i]) : (LoopNear){0};
    if (r.of.at[i].alike && f->k->near_bytes + x.bytes <= f->p->target->loops.near) {
      vec_push(f->p->arena, &f->k->near, x);
      f->k->near_bytes += x.bytes;
    } else {
      f->far_bytes += r.of.at[i].all * (double)td_type_size(TD_F32);
    }
  }
}

/* ---- is it worth it? ------------------------------------------------------------------------ */

/* Operations of an iteration, of all rows. */
static double body_flops(const Fusing *f) {
  double sum = 0;
  for (int i = 0; i < f->body.n; i++)
    for (int m = 0; m < f->body.at[i]->members.n; m++) {
      const Node *n = f->body.at[i]->members.at[m].node;
      double each = plan_flops(f->p->g, n->body) + (n->guard ? plan_flops(f->p->g, n->guard) : 0);
      sum += (each + (n->reducer == RED_NONE ? 0 : 1)) * (double)ir_evaluations(n);
    }
  return sum;
}

static void weigh(Fusing *f) {
  const TargetLoops *t = &f->p->target->loops;
  LoopKernel *k = f->k;
  double share = (double)k->slice / (double)k->rows;
  int groups = 0; /* without copies at the end, which mostly go (in_place.c) */
  for (int i = 0; i < f->body.n; i++)
    groups += plan_info(f->p, f->body.at[i]->members.at[0].node)->commits == NULL;
  double together = groups * t->turn + body_flops(f) * share / t->flops + f->far_bytes / t->bytes;
  double apart = groups * t->kernel + body_flops(f) / f->p->target->rates.flops;
  if (together > apart)
    APART(f, "kernels of its own are quicker: an iteration takes %.3g us in one, else %.3g",
          1e6 * together, 1e6 * apart);
}

/* ---- all loops ------------------------------------------------------------------------------ */

/* Products become sums of rows: the batch stays, all other axes are loops of a row. */
static void make_rows(Group *g) {
  if (g->kind != GROUP_CONTRACTION) return;
  g->kind = GROUP_ROWS;
  g->product = true;
  g->contraction = NULL;
  g->nrows = 1;
}

static void fuse(Plan *p, Group *loop) {
  Fusing f = {.p = p, .of = loop, .k = NEW(p->arena, LoopKernel)};
  check_body(&f);
  if (!f.apart) {
    f.k->slice = (f.k->rows + p->target->loops.slices_most - 1) / p->target->loops.slices_most;
    choose_near(&f);
    weigh(&f);
  }
  loop->apart = f.apart;
  if (f.apart) return;
  loop->kernel = f.k;
  for (int i = 0; i < f.body.n; i++) make_rows(f.body.at[i]);
}

void plan_loops(Plan *p) {
  for (int i = 0; i < p->groups.n; i++)
    if (p->groups.at[i]->kind == GROUP_LOOP) fuse(p, p->groups.at[i]);
}
