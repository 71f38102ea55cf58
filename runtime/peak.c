/* SPDX-License-Identifier: MIT */
/* Measuring the machine's peak. */
#include "runtime/peak.h"

#include "runtime/cpu/device.h"
#include "runtime/session.h"

enum { TRIES = 5, ROUNDS = 20000, COPY_FLOATS = 8 << 20, COPY_PIECES = 64 };

static const char peak_prelude[] =
    "#include <stdint.h>\n#include <string.h>\n"
    "typedef struct TdControl { uint64_t seed; int64_t step; } TdControl;\n"
    "typedef struct TdCall {\n"
    "  char *const *arg; const int64_t *ix; char *scratch; const TdControl *ctl;\n} TdCall;\n"
    "#if defined __AVX512F__\nenum { LANES = 16 };\n#elif defined __AVX__\nenum { LANES = 8 };\n"
    "#else\nenum { LANES = 4 };\n#endif\n";

/* Twelve independent chains hide the latency of two units; arg 0 takes a sum
 * so that nothing is optimised away, arg 1 the number of lanes. */
static const char fma_source[] =
    "typedef float Vector __attribute__((vector_size(4 * LANES)));\n"
    "void peak_fma(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  float *out = (float *)call->arg[0];\n"
    "  if (begin == 0) *(int32_t *)call->arg[1] = LANES;\n"
    "  for (int64_t p = begin; p < end; p++) {\n"
    "    Vector a[12], m = (Vector){ 0 } + 0.999f, c = (Vector){ 0 } + (float)p * 1e-3f;\n"
    "    for (int k = 0; k < 12; k++) a[k] = c + (float)k;\n"
    "    for (int i = 0; i < 20000; i++) {\n"
    "      for (int k = 0; k < 12; k++) a[k] = a[k] * m + c;\n"
    "      __asm__ volatile(\"\" : : : \"memory\");\n"
    "    }\n"
    "    Vector s = a[0];\n"
    "    for (int k = 1; k < 12; k++) s += a[k];\n"
    "    out[p] = s[0];\n"
    "  }\n}\n";
static const char copy_source[] =
    "void peak_copy(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  enum { PIECE = (8 << 20) / 64 };\n"
    "  memcpy(call->arg[1] + begin * PIECE * 4, call->arg[0] + begin * PIECE * 4,\n"
    "         (size_t)(end - begin) * PIECE * 4);\n}\n";

bool peak_measure(Pool *pool, const JitOptions *o, Peak *out, TdError *err) {
  int threads = pool_threads(pool);
  TdKernel kernels[] = {
      {.name = "peak_fma", .source = fma_source, .klass = "peak", .launch.cpu.pieces = threads},
      {.name = "peak_copy",
       .source = copy_source,
       .klass = "peak",
       .launch.cpu.pieces = COPY_PIECES}};
  TdBuffer fma_buffers[] = {
      {.kind = TD_TEMP, .name = "sum", .type = TD_F32, .rank = 1, .count = 256, .bytes = 1024},
      {.kind = TD_TEMP, .name = "lanes", .type = TD_I32, .count = 1, .bytes = 4, .offset = 1024}};
  TdBuffer copy_buffers[] = {
      {.kind = TD_TEMP, .name = "from", .type = TD_F32, .rank = 1, .count = COPY_FLOATS},
      {.kind = TD_TEMP,
       .name = "to",
       .type = TD_F32,
       .rank = 1,
       .count = COPY_FLOATS,
       .offset = (size_t)COPY_FLOATS * 4}};
  static const int args[] = {0, 1};
  TdStep fma_step = {.kind = TD_LAUNCH, .kernel = 0, .nargs = 2, .args = args};
  TdStep copy_step = {.kind = TD_LAUNCH, .kernel = 1, .nargs = 2, .args = args};
  TdOutput lanes = {"lanes", 1};
  TdEntry entries[] = {
      {.name = "fma",
       .buffers = fma_buffers,
       .nbuffers = 2,
       .steps = &fma_step,
       .nsteps = 1,
       .outputs = &lanes,
       .noutputs = 1,
       .arena_bytes = 2048},
      {.name = "copy",
       .buffers = copy_buffers,
       .nbuffers = 2,
       .steps = &copy_step,
       .nsteps = 1,
       .arena_bytes = (size_t)COPY_FLOATS * 8},
  };
  TdProgram p = {.name = "peak",
                 .prelude = peak_prelude,
                 .kernels = kernels,
                 .nkernels = 2,
                 .entries = entries,
                 .nentries = 2};
  Jit *jit = jit_build(&p, o, err);
  Session *s = jit != NULL ? session_new(&p, cpu_device(&p, jit, pool, err), err) : NULL;
  bool ok = s != NULL && session_need(s, (const char *const[]){".", NULL}, err);
  double best[2] = {1e30, 1e30};
  for (int i = 0; ok && i < TRIES; i++) {
    for (int e = 1; e >= 0; e--) { /* fma last: its output is read below */
      double start = clock_seconds();
      session_run(s, e, 0, 0);
      double took = clock_seconds() - start;
      if (took < best[e]) best[e] = took;
    }
  }
  if (ok) {
    out->lanes = (int)session_scalar(s, 0, "lanes");
    out->flops = 2.0 * 12 * out->lanes * ROUNDS * threads / best[0];
    out->bytes = 2.0 * 4 * COPY_FLOATS / best[1];
  }
  session_free(s);
  jit_close(jit);
  return ok;
}
