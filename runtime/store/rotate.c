/* SPDX-License-Identifier: MIT */
/* The checkpoints of a run's folder: which is newest, which is best, which may
 * go. */
#include "runtime/store/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = ".safetensors";

char *checkpoint_step_path(const char *folder, int64_t step) {
  char name[64];
  snprintf(name, sizeof name, "step-%08" PRId64 "%s", step, suffix);
  return io_join(folder, name);
}

/* The step in "step-00001000.safetensors", or -1. */
static int64_t step_of(const char *name) {
  if (strncmp(name, "step-", 5) != 0) return -1;
  char *end;
  errno = 0;
  long long step = name[5] >= '0' && name[5] <= '9' ? strtoll(name + 5, &end, 10) : -1;
  return step >= 0 && errno == 0 && strcmp(end, suffix) == 0 ? step : -1;
}

static int newest_first(const void *x, const void *y) {
  int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
  return a > b ? -1 : a < b;
}

/* Steps that have a checkpoint, newest first. malloc'ed; NULL when memory is
 * out; an absent folder has none. */
static int64_t *list_steps(const char *folder, int *n) {
  int cap = 16;
  int64_t *steps = malloc((size_t)cap * sizeof *steps);
  *n = 0;
  DIR *d = steps != NULL ? opendir(folder) : NULL;
  bool whole = d != NULL || errno != ENOMEM;
  for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
    int64_t step = step_of(e->d_name);
    if (step < 0) continue;
    if (*n == cap) {
      int64_t *more = realloc(steps, (size_t)(cap *= 2) * sizeof *steps);
      whole = more != NULL;
      if (!whole) break;
      steps = more;
    }
    steps[(*n)++] = step;
  }
  if (d != NULL) closedir(d);
  if (steps != NULL && whole) {
    qsort(steps, (size_t)*n, sizeof *steps, newest_first);
    return steps;
  }
  free(steps);
  return NULL;
}

Checkpoint *checkpoint_newest(const IoHook *hook, const char *folder, StrBuf *warnings,
                              TdError *err) {
  int n;
  int64_t *steps = list_steps(folder, &n);
  if (steps == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  Checkpoint *found = NULL;
  *err = (TdError){0};
  for (int i = 0; i <= n && found == NULL; i++) {
    char *path =
        i < n ? checkpoint_step_path(folder, steps[i]) : io_join(folder, "best.safetensors");
    if (path == NULL) {
      td_fail_memory(err);
      break;
    }
    if (i < n || io_exists(path)) {
      TdError why = {0};
      found = checkpoint_open(hook, path, &why);
      if (found == NULL) {
        *err = why;
        if (warnings != NULL) sb_printf(warnings, "%s\n", why.message);
      }
    }
    free(path);
  }
  free(steps);
  if (found != NULL) *err = (TdError){0};
  return found;
}

bool checkpoint_newest_step(const char *folder, int64_t *newest, TdError *err) {
  int n;
  int64_t *steps = list_steps(folder, &n);
  if (steps == NULL) return td_fail_memory(err);
  *newest = n > 0 ? steps[0] : -1;
  free(steps);
  return true;
}

/* Where links are not to be had, the bytes are written once more. */
static bool copy_file(const IoHook *hook, const char *from, const char *to, TdError *err) {
  uint8_t *bytes;
  size_t n;
  if (!io_read_file(hook, from, SIZE_MAX / 2, &bytes, &n, err)) return false;
  bool ok = io_write_file(hook, to, bytes, n, err);
  free(bytes);
  return ok;
}

bool checkpoint_mark_best(const IoHook *hook, const char *folder, int64_t step, TdError *err) {
  char *from = checkpoint_step_path(folder, step), *to = io_join(folder, "best.safetensors");
  bool ok = (from != NULL && to != NULL) || td_fail_memory(err);
  if (ok && !io_link(hook, from, to)) ok = copy_file(hook, from, to, err);
  free(from);
  free(to);
  return ok;
}

/* Oldest first, so that an interruption leaves the newest. */
static bool remove_older(const IoHook *hook, const char *folder, int64_t keep, TdError *err) {
  int n;
  int64_t *steps = list_steps(folder, &n);
  if (steps == NULL) return td_fail_memory(err);
  bool ok = true;
  for (int i = n - 1; ok && i >= keep; i--) {
    char *path = checkpoint_step_path(folder, steps[i]);
    ok = path != NULL ? io_remove(hook, path, err) : td_fail_memory(err);
    free(path);
  }
  free(steps);
  return ok;
}

bool checkpoint_rotate(const IoHook *hook, const char *folder, int64_t keep, TdError *err) {
  return remove_older(hook, folder, keep < 2 ? 2 : keep, err);
}

bool checkpoint_remove_all(const IoHook *hook, const char *folder, TdError *err) {
  return remove_older(hook, folder, 0, err);
}
