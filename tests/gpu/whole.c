/* SPDX-License-Identifier: MIT */
/* Whole models, in this process and in others: a fault that has to be told, the same bits from
 * process to process, the step at which a NaN is seen, the flagship beside the CPU; and
 * compute-sanitizer, where it is. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/toolchain.h"
#include "runtime/system/digest.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "tests/gpu/check.h"
#include "tests/model.h"

static const char verse[] = "tests/models/verse.txt";

/* ---- other processes ------------------------------------------------------------------- */

/* Runs a program; its output, to be freed, and how it ended. */
static char *run(const char *const *argv, double timeout, int *code) {
  static const char *const cache[] = {"TDC_CACHE=build/tests/jit", "LC_ALL=C", NULL};
  SpawnJob job = {.argv = argv, .extra_env = cache, .timeout = timeout};
  spawn_all(&job, 1, 1, NULL);
  *code = job.started && !job.timed_out ? job.code : -1;
  return job.output.s != NULL ? job.output.s : strdup("");
}

static char *run_self(const Suite *s, const char *program, const char *what, int *code) {
  const char *const argv[] = {program, what, s->emulated ? "--emulated" : NULL, NULL};
  return run(argv, 300, code);
}

static bool fault_is_told(const Suite *s, const char *program) {
  int code;
  char *said = run_self(s, program, "--fault", &code);
  bool ok = code == 0 || check_wrong("exit %d: %s", code, said);
  free(said);
  return ok;
}

static bool same_in_another_process(const Suite *s, const char *program) {
  int code, code_again;
  char *once = run_self(s, program, "--digest", &code);
  char *again = run_self(s, program, "--digest", &code_again);
  bool ok = (code == 0 && code_again == 0 && strlen(once) > 32) ||
            check_wrong("exit %d and %d: %s%s", code, code_again, once, again);
  ok = ok && (strcmp(once, again) == 0 || check_wrong("%sis not %s", once, again));
  free(once);
  free(again);
  return ok;
}

/* ---- training steps ----------------------------------------------------------------------- */

static bool open_step(Model *m, Running *r, const char *path, const char *target, const Define *d,
                      int n, const char *act) {
  UnitOptions more = {
      .target = target, .act = act, .no_eval = true, .no_models = true, .no_samplers = true};
  if (!model_open(m, path, d, n, NULL, 65, &more) || !model_build(m) || !running_open(r, m, 16))
    return false;
  session_run(r->session, session_entry(r->session, "init"), 5, 0);
  return true;
}

/* The loss of a training step on a pattern of symbols. */
static double step_loss(const Model *m, const Running *r, int64_t step) {
  const UnitEntry *e = unit_entry(m->unit, "train");
  int entry = session_entry(r->session, "train");
  TdError err = {0};
  for (int i = 0; i < e->ninputs; i++) {
    const UnitInput *in = &e->inputs[i];
    int64_t n = 1;
    if (!in->data) continue;
    for (int k = 0; k < in->rank; k++) n *= in->shape[k];
    int32_t *x = malloc((size_t)n * sizeof *x + 1);
    for (int64_t k = 0; x != NULL && k < n; k++) x[k] = (int32_t)((31 * step + 7 * k) % 65);
    bool ok = x != NULL && session_set_ints(r->session, entry, in->name, x, n, &err);
    free(x);
    if (!ok) return (double)NAN;
  }
  session_run(r->session, entry, 5, step);
  return session_scalar(r->session, entry, "loss");
}

int check_digest(bool emulated) {
  static const Define sizes[][2] = {{{"B", "8"}, {"L", "64"}}, {{"B", "1"}, {"L", "16"}}};
  Model m;
  Running r;
  TdError err = {0};
  bool ok = open_step(&m, &r, "models/shakespeare_nano.td", "cuda", sizes[emulated], 2, "bf16");
  Digest *d = digest_new();
  for (int64_t step = 1; ok && step <= 3; step++) {
    double loss = step_loss(&m, &r, step);
    ok = isfinite(loss);
    digest_add(d, &loss, sizeof loss);
  }
  for (int i = 0; ok && i < m.unit->program->nstates; i++) {
    const TdState *state = &m.unit->program->states[i];
    void *x = state_of(r.session, i);
    digest_add(d, x, (size_t)state->count * td_type_size(state->type));
    free(x);
  }
  char hex[DIGEST_HEX];
  ok = digest_end_hex(d, hex) && ok && session_sync(r.session, &err);
  if (ok) printf("%s\n", hex);
  running_close(&r);
  model_close(&m);
  return ok ? 0 : 1;
}

/* Full size, as long as a CPU can keep up. */
static bool flagship(const char *act, double within) {
  static const Define size[] = {{"B", "2"}};
  Model cpu, gpu;
  Running on_cpu, on_gpu;
  bool ok = open_step(&cpu, &on_cpu, "models/shakespeare.td", "cpu", size, 1, act) &&
            open_step(&gpu, &on_gpu, "models/shakespeare.td", "cuda", size, 1, act);
  for (int64_t step = 1; ok && step <= 3; step++) {
    double want = step_loss(&cpu, &on_cpu, step), got = step_loss(&gpu, &on_gpu, step);
    ok = fabs(got - want) <= within * fabs(want) ||
         check_wrong("%s: the loss of step %" PRId64 " is %.9g, on the CPU %.9g", act, step, got,
                     want);
  }
  running_close(&on_cpu);
  running_close(&on_gpu);
  model_close(&cpu);
  model_close(&gpu);
  return ok;
}

/* ---- a NaN ---------------------------------------------------------------------------------- */

/* w falls by 1 a step from 3.5: its logarithm is NaN in the fifth. */
static const char falls[] =
    "data text { source \"verse.txt\"  tokens chars  split 0.9 }\n"
    "dim B = 1, L = 8, V = text.vocab, I = 40\n"
    "param w[I] = 3.5\n"
    "loss main(x: id<V>[B,L]) {\n"
    "  minimize sum[i in I](w[i]) + 0.0 * sum[i in I](log(w[i]))\n"
    "}\n"
    "train { loss main  sgd(lr = 1, momentum = 0)  batch B  steps 8  log every 4 }\n";

static bool nan_at_its_step(void) {
  static const char folder[] = "build/tests/check_gpu_run",
                    path[] = "build/tests/check_gpu_run/falls.td",
                    runs[] = "build/tests/check_gpu_run/run";
  TdError err = {0};
  if (!io_make_folders(NULL, folder, false, &err) ||
      !io_write_file(NULL, path, falls, strlen(falls), &err))
    return check_wrong("%s", err.message);
  const char *const argv[] = {"build/tdc", "train", path, "--device",    "cuda", "--data",
                              verse,       "-o",    runs, "--overwrite", NULL};
  int code;
  char *said = run(argv, 300, &code);
  bool ok = (code == TD_NOT_FINITE && strstr(said, "step 5: loss is NaN") != NULL &&
             strstr(said, "falls.td:5") != NULL) ||
            check_wrong("exit %d: %s", code, said);
  free(said);
  return ok;
}

void check_whole(Suite *s, const char *program) {
  check_verdict(s, "faults_are_told", fault_is_told(s, program));
  check_verdict(s, "nan_at_its_step", nan_at_its_step());
  check_verdict(s, "same_bits_in_another_process", same_in_another_process(s, program));
}

void check_slow(Suite *s) {
  if (s->emulated) {
    check_skip(s, "flagship_as_on_the_cpu", "an emulated GPU is too slow for it");
    return;
  }
  char *tried = toolchain_missing();
  if (tried != NULL) {
    check_skip(s, "flagship_as_on_the_cpu", "no C compiler for the CPU's side of it");
    free(tried);
    return;
  }
  check_verdict(s, "flagship_as_on_the_cpu", flagship("f32", 2e-4));
  check_verdict(s, "flagship_as_on_the_cpu_in_bf16", flagship("bf16", 2e-2));
}

/* ---- compute-sanitizer ---------------------------------------------------------------------- */

static char *sanitizer(void) {
  static const char usual[] = "/usr/local/cuda/bin/compute-sanitizer";
  char *found = spawn_which("compute-sanitizer");
  return found != NULL ? found : spawn_which(usual);
}

void check_sanitizer(Suite *s, const char *program) {
  static const char *const tools[] = {"memcheck", "racecheck", "initcheck", "synccheck"};
  char *path = s->emulated ? NULL : sanitizer();
  for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
    char name[64];
    int code;
    snprintf(name, sizeof name, "compute_sanitizer_%s", tools[i]);
    if (path == NULL) {
      check_skip(s, name, s->emulated ? "of no use to an emulated GPU" : "not installed");
      continue;
    }
    const char *const argv[] = {path, "--tool", tools[i],   "--error-exitcode",
                                "9",  program,  "--graphs", NULL};
    char *said = run(argv, 100, &code);
    size_t n = strlen(said);
    check_verdict(s, name,
                  code == 0 || check_wrong("exit %d: %s", code, said + (n > 3000 ? n - 3000 : 0)));
    free(said);
  }
  free(path);
}
