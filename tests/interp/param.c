/* SPDX-License-Identifier: MIT */
/* Parameters: named after the calls they belong to, stacked by the loops around them. */
#include "tests/interp/internal.h"

#include <string.h>

/* A second call of the same name here is name_2. */
const char *path_below(Context *c, const char *name) {
  Interp *in = c->in;
  const char *path = *c->path ? arena_printf(in->arena, "%s.%s", c->path, name) : name;
  const char *key = intern(in->names, path);
  Value *n = find_here(&in->counts, key);
  int64_t times = n ? n->one.whole + 1 : 1;
  define(in, &in->counts, key, scalar(whole_number(times)));
  return times == 1 ? path : arena_printf(in->arena, "%s_%lld", path, (long long)times);
}

/* Its elements, on the tape. */
static Parameter *parameter(Context *c, const char *name, int rank, const int64_t *shape, Span at) {
  Interp *in = c->in;
  for (int i = 0; i < in->parameters.n; i++)
    if (!strcmp(in->parameters.at[i].name, name)) return &in->parameters.at[i];
  Parameter p = {.name = name, .rank = rank, .count = 1};
  for (int k = 0; k < rank; k++) p.count *= p.shape[k] = shape[k];
  double *x = NEWN(in->arena, double, p.count + 1);
  p.at = NEWN(in->arena, Number, p.count + 1);
  if (!in->o->parameter || !in->o->parameter(in->o->ctx, name, rank, shape, x, NULL))
    UNCOVERED(in, at, "the parameter %s: nobody has its numbers", name);
  for (int64_t i = 0; i < p.count; i++) p.at[i] = leaf(in, x[i]);
  vec_push(in->arena, &in->parameters, p);
  return &in->parameters.at[in->parameters.n - 1];
}

void run_param(Context *c, const AStmt *s) {
  Interp *in = c->in;
  for (int i = 0; i < s->targets.n; i++) {
    const ATarget *t = &s->targets.at[i];
    Axis axis[MAX_RANK];
    int64_t shape[2 * MAX_RANK], skip = 0;
    for (int k = 0; k < c->nturns; k++) shape[k] = c->turns[k];
    if (t->items.n + c->nturns > MAX_RANK) UNCOVERED(in, t->span, "so many axes");
    for (int k = 0; k < t->items.n; k++) {
      const AItem *it = &t->items.at[k];
      const Letter *l =
          it->expr && it->expr->kind == A_NAME ? find_letter(c, it->expr->name) : NULL;
      if (!it->expr && !it->lo) UNCOVERED(in, it->span, "this extent of a parameter");
      if (l)
        axis[k] = l->axis;
      else
        axis[k].extent = eval_extent(c, it->expr ? it->expr : it->lo, &axis[k].id);
      shape[c->nturns + k] = axis[k].extent;
    }
    const char *name = *c->path ? arena_printf(in->arena, "%s.%s", c->path, t->name) : t->name;
    const Parameter *p = parameter(c, name, c->nturns + t->items.n, shape, t->span);
    Value v = tensor(in, t->items.n, axis);
    for (int k = 0; k < c->nturns; k++) skip = skip * c->turns[k] + c->turn[k];
    for (int64_t k = 0; k < count_of(&v); k++) cells(&v)[k] = p->at[skip * count_of(&v) + k];
    define(in, c->scope, t->name, v);
  }
}
