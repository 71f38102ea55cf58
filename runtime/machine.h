/* SPDX-License-Identifier: MIT */
/* What runs a program: threads, the C compiler's kernels, and a session on a device
 * that is chosen by its name. */
#ifndef TDC_MACHINE_H
#define TDC_MACHINE_H

#include "compiler/unit.h"
#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"
#include "runtime/session.h"

typedef struct Machine {
  Pool *pool;
  Jit *jit; /* NULL: the device needs no C compiler */
  Session *session;
} Machine;

/* Device: "cpu" or "reference". threads: 0 = all; the options are for kernels. Nothing is
 * compiled yet. To be closed in either case, before the unit goes. */
bool machine_open(Machine *m, const char *device, const Unit *u, int threads, const JitOptions *o,
                  TdError *err);
void machine_close(Machine *m);

#endif
