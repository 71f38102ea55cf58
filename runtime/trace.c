/* Where a NaN was born: an entry is run again, kernel by kernel, from states
 * that were kept. The run is deterministic, so what failed fails again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/safetensors.h"
#include "runtime/session_internal.h"

/* ---- snapshots --------------------------------------------------------------- */

struct Snapshot { int n; size_t *bytes; char **states; };

Snapshot *snapshot_new(const Session *s) {
  const TdProgram *p = s->program;
  Snapshot *n = calloc(1, sizeof *n);
  if (n == NULL) return NULL;
  n->n = p->nstates;
  n->bytes = calloc((size_t)p->nstates + 1, sizeof *n->bytes);
  n->states = calloc((size_t)p->nstates + 1, sizeof *n->states);
  bool ok = n->bytes != NULL && n->states != NULL;
  for (int i = 0; ok && i < p->nstates; i++) {
    n->bytes[i] = (size_t)p->states[i].count * td_type_size(p->states[i].type);
    ok = (n->states[i] = malloc(n->bytes[i] + 1)) != NULL;
  }
  if (ok) return n;
  snapshot_free(n);
  return NULL;
}

void snapshot_take(Snapshot *n, const Session *s) {
  for (int i = 0; i < n->n; i++) memcpy(n->states[i], s->states[i], n->bytes[i]);
}

void snapshot_restore(const Snapshot *n, Session *s) {
  for (int i = 0; i < n->n; i++) memcpy(s->states[i], n->states[i], n->bytes[i]);
}

void snapshot_free(Snapshot *n) {
  if (n == NULL) return;
  for (int i = 0; n->states != NULL && i < n->n; i++) free(n->states[i]);
  free(n->states);
  free(n->bytes);
  free(n);
}

/* ---- looking at numbers --------------------------------------------------------- */

typedef struct Finding { int64_t nan, infinite; } Finding;      /* first index of each, or -1 */

static Finding look(const void *data, TdType type, int64_t count) {
  Finding f = { -1, -1 };
  for (int64_t i = 0; i < count; i++) {
    double x = 0;
    switch (type) {
      case TD_F32: x = (double)((const float *)data)[i]; break;
      case TD_F64: x = ((const double *)data)[i]; break;
      case TD_BF16: x = (double)f32_from_bf16(((const uint16_t *)data)[i]); break;
      case TD_F16: x = (double)f32_from_f16(((const uint16_t *)data)[i]); break;
      case TD_I32:
      case TD_U8: return f;
    }
    if (isfinite(x)) continue;
    if (isnan(x)) {
      f.nan = i;
      return f;
    }
    if (f.infinite < 0) f.infinite = i;
  }
  return f;
}

/* The parameter that holds element `index` of a state. */
static const char *piece_name(const TdProgram *p, int state, int64_t *index) {
  for (int i = 0; i < p->ntensors; i++) {
    const TdTensor *t = &p->tensors[i];
    int64_t n = 1;
    for (int k = 0; k < t->rank; k++) n *= t->shape[k];
    if (t->state != state || *index < t->offset || *index >= t->offset + n) continue;
    *index -= t->offset;
    return t->name;
  }
  return p->states[state].name;
}

NanSource session_check_states(const Session *s) {
  NanSource out = { 0 };
  for (int i = 0; i < s->program->nstates; i++) {
    const TdState *st = &s->program->states[i];
    Finding f = look(s->states[i], st->type, st->count);
    int64_t at = f.nan >= 0 ? f.nan : f.infinite;
    if (at < 0) continue;
    out = (NanSource){ .found = true, .infinite = f.nan < 0, .index = at };
    out.tensor = piece_name(s->program, i, &out.index);
    return out;
  }
  return out;
}

/* ---- tracing ------------------------------------------------------------------------ */

typedef struct Trace {
  NanSource  nan, infinite;     /* the first of each */
  uint64_t  *before;            /* hashes of the launch's buffers */
  int        room;
} Trace;

/* Enough to see whether a kernel wrote a buffer. */
static uint64_t contents(const char *p, size_t n) {
  uint64_t h = 0x9e3779b97f4a7c15u, w;
  for (; n >= sizeof w; p += sizeof w, n -= sizeof w) {
    memcpy(&w, p, sizeof w);
    h = (h ^ w) * 0xff51afd7ed558ccdu;
    h ^= h >> 29;
  }
  for (; n > 0; p++, n--) h = (h ^ (uint8_t)*p) * 0xff51afd7ed558ccdu;
  return h;
}

static void trace_step(void *ctx, Session *s, const Bound *b, int step, bool before) {
  Trace *t = ctx;
  const TdStep *launch = &b->entry->steps[step];
  if (t->nan.found || launch->nargs > t->room) return;
  for (int k = 0; k < launch->nargs; k++) {
    const TdBuffer *x = &b->entry->buffers[launch->args[k]];
    const char *data = b->at[launch->args[k]];
    uint64_t h = contents(data, (size_t)x->count * td_type_size(x->type));
    if (before || h == t->before[k]) {
      t->before[k] = h;
      continue;
    }
    Finding f = look(data, x->type, x->count);
    const TdKernel *kernel = &s->program->kernels[launch->kernel];
    NanSource found = { .found = true, .tensor = x->name, .kernel = kernel->name, .where = kernel->where,
                        .text = kernel->text };
    if (f.nan >= 0) {
      t->nan = found;
      t->nan.index = f.nan;
    } else if (f.infinite >= 0 && !t->infinite.found) {
      t->infinite = found;
      t->infinite.infinite = true;
      t->infinite.index = f.infinite;
    }
  }
}

NanSource session_trace(Session *s, int entry, uint64_t seed, int64_t step) {
  const TdEntry *e = &s->program->entries[entry];
  Trace t = { 0 };
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].kind == TD_LAUNCH && e->steps[i].nargs > t.room) t.room = e->steps[i].nargs;
  t.before = calloc((size_t)t.room + 1, sizeof *t.before);
  if (t.before == NULL) return t.nan;
  session_run_hooked(s, entry, seed, step, trace_step, &t);
  free(t.before);
  return t.nan.found ? t.nan : t.infinite;
}
