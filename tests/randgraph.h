/* SPDX-License-Identifier: MIT */
/* Random graphs: verified, with values of moderate size, the same for the same
 * seed on every machine. A graph of size n is the beginning of the one of size
 * n + 1, so a failing seed shrinks by asking for less. */
#ifndef TDC_TESTS_RANDGRAPH_H
#define TDC_TESTS_RANDGRAPH_H

#include "compiler/eval/eval.h"
#include "compiler/ir/ir.h"

typedef struct RandSpec {
  uint64_t seed;
  int size;    /* comprehensions and scatters, about: 1 .. 40 */
  int only;    /* >= 0: keep only this output (and prune); -1: all */
  bool smooth; /* no jumps on reals (comparisons, floor, argmax), so that single
                                   and double precision stay close */
  bool chains; /* with products of products (randchain.h) */
  bool plain;  /* no draws, no integer inputs: every value is differentiable in the inputs */
  bool mirror; /* loops that read what earlier loops stacked, row by row */
} RandSpec;

Graph *randgraph_new(Arena *a, Interner *names, const RandSpec *spec);

/* Random values for every input and state: reals are multiples of 1/64 in -1 .. 1. */
void randgraph_fill(Eval *ev, Graph *g, uint64_t seed);

/* The smallest spec that still fails: fewer nodes, then a single output. */
typedef bool RandFails(const RandSpec *spec, void *ctx);
RandSpec randgraph_shrink(RandSpec spec, RandFails *fails, void *ctx);

/* Random numbers: splitmix64. */
uint64_t rand_next(uint64_t *state);
int rand_below(uint64_t *state, int n);

#endif
