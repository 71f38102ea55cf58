/* SPDX-License-Identifier: MIT */
/* Patterns of dialects and of ops.def. */
#include "compiler/emit/dialect.h"

const char *dialect_spell(const Dialect *d, Arena *a, const char *pattern,
                          const char *const *args) {
  StrBuf b = {0};
  for (const char *s = pattern; *s; s++) {
    if (*s != '$') {
      sb_putc(&b, *s);
      continue;
    }
    s++;
    if (*s == 'r')
      sb_puts(&b, d->suffix);
    else if (*s == 't')
      sb_puts(&b, d->value[TY_REAL]);
    else
      sb_puts(&b, args[*s - '0']);
  }
  const char *text = arena_strndup(a, b.s ? b.s : "", b.n);
  sb_free(&b);
  return text;
}
