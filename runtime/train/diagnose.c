/* SPDX-License-Identifier: MIT */
/* A loss that is no number: the run goes back to states that were kept some
 * steps ago, repeats the steps until a state goes bad or the failing step is
 * reached, and watches that step statement by statement. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "runtime/machine.h"
#include "runtime/system/json.h"
#include "runtime/train/train_internal.h"

static const char *what_it_is(double x) { return isnan(x) ? "NaN" : "infinite"; }

static void say_source(const NanSource *n, StrBuf *s) {
  const char *text = n->text != NULL ? n->text : "";
  while (*text == ' ') text++;
  if (n->kernel == NULL) {
    sb_printf(s, "; '%s'[%" PRId64 "] was %s already before that step", n->tensor, n->index,
              n->infinite ? "infinite" : "NaN");
    return;
  }
  sb_printf(s, "; the first %s is '%s'[%" PRId64 "]", n->infinite ? "infinity" : "NaN", n->tensor,
            n->index);
  if (n->where != NULL && *n->where != '\0') sb_printf(s, ", computed at %s", n->where);
  if (n->inside != NULL) sb_printf(s, " (within the library, %s)", n->inside);
  if (*text != '\0') sb_printf(s, "\n    %s", text);
  if (n->first != NULL)
    sb_printf(s, "\n  It comes of an infinity in '%s'[%" PRId64 "], computed at %s", n->first,
              n->first_index, n->first_where);
}

/* ---- statement by statement ------------------------------------------------------------- */

/* What both programs keep under one name. */
static bool copy_states(const Session *from, Session *to, TdError *err) {
  enum { PIECE = 1 << 14 };
  const TdProgram *p = session_program(to);
  double piece[PIECE / sizeof(double)];
  for (int i = 0; i < p->nstates; i++) {
    int source = session_state(from, p->states[i].name);
    if (source < 0) continue;
    int64_t most = PIECE / (int64_t)td_type_size(p->states[i].type);
    for (int64_t k = 0; k < p->states[i].count; k += most) {
      int64_t some = p->states[i].count - k < most ? p->states[i].count - k : most;
      if (!session_read_state(from, source, k, some, piece, err)) return false;
      session_write_state(to, i, k, some, piece);
    }
  }
  return true;
}

/* Where every statement's value is kept, memory may not suffice. Other memory than the host's the
 * device that has it looks at. */
static bool fits(const Unit *u, const char *device) {
  size_t need;
  double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 2;
  return td_program_memory(u->program, u->threads, &need) &&
         (!machine_on_host(device) || (double)need <= have) &&
         (u->memory <= 0 || (int64_t)need <= u->memory);
}

/* A kernel computes several statements, and what passes from one to the next is nowhere to be
 * looked at. So the step is taken once more by a program in which each has a kernel of its
 * own, on such a device as the run's. False when that cannot be, or finds nothing: its sums may be
 * rounded otherwise. */
static bool trace_statements(Trainer *t, int64_t step, NanSource *source) {
  static const char *const entries[] = {"train", NULL};
  TdError err = {0};
  Unit plain = *t->unit;
  Machine m = {0};
  Feed feed = {0};
  JitOptions o = {.stop = t->o->stop};
  const char *device = session_device(t->session), *target = machine_target(device, NULL);
  if (target == NULL) device = target = "cpu"; /* a device of the tests' */
  plain.program = unit_plain(t->unit, "train", target);
  bool ok = plain.program != NULL && fits(&plain, device) &&
            machine_open(&m, device, &plain, 0, &o, &err) &&
            session_need(m.session, entries, &err) && copy_states(t->session, m.session, &err) &&
            feed_open(&feed, m.session, &plain, "train", t->feed.data, &err) &&
            feed_train(&feed, t->seed, step, &err);
  if (ok) *source = session_trace(m.session, feed.index, t->seed, step);
  feed_close(&feed);
  machine_close(&m);
  return ok && source->found;
}

/* Puts the kept states back and runs forward to the end of step `until`. */
static bool replay(Trainer *t, int64_t until, TdError *err) {
  snapshot_restore(t->snapshot);
  for (int64_t k = t->snapshot_step + 1; k <= until; k++) {
    if (!feed_train(&t->feed, t->seed, k, err)) return false;
    session_run(t->session, t->feed.index, t->seed, k);
  }
  return true;
}

/* The step, at most t->step, in which something first went wrong. */
static int64_t find_step(Trainer *t, TdError *err) {
  snapshot_restore(t->snapshot);
  for (int64_t k = t->snapshot_step + 1; k < t->step; k++) {
    if (!feed_train(&t->feed, t->seed, k, err)) return -1;
    session_run(t->session, t->feed.index, t->seed, k);
    if (session_check_states(t->session).found) return k;
  }
  return t->step;
}

bool trainer_diagnose(Trainer *t, const char *output, double value, TdError *err) {
  StrBuf s = {0};
  NanSource source = {0};
  int64_t failing = t->step;
  TdError ignored = {0};
  t->feed.series = NULL; /* steps are repeated one by one */
  progress_say(&t->progress, "step %" PRId64 ": %s is %s; looking for where that began", t->step,
               output, what_it_is(value));
  if (t->snapshot != NULL) {
    snapshot_restore(t->snapshot);
    source = session_check_states(t->session);
    if (source.found) {
      failing = t->snapshot_step + 1;
    } else if ((failing = find_step(t, &ignored)) > 0 && replay(t, failing - 1, &ignored) &&
               feed_train(&t->feed, t->seed, failing, &ignored)) {
      NanSource whole, part;
      bool kernels = strcmp(session_device(t->session), "reference") != 0;
      bool found = kernels && trace_statements(t, failing, &part);
      whole = session_trace(t->session, t->feed.index, t->seed, failing);
      source = found && part.infinite == whole.infinite ? part : whole;
    }
  }
  sb_printf(&s, "step %" PRId64 ": %s is %s", t->step, output, what_it_is(value));
  if (source.found && failing > 0 && failing != t->step)
    sb_printf(&s, "; it began in step %" PRId64, failing);
  if (source.found) say_source(&source, &s);
  if (t->saved >= 0)
    sb_printf(&s,
              "\n  The newest checkpoint, of step %" PRId64
              ", is whole. A lower learning rate, clipping or another "
              "seed may help.",
              t->saved);
  td_fail(err, TD_NOT_FINITE, "%s", s.s != NULL ? s.s : "the loss is no number");
  trainer_log(t, json_with(json_with(json_object(), "event", json_text("not finite")), "message",
                           json_text(err->message)));
  sb_free(&s);
  return false;
}
