/* SPDX-License-Identifier: MIT */
/* Training: the loop around the "train" entry, with validation, checkpoints,
 * logs, samples, and a clean way to stop and to go on. */
#ifndef TDC_TRAIN_H
#define TDC_TRAIN_H

#include <jansson.h>
#include <signal.h>

#include "runtime/project.h"
#include "runtime/session.h"
#include "runtime/view/terminal.h"

typedef struct TrainOptions {
  const Project *project;
  Session *session;
  const IoHook *hook;
  const char *folder; /* of the run */
  bool resume;        /* go on from the newest checkpoint */
  bool overwrite;     /* start over, removing what is there */
  bool other_text;    /* the text may be another than that of the run to go on with */
  bool has_seed;
  uint64_t seed;
  int64_t steps;              /* 0: what the file says */
  const json_t *record;       /* how this run came about: kept in the folder and in checkpoints */
  const char *resume_command; /* printed when the run is stopped */
  Terminal terminal;          /* where progress is shown */
  bool quiet;
  FILE *json; /* log lines go here too, or NULL */
  const volatile sig_atomic_t *stop;
  /* After the states have their initial values: parameters that are given. Or NULL. */
  bool (*begin)(void *ctx, Session *s, TdError *err);
  void *begin_ctx;
} TrainOptions;

/* May a run begin in, or go on from, this folder? To be asked before the work of
 * compiling; train_run asks again. */
bool train_folder_fits(const char *folder, bool resume, bool overwrite, TdError *err);

/* Of the copy of all states that finds where a NaN began: 0 where a budget of
 * memory has no room for it. */
size_t train_snapshot_bytes(const Unit *u);

/* False with TD_STOPPED after saving when *stop was raised, and with
 * TD_NOT_FINITE, naming step, tensor and line, when the loss is no number. */
bool train_run(const TrainOptions *o, TdError *err);

#endif
