/* SPDX-License-Identifier: MIT */
/* Warnings about the mathematics rather than the program. What a schedule's
 * table means is read off the training graph, never off its name:
 *
 *     sqrt(a[t]) * x + sqrt(1 - a[t]) * e      a is the share of the signal's variance
 *     uniform() < a[t] ? x : (something else)  a is the share of the symbols that survive
 *
 * From that follow what the sampler's start should be and in which order its
 * steps go. Runs when all entries are lowered and before gradients are taken. */
#include <math.h>
#include <string.h>

#include "compiler/lower/domain.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

enum { W_PRIOR = 901, W_STEPS = 902, W_SOFTMAX = 903, W_MASK = 904 };
enum { INLINE_DEPTH = 8 };

/* Shares below these are no mistake: DDPM's own schedules end at a few permille. */
static const double SIGNAL_AT_REST = 0.1, SYMBOLS_AT_REST = 0.1;

/* ---- what expressions are computed from -------------------------------------------- */

typedef struct Reach {
  Graph *g;
  bool *seen; /* by node id */
  bool input, draw;
} Reach;

static void reach_node(Reach *r, const Node *n);

static void reach_visit(Expr *e, void *ctx) {
  Reach *r = ctx;
  if (e->kind == E_PRIM && prim_draws(e->prim)) r->draw = true;
  if (e->kind == E_READ) reach_node(r, e->node);
}

static void reach_node(Reach *r, const Node *n) {
  if (r->seen[n->id]) return;
  r->seen[n->id] = true;
  if (n->kind == N_INPUT) r->input = true;
  if (n->kind != N_COMP) return;
  ex_visit(r->g, n->body, reach_visit, r);
  if (n->guard) ex_visit(r->g, n->guard, reach_visit, r);
}

/* What the value of e is computed from. */
static Reach reach(Graph *g, Expr *e) {
  Reach r = {.g = g, .seen = NEWN(g->arena, bool, g->nodes.n + 1)};
  ex_visit(g, e, reach_visit, &r);
  return r;
}

/* ---- what a table means to the loss ------------------------------------------------- */

typedef enum { NO_SIGNAL, GAUSSIAN, SURVIVAL } Meaning;

typedef struct Signal {
  DiffusionSchedule *schedule;
  const Table *table;
  Meaning meaning;
  bool inverted;  /* the table holds 1 - share */
  int64_t lo, hi; /* the loss trains these steps; lo > hi: none is drawn */
  Span drawn;     /* where they are drawn */
} Signal;

typedef struct Search {
  Graph *g;
  Node *owner; /* whose expression is being visited */
  const Node *table;
  bool root, rest; /* sqrt(a), sqrt(1 - a) */
  Signal *out;
} Search;

static bool reads_table(const Search *s, Expr *e) {
  Expr *p = named_value(s->g, e);
  return p->kind == E_READ && p->node == s->table;
}

static void note_steps(Search *s, Expr *read) {
  int64_t lo, hi;
  if (!reach(s->g, read->args[0]).draw) return;
  if (!ex_interval(s->g, read->args[0], s->owner->extent, s->owner->nvars, &lo, &hi)) return;
  if (s->out->lo > s->out->hi) {
    s->out->lo = lo;
    s->out->hi = hi;
    s->out->drawn = read->args[0]->kind == E_READ ? read->args[0]->node->span : s->owner->span;
  }
  if (lo < s->out->lo) s->out->lo = lo;
  if (hi > s->out->hi) s->out->hi = hi;
}

/* c ? a : b where c is a draw against the table: which arm is the data? */
static void note_survival(Search *s, const Expr *e) {
  Expr *c = named_value(s->g, e->args[0]);
  bool negated = ex_is_prim(c, P_not);
  if (negated) c = named_value(s->g, c->args[0]);
  if (!ex_is_prim(c, P_lt)) return;
  bool below = ex_is_prim(named_value(s->g, c->args[0]), P_uniform) && reads_table(s, c->args[1]);
  bool above = ex_is_prim(named_value(s->g, c->args[1]), P_uniform) && reads_table(s, c->args[0]);
  if (!below && !above) return;
  bool then = reach(s->g, e->args[1]).input, other = reach(s->g, e->args[2]).input;
  if (then == other) return;
  s->out->meaning = SURVIVAL;
  s->out->inverted = (below != negated) != then;
}

static void search_visit(Expr *e, void *ctx) {
  Search *s = ctx;
  if (e->kind == E_READ && e->node == s->table) note_steps(s, e);
  if (ex_is_prim(e, P_sqrt)) {
    Expr *x = named_value(s->g, e->args[0]);
    if (reads_table(s, x)) s->root = true;
    if (ex_is_prim(x, P_sub) && x->args[0]->kind == E_NUM && x->args[0]->num == 1 &&
        reads_table(s, x->args[1]))
      s->rest = true;
  }
  if (ex_is_prim(e, P_select)) note_survival(s, e);
}

static double share(const Signal *s, int64_t t) {
  double x = s->table->data[t];
  return s->inverted ? 1 - x : x;
}

static bool find_signal(const Entry *train, DiffusionSchedule *schedule, Signal *out) {
  for (int i = 0; i < train->ntables; i++) {
    const Table *t = train->tables[i].table;
    bool here = false;
    for (int k = 0; k < schedule->tables.n; k++) here = here || schedule->tables.at[k] == t;
    if (!here || t->rank != 1 || t->type != TY_REAL) continue;
    *out = (Signal){.schedule = schedule, .table = t, .lo = 0, .hi = -1};
    Search s = {.g = train->g, .table = train->tables[i].node, .out = out};
    for (int k = 0; k < train->g->nodes.n; k++) {
      s.owner = train->g->nodes.at[k];
      if (s.owner->kind == N_COMP) ex_visit(s.g, s.owner->body, search_visit, &s);
    }
    if (s.root && s.rest) out->meaning = GAUSSIAN;
    bool shares =
        out->meaning != NO_SIGNAL && out->lo <= out->hi && out->lo >= 0 && out->hi < t->shape[0];
    for (int64_t k = 0; shares && k < t->shape[0]; k++) shares = t->data[k] >= 0 && t->data[k] <= 1;
    if (shares) return true;
  }
  return false;
}

/* ---- the sampler's start ----------------------------------------------------------------- */

static const Entry *entry_named(const Lowering *l, const char *a, const char *sampler,
                                const char *b) {
  const char *name = arena_printf(l->arena, "%s%s%s", a, sampler, b);
  for (int i = 0; i < l->entries.n; i++)
    if (!strcmp(l->entries.at[i]->name, name)) return l->entries.at[i];
  return NULL;
}

/* May this value be a standard normal draw (any arm of its choices)? */
static bool may_be_normal(Graph *g, Expr *e, int depth) {
  e = named_value(g, e);
  if (ex_is_prim(e, P_select) && depth < INLINE_DEPTH)
    return may_be_normal(g, e->args[1], depth + 1) || may_be_normal(g, e->args[2], depth + 1);
  return ex_is_prim(e, P_normal);
}

/* An integer drawn evenly from 0 .. n-1? */
static bool is_even_draw(Graph *g, Expr *e, int64_t n) {
  e = named_value(g, e);
  return ex_is_prim(e, P_pick) && e->args[2]->kind == E_INT && e->args[2]->inum == n;
}

static double bits_leaked(const Signal *s, double a, int64_t vocab) {
  double v = (double)vocab;
  if (s->meaning == GAUSSIAN) return 0.5 * (v * (-a - log1p(-a)) + a) / log(2);
  double hit = a + (1 - a) / v, miss = (1 - a) / v;
  return (hit * log2(hit * v) + (v - 1) * (miss > 0 ? miss * log2(miss * v) : 0));
}

static int64_t noisiest(const Signal *s, int64_t lo, int64_t hi) {
  int64_t best = lo;
  for (int64_t t = lo; t <= hi; t++)
    if (share(s, t) < share(s, best)) best = t;
  return best;
}

static int64_t cleanest(const Signal *s, int64_t lo, int64_t hi) {
  int64_t best = lo;
  for (int64_t t = lo; t <= hi; t++)
    if (share(s, t) > share(s, best)) best = t;
  return best;
}

static const Node *updated_state(const Entry *step, const char *name) {
  for (int i = 0; i < step->g->updates.n; i++)
    if (!strcmp(step->g->updates.at[i].state->name, name)) return step->g->updates.at[i].state;
  return NULL;
}

static void check_prior(Lowering *l, const Signal *s, const UnitSampler *u, const Entry *init,
                        const Entry *step) {
  int64_t last = noisiest(s, s->lo, s->hi);
  double a = share(s, last), kept = s->meaning == GAUSSIAN ? sqrt(a) : a;
  if (a >= 1 || kept < (s->meaning == GAUSSIAN ? SIGNAL_AT_REST : SYMBOLS_AT_REST)) return;
  for (int i = 0; i < init->g->updates.n; i++) {
    const Node *value = init->g->updates.at[i].value;
    const Node *state = updated_state(step, init->g->updates.at[i].state->name);
    if (!state || state->rank == 0 || !ir_is_map(value)) continue;
    bool symbols = state->shape[state->rank - 1] == l->vocab; /* the last axis is one-hot */
    if (s->meaning == GAUSSIAN
            ? state->type != TY_REAL || !may_be_normal(init->g, value->body, 0)
            : state->type != TY_INT || !is_even_draw(init->g, value->body, l->vocab))
      continue;
    const char *dot = strrchr(state->name, '.'), *name = dot ? dot + 1 : state->name;
    const char *leak = s->meaning == SURVIVAL || symbols
                           ? arena_printf(l->arena, ": the prior leaks %.2f bits/char",
                                          bits_leaked(s, a, l->vocab))
                           : "";
    Diag *x = diag_warn(l->d, W_PRIOR, state->span, "%s_T keeps %.0f%% of the %s%s", name,
                        100 * kept, s->meaning == GAUSSIAN ? "signal" : "symbols", leak);
    diag_note(l->d, x, s->table->span, "%s[%lld] = %.4g; the sampler starts as if it were %d",
              s->table->name, (long long)last, s->table->data[last], s->inverted ? 1 : 0);
    diag_note(l->d, x, u->span, "in sampler '%s'", u->name);
    if (s->meaning == GAUSSIAN)
      diag_hint(l->d, x,
                "start the sampler at normal(m, s) with s^2 = %.2f and m = %.2f times the data's "
                "mean, or rescale the schedule",
                1 - a, kept);
    else
      diag_hint(
          l->d, x,
          "start the sampler at symbols of the data's own frequencies, or rescale the schedule");
  }
}

/* ---- the sampler's steps ------------------------------------------------------------------- */

typedef struct AtStep {
  const Node *t; /* the loop's input */
  int64_t value;
  bool used;
} AtStep;

static Expr *put_step(Graph *g, Expr *e, void *ctx) {
  AtStep *a = ctx;
  if (e->kind != E_READ) return e;
  if (e->node == a->t) {
    a->used = true;
    return ex_int(g, a->value);
  }
  Expr *p = named_value(g, e);
  return p == e ? e : ex_map(g, p, put_step, a);
}

typedef struct Steps {
  Graph *g;
  const Entry *step;
  const Signal *s;
  AtStep at;
  int64_t index; /* the noisiest that a table is read at; -1: none */
} Steps;

static void steps_visit(Expr *e, void *ctx) {
  Steps *x = ctx;
  if (e->kind != E_READ || e->node->kind != N_CONST || e->nargs != 1) return;
  bool ours = false;
  for (int i = 0; i < x->step->ntables; i++)
    for (int k = 0; k < x->s->schedule->tables.n; k++)
      ours = ours || (x->step->tables[i].node == e->node &&
                      x->step->tables[i].table == x->s->schedule->tables.at[k]);
  if (!ours) return;
  x->at.used = false;
  Expr *t = ex_map(x->g, e->args[0], put_step, &x->at);
  if (!x->at.used || t->kind != E_INT || t->inum < 0 || t->inum >= x->s->table->shape[0]) return;
  if (x->index < 0 || share(x->s, t->inum) < share(x->s, x->index)) x->index = t->inum;
}

/* Which step of the schedule does the sampler take when its loop stands at `value`? */
static int64_t step_at(const Signal *s, const Entry *step, const Node *t, int64_t value) {
  Steps x = {.g = step->g, .step = step, .s = s, .at = {.t = t, .value = value}, .index = -1};
  int n = step->g->nodes.n;
  for (int k = 0; k < n; k++)
    if (step->g->nodes.at[k]->kind == N_COMP)
      ex_visit(x.g, step->g->nodes.at[k]->body, steps_visit, &x);
  return x.index;
}

static void check_steps(Lowering *l, const Signal *s, const UnitSampler *u, const Entry *step) {
  const Node *t = NULL;
  for (int i = 0; i < step->g->nodes.n; i++)
    if (step->g->nodes.at[i]->kind == N_INPUT && !strcmp(step->g->nodes.at[i]->name, u->var))
      t = step->g->nodes.at[i];
  if (!t) return;
  int64_t first = step_at(s, step, t, u->lo), last = step_at(s, step, t, u->hi);
  int64_t noise = noisiest(s, s->lo, s->hi), clean = cleanest(s, s->lo, s->hi);
  if (first < 0 || last < 0) return;
  Diag *x;
  if (share(s, first) > share(s, last))
    x = diag_warn(l->d, W_STEPS, t->span,
                  "this sampler goes from step %lld to step %lld, from little noise to much",
                  (long long)first, (long long)last);
  else if (first != noise)
    x = diag_warn(l->d, W_STEPS, t->span,
                  "this sampler starts at step %lld, but the noisiest step that is trained is %lld",
                  (long long)first, (long long)noise);
  else if (last != clean)
    x = diag_warn(l->d, W_STEPS, t->span,
                  "this sampler ends at step %lld, but the cleanest step that is trained is %lld",
                  (long long)last, (long long)clean);
  else
    return;
  if (first == u->lo && last == u->hi)
    diag_hint(l->d, x, "for %s in %lld .. %lld", u->var, (long long)noise, (long long)clean);
  diag_note(l->d, x, s->drawn, "the loss trains the steps %lld .. %lld", (long long)s->lo,
            (long long)s->hi);
}

void domain_warnings(Lowering *l) {
  const Entry *train = entry_named(l, "train", "", "");
  if (!train) return;
  for (int i = 0; i < l->schedules.n; i++) {
    Signal s;
    if (!find_signal(train, l->schedules.at[i], &s)) continue;
    for (int k = 0; k < l->unit->nsamplers; k++) {
      const UnitSampler *u = &l->unit->samplers[k];
      const Entry *init = entry_named(l, "sample.", u->name, ".init"),
                  *step = entry_named(l, "sample.", u->name, ".step");
      bool relies = false;
      if (step && step->views.n == 0) continue; /* asks no network: noise goes its own way */
      for (int j = 0; step && j < step->ntables; j++)
        for (int q = 0; q < s.schedule->tables.n; q++)
          relies = relies || step->tables[j].table == s.schedule->tables.at[q];
      if (!init || !relies) continue;
      check_prior(l, &s, u, init, step);
      check_steps(l, &s, u, step);
    }
  }
}

/* ---- reducers --------------------------------------------------------------------- */

void domain_softmax(Lowering *l, const AExpr *e, const int *vars, int n) {
  for (int k = 0; k < n; k++)
    if (l->var_extent.at[vars[k]] != 1) return;
  lower_warn(l, W_SOFTMAX, aexpr_name_span(e),
             "softmax over one element is 1 whatever the element is");
}

void domain_guard(Lowering *l, const AExpr *e, Expr *const *parts, int n) {
  /* Contradicting parts prove anything, so also that -1 is not negative. */
  int facts = l->facts.n, hidden = facts;
  for (int i = 0; i < n; i++) fact_push(l, parts[i], true);
  VEC(Expr *) own = {l->facts.at + hidden, l->facts.n - hidden, l->facts.n - hidden};
  Lowering view = *l;
  view.facts.at = own.at;
  view.facts.n = own.n;
  bool never = prove_in_range(&view, ex_int(l->g, -1), 1);
  for (int i = 0; i < n && !never; i++) {
    int64_t lo, hi;
    never = prove_interval(l, parts[i], &lo, &hi) && hi == 0;
  }
  l->facts.n = facts;
  if (!never) return;
  Span at = e->guard ? e->guard->span : e->items.at[0].span;
  Diag *x = lower_warn(l, W_MASK, at, "this condition never holds: '%s' has nothing left", e->name);
  diag_hint(l->d, x, "compare the ranges of the indices");
}
