/* SPDX-License-Identifier: MIT */
/* A project that is to sample: with as many rows as there are texts to make. The batch that
 * the file trains with is many times the work of one text. Draws are told apart by their
 * index, not by the batch beside it, so each text is the one that the file's own batch has
 * in that row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

static bool same_shape(const UnitParameter *a, const UnitParameter *b) {
  return a->rank == b->rank && strcmp(a->name, b->name) == 0 &&
         memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* Do both have the same weights, and does the sampler take the same and turn as often? */
static bool same_but_rows(const Unit *a, const Unit *b, const char *sampler) {
  const UnitSampler *x = unit_sampler(a, sampler), *y = unit_sampler(b, sampler);
  bool same = x != NULL && y != NULL && a->nparameters == b->nparameters &&
              x->nparams == y->nparams && x->window == y->window && x->has_loop == y->has_loop &&
              x->lo == y->lo && x->hi == y->hi && x->steps == y->steps &&
              x->without_first == y->without_first && x->without_last == y->without_last;
  for (int i = 0; same && i < a->nparameters; i++)
    same = same_shape(&a->parameters[i], &b->parameters[i]);
  for (int i = 0; same && i < x->nparams; i++) {
    const UnitParam *p = &x->params[i], *q = &y->params[i];
    same = p->kind == q->kind && p->dflt == q->dflt && p->lo == q->lo && p->hi == q->hi;
  }
  return same;
}

/* Is the program with `few` the file's own, but for its rows? */
static bool fits(Cli *c, const Project *own, const UnitOptions *few, int64_t count, int *code) {
  Project p;
  UnitOptions look = *few;
  look.check_only = true;
  bool ok = cli_project_telling(c, &p, &look, TELL_NOTHING, code) &&
            same_but_rows(own->unit, p.unit, few->only_sampler) &&
            unit_sampler(p.unit, few->only_sampler)->batch == count;
  project_close(&p);
  return ok;
}

bool cli_project_rows(Cli *c, Project *p, const UnitOptions *o, int64_t count, int *code) {
  UnitOptions look = *o, final = *o;
  look.check_only = true;
  if (!cli_project(c, p, &look, code)) return false;
  const UnitSampler *u = unit_sampler(p->unit, o->only_sampler);
  if (u == NULL) return true; /* nothing to compile */
  char rows[24], name[128];
  Define *defines = calloc((size_t)c->ndefines + 1, sizeof *defines);
  if (defines != NULL && u->rows != NULL && count < u->batch && strlen(u->rows) < sizeof name) {
    snprintf(rows, sizeof rows, "%lld", (long long)count);
    snprintf(name, sizeof name, "%s", u->rows);
    memcpy(defines, c->defines, (size_t)c->ndefines * sizeof *defines);
    defines[c->ndefines] = (Define){name, rows};
    UnitOptions few = *o;
    few.defines = defines;
    few.ndefines = c->ndefines + 1;
    if (fits(c, p, &few, count, code)) final = few;
  }
  project_close(p);
  bool ok = cli_project_telling(c, p, &final, TELL_ERRORS, code);
  free(defines);
  return ok;
}

bool cli_project_sampler(Cli *c, Project *p, const char *sampler, uint64_t *seed, int64_t *count,
                         int *code) {
  const UnitOptions o = {
      .no_train = true, .no_eval = true, .no_models = true, .only_sampler = sampler};
  *p = (Project){0};
  *seed = 0;
  *count = 1;
  *code = TD_BAD_USAGE;
  if (!cli_seed(c, seed) || !cli_int(c, "count", 1, 1000000, count)) return false;
  *code = 0;
  return cli_project_rows(c, p, &o, *count, code);
}
