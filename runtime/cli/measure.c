/* SPDX-License-Identifier: MIT */
/* Texts of a sampler beside held-out ones, as a table and as JSON. See measure.h. */
#include "runtime/cli/measure.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/json.h"

bool cli_judge(Cli *c, Other *other, Judge *judge, uint64_t seed, int *code) {
  TdError err = {0};
  UnitOptions o = {.no_train = true, .no_samplers = !cli_has(c, "controls"), .no_models = true};
  OtherAsk ask = {.path = cli_text(c, "judge", NULL),
                  .weights = cli_text(c, "judge-weights", NULL),
                  .unit = &o,
                  .entry = "eval",
                  .seed = seed};
  if (!other_open(other, c, &ask, code)) return false;
  if (judge_open(judge, other->m.session, other->p.unit, other->p.data, &err)) return true;
  *code = cli_fail(c, &err);
  return false;
}

/* ---- taking ---------------------------------------------------------------------------- */

/* By the judge as well, if there is one. */
static bool measure_all(const Sampled *m, const Dataset *d, Judge *judge, const Texts *t,
                        Measures *out, TdError *err) {
  return measure(&m->reference, t, out, err) &&
         (judge == NULL ||
          judge_texts(judge, t, &d->vocabulary, &out->value[M_NEURAL], &out->neural_error, err));
}

/* A model at a low temperature says likely things alone: the judge, or the sampler's own. */
static bool measure_cold(Sampled *m, const Dataset *d, const Judge *own, const SampleRequest *r,
                         Judge *judge, TdError *err) {
  Texts t = {0};
  Judge writer = judge != NULL ? *judge : *own;
  bool have,
      ok = judge_writes(&writer, 0.3, r->seed, m->rows, m->width, &d->vocabulary, &t, &have, err);
  if (ok && have) ok = m->have[C_COLD] = measure_all(m, d, judge, &t, &m->controls[C_COLD], err);
  texts_free(&t);
  return ok;
}

static bool measure_controls(Sampled *m, const Dataset *d, const Judge *own, const SampleRequest *r,
                             Judge *judge, TdError *err) {
  Session *s = own->session;
  for (ControlId id = 0; id < CONTROLS; id++) {
    Texts t = {0};
    bool ok = control_make(&m->reference, d, id, r->seed, &t, err) &&
              measure_all(m, d, judge, &t, &m->controls[id], err);
    texts_free(&t);
    m->have[id] = ok;
    if (!ok) return false;
  }
  if (!measure_cold(m, d, own, r, judge, err)) return false;
  int init = session_entry(s, "init");
  if (init < 0) return true; /* nothing that was trained */
  Texts t = {0};
  SampleCost cost;
  bool ok = session_need_one(s, init, err);
  if (ok) session_run(s, init, r->seed, 0);
  ok = ok && session_sync(s, err) && texts_sample(s, r, m->rows, &t, &cost, err) &&
       measure_all(m, d, judge, &t, &m->controls[C_UNTRAINED], err);
  texts_free(&t);
  m->have[C_UNTRAINED] = ok;
  return ok;
}

bool cli_words(const Cli *c, Reference *r, const Dataset *d, const char **path, TdError *err) {
  static const char usual[] = "/usr/share/dict/words";
  enum { LARGEST = 64 << 20 };
  uint8_t *text;
  size_t n;
  *path = cli_text(c, "words", io_exists(usual) ? usual : NULL);
  if (*path == NULL) return true;
  if (!io_read_file(NULL, *path, LARGEST, &text, &n, err)) return false;
  bool ok = reference_list(r, d->vocabulary.kind, text, n, err);
  free(text);
  if (ok && r->listed.n == 0)
    return td_fail(err, TD_BAD_FILE, "%s: no line is a word of letters alone", *path);
  return ok;
}

static bool take(Cli *c, Sampled *m, const Dataset *d, const Judge *own, const SampleRequest *r,
                 bool controls, Judge *judge, TdError *err) {
  Texts t = {0};
  bool ok = texts_sample(own->session, r, m->rows, &t, &m->cost, err);
  if (ok) m->width = t.width;
  ok = ok && reference_open(&m->reference, d, m->rows, m->width, err) &&
       cli_words(c, &m->reference, d, &m->list, err);
  Measures *real = &m->reference.real;
  if (ok && judge != NULL)
    ok = judge_texts(judge, &m->reference.valid, &d->vocabulary, &real->value[M_NEURAL],
                     &real->neural_error, err);
  ok = ok && measure_all(m, d, judge, &t, &m->samples, err) &&
       (!controls || measure_controls(m, d, own, r, judge, err));
  texts_free(&t);
  return ok;
}

bool sampled_take(Cli *c, Sampled *m, Project *p, Session *s, int64_t count, uint64_t seed,
                  bool controls, Judge *judge, int *code) {
  TdError err = {0};
  *code = TD_BAD_USAGE;
  *m = (Sampled){.sampler = cli_sampler(c, p->unit), .rows = count};
  if (m->sampler == NULL) return false;
  const Dataset *d = data_store_find(p->data, m->sampler->data);
  if (d == NULL) {
    cli_usage(c, "sampler %s belongs to no data: its texts have nothing to be held to",
              m->sampler->name);
    return false;
  }
  SampleRequest r = {
      .sampler = m->sampler, .vocabulary = &d->vocabulary, .seed = seed, .stop = c->stop};
  TdSetting *settings = cli_settings(c, NULL, &r.nsettings);
  r.settings = settings;
  bool ok = r.nsettings >= 0;
  if (ok) {
    const Judge own = {.session = s, .unit = p->unit, .data = p->data};
    ok = (settings != NULL || td_fail_memory(&err)) &&
         take(c, m, d, &own, &r, controls, judge, &err);
    if (!ok) *code = cli_fail(c, &err);
  }
  cli_settings_free(settings, r.nsettings);
  return ok;
}

void sampled_close(Sampled *m) { reference_close(&m->reference); }

/* ---- as text --------------------------------------------------------------------------- */

static void put_value(FILE *out, const Measures *m, MeasureId id, int columns) {
  const MeasureKind *k = &measure_kinds[id];
  if (isnan(m->value[id]))
    fprintf(out, " %*s", columns, "-");
  else
    fprintf(out, " %*.*f", columns, k->decimals, m->value[id] * k->scale);
}

static void print_samples(const Sampled *m, FILE *out) {
  fprintf(out, "  %-32s %10s %10s\n", "", "samples", "held out");
  for (MeasureId id = 0; id < MEASURES; id++) {
    if (measure_absent(&m->reference, id)) continue;
    fprintf(out, "  %-32s", measure_kinds[id].heading);
    put_value(out, &m->samples, id, 10);
    put_value(out, &m->reference.real, id, 10);
    if (id == M_JUDGE) fprintf(out, "   +- %.3f", m->samples.judge_error);
    if (id == M_NEURAL) fprintf(out, "   +- %.3f", m->samples.neural_error);
    fputc('\n', out);
  }
  if (m->list == NULL)
    fputs("  No list of words is here (--words PATH), so no share of words in one.\n", out);
  if (measure_copies(&m->reference, &m->samples))
    fprintf(out,
            "  The texts copy: %.1f%% of their symbols stand in the training text, 30 and more "
            "at a time.\n",
            100 * m->samples.value[M_COPIED30]);
}

/* Which measures rank the controls, and what fools the others. */
static void print_verdicts(const Sampled *m, FILE *out) {
  fputs("  These rank the controls as they should:", out);
  for (MeasureId id = 0, any = 0; id < MEASURES; id++)
    if (!measure_kinds[id].copying && !measure_absent(&m->reference, id) &&
        control_breaks(&m->reference, m->controls, m->have, id) == NULL)
      fprintf(out, "%s %s", any++ > 0 ? "," : "", measure_kinds[id].name);
  fputs("\n  These do not, so by them alone no text is good:\n", out);
  for (MeasureId id = 0; id < MEASURES; id++) {
    const Demand *d = control_breaks(&m->reference, m->controls, m->have, id);
    if (d != NULL && !measure_kinds[id].copying && !measure_absent(&m->reference, id))
      fprintf(out, "    %-14s takes '%s' for no worse than '%s'\n", measure_kinds[id].name,
              control_kinds[d->worse].heading, control_kinds[d->better].heading);
  }
}

static void print_controls(const Sampled *m, FILE *out) {
  static const MeasureId shown[] = {M_JUDGE,  M_NEURAL, M_JS4,       M_JS_WORDS, M_WORDS3,
                                    M_WORDS5, M_LISTED, M_DISTINCT4, M_LONGEST,  M_COPIED30};
  enum { SHOWN = sizeof shown / sizeof *shown };
  fprintf(out, "\n  %-18s", "");
  for (int i = 0; i < SHOWN; i++)
    if (!measure_absent(&m->reference, shown[i]))
      fprintf(out, " %12s", measure_kinds[shown[i]].name);
  fprintf(out, "\n  %-18s", "samples");
  for (int i = 0; i < SHOWN; i++)
    if (!measure_absent(&m->reference, shown[i])) put_value(out, &m->samples, shown[i], 12);
  for (ControlId id = 0; id < CONTROLS_ALL; id++) {
    if (!m->have[id]) continue;
    fprintf(out, "\n  %-18s", control_kinds[id].heading);
    for (int i = 0; i < SHOWN; i++)
      if (!measure_absent(&m->reference, shown[i])) put_value(out, &m->controls[id], shown[i], 12);
    if (measure_copies(&m->reference, &m->controls[id])) fputs("  copies", out);
  }
  fputs("\n", out);
  if (!m->have[C_COLD])
    fputs("  No sampler of the judge's, or of this file, has a temperature and texts as long as "
          "these: "
          "none at T = 0.3.\n",
          out);
}

void sampled_print(const Sampled *m, FILE *out) {
  char took[32];
  format_duration(took, m->cost.seconds);
  fprintf(out,
          "%" PRId64 " texts of %" PRId64 " symbols by sampler %s: %" PRId64
          " evaluations a text, %s for all\n",
          m->rows, m->width, m->sampler->name, m->cost.steps, took);
  print_samples(m, out);
  if (!m->have[C_VALIDATION]) return;
  print_controls(m, out);
  print_verdicts(m, out);
}

/* ---- as JSON --------------------------------------------------------------------------- */

json_t *measures_json(const Reference *r, const Measures *m) {
  json_t *o = json_object();
  for (MeasureId id = 0; id < MEASURES; id++)
    if (!measure_absent(r, id)) o = json_with(o, measure_kinds[id].name, json_finite(m->value[id]));
  return o;
}

static json_t *controls_json(const Sampled *m) {
  json_t *o = json_object();
  for (ControlId id = 0; id < CONTROLS_ALL; id++)
    if (m->have[id])
      o = json_with(o, control_kinds[id].name, measures_json(&m->reference, &m->controls[id]));
  return o;
}

/* By measure: null where it ranks the controls, else the two that it mistakes. */
static json_t *fooled_json(const Sampled *m) {
  json_t *o = json_object();
  for (MeasureId id = 0; id < MEASURES; id++) {
    const Demand *d = control_breaks(&m->reference, m->controls, m->have, id);
    if (!measure_kinds[id].copying && !measure_absent(&m->reference, id))
      o = json_with(o, measure_kinds[id].name,
                    d == NULL ? json_null()
                              : json_pack("[s, s]", control_kinds[d->better].name,
                                          control_kinds[d->worse].name));
  }
  return o;
}

json_t *sampled_json(const Sampled *m) {
  json_t *o = json_pack("{s:o, s:I, s:I, s:I, s:f, s:b, s:f, s:o, s:o}", "sampler",
                        json_text(m->sampler->name), "rows", (json_int_t)m->rows, "width",
                        (json_int_t)m->width, "evaluations", (json_int_t)m->cost.steps, "seconds",
                        m->cost.seconds, "copies", measure_copies(&m->reference, &m->samples),
                        "judge_error", m->samples.judge_error, "measures",
                        measures_json(&m->reference, &m->samples), "held_out",
                        measures_json(&m->reference, &m->reference.real));
  o = json_with(o, "word_list", m->list != NULL ? json_text(m->list) : json_null());
  if (!measure_absent(&m->reference, M_NEURAL))
    o = json_with(o, "neural_error", json_finite(m->samples.neural_error));
  if (!m->have[C_VALIDATION]) return o;
  return json_with(json_with(o, "controls", controls_json(m)), "fooled", fooled_json(m));
}
