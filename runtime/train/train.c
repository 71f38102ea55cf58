/* SPDX-License-Identifier: MIT */
/* The training loop. */
#include "runtime/train/train.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/sample.h"
#include "runtime/train/train_internal.h"
#include "runtime/system/json.h"

/* AHEAD: steps that a device may be ahead of who looks at their numbers; while it takes TOGETHER
 * of them, the host prepares the next. */
enum { SNAPSHOT_EVERY = 25, AHEAD = 16, TOGETHER = 8 };

/* ---- what a step reports --------------------------------------------------------- */

/* Every output of "train" that is one number, "loss" first. */
static json_t *step_values(const Trainer *t, const double *values) {
  json_t *line = json_object();
  for (int i = 0; i < t->entry->noutputs; i++)
    if (isfinite(values[i]))
      line = json_with(line, t->entry->outputs[i].name, json_real(values[i]));
  return line;
}

/* A line that is about no number. */
static json_t *event(const char *what, const char *key, json_t *value) {
  return json_with(json_with(json_object(), "event", json_text(what)), key, value);
}

static void step_facts(const Trainer *t, const double *values, double seconds, StrBuf *s) {
  char x[32];
  for (int i = 0; i < t->entry->noutputs; i++) {
    const char *name = t->entry->outputs[i].name;
    if (strcmp(name, "lr") == 0 || strcmp(name, "grad_norm") == 0) continue;
    format_number(x, values[i]);
    sb_printf(s, "%s%s %s", s->n > 0 ? "  " : "", name, x);
  }
  format_count(x, (double)t->feed.tokens_each / seconds);
  sb_printf(s, "  %s tokens/s", x);
}

/* The first output that is not finite, or -1. */
static int broken_output(const Trainer *t, const double *values) {
  for (int i = 0; i < t->entry->noutputs; i++)
    if (!isfinite(values[i])) return i;
  return -1;
}

/* ---- what happens now and then ------------------------------------------------------ */

static bool every(int64_t step, int64_t n) { return n > 0 && step % n == 0; }

/* True in *best when this was the best so far. A signal leaves it undone: the
 * loop then stops, and a resumed run begins with it. */
static bool validate(Trainer *t, bool *best, TdError *err) {
  Evaluation e;
  if (!evaluate(&t->valid, t->seed, t->plan->eval_batches, t->o->stop, &e, err))
    return err->status == TD_STOPPED;
  t->validated = t->step;
  double loss = evaluation_of(&e, "loss");
  if (!isfinite(loss)) return trainer_diagnose(t, "the validation loss", loss, err);
  *best = loss < t->best;
  t->stale = *best ? 0 : t->stale + 1;
  if (*best) {
    t->best = loss;
    t->best_step = t->step;
  }
  StrBuf s = {0};
  json_t *values = json_object();
  for (int i = 0; i < e.n; i++) {
    char x[32];
    format_number(x, e.mean[i]);
    sb_printf(&s, "%s%s %s", i > 0 ? "  " : "", e.name[i], x);
    values = json_with(values, e.name[i], json_finite(e.mean[i]));
  }
  progress_say(&t->progress, "step %" PRId64 "  validation: %s%s", t->step, s.s != NULL ? s.s : "",
               *best ? "  (best)" : "");
  trainer_log(t, json_with(json_object(), "valid", values));
  trainer_draw_curve(t);
  sb_free(&s);
  return true;
}

typedef struct Shown {
  const Vocabulary *vocabulary;
  StrBuf text;
} Shown;

static bool keep_first_row(void *ctx, const SampleFrame *f) {
  Shown *s = ctx;
  sample_spell(s->vocabulary, f, 0, f->window, &s->text);
  return true;
}

static bool show_sample(Trainer *t, TdError *err) {
  const UnitSampler *u = unit_sampler(t->unit, t->plan->sample);
  const Dataset *d = u != NULL ? data_store_find(t->o->project->data, u->data) : NULL;
  Shown shown = {.vocabulary = d != NULL ? &d->vocabulary : NULL};
  SampleRequest r = {.sampler = u,
                     .vocabulary = shown.vocabulary,
                     .seed = t->seed + (uint64_t)t->step,
                     .stop = t->o->stop};
  if (u == NULL) return true;
  bool ok = sample_run(t->session, &r, false, keep_first_row, &shown, err);
  if (ok && shown.text.s != NULL) {
    StrBuf clean = {0};
    terminal_text(&t->o->terminal, &clean, shown.text.s, shown.text.n);
    progress_say(&t->progress, "%s", clean.s != NULL ? clean.s : "");
    sb_free(&clean);
    trainer_log(t, event("sample", "text", json_text_of(shown.text.s, shown.text.n)));
  }
  sb_free(&shown.text);
  if (!ok && err->status == TD_STOPPED) return true; /* the loop sees the signal itself */
  return ok;
}

static bool logs(const Trainer *t) {
  return every(t->step, t->plan->log_every > 0 ? t->plan->log_every : 10) || t->step == t->steps ||
         t->step == 1;
}

/* After step t->step: log, validate, save, sample, each when it is due. */
static bool after_step(Trainer *t, const double *values, double seconds, TdError *err) {
  bool best = false, last = t->step == t->steps, log = logs(t);
  StrBuf facts = {0};
  step_facts(t, values, seconds, &facts);
  progress_step(&t->progress, t->step, seconds, facts.s != NULL ? facts.s : "", log);
  sb_free(&facts);
  if (log) {
    trainer_log(t, json_with(step_values(t, values), "seconds", json_real(seconds)));
  }
  if (t->has_valid && (every(t->step, t->plan->eval_every) || last) && !validate(t, &best, err))
    return false;
  if ((every(t->step, t->plan->checkpoint_every) || best || last) && !trainer_save(t, best, err))
    return false;
  return !every(t->step, t->plan->sample_every) || show_sample(t, err);
}

/* ---- the loop ------------------------------------------------------------------------- */

static void keep_states(Trainer *t) {
  if (t->snapshot == NULL || t->step % SNAPSHOT_EVERY != 0) return;
  snapshot_take(t->snapshot);
  t->snapshot_step = t->step;
}

static bool stopped(Trainer *t, TdError *err) {
  int number = (int)*t->o->stop;
  if (t->saved != t->step && !trainer_save(t, false, err)) return false;
  trainer_log(t, event("stopped", "signal", json_integer(number)));
  trainer_draw_curve(t);
  td_fail(err, TD_STOPPED, "stopped at step %" PRId64 ", saved in %s; to go on:\n  %s", t->step,
          t->o->folder,
          t->o->resume_command != NULL ? t->o->resume_command : "the same command with --resume");
  err->signal = number;
  return false;
}

/* The evaluation that a signal cut short. */
static bool catch_up(Trainer *t, TdError *err) {
  bool best = false;
  if (!t->has_valid || t->step == 0 || !every(t->step, t->plan->eval_every) ||
      t->validated == t->step)
    return true;
  return validate(t, &best, err) && (!best || trainer_save(t, true, err));
}

/* The kernels of an evaluation could not be compiled: the steps are good, and kept. */
static bool give_up(Trainer *t, const TdError *err) {
  TdError ignored = {0};
  if (err->status == TD_NO_TOOL && t->saved != t->step) trainer_save(t, false, &ignored);
  return false;
}

/* Must the numbers of step t->step be had before another one begins? A device that works beside
 * the host need not be waited for, as long as nothing rests on them. */
static bool must_look(const Trainer *t) {
  const UnitTrain *p = t->plan;
  return t->series == NULL || series_full(t->series) || logs(t) || every(t->step, p->eval_every) ||
         every(t->step, p->checkpoint_every) || every(t->step, p->sample_every) ||
         t->step % SNAPSHOT_EVERY == 0;
}

/* Reads the numbers of all steps that were not looked at, the newest into *values, and how long
 * each took. The first that is not finite ends the run at its step. */
static bool look(Trainer *t, const double **values, double *seconds, TdError *err) {
  int n = t->series != NULL ? series_length(t->series) : 1, noutputs = t->entry->noutputs;
  for (int i = 0; i < noutputs && t->series == NULL; i++)
    t->values[i] = session_scalar(t->session, t->feed.index, t->entry->outputs[i].name);
  if (t->series != NULL && !series_read(t->series, t->values, err)) return false;
  if (!session_sync(t->session, err)) return false;
  *seconds = (clock_seconds() - t->since) / n;
  for (int k = 0; k < n; k++) {
    *values = t->values + (size_t)k * (size_t)noutputs;
    int broken = broken_output(t, *values);
    if (broken < 0) continue;
    t->step -= n - 1 - k;
    return trainer_diagnose(t, t->entry->outputs[broken].name, (*values)[broken], err);
  }
  return true;
}

static bool start_step(Trainer *t, TdError *err) {
  keep_states(t);
  if (t->series == NULL || series_length(t->series) == 0) t->since = clock_seconds();
  if (!feed_train(&t->feed, t->seed, t->step + 1, err)) return false;
  if (t->series != NULL)
    series_run(t->series, t->seed, t->step + 1);
  else
    session_run(t->session, t->feed.index, t->seed, t->step + 1);
  t->step++;
  return true;
}

static bool loop(Trainer *t, TdError *err) {
  bool patient = true;
  if (!catch_up(t, err)) return false;
  while (t->step < t->steps && patient) {
    const double *values;
    double seconds;
    bool stop = t->o->stop != NULL && *t->o->stop != 0;
    if (stop && t->series != NULL && series_length(t->series) > 0 &&
        !look(t, &values, &seconds, err))
      return false;
    if (stop) return stopped(t, err);
    if (!start_step(t, err)) return false;
    if (!must_look(t)) continue;
    if (!look(t, &values, &seconds, err)) return false;
    if (!after_step(t, values, seconds, err)) return give_up(t, err);
    patient = t->plan->patience <= 0 || t->stale < t->plan->patience;
  }
  if (t->o->stop != NULL && *t->o->stop != 0 && t->has_valid && t->validated != t->step)
    return stopped(t, err);
  if (!patient)
    progress_say(&t->progress, "no better validation loss since step %" PRId64 ": stopping",
                 t->best_step);
  if (t->saved != t->step && !trainer_save(t, false, err)) return false;
  trainer_draw_curve(t);
  return true;
}

size_t train_snapshot_bytes(const Unit *u) {
  size_t all = 0, bytes = 0;
  for (int i = 0; i < u->program->nstates; i++)
    bytes += (size_t)u->program->states[i].count * td_type_size(u->program->states[i].type);
  if (u->memory <= 0) return bytes;
  bool fits = td_program_memory(u->program, u->threads, &all) &&
              all + bytes + (size_t)unit_text_bytes(u) <= (size_t)u->memory;
  return fits ? bytes : 0;
}

static bool train_prepare(Trainer *t, TdError *err) {
  if (!feed_open(&t->feed, t->session, t->unit, "train", t->o->project->data, err)) return false;
  t->entry = &session_program(t->session)->entries[t->feed.index];
  t->has_valid = unit_entry(t->unit, "eval") != NULL && session_entry(t->session, "eval") >= 0 &&
                 feed_open(&t->valid, t->session, t->unit, "eval", t->o->project->data, err);
  if (t->has_valid) feed_valid_once(&t->valid);
  t->has_valid = t->has_valid && feed_valid_batches(&t->valid) > 0;
  int init = session_entry(t->session, "init");
  if (init < 0) bug("the program has no init");
  if (!session_need(t->session, (const char *const[]){"init", "train", NULL}, err)) return false;
  session_clear(t->session); /* nothing of an earlier run stays */
  session_run(t->session, init, t->seed, 0);
  if (t->o->begin != NULL && !t->o->begin(t->o->begin_ctx, t->session, err)) return false;
  if (!session_sync(t->session, err)) return false;
  if (!trainer_open_folder(t, err)) return false;
  NanSource bad = session_check_states(t->session);
  if (bad.found)
    return td_fail(err, TD_NOT_FINITE, "'%s'[%" PRId64 "] is %s before step %" PRId64, bad.tensor,
                   bad.index, bad.infinite ? "infinite" : "NaN", t->step + 1);
  int room = t->entry->noutputs * AHEAD;
  t->values = calloc((size_t)room + 1, sizeof *t->values);
  if (t->values == NULL) return td_fail_memory(err);
  if (session_behind(t->session) && !feed_series(&t->feed, AHEAD, TOGETHER, err)) return false;
  t->series = t->feed.series;
  if (train_snapshot_bytes(t->unit) > 0) t->snapshot = snapshot_new(t->session);
  if (t->snapshot != NULL) {
    snapshot_take(t->snapshot);
    t->snapshot_step = t->step;
  }
  t->progress = progress_new(t->o->terminal, t->step, t->steps, t->o->quiet);
  if (t->step >= t->steps)
    progress_say(&t->progress,
                 "the run is at step %" PRId64 " of %" PRId64 " already; --steps N trains on",
                 t->step, t->steps);
  if (!t->has_valid && t->plan->eval_every > 0)
    progress_say(&t->progress,
                 "no validation: the held-out part of the data is shorter than a window");
  return true;
}

bool train_run(const TrainOptions *o, TdError *err) {
  const Unit *u = o->project->unit;
  if (!u->train.present) return td_fail(err, TD_BAD_FILE, "%s has no train { } block", u->path);
  Trainer t = {.o = o,
               .unit = u,
               .plan = &u->train,
               .session = o->session,
               .best = (double)INFINITY,
               .saved = -1,
               .lock = -1,
               .seed = o->seed,
               .steps = o->steps > 0 ? o->steps : u->train.steps};
  t.progress = progress_new(o->terminal, 0, t.steps, o->quiet);
  TdError ignored = {0};
  bool ok = train_prepare(&t, err) && loop(&t, err);
  progress_end(&t.progress);
  if (t.log != NULL && !log_finish(t.log, ok ? err : &ignored)) ok = false;
  log_close(t.log);
  io_unlock(t.lock);
  snapshot_free(t.snapshot);
  free(t.values);
  feed_close(&t.feed);
  feed_close(&t.valid);
  free(t.record);
  free(t.wanted);
  return ok;
}
