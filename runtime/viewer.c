/* Denoising in the terminal. */
#include "runtime/viewer.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "runtime/progress.h"

static const double frame_seconds = 0.025;

Viewer viewer_new(Terminal t, const Vocabulary *v) {
  return (Viewer){ .terminal = t, .vocabulary = v };
}

static int viewer_rows(const Viewer *w) {
  struct winsize size;
  if (ioctl(fileno(w->terminal.out), TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

/* Grey levels of the 256-colour palette; "" is the terminal's own colour. */
static const char *viewer_shade(const Viewer *w, const SampleFrame *f, int64_t at) {
  if (!w->terminal.colour || f->confidence == NULL) return "";
  float c = f->confidence[at];
  return c >= 0.9f   ? "\033[0m"
         : c >= 0.6f ? "\033[38;5;249m"
         : c >= 0.3f ? "\033[38;5;244m"
                     : "\033[38;5;239m";
}

/* The text laid out in the terminal's width. Returns the number of lines. */
static int viewer_layout(const Viewer *w, const SampleFrame *f, StrBuf *out) {
  int columns = terminal_columns(&w->terminal), most = viewer_rows(w) - 2, column = 0, lines = 1;
  const char *shade = "";
  for (int64_t i = 0; i < f->window && lines <= most; i++) {
    StrBuf one = { 0 };
    int64_t at = w->row * f->window + i;
    sample_spell(w->vocabulary, &f->ids[at], 1, &one);
    bool newline = one.n == 1 && one.s[0] == '\n';
    const char *now = viewer_shade(w, f, at);
    if (strcmp(now, shade) != 0) sb_puts(out, shade = now);
    if (newline || column == columns) {
      sb_puts(out, "\033[K\n");
      lines++;
      column = 0;
    }
    if (!newline && lines <= most) {
      bool shown = one.n > 0 && ((unsigned char)one.s[0] >= 32 && one.s[0] != 127) &&
                   (w->terminal.unicode || (unsigned char)one.s[0] < 128);
      if (shown) sb_write(out, one.s, one.n);
      else sb_putc(out, '.');
      column++;
    }
    sb_free(&one);
  }
  sb_puts(out, w->terminal.colour ? "\033[0m\033[K\n" : "\033[K\n");
  return lines;
}

void viewer_draw(Viewer *w, const SampleFrame *f) {
  double now = progress_clock();
  if (w->next > now) {
    double wait = w->next - now;
    nanosleep(&(struct timespec){ .tv_nsec = (long)(wait * 1e9) }, NULL);
  }
  StrBuf s = { 0 };
  if (w->lines == 0) sb_puts(&s, "\033[?25l");             /* no cursor while drawing */
  else sb_printf(&s, "\033[%dA", w->lines);
  int lines = viewer_layout(w, f, &s) + 1;
  sb_printf(&s, "%sstep %lld of %lld%s\033[K\n\033[J", terminal_style(&w->terminal, "\033[2m"),
            (long long)f->done, (long long)f->count, terminal_style(&w->terminal, "\033[0m"));
  if (s.s != NULL) fwrite(s.s, 1, s.n, w->terminal.out);
  fflush(w->terminal.out);
  sb_free(&s);
  w->lines = lines;
  w->next = progress_clock() + frame_seconds;
}

void viewer_end(Viewer *w) {
  if (w->lines == 0) return;
  fputs("\033[?25h", w->terminal.out);
  fflush(w->terminal.out);
  w->lines = 0;
}
