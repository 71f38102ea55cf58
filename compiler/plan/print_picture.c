/* SPDX-License-Identifier: MIT */
/* An entry's fused graph as a picture (SVG): one row a kernel, in the order they
 * run, loops as frames around rows, and to the right a wire for every temporary
 * from the kernel that makes it to those that use it. Colours tell the kinds of
 * kernels; a pointer that rests on a row or a wire is told all that is known. */
#include "compiler/backend.h"

#include <math.h>
#include <string.h>

enum {
  ROW = 22,
  TOP = 64,
  LEFT = 16,
  INDENT = 14,
  NAME_WIDTH = 352,
  FIGURE = 92,
  LANE = 9,
  LANES_MOST = 400
};

typedef struct Wire {
  int buffer, first, last, lane;
  VEC(int) rows; /* that touch it, in order; one after the other is not the same */
} Wire;

typedef struct Picture {
  const TdProgram *p;
  const TdEntry *e;
  StrBuf *out;
  int *row; /* of each step; the frame's first row for a loop */
  int rows;
  VEC(Wire) wires;
  int lanes;
} Picture;

static const struct {
  const char *klass, *colour;
} colours[] = {
    {"contraction", "#3b6fb6"}, {"row", "#2f8f5b"},  {"column", "#8a6d1d"}, {"map", "#7a5aa6"},
    {"scatter", "#b0503c"},     {"pack", "#5b7f95"}, {"chain", "#2b8c9e"},
};

static const char *colour_of(const char *klass) {
  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
    if (strcmp(colours[i].klass, klass) == 0) return colours[i].colour;
  return "#66727f";
}

static void put_amount(StrBuf *out, double x, const char *unit) {
  static const char *const prefix[] = {"", "k", "M", "G", "T"};
  int i = 0;
  for (; x >= 1000 && i < 4; i++) x /= 1000;
  sb_printf(out, i ? "%.3g %s%s" : "%.0f %s%s", x, prefix[i], unit);
}

/* ---- wires ------------------------------------------------------------------------------ */

/* The first step that touches a temporary makes it. Each wire gets the first
 * lane that is free from its first row to its last. */
static void find_wires(Picture *v, Arena *a) {
  int busy_until[LANES_MOST], *wire = NEWN(a, int, v->e->nbuffers + 1); /* 1 + its number */
  for (int i = 0; i < LANES_MOST; i++) busy_until[i] = -1;
  for (int s = 0; s < v->e->nsteps; s++) {
    const TdStep *step = &v->e->steps[s];
    for (int k = 0; step->kind == TD_LAUNCH && k < step->nargs; k++) {
      int b = step->args[k];
      if (v->e->buffers[b].kind != TD_TEMP) continue;
      if (wire[b] == 0) {
        Wire fresh = {.buffer = b, .first = v->row[s], .last = v->row[s]};
        vec_push(a, &v->wires, fresh);
        wire[b] = v->wires.n;
      }
      Wire *w = &v->wires.at[wire[b] - 1];
      if (v->row[s] != w->last) vec_push(a, &w->rows, v->row[s]);
      w->last = v->row[s];
    }
  }
  for (int i = 0; i < v->wires.n; i++) {
    Wire *w = &v->wires.at[i];
    while (w->lane < LANES_MOST - 1 && busy_until[w->lane] >= w->first) w->lane++;
    busy_until[w->lane] = w->last;
    if (w->lane >= v->lanes) v->lanes = w->lane + 1;
  }
}

static int lanes_left(void) { return LEFT + NAME_WIDTH + 3 * FIGURE + 16; }
static int middle(int row) { return TOP + row * ROW + ROW / 2; }

static void put_wire(Picture *v, const Wire *w) {
  const TdBuffer *b = &v->e->buffers[w->buffer];
  int x = lanes_left() + 14 + w->lane * LANE, from = LEFT + NAME_WIDTH + 3 * FIGURE;
  if (w->first == w->last) return;
  double width = 0.8 + 0.45 * log10(1 + (double)b->bytes / 1e3);
  sb_printf(v->out, "<g class=\"wire\" stroke-width=\"%.1f\"><title>", width);
  sb_escaped(v->out, b->name);
  sb_puts(v->out, ": ");
  for (int d = 0; d < b->rank; d++)
    sb_printf(v->out, "%s%lld", d ? " x " : "", (long long)b->shape[d]);
  sb_puts(v->out, ", ");
  put_amount(v->out, (double)b->bytes, "B");
  sb_printf(v->out, "</title><path d=\"M%d %dH%dV%d\"/>", from, middle(w->first), x,
            middle(w->last));
  for (int i = 0; i < w->rows.n; i++)
    sb_printf(v->out, "<path d=\"M%d %dH%d\" marker-end=\"url(#arrow)\"/>", x,
              middle(w->rows.at[i]), from + 5);
  sb_puts(v->out, "</g>\n");
}

/* ---- rows -------------------------------------------------------------------------------- */

static void number_rows(Picture *v) {
  for (int s = 0; s < v->e->nsteps; s++) {
    TdStepKind kind = v->e->steps[s].kind;
    v->row[s] = v->rows;
    if (kind != TD_END) v->rows++;
  }
}

static void put_kernel(Picture *v, int row, int depth, const TdKernel *k, double times) {
  int x = LEFT + depth * INDENT, y = TOP + row * ROW, width = NAME_WIDTH - depth * INDENT;
  sb_printf(v->out, "<g><title>");
  sb_escaped(v->out, k->where);
  sb_puts(v->out, "  ");
  sb_escaped(v->out, k->text);
  sb_printf(v->out,
            "</title><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\" fill=\"%s\"/>", x,
            y + 2, width, ROW - 4, colour_of(k->klass));
  sb_printf(v->out, "<text class=\"name\" x=\"%d\" y=\"%d\">", x + 6, y + 15);
  sb_escaped(v->out, k->name);
  sb_puts(v->out, "</text>");
  for (int i = 0; i < 3; i++) {
    sb_printf(v->out, "<text class=\"figure\" x=\"%d\" y=\"%d\">",
              LEFT + NAME_WIDTH + (i + 1) * FIGURE - 6, y + 15);
    if (i == 0)
      put_amount(v->out, times * k->flops, "flop");
    else if (i == 1)
      put_amount(v->out, times * k->bytes, "B");
    else
      sb_printf(v->out, "%lld piece%s", (long long)k->launch.cpu.pieces,
                k->launch.cpu.pieces == 1 ? "" : "s");
    sb_puts(v->out, "</text>");
  }
  sb_puts(v->out, "</g>\n");
}

static void put_frame(Picture *v, int loop, int depth) {
  int open = 1, end = loop;
  while (open > 0 && end + 1 < v->e->nsteps) {
    TdStepKind kind = v->e->steps[++end].kind;
    open += kind == TD_LOOP ? 1 : kind == TD_END ? -1 : 0;
  }
  const TdStep *step = &v->e->steps[loop];
  int x = LEFT + depth * INDENT, y = TOP + v->row[loop] * ROW, rows = v->row[end] - v->row[loop];
  sb_printf(v->out, "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/>",
            x, y + 1, NAME_WIDTH - depth * INDENT + 4, rows * ROW);
  sb_printf(v->out, "<text class=\"loop\" x=\"%d\" y=\"%d\">%lld times%s</text>\n", x + 6, y + 15,
            (long long)step->count, step->reverse ? ", backwards" : "");
}

static void put_rows(Picture *v) {
  double times[TD_MAX_LOOPS + 1] = {1};
  int depth = 0;
  for (int s = 0; s < v->e->nsteps; s++) {
    const TdStep *step = &v->e->steps[s];
    switch (step->kind) {
    case TD_LAUNCH:
      put_kernel(v, v->row[s], depth, &v->p->kernels[step->kernel], times[depth]);
      break;
    case TD_LOOP:
      put_frame(v, s, depth);
      times[depth + 1] = times[depth] * (double)step->count;
      depth++;
      break;
    case TD_END: depth--; break;
    }
  }
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void put_head(Picture *v) {
  int width = lanes_left() + 30 + v->lanes * LANE, height = TOP + v->rows * ROW + 20;
  sb_printf(v->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n",
            width, height, width, height);
  sb_puts(
      v->out,
      "<style>\n"
      "svg { background: #fff; font: 12px ui-monospace, Menlo, Consolas, monospace }\n"
      ".title { font-size: 15px; font-weight: 600; fill: #1b2733 } .key, .figure, .loop { fill: "
      "#51606f }\n"
      ".figure { text-anchor: end } .name { fill: #fff } .loop { font-style: italic }\n"
      ".frame { fill: #eef2f6; stroke: #c3cdd7 } .wire { fill: none; stroke: #9aa8b5 }\n"
      ".wire:hover { stroke: #d0452b } .wire path { pointer-events: stroke }\n"
      "@media (prefers-color-scheme: dark) { svg { background: #14191f } .title { fill: #e6edf3 }\n"
      "  .key, .figure, .loop { fill: #9fb0c0 } .frame { fill: #1d252d; stroke: #3a4652 } .wire { "
      "stroke: #5f6f7e } }\n"
      "</style>\n"
      "<marker id=\"arrow\" viewBox=\"0 0 6 6\" refX=\"5\" refY=\"3\" markerWidth=\"5\" "
      "markerHeight=\"5\" "
      "markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\" "
      "fill=\"#7d8b98\"/></marker>\n");
  sb_printf(v->out, "<text class=\"title\" x=\"%d\" y=\"24\">", LEFT);
  sb_escaped(v->out, v->p->name);
  sb_puts(v->out, ": ");
  sb_escaped(v->out, v->e->name);
  sb_puts(v->out, ", ");
  put_amount(v->out, v->e->flops, "flop, ");
  put_amount(v->out, v->e->bytes, "B moved, ");
  put_amount(v->out, (double)v->e->arena_bytes, "B of temporaries");
  sb_puts(v->out, "</text>\n");
  int x = LEFT;
  for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
    sb_printf(v->out, "<rect x=\"%d\" y=\"37\" width=\"11\" height=\"11\" rx=\"2\" fill=\"%s\"/>",
              x, colours[i].colour);
    sb_printf(v->out, "<text class=\"key\" x=\"%d\" y=\"47\">%s</text>", x + 16, colours[i].klass);
    x += 34 + 8 * (int)strlen(colours[i].klass);
  }
  sb_putc(v->out, '\n');
}

void backend_print_picture(Arena *a, const TdProgram *p, const TdEntry *e, StrBuf *out) {
  Picture v = {.p = p, .e = e, .out = out};
  v.row = NEWN(a, int, e->nsteps + 1);
  number_rows(&v);
  find_wires(&v, a);
  put_head(&v);
  put_rows(&v);
  for (int i = 0; i < v.wires.n; i++) put_wire(&v, &v.wires.at[i]);
  sb_puts(out, "</svg>\n");
}
