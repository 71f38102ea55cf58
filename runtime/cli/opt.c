/* SPDX-License-Identifier: MIT */
/* tdc opt: a graph in its textual form through one pass, or through those that decide by
 * the graph alone; or its plan. */
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/text.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"
#include "runtime/cli/cli.h"

void cli_opt_passes(StrBuf *out) {
  sb_puts(out,
          "Passes, in the order of a compilation; without -p those marked * run, which decide\n"
          "by the graph alone:\n");
  for (int i = 0; i < pipeline_count(); i++) {
    const PassInfo *p = pipeline_at(i);
    sb_printf(out, "%c %-10s %s%s%s%s\n", p->general ? '*' : ' ', p->name, p->what,
              p->needs != NULL ? " (after " : "", p->needs != NULL ? p->needs : "",
              p->needs != NULL ? ")" : "");
  }
}

static int unknown_pass(Cli *c, const char *name) {
  StrBuf s = {0};
  for (int i = 0; i < pipeline_count(); i++)
    sb_printf(&s, "\n  %-10s %s", pipeline_at(i)->name, pipeline_at(i)->what);
  int code =
      cli_usage(c, "there is no pass '%.100s'; passes are%s", name, s.s != NULL ? s.s : " none");
  sb_free(&s);
  return code;
}

static const struct Target *target_of(const Cli *c) {
  return backend_target(cli_text(c, "target", "cpu"));
}

/* What --plan is made for. False after a message. */
static bool plan_options(Cli *c, BackendOptions *o) {
  const char *act = cli_text(c, "act", "f32"), *without = cli_text(c, "without", NULL);
  const char *product;
  int code;
  *o = backend_defaults();
  if (!cli_product(c, &product, &code)) return false;
  if (strcmp(act, "f32") != 0 && strcmp(act, "bf16") != 0) {
    cli_usage(c, "--act takes f32 or bf16, not '%.100s'", act);
    return false;
  }
  if (target_of(c) == NULL) {
    cli_usage(c, "--target takes cpu or cuda, not '%.100s'", cli_text(c, "target", ""));
    return false;
  }
  if (without == NULL || backend_without(o, without)) return true;
  StrBuf s = {0};
  for (int i = 0; backend_option(i) != NULL; i++)
    sb_printf(&s, "%s%s", i > 0 ? ", " : "", backend_option(i));
  cli_usage(c, "--without takes names of %s, not '%.100s'", s.s, without);
  sb_free(&s);
  return false;
}

static void print_plan(Cli *c, Arena *a, Diags *d, const BackendOptions *o, Graph *g, StrBuf *out) {
  Backend *be = backend_new(a, d, g->name, o);
  backend_for(be, target_of(c));
  if (strcmp(cli_text(c, "act", "f32"), "bf16") == 0) backend_activations(be, TD_BF16);
  backend_split(be, td_split(cli_text(c, "product", cli_text(c, "exact", "f32"))));
  backend_repeated(be, cli_has(c, "repeated"));
  backend_plan(be, g, out);
}

/* What stands for an adjoint in a `grad` clause has no value; programs are planned without. */
static const Node *cotangent(const Graph *g) {
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.at[i]->kind == N_COTANGENT) return g->nodes.at[i];
  return NULL;
}

static int opt_text(Cli *c, const char *path, const char *text, size_t n, const BackendOptions *o) {
  Arena *a = arena_new();
  TdError err = {0};
  int code = 0;
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, path, text, n));
  StrBuf s = {0};
  if (g == NULL) {
    diags_print(d, &s, c->err.colour);
    fputs(s.s != NULL ? s.s : "", stderr);
    code = TD_BAD_FILE;
  } else {
    const PassOptions passes = pass_options(target_of(c));
    const char *pass = cli_text(c, "pass", NULL);
    bool plan = cli_has(c, "plan");
    const Node *open = plan ? cotangent(g) : NULL;
    if (open) {
      td_fail(&err, TD_BAD_FILE,
              "'%.100s' is a cotangent: a graph is planned without its grad clauses", open->name);
      arena_free(a);
      return cli_fail(c, &err);
    }
    if (pass != NULL)
      pipeline_run_one(g, &passes, pass);
    else if (!plan)
      pipeline_run(g, &(PipelineOptions){.passes = &passes, .general = true, .verify = true});
    if (plan)
      print_plan(c, a, d, o, g, &s);
    else
      ir_print(g, &s);
    fputs(s.s != NULL ? s.s : "", stdout);
    code = cli_done(c);
  }
  sb_free(&s);
  arena_free(a);
  return code;
}

int cli_opt(Cli *c) {
  TdError err = {0};
  uint8_t *text;
  size_t n;
  BackendOptions o;
  const char *pass = cli_text(c, "pass", NULL);
  if (pass != NULL && pipeline_find(pass) == NULL) return unknown_pass(c, pass);
  if (!plan_options(c, &o)) return TD_BAD_USAGE;
  if (!io_read_file(NULL, c->args[0], 64 << 20, &text, &n, &err)) return cli_fail(c, &err);
  int code = opt_text(c, c->args[0], (const char *)text, n, &o);
  free(text);
  return code;
}
