/* SPDX-License-Identifier: MIT */
/* Sums that a loop only carries, as gradients of weights: a recurrence adds its part in each
 * iteration, and nobody looks at the sum before the loop is over. What they are made of is
 * stacked, and all of it is added up at once, after the loop. A sum over the batch in the body
 * stands between a loop and one kernel for it (plan/loop_kernel.c), and one product of all
 * iterations is quicker than a small one in each.
 *
 * needs       regions in order
 * guarantees  where a target has loops in one kernel, no such sum is left that takes less time
 *             than starting a kernel, if its operands find room (TargetLoops.stacked)
 * breaks      nothing; carries that nobody needs any more are pruned
 *
 *     loop t { ...; p[k] = sum[b](a[b] * h[b, k]); c' = c + p }; y = final c
 * ->  loop t { ... emit a, h }; s[k] = sum[t, b](A[t, b] * H[t, b, k]); y[k] = c0[k] + s[k]  */
#include "compiler/passes/pipeline.h"

typedef struct Totals {
  Graph *g;
  const TargetLoops *rules;
  const TargetRates *rates;
  Loop *loop;
  const Carry *carry;
  VEC(Expr *) parts;   /* that `next` adds to the carried value */
  VEC(Node *) stacked; /* besides what is stacked anyway */
  bool fails;
  double work; /* evaluations of an iteration */
} Totals;

/* ---- may it go? ----------------------------------------------------------------------------- */

typedef struct Uses {
  const Node *of;
  int n;
} Uses;

static void count_use(Node *read, void *ctx) {
  Uses *u = ctx;
  u->n += read == u->of;
}

/* By how many nodes of the body, emits and next values n is read. */
static int uses(const Totals *t, const Node *n) {
  Uses u = {n, 0};
  const Loop *l = t->loop;
  for (int i = 0; i < l->body->nodes.n; i++)
    ir_each_read(t->g, l->body->nodes.at[i], count_use, &u);
  for (int i = 0; i < l->emits.n; i++) u.n += l->emits.at[i] == n;
  for (int i = 0; i < l->carries.n; i++) u.n += l->carries.at[i].next == n;
  return u.n;
}

/* Is e a read of n at the reader's own place? */
static bool reads_own(const Expr *e, const Node *n) {
  if (e->kind != E_READ || (n && e->node != n)) return false;
  for (int d = 0; d < e->nargs; d++)
    if (ex_bare_var(e->args[d]) != d) return false;
  return true;
}

/* The terms of a sum but for the carried value; its reads are counted. */
static void find_parts(Totals *t, Expr *e, int *carried) {
  if (ex_is_prim(e, P_add)) {
    find_parts(t, e->args[0], carried);
    find_parts(t, e->args[1], carried);
  } else if (reads_own(e, t->carry->in)) {
    ++*carried;
  } else {
    vec_push(t->g->arena, &t->parts, e);
  }
}

static bool is_stacked(const Totals *t, const Node *n) {
  for (int i = 0; i < t->loop->emits.n; i++)
    if (t->loop->emits.at[i] == n) return true;
  for (int i = 0; i < t->stacked.n; i++)
    if (t->stacked.at[i] == n) return true;
  return false;
}

static void note_operand(Expr *e, void *ctx) {
  Totals *t = ctx;
  if (e->kind != E_READ || e->node->region != t->loop->body) return;
  if (e->node == t->carry->in || e->node->rank == IR_MAX_RANK) t->fails = true;
  if (!is_stacked(t, e->node)) vec_push(t->g->arena, &t->stacked, e->node);
}

/* The sum that a part is, if nobody else needs it; NULL: the part is a term of its own. */
static Node *sum_of(const Totals *t, const Expr *part) {
  Node *n = reads_own(part, NULL) && part->node->region == t->loop->body ? part->node : NULL;
  bool sum = n && n->kind == N_COMP && n->reducer == RED_SUM && !n->vjp && uses(t, n) == 1;
  return sum ? n : NULL;
}

static void note_part(Totals *t, Expr *part) {
  const Node *sum = sum_of(t, part);
  const Node *n = sum ? sum : t->carry->next;
  if (n->nvars == IR_MAX_VARS) t->fails = true;
  t->work += (double)ir_evaluations(n);
  if (sum && sum->guard) ex_visit(t->g, sum->guard, note_operand, t);
  ex_visit(t->g, sum ? sum->body : part, note_operand, t);
}

static bool can_go(Totals *t) {
  const Node *next = t->carry->next, *in = t->carry->in;
  int carried = 0;
  if (next->region != t->loop->body || !ir_is_map(next) || next->guard || next->vjp ||
      next->type != TY_REAL || uses(t, next) != 1 || uses(t, in) != 1)
    return false;
  find_parts(t, next->body, &carried);
  if (carried != 1 || t->parts.n == 0) return false;
  for (int i = 0; i < t->parts.n; i++) note_part(t, t->parts.at[i]);
  return !t->fails;
}

/* Alone the pass does what it can. */
static bool is_worth_it(const Totals *t) {
  if (!t->rules->any) return true;
  double elements = 0;
  for (int i = 0; i < t->stacked.n; i++) elements += (double)ir_count(t->stacked.at[i]);
  return 2 * t->work / t->rates->flops < t->rules->kernel &&
         elements * (double)t->loop->count * 4 <= (double)t->rules->stacked;
}

/* ---- after the loop ----------------------------------------------------------------------- */

typedef struct After {
  const Totals *t;
  int counter; /* the variable that counts iterations */
} After;

static Expr *after_loop(Graph *g, Expr *e, void *ctx) {
  const After *a = ctx;
  if (e->kind == E_LOOPVAR && e->loop == a->t->loop) return ex_var(g, a->counter);
  if (e->kind != E_READ || e->node->region != a->t->loop->body) return e;
  Expr *row[IR_MAX_RANK] = {ex_var(g, a->counter)};
  for (int i = 0; i < e->nargs; i++) row[i + 1] = e->args[i];
  return ex_read(g, ir_stack(g, a->t->loop, e->node), row);
}

static Expr *after(const Totals *t, Expr *e, int rank, int nvars) {
  After a = {t, rank};
  Expr *map[IR_MAX_VARS];
  if (!e) return NULL;
  for (int v = 0; v < nvars; v++) map[v] = ex_var(t->g, v < rank ? v : v + 1);
  return ex_map(t->g, ex_subst(t->g, e, map, nvars), after_loop, &a);
}

/* The part of all iterations. */
static Node *make_sum(const Totals *t, Expr *part) {
  Node *sum = sum_of(t, part), *n = sum ? sum : t->carry->next;
  int64_t extent[IR_MAX_VARS];
  for (int v = 0; v < n->nvars; v++) extent[v < n->rank ? v : v + 1] = n->extent[v];
  extent[n->rank] = t->loop->count;
  Expr *guard = sum ? after(t, sum->guard, n->rank, n->nvars) : NULL;
  Expr *body = after(t, sum ? sum->body : part, n->rank, n->nvars);
  Node *out = ir_comp(t->g, t->loop->node->region, n->name, n->span, n->rank,
                      n->nvars - n->rank + 1, extent, RED_SUM, guard, body);
  for (int v = 0; v < n->nvars; v++) out->axis[v < n->rank ? v : v + 1] = n->axis[v];
  out->axis[n->rank] = t->loop->var;
  ir_same_users(t->g, out, n);
  return out;
}

/* The loop's stacks, and what was appended to the region from `first` on, go right behind it. */
static void move_behind(Graph *g, const Loop *l, int first) {
  Region *r = l->node->region;
  VEC(Node *) all = {0};
  for (int i = 0; i < first; i++) {
    const Node *n = r->nodes.at[i];
    if (n->kind == N_STACK && n->loop == l) continue;
    vec_push(g->arena, &all, r->nodes.at[i]);
    for (int stacks = 1; stacks >= 0 && n == l->node; stacks--)
      for (int k = i + 1; k < r->nodes.n; k++) {
        const Node *moved = r->nodes.at[k];
        bool stack = moved->kind == N_STACK && moved->loop == l;
        if (stack == stacks && (stack || k >= first)) vec_push(g->arena, &all, r->nodes.at[k]);
      }
  }
  for (int i = 0; i < all.n; i++) r->nodes.at[i] = all.at[i];
}

/* The result of the loop becomes the sum of what it began with and all parts. */
static void replace(const Totals *t, Node *final) {
  Graph *g = t->g;
  Region *around = t->loop->node->region;
  int first = around->nodes.n;
  Expr *sum = ir_read_all(g, t->carry->init);
  for (int i = 0; i < t->parts.n; i++)
    sum = ex2(g, P_add, sum, ir_read_all(g, make_sum(t, t->parts.at[i])));
  Node *total = ir_comp(g, around, final->name, final->span, final->rank, 0, final->shape, RED_NONE,
                        NULL, sum);
  around->nodes.n--;
  move_behind(g, t->loop, first);
  final->kind = N_COMP;
  final->loop = NULL;
  final->body = total->body;
  final->nvars = final->rank;
  for (int v = 0; v < final->rank; v++) final->extent[v] = final->shape[v];
}

/* ---- all loops ------------------------------------------------------------------------------ */

static Node *final_of(const Loop *l, int slot) {
  const Region *r = l->node->region;
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_FINAL && n->loop == l && n->slot == slot) return n;
  }
  return NULL;
}

static void visit(Graph *g, const PassOptions *o, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Loop *l = r->nodes.at[i]->kind == N_LOOP ? r->nodes.at[i]->loop : NULL;
    if (!l) continue;
    visit(g, o, l->body);
    for (int k = 0; k < l->carries.n; k++) {
      Node *final = final_of(l, k);
      Totals t = {.g = g,
                  .rules = &o->target->loops,
                  .rates = &o->target->rates,
                  .loop = l,
                  .carry = &l->carries.at[k]};
      if (final && can_go(&t) && is_worth_it(&t)) replace(&t, final);
    }
  }
}

void pass_totals(Graph *g, const PassOptions *o) {
  visit(g, o, g->top);
  ir_prune(g);
}
