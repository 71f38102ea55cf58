/* SPDX-License-Identifier: MIT */
/* Walks over hash-consed expressions. An expression is a DAG that may share
 * heavily, so every walk sees each distinct subexpression once; and it may be
 * deep, so no walk recurses. Scratch tables are kept in the graph and reused. */
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

#include <string.h>

static void *grow(Graph *g, void *old, int n_old, int n_new, size_t size) {
  return arena_grow(g->arena, old, (size_t)n_old * size, (size_t)n_new * size);
}

static int bigger(int cap, int need) {
  int n = cap ? cap : 64;
  while (n < need) n *= 2;
  return n;
}

static void reserve_ids(Graph *g, ExprWalk *w) {
  if (w->cap_ids >= g->nexprs) return;
  int cap = bigger(w->cap_ids, g->nexprs + g->nexprs / 2);
  w->slot = grow(g, w->slot, w->cap_ids, cap, sizeof *w->slot);
  w->stamp = grow(g, w->stamp, w->cap_ids, cap, sizeof *w->stamp);
  memset(w->stamp + w->cap_ids, 0, (size_t)(cap - w->cap_ids) * sizeof *w->stamp);
  w->cap_ids = cap;
}

static void push(Graph *g, ExprWalk *w, int *depth, Expr *e) {
  if (*depth == w->cap_stack) {
    int cap = bigger(w->cap_stack, *depth + 1);
    w->stack = grow(g, w->stack, w->cap_stack, cap, sizeof *w->stack);
    w->cap_stack = cap;
  }
  w->stack[*depth].e = e;
  w->stack[*depth].next = 0;
  (*depth)++;
}

static void emit(Graph *g, ExprWalk *w, Expr *e) {
  if (w->n == w->cap_order) {
    int cap = bigger(w->cap_order, w->n + 1);
    w->order = grow(g, w->order, w->cap_order, cap, sizeof *w->order);
    w->cap_order = cap;
  }
  w->slot[e->id] = w->n;
  w->stamp[e->id] = w->epoch;
  w->order[w->n++] = e;
}

ExprWalk *walk_take(Graph *g, Expr *root) {
  ExprWalk *w = g->walks;
  if (w)
    g->walks = w->next;
  else
    w = NEW(g->arena, ExprWalk);
  reserve_ids(g, w);
  if (++w->epoch == 0) {
    memset(w->stamp, 0, (size_t)w->cap_ids * sizeof *w->stamp);
    w->epoch = 1;
  }
  w->n = 0;
  int depth = 0;
  push(g, w, &depth, root);
  while (depth > 0) {
    Expr *e = w->stack[depth - 1].e;
    int next = w->stack[depth - 1].next;
    if (next == 0 && w->stamp[e->id] == w->epoch) {
      depth--;
      continue;
    }
    while (next < e->nargs && w->stamp[e->args[next]->id] == w->epoch) next++;
    if (next < e->nargs) {
      w->stack[depth - 1].next = next + 1;
      push(g, w, &depth, e->args[next]);
    } else {
      if (w->stamp[e->id] != w->epoch) emit(g, w, e);
      depth--;
    }
  }
  return w;
}

void walk_give(Graph *g, ExprWalk *w) {
  w->next = g->walks;
  g->walks = w;
}

void *walk_values(Graph *g, ExprWalk *w, size_t value_size) {
  size_t need = (size_t)w->n * value_size;
  if (w->cap_value < need) {
    size_t cap = w->cap_value ? w->cap_value : 1024;
    while (cap < need) cap *= 2;
    w->value = arena_alloc(g->arena, cap);
    w->cap_value = cap;
  }
  memset(w->value, 0, need);
  return w->value;
}

/* e with new arguments; folds again. */
static Expr *rebuild(Graph *g, Expr *e, Expr *const *args) {
  bool same = true;
  for (int i = 0; i < e->nargs; i++) same = same && args[i] == e->args[i];
  if (same) return e;
  return e->kind == E_READ ? ex_read(g, e->node, args) : ex_prim(g, e->prim, args);
}

static Expr *rebuild_at(Graph *g, ExprWalk *w, Expr *const *made, Expr *e) {
  Expr *args[IR_MAX_RANK > 3 ? IR_MAX_RANK : 3];
  for (int k = 0; k < e->nargs; k++) args[k] = made[walk_slot(w, e->args[k])];
  return rebuild(g, e, args);
}

Expr *ex_map(Graph *g, Expr *e, ExprMap *f, void *ctx) {
  ExprWalk *w = walk_take(g, e);
  Expr **made = walk_values(g, w, sizeof *made);
  for (int i = 0; i < w->n; i++) made[i] = f(g, rebuild_at(g, w, made, w->order[i]), ctx);
  Expr *result = made[w->n - 1];
  walk_give(g, w);
  return result;
}

typedef struct Swap {
  const Expr *from;
  Expr *to;
} Swap;

static Expr *swap(Graph *g, Expr *e, void *ctx) {
  (void)g;
  const Swap *s = ctx;
  return e == s->from ? s->to : e;
}

Expr *ex_replace(Graph *g, Expr *e, const Expr *from, Expr *to) {
  return ex_map(g, e, swap, &(Swap){from, to});
}

/* What map makes of a variable. Variables from 31 up share one bit of a mask, so
 * a set bit alone does not say that a variable is mapped. */
static Expr *mapped_var(Expr *x, Expr *const *map, int nmap) {
  return x->inum < nmap && map[x->inum] ? map[x->inum] : x;
}

/* The bit of variable k if it is mapped, and to something else. */
static uint32_t mapped_bit(Expr *const *map, int k) {
  return map[k] && !(map[k]->kind == E_VAR && map[k]->inum == k) ? expr_var_bit(k) : 0;
}

static Expr *substitute(Graph *g, Expr *e, Expr *const *map, int nmap, uint32_t mapped) {
  if (!(e->vars & mapped)) return e;
  if (e->kind == E_VAR) return mapped_var(e, map, nmap);
  ExprWalk *w = walk_take(g, e);
  Expr **made = walk_values(g, w, sizeof *made);
  for (int i = 0; i < w->n; i++) {
    Expr *x = w->order[i];
    if (!(x->vars & mapped))
      made[i] = x;
    else
      made[i] = x->kind == E_VAR ? mapped_var(x, map, nmap) : rebuild_at(g, w, made, x);
  }
  Expr *result = made[w->n - 1];
  walk_give(g, w);
  return result;
}

Expr *ex_subst(Graph *g, Expr *e, Expr *const *map, int nmap) {
  uint32_t mapped = 0;
  for (int k = 0; k < nmap; k++) mapped |= mapped_bit(map, k);
  return substitute(g, e, map, nmap, mapped);
}

Expr *ex_subst_some(Graph *g, Expr *e, Expr *const *map, int nmap, const int *vars, int n) {
  uint32_t mapped = 0;
  for (int k = 0; k < n; k++) mapped |= mapped_bit(map, vars[k]);
  return substitute(g, e, map, nmap, mapped);
}

void ex_visit(Graph *g, Expr *e, ExprVisit *f, void *ctx) {
  ExprWalk *w = walk_take(g, e);
  for (int i = 0; i < w->n; i++) f(w->order[i], ctx);
  walk_give(g, w);
}

/* Is argument k of e computed whenever e is? */
static bool is_eager(const Expr *e, int k) {
  if (e->kind != E_PRIM || k == 0) return true;
  return e->prim != P_select && e->prim != P_and && e->prim != P_or;
}

void ex_visit_eager(Graph *g, Expr *e, ExprVisit *f, void *ctx) {
  ExprWalk *w = walk_take(g, e);
  bool *asked = walk_values(g, w, sizeof *asked);
  asked[w->n - 1] = true;
  for (int i = w->n - 1; i >= 0; i--)
    for (int k = 0; asked[i] && k < w->order[i]->nargs; k++)
      if (is_eager(w->order[i], k)) asked[walk_slot(w, w->order[i]->args[k])] = true;
  for (int i = 0; i < w->n; i++)
    if (asked[i]) f(w->order[i], ctx);
  walk_give(g, w);
}

uint32_t ex_vars(Graph *g, const Expr *e) {
  (void)g;
  return e->vars;
}

bool ex_has_loopvar(Graph *g, const Expr *e, const Loop *loop) {
  if (!e->counts) return false;
  ExprWalk *w = walk_take(g, (Expr *)e);
  bool found = false;
  for (int i = 0; i < w->n && !found; i++)
    found = w->order[i]->kind == E_LOOPVAR && w->order[i]->loop == loop;
  walk_give(g, w);
  return found;
}

double ex_own_cost(const Expr *e) {
  bool counts = e->kind == E_PRIM &&
                (e->type == TY_REAL || e->prim == P_pick || prim_info(e->prim)->sig == SIG_CMP);
  return counts ? prim_info(e->prim)->cost : 0;
}

static void add_cost(Expr *e, void *ctx) { *(double *)ctx += ex_own_cost(e); }

double ex_cost(Graph *g, Expr *e) {
  double cost = 0;
  ex_visit(g, e, add_cost, &cost);
  return cost;
}
