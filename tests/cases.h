/* SPDX-License-Identifier: MIT */
/* Command lines with what becomes of each, for tests that run tdc in a sandbox. */
#ifndef TDC_TESTS_CASES_H
#define TDC_TESTS_CASES_H

#include "tests/sandbox.h"

typedef struct Case {
  const char *line;
  int code;
  const char *says;
} Case;

static inline void try_all(const Case *cases) {
  for (const Case *k = cases; k->line != NULL; k++)
    sandbox_says(k->line, NULL, k->code, k->says, true);
}

#endif
