/* SPDX-License-Identifier: MIT */
/* Expressions over the indices around. */
#include <string.h>

#include "tests/randtext/internal.h"

/* ---- expressions -------------------------------------------------------------------- */

static const char *truth_read(Gen *g) {
  const Tensor *t = NULL;
  const char *s = "";
  for (int i = 0; i < g->ntensors; i++)
    if (g->tensor[i].truth && (!t || chance(g, 50))) t = &g->tensor[i];
  if (!t) return NULL;
  for (int k = 0; k < t->rank; k++) s = TEXT("%s%s%s", s, k ? ", " : "", place(g, t->extent[k]));
  return TEXT("%s[%s]", t->name, s);
}

const char *condition(Gen *g, int depth) {
  const char *held = chance(g, 30) ? truth_read(g) : NULL;
  if (held) return held;
  const Var *v = g->nvars ? &g->var[below(g, g->nvars)] : NULL;
  const Var *w = g->nvars ? &g->var[below(g, g->nvars)] : NULL;
  int how = below(g, depth > 0 ? 8 : 5);
  if (how < 2 && v)
    return TEXT("%s %s %s", v->name, ONE_OF(g, "<", "<=", "==", "!=", ">", ">="),
                v != w ? w->name : TEXT("%d", below(g, v->extent)));
  if (how == 2) return TEXT("%s %s %d", symbol(g), ONE_OF(g, "<", ">=", "=="), below(g, SYMBOLS));
  if (how < 5)
    return TEXT("%s %s %s", read_of(g, any_tensor(g, true)), ONE_OF(g, "<", ">"),
                ONE_OF(g, "0.3", "-0.2", "0.0", "0.7"));
  if (how == 5)
    return TEXT("(%s) %s (%s)", condition(g, 0), ONE_OF(g, "&&", "||"), condition(g, 0));
  if (how == 6 || g->nvars + 1 >= MOST_VARS) return TEXT("!(%s)", condition(g, 0));
  const char *k = letter(g), *body;
  int extent = 1 + below(g, 3);
  g->var[g->nvars++] = (Var){k, extent, true, true};
  body = condition(g, 0);
  g->nvars--;
  return TEXT("%s[%s in %d](%s)", ONE_OF(g, "any", "all"), k, extent, body);
}

/* A reducer over one more index, whose range is written, or said by a bare use. */
static const char *reducer(Gen *g, int depth) {
  if (g->nvars + 1 >= MOST_VARS) return read_of(g, any_tensor(g, false));
  const char *k = letter(g), *body, *range;
  const char *red = ONE_OF(g, "sum", "sum", "sum", "mean", "max", "min", "logsumexp", "prod");
  bool picks = red[0] == 'm' && red[1] != 'e';
  const Tensor *t = any_tensor(g, picks || chance(g, 30));
  const Var *around = g->nvars ? &g->var[below(g, g->nvars)] : NULL;
  bool bare = t->rank && chance(g, 50);
  int axis = bare ? below(g, t->rank) : 0, extent = bare ? t->extent[axis] : 1 + below(g, 4);
  if (!bare && chance(g, 40)) {
    int d = below(g, DIMS);
    range = TEXT("%s in %s", k, text_dims[d]);
    extent = g->dim[d];
  } else if (!bare) {
    range =
        chance(g, 25) && extent > 1 ? TEXT("%s in 1 : %d", k, extent) : TEXT("%s in %d", k, extent);
  } else {
    range =
        around && chance(g, 30) ? TEXT("%s %s %s", k, ONE_OF(g, "<=", "<", "!="), around->name) : k;
  }
  g->var[g->nvars++] = (Var){k, extent, !bare, true};
  if (bare) {
    StrBuf s = {0};
    sb_puts(&s, t->name);
    for (int i = 0; i < t->rank; i++)
      sb_printf(&s, "%s%s", i ? "," : "[", i == axis ? k : place(g, t->extent[i]));
    sb_putc(&s, ']');
    body = arena_strdup(g->a, s.s);
    sb_free(&s);
    if (!picks) body = TEXT("%s %s %s", body, ONE_OF(g, "*", "+", "*"), expr(g, depth - 1));
  } else {
    body = picks ? read_of(g, any_tensor(g, true)) : expr(g, depth - 1);
  }
  const char *guard = chance(g, 20) ? TEXT(" | %s", condition(g, 0)) : "";
  g->nvars--;
  const char *all = TEXT("%s[%s%s](%s)", red, range, guard, body);
  bool empty = *guard || (bare && range != k); /* of nothing it may be infinite */
  return empty && (picks || red[0] == 'l') ? TEXT("max(min(%s, 4.0), -4.0)", all) : all;
}

static const char *function(Gen *g, const char *x) {
  switch (below(g, 17)) {
  case 14: return TEXT("lerp(%s, %s, 0.3)", x, read_of(g, any_tensor(g, false)));
  case 15: return TEXT("clamp(%s, -0.55, 0.45)", x);
  case 16: return TEXT("leaky_relu(slope = 0.2, x = %s)", x);
  case 0: return TEXT("sin(%s)", x);
  case 1: return TEXT("tanh(%s)", x);
  case 2: return TEXT("sigmoid(%s)", x);
  case 3: return TEXT("exp(-abs(%s))", x);
  case 4: return TEXT("sqrt(1 + (%s)^2)", x);
  case 5: return TEXT("log(1.5 + (%s)^2)", x);
  case 6: return TEXT("rsqrt(0.5 + (%s)^2)", x);
  case 7: return TEXT("erf(%s)", x);
  case 8: return TEXT("atan(%s)", x);
  case 9: return TEXT("silu(%s)", x);
  case 10: return TEXT("gelu(%s)", x);
  case 11: return TEXT("relu(%s)", x);
  case 12: return TEXT("softplus(%s)", x);
  default: return TEXT("(%s)^%d", x, 2 + below(g, 2));
  }
}

static const char *clause_call(Gen *g, int depth) {
  const char *x =
      chance(g, 60) ? read_of(g, any_tensor(g, false)) : TEXT("0.7 * (%s)", expr(g, depth - 1));
  switch (below(g, 8)) {
  case 0: return TEXT("fixed(%s)", x);
  case 1: return TEXT("stop(%s)", x);
  case 2: return TEXT("tripled(%s)", x);
  case 3: return TEXT("squared(%s)", x);
  case 4: return TEXT("left_only(%s, %s)", x, read_of(g, any_tensor(g, false)));
  case 5: return TEXT("through(%s)", read_of(g, any_tensor(g, true)));
  case 6: return TEXT("nested(%s)", x);
  default: return TEXT("one(%s)", x);
  }
}

const char *expr(Gen *g, int depth) {
  if (depth <= 0 || g->leaves-- <= 0) {
    if (chance(g, 15))
      return ONE_OF(g, "0.5", "1.5", "-0.75", "2", "0.1", "R", "C / 2", "1 / M", "extent(N)",
                    "0.0");
    return read_of(g, any_tensor(g, chance(g, 30)));
  }
  int clause = g->t->theme == TEXT_CLAUSES ? 25 : 5;
  if (chance(g, clause)) return clause_call(g, depth);
  switch (below(g, 13)) {
  case 0:
  case 1: return TEXT("%s + %s", expr(g, depth - 1), expr(g, depth - 1));
  case 2: return TEXT("(%s - %s)", expr(g, depth - 1), expr(g, depth - 1));
  case 3:
  case 4: return TEXT("(%s) * (%s)", expr(g, depth - 1), expr(g, depth - 1));
  case 5: return TEXT("(%s) / (1.5 + (%s)^2)", expr(g, depth - 1), expr(g, depth - 1));
  case 6:
  case 7: return function(g, expr(g, depth - 1));
  case 8:
  case 9: return reducer(g, depth);
  case 10: return TEXT("(%s ? %s : %s)", condition(g, 1), expr(g, depth - 1), expr(g, depth - 1));
  case 11:
    if (chance(g, 40)) return read_of_call(g);
    if (chance(g, 10)) return TEXT("(training ? %s : %s)", expr(g, 0), expr(g, 0));
    if (chance(g, 10)) { /* what is known leaves the other branch out of the program */
      int k = 1 + below(g, 3);
      return TEXT("(M > %d ? m[%d, 0] : %s)", k, k, expr(g, 0));
    }
    if (g->nvars) {
      const Var *v = &g->var[below(g, g->nvars)];
      return chance(g, 50) ? TEXT("%s / %d", v->name, 2 + below(g, 3))
                           : TEXT("(%s - 1) * %s", v->name, expr(g, 0));
    }
    return TEXT("0.25 * %s", symbol(g));
  default: return read_of(g, any_tensor(g, false));
  }
}
