/* SPDX-License-Identifier: MIT */
/* Words of other languages and what is written here instead: the table idioms.def. */
#include <string.h>

#include "dsl/diag.h"

static const Idiom idioms[] = {
#define X(names, says, code) {names, says, code},
#include "dsl/idioms.def"
#undef X
};

enum { IDIOMS = sizeof idioms / sizeof *idioms };

int idiom_count(void) { return IDIOMS; }

const Idiom *idiom_at(int i) { return &idioms[i]; }

const Idiom *idiom_of(const char *word) {
  size_t n = strlen(word);
  for (int i = 0; i < IDIOMS && n > 0; i++)
    for (const char *at = idioms[i].names; (at = strstr(at, word)); at++) {
      bool begins = at == idioms[i].names || at[-1] == ' ', ends = !at[n] || at[n] == ' ';
      if (begins && ends) return &idioms[i];
    }
  return NULL;
}

bool diag_hint_idiom(Diags *d, Diag *x, const char *word) {
  const Idiom *idiom = idiom_of(word);
  if (idiom) diag_hint(d, x, "%s: %s", idiom->says, idiom->code);
  return idiom != NULL;
}
