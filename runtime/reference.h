/* SPDX-License-Identifier: MIT */
/* The reference evaluator as a device: a program without a C compiler. Entries are
 * evaluated straight from their graphs and in double precision; slower by far, but the
 * session looks the same from outside: states, inputs, outputs, draws. */
#ifndef TDC_REFERENCE_H
#define TDC_REFERENCE_H

#include "compiler/unit.h"
#include "runtime/device.h"

/* For one session of the unit's program. The unit is borrowed and must outlive it. NULL
 * with a message when this machine has not the memory that the evaluator needs. */
Device *reference_device(const Unit *u, TdError *err);

#endif
