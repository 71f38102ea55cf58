/* SPDX-License-Identifier: MIT */
/* Every error of scanner, layout, grammar and tree makers goes through here: after
 * so many of them nothing more is read. */
#include "dsl/parse_internal.h"

Diag *syntax_diag(Parser *p, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *message = arena_vprintf(p->arena, fmt, ap);
  va_end(ap);
  if (diags_errors(p->diags) >= DIAG_MAX) {
    p->stopped = p->at_limit = true; /* ast_parse unwinds, once all is given back */
    return NEW(p->arena, Diag);
  }
  return diag_error(p->diags, code, at, "%s", message);
}
