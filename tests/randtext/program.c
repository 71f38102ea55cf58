/* SPDX-License-Identifier: MIT */
/* Programs: their dims, ops and inputs, and what they are about. See randtext.h. */
#include <string.h>

#include "tests/randtext/internal.h"

/* ---- programs ----------------------------------------------------------------------- */

static const char ops[] =
    "op tr(x[p,q]) -> y[q,p] { y[q,p] = x[p,q] }\n"
    "op fixed(x[...]) -> y[...] = x[...] grad(dy) { } nocheck\n"
    "op one(x[...]) -> y[...] { y[...] = 1 * x[...] } grad(dy) { dx[...] = 7 * dy[...] } nocheck\n"
    "op tripled(x[...]) -> y[...] = x[...] grad(dy) { dx[...] = 3 * dy[...] } nocheck\n"
    "op squared(x[...]) -> y[...] = x[...]^2 grad(dy) { dx[...] = dy[...] * x[...] } nocheck\n"
    "op left_only(x[...], z[...]) -> y[...] = x[...] * z[...]\n"
    "  grad(dy) { dx[...] = dy[...] * z[...] } nocheck\n"
    "op through(x[...]) -> y[...] = round(2 * x[...]) grad(dy) { dx[...] = 2 * dy[...] } nocheck\n"
    "op blend(x[p,q], z[q,p]) -> y[p,q] { y[p,q] = x[p,q] - 0.5 * z[q,p] * x[p,0] }\n"
    "op running(x[...,t]) -> y[...,t] {\n"
    "  scan i in t carry h[...] = 0.0 { h[...] = 0.5 * h[...] + x[...,i] } emit y[...,i] = h[...]\n"
    "}\n"
    "op row_softmax(x[...,d]) -> y[...,d] = softmax[d](x[...,d])\n"
    "op row_mean(x[p,q]) -> y[p] { s[p] = x[p,k] / sqrt(q); y[p] = s[p] - max[q](x[p,q]) / q }\n"
    "op last_turn(x[...]) -> y[...] { h = x; for i in 2 { h[...] = sin(h[...]) - i * x[...] }; y = "
    "h }\n"
    "op pieces(x[p,q]) -> y[p], z[q,p] {\n"
    "  y[p] = x[p,0] * sum[q](x[p,q])\n"
    "  z[q,p] = x[p,q] - y[p]\n"
    "}\n"
    "block mix(x[p,q]) -> y[p,q] {\n"
    "  param w[q,p], s[q] = 0\n"
    "  y[p,q] = tanh(x[p,q] * w[q,p]) + s[q]\n"
    "}\n"
    "block twins(x[p,q]) -> y[p,q] { a = mix(x); b = mix(x); y[p,q] = a[p,q] - 0.5 * b[p,q] }\n"
    "op nested(x[...]) -> y[...] { z = tripled(x); y[...] = z[...] + x[...] }\n";

static void one_statement(Gen *g) {
  int r = below(g, 100);
  TextTheme t = g->t->theme;
  if (r < (t == TEXT_INTEGERS ? 60 : 6))
    integer_statement(g);
  else if (t == TEXT_INTEGERS && r < 85)
    integer_use(g);
  else if (r < (t == TEXT_RANGES ? 60 : 14))
    ranged_statement(g);
  else if (r < (t == TEXT_CARRIES ? 70 : t == TEXT_RANGES ? 68 : 30))
    loop_statement(g);
  else if (r < (t == TEXT_CARRIES ? 80 : 45))
    whole_statement(g);
  else if (chance(g, 20))
    made_statement(g);
  else if (chance(g, 12))
    product_statement(g);
  else if (chance(g, 8))
    counting_statement(g);
  else if (chance(g, 6))
    symbol_statement(g);
  else if (chance(g, 8))
    truth_statement(g);
  else if (chance(g, 8))
    steep_statement(g);
  else if (chance(g, 8))
    pieces_statement(g);
  else
    statement(g, NULL, 0);
}

static const char *axes_text(Gen *g, const Tensor *t) {
  const char *s = "";
  for (int k = 0; k < t->rank; k++) s = TEXT("%s%s%d", s, k ? "," : "", t->extent[k]);
  return s;
}

static void inputs(Gen *g) {
  static const char *const names[] = {"m", "n", "v", "u"};
  static const int rank[] = {2, 2, 1, 1}, dims[][2] = {{0, 0}, {0, 1}, {0, 0}, {1, 0}};
  for (int i = 0; i < 4; i++) {
    int extent[2] = {g->dim[dims[i][0]], g->dim[dims[i][1]]};
    add_tensor(g, names[i], rank[i], extent, dims[i])->exact = true;
  }
  int extent[2] = {g->dim[0], g->dim[2]};
  add_tensor(g, "common", 2, extent, (int[]){0, 2});
}

/* An op whose body is as random as the model's, over two names of its header. */
static void made_op(Gen *g, const char *limit) {
  int shape[2] = {g->dim[0], g->dim[below(g, 2)]};
  g->depth = -1;
  line(g,
       TEXT("op made(x[hp,hq], m[M,M], n[M,N], v[M], u[N], ids: id<V>[B,W], j: id<%s>[M]) -> "
            "y[hq,hp] {",
            limit),
       true, false);
  g->depth = 0;
  add_tensor(g, "x", 2, shape, NULL);
  for (int i = below(g, 3); i > 0; i--) one_statement(g);
  g->nvars = 0;
  g->var[g->nvars++] = (Var){"hq", shape[1], false, true};
  g->var[g->nvars++] = (Var){"hp", shape[0], false, true};
  line(g, TEXT("y[hq,hp] = 0.5 * x[hp,hq] + %s", expr(g, budget(g))), false, false);
  g->nvars = 0;
  g->depth = -1;
  const char *clause = ONE_OF(
      g, "}", "}", "} grad(dy) { dx[hp,hq] = 2 * dy[hq,hp] } nocheck",
      "} grad(dy) { dx[a,b] = dy[b,a] * x[a,b]; dm[a,b] = m[b,a] * sum[c,d](dy[c,d]) } nocheck");
  line(g, clause, false, true);
  g->depth = 0;
  g->ntensors = 0;
  memcpy(g->made, shape, sizeof shape);
}

RandText randtext_new(Arena *a, uint64_t seed) {
  static const char *const limits[] = {"2",     "5",          "1000",      "46341",
                                       "65536", "2147483647", "2147483648"};
  static const int64_t steps[] = {0, 1, 249, 11585, 16383, 536870911, 536870911};
  RandText t = {.arena = a, .seed = seed, .theme = (TextTheme)(seed % TEXT_THEMES)};
  Gen gen = {.t = &t, .a = a}, *g = &gen;
  seed_chance(g, seed);
  for (int i = 0; i < DIMS; i++) g->dim[i] = 2 + below(g, 3);
  if (chance(g, 60)) g->dim[1] = g->dim[0];
  if (chance(g, 30)) g->dim[2] = g->dim[0];
  g->window = 1 + below(g, 4);
  int limit = below(g, sizeof limits / sizeof *limits);
  inputs(g);
  if (chance(g, 30)) {
    made_op(g, limits[limit]);
    inputs(g);
  }
  const int model = t.lines.n;
  line(g, "", false, false);
  int count = 1 + below(g, 8);
  for (int i = 0; i < count; i++) one_statement(g);
  if (g->tensor[g->ntensors - 1].exact) statement(g, NULL, 0);
  if (chance(g, 20)) block_statement(g);
  for (int i = 0; i < model; i++) t.lines.at[i].dropped = !g->called;
  const Tensor *y = &g->tensor[g->ntensors - 1], *z = any_tensor(g, false), *q = NULL;
  while (y->whole) y--;
  for (int i = 0; i < g->ntensors; i++)
    if (g->tensor[i].whole && !g->tensor[i].truth) q = &g->tensor[i];
  TextInput in[] = {
      {"m", "M,M", NULL, NULL},
      {"n", "M,N", NULL, NULL},
      {"v", "M", NULL, NULL},
      {"u", "N", NULL, NULL},
      {"common", "M,P", NULL, "a parameter of all"},
      {"ids", "B,W", "V", NULL},
      {"j", "M", limits[limit], TEXT("[i in M] = x[0, i %% W] * %lld", (long long)steps[limit])}};
  if (limit == 0) in[6].given = "[i in M] = x[0, i % W] % 2";
  TextResult out[] = {{"y", axes_text(g, y), y->rank, true},
                      {"z", axes_text(g, z), z->rank, true},
                      {"o", q ? axes_text(g, q) : "", q ? q->rank : 0, false}};
  int nout = q ? 3 : 2, nin = 7;
  line(g, TEXT("y = %s; z = %s%s%s", y->name, z->name, q ? "; o = " : "", q ? q->name : ""), false,
       false);
  t.lines.at[t.lines.n - 1].stays = true;
  const char *declared = TEXT("use nn\ndim B = %d, W = %d, V = text.vocab\ndim M = %d, N = %d, P = "
                              "%d\nconst C = 3, R = 0.7\n%s",
                              1 + below(g, 2), g->window, g->dim[0], g->dim[1], g->dim[2], ops);
  t.head = text_declared(a, declared, in, nin);
  t.lines.at[model] =
      (TextLine){.text = TEXT("%s%s", g->sub ? "model sub(n[M,N]) -> y[M,N] { y = mix(n) }\n" : "",
                              text_model(a, in, nin, out, nout)),
                 .depth = -1,
                 .stays = true};
  t.tail = text_tail(a, in, nin, out, nout);
  return t;
}
