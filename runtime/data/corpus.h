/* SPDX-License-Identifier: MIT */
/* Texts by name or by path. A named corpus has a known size and SHA-256; it is
 * looked for in $TDC_DATA, ../shared/data (from the working folder and from
 * around the .td file) and the user's cache, then downloaded once by `curl`. */
#ifndef TDC_CORPUS_H
#define TDC_CORPUS_H

#include "runtime/system/error.h"
#include "runtime/system/io.h"

typedef struct Corpus {
  const char *name;
  const char *sha256; /* NULL: it differs between versions of the package it comes with */
  size_t bytes;
  const char *url;  /* NULL: not to be downloaded */
  const char *hint; /* how else to get it */
} Corpus;

const Corpus *corpus_known(const char *name); /* or NULL */
const Corpus *corpus_at(int i);               /* NULL past the end */

typedef struct CorpusSearch {
  const IoHook *hook;
  const char *override; /* --data PATH: read instead of whatever the file names; or NULL */
  bool offline;         /* never download */
  bool look_only;       /* nor make one with a program */
  bool quiet;           /* do not say on stderr that something is downloaded */
} CorpusSearch;

/* Reads `source` as declared in td_file. Path, bytes (malloc) and digest come back. */
typedef struct Text {
  char *path;
  uint8_t *bytes;
  size_t n;
  char sha256[65];
} Text;
bool text_load(const CorpusSearch *s, const char *source, const char *td_file, Text *out,
               TdError *err);
void text_free(Text *t);

#endif
