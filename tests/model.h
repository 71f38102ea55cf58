/* SPDX-License-Identifier: MIT */
/* Whole models in tests: a .td file compiled, its program ready to run, and the
 * leaves of its graphs by name. Messages go to stderr. */
#ifndef TDC_TESTS_MODEL_H
#define TDC_TESTS_MODEL_H

#include "compiler/unit.h"
#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"
#include "runtime/data/data.h"
#include "runtime/session.h"

typedef struct Model {
  const char *path;
  Arena *arena;
  Interner *names;
  Diags *diags;
  Unit *unit;
  DataStore *data; /* NULL: a vocabulary without a text */
  int64_t vocab;   /* of that; all symbols equally frequent */
  double *unigram;
  bool cuda; /* compiled for it */
  Jit *jit;  /* of model_build; for CUDA each session has its own */
} Model;

/* Compile `path` with these defines. text: a file to read instead of the one the
 * .td names; NULL: no text, a vocabulary of `vocab` symbols. `more`: what to
 * leave out, or NULL. $TDC_DISABLE, a number, switches backend options off (bit k:
 * the k-th of BackendOptions), to see which one a fault needs. Close it in either case. */
bool model_open(Model *m, const char *path, const Define *defines, int ndefines, const char *text,
                int64_t vocab, const UnitOptions *more);
/* The same of a text that stands in the test, without data. */
bool model_open_source(Model *m, const char *name, const char *source);
/* Compile the kernels. Tests share a cache of their own, so that a model which two of
 * them build costs once. */
bool model_build(Model *m);
/* From here on model_build compiles with QUICK_FLAGS what does not begin with `but` (NULL: all), if
 * $TDC_CFLAGS names no others; not with TDC_TEST_LONG=1. */
void model_quick(const char *but);
void model_close(Model *m);

/* Is this a file whose kernels every suite looks at? Those of tests/models are, and of models/ a
 * few that cover the kinds of kernels; with `whole` (release depth) all. The others `make test`
 * differentiates, trains and samples on the evaluator alone: tests/models.c. */
bool model_in_depth(const char *path, bool whole);

/* A session of a built model with its own threads, all entries prepared. */
typedef struct Running {
  Pool *pool;
  Session *session;
} Running;
bool running_open(Running *r, const Model *m, int threads);
/* The same on the reference evaluator, of a model that need not be built. */
bool running_evaluated(Running *r, const Model *m);
void running_close(Running *r);

/* The input or state of that name, or NULL. */
Node *graph_leaf(const Graph *g, NodeKind kind, const char *name);
Node *graph_output(const Graph *g, const char *name);

/* A whole output or state, as it is stored; to be freed. */
void *output_of(const Session *s, int entry, const char *name);
void *state_of(const Session *s, int state);
/* value[i] of a buffer of any storage type as a double. */
double typed_value(const void *from, TdType type, int64_t i);

#endif
