/* SPDX-License-Identifier: MIT */
/* What products read of a state, in the type of activations. A library multiplies operands
 * of one type, and products round their factors to bf16 anyway: so a state that a large
 * product reads is converted by one kernel, and products read what that left. It is made in
 * every run, before anything reads it, so that it cannot be older than the state. It is made in
 * the first run alone, and kept,
 *   - in an entry that is repeated while parameters stay, as packed operands are;
 *   - where the entry changes a flat state: who makes the new state makes the new copy of it, so
 *     that one follows the other as long as nobody else writes states (TdEntry.follows).
 * A product with few rows is no product of tiles or of a library: it takes as long as its weights
 * take from memory. In an entry that is repeated, such weights are copied too, for half the bytes.
 *
 * needs       a graph after its passes; nothing is grouped
 * guarantees  products that read a converted state at places which no data decides read all of
 *             its elements there; values are what they were: plan_narrow stores the copy in
 *             bf16, as only products read it
 *
 *     y = x * v[@i], v = view of state p + 70
 * ->  p.bf16[n] = p[n + 64]; v.bf16 = view of p.bf16 + 6; y = x * v.bf16[@i]
 *     p := u   ->   p := u; p.bf16 := u                                                  */
#include "compiler/plan/contract.h"
#include "compiler/plan/plan.h"

/* A copy begins at a multiple of so many elements: what is aligned in the state is in it. */
enum { UNIT = 64 };

typedef struct Weight { /* a state that products read */
  Node *state, *copy;
  bool large;     /* a product that is worth it reads it */
  int64_t read;   /* elements of it that products with few rows read */
  int64_t lo, hi; /* elements of it that products read: lo .. hi - 1, where it is flat */
} Weight;

typedef struct Shown { /* a view of a state, and the same view of its copy */
  Node *view, *copy;
} Shown;

typedef struct Weights {
  Plan *p;
  VEC(Weight) weights;
  VEC(Shown) shown;
  const Expr *from[2]; /* the operands of a product that are read from copies */
  int nfrom;
} Weights;

/* The state that n is, or shows, and where in it n begins; NULL: it is none. */
static Node *state_under(Node *n, int64_t *offset) {
  for (*offset = 0; n->kind == N_VIEW; n = n->base) *offset += n->offset;
  return n->kind == N_STATE && n->type == TY_REAL ? n : NULL;
}

static Weight *weight_of(Weights *w, Node *state) {
  for (int i = 0; i < w->weights.n; i++)
    if (w->weights.at[i].state == state) return &w->weights.at[i];
  Weight s = {.state = state, .lo = INT64_MAX};
  vec_push(w->p->arena, &w->weights, s);
  return &w->weights.at[w->weights.n - 1];
}

typedef struct Search {
  const Expr *e;
  bool found;
} Search;

static void compare(Expr *e, void *ctx) {
  Search *s = ctx;
  s->found = s->found || e == s->e;
}

/* Is the operand one read of a state, at a place that no data decides? Nothing else of the
 * product may be computed of it: that takes all of its digits. */
static bool is_weight(Graph *g, const Contraction *c, GemmSide side) {
  const Expr *e = c->operand[side];
  Expr *others[] = {c->operand[!side], c->where[GEMM_A], c->where[GEMM_B]};
  Search same = {.e = e};
  int64_t offset;
  if (e->kind != E_READ || !state_under(e->node, &offset)) return false;
  for (int d = 0; d < e->nargs; d++)
    if (e->args[d]->reads) return false;
  for (int i = 0; i < 3; i++)
    if (others[i] && others[i] != e) ex_visit(g, others[i], compare, &same);
  return !same.found;
}

/* What the entry makes of the state, or NULL. */
static Node *next_of(const Plan *p, const Node *state) {
  for (int i = 0; i < p->g->updates.n; i++)
    if (p->g->updates.at[i].state == state) return p->g->updates.at[i].value;
  return NULL;
}

/* Is the state the same in many runs? */
static bool lasts(const Plan *p, const Node *state) { return p->repeated && !next_of(p, state); }

/* Can the copy be changed together with the state? */
static bool follows(const Plan *p, const Node *state) {
  const Node *next = next_of(p, state);
  return !p->repeated && p->options->in_place && state->rank == 1 && next && ir_computes(next);
}

static void note_operand(Weights *w, const Contraction *c, GemmSide side) {
  const Plan *p = w->p;
  const Expr *e = c->operand[side];
  int64_t offset;
  if (!is_weight(p->g, c, side)) return;
  Weight *s = weight_of(w, state_under(e->node, &offset));
  if (offset < s->lo) s->lo = offset;
  if (offset + ir_count(e->node) > s->hi) s->hi = offset + ir_count(e->node);
  s->large = s->large || lasts(p, s->state) ||
             c->extent[gemm_outer(!side)] >= p->target->products.rows_copied;
}

/* ---- products with few rows -------------------------------------------------------------- */

/* The factor of a sum of products that is read of a state that stays, each number for few terms;
 * or NULL. */
static const Expr *few_rows(Weights *w, const Node *n) {
  const Plan *p = w->p;
  const int64_t most = p->target->products.few_rows;
  const Expr *e = n->body, *found = NULL, *left[IR_MAX_VARS];
  int64_t offset;
  int count = 0;
  if (!most || n->kind != N_COMP || n->reducer != RED_SUM || n->type != TY_REAL) return NULL;
  for (;;) {
    const Node *state = e->kind == E_READ ? state_under(e->node, &offset) : NULL;
    if (e->kind == E_PRIM && e->prim == P_mul && count < IR_MAX_VARS) {
      left[count++] = e->args[0];
      e = e->args[1];
      continue;
    }
    bool weight = state && lasts(p, state) && ir_evaluations(n) / most <= ir_count(e->node);
    for (int d = 0; weight && d < e->nargs; d++) weight = !e->args[d]->reads;
    if (weight && (!found || ir_count(e->node) > ir_count(found->node))) found = e;
    if (count == 0) return found;
    e = left[--count];
  }
}

typedef void Visit(Weights *w, Node *n, const Contraction *c);

/* f for every product of a region and of the loops in it; c NULL: one with few rows. */
static void each_product(Weights *w, const Region *r, Visit *f) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) each_product(w, n->loop->body, f);
    const Contraction *c =
        n->kind == N_COMP ? contract_find(w->p->g, &w->p->target->products, n) : NULL;
    const TargetProducts *t = &w->p->target->products;
    if (c && t->rows_copied)
      f(w, n, c);
    else if ((!c || contract_few(w->p->g, t, n, c)) && few_rows(w, n))
      f(w, n, NULL);
  }
}

static void note_few_rows(Weights *w, const Expr *e) {
  int64_t offset;
  Weight *s = weight_of(w, state_under(e->node, &offset));
  if (offset < s->lo) s->lo = offset;
  if (offset + ir_count(e->node) > s->hi) s->hi = offset + ir_count(e->node);
  s->read += ir_count(e->node);
}

static void note_product(Weights *w, Node *n, const Contraction *c) {
  if (!c) {
    note_few_rows(w, few_rows(w, n));
    return;
  }
  note_operand(w, c, GEMM_A);
  note_operand(w, c, GEMM_B);
}

/* ---- copies ---------------------------------------------------------------------------- */

/* The last node of its region goes right behind another one. */
static void move_behind(Node *last, const Node *before) {
  Region *r = last->region;
  int at = r->nodes.n - 1;
  for (; r->nodes.at[at - 1] != before; at--) r->nodes.at[at] = r->nodes.at[at - 1];
  r->nodes.at[at] = last;
}

static void make_copy(Weights *w, Weight *s) {
  Plan *p = w->p;
  Graph *g = p->g;
  Node *state = s->state;
  bool following = follows(p, state);
  Expr *index[IR_MAX_RANK];
  int64_t shape[IR_MAX_RANK];
  for (int d = 0; d < state->rank; d++) {
    index[d] = ex_var(g, d);
    shape[d] = state->shape[d];
  }
  if (state->rank == 1 && !following) {
    s->lo -= s->lo % UNIT;
    shape[0] = s->hi - s->lo;
    index[0] = ex2(g, P_add, ex_var(g, 0), ex_int(g, s->lo));
  } else {
    s->lo = 0;
  }
  const char *name = arena_printf(p->arena, "%s.bf16", state->name);
  s->copy = ir_comp(g, state->region, name, state->span, state->rank, 0, shape, RED_NONE, NULL,
                    ex_read(g, state, index));
  plan_info(p, s->copy)->factor = true;
  plan_info(p, s->copy)->kept = lasts(p, state) || following;
  plan_info(p, s->copy)->once = lasts(p, state) || following ? TD_LASTING : TD_ANEW;
  move_behind(s->copy, state);
  if (!following) return;
  Node *value = next_of(p, state);
  Update u = {s->copy, ir_comp(g, value->region, name, value->span, 1, 0, shape, RED_NONE, NULL,
                               ir_read_all(g, value))};
  vec_push(g->arena, &g->updates, u);
  p->follows = true;
}

static Node *view_of_copy(Weights *w, Node *view, const Weight *s, int64_t offset) {
  for (int i = 0; i < w->shown.n; i++)
    if (w->shown.at[i].view == view) return w->shown.at[i].copy;
  const char *name = arena_printf(w->p->arena, "%s.bf16", view->name);
  Node *copy = ir_view(w->p->g, view->region, name, s->copy, offset - s->lo, view->rank,
                       view->shape, view->span);
  for (int d = 0; d < view->rank; d++) copy->axis[d] = view->axis[d];
  move_behind(copy, view);
  Shown shown = {view, copy};
  vec_push(w->p->arena, &w->shown, shown);
  return copy;
}

static Expr *read_copy(Graph *g, Expr *e, void *ctx) {
  Weights *w = ctx;
  int64_t offset;
  for (int i = 0; i < w->nfrom; i++)
    if (e == w->from[i]) {
      const Weight *s = weight_of(w, state_under(e->node, &offset));
      Node *n = e->node->kind == N_VIEW ? view_of_copy(w, e->node, s, offset) : s->copy;
      return ex_read(g, n, e->args);
    }
  return e;
}

static void change_product(Weights *w, Node *n, const Contraction *c) {
  int64_t offset;
  w->nfrom = 0;
  if (!c && weight_of(w, state_under(few_rows(w, n)->node, &offset))->copy)
    w->from[w->nfrom++] = few_rows(w, n);
  for (int side = 0; c && side < 2; side++)
    if (is_weight(w->p->g, c, (GemmSide)side) &&
        weight_of(w, state_under(c->operand[side]->node, &offset))->copy)
      w->from[w->nfrom++] = c->operand[side];
  if (w->nfrom > 0) n->body = ex_map(w->p->g, n->body, read_copy, w);
}

void plan_weights(Plan *p) {
  Weights w = {.p = p};
  const TargetProducts *t = &p->target->products;
  if (p->act != TD_BF16 || !(t->rows_copied > 0 || t->few_rows > 0) || !p->options->contractions)
    return;
  each_product(&w, p->g->top, note_product);
  for (int i = 0; i < w.weights.n; i++) {
    Weight *s = &w.weights.at[i];
    bool worth = s->large || (p->keeps && s->read >= (s->hi - s->lo) / 2);
    if (worth && s->hi - s->lo >= p->target->memory.narrow_least) make_copy(&w, s);
  }
  each_product(&w, p->g->top, change_product);
}
