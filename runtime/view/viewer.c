/* SPDX-License-Identifier: MIT */
/* Denoising in the terminal. Texts are laid out in lines of a pane's width, panes stand beside
 * each other where the terminal is wide enough, else one below the other, and the lines are
 * written over those of the frame before. */
#include "runtime/view/viewer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
  LEAST_COLUMNS = 12, /* of a pane */
  GOOD_COLUMNS = 34,  /* of each of two that stand beside each other */
  USUAL_LINE = 30     /* symbols that a line of a text has at least, on the average */
};

Viewer viewer_new(Terminal t, const Vocabulary *v) {
  return (Viewer){.terminal = t, .pane = {{.vocabulary = v}}, .panes = 1, .texts = 1};
}

void viewer_beside(Viewer *w, const char *name, const Vocabulary *other, const char *other_name) {
  w->pane[0].name = name;
  w->pane[1] = (Pane){.vocabulary = other, .name = other_name};
  w->panes = 2;
}

static int viewer_rows(const Viewer *w) {
  struct winsize size;
  if (ioctl(fileno(w->terminal.out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

/* ---- a text into lines -------------------------------------------------------------- */

typedef struct Line {
  StrBuf s;
  int columns;
} Line;

static bool undecided(const Pane *p, const SampleFrame *f, int64_t at) {
  return f->glyph != NULL && p->vocabulary != NULL &&
         (f->ids[at] < 0 || f->ids[at] >= p->vocabulary->size);
}

/* Doubt is grey and faint, which is near to any background; what has just changed is black on
 * amber; "" is the terminal's own colour. Where the sampler says nothing, what
 * is no symbol yet is as doubtful as can be. */
static const char *shade_of(const Viewer *w, const Pane *p, const SampleFrame *f, int64_t at) {
  if (!w->terminal.colour) return "";
  float c = f->confidence != NULL ? f->confidence[at] : undecided(p, f, at) ? 0 : 1;
  bool fresh = f->confidence == NULL && p->before != NULL && f->done < f->count &&
               p->before[at] != f->ids[at];
  return c < 0.3f   ? "\033[2;38;5;244m"
         : c < 0.6f ? "\033[38;5;244m"
         : c < 0.9f ? "\033[2m"
         : fresh    ? "\033[38;5;16;48;5;222m"
                    : "";
}

/* From one shade to another; a line begins and ends without. */
static void put_shade(StrBuf *out, const char **shade, const char *now) {
  if (strcmp(*shade, now) == 0) return;
  if (**shade != '\0') sb_puts(out, "\033[0m");
  sb_puts(out, now);
  *shade = now;
}

/* One row of the batch. Returns how many lines it takes: those past the `most`-th are not kept. */
static int lay_text(const Viewer *w, const Pane *p, const SampleFrame *f, int64_t row, int columns,
                    Line *line, int most) {
  int lines = 1;
  Line beyond = {0}, *at = most > 0 ? line : &beyond;
  const char *shade = "";
  for (int64_t i = 0; i < f->window; i++) {
    StrBuf one = {0}, cells = {0};
    int64_t k = row * f->window + i;
    sample_spell(p->vocabulary, f, k, 1, &one);
    const char *said = one.s != NULL ? one.s : "";
    bool newline = one.n == 1 && said[0] == '\n';
    int width = newline ? 0 : terminal_cells(&w->terminal, &cells, said, one.n, at->columns == 0);
    if (newline || at->columns + width > columns) {
      put_shade(&at->s, &shade, "");
      at = lines < most ? &line[lines] : &beyond;
      at->columns = 0;
      lines++;
    }
    if (cells.n > 0) {
      put_shade(&at->s, &shade, shade_of(w, p, f, k));
      sb_write(&at->s, cells.s, cells.n);
    }
    at->columns += width;
    sb_free(&cells);
    sb_free(&one);
  }
  put_shade(&at->s, &shade, "");
  sb_free(&beyond.s);
  return lines;
}

/* ---- a pane: its texts, and what stands below them ------------------------------------ */

typedef struct Sheet {
  Line *line; /* [most] */
  int most, lines;
} Sheet;

static bool sheet_new(Sheet *s, int most) {
  *s = (Sheet){.line = calloc((size_t)most + 1, sizeof *s->line), .most = most};
  return s->line != NULL;
}

static void sheet_free(Sheet *s) {
  for (int i = 0; s->line != NULL && i < s->most; i++) sb_free(&s->line[i].s);
  free(s->line);
  *s = (Sheet){0};
}

static Line *sheet_add(Sheet *s) { return s->lines < s->most ? &s->line[s->lines++] : NULL; }

static void sheet_say(const Viewer *w, Sheet *s, const char *style, const char *text, int columns) {
  Line *at = sheet_add(s);
  if (at == NULL) return;
  sb_puts(&at->s, terminal_style(&w->terminal, style));
  at->columns = terminal_clip(&w->terminal, &at->s, text, columns);
  sb_puts(&at->s, terminal_style(&w->terminal, "\033[0m"));
}

/* How many texts there is room for, at first sight. */
static int64_t texts_that_fit(const Viewer *w, const SampleFrame *f, int columns, int room) {
  int64_t line = columns < USUAL_LINE ? columns : USUAL_LINE;
  int64_t need = (f->window + line - 1) / line, n = min_of(w->texts, f->batch);
  n = min_of(n, VIEWER_TEXTS);
  while (n > 1 && (room - (n - 1)) / n < need) n--;
  return n;
}

/* The texts in `room` lines, with a free line between. A text keeps the lines that it had, so
 * that those below it do not jump, until there are too few. */
static int64_t put_texts(const Viewer *w, Pane *p, const SampleFrame *f, int columns, int room,
                         Sheet *out) {
  int64_t n = texts_that_fit(w, f, columns, room);
  Sheet text[VIEWER_TEXTS] = {{0}};
  int all = (int)n - 1, tight = (int)n - 1, share = (room - ((int)n - 1)) / (int)n;
  bool ok = true, last = f->done == f->count;
  for (int64_t r = 0; r < n && ok; r++) {
    if (!(ok = sheet_new(&text[r], room))) break;
    text[r].lines = lay_text(w, p, f, r, columns, text[r].line, room);
    if (last || text[r].lines > p->tall[r]) p->tall[r] = text[r].lines;
    all += p->tall[r];
    tight += text[r].lines;
  }
  p->whole = 0;
  for (int64_t r = 0; r < n && ok; r++) {
    int has = text[r].lines, gets = all <= room ? p->tall[r] : tight <= room ? has : share;
    if (has <= gets && p->whole == r) p->whole = r + 1;
    if (r > 0) sheet_add(out);
    for (int i = 0; i < gets && (i < has || all <= room); i++) {
      Line *at = sheet_add(out);
      if (at == NULL || i >= has) continue;
      *at = text[r].line[i];
      text[r].line[i] = (Line){0};
    }
  }
  for (int64_t r = 0; r < n; r++) sheet_free(&text[r]);
  return n;
}

static void put_counts(const Viewer *w, const Pane *p, const SampleFrame *f, int64_t shown,
                       int columns, Sheet *out) {
  StrBuf s = {0};
  char took[32];
  if (p->name == NULL) {
    sb_printf(&s, "step %lld of %lld", (long long)f->done, (long long)f->count);
  } else if (f == NULL) {
    sb_puts(&s, "no evaluation yet");
  } else {
    format_duration(took, f->seconds);
    if (f->done < f->count) sb_printf(&s, "%lld of ", (long long)f->evaluations);
    sb_printf(&s, "%lld evaluation%s, %s", (long long)f->in_all, f->in_all == 1 ? "" : "s", took);
  }
  int64_t wanted = f == NULL ? 0 : min_of(w->texts, f->batch);
  if (shown == 1 && wanted > 1) sb_printf(&s, ", text 1 of %lld", (long long)wanted);
  if (shown > 1 && shown < wanted)
    sb_printf(&s, ", texts 1 to %lld of %lld", (long long)shown, (long long)wanted);
  if (p->name != NULL) {
    sheet_add(out); /* a free line */
    sheet_say(w, out, "\033[1m", p->name, columns);
  }
  sheet_say(w, out, "\033[2m", s.s != NULL ? s.s : "", columns);
  sb_free(&s);
}

/* ---- all of it ---------------------------------------------------------------------------- */

typedef struct Place {
  bool beside;       /* each other; else one below the other */
  int columns, room; /* of a pane; lines for its texts */
} Place;

static Place place_of(const Viewer *w) {
  int columns = terminal_columns(&w->terminal), lines = viewer_rows(w) - 1; /* the cursor's */
  int below = w->pane[0].name != NULL ? 3 : 1, note = w->note != NULL;
  if (w->panes == 1) return (Place){false, columns, lines - note - below};
  if (columns >= 2 * GOOD_COLUMNS + 3)
    return (Place){true, (columns - 3) / 2, lines - note - below};
  return (Place){false, columns, (lines - note - 1) / 2 - below};
}

bool viewer_fits(const Viewer *w) {
  Place at = place_of(w);
  return at.room > 0 && at.columns >= LEAST_COLUMNS;
}

/* Lines are cleared before they are written: after a full one the cursor still
 * stands on its last character. */
static const char fresh_line[] = "\r\033[K";

static int put_sheet(StrBuf *out, const Sheet *s) {
  for (int i = 0; i < s->lines; i++) {
    sb_puts(out, fresh_line);
    if (s->line[i].s.n > 0) sb_write(out, s->line[i].s.s, s->line[i].s.n);
    sb_putc(out, '\n');
  }
  return s->lines;
}

static int put_both(const Viewer *w, StrBuf *out, const Sheet *left, const Sheet *right,
                    int columns) {
  int lines = left->lines > right->lines ? left->lines : right->lines;
  static const Line none;
  for (int i = 0; i < lines; i++) {
    const Line *a = i < left->lines ? &left->line[i] : &none;
    const Line *b = i < right->lines ? &right->line[i] : &none;
    sb_puts(out, fresh_line);
    if (a->s.n > 0) sb_write(out, a->s.s, a->s.n);
    sb_printf(out, "%*s%s %s %s", columns - a->columns, "", terminal_style(&w->terminal, "\033[2m"),
              w->terminal.unicode ? "\xe2\x94\x82" : "|", terminal_style(&w->terminal, "\033[0m"));
    if (b->s.n > 0) sb_write(out, b->s.s, b->s.n);
    sb_putc(out, '\n');
  }
  return lines;
}

/* Returns the number of lines. */
static int put_frame(Viewer *w, const SampleFrame *const *f, StrBuf *out) {
  Place at = place_of(w);
  Sheet text[VIEWER_PANES] = {{0}}, below[VIEWER_PANES] = {{0}}, note = {0};
  bool ok = sheet_new(&note, 1);
  int lines = 0;
  for (int i = 0; i < w->panes; i++) {
    int64_t shown = 0;
    ok = ok && sheet_new(&text[i], at.room > 0 ? at.room : 1) && sheet_new(&below[i], 3);
    if (ok && f[i] != NULL)
      shown = put_texts(w, &w->pane[i], f[i], at.columns, text[i].most, &text[i]);
    if (ok) put_counts(w, &w->pane[i], f[i], shown, at.columns, &below[i]);
  }
  if (ok && at.beside) {
    lines += put_both(w, out, &text[0], &text[1], at.columns);
    lines += put_both(w, out, &below[0], &below[1], at.columns);
  }
  for (int i = 0; ok && !at.beside && i < w->panes; i++) {
    Sheet gap = {.lines = i > 0 ? 1 : 0, .line = (Line[]){{{0}, 0}}};
    lines += put_sheet(out, &gap) + put_sheet(out, &text[i]) + put_sheet(out, &below[i]);
  }
  if (ok && w->note != NULL) {
    sheet_say(w, &note, "\033[2m", w->note, terminal_columns(&w->terminal) - 1);
    lines += put_sheet(out, &note);
  }
  sheet_free(&note);
  for (int i = 0; i < w->panes; i++) {
    sheet_free(&text[i]);
    sheet_free(&below[i]);
  }
  return lines;
}

/* So that the next frame shows what changed. Without memory nothing is marked. */
static void remember(Pane *p, const SampleFrame *f) {
  int64_t n = f->batch * f->window;
  if (p->before == NULL || p->symbols != n) {
    free(p->before);
    p->before = malloc((size_t)n * sizeof *p->before + 1);
    p->symbols = n;
  }
  if (p->before != NULL) memcpy(p->before, f->ids, (size_t)n * sizeof *p->before);
}

/* A few iterations are shown slowly enough to follow, many in a few seconds. */
static double pace_of(const Viewer *w, const SampleFrame *f) {
  double pace = w->pace > 0 ? w->pace : 4.0 / (double)(f->count > 0 ? f->count : 1);
  return pace < 0.025 ? 0.025 : pace > 0.15 ? 0.15 : pace;
}

void viewer_draw_panes(Viewer *w, const SampleFrame *const *f) {
  double now = clock_seconds();
  if (w->next > now) {
    double wait = w->next - now;
    nanosleep(&(struct timespec){.tv_nsec = (long)(wait * 1e9)}, NULL);
  }
  StrBuf s = {0};
  if (w->lines == 0)
    sb_puts(&s, "\033[?25l"); /* no cursor while drawing */
  else
    sb_printf(&s, "\033[%dA", w->lines);
  w->lines = put_frame(w, f, &s);
  sb_puts(&s, "\033[J");
  if (s.s != NULL) fwrite(s.s, 1, s.n, w->terminal.out);
  fflush(w->terminal.out);
  sb_free(&s);
  double pace = 0;
  for (int i = 0; i < w->panes; i++) {
    if (f[i] == NULL) continue;
    remember(&w->pane[i], f[i]);
    if (pace == 0 || pace_of(w, f[i]) < pace) pace = pace_of(w, f[i]);
  }
  w->next = clock_seconds() + pace;
}

void viewer_draw(Viewer *w, const SampleFrame *f) {
  viewer_draw_panes(w, (const SampleFrame *const[VIEWER_PANES]){f});
}

void viewer_end(Viewer *w) {
  for (int i = 0; i < w->panes; i++) {
    free(w->pane[i].before);
    w->pane[i].before = NULL;
  }
  if (w->lines == 0) return;
  fputs("\033[?25h", w->terminal.out);
  fflush(w->terminal.out);
  w->lines = 0;
}
