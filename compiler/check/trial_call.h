/* SPDX-License-Identifier: MIT */
/* Calls with arguments of our own choosing, while a unit is being lowered. */
#ifndef TDC_TRIAL_CALL_H
#define TDC_TRIAL_CALL_H

#include "compiler/check/trial.h"
#include "compiler/lower/lower.h"

/* Call fn in an entry of its own, with arguments of our choosing: by chance, or
 * without options the same every time. Then attempt 0 takes the dims that
 * bear the names of indices; others, trial_attempts in all, tell index names
 * apart (bit 0) and pass truth values for bare tensors (bits 1 ..).
 * Poison after an error. The caller keeps a copy of Lowering and puts it back.
 * l->assumed then says what was chosen. */
int trial_attempts(const ADecl *d);
Value *trial_call(Lowering *l, Fn *fn, bool training, int attempt, const TrialOptions *o);

#endif
