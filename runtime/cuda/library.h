/* SPDX-License-Identifier: MIT */
/* CUDA's libraries, opened while the program runs: the driver (libcuda), the compiler of
 * kernels (libnvrtc), products (libcublasLt). Nothing of them is needed to build, and nothing
 * is opened before somebody asks for a CUDA device.
 *
 * Looked for in the folders of $TDC_CUDA_LIBRARIES, then where the loader looks, then where
 * drivers, toolkits and Python's packages put them. A last folder "-" in the variable ends
 * the search there. What was opened stays: the driver has threads of its own. */
#ifndef TDC_CUDA_LIBRARY_H
#define TDC_CUDA_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/system/error.h"

/* ---- their types and the constants of them that are used ------------------------- */

typedef int CudaResult;
typedef int CudaDevice, CudaAttribute, CudaFunctionAttribute, CudaCaptureMode;
typedef unsigned long long CudaAddress; /* in the device's memory */
typedef struct CudaContextOf *CudaContext;
typedef struct CudaStreamOf *CudaStream;
typedef struct CudaModuleOf *CudaModule;
typedef struct CudaFunctionOf *CudaFunction;
typedef struct CudaEventOf *CudaEvent;
typedef struct CudaGraphOf *CudaGraph;
typedef struct CudaGraphExecOf *CudaGraphExec;

typedef int NvrtcResult;
typedef struct NvrtcProgramOf *NvrtcProgram;

typedef int BlasStatus, BlasType, BlasComputeType;
typedef int BlasProductAttribute, BlasLayoutAttribute, BlasPreferenceAttribute;
typedef int BlasAlgorithmAttribute;
typedef CudaStream BlasStream;
typedef struct BlasHandleOf *BlasHandle;
typedef struct BlasProductOf *BlasProduct;
typedef struct BlasLayoutOf *BlasLayout;
typedef struct BlasPreferenceOf *BlasPreference;
typedef struct BlasAlgorithm {
  uint64_t data[8];
} BlasAlgorithm;
typedef struct BlasCandidate {
  BlasAlgorithm algo;
  size_t workspaceSize;
  BlasStatus state;
  float wavesCount;
  int reserved[4];
} BlasCandidate;

/* CONSTANT(ours, theirs, value), for the test that compares. */
#define CUDA_CONSTANTS(CONSTANT)                                                        \
  CONSTANT(CUDA_OK, CUDA_SUCCESS, 0)                                                    \
  CONSTANT(CUDA_NO_MEMORY, CUDA_ERROR_OUT_OF_MEMORY, 2)                                 \
  CONSTANT(CUDA_STUB, CUDA_ERROR_STUB_LIBRARY, 34)                                      \
  CONSTANT(CUDA_NO_DEVICE, CUDA_ERROR_NO_DEVICE, 100)                                   \
  CONSTANT(CUDA_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                \
  CONSTANT(CUDA_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                \
  CONSTANT(CUDA_PROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)               \
  CONSTANT(CUDA_CACHE, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38)                           \
  CONSTANT(CUDA_SHARED_MOST, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97) \
  CONSTANT(CUDA_SHARED_BYTES, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8)       \
  CONSTANT(CUDA_NON_BLOCKING, CU_STREAM_NON_BLOCKING, 1)                                \
  CONSTANT(CUDA_CAPTURE_THREAD, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1)                 \
  CONSTANT(CUDA_NO_TIMING, CU_EVENT_DISABLE_TIMING, 2)                                  \
  CONSTANT(CUDA_PARAMETERS_END, CU_LAUNCH_PARAM_END_AS_INT, 0)                          \
  CONSTANT(CUDA_PARAMETERS, CU_LAUNCH_PARAM_BUFFER_POINTER_AS_INT, 1)                   \
  CONSTANT(CUDA_PARAMETERS_SIZE, CU_LAUNCH_PARAM_BUFFER_SIZE_AS_INT, 2)                 \
  CONSTANT(NVRTC_OK, NVRTC_SUCCESS, 0)                                                  \
  CONSTANT(NVRTC_NO_MEMORY, NVRTC_ERROR_OUT_OF_MEMORY, 1)                               \
  CONSTANT(NVRTC_NOT_COMPILED, NVRTC_ERROR_COMPILATION, 6)                              \
  CONSTANT(NVRTC_NO_BUILTINS, NVRTC_ERROR_BUILTIN_OPERATION_FAILURE, 7)                 \
  CONSTANT(BLAS_OK, CUBLAS_STATUS_SUCCESS, 0)                                           \
  CONSTANT(BLAS_NO_MEMORY, CUBLAS_STATUS_ALLOC_FAILED, 3)                               \
  CONSTANT(BLAS_F32, CUDA_R_32F, 0)                                                     \
  CONSTANT(BLAS_BF16, CUDA_R_16BF, 14)                                                  \
  CONSTANT(BLAS_COMPUTE_F32, CUBLAS_COMPUTE_32F, 68)                                    \
  CONSTANT(BLAS_TRANSPOSED, CUBLAS_OP_T, 1)                                             \
  CONSTANT(BLAS_TRANSPOSE_A, CUBLASLT_MATMUL_DESC_TRANSA, 3)                            \
  CONSTANT(BLAS_TRANSPOSE_B, CUBLASLT_MATMUL_DESC_TRANSB, 4)                            \
  CONSTANT(BLAS_BATCH, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5)                           \
  CONSTANT(BLAS_BATCH_STRIDE, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6)           \
  CONSTANT(BLAS_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                 \
  CONSTANT(BLAS_REDUCTIONS, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, 3)              \
  CONSTANT(BLAS_NO_REDUCTION, CUBLASLT_REDUCTION_SCHEME_NONE, 0)                        \
  CONSTANT(BLAS_SPLIT, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 2)                              \
  CONSTANT(BLAS_SCHEME, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, 3)                       \
  CONSTANT(BLAS_ALIGNMENT_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)             \
  CONSTANT(BLAS_ALIGNMENT_B, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)             \
  CONSTANT(BLAS_ALIGNMENT_C, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)             \
  CONSTANT(BLAS_ALIGNMENT_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)
#define CUDA_CONSTANT(ours, theirs, value) ours = value,
enum { CUDA_CONSTANTS(CUDA_CONSTANT) };
#undef CUDA_CONSTANT

/* ---- opened ---------------------------------------------------------------------- */

/* A library's file: its path as the loader has it, cut off where that is longer, and what
 * tells it from another one of the same version. */
typedef struct LibraryFile {
  char path[1024];
  int64_t bytes, changed; /* size; seconds since 1970 */
} LibraryFile;

typedef struct CudaDriver {
  LibraryFile file;
  int version; /* of CUDA that it is for: 1000 * major + 10 * minor */
#define DRIVER(result, name, parameters) result(*name) parameters;
#include "runtime/cuda/functions.def"
#undef DRIVER
} CudaDriver;

typedef struct Nvrtc {
  LibraryFile file;
  int major, minor;
#define NVRTC(result, name, parameters) result(*name) parameters;
#include "runtime/cuda/functions.def"
#undef NVRTC
} Nvrtc;

typedef struct BlasLt {
  LibraryFile file;
  size_t version; /* 10000 * major + 100 * minor + patch */
#define BLAS(result, name, parameters) result(*name) parameters;
#include "runtime/cuda/functions.def"
#undef BLAS
} BlasLt;

/* Each fills the table, or fails with TD_NO_TOOL and says what is missing and what to do.
 * The driver is initialised; the other two are chosen to go with it. */
bool cuda_driver_open(CudaDriver *d, TdError *err);
bool cuda_nvrtc_open(Nvrtc *n, const CudaDriver *d, TdError *err);
bool cuda_blas_open(BlasLt *b, const CudaDriver *d, TdError *err);

/* "CUDA_ERROR_OUT_OF_MEMORY (out of memory)". */
void cuda_result_text(const CudaDriver *d, CudaResult r, char *out, size_t n);

#endif
