/* SPDX-License-Identifier: MIT */
/* Kernels compiled without the runtime: a plain call of the C compiler and dlopen.
 * A run of the compiler takes the kernels of many programs, because each run pays for
 * the prelude and its large functions anew. */
#ifndef TDC_TESTS_LIBRARY_H
#define TDC_TESTS_LIBRARY_H

#include "compiler/program/program.h"

typedef void Kernel(const TdCall *call, int64_t begin, int64_t end);
typedef struct Library Library;

/* One unit of the kernels of n programs with the same prelude; kernels of the same code
 * are one function. `flags` is a NULL-terminated list for cc, or NULL for -Og. The
 * programs must outlive the library. NULL after an error on stderr; with TDC_KEEP=1 the
 * source stays. */
Library *library_new(const TdProgram *const *programs, int n, const char *const *flags);
void library_free(Library *l);

const TdProgram *library_program(const Library *l, int program);
Kernel *library_kernel(const Library *l, int program, int kernel);

#endif
