/* SPDX-License-Identifier: MIT */
/* Denoising in the terminal. */
#include "runtime/view/viewer.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static const double frame_seconds = 0.025;

Viewer viewer_new(Terminal t, const Vocabulary *v) {
  return (Viewer){.terminal = t, .vocabulary = v};
}

static int viewer_rows(const Viewer *w) {
  struct winsize size;
  if (ioctl(fileno(w->terminal.out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

/* Grey levels of the 256-colour palette; "" is the terminal's own colour. What is no symbol
 * yet is as doubtful as can be. */
static const char *viewer_shade(const Viewer *w, const SampleFrame *f, int64_t at) {
  bool open = f->glyph != NULL && w->vocabulary != NULL &&
              (f->ids[at] < 0 || f->ids[at] >= w->vocabulary->size);
  if (!w->terminal.colour || (f->confidence == NULL && f->glyph == NULL)) return "";
  float c = open ? 0 : f->confidence != NULL ? f->confidence[at] : 1;
  return c >= 0.9f   ? "\033[0m"
         : c >= 0.6f ? "\033[38;5;249m"
         : c >= 0.3f ? "\033[38;5;244m"
                     : "\033[38;5;239m";
}

enum { STATUS_LINES = 2 }; /* the line below the text, and the one the cursor rests on */

/* Lines are cleared before they are written: after a full one the cursor still
 * stands on its last character. */
static const char fresh_line[] = "\r\033[K";

/* The text laid out in the terminal's width. Returns the number of lines. */
static int viewer_layout(const Viewer *w, const SampleFrame *f, StrBuf *out) {
  int columns = terminal_columns(&w->terminal), most = viewer_rows(w) - STATUS_LINES;
  int column = 0, lines = 1;
  const char *shade = "";
  sb_puts(out, fresh_line);
  for (int64_t i = 0; i < f->window; i++) {
    StrBuf one = {0};
    int64_t at = w->row * f->window + i;
    sample_spell(w->vocabulary, f, at, 1, &one);
    bool newline = one.n == 1 && one.s[0] == '\n';
    const char *now = viewer_shade(w, f, at), *said = one.s != NULL ? one.s : "";
    StrBuf cells = {0};
    int width = newline ? 0 : terminal_cells(&w->terminal, &cells, said, one.n, column == 0);
    sb_free(&one);
    if (newline || column + width > columns) {
      if (lines == most) {
        sb_free(&cells);
        break;
      }
      sb_printf(out, "\n%s", fresh_line);
      lines++;
      column = 0;
    }
    if (strcmp(now, shade) != 0) sb_puts(out, shade = now);
    sb_write(out, cells.s, cells.n);
    column += width;
    sb_free(&cells);
  }
  sb_puts(out, w->terminal.colour ? "\033[0m\n" : "\n");
  return lines;
}

bool viewer_fits(const Viewer *w) {
  return viewer_rows(w) > STATUS_LINES && terminal_columns(&w->terminal) >= 12;
}

void viewer_draw(Viewer *w, const SampleFrame *f) {
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
  int lines = viewer_layout(w, f, &s) + 1;
  char status[64];
  snprintf(status, sizeof status, "step %lld of %lld", (long long)f->done, (long long)f->count);
  sb_printf(&s, "%s%s%.*s%s\n\033[J", fresh_line, terminal_style(&w->terminal, "\033[2m"),
            terminal_columns(&w->terminal) - 1, status, terminal_style(&w->terminal, "\033[0m"));
  if (s.s != NULL) fwrite(s.s, 1, s.n, w->terminal.out);
  fflush(w->terminal.out);
  sb_free(&s);
  w->lines = lines;
  w->next = clock_seconds() + frame_seconds;
}

void viewer_end(Viewer *w) {
  if (w->lines == 0) return;
  fputs("\033[?25h", w->terminal.out);
  fflush(w->terminal.out);
  w->lines = 0;
}
