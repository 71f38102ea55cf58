/* SPDX-License-Identifier: MIT */
/* The invariants of a graph, which every pass may rely on and must leave: they
 * are listed in verify.c. */
#ifndef TDC_VERIFY_H
#define TDC_VERIFY_H

#include "compiler/ir/ir.h"

/* NULL when every invariant holds, else what is broken, in the arena. */
const char *ir_verify(Graph *g);
/* The same, and the node that is wrong, or NULL. */
const char *ir_verify_where(Graph *g, Node **where);

#endif
