/* SPDX-License-Identifier: MIT */
/* What training a model took: its runs' logs, and their numbers at equal cost. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"
#include "runtime/system/json.h"

enum { LOG_LIMIT = 1 << 30 };

static bool ends_in(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);
  return n >= m && strcmp(s + n - m, end) == 0;
}

/* The log that belongs to weights: in the folder that they name, or beside the file, or what they
 * name is a log; malloc'ed, NULL when there is none. */
static char *log_of(const char *weights) {
  if (ends_in(weights, ".jsonl")) return strdup(weights);
  char *inside = io_join(weights, "log.jsonl");
  if (inside != NULL && io_exists(inside)) return inside;
  free(inside);
  char *folder = io_dirname(weights),
       *beside = folder != NULL ? io_join(folder, "log.jsonl") : NULL;
  free(folder);
  if (beside != NULL && io_exists(beside)) return beside;
  free(beside);
  return NULL;
}

static bool effort_add(Effort *e, EffortPoint p, TdError *err) {
  EffortPoint *more = realloc(e->at, (e->n + 1) * sizeof *more);
  if (more == NULL) return td_fail_memory(err);
  e->at = more;
  e->at[e->n++] = p;
  return true;
}

/* Lines of a log. A run that was resumed begins to count its CPU seconds anew. */
static bool effort_lines(Effort *e, const char *text, size_t n, const char *metric, double each,
                         TdError *err) {
  double before = 0, last = 0;
  for (size_t at = 0; at < n;) {
    const char *end = memchr(text + at, '\n', n - at);
    size_t length = end != NULL ? (size_t)(end - text) - at : n - at;
    json_error_t why;
    bool memory;
    json_t *line = json_read(text + at, length, 0, &why, &memory);
    if (memory) return td_fail_memory(err);
    const json_t *step = json_object_get(line, "step"), *cpu = json_object_get(line, "cpu"),
                 *value = json_object_get(json_object_get(line, "valid"), metric);
    double now = json_is_number(cpu) ? json_number_value(cpu) : (double)NAN;
    if (now < last) before += last;
    if (!isnan(now)) last = now;
    bool ok = true;
    if (json_is_integer(step) && json_is_number(value))
      ok = effort_add(e,
                      (EffortPoint){(double)json_integer_value(step) * each, before + now,
                                    json_number_value(value)},
                      err);
    json_decref(line);
    if (!ok) return false;
    at += length + 1;
  }
  return true;
}

bool effort_read(Effort *e, const char *weights, const char *metric, const UnitTrain *train,
                 TdError *err) {
  *e = (Effort){0};
  char *path = log_of(weights);
  if (path == NULL) return true;
  uint8_t *text = NULL;
  size_t n = 0;
  bool ok = io_read_file(NULL, path, LOG_LIMIT, &text, &n, err) &&
            effort_lines(e, (const char *)text, n, metric,
                         (double)train->batch * (double)train->window, err);
  free(text);
  free(path);
  return ok;
}

double effort_cost(const EffortPoint *p, EffortCost of) {
  return of == EFFORT_CPU ? p->cpu : p->characters;
}

double effort_at(const Effort *e, EffortCost of, double cost) {
  for (size_t i = 0; i < e->n; i++) {
    double here = effort_cost(&e->at[i], of), value = e->at[i].value;
    if (here == cost) return value;
    if (!(here > cost)) continue;
    if (i == 0) return (double)NAN;
    double past = effort_cost(&e->at[i - 1], of);
    return e->at[i - 1].value + (value - e->at[i - 1].value) * (cost - past) / (here - past);
  }
  return (double)NAN;
}

/* Where the shortest of all runs ends; NaN where there is none, or one tells no such cost. */
static double common_cost(const Comparison *k, EffortCost of) {
  double least = (double)INFINITY;
  for (int i = 0; i < k->n; i++)
    for (int s = 0; s < k->models[i].nefforts; s++) {
      const Effort *e = &k->models[i].efforts[s];
      double end = e->n > 0 ? effort_cost(&e->at[e->n - 1], of) : (double)INFINITY;
      if (isnan(end)) return end;
      least = fmin(least, end);
    }
  return isfinite(least) ? least : (double)NAN;
}

void compare_effort(Comparison *k) {
  for (int c = 0; c < EFFORT_COSTS; c++) k->common[c] = common_cost(k, (EffortCost)c);
  for (int i = 0; i < k->n; i++)
    for (int s = 0; s < k->models[i].nefforts && s < MOST_SEEDS; s++) {
      const Effort *e = &k->models[i].efforts[s];
      double(*value)[MOST_SEEDS] = k->models[i].value;
      if (e->n == 0) continue;
      value[R_TRAIN_CPU][s] = e->at[e->n - 1].cpu;
      value[R_TRAIN_CHARACTERS][s] = e->at[e->n - 1].characters / 1e6;
      value[R_TRAIN_BEST][s] = e->at[0].value;
      for (size_t p = 1; p < e->n; p++)
        value[R_TRAIN_BEST][s] = fmin(value[R_TRAIN_BEST][s], e->at[p].value);
      value[R_AT_CPU][s] = effort_at(e, EFFORT_CPU, k->common[EFFORT_CPU]);
      value[R_AT_CHARACTERS][s] = effort_at(e, EFFORT_CHARACTERS, k->common[EFFORT_CHARACTERS]);
    }
}

void efforts_free(Compared *m) {
  for (int i = 0; i < m->nefforts; i++) free(m->efforts[i].at);
  free(m->efforts);
}
