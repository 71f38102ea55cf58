/* SPDX-License-Identifier: MIT */
/* Frames of text to pictures. See film.h.
 *
 * A symbol keeps its place from frame to frame, or the eye could not follow it: lines end where
 * they do in the text itself, the last frame or the first, and where another frame has a line's
 * end within a line a mark stands for it. */
#include "runtime/view/film.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/utf8.h"
#include "runtime/view/font.h"
#include "runtime/view/gif.h"

enum {
  MOST = 256,        /* frames that are kept, about */
  SCALE = 2,         /* pixels of the picture that one of a letter is wide and tall */
  CELL = 6 * SCALE,  /* from letter to letter */
  LINE = 12 * SCALE, /* from line to line */
  MARGIN = 16,
  TALLEST = 4000, /* pixels: rows beyond are left out */
  SHADES = 8,
};

/* What is drawn, by the number of its colour. */
enum { PAPER, SOFT, RULE, OPEN, GIVEN, SHADE };
static const uint8_t colours[SHADE + SHADES][3] = {
    [PAPER] = {0xfb, 0xfa, 0xf7},     [SOFT] = {0x5b, 0x62, 0x70},
    [RULE] = {0xdf, 0xdc, 0xd4},      [OPEN] = {0xb4, 0xae, 0xa0},
    [GIVEN] = {0x0b, 0x6b, 0xcb},     [SHADE + 0] = {0xc4, 0xc6, 0xcb},
    [SHADE + 1] = {0xac, 0xae, 0xb4}, [SHADE + 2] = {0x93, 0x95, 0x9c},
    [SHADE + 3] = {0x7a, 0x7c, 0x84}, [SHADE + 4] = {0x61, 0x63, 0x6c},
    [SHADE + 5] = {0x48, 0x4a, 0x54}, [SHADE + 6] = {0x2f, 0x31, 0x39},
    [SHADE + 7] = {0x16, 0x18, 0x1d}};

typedef struct Kept {
  int64_t done, evaluations;
  int32_t *ids;    /* [rows, window] */
  uint8_t *colour; /* [rows, window] */
} Kept;

struct Film {
  FilmOptions o;
  int64_t rows, window, count; /* of a frame; the steps that there are */
  const char *glyph;
  Kept *frames;
  int64_t n, room;
  bool failed; /* memory is out */
  /* laid out */
  int span;    /* columns of a symbol: its digits and a gap, where numbers are shown */
  int32_t *at; /* [rows, window, 2] its column and line */
  int64_t columns, lines;
  int64_t width, height; /* of the picture, in pixels */
  uint8_t *pixels;
};

Film *film_new(const FilmOptions *o) {
  Film *f = calloc(1, sizeof *f);
  if (f != NULL) f->o = *o;
  return f;
}

void film_free(Film *f) {
  if (f == NULL) return;
  for (int64_t i = 0; i < f->n; i++) {
    free(f->frames[i].ids);
    free(f->frames[i].colour);
  }
  free(f->frames);
  free(f->at);
  free(f->pixels);
  free(f);
}

/* ---- frames as they come -------------------------------------------------------------- */

static uint8_t colour_of(const Film *f, const SampleFrame *frame, int64_t at) {
  const Vocabulary *v = f->o.vocabulary;
  int64_t place = at % frame->window;
  if (v != NULL && (frame->ids[at] < 0 || frame->ids[at] >= v->size)) return OPEN;
  if (f->o.given != NULL && place < f->o.ngiven && f->o.given[place] != 0) return GIVEN;
  if (frame->confidence == NULL) return SHADE + SHADES - 1;
  float sure = frame->confidence[at];
  return (uint8_t)(SHADE + (sure >= 1  ? SHADES - 1
                            : sure > 0 ? (int)(sure * (SHADES - 1) + 0.5f)
                                       : 0));
}

static bool keep_frame(Film *f, const SampleFrame *frame) {
  if (f->n == f->room) {
    int64_t room = f->room == 0 ? 64 : 2 * f->room;
    Kept *more = realloc(f->frames, (size_t)room * sizeof *more);
    if (more == NULL) return false;
    f->frames = more;
    f->room = room;
  }
  int64_t n = f->rows * f->window;
  Kept k = {frame->done, frame->evaluations, malloc((size_t)n * sizeof *k.ids + 1),
            malloc((size_t)n + 1)};
  f->frames[f->n++] = k;
  if (k.ids == NULL || k.colour == NULL) return false;
  memcpy(k.ids, frame->ids, (size_t)n * sizeof *k.ids);
  for (int64_t i = 0; i < n; i++) k.colour[i] = colour_of(f, frame, i);
  return true;
}

void film_add(Film *f, const SampleFrame *frame) {
  int64_t every = f->o.all ? 1 : ceil_div(max_of(frame->count, 1), MOST);
  if (frame->done % every != 0 && frame->done < frame->count) return;
  if (f->n == 0) {
    f->rows = min_of(frame->batch, f->o.rows);
    f->window = frame->window;
    f->count = frame->count;
    f->glyph = frame->glyph;
  }
  if (!keep_frame(f, frame)) f->failed = true;
}

/* ---- where everything stands ------------------------------------------------------------ */

static uint32_t point_of(const char *text, size_t n, size_t *len) {
  uint32_t point;
  *len = utf8_decode((const uint8_t *)text, n, &point);
  if (*len > 0) return point;
  *len = 1;
  return 0xfffd;
}

/* What a symbol reads as. */
static void spell(const Film *f, const Kept *k, int64_t at, StrBuf *out) {
  SampleFrame one = {.ids = k->ids, .glyph = f->glyph};
  out->n = 0;
  sample_spell(f->o.vocabulary, &one, at, 1, out);
}

static bool ends_line(const Film *f, const Kept *k, int64_t at, StrBuf *s) {
  spell(f, k, at, s);
  return f->o.vocabulary != NULL && s->n == 1 && s->s[0] == '\n';
}

/* One row from `line` on; the line after it. `ended`: the text's own lines are kept. A line's
 * end has a column of its own. */
static int64_t lay_row(Film *f, const Kept *text, int64_t row, int64_t line, bool ended,
                       StrBuf *s) {
  int64_t column = 0, most = FILM_COLUMNS / f->span;
  for (int64_t i = row * f->window; i < (row + 1) * f->window; i++) {
    bool end = ended && ends_line(f, text, i, s);
    if (column == most && !end) {
      column = 0;
      line++;
    }
    f->at[2 * i] = (int32_t)column++;
    f->at[2 * i + 1] = (int32_t)line;
    f->columns = max_of(f->columns, column);
    if (end) {
      column = 0;
      line++;
    }
  }
  return line + (column > 0);
}

/* Columns that the widest symbol takes. */
static int widest(const Film *f, StrBuf *s) {
  int most = 1;
  if (f->o.vocabulary != NULL) return most;
  for (int64_t k = 0; k < f->n; k++)
    for (int64_t i = 0; i < f->rows * f->window; i++) {
      spell(f, &f->frames[k], i, s);
      most = s->n + 1 > (size_t)most ? (int)s->n + 1 : most;
    }
  return most;
}

/* A text that is mostly ends of lines would be taller than it says anything. */
static int64_t too_many(const Film *f) {
  return max_of(16, 3 * ceil_div(f->window * f->span, FILM_COLUMNS));
}

static bool lay_out(Film *f, TdError *err) {
  StrBuf s = {0};
  int64_t places, bytes;
  if (!mul_fits(f->rows, f->window, &places) || places > INT32_MAX / 16)
    return td_fail(err, TD_BAD_USAGE, "a picture of %" PRId64 " x %" PRId64 " symbols is too large",
                   f->rows, f->window);
  f->at = malloc((size_t)places * 2 * sizeof *f->at + 1);
  if (f->at == NULL) return td_fail_memory(err);
  f->span = widest(f, &s);
  const Kept *text = &f->frames[f->o.from_text ? 0 : f->n - 1];
  int64_t shown = 0, tall = TALLEST / LINE;
  for (int64_t row = 0; row < f->rows; row++) {
    int64_t from = row > 0 ? f->lines + 1 : 0; /* a line between */
    int64_t to = lay_row(f, text, row, from, true, &s);
    if (to - from > too_many(f)) to = lay_row(f, text, row, from, false, &s);
    if (row > 0 && to > tall) break;
    f->lines = to;
    shown++;
  }
  sb_free(&s);
  f->rows = shown;
  int64_t least = max_of(f->columns * f->span, 40); /* the title and the count have room */
  f->width = 2 * MARGIN + least * CELL;
  f->height = 2 * MARGIN + (f->lines + 3) * LINE;
  if (!mul_fits(f->width, f->height, &bytes) || f->width > GIF_SIDE || f->height > GIF_SIDE)
    return td_fail(err, TD_BAD_USAGE, "a picture of %" PRId64 " x %" PRId64 " pixels is too large",
                   f->width, f->height);
  f->pixels = malloc((size_t)bytes);
  return f->pixels != NULL || td_fail_memory(err);
}

/* ---- drawing -------------------------------------------------------------------------------- */

static void draw_box(Film *f, int64_t x0, int64_t y0, int64_t wide, int64_t tall, uint8_t colour) {
  for (int64_t y = y0; y < y0 + tall; y++)
    memset(f->pixels + y * f->width + x0, colour, (size_t)wide);
}

static void draw_letter(Film *f, int64_t x0, int64_t y0, uint32_t point, uint8_t colour) {
  for (int y = 0; y < FONT_TALL; y++)
    for (int x = 0; x < FONT_WIDE; x++)
      if (font_ink(point, x, y)) draw_box(f, x0 + x * SCALE, y0 + y * SCALE, SCALE, SCALE, colour);
}

/* As many letters as fit before `end`. Returns where the next would stand. */
static int64_t draw_text(Film *f, int64_t x, int64_t y, int64_t end, const char *text, size_t n,
                         uint8_t colour) {
  size_t len;
  for (size_t i = 0; i < n && x + CELL <= end; i += len, x += CELL)
    draw_letter(f, x, y, point_of(text + i, n - i, &len), colour);
  return x;
}

/* The title, the text's rows, and below them a rule that fills and the count. */
static void draw_frame(Film *f, const Kept *k, StrBuf *s) {
  int64_t end = f->width - MARGIN, base = MARGIN + (f->lines + 2) * LINE;
  memset(f->pixels, PAPER, (size_t)(f->width * f->height));
  draw_text(f, MARGIN, MARGIN, end, f->o.title, strlen(f->o.title), SOFT);
  for (int64_t i = 0; i < f->rows * f->window; i++) {
    int64_t x = MARGIN + (int64_t)f->at[2 * i] * f->span * CELL,
            y = MARGIN + LINE * 3 / 2 + (int64_t)f->at[2 * i + 1] * LINE;
    spell(f, k, i, s);
    bool mark = f->o.vocabulary != NULL && s->n == 1 && s->s[0] == '\n';
    size_t len, n = s->n; /* one letter a symbol, or all digits */
    if (f->o.vocabulary != NULL && n > 0) {
      point_of(s->s, n, &len);
      n = len;
    }
    draw_text(f, x, y, end, s->s, n, mark ? OPEN : k->colour[i]);
  }
  int64_t filled = f->count > 0 ? (end - MARGIN) * k->done / f->count : end - MARGIN;
  draw_box(f, MARGIN, base, end - MARGIN, SCALE, RULE);
  draw_box(f, MARGIN, base, filled, SCALE, GIVEN);
  s->n = 0;
  sb_printf(s, "step %" PRId64 " of %" PRId64, k->done, f->count);
  if (k->evaluations > 0 && !f->o.from_text)
    sb_printf(s, ", %" PRId64 " evaluation%s", k->evaluations, k->evaluations == 1 ? "" : "s");
  draw_text(f, MARGIN, base + LINE / 2, end, s->s, s->n, SOFT);
}

/* Hundredths of a second that a frame stays: some eight seconds in all. */
static int pace(const Film *f, int64_t frame) {
  if (frame == f->n - 1) return 300;
  if (frame == 0 && f->o.from_text) return 150;
  return (int)max_of(4, min_of(25, 800 / f->n));
}

bool film_write(Film *f, const IoHook *hook, const char *path, TdError *err) {
  if (f->failed) return td_fail_memory(err);
  if (f->n == 0 || f->rows == 0 || f->window == 0)
    return td_fail(err, TD_BAD_USAGE, "%s: there is no text to draw", path);
  if (!lay_out(f, err)) return false;
  Gif *g = gif_new(f->width, f->height, colours, SHADE + SHADES, err);
  if (g == NULL) return false;
  StrBuf s = {0};
  for (int64_t i = 0; i < f->n; i++) {
    draw_frame(f, &f->frames[i], &s);
    gif_frame(g, f->pixels, pace(f, i));
  }
  size_t n;
  const char *bytes = gif_end(g, &n);
  bool ok = io_write_file(hook, path, bytes, n, err);
  sb_free(&s);
  gif_free(g);
  return ok;
}
