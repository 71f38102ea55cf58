/* SPDX-License-Identifier: MIT */
/* Patterns of dialects and of ops.def. */
#include "compiler/emit/dialect.h"

#include <string.h>

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

const char *dialect_prelude(Arena *a, const char *text) {
  static const char line[] = "#include \"compiler/emit/scalar.h\"\n";
  const char *at = strstr(text, line);
  if (!at) bug("a prelude without the scalar functions");
  return arena_printf(a, "%.*s%s%s", (int)(at - text), text, scalar_text(), at + strlen(line));
}
