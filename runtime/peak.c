/* SPDX-License-Identifier: MIT */
/* Measuring the machine's peak. */
#include "runtime/peak.h"

#include "runtime/cpu/device.h"
#include "runtime/session.h"

enum { TRIES = 5, ROUNDS = 20000, COPY_FLOATS = 8 << 20, COPY_PIECES = 64 };
enum { TILE_THOUSANDS = 5 * 4 * 2 * 16 * 16 * 32 }; /* of a piece of peak_tiles */

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
/* Products in bf16 by what the processor does fastest, the bodies of prelude_tiles.h: tiles of
 * AMX, if the system lends them, or dot products of pairs. arg 1 takes the operations of a piece in
 * thousands; 0 where factors are widened to floats, whose peak it is then. */
static const char narrow_source[] =
    "#if defined __AVX512BF16__ && defined __AMX_BF16__ && defined __AMX_TILE__ && defined "
    "__linux__\n"
    "extern long syscall(long number, ...);\n"
    "static int peak_tiles(int64_t pieces) {\n"
    "  static const struct {\n"
    "    uint8_t palette, start, none[14];\n"
    "    uint16_t row_bytes[16];\n"
    "    uint8_t rows[16];\n"
    "  } shape __attribute__((aligned(64))) = {\n"
    "    1, 0, { 0 }, { 64, 64, 64, 64, 64, 64, 64, 64 }, { 16, 16, 16, 16, 16, 16, 16, 16 }\n"
    "  };\n"
    "  if (syscall(158, 0x1023, 18) != 0) return 0;\n"
    "  __asm__ volatile(\"ldtilecfg %0\" : : \"m\"(shape));\n"
    "  __asm__ volatile(\"tilezero %%tmm0\\n\\ttilezero %%tmm1\\n\\ttilezero %%tmm2\\n\\t\"\n"
    "                   \"tilezero %%tmm3\\n\\ttilezero %%tmm4\\n\\ttilezero %%tmm5\\n\\t\"\n"
    "                   \"tilezero %%tmm6\\n\\ttilezero %%tmm7\" : :);\n"
    "  for (int64_t i = 0; i < 5000 * pieces; i++)\n"
    "    __asm__ volatile(\"tdpbf16ps %%tmm6, %%tmm4, %%tmm0\\n\\t\"\n"
    "                     \"tdpbf16ps %%tmm7, %%tmm4, %%tmm1\\n\\t\"\n"
    "                     \"tdpbf16ps %%tmm6, %%tmm5, %%tmm2\\n\\t\"\n"
    "                     \"tdpbf16ps %%tmm7, %%tmm5, %%tmm3\" : :);\n"
    "  __asm__ volatile(\"tilerelease\");\n"
    "  return 5 * 4 * 2 * 16 * 16 * 32;\n"
    "}\n"
    "#else\n"
    "static int peak_tiles(int64_t pieces) { (void)pieces; return 0; }\n"
    "#endif\n"
    "#if defined __AVX512BF16__ && "
    "(defined __znver3__ || defined __znver4__ || defined __znver5__)\n"
    /* in one statement: of twelve the compiler makes a copy between each and the next */
    "#define PAIR(i) \"vdpbf16ps %%zmm12, %%zmm12, %%zmm\" #i \"\\n\\t\"\n"
    "#define NONE(i) \"vpxorq %%zmm\" #i \", %%zmm\" #i \", %%zmm\" #i \"\\n\\t\"\n"
    "#define ALL(x) x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) x(8) x(9) x(10) x(11)\n"
    "static int peak_pairs(int64_t pieces) {\n"
    "  int64_t rounds = 20000 * pieces;\n"
    "  __asm__ volatile(NONE(12) ALL(NONE) \"0:\\n\\t\" ALL(PAIR) \"sub $1, %0\\n\\tjnz 0b\"\n"
    "                   : \"+r\"(rounds) : : \"cc\", \"xmm0\", \"xmm1\", \"xmm2\", \"xmm3\", "
    "\"xmm4\",\n"
    "                   \"xmm5\", \"xmm6\", \"xmm7\", \"xmm8\", \"xmm9\", \"xmm10\", \"xmm11\", "
    "\"xmm12\");\n"
    "  return 20 * 12 * 2 * 32;\n"
    "}\n"
    "#else\n"
    "static int peak_pairs(int64_t pieces) { (void)pieces; return 0; }\n"
    "#endif\n"
    "void peak_narrow(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  int thousands = peak_tiles(end - begin);\n"
    "  if (!thousands) thousands = peak_pairs(end - begin);\n"
    "  if (begin == 0) *(int32_t *)call->arg[1] = thousands;\n"
    "}\n";
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
       .launch.cpu.pieces = COPY_PIECES},
      {.name = "peak_narrow",
       .source = narrow_source,
       .klass = "peak",
       .launch.cpu.pieces = threads}};
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
  TdStep fma_step = {.kind = TD_LAUNCH, .kernel = 0, .nargs = 2, .args = args},
         copy_step = {.kind = TD_LAUNCH, .kernel = 1, .nargs = 2, .args = args},
         narrow_step = {.kind = TD_LAUNCH, .kernel = 2, .nargs = 2, .args = args};
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
      {.name = "narrow",
       .buffers = fma_buffers,
       .nbuffers = 2,
       .steps = &narrow_step,
       .nsteps = 1,
       .outputs = &lanes,
       .noutputs = 1,
       .arena_bytes = 2048},
  };
  TdProgram p = {.name = "peak",
                 .prelude = peak_prelude,
                 .kernels = kernels,
                 .nkernels = 3,
                 .entries = entries,
                 .nentries = 3};
  Jit *jit = jit_build(&p, o, err);
  Session *s = jit != NULL ? session_new(&p, cpu_device(&p, jit, pool, err), err) : NULL;
  bool ok = s != NULL && session_need(s, (const char *const[]){".", NULL}, err);
  double best[3] = {1e30, 1e30, 1e30};
  int counted[3] = {0};
  for (int i = 0; ok && i < TRIES; i++) {
    for (int e = 0; e < 3; e++) {
      double start = clock_seconds();
      session_run(s, e, 0, 0);
      double took = clock_seconds() - start;
      if (took < best[e]) best[e] = took;
      if (e != 1) counted[e] = (int)session_scalar(s, e, "lanes");
    }
  }
  if (ok) {
    out->lanes = counted[0];
    out->flops = 2.0 * 12 * out->lanes * ROUNDS * threads / best[0];
    out->tiles = counted[2] == TILE_THOUSANDS;
    out->narrow_flops = counted[2] > 0 ? 1e3 * counted[2] * threads / best[2] : out->flops;
    out->bytes = 2.0 * 4 * COPY_FLOATS / best[1];
  }
  session_free(s);
  jit_close(jit);
  return ok;
}

double peak_seconds(const Peak *p, double flops, double narrow, int split) {
  if (split > 1 && !p->tiles) return flops / p->flops;
  return (flops - narrow) / p->flops + narrow * (split > 0 ? split : 1) / p->narrow_flops;
}
