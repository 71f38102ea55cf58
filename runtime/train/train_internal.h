/* SPDX-License-Identifier: MIT */
/* What the files of the training loop share. Grouped by defining file. */
#ifndef TDC_TRAIN_INTERNAL_H
#define TDC_TRAIN_INTERNAL_H

#include "runtime/store/checkpoint.h"
#include "runtime/train/evaluate.h"
#include "runtime/view/logs.h"
#include "runtime/view/progress.h"
#include "runtime/train/train.h"

typedef struct Trainer {
  const TrainOptions *o;
  const Unit *unit;
  const UnitTrain *plan;
  Session *session;
  const TdEntry *entry; /* "train" */
  Series *series;       /* the steps not yet looked at; NULL: each step is */
  double *values;       /* of its outputs in those steps, one after another */
  double since;         /* clock, when the first of them began */
  Feed feed, valid;
  bool has_valid;
  int64_t steps; /* the last step */
  int64_t step;  /* done */
  uint64_t seed;
  double best; /* validation loss; infinity before the first */
  int64_t best_step, stale;
  int64_t validated; /* step of the newest evaluation */
  int64_t saved;     /* step of the newest checkpoint; -1: none */
  int lock;
  RunLog *log;
  Progress progress;
  char *record;       /* JSON */
  bool *wanted;       /* states that a checkpoint keeps */
  Snapshot *snapshot; /* or NULL when memory is short */
  int64_t snapshot_step;
} Trainer;

/* -- run_folder.c: locking, resuming, saving ----------------------------------- */
bool trainer_open_folder(Trainer *t, TdError *err);
bool trainer_save(Trainer *t, bool best, TdError *err);
void trainer_log(Trainer *t, json_t *line); /* steals */
void trainer_draw_curve(Trainer *t);

/* -- diagnose.c: where a NaN came from ------------------------------------------- */
/* After a step whose loss was no number: fills the error, returns false. */
bool trainer_diagnose(Trainer *t, const char *output, double value, TdError *err);

#endif
