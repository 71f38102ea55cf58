/* SPDX-License-Identifier: MIT */
/* A call with arguments of its own choosing. What the header leaves open (extents
 * of its index names, how many axes `...` has, numbers, whether a bare tensor
 * holds reals or truth values) is chosen by chance or, to check what nothing
 * uses, by a fixed rule. */
#include <ctype.h>
#include <string.h>

#include "compiler/check/trial_call.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/header.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

enum { NAMES = 32, NUMBER = 4, MOST_ARGS = 64, STUBBORN = 20, MOST_BARE = 3 };

typedef struct Named {
  const char *name;
  int64_t extent;
  bool free;
} Named;

typedef enum { STYLE_ANY, STYLE_PAIR, STYLE_SAME, STYLE_ONE, STYLES } Style;

typedef struct Choice {
  Lowering *l;
  Fn *fn;
  uint64_t rng;
  int attempt;
  bool fixed; /* no chance; see trial_attempts */
  int64_t largest, space;
  Style style;
  int64_t pair[2]; /* STYLE_PAIR: the extents there are */
  Named at[NAMES]; /* index names, and numbers that name an index */
  int n;
  int64_t dots[3]; /* what `...` stands for */
  int ndots;
  int bare;    /* tensors seen whose header does not say what they hold */
  int row;     /* numbers are elements at this variable; -1: inputs */
  StrBuf text; /* of the numbers chosen */
} Choice;

static uint64_t mixed(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static int below(Choice *c, int n) {
  c->rng += UINT64_C(0x9e3779b97f4a7c15);
  return (int)(mixed(c->rng) % (uint64_t)n);
}

static bool chance(Choice *c, int percent) { return below(c, 100) < percent; }

/* ---- extents ------------------------------------------------------------------------ */

static int64_t any_extent(Choice *c) {
  static const int64_t extents[] = {1, 1,  2,  2,  3,  3,  4,  5,  6,  7,  8,
                                    9, 12, 16, 17, 19, 24, 32, 33, 40, 48, 64};
  int n = 1;
  while (n < (int)(sizeof extents / sizeof *extents) && extents[n] <= c->largest) n++;
  return extents[below(c, n)];
}

/* Told apart, and divisible by what a bare number is taken to be. */
static int64_t fixed_extent(const Choice *c) {
  static const int64_t extents[] = {12, 24, 36, 48, 60, 72, 84, 96};
  int taken = 0;
  for (int i = 0; i < c->n; i++) taken += c->at[i].free;
  return extents[taken < 8 ? taken : 7];
}

static bool listed(const AItems *items, const char *name) {
  for (int i = 0; i < items->n; i++) {
    const AExpr *e = items->at[i].expr;
    if (e && e->kind == A_NAME && e->name == name) return true;
  }
  return false;
}

static bool in_header(const ADecl *d, const char *name) {
  for (int i = 0; i < d->formals.n; i++)
    if (listed(&d->formals.at[i].items, name)) return true;
  for (int i = 0; i < d->results.n; i++)
    if (listed(&d->results.at[i].items, name)) return true;
  return false;
}

/* The dim that bears the index's name in upper case (l: L), or NULL. A header
 * that names both means two things. */
static const Value *dim_of(Choice *c, const char *name) {
  if (!islower((unsigned char)name[0])) return NULL;
  char *upper = arena_strdup(c->l->arena, name);
  upper[0] = (char)toupper((unsigned char)upper[0]);
  const char *dim = intern(c->l->names, upper);
  Binding *b = in_header(c->fn->decl, dim) ? NULL : scope_find(c->fn->scope, dim);
  return b && b->value->kind == V_NUM && b->value->is_int && b->value->id ? b->value : NULL;
}

static int64_t extent_of(Choice *c, const char *name) {
  for (int i = 0; i < c->n; i++)
    if (c->at[i].name == name) return c->at[i].extent;
  Named x = {name, 0, true};
  const Value *dim = dim_of(c, name);
  if (dim &&
      (c->fixed ? !(c->attempt & 1) : c->style != STYLE_ONE && chance(c, c->attempt < 4 ? 8 : 45)))
    x = (Named){name, dim->inum, false};
  else if (c->fixed)
    x.extent = fixed_extent(c);
  else if (c->style == STYLE_ONE)
    x.extent = 1;
  else if (c->style == STYLE_ANY)
    x.extent = any_extent(c);
  else
    x.extent = c->pair[c->style == STYLE_PAIR ? below(c, 2) : 0];
  if (c->n < NAMES) c->at[c->n++] = x;
  return x.extent;
}

/* Is the header's name a number that is known before the call? */
static bool known_number(const Choice *c, const char *name) {
  Binding *b = scope_find(c->fn->scope, name);
  return b && (b->value->kind == V_POISON || (b->value->kind == V_NUM && b->value->is_int));
}

static const AFormal *number_formal(const ADecl *d, const char *name) {
  for (int i = 0; i < d->formals.n; i++)
    if (!d->formals.at[i].is_tensor && d->formals.at[i].name == name) return &d->formals.at[i];
  return NULL;
}

/* A name that stands for an extent of our choice. */
static bool open_name(const Choice *c, const AExpr *e) {
  return e && e->kind == A_NAME && !known_number(c, e->name) &&
         !number_formal(c->fn->decl, e->name);
}

static void choose_dots(Choice *c) {
  c->ndots = c->fixed ? 2 : (int[]){0, 1, 1, 2, 2, 3}[below(c, 6)];
  for (int i = 0; i < c->ndots; i++)
    c->dots[i] = c->fixed ? 3 - i : c->style == STYLE_ONE ? 1 : any_extent(c);
}

/* Index names and `...`, of all formals, before anything that is computed from them. */
static void choose_extents(Choice *c) {
  const ADecl *d = c->fn->decl;
  bool dots = false;
  for (int i = 0; i < d->formals.n; i++) {
    const AFormal *f = &d->formals.at[i];
    for (int k = 0; k < f->items.n; k++) {
      const AItem *it = &f->items.at[k];
      dots = dots || it->ellipsis;
      if (open_name(c, it->expr)) extent_of(c, it->expr->name);
    }
    if (open_name(c, f->id_bound)) extent_of(c, f->id_bound->name);
    if (!c->fixed && !f->is_tensor && !f->dflt && fn_names_index(d, f->name)) extent_of(c, f->name);
  }
  if (dots) choose_dots(c);
}

/* Shrink the largest of the free extents, equal ones together, until the index
 * space over all of them is small enough. */
static void fit_space(Choice *c) {
  for (;;) {
    double points = 1;
    int64_t most = 1;
    for (int i = 0; i < c->n; i++) {
      points *= (double)c->at[i].extent;
      if (c->at[i].free && c->at[i].extent > most) most = c->at[i].extent;
    }
    for (int i = 0; i < c->ndots; i++) {
      points *= (double)c->dots[i];
      if (c->dots[i] > most) most = c->dots[i];
    }
    if (points <= (double)c->space || most == 1) return;
    int64_t less = most / 2;
    for (int i = 0; i < c->n; i++)
      if (c->at[i].free && c->at[i].extent == most) c->at[i].extent = less;
    for (int i = 0; i < c->ndots; i++)
      if (c->dots[i] == most) c->dots[i] = less;
  }
}

/* ---- arguments ------------------------------------------------------------------------ */

static void say(Choice *c, const char *name, const char *fmt, double x) {
  sb_printf(&c->text, "%s%s = ", c->text.n ? ", " : "", name);
  sb_printf(&c->text, *fmt == 'd' ? "%.0f" : "%.4g", x);
}

static Value *some_int(Choice *c, const char *name, int64_t x) {
  say(c, name, "d", (double)x);
  return v_int(c->l, x, NULL);
}

static Value *some_real(Choice *c, const char *name, double x) {
  x = (double)(float)x;
  say(c, name, "g", x);
  return v_real(c->l, x);
}

/* A function of numbers alone is mostly used within an indexed statement. */
static bool takes_numbers(const ADecl *d) {
  for (int i = 0; i < d->formals.n; i++)
    if (d->formals.at[i].is_tensor || fn_names_index(d, d->formals.at[i].name)) return false;
  for (int i = 0; i < d->results.n; i++)
    if (d->results.at[i].is_tensor) return false;
  return true;
}

static void choose_row(Choice *c) {
  Lowering *l = c->l;
  c->row = -1;
  if (!takes_numbers(c->fn->decl) || (c->fixed ? !(c->attempt & 1) : !chance(c, 70))) return;
  const char *name = intern(l->names, "i");
  int64_t extent = extent_of(c, name);
  IndexVar i = {.name = name,
                .var = new_var(l, extent, name),
                .extent = extent,
                .id = name,
                .span = c->fn->decl->name_span};
  Frame *f = frame_push(l, true, NULL);
  vec_push(l->arena, &f->vars, i);
  c->row = i.var;
}

/* The result of such a use, over the statement's index. */
static Value *row_result(const Choice *c, Value *v) {
  Lowering *l = c->l;
  if (c->row < 0 || !v_scalar_like(v)) return v;
  ValueAxis axis = {l->var_extent.at[c->row], l->var_name.at[c->row], c->row};
  Value *out = v_scalar(l, v_expr(l, v));
  out->axis[out->rank++] = axis;
  return out;
}

static Value *input(Choice *c, const AFormal *f, Type type, int rank, const int64_t *shape,
                    const char *const *ids, int64_t bound) {
  return entry_input(c->l, f->name, type, rank, shape, ids, 0, type == TY_INT ? bound - 1 : 0, NULL,
                     f->span);
}

static Value *number_input(Choice *c, const AFormal *f, Type type, int64_t bound) {
  Lowering *l = c->l;
  if (c->row < 0) return input(c, f, type, 0, NULL, NULL, bound);
  Value *v = input(c, f, type, 1, &l->var_extent.at[c->row], &l->var_name.at[c->row], bound);
  return v_scalar(l, subst1(l, v->e, v->axis[0].var, ex_var(l->g, c->row)));
}

/* A formal without brackets; NULL: it takes its default. */
static Value *number_argument(Choice *c, const AFormal *f) {
  const AExpr *e = f->dflt;
  if (e) {
    if (c->fixed || e->kind != A_NUM || chance(c, 60)) return NULL;
    double by = 0.5 + 0.25 * below(c, 7), x = e->num;
    if (e->is_int) return some_int(c, f->name, e->inum + below(c, 3));
    return some_real(c, f->name,
                     x > 0.5 && x < 1 ? 1 - (1 - x) * by : x * by); /* a rate stays one */
  }
  if (c->fixed) return v_int(c->l, NUMBER, NULL);
  if (fn_names_index(c->fn->decl, f->name)) return v_int(c->l, extent_of(c, f->name), NULL);
  int kind = c->attempt < 2 ? 0 : below(c, 10);
  if (kind < 4) return number_input(c, f, TY_REAL, 0);
  if (kind < 7) return some_int(c, f->name, below(c, 6));
  if (kind < 9) return some_real(c, f->name, 0.0625 * (1 + below(c, 15)));
  return number_input(c, f, TY_INT, 1 + below(c, 3));
}

/* Headers say `id<V>` where integers are meant, and nothing where reals are, or
 * now and then truth values. */
static Type tensor_type(Choice *c, const AFormal *f) {
  if (f->id_bound) return TY_INT;
  int k = c->bare++;
  if (c->fixed) return k < MOST_BARE && c->attempt >> (k + 1) & 1 ? TY_BOOL : TY_REAL;
  return c->attempt < STUBBORN || chance(c, 60) ? TY_REAL : chance(c, 75) ? TY_BOOL : TY_INT;
}

/* An input like the formal f; NULL after an error. */
static Value *tensor_argument(Choice *c, Scope *s, const AFormal *f) {
  Lowering *l = c->l;
  int64_t shape[IR_MAX_RANK], bound = 1 + (c->fixed ? 0 : below(c, 5));
  const char *ids[IR_MAX_RANK] = {NULL}, *vocab = NULL;
  int rank = 0;
  for (int k = 0; k < f->items.n; k++) {
    const AItem *it = &f->items.at[k];
    int more = it->ellipsis ? c->ndots : 1;
    if (rank + more > IR_MAX_RANK) {
      lower_error(l, 215, f->span, "a tensor has at most %d axes", IR_MAX_RANK);
      return NULL;
    }
    if (it->ellipsis) {
      for (int j = 0; j < more; j++, rank++) {
        shape[rank] = c->dots[j];
        ids[rank] = intern(l->names, arena_printf(l->arena, "_%d", j));
      }
    } else if (open_name(c, it->expr)) {
      ids[rank] = it->expr->name;
      shape[rank++] = extent_of(c, it->expr->name);
    } else if (!it->expr) {
      lower_error(l, 209, it->span, "a header's brackets hold index names, extents and '...'");
      return NULL;
    } else if (!lower_extent(l, s, it->expr, &shape[rank], &ids[rank])) {
      return NULL;
    } else {
      rank++;
    }
  }
  if (open_name(c, f->id_bound))
    bound = extent_of(c, f->id_bound->name);
  else if (f->id_bound && !lower_extent(l, s, f->id_bound, &bound, &vocab))
    return NULL;
  if (!elements_within(l, MADE_UP_BITS, arena_printf(l->arena, "'%s'", f->name), shape, rank,
                       f->span))
    return NULL;
  Value *v = input(c, f, tensor_type(c, f), rank, shape, ids, bound);
  v->id = vocab;
  return v;
}

static void describe(Choice *c) {
  StrBuf b = {0};
  for (int i = 0; i < c->n; i++)
    if (c->at[i].free || !c->fixed)
      sb_printf(&b, "%s%s = %lld", b.n ? ", " : "", c->at[i].name, (long long)c->at[i].extent);
  if (c->ndots && !c->fixed) sb_printf(&b, "%s... = ", b.n ? ", " : "");
  for (int i = 0; i < c->ndots && !c->fixed; i++)
    sb_printf(&b, "%s%lld", i ? " x " : "", (long long)c->dots[i]);
  if (c->text.n) sb_printf(&b, "%s%s", b.n ? ", " : "", c->text.s);
  sb_free(&c->text);
  c->text = b;
}

/* Call the function with arguments of its own choosing; poison after an error.
 * `at` is where the call stands: no place. */
static Value *call(Choice *c) {
  Lowering *l = c->l;
  ADecl *d = c->fn->decl;
  Value *args[MOST_ARGS];
  Span spans[MOST_ARGS], nowhere = {0};
  const char *names[MOST_ARGS];
  int n = 0;
  if (d->formals.n > MOST_ARGS) return v_poison(l);
  choose_extents(c);
  if (!c->fixed) fit_space(c);
  choose_row(c);
  Scope *s = scope_new(l, c->fn->scope, true);
  for (int i = 0; i < c->n; i++)
    scope_set(l, s, c->at[i].name, v_int(l, c->at[i].extent, NULL), d->name_span);
  bool ok = true;
  for (int round = 0; round < 2; round++) /* numbers first: extents may be computed from them */
    for (int i = 0; ok && i < d->formals.n; i++) {
      AFormal *f = &d->formals.at[i];
      if (f->is_tensor != (round == 1)) continue;
      Value *v = f->is_tensor ? tensor_argument(c, s, f) : number_argument(c, f);
      ok = v || !f->is_tensor;
      if (!f->is_tensor && !scope_here(s, f->name))
        scope_set(l, s, f->name, v ? v : lower_expr(l, c->fn->scope, f->dflt), f->span);
      if (!v) continue;
      args[n] = v;
      names[n] = f->name;
      spans[n++] = f->span;
    }
  describe(c);
  l->assumed = arena_strndup(l->arena, c->text.s ? c->text.s : "", c->text.n);
  sb_free(&c->text);
  Value *v = ok ? call_fn(l, c->fn, args, names, spans, n, nowhere) : v_poison(l);
  for (int i = 0; v->kind == V_PACKED && i < v->nparts; i++)
    v->parts[i] = row_result(c, v->parts[i]);
  return row_result(c, v);
}

/* ---- one attempt ------------------------------------------------------------------------ */

/* Parameters that the file declared keep their numbers, and no name meets them. */
static void stage_begin(Lowering *l, const char *name, bool training) {
  l->init = entry_new(l, "init");
  l->init->init = true;
  Entry *e = entry_new(l, name);
  e->training = training;
  context_begin(l, e);
  Parameter *params = NEWN(l->arena, Parameter, l->params.n + 1);
  for (int i = 0; i < l->params.n; i++) {
    params[i] = l->params.at[i];
    params[i].name = arena_printf(l->arena, "file.%s", params[i].name);
  }
  l->params.at = params;
  l->params.cap = l->params.n + 1;
}

/* Bodies may need more of their sizes than the header says: seeds that are
 * multiples of 4 begin with extents of 1 everywhere, the others with any. */
static Style style_of(Choice *c, uint64_t seed) {
  if (c->attempt == 0 && seed % 4 == 0) return STYLE_ONE;
  if (c->attempt < 3) return STYLE_ANY;
  return (Style)below(c, STYLES);
}

int trial_attempts(const ADecl *d) {
  int bare = 0;
  for (int i = 0; i < d->formals.n; i++)
    bare += d->formals.at[i].is_tensor && !d->formals.at[i].id_bound;
  return 2 << (bare < MOST_BARE ? bare : MOST_BARE);
}

Value *trial_call(Lowering *l, Fn *fn, bool training, int attempt, const TrialOptions *o) {
  Choice c = {.l = l, .fn = fn, .attempt = attempt, .fixed = !o};
  if (o) {
    c.rng = mixed(o->seed + 1) + mixed(~(uint64_t)attempt);
    c.largest = o->largest ? o->largest : 5;
    c.space = o->space ? o->space : 4000;
    c.pair[0] = any_extent(&c);
    c.pair[1] = any_extent(&c);
    c.style = style_of(&c, o->seed);
  }
  stage_begin(l, fn->decl->name, training);
  return call(&c);
}
