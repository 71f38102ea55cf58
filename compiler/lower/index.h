/* SPDX-License-Identifier: MIT */
/* The index variables of a statement or a reducer, and how far each runs. */
#ifndef TDC_INDEX_H
#define TDC_INDEX_H

#include "compiler/lower/lower.h"

typedef struct IndexVar {
  const char *name; /* NULL for an axis of `...` */
  int var;          /* symbolic */
  int64_t extent;   /* -1 until known */
  int64_t start;    /* of `i in lo : hi`: the index is var + start */
  const char *id;
  Span span;   /* where it is named first */
  Span origin; /* what fixed its extent */
  const char *origin_text;
  bool ranged;   /* written with a range: `i in lo : hi` */
  bool wrong;    /* an error has been reported: what it runs over is not missed */
  bool implicit; /* neither on the left nor reduced: Einstein */
} IndexVar;

struct Frame {
  Frame *parent;
  bool barrier;        /* names of outer frames are hidden (a call) */
  const AExpr *reduce; /* the reducer it belongs to, or NULL: a statement */
  VEC(IndexVar) vars;
};

/* -- lower_index.c ---------------------------------------------------------------- */
/* Make the statement's frame from its target (NULL: whole), and find the extent
 * of every index in `e`; pushes the frame. False after an error. */
bool infer_indices(Lowering *l, Scope *s, const ATarget *target, const AExpr *e, Frame **out);
Frame *frame_of(Lowering *l, const AExpr *reduce);
Frame *frame_of_statement(const Lowering *l); /* around the reducers that stand; or NULL */
IndexVar *frame_find(Frame *f, const char *name);
Frame *frame_push(Lowering *l, bool barrier, const AExpr *reduce);
Diag *no_indices(Lowering *l, const char *reducer, Span at); /* the error */
/* The same into the frame that stands, which has all indices that are not reduced. */
bool infer_in(Lowering *l, Scope *s, const AExpr *e);
/* The same for a reducer outside any statement (a const, a setting). NULL after an error. */
Frame *infer_alone(Lowering *l, Scope *s, const AExpr *reduce);

/* -- lower_left.c ----------------------------------------------------------------- */
/* An error for an index of the left whose every use is one that a reducer takes away: what is
 * left is the same at each of its places, which nobody writes down on purpose. */
void check_reduced_away(Lowering *l, const ATarget *t, const AExpr *e);

#endif
