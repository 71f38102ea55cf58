/* SPDX-License-Identifier: MIT */
/* How far texts are from a corpus, in numbers: one table of measures, and what they are taken
 * against. Every measure has a value that real text has; how far off a text is, is the distance
 * from that. */
#ifndef TDC_MEASURE_H
#define TDC_MEASURE_H

#include "runtime/data/data.h"
#include "runtime/text/copying.h"
#include "runtime/text/ngram.h"
#include "runtime/text/words.h"

/* In the order of the table in measure.c. */
typedef enum {
  M_JUDGE,  /* bits a symbol by the n-gram model of the training split */
  M_NEURAL, /* by a model that is given; whoever has it fills it in */
  M_JS1,    /* divergence of n-grams of symbols from validation's, bits */
  M_JS2,
  M_JS3,
  M_JS4,
  M_JS5,
  M_JS_WORDS, /* of words */
  M_WORDS3,   /* share of words of 3 letters and more that the training split has */
  M_WORDS5,
  M_LISTED, /* share of words of 3 letters and more that an outside list has, if one is given */
  M_VARIED_WORDS, /* the lower of M_WORDS5 and M_DISTINCT4, each over validation's, at most 1 */
  M_ENTROPY,      /* of single symbols, bits */
  M_DISTINCT1,    /* different n-grams over all */
  M_DISTINCT2,
  M_DISTINCT3,
  M_DISTINCT4,
  M_REPEATED, /* share of a row's 8-grams that it had before */
  M_LONGEST,  /* longest run of symbols that is the training split's */
  M_COPIED30, /* share of symbols within such runs of 30 and more */
  M_COPIED50,
  M_LINE,          /* mean length of a line */
  M_LINE_SPREAD,   /* its standard deviation */
  M_HEADERS,       /* share of lines that are a speaker's header */
  M_HEADERS_KNOWN, /* share of these that the training split has */
  MEASURES
} MeasureId;

typedef struct MeasureKind {
  const char *name;    /* as JSON has it */
  const char *heading; /* in words */
  int decimals;
  double scale; /* 100: shown in percent */
  double ideal; /* what real text has; NaN: what validation text was measured to have */
  bool copying; /* about copying: says nothing of how good a text is */
} MeasureKind;
extern const MeasureKind measure_kinds[MEASURES];

typedef struct Measures {
  double value[MEASURES];           /* NaN: there is none, of lines in a text without newlines */
  double judge_error, neural_error; /* standard errors of M_JUDGE, over rows, and M_NEURAL */
} Measures;

/* What texts are held against: the training split, and as many rows of the validation split. */
typedef struct Reference {
  Alphabet alphabet;
  Texts train, train_lower; /* one row: what of the training split is read */
  Texts valid, valid_lower; /* rows of the validation split */
  Counts words, names;      /* of the training split */
  Counts listed;            /* of an outside list */
  int32_t *listed_points;
  Ngram *judge;
  Automaton *automaton;
  Measures real; /* of these rows; divergences: of other rows from them */
} Reference;

enum {
  MEASURE_ORDER = 8,      /* symbols of the judge's n-grams */
  MEASURE_LIMIT = 4 << 20 /* symbols of the training split that are read, its first */
};

/* Rows of the texts to come are `rows` of `width` symbols. False with a message when memory is
 * out, or a split is shorter than a row. */
bool reference_open(Reference *r, const Dataset *d, int64_t rows, int64_t width, TdError *err);
/* Hold words against a list too, as words_list reads it of text of that kind of symbols. */
bool reference_list(Reference *r, Tokens kind, const uint8_t *text, size_t n, TdError *err);
void reference_close(Reference *r);

bool measure(const Reference *r, const Texts *t, Measures *out, TdError *err);
/* From real text's value; NaN where there is none. */
double measure_distance(const Reference *r, const Measures *m, MeasureId id);
/* Is there no such number of real text either? */
bool measure_absent(const Reference *r, MeasureId id);
/* Do more than a hundredth of the symbols stand in runs of 30 and more of the training split, where
 * validation has none? More than twice its share and that, where it has some. */
bool measure_copies(const Reference *r, const Measures *m);

/* Row i of `rows` that lie evenly over the validation split. Those of `which` 0 and 1 share no
 * window, where there are two. */
void reference_valid_row(const Dataset *d, int which, int64_t i, int64_t rows, int64_t width,
                         int32_t *out);

#endif
