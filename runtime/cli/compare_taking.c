/* SPDX-License-Identifier: MIT */
/* What all of a model's measuring needs. See compare_taking.h. */
#include "runtime/cli/compare_taking.h"

#include <string.h>

Rows *taking_alone(Taking *t) { return t->alone.open ? &t->alone : &t->many; }

void taking_begin(Taking *t, ComparePart part, int at) {
  compare_part_begin(t->progress, (int)(t->m - t->k->models), t->m->path, part, at, t->k->seeds);
}

char *taking_spelled(const Taking *t, const int32_t *ids, int64_t n) {
  StrBuf s = {0};
  SampleFrame f = {.ids = ids, .glyph = t->many.request.sampler->glyph};
  sample_spell(&t->data->vocabulary, &f, 0, n, &s);
  return s.s != NULL ? s.s : strdup("");
}
