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

TdOnce session_then_holds(const Session *s, int entry, bool again) {
  return again || s->program->entries[entry].follows ? TD_LASTING : TD_ONCE;
}

TdOnce session_holds(Session *s, int entry, bool again) {
  bool follows = s->program->entries[entry].follows && s->last == entry;
  TdOnce holds = again || follows ? TD_LASTING : s->made[entry] ? TD_ONCE : TD_ANEW;
  s->made[entry] = true;
  s->last = entry;
  return holds;
}
