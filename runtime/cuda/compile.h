/* SPDX-License-Identifier: MIT */
/* Units of kernels to code for one GPU: by NVRTC, several at a time, or from the cache of
 * compiled kernels. */
#ifndef TDC_CUDA_COMPILE_H
#define TDC_CUDA_COMPILE_H

#include "runtime/cpu/jit.h"
#include "runtime/cuda/library.h"
#include "runtime/units.h"

/* The options of every compilation, NULL at the end. */
const char *const *cubin_flags(void);

typedef struct CubinCompiler {
  const Nvrtc *nvrtc;
  char architecture[16]; /* "sm_90a" */
  JitOptions options;    /* all but the timeout, which NVRTC has none of */
} CubinCompiler;

/* The name of the architecture of a device of this compute capability. */
void cubin_architecture(char out[16], int major, int minor);

/* One unit's code, with what the compiler said of it: registers, shared memory, spills. */
typedef struct Cubin {
  uint8_t *code; /* malloc'ed, the log behind it */
  size_t bytes;
  const char *log;
} Cubin;

/* All units of the groups: out[units->n], zeros at first, to be freed by cubin_free also after
 * a failure. TD_NO_TOOL with the compiler's words and the kernel's place in the .td file when one
 * cannot be compiled; TD_STOPPED when options.stop was raised meanwhile: what was ready by then
 * is in the cache. Units and stats get what the cache had. */
bool cubins_make(const CubinCompiler *c, const TdProgram *p, const int *group, KernelUnits *units,
                 Cubin *out, JitStats *stats, TdError *err);
void cubin_free(Cubin *c);

#endif
