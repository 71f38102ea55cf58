/* SPDX-License-Identifier: MIT */
/* How the textual form (IR.md) spells things: what its printer and its reader
 * share. */
#ifndef TDC_SPELLING_H
#define TDC_SPELLING_H

#include "compiler/ir/prims.h"

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

#endif
