/* SPDX-License-Identifier: MIT */
/* Where a NaN was born: an entry is run again, kernel by kernel, from states
 * that were kept. The run is deterministic, so what failed fails again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/store/safetensors.h"
#include "runtime/session_internal.h"

/* ---- snapshots --------------------------------------------------------------- */

/* One block: big blocks are rounded up, and states are many. */
struct Snapshot {
  Session *session;
  DeviceMemory *memory;
  size_t bytes;
};

/* Where state i's copy begins; behind the last one, the size of all. */
static size_t offset_of(const TdProgram *p, int state) {
  size_t at = 0;
  for (int i = 0; i < state; i++) at += (state_bytes(p, i) + TD_LINE - 1) / TD_LINE * TD_LINE;
  return at;
}

Snapshot *snapshot_new(Session *s) {
  Snapshot *n = calloc(1, sizeof *n);
  if (n == NULL) return NULL;
  *n = (Snapshot){.session = s, .bytes = offset_of(s->program, s->program->nstates)};
  n->memory = s->device->does->alloc(s->device, n->bytes, NULL);
  if (n->memory != NULL) return n;
  free(n);
  return NULL;
}

static void copy_states(const Snapshot *n, bool back) {
  Session *s = n->session;
  if (back) session_wrote_all(s);
  for (int i = 0; i < s->program->nstates; i++) {
    DevicePlace state = {s->states[i], 0}, kept = {n->memory, offset_of(s->program, i)};
    s->device->does->copy(s->device, back ? state : kept, back ? kept : state,
                          state_bytes(s->program, i));
  }
}

void snapshot_take(Snapshot *n) { copy_states(n, false); }
void snapshot_restore(const Snapshot *n) { copy_states(n, true); }

void snapshot_free(Snapshot *n) {
  if (n == NULL) return;
  Device *d = n->session->device;
  d->does->free(d, n->memory, n->bytes);
  free(n);
}

/* ---- looking at numbers --------------------------------------------------------- */

typedef struct Finding {
  int64_t nan, infinite;
} Finding; /* first index of each, or -1 */

static Finding find_bad(const void *data, TdType type, int64_t count) {
  Finding f = {-1, -1};
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

/* What is looked at comes from the device in pieces of this size. */
enum { PIECE_BYTES = 1 << 14 };
typedef union Piece {
  char bytes[PIECE_BYTES];
  double aligned;
} Piece;

/* A device that fails is asked no further: its next user is told. */
static Finding find_bad_in_state(const Session *s, int state) {
  const TdState *st = &s->program->states[state];
  int64_t most = PIECE_BYTES / (int64_t)td_type_size(st->type);
  Finding all = {-1, -1};
  Piece piece;
  for (int64_t i = 0; i < st->count && all.nan < 0; i += most) {
    int64_t some = st->count - i < most ? st->count - i : most;
    if (!session_read_state(s, state, i, some, &piece, NULL)) break;
    Finding f = find_bad(&piece, st->type, some);
    if (f.nan >= 0) all.nan = i + f.nan;
    if (f.infinite >= 0 && all.infinite < 0) all.infinite = i + f.infinite;
  }
  return all;
}

/* Have the device look at states that were written since they were last finite. */
static void look_at_states(Session *s) {
  int n = s->program->nstates, looked = 0, good = 0;
  DeviceNumbers *all = calloc((size_t)n + 1, sizeof *all);
  int *state = calloc((size_t)n + 1, sizeof *state);
  for (int i = 0; all != NULL && state != NULL && i < n; i++) {
    const TdState *st = &s->program->states[i];
    if (s->finite[i] > 0 && s->finite[i] >= s->wrote[i]) continue;
    all[looked] = (DeviceNumbers){{s->states[i], 0}, st->type, st->count};
    state[looked++] = i;
  }
  if (looked == 0 || !s->device->does->finite(s->device, all, looked, &good, NULL)) good = 0;
  for (int i = 0; i < good; i++) s->finite[state[i]] = s->writes;
  free(all);
  free(state);
}

NanSource session_check_states(Session *s) {
  NanSource out = {0};
  look_at_states(s);
  for (int i = 0; i < s->program->nstates; i++) {
    if (s->finite[i] > 0 && s->finite[i] >= s->wrote[i]) continue;
    Finding f = find_bad_in_state(s, i);
    int64_t at = f.nan >= 0 ? f.nan : f.infinite;
    if (at < 0) continue;
    out = (NanSource){.found = true, .infinite = f.nan < 0, .index = at};
    out.tensor = piece_name(s->program, i, &out.index);
    return out;
  }
  return out;
}

/* ---- tracing ------------------------------------------------------------------------ */

typedef struct Trace {
  Session *session;
  int entry;
  NanSource nan, infinite; /* the first of each */
  NanSource *origin;       /* by buffer: of the infinity in it, or what that came of */
  char *before;            /* the launch's buffers as they were, one after another */
  bool failed;             /* no memory for them, or no answer */
} Trace;

static void note_finding(Trace *t, Finding f, NanSource at) {
  at.found = true;
  at.infinite = f.nan < 0;
  at.index = f.nan >= 0 ? f.nan : f.infinite;
  if (f.nan >= 0)
    t->nan = at;
  else if (f.infinite >= 0 && !t->infinite.found)
    t->infinite = at;
}

/* Where an infinity among what the launch is given was born, or NULL. */
static const NanSource *given_infinity(const Trace *t, const TdStep *launch) {
  for (int k = 0; t->origin != NULL && k < launch->nargs; k++)
    if (t->origin[launch->args[k]].found) return &t->origin[launch->args[k]];
  return NULL;
}

/* What the launch left in argument k. */
static void look_at(Trace *t, const TdStep *launch, int k, const char *data) {
  const TdProgram *p = t->session->program;
  const TdBuffer *b = &p->entries[t->entry].buffers[launch->args[k]];
  const TdKernel *kernel = &p->kernels[launch->kernel];
  const NanSource *of = given_infinity(t, launch);
  NanSource here = {.tensor = b->name,
                    .kernel = kernel->name,
                    .where = launch->where != NULL ? launch->where : kernel->where,
                    .text = launch->where != NULL ? launch->text : kernel->text,
                    .inside = launch->inside};
  Finding f = find_bad(data, b->type, b->count);
  if (of != NULL && f.nan >= 0) {
    here.first = of->tensor;
    here.first_where = of->where;
    here.first_index = of->index;
  }
  note_finding(t, f, here);
  if (f.infinite < 0 || t->origin == NULL || t->origin[launch->args[k]].found) return;
  here.found = true;
  here.index = f.infinite;
  t->origin[launch->args[k]] = of != NULL ? *of : here;
}

/* Room for a buffer in `before`. */
static size_t room_for(const TdBuffer *b) { return (buffer_bytes(b) + 15) / 16 * 16; }

static size_t room_for_any(const TdEntry *e) {
  size_t most = 0;
  for (int i = 0; i < e->nsteps; i++) {
    size_t sum = 0;
    for (int k = 0; e->steps[i].kind == TD_LAUNCH && k < e->steps[i].nargs; k++)
      sum += room_for(&e->buffers[e->steps[i].args[k]]);
    if (sum > most) most = sum;
  }
  return most;
}

/* Elements that the kernel wrote: equal bits were there before, and may be left
 * over from whatever had the memory earlier. The others go to zero in `before`. */
static void keep_changes(char *before, const char *now, size_t bytes, size_t size) {
  for (size_t i = 0; i < bytes; i += size) {
    if (memcmp(before + i, now + i, size) == 0)
      memset(before + i, 0, size);
    else
      memcpy(before + i, now + i, size);
  }
}

static bool compare_with(const Trace *t, char *before, int buffer, const TdBuffer *b) {
  Device *d = t->session->device;
  DevicePlace at = t->session->at[t->entry][buffer];
  Piece now;
  for (size_t i = 0, all = buffer_bytes(b); i < all; i += PIECE_BYTES) {
    size_t some = all - i < PIECE_BYTES ? all - i : PIECE_BYTES;
    if (!d->does->download(d, &now, (DevicePlace){at.memory, at.offset + i}, some, NULL))
      return false;
    keep_changes(before + i, now.bytes, some, td_type_size(b->type));
  }
  return true;
}

static void trace_launch(void *ctx, int step, bool before) {
  Trace *t = ctx;
  Device *d = t->session->device;
  const TdEntry *e = &t->session->program->entries[t->entry];
  const TdStep *launch = &e->steps[step];
  if (t->before == NULL && !t->failed)
    t->failed = (t->before = malloc(room_for_any(e) + 1)) == NULL;
  char *at = t->before;
  for (int k = 0; k < launch->nargs && !t->nan.found && !t->failed; k++) {
    int buffer = launch->args[k];
    const TdBuffer *b = &e->buffers[buffer];
    if (before) {
      t->failed =
          !d->does->download(d, at, t->session->at[t->entry][buffer], buffer_bytes(b), NULL);
    } else if (compare_with(t, at, buffer, b)) {
      look_at(t, launch, k, at);
    } else {
      t->failed = true;
    }
    at += room_for(b);
  }
}

static void trace_value(void *ctx, const char *name, const TdStep *place, const double *x,
                        int64_t count) {
  Trace *t = ctx;
  if (t->nan.found) return;
  note_finding(t, find_bad(x, TD_F64, count),
               (NanSource){.tensor = name,
                           .kernel = name,
                           .where = place->where,
                           .text = place->text,
                           .inside = place->inside});
}

NanSource session_trace(Session *s, int entry, uint64_t seed, int64_t step) {
  Trace t = {.session = s, .entry = entry};
  t.origin = calloc((size_t)s->program->entries[entry].nbuffers + 1, sizeof *t.origin);
  DeviceWatch watch = {.ctx = &t, .launch = trace_launch, .value = trace_value};
  /* no NaN of an earlier run is in the way */
  s->device->does->zero(s->device, s->arena, arena_bytes(s->program));
  s->made[entry] = false; /* what is kept from run to run is to be seen as well */
  session_forget(s, entry);
  session_run_watched(s, entry, seed, step, &watch);
  free(t.before);
  free(t.origin);
  return t.nan.found ? t.nan : t.infinite;
}
