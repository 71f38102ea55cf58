/* SPDX-License-Identifier: MIT */
/* Compiled by tests/unit/test_cuda_library.c where the toolkit's headers are: each line of
 * runtime/cuda/functions.def is held against them, with their types in place of ours, and
 * so are the constants. Nothing is linked or run. */
#include <cublasLt.h>
#include <cuda.h>
#include <nvrtc.h>
#include <stddef.h>

#include "runtime/cuda/library.h"

/* ours hold what theirs do */
#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), #ours)
SAME_SIZE(CudaResult, CUresult);
SAME_SIZE(CudaDevice, CUdevice);
SAME_SIZE(CudaAttribute, CUdevice_attribute);
SAME_SIZE(CudaFunctionAttribute, CUfunction_attribute);
SAME_SIZE(CudaCaptureMode, CUstreamCaptureMode);
SAME_SIZE(CudaAddress, CUdeviceptr);
SAME_SIZE(CudaStream, CUstream);
SAME_SIZE(NvrtcResult, nvrtcResult);
SAME_SIZE(NvrtcProgram, nvrtcProgram);
SAME_SIZE(BlasStatus, cublasStatus_t);
SAME_SIZE(BlasType, cudaDataType_t);
SAME_SIZE(BlasComputeType, cublasComputeType_t);
SAME_SIZE(BlasProductAttribute, cublasLtMatmulDescAttributes_t);
SAME_SIZE(BlasLayoutAttribute, cublasLtMatrixLayoutAttribute_t);
SAME_SIZE(BlasPreferenceAttribute, cublasLtMatmulPreferenceAttributes_t);
SAME_SIZE(BlasAlgorithmAttribute, cublasLtMatmulAlgoConfigAttributes_t);
SAME_SIZE(BlasStream, cudaStream_t);
SAME_SIZE(BlasAlgorithm, cublasLtMatmulAlgo_t);
SAME_SIZE(BlasCandidate, cublasLtMatmulHeuristicResult_t);
_Static_assert(offsetof(BlasCandidate, state) == offsetof(cublasLtMatmulHeuristicResult_t, state),
               "where a candidate says whether it will do");

#define CONSTANT(ours, theirs, value) _Static_assert((int)theirs == value, #theirs);
CUDA_CONSTANTS(CONSTANT)

#define CudaResult CUresult
#define CudaDevice CUdevice
#define CudaAttribute CUdevice_attribute
#define CudaFunctionAttribute CUfunction_attribute
#define CudaCaptureMode CUstreamCaptureMode
#define CudaAddress CUdeviceptr
#define CudaContext CUcontext
#define CudaStream CUstream
#define CudaModule CUmodule
#define CudaFunction CUfunction
#define CudaEvent CUevent
#define CudaGraph CUgraph
#define CudaGraphExec CUgraphExec
#define NvrtcResult nvrtcResult
#define NvrtcProgram nvrtcProgram
#define BlasStatus cublasStatus_t
#define BlasType cudaDataType_t
#define BlasComputeType cublasComputeType_t
#define BlasProductAttribute cublasLtMatmulDescAttributes_t
#define BlasLayoutAttribute cublasLtMatrixLayoutAttribute_t
#define BlasPreferenceAttribute cublasLtMatmulPreferenceAttributes_t
#define BlasAlgorithmAttribute cublasLtMatmulAlgoConfigAttributes_t
#define BlasStream cudaStream_t
#define BlasHandle cublasLtHandle_t
#define BlasProduct cublasLtMatmulDesc_t
#define BlasLayout cublasLtMatrixLayout_t
#define BlasPreference cublasLtMatmulPreference_t
#define BlasAlgorithm cublasLtMatmulAlgo_t
#define BlasCandidate cublasLtMatmulHeuristicResult_t

#define SAME(result, name, parameters) result(*const same_##name) parameters = name;
#define DRIVER SAME
#define NVRTC SAME
#define BLAS SAME
#include "runtime/cuda/functions.def"
