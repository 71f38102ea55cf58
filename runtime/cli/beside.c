/* SPDX-License-Identifier: MIT */
/* Two models that sample side by side. Where they are watched they take turns: whichever has
 * computed for less time goes next, so that at every moment both had as many seconds. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/sample.h"
#include "runtime/system/json.h"

typedef struct Race {
  Side *side[2];
  Viewer *viewer; /* or NULL */
  Page *page;     /* or NULL */
  Sampling *run[2];
  SampleFrame frame[2]; /* the last that was looked at */
} Race;

/* One turn of a model, and what it shows then. */
static bool turn(Race *r, int i, TdError *err) {
  if (!sampling_over(r->run[i]) && !sampling_step(r->run[i], err)) return false;
  if (!sampling_look(r->run[i], &r->frame[i], err)) return false;
  if (r->page != NULL) page_add_to(r->page, i, &r->frame[i]);
  if (r->side[i]->film != NULL) film_add(r->side[i]->film, &r->frame[i]);
  return true;
}

static bool turns_until(Race *r, int i, double seconds, TdError *err) {
  while (!sampling_over(r->run[i]) && r->frame[i].seconds < seconds)
    if (!turn(r, i, err)) return false;
  return true;
}

/* Seconds of one of its turns, on the average. */
static double per_turn(const Race *r, int i) {
  const SampleFrame *f = &r->frame[i];
  return f->done > 0 ? f->seconds / (double)f->done : f->seconds;
}

static int slower(const Race *r) { return per_turn(r, 0) >= per_turn(r, 1) ? 0 : 1; }

/* A turn of the slower one, unless it is ahead, and as long for the other; the same seconds for one
 * that is left. */
static bool lap(Race *r, TdError *err) {
  int slow = slower(r), fast = 1 - slow;
  double *seconds = &r->frame[slow].seconds, on = per_turn(r, slow);
  if (sampling_over(r->run[slow])) return turns_until(r, fast, r->frame[fast].seconds + on, err);
  if (!sampling_over(r->run[fast]) && *seconds > r->frame[fast].seconds)
    return turns_until(r, fast, *seconds, err);
  return turn(r, slow, err) && turns_until(r, fast, *seconds, err);
}

/* In a few seconds, however long it takes. */
static void draw(Race *r) {
  double all = 0;
  for (int i = 0; i < 2; i++)
    if (per_turn(r, i) * (double)r->frame[i].count > all)
      all = per_turn(r, i) * (double)r->frame[i].count;
  r->viewer->pace = all > 0 ? 4.0 * per_turn(r, slower(r)) / all : 0;
  viewer_draw_panes(r->viewer, (const SampleFrame *const[]){&r->frame[0], &r->frame[1]});
}

static bool race_run(Race *r, TdError *err) {
  bool ok = true;
  for (int i = 0; i < 2 && ok; i++) {
    r->run[i] = sampling_open(r->side[i]->m->session, &r->side[i]->request, err);
    ok = r->run[i] != NULL && turn(r, i, err);
  }
  if (ok && r->viewer != NULL) draw(r);
  while (ok && !(sampling_over(r->run[0]) && sampling_over(r->run[1]))) {
    ok = lap(r, err);
    if (ok && r->viewer != NULL) draw(r);
  }
  for (int i = 0; i < 2; i++) {
    if (ok) side_take(r->side[i], &r->frame[i]);
    sampling_close(r->run[i]);
  }
  return ok;
}

/* ---- what is said of both -------------------------------------------------------------------- */

/* Who computes more texts at once has more to do in its seconds. */
static void say_rows(const Race *r, const char *before, StrBuf *out) {
  int64_t a = r->side[0]->request.sampler->batch, b = r->side[1]->request.sampler->batch;
  if (a != b) sb_printf(out, "%s%" PRId64 " texts at once and %" PRId64, before, a, b);
}

static bool page_open(Race *r, int64_t count) {
  const Side *a = r->side[0], *b = r->side[1];
  const char *one = a->p->unit->name, *two = b->p->unit->name;
  StrBuf title = {0}, detail = {0};
  sb_printf(&title, "%s beside %s", one, two);
  sb_printf(&detail, "seed %" PRIu64, a->request.seed);
  sample_detail(a, &detail);
  say_rows(r, ", ", &detail);
  r->page = page_new(a->request.vocabulary, count, title.s, detail.s);
  sb_free(&title);
  sb_free(&detail);
  return r->page != NULL &&
         page_beside(r->page, one, a->detail, b->request.vocabulary, two, b->detail);
}

/* The texts of each that were not seen whole, below its name and what they took. */
static void put_plain(const Race *r, StrBuf *out) {
  for (int i = 0; i < 2; i++) {
    const Side *s = r->side[i];
    size_t n;
    const char *text = side_unseen(s, r->viewer != NULL ? r->viewer->pane[i].whole : 0, &n);
    if (n == 0) continue;
    if (out->n > 0) sb_putc(out, '\n');
    sb_printf(out, "== %s: ", s->name);
    side_counts(s, out);
    sb_puts(out, " ==\n");
    sb_write(out, text, n);
  }
}

/* Takes the texts of both. */
static json_t *as_json(Race *r) {
  json_t *all = json_array();
  for (int i = 0; i < 2; i++) {
    Side *s = r->side[i];
    json_t *texts = s->texts;
    s->texts = NULL;
    all = json_and(all,
                   json_pack("{s:s, s:s, s:I, s:I, s:f, s:o}", "model", s->p->unit->name, "sampler",
                             s->request.sampler->name, "evaluations", (json_int_t)s->evaluations,
                             "rows", (json_int_t)s->rows, "seconds", s->seconds, "texts", texts));
  }
  return all;
}

static bool race_put(Cli *c, Race *r, TdError *err) {
  StrBuf plain = {0};
  put_plain(r, &plain);
  bool ok =
      sample_put(c, c->json ? as_json(r) : NULL, plain.s != NULL ? plain.s : "", plain.n, err);
  sb_free(&plain);
  return ok;
}

/* ---- the command ----------------------------------------------------------------------------- */

static bool race_all(Cli *c, Race *r, Viewer *viewer, int64_t count, TdError *err) {
  const char *html = cli_text(c, "html", NULL), *gif = cli_text(c, "gif", NULL);
  if (sample_watches(c, viewer)) r->viewer = viewer;
  if (html != NULL && !page_open(r, count)) return td_fail_memory(err);
  bool ok = true, live = r->viewer != NULL || html != NULL || gif != NULL;
  for (int i = 0; i < 2 && ok && gif != NULL; i++)
    ok = side_film(r->side[i], r->side[i]->name, count, err);
  ok = ok && (!live || race_run(r, err));
  viewer_end(viewer);
  ok = ok && side_rest(r->side[0], err) && side_rest(r->side[1], err);
  if (ok && r->page != NULL) ok = page_write(r->page, NULL, html, err);
  if (ok && gif != NULL) ok = film_write_beside(r->side[0]->film, r->side[1]->film, NULL, gif, err);
  return ok && race_put(c, r, err);
}

/* Both are good and their machines run. */
static bool both_start(Cli *c, Race *r, Other *o, Checkpoint **w, int *code) {
  TdError err = {0};
  char name[256];
  for (int i = 0; i < 2; i++) {
    if (side_ready(r->side[i], &err)) continue;
    char message[sizeof err.message];
    snprintf(message, sizeof message, "%s", err.message);
    td_fail(&err, err.status, "%.200s: %.800s", r->side[i]->p->unit->path, message);
    *code = cli_fail(c, &err);
    return false;
  }
  const SampleRequest *first = &r->side[0]->request;
  snprintf(name, sizeof name, "sample.%.200s.", first->sampler->name);
  if (!cli_weights_find(c, r->side[0]->p, w, code) ||
      !cli_start(c, r->side[0]->p, r->side[0]->m, name, *w, first->seed, code))
    return false;
  snprintf(name, sizeof name, "sample.%.200s.", r->side[1]->request.sampler->name);
  return other_start(o, name, first->seed, code);
}

int beside_sample(Cli *c, Side *first, uint64_t seed, int64_t count) {
  Other o;
  Side other = {0};
  TdError err = {0};
  int code = TD_BAD_USAGE;
  Checkpoint *w = NULL;
  const char *path = cli_text(c, "beside", NULL), *weights = cli_text(c, "beside-weights", NULL);
  UnitOptions u = {.no_train = true,
                   .no_eval = true,
                   .no_models = true,
                   .only_sampler = cli_text(c, "beside-sampler", NULL)};
  Race r = {.side = {first, &other}};
  OtherAsk ask = {.path = path,
                  .weights = weights,
                  .unit = &u,
                  .rows = count,
                  .untrained = cli_has(c, "untrained") && weights == NULL};
  const UnitSampler *s = NULL;
  if (other_project(&o, c, &ask, &code))
    s = sample_choose(&o.c, o.p.unit, path, u.only_sampler, &code);
  if (s != NULL && !side_open(&other, c, &o.p, &o.m, s, seed, count)) {
    td_fail_memory(&err);
    code = cli_fail(c, &err);
  } else if (s != NULL && side_beside(&other, first, c) && both_start(c, &r, &o, &w, &code)) {
    StrBuf note = {0};
    sb_puts(&note, "equal seconds of computing for both");
    say_rows(&r, ", ", &note);
    Viewer viewer = viewer_new(c->out, first->request.vocabulary);
    viewer_beside(&viewer, first->name, other.request.vocabulary, other.name);
    viewer.texts = count;
    viewer.note = note.s;
    code = race_all(c, &r, &viewer, count, &err) ? cli_done(c) : cli_fail(c, &err);
    sb_free(&note);
  }
  page_free(r.page);
  side_free(&other);
  checkpoint_close(w);
  other_close(&o);
  return code;
}
