/* SPDX-License-Identifier: MIT */
/* The tiles of the prelude as planning sees them: the largest over all processors
 * that one text compiles for, and the depths of blocks that suit all of them. */
#ifndef TDC_TILES_H
#define TDC_TILES_H

#include "dsl/base.h"

enum {
  WIDEST_TILE = 32,  /* columns */
  TALLEST_TILE = 14, /* rows */
  LANES = 16,        /* of the widest vectors: what packing may overrun */
  STRIP_ROWS = 32,   /* rows, columns and steps of k that tiles of bf16 take at once */
  DEPTH_WHOLE = 384, /* k up to here is one block, else blocks of */
  DEPTH_LIMIT = 256,
  FEW_ROWS = 8, /* at most, of a product that reads B where it lies */
  HELD = 16     /* floats at the start of the scratch memory: a TdHeld */
};

#endif
