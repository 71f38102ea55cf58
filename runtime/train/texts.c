/* SPDX-License-Identifier: MIT */
/* Texts of a sampler. See texts.h. */
#include "runtime/train/texts.h"

#include <string.h>

typedef struct Take {
  Texts *out;
  int64_t count, have;
  SampleCost *cost;
  TdError *err;
  bool failed;
} Take;

static bool take_frame(void *ctx, const SampleFrame *f) {
  Take *t = ctx;
  if (f->done < f->count) return true;
  if (t->out->ids == NULL && !texts_new(t->out, t->count, f->window, t->err)) {
    t->failed = true;
    return false;
  }
  int64_t n = min_of(f->batch, t->count - t->have);
  memcpy(t->out->ids + t->have * f->window, f->ids, (size_t)(n * f->window) * sizeof *f->ids);
  t->have += n;
  t->cost->rows = f->batch;
  t->cost->steps = f->in_all;
  t->cost->seconds += f->seconds;
  return true;
}

uint64_t texts_seed(uint64_t seed, int64_t run) {
  return seed + (uint64_t)run * UINT64_C(0x9e3779b97f4a7c15); /* other draws in every batch */
}

bool texts_sample(Session *s, const SampleRequest *r, int64_t count, Texts *out, SampleCost *cost,
                  TdError *err) {
  *out = (Texts){0};
  *cost = (SampleCost){0};
  Take t = {.out = out, .count = count, .cost = cost, .err = err};
  double computed = cpu_seconds();
  while (t.have < count) {
    SampleRequest one = *r;
    int64_t before = t.have;
    one.seed = texts_seed(r->seed, cost->batches++);
    if (!sample_run(s, &one, false, take_frame, &t, err) || t.failed) return false;
    if (t.have == before)
      return td_fail(err, TD_BAD_FILE, "sampler %s emits nothing", r->sampler->name);
  }
  cost->cpu = cpu_seconds() - computed;
  return true;
}
