/* SPDX-License-Identifier: MIT */
/* The part of CUDA's interfaces that the emulated libraries answer: types, values and
 * prototypes, written from their documentation. Tests take the functions' types from here
 * and the functions by dlsym. Beside each library's own functions stand a few of the
 * emulator's, emu_*. */
#ifndef TDC_CUDA_EMU_API_H
#define TDC_CUDA_EMU_API_H

#include <stddef.h>
#include <stdint.h>

#define EMU_API __attribute__((visibility("default")))

/* ---- the driver: libcuda.so.1 ---------------------------------------------------- */

typedef enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_MISALIGNED_ADDRESS = 716,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
  CUDA_ERROR_STREAM_CAPTURE_UNMATCHED = 903,
  CUDA_ERROR_CAPTURED_EVENT = 907,
  CUDA_ERROR_UNKNOWN = 999
} CUresult;

typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct EmuContext *CUcontext;
typedef struct EmuStream *CUstream;
typedef struct EmuEvent *CUevent;
typedef struct EmuModule *CUmodule;
typedef struct EmuFunction *CUfunction;
typedef struct EmuGraph *CUgraph;
typedef struct EmuGraphExec *CUgraphExec;

enum { /* cuDeviceGetAttribute */
       CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
       CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X = 2,
       CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y = 3,
       CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z = 4,
       CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X = 5,
       CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y = 6,
       CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z = 7,
       CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK = 8,
       CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
       CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK = 12,
       CU_DEVICE_ATTRIBUTE_CLOCK_RATE = 13,
       CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
       CU_DEVICE_ATTRIBUTE_INTEGRATED = 18,
       CU_DEVICE_ATTRIBUTE_COMPUTE_MODE = 20,
       CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS = 31,
       CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE = 36,
       CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH = 37,
       CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
       CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR = 39,
       CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING = 41,
       CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
       CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
       CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
       CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR = 82,
       CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH = 95,
       CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
       CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR = 106,
       CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK = 111
};
enum { /* cuFuncGetAttribute, cuFuncSetAttribute */
       CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
       CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
       CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES = 2,
       CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
       CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
       CU_FUNC_ATTRIBUTE_PTX_VERSION = 5,
       CU_FUNC_ATTRIBUTE_BINARY_VERSION = 6,
       CU_FUNC_ATTRIBUTE_CACHE_MODE_CA = 7,
       CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
       CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT = 9
};
enum { CU_STREAM_DEFAULT = 0, CU_STREAM_NON_BLOCKING = 1 };
enum { CU_EVENT_DEFAULT = 0, CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2 };
enum { CU_STREAM_CAPTURE_MODE_GLOBAL = 0, CU_STREAM_CAPTURE_MODE_RELAXED = 2 };
#define CU_LAUNCH_PARAM_END ((void *)0)
#define CU_LAUNCH_PARAM_BUFFER_POINTER ((void *)1)
#define CU_LAUNCH_PARAM_BUFFER_SIZE ((void *)2)

EMU_API CUresult cuInit(unsigned flags);
EMU_API CUresult cuDriverGetVersion(int *version);
EMU_API CUresult cuGetExportTable(const void **table, const void *id);
EMU_API CUresult cuGetErrorName(CUresult code, const char **name);
EMU_API CUresult cuGetErrorString(CUresult code, const char **text);
EMU_API CUresult cuDeviceGetCount(int *count);
EMU_API CUresult cuDeviceGet(CUdevice *device, int ordinal);
EMU_API CUresult cuDeviceGetName(char *name, int length, CUdevice device);
EMU_API CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device);
EMU_API CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device);
EMU_API CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device);
EMU_API CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);
EMU_API CUresult cuCtxSetCurrent(CUcontext context);
EMU_API CUresult cuCtxGetCurrent(CUcontext *context);
EMU_API CUresult cuCtxSynchronize(void);

EMU_API CUresult cuMemGetInfo_v2(size_t *unused, size_t *total);
EMU_API CUresult cuMemAlloc_v2(CUdeviceptr *at, size_t bytes);
EMU_API CUresult cuMemFree_v2(CUdeviceptr at);
EMU_API CUresult cuMemHostAlloc(void **at, size_t bytes, unsigned flags);
EMU_API CUresult cuMemFreeHost(void *at);
EMU_API CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream s);
EMU_API CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream s);
EMU_API CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s);
EMU_API CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream s);
EMU_API CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream s);

EMU_API CUresult cuStreamCreate(CUstream *s, unsigned flags);
EMU_API CUresult cuStreamDestroy_v2(CUstream s);
EMU_API CUresult cuStreamSynchronize(CUstream s);
EMU_API CUresult cuStreamQuery(CUstream s);
EMU_API CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags);
EMU_API CUresult cuEventCreate(CUevent *e, unsigned flags);
EMU_API CUresult cuEventRecord(CUevent e, CUstream s);
EMU_API CUresult cuEventSynchronize(CUevent e);
EMU_API CUresult cuEventQuery(CUevent e);
EMU_API CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to);
EMU_API CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent from, CUevent to);
EMU_API CUresult cuEventDestroy_v2(CUevent e);

EMU_API CUresult cuModuleLoadData(CUmodule *m, const void *image);
EMU_API CUresult cuModuleUnload(CUmodule m);
EMU_API CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name);
EMU_API CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction f);
EMU_API CUresult cuFuncSetAttribute(CUfunction f, int attribute, int value);
EMU_API CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                                unsigned by, unsigned bz, unsigned shared, CUstream s,
                                void **parameters, void **extra);

EMU_API CUresult cuStreamBeginCapture_v2(CUstream s, int mode);
EMU_API CUresult cuStreamEndCapture(CUstream s, CUgraph *graph);
EMU_API CUresult cuStreamIsCapturing(CUstream s, int *status);
EMU_API CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph,
                                             unsigned long long flags);
EMU_API CUresult cuGraphLaunch(CUgraphExec exec, CUstream s);
EMU_API CUresult cuGraphExecDestroy(CUgraphExec exec);
EMU_API CUresult cuGraphDestroy(CUgraph graph);

/* What was found so far, in this process: how often, and the last of it in words. */
EMU_API int emu_reports(void);
EMU_API const char *emu_last_report(void);

/* ---- the compiler: libnvrtc.so.13 ------------------------------------------------- */

typedef enum nvrtcResult {
  NVRTC_SUCCESS = 0,
  NVRTC_ERROR_OUT_OF_MEMORY = 1,
  NVRTC_ERROR_PROGRAM_CREATION_FAILURE = 2,
  NVRTC_ERROR_INVALID_INPUT = 3,
  NVRTC_ERROR_INVALID_PROGRAM = 4,
  NVRTC_ERROR_INVALID_OPTION = 5,
  NVRTC_ERROR_COMPILATION = 6,
  NVRTC_ERROR_INTERNAL_ERROR = 11
} nvrtcResult;
typedef struct EmuCompilation *nvrtcProgram;

EMU_API const char *nvrtcGetErrorString(nvrtcResult code);
EMU_API nvrtcResult nvrtcVersion(int *major, int *minor);
EMU_API nvrtcResult nvrtcGetNumSupportedArchs(int *count);
EMU_API nvrtcResult nvrtcGetSupportedArchs(int *archs);
EMU_API nvrtcResult nvrtcCreateProgram(nvrtcProgram *p, const char *source, const char *name,
                                       int nheaders, const char *const *headers,
                                       const char *const *names);
EMU_API nvrtcResult nvrtcDestroyProgram(nvrtcProgram *p);
EMU_API nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int n, const char *const *options);
EMU_API nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *bytes);
EMU_API nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *log);
EMU_API nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *bytes);
EMU_API nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *cubin);
EMU_API nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *bytes);
EMU_API nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *ptx);

/* ---- products: libcublasLt.so.13 -------------------------------------------------- */

typedef enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_EXECUTION_FAILED = 13,
  CUBLAS_STATUS_INTERNAL_ERROR = 14,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
} cublasStatus_t;
enum { CUDA_R_32F = 0, CUDA_R_16BF = 14 };
enum { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_32F_PEDANTIC = 69, CUBLAS_COMPUTE_32F_TF32 = 77 };
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum { CUBLASLT_ORDER_COL = 0, CUBLASLT_ORDER_ROW = 1 };
enum {
  CUBLASLT_MATRIX_LAYOUT_TYPE = 0,
  CUBLASLT_MATRIX_LAYOUT_ORDER = 1,
  CUBLASLT_MATRIX_LAYOUT_ROWS = 2,
  CUBLASLT_MATRIX_LAYOUT_COLS = 3,
  CUBLASLT_MATRIX_LAYOUT_LD = 4,
  CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT = 5,
  CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET = 6
};
enum {
  CUBLASLT_MATMUL_DESC_COMPUTE_TYPE = 0,
  CUBLASLT_MATMUL_DESC_SCALE_TYPE = 1,
  CUBLASLT_MATMUL_DESC_POINTER_MODE = 2,
  CUBLASLT_MATMUL_DESC_TRANSA = 3,
  CUBLASLT_MATMUL_DESC_TRANSB = 4,
  CUBLASLT_MATMUL_DESC_TRANSC = 5,
  CUBLASLT_MATMUL_DESC_EPILOGUE = 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8
};
enum { CUBLASLT_EPILOGUE_DEFAULT = 1, CUBLASLT_EPILOGUE_BIAS = 4 };
enum {
  CUBLASLT_MATMUL_PREF_SEARCH_MODE = 0,
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES = 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES = 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8,
  CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT = 9,
  CUBLASLT_MATMUL_PREF_IMPL_MASK = 12
};
enum {
  CUBLASLT_ALGO_CONFIG_ID = 0,
  CUBLASLT_ALGO_CONFIG_TILE_ID = 1,
  CUBLASLT_ALGO_CONFIG_SPLITK_NUM = 2,
  CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME = 3,
  CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING = 4,
  CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION = 5,
  CUBLASLT_ALGO_CONFIG_STAGES_ID = 6
};

typedef struct EmuLt *cublasLtHandle_t;
typedef struct EmuProductDesc *cublasLtMatmulDesc_t;
typedef struct EmuMatrix *cublasLtMatrixLayout_t;
typedef struct EmuPreference *cublasLtMatmulPreference_t;
typedef struct cublasLtMatmulAlgo_t {
  uint64_t data[8];
} cublasLtMatmulAlgo_t;
typedef struct cublasLtMatmulHeuristicResult_t {
  cublasLtMatmulAlgo_t algo;
  size_t workspaceSize;
  cublasStatus_t state;
  float wavesCount;
  int reserved[4];
} cublasLtMatmulHeuristicResult_t;

EMU_API size_t cublasLtGetVersion(void);
EMU_API const char *cublasLtGetStatusString(cublasStatus_t status);
EMU_API cublasStatus_t cublasLtCreate(cublasLtHandle_t *h);
EMU_API cublasStatus_t cublasLtDestroy(cublasLtHandle_t h);
EMU_API cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, int compute, int scale);
EMU_API cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, int attribute,
                                                      const void *value, size_t bytes);
EMU_API cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d);
EMU_API cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *m, int type,
                                                  uint64_t rows, uint64_t cols, int64_t ld);
EMU_API cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t m, int attribute,
                                                        const void *value, size_t bytes);
EMU_API cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t m);
EMU_API cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p);
EMU_API cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p,
                                                            int attribute, const void *value,
                                                            size_t bytes);
EMU_API cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p);
EMU_API cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
    cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to, cublasLtMatmulPreference_t p,
    int requested, cublasLtMatmulHeuristicResult_t *results, int *returned);
EMU_API cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo,
                                                            int attribute, void *value,
                                                            size_t bytes, size_t *written);
EMU_API cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
                                               cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                               cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to,
                                               const cublasLtMatmulAlgo_t *algo,
                                               cublasLtMatmulHeuristicResult_t *result);
EMU_API cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha,
                                      const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                                      cublasLtMatrixLayout_t b_layout, const void *beta,
                                      const void *c, cublasLtMatrixLayout_t c_layout, void *to,
                                      cublasLtMatrixLayout_t to_layout,
                                      const cublasLtMatmulAlgo_t *algo, void *workspace,
                                      size_t workspace_bytes, CUstream s);

#endif
