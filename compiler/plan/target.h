/* SPDX-License-Identifier: MIT */
/* What a device is to the compiler: numbers and rules that the shared passes ask,
 * and three functions that finish and write a plan. One constant struct a device
 * (cpu/target.c); no shared pass knows which one it has. */
#ifndef TDC_TARGET_H
#define TDC_TARGET_H

#include "compiler/ir/ir.h"
#include "compiler/program/program.h"

typedef struct Plan Plan;
typedef struct Group Group;

/* What is worth computing again, in operations of one element (an addition is 1). */
typedef struct TargetCosts {
  double store;       /* keeping an element: a map that costs less is computed by its readers */
  double operand;     /* an operand of a product may cost so much: it is evaluated once a tile */
  bool factors;       /* of many batches: what is the same for all terms costs it nothing */
  int inline_most;    /* subexpressions of a body that grew by substitution */
  double again;       /* computing an element again; more costs more than bringing it from memory */
  double table_entry; /* an operation that costs so much is looked up in a table */
  int64_t table_uses; /* if each entry is used so often, */
  double table_gain;  /* and all of it saves so many operations */
  int64_t kept_most;  /* elements that are kept from run to run where they need not be computed in
                         each (plan/once.c); 0: none are */
} TargetCosts;

/* Kernels over rows: how work is cut, and how much of it one piece may hold. */
typedef struct TargetRows {
  int64_t rows_least;    /* fewer are too few pieces of work: rather partial sums */
  int64_t partials_most; /* of one reduction */
  int64_t partial_unit;  /* rows of a partial sum are a multiple, where there is one row variable */
  int64_t partial_rows;  /* no more than this for the sake of `partials_most`, twice of which there
                            may be then; 0: as many as it takes */
  int64_t small;         /* evaluations that one thread does in no time */
  int64_t split_work;    /* evaluations of a sum that is worth partial sums of its own, */
  int64_t split_terms;   /* of so many terms for each result */
  int64_t together_most; /* evaluations of a group that adds up partial sums and may be one with
                            others that do; 0: launches are cheap */
  int64_t row_most;      /* elements of a row that a member may have */
  double band_most; /* a loop runs over windows that are this share of it at most; 0: over all */
  int64_t band_between; /* over more than one, if so many places are between them */
  int64_t vector_most;  /* iterations of a vector loop whose values may wait in an array */
  int members_most;     /* nodes of one kernel, */
  int exprs_most;      /* and expressions of their bodies: compilers take longer for one long kernel
                          than for the same in two */
  int64_t unroll_most; /* iterations of a loop that is written out */
  int64_t unroll_rows; /* where there are so many rows */
  double piece_work;   /* operations of a piece */
  int64_t piece_unit;  /* its rows are a multiple, where the row loop is the vector loop */
  int64_t pieces_most;
  size_t local_bytes;    /* a value of a row in the kernel's own memory, else scratch */
  size_t arrays_most;    /* bytes of all such values of a row; others are stored. 0: no limit */
  int64_t columns_work;  /* evaluations of a block of columns of a product of one row, at least; 0:
                            these are not cut */
  int64_t columns_least; /* columns of it, */
  int64_t columns_unit;  /* which are a multiple */
  int64_t slices_most;   /* of a scatter's output: each is summed by one piece */
  int64_t slice_least;   /* numbers side by side in a slice */
} TargetRows;

/* Sums of products of floats that may be multiplied in parts: `precision { product split6 }`; and
 * those that are where the program leaves it to the target (f32, which is never less exact). */
typedef struct TargetSplit {
  int64_t m_least, n_least, k_least; /* of each axis; 0: products are not */
  int64_t rows_packed;               /* as TargetProducts.rows_packed */
  /* It pays where a number that was cut into parts and packed is multiplied so often, in the mean
   * over both operands: 2 m n / (m + n), where m counts in each turn of a loop that n is packed
   * before, and is not mostly 0. By the extents alone, so that bits never depend on a
   * measurement. */
  int64_t reuse_least;
  double saves; /* this share of their time, where packing is nothing beside it */
} TargetSplit;

/* Operations a second of large products, in f32 and where factors are rounded to bf16. */
typedef struct TargetSpeed {
  double flops, narrow_flops;
} TargetSpeed;

/* Products of few results whose sums are made by pieces of k, and added up by another kernel:
 * pieces.c. By the extents alone, so that bits never depend on a measurement. */
typedef struct TargetPieces {
  int64_t blocks;           /* that the device keeps busy; 0: no product is cut so */
  int64_t tile;             /* rows and columns of results that a block sums at least */
  int64_t terms_least;      /* of a piece */
  int64_t most;             /* pieces */
  double term, narrow_term; /* seconds that a block takes for one term, at least */
} TargetPieces;

/* Sums of products that are multiplied by tiles or by a library. */
typedef struct TargetProducts {
  int64_t m_least, n_least, k_least; /* of each axis */
  double work_least;                 /* multiplications of all batches */
  /* Products of at most so many rows with weights read them where they lie, once for all rows:
   * these are worth it from one row on, with so many columns, or a multiple of that, and
   * multiplications of a row (contract_few). What they read of a state that stays is converted as
   * well. 0: none are. */
  int64_t few_rows, few_columns, few_work;
  int64_t batch_least;     /* and of each */
  bool computed;           /* operands may be expressions, conditions too; else plain reads */
  bool epilogue;           /* maps on the sums run before they are stored, */
  bool beside;             /* and others that read the same there: plan/beside.c */
  bool library;            /* plain ones are a library's: TD_PRODUCT */
  TargetSpeed own, others; /* of kernels of our own, of the library: apart.c; 0: not known, and no
                              maps are taken from a product for the library's sake */
  /* Those that share an operand are one (passes/join.c), where a map follows only if they have so
   * many results together at most. 0: none are. */
  int64_t joined_most;
  /* Those that a loop only stacks, of so many results at most, are one product after it, if what
   * is stacked for them takes no more bytes (passes/batch.c). 0: each is made in its iteration. */
  int64_t batched_most, batched_bytes;
  /* Products of rows that are looked up, so many times as many as the table has at least, are made
   * of the table (passes/gather.c); in a gradient each number that is added to the sum of equal
   * rows is multiplied so many times less. 0: none are. */
  int64_t gathered, gathered_width;
  /* States that products of so many rows read are converted for them to the type of
   * activations, once a run (weights.c). 0: no state is. */
  int64_t rows_copied;
  /* Target.copies lays operands out for every run where there are at most so many rows. */
  int64_t rows_packed, rows_packed_narrow;
  double band_most;     /* a kernel leaves out what conditions remove, if no more than this share is
                         left of an axis; 0: it does not, */
  int64_t band_least;   /* and has so many places; */
  int64_t band_between; /* as TargetRows.band_between */
  /* Tiles of bf16 take an operand that is read at moved places from a copy of these, each packed
   * once for all taps, if so many numbers of k lie side by side in a place, and so many rows of the
   * product side by side in a line, or a multiple. 0: they do not. */
  int64_t moved_channels, moved_rows;
  /* And where k runs along such places and taps are rows, from a copy that is turned once for all
   * taps, if channels are a multiple, and so are the steps of k side by side in a line; from the
   * first tap to the last there are so many places at most. 0: they do not. */
  int64_t turned_channels, turned_steps, turned_reach;
  /* Products of which a condition leaves every second place, or third, are one for each residue
   * (passes/strides.c), of so many at most. 0: their zeros are multiplied. */
  int64_t residues;
  TargetSplit split;
  TargetPieces pieces;
} TargetProducts;

/* Products of products kept on chip; see chain.c. */
typedef struct TargetChains {
  bool any;
  bool bands;            /* a kernel may leave out columns that conditions remove, */
  double band_most;      /* if no more than this share of them is left: chain_band.c; */
  int64_t band_between;  /* as TargetRows.band_between */
  int64_t near;          /* floats of packed operands that stay near a core */
  int64_t reread;        /* or they are so much less than the wide values */
  int64_t batches_least; /* fewer are worth it only */
  int64_t wide_least;    /* with so many wide elements in each */
  int64_t gap;           /* floats between rows of a block: not all in the same sets of a cache */
  int64_t rows_most;     /* of a block */
  int64_t pieces_least;  /* for all threads to share */
  int64_t near_stride;   /* floats between steps of k that tiles may read without packing */
  int64_t reuse_least;   /* as TargetSplit.reuse_least, of operands that are near */
  /* Where blocks lie in memory of a fixed size (TargetMemory.on_chip): the wide values of so many
   * rows fit in it, and all of one row's; 0: they may lie elsewhere. */
  int64_t row_least;
  int64_t sums_most;      /* results of COLUMN products that a piece can keep; 0: no limit, */
  int64_t sums_s, sums_e; /* counted by tiles of so many of [s, e] */
  /* A COLUMN product of more results than `sums_near` whose wide value has at most `stored_most`
   * elements, of all batches, is none of the chain: the value is stored, and pieces are blocks of
   * rows. 0: it is one as ever. */
  int64_t sums_near, stored_most;
} TargetChains;

/* Loops of which a part runs all iterations for rows of its own; see loop_kernel.c. */
typedef struct TargetLoops {
  bool any;
  int64_t slices_most; /* parts that run at once: a row each while there are no more */
  size_t near;         /* bytes that a part may keep near for all iterations */
  size_t stacked;      /* bytes for operands of sums that a loop need not carry then: totals.c */
  double kernel;       /* seconds that a kernel by itself takes at least, */
  double turn;         /* that a group takes at least in such a loop */
  double flops, bytes; /* a second, of one part */
} TargetLoops;

typedef struct TargetMemory {
  size_t alignment;     /* of buffers, bytes; a power of two */
  size_t pitch;         /* rows of temporaries begin at a multiple, bytes; 1: without gaps */
  int index_bits;       /* of an element's position in a buffer: 32 or 64 */
  size_t on_chip;       /* bytes that a piece may keep near */
  int64_t narrow_least; /* elements: fewer are not worth a conversion to bf16 */
} TargetMemory;

/* Rough, for estimates: a plan's text says which steps bound an entry. */
typedef struct TargetRates {
  double bytes, flops, narrow_flops; /* a second: memory, f32, bf16 */
  double launch;                     /* seconds */
  /* FLOPs of multiply-adds at their peak that take as long as a draw, and as a function such as
   * exp, at the least; 0: they are not counted (dear.c). */
  double draw, function;
} TargetRates;

struct Target {
  const char *name;
  TargetCosts costs;
  TargetRows rows;
  TargetProducts products;
  TargetChains chains;
  TargetLoops loops;
  TargetMemory memory;
  TargetRates rates;
  bool efforts; /* brief kernels are compiled with less effort: TdKernel.brief */
  const struct Dialect
      *dialect; /* emit/dialect.h: how its kernels are spelled; NULL: it only plans */
  /* What stands before and after a kernel's name at the head of its function. */
  void (*head)(Arena *a, const Group *g, const char **before, const char **after);
  /* What every translation unit begins with, in the arena, and whether it has functions that
   * units share (TdProgram.shares), for products whose factors are rounded to bf16, or not, and,
   * or not, products in parts. */
  const char *(*prelude)(Arena *a, bool rounds, bool split, bool *shares);
  /* Operands that are laid out beforehand: makes buffers and groups of GROUP_PACK. May be NULL. */
  void (*copies)(Plan *p);
  /* Fill in group->launch.shape. Everything else about the group is final. */
  void (*shape)(Plan *p, Group *g);
  /* The kernel of a group: its source from the brace on, and a line on how it is cut
   * (or none). NULL: this target only plans. */
  void (*emit)(Plan *p, Group *g, TdKernel *k, const char **note);
};
typedef struct Target Target;

#endif
