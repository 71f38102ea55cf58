/* SPDX-License-Identifier: MIT */
/* The evaluator's instructions: one slot, a strip of lanes. */
#include "compiler/eval/eval_internal.h"
#include "compiler/ir/draws.h"

#include <math.h>
#include <string.h>

#define LANES for (int l = 0; l < n; l++)

static void run_real(Slot *s, int n) {
  Cell *d = s->reg;
  const Cell *a = s->arg[0]->reg, *b = s->nargs > 1 ? s->arg[1]->reg : a;
  Prim p = s->e->prim;
  /* the frequent ones as loops that vectorise */
  if (p == P_add)
    LANES d[l].d = a[l].d + b[l].d;
  else if (p == P_sub)
    LANES d[l].d = a[l].d - b[l].d;
  else if (p == P_mul)
    LANES d[l].d = a[l].d * b[l].d;
  else if (p == P_div)
    LANES d[l].d = a[l].d / b[l].d;
  else if (p == P_neg)
    LANES d[l].d = -a[l].d;
  else if (p == P_sqrt)
    LANES d[l].d = sqrt(a[l].d);
  else if (p == P_exp)
    LANES d[l].d = exp(a[l].d);
  else
    LANES d[l].d = prim_real(p, a[l].d, b[l].d);
}

/* Wrapping: index arithmetic that overflows is not proved in bounds. */
static int64_t wrap(Prim p, int64_t a, int64_t b) {
  uint64_t x = (uint64_t)a, y = (uint64_t)b;
  return (int64_t)(p == P_add ? x + y : p == P_sub ? x - y : p == P_mul ? x * y : 0 - x);
}

static void run_int(Slot *s, int n) {
  Cell *d = s->reg;
  const Cell *a = s->arg[0]->reg, *b = s->nargs > 1 ? s->arg[1]->reg : a;
  Prim p = s->e->prim;
  if (p == P_add)
    LANES d[l].i = wrap(P_add, a[l].i, b[l].i);
  else if (p == P_sub)
    LANES d[l].i = wrap(P_sub, a[l].i, b[l].i);
  else if (p == P_mul)
    LANES d[l].i = wrap(P_mul, a[l].i, b[l].i);
  else
    LANES {
      int64_t x;
      bool fine = prim_int(p, a[l].i, b[l].i, &x);
      if (fine)
        d[l].i = x;
      else
        d[l].i = p == P_div || p == P_mod ? 0 : a[l].i;
      if (!fine && (p == P_div || p == P_mod) && s->poison) s->poison[l] = 1;
    }
}

static void run_compare(Slot *s, int n) {
  Cell *d = s->reg;
  const Cell *a = s->arg[0]->reg, *b = s->arg[1]->reg;
  Prim p = s->e->prim;
  if (s->arg[0]->e->type == TY_REAL) {
    if (p == P_lt)
      LANES d[l].i = a[l].d < b[l].d;
    else if (p == P_le)
      LANES d[l].i = a[l].d <= b[l].d;
    else if (p == P_eq)
      LANES d[l].i = a[l].d == b[l].d;
    else
      LANES d[l].i = a[l].d != b[l].d;
  } else {
    if (p == P_lt)
      LANES d[l].i = a[l].i < b[l].i;
    else if (p == P_le)
      LANES d[l].i = a[l].i <= b[l].i;
    else if (p == P_eq)
      LANES d[l].i = a[l].i == b[l].i;
    else
      LANES d[l].i = a[l].i != b[l].i;
  }
}

static void run_draw(const Eval *ev, Slot *s, int n) {
  uint64_t step = (uint64_t)ev->step;
  Cell *d = s->reg;
  const Cell *site = s->arg[0]->reg, *counter = s->arg[1]->reg;
  if (s->e->prim == P_uniform)
    LANES d[l].d = draw_uniform(ev->seed, step, (uint32_t)site[l].i, (uint64_t)counter[l].i);
  else
    LANES d[l].d = draw_normal(ev->seed, step, (uint32_t)site[l].i, (uint64_t)counter[l].i);
}

static void run_prim(const Eval *ev, Slot *s, int n) {
  Cell *d = s->reg;
  const Cell *a = s->arg[0]->reg;
  switch (prim_info(s->e->prim)->sig) {
  case SIG_NUM:
    if (s->e->type == TY_INT)
      run_int(s, n);
    else
      run_real(s, n);
    break;
  case SIG_REAL: run_real(s, n); break;
  case SIG_CMP: run_compare(s, n); break;
  case SIG_LOGIC: {
    const Cell *b = s->nargs > 1 ? s->arg[1]->reg : a;
    if (s->e->prim == P_and)
      LANES d[l].i = a[l].i & b[l].i;
    else if (s->e->prim == P_or)
      LANES d[l].i = a[l].i | b[l].i;
    else
      LANES d[l].i = !a[l].i;
    break;
  }
  case SIG_SEL: {
    const Cell *x = s->arg[1]->reg, *y = s->arg[2]->reg;
    LANES d[l] = a[l].i ? x[l] : y[l];
    break;
  }
  case SIG_TOREAL: LANES d[l].d = (double)a[l].i; break;
  case SIG_TOINT: LANES d[l].i = prim_floor_int(a[l].d); break;
  case SIG_DRAW: run_draw(ev, s, n); break;
  }
}

static void load(Slot *s, Cell *d, double x) {
  if (s->e->type == TY_REAL)
    d->d = x;
  else
    d->i = (int64_t)x;
}

static void run_read(Slot *s, int64_t start, int n) {
  const double *from = s->from;
  Cell *d = s->reg;
  if (s->in_bounds && s->step != 0) {
    int64_t at = s->arg[0]->reg[0].i + s->step * start, step = s->step;
    if (s->e->type == TY_REAL)
      LANES d[l].d = from[at + step * l];
    else
      LANES d[l].i = (int64_t)from[at + step * l];
  } else if (s->in_bounds) {
    const Cell *at = s->arg[0]->reg;
    LANES load(s, &d[l], from[at[l].i]);
  } else {
    const Node *node = s->e->node;
    LANES {
      int64_t at = 0;
      bool fine = true;
      for (int k = 0; k < s->nargs; k++) {
        int64_t i = s->arg[k]->reg[l].i;
        fine = fine && i >= 0 && i < node->shape[k];
        at += fine ? i * s->stride[k] : 0;
      }
      if (fine) {
        load(s, &d[l], from[at]);
      } else {
        /* some value of the node's own range, so that later proofs still hold */
        load(s, &d[l], 0);
        if (s->e->type == TY_INT && node->lo > 0) d[l].i = node->lo;
        if (s->e->type == TY_INT && node->hi < 0) d[l].i = node->hi;
        s->poison[l] = 1;
      }
    }
  }
}

static void add_poison(uint8_t *to, const Slot *from, int n) {
  if (from->poison) LANES to[l] |= from->poison[l];
}

/* Poison of the arguments that are asked for, before the slot itself runs. */
static void run_poison(Slot *s, int n) {
  uint8_t *d = s->poison;
  memset(d, 0, (size_t)n);
  const Expr *e = s->e;
  bool lazy = e->kind == E_PRIM && (e->prim == P_select || e->prim == P_and || e->prim == P_or);
  if (!lazy) {
    for (int k = 0; k < s->nargs; k++) add_poison(d, s->arg[k], n);
    return;
  }
  add_poison(d, s->arg[0], n);
  const Cell *c = s->arg[0]->reg;
  for (int k = 1; k < s->nargs; k++) {
    const uint8_t *from = s->arg[k]->poison;
    bool when = e->prim == P_or ? false : k == 1;
    if (from) LANES d[l] |= (uint8_t)(from[l] & ((c[l].i != 0) == when));
  }
}

void slot_run(const Eval *ev, Slot *s, int64_t start, int n) {
  if (s->poison) run_poison(s, n);
  switch (s->e->kind) {
  case E_NUM: LANES s->reg[l].d = s->e->num; break;
  case E_INT:
  case E_BOOL: LANES s->reg[l].i = s->e->inum; break;
  case E_VAR: LANES s->reg[l].i = start + l; break;
  case E_LOOPVAR: s->reg[0].i = *s->counter; break;
  case E_READ: run_read(s, start, n); break;
  case E_PRIM: run_prim(ev, s, n); break;
  }
}
