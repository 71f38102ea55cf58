/* SPDX-License-Identifier: MIT */
/* The line writer of the formatter: indentation, kept line breaks and blank
 * lines, and every comment back where it stood, those at line ends in columns. */
#include "dsl/print_internal.h"

#include <string.h>

static const AComment *pending(const Writer *w) {
  if (!w->file || w->next_comment >= w->file->comments.n) return NULL;
  return &w->file->comments.at[w->next_comment];
}

static bool earlier(Span s, int line, int col) {
  return s.line < line || (s.line == line && s.col < col);
}

bool comment_before(const Writer *w, int line, int col) {
  const AComment *c = pending(w);
  return c && earlier(c->span, line, col);
}

void write_text(Writer *w, const char *s) { sb_puts(w->out, s); }

void write_place(Writer *w, Span s) {
  if (s.line) w->line = s.end_line;
}

static void indent_to(Writer *w, int n) {
  sb_putc(w->out, '\n');
  for (int i = 0; i < n; i++) sb_putc(w->out, ' ');
}

void write_line_start(Writer *w) {
  if (w->out->n) sb_putc(w->out, '\n');
  for (int i = 0; i < w->indent; i++) sb_putc(w->out, ' ');
}

static void write_mark(Writer *w) {
  size_t at = w->out->n;
  sb_write(&w->marks, (const char *)&at, sizeof at);
}

/* ---- inside a statement ---------------------------------------------------------- */

static bool break_line(Writer *w, Span next, int indent) {
  bool broken = false;
  if (!w->file || !next.line) return false;
  while (comment_before(w, next.line, next.col)) {
    const AComment *c = pending(w);
    if (c->own_line || broken)
      indent_to(w, indent);
    else
      write_mark(w);
    write_text(w, c->text);
    w->next_comment++;
    broken = true;
  }
  if (broken || (w->line && next.line > w->line)) {
    indent_to(w, indent);
    broken = true;
  }
  w->line = next.line;
  return broken;
}

void write_gap(Writer *w, Span next, const char *blank) {
  int indent = w->indent + 2 + 2 * (w->depth ? w->depth : 1);
  if (!break_line(w, next, indent)) write_text(w, blank);
}

void write_gap_before_closer(Writer *w, Span closer) {
  break_line(w, closer, w->indent + 2 * (w->depth - 1));
}

/* ---- between statements ----------------------------------------------------------- */

static void blank_line(Writer *w, int next_line) {
  if (!w->fresh && w->line && next_line > w->line + 1) sb_putc(w->out, '\n');
  w->fresh = false;
}

void write_comments_before(Writer *w, int line, int col) {
  while (comment_before(w, line, col)) {
    const AComment *c = pending(w);
    blank_line(w, c->span.line);
    write_line_start(w);
    write_text(w, c->text);
    w->line = c->span.line;
    w->next_comment++;
  }
}

void write_statement_start(Writer *w, Span start) {
  if (w->one_line) return;
  write_comments_before(w, start.line, start.col);
  blank_line(w, start.line);
  write_line_start(w);
  w->line = start.line;
}

void write_trailing(Writer *w, int line, int col) {
  bool first = true;
  for (const AComment *c; comment_before(w, line, col); w->next_comment++) {
    c = pending(w);
    if (c->span.line > w->line || (c->own_line && c->span.line == w->line)) break;
    if (first)
      write_mark(w);
    else
      write_line_start(w);
    write_text(w, c->text);
    first = false;
  }
}

/* ---- columns of trailing comments ---------------------------------------------------- */

enum { WIDEST_STEP = 40 }; /* lines that differ more are not made to share a column */

static int width_before(const char *s, size_t at) {
  int width = 0;
  for (size_t i = at; i > 0 && s[i - 1] != '\n'; i--)
    width += ((unsigned char)s[i - 1] & 0xC0) != 0x80;
  return width;
}

static size_t mark_at(const Writer *w, size_t i) {
  size_t at;
  memcpy(&at, w->marks.s + i * sizeof at, sizeof at);
  return at;
}

static bool next_lines(const char *s, size_t from, size_t to) {
  int breaks = 0;
  for (size_t i = from; i < to; i++) breaks += s[i] == '\n';
  return breaks == 1;
}

/* Copy what was written to `out`, with blanks where the marks are. */
void align_trailing(Writer *w, StrBuf *out) {
  size_t n = w->marks.n / sizeof(size_t), done = 0;
  const char *s = w->out->s ? w->out->s : "";
  for (size_t i = 0; i < n;) {
    size_t end = i + 1;
    int widest = width_before(s, mark_at(w, i)), narrowest = widest;
    while (end < n && next_lines(s, mark_at(w, end - 1), mark_at(w, end))) {
      int width = width_before(s, mark_at(w, end++));
      if (width > widest) widest = width;
      if (width < narrowest) narrowest = width;
    }
    bool columns = widest - narrowest <= WIDEST_STEP;
    for (; i < end; i++) {
      size_t at = mark_at(w, i);
      int blanks = 2 + (columns ? widest - width_before(s, at) : 0);
      sb_write(out, s + done, at - done);
      for (int k = 0; k < blanks; k++) sb_putc(out, ' ');
      done = at;
    }
  }
  sb_write(out, s + done, w->out->n - done);
}
