/* SPDX-License-Identifier: MIT */
/* What is to be looked at on the day that a GPU is there: named checks, each of something that
 * goes wrong without a word. main.c says how they are run. Grouped by defining file. */
#ifndef TDC_TESTS_GPU_CHECK_H
#define TDC_TESTS_GPU_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/session.h"

typedef struct Suite {
  bool emulated;
  int passed, failed, skipped;
  double begin; /* of the check that runs */
} Suite;

/* -- main.c ------------------------------------------------------------------------- */
void check_verdict(Suite *s, const char *name, bool good);
void check_skip(Suite *s, const char *name, const char *why);
/* Why the check that runs is not good; always false. */
bool check_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A session of a program on the GPU, whose entries find poison where they have to write. */
Session *check_session(const TdProgram *p, TdError *err);

/* -- graphs.c: graphs against the evaluator and numbers by hand ------------------------ */
void check_graphs(Suite *s);

/* -- series.c: runs that are started together --------------------------------------- */
void check_series(Suite *s);

/* -- device.c: the device under programs made by hand -------------------------------- */
void check_device(Suite *s);
/* In a process of its own: a kernel that writes where nothing is. Exit 0 where that is told. */
int check_fault(void);

/* -- whole.c: whole models, other processes, tools ------------------------------------ */
void check_whole(Suite *s, const char *program);
/* In a process of its own: some training steps, whose results' digest goes to stdout. */
int check_digest(bool emulated);
/* The flagship at full size. */
void check_slow(Suite *s);
/* compute-sanitizer over this program. */
void check_sanitizer(Suite *s, const char *program);

#endif
