/* SPDX-License-Identifier: MIT */
/* Maps that cost less to compute again than to keep are substituted into what
 * reads them.
 *
 * needs       regions in order
 * guarantees  nothing but a value's definition changes; substituted nodes that
 *             nobody reads any more are pruned
 * breaks      bounds hold because they held before, but intervals cannot prove
 *             each anew: an index that was a value with an interval is an expression
 *
 *     a = x[i] + b[i]
 *     y = sum over k (a[k] * a[k])   ->   y = sum over k ((x[k] + b[k]) * (x[k] + b[k]))
 *
 * The measure is time: a stored element costs some operations (TargetCosts.store) to write
 * and read back, more when its readers would otherwise need fewer arrays. A value that is the
 * same in many runs is kept for them, if it is worth that (plan/once.c). */
#include "compiler/ir/walk.h"
#include "compiler/passes/pipeline.h"
#include "compiler/plan/chain.h"
#include "compiler/plan/once.h"

#include <math.h>

typedef struct Cost {
  double ops;
  int reads;
  const Node *n;
} Cost;

static void add_cost(Expr *e, void *ctx) {
  Cost *c = ctx;
  c->ops += ex_own_cost(e);
  if (e->kind == E_READ && ir_count(e->node) * 4 > ir_count(c->n)) c->reads++;
}

/* Operations of one evaluation, and arrays of about the node's size it reads. */
static Cost cost_of(Graph *g, const Node *n) {
  Cost c = {0, 0, n};
  ex_visit(g, n->body, add_cost, &c);
  if (n->guard) ex_visit(g, n->guard, add_cost, &c);
  return c;
}

/* Of a product's operand: what its sum has as a factor, the same for all terms, goes behind it and
 * costs the operand nothing. `same`: variables of n's body that stay while terms are added. */
static double operand_ops(Graph *g, Expr *e, uint32_t same, const Node *n) {
  Cost c = {0, 0, n};
  if (e->type == TY_REAL && !(e->vars & ~same)) return 0;
  if (ex_is_prim(e, P_mul) && e->type == TY_REAL) {
    const bool factor = !(e->args[0]->vars & ~same) || !(e->args[1]->vars & ~same);
    return operand_ops(g, e->args[0], same, n) + operand_ops(g, e->args[1], same, n) +
           (factor ? 0 : ex_own_cost(e));
  }
  ex_visit(g, e, add_cost, &c);
  return c.ops;
}

/* ---- readers ------------------------------------------------------------------------ */

typedef struct Readers {
  VEC(Node *) at;
  bool needed;
} Readers; /* needed: by something else than a body */

typedef struct Inline {
  Graph *g;
  const PassOptions *options;
  Readers *readers; /* by node id */
  Once *once;       /* NULL: nothing is kept from run to run */
  Node *reader;
} Inline;

static void add_reader(Node *read, void *ctx) {
  Inline *in = ctx;
  Readers *r = &in->readers[read->id];
  if (!ir_computes(in->reader)) r->needed = true;
  for (int i = 0; i < r->at.n; i++)
    if (r->at.at[i] == in->reader) return;
  vec_push(in->g->arena, &r->at, in->reader);
}

static void find_readers(Inline *in, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) {
      find_readers(in, n->loop->body);
      for (int k = 0; k < n->loop->carries.n; k++) {
        in->readers[n->loop->carries.at[k].init->id].needed = true;
        in->readers[n->loop->carries.at[k].next->id].needed = true;
      }
      for (int k = 0; k < n->loop->emits.n; k++)
        in->readers[n->loop->emits.at[k]->id].needed = true;
      continue;
    }
    in->reader = n;
    ir_each_read(in->g, n, add_reader, in);
  }
}

/* ---- how often would it be evaluated? ---------------------------------------------------- */

typedef struct Sites {
  const Node *n;
  const Node *reader;
  double evaluations;
  int sites;
  double taps;   /* the most that a site evaluates an element: 3 of x[l + k], k < 3 */
  uint32_t same; /* variables of n that no site gives one that is reduced */
} Sites;

static void count_site(Expr *e, void *ctx) {
  Sites *s = ctx;
  if (e->kind != E_READ || e->node != s->n) return;
  uint32_t vars = 0, reduced = 0;
  for (int v = s->reader->rank; v < s->reader->nvars; v++) reduced |= expr_var_bit(v);
  for (int d = 0; d < e->nargs; d++) {
    vars |= e->args[d]->vars;
    if (e->args[d]->vars & reduced) s->same &= ~expr_var_bit(d);
  }
  double times = 1;
  for (int v = 0; v < s->reader->nvars; v++)
    if (vars >> v) times *= (double)s->reader->extent[v];
  double each = 1;
  for (int v = 0; v < s->reader->nvars; v++)
    if (vars >> v & 1) each *= (double)s->reader->extent[v];
  s->taps = fmax(s->taps, each / fmax((double)ir_count(s->n), 1));
  s->evaluations += times;
  s->sites++;
}

/* Loops around `reader` that are not around n. */
static double loops_between(const Node *reader, const Node *n) {
  double times = 1;
  for (const Region *r = reader->region; r && r != n->region; r = r->parent)
    if (r->loop) times *= (double)r->loop->count;
  return times;
}

static bool is_product(const Inline *in, const Node *n) {
  return in->options->contractions && contract_matches(in->g, &in->options->target->products, n);
}

/* Is it one of many batches, as attention's? Where a chain computes its operands, a factor is a
 * pass over them; elsewhere one that is stored need not be computed while it is packed. */
static bool has_batches(const Inline *in, const Node *n) {
  const Target *t = in->options->target;
  const Contraction *c = contract_find(in->g, &t->products, n);
  return c->extent[GEMM_BATCH] > 1 && chain_batches(&t->chains, c);
}

/* Is n computed once for many runs of what reads it? */
static bool is_kept(const Inline *in, const Node *n, double ops) {
  if (!in->once || n->region->loop || once_of(in->once, n) == TD_ANEW ||
      !once_worth(&in->options->target->costs, ops, ir_count(n)))
    return false;
  const Readers *r = &in->readers[n->id];
  for (int i = 0; i < r->at.n; i++)
    if (once_of(in->once, r->at.at[i]) == TD_ANEW) return true;
  return false;
}

static bool should_inline(Inline *in, Node *n) {
  Readers *r = &in->readers[n->id];
  if (!ir_is_map(n) || r->needed || n->save == SAVE_KEEP) return false;
  const TargetCosts *costs = &in->options->target->costs;
  Cost c = cost_of(in->g, n);
  if (n->save == SAVE_RECOMPUTE) return true;
  if (is_kept(in, n, c.ops)) return false;
  double count = (double)ir_count(n), often = 0, operand_cost = 0;
  bool operand = false;
  for (int i = 0; i < r->at.n; i++) {
    Node *reader = r->at.at[i];
    Sites s = {n, reader, 0, 0, 1, ~0u};
    ir_visit_exprs(in->g, reader, count_site, &s);
    if (is_product(in, reader)) {
      const double ops = costs->factors && has_batches(in, reader)
                             ? operand_ops(in->g, n->body, s.same, n)
                             : c.ops;
      if (!operand || ops > operand_cost) operand_cost = ops;
      operand = true;
      often += s.sites * s.taps;
    } else {
      often += s.evaluations * loops_between(reader, n) / (count > 0 ? count : 1);
    }
  }
  if (c.ops == 0 && c.reads <= 1) return true; /* another index, a constant, a condition */
  if (operand) return operand_cost <= costs->operand && c.reads <= 1 && often <= 2;
  if (often <= 1.01) return true;
  return c.reads <= 1 && c.ops * (often - 1) <= costs->store;
}

/* ---- doing it ------------------------------------------------------------------------------- */

static Expr *replace(Graph *g, Expr *e, void *ctx) {
  const Node *n = ctx;
  if (e->kind != E_READ || e->node != n) return e;
  Expr *body = ex_subst(g, n->body, e->args, n->rank);
  if (!n->guard) return body;
  Expr *zero = n->type == TY_REAL  ? ex_num(g, 0)
               : n->type == TY_INT ? ex_int(g, 0)
                                   : ex_bool(g, false);
  return ex3(g, P_select, ex_subst(g, n->guard, e->args, n->rank), body, zero);
}

static int size_of(Graph *g, Expr *e) {
  ExprWalk *w = walk_take(g, e);
  int n = w->n;
  walk_give(g, w);
  return n;
}

static bool substitute(Inline *in, Node *n, Node *reader) {
  Graph *g = in->g;
  Expr *body = ex_map(g, reader->body, replace, n), *index[IR_MAX_RANK] = {0};
  if (size_of(g, body) > in->options->target->costs.inline_most) return false;
  Expr *guard = reader->guard ? ex_map(g, reader->guard, replace, n) : NULL;
  for (int d = 0; d < reader->rank && reader->kind == N_SCATTER; d++)
    index[d] = ex_map(g, reader->index[d], replace, n);
  reader->body = body;
  reader->guard = guard && guard->kind == E_BOOL && guard->inum ? NULL : guard;
  for (int d = 0; d < reader->rank && reader->kind == N_SCATTER; d++) reader->index[d] = index[d];
  in->reader = reader;
  ir_each_read(g, reader, add_reader, in);
  return true;
}

static void inline_region(Inline *in, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) inline_region(in, n->loop->body);
    if (!should_inline(in, n)) continue;
    Readers *readers = &in->readers[n->id];
    int kept = 0;
    for (int k = 0; k < readers->at.n; k++)
      if (!substitute(in, n, readers->at.at[k])) readers->at.at[kept++] = readers->at.at[k];
    readers->at.n = kept;
  }
}

void pass_inline(Graph *g, const PassOptions *o) {
  Inline in = {.g = g, .options = o, .readers = NEWN(g->arena, Readers, g->nodes.n + 1)};
  if (o->keeps && o->target->costs.kept_most > 0) in.once = once_find(g, o->repeated);
  find_readers(&in, g->top);
  for (int i = 0; i < g->outputs.n; i++) in.readers[g->outputs.at[i].node->id].needed = true;
  for (int i = 0; i < g->updates.n; i++) in.readers[g->updates.at[i].value->id].needed = true;
  inline_region(&in, g->top);
  ir_prune(g);
}
