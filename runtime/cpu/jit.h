/* SPDX-License-Identifier: MIT */
/* From a program's kernels to functions that can be called: kernels are grouped
 * into translation units, compiled side by side by the C compiler, linked and
 * loaded. Objects and libraries are cached by everything they depend on, so
 * that a changed kernel recompiles its own unit and nothing else.
 *
 * Kernels are made for the entries that are about to run, and no others: a
 * training run takes its first step before the C compiler has seen the kernels
 * of its evaluation. Each call that makes something makes one library. */
#ifndef TDC_JIT_H
#define TDC_JIT_H

#include <signal.h>

#include "runtime/system/io.h"
#include "compiler/program/program.h"

typedef void KernelFunction(const TdCall *call, int64_t begin, int64_t end);

typedef struct JitOptions {
  const IoHook *hook;
  const char *cache; /* folder, or NULL for the usual one */
  bool no_cache;
  int parallel;   /* compilers at a time; 0 = as many as CPUs */
  double timeout; /* seconds for one compiler; 0 = 600 */
  const volatile sig_atomic_t *stop;
  /* called before compilers start, with how many units they have to make; or NULL */
  void (*note)(void *ctx, int units);
  void *note_ctx;
} JitOptions;

typedef struct JitStats { /* of all calls so far */
  int units, compiled;    /* translation units; how many the cache did not have */
  bool loaded_whole;      /* the libraries themselves came from the cache */
  double seconds;
} JitStats;

typedef struct Jit Jit;
/* Nothing is compiled yet. The program and what the options point to must outlive the Jit. */
Jit *jit_open(const TdProgram *p, const JitOptions *o, TdError *err);
/* Make the kernels of these entries, unless they were made before. After a
 * failure everything that was made is there still, and it can be tried again. */
bool jit_need(Jit *j, const int *entries, int n, TdError *err);
bool jit_has(const Jit *j, int entry);
/* Open, and make everything at once. */
Jit *jit_build(const TdProgram *p, const JitOptions *o, TdError *err);
KernelFunction *jit_kernel(const Jit *j, int kernel); /* of an entry that was made */
const JitStats *jit_stats(const Jit *j);
const char *jit_compiler(const Jit *j); /* path and first line of its version */
void jit_close(Jit *j);

#endif
