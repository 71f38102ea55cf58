/* SPDX-License-Identifier: MIT */
/* A comparison as one HTML file that needs no network: the table, plots as SVG, and texts. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/compare.h"

enum { WIDTH = 660, LEFT = 220, RIGHT = 112, LINE = 26 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\"\n"
    "  content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>Comparison</title>\n<style>\n"
    "  :root { color-scheme: light dark }\n";
static const char layout[] =
    "  body { margin: 0 auto; max-width: 62rem; padding: 2rem 1rem; color: var(--ink);\n"
    "    background: var(--paper); font: 16px/1.5 system-ui, sans-serif }\n"
    "  div { overflow-x: auto }\n"
    "  table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap "
    "}\n"
    "  td, th { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right }\n"
    "  td:first-child, th:first-child { text-align: left; position: sticky; left: 0;\n"
    "    background: var(--paper) }\n"
    "  .section { font-weight: 600; padding-top: 1rem }\n"
    "  .models { position: sticky; top: 0; z-index: 1; margin: 0; padding: .5rem 0; display: "
    "flex;\n"
    "    flex-wrap: wrap; gap: .1rem 1.2rem; font-weight: 600; background: var(--paper);\n"
    "    border-bottom: 1px solid var(--line); list-style: none }\n"
    "  @media (max-width: 40rem) {\n"
    "    td:first-child, th:first-child { white-space: normal; min-width: 7rem } }\n"
    "  svg { max-width: 100%; min-width: 30rem; height: auto }\n"
    "  pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .75rem 1rem;\n"
    "    border: 1px solid var(--line); border-radius: 10px }\n"
    "</style>\n";

/* ---- the table ------------------------------------------------------------------------- */

static void put_cell(StrBuf *out, const RowKind *r, double mean, double error) {
  if (isnan(mean))
    sb_puts(out, "<td>–</td>");
  else if (error > 0)
    sb_printf(out, "<td>%.*f ± %.*f</td>", r->decimals, mean * r->scale, r->decimals,
              error * r->scale);
  else
    sb_printf(out, "<td>%.*f</td>", r->decimals, mean * r->scale);
}

static void put_row(const Comparison *k, int row, StrBuf *out) {
  RowKind r = compare_row(row);
  if (r.section != NULL)
    sb_printf(out, "<tr><td class=\"section\" colspan=\"%d\">%s</td></tr>\n", k->n + 2, r.section);
  sb_printf(out, "<tr><td>%s</td>", r.heading);
  for (int i = 0; i < k->n; i++) {
    double mean, error;
    compare_mean(k, &k->models[i], row, &mean, &error);
    if (row == R_LIKELIHOOD) error = fmax(error, k->models[i].likelihood_error);
    put_cell(out, &r, mean, error);
  }
  put_cell(out, &r, k->models[0].real[row], 0);
  sb_puts(out, "</tr>\n");
}

static void put_table(const Comparison *k, StrBuf *out) {
  sb_puts(out, "<div><table>\n<tr><th></th>");
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, "<th style=\"color: ");
    compare_colour(out, i);
    sb_puts(out, "\">");
    sb_escaped(out, k->models[i].path);
    sb_puts(out, "</th>");
  }
  sb_puts(out, "<th>held-out text</th></tr>\n<tr><td>its metric</td>");
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, "<td>");
    sb_escaped(out, k->models[i].metric);
    if (k->models[i].claim != NULL) sb_printf(out, ", %s", k->models[i].claim);
    sb_puts(out, "</td>");
  }
  sb_puts(out, "<td></td></tr>\n");
  put_row(k, R_LIKELIHOOD, out);
  for (int row = 0; row < COMPARE_ROWS; row++)
    if (row != R_LIKELIHOOD && !compare_empty(k, row)) put_row(k, row, out);
  sb_puts(out, "</table></div>\n");
}

/* ---- plots ----------------------------------------------------------------------------- */

typedef struct Range {
  double lo, hi;
} Range;

static void range_take(Range *r, double x) {
  if (isnan(x)) return;
  r->lo = fmin(r->lo, x);
  r->hi = fmax(r->hi, x);
}

/* Rows that are looked at together, the last one without a label. */
typedef struct Plot {
  const char *heading, *note;
  bool alike; /* one range for all of them, else each has its own */
  bool wide;  /* a logarithmic one */
  struct {
    int row;
    const char *label;
  } rows[10];
} Plot;

static const Plot plots[] = {
    {"Quality",
     "The stroke is held-out text of the same size: the nearer, the better.",
     false,
     false,
     {{M_JUDGE, "bits by an 8-gram judge"},
      {M_NEURAL, "bits by the judge"},
      {M_JS4, "divergence of 4-grams"},
      {M_JS_WORDS, "divergence of words"},
      {M_WORDS3, "% words of 3+ letters known"},
      {M_WORDS5, "% words of 5+ letters known"}}},
    {"Diversity",
     "As above; texts that repeat themselves have few distinct n-grams.",
     false,
     false,
     {{M_ENTROPY, "entropy of symbols, bits"},
      {M_DISTINCT2, "distinct 2-grams"},
      {M_DISTINCT3, "distinct 3-grams"},
      {M_DISTINCT4, "distinct 4-grams"},
      {M_REPEATED, "% of 8-grams repeated"},
      {M_VARIED_WORDS, "words of 5+ and variety"},
      {M_COPIED30, "% in copies of 30+"}}},
    {"Exposure: quality by position",
     "Bits by the 8-gram judge, on one scale. Errors that pile up raise it from quarter to "
     "quarter.",
     true,
     false,
     {{R_QUARTER, "first quarter"},
      {R_QUARTER + 1, "second"},
      {R_QUARTER + 2, "third"},
      {R_QUARTER + 3, "last"}}},
    {"Robustness: quality after a prompt",
     "Bits of what follows by the 8-gram judge, on one scale. What noise does to a model is how "
     "much "
     "further right its dots lie than after the clean prompt.",
     true,
     false,
     {{R_CONTINUED, "prompt of held-out text"},
      {R_NOISE5, "with 5% noise in it"},
      {R_NOISE10, "with 10%"},
      {R_NOISE20, "with 20%"},
      {R_LOST, "noise alone: what follows first"},
      {R_LOST_ON, "noise alone: later on"}}},
    {"Use of context",
     "Symbols of a gap that are guessed, on one scale.",
     true,
     false,
     {{R_LEFT, "% from what stands before"}, {R_BOTH, "% from both sides"}}},
    {"Cost",
     "Each on a scale by factors.",
     false,
     true,
     {{R_STEPS, "evaluations a text"},
      {R_ALONE, "seconds a text, alone"},
      {R_SECONDS, "seconds a text, together"},
      {R_CPU_ALONE, "CPU seconds a text, alone"},
      {R_CPU, "CPU seconds a text, together"},
      {R_SPEED_ALONE, "characters a second, alone"},
      {R_SPEED, "characters a second, together"},
      {R_MEMORY, "memory, MB, together"}}},
};

static void range_row(const Comparison *k, const Plot *plot, int row, Range *r) {
  double mean, error;
  if (k->models[0].real[row] > 0 || !plot->wide) range_take(r, k->models[0].real[row]);
  for (int i = 0; i < k->n; i++) {
    compare_mean(k, &k->models[i], row, &mean, &error);
    if (!plot->wide || mean - error > 0) range_take(r, mean - error);
    if (!plot->wide || mean > 0) range_take(r, mean + error);
  }
}

static double at_x(const Plot *plot, const Range *r, double x) {
  double share =
      plot->wide ? log(fmax(x, r->lo) / r->lo) / log(r->hi / r->lo) : (x - r->lo) / (r->hi - r->lo);
  return LEFT + (r->hi > r->lo ? share : 0.5) * (WIDTH - LEFT - RIGHT);
}

static void put_dot(const Comparison *k, const Plot *plot, const Range *r, int row, int i, int y,
                    StrBuf *out) {
  double mean, error;
  compare_mean(k, &k->models[i], row, &mean, &error);
  if (isnan(mean) || (plot->wide && !(mean > 0))) return;
  compare_tenths(out, "<line stroke-width=\"2\" x1=\"", at_x(plot, r, mean - error));
  compare_tenths(out, "\" x2=\"", at_x(plot, r, mean + error));
  sb_printf(out, "\" y1=\"%d\" y2=\"%d\" style=\"stroke: ", y, y);
  compare_colour(out, i);
  compare_tenths(out, "\"/><circle r=\"5\" cx=\"", at_x(plot, r, mean));
  sb_printf(out, "\" cy=\"%d\" style=\"fill: ", y);
  compare_colour(out, i);
  sb_puts(out, "\"/>\n");
}

/* A dot a model with its error, a stroke for held-out text; the ends of the range beside it. */
static void put_line(const Comparison *k, const Plot *plot, const Range *r, int at, int y,
                     StrBuf *out) {
  int row = plot->rows[at].row;
  RowKind kind = compare_row(row);
  double real = k->models[0].real[row];
  sb_printf(out, "<text x=\"0\" y=\"%d\">%s</text>", y + 4, plot->rows[at].label);
  sb_printf(out, "<path class=\"axis\" d=\"M%d %dH%d\"/>", (int)LEFT, y, WIDTH - RIGHT);
  sb_printf(out, "<text class=\"soft\" x=\"%d\" y=\"%d\">%.*f \u2013 %.*f</text>\n",
            WIDTH - RIGHT + 10, y + 4, kind.decimals, r->lo * kind.scale, kind.decimals,
            r->hi * kind.scale);
  if (!isnan(real)) {
    compare_tenths(out, "<rect class=\"soft\" width=\"3\" height=\"16\" x=\"",
                   at_x(plot, r, real) - 1.5);
    sb_printf(out, "\" y=\"%d\"/>", y - 8);
  }
  for (int i = 0; i < k->n; i++) put_dot(k, plot, r, row, i, y, out);
}

static bool is_shown(const Comparison *k, const Plot *plot, int at, Range *r) {
  *r = (Range){HUGE_VAL, -HUGE_VAL};
  if (!compare_empty(k, plot->rows[at].row)) range_row(k, plot, plot->rows[at].row, r);
  return r->hi >= r->lo;
}

static void put_plot(const Comparison *k, const Plot *plot, StrBuf *out) {
  Range all = {HUGE_VAL, -HUGE_VAL}, own;
  int lines = 0, y = 18;
  for (int i = 0; plot->rows[i].label != NULL; i++) {
    if (!is_shown(k, plot, i, &own)) continue;
    range_take(&all, own.lo);
    range_take(&all, own.hi);
    lines++;
  }
  if (lines == 0) return;
  sb_printf(out, "<h2>%s</h2>\n<p class=\"soft\">%s</p>\n", plot->heading, plot->note);
  sb_printf(out, "<div><svg viewBox=\"0 0 %d %d\" width=\"%d\">\n", (int)WIDTH, lines * LINE + 12,
            (int)WIDTH);
  for (int i = 0; plot->rows[i].label != NULL; i++) {
    if (!is_shown(k, plot, i, &own)) continue;
    put_line(k, plot, plot->alike ? &all : &own, i, y, out);
    y += LINE;
  }
  sb_puts(out, "</svg></div>\n");
}

static void put_training(const Comparison *k, StrBuf *out) {
  StrBuf curves = {0};
  compare_curves(k, false, &curves);
  if (curves.n > 0) {
    sb_puts(out, "<h2>Training</h2>\n<p class=\"soft\">Each run, as its log tells it. Values of "
                 "models that claim a bound and of those that are exact are not alike.");
    compare_equal(k, out);
    sb_puts(out, "</p>\n<div>");
    sb_write(out, curves.s, curves.n);
    sb_puts(out, "</div>\n");
  }
  sb_free(&curves);
}

static void put_models(const Comparison *k, StrBuf *out) {
  sb_puts(out, "<ul class=\"models\">\n");
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, "<li style=\"color: ");
    compare_colour(out, i);
    sb_puts(out, "\">● ");
    sb_escaped(out, k->models[i].path);
    sb_puts(out, "</li>\n");
  }
  sb_puts(out, "<li class=\"soft\">❙ held-out text</li>\n</ul>\n");
}

static void put_samples(const Compared *m, int model, StrBuf *out) {
  sb_puts(out, "<h3 style=\"color: ");
  compare_colour(out, model);
  sb_puts(out, "\">");
  sb_escaped(out, m->path);
  sb_puts(out, "</h3>\n<p class=\"soft\">sampler ");
  sb_escaped(out, m->sampler);
  for (int i = 0; i < m->nweights; i++) {
    sb_puts(out, i == 0 ? "; weights " : ", ");
    sb_escaped(out, m->weights[i]);
  }
  sb_puts(out, "</p>\n");
  if (m->copies) sb_puts(out, "<p>These texts copy the training text.</p>\n");
  for (int x = 0; x < 2; x++) {
    sb_puts(out, "<pre>");
    sb_escaped(out, m->texts[x]);
    sb_puts(out, "</pre>\n");
  }
}

void compare_page(const Comparison *k, StrBuf *out) {
  sb_puts(out, head);
  compare_style(out);
  sb_puts(out, layout);
  sb_printf(out,
            "<h1>Comparison</h1>\n<p class=\"soft\">%d seed%s of %" PRId64
            " texts each, prompts and gaps of %" PRId64
            " held-out text%s. ± is the standard error over seeds, of the likelihood that over "
            "windows where it is larger. A model with several weights has others in each.</p>\n",
            k->seeds, k->seeds == 1 ? "" : "s", k->samples, k->windows, k->windows == 1 ? "" : "s");
  put_models(k, out);
  for (size_t i = 0; i < sizeof plots / sizeof *plots; i++) put_plot(k, &plots[i], out);
  put_training(k, out);
  sb_puts(out, "<h2>Samples</h2>\n");
  for (int i = 0; i < k->n; i++) put_samples(&k->models[i], i, out);
  sb_puts(out, "<h2>All numbers</h2>\n");
  put_table(k, out);
  sb_puts(out, "</html>\n");
}
