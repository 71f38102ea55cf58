/* SPDX-License-Identifier: MIT */
#ifndef AMX_EMU_FLAGS_H
#define AMX_EMU_FLAGS_H

#include <stddef.h>

#include "runtime/cpu/toolchain.h"

/* What the C compiler is told besides, in the project's folder, so that kernels have tiles: nothing
 * ("") where the processor has them, the emulated ones where it has all else that they need, else
 * NULL. */
static inline const char *amx_flags(void) {
  if (cpu_tiles()) return "";
#if defined __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16"))
    return "-mamx-tile -mamx-bf16 -include tests/amx_emu/amx.h";
#endif
  return NULL;
}
#endif
