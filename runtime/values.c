/* SPDX-License-Identifier: MIT */
/* How much room values take, and what lies there. */
#include <math.h>
#include <string.h>

#include "runtime/session_internal.h"
#include "runtime/store/safetensors.h"

size_t state_bytes(const TdProgram *p, int state) {
  return (size_t)p->states[state].count * td_type_size(p->states[state].type);
}

size_t buffer_bytes(const TdBuffer *b) { return (size_t)b->count * td_type_size(b->type); }

size_t arena_bytes(const TdProgram *p) {
  size_t most = 0;
  for (int e = 0; e < p->nentries; e++)
    if (p->entries[e].arena_bytes > most) most = p->entries[e].arena_bytes;
  return most;
}

double element_value(TdType type, const void *from) {
  union {
    double f64;
    float f32;
    uint16_t half;
    int32_t i32;
    uint8_t u8;
  } x;
  memcpy(&x, from, td_type_size(type));
  switch (type) {
  case TD_F32: return (double)x.f32;
  case TD_F64: return x.f64;
  case TD_BF16: return (double)f32_from_bf16(x.half);
  case TD_F16: return (double)f32_from_f16(x.half);
  case TD_I32: return x.i32;
  case TD_U8: return x.u8;
  }
  return (double)NAN;
}

/* ---- who wrote what, and when ------------------------------------------------------- */

void session_wrote(Session *s, int state) { s->wrote[state] = ++s->writes; }

void session_wrote_all(Session *s) {
  for (int i = 0; i < s->program->nstates; i++) session_wrote(s, i);
}

static bool changes(const TdEntry *e, int state) {
  for (int i = 0; i < e->nchanges; i++)
    if (e->changes[i] == state) return true;
  return false;
}

/* Does it keep anything that follows from states? */
static bool keeps(const TdEntry *e) {
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].once == TD_LASTING) return true;
  return false;
}

/* Is what the entry keeps of states still what follows from them? Of those that it changes it
 * keeps nothing, or follows them. */
static bool kept_holds(const Session *s, int entry) {
  const TdEntry *e = &s->program->entries[entry];
  if (!keeps(e)) return s->made[entry];
  for (int i = 0; i < e->nbuffers && s->kept[entry] > 0; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind == TD_STATE && s->wrote[b->state] > s->kept[entry] &&
        (e->follows || !changes(e, b->state)))
      return false;
  }
  return s->kept[entry] > 0;
}

void session_forget(Session *s, int entry) { s->kept[entry] = 0; }

TdOnce session_holds(Session *s, int entry) {
  const TdEntry *e = &s->program->entries[entry];
  TdOnce holds = kept_holds(s, entry) ? TD_LASTING : s->made[entry] ? TD_ONCE : TD_ANEW;
  s->made[entry] = true;
  s->writes++;
  for (int i = 0; i < e->nchanges; i++) s->wrote[e->changes[i]] = s->writes;
  s->kept[entry] = s->writes;
  return holds;
}
