/* SPDX-License-Identifier: MIT */
/* A text as numbers, and the windows cut from it. Training windows start
 * anywhere in the first part of the text, validation windows follow each other
 * in the rest. A training window is a pure function of (seed, step, row): a
 * resumed run reads what an uninterrupted one would have read. */
#ifndef TDC_DATA_H
#define TDC_DATA_H

#include "compiler/unit.h"
#include "runtime/data/corpus.h"
#include "runtime/data/vocabulary.h"

typedef struct Dataset {
  const char *name; /* of the declaration */
  char *path;
  char sha256[65];
  Vocabulary vocabulary;
  void *tokens; /* the whole text: numbers of vocabulary_width bytes */
  int64_t count;
  int64_t train;   /* the first so many train, the rest validate */
  double *unigram; /* [vocabulary.size], of the training part */
  double entropy;  /* of it, nats */
  uint64_t seed;   /* of the declaration */
} Dataset;

/* NULL after an error. `name` is borrowed. */
Dataset *dataset_load(const CorpusSearch *search, const DataDecl *decl, TdError *err);
void dataset_free(Dataset *d);

/* Tokens first .. first + n - 1. */
void dataset_read(const Dataset *d, int64_t first, int64_t n, int32_t *out);
/* What it takes of memory. */
int64_t dataset_bytes(const Dataset *d);

/* The window of `length` tokens for row `row` of step `step` (from 1). False
 * when the training part is shorter than a window. */
bool dataset_train_window(const Dataset *d, uint64_t seed, int64_t step, int64_t row,
                          int64_t length, int32_t *out, TdError *err);
/* Where it starts. */
int64_t dataset_train_offset(const Dataset *d, uint64_t seed, int64_t step, int64_t row,
                             int64_t length);
/* How many whole windows validate, and the i-th. */
int64_t dataset_valid_count(const Dataset *d, int64_t length);
void dataset_valid_window(const Dataset *d, int64_t i, int64_t length, int32_t *out);

/* The datasets that a compilation asks for, kept for the run after it. The
 * query is what UnitOptions wants; messages live as long as the store. */
typedef struct DataStore DataStore;
DataStore *data_store_new(const CorpusSearch *search); /* NULL when memory is out */
void data_store_free(DataStore *s);
bool data_store_query(void *store, const DataDecl *decl, DataInfo *out, const char **why);
/* What a weights file remembers of the text it was trained on: from here on
 * queries for that kind of tokens are answered with it, and no corpus is read.
 * Such a dataset has symbols and their shares, and no tokens. False when the
 * strings are no such record. */
bool data_store_offer(DataStore *s, const char *tokens, const char *vocabulary,
                      const char *unigram);
/* The shares as checkpoints keep them. */
void dataset_write_unigram(const Dataset *d, StrBuf *out);
Dataset *data_store_find(DataStore *s, const char *name); /* or NULL */
/* What went wrong at the last query that failed (TD_OK: nothing did). */
const TdError *data_store_error(const DataStore *s);

#endif
