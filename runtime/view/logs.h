/* SPDX-License-Identifier: MIT */
/* The run's log: one JSON object a line, appended as the run goes, and the
 * curve drawn from it. A resumed run first drops the lines after the step it
 * resumes from. */
#ifndef TDC_LOGS_H
#define TDC_LOGS_H

#include <jansson.h>

#include "runtime/system/io.h"

typedef struct LogPoint {
  int64_t step;
  double value;
} LogPoint;
typedef struct LogCurve {
  LogPoint *at;
  size_t n, cap;
} LogCurve;

typedef struct RunLog RunLog;

/* FOLDER/log.jsonl, its lines up to step `keep` kept. */
RunLog *log_open(const IoHook *hook, const char *folder, int64_t keep, TdError *err);
void log_close(RunLog *l);
/* Appends {"step": step, ...line}; steals `line` (NULL: memory was out). A log that cannot be
 * written does not end a run: the line waits, and is tried again with the next. False when
 * that begins, with the reason in the error. */
bool log_write(RunLog *l, int64_t step, json_t *line, TdError *err);
/* Writes what still waits. False when lines are missing in the end. */
bool log_finish(RunLog *l, TdError *err);
/* Training and validation losses so far. */
const LogCurve *log_losses(const RunLog *l);
const LogCurve *log_validation(const RunLog *l);

/* -- curve.c: FOLDER/curve.svg ------------------------------------------------ */
bool curve_write(const IoHook *hook, const char *path, const char *title, const LogCurve *train,
                 const LogCurve *valid, TdError *err);

#endif
