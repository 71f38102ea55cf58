/* SPDX-License-Identifier: MIT */
/* Tensors of the interpreter, their alignment by identity, and the scopes of names. */
#include "tests/interp/internal.h"

Value scalar(Number x) { return (Value){.one = x}; }
Value known(Number x, const char *id) { return (Value){.known = true, .id = id, .one = x}; }

Value tensor(Interp *in, int rank, const Axis *axis) {
  Value v = {.rank = rank, .axis = NEWN(in->arena, Axis, rank + 1)};
  for (int k = 0; k < rank; k++) v.axis[k] = axis[k];
  if (rank) v.at = NEWN(in->arena, Number, count_of(&v));
  return v;
}

int64_t count_of(const Value *v) {
  int64_t n = 1;
  for (int k = 0; k < v->rank; k++) n *= v->axis[k].extent;
  return n;
}

Number *cells(Value *v) { return v->rank ? v->at : &v->one; }
const Number *cells_of(const Value *v) { return v->rank ? v->at : &v->one; }

void agree(Value *v) {
  Number *x = cells(v);
  bool real = false, whole = false;
  for (int64_t i = 0; i < count_of(v); i++) {
    real = real || x[i].kind == INTERP_REAL;
    whole = whole || x[i].kind == INTERP_WHOLE;
  }
  for (int64_t i = 0; real && whole && i < count_of(v); i++) x[i] = as_real(x[i]);
}

/* ---- alignment ---------------------------------------------------------------------- */

static int axis_with(const Value *v, const char *id) {
  for (int k = 0; id && k < v->rank; k++)
    if (v->axis[k].id == id) return k;
  return -1;
}

static bool has_twice(const Value *v) {
  for (int k = 0; k < v->rank; k++)
    if (!v->axis[k].id || axis_with(v, v->axis[k].id) != k) return true;
  return false;
}

static bool covers(const Value *wide, const Value *v) {
  if (v->rank == 0) return true;
  if (has_twice(wide) || has_twice(v)) return false;
  for (int k = 0; k < v->rank; k++)
    if (axis_with(wide, v->axis[k].id) < 0) return false;
  return true;
}

Value widest(Interp *in, const Value *v, int n, Span at) {
  const Value *wide = &v[0];
  for (int i = 1; i < n; i++)
    if (v[i].rank > wide->rank) wide = &v[i];
  for (int i = 0; i < n; i++)
    if (&v[i] != wide && !covers(wide, &v[i]))
      UNCOVERED(in, at, "whole tensors of which none has all axes, each once");
  return tensor(in, wide->rank, wide->axis);
}

Number aligned(const Value *v, const Value *wide, int64_t i) {
  if (v->rank == 0) return v->one;
  bool same = v->rank == wide->rank; /* also the only tensor of the statement */
  for (int k = 0; same && k < v->rank; k++) same = v->axis[k].id == wide->axis[k].id;
  if (same) return v->at[i];
  int64_t at[MAX_RANK], flat = 0;
  for (int k = wide->rank - 1; k >= 0; k--) {
    at[k] = i % wide->axis[k].extent;
    i /= wide->axis[k].extent;
  }
  for (int k = 0; k < v->rank; k++)
    flat = flat * v->axis[k].extent + at[axis_with(wide, v->axis[k].id)];
  return v->at[flat];
}

/* ---- names -------------------------------------------------------------------------- */

Scope *scope_below(Interp *in, Scope *parent) {
  Scope *s = NEW(in->arena, Scope);
  s->parent = parent;
  return s;
}

Value *find_here(Scope *s, const char *name) {
  for (int i = s->names.n - 1; i >= 0; i--)
    if (s->names.at[i].name == name) return &s->names.at[i].value;
  return NULL;
}

Value *find_name(Scope *s, const char *name) {
  for (; s; s = s->parent) {
    Value *v = find_here(s, name);
    if (v) return v;
  }
  return NULL;
}

void define(Interp *in, Scope *s, const char *name, Value v) {
  Value *old = find_here(s, name);
  Binding b = {name, v};
  if (old)
    *old = v;
  else
    vec_push(in->arena, &s->names, b);
}
