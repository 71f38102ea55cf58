/* SPDX-License-Identifier: MIT */
/* See textcase.h. */
#include "tests/textcase.h"

#include <math.h>
#include <string.h>

#include "compiler/eval/eval.h"
#include "compiler/ir/draws.h"
#include "tests/compiled.h"
#include "tests/quick.h"

enum { STEP = 1, MOVES = 3 };
/* The evaluator and the interpreter add up in different orders; kernels have single precision. */
static const double EXACT = 1e-9, NEAR = 5e-4;

/* ---- values ------------------------------------------------------------------------- */

/* Real numbers are floats; `by`: how far each may be off, as a share of it. */
static double real_value(const TextCase *t, const char *name, int64_t i, double by) {
  uint32_t site = draw_site(name);
  double x = (double)(float)(0.8 * draw_normal(t->seed, 7, site, (uint64_t)i));
  return by > 0 ? x * (1 + by * (2 * draw_uniform(t->seed, 8, site, (uint64_t)i) - 1)) : x;
}

/* Often one of the ends. */
static int64_t whole_value(const TextCase *t, const char *name, int64_t i, int64_t lo, int64_t hi) {
  uint32_t site = draw_site(name);
  double end = draw_uniform(t->seed, 5, site, (uint64_t)i),
         u = draw_uniform(t->seed, 6, site, (uint64_t)i);
  if (end < 0.15) return lo;
  if (end < 0.4) return hi;
  return lo + (int64_t)floor(u * ((double)hi - (double)lo + 1));
}

static const UnitEntry *entry_of(const TextCase *t, const char *name) {
  return t->unit ? unit_entry(t->unit, name) : NULL;
}

typedef struct Filling {
  const TextCase *t;
  const UnitEntry *entry;
} Filling;

static bool fill_input(void *ctx, const char *name, int rank, const int64_t *shape, double *real,
                       int64_t *whole) {
  const Filling *f = ctx;
  int64_t n = 1, lo = 0, hi = 0;
  for (int k = 0; k < rank; k++) n *= shape[k];
  for (int i = 0; i < f->entry->ninputs; i++)
    if (!strcmp(f->entry->inputs[i].name, name))
      lo = f->entry->inputs[i].lo, hi = f->entry->inputs[i].hi;
  for (int64_t i = 0; i < n; i++) {
    if (real) real[i] = real_value(f->t, name, i, 0);
    if (whole) whole[i] = whole_value(f->t, name, i, lo, hi);
  }
  return true;
}

static const UnitParameter *parameter_of(const TextCase *t, const char *name) {
  for (int i = 0; i < t->unit->nparameters; i++)
    if (!strcmp(t->unit->parameters[i].name, name)) return &t->unit->parameters[i];
  return NULL;
}

static bool fill_parameter(void *ctx, const char *name, int rank, const int64_t *shape,
                           double *real, int64_t *whole) {
  const Filling *f = ctx;
  const UnitParameter *p = parameter_of(f->t, name);
  bool same = p && p->rank == rank && !whole;
  int64_t n = 1;
  for (int k = 0; same && k < rank; k++) same = p->shape[k] == shape[k];
  for (int k = 0; k < rank; k++) n *= shape[k];
  for (int64_t i = 0; same && i < n; i++) real[i] = real_value(f->t, name, i, 0);
  return same;
}

/* The parameters of a state, each number given to `put`. */
typedef void Put(void *to, int64_t i, double x);

static void fill_state(const TextCase *t, const char *state, void *to, Put *put, double by) {
  for (int i = 0; i < t->unit->nparameters; i++) {
    const UnitParameter *p = &t->unit->parameters[i];
    int64_t n = 1;
    for (int k = 0; k < p->rank; k++) n *= p->shape[k];
    for (int64_t k = 0; k < n && !strcmp(p->state, state); k++)
      put(to, p->offset + k, real_value(t, p->name, k, by));
  }
}

static void put_double(void *to, int64_t i, double x) { ((double *)to)[i] = x; }
static void put_float(void *to, int64_t i, double x) { ((float *)to)[i] = (float)x; }

/* ---- comparing ---------------------------------------------------------------------- */

static double size_of(const InterpTensor *w) {
  double most = 0;
  for (int64_t i = 0; w->real && i < w->count; i++)
    if (isfinite(w->real[i])) most = fmax(most, fabs(w->real[i]));
  return most;
}

static bool alike(double want, double got, double within) {
  if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
  if (isinf(want) || isinf(got)) return want == got;
  return fabs(want - got) <= within;
}

/* What the interpreter has of one result or gradient, and another reading's numbers. */
typedef double Got(const void *from, int64_t i);

static void compare(TextCase *t, const char *by, const char *what, const InterpTensor *w, Got *got,
                    const void *from, double within) {
  double size = size_of(w);
  for (int64_t i = 0; i < w->count; i++) {
    double x = got(from, i);
    t->compared++;
    bool same = w->real ? alike(w->real[i], x, within * (size + 0.01)) : (double)w->whole[i] == x;
    if (same) continue;
    t->verdict = TEXT_DIFFERS;
    sb_printf(&t->said, "%s%s[%lld] is %.12g by the interpreter and %.12g by %s\n", what, w->name,
              (long long)i, w->real ? w->real[i] : (double)w->whole[i], x, by);
    return;
  }
}

/* ---- the evaluator ------------------------------------------------------------------ */

static Eval *evaluate(TextCase *t, const UnitEntry *e, double by) {
  Eval *ev = eval_new(e->graph, t->seed, STEP);
  for (int i = 0; i < e->graph->top->nodes.n; i++) {
    Node *n = e->graph->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    for (int64_t k = 0; k < ir_count(n); k++) {
      if (n->kind == N_STATE)
        x[k] = 0;
      else
        x[k] = n->type == TY_REAL ? real_value(t, n->name, k, by)
                                  : (double)whole_value(t, n->name, k, n->lo, n->hi);
      if (n == e->graph->step) x[k] = STEP;
    }
    if (n->kind == N_STATE) fill_state(t, n->name, x, put_double, by);
  }
  const char *why = eval_run(ev);
  if (!why) return ev;
  t->verdict = TEXT_DIFFERS;
  sb_printf(&t->said, "%s, by the evaluator: %s\n", e->name, why);
  eval_free(ev);
  return NULL;
}

static Node *leaf_of(const Graph *g, NodeKind kind, const char *name) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == kind && !strcmp(n->name, name)) return n;
  }
  return NULL;
}

static Node *output_of(const Graph *g, const char *name) {
  for (int i = 0; i < g->outputs.n; i++)
    if (!strcmp(g->outputs.at[i].name, name)) return g->outputs.at[i].node;
  return NULL;
}

static double of_doubles(const void *from, int64_t i) { return ((const double *)from)[i]; }

/* A step took the gradient off the parameter. */
typedef struct Moved {
  const TextCase *t;
  const char *name;
  const double *after_double;
  const float *after_float;
  double by;
} Moved;

static double of_moved(const void *from, int64_t i) {
  const Moved *m = from;
  double after = m->after_double ? m->after_double[i] : (double)m->after_float[i];
  return real_value(m->t, m->name, i, m->by) - after;
}

static void compare_evaluator(TextCase *t) {
  const UnitEntry *e = entry_of(t, "model.it");
  Eval *ev = evaluate(t, e, 0);
  if (!ev) return;
  for (int i = 0; i < t->model.results.n; i++) {
    const InterpTensor *w = &t->model.results.at[i];
    Node *n = output_of(e->graph, w->name);
    if (!n || ir_count(n) != w->count) bug("the evaluator's output %s", w->name);
    compare(t, "the evaluator", "", w, of_doubles, eval_value(ev, n), EXACT);
  }
  eval_free(ev);
  if (!t->has_loss) return;
  e = entry_of(t, "train");
  if (!(ev = evaluate(t, e, 0))) return;
  for (int i = 0; i < t->loss.gradients.n; i++) {
    const InterpTensor *w = &t->loss.gradients.at[i];
    const UnitParameter *p = parameter_of(t, w->name);
    Node *n = leaf_of(e->graph, N_STATE, p->state);
    Moved m = {t, w->name, n ? eval_bind(ev, n) + p->offset : NULL, NULL, 0};
    if (!n) bug("no state %s", p->state);
    compare(t, "the evaluator", "the gradient of ", w, of_moved, &m, EXACT);
    t->gradients += w->count;
  }
  eval_free(ev);
}

/* ---- kernels ------------------------------------------------------------------------ */

/* How far a result moves when inputs do by their rounding: more than that kernels cannot know. */
static double noise_of(TextCase *t, const UnitEntry *e, const char *name, const InterpTensor *w) {
  double most = 0;
  for (int k = 1; k <= MOVES; k++) {
    double by = 0x1p-23 * k;
    Eval *ev = evaluate(t, e, by);
    if (!ev) return 0;
    Node *n = output_of(e->graph, name);
    const UnitParameter *p = n ? NULL : parameter_of(t, name);
    Moved m = {t, name, NULL, NULL, by};
    if (p) m.after_double = eval_bind(ev, leaf_of(e->graph, N_STATE, p->state)) + p->offset;
    for (int64_t i = 0; i < w->count; i++) {
      double x = n ? eval_value(ev, n)[i] : of_moved(&m, i);
      double d = fabs(x - (w->real ? w->real[i] : (double)w->whole[i]));
      if (!isfinite(d)) d = INFINITY;
      most = fmax(most, d);
    }
    eval_free(ev);
  }
  return most;
}

typedef struct Stored {
  const void *at;
  TdType type;
} Stored;

static double of_stored(const void *from, int64_t i) {
  const Stored *s = from;
  if (s->type == TD_F32) return ((const float *)s->at)[i];
  if (s->type == TD_I32) return ((const int32_t *)s->at)[i];
  return ((const uint8_t *)s->at)[i];
}

static int program_entry(const TdProgram *p, const char *name) {
  for (int i = 0; i < p->nentries; i++)
    if (!strcmp(p->entries[i].name, name)) return i;
  bug("the program has no entry %s", name);
}

static void give_inputs(TextCase *t, Compiled *c, int entry, const UnitEntry *e) {
  for (int i = 0; i < e->graph->top->nodes.n; i++) {
    const Node *n = e->graph->top->nodes.at[i];
    void *to = n->kind == N_INPUT ? compiled_input(c, entry, n->name) : NULL;
    for (int64_t k = 0; to && k < ir_count(n); k++) {
      if (n == e->graph->step)
        ((int32_t *)to)[k] = STEP;
      else if (n->type == TY_REAL)
        ((float *)to)[k] = (float)real_value(t, n->name, k, 0);
      else
        ((int32_t *)to)[k] = (int32_t)whole_value(t, n->name, k, n->lo, n->hi);
    }
  }
  const TdProgram *p = t->unit->program;
  for (int i = 0; i < p->nstates; i++)
    if (!strncmp(p->states[i].name, "params.", 7))
      fill_state(t, p->states[i].name, compiled_state(c, i), put_float, 0);
}

/* The comparison again, with as much room as the text's own condition asks for. */
static void compare_kernels(TextCase *t, const char *what, const UnitEntry *e,
                            const InterpTensor *w, Got *got, const void *from) {
  size_t said = t->said.n;
  compare(t, "kernels", what, w, got, from, NEAR);
  if (t->verdict != TEXT_DIFFERS || !w->real) return;
  double noise = noise_of(t, e, w->name, w), size = size_of(w) + 0.01;
  t->verdict = TEXT_SAME;
  t->said.n = said;
  if (t->said.s) t->said.s[said] = 0;
  compare(t, "kernels", what, w, got, from, NEAR + 64 * noise / size);
}

static void run_kernels(TextCase *t, Compiled *c) {
  const TdProgram *p = t->unit->program;
  const UnitEntry *e = entry_of(t, "model.it");
  int at = program_entry(p, e->name);
  TdControl control = {t->seed, STEP};
  give_inputs(t, c, at, e);
  compiled_run(c, at, control, 1 + (int64_t)(t->seed % 3));
  for (int i = 0; i < t->model.results.n && t->verdict == TEXT_SAME; i++) {
    const InterpTensor *w = &t->model.results.at[i];
    int64_t count;
    Stored s;
    s.at = compiled_output(c, at, w->name, &s.type, &count);
    if (!s.at || count != w->count) bug("the program's output %s", w->name);
    compare_kernels(t, "", e, w, of_stored, &s);
  }
  if (!t->has_loss) return;
  e = entry_of(t, "train");
  at = program_entry(p, e->name);
  give_inputs(t, c, at, e);
  compiled_run(c, at, control, 1 + (int64_t)(t->seed % 3));
  for (int i = 0; i < t->loss.gradients.n && t->verdict == TEXT_SAME; i++) {
    const InterpTensor *w = &t->loss.gradients.at[i];
    const UnitParameter *q = parameter_of(t, w->name);
    Moved m = {t, w->name, NULL, NULL, 0};
    for (int k = 0; k < p->nstates; k++)
      if (!strcmp(p->states[k].name, q->state))
        m.after_float = (const float *)compiled_state(c, k) + q->offset;
    compare_kernels(t, "the gradient of ", e, w, of_moved, &m);
  }
}

void textcase_kernels(TextCase *t, int n) {
  static const char *const flags[] = {QUICK_LIST, NULL};
  const TdProgram **p = NEWN(t[0].arena, const TdProgram *, n);
  TextCase **of = NEWN(t[0].arena, TextCase *, n);
  int programs = 0;
  for (int i = 0; i < n; i++)
    if (t[i].verdict == TEXT_SAME) of[programs] = &t[i], p[programs++] = t[i].unit->program;
  if (!programs) return;
  Library *l = library_new(p, programs, flags);
  for (int i = 0; i < programs; i++) {
    if (l) {
      Compiled *c = compiled_of(l, i);
      run_kernels(of[i], c);
      compiled_free(c);
    } else {
      of[i]->verdict = TEXT_DIFFERS;
      sb_puts(&of[i]->said, "the C compiler refuses this one or one compiled with it\n");
    }
  }
  library_free(l);
}

/* ---- reading ------------------------------------------------------------------------ */

static bool vocabulary(void *ctx, const DataDecl *decl, DataInfo *out, const char **why) {
  static const double share[TEXT_VOCABULARY] = {0.2, 0.2, 0.2, 0.2, 0.2};
  (void)ctx, (void)decl, (void)why;
  *out = (DataInfo){.vocab = TEXT_VOCABULARY, .unigram = share, .entropy = log(TEXT_VOCABULARY)};
  return true;
}

static bool compile(TextCase *t, bool kernels) {
  Diags *d = diags_new(t->arena);
  UnitOptions o = {.query = vocabulary, .verify = true, .no_eval = true, .check_only = !kernels};
  t->unit =
      unit_compile(t->arena, t->names, d, diags_source(d, "text.td", t->text, strlen(t->text)), &o);
  if (t->unit) return true;
  t->verdict = TEXT_REFUSED;
  for (int i = diags_count(d) - 1; i >= 0; i--)
    if (diags_at(d, i)->level == DIAG_ERROR) t->code = diags_at(d, i)->code;
  diags_print(d, &t->said, false);
  return false;
}

static void interpret(TextCase *t, const AFile *f, const char *entry, InterpResult *out) {
  Filling ctx = {t, entry_of(t, entry)};
  InterpOptions o = {.vocab = TEXT_VOCABULARY,
                     .input = fill_input,
                     .parameter = fill_parameter,
                     .ctx = &ctx,
                     .step = STEP,
                     .steps = t->unit->train.steps};
  if (!ctx.entry) bug("no entry %s", entry);
  bool loss = !strcmp(entry, "train");
  *out = loss ? interp_loss(t->arena, t->names, f, "main", &o)
              : interp_model(t->arena, t->names, f, "it", &o);
  if (out->status == INTERP_OK || t->verdict != TEXT_SAME) return;
  t->verdict = out->status == INTERP_NOT_COVERED ? TEXT_UNCOVERED : TEXT_DIFFERS;
  sb_printf(&t->said, "%d:%d: %s%s\n", out->where.line, out->where.col,
            out->status == INTERP_NOT_COVERED ? "not covered: " : "accepted, but ", out->why);
}

void textcase_open(TextCase *t, const char *text, uint64_t seed, bool kernels) {
  *t = (TextCase){.seed = seed, .arena = arena_new()};
  t->text = arena_strdup(t->arena, text);
  t->names = interner_new(t->arena);
  if (!compile(t, kernels)) return;
  Diags *d = diags_new(t->arena);
  int file = diags_source(d, "text.td", t->text, strlen(t->text));
  const AFile *f = ast_parse(t->arena, t->names, d, file);
  t->has_loss = entry_of(t, "train") != NULL;
  interpret(t, f, "model.it", &t->model);
  if (t->has_loss) interpret(t, f, "train", &t->loss);
  if (t->verdict == TEXT_SAME) compare_evaluator(t);
}

void textcase_close(TextCase *t) {
  sb_free(&t->said);
  if (t->arena) arena_free(t->arena);
  *t = (TextCase){0};
}
