/* SPDX-License-Identifier: MIT */
/* Runs a node's program over its index space: the loops, reducers, scatters,
 * and the words for what went wrong. */
#include "compiler/eval/eval_internal.h"

#include <math.h>
#include <string.h>

typedef struct Nest {
  Eval *ev;
  Code *code;
  Node *node;
  double *out;
  int64_t index[IR_MAX_VARS]; /* of the outer variables */
  /* the element being reduced */
  Cell acc;
  bool any;
  int64_t position; /* within the reduced variables */
  int64_t best;
} Nest;

/* ---- errors ------------------------------------------------------------------ */

static const char *place(Eval *ev, const Node *n) {
  if (n->span.line == 0) return arena_printf(ev->arena, "'%s'", n->name);
  return arena_printf(ev->arena, "'%s' (line %d)", n->name, n->span.line);
}

/* The slot whose own computation failed, below a poisoned one. */
static const Slot *origin(const Slot *s, int l) {
  for (;;) {
    const Slot *next = NULL;
    bool lazy = s->e->kind == E_PRIM &&
                (s->e->prim == P_select || s->e->prim == P_and || s->e->prim == P_or);
    for (int k = 0; k < s->nargs && !next; k++) {
      const Slot *a = s->arg[k];
      if (!a->poison || !a->poison[a->wide ? l : 0]) continue;
      if (lazy && k > 0) {
        bool c = s->arg[0]->reg[s->arg[0]->wide ? l : 0].i != 0;
        if (c != (s->e->prim == P_or ? false : k == 1)) continue;
      }
      next = a;
    }
    if (!next) return s;
    s = next;
  }
}

static bool poisoned(Nest *nest, const Slot *root, int l) {
  const Slot *s = origin(root, l);
  Eval *ev = nest->ev;
  const char *at = place(ev, nest->node);
  if (s->e->kind != E_READ) {
    ev->error = arena_printf(ev->arena, "%s: integer division by zero", at);
    return false;
  }
  const Node *from = s->e->node;
  ev->error = arena_printf(ev->arena, "%s: reads '%s' out of bounds", at, from->name);
  for (int k = 0; k < s->nargs; k++) {
    int64_t i = s->arg[k]->reg[s->arg[k]->wide ? l : 0].i;
    if (i >= 0 && i < from->shape[k]) continue;
    ev->error = arena_printf(ev->arena,
                             "%s: reads '%s' out of bounds: index %d is %lld, the extent is %lld",
                             at, from->name, k, (long long)i, (long long)from->shape[k]);
    break;
  }
  return false;
}

/* ---- one strip ----------------------------------------------------------------- */

static bool bounded(Nest *nest, double x) {
  const Node *n = nest->node;
  if (n->type != TY_INT || (x >= (double)n->lo && x <= (double)n->hi)) return true;
  nest->ev->error = arena_printf(nest->ev->arena, "%s: the value %.0f is outside of %lld .. %lld",
                                 place(nest->ev, n), x, (long long)n->lo, (long long)n->hi);
  return false;
}

static double as_double(Type t, Cell c) { return t == TY_REAL ? c.d : (double)c.i; }

static void begin_element(Nest *nest) {
  Node *n = nest->node;
  Type t = n->body->type;
  nest->any = false;
  nest->position = 0;
  nest->best = 0;
  switch (n->reducer) {
  case RED_NONE:
  case RED_SUM:
    if (t == TY_REAL)
      nest->acc.d = 0;
    else
      nest->acc.i = 0;
    break;
  case RED_PROD:
    if (t == TY_REAL)
      nest->acc.d = 1;
    else
      nest->acc.i = 1;
    break;
  case RED_MAX:
  case RED_ARGMAX:
    if (t == TY_REAL)
      nest->acc.d = -INFINITY;
    else
      nest->acc.i = t == TY_BOOL ? 0 : IR_INT_MIN;
    break;
  case RED_MIN:
    if (t == TY_REAL)
      nest->acc.d = INFINITY;
    else
      nest->acc.i = t == TY_BOOL ? 1 : IR_INT_MAX;
    break;
  }
}

static void take_argmax(Nest *nest, Cell x, int64_t position) {
  bool real = nest->node->body->type == TY_REAL;
  bool better = !nest->any || (real ? x.d > nest->acc.d : x.i > nest->acc.i);
  if (!better) return;
  nest->any = true;
  nest->best = position;
  if (!real || x.d == x.d) nest->acc = x;
}

static void reduce_lane(Nest *nest, Cell x, int64_t position) {
  Node *n = nest->node;
  bool real = n->body->type == TY_REAL;
  Cell *acc = &nest->acc;
  switch (n->reducer) {
  case RED_NONE: *acc = x; break;
  case RED_SUM:
    if (real)
      acc->d += x.d;
    else
      acc->i += x.i;
    break;
  case RED_PROD:
    if (real)
      acc->d *= x.d;
    else
      acc->i = (int64_t)((uint64_t)acc->i * (uint64_t)x.i);
    break;
  case RED_MAX:
    if (real)
      acc->d = prim_real(P_max, acc->d, x.d);
    else if (!nest->any || x.i > acc->i)
      acc->i = x.i;
    nest->any = true;
    break;
  case RED_MIN:
    if (real)
      acc->d = prim_real(P_min, acc->d, x.d);
    else if (!nest->any || x.i < acc->i)
      acc->i = x.i;
    nest->any = true;
    break;
  case RED_ARGMAX: take_argmax(nest, x, position); break;
  }
}

/* Each product rounded, then the sum: as without this. */
static void sum_products(Nest *nest, int64_t start, int n) {
  const Slot *a = nest->code->factor[0], *b = nest->code->factor[1];
  const int64_t x_step = a->step, y_step = b->step;
  const double *x = a->from + a->arg[0]->reg[0].i + x_step * start,
               *y = b->from + b->arg[0]->reg[0].i + y_step * start;
  double sum = nest->acc.d;
  for (int l = 0; l < n; l++) sum += x[x_step * l] * y[y_step * l];
  nest->acc.d = sum;
}

static bool reduce_strip(Nest *nest, int n) {
  Code *code = nest->code;
  const Cell *x = code->body->reg;
  const uint8_t *bad = code->body->poison;
  if (!code->guard && !bad && nest->node->reducer == RED_SUM && nest->node->type == TY_REAL) {
    double sum = nest->acc.d;
    for (int l = 0; l < n; l++) sum += x[l].d;
    nest->acc.d = sum;
    return true;
  }
  for (int l = 0; l < n; l++) {
    if (code->guard && code->guard->poison && code->guard->poison[l])
      return poisoned(nest, code->guard, l);
    if (code->guard && !code->guard->reg[l].i) continue;
    if (bad && bad[l]) return poisoned(nest, code->body, l);
    reduce_lane(nest, x[l], nest->position + l);
  }
  nest->position += n;
  return true;
}

static bool end_element(Nest *nest, double *to) {
  double x = nest->node->reducer == RED_ARGMAX ? (double)nest->best
                                               : as_double(nest->node->body->type, nest->acc);
  *to = x;
  return bounded(nest, x);
}

/* RED_NONE: every lane is an element. */
static bool store_strip(Nest *nest, double *to, int n) {
  Code *code = nest->code;
  const Cell *x = code->body->reg;
  const uint8_t *bad = code->body->poison;
  Type type = nest->node->type;
  if (!code->guard && !bad && type == TY_REAL) {
    for (int l = 0; l < n; l++) to[l] = x[l].d;
    return true;
  }
  for (int l = 0; l < n; l++) {
    to[l] = 0;
    if (code->guard && code->guard->poison && code->guard->poison[l])
      return poisoned(nest, code->guard, l);
    if (!code->guard || code->guard->reg[l].i) {
      if (bad && bad[l]) return poisoned(nest, code->body, l);
      to[l] = as_double(type, x[l]);
    }
    if (!bounded(nest, to[l])) return false;
  }
  return true;
}

static bool scatter_strip(Nest *nest, int n) {
  Code *code = nest->code;
  Node *node = nest->node;
  for (int l = 0; l < n; l++) {
    if (code->guard && code->guard->poison && code->guard->poison[l])
      return poisoned(nest, code->guard, l);
    if (code->guard && !code->guard->reg[l].i) continue;
    if (code->body->poison && code->body->poison[l]) return poisoned(nest, code->body, l);
    int64_t at = 0;
    for (int k = 0; k < node->rank; k++) {
      const Slot *s = code->index[k];
      if (s->poison && s->poison[l]) return poisoned(nest, s, l);
      int64_t i = s->reg[l].i;
      if (i < 0 || i >= node->shape[k]) {
        nest->ev->error = arena_printf(
            nest->ev->arena, "%s: writes out of bounds: index %d is %lld, the extent is %lld",
            place(nest->ev, node), k, (long long)i, (long long)node->shape[k]);
        return false;
      }
      at = at * node->shape[k] + i;
    }
    nest->out[at] += as_double(node->type, code->body->reg[l]);
    if (!bounded(nest, nest->out[at])) return false;
  }
  return true;
}

/* ---- loops ----------------------------------------------------------------------- */

static void broadcast(Slot *s, int lanes) {
  for (int l = 1; l < lanes; l++) s->reg[l] = s->reg[0];
  if (s->poison) memset(s->poison, s->poison[0], (size_t)lanes);
}

static int inner_lanes(const Node *n) {
  int64_t extent = n->nvars > 0 ? n->extent[n->nvars - 1] : 1;
  return extent < STRIP ? (int)extent : STRIP;
}

/* What depends on outer variables up to `depth` only; the innermost is apart. */
static void run_depth(Nest *nest, int depth) {
  Code *code = nest->code;
  int lanes = inner_lanes(nest->node);
  if (depth > 0 && code->var[depth - 1]) {
    Slot *v = code->var[depth - 1];
    v->reg[0].i = nest->index[depth - 1];
    if (v->wide) broadcast(v, lanes);
  }
  for (int i = 0; i < code->nrun[depth]; i++) {
    Slot *s = code->run[depth][i];
    slot_run(nest->ev, s, depth > 0 ? nest->index[depth - 1] : 0, 1);
    if (s->wide) broadcast(s, lanes);
  }
}

static void run_inner(Nest *nest, int64_t start, int n) {
  Code *code = nest->code;
  int depth = nest->node->nvars;
  if (depth == 0) return; /* run_depth(0) did it all */
  if (code->var[depth - 1]) slot_run(nest->ev, code->var[depth - 1], start, n);
  for (int i = 0; i < code->nrun[depth]; i++) slot_run(nest->ev, code->run[depth][i], start, n);
}

/* Step the outer variables (all but the innermost); returns the shallowest
 * depth that changed, 0 at the end. */
static int advance(Nest *nest) {
  for (int k = nest->node->nvars - 2; k >= 0; k--) {
    if (++nest->index[k] < nest->node->extent[k]) return k + 1;
    nest->index[k] = 0;
  }
  return 0;
}

static int64_t product(const int64_t *extent, int from, int to) {
  int64_t n = 1;
  for (int k = from; k < to; k++) n *= extent[k];
  return n;
}

/* Nothing to iterate: every element is the empty reduction. */
static bool run_empty(Nest *nest, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    begin_element(nest);
    if (!end_element(nest, &nest->out[i])) return false;
  }
  return true;
}

bool code_run(Eval *ev, Code *code) {
  Node *n = code->node;
  Nest nest = {.ev = ev, .code = code, .node = n, .out = ev->node[n->id].value};
  int64_t count = ir_count(n);
  if (n->kind == N_SCATTER) memset(nest.out, 0, (size_t)count * sizeof *nest.out);
  if (product(n->extent, 0, n->nvars) == 0) return n->kind == N_SCATTER || run_empty(&nest, count);

  int64_t inner = n->nvars > 0 ? n->extent[n->nvars - 1] : 1;
  bool reduces = n->kind == N_COMP && n->nvars > n->rank;
  int64_t outer_reduced = reduces ? product(n->extent, n->rank, n->nvars - 1) : 1;
  int64_t left = outer_reduced; /* outer steps until an element is whole */
  double *to = nest.out;
  run_depth(&nest, 0);
  for (int depth = 1; depth < n->nvars; depth++) run_depth(&nest, depth);
  for (;;) {
    if (reduces && left == outer_reduced) begin_element(&nest);
    for (int64_t start = 0; start < inner; start += STRIP) {
      int lanes = inner - start < STRIP ? (int)(inner - start) : STRIP;
      run_inner(&nest, start, lanes);
      if (code->factor[0]) {
        sum_products(&nest, start, lanes);
        continue;
      }
      bool fine = n->kind == N_SCATTER ? scatter_strip(&nest, lanes)
                  : reduces            ? reduce_strip(&nest, lanes)
                                       : store_strip(&nest, to, lanes);
      if (!fine) return false;
      if (!reduces) to += lanes;
    }
    if (reduces && --left == 0) {
      if (!end_element(&nest, to++)) return false;
      left = outer_reduced;
    }
    int changed = advance(&nest);
    if (changed == 0) return true;
    for (int depth = changed; depth < n->nvars; depth++) run_depth(&nest, depth);
  }
}
