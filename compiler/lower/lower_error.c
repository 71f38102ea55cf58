/* SPDX-License-Identifier: MIT */
/* Errors and warnings of lowering: with the calls that led to the place, and shapes
 * and extents in words. */
#include <string.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

/* Errors that another choice of extents might not give. */
static bool about_extents(int code) {
  return code == 201 || code == 204 || code == 205 || code == 221 || code == 223 || code == 225 ||
         code == 227;
}

/* Does some text call d? Then an error, or the lack of a step, kept it from being reached. */
static bool called(const Lowering *l, const ADecl *d) {
  for (int i = 0; i < l->files.n; i++)
    if (ast_calls(l->files.at[i], d->name, d)) return true;
  return false;
}

/* The calls that led here. */
static void note_calls(Lowering *l, Diag *x) {
  int shown = 0;
  for (CallContext *c = l->calls; c && shown < 4; c = c->parent) {
    bool again = false;
    for (CallContext *k = l->calls; k != c; k = k->parent)
      again = again || !memcmp(&k->span, &c->span, sizeof c->span);
    if (again) continue; /* a recursion */
    if (c->span.line) {
      diag_note(l->d, x, c->span, "in this use of '%s'", c->name);
      shown++;
    } else if (l->assumed && *l->assumed && about_extents(x->code)) {
      diag_note(l->d, x, c->decl->name_span,
                called(l, c->decl) ? "'%s' was checked by itself, with %s"
                                   : "nothing uses '%s'; it was checked with %s",
                c->name, l->assumed);
    }
  }
}

Diag *lower_error(Lowering *l, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(l->arena, fmt, ap);
  va_end(ap);
  Diag *x = diag_error(l->d, code, at, "%s", text);
  l->nerrors++;
  note_calls(l, x);
  return x;
}

Diag *lower_warn(Lowering *l, int code, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *text = arena_vprintf(l->arena, fmt, ap);
  va_end(ap);
  Diag *x = diag_warn(l->d, code, at, "%s", text);
  note_calls(l, x);
  return x;
}

const char *extent_text(Lowering *l, const char *id, int64_t extent) {
  return id ? arena_printf(l->arena, "%s = %lld", id, (long long)extent)
            : arena_printf(l->arena, "%lld", (long long)extent);
}

const char *shape_text(Lowering *l, const Value *v) {
  if (v->kind == V_NUM) return "a number";
  StrBuf b = {0};
  sb_putc(&b, '[');
  for (int k = 0; k < v->rank; k++) {
    if (k) sb_puts(&b, ", ");
    if (v->axis[k].id)
      sb_puts(&b, v->axis[k].id);
    else
      sb_printf(&b, "%lld", (long long)v->axis[k].extent);
  }
  sb_putc(&b, ']');
  const char *s = arena_strdup(l->arena, b.s);
  sb_free(&b);
  return s;
}
