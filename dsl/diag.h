/* SPDX-License-Identifier: MIT */
/* Diagnostics: what is wrong with the user's program, where, and what would be
 * right. Collected during a compilation, sorted by place, printed once; at most
 * DIAG_MAX errors, then compilation unwinds. */
#ifndef TDC_DIAG_H
#define TDC_DIAG_H

#include "dsl/base.h"

/* A stretch of source text. Lines and columns count from 1; the end is
 * exclusive. line == 0 means "no place". `file` indexes Sources. */
typedef struct Span {
  int file;
  int line, col, end_line, end_col;
} Span;

typedef struct Source {
  const char *path; /* as the user wrote it; "<std/nn.td>" for embedded text */
  const char *text; /* NUL-terminated */
  size_t size;
  size_t *lines; /* where each begins; NULL until diags_line */
  int nlines;
} Source;

enum { DIAG_MAX = 20 };
typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagLevel;

/* One labelled place of a diagnostic, drawn with carets under the line. */
typedef struct DiagLabel {
  Span span;
  const char *text;
} DiagLabel;

typedef struct Diag {
  DiagLevel level;
  int code;  /* E0204 is 204; warnings W0901 are 901 */
  Span span; /* the place in the headline */
  const char *message;
  VEC(DiagLabel) labels; /* further carets; the first may repeat `span` */
  VEC(DiagLabel) notes;  /* "note: ..." lines, each with a place or none */
  const char *hint;      /* or NULL */
} Diag;

typedef struct Diags Diags;

Diags *diags_new(Arena *a);
/* Register a source; the index goes into Span.file. The text is copied. */
int diags_source(Diags *d, const char *path, const char *text, size_t size);
const Source *diags_source_at(const Diags *d, int file);
/* The text from the beginning of a line on, counted from 1; "" where there are fewer. */
const char *diags_line(Diags *d, int file, int line);
/* When the error limit is reached: longjmp(*unwind, 2). */
void diags_guard(Diags *d, jmp_buf *unwind);

/* Begin a diagnostic; the returned object is filled by the calls below. The
 * same (code, span, message) twice is dropped (a fresh scratch object comes back). */
Diag *diag_error(Diags *d, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
Diag *diag_warn(Diags *d, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
void diag_label(Diags *d, Diag *x, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
void diag_note(Diags *d, Diag *x, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
void diag_hint(Diags *d, Diag *x, const char *fmt, ...) TD_PRINTF(3, 4);

/* Takes the warnings of that code away whose place lies in `where`; how many there were. */
int diags_withdraw(Diags *d, int code, Span where);

int diags_errors(const Diags *d);
int diags_warnings(const Diags *d);
int diags_count(const Diags *d);
const Diag *diags_at(const Diags *d, int i);

/* The human form (as in reference/diagnostics.md); colour only when asked. */
void diags_print(const Diags *d, StrBuf *out, bool colour);

/* -- diag_json.c ------------------------------------------------------------- */
/* One JSON array of {code, level, file, line, column, end_line, end_column, message, labels,
 * notes, hint}. */
void diags_print_json(const Diags *d, StrBuf *out);

/* -- similar.c -------------------------------------------------------------- */
/* "did you mean": the candidate nearest to `name` by edit distance (at most a
 * third of its length, transpositions count one), or NULL. */
const char *did_you_mean(const char *name, const char *const *candidates, int n);
/* Says so in a hint to x; false when there is none. */
bool diag_hint_near(Diags *d, Diag *x, const char *name, const char *const *candidates, int n);

/* -- idiom.c ----------------------------------------------------------------- */
/* A row of idioms.def. */
typedef struct Idiom {
  const char *names, *says, *code;
} Idiom;
const Idiom *idiom_of(const char *word); /* NULL: no word of another language */
int idiom_count(void);
const Idiom *idiom_at(int i);
bool diag_hint_idiom(Diags *d, Diag *x, const char *word); /* false when there is none */

/* The table of codes (dsl/codes.def): the long explanation, or NULL. */
const char *diag_explain(int code, bool warning);
const char *diag_title(int code, bool warning);
int diag_code_count(void);
int diag_code_at(int i, bool *warning); /* in ascending order */

#endif
