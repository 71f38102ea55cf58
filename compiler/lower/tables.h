/* SPDX-License-Identifier: MIT */
/* What a source declares as data: the tables of a diffusion schedule, and a text. */
#ifndef TDC_LOWER_TABLES_H
#define TDC_LOWER_TABLES_H

#include "compiler/lower/lower.h"
#include "compiler/unit.h"

struct Table {
  const char *name;
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *id[IR_MAX_RANK];
  double *data;
  Type type;
  Span span;
};

/* `schedule NAME[t = ...] { ... }`: computed when it is first asked for. */
struct DiffusionSchedule {
  ADecl *decl;
  Scope *scope;
  bool done, busy;
  int64_t extent;
  VEC(Table *) tables;
};

struct Data {
  ADecl *decl;
  Scope *scope;
  DataDecl info;
  DataInfo got;
  bool settling, settled, asked, ok;
  Table *unigram;
};

/* -- diffusion.c ------------------------------------------------------------------ */
/* Compute the schedule's tables, once. False after an error. */
bool diffusion_ready(Lowering *l, DiffusionSchedule *s, Span at);

/* -- settings.c -------------------------------------------------------------------- */
bool settings_data(Lowering *l, Data *x, Scope *s);

/* -- lower_name.c ------------------------------------------------------------------- */
/* Read the settings, once: is there a source? */
bool data_settled(Lowering *l, Data *x, Span at);
/* The same, and ask for the text's vocabulary, once: is it to be had? */
bool data_ready(Lowering *l, Data *x, Span at);

#endif
