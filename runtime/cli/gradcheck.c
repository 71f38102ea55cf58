/* tdc gradcheck: the loss's gradient by every parameter against central
 * differences, with the reference evaluator in double precision. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/gradcheck.h"
#include "runtime/cli/cli.h"

/* Initial values of the states, as the init graph computes them. */
typedef struct Initial { Eval *eval; Graph *graph; } Initial;

static const char *flat_name(const char *state) {
  const char *dot = strchr(state, '.');
  return dot != NULL ? dot + 1 : state;
}

static void fill(const Node *n, double *values, int64_t count, void *ctx) {
  const Initial *in = ctx;
  if (n->kind == N_INPUT) {
    int64_t range = n->hi - n->lo + 1;
    for (int64_t i = 0; i < count; i++) {
      double u = draw_uniform(7, 1, draw_site(n->name), (uint64_t)i);
      if (n->type == TY_REAL) values[i] = draw_normal(7, 1, draw_site(n->name), (uint64_t)i);
      else if (n->type == TY_BOOL) values[i] = u < 0.5;
      else values[i] = strcmp(n->name, "step") == 0 ? 1 : (double)n->lo + floor(u * (double)(range > 0 && range < 1000000 ? range : 2));
    }
    return;
  }
  for (int i = 0; in->graph != NULL && i < in->graph->updates.n; i++) {
    const Update *u = &in->graph->updates.at[i];
    if (strcmp(flat_name(u->state->name), flat_name(n->name)) != 0 || ir_count(u->state) != count) continue;
    memcpy(values, eval_bind(in->eval, u->state), (size_t)count * sizeof *values);
    return;
  }
}

static int show(Cli *c, const GradcheckReport *r) {
  if (c->json) {
    json_t *o = json_pack("{s:b, s:I, s:f, s:s, s:I, s:f, s:f}", "ok", (int)r->ok, "compared", (json_int_t)r->compared, "worst",
                          r->worst, "tensor", r->name != NULL ? r->name : "", "element", (json_int_t)r->element, "derived",
                          r->derived, "numeric", r->numeric);
    if (o != NULL) json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
  } else {
    printf("%s: %" PRId64 " numbers compared", r->ok ? "ok" : "WRONG", r->compared);
    if (r->name != NULL)
      printf("; worst '%s'[%" PRId64 "]: derived %.9g, by differences %.9g (%.2g of what is allowed)", r->name, r->element,
             r->derived, r->numeric, r->worst);
    putchar('\n');
  }
  int done = cli_done(c);
  return r->ok ? done : TD_NOT_FINITE;
}

static int check_loss(Cli *c, const Project *p, uint64_t seed, int64_t elements) {
  const UnitEntry *eval = unit_entry(p->unit, "eval"), *init = unit_entry(p->unit, "init");
  if (eval == NULL || eval->graph == NULL) return cli_usage(c, "%s has no train { } block with a loss to check", p->unit->path);
  Graph *g = eval->graph;
  Node *out = NULL, *wrt[64];
  int n = 0;
  for (int i = 0; i < g->outputs.n; i++)
    if (strcmp(g->outputs.at[i].name, "loss") == 0) out = g->outputs.at[i].node;
  for (int i = 0; i < g->nodes.n && n < 64; i++)
    if (g->nodes.at[i]->kind == N_STATE && g->nodes.at[i]->type == TY_REAL) wrt[n++] = g->nodes.at[i];
  Initial initial = { NULL, init != NULL ? init->graph : NULL };
  if (initial.graph != NULL) {
    initial.eval = eval_new(initial.graph, seed, 0);
    const char *wrong = eval_run(initial.eval);
    if (wrong != NULL) return cli_usage(c, "the initial weights cannot be computed: %s", wrong);
  }
  GradcheckOptions options = { .seed = seed, .max_elements = elements, .fill = fill, .fill_ctx = &initial };
  GradcheckReport report = { 0 };
  bool derived = out != NULL && gradcheck(g, p->diags, out, wrt, n, &options, &report);
  int code;
  if (!derived && report.error == NULL) {
    project_report(p, c->json, c->err.colour, c->json ? stdout : stderr);
    code = TD_BAD_FILE;
  } else if (report.error != NULL) {
    TdError err = { 0 };
    td_fail(&err, TD_NOT_FINITE, "%s", report.error);
    code = cli_fail(c, &err);
  } else {
    code = show(c, &report);
  }
  if (initial.eval != NULL) eval_free(initial.eval);
  return code;
}

int cli_gradcheck(Cli *c) {
  Project p;
  int code = 0;
  uint64_t seed = 0;
  int64_t elements = 20;
  UnitOptions o = { .check_only = true, .no_train = true, .no_samplers = true, .no_models = true };
  if (!cli_seed(c, &seed) || !cli_int(c, "elements", 1, 1000000000, &elements)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code)) code = check_loss(c, &p, seed, elements);
  project_close(&p);
  return code;
}
