/* SPDX-License-Identifier: MIT */
/* Programs around a model's body, and programs that fail cut down. See randtext.h. */
#include "tests/randtext/randtext.h"

#include <string.h>

static const char *taken(Arena *a, StrBuf *s) {
  const char *text = arena_strdup(a, s->s);
  sb_free(s);
  return text;
}

static bool is_input(const TextInput *in) { return in->bound || !in->given; }

static const char *leaf_name(Arena *a, const TextInput *in) {
  return is_input(in) ? arena_printf(a, "p_%s", in->name) : in->name;
}

const char *text_declared(Arena *a, const char *declared, const TextInput *in, int nin) {
  StrBuf s = {0};
  sb_printf(&s, "data text { source \"none\" }\n%s\n", declared);
  for (int i = 0; i < nin; i++)
    if (!in[i].bound) sb_printf(&s, "param %s[%s] = 0\n", leaf_name(a, &in[i]), in[i].axes);
  return taken(a, &s);
}

const char *text_model(Arena *a, const TextInput *in, int nin, const TextResult *out, int nout) {
  StrBuf s = {0};
  sb_puts(&s, "model it(");
  for (int i = 0; i < nin; i++) {
    if (!is_input(&in[i])) continue;
    sb_printf(&s, "%s%s", i ? ", " : "", in[i].name);
    if (in[i].bound) sb_printf(&s, ": id<%s>", in[i].bound);
    sb_printf(&s, "[%s]", in[i].axes);
  }
  sb_puts(&s, ") -> ");
  for (int i = 0; i < nout; i++) sb_printf(&s, "%s%s[%s]", i ? ", " : "", out[i].name, out[i].axes);
  sb_puts(&s, " {");
  return taken(a, &s);
}

static void list_indices(StrBuf *s, int rank) {
  for (int k = 0; k < rank; k++) sb_printf(s, "%si%d", k ? "," : "", k);
}

static int axes_in(const char *axes) {
  int n = *axes != 0;
  for (; *axes; axes++) n += *axes == ',';
  return n;
}

const char *text_tail(Arena *a, const TextInput *in, int nin, const TextResult *out, int nout) {
  StrBuf s = {0};
  sb_puts(&s, "}\nloss main(x: id<V>[B,W]) {\n  ");
  for (int i = 0; i < nin; i++)
    if (in[i].bound && in[i].given) sb_printf(&s, "p_%s%s\n  ", in[i].name, in[i].given);
  for (int i = 0; i < nout; i++) sb_printf(&s, "%sr_%s", i ? ", " : "", out[i].name);
  sb_puts(&s, " = it(");
  for (int i = 0; i < nin; i++) {
    if (!is_input(&in[i])) continue;
    bool symbols = in[i].bound && !in[i].given;
    sb_printf(&s, "%s%s", i ? ", " : "", symbols ? "x" : leaf_name(a, &in[i]));
  }
  sb_puts(&s, ")\n  minimize 0.0");
  for (int i = 0; i < nout; i++) {
    if (!out[i].real) continue;
    sb_puts(&s, " +\n    ");
    if (out[i].rank) sb_puts(&s, "sum[");
    list_indices(&s, out[i].rank);
    sb_printf(&s, "%sr_%s[", out[i].rank ? "](" : "", out[i].name);
    list_indices(&s, out[i].rank);
    sb_printf(&s, "] * sin(%d.5", i);
    for (int k = 0; k < out[i].rank; k++) sb_printf(&s, " + %d * i%d", 2 * k + 1, k);
    sb_puts(&s, out[i].rank ? "))" : ")");
  }
  for (int i = 0; i < nin; i++) {
    if (in[i].bound) continue;
    int rank = axes_in(in[i].axes);
    sb_puts(&s, " +\n    sum[");
    list_indices(&s, rank);
    sb_printf(&s, "](step / (steps * 2) * %s[", leaf_name(a, &in[i]));
    list_indices(&s, rank);
    sb_puts(&s, "])");
  }
  sb_puts(&s, "\n}\ntrain { loss main  sgd(lr = 1, momentum = 0)  batch B  steps 4 }\n");
  return taken(a, &s);
}

/* ---- as text ------------------------------------------------------------------------ */

const char *randtext_print(const RandText *t) {
  StrBuf s = {0};
  sb_puts(&s, t->head);
  for (int i = 0; i < t->lines.n; i++) {
    const TextLine *l = &t->lines.at[i];
    if (!l->dropped) sb_printf(&s, "%*s%s\n", 2 + 2 * l->depth, "", l->text);
  }
  sb_puts(&s, t->tail);
  return taken(t->arena, &s);
}

/* The line that closes the loop which line i opens. */
static int closing(const RandText *t, int i) {
  int k = i + 1;
  while (!(t->lines.at[k].closes && t->lines.at[k].depth == t->lines.at[i].depth)) k++;
  return k;
}

static bool drop(RandText *t, int first, int last, RandTextFails *fails, void *ctx) {
  bool were[64];
  int n = last - first + 1;
  if (n > 64) return false;
  for (int i = 0; i < n; i++) {
    were[i] = t->lines.at[first + i].dropped;
    t->lines.at[first + i].dropped = true;
  }
  if (fails(randtext_print(t), ctx)) return true;
  for (int i = 0; i < n; i++) t->lines.at[first + i].dropped = were[i];
  return false;
}

void randtext_shrink(RandText *t, RandTextFails *fails, void *ctx) {
  bool again = true;
  while (again) {
    again = false;
    for (int i = t->lines.n - 1; i >= 0; i--) {
      const TextLine *l = &t->lines.at[i];
      if (l->dropped || l->closes || l->stays) continue;
      again = drop(t, i, l->opens ? closing(t, i) : i, fails, ctx) || again;
    }
  }
}
