/* SPDX-License-Identifier: MIT */
/* What session.c, trail.c and trace.c share. */
#ifndef TDC_SESSION_INTERNAL_H
#define TDC_SESSION_INTERNAL_H

#include "runtime/session.h"

struct Session {
  const TdProgram *program;
  Device *device;
  DeviceMemory **states;
  DeviceMemory *arena;
  DevicePlace **at; /* by entry and buffer */
  bool *ready;      /* by entry: prepared */
};

/* Bytes of a state, of a buffer, of the arena. */
size_t state_bytes(const TdProgram *p, int state);
size_t buffer_bytes(const TdBuffer *b);
size_t arena_bytes(const TdProgram *p);
/* What lies there, of that type. */
double element_value(TdType type, const void *x);

#endif
