/* SPDX-License-Identifier: MIT */
/* The text of one product of matrices inside a chain's kernel (chain_tiles.c). */
#ifndef TDC_CHAIN_TILES_H
#define TDC_CHAIN_TILES_H

#include "dsl/base.h"

/* A matrix in memory: where it begins, from outer to outer, from k to k. */
typedef struct ChainMatrix {
  const char *from;
  bool half;
  int64_t across, along;
} ChainMatrix;
/* Packed B: `room` steps of k in a panel. */
typedef struct ChainPacked {
  const char *name;
  int64_t columns, room;
  const char *width; /* C: of columns, if they are fewer; else NULL */
} ChainPacked;

typedef struct ChainTiles {
  ChainMatrix a;
  bool in_place;        /* A is not packed (floats; bf16 decides by itself) */
  int64_t whole;        /* depth, if it is always the same number; else 0 */
  const char *rows;     /* of C */
  int64_t height, last; /* that `rows` can be */
  const char *spare;    /* rows of A that may be read */
  const ChainPacked *b;
  const char *k0, *depth;
  const char *c;
  int64_t c_stride;
  const char *add;    /* to what is in C */
  const char *column; /* C: the first one of B and C, a multiple of WIDEST_TILE; NULL: 0 */
} ChainTiles;

/* How factors are multiplied: as floats, rounded to bf16, or in 2 or 3 parts of bf16, which are
 * floats where the processor has no tiles for these. */
enum { CHAIN_FLOATS, CHAIN_ROUNDED };
void chain_pack_b(StrBuf *out, int form, const ChainPacked *b, ChainMatrix m, const char *depth);
void chain_tiles(StrBuf *out, int form, const ChainTiles *t);

#endif
