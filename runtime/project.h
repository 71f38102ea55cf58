/* SPDX-License-Identifier: MIT */
/* A .td file opened: its text, its diagnostics, its data, and what the compiler
 * made of it. */
#ifndef TDC_PROJECT_H
#define TDC_PROJECT_H

#include "compiler/unit.h"
#include "runtime/data/data.h"

typedef struct ProjectOptions {
  const char *path;
  UnitOptions unit; /* defines and what to leave out; query and load are filled in here */
  CorpusSearch search;
  /* what a weights file remembers of its text, instead of reading a corpus; or NULL */
  const char *tokens, *vocabulary, *unigram;
} ProjectOptions;

typedef struct Project {
  Arena *arena;
  Interner *names;
  Diags *diags;
  DataStore *data;
  Unit *unit; /* NULL when there were errors */
  int file;
  char source_sha256[65]; /* of all sources joined; set when unit is */
} Project;

/* False with TD_BAD_FILE when the diagnostics hold errors (they are still to be
 * printed), or another status when the file could not be read. Close it in
 * either case. */
bool project_open(Project *p, const ProjectOptions *o, TdError *err);
void project_close(Project *p);
/* Every diagnostic, as text for people or as a JSON array. */
void project_report(const Project *p, bool json, bool colour, FILE *out);

#endif
