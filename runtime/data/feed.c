/* SPDX-License-Identifier: MIT */
/* Data to inputs. */
#include "runtime/data/feed.h"

#include <stdlib.h>
#include <string.h>

/* Rows are all axes but the last. */
static int64_t input_window(const UnitInput *in) {
  return in->rank > 0 ? in->shape[in->rank - 1] : 1;
}

static int64_t input_rows(const UnitInput *in) {
  int64_t n = 1;
  for (int i = 0; i + 1 < in->rank; i++) n *= in->shape[i];
  return n;
}

bool feed_open(Feed *f, Session *s, const Unit *u, const char *entry, DataStore *data,
               TdError *err) {
  *f = (Feed){.session = s, .unit = u, .entry = unit_entry(u, entry), .data = data};
  f->index = session_entry(s, entry);
  if (f->entry == NULL || f->index < 0)
    return td_fail(err, TD_BAD_FILE, "%s has no '%s': no train { } block?", u->path, entry);
  int64_t most = 1;
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    if (data_store_find(data, in->data) == NULL) bug("data %s was never asked for", in->data);
    int64_t n = input_rows(in) * input_window(in);
    if (n > most) most = n;
    f->tokens_each += n;
    f->rows_each = f->rows == 0 || f->rows_each == input_rows(in) ? input_rows(in) : 0;
    f->rows += input_rows(in);
  }
  f->tokens = malloc((size_t)most * sizeof *f->tokens);
  return f->tokens != NULL || td_fail_memory(err);
}

void feed_close(Feed *f) {
  free(f->tokens);
  f->tokens = NULL;
}

bool feed_series(Feed *f, int most, int together, TdError *err) {
  const char **names = calloc((size_t)f->entry->ninputs + 2, sizeof *names);
  int n = 0;
  if (names == NULL) return td_fail_memory(err);
  for (int i = 0; i < f->entry->ninputs; i++)
    if (f->entry->inputs[i].data != NULL) names[n++] = f->entry->inputs[i].name;
  names[n++] = "step";
  names[n++] = "counted.from";
  f->series = session_series(f->session, f->index, most, together, names, n, err);
  free(names);
  return f->series != NULL;
}

/* ---- which windows validate ---------------------------------------------------------------- */

void feed_valid_once(Feed *f) {
  int64_t symbols = 0;
  for (int i = 0; i < f->unit->nmetrics; i++)
    if (f->unit->metrics[i].symbols > 0) symbols = f->unit->metrics[i].symbols;
  for (int i = 0; symbols > 0 && f->rows_each > 0 && i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    f->stride = symbols;
    f->lead = min_of(input_window(in) - symbols, data_store_find(f->data, in->data)->train);
  }
}

static int64_t valid_windows(const Feed *f, const Dataset *d, int64_t window) {
  int64_t left = d->count - d->train + f->lead - window;
  if (f->stride == 0) return dataset_valid_count(d, window);
  return left < 0 ? 0 : left / f->stride + 1;
}

/* The one behind the last ends where the text ends. */
static void valid_window(const Feed *f, const Dataset *d, int64_t i, int64_t window, int32_t *out) {
  if (f->stride == 0)
    dataset_valid_window(d, i, window, out);
  else
    dataset_read(d, min_of(d->train - f->lead + i * f->stride, d->count - window), window, out);
}

/* Symbols behind the last whole step; 0 too where one is to be had without overlapping. */
static int64_t valid_rest(const Feed *f) {
  for (int i = 0; f->stride > 0 && i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    const Dataset *d = data_store_find(f->data, in->data);
    int64_t left = d->count - d->train + f->lead - input_window(in);
    return left > 0 ? left % f->stride : 0;
  }
  return 0;
}

/* Windows that every input of data has. */
static int64_t feed_valid_windows(const Feed *f) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    int64_t n = valid_windows(f, data_store_find(f->data, in->data), input_window(in));
    if (n < least) least = n;
  }
  return least;
}

int64_t feed_valid_symbols(const Feed *f) {
  return f->stride == 0 ? 0 : feed_valid_windows(f) * f->stride + valid_rest(f);
}

/* ---- filling -------------------------------------------------------------------------------- */

/* Fill the data inputs of training step `number`, or (seed NULL) with a part of the windows. */
static bool feed_fill(Feed *f, const uint64_t *seed, int64_t number, FeedPart part, TdError *err) {
  int64_t first = 0; /* several inputs never share a row's draw */
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL || session_input(f->session, f->index, in->name) == NULL) continue;
    const Dataset *d = data_store_find(f->data, in->data);
    int64_t rows = input_rows(in), window = input_window(in), whole = valid_windows(f, d, window);
    for (int64_t r = 0; r < rows; r++) {
      int32_t *to = f->tokens + r * window;
      if (seed == NULL)
        valid_window(f, d,
                     part.from > 0      ? whole
                     : f->rows_each > 0 ? (part.first + r % part.count) % whole
                                        : (number * rows + r) % whole,
                     window, to);
      else if (!dataset_train_window(d, *seed, number, first + r, window, to, err))
        return false;
    }
    bool ok = f->series != NULL
                  ? series_set_ints(f->series, in->name, f->tokens, rows * window, err)
                  : session_set_ints(f->session, f->index, in->name, f->tokens, rows * window, err);
    if (!ok) return false;
    first += rows;
  }
  return true;
}

static bool feed_number(Feed *f, const char *name, int64_t x, TdError *err) {
  if (session_input(f->session, f->index, name) == NULL) return true;
  return f->series != NULL ? series_set_number(f->series, name, (double)x, err)
                           : session_set_number(f->session, f->index, name, (double)x, err);
}

bool feed_train(Feed *f, uint64_t seed, int64_t step, TdError *err) {
  return feed_number(f, "step", step, err) && feed_fill(f, &seed, step, (FeedPart){0}, err);
}

bool feed_valid(Feed *f, int64_t number, FeedPart part, TdError *err) {
  return feed_number(f, "step", number + 1, err) &&
         feed_number(f, "counted.from", part.from, err) && feed_fill(f, NULL, number, part, err);
}

int64_t feed_valid_batches(const Feed *f) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    int64_t whole = valid_windows(f, data_store_find(f->data, in->data), input_window(in));
    int64_t n = whole == 0 ? 0 : whole < input_rows(in) ? 1 : whole / input_rows(in);
    if (n < least) least = n;
  }
  return least == INT64_MAX ? 1 : least;
}

/* The most of n windows that fill the rows evenly. */
static int64_t evenly(int64_t rows, int64_t n) {
  int64_t count = n < rows ? n : rows;
  while (rows % count != 0) count--;
  return count;
}

bool feed_valid_part(const Feed *f, int64_t i, FeedPart *part) {
  *part = (FeedPart){i * f->rows_each, f->rows_each, 0};
  if (f->rows_each == 0) return i < feed_valid_batches(f);
  int64_t windows = feed_valid_windows(f);
  if (windows == INT64_MAX) return i == 0; /* no data: one run, as it is */
  int64_t whole = windows / f->rows_each;
  if (i < whole) return true;
  part->first = whole * f->rows_each;
  for (int64_t k = whole; part->first < windows; k++) {
    part->count = evenly(f->rows_each, windows - part->first);
    if (k == i) return true;
    part->first += part->count;
    whole = k + 1;
  }
  part->count = 1;
  part->from = f->stride - valid_rest(f);
  return valid_rest(f) > 0 && i == whole;
}
