/* SPDX-License-Identifier: MIT */
/* The loss curve as SVG: every logged training loss thin, their running mean
 * thick, validation as dots. */
#include <inttypes.h>
#include <math.h>

#include "runtime/view/logs.h"
#include "runtime/view/terminal.h"

enum { WIDTH = 800, HEIGHT = 420, LEFT = 64, RIGHT = 16, TOP = 40, BOTTOM = 44, TICKS = 5 };

typedef struct Frame {
  double x0, x1, y0, y1;
} Frame;

static void frame_take(Frame *f, const LogCurve *c) {
  for (size_t i = 0; i < c->n; i++) {
    f->x1 = fmax(f->x1, (double)c->at[i].step);
    f->y0 = fmin(f->y0, c->at[i].value);
    f->y1 = fmax(f->y1, c->at[i].value);
  }
}

static double at_x(const Frame *f, double x) {
  return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}
static double at_y(const Frame *f, double y) {
  return HEIGHT - BOTTOM - (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

/* Coordinates to a tenth of a pixel, in any locale. */
static void put_xy(StrBuf *s, const char *before, double x, double y) {
  int64_t a = llround(x * 10), b = llround(y * 10);
  sb_printf(s, "%s%" PRId64 ".%d,%" PRId64 ".%d", before, a / 10, (int)(a % 10), b / 10,
            (int)(b % 10));
}

/* At most one point a pixel: a long run's log has many more. */
static void put_line(StrBuf *s, const Frame *f, const LogCurve *c, double keep, const char *style) {
  double smooth = 0, last = -1;
  sb_printf(s, "<polyline fill=\"none\" %s points=\"", style);
  for (size_t i = 0; i < c->n; i++) {
    smooth = i == 0 ? c->at[i].value : keep * smooth + (1 - keep) * c->at[i].value;
    double x = at_x(f, (double)c->at[i].step);
    if (x - last < 1 && i + 1 < c->n) continue;
    put_xy(s, " ", x, at_y(f, smooth));
    last = x;
  }
  sb_puts(s, "\"/>\n");
}

static void put_axes(StrBuf *s, const Frame *f) {
  for (int i = 0; i <= TICKS; i++) {
    double x = f->x0 + (f->x1 - f->x0) * i / TICKS, y = f->y0 + (f->y1 - f->y0) * i / TICKS;
    char label[32];
    int px = (int)at_x(f, x), py = (int)at_y(f, y);
    format_count(label, x);
    sb_printf(s, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", px,
              HEIGHT - BOTTOM + 18, label);
    format_number(label, y);
    sb_printf(s, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", LEFT - 6, py + 4,
              label);
    sb_printf(s, "<path stroke=\"#8884\" d=\"M%d %dH%d\"/>\n", LEFT, py, WIDTH - RIGHT);
  }
  sb_printf(s, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">step</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8);
}

bool curve_write(const IoHook *hook, const char *path, const char *title, const LogCurve *train,
                 const LogCurve *valid, TdError *err) {
  Frame f = {0, 1, INFINITY, -INFINITY};
  frame_take(&f, train);
  frame_take(&f, valid);
  if (!(f.y0 <= f.y1)) return true; /* nothing to draw yet */
  if (f.y1 - f.y0 < 1e-6) f.y1 = f.y0 + 1e-6;
  StrBuf s = {0};
  sb_printf(
      &s,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
      "font-size=\"12\" fill=\"#888\">\n<text x=\"%d\" y=\"24\" font-size=\"16\">",
      WIDTH, HEIGHT, LEFT);
  sb_escaped(&s, title);
  sb_puts(&s, "</text>\n");
  put_axes(&s, &f);
  put_line(&s, &f, train, 0, "stroke=\"#4a90d966\"");
  put_line(&s, &f, train, 0.95, "stroke=\"#4a90d9\" stroke-width=\"2\"");
  for (size_t i = 0; i < valid->n; i++)
    sb_printf(&s, "<circle r=\"3.5\" fill=\"#e2703a\" cx=\"%d\" cy=\"%d\"/>\n",
              (int)at_x(&f, (double)valid->at[i].step), (int)at_y(&f, valid->at[i].value));
  sb_printf(&s,
            "<text x=\"%d\" y=\"24\" text-anchor=\"end\"><tspan fill=\"#4a90d9\">training</tspan> "
            "<tspan fill=\"#e2703a\">validation</tspan></text>\n</svg>\n",
            WIDTH - RIGHT);
  bool ok = s.s != NULL ? io_write_file(hook, path, s.s, s.n, err) : td_fail_memory(err);
  sb_free(&s);
  return ok;
}
