/* SPDX-License-Identifier: MIT */
/* Other programs, by argument vector and never through a shell. Each runs in a
 * process group of its own, so that a compiler driver and what it started can
 * be stopped together; its output is kept, up to a limit. */
#ifndef TDC_SPAWN_H
#define TDC_SPAWN_H

#include <signal.h>

#include "runtime/system/error.h"

typedef struct SpawnJob {
  const char *const *argv;      /* argv[0] is looked up in $PATH unless it has a slash */
  const char *const *extra_env; /* "NAME=value", NULL at the end, or NULL */
  double timeout;               /* seconds; 0 = none */
  size_t limit;                 /* of output kept, bytes; 0 = SPAWN_OUTPUT */
  /* results */
  bool started, timed_out, cancelled;
  int error;     /* errno when it did not start */
  int code;      /* exit status, or 128 + signal */
  StrBuf output; /* stdout and stderr together, cut at the limit */
} SpawnJob;

enum { SPAWN_OUTPUT = 1 << 20 };

/* Run all jobs, at most `parallel` at a time; returns when all have ended.
 * *stop turning non-zero ends what runs and starts no more. True when each
 * exited with 0. Outputs are to be freed with sb_free. */
bool spawn_all(SpawnJob *jobs, int n, int parallel, const volatile sig_atomic_t *stop);

/* Jobs that are not known beforehand: `next` gives one to start, or NULL while there is none, and
 * `ended` is told of each that has ended and may know more. Returns when nothing runs and `next`
 * has none, or, after *stop, when what ran has ended. */
typedef struct SpawnQueue {
  SpawnJob *(*next)(void *ctx);
  void (*ended)(void *ctx, SpawnJob *job);
  void *ctx;
} SpawnQueue;
void spawn_queue(const SpawnQueue *q, int parallel, const volatile sig_atomic_t *stop);

/* The words of a variable such as CC: blanks separate, quotes and backslashes
 * protect, nothing else is special. NULL-terminated; one free() frees it. NULL
 * when a quote is open or memory is out. */
char **spawn_words(const char *text, int *n);

/* Where a program is, by $PATH; malloc'ed. NULL with ENOENT in errno when it is
 * nowhere, with ENOMEM when memory is out. */
char *spawn_which(const char *name);

#endif
