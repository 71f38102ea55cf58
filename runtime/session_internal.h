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
  uint64_t writes;  /* so far, of states: by runs of entries, and from outside */
  uint64_t *wrote;  /* by state: the last of these that it was part of */
  uint64_t *kept;   /* by entry: up to which of these it followed what it keeps; 0: to none */
  uint64_t *finite; /* by state: up to which of these it was looked at, and finite; 0: to none */
};

/* -- values.c -------------------------------------------------------------------------------- */
/* Bytes of a state, of a buffer, of the arena. */
size_t state_bytes(const TdProgram *p, int state);
size_t buffer_bytes(const TdBuffer *b);
size_t arena_bytes(const TdProgram *p);
/* What lies there, of that type. */
double element_value(TdType type, const void *x);
/* A state gets other numbers, not by an entry. */
void session_wrote(Session *s, int state);
void session_wrote_all(Session *s);
/* The entry runs now. What of that which it kept from run to run still holds? In a run right after
 * it all does. */
TdOnce session_holds(Session *s, int entry);

/* -- series.c -------------------------------------------------------------------------------- */
/* Where the next run's value of an input of the entry's is on the host. It must be one of those
 * that each run has its own of. */
char *series_input(Series *r, int buffer);
Session *series_session(const Series *r, int *entry);
void series_free(Series *r);

#endif
