/* SPDX-License-Identifier: MIT */
/* Hints are followed: what a message says to write is written, and compiles without a word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sources.h"

typedef struct Checked {
  Arena *arena;
  Diags *diags;
} Checked;

static Checked check(const char *text) {
  Checked c = {.arena = arena_new()};
  c.diags = diags_new(c.arena);
  UnitOptions o = {.query = some_text, .check_only = true};
  unit_compile(c.arena, interner_new(c.arena), c.diags,
               diags_source(c.diags, "hint.td", text, strlen(text)), &o);
  return c;
}

static void compiles(const char *text) {
  Checked c = check(text);
  if (diags_count(c.diags)) {
    const Diag *x = diags_at(c.diags, 0);
    fail_msg("%s\n%d:%d: %04d %s", text, x->span.line, x->span.col, x->code, x->message);
  }
  arena_free(c.arena);
}

static const char *joined(Arena *a, const char *const parts[3]) {
  return arena_printf(a, "%s%s%s", parts[0], parts[1], parts[2]);
}

/* ---- words of other languages ----------------------------------------------------- */

static const char *const frame[2] = {
    "use nn\n"
    "dim M = 3, N = 4, K = 5\n"
    "block it(a[M], b[N], c[M], x[M,N], w[N,K], ids: id<N>[M]) -> done {\n  ",
    "\n  done = 0\n}\n"};

static void every_idiom_compiles(void **state) {
  (void)state;
  for (int i = 0; i < idiom_count(); i++) {
    Arena *a = arena_new();
    compiles(joined(a, (const char *[3]){frame[0], idiom_at(i)->code, frame[1]}));
    arena_free(a);
  }
  assert_true(idiom_count() > 20);
}

static void every_word_has_its_hint(void **state) {
  (void)state;
  for (int i = 0; i < idiom_count(); i++) {
    Arena *a = arena_new();
    const char *names = idiom_at(i)->names;
    while (*names) {
      size_t n = strcspn(names, " ");
      const char *word = arena_strndup(a, names, n);
      names += names[n] ? n + 1 : n;
      bool at = *word == '@';
      const char *use = at ? "y = x @ w" : arena_printf(a, "y = %s(x, 2)", word);
      Checked c = check(joined(a, (const char *[3]){frame[0], use, frame[1]}));
      assert_int_equal(diags_count(c.diags), 1);
      const Diag *x = diags_at(c.diags, 0);
      if (x->code != (at ? 107 : 301) || !x->hint || !strstr(x->hint, idiom_at(i)->code))
        fail_msg("%s: %04d, hint %s", use, x->code, x->hint ? x->hint : "none");
      arena_free(c.arena);
    }
    arena_free(a);
  }
}

/* ---- a mistake, what its hint says, and that followed -------------------------------- */

#define OP "use nn\ndim B = 2, L = 4, D = 3, F = 5, V = 7\nop it(x[B,L,D], w[D,F]) -> done {\n  "
#define END "\n  done = 0\n}\n"
#define NET                                  \
  "use nn\ndata text { source \"a.txt\" }\n" \
  "dim B = 2, L = 4, V = text.vocab\n"       \
  "model net(x: id<V>[B,L]) -> z[B,L,V] { z = linear(embedding(x, 8), V) }\n"
#define LOSS "loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }\n"

typedef struct Followed {
  const char *before, *wrong;
  int code;
  const char *hint;  /* stands in the hint of the one message, and, unless `right` is given, */
  const char *right; /* is what is written instead */
  const char *after;
} Followed;

static const Followed followed[] = {
    {OP, "y[b,d] = x[b,-1,d]", 205, "L - 1", "y[b,d] = x[b,L - 1,d]", END},
    {OP, "y[b,l] = x[b,l,-3]", 205, "D - 3", "y[b,l] = x[b,l,D - 3]", END},
    {"op it(x[b,l]) -> y[b] { ", "y[b] = x[b,-2]", 205, "extent(l) - 2",
     "y[b] = x[b,extent(l) - 2]", " }\n"},
    {"op it(x[4]) -> y { ", "y = x[-1]", 205, "4 - 1", "y = x[4 - 1]", " }\n"},
    {OP, "y[i] = 2 * i", 202, "i in 8", "y[i in 8] = 2 * i", END},
    {OP, "y = sum[i](2 * i)", 202, "sum[i in 8](...)", "y = sum[i in 8](2 * i)", END},
    {OP, "y[b] = x[b,i % 4,0]", 202, "sum[i in 8](...)", "y[b] = sum[i in 8](x[b,i % 4,0])", END},
    {OP, "scan t carry h = 0.0 { h = h + 1 }", 202, "scan t in 8",
     "scan t in 8 carry h = 0.0 { h = h + 1 }", END},
    {OP, "y = sum(x)", 218, "y = sum[b,l,d](x[b,l,d])", NULL, END},
    {OP, "y = mean(x, dim=-1)", 218, "y[b,l] = mean[d](x[b,l,d])", NULL, END},
    {OP, "y = softmax(x, dim=1)", 218, "y[b,l,d] = softmax[l](x[b,l,d])", NULL, END},
    {OP, "y = softmax(x)", 218, "y[b,l,d] = softmax[d](x[b,l,d])", NULL, END},
    {OP, "y = argmax(x, -1)", 218, "y[b,l] = argmax[d](x[b,l,d])", NULL, END},
    {OP, "y = max(x, dim=-2)", 310, "y[b,d] = max[l](x[b,l,d])", NULL, END},
    {OP, "y = x.sum(0)", 312, "y[l,d] = sum[b](x[b,l,d])", NULL, END},
    {OP, "l = 2; y = sum(x, 1)", 218, "y[b,d] = sum[j](x[b,j,d])", NULL, END},
    {"op it(x[2,2]) -> y { ", "y = min(x, axis=0)", 310, "y[j] = min[i](x[i,j])",
     "z[j] = min[i](x[i,j]); y = z[0]", " }\n"},
    {OP, "y = x.T", 303, "y[n,m] = x[m,n]", "y[f,d] = w[d,f]", END},
    {OP, "y = x.shape[0]", 303, "extent(", "y = extent(B)", END},
    {OP, "y = nn.Linear(3, 5)(x)", 118, "(use nn): y = linear(x, K)",
     "y[b,l,f] = x[b,l,d] * w[d,f]", END},
    {OP, "y = nn.gelu(x)", 312, "gelu(...)", "y = gelu(x)", END},
    {OP, "y = torch.cat([x, x], 1)", 107, "y[i in M + N] = i < M ? a[i] : b[i - M]",
     "y[b,i in L + L,d] = i < L ? x[b,i,d] : x[b,i - L,d]", END},
    {OP, "y = x[:, :2]", 107, "y[i in 2] = b[i + 1]", "y[b,i in 2,d] = x[b,i,d]", END},
    {OP, "y = x[0, 1:3, 0]", 107, "y[i in 2] = b[i + 1]", "y[i in 2] = x[0,i + 1,0]", END},
    {OP, "y[b,l,d] = exp[d]", 301, "exp(...)", "y[b,l,d] = exp(x[b,l,d])", END},
    {OP, "e[b,l] ~ normal(mean = 0, std = 0.1)", 310, "in order", "e[b,l] ~ normal(0, 0.1)", END},
    {OP, "y[b,f] = x[b,0,d] * w[d,0] * w[g,f]", 905, "sum[d,g](x[b,0,d] * w[d,0] * w[g,f])",
     "y[b,f] = sum[d,g](x[b,0,d] * w[d,0] * w[g,f])", END},
    {"op it(x[l]) -> y[l] { ", "y[l] = x[l] / l", 906, "extent(l)", "y[l] = x[l] / extent(l)",
     " }\n"},
    {"op it(x[l]) -> y[l] { ", "y[l] = x[l] / (2 * l - 4)", 906, "l != 2 ? ... : ...",
     "y[l] = l != 2 ? x[l] / (2 * l - 4) : 0.0", " }\n"},
    {"dim D = 3\n", "param w[i in 0 : D] = i", 209, "i in 8", "param w[i in 8] = i",
     "\nop it(x) -> y = x * w[0]\n"},
    {NET LOSS "train { ", "loss = main", 107, "loss main", NULL, "  adam(lr = 0.1)  steps 10 }\n"},
    {NET LOSS "train { loss main  adam(lr = 0.1)  ", "steps = 10", 107, "steps 10", NULL, " }\n"},
    {NET LOSS "train { loss main", ", ", 107, "without commas", " ",
     "adam(lr = 0.1)  steps 10 }\n"},
    {NET "sampler s() {\n  ", "e[b in B, l in L] = 0.5 * normal()", 407,
     "state e[b in B, l in L] = 0.5 * normal()", NULL, "\n  emit min(max(int(e[b,l]), 0), 1)\n}\n"},
};

static void hints_can_be_followed(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof followed / sizeof *followed; i++) {
    const Followed *f = &followed[i];
    Arena *a = arena_new();
    const char *wrong = joined(a, (const char *[3]){f->before, f->wrong, f->after});
    Checked c = check(wrong);
    if (diags_count(c.diags) != 1)
      fail_msg("%s\n%d messages; the first is %s", wrong, diags_count(c.diags),
               diags_count(c.diags) ? diags_at(c.diags, 0)->message : "");
    const Diag *x = diags_at(c.diags, 0);
    if (x->code != f->code || !strstr(x->hint ? x->hint : "", f->hint))
      fail_msg("%s\n%04d %s\nhint: %s", wrong, x->code, x->message, x->hint ? x->hint : "none");
    arena_free(c.arena);
    compiles(joined(a, (const char *[3]){f->before, f->right ? f->right : f->hint, f->after}));
    arena_free(a);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_idiom_compiles),
      cmocka_unit_test(every_word_has_its_hint),
      cmocka_unit_test(hints_can_be_followed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
