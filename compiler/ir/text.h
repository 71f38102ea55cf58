/* SPDX-License-Identifier: MIT */
/* What the printer and the reader of the textual form share (IR.md). */
#ifndef TDC_TEXT_H
#define TDC_TEXT_H

#include "compiler/ir/ir.h"

/* Precedence of infix forms, loosest first. Every form left of an operator of
 * the same level needs no parentheses; right of it it does. */
enum {
  LEVEL_SELECT,
  LEVEL_OR,
  LEVEL_AND,
  LEVEL_NOT,
  LEVEL_COMPARE,
  LEVEL_ADD,
  LEVEL_MUL,
  LEVEL_UNARY,
  LEVEL_ATOM
};

typedef struct Infix {
  const char *spelling;
  Prim prim;
  int level;
} Infix;
extern const Infix text_infix[]; /* ends with spelling NULL */

bool text_is_keyword(const char *s);         /* must be quoted to be a name */
bool text_is_plain(const char *s, size_t n); /* letters, digits, _ and . */

/* ir_verify, and the node that is wrong, or NULL. */
const char *text_verify(Graph *g, Node **where);

#endif
