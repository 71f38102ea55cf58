/* SPDX-License-Identifier: MIT */
/* Adjoints of scalar expressions: what every read in a comprehension's body
 * receives, by the derivatives of ops.def. An adjoint is a list of (guard,
 * value): entering a branch of a select adds to the guard and never multiplies
 * by zero, so that sqrt'(x) of an untaken branch cannot leak its NaN:
 *
 *     y = select(c, sqrt(x), 0)      x receives (c, dy * (0.5 / sqrt(x)))      */
#include "compiler/grad/grad_internal.h"

#include <ctype.h>
#include <string.h>

enum { GUARDED_MAX = 4 }; /* longer lists are merged into one entry */

static Expr *guard_not(Graph *g, Expr *a) { return ex1(g, P_not, a); }

Expr *guard_select(Graph *g, Guarded x) {
  return x.guard ? ex3(g, P_select, x.guard, x.value, ex_num(g, 0)) : x.value;
}

/* ---- lists ----------------------------------------------------------------- */

/* Both entries in one: where only one guard holds only its value counts, and
 * where the joint guard holds the node is really used, so a product with a
 * derivative there is the derivative's own business. */
static Guarded merge(Graph *g, Guarded a, Guarded b) {
  if (a.guard == b.guard) return (Guarded){a.guard, ex2(g, P_add, a.value, b.value)};
  Expr *sum = ex2(g, P_add, guard_select(g, a), guard_select(g, b));
  Expr *any = a.guard && b.guard ? ex2(g, P_or, a.guard, b.guard) : NULL;
  if (any && any->kind == E_BOOL && any->inum) any = NULL;
  return (Guarded){any, sum};
}

static Guarded merge_all(Graph *g, const GuardedList *l) {
  Guarded all = l->at[0];
  for (int i = 1; i < l->n; i++) all = merge(g, all, l->at[i]);
  return all;
}

static void list_add(GradPass *p, GuardedList *l, Guarded x) {
  Graph *g = p->graph;
  if (x.guard && x.guard->kind == E_BOOL) {
    if (!x.guard->inum) return;
    x.guard = NULL;
  }
  if (ex_is_zero(x.value)) return;
  for (int i = 0; i < l->n; i++)
    if (l->at[i].guard == x.guard) {
      l->at[i] = merge(g, l->at[i], x);
      return;
    }
  vec_push(p->arena, l, x);
  if (l->n > GUARDED_MAX) {
    l->at[0] = merge_all(g, l);
    l->n = 1;
  }
}

/* ---- derivatives ------------------------------------------------------------- */

typedef struct Rule {
  Graph *g;
  const char *text; /* what is left to read */
  const Expr *of;   /* the primitive's application: a b c */
  Expr *y;          /* and its value */
} Rule;

/* One prefix expression of ops.def. */
static Expr *read_rule(Rule *r) {
  while (*r->text == ' ') r->text++;
  if (*r->text != '(') {
    const char *start = r->text;
    if (isalpha((unsigned char)*start)) {
      r->text++;
      if (*start == 'y') return r->y;
      int k = *start - 'a';
      if (k < 0 || k >= r->of->nargs) bug("derivative of %s", prim_info(r->of->prim)->name);
      return r->of->args[k];
    }
    return ex_num(r->g, parse_double(start, &r->text));
  }
  size_t n = strcspn(++r->text, " )");
  char name[16];
  if (n >= sizeof name) bug("derivative of %s", prim_info(r->of->prim)->name);
  memcpy(name, r->text, n);
  name[n] = '\0';
  r->text += n;
  Prim p;
  if (!prim_find(name, &p)) bug("derivative of %s: %s", prim_info(r->of->prim)->name, name);
  Expr *args[3];
  for (int k = 0; k < prim_info(p)->arity; k++) args[k] = read_rule(r);
  while (*r->text == ' ') r->text++;
  if (*r->text++ != ')') bug("derivative of %s", prim_info(r->of->prim)->name);
  return ex_prim(r->g, p, args);
}

/* The derivative of `e` (value y) by argument k. */
static Expr *derivative(Graph *g, const Expr *e, Expr *y, int k) {
  Rule r = {g, prim_info(e->prim)->derivative[k], e, y};
  return read_rule(&r);
}

/* v * d, with the shapes that derivatives take kept simple. */
static Expr *scale(Graph *g, Expr *v, Expr *d) {
  if (ex_is_one(d)) return v;
  if (ex_is_one(v)) return d;
  if (d->kind == E_NUM && d->num == -1) return ex1(g, P_neg, v);
  if (ex_is_prim(d, P_neg)) return ex1(g, P_neg, scale(g, v, d->args[0]));
  if (ex_is_prim(d, P_div) && ex_is_one(d->args[0])) return ex2(g, P_div, v, d->args[1]);
  return ex2(g, P_mul, v, d);
}

/* A zero passes nothing on: see grad_steep.c. */
static Guarded unless_zero(Graph *g, Guarded x) {
  if (x.value->kind == E_NUM) return x;
  return (Guarded){ex_and(g, x.guard, ex2(g, P_ne, x.value, ex_num(g, 0))), x.value};
}

/* An entry through a derivative: branches of the derivative become guards. */
static void pass(GradPass *p, GuardedList *to, Guarded x, Expr *d) {
  Graph *g = p->graph;
  if (ex_is_zero(d)) return;
  if (ex_is_prim(d, P_select) && ex_is_zero(d->args[2])) {
    pass(p, to, (Guarded){ex_and(g, x.guard, d->args[0]), x.value}, d->args[1]);
  } else if (ex_is_prim(d, P_select) && ex_is_zero(d->args[1])) {
    pass(p, to, (Guarded){ex_and(g, x.guard, guard_not(g, d->args[0])), x.value}, d->args[2]);
  } else {
    list_add(p, to, (Guarded){x.guard, scale(g, x.value, d)});
  }
}

/* ---- the user's mistakes --------------------------------------------------------- */

static void no_derivative(GradPass *p, Node *owner, const Expr *e) {
  p->errors++;
  Diag *x =
      diag_error(p->diags, E_NOT_DIFFERENTIABLE, owner->span,
                 "a gradient is asked through '%s', which has none", prim_info(e->prim)->name);
  diag_hint(p->diags, x, "give the op that computes '%s' a `grad` clause that says what to do",
            owner->name);
}

static void integer_path(GradPass *p, Node *owner) {
  p->errors++;
  Diag *x = diag_error(p->diags, E_INTEGER_PATH, owner->span,
                       "a gradient is asked through an integer that depends on a parameter in '%s'",
                       owner->name);
  diag_hint(
      p->diags, x,
      "argmax, floor and int have no derivative; give the op a `grad` clause that says what to do");
}

/* ---- the sweep -------------------------------------------------------------------- */

typedef struct Sweep {
  GradPass *pass;
  Node *owner;
  ExprOrder order;
  GuardedList *adjoint; /* by place in the order */
  Expr **value;         /* a read that has the expression's value, or NULL */
} Sweep;

static GuardedList *list_of(Sweep *s, const Expr *e) { return &s->adjoint[s->pass->slot[e->id]]; }

static bool wanted(Sweep *s, const Expr *e) { return s->order.depends[s->pass->slot[e->id]]; }

static void through_prim(Sweep *s, Expr *e, Expr *y, const GuardedList *from) {
  GradPass *p = s->pass;
  for (int k = 0; k < e->nargs; k++) {
    if (!grad_passes(e, k) || !wanted(s, e->args[k])) continue;
    const char *rule = prim_info(e->prim)->derivative[k];
    if (rule[0] == '#') {
      integer_path(p, s->owner);
    } else if (rule[0] == '!') {
      no_derivative(p, s->owner, e);
    } else {
      Expr *d = derivative(p->graph, e, y, k);
      bool steep = grad_is_steep(p, d, e, y);
      for (int i = 0; i < from->n; i++) {
        Guarded x = steep ? unless_zero(p->graph, from->at[i]) : from->at[i];
        pass(p, list_of(s, e->args[k]), x, d);
      }
    }
  }
}

/* Where a node's value is the branch of a select, the branch taken has the
 * node's value; a branch used elsewhere too is computed where its select is not. */
static void spread_value(Sweep *s, Expr *root_value) {
  int n = s->order.at.n, *uses = NEWN(s->pass->arena, int, n);
  s->value = NEWN(s->pass->arena, Expr *, n);
  s->value[n - 1] = root_value;
  for (int i = 0; i < n; i++) {
    const Expr *e = s->order.at.at[i];
    for (int k = 0; k < e->nargs; k++) uses[s->pass->slot[e->args[k]->id]]++;
  }
  for (int i = n - 1; i >= 0; i--) {
    const Expr *e = s->order.at.at[i];
    if (!s->value[i] || !ex_is_prim(e, P_select)) continue;
    for (int k = 1; k < 3; k++) {
      int branch = s->pass->slot[e->args[k]->id];
      if (uses[branch] == 1) s->value[branch] = s->value[i];
    }
  }
}

void grad_expr(GradPass *p, Node *owner, Expr *root, Expr *root_value, const GuardedList *seeds,
               ReadAdjoints *out) {
  Sweep s = {.pass = p, .owner = owner};
  grad_order(p, root, &s.order);
  int n = s.order.at.n;
  s.adjoint = NEWN(p->arena, GuardedList, n);
  spread_value(&s, root_value);
  for (int i = 0; i < n; i++) grad_may_be_infinite(p, s.order.at.at[i]); /* arguments first */
  for (int i = 0; i < seeds->n; i++) list_add(p, &s.adjoint[n - 1], seeds->at[i]);
  for (int i = n - 1; i >= 0; i--) {
    Expr *e = s.order.at.at[i];
    if (!s.order.depends[i] || s.adjoint[i].n == 0) continue;
    if (e->kind == E_PRIM) {
      through_prim(&s, e, s.value[i] ? s.value[i] : e, &s.adjoint[i]);
    } else if (e->kind == E_READ && grad_active(p, e->node)) {
      ReadAdjoint r = {e, merge_all(p->graph, &s.adjoint[i])};
      vec_push(p->arena, out, r);
    }
  }
}
