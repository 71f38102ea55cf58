/* SPDX-License-Identifier: MIT */
/* Convolutions and their gradients as kernels, against sums over taps that are written
 * out here: one to three axes, strides, dilations, edges, groups, turned around. All
 * numbers are small integers, and so every sum is exact. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/verify.h"
#include "tests/compiled.h"

static const Span nowhere;

enum { AXES = 3, B = 2, FEW = 8, STORED = 1 << 14, WORK_LEAST = 1 << 15 };
/* spatial axes; rows of a batch; channels; numbers of x; multiplications of a product */

/* y[b, p.., g, o] = sum over taps t.. and i of x[b, s p + d t - e .., g, i] w[t.., g, i, o] */
typedef struct Conv {
  const char *name;
  int axes;
  int in[AXES], out[AXES], taps[AXES], step[AXES], apart[AXES], edge[AXES];
  int groups, channels, results;
  int batch;
} Conv;

static const Conv convs[] = {
    {"three taps", 1, {40}, {40}, {3}, {1}, {1}, {1}, 1, 16, 32, B},
    {"an odd width", 1, {23}, {23}, {5}, {1}, {2}, {4}, 1, 19, 24, B},
    {"every other place", 1, {40}, {20}, {3}, {2}, {1}, {1}, 1, 16, 32, B},
    {"every third", 1, {41}, {14}, {4}, {3}, {1}, {2}, 1, 24, 16, B},
    {"apart and strided", 1, {30}, {15}, {3}, {2}, {3}, {3}, 1, 32, 16, B},
    {"a picture", 2, {12, 10}, {12, 10}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 16, 32, B},
    {"three colours", 2, {12, 12}, {12, 12}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 3, 32, B},
    {"half a picture", 2, {12, 16}, {6, 8}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, 1, 32, 16, B},
    {"groups", 1, {20}, {20}, {3}, {1}, {1}, {1}, 2, 16, 16, B},
    {"made of others", 2, {32, 32}, {32, 32}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 16, 16, B},
    {"a picture made", 2, {23, 25}, {23, 25}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 32, 16, B},
    {"made, and strided", 1, {600}, {300}, {3}, {2}, {1}, {1}, 1, 32, 16, B},
    {"moved", 1, {48}, {48}, {3}, {1}, {1}, {1}, 1, 32, 64, B},
    {"moved far", 1, {64}, {64}, {5}, {1}, {3}, {7}, 1, 64, 32, B},
    {"moved past both ends", 1, {32}, {48}, {4}, {1}, {2}, {11}, 1, 32, 32, B},
    {"moved in strides", 1, {95}, {48}, {3}, {2}, {1}, {1}, 1, 32, 32, B},
    {"moved by threes", 1, {100}, {32}, {7}, {3}, {1}, {2}, 1, 32, 32, B},
    {"a moved picture", 2, {12, 32}, {12, 32}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 32, 32, B},
    {"a moved one, narrow", 2, {20, 16}, {20, 16}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 64, 64, B},
    {"half a moved one", 2, {23, 32}, {11, 16}, {3, 3}, {2, 2}, {1, 1}, {0, 1}, 1, 32, 64, B},
    {"a moved one, apart", 2, {20, 40}, {18, 32}, {2, 3}, {1, 1}, {2, 5}, {0, 1}, 1, 128, 32, B},
    {"moved groups", 1, {64}, {64}, {3}, {1}, {1}, {1}, 2, 32, 32, B},
    {"cubes", 3, {5, 6, 16}, {5, 6, 16}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 1, 32, 32, B},
    {"strides without overlap", 1, {96}, {48}, {2}, {2}, {1}, {0}, 1, 32, 32, 16},
    {"the same, cut off", 1, {50}, {16}, {3}, {3}, {1}, {0}, 1, 48, 40, 16},
    {"a quarter of a picture", 2, {12, 32}, {6, 16}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, 1, 32, 64, 16},
    {"a ninth, in groups", 2, {9, 15}, {3, 5}, {3, 3}, {3, 3}, {1, 1}, {0, 0}, 2, 32, 32, 16},
    {"every third of many, to an odd end", 1, {119}, {40}, {5}, {3}, {1}, {1}, 1, 32, 32, 8},
    {"by two, four taps", 2, {32, 32}, {16, 16}, {4, 4}, {2, 2}, {1, 1}, {1, 1}, 1, 32, 32, B},
    {"by two and three", 2, {33, 30}, {17, 10}, {3, 5}, {2, 3}, {1, 2}, {1, 1}, 1, 32, 48, B},
    {"a cube by twos",
     3,
     {8, 8, 16},
     {4, 4, 8},
     {3, 3, 3},
     {2, 2, 2},
     {1, 1, 1},
     {1, 1, 1},
     1,
     64,
     64,
     8},
    {"turned in pieces", 2, {16, 64}, {16, 64}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, 64, 40, B},
    {"turned, half a tile", 1, {64}, {64}, {5}, {1}, {2}, {4}, 1, 48, 65, B},
    {"turned past an end", 1, {300}, {352}, {4}, {1}, {3}, {2}, 1, 96, 24, B},
    {"a volume", 3, {6, 5, 4}, {6, 5, 4}, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, 1, 16, 16, B},
    {"more than vectors", 1, {40}, {40}, {3}, {1}, {1}, {1}, 1, 65, 65, B},
};
enum { CONVS = sizeof convs / sizeof *convs };

static int64_t product(const int *n, int axes) {
  int64_t all = 1;
  for (int a = 0; a < axes; a++) all *= n[a];
  return all;
}

static void split(int64_t flat, const int *n, int axes, int *at) {
  for (int a = axes - 1; a >= 0; a--) {
    at[a] = (int)(flat % n[a]);
    flat /= n[a];
  }
}

/* Where tap t of result p lies among the inputs; -1: outside. */
static int64_t place(const Conv *c, int64_t p, int64_t t) {
  int at[AXES], tap[AXES];
  int64_t flat = 0;
  split(p, c->out, c->axes, at);
  split(t, c->taps, c->axes, tap);
  for (int a = 0; a < c->axes; a++) {
    int i = c->step[a] * at[a] + c->apart[a] * tap[a] - c->edge[a];
    if (i < 0 || i >= c->in[a]) return -1;
    flat = flat * c->in[a] + i;
  }
  return flat;
}

typedef struct Values {
  int64_t x, w, y; /* how many */
  float *data[3], *want[3];
} Values;
enum { X, W, Y };

/* y, and the gradients of sum(y v) by x and w. */
static Values by_hand(Arena *arena, const Conv *c) {
  const int64_t places = product(c->in, c->axes), results = product(c->out, c->axes),
                taps = product(c->taps, c->axes), batch = c->batch;
  Values v = {.x = batch * places * c->groups * c->channels,
              .w = taps * c->groups * c->channels * c->results,
              .y = batch * results * c->groups * c->results};
  const int64_t counts[3] = {v.x, v.w, v.y};
  for (int k = 0; k < 3; k++) {
    v.data[k] = NEWN(arena, float, (size_t)counts[k]);
    v.want[k] = NEWN(arena, float, (size_t)counts[k]);
    for (int64_t i = 0; i < counts[k]; i++) v.data[k][i] = (float)((i * (7 + k) + i / 5) % 5 - 2);
  }
  for (int64_t b = 0; b < batch; b++)
    for (int64_t p = 0; p < results; p++)
      for (int64_t t = 0; t < taps; t++) {
        const int64_t at = place(c, p, t);
        for (int64_t g = 0; at >= 0 && g < c->groups; g++)
          for (int64_t i = 0; i < c->channels; i++)
            for (int64_t o = 0; o < c->results; o++) {
              const int64_t x = ((b * places + at) * c->groups + g) * c->channels + i,
                            w = ((t * c->groups + g) * c->channels + i) * c->results + o,
                            y = ((b * results + p) * c->groups + g) * c->results + o;
              v.want[Y][y] += v.data[X][x] * v.data[W][w];
              v.want[X][x] += v.data[Y][y] * v.data[W][w];
              v.want[W][w] += v.data[Y][y] * v.data[X][x];
            }
      }
  return v;
}

/* An input over the batch, spatial axes, groups and channels; of weights without the batch. */
static Node *input(Graph *g, const char *name, bool batch, const Conv *c, const int *n,
                   int channels, int results) {
  int64_t shape[IR_MAX_RANK];
  int rank = 0;
  if (batch) shape[rank++] = c->batch;
  for (int a = 0; a < c->axes; a++) shape[rank++] = n[a];
  shape[rank++] = c->groups;
  shape[rank++] = channels;
  if (results) shape[rank++] = results;
  return ir_input(g, name, TY_REAL, rank, shape, 0, 0, nowhere);
}

static void output(Graph *g, const char *name, Node *n) {
  Output o = {name, n};
  vec_push(g->arena, &g->outputs, o);
}

/* Variables: b, p.., g, o, then t.., i. */
static Node *convolution(Graph *g, const Conv *c, Node *x, Node *w) {
  const int rank = c->axes + 3, group = c->axes + 1, result = c->axes + 2, tap = rank,
            channel = rank + c->axes;
  int64_t extent[IR_MAX_VARS];
  Expr *at_x[IR_MAX_RANK], *at_w[IR_MAX_RANK], *inside = NULL;
  extent[0] = c->batch;
  at_x[0] = ex_var(g, 0);
  for (int a = 0; a < c->axes; a++) {
    extent[1 + a] = c->out[a];
    extent[tap + a] = c->taps[a];
    Expr *i = ex2(g, P_add, ex2(g, P_mul, ex_int(g, c->step[a]), ex_var(g, 1 + a)),
                  ex2(g, P_mul, ex_int(g, c->apart[a]), ex_var(g, tap + a)));
    i = ex2(g, P_sub, i, ex_int(g, c->edge[a]));
    inside = ex_and(g, inside, ex2(g, P_le, ex_int(g, 0), i));
    inside = ex_and(g, inside, ex2(g, P_lt, i, ex_int(g, c->in[a])));
    at_x[1 + a] = i;
    at_w[a] = ex_var(g, tap + a);
  }
  extent[group] = c->groups;
  extent[result] = c->results;
  extent[channel] = c->channels;
  at_x[group] = at_w[c->axes] = ex_var(g, group);
  at_x[group + 1] = at_w[c->axes + 1] = ex_var(g, channel);
  at_w[c->axes + 2] = ex_var(g, result);
  Expr *moved = ex3(g, P_select, inside, ex_read(g, x, at_x), ex_num(g, 0));
  return ir_comp(g, g->top, "y", nowhere, rank, c->axes + 1, extent, RED_SUM, NULL,
                 ex2(g, P_mul, moved, ex_read(g, w, at_w)));
}

/* x again, stored before: in bf16, where there are so many; by more operations than are worth
 * doing twice. */
static Node *made(Graph *g, Node *x) {
  Expr *e = ex2(g, P_max, ir_read_all(g, x), ex_num(g, -9));
  for (int i = 8; i > 3; i--) e = ex2(g, P_max, e, ex_num(g, -i));
  return ir_comp(g, g->top, "made", nowhere, x->rank, 0, x->shape, RED_NONE, NULL, e);
}

/* The training of sum(y v): outputs y, dx, dw. */
static const TdProgram *program(Arena *arena, const Conv *c, TdType act, int split_in) {
  Graph *g = graph_new(arena, interner_new(arena), "conv");
  Diags *diags = diags_new(arena);
  Node *x = input(g, "x", true, c, c->in, c->channels, 0),
       *w = input(g, "w", false, c, c->taps, c->channels, c->results),
       *v = input(g, "v", true, c, c->out, c->results, 0), *d[2];
  Node *y = convolution(g, c, ir_count(x) < STORED ? x : made(g, x), w);
  Node *loss = ir_comp(g, g->top, "loss", nowhere, 0, y->rank, y->shape, RED_SUM, NULL,
                       ex2(g, P_mul, ir_read_all(g, y), ir_read_all(g, v)));
  assert_true(grad_reverse(g, diags, loss, (Node *[]){x, w}, 2, d));
  output(g, "y", y);
  output(g, "dx", d[0]);
  output(g, "dw", d[1]);
  const char *why = ir_verify(g);
  if (why) fail_msg("%s: %s", c->name, why);
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(arena, diags, "conv", &o);
  backend_activations(be, act);
  backend_split(be, split_in);
  assert_true(backend_entry(be, g, "main"));
  return backend_finish(be);
}

/* Residues of an axis's inputs that any tap meets, where taps overlap in steps: the gradient is a
 * product for each of these. */
static int residues(const Conv *c, int axis) {
  const int step = c->step[axis];
  int met = 0;
  if (step == 1 || c->taps[axis] <= step) return 1;
  for (int r = 0; r < step; r++) {
    bool meets = false;
    for (int t = 0; t < c->taps[axis]; t++)
      meets = meets || (r + c->edge[axis] - c->apart[axis] * t) % step == 0;
    met += meets;
  }
  return met;
}

/* Those of the program; few columns are none, and a product whose parts would be small is one. */
static int expected(const Conv *c) {
  int64_t rows = c->batch;
  int by_x = 1;
  for (int a = 0; a < c->axes; a++) {
    rows *= c->in[a] / c->step[a];
    by_x *= residues(c, a);
  }
  if (rows * c->channels * c->results < WORK_LEAST) by_x = 1;
  return (c->channels < FEW ? 0 : by_x) + 2;
}

static int products(const TdProgram *p) {
  int n = 0;
  for (int i = 0; i < p->nkernels; i++) n += strcmp(p->kernels[i].klass, "contraction") == 0;
  return n;
}

/* bf16 holds these integers and rounds what is stored in it: outputs are floats. From `first` on
 * every `by`th, TDC_TEST_LONG=1 all of them. */
static void check(TdType act, int split_in, int first, int by) {
  Arena *arena = arena_new();
  const char *longer = getenv("TDC_TEST_LONG");
  const TdProgram *programs[CONVS];
  int n = 0;
  if (longer && *longer == '1') first = 0, by = 1;
  for (int i = first; i < CONVS; i += by) programs[n++] = program(arena, &convs[i], act, split_in);
  Library *l = library_new(programs, n, NULL);
  assert_non_null(l);
  for (int i = 0; i < n; i++) {
    const Conv *c = &convs[first + i * by];
    if (products(programs[i]) != expected(c))
      fail_msg("%s: %d products", c->name, products(programs[i]));
    Values v = by_hand(arena, c);
    Compiled *run = compiled_of(l, i);
    memcpy(compiled_input(run, 0, "x"), v.data[X], (size_t)v.x * sizeof(float));
    memcpy(compiled_input(run, 0, "w"), v.data[W], (size_t)v.w * sizeof(float));
    memcpy(compiled_input(run, 0, "v"), v.data[Y], (size_t)v.y * sizeof(float));
    for (int64_t chunk = 1; chunk < 100; chunk += 98) {
      compiled_run(run, 0, (TdControl){1, 1}, chunk);
      static const char *const names[] = {"dx", "dw", "y"};
      for (int k = 0; k < 3; k++) {
        TdType type;
        int64_t count;
        const float *got = compiled_output(run, 0, names[k], &type, &count);
        assert_int_equal(type, TD_F32);
        for (int64_t e = 0; e < count; e++)
          if (got[e] != v.want[k][e])
            fail_msg("%s: %s[%lld] is %g, not %g", c->name, names[k], (long long)e, (double)got[e],
                     (double)v.want[k][e]);
      }
    }
    compiled_free(run);
  }
  library_free(l);
  arena_free(arena);
}

static void as_floats(void **state) {
  (void)state;
  check(TD_F32, 0, 0, 2);
}

static void in_bf16(void **state) {
  (void)state;
  check(TD_BF16, 0, 0, 1);
}

static void in_parts(void **state) {
  (void)state;
  check(TD_F32, 6, 1, 2);
}

static void rounded(void **state) {
  (void)state;
  check(TD_F32, TD_SPLIT_BF16, 0, 2);
}

/* x = 1 2 3 4, w = 1 10 100, one place of edge: each result by hand. */
static void by_eye(void **state) {
  (void)state;
  Arena *arena = arena_new();
  const Conv c = {"four numbers", 1, {4}, {4}, {3}, {1}, {1}, {1}, 1, 16, 16, B};
  const TdProgram *p = program(arena, &c, TD_F32, 0);
  Library *l = library_new(&p, 1, NULL);
  assert_non_null(l);
  Compiled *run = compiled_of(l, 0);
  float *x = compiled_input(run, 0, "x"), *w = compiled_input(run, 0, "w"),
        *v = compiled_input(run, 0, "v");
  for (int i = 0; i < 4; i++) x[i * 16 + 5] = (float)(i + 1); /* of the first of the batch */
  for (int t = 0; t < 3; t++) w[(t * 16 + 5) * 16 + 7] = t == 0 ? 1 : t == 1 ? 10 : 100;
  v[2 * 16 + 7] = 1;
  compiled_run(run, 0, (TdControl){1, 1}, 1);
  TdType type;
  int64_t count;
  const float *y = compiled_output(run, 0, "y", &type, &count);
  const float want[] = {210, 321, 432, 43};
  for (int i = 0; i < 4; i++) assert_true(y[i * 16 + 7] == want[i] && y[i * 16 + 6] == 0);
  const float *dx = compiled_output(run, 0, "dx", &type, &count);
  const float by_x[] = {0, 1, 10, 100};
  for (int i = 0; i < 4; i++) assert_true(dx[i * 16 + 5] == by_x[i]);
  const float *dw = compiled_output(run, 0, "dw", &type, &count);
  for (int t = 0; t < 3; t++) assert_true(dw[(t * 16 + 5) * 16 + 7] == (float)(t + 2));
  compiled_free(run);
  library_free(l);
  arena_free(arena);
}

/* A picture of 32 x 32 read in steps of two by three taps each way: an even place is met by the
 * middle tap, an odd one by two, so that 9 taps are multiplied for each of the 16 x 16 results, as
 * in the product itself, where 36 would be with those of which the condition leaves nothing. */
static void multiplied(void **state) {
  (void)state;
  Arena *arena = arena_new();
  const Conv c = {"half a picture", 2,      {32, 32}, {16, 16}, {3, 3}, {2, 2},
                  {1, 1},           {1, 1}, 1,        32,       32,     B};
  const TdProgram *p = program(arena, &c, TD_F32, 0);
  const double once = 2.0 * B * 16 * 16 * 9 * 32 * 32;
  double all = 0;
  for (int i = 0; i < p->nkernels; i++)
    if (strcmp(p->kernels[i].klass, "contraction") == 0) all += p->kernels[i].flops;
  assert_true(all >= 3 * once && all < 3.2 * once); /* y, dw, dx; and maps behind them */
  arena_free(arena);
}

/* Numbers that tiles of bf16 have no parts of, among places that are packed once for all taps: of
 * 32 channels the fourth is passed on by the middle tap, and 8 times that by the last one. */
static void extremes(void **state) {
  (void)state;
  enum { PLACES = 32, CHANNELS = 32, FROM = 3, TO = 7 };
  Arena *arena = arena_new();
  const Conv c = {"extremes", 1, {PLACES}, {PLACES}, {3}, {1}, {1}, {1}, 1, CHANNELS, CHANNELS, B};
  const TdProgram *p = program(arena, &c, TD_F32, 6);
  Library *l = library_new(&p, 1, NULL);
  assert_non_null(l);
  Compiled *run = compiled_of(l, 0);
  float *x = compiled_input(run, 0, "x"), *w = compiled_input(run, 0, "w");
  w[(1 * CHANNELS + FROM) * CHANNELS + TO] = 1;
  w[(2 * CHANNELS + FROM) * CHANNELS + TO] = 8;
  for (int i = 0; i < PLACES; i++) x[i * CHANNELS + FROM] = i == PLACES - 1 ? 0x1.8p-140f : 0;
  x[5 * CHANNELS + FROM] = 0x1.8p+127f; /* eight times that is infinite */
  x[17 * CHANNELS + FROM] = 0x1.234566p-120f;
  compiled_run(run, 0, (TdControl){1, 1}, 1);
  TdType type;
  int64_t count;
  const float *y = compiled_output(run, 0, "y", &type, &count);
  for (int i = 0; i < PLACES; i++) {
    const float want = i == 4    ? INFINITY
                       : i == 5  ? 0x1.8p+127f
                       : i == 16 ? 0x1.234566p-117f
                       : i == 17 ? 0x1.234566p-120f
                       : i == 30 ? 0x1.8p-137f
                       : i == 31 ? 0x1.8p-140f
                                 : 0;
    assert_true(y[i * CHANNELS + TO] == want);
  }
  compiled_free(run);
  library_free(l);
  arena_free(arena);
}

/* The same where places are turned for the gradient of the weights: of x, whose fourth channel has
 * numbers that tiles have no parts of, and v, which is 1 at one place and 8 at the next, each tap
 * takes two. Where there are none of these, parts of bf16 multiply; both by hand. */
static void extremes_turned(void **state) {
  (void)state;
  enum { PLACES = 32, CHANNELS = 32, FROM = 3, TO = 7, AT = 10 };
  Arena *arena = arena_new();
  const Conv c = {"extremes", 1, {PLACES}, {PLACES}, {3}, {1}, {1}, {1}, 1, CHANNELS, CHANNELS, B};
  const TdProgram *p = program(arena, &c, TD_F32, 6);
  bool turned = false;
  for (int i = 0; i < p->nkernels; i++)
    turned = turned || (p->kernels[i].source && strstr(p->kernels[i].source, "td_split_turned(") &&
                        strstr(p->kernels[i].source, "td_float_places("));
  assert_true(turned); /* and copied once where there are no tiles */
  Library *l = library_new(&p, 1, NULL);
  assert_non_null(l);
  static const float wide[] = {0x1.8p-140f, 0x1.234566p-120f, 0x1.8p-139f, 0x1.8p+127f},
                     plain[] = {3, 0x1.234566p-10f, 0x1.8p+9f, -1};
  static const float *const numbers[] = {wide, plain};
  for (int which = 0; which < 2; which++) {
    const float *n = numbers[which];
    const float want[] = {n[0] + 8 * n[1], n[1] + 8 * n[2], n[2] + 8 * n[3]};
    Compiled *run = compiled_of(l, 0);
    float *x = compiled_input(run, 0, "x"), *v = compiled_input(run, 0, "v");
    for (int i = 0; i < 4; i++) x[(AT - 1 + i) * CHANNELS + FROM] = n[i];
    v[AT * CHANNELS + TO] = 1;
    v[(AT + 1) * CHANNELS + TO] = 8;
    compiled_run(run, 0, (TdControl){1, 1}, 1);
    TdType type;
    int64_t count;
    const float *dw = compiled_output(run, 0, "dw", &type, &count);
    for (int t = 0; t < 3; t++)
      for (int i = 0; i < CHANNELS * CHANNELS; i++)
        assert_true(dw[t * CHANNELS * CHANNELS + i] == (i == FROM * CHANNELS + TO ? want[t] : 0));
    compiled_free(run);
  }
  library_free(l);
  arena_free(arena);
}

/* Rows that are looked up lie side by side, whatever lies between the numbers of which: they are
 * copied as runs. t = 1, 2 and 3 in its third column, x = 2 0 1, w = 1 10 100. */
static void looked_up(void **state) {
  (void)state;
  enum { PLACES = 3, ROWS = 3, CHANNELS = 16, RESULTS = 16, TAPS = 3, BATCH = 16 };
  Arena *arena = arena_new();
  Diags *diags = diags_new(arena);
  Graph *g = graph_new(arena, interner_new(arena), "looked_up");
  Node *x = ir_input(g, "x", TY_INT, 2, (int64_t[]){BATCH, PLACES}, 0, ROWS, nowhere),
       *t = ir_input(g, "t", TY_REAL, 2, (int64_t[]){ROWS, CHANNELS}, 0, 0, nowhere),
       *w = ir_input(g, "w", TY_REAL, 3, (int64_t[]){TAPS, CHANNELS, RESULTS}, 0, 0, nowhere);
  Expr *at = ex2(g, P_sub, ex2(g, P_add, ex_var(g, 1), ex_var(g, 3)), ex_int(g, 1));
  Expr *row = ex_read(g, x, (Expr *[]){ex_var(g, 0), at});
  Expr *inside = ex_and(g, ex2(g, P_le, ex_int(g, 0), at), ex2(g, P_lt, at, ex_int(g, PLACES)));
  Expr *moved =
      ex3(g, P_select, inside, ex_read(g, t, (Expr *[]){row, ex_var(g, 4)}), ex_num(g, 0));
  Expr *tap = ex_read(g, w, (Expr *[]){ex_var(g, 3), ex_var(g, 4), ex_var(g, 2)});
  output(g, "y",
         ir_comp(g, g->top, "y", nowhere, 3, 2, (int64_t[]){BATCH, PLACES, RESULTS, TAPS, CHANNELS},
                 RED_SUM, NULL, ex2(g, P_mul, moved, tap)));
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(arena, diags, "looked_up", &o);
  assert_true(backend_entry(be, g, "main"));
  const TdProgram *p = backend_finish(be);
  bool runs = false;
  for (int i = 0; i < p->nkernels; i++)
    runs = runs || (strcmp(p->kernels[i].klass, "contraction") == 0 &&
                    strstr(p->kernels[i].source, "source, run)"));
  assert_true(runs);
  Library *l = library_new(&p, 1, NULL);
  assert_non_null(l);
  Compiled *run = compiled_of(l, 0);
  int32_t *ids = compiled_input(run, 0, "x");
  float *table = compiled_input(run, 0, "t"), *weights = compiled_input(run, 0, "w");
  ids[0] = 2, ids[1] = 0, ids[2] = 1; /* of the first of the batch; the others look up row 0 */
  for (int i = 0; i < ROWS; i++) table[i * CHANNELS + 2] = (float)(i + 1);
  for (int i = 0; i < TAPS; i++)
    weights[(i * CHANNELS + 2) * RESULTS + 7] = i == 0 ? 1 : i == 1 ? 10 : 100;
  compiled_run(run, 0, (TdControl){1, 1}, 1);
  TdType type;
  int64_t count;
  const float *y = compiled_output(run, 0, "y", &type, &count);
  const float want[] = {130, 213, 21, 110, 111, 11};
  for (int i = 0; i < 6; i++) assert_true(y[i * RESULTS + 7] == want[i]);
  compiled_free(run);
  library_free(l);
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_eye),          cmocka_unit_test(looked_up),  cmocka_unit_test(extremes),
      cmocka_unit_test(extremes_turned), cmocka_unit_test(multiplied), cmocka_unit_test(as_floats),
      cmocka_unit_test(in_bf16),         cmocka_unit_test(in_parts),   cmocka_unit_test(rounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
