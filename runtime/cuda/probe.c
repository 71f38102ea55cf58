/* SPDX-License-Identifier: MIT */
/* The runtime's own kernels. See probe.h. */
#include "runtime/cuda/probe.h"

enum { FINITE, FILL, DIFFER, KERNELS };
enum { THREADS = 256, EACH = 16 }; /* numbers that a thread has at least, where there are enough */

static const char prelude[] =
    "#ifndef TD_EMULATED\n"
    "#define TD_KERNEL(threads, resident) \\\n"
    "  extern \"C\" __global__ void __launch_bounds__(threads, resident)\n"
    "#define TD_DEVICE static __device__ __forceinline__\n"
    "TD_DEVICE int td_thread(void) { return (int)threadIdx.x; }\n"
    "TD_DEVICE long long td_block(void) { return (long long)blockIdx.x; }\n"
    "TD_DEVICE long long td_blocks(void) { return (long long)gridDim.x; }\n"
    "TD_DEVICE void td_ticket(unsigned *counter, unsigned last) { atomicInc(counter, last); }\n"
    "#endif\n"
    "#define EACH(i, count)                                            \\\n"
    "  for (long long i = td_block() * 256 + td_thread(); i < (count); \\\n"
    "       i += td_blocks() * 256)\n";

/* Numbers of `width` bytes, not finite where the bits of `mask` are all set. Threads beside each
 * other read what lies so; which of them finds something is of no matter. */
static const char finite_source[] =
    "TD_KERNEL(256, 4) td_finite(const void *x, void *found, long long count, long long width,\n"
    "                            long long mask)\n"
    "{\n"
    "  const unsigned m = (unsigned)mask;\n"
    "  const unsigned long long wide = (unsigned long long)mask;\n"
    "  int bad = 0;\n"
    "  if (width == 4) {\n"
    "    EACH(i, count) bad |= (((const unsigned *)x)[i] & m) == m;\n"
    "  } else if (width == 2) {\n"
    "    EACH(i, count) bad |= (((const unsigned short *)x)[i] & m) == m;\n"
    "  } else {\n"
    "    EACH(i, count) bad |= (((const unsigned long long *)x)[i] & wide) == wide;\n"
    "  }\n"
    "  if (bad) td_ticket((unsigned *)found, 0xffffffffu);\n"
    "}\n";

/* Number i of a matrix lies at `at`, in column c. */
#define PLACE                                                                              \
  "    const long long c = i % columns, r = i / columns % rows, b = i / columns / rows;\n" \
  "    const long long at = b * batch + r * row + c * column;\n"

static const char fill_source[] =
    "TD_KERNEL(256, 4) td_fill(void *x, long long width, long long batches, long long rows,\n"
    "                          long long columns, long long batch, long long row,\n"
    "                          long long column, long long half, long long first,\n"
    "                          long long rest)\n"
    "{\n"
    "  EACH(i, batches * rows * columns) {\n" PLACE
    "    const unsigned bits = (unsigned)(c < half ? first : rest);\n"
    "    if (width == 4)\n"
    "      ((unsigned *)x)[at] = bits;\n"
    "    else\n"
    "      ((unsigned short *)x)[at] = (unsigned short)bits;\n"
    "  }\n"
    "}\n";

static const char differ_source[] =
    "TD_KERNEL(256, 4) td_differ(const void *x, void *found, long long width, long long batches,\n"
    "                            long long rows, long long columns, long long batch,\n"
    "                            long long row, long long column, long long bits)\n"
    "{\n"
    "  int bad = 0;\n"
    "  EACH(i, batches * rows * columns) {\n" PLACE
    "    bad |= (width == 4 ? ((const unsigned *)x)[at] : ((const unsigned short *)x)[at]) !=\n"
    "           (unsigned)bits;\n"
    "  }\n"
    "  if (bad) td_ticket((unsigned *)found, 0xffffffffu);\n"
    "}\n";

/* ---- the kernels ------------------------------------------------------------------------ */

static TdKernel kernels[] = {{.name = "td_finite", .source = finite_source, .klass = "map"},
                             {.name = "td_fill", .source = fill_source, .klass = "map"},
                             {.name = "td_differ", .source = differ_source, .klass = "map"}};
static TdStep steps[] = {{.kernel = FINITE}, {.kernel = FILL}, {.kernel = DIFFER}};
static TdEntry entries[] = {{.name = "probe", .steps = steps, .nsteps = KERNELS}};
static const TdProgram program = {.name = "probe",
                                  .prelude = prelude,
                                  .kernels = kernels,
                                  .nkernels = KERNELS,
                                  .entries = entries,
                                  .nentries = 1};

const TdProgram *probe_program(void) { return &program; }

CudaResult probe_open(Probe *p, const Gpu *gpu) {
  *p = (Probe){.gpu = gpu};
  CudaResult r = gpu->driver.cuMemAlloc_v2(&p->found, PROBE_SLOTS * sizeof(int));
  if (r != CUDA_OK) p->found = 0;
  return r;
}

bool probe_ready(Probe *p, const CubinCompiler *compiler, TdError *err) {
  if (p->kernels == NULL)
    p->kernels = cuda_kernels_new(&program, &p->gpu->driver, compiler, p->gpu->shared_most, err);
  return p->kernels != NULL && cuda_kernels_need(p->kernels, (const int[]){0}, 1, err);
}

void probe_close(Probe *p) {
  cuda_kernels_free(p->kernels);
  if (p->found != 0) p->gpu->driver.cuMemFree_v2(p->found);
  *p = (Probe){0};
}

/* ---- starting them ------------------------------------------------------------------------ */

/* For so many numbers. */
static CudaResult start(const Probe *p, int kernel, int64_t count, uint64_t *parameters,
                        size_t bytes) {
  void *extra[] = {(void *)CUDA_PARAMETERS, parameters, (void *)CUDA_PARAMETERS_SIZE, &bytes,
                   (void *)CUDA_PARAMETERS_END};
  int64_t blocks = (count + THREADS * EACH - 1) / (THREADS * EACH),
          most = 8 * (int64_t)p->gpu->processors;
  if (count < 1) return CUDA_OK;
  return p->gpu->driver.cuLaunchKernel(cuda_kernels_function(p->kernels, kernel),
                                       (unsigned)(blocks < most ? blocks : most), 1, 1, THREADS, 1,
                                       1, 0, p->gpu->stream, NULL, extra);
}

static CudaAddress slot_of(const Probe *p, int slot) {
  return p->found + (size_t)slot * sizeof(int);
}

CudaResult probe_forget(const Probe *p) {
  return p->gpu->driver.cuMemsetD8Async(p->found, 0, PROBE_SLOTS * sizeof(int), p->gpu->stream);
}

CudaResult probe_finite(const Probe *p, const DeviceNumbers *x, int slot) {
  uint64_t mask = td_type_exponent(x->type);
  uint64_t parameters[] = {(CudaAddress)(uintptr_t)x->at.memory + x->at.offset, slot_of(p, slot),
                           (uint64_t)x->count, td_type_size(x->type), mask};
  return mask == 0 ? CUDA_OK : start(p, FINITE, x->count, parameters, sizeof parameters);
}

CudaResult probe_fill(const Probe *p, const ProbeMatrix *m, int64_t half, uint32_t first,
                      uint32_t rest) {
  uint64_t parameters[] = {m->at,
                           (uint64_t)m->bytes,
                           (uint64_t)m->batches,
                           (uint64_t)m->rows,
                           (uint64_t)m->columns,
                           (uint64_t)m->batch,
                           (uint64_t)m->row,
                           (uint64_t)m->column,
                           (uint64_t)half,
                           first,
                           rest};
  return start(p, FILL, m->batches * m->rows * m->columns, parameters, sizeof parameters);
}

CudaResult probe_differ(const Probe *p, const ProbeMatrix *m, uint32_t bits, int slot) {
  uint64_t parameters[] = {m->at,
                           slot_of(p, slot),
                           (uint64_t)m->bytes,
                           (uint64_t)m->batches,
                           (uint64_t)m->rows,
                           (uint64_t)m->columns,
                           (uint64_t)m->batch,
                           (uint64_t)m->row,
                           (uint64_t)m->column,
                           bits};
  return start(p, DIFFER, m->batches * m->rows * m->columns, parameters, sizeof parameters);
}
