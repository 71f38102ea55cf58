/* SPDX-License-Identifier: MIT */
/* The CPU as a target: kernels in C over pieces that threads take, tiles for
 * products, operands packed for the tiles. Grouped by defining file. */
#ifndef TDC_CPU_H
#define TDC_CPU_H

#include "compiler/cpu/gemm.h"
#include "compiler/emit/emit.h"
#include "compiler/plan/chain.h"
#include "compiler/plan/product.h"

/* -- target.c ------------------------------------------------------------------- */
extern const Target cpu_target;
const char *prelude_text(void);        /* prelude.h, embedded by the build */
const char *prelude_draws_text(void);  /* prelude_draws.h */
const char *prelude_narrow_text(void); /* prelude_narrow.h, prelude_tiles.h */
const char *prelude_split_text(void);  /* prelude_split.h */

/* -- operands.c: what the tiles get to know of a contraction ------------------------ */
/* Axes (without names), operands (without texts), whether the sums go straight to
 * memory, and where: all that the shape of its kernel follows from. */
void product_geometry(Plan *p, const Group *g, GemmPlan *out);
/* An operand that is one read, or 0, where numbers lie side by side along a variable, and what
 * it is 0 for does not depend on that: `where`, or NULL for true, the read's bounds included. */
typedef struct OperandRun {
  Expr *read, *where;
} OperandRun;
bool operand_run(Plan *p, const Node *n, const Contraction *c, GemmSide side, int var,
                 OperandRun *out);
/* The variable that the last one of an operand's direction is: of k, or the side's own; or -1. */
int operand_along(const Contraction *c, GemmSide side, bool along_k);

/* -- pack.c ------------------------------------------------------------------------ */
void cpu_copies(Plan *p);

/* -- shape.c ------------------------------------------------------------------------ */
void cpu_shape(Plan *p, Group *g);
/* Terms of a sum that are added in single precision, block by block: by the lanes of a vector
 * loop, which share them, and one after the other. */
enum { CPU_IN_LANES = 512, CPU_IN_ORDER = 128 };
/* Iterations of a vector loop that are done together: TD_RUN of the prelude. */
enum { CPU_RUN = 32 };
/* Rows of a piece. */
int64_t cpu_rows_per_piece(const Plan *p, const Group *g);
/* Of a sum over rows: the elements that a piece of so many rows adds up in double precision,
 * in scratch memory; 0: it need not. */
int64_t cpu_totals(const Item *it, int64_t per_piece);

/* -- chain_shape.c ------------------------------------------------------------------- */
typedef struct ChainShape {
  ChainBlocks blocks;
  bool narrow;      /* factors are rounded to bf16 */
  const int *parts; /* by product: of bf16 that its factors are cut into, 3 or 2; 0: they are not */
  bool split;       /* some are */
  int64_t rows, row_blocks, last_rows; /* of a block */
  int64_t packed_a, packed_b;          /* bytes */
  int64_t near_stride;                 /* TargetChains.near_stride */
  const int64_t *halved;               /* by block: chain_halved */
  size_t scratch;                      /* all of it, bytes a thread */
} ChainShape;
/* In the plan's arena. */
ChainShape *chain_shape(Plan *p, Group *g);
size_t chain_block_bytes(const ChainShape *s, const ChainBlock *b);
/* Numbers in a row of a block that only products read, which round them to bf16: its rows are kept
 * so, and one as floats while it is made; 0: they are all floats. And what the rows take. */
int64_t chain_halved(const ChainShape *s, const ChainBlock *b);
int64_t chain_half_width(int64_t columns); /* from row to row: whole lines, in sets that differ */
size_t chain_half_bytes(const ChainShape *s, const ChainBlock *b);
int64_t chain_padded(const Target *t, int64_t columns); /* from row to row of a block */
int64_t chain_room(const ChainShape *s, int64_t k);     /* steps of k of a packed operand */
int64_t chain_depth(const ChainShape *s, int64_t k);    /* of a row product: k at a time */
/* Of an operand in `parts`, or as the others, whichever is more. */
size_t chain_packed_bytes(const ChainShape *s, int parts, int64_t columns, int64_t room);
/* Numbers in a panel of one in parts: cells, and their spans. */
int64_t chain_split_panel(int parts, int64_t room);
bool chain_in_place(const ChainShape *s, const ChainProduct *q, int64_t along);

/* -- rows.c, scatter.c, contraction.c, chain.c: the writers --------------------------- */
void emit_rows(Plan *p, Group *g, TdKernel *k);
/* The statements of one row, for a kernel that has the loop over rows itself:
 * row variables are in scope, and the ends of its band if there are banded loops. Adds
 * declarations for the top of the function to `locals`, bytes to *scratch. `after` (or NULL)
 * gives what follows, at the level of the row's values. */
typedef const char *EmitAfter(Emit *em, int level, const void *ctx);
const char *emit_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, StrBuf *locals,
                          size_t *scratch, EmitAfter *after, const void *ctx);
/* C names of the ends of a chain's band; where it has several windows, of those of all, of how many
 * these are, and of the ends of the one whose turn it is. */
#define CPU_BAND_FROM "lo"
#define CPU_BAND_TO "hi"
#define CPU_BAND_ENDS "ends_of"
#define CPU_BAND_WINDOWS "windows"
/* How its output is cut: each slice is summed by one piece. */
typedef struct ScatterSlices {
  int axis, var; /* the sliced axis and its variable; -1: one piece does all */
  int64_t width, pieces;
  /* of a slice, from the slice in one block around it to the next: numbers and blocks; where they
   * are added up in double precision, in scratch memory, else `totals` is 0 */
  int64_t across, blocks, totals;
} ScatterSlices;
ScatterSlices scatter_slices(Plan *p, const Group *g);
void emit_scatter(Plan *p, Group *g, TdKernel *k);
void emit_contraction(Plan *p, Group *g, TdKernel *k, const char **note);
void emit_packing(Plan *p, Group *g, TdKernel *k, const char **note);
void emit_chain(Plan *p, Group *g, TdKernel *k, const char **note);

#endif
