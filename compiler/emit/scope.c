/* SPDX-License-Identifier: MIT */
/* Names, levels of the loop nest, and which expressions have a name in scope. */
#include "compiler/emit/emit.h"

#include <string.h>

/* ---- names ------------------------------------------------------------------ */

/* Identifiers end in _NUMBER, unique in the function, so that no user's name
 * can be a keyword, a macro or another one of ours. */
/* Of a long name the last components tell most: a.b.c.d becomes c_d if no more
 * fits into `most` characters. A gradient keeps its d. in front. */
const char *emit_stem(Arena *a, const char *name, size_t most) {
  const char *from = name;
  bool gradient = name[0] == 'd' && name[1] == '.';
  size_t room = most - (gradient ? 2 : 0);
  if (gradient) from += 2;
  while (strlen(from) > room && strchr(from, '.') != NULL) from = strchr(from, '.') + 1;
  char clean[64];
  size_t n = 0;
  for (; *from && n < room && n < sizeof clean - 1; from++) {
    char c = *from;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 (c >= '0' && c <= '9' && (n > 0 || gradient));
    if (plain)
      clean[n++] = c;
    else if (n > 0 && clean[n - 1] != '_')
      clean[n++] = '_';
  }
  while (n > 0 && clean[n - 1] == '_') n--;
  if (n == 0) clean[n++] = 'v';
  return arena_printf(a, "%s%.*s", gradient ? "d_" : "", (int)n, clean);
}

const char *emit_name(Emit *em, const char *stem) {
  return arena_printf(em->arena, "%s_%d", emit_stem(em->arena, stem, 24), em->next_name++);
}

const char *emit_var(Emit *em, int v) {
  em->used_vars |= 1u << v;
  return em->var[v];
}

const char *emit_var_type(const Emit *em) {
  return em->short_vars ? em->dialect->value[TY_INT] : em->dialect->wide;
}

const char *emit_ctype(const Emit *em, Type t) { return em->dialect->stored[t]; }

const char *emit_zero(const Emit *em, Reducer r, Type t) {
  const Dialect *d = em->dialect;
  bool real = t == TY_REAL;
  switch (r) {
  case RED_NONE:
  case RED_SUM:
  case RED_ARGMAX: return real ? "0.0f" : "0";
  case RED_PROD: return real ? "1.0f" : "1";
  case RED_MAX:
    if (real) return arena_printf(em->arena, "-%s", d->infinity);
    return t == TY_BOOL ? "0" : d->int_least;
  case RED_MIN: return real ? d->infinity : t == TY_BOOL ? "1" : d->int_most;
  }
  return "0";
}

/* ---- levels ------------------------------------------------------------------ */

void emit_begin(Emit *em, Plan *p, Group *group) {
  memset(em, 0, sizeof *em);
  em->plan = p;
  em->g = p->g;
  em->arena = p->arena;
  em->group = group;
  em->launch = group ? &group->launch : NULL;
  em->dialect = p->target->dialect;
  if (!p->memos) p->memos = NEW(p->arena, EmitMemos);
  em->memos = p->memos;
  for (int i = 0; i < EMIT_LEVELS; i++) emit_open(em, i);
}

void emit_open(Emit *em, int level) {
  if (level >= EMIT_LEVELS) bug("loops nested too deep in a kernel");
  em->level[level].text.n = 0;
  if (em->level[level].text.s) em->level[level].text.s[0] = 0;
  em->level[level].serial = ++em->memos->serials;
}

void emit_end(Emit *em) {
  for (int i = 0; i < EMIT_LEVELS; i++) sb_free(&em->level[i].text);
}

static EmitMemo *memo_of(Emit *em, const Expr *e) {
  EmitMemos *m = em->memos;
  if (e->id >= m->cap) {
    int cap = em->g->nexprs + em->g->nexprs / 4 + 64;
    m->at =
        arena_grow(em->arena, m->at, (size_t)m->cap * sizeof *m->at, (size_t)cap * sizeof *m->at);
    memset(m->at + m->cap, 0, (size_t)(cap - m->cap) * sizeof *m->at);
    m->cap = cap;
  }
  return &m->at[e->id];
}

const EmitMemo *emit_remembered(Emit *em, const Expr *e) {
  const EmitMemo *m = memo_of(em, e);
  return m->name && em->level[m->level].serial == m->serial ? m : NULL;
}

void emit_define(Emit *em, Expr *e, int level, const char *name) {
  *memo_of(em, e) = (EmitMemo){em->level[level].serial, level, name};
}
