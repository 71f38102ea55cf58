/* SPDX-License-Identifier: MIT */
/* What a file uses: libraries by their name, other files by their path, each read once for the
 * numbers that it is used with. A file without a loss of its own goes on where those that it uses
 * stand: what they declare is its own too, and what they train it trains. */
#include <string.h>

#include "compiler/lower/file.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

enum { NESTED = 32 }; /* files that use each other */

struct Import {
  const char *path; /* or the library's name */
  const char *with; /* what is said of its numbers */
  Scope *scope;
  Roots roots;
};

/* Remembered before it is read: a circle ends here. */
static int remember(Lowering *l, const char *path, const char *with, Scope *s) {
  struct Import im = {.path = path, .with = with, .scope = s};
  vec_push(l->arena, &l->imports, im);
  return l->imports.n - 1;
}

static const struct Import *remembered(const Lowering *l, const char *path, const char *with) {
  for (int i = 0; i < l->imports.n; i++)
    if (!strcmp(l->imports.at[i].path, path) && !strcmp(l->imports.at[i].with, with))
      return &l->imports.at[i];
  return NULL;
}

/* ---- libraries ------------------------------------------------------------------- */

Scope *std_scope(Lowering *l, const char *name, Span at) {
  const struct Import *known = remembered(l, name, "");
  if (known) return known->scope;
  size_t size;
  const char *text = std_source(name, &size);
  if (!text) {
    VEC(const char *) names = {0};
    for (int i = 0; i < std_count(); i++) vec_push(l->arena, &names, std_name(i));
    Diag *x = lower_error(l, 304, at, "there is no library '%s'", name);
    if (!diag_hint_near(l->d, x, name, names.at, names.n))
      diag_hint(l->d, x, "a file of yours is imported by its path: use \"%s.td\"", name);
    return NULL;
  }
  Scope *s = scope_new(l, l->core, false);
  remember(l, name, "", s);
  int file = diags_source(l->d, arena_printf(l->arena, "<std/%s.td>", name), text, size);
  declare_file(l, file, s, NULL, &(Roots){0});
  return s;
}

/* The numbers that `with` gives. */
static void say(Lowering *l, const ADecl *use, Overrides *out) {
  for (int i = 0; i < use->binds.n; i++) {
    const ABind *b = &use->binds.at[i];
    Override *v = NEW(l->arena, Override);
    *v = (Override){.name = b->target.name, .value = b->value, .span = b->target.span};
    for (int k = 0; k < i; k++) {
      const ATarget *first = &use->binds.at[k].target;
      if (first->name != v->name) continue;
      Diag *x = lower_error(l, 403, v->span, "a second '%s'", v->name);
      diag_note(l->d, x, first->span, "the first is here");
    }
    vec_push(l->arena, &out->own, v);
  }
}

Scope *std_used(Lowering *l, const ADecl *use) {
  Scope *s = std_scope(l, use->name, use->span);
  Overrides with = {0};
  say(l, use, &with);
  if (s) overrides_used(l, &with, s, arena_printf(l->arena, "the library '%s'", use->name));
  return s;
}

/* ---- files ------------------------------------------------------------------------ */

/* A path is relative to the file that uses it. */
static const char *beside(Lowering *l, const char *path, int file) {
  const char *from = diags_source_at(l->d, file)->path;
  const char *slash = strrchr(from, '/');
  if (*path == '/' || !slash || *from == '<') return path;
  return arena_printf(l->arena, "%.*s%s", (int)(slash + 1 - from), from, path);
}

static int nesting(const Overrides *o) {
  int n = 0;
  for (; o; o = o->outer) n++;
  return n;
}

bool path_used(Lowering *l, const ADecl *use, Overrides *over, Used *out) {
  const char *why = "no further file can be read here";
  size_t size;
  const char *path = beside(l, use->path, use->span.file);
  Overrides *mine = NEW(l->arena, Overrides);
  mine->outer = over;
  say(l, use, mine);
  const char *key = override_key(l, mine);
  const struct Import *known = remembered(l, path, key);
  if (known) {
    out->scope = known->scope;
    out->roots = known->roots;
    return true;
  }
  const char *text = NULL;
  if (nesting(mine) > NESTED)
    why = arena_printf(l->arena, "files use each other, more than %d deep", NESTED);
  else if (l->options->load)
    text = l->options->load(l->options->load_ctx, l->arena, path, &size, &why);
  if (!text) {
    lower_error(l, 305, use->span, "%s", why);
    return false;
  }
  out->scope = scope_new(l, l->core, false);
  int k = remember(l, path, key, out->scope);
  bool read = declare_file(l, diags_source(l->d, path, text, size), out->scope, mine, &out->roots);
  l->imports.at[k].roots = out->roots;
  const char *as = arena_printf(l->arena, "'%s'", use->path);
  if (read) overrides_used(l, mine, out->scope, as);
  return true;
}

void import_names(Lowering *l, Scope *into, const Scope *from) {
  for (int i = 0; i < from->names.n; i++)
    if (!scope_here(into, from->names.at[i].name))
      vec_push(l->arena, &into->names, from->names.at[i]);
}

/* One of two declarations that a file has once, the second of which comes with u. False after an
 * error: it does not say which. */
static bool take_root(Lowering *l, const Used *u, ADecl **out, ADecl *theirs) {
  if (!theirs || theirs == *out) return true;
  if (!*out) {
    *out = theirs;
    return true;
  }
  const char *word = adecl_spelling(theirs->kind);
  Diag *x = lower_error(l, 403, u->at->span, "a second '%s' comes with this file", word);
  diag_note(l->d, x, (*out)->span, "the first is here");
  diag_note(l->d, x, theirs->span, "the second is here");
  diag_hint(l->d, x, "say which: with a '%s' of this file", word);
  return false;
}

void take_roots(Lowering *l, Scope *scope, const Taken *taken, Roots *out) {
  const bool train = out->train != NULL, precision = out->precision != NULL;
  for (int i = 0; i < taken->n; i++) {
    const Used *u = &taken->at[i];
    if (!train && !take_root(l, u, &out->train, u->roots.train)) return;
    if (!precision && !take_root(l, u, &out->precision, u->roots.precision)) return;
    if (!train && u->roots.train) out->scope = u->roots.scope;
    import_names(l, scope, u->scope);
  }
}
