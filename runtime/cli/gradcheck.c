/* tdc gradcheck: every op of the file on its own, with shapes and numbers by a
 * seed, then the loss by every parameter: derived gradients against central
 * differences, with the reference evaluator in double precision. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/gradcheck.h"
#include "compiler/trial.h"
#include "runtime/cli/cli.h"

enum { TRIALS = 5, WRT_MAX = 64, OUTPUTS_MAX = 16 };

/* What the checks came to. */
typedef struct Tally {
  Cli    *c;
  json_t *all;                  /* one object for each op, and the loss */
  bool    wrong;
} Tally;

/* Numbers that one op's trials add up to. */
typedef struct OpResult {
  int64_t     compared, kinks;
  int         trials;
  bool        wrong;
  GradcheckReport worst;
  const char *shapes;           /* of the worst */
  const char *unchecked, *why;  /* why there is nothing to compare */
} OpResult;

static int real_sources(const Graph *g, Node **wrt) {
  int n = 0;
  for (int i = 0; i < g->top->nodes.n && n < WRT_MAX; i++) {
    Node *x = g->top->nodes.at[i];
    if ((x->kind == N_INPUT || x->kind == N_STATE) && x->type == TY_REAL) wrt[n++] = x;
  }
  return n;
}

static void say(Tally *t, const char *kind, const char *name, const OpResult *r) {
  const GradcheckReport *w = &r->worst;
  const char *word = r->wrong ? "WRONG" : r->unchecked != NULL ? "unchecked" : r->why != NULL ? "skipped" : "ok";
  json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:f}", "kind", kind, "name", name, "result", word, "compared",
                        (json_int_t)r->compared, "kinks", (json_int_t)r->kinks, "worst", r->compared > 0 ? w->worst : 0.0);
  t->wrong = t->wrong || r->wrong;
  json_array_append_new(t->all, o);
  if (t->c->json) return;
  printf("%-9s %-5s %-20s", word, kind, name);
  if (r->unchecked != NULL) printf(" its grad clause says nocheck");
  else if (r->why != NULL && r->compared == 0) printf(" %s", r->why);
  else printf(" %" PRId64 " numbers in %d trial%s", r->compared, r->trials, r->trials == 1 ? "" : "s");
  putchar('\n');
  if (r->wrong)
    printf("          '%s'[%" PRId64 "]: derived %.9g, by differences %.9g%s%s\n", w->name, w->element, w->derived, w->numeric,
           r->shapes != NULL ? "; " : "", r->shapes != NULL ? r->shapes : "");
}

/* ---- ops ------------------------------------------------------------------------- */

typedef struct Filling { uint64_t seed; TrialValues kind; } Filling;

static void fill_trial(const Node *n, double *values, int64_t count, void *ctx) {
  const Filling *f = ctx;
  trial_fill(n, f->seed, f->kind, values, count);
}

static const char *first_message(const Diags *d, Arena *a) {
  return diags_count(d) > 0 ? arena_strdup(a, diags_at(d, 0)->message) : "it cannot be differentiated";
}

/* One result of one call. Numbers outside a function's domain are tried as
 * positive ones, then as ones within 0 .. 1. False: there is no such result. */
static bool check_result(const Project *p, const TrialOp *op, uint64_t seed, int result, int64_t elements, OpResult *r) {
  static const TrialValues kinds[] = { VALUES_KINDS, VALUES_POSITIVE, VALUES_UNIT };
  for (int k = 0; k < 3; k++) {
    Trial trial = { 0 };
    TrialOptions to = { .seed = seed };
    Node *wrt[WRT_MAX];
    if (!trial_graph(p->unit, op, &to, p->arena, &trial)) {
      r->why = trial.why != NULL ? trial.why : "no shapes suit it";
      return false;
    }
    r->unchecked = trial.unchecked;
    if (trial.unchecked != NULL || result >= trial.graph->outputs.n) return false;
    Node *out = trial.graph->outputs.at[result].node;
    int n = real_sources(trial.graph, wrt);
    if (out->type != TY_REAL || n == 0) return true;
    Filling filling = { trial.seed, kinds[k] == VALUES_KINDS ? trial_values(trial.seed) : kinds[k] };
    GradcheckOptions o = { .seed = seed, .max_elements = elements, .fill = fill_trial, .fill_ctx = &filling };
    GradcheckReport report = { 0 };
    Diags *d = diags_new(p->arena);
    if (!gradcheck(trial.graph, d, out, wrt, n, &o, &report) && report.compared == 0) {
      r->why = report.error != NULL ? report.error : first_message(d, p->arena);
      if (report.error != NULL) continue;
      return true;
    }
    r->compared += report.compared;
    r->kinks += report.kinks;
    if (r->worst.name == NULL || report.worst > r->worst.worst) {
      r->worst = report;
      r->shapes = trial.shapes;
    }
    r->wrong = r->wrong || !report.ok;
    return true;
  }
  return true;
}

static void check_ops(Tally *t, const Project *p, uint64_t seed, int64_t elements) {
  TrialOp *ops;
  int n = trial_ops(p->unit, p->arena, false, &ops);
  for (int i = 0; i < n; i++) {
    OpResult r = { 0 };
    for (int k = 0; k < TRIALS && !r.wrong && r.unchecked == NULL; k++) {
      r.trials++;
      for (int result = 0; result < OUTPUTS_MAX; result++)
        if (!check_result(p, &ops[i], seed + (uint64_t)k, result, elements, &r)) break;
    }
    say(t, ops[i].kind, ops[i].name, &r);
  }
}

/* ---- the loss --------------------------------------------------------------------- */

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

static bool loss_report(const Project *p, uint64_t seed, int64_t elements, OpResult *r) {
  const UnitEntry *eval = unit_entry(p->unit, "eval"), *init = unit_entry(p->unit, "init");
  if (eval == NULL || eval->graph == NULL) return false;
  Graph *g = eval->graph;
  Node *out = NULL, *wrt[WRT_MAX], *states[WRT_MAX];
  for (int i = 0; i < g->outputs.n; i++)
    if (strcmp(g->outputs.at[i].name, "loss") == 0) out = g->outputs.at[i].node;
  int n = real_sources(g, wrt), kept = 0;
  for (int i = 0; i < n; i++)
    if (wrt[i]->kind == N_STATE) states[kept++] = wrt[i];
  Initial initial = { NULL, init != NULL ? init->graph : NULL };
  GradcheckOptions o = { .seed = seed, .max_elements = elements, .fill = fill, .fill_ctx = &initial };
  r->trials = 1;
  if (initial.graph != NULL) {
    initial.eval = eval_new(initial.graph, seed, 0);
    r->why = eval_run(initial.eval);
  }
  Diags *d = diags_new(p->arena);
  if (out == NULL || kept == 0) r->why = "it depends on no parameter";
  if (r->why == NULL && !gradcheck(g, d, out, states, kept, &o, &r->worst) && r->worst.compared == 0)
    r->why = r->worst.error != NULL ? r->worst.error : first_message(d, p->arena);
  if (r->why != NULL) r->why = arena_strdup(p->arena, r->why);
  r->compared = r->worst.compared;
  r->kinks = r->worst.kinks;
  r->wrong = r->why != NULL || !r->worst.ok;
  if (initial.eval != NULL) eval_free(initial.eval);
  return true;
}

int cli_gradcheck(Cli *c) {
  Project p;
  int code = 0;
  uint64_t seed = 0;
  int64_t elements = 20;
  UnitOptions o = { .check_only = true, .no_train = true, .no_samplers = true, .no_models = true };
  if (!cli_seed(c, &seed) || !cli_int(c, "elements", 1, 1000000000, &elements)) return TD_BAD_USAGE;
  if (cli_project(c, &p, &o, &code)) {
    Tally t = { .c = c, .all = json_array() };
    OpResult loss = { 0 };
    check_ops(&t, &p, seed, elements);
    if (loss_report(&p, seed, elements, &loss)) say(&t, "loss", p.unit->train.loss != NULL ? p.unit->train.loss : "loss", &loss);
    if (c->json) {
      json_dumpf(t.all, stdout, JSON_INDENT(2));
      putchar('\n');
    }
    json_decref(t.all);
    code = cli_done(c);
    if (t.wrong && code == 0) code = TD_NOT_FINITE;
  }
  project_close(&p);
  return code;
}
