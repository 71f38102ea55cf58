/* SPDX-License-Identifier: MIT */
/* Collects diagnostics and writes them for people: a headline, the source
 * lines with carets and labels beneath, then hint and notes. The JSON form and
 * the spelling helper are in diag_json.c. Columns count characters (UTF-8
 * sequences), so carets stand where the eye expects them. */
#include "dsl/diag_internal.h"

#include <stdlib.h>
#include <string.h>

enum { WINDOW = 160, WINDOW_LEAD = 60 }; /* longer source lines are cropped to this */

Diags *diags_new(Arena *a) {
  Diags *d = NEW(a, Diags);
  d->arena = a;
  return d;
}

int diags_source(Diags *d, const char *path, const char *text, size_t size) {
  Source s = {.path = arena_strdup(d->arena, path),
              .text = arena_strndup(d->arena, text, size),
              .size = size};
  vec_push(d->arena, &d->sources, s);
  return d->sources.n - 1;
}

const Source *diags_source_at(const Diags *d, int file) {
  if (file < 0 || file >= d->sources.n) bug("no source %d", file);
  return &d->sources.at[file];
}

static void find_lines(Arena *a, Source *s) {
  VEC(size_t) begin = {0};
  vec_push(a, &begin, 0);
  for (const char *p = s->text; (p = strchr(p, '\n')) != NULL; p++)
    vec_push(a, &begin, (size_t)(p - s->text) + 1);
  s->lines = begin.at;
  s->nlines = begin.n;
}

const char *diags_line(Diags *d, int file, int line) {
  Source *s = &d->sources.at[file];
  if (!s->lines) find_lines(d->arena, s);
  return line <= s->nlines ? s->text + s->lines[line - 1] : "";
}

void diags_guard(Diags *d, jmp_buf *unwind) { d->unwind = unwind; }

int diags_count(const Diags *d) { return d->all.n; }
const Diag *diags_at(const Diags *d, int i) { return d->all.at[i]; }
int diags_errors(const Diags *d) { return d->errors; }
int diags_warnings(const Diags *d) { return d->warnings; }

/* ---- making ------------------------------------------------------------------ */

static bool same_span(Span a, Span b) {
  return a.file == b.file && a.line == b.line && a.col == b.col && a.end_line == b.end_line &&
         a.end_col == b.end_col;
}

static Diag *begin(Diags *d, DiagLevel level, int code, Span at, const char *fmt, va_list ap) {
  Diag *x = NEW(d->arena, Diag);
  x->level = level;
  x->code = code;
  x->span = at;
  x->message = arena_vprintf(d->arena, fmt, ap);
  for (int i = 0; i < d->all.n; i++) {
    const Diag *old = d->all.at[i];
    if (old->code == code && old->level == level && same_span(old->span, at) &&
        !strcmp(old->message, x->message))
      return x; /* said already: filled in, never shown */
  }
  if (level == DIAG_ERROR && d->errors >= DIAG_MAX) {
    if (d->unwind) longjmp(*d->unwind, 2);
    return x;
  }
  if (level == DIAG_WARNING && d->warnings >= WARNING_MAX) return x;
  if (level == DIAG_ERROR)
    d->errors++;
  else
    d->warnings++;
  vec_push(d->arena, &d->all, x);
  return x;
}

Diag *diag_error(Diags *d, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  Diag *x = begin(d, DIAG_ERROR, code, at, fmt, ap);
  va_end(ap);
  return x;
}

Diag *diag_warn(Diags *d, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  Diag *x = begin(d, DIAG_WARNING, code, at, fmt, ap);
  va_end(ap);
  return x;
}

void diag_label(Diags *d, Diag *x, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  DiagLabel label = {at, arena_vprintf(d->arena, fmt, ap)};
  va_end(ap);
  vec_push(d->arena, &x->labels, label);
}

void diag_note(Diags *d, Diag *x, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  DiagLabel note = {at, arena_vprintf(d->arena, fmt, ap)};
  va_end(ap);
  vec_push(d->arena, &x->notes, note);
}

void diag_hint(Diags *d, Diag *x, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  x->hint = arena_vprintf(d->arena, fmt, ap);
  va_end(ap);
}

static bool inside(Span s, Span where) {
  bool after = s.line > where.line || (s.line == where.line && s.col >= where.col);
  bool before =
      s.end_line < where.end_line || (s.end_line == where.end_line && s.end_col <= where.end_col);
  return s.file == where.file && s.line > 0 && after && before;
}

int diags_withdraw(Diags *d, int code, Span where) {
  int kept = 0, n = d->all.n;
  for (int i = 0; i < n; i++) {
    Diag *x = d->all.at[i];
    if (x->level != DIAG_WARNING || x->code != code || !inside(x->span, where))
      d->all.at[kept++] = x;
  }
  d->all.n = kept;
  d->warnings -= n - kept;
  return n - kept;
}

/* ---- order --------------------------------------------------------------------- */

static int compare_spans(Span a, Span b) {
  if (a.file != b.file) return a.file < b.file ? -1 : 1;
  if (a.line != b.line) return a.line < b.line ? -1 : 1;
  if (a.col != b.col) return a.col < b.col ? -1 : 1;
  return 0;
}

typedef struct Ranked {
  const Diag *diag;
  int rank;
  bool given;
} Ranked;

static int compare_ranked(const void *left, const void *right) {
  const Ranked *a = left, *b = right;
  if (a->given != b->given) return a->given ? -1 : 1;
  int order = compare_spans(a->diag->span, b->diag->span);
  return order ? order : a->rank - b->rank;
}

/* About a value of the command line (its source is called "-D NAME"): said first,
 * since what is wrong in the file often follows from it. */
static bool is_given(const Diags *d, const Diag *x) {
  int file = x->span.file;
  return x->span.line > 0 && file >= 0 && file < d->sources.n &&
         !strncmp(d->sources.at[file].path, "-D ", 3);
}

const Diag **diags_sorted(const Diags *d) {
  int n = d->all.n;
  Ranked *ranked = NEWN(d->arena, Ranked, n);
  for (int i = 0; i < n; i++) ranked[i] = (Ranked){d->all.at[i], i, is_given(d, d->all.at[i])};
  if (n > 1) qsort(ranked, (size_t)n, sizeof *ranked, compare_ranked);
  const Diag **out = NEWN(d->arena, const Diag *, n);
  for (int i = 0; i < n; i++) out[i] = ranked[i].diag;
  return out;
}

/* ---- source lines --------------------------------------------------------------- */

/* One line of a source, without its end; false when the file has fewer lines. */
static bool source_line(const Source *s, int line, const char **text, size_t *n) {
  const char *p = s->text, *end = s->text + s->size;
  if (s->size >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3)) p += 3;
  for (int at = 1; at < line; at++) {
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    if (!newline) return false;
    p = newline + 1;
  }
  const char *newline = memchr(p, '\n', (size_t)(end - p));
  const char *stop = newline ? newline : end;
  if (stop > p && stop[-1] == '\r') stop--;
  *text = p;
  *n = (size_t)(stop - p);
  return true;
}

size_t utf8_length(const char *s, size_t n) {
  const unsigned char *u = (const unsigned char *)s;
  size_t want = u[0] < 0x80                    ? 1
                : u[0] >= 0xC2 && u[0] <= 0xDF ? 2
                : (u[0] & 0xF0) == 0xE0        ? 3
                : u[0] >= 0xF0 && u[0] <= 0xF4 ? 4
                                               : 0;
  if (!want || want > n) return 0;
  for (size_t i = 1; i < want; i++)
    if ((u[i] & 0xC0) != 0x80) return 0;
  if (want == 3 && ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] > 0x9F))) return 0;
  if (want == 4 && ((u[0] == 0xF0 && u[1] < 0x90) || (u[0] == 0xF4 && u[1] > 0x8F))) return 0;
  return want;
}

/* Write the characters [from, to) of a line, counted from 0. What a terminal
 * could act upon is replaced. Returns how many characters the line has. */
static int write_line(StrBuf *out, const char *text, size_t n, int from, int to) {
  int at = 0;
  for (size_t i = 0; i < n; at++) {
    size_t step = utf8_length(text + i, n - i);
    unsigned char c = (unsigned char)text[i];
    if (out && at >= from && at < to) {
      if (!step || c == 0x7F || (c < 0x20 && c != '\t') ||
          (c == 0xC2 && step == 2 && (unsigned char)text[i + 1] < 0xA0))
        sb_putc(out, '?');
      else if (c == '\t')
        sb_putc(out, ' ');
      else
        sb_write(out, text + i, step);
    }
    i += step ? step : 1;
  }
  return at;
}

/* ---- the human form ---------------------------------------------------------------- */

typedef struct Printer {
  const Diags *d;
  StrBuf *out;
  bool colour;
} Printer;

static const char *const RED = "\033[1;31m", *const YELLOW = "\033[1;33m",
                         *const BLUE = "\033[1;34m", *const BOLD = "\033[1m",
                         *const PLAIN = "\033[0m";

static void paint(const Printer *p, const char *colour) {
  if (p->colour) sb_puts(p->out, colour);
}

static const char *level_colour(DiagLevel level) {
  return level == DIAG_ERROR ? RED : level == DIAG_WARNING ? YELLOW : BLUE;
}

const char *diag_level_name(DiagLevel level) {
  return level == DIAG_ERROR ? "error" : level == DIAG_WARNING ? "warning" : "note";
}

static void write_place(const Printer *p, Span at) {
  const Source *s = diags_source_at(p->d, at.file);
  sb_puts(p->out, s->path);
  if (at.line) sb_printf(p->out, ":%d:%d", at.line, at.col);
  sb_puts(p->out, ": ");
}

static void write_headline(const Printer *p, const Diag *x) {
  paint(p, BOLD);
  if (x->span.line) write_place(p, x->span);
  paint(p, level_colour(x->level));
  sb_puts(p->out, diag_level_name(x->level));
  if (x->code) sb_printf(p->out, "[%c%04d]", x->level == DIAG_ERROR ? 'E' : 'W', x->code);
  paint(p, PLAIN);
  paint(p, BOLD);
  sb_printf(p->out, ": %s", x->message);
  paint(p, PLAIN);
  sb_putc(p->out, '\n');
}

static void spaces(StrBuf *out, int n) {
  for (int i = 0; i < n; i++) sb_putc(out, ' ');
}

static void margin(const Printer *p) {
  paint(p, BLUE);
  sb_puts(p->out, "      | ");
  paint(p, PLAIN);
}

static int compare_labels(const void *left, const void *right) {
  return compare_spans(((const DiagLabel *)left)->span, ((const DiagLabel *)right)->span);
}

static int caret_end(Span s, int line_end) {
  int end = s.end_line > s.line ? line_end + 1 : s.end_col;
  if (end > line_end + 1) end = line_end + 1;
  return end > s.col ? end : s.col + 1;
}

/* One source line with the carets of labels[0..n), which all stand on it. */
static void write_snippet(const Printer *p, const DiagLabel *labels, int n, DiagLevel level) {
  const char *text;
  size_t size;
  const Source *source = diags_source_at(p->d, labels[0].span.file);
  if (!source_line(source, labels[0].span.line, &text, &size)) return;
  int length = write_line(NULL, text, size, 0, 0);
  int from = 0;
  if (length > WINDOW && labels[0].span.col > WINDOW_LEAD) from = labels[0].span.col - WINDOW_LEAD;
  int to = from + WINDOW < length ? from + WINDOW : length;
  int lead = from ? 3 : 0; /* "..." stands for what was cropped */

  paint(p, BLUE);
  sb_printf(p->out, "%5d | ", labels[0].span.line);
  paint(p, PLAIN);
  if (from) sb_puts(p->out, "...");
  write_line(p->out, text, size, from, to);
  if (to < length) sb_puts(p->out, "...");
  sb_putc(p->out, '\n');

  margin(p);
  paint(p, level_colour(level));
  int column = from + 1 - lead;
  for (int i = 0; i < n; i++) {
    int end = caret_end(labels[i].span, length);
    if (end > to + 2) end = to + 2;
    for (; column < labels[i].span.col && column <= to + 1; column++) sb_putc(p->out, ' ');
    for (; column < end; column++) sb_putc(p->out, '^');
  }
  paint(p, PLAIN);
  sb_putc(p->out, '\n');
  for (int i = 0; i < n; i++) {
    if (!labels[i].text || !*labels[i].text) continue;
    margin(p);
    int indent = labels[i].span.col - from - 1 + lead;
    spaces(p->out, indent > WINDOW ? WINDOW : indent);
    sb_printf(p->out, "%s\n", labels[i].text);
  }
}

static void write_places(const Printer *p, const Diag *x) {
  DiagLabel *all = NEWN(p->d->arena, DiagLabel, x->labels.n + 1);
  int n = 0;
  bool headline_shown = x->span.line == 0;
  for (int i = 0; i < x->labels.n; i++) {
    if (!x->labels.at[i].span.line) continue;
    all[n++] = x->labels.at[i];
    if (!compare_spans(x->labels.at[i].span, x->span)) headline_shown = true;
  }
  if (!headline_shown) all[n++] = (DiagLabel){x->span, NULL};
  if (n > 1) qsort(all, (size_t)n, sizeof *all, compare_labels);
  for (int i = 0; i < n;) {
    int next = i + 1;
    while (next < n && all[next].span.file == all[i].span.file &&
           all[next].span.line == all[i].span.line)
      next++;
    if (all[i].span.file != x->span.file)
      sb_printf(p->out, "  in %s:\n", diags_source_at(p->d, all[i].span.file)->path);
    write_snippet(p, all + i, next - i, x->level);
    i = next;
  }
}

static void write_tail(const Printer *p, const char *kind, Span at, const char *text) {
  sb_puts(p->out, "   ");
  paint(p, BLUE);
  sb_puts(p->out, kind);
  paint(p, PLAIN);
  sb_puts(p->out, ": ");
  if (at.line) write_place(p, at);
  sb_printf(p->out, "%s\n", text);
}

void diags_print(const Diags *d, StrBuf *out, bool colour) {
  Printer p = {d, out, colour};
  const Diag **all = diags_sorted(d);
  for (int i = 0; i < d->all.n; i++) {
    write_headline(&p, all[i]);
    write_places(&p, all[i]);
    if (all[i]->hint) write_tail(&p, "hint", (Span){0}, all[i]->hint);
    for (int k = 0; k < all[i]->notes.n; k++)
      write_tail(&p, "note", all[i]->notes.at[k].span, all[i]->notes.at[k].text);
  }
}
