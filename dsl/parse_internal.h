/* SPDX-License-Identifier: MIT */
/* What scanner, layout filter, grammar and syntax messages share. The scanner
 * turns the whole text into raw tokens; the layout filter decides which line
 * ends count and which words are keywords where they stand; the grammar builds
 * the tree. */
#ifndef TDC_PARSE_INTERNAL_H
#define TDC_PARSE_INTERNAL_H

#include "dsl/ast.h"

enum { SOURCE_MAX = 1 << 19 }; /* bytes in one source file */

typedef struct Token {
  int kind; /* of the grammar's token kinds */
  Span span;
  const char *text; /* a name (interned), a number or a string as written */
  const char *str;  /* a string, decoded */
  double num;
  int64_t inum;
  bool is_int, spaced, first_on_line; /* spaced: blank space stands before it */
} Token;
typedef VEC(Token) Tokens;
typedef VEC(AComment) AComments;

/* An open bracket, or the braces of a block. */
typedef struct Bracket {
  Span open;
  int kind;      /* '(' '[' '{' */
  bool settings; /* of data, train, precision: words in a row */
  int line_col;  /* where its statement began */
} Bracket;

typedef struct Parser {
  Arena *arena;
  Interner *names;
  Diags *diags;
  int file;
  Tokens tokens; /* from lex.l, ended by an end-of-file token */
  AComments comments;
  /* layout */
  int at;            /* the raw token to look at next */
  int current;       /* the raw token delivered last */
  int start_kind;    /* which grammar: delivered first, then 0 */
  int previous;      /* kind delivered last; 0 at the start */
  int decl_kind;     /* the declaration that is open at the top level */
  int statement_col; /* where the current statement began */
  int depth;
  Bracket open[AST_MAX_DEPTH];
  bool owed_line_end; /* deliver a line end next */
  int closing_before; /* the token for which missing '}' were supplied */
  bool stopped;       /* nothing more is read: too deep, or too many errors */
  bool at_limit;
  bool said_too_deep; /* once a file: a long chain is deep many times over */
  bool failed_at_end; /* the syntax error stood at the end of the file */
  AExpects expects;   /* before the declaration that comes next */
  /* results */
  AFile *out;
  AExpr *out_expr;
} Parser;

/* -- syntax.c */
Diag *syntax_diag(Parser *p, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);

/* -- lex.l: false when the text cannot be read at all (reported) */
bool lex_source(Parser *p);

/* -- layout.c */
int layout_next(Token *value, Span *place, Parser *p);
void layout_recover(Parser *p); /* after a syntax error: skip to where a statement ends */
const Bracket *layout_innermost(const Parser *p);
bool layout_is_word(const Token *t);
/* "did you mean 'model'?" for a name that resembles a keyword, or NULL */
const char *layout_similar_word(Parser *p, const Token *t, bool declaration);

/* -- complain.c: an unexpected token, `got` where one of expected[n] may stand */
void syntax_error(Parser *p, int got, const int *expected, int n, Span at);

#endif
