/* SPDX-License-Identifier: MIT */
/* `tdc eval --sweep`: texts of samplers at every point of a grid of their parameters, measured:
 * what do evaluations buy, and what does variety cost? */
#ifndef TDC_CLI_SWEEP_H
#define TDC_CLI_SWEEP_H

#include "runtime/cli/cli.h"
#include "runtime/text/measure.h"
#include "runtime/train/judge.h"
#include "runtime/train/texts.h"

enum { SWEEP_AXES = 8, SWEEP_POINTS = 4096 };

/* A parameter and the values it takes. */
typedef struct SweepAxis {
  const char *name;
  const char **values; /* as given */
  int n;
  char *owned; /* what these point into */
} SweepAxis;

/* A file with its weights. */
typedef struct SweepModel {
  const char *path;
  const Unit *unit;
  DataStore *data;
  Session *session;
  Reference reference;
  bool referenced; /* is there one? */
} SweepModel;

/* A sampler at one setting. */
typedef struct SweepPoint {
  int model; /* of the sweep's */
  const UnitSampler *sampler;
  int at[SWEEP_AXES]; /* which value of each axis; -1: the sampler has no such parameter */
  SampleCost cost;
  Measures measures;
  bool copies;
} SweepPoint;

typedef struct Sweep {
  SweepAxis axes[SWEEP_AXES];
  int naxes;
  SweepModel *models;
  int nmodels;
  SweepPoint *points;
  int n;
  int64_t samples, width; /* texts of each point, and their symbols */
  uint64_t seed;
  bool judged; /* by a model too */
} Sweep;

/* -- sweep.c --------------------------------------------------------------------------------- */
int cli_sweep(Cli *c);

/* -- sweep_points.c -------------------------------------------------------------------------- */
/* Bits by the judge, or by the n-gram model where there is none. */
MeasureId sweep_bits(const Sweep *s);
/* Is there no other point with no more bits and no fewer distinct 4-grams, and better in one of
 * them? */
bool sweep_frontier(const Sweep *s, int point);
/* Do both have the same file, sampler and values, but for that axis (-1: of all)? */
bool sweep_alike(const Sweep *s, int a, int b, int but);
/* The axis that sets how often a point's sampler turns, -1: none does. */
int sweep_turns(const Sweep *s, int point);
bool sweep_several(const Sweep *s); /* samplers */
/* What a line of points is: its file and sampler, where there are several, and its values, but for
 * that axis. */
void sweep_label(const Sweep *s, int point, int but, StrBuf *out);

/* -- sweep_show.c, sweep_plot.c -------------------------------------------------------------- */
void sweep_markdown(const Sweep *s, StrBuf *out);
json_t *sweep_json(const Sweep *s); /* NULL: memory is out */
/* Measures against the number of evaluations, a line for points that differ in it alone. */
void sweep_plot_evaluations(const Sweep *s, StrBuf *out);
/* Bits against variety, a line for points that differ in the first other axis alone. */
void sweep_plot_frontier(const Sweep *s, StrBuf *out);

#endif
