/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_BANKS_H
#define TDC_CUDA_EMU_BANKS_H

#include <stdbool.h>
#include <stddef.h>

extern bool banks_on; /* TDC_EMU_BANKS=FILE */
void banks_touch(const void *pc, const char *kernel, int thread, size_t at, unsigned bytes);
void banks_barrier(void); /* and a block's end */
void banks_write(void);

#endif
