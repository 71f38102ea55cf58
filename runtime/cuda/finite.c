/* SPDX-License-Identifier: MIT */
/* Looking for what is not finite. See finite.h. */
#include "runtime/cuda/finite.h"

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
    "#endif\n";

/* Numbers of `width` bytes, not finite where the bits of `mask` are all set. Threads beside each
 * other read what lies so; which of them finds something is of no matter. */
static const char source[] =
    "TD_KERNEL(256, 4) td_finite(const void *x, void *found, long long count, long long width,\n"
    "                            long long mask)\n"
    "{\n"
    "  int bad = 0;\n"
    "  const long long step = td_blocks() * 256;\n"
    "  long long i = td_block() * 256 + td_thread();\n"
    "  if (width == 4) {\n"
    "    for (; i < count; i += step)\n"
    "      bad |= (((const unsigned *)x)[i] & (unsigned)mask) == (unsigned)mask;\n"
    "  } else if (width == 2) {\n"
    "    for (; i < count; i += step)\n"
    "      bad |= (((const unsigned short *)x)[i] & (unsigned)mask) == (unsigned)mask;\n"
    "  } else {\n"
    "    for (; i < count; i += step)\n"
    "      bad |= (((const unsigned long long *)x)[i] & (unsigned long long)mask) ==\n"
    "             (unsigned long long)mask;\n"
    "  }\n"
    "  if (bad) td_ticket((unsigned *)found, 0xffffffffu);\n"
    "}\n";

/* ---- the kernel ------------------------------------------------------------------------- */

static TdKernel kernels[] = {{.name = "td_finite", .source = source, .klass = "map"}};
static TdStep steps[] = {{.kind = TD_LAUNCH}};
static TdEntry entries[] = {{.name = "finite", .steps = steps, .nsteps = 1}};
static const TdProgram program = {.name = "finite",
                                  .prelude = prelude,
                                  .kernels = kernels,
                                  .nkernels = 1,
                                  .entries = entries,
                                  .nentries = 1};

CudaResult finite_open(Finite *f, const Gpu *gpu) {
  *f = (Finite){.gpu = gpu};
  CudaResult r = gpu->driver.cuMemAlloc_v2(&f->found, FINITE_ROWS * sizeof(int));
  if (r != CUDA_OK) f->found = 0;
  return r;
}

const TdProgram *finite_program(void) { return &program; }

bool finite_ready(Finite *f, const CubinCompiler *compiler, TdError *err) {
  if (f->kernels == NULL)
    f->kernels = cuda_kernels_new(&program, &f->gpu->driver, compiler, f->gpu->shared_most, err);
  return f->kernels != NULL && cuda_kernels_need(f->kernels, (const int[]){0}, 1, err);
}

void finite_close(Finite *f) {
  cuda_kernels_free(f->kernels);
  if (f->found != 0) f->gpu->driver.cuMemFree_v2(f->found);
  *f = (Finite){0};
}

/* ---- looking ------------------------------------------------------------------------------ */

static CudaResult look_at(const Finite *f, const DeviceNumbers *x, CudaAddress found) {
  uint64_t parameters[] = {(CudaAddress)(uintptr_t)x->at.memory + x->at.offset, found,
                           (uint64_t)x->count, td_type_size(x->type), td_type_exponent(x->type)};
  size_t bytes = sizeof parameters;
  void *extra[] = {(void *)CUDA_PARAMETERS, parameters, (void *)CUDA_PARAMETERS_SIZE, &bytes,
                   (void *)CUDA_PARAMETERS_END};
  int64_t blocks = (x->count + THREADS * EACH - 1) / (THREADS * EACH),
          most = 8 * (int64_t)f->gpu->processors;
  if (td_type_exponent(x->type) == 0 || x->count < 1) return CUDA_OK;
  return f->gpu->driver.cuLaunchKernel(cuda_kernels_function(f->kernels, 0),
                                       (unsigned)(blocks < most ? blocks : most), 1, 1, THREADS, 1,
                                       1, 0, f->gpu->stream, NULL, extra);
}

CudaResult finite_start(const Finite *f, const DeviceNumbers *all, int n) {
  CudaResult r =
      f->gpu->driver.cuMemsetD8Async(f->found, 0, FINITE_ROWS * sizeof(int), f->gpu->stream);
  for (int i = 0; i < n && r == CUDA_OK; i++)
    r = look_at(f, &all[i], f->found + (size_t)i * sizeof(int));
  return r;
}
