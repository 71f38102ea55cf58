/* SPDX-License-Identifier: MIT */
/* Kernels of one matrix product (gemm_emit.c): what a product is given as, and what
 * its shape follows from. Stands apart from plans: tests and benchmarks fill it in. */
#ifndef TDC_GEMM_H
#define TDC_GEMM_H

#include "compiler/plan/contract.h"
#include "dsl/base.h"

/* -- gemm_emit.c: contraction kernels --------------------------------------
 *
 *     sum[b, i, j] = sum over p of A[b, i, p] * B[b, j, p]
 *
 * b, i, j, p are flat, row-major groups of a comprehension's variables. The
 * emitter owns every loop; the generic emitter prints what stands inside them,
 * as plain scalar C over the groups' variables, which are in scope (const
 * int64_t, under the names below) wherever a callback's text is placed. Names
 * of the emitter's own are words without a trailing number. */

typedef struct GemmAxis {
  int nvars;                    /* 0: extent 1 */
  const char *var[IR_MAX_VARS]; /* C names, outermost first; the last runs fastest */
  int64_t extent[IR_MAX_VARS];
  /* So many of the last variable's values are a block, and blocks are outermost, the others' values
   * between them and what is in a block; 0: it is one. */
  int64_t cut;
} GemmAxis;

/* Which variables a text names: bit v of an axis, its variable v. */
typedef struct GemmVars {
  uint32_t of[GEMM_AXES];
} GemmVars;

typedef struct GemmOperand {
  /* A plain operand is one read of a real whose address is affine in the variables:
   * base[sum of stride * variable]. The outer axis is m for A and n for B. */
  bool plain;
  bool half;                         /* it is stored in bf16; only in a narrow plan */
  const char *base;                  /* C expression, const float *, free of the axes' variables */
  int64_t stride_batch[IR_MAX_VARS]; /* in elements, one a variable of the axis */
  int64_t stride_outer[IR_MAX_VARS];
  int64_t stride_k[IR_MAX_VARS];
  /* Any other operand is `load`ed, normally once an element, while it is
   * packed, by simd loops along k or along the outer axis: whichever direction
   * most of its reads are contiguous in. */
  bool along_k;
  /* One read at a moved place, or 0 outside, as convolutions have it: the last variable of
   * that direction only runs through numbers side by side, which load_run's text finds. */
  bool runs;
  /* Of A, which is one of those, where tiles of bf16 or parts multiply: the copy of its places is
   * made once for all taps. Then `base` and stride_batch are of the place 0 of each direction. */
  GemmMoves moves;
  /* Or these are places that k runs along, and taps are rows: a piece has all taps of a block of
   * channels (GemmAxis.cut, a result of contract_shape), whose places are turned once. */
  bool turned;
  bool expensive; /* holds exp, tanh, draws, ...: never evaluate it twice if avoidable */
} GemmOperand;

/* What an epilogue reads or writes: reals, in one place for each (batch, m, n). */
typedef struct GemmAhead {
  const char *base; /* C expression, a pointer to floats or, if `half`, bf16 */
  bool half;
  int64_t stride[GEMM_K][IR_MAX_VARS]; /* by the variables of batch, m, n */
} GemmAhead;

/* What a condition leaves along an axis, for one place of another and of the batch: flat places
 * from .. to - 1, none where from >= to, of one window or several; C expressions in the variables
 * `vars`. */
enum { GEMM_WINDOWS = 3 };
typedef struct GemmWindow {
  bool any;
  int n;                                                    /* windows */
  const char *head, *from[GEMM_WINDOWS], *to[GEMM_WINDOWS]; /* statements before these, or "" */
  GemmVars vars;
} GemmWindow;

enum { GEMM_AHEADS = 6 };
enum { RUN_LEAST = 3 }; /* numbers side by side that are worth a copy */
#define GEMM_SUM "finished[q]"

typedef struct GemmPlan {
  const char *name;    /* of the C function */
  const char *comment; /* printed above it, already made safe; or NULL */
  bool narrow;         /* factors are rounded to bf16 (the program needs prelude_narrow.h) */
  /* Factors are floats, of which tiles of bf16 multiply parts: so many products a product, 6 or 3
   * (prelude_split.h); on processors without such tiles as floats. 0: as floats, or narrow. */
  int split;
  GemmAxis axis[GEMM_AXES];
  GemmOperand operand[2]; /* [GEMM_A], [GEMM_B] */
  /* B is the same for values of a batch's variable that are so far apart; 0 for all: it is told by
   * stride_batch. A piece follows one of the same B. */
  int64_t period[IR_MAX_VARS];
  /* When the kernel only stores the sum as f32 at an affine place: it then goes
   * from registers to memory and `epilogue` is not called. */
  bool plain_output;
  const char *output;                            /* C expression, float * */
  int64_t stride_output[GEMM_AXES][IR_MAX_VARS]; /* [GEMM_K] unused */

  /* Steps of k, by rows of A and by columns of B: outside of them an operand is 0, and what is
   * multiplied by that is not looked at. And columns, by rows: elsewhere the epilogue does not use
   * the sum, which is any number; never of a plain output. */
  GemmWindow k_of[2], columns_of_row;

  /* Where B lies packed, if contract_pack's kernel ran before: C expression, float *, or
   * uint16_t * if the plan is narrow; aligned. NULL: the kernel packs. */
  const char *packed;

  /* The kernel may have these brought near while it multiplies. */
  GemmAhead ahead[GEMM_AHEADS];
  int naheads;

  /* The variables that the texts of load, and those of the three epilogues, name. */
  GemmVars load_vars[2], epilogue_vars, again_vars, some_vars;

  /* Terms may be left out, where an operand loads 0: sums that are NaN are added up again. */
  bool leaves_out;
  bool may_be_empty; /* texts of the epilogue ask `some`, whether a term of the row is not */

  /* The callbacks, each called once, in the order load, again, epilogue, epilogue_row,
   * epilogue_after, prologue. */
  void *ctx; /* handed to them */
  /* Statements at the top of the function, before the loops over pieces: typed
   * pointers to the call's buffers, loop counters, the draws' control. In
   * scope there: `call`, of type const TdCall *. May be NULL. */
  void (*prologue)(StrBuf *out, void *ctx);
  /* The value of an operand: the scalar expression `result`, of type float, or
   * with statements before it (declarations of temporaries): append these to
   * `out`, then assign to the lvalue `into`. Batch, outer and k variables are
   * in scope. Must be safe for `omp simd`, and evaluated only at indices inside
   * the extents. */
  void (*load)(StrBuf *out, void *ctx, GemmSide side, const char *into);
  /* Of an operand in runs, instead: statements that declare `source`, where the element of the
   * variables in scope lies, or NULL where it and those of its run are 0. */
  void (*load_run)(StrBuf *out, void *ctx, GemmSide side);
  /* Only if leaves_out. Statements that add one term to the double `total`, if it is not left out;
   * batch, m, n and k variables are in scope. */
  void (*again)(StrBuf *out, void *ctx);
  /* Only if may_be_empty. Statements that set `some` where a term is not left out; batch, m and k
   * variables are in scope. */
  void (*some)(StrBuf *out, void *ctx);
  /* Statements that consume one finished sum, the float rvalue GEMM_SUM: inside an
   * `omp simd` loop over n; batch, m and n variables are in scope. */
  void (*epilogue)(StrBuf *out, void *ctx);
  /* Optional statements before the loops over n, once a row: batch and m
   * variables are in scope. May be NULL. */
  void (*epilogue_row)(StrBuf *out, void *ctx);
  /* The same behind the loops over n. May be NULL. */
  void (*epilogue_after)(StrBuf *out, void *ctx);

  /* Where the line goes that says how the product is cut; then the text begins with the
   * function's brace. NULL: the line stands above a whole function. */
  StrBuf *note;

  /* Results of contract_shape: how B is cut, which contract_pack is given back, and */
  int64_t columns, depth;
  int64_t packed_count; /* floats that packed B takes; 0: it is read where it lies, never packed */
  /* for the TdKernel */
  int64_t pieces;
  size_t scratch; /* bytes a thread */
} GemmPlan;

/* Fill in the results, without any text: from axes, operands (no base), plain_output with
 * its strides, packed (any text), narrow and split. Every extent >= 1. */
void contract_shape(GemmPlan *plan);
void contract_pack_shape(GemmPlan *plan); /* of contract_pack; columns and depth are given */
/* Append the C function to `out`, and fill in the results. The order of every sum
 * depends on the extents alone. */
void contract_emit(StrBuf *out, GemmPlan *plan);
/* The function that packs B into plan->packed for all launches to come: operand B, axes
 * and callbacks as for contract_emit, whose columns and depth the plan still has. */
void contract_pack(StrBuf *out, GemmPlan *plan);

#endif
