/* SPDX-License-Identifier: MIT */
/* A sweep as a table of Markdown and as JSON. See sweep.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/sweep.h"
#include "runtime/cli/measure.h"
#include "runtime/system/json.h"

static const MeasureId columns[] = {M_NEURAL, M_JUDGE,  M_JS4,       M_JS_WORDS, M_WORDS3,
                                    M_WORDS5, M_LISTED, M_DISTINCT4, M_ENTROPY,  M_COPIED30};
enum { COLUMNS = sizeof columns / sizeof *columns };

static bool shown(const Sweep *s, int i) {
  return !measure_absent(&s->models[0].reference, columns[i]);
}

/* Nothing in a name or a value may act as Markdown's table does. */
static void put_text(StrBuf *out, const char *text) {
  sb_putc(out, ' ');
  for (; *text != '\0'; text++) {
    if (*text == '|' || *text == '\\') sb_putc(out, '\\');
    sb_putc(out, (unsigned char)*text < 32 ? ' ' : *text);
  }
  sb_puts(out, " |");
}

static void put_measures(const Sweep *s, const Measures *m, StrBuf *out) {
  for (int i = 0; i < COLUMNS; i++) {
    const MeasureKind *k = &measure_kinds[columns[i]];
    if (!shown(s, i)) continue;
    if (isnan(m->value[columns[i]])) {
      sb_puts(out, " - |");
      continue;
    }
    sb_printf(out, " %.*f%s", k->decimals, m->value[columns[i]] * k->scale,
              k->scale == 100 ? "%" : "");
    if (columns[i] == M_NEURAL && m->neural_error > 0) /* else one batch of the judge's */
      sb_printf(out, " ± %.2f", m->neural_error);
    sb_puts(out, " |");
  }
}

static void put_head(const Sweep *s, StrBuf *out) {
  int before = (s->nmodels > 1) + sweep_several(s) + s->naxes;
  sb_puts(out, s->nmodels > 1 ? "| file |" : "|");
  if (sweep_several(s)) sb_puts(out, " sampler |");
  for (int k = 0; k < s->naxes; k++) put_text(out, s->axes[k].name);
  sb_puts(out, " evaluations | seconds |");
  for (int i = 0; i < COLUMNS; i++)
    if (shown(s, i)) sb_printf(out, " %s |", measure_kinds[columns[i]].name);
  sb_puts(out, " frontier |\n|");
  for (int i = 0; i < before; i++) sb_puts(out, "---|");
  sb_puts(out, "--:|--:|");
  for (int i = 0; i < COLUMNS; i++)
    if (shown(s, i)) sb_puts(out, "--:|");
  sb_puts(out, ":-:|\n");
}

static void put_point(const Sweep *s, int i, StrBuf *out) {
  const SweepPoint *p = &s->points[i];
  sb_puts(out, "|");
  if (s->nmodels > 1) put_text(out, io_basename(s->models[p->model].path));
  if (sweep_several(s)) put_text(out, p->sampler->name);
  for (int k = 0; k < s->naxes; k++)
    put_text(out, p->at[k] < 0 ? "-" : s->axes[k].values[p->at[k]]);
  sb_printf(out, " %" PRId64 " | %.1f |", p->cost.steps, p->cost.seconds);
  put_measures(s, &p->measures, out);
  sb_printf(out, " %s%s |\n", sweep_frontier(s, i) ? "*" : "", p->copies ? " copies" : "");
}

void sweep_markdown(const Sweep *s, StrBuf *out) {
  put_head(s, out);
  for (int i = 0; i < s->n; i++) put_point(s, i, out);
  for (int m = 0; m < s->nmodels; m++) {
    int before = sweep_several(s) + s->naxes + 2;
    if (!s->models[m].referenced) continue; /* stopped before its turn */
    sb_puts(out, "| held-out text");
    if (s->nmodels > 1) sb_printf(out, " of %s", io_basename(s->models[m].path));
    sb_puts(out, " |");
    for (int i = s->nmodels > 1 ? 0 : 1; i < before; i++) sb_puts(out, " |");
    put_measures(s, &s->models[m].reference.real, out);
    sb_puts(out, " |\n");
  }
  sb_printf(
      out,
      "\n%" PRId64 " texts of %" PRId64 " symbols a row, seed %" PRIu64
      ". On the frontier (*) is what no other row beats: none has as few bits (%s) and as many "
      "distinct 4-grams.\n",
      s->samples, s->width, s->seed, measure_kinds[sweep_bits(s)].name);
}

static json_t *point_json(const Sweep *s, int i) {
  const SweepPoint *p = &s->points[i];
  const Reference *r = &s->models[p->model].reference;
  json_t *settings = json_object();
  for (int k = 0; k < s->naxes; k++)
    if (p->at[k] >= 0)
      settings = json_with(settings, s->axes[k].name, json_text(s->axes[k].values[p->at[k]]));
  json_t *o = json_pack("{s:o, s:o, s:o, s:I, s:f, s:b, s:b, s:o}", "file",
                        json_text(s->models[p->model].path), "sampler", json_text(p->sampler->name),
                        "settings", settings, "evaluations", (json_int_t)p->cost.steps, "seconds",
                        p->cost.seconds, "frontier", sweep_frontier(s, i), "copies", p->copies,
                        "measures", measures_json(r, &p->measures));
  if (s->judged) o = json_with(o, "neural_error", json_finite(p->measures.neural_error));
  return json_with(o, "judge_error", json_finite(p->measures.judge_error));
}

json_t *sweep_json(const Sweep *s) {
  json_t *points = json_array(), *held = json_object();
  for (int m = 0; m < s->nmodels; m++) {
    const Reference *r = &s->models[m].reference;
    if (s->models[m].referenced)
      held = json_with(held, s->models[m].path, measures_json(r, &r->real));
  }
  for (int i = 0; i < s->n; i++) points = json_and(points, point_json(s, i));
  json_t *seed = json_integer((json_int_t)s->seed);
  return json_pack("{s:I, s:I, s:o, s:o, s:o}", "samples", (json_int_t)s->samples, "width",
                   (json_int_t)s->width, "seed", seed, "held_out", held, "points", points);
}
