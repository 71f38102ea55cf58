/* SPDX-License-Identifier: MIT */
/* Scalar expressions: hash-consing, so that equal expressions are one object
 * and comparing is comparing pointers. Folding stands in fold.c. */
#include "compiler/ir/ir.h"

#include <string.h>

static uint32_t mix(uint32_t h, uint64_t x) {
  uint64_t z = (x ^ ((uint64_t)h << 32 | h)) * UINT64_C(0x9e3779b97f4a7c15);
  z ^= z >> 29;
  z *= UINT64_C(0xbf58476d1ce4e5b9);
  return (uint32_t)(z >> 32) ^ (uint32_t)z;
}

static uint64_t bits_of(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}

static uint32_t hash_of(const Expr *e) {
  uint32_t h = mix((uint32_t)e->kind * 31 + (uint32_t)e->type, (uint64_t)e->prim);
  h = mix(h, (uint64_t)e->inum);
  h = mix(h, bits_of(e->num));
  if (e->node) h = mix(h, (uint64_t)e->node->id + 1);
  if (e->loop) h = mix(h, (uint64_t)e->loop->id + 1);
  for (int i = 0; i < e->nargs; i++) h = mix(h, (uint64_t)e->args[i]->id);
  return h;
}

static bool same(const Expr *a, const Expr *b) {
  if (a->hash != b->hash || a->kind != b->kind || a->type != b->type || a->prim != b->prim ||
      a->nargs != b->nargs || a->inum != b->inum || a->node != b->node || a->loop != b->loop ||
      bits_of(a->num) != bits_of(b->num))
    return false;
  for (int i = 0; i < a->nargs; i++)
    if (a->args[i] != b->args[i]) return false;
  return true;
}

static void rehash(Graph *g, uint32_t size) {
  Expr **table = NEWN(g->arena, Expr *, size);
  for (uint32_t i = 0; i < g->table_size; i++) {
    Expr *e = g->table[i];
    if (!e) continue;
    uint32_t at = e->hash & (size - 1);
    while (table[at]) at = (at + 1) & (size - 1);
    table[at] = e;
  }
  g->table = table;
  g->table_size = size;
}

/* The one expression equal to `key`, made if it is new. */
static Expr *cons(Graph *g, Expr *key) {
  if ((uint32_t)g->nexprs * 2 >= g->table_size) rehash(g, g->table_size ? 2 * g->table_size : 1024);
  key->hash = hash_of(key);
  uint32_t at = key->hash & (g->table_size - 1);
  while (g->table[at]) {
    if (same(g->table[at], key)) return g->table[at];
    at = (at + 1) & (g->table_size - 1);
  }
  Expr *e = NEW(g->arena, Expr);
  *e = *key;
  e->args = NULL;
  if (e->nargs > 0) {
    e->args = NEWN(g->arena, Expr *, e->nargs);
    memcpy(e->args, key->args, (size_t)e->nargs * sizeof *e->args);
  }
  for (int i = 0; i < e->nargs; i++) {
    e->vars |= e->args[i]->vars;
    e->reads |= e->args[i]->reads;
    e->counts |= e->args[i]->counts;
    e->draws |= e->args[i]->draws;
  }
  e->id = g->nexprs++;
  g->table[at] = e;
  return e;
}

Expr *ex_num(Graph *g, double x) {
  Expr key = {.kind = E_NUM, .type = TY_REAL, .num = x};
  return cons(g, &key);
}

Expr *ex_int(Graph *g, int64_t x) {
  Expr key = {.kind = E_INT, .type = TY_INT, .inum = x};
  return cons(g, &key);
}

Expr *ex_bool(Graph *g, bool x) {
  Expr key = {.kind = E_BOOL, .type = TY_BOOL, .inum = x};
  return cons(g, &key);
}

Expr *ex_var(Graph *g, int var) {
  if (var < 0) bug("index variable %d", var);
  Expr key = {.kind = E_VAR, .type = TY_INT, .inum = var, .vars = expr_var_bit(var)};
  return cons(g, &key);
}

Expr *ex_loopvar(Graph *g, Loop *loop) {
  Expr key = {.kind = E_LOOPVAR, .type = TY_INT, .loop = loop, .counts = true};
  return cons(g, &key);
}

Expr *ex_read(Graph *g, Node *n, Expr *const *index) {
  if (n->kind == N_LOOP) bug("the loop %d has no value to read", n->id);
  for (int i = 0; i < n->rank; i++)
    if (index[i]->type != TY_INT)
      bug("index %d of '%s' is %s", i, n->name, type_name(index[i]->type));
  Expr key = {.kind = E_READ,
              .type = n->type,
              .node = n,
              .nargs = n->rank,
              .args = (Expr **)index,
              .reads = true};
  return cons(g, &key);
}

Expr *expr_prim_raw(Graph *g, Prim p, Type type, Expr *const *args) {
  const PrimInfo *info = prim_info(p);
  Expr key = {.kind = E_PRIM,
              .type = type,
              .prim = p,
              .nargs = info->arity,
              .args = (Expr **)args,
              .draws = prim_draws(p)};
  return cons(g, &key);
}

bool ex_is_zero(const Expr *e) {
  return (e->kind == E_NUM && e->num == 0) || (e->kind == E_INT && e->inum == 0);
}

bool ex_is_one(const Expr *e) {
  return (e->kind == E_NUM && e->num == 1) || (e->kind == E_INT && e->inum == 1);
}

bool ex_is_prim(const Expr *e, Prim p) { return e->kind == E_PRIM && e->prim == p; }

int ex_bare_var(const Expr *e) { return e->kind == E_VAR ? (int)e->inum : -1; }
