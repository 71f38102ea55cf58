/* SPDX-License-Identifier: MIT */
/* Checkpoints: everything a run needs to go on as if it had never stopped, in
 * one safetensors file. Each tensor's SHA-256 stands in the metadata, and the
 * header carries its own, so that no flipped bit and no cut goes unseen. Files
 * are written atomically, several are kept, and a damaged newest one gives way
 * to the one before. */
#ifndef TDC_CHECKPOINT_H
#define TDC_CHECKPOINT_H

#include "runtime/system/io.h"
#include "compiler/program/program.h"
#include "runtime/store/safetensors.h"

/* What is kept besides tensors. Strings are borrowed when saving and belong to
 * the Checkpoint after opening; NULL ones are left out. */
typedef struct CheckpointInfo {
  const char *program; /* the file's name: "shakespeare" */
  int64_t step;        /* steps done */
  uint64_t seed;
  int64_t position; /* windows drawn so far */
  double best;      /* lowest validation loss; infinity before the first */
  int64_t best_step;
  int64_t stale;          /* evaluations since then */
  int64_t validated;      /* step of the newest evaluation */
  const char *tokens;     /* "chars", "bytes", "ascii", or NULL */
  const char *vocabulary; /* as vocabulary_write spells it */
  const char *unigram;    /* shares of the symbols, decimal with spaces between */
  const char *record;     /* the run record: JSON */
  bool weights_only;      /* an export: parameters, no optimizer */
} CheckpointInfo;

/* A tensor in memory, or a piece of a program's state. */
typedef struct CheckpointTensor {
  const char *name;
  TdType type;
  int rank;
  int64_t shape[TD_MAX_RANK];
  void *data;             /* or NULL: */
  const StRemote *states; /* elements first .. of `state` */
  int state;
  int64_t first;
} CheckpointTensor;

/* The tensors of a program's states: named pieces where they cover a state
 * whole, else the state under its own name. `states` reaches them by their numbers, and
 * is borrowed; those with wanted[i] false are left out (NULL: none). malloc'ed; NULL
 * when memory is out. */
CheckpointTensor *checkpoint_tensors(const TdProgram *p, const StRemote *states, const bool *wanted,
                                     int *n);
StType checkpoint_type(TdType t);

bool checkpoint_save(const IoHook *hook, const char *path, const CheckpointTensor *tensors, int n,
                     const CheckpointInfo *info, TdError *err);
/* Weights alone, stored as half precision: what is shipped. */
bool checkpoint_export(const IoHook *hook, const char *path, const CheckpointTensor *tensors, int n,
                       const CheckpointInfo *info, TdError *err);

/* Opening verifies every checksum. */
typedef struct Checkpoint Checkpoint;
Checkpoint *checkpoint_open(const IoHook *hook, const char *path, TdError *err);
/* The same, and a safetensors file that another program wrote passes as weights
 * alone, unverified: its tensors need only have the parameters' names and shapes. */
Checkpoint *checkpoint_open_weights(const IoHook *hook, const char *path, TdError *err);
void checkpoint_close(Checkpoint *c);
const CheckpointInfo *checkpoint_info(const Checkpoint *c);
const char *checkpoint_path(const Checkpoint *c);
bool checkpoint_has(const Checkpoint *c, const char *name);
/* Read tensors to where they lie, converting reals; shapes must agree. A tensor that
 * the file does not have is an error that names it. */
bool checkpoint_read(Checkpoint *c, const CheckpointTensor *tensors, int n, TdError *err);

/* ---- a run's folder ------------------------------------------------------- */
/* FOLDER/step-00001000.safetensors; malloc'ed */
char *checkpoint_step_path(const char *folder, int64_t step);
/* The newest whole one. Each damaged one met on the way is told in `warnings`
 * (a line each; may be NULL). When there are none, or no such folder: NULL with TD_OK. */
Checkpoint *checkpoint_newest(const IoHook *hook, const char *folder, StrBuf *warnings,
                              TdError *err);
/* Its step, by the files' names alone, to *newest; -1 when there are none. */
bool checkpoint_newest_step(const char *folder, int64_t *newest, TdError *err);
/* The checkpoint of info->step; with `best`, FOLDER/best.safetensors is the same file. Whenever
 * it is cut short, that one is not older than it should be: it is written first. */
bool checkpoint_save_step(const IoHook *hook, const char *folder, bool best,
                          const CheckpointTensor *tensors, int n, const CheckpointInfo *info,
                          TdError *err);
/* Remove all but the `keep` newest (at least 2). */
bool checkpoint_rotate(const IoHook *hook, const char *folder, int64_t keep, TdError *err);
/* Remove every step's checkpoint. */
bool checkpoint_remove_all(const IoHook *hook, const char *folder, TdError *err);

#endif
