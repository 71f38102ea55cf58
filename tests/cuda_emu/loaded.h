/* SPDX-License-Identifier: MIT */
/* The emulated libraries, opened as a program opens CUDA's: by dlopen, functions by name. */
#ifndef TDC_CUDA_EMU_LOADED_H
#define TDC_CUDA_EMU_LOADED_H

#include "tests/cuda_emu/api.h"

#define LOADED_DRIVER(X)                                                                           \
  X(cuInit)                                                                                        \
  X(cuDriverGetVersion)                                                                            \
  X(cuGetErrorName) X(cuGetErrorString) X(cuDeviceGetCount) X(cuDeviceGet) X(cuDeviceGetName)      \
      X(cuDeviceGetAttribute) X(cuDeviceTotalMem_v2) X(cuDevicePrimaryCtxRetain)                   \
          X(cuDevicePrimaryCtxRelease_v2) X(cuCtxSetCurrent) X(cuMemGetInfo_v2) X(cuMemAlloc_v2)   \
              X(cuMemFree_v2) X(cuMemHostAlloc) X(cuMemFreeHost) X(cuMemcpyHtoDAsync_v2)           \
                  X(cuMemcpyDtoHAsync_v2) X(cuMemcpyDtoDAsync_v2) X(cuMemsetD8Async)               \
                      X(cuStreamCreate) X(cuStreamDestroy_v2) X(cuStreamSynchronize)               \
                          X(cuStreamQuery) X(cuEventCreate) X(cuEventRecord) X(cuEventSynchronize) \
                              X(cuEventQuery) X(cuEventElapsedTime) X(cuEventDestroy_v2)           \
                                  X(cuModuleLoadData) X(cuModuleUnload) X(cuModuleGetFunction)     \
                                      X(cuFuncGetAttribute) X(cuFuncSetAttribute)                  \
                                          X(cuLaunchKernel) X(cuStreamBeginCapture_v2)             \
                                              X(cuStreamEndCapture) X(cuGraphInstantiateWithFlags) \
                                                  X(cuGraphLaunch) X(cuGraphExecDestroy)           \
                                                      X(cuGraphDestroy) X(emu_reports)             \
                                                          X(emu_last_report)
#define LOADED_NVRTC(X)                                                                       \
  X(nvrtcVersion)                                                                             \
  X(nvrtcCreateProgram)                                                                       \
  X(nvrtcCompileProgram) X(nvrtcGetProgramLogSize) X(nvrtcGetProgramLog) X(nvrtcGetCUBINSize) \
      X(nvrtcGetCUBIN) X(nvrtcDestroyProgram)
#define LOADED_BLAS(X)                                                                  \
  X(cublasLtCreate)                                                                     \
  X(cublasLtDestroy)                                                                    \
  X(cublasLtGetVersion) X(cublasLtMatmulDescCreate) X(cublasLtMatmulDescSetAttribute)   \
      X(cublasLtMatmulDescDestroy) X(cublasLtMatrixLayoutCreate)                        \
          X(cublasLtMatrixLayoutSetAttribute) X(cublasLtMatrixLayoutDestroy)            \
              X(cublasLtMatmulPreferenceCreate) X(cublasLtMatmulPreferenceSetAttribute) \
                  X(cublasLtMatmulPreferenceDestroy) X(cublasLtMatmulAlgoGetHeuristic)  \
                      X(cublasLtMatmul)

#define LOADED_MEMBER(f) __typeof__(f) *f;
typedef struct Loaded {
  LOADED_DRIVER(LOADED_MEMBER)
  LOADED_NVRTC(LOADED_MEMBER)
  LOADED_BLAS(LOADED_MEMBER)
} Loaded;

#endif
