/* SPDX-License-Identifier: MIT */
/* How the runtime says that something failed: a status, which is also the
 * command's exit code, and one message for a person (td.h declares both).
 * Functions return false (or NULL) after filling the TdError they were given;
 * nothing here exits. */
#ifndef TDC_ERROR_H
#define TDC_ERROR_H

#include "dsl/base.h"
#include "runtime/td.h"

/* Fill the error and return false. A NULL error is allowed. */
bool td_fail(TdError *err, TdStatus status, const char *fmt, ...) TD_PRINTF(3, 4);
/* The same for a system call: ": " and what errno means are appended. */
bool td_fail_errno(TdError *err, TdStatus status, int errnum, const char *fmt, ...) TD_PRINTF(4, 5);
/* "out of memory", as every failing allocation reports it. */
bool td_fail_memory(TdError *err);

#endif
