/* SPDX-License-Identifier: MIT */
/* Chance, tensors so far, and the places where they are read. */
#include <string.h>

#include "tests/randtext/internal.h"

const char *const text_dims[DIMS] = {"M", "N", "P"};

/* ---- chance ------------------------------------------------------------------------- */

static uint64_t next(Gen *g) {
  g->state ^= g->state << 13;
  g->state ^= g->state >> 7;
  g->state ^= g->state << 17;
  return g->state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}
void seed_chance(Gen *g, uint64_t seed) {
  g->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 0x1234567;
  for (int i = 0; i < 8; i++) next(g);
}

int below(Gen *g, int n) { return (int)(next(g) % (uint64_t)n); }
bool chance(Gen *g, int percent) { return below(g, 100) < percent; }
void line(Gen *g, const char *text, bool opens, bool closes) {
  TextLine l = {.text = text, .depth = g->depth, .opens = opens, .closes = closes};
  vec_push(g->a, &g->t->lines, l);
}

/* ---- tensors and indices ------------------------------------------------------------ */

Tensor *add_tensor(Gen *g, const char *name, int rank, const int *extent, const int *dim) {
  if (g->ntensors == MOST_TENSORS) { /* the oldest that is no input makes room */
    memmove(&g->tensor[5], &g->tensor[6], (MOST_TENSORS - 6) * sizeof(Tensor));
    g->ntensors--;
  }
  Tensor *t = &g->tensor[g->ntensors++];
  *t = (Tensor){.name = name, .rank = rank, .depth = g->depth};
  for (int k = 0; k < rank; k++) {
    t->extent[k] = extent[k];
    t->dim[k] = dim ? dim[k] : -1;
  }
  return t;
}

const Tensor *any_tensor(Gen *g, bool exact) {
  for (;;) {
    int back = chance(g, 50) ? below(g, g->ntensors < 4 ? g->ntensors : 4) : below(g, g->ntensors);
    const Tensor *t = &g->tensor[g->ntensors - 1 - back];
    if (exact) t = &g->tensor[below(g, 4)];
    if (!t->whole && (!exact || t->exact)) return t;
  }
}

/* A number that is there at every place: of symbols, 0 .. 4. */
const char *symbol(Gen *g) {
  const char *b = "0", *w = TEXT("%d", below(g, g->window));
  for (int i = 0; i < g->nvars; i++)
    if (chance(g, 40))
      w = g->var[i].extent <= g->window && !g->var[i].index ? TEXT("%s + 0", g->var[i].name)
                                                            : TEXT("%s %% W", g->var[i].name);
  if (chance(g, 30)) b = "B - 1";
  return TEXT("ids[%s, %s]", b, w);
}

/* The position of the largest of an input's row: less than that has. */
static const char *largest(Gen *g, int *extent) {
  const Tensor *t = any_tensor(g, true);
  const char *k = TEXT("z%d", g->letters++), *s = "";
  int axis = below(g, t->rank);
  *extent = t->extent[axis];
  for (int i = 0; i < t->rank; i++)
    s = TEXT("%s%s%s", s, i ? ", " : "", i == axis ? k : TEXT("%d", below(g, t->extent[i])));
  return TEXT("%s[%s](%s[%s])", ONE_OF(g, "argmax", "argmin"), k, t->name, s);
}

/* Something in 0 .. extent - 1. */
const char *place(Gen *g, int extent) {
  if (chance(g, 3)) {
    int most;
    const char *k = largest(g, &most);
    return most <= extent ? k : TEXT("min(%s, %d)", k, extent - 1);
  }
  if (chance(g, 10)) return TEXT("%d", below(g, extent));
  if (chance(g, 8))
    return extent >= SYMBOLS ? symbol(g)
           : chance(g, 50)   ? TEXT("min(%s, %d)", symbol(g), extent - 1)
                             : TEXT("%s %% %d", symbol(g), extent);
  if (g->nvars == 0) return TEXT("%d", below(g, extent));
  const Var *v = &g->var[chance(g, 60) ? g->nvars - 1 - below(g, g->nvars < 3 ? g->nvars : 3)
                                       : below(g, g->nvars)];
  if (v->index && v->extent == extent) {
    int how = below(g, 10);
    if (how < 6) return v->name;
    if (how < 8) return TEXT("%d - %s", extent - 1, v->name);
    return TEXT("(%s + %d) %% %d", v->name, 1 + below(g, extent), extent);
  }
  if (v->extent <= extent)
    return v->index && v->written && chance(g, 70)
               ? v->name
               : TEXT("%s + %d", v->name, below(g, extent - v->extent + 1));
  if (chance(g, 30)) return TEXT("%s / %d", v->name, (v->extent + extent - 1) / extent);
  return chance(g, 50) ? TEXT("min(%s, %d)", v->name, extent - 1)
                       : TEXT("%s %% %d", v->name, extent);
}

const char *read_of(Gen *g, const Tensor *t) {
  StrBuf s = {0};
  int guard = chance(g, 12) && t->rank ? below(g, t->rank) : -1;
  const Var *v = NULL;
  for (int i = 0; i < g->nvars && guard >= 0; i++)
    if (g->var[i].extent == t->extent[guard] && g->var[i].index) v = &g->var[i];
  bool instead = chance(g, 50);
  if (v && !instead) sb_printf(&s, "(%s > 0 ? ", v->name);
  sb_puts(&s, t->name);
  for (int k = 0; k < t->rank; k++) {
    const char *at = k == guard && v ? TEXT("%s - 1%s", v->name, instead ? " else 0.25" : "")
                                     : place(g, t->extent[k]);
    sb_printf(&s, "%s%s", k ? ", " : "[", at);
  }
  if (t->rank) sb_putc(&s, ']');
  if (v && !instead) sb_puts(&s, " : -0.5)");
  const char *text = arena_strdup(g->a, s.s);
  sb_free(&s);
  return text;
}

/* A call of whole tensors, indexed at once. */
const char *read_of_call(Gen *g) {
  const Tensor *t = any_tensor(g, false);
  const char *s = "", *call;
  int extent[MOST_AXES];
  memcpy(extent, t->extent, sizeof extent);
  if (t->rank == 0) return t->name;
  if (t->rank == 2 && chance(g, 40)) {
    call = TEXT("tr(%s)", t->name);
    extent[0] = t->extent[1], extent[1] = t->extent[0];
  } else if (t->rank == 2 && t->extent[0] == t->extent[1] && chance(g, 30)) {
    call = TEXT("blend(%s, %s)", t->name, t->name);
  } else if (t->rank == 2 && chance(g, 20)) {
    return TEXT("row_mean(%s)[%s]", t->name, place(g, t->extent[0]));
  } else {
    call = TEXT("%s(%s)", ONE_OF(g, "running", "row_softmax", "fixed", "tripled", "last_turn"),
                t->name);
  }
  for (int k = 0; k < t->rank; k++) s = TEXT("%s%s%s", s, k ? ", " : "", place(g, extent[k]));
  return TEXT("%s[%s]", call, s);
}

const char *letter(Gen *g) { return TEXT("%c%d", "adefgr"[below(g, 6)], g -> letters++); }
