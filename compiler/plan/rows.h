/* SPDX-License-Identifier: MIT */
/* The inside of a group of rows: its members in the kernel's variables, cut into
 * loop nests (rows.c). A row kernel is written from it, and so are the row
 * programs of a chain. */
#ifndef TDC_ROWS_H
#define TDC_ROWS_H

#include "compiler/ir/band.h"
#include "compiler/plan/plan.h"

typedef enum {
  FORM_MAP,    /* one value a point */
  FORM_REDUCE, /* the loops are reduced to one value a row */
  FORM_MIXED   /* some loops are the value's, some are reduced */
} Form;

/* A member in the kernel's variables: rows first, then the loops of its nest. */
typedef struct Item {
  Member *member;
  Node *node;
  Form form;
  Expr *body, *guard;
  Expr *self;                 /* a read of this very element; NULL: partial sums */
  Expr *element[IR_MAX_RANK]; /* its indices */
  int nout;                   /* loops that are the value's own (first) */
  int nloops;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS];
  int nest;   /* items of one nest share their loops */
  bool array; /* read in another nest: needs memory */
  const Band
      *cut[IR_MAX_VARS]; /* by loop: its windows, as rows, loops and nests before it say; NULL */
  double share;          /* of all iterations, that windows leave */
  bool part;             /* one of several items that compute the node */
  bool banded;           /* its loop runs over the band of its chain: chain_band.c */
  /* while it is written */
  const char *value;  /* C name */
  const char *sum;    /* C name of the accumulator: scalar or pointer */
  const char *total;  /* of a long sum: C name of what its blocks add up to, in double precision */
  const char *totals; /* the same of a long sum over rows, for each of its elements */
  const char *sums;   /* of a sum in a vector loop: C name of its partial sums; rows_write.h */
  const char *nan;    /* of a maximum, in a vector loop: C name of whether there was one */
} Item;

typedef struct RowPlan {
  Item *items; /* by nest, in order of evaluation */
  int nitems;
  int nrows; /* after neighbours were joined */
  int64_t row_extent[IR_MAX_VARS];
  const char *row_axis[IR_MAX_VARS];
  int64_t rows;
  bool flat;              /* no loops inside: the row loop itself is the vector loop */
  bool in_bounds;         /* every read was proved before indices were joined */
  int given_rows;         /* rows before neighbours were joined */
  const LoopKernel *loop; /* that it is a part of; or NULL */
} RowPlan;

/* The members of one program of a chain over its first rows; `join`: arrays are
 * without gaps, loops may become one. */
RowPlan *plan_row_program(Plan *p, Group *g, int program, int nrows, bool join);
/* Bytes of an item's value that other nests read but that is not stored; 0: there is no need. */
size_t item_array_bytes(const Item *it);
/* From one index of each axis to the next in that array; 0 along the kernel's rows. */
void item_array_strides(const Item *it, int given_rows, int64_t *stride);
/* -- rows_band.c */
void rows_find_bands(Plan *p, RowPlan *r);
/* Does it search its loops for a position? (argmax; over one place there is nothing to search) */
bool item_searches(const Item *it);

#endif
