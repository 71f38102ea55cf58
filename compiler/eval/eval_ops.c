/* SPDX-License-Identifier: MIT */
/* The evaluator's instructions: one slot, a strip of lanes. */
#include "compiler/eval/eval_internal.h"
#include "compiler/ir/draws.h"

#include <math.h>
#include <string.h>

#define LANES for (int l = 0; l < n; l++)

/* ---- primitives: a function for each line of ops.def and type of argument ------- */

typedef void Run(const Eval *ev, Slot *s, int n);

#define FUNCTION(name, prepare, ...)                                                          \
  static void name(const Eval *ev, Slot *s, int n) {                                          \
    (void)ev;                                                                                 \
    Cell *const d = s->reg;                                                                   \
    const Cell *const at0 = s->arg[0]->reg, *const at1 = s->nargs > 1 ? s->arg[1]->reg : at0; \
    prepare;                                                                                  \
    LANES { __VA_ARGS__; }                                                                    \
  }
/* a and b of a lane */
#define REALS                              \
  const double a = at0[l].d, b = at1[l].d; \
  (void)b
#define INTS                                \
  const int64_t a = at0[l].i, b = at1[l].i; \
  (void)b

/* Index arithmetic that overflows wraps around, it is not proved in bounds; only a
 * division fails. */
#define RUN_INT(name, ints)                                                                  \
  FUNCTION(on_int_##name, const bool divides = P_##name == P_div || P_##name == P_mod, INTS; \
           int64_t result, *const x = &result; const bool fine = ints; d[l].i = result;      \
           if (divides && !fine && s->poison) s->poison[l] = 1)
#define RUN_NUM(name, value, ints) \
  FUNCTION(on_real_##name, , REALS; d[l].d = value) RUN_INT(name, ints)
#define RUN_REAL(name, value, ints) FUNCTION(on_real_##name, , REALS; d[l].d = value)
#define RUN_CMP(name, value, ints) \
  FUNCTION(on_real_##name, , REALS; d[l].i = value) FUNCTION(on_int_##name, , INTS; d[l].i = value)
#define RUN_LOGIC(name, value, ints) FUNCTION(on_int_##name, , INTS; d[l].i = value)
#define RUN_SEL(name, value, ints)                                                            \
  FUNCTION(on_int_##name, const Cell *const at2 = s->arg[2]->reg, const int64_t a = at0[l].i; \
           const Cell b = at1[l], c = at2[l]; d[l] = value)
#define RUN_TOREAL(name, value, ints) FUNCTION(on_int_##name, , INTS; d[l].d = value)
#define RUN_TOINT(name, value, ints) FUNCTION(on_real_##name, , REALS; d[l].i = value)
#define RUN_DRAW(name, value, ints)                                                         \
  FUNCTION(on_int_##name, const uint64_t seed = ev->seed;                                   \
           const uint64_t step = (uint64_t)ev->step, const uint32_t a = (uint32_t)at0[l].i; \
           const uint64_t b = (uint64_t)at1[l].i; d[l].d = value)
#define RUN_PICK(name, value, ints)                                                               \
  FUNCTION(on_int_##name, const Cell *const at2 = s->arg[2]->reg; const uint64_t seed = ev->seed; \
           const uint64_t step = (uint64_t)ev->step, const uint32_t a = (uint32_t)at0[l].i;       \
           const uint64_t b = (uint64_t)at1[l].i; const int64_t c = at2[l].i; d[l].i = value)
#define OP(name, arity, types, call, cost, value, ints, ...) RUN_##types(name, value, ints)
#include "compiler/ir/ops.def"
#undef OP

#define RUNS_NUM(name) \
  { on_real_##name, on_int_##name }
#define RUNS_REAL(name) \
  { on_real_##name, NULL }
#define RUNS_CMP(name) \
  { on_real_##name, on_int_##name }
#define RUNS_LOGIC(name) \
  { NULL, on_int_##name }
#define RUNS_SEL(name) \
  { NULL, on_int_##name }
#define RUNS_TOREAL(name) \
  { NULL, on_int_##name }
#define RUNS_TOINT(name) \
  { on_real_##name, NULL }
#define RUNS_DRAW(name) \
  { NULL, on_int_##name }
#define RUNS_PICK(name) \
  { NULL, on_int_##name }
/* by primitive; whose first argument is a real, or an integer or truth value */
static Run *const runs[PRIM_COUNT][2] = {
#define OP(name, arity, types, ...) [P_##name] = RUNS_##types(name),
#include "compiler/ir/ops.def"
#undef OP
};

static void run_prim(const Eval *ev, Slot *s, int n) {
  runs[s->e->prim][s->arg[0]->e->type != TY_REAL](ev, s, n);
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
    if (s->e->type == TY_REAL && step == 1)
      memcpy(d, from + at, (size_t)n * sizeof *d); /* a cell is as wide as a double */
    else if (s->e->type == TY_REAL)
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
