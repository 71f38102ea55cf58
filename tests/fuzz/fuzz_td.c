/* SPDX-License-Identifier: MIT */
/* The compiler against damaged programs: parser, lowering, gradients, passes, planning, emission,
 * and the check of gradients on the evaluator.
 * Each is accepted, or rejected with errors that have a place inside the file; the graphs of one
 * that is accepted say the same after printing and reading, and its program is written as C, as
 * a plan and as pictures. */
#include <string.h>

#include "compiler/backend.h"
#include "compiler/check/opcheck.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"
#include "tests/fuzz/fuzz.h"
#include "tests/sources.h"

/* The graph before any pass, printed and read. */
static bool reads_back(Arena *a, Interner *names, const UnitEntry *e) {
  StrBuf once = {0}, again = {0};
  Diags *d = diags_new(a);
  ir_print(e->graph, &once);
  Graph *g = ir_parse(a, names, d, diags_source(d, "printed.ir", once.s, once.n));
  if (g) ir_print(g, &again);
  bool fine = g && !strcmp(once.s, again.s);
  if (!g && diags_count(d) > 0)
    fuzz_broken("the printed graph is not read", diags_at(d, 0)->message);
  if (!fine) fprintf(stderr, "%s--- again\n%s", once.s, again.s ? again.s : "");
  sb_free(&once);
  sb_free(&again);
  return fine;
}

static void write_all(Arena *a, const Unit *u, bool cuda) {
  StrBuf out = {0}, header = {0};
  if (cuda)
    emit_cuda_file(u->program, &out);
  else
    emit_standalone_c(u->program, &out, &header);
  backend_print_plan(a, u->program, &out);
  for (int i = 0; i < u->program->nentries; i++)
    backend_print_picture(a, u->program, &u->program->entries[i], &out);
  sb_free(&out);
  sb_free(&header);
}

/* Gradients of all ops, at one choice of shapes: whether they are right is not asked. */
static void check_gradients(Unit *u, Arena *a) {
  const OpCheckOptions o = {.seed = 1, .trials = 1, .elements = 1, .work = 1e3};
  TrialOp *ops;
  for (int i = 0, n = trial_ops(u, a, false, &ops); i < n; i++) opcheck_op(u, &ops[i], &o, a);
}

typedef enum { CHECKED, WRITTEN, ON_CUDA, GRADCHECKED } Way;

static bool compile(const char *text, size_t n, Way way, bool *accepted) {
  Arena *a = arena_new();
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  UnitOptions o = {
      .query = some_text, .check_only = way != WRITTEN && way != ON_CUDA, .verify = true};
  o.target = way == ON_CUDA ? "cuda" : NULL;
  o.no_update = o.no_eval = o.no_samplers = o.no_models = way == GRADCHECKED;
  for (int k = 0; backend_option(k); k++)
    if (mutate_asked(text, backend_option(k))) o.disable |= 1u << k;
  if (mutate_asked(text, "bf16")) o.act = "bf16";
  Unit *u = unit_compile(a, names, d, diags_source(d, "fuzz.td", text, n), &o);
  bool fine = fuzz_places(d);
  *accepted = u != NULL;
  int errors = diags_errors(d);
  if (!u && !errors) fine = fuzz_broken("rejected without a word", NULL);
  if (u && errors) fine = fuzz_broken("accepted with errors", NULL);
  for (int i = 0; u && fine && way == CHECKED && i < u->nentries; i++)
    fine = reads_back(a, names, &u->entries[i]);
  if (u && fine && !o.check_only) write_all(a, u, way == ON_CUDA);
  if (u && fine && way == GRADCHECKED) check_gradients(u, a);
  arena_free(a);
  return fine;
}

static Verdict run(const char *text, size_t n, bool whole) {
  bool accepted, again;
  if (!compile(text, n, CHECKED, &accepted)) return BROKEN;
  if (!accepted) return REJECTED;
  if (!whole) return ACCEPTED;
  for (int way = WRITTEN; way <= GRADCHECKED; way++)
    if (!compile(text, n, (Way)way, &again)) return BROKEN;
  return ACCEPTED;
}

static void make(Random *r, const Seeds *seeds, StrBuf *out) {
  static const char *const words[] = {"[",
                                      "]",
                                      "(",
                                      ")",
                                      "{",
                                      "}",
                                      ",",
                                      "=",
                                      "~",
                                      "->",
                                      "...",
                                      "..",
                                      ":",
                                      "|",
                                      "?",
                                      "+",
                                      "-",
                                      "*",
                                      "/",
                                      "%",
                                      "^",
                                      "<",
                                      "==",
                                      "&&",
                                      "for i in 3 ",
                                      "for i in 0 ",
                                      "emit ",
                                      "carry ",
                                      " grad(dy) { }",
                                      " nocheck",
                                      "op f(x[...]) -> y[...] = x[...]\n",
                                      "0.5",
                                      "inf",
                                      "true",
                                      "(x)",
                                      "x[0]",
                                      "x[-1]",
                                      "sum[k in 3](k)",
                                      "sum[]",
                                      "max[l | l < 2](l)",
                                      "softmax[v](v)",
                                      "gelu(x)",
                                      "normal()",
                                      "uniform(3)",
                                      "categorical",
                                      "extent(b)",
                                      "training",
                                      "noise",
                                      "text",
                                      "L",
                                      "V",
                                      "B",
                                      "int(2.5)",
                                      "real(1)",
                                      "stop(x)",
                                      "sqrt(0)",
                                      "log(0)",
                                      "pow(0, 0)",
                                      "min(j, 3)",
                                      "id<4>",
                                      "id<V>",
                                      "bool",
                                      "@save recompute ",
                                      "scan ",
                                      "tr(x)",
                                      " in 4",
                                      " in L",
                                      "param ",
                                      "state ",
                                      "const c = 3\n",
                                      "dim Z = 0\n",
                                      "minimize ",
                                      "log ",
                                      "dx[...] = dy[...]",
                                      ": 8",
                                      "1 / 0"};
  mutate_options(r, out);
  mutate_text(r, seeds, words, sizeof words / sizeof *words, out);
}

const Fuzzer fuzzer = {"td", ".td", make, run, false};
