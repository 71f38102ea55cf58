/* SPDX-License-Identifier: MIT */
/* What is to be said of the points of a sweep. See sweep.h. */
#include <string.h>

#include "runtime/cli/sweep.h"

MeasureId sweep_bits(const Sweep *s) { return s->judged ? M_NEURAL : M_JUDGE; }

bool sweep_frontier(const Sweep *s, int point) {
  const double *a = s->points[point].measures.value;
  MeasureId bits = sweep_bits(s);
  for (int i = 0; i < s->n; i++) {
    const double *b = s->points[i].measures.value;
    if (b[bits] <= a[bits] && b[M_DISTINCT4] >= a[M_DISTINCT4] &&
        (b[bits] < a[bits] || b[M_DISTINCT4] > a[M_DISTINCT4]))
      return false;
  }
  return true;
}

bool sweep_alike(const Sweep *s, int a, int b, int but) {
  const SweepPoint *p = &s->points[a], *q = &s->points[b];
  bool same = p->model == q->model && p->sampler == q->sampler;
  for (int k = 0; same && k < s->naxes; k++) same = k == but || p->at[k] == q->at[k];
  return same;
}

int sweep_turns(const Sweep *s, int point) {
  const char *name = s->points[point].sampler->steps_param;
  for (int k = 0; name != NULL && k < s->naxes; k++)
    if (strcmp(s->axes[k].name, name) == 0) return k;
  return -1;
}

bool sweep_several(const Sweep *s) {
  bool several = false;
  for (int i = 0; i < s->n; i++) several = several || s->points[i].sampler != s->points[0].sampler;
  return several;
}

void sweep_label(const Sweep *s, int point, int but, StrBuf *out) {
  const SweepPoint *p = &s->points[point];
  size_t begin = out->n;
  if (s->nmodels > 1) sb_puts(out, io_basename(s->models[p->model].path));
  if (sweep_several(s)) sb_printf(out, "%s%s", out->n > begin ? " " : "", p->sampler->name);
  for (int k = 0; k < s->naxes; k++)
    if (k != but && p->at[k] >= 0 && (but < 0 || s->axes[k].n > 1))
      sb_printf(out, "%s%s=%s", out->n > begin ? " " : "", s->axes[k].name,
                s->axes[k].values[p->at[k]]);
  if (out->n == begin) sb_puts(out, p->sampler->name);
}
