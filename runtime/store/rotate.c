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

typedef struct Steps {
  int64_t *at; /* malloc'ed */
  int n, cap;
} Steps;

static bool steps_add(Steps *s, int64_t step) {
  if (s->n == s->cap) {
    int cap = s->cap != 0 ? 2 * s->cap : 16;
    int64_t *more = realloc(s->at, (size_t)cap * sizeof *more);
    if (more == NULL) return false;
    s->at = more;
    s->cap = cap;
  }
  s->at[s->n++] = step;
  return true;
}

/* Steps that have a checkpoint, newest first. An absent folder has none; one that cannot be
 * looked into may hold any. */
static bool list_steps(const char *folder, Steps *s, TdError *err) {
  *s = (Steps){0};
  DIR *d = opendir(folder);
  if (d == NULL)
    return errno == ENOENT ||
           td_fail_errno(err, TD_IO_FAILED, errno, "cannot look into %s", folder);
  bool ok = true;
  errno = 0;
  for (struct dirent *e; ok && (e = readdir(d)) != NULL; errno = 0) {
    int64_t step = step_of(e->d_name);
    if (step >= 0 && !steps_add(s, step)) ok = td_fail_memory(err);
  }
  if (ok && errno != 0) ok = td_fail_errno(err, TD_IO_FAILED, errno, "cannot look into %s", folder);
  closedir(d);
  if (s->n > 1) qsort(s->at, (size_t)s->n, sizeof *s->at, newest_first);
  if (ok) return true;
  free(s->at);
  return false;
}

Checkpoint *checkpoint_newest(const IoHook *hook, const char *folder, StrBuf *warnings,
                              TdError *err) {
  Steps steps;
  if (!list_steps(folder, &steps, err)) return NULL;
  Checkpoint *found = NULL;
  const int n = steps.n;
  *err = (TdError){0};
  for (int i = 0; i <= n && found == NULL; i++) {
    char *path =
        i < n ? checkpoint_step_path(folder, steps.at[i]) : io_join(folder, "best.safetensors");
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
  free(steps.at);
  if (found != NULL) *err = (TdError){0};
  return found;
}

bool checkpoint_newest_step(const char *folder, int64_t *newest, TdError *err) {
  Steps steps;
  if (!list_steps(folder, &steps, err)) return false;
  *newest = steps.n > 0 ? steps.at[0] : -1;
  free(steps.at);
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

bool checkpoint_save_step(const IoHook *hook, const char *folder, bool best,
                          const CheckpointTensor *tensors, int n, const CheckpointInfo *info,
                          TdError *err) {
  char *step = checkpoint_step_path(folder, info->step), *top = io_join(folder, "best.safetensors");
  bool ok = (step != NULL && top != NULL) || td_fail_memory(err);
  ok = ok && checkpoint_save(hook, best ? top : step, tensors, n, info, err);
  if (ok && best && !io_link(hook, top, step)) ok = copy_file(hook, top, step, err);
  free(step);
  free(top);
  return ok;
}

/* Oldest first, so that an interruption leaves the newest. */
static bool remove_older(const IoHook *hook, const char *folder, int64_t keep, TdError *err) {
  Steps steps;
  if (!list_steps(folder, &steps, err)) return false;
  bool ok = true;
  for (int i = steps.n - 1; ok && i >= keep; i--) {
    char *path = checkpoint_step_path(folder, steps.at[i]);
    ok = path != NULL ? io_remove(hook, path, err) : td_fail_memory(err);
    free(path);
  }
  free(steps.at);
  return ok;
}

bool checkpoint_rotate(const IoHook *hook, const char *folder, int64_t keep, TdError *err) {
  return remove_older(hook, folder, keep < 2 ? 2 : keep, err);
}

bool checkpoint_remove_all(const IoHook *hook, const char *folder, TdError *err) {
  return remove_older(hook, folder, 0, err);
}
