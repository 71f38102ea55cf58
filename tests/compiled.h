/* SPDX-License-Identifier: MIT */
/* Programs run without the runtime, for tests of the compiler: a library of their
 * kernels, their storage, and a plain interpreter of an entry's steps. */
#ifndef TDC_TESTS_COMPILED_H
#define TDC_TESTS_COMPILED_H

#include "compiler/ir/ir.h"
#include "tests/library.h"

typedef struct Compiled Compiled;

/* A program of a library, which must outlive it. */
Compiled *compiled_of(const Library *l, int program);
/* A program with a library of its own; flags as of library_new. NULL after an error on stderr. */
Compiled *compiled_new(const TdProgram *p, const char *const *flags);
void compiled_free(Compiled *c);

/* Storage of a state, and of an entry's input by name: zero at first. */
void *compiled_state(Compiled *c, int state);
void *compiled_input(Compiled *c, int entry, const char *name);
/* Run; pieces go to the kernels in runs of `chunk` from the last to the first. */
void compiled_run(Compiled *c, int entry, TdControl control, int64_t chunk);
/* Run once, then `runs` times with the clock on each kernel; the table goes to stdout. */
void compiled_profile(Compiled *c, int entry, TdControl control, int runs);
const void *compiled_output(Compiled *c, int entry, const char *name, TdType *type, int64_t *count);

/* Fill inputs and states at random, run graph and program `rounds` times from the same
 * values and compare outputs and states. Returns the number of values that differ by
 * more than `tolerance` (absolute, or relative to the larger of both); says which on stderr. */
int compiled_compare(Compiled *c, int entry, Graph *g, uint64_t seed, double tolerance, int rounds);

/* What it is made of, for programs that run elsewhere. */
TdControl compared_control(uint64_t seed);
/* The next value of an input or state; *random begins with the control's seed | 1. */
double compared_value(const Node *n, uint64_t *random);
void compared_store(void *to, Type t, int64_t i, double x); /* as programs store it */
/* How many of `got` differ; says which on stderr. */
int compared(const char *what, const double *want, const void *got, TdType type, int64_t count,
             double tolerance);

#endif
