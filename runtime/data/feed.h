/* SPDX-License-Identifier: MIT */
/* Windows of data into an entry's inputs. */
#ifndef TDC_FEED_H
#define TDC_FEED_H

#include "compiler/unit.h"
#include "runtime/data/data.h"
#include "runtime/session.h"

typedef struct Feed {
  Session *session;
  const UnitEntry *entry;
  int index; /* of the entry in the session */
  DataStore *data;
  int32_t *tokens;     /* room for the largest input */
  int64_t tokens_each; /* tokens of one run of the entry */
  int64_t rows;        /* windows of one run */
} Feed;

/* False when the unit has no such entry or its data is not loaded. */
bool feed_open(Feed *f, Session *s, const Unit *u, const char *entry, DataStore *data,
               TdError *err);
void feed_close(Feed *f);
/* The inputs of training step `step`, from 1. */
bool feed_train(Feed *f, uint64_t seed, int64_t step, TdError *err);
/* Validation batch `batch`, from 0; batches wrap around the end. */
bool feed_valid(Feed *f, int64_t batch, TdError *err);
/* Whole batches that the validation part holds (at least 1 when it has a
 * window, else 0). */
int64_t feed_valid_batches(const Feed *f);

#endif
