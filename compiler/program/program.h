/* SPDX-License-Identifier: MIT */
/* The contract between compiler and runtime: a program is kernels as source,
 * buffers with their place, and for each entry a list of launches. The runtime
 * never sees the graph; the compiler never sees a device. */
#ifndef TDC_PROGRAM_H
#define TDC_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { TD_F32, TD_F64, TD_BF16, TD_F16, TD_I32, TD_U8 } TdType;
/* How two factors in f32 are multiplied: as floats, rounded to bf16, or as the sum of three or six
 * products of bf16 parts. f32, what is meant where nothing is said: as floats, or in six where the
 * target knows that this is as exact and pays (TargetSplit). */
enum { TD_SPLIT_FMA = 0, TD_SPLIT_F32 = 1, TD_SPLIT_BF16 = 2, TD_SPLIT3 = 3, TD_SPLIT6 = 6 };
/* By name, "fma", "f32", "bf16", "split3", "split6"; -1: none of these. And its name. */
int td_split(const char *name);
const char *td_split_name(int split);
/* Of bf16, in one that is made so at all: 6, 3 of parts, 1 of rounded factors; 0: none. */
int td_split_products(int split);
/* May activations be bf16 beside it? f32 says nothing, bf16 the same. */
bool td_split_agrees_with_bf16(int split);
#define TD_SPLIT_NAMES "f32, fma, split6, split3 or bf16"
size_t td_type_size(TdType t);
/* The bits of a number that are all set where it is infinite or NaN; 0: integers. */
uint64_t td_type_exponent(TdType t);

enum { TD_MAX_RANK = 8, TD_MAX_LOOPS = 8 };

/* What outlives a run of an entry: parameters (flat), moments, averages, the
 * sampler's state. Shared by all entries of a program, by index. */
typedef struct TdState {
  const char *name; /* "params.matrix", "adam.m.matrix", "ema.matrix", "ddpm.x" */
  TdType type;
  int rank;
  int64_t shape[TD_MAX_RANK];
  int64_t count;
} TdState;

/* A named piece of a flat state: how checkpoints spell it. */
typedef struct TdTensor {
  const char *name; /* "denoise.layer.wq" */
  int state;
  int64_t offset; /* elements */
  int rank;
  int64_t shape[TD_MAX_RANK];
} TdTensor;

/* TD_KEPT: an entry's own, there still in its next run. */
typedef enum { TD_TEMP, TD_STATE, TD_INPUT, TD_CONST, TD_KEPT } TdBufferKind;

typedef struct TdBuffer {
  TdBufferKind kind;
  const char *name;
  TdType type;
  int rank;
  int64_t shape[TD_MAX_RANK];
  int64_t count; /* elements, with the gaps between rows */
  int64_t pitch; /* elements from row to row of the last axis: its extent, or more where only
                    kernels see it: TD_TEMP, TD_KEPT */
  size_t bytes;
  size_t offset;    /* TD_TEMP: into the entry's arena; TD_STATE: bytes into the state */
  int state;        /* TD_STATE: index of the TdState */
  const void *data; /* TD_CONST: in storage type */
  int64_t lo, hi;   /* TD_INPUT of integers: what the compiler proved with; the runtime checks it */
} TdBuffer;

/* A kernel of the CPU is a C function:   void NAME(const TdCall *call, int64_t begin, int64_t end)
 * runs pieces begin .. end-1; pieces are independent, their number does not depend on the
 * thread count. One of a GPU is a __global__ function whose parameters are eight bytes each:
 * the addresses of the launch's buffers, in order; the loop counters that it uses, by slot; the
 * address of the TdControl, in the device's memory, if it uses that. */
typedef struct TdControl {
  uint64_t seed;
  int64_t step;
} TdControl;
typedef struct TdCall {
  char *const *arg;  /* the launch's buffers, in order */
  const int64_t *ix; /* loop counters by slot */
  char *scratch;     /* this thread's own, kernel.scratch bytes, 64-byte aligned */
  const TdControl *ctl;
  uint64_t launch; /* counts up; scratch keeps what this launch left; 0: nothing */
} TdCall;

/* What a kernel is made of: source that the target's compiler compiles; a product
 * that a library computes; source that lays an operand out for products, packed
 * or converted, so that many launches read it so. */
typedef enum { TD_SOURCE, TD_PRODUCT, TD_PACK } TdKernelKind;

/* A matrix of a library's product, by element: the launch's argument `arg`, `offset` and
 * `by_slot` times the loops' counters from its beginning; strides by batch, row, column. */
typedef struct TdOperand {
  int arg;
  TdType type;
  int64_t offset, by_slot[TD_MAX_LOOPS];
  int64_t batch, row, column;
} TdOperand;

/* Working memory that a device allocates for the library, once, if a program has products. */
enum { TD_PRODUCT_MEMORY = 32 << 20 };

/* c[b, m, n] = alpha * sum over k of a[b, m, k] * b[b, n, k]: rows of a, b, c are m, n, m. */
typedef struct TdProduct {
  double alpha;
  int64_t m, n, k, batch;
  TdOperand a, b, c;
} TdProduct;

/* How a kernel is started: a record for each kind of target; the other is 0. */
typedef struct TdLaunch {
  struct {
    int64_t pieces; /* independent parts, whose number does not depend on the thread count */
    size_t scratch; /* bytes of a thread's own memory */
  } cpu;
  struct {
    int64_t grid[3]; /* 0 blocks: there is nothing to do */
    int block[3];
    size_t shared; /* dynamic shared memory, bytes a block */
    int resident;  /* blocks that a multiprocessor should hold at least */
  } gpu;
} TdLaunch;

typedef struct TdKernel {
  TdKernelKind kind;
  const char *name;         /* a C identifier, unique in the program */
  const char *comment;      /* what stands above it for who reads: the .td line, what it computes */
  const TdProduct *product; /* TD_PRODUCT, which has no source and no launch record */
  const char *source;       /* the function, and nothing but it (needs the prelude) */
  uint32_t counters;        /* bit s: it uses the counter of loop slot s */
  bool control;             /* it uses seed and step */
  bool split;               /* it multiplies in parts, on processors with tiles for it */
  bool brief;               /* how fast it is hardly matters: it takes no longer than starting it,
                               or runs once in a process. CPU: compiled with less effort */
  const char *klass;        /* "map", "row", "column", "contraction", "scatter", ... */
  const char *where;        /* "models/shakespeare.td:23" */
  const char *text;         /* the .td line */
  TdLaunch launch;
  double flops, bytes; /* of one launch: counted from the index space */
  double narrow_flops; /* of these, products in bf16: of factors in bf16, or in parts */
  double read;         /* of bytes; the others are written */
  double dear;         /* flops that take as long as its draws and functions at the least */
} TdKernel;

typedef enum { TD_LAUNCH, TD_LOOP, TD_END } TdStepKind;

/* In which runs of an entry a step is taken. What it makes is in kept buffers, which the steps of
 * every run read:
 *   TD_ANEW     in each
 *   TD_ONCE     in the first of all: it follows from constants
 *   TD_LASTING  in the first, and when states that the entry reads are not what they were, but for
 *               those that it changes itself (TdEntry.follows: or not what it made of them) */
typedef enum { TD_ANEW, TD_ONCE, TD_LASTING } TdOnce;

typedef struct TdStep {
  TdStepKind kind;
  TdOnce once;
  int kernel; /* TD_LAUNCH */
  int nargs;
  const int *args;          /* TD_LAUNCH: buffer indices, */
  const size_t *begins;     /* by argument: bytes from the buffer's beginning to the address that
                               the kernel is given; NULL: none */
  const char *where, *text; /* TD_LAUNCH: lines of the user's file that its first statement
                               comes of, "m.td:9, m.td:12"; the first of them as it stands there */
  const char *inside;       /* the line of the library that the statement is; or NULL */
  int slot;                 /* TD_LOOP: which ix[] counts */
  int64_t count;            /* TD_LOOP */
  bool reverse;
} TdStep;

/* The line that a launch's first statement is, the library's if it is one of its: up to a comma
 * or the end of the text, which is never NULL. The kernel's own line may be another launch's. */
const char *td_step_line(const TdStep *s, int *length);

typedef struct TdOutput {
  const char *name;
  int buffer;
} TdOutput;

typedef struct TdEntry {
  const char
      *name; /* "init", "train", "eval", "sample.ddpm.init", ".step", ".emit", "model.denoise" */
  TdBuffer *buffers;
  int nbuffers;
  TdStep *steps;
  int nsteps;
  TdOutput *outputs;
  int noutputs;
  int *changes; /* states that it writes */
  int nchanges;
  bool follows; /* it changes kept buffers with the states that they follow from, these too */
  size_t arena_bytes;
  size_t alignment;    /* of every offset in the arena, and of the arena; a power of two */
  size_t arena_sum;    /* what it would be without sharing of lifetimes */
  double flops, bytes; /* of one run, loops counted */
  double narrow_flops; /* of these, products in bf16: of factors in bf16, or in parts */
} TdEntry;

typedef struct TdProgram {
  const char *name;    /* "shakespeare" */
  const char *prelude; /* C text every translation unit begins with */
  /* Has it functions that units share? With TD_DECLARES defined it only declares them, under
   * names that begin with td_; without, they are static. */
  bool shares;
  TdState *states;
  int nstates;
  TdTensor *tensors;
  int ntensors;
  TdKernel *kernels;
  int nkernels;
  TdEntry *entries;
  int nentries;
} TdProgram;

bool td_program_splits(const TdProgram *p); /* has it kernels that multiply in parts? */

/* What a block of so many bytes takes when it is allocated, and its alignment:
 * a cache line, or, of big blocks, a huge page. 0 when that cannot be counted. */
enum { TD_LINE = 64, TD_HUGE_PAGE = 2 << 20 };
size_t td_block(size_t bytes, size_t *align);

/* Bytes that running it takes: states, the largest arena, inputs, tables, the scratch of
 * so many threads, a library's working memory. False when they cannot be counted. */
bool td_program_memory(const TdProgram *p, int threads, size_t *bytes);

#endif
