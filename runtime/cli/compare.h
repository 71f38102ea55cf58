/* SPDX-License-Identifier: MIT */
/* What `tdc compare` measures of each model, and how it is shown. */
#ifndef TDC_CLI_COMPARE_H
#define TDC_CLI_COMPARE_H

#include "runtime/cli/cli.h"
#include "runtime/text/controls.h"
#include "runtime/train/judge.h"
#include "runtime/train/texts.h"

enum {
  MOST_SEEDS = 64,
  QUARTERS = 4,
  GIVEN_TEXTS = 7 /* that go on from a window: five prompts, a gap from one side and from two */
};

/* Rows of the table: the measures of texts, and these. */
typedef enum {
  R_LIKELIHOOD = MEASURES,        /* the first metric that claims something, else the loss */
  R_QUARTER,                      /* bits of each quarter of the texts by the n-gram judge */
  R_DRIFT = R_QUARTER + QUARTERS, /* the last less the first */
  R_CONTINUED,                    /* bits of what follows a prompt of held-out text */
  R_NOISE5,                       /* with a twentieth of it replaced */
  R_NOISE10,
  R_NOISE20,
  R_RISE,      /* R_NOISE20 less R_CONTINUED */
  R_LOST,      /* all of it replaced: bits of the first half of what follows */
  R_LOST_ON,   /* of the second */
  R_LEFT,      /* share of a gap's symbols that are guessed from what stands before it */
  R_BOTH,      /* from both sides */
  R_GAIN,      /* R_BOTH less R_LEFT */
  R_STEPS,     /* evaluations of the network for a text */
  R_ALONE,     /* seconds of the clock for a text alone */
  R_SECONDS,   /* for a text, of those that are computed together */
  R_CPU_ALONE, /* seconds of all processors, of the same */
  R_CPU,
  R_SPEED_ALONE, /* symbols of texts a second of the clock */
  R_SPEED,
  R_ROWS,         /* texts that are computed together */
  R_MEMORY_ALONE, /* MB, the program's */
  R_MEMORY,
  R_PARAMETERS,
  R_TRAIN_CPU,        /* seconds of all processors, to the last evaluation of the run */
  R_TRAIN_CHARACTERS, /* millions of symbols that it read until then */
  R_TRAIN_BEST,       /* the lowest value that it validated */
  R_AT_CPU,           /* what it validated at the CPU seconds of the shortest run */
  R_AT_CHARACTERS,    /* at its symbols */
  COMPARE_ROWS
} CompareRow;

typedef struct RowKind {
  const char *section; /* that begins with it; NULL: it goes on */
  const char *name, *heading;
  int decimals;
  double scale;
} RowKind;
/* Of a row that is a measure, too. */
RowKind compare_row(int row);

/* A run, as its log tells it. */
typedef struct EffortPoint {
  double characters; /* symbols read */
  double cpu;        /* seconds of all processors; NaN: the log does not tell */
  double value;      /* validated */
} EffortPoint;
typedef struct Effort {
  EffortPoint *at;
  size_t n;
} Effort;
typedef enum { EFFORT_CPU, EFFORT_CHARACTERS, EFFORT_COSTS } EffortCost;

typedef struct Compared {
  char *path, *sampler;
  char **weights; /* of each seed in turn, or NULL: those that are found */
  int nweights;
  char *metric, *claim;                   /* of R_LIKELIHOOD; claim: NULL for a loss */
  double value[COMPARE_ROWS][MOST_SEEDS]; /* NaN: the model has no such thing */
  double likelihood_error;                /* over windows, of the first seed */
  double real[COMPARE_ROWS];              /* of held-out text; NaN: it has none */
  bool copies;                            /* in any seed */
  char *texts[2];                         /* samples of the first seed, or NULL */
  Effort *efforts;                        /* of each of the weights, empty where there is no log */
  int nefforts;
  Define *defines; /* with which it is opened: those of its run, and the command's */
  int ndefines;
} Compared;

typedef struct Comparison {
  Compared *models;
  int n, seeds;
  int64_t samples;
  int64_t windows;             /* held-out ones that a seed's prompts and gaps are cut from */
  bool judged;                 /* by a judge besides the n-grams */
  double common[EFFORT_COSTS]; /* where the shortest run ends; NaN: there is none */
} Comparison;

/* -- compare_rows.c -- */
/* Mean over seeds, and its standard error; NaN where a seed has no number. The error is 0 with
 * one seed. */
void compare_mean(const Comparison *k, const Compared *m, int row, double *mean, double *error);
/* Is the row nothing to show, of any model? */
bool compare_empty(const Comparison *k, int row);

/* -- compare_name.c -- */
/* What an argument names: FILE.td, or FILE.td=WEIGHTS,WEIGHTS...: a model that was trained several
 * times. Fills path and weights of *m, all else as not measured; false when memory is out. */
bool compared_name(Compared *m, const char *argument);
void compared_free(Compared *m);
/* What a weights file says it was trained with (`-D`), and then what the command line says: into
 * m->defines. Of the first weights, or those that are found. False when memory is out. */
bool compared_defines(Cli *c, Compared *m);
/* The metric that the model is known by: the first that claims something, else its loss. */
const char *compared_metric(const Unit *u);

/* -- compare_effort.c -- */
/* The log of a run that has these weights: a run's folder, a file in it, or a log itself. Empty
 * where there is none. */
bool effort_read(Effort *e, const char *weights, const char *metric, const UnitTrain *train,
                 TdError *err);
double effort_cost(const EffortPoint *p, EffortCost of);
/* The value at a cost, on straight lines between evaluations; NaN before the first and after the
 * last. */
double effort_at(const Effort *e, EffortCost of, double cost);
/* Fills the rows of training, when all models have their logs. */
void compare_effort(Comparison *k);
void efforts_free(Compared *m);

/* -- compare_svg.c -- */
/* Colours, for light and dark, as CSS: --ink, --soft, --paper, --line, a model's, and the classes
 * soft and axis. */
void compare_style(StrBuf *out);
void compare_colour(StrBuf *out, int model);
/* What tells models apart that have one colour, as an attribute of a line. */
void compare_dashes(StrBuf *out, int model);
/* A tenth of a pixel, in any locale. */
void compare_tenths(StrBuf *out, const char *before, double x);

/* -- compare_curves.c -- */
/* All runs in one picture: what they validated against CPU seconds, and against symbols read. An
 * SVG element; `alone`: that is a file. Nothing where there are no runs. */
void compare_curves(const Comparison *k, bool alone, StrBuf *out);

/* -- compare_progress.c -- */
/* What takes its time, model by model. */
typedef enum {
  PART_OPEN,       /* compiling it */
  PART_LIKELIHOOD, /* of a seed */
  PART_TEXTS,      /* all of a seed, together */
  PART_GIVEN,      /* one text that goes on from a part of a held-out one */
  COMPARE_PARTS
} ComparePart;
typedef struct CompareProgress CompareProgress;
/* each[]: parts of every model. NULL when memory is out. */
CompareProgress *compare_progress_new(Terminal t, bool quiet, int models,
                                      const int64_t each[COMPARE_PARTS]);
void compare_progress_free(CompareProgress *p);
/* Of model `model`; seeds from 0 on. */
void compare_part_begin(CompareProgress *p, int model, const char *path, ComparePart part, int seed,
                        int seeds);
void compare_part_end(CompareProgress *p);
/* Seconds that all parts to come, the one under way with them, will take: each as long as those
 * before it. Below 0 where none was done yet. */
double compare_progress_left(const CompareProgress *p);
void compare_progress_clear(CompareProgress *p);

/* -- compare_take.c -- */
/* Measures one model, which has its name. False with the exit code. */
bool compare_take(Cli *c, Comparison *k, Compared *m, CompareProgress *progress, uint64_t seed,
                  int64_t batches, Judge *judge, int *code);

/* -- compare_show.c, compare_page.c -- */
/* A sentence on what equal cost is; nothing where there are no runs. */
void compare_equal(const Comparison *k, StrBuf *out);
void compare_markdown(const Comparison *k, StrBuf *out);
json_t *compare_json(const Comparison *k); /* NULL: memory is out */
void compare_page(const Comparison *k, StrBuf *out);

#endif
