/* SPDX-License-Identifier: MIT */
/* The names of a graph being read: a node has one with an ordinal, so that y and
 * y'2 are two. */
#include "compiler/ir/read.h"
#include "compiler/ir/spelling.h"

static NamedNode *slot_of(Reader *r, const char *name, int ordinal) {
  uint64_t h =
      ((uint64_t)(uintptr_t)name + (uint64_t)ordinal * 0x51ed27) * UINT64_C(0x9e3779b97f4a7c15);
  int at = (int)(h >> 33) & (r->table_size - 1);
  while (r->table[at].name && (r->table[at].name != name || r->table[at].ordinal != ordinal))
    at = (at + 1) & (r->table_size - 1);
  return &r->table[at];
}

static void grow_table(Reader *r) {
  NamedNode *old = r->table;
  int n = r->table_size;
  r->table_size = n ? 2 * n : 64;
  r->table = NEWN(r->arena, NamedNode, r->table_size);
  for (int i = 0; i < n; i++)
    if (old[i].name) *slot_of(r, old[i].name, old[i].ordinal) = old[i];
}

void read_no_names(Reader *r) { grow_table(r); }

void read_define(Reader *r, ReadToken name, Node *n) {
  if (2 * r->nnames >= r->table_size) grow_table(r);
  NamedNode *e = slot_of(r, name.text, name.ordinal);
  if (e->name)
    read_fail(r, E_TEXT_TWICE, name.span, "'%s' is defined twice; call one %s'2", name.text,
              name.text);
  *e = (NamedNode){name.text, name.ordinal, n};
  r->nnames++;
  while (r->places.n <= n->id) vec_push(r->arena, &r->places, name.span);
  r->places.at[n->id] = name.span;
}

ReadToken read_name(Reader *r) {
  ReadToken t = r->tok;
  if (t.kind != T_NAME) read_fail(r, E_TEXT_SYNTAX, t.span, "expected a name");
  if (!t.quoted && text_is_keyword(t.text))
    read_fail(r, E_TEXT_SYNTAX, t.span,
              "'%s' is a word of the language; as a name it is written `%s`", t.text, t.text);
  read_next(r);
  return t;
}

static void suggest(Reader *r, Diag *d, const char *name) {
  VEC(const char *) known = {0};
  for (int i = 0; i < r->table_size; i++)
    if (r->table[i].name) vec_push(r->arena, &known, r->table[i].name);
  diag_hint_near(r->d, d, name, known.at, known.n);
}

Node *read_lookup(Reader *r) {
  ReadToken t = read_name(r);
  NamedNode *e = slot_of(r, t.text, t.ordinal);
  if (e->name) return e->node;
  Diag *d =
      diag_error(r->d, E_TEXT_NAME, t.span,
                 t.ordinal > 1 ? "there is no node %s'%d above" : "there is no node '%s' above",
                 t.text, t.ordinal);
  suggest(r, d, t.text);
  longjmp(r->failed, 1);
}
