/* SPDX-License-Identifier: MIT */
/* Programs for CUDA on the emulated GPU (tests/cuda_emu), against what their graphs mean. */
#ifndef TDC_TESTS_EMULATED_H
#define TDC_TESTS_EMULATED_H

#include "compiler/ir/ir.h"
#include "runtime/session.h"

/* From now on this process finds the emulated libraries. Before the first session; every load
 * and store of kernels is watched from then on if `checked`, and memory is not zero at first. */
void emulate(bool checked);

/* The graph of a text without its first line; an error, told with this name, ends the process. */
Graph *emulated_graph(Arena *a, const char *name, const char *text);

/* A session with all entries prepared; NULL after an error on stderr. Kernels come from the
 * cache that tests share. */
Session *emulated_session(const TdProgram *p);

/* Like compiled_compare (compiled.h), with the same values: fill inputs and states at random,
 * run graph and entry `rounds` times, compare outputs and states. What the device told counts
 * as a value that differs. */
int emulated_compare(Session *s, int entry, Graph *g, uint64_t seed, double tolerance, int rounds);

#endif
