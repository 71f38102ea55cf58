/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_SHADOW_H
#define TDC_CUDA_EMU_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

/* The running thread loads or stores so many bytes, a power of two, at a multiple of them. */
void shadow_touch(uintptr_t at, unsigned bytes, bool write, const void *pc);
/* Bytes of shared memory that a copy will write: until then they are as never written. */
void shadow_pending(uintptr_t at, unsigned bytes);

/* ", line 17": where this address of a module's code comes from; "" if nobody knows. The
 * text stays until the next call. */
const char *shadow_line(const void *pc);

#endif
