/* SPDX-License-Identifier: MIT */
/* What the files of a session share. Grouped by defining file. */
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
  Series **series;  /* by entry: NULL until somebody asks */
  int last;         /* the entry that ran last, if nothing wrote a state since; -1: none */
};

/* -- values.c -------------------------------------------------------------------------------- */
/* Bytes of a state, of a buffer, of the arena. */
size_t state_bytes(const TdProgram *p, int state);
size_t buffer_bytes(const TdBuffer *b);
size_t arena_bytes(const TdProgram *p);
/* What lies there, of that type. */
double element_value(TdType type, const void *x);
/* The entry runs now. Does it find kept what it left, of states that nobody else wrote? */
bool session_follows(Session *s, int entry);

/* -- series.c -------------------------------------------------------------------------------- */
/* Where the next run's value of an input of the entry's is on the host. It must be one of those
 * that each run has its own of. */
char *series_input(Series *r, int buffer);
Session *series_session(const Series *r, int *entry);
void series_free(Series *r);

#endif
