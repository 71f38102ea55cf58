/* SPDX-License-Identifier: MIT */
/* What value.c and read.c know of each subexpression while one is written. */
#ifndef TDC_CELL_H
#define TDC_CELL_H

#include "compiler/emit/emit.h"
#include "compiler/ir/linear.h"
#include "compiler/ir/walk.h"

typedef struct Cell {
  const char *text;
  int level;
  int uses;
  bool needed, wide, used_deeper;
  bool named;     /* `text` is the name of a variable that holds it */
  bool run;       /* a draw that comes out of an array */
  bool unsafe;    /* a read that needs bounds checks at run time */
  Linear *linear; /* of a read: its flat position */
  int64_t stride[IR_MAX_RANK];
  bool checked[IR_MAX_RANK];
} Cell;

typedef struct Walk {
  Emit *em;
  ExprWalk *w;
  Cell *cell;
  int level;
} Walk;

static inline Cell *cell_of(const Walk *k, const Expr *e) { return &k->cell[walk_slot(k->w, e)]; }

/* -- read.c --------------------------------------------------------------------- */
/* Reading the entry's step is reading the control block: no buffer. */
bool read_is_step(const Emit *em, const Expr *e);
/* Strides and the flat position of a read; which indices must be checked. */
void read_plan(Emit *em, Expr *e, Cell *cell);
/* Is the text of index d part of the read's? */
bool read_uses_index(const Cell *c, int d);
const char *read_print(const Walk *k, Expr *e, const Cell *c);
void emit_scaled(StrBuf *out, int64_t coef, const char *text); /* coef * text */
/* Can the sum be added up in 32 bits, whatever its order? */
bool read_fits_short(Emit *em, const Linear *s);

/* -- storage.c ------------------------------------------------------------------ */
bool emit_computes(Emit *em, const Node *n); /* is n computed by this kernel? */

#endif
