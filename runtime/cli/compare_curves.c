/* SPDX-License-Identifier: MIT */
/* The runs of all models in one picture: a panel for each cost that the logs tell, both axes
 * logarithmic, as learning curves are nearly straight there. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"

enum {
  WIDTH = 892,
  PANEL = 300, /* height of the part inside the axes */
  LEFT = 44,
  TOP = 30,
  GAP = 56, /* between two panels, with the numbers of the second */
  RIGHT = 24,
  COLUMNS = 4, /* of the names below */
  LINE = 20,
  LABEL = 46 /* room of a number below */
};

typedef struct Axis {
  double lo, hi;   /* of the values, above 0 */
  double from, to; /* of the picture */
} Axis;

static void axis_take(Axis *a, double x) {
  a->lo = fmin(a->lo, x);
  a->hi = fmax(a->hi, x);
}

static double axis_at(const Axis *a, double x) {
  double width = log(a->hi / a->lo);
  return a->from + (width > 0 ? log(x / a->lo) / width : 0.5) * (a->to - a->from);
}

static bool shown(const EffortPoint *p, EffortCost of) {
  double cost = effort_cost(p, of);
  return p->value > 0 && isfinite(p->value) && cost > 0 && isfinite(cost);
}

/* A round number that is not below x: 1, 2 or 5 and zeros. */
static double rounded_up(double x) {
  double power = pow(10, floor(log10(x)));
  return power * (x > 5 * power ? 10 : x > 2 * power ? 5 : x > power ? 2 : 1);
}

/* The next label behind x: of a wide axis 1, 2, 5, 10 and so on, of a narrow one even steps. */
static double tick_after(const Axis *a, double x) {
  if (a->hi / a->lo < 8) {
    double step = rounded_up((a->hi - a->lo) / 8);
    return (floor(x / step + 1e-6) + 1) * step;
  }
  return rounded_up(x * (1 + 1e-6));
}

/* A line across the picture at a value, with its number unless that stands too near the last. */
static void put_tick(const Axis *a, bool down, const Axis *other, double x, bool number,
                     StrBuf *out) {
  char label[32];
  double at = axis_at(a, x);
  compare_tenths(out, "<path class=\"axis\" d=\"M", down ? at : other->from);
  compare_tenths(out, " ", down ? other->from : at);
  compare_tenths(out, down ? "V" : "H", other->to);
  sb_puts(out, "\"/>\n");
  if (!number) return;
  (down ? format_count : format_number)(label, x);
  sb_printf(out, "<text class=\"soft\" text-anchor=\"%s\"", down ? "middle" : "end");
  compare_tenths(out, " x=\"", down ? at : other->from - 6);
  compare_tenths(out, "\" y=\"", down ? other->from + 18 : at + 4);
  sb_printf(out, "\">%s</text>\n", label);
}

static void put_ticks(const Axis *a, bool down, const Axis *other, StrBuf *out) {
  double last = (double)INFINITY;
  if (!(a->hi > a->lo)) return;
  double margin = (a->hi - a->lo) * 1e-6, before = fmax(a->lo - margin, a->lo * (1 - 1e-3));
  for (double x = tick_after(a, before), next; x <= a->hi + margin; x = next) {
    bool number = fabs(axis_at(a, x) - last) >= (down ? LABEL : LINE);
    if (x >= a->lo - margin) put_tick(a, down, other, x, number, out);
    if (number) last = axis_at(a, x);
    next = tick_after(a, x);
    if (!(next > x)) return; /* ends too near each other for numbers between them */
  }
}

static void put_run(const Effort *e, int model, EffortCost of, const Axis *x, const Axis *y,
                    StrBuf *out) {
  sb_puts(out, "<polyline fill=\"none\" stroke-width=\"1.5\"");
  compare_dashes(out, model);
  sb_puts(out, " style=\"stroke: ");
  compare_colour(out, model);
  sb_puts(out, "\" points=\"");
  for (size_t i = 0; i < e->n; i++)
    if (shown(&e->at[i], of)) {
      compare_tenths(out, " ", axis_at(x, effort_cost(&e->at[i], of)));
      compare_tenths(out, ",", axis_at(y, e->at[i].value));
    }
  sb_puts(out, "\"/>\n");
  for (size_t i = 0; i < e->n; i++)
    if (shown(&e->at[i], of)) {
      compare_tenths(out, "<circle r=\"2.5\" cx=\"", axis_at(x, effort_cost(&e->at[i], of)));
      compare_tenths(out, "\" cy=\"", axis_at(y, e->at[i].value));
      sb_puts(out, "\" style=\"fill: ");
      compare_colour(out, model);
      sb_puts(out, "\"/>\n");
    }
}

static bool ranges(const Comparison *k, EffortCost of, Axis *x, Axis *y) {
  bool any = false;
  for (int i = 0; i < k->n; i++)
    for (int s = 0; s < k->models[i].nefforts; s++)
      for (size_t p = 0; p < k->models[i].efforts[s].n; p++) {
        const EffortPoint *at = &k->models[i].efforts[s].at[p];
        if (!shown(at, of)) continue;
        axis_take(x, effort_cost(at, of));
        axis_take(y, at->value);
        any = true;
      }
  return any;
}

/* Of all models alike, or NULL. */
static const char *metric_of(const Comparison *k) {
  for (int i = 1; i < k->n; i++)
    if (k->models[0].metric == NULL || k->models[i].metric == NULL ||
        strcmp(k->models[i].metric, k->models[0].metric) != 0)
      return NULL;
  return k->n > 0 ? k->models[0].metric : NULL;
}

static void put_panel(const Comparison *k, EffortCost of, Axis x, Axis y, StrBuf *out) {
  static const char *const costs[EFFORT_COSTS] = {"CPU seconds", "characters read"};
  const char *metric = metric_of(k);
  put_ticks(&x, true, &y, out);
  put_ticks(&y, false, &x, out);
  compare_tenths(out, "<text x=\"", x.from);
  sb_puts(out, "\" y=\"18\">");
  sb_escaped(out, metric != NULL ? metric : "held-out value");
  sb_printf(out, " against %s</text>\n", costs[of]);
  for (int i = 0; i < k->n; i++)
    for (int s = 0; s < k->models[i].nefforts; s++)
      if (k->models[i].efforts[s].n > 0) put_run(&k->models[i].efforts[s], i, of, &x, &y, out);
}

static void put_names(const Comparison *k, StrBuf *out) {
  int at = 0;
  for (int i = 0; i < k->n; i++) {
    bool any = false;
    for (int s = 0; s < k->models[i].nefforts; s++) any = any || k->models[i].efforts[s].n > 0;
    if (!any) continue;
    int x = LEFT + at % COLUMNS * ((WIDTH - LEFT) / COLUMNS),
        y = TOP + PANEL + 48 + at / COLUMNS * LINE;
    size_t n;
    const char *name = unit_name(k->models[i].path, &n);
    char *own = strndup(name, n);
    sb_printf(out, "<path fill=\"none\" stroke-width=\"3\" d=\"M%d %dh18\"", x, y - 4);
    compare_dashes(out, i);
    sb_puts(out, " style=\"stroke: ");
    compare_colour(out, i);
    sb_printf(out, "\"/><text x=\"%d\" y=\"%d\">", x + 24, y);
    sb_escaped(out, own);
    if (k->models[i].claim != NULL) sb_printf(out, ", %s", k->models[i].claim);
    sb_puts(out, "</text>\n");
    free(own);
    at++;
  }
}

void compare_curves(const Comparison *k, bool alone, StrBuf *out) {
  EffortCost costs[EFFORT_COSTS];
  Axis x[EFFORT_COSTS], y = {INFINITY, -INFINITY, TOP + PANEL, TOP};
  int n = 0, named = 0;
  for (int of = 0; of < EFFORT_COSTS; of++) {
    x[n] = (Axis){INFINITY, -INFINITY, 0, 0};
    if (ranges(k, (EffortCost)of, &x[n], &y)) costs[n++] = (EffortCost)of;
  }
  for (int i = 0; i < k->n; i++) named += k->models[i].nefforts > 0;
  if (n == 0 && !alone) return;
  int height = TOP + PANEL + 56 + (named + COLUMNS - 1) / COLUMNS * LINE;
  sb_printf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\" font-family=\"system-ui, sans-serif\">\n",
            WIDTH, height, WIDTH, height);
  if (alone) {
    sb_puts(out, "<style>\n");
    compare_style(out);
    sb_puts(out, "  svg { background: var(--paper) }\n</style>\n");
  }
  double width = n > 0 ? (double)(WIDTH - LEFT - RIGHT - (n - 1) * GAP) / n : 0;
  for (int i = 0; i < n; i++) {
    x[i].from = LEFT + i * (width + GAP);
    x[i].to = x[i].from + width;
    put_panel(k, costs[i], x[i], y, out);
  }
  put_names(k, out);
  sb_puts(out, "</svg>\n");
}
