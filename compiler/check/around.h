/* SPDX-License-Identifier: MIT */
/* Differences go around the `grad` clauses that are marked nocheck. Each value with such
 * a clause becomes an input of its own, and what the clause differentiates by becomes a
 * result beside the loss:
 *
 *     a = f(w)  y = round(a) grad ... nocheck  loss = g(y, w)
 *     ->  y: input,  loss' = g(y, w) + sum(weight * a)       by w and y
 *
 * Everything before and behind the clause is compared so, and the clause's own lines,
 * which are meant to differ from the derivative, are not. */
#ifndef TDC_AROUND_H
#define TDC_AROUND_H

#include "compiler/ir/ir.h"

typedef struct Cut {
  Node *node;  /* with the clause */
  Node *value; /* in the top region; inside loops, the stack of all iterations */
  Node *input; /* what replaces it, once it is cut */
} Cut;
typedef VEC(Cut) Cuts;
typedef VEC(Node *) CutNodes;

/* The nodes with such a clause, and the values that they are derived by, lifted to the
 * top region. What a loop cannot stack (too many axes) is returned by name, else NULL. */
const char *around_find(Graph *g, Cuts *cuts, CutNodes *results);
/* Make every node read an input: whoever calls has evaluated `value` before. */
void around_cut(Graph *g, Cuts *cuts);

#endif
