/* SPDX-License-Identifier: MIT */
/* A graph of one's own, for whoever rewrites what others still read. */
#ifndef TDC_CLONE_H
#define TDC_CLONE_H

#include "compiler/ir/ir.h"

/* A copy that shares nothing with g but names and spans; without users' derivatives, which
 * were taken. */
Graph *graph_clone(Arena *a, const Graph *g);

#endif
