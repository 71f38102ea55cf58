/* SPDX-License-Identifier: MIT */
/* Inside the reader of the textual form (IR.md): tokens, names, expressions. */
#ifndef TDC_READ_H
#define TDC_READ_H

#include "compiler/ir/ir.h"

typedef enum { T_END, T_NEWLINE, T_NAME, T_INT, T_REAL, T_LET, T_PUNCT } ReadTokenKind;

typedef struct ReadToken {
  ReadTokenKind kind;
  Span span;
  const char *text; /* T_NAME: decoded; T_PUNCT: its spelling */
  bool quoted;
  int ordinal;    /* T_NAME: y'2 is 2; 1 without */
  uint64_t whole; /* T_INT, T_LET */
  bool large;     /* T_INT: above 2^63 */
  double real;
} ReadToken;

typedef struct ReadLexer {
  const char *at, *end;
  int line, col, depth;
} ReadLexer;

/* A name in scope: a node by name and ordinal. */
typedef struct NamedNode {
  const char *name;
  int ordinal;
  Node *node;
} NamedNode;

typedef struct Reader {
  Arena *arena;
  Interner *names;
  Diags *d;
  int file;
  jmp_buf failed;
  ReadLexer lex;
  ReadToken tok;
  Graph *g;
  Region *region; /* being filled */
  NamedNode *table;
  int table_size, nnames;
  VEC(Span) places; /* by node id: where its name stands in this text */
  /* of the node being read */
  const char *var[IR_MAX_VARS];
  int nvars;
  VEC(Expr *) lets;
  int nesting;
} Reader;

enum {
  E_TEXT_SYNTAX = 601, /* an unexpected token or character */
  E_TEXT_NAME = 602,   /* no such name */
  E_TEXT_LIMIT = 603,  /* too many axes, too deep, too large */
  E_TEXT_TYPE = 604,   /* a primitive or read with arguments that do not fit */
  E_TEXT_TWICE = 605,  /* a name stands for two nodes */
  E_TEXT_BROKEN = 606  /* well written, but ir_verify objects */
};

/* -- read_lex.c */
_Noreturn void read_fail(Reader *r, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
void read_next(Reader *r);
ReadToken read_peek(Reader *r);
bool read_is(const Reader *r, const char *punct);
bool read_is_word(const Reader *r, const char *word);
bool read_accept(Reader *r, const char *punct);
bool read_accept_word(Reader *r, const char *word);
void read_expect(Reader *r, const char *punct);
void read_expect_word(Reader *r, const char *word);
void read_skip_newlines(Reader *r);
int64_t read_whole(Reader *r);   /* a number from 0 to 2^63 - 1 */
int64_t read_integer(Reader *r); /* with a sign perhaps */

/* -- read_name.c */
void read_no_names(Reader *r); /* at the start of a graph */
ReadToken read_name(Reader *r);
/* Gives `name` to a node; the token is what was read as its name. */
void read_define(Reader *r, ReadToken name, Node *n);
Node *read_lookup(Reader *r); /* the node that the current name stands for */

/* -- read_expr.c */
Expr *read_expr(Reader *r);

/* -- read_head.c */
/* x: real[b:32, 7] in 0 .. 9 */
typedef struct ReadHead {
  ReadToken name;
  Type type;
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *axis[IR_MAX_RANK];
  int64_t lo, hi; /* of integers */
} ReadHead;
ReadHead read_head(Reader *r);
void read_range(Reader *r, int64_t *lo, int64_t *hi); /* all of 32 bits where none is written */
void read_count(Reader *r, Span at, int n, const int64_t *extent); /* not too many elements? */
Node *read_make(Reader *r, NodeKind kind, const ReadHead *h);
void read_set_range(Node *n, int64_t lo, int64_t hi); /* of one of integers */
void read_tail(Reader *r, Node *n);                   /* ; at ..., and the end of the line */
void read_end_of_line(Reader *r);                     /* or of the text */
/* The tail of a node, which has this name from now on. */
void read_finish(Reader *r, ReadToken name, Node *n);

/* -- read_loop.c: after the word that they begin with, which stands at `at` */
void read_carry(Reader *r, Span at);
void read_next_carry(Reader *r, Span at);
void read_emit(Reader *r, Span at);
void read_final(Reader *r);
void read_stack(Reader *r);

#endif
