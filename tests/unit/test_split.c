/* SPDX-License-Identifier: MIT */
/* How exact products of floats in parts of bf16, and rounded to it, are: the same products by the
 * tiles of floats and by those, both against sums in long double, over operands that are random and
 * operands made to do harm. And what has no parts is bit for bit what the tiles of floats make
 * of it: infinities, NaN, numbers and products too small, on processors without tiles all. */
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

#include "compiler/cpu/gemm.h"
#include "compiler/emit/dialect.h"
#include "compiler/program/program.h"
#include "tests/amx_emu/flags.h"

extern char **environ;
const char *prelude_text(void);
const char *prelude_narrow_text(void);
const char *prelude_split_text(void);

typedef void Kernel(const TdCall *call, int64_t begin, int64_t end);
enum { M = 48, N = 80, KINDS = 4 };              /* neither is whole tiles of 32 */
static const int split_of[KINDS] = {0, 3, 6, 1}; /* 1: rounded */
static const int64_t depths[] = {32, 50, 64, 100, 384, 400, 2048, 8192, 70000};
enum { DEPTHS = sizeof depths / sizeof *depths };

typedef struct Products {
  void *library;
  int64_t k;
  char name[KINDS][32];
  GemmPlan plan[KINDS];
  float *a, *b, *c[KINDS]; /* [M][k], [N][k], [M][N] */
} Products;

/* ---- kernels ------------------------------------------------------------------------- */
static void prologue(StrBuf *out, void *ctx) {
  (void)ctx;
  sb_puts(out, "const float *const a = (const float *)call->arg[0];\n"
               "const float *const b = (const float *)call->arg[1];\n"
               "float *const c = (float *)call->arg[2];\n");
}

static void make_plan(GemmPlan *plan, const char *name, int kind, int64_t k) {
  static const char *const var[] = {"b_1", "i_2", "j_3", "p_4"};
  const int64_t extent[] = {1, M, N, k};
  *plan = (GemmPlan){.name = name,
                     .prologue = prologue,
                     .plain_output = true,
                     .output = "c",
                     .narrow = split_of[kind] == 1,
                     .split = split_of[kind] == 1 ? 0 : split_of[kind]};
  for (int i = 0; i < GEMM_AXES; i++)
    plan->axis[i] = (GemmAxis){.nvars = 1, .var = {var[i]}, .extent = {extent[i]}};
  plan->operand[GEMM_A] = (GemmOperand){.plain = true, .base = "a", .stride_outer = {k}};
  plan->operand[GEMM_B] = (GemmOperand){.plain = true, .base = "b", .stride_outer = {k}};
  plan->operand[GEMM_A].stride_k[0] = plan->operand[GEMM_B].stride_k[0] = 1;
  plan->stride_output[GEMM_M][0] = N;
  plan->stride_output[GEMM_N][0] = 1;
}

static void *compile(const StrBuf *text, const char *flags) {
  char folder[] = "/tmp/test_split_XXXXXX", source[64], object[64], words[160], *rest = NULL;
  assert_non_null(mkdtemp(folder));
  snprintf(source, sizeof source, "%s/kernels.c", folder);
  snprintf(object, sizeof object, "%s/kernels.so", folder);
  FILE *f = fopen(source, "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text->s, 1, text->n, f), text->n);
  assert_int_equal(fclose(f), 0);
  char *argv[] = {
    "cc",
    "-O3",
#if defined __x86_64__
    "-march=native",
    "-mprefer-vector-width=512",
#endif
    "-std=gnu11",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
    "-fPIC",
    "-shared",
    "-o",
    object,
    source,
    "-lm",
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL
  };
  int n = 0;
  while (argv[n]) n++;
  assert_true((size_t)snprintf(words, sizeof words, "%s", flags) < sizeof words);
  for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
    assert_true((size_t)n + 1 < sizeof argv / sizeof *argv);
    argv[n++] = word;
  }
  pid_t pid;
  int status;
  assert_int_equal(posix_spawnp(&pid, "cc", NULL, NULL, argv, environ), 0);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  void *library = dlopen(object, RTLD_NOW);
  assert_non_null(library);
  unlink(source);
  unlink(object);
  rmdir(folder);
  return library;
}

/* The kernels of one depth; to `out`, if it is wanted. */
static void make_kernels(Products *p, int64_t k, StrBuf *out) {
  p->k = k;
  for (int i = 0; i < KINDS; i++) {
    snprintf(p->name[i], sizeof p->name[i], "products%d_%lld", split_of[i], (long long)k);
    make_plan(&p->plan[i], p->name[i], i, k);
    if (out)
      contract_emit(out, &p->plan[i]);
    else
      contract_shape(&p->plan[i]);
  }
}

static void *library_of(const char *flags) {
  StrBuf text = {0};
  Arena *arena = arena_new();
  Products p;
  sb_puts(&text, dialect_prelude(arena, prelude_text()));
  arena_free(arena);
  sb_puts(&text, prelude_narrow_text());
  sb_puts(&text, prelude_split_text());
  for (int i = 0; i < DEPTHS; i++) make_kernels(&p, depths[i], &text);
  sb_puts(&text, "long refuse(long number, ...) { return -number; }\n");
  void *library = compile(&text, flags);
  sb_free(&text);
  return library;
}

static void begin(Products *p, void *library, int64_t k) {
  *p = (Products){.library = library};
  make_kernels(p, k, NULL);
  p->a = malloc((size_t)(M * k) * sizeof(float));
  p->b = malloc((size_t)(N * k) * sizeof(float));
  assert_true(p->a && p->b);
  for (int i = 0; i < KINDS; i++) {
    p->c[i] = malloc(M * N * sizeof(float));
    assert_non_null(p->c[i]);
  }
}

static void end(Products *p) {
  free(p->a);
  free(p->b);
  for (int i = 0; i < KINDS; i++) free(p->c[i]);
}

static void run(Products *p) {
  for (int i = 0; i < KINDS; i++) {
    Kernel *kernel;
    void *scratch = NULL;
    char *arg[] = {(char *)p->a, (char *)p->b, (char *)p->c[i]};
    TdControl control = {0, 0};
    *(void **)&kernel = dlsym(p->library, p->plan[i].name);
    assert_non_null(kernel);
    assert_int_equal(posix_memalign(&scratch, 64, p->plan[i].scratch), 0);
    memset(scratch, 0xff, p->plan[i].scratch);
    TdCall call = {arg, NULL, scratch, &control, 0};
    kernel(&call, 0, p->plan[i].pieces);
    free(scratch);
  }
}

/* ---- operands ------------------------------------------------------------------------ */
static uint64_t seed;
static uint32_t chance(void) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33);
}
static float unit(void) { return (float)(chance() >> 7) * 0x1p-24f; } /* [0, 1) */
static float sign(void) { return chance() & 1 ? 1.0f : -1.0f; }
static float wide(int power) {
  return sign() * ldexpf(1 + unit(), (int)(chance() % (unsigned)(2 * power + 1)) - power);
}

typedef float Make(int64_t k, int64_t row, int64_t i, bool is_b);
static float even(int64_t k, int64_t row, int64_t i, bool is_b) {
  (void)k, (void)row, (void)i, (void)is_b;
  return 2 * unit() - 1;
}
static float positive(int64_t k, int64_t row, int64_t i, bool is_b) {
  (void)k, (void)row, (void)i, (void)is_b;
  return unit();
}
/* products from 2^-38 to 2^38, the largest in every block: few terms count */
static float far_apart(int64_t k, int64_t row, int64_t i, bool is_b) {
  (void)k, (void)row, (void)i, (void)is_b;
  return wide(19);
}
/* all of the products' parts that are left out, and of one sign: a number whose middle and low
 * parts are as large as they may be, 2^-8 and 2^-17 of it, times powers of two */
static float leaning(int64_t k, int64_t row, int64_t i, bool is_b) {
  (void)k, (void)row, (void)i, (void)is_b;
  return ldexpf(1.0f + 0x1p-8f - 0x1p-16f - 0x1p-17f, (int)(chance() % 8));
}
/* each product has its opposite, but for a change in the last bits of one factor in the second
 * half of k: what is left is of the size of the rounding errors */
static float cancelling(int64_t k, int64_t row, int64_t i, bool is_b) {
  const int64_t half = k / 2;
  const uint64_t kept = seed;
  seed = (uint64_t)(i % half + (row * 2 + is_b) * (1 << 20)) * 0x9e3779b97f4a7c15u + 1;
  (void)chance();
  float x = 1 + unit();
  seed = kept;
  if (i >= half && !is_b) x = -x * (1 + 0x1p-22f * (float)(chance() % 3));
  return i < 2 * half ? x : 0;
}

static void fill(Products *p, Make *make) {
  seed = 1;
  for (int64_t i = 0; i < M * p->k; i++) p->a[i] = make(p->k, i / p->k, i % p->k, false);
  for (int64_t i = 0; i < N * p->k; i++) p->b[i] = make(p->k, i / p->k, i % p->k, true);
}

/* ---- errors --------------------------------------------------------------------------- */
typedef struct Errors {
  double mean, most; /* root of the mean square, the largest: of a sum's terms without signs */
} Errors;

static void errors_of(const Products *p, Errors e[KINDS]) {
  const int step = p->k > 4096 ? 2 : 1;
  int n = 0;
  memset(e, 0, KINDS * sizeof *e);
  for (int i = 0; i < M; i += step)
    for (int j = 0; j < N; j += step, n++) {
      long double sum = 0, size = 0;
      for (int64_t k = 0; k < p->k; k++) {
        const long double x = (long double)p->a[i * p->k + k] * p->b[j * p->k + k];
        sum += x;
        size += fabsl(x);
      }
      for (int kind = 0; kind < KINDS; kind++) {
        double error = (double)(fabsl(p->c[kind][i * N + j] - sum) / size);
        e[kind].mean += error * error;
        if (!(error <= e[kind].most)) e[kind].most = error;
      }
    }
  for (int kind = 0; kind < KINDS; kind++) e[kind].mean = sqrt(e[kind].mean / n);
}

static const struct {
  const char *name;
  Make *make;
  double left_out; /* parts' products that are not made: what is allowed for them */
} operands[] = {{"even", even, 0},
                {"positive", positive, 0},
                {"far apart", far_apart, 0},
                {"leaning", leaning, 0x1p-24},
                {"cancelling", cancelling, 0}};

static void compare_errors(void *library, int64_t k) {
  Products p;
  Errors e[KINDS];
  begin(&p, library, k);
  for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
    fill(&p, operands[i].make);
    run(&p);
    errors_of(&p, e);
    printf("k %6lld %-10s mean, most: floats %.1e %.1e, split6 %.1e %.1e, split3 %.1e %.1e, "
           "bf16 %.1e %.1e\n",
           (long long)k, operands[i].name, e[0].mean, e[0].most, e[2].mean, e[2].most, e[1].mean,
           e[1].most, e[3].mean, e[3].most);
    /* which of thousands is the largest is chance, by a quarter */
    const double more = operands[i].left_out;
    if (!(e[2].mean <= e[0].mean + more && e[2].most <= 1.25 * e[0].most + more))
      fail_msg("split6 is less exact than floats");
    if (!(e[1].most <= 0x1p-15 + e[0].most)) fail_msg("split3 is not as exact as it says");
    if (!(e[3].most <= 0x1p-7 + e[0].most)) fail_msg("bf16 is not as exact as it says");
  }
  end(&p);
}

static void errors_are_no_larger(void **state) {
  for (int i = 0; i < DEPTHS; i++) compare_errors(*state, depths[i]);
}

/* ---- what has no parts ------------------------------------------------------------------ */

/* In the first numbers of every row, each in a block of its own of k: 70 numbers of floats. */
static void spoil(float *x, int64_t rows, int64_t k, int64_t every, int64_t at, float what) {
  for (int64_t r = 0; r < rows; r += every) x[r * k + at] = what;
}

static bool same_bits(const Products *p, int kind, int64_t row, int64_t rows) {
  return memcmp(p->c[0] + row * N, p->c[kind] + row * N, (size_t)(rows * N) * sizeof(float)) == 0;
}

/* One number in each panel of A: all blocks are products of floats. */
static void odd_numbers_are_floats(void **state) {
  static const float odd[] = {INFINITY,     -INFINITY, NAN,        0x1p-149f,
                              -0x1.8p-127f, 0x1p-105f, 0x1.8p127f, -0x1p127f};
  Products p;
  begin(&p, *state, 100);
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    for (int side = 0; side < 2; side++) {
      fill(&p, even);
      spoil(side ? p.b : p.a, side ? N : M, p.k, 32, 7 + 40 * (int64_t)i % 93, odd[i]);
      run(&p);
      /* of two parts, the factors beside an odd one are not all there */
      if (!same_bits(&p, 2, 0, M)) fail_msg("%g in %c is no float", (double)odd[i], "ab"[side]);
      for (int at = 0; at < M * N; at++) {
        float f = p.c[0][at], s = p.c[1][at];
        bool as = isnan(f)   ? isnan(s)
                  : isinf(f) ? f == s
                             : fabsf(f - s) <= 4e-5f * (100 + fabsf(f));
        if (!as)
          fail_msg("%g in %c: %g, should be %g", (double)odd[i], "ab"[side], (double)s, (double)f);
      }
    }
  end(&p);
}

/* A block of 32 rows is given to floats by itself: the other rows have the bits that they have
 * without the odd number. */
static void odd_numbers_stay_where_they_are(void **state) {
  Products p;
  begin(&p, *state, 100);
  float *before = malloc(M * N * sizeof *before);
  assert_non_null(before);
  fill(&p, even);
  run(&p);
  memcpy(before, p.c[2], M * N * sizeof *before);
  p.a[40 * p.k + 3] = NAN; /* of the second panel */
  run(&p);
  assert_memory_equal(before, p.c[2], 32 * N * sizeof *before);
  assert_true(same_bits(&p, 2, 32, M - 32));
  for (int j = 0; j < N; j++) assert_true(isnan(p.c[2][40 * N + j]) && !isnan(p.c[2][41 * N + j]));
  free(before);
  end(&p);
}

/* Each factor has its parts, but not each product or sum: 2^-60 times 2^-60 has products that
 * tiles take for 0, 2^70 times 2^57 may be infinite in parts alone. */
static void odd_products_are_floats(void **state) {
  static const int powers[][2] = {{-60, -60}, {-70, -79}, {-50, -50},
                                  {70, 57},   {58, 58},   {20, 100}};
  Products p;
  begin(&p, *state, 100);
  for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
    fill(&p, even);
    for (int64_t at = 0; at < M * p.k; at++) p.a[at] = ldexpf(1 + unit(), powers[i][0]) * sign();
    for (int64_t at = 0; at < N * p.k; at++) p.b[at] = ldexpf(1 + unit(), powers[i][1]) * sign();
    run(&p);
    if (!same_bits(&p, 2, 0, M)) fail_msg("2^%d times 2^%d", powers[i][0], powers[i][1]);
  }
  end(&p);
}

/* The last that do have them, on both sides. */
static void the_outermost_are_exact(void **state) {
  static const int powers[][2] = {{-40, -40}, {-40, -41}, {-100, 20}, {57, 57}, {-10, 124}};
  Products p;
  Errors e[KINDS];
  begin(&p, *state, 100);
  for (size_t i = 0; i < sizeof powers / sizeof *powers; i++) {
    for (int64_t at = 0; at < M * p.k; at++) p.a[at] = ldexpf(1 + unit(), powers[i][0]) * sign();
    for (int64_t at = 0; at < N * p.k; at++) p.b[at] = ldexpf(1 + unit(), powers[i][1]) * sign();
    run(&p);
    errors_of(&p, e);
    if (!(e[2].mean <= e[0].mean)) fail_msg("2^%d times 2^%d", powers[i][0], powers[i][1]);
  }
  end(&p);
}

/* A few numbers so small that products with them are none that tiles have, beside others whose
 * sums they do not change: they are no reason to give the tiles up. In a row of nothing else they
 * are, and there the sums are exact too. */
static void small_numbers_among_others(void **state) {
  Products p;
  Errors e[KINDS];
  begin(&p, *state, 400);
  fill(&p, positive);
  run(&p);
  const bool tiles = !same_bits(&p, 2, 0, M); /* here */
  for (int r = 0; r < M; r += 5) p.a[r * p.k + 300] = 0x1.234566p-100f;
  run(&p);
  errors_of(&p, e);
  assert_true(e[2].mean <= e[0].mean);
  assert_true(same_bits(&p, 2, 0, M) != tiles);
  for (int at = 0; at < p.k; at++) p.a[40 * p.k + at] = ldexpf(1 + unit(), -94);
  run(&p);
  errors_of(&p, e);
  assert_true(e[2].mean <= e[0].mean);
  assert_true(same_bits(&p, 2, 40, 1));
  end(&p);
}

/* Rows of zeros, and all of them, are as good as any. */
static void zeros_are_zeros(void **state) {
  Products p;
  begin(&p, *state, 100);
  fill(&p, even);
  memset(p.a, 0, (size_t)(M * p.k) * sizeof *p.a);
  run(&p);
  for (int i = 0; i < M * N; i++) assert_true(p.c[1][i] == 0 && p.c[2][i] == 0);
  end(&p);
}

/* ---- other processors --------------------------------------------------------------------- */
static void all_is_floats(const char *flags) {
  void *library = library_of(flags);
  for (int i = 0; depths[i] < 8192; i++) {
    Products p;
    begin(&p, library, depths[i]);
    fill(&p, even);
    run(&p);
    if (!same_bits(&p, 2, 0, M)) fail_msg("k %lld: other sums", (long long)depths[i]);
    end(&p);
  }
  dlclose(library);
}

/* The system does not lend the tiles, as under a supervisor that does not know them. */
static void tiles_that_are_not_lent(void **state) {
  (void)state;
  char flags[160];
  snprintf(flags, sizeof flags, "-Dsyscall=refuse %s", amx_flags() ? amx_flags() : "");
  all_is_floats(flags);
}
static void no_tiles(void **state) {
  (void)state;
  all_is_floats("-DTD_NARROW_BODY=0");
}

/* of tiles, if need be emulated; on processors that can do neither all is floats */
static int open_library(void **state) {
  *state = library_of(amx_flags() ? amx_flags() : "");
  return 0;
}
static int close_library(void **state) { return dlclose(*state); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(errors_are_no_larger),
      cmocka_unit_test(odd_numbers_are_floats),
      cmocka_unit_test(odd_numbers_stay_where_they_are),
      cmocka_unit_test(odd_products_are_floats),
      cmocka_unit_test(the_outermost_are_exact),
      cmocka_unit_test(small_numbers_among_others),
      cmocka_unit_test(zeros_are_zeros),
      cmocka_unit_test(tiles_that_are_not_lent),
      cmocka_unit_test(no_tiles),
  };
  return cmocka_run_group_tests(tests, open_library, close_library);
}
