/* SPDX-License-Identifier: MIT */
/* What session.c and trace.c share. */
#ifndef TDC_SESSION_INTERNAL_H
#define TDC_SESSION_INTERNAL_H

#include "runtime/reference.h"
#include "runtime/session.h"

/* An entry with its memory. */
typedef struct Bound {
  const TdEntry *entry;
  char **at;      /* address of each buffer */
  char **args;    /* of all launches, one after another */
  int *first_arg; /* by step */
  int *match;     /* TD_LOOP: its TD_END; TD_END: its TD_LOOP */
} Bound;

struct Session {
  const TdProgram *program;
  Jit *jit;
  Reference *reference; /* instead of jit; or NULL */
  Pool *pool;
  char **states;
  Bound *bound;
  char *arena;
  char **scratch;    /* by worker */
  uint64_t launches; /* so far: each has its number */
};

/* Called after (launch = its step) every kernel; ctx as given. */
typedef void StepHook(void *ctx, Session *s, const Bound *b, int step, bool before);
void session_run_hooked(Session *s, int entry, uint64_t seed, int64_t step, bool again,
                        StepHook *hook, void *ctx);

#endif
