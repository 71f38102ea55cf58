/* SPDX-License-Identifier: MIT */
/* A grid of samplers' parameters, point by point. See sweep.h. */
#include "runtime/cli/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/measure.h"
#include "runtime/system/json.h"

/* ---- the axes ---------------------------------------------------------------------------- */

static bool axis_read(Cli *c, Sweep *s, const char *text, TdError *err) {
  const char *eq = strchr(text, '=');
  if (eq == NULL || eq == text || eq[1] == '\0')
    return td_fail(err, TD_BAD_USAGE, "--sweep takes NAME=VALUE,VALUE,..., not '%.100s'", text);
  if (s->naxes == SWEEP_AXES)
    return td_fail(err, TD_BAD_USAGE, "--sweep takes %d parameters at most", SWEEP_AXES);
  SweepAxis *a = &s->axes[s->naxes];
  *a = (SweepAxis){.owned = strdup(text), .values = calloc(strlen(text), sizeof *a->values)};
  s->naxes++;
  if (a->owned == NULL || a->values == NULL) return td_fail_memory(err);
  a->name = a->owned;
  char *at = a->owned + (eq - text);
  while (at != NULL) {
    *at++ = '\0';
    a->values[a->n++] = at;
    at = strchr(at, ',');
  }
  for (int i = 0; i < a->n; i++)
    if (a->values[i][strspn(a->values[i], ",")] == '\0')
      return td_fail(err, TD_BAD_USAGE, "--sweep takes NAME=VALUE,VALUE,..., not '%.100s'", text);
  for (int i = 0; i + 1 < s->naxes; i++)
    if (strcmp(s->axes[i].name, a->name) == 0)
      return td_fail(err, TD_BAD_USAGE, "--sweep is given '%.100s' twice", a->name);
  for (int i = 0; i < c->ngiven; i++)
    if (strcmp(c->given[i].name, "set") == 0 &&
        strncmp(c->given[i].value, a->name, strlen(a->name)) == 0 &&
        c->given[i].value[strlen(a->name)] == '=')
      return td_fail(err, TD_BAD_USAGE, "--set and --sweep both give '%.100s'", a->name);
  return true;
}

static const UnitParam *parameter_of(const UnitSampler *u, const char *name, size_t n) {
  for (int i = 0; i < u->nparams; i++)
    if (strlen(u->params[i].name) == n && strncmp(u->params[i].name, name, n) == 0)
      return &u->params[i];
  return NULL;
}

/* ---- the points -------------------------------------------------------------------------- */

/* Every value of every axis that the sampler has, the last one's changing first. */
static bool add_grid(Sweep *s, int model, const UnitSampler *u, TdError *err) {
  SweepPoint p = {.model = model, .sampler = u};
  int64_t count = 1;
  for (int k = 0; k < s->naxes; k++) {
    p.at[k] = parameter_of(u, s->axes[k].name, strlen(s->axes[k].name)) != NULL ? 0 : -1;
    if (p.at[k] == 0) count *= s->axes[k].n;
    if (count + s->n > SWEEP_POINTS)
      return td_fail(err, TD_BAD_USAGE, "--sweep makes more than %d points", SWEEP_POINTS);
  }
  SweepPoint *more = realloc(s->points, (size_t)(s->n + count) * sizeof *more);
  if (more == NULL) return td_fail_memory(err);
  s->points = more;
  for (int64_t i = 0; i < count; i++) {
    s->points[s->n++] = p;
    for (int k = s->naxes - 1; k >= 0; k--) {
      if (p.at[k] < 0) continue;
      if (++p.at[k] < s->axes[k].n) break;
      p.at[k] = 0;
    }
  }
  return true;
}

/* The samplers that --sampler names in any of the files, or the first of each. */
static bool add_points(Cli *c, Sweep *s, TdError *err) {
  if (!cli_has(c, "sampler"))
    for (int m = 0; m < s->nmodels; m++) {
      const UnitSampler *u = unit_sampler(s->models[m].unit, NULL);
      if (u == NULL) return td_fail(err, TD_BAD_USAGE, "%s has no sampler", s->models[m].path);
      if (!add_grid(s, m, u, err)) return false;
    }
  for (int m = 0; m < s->nmodels; m++) {
    int before = s->n;
    for (int i = 0; i < c->ngiven; i++) {
      if (strcmp(c->given[i].name, "sampler") != 0) continue;
      const UnitSampler *u = unit_sampler(s->models[m].unit, c->given[i].value);
      if (u != NULL && !add_grid(s, m, u, err)) return false;
    }
    if (cli_has(c, "sampler") && s->n == before)
      return td_fail(err, TD_BAD_USAGE, "%s has none of the samplers that --sampler names",
                     s->models[m].path);
  }
  for (int i = 0; i < c->ngiven; i++) {
    if (strcmp(c->given[i].name, "sampler") != 0) continue;
    bool known = false;
    const char *names[64];
    int n = 0;
    for (int m = 0; m < s->nmodels; m++) {
      const Unit *u = s->models[m].unit;
      known = known || unit_sampler(u, c->given[i].value) != NULL;
      for (int k = 0; k < u->nsamplers && n < 64; k++) names[n++] = u->samplers[k].name;
    }
    if (known) continue;
    const char *near = did_you_mean(c->given[i].value, names, n);
    return td_fail(err, TD_BAD_USAGE, "no file has a sampler '%.100s'; did you mean %s?",
                   c->given[i].value, near != NULL ? near : names[0]);
  }
  return true;
}

/* Each parameter that was given has to be some sampler's. */
static bool parameters_known(Cli *c, const Sweep *s, TdError *err) {
  for (int i = 0; i < c->ngiven; i++) {
    const char *flag = c->given[i].name, *names[64];
    if (strcmp(flag, "set") != 0 && strcmp(flag, "sweep") != 0) continue;
    size_t n = strcspn(c->given[i].value, "=");
    bool known = false;
    int count = 0;
    for (int k = 0; k < s->n; k++) {
      const UnitSampler *u = s->points[k].sampler;
      known = known || parameter_of(u, c->given[i].value, n) != NULL;
      if (k > 0 && u == s->points[k - 1].sampler) continue;
      for (int j = 0; j < u->nparams && count < 64; j++) names[count++] = u->params[j].name;
    }
    if (known) continue;
    char name[128];
    snprintf(name, sizeof name, "%.*s", (int)min_of((int64_t)n, 100), c->given[i].value);
    const char *near = did_you_mean(name, names, count);
    return td_fail(err, TD_BAD_USAGE, "no sampler has a parameter '%s'%s%s%s", name,
                   near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?" : "");
  }
  return true;
}

/* ---- running ----------------------------------------------------------------------------- */

/* What is asked of a point's sampler; free it as settings. NULL after a message. */
static TdSetting *request_of(Cli *c, const Sweep *s, const SweepPoint *p, SampleRequest *r,
                             int *given, TdError *err) {
  const Dataset *d = data_store_find(s->models[p->model].data, p->sampler->data);
  if (d == NULL) {
    td_fail(err, TD_BAD_USAGE,
            "sampler %s belongs to no data: its texts have nothing to be held to",
            p->sampler->name);
    return NULL;
  }
  TdSetting *own = cli_settings(c, p->sampler, given);
  if (own == NULL || *given < 0) {
    if (own == NULL) td_fail_memory(err);
    cli_settings_free(own, 0);
    return NULL;
  }
  TdSetting *all = realloc(own, ((size_t)*given + SWEEP_AXES + 1) * sizeof *all);
  if (all == NULL) {
    cli_settings_free(own, *given);
    td_fail_memory(err);
    return NULL;
  }
  int n = *given;
  for (int k = 0; k < s->naxes; k++)
    if (p->at[k] >= 0) all[n++] = (TdSetting){s->axes[k].name, s->axes[k].values[p->at[k]]};
  *r = (SampleRequest){.sampler = p->sampler,
                       .vocabulary = &d->vocabulary,
                       .settings = all,
                       .nsettings = n,
                       .seed = s->seed,
                       .stop = c->stop};
  return all;
}

/* As many held-out texts as a point has, once for each file. */
static bool hold(Cli *c, Sweep *s, SweepModel *m, const Dataset *d, Judge *judge, int64_t width,
                 TdError *err) {
  if (s->width == 0) s->width = width;
  if (s->width != width)
    return td_fail(err, TD_BAD_USAGE,
                   "texts of %" PRId64 " symbols and of %" PRId64 " are not to be compared",
                   s->width, width);
  if (m->referenced) return true;
  m->referenced = true;
  Measures *real = &m->reference.real;
  const char *list;
  return reference_open(&m->reference, d, s->samples, width, err) &&
         cli_words(c, &m->reference, d, &list, err) &&
         (judge == NULL || judge_texts(judge, &m->reference.valid, &d->vocabulary,
                                       &real->value[M_NEURAL], &real->neural_error, err));
}

static bool take(Cli *c, Sweep *s, SweepPoint *p, Judge *judge, TdError *err) {
  SweepModel *m = &s->models[p->model];
  const Dataset *d = data_store_find(m->data, p->sampler->data);
  SampleRequest r;
  Texts t = {0};
  int given = 0;
  TdSetting *settings = request_of(c, s, p, &r, &given, err);
  bool ok = settings != NULL && texts_sample(m->session, &r, s->samples, &t, &p->cost, err) &&
            hold(c, s, m, d, judge, t.width, err) &&
            measure(&m->reference, &t, &p->measures, err) &&
            (judge == NULL || judge_texts(judge, &t, &d->vocabulary, &p->measures.value[M_NEURAL],
                                          &p->measures.neural_error, err));
  if (ok) p->copies = measure_copies(&m->reference, &p->measures);
  texts_free(&t);
  cli_settings_free(settings, given);
  return ok;
}

static void tell(const Cli *c, const Sweep *s, int i) {
  StrBuf label = {0};
  char took[32];
  if (c->quiet) return;
  format_duration(took, s->points[i].cost.seconds);
  sweep_label(s, i, -1, &label);
  fprintf(stderr, "%d/%d  %s: %.*f bits, %s\n", i + 1, s->n, label.s != NULL ? label.s : "",
          measure_kinds[sweep_bits(s)].decimals, s->points[i].measures.value[sweep_bits(s)], took);
  sb_free(&label);
}

/* All settings are looked at before the first text is drawn. Of a sweep that is stopped what was
 * measured is left, and *stopped is the exit code. */
static bool take_all(Cli *c, Sweep *s, Judge *judge, int *stopped, TdError *err) {
  for (int i = 0; i < s->n; i++) {
    SampleRequest r;
    int64_t steps;
    int given = 0;
    TdSetting *settings = request_of(c, s, &s->points[i], &r, &given, err);
    bool ok = settings != NULL && sample_check(&r, &steps, err);
    cli_settings_free(settings, given);
    if (!ok) return false;
  }
  for (int i = 0; i < s->n; i++) {
    if (!take(c, s, &s->points[i], judge, err)) {
      if (err->status != TD_STOPPED || i == 0) return false;
      s->n = i;
      *stopped = cli_fail(c, err);
      return true;
    }
    tell(c, s, i);
  }
  return true;
}

/* ---- what it says ------------------------------------------------------------------------ */

static bool put_file(const char *folder, const char *name, StrBuf *s, TdError *err) {
  char *path = io_join(folder, name);
  bool ok = path != NULL && s->s != NULL ? io_write_file(NULL, path, s->s, s->n, err)
                                         : td_fail_memory(err);
  free(path);
  sb_free(s);
  return ok;
}

static bool write_folder(const Sweep *s, const char *folder, TdError *err) {
  StrBuf table = {0}, points = {0}, evaluations = {0}, frontier = {0};
  char *json = json_write(sweep_json(s), JSON_INDENT(1));
  if (json == NULL) return td_fail_memory(err);
  sb_printf(&points, "%s\n", json);
  free(json);
  sweep_markdown(s, &table);
  sweep_plot_evaluations(s, &evaluations);
  sweep_plot_frontier(s, &frontier);
  bool ok = io_make_folders(NULL, folder, false, err);
  ok = ok && put_file(folder, "table.md", &table, err);
  ok = ok && put_file(folder, "points.json", &points, err);
  ok = ok && (evaluations.n == 0 || put_file(folder, "evaluations.svg", &evaluations, err));
  ok = ok && put_file(folder, "frontier.svg", &frontier, err);
  sb_free(&table);
  sb_free(&points);
  sb_free(&evaluations);
  sb_free(&frontier);
  return ok;
}

static int show(Cli *c, const Sweep *s) {
  const char *folder = cli_text(c, "output", NULL);
  TdError err = {0};
  if (folder != NULL && !write_folder(s, folder, &err)) return cli_fail(c, &err);
  if (c->json) return cli_json(c, sweep_json(s), JSON_COMPACT);
  StrBuf table = {0};
  sweep_markdown(s, &table);
  terminal_print(&c->out, table.s, table.n);
  sb_free(&table);
  return cli_done(c);
}

/* ---- the command ------------------------------------------------------------------------- */

/* The files and their weights; those after the first as a judge is opened. */
typedef struct Opened {
  Project p;
  Machine m;
  Checkpoint *w;
  Other *others;
  int n; /* of these */
} Opened;

static bool open_models(Cli *c, Sweep *s, Opened *o, int *code) {
  UnitOptions unit = {.no_train = true, .no_eval = true, .no_models = true};
  static const char entry[] = "sample.";
  TdError err = {0};
  o->others = calloc((size_t)c->nargs, sizeof *o->others);
  s->models = calloc((size_t)c->nargs, sizeof *s->models);
  if (o->others == NULL || s->models == NULL) {
    td_fail_memory(&err);
    *code = cli_fail(c, &err);
    return false;
  }
  if (!cli_project(c, &o->p, &unit, code) || !cli_weights_find(c, &o->p, &o->w, code) ||
      !cli_start(c, &o->p, &o->m, entry, o->w, s->seed, code))
    return false;
  s->models[s->nmodels++] = (SweepModel){
      .path = c->args[0], .unit = o->p.unit, .data = o->p.data, .session = o->m.session};
  while (s->nmodels < c->nargs) {
    Other *more = &o->others[o->n++];
    const char *path = c->args[s->nmodels];
    OtherAsk ask = {.path = path, .unit = &unit, .entry = entry, .seed = s->seed};
    if (!other_open(more, c, &ask, code)) return false;
    s->models[s->nmodels++] = (SweepModel){
        .path = path, .unit = more->p.unit, .data = more->p.data, .session = more->m.session};
  }
  return true;
}

static void close_models(Sweep *s, Opened *o) {
  for (int i = 0; i < s->nmodels; i++)
    if (s->models[i].referenced) reference_close(&s->models[i].reference);
  for (int i = 0; i < o->n; i++) other_close(&o->others[i]);
  free(o->others);
  checkpoint_close(o->w);
  machine_close(&o->m);
  project_close(&o->p);
}

static void sweep_free(Sweep *s) {
  for (int k = 0; k < s->naxes; k++) {
    free(s->axes[k].owned);
    free(s->axes[k].values);
  }
  free(s->points);
  free(s->models);
}

/* *code is not 0 where it was stopped. */
static bool run(Cli *c, Sweep *s, int *code) {
  TdError err = {0};
  Other other = {0};
  Judge judge;
  s->judged = cli_has(c, "judge");
  bool ok = add_points(c, s, &err) && parameters_known(c, s, &err);
  if (ok && s->judged && !cli_judge(c, &other, &judge, s->seed, code)) {
    other_close(&other);
    return false;
  }
  ok = ok && take_all(c, s, s->judged ? &judge : NULL, code, &err);
  if (!ok) *code = cli_fail(c, &err);
  other_close(&other);
  return ok;
}

int cli_sweep(Cli *c) {
  Sweep s = {0};
  Opened o = {0};
  TdError err = {0};
  int code = 0;
  if (!cli_seed(c, &s.seed) || !cli_int(c, "samples", 2, 1000000, &s.samples)) return TD_BAD_USAGE;
  bool ok = true;
  for (int i = 0; ok && i < c->ngiven; i++)
    if (strcmp(c->given[i].name, "sweep") == 0) ok = axis_read(c, &s, c->given[i].value, &err);
  if (!ok) code = cli_fail(c, &err);
  if (ok && open_models(c, &s, &o, &code) && run(c, &s, &code)) {
    int shown = show(c, &s);
    if (code == 0) code = shown;
  }
  close_models(&s, &o);
  sweep_free(&s);
  return code;
}
