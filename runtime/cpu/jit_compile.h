/* SPDX-License-Identifier: MIT */
/* From units to a library's bytes: the C compiler, the cache of objects, and what units share. */
#ifndef TDC_JIT_COMPILE_H
#define TDC_JIT_COMPILE_H

#include "runtime/cpu/jit.h"
#include "runtime/cpu/jit_units.h"
#include "runtime/system/cache.h"

/* A library on its way. */
typedef struct Build {
  const TdProgram *program;
  const JitOptions *options;
  const Toolchain *tools;
  JitStats *stats;
  const int *group; /* by kernel; below 0: not in it */
  KernelUnits units;
  Cache *cache;
  char *work;    /* folder of this build */
  bool noted;    /* that compilers start */
  int nexisting; /* objects with shared functions that were there */
  bool ready;    /* all that units share was compiled with the project (ready.h) */
} Build;

/* Objects of all units in the work folder, and of the functions that they share. */
bool jit_compile(Build *b, TdError *err);
/* The library of these, malloc'ed. */
uint8_t *jit_link(Build *b, size_t *n, TdError *err);

#endif
