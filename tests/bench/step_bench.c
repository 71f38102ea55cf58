/* The tdc side of step_bench.py: a training step whenever a line on stdin asks.
 *
 *   step_bench FILE.td THREADS [NAME=VALUE ...]
 *
 * Out comes one JSON object a line: first what was compiled, then for "step" the
 * loss and the process CPU and wall seconds of one step on fresh tokens, for
 * "peak" the multiply-adds that one thread does, as floating point operations a
 * CPU second. Tokens are random: no text is read, the vocabulary is Tiny
 * Shakespeare's in size. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/model.h"

enum { VOCABULARY = 65, CHAINS = 12, PEAK_STEPS = 4000000 };

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
  int entry;
  const UnitInput *input;
  int32_t *tokens;
  int64_t count, step;
} Bench;

static bool bench_open(Bench *b, int argc, char **argv) {
  Define defines[16];
  int n = 0;
  for (int i = 3; i < argc && n < 16; i++) {
    char *equals = strchr(argv[i], '=');
    if (!equals) return false;
    *equals = '\0';
    defines[n++] = (Define){argv[i], equals + 1};
  }
  double start = seconds(CLOCK_MONOTONIC);
  UnitOptions more = {.no_eval = true, .no_samplers = true, .no_models = true};
  if (!model_open(&b->model, argv[1], defines, n, NULL, VOCABULARY, &more) ||
      !model_build(&b->model) || !running_open(&b->run, &b->model, atoi(argv[2])))
    return false;
  b->entry = session_entry(b->run.session, "train");
  const UnitEntry *e = unit_entry(b->model.unit, "train");
  for (int i = 0; i < e->ninputs; i++)
    if (e->inputs[i].data) b->input = &e->inputs[i];
  if (b->entry < 0 || !b->input) return false;
  b->count = b->input->shape[0] * b->input->shape[1];
  b->tokens = malloc((size_t)b->count * sizeof *b->tokens);
  session_run(b->run.session, session_entry(b->run.session, "init"), 1, 0);
  const TdEntry *t = &b->model.unit->program->entries[b->entry];
  json_t *about =
      json_pack("{s:b, s:I, s:f, s:I, s:i, s:s, s:i, s:f, s:i}", "ready", 1, "weights",
                (json_int_t)b->model.unit->nweights, "flops", t->flops, "arena_bytes",
                (json_int_t)t->arena_bytes, "kernels", b->model.unit->program->nkernels, "compiler",
                jit_compiler(b->model.jit), "compiled", jit_stats(b->model.jit)->compiled,
                "compile_seconds", seconds(CLOCK_MONOTONIC) - start, "lanes", LANES);
  json_dumpf(about, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(about);
  return true;
}

static bool bench_step(Bench *b) {
  b->step++;
  for (int64_t i = 0; i < b->count; i++)
    b->tokens[i] =
        (int32_t)(draw_uniform(1, (uint64_t)b->step, draw_site("bench"), (uint64_t)i) * VOCABULARY);
  TdError err = {0};
  double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
  if (!session_set_ints(b->run.session, b->entry, b->input->name, b->tokens, b->count, &err)) {
    fprintf(stderr, "%s\n", err.message);
    return false;
  }
  session_run(b->run.session, b->entry, 1, b->step);
  double loss = session_scalar(b->run.session, b->entry, "loss");
  cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  wall = seconds(CLOCK_MONOTONIC) - wall;
  struct rusage use;
  getrusage(RUSAGE_SELF, &use);
  printf("{\"cpu\": %.6f, \"wall\": %.6f, \"loss\": %.9g, \"peak_kilobytes\": %ld}\n", cpu, wall,
         loss, use.ru_maxrss);
  return isfinite(loss);
}

int main(int argc, char **argv) {
  Bench b = {0};
  if (argc < 3 || !bench_open(&b, argc, argv)) {
    fprintf(stderr,
            "usage: step_bench FILE.td THREADS [NAME=VALUE ...], in the project's folder\n");
    return 2;
  }
  char line[64];
  float sum = 0;
  bool good = true;
  fflush(stdout);
  while (good && fgets(line, sizeof line, stdin)) {
    if (strcmp(line, "step\n") == 0) good = bench_step(&b);
    else if (strcmp(line, "peak\n") == 0) printf("{\"flops\": %.9g}\n", peak(&sum));
    else good = false;
    fflush(stdout);
  }
  running_close(&b.run);
  model_close(&b.model);
  free(b.tokens);
  return good && isfinite(sum) ? 0 : 1;
}
