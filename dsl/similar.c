/* SPDX-License-Identifier: MIT */
/* "did you mean": the known name that a misspelt one is nearest to. */
#include <string.h>

#include "dsl/diag.h"

enum { LONGEST_NAME = 63 };

/* Insertions, deletions, replacements and swaps of neighbours that make b of a. */
static int edit_distance(const char *a, int na, const char *b, int nb) {
  int rows[3][LONGEST_NAME + 1];
  int *before = rows[0], *above = rows[1], *row = rows[2];
  for (int j = 0; j <= nb; j++) above[j] = j;
  for (int i = 1; i <= na; i++) {
    row[0] = i;
    for (int j = 1; j <= nb; j++) {
      int best = above[j - 1] + (a[i - 1] != b[j - 1]);
      if (above[j] + 1 < best) best = above[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
          before[j - 2] + 1 < best)
        best = before[j - 2] + 1;
      row[j] = best;
    }
    int *spare = before;
    before = above;
    above = row;
    row = spare;
  }
  return above[nb];
}

const char *did_you_mean(const char *name, const char *const *candidates, int n) {
  size_t length = strlen(name);
  if (length > LONGEST_NAME) return NULL;
  int limit = (int)length / 3, best = limit + 1;
  const char *found = NULL;
  for (int i = 0; i < n; i++) {
    size_t other = candidates[i] ? strlen(candidates[i]) : 0;
    if (!other || other > LONGEST_NAME) continue;
    int gap = (int)other - (int)length;
    if (gap > limit || -gap > limit) continue;
    int distance = edit_distance(name, (int)length, candidates[i], (int)other);
    if (distance > 0 && distance < best) {
      best = distance;
      found = candidates[i];
    }
  }
  return found;
}

bool diag_hint_near(Diags *d, Diag *x, const char *name, const char *const *candidates, int n) {
  const char *near = did_you_mean(name, candidates, n);
  if (near) diag_hint(d, x, "did you mean '%s'?", near);
  return near != NULL;
}
