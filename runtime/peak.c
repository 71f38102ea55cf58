/* SPDX-License-Identifier: MIT */
/* Measuring the machine's peak. */
#include "runtime/peak.h"

#include <math.h>

#include "runtime/cpu/device.h"
#include "runtime/session.h"

enum { TRIES = 5, ROUNDS = 20000, COPY_FLOATS = 8 << 20, COPY_PIECES = 64 };
/* reads follow the copy, which leaves less in the caches than a change */
enum { FMA, COPY, READ, CHANGE, NARROW, FILL, ENTRIES };
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

/* Pages that nobody wrote to are all the same one, of zeros, which a cache holds. */
static const char fill_source[] =
    "void peak_fill(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  enum { PIECE = (8 << 20) / 64 };\n"
    "  for (int64_t i = begin * PIECE; i < end * PIECE; i++) ((float *)call->arg[0])[i] = 1;\n}\n";
/* The copy's buffers, changed where they lie: of four places at once, which a core need not wait
 * for one by one. */
static const char change_source[] =
    "typedef float Vector __attribute__((vector_size(4 * LANES)));\n"
    "void peak_change(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  enum { HALF = (8 << 20) / 2 / LANES };\n"
    "  Vector *a = (Vector *)call->arg[0], *b = (Vector *)call->arg[1];\n"
    "  for (int64_t i = begin * (HALF / 64); i < end * (HALF / 64); i++) {\n"
    "    a[i] = -a[i];\n    b[i] = -b[i];\n"
    "    a[HALF + i] = -a[HALF + i];\n    b[HALF + i] = -b[HALF + i];\n"
    "  }\n}\n";

static const char read_source[] =
    "typedef float Vector __attribute__((vector_size(4 * LANES)));\n"
    "void peak_read(const TdCall *call, int64_t begin, int64_t end) {\n"
    "  enum { PIECE = (8 << 20) / 64 };\n"
    "  Vector s = { 0 }, t = s;\n"
    "  for (int k = 0; k < 2; k++) {\n"
    "    const Vector *x = (const Vector *)(call->arg[k] + begin * PIECE * 4);\n"
    "    for (int64_t i = 0; i < (end - begin) * (PIECE / LANES); i += 2) {\n"
    "      s += x[i];\n      t += x[i + 1];\n    }\n"
    "  }\n"
    "  s += t;\n"
    "  ((float *)call->arg[1])[begin * PIECE] = s[0];\n}\n";

bool peak_measure(Pool *pool, const JitOptions *o, Peak *out, TdError *err) {
  int threads = pool_threads(pool);
  TdKernel kernels[] = {
      {.name = "peak_fma", .source = fma_source, .klass = "peak", .launch.cpu.pieces = threads},
      {.name = "peak_copy",
       .source = copy_source,
       .klass = "peak",
       .launch.cpu.pieces = COPY_PIECES},
      [CHANGE] = {.name = "peak_change",
                  .source = change_source,
                  .klass = "peak",
                  .launch.cpu.pieces = COPY_PIECES},
      [READ] = {.name = "peak_read",
                .source = read_source,
                .klass = "peak",
                .launch.cpu.pieces = COPY_PIECES},
      [NARROW] = {.name = "peak_narrow",
                  .source = narrow_source,
                  .klass = "peak",
                  .launch.cpu.pieces = threads},
      [FILL] = {.name = "peak_fill",
                .source = fill_source,
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
  TdStep fma_step = {.kind = TD_LAUNCH, .kernel = FMA, .nargs = 2, .args = args},
         copy_step = {.kind = TD_LAUNCH, .kernel = COPY, .nargs = 2, .args = args},
         change_step = {.kind = TD_LAUNCH, .kernel = CHANGE, .nargs = 2, .args = args},
         read_step = {.kind = TD_LAUNCH, .kernel = READ, .nargs = 2, .args = args},
         narrow_step = {.kind = TD_LAUNCH, .kernel = NARROW, .nargs = 2, .args = args},
         fill_step = {.kind = TD_LAUNCH, .kernel = FILL, .nargs = 2, .args = args};
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
      [CHANGE] = {.name = "change",
                  .buffers = copy_buffers,
                  .nbuffers = 2,
                  .steps = &change_step,
                  .nsteps = 1,
                  .arena_bytes = (size_t)COPY_FLOATS * 8},
      [READ] = {.name = "read",
                .buffers = copy_buffers,
                .nbuffers = 2,
                .steps = &read_step,
                .nsteps = 1,
                .arena_bytes = (size_t)COPY_FLOATS * 8},
      [NARROW] = {.name = "narrow",
                  .buffers = fma_buffers,
                  .nbuffers = 2,
                  .steps = &narrow_step,
                  .nsteps = 1,
                  .outputs = &lanes,
                  .noutputs = 1,
                  .arena_bytes = 2048},
      [FILL] = {.name = "fill",
                .buffers = copy_buffers,
                .nbuffers = 2,
                .steps = &fill_step,
                .nsteps = 1,
                .arena_bytes = (size_t)COPY_FLOATS * 8},
  };
  TdProgram p = {.name = "peak",
                 .prelude = peak_prelude,
                 .kernels = kernels,
                 .nkernels = ENTRIES,
                 .entries = entries,
                 .nentries = ENTRIES};
  Jit *jit = jit_build(&p, o, err);
  Session *s = jit != NULL ? session_new(&p, cpu_device(&p, jit, pool, err), err) : NULL;
  bool ok = s != NULL && session_need(s, (const char *const[]){".", NULL}, err);
  double best[FILL] = {1e30, 1e30, 1e30, 1e30, 1e30};
  int counted[FILL] = {0};
  if (ok) session_run(s, FILL, 0, 0);
  for (int i = 0; ok && i < TRIES; i++) {
    for (int e = 0; e < FILL; e++) {
      double start = clock_seconds();
      session_run(s, e, 0, 0);
      double took = clock_seconds() - start;
      if (took < best[e]) best[e] = took;
      if (e == FMA || e == NARROW) counted[e] = (int)session_scalar(s, e, "lanes");
    }
  }
  if (ok) {
    out->lanes = counted[FMA];
    out->flops = 2.0 * 12 * out->lanes * ROUNDS * threads / best[FMA];
    out->tiles = counted[NARROW] == TILE_THOUSANDS;
    out->narrow_flops =
        counted[NARROW] > 0 ? 1e3 * counted[NARROW] * threads / best[NARROW] : out->flops;
    out->bytes = 2.0 * 4 * COPY_FLOATS / fmin(best[COPY], best[CHANGE] / 2);
    out->read = 2.0 * 4 * COPY_FLOATS / best[READ];
  }
  session_free(s);
  jit_close(jit);
  return ok;
}

double peak_seconds(const Peak *p, double flops, double narrow, int split) {
  if (split > 1 && !p->tiles) return flops / p->flops;
  return (flops - narrow) / p->flops + narrow * (split > 0 ? split : 1) / p->narrow_flops;
}

double peak_traffic(const Peak *p, double bytes, double read) {
  return fmax(bytes / p->bytes, read / p->read);
}
