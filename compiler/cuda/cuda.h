/* SPDX-License-Identifier: MIT */
/* CUDA as a target: kernels that teams of threads run, plain products for a library.
 * Grouped by defining file. */
#ifndef TDC_CUDA_H
#define TDC_CUDA_H

#include "compiler/emit/emit.h"
#include "compiler/plan/product.h"
#include "compiler/plan/rows.h"

enum {
  CUDA_WARP = 32,
  CUDA_BLOCK = 256, /* threads of one, at most */
  CUDA_TILE = 64,   /* rows and columns of a product that a block sums, */
  CUDA_DEPTH = 16,  /* so many terms at a time, */
  CUDA_PITCH = 68,  /* floats from one term's row of an operand to the next */
  CUDA_TILE_BYTES = 2 * CUDA_DEPTH * CUDA_PITCH * 4,
  CUDA_MMA_DEPTH = 32, /* terms of a step on tensor cores, */
  CUDA_STAGE_GAP = 8,  /* floats behind each row of their sums, where these change threads */
  CUDA_LIST_BYTES = (CUDA_WARP + 4 * CUDA_WARP) * 8, /* of a warp's list of positions */
  CUDA_SHORT = 1 << 30 /* loops of fewer iterations, and what they are made of, count in 32 bits */
};

/* -- target.c ------------------------------------------------------------------- */
extern const Target cuda_target;
const char *prelude_cuda_text(void); /* prelude.h, embedded by the build */

/* -- shape.c -------------------------------------------------------------------- */
/* How a kernel of rows is cut: pieces of rows, each a team's, whose threads share the
 * loops inside a row; some teams a block. */
typedef struct CudaRows {
  int team;     /* threads: 1, a warp, or a block */
  int teams;    /* of a block */
  bool spread;  /* flat rows with partial sums: the team shares the rows of a piece */
  bool columns; /* sums over rows, point by point: a thread runs through the rows for each of
                 * its points and keeps their sums */
  bool near;    /* other such sums grow in shared memory, and are stored at the end */
  bool turns;   /* the block's teams, warps, take the rows of one piece in turn; what each has
                 * summed is added in their order */
  int64_t per_piece, pieces;
  size_t arrays; /* shared memory of a team: values that nests hand on */
  size_t room;   /* of the block, before them: reductions */
} CudaRows;
CudaRows cuda_rows(const Plan *p, const Group *g);
/* A loop that is one kernel: a block for each slice of its rows, whose threads run all groups
 * of the body. Shared memory holds what lies near, then what the group that runs needs. */
typedef struct CudaLoop {
  int threads;
  int64_t slices;
  size_t shared;
} CudaLoop;
CudaLoop cuda_loop(const Group *g);
/* How the block of a slice is cut for a group of the body: pieces are the slice's rows. */
CudaRows cuda_rows_within(const LoopKernel *k, int threads, const Group *g);
/* Do all of its variables fit 32 bits? */
bool cuda_short(const CudaRows *c, const RowPlan *r);
/* A mixed item's sums are shared by the team one after another; else each is one thread's. */
bool cuda_shares_sum(const CudaRows *c, const Item *it);
/* Does a thread add so many terms to a variable of its own that it keeps what rounding adds? */
bool cuda_is_long(const CudaRows *c, const Item *it);
size_t cuda_array_bytes(const Item *it); /* in shared memory */
size_t cuda_sum_bytes(const Item *it);   /* of a piece's sums over rows, one a point */
/* How a computed product is cut: a tile of the result for each block. */
typedef struct CudaTile {
  bool narrow; /* in bf16, on tensor cores */
  bool parts;  /* terms are summed by parts, and these with what rounding adds */
  int rows, columns;
  int stages;           /* tiles of operands in shared memory: steps that are under way */
  int64_t down, across; /* tiles of each batch */
  int resident;
  size_t shared;
} CudaTile;
CudaTile cuda_tile(Plan *p, const Group *g);
/* How a scatter is cut. A bare axis has a variable as its index that stands in no other. */
typedef struct CudaScatter {
  bool lists;        /* a block lists the positions that name its rows, else */
  bool gathers;      /* a thread for each number of the output looks for what falls there; else */
  int axis;          /* a thread for each slice along this bare axis adds all that does; -1: one */
  int64_t count;     /* threads; lists: blocks */
  int rows, columns; /* lists: of the output, for a block; the other axes as one */
  int64_t positions, width; /* how many name a row; columns of all blocks */
  int var[IR_MAX_RANK];     /* of each bare axis; -1: it is none */
} CudaScatter;
CudaScatter cuda_scatter(const Node *n);
void cuda_shape(Plan *p, Group *g);

/* -- rows.c, scatter.c, contraction.c, chain.c, loop.c: the writers ------------------------ */
void cuda_emit_rows(Plan *p, Group *g, TdKernel *k, const char **note);
/* The statements of one row, for a kernel that has the loop over rows itself: row variables, those
 * of the piece at the level before theirs, `lane` and, for arrays, `memory` are in scope; a team
 * that is a block has `room`. Blocks of the kernel are locals. *own: bytes of its arrays. */
const char *cuda_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, const CudaRows *cut,
                          size_t *own);
/* A kernel that runs several groups for the rows of one of them, slice_begin .. slice_end - 1
 * of the first row variable, by all of its threads. */
typedef struct CudaWithin {
  const Group *loop;
  CudaLoop cut;
  const EmitLocal *near; /* one for each of LoopKernel.near */
} CudaWithin;
/* The group's part of such a kernel: a block of statements. */
const char *cuda_rows_text(Plan *p, Group *g, const CudaWithin *within);
void cuda_emit_loop(Plan *p, Group *g, TdKernel *k, const char **note);
void cuda_emit_scatter(Plan *p, Group *g, TdKernel *k);
void cuda_emit_product(Plan *p, Group *g, TdKernel *k, const char **note);
void cuda_emit_chain(Plan *p, Group *g, TdKernel *k, const char **note);
void cuda_chain_shape(Plan *p, Group *g); /* chain_shape.c */

/* -- product_chunk.c --------------------------------------------------------------- */
/* How an operand of a computed product lies in memory: as it is wanted, in bf16 or in f32, 8
 * numbers at multiples of 16 bytes; or in no such way. */
typedef enum { PRODUCT_COMPUTED, PRODUCT_ROUNDED, PRODUCT_COPIED } ProductLie;
ProductLie product_lie(Plan *p, const Group *g, GemmSide side);
/* Is the operand one read whose neighbours along k lie side by side, or none? Then
 * neighbouring threads take neighbouring terms, else neighbouring rows. */
bool product_along_terms(Plan *p, const Group *g, GemmSide side);

/* -- reduce.c --------------------------------------------------------------------- */
/* Combinations of values as statements, for rows.c. */
/* into = into (reducer) value */
void cuda_combine(Emit *em, StrBuf *out, const Node *n, const char *into, const char *value);
/* The variable `into` at the beginning, and sums into it where they are long. */
void cuda_open_value(Emit *em, StrBuf *out, const CudaRows *c, const Item *it, const char *into);
void cuda_combine_value(Emit *em, StrBuf *out, const CudaRows *c, const Item *it, const char *into,
                        const char *value);
/* `into` of every thread of a team, combined; then each thread has the result. */
void cuda_combine_team(const CudaRows *c, StrBuf *out, const Node *n, const char *into);
/* The variables of an argmax: the best value so far, and in `at` its place. */
void cuda_open_argmax(StrBuf *out, const Item *it);
void cuda_argmax(StrBuf *out, const Item *it, const char *guard, const char *value,
                 const char *place);
void cuda_close_argmax(const CudaRows *c, StrBuf *out, const Item *it, bool shared);

#endif
