/* SPDX-License-Identifier: MIT */
#include "compiler/check/opcheck.h"

#include <math.h>
#include <string.h>

#include "compiler/check/gradcheck.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/draws.h"

enum { DRAW_STEP = 1 }; /* of every evaluation, as in gradcheck */

static OpCheckOptions with_defaults(const OpCheckOptions *o) {
  OpCheckOptions d = *o;
  if (d.trials == 0) d.trials = 20;
  if (d.elements == 0) d.elements = 20;
  if (d.work == 0) d.work = 4e7;
  return d;
}

/* ---- one trial ---------------------------------------------------- */

/* A trial's graph with the values it is evaluated at. */
typedef struct Bench {
  Arena *arena;
  Diags *diags;
  Trial trial;
  TrialValues values;
  Node **wrt; /* real inputs and states */
  int nwrt;
  Node *out; /* every real result, in one */
} Bench;

static void bench_fill(const Node *n, double *values, int64_t count, void *ctx) {
  const Bench *b = ctx;
  trial_fill(n, b->trial.seed, b->values, values, count);
}

static bool is_source(const Node *n) { return n->kind == N_INPUT || n->kind == N_STATE; }

static void collect_wrt(Bench *b) {
  const Region *top = b->trial.graph->top;
  b->wrt = NEWN(b->arena, Node *, top->nodes.n + 1);
  for (int i = 0; i < top->nodes.n; i++)
    if (is_source(top->nodes.at[i]) && top->nodes.at[i]->type == TY_REAL)
      b->wrt[b->nwrt++] = top->nodes.at[i];
}

static void collect_out(Bench *b) {
  Graph *g = b->trial.graph;
  Node **part = NEWN(b->arena, Node *, g->outputs.n + 1);
  int n = 0;
  for (int i = 0; i < g->outputs.n; i++) {
    Node *o = g->outputs.at[i].node;
    bool new = o->type == TY_REAL;
    for (int k = 0; k < n; k++) new = new &&part[k] != o;
    if (new) part[n++] = o;
  }
  if (n == 1) b->out = part[0];
  if (n > 1) b->out = ir_pack(g, g->top, "results", part, n, part[0]->span);
}

/* Results are finite and moderate at these values? *error: the evaluation failed. */
static bool sane(Bench *b, const char **error) {
  Graph *g = b->trial.graph;
  Eval *ev = eval_new(g, b->trial.seed, DRAW_STEP);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (is_source(n)) bench_fill(n, eval_bind(ev, n), ir_count(n), b);
  }
  const char *why = eval_run(ev);
  bool ok = !why;
  if (why) *error = arena_strdup(b->arena, why);
  const double *y = ok ? eval_value(ev, b->out) : NULL;
  for (int64_t i = 0; ok && i < ir_count(b->out); i++) ok = fabs(y[i]) < 1e4;
  eval_free(ev);
  return ok;
}

static bool find_values(Bench *b, const char **error) {
  static const TrialValues others[] = {VALUES_POSITIVE, VALUES_UNIT, VALUES_NORMAL};
  b->values = trial_values(b->trial.seed);
  if (sane(b, error)) return true;
  for (size_t i = 0; i < sizeof others / sizeof *others && !*error; i++) {
    b->values = others[i];
    if (sane(b, error)) return true;
  }
  return false;
}

/* How many numbers of each input may be compared: two evaluations each. */
static int64_t affordable(const Bench *b, const OpCheckOptions *o) {
  double runs = 0.25 * o->work / (2.0 * (double)trial_work(b->trial.graph) + 2.0);
  double each = runs / (double)(b->nwrt + 1);
  return each < 1 ? 1 : each < (double)o->elements ? (int64_t)each : o->elements;
}

/* ---- what is said ---------------------------------------------------- */

static const char *place(Arena *a, const char *name, int rank, const int64_t *shape,
                         int64_t element) {
  int64_t index[IR_MAX_RANK];
  for (int k = rank - 1; k >= 0; k--) {
    index[k] = element % shape[k];
    element /= shape[k];
  }
  const char *s = arena_printf(a, "%s%s", name, rank ? "[" : "");
  for (int k = 0; k < rank; k++)
    s = arena_printf(a, "%s%s%lld", s, k ? ", " : "", (long long)index[k]);
  return rank ? arena_printf(a, "%s]", s) : s;
}

/* A state's element is one of a parameter. */
static const char *place_in(Arena *a, const Graph *g, const Node *n, int64_t element) {
  for (int i = 0; n->kind == N_STATE && i < g->nodes.n; i++) {
    const Node *v = g->nodes.at[i];
    if (v->kind == N_VIEW && v->base == n && element >= v->offset &&
        element < v->offset + ir_count(v))
      return place(a, v->name, v->rank, v->shape, element - v->offset);
  }
  return place(a, n->name, n->rank, n->shape, element);
}

static void set_why(OpCheck *c, OpCheckVerdict verdict, const char *why, const Bench *b, Arena *a) {
  c->verdict = verdict;
  c->why = arena_strdup(a, why);
  if (b && b->trial.shapes) c->shape = arena_strdup(a, b->trial.shapes);
  if (b) c->seed = b->trial.seed;
}

/* The worst number of an op stays; the first wrong one ends the op's trials. */
static void note_number(OpCheck *c, const Bench *b, const Node *n, int64_t element, double derived,
                        double expected, double worst, const char *against, Arena *a) {
  if (c->at && worst <= c->worst) return;
  c->worst = worst;
  c->at = place_in(a, b->trial.graph, n, element);
  c->derived = derived;
  c->expected = expected;
  c->against = against;
  c->shape = arena_strdup(a, b->trial.shapes ? b->trial.shapes : "");
  c->seed = b->trial.seed;
}

/* ---- a `grad` clause against the derivative of its body ------------------------ */

/* d out / d wrt[k] at the bench's values, contracted with the same weights for
 * the same seed; NULL after an error. */
static double **adjoint_values(Bench *b, Node *out) {
  Graph *g = b->trial.graph;
  int64_t count = ir_count(out);
  double *weight = NEWN(b->arena, double, count + 1);
  for (int64_t i = 0; i < count; i++)
    weight[i] = 2 * draw_uniform(b->trial.seed, 1, draw_site("opcheck"), (uint64_t)i) - 1;
  Node *w = ir_const(g, g->top, "weight", TY_REAL, out->rank, out->shape, weight, out->span);
  Expr *body = ex2(g, P_mul, ir_read_all(g, out), ir_read_all(g, w));
  Node *loss = ir_comp(g, g->top, "loss", out->span, 0, out->rank, out->shape,
                       out->rank ? RED_SUM : RED_NONE, NULL, body);
  Node **adjoint = NEWN(b->arena, Node *, b->nwrt + 1);
  if (!grad_reverse(g, b->diags, loss, b->wrt, b->nwrt, adjoint)) return NULL;
  Eval *ev = eval_new(g, b->trial.seed, DRAW_STEP);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (is_source(n)) bench_fill(n, eval_bind(ev, n), ir_count(n), b);
  }
  double **value = NEWN(b->arena, double *, b->nwrt + 1);
  bool ok = !eval_run(ev);
  for (int k = 0; ok && k < b->nwrt; k++) {
    size_t n = (size_t)ir_count(b->wrt[k]);
    value[k] = NEWN(b->arena, double, n + 1);
    if (adjoint[k]) memcpy(value[k], eval_value(ev, adjoint[k]), n * sizeof(double));
  }
  eval_free(ev);
  return ok ? value : NULL;
}

static bool bench_open(Bench *b, Unit *u, const TrialOp *op, uint64_t seed, bool plain) {
  *b = (Bench){.arena = arena_new()};
  b->diags = diags_new(b->arena);
  TrialOptions t = {.seed = seed, .plain = plain};
  if (!trial_graph(u, op, &t, b->arena, &b->trial)) return false;
  collect_wrt(b);
  collect_out(b);
  return true;
}

static const char *first_message(const Diags *d) {
  return diags_count(d) ? diags_at(d, 0)->message : "it cannot be differentiated";
}

static void check_clause(Unit *u, const TrialOp *op, const Bench *shown, Arena *a, OpCheck *c) {
  Bench with, without;
  bool ok = bench_open(&with, u, op, shown->trial.seed, false);
  ok = bench_open(&without, u, op, shown->trial.seed, true) && ok;
  ok = ok && !strcmp(with.trial.shapes, without.trial.shapes) && with.nwrt == without.nwrt;
  with.values = without.values = shown->values;
  double **x = ok ? adjoint_values(&with, with.out) : NULL,
         **y = ok ? adjoint_values(&without, without.out) : NULL;
  if (ok && x && !y) {
    const char *why = arena_printf(a,
                                   "no derivative of its body checks the `grad` clause (%s): "
                                   "say `nocheck` after it",
                                   first_message(without.diags));
    set_why(c, OPCHECK_WRONG, why, shown, a);
  }
  for (int k = 0; x && y && k < with.nwrt; k++)
    for (int64_t i = 0; i < ir_count(with.wrt[k]); i++) {
      double error = fabs(x[k][i] - y[k][i]) / (1e-8 + 1e-6 * fabs(y[k][i]));
      c->compared++;
      note_number(c, &with, with.wrt[k], i, x[k][i], y[k][i], isnan(error) ? INFINITY : error,
                  "the derivative of its body", a);
    }
  if (c->worst > 1 && c->verdict != OPCHECK_WRONG) {
    c->verdict = OPCHECK_WRONG;
    c->why = "its `grad` clause is not the derivative of its body";
  }
  arena_free(with.arena);
  arena_free(without.arena);
}

/* ---- an op ---------------------------------------------------- */

static void check_differences(Bench *b, bool clause, OpCheckOptions *o, Arena *a, OpCheck *c) {
  GradcheckOptions options = {.seed = b->trial.seed, .fill = bench_fill, .fill_ctx = b};
  options.max_elements = affordable(b, o);
  GradcheckReport r;
  gradcheck(b->trial.graph, b->diags, b->out, b->wrt, b->nwrt, &options, &r);
  if (r.error) {
    bool said = diags_count(b->diags) > 0; /* not to be differentiated, which may be meant */
    set_why(c, said ? OPCHECK_LEFT : OPCHECK_WRONG, said ? first_message(b->diags) : r.error, b, a);
    return;
  }
  c->shapes++;
  o->work -= 2.0 * (double)r.compared * (double)trial_work(b->trial.graph);
  c->compared += r.compared;
  c->kinks += r.kinks;
  if (r.name)
    note_number(c, b, r.node, r.element, r.derived, r.numeric, r.worst, "central differences", a);
  if (r.ok) return;
  c->verdict = OPCHECK_WRONG;
  c->why = clause ? "its `grad` clause gives another gradient; if it should, say `nocheck` after it"
                  : "its gradient is wrong";
}

/* One more trial; false: enough is known. */
static bool trial_of(Unit *u, const TrialOp *op, uint64_t seed, OpCheckOptions *o, Arena *a,
                     OpCheck *c) {
  Bench b;
  const char *error = NULL;
  bool more = true;
  c->verdict = OPCHECK_OK;
  if (!bench_open(&b, u, op, seed, false)) {
    const char *why = b.trial.why ? b.trial.why : "?";
    const char *dims = trial_dims_of(op, a);
    why = arena_printf(a, "no sizes were found that its body accepts (%s)%s%s", why,
                       *dims ? "; declare those that fit: dim " : "", dims);
    set_why(c, OPCHECK_LEFT, why, NULL, a);
    more = c->shapes > 0;
  } else if (op->nocheck) {
    set_why(c, OPCHECK_LEFT, "its `grad` clause is `nocheck`", NULL, a);
    more = false;
  } else if (!b.out) {
    set_why(c, OPCHECK_LEFT, "its results are no real numbers", NULL, a);
    more = false;
  } else if (b.nwrt == 0) {
    set_why(c, OPCHECK_LEFT, "it takes no real numbers", NULL, a);
  } else if (!find_values(&b, &error)) {
    if (error)
      set_why(c, OPCHECK_WRONG, error, &b, a);
    else
      set_why(c, OPCHECK_LEFT, "no values were found at which its results are finite", NULL, a);
  } else {
    check_differences(&b, op->clause, o, a, c);
    if (op->clause && c->verdict != OPCHECK_LEFT && c->verdict != OPCHECK_WRONG)
      check_clause(u, op, &b, a, c);
  }
  arena_free(b.arena);
  return more && c->verdict != OPCHECK_WRONG && o->work > 0;
}

OpCheck opcheck_op(Unit *u, const TrialOp *op, const OpCheckOptions *options, Arena *a) {
  OpCheckOptions o = with_defaults(options);
  OpCheck c = {.name = op->name, .kind = op->kind, .library = op->library, .span = op->span};
  for (int i = 0; i < o.trials && trial_of(u, op, o.seed + (uint64_t)i, &o, a, &c); i++) {}
  if (c.verdict == OPCHECK_LEFT && c.shapes > 0) c.verdict = OPCHECK_OK;
  if (c.verdict == OPCHECK_OK) c.why = NULL;
  return c;
}

/* ---- the loss ---------------------------------------------------- */

/* Initial values of the states, as the init entry computes them. */
typedef struct Initial {
  Eval *eval;
  Graph *graph;
  uint64_t seed;
} Initial;

static void loss_fill(const Node *n, double *values, int64_t count, void *ctx) {
  const Initial *in = ctx;
  for (int i = 0; n->kind == N_STATE && i < in->graph->updates.n; i++) {
    Node *s = in->graph->updates.at[i].state;
    if (strcmp(s->name, n->name) || ir_count(s) != count) continue;
    memcpy(values, eval_bind(in->eval, s), (size_t)count * sizeof *values);
    return;
  }
  trial_fill(n, in->seed, VALUES_NORMAL, values, count);
}

/* The parameters' elements that are compared: some of each. */
static void sample(const Unit *u, const Node *state, int64_t each, uint64_t seed, Arena *a,
                   const int64_t **out, int64_t *n) {
  int64_t *at = NEWN(a, int64_t, (int64_t)u->nparameters * each + 1);
  *n = 0;
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *p = &u->parameters[i];
    if (strcmp(p->state, state->name)) continue;
    int64_t count = 1;
    for (int k = 0; k < p->rank; k++) count *= p->shape[k];
    for (int64_t j = 0; j < each && j < count; j++) {
      double x = draw_uniform(seed, 3, draw_site(p->name), (uint64_t)j) * (double)count;
      at[(*n)++] = p->offset + (count <= each ? j : (int64_t)x);
    }
  }
  *out = at;
}

static const char *parameter_at(const Unit *u, const char *state, int64_t element, Arena *a) {
  for (int i = 0; i < u->nparameters; i++) {
    const UnitParameter *p = &u->parameters[i];
    int64_t count = 1;
    for (int k = 0; k < p->rank; k++) count *= p->shape[k];
    if (!strcmp(p->state, state) && element >= p->offset && element < p->offset + count)
      return place(a, p->name, p->rank, p->shape, element - p->offset);
  }
  return state;
}

static void compare_loss(Unit *u, Graph *g, Node *loss, const OpCheckOptions *o, Arena *a,
                         OpCheck *c) {
  Node *wrt[2];
  const int64_t *elements[2];
  int64_t nelements[2];
  int n = 0;
  double runs = o->work / (2.0 * (double)trial_work(g) + 2.0),
         each = runs / (double)(u->nparameters + 1);
  int64_t most = each < 1 ? 1 : each < (double)o->elements ? (int64_t)each : o->elements;
  for (int i = 0; i < g->top->nodes.n && n < 2; i++) {
    Node *s = g->top->nodes.at[i];
    if (s->kind != N_STATE || s->type != TY_REAL) continue;
    sample(u, s, most, o->seed, a, &elements[n], &nelements[n]);
    wrt[n++] = s;
  }
  Initial in = {.graph = unit_entry(u, "init")->graph, .seed = o->seed};
  in.eval = eval_new(in.graph, o->seed, 0);
  Diags *d = diags_new(a);
  GradcheckOptions options = {.seed = o->seed, .fill = loss_fill, .fill_ctx = &in};
  options.elements = elements;
  options.max_elements = most;
  options.nelements = nelements;
  GradcheckReport r = {0};
  r.error = eval_run(in.eval);
  if (!r.error) gradcheck(g, d, loss, wrt, n, &options, &r);
  c->compared = r.compared;
  c->kinks = r.kinks;
  c->shapes = 1;
  c->seed = o->seed;
  if (r.name) {
    c->at = r.node->kind == N_STATE ? parameter_at(u, r.name, r.element, a)
                                    : place_in(a, g, r.node, r.element);
    c->worst = r.worst;
    c->derived = r.derived;
    c->expected = r.numeric;
    c->against = "central differences";
  }
  const char *why = diags_count(d) ? first_message(d) : r.error ? r.error : "its gradient is wrong";
  if (!r.ok) set_why(c, OPCHECK_WRONG, why, NULL, a);
  eval_free(in.eval);
}

bool opcheck_loss(Unit *u, const OpCheckOptions *options, Arena *a, OpCheck *out) {
  OpCheckOptions o = with_defaults(options);
  const UnitEntry *train = unit_entry(u, "train");
  Node *loss = NULL;
  for (int i = 0; train && i < train->graph->outputs.n; i++)
    if (!strcmp(train->graph->outputs.at[i].name, "loss")) loss = train->graph->outputs.at[i].node;
  if (!loss) return false;
  *out = (OpCheck){.name = u->train.loss, .kind = "loss", .span = loss->span};
  double work = (double)trial_work(train->graph);
  if (u->nparameters == 0)
    set_why(out, OPCHECK_LEFT, "it has no parameters", NULL, a);
  else if (work * 2 * u->nparameters > 8 * o.work)
    set_why(out, OPCHECK_LEFT,
            arena_printf(a, "an evaluation visits %.2g points: shrink the model with -D, of %s",
                         work, trial_dims(u, a)),
            NULL, a);
  else
    compare_loss(u, train->graph, loss, &o, a, out);
  return true;
}
