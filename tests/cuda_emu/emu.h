/* SPDX-License-Identifier: MIT */
/* What the files of the emulator know of each other. README.md says what it is for.
 *
 *   report.c  fault.c   what was found; what is asked for by the environment
 *   fiber.c   engine.c  warp.c  threads of a block, and what they do together
 *   shadow.c  line.c  banks.c  every load and store (TDC_EMU_CHECK=1)
 *   memory.c  signals.c the device's memory, and faults
 *   queue.c   graph.c   work: queued, captured, carried out late
 *   driver.c  module.c  transfer.c  the driver's other calls
 *   nvrtc.c   scan.c    the compiler; ptx.c  ptx_code.c  ptx_of.c  by way of PTX
 *   lt.c      product.c the library of products */
#ifndef TDC_CUDA_EMU_EMU_H
#define TDC_CUDA_EMU_EMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/cuda_emu/api.h"

/* ---- report.c -------------------------------------------------------------------- */

/* A kind ("race", "out of bounds", ...), where (the kernel and thread that run, if any), and
 * what: to stderr, to the file TDC_EMU_REPORT. Kinds that TDC_EMU_ALLOW lists, by commas, are
 * not reported: false. */
EMU_API bool emu_report(const char *kind, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- fault.c, part of each library ------------------------------------------------- */

/* The code that this call is to fail with (TDC_EMU_FAULT="CALL:N[:CODE],...", N counted from
 * 1, or *), else 0; `usual`: where the environment names no code. */
int fault_wanted(const char *call, int usual);
/* An environment variable as a number, or what holds without it. */
long long setting(const char *name, long long usual);

/* ---- what a module exports: written by scan.c, in head.h's types ------------------- */

enum { EMU_ABI = 1, MOST_ARGUMENTS = 128 };
typedef struct EmuKernel {
  const char *name;
  void *function;
  void (*call)(void *function, const unsigned long long *arguments);
  int threads, resident; /* launch bounds */
  int arguments;         /* eight bytes each */
  const char *pointers;  /* of each: '*' an address, '.' a number */
} EmuKernel;
typedef struct EmuUnit {
  int abi;
  int capability; /* 90 */
  int specific;   /* sm_90a: for this architecture alone */
  int checked;    /* its loads and stores call the shadow */
  int nkernels;
  const EmuKernel *kernels;
} EmuUnit;

/* ---- engine.c: blocks and threads --------------------------------------------------- */

enum { WARP = 32, MOST_THREADS = 1024, SHARED_OPTIN = 232448, SHARED_USUAL = 49152 };

typedef struct Launch {
  const EmuKernel *kernel;
  bool checked;
  long long blocks; /* of the whole grid */
  long long grid_x;
  int threads;
  size_t shared;
  const unsigned long long *arguments;
} Launch;

/* All of it. 0, or the code of the failure, which was reported. */
CUresult engine_run(const Launch *l);
/* "kernel rows, block 3, thread 17"; "" when none runs */
const char *engine_where(char *text, size_t bytes);
/* From a kernel's thread: give the launch up. Does not return. */
_Noreturn void engine_fail(CUresult code);
bool engine_runs(void);
bool engine_checked(void); /* what runs calls the shadow for each load and store */
const char *engine_kernel(void);
int engine_thread(void);
int engine_threads(void);
extern char *engine_shared; /* the block's, exactly as many bytes as it asked for */
extern size_t engine_shared_size;

/* The functions that head.h declares to kernels are defined in engine.c and shadow.c. */

/* ---- shadow.c ---------------------------------------------------------------------- */

extern bool shadow_on; /* TDC_EMU_CHECK=1 */
void shadow_start(void *base, size_t bytes);
/* memory.c and queue.c tell what lives and what was written. */
void shadow_alive(uintptr_t at, size_t bytes, bool alive);
void shadow_written(uintptr_t at, size_t bytes);
void shadow_copied(uintptr_t to, uintptr_t from, size_t bytes);
bool shadow_is_written(uintptr_t at, size_t bytes);
/* engine.c tells what runs. */
void shadow_launch(const Launch *l);
void shadow_block(long long block);
void shadow_barrier(void);
void shadow_warp_barrier(int warp);
void shadow_ticket(unsigned *counter);

/* What nobody has written: as f32, bf16 and f16 a signalling NaN, as an index far outside. */
#define POISON 0x7fa17fa1u

/* ---- memory.c ---------------------------------------------------------------------- */

bool memory_start(void);
CUresult memory_alloc(CUdeviceptr *at, size_t bytes);
CUresult memory_free(CUdeviceptr at);
size_t memory_used(void);
size_t memory_total(void);
/* The device's memory is there while it is open: nested. Closing looks at what surrounds
 * each block: false if it was written, which was reported. */
void memory_open(void);
bool memory_close(void);
bool memory_intact(const char *kernel); /* after it, or NULL */
/* Are these bytes of one live block? Otherwise `why` says what they are. */
bool memory_holds(CUdeviceptr at, size_t bytes, char *why, size_t why_bytes);
void memory_place(uintptr_t at, char *text, size_t room); /* of a live byte: in words */
bool memory_is_device(uintptr_t at);                      /* in the range, alive or not */
int memory_blocks(void);
void memory_free_all(void);

void *pinned_alloc(size_t bytes);
bool pinned_free(void *at);
bool pinned_holds(const void *at, size_t bytes);
int pinned_blocks(void);
void pinned_free_all(void);

/* ---- driver.c ---------------------------------------------------------------------- */

typedef enum Need { NOTHING, INITIALIZED, CONTEXT } Need;
/* Every call begins with it: takes the lock, counts, fails on demand, lets queued work go
 * on. 0, or what the call answers; the lock is only held after 0. */
CUresult driver_enter(const char *call, Need need);
void driver_leave(int *held);
#define ENTER(need)                                 \
  CUresult entered_ = driver_enter(__func__, need); \
  if (entered_ != CUDA_SUCCESS) return entered_;    \
  __attribute__((cleanup(driver_leave), unused)) int held_ = 1
/* The device failed: every later call of this context tells so. */
void driver_break(CUresult code);
CUresult driver_broken(void);
int driver_capability(void);
/* Numbers from 0 on, below n, by TDC_EMU_SEED. */
uint64_t random_below(uint64_t n);

/* Handles: what is alive of each kind. */
typedef enum HandleKind {
  H_STREAM,
  H_EVENT,
  H_MODULE,
  H_FUNCTION,
  H_GRAPH,
  H_EXEC,
  HANDLE_KINDS
} HandleKind;
bool handle_add(HandleKind kind, void *handle);
bool handle_alive(HandleKind kind, const void *handle); /* reports another */
void handle_remove(HandleKind kind, void *handle);
int handle_count(HandleKind kind);
void *handle_at(HandleKind kind, int i);

/* ---- module.c ------------------------------------------------------------------------ */

struct EmuModule {
  void *library;
  const EmuUnit *unit;
  struct EmuFunction *functions;
  void *image; /* what it was loaded from */
  size_t image_bytes;
};
const void *module_image(const void *base, size_t *bytes); /* that is loaded there, or NULL */
struct EmuFunction {
  const EmuKernel *kernel;
  const EmuUnit *unit;
  CUmodule module;
  int most_shared;
};

/* ---- queue.c: work ------------------------------------------------------------------- */

typedef enum OpKind {
  OP_KERNEL,
  OP_UP,
  OP_DOWN,
  OP_COPY,
  OP_SET,
  OP_CALL,
  OP_RECORD,
  OP_WAIT
} OpKind;
typedef struct Op {
  OpKind kind;
  const struct EmuFunction *function; /* OP_KERNEL */
  long long blocks, grid_x;
  int threads;
  size_t shared;
  void *owned; /* OP_KERNEL: arguments; OP_CALL: what `call` is given; malloc'ed */
  size_t owned_bytes;
  CUresult (*call)(void *);
  uintptr_t to, from; /* OP_UP, OP_DOWN, OP_COPY, OP_SET */
  size_t bytes;
  unsigned value, width; /* OP_SET: of so many bytes each */
  CUevent event;
  uint64_t number; /* OP_RECORD, OP_WAIT: which of its records */
} Op;
typedef struct OpList {
  Op *ops;
  int n, room;
} OpList;
bool op_copy(Op *to, const Op *from);
void op_free(Op *op);
bool ops_add(OpList *l, const Op *op); /* a copy */
void ops_free(OpList *l);

struct EmuStream {
  unsigned flags;
  OpList queue;
  int done;                 /* of the queue's */
  struct EmuGraph *capture; /* what is being captured, or NULL */
  bool invalid;             /* ... something forbidden was called */
};
struct EmuEvent {
  unsigned flags;
  uint64_t recorded, done; /* how many records were asked for, carried out */
  CUstream stream;         /* of the last record */
  bool captured;
  double when;
};
struct EmuGraph {
  OpList ops;
};
struct EmuGraphExec {
  OpList ops;
};

CUstream stream_find(CUstream s); /* NULL: the default stream; and NULL if it is none */
CUresult stream_put(CUstream s, const Op *op); /* into the queue, or the graph being captured */
CUresult stream_drain(CUstream s, int most);   /* carry out so many; <0: all */
CUresult drain_all(void);
void drain_some(void); /* what a device may have done meanwhile */
bool any_capture(void);
/* A call that no capture bears: the captures become invalid, and it fails. */
CUresult no_capture(void);
void streams_close(void);

/* For libcublasLt: queues a call with a copy of `data`. */
EMU_API CUresult emu_enqueue(CUstream s, CUresult (*call)(void *), const void *data, size_t bytes);
EMU_API bool emu_capturing(void);
EMU_API void emu_took(double seconds); /* the device's clock goes on by so much */
EMU_API bool emu_holds(uintptr_t at, size_t bytes, char *why, size_t why_bytes);
EMU_API bool emu_is_written(uintptr_t at, size_t bytes);
EMU_API void emu_written(uintptr_t at, size_t bytes);

#endif
