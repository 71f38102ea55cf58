/* SPDX-License-Identifier: MIT */
/* A library that has every function of CUDA's libraries and does nothing: for tests of how
 * they are found and opened. Driver and compiler tell their versions ($STUB_DRIVER, 13000;
 * $STUB_NVRTC, 13), and $STUB_INIT is what cuInit ends with. */
#include <stdlib.h>

#include "runtime/cuda/library.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* those that do something stand below */
#define cuInit cuInit_of_the_table
#define cuDriverGetVersion cuDriverGetVersion_of_the_table
#define nvrtcVersion nvrtcVersion_of_the_table
#define cublasLtGetVersion cublasLtGetVersion_of_the_table
#define NOTHING(result, name, parameters) \
  result name parameters { return (result)0; }
#define DRIVER NOTHING
#define NVRTC NOTHING
#define BLAS NOTHING
#include "runtime/cuda/functions.def"
#undef cuInit
#undef cuDriverGetVersion
#undef nvrtcVersion
#undef cublasLtGetVersion

static int setting(const char *name, int usual) {
  const char *s = getenv(name);
  return s != NULL ? atoi(s) : usual;
}

CudaResult cuInit(unsigned flags) { return setting("STUB_INIT", 0); }

CudaResult cuDriverGetVersion(int *version) {
  *version = setting("STUB_DRIVER", 13000);
  return 0;
}

NvrtcResult nvrtcVersion(int *major, int *minor) {
  *major = setting("STUB_NVRTC", 13);
  *minor = 0;
  return 0;
}

size_t cublasLtGetVersion(void) { return 130100; }
