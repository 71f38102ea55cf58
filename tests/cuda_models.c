/* SPDX-License-Identifier: MIT */
/* Whole models on CUDA: every file of tests/models and the nano presets of models, on the
 * emulated device unless --gpu says that there is one.
 *
 *   cuda_models [--gpu] [FILE.td ...]
 *
 * For each, in f32 and in bf16: every entry against the reference evaluator (f32); training
 * steps beside the CPU's of the same storage type; the same steps again, bit for bit; every
 * sampler to its end, with the symbols that the CPU draws in f32. And a training step of a nano
 * preset and of a recurrent model on the emulated device that watches every load and store, in a
 * process of its own. In `make test` two steps are taken, one of nano presets, which draw nothing;
 * only f32 runs twice, its steps do, and steps in bf16, of every third file, are held against the
 * CPU's in f32, which other tests compile; TDC_TEST_LONG=1, a real GPU and files that are named
 * get all of it. */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cuda/device.h"
#include "runtime/data/feed.h"
#include "runtime/train/sample.h"
#include "tests/entries.h"
#include "tests/poisoned.h"

enum { STEPS = 4, SEED = 5, SYMBOLS_MOST = 1 << 14 };
/* In place of each: what an entry has to write is poison before it runs (tests/poisoned.h). */
Device *__real_cuda_device(const TdProgram *p, const JitOptions *o, CudaInfo *info, TdError *err);
Device *__wrap_cuda_device(const TdProgram *p, const JitOptions *o, CudaInfo *info, TdError *err);
Device *__wrap_cuda_device(const TdProgram *p, const JitOptions *o, CudaInfo *info, TdError *err) {
  return poisoned_device(__real_cuda_device(p, o, info, err), p);
}

static const char verse[] = "tests/models/verse.txt";
static const Define nano_size[] = {{"B", "2"}, {"L", "32"}};
static const Define watched_size[] = {{"B", "2"}, {"L", "8"}};

/* Losses may differ by so much of their size: f32 and bf16. */
static const double NEAR[] = {2e-4, 2e-2};

typedef struct Suite {
  int passed, failed;
  int files; /* so far */
  bool whole;
  clock_t begin;
} Suite;

static void verdict(Suite *s, const char *path, const char *act, const char *what, bool good) {
  clock_t now = clock();
  printf("%s %s, %s: %s  (%.1f s)\n", good ? "passed" : "FAILED", path, act, what,
         (double)(now - s->begin) / CLOCKS_PER_SEC);
  fflush(stdout);
  s->begin = now;
  *(good ? &s->passed : &s->failed) += 1;
}

/* How much of a model is run. */
typedef struct Depth {
  int steps;
  bool samples;
} Depth;

/* What a device makes of a model, from its initial weights. */
typedef struct Made {
  double losses[STEPS];
  int32_t ids[SYMBOLS_MOST]; /* of all samplers, one after another */
  int nids;
} Made;

static bool keep(void *ctx, const SampleFrame *frame) {
  Made *m = ctx;
  for (int64_t i = 0; i < frame->batch * frame->window && m->nids < SYMBOLS_MOST; i++)
    m->ids[m->nids++] = frame->ids[i];
  return true;
}

static bool make(const Model *m, Depth depth, Made *out) {
  Running r;
  TdError err = {0};
  Feed feed;
  *out = (Made){0};
  if (!running_open(&r, m, 1)) return running_close(&r), false;
  session_run(r.session, session_entry(r.session, "init"), SEED, 0);
  bool good = feed_open(&feed, r.session, m->unit, "train", m->data, &err);
  for (int step = 1; good && step <= depth.steps; step++) {
    good = feed_train(&feed, SEED, step, &err);
    if (!good) break;
    session_run(r.session, feed.index, SEED, step);
    out->losses[step - 1] = session_scalar(r.session, feed.index, "loss");
  }
  feed_close(&feed);
  for (int i = 0; good && depth.samples && i < m->unit->nsamplers; i++) {
    const UnitSampler *s = &m->unit->samplers[i];
    Dataset *d = data_store_find(m->data, s->data);
    SampleRequest request = {.sampler = s, .vocabulary = &d->vocabulary, .hole = '_', .seed = SEED};
    good = sample_run(r.session, &request, false, keep, out, &err);
  }
  if (!good || !session_sync(r.session, &err)) {
    fprintf(stderr, "%s: %s\n", m->path, err.message);
    good = false;
  }
  running_close(&r);
  return good;
}

static bool is_nano(const char *path) { return strncmp(path, "models/", 7) == 0; }

static bool open_model(Model *m, const char *path, const Define *size, const char *target,
                       const char *act) {
  UnitOptions more = {.target = target, .act = act};
  return model_open(m, path, size, is_nano(path) ? 2 : 0, verse, 0, &more) && model_build(m);
}

static bool near(const char *path, const Made *want, const Made *got, double tolerance) {
  for (int i = 0; i < STEPS; i++)
    if (!(fabs(got->losses[i] - want->losses[i]) <= tolerance * fabs(want->losses[i]))) {
      fprintf(stderr, "%s: the loss of step %d is %.9g, on the CPU %.9g\n", path, i + 1,
              got->losses[i], want->losses[i]);
      return false;
    }
  return true;
}

static bool same_symbols(const char *path, const Made *want, const Made *got) {
  int differ = want->nids != got->nids;
  for (int i = 0; !differ && i < want->nids; i++) differ += want->ids[i] != got->ids[i];
  if (differ) fprintf(stderr, "%s: symbols are not those that the CPU draws\n", path);
  return differ == 0;
}

/* Beside `want`, which the CPU made: in f32 of f32. */
static void check_type(Suite *suite, const char *path, bool narrow, Depth depth, const Made *want) {
  const char *act = narrow ? "bf16" : "f32";
  static Made got, again;
  Model gpu;
  if (!open_model(&gpu, path, nano_size, "cuda", act)) {
    verdict(suite, path, act, "compilation", false);
    model_close(&gpu);
    return;
  }
  if (!narrow) {
    Running r;
    bool good = running_open(&r, &gpu, 1) && entries_compare(&gpu, &r, SEED) == 0;
    running_close(&r);
    verdict(suite, path, act, "entries against the evaluator", good);
  }
  bool made = want && make(&gpu, depth, &got);
  verdict(suite, path, act, "training as on the CPU", made && near(path, want, &got, NEAR[narrow]));
  if (!narrow && depth.samples)
    verdict(suite, path, act, "samples as on the CPU", made && same_symbols(path, want, &got));
  if (!narrow || suite->whole) {
    if (!suite->whole) depth.samples = false;
    made = made && make(&gpu, depth, &again) &&
           memcmp(got.losses, again.losses, sizeof got.losses) == 0 &&
           (!depth.samples || memcmp(&got, &again, sizeof got) == 0);
    verdict(suite, path, act, "twice the same bits", made);
  }
  model_close(&gpu);
}

static bool make_on_cpu(const char *path, const char *act, Depth depth, Made *out) {
  Model cpu;
  bool made = open_model(&cpu, path, nano_size, "cpu", act) && make(&cpu, depth, out);
  model_close(&cpu);
  return made;
}

static void check(Suite *suite, const char *path) {
  static Made want;
  Depth depth = {suite->whole ? STEPS : 2, true};
  if (is_nano(path) && !suite->whole) depth = (Depth){1, false};
  bool made = make_on_cpu(path, "f32", depth, &want);
  check_type(suite, path, false, depth, made ? &want : NULL);
  if (!suite->whole && suite->files++ % 3 != 0) return;
  if (suite->whole) made = make_on_cpu(path, "bf16", depth, &want);
  check_type(suite, path, true, depth, made ? &want : NULL);
}

/* One training step, every load and store of its kernels watched: nothing is told of, and the
 * loss is the CPU's. Whether a device watches is decided when a process opens it. */
static void check_watched(Suite *suite, const char *path, bool narrow) {
  const char *act = narrow ? "bf16" : "f32";
  int status = 0;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    static Made want, got;
    Depth step = {1, false};
    Model cpu, gpu;
    setenv("TDC_EMU_CHECK", "1", 1);
    bool good = open_model(&cpu, path, watched_size, "cpu", act) &&
                open_model(&gpu, path, watched_size, "cuda", act) && make(&cpu, step, &want) &&
                make(&gpu, step, &got) && near(path, &want, &got, NEAR[narrow]);
    fflush(NULL);
    _exit(!good);
  }
  bool good = child > 0 && waitpid(child, &status, 0) == child && status == 0;
  verdict(suite, path, act, "a training step, watched", good);
}

static void check_folder(Suite *suite, const char *folder, const char *holds) {
  struct dirent **files;
  int n = scandir(folder, &files, NULL, alphasort);
  for (int i = 0; i < n; i++) {
    char path[512];
    size_t size = (size_t)snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
    if (size > 3 && strcmp(path + size - 3, ".td") == 0 && strstr(files[i]->d_name, holds) &&
        model_in_depth(path, suite->whole))
      check(suite, path);
    free(files[i]);
  }
  if (n < 0)
    perror(folder), suite->failed++;
  else
    free(files);
}

int main(int argc, char **argv) {
  Suite suite = {.begin = clock()};
  bool gpu = argc > 1 && strcmp(argv[1], "--gpu") == 0;
  const char *longer = getenv("TDC_TEST_LONG");
  suite.whole = gpu || argc > 1 || (longer && *longer == '1');
  if (!gpu) setenv("TDC_CUDA_LIBRARIES", "build/tests/cuda_emu", 1);
  if (!gpu) model_quick(NULL);
  for (int i = 1 + gpu; i < argc; i++) check(&suite, argv[i]);
  if (argc == 1)
    for (int narrow = 0; narrow < 2; narrow++)
      check_watched(&suite, "models/shakespeare_nano.td", narrow);
  if (argc == 1) check_watched(&suite, "tests/models/gru_lm.td", false); /* loops in one kernel */
  if (argc == 1 + gpu) {
    check_folder(&suite, "tests/models", "");
    check_folder(&suite, "models", "nano");
  }
  printf("%d passed, %d failed\n", suite.passed, suite.failed);
  return suite.failed > 0;
}
