/* SPDX-License-Identifier: MIT */
/* Compiles a node's expressions into the evaluator's slots. */
#include "compiler/eval/eval_internal.h"
#include "compiler/ir/linear.h"

#include <string.h>

typedef struct Frame {
  Expr *e;
  int next;
  Expr *dep[IR_MAX_RANK]; /* what must be computed before e */
  int ndeps;
  int64_t step;
  bool in_bounds;
} Frame;

typedef struct Compiler {
  Eval *ev;
  Code *code;
  Node *node;
  VEC(Frame) stack;
  VEC(Slot *) slots;
} Compiler;

static int depth_of(const Expr *e) { return e->vars ? 32 - __builtin_clz(e->vars) : 0; }

static bool provably_in_bounds(Compiler *c, const Expr *read) {
  for (int k = 0; k < read->nargs; k++) {
    int64_t lo, hi;
    if (!ex_interval(c->ev->g, read->args[k], c->node->extent, c->node->nvars, &lo, &hi))
      return false;
    if (lo < 0 || hi >= read->node->shape[k]) return false;
  }
  return true;
}

/* Row-major flat index of a read in bounds, without overflow. */
static bool flat_index(Compiler *c, const Expr *read, Frame *f) {
  Graph *g = c->ev->g;
  int64_t stride = 1;
  Linear s;
  linear_init(&s);
  for (int k = read->nargs - 1; k >= 0; k--) {
    if (!linear_add(&s, read->args[k], stride)) return false;
    if (!mul_fits(stride, read->node->shape[k], &stride)) return false;
  }
  int inner = c->node->nvars - 1;
  f->step = 0;
  if (depth_of(read) == c->node->nvars && inner >= 0) {
    Linear rest = s;
    rest.n = 0;
    uint32_t vars = 0;
    for (int i = 0; i < s.n; i++) {
      const LinearTerm *t = &s.term[i];
      if (t->atom->kind == E_VAR && t->atom->inum == inner)
        f->step = t->coef;
      else {
        vars |= t->atom->vars;
        rest.term[rest.n++] = *t;
      }
    }
    if (vars >> inner & 1) f->step = 0;
    if (f->step != 0) s = rest;
  }
  f->dep[0] = linear_build(g, &s);
  f->ndeps = 1;
  return true;
}

static void reserve(Eval *ev) {
  if (ev->cap >= ev->g->nexprs) return;
  int cap = ev->g->nexprs * 2;
  ev->slot_of = arena_grow(ev->arena, ev->slot_of, (size_t)ev->cap * sizeof *ev->slot_of,
                           (size_t)cap * sizeof *ev->slot_of);
  ev->stamp = arena_grow(ev->arena, ev->stamp, (size_t)ev->cap * sizeof *ev->stamp,
                         (size_t)cap * sizeof *ev->stamp);
  memset(ev->stamp + ev->cap, 0, (size_t)(cap - ev->cap) * sizeof *ev->stamp);
  ev->cap = cap;
}

static bool done(Compiler *c, const Expr *e) {
  reserve(c->ev);
  return c->ev->stamp[e->id] == c->ev->epoch;
}

static void enter(Compiler *c, Expr *e) {
  Frame f = {.e = e, .ndeps = e->nargs};
  for (int k = 0; k < e->nargs; k++) f.dep[k] = e->args[k];
  if (e->kind == E_READ && provably_in_bounds(c, e)) f.in_bounds = flat_index(c, e, &f);
  vec_push(c->ev->arena, &c->stack, f);
}

/* Can computing e itself fail, whatever its arguments? */
static bool may_fail(Compiler *c, const Frame *f) {
  const Expr *e = f->e;
  if (e->kind == E_READ) return !f->in_bounds;
  if (e->kind != E_PRIM || e->type != TY_INT || (e->prim != P_div && e->prim != P_mod))
    return false;
  int64_t lo, hi;
  ex_interval(c->ev->g, e->args[1], c->node->extent, c->node->nvars, &lo, &hi);
  return lo <= 0 && hi >= 0;
}

static void leave(Compiler *c, const Frame *f) {
  Eval *ev = c->ev;
  Expr *e = f->e;
  Slot *s = NEW(ev->arena, Slot);
  s->e = e;
  s->depth = depth_of(e);
  s->nargs = f->ndeps;
  s->step = f->step;
  s->in_bounds = f->in_bounds;
  bool poison = may_fail(c, f);
  for (int k = 0; k < f->ndeps; k++) {
    s->arg[k] = ev->slot_of[f->dep[k]->id];
    if (s->arg[k]->poison) poison = true;
    if (s->depth == c->node->nvars) s->arg[k]->wide = true;
  }
  if (e->kind == E_READ) {
    s->from = ev->node[e->node->id].value;
    int64_t stride = 1;
    for (int k = e->nargs - 1; k >= 0; k--) {
      s->stride[k] = stride;
      stride *= e->node->shape[k];
    }
  }
  if (e->kind == E_LOOPVAR) s->counter = &ev->counter[e->loop->id];
  if (e->kind == E_VAR) c->code->var[e->inum] = s;
  s->wide = s->depth == c->node->nvars;
  if (poison) s->poison = arena_alloc(ev->arena, STRIP);
  ev->slot_of[e->id] = s;
  ev->stamp[e->id] = ev->epoch;
  vec_push(ev->arena, &c->slots, s);
}

static Slot *compile(Compiler *c, Expr *root) {
  if (!done(c, root)) enter(c, root);
  while (c->stack.n > 0) {
    Frame *f = &c->stack.at[c->stack.n - 1];
    if (done(c, f->e)) {
      c->stack.n--;
      continue;
    }
    while (f->next < f->ndeps && done(c, f->dep[f->next])) f->next++;
    if (f->next < f->ndeps) {
      enter(c, f->dep[f->next]);
    } else {
      Frame finished = *f;
      c->stack.n--;
      leave(c, &finished);
    }
  }
  Slot *s = c->ev->slot_of[root->id];
  s->wide = true;
  return s;
}

/* A read of reals, in bounds, that steps with the innermost variable. */
static bool steps_along(const Compiler *c, const Slot *s) {
  return s->e->kind == E_READ && s->e->type == TY_REAL && s->in_bounds && s->step != 0 &&
         s->depth == c->node->nvars;
}

/* Sums of products of two reads are most of what there is to do: their products are added as they
 * are made, in the same order, in place of three strips. */
static void find_factors(Compiler *c) {
  const Node *n = c->node;
  const Slot *body = c->code->body;
  if (n->kind != N_COMP || n->nvars == n->rank || n->reducer != RED_SUM || n->guard) return;
  if (body->poison || body->e->kind != E_PRIM || body->e->prim != P_mul || body->e->type != TY_REAL)
    return;
  if (!steps_along(c, body->arg[0]) || !steps_along(c, body->arg[1])) return;
  for (int k = 0; k < 2; k++) c->code->factor[k] = body->arg[k];
}

/* Are its lanes read by nothing? */
static bool unread(const Code *code, const Slot *s) {
  return code->factor[0] && (s == code->body || s == code->factor[0] || s == code->factor[1]);
}

/* Registers, and the instructions by depth. Constants are filled in once. */
static void lay_out(Compiler *c) {
  Eval *ev = c->ev;
  Code *code = c->code;
  for (int d = 0; d <= c->node->nvars; d++) {
    int n = 0;
    for (int i = 0; i < c->slots.n; i++) n += c->slots.at[i]->depth == d;
    code->run[d] = NEWN(ev->arena, Slot *, n);
  }
  for (int i = 0; i < c->slots.n; i++) {
    Slot *s = c->slots.at[i];
    s->reg = NEWN(ev->arena, Cell, s->wide ? STRIP : 1);
    bool constant = s->e->kind == E_NUM || s->e->kind == E_INT || s->e->kind == E_BOOL;
    if (constant)
      slot_run(ev, s, 0, s->wide ? STRIP : 1);
    else if (s->e->kind != E_VAR && !unread(code, s))
      code->run[s->depth][code->nrun[s->depth]++] = s;
  }
}

Code *code_new(Eval *ev, Node *n) {
  Compiler c = {.ev = ev, .node = n, .code = NEW(ev->arena, Code)};
  c.code->node = n;
  ev->epoch++;
  if (n->guard) c.code->guard = compile(&c, n->guard);
  if (n->kind == N_SCATTER)
    for (int k = 0; k < n->rank; k++) c.code->index[k] = compile(&c, n->index[k]);
  c.code->body = compile(&c, n->body);
  find_factors(&c);
  lay_out(&c);
  return c.code;
}
