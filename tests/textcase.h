/* SPDX-License-Identifier: MIT */
/* One text in three readings: the interpreter of syntax trees (tests/interp), the compiler's
 * evaluator, and compiled kernels. A text holds `model it`, whose results are compared, and
 * may hold `loss main` with a `train` that takes the gradient off the parameters
 * (`sgd(lr = 1, momentum = 0)`): then every parameter's gradient is compared, too. */
#ifndef TDC_TESTS_TEXTCASE_H
#define TDC_TESTS_TEXTCASE_H

#include "compiler/unit.h"
#include "tests/interp/interp.h"

enum { TEXT_VOCABULARY = 5 };

typedef enum {
  TEXT_SAME,
  TEXT_REFUSED,   /* the compiler says an error: `code` is the first one's */
  TEXT_UNCOVERED, /* the interpreter does not know what it means */
  TEXT_DIFFERS    /* or an accepted text came to what has no value */
} TextVerdict;

typedef struct TextCase {
  const char *text;
  uint64_t seed; /* of the values of inputs and parameters */
  TextVerdict verdict;
  int code;
  StrBuf said;       /* what is wrong, for people */
  int64_t compared;  /* numbers, with the evaluator and with kernels */
  int64_t gradients; /* of them, those of parameters, by the evaluator */
  Arena *arena;
  Interner *names;
  Unit *unit;
  InterpResult model, loss;
  bool has_loss;
} TextCase;

/* Compile, interpret, evaluate, compare. `kernels`: textcase_kernels will follow. */
void textcase_open(TextCase *t, const char *text, uint64_t seed, bool kernels);
/* Compare compiled kernels, too: of those that are TEXT_SAME, in one run of the C compiler. */
void textcase_kernels(TextCase *t, int n);
void textcase_close(TextCase *t);

#endif
