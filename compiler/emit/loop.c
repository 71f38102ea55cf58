/* SPDX-License-Identifier: MIT */
/* Loops. */
#include "compiler/emit/emit.h"

void emit_for(const Emit *em, StrBuf *out, const char *var, const char *from, const char *to,
              const char *clauses) {
  const Dialect *d = em->dialect;
  if (clauses && d->vector_loop)
    sb_puts(out, dialect_spell(d, em->arena, d->vector_loop, &clauses));
  sb_printf(out, "for (%s %s = %s; %s < %s; %s++) {\n", emit_var_type(em), var, from, var, to, var);
}
