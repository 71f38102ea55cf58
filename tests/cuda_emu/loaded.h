/* SPDX-License-Identifier: MIT */
/* For tests: the emulated libraries, opened as a program opens CUDA's, by dlopen, functions by
 * name; and few lines around them. */
#ifndef TDC_CUDA_EMU_LOADED_H
#define TDC_CUDA_EMU_LOADED_H

#include <stdbool.h>

#include "tests/cuda_emu/api.h"

/* X(the library's name, a function) */
#define LOADED(X)                  \
  LOADED_DRIVER(X, "libcuda.so.1") \
  LOADED_NVRTC(X, "libnvrtc.so.13") LOADED_BLAS(X, "libcublasLt.so.13")
#define LOADED_DRIVER(X, L)                                                                       \
  X(L, cuInit)                                                                                    \
  X(L, cuDriverGetVersion)                                                                        \
  X(L, cuGetErrorName)                                                                            \
  X(L, cuGetErrorString)                                                                          \
  X(L, cuDeviceGetCount)                                                                          \
  X(L, cuDeviceGet)                                                                               \
  X(L, cuDeviceGetName)                                                                           \
  X(L, cuDeviceGetAttribute)                                                                      \
  X(L, cuDeviceTotalMem_v2) X(L, cuDevicePrimaryCtxRetain) X(L, cuDevicePrimaryCtxRelease_v2)     \
      X(L, cuCtxSetCurrent) X(L, cuMemGetInfo_v2) X(L, cuMemAlloc_v2) X(L, cuMemFree_v2)          \
          X(L, cuMemHostAlloc) X(L, cuMemFreeHost) X(L, cuMemcpyHtoDAsync_v2)                     \
              X(L, cuMemcpyDtoHAsync_v2) X(L, cuMemcpyDtoDAsync_v2) X(L, cuMemsetD8Async)         \
                  X(L, cuStreamCreate) X(L, cuStreamDestroy_v2) X(L, cuStreamSynchronize)         \
                      X(L, cuStreamQuery) X(L, cuStreamWaitEvent) X(L, cuEventCreate) X(          \
                          L, cuEventRecord) X(L, cuEventSynchronize) X(L, cuEventQuery)           \
                          X(L, cuEventElapsedTime) X(L, cuEventDestroy_v2) X(L, cuModuleLoadData) \
                              X(L, cuModuleUnload) X(L, cuModuleGetFunction)                      \
                                  X(L, cuFuncGetAttribute) X(L, cuFuncSetAttribute)               \
                                      X(L, cuLaunchKernel) X(L, cuStreamBeginCapture_v2)          \
                                          X(L, cuStreamEndCapture)                                \
                                              X(L, cuGraphInstantiateWithFlags)                   \
                                                  X(L, cuGraphLaunch) X(L, cuGraphExecDestroy)    \
                                                      X(L, cuGraphDestroy) X(L, emu_reports)      \
                                                          X(L, emu_last_report)
#define LOADED_NVRTC(X, L)     \
  X(L, nvrtcVersion)           \
  X(L, nvrtcCreateProgram)     \
  X(L, nvrtcCompileProgram)    \
  X(L, nvrtcGetProgramLogSize) \
  X(L, nvrtcGetProgramLog) X(L, nvrtcGetCUBINSize) X(L, nvrtcGetCUBIN) X(L, nvrtcDestroyProgram)
#define LOADED_BLAS(X, L)                                                         \
  X(L, cublasLtCreate)                                                            \
  X(L, cublasLtDestroy)                                                           \
  X(L, cublasLtMatmulDescCreate)                                                  \
  X(L, cublasLtMatmulDescSetAttribute)                                            \
  X(L, cublasLtMatmulDescDestroy)                                                 \
  X(L, cublasLtMatrixLayoutCreate)                                                \
  X(L, cublasLtMatrixLayoutSetAttribute)                                          \
  X(L, cublasLtMatrixLayoutDestroy)                                               \
  X(L, cublasLtMatmulPreferenceCreate) X(L, cublasLtMatmulPreferenceSetAttribute) \
      X(L, cublasLtMatmulPreferenceDestroy) X(L, cublasLtMatmulAlgoGetHeuristic)  \
          X(L, cublasLtMatmul)

#define LOADED_MEMBER(library, f) __typeof__(f) *f;
typedef struct Loaded {
  LOADED(LOADED_MEMBER)
} Loaded;

extern Loaded emu;      /* opened by emu_load */
extern CUstream stream; /* of the device that is open */
void emu_load(void);

/* cmocka's failure with the error's name, unless it is success. */
void ok(CUresult r);

/* A context and a stream; loads and stores checked or not; draws by the seed. */
void open_device(bool check, int seed);
void close_device(void); /* of an orderly end: what is left is told as a leak */

/* The image, malloc'ed, or NULL; and the log, malloc'ed. */
char *compile(const char *text, nvrtcResult *r, char **log);
CUmodule load(const char *text); /* fails with the log */
CUfunction function(CUmodule m, const char *name);
CUdeviceptr device(size_t bytes);
CUresult launch(CUfunction f, int blocks, int threads, int shared, const void *arguments,
                size_t bytes);
void up(CUdeviceptr to, const void *from, size_t bytes); /* both wait */
void down(void *to, CUdeviceptr from, size_t bytes);

#endif
