/* SPDX-License-Identifier: MIT */
/* A comparison as a table of Markdown and as JSON. See compare.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/compare.h"
#include "runtime/system/json.h"

/* Nothing in a name may act as Markdown's table does. */
static void put_cell(StrBuf *out, const char *text) {
  for (; text != NULL && *text != '\0'; text++) {
    if (*text == '|' || *text == '\\') sb_putc(out, '\\');
    sb_putc(out, *text == '\n' ? ' ' : *text);
  }
}

static void put_number(StrBuf *out, const RowKind *r, double mean, double error) {
  if (isnan(mean)) {
    sb_puts(out, " - |");
    return;
  }
  sb_printf(out, " %.*f", r->decimals, mean * r->scale);
  if (error > 0) sb_printf(out, " ± %.*f", r->decimals, error * r->scale);
  sb_puts(out, " |");
}

static void put_row(const Comparison *k, int row, StrBuf *out) {
  RowKind r = compare_row(row);
  sb_printf(out, "| %s |", r.heading);
  for (int i = 0; i < k->n; i++) {
    double mean, error;
    compare_mean(k, &k->models[i], row, &mean, &error);
    if (row == R_LIKELIHOOD) error = fmax(error, k->models[i].likelihood_error);
    put_number(out, &r, mean, error);
    if (row != R_LIKELIHOOD) continue;
    out->n -= 2; /* " |" */
    sb_puts(out, " ");
    put_cell(out, k->models[i].metric);
    if (k->models[i].claim != NULL) sb_printf(out, ", %s", k->models[i].claim);
    sb_puts(out, " |");
  }
  put_number(out, &r, k->models[0].real[row], 0);
  sb_puts(out, "\n");
}

void compare_equal(const Comparison *k, StrBuf *out) {
  double cpu = k->common[EFFORT_CPU], characters = k->common[EFFORT_CHARACTERS];
  if (isnan(characters)) return;
  sb_puts(out, "\nEqual cost is what the shortest run took:");
  if (!isnan(cpu)) sb_printf(out, " %.0f CPU seconds,", cpu);
  sb_printf(out, " %.2f million characters.\n", characters / 1e6);
}

void compare_markdown(const Comparison *k, StrBuf *out) {
  sb_puts(out, "| |");
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, " ");
    put_cell(out, k->models[i].path);
    sb_puts(out, " |");
  }
  sb_puts(out, " held-out text |\n|---|");
  for (int i = 0; i <= k->n; i++) sb_puts(out, "--:|");
  sb_puts(out, "\n");
  for (int pass = 0; pass < 2; pass++) /* the likelihood comes first */
    for (int row = 0; row < COMPARE_ROWS; row++) {
      if ((row == R_LIKELIHOOD) != (pass == 0) || compare_empty(k, row)) continue;
      RowKind r = compare_row(row);
      if (r.section != NULL) {
        sb_printf(out, "| **%s** |", r.section);
        for (int i = 0; i <= k->n; i++) sb_puts(out, " |");
        sb_puts(out, "\n");
      }
      put_row(k, row, out);
    }
  sb_printf(
      out,
      "\nMeans over %d seed%s of %" PRId64 " texts each, prompts and gaps of %" PRId64
      " held-out text%s; ± is the standard error over seeds, of the likelihood that over windows "
      "where it is larger. Seeds are those of evaluating and sampling: a model with several "
      "weights "
      "has others in each.\n",
      k->seeds, k->seeds == 1 ? "" : "s", k->samples, k->windows, k->windows == 1 ? "" : "s");
  compare_equal(k, out);
  for (int i = 0; i < k->n; i++) {
    if (!k->models[i].copies) continue;
    sb_puts(out, "\nThe texts of ");
    put_cell(out, k->models[i].path);
    sb_puts(out, " copy the training text.\n");
  }
}

/* Each run's evaluations: [characters, CPU seconds, value]. */
static json_t *runs_json(const Compared *m) {
  json_t *runs = json_array();
  for (int i = 0; i < m->nefforts; i++) {
    json_t *run = json_array();
    for (size_t p = 0; p < m->efforts[i].n; p++) {
      const EffortPoint *at = &m->efforts[i].at[p];
      run = json_and(run, json_pack("[o, o, o]", json_finite(at->characters), json_finite(at->cpu),
                                    json_finite(at->value)));
    }
    runs = json_and(runs, run);
  }
  return runs;
}

static json_t *model_json(const Comparison *k, const Compared *m) {
  json_t *rows = json_object();
  for (int row = 0; row < COMPARE_ROWS; row++) {
    double mean, error;
    if (compare_empty(k, row)) continue;
    compare_mean(k, m, row, &mean, &error);
    json_t *seeds = json_array();
    for (int i = 0; i < k->seeds; i++) seeds = json_and(seeds, json_finite(m->value[row][i]));
    rows = json_with(rows, compare_row(row).name,
                     json_pack("{s:o, s:o, s:o, s:o}", "mean", json_finite(mean), "error",
                               json_finite(error), "held_out", json_finite(m->real[row]), "seeds",
                               seeds));
  }
  json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "file", json_text(m->path),
                        "sampler", json_text(m->sampler), "metric", json_text(m->metric), "claim",
                        m->claim != NULL ? json_text(m->claim) : json_null(),
                        "likelihood_error_over_windows", json_finite(m->likelihood_error), "copies",
                        m->copies, "values", rows);
  json_t *texts = json_array();
  for (int i = 0; i < 2; i++)
    texts = json_and(texts, m->texts[i] != NULL ? json_text(m->texts[i]) : json_null());
  json_t *weights = json_array();
  for (int i = 0; i < m->nweights; i++) weights = json_and(weights, json_text(m->weights[i]));
  o = json_with(o, "weights", weights);
  return json_with(json_with(o, "runs", runs_json(m)), "texts", texts);
}

json_t *compare_json(const Comparison *k) {
  json_t *models = json_array();
  for (int i = 0; i < k->n; i++) models = json_and(models, model_json(k, &k->models[i]));
  return json_pack("{s:i, s:I, s:o, s:o, s:o}", "seeds", k->seeds, "samples",
                   (json_int_t)k->samples, "equal_cpu", json_finite(k->common[EFFORT_CPU]),
                   "equal_characters", json_finite(k->common[EFFORT_CHARACTERS]), "models", models);
}
