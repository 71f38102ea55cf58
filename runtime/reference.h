/* SPDX-License-Identifier: MIT */
/* Running a program without a C compiler: entries go through the reference
 * evaluator, straight from their graphs and in double precision. Slower by
 * far, but the session looks the same from outside: states, inputs, outputs,
 * draws. */
#ifndef TDC_REFERENCE_H
#define TDC_REFERENCE_H

#include "compiler/unit.h"
#include "runtime/session.h"

typedef struct Reference Reference;

/* A session of the unit's program that needs no kernels. Unit and pool are
 * borrowed and must outlive it. */
Session *reference_session(const Unit *u, Pool *pool, TdError *err);

/* ---- for session.c ------------------------------------------------------------ */
void reference_run(Reference *r, Session *s, int entry, uint64_t seed, int64_t step);
/* Run an entry and find the first of its values that is not finite. */
NanSource reference_trace(Reference *r, Session *s, int entry, uint64_t seed, int64_t step);
void reference_free(Reference *r);

#endif
