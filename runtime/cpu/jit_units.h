/* SPDX-License-Identifier: MIT */
/* What is compiled at a time, and the keys that the cache has objects and libraries under. */
#ifndef TDC_JIT_UNITS_H
#define TDC_JIT_UNITS_H

#include "runtime/cpu/toolchain.h"
#include "runtime/units.h"

/* Units with their keys: of an object each, and of the library of all of them with what they
 * share. */
bool jit_units_make(KernelUnits *u, const TdProgram *p, const Toolchain *t, const int *group,
                    TdError *err);
/* The key of an object that has the function `name` of a prelude, and maybe others of it. */
bool jit_shared_key(const Toolchain *t, const char *prelude, const char *name, char key[DIGEST_HEX],
                    TdError *err);
/* The key of an object that has all functions that a prelude shares. */
bool jit_ready_key(const Toolchain *t, const char *prelude, char key[DIGEST_HEX], TdError *err);

/* The flags of a unit, behind the toolchain's and before the user's; NULL at the end. */
const char *const *jit_unit_flags(bool shared, bool brief);

#endif
