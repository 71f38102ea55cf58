/* SPDX-License-Identifier: MIT */
#include "compiler/check/gradcheck.h"
#include "compiler/check/around.h"
#include "compiler/eval/eval.h"
#include "compiler/grad/grad.h"
#include "compiler/ir/draws.h"

#include <math.h>
#include <string.h>

typedef struct Bound {
  Node *node;
  double *values;
  int64_t count;
} Bound;

typedef struct Check {
  Graph *g;
  GradcheckOptions o;
  VEC(Bound) bound; /* every input and state, with the values of the check */
  Node *loss;
  int asked; /* of wrt; behind these stand the inputs in place of clauses */
} Check;

static void default_fill(const Check *c, const Node *n, double *values, int64_t count) {
  uint32_t site = draw_site(n->name) ^ (uint32_t)n->id;
  for (int64_t i = 0; i < count; i++) {
    double u = draw_uniform(c->o.seed, 0, site, (uint64_t)i);
    if (n->type == TY_REAL)
      values[i] = draw_normal(c->o.seed, 0, site, (uint64_t)i);
    else if (n->type == TY_BOOL)
      values[i] = u < 0.5;
    else if (n->lo == IR_INT_MIN || n->hi == IR_INT_MAX)
      values[i] = 0;
    else
      values[i] = (double)n->lo + floor(u * ((double)n->hi - (double)n->lo + 1));
  }
}

static void choose_values(Check *c) {
  const Region *top = c->g->top;
  for (int i = 0; i < top->nodes.n; i++) {
    Node *n = top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    Bound b = {n, NULL, ir_count(n)};
    b.values = NEWN(c->g->arena, double, b.count + 1);
    if (c->o.fill)
      c->o.fill(n, b.values, b.count, c->o.fill_ctx);
    else
      default_fill(c, n, b.values, b.count);
    vec_push(c->g->arena, &c->bound, b);
  }
}

/* loss = sum_{o} out[o] * weight[o] */
static Node *contracted(Check *c, Node *out) {
  Graph *g = c->g;
  int64_t count = ir_count(out);
  double *weight = NEWN(g->arena, double, count + 1);
  for (int64_t i = 0; i < count; i++)
    weight[i] = 2 * draw_uniform(c->o.seed, 1, draw_site("gradcheck"), (uint64_t)i) - 1;
  Node *w = ir_const(g, g->top, "weight", TY_REAL, out->rank, out->shape, weight, out->span);
  Expr *body = ex2(g, P_mul, ir_read_all(g, out), ir_read_all(g, w));
  return ir_comp(g, g->top, "loss", out->span, 0, out->rank, out->shape,
                 out->rank ? RED_SUM : RED_NONE, NULL, body);
}

static const char *run(const Check *c, Eval *ev) {
  for (int i = 0; i < c->bound.n; i++)
    memcpy(eval_bind(ev, c->bound.at[i].node), c->bound.at[i].values,
           (size_t)c->bound.at[i].count * sizeof(double));
  return eval_run(ev);
}

/* ---- around clauses ------------------------------------------------------------- */

/* The inputs that replace the clauses' values hold what those are here. */
static const char *cut_values(Check *c, const Cuts *cuts, double **values) {
  Eval *ev = eval_new(c->g, c->o.seed, 1);
  const char *error = run(c, ev);
  for (int i = 0; i < cuts->n && !error; i++) {
    Node *n = cuts->at[i].value;
    size_t size = (size_t)ir_count(n) * sizeof(double);
    values[i] = NEWN(c->g->arena, double, ir_count(n) + 1);
    memcpy(values[i], eval_value(ev, n), size);
  }
  if (error) error = arena_strdup(c->g->arena, error);
  eval_free(ev);
  return error;
}

/* See around.h. *wrt gains the new inputs. */
static const char *go_around(Check *c, Node *const **wrt, int *n) {
  Graph *g = c->g;
  Cuts cuts = {0};
  CutNodes results = {0};
  const char *deep = around_find(g, &cuts, &results);
  if (deep)
    return arena_printf(g->arena, "'%s' has a `nocheck` clause and too many axes to be stacked",
                        deep);
  if (cuts.n == 0) return NULL;
  double **values = NEWN(g->arena, double *, cuts.n);
  const char *error = cut_values(c, &cuts, values);
  if (error) return error;
  around_cut(g, &cuts);
  Node **all = NEWN(g->arena, Node *, *n + cuts.n);
  memcpy(all, *wrt, (size_t)*n * sizeof *all);
  for (int i = 0; i < cuts.n; i++) {
    Bound b = {cuts.at[i].input, values[i], ir_count(cuts.at[i].input)};
    vec_push(g->arena, &c->bound, b);
    all[(*n)++] = b.node;
  }
  *wrt = all;
  Expr *sum = ir_read_all(g, c->loss);
  for (int i = 0; i < results.n; i++)
    sum = ex2(g, P_add, sum, ir_read_all(g, contracted(c, results.at[i])));
  c->loss = ir_comp(g, g->top, "loss", c->loss->span, 0, 0, NULL, RED_NONE, NULL, sum);
  return NULL;
}

static Bound *bound_of(Check *c, const Node *n) {
  for (int i = 0; i < c->bound.n; i++)
    if (c->bound.at[i].node == n) return &c->bound.at[i];
  bug("'%s' is neither an input nor a state", n->name);
}

/* How many elements of wrt[w] are compared, and the k-th of them. */
static int64_t sample_size(const Check *c, int w, int64_t count) {
  if (c->o.elements && w < c->asked) return c->o.nelements[w];
  return c->o.max_elements > 0 && c->o.max_elements < count ? c->o.max_elements : count;
}

static int64_t sampled(const Check *c, int w, int64_t count, int64_t k) {
  if (c->o.elements && w < c->asked) return c->o.elements[w][k];
  if (sample_size(c, w, count) == count) return k;
  return (int64_t)(draw_uniform(c->o.seed, 2, draw_site("gradcheck"), (uint64_t)k) * (double)count);
}

/* d loss / d b[i] by a step of `eps`, both ways. */
static const char *difference(Check *c, Eval *ev, Bound *b, int64_t i, double eps, double *out) {
  double x = b->values[i], step = eps * fmax(1, fabs(x)), y[2];
  for (int side = 0; side < 2; side++) {
    b->values[i] = side ? x + step : x - step;
    const char *error = run(c, ev);
    if (error) return error;
    y[side] = *eval_value(ev, c->loss);
  }
  b->values[i] = x;
  *out = (y[1] - y[0]) / ((x + step) - (x - step));
  return NULL;
}

/* The forward graph is run for the differences before it is differentiated, so
 * that they do not pay for the backward nodes. */
static const char *numeric_all(Check *c, Node *const *wrt, int n, double **numeric) {
  Eval *ev = eval_new(c->g, c->o.seed, 1);
  const char *error = NULL;
  for (int k = 0; k < n && !error; k++) {
    Bound *b = bound_of(c, wrt[k]);
    int64_t m = sample_size(c, k, b->count);
    numeric[k] = NEWN(c->g->arena, double, m + 1);
    for (int64_t j = 0; j < m && !error; j++)
      error = difference(c, ev, b, sampled(c, k, b->count, j), c->o.eps, &numeric[k][j]);
  }
  if (error) error = arena_strdup(c->g->arena, error);
  eval_free(ev);
  return error;
}

/* ---- where the function bends -------------------------------------------------- */

/* The slopes on both sides of where b stands, when the elements `moved` go
 * together, by a step of `eps`. */
static const char *slopes(Check *c, Eval *ev, Bound *b, const int64_t *moved, int64_t n, double eps,
                          double slope[2]) {
  double x = b->values[moved[0]], step = eps * fmax(1, fabs(x)), y[3];
  const double at[3] = {x - step, x, x + step};
  const char *error = NULL;
  for (int k = 0; k < 3 && !error; k++) {
    for (int64_t i = 0; i < n; i++) b->values[moved[i]] = at[k];
    error = run(c, ev);
    if (!error) y[k] = *eval_value(ev, c->loss);
  }
  for (int64_t i = 0; i < n; i++) b->values[moved[i]] = x;
  if (error) return error;
  slope[0] = (y[1] - y[0]) / (at[1] - at[0]);
  slope[1] = (y[2] - y[1]) / (at[2] - at[1]);
  return NULL;
}

/* Do the slopes differ however short the step is, or grow (a jump)? At the edge
 * of the domain there is none on one side. */
static const char *bends(Check *c, Eval *ev, Bound *b, int64_t i, bool *out) {
  double slope[2][2], gap[2];
  for (int k = 0; k < 2; k++) {
    const char *why = slopes(c, ev, b, &i, 1, k ? c->o.eps / 16 : c->o.eps, slope[k]);
    if (why) return why;
    gap[k] = fabs(slope[k][1] - slope[k][0]);
  }
  *out = !isfinite(gap[1]) || gap[1] > fmax(gap[0] / 4, c->o.atol);
  for (int side = 0; side < 2; side++)
    if (fabs(slope[1][side]) > 4 * fabs(slope[0][side]) + c->o.atol) *out = true;
  return NULL;
}

/* At a tie no single element has a derivative. Those that are equal, moved
 * together, keep the tie: their derivatives must add up to the slope of that, or
 * lie between the slopes where it bends too. */
static const char *together(Check *c, Eval *ev, Bound *b, int64_t i, const double *derived,
                            bool *out) {
  int64_t *moved = NEWN(c->g->arena, int64_t, b->count), n = 0;
  double slope[2], sum = 0;
  for (int64_t j = 0; j < b->count; j++) {
    if (b->values[j] != b->values[i]) continue;
    moved[n++] = j;
    sum += derived[j];
  }
  const char *why = slopes(c, ev, b, moved, n, c->o.eps / 16, slope);
  if (why) return why;
  double lo = fmin(slope[0], slope[1]), hi = fmax(slope[0], slope[1]);
  double room = 10 * c->o.atol + c->o.rtol * fmax(fabs(lo), fabs(hi));
  *out = !isfinite(lo) || !isfinite(hi) || (sum >= lo - room && sum <= hi + room);
  return NULL;
}

/* ---- one number after another ---------------------------------------------------- */

static double distance(const Check *c, double derived, double numeric) {
  double error = fabs(derived - numeric) / (c->o.atol + c->o.rtol * fabs(numeric));
  return isnan(error) ? INFINITY : error;
}

/* Where the function bends sharply the step was too long: a pair that disagrees
 * is tried again with shorter ones. A wrong gradient stays wrong. */
static const char *compare(Check *c, Eval *ev, Bound *b, int64_t i, double numeric,
                           const double *derived, GradcheckReport *r) {
  double error = distance(c, derived[i], numeric), eps = c->o.eps;
  for (int again = 0; again < 2 && error > 1; again++) {
    double finer = 0;
    eps /= 16;
    const char *why = difference(c, ev, b, i, eps, &finer);
    if (why) return why;
    if (distance(c, derived[i], finer) >= error) continue;
    error = distance(c, derived[i], finer);
    numeric = finer;
  }
  r->compared++;
  if (error > 1) {
    bool kink, right = false;
    const char *why = bends(c, ev, b, i, &kink);
    if (!why && kink) why = together(c, ev, b, i, derived, &right);
    if (why) return why;
    r->kinks += kink && right;
    if (kink && right) return NULL;
  }
  if (!r->node || error > r->worst) {
    r->worst = error;
    r->node = b->node;
    r->name = b->node->name;
    r->element = i;
    r->derived = derived[i];
    r->numeric = numeric;
  }
  return NULL;
}

/* `value`: the adjoint, or NULL when no path leads there. */
static const char *compare_all(Check *c, Eval *ev, int w, Bound *b, const double *numeric,
                               const double *value, GradcheckReport *r) {
  double *derived = NEWN(c->g->arena, double, b->count + 1);
  if (value) memcpy(derived, value, (size_t)b->count * sizeof *derived);
  const char *error = NULL;
  for (int64_t k = 0; k < sample_size(c, w, b->count) && !error; k++)
    error = compare(c, ev, b, sampled(c, w, b->count, k), numeric[k], derived, r);
  return error;
}

bool gradcheck(Graph *g, Diags *d, Node *out, Node *const *wrt, int n,
               const GradcheckOptions *options, GradcheckReport *report) {
  Check c = {.g = g};
  if (options) c.o = *options;
  if (c.o.eps == 0) c.o.eps = 1e-6;
  if (c.o.atol == 0) c.o.atol = 1e-5;
  if (c.o.rtol == 0) c.o.rtol = 1e-3;
  *report = (GradcheckReport){0};
  choose_values(&c);
  c.loss = out->rank == 0 ? out : contracted(&c, out);
  c.asked = n;
  report->error = go_around(&c, &wrt, &n);
  if (report->error) return false;
  double **numeric = NEWN(g->arena, double *, n + 1);
  Node **adjoint = NEWN(g->arena, Node *, n + 1);
  report->error = numeric_all(&c, wrt, n, numeric);
  if (report->error) return false;
  if (!grad_reverse(g, d, c.loss, wrt, n, adjoint)) {
    report->error = "it cannot be differentiated";
    return false;
  }
  Eval *ev = eval_new(g, c.o.seed, 1);
  for (int k = 0; k < n && !report->error; k++) {
    report->error = run(&c, ev);
    if (!report->error)
      report->error = compare_all(&c, ev, k, bound_of(&c, wrt[k]), numeric[k],
                                  adjoint[k] ? eval_value(ev, adjoint[k]) : NULL, report);
  }
  if (report->error) report->error = arena_strdup(g->arena, report->error);
  eval_free(ev);
  return report->ok = !report->error && report->worst <= 1;
}
