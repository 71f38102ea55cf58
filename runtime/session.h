/* SPDX-License-Identifier: MIT */
/* A program in memory: its states, one arena for the temporaries of whichever
 * entry runs, the inputs of each entry, and the kernels resolved. */
#ifndef TDC_SESSION_H
#define TDC_SESSION_H

#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"

typedef struct Session Session;

/* All three are borrowed and must outlive the session. States are zero. */
Session *session_new(const TdProgram *p, Jit *jit, Pool *pool, TdError *err);
void session_free(Session *s);
const TdProgram *session_program(const Session *s);

/* An entry's number, or -1. */
int session_entry(const Session *s, const char *name);

/* Have the kernels compiled of the entries of these names, the last one NULL; a
 * name that ends in '.' means all that begin with it, one that no entry has
 * means nothing. To be called before they run; costs nothing a second time. */
bool session_need(Session *s, const char *const *names, TdError *err);
bool session_need_one(Session *s, int entry, TdError *err);

/* ---- inputs: false with a message when there is none of that name or the value
 * lies outside what the compiler proved with ---------------------------------- */
const TdBuffer *session_input(const Session *s, int entry, const char *name); /* or NULL */
bool session_set_number(Session *s, int entry, const char *name, double x, TdError *err);
bool session_set_ints(Session *s, int entry, const char *name, const int32_t *x, int64_t n,
                      TdError *err);
bool session_set_reals(Session *s, int entry, const char *name, const float *x, int64_t n,
                       TdError *err);
bool session_set_bools(Session *s, int entry, const char *name, const uint8_t *x, int64_t n,
                       TdError *err);

/* ---- running -------------------------------------------------------------- */
/* seed and step reach every draw. The entry's kernels must be there: session_need. */
void session_run(Session *s, int entry, uint64_t seed, int64_t step);
/* The same of an entry that ran before, after which no parameter changed: what it
 * keeps from run to run is not made again. */
void session_run_again(Session *s, int entry, uint64_t seed, int64_t step);

/* An output of the last run: valid until any entry runs again. */
const TdBuffer *session_output(const Session *s, int entry, const char *name); /* or NULL */
const void *session_output_data(const Session *s, int entry, const char *name);
/* The first element as a double; NaN when there is no such output. */
double session_scalar(const Session *s, int entry, const char *name);

/* ---- states --------------------------------------------------------------- */
int session_state(const Session *s, const char *name); /* or -1 */
void *session_state_data(const Session *s, int state);
void *const *session_states(const Session *s);
void session_clear(Session *s); /* all states to zero, as they were at first */

/* Keep and put back all states (a second copy in memory). */
typedef struct Snapshot Snapshot;
Snapshot *snapshot_new(const Session *s); /* NULL when memory is out */
void snapshot_take(Snapshot *n, const Session *s);
void snapshot_restore(const Snapshot *n, Session *s);
void snapshot_free(Snapshot *n);

/* ---- looking for the first NaN ------------------------------------------------ */
typedef struct NanSource {
  bool found, infinite;     /* infinite: not NaN, but infinity */
  const char *tensor;       /* the buffer's or the parameter's name */
  const char *kernel;       /* NULL: it stood in a state before the run */
  const char *where, *text; /* "models/shakespeare.td:23" and that line */
  int64_t index;            /* of the first such element */
} NanSource;

/* The first state that is not finite. */
NanSource session_check_states(const Session *s);
/* Run an entry kernel by kernel, looking at everything each one wrote. */
NanSource session_trace(Session *s, int entry, uint64_t seed, int64_t step);

#endif
