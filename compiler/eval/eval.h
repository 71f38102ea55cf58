/* SPDX-License-Identifier: MIT */
/* The reference evaluator: what a graph means, in double precision. */
#ifndef TDC_EVAL_H
#define TDC_EVAL_H

#include "compiler/ir/ir.h"

typedef struct Eval Eval;
Eval *eval_new(Graph *g, uint64_t seed, int64_t step);
void eval_free(Eval *ev);
/* The storage of an N_INPUT or N_STATE, zero at first; callers fill it. */
double *eval_bind(Eval *ev, Node *n);
/* Run; NULL, or a message (index out of bounds at a named place). Afterwards
 * eval_value gives any top-region node's value; updates were applied to states. */
const char *eval_run(Eval *ev);
const double *eval_value(Eval *ev, Node *n);
void eval_set_step(Eval *ev, int64_t step);
void eval_set_seed(Eval *ev, uint64_t seed);

#endif
