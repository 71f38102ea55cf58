/* SPDX-License-Identifier: MIT */
/* Random programs as text, for textcase.h: what lowering makes of a text is not seen by random
 * graphs, which begin behind it. Carries read at permuted and shifted indices, axes of equal
 * extents, ops with `grad` clauses, integers near their limits, ranges on the left with
 * reducers of the same index, conditions around reads, gathers, loops in loops, whole tensors. */
#ifndef TDC_TESTS_RANDTEXT_H
#define TDC_TESTS_RANDTEXT_H

#include <stdbool.h>

#include "dsl/base.h"

/* What a program is about, mostly. */
typedef enum {
  TEXT_MIXED,
  TEXT_CARRIES,
  TEXT_CLAUSES,
  TEXT_INTEGERS,
  TEXT_RANGES,
  TEXT_THEMES
} TextTheme;

/* A statement, or what opens or closes a loop, on a line of its own. */
typedef struct TextLine {
  const char *text;
  int depth;
  bool opens, closes, stays; /* stays: without it there is no program */
  bool dropped;
} TextLine;

typedef struct RandText {
  Arena *arena;
  uint64_t seed;
  TextTheme theme;
  const char *head, *tail; /* declarations, and what follows the model's body */
  VEC(TextLine) lines;
} RandText;

RandText randtext_new(Arena *a, uint64_t seed);
/* The program without the lines that were dropped. */
const char *randtext_print(const RandText *t);
/* Drop lines, whole loops too, for as long as what is left fails. */
typedef bool RandTextFails(const char *text, void *ctx);
void randtext_shrink(RandText *t, RandTextFails *fails, void *ctx);

/* ---- programs around a model's body ------------------------------------------------- */
typedef struct TextInput {
  const char *name, *axes; /* "M,N" */
  const char *bound;       /* of id<bound>, or NULL: real numbers */
  const char *given;       /* of integers: what the loss gives for it; of real numbers, if not
                              NULL: it is a parameter that the model reads itself */
} TextInput;
typedef struct TextResult {
  const char *name, *axes;
  int rank;
  bool real;
} TextResult;

/* The declarations, and `param p_NAME` for each real input. */
const char *text_declared(Arena *a, const char *declared, const TextInput *in, int nin);
/* `model it(...) -> ... {` */
const char *text_model(Arena *a, const TextInput *in, int nin, const TextResult *out, int nout);
/* `}`, and a loss over all real results and parameters, whose `x` are symbols [B,W]. */
const char *text_tail(Arena *a, const TextInput *in, int nin, const TextResult *out, int nout);

#endif
