/* SPDX-License-Identifier: MIT */
/* Where along one variable a condition can hold: windows whose ends are integer
 * expressions in other variables, and in data that they say where to read. */
#ifndef TDC_BAND_H
#define TDC_BAND_H

#include "compiler/ir/expr.h"

/* Where lo <= variable < hi. NULL: 0, and the variable's extent. */
typedef struct BandWindow {
  Expr *lo, *hi;
} BandWindow;

/* It holds nowhere but in these, which may share places and may be empty: their order is found
 * where the ends are numbers. Of none: nowhere at all. */
enum { BAND_WINDOWS = 3 };
typedef struct Band {
  int n;
  BandWindow at[BAND_WINDOWS];
} Band;

/* Is this read there, and in bounds, where the ends of a window are computed? */
typedef bool BandRead(Expr *read, const void *ctx);

/* The variables of a condition; the ends of the window name those in `known` alone, and loops'
 * counters, and read what `may_read` (NULL: nothing) allows. */
typedef struct BandSpace {
  const int64_t *extent;
  int nvars;
  int var;
  uint32_t known;
  BandRead *may_read;
  const void *ctx;
} BandSpace;

/* Windows of `cond` (NULL: true) that leave out no place at which it holds: the narrowest ones for
 * comparisons of sums of variables and data, also divided by constants, under and, or, not and
 * choices, while they are no more than BAND_WINDOWS; everything for what is none. */
Band band_of(Graph *g, Expr *cond, const BandSpace *space);

/* -- band_list.c */
bool band_is_all(const Band *b);
/* All that is in one of both; in both of them. */
Band band_join(Graph *g, Band a, Band b, const BandSpace *space);
Band band_meet(Graph *g, Band a, Band b, const BandSpace *space);
/* One window that holds all of them, unless they leave out so many places between them, on the
 * average, and so much of it that more loops than one are worth it. */
Band band_worth(Graph *g, Band b, const BandSpace *space, int64_t places);
/* At least one window, with ends within 0 .. extent; NULL only where they are that. */
Band band_clamped(Graph *g, Band b, const BandSpace *space);
/* The share of the variable's extent that lies inside, on the average over the others (of some
 * places), data anything that they may be within 0 .. extent; 1 where a loop's counter says. */
double band_share(Graph *g, const Band *b, const BandSpace *space);
/* The variables, and whether there are reads, in the ends. */
uint32_t band_vars(const Band *b);
bool band_reads(const Band *b);

#endif
