/* SPDX-License-Identifier: MIT */
/* What runs a program: threads, the compiler of its kernels, and a session on a device
 * that is chosen by its name. */
#ifndef TDC_MACHINE_H
#define TDC_MACHINE_H

#include "compiler/unit.h"
#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"
#include "runtime/cuda/device.h"
#include "runtime/session.h"
#include "runtime/store/record.h"

typedef struct Machine {
  const char *device; /* its name in the table */
  Pool *pool;
  Jit *jit;      /* NULL: the device needs no C compiler */
  CudaInfo cuda; /* of the device "cuda" */
  Session *session;
} Machine;

bool machine_has(const char *device);
/* All there are: "cpu, cuda or reference". */
void machine_devices(StrBuf *out);
/* What programs for the device are compiled for: UnitOptions.target. NULL with TD_BAD_USAGE
 * when there is no such device. */
const char *machine_target(const char *device, TdError *err);

/* Is the device's memory the host's? */
bool machine_on_host(const char *device);

/* threads: 0 = all; the options are for kernels. The unit was compiled for the device's
 * target. Nothing of its kernels is compiled yet. To be closed in either case, before the unit
 * goes. */
bool machine_open(Machine *m, const char *device, const Unit *u, int threads, const JitOptions *o,
                  TdError *err);
/* How the kernels came about; NULL: the device has none. */
const JitStats *machine_stats(const Machine *m);
/* For a run's record. It points into the machine. */
RecordMachine machine_record(const Machine *m);
void machine_close(Machine *m);

#endif
