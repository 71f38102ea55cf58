/* SPDX-License-Identifier: MIT */
/* Does a complete plan hold together? What a device would have to trust is checked
 * here: every group is launched once and after what it waits for, launches are given
 * all that their nodes live in, nothing lies outside its buffer or where something else
 * lives, offsets and rows are where the target wants them. */
#include "compiler/plan/plan.h"

typedef struct Check {
  Plan *p;
  int *launched;     /* by group id: the how manieth it is that runs, or -1 */
  int runs;          /* so far */
  const char *wrong; /* the first thing found */
} Check;

#define FAIL(c, ...)                                                        \
  do {                                                                      \
    if (!(c)->wrong) (c)->wrong = arena_printf((c)->p->arena, __VA_ARGS__); \
    return;                                                                 \
  } while (0)

static const char *name_of(const Group *g) {
  return g->members.n > 0 ? g->members.at[0].node->name : "a loop";
}

/* ---- steps ------------------------------------------------------------------------ */

static void note_run(Check *c, const Group *g) {
  if (c->launched[g->id] >= 0) FAIL(c, "%s is launched twice", name_of(g));
  c->launched[g->id] = c->runs++;
  for (int i = 0; g->kernel && i < g->kernel->body.n; i++) {
    const Group *part = g->kernel->body.at[i];
    if (part->region != g->loop->body) FAIL(c, "%s is not of the loop's body", name_of(part));
    note_run(c, part);
  }
}

static void check_steps(Check *c) {
  Plan *p = c->p;
  const Loop *open[TD_MAX_LOOPS];
  int depth = 0;
  for (int s = 0; s < p->steps.n; s++) {
    const PlanStep *step = &p->steps.at[s];
    if (step->kind == TD_LOOP) {
      if (depth == TD_MAX_LOOPS) FAIL(c, "step %d: loops nested deeper than %d", s, TD_MAX_LOOPS);
      open[depth++] = step->loop;
    } else if (step->kind == TD_END) {
      if (depth == 0 || open[--depth] != step->loop) FAIL(c, "step %d ends no open loop", s);
    } else {
      const Group *g = step->group;
      const Loop *around = depth > 0 ? open[depth - 1] : NULL;
      if (g->kind != GROUP_PACK && g->region->loop != around)
        FAIL(c, "%s is launched outside of its region", name_of(g));
      if (g->kind == GROUP_PACK) continue;
      note_run(c, g);
    }
  }
  if (depth != 0) FAIL(c, "a loop does not end");
  for (int i = 0; i < p->groups.n; i++) {
    const Group *g = p->groups.at[i];
    if (g->kind != GROUP_LOOP && !g->dropped && c->launched[g->id] < 0)
      FAIL(c, "%s is never launched", name_of(g));
  }
}

typedef struct Waiting {
  Check *c;
  const Group *g;
} Waiting;

static void check_before(Group *before, void *ctx) {
  const Waiting *w = ctx;
  const int *at = w->c->launched;
  if (before->kind == GROUP_LOOP || w->g->kind == GROUP_LOOP || before->dropped) return;
  if (at[before->id] >= at[w->g->id])
    FAIL(w->c, "%s runs before %s, for which it waits", name_of(w->g), name_of(before));
}

/* ---- launches ------------------------------------------------------------------------ */

static bool given(const Launch *l, int buffer, bool writes) {
  for (int i = 0; i < l->args.n; i++)
    if (l->args.at[i] == buffer) return l->writes.at[i] || !writes;
  return false;
}

static void check_args(Check *c, const Group *g) {
  const Launch *l = &g->launch;
  for (int i = 0; i < l->args.n; i++) {
    if (l->args.at[i] < 0 || l->args.at[i] >= c->p->buffers.n)
      FAIL(c, "%s is given a buffer that is not there", name_of(g));
    TdBufferKind kind = c->p->buffers.at[l->args.at[i]].td.kind;
    if (l->writes.at[i] && (kind == TD_INPUT || kind == TD_CONST))
      FAIL(c, "%s writes an input or a table", name_of(g));
    for (int k = 0; k < i; k++)
      if (l->args.at[k] == l->args.at[i]) FAIL(c, "%s is given one buffer twice", name_of(g));
  }
}

/* Where the last element lies while all counters are at their ends, and the first. */
static void check_extent(Check *c, const Group *g, const Node *n) {
  Plan *p = c->p;
  const NodeInfo *info = plan_info(p, n);
  const TdBuffer *b = &p->buffers.at[info->place.buffer].td;
  int64_t stride[IR_MAX_RANK], last = info->place.offset, first = info->place.offset;
  plan_strides(p, n, stride);
  for (int d = 0; d < n->rank; d++) {
    if (n->shape[d] == 0) return;
    last += (n->shape[d] - 1) * stride[d];
  }
  for (const Region *r = g->region; r->loop; r = r->parent) {
    int64_t step = info->place.stride[plan_depth(r->parent)];
    if (r->loop->count == 0) return;
    *(step > 0 ? &last : &first) += step * (r->loop->count - 1);
  }
  if (first < 0 || last >= b->count)
    FAIL(c, "%s lies at %lld .. %lld of %lld elements of '%s'", n->name, (long long)first,
         (long long)last, (long long)b->count, b->name);
}

typedef struct Reader {
  Check *c;
  const Group *g;
} Reader;

static void check_read(Node *n, void *ctx) {
  const Reader *r = ctx;
  const NodeInfo *info = plan_info(r->c->p, n);
  if (n == r->c->p->g->step || (!info->placed && info->group == r->g)) return;
  if (!info->placed) FAIL(r->c, "%s reads %s, which has no place", name_of(r->g), n->name);
  if (info->group != r->g && !r->g->packed && !given(&r->g->launch, info->place.buffer, false))
    FAIL(r->c, "%s reads %s, which it is not given", name_of(r->g), n->name);
  check_extent(r->c, r->g, n);
}

static void check_group(Check *c, Group *g) {
  Waiting w = {c, g};
  Reader r = {c, g};
  check_args(c, g);
  group_waits(c->p, g, check_before, &w);
  for (int i = 0; i < g->members.n; i++) {
    const Member *m = &g->members.at[i];
    ir_each_read(c->p->g, m->node, check_read, &r);
    if (!m->stored) continue;
    const NodeInfo *info = plan_info(c->p, m->node);
    if (!info->placed || !given(&g->launch, info->place.buffer, true))
      FAIL(c, "%s is stored where its launch may not write", m->node->name);
    check_extent(c, g, m->node);
  }
}

/* ---- memory ---------------------------------------------------------------------------- */

static bool meet(const PlanBuffer *a, const PlanBuffer *b) {
  return a->first <= b->last && b->first <= a->last && a->td.offset < b->td.offset + b->td.bytes &&
         b->td.offset < a->td.offset + a->td.bytes;
}

static void check_buffer(Check *c, int i) {
  const TargetMemory *t = &c->p->target->memory;
  const PlanBuffer *b = &c->p->buffers.at[i];
  const TdBuffer *td = &b->td;
  size_t size = td_type_size(td->type);
  if (t->index_bits < 64 && td->count > (int64_t)1 << (t->index_bits - 1))
    FAIL(c, "'%s' has more elements than %d bits count", td->name, t->index_bits);
  if (td->bytes != (size_t)td->count * size) FAIL(c, "'%s' has a wrong size", td->name);
  int64_t width = td->rank > 0 ? td->shape[td->rank - 1] : 1;
  if (td->pitch < width) FAIL(c, "rows of '%s' overlap", td->name);
  if (td->pitch > width && ((size_t)td->pitch * size) % t->pitch != 0)
    FAIL(c, "rows of '%s' are padded to %lld elements", td->name, (long long)td->pitch);
  if (td->kind != TD_TEMP || b->first < 0) return;
  if (td->offset % t->alignment != 0) FAIL(c, "'%s' is not aligned", td->name);
  if (td->offset + td->bytes > c->p->arena_bytes) FAIL(c, "'%s' ends outside the arena", td->name);
  for (int k = 0; k < i; k++) {
    const PlanBuffer *o = &c->p->buffers.at[k];
    if (o->td.kind == TD_TEMP && o->first >= 0 && meet(o, b))
      FAIL(c, "'%s' and '%s' share memory while both are needed", o->td.name, td->name);
  }
}

/* What a launch touches is alive then, and a temporary is written before it is read. */
static void check_lifetimes(Check *c) {
  Plan *p = c->p;
  bool *written = NEWN(p->arena, bool, p->buffers.n + 1);
  for (int s = 0; s < p->steps.n; s++) {
    const Group *g = p->steps.at[s].group;
    for (int i = 0; g && i < g->launch.args.n; i++) {
      const PlanBuffer *b = &p->buffers.at[g->launch.args.at[i]];
      if (b->first > s || b->last < s)
        FAIL(c, "%s touches '%s' after its life", name_of(g), b->td.name);
      bool *w = &written[g->launch.args.at[i]];
      if (b->td.kind == TD_TEMP && !*w && !g->launch.writes.at[i])
        FAIL(c, "%s reads '%s' before anything wrote it", name_of(g), b->td.name);
      *w = *w || g->launch.writes.at[i];
    }
  }
}

const char *plan_verify(Plan *p) {
  Check c = {.p = p, .launched = NEWN(p->arena, int, p->groups.n + 1)};
  for (int i = 0; i < p->groups.n; i++) c.launched[i] = -1;
  check_steps(&c);
  for (int i = 0; i < p->groups.n && !c.wrong; i++)
    if (!p->groups.at[i]->dropped) check_group(&c, p->groups.at[i]);
  for (int i = 0; i < p->packs.n && !c.wrong; i++) check_args(&c, p->packs.at[i]);
  for (int i = 0; i < p->buffers.n && !c.wrong; i++) check_buffer(&c, i);
  if (!c.wrong) check_lifetimes(&c);
  return c.wrong;
}
