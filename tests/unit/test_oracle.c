/* SPDX-License-Identifier: MIT */
/* The interpreter of syntax trees on its own, against numbers worked out by hand; and the
 * library's text as it reads it, against the compiler: every function of dsl/std, values and
 * gradients. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/randtext/randtext.h"
#include "tests/textcase.h"

enum { MOST = 12, SHAPES = 4 };

/* ---- by hand ------------------------------------------------------------------------ */

typedef struct Case {
  const char *name, *text; /* results of the model `it`, or gradients of the loss `main` */
  InterpStatus status;
  int n;
  double want[MOST];
} Case;

/* Element i of a real input is i + 1, of an integer input i; parameters likewise. */
static const Case cases[] = {
    {"carry_transposed",
     "dim M = 2\nmodel it(m[M,M]) -> t[M,M] { t[a,b] = m[a,b]; for i in 3 { t[a,b] = 1 + t[b,a] } "
     "}",
     INTERP_OK,
     4,
     {4, 6, 5, 7}},
    {"named_axes_align",
     "dim P = 2, Q = 3\nmodel it(m[P,Q], v[P]) -> t[P,Q] { t = 10 * m + v }",
     INTERP_OK,
     6,
     {11, 21, 31, 42, 52, 62}},
    {"axis_of_a_letter", /* t has the axes S and L: m is turned to them */
     "dim L = 2\naxis S = L\nmodel it(m[L,S]) -> t[L,S] { h[s,l] = 10 * m[s,l]; t = h + m }",
     INTERP_OK,
     4,
     {11, 23, 32, 44}},
    {"range_of_the_left",
     "model it(x[6]) -> p[4] { p[d in 4] = x[d] - mean[d](x[d]) }",
     INTERP_OK,
     4,
     {-1.5, -0.5, 0.5, 1.5}},
    {"softmax_of_a_prefix", /* 1; e^-1 and 1 over 1.36787944 */
     "dim S = 2\nmodel it(x[S]) -> p[S,S] { p[a in S,s] = softmax[s | s <= a](x[s]) }",
     INTERP_OK,
     4,
     {1, 0, 0.26894142137, 0.73105857863}},
    {"product_sums",
     "dim P = 2, Q = 2\nmodel it(m[P,Q], n[Q,P]) -> t[P,P] { t[a,b] = m[a,k] * n[k,b] / 2 }",
     INTERP_OK,
     4,
     {3.5, 5, 7.5, 11}},
    {"division", /* between brackets it rounds down; % has the sign of the divisor */
     "model it(x[4], k: id<9>[4]) -> y[4] { y[a in 4] = x[a / 2] + k[a] / 2 + (k[a] - 3) % 2 - "
     "k[a] % -3 }",
     INTERP_OK,
     4,
     {2, 3.5, 5, 3.5}},         /* 1 + 0 + 1 - 0, 1 + 0.5 + 0 + 2, 2 + 1 + 1 + 1, 2 + 1.5 + 0 - 0 */
    {"division_in_an_argument", /* rounds down as well, but in int's: 0, 0, 1, 1 and a itself */
     "model it(x[4]) -> y[4] { y[a in 4] = x[min(a / 2, 3)] + 10 * x[int(2 * (a / 2))] }",
     INTERP_OK,
     4,
     {11, 21, 32, 42}},
    {"read_outside_has_another_value",
     "model it(x[3]) -> y[3] { y[a in 3] = x[a + 1 else -7] }",
     INTERP_OK,
     3,
     {2, 3, -7}},
    {"emit_between",
     "dim P = 2, T = 2, D = 2\nmodel it(x[P,T,D]) -> y[P,T,D] {\n"
     "  scan t carry h[p,d] = 0.0 { h[p,d] = h[p,d] + x[p,t,d] } emit y[p,t,d] = h[p,d] }",
     INTERP_OK,
     8,
     {1, 2, 4, 6, 5, 6, 12, 14}},
    {"first_of_equals",
     "model it(x[3]) -> y[3] { y[a in 3] = x[a] + argmax[k](x[k] > 1 ? 2.0 : 0.0) }",
     INTERP_OK,
     3,
     {2, 3, 4}},
    {"what_is_no_number_wins", /* and compares with nothing; argmax passes it over */
     "model it(x[3]) -> y[3] {\n"
     "  y[a in 3] = max(x[a], inf - inf) > 0 ? 1.0 : 2.0 + argmax[k](k == 0 ? inf - inf : -x[k]) }",
     INTERP_OK,
     3,
     {3, 3, 3}},
    {"integers_of_64_bits",
     "model it(k: id<3>[3]) -> y[3] { y[a in 3] = 9007199254740993 % (k[a] + 10) }",
     INTERP_OK,
     3,
     {3, 9, 9}}, /* of 9007199254740992 they are 2, 8 and 8 */
    {"integer_beyond_64_bits",
     "model it(k: id<3>[3]) -> y[3] { y[a in 3] = 9223372036854775807 * k[a] % 7 }",
     INTERP_NO_VALUE,
     0,
     {0}},
    {"integer_beyond_32_bits",
     "model it(k: id<3>[3]) -> y[3] { q[a in 3] = 1073741824 * k[a]; y[a in 3] = q[a] % 7 }",
     INTERP_NO_VALUE,
     0,
     {0}},
    {"read_outside", "model it(x[3]) -> y[3] { y[a in 3] = x[a + 1] }", INTERP_NO_VALUE, 0, {0}},
    {"division_by_zero",
     "model it(k: id<3>[3]) -> y[3] { y[a in 3] = 5 % k[a] }",
     INTERP_NO_VALUE,
     0,
     {0}},
    {"draws_are_left_out",
     "model it(x[3]) -> y[3] { y[a in 3] ~ normal() }",
     INTERP_NOT_COVERED,
     0,
     {0}},
    /* a = 1.5 w, so that 2.25 w^2 has 4.5 w, and the call nothing */
    {"gradient_of_a_clause",
     "param w[2] = 0\nop fixed(x[...]) -> y[...] = x[...] grad(dy) { } nocheck\n"
     "loss main() { a[i] = 1.5 * w[i]; c = fixed(a)\n"
     "  minimize sum[i](w[i]) + sum[i](a[i] * a[i]) + sum[i](c[i]) }",
     INTERP_OK,
     2,
     {5.5, 10}},
    {"gradient_of_two_calls",
     "param w[2] = 0\nop ten(x[...]) -> y[...] = x[...] grad(dy) { dx[...] = 10 * dy[...] } "
     "nocheck\n"
     "loss main() { a = ten(w); minimize sum[i](a[i] * w[i]) }", /* 11 w */
     INTERP_OK,
     2,
     {11, 22}},
    {"gradient_through_a_loop", /* w^4 after two turns: 4 w^3 */
     "param w[2] = 0\nloss main() { t = w; for i in 2 { t[a] = t[a] * t[a] }; minimize "
     "sum[a](t[a]) }",
     INTERP_OK,
     2,
     {4, 32}},
    {"gradient_by_step", /* w^2 times 3/4 and 3: 7.5 w */
     "param w[2] = 0\nop times(x[i], by) -> y[i] = by * x[i]\n"
     "loss main() { r[i] = step / steps * w[i]^2; minimize sum[i](r[i] + times(r, steps)[i]) }",
     INTERP_OK,
     2,
     {7.5, 15}},
    {"step_outside_a_loss",
     "param w[2] = 0\nop times(x[i]) -> y[i] = step * x[i]\n"
     "loss main() { minimize sum[i](times(w)[i]) }",
     INTERP_NOT_COVERED,
     0,
     {0}},
    {"gradient_of_a_branch", /* the square root's slope at 0 is infinite, and not taken */
     "param w[2] = 0\nloss main() { r[i] = sqrt(w[i] - 1); minimize sum[i](w[i] > 1 ? r[i] : 3 * "
     "w[i]) }",
     INTERP_OK,
     2,
     {3, 0.5}},
};
enum { CASES = sizeof cases / sizeof *cases };

static bool count_up(void *ctx, const char *name, int rank, const int64_t *shape, double *real,
                     int64_t *whole) {
  (void)ctx, (void)name;
  int64_t n = 1;
  for (int k = 0; k < rank; k++) n *= shape[k];
  for (int64_t i = 0; i < n; i++) {
    if (real) real[i] = (double)(i + 1);
    if (whole) whole[i] = i;
  }
  return true;
}

static void by_hand(void **state) {
  const Case *c = *state;
  Arena *a = arena_new();
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  AFile *f = ast_parse(a, names, d, diags_source(d, "case.td", c->text, strlen(c->text)));
  assert_int_equal(diags_errors(d), 0);
  InterpOptions o = {
      .vocab = TEXT_VOCABULARY, .input = count_up, .parameter = count_up, .step = 3, .steps = 4};
  bool loss = strstr(c->text, "loss main") != NULL;
  InterpResult r =
      loss ? interp_loss(a, names, f, "main", &o) : interp_model(a, names, f, "it", &o);
  if (r.status != c->status) fail_msg("%s: %s", c->name, r.why ? r.why : "it has a value");
  const InterpTensor *t = r.status == INTERP_OK ? loss ? r.gradients.at : r.results.at : NULL;
  if (t) assert_int_equal(t->count, c->n);
  for (int i = 0; t && i < c->n; i++) {
    double x = t->real ? t->real[i] : (double)t->whole[i];
    if (!(fabs(x - c->want[i]) <= 1e-9 * (1 + fabs(c->want[i]))))
      fail_msg("%s: element %d is %.12g, by hand %.12g", c->name, i, x, c->want[i]);
  }
  arena_free(a);
}

/* ---- the library -------------------------------------------------------------------- */

/* A call of each of its functions. Inputs are real, but `ids`, symbols [B,W]. */
typedef struct LibraryCall {
  const char *function, *inputs, *results, *body; /* "x[A,E] z[A]", names and axes */
} LibraryCall;

static const LibraryCall calls[] = {
    {"lerp", "x[A] z[A] t[A]", "y[A]", "y[a] = lerp(x[a], z[a], t[a])"},
    {"clamp", "x[A,E]", "y[A,E]", "y = clamp(x, -0.5, 0.4)"},
    {"stop", "x[A,E]", "y[A,E]", "y = x * stop(x)"},
    {"gumbel", "x[A]", "y[A]", "y[a] = x[a] + gumbel()"},
    {"cosine", "x[A]", "y[A]", "y[a] = cosine(x[a], 60 * a + 1, 300, warmup = 100)"},
    {"warm", "x[A]", "y[A]", "y[a] = warm(x[a], 60 * a + 1, 100)"},
    {"adam", "p[A,E] g[A,E] m[A,E] v[A,E]", "y[A,E] n[A,E] w[A,E]",
     "s = v * v + 0.1; y, n, w = adam(p, g, m, s, 3, lr = 0.5)"},
    {"adamw", "p[A,E] g[A,E] m[A,E] v[A,E]", "y[A,E] n[A,E] w[A,E]",
     "s = v * v + 0.1; y, n, w = adamw(p, g, m, s, 2, 1, weight_decay = 0.3)"},
    {"sgd", "p[A,E] g[A,E] m[A,E]", "y[A,E] n[A,E]", "y, n = sgd(p, g, m, 1, weight_decay = 0.2)"},
    {"relu", "x[A,E]", "y[A,E]", "y = relu(x)"},
    {"leaky_relu", "x[A,E]", "y[A,E]", "y = leaky_relu(x, 0.1)"},
    {"gelu", "x[A,E]", "y[A,E]", "y = gelu(x)"},
    {"gelu_tanh", "x[A,E]", "y[A,E]", "y = gelu_tanh(x)"},
    {"silu", "x[A,E]", "y[A,E]", "y = silu(x)"},
    {"tan", "x[A,E]", "y[A,E]", "y = tan(x)"},
    {"softplus", "x[A,E]", "y[A,E]", "y = softplus(x)"},
    {"relu2", "x[A,E]", "y[A,E]", "y = relu2(x)"},
    {"onehot", "x[V] ids", "y[B,W,V]", "y[b,w,k] = onehot(ids)[b,w,k] * x[k]"},
    {"embedding", "ids", "y[B,W,E]", "y = embedding(ids, E)"},
    {"linear", "x[A,L,E]", "y[A,L,K]", "y = linear(x, K)"},
    {"project", "x[A,E]", "y[A,K]", "y = project(x, K)"},
    {"mlp", "x[A,E]", "y[A,E]", "y = mlp(x, K)"},
    {"layernorm", "x[A,L,E]", "y[A,L,E]", "y = layernorm(x, 0.1)"},
    {"rmsnorm", "x[A,E]", "y[A,E]", "y = rmsnorm(x)"},
    {"dropout", "x[A,E]", "y[A,E]", "y = dropout(x, 0)"},
    {"attention", "q[A,L,H,E] k[A,S,H,E] v[A,S,H,E]", "y[A,L,H,E]", "y = attention(q, k, v)"},
    {"causal_attention", "q[A,L,H,E] k[A,L,H,E] v[A,L,H,E]", "y[A,L,H,E]",
     "y = causal_attention(q, k, v)"},
    {"sinusoid", "x[L,E]", "y[L,E]", "y[l,e] = x[l,e] + sinusoid(L, E)[l,e]"},
    {"sinusoid_of", "x[E] ids", "y[B,W,E]", "y[b,w,e] = x[e] * sinusoid_of(ids, E)[b,w,e]"},
    {"rope", "x[A,L,H,E]", "y[A,L,H,E]", "y = rope(x)"},
    {"gru", "x[A,L,E] h[A,K] w[3,E,K] u[3,K,K] c[3,K]", "y[A,L,K]", "y = gru(x, h, w, u, c)"},
    {"lstm", "x[A,L,E] h[A,K] s[A,K] w[4,E,K] u[4,K,K] c[4,K]", "y[A,L,K]",
     "y = lstm(x, h, s, w, u, c)"},
    {"cross_entropy", "x[B,W,V] ids", "y[B,W]", "y = cross_entropy(x, ids)"},
    {"tempered", "x[A,E] z[A,E]", "y[A,E] w[A,E]", "y = tempered(x, 0.7); w = tempered(z, 0)"},
    {"squared_error", "x[A,E] z[A,E]", "y[A,E]", "y = squared_error(x, z)"},
    {"kl_normal", "x[A,E] z[A,E]", "y[A,E]", "y = kl_normal(x, z)"},
};
enum { CALLS = sizeof calls / sizeof *calls };

/* "x[A,E] ids" as inputs; the number of them. */
static int split(Arena *a, const char *text, const char **name, const char **axes) {
  int n = 0;
  for (const char *at = text; *at; n++) {
    size_t all = strcspn(at, " "), head = strcspn(at, " [");
    name[n] = arena_strndup(a, at, head);
    axes[n] = head < all ? arena_strndup(a, at + head + 1, all - head - 2) : "";
    at += all + (at[all] == ' ');
  }
  return n;
}

static int rank_of(const char *axes) {
  int n = *axes != 0;
  for (; *axes; axes++) n += *axes == ',';
  return n;
}

static const char *library_text(Arena *a, const LibraryCall *c, int shape) {
  /* extents of A, L, S, H, E, K; of the last, all are different */
  static const int extent[SHAPES][6] = {
      {2, 3, 2, 1, 4, 3}, {1, 1, 1, 1, 2, 1}, {3, 2, 3, 2, 2, 2}, {2, 4, 3, 1, 6, 5}};
  const char *name[MOST], *axes[MOST];
  TextInput in[MOST];
  TextResult out[MOST];
  int nin = split(a, c->inputs, name, axes);
  for (int i = 0; i < nin; i++) {
    bool symbols = !strcmp(name[i], "ids");
    in[i] = (TextInput){name[i], symbols ? "B,W" : axes[i], symbols ? "V" : NULL, NULL};
  }
  int nout = split(a, c->results, name, axes);
  for (int i = 0; i < nout; i++) out[i] = (TextResult){name[i], axes[i], rank_of(axes[i]), true};
  const int *e = extent[shape];
  const char *dims = arena_printf(a,
                                  "use nn\ndim B = %d, W = %d, V = text.vocab\n"
                                  "dim A = %d, L = %d, S = %d, H = %d, E = %d, K = %d",
                                  1 + shape % 2, 1 + shape, e[0], e[1], e[2], e[3], e[4], e[5]);
  return arena_printf(a, "%s%s\n  %s\n%s", text_declared(a, dims, in, nin),
                      text_model(a, in, nin, out, nout), c->body, text_tail(a, in, nin, out, nout));
}

static TextCase library[CALLS][SHAPES];

/* All of them at once: the C compiler runs once. */
static int open_library(void **state) {
  (void)state;
  Arena *a = arena_new();
  for (int i = 0; i < CALLS; i++)
    for (int k = 0; k < SHAPES; k++)
      textcase_open(&library[i][k], library_text(a, &calls[i], k), (uint64_t)(k + 1), true);
  textcase_kernels(&library[0][0], CALLS * SHAPES);
  arena_free(a);
  return 0;
}

static int close_library(void **state) {
  (void)state;
  for (int i = 0; i < CALLS; i++)
    for (int k = 0; k < SHAPES; k++) textcase_close(&library[i][k]);
  return 0;
}

static void library_call(void **state) {
  const LibraryCall *c = *state;
  bool draws = !strcmp(c->function, "gumbel");
  for (int k = 0; k < SHAPES; k++) {
    const TextCase *t = &library[c - calls][k];
    if (t->verdict != (draws ? TEXT_UNCOVERED : TEXT_SAME))
      fail_msg("%s\n%s", t->text, t->said.s ? t->said.s : "?");
    if (!draws) assert_true(t->gradients > 0);
  }
}

static void every_function_is_called(void **state) {
  (void)state;
  for (int i = 0; i < std_count(); i++) {
    Arena *a = arena_new();
    size_t size;
    const char *text = std_source(std_name(i), &size);
    Diags *d = diags_new(a);
    AFile *f = ast_parse(a, interner_new(a), d, diags_source(d, "std.td", text, size));
    for (int k = 0; k < f->decls.n; k++) {
      const ADecl *decl = f->decls.at[k];
      bool called = decl->kind != D_OP && decl->kind != D_BLOCK;
      for (int j = 0; j < CALLS; j++) called = called || !strcmp(calls[j].function, decl->name);
      if (!called) fail_msg("no call of %s in this test", decl->name);
    }
    arena_free(a);
  }
}

int main(void) {
  struct CMUnitTest tests[CASES + CALLS + 1] = {cmocka_unit_test(every_function_is_called)};
  for (int i = 0; i < CASES; i++)
    tests[i + 1] = (struct CMUnitTest){cases[i].name, by_hand, NULL, NULL, (void *)&cases[i]};
  for (int i = 0; i < CALLS; i++)
    tests[CASES + 1 + i] =
        (struct CMUnitTest){calls[i].function, library_call, NULL, NULL, (void *)&calls[i]};
  return cmocka_run_group_tests(tests, open_library, close_library);
}
