/* SPDX-License-Identifier: MIT */
/* Loops, in loops too: carries read elsewhere than where they are written, and emits. */
#include <string.h>

#include "tests/randtext/internal.h"

/* ---- loops -------------------------------------------------------------------------- */

/* The next value of a carried tensor: read elsewhere than where it is written. */
static void carry_statement(Gen *g, const Tensor *t, const Var *loops, int nloops) {
  static const char *const letters[] = {"a", "b", "c"};
  StrBuf left = {0}, turned = {0};
  if (t->rank == 2 && t->extent[0] == t->extent[1] && chance(g, 15)) {
    line(g, TEXT("%s = tr(%s)", t->name, t->name), false, false);
    return;
  }
  bool written = chance(g, 50);
  g->nvars = 0;
  for (int k = 0; k < t->rank; k++) {
    sb_printf(&left, "%s%s", k ? "," : "[", letters[k]);
    if (written) sb_printf(&left, " in %d", t->extent[k]);
    g->var[g->nvars++] = (Var){letters[k], t->extent[k], written, true};
  }
  int shift = t->rank > 1 ? below(g, t->rank) : 0;
  bool fits = true;
  for (int k = 0; k < t->rank; k++) fits = fits && t->extent[k] == t->extent[(k + shift) % t->rank];
  for (int k = 0; k < t->rank; k++)
    sb_printf(&turned, "%s%s", k ? "," : "[", letters[fits ? (k + shift) % t->rank : k]);
  if (t->rank) sb_puts(&left, "]"), sb_puts(&turned, "]");
  loop_variables(g, nloops, loops);
  const char *e, *old = TEXT("%s%s", t->name, turned.s ? turned.s : "");
  switch (t->rank ? below(g, 5) : 3) {
  case 0: e = old; break;
  case 1: e = TEXT("%s + 0.25", old); break;
  case 2: e = TEXT("0.5 * %s + 0.5 * %s", old, read_of(g, t)); break;
  case 3: e = TEXT("0.5 * %s + tanh(%s)", old, expr(g, budget(g))); break;
  default:
    e = TEXT("%s - 0.3 * %s * %s", old, read_of(g, t), read_of(g, any_tensor(g, false)));
    break;
  }
  line(g, TEXT("%s%s = %s", t->name, left.s ? left.s : "", e), false, false);
  sb_free(&left);
  sb_free(&turned);
  g->nvars = 0;
}

/* The tensors that are made in a loop end with it. */
static void forget(Gen *g, int depth) {
  int n = 0;
  for (int i = 0; i < g->ntensors; i++)
    if (g->tensor[i].depth <= depth) g->tensor[n++] = g->tensor[i];
  g->ntensors = n;
}

static void loop_body(Gen *g, Tensor t, Var *loops, int nloops);

/* A read that has `i` bare at some axis, which says how often the loop runs. */
static const char *whole_axis(Gen *g, const char *i, int *turns) {
  const Tensor *t = any_tensor(g, false);
  const char *s = "";
  if (t->rank == 0) return NULL;
  int axis = below(g, t->rank);
  *turns = t->extent[axis];
  for (int k = 0; k < t->rank; k++)
    s = TEXT("%s%s%s", s, k ? ", " : "", k == axis ? i : TEXT("%d", below(g, t->extent[k])));
  return TEXT("%s[%s]", t->name, s);
}

static void loop(Gen *g, const Tensor *given, Var *loops, int nloops) {
  int turns = 1 + below(g, 3);
  const char *i = TEXT("i%d", ++g->names);
  Tensor t = *given;
  const char *over = chance(g, 15) ? whole_axis(g, i, &turns) : NULL; /* a read says the range */
  const char *word = over ? "scan" : ONE_OF(g, "for", "scan"), *range = TEXT("%d", turns);
  if (chance(g, 15) && !over) range = TEXT("%d .. 0", turns - 1);
  bool emits = t.rank > 0 && t.rank < MOST_AXES && chance(g, 40);
  if (!emits && !over && chance(g, 15)) range = ONE_OF(g, "2 .. 1", "1 : 3", "0 .. 1"), turns = 3;
  if (nloops == 0 && chance(g, 30)) {
    static const char *const open[] = {"", "[a]", "[a,b]", "[a,b,c]"};
    const char *name = TEXT("h%d", ++g->names);
    const char *from =
        t.rank == 2 && t.extent[0] == t.extent[1] && chance(g, 50) ? "[b,a]" : open[t.rank];
    line(g,
         TEXT("%s %s%s carry %s%s = %s%s {", word, i, over ? "" : TEXT(" in %s", range), name,
              open[t.rank], t.name, from),
         true, false);
    t.name = name;
    for (int k = 0; k < t.rank; k++) t.dim[k] = -1;
    add_tensor(g, name, t.rank, t.extent, t.dim);
  } else {
    line(g, TEXT("%s %s%s {", word, i, over ? "" : TEXT(" in %s", range)), true, false);
  }
  loops[nloops] = (Var){i, turns, false, false};
  g->depth++;
  if (over) {
    line(g, TEXT("o%s[a in 2] = sum[%s](v[%s]) * %s", i, i, i, over), false, false);
  }
  loop_body(g, t, loops, nloops + 1);
  g->depth--;
  forget(g, g->depth);
  if (!emits) {
    line(g, "}", false, true);
    return;
  }
  const char *name = TEXT("t%d", ++g->names);
  int at = below(g, t.rank + 1), shape[MOST_AXES];
  StrBuf s = {0}, r = {0};
  for (int k = 0, n = 0; k <= t.rank; k++) {
    shape[k] = k == at ? turns : t.extent[n];
    sb_printf(&s, "%s%s", k ? "," : "", k == at ? i : TEXT("%c", "abc"[n]));
    if (k != at) sb_printf(&r, "%s%c", n ? "," : "", "abc"[n]), n++;
  }
  line(g, TEXT("} emit %s[%s] = %s[%s]", name, s.s, t.name, r.s), false, true);
  sb_free(&s);
  sb_free(&r);
  add_tensor(g, name, t.rank + 1, shape, NULL);
}

static void loop_body(Gen *g, Tensor t, Var *loops, int nloops) {
  if (chance(g, 40)) statement(g, loops, nloops);
  if (chance(g, 15)) whole_statement(g);
  if (chance(g, 10)) truth_statement(g);
  if (chance(g, 15)) made_statement(g);
  if (nloops < 2 && chance(g, 25)) loop(g, &t, loops, nloops);
  carry_statement(g, &t, loops, nloops);
}

/* Over something that was made before, or made for it; not an input, which nothing changes. */
void loop_statement(Gen *g) {
  Var loops[4];
  const Tensor *t = any_tensor(g, false);
  if (t->exact || t->rank == 0) {
    const char *name = TEXT("t%d", ++g->names);
    bool square = chance(g, 70);
    int shape[2] = {g->dim[0], g->dim[0]};
    if (square && chance(g, 50))
      line(g, TEXT("%s = m", name), false, false);
    else if (square)
      line(g, TEXT("%s[a,b] = m[a,b]", name), false, false);
    else
      line(g, TEXT("%s[a in M, b in N] = n[a,b]", name), false, false), shape[1] = g->dim[1];
    t = add_tensor(g, name, 2, shape, NULL);
  }
  Tensor copy = *t;
  loop(g, &copy, loops, 0);
}
