/* SPDX-License-Identifier: MIT */
/* Modules: the "cubin" is a shared object that nvrtc.c made; it is loaded from a file that
 * has no name. Functions and launches. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/scan.h"

/* The size of a shared object whose section headers stand last; 0: it is none. */
static size_t image_bytes(const unsigned char *image) {
  if (memcmp(image, ELFMAG, SELFMAG) != 0 || image[EI_CLASS] != ELFCLASS64) return 0;
  Elf64_Ehdr head;
  memcpy(&head, image, sizeof head);
  if (head.e_type != ET_DYN || head.e_shentsize != sizeof(Elf64_Shdr)) return 0;
  return (size_t)head.e_shoff + (size_t)head.e_shnum * sizeof(Elf64_Shdr);
}

static void *load(const void *image, size_t bytes) {
  int fd = memfd_create("cuda_emu", MFD_CLOEXEC);
  if (fd < 0) return NULL;
  void *library = NULL;
  /* the loader takes a name that it knows for what it has loaded by it: each has its own, of
   * dots that mean nothing */
  static unsigned loaded;
  char path[128] = "/proc/self/fd";
  size_t n = strlen(path);
  unsigned number = loaded++;
  for (int bit = 0; bit < 20; bit++)
    n += (size_t)snprintf(path + n, sizeof path - n, "%s", number >> bit & 1 ? "/./" : "/");
  snprintf(path + n, sizeof path - n, "%d", fd);
  if (write(fd, image, bytes) == (ssize_t)bytes) library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *why = dlerror();
    fprintf(stderr, "cuda_emu: cuModuleLoadData: %s\n", why != NULL ? why : "cannot write");
  }
  close(fd);
  return library;
}

/* Made by this emulator, with or without checks as it runs, for this device? */
static bool fits(const EmuUnit *u) {
  if (u->abi != head_number() || (u->checked != 0) != shadow_on) return false;
  int device = driver_capability();
  if (u->specific) return u->capability == device;
  return u->capability / 10 == device / 10 && u->capability <= device;
}

CUresult cuModuleLoadData(CUmodule *m, const void *image) {
  ENTER(CONTEXT);
  if (m == NULL || image == NULL) return CUDA_ERROR_INVALID_VALUE;
  CUresult r = no_capture();
  if (r != CUDA_SUCCESS) return r;
  size_t bytes = image_bytes(image);
  void *library = bytes > 0 ? load(image, bytes) : NULL;
  if (library == NULL) return CUDA_ERROR_INVALID_IMAGE;
  const EmuUnit *unit = dlsym(library, "emu_unit");
  if (unit == NULL || !fits(unit)) {
    dlclose(library);
    return unit == NULL ? CUDA_ERROR_INVALID_IMAGE : CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  CUmodule made = calloc(1, sizeof *made);
  CUfunction functions = calloc((size_t)unit->nkernels + 1, sizeof *functions);
  if (made == NULL || functions == NULL || !handle_add(H_MODULE, made))
    return CUDA_ERROR_OUT_OF_MEMORY;
  *made = (struct EmuModule){library, unit, functions, malloc(bytes), bytes};
  if (made->image != NULL) memcpy(made->image, image, bytes);
  for (int i = 0; i < unit->nkernels; i++) {
    functions[i] = (struct EmuFunction){&unit->kernels[i], unit, made, SHARED_USUAL};
    if (!handle_add(H_FUNCTION, &functions[i])) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *m = made;
  return CUDA_SUCCESS;
}

CUresult cuModuleUnload(CUmodule m) {
  ENTER(CONTEXT);
  if (!handle_alive(H_MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  CUresult r = no_capture();
  if (r == CUDA_SUCCESS) r = drain_all();
  if (r != CUDA_SUCCESS) return r;
  for (int i = 0; i < m->unit->nkernels; i++) handle_remove(H_FUNCTION, &m->functions[i]);
  handle_remove(H_MODULE, m);
  dlclose(m->library);
  free(m->functions);
  free(m->image);
  free(m);
  return CUDA_SUCCESS;
}

const void *module_image(const void *base, size_t *bytes) {
  Dl_info info;
  for (int i = 0; i < handle_count(H_MODULE); i++) {
    CUmodule m = handle_at(H_MODULE, i);
    if (dladdr(m->unit, &info) == 0 || info.dli_fbase != base) continue;
    *bytes = m->image_bytes;
    return m->image;
  }
  return NULL;
}

CUresult cuModuleGetFunction(CUfunction *f, CUmodule m, const char *name) {
  ENTER(CONTEXT);
  if (f == NULL || name == NULL) return CUDA_ERROR_INVALID_VALUE;
  if (!handle_alive(H_MODULE, m)) return CUDA_ERROR_INVALID_HANDLE;
  for (int i = 0; i < m->unit->nkernels; i++)
    if (strcmp(m->unit->kernels[i].name, name) == 0) {
      *f = &m->functions[i];
      return CUDA_SUCCESS;
    }
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction f) {
  ENTER(CONTEXT);
  if (value == NULL) return CUDA_ERROR_INVALID_VALUE;
  if (!handle_alive(H_FUNCTION, f)) return CUDA_ERROR_INVALID_HANDLE;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = f->kernel->threads; return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_PTX_VERSION:
  case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = f->unit->capability; return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
    *value = f->most_shared;
    return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
  case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
  case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
  case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; return CUDA_SUCCESS;
  default: return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult cuFuncSetAttribute(CUfunction f, int attribute, int value) {
  ENTER(CONTEXT);
  if (!handle_alive(H_FUNCTION, f)) return CUDA_ERROR_INVALID_HANDLE;
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
    return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 ||
      value > SHARED_OPTIN)
    return CUDA_ERROR_INVALID_VALUE;
  f->most_shared = value;
  return CUDA_SUCCESS;
}

/* ---- launches -------------------------------------------------------------------------- */

/* The buffer of CU_LAUNCH_PARAM_BUFFER_POINTER and its size; false: `extra` is something else. */
static bool packed(void **extra, const void **buffer, size_t *bytes) {
  *buffer = NULL;
  *bytes = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
      *buffer = extra[1];
    else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
      *bytes = *(size_t *)extra[1];
    else
      return false;
  }
  return *buffer != NULL;
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                        unsigned by, unsigned bz, unsigned shared, CUstream s, void **parameters,
                        void **extra) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL || !handle_alive(H_FUNCTION, f)) return CUDA_ERROR_INVALID_HANDLE;
  const EmuKernel *k = f->kernel;
  if (gx < 1 || gy < 1 || gz < 1 || gx > 2147483647u || gy > 65535 || gz > 65535)
    return CUDA_ERROR_INVALID_VALUE;
  if (bx < 1 || by < 1 || bz < 1 || bx > 1024 || by > 1024 || bz > 64 ||
      (uint64_t)bx * by * bz > (uint64_t)k->threads || (uint64_t)bx * by * bz > MOST_THREADS)
    return CUDA_ERROR_INVALID_VALUE;
  if (shared > (unsigned)f->most_shared) return CUDA_ERROR_INVALID_VALUE;
  if (by != 1 || bz != 1) return CUDA_ERROR_NOT_SUPPORTED; /* head.h knows one dimension */
  if (parameters != NULL && extra != NULL) return CUDA_ERROR_INVALID_VALUE;
  unsigned long long values[MOST_ARGUMENTS];
  const void *buffer = values;
  size_t bytes = (size_t)k->arguments * 8;
  if (parameters != NULL)
    for (int i = 0; i < k->arguments; i++) memcpy(&values[i], parameters[i], 8);
  else if (extra != NULL ? !packed(extra, &buffer, &bytes) : k->arguments > 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes != (size_t)k->arguments * 8) {
    emu_report("arguments", "kernel %s takes %d of eight bytes, and is given %zu bytes", k->name,
               k->arguments, bytes);
    return CUDA_ERROR_INVALID_VALUE;
  }
  return stream_put(s, &(Op){.kind = OP_KERNEL,
                             .function = f,
                             .blocks = (long long)gx * gy * gz,
                             .grid_x = gx,
                             .threads = (int)bx,
                             .shared = shared,
                             .owned = (void *)buffer,
                             .owned_bytes = bytes});
}
