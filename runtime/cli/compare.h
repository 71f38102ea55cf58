/* SPDX-License-Identifier: MIT */
/* What `tdc compare` measures of each model, and how it is shown. */
#ifndef TDC_CLI_COMPARE_H
#define TDC_CLI_COMPARE_H

#include "runtime/cli/cli.h"
#include "runtime/text/controls.h"
#include "runtime/train/judge.h"
#include "runtime/train/texts.h"

enum { MOST_SEEDS = 64, QUARTERS = 4 };

/* Rows of the table: the measures of texts, and these. */
typedef enum {
  R_LIKELIHOOD = MEASURES,            /* the first metric that claims something, else the loss */
  R_QUARTER,                          /* bits of each quarter of the texts by the n-gram judge */
  R_CONTINUED = R_QUARTER + QUARTERS, /* of what follows a prompt of held-out text */
  R_MISLED,                           /* of what follows it with noise in it */
  R_LEFT,    /* share of a gap's symbols that are guessed from what stands before it */
  R_BOTH,    /* from both sides */
  R_GAIN,    /* R_BOTH less R_LEFT */
  R_STEPS,   /* evaluations of the network for a text */
  R_SECONDS, /* of the clock, for a text, as many at once as the file's batch */
  R_PARAMETERS,
  R_MEMORY, /* MB, the program's */
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
} Compared;

typedef struct Comparison {
  Compared *models;
  int n, seeds;
  int64_t samples;
  int64_t windows; /* held-out ones that a seed's prompts and gaps are cut from */
  bool judged;     /* by a judge besides the n-grams */
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

/* -- compare_take.c -- */
/* Measures one model, which has its name. False with the exit code. */
bool compare_take(Cli *c, Comparison *k, Compared *m, uint64_t seed, int64_t batches, Judge *judge,
                  int *code);

/* -- compare_show.c, compare_page.c -- */
void compare_markdown(const Comparison *k, StrBuf *out);
json_t *compare_json(const Comparison *k); /* NULL: memory is out */
void compare_page(const Comparison *k, StrBuf *out);

#endif
