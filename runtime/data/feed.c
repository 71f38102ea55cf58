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
  *f = (Feed){.session = s, .entry = unit_entry(u, entry), .data = data};
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
    f->rows += input_rows(in);
  }
  f->tokens = malloc((size_t)most * sizeof *f->tokens);
  return f->tokens != NULL || td_fail_memory(err);
}

void feed_close(Feed *f) {
  free(f->tokens);
  f->tokens = NULL;
}

/* Fill the data inputs of training step or validation batch `number`. */
static bool feed_fill(Feed *f, bool train, uint64_t seed, int64_t number, TdError *err) {
  int64_t first = 0; /* several inputs never share a row's draw */
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL || session_input(f->session, f->index, in->name) == NULL) continue;
    const Dataset *d = data_store_find(f->data, in->data);
    int64_t rows = input_rows(in), window = input_window(in),
            whole = dataset_valid_count(d, window);
    for (int64_t r = 0; r < rows; r++) {
      int32_t *to = f->tokens + r * window;
      if (!train)
        dataset_valid_window(d, (number * rows + r) % whole, window, to);
      else if (!dataset_train_window(d, seed, number, first + r, window, to, err))
        return false;
    }
    if (!session_set_ints(f->session, f->index, in->name, f->tokens, rows * window, err))
      return false;
    first += rows;
  }
  return true;
}

static bool feed_step(Feed *f, int64_t step, TdError *err) {
  return session_input(f->session, f->index, "step") == NULL ||
         session_set_number(f->session, f->index, "step", (double)step, err);
}

bool feed_train(Feed *f, uint64_t seed, int64_t step, TdError *err) {
  return feed_step(f, step, err) && feed_fill(f, true, seed, step, err);
}

bool feed_valid(Feed *f, int64_t batch, TdError *err) {
  return feed_step(f, batch + 1, err) && feed_fill(f, false, 0, batch, err);
}

int64_t feed_valid_batches(const Feed *f) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < f->entry->ninputs; i++) {
    const UnitInput *in = &f->entry->inputs[i];
    if (in->data == NULL) continue;
    int64_t whole = dataset_valid_count(data_store_find(f->data, in->data), input_window(in));
    int64_t n = whole == 0 ? 0 : whole < input_rows(in) ? 1 : whole / input_rows(in);
    if (n < least) least = n;
  }
  return least == INT64_MAX ? 1 : least;
}
