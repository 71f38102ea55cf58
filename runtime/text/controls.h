/* SPDX-License-Identifier: MIT */
/* Texts of which everybody knows how good they are, to measure the measures: one that ranks
 * them wrongly is fooled, and is no headline. */
#ifndef TDC_CONTROLS_H
#define TDC_CONTROLS_H

#include "runtime/text/measure.h"

typedef enum {
  C_VALIDATION, /* other rows of the validation split */
  C_NOISE5,     /* these, every twentieth symbol replaced by one as frequent as in the text */
  C_NOISE10,    /* every tenth */
  C_SHUFFLED,   /* these, each row's words in another order */
  C_REPEATED,   /* a line of them, again and again */
  C_TRAINING,   /* rows of the training split */
  C_8GRAM,      /* drawn symbol by symbol as they followed the 7 before */
  C_5GRAM,
  C_3GRAM,
  C_UNIGRAM,
  CONTROLS,
  /* whoever has a model gives these */
  C_COLD = CONTROLS, /* of a judge, or of the sampler itself, at temperature 0.3 */
  C_UNTRAINED,       /* from a model's initial weights */
  CONTROLS_ALL
} ControlId;

typedef struct ControlKind {
  const char *name, *heading;
} ControlKind;
extern const ControlKind control_kinds[CONTROLS_ALL];

/* Rows of the reference's shape, those of the same seed the same. */
bool control_make(const Reference *r, const Dataset *d, ControlId id, uint64_t seed, Texts *out,
                  TdError *err);

/* The first text has to be nearer to real text than the second. */
typedef struct Demand {
  ControlId better, worse;
} Demand;
extern const Demand control_demands[]; /* the last one's two are the same */

/* The first demand that the measure breaks, or NULL: it is a headline. have[]: which controls
 * were measured; demands of others are passed over. Equal is broken too. */
const Demand *control_breaks(const Reference *r, const Measures m[CONTROLS_ALL],
                             const bool have[CONTROLS_ALL], MeasureId id);

#endif
