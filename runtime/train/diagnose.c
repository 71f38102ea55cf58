/* SPDX-License-Identifier: MIT */
/* A loss that is no number: the run goes back to states that were kept some
 * steps ago, repeats the steps until a state goes bad or the failing step is
 * reached, and watches that step kernel by kernel. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

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
  if (n->where != NULL) sb_printf(s, ", computed at %s", n->where);
  if (*text != '\0') sb_printf(s, "\n    %s", text);
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
  progress_say(&t->progress, "step %" PRId64 ": %s is %s; looking for where that began", t->step,
               output, what_it_is(value));
  if (t->snapshot != NULL) {
    snapshot_restore(t->snapshot);
    source = session_check_states(t->session);
    if (source.found) {
      failing = t->snapshot_step + 1;
    } else if ((failing = find_step(t, &ignored)) > 0 && replay(t, failing - 1, &ignored) &&
               feed_train(&t->feed, t->seed, failing, &ignored)) {
      source = session_trace(t->session, t->feed.index, t->seed, failing);
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
