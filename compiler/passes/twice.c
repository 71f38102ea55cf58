/* SPDX-License-Identifier: MIT */
/* Products that one region needs twice: scores of attention, from which its
 * result is made and then, with that result's gradient, their own. They are
 * computed again for the second use, so that chains (chain.c) can keep them on
 * chip in both and nothing of their size is in memory. What a later loop needs
 * again is again.c's.
 *
 * needs       regions in order, after `inline`; the option `contractions`
 * guarantees  values stay; what nobody reads any more is pruned
 * breaks      `cse`: equal nodes are made, which no later pass may make one
 *
 *     s = sum over e (q[l, e] * k[m, e]); p = exp(s - max); y = sum over m (p * v)
 *     dy ..; dp = sum over e (dy * v); ds = p * (dp - ..)
 *  -> .. s' = sum over e (q[l, e] * k[m, e]); p' = exp(s' - max); ds = p' * (dp - ..)
 *
 * Wide are the product and maps over its whole space; y is the first product
 * made of them. Who reads wide values and follows from y has copies instead,
 * made of what is in memory anyway: operands and values of rows. A draw is a
 * function of its number, so a copy draws the same. `@save` before the
 * assignment keeps a value. */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/chain.h"

typedef struct Copy {
  const Node *of;
  Node *copy;
} Copy;

typedef struct Twice {
  Graph *g;
  const Target *target;
  Region *r;
  bool *wide, *late; /* by node id: as above; y, or follows from it */
  const Node *y;
  VEC(Copy) copies;
  int place; /* in the region: of the reader that copies stand before */
} Twice;

static bool is_free_map(const Node *n) { return ir_is_map(n) && !n->vjp && n->save != SAVE_KEEP; }

typedef struct Marked {
  const bool *marked;
  bool found;
} Marked;

static void note_marked(Node *read, void *ctx) {
  Marked *m = ctx;
  m->found = m->found || m->marked[read->id];
}

static bool reads_any(Graph *g, Node *n, const bool *marked) {
  Marked m = {marked, false};
  ir_each_read(g, n, note_marked, &m);
  bool of_loop = n->kind == N_FINAL || n->kind == N_STACK || n->kind == N_CARRY;
  return m.found || (of_loop && marked[n->loop->node->id]);
}

static void add_count(Node *read, void *ctx) { *(double *)ctx += (double)ir_count(read); }

/* A product that a chain can take, larger than what it is made of. */
static bool is_seed(Graph *g, const Target *t, Node *n) {
  if (n->kind != N_COMP || n->save == SAVE_KEEP || n->vjp || n->body->draws ||
      !contract_matches(g, &t->products, n))
    return false;
  const Contraction *c = contract_find(g, &t->products, n);
  double operands = 0;
  ir_each_read(g, n, add_count, &operands);
  return (double)c->extent[GEMM_K] <= t->costs.again && chain_batches(&t->chains, c) &&
         (double)ir_count(n) > operands;
}

/* ---- copies ------------------------------------------------------------------------ */

static Node *copy_of(Twice *t, Node *n);

static Expr *use_copy(Graph *g, Expr *e, void *ctx) {
  Twice *t = ctx;
  return e->kind == E_READ && t->wide[e->node->id] ? ex_read(g, copy_of(t, e->node), e->args) : e;
}

/* Right before the reader; after what it reads itself. */
static Node *copy_of(Twice *t, Node *n) {
  Graph *g = t->g;
  for (int i = 0; i < t->copies.n; i++)
    if (t->copies.at[i].of == n) return t->copies.at[i].copy;
  Expr *body = ex_map(g, n->body, use_copy, t),
       *guard = n->guard ? ex_map(g, n->guard, use_copy, t) : NULL;
  Node *copy = ir_comp_like(g, t->r, n, guard, body);
  for (int at = t->r->nodes.n - 1; at > t->place; at--) t->r->nodes.at[at] = t->r->nodes.at[at - 1];
  t->r->nodes.at[t->place++] = copy;
  Copy made = {n, copy};
  vec_push(g->arena, &t->copies, made);
  return copy;
}

/* ---- one product --------------------------------------------------------------------- */

/* Fills wide and late; true if something that follows from y reads wide values. */
static bool find_uses(Twice *t, int seed) {
  const Node *n = t->r->nodes.at[seed];
  bool twice = false;
  t->wide[n->id] = true;
  for (int i = seed + 1; i < t->r->nodes.n; i++) {
    Node *m = t->r->nodes.at[i];
    if (t->y && reads_any(t->g, m, t->late)) {
      t->late[m->id] = true;
      twice = twice || (ir_computes(m) && reads_any(t->g, m, t->wide));
    } else if (ir_computes(m) && reads_any(t->g, m, t->wide)) {
      if (is_free_map(m) && ir_count(m) == ir_count(n))
        t->wide[m->id] = true;
      else if (!t->y && contract_matches(t->g, &t->target->products, m))
        t->late[(t->y = m)->id] = true;
    }
  }
  return twice;
}

static bool compute_twice(Graph *g, const Target *target, Region *r, int seed) {
  int count = g->nodes.n;
  Twice t = {.g = g,
             .target = target,
             .r = r,
             .wide = NEWN(g->arena, bool, count),
             .late = NEWN(g->arena, bool, count)};
  if (!find_uses(&t, seed)) return false;
  for (int i = seed + 1; i < r->nodes.n; i = t.place + 1) {
    Node *m = r->nodes.at[i];
    t.place = i;
    bool reader =
        m != t.y && m->id < count && t.late[m->id] && ir_computes(m) && reads_any(g, m, t.wide);
    if (!reader) continue;
    m->body = ex_map(g, m->body, use_copy, &t);
    if (m->guard) m->guard = ex_map(g, m->guard, use_copy, &t);
    for (int d = 0; d < m->rank && m->kind == N_SCATTER; d++)
      m->index[d] = ex_map(g, m->index[d], use_copy, &t);
  }
  return true;
}

static bool find_seeds(Graph *g, const Target *t, Region *r) {
  bool changed = false;
  int before = g->nodes.n; /* copies are no seeds */
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      changed = find_seeds(g, t, n->loop->body) || changed;
    else if (n->id < before && is_seed(g, t, n))
      changed = compute_twice(g, t, r, i) || changed;
  }
  return changed;
}

void pass_twice(Graph *g, const PassOptions *o) {
  if (o->contractions && find_seeds(g, o->target, g->top)) ir_prune(g);
}
