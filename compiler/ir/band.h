/* SPDX-License-Identifier: MIT */
/* Where along one variable a condition can hold: a window whose ends are integer
 * expressions in other variables, and in data that they say where to read. */
#ifndef TDC_BAND_H
#define TDC_BAND_H

#include "compiler/ir/expr.h"

/* It holds nowhere but where lo <= variable < hi. NULL: 0, and the variable's extent. */
typedef struct Band {
  Expr *lo, *hi;
  bool never; /* it holds nowhere at all */
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

/* A window of `cond` (NULL: true) that leaves out no place at which it holds: the narrowest one
 * for comparisons of sums of variables and data, also divided by constants, under and, or, not and
 * choices; everything for what is none. */
Band band_of(Graph *g, Expr *cond, const BandSpace *space);
bool band_is_all(const Band *b);
/* That holds all of both. */
Band band_hull(Graph *g, Band a, Band b);
/* The ends within 0 .. extent; NULL only where they are that. */
Band band_clamped(Graph *g, Band b, const BandSpace *space);
/* The share of the variable's extent that lies inside, on the average over the others (of some
 * places), data anything that they may be within 0 .. extent; 1 where a loop's counter says. */
double band_share(Graph *g, const Band *b, const BandSpace *space);

#endif
