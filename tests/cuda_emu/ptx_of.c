/* SPDX-License-Identifier: MIT */
/* ptx_of ARCHITECTURE SOURCE NAME PTX: by the toolkit's own NVRTC, where it is installed. A
 * program of its own: that library asks whatever driver it finds in its process for more than
 * the emulated one has, and takes a hundred megabytes. Its log goes to stdout. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/api.h"

static void *library(void) {
  static const char *const places[] = {"/usr/local/cuda/lib64/libnvrtc.so.1[0-9]",
                                       "/usr/local/cuda-*/lib64/libnvrtc.so.1[0-9]"};
  const char *path = getenv("TDC_EMU_NVRTC");
  if (path != NULL) return dlopen(path, RTLD_NOW | RTLD_LOCAL);
  for (int i = 0; i < 2; i++) {
    glob_t found;
    void *h = NULL;
    if (glob(places[i], 0, NULL, &found) == 0) {
      h = dlopen(found.gl_pathv[found.gl_pathc - 1], RTLD_NOW | RTLD_LOCAL);
      globfree(&found);
    }
    if (h != NULL) return h;
  }
  return NULL;
}

typedef struct Real {
  __typeof__(nvrtcCreateProgram) *create;
  __typeof__(nvrtcCompileProgram) *compile;
  __typeof__(nvrtcGetProgramLogSize) *log_size;
  __typeof__(nvrtcGetProgramLog) *log;
  __typeof__(nvrtcGetPTXSize) *ptx_size;
  __typeof__(nvrtcGetPTX) *ptx;
  __typeof__(nvrtcDestroyProgram) *destroy;
} Real;

static bool load(Real *r) {
  void *h = library();
  if (h == NULL) return false;
  *(void **)&r->create = dlsym(h, "nvrtcCreateProgram");
  *(void **)&r->compile = dlsym(h, "nvrtcCompileProgram");
  *(void **)&r->log_size = dlsym(h, "nvrtcGetProgramLogSize");
  *(void **)&r->log = dlsym(h, "nvrtcGetProgramLog");
  *(void **)&r->ptx_size = dlsym(h, "nvrtcGetPTXSize");
  *(void **)&r->ptx = dlsym(h, "nvrtcGetPTX");
  *(void **)&r->destroy = dlsym(h, "nvrtcDestroyProgram");
  return r->create && r->compile && r->log_size && r->log && r->ptx_size && r->ptx && r->destroy;
}

static char *read_file(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = NULL;
  size_t n = 0;
  if (f == NULL || getdelim(&text, &n, '\0', f) < 0) return NULL;
  fclose(f);
  return text;
}

static void print_log(const Real *r, nvrtcProgram p) {
  size_t bytes = 0;
  if (r->log_size(p, &bytes) != NVRTC_SUCCESS) return;
  char *log = calloc(bytes + 1, 1);
  if (log != NULL && r->log(p, log) == NVRTC_SUCCESS) fputs(log, stdout);
}

int main(int argc, char **argv) {
  Real r;
  nvrtcProgram p;
  size_t bytes = 0;
  char option[64], *source = argc == 5 ? read_file(argv[2]) : NULL, *ptx;
  if (source == NULL) return 2;
  if (!load(&r)) {
    puts("TDC_EMU_PTX: no NVRTC of a toolkit is installed (TDC_EMU_NVRTC says where)");
    return 3;
  }
  snprintf(option, sizeof option, "--gpu-architecture=%s", argv[1]);
  const char *const options[] = {option, "--std=c++17", "--generate-line-info"};
  if (r.create(&p, source, argv[3], 0, NULL, NULL) != NVRTC_SUCCESS) return 1;
  if (r.compile(p, 3, options) != NVRTC_SUCCESS || r.ptx_size(p, &bytes) != NVRTC_SUCCESS ||
      (ptx = calloc(bytes + 1, 1)) == NULL || r.ptx(p, ptx) != NVRTC_SUCCESS) {
    print_log(&r, p);
    return 1;
  }
  FILE *f = fopen(argv[4], "w");
  return f != NULL && fputs(ptx, f) >= 0 && fclose(f) == 0 ? 0 : 1;
}
