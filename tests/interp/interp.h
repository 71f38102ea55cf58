/* SPDX-License-Identifier: MIT */
/* What a .td file means, straight from its syntax tree: an interpreter written from
 * dsl/LANGUAGE.md and its chapters, in double precision and whole numbers of 64 bits, with a
 * reverse mode of its own on a tape of scalars. It shares the parser with the compiler and nothing
 * else, so that comparing the two sees what lowering gets wrong. Slow: meant for tensors of a few
 * numbers.
 *
 * Left out, and said by INTERP_NOT_COVERED: draws, schedules, samplers, training, and forms
 * that these pages leave open. */
#ifndef TDC_TESTS_INTERP_H
#define TDC_TESTS_INTERP_H

#include "dsl/ast.h"

typedef enum {
  INTERP_OK,
  INTERP_NOT_COVERED,
  INTERP_NO_VALUE /* an integer that does not fit, a read outside, a division by zero: what an
                     accepted program never comes to */
} InterpStatus;

typedef enum { INTERP_REAL, INTERP_WHOLE, INTERP_TRUTH } InterpKind;

/* What the caller gives and gets: a tensor whose elements are all of one kind. */
typedef struct InterpTensor {
  const char *name;
  InterpKind kind;
  int rank;
  int64_t shape[8];
  int64_t count;
  double *real;   /* of INTERP_REAL, else NULL */
  int64_t *whole; /* else; 0 or 1 of INTERP_TRUTH */
} InterpTensor;
typedef VEC(InterpTensor) InterpTensors;

/* Numbers for an input or a parameter of that name and shape: to `real` or to `whole`,
 * whichever is not NULL. False: there are none of that name. */
typedef bool InterpFill(void *ctx, const char *name, int rank, const int64_t *shape, double *real,
                        int64_t *whole);

typedef struct InterpOptions {
  int64_t vocab;         /* of every `data`; its symbols are equally frequent */
  InterpFill *input;     /* by the formal's name */
  InterpFill *parameter; /* by its whole name: "net.gated.wi" */
  void *ctx;
  int64_t step, steps; /* of the training step whose loss it is; how many there are */
} InterpOptions;

typedef struct InterpResult {
  InterpStatus status;
  const char *why; /* unless it is INTERP_OK */
  Span where;
  InterpTensors results; /* of a model, in the order of its header */
  double loss;
  InterpTensors gradients; /* d loss by each parameter that was read; named as these are */
} InterpResult;

/* `file` has been parsed without an error, with names interned in `names`; everything is
 * allocated in the arena. */
InterpResult interp_model(Arena *a, Interner *names, const AFile *file, const char *model,
                          const InterpOptions *o);
/* The number that a loss minimises, and its gradients. */
InterpResult interp_loss(Arena *a, Interner *names, const AFile *file, const char *loss,
                         const InterpOptions *o);

#endif
