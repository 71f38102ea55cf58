/* SPDX-License-Identifier: MIT */
/* The JSONL log. A line has "loss" for a training step, "valid" for an
 * evaluation, "event" for anything else. */
#include "runtime/view/logs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOG_LIMIT = 1 << 30 };

struct RunLog {
  const IoHook *hook;
  char *path;
  int fd;
  bool failed;
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
static void log_filter(RunLog *l, const char *text, size_t n, int64_t keep, StrBuf *out) {
  for (size_t at = 0; at < n;) {
    const char *end = memchr(text + at, '\n', n - at);
    size_t len = end != NULL ? (size_t)(end - text) - at : n - at;
    json_t *line = json_loadb(text + at, len, 0, NULL);
    const json_t *step = json_object_get(line, "step");
    if (json_is_integer(step) && json_integer_value(step) <= keep) {
      sb_write(out, text + at, len);
      sb_putc(out, '\n');
      log_remember(l, json_integer_value(step), line);
    }
    json_decref(line);
    at += len + 1;
  }
}

static bool log_start(RunLog *l, int64_t keep, TdError *err) {
  uint8_t *text;
  size_t n;
  StrBuf kept = {0};
  if (io_exists(l->path)) {
    if (!io_read_file(l->hook, l->path, LOG_LIMIT, &text, &n, err)) return false;
    log_filter(l, (const char *)text, n, keep, &kept);
    free(text);
  }
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
  free(l->train.at);
  free(l->valid.at);
  free(l->path);
  free(l);
}

bool log_write(RunLog *l, int64_t step, json_t *line, TdError *err) {
  json_t *whole = json_pack("{s:I}", "step", (json_int_t)step);
  json_object_update(whole, line);
  log_remember(l, step, whole);
  char *text = json_dumps(whole, JSON_COMPACT | JSON_REAL_PRECISION(9));
  json_decref(whole);
  json_decref(line);
  bool ok = true;
  if (text != NULL && !l->failed) {
    StrBuf s = {0};
    sb_printf(&s, "%s\n", text);
    ok = io_append(l->hook, l->fd, l->path, s.s, s.n, err);
    l->failed = !ok;
    sb_free(&s);
  }
  free(text);
  return ok;
}

const LogCurve *log_losses(const RunLog *l) { return &l->train; }
const LogCurve *log_validation(const RunLog *l) { return &l->valid; }
