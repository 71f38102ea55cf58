/* SPDX-License-Identifier: MIT */
/* What `tdc eval --samples` says besides: texts of the sampler, measured. */
#ifndef TDC_CLI_MEASURE_H
#define TDC_CLI_MEASURE_H

#include "runtime/cli/cli.h"
#include "runtime/text/controls.h"
#include "runtime/train/judge.h"
#include "runtime/train/texts.h"

typedef struct Sampled {
  const UnitSampler *sampler;
  SampleCost cost;
  Reference reference;
  Measures samples;
  Measures controls[CONTROLS_ALL];
  bool have[CONTROLS_ALL]; /* which of them were measured */
  int64_t rows, width;
  const char *list; /* of words, or NULL */
} Sampled;

/* Draws so many texts with the session's weights and measures them; with `controls` those too,
 * the untrained net last: the session's weights are the initial ones from then on. False with
 * the exit code. Close it in either case. `judge`: or NULL. */
bool sampled_take(Cli *c, Sampled *m, Project *p, Session *s, int64_t count, uint64_t seed,
                  bool controls, Judge *judge, int *code);
void sampled_close(Sampled *m);

/* The model of --judge, ready to judge; close `other` in either case. */
bool cli_judge(Cli *c, Other *other, Judge *judge, uint64_t seed, int *code);

/* The list of words that --words names, or the system's, for a reference; *path NULL: there is
 * none. */
bool cli_words(const Cli *c, Reference *r, const Dataset *d, const char **path, TdError *err);

void sampled_print(const Sampled *m, FILE *out);
json_t *sampled_json(const Sampled *m); /* NULL: memory is out */
/* By name, those that the reference has too. */
json_t *measures_json(const Reference *r, const Measures *m);

#endif
