/* SPDX-License-Identifier: MIT */
/* What the other end of a stream can show: a terminal that redraws, colours,
 * nothing but lines. NO_COLOR and TERM=dumb are honoured. */
#ifndef TDC_TERMINAL_H
#define TDC_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "dsl/base.h"

typedef enum { COLOUR_AUTO, COLOUR_NEVER, COLOUR_ALWAYS } ColourChoice;

typedef struct Terminal {
  FILE *out;
  bool tty;  /* a terminal, whatever it can do */
  bool live; /* lines can be drawn again */
  bool colour;
  bool unicode; /* the locale's characters are UTF-8 */
} Terminal;

Terminal terminal_open(FILE *out, ColourChoice choice);
int terminal_columns(const Terminal *t); /* 80 when nobody knows; at least 1 */
/* The ANSI sequence, or "" where there is no colour. */
const char *terminal_style(const Terminal *t, const char *sequence);

/* Appends a text as it may go to t, where a text of somebody's must not act: on a terminal,
 * control characters, bytes that are no UTF-8, and what its locale has not become U+FFFD or
 * '?'; line ends and tabs stay. Elsewhere the text as it is. */
void terminal_text(const Terminal *t, StrBuf *out, const char *text, size_t n);
/* The same, printed. */
void terminal_print(const Terminal *t, const char *text, size_t n);
/* The same of what is drawn, into a terminal's cells: line ends, tabs and what shows nothing
 * of its own are replaced too. `begins`: nothing stands before it that a mark could be put
 * upon. Returns how many columns it fills. */
int terminal_cells(const Terminal *t, StrBuf *out, const char *text, size_t n, bool begins);
/* The same of as much of a text as fits into so many columns. */
int terminal_clip(const Terminal *t, StrBuf *out, const char *text, int columns);

/* "20 ms", "3.1 s", "12 min", "5 h 10 min" */
void format_duration(char out[32], double seconds);
/* "950", "12.3k", "10.7M", "1.2G" */
void format_count(char out[32], double x);
/* "12 B", "1.2 kB", "3.4 MB", "2.10 GB"; "108 GFLOP/s" */
void format_bytes(char out[32], double x);
void format_rate(char out[32], double x);
/* To four significant digits, the decimal point always a point. */
void format_number(char out[32], double x);

#endif
