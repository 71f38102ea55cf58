/* SPDX-License-Identifier: MIT */
/* A comparison as one HTML file that needs no network: the table, plots as SVG, and texts. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/cli/compare.h"

enum { WIDTH = 640, LEFT = 220, RIGHT = 90, LINE = 26 };

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
    "  table { border-collapse: collapse; font-variant-numeric: tabular-nums }\n"
    "  td, th { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: right }\n"
    "  td:first-child, th:first-child { text-align: left }\n"
    "  .section { font-weight: 600; padding-top: 1rem }\n"
    "  svg { max-width: 100%; min-width: 40rem; height: auto }\n"
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
    compare_escaped(out, k->models[i].path);
    sb_puts(out, "</th>");
  }
  sb_puts(out, "<th>held-out text</th></tr>\n<tr><td>its metric</td>");
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, "<td>");
    compare_escaped(out, k->models[i].metric);
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

static double at_x(const Range *r, double x) {
  double width = r->hi > r->lo ? r->hi - r->lo : 1;
  return LEFT + (x - r->lo) / width * (WIDTH - LEFT - RIGHT);
}

/* One line a row: a dot a model with its error, a stroke for held-out text; each row in its own
 * range, whose ends stand beside it. */
static void put_dots(const Comparison *k, const int *rows, int n, StrBuf *out) {
  sb_printf(out, "<div><svg viewBox=\"0 0 %d %d\" width=\"%d\">\n", (int)WIDTH, n * LINE + 12,
            (int)WIDTH);
  for (int line = 0; line < n; line++) {
    RowKind kind = compare_row(rows[line]);
    Range r = {HUGE_VAL, -HUGE_VAL};
    double y = line * LINE + 18, mean, error;
    range_take(&r, k->models[0].real[rows[line]]);
    for (int i = 0; i < k->n; i++) {
      compare_mean(k, &k->models[i], rows[line], &mean, &error);
      range_take(&r, mean - error);
      range_take(&r, mean + error);
    }
    if (!(r.hi >= r.lo)) continue;
    sb_printf(out, "<text x=\"0\" y=\"%d\">%s</text>", (int)y + 4, kind.heading);
    sb_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", (int)LEFT,
              (int)(WIDTH - RIGHT), (int)y, (int)y);
    sb_printf(out, "<text class=\"soft\" x=\"%d\" y=\"%d\">%.*f – %.*f</text>", WIDTH - RIGHT + 8,
              (int)y + 4, kind.decimals, r.lo * kind.scale, kind.decimals, r.hi * kind.scale);
    if (!isnan(k->models[0].real[rows[line]])) {
      compare_tenths(out, "<rect class=\"soft\" width=\"3\" height=\"16\" x=\"",
                     at_x(&r, k->models[0].real[rows[line]]) - 1.5);
      sb_printf(out, "\" y=\"%d\"/>", (int)y - 8);
    }
    for (int i = 0; i < k->n; i++) {
      compare_mean(k, &k->models[i], rows[line], &mean, &error);
      if (isnan(mean)) continue;
      compare_tenths(out, "<line stroke-width=\"2\" x1=\"", at_x(&r, mean - error));
      compare_tenths(out, "\" x2=\"", at_x(&r, mean + error));
      sb_printf(out, "\" y1=\"%d\" y2=\"%d\" style=\"stroke: ", (int)y, (int)y);
      compare_colour(out, i);
      sb_puts(out, "\"/>");
      compare_tenths(out, "<circle r=\"5\" cx=\"", at_x(&r, mean));
      sb_printf(out, "\" cy=\"%d\" style=\"fill: ", (int)y);
      compare_colour(out, i);
      sb_puts(out, "\"/>\n");
    }
  }
  sb_puts(out, "</svg></div>\n");
}

static void put_plots(const Comparison *k, StrBuf *out) {
  static const int texts[] = {M_JUDGE,   M_NEURAL,    M_JS4,      M_JS_WORDS, M_WORDS5,
                              M_ENTROPY, M_DISTINCT4, M_REPEATED, M_COPIED30};
  static const int uses[] = {R_QUARTER,   R_QUARTER + 1, R_QUARTER + 2, R_QUARTER + 3, R_DRIFT,
                             R_CONTINUED, R_NOISE5,      R_NOISE10,     R_NOISE20,     R_RISE,
                             R_LOST,      R_LOST_ON,     R_LEFT,        R_BOTH,        R_GAIN,
                             R_ALONE,     R_SECONDS,     R_SPEED_ALONE, R_SPEED};
  int rows[COMPARE_ROWS], n = 0;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!compare_empty(k, texts[i])) rows[n++] = texts[i];
  sb_puts(out, "<h2>Texts</h2>\n<p class=\"soft\">A dot a model, a stroke for held-out text of the "
               "same size: the nearer, the better.</p>\n");
  put_dots(k, rows, n, out);
  n = 0;
  for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
    if (!compare_empty(k, uses[i])) rows[n++] = uses[i];
  sb_puts(out, "<h2>Position, prompts, context, cost</h2>\n");
  put_dots(k, rows, n, out);
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

void compare_page(const Comparison *k, StrBuf *out) {
  sb_puts(out, head);
  compare_style(out);
  sb_puts(out, layout);
  sb_printf(out,
            "<h1>Comparison</h1>\n<p class=\"soft\">%d seeds of %" PRId64
            " texts each; ± is the standard error over them, of the likelihood that over windows "
            "where it is larger. A model with several weights has others in each.</p>\n",
            k->seeds, k->samples);
  put_table(k, out);
  put_training(k, out);
  put_plots(k, out);
  for (int i = 0; i < k->n; i++) {
    sb_puts(out, "<h2 style=\"color: ");
    compare_colour(out, i);
    sb_puts(out, "\">");
    compare_escaped(out, k->models[i].path);
    sb_puts(out, "</h2>\n");
    if (k->models[i].copies) sb_puts(out, "<p>These texts copy the training text.</p>\n");
    for (int x = 0; x < 2; x++) {
      sb_puts(out, "<pre>");
      compare_escaped(out, k->models[i].texts[x]);
      sb_puts(out, "</pre>\n");
    }
  }
  sb_puts(out, "</html>\n");
}
