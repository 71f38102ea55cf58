/* SPDX-License-Identifier: MIT */
/* Numbers given anew from outside their file, by -D and by `use "path" with NAME = e`. Both stand
 * in place of what the declaration says, and are computed there. */
#include <string.h>

#include "compiler/lower/file.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

enum { E_UNKNOWN = 420 };

static bool declares(const AFile *f, const char *name) {
  for (int i = 0; i < f->decls.n; i++) {
    const ADecl *d = f->decls.at[i];
    if (d->kind != D_CONST && d->kind != D_DIM && d->kind != D_AXIS) continue;
    for (int k = 0; k < d->binds.n; k++)
      if (!strcmp(d->binds.at[k].target.name, name)) return true;
  }
  return false;
}

/* Does what is said outside of that name reach through the file that uses this one? */
static bool passes(const Overrides *o, const char *name) {
  return o->outer && !declares(o->outer->file, name);
}

static Override *find(const Overrides *o, const char *name, bool use) {
  Override *found = passes(o, name) ? find(o->outer, name, use) : NULL;
  for (int i = 0; i < o->own.n; i++) {
    Override *v = o->own.at[i];
    if (strcmp(v->name, name) != 0) continue;
    if (use) v->used = true;
    if (!found) found = v;
  }
  return found;
}

Override *override_of(const Overrides *o, const char *name) { return find(o, name, true); }

bool override_reaches(const Overrides *o, const char *name) {
  return !o->outer || (passes(o, name) && override_reaches(o->outer, name));
}

const AExpr *override_value(Lowering *l, Override *v) {
  if (v->value || v->parsed || v->bad) return v->value ? v->value : v->parsed;
  int file = diags_source(l->d, arena_printf(l->arena, "-D %s", v->name), v->text, strlen(v->text));
  v->parsed = ast_parse_expr(l->arena, l->names, l->d, file);
  v->bad = !v->parsed;
  return v->parsed;
}

const char *override_key(Lowering *l, const Overrides *o) {
  StrBuf b = {0};
  for (const Overrides *k = o; k; k = k->outer)
    for (int i = 0; i < k->own.n; i++) {
      const Override *v = k->own.at[i];
      if (find(o, v->name, false) != v) continue;
      sb_printf(&b, "%s=", v->name);
      if (v->value)
        ast_print_expr(v->value, &b);
      else
        sb_puts(&b, v->text);
      sb_putc(&b, '\n');
    }
  const char *key = arena_strndup(l->arena, b.s ? b.s : "", b.n);
  sb_free(&b);
  return key;
}

bool overrides_used(Lowering *l, const Overrides *o, const Scope *s, const char *file) {
  bool ok = true;
  for (int i = 0; i < o->own.n; i++) {
    const Override *v = o->own.at[i];
    if (v->used) continue;
    VEC(const char *) names = {0};
    for (int up = 0; s && up < 2; up++) /* the file's, and those of what it uses */
      for (int k = 0; k < (up ? s->parent : s)->names.n; k++) {
        const Binding *b = &(up ? s->parent : s)->names.at[k];
        if (b->value->kind == V_NUM) vec_push(l->arena, &names, b->name);
      }
    const char *what = v->text ? "-D " : "";
    Diag *x =
        lower_error(l, E_UNKNOWN, v->span, "%s%s: %s declares no const, dim or axis of that name",
                    what, v->name, file);
    diag_hint_near(l->d, x, v->name, names.at, names.n);
    ok = false;
  }
  return ok;
}
