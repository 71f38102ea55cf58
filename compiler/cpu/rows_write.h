/* SPDX-License-Identifier: MIT */
/* Between the files that write row kernels: rows.c, and the nests that stand in its rows.
 * Nothing else includes this. Grouped by defining file. */
#ifndef TDC_ROWS_WRITE_H
#define TDC_ROWS_WRITE_H

#include "compiler/cpu/cpu.h"

enum { TOP, PIECE, BLOCK, ROW, NEST };

typedef struct Rows {
  Emit em;
  Plan *p;
  Group *g;
  RowPlan *plan;
  int64_t per_piece, pieces;
  StrBuf locals; /* declarations of arrays, before the pieces */
  size_t scratch;
  char *row_clause;            /* flat: reductions of the row loop */
  StrBuf block_end;            /* flat: statements after a block's rows */
  StrBuf piece_end;            /* statements after a piece's rows */
  StrBuf part_begin, part_end; /* around each block of the vector loop that is being written */
  const char *run, *lane; /* C: where it goes by runs, a run's first and which of CPU_RUN; NULL */
  StrBuf run_begin, run_end;                       /* around each run */
  const char *from[IR_MAX_VARS], *to[IR_MAX_VARS]; /* C: the ends of the open loops, by variable */
  const char *ends[IR_MAX_VARS], *windows[IR_MAX_VARS]; /* C: of several windows, and how many;
                                                           NULL: from .. to is the only one */
} Rows;

/* -- rows_write.c ------------------------------------------------------------------ */
StrBuf *rows_text(Rows *r, int level);
const char *rows_decimal(const Rows *r, int64_t x);
const char *rows_acc_type(const Item *it); /* in C */
/* into = into (reducer) value */
void rows_combine(Rows *r, StrBuf *out, const Item *it, const char *into, const char *value);
/* The item's value at one point, its guard applied. */
const char *rows_value(Rows *r, Item *it, int level);
/* Around a vector loop that takes a maximum or minimum: was there a NaN? */
void rows_begin_watch(Rows *r, StrBuf *out, Item *it);
void rows_end_watch(StrBuf *out, const Item *it, const char *into);
/* into = into (reducer) value in a vector loop, and its part of the loop's clause. */
void rows_reduce(Rows *r, StrBuf *out, StrBuf *clause, const Item *it, const char *into,
                 const char *value);
void rows_argmax(Rows *r, Item *it, int level);
/* Do this item's reduced loops, run `rows` times, add more than a block? */
bool rows_is_long(const Item *it, int64_t rows, int64_t block);
/* What the blocks of it->total add up to, declared in `out`; and one block's sum: a variable that
 * `begin` declares and `end` adds to the total. */
void rows_begin_total(Rows *r, StrBuf *out, Item *it);
const char *rows_put_part(Rows *r, StrBuf *begin, StrBuf *end, Item *it);
/* A vector loop of a multiple of CPU_RUN iterations goes by runs of so many where it sums or stores
 * in bf16: the loop that is written next does. */
void rows_begin_runs(Rows *r);
/* A sum over such a loop is of CPU_RUN partial sums, which wait for each other less than one
 * vector of them would, and are put together by halves: is it such a sum? Its own loops alone say
 * so. Its partial sums, declared in `out`; the one that an iteration adds to. */
bool rows_has_sums(const Item *it);
void rows_begin_sums(Rows *r, StrBuf *out, Item *it);
const char *rows_sum_at(const Rows *r, const Item *it);
/* Is its value needed outside of its nest? An array in the kernel that has it; and the store. */
bool rows_is_kept(Rows *r, const Item *it);
void rows_declare(Rows *r, Item *it);
void rows_store(Rows *r, Item *it, int level, const char *value);
/* Are an item's numbers stored by runs, in bf16 and side by side? Rounded one by one they take more
 * instructions than most of what makes them. */
bool rows_stores_runs(Rows *r, const Item *it);

/* -- rows_loop.c -------------------------------------------------------------------- */
void rows_open_loops(Rows *r, const Item *it, int first_var);
void rows_for(Rows *r, StrBuf *out, int var, bool simd, const char *clause);
/* Around a loop over several windows: one of them after the other, in order. */
void rows_open_windows(Rows *r, StrBuf *out, int var);
void rows_close_windows(Rows *r, StrBuf *out, int var);
/* A loop over blocks of a variable's iterations, from *first to *end. */
void rows_open_block(Rows *r, StrBuf *out, int var, int64_t block, const char **first,
                     const char **end);
/* The loop over the last variable, its text inside, with what stands around its blocks. */
void rows_innermost(Rows *r, StrBuf *out, int var, int level, const char *clause);
/* Put the open loops' texts together, innermost first, onto the row's text. */
void rows_close_loops(Rows *r, int nloops, bool simd, const char *clause);

/* -- rows_sum.c --------------------------------------------------------------------- */
/* Is it faster with the reduced loops around the last one of its output? */
bool rows_sums_outside(Rows *r, const Item *it);
void rows_sum_inside(Rows *r, Item *it);
void rows_sum_outside(Rows *r, Item *it);

/* -- rows_nest.c -------------------------------------------------------------------- */
/* All items of the plan, onto the row's text. */
void rows_items(Rows *r);
/* A sum over rows in a variable that a vector loop adds to? */
bool rows_in_lanes(const Rows *r, const Item *it);

#endif
