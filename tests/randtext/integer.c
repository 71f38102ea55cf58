/* SPDX-License-Identifier: MIT */
/* Integers near their limits, integers that loops carry, symbols, and places that they say. */
#include <string.h>

#include "tests/randtext/internal.h"

/* ---- integers near their limits ----------------------------------------------------- */

static const char *whole_leaf(Gen *g) {
  const Var *v = g->nvars ? &g->var[below(g, g->nvars)] : NULL;
  switch (below(g, 6)) {
  case 0:
    return ONE_OF(g, "2147483647", "2147483648", "46341", "65536", "4294967296", "9007199254740993",
                  "9223372036854775807", "3037000500", "1000000007");
  case 1: return TEXT("%d", below(g, 8));
  case 2: return v ? v->name : "3";
  case 3:
  case 4:
    return v && v->extent <= g->dim[0]
               ? TEXT("j[%s]",
                      v->index && v->extent == g->dim[0] ? v->name : TEXT("%s %% M", v->name))
               : TEXT("j[%d]", below(g, g->dim[0]));
  default: return symbol(g);
  }
}

static const char *whole(Gen *g, int depth) {
  if (depth <= 0) return whole_leaf(g);
  if (chance(g, 10) && g->nvars + 1 < MOST_VARS) {
    const char *k = letter(g), *red = ONE_OF(g, "sum", "prod", "max", "min"), *e;
    g->var[g->nvars++] = (Var){k, 2, true, true};
    e = whole(g, depth - 1);
    g->nvars--;
    return TEXT("%s[%s in 2](%s)", red, k, chance(g, 50) ? TEXT("(%s) %% 46341", e) : e);
  }
  if (chance(g, 8))
    return TEXT("int(%s * stop(%s))", ONE_OF(g, "8.0", "16384.0", "4294967296.0"),
                read_of(g, any_tensor(g, true)));
  const char *x = whole(g, depth - 1), *y = whole(g, chance(g, 50) ? depth - 1 : 0);
  switch (below(g, 12)) {
  case 0:
  case 1: return TEXT("(%s + %s)", x, y);
  case 2: return TEXT("(%s - %s)", x, y);
  case 3:
  case 4:
  case 5: return TEXT("%s * %s", x, y);
  case 6: return TEXT("(%s) %% %s", x, ONE_OF(g, "7", "16", "46341", "2147483647", "65536", "-5"));
  case 7: return TEXT("min(%s, %s)", x, y);
  case 8: return TEXT("max(%s, %s)", x, y);
  case 9: return TEXT("(%s ? %s : %s)", condition(g, 0), x, y);
  case 10: return TEXT("abs(%s)", x);
  default: return TEXT("(-(%s))", x);
  }
}

/* An integer of 32 bits, or what the compiler will not have. */
void integer_statement(Gen *g) {
  const char *name = TEXT("q%d", ++g->names), *e;
  g->var[g->nvars++] = (Var){"a", g->dim[0], true, true};
  e = whole(g, 1 + below(g, 3));
  switch (below(g, 6)) {
  case 0: e = TEXT("min(max(%s, -2147483648), 2147483647)", e); break;
  case 1: e = TEXT("(%s) %% 2147483648", e); break;
  case 2: {
    g->var[g->nvars++] = (Var){"k", 3, true, true};
    e = TEXT("sum[k in 3](min(max(%s, -%s), 715827882))", whole(g, 2),
             ONE_OF(g, "715827882", "715827883", "2147483648", "1000"));
    g->nvars--;
    break;
  }
  case 3: e = TEXT("(%s) %% %d", e, 2 + below(g, 100)); break;
  default: break;
  }
  g->nvars--;
  line(g, TEXT("%s[a in M] = %s", name, e), false, false);
  Tensor *t = add_tensor(g, name, 1, &g->dim[0], (int[]){0});
  t->whole = true;
}

/* Reads at places that integers say, and numbers made of them. */
void integer_use(Gen *g) {
  const Tensor *q = NULL, *t = any_tensor(g, false);
  for (int i = 0; i < g->ntensors; i++)
    if (g->tensor[i].whole && !g->tensor[i].truth && (!q || chance(g, 50))) q = &g->tensor[i];
  const char *name = TEXT("t%d", ++g->names), *at = q ? TEXT("%s[a]", q->name) : "j[a]";
  StrBuf s = {0};
  sb_puts(&s, t->name);
  for (int k = 0; k < t->rank; k++) {
    const char *i =
        chance(g, 50) ? TEXT("min(max(%s, 0), %d)", at, t->extent[k] - 1)
        : chance(g, 50)
            ? TEXT("%s * %s %% %d", at, ONE_OF(g, "3", "46341", "2147483647", at), t->extent[k])
            : TEXT("%s / %s %% %d", at, ONE_OF(g, "3", "7", "65536"), t->extent[k]);
    sb_printf(&s, "%s%s", k ? ", " : "[", i);
  }
  sb_puts(&s, t->rank ? "]" : "");
  line(g, TEXT("%s[a in M] = %s + 0.125 * (%s %% 7)", name, s.s, at), false, false);
  sb_free(&s);
  add_tensor(g, name, 1, &g->dim[0], (int[]){0});
}

/* Integers that a loop carries, and reads at places that they say. */
void counting_statement(Gen *g) {
  const char *c = TEXT("c%d", ++g->names), *name = TEXT("t%d", g->names),
             *i = TEXT("i%d", g->names);
  const Tensor *t = any_tensor(g, false);
  bool each = chance(g, 50);
  const char *a = each ? "[a]" : "", *s = "";
  g->nvars = 0;
  if (each) g->var[g->nvars++] = (Var){"a", g->dim[0], true, true};
  line(g,
       TEXT("%s %s in %d carry %s%s = %s {", ONE_OF(g, "for", "scan"), i, 1 + below(g, 3), c,
            each ? "[a in M]" : "",
            each ? TEXT("j[a] %% %d", 2 + below(g, 7)) : TEXT("%s + %d", symbol(g), below(g, 3))),
       true, false);
  g->depth++;
  g->var[g->nvars++] = (Var){i, 1, false, false};
  const char *was = TEXT("%s%s", c, a), *by = ONE_OF(g, "3", "5", "46341", "1103515245", "-7");
  line(g,
       TEXT("%s%s = (%s%s * %s + %s) %% %s", c, each ? "[a in M]" : "", was,
            chance(g, 50) ? " % 1000" : "", by, ONE_OF(g, i, "2", "j[0] % 3", "-1"),
            ONE_OF(g, "5", "11", "2147483647", "2147483648", "-9", "65537")),
       false, false);
  g->depth--;
  line(g, "}", false, true);
  for (int k = 0; k < t->rank; k++)
    s = TEXT("%s%smin(max(%s%s, 0), %d)", s, k ? ", " : "[", c, a, t->extent[k] - 1);
  line(g,
       TEXT("%s%s = %s%s%s * (0.1 * (%s%s %% 13))", name, each ? "[a in M]" : "", t->name, s,
            t->rank ? "]" : "", c, a),
       false, false);
  g->nvars = 0;
  add_tensor(g, name, each, &g->dim[0], NULL);
}

/* What the library makes of symbols. */
void symbol_statement(Gen *g) {
  const char *name = TEXT("t%d", ++g->names);
  const Tensor *t = NULL;
  for (int i = 0; i < g->ntensors; i++)
    if (!g->tensor[i].whole && g->tensor[i].rank == 2 && chance(g, 50)) t = &g->tensor[i];
  int extent[3] = {0, g->window, SYMBOLS};
  g->nvars = 0;
  if (!t) return;
  g->var[g->nvars++] = (Var){"w", g->window, true, true};
  if (chance(g, 50)) {
    line(
        g,
        TEXT("%s[w in W, k in V] = onehot(ids)[0,w,k] * %s - text.unigram[k]", name, read_of(g, t)),
        false, false);
    add_tensor(g, name, 2, extent + 1, NULL);
  } else {
    line(g, TEXT("l%s[b in B, w in W, k in V] = 0.3 * k * %s", name, read_of(g, t)), false, false);
    line(g, TEXT("%s[w in W] = cross_entropy(l%s, ids)[B - 1,w]", name, name), false, false);
    add_tensor(g, name, 1, extent + 1, NULL);
  }
  g->nvars = 0;
}
