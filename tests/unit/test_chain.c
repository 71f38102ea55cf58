/* SPDX-License-Identifier: MIT */
/* Chains of products: attention and its gradients become few kernels that keep
 * nothing of length x length in memory, and mean what the evaluator means. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/verify.h"
#include "tests/compiled.h"

static const Span nowhere;

/* softmax attention over `layers` layers that share nothing: batch b, queries l,
 * keys s (as many), heads h, width e. */
typedef struct Shape {
  int64_t b, l, h, e;
  int layers;
  bool shared_keys; /* one head of keys and values for all heads of queries */
  bool causal, dropout, gradients, bias;
  bool narrow;  /* factors in bf16 */
  bool targets; /* also for narrower vectors */
} Shape;

typedef struct Test {
  Arena *arena;
  Diags *diags;
  Graph *g;
  Region *r;
  Loop *loop;
  const TdProgram *with, *without; /* chains */
  int program;                     /* with: its number in the library of its kind */
} Test;

#define EXTENTS(...) \
  (const int64_t[]) { __VA_ARGS__ }

static Expr *at(Test *t, Node *n, const char *vars) { /* '@': the layer */
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++)
    index[i] = vars[i] == '@' ? ex_loopvar(t->g, t->loop) : ex_var(t->g, vars[i] - '0');
  return ex_read(t->g, n, index);
}

static Expr *mul(Test *t, Expr *a, Expr *b) { return ex2(t->g, P_mul, a, b); }
static Expr *num(Test *t, double x) { return ex_num(t->g, x); }

static Node *comp(Test *t, const char *name, int rank, int nred, const int64_t *extent, Reducer red,
                  Expr *guard, Expr *body) {
  return ir_comp(t->g, t->r, name, nowhere, rank, nred, extent, red, guard, body);
}

static Node *input(Test *t, const char *name, int rank, const int64_t *shape) {
  return ir_input(t->g, name, TY_REAL, rank, shape, 0, 0, nowhere);
}

static void output(Test *t, const char *name, Node *n) {
  Output o = {name, n};
  vec_push(t->g->arena, &t->g->outputs, o);
}

/* uniform() < 0.25 ? 0 : p / 0.75, drawn again in the backward pass */
static Node *dropped(Test *t, const Shape *s, Node *p) {
  Expr *at_p = ex_var(t->g, 0);
  const int64_t extent[] = {s->h, s->l, s->l};
  for (int k = 0; k < 3; k++)
    at_p = ex2(t->g, P_add, mul(t, at_p, ex_int(t->g, extent[k])), ex_var(t->g, k + 1));
  Expr *u = ex2(t->g, P_uniform, ex_int(t->g, 4711), at_p);
  Expr *kept = ex3(t->g, P_select, ex2(t->g, P_lt, u, num(t, 0.25)), num(t, 0),
                   mul(t, at(t, p, "0123"), num(t, 1 / 0.75)));
  return comp(t, "dropped", 4, 0, EXTENTS(s->b, s->h, s->l, s->l), RED_NONE, NULL, kept);
}

static Node *softmax(Test *t, const Shape *s, Node *x) {
  Expr *guard = s->causal ? ex2(t->g, P_le, ex_var(t->g, 3), ex_var(t->g, 2)) : NULL;
  const int64_t *space = EXTENTS(s->b, s->h, s->l, s->l);
  Node *m = comp(t, "max", 3, 1, space, RED_MAX, guard, at(t, x, "0123"));
  Node *e = comp(t, "exp", 4, 0, space, RED_NONE, guard,
                 ex1(t->g, P_exp, ex2(t->g, P_sub, at(t, x, "0123"), at(t, m, "012"))));
  Node *z = comp(t, "sum", 3, 1, space, RED_SUM, guard, at(t, e, "0123"));
  return comp(t, "p", 4, 0, space, RED_NONE, NULL,
              ex2(t->g, P_div, at(t, e, "0123"), at(t, z, "012")));
}

/* h [b, l, h, e] -> softmax(q k) v with q, k, v = h times weights w [layer, 3, e] */
static Node *attention(Test *t, const Shape *s, Node *x, Node *w, Node *bias) {
  const int64_t *space = EXTENTS(s->b, s->l, s->h, s->e);
  Node *part[3];
  for (int k = 0; k < 3; k++) {
    Expr *wk = ex_read(t->g, w,
                       (Expr *[]){t->loop ? ex_loopvar(t->g, t->loop) : ex_int(t->g, 0),
                                  ex_int(t->g, k), ex_var(t->g, s->shared_keys && k > 0 ? 2 : 3)});
    Expr *xk = mul(t, at(t, x, s->shared_keys && k > 0 ? "0132" : "0123"), wk);
    const char *name = (const char *[]){"q", "k", "v"}[k];
    if (s->shared_keys && k > 0) /* the mean over heads */
      part[k] = comp(t, name, 3, 1, EXTENTS(s->b, s->l, s->e, s->h), RED_SUM, NULL,
                     mul(t, num(t, 1.0 / (double)s->h), xk));
    else
      part[k] = comp(t, name, 4, 0, space, RED_NONE, NULL, ex1(t->g, P_sin, xk));
  }
  Node *q = part[0], *k = part[1], *v = part[2];
  Node *score = comp(
      t, "score", 4, 1, EXTENTS(s->b, s->h, s->l, s->l, s->e), RED_SUM, NULL,
      mul(t, num(t, 0.5), mul(t, at(t, q, "0214"), at(t, k, s->shared_keys ? "034" : "0314"))));
  if (bias)
    score = comp(t, "biased", 4, 0, EXTENTS(s->b, s->h, s->l, s->l), RED_NONE, NULL,
                 ex2(t->g, P_add, at(t, score, "0123"), at(t, bias, "23")));
  Node *p = softmax(t, s, score);
  if (s->dropout) p = dropped(t, s, p);
  return comp(t, "y", 4, 1, EXTENTS(s->b, s->l, s->h, s->e, s->l), RED_SUM, NULL,
              mul(t, at(t, p, "0214"), at(t, v, s->shared_keys ? "043" : "0423")));
}

static void build(Test *t, const Shape *s) {
  const int64_t *space = EXTENTS(s->b, s->l, s->h, s->e);
  Node *x = input(t, "x", 4, space), *w = input(t, "w", 3, EXTENTS(s->layers, 3, s->e));
  Node *bias = s->bias ? input(t, "bias", 2, EXTENTS(s->l, s->l)) : NULL, *y;
  if (s->layers > 1) {
    t->loop = ir_loop(t->g, t->g->top, "i", s->layers, false, nowhere);
    Node *in = ir_carry(t->g, t->loop, "h", x);
    t->r = t->loop->body;
    Node *a = attention(t, s, in, w, bias);
    t->loop->carries.at[0].next = comp(t, "next", 4, 0, space, RED_NONE, NULL,
                                       ex2(t->g, P_add, at(t, in, "0123"), at(t, a, "0123")));
    t->r = t->g->top;
    y = ir_final(t->g, t->loop, 0);
  } else {
    y = attention(t, s, x, w, bias);
  }
  output(t, "y", comp(t, "out", 4, 0, space, RED_NONE, NULL, at(t, y, "0123")));
  if (!s->gradients) return;
  Node *loss =
           comp(t, "loss", 0, 4, space, RED_SUM, NULL, mul(t, at(t, y, "0123"), at(t, y, "0123"))),
       *d[2];
  assert_true(grad_reverse(t->g, t->diags, loss, (Node *[]){x, w}, 2, d));
  output(t, "dx", d[0]);
  output(t, "dw", d[1]);
}

static const TdProgram *compile(Test *t, const Shape *s, bool chains) {
  BackendOptions o = backend_defaults();
  o.chains = chains;
  Backend *be = backend_new(t->arena, t->diags, "attention", &o);
  if (s->narrow) backend_activations(be, TD_BF16);
  assert_true(backend_entry(be, t->g, "main"));
  return backend_finish(be);
}

static int chains(const TdProgram *p) {
  int n = 0;
  for (int s = 0; s < p->entries[0].nsteps; s++) {
    const TdStep *step = &p->entries[0].steps[s];
    n += step->kind == TD_LAUNCH && strcmp(p->kernels[step->kernel].klass, "chain") == 0;
  }
  return n;
}

/* The largest buffer that some kernel uses. */
static int64_t largest(const TdProgram *p) {
  int64_t most = 0;
  const TdEntry *e = &p->entries[0];
  for (int s = 0; s < e->nsteps; s++)
    for (int i = 0; i < e->steps[s].nargs; i++)
      if (e->buffers[e->steps[s].args[i]].count > most)
        most = e->buffers[e->steps[s].args[i]].count;
  return most;
}

static void *results(Test *t, Compiled *c, int64_t chunk, int64_t *bytes) {
  TdControl control = {7, 1};
  for (int i = 0; i < t->g->top->nodes.n; i++) {
    Node *n = t->g->top->nodes.at[i];
    float *to = n->kind == N_INPUT ? compiled_input(c, 0, n->name) : NULL;
    for (int64_t k = 0; to && k < ir_count(n); k++) to[k] = (float)((k * 37 + i) % 64 - 32) / 32;
  }
  compiled_run(c, 0, control, chunk);
  StrBuf all = {0};
  for (int i = 0; i < t->g->outputs.n; i++) {
    TdType type;
    int64_t count;
    const void *out = compiled_output(c, 0, t->g->outputs.at[i].name, &type, &count);
    sb_write(&all, out, (size_t)count * 4);
  }
  *bytes = (int64_t)all.n;
  void *copy = arena_strndup(t->arena, all.s, all.n);
  sb_free(&all);
  return copy;
}

/* ---- the cases ------------------------------------------------------------------------ */

typedef struct Case {
  const char *name;
  Shape shape;
} Case;

static const Case cases[] = {
    {"forward", {2, 48, 3, 16, .layers = 1}},
    {"gradients", {2, 64, 3, 16, .layers = 2, .gradients = true}},
    /* Without a loop one region has both: the scores are computed twice there. */
    {"one_layer", {2, 64, 3, 16, .layers = 1, .gradients = true}},
    {"one_causal_layer",
     {2, 83, 3, 16, .layers = 1, .gradients = true, .causal = true, .bias = true}},
    {"one_dropped_layer", {2, 64, 2, 16, .layers = 1, .gradients = true, .dropout = true}},
    {"causal", {2, 64, 2, 16, .layers = 2, .gradients = true, .causal = true}},
    {"dropout", {2, 64, 2, 16, .layers = 2, .gradients = true, .dropout = true}},
    {"odd_extents",
     {3, 83, 5, 11, .layers = 2, .gradients = true, .causal = true, .targets = true}},
    /* Rows are (head, query): no head is in the operands that are packed. */
    {"shared_keys", {4, 64, 3, 16, .layers = 2, .gradients = true, .shared_keys = true}},
    {"bias", {2, 64, 2, 16, .layers = 2, .gradients = true, .bias = true}},
    /* k in more than one block, and a block of few rows */
    {"long_rows", {2, 420, 2, 8, .layers = 2, .gradients = true, .causal = true}},
    /* odd extents too: k and rows that are no whole tiles */
    {"narrow", {2, 83, 3, 24, .layers = 2, .gradients = true, .causal = true, .narrow = true}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static Test planned[CASES];
static Library *wide_kernels, *narrow_kernels; /* of all cases, in f32 and in bf16 */

static Library *kernels_of(bool narrow) {
  const TdProgram *programs[CASES];
  int n = 0;
  for (int i = 0; i < CASES; i++) {
    if (cases[i].shape.narrow != narrow) continue;
    planned[i].program = n;
    programs[n++] = planned[i].with;
  }
  return library_new(programs, n, NULL);
}

static int plan_all(void **state) {
  (void)state;
  for (int i = 0; i < CASES; i++) {
    Test *t = &planned[i];
    *t = (Test){.arena = arena_new()};
    t->diags = diags_new(t->arena);
    t->g = graph_new(t->arena, interner_new(t->arena), "attention");
    t->r = t->g->top;
    build(t, &cases[i].shape);
    const char *why = ir_verify(t->g);
    if (why) fail_msg("%s: %s", cases[i].name, why);
    t->with = compile(t, &cases[i].shape, true);
    t->without = compile(t, &cases[i].shape, false);
  }
  wide_kernels = kernels_of(false);
  narrow_kernels = kernels_of(true);
  return wide_kernels && narrow_kernels ? 0 : -1;
}

static int free_all(void **state) {
  (void)state;
  library_free(wide_kernels);
  library_free(narrow_kernels);
  for (int i = 0; i < CASES; i++) arena_free(planned[i].arena);
  return 0;
}

/* A chain forwards and one backwards, no scores in memory, the evaluator's values, and the
 * same bits whatever pieces a thread gets. */
static void check(void **state) {
  const Case *k = *state;
  const Shape *s = &k->shape;
  Test *t = &planned[k - cases];
  const int64_t scores = s->b * s->h * s->l * s->l;
  assert_int_equal(chains(t->with), s->gradients ? 2 : 1);
  assert_int_equal(chains(t->without), 0);
  assert_true(largest(t->with) < scores);
  assert_true(largest(t->without) >= scores);
  Compiled *c = compiled_of(s->narrow ? narrow_kernels : wide_kernels, t->program);
  assert_int_equal(compiled_compare(c, 0, t->g, 1, s->narrow ? 0.06 : 2e-4, 1), 0);
  int64_t n, m;
  const void *one = results(t, c, INT64_MAX / 2, &n), *three = results(t, c, 3, &m);
  assert_int_equal(n, m);
  assert_memory_equal(one, three, (size_t)n);
  compiled_free(c);
#ifdef __x86_64__
  for (int i = 0; s->targets && i < 2; i++) { /* 4 lanes, 8 lanes */
    const char *const flags[] = {"-O1", i ? "-march=x86-64-v3" : "-march=x86-64", NULL};
    if (i && !__builtin_cpu_supports("avx2")) continue;
    c = compiled_new(t->with, flags);
    assert_non_null(c);
    assert_int_equal(compiled_compare(c, 0, t->g, 2, 2e-4, 1), 0);
    compiled_free(c);
  }
#endif
}

int main(void) {
  struct CMUnitTest tests[CASES];
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
