/* SPDX-License-Identifier: MIT */
/* The training entries: loss, metrics, gradients, clipping, the optimizer (an op
 * of the library or the user's) and the running average of the weights. */
#include <string.h>

#include "compiler/grad/grad.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

static Span log_span(const ADecl *d, const char *name) {
  for (int i = 0; i < d->body.n; i++)
    if (d->body.at[i]->kind == S_LOG && d->body.at[i]->targets.at[0].name == name)
      return d->body.at[i]->span;
  return d->name_span;
}

/* Does formal f of a metric take what the loss's input is? */
static bool same_input(Lowering *l, Scope *s, const ADecl *m, const AFormal *f, const Value *in,
                       Span loss_formal) {
  bool same = f->items.n == in->rank && (f->id_bound != NULL) == (in->e->type == TY_INT);
  for (int k = 0; same && k < in->rank; k++) {
    int64_t extent;
    const AExpr *e = f->items.at[k].expr;
    if (!e)
      same = false;
    else if (!lower_extent(l, s, e, &extent, NULL))
      return false;
    else
      same = extent == in->axis[k].extent;
  }
  if (same) return true;
  Diag *x = lower_error(l, 417, f->span, "metric '%s' takes another input than the loss", m->name);
  diag_note(l->d, x, loss_formal,
            "the loss's input is declared here; a metric is computed from the same");
  return false;
}

/* Everything that was logged becomes an output; a loss logs single numbers. */
static bool add_logs(Lowering *l, const ADecl *d, bool scalars) {
  bool ok = true;
  for (int i = 0; i < l->logs.n; i++) {
    const Output *o = &l->logs.at[i];
    if (scalars && o->node->rank) {
      Diag *x =
          lower_error(l, 402, log_span(d, o->name), "a loss logs single numbers; '%s' has %d %s",
                      o->name, o->node->rank, o->node->rank == 1 ? "axis" : "axes");
      diag_hint(l->d, x, "take its mean over all indices: mean[b,l](...)");
      ok = false;
    }
    vec_push(l->arena, &l->g->outputs, *o);
  }
  return ok;
}

/* Bind the inputs of metric m, in `s`, to those of the loss, in `loss_scope`. */
static bool bind_metric(Lowering *l, const Fn *fn, Scope *s, const ADecl *loss, Scope *loss_scope) {
  const ADecl *m = fn->decl;
  bool ok = true;
  if (m->formals.n != loss->formals.n) {
    Diag *x = lower_error(l, 417, m->name_span, "metric '%s' has %d %s, the loss '%s' has %d",
                          m->name, m->formals.n, m->formals.n == 1 ? "input" : "inputs", loss->name,
                          loss->formals.n);
    diag_note(l->d, x, loss->formals.at[0].span,
              "the loss's input is declared here; a metric is computed from the same");
    return false;
  }
  for (int k = 0; k < m->formals.n; k++) {
    const AFormal *f = &m->formals.at[k], *given = &loss->formals.at[k];
    const Value *input = scope_here(loss_scope, given->name)->value;
    ok = same_input(l, fn->scope, m, f, input, given->span) && ok;
    Value *in = NEW(l->arena, Value);
    *in = *v_fresh(l, input);
    in->what = f->name;
    scope_set(l, s, f->name, in, f->span);
  }
  return ok;
}

/* The mean of a number for each of the last symbols of a row, over those from the input
 * "counted.from" on: an evaluation reads text once, and its last window may overlap the one
 * before. */
static Value *counted_mean(Lowering *l, const ADecl *m, Value *each) {
  static const char *const ids[2] = {"b", "l"};
  Graph *g = l->g;
  const int64_t rows = each->axis[0].extent, symbols = each->axis[1].extent;
  if (l->counted && l->counted != symbols) {
    Diag *x = lower_error(l, 402, l->objective_span,
                          "metric '%s' reports %lld symbols of a row, another %lld", m->name,
                          (long long)symbols, (long long)l->counted);
    diag_hint(l->d, x, "windows follow each other at that distance: metrics report equally many");
    return NULL;
  }
  l->counted = symbols;
  if (!l->counted_from)
    l->counted_from = entry_input(l, "counted.from", TY_INT, 0, NULL, NULL, 0, symbols - 1, NULL,
                                  l->objective_span);
  Expr *from = l->counted_from->e;
  Node *node = value_node(l, v_fresh(l, each), arena_printf(l->arena, "%s.symbols", m->name),
                          l->objective_span);
  Value *v = v_of_node(l, node, ids);
  const int vars[2] = {v->axis[0].var, v->axis[1].var};
  Expr *guard = ex2(g, P_le, from, ex_var(g, vars[1]));
  Value *sum =
      reduce_vars(l, RED_SUM, vars, 2, guard, to_real(l, v->e), m->name, l->objective_span);
  Expr *count = ex2(g, P_mul, ex_num(g, (double)rows),
                    ex2(g, P_sub, ex_num(g, (double)symbols), to_real(l, from)));
  return v_scalar(l, ex2(g, P_div, sum->e, count));
}

static bool lower_metric(Lowering *l, const Fn *fn, const ADecl *loss, Scope *loss_scope) {
  ADecl *m = fn->decl;
  Scope *s = scope_new(l, fn->scope, true);
  vec_push(l->arena, &l->instantiated, m);
  l->objective = NULL;
  l->logs.n = 0;
  l->counts.n = 0;
  l->draw_path = m->name;
  if (!bind_metric(l, fn, s, loss, loss_scope) || !lower_body(l, s, m->body.at, m->body.n))
    return false;
  if (!l->objective) {
    diag_hint(l->d, lower_error(l, 416, m->name_span, "metric '%s' reports nothing", m->name),
              "end it with  report mean[b,l](...)");
    return false;
  }
  Value *mean = v_scalar_like(l->objective) ? l->objective : counted_mean(l, m, l->objective);
  if (!mean) return false;
  Output o = {m->name, value_node(l, mean, m->name, m->name_span)};
  vec_push(l->arena, &l->g->outputs, o);
  UnitMetric named = {m->name, aclaim_spelling(m->claim),
                      v_scalar_like(l->objective) ? 0 : l->counted};
  vec_push(l->arena, &l->metrics, named);
  return add_logs(l, m, false);
}

static bool metric_wanted(const Lowering *l, const ADecl *m) {
  const char *const *only = l->options->metrics;
  if (only == NULL) return !m->asked || l->options->check_only;
  while (*only != NULL && strcmp(*only, m->name) != 0) only++;
  return *only != NULL;
}

/* The loss, in an entry of its own; with the metrics when it evaluates. */
static bool lower_loss(Lowering *l, TrainSettings *t, Entry *e, Node **loss, bool metrics) {
  ADecl *d = t->loss->decl;
  Context c = context_begin(l, e);
  Scope *s = scope_new(l, t->loss->scope, true);
  l->draw_path = d->name;
  vec_push(l->arena, &l->instantiated, d);
  bool bound = bind_inputs(l, s, d, true);
  l->loss_scope = s;
  bool ok = bound && lower_body(l, s, d->body.at, d->body.n);
  l->loss_scope = NULL;
  if (ok && !l->objective) {
    Diag *x = lower_error(l, 416, d->name_span, "loss '%s' minimises nothing", d->name);
    diag_hint(l->d, x, "end it with  minimize mean[b,l](...)");
    ok = false;
  }
  if (ok) {
    *loss = value_node(l, l->objective, "loss", l->objective_span);
    (*loss)->name = "loss";
    t->loss_span = l->objective_span;
    Output o = {"loss", *loss};
    vec_push(l->arena, &l->g->outputs, o);
    ok = add_logs(l, d, true);
  }
  l->counted_from = NULL;
  l->counted = 0;
  l->metrics.n = 0;
  metrics = metrics || !ok; /* after an error here nothing else would look at them */
  for (int i = 0; bound && metrics && i < l->root->names.n; i++) {
    const Value *v = l->root->names.at[i].value;
    if (v->kind == V_FN && v->fn->decl->kind == D_METRIC && metric_wanted(l, v->fn->decl))
      ok = lower_metric(l, v->fn, d, s) && ok;
  }
  context_end(l, &c);
  return ok;
}

bool build_objective(Lowering *l, TrainSettings *t) {
  UnitTrain *u = &l->unit->train;
  t->train = entry_new(l, "train");
  t->train->training = true;
  if (!lower_loss(l, t, t->train, &t->loss_node, false)) return false;
  const UnitInput *in = &t->train->inputs.at[0];
  if (u->batch && u->batch != in->shape[0]) {
    Span at = t->decl->span;
    for (int i = 0; i + 1 < t->decl->settings.n; i++)
      if (t->decl->settings.at[i]->kind == A_NAME &&
          !strcmp(t->decl->settings.at[i]->name, "batch"))
        at = t->decl->settings.at[i + 1]->span;
    Diag *x =
        lower_error(l, 411, at, "'batch %lld' contradicts the loss, whose input has %lld rows",
                    (long long)u->batch, (long long)in->shape[0]);
    diag_note(l->d, x, t->loss->decl->formals.at[0].span, "the input is declared here");
    return false;
  }
  if (u->data && (!in->data || strcmp(u->data, in->data) != 0)) {
    lower_error(l, 413, t->decl->span, "there is no data '%s' that fits the loss's input", u->data);
    return false;
  }
  u->present = true;
  u->span = t->decl->span;
  u->data = in->data;
  u->batch = in->shape[0];
  u->window = in->shape[1];
  entry_add(l, t->train);
  if (l->options->no_eval) return true;
  t->eval = entry_new(l, "eval");
  t->eval->ema = u->ema > 0;
  Node *loss;
  if (!lower_loss(l, t, t->eval, &loss, true)) return false;
  entry_add(l, t->eval);
  l->unit->metrics = l->metrics.at;
  l->unit->nmetrics = l->metrics.n;
  return true;
}

/* ---- gradients and the update -------------------------------------------------------- */

static const char *const flat_name[2] = {"matrix", "vector"};

static Node *gradient_pack(Lowering *l, int k, const Entry *e, Node **adjoint) {
  VEC(Node *) parts = {0};
  for (int p = 0; p < l->params.n; p++) {
    if (l->params.at[p].left_out || (l->params.at[p].matrix ? 0 : 1) != k) continue;
    for (int i = 0; i < e->views.n; i++)
      if (e->views.at[i].param == p) vec_push(l->arena, &parts, adjoint[i]);
  }
  if (!parts.n) return NULL;
  return ir_pack(l->g, l->g->top, arena_printf(l->arena, "grad.%s", flat_name[k]), parts.at,
                 parts.n, l->params.at[0].span);
}

static Value *flat_value(Lowering *l, Node *n) {
  static const char *const ids[1] = {"flat"};
  return v_of_node(l, n, ids);
}

static void update(Lowering *l, Node *state, Value *v, Span at) {
  Update u = {state, value_node(l, v, state->name, at)};
  vec_push(l->arena, &l->g->updates, u);
}

/* The sum over the flat gradients of the squares of their elements, of those that are large,
 * 2^-80 times as large, or of the others. */
static Expr *sum_of_squares(Lowering *l, Node *const flats[2], bool large, Span at) {
  Expr *sum = NULL;
  for (int k = 0; k < 2; k++) {
    if (!flats[k]) continue;
    Value *g = flat_value(l, flats[k]);
    Expr *is_large = ex2(l->g, P_lt, ex_num(l->g, 0x1p48), ex1(l->g, P_abs, g->e));
    Expr *x = large ? ex2(l->g, P_mul, ex_num(l->g, 0x1p-80), g->e) : g->e;
    Expr *zero = ex_num(l->g, 0), *square = ex2(l->g, P_mul, x, x);
    square = ex3(l->g, P_select, is_large, large ? square : zero, large ? zero : square);
    Value *s = reduce_vars(
        l, RED_SUM, &g->axis[0].var, 1, NULL, square,
        arena_printf(l->arena, "grad_norm.%s%s", flat_name[k], large ? ".large" : ""), at);
    sum = sum ? ex2(l->g, P_add, sum, s->e) : s->e;
  }
  return sum;
}

/* Squares overflow single precision from 2^64 on: large elements are summed apart (Blue 1978),
 * in the same pass, which leaves the others' sum as it was. */
static Value *norm(Lowering *l, Node *const flats[2], Span at) {
  Graph *g = l->g;
  Expr *small = ex1(g, P_sqrt, sum_of_squares(l, flats, false, at));
  small = value_bind(l, v_scalar(l, small), "grad_norm.small", at)->e;
  Expr *large = sum_of_squares(l, flats, true, at);
  Expr *scaled = ex2(g, P_mul, ex_num(g, 0x1p-80), small);
  Expr *both = ex1(g, P_sqrt, ex2(g, P_add, large, ex2(g, P_mul, scaled, scaled)));
  both = ex2(g, P_mul, ex_num(g, 0x1p80), both);
  Expr *none = ex2(g, P_eq, large, ex_num(g, 0));
  return value_bind(l, v_scalar(l, ex3(g, P_select, none, small, both)), "grad_norm", at);
}

/* One call of the optimizer's op on one flat vector, k: 0 of the matrices, 1 of the vectors. */
typedef struct Optimize {
  TrainSettings *t;
  Fn *fn;
  Scope *s; /* where settings are computed: step, steps */
  int k;
  Node *params, *gradient;
  Value *grad, *step; /* that gradient, clipped */
  Node *state[64];    /* by formal, in order */
  int nstates;
} Optimize;

static bool is_optimizer(Lowering *l, const ADecl *d, Span at) {
  if (d->formals.n >= 2 && d->formals.at[0].is_tensor && d->formals.at[1].is_tensor &&
      d->formals.n <= 60)
    return true;
  Diag *x = lower_error(l, 412, at, "'%s' is no optimizer", d->name);
  diag_hint(l->d, x,
            "an optimizer is op NAME(p[...], g[...], state[...] ..., step, decay, lr = ...) -> "
            "p2[...], state2[...] ...");
  return false;
}

/* Does every setting of the call name a parameter of the op? */
static bool settings_known(Lowering *l, const ADecl *d, const AExpr *call) {
  for (int j = 0; j < call->args.n; j++) {
    const char *name = call->args.at[j].name;
    bool known = !name;
    for (int i = 2; i < d->formals.n; i++) known = known || d->formals.at[i].name == name;
    if (known) continue;
    VEC(const char *) settable = {0};
    for (int i = 2; i < d->formals.n; i++)
      if (!d->formals.at[i].is_tensor) vec_push(l->arena, &settable, d->formals.at[i].name);
    Diag *x = lower_error(l, 310, call->args.at[j].span, "'%s' has no setting '%s'", d->name, name);
    diag_hint_near(l->d, x, name, settable.at, settable.n);
    return false;
  }
  return true;
}

/* What the call sets formal f to, NULL when it does not; the learning rate is an output too. */
static Value *setting(Lowering *l, const Optimize *o, const AFormal *f) {
  const AExpr *call = o->t->optimizer;
  bool lr = !strcmp(f->name, "lr");
  Value *v = NULL;
  for (int j = 0; j < call->args.n; j++) {
    if (call->args.at[j].name != f->name && (call->args.at[j].name || j > 0 || !lr)) continue;
    v = lower_assign_value(l, o->s, NULL, call->args.at[j].value, false, call->args.at[j].span);
    if (v->kind == V_POISON) return v;
    if (!lr || o->k != 0) continue;
    Output out = {"lr", value_node(l, v, "lr", call->span)};
    vec_push(l->arena, &l->g->outputs, out);
  }
  return v;
}

/* The argument for formal i; NULL: it takes its default. */
static Value *optimizer_argument(Lowering *l, Optimize *o, int i) {
  const ADecl *d = o->fn->decl;
  const AFormal *f = &d->formals.at[i];
  if (i == 0) return flat_value(l, o->params);
  if (i == 1) return o->grad;
  if (f->is_tensor) {
    Node *st = ir_state(l->g, arena_printf(l->arena, "%s.%s.%s", d->name, f->name, flat_name[o->k]),
                        TY_REAL, 1, o->params->shape, o->t->optimizer->span);
    o->state[o->nstates++] = st;
    return flat_value(l, st);
  }
  if (!strcmp(f->name, "step")) return o->step;
  if (!strcmp(f->name, "decay")) return v_real(l, o->k == 0 ? 1 : 0);
  return setting(l, o, f);
}

/* The average's decay at a step: no longer than the last tenth of a run so far, so that the first
 * weights do not stay in it. */
static Expr *ema_decay(Lowering *l, const Optimize *o, Span at) {
  Expr *s = to_real(l, o->step->e), *one = ex_num(l->g, 1), *ten = ex_num(l->g, 10);
  Expr *young = ex2(l->g, P_div, ex2(l->g, P_add, s, one), ex2(l->g, P_add, s, ten));
  Expr *decay = ex2(l->g, P_min, ex_num(l->g, l->unit->train.ema), young);
  return value_bind(l, v_scalar(l, decay), "ema_decay", at)->e;
}

/* ema := decay * ema + (1 - decay) * the new weights */
static void update_ema(Lowering *l, const Optimize *o, const Value *weights) {
  Span at = o->t->optimizer->span;
  Node *ema = ir_state(l->g, arena_printf(l->arena, "ema.%s", flat_name[o->k]), TY_REAL, 1,
                       o->params->shape, at);
  Value *old = flat_value(l, ema), *now = v_fresh(l, weights);
  Expr *fresh = subst1(l, now->e, now->axis[0].var, ex_var(l->g, old->axis[0].var));
  Expr *decay = ema_decay(l, o, at), *rest = ex2(l->g, P_sub, ex_num(l->g, 1), decay);
  old->e = ex2(l->g, P_add, ex2(l->g, P_mul, decay, old->e), ex2(l->g, P_mul, rest, fresh));
  update(l, ema, old, at);
}

static bool optimize(Lowering *l, Optimize *o) {
  const ADecl *d = o->fn->decl;
  Span at = o->t->optimizer->span;
  Value *args[64];
  const char *names[64];
  Span spans[64];
  int n = 0;
  if (!is_optimizer(l, d, at)) return false;
  for (int i = 0; i < d->formals.n; i++) {
    Value *v = optimizer_argument(l, o, i);
    if (!v) continue;
    if (v->kind == V_POISON) return false;
    args[n] = v;
    names[n] = d->formals.at[i].name;
    spans[n++] = at;
  }
  if (!settings_known(l, d, o->t->optimizer)) return false;
  const int first = l->g->nodes.n;
  Value *out = call_fn(l, o->fn, args, names, spans, n, at);
  if (out->kind == V_POISON) return false;
  int results = out->kind == V_PACKED ? out->nparts : 1;
  if (results != o->nstates + 1) {
    Diag *x =
        lower_error(l, 412, at, "optimizer '%s' has %d %s: the weights and its %d %s were expected",
                    d->name, results, results == 1 ? "result" : "results", o->nstates,
                    o->nstates == 1 ? "state" : "states");
    diag_note(l->d, x, d->name_span,
              "'%s' is declared here; a tensor after the first two is a state, and comes back",
              d->name);
    return false;
  }
  Value *weights = out->kind == V_PACKED ? out->parts[0] : out;
  weights = value_bind(l, weights, o->params->name, at);
  update(l, o->params, weights, at);
  for (int i = 0; i < o->nstates; i++) update(l, o->state[i], out->parts[i + 1], at);
  Node *rows[66] = {o->params, o->gradient};
  for (int i = 0; i < o->nstates; i++) rows[2 + i] = o->state[i];
  if (!own_elements(l, d, first, rows, 2 + o->nstates, at)) return false;
  if (l->unit->train.ema > 0) update_ema(l, o, weights);
  return true;
}

static bool check_reached(Lowering *l, const Entry *e, Node *const *adjoint, Span loss) {
  bool ok = true;
  for (int p = 0; p < l->params.n; p++) {
    bool reached = l->params.at[p].left_out;
    for (int i = 0; i < e->views.n; i++)
      reached = reached || (e->views.at[i].param == p && adjoint[i]);
    if (reached) continue;
    Diag *x = lower_error(l, 503, l->params.at[p].span,
                          "the loss does not depend on parameter '%s': it would never be trained",
                          l->params.at[p].name);
    diag_note(l->d, x, loss, "the loss is here");
    diag_hint(l->d, x, "use it on the way to the loss, or remove it");
    ok = false;
  }
  return ok;
}

static Fn *find_optimizer(Lowering *l, Scope *s, const AExpr *call) {
  static const char *const known[] = {"adam", "adamw", "sgd"};
  const char *name = call->a->name;
  Fn *fn = find_fn(l, s, name);
  if (fn) return fn;
  Diag *x = lower_error(l, 412, call->a->span, "there is no optimizer '%s'", name);
  if (!diag_hint_near(l->d, x, name, known, 3))
    diag_hint(l->d, x, "adam, adamw and sgd are in the library; your own is an op");
  return NULL;
}

/* By what gradients are multiplied so that their norm is at most `most`. */
static Expr *clip_scale(Lowering *l, Node *const flats[2], double most, Span at) {
  Value *len = norm(l, flats, at);
  Output o = {"grad_norm", value_node(l, len, "grad_norm", at)};
  vec_push(l->arena, &l->g->outputs, o);
  Expr *share = ex2(l->g, P_div, ex_num(l->g, most), ex2(l->g, P_add, len->e, ex_num(l->g, 1e-6)));
  share = ex2(l->g, P_min, ex_num(l->g, 1), share);
  return value_bind(l, v_scalar(l, share), "clip", at)->e;
}

/* The weights' updates, from the gradients of the entry's views of parameters. */
static bool lower_updates(Lowering *l, TrainSettings *t, Node **adjoint) {
  Entry *e = t->train;
  Span at = t->optimizer->span;
  Scope *s = scope_new(l, t->scope, true);
  const int before = diags_errors(l->d);
  Value *step = entry_step(l, at);
  if (diags_errors(l->d) != before) return false;
  scope_set(l, s, intern(l->names, "step"), step, at);
  scope_set(l, s, intern(l->names, "steps"), v_int(l, l->unit->train.steps, NULL), at);
  Node *flats[2];
  for (int k = 0; k < 2; k++) flats[k] = gradient_pack(l, k, e, adjoint);
  Fn *fn = find_optimizer(l, t->scope, t->optimizer);
  if (!fn) return false;
  Expr *scale = NULL;
  if (t->clip) {
    double most;
    if (!lower_number(l, s, t->clip, &most, NULL)) return false;
    if (!(most > 0)) {
      Diag *x = lower_error(l, 411, t->clip->span, "'clip' must be above 0, this is %g", most);
      diag_hint(l->d, x, "it is the largest norm that the gradients may have: clip 1.0");
      return false;
    }
    scale = clip_scale(l, flats, most, at);
  }
  for (int k = 0; k < 2; k++) {
    if (!flats[k]) continue;
    Value *g = flat_value(l, flats[k]);
    if (scale) g->e = ex2(l->g, P_mul, g->e, scale);
    Optimize o = {.t = t,
                  .fn = fn,
                  .s = s,
                  .k = k,
                  .params = e->flat[k],
                  .gradient = flats[k],
                  .grad = g,
                  .step = step};
    if (!optimize(l, &o)) return false;
  }
  return true;
}

bool finish_objective(Lowering *l, TrainSettings *t) {
  const Entry *e = t->train;
  int n = e->views.n, trained = 0;
  Context c = context_begin(l, t->train);
  l->draw_path = "train";
  Node **wrt = NEWN(l->arena, Node *, n + 1), **adjoint = NEWN(l->arena, Node *, n + 1);
  for (int i = 0; i < n; i++) {
    wrt[i] = e->views.at[i].node;
    trained += !l->params.at[e->views.at[i].param].left_out;
  }
  if (trained == 0)
    lower_error(l, 503, t->loss_span,
                "this loss depends on no parameter: there is nothing to train");
  bool ok = trained > 0 && grad_reverse(l->g, l->d, t->loss_node, wrt, n, adjoint) &&
            check_reached(l, e, adjoint, t->loss_span) && lower_updates(l, t, adjoint);
  context_end(l, &c);
  return ok;
}
