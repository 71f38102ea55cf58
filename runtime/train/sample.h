/* SPDX-License-Identifier: MIT */
/* Running a sampler: init once, step for each value of its loop, emit whenever
 * somebody looks. */
#ifndef TDC_SAMPLE_H
#define TDC_SAMPLE_H

#include <signal.h>

#include "compiler/unit.h"
#include "runtime/session.h"
#include "runtime/data/vocabulary.h"

typedef struct SampleRequest {
  const UnitSampler *sampler;
  const Vocabulary *vocabulary; /* or NULL: texts cannot be given */
  const TdSetting *settings;    /* parameters other than at their defaults */
  int nsettings;
  char hole;          /* in texts: a character left to the model; 0 = none */
  const char *filled; /* the text given as --infill, alone with holes; NULL: all texts */
  const char *flag;   /* by which that text was given instead, for messages; or NULL */
  const char *fed;    /* the text that is given as symbols; or NULL */
  const int32_t *symbols;
  int64_t nsymbols;
  bool start; /* whoever looks after every iteration looks before the first one, too */
  uint64_t seed;
  const volatile sig_atomic_t *stop;
} SampleRequest;

/* What there is to see after `done` of `count` iterations. Rows are rows of the
 * batch; the numbers are there until the look returns. */
typedef struct SampleFrame {
  int64_t done, count;
  int64_t evaluations; /* of the network so far, as UnitSampler counts them */
  int64_t in_all;      /* so many at the end */
  double seconds;      /* of the clock, for init and these iterations, and for the text at the end;
                     what looks in between took is not in it */
  int64_t batch, window;
  const int32_t *ids;      /* [batch, window] */
  const char *glyph;       /* what stands where one of them is no symbol; NULL: '?' */
  const float *confidence; /* [batch, window] in 0 .. 1, or NULL */
} SampleFrame;

/* Returns false to stop. */
typedef bool SampleLook(void *ctx, const SampleFrame *frame);

/* Are the settings good? Fills *steps with the number of iterations. The message
 * names what was meant, and for texts the offset of a character that the
 * vocabulary does not have. */
bool sample_check(const SampleRequest *r, int64_t *steps, TdError *err);
/* Which places of a window the texts give: given[window] is 1 there, else 0. */
bool sample_given(const SampleRequest *r, int64_t window, uint8_t *given, TdError *err);
/* `each`: look after every iteration, else at the end only. Without iterations: once. */
bool sample_run(Session *s, const SampleRequest *r, bool each, SampleLook *look, void *ctx,
                TdError *err);

/* ---- the same, iteration by iteration ---------------------------------------------- */
typedef struct Sampling Sampling;
/* Has run init. The session and the request are borrowed. NULL with a message. */
Sampling *sampling_open(Session *s, const SampleRequest *r, TdError *err);
/* The next iteration, of which there must be one; false as well when the request's stop says so. */
bool sampling_step(Sampling *g, TdError *err);
bool sampling_over(const Sampling *g);
/* What there is to see now, until the next look; after the last iteration all numbers are finite,
 * or it is false with a message. */
bool sampling_look(Sampling *g, SampleFrame *out, TdError *err);
void sampling_close(Sampling *g);

/* n symbols of a frame, from the first of all, as text; without a vocabulary, numbers with
 * spaces between. */
void sample_spell(const Vocabulary *v, const SampleFrame *f, int64_t first, int64_t n, StrBuf *out);

#endif
