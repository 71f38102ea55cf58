/* SPDX-License-Identifier: MIT */
/* The CPU as a device: kernels that the C compiler made, their pieces shared out
 * among threads. */
#ifndef TDC_CPU_DEVICE_H
#define TDC_CPU_DEVICE_H

#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"
#include "runtime/device.h"

/* For one session of the program. All three are borrowed and must outlive it. NULL
 * with a message when the machine has not the memory that the program needs. */
Device *cpu_device(const TdProgram *p, Jit *jit, Pool *pool, TdError *err);

#endif
