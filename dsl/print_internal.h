/* SPDX-License-Identifier: MIT */
/* The formatter's line writer: where lines break, where comments go. Breaks
 * that the author made inside a statement are kept, their indentation is not. */
#ifndef TDC_PRINT_INTERNAL_H
#define TDC_PRINT_INTERNAL_H

#include "dsl/ast.h"

enum { LINE_MAX = 100 };

typedef struct Writer {
  StrBuf *out;
  const AFile *file; /* NULL: one line, no comments */
  StrBuf marks;      /* size_t offsets in out: a trailing comment is put there */
  int next_comment;
  int indent;    /* of the statement */
  int depth;     /* brackets open in the statement */
  int line;      /* source line that the last written token ended on; 0 unknown */
  bool tight;    /* inside index brackets: i+1, not i + 1 */
  bool one_line; /* blocks stay on their line */
  bool fresh;    /* nothing stands on this level yet: no blank line before */
} Writer;

void write_text(Writer *w, const char *s);
/* A place inside a statement where the line may break, before the token at
 * `next`; `blank` is written when it does not. */
void write_gap(Writer *w, Span next, const char *blank);
void write_gap_before_closer(Writer *w, Span closer);
void write_place(Writer *w, Span s); /* a token that ends like s was written */
void write_line_start(Writer *w);
/* Own-line comments before `start`, a blank line if there was one, the indent. */
void write_statement_start(Writer *w, Span start);
void write_comments_before(Writer *w, int line, int col);
/* Comments on the line that just ended, as far as they stand before (line, col). */
void write_trailing(Writer *w, int line, int col);
bool comment_before(const Writer *w, int line, int col);
void align_trailing(Writer *w, StrBuf *out);

#endif
