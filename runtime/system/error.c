/* SPDX-License-Identifier: MIT */
/* Statuses and messages of the runtime. */
#include "runtime/system/error.h"

#include <stdio.h>
#include <string.h>

static void error_vset(TdError *err, TdStatus status, const char *fmt, va_list ap) {
  err->status = status;
  err->signal = 0;
  vsnprintf(err->message, sizeof err->message, fmt, ap);
}

bool td_fail(TdError *err, TdStatus status, const char *fmt, ...) {
  if (err == NULL) return false;
  va_list ap;
  va_start(ap, fmt);
  error_vset(err, status, fmt, ap);
  va_end(ap);
  return false;
}

bool td_fail_errno(TdError *err, TdStatus status, int errnum, const char *fmt, ...) {
  if (err == NULL) return false;
  va_list ap;
  va_start(ap, fmt);
  error_vset(err, status, fmt, ap);
  va_end(ap);
  size_t n = strlen(err->message);
  snprintf(err->message + n, sizeof err->message - n, ": %s", strerror(errnum));
  return false;
}

bool td_fail_memory(TdError *err) { return td_fail(err, TD_IO_FAILED, "out of memory"); }
