/* SPDX-License-Identifier: MIT */
/* What the GPU does at most, measured: bytes a second that a copy moves, operations a second of
 * a large product in f32 and in bf16, the time of one of many tiny copies in a row. Everything
 * else is held against these, which are measured in the same run.
 *
 *   gpu_peaks [BYTES [EXTENT]]      2 GiB, more than any cache, and products of 8192
 *
 * Out comes one JSON object; exit 3 without a GPU. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/cuda/gpu.h"
#include "runtime/cuda/product.h"

enum { WARM = 2, ROUNDS = 9, TINY = 16, MANY = 200 };

typedef struct Peaks {
  Gpu gpu;
  Nvrtc nvrtc; /* these: with which the fastest of the library's algorithms is found */
  CubinCompiler compiler;
  Probe probe;
  Stage stage;
  CudaEvent begin, end;
  TdError err;
} Peaks;

static bool good(Peaks *p, CudaResult r, const char *doing) {
  return r == CUDA_OK || gpu_fail(&p->gpu, r, doing, &p->err);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The median time in seconds of what `start` puts on the stream; 0 after a failure. */
static double timed(Peaks *p, bool (*start)(Peaks *p, void *ctx), void *ctx) {
  const CudaDriver *d = &p->gpu.driver;
  double all[ROUNDS];
  for (int i = -WARM; i < ROUNDS; i++) {
    float ms = 0;
    if (!good(p, d->cuEventRecord(p->begin, p->gpu.stream), "taking the time") || !start(p, ctx) ||
        !good(p, d->cuEventRecord(p->end, p->gpu.stream), "taking the time") ||
        !good(p, d->cuEventSynchronize(p->end), "taking the time") ||
        !good(p, d->cuEventElapsedTime(&ms, p->begin, p->end), "taking the time"))
      return 0;
    if (i >= 0) all[i] = (double)ms / 1e3;
  }
  qsort(all, ROUNDS, sizeof *all, by_size);
  return all[ROUNDS / 2];
}

/* ---- copies ------------------------------------------------------------------------- */

typedef struct Copy {
  CudaAddress from, to;
  size_t bytes;
  int times;
} Copy;

static bool start_copy(Peaks *p, void *ctx) {
  const Copy *c = ctx;
  for (int i = 0; i < c->times; i++)
    if (!good(p, p->gpu.driver.cuMemcpyDtoDAsync_v2(c->to, c->from, c->bytes, p->gpu.stream),
              "a copy"))
      return false;
  return true;
}

/* Memory with 0.0115 in bf16 and in f32 everywhere, or 0. */
static CudaAddress room(Peaks *p, size_t bytes) {
  CudaAddress at = 0;
  if (!good(p, p->gpu.driver.cuMemAlloc_v2(&at, bytes), "its memory")) return 0;
  good(p, p->gpu.driver.cuMemsetD8Async(at, 0x3c, bytes, p->gpu.stream), "its memory");
  return at;
}

/* Of one of so many. */
static double copy_seconds(Peaks *p, size_t bytes, int times) {
  Copy c = {.from = room(p, bytes), .to = room(p, bytes), .bytes = bytes, .times = times};
  double seconds = c.from != 0 && c.to != 0 ? timed(p, start_copy, &c) / times : 0;
  if (c.from != 0) p->gpu.driver.cuMemFree_v2(c.from);
  if (c.to != 0) p->gpu.driver.cuMemFree_v2(c.to);
  return seconds;
}

/* ---- products ------------------------------------------------------------------------- */

typedef struct Multiply {
  Products *products;
  CudaAddress args[3];
  int plan;
} Multiply;

static bool start_product(Peaks *p, void *ctx) {
  static const int64_t ix[TD_MAX_LOOPS];
  const Multiply *m = ctx;
  BlasStatus r = products_run(m->products, m->plan, m->args, ix);
  return r == BLAS_OK || td_fail(&p->err, TD_NO_TOOL, "a product: status %d of cuBLASLt", r);
}

static double product_seconds(Peaks *p, int64_t n, TdType type) {
  TdProduct product = {.alpha = 1, .m = n, .n = n, .k = n, .batch = 1};
  TdOperand *const operands[] = {&product.a, &product.b, &product.c};
  TdKernel kernel = {.kind = TD_PRODUCT, .name = "peak", .product = &product};
  TdProgram program = {.name = "peaks", .kernels = &kernel, .nkernels = 1};
  ProductTools tools = {&p->gpu, &p->compiler, &p->probe, &p->stage};
  Multiply m = {.products = products_new(&program, &tools, &p->err)};
  double seconds = 0;
  bool ok = m.products != NULL;
  for (int i = 0; i < 3; i++) {
    *operands[i] = (TdOperand){.arg = i, .type = type, .row = n, .column = 1};
    if (ok) m.args[i] = room(p, (size_t)(n * n) * td_type_size(type));
    ok = ok && m.args[i] != 0;
  }
  if (ok) m.plan = products_plan(m.products, 0, m.args, &p->err);
  if (ok && m.plan >= 0) seconds = timed(p, start_product, &m);
  for (int i = 0; i < 3; i++)
    if (m.args[i] != 0) p->gpu.driver.cuMemFree_v2(m.args[i]);
  products_free(m.products);
  return seconds;
}

static bool open_tools(Peaks *p) {
  if (!cuda_nvrtc_open(&p->nvrtc, &p->gpu.driver, &p->err)) return false;
  p->compiler.nvrtc = &p->nvrtc;
  cubin_architecture(p->compiler.architecture, p->gpu.major, p->gpu.minor);
  return good(p, probe_open(&p->probe, &p->gpu), "its memory") &&
         good(p, stage_open(&p->stage, &p->gpu.driver, p->gpu.stream), "its memory");
}

int main(int argc, char **argv) {
  Peaks p = {0};
  size_t bytes = argc > 1 ? (size_t)atoll(argv[1]) : (size_t)2 << 30;
  int64_t n = argc > 2 ? atoll(argv[2]) : 8192;
  if (!gpu_open(&p.gpu, &p.err)) return fprintf(stderr, "%s\n", p.err.message), 3;
  double copy = 0, launch = 0, f32 = 0, bf16 = 0, work = 2.0 * (double)n * (double)n * (double)n;
  if (good(&p, p.gpu.driver.cuEventCreate(&p.begin, 0), "taking the time") &&
      good(&p, p.gpu.driver.cuEventCreate(&p.end, 0), "taking the time"))
    copy = copy_seconds(&p, bytes, 1);
  if (copy > 0) launch = copy_seconds(&p, TINY, MANY);
  if (launch > 0 && open_tools(&p)) f32 = product_seconds(&p, n, TD_F32);
  if (f32 > 0) bf16 = product_seconds(&p, n, TD_BF16);
  if (p.stage.driver != NULL) stage_close(&p.stage);
  if (p.probe.gpu != NULL) probe_close(&p.probe);
  if (p.end != NULL) p.gpu.driver.cuEventDestroy_v2(p.end);
  if (p.begin != NULL) p.gpu.driver.cuEventDestroy_v2(p.begin);
  if (bf16 > 0) {
    json_t *all = json_pack("{s:s, s:i, s:i, s:i, s:I, s:i, s:f, s:f, s:f, s:f, s:I, s:I}", "gpu",
                            p.gpu.name, "major", p.gpu.major, "minor", p.gpu.minor, "processors",
                            p.gpu.processors, "memory", (json_int_t)p.gpu.memory, "driver",
                            p.gpu.driver.version, "bytes_per_second", 2 * (double)bytes / copy,
                            "f32_flops", work / f32, "bf16_flops", work / bf16, "launch_seconds",
                            launch, "copied", (json_int_t)bytes, "extent", (json_int_t)n);
    json_dumpf(all, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(all);
  } else {
    fprintf(stderr, "%s\n", p.err.message);
  }
  gpu_close(&p.gpu);
  return bf16 > 0 ? 0 : 1;
}
