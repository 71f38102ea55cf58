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
  bool *made;       /* by entry: what its steps marked TD_ONCE make is there, if it has such */
  int last;         /* the entry that ran last, if nothing wrote a state since; -1: none */
};

/* -- values.c -------------------------------------------------------------------------------- */
/* Bytes of a state, of a buffer, of the arena. */
size_t state_bytes(const TdProgram *p, int state);
size_t buffer_bytes(const TdBuffer *b);
size_t arena_bytes(const TdProgram *p);
/* What lies there, of that type. */
double element_value(TdType type, const void *x);
/* The entry runs now. What of that which it kept from run to run still holds? `again`: parameters
 * are what they were. Where it changes what it keeps with the states that it follows from, they are
 * so too if nobody else wrote one. */
TdOnce session_holds(Session *s, int entry, bool again);
TdOnce session_then_holds(const Session *s, int entry, bool again); /* in the run after it */

/* -- series.c -------------------------------------------------------------------------------- */
/* Where the next run's value of an input of the entry's is on the host. It must be one of those
 * that each run has its own of. */
char *series_input(Series *r, int buffer);
Session *series_session(const Series *r, int *entry);
void series_free(Series *r);

#endif
