/* SPDX-License-Identifier: MIT */
/* Values for an entry's inputs: checked, converted, and given to the device, or to the next run of
 * a series. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "runtime/session_internal.h"
#include "runtime/store/checkpoint.h"

enum { PIECE = 1024 }; /* numbers converted at a time */

/* Whose inputs are set. */
typedef struct Taker {
  Session *session;
  int entry;
  Series *series; /* or NULL */
} Taker;

/* Where an input's next value goes. */
typedef struct Target {
  const Taker *taker;
  const TdBuffer *buffer;
  DevicePlace at;
  char *host; /* instead; or NULL */
} Target;

static void put(Target *t, const void *from, size_t bytes) {
  Device *d = t->taker->session->device;
  if (t->host != NULL) {
    memcpy(t->host, from, bytes);
    t->host += bytes;
  } else {
    d->does->upload(d, t->at, from, bytes);
    t->at.offset += bytes;
  }
}

static int find_input(const Session *s, int entry, const char *name) {
  const TdEntry *e = &s->program->entries[entry];
  for (int i = 0; i < e->nbuffers; i++)
    if (e->buffers[i].kind == TD_INPUT && strcmp(e->buffers[i].name, name) == 0) return i;
  return -1;
}

const TdBuffer *session_input(const Session *s, int entry, const char *name) {
  int i = find_input(s, entry, name);
  return i < 0 ? NULL : &s->program->entries[entry].buffers[i];
}

/* The input, when it takes n values. */
static bool input_taking(const Taker *to, const char *name, int64_t n, Target *out, TdError *err) {
  const TdEntry *e = &to->session->program->entries[to->entry];
  int i = find_input(to->session, to->entry, name);
  if (i < 0) return td_fail(err, TD_BAD_USAGE, "%s has no input '%s'", e->name, name);
  const TdBuffer *b = &e->buffers[i];
  if (b->count != n)
    return td_fail(err, TD_BAD_USAGE, "%s: '%s' takes %" PRId64 " values, not %" PRId64, e->name,
                   name, b->count, n);
  *out = (Target){.taker = to, .buffer = b};
  if (to->series != NULL)
    out->host = series_input(to->series, i);
  else
    out->at = to->session->at[to->entry][i];
  return true;
}

static bool set_ints(const Taker *to, const char *name, const int32_t *x, int64_t n, TdError *err) {
  Target t;
  if (!input_taking(to, name, n, &t, err)) return false;
  const TdBuffer *b = t.buffer;
  if (b->type != TD_I32) return td_fail(err, TD_BAD_USAGE, "'%s' does not take integers", name);
  for (int64_t i = 0; i < n; i++)
    if (x[i] < b->lo || x[i] > b->hi)
      return td_fail(err, TD_BAD_USAGE,
                     "'%s'[%" PRId64 "] is %" PRId32 ", outside %" PRId64 " .. %" PRId64, name, i,
                     x[i], b->lo, b->hi);
  put(&t, x, (size_t)n * sizeof *x);
  return true;
}

static bool set_reals(const Taker *to, const char *name, const float *x, int64_t n, TdError *err) {
  Target t;
  if (!input_taking(to, name, n, &t, err)) return false;
  double piece[PIECE]; /* room for any type */
  StType type = checkpoint_type(t.buffer->type);
  if (!st_convert(type, piece, ST_F32, x, 0))
    return td_fail(err, TD_BAD_USAGE, "'%s' does not take real numbers", name);
  for (int64_t i = 0; i < n; i += PIECE) {
    size_t some = n - i < PIECE ? (size_t)(n - i) : PIECE;
    st_convert(type, piece, ST_F32, x + i, some);
    put(&t, piece, some * td_type_size(t.buffer->type));
  }
  return true;
}

static bool set_bools(const Taker *to, const char *name, const uint8_t *x, int64_t n,
                      TdError *err) {
  Target t;
  if (!input_taking(to, name, n, &t, err)) return false;
  if (t.buffer->type != TD_U8)
    return td_fail(err, TD_BAD_USAGE, "'%s' does not take truth values", name);
  uint8_t piece[PIECE];
  for (int64_t i = 0; i < n; i += PIECE) {
    size_t some = n - i < PIECE ? (size_t)(n - i) : PIECE;
    for (size_t k = 0; k < some; k++) piece[k] = x[(size_t)i + k] != 0;
    put(&t, piece, some);
  }
  return true;
}

static bool set_number(const Taker *to, const char *name, double x, TdError *err) {
  const TdBuffer *b = session_input(to->session, to->entry, name);
  if (b == NULL || b->type != TD_I32) return set_reals(to, name, &(float){(float)x}, 1, err);
  if (!(x >= (double)b->lo && x <= (double)b->hi) || x != floor(x))
    return td_fail(err, TD_BAD_USAGE, "'%s' is %g, not a whole number in %" PRId64 " .. %" PRId64,
                   name, x, b->lo, b->hi);
  return set_ints(to, name, &(int32_t){(int32_t)x}, 1, err);
}

/* ---- of an entry --------------------------------------------------------------------- */

bool session_set_ints(Session *s, int entry, const char *name, const int32_t *x, int64_t n,
                      TdError *err) {
  return set_ints(&(Taker){s, entry, NULL}, name, x, n, err);
}

bool session_set_reals(Session *s, int entry, const char *name, const float *x, int64_t n,
                       TdError *err) {
  return set_reals(&(Taker){s, entry, NULL}, name, x, n, err);
}

bool session_set_bools(Session *s, int entry, const char *name, const uint8_t *x, int64_t n,
                       TdError *err) {
  return set_bools(&(Taker){s, entry, NULL}, name, x, n, err);
}

bool session_set_number(Session *s, int entry, const char *name, double x, TdError *err) {
  return set_number(&(Taker){s, entry, NULL}, name, x, err);
}

/* ---- of a series ----------------------------------------------------------------------- */

static Taker next_run(Series *r) {
  Taker t = {.series = r};
  t.session = series_session(r, &t.entry);
  return t;
}

bool series_set_ints(Series *r, const char *name, const int32_t *x, int64_t n, TdError *err) {
  Taker t = next_run(r);
  return set_ints(&t, name, x, n, err);
}

bool series_set_reals(Series *r, const char *name, const float *x, int64_t n, TdError *err) {
  Taker t = next_run(r);
  return set_reals(&t, name, x, n, err);
}

bool series_set_number(Series *r, const char *name, double x, TdError *err) {
  Taker t = next_run(r);
  return set_number(&t, name, x, err);
}
