/* SPDX-License-Identifier: MIT */
/* Sources for tests, and the text that their data declarations get. */
#include "tests/sources.h"

#include <stdio.h>

char *file_text(const char *path) {
  FILE *f = fopen(path, "rb");
  if (!f) return NULL;
  StrBuf b = {0};
  char part[4096];
  for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;) sb_write(&b, part, n);
  fclose(f);
  sb_puts(&b, "");
  return b.s;
}

/* From ' ' on, but for the line end, which comes first. */
static int64_t some_symbol(const void *symbols, const char *bytes, size_t n) {
  (void)symbols;
  if (n == 1 && *bytes == '\n') return 0;
  return n == 1 && *bytes > ' ' && *bytes < ' ' + SOME_SYMBOLS ? *bytes - ' ' : -1;
}

bool some_text(void *ctx, const DataDecl *d, DataInfo *out, const char **why) {
  static const double unigram[SOME_SYMBOLS];
  (void)ctx, (void)d, (void)why;
  *out =
      (DataInfo){.vocab = SOME_SYMBOLS, .unigram = unigram, .entropy = 3.3, .symbol = some_symbol};
  return true;
}
