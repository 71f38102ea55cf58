/* SPDX-License-Identifier: MIT */
/* The tdc side of bench.py: a training step or a sampling whenever a line on stdin asks.
 *
 *   bench_side step FILE.td THREADS TYPE [--memory BYTES] [NAME=VALUE ...]
 *   bench_side sample FILE.td THREADS TYPE [NAME=VALUE ...] -- [SETTING=VALUE ...]
 *   bench_side peak
 *
 * THREADS may be "cuda": everything runs on the GPU then. TYPE is that of activations, or split3 or
 * split6: products of f32 by parts.
 *
 * Out comes one JSON object a line: first what was compiled, then for each "run" the process
 * CPU and wall seconds of one step (with its loss) or of one sampling from init to emit ("run N":
 * of N, one after another; the loss is the last one's), and for each "peak" the multiply-adds
 * that one thread does, as floating point operations a CPU second. "kernels N" tells each
 * kernel's time in N steps, launch by launch. No text is read: tokens are a fixed pattern that
 * can be learnt, the vocabulary is Tiny Shakespeare's in size. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/cuda/gpu.h"
#include "runtime/train/sample.h"
#include "tests/model.h"

enum { VOCABULARY = 65, CHAINS = 12, PEAK_STEPS = 4000000, MOST_GIVEN = 16 };
enum { AHEAD = 16, TOGETHER = 8 }; /* steps, as in training */

#if defined __AVX512F__
enum { LANES = 16 };
#elif defined __AVX__
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
typedef float Vector __attribute__((vector_size(4 * LANES)));

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Independent chains hide the latency; the sum keeps the loop alive. */
static double peak(float *sum) {
  Vector a[CHAINS], m = (Vector){0} + 0.999f, c = (Vector){0} + 1e-3f;
  for (int k = 0; k < CHAINS; k++) a[k] = c + (float)k;
  double start = seconds(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < PEAK_STEPS; i++) {
    for (int k = 0; k < CHAINS; k++) a[k] = a[k] * m + c;
    __asm__ volatile("" : : : "memory");
  }
  double took = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
  for (int k = 1; k < CHAINS; k++) a[0] += a[k];
  *sum += a[0][0];
  return 2.0 * CHAINS * LANES * PEAK_STEPS / took;
}

typedef struct Bench {
  Model model;
  Running run;
  Gpu gpu;     /* opened where the program runs on it */
  size_t free; /* of its memory, before the program came */
  bool samples;
  int entry;              /* "train" */
  const UnitInput *input; /* its tokens */
  Series *series;         /* of its runs, where a device works beside the host */
  double *values;         /* its outputs in them */
  int32_t *tokens;
  TdSetting settings[MOST_GIVEN]; /* of the sampler */
  int nsettings;
  int64_t step;
} Bench;

/* NAME=VALUE, cut in two. */
static bool split(char *given, const char **name, const char **value) {
  char *equals = strchr(given, '=');
  if (!equals) return false;
  *equals = '\0';
  *name = given;
  *value = equals + 1;
  return true;
}

static void tell_about(const Bench *b, double compile_seconds) {
  const TdProgram *program = b->model.unit->program;
  double flops = 0;
  int64_t arena = 0;
  char turn[64]; /* of the sampler that is run */
  snprintf(turn, sizeof turn, "sample.%s.step", b->samples ? b->model.unit->samplers[0].name : "");
  for (int i = 0; i < program->nentries; i++) {
    const TdEntry *e = &program->entries[i];
    if ((int64_t)e->arena_bytes > arena) arena = (int64_t)e->arena_bytes;
    if (strcmp(e->name, b->samples ? turn : "train") == 0) flops = e->flops;
  }
  size_t left = b->free, all;
  if (b->model.cuda && b->gpu.driver.cuMemGetInfo_v2(&left, &all) != CUDA_OK) left = b->free;
  json_t *about =
      json_pack("{s:b, s:I, s:f, s:I, s:i, s:s, s:i, s:f, s:i, s:I}", "ready", 1, "weights",
                (json_int_t)b->model.unit->nweights, "flops", flops, "arena_bytes",
                (json_int_t)arena, "kernels", program->nkernels, "compiler",
                b->model.cuda ? "NVRTC" : jit_compiler(b->model.jit), "compiled",
                b->model.cuda ? 0 : jit_stats(b->model.jit)->compiled, "compile_seconds",
                compile_seconds, "lanes", LANES, "device_bytes", (json_int_t)(b->free - left));
  json_dumpf(about, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(about);
}

static bool find_tokens(Bench *b) {
  b->entry = session_entry(b->run.session, "train");
  const UnitEntry *e = unit_entry(b->model.unit, "train");
  if (b->entry < 0 || !e) return false;
  for (int i = 0; i < e->ninputs; i++)
    if (e->inputs[i].data) b->input = &e->inputs[i];
  if (!b->input || b->input->rank != 2) return false;
  b->tokens = malloc((size_t)(b->input->shape[0] * b->input->shape[1]) * sizeof *b->tokens);
  int noutputs = b->model.unit->program->entries[b->entry].noutputs;
  b->values = calloc((size_t)(noutputs * AHEAD) + 1, sizeof *b->values);
  if (session_behind(b->run.session))
    b->series = session_series(b->run.session, b->entry, AHEAD, TOGETHER, &b->input->name, 1, NULL);
  return b->tokens != NULL && b->values != NULL &&
         (b->series != NULL || !session_behind(b->run.session));
}

static bool bench_open(Bench *b, int argc, char **argv) {
  Define defines[MOST_GIVEN];
  int n = 0, i = 5;
  int64_t memory = 0;
  b->samples = strcmp(argv[1], "sample") == 0;
  if (argc > 6 && strcmp(argv[i], "--memory") == 0) {
    memory = atoll(argv[i + 1]);
    i += 2;
  }
  for (; i < argc && n < MOST_GIVEN && strcmp(argv[i], "--") != 0; i++, n++)
    if (!split(argv[i], &defines[n].name, &defines[n].value)) return false;
  for (i++; i < argc && b->nsettings < MOST_GIVEN; i++, b->nsettings++) {
    TdSetting *s = &b->settings[b->nsettings];
    if (!split(argv[i], &s->name, &s->value)) return false;
  }
  double start = seconds(CLOCK_MONOTONIC);
  bool cuda = strcmp(argv[3], "cuda") == 0;
  int threads = cuda ? 1 : atoi(argv[3]);
  TdError err = {0};
  size_t all;
  if (cuda &&
      (!gpu_open(&b->gpu, &err) || b->gpu.driver.cuMemGetInfo_v2(&b->free, &all) != CUDA_OK)) {
    fprintf(stderr, "bench_side: %s\n", err.message);
    return false;
  }
  UnitOptions more = {.no_eval = true,
                      .no_models = true,
                      .no_train = b->samples,
                      .no_samplers = !b->samples,
                      .act = strncmp(argv[4], "split", 5) == 0 ? NULL : argv[4],
                      .product = strncmp(argv[4], "split", 5) == 0 ? argv[4] : NULL,
                      .memory = memory,
                      .target = cuda ? "cuda" : NULL,
                      .threads = threads};
  if (!model_open(&b->model, argv[2], defines, n, NULL, VOCABULARY, &more) ||
      !model_build(&b->model) || !running_open(&b->run, &b->model, threads))
    return false;
  double took = seconds(CLOCK_MONOTONIC) - start;
  int init = session_entry(b->run.session, "init");
  if (init < 0 || (b->samples ? b->model.unit->nsamplers == 0 : !find_tokens(b))) return false;
  session_run(b->run.session, init, 1, 0);
  tell_about(b, took);
  return true;
}

/* The loss of the last step, and that all are done. */
static bool last_loss(Bench *b, double *loss, TdError *err) {
  const TdEntry *e = &b->model.unit->program->entries[b->entry];
  if (b->series == NULL) *loss = session_scalar(b->run.session, b->entry, "loss");
  int n = b->series != NULL ? series_length(b->series) : 0;
  if (n > 0 && !series_read(b->series, b->values, err)) return false;
  for (int i = 0; n > 0 && i < e->noutputs; i++)
    if (strcmp(e->outputs[i].name, "loss") == 0) *loss = b->values[(n - 1) * e->noutputs + i];
  return true;
}

/* The pattern of bench_sizes.py: each symbol follows from the one before. Their number. */
static int64_t fill_tokens(Bench *b) {
  int64_t rows = b->input->shape[0], length = b->input->shape[1];
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < length; i++)
      b->tokens[r * length + i] = (int32_t)((31 * b->step + 17 * r + 3 * i) % VOCABULARY);
  return rows * length;
}

static bool start_step(Bench *b, TdError *err) {
  double ignored;
  int64_t n = fill_tokens(b);
  if (b->series == NULL) {
    if (!session_set_ints(b->run.session, b->entry, b->input->name, b->tokens, n, err))
      return false;
    session_run(b->run.session, b->entry, 1, b->step);
    return true;
  }
  if (series_full(b->series) && !last_loss(b, &ignored, err)) return false;
  if (!series_set_ints(b->series, b->input->name, b->tokens, n, err)) return false;
  series_run(b->series, 1, b->step);
  return true;
}

static bool look(void *ctx, const SampleFrame *frame) {
  double *mean = ctx;
  for (int64_t i = 0; i < frame->batch * frame->window; i++)
    *mean += (double)frame->ids[i] / (double)(frame->batch * frame->window);
  return true;
}

static bool one(Bench *b, double *loss, TdError *err) {
  SampleRequest request = {.sampler = b->samples ? &b->model.unit->samplers[0] : NULL,
                           .settings = b->settings,
                           .nsettings = b->nsettings,
                           .seed = (uint64_t)++b->step};
  return b->samples ? sample_run(b->run.session, &request, false, look, loss, err)
                    : start_step(b, err);
}

/* Steps or samplings. A sampling's "loss" is the mean of the symbols it says. */
static bool bench_run(Bench *b, int times) {
  TdError err = {0};
  double loss = 0;
  bool good = true;
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
  for (int i = 0; good && i < times; i++) {
    loss = 0;
    good = one(b, &loss, &err);
  }
  if (!b->samples) good = good && last_loss(b, &loss, &err);
  good = good && isfinite(loss);
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  wall = seconds(CLOCK_MONOTONIC) - wall;
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  if (good)
    printf("{\"cpu\": %.6f, \"wall\": %.6f, \"loss\": %.9g, \"peak_kilobytes\": %ld}\n", cpu, wall,
           loss, use.ru_maxrss);
  else
    fprintf(stderr, "bench_side: %s\n", *err.message ? err.message : "the loss is not finite");
  return good;
}

/* ---- kernel by kernel ------------------------------------------------------------------- */

typedef struct Times {
  const TdProgram *program;
  const TdStep *steps;
  double *seconds; /* by kernel */
  int *launches;
} Times;

static void take_time(void *ctx, int step, double begin, double end) {
  const Times *t = ctx;
  t->seconds[t->steps[step].kernel] += end - begin;
  t->launches[t->steps[step].kernel]++;
}

static json_t *kernel_json(const Times *t, int i, int times) {
  const TdKernel *k = &t->program->kernels[i];
  const char *klass = k->kind == TD_PRODUCT ? "product" : k->klass != NULL ? k->klass : "";
  return json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "name", k->name, "class", klass, "where",
                   k->where != NULL ? k->where : "", "seconds", t->seconds[i] / times, "launches",
                   (double)t->launches[i] / times, "flops", k->flops, "bytes", k->bytes);
}

static bool bench_kernels(Bench *b, int times) {
  const TdProgram *p = b->model.unit->program;
  TdError err = {0};
  if (b->samples) return false;
  Times t = {.program = p, .steps = p->entries[b->entry].steps};
  DeviceWatch watch = {.ctx = &t, .time = take_time};
  t.seconds = calloc((size_t)p->nkernels + 1, sizeof *t.seconds);
  t.launches = calloc((size_t)p->nkernels + 1, sizeof *t.launches);
  bool good =
      t.seconds != NULL && t.launches != NULL &&
      session_set_ints(b->run.session, b->entry, b->input->name, b->tokens, fill_tokens(b), &err);
  for (int i = 0; good && i < times; i++)
    session_run_watched(b->run.session, b->entry, 1, ++b->step, &watch);
  good = good && session_sync(b->run.session, &err);
  json_t *all = json_array();
  for (int i = 0; good && i < p->nkernels; i++)
    if (t.launches[i] > 0) json_array_append_new(all, kernel_json(&t, i, times));
  if (good) {
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
  } else {
    fprintf(stderr, "bench_side: %s\n", err.message);
  }
  json_decref(all);
  free(t.seconds);
  free(t.launches);
  return good;
}

int main(int argc, char **argv) {
  Bench b = {0};
  bool alone = argc == 2 && strcmp(argv[1], "peak") == 0;
  if (alone)
    printf("{\"ready\": true}\n");
  else if (argc < 5 || !bench_open(&b, argc, argv)) {
    fprintf(stderr,
            "usage: bench_side step|sample FILE.td THREADS TYPE [--memory BYTES] [NAME=VALUE ...] "
            "[-- SETTING=VALUE ...], in the project's folder\n");
    return 2;
  }
  char line[64];
  float sum = 0;
  bool good = true;
  fflush(stdout);
  while (good && fgets(line, sizeof line, stdin)) {
    int times = 1;
    if (strcmp(line, "run\n") == 0 && !alone)
      good = bench_run(&b, 1);
    else if (sscanf(line, "run %d\n", &times) == 1 && times > 0 && !alone)
      good = bench_run(&b, times);
    else if (sscanf(line, "kernels %d\n", &times) == 1 && times > 0 && !alone)
      good = bench_kernels(&b, times);
    else if (strcmp(line, "peak\n") == 0)
      printf("{\"flops\": %.9g}\n", peak(&sum));
    else
      good = false;
    fflush(stdout);
  }
  if (!alone) {
    running_close(&b.run);
    model_close(&b.model);
    gpu_close(&b.gpu);
  }
  free(b.tokens);
  free(b.values);
  return good && isfinite(sum) ? 0 : 1;
}
