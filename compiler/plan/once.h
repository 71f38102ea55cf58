/* SPDX-License-Identifier: MIT */
/* In which runs a value has to be computed, by what it follows from: constants alone (TD_ONCE),
 * states that the entry leaves as they are besides (TD_LASTING, in an entry that is repeated), or
 * anything else: inputs, draws, the step, a loop's counter (TD_ANEW). See once.c. */
#ifndef TDC_ONCE_H
#define TDC_ONCE_H

#include "compiler/plan/target.h"

typedef struct Once Once;

/* Of all nodes that are there now. */
Once *once_find(Graph *g, bool repeated);
/* Of one that was made since; what it reads is known. */
void once_note(Once *o, Node *n);
TdOnce once_of(const Once *o, const Node *n);
TdOnce once_of_expr(const Once *o, Expr *e);
/* Is a value of so many elements, each of so many operations, rather kept than computed anew? */
bool once_worth(const TargetCosts *c, double ops, int64_t count);

#endif
