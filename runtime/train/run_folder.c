/* SPDX-License-Identifier: MIT */
/* A run's folder: who may use it, what it holds, going on from it.
 *   lock  log.jsonl  curve.svg  run.json  samples.txt
 *   step-00001000.safetensors ...  best.safetensors                          */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include "runtime/store/record.h"
#include "runtime/store/weights.h"
#include "runtime/system/json.h"
#include "runtime/train/train_internal.h"

/* Sampler states are made anew by each sampler: a checkpoint keeps what the
 * training entries touch. */
static bool choose_states(Trainer *t, TdError *err) {
  static const char *const entries[] = {"init", "train", "eval"};
  const TdProgram *p = session_program(t->session);
  t->wanted = calloc((size_t)p->nstates + 1, sizeof *t->wanted);
  if (t->wanted == NULL) return td_fail_memory(err);
  for (size_t k = 0; k < sizeof entries / sizeof entries[0]; k++) {
    int e = session_entry(t->session, entries[k]);
    for (int i = 0; e >= 0 && i < p->entries[e].nbuffers; i++)
      if (p->entries[e].buffers[i].kind == TD_STATE)
        t->wanted[p->entries[e].buffers[i].state] = true;
  }
  return true;
}

static const Dataset *trained_on(const Trainer *t) {
  return data_store_find(t->o->project->data, t->plan->data);
}

/* The text that the checkpoint's run read, by its SHA-256; NULL when it does not say. */
static const char *text_before(const json_t *record, const char *data) {
  size_t i;
  json_t *one;
  json_array_foreach(json_object_get(record, "data"), i, one) {
    const char *name = json_string_value(json_object_get(one, "name"));
    if (name != NULL && strcmp(name, data) == 0)
      return json_string_value(json_object_get(one, "sha256"));
  }
  return NULL;
}

/* Sums of products are other ones in their last bits where these are made in another way: by a
 * flag, or on a processor without the tiles that a kind of them wants. */
static void compare_products(Trainer *t, const json_t *before) {
  const char *was = record_products(before), *is = record_products(t->o->record);
  if (was != NULL && is != NULL && strcmp(was, is) != 0)
    progress_say(&t->progress,
                 "going on with products made as %s, which were made as %s: "
                 "results differ in their last bits",
                 is, was);
}

/* Another text of the same symbols goes on only where that is meant, and is told of. */
static bool same_record(Trainer *t, const Checkpoint *c, TdError *err) {
  const Dataset *d = trained_on(t);
  const char *record = checkpoint_info(c)->record;
  json_error_t why;
  bool memory = false;
  json_t *o = record != NULL ? json_read(record, strlen(record), 0, &why, &memory) : NULL;
  const char *before = d != NULL ? text_before(o, d->name) : NULL;
  bool same = before == NULL || strcmp(before, d->sha256) == 0;
  compare_products(t, o);
  json_decref(o);
  if (memory) return td_fail_memory(err);
  if (!same && !t->o->other_text)
    return td_fail(err, TD_BAD_USAGE,
                   "%s was trained on another text than %s is now; --data PATH says that it is "
                   "meant, -o FOLDER begins anew",
                   checkpoint_path(c), d->path);
  if (!same) progress_say(&t->progress, "going on with another text: %s", d->path);
  return true;
}

static bool restore(Trainer *t, Checkpoint *c, TdError *err) {
  const CheckpointInfo *i = checkpoint_info(c);
  if (i->weights_only)
    return td_fail(err, TD_BAD_USAGE, "%s holds weights only: it cannot be resumed",
                   checkpoint_path(c));
  if (t->o->has_seed && t->o->seed != i->seed)
    return td_fail(err, TD_BAD_USAGE,
                   "the run in %s has the seed %" PRIu64 ": --seed cannot change it", t->o->folder,
                   i->seed);
  if (!weights_fit(t->o->project, c, err) || !same_record(t, c, err)) return false;
  int n;
  StRemote states = weights_states(t->session);
  CheckpointTensor *list = checkpoint_tensors(t->unit->program, &states, t->wanted, &n);
  bool ok = list != NULL ? checkpoint_read(c, list, n, err) : td_fail_memory(err);
  ok = ok && session_sync(t->session, err);
  free(list);
  t->step = t->saved = i->step;
  t->seed = i->seed;
  t->best = i->best;
  t->best_step = i->best_step;
  t->stale = i->stale;
  t->validated = i->validated;
  return ok;
}

/* Removes checkpoints of an earlier run. */
static bool start_over(Trainer *t, TdError *err) {
  char *best = io_join(t->o->folder, "best.safetensors");
  bool ok = best != NULL ? io_remove(t->o->hook, best, err) : td_fail_memory(err);
  free(best);
  return ok && checkpoint_remove_all(t->o->hook, t->o->folder, err);
}

/* May files be made there, or, while it is not there, in what would hold it? */
static bool folder_writable(const char *folder, TdError *err) {
  char *at = strdup(folder);
  while (at != NULL && !io_exists(at) && strcmp(at, ".") != 0 && strcmp(at, "/") != 0) {
    char *up = io_dirname(at);
    free(at);
    at = up;
  }
  if (at == NULL) return td_fail_memory(err);
  struct stat st;
  int wrong = stat(at, &st) == 0 && !S_ISDIR(st.st_mode) ? ENOTDIR
              : access(at, W_OK | X_OK) == 0             ? 0
                                                         : errno;
  free(at);
  return wrong == 0 || td_fail_errno(err, TD_IO_FAILED, wrong, "cannot write into %s", folder);
}

bool train_folder_fits(const char *folder, bool resume, bool overwrite, TdError *err) {
  if (!folder_writable(folder, err)) return false;
  int64_t step;
  if (!checkpoint_newest_step(folder, &step, err)) return false;
  if (step < 0 && resume)
    return td_fail(err, TD_BAD_USAGE, "%s has no checkpoint to resume from", folder);
  if (step < 0 || resume || overwrite) return true;
  return td_fail(err, TD_BAD_USAGE,
                 "%s already holds a run, at step %" PRId64
                 "; --resume goes on with it, --overwrite "
                 "starts over, -o FOLDER trains elsewhere",
                 folder, step);
}

static bool resume_or_begin(Trainer *t, TdError *err) {
  StrBuf warnings = {0};
  if (!train_folder_fits(t->o->folder, t->o->resume, t->o->overwrite, err)) return false;
  if (!t->o->resume) return !t->o->overwrite || start_over(t, err);
  Checkpoint *c = checkpoint_newest(t->o->hook, t->o->folder, &warnings, err);
  bool ok = c != NULL;
  if (warnings.s != NULL)
    progress_say(&t->progress, "%.*s", (int)strcspn(warnings.s, "\n"), warnings.s);
  sb_free(&warnings);
  if (ok) {
    ok = restore(t, c, err);
    if (ok)
      progress_say(&t->progress, "resuming at step %" PRId64 " from %s", t->step,
                   checkpoint_path(c));
  }
  checkpoint_close(c);
  return ok;
}

static bool write_record(Trainer *t, TdError *err) {
  t->record = json_spell(t->o->record, JSON_INDENT(2));
  char *path = io_join(t->o->folder, "run.json");
  bool ok = t->record != NULL && path != NULL
                ? io_write_file(t->o->hook, path, t->record, strlen(t->record), err)
                : td_fail_memory(err);
  free(path);
  return ok;
}

bool trainer_open_folder(Trainer *t, TdError *err) {
  if (!io_make_folders(t->o->hook, t->o->folder, false, err)) return false;
  t->lock = io_lock(t->o->folder, err);
  if (t->lock < 0) return false;
  io_sweep(t->o->folder);
  if (!choose_states(t, err) || !resume_or_begin(t, err) || !write_record(t, err)) return false;
  t->log = log_open(t->o->hook, t->o->folder, t->step, err);
  return t->log != NULL;
}

bool trainer_save(Trainer *t, bool best, TdError *err) {
  int n;
  StrBuf vocabulary = {0}, unigram = {0};
  const Dataset *d = trained_on(t);
  if (d != NULL) vocabulary_write(&d->vocabulary, &vocabulary);
  if (d != NULL) dataset_write_unigram(d, &unigram);
  CheckpointInfo info = {.program = t->unit->name,
                         .step = t->step,
                         .seed = t->seed,
                         .position = t->step * t->feed.rows,
                         .best = t->best,
                         .best_step = t->best_step,
                         .stale = t->stale,
                         .validated = t->validated,
                         .record = t->record,
                         .vocabulary = vocabulary.s,
                         .unigram = unigram.s,
                         .tokens = d != NULL ? tokens_name(d->vocabulary.kind) : NULL};
  StRemote states = weights_states(t->session);
  CheckpointTensor *list = checkpoint_tensors(t->unit->program, &states, t->wanted, &n);
  bool ok = list != NULL || td_fail_memory(err);
  ok = ok && checkpoint_save_step(t->o->hook, t->o->folder, best, list, n, &info, err);
  if (ok) t->saved = t->step;
  ok = ok && checkpoint_rotate(t->o->hook, t->o->folder, t->plan->keep, err);
  sb_free(&vocabulary);
  sb_free(&unigram);
  free(list);
  return ok;
}

/* A line that memory does not suffice for is said by the log. */
static void print_line(const Trainer *t, json_t *line) {
  json_t *whole = json_with(json_object(), "step", json_integer(t->step));
  bool ok = whole != NULL && line != NULL && json_object_update(whole, line) == 0;
  size_t safe = isatty(fileno(t->o->json)) ? JSON_ENSURE_ASCII : 0;
  char *text = ok ? json_spell(whole, JSON_COMPACT | JSON_REAL_PRECISION(9) | safe) : NULL;
  if (text != NULL) fprintf(t->o->json, "%s\n", text);
  fflush(t->o->json);
  free(text);
  json_decref(whole);
}

/* "cpu": seconds that all threads of this process have computed; a resumed run begins at 0. */
void trainer_log(Trainer *t, json_t *line) {
  TdError err = {0};
  line = json_with(line, "cpu", json_real(cpu_seconds()));
  if (t->o->json != NULL) print_line(t, line);
  if (!log_write(t->log, t->step, line, &err))
    progress_say(&t->progress, "warning: %s", err.message);
}

void trainer_draw_curve(Trainer *t) {
  TdError err = {0};
  char *path = io_join(t->o->folder, "curve.svg");
  if (path != NULL && !curve_write(t->o->hook, path, t->unit->name, log_losses(t->log),
                                   log_validation(t->log), &err))
    progress_say(&t->progress, "warning: %s", err.message);
  free(path);
}
