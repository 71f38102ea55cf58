/* SPDX-License-Identifier: MIT */
/* A graph of one's own, for whoever rewrites what others still read. */
#ifndef TDC_CLONE_H
#define TDC_CLONE_H

#include "compiler/ir/ir.h"

/* Without users' derivatives: those were taken. */
Graph *graph_clone(Arena *a, const Graph *g);

#endif
