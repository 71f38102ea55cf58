/* SPDX-License-Identifier: MIT */
/* The band of a chain: the columns of the wide values that matter for a row, found from the
 * conditions between the products. The kernel computes tiles and runs loops over those columns
 * alone, so a causal or sliding attention costs what is inside.
 *
 * needs       the programs of the chain (chain_build.c)
 * guarantees  Chain.band, or NULL; Item.banded of the loops of CHAIN_MAIN over columns
 *
 *     s[l, k] = sum over e (q[l, e] * key[k, e])         any number outside
 *     m[l] = max over k | k <= l (s[l, k])               skips what is outside
 *     x[l, k] = k <= l ? exp(s[l, k] - m[l]) : 0         0 outside
 *     p[l, k] = x[l, k] * c[l]                           0 * c[l] outside: 0 where c[l] is finite
 *     y[l, e] = sum over k (p[l, k] * v[k, e])           adds 0 * v[k, e] outside
 * ->  k < l + 1, if 0 * c[l] is 0 and every v finite: else all columns
 *
 * An end may be data that the chain does not compute, as in k < length[b]; and there may be several
 * windows, as in k < 4 || l - k < 64.
 *
 * What is left out must be what the evaluator would add: nothing at all. So each wide value is
 * given what it is outside of the band: an expression in the row's values that is 0 or makes the
 * value 0 if it is. Where that is no constant, the kernel looks (ChainBand.zero), and takes a
 * block of rows over again with all columns if it is not 0; and so if an operand that is
 * multiplied by such zeros holds an infinity or a NaN (ChainProduct.finite). */
#include "compiler/plan/chain.h"

#include <math.h>

/* What a wide value is outside of the band. */
typedef enum {
  ANYTHING,
  FINITE,  /* a number, if the operands it is made of are */
  EXACTLY, /* `value` */
  ZERO,    /* 0, if `value` is */
  LOWEST   /* -inf, if `value` is */
} Outside;

typedef struct Beyond {
  Outside kind;
  Expr *value; /* in the row's variables */
  uint32_t of; /* products (bit i: product i) that are no part of it if they are finite */
} Beyond;

typedef struct WideValue {
  Node *node;
  Expr *self; /* its read at the row and column */
  Beyond beyond;
} WideValue;

typedef struct BandFinder {
  Plan *p;
  Group *g;
  Chain *c;
  RowPlan *main;
  VEC(WideValue) wide;
  int64_t extent[IR_MAX_VARS]; /* rows, then columns */
  BandSpace space;
  Band band; /* so far */
  Expr *zero;
  uint32_t finite; /* products whose operands must be */
} BandFinder;

static const Beyond anything = {ANYTHING, NULL, 0};

static bool names_column(const BandFinder *f, const Expr *e) {
  return e->vars & expr_var_bit(f->space.var);
}

static const WideValue *wide_value(const BandFinder *f, const Node *n) {
  for (int i = 0; i < f->wide.n; i++)
    if (f->wide.at[i].node == n) return &f->wide.at[i];
  return NULL;
}

/* ---- expressions outside of the band ----------------------------------------------- */

static Beyond of_kind(Outside kind, Expr *value, uint32_t of) { return (Beyond){kind, value, of}; }

/* A value of the row; some numbers are known. */
static Beyond exactly(Expr *value, uint32_t of) {
  bool number = value->kind == E_NUM;
  return of_kind(number && value->num == 0           ? ZERO
                 : number && value->num == -INFINITY ? LOWEST
                                                     : EXACTLY,
                 value, of);
}

/* Is it the very value, whatever else is? */
static bool is_exact(const Beyond *b) {
  return b->kind == EXACTLY || (b->kind > EXACTLY && b->value->kind == E_NUM);
}

static bool is_finite(const Beyond *b) {
  return b->kind == FINITE || (is_exact(b) && b->value->kind == E_NUM && isfinite(b->value->num));
}

static bool is_positive(const Beyond *b) {
  return is_exact(b) && b->value->kind == E_NUM && b->value->num > 0 && isfinite(b->value->num);
}

static Beyond both_zero(Graph *g, Beyond a, Beyond b) {
  uint32_t of = a.of | b.of;
  if (a.value->kind == E_NUM || a.value == b.value) return of_kind(ZERO, b.value, of);
  if (b.value->kind == E_NUM) return of_kind(ZERO, a.value, of);
  Expr *sum = ex2(g, P_add, ex1(g, P_abs, a.value), ex1(g, P_abs, b.value));
  return of_kind(ZERO, sum, of);
}

static Beyond beyond(BandFinder *f, Expr *e);

/* c ? a : b. A condition with a window is false outside of it. */
static Beyond beyond_choice(BandFinder *f, Expr *cond, Expr *a, Beyond b) {
  Graph *g = f->p->g;
  Band band = band_of(g, cond, &f->space);
  if (names_column(f, cond) && !band_is_all(&band)) {
    f->band = band_join(g, f->band, band, &f->space);
    return b;
  }
  Beyond x = beyond(f, a);
  if (x.kind == ZERO && b.kind == ZERO) return both_zero(g, x, b);
  if (!names_column(f, cond) && is_exact(&x) && is_exact(&b))
    return exactly(ex3(g, P_select, cond, x.value, b.value), x.of | b.of);
  return anything;
}

static Beyond beyond_product(BandFinder *f, Prim p, Beyond a, Beyond b) {
  Graph *g = f->p->g;
  uint32_t of = a.of | b.of;
  if (p == P_mul && (b.kind == ZERO || b.kind == LOWEST) && a.kind != ZERO) {
    Beyond swap = a;
    a = b;
    b = swap;
  }
  if (a.kind == ZERO && b.kind == ZERO && p == P_mul) return both_zero(g, a, b);
  if (a.kind == ZERO && b.kind == FINITE && p == P_mul) return of_kind(ZERO, a.value, of);
  if (a.kind == ZERO && is_exact(&b)) return of_kind(ZERO, ex2(g, p, a.value, b.value), of);
  if (a.kind == LOWEST && is_positive(&b)) return of_kind(LOWEST, a.value, of);
  if (is_finite(&a) && is_finite(&b) && (p == P_mul || is_positive(&b)))
    return of_kind(FINITE, NULL, of);
  return anything;
}

static Beyond beyond_sum(BandFinder *f, Prim p, Beyond a, Beyond b) {
  Graph *g = f->p->g;
  uint32_t of = a.of | b.of;
  if (p == P_add && b.kind == LOWEST) {
    Beyond swap = a;
    a = b;
    b = swap;
  }
  if (a.kind == ZERO && b.kind == ZERO) return both_zero(g, a, b);
  if (a.kind == LOWEST && is_finite(&b)) return of_kind(LOWEST, a.value, of);
  if (a.kind == LOWEST && is_exact(&b)) return of_kind(LOWEST, ex2(g, p, a.value, b.value), of);
  return is_finite(&a) && is_finite(&b) ? of_kind(FINITE, NULL, of) : anything;
}

static Beyond beyond_prim(BandFinder *f, Expr *e) {
  Graph *g = f->p->g;
  Beyond arg[3];
  Expr *value[3];
  bool exact = !prim_draws(e->prim);
  uint32_t of = 0;
  if (e->prim == P_select) return beyond_choice(f, e->args[0], e->args[1], beyond(f, e->args[2]));
  for (int i = 0; i < e->nargs; i++) {
    arg[i] = beyond(f, e->args[i]);
    value[i] = arg[i].value;
    exact = exact && is_exact(&arg[i]);
    of |= arg[i].of;
  }
  if (exact) {
    Beyond x = exactly(ex_prim(g, e->prim, value), of);
    if (x.kind != EXACTLY) return x;
    /* 0 times a number of the row, -inf less one: what it is for all but a few numbers */
    if (e->prim == P_mul || e->prim == P_div) {
      Beyond y = beyond_product(f, e->prim, arg[0], arg[1]);
      return y.kind == ZERO ? y : x;
    }
    if (e->prim == P_add || e->prim == P_sub) {
      Beyond y = beyond_sum(f, e->prim, arg[0], arg[1]);
      return y.kind == LOWEST ? y : x;
    }
    return x;
  }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_neg: return arg[0].kind == ZERO || arg[0].kind == FINITE ? arg[0] : anything;
  case P_exp:
    return arg[0].kind == LOWEST ? of_kind(ZERO, ex1(g, P_exp, arg[0].value), of) : anything;
  case P_mul:
  case P_div: return beyond_product(f, e->prim, arg[0], arg[1]);
  case P_add:
  case P_sub: return beyond_sum(f, e->prim, arg[0], arg[1]);
  default: return anything;
  }
#pragma GCC diagnostic pop
}

static Beyond beyond(BandFinder *f, Expr *e) {
  if (!names_column(f, e)) return exactly(e, 0);
  if (e->kind == E_READ) {
    const WideValue *w = wide_value(f, e->node);
    return w ? w->beyond : anything;
  }
  return e->kind == E_PRIM && e->type == TY_REAL ? beyond_prim(f, e) : anything;
}

/* With its guard, under which it is 0 outside. */
static Beyond beyond_item(BandFinder *f, const Item *it) {
  if (!it->guard) return beyond(f, it->body);
  return beyond_choice(f, it->guard, it->body, exactly(ex_num(f->p->g, 0), 0));
}

/* It must be 0: constantly, or where the kernel finds that it is. */
static bool must_be_zero(BandFinder *f, Beyond b) {
  Graph *g = f->p->g;
  if (b.kind != ZERO) return false;
  f->finite |= b.of;
  if (b.value->kind == E_NUM) return true;
  Expr *size = ex1(g, P_abs, b.value);
  if (f->zero != size) f->zero = f->zero ? ex2(g, P_add, f->zero, size) : size;
  return true;
}

/* ---- reads ----------------------------------------------------------------------------------- */

typedef struct WideReads {
  const BandFinder *f;
  bool any, elsewhere;
} WideReads;

static void see_read(Expr *e, void *ctx) {
  WideReads *r = ctx;
  const WideValue *w = e->kind == E_READ ? wide_value(r->f, e->node) : NULL;
  if (!w) return;
  r->any = true;
  r->elsewhere = r->elsewhere || e != w->self;
}

static WideReads reads_wide(const BandFinder *f, const Item *it) {
  WideReads r = {.f = f};
  ex_visit(f->p->g, it->body, see_read, &r);
  if (it->guard) ex_visit(f->p->g, it->guard, see_read, &r);
  return r;
}

/* ---- the parts ------------------------------------------------------------------------------- */

/* The sum of an IN product, at a row and column. */
static bool add_sum(BandFinder *f, int product) {
  const ChainProduct *q = &f->c->products.at[product];
  const Member *m = member_of(f->g, q->sum);
  Expr *at[IR_MAX_RANK];
  if (q->ns != 1) return false;
  if (f->extent[f->space.var] != 0 && f->extent[f->space.var] != q->s) return false;
  f->extent[f->space.var] = q->s;
  for (int d = 0; d < q->sum->rank; d++) {
    at[d] = q->sum->shape[d] == 1 ? ex_int(f->p->g, 0) : ex_var(f->p->g, f->space.var);
    for (int k = 0; k < f->c->nrows; k++)
      if (m->rowvar[k] == d) at[d] = ex_var(f->p->g, k);
  }
  WideValue w = {.node = q->sum, .self = ex_read(f->p->g, q->sum, at)};
  w.beyond = (Beyond){FINITE, NULL, 1u << product};
  vec_push(f->p->arena, &f->wide, w);
  return true;
}

/* X of a product that goes on with the wide values. */
static bool is_wide_operand(const BandFinder *f, const Node *n) {
  for (int i = 0; i < f->c->products.n; i++) {
    const ChainProduct *q = &f->c->products.at[i];
    if (q->role != CHAIN_IN && q->operand[0].node == n) return true;
  }
  return false;
}

/* A loop over columns: what it leaves outside must not be missed. */
static bool add_loop_over_columns(BandFinder *f, Item *it) {
  if (it->nloops != 1 || it->extent[0] != f->extent[f->space.var] || it->member->accumulates)
    return false;
  it->banded = true;
  switch (it->node->reducer) {
  case RED_NONE: {
    if (it->member->stored) return false;
    WideValue w = {.node = it->node, .self = it->self, .beyond = beyond_item(f, it)};
    vec_push(f->p->arena, &f->wide, w);
    return true;
  }
  case RED_SUM: return it->node->type == TY_REAL && must_be_zero(f, beyond_item(f, it));
  case RED_MAX:
  case RED_MIN:
  case RED_PROD: {
    Band band = band_of(f->p->g, it->guard, &f->space);
    if (!band_is_all(&band)) {
      f->band = band_join(f->p->g, f->band, band, &f->space);
      return true;
    }
    Beyond b = it->guard ? anything : beyond(f, it->body);
    f->finite |= b.of;
    return it->node->reducer == RED_MAX && b.kind == LOWEST && b.value->kind == E_NUM;
  }
  case RED_ARGMAX: break;
  }
  return false;
}

static bool add_main(BandFinder *f) {
  for (int i = 0; i < f->main->nitems; i++) {
    Item *it = &f->main->items[i];
    WideReads r = reads_wide(f, it);
    if (r.elsewhere) return false;
    if ((r.any || is_wide_operand(f, it->node)) && !add_loop_over_columns(f, it)) return false;
  }
  for (int i = 1; i < f->main->nitems; i++) {
    const Item *it = &f->main->items[i], *before = it - 1;
    if (it->nest == before->nest && it->banded != before->banded) return false;
  }
  return true;
}

/* Do the products that go on with the wide values add nothing outside? */
static bool add_products(BandFinder *f) {
  for (int i = 0; i < f->c->products.n; i++) {
    const ChainProduct *q = &f->c->products.at[i];
    if (q->role == CHAIN_IN) continue;
    const WideValue *w = wide_value(f, q->operand[0].node);
    if (!w || q->ns != 1 || q->s != f->extent[f->space.var] || !must_be_zero(f, w->beyond))
      return false;
    f->finite |= 1u << i;
  }
  return true;
}

static bool others_read_none(const BandFinder *f) {
  for (int k = 0; k < CHAIN_PROGRAMS; k++)
    for (int i = 0; k != CHAIN_MAIN && i < f->c->program[k]->nitems; i++)
      if (reads_wide(f, &f->c->program[k]->items[i]).any) return false;
  return true;
}

static bool find_band(BandFinder *f) {
  for (int i = 0; i < f->c->products.n; i++)
    if (f->c->products.at[i].role == CHAIN_IN && !add_sum(f, i)) return false;
  return f->wide.n > 0 && add_main(f) && add_products(f) && others_read_none(f);
}

/* Ends are found before the programs run. */
static bool may_read(Expr *read, const void *ctx) {
  const BandFinder *f = ctx;
  return !member_of(f->g, read->node) &&
         ex_reads_in_range(f->p->g, read, f->space.extent, f->space.nvars);
}

void chain_find_band(Plan *p, Group *g) {
  Chain *c = g->chain;
  BandFinder f = {.p = p, .g = g, .c = c, .main = c->program[CHAIN_MAIN]};
  if (!p->target->chains.bands || c->nrows + 1 > IR_MAX_VARS || c->products.n > 32) return;
  for (int k = 0; k < c->nrows; k++) f.extent[k] = g->row_extent[k];
  f.space = (BandSpace){.extent = f.extent,
                        .nvars = c->nrows + 1,
                        .var = c->nrows,
                        .known = (uint32_t)((1ull << c->nrows) - 1),
                        .may_read = may_read,
                        .ctx = &f};
  bool found = find_band(&f) && f.band.n > 0;
  if (found) f.band = band_worth(p->g, f.band, &f.space, p->target->chains.band_between);
  double share = found ? band_share(p->g, &f.band, &f.space) : 1;
  if (share > p->target->chains.band_most) {
    for (int i = 0; i < f.main->nitems; i++) f.main->items[i].banded = false;
    return;
  }
  c->band = NEW(p->arena, ChainBand);
  *c->band = (ChainBand){.columns = band_clamped(p->g, f.band, &f.space),
                         .extent = f.extent[f.space.var],
                         .share = share,
                         .zero = f.zero,
                         .finite = f.finite};
}
