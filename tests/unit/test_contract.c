/* SPDX-License-Identifier: MIT */
/* Contraction kernels against double loops: random extents, layouts, operands
 * that are expressions and epilogues, emitted into one file, compiled by the C
 * compiler for vectors of 16, 8 and 4 floats and run by pieces. The same for
 * products in bf16, for every body of their tiles that the processor has or that can be
 * emulated, and for products of floats in parts, on tiles and on processors that have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <dlfcn.h>
#include <math.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/emit/dialect.h"
#include "compiler/cpu/gemm.h"
#include "compiler/program/program.h"
#include "runtime/store/safetensors.h"
#include "tests/amx_emu/flags.h"

extern char **environ;
const char *prelude_text(void);
const char *prelude_narrow_text(void);
const char *prelude_split_text(void);

typedef enum { FLOATS, NARROW, SPLIT3, SPLIT6 } Product;
enum { CASES = 96, FEW = 10 }; /* in `make test-long`, in `make test` */
typedef void Kernel(const TdCall *call, int64_t begin, int64_t end);

typedef struct Case {
  GemmPlan plan;
  char name[32];
  bool plain[2];
  bool plain_output;
  int64_t extent[GEMM_AXES];
  /* per axis and variable: how each operand and the output move, in elements */
  int64_t stride[3][GEMM_AXES][IR_MAX_VARS];
  int64_t count[3];
  float *data[2], *bias;
  uint16_t *half[2]; /* the same in bf16, where the operand is stored so */
} Case;

/* ---- chance ------------------------------------------------------------------- */
static uint32_t seed = 12345;
static uint32_t chance(uint32_t n) {
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)(((uint64_t)seed * n) >> 32);
}
static float chance_float(void) { return (float)((int)chance(2001) - 1000) / 500.0f; }

/* ---- the texts a kernel is made of ------------------------------------------------ */
static void index_text(StrBuf *out, const Case *c, int which) {
  sb_puts(out, "0");
  for (int k = 0; k < GEMM_AXES; k++)
    for (int v = 0; v < c->plan.axis[k].nvars; v++)
      if (c->stride[which][k][v])
        sb_printf(out, " + %lld * %s", (long long)c->stride[which][k][v], c->plan.axis[k].var[v]);
}

static void prologue(StrBuf *out, void *ctx) {
  const Case *c = ctx;
  for (int side = 0; side < 2; side++) {
    const char *type = c->plan.operand[side].half ? "uint16_t" : "float";
    sb_printf(out, "const %s *const %s = (const %s *)call->arg[%d];\n", type, side ? "b_2" : "a_1",
              type, side);
  }
  sb_puts(out, "float *const c_3 = (float *)call->arg[2];\n"
               "const float *const bias_4 = (const float *)call->arg[3];\n"
               "(void)bias_4;\n");
}

/* x + 0.25 * (last variable of k): not a bare read */
static void load(StrBuf *out, void *ctx, GemmSide side, const char *into) {
  const Case *c = ctx;
  const GemmAxis *k = &c->plan.axis[GEMM_K];
  sb_printf(out, "const float x_5 = %s[", side == GEMM_A ? "a_1" : "b_2");
  index_text(out, c, side);
  sb_printf(out, "];\n%s = x_5 + 0.25f * (float)%s;\n", into,
            k->nvars ? k->var[k->nvars - 1] : "0");
}

/* 0.5 * sum + bias[flat j] + (first variable of m) */
static void epilogue(StrBuf *out, void *ctx) {
  const char *sum = GEMM_SUM;
  const Case *c = ctx;
  const GemmAxis *n = &c->plan.axis[GEMM_N];
  sb_puts(out, "c_3[");
  index_text(out, c, 2);
  sb_printf(out, "] = 0.5f * %s + row_6 + bias_4[0", sum);
  int64_t stride = 1;
  for (int v = n->nvars - 1; v >= 0; v--) {
    sb_printf(out, " + %lld * %s", (long long)stride, n->var[v]);
    stride *= n->extent[v];
  }
  sb_puts(out, "];\n");
}
static void epilogue_row(StrBuf *out, void *ctx) {
  const Case *c = ctx;
  const GemmAxis *m = &c->plan.axis[GEMM_M];
  sb_printf(out, "const float row_6 = (float)%s;\n", m->nvars ? m->var[0] : "0");
}

/* ---- random cases ------------------------------------------------------------------ */
static const char *const VAR[GEMM_AXES][2] = {
    {"b_10", "b_11"}, {"i_12", "i_13"}, {"j_14", "j_15"}, {"p_16", "p_17"}};

static int64_t chance_extent(int kind, bool big) {
  if (kind == GEMM_BATCH) return chance(3) ? 1 : 1 + chance(4);
  switch (chance(4)) {
  case 0: return 1 + chance(4);
  case 1: return 16 * (1 + chance(big ? 12 : 4));
  default: return 1 + chance(kind == GEMM_K && big ? 1200 : big ? 300 : 70);
  }
}

/* A dense layout of the axes an array has, in random order. */
static void lay_out(Case *c, int which, const int *kinds, int nkinds) {
  int order[3 * 2][2], n = 0;
  for (int i = 0; i < nkinds; i++)
    for (int v = 0; v < c->plan.axis[kinds[i]].nvars; v++) {
      order[n][0] = kinds[i];
      order[n++][1] = v;
    }
  bool keep = chance(3) == 0;
  for (int i = n - 1; i > 0 && !keep; i--) {
    int j = (int)chance((uint32_t)i + 1), kind = order[i][0], v = order[i][1];
    order[i][0] = order[j][0], order[i][1] = order[j][1];
    order[j][0] = kind, order[j][1] = v;
  }
  int64_t stride = 1;
  for (int i = n - 1; i >= 0; i--) {
    c->stride[which][order[i][0]][order[i][1]] = stride;
    stride *= c->plan.axis[order[i][0]].extent[order[i][1]];
  }
  c->count[which] = stride;
}

static void make_case(Case *c, int number, Product product) {
  const bool narrow = product == NARROW;
  *c = (Case){0};
  GemmPlan *plan = &c->plan;
  bool big = number % 6 == 0;
  for (int k = 0; k < GEMM_AXES; k++) {
    GemmAxis *axis = &plan->axis[k];
    int64_t total = chance_extent(k, big);
    axis->nvars = total == 1 ? (int)chance(2) : 1 + (chance(3) == 0);
    for (int v = 0; v < axis->nvars; v++) axis->var[v] = VAR[k][v];
    if (axis->nvars) axis->extent[0] = total;
    if (axis->nvars == 2) {
      axis->extent[1] = chance(2) ? 1 + chance(5) : 16;
      axis->extent[0] = total / axis->extent[1] + 1;
    }
    c->extent[k] = 1;
    for (int v = 0; v < axis->nvars; v++) c->extent[k] *= axis->extent[v];
  }
  lay_out(c, GEMM_A, (const int[]){GEMM_BATCH, GEMM_M, GEMM_K}, 3);
  if (chance(4) == 0)
    lay_out(c, GEMM_B, (const int[]){GEMM_N, GEMM_K}, 2);
  else
    lay_out(c, GEMM_B, (const int[]){GEMM_BATCH, GEMM_N, GEMM_K}, 3);
  lay_out(c, 2, (const int[]){GEMM_BATCH, GEMM_M, GEMM_N}, 3);
  snprintf(c->name, sizeof c->name, "%s_%d", narrow ? "narrow" : "contraction", number);
  plan->narrow = narrow;
  plan->split = product == SPLIT3 ? 3 : product == SPLIT6 ? 6 : 0;
  plan->name = c->name;
  plan->comment = "a random case";
  plan->ctx = c;
  plan->prologue = prologue;
  plan->load = load;
  plan->epilogue = epilogue;
  plan->epilogue_row = epilogue_row;
  for (int k = 0; k < GEMM_AXES; k++)
    for (int v = 0; v < plan->axis[k].nvars; v++) { /* what the texts above name */
      bool last = v == plan->axis[k].nvars - 1;
      for (int side = 0; side < 2; side++)
        if (c->stride[side][k][v] || (k == GEMM_K && last)) plan->load_vars[side].of[k] |= 1u << v;
      if (c->stride[2][k][v] || k == GEMM_N || (k == GEMM_M && v == 0))
        plan->epilogue_vars.of[k] |= 1u << v;
    }
  for (int side = 0; side < 2; side++) {
    GemmOperand *operand = &plan->operand[side];
    operand->plain = c->plain[side] = chance(3) != 0;
    operand->base = side == GEMM_A ? "a_1" : "b_2";
    operand->along_k = chance(2);
    operand->expensive = chance(2);
    for (int v = 0; v < IR_MAX_VARS; v++) {
      operand->stride_batch[v] = c->stride[side][GEMM_BATCH][v];
      operand->stride_outer[v] = c->stride[side][side == GEMM_A ? GEMM_M : GEMM_N][v];
      operand->stride_k[v] = c->stride[side][GEMM_K][v];
    }
  }
  plan->plain_output = c->plain_output = chance(2);
  plan->output = "c_3";
  for (int k = 0; k < GEMM_K; k++)
    memcpy(plan->stride_output[k], c->stride[2][k], sizeof c->stride[2][k]);
  for (int which = 0; which < 2; which++) {
    c->data[which] = malloc((size_t)c->count[which] * sizeof(float));
    for (int64_t i = 0; i < c->count[which]; i++) c->data[which][i] = chance_float();
  }
  for (int side = 0; side < 2; side++) {
    c->half[side] = NULL;
    plan->operand[side].half = narrow && c->plain[side] && chance(2);
    if (!plan->operand[side].half) continue;
    c->half[side] = malloc((size_t)c->count[side] * sizeof(uint16_t));
    for (int64_t i = 0; i < c->count[side]; i++) c->half[side][i] = bf16_from_f32(c->data[side][i]);
  }
  c->bias = malloc((size_t)c->extent[GEMM_N] * sizeof(float));
  for (int64_t i = 0; i < c->extent[GEMM_N]; i++) c->bias[i] = chance_float();
}

/* ---- the meaning --------------------------------------------------------------------- */
static int64_t place(const Case *c, int which, int kind, int64_t flat) {
  int64_t at = 0;
  for (int v = c->plan.axis[kind].nvars - 1; v >= 0; v--) {
    at += flat % c->plan.axis[kind].extent[v] * c->stride[which][kind][v];
    flat /= c->plan.axis[kind].extent[v];
  }
  return at;
}
static int64_t variable(const GemmAxis *axis, int64_t flat, bool first) {
  if (!axis->nvars) return 0;
  int64_t inner = axis->extent[axis->nvars - 1];
  return axis->nvars == 1 ? flat : first ? flat / inner : flat % inner;
}

/* A factor as the product sees it: rounded where it is packed or stored so. */
static double factor(const Case *c, int side, int64_t at, double extra) {
  float x = c->data[side][at] + (c->plain[side] ? 0 : (float)extra);
  const bool rounded = c->plan.narrow && (c->plan.packed_count > 0 || c->half[side]);
  return (double)(rounded ? f32_from_bf16(bf16_from_f32(x)) : x);
}

static void compare(const Case *c, const float *result) {
  const GemmAxis *axis = c->plan.axis;
  for (int64_t b = 0; b < c->extent[GEMM_BATCH]; b++) {
    for (int64_t i = 0; i < c->extent[GEMM_M]; i++) {
      int64_t a_at = place(c, GEMM_A, GEMM_BATCH, b) + place(c, GEMM_A, GEMM_M, i);
      for (int64_t j = 0; j < c->extent[GEMM_N]; j++) {
        int64_t b_at = place(c, GEMM_B, GEMM_BATCH, b) + place(c, GEMM_B, GEMM_N, j);
        double sum = 0, size = 1;
        for (int64_t p = 0; p < c->extent[GEMM_K]; p++) {
          double extra = 0.25 * (double)variable(&axis[GEMM_K], p, false);
          double x = factor(c, GEMM_A, a_at + place(c, GEMM_A, GEMM_K, p), extra);
          double y = factor(c, GEMM_B, b_at + place(c, GEMM_B, GEMM_K, p), extra);
          sum += x * y;
          size += fabs(x * y);
        }
        if (!c->plain_output)
          sum = 0.5 * sum + (double)variable(&axis[GEMM_M], i, true) + c->bias[j];
        int64_t at = place(c, 2, GEMM_BATCH, b) + place(c, 2, GEMM_M, i) + place(c, 2, GEMM_N, j);
        double share = c->plan.split == 3 ? 4e-5 : 2e-6; /* 2^-15 and what is rounded */
        if (fabs(result[at] - sum) <= share * size + 1e-5 * fabs(sum)) continue;
        fail_msg("%s [%lld %lld %lld %lld] at %lld %lld %lld: %g, should be %g", c->name,
                 (long long)c->extent[0], (long long)c->extent[1], (long long)c->extent[2],
                 (long long)c->extent[3], (long long)b, (long long)i, (long long)j,
                 (double)result[at], sum);
      }
    }
  }
}

/* ---- compile and run -------------------------------------------------------------------- */
static void compile(const char *source, const char *object, const char *width) {
  char *argv[] = {"cc",
                  "-O3",
                  "-std=gnu11",
                  "-fopenmp-simd",
                  "-fno-math-errno",
                  "-fno-trapping-math",
                  "-ffp-contract=fast",
                  "-mprefer-vector-width=512",
                  "-Wall",
                  "-Wextra",
                  "-Werror",
                  "-fPIC",
                  "-shared",
                  "-o",
                  (char *)object,
                  (char *)source,
                  "-lm",
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL,
                  NULL};
  int n = 17;
  char flags[160], *rest = NULL;
#if defined __x86_64__
  argv[n++] = "-march=native";
#else
  argv[7] = "-O3";
#endif
  assert_true((size_t)snprintf(flags, sizeof flags, "%s", width) < sizeof flags);
  for (char *flag = strtok_r(flags, " ", &rest); flag; flag = strtok_r(NULL, " ", &rest)) {
    assert_true(n < 23);
    argv[n++] = flag;
  }
#if defined __SANITIZE_ADDRESS__
  argv[n++] = "-fsanitize=address,undefined";
#endif
  pid_t pid;
  int status;
  assert_int_equal(posix_spawnp(&pid, "cc", NULL, NULL, argv, environ), 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void *aligned(size_t bytes) {
  void *p = NULL;
  assert_int_equal(posix_memalign(&p, 64, bytes ? bytes : 64), 0);
  return p;
}

static void run_case(const Case *c, Kernel *kernel) {
  size_t bytes = (size_t)c->count[2] * sizeof(float);
  float *result = malloc(bytes), *again = malloc(bytes);
  char *scratch = aligned(c->plan.scratch);
  memset(scratch, 0xff, c->plan.scratch); /* NaN: nothing may be used unwritten */
  TdControl control = {0, 0};
  char *arg[] = {c->half[0] ? (char *)c->half[0] : (char *)c->data[0],
                 c->half[1] ? (char *)c->half[1] : (char *)c->data[1], (char *)result,
                 (char *)c->bias};
  TdCall call = {arg, NULL, scratch, &control, 0};
  kernel(&call, 0, c->plan.pieces);
  compare(c, result);
  memset(scratch, 0xff, c->plan.scratch);
  memset(again, 0xff, bytes);
  arg[2] = (char *)again;
  for (int64_t piece = c->plan.pieces - 1; piece >= 0; piece--) kernel(&call, piece, piece + 1);
  assert_memory_equal(result, again, bytes); /* whoever runs which piece */
  memset(again, 0xff, bytes);
  call.launch = 1; /* and finds what it has packed */
  for (int64_t piece = 0; piece < c->plan.pieces; piece += 2) kernel(&call, piece, piece + 1);
  for (int64_t piece = 1; piece < c->plan.pieces; piece += 2) kernel(&call, piece, piece + 1);
  assert_memory_equal(result, again, bytes);
  free(result);
  free(again);
  free(scratch);
}

static void random_cases(const char *width, Product product) {
  char folder[] = "/tmp/test_contract_XXXXXX", source[64], object[64];
  assert_non_null(mkdtemp(folder));
  snprintf(source, sizeof source, "%s/kernels.c", folder);
  snprintf(object, sizeof object, "%s/kernels.so", folder);
  static Case cases[CASES];
  const int count = getenv("TDC_TEST_LONG") ? CASES : FEW;
  StrBuf text = {0};
  Arena *arena = arena_new();
  sb_puts(&text, dialect_prelude(arena, prelude_text()));
  arena_free(arena);
  if (product != FLOATS) sb_puts(&text, prelude_narrow_text());
  if (product == SPLIT3 || product == SPLIT6) sb_puts(&text, prelude_split_text());
  for (int i = 0; i < count; i++) {
    make_case(&cases[i], i, product);
    sb_printf(&text, "void %s(const TdCall *call, int64_t begin, int64_t end);\n", cases[i].name);
    contract_emit(&text, &cases[i].plan);
  }
  FILE *f = fopen(source, "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text.s, 1, text.n, f), text.n);
  assert_int_equal(fclose(f), 0);
  sb_free(&text);
  compile(source, object, width);
  void *library = dlopen(object, RTLD_NOW);
  assert_non_null(library);
  for (int i = 0; i < count; i++) {
    Kernel *kernel;
    *(void **)&kernel = dlsym(library, cases[i].name);
    assert_non_null(kernel);
    run_case(&cases[i], kernel);
    free(cases[i].data[0]);
    free(cases[i].data[1]);
    free(cases[i].half[0]);
    free(cases[i].half[1]);
    free(cases[i].bias);
  }
  dlclose(library);
  unlink(source);
  unlink(object);
  rmdir(folder);
}

static void this_machine(void **state) {
  (void)state;
  random_cases("", FLOATS);
}
/* tiles, pairs or floats: the best that it has; and tiles, if they can be emulated */
static void narrow_this_machine(void **state) {
  (void)state;
  random_cases("", NARROW);
}
static void narrow_tiles(void **state) {
  (void)state;
  if (amx_flags() == NULL) skip();
  random_cases(amx_flags(), NARROW);
}
static void narrow_floats(void **state) {
  (void)state;
  random_cases("-DTD_NARROW_BODY=0", NARROW);
  random_cases("-DTD_NARROW_BODY=0 -DTD_NARROW_ROUNDS=0", NARROW);
}
/* k in several pieces of which sums go on, as where k is larger than A's rows have room for */
static void narrow_deep(void **state) {
  (void)state;
  random_cases("-DTD_NARROW_BODY=0 -DTD_WIDE_DEPTH=64", NARROW);
}
static void split_tiles(void **state) {
  (void)state;
  if (amx_flags() == NULL) skip();
  random_cases(amx_flags(), SPLIT6);
  random_cases(amx_flags(), SPLIT3);
}
static void split_without_tiles(void **state) {
  (void)state;
  random_cases("-DTD_NARROW_BODY=0", SPLIT6);
}
#if defined __x86_64__
static void eight_lanes(void **state) {
  (void)state;
  random_cases("-mno-avx512f", FLOATS);
}
static void four_lanes(void **state) {
  (void)state;
  random_cases("-mno-avx", FLOATS);
}
static void narrow_eight_lanes(void **state) {
  (void)state;
  random_cases("-mno-avx512f", NARROW);
}
static void narrow_four_lanes(void **state) {
  (void)state;
  random_cases("-mno-avx", NARROW);
}
static void narrow_pairs(void **state) {
  (void)state;
  if (!__builtin_cpu_supports("avx512bf16")) skip();
  random_cases("-DTD_NARROW_BODY=1", NARROW);
}
#endif

/* ---- few rows ------------------------------------------------------------------------ */
enum { FEW_ROWS_MOST = 8, FEW_N = 3 * 96, FEW_K = 300 };

/* rows x n of k terms, B as rows of columns: floats, or numbers in bf16. */
static void make_few(Case *c, int64_t rows, int64_t n, bool half) {
  const int64_t extent[GEMM_AXES] = {1, rows, n, FEW_K};
  GemmPlan *plan = &c->plan;
  *c = (Case){.plain = {true, true}, .plain_output = true};
  for (int i = 0; i < GEMM_AXES; i++) {
    c->extent[i] = extent[i];
    plan->axis[i] = (GemmAxis){.nvars = 1, .var = {VAR[i][0]}, .extent = {extent[i]}};
  }
  snprintf(c->name, sizeof c->name, "few_%d_%d%s", (int)rows, (int)n, half ? "_half" : "");
  plan->name = c->name;
  plan->comment = "few rows";
  plan->ctx = c;
  plan->prologue = prologue;
  plan->narrow = half;
  plan->operand[GEMM_A] =
      (GemmOperand){.plain = true, .base = "a_1", .stride_outer = {FEW_K}, .stride_k = {1}};
  plan->operand[GEMM_B] = (GemmOperand){
      .plain = true, .half = half, .base = "b_2", .stride_outer = {1}, .stride_k = {n}};
  plan->plain_output = true;
  plan->output = "c_3";
  plan->stride_output[GEMM_M][0] = n;
  plan->stride_output[GEMM_N][0] = 1;
}

typedef struct FewData {
  float a[FEW_ROWS_MOST * FEW_K], b[FEW_N * FEW_K], c[FEW_ROWS_MOST * FEW_N], one[FEW_N];
  uint16_t half[FEW_N * FEW_K];
} FewData;

static void run_few(const Case *c, Kernel *kernel, FewData *d, const float *a, float *result) {
  char *scratch = aligned(c->plan.scratch);
  memset(scratch, 0xff, c->plan.scratch); /* NaN: nothing may be used unwritten */
  char *arg[] = {(char *)(uintptr_t)a, c->plan.narrow ? (char *)d->half : (char *)d->b,
                 (char *)result, NULL};
  TdCall call = {arg, NULL, scratch, NULL, 0};
  for (int64_t piece = c->plan.pieces - 1; piece >= 0; piece--) kernel(&call, piece, piece + 1);
  free(scratch);
}

/* Each row is what it would be alone, and near the sum in double precision. */
static void check_few(const Case *c, const Case *alone, void *library, FewData *d) {
  const int64_t n = c->extent[GEMM_N];
  Kernel *kernel, *single;
  *(void **)&kernel = dlsym(library, c->name);
  *(void **)&single = dlsym(library, alone->name);
  run_few(c, kernel, d, d->a, d->c);
  for (int64_t m = 0; m < c->extent[GEMM_M]; m++) {
    const float *a = d->a + m * FEW_K;
    run_few(alone, single, d, a, d->one);
    assert_memory_equal(d->c + m * n, d->one, (size_t)n * sizeof(float));
    for (int64_t j = 0; j < n; j++) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < FEW_K; k++) {
        const double term = (double)a[k] * (double)d->b[k * n + j];
        sum += term;
        size += fabs(term);
      }
      assert_true(fabs(sum - (double)d->one[j]) <= 2e-6 * size);
    }
  }
}

/* B is read where it lies, also where columns end between vectors; sums are the same whatever rows
 * are beside theirs and however columns are cut. */
static void few_cases(const char *width) {
  static const int64_t columns[] = {FEW_N, 65, 33};
  enum { WIDTHS = 3, KINDS = 2 * WIDTHS, ALL = KINDS * FEW_ROWS_MOST };
  char folder[] = "/tmp/test_contract_XXXXXX", source[64], object[64];
  static Case cases[ALL];
  static FewData d;
  StrBuf text = {0};
  Arena *arena = arena_new();
  assert_non_null(mkdtemp(folder));
  snprintf(source, sizeof source, "%s/kernels.c", folder);
  snprintf(object, sizeof object, "%s/kernels.so", folder);
  sb_puts(&text, dialect_prelude(arena, prelude_text()));
  arena_free(arena);
  for (int i = 0; i < ALL; i++) {
    make_few(&cases[i], i / KINDS + 1, columns[i % WIDTHS], i / WIDTHS % 2);
    sb_printf(&text, "void %s(const TdCall *call, int64_t begin, int64_t end);\n", cases[i].name);
    contract_emit(&text, &cases[i].plan);
    assert_int_equal(cases[i].plan.packed_count, 0);
  }
  FILE *out = fopen(source, "w");
  assert_non_null(out);
  fputs(text.s, out);
  assert_int_equal(fclose(out), 0);
  sb_free(&text);
  compile(source, object, width);
  void *library = dlopen(object, RTLD_NOW);
  assert_non_null(library);
  for (int i = 0; i < FEW_ROWS_MOST * FEW_K; i++) d.a[i] = chance_float();
  for (int i = 0; i < FEW_N * FEW_K; i++) {
    d.half[i] = bf16_from_f32(chance_float());
    d.b[i] = f32_from_bf16(d.half[i]);
  }
  for (int i = 0; i < ALL; i++) check_few(&cases[i], &cases[i % KINDS], library, &d);
  dlclose(library);
  remove(source);
  remove(object);
  remove(folder);
}

static void few_rows(void **state) {
  (void)state;
  few_cases("");
#if defined __x86_64__
  if (getenv("TDC_TEST_LONG")) few_cases("-mno-avx");
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(this_machine),
    cmocka_unit_test(narrow_this_machine),
    cmocka_unit_test(narrow_tiles),
    cmocka_unit_test(narrow_floats),
    cmocka_unit_test(narrow_deep),
    cmocka_unit_test(split_tiles),
    cmocka_unit_test(split_without_tiles),
    cmocka_unit_test(few_rows),
#if defined __x86_64__
    cmocka_unit_test(eight_lanes),
    cmocka_unit_test(four_lanes),
    cmocka_unit_test(narrow_eight_lanes),
    cmocka_unit_test(narrow_four_lanes),
    cmocka_unit_test(narrow_pairs),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
