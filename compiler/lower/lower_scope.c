/* SPDX-License-Identifier: MIT */
/* Scopes: chains of names with their values. Finding a name here settles nothing. */
#include <string.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

Scope *scope_new(Lowering *l, Scope *parent, bool function) {
  Scope *s = NEW(l->arena, Scope);
  s->arena = l->arena;
  s->parent = parent;
  s->function = function;
  return s;
}

/* Many names are looked up in an index, which follows the list. */
static Binding *scope_look_up(Scope *s, const char *name) {
  for (; s->indexed < s->names.n; s->indexed++)
    *namemap_at(s->arena, &s->index, s->names.at[s->indexed].name) = s->indexed + 1;
  const int *place = namemap_find(&s->index, name);
  return place ? &s->names.at[*place - 1] : NULL;
}

Binding *scope_here(Scope *s, const char *name) {
  if (s->names.n > 16) return scope_look_up(s, name);
  for (int i = s->names.n - 1; i >= 0; i--)
    if (s->names.at[i].name == name) return &s->names.at[i];
  return NULL;
}

Binding *scope_find(Scope *s, const char *name) {
  for (; s; s = s->parent) {
    Binding *b = scope_here(s, name);
    if (b) return b;
  }
  return NULL;
}

void scope_set(Lowering *l, Scope *s, const char *name, Value *v, Span at) {
  Binding *old = scope_here(s, name);
  if (old) {
    old->value = v;
    return;
  }
  Binding b = {.name = name, .value = v, .span = at};
  vec_push(l->arena, &s->names, b);
}

Fn *find_fn(Lowering *l, Scope *s, const char *name) {
  (void)l;
  Binding *b = scope_find(s, name);
  return b && b->value->kind == V_FN ? b->value->fn : NULL;
}

/* Does a line of text begin with `op NAME(` or `block NAME(`? */
static bool declares(const char *text, const char *name) {
  static const char *const words[] = {"op ", "block "};
  size_t n = strlen(name);
  for (const char *line = text; line; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    for (int i = 0; i < 2; i++) {
      size_t w = strlen(words[i]);
      if (!strncmp(line, words[i], w) && !strncmp(line + w, name, n) && line[w + n] == '(')
        return true;
    }
  }
  return false;
}

const char *std_declaring(const char *function) {
  for (int i = 0; i < std_count(); i++) {
    size_t size;
    const char *text = std_source(std_name(i), &size);
    if (text && declares(text, function)) return std_name(i);
  }
  return NULL;
}
