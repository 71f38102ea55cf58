/* SPDX-License-Identifier: MIT */
/* Chains of products: attention and its gradients become few kernels that keep
 * nothing of length x length in memory, and mean what the evaluator means. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "tests/attention.h"
#include "tests/compiled.h"

typedef struct Test {
  Arena *arena;
  Diags *diags;
  Graph *g;
  const TdProgram *with, *without; /* chains */
  int program;                     /* with: its number in the library of its kind */
} Test;

static const TdProgram *compile(Test *t, const Attention *s, bool chains) {
  BackendOptions o = backend_defaults();
  o.chains = chains;
  Backend *be = backend_new(t->arena, t->diags, "attention", &o);
  if (s->narrow && s->wide)
    backend_split(be, TD_SPLIT_BF16);
  else if (s->narrow)
    backend_activations(be, TD_BF16);
  if (s->product) backend_split(be, s->product);
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

/* Products in parts in kernels of chains. */
static int parts(const TdProgram *p) {
  int n = 0;
  for (int k = 0; k < p->nkernels; k++)
    for (const char *s = p->kernels[k].source;
         strcmp(p->kernels[k].klass, "chain") == 0 && (s = strstr(s, "td_split_row(")); s++)
      n++;
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
  Attention shape;
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
    /* windows that leave tiles out, on both sides; keys of all heads in one piece */
    {"band", {2, 200, 2, 16, .layers = 2, .gradients = true, .band = 9, .targets = true}},
    {"causal_band", {2, 200, 2, 16, .layers = 1, .gradients = true, .causal = true, .bias = true}},
    {"dropped_band", {2, 164, 2, 16, .layers = 1, .gradients = true, .band = 20, .dropout = true}},
    {"shared_band",
     {4, 150, 3, 16, .layers = 1, .gradients = true, .band = 17, .shared_keys = true}},
    {"narrow_band", {2, 203, 2, 16, .layers = 1, .gradients = true, .band = 30, .narrow = true}},
    /* two windows, of which the blocks of some rows have one */
    {"sinks",
     {2, 260, 2, 16, .layers = 1, .gradients = true, .band = 9, .sinks = 4, .dropout = true}},
    {"narrow_sinks",
     {2, 233, 2, 16, .layers = 1, .gradients = true, .band = 20, .sinks = 40, .narrow = true}},
    {"sinks_in_parts",
     {2, 260, 2, 33, .layers = 1, .gradients = true, .band = 9, .sinks = 3, .product = TD_SPLIT6}},
    /* odd extents too: k and rows that are no whole tiles */
    {"narrow", {2, 83, 3, 24, .layers = 2, .gradients = true, .causal = true, .narrow = true}},
    {"narrow_of_wide",
     {2, 83, 3, 24, .layers = 1, .gradients = true, .causal = true, .narrow = true, .wide = true}},
    {"parts",
     {2, 96, 2, 32, .layers = 1, .gradients = true, .targets = true, .product = TD_SPLIT6}},
    {"odd_parts",
     {2, 93, 3, 33, .layers = 1, .gradients = true, .causal = true, .product = TD_SPLIT6}},
    {"band_in_parts",
     {2, 164, 2, 33, .layers = 1, .gradients = true, .band = 20, .product = TD_SPLIT6}},
    /* k in more than one block, in panels of more cells than a block of k has */
    {"long_parts", {2, 600, 2, 32, .layers = 1, .gradients = true, .product = TD_SPLIT6}},
    {"few_parts", {2, 96, 2, 32, .layers = 1, .gradients = true, .product = TD_SPLIT3}},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static Test planned[CASES];
/* Of all cases, by what their prelude has: f32, bf16, parts. */
enum { WIDE, NARROW, PARTS, KINDS };
static Library *kernels[KINDS];

static int kind_of(const Attention *s) { return s->narrow ? NARROW : s->product ? PARTS : WIDE; }

static Library *kernels_of(int kind) {
  const TdProgram *programs[CASES];
  int n = 0;
  for (int i = 0; i < CASES; i++) {
    if (kind_of(&cases[i].shape) != kind) continue;
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
    t->g = attention_graph(t->arena, t->diags, &cases[i].shape);
    const char *why = ir_verify(t->g);
    if (why) fail_msg("%s: %s", cases[i].name, why);
    t->with = compile(t, &cases[i].shape, true);
    t->without = compile(t, &cases[i].shape, false);
  }
  for (int kind = 0; kind < KINDS; kind++)
    if (!(kernels[kind] = kernels_of(kind))) return -1;
  return 0;
}

static int free_all(void **state) {
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) library_free(kernels[kind]);
  for (int i = 0; i < CASES; i++) arena_free(planned[i].arena);
  return 0;
}

/* A chain forwards and one backwards, no scores in memory, the evaluator's values, and the
 * same bits whatever pieces a thread gets. */
static void check(void **state) {
  const Case *k = *state;
  const Attention *s = &k->shape;
  Test *t = &planned[k - cases];
  const int64_t scores = s->b * s->h * s->l * s->l;
  assert_int_equal(chains(t->with), s->gradients ? 2 : 1);
  assert_int_equal(chains(t->without), 0);
  assert_int_equal(parts(t->with) > 0, s->product != 0);
  assert_true(largest(t->with) < scores);
  assert_true(largest(t->without) >= scores);
  Compiled *c = compiled_of(kernels[kind_of(s)], t->program);
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

/* ---- products in parts ------------------------------------------------------------ */

/* Without being asked for: scores of 384 symbols and more, as often as a part of them is
 * multiplied; not what they weigh, 2 384 64 / (384 + 64) times. With 383 symbols nothing. */
static void parts_where_they_pay(void **state) {
  (void)state;
  for (int64_t l = 383; l <= 384; l++) {
    const Attention shape = {4, l, 1, 64, .layers = 1};
    Test t = {.arena = arena_new()};
    t.diags = diags_new(t.arena);
    t.g = attention_graph(t.arena, t.diags, &shape);
    const TdProgram *p = compile(&t, &shape, true);
    assert_int_equal(chains(p), 1);
    assert_int_equal(parts(p), l >= 384);
    arena_free(t.arena);
  }
}

/* The root of the mean square of what an output is off the evaluator's. */
static double error_of(Compiled *c, Eval *ev, const Graph *g, int output) {
  TdType type;
  int64_t count;
  const float *got = compiled_output(c, 0, g->outputs.at[output].name, &type, &count);
  const double *want = eval_value(ev, g->outputs.at[output].node);
  double sum = 0;
  for (int64_t i = 0; i < count; i++)
    sum += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
  return sqrt(sum / (double)count);
}

/* Attention and its gradients are as near to those in double precision as by multiply-adds. */
static void parts_are_as_exact(void **state) {
  (void)state;
  static const int kinds[] = {0, TD_SPLIT6};
  Attention shape = {2, 160, 2, 64, .layers = 1, .gradients = true};
  Test t = {.arena = arena_new()};
  t.diags = diags_new(t.arena);
  t.g = attention_graph(t.arena, t.diags, &shape);
  Eval *ev = eval_new(t.g, 7, 1);
  Compiled *c[2];
  for (int i = 0; i < 2; i++) {
    shape.product = kinds[i];
    const TdProgram *p = compile(&t, &shape, true);
    assert_int_equal(parts(p) > 0, i);
    c[i] = compiled_new(p, NULL);
    assert_non_null(c[i]);
  }
  uint64_t random = 1;
  for (int i = 0; i < t.g->top->nodes.n; i++) {
    Node *n = t.g->top->nodes.at[i];
    if (n->kind != N_INPUT) continue;
    double *x = eval_bind(ev, n);
    for (int64_t k = 0; k < ir_count(n); k++) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const float number = (float)(int32_t)(random >> 32) * 0x1p-31f;
      x[k] = (double)number;
      for (int kind = 0; kind < 2; kind++)
        ((float *)compiled_input(c[kind], 0, n->name))[k] = number;
    }
  }
  assert_null(eval_run(ev));
  for (int i = 0; i < 2; i++) compiled_run(c[i], 0, (TdControl){7, 1}, 3);
  for (int i = 0; i < t.g->outputs.n; i++) {
    const double fma = error_of(c[0], ev, t.g, i), six = error_of(c[1], ev, t.g, i);
    printf("%s: off by %.2e as fma, %.2e as split6\n", t.g->outputs.at[i].name, fma, six);
    assert_true(fma > 0 && six <= 1.05 * fma);
  }
  for (int i = 0; i < 2; i++) compiled_free(c[i]);
  eval_free(ev);
  arena_free(t.arena);
}

/* ---- bands --------------------------------------------------------------------------------- */

enum { ROWS = 200, WIDTH = 16 };

/* Queries are 0, so all keys that row l sees weigh the same; value k is k: the result is the mean
 * of what it sees. The last rows of `some` see nothing: 0. */
typedef struct Window {
  const char *condition;
  bool (*sees)(int l, int k, int b); /* l sees k in batch b */
  bool several;                      /* windows */
} Window;

/* Data: n and f say how many keys a batch has. */
static const int keys_of[4] = {0, 3, 120, ROWS};
static const int32_t far[4] = {-7, 3, 120, INT32_MAX};
static const float reals[4] = {NAN, 2.5f, 119.001f, 1e30f};

static bool causal(int l, int k, int b) { return (void)b, k <= l; }
static bool last_7(int l, int k, int b) { return (void)b, k <= l && l < k + 7; }
static bool around(int l, int k, int b) { return (void)b, abs(l - k) <= 20; }
static bool blocks(int l, int k, int b) { return (void)b, k / 16 <= l / 16; }
static bool below_150(int l, int k, int b) { return (void)b, l < 150 && k <= l && l - k <= 20; }
static bool length(int l, int k, int b) { return (void)l, k < keys_of[b]; }
static bool within_length(int l, int k, int b) { return k <= l && k < keys_of[b]; }
static bool sinks(int l, int k, int b) { return (void)b, k < 4 || (k <= l && l - k < 20); }
static bool ring(int l, int k, int b) { return (void)b, abs(l - k) <= 120 && abs(l - k) >= 70; }
static bool three(int l, int k, int b) { return (void)b, k < 2 || k >= 198 || abs(l - k) < 5; }
static bool some_rows(int l, int k, int b) { return (void)b, l < 150 && (k < 4 || k >= 160); }
static bool behind(int l, int k, int b) { return (void)l, k < 3 || k >= keys_of[b]; }

static const Window windows[] = {
    {"k <= l", causal, false},
    {"k <= l and l < k + 7", last_7, false},
    {"abs(l - k) <= 20", around, false},
    {"div(k, 16) <= div(l, 16)", blocks, false},
    {"l < 150 and (k <= l and l - k <= 20)", below_150, false},
    {"k < n[b]", length, false},
    {"k < far[b] and k <= l", within_length, false},
    {"real(k) < f[b]", length, false},
    {"k < 4 or (k <= l and l - k < 20)", sinks, true},
    {"abs(l - k) <= 120 and 70 <= abs(l - k)", ring, true},
    {"k < 2 or 198 <= k or abs(l - k) < 5", three, true},
    {"l < 150 and (k < 4 or 160 <= k)", some_rows, true},
    {"k < 3 or n[b] <= k", behind, true},
};

static Graph *window_graph(Arena *a, const Window *w) {
  Diags *d = diags_new(a);
  const char *text = arena_printf(a,
                                  "graph window\n"
                                  "input q: real[4, 200, 16]\n"
                                  "input k: real[4, 200, 16]\n"
                                  "input v: real[4, 200, 16]\n"
                                  "input n: int[4] in 0 .. 200\n"
                                  "input far: int[4]\n"
                                  "input f: real[4]\n"
                                  "s[b:4, l:200, k:200] = sum[e:16](q[b, l, e] * k[b, k, e])\n"
                                  "m[b:4, l:200] = max[k:200 | %s](s[b, l, k])\n"
                                  "x[b:4, l:200, k:200] = %s ? exp(s[b, l, k] - m[b, l]) : 0.0\n"
                                  "z[b:4, l:200] = sum[k:200](x[b, l, k])\n"
                                  "p[b:4, l:200, k:200] = x[b, l, k] * "
                                  "(z[b, l] == 0.0 ? 0.0 : 1.0 / z[b, l])\n"
                                  "y[b:4, l:200, e:16] = sum[k:200](p[b, l, k] * v[b, k, e])\n"
                                  "output y = y\n",
                                  w->condition, w->condition);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "window.ir", text, strlen(text)));
  if (!g) fail_msg("%s: %s", w->condition, diags_at(d, 0)->message);
  return g;
}

/* What is outside adds nothing, unless 0 times it is something: one infinite value is 0 * inf, not
 * a number, for all that do not see it. */
static void see_windows(void **state) {
  const int product = *(const int *)*state;
  Arena *a = arena_new();
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
    const Window *w = &windows[i];
    if (w->several && (i % 2) == (product == TD_SPLIT6) && !getenv("TDC_TEST_LONG")) continue;
    BackendOptions o = backend_defaults();
    Backend *be = backend_new(a, diags_new(a), "window", &o);
    backend_split(be, product);
    assert_true(backend_entry(be, window_graph(a, w), "main"));
    const TdProgram *p = backend_finish(be);
    assert_int_equal(chains(p), 1);
    assert_int_equal(parts(p), product == TD_SPLIT6); /* of IN products k is 16 */
    const TdKernel *chain = &p->kernels[p->entries[0].steps[0].kernel];
    assert_int_equal(chain->launch.cpu.pieces, 4 * 7); /* 200 rows are 7 strips of 32 */
    if ((strstr(chain->source, "td_windows(") != NULL) != w->several)
      fail_msg("%s: not so many windows", w->condition);
    Compiled *c = compiled_new(p, NULL);
    assert_non_null(c);
    float *v = compiled_input(c, 0, "v");
    for (int at = 0; at < 4 * ROWS * WIDTH; at++) v[at] = (float)(at / WIDTH % ROWS);
    int32_t *n = compiled_input(c, 0, "n");
    for (int b = 0; b < 4; b++) n[b] = keys_of[b];
    memcpy(compiled_input(c, 0, "far"), far, sizeof far);
    memcpy(compiled_input(c, 0, "f"), reals, sizeof reals);
    for (int infinite = 0; infinite < 2; infinite++) {
      if (infinite) v[(2 * ROWS + 100) * WIDTH + 3] = INFINITY;
      compiled_run(c, 0, (TdControl){7, 1}, 3);
      TdType type;
      int64_t count;
      const float *y = compiled_output(c, 0, "y", &type, &count);
      for (int at = 0; at < 4 * ROWS * WIDTH; at++) {
        int l = at / WIDTH % ROWS, b = at / WIDTH / ROWS, sum = 0, seen_keys = 0;
        for (int k = 0; k < ROWS; k++)
          if (w->sees(l, k, b)) sum += k, seen_keys++;
        float mean = seen_keys ? (float)sum / (float)seen_keys : 0;
        bool reached = infinite && b == 2 && at % WIDTH == 3;
        bool seen = w->sees(l, 100, b);
        bool right = !reached ? y[at] > mean - 1e-3f && y[at] < mean + 1e-3f
                     : seen   ? y[at] == INFINITY
                              : isnan(y[at]);
        if (!right)
          fail_msg("%s: row %d is %g, the mean %g%s", w->condition, l, (double)y[at], (double)mean,
                   reached ? " of an infinity" : "");
      }
    }
    compiled_free(c);
  }
  arena_free(a);
}

int main(void) {
  static const int products[] = {TD_SPLIT_F32, TD_SPLIT6};
  struct CMUnitTest tests[CASES + 4];
  tests[CASES] = (struct CMUnitTest)cmocka_unit_test(parts_where_they_pay);
  tests[CASES + 1] = (struct CMUnitTest)cmocka_unit_test(parts_are_as_exact);
  for (int i = 0; i < 2; i++)
    tests[CASES + 2 + i] = (struct CMUnitTest){
        .name = "windows", .test_func = see_windows, .initial_state = (void *)&products[i]};
  for (int i = 0; i < CASES; i++)
    tests[i] = (struct CMUnitTest){
        .name = cases[i].name, .test_func = check, .initial_state = (void *)&cases[i]};
  return cmocka_run_group_tests(tests, plan_all, free_all);
}
