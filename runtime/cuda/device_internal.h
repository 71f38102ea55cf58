/* SPDX-License-Identifier: MIT */
/* What device.c, run.c and failure.c share: a GPU with a program's entries. Grouped by defining
 * file. */
#ifndef TDC_CUDA_DEVICE_INTERNAL_H
#define TDC_CUDA_DEVICE_INTERNAL_H

#include "runtime/cuda/gpu.h"
#include "runtime/cuda/kernels.h"
#include "runtime/cuda/probe.h"
#include "runtime/cuda/product.h"
#include "runtime/cuda/stage.h"
#include "runtime/device.h"

/* Runs of a series that their control blocks have room for. */
enum { MOST_RUNS = 256 };

/* How an entry's launches are started that were started before: its runs alone, or those of a
 * series in these slots. */
typedef struct Replay {
  int first, n;             /* slots; n 0: a run alone */
  TdOnce holds, then_holds; /* as in DeviceSeries: the first run, those after it */
  bool plain;               /* never as a graph */
  CudaGraphExec graph;      /* NULL: not captured yet */
} Replay;

/* An entry's, and no more; what comes later is started launch by launch. */
enum { MOST_REPLAYS = 32 };

/* An entry with its arguments. */
typedef struct Bound {
  CudaAddress *args; /* of all launches, one after another */
  int *first_arg;    /* by step */
  int *plan;         /* by step: the product's; below 0: a kernel */
  int *match;        /* of steps_match; NULL: not bound yet */
  int64_t launches;  /* of a run */
  bool control;      /* a kernel uses seed and step */
  Replay replays[MOST_REPLAYS];
  int nreplays;
  CudaAddress *moved; /* by buffer, while a series is started: where this run has it; 0: as ever */
} Bound;

typedef struct Cuda {
  Device device;
  const TdProgram *program;
  Gpu gpu;
  Nvrtc nvrtc;
  CubinCompiler compiler;
  CudaKernels *kernels;
  Products *products; /* NULL: the program has none */
  Stage stage;
  Probe probe;
  DeviceLayout at;
  CudaAddress control; /* of TdControl [MOST_RUNS] */
  Bound *bound;        /* by entry */
  uint64_t *parameters;
  CudaAddress *args;   /* of a launch of a series */
  const char *running; /* the entry that was started last, or NULL */
  TdError failed;      /* the first call that failed; TD_OK: none */
} Cuda;

/* -- failure.c ----------------------------------------------------------------------------- */
/* Keeps the first failure. */
bool cuda_went_well(Cuda *c, CudaResult r, const char *doing);
bool cuda_tell(const Cuda *c, TdError *err);
/* May something be started? */
bool cuda_enter(Cuda *c);
/* Everything that was started is done; false when it failed. */
bool cuda_wait(Cuda *c);
/* What a wait for the work so far ended with. */
bool cuda_waited(Cuda *c, CudaResult r);
CudaAddress cuda_address(DevicePlace p);

/* -- run.c: entries ------------------------------------------------------------------------ */
bool cuda_prepare(Device *d, const DeviceLayout *at, const int *entries, int n, TdError *err);
void cuda_run(Device *d, const DeviceRun *r);
void cuda_run_series(Device *d, const DeviceSeries *s);
void cuda_unbind(const Cuda *c, Bound *b);

#endif
