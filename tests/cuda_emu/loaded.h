/* SPDX-License-Identifier: MIT */
/* For tests: the emulated libraries, opened as a program opens CUDA's, by dlopen, functions by
 * name; and few lines around them. */
#ifndef TDC_CUDA_EMU_LOADED_H
#define TDC_CUDA_EMU_LOADED_H

#include <stdbool.h>

#include "tests/cuda_emu/api.h"

typedef struct Loaded {
#define LOADED(library, f) __typeof__(f) *f;
#include "tests/cuda_emu/loaded.def"
#undef LOADED
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
