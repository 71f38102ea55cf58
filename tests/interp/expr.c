/* SPDX-License-Identifier: MIT */
/* Expressions: at one point of the indices around they are numbers; whole tensors are aligned
 * by the identities of their axes. */
#include <math.h>
#include <string.h>

#include "tests/interp/internal.h"

Number eval_number(Context *c, const AExpr *e, bool between_brackets) {
  Value v = eval(c, e, between_brackets);
  if (v.kind != V_TENSOR || v.rank) UNCOVERED(c->in, e->span, "a whole tensor as one number");
  return v.one;
}

int64_t eval_extent(Context *c, const AExpr *e, const char **id) {
  Value v = eval(c, e, true);
  if (v.kind != V_TENSOR || v.rank || v.one.kind != INTERP_WHOLE || !v.known)
    UNCOVERED(c->in, e->span, "this extent");
  *id = v.id;
  return v.one.whole;
}

/* ---- names -------------------------------------------------------------------------- */

bool counts_steps(const Context *c, const char *name) {
  return c == c->in->loss && (!strcmp(name, "step") || !strcmp(name, "steps"));
}

static Value name_value(Context *c, const AExpr *e) {
  const Index *x = find_index(c, e->name);
  if (x) return scalar(whole_number(x->first + x->now));
  const Value *v = find_name(c->scope, e->name);
  if (v) return *v;
  const Letter *l = find_letter(c, e->name);
  if (l) return known(whole_number(l->axis.extent), l->axis.id);
  if (!strcmp(e->name, "inf")) return known(real_number(INFINITY), NULL);
  if (!strcmp(e->name, "true")) return known(truth(true), NULL);
  if (!strcmp(e->name, "false")) return known(truth(false), NULL);
  if (!strcmp(e->name, "training")) return known(truth(c->in->training), NULL);
  if (counts_steps(c, e->name))
    return known(whole_number(e->name[4] ? c->in->o->steps : c->in->o->step), NULL);
  UNCOVERED(c->in, e->span, "the name %s", e->name);
}

static Value member(Context *c, const AExpr *e) {
  Interp *in = c->in;
  const Value *v = e->a->kind == A_NAME ? find_name(c->scope, e->a->name) : NULL;
  if (!v || v->kind != V_DATA) UNCOVERED(in, e->span, "the member %s", e->name);
  if (!strcmp(e->name, "vocab")) return known(whole_number(in->o->vocab), NULL);
  if (!strcmp(e->name, "entropy")) return known(real_number(log((double)in->o->vocab)), NULL);
  Axis axis = {in->o->vocab, NULL};
  Value t = tensor(in, 1, &axis);
  for (int64_t i = 0; i < axis.extent; i++) t.at[i] = real_number(1 / (double)axis.extent);
  return t;
}

/* ---- reads -------------------------------------------------------------------------- */

/* Does the call's value depend on where the indices around are? */
static bool depends(const Context *c, const AExpr *e) {
  if (!e) return false;
  if (e->kind == A_NAME) return find_index(c, e->name) != NULL;
  bool any = (e->kind != A_CALL && depends(c, e->a)) || depends(c, e->b) || depends(c, e->c) ||
             depends(c, e->guard);
  for (int i = 0; i < e->args.n; i++) any = any || depends(c, e->args.at[i].value);
  for (int i = 0; i < e->items.n && (e->kind == A_INDEX || e->kind == A_REDUCE); i++)
    any = any || e->items.at[i].ellipsis || depends(c, e->items.at[i].expr);
  return any;
}

Value whole_call(Context *c, const AExpr *e) {
  for (int i = 0; i < c->calls.n; i++)
    if (c->calls.at[i].call == e) return c->calls.at[i].value;
  if (depends(c, e)) return call(c, e);
  int dry = c->in->dry; /* what is kept is a value */
  c->in->dry = 0;
  CallOf made = {e, call(c, e)};
  c->in->dry = dry;
  vec_push(c->in->arena, &c->calls, made);
  return made.value;
}

typedef struct Read {
  int64_t flat;
  int axis;
  const AExpr *other;
  bool outside;
} Read;

static void step(Context *c, Read *r, const Value *base, int64_t i, Span at) {
  if (r->axis >= base->rank) UNCOVERED(c->in, at, "a read with more indices than axes");
  r->flat = r->flat * base->axis[r->axis++].extent + i;
}

static void read_dots(Context *c, Read *r, const Value *base, int want, Span at) {
  Frame *f = c->frame;
  while (f && f->outer) f = f->outer;
  int have = 0;
  for (int k = 0; f && k < f->n && have < want; k++)
    if (f->at[k].dots) {
      if (f->at[k].extent != base->axis[r->axis].extent)
        UNCOVERED(c->in, at, "'...' of two shapes");
      step(c, r, base, f->at[k].now, at);
      have++;
    }
  if (have < want) UNCOVERED(c->in, at, "'...' without so many indices on the left");
}

static void read_axis(Context *c, Read *r, const Value *base, const AItem *it) {
  if (!it->expr) UNCOVERED(c->in, it->span, "a range in a read");
  if (r->axis >= base->rank) UNCOVERED(c->in, it->span, "a read with more indices than axes");
  int64_t extent = base->axis[r->axis].extent;
  Number i = eval_number(c, it->expr, true);
  if (i.kind != INTERP_WHOLE) UNCOVERED(c->in, it->span, "an index that is no integer");
  bool inside = i.whole >= 0 && i.whole < extent;
  if (!inside && !it->other && !c->in->dry)
    give_up(c->in, INTERP_NO_VALUE, it->span, "a read at %lld of 0 .. %lld", (long long)i.whole,
            (long long)extent - 1);
  if (it->other) r->other = it->other;
  if (!inside) r->outside = true;
  step(c, r, base, inside ? i.whole : 0, it->span);
}

static Value read_value(Context *c, const AExpr *e) {
  Value base = e->a->kind == A_CALL ? whole_call(c, e->a) : eval(c, e->a, false);
  if (base.kind != V_TENSOR) UNCOVERED(c->in, e->span, "indices of what is no tensor");
  Read r = {0};
  for (int i = 0; i < e->items.n; i++) {
    if (e->items.at[i].ellipsis)
      read_dots(c, &r, &base, base.rank - (e->items.n - 1), e->span);
    else
      read_axis(c, &r, &base, &e->items.at[i]);
  }
  if (r.axis != base.rank) UNCOVERED(c->in, e->span, "a read with fewer indices than axes");
  Number x = cells_of(&base)[r.flat];
  if (r.outside && r.other) {
    Number y = eval_number(c, r.other, false);
    x = x.kind == INTERP_REAL ? as_real(y) : y;
  }
  if (c->in->dry) x.node = 0;
  Value out = scalar(x);
  out.bound = base.bound;
  out.id = base.id;
  return out;
}

/* ---- operators ---------------------------------------------------------------------- */

static Number chosen(Number k, Number a, Number b) {
  bool real = a.kind == INTERP_REAL || b.kind == INTERP_REAL;
  Number x = k.whole ? a : b;
  return real ? as_real(x) : x;
}

static Value choice(Context *c, const AExpr *e, bool brackets) {
  Value v[3] = {eval(c, e->a, brackets)};
  if (v[0].rank == 0 && v[0].known) return eval(c, v[0].one.whole ? e->b : e->c, brackets);
  if (v[0].rank == 0) { /* of the branch that is not taken only the kind counts */
    bool first = v[0].one.whole;
    c->in->dry += !first;
    v[1] = eval(c, e->b, brackets);
    c->in->dry += first ? 1 : -1;
    v[2] = eval(c, e->c, brackets);
    c->in->dry -= first;
  } else {
    v[1] = eval(c, e->b, brackets);
    v[2] = eval(c, e->c, brackets);
  }
  Value out = widest(c->in, v, 3, e->span);
  for (int64_t i = 0; i < count_of(&out); i++)
    cells(&out)[i] =
        chosen(aligned(&v[0], &out, i), aligned(&v[1], &out, i), aligned(&v[2], &out, i));
  return out;
}

/* An extent or a constant is divided exactly. */
static Number divide_known(Context *c, Number a, Number b, bool brackets, Span at) {
  if (a.kind == INTERP_WHOLE && b.kind == INTERP_WHOLE && b.whole != 0) {
    Number q = binary(c->in, OP_DIV, a, b, true, at), r = binary(c->in, OP_MOD, a, b, true, at);
    if (r.whole == 0) return q;
  }
  return binary(c->in, OP_DIV, a, b, brackets, at);
}

static Value operate(Context *c, const AExpr *e, bool brackets) {
  Span at = e->op_span.line ? e->op_span : e->span;
  Value v[2] = {eval(c, e->a, brackets)};
  if ((e->op == OP_AND || e->op == OP_OR) && v[0].rank == 0 && !c->in->dry &&
      (bool)v[0].one.whole == (e->op == OP_OR))
    return v[0].known ? known(v[0].one, NULL) : scalar(v[0].one);
  v[1] = eval(c, e->b, brackets);
  if (v[0].kind != V_TENSOR || v[1].kind != V_TENSOR) UNCOVERED(c->in, at, "this operand");
  Value out = widest(c->in, v, 2, at);
  out.known = v[0].known && v[1].known;
  for (int64_t i = 0; i < count_of(&out); i++) {
    Number a = aligned(&v[0], &out, i), b = aligned(&v[1], &out, i);
    cells(&out)[i] = out.known && e->op == OP_DIV ? divide_known(c, a, b, brackets, at)
                                                  : binary(c->in, e->op, a, b, brackets, at);
  }
  return out;
}

static Value negate(Context *c, const AExpr *e, bool brackets) {
  Value v = eval(c, e->a, brackets), out = widest(c->in, &v, 1, e->span);
  out.known = v.known;
  for (int64_t i = 0; i < count_of(&out); i++)
    cells(&out)[i] = unary(c->in, e->op, cells(&v)[i], e->span);
  return out;
}

static Value of_numbers(Context *c, const AExpr *e, bool brackets) {
  Value v[8], out;
  Number x[8];
  int n = e->args.n;
  if (n < 1 || n > 8) UNCOVERED(c->in, e->span, "so many arguments");
  bool floors = brackets && strcmp(e->a->name, "int") != 0;
  for (int i = 0; i < n; i++) v[i] = eval(c, e->args.at[i].value, floors);
  out = widest(c->in, v, n, e->span);
  out.known = true;
  for (int i = 0; i < n; i++) out.known = out.known && v[i].known;
  for (int64_t k = 0; k < count_of(&out); k++) {
    for (int i = 0; i < n; i++) x[i] = aligned(&v[i], &out, k);
    cells(&out)[k] = apply(c->in, e->a->name, x, n, e->span);
  }
  return out;
}

static Value extent_value(Context *c, const AExpr *e) {
  const AExpr *x = e->args.n == 1 ? e->args.at[0].value : NULL;
  if (!x || x->kind != A_NAME) UNCOVERED(c->in, e->span, "this extent()");
  const Index *i = find_index(c, x->name);
  const Letter *l = find_letter(c, x->name);
  const Value *v = find_name(c->scope, x->name);
  if (i) return known(whole_number(i->extent), i->id);
  if (l) return known(whole_number(l->axis.extent), l->axis.id);
  if (v && v->known) return *v;
  UNCOVERED(c->in, e->span, "extent(%s)", x->name);
}

static Value call_value(Context *c, const AExpr *e, bool brackets) {
  bool named = e->a->kind == A_NAME;
  if (named && !strcmp(e->a->name, "extent")) return extent_value(c, e);
  if (named && !find_name(c->scope, e->a->name) && is_function_of_numbers(e->a->name))
    return of_numbers(c, e, brackets);
  return depends(c, e) || c->frame ? call(c, e) : whole_call(c, e);
}

Value eval(Context *c, const AExpr *e, bool brackets) {
  switch (e->kind) {
  case A_NUM: return known(e->is_int ? whole_number(e->inum) : real_number(e->num), NULL);
  case A_NAME: return name_value(c, e);
  case A_MEMBER: return member(c, e);
  case A_INDEX: return read_value(c, e);
  case A_REDUCE: return scalar(reduce(c, e));
  case A_CALL: return call_value(c, e, brackets);
  case A_UNARY: return negate(c, e, brackets);
  case A_BINARY: return operate(c, e, brackets);
  case A_COND: return choice(c, e, brackets);
  case A_STR:
  case A_CHARACTER:
  case A_ERROR: break;
  }
  UNCOVERED(c->in, e->span, "this expression");
}
