/* SPDX-License-Identifier: MIT */
/* The JSONL log. A line has "loss" for a training step, "valid" for an
 * evaluation, "event" for anything else. */
#include "runtime/view/logs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/system/json.h"

enum { LOG_LIMIT = 1 << 30 };

struct RunLog {
  const IoHook *hook;
  char *path;
  int fd;
  off_t whole;    /* bytes of the file that are whole lines */
  StrBuf waiting; /* lines that could not be written yet */
  bool told;      /* that they could not */
  bool lost;      /* memory was out: a line is missing */
  LogCurve train, valid;
};

static void curve_add(LogCurve *c, int64_t step, double value) {
  if (!isfinite(value)) return;
  if (c->n == c->cap) {
    size_t cap = c->cap != 0 ? 2 * c->cap : 256;
    LogPoint *more = realloc(c->at, cap * sizeof *more);
    if (more == NULL) return; /* a curve with gaps is still a curve */
    c->at = more;
    c->cap = cap;
  }
  c->at[c->n++] = (LogPoint){step, value};
}

static void log_remember(RunLog *l, int64_t step, const json_t *line) {
  const json_t *loss = json_object_get(line, "loss"), *valid = json_object_get(line, "valid");
  if (json_is_number(loss)) curve_add(&l->train, step, json_number_value(loss));
  if (json_is_object(valid) && json_is_number(json_object_get(valid, "loss")))
    curve_add(&l->valid, step, json_number_value(json_object_get(valid, "loss")));
}

/* What of an old log stays: whole lines with a step up to `keep`. */
static bool log_filter(RunLog *l, const char *text, size_t n, int64_t keep, StrBuf *out,
                       TdError *err) {
  for (size_t at = 0; at < n;) {
    const char *end = memchr(text + at, '\n', n - at);
    size_t len = end != NULL ? (size_t)(end - text) - at : n - at;
    json_error_t why;
    bool memory;
    json_t *line = json_read(text + at, len, 0, &why, &memory);
    if (memory) return td_fail_memory(err);
    const json_t *step = json_object_get(line, "step");
    if (json_is_integer(step) && json_integer_value(step) <= keep) {
      sb_write(out, text + at, len);
      sb_putc(out, '\n');
      log_remember(l, json_integer_value(step), line);
    }
    json_decref(line);
    at += len + 1;
  }
  return true;
}

static bool log_start(RunLog *l, int64_t keep, TdError *err) {
  uint8_t *text;
  size_t n;
  StrBuf kept = {0};
  if (io_exists(l->path)) {
    if (!io_read_file(l->hook, l->path, LOG_LIMIT, &text, &n, err)) return false;
    bool read = log_filter(l, (const char *)text, n, keep, &kept, err);
    free(text);
    if (!read) {
      sb_free(&kept);
      return false;
    }
  }
  l->whole = (off_t)kept.n;
  bool ok = io_write_file(l->hook, l->path, kept.s != NULL ? kept.s : "", kept.n, err);
  sb_free(&kept);
  return ok && (l->fd = io_open_append(l->hook, l->path, err)) >= 0;
}

RunLog *log_open(const IoHook *hook, const char *folder, int64_t keep, TdError *err) {
  RunLog *l = calloc(1, sizeof *l);
  if (l == NULL || (l->path = io_join(folder, "log.jsonl")) == NULL) {
    free(l);
    td_fail_memory(err);
    return NULL;
  }
  l->hook = hook;
  l->fd = -1;
  if (log_start(l, keep, err)) return l;
  log_close(l);
  return NULL;
}

void log_close(RunLog *l) {
  if (l == NULL) return;
  if (l->fd >= 0) close(l->fd);
  sb_free(&l->waiting);
  free(l->train.at);
  free(l->valid.at);
  free(l->path);
  free(l);
}

/* The lines that wait, behind the last whole one: what an attempt that failed half-way left
 * there is cut off first. */
static bool log_write_waiting(RunLog *l, TdError *err) {
  if (l->waiting.n == 0) return true;
  if (l->told && ftruncate(l->fd, l->whole) != 0)
    return td_fail_errno(err, TD_IO_FAILED, errno, "cannot write %s", l->path);
  l->told = !io_append(l->hook, l->fd, l->path, l->waiting.s, l->waiting.n, err);
  if (l->told) return false;
  l->whole += (off_t)l->waiting.n;
  sb_free(&l->waiting);
  return true;
}

bool log_write(RunLog *l, int64_t step, json_t *line, TdError *err) {
  json_t *whole = json_with(json_object(), "step", json_integer(step));
  if (whole != NULL && (line == NULL || json_object_update(whole, line) != 0)) {
    json_decref(whole);
    whole = NULL;
  }
  json_decref(line);
  if (whole != NULL) log_remember(l, step, whole);
  char *text = json_write(whole, JSON_COMPACT | JSON_REAL_PRECISION(9));
  if (text == NULL) {
    l->lost = true;
    return td_fail_memory(err);
  }
  sb_printf(&l->waiting, "%s\n", text);
  free(text);
  bool told = l->told;
  return log_write_waiting(l, err) || told; /* said once, not with every line */
}

bool log_finish(RunLog *l, TdError *err) {
  if (!log_write_waiting(l, err)) return false;
  return !l->lost || td_fail(err, TD_IO_FAILED, "%s lacks lines: memory was out", l->path);
}

const LogCurve *log_losses(const RunLog *l) { return &l->train; }
const LogCurve *log_validation(const RunLog *l) { return &l->valid; }
