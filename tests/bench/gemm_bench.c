/* SPDX-License-Identifier: MIT */
/* How fast contraction kernels are: each shape is emitted, compiled as the
 * runtime compiles, and run on one thread; printed as GFLOP/s of process CPU
 * time and as a share of the multiply-add peak measured between the rounds.
 *
 *     gemm_bench [rounds [shape | all [bf16 | half | split6 | split3 | f32]]]
 *       GEMM_BENCH_KEEP=1 keeps the sources
 *     gemm_bench serve [half | f32]
 *
 * A shape is one of these by its name, or others by their size: MxNxK or MxNxKxBATCH,MxNxK...
 *
 * serve: the tdc side of bench.py. It names its shapes in one line of JSON, then a line
 * "NAME TIMES" on stdin is answered with the CPU and wall seconds of so many products.
 *
 * bf16: factors are rounded on the way; half: they and the product are stored so. split6,
 * split3: in so many products of bf16 parts, each round beside the same shape as floats; the
 * ratio is that of the medians. f32: as programs make them where nothing is said, in six parts
 * where the shape says that it pays; without a word: by multiply-adds.
 *
 * Shapes are the flagship's: 8 x 256 positions, width 384, hidden 1536, 6 heads
 * of 64. The best round and the median are given: on a shared machine the
 * median says how busy the neighbours are. */
#include <dlfcn.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/emit/dialect.h"
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/gemm.h"
#include "compiler/program/program.h"

#include "compiler/cpu/prelude.h" /* after program.h, whose call contract it repeats */
#include "compiler/cpu/prelude_tiles.h"

extern char **environ;
const char *prelude_text(void);
const char *prelude_narrow_text(void);
const char *prelude_split_text(void);

typedef void Kernel(const TdCall *call, int64_t begin, int64_t end);

typedef struct Shape {
  const char *name;
  int64_t batch, m, n, k;
  bool a_turned, b_turned; /* A is [k][m], B is [n][k] in memory */
} Shape;

static const Shape SHAPES[] = {
    {"square", 1, 2048, 384, 384, false, false},   {"up", 1, 2048, 1536, 384, false, false},
    {"down", 1, 2048, 384, 1536, false, false},    {"square_dx", 1, 2048, 384, 384, false, true},
    {"up_dx", 1, 2048, 384, 1536, false, true},    {"down_dx", 1, 2048, 1536, 384, false, true},
    {"square_dw", 1, 384, 384, 2048, true, false}, {"up_dw", 1, 384, 1536, 2048, true, false},
    {"down_dw", 1, 1536, 384, 2048, true, false},  {"scores", 48, 256, 256, 64, false, true},
    {"mix", 48, 256, 64, 256, false, false},       {"scores_dq", 48, 256, 64, 256, false, false},
    {"scores_dk", 48, 256, 64, 256, true, false},  {"mix_dp", 48, 256, 256, 64, false, true},
    {"logits", 1, 2048, 65, 384, false, false},    {"one_square", 1, 256, 384, 384, false, false},
    {"one_up", 1, 256, 1536, 384, false, false},
};
enum { COUNT = sizeof SHAPES / sizeof *SHAPES, MAX_ROUNDS = 1000, MOST = 64, NAME = 96 };

static Shape shapes[MOST];
static int count;

/* All of them, the one of that name, or those of these sizes. False: it says nothing. */
static bool choose_shapes(const char *what) {
  static char names[MOST][NAME];
  for (int i = 0; i < COUNT; i++)
    if (!what || strcmp(what, SHAPES[i].name) == 0) shapes[count++] = SHAPES[i];
  for (const char *p = what; count < MOST && p && *p >= '0' && *p <= '9'; p += *p == ',') {
    Shape s = {.name = names[count], .batch = 1};
    int64_t *const extents[] = {&s.m, &s.n, &s.k, &s.batch};
    for (int i = 0; i < 4 && *p >= '0' && *p <= '9'; i++) {
      char *end;
      *extents[i] = strtoll(p, &end, 10);
      p = end + (*end == 'x');
    }
    if (s.m < 1 || s.n < 1 || s.k < 1 || s.batch < 1) return false;
    snprintf(names[count], NAME, "s%lldx%lldx%lldx%lld", (long long)s.m, (long long)s.n,
             (long long)s.k, (long long)s.batch);
    shapes[count++] = s;
  }
  return count > 0;
}

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Twelve independent chains of multiply-adds: GFLOP/s of a burst of `steps`. */
static double peak_rate(int64_t steps) {
  TdVec c[12], x = {0}, y = {0};
  x += 0.999f;
  y += 0.001f;
  for (int i = 0; i < 12; i++) c[i] = y * (float)i;
  double start = cpu_seconds();
  for (int64_t s = 0; s < steps; s++) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) c[i] = c[i] * x + y;
  }
  double took = cpu_seconds() - start;
  volatile float keep = 0;
  for (int i = 0; i < 12; i++) keep += c[i][0];
  return (double)steps * 12 * 2 * TD_LANES / took * 1e-9;
}

/* The same of the tiles that products in bf16 are made of: 32 x 512 of C, operands in the
 * first two caches. */
static double tile_rate(int64_t times) {
  static uint16_t a[32 * 256] __attribute__((aligned(64))),
      b[256 * 512] __attribute__((aligned(64)));
  static float c[32 * 512] __attribute__((aligned(64)));
  TdFetch nothing = {0};
  const TdNarrow t = {.fetch = &nothing,
                      .fetches = 1,
                      .depth = 256,
                      .a = a,
                      .a_row = TD_NARROW_DEPTH,
                      .a_step = TD_NARROW_TILE,
                      .a_half = 8 * TD_NARROW_TILE,
                      .b = b,
                      .panel = 256 * 32,
                      .c = c,
                      .c_stride = 512,
                      .columns = 512,
                      .tall = 1};
  double start = cpu_seconds();
  td_narrow_open();
  for (int64_t i = 0; i < times; i++) td_narrow_row(&t);
  td_narrow_close();
  return 2.0 * 32 * 512 * 256 * (double)times / (cpu_seconds() - start) * 1e-9;
}

/* Large pages where the system grants them, as the runtime's arena does. */
static float *buffer(size_t floats) {
  size_t page = 2 << 20, bytes = (floats * sizeof(float) + page - 1) / page * page;
  float *p = aligned_alloc(page, bytes);
  if (!p) exit(1);
  (void)madvise(p, bytes, MADV_HUGEPAGE);
  for (size_t i = 0; i < bytes / sizeof(float); i++) p[i] = (float)(i % 17) * 0.125f - 1.0f;
  return p;
}

typedef enum { F32, BF16, HALF, SPLIT6, SPLIT3, RULE } Mode;

static void prologue(StrBuf *out, void *ctx) {
  const char *type = *(const Mode *)ctx == HALF ? "uint16_t" : "float";
  sb_printf(out, "const %s *const a = (const %s *)call->arg[0];\n", type, type);
  sb_printf(out, "const %s *const b = (const %s *)call->arg[1];\n", type, type);
  sb_printf(out, "%s *const c = (%s *)call->arg[2];\n", type, type);
}

/* As programs store sums in bf16: a row at once, rounded where it was summed. C is as wide as it is
 * long in memory, one batch after the other. */
static void epilogue(StrBuf *out, void *ctx) { (void)out, (void)ctx; }
static void epilogue_after(StrBuf *out, void *ctx) {
  (void)ctx;
  sb_puts(out, "td_narrow_run(c + (batch_1 * M + i_2) * N + column0, finished, columns);\n");
}

/* As programs in f32 do by themselves: see product_split. */
static int parts_of(const Shape *s) {
  const TargetSplit *t = &cpu_target.products.split;
  const double m = (double)s->m, n = (double)s->n;
  bool pays = s->m >= t->m_least && s->n >= t->n_least && s->k >= t->k_least &&
              2 * m * n >= (double)t->reuse_least * (m + n);
  return pays ? 6 : 0;
}

static void make_plan(GemmPlan *plan, const Shape *s, Mode *mode) {
  static const char *const name[] = {"batch_1", "i_2", "j_3", "p_4"};
  const int64_t extent[] = {s->batch, s->m, s->n, s->k};
  *plan = (GemmPlan){.name = s->name,
                     .prologue = prologue,
                     .plain_output = *mode != HALF,
                     .output = "c",
                     .epilogue = epilogue,
                     .epilogue_after = epilogue_after,
                     .ctx = mode,
                     .epilogue_vars = {{1, 1, 0, 0}},
                     .narrow = *mode == BF16 || *mode == HALF,
                     .split = *mode == SPLIT6   ? 6
                              : *mode == SPLIT3 ? 3
                              : *mode == RULE   ? parts_of(s)
                                                : 0};
  for (int k = 0; k < GEMM_AXES; k++)
    plan->axis[k] = (GemmAxis){.nvars = 1, .var = {name[k]}, .extent = {extent[k]}};
  GemmOperand *a = &plan->operand[GEMM_A], *b = &plan->operand[GEMM_B];
  *a = (GemmOperand){.plain = true, .base = "a"};
  a->stride_batch[0] = s->m * s->k;
  a->stride_outer[0] = s->a_turned ? 1 : s->k;
  a->stride_k[0] = s->a_turned ? s->m : 1;
  *b = (GemmOperand){.plain = true, .base = "b"};
  b->stride_batch[0] = s->n * s->k;
  b->stride_outer[0] = s->b_turned ? s->k : 1;
  b->stride_k[0] = s->b_turned ? 1 : s->n;
  a->half = b->half = *mode == HALF;
  plan->stride_output[GEMM_BATCH][0] = s->m * s->n;
  plan->stride_output[GEMM_M][0] = s->n;
  plan->stride_output[GEMM_N][0] = 1;
  if (*mode != HALF) return;
  plan->naheads = 1;
  plan->ahead[0] = (GemmAhead){.base = "c", .half = true};
  for (int k = 0; k < GEMM_K; k++) plan->ahead[0].stride[k][0] = plan->stride_output[k][0];
}

static void *compile(const char *folder, const StrBuf *text) {
  char source[64], object[64];
  snprintf(source, sizeof source, "%s/kernels.c", folder);
  snprintf(object, sizeof object, "%s/kernels.so", folder);
  FILE *f = fopen(source, "w");
  if (!f || fwrite(text->s, 1, text->n, f) != text->n || fclose(f) != 0) return NULL;
  char *argv[] = {"cc",
                  "-O3",
                  "-march=native",
                  "-std=gnu11",
                  "-fopenmp-simd",
                  "-fno-math-errno",
                  "-fno-trapping-math",
                  "-ffp-contract=fast",
                  "-mprefer-vector-width=512",
                  "-fPIC",
                  "-shared",
                  "-o",
                  object,
                  source,
                  "-lm",
                  NULL};
  pid_t pid;
  int status = 1;
  bool done = posix_spawnp(&pid, "cc", NULL, NULL, argv, environ) == 0 &&
              waitpid(pid, &status, 0) == pid && status == 0;
  void *library = done ? dlopen(object, RTLD_NOW) : NULL;
  if (!getenv("GEMM_BENCH_KEEP")) unlink(source), unlink(object);
  return library;
}

static Mode mode_of(const char *name) {
  static const char *const names[] = {
      [BF16] = "bf16", [HALF] = "half", [SPLIT6] = "split6", [SPLIT3] = "split3", [RULE] = "f32"};
  for (int i = BF16; name && i <= RULE; i++)
    if (strcmp(names[i], name) == 0) return (Mode)i;
  return F32;
}

/* GFLOP/s of one shape. */
static double rate_of(void *library, const GemmPlan *plan, const Shape *s, const TdCall *call) {
  Kernel *kernel;
  *(void **)&kernel = dlsym(library, plan->name);
  const double flops = 2.0 * (double)s->batch * (double)s->m * (double)s->n * (double)s->k;
  const int times = flops < 1e8 ? (int)(1e8 / flops) + 1 : 1; /* a millisecond at least */
  double start = cpu_seconds();
  for (int i = 0; i < times; i++) {
    memset(call->scratch, 0xff, 64); /* nothing is packed yet */
    kernel(call, 0, plan->pieces);
  }
  double took = cpu_seconds() - start;
  return 1e-9 * flops * times / took;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static const char *truth(bool x) { return x ? "true" : "false"; }

static int serve(void *library, const GemmPlan *plan, const TdCall *call) {
  printf("{\"ready\": true, \"weights\": 0, \"lanes\": %d, \"shapes\": [", TD_LANES);
  for (int i = 0; i < count; i++) {
    const Shape *s = &shapes[i];
    printf("%s{\"name\": \"%s\", \"batch\": %lld, \"m\": %lld, \"n\": %lld, \"k\": %lld, ",
           i > 0 ? ", " : "", s->name, (long long)s->batch, (long long)s->m, (long long)s->n,
           (long long)s->k);
    printf("\"a_turned\": %s, \"b_turned\": %s}", truth(s->a_turned), truth(s->b_turned));
  }
  printf("]}\n");
  fflush(stdout);
  char line[64], name[32];
  int times;
  while (fgets(line, sizeof line, stdin)) {
    int i = 0;
    if (sscanf(line, "%31s %d", name, &times) != 2) return 1;
    while (i < count && strcmp(shapes[i].name, name) != 0) i++;
    if (i == count) return 1;
    Kernel *kernel;
    *(void **)&kernel = dlsym(library, name);
    double cpu = cpu_seconds(), wall = seconds(CLOCK_MONOTONIC);
    for (int k = 0; k < times; k++) kernel(call, 0, plan[i].pieces);
    printf("{\"cpu\": %.9f, ", cpu_seconds() - cpu);
    printf("\"wall\": %.9f, \"loss\": 0, \"peak_kilobytes\": 0}\n",
           seconds(CLOCK_MONOTONIC) - wall);
    fflush(stdout);
  }
  return 0;
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 15;
  if (rounds < 1 || rounds > MAX_ROUNDS) rounds = 15;
  static GemmPlan plan[MOST], floats[MOST];
  StrBuf text = {0};
  Arena *arena = arena_new();
  sb_puts(&text, dialect_prelude(arena, prelude_text()));
  arena_free(arena);
  bool serves = argc > 1 && strcmp(argv[1], "serve") == 0;
  const char *type = serves ? argv[2] : argc > 3 ? argv[3] : NULL;
  Mode mode = mode_of(type), other = F32;
  const bool split = mode == SPLIT6 || mode == SPLIT3;
  const char *only = !serves && argc > 2 && strcmp(argv[2], "all") != 0 ? argv[2] : NULL;
  if (!choose_shapes(only)) return fprintf(stderr, "gemm_bench: no such shape\n"), 1;
  size_t numbers = 48 * 256 * 256;
  if (mode != F32) sb_puts(&text, prelude_narrow_text());
  if (split || mode == RULE) sb_puts(&text, prelude_split_text());
  size_t scratch = 0;
  for (int i = 0; i < count; i++) {
    const Shape *s = &shapes[i];
    const int64_t sizes[] = {s->m * s->k, s->k * s->n, s->m * s->n};
    for (int k = 0; k < 3; k++)
      if ((size_t)(s->batch * sizes[k]) > numbers) numbers = (size_t)(s->batch * sizes[k]);
    make_plan(&plan[i], &shapes[i], &mode);
    contract_emit(&text, &plan[i]);
    if (plan[i].scratch > scratch) scratch = plan[i].scratch;
    if (!split) continue;
    size_t room = strlen(shapes[i].name) + sizeof "floats_";
    char *name = malloc(room);
    if (!name) return 1;
    snprintf(name, room, "floats_%s", shapes[i].name);
    make_plan(&floats[i], &shapes[i], &other);
    floats[i].name = name;
    contract_emit(&text, &floats[i]);
    if (floats[i].scratch > scratch) scratch = floats[i].scratch;
  }
  char folder[] = "/tmp/gemm_bench_XXXXXX";
  void *library = mkdtemp(folder) ? compile(folder, &text) : NULL;
  rmdir(folder); /* stays if the sources are kept */
  if (!library) return fprintf(stderr, "gemm_bench: the kernels do not compile\n"), 1;
  sb_free(&text);

  float *a = buffer(numbers), *b = buffer(numbers), *c = buffer(numbers);
  char *arg[] = {(char *)a, (char *)b, (char *)c};
  TdControl control = {0, 0};
  TdCall call = {arg, NULL, (char *)buffer(scratch / sizeof(float)), &control, 0};
  if (serves) return serve(library, plan, &call);
  static double rate[MOST][MAX_ROUNDS], beside[MOST][MAX_ROUNDS], peaks[MOST * MAX_ROUNDS];
  int npeaks = 0;
  for (int r = -1; r < rounds; r++) {
    for (int i = 0; i < count; i++) {
      const Shape *s = &shapes[i];
      double peak = mode == F32 || mode == RULE || split ? peak_rate(20000) : tile_rate(200);
      double one = rate_of(library, &plan[i], s, &call);
      double two = split ? rate_of(library, &floats[i], s, &call) : 0;
      if (r < 0) continue; /* the first round only warms up */
      peaks[npeaks++] = peak;
      rate[i][r] = one;
      beside[i][r] = two;
    }
  }
  qsort(peaks, (size_t)npeaks, sizeof *peaks, by_value);
  double best = peaks[npeaks - 1 - npeaks / 50];
  printf("peak %.1f GFLOP/s (median %.1f), %d rounds, one thread\n", best, peaks[npeaks / 2],
         rounds);
  printf("%-18s %5s %5s %5s %5s %7s   %15s   %15s\n", "shape", "batch", "m", "n", "k", "pieces",
         "best", "median");
  for (int i = 0; i < count; i++) {
    const Shape *s = &shapes[i];
    qsort(rate[i], (size_t)rounds, sizeof *rate[i], by_value);
    double top = rate[i][rounds - 1], middle = rate[i][rounds / 2];
    printf("%-18s %5lld %5lld %5lld %5lld %7lld", s->name, (long long)s->batch, (long long)s->m,
           (long long)s->n, (long long)s->k, (long long)plan[i].pieces);
    printf("   %7.1f (%4.1f%%)   %7.1f (%4.1f%%)", top, 100 * top / best, middle,
           100 * middle / best);
    qsort(beside[i], (size_t)rounds, sizeof *beside[i], by_value);
    double as_floats = beside[i][rounds / 2];
    if (split)
      printf("   floats %7.1f %7.1f, ratio %.2f, of the best %.2f", beside[i][rounds - 1],
             as_floats, middle / as_floats, top / beside[i][rounds - 1]);
    printf("\n");
  }
  dlclose(library);
  return 0;
}
