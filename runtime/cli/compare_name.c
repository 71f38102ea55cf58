/* SPDX-License-Identifier: MIT */
/* The models that the command line names. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"
#include "runtime/system/json.h"

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

/* ---- what it was trained with -------------------------------------------------------------- */

/* The record of the first weights; NULL: there is none. */
static json_t *record_of(const Compared *m) {
  TdError ignored = {0}; /* weights that cannot be read are told when they are loaded */
  StrBuf folder = {0};
  size_t n;
  const char *name = unit_name(m->path, &n);
  sb_puts(&folder, "runs/");
  sb_write(&folder, name, n);
  Checkpoint *w =
      weights_find(NULL, m->nweights > 0 ? m->weights[0] : NULL, folder.s, m->path, &ignored);
  sb_free(&folder);
  json_error_t why;
  bool memory;
  const char *record = w != NULL ? checkpoint_info(w)->record : NULL;
  json_t *o = record != NULL ? json_read(record, strlen(record), 0, &why, &memory) : NULL;
  checkpoint_close(w);
  return o;
}

static bool says(const Cli *c, const char *name) {
  for (int i = 0; i < c->ndefines; i++)
    if (strcmp(c->defines[i].name, name) == 0) return true;
  return false;
}

static bool add_define(Compared *m, const char *name, const char *value) {
  Define d = {strdup(name), strdup(value)};
  m->defines[m->ndefines++] = d;
  return d.name != NULL && d.value != NULL;
}

bool compared_defines(Cli *c, Compared *m) {
  json_t *record = record_of(m), *own = json_object_get(record, "defines");
  m->defines = calloc(json_object_size(own) + (size_t)c->ndefines + 1, sizeof *m->defines);
  bool ok = m->defines != NULL;
  const char *name;
  json_t *value;
  json_object_foreach(own, name, value) {
    if (ok && json_is_string(value) && !says(c, name))
      ok = add_define(m, name, json_string_value(value));
  }
  for (int i = 0; ok && i < c->ndefines; i++)
    ok = add_define(m, c->defines[i].name, c->defines[i].value);
  json_decref(record);
  return ok;
}

const char *compared_metric(const Unit *u) {
  for (int i = 0; i < u->nmetrics; i++)
    if (u->metrics[i].claim != NULL) return u->metrics[i].name;
  return "loss";
}

void compared_free(Compared *m) {
  efforts_free(m);
  for (int i = 0; i < m->ndefines; i++) {
    free((char *)m->defines[i].name);
    free((char *)m->defines[i].value);
  }
  free(m->defines);
  for (int i = 0; i < m->nweights; i++) free(m->weights[i]);
  free(m->weights);
  free(m->path);
  free(m->sampler);
  free(m->metric);
  free(m->claim);
  free(m->texts[0]);
  free(m->texts[1]);
}
