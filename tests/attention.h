/* SPDX-License-Identifier: MIT */
/* Graphs of attention, with their gradients, for tests of chains of products. */
#ifndef TDC_TESTS_ATTENTION_H
#define TDC_TESTS_ATTENTION_H

#include "compiler/ir/ir.h"

/* softmax attention over `layers` layers that share nothing: batch b, queries l,
 * keys s (as many), heads h, width e. */
typedef struct Attention {
  int64_t b, l, h, e;
  int layers;
  bool shared_keys; /* one head of keys and values for all heads of queries */
  bool causal, dropout, gradients, bias;
  bool narrow;  /* factors in bf16 */
  bool wide;    /* and all values in f32: precision { product bf16 } */
  int product;  /* how those in f32 are multiplied: TD_SPLIT6, TD_SPLIT3; 0: not said */
  bool targets; /* also for narrower vectors */
  int band;     /* queries see so many keys on either side; 0: all */
  int sinks;    /* and the first ones; 0: none */
  bool turned;  /* keys are turned by angles that grow with their position, where they are read */
} Attention;

/* Inputs x [b, l, h, e], w [layer, 3, e], bias [l, l]; outputs y and, with gradients of the sum of
 * its squares, dx and dw. */
Graph *attention_graph(Arena *arena, Diags *diags, const Attention *shape);

#endif
