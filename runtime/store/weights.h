/* SPDX-License-Identifier: MIT */
/* Parameters in and out of a session: from a training checkpoint or an export,
 * for sampling, evaluating and running models. Where the file keeps a running
 * average ("ema.*"), that is what samplers read and what is exported. */
#ifndef TDC_WEIGHTS_H
#define TDC_WEIGHTS_H

#include "compiler/unit.h"
#include "runtime/project.h"
#include "runtime/store/checkpoint.h"
#include "runtime/session.h"

/* The session's states for readers and writers of files. */
StRemote weights_states(Session *s);

/* Do they belong to the symbols of the project's text, each with its number? Weights that say
 * nothing of a text (another program's) pass. */
bool weights_fit(const Project *p, const Checkpoint *c, TdError *err);

bool weights_restore(Session *s, const Unit *u, Checkpoint *c, TdError *err);
/* Half precision, parameters only. */
bool weights_export(const IoHook *hook, const char *path, Session *s, const Unit *u,
                    const CheckpointInfo *info, TdError *err);

/* Where to look for weights when nobody says: FOLDER/best.safetensors, FOLDER's
 * newest, then NAME.safetensors beside the .td file. NULL with a message that
 * tells how to make some. */
Checkpoint *weights_find(const IoHook *hook, const char *path, const char *folder,
                         const char *td_path, TdError *err);

#endif
