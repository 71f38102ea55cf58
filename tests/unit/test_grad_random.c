/* SPDX-License-Identifier: MIT */
/* Gradients of random graphs: comprehensions with every form of index, guards,
 * reducers, and loops in loops, against central differences; and the same again
 * after the passes. A failing graph is
 * named by its seed; `test_grad_random SEED` runs that one alone, and
 * `test_grad_random FIRST COUNT` a range. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "compiler/check/gradcheck.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/draws.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"

enum { MOST_NODES = 64, LAYERS_DEEP = 2 };

typedef struct Maker {
  Arena *arena;
  Graph *g;
  Region *region; /* where nodes are being made */
  uint64_t state;
  Node *node[MOST_NODES]; /* what may be read now */
  int nnodes;
  Loop *loop[LAYERS_DEEP + 1];
  int depth;
  int named;
} Maker;

static int pick(Maker *m, int n) {
  m->state = m->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  uint64_t x = m->state ^ (m->state >> 29);
  return (int)((x * UINT64_C(0x9e3779b97f4a7c15) >> 33) % (uint64_t)n);
}

static const Span nowhere;

static const char *name(Maker *m, const char *stem) {
  return arena_printf(m->arena, "%s%d", stem, m->named++);
}

/* The index space of the comprehension being made. */
typedef struct Space {
  int rank, nvars;
  int64_t extent[IR_MAX_VARS];
} Space;

static Expr *integer(Maker *m, int64_t x) { return ex_int(m->g, x); }

static Node *table(Maker *m, int64_t n, int64_t below) {
  double *data = NEWN(m->arena, double, n);
  for (int64_t i = 0; i < n; i++) data[i] = pick(m, (int)below);
  return ir_const(m->g, m->region, name(m, "table"), TY_INT, 1, &n, data, nowhere);
}

/* An index below `size`; where it may leave 0 .. size-1, *guard says when it does not. */
static Expr *index_of(Maker *m, const Space *s, int64_t size, Expr **guard) {
  Graph *g = m->g;
  int u = s->nvars > 0 ? pick(m, s->nvars) : -1, v = s->nvars > 0 ? pick(m, s->nvars) : -1;
  Loop *l = m->depth > 0 ? m->loop[pick(m, m->depth)] : NULL;
  Expr *e = NULL;
  switch (pick(m, 12)) {
  case 0: return integer(m, pick(m, (int)size));
  case 1:
    if (l) e = ex_loopvar(g, l);
    break;
  case 2:
    if (l && u >= 0) e = ex2(g, P_add, ex_loopvar(g, l), ex_var(g, u));
    break;
  case 3:
    if (u >= 0) e = ex2(g, P_sub, integer(m, size - 1), ex_var(g, u));
    break;
  case 4:
    if (u != v) e = ex2(g, P_add, ex_var(g, u), ex_var(g, v));
    break;
  case 5:
    if (u != v)
      e = ex2(g, P_add, ex2(g, P_mul, integer(m, s->extent[v]), ex_var(g, u)), ex_var(g, v));
    break;
  case 6:
    if (u != v) e = ex2(g, P_add, ex2(g, P_mul, integer(m, 2), ex_var(g, u)), ex_var(g, v));
    break;
  case 7:
    if (u >= 0) e = ex2(g, pick(m, 2) ? P_div : P_mod, ex_var(g, u), integer(m, 2));
    break;
  case 8:
    if (u >= 0) {
      Expr *at = ex_var(g, u);
      return ex_read(g, table(m, s->extent[u], size), &at);
    }
    break;
  case 9:
    if (u != v)
      e = ex2(g, P_add, ex2(g, P_sub, ex_var(g, u), ex_var(g, v)), integer(m, pick(m, 3)));
    break;
  default: break;
  }
  if (!e) { /* mostly bare, of the right extent where there is one */
    if (u < 0) return integer(m, pick(m, (int)size));
    for (int k = 0; k < s->nvars && s->extent[u] != size; k++) u = (u + 1) % s->nvars;
    e = ex_var(g, u);
  }
  int64_t lo, hi;
  if (!ex_interval(g, e, s->extent, s->nvars, &lo, &hi) || lo < 0 || hi >= size) {
    Expr *in = ex2(g, P_and, ex2(g, P_le, integer(m, 0), e), ex2(g, P_lt, e, integer(m, size)));
    *guard = *guard ? ex2(g, P_and, *guard, in) : in;
  }
  return e;
}

static Expr *read_of(Maker *m, const Space *s) {
  Node *n = m->node[pick(m, m->nnodes)];
  Expr *index[IR_MAX_RANK] = {NULL}, *guard = NULL;
  for (int a = 0; a < n->rank; a++) index[a] = index_of(m, s, n->shape[a], &guard);
  Expr *e = ex_read(m->g, n, index);
  return guard ? ex3(m->g, P_select, guard, e, ex_num(m->g, 0.4)) : e;
}

static Expr *scalar(Maker *m, const Space *s, int depth) {
  Graph *g = m->g;
  if (depth == 0) return read_of(m, s);
  Expr *a = scalar(m, s, depth - 1);
  switch (pick(m, 9)) {
  case 0: return ex1(g, P_sin, a);
  case 1: return ex1(g, P_tanh, a);
  case 2: return ex2(g, P_add, a, scalar(m, s, depth - 1));
  case 3: return ex2(g, P_div, a, ex2(g, P_add, ex_num(g, 1.5), ex1(g, P_sigmoid, read_of(m, s))));
  case 4: { /* the branch not taken is a NaN */
    Expr *positive = ex2(g, P_lt, ex_num(g, 0), a);
    Expr *root = ex1(g, P_sqrt, ex2(g, P_add, a, ex_num(g, 0.25)));
    return ex3(g, P_select, positive, ex2(g, P_sub, root, ex_num(g, 0.5)), ex1(g, P_sin, a));
  }
  case 5:
    if (s->nvars > 1) {
      Expr *c = ex2(g, P_lt, ex_var(g, pick(m, s->nvars)), ex_var(g, pick(m, s->nvars)));
      return ex3(g, P_select, c, a, scalar(m, s, depth - 1));
    }
    return a;
  case 6: return ex2(g, P_max, a, read_of(m, s));
  default: return ex2(g, P_mul, a, scalar(m, s, depth - 1));
  }
}

/* A comprehension of the given output shape, or of a random one. */
static Node *comp(Maker *m, Region *r, int rank, const int64_t *shape) {
  Graph *g = m->g;
  m->region = r;
  static const Reducer reducers[] = {RED_SUM, RED_SUM, RED_SUM, RED_MAX, RED_MIN, RED_PROD};
  Space s = {.rank = rank < 0 ? pick(m, 4) : rank};
  for (int k = 0; k < s.rank; k++) s.extent[k] = shape ? shape[k] : 1 + pick(m, 4);
  int nred = pick(m, 3);
  s.nvars = s.rank + nred;
  for (int k = s.rank; k < s.nvars; k++) s.extent[k] = 1 + pick(m, 4);
  Expr *body = scalar(m, &s, pick(m, 3)), *guard = NULL;
  Reducer red = nred == 0 ? RED_NONE : reducers[pick(m, 6)];
  if (red == RED_PROD)
    body = ex2(g, P_add, ex_num(g, 1), ex2(g, P_mul, ex_num(g, 0.3), ex1(g, P_sin, body)));
  if (nred > 0 && pick(m, 3) == 0)
    guard =
        ex2(g, P_le, ex_var(g, s.rank), s.rank > 0 ? ex_var(g, pick(m, s.rank)) : integer(m, 1));
  Node *n = ir_comp(g, r, name(m, "c"), nowhere, s.rank, nred, s.extent, red, guard, body);
  if (pick(m, 6) == 0) n->save = pick(m, 2) ? SAVE_KEEP : SAVE_RECOMPUTE;
  return n;
}

/* Values added up at places that data decide. */
static Node *scatter(Maker *m, Region *r) {
  m->region = r;
  Space s = {.rank = 0, .nvars = 1 + pick(m, 2)};
  for (int k = 0; k < s.nvars; k++) s.extent[k] = 1 + pick(m, 4);
  int64_t shape[2] = {1 + pick(m, 4), 1 + pick(m, 4)};
  Expr *index[2], *guard = NULL;
  for (int a = 0; a < 2; a++) index[a] = index_of(m, &s, shape[a], &guard);
  Expr *body = scalar(m, &s, 1);
  return ir_scatter(m->g, r, name(m, "scatter"), nowhere, 2, shape, s.nvars, s.extent, index, guard,
                    body);
}

/* Two nodes end to end, and a window on the result. */
static Node *repacked(Maker *m, Region *r) {
  Node *parts[2] = {m->node[pick(m, m->nnodes)], m->node[pick(m, m->nnodes)]};
  Node *pack = ir_pack(m->g, r, name(m, "pack"), parts, 2, nowhere);
  int64_t shape[2] = {1 + pick(m, 2), pack->shape[0] / 2};
  int64_t slack = pack->shape[0] - shape[0] * shape[1];
  return ir_view(m->g, r, name(m, "view"), pack, pick(m, (int)slack + 1), 2, shape, nowhere);
}

static void remember(Maker *m, Node *n) {
  if (m->nnodes < MOST_NODES) m->node[m->nnodes++] = n;
}

static void fill(Maker *m, Region *r, int steps);

static void loop(Maker *m, Region *r) {
  Graph *g = m->g;
  int outside = m->nnodes, ncarries = 1 + pick(m, 2);
  Loop *l = ir_loop(g, r, name(m, "i"), 1 + pick(m, 3), pick(m, 2) != 0, nowhere);
  for (int k = 0; k < ncarries; k++)
    remember(m, ir_carry(g, l, name(m, "carry"), m->node[pick(m, outside)]));
  m->loop[m->depth++] = l;
  fill(m, l->body, 1 + pick(m, 3));
  for (int k = 0; k < ncarries; k++) {
    Node *in = l->carries.at[k].in;
    l->carries.at[k].next = pick(m, 8) == 0 ? in : comp(m, l->body, in->rank, in->shape);
  }
  m->depth--;
  Node *emit = m->node[outside + pick(m, m->nnodes - outside)];
  m->nnodes = outside;
  remember(m, ir_final(g, l, pick(m, ncarries)));
  if (emit->rank < IR_MAX_RANK && emit->type == TY_REAL) remember(m, ir_stack(g, l, emit));
}

static void fill(Maker *m, Region *r, int steps) {
  for (int i = 0; i < steps; i++) {
    if (m->depth < LAYERS_DEEP && pick(m, 4) == 0)
      loop(m, r);
    else if (pick(m, 8) == 0)
      remember(m, repacked(m, r));
    else if (pick(m, 8) == 0)
      remember(m, scatter(m, r));
    else
      remember(m, comp(m, r, -1, NULL));
  }
}

/* The sum of everything bounded: nothing is left without a gradient. */
static Node *loss_of(Maker *m) {
  Graph *g = m->g;
  Expr *sum = ex_num(g, 0);
  for (int i = 0; i < m->nnodes; i++) {
    Node *n = m->node[i];
    Expr *soft = ex1(g, P_tanh, ir_read_all(g, n));
    Node *part =
        n->rank == 0
            ? ir_comp(g, g->top, "part", nowhere, 0, 0, NULL, RED_NONE, NULL, soft)
            : ir_comp(g, g->top, "part", nowhere, 0, n->rank, n->shape, RED_SUM, NULL, soft);
    sum = ex2(g, P_add, sum, ex2(g, P_mul, ex_num(g, 0.3 + 0.1 * i), ex_read(g, part, NULL)));
  }
  return ir_comp(g, g->top, "loss", nowhere, 0, 0, NULL, RED_NONE, NULL, sum);
}

enum { PARAMETERS = 3 };

/* The graph of a seed: its loss, and its parameters in wrt. */
static Node *make(Maker *m, uint64_t seed, Node **wrt) {
  *m = (Maker){.arena = arena_new(), .state = seed * 77 + 1};
  m->g = graph_new(m->arena, interner_new(m->arena), "random");
  for (int k = 0; k < PARAMETERS; k++) {
    int64_t shape[3];
    int rank = 1 + pick(m, 3);
    for (int a = 0; a < rank; a++) shape[a] = 1 + pick(m, 4);
    wrt[k] = ir_state(m->g, name(m, "w"), TY_REAL, rank, shape, nowhere);
    remember(m, wrt[k]);
  }
  fill(m, m->g->top, 1 + pick(m, 6));
  Node *loss = loss_of(m);
  vec_push(m->arena, &m->g->outputs, ((Output){"loss", loss}));
  ir_prune(m->g);
  return loss;
}

static void print(Graph *g) {
  StrBuf text = {0};
  ir_print(g, &text);
  printf("%s\n", text.s);
  sb_free(&text);
}

static bool check_differences(uint64_t seed, bool talk) {
  Maker m;
  Node *wrt[PARAMETERS], *loss = make(&m, seed, wrt);
  if (talk) print(m.g);
  GradcheckOptions o = {.seed = seed, .max_elements = 8, .atol = 1e-4, .rtol = 1e-3};
  GradcheckReport r;
  bool ok = gradcheck(m.g, diags_new(m.arena), loss, wrt, PARAMETERS, &o, &r);
  if (!ok)
    printf("seed %llu: %s: %s[%lld] derived %.9g, numeric %.9g\n", (unsigned long long)seed,
           r.error ? r.error : "wrong", r.name ? r.name : "?", (long long)r.element, r.derived,
           r.numeric);
  const char *broken = ir_verify(m.g);
  if (broken) printf("seed %llu: %s\n", (unsigned long long)seed, broken);
  arena_free(m.arena);
  return ok && !broken;
}

static Eval *evaluated(Graph *g, Node *const *wrt, uint64_t seed) {
  Eval *ev = eval_new(g, seed, 1);
  for (int k = 0; k < PARAMETERS; k++)
    for (int64_t i = 0; i < ir_count(wrt[k]); i++)
      eval_bind(ev, wrt[k])[i] = draw_normal(seed, 0, (uint32_t)k, (uint64_t)i);
  const char *error = eval_run(ev);
  if (error) bug("%s", error);
  return ev;
}

/* The passes leave gradients what they are. */
static bool check_passes(uint64_t seed, bool talk) {
  Maker m;
  Node *wrt[PARAMETERS], *d[PARAMETERS], *loss = make(&m, seed, wrt);
  if (!grad_reverse(m.g, diags_new(m.arena), loss, wrt, PARAMETERS, d)) return false;
  for (int k = 0; k < PARAMETERS; k++)
    if (d[k]) vec_push(m.arena, &m.g->outputs, ((Output){arena_printf(m.arena, "d%d", k), d[k]}));
  Eval *before = evaluated(m.g, wrt, seed);
  VEC(Node *) old = {0};
  for (int k = 0; k < m.g->outputs.n; k++) vec_push(m.arena, &old, m.g->outputs.at[k].node);
  const PassOptions every = pass_options(backend_target("cpu"));
  pipeline_run(m.g, &(PipelineOptions){.passes = &every, .verify = true});
  if (talk) print(m.g);
  Eval *after = evaluated(m.g, wrt, seed);
  bool ok = true;
  for (int k = 0; k < old.n; k++) {
    const double *x = eval_value(before, old.at[k]);
    const double *y = eval_value(after, m.g->outputs.at[k].node);
    for (int64_t i = 0; i < ir_count(old.at[k]) && ok; i++)
      ok = fabs(x[i] - y[i]) <= 1e-9 * (1 + fabs(x[i])) || (isnan(x[i]) && isnan(y[i]));
  }
  if (!ok) printf("seed %llu: the passes change a gradient\n", (unsigned long long)seed);
  eval_free(before);
  eval_free(after);
  arena_free(m.arena);
  return ok;
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
  uint64_t count = argc > 2                   ? strtoull(argv[2], NULL, 10)
                   : argc > 1                 ? 1
                   : longer && *longer == '1' ? 20000
                                              : 300;
  int failed = 0;
  for (uint64_t seed = first; seed < first + count; seed++)
    failed += !check_differences(seed, argc == 2) || !check_passes(seed, argc == 2);
  printf("%llu passed, %d failed\n", (unsigned long long)(count - (uint64_t)failed), failed);
  return failed > 0;
}
