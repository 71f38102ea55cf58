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
  const Unit *unit;
  const UnitEntry *entry;
  int index; /* of the entry in the session */
  DataStore *data;
  int32_t *tokens;     /* room for the largest input */
  int64_t tokens_each; /* tokens of one run of the entry */
  int64_t rows;        /* windows of one run */
  int64_t rows_each;   /* rows of every input of data; 0: they differ, and only whole batches are
                          read */
  /* Validation windows are so many tokens apart, and the first begins so many before what
   * validates. 0 and 0: they follow each other. */
  int64_t stride, lead;
} Feed;

/* False when the unit has no such entry or its data is not loaded. */
bool feed_open(Feed *f, Session *s, const Unit *u, const char *entry, DataStore *data,
               TdError *err);
void feed_close(Feed *f);
/* Fill inputs for runs of a series from now on, whose own they are: see session_series. */
bool feed_series(Feed *f, int most, int together, TdError *err);
/* From now on windows for the entry's metrics that report symbols one by one: each window's last
 * symbols, of which there are as many as they report, follow those of the window before, and a last
 * window that is no whole step further ends where the text ends. What stands before the symbols in
 * the first window is text that trained, as far as there is some. Nothing happens where no metric
 * does. */
void feed_valid_once(Feed *f);
/* The inputs of training step `step`, from 1. */
bool feed_train(Feed *f, uint64_t seed, int64_t step, TdError *err);
/* What one run of an evaluation reads: windows first .. first + count - 1, each in as many rows
 * as every other. */
typedef struct FeedPart {
  int64_t first, count;
  int64_t
      from; /* of a window's reported symbols those from here on were not in one before; the others
                   count not */
} FeedPart;
/* Part i of the validation windows, from 0: whole batches, then what is left, each window in
 * one part; then, where feed_valid_once said so, the last window, the only one whose `from` is
 * not 0. A part of few windows fills the rows with equal numbers of each, so that a mean
 * over rows is one over them. False past the last. */
bool feed_valid_part(const Feed *f, int64_t i, FeedPart *part);
/* The inputs of run `number`, from 0. */
bool feed_valid(Feed *f, int64_t number, FeedPart part, TdError *err);
/* Symbols that all of those parts count; 0: nothing reports them. */
int64_t feed_valid_symbols(const Feed *f);
/* Whole batches that the validation part holds; 0 when it has no window, 1 when it has, but
 * less than a batch of them. */
int64_t feed_valid_batches(const Feed *f);

#endif
