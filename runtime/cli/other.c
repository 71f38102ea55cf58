/* SPDX-License-Identifier: MIT */
/* A second .td file, opened as the first one is: the command line is the same but for the file, its
 * weights and what -D says. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

/* The flags with another --weights, or none, or --untrained. */
static bool flags_of(Other *o, const Cli *c, const char *weights, bool untrained) {
  o->c.given = calloc((size_t)c->ngiven + 3, sizeof *o->c.given);
  o->c.ngiven = 0;
  if (o->c.given == NULL) return false;
  for (int i = 0; i < c->ngiven; i++)
    if (strcmp(c->given[i].name, "weights") != 0 && strcmp(c->given[i].name, "untrained") != 0 &&
        strcmp(c->given[i].name, "data") != 0)
      o->c.given[o->c.ngiven++] = c->given[i];
  if (weights != NULL) o->c.given[o->c.ngiven++] = (Given){"weights", weights};
  if (untrained) o->c.given[o->c.ngiven++] = (Given){"untrained", NULL};
  return true;
}

bool other_project(Other *o, Cli *c, const OtherAsk *ask, int *code) {
  *o = (Other){.c = *c, .args = {ask->path}};
  o->c.args = o->args;
  o->c.nargs = 1;
  o->c.defines = (Define *)ask->defines;
  o->c.ndefines = ask->ndefines;
  TdError err = {0};
  if (!flags_of(o, c, ask->weights, ask->untrained)) {
    td_fail_memory(&err);
    *code = cli_fail(c, &err);
    return false;
  }
  return ask->rows > 0 ? cli_project_rows(&o->c, &o->p, ask->unit, ask->rows, code)
                       : cli_project(&o->c, &o->p, ask->unit, code);
}

bool other_start(Other *o, const char *entry, uint64_t seed, int *code) {
  return cli_weights_find(&o->c, &o->p, &o->weights, code) &&
         cli_start(&o->c, &o->p, &o->m, entry, o->weights, seed, code);
}

bool other_open(Other *o, Cli *c, const OtherAsk *ask, int *code) {
  return other_project(o, c, ask, code) && other_start(o, ask->entry, ask->seed, code);
}

void other_close(Other *o) {
  free(o->c.given);
  checkpoint_close(o->weights);
  machine_close(&o->m);
  project_close(&o->p);
  *o = (Other){0};
}
