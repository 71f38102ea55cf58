/* SPDX-License-Identifier: MIT */
/* What every call of the driver goes through; its device, its context, its handles. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/banks.h"
#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/signals.h"

struct EmuContext {
  int retained;
  CUresult broken; /* by work that failed: told by every call from then on */
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static bool initialized;
static struct EmuContext primary;
static _Thread_local CUcontext current;

/* ---- what every call goes through --------------------------------------------------- */

static uint64_t state = 1; /* of draws */

uint64_t random_below(uint64_t n) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return n == 0 ? 0 : (state >> 11) % n;
}

void driver_leave(int *held) {
  (void)held;
  pthread_mutex_unlock(&lock);
}

static CUresult enter(const char *call, Need need) {
  int asked = fault_wanted(call, CUDA_ERROR_UNKNOWN);
  if (asked != 0) return (CUresult)asked;
  if (need >= INITIALIZED && !initialized) return CUDA_ERROR_NOT_INITIALIZED;
  if (need < CONTEXT) return CUDA_SUCCESS;
  if (current == NULL || current->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (current->broken == CUDA_SUCCESS) drain_some();
  return current->broken;
}

CUresult driver_enter(const char *call, Need need) {
  pthread_mutex_lock(&lock);
  CUresult r = enter(call, need);
  if (r != CUDA_SUCCESS) pthread_mutex_unlock(&lock);
  return r;
}

void driver_break(CUresult code) {
  if (primary.broken == CUDA_SUCCESS) primary.broken = code;
}

CUresult driver_broken(void) { return primary.broken; }

/* ---- handles ------------------------------------------------------------------------- */

static const char *const kinds[HANDLE_KINDS] = {"stream",   "event", "module",
                                                "function", "graph", "executable graph"};
static struct {
  void **of;
  int n, room;
} handles[HANDLE_KINDS];

static int find(HandleKind kind, const void *handle) {
  for (int i = handles[kind].n; i-- > 0;)
    if (handles[kind].of[i] == handle) return i;
  return -1;
}

bool handle_add(HandleKind kind, void *handle) {
  if (handles[kind].n == handles[kind].room) {
    int room = handles[kind].room * 2 + 64;
    void **of = realloc(handles[kind].of, (size_t)room * sizeof *of);
    if (of == NULL) return false;
    handles[kind].of = of, handles[kind].room = room;
  }
  handles[kind].of[handles[kind].n++] = handle;
  return true;
}

bool handle_alive(HandleKind kind, const void *handle) {
  if (find(kind, handle) >= 0) return true;
  emu_report("bad handle", "%p is no %s", handle, kinds[kind]);
  return false;
}

void handle_remove(HandleKind kind, void *handle) {
  int i = find(kind, handle);
  if (i >= 0) handles[kind].of[i] = handles[kind].of[--handles[kind].n];
}

int handle_count(HandleKind kind) { return handles[kind].n; }
void *handle_at(HandleKind kind, int i) { return handles[kind].of[i]; }

/* ---- the library, the device ------------------------------------------------------------ */

int driver_capability(void) { return (int)setting("TDC_EMU_CAPABILITY", 90); }
static int devices(void) { return (int)setting("TDC_EMU_DEVICES", 1); }

CUresult cuInit(unsigned flags) {
  ENTER(NOTHING);
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  if (devices() == 0) return CUDA_ERROR_NO_DEVICE;
  state = (uint64_t)setting("TDC_EMU_SEED", 1) * 0x9e3779b97f4a7c15u | 1;
  shadow_on = setting("TDC_EMU_CHECK", 0) != 0;
  banks_on = getenv("TDC_EMU_BANKS") != NULL;
  if (!memory_start()) return CUDA_ERROR_OUT_OF_MEMORY;
  signals_start();
  initialized = true;
  return CUDA_SUCCESS;
}

/* NVRTC looks here when a driver is loaded beside it, and takes a no. */
CUresult cuGetExportTable(const void **table, const void *id) {
  (void)id;
  if (table != NULL) *table = NULL;
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuDriverGetVersion(int *version) {
  ENTER(NOTHING);
  if (version == NULL) return CUDA_ERROR_INVALID_VALUE;
  *version = (int)setting("TDC_EMU_DRIVER", 13000);
  return CUDA_SUCCESS;
}

static const struct {
  CUresult code;
  const char *name, *text;
} results[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {CUDA_ERROR_MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "capture was not initiated in this stream"},
    {CUDA_ERROR_CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT",
     "operation not permitted on an event last recorded in a capturing stream"},
    {CUDA_ERROR_UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

static const char *result_text(CUresult code, bool name) {
  for (size_t i = 0; i < sizeof results / sizeof *results; i++)
    if (results[i].code == code) return name ? results[i].name : results[i].text;
  return NULL;
}

CUresult cuGetErrorName(CUresult code, const char **name) {
  if (name == NULL) return CUDA_ERROR_INVALID_VALUE;
  *name = result_text(code, true);
  return *name != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **text) {
  if (text == NULL) return CUDA_ERROR_INVALID_VALUE;
  *text = result_text(code, false);
  return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count) {
  ENTER(INITIALIZED);
  if (count == NULL) return CUDA_ERROR_INVALID_VALUE;
  *count = devices();
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  ENTER(INITIALIZED);
  if (device == NULL) return CUDA_ERROR_INVALID_VALUE;
  if (ordinal < 0 || ordinal >= devices()) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

static bool is_device(CUdevice device) { return device >= 0 && device < devices(); }

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  ENTER(INITIALIZED);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (name == NULL || length < 1) return CUDA_ERROR_INVALID_VALUE;
  snprintf(name, (size_t)length, "Emulated GPU");
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  ENTER(INITIALIZED);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (bytes == NULL) return CUDA_ERROR_INVALID_VALUE;
  *bytes = memory_total();
  return CUDA_SUCCESS;
}

/* An H100's, by number; the capability is the environment's. */
static const struct {
  int attribute, value;
} attributes[] = {
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, MOST_THREADS},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 1024},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 64},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 2147483647},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 65535},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, SHARED_USUAL},
    {CU_DEVICE_ATTRIBUTE_WARP_SIZE, WARP},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 65536},
    {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1980000},
    {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
    {CU_DEVICE_ATTRIBUTE_INTEGRATED, 0},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, 0},
    {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
    {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 2619000},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 5120},
    {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 52428800},
    {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
    {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 233472},
    {CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 65536},
    {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, SHARED_OPTIN},
    {CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 32},
    {CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 1024},
};

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  ENTER(INITIALIZED);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (value == NULL) return CUDA_ERROR_INVALID_VALUE;
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) {
    *value = driver_capability() / 10;
    return CUDA_SUCCESS;
  }
  if (attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR) {
    *value = driver_capability() % 10;
    return CUDA_SUCCESS;
  }
  for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
    if (attributes[i].attribute == attribute) {
      *value = attributes[i].value;
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_INVALID_VALUE;
}

/* ---- the context ------------------------------------------------------------------------- */

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  ENTER(INITIALIZED);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (context == NULL) return CUDA_ERROR_INVALID_VALUE;
  primary.retained++;
  *context = &primary;
  return CUDA_SUCCESS;
}

static void report_leaks(void) {
  char text[256] = "";
  size_t n = 0;
  for (HandleKind k = 0; k < HANDLE_KINDS; k++)
    if (k != H_FUNCTION && handle_count(k) > 0 && n < sizeof text)
      n += (size_t)snprintf(text + n, sizeof text - n, ", %s: %d", kinds[k], handle_count(k));
  if (memory_blocks() > 0 && n < sizeof text)
    n += (size_t)snprintf(text + n, sizeof text - n, ", memory: %d blocks, %zu bytes",
                          memory_blocks(), memory_used());
  if (pinned_blocks() > 0 && n < sizeof text)
    n += (size_t)snprintf(text + n, sizeof text - n, ", host memory: %d blocks", pinned_blocks());
  if (n > 0) emu_report("leak", "alive when the context is released%s", text);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  ENTER(INITIALIZED);
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (primary.retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--primary.retained > 0) return CUDA_SUCCESS;
  CUresult r = drain_all();
  if (r == CUDA_SUCCESS) report_leaks(); /* after a failure nothing can be given back */
  if (banks_on) {
    banks_barrier();
    banks_write();
  }
  streams_close();
  memory_free_all();
  pinned_free_all();
  for (HandleKind k = 0; k < HANDLE_KINDS; k++) handles[k].n = 0;
  primary.broken = CUDA_SUCCESS;
  if (current == &primary) current = NULL;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context) {
  ENTER(INITIALIZED);
  if (context != NULL && (context != &primary || primary.retained == 0))
    return CUDA_ERROR_INVALID_CONTEXT;
  current = context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  ENTER(INITIALIZED);
  if (context == NULL) return CUDA_ERROR_INVALID_VALUE;
  *context = current;
  return CUDA_SUCCESS;
}
