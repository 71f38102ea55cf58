/* SPDX-License-Identifier: MIT */
/* Files: their names, and a model or a loss of them run. See interp.h. */
#include <string.h>

#include "tests/interp/internal.h"

void give_up(Interp *in, InterpStatus s, Span at, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  in->why = arena_vprintf(in->arena, fmt, ap);
  va_end(ap);
  in->status = s;
  in->where = at;
  longjmp(*in->out, 1);
}

/* ---- files -------------------------------------------------------------------------- */

static void declare(Interp *in, Scope *s, const AFile *file);

static Scope *library(Interp *in, const char *name, Scope *parent) {
  size_t size;
  const char *text = std_source(name, &size);
  Span nowhere = {0};
  if (!text) UNCOVERED(in, nowhere, "the library %s", name);
  Diags *d = diags_new(in->arena);
  AFile *f = ast_parse(in->arena, in->names, d, diags_source(d, name, text, size));
  Scope *s = scope_below(in, parent);
  declare(in, s, f);
  return s;
}

static void declare_numbers(Interp *in, Scope *s, const ADecl *d) {
  Context *c = context_of(in, s, "");
  for (int i = 0; i < d->binds.n; i++) {
    const ABind *b = &d->binds.at[i];
    Value v = eval(c, b->value, false);
    if (!v.known) UNCOVERED(in, b->span, "this constant");
    v.id = d->kind == D_CONST ? NULL : b->target.name;
    define(in, s, b->target.name, v);
  }
}

static void declare(Interp *in, Scope *s, const AFile *file) {
  for (int i = 0; i < file->decls.n; i++) {
    const ADecl *d = file->decls.at[i];
    Value v = {.kind = V_FUNCTION, .decl = d, .home = s};
    switch (d->kind) {
    case D_USE:
      if (!d->name) UNCOVERED(in, d->span, "use of a file");
      if (strcmp(d->name, "core") != 0) s->parent = library(in, d->name, s->parent);
      break;
    case D_CONST:
    case D_DIM:
    case D_AXIS: declare_numbers(in, s, d); break;
    case D_DATA:
      v.kind = V_DATA;
      define(in, s, d->name, v);
      break;
    case D_OP:
    case D_BLOCK:
    case D_MODEL: define(in, s, d->name, v); break;
    case D_PARAM: {
      Context *c = context_of(in, s, "");
      c->scope = s;
      run_param(c, d->stmt);
      break;
    }
    case D_SCHEDULE:
    case D_LOSS:
    case D_METRIC:
    case D_SAMPLER:
    case D_TRAIN:
    case D_PRECISION: break;
    }
  }
}

static const ADecl *declared(Interp *in, const AFile *file, ADeclKind kind, const char *name) {
  for (int i = 0; i < file->decls.n; i++) {
    const ADecl *d = file->decls.at[i];
    if (d->kind == kind && !strcmp(d->name, name)) return d;
  }
  Span nowhere = {0};
  UNCOVERED(in, nowhere, "no %s", name);
}

/* ---- inputs and results ------------------------------------------------------------- */

static Value input(Context *f, const AFormal *a) {
  Interp *in = f->in;
  Axis axis[MAX_RANK];
  int64_t shape[MAX_RANK];
  if (a->items.n > MAX_RANK) UNCOVERED(in, a->span, "so many axes");
  for (int k = 0; k < a->items.n; k++) {
    if (!a->items.at[k].expr) UNCOVERED(in, a->span, "an input of open shape");
    shape[k] = axis[k].extent = eval_extent(f, a->items.at[k].expr, &axis[k].id);
  }
  Value v = tensor(in, a->items.n, axis);
  int64_t n = count_of(&v);
  double *real = a->id_bound ? NULL : NEWN(in->arena, double, n + 1);
  int64_t *whole = a->id_bound ? NEWN(in->arena, int64_t, n + 1) : NULL;
  if (!in->o->input || !in->o->input(in->o->ctx, a->name, a->items.n, shape, real, whole))
    UNCOVERED(in, a->span, "the input %s: nobody has its numbers", a->name);
  for (int64_t i = 0; i < n; i++)
    cells(&v)[i] = real ? real_number(real[i]) : whole_number(whole[i]);
  if (a->id_bound) v.bound = eval_extent(f, a->id_bound, &v.id);
  return v;
}

static Context *root(Interp *in, const ADecl *d) {
  Context *f = context_of(in, in->file, d->kind == D_MODEL ? d->name : "");
  const Value *given[MAX_ARGS] = {NULL};
  if (d->formals.n > MAX_ARGS) UNCOVERED(in, d->span, "so many inputs");
  for (int i = 0; i < d->formals.n; i++) {
    Value *v = NEW(in->arena, Value);
    *v = input(f, &d->formals.at[i]);
    given[i] = v;
  }
  bind_arguments(f, d, given);
  return f;
}

static InterpTensor result(Interp *in, const char *name, int rank, const Axis *axis,
                           const Number *x) {
  InterpTensor t = {.name = name, .kind = x[0].kind, .rank = rank, .count = 1};
  for (int k = 0; k < rank; k++) t.count *= t.shape[k] = axis[k].extent;
  if (t.kind == INTERP_REAL)
    t.real = NEWN(in->arena, double, t.count + 1);
  else
    t.whole = NEWN(in->arena, int64_t, t.count + 1);
  for (int64_t i = 0; i < t.count; i++) {
    if (t.real) t.real[i] = x[i].real;
    if (t.whole) t.whole[i] = x[i].whole;
  }
  return t;
}

static void run_model(Interp *in, const AFile *file, const char *name, InterpResult *out) {
  const ADecl *d = declared(in, file, D_MODEL, name);
  Value v = run_function(root(in, d), d), *part = v.kind == V_PACK ? v.parts : &v;
  for (int i = 0; i < d->results.n; i++) {
    const Value *p = &part[i];
    InterpTensor t = result(in, d->results.at[i].name, p->rank, p->axis, cells_of(p));
    vec_push(in->arena, &out->results, t);
  }
}

static void add_gradient(Interp *in, const Parameter *p, InterpResult *out) {
  InterpTensor t = {.name = p->name, .kind = INTERP_REAL, .rank = p->rank, .count = p->count};
  t.real = NEWN(in->arena, double, p->count + 1);
  for (int k = 0; k < p->rank; k++) t.shape[k] = p->shape[k];
  for (int64_t i = 0; i < p->count; i++) t.real[i] = in->adjoint[p->at[i].node];
  vec_push(in->arena, &out->gradients, t);
}

static void run_loss(Interp *in, const AFile *file, const char *name, InterpResult *out) {
  const ADecl *d = declared(in, file, D_LOSS, name);
  Context *f = root(in, d);
  in->loss = f;
  run_body(f, &d->body);
  if (!in->has_objective) UNCOVERED(in, d->span, "a loss that minimises nothing");
  Number x = as_real(in->objective.one);
  out->loss = x.real;
  sweep(in, x.node);
  for (int i = 0; i < in->parameters.n; i++) add_gradient(in, &in->parameters.at[i], out);
}

static InterpResult run(Arena *a, Interner *names, const AFile *file, const char *name,
                        const InterpOptions *o, bool loss) {
  jmp_buf out;
  InterpResult *r = NEW(a, InterpResult);
  Interp *in = NEW(a, Interp);
  *in = (Interp){.arena = a, .names = names, .o = o, .out = &out, .taping = loss, .training = loss};
  TapeNode none = {0};
  vec_push(a, &in->tape, none); /* node 0: what is constant */
  if (setjmp(out) == 0) {
    in->core = library(in, "core", NULL);
    in->file = scope_below(in, in->core);
    declare(in, in->file, file);
    if (loss)
      run_loss(in, file, name, r);
    else
      run_model(in, file, name, r);
  }
  r->status = in->status;
  r->why = in->why;
  r->where = in->where;
  return *r;
}

InterpResult interp_model(Arena *a, Interner *names, const AFile *file, const char *model,
                          const InterpOptions *o) {
  return run(a, names, file, model, o, false);
}

InterpResult interp_loss(Arena *a, Interner *names, const AFile *file, const char *loss,
                         const InterpOptions *o) {
  return run(a, names, file, loss, o, true);
}
