/* SPDX-License-Identifier: MIT */
/* The arena: temporary buffers whose lifetimes do not meet share memory. A
 * buffer lives from the first step that touches it to the last; what a loop's
 * iteration finds there from before, or leaves behind, lives through the loop.
 *
 * needs       steps with the arguments of their launches; types are final (plan_narrow)
 * guarantees  offsets, aligned, such that buffers whose lifetimes meet do not overlap;
 *             outputs live to the end; the size of the arena
 *
 *     a: steps 0-1, b: 1-4 (an output), c: 2-3; all of one size
 * ->  a at 0, b at 1, c at 0                                                         */
#include "compiler/plan/plan.h"

#include <stdlib.h>
#include <string.h>

typedef struct LoopSpan {
  int begin, end;
} LoopSpan; /* steps of TD_LOOP and TD_END */

typedef struct Memory {
  Plan *p;
  VEC(LoopSpan) loops;
} Memory;

static void find_loops(Memory *m) {
  int open[TD_MAX_LOOPS], depth = 0;
  for (int s = 0; s < m->p->steps.n; s++) {
    const PlanStep *step = &m->p->steps.at[s];
    if (step->kind == TD_LOOP) open[depth++] = s;
    if (step->kind == TD_END) {
      LoopSpan l = {open[--depth], s};
      vec_push(m->p->arena, &m->loops, l);
    }
  }
}

static void touch(PlanBuffer *b, int step) {
  if (b->first < 0 || step < b->first) b->first = step;
  if (step > b->last) b->last = step;
}

/* Inside one iteration only, and written before it is read? */
static bool local_to(const Memory *m, int buffer, const LoopSpan *loop) {
  const PlanBuffer *b = &m->p->buffers.at[buffer];
  if (b->first < loop->begin || b->last > loop->end) return false;
  const Group *g = m->p->steps.at[b->first].group;
  for (int i = 0; g && i < g->launch.args.n; i++)
    if (g->launch.args.at[i] == buffer) return g->launch.writes.at[i];
  return false;
}

static void find_lifetimes(Memory *m) {
  Plan *p = m->p;
  for (int s = 0; s < p->steps.n; s++)
    for (int i = 0; p->steps.at[s].group && i < p->steps.at[s].group->launch.args.n; i++)
      touch(&p->buffers.at[p->steps.at[s].group->launch.args.at[i]], s);
  for (int i = 0; i < p->outputs.n; i++) p->buffers.at[p->outputs.at[i].buffer].last = p->steps.n;
  bool changed = true;
  while (changed) {
    changed = false;
    for (int i = 0; i < p->buffers.n; i++)
      for (int k = 0; k < m->loops.n; k++) {
        PlanBuffer *b = &p->buffers.at[i];
        const LoopSpan *l = &m->loops.at[k];
        bool outside = b->first < 0 || b->last < l->begin || b->first > l->end;
        if (outside || (b->first <= l->begin && b->last >= l->end)) continue;
        if (!local_to(m, i, l)) {
          int first = b->first, last = b->last;
          touch(b, l->begin);
          touch(b, l->end);
          changed = changed || first != b->first || last != b->last;
        }
      }
  }
}

static int larger_first(const void *a, const void *b) {
  const PlanBuffer *x = *(PlanBuffer *const *)a, *y = *(PlanBuffer *const *)b;
  if (x->td.bytes != y->td.bytes) return x->td.bytes < y->td.bytes ? 1 : -1;
  return x < y ? -1 : x > y;
}

static bool meet(const PlanBuffer *a, const PlanBuffer *b) {
  return a->first <= b->last && b->first <= a->last;
}

static size_t aligned(size_t bytes, size_t align) { return (bytes + align - 1) / align * align; }

/* The lowest offset where b fits among the buffers that live at the same time; they stand
 * in the order of their offsets. */
static size_t lowest(PlanBuffer *const *placed, int n, const PlanBuffer *b, size_t align) {
  size_t at = 0, own = aligned(b->td.bytes, align);
  for (int i = 0; i < n; i++) {
    const PlanBuffer *o = placed[i];
    size_t end = o->td.offset + aligned(o->td.bytes, align);
    if (at >= end || !meet(o, b)) continue;
    if (o->td.offset >= at + own) break;
    at = end;
  }
  return at;
}

/* Among those that are placed, behind those that begin at or below it. */
static void insert(PlanBuffer **placed, int n, PlanBuffer *b) {
  int low = 0, high = n;
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (placed[middle]->td.offset <= b->td.offset)
      low = middle + 1;
    else
      high = middle;
  }
  memmove(placed + low + 1, placed + low, (size_t)(n - low) * sizeof *placed);
  placed[low] = b;
}

void plan_memory(Plan *p) {
  Memory m = {.p = p};
  find_loops(&m);
  find_lifetimes(&m);
  PlanBuffer **order = NEWN(p->arena, PlanBuffer *, p->buffers.n + 1);
  PlanBuffer **placed = NEWN(p->arena, PlanBuffer *, p->buffers.n + 1);
  const size_t align = p->target->memory.alignment;
  int n = 0;
  for (int i = 0; i < p->buffers.n; i++)
    if (p->buffers.at[i].td.kind == TD_TEMP && p->buffers.at[i].first >= 0)
      order[n++] = &p->buffers.at[i];
  qsort(order, (size_t)n, sizeof *order, larger_first);
  for (int i = 0; i < n; i++) {
    size_t bytes = aligned(order[i]->td.bytes, align);
    order[i]->td.offset =
        p->options->share_memory ? lowest(placed, i, order[i], align) : p->arena_sum;
    insert(placed, i, order[i]);
    p->arena_sum += bytes;
    if (order[i]->td.offset + bytes > p->arena_bytes) p->arena_bytes = order[i]->td.offset + bytes;
  }
}
