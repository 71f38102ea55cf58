/* SPDX-License-Identifier: MIT */
/* Reverse-mode differentiation of graphs. */
#ifndef TDC_GRAD_H
#define TDC_GRAD_H

#include "compiler/ir/ir.h"

/* Append nodes that compute d loss / d wrt[k] to the top region; adjoint[k] is
 * NULL when no path leads there. loss: rank 0, real. Errors go to d. */
bool grad_reverse(Graph *g, Diags *d, Node *loss, Node *const *wrt, int n, Node **adjoint);

#endif
