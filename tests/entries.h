/* SPDX-License-Identifier: MIT */
/* Every entry of a compiled model against the reference evaluator: the same
 * inputs, states and seed, then outputs and states compared. */
#ifndef TDC_TESTS_ENTRIES_H
#define TDC_TESTS_ENTRIES_H

#include "tests/model.h"

/* "init" first, then the others from where it ended; the training entry twice.
 * Returns how many buffers differ; says which on stderr. */
int entries_compare(const Model *m, Running *r, uint64_t seed);

#endif
