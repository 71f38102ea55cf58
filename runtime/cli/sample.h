/* SPDX-License-Identifier: MIT */
/* tdc sample: one model's texts, and two models side by side. */
#ifndef TDC_CLI_SAMPLE_H
#define TDC_CLI_SAMPLE_H

#include "runtime/cli/cli.h"
#include "runtime/train/sample.h"
#include "runtime/view/film.h"
#include "runtime/view/viewer.h"

/* -- sample_side.c: a model that samples ---------------------------------------------- */
typedef struct Side {
  Project *p;
  Machine *m;
  SampleRequest request;
  TdSetting *settings;      /* the request's */
  int owned;                /* of them, the last so many own their names */
  char *name;               /* "mask (unmask, steps 16)" */
  char *detail;             /* "unmask, steps 16" */
  int64_t left;             /* texts still wanted */
  json_t *texts;            /* an array of all so far */
  StrBuf out;               /* the same, to print, a line between two */
  size_t end[VIEWER_TEXTS]; /* where in `out` the first of them end */
  int64_t taken;
  int64_t evaluations; /* of the network, by all runs */
  int64_t rows;        /* of a run */
  double seconds;      /* of all runs */
  Film *film;          /* of the first run; or NULL */
  StrBuf title;        /* above it */
  uint8_t *given;      /* [window] the symbols that are marked in it */
} Side;

/* A side with the sampler `u` of the project, its settings still the defaults; false when memory
 * is out. Free it in either case. */
bool side_open(Side *s, const Cli *c, Project *p, Machine *m, const UnitSampler *u, uint64_t seed,
               int64_t count);
void side_free(Side *s);
/* Settings: flags that are none of the command's own, and --infill, which gives the first text.
 * False after a message. */
bool side_flags(Side *s, Cli *c);
/* Settings of the other side: the text that the first has, and --beside-set. */
bool side_beside(Side *s, const Side *first, Cli *c);
/* After its settings: they are good, and it has its name. */
bool side_ready(Side *s, TdError *err);
/* To be filmed, with the symbols marked that were given; title NULL: the program's name, the
 * sampler and the seed. */
bool side_film(Side *s, const char *title, int64_t count, TdError *err);
/* The texts of a last frame, as far as they are wanted. */
void side_take(Side *s, const SampleFrame *f);
/* Runs until no text is left to make; false where a run gives none. */
bool side_rest(Side *s, TdError *err);
/* "128 evaluations, 334 ms" */
void side_counts(const Side *s, StrBuf *out);
/* What is printed after `shown` texts were seen. */
const char *side_unseen(const Side *s, int64_t shown, size_t *n);

/* -- beside.c -------------------------------------------------------------------------- */
/* The first side, whose machine has not started yet, beside the model that --beside names. */
int beside_sample(Cli *c, Side *first, uint64_t seed, int64_t count);

/* -- sample_show.c ---------------------------------------------------------------------------- */
/* The terminal can show it, if --watch asks; says so if not. */
bool sample_watches(const Cli *c, const Viewer *w);
/* The sampler of that name, NULL: the first; NULL with the exit code. */
const UnitSampler *sample_choose(Cli *c, const Unit *u, const char *path, const char *name,
                                 int *code);
/* To stdout or where -o says: JSON, which it frees, or `n` bytes of text. */
bool sample_put(const Cli *c, json_t *json, const char *text, size_t n, TdError *err);
/* ", prompt <text>" of the texts that are set, quoted. */
void sample_detail(const Side *s, StrBuf *out);

#endif
