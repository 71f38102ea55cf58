/* SPDX-License-Identifier: MIT */
/* Expressions and loops as every dialect spells them. A target of the test's own plans
 * graphs of maps and writes each as one function with the shared emission, in C's words
 * and in CUDA's; both are compiled as C, and run beside the evaluator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/cpu/cpu.h"
#include "tests/compiled.h"
#include "tests/prim_case.h"

enum { COUNT = PRIM_CASE_COUNT };

static const char cuda_head[] = "#include <stdbool.h>\n";

static const char *c_prelude(Arena *a, bool rounds, bool split, bool *shares) {
  return cpu_target.prelude(a, rounds, split, shares);
}

static const char *cuda_prelude(Arena *a, bool rounds, bool split, bool *shares) {
  return arena_printf(a, "%s%s", cpu_target.prelude(a, rounds, split, shares), cuda_head);
}

/* ---- the writer: one map a function ------------------------------------------------------- */

static bool has_word(const char *text, const char *word) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  size_t n = strlen(word);
  for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
    if ((at == text || !strchr(letters, at[-1])) && (!at[n] || !strchr(letters, at[n])))
      return true;
  return false;
}

/* What C's dialect gets from `call`, and CUDA's kernels have as parameters. */
static void put_parameters(const Emit *em, StrBuf *out) {
  const Launch *l = &em->group->launch;
  sb_puts(out, "{\n(void)end;\nif (begin != 0) return;\n");
  if (em->dialect == &dialect_c) return;
  for (int i = 0; i < l->args.n; i++) sb_printf(out, "char *const arg%d = call->arg[%d];\n", i, i);
  if (l->control) sb_puts(out, "const TdControl *const ctl = call->ctl;\n");
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (l->counters >> s & 1) sb_printf(out, "const long long ix%d = call->ix[%d];\n", s, s);
}

/* The body of the innermost loop goes to the level of the last variable. */
static void put_point(Emit *em, Node *n) {
  Expr *at[IR_MAX_VARS];
  for (int v = 0; v < n->nvars; v++) at[v] = ex_var(em->g, v);
  const char *value = emit_value(em, n->body, n->nvars);
  if (n->guard)
    value = arena_printf(em->arena, "(%s ? %s : %s)", emit_value(em, n->guard, n->nvars), value,
                         emit_zero(em, n->reducer, n->type));
  const char *place = emit_element(em, n, at, n->nvars, true);
  sb_puts(&em->level[n->nvars].text, emit_store(em, n, place, value));
}

static void write_map(Plan *p, Group *g, TdKernel *k, const char **note) {
  (void)note;
  Node *n = g->members.at[0].node;
  if (g->kind != GROUP_ROWS || g->members.n != 1 || n->reducer != RED_NONE)
    fail_msg("%s is no map", n->name);
  Emit em;
  emit_begin(&em, p, g);
  em.nvars = n->nvars;
  for (int v = 0; v < n->nvars; v++) {
    em.var[v] = emit_name(&em, "i");
    em.extent[v] = n->extent[v];
    em.var_level[v] = v + 1;
  }
  put_point(&em, n);
  StrBuf loops = {0}, out = {0};
  for (int v = n->nvars - 1; v >= 0; v--) {
    StrBuf outer = {0};
    const char *extent = arena_printf(em.arena, "%lld", (long long)n->extent[v]);
    emit_for(&em, &outer, em.var[v], "0", extent, v == n->nvars - 1 ? "" : NULL);
    if (em.level[v + 1].text.n) sb_puts(&outer, em.level[v + 1].text.s);
    if (loops.n) sb_puts(&outer, loops.s);
    sb_puts(&outer, "}\n");
    sb_free(&loops);
    loops = outer;
    /* what is recorded while text is written is what stands in it */
    const char *inside = strchr(loops.s, '{');
    if (has_word(inside, em.var[v]) != (em.used_vars >> v & 1))
      fail_msg("%s: variable %d of '%s'", em.dialect->name, v, loops.s);
  }
  put_parameters(&em, &out);
  emit_prologue(&em, &out);
  if (em.level[0].text.n) sb_puts(&out, em.level[0].text.s);
  sb_puts(&out, n->nvars ? loops.s : "");
  sb_puts(&out, "}\n");
  k->source = arena_strndup(em.arena, out.s, out.n);
  sb_free(&loops);
  sb_free(&out);
  emit_end(&em);
}

typedef struct Written {
  Arena *arena;
  Backend *backend;
  VEC(Graph *) graphs;
} Written;

static Target target; /* of the dialect under test */

static Written begin(const Dialect *d) {
  target = cpu_target;
  target.name = d->name;
  target.dialect = d;
  target.prelude = d == &dialect_c ? c_prelude : cuda_prelude;
  target.emit = write_map;
  BackendOptions o = backend_defaults();
  o.contractions = o.chains = o.fuse_rows = o.fuse_epilogues = false;
  Written w = {.arena = arena_new()};
  Diags *diags = diags_new(w.arena);
  diags_source(diags, "dialect", "", 0);
  w.backend = backend_new(w.arena, diags, d->name, &o);
  backend_for(w.backend, &target);
  return w;
}

static void add(Written *w, Graph *g) {
  assert_true(backend_entry(w->backend, g, arena_printf(w->arena, "g%d", w->graphs.n)));
  vec_push(w->arena, &w->graphs, g);
}

/* Compiled and run, every graph is what it means. */
static void check(Written *w) {
  Compiled *c = compiled_new(backend_finish(w->backend), NULL);
  assert_non_null(c);
  for (int i = 0; i < w->graphs.n; i++)
    for (uint64_t s = 1; s <= 3; s++)
      if (compiled_compare(c, i, w->graphs.at[i], s, 4e-6, 1) != 0)
        fail_msg("in %s, %s is something else", target.name, w->graphs.at[i]->name);
  compiled_free(c);
  arena_free(w->arena);
}

/* ---- graphs --------------------------------------------------------------------------------- */

typedef struct Bench {
  Graph *g;
  Node *a, *m;
  Expr *i, *x, *k; /* i; a[i]; m[i], from -6 to 40 */
} Bench;

static Bench bench(Arena *a, const char *name) {
  const int64_t shape[] = {COUNT};
  Bench b = {.g = graph_new(a, interner_new(a), name)};
  b.a = ir_input(b.g, "a", TY_REAL, 1, shape, 0, 0, (Span){0});
  b.m = ir_input(b.g, "m", TY_INT, 1, shape, -6, 40, (Span){0});
  b.i = ex_var(b.g, 0);
  b.x = ex_read(b.g, b.a, &b.i);
  b.k = ex_read(b.g, b.m, &b.i);
  return b;
}

static void put(Bench *b, Region *r, const char *name, Expr *guard, Expr *body) {
  const int64_t shape[] = {COUNT};
  Node *n = ir_comp(b->g, r, name, (Span){0}, 1, 0, shape, RED_NONE, guard, body);
  Output out = {name, n};
  if (r == b->g->top) vec_push(b->g->arena, &b->g->outputs, out);
}

static Graph *gelu(Arena *a) {
  Bench b = bench(a, "gelu");
  Expr *one_plus = ex2(b.g, P_add, ex_num(b.g, 1), ex1(b.g, P_erf, b.x));
  put(&b, b.g->top, "z", NULL, ex2(b.g, P_mul, ex2(b.g, P_div, b.x, ex_num(b.g, 2)), one_plus));
  return b.g;
}

/* A read that no interval proves to be in bounds. */
static Graph *gather(Arena *a) {
  Bench b = bench(a, "gather");
  Expr *inside =
      ex2(b.g, P_and, ex2(b.g, P_le, ex_int(b.g, 0), b.k), ex2(b.g, P_lt, b.k, ex_int(b.g, COUNT)));
  put(&b, b.g->top, "z", inside, ex_read(b.g, b.a, &b.k));
  return b.g;
}

/* Integers of 64 bits, and the constants that are none of C's. */
static Graph *extremes(Arena *a) {
  Bench b = bench(a, "extremes");
  Expr *wide = ex2(b.g, P_mul, b.k, ex_int(b.g, 1000000007));
  put(&b, b.g->top, "z", NULL, ex2(b.g, P_mod, wide, ex_int(b.g, 97)));
  put(&b, b.g->top, "y", NULL,
      ex3(b.g, P_select, ex2(b.g, P_lt, b.x, ex_num(b.g, 0)), ex_num(b.g, -INFINITY),
          ex3(b.g, P_select, ex2(b.g, P_lt, b.x, ex_num(b.g, 0.5)), ex_num(b.g, NAN),
              ex_num(b.g, INFINITY))));
  Expr *far =
      ex2(b.g, P_max, ex2(b.g, P_sub, wide, ex_int(b.g, INT64_C(5000000000))), ex_int(b.g, -7));
  put(&b, b.g->top, "w", NULL, ex2(b.g, P_mod, far, ex_int(b.g, 101)));
  return b.g;
}

/* A loop: its counter, and a value that is carried and updated in place. */
static Graph *rounds(Arena *a) {
  Bench b = bench(a, "rounds");
  Loop *l = ir_loop(b.g, b.g->top, "r", 5, true, (Span){0});
  Node *h = ir_carry(b.g, l, "h", b.a);
  Expr *next = ex2(b.g, P_add, ex2(b.g, P_mul, ex_num(b.g, 0.5), ex_read(b.g, h, &b.i)),
                   ex1(b.g, P_real, ex2(b.g, P_mul, ex_loopvar(b.g, l), b.k)));
  const int64_t shape[] = {COUNT};
  l->carries.at[0].next = ir_comp(b.g, l->body, "n", (Span){0}, 1, 0, shape, RED_NONE, NULL, next);
  Output out = {"z", ir_final(b.g, l, 0)};
  vec_push(a, &b.g->outputs, out);
  return b.g;
}

/* Two variables; one value that only the outer needs, one that neither does. */
static Graph *table(Arena *a) {
  const int64_t shape[] = {COUNT, 5};
  Bench b = bench(a, "table");
  Node *step = ir_input(b.g, "step", TY_INT, 0, NULL, 0, INT64_MAX, (Span){0});
  b.g->step = step;
  Expr *outer = ex1(b.g, P_exp, b.x),
       *constant = ex1(b.g, P_sin, ex1(b.g, P_real, ex_read(b.g, step, NULL)));
  Expr *body = ex2(b.g, P_add, ex2(b.g, P_mul, outer, ex1(b.g, P_real, ex_var(b.g, 1))), constant);
  Node *n = ir_comp(b.g, b.g->top, "z", (Span){0}, 2, 0, shape, RED_NONE, NULL, body);
  Output out = {"z", n};
  vec_push(a, &b.g->outputs, out);
  return b.g;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void every_primitive(const Dialect *d) {
  Written w = begin(d);
  Type t[PRIM_ARGUMENTS];
  for (int p = 0; p < PRIM_COUNT; p++)
    for (int v = 0; prim_case_types(prim_info((Prim)p)->sig, v, t); v++)
      add(&w, prim_case(w.arena, (Prim)p, t).g);
  check(&w);
}

static Written whole(const Dialect *d) {
  static Graph *(*const make[])(Arena *) = {gelu, gather, extremes, rounds, table};
  Written w = begin(d);
  for (size_t i = 0; i < sizeof make / sizeof *make; i++) add(&w, make[i](w.arena));
  return w;
}

static void primitives_in_c(void **state) {
  (void)state;
  every_primitive(&dialect_c);
}

static void primitives_in_cuda(void **state) {
  (void)state;
  every_primitive(&dialect_cuda);
}

static void expressions(void **state) {
  (void)state;
  Written c = whole(&dialect_c);
  check(&c);
  Written cuda = whole(&dialect_cuda);
  check(&cuda);
}

/* All kernels of these graphs, joined. */
static char *text_of(Written *w) {
  StrBuf b = {0};
  const TdProgram *p = backend_finish(w->backend);
  for (int i = 0; i < p->nkernels; i++) sb_puts(&b, strchr(p->kernels[i].source, '{'));
  return b.s;
}

static void words_are_the_dialects(void **state) {
  (void)state;
  /* of <math.h>, which neither prelude includes, no word */
  static const char *const math[] = {"NAN", "INFINITY"};
  static const char *const only_c[] = {"int32_t", "int64_t",  "uint8_t", "uint64_t",
                                       "_Bool",   "restrict", "pragma",  "INT32_MIN"};
  static const char *const only_cuda[] = {"long", "unsigned", "__restrict__"};
  Written c = whole(&dialect_c), cuda = whole(&dialect_cuda);
  char *in_c = text_of(&c), *in_cuda = text_of(&cuda);
  for (size_t i = 0; i < sizeof only_c / sizeof *only_c; i++)
    if (has_word(in_cuda, only_c[i])) fail_msg("CUDA does not know %s:\n%s", only_c[i], in_cuda);
  for (size_t i = 0; i < sizeof math / sizeof *math; i++)
    if (has_word(in_c, math[i]) || has_word(in_cuda, math[i])) fail_msg("%s", math[i]);
  for (size_t i = 0; i < sizeof only_cuda / sizeof *only_cuda; i++) {
    if (!has_word(in_cuda, only_cuda[i])) fail_msg("no %s in:\n%s", only_cuda[i], in_cuda);
    if (has_word(in_c, only_cuda[i])) fail_msg("%s in C:\n%s", only_cuda[i], in_c);
  }
  free(in_c);
  free(in_cuda);
  arena_free(c.arena);
  arena_free(cuda.arena);
}

static void patterns(void **state) {
  (void)state;
  Arena *a = arena_new();
  static const Dialect *const all[] = {&dialect_c, &dialect_cuda};
  for (size_t i = 0; i < 2; i++) {
    const Dialect *d = all[i];
    const char *x[] = {"x"};
    assert_string_equal(dialect_spell(d, a, d->widen, x), "td_wide(x)");
    assert_string_equal(dialect_spell(d, a, d->narrow, x), "td_narrow(x)");
    assert_string_equal(dialect_spell(d, a, "f$r(($t)$0 $0)", x), "ff((float)x x)");
    assert_true((d->draw_array == NULL) == (d->draw_run == NULL));
  }
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(primitives_in_c), cmocka_unit_test(primitives_in_cuda),
      cmocka_unit_test(expressions),     cmocka_unit_test(words_are_the_dialects),
      cmocka_unit_test(patterns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
