/* SPDX-License-Identifier: MIT */
/* Paths tell apart what a source names once and a program holds often: the
 * parameters of every use of a block, the draws of every call. */
#include <string.h>

#include "compiler/lower/lower.h"

int path_count(Lowering *l, const char *key) {
  for (int i = 0; i < l->counts.n; i++)
    if (!strcmp(l->counts.at[i].key, key)) return ++l->counts.at[i].n;
  PathCount c = {key, 1};
  vec_push(l->arena, &l->counts, c);
  return 1;
}

PathMark path_enter(Lowering *l, const char *name, bool root) {
  int k = path_count(l, name);
  PathMark m = {l->param_path, l->draw_path,  l->counts.at,
                l->counts.n,   l->counts.cap, l->stack_stop};
  const char *step = k == 1 ? name : arena_printf(l->arena, "%s_%d", name, k);
  l->draw_path = arena_printf(l->arena, "%s.%s", l->draw_path, step);
  if (root) {
    l->param_path = name;
    l->stack_stop = l->loops;
  } else {
    l->param_path = *l->param_path ? arena_printf(l->arena, "%s.%s", l->param_path, step) : step;
  }
  l->counts.at = NULL;
  l->counts.n = l->counts.cap = 0;
  return m;
}

void path_leave(Lowering *l, PathMark m) {
  l->param_path = m.param;
  l->draw_path = m.draw;
  l->counts.at = m.counts;
  l->counts.n = m.ncounts;
  l->counts.cap = m.capcounts;
  l->stack_stop = m.stop;
}
