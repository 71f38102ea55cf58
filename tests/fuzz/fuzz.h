/* SPDX-License-Identifier: MIT */
/* What the fuzzers share. Each is a program of its own that defines `fuzzer`: how an input is
 * made of good ones, and what must hold for any. The loop is in fuzz.c:
 *
 *   fuzz_NAME [--cpu S] [--mutations N] [--seed N] FILE...
 *
 * runs the inputs of tests/fuzz/corpus/NAME, the files (of folders, all) as they are, then inputs
 * made of these, for S seconds of CPU time or N of them. Input number i follows from the seed and
 * i alone. One that fails is printed and kept in build/fuzz/: it fails again as `fuzz_NAME
 * THAT-FILE`, and goes into the corpus once what it showed is mended.
 *
 * Sanitizers are inside, and inputs run in a process that may die; so a crash, a report of a
 * sanitizer and a bug() are failures, as is more than FUZZ_SECONDS of CPU time or FUZZ_BYTES
 * of memory for one input.
 *
 * Built with LIBFUZZER defined it has libFuzzer's entry in place of a main: `make libfuzzer`. */
#ifndef TDC_TESTS_FUZZ_H
#define TDC_TESTS_FUZZ_H

#include "dsl/diag.h"

/* Two seconds, times five, which sanitizers cost at most; memory is what was asked for, without
 * what they add. */
enum { FUZZ_SECONDS = 2 * 5, FUZZ_BYTES = 256 << 20 };

typedef struct Random {
  uint64_t state;
} Random;
uint64_t random_next(Random *r);
size_t below(Random *r, size_t n); /* 0 for n = 0 */

typedef struct Seeds {
  const StrBuf *at;
  const bool *accepted; /* as it is */
  int n;
} Seeds;

typedef enum { BROKEN, REJECTED, ACCEPTED } Verdict;

typedef struct Fuzzer {
  const char *name; /* of its corpus */
  const char *ext;  /* of files with inputs: ".td" */
  void (*make)(Random *r, const Seeds *seeds, StrBuf *out);
  /* BROKEN after saying on stderr what is. `whole`: all that can be tried; else no more than
   * tells whether it is accepted, of a file that is only to be mutated. */
  Verdict (*run)(const char *text, size_t n, bool whole);
  /* Memory beyond FUZZ_BYTES is refused, since inputs may ask for it; else a failure. */
  bool refuses;
} Fuzzer;
extern const Fuzzer fuzzer;

/* -- fuzz.c -------------------------------------------------------------------- */
size_t fuzz_peak(void); /* bytes, the most since this input began */
Verdict fuzz_broken(const char *what, const char *more); /* says so; more may be NULL */
/* Do all diagnostics stand inside the sources they name? They are printed too, as people and as
 * programs read them. */
bool fuzz_places(const Diags *d);

/* -- mutate.c -------------------------------------------------------------------- */
/* One of the seeds, mostly of those that are accepted, with one to four edits: tokens left out,
 * repeated, exchanged, replaced by others of the seeds or by `words`; numbers at the edges of their
 * types; lines of other seeds; bytes of any value. */
void mutate_text(Random *r, const Seeds *seeds, const char *const *words, size_t nwords,
                 StrBuf *out);
/* A first line "#: NAME ...", a comment to the languages: options of the compiler that are off,
 * and whether activations are "bf16" and the entry "repeated"; and does a text ask for one? */
void mutate_options(Random *r, StrBuf *out);
bool mutate_asked(const char *text, const char *name);
/* Takes out what stands from `from` up to `to`, and puts n bytes of `text` there. */
void text_splice(StrBuf *b, size_t from, size_t to, const char *text, size_t n);

#endif
