/* SPDX-License-Identifier: MIT */
/* Products under conditions (compiler/plan/product_band.c, compiler/cpu/gemm_band.c): whole
 * numbers, whose sums are exact in every kind of product, against sums made here from the
 * condition as C has it; for steps of k, columns and rows at odd sizes, whatever pieces are run
 * together. Some numbers are infinite or NaN: where a condition leaves them out they do not
 * count. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/ir/ir.h"
#include "compiler/ir/text.h"
#include "tests/compiled.h"

/* Of place q along an axis for place p of another one, in batch b: as text, with Q, P and B. */
typedef struct Condition {
  const char *text;
  bool (*holds)(int64_t q, int64_t p, int64_t b);
} Condition;

static bool causal(int64_t q, int64_t p, int64_t b) { return (void)b, q <= p; }
static bool later(int64_t q, int64_t p, int64_t b) { return (void)b, q > p; }
static bool sliding(int64_t q, int64_t p, int64_t b) { return (void)b, q <= p && p - q < 37; }
static bool near(int64_t q, int64_t p, int64_t b) { return (void)b, llabs(p - q) <= 20; }
static bool blocks(int64_t q, int64_t p, int64_t b) { return (void)b, q / 48 == p / 48; }
static bool twice(int64_t q, int64_t p, int64_t b) { return (void)b, q < 2 * p - 30; }
static bool first(int64_t q, int64_t p, int64_t b) { return (void)p, (void)b, q < 70; }
static bool shifted(int64_t q, int64_t p, int64_t b) { return q + 40 * b <= p; }
static bool last(int64_t q, int64_t p, int64_t b) { return (void)b, q >= 90 && q > p; }
static bool steep(int64_t q, int64_t p, int64_t b) { return (void)b, q < 150 * p; }
static bool rest(int64_t q, int64_t p, int64_t b) { return (void)b, q >= 150 * p + 11; }
static bool middle(int64_t q, int64_t p, int64_t b) { return (void)b, llabs(q - 150 * p) < 3000; }
static bool sinks(int64_t q, int64_t p, int64_t b) {
  return (void)b, q < 20 || (q <= p && p - q < 37);
}
static bool ring(int64_t q, int64_t p, int64_t b) {
  return (void)b, llabs(p - q) <= 150 && llabs(p - q) >= 50;
}
static bool three(int64_t q, int64_t p, int64_t b) {
  return (void)b, q < 10 || q >= 250 || llabs(p - q) < 6;
}
static bool never(int64_t q, int64_t p, int64_t b) { return (void)b, q < p - 90000; }

/* Data: any integer, of which n is none below -50 or above 1000. */
enum { PLACES = 1024 };
static int32_t lengths[PLACES], far[PLACES];
static bool below(int64_t q, int64_t p, int64_t b) { return (void)b, q < lengths[p]; }
static bool batched(int64_t q, int64_t p, int64_t b) { return (void)p, q < lengths[b]; }
static bool around(int64_t q, int64_t p, int64_t b) { return (void)b, far[p] <= q && q <= p; }
static bool begins(int64_t q, int64_t p, int64_t b) {
  return (void)b, q < 5 || (far[p] <= q && q <= p);
}
static bool far_apart(int64_t q, int64_t p, int64_t b) {
  return (void)b, q < 40 || (300 * p <= q && q < 300 * p + 500);
}

static const Condition conditions[] = {
    {"Q <= P", causal},
    {"P < Q", later},
    {"Q <= P and P - Q < 37", sliding},
    {"abs(P - Q) <= 20", near},
    {"div(Q, 48) == div(P, 48)", blocks},
    {"Q < 2 * P - 30", twice},
    {"Q < 70", first},
    {"Q + 40 * B <= P", shifted},
    {"90 <= Q and P < Q", last},
    {"Q < P - 90000", never},
    {"Q < n[P]", below},
    {"Q < n[B]", batched},
    {"far[P] <= Q and Q <= P", around},
    {"Q < 150 * P", steep},
    {"150 * P + 11 <= Q", rest},
    {"abs(Q - 150 * P) < 3000", middle},
    {"(Q < 20 or Q <= P and P - Q < 37)", sinks},
    {"abs(P - Q) <= 150 and 50 <= abs(P - Q)", ring},
    {"(Q < 10 or 250 <= Q or abs(P - Q) < 6)", three},
    {"(Q < 5 or far[P] <= Q and Q <= P)", begins},
    {"(Q < 40 or 300 * P <= Q and Q < 300 * P + 500)", far_apart},
};
enum { DATA = 10, STEEP = 13, SEVERAL = 16, CONDITIONS = sizeof conditions / sizeof *conditions };

/* y[b, i, j] = sum over k (a[b, i, k] x[k, j]), or a lying [b, k, i], x [j, k]; with conditions of
 * k on i, of k on j, and of j on i, or -1 */
typedef struct Product {
  int64_t batch, m, n, k;
  bool a_turned, x_turned;
  int on_a, on_x, on_y;
  bool epilogue; /* 2 y + i is stored */
  TdType act;
  int split;
} Product;

static void put_condition(StrBuf *out, int which, char q, char p, bool batch, bool *any) {
  if (which < 0) return;
  sb_puts(out, *any ? " and " : " | ");
  *any = true;
  for (const char *s = conditions[which].text; *s; s++) {
    if (*s == 'B' && !batch)
      sb_putc(out, '0');
    else
      sb_putc(out, *s == 'Q' ? q : *s == 'P' ? p : *s == 'B' ? 'b' : *s);
  }
}

static char *text_of(const Product *p) {
  StrBuf t = {0};
  const bool batch = p->batch > 1;
  bool any = false;
  char lead[32] = "", of[32] = "", at[8] = "";
  if (batch) {
    snprintf(lead, sizeof lead, "%d, ", (int)p->batch);
    snprintf(of, sizeof of, "b:%d, ", (int)p->batch);
    snprintf(at, sizeof at, "b, ");
  }
  sb_printf(&t, "graph products\ninput a: real[%s%d, %d]\n", lead, (int)(p->a_turned ? p->k : p->m),
            (int)(p->a_turned ? p->m : p->k));
  sb_printf(&t, "input x: real[%d, %d]\n", (int)(p->x_turned ? p->n : p->k),
            (int)(p->x_turned ? p->k : p->n));
  sb_printf(&t, "input n: int[%d] in -50 .. 1000\ninput far: int[%d]\n", PLACES, PLACES);
  sb_printf(&t, "y[%si:%d, j:%d] = sum[k:%d", of, (int)p->m, (int)p->n, (int)p->k);
  put_condition(&t, p->on_a, 'k', 'i', batch, &any);
  put_condition(&t, p->on_x, 'k', 'j', false, &any);
  put_condition(&t, p->on_y, 'j', 'i', batch, &any);
  sb_printf(&t, "](a[%s%s] * x[%s])\n", at, p->a_turned ? "k, i" : "i, k",
            p->x_turned ? "j, k" : "k, j");
  if (p->epilogue)
    sb_printf(&t, "z[%si:%d, j:%d] = 2.0 * y[%si, j] + real(i)\noutput z = z\n", of, (int)p->m,
              (int)p->n, at);
  else
    sb_puts(&t, "output z = y\n");
  return t.s;
}

static Compiled *compile(Arena *a, const Product *p, const char *text, const char **source) {
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "p.ir", text, strlen(text)));
  if (!g) fail_msg("%s: %s", text, diags_at(d, 0)->message);
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(a, d, "products", &o);
  backend_activations(be, p->act);
  backend_split(be, p->split);
  assert_true(backend_entry(be, g, "main"));
  const TdProgram *program = backend_finish(be);
  *source = program->kernels[0].source;
  Compiled *c = compiled_new(program, NULL);
  assert_non_null(c);
  return c;
}

static uint64_t chance_state = 88172645463325252u;
static int64_t chance(int64_t n) {
  chance_state ^= chance_state << 13;
  chance_state ^= chance_state >> 7;
  chance_state ^= chance_state << 17;
  return (int64_t)((chance_state >> 11) % (uint64_t)n);
}

static bool taken(int which, int64_t q, int64_t p, int64_t b) {
  return which < 0 || conditions[which].holds(q, p, b);
}

static int64_t place_a(const Product *p, int64_t b, int64_t i, int64_t k) {
  return b * p->m * p->k + (p->a_turned ? k * p->m + i : i * p->k + k);
}
static int64_t place_x(const Product *p, int64_t k, int64_t j) {
  return p->x_turned ? j * p->k + k : k * p->n + j;
}

/* One of `odd` is infinite or NaN, if any is. */
static void fill(float *to, int64_t count, int odd) {
  for (int64_t i = 0; i < count; i++) {
    to[i] = (float)(chance(7) - 3);
    if (odd && chance(odd) == 0) to[i] = chance(3) ? (chance(2) ? INFINITY : -INFINITY) : NAN;
  }
}

static void fill_data(int32_t *n, int32_t *f) {
  for (int i = 0; i < PLACES; i++) {
    lengths[i] = (int32_t)(chance(4) ? chance(150) : chance(1051) - 50);
    far[i] = (int32_t)chance(4) ? (int32_t)(i - chance(30)) : chance(2) ? INT32_MAX : INT32_MIN;
  }
  memcpy(n, lengths, sizeof lengths);
  memcpy(f, far, sizeof far);
}

static void compare(const Product *p, const char *text, const float *a, const float *x,
                    const float *z) {
  for (int64_t b = 0; b < p->batch; b++)
    for (int64_t i = 0; i < p->m; i++)
      for (int64_t j = 0; j < p->n; j++) {
        float sum = 0;
        for (int64_t k = 0; k < p->k; k++)
          if (taken(p->on_a, k, i, b) && taken(p->on_x, k, j, 0) && taken(p->on_y, j, i, b))
            sum += a[place_a(p, b, i, k)] * x[place_x(p, k, j)];
        if (p->epilogue) sum = 2 * sum + (float)i;
        const float got = z[(b * p->m + i) * p->n + j];
        if (got != sum && !(isnan(got) && isnan(sum)))
          fail_msg("act %d, split %d: z[%d, %d, %d] is %g, not %g, in\n%s", p->act, p->split,
                   (int)b, (int)i, (int)j, (double)got, (double)sum, text);
      }
}

/* What the kernel leaves out: is there anything, and are there several windows? */
enum { BANDED = 1, LISTED = 2 };
static int run(const Product *p, int odd) {
  static const int64_t chunks[] = {INT64_MAX / 2, 1, 3};
  Arena *arena = arena_new();
  const char *source;
  char *text = text_of(p);
  Compiled *c = compile(arena, p, text, &source);
  float *a = compiled_input(c, 0, "a"), *x = compiled_input(c, 0, "x");
  fill(a, p->batch * p->m * p->k, odd);
  fill(x, p->k * p->n, odd);
  fill_data(compiled_input(c, 0, "n"), compiled_input(c, 0, "far"));
  for (int i = 0; i < 3; i++) {
    TdType type;
    int64_t count;
    float *z = (float *)(uintptr_t)compiled_output(c, 0, "z", &type, &count);
    assert_true(type == TD_F32 && count == p->batch * p->m * p->n);
    for (int64_t k = 0; k < count; k++) z[k] = NAN;
    compiled_run(c, 0, (TdControl){1, 1}, chunks[i]);
    compare(p, text, a, x, z);
  }
  const int banded = (strstr(source, "k_from") != NULL ? BANDED : 0) |
                     (strstr(source, "td_windows(") != NULL ? LISTED : 0);
  compiled_free(c);
  free(text);
  arena_free(arena);
  return banded;
}

static int64_t chance_extent(int64_t most) {
  return chance(3) ? 1 + chance(most) : 32 * (1 + chance((most + 31) / 32));
}

static void random_products(TdType act, int split, int count) {
  int banded = 0;
  for (int i = 0; i < count; i++) {
    Product p = {.batch = chance(3) ? 1 : 2,
                 .m = 40 + chance_extent(200),
                 .n = 20 + chance_extent(chance(3) ? 90 : 300),
                 .k = 64 + chance_extent(chance(2) ? 250 : 900),
                 .a_turned = chance(2),
                 .x_turned = chance(2),
                 .on_a = -1,
                 .on_x = -1,
                 .on_y = -1,
                 .epilogue = chance(2),
                 .act = act,
                 .split = split};
    const int kind = i % 5;
    if (kind == 0 || kind == 1 || kind == 3) p.on_a = (int)chance(CONDITIONS);
    if (kind == 2 || kind == 3) p.on_x = (int)chance(CONDITIONS);
    if (kind == 4 || chance(6) == 0) p.on_y = (int)chance(CONDITIONS);
    if (p.on_y >= 0 && p.n < 64) p.n += 64;
    banded += run(&p, i % 3 == 1 ? 700 : 0) & BANDED;
  }
  if (banded * 3 < count) fail_msg("%d of %d products leave something out", banded, count);
}

enum { RANDOM = 24, FEW = 5 }; /* in `make test-long`, in `make test` */
static int products(void) { return getenv("TDC_TEST_LONG") ? RANDOM : FEW; }
static void floats(void **state) {
  (void)state;
  random_products(TD_F32, TD_SPLIT_FMA, products());
}
static void parts(void **state) {
  (void)state;
  random_products(TD_F32, 6, products());
  random_products(TD_F32, 3, products() / 2);
}
static void narrow(void **state) {
  (void)state;
  random_products(TD_BF16, TD_SPLIT_F32, products());
}

/* k in so many blocks that groups of them are added up. */
static void groups_of_blocks(void **state) {
  (void)state;
  for (int i = 0; i < 9; i += getenv("TDC_TEST_LONG") ? 1 : 3) {
    Product p = {.batch = 1,
                 .m = 50,
                 .n = 64,
                 .k = 9000 + 32 * i,
                 .a_turned = i & 1,
                 .on_a = STEEP + i % 3,
                 .on_x = i < 3 ? -1 : STEEP + i / 3 - 1,
                 .on_y = -1,
                 .epilogue = i & 1,
                 .act = TD_F32,
                 .split = i % 2 ? 6 : TD_SPLIT_FMA};
    assert_true(run(&p, 0) & BANDED);
    p.act = TD_BF16;
    assert_true(run(&p, 0) & BANDED);
  }
}

/* Whatever data say, of all rows of a batch, of columns, and of columns for a row. */
static void ends_that_are_data(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    Product p = {.batch = i == 0 ? 2 : 1,
                 .m = 90,
                 .n = 130,
                 .k = 200,
                 .on_a = i == 0 ? DATA + 1 : -1,
                 .on_x = i == 1 ? DATA : -1,
                 .on_y = i == 2 ? DATA + 2 : -1,
                 .act = i == 1 ? TD_F32 : TD_BF16,
                 .split = TD_SPLIT_FMA};
    assert_true(run(&p, i == 1 ? 700 : 0) & BANDED);
  }
}

/* Several windows of steps for rows, for columns, for both, of columns for rows, of all of them; k
 * in one block and in several, some of which no window reaches; in every kind of product. */
static void several_windows(void **state) {
  (void)state;
  static const struct {
    int on_a, on_x, on_y;
  } of[] = {{SEVERAL + 1, SEVERAL, -1},    {SEVERAL, -1, -1},
            {SEVERAL + 2, 0, SEVERAL + 1}, {-1, SEVERAL + 2, -1},
            {0, SEVERAL + 1, SEVERAL + 2}, {-1, -1, SEVERAL},
            {SEVERAL + 3, -1, 0}};
  for (int i = 0; i < (int)(sizeof of / sizeof *of); i++)
    for (int kind = 0; kind < 3; kind++) {
      const bool whole = (i + kind) % 2; /* else in blocks */
      Product p = {.batch = i == 0 ? 2 : 1,
                   .m = 271 + i,
                   .n = 300 + i,
                   .k = whole ? 300 + i : 1000 + i,
                   .a_turned = i % 2,
                   .x_turned = (i + kind) % 3 == 0,
                   .on_a = of[i].on_a,
                   .on_x = of[i].on_x,
                   .on_y = of[i].on_y,
                   .epilogue = i % 3 != 1,
                   .act = kind == 1 ? TD_BF16 : TD_F32,
                   .split = kind == 2 ? 6 : TD_SPLIT_FMA};
      if (!getenv("TDC_TEST_LONG") && (i % 2 || kind != i / 2 % 3)) continue;
      if (!(run(&p, i == 4 ? 700 : 0) & LISTED)) fail_msg("product %d has one window", i);
    }
  if (!getenv("TDC_TEST_LONG")) return;
  /* groups of blocks */
  Product deep = {.batch = 1,
                  .m = 50,
                  .n = 64,
                  .k = 9000,
                  .on_a = SEVERAL + 4,
                  .on_x = -1,
                  .on_y = -1,
                  .act = TD_F32,
                  .split = TD_SPLIT_FMA};
  assert_true(run(&deep, 0) & LISTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(floats),
                                     cmocka_unit_test(parts),
                                     cmocka_unit_test(narrow),
                                     cmocka_unit_test(groups_of_blocks),
                                     cmocka_unit_test(ends_that_are_data),
                                     cmocka_unit_test(several_windows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
