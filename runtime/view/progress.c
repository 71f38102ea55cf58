/* SPDX-License-Identifier: MIT */
/* The progress line. */
#include "runtime/view/progress.h"

#include <inttypes.h>
#include <string.h>

Progress progress_new(Terminal t, int64_t first, int64_t total, bool quiet) {
  return (Progress){
      .terminal = t, .first = first, .total = total, .begin = clock_seconds(), .quiet = quiet};
}

static void progress_clear(Progress *p) {
  if (p->drawn) fputs("\r\033[K", p->terminal.out);
  p->drawn = false;
}

/* "[=====     ]" of `width` characters for the share done. */
static void progress_bar(StrBuf *s, const Progress *p, int64_t step, int width) {
  double share = p->total > 0 ? (double)step / (double)p->total : 1;
  int full = (int)(share * width + 0.5);
  sb_puts(s, p->terminal.unicode ? "" : "[");
  for (int i = 0; i < width; i++)
    sb_puts(s, p->terminal.unicode ? (i < full ? "━" : "─") : i < full ? "=" : " ");
  sb_puts(s, p->terminal.unicode ? " " : "] ");
}

/* Cut to what one line holds: a wrapped line could not be drawn again. Counts
 * characters, which are one column each here. */
static void progress_cut(StrBuf *s, int columns) {
  int at = 0;
  for (size_t i = 0; i < s->n; i++) {
    if (((unsigned char)s->s[i] & 0xc0) == 0x80) continue;
    if (++at > columns) {
      s->s[i] = '\0';
      s->n = i;
      return;
    }
  }
}

void progress_step(Progress *p, int64_t step, double seconds, const char *facts, bool line) {
  p->smooth = p->smooth == 0 ? seconds : 0.95 * p->smooth + 0.05 * seconds;
  double now = clock_seconds();
  bool draw = p->terminal.live ? now - p->last_draw >= 0.1 || step == p->total : line;
  if (p->quiet || !draw) return;
  char left[32];
  format_duration(left, (double)(p->total - step) * p->smooth);
  StrBuf s = {0};
  int columns = p->terminal.live ? terminal_columns(&p->terminal) : 0;
  if (p->terminal.live && columns >= 100) progress_bar(&s, p, step, 20);
  sb_printf(&s, "step %" PRId64 "/%" PRId64 "  %s  %s left", step, p->total, facts, left);
  if (p->terminal.live) {
    progress_cut(&s, columns - 1);
    fprintf(p->terminal.out, "\r%s\033[K", s.s != NULL ? s.s : "");
    p->drawn = true;
  } else {
    fprintf(p->terminal.out, "%s\n", s.s != NULL ? s.s : "");
  }
  fflush(p->terminal.out);
  p->last_draw = now;
  sb_free(&s);
}

void progress_say(Progress *p, const char *fmt, ...) {
  if (p->quiet) return;
  progress_clear(p);
  va_list ap;
  va_start(ap, fmt);
  vfprintf(p->terminal.out, fmt, ap);
  va_end(ap);
  fputc('\n', p->terminal.out);
  fflush(p->terminal.out);
}

void progress_end(Progress *p) {
  if (p->drawn) fputc('\n', p->terminal.out);
  p->drawn = false;
  fflush(p->terminal.out);
}
