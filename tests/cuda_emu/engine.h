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
EMU_API unsigned emu_ballot(int here, unsigned long long site);
EMU_API unsigned emu_ticket(unsigned *counter, unsigned last);
EMU_API void emu_fence(void);
EMU_API void emu_ldmatrix(uint32_t *r, const void *row, int turned, unsigned long long site);
EMU_API void emu_mma_bf16(float *c, const uint32_t *a, const uint32_t *b, unsigned long long site);
EMU_API void emu_copy_async(void *to, const void *from);
EMU_API void emu_copy_commit(void);
EMU_API void emu_copy_wait(int left);

/* A warp's threads with what each brought. True for the last that comes, which does the work
 * and ends the meeting; for the others when that is done. */
typedef struct Meeting {
  void *a[WARP];
  const void *b[WARP], *c[WARP];
} Meeting;
bool engine_meet(Meeting *m, void *a, const void *b, const void *c, uint64_t site,
                 const char *what);
void engine_parted(void);

/* warp.c: a thread has returned; a launch was given up. */
void warp_thread_ends(int thread);
void warp_forget(void);

/* From a signal's handler while a launch runs: give it up. */
_Noreturn void engine_interrupt(CUresult code);
/* Is this address the block's shared memory or what surrounds it, or a thread's stack? */
bool engine_on_stack(uintptr_t at); /* the running thread's */
bool engine_explain(uintptr_t address, char *text, size_t bytes);

#endif
