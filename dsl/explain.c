/* SPDX-License-Identifier: MIT */
/* The table of diagnostic codes, made from codes.def: what `tdc explain` says
 * and what the reference lists. */
#include "dsl/diag.h"

#include <string.h>

typedef struct Code {
  bool warning;
  int number;
  const char *title, *text;
} Code;

enum { ERROR = 0, WARNING = 1 };
#define X(level, number, title, text) {level, number, title, text},
static const Code CODES[] = {
#include "dsl/codes.def"
};
#undef X

enum { CODE_COUNT = sizeof CODES / sizeof *CODES };

static const Code *find_code(int code, bool warning) {
  for (int i = 0; i < CODE_COUNT; i++)
    if (CODES[i].number == code && CODES[i].warning == warning) return &CODES[i];
  return NULL;
}

const char *diag_explain(int code, bool warning) {
  const Code *c = find_code(code, warning);
  return c ? c->text : NULL;
}

const char *diag_title(int code, bool warning) {
  const Code *c = find_code(code, warning);
  return c ? c->title : NULL;
}

int diag_code_count(void) { return CODE_COUNT; }

/* Rows stand in the table as they were added; the i-th smallest is found by
 * counting how many are smaller. Errors and warnings share the numbering. */
int diag_code_at(int i, bool *warning) {
  for (int k = 0; k < CODE_COUNT; k++) {
    int smaller = 0;
    for (int j = 0; j < CODE_COUNT; j++) {
      int a = 2 * CODES[j].number + CODES[j].warning, b = 2 * CODES[k].number + CODES[k].warning;
      smaller += a < b || (a == b && j < k);
    }
    if (smaller == i) {
      *warning = CODES[k].warning;
      return CODES[k].number;
    }
  }
  bug("no diagnostic code %d of %d", i, (int)CODE_COUNT);
}
