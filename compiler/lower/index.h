/* SPDX-License-Identifier: MIT */
/* The index variables of a statement or a reducer, and how far each runs. */
#ifndef TDC_INDEX_H
#define TDC_INDEX_H

#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"

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

/* -- lower_bind.c ----------------------------------------------------------------- */
Frame *frame_of(Lowering *l, const AExpr *reduce);
Frame *frame_of_statement(const Lowering *l); /* around the reducers that stand; or NULL */
IndexVar *frame_find(Frame *f, const char *name);
Frame *frame_push(Lowering *l, bool barrier, const AExpr *reduce);
/* One more index; extent -1: still unknown. */
IndexVar *index_add(Lowering *l, Frame *f, const char *name, Span at, int64_t extent,
                    const char *id);
/* What fixes how far v runs: where it stands, and in words. */
void index_extent(Lowering *l, IndexVar *v, int64_t extent, const char *id, Span at,
                  const char *text);
/* The name as an index of f, with the extent that a header gives it. */
IndexVar *index_declare(Lowering *l, Scope *s, Frame *f, const char *name, Span at);
void index_declare_range(Lowering *l, Scope *s, Frame *f, const AItem *it); /* k in D, k in 1 : 3 */
/* v reads this axis of base, in the read `read`. False after an error; `quiet`: the read has one
 * already, and a second has likely the same reason. */
bool index_bind(Lowering *l, IndexVar *v, const Value *base, int axis, Span at, const AExpr *read,
                bool quiet);
/* Is this name, standing bare in an index position, a value rather than an index? */
bool index_is_value(Scope *s, const char *name);
Binding *index_pattern(Scope *s, const char *name); /* a header's letter; or NULL */

/* -- lower_index.c ---------------------------------------------------------------- */
/* Make the statement's frame from its target (NULL: whole), and find the extent
 * of every index in `e`; pushes the frame. False after an error. */
bool infer_indices(Lowering *l, Scope *s, const ATarget *target, const AExpr *e, Frame **out);
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
