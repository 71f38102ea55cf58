/* SPDX-License-Identifier: MIT */
/* What is compiled at a time, and the keys that the cache has objects and libraries under. */
#ifndef TDC_JIT_UNITS_H
#define TDC_JIT_UNITS_H

#include "runtime/cpu/toolchain.h"
#include "runtime/units.h"

/* Units with their keys: of an object each, and of the library of all of them. */
bool jit_units_make(KernelUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err);

/* The flags of a part, NULL at the end. */
const char *const *jit_part_flags(void);

#endif
