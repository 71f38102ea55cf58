/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_SHADOW_H
#define TDC_CUDA_EMU_SHADOW_H

/* ", line 17": where this address of a module's code comes from; "" if nobody knows. The
 * text stays until the next call. */
const char *shadow_line(const void *pc);

#endif
