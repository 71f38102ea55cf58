/* SPDX-License-Identifier: MIT */
/* A sweep as pictures: four plots each, lines through the points that differ in one parameter. See
 * sweep.h. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"
#include "runtime/cli/sweep.h"

enum {
  WIDTH = 460,
  HEIGHT = 320,
  LEFT = 58,
  RIGHT = 16,
  TOP = 30,
  BOTTOM = 44,
  TICKS = 5,
  LINE = 18,
  PLOTS = 4
};

static const char *const colours[] = {"#0b6bcb", "#c2410c", "#15803d", "#7e22ce", "#b91c1c",
                                      "#0f766e", "#a16207", "#475569", "#db2777", "#4d7c0f"};
enum { COLOURS = sizeof colours / sizeof *colours };

/* What an axis of a plot shows; EVALUATIONS, on a logarithmic scale. */
enum { EVALUATIONS = MEASURES };

typedef struct Plot {
  int x, y; /* measures, or EVALUATIONS */
  double x0, x1, y0, y1;
  int left, top;
} Plot;

static double value_of(const SweepPoint *p, int what) {
  if (what == EVALUATIONS) return log2((double)p->cost.steps);
  return p->measures.value[what] * measure_kinds[what].scale;
}

static double held(const Sweep *s, int model, int what) {
  if (what == EVALUATIONS || !s->models[model].referenced) return (double)NAN;
  return s->models[model].reference.real.value[what] * measure_kinds[what].scale;
}

static void reach(double *lo, double *hi, double x) {
  if (!isfinite(x)) return;
  *lo = fmin(*lo, x);
  *hi = fmax(*hi, x);
}

static void widen(double *lo, double *hi) {
  double room = *hi > *lo ? 0.04 * (*hi - *lo) : 0.5;
  if (!(*lo <= *hi)) *lo = *hi = 0;
  *lo -= room;
  *hi += room;
}

static void plot_range(const Sweep *s, Plot *p) {
  p->x0 = p->y0 = INFINITY;
  p->x1 = p->y1 = -INFINITY;
  for (int i = 0; i < s->n; i++) {
    reach(&p->x0, &p->x1, value_of(&s->points[i], p->x));
    reach(&p->y0, &p->y1, value_of(&s->points[i], p->y));
  }
  for (int m = 0; m < s->nmodels; m++) {
    reach(&p->x0, &p->x1, held(s, m, p->x));
    reach(&p->y0, &p->y1, held(s, m, p->y));
  }
  widen(&p->x0, &p->x1);
  widen(&p->y0, &p->y1);
}

static double at_x(const Plot *p, double x) {
  return p->left + LEFT + (x - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}
static double at_y(const Plot *p, double y) {
  return p->top + HEIGHT - BOTTOM - (y - p->y0) / (p->y1 - p->y0) * (HEIGHT - TOP - BOTTOM);
}

static const char *heading(int what) {
  return what == EVALUATIONS ? "evaluations" : measure_kinds[what].heading;
}

static void put_tick(StrBuf *s, const Plot *p, bool across, double at, const char *label) {
  if (across) {
    compare_tenths(s, "<text text-anchor=\"middle\" x=\"", at_x(p, at));
    sb_printf(s, "\" y=\"%d\">%s</text>\n", p->top + HEIGHT - BOTTOM + 16, label);
    return;
  }
  sb_printf(s, "<text text-anchor=\"end\" x=\"%d\"", p->left + LEFT - 6);
  compare_tenths(s, " y=\"", at_y(p, at) + 4);
  sb_printf(s, "\">%s</text>", label);
  compare_tenths(s, "<path stroke=\"#8884\" d=\"M", p->left + LEFT);
  compare_tenths(s, " ", at_y(p, at));
  sb_printf(s, "H%d\"/>\n", p->left + WIDTH - RIGHT);
}

/* The next of 1, 2, 5, 10, 20, ... */
static double round_step(double least) {
  double ten = pow(10, floor(log10(least)));
  return least <= ten ? ten : least <= 2 * ten ? 2 * ten : least <= 5 * ten ? 5 * ten : 10 * ten;
}

static void put_ticks(StrBuf *s, const Plot *p, bool across) {
  double lo = across ? p->x0 : p->y0, hi = across ? p->x1 : p->y1;
  bool powers = (across ? p->x : p->y) == EVALUATIONS;
  double step = powers ? fmax(1, round_step((hi - lo) / 10)) : round_step((hi - lo) / TICKS);
  for (int64_t k = (int64_t)ceil(lo / step); (double)k * step <= hi; k++) {
    char label[32];
    double x = (double)k * step;
    if (powers)
      format_count(label, exp2(x));
    else
      format_number(label, k == 0 ? 0 : x);
    put_tick(s, p, across, x, label);
  }
}

static void put_frame(const Sweep *s, const Plot *p, StrBuf *out) {
  put_ticks(out, p, true);
  put_ticks(out, p, false);
  sb_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            p->left + (LEFT + WIDTH - RIGHT) / 2, p->top + HEIGHT - 10, heading(p->x));
  sb_printf(out, "<text x=\"%d\" y=\"%d\" font-size=\"14\">%s</text>\n", p->left + LEFT,
            p->top + 20, heading(p->y));
  for (int m = 0; m < s->nmodels; m++) {
    double x = held(s, m, p->x), y = held(s, m, p->y);
    if (!isfinite(y)) continue;
    if (p->x == EVALUATIONS) {
      compare_tenths(out, "<path stroke=\"#888\" stroke-dasharray=\"5 4\" d=\"M", p->left + LEFT);
      compare_tenths(out, " ", at_y(p, y));
      sb_printf(out, "H%d\"/>\n", p->left + WIDTH - RIGHT);
    } else if (isfinite(x)) {
      compare_tenths(out, "<path stroke=\"#888\" stroke-width=\"2\" d=\"M", at_x(p, x) - 6);
      compare_tenths(out, " ", at_y(p, y));
      compare_tenths(out, "H", at_x(p, x) + 6);
      compare_tenths(out, "M", at_x(p, x));
      compare_tenths(out, " ", at_y(p, y) - 6);
      compare_tenths(out, "V", at_y(p, y) + 6);
      sb_puts(out, "\"/>\n");
    }
  }
}

/* ---- lines ------------------------------------------------------------------------------- */

/* The axis along which a point's line runs; -1: the point stands alone. */
typedef int LineAxis(const Sweep *s, int point);

/* The first swept parameter of the sampler that does not set how often it turns. */
static int other_axis(const Sweep *s, int point) {
  for (int k = 0; k < s->naxes; k++)
    if (k != sweep_turns(s, point) && s->points[point].at[k] >= 0 && s->axes[k].n > 1) return k;
  return -1;
}

/* Is the point the first of its line? */
static bool begins(const Sweep *s, int point, LineAxis *along) {
  for (int i = 0; i < point; i++)
    if (sweep_alike(s, i, point, along(s, point))) return false;
  return true;
}

static void put_line(const Sweep *s, const Plot *p, int first, LineAxis *along, const char *colour,
                     StrBuf *out) {
  int axis = along(s, first), n = 0;
  sb_printf(out, "<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"%s\" points=\"", colour);
  for (int pass = 0; pass < 2; pass++) {
    for (int i = first; i < s->n; i++) {
      double x = value_of(&s->points[i], p->x), y = value_of(&s->points[i], p->y);
      if (!sweep_alike(s, first, i, axis) || !isfinite(x) || !isfinite(y)) continue;
      compare_tenths(out, pass == 0 ? " " : "<circle r=\"3.5\" cx=\"", at_x(p, x));
      compare_tenths(out, pass == 0 ? "," : "\" cy=\"", at_y(p, y));
      if (pass == 0) continue;
      sb_printf(out, "\" fill=\"%s\"><title>", colour);
      StrBuf label = {0};
      sweep_label(s, i, -1, &label);
      sb_escaped(out, label.s);
      sb_free(&label);
      sb_puts(out, "</title></circle>\n");
      /* the ends of a line say which way it runs */
      if (axis >= 0 && p->x != EVALUATIONS &&
          (n == 0 || s->points[i].at[axis] == s->axes[axis].n - 1)) {
        compare_tenths(out, "<text font-size=\"10\" x=\"", at_x(p, x) + 5);
        compare_tenths(out, "\" y=\"", at_y(p, y) - 5);
        sb_printf(out, "\" fill=\"%s\">", colour);
        sb_escaped(out, s->axes[axis].values[s->points[i].at[axis]]);
        sb_puts(out, "</text>\n");
      }
      n++;
    }
    if (pass == 0) sb_puts(out, "\"/>\n");
  }
}

static void put_picture(const Sweep *s, const int what[PLOTS][2], LineAxis *along, StrBuf *out) {
  int lines = 0;
  for (int i = 0; i < s->n; i++) lines += begins(s, i, along);
  int height = 2 * HEIGHT + (lines / 2 + 2) * LINE;
  sb_printf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"12\" fill=\"#888\">\n",
            2 * WIDTH, height);
  for (int k = 0; k < PLOTS; k++) {
    Plot p = {.x = what[k][0], .y = what[k][1], .left = k % 2 * WIDTH, .top = k / 2 * HEIGHT};
    plot_range(s, &p);
    put_frame(s, &p, out);
    int n = 0;
    for (int i = 0; i < s->n; i++)
      if (begins(s, i, along)) put_line(s, &p, i, along, colours[n++ % COLOURS], out);
  }
  int n = 0;
  for (int i = 0; i < s->n; i++) {
    if (!begins(s, i, along)) continue;
    StrBuf label = {0};
    sweep_label(s, i, along(s, i), &label);
    sb_printf(out, "<text x=\"%d\" y=\"%d\" fill=\"%s\">&#9679; ", LEFT + n % 2 * WIDTH,
              2 * HEIGHT + (n / 2 + 1) * LINE, colours[n % COLOURS]);
    sb_escaped(out, label.s);
    if (along(s, i) >= 0) sb_printf(out, ", by %s", s->axes[along(s, i)].name);
    sb_puts(out, "</text>\n");
    sb_free(&label);
    n++;
  }
  sb_printf(out, "<text x=\"%d\" y=\"%d\">%s: held-out text</text>\n</svg>\n", LEFT + n % 2 * WIDTH,
            2 * HEIGHT + (n / 2 + 1) * LINE, what[0][0] == EVALUATIONS ? "- - -" : "+");
}

void sweep_plot_evaluations(const Sweep *s, StrBuf *out) {
  const int what[PLOTS][2] = {{EVALUATIONS, sweep_bits(s)},
                              {EVALUATIONS, M_WORDS5},
                              {EVALUATIONS, M_DISTINCT4},
                              {EVALUATIONS, M_JS4}};
  bool any = false;
  for (int i = 0; i < s->n; i++) {
    int axis = sweep_turns(s, i);
    any = any || (axis >= 0 && s->axes[axis].n > 1 && s->points[i].at[axis] >= 0);
  }
  if (any) put_picture(s, what, sweep_turns, out);
}

void sweep_plot_frontier(const Sweep *s, StrBuf *out) {
  int bits = sweep_bits(s);
  const int what[PLOTS][2] = {
      {bits, M_DISTINCT4}, {bits, M_ENTROPY}, {M_WORDS5, M_DISTINCT4}, {bits, M_JS4}};
  put_picture(s, what, other_axis, out);
}
