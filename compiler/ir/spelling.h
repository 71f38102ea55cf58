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
extern const Infix text_infix[];       /* ends with spelling NULL */
const Infix *text_infix_of(Prim prim); /* or NULL: it is written as a call */

bool text_is_keyword(const char *s);        /* must be quoted to be a name */
void text_name(StrBuf *out, const char *s); /* quoted where it has to be */
void text_real(StrBuf *out, double x);      /* reads back to the bit, NaN with its bits too */

#endif
