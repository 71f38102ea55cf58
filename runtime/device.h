/* SPDX-License-Identifier: MIT */
/* The seam between sessions and what computes: a device keeps the memory of one
 * program and runs its entries. Nothing on this side of it follows a pointer into
 * that memory; nothing on the other side knows what a state or an output is for.
 *
 * A device may be behind: upload, zero, copy and run start work and return. What
 * was started happens in the order of the calls, and download and sync wait for it.
 * They are also where a failure of such work is told, by the first of them after it
 * and by every later one; so the calls that only start something return nothing. */
#ifndef TDC_DEVICE_H
#define TDC_DEVICE_H

#include "compiler/program/program.h"
#include "runtime/system/error.h"

typedef struct Device Device;

/* A block of a device's memory: a name for it that only the device can read. */
typedef struct DeviceMemory DeviceMemory;
typedef struct DevicePlace {
  DeviceMemory *memory;
  size_t offset; /* bytes */
} DevicePlace;

/* Numbers that lie one after another. */
typedef struct DeviceNumbers {
  DevicePlace at;
  TdType type;
  int64_t count;
} DeviceNumbers;

/* Where a session put what its program works on. It does not move. */
typedef struct DeviceLayout {
  DeviceMemory *const *states;       /* by state */
  const DevicePlace *const *buffers; /* by entry and buffer */
} DeviceLayout;

/* What sees an entry run. Of a device that goes from launch to launch, `launch` is
 * called before and after each (its step), with nothing under way, and may download.
 * `time` gets when each launch began and ended, in seconds since the run did, in that
 * order: together with `launch` it takes what the watching takes.
 * Of a device that evaluates the whole, `value` gets each real value that it
 * computed, in that order, after the run. Each may be NULL. A watched run is over
 * when it returns. */
typedef struct DeviceWatch {
  void *ctx;
  void (*launch)(void *ctx, int step, bool before);
  void (*time)(void *ctx, int step, double begin, double end);
  void (*value)(void *ctx, const char *name, const TdStep *place, const double *x, int64_t count);
} DeviceWatch;

typedef struct DeviceRun {
  int entry;
  uint64_t seed;
  int64_t step;
  TdOnce holds;             /* leave out the steps marked so, or with less (but TD_ANEW) */
  const DeviceWatch *watch; /* or NULL */
} DeviceRun;

/* A buffer of the entry's of which each of several runs has its own: run i's lies in slot i, i
 * times `stride` behind `at`. */
typedef struct DeviceSlots {
  int buffer;
  DevicePlace at;
  size_t bytes, stride;
} DeviceSlots;

/* Runs that are started together. As if before each its slot of every input were copied to the
 * buffer, and after it the beginning of each output's buffer to its slot. A series is no other
 * thing than its runs one by one but in this: what input and output buffers hold when it is over
 * is not said. */
typedef struct DeviceSeries {
  int entry;
  const DeviceSlots *inputs, *outputs; /* an entry's are the same in every series */
  int ninputs, noutputs;
  int first, n; /* slots first .. first + n - 1; at least one run */
  uint64_t seed;
  int64_t step;             /* of the first run; it counts up */
  TdOnce holds, then_holds; /* the first run; those after it */
} DeviceSeries;

typedef struct DeviceInterface {
  const char *name;
  bool behind; /* it works beside the host, who therefore reads seldom and much at a time */
  /* Zeroed. NULL with a message when there is none left. */
  DeviceMemory *(*alloc)(Device *d, size_t bytes, TdError *err);
  void (*free)(Device *d, DeviceMemory *m, size_t bytes); /* as many as were asked for */
  void (*upload)(Device *d, DevicePlace to, const void *from, size_t bytes); /* has read `from` */
  bool (*download)(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err);
  void (*zero)(Device *d, DeviceMemory *m, size_t bytes); /* the whole block */
  void (*copy)(Device *d, DevicePlace to, DevicePlace from, size_t bytes);
  /* Make entries ready to run: their kernels, their arguments. Costs nothing a second
   * time. The layout is the same in every call and stays until the device is closed. */
  bool (*prepare)(Device *d, const DeviceLayout *at, const int *entries, int n, TdError *err);
  void (*run)(Device *d, const DeviceRun *r); /* of an entry that is ready */
  void (*run_series)(Device *d, const DeviceSeries *s);
  /* How many of these n, from the first on, hold nothing but finite numbers; n: all do. They are
   * looked at where they lie. */
  bool (*finite)(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err);
  bool (*sync)(Device *d, TdError *err);
  void (*close)(Device *d); /* after its memory was freed */
} DeviceInterface;

/* The first member of every device. */
struct Device {
  const DeviceInterface *does;
};

/* A series by the device's own copy and run. */
void device_run_each(Device *d, const DeviceLayout *at, const DeviceSeries *s);

#endif
