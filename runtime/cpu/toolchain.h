/* SPDX-License-Identifier: MIT */
/* The C compiler that makes kernels: which one, with which flags, and what
 * tells it from every other for the cache. */
#ifndef TDC_TOOLCHAIN_H
#define TDC_TOOLCHAIN_H

#include <signal.h>

#include "runtime/system/error.h"

typedef struct Toolchain {
  char **words;
  int nwords; /* from $TDC_CC, $CC, or cc, gcc, clang: program and its own arguments */
  char **extra;
  int nextra;    /* from $TDC_CFLAGS */
  char *path;    /* where the program is */
  char *version; /* what --version prints first */
  char *cpu;     /* model and features of this machine's processor */
} Toolchain;

/* False with TD_NO_TOOL when there is none: the message names the package. */
bool toolchain_find(Toolchain *t, const volatile sig_atomic_t *stop, TdError *err);
void toolchain_free(Toolchain *t);
/* When no compiler is there at all: what was looked for, malloc'ed. NULL when
 * one is, which may yet turn out not to work. */
char *toolchain_missing(void);

/* Flags of every compilation, NULL at the end. */
const char *const *toolchain_flags(void);
/* What this machine's processor is, on one line, for people; malloc'ed. */
char *cpu_model(void);
bool cpu_tiles(void); /* has it tiles that multiply bf16, which kernels use? */

#endif
