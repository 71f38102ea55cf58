/* SPDX-License-Identifier: MIT */
/* The device under programs made by hand, for what no graph asks for: more shared memory than a
 * block has without asking, launches that cannot be, more memory than there is, and a kernel
 * that writes where nothing is. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/cuda/cuda.h"
#include "tests/gpu/check.h"

enum { N = 1000, THREADS = 256, BLOCKS = (N + THREADS - 1) / THREADS };

/* y[i] = 2 x[i], by way of the last bytes of a block's shared memory */
static const char through_shared[] =
    "TD_KERNEL(256, 1) through(void *x, void *y)\n"
    "{\n"
    "  float *s = (float *)(td_shared_memory() + 65536) - td_thread() - 1;\n"
    "  const int i = (int)td_block() * 256 + td_thread();\n"
    "  *s = i < 1000 ? 2.0f * ((const float *)x)[i] : 0;\n"
    "  td_barrier();\n"
    "  if (i < 1000) ((float *)y)[i] = *s;\n"
    "}\n";
/* a terabyte behind y */
static const char astray[] = "TD_KERNEL(256, 1) through(void *x, void *y)\n"
                             "{\n"
                             "  const int i = (int)td_block() * 256 + td_thread();\n"
                             "  if (i == 777) ((float *)y)[1ll << 38] = ((const float *)x)[0];\n"
                             "}\n";

static TdKernel kernel = {.name = "through", .where = "x.td:7", .klass = "map"};
#define FLOATS .type = TD_F32, .rank = 1, .shape = {N}, .count = N, .bytes = 4 * N
static TdBuffer buffers[] = {{.kind = TD_INPUT, .name = "x", FLOATS},
                             {.kind = TD_TEMP, .name = "y", FLOATS}};
static const int args[] = {0, 1};
static TdStep steps[] = {{.kind = TD_LAUNCH, .nargs = 2, .args = args}};
static TdOutput outputs[] = {{"y", 1}};
static TdEntry entry = {.name = "main",
                        .buffers = buffers,
                        .nbuffers = 2,
                        .steps = steps,
                        .nsteps = 1,
                        .outputs = outputs,
                        .noutputs = 1,
                        .alignment = 256};
static TdProgram program = {
    .name = "check", .kernels = &kernel, .nkernels = 1, .entries = &entry, .nentries = 1};

/* A session that is ready, or NULL with the reason. */
static Session *ready(Arena *arena, const char *source, size_t shared, size_t bytes, TdError *err) {
  bool shares;
  program.prelude = cuda_target.prelude(arena, TD_F32, false, &shares);
  kernel.source = source;
  kernel.launch = (TdLaunch){
      .gpu = {.grid = {BLOCKS, 1, 1}, .block = {THREADS, 1, 1}, .shared = shared, .resident = 1}};
  entry.arena_bytes = bytes;
  Session *s = check_session(&program, err);
  if (s != NULL && session_need_one(s, 0, err)) return s;
  session_free(s);
  return NULL;
}

static bool run(Session *s, TdError *err) {
  float x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = (float)i;
  for (int turn = 0; turn < 3; turn++) { /* a launch, a capture and a replay */
    if (!session_set_reals(s, 0, "x", x, N, err)) return false;
    session_run(s, 0, 1, turn);
    if (!session_read_output(s, 0, "y", 0, N, y, err)) return false;
    for (int i = 0; i < N; i++)
      if (y[i] != 2 * x[i])
        return td_fail(err, TD_NO_TOOL, "y[%d] is %.9g, not %.9g", i, (double)y[i],
                       2 * (double)x[i]);
  }
  return true;
}

/* Asked for and had. */
static bool much_shared(Arena *a) {
  TdError err = {0};
  Session *s = ready(a, through_shared, 64 << 10, 4096, &err);
  bool ok = s != NULL && run(s, &err);
  session_free(s);
  return ok || check_wrong("%s", err.message);
}

/* What cannot be is told by name before anything runs. */
static bool refused(Arena *a, size_t shared, size_t bytes, const char *said) {
  TdError err = {0};
  Session *s = ready(a, through_shared, shared, bytes, &err);
  bool ok = s == NULL && strstr(err.message, said) != NULL;
  session_free(s);
  return ok || check_wrong("no word of '%s': %s", said,
                           err.status != TD_OK ? err.message : "it was taken");
}

void check_device(Suite *s) {
  static const struct {
    const char *name;
    size_t shared, bytes;
    const char *said; /* NULL: it runs */
  } all[] = {{"shared_memory_over_48_kb", 64 << 10, 4096, NULL},
             {"launches_that_cannot_be", 1 << 30, 4096, "through (x.td:7) needs 1073741824 bytes"},
             {"more_memory_than_there_is", 64 << 10, (size_t)1 << 50, "a smaller batch?"}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Arena *a = arena_new();
    check_verdict(s, all[i].name,
                  all[i].said != NULL ? refused(a, all[i].shared, all[i].bytes, all[i].said)
                                      : much_shared(a));
    arena_free(a);
  }
}

int check_fault(void) {
  TdError err = {0}, again = {0};
  Arena *a = arena_new();
  Session *s = ready(a, astray, 0, 4096, &err);
  if (s == NULL) return fprintf(stderr, "%s\n", err.message), 1;
  session_run(s, 0, 1, 1);
  bool told = !session_sync(s, &err) && !session_sync(s, &again);
  if (told) printf("%s\n", err.message);
  session_free(s);
  arena_free(a);
  return told && strstr(err.message, "'main'") != NULL ? 0 : 1;
}
