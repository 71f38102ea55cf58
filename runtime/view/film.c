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
#include "runtime/view/terminal.h"

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

typedef struct Picture {
  int64_t width, height;
  uint8_t *pixels; /* [height, width] numbers of colours */
} Picture;

typedef struct Kept {
  int64_t done, evaluations;
  double seconds;
  int32_t *ids;    /* [rows, window] */
  uint8_t *colour; /* [rows, window] */
} Kept;

struct Film {
  FilmOptions o;
  int64_t rows, window;  /* of a frame */
  int64_t count, in_all; /* the steps that there are, and evaluations */
  const char *glyph;
  Kept *frames;
  int64_t n, room;
  bool failed; /* memory is out */
  /* laid out */
  int64_t most; /* columns of a line */
  int span;     /* columns of a symbol: its digits and a gap, where numbers are shown */
  int32_t *at;  /* [rows, window, 2] its column and line */
  int64_t columns, lines;
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
  Kept k = {.done = frame->done,
            .evaluations = frame->evaluations,
            .seconds = frame->seconds,
            .ids = malloc((size_t)n * sizeof *k.ids + 1),
            .colour = malloc((size_t)n + 1)};
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
    f->in_all = frame->in_all;
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
  int64_t column = 0, most = f->most / f->span;
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
  return max_of(16, 3 * ceil_div(f->window * f->span, f->most));
}

/* In lines of `most` columns. */
static bool lay_out(Film *f, int64_t most, const char *path, TdError *err) {
  StrBuf s = {0};
  int64_t places;
  if (f->failed) return td_fail_memory(err);
  if (f->n == 0 || f->rows == 0 || f->window == 0)
    return td_fail(err, TD_BAD_USAGE, "%s: there is no text to draw", path);
  if (!mul_fits(f->rows, f->window, &places) || places > INT32_MAX / 16)
    return td_fail(err, TD_BAD_USAGE, "a picture of %" PRId64 " x %" PRId64 " symbols is too large",
                   f->rows, f->window);
  f->at = malloc((size_t)places * 2 * sizeof *f->at + 1);
  if (f->at == NULL) return td_fail_memory(err);
  f->most = most;
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
  return true;
}

/* Pixels from margin to margin: the title and the count have room. */
static int64_t width_of(const Film *f) { return max_of(f->columns * f->span, 40) * CELL; }

static bool picture_new(Picture *p, int64_t width, int64_t lines, TdError *err) {
  int64_t bytes;
  *p = (Picture){.width = width, .height = 2 * MARGIN + (lines + 3) * LINE};
  if (!mul_fits(p->width, p->height, &bytes) || p->width > GIF_SIDE || p->height > GIF_SIDE)
    return td_fail(err, TD_BAD_USAGE, "a picture of %" PRId64 " x %" PRId64 " pixels is too large",
                   p->width, p->height);
  p->pixels = malloc((size_t)bytes);
  return p->pixels != NULL || td_fail_memory(err);
}

/* ---- drawing -------------------------------------------------------------------------------- */

static void draw_box(Picture *p, int64_t x0, int64_t y0, int64_t wide, int64_t tall,
                     uint8_t colour) {
  for (int64_t y = y0; y < y0 + tall; y++)
    memset(p->pixels + y * p->width + x0, colour, (size_t)wide);
}

static void draw_letter(Picture *p, int64_t x0, int64_t y0, uint32_t point, uint8_t colour) {
  for (int y = 0; y < FONT_TALL; y++)
    for (int x = 0; x < FONT_WIDE; x++)
      if (font_ink(point, x, y)) draw_box(p, x0 + x * SCALE, y0 + y * SCALE, SCALE, SCALE, colour);
}

/* As many letters as fit before `end`. */
static void draw_text(Picture *p, int64_t x, int64_t y, int64_t end, const char *text, size_t n,
                      uint8_t colour) {
  size_t len;
  for (size_t i = 0; i < n && x + CELL <= end; i += len, x += CELL)
    draw_letter(p, x, y, point_of(text + i, n - i, &len), colour);
}

/* Where a film is drawn: from x to end, its count below `base`. */
typedef struct Place {
  Picture *picture;
  int64_t x, end, base;
} Place;

/* The title, the text's rows, and below them a rule that fills and the count; NULL: nothing yet. */
static void draw_frame(const Film *f, const Kept *k, const Place *at, const char *count) {
  StrBuf s = {0};
  draw_text(at->picture, at->x, MARGIN, at->end, f->o.title, strlen(f->o.title), SOFT);
  for (int64_t i = 0; k != NULL && i < f->rows * f->window; i++) {
    int64_t x = at->x + (int64_t)f->at[2 * i] * f->span * CELL,
            y = MARGIN + LINE * 3 / 2 + (int64_t)f->at[2 * i + 1] * LINE;
    spell(f, k, i, &s);
    bool mark = f->o.vocabulary != NULL && s.n == 1 && s.s[0] == '\n';
    size_t len, n = s.n; /* one letter a symbol, or all digits */
    if (f->o.vocabulary != NULL && n > 0) {
      point_of(s.s, n, &len);
      n = len;
    }
    draw_text(at->picture, x, y, at->end, s.s, n, mark ? OPEN : k->colour[i]);
  }
  int64_t wide = at->end - at->x, done = k != NULL ? k->done : 0;
  int64_t filled = f->count > 0 ? wide * done / f->count : wide;
  draw_box(at->picture, at->x, at->base, wide, SCALE, RULE);
  draw_box(at->picture, at->x, at->base, filled, SCALE, GIVEN);
  draw_text(at->picture, at->x, at->base + LINE / 2, at->end, count, strlen(count), SOFT);
  sb_free(&s);
}

/* Hundredths of a second that a frame stays: some eight seconds in all. */
static int pace(const Film *f, int64_t frame) {
  if (frame == f->n - 1) return 300;
  if (frame == 0 && f->o.from_text) return 150;
  return (int)max_of(4, min_of(25, 800 / f->n));
}

static bool write_gif(Gif *g, const IoHook *hook, const char *path, TdError *err) {
  size_t n;
  const char *bytes = gif_end(g, &n);
  return io_write_file(hook, path, bytes, n, err);
}

bool film_write(Film *f, const IoHook *hook, const char *path, TdError *err) {
  Picture p = {0};
  if (!lay_out(f, FILM_COLUMNS, path, err) ||
      !picture_new(&p, 2 * MARGIN + width_of(f), f->lines, err))
    return false;
  Place at = {&p, MARGIN, p.width - MARGIN, MARGIN + (f->lines + 2) * LINE};
  Gif *g = gif_new(p.width, p.height, colours, SHADE + SHADES, err);
  for (int64_t i = 0; g != NULL && i < f->n; i++) {
    char count[96];
    const Kept *k = &f->frames[i];
    int said = snprintf(count, sizeof count, "step %" PRId64 " of %" PRId64, k->done, f->count);
    if (k->evaluations > 0 && !f->o.from_text)
      snprintf(count + said, sizeof count - (size_t)said, ", %" PRId64 " evaluation%s",
               k->evaluations, k->evaluations == 1 ? "" : "s");
    memset(p.pixels, PAPER, (size_t)(p.width * p.height));
    draw_frame(f, k, &at, count);
    gif_frame(g, p.pixels, pace(f, i));
  }
  bool ok = g != NULL && write_gif(g, hook, path, err);
  gif_free(g);
  free(p.pixels);
  return ok;
}

/* ---- two of them --------------------------------------------------------------------------- */

enum { MOMENTS = 120, MOMENT = 7 }; /* pictures of two films, and hundredths of a second of each */

/* What there is to see after so many seconds. */
static const Kept *seen_after(const Film *f, double seconds) {
  const Kept *seen = NULL;
  for (int64_t i = 0; i < f->n && f->frames[i].seconds <= seconds; i++) seen = &f->frames[i];
  return seen;
}

static void draw_moment(const Film *f, double seconds, const Place *at) {
  const Kept *k = seen_after(f, seconds);
  char count[96] = "no evaluation yet", took[32], of[32] = "";
  if (k != NULL) {
    format_duration(took, k->seconds);
    if (k->done < f->count) snprintf(of, sizeof of, "%" PRId64 " of ", k->evaluations);
    snprintf(count, sizeof count, "%s%" PRId64 " evaluation%s, %s", of, f->in_all,
             f->in_all == 1 ? "" : "s", took);
  }
  draw_frame(f, k, at, count);
}

bool film_write_beside(Film *left, Film *right, const IoHook *hook, const char *path,
                       TdError *err) {
  Picture p = {0};
  if (!lay_out(left, FILM_COLUMNS_BESIDE, path, err) ||
      !lay_out(right, FILM_COLUMNS_BESIDE, path, err))
    return false;
  int64_t lines = max_of(left->lines, right->lines), wide = width_of(left);
  double one = left->frames[left->n - 1].seconds, two = right->frames[right->n - 1].seconds;
  if (!picture_new(&p, 4 * MARGIN + wide + width_of(right), lines, err)) return false;
  int64_t base = MARGIN + (lines + 2) * LINE;
  Place a = {&p, MARGIN, MARGIN + wide, base}, b = {&p, 3 * MARGIN + wide, p.width - MARGIN, base};
  Gif *g = gif_new(p.width, p.height, colours, SHADE + SHADES, err);
  for (int i = 1; g != NULL && i <= MOMENTS; i++) {
    double now = (one > two ? one : two) * i / MOMENTS;
    memset(p.pixels, PAPER, (size_t)(p.width * p.height));
    draw_box(&p, 2 * MARGIN + wide, MARGIN, SCALE, p.height - 2 * MARGIN, RULE);
    draw_moment(left, now, &a);
    draw_moment(right, now, &b);
    gif_frame(g, p.pixels, i < MOMENTS ? MOMENT : 300);
  }
  bool ok = g != NULL && write_gif(g, hook, path, err);
  gif_free(g);
  free(p.pixels);
  return ok;
}
