/* SPDX-License-Identifier: MIT */
/* What a model that samples is asked for, and the texts that it makes. See sample.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/sample.h"
#include "runtime/system/json.h"
#include "runtime/train/texts.h"

bool side_open(Side *s, const Cli *c, Project *p, Machine *m, const UnitSampler *u, uint64_t seed,
               int64_t count) {
  const Dataset *d = data_store_find(p->data, u->data);
  *s = (Side){.p = p,
              .m = m,
              .settings = calloc((size_t)c->ngiven + 2, sizeof *s->settings),
              .left = count,
              .texts = json_array()};
  s->request = (SampleRequest){.sampler = u,
                               .vocabulary = d != NULL ? &d->vocabulary : NULL,
                               .settings = s->settings,
                               .seed = seed,
                               .stop = c->stop};
  return s->settings != NULL && s->texts != NULL;
}

void side_free(Side *s) {
  for (int i = s->request.nsettings - s->owned; i < s->request.nsettings; i++)
    free((char *)(uintptr_t)s->settings[i].name);
  free(s->settings);
  free(s->name);
  free(s->detail);
  json_decref(s->texts);
  film_free(s->film);
  free(s->given);
  sb_free(&s->title);
  sb_free(&s->out);
  *s = (Side){0};
}

/* ---- settings ------------------------------------------------------------------------ */

static const UnitParam *param_of(const UnitSampler *u, const char *name) {
  for (int i = 0; i < u->nparams; i++)
    if (strcmp(u->params[i].name, name) == 0) return &u->params[i];
  return NULL;
}

static const char *first_text(const UnitSampler *u) {
  for (int i = 0; i < u->nparams; i++)
    if (u->params[i].kind == PARAM_TEXT) return u->params[i].name;
  return NULL;
}

static void set(Side *s, const char *name, const char *value) {
  s->settings[s->request.nsettings++] = (TdSetting){name, value};
}

static bool own_flag(const Cli *c, const char *name) {
  for (const Flag *f = cli_flags; f->name != NULL; f++)
    if ((f->of & c->command->bit) && strcmp(f->name, name) == 0) return true;
  return false;
}

static bool no_parameter(Cli *c, const UnitSampler *u, const char *name) {
  const char *names[128];
  int known = 0;
  for (int i = 0; i < u->nparams && known < 128; i++) names[known++] = u->params[i].name;
  for (const Flag *f = cli_flags; f->name != NULL && known < 128; f++)
    if (f->of & c->command->bit) names[known++] = f->name;
  const char *near = did_you_mean(name, names, known);
  cli_usage(c, "sampler %s has no parameter --%.100s%s%s%s", u->name, name,
            near != NULL ? "; did you mean --" : "", near != NULL ? near : "",
            near != NULL ? "?" : "");
  return false;
}

static bool fill_in(Side *s, Cli *c, const char *text, const char *value) {
  SampleRequest *r = &s->request;
  if (text == NULL) {
    cli_usage(c, "sampler %s takes no text, so nothing can be filled in", r->sampler->name);
    return false;
  }
  const char *h = cli_text(c, "hole", "_");
  if (h[0] == '\0' || h[1] != '\0') return cli_usage(c, "--hole takes one character"), false;
  r->hole = h[0];
  r->filled = text;
  set(s, text, value);
  return true;
}

bool side_flags(Side *s, Cli *c) {
  const UnitSampler *u = s->request.sampler;
  const char *text = first_text(u);
  if (text != NULL && cli_has(c, text) && cli_has(c, "infill"))
    return cli_usage(c, "--%s and --infill give the same text: one of them, please", text), false;
  for (int i = 0; i < c->ngiven; i++) {
    const char *name = c->given[i].name, *value = c->given[i].value;
    if (strcmp(name, "infill") == 0 && own_flag(c, name)) {
      if (!fill_in(s, c, text, value)) return false;
    } else if (param_of(u, name) != NULL) {
      if (value == NULL) return cli_usage(c, "--%s takes a value", name), false;
      set(s, name, value);
    } else if (!own_flag(c, name)) {
      return no_parameter(c, u, name);
    }
  }
  return true;
}

bool side_beside(Side *s, const Side *first, Cli *c) {
  const SampleRequest *r = &first->request;
  const UnitSampler *u = s->request.sampler;
  int n = 0;
  TdSetting *own = cli_settings_of(c, "beside-set", NULL, &n);
  for (int i = r->nsettings - 1; i >= 0 && n >= 0; i--) {
    const UnitParam *p = param_of(r->sampler, r->settings[i].name), *q;
    if (p->kind != PARAM_TEXT) continue;
    q = param_of(u, p->name);
    const char *text = q != NULL && q->kind == PARAM_TEXT ? p->name : first_text(u);
    if (text == NULL) {
      cli_usage(c, "sampler %s of %s takes no text, so both cannot be given one", u->name,
                s->p->unit->path);
      cli_settings_free(own, n);
      return false;
    }
    set(s, text, r->settings[i].value);
    s->request.hole = r->hole;
    if (r->filled != NULL) s->request.filled = text;
    break;
  }
  for (int i = 0; own != NULL && i < n; i++) set(s, own[i].name, own[i].value);
  s->owned = n > 0 ? n : 0;
  free(own);
  return n >= 0;
}

bool side_ready(Side *s, TdError *err) {
  int64_t steps;
  StrBuf name = {0}, detail = {0};
  if (!sample_check(&s->request, &steps, err)) return false;
  sb_puts(&detail, s->request.sampler->name);
  for (int i = 0; i < s->request.nsettings; i++) {
    const TdSetting *t = &s->settings[i];
    if (param_of(s->request.sampler, t->name)->kind != PARAM_TEXT)
      sb_printf(&detail, ", %s %s", t->name, t->value);
  }
  if (detail.s != NULL) sb_printf(&name, "%s (%s)", s->p->unit->name, detail.s);
  s->detail = detail.s;
  s->name = name.s;
  return s->name != NULL || td_fail_memory(err);
}

bool side_film(Side *s, const char *title, int64_t count, TdError *err) {
  const SampleRequest *r = &s->request;
  int64_t window = r->sampler->window;
  if (title != NULL)
    sb_puts(&s->title, title);
  else
    sb_printf(&s->title, "%s, sampler %s, seed %" PRIu64, s->p->unit->name, r->sampler->name,
              r->seed);
  s->given = malloc((size_t)window + 1);
  if (s->given == NULL || s->title.s == NULL) return td_fail_memory(err);
  if (!sample_given(r, window, s->given, err)) return false;
  s->film = film_new(&(FilmOptions){.vocabulary = r->vocabulary,
                                    .title = s->title.s,
                                    .rows = count,
                                    .given = s->given,
                                    .ngiven = window});
  return s->film != NULL || td_fail_memory(err);
}

/* ---- texts --------------------------------------------------------------------------------- */

static void take_row(Side *s, const SampleFrame *f, int64_t row) {
  StrBuf one = {0};
  sample_spell(s->request.vocabulary, f, row * f->window, f->window, &one);
  const char *text = one.s != NULL ? one.s : "";
  s->texts = json_and(s->texts, json_text_of(text, one.n));
  if (s->taken > 0) sb_puts(&s->out, "\n--------\n");
  sb_write(&s->out, text, one.n);
  if (one.n == 0 || text[one.n - 1] != '\n') sb_putc(&s->out, '\n');
  if (s->taken < VIEWER_TEXTS) s->end[s->taken] = s->out.n;
  s->taken++;
  sb_free(&one);
}

void side_take(Side *s, const SampleFrame *f) {
  for (int64_t row = 0; row < f->batch && s->left > 0; row++, s->left--) take_row(s, f, row);
  s->evaluations += f->in_all;
  s->seconds += f->seconds;
  s->rows = f->batch;
}

static bool take_last(void *ctx, const SampleFrame *f) {
  if (f->done == f->count) side_take(ctx, f);
  return true;
}

bool side_rest(Side *s, TdError *err) {
  int64_t before = -1;
  for (; s->left > 0 && s->left != before;) {
    SampleRequest one = s->request;
    before = s->left;
    one.seed = texts_seed(s->request.seed, s->rows > 0 ? s->taken / s->rows : 0);
    if (!sample_run(s->m->session, &one, false, take_last, s, err)) return false;
  }
  return s->left == 0 ||
         td_fail(err, TD_BAD_FILE, "sampler %s emits nothing", s->request.sampler->name);
}

void side_counts(const Side *s, StrBuf *out) {
  char took[32];
  format_duration(took, s->seconds);
  sb_printf(out, "%" PRId64 " evaluation%s", s->evaluations, s->evaluations == 1 ? "" : "s");
  if (s->rows > 1) sb_printf(out, " of %" PRId64 " texts each", s->rows);
  sb_printf(out, ", %s", took);
}

const char *side_unseen(const Side *s, int64_t shown, size_t *n) {
  size_t from = shown > 0 ? s->end[min_of(shown, VIEWER_TEXTS) - 1] : 0;
  *n = s->out.n - from;
  return s->out.s != NULL ? s->out.s + from : "";
}
