/* SPDX-License-Identifier: MIT */
/* From units of kernels to functions of the driver. See kernels.h. */
#include "runtime/cuda/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/threads.h"

/* A unit is closed when its kernels' text reaches this: more units than the C compiler gets,
 * since a unit has one thread and the prelude costs little. */
enum { UNIT_BYTES = 12000, SHARED_UNASKED = 48 << 10 };

struct CudaKernels {
  const TdProgram *program;
  const CudaDriver *driver;
  const CubinCompiler *compiler;
  size_t shared_most;
  CudaModule *modules;
  int nmodules;
  bool *made;              /* by entry */
  CudaFunction *functions; /* by kernel; NULL: not made yet */
  JitStats stats;
};

static bool load_failed(const CudaKernels *k, const char *name, CudaResult r, TdError *err) {
  char why[256];
  cuda_result_text(k->driver, r, why, sizeof why);
  return td_fail(err, r == CUDA_NO_MEMORY ? TD_IO_FAILED : TD_NO_TOOL,
                 "the NVIDIA driver does not load %s, compiled by NVRTC %d.%d for %s: %s", name,
                 k->compiler->nvrtc->major, k->compiler->nvrtc->minor, k->compiler->architecture,
                 why);
}

/* Blocks may have more than 48 KB of dynamic shared memory where it is asked for. */
static bool ask_shared(const CudaKernels *k, const TdKernel *kernel, CudaFunction f, TdError *err) {
  size_t bytes = kernel->launch.gpu.shared;
  if (bytes <= SHARED_UNASKED) return true;
  if (bytes > k->shared_most)
    return td_fail(err, TD_NO_TOOL,
                   "%s (%s) needs %zu bytes of shared memory for a block, and this GPU has %zu",
                   kernel->name, kernel->where != NULL ? kernel->where : "?", bytes,
                   k->shared_most);
  CudaResult r = k->driver->cuFuncSetAttribute(f, CUDA_SHARED_BYTES, (int)bytes);
  return r == CUDA_OK || load_failed(k, kernel->name, r, err);
}

static bool load_unit(CudaKernels *k, const KernelUnit *u, const int *group, const Cubin *cubin,
                      TdError *err) {
  const TdProgram *p = k->program;
  CudaModule *more = realloc(k->modules, ((size_t)k->nmodules + 1) * sizeof *more), module;
  if (more == NULL) return td_fail_memory(err);
  k->modules = more;
  CudaResult r = k->driver->cuModuleLoadData(&module, cubin->code);
  if (r != CUDA_OK) return load_failed(k, p->kernels[u->first].name, r, err);
  k->modules[k->nmodules++] = module;
  for (int i = u->first; i <= u->last; i++) {
    if (group[i] < 0 || p->kernels[i].kind == TD_PRODUCT) continue;
    CudaFunction f;
    r = k->driver->cuModuleGetFunction(&f, module, p->kernels[i].name);
    if (r != CUDA_OK) return load_failed(k, p->kernels[i].name, r, err);
    if (!ask_shared(k, &p->kernels[i], f, err)) return false;
    k->functions[i] = f;
  }
  return true;
}

static bool build(CudaKernels *k, const int *group, TdError *err) {
  double start = clock_seconds();
  KernelUnits units;
  bool ok = units_make(&units, k->program, group, UNIT_BYTES, err);
  Cubin *cubins = ok ? calloc((size_t)units.n + 1, sizeof *cubins) : NULL;
  ok = ok && (cubins != NULL || td_fail_memory(err));
  ok = ok && cubins_make(k->compiler, k->program, group, &units, cubins, &k->stats, err);
  for (int i = 0; ok && i < units.n; i++) ok = load_unit(k, &units.at[i], group, &cubins[i], err);
  for (int i = 0; cubins != NULL && i < units.n; i++) cubin_free(&cubins[i]);
  free(cubins);
  units_free(&units);
  k->stats.seconds += clock_seconds() - start;
  return ok;
}

bool cuda_kernels_need(CudaKernels *k, const int *entries, int n, TdError *err) {
  bool any = false;
  int *group = kernel_groups(k->program, k->made, entries, n, &any, err);
  bool ok = group != NULL && (!any || build(k, group, err));
  for (int i = 0; ok && i < n; i++) k->made[entries[i]] = true;
  free(group);
  return ok;
}

bool cuda_kernels_has(const CudaKernels *k, int entry) { return k->made[entry]; }

CudaFunction cuda_kernels_function(const CudaKernels *k, int kernel) {
  return k->functions[kernel];
}

const JitStats *cuda_kernels_stats(const CudaKernels *k) { return &k->stats; }

CudaKernels *cuda_kernels_new(const TdProgram *p, const CudaDriver *driver,
                              const CubinCompiler *compiler, size_t shared_most, TdError *err) {
  CudaKernels *k = calloc(1, sizeof *k);
  if (k != NULL) {
    *k = (CudaKernels){.program = p,
                       .driver = driver,
                       .compiler = compiler,
                       .shared_most = shared_most,
                       .stats.loaded_whole = p->nkernels > 0};
    k->made = calloc((size_t)p->nentries + 1, sizeof *k->made);
    k->functions = calloc((size_t)p->nkernels + 1, sizeof *k->functions);
    if (k->made != NULL && k->functions != NULL) return k;
  }
  cuda_kernels_free(k);
  td_fail_memory(err);
  return NULL;
}

void cuda_kernels_free(CudaKernels *k) {
  if (k == NULL) return;
  for (int i = 0; i < k->nmodules; i++) k->driver->cuModuleUnload(k->modules[i]);
  free(k->modules);
  free(k->made);
  free(k->functions);
  free(k);
}
