/* SPDX-License-Identifier: MIT */
/* What engine.c gives to kernels (head.h declares the same), and to who catches faults. */
#ifndef TDC_CUDA_EMU_ENGINE_H
#define TDC_CUDA_EMU_ENGINE_H

#include "tests/cuda_emu/emu.h"

EMU_API int emu_thread(void) __attribute__((const, nothrow));
EMU_API int emu_threads(void) __attribute__((const, nothrow));
EMU_API long long emu_block(void) __attribute__((const, nothrow));
EMU_API long long emu_blocks(void) __attribute__((const, nothrow));
EMU_API unsigned char *emu_shared(void) __attribute__((const, nothrow));
EMU_API void emu_barrier(unsigned long long site);
EMU_API void emu_warp_barrier(unsigned long long site);
EMU_API unsigned long long emu_shuffle(unsigned long long value, int lane, int exchange,
                                       unsigned long long site);
EMU_API unsigned emu_ticket(unsigned *counter, unsigned last);
EMU_API void emu_fence(void);

/* From a signal's handler while a launch runs: give it up. */
_Noreturn void engine_interrupt(CUresult code);
/* Is this address the block's shared memory or what surrounds it, or a thread's stack? */
bool engine_on_stack(uintptr_t at); /* the running thread's */
bool engine_explain(uintptr_t address, char *text, size_t bytes);

#endif
