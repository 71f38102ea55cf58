/* SPDX-License-Identifier: MIT */
/* Parameters between files and sessions. */
#include "runtime/store/weights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool read_state(void *owner, int part, int64_t first, int64_t count, void *to,
                       TdError *err) {
  return session_read_state(owner, part, first, count, to, err);
}

static void write_state(void *owner, int part, int64_t first, int64_t count, const void *from) {
  session_write_state(owner, part, first, count, from);
}

StRemote weights_states(Session *s) { return (StRemote){s, read_state, write_state}; }

/* Parameter i of the unit as it lies in state `state` (of the same layout as
 * the parameter's own). */
static CheckpointTensor piece_in(const StRemote *states, const Unit *u, int i, int state) {
  const UnitParameter *p = &u->parameters[i];
  CheckpointTensor t = {.name = p->name,
                        .type = u->program->states[state].type,
                        .rank = p->rank,
                        .states = states,
                        .state = state,
                        .first = p->offset};
  memcpy(t.shape, p->shape, sizeof t.shape);
  return t;
}

/* The suffix behind "params." or "ema.", or NULL. */
static const char *layout_of(const char *state) {
  if (strncmp(state, "params.", 7) == 0) return state + 7;
  if (strncmp(state, "ema.", 4) == 0) return state + 4;
  return NULL;
}

/* One parameter. Averages have names of their own in checkpoints ("ema:NAME");
 * an export holds the averages under the parameters' names. */
static bool restore_piece(Checkpoint *c, CheckpointTensor piece, bool averaged, TdError *err) {
  char name[512];
  snprintf(name, sizeof name, "ema:%.500s", piece.name);
  if (averaged && checkpoint_has(c, name)) piece.name = name;
  return checkpoint_read(c, &piece, 1, err);
}

static bool restore_state(const StRemote *states, const Unit *u, Checkpoint *c, int state,
                          TdError *err) {
  const char *name = u->program->states[state].name, *layout = layout_of(name);
  for (int i = 0; i < u->nparameters; i++) {
    const char *own = layout_of(u->parameters[i].state);
    if (own == NULL || strcmp(own, layout) != 0) continue;
    if (!restore_piece(c, piece_in(states, u, i, state), strncmp(name, "ema.", 4) == 0, err))
      return false;
  }
  return true;
}

bool weights_fit(const Project *p, const Checkpoint *c, TdError *err) {
  const Unit *u = p->unit;
  const CheckpointInfo *i = checkpoint_info(c);
  const char *name = u->train.present ? u->train.data : u->ndata > 0 ? u->data[0].name : NULL;
  const Dataset *d = name != NULL ? data_store_find(p->data, name) : NULL;
  if (d == NULL || (i->tokens == NULL && i->vocabulary == NULL) ||
      vocabulary_same(&d->vocabulary, i->tokens, i->vocabulary))
    return true;
  if (i->vocabulary != NULL && vocabulary_reordered(&d->vocabulary, i->vocabulary))
    return td_fail(err, TD_DAMAGED,
                   "%s has the symbols of %s in another order: its rows mean others",
                   checkpoint_path(c), d->path);
  return td_fail(err, TD_DAMAGED, "%s was trained on a text with other symbols than %s",
                 checkpoint_path(c), d->path);
}

bool weights_restore(Session *s, const Unit *u, Checkpoint *c, TdError *err) {
  const TdProgram *p = u->program;
  StRemote states = weights_states(s);
  for (int i = 0; i < p->nstates; i++)
    if (layout_of(p->states[i].name) != NULL && !restore_state(&states, u, c, i, err)) return false;
  return session_sync(s, err);
}

bool weights_export(const IoHook *hook, const char *path, Session *s, const Unit *u,
                    const CheckpointInfo *info, TdError *err) {
  CheckpointTensor *list = calloc((size_t)u->nparameters + 1, sizeof *list);
  StRemote states = weights_states(s);
  if (list == NULL) return td_fail_memory(err);
  for (int i = 0; i < u->nparameters; i++) {
    const char *own = u->parameters[i].state, *layout = layout_of(own);
    char ema[256];
    snprintf(ema, sizeof ema, "ema.%.240s", layout != NULL ? layout : "");
    int state = session_state(s, ema);
    if (state < 0) state = session_state(s, own);
    if (state < 0) bug("parameter %s lies in no state", u->parameters[i].name);
    list[i] = piece_in(&states, u, i, state);
  }
  bool ok = checkpoint_export(hook, path, list, u->nparameters, info, err);
  free(list);
  return ok;
}

/* ---- where they are ------------------------------------------------------------- */

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The best of a run, or its newest; NULL with TD_OK when it has none. */
static Checkpoint *from_run(const IoHook *hook, const char *folder, TdError *err) {
  *err = (TdError){0};
  if (!is_folder(folder)) return NULL;
  char *best = io_join(folder, "best.safetensors");
  if (best == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  TdError damaged = {0};
  Checkpoint *c = io_exists(best) ? checkpoint_open(hook, best, &damaged) : NULL;
  free(best);
  return c != NULL ? c : checkpoint_newest(hook, folder, NULL, err);
}

/* NAME.safetensors in the .td file's folder. */
static char *beside(const char *td_path) {
  size_t n = strlen(td_path);
  StrBuf s = {0};
  if (n > 3 && strcmp(td_path + n - 3, ".td") == 0) n -= 3;
  sb_write(&s, td_path, n);
  sb_puts(&s, ".safetensors");
  return s.s;
}

Checkpoint *weights_find(const IoHook *hook, const char *path, const char *folder,
                         const char *td_path, TdError *err) {
  if (path != NULL && !is_folder(path)) return checkpoint_open_weights(hook, path, err);
  Checkpoint *c = from_run(hook, path != NULL ? path : folder, err);
  if (c != NULL || err->status != TD_OK) return c;
  if (path != NULL) {
    td_fail(err, TD_IO_FAILED, "%s holds no checkpoint", path);
    return NULL;
  }
  char *shipped = beside(td_path);
  if (shipped != NULL && io_exists(shipped))
    c = checkpoint_open_weights(hook, shipped, err);
  else
    td_fail(err, TD_IO_FAILED,
            "there are no weights for %s (looked in %s and for %s); make some: tdc train %s",
            td_path, folder, shipped != NULL ? shipped : "", td_path);
  free(shipped);
  return c;
}
