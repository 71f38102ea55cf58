/* SPDX-License-Identifier: MIT */
/* The models that the command line names. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"

static bool name_weights(Compared *m, const char *list) {
  size_t most = 1;
  for (const char *c = list; *c != '\0'; c++) most += *c == ',';
  m->weights = calloc(most, sizeof *m->weights);
  while (m->weights != NULL && *list != '\0') {
    size_t n = strcspn(list, ",");
    char *one = strndup(list, n);
    if (one == NULL) return false;
    m->weights[m->nweights++] = one;
    list += n + (list[n] == ',');
  }
  return m->weights != NULL;
}

bool compared_name(Compared *m, const char *argument) {
  const char *list = io_exists(argument) ? NULL : strstr(argument, ".td=");
  *m = (Compared){.path = list != NULL ? strndup(argument, (size_t)(list - argument) + 3)
                                       : strdup(argument)};
  for (int row = 0; row < COMPARE_ROWS; row++) {
    m->real[row] = (double)NAN;
    for (int i = 0; i < MOST_SEEDS; i++) m->value[row][i] = (double)NAN;
  }
  return m->path != NULL && (list == NULL || name_weights(m, list + 4));
}

void compared_free(Compared *m) {
  for (int i = 0; i < m->nweights; i++) free(m->weights[i]);
  free(m->weights);
  free(m->path);
  free(m->sampler);
  free(m->metric);
  free(m->claim);
  free(m->texts[0]);
  free(m->texts[1]);
}
