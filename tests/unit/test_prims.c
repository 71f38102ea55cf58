/* SPDX-License-Identifier: MIT */
/* Every line of compiler/ir/ops.def through all that follows from it: its values against
 * libm and by hand, folding, the language, gradients against central differences, C
 * compiled and run, its spelling, and the page that documents it.
 *
 * Who adds a line says below what it means; all else is found in the table. */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/check/gradcheck.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/draws.h"
#include "compiler/unit.h"
#include "tests/compiled.h"
#include "tests/prim_case.h"
#include "tests/sources.h"

enum { COUNT = PRIM_CASE_COUNT, SITE = PRIM_CASE_SITE, ARGUMENTS = PRIM_ARGUMENTS };
static const uint64_t seed = 11;
static const int64_t step = 3;

/* ---- what they mean: of reals a b c; truth values are 1 and 0 -------------------------- */

typedef double Meaning(double a, double b, double c);

/* The 64 bits of a draw, as IR.md says. */
static uint64_t bits(double number) {
  const uint64_t n = (uint64_t)number, block = n / 64 * 16 + n % 16;
  const uint32_t key[2] = {(uint32_t)seed ^ SITE, 0}, s = (uint32_t)step;
  const uint32_t c[2][4] = {{(uint32_t)block, 0, s, 0}, {(uint32_t)block, 1u << 31, s, 0}};
  uint32_t upper[4], lower[4];
  philox4x32(c[0], key, upper);
  philox4x32(c[1], key, lower);
  return (uint64_t)upper[n / 16 % 4] << 32 | lower[n / 16 % 4];
}
/* log(u), or log(1 - u) if `rest`, of u as a float holds it; none of these is near 0 or 1 */
static double log_of(double number, bool rest) {
  const bool one = bits(number) >> 63;
  const uint32_t upper = (uint32_t)(bits(number) >> 32);
  const double end = (double)(float)(one ? ~upper : upper) * 0x1p-32;
  return one != rest ? log1p(-end) : log(end);
}

#define MEANS(name, value)                                   \
  static double means_##name(double a, double b, double c) { \
    (void)a, (void)b, (void)c;                               \
    return value;                                            \
  }
MEANS(add, a + b)
MEANS(sub, a - b)
MEANS(mul, a *b)
MEANS(div, a / b)
MEANS(mod, a - b * floor(a / b))
MEANS(neg, 0 - a)
MEANS(min, fmin(a, b))
MEANS(max, fmax(a, b))
MEANS(pow, pow(a, b))
MEANS(exp, exp(a))
MEANS(expm1, expm1(a))
MEANS(log, log(a))
MEANS(log1p, log1p(a))
MEANS(sqrt, sqrt(a))
MEANS(rsqrt, pow(a, -0.5))
MEANS(tanh, tanh(a))
MEANS(sigmoid, 0.5 + 0.5 * tanh(a / 2))
MEANS(erf, erf(a))
MEANS(sin, sin(a))
MEANS(cos, cos(a))
MEANS(atan, atan2(a, 1))
MEANS(abs, copysign(a, 1))
MEANS(floor, a - fmod(a, 1) - (fmod(a, 1) < 0))
MEANS(round, nearbyint(a))
MEANS(lt, b > a)
MEANS(le, !(a > b))
MEANS(eq, a - b == 0)
MEANS(ne, a - b != 0)
MEANS(and, a *b)
MEANS(or, a + b > 0)
MEANS(not, 1 - a)
MEANS(select, a *b + (1 - a) * c)
MEANS(real, a)
MEANS(int, floor(a))
MEANS(uniform, draw_uniform(seed, (uint64_t)step, SITE, (uint64_t)b))
MEANS(log_uniform, log_of(b, false))
MEANS(log_rest, log_of(b, true))
MEANS(pick, floor((double)(bits(b) >> 11) * 0x1p-53 * c))
MEANS(normal, draw_normal(seed, (uint64_t)step, SITE, (uint64_t)b))
/* of integers, where that is something else */
MEANS(whole_div, floor(a / b))

typedef struct Row {
  Meaning *real, *whole;
} Row;
#define ROW(name) [P_##name] = {means_##name, means_##name}
static const Row rows[PRIM_COUNT] = {
    ROW(add),         ROW(sub),      ROW(mul),     [P_div] = {means_div, means_whole_div},
    ROW(mod),         ROW(neg),      ROW(min),     ROW(max),
    ROW(pow),         ROW(exp),      ROW(expm1),   ROW(log),
    ROW(log1p),       ROW(sqrt),     ROW(rsqrt),   ROW(tanh),
    ROW(sigmoid),     ROW(erf),      ROW(sin),     ROW(cos),
    ROW(atan),        ROW(abs),      ROW(floor),   ROW(round),
    ROW(lt),          ROW(le),       ROW(eq),      ROW(ne),
    ROW(and),         ROW(or),       ROW(not ),    ROW(select),
    ROW(real),        ROW(int),      ROW(uniform), ROW(normal),
    ROW(log_uniform), ROW(log_rest), ROW(pick)};

/* Argument n of place i: inside of every domain, no ties, no kinks. */
static double argument(Type t, int n, int i, bool divisor) {
  if (t == TY_BOOL) return (i >> n) & 1;
  if (t == TY_INT) return divisor ? 1 + i % 6 : (i * (n + 5) + n) % 13 - 6;
  return 0.15 + 0.37 * ((i * (2 * n + 3) + 5 * n) % 11) / 3 + 0.017 * n;
}

static bool same(double x, double y, double tolerance) {
  if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
  return x == y || fabs(x - y) <= tolerance * fmax(1, fabs(y));
}

static double meant(const PrimCase *k, int i, double *x) {
  bool ints = k->type[0] == TY_INT && k->info->sig == SIG_NUM;
  for (int n = 0; n < ARGUMENTS; n++)
    x[n] = prim_draws(k->p) ? (double[]){SITE, i, PRIM_CASE_BELOW}[n]
                            : argument(k->type[n], n, i, n == 1);
  return (ints ? rows[k->p].whole : rows[k->p].real)(x[0], x[1], x[2]);
}

static Expr *constant(Graph *g, Type t, double x) {
  return t == TY_REAL ? ex_num(g, x) : t == TY_INT ? ex_int(g, (int64_t)x) : ex_bool(g, x != 0);
}

/* ---- the tests --------------------------------------------------------------------------- */

/* The evaluator, and what constants are folded to. */
static void check_values(PrimCase *k) {
  double x[ARGUMENTS];
  Eval *ev = eval_new(k->g, seed, step);
  for (int n = 0; n < k->info->arity && k->input[n]; n++)
    for (int i = 0; i < COUNT; i++)
      eval_bind(ev, k->input[n])[i] = argument(k->type[n], n, i, n == 1);
  const char *why = eval_run(ev);
  if (why) fail_msg("%s: %s", k->info->name, why);
  for (int i = 0; i < COUNT; i++) {
    double want = meant(k, i, x), got = eval_value(ev, k->z)[i];
    if (!same(got, want, 1e-13))
      fail_msg("%s(%g, %g, %g) is %.17g, not %.17g", k->info->name, x[0], x[1], x[2], got, want);
    if (prim_draws(k->p)) continue;
    Expr *args[ARGUMENTS];
    for (int n = 0; n < ARGUMENTS; n++) args[n] = constant(k->g, k->type[n], x[n]);
    const Expr *folded = ex_prim(k->g, k->p, args);
    double value = folded->kind == E_NUM ? folded->num : (double)folded->inum;
    if (folded->kind == E_PRIM || !same(value, got, 0))
      fail_msg("%s(%g, %g, %g) is folded to %.17g, but runs as %.17g", k->info->name, x[0], x[1],
               x[2], value, got);
  }
  eval_free(ev);
}

static void values(void **state) {
  (void)state;
  for (int p = 0; p < PRIM_COUNT; p++) {
    Type t[ARGUMENTS];
    if (!rows[p].real) fail_msg("what does %s mean? tell this test", prim_info((Prim)p)->name);
    for (int v = 0; prim_case_types(prim_info((Prim)p)->sig, v, t); v++) {
      Arena *a = arena_new();
      PrimCase k = prim_case(a, (Prim)p, t);
      check_values(&k);
      arena_free(a);
    }
  }
}

/* Integers that the graphs above cannot hold. */
static void integers_at_the_edge(void **state) {
  (void)state;
  int64_t x;
  assert_false(prim_int(P_add, INT64_MAX, 1, &x));
  assert_true(x == INT64_MIN);
  assert_false(prim_int(P_mul, INT64_MAX, 2, &x));
  assert_false(prim_int(P_neg, INT64_MIN, 0, &x));
  assert_false(prim_int(P_abs, INT64_MIN, 0, &x));
  for (int64_t a = -7; a <= 7; a++)
    for (int64_t b = -3; b <= 3; b++) {
      assert_true(prim_int(P_div, a, b, &x) == (b != 0));
      assert_true(x == (b == 0 ? 0 : (int64_t)floor((double)a / (double)b)));
      assert_true(prim_int(P_mod, a, b, &x) == (b != 0));
      assert_true(x == (b == 0 ? 0 : a - b * (int64_t)floor((double)a / (double)b)));
    }
  assert_false(prim_int(P_div, INT64_MIN, -1, &x));
  assert_true(prim_int(P_mod, INT64_MIN, -1, &x) && x == 0);
}

static void fill(const Node *n, double *to, int64_t count, void *ctx) {
  (void)ctx;
  for (int i = 0; i < count; i++) to[i] = argument(n->type, n->name[0] - 'a', i, false);
}

/* A gradient by argument n: as the table's rule says. */
static void check_gradient(PrimCase *k, int n) {
  const char *rule = k->info->derivative[n];
  if (rule[0] == '!') {
    Diags *d = diags_new(k->arena);
    diags_source(d, "prims", "", 0);
    Node *adjoint, *loss = ir_comp(k->g, k->g->top, "loss", (Span){0}, 0, 1, k->z->shape, RED_SUM,
                                   NULL, ir_read_all(k->g, k->z));
    if (grad_reverse(k->g, d, loss, &k->input[n], 1, &adjoint) || diags_count(d) == 0)
      fail_msg("%s: a gradient by argument %d is no error", k->info->name, n);
    return;
  }
  GradcheckReport r;
  GradcheckOptions o = {.seed = 1, .eps = 1e-6, .atol = 1e-7, .rtol = 1e-6, .fill = fill};
  Diags *d = diags_new(k->arena);
  diags_source(d, "prims", "", 0);
  if (!gradcheck(k->g, d, k->z, &k->input[n], 1, &o, &r))
    fail_msg("%s: the derivative by argument %d is %.9g at %lld, numerically %.9g (%s)",
             k->info->name, n, r.derived, (long long)r.element, r.numeric,
             r.error ? r.error : "differs");
  assert_true(r.compared == COUNT && r.kinks == 0);
}

static void gradients(void **state) {
  (void)state;
  for (int p = 0; p < PRIM_COUNT; p++) {
    const PrimInfo *info = prim_info((Prim)p);
    Type t[ARGUMENTS], result;
    if (!prim_case_types(info->sig, 0, t) || !prim_result((Prim)p, t, &result)) fail();
    for (int n = 0; n < info->arity; n++) {
      bool real = result == TY_REAL && t[n] == TY_REAL;
      if (real && !info->derivative[n][0])
        fail_msg("%s has no rule for argument %d", info->name, n);
      if (!real) continue;
      Arena *a = arena_new();
      PrimCase k = prim_case(a, (Prim)p, t);
      check_gradient(&k, n);
      arena_free(a);
    }
    for (int n = info->arity; n < ARGUMENTS; n++)
      if (info->derivative[n][0]) fail_msg("%s has a rule for no argument", info->name);
  }
}

/* All graphs in one program, compiled and run beside the evaluator. */
static void compiled_c(void **state) {
  (void)state;
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  diags_source(d, "prims", "", 0);
  Backend *be = backend_new(a, d, "prims", NULL);
  VEC(Graph *) graphs = {0};
  for (int p = 0; p < PRIM_COUNT; p++) {
    Type t[ARGUMENTS];
    for (int v = 0; prim_case_types(prim_info((Prim)p)->sig, v, t); v++) {
      PrimCase k = prim_case(a, (Prim)p, t);
      const char *name = arena_printf(a, "%s_%s", k.info->name, type_name(t[0]));
      assert_true(backend_entry(be, k.g, name));
      vec_push(a, &graphs, k.g);
    }
  }
  Compiled *c = compiled_new(backend_finish(be), NULL);
  assert_non_null(c);
  for (int i = 0; i < graphs.n; i++)
    for (uint64_t s = 1; s <= 3; s++)
      if (compiled_compare(c, i, graphs.at[i], s, 4e-6, 1) != 0)
        fail_msg("compiled, %s is something else", graphs.at[i]->name);
  compiled_free(c);
  arena_free(a);
}

/* ---- spellings --------------------------------------------------------------------------- */

/* Functions are ours, of emit/scalar.h: what a language calls so may be another in the next. */
static const char *spelling_fault(const PrimInfo *info) {
  const char *text = info->spelling;
  unsigned used = 0;
  int depth = 0;
  if (!text || !*text) return "there is none";
  if (*text != '(' && text[strlen(text) - 1] != ')') return "it is no operand of an operator";
  for (const char *at = text; *at; at++) {
    depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
    if (depth < 0) return "its parentheses do not match";
    if (*at == '$' && isdigit((unsigned char)at[1])) used |= 1u << (at[1] - '0');
    if (*at == '$' && !isdigit((unsigned char)at[1]) && at[1] != 'r' && at[1] != 't')
      return "$ stands for nothing";
    if (isalpha((unsigned char)*at) &&
        (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_' && at[-1] != '$'))) {
      size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
      bool call = at[n] == '(' || strncmp(at + n, "$r(", 3) == 0;
      if (call && strncmp(at, "td_", 3) != 0) return "it calls a function that is not ours";
      if (call && at[n] == '(' && info->sig != SIG_PICK)
        return "a function of reals has the suffix $r";
      if (!call && !(n == 3 && strncmp(at, "ctl", 3) == 0)) return "it names something unknown";
    }
  }
  if (depth != 0) return "its parentheses do not match";
  return used == (1u << info->arity) - 1 ? NULL : "an argument is missing, or one too many";
}

static void spellings(void **state) {
  (void)state;
  for (int p = 0; p < PRIM_COUNT; p++) {
    const char *fault = spelling_fault(prim_info((Prim)p));
    if (fault) fail_msg("the spelling of %s: %s", prim_info((Prim)p)->name, fault);
  }
}

/* ---- the language -------------------------------------------------------------------------- */

static const char *arguments(Arena *a, const PrimInfo *info, int n) {
  static const char *const reals[] = {"x[i]", "y[i]", "x[i] + y[i]", "2.0"};
  const char *text = info->sig == SIG_TOREAL ? "m[i]" : "x[i]";
  for (int i = 1; i < n; i++) text = arena_printf(a, "%s, %s", text, reals[i]);
  return text;
}

/* A model of one call; NULL after errors. */
static Unit *call(Arena *a, const PrimInfo *info, int n, int *code) {
  const char *text = arena_printf(a,
                                  "dim K = %d\n"
                                  "model m(x[K], y[K], m: id<13>[K]) -> z[K] {\n"
                                  "  z[i] = real(0) + %s(%s)\n}\n",
                                  COUNT, info->name, arguments(a, info, n));
  Diags *d = diags_new(a);
  UnitOptions o = {.check_only = true, .verify = true};
  Unit *u = unit_compile(a, interner_new(a), d, diags_source(d, "call", text, strlen(text)), &o);
  *code = diags_count(d) ? diags_at(d, 0)->code : 0;
  return u;
}

static void check_call(const PrimInfo *info, Prim p) {
  Arena *a = arena_new();
  int code;
  Unit *u = call(a, info, info->arity, &code);
  if (!u) fail_msg("%s is not accepted: E%04d", info->name, code);
  Graph *g = unit_entry(u, "model.m")->graph;
  Eval *ev = eval_new(g, seed, step);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    for (int e = 0; n->kind == N_INPUT && e < COUNT; e++)
      eval_bind(ev, n)[e] = n->type == TY_INT ? e % 13 : argument(TY_REAL, n->name[0] == 'y', e, 0);
  }
  const char *why = eval_run(ev);
  if (why) fail_msg("%s: %s", info->name, why);
  for (int e = 0; e < COUNT; e++) {
    double x = argument(TY_REAL, 0, e, false), y = argument(TY_REAL, 1, e, false);
    double want = rows[p].real(info->sig == SIG_TOREAL ? e % 13 : x, y, 0);
    double got = eval_value(ev, g->outputs.at[0].node)[e];
    if (!same(got, want, 1e-13))
      fail_msg("in a file, %s of %g, %g is %.17g, not %.17g", info->name, x, y, got, want);
  }
  eval_free(ev);
  bool more = call(a, info, info->arity + 1, &code) != NULL;
  if (more != (info->call == CALL_MANY) || (!more && code != 310))
    fail_msg("%s of %d arguments: E%04d", info->name, info->arity + 1, code);
  arena_free(a);
}

/* In the page's table of functions: a row that begins with a call of it. */
static bool documented(const char *page, const char *name) {
  size_t n = strlen(name);
  for (const char *p = page; (p = strstr(p, "\n| `")) != NULL; p++)
    if (strncmp(p + 4, name, n) == 0 && p[4 + n] == '(') return true;
  return false;
}

static void the_language(void **state) {
  (void)state;
  char *page = file_text("dsl/reference/values.md");
  int callable = 0;
  for (int p = 0; p < PRIM_COUNT; p++) {
    const PrimInfo *info = prim_info((Prim)p);
    Prim found;
    assert_true(prim_find(info->name, &found) && found == (Prim)p);
    assert_true(prim_find_callable(info->name, &found) == (info->call != CALL_SYNTAX));
    if (info->call == CALL_SYNTAX) continue;
    check_call(info, (Prim)p);
    if (!documented(page, info->name))
      fail_msg("dsl/reference/values.md has no row for %s in its table of functions", info->name);
    callable++;
  }
  free(page);
  assert_true(callable >= 20);
}

static void costs(void **state) {
  (void)state;
  for (int p = 0; p < PRIM_COUNT; p++) {
    const PrimInfo *info = prim_info((Prim)p);
    if (info->cost < 0 || (info->cost == 0 && info->sig != SIG_LOGIC))
      fail_msg("%s costs nothing", info->name);
  }
  assert_true(prim_expensive(P_exp) && prim_expensive(P_normal) && prim_expensive(P_rsqrt));
  assert_false(prim_expensive(P_div) || prim_expensive(P_floor) || prim_expensive(P_select));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values),    cmocka_unit_test(integers_at_the_edge),
      cmocka_unit_test(gradients), cmocka_unit_test(compiled_c),
      cmocka_unit_test(spellings), cmocka_unit_test(the_language),
      cmocka_unit_test(costs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
