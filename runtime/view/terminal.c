/* SPDX-License-Identifier: MIT */
/* Terminals and numbers for people. */
#define _GNU_SOURCE /* strcasestr */
#include "runtime/view/terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/system/utf8.h"

Terminal terminal_open(FILE *out, ColourChoice choice) {
  const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
  const char *locale = getenv("LC_ALL");
  if (locale == NULL || *locale == '\0') locale = getenv("LC_CTYPE");
  if (locale == NULL || *locale == '\0') locale = getenv("LANG");
  bool dumb = term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
  Terminal t = {.out = out, .tty = isatty(fileno(out))};
  t.live = t.tty && !dumb;
  t.colour = choice == COLOUR_ALWAYS ||
             (choice == COLOUR_AUTO && t.live && (no_color == NULL || *no_color == '\0'));
  t.unicode =
      locale != NULL && (strcasestr(locale, "utf-8") != NULL || strcasestr(locale, "utf8") != NULL);
  return t;
}

int terminal_columns(const Terminal *t) {
  struct winsize size;
  if (ioctl(fileno(t->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

const char *terminal_style(const Terminal *t, const char *sequence) {
  return t->colour ? sequence : "";
}

/* ---- texts ------------------------------------------------------------------------ */

/* The code point at s, of *n bytes; -1: none that t's locale has. */
static int64_t next_point(const Terminal *t, const char *s, size_t left, size_t *n) {
  uint32_t point;
  *n = utf8_decode((const uint8_t *)s, left, &point);
  if (*n == 0)
    *n = 1;
  else if (point < 0x80 || t->unicode)
    return point;
  return -1;
}

static void put_instead(const Terminal *t, StrBuf *out) {
  sb_puts(out, t->unicode ? "\xef\xbf\xbd" : "?");
}

void terminal_text(const Terminal *t, StrBuf *out, const char *text, size_t n) {
  if (!t->tty) {
    sb_write(out, text, n);
    return;
  }
  for (size_t i = 0, len; i < n; i += len) {
    int64_t p = next_point(t, text + i, n - i, &len);
    bool control = p < 0x20 || (p >= 0x7f && p < 0xa0);
    if (p == '\r' && i + 1 < n && text[i + 1] == '\n') continue; /* half of a line's end */
    if (control && p != '\n' && p != '\t')
      put_instead(t, out);
    else
      sb_write(out, text + i, len);
  }
}

void terminal_print(const Terminal *t, const char *text, size_t n) {
  StrBuf s = {0};
  terminal_text(t, &s, text, n);
  if (s.n > 0) fwrite(s.s, 1, s.n, t->out);
  sb_free(&s);
}

int terminal_cells(const Terminal *t, StrBuf *out, const char *text, size_t n, bool begins) {
  int columns = 0;
  for (size_t i = 0, len; i < n; i += len) {
    int64_t p = next_point(t, text + i, n - i, &len);
    int width = p < 0 ? -1 : utf8_columns((uint32_t)p);
    bool lone = width == 0 && begins && columns == 0;
    if (lone) sb_puts(out, "\xe2\x97\x8c"); /* a dotted circle carries the mark */
    if (width < 0)
      put_instead(t, out);
    else
      sb_write(out, text + i, len);
    columns += width < 0 || lone ? 1 : width;
  }
  return columns;
}

int terminal_clip(const Terminal *t, StrBuf *out, const char *text, int columns) {
  int filled = 0;
  size_t n = strlen(text);
  for (size_t i = 0, len; i < n; i += len) {
    StrBuf one = {0};
    next_point(t, text + i, n - i, &len);
    int width = terminal_cells(t, &one, text + i, len, filled == 0);
    bool fits = filled + width <= columns;
    if (fits) sb_write(out, one.s, one.n);
    sb_free(&one);
    if (!fits) break;
    filled += width;
  }
  return filled;
}

/* ---- numbers ---------------------------------------------------------------------- */

/* printf's %f and %g follow the locale; people and scripts here want a point. */
static void point(char *s) {
  for (; *s != '\0'; s++)
    if (*s == ',') *s = '.';
}

void format_duration(char out[32], double s) {
  if (!(s >= 0) || s > 3.2e9)
    snprintf(out, 32, "?");
  else if (s == 0)
    snprintf(out, 32, "0 s");
  else if (s < 0.001)
    snprintf(out, 32, "%.0f us", 1e6 * s);
  else if (s < 0.9995)
    snprintf(out, 32, "%.3g ms", 1e3 * s);
  else if (s < 10)
    snprintf(out, 32, "%.1f s", s);
  else if (s < 90)
    snprintf(out, 32, "%.0f s", s);
  else if (s < 5400)
    snprintf(out, 32, "%.0f min", s / 60);
  else if (s < 48 * 3600.0)
    snprintf(out, 32, "%d h %02d min", (int)(s / 3600), (int)fmod(s / 60, 60));
  else
    snprintf(out, 32, "%d d %d h", (int)(s / 86400), (int)fmod(s / 3600, 24));
  point(out);
}

static void format_scaled(char out[32], double x, const char *const *units, const char *before) {
  int k = 0;
  while (fabs(x) >= 999.5 && units[k + 1] != NULL) {
    x /= 1000;
    k++;
  }
  snprintf(out, 32, "%.*f%s%s",
           k == 0 && x == floor(x) ? 0
           : fabs(x) >= 99.95      ? 0
           : fabs(x) >= 9.995      ? 1
                                   : 2,
           x, before, units[k]);
  point(out);
}

void format_count(char out[32], double x) {
  static const char *const units[] = {"", "k", "M", "G", "T", "P", NULL};
  format_scaled(out, x, units, "");
}

void format_rate(char out[32], double x) {
  static const char *const units[] = {"FLOP/s", "kFLOP/s", "MFLOP/s", "GFLOP/s", "TFLOP/s", NULL};
  format_scaled(out, x, units, " ");
}

void format_bytes(char out[32], double x) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB", NULL};
  format_scaled(out, x, units, " ");
}

void format_number(char out[32], double x) {
  snprintf(out, 32, "%.4g", x);
  point(out);
}
