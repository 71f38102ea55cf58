/* SPDX-License-Identifier: MIT */
/* A program in a device's memory: its states, one arena for the temporaries of
 * whichever entry runs, the inputs of each entry. What lies there goes in and out by
 * reading and writing only, in the types that it is kept in.
 *
 * Runs may still be under way when they return: reading waits for them. A device that
 * failed tells it when something is read, and in session_sync. */
#ifndef TDC_SESSION_H
#define TDC_SESSION_H

#include "runtime/device.h"

typedef struct Session Session;

/* The program is borrowed. The device, made for it, belongs to the session from now
 * on, also when this fails; NULL when it is NULL, with the error of who made it.
 * States are zero. */
Session *session_new(const TdProgram *p, Device *device, TdError *err);
void session_free(Session *s);
const TdProgram *session_program(const Session *s);
const char *session_device(const Session *s); /* its name: "cpu" */

/* An entry's number, or -1. */
int session_entry(const Session *s, const char *name);

/* Have the device prepare the entries of these names (compile their kernels), the last
 * one NULL; a name that ends in '.' means all that begin with it, "." all there are,
 * one that no entry has means nothing. To be called before they run; costs nothing a
 * second time. */
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
/* seed and step reach every draw. The entry must be prepared: session_need. What an entry keeps
 * from run to run is made again where a state that it follows from was written since. */
void session_run(Session *s, int entry, uint64_t seed, int64_t step);
/* The same, watched launch by launch (see device.h). */
void session_run_watched(Session *s, int entry, uint64_t seed, int64_t step,
                         const DeviceWatch *watch);
/* What the entry keeps of states is made anew in its next run, whoever wrote them. */
void session_forget(Session *s, int entry);
/* Wait for what runs. False with a message when the device failed. */
bool session_sync(Session *s, TdError *err);

/* ---- outputs: of the last run, there until any entry runs again ------------------- */
const TdBuffer *session_output(const Session *s, int entry, const char *name); /* or NULL */
/* `count` elements from the first-th on, in the buffer's type. There must be an output
 * of that name with so many. */
bool session_read_output(const Session *s, int entry, const char *name, int64_t first,
                         int64_t count, void *to, TdError *err);
/* The first element as a double; NaN when there is no such output. */
double session_scalar(const Session *s, int entry, const char *name);

/* ---- several runs together ---------------------------------------------------------------- */
/* Does the device work beside the host? Then who waits for each run slows it down. */
bool session_behind(const Session *s);
/* Runs of an entry with consecutive steps that nobody waits for one by one: inputs of their own
 * go to the device, and outputs, as far as they are one number, come back for many at a time.
 * `together` of them are started at once, which a device may do at less cost.
 * There is room for `most` runs that were not read. The inputs of these names, as far as the entry
 * has them, are each run's own; all others are set as ever. The entry's series belongs to the
 * session, is made when it is first asked for and the same from then on; it comes empty. NULL with
 * a message when memory is out. */
typedef struct Series Series;
Series *session_series(Session *s, int entry, int most, int together, const char *const *inputs,
                       int ninputs, TdError *err);
/* As session_set_number and the others, for the next run; what is not set is as in the one
 * before. */
bool series_set_number(Series *r, const char *name, double x, TdError *err);
bool series_set_ints(Series *r, const char *name, const int32_t *x, int64_t n, TdError *err);
bool series_set_reals(Series *r, const char *name, const float *x, int64_t n, TdError *err);
/* As session_run. There must be room, and the entry must be prepared. It starts with the last of
 * `together`, in series_start or in series_read. */
void series_run(Series *r, uint64_t seed, int64_t step);
void series_start(Series *r);
int series_length(const Series *r); /* runs not read */
bool series_full(const Series *r);
/* The outputs of all that were not read, run by run, as session_scalar has them; NaN for what is
 * not one number. There is room for `most` times the entry's outputs. */
bool series_read(Series *r, double *values, TdError *err);

/* ---- states --------------------------------------------------------------- */
int session_state(const Session *s, const char *name); /* or -1 */
/* `count` elements from the first-th on, in the state's type. It must have so many. */
bool session_read_state(const Session *s, int state, int64_t first, int64_t count, void *to,
                        TdError *err);
void session_write_state(Session *s, int state, int64_t first, int64_t count, const void *from);
void session_clear(Session *s); /* all states to zero, as they were at first */

/* Keep and put back all states: a second copy in the device's memory. To be freed
 * before the session. */
typedef struct Snapshot Snapshot;
Snapshot *snapshot_new(Session *s); /* NULL when memory is out */
void snapshot_take(Snapshot *n);
void snapshot_restore(const Snapshot *n);
void snapshot_free(Snapshot *n);

/* ---- looking for the first NaN ------------------------------------------------ */
typedef struct NanSource {
  bool found, infinite;            /* infinite: not NaN, but infinity */
  const char *tensor;              /* the buffer's or the parameter's name */
  const char *kernel;              /* NULL: it stood in a state before the run */
  const char *where, *text;        /* "models/shakespeare.td:23" and that line; see TdStep */
  const char *inside;              /* the library's line, or NULL */
  int64_t index;                   /* of the first such element */
  const char *first, *first_where; /* NaN: the infinity that it comes of, or NULL */
  int64_t first_index;
} NanSource;

/* The first state that is not finite. Those that were, and that nobody wrote since, are not looked
 * at again. */
NanSource session_check_states(Session *s);
/* Run an entry kernel by kernel, looking at everything each one wrote. */
NanSource session_trace(Session *s, int entry, uint64_t seed, int64_t step);

#endif
