/* How the runtime says that something failed: a status, which is also the
 * command's exit code, and one message for a person. Functions return false
 * (or NULL) after filling the TdError they were given; nothing here exits. */
#ifndef TDC_ERROR_H
#define TDC_ERROR_H

#include "dsl/base.h"

typedef enum TdStatus {
  TD_OK         = 0,
  TD_BAD_FILE   = 1,            /* the .td file is wrong (diagnostics were printed) */
  TD_BAD_USAGE  = 2,            /* flags, names, values */
  TD_NO_TOOL    = 3,            /* a compiler or a device is missing or broken */
  TD_IO_FAILED  = 4,            /* files, folders, memory */
  TD_DAMAGED    = 5,            /* a checkpoint or a corpus is not what it should be */
  TD_NOT_FINITE = 6,            /* NaN or infinity where a number was needed */
  TD_STOPPED    = 7             /* asked to stop; `signal` says by what */
} TdStatus;

typedef struct TdError {
  TdStatus status;
  int      signal;              /* TD_STOPPED: SIGINT, SIGTERM, ... */
  char     message[4096];
} TdError;

/* Fill the error and return false. A NULL error is allowed. */
bool td_fail(TdError *err, TdStatus status, const char *fmt, ...) TD_PRINTF(3, 4);
/* The same for a system call: ": " and what errno means are appended. */
bool td_fail_errno(TdError *err, TdStatus status, int errnum, const char *fmt, ...) TD_PRINTF(4, 5);
/* "out of memory", as every failing allocation reports it. */
bool td_fail_memory(TdError *err);

#endif
