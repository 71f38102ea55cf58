/* SPDX-License-Identifier: MIT */
/* Samplers. See sample.h. */
#include "runtime/train/sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/utf8.h"

/* ---- settings ------------------------------------------------------------------ */

static const UnitParam *find_param(const UnitSampler *s, const char *name) {
  for (int i = 0; i < s->nparams; i++)
    if (strcmp(s->params[i].name, name) == 0) return &s->params[i];
  return NULL;
}

/* The last setting of that name wins. */
static const char *setting_of(const SampleRequest *r, const char *name) {
  for (int i = r->nsettings - 1; i >= 0; i--)
    if (strcmp(r->settings[i].name, name) == 0) return r->settings[i].value;
  return NULL;
}

static bool number_of(const SampleRequest *r, const UnitParam *p, double *out, TdError *err) {
  const char *text = setting_of(r, p->name), *end = NULL;
  *out = p->dflt;
  if (text == NULL) return true;
  *out = parse_double(text, &end);
  if (*text != '\0' && *end == '\0' && unit_param_takes(p, *out)) return true;
  return td_fail(err, TD_BAD_USAGE, "--%s takes %s%s%s, not '%.100s'", p->name,
                 p->kind == PARAM_INT ? "a whole number" : "a number",
                 p->range != NULL ? " in " : "", p->range != NULL ? p->range : "", text);
}

/* The character as it was typed if a terminal can show it, else its first byte. */
static bool not_a_symbol(const char *flag, const char *text, size_t at, size_t n, TdError *err) {
  uint32_t point;
  unsigned byte = (uint8_t)text[at];
  size_t len = utf8_decode((const uint8_t *)text + at, n - at, &point);
  if (len > 0 && point >= 0x20 && point != 0x7f && !(point >= 0x80 && point < 0xa0))
    return td_fail(err, TD_BAD_USAGE, "--%s: '%.*s' at byte %zu is not in the vocabulary", flag,
                   (int)len, text + at, at);
  return td_fail(err, TD_BAD_USAGE, "--%s: the byte 0x%02x at byte %zu is not in the vocabulary",
                 flag, byte, at);
}

/* A text as tokens and the mask of those it gives; both hold `window`. */
static bool text_of(const SampleRequest *r, const UnitParam *p, int64_t window, int32_t *ids,
                    uint8_t *mask, TdError *err) {
  const char *text = setting_of(r, p->name);
  if (text == NULL) text = p->text != NULL ? p->text : "";
  memset(ids, 0, (size_t)window * sizeof *ids);
  memset(mask, 0, (size_t)window);
  if (r->fed != NULL && strcmp(r->fed, p->name) == 0) {
    size_t known = (size_t)min_of(r->nsymbols, window);
    memcpy(ids, r->symbols, known * sizeof *ids);
    memset(mask, 1, known);
    return true;
  }
  bool filled = r->filled != NULL && strcmp(r->filled, p->name) == 0;
  bool holes = filled || r->filled == NULL;
  const char *flag = !filled ? p->name : r->flag != NULL ? r->flag : "infill";
  size_t n = strlen(text);
  if (n > 0 && r->vocabulary == NULL)
    return td_fail(err, TD_BAD_USAGE,
                   "--%s: the sampler belongs to no data, so texts cannot be read", flag);
  int64_t count = 0;
  size_t mark = n > 0 ? vocabulary_mark(r->vocabulary->kind, (const uint8_t *)text, n) : 0;
  for (size_t i = mark; i < n; count++) {
    if (count == window)
      return td_fail(err, TD_BAD_USAGE,
                     "--%s is longer than the %" PRId64 " symbols of a window (byte %zu of %zu)",
                     flag, window, i, n);
    if (holes && r->hole != 0 && text[i] == r->hole) {
      i++;
      continue;
    }
    size_t len = vocabulary_read(r->vocabulary, (const uint8_t *)text + i, n - i, &ids[count]);
    if (len == 0) return not_a_symbol(flag, text, i, n, err);
    mask[count] = 1;
    i += len;
  }
  return true;
}

/* Are all characters known? Its length is looked at when the window is known. */
static bool readable(const SampleRequest *r, const UnitParam *p, TdError *err) {
  const char *text = setting_of(r, p->name);
  int64_t room = text != NULL ? (int64_t)strlen(text) : 0;
  int32_t *ids = malloc((size_t)room * sizeof *ids + 1);
  uint8_t *mask = malloc((size_t)room + 1);
  bool ok = (ids != NULL && mask != NULL) || td_fail_memory(err);
  ok = ok && (text == NULL || text_of(r, p, room, ids, mask, err));
  free(ids);
  free(mask);
  return ok;
}

bool sample_check(const SampleRequest *r, int64_t *steps, TdError *err) {
  const UnitSampler *s = r->sampler;
  for (int i = 0; i < r->nsettings; i++) {
    if (find_param(s, r->settings[i].name) != NULL) continue;
    const char *names[64];
    int n = 0;
    for (int k = 0; k < s->nparams && n < 64; k++) names[n++] = s->params[k].name;
    const char *near = did_you_mean(r->settings[i].name, names, n);
    return td_fail(err, TD_BAD_USAGE, "sampler %s has no parameter '%.100s'%s%s%s", s->name,
                   r->settings[i].name, near != NULL ? "; did you mean --" : "",
                   near != NULL ? near : "", near != NULL ? "?" : "");
  }
  *steps = s->has_loop ? s->steps : 0;
  for (int i = 0; i < s->nparams; i++) {
    double x;
    const UnitParam *p = &s->params[i];
    if (p->kind == PARAM_TEXT && !readable(r, p, err)) return false;
    if (p->kind == PARAM_TEXT) continue;
    if (!number_of(r, p, &x, err)) return false;
    if (s->steps_param != NULL && strcmp(p->name, s->steps_param) == 0) *steps = (int64_t)x;
  }
  return true;
}

bool sample_given(const SampleRequest *r, int64_t window, uint8_t *given, TdError *err) {
  int32_t *ids = malloc((size_t)window * sizeof *ids + 1);
  uint8_t *mask = malloc((size_t)window + 1);
  bool ok = (ids != NULL && mask != NULL) || td_fail_memory(err);
  memset(given, 0, (size_t)window);
  for (int i = 0; ok && i < r->sampler->nparams; i++) {
    const UnitParam *p = &r->sampler->params[i];
    if (p->kind != PARAM_TEXT) continue;
    ok = text_of(r, p, window, ids, mask, err);
    for (int64_t k = 0; ok && k < window; k++) given[k] |= mask[k];
  }
  free(ids);
  free(mask);
  return ok;
}

/* ---- the loop -------------------------------------------------------------------- */

/* Iterations that are started at once, where nobody looks in between. */
enum { TOGETHER = 128 };

struct Sampling {
  Session *s;
  Series *series; /* of iterations that nobody looks at one by one; or NULL */
  const SampleRequest *r;
  int init, step, emit;
  int64_t steps, done;
  double seconds; /* see SampleFrame */
  int64_t batch, window;
  int32_t *ids;      /* [batch, window]: what was emitted last */
  float *confidence; /* [batch, window], or NULL */
};

static int part_entry(const Sampling *g, const char *part) {
  char name[256];
  snprintf(name, sizeof name, "sample.%.200s.%s", g->r->sampler->name, part);
  return session_entry(g->s, name);
}

static bool set_text(Sampling *g, int entry, const UnitParam *p, TdError *err) {
  char ids_name[256], mask_name[256];
  snprintf(ids_name, sizeof ids_name, "%.200s.ids", p->name);
  snprintf(mask_name, sizeof mask_name, "%.200s.mask", p->name);
  const TdBuffer *ids_buffer = session_input(g->s, entry, ids_name),
                 *mask_buffer = session_input(g->s, entry, mask_name);
  if (ids_buffer == NULL && mask_buffer == NULL) return true;
  int64_t window = ids_buffer != NULL ? ids_buffer->count : mask_buffer->count;
  int32_t *ids = malloc((size_t)window * sizeof *ids + 1);
  uint8_t *mask = malloc((size_t)window + 1);
  bool ok = (ids != NULL && mask != NULL) || td_fail_memory(err);
  ok = ok && text_of(g->r, p, window, ids, mask, err);
  if (ok && ids_buffer != NULL) ok = session_set_ints(g->s, entry, ids_name, ids, window, err);
  if (ok && mask_buffer != NULL) ok = session_set_bools(g->s, entry, mask_name, mask, window, err);
  free(ids);
  free(mask);
  return ok;
}

/* An entry takes only the inputs it reads. */
static bool set_number(Sampling *g, int entry, const char *name, double x, TdError *err) {
  return name == NULL || session_input(g->s, entry, name) == NULL ||
         session_set_number(g->s, entry, name, x, err);
}

static bool set_params(Sampling *g, int entry, TdError *err) {
  const UnitSampler *u = g->r->sampler;
  for (int i = 0; i < u->nparams; i++) {
    double x;
    if (u->params[i].kind == PARAM_TEXT) {
      if (!set_text(g, entry, &u->params[i], err)) return false;
    } else if (!number_of(g->r, &u->params[i], &x, err) ||
               !set_number(g, entry, u->params[i].name, x, err)) {
      return false;
    }
  }
  return true;
}

/* Of the iteration that is next. */
static bool set_own(Sampling *g, const char *name, double x, TdError *err) {
  if (g->series == NULL || name == NULL || session_input(g->s, g->step, name) == NULL)
    return set_number(g, g->step, name, x, err);
  return series_set_number(g->series, name, x, err);
}

/* Iteration k of n, from 0. */
static bool set_loop(Sampling *g, int64_t k, TdError *err) {
  const UnitSampler *u = g->r->sampler;
  int64_t t = unit_loop_value(u, k, g->steps), next = unit_loop_value(u, k + 1, g->steps);
  return set_own(g, "step", (double)(k + 1), err) && set_own(g, u->var, (double)t, err) &&
         set_own(g, u->next_var, (double)next, err);
}

/* Room for what is emitted. */
static bool frame_room(Sampling *g, TdError *err) {
  const TdBuffer *text = session_output(g->s, g->emit, "text"),
                 *sure = session_output(g->s, g->emit, "confidence");
  if (text == NULL || text->type != TD_I32) bug("sampler %s emits no text", g->r->sampler->name);
  g->window = text->rank > 0 ? text->shape[text->rank - 1] : 1;
  g->batch = g->window > 0 ? text->count / g->window : 0;
  bool both = sure != NULL && sure->type == TD_F32 && sure->count == text->count;
  g->ids = malloc((size_t)text->count * sizeof *g->ids + 1);
  if (both) g->confidence = malloc((size_t)text->count * sizeof *g->confidence + 1);
  return (g->ids != NULL && (!both || g->confidence != NULL)) || td_fail_memory(err);
}

static bool still_finite(Sampling *g, TdError *err) {
  NanSource bad = session_check_states(g->s);
  if (!bad.found) return true;
  return td_fail(err, TD_NOT_FINITE, "sampler %s: %s at element %" PRId64 " of '%s'",
                 g->r->sampler->name, bad.infinite ? "infinity" : "NaN", bad.index, bad.tensor);
}

static bool sampler_parts(Sampling *g, TdError *err) {
  const char *name = g->r->sampler->name;
  g->init = part_entry(g, "init");
  g->step = part_entry(g, "step");
  g->emit = part_entry(g, "emit");
  if (g->emit < 0 || (g->step < 0 && g->steps > 0)) bug("the program has no sampler %s", name);
  if ((g->init >= 0 && !set_params(g, g->init, err)) ||
      (g->step >= 0 && !set_params(g, g->step, err)) || !set_params(g, g->emit, err))
    return false;
  char all[256];
  snprintf(all, sizeof all, "sample.%.200s.", name);
  return session_need(g->s, (const char *const[]){all, NULL}, err);
}

static bool open_series(Sampling *g, TdError *err) {
  const UnitSampler *u = g->r->sampler;
  const char *own[3] = {"step"};
  int n = 1;
  if (u->var != NULL) own[n++] = u->var;
  if (u->next_var != NULL) own[n++] = u->next_var;
  g->series = session_series(g->s, g->step, TOGETHER, TOGETHER, own, n, err);
  return g->series != NULL;
}

/* Iteration k from 0 on. A series is read before it is full: nobody wants its numbers. */
static bool run_step(Sampling *g, int64_t k, TdError *err) {
  if (g->series == NULL) {
    session_run(g->s, g->step, g->r->seed, k + 1);
    return true;
  }
  if (series_full(g->series) && !open_series(g, err)) return false;
  series_run(g->series, g->r->seed, k + 1);
  return true;
}

static bool stopped(const SampleRequest *r, TdError *err) {
  if (r->stop == NULL || *r->stop == 0) return false;
  td_fail(err, TD_STOPPED, "stopped");
  if (err != NULL) err->signal = (int)*r->stop;
  return true;
}

/* All until init has run. Several iterations are started at once where nobody looks between. */
static bool begin(Sampling *g, bool together, TdError *err) {
  if (!sample_check(g->r, &g->steps, err) || !sampler_parts(g, err) || !frame_room(g, err))
    return false;
  if (together && g->steps > 0 && session_behind(g->s) && !open_series(g, err)) return false;
  double began = clock_seconds();
  if (g->init >= 0) session_run(g->s, g->init, g->r->seed, 0);
  if (g->series == NULL && !session_sync(g->s, err)) return false;
  g->seconds = clock_seconds() - began;
  return true;
}

bool sampling_over(const Sampling *g) { return g->done == g->steps; }

bool sampling_step(Sampling *g, TdError *err) {
  if (sampling_over(g)) bug("no iteration of sampler %s is left", g->r->sampler->name);
  if (stopped(g->r, err)) return false;
  double began = clock_seconds();
  bool ok = set_loop(g, g->done, err) && run_step(g, g->done, err) &&
            (g->series != NULL || session_sync(g->s, err));
  g->seconds += clock_seconds() - began;
  g->done++;
  return ok;
}

/* Waits for iterations that run together. */
static bool arrive(Sampling *g, TdError *err) {
  double began = clock_seconds();
  if (g->series != NULL) series_start(g->series);
  bool ok = session_sync(g->s, err);
  g->seconds += clock_seconds() - began;
  return ok;
}

static int64_t evaluations(const Sampling *g, int64_t iterations) {
  int64_t n;
  return mul_fits(iterations, g->r->sampler->evaluations, &n) ? n : INT64_MAX;
}

bool sampling_look(Sampling *g, SampleFrame *out, TdError *err) {
  int64_t n = g->batch * g->window;
  if (!arrive(g, err) || (sampling_over(g) && !still_finite(g, err))) return false;
  double began = clock_seconds();
  session_run(g->s, g->emit, g->r->seed, g->steps + 1);
  if (!session_read_output(g->s, g->emit, "text", 0, n, g->ids, err)) return false;
  if (g->confidence != NULL &&
      !session_read_output(g->s, g->emit, "confidence", 0, n, g->confidence, err))
    return false;
  *out = (SampleFrame){.done = g->done,
                       .count = g->steps,
                       .evaluations = evaluations(g, g->done),
                       .in_all = evaluations(g, g->steps),
                       .seconds = g->seconds,
                       .batch = g->batch,
                       .window = g->window,
                       .ids = g->ids,
                       .glyph = g->r->sampler->glyph,
                       .confidence = g->confidence};
  if (sampling_over(g)) out->seconds += clock_seconds() - began;
  return true;
}

static void sampling_free(Sampling *g) {
  free(g->ids);
  free(g->confidence);
}

Sampling *sampling_open(Session *s, const SampleRequest *r, TdError *err) {
  Sampling *g = calloc(1, sizeof *g);
  if (g == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *g = (Sampling){.s = s, .r = r};
  if (begin(g, false, err)) return g;
  sampling_close(g);
  return NULL;
}

void sampling_close(Sampling *g) {
  if (g != NULL) sampling_free(g);
  free(g);
}

bool sample_run(Session *s, const SampleRequest *r, bool each, SampleLook *look, void *ctx,
                TdError *err) {
  Sampling g = {.s = s, .r = r};
  SampleFrame frame;
  bool ok = begin(&g, !each, err), going = true;
  if (ok && each && r->start && !sampling_over(&g)) {
    ok = sampling_look(&g, &frame, err);
    going = ok && look(ctx, &frame);
  }
  while (ok && going && !sampling_over(&g)) {
    ok = sampling_step(&g, err);
    if (!ok || !each || sampling_over(&g)) continue;
    ok = sampling_look(&g, &frame, err);
    going = ok && look(ctx, &frame);
  }
  if (ok && !going) ok = arrive(&g, err) && still_finite(&g, err);
  if (ok && going && (ok = sampling_look(&g, &frame, err))) look(ctx, &frame);
  sampling_free(&g);
  return ok;
}

void sample_spell(const Vocabulary *v, const SampleFrame *f, int64_t first, int64_t n,
                  StrBuf *out) {
  for (int64_t i = 0; i < n; i++) {
    int32_t id = f->ids[first + i];
    if (v == NULL)
      sb_printf(out, "%s%" PRId32, i > 0 ? " " : "", id);
    else if (f->glyph != NULL && (id < 0 || id >= v->size))
      sb_puts(out, f->glyph);
    else
      vocabulary_spell(v, id, out);
  }
}
