/* SPDX-License-Identifier: MIT */
/* Is what a GPU does right? Everything that goes wrong without a word, check by check.
 *
 *   check_gpu [--emulated] [--short]
 *
 * Exit 3 without a GPU; ends with "N passed, N failed[, N skipped]". --emulated takes the
 * libraries of tests/cuda_emu in place of NVIDIA's: a rehearsal. --short leaves out what needs
 * a GPU in any case, or minutes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/gpu.h"
#include "tests/gpu/check.h"
#include "tests/poisoned.h"

void check_verdict(Suite *s, const char *name, bool good) {
  double now = clock_seconds();
  printf("%s %s  (%.1f s)\n", good ? "passed" : "FAILED", name, now - s->begin);
  fflush(stdout);
  s->begin = clock_seconds();
  *(good ? &s->passed : &s->failed) += 1;
}

void check_skip(Suite *s, const char *name, const char *why) {
  printf("SKIP %s: %s\n", name, why);
  fflush(stdout);
  s->skipped++;
}

bool check_wrong(const char *format, ...) {
  va_list args;
  va_start(args, format);
  printf("  ");
  vprintf(format, args);
  printf("\n");
  va_end(args);
  return false;
}

Session *check_session(const TdProgram *p, TdError *err) {
  static const JitOptions options = {.cache = "build/tests/jit"};
  static CudaInfo info;
  return session_new(p, poisoned_device(cuda_device(p, &options, &info, err), p), err);
}

/* The GPU's name, or why there is none. */
static bool look(bool emulated) {
  Gpu gpu = {0};
  TdError err = {0};
  if (!gpu_look(&gpu, &err)) {
    fprintf(stderr, "there is no GPU to check: %s\n", err.message);
    return false;
  }
  printf("%s%s, compute capability %d.%d, driver for CUDA %d.%d\n", gpu.name,
         emulated ? " (emulated)" : "", gpu.major, gpu.minor, gpu.driver.version / 1000,
         gpu.driver.version % 1000 / 10);
  return true;
}

int main(int argc, char **argv) {
  Suite s = {0};
  const char *only = NULL;
  bool brief = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--emulated") == 0)
      s.emulated = true;
    else if (strcmp(argv[i], "--short") == 0)
      brief = true;
    else if (only == NULL)
      only = argv[i];
    else
      return fprintf(stderr, "usage: check_gpu [--emulated] [--short]\n"), 2;
  }
  if (s.emulated) setenv("TDC_CUDA_LIBRARIES", "build/tests/cuda_emu", 1);
  if (only != NULL && strcmp(only, "--fault") == 0) return check_fault();
  if (only != NULL && strcmp(only, "--digest") == 0) return check_digest(s.emulated);
  bool graphs = only != NULL && strcmp(only, "--graphs") == 0;
  if (only != NULL && !graphs)
    return fprintf(stderr, "usage: check_gpu [--emulated] [--short]\n"), 2;
  if (!look(s.emulated)) return 3;
  s.begin = clock_seconds();
  check_graphs(&s);
  if (!graphs) {
    check_series(&s);
    check_device(&s);
    check_whole(&s, argv[0]);
  }
  if (!graphs && !brief) {
    check_slow(&s);
    check_sanitizer(&s, argv[0]);
  }
  printf("%d passed, %d failed", s.passed, s.failed);
  if (s.skipped > 0) printf(", %d skipped", s.skipped);
  printf("\n");
  return s.failed > 0;
}
