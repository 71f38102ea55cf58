/* SPDX-License-Identifier: MIT */
/* Damaged graphs in their textual form: the reader, the verifier, every pass alone and all in
 * their order, planning and emission. A text is rejected with errors that have a place in it, or
 * is a graph that the verifier accepts, that says the same after printing and reading, and that
 * every pass leaves as a graph that does. */
#include <string.h>

#include "compiler/backend.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"
#include "tests/fuzz/fuzz.h"

static Graph *read_graph(Arena *a, Diags *d, const char *text, size_t n) {
  return ir_parse(a, interner_new(a), d, diags_source(d, "fuzz.ir", text, n));
}

/* The places that the text gives are in sources that are not there. */
static Graph *read_alone(Arena *a, Diags *d, const char *text, size_t n) {
  Graph *g = read_graph(a, d, text, n);
  for (int i = 0; i < g->nodes.n; i++) g->nodes.at[i]->span = (Span){0};
  return g;
}

/* Printed, read and printed again: the same. */
static bool reads_back(Arena *a, Graph *g, const char *after) {
  StrBuf once = {0}, again = {0};
  Diags *d = diags_new(a);
  ir_print(g, &once);
  Graph *copy = read_graph(a, d, once.s, once.n);
  if (copy) ir_print(copy, &again);
  bool fine = copy && !strcmp(once.s, again.s);
  if (!copy && diags_count(d) > 0) fuzz_broken("not read back", diags_at(d, 0)->message);
  if (!fine) {
    fuzz_broken("printed, read and printed it differs after", after);
    fprintf(stderr, "%s--- again\n%s", once.s, again.s ? again.s : "");
  }
  sb_free(&once);
  sb_free(&again);
  return fine;
}

static bool pass_holds(const char *text, size_t n, const PassInfo *pass) {
  Arena *a = arena_new();
  Graph *g = read_graph(a, diags_new(a), text, n);
  const PassOptions every = pass_options(backend_target("cpu"));
  pipeline_run_one(g, &every, pass->name);
  const char *why = pass->unprovable ? NULL : ir_verify(g);
  if (why) {
    fuzz_broken("broken by", pass->name);
    fuzz_broken("it is", why);
  }
  bool fine = !why && (pass->unprovable || reads_back(a, g, pass->name));
  arena_free(a);
  return fine;
}

/* The whole way, as the line of options says. */
static void compile(const char *text, size_t n) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  BackendOptions o = backend_defaults();
  StrBuf out = {0}, header = {0};
  for (int k = 0; backend_option(k); k++)
    if (mutate_asked(text, backend_option(k))) backend_without(&o, backend_option(k));
  Backend *be = backend_new(a, d, "fuzz", &o);
  if (mutate_asked(text, "bf16")) backend_activations(be, TD_BF16);
  backend_repeated(be, mutate_asked(text, "repeated"));
  if (backend_entry(be, read_alone(a, d, text, n), "fuzz")) {
    TdProgram *p = backend_finish(be);
    emit_standalone_c(p, &out, &header);
    backend_print_plan(a, p, &out);
    backend_print_picture(a, p, &p->entries[0], &out);
  }
  be = backend_new(a, d, "fuzz", &o); /* for the other target */
  backend_for(be, backend_target("cuda"));
  if (mutate_asked(text, "bf16")) backend_activations(be, TD_BF16);
  backend_repeated(be, mutate_asked(text, "repeated"));
  if (backend_entry(be, read_alone(a, d, text, n), "fuzz"))
    emit_cuda_file(backend_finish(be), &out);
  be = backend_new(a, d, "fuzz", &o); /* and as it is, without passes */
  if (mutate_asked(text, "bf16")) backend_activations(be, TD_BF16);
  backend_repeated(be, mutate_asked(text, "repeated"));
  backend_plan(be, read_alone(a, d, text, n), &out);
  sb_free(&out);
  sb_free(&header);
  arena_free(a);
}

static Verdict run(const char *text, size_t n, bool whole) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  Graph *g = read_graph(a, d, text, n);
  bool accepted = g != NULL, fine = fuzz_places(d);
  if (fine && accepted && diags_errors(d))
    fine = fuzz_broken("accepted with errors", NULL) != BROKEN;
  if (fine && !accepted && !diags_errors(d)) fine = fuzz_broken("no word of why", NULL) != BROKEN;
  if (fine && accepted) {
    const char *why = ir_verify(g);
    fine = !why || fuzz_broken("read, but", why) != BROKEN;
    fine = fine && reads_back(a, g, "reading");
  }
  arena_free(a);
  if (!fine) return BROKEN;
  if (!accepted) return REJECTED;
  if (!whole) return ACCEPTED;
  for (int i = 0; i < pipeline_count(); i++)
    if (!pass_holds(text, n, pipeline_at(i))) return BROKEN;
  compile(text, n);
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
                                      ":",
                                      "|",
                                      "?",
                                      "+",
                                      "-",
                                      "*",
                                      "/",
                                      "<",
                                      "<=",
                                      "==",
                                      "and ",
                                      "or ",
                                      "not ",
                                      "->",
                                      "none",
                                      "@i",
                                      "$1",
                                      "$2 = ",
                                      "sum[k:3]",
                                      "max[k:3 | k < 2]",
                                      "argmax[k:4]",
                                      "prod[k:0]",
                                      "exp(x[i])",
                                      "mod(i, 3)",
                                      "real(i)",
                                      "int(2.5)",
                                      "min(i, 3)",
                                      "uniform(1, i)",
                                      "normal(2, 0)",
                                      "true",
                                      "false",
                                      "inf",
                                      "nan",
                                      " in 0 .. 3",
                                      " in -1 ..",
                                      "real",
                                      "int",
                                      "bool",
                                      "input q: int[4] in 0 .. 3\n",
                                      "state s: real[8]\n",
                                      "view w: real[2, 2] = s + 4\n",
                                      "pack p: real[4] = x, y\n",
                                      "output o = x\n",
                                      "update s = x\n",
                                      "next h = x\n",
                                      "carry h: real = x\n",
                                      "emit 0 = x\n",
                                      "loop j:3 reverse {\n",
                                      "} ",
                                      "final f: real = h\n",
                                      "stack t: real[3] = i emit 0\n",
                                      "scatter c: real[4] over [i:3] at [i] add 1.0\n",
                                      "; save recompute",
                                      "; save keep",
                                      "; again",
                                      "; step",
                                      "; at 1:2-1:3",
                                      "; axes(b, _)",
                                      "9223372036854775807",
                                      "nan(1)",
                                      "`a b`"};
  mutate_options(r, out);
  mutate_text(r, seeds, words, sizeof words / sizeof *words, out);
}

const Fuzzer fuzzer = {"ir", ".ir", make, run, false};
