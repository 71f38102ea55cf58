/* SPDX-License-Identifier: MIT */
/* Kernels to translation units: what is compiled at a time, and the keys that
 * the cache has objects and libraries under. */
#ifndef TDC_JIT_UNITS_H
#define TDC_JIT_UNITS_H

#include "runtime/system/cache.h"
#include "compiler/program/program.h"
#include "runtime/cpu/toolchain.h"

/* One translation unit: kernels, or a part of the prelude. */
typedef struct JitUnit {
  bool part;
  int first; /* its first kernel, to name it by */
  char *text;
  size_t n;
  char key[DIGEST_HEX];
  bool cached; /* its object is already in the work folder */
} JitUnit;

typedef struct JitUnits {
  JitUnit *at;
  int n;
  char key[DIGEST_HEX]; /* of the library of all of them */
} JitUnits;

/* Units of the kernels that have a group (group[k] >= 0), in the program's order
 * and never of two groups, so that what an entry launches makes the same units
 * whichever entries are made with it. */
bool jit_units_make(JitUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err);
void jit_units_free(JitUnits *u);

/* The flags of a part, NULL at the end. */
const char *const *jit_part_flags(void);

#endif
