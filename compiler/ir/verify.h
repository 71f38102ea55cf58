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
/* Are the indices of n, which computes, proved that are asked for whatever the values; `all`:
 * also those under conditions? */
bool ir_proved(Graph *g, Node *n, bool all);

/* -- refute.c ---------------------------------------------------------------------------- */
/* An index of a verified graph that is out of bounds in spite of the conditions around it,
 * and its node; NULL: none was found. For graphs that somebody wrote. */
const char *ir_refute(Graph *g, Node **where);

#endif
