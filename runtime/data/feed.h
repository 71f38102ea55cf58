/* SPDX-License-Identifier: MIT */
/* Windows of data into an entry's inputs. */
#ifndef TDC_FEED_H
#define TDC_FEED_H

#include "compiler/unit.h"
#include "runtime/data/data.h"
#include "runtime/session.h"

typedef struct Feed {
  Session *session;
  Series *series; /* inputs are for its next run; NULL: for the entry's */
  const UnitEntry *entry;
  int index; /* of the entry in the session */
  DataStore *data;
  int32_t *tokens;     /* room for the largest input */
  int64_t tokens_each; /* tokens of one run of the entry */
  int64_t rows;        /* windows of one run */
  int64_t rows_each;   /* rows of every input of data; 0: they differ, and only whole batches are
                          read */
} Feed;

/* False when the unit has no such entry or its data is not loaded. */
bool feed_open(Feed *f, Session *s, const Unit *u, const char *entry, DataStore *data,
               TdError *err);
void feed_close(Feed *f);
/* Fill inputs for runs of a series from now on, whose own they are: see session_series. */
bool feed_series(Feed *f, int most, int together, TdError *err);
/* The inputs of training step `step`, from 1. */
bool feed_train(Feed *f, uint64_t seed, int64_t step, TdError *err);
/* What one run of an evaluation reads: windows first .. first + count - 1, each in as many rows
 * as every other. */
typedef struct FeedPart {
  int64_t first, count;
} FeedPart;
/* Part i of the validation windows, from 0: whole batches, then what is left, each window in
 * one part. A part of few windows fills the rows with equal numbers of each, so that a mean
 * over rows is one over them. False past the last. */
bool feed_valid_part(const Feed *f, int64_t i, FeedPart *part);
/* The inputs of run `number`, from 0. */
bool feed_valid(Feed *f, int64_t number, FeedPart part, TdError *err);
/* Whole batches that the validation part holds; 0 when it has no window, 1 when it has, but
 * less than a batch of them. */
int64_t feed_valid_batches(const Feed *f);

#endif
