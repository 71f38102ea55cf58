/* SPDX-License-Identifier: MIT */
/* Statements: indices on the left, with ranges or such as a read says; whole tensors; products. */
#include <string.h>

#include "tests/randtext/internal.h"

/* ---- statements --------------------------------------------------------------------- */

/* Left of `=`: letters with ranges, or such as the first read on the right says. */
typedef struct Left {
  const char *text, *driver; /* driver: a read that uses them bare; NULL: none is needed */
  int rank, extent[MOST_AXES], dim[MOST_AXES];
} Left;

static Left left_side(Gen *g) {
  Left l = {0};
  StrBuf s = {0}, r = {0};
  const Tensor *t = any_tensor(g, false);
  bool driven = t->rank > 0 && chance(g, 50);
  l.rank = driven ? t->rank : 1 + below(g, MOST_AXES);
  int at[MOST_AXES] = {0, 1, 2}; /* axis k of the left is axis at[k] of t */
  for (int k = l.rank - 1; k > 0; k--) {
    int other = below(g, k + 1), x = at[k];
    at[k] = at[other];
    at[other] = x;
  }
  /* b, p and w have dims of their letter, which may be as long as what they run over */
  static const char *const letters[][MOST_AXES] = {{"a", "b", "c"}, {"p", "b", "w"}};
  const char *const *name = letters[below(g, 2)], *of[MOST_AXES] = {NULL};
  g->nvars = 0;
  for (int k = 0; k < l.rank; k++) {
    int d = below(g, DIMS), literal = 1 + below(g, 4);
    bool dim = chance(g, 60);
    l.dim[k] = driven ? t->dim[at[k]] : dim ? d : -1;
    l.extent[k] = driven ? t->extent[at[k]] : dim ? g->dim[d] : literal;
    /* one of equal extents is not told from another by a bare use */
    if (driven && (g->dim[0] == g->dim[1] || g->dim[0] == g->dim[2] || g->dim[1] == g->dim[2] ||
                   name[k][0] != 'a'))
      l.dim[k] = -1;
    if (driven) of[at[k]] = name[k];
    sb_printf(&s, "%s%s", k ? "," : "", name[k]);
    if (!driven) sb_printf(&s, " in %s", dim ? text_dims[d] : TEXT("%d", literal));
    g->var[g->nvars++] = (Var){name[k], l.extent[k], !driven, true};
  }
  for (int k = 0; driven && k < l.rank; k++) sb_printf(&r, "%s%s", k ? "," : "", of[k]);
  l.text = arena_strdup(g->a, s.s);
  if (driven) l.driver = TEXT("%s[%s]", t->name, r.s);
  sb_free(&s);
  sb_free(&r);
  return l;
}

int budget(Gen *g) { return g->leaves = 4 + below(g, 7), 1 + below(g, 3); }

void loop_variables(Gen *g, int outer, const Var *loops) {
  for (int i = 0; i < outer; i++) g->var[g->nvars++] = loops[i];
}

/* One number of all places. */
static void total_statement(Gen *g, const Var *loops, int nloops) {
  const char *name = TEXT("t%d", ++g->names);
  int d = below(g, DIMS), literal = 1 + below(g, 3);
  g->nvars = 0;
  g->var[g->nvars++] = (Var){"a", g->dim[d], true, true};
  g->var[g->nvars++] = (Var){"b", literal, true, true};
  loop_variables(g, nloops, loops);
  line(g,
       TEXT("%s%s = %s[a in %s, b in %d](%s)", name, chance(g, 50) ? "[]" : "",
            ONE_OF(g, "sum", "mean", "logsumexp"), text_dims[d], literal, expr(g, budget(g))),
       false, false);
  add_tensor(g, name, 0, NULL, NULL);
  g->nvars = 0;
}

/* Truth values, for conditions. */
void truth_statement(Gen *g) {
  Left l = left_side(g);
  const char *name = TEXT("k%d", ++g->names), *e = condition(g, 1);
  if (l.driver) e = TEXT("%s != 0.015 && (%s)", l.driver, e);
  line(g, TEXT("%s[%s] = %s", name, l.text, e), false, false);
  Tensor *t = add_tensor(g, name, l.rank, l.extent, l.dim);
  t->whole = t->truth = true;
  g->nvars = 0;
}

void statement(Gen *g, const Var *loops, int nloops) {
  if (chance(g, 6)) {
    total_statement(g, loops, nloops);
    return;
  }
  Left l = left_side(g);
  const char *name = TEXT("t%d", ++g->names);
  const char *kept = nloops == 0 || chance(g, 80) ? "" : ONE_OF(g, "@save ", "@recompute ");
  loop_variables(g, nloops, loops);
  const char *e = expr(g, budget(g));
  e = l.driver ? TEXT("%s %s (%s)", l.driver, ONE_OF(g, "+", "-"), e) : TEXT("0.9 * (%s)", e);
  line(g, TEXT("%s%s[%s] = %s", kept, name, l.text, e), false, false);
  add_tensor(g, name, l.rank, l.extent, l.dim);
  g->nvars = 0;
}

/* p[d in 2] = softmax[d](x[d]): the range on the left is the reducer's. */
void ranged_statement(Gen *g) {
  const Tensor *t = any_tensor(g, false);
  if (t->rank == 0) return;
  int axis = below(g, t->rank), extent = 1 + below(g, t->extent[axis]);
  const char *name = TEXT("t%d", ++g->names), *d = "d";
  int other = below(g, DIMS);
  g->nvars = 0;
  g->var[g->nvars++] = (Var){"b", g->dim[other], true, true};
  StrBuf s = {0};
  for (int k = 0; k < t->rank; k++)
    sb_printf(&s, "%s%s", k ? ", " : "[", k == axis ? d : place(g, t->extent[k]));
  const char *x = TEXT("%s%s]", t->name, s.s), *e;
  sb_free(&s);
  g->var[g->nvars++] = (Var){d, extent, true, true};
  switch (below(g, 7)) {
  case 0: e = TEXT("softmax[d](%s)", x); break;
  case 1: e = TEXT("%s - mean[d](%s)", x, x); break;
  case 2: e = TEXT("softmax[d | d <= b](%s) * %s", x, read_of(g, any_tensor(g, false))); break;
  case 3: e = TEXT("%s * sum[d](%s * %s)", x, x, expr(g, 1)); break;
  case 4: e = TEXT("%s + sum[k in 2](sum[d < k + 1](%s))", x, x); break;
  case 5: e = TEXT("%s + max[d](%s) - logsumexp[d](%s)", x, x, x); break;
  default: e = TEXT("%s - mean[d in %d](%s)", x, t->extent[axis], x); break;
  }
  const char *range = chance(g, 30) && extent == g->dim[0] ? "M" : TEXT("%d", extent);
  bool first = chance(g, 50);
  line(g,
       first ? TEXT("%s[d in %s, b in %s] = %s", name, range, text_dims[other], e)
             : TEXT("%s[b in %s, d in %s] = %s", name, text_dims[other], range, e),
       false, false);
  int shape[2] = {first ? extent : g->dim[other], first ? g->dim[other] : extent};
  add_tensor(g, name, 2, shape, NULL);
  g->nvars = 0;
}

/* All axes of a tensor, each known and once. */
static bool has_own_axes(const Tensor *t) {
  for (int k = 0; k < t->rank; k++)
    for (int i = 0; i <= k; i++)
      if (t->dim[k] < 0 || (i < k && t->dim[i] == t->dim[k])) return false;
  return true;
}

static bool has_axes_of(const Tensor *wide, const Tensor *t) {
  for (int k = 0; k < t->rank; k++) {
    bool found = false;
    for (int i = 0; i < wide->rank; i++) found = found || wide->dim[i] == t->dim[k];
    if (!found) return false;
  }
  return true;
}

void whole_statement(Gen *g) {
  const Tensor *a = any_tensor(g, false), *b = any_tensor(g, false);
  const char *name = TEXT("t%d", ++g->names), *e;
  bool both = false;
  for (int i = 0; i < 2 * g->ntensors && !both && has_own_axes(a); i++) {
    b = any_tensor(g, false);
    both = b != a && has_own_axes(b) && has_axes_of(a, b);
  }
  if (chance(g, 25)) {
    e = TEXT("%s(%s)", ONE_OF(g, "fixed", "stop", "tripled", "silu"), a->name);
    if (!a->rank) e = TEXT("fixed(%s)", a->name);
    if (a->rank && chance(g, 30)) e = TEXT("left_only(%s, 0.7)", a->name);
    if (a->rank && chance(g, 20)) e = TEXT("left_only(0.7, %s)", a->name);
  } else if (a->rank == 2 && chance(g, 30)) {
    e = TEXT("tr(%s)", a->name);
    int extent[2] = {a->extent[1], a->extent[0]}, dim[2] = {a->dim[1], a->dim[0]};
    line(g, TEXT("%s = %s", name, e), false, false);
    add_tensor(g, name, 2, extent, dim);
    return;
  } else if (chance(g, 10)) {
    a = &g->tensor[2 + below(g, 2)];
    e = TEXT("%s > 0.2 ? sin(%s) : 0.5 * %s", a->name, a->name, a->name);
  } else if (both) {
    e = chance(g, 50) ? TEXT("%s * %s + 0.5", a->name, b->name)
                      : TEXT("sin(%s) - 2 * %s", a->name, b->name);
  } else {
    e = has_own_axes(a) ? TEXT("0.5 * %s", a->name) : TEXT("%s", a->name);
  }
  line(g, TEXT("%s = %s", name, e), false, false);
  add_tensor(g, name, a->rank, a->extent, a->dim);
}

/* What is steep or no number where it is not taken. */
void steep_statement(Gen *g) {
  const char *name = TEXT("t%d", ++g->names), *x = ONE_OF(g, "v[a]", "m[a,0]", "n[a, N - 1]");
  g->nvars = 0;
  g->var[g->nvars++] = (Var){"a", g->dim[0], true, true};
  const char *f =
      ONE_OF(g, "sqrt(%s)", "log(%s)", "rsqrt(%s)", "1 / (%s)", "pow(%s, 0.5)", "pow(%s, -1.5)");
  line(g,
       TEXT("s%s[a in M] = %.*s%s%s", name, (int)strcspn(f, "%"), f, TEXT("max(%s, 0.0)", x),
            f + strcspn(f, "%") + 2),
       false, false);
  line(g, TEXT("%s[a in M] = %s > 0.05 ? s%s[a] * %s : %s", name, x, name, expr(g, 1), expr(g, 1)),
       false, false);
  add_tensor(g, name, 1, &g->dim[0], NULL);
  g->nvars = 0;
}

/* Two results of one call. */
void pieces_statement(Gen *g) {
  const Tensor *t = any_tensor(g, false);
  if (t->rank != 2) return;
  int first = ++g->names, second = ++g->names, turned[2] = {t->extent[1], t->extent[0]},
      dims[2] = {t->dim[1], t->dim[0]};
  Tensor from = *t;
  line(g, TEXT("t%d, t%d = pieces(%s)", first, second, t->name), false, false);
  add_tensor(g, TEXT("t%d", first), 1, from.extent, from.dim);
  add_tensor(g, TEXT("t%d", second), 2, turned, dims);
}

void made_statement(Gen *g) {
  const Tensor *t = NULL;
  for (int i = 0; i < 20 && !t; i++) {
    t = any_tensor(g, false);
    if (t->rank != 2 || t->extent[0] != g->made[0] || t->extent[1] != g->made[1]) t = NULL;
  }
  if (!g->made[0] || !t) return;
  const char *name = TEXT("t%d", ++g->names);
  int extent[2] = {t->extent[1], t->extent[0]}, dim[2] = {t->dim[1], t->dim[0]};
  g->called = true;
  line(g, TEXT("%s = made(%s, m, n, v, u, ids, j)", name, t->name), false, false);
  add_tensor(g, name, 2, extent, dim);
}

/* A product whose index is nowhere else is a sum over it. */
void product_statement(Gen *g) {
  const Tensor *x = any_tensor(g, false), *y = any_tensor(g, false);
  const char *name = TEXT("t%d", ++g->names);
  for (int i = 0;
       i < 40 && (x->rank == 0 || y->rank == 0 || x->extent[x->rank - 1] != y->extent[0]); i++)
    x = any_tensor(g, false), y = any_tensor(g, false);
  if (x->rank == 0 || y->rank == 0 || x->extent[x->rank - 1] != y->extent[0]) return;
  const char *left = "", *of_x = "", *of_y = "k";
  int extent[2 * MOST_AXES], rank = 0;
  for (int i = 0; i + 1 < x->rank && rank < MOST_AXES; i++) {
    extent[rank] = x->extent[i];
    of_x = TEXT("%s%c,", of_x, "ace"[rank]);
    left = TEXT("%s%s%c", left, rank ? "," : "", "ace"[rank]);
    rank++;
  }
  for (int i = 1; i < y->rank; i++) {
    if (rank == MOST_AXES) {
      of_y = TEXT("%s,%d", of_y, below(g, y->extent[i]));
      continue;
    }
    extent[rank] = y->extent[i];
    of_y = TEXT("%s,%c", of_y, "ace"[rank]);
    left = TEXT("%s%s%c", left, rank ? "," : "", "ace"[rank]);
    rank++;
  }
  g->nvars = 0;
  const char *more = chance(g, 30)   ? " / 3"
                     : chance(g, 30) ? TEXT(" * %s", chance(g, 50) ? "v[k % M]" : "u[0]")
                                     : "";
  line(g,
       TEXT("%s[%s] = %s%s[%sk] * %s[%s]%s", name, left, chance(g, 20) ? "-" : "", x->name, of_x,
            y->name, of_y, more),
       false, false);
  add_tensor(g, name, rank, extent, NULL);
}

/* Blocks, whose parameters must reach the loss: the last thing that is done. */
void block_statement(Gen *g) {
  const Tensor *t = &g->tensor[g->ntensors - 1];
  const char *name = TEXT("t%d", ++g->names);
  int rank = t->rank, extent[MOST_AXES];
  if (t->exact || t->whole || rank == 0) return;
  memcpy(extent, t->extent, sizeof extent);
  if (chance(g, 15)) { /* a model has the same parameters in each call */
    g->sub = true;
    line(g, TEXT("%s[a in M, b in N] = sub(n)[a,b] - 0.5 * sub(sub(n))[a,b]", name), false, false);
    rank = 2, extent[0] = g->dim[0], extent[1] = g->dim[1];
  } else if (chance(g, 30)) {
    line(g, TEXT("%s = linear(%s, 3)", name, t->name), false, false);
    extent[rank - 1] = 3;
  } else if (rank == 2 && chance(g, 50)) { /* its parameters are stacked twice */
    line(g, TEXT("%s = %s", name, t->name), false, false);
    line(g, TEXT("for i in %d {", 1 + below(g, 3)), true, false);
    g->depth++;
    if (chance(g, 50)) line(g, TEXT("%s = twins(%s)", name, name), false, false);
    line(g, TEXT("%s k in 2 {", ONE_OF(g, "for", "scan")), true, false);
    g->depth++;
    line(g, TEXT("%s = mix(%s)", name, name), false, false);
    g->depth--;
    line(g, "}", false, true);
    g->depth--;
    line(g, "}", false, true);
  } else {
    line(g, TEXT("%s = %s", name, t->name), false, false);
    line(g, TEXT("for i in %d {", 1 + below(g, 3)), true, false);
    g->depth++;
    const char *norm = ONE_OF(g, "rmsnorm", "layernorm"), *x = name;
    if (chance(g, 40)) x = TEXT("%s(%s, 0.1)", norm, name);
    line(g, TEXT("%s = %s(%s, 0.1)", name, norm, x), false, false);
    g->depth--;
    line(g, "}", false, true);
  }
  add_tensor(g, name, rank, extent, NULL);
}
