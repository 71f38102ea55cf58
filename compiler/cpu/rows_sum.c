/* SPDX-License-Identifier: MIT */
/* Items that reduce some of their loops, each a nest by itself: the reduced loops stand inside
 * those of the output, or around the last of these, which is then what vectors run along;
 * whichever lets more reads be of numbers side by side. */
#include "compiler/cpu/rows_write.h"

/* How many reads of e would not be contiguous if v were the innermost loop. */
typedef struct Contiguity {
  Graph *g;
  int var;
  int bad;
} Contiguity;

static void count_strided(Expr *e, void *ctx) {
  Contiguity *c = ctx;
  if (e->kind != E_READ) return;
  int64_t stride = 1, coef = 0;
  for (int d = e->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (!(e->args[d]->vars >> c->var & 1)) {
      /* constant along v */
    } else if (ex_affine(c->g, e->args[d], &a)) {
      coef += a.coef[c->var] * stride;
    } else {
      coef = 1 << 20;
    }
    stride *= e->node->shape[d];
  }
  if (coef != 0 && coef != 1) c->bad++;
}

static int strided_reads(Graph *g, Expr *e, int var) {
  Contiguity c = {g, var, 0};
  ex_visit(g, e, count_strided, &c);
  return c.bad;
}

/* Do windows of reduced loops follow from the last output's loop? Then it must stand around. */
static bool cut_by_output(const Rows *r, const Item *it) {
  uint32_t var = expr_var_bit(r->plan->nrows + it->nout - 1);
  bool any = false;
  for (int k = it->nout; k < it->nloops; k++)
    any = any || (it->cut[k] && band_vars(it->cut[k]) & var);
  return any;
}

/* A sum over a window of so small a share is faster term by term than all of it in vectors. */
enum { VECTOR_TERMS = 12 };

bool rows_sums_outside(Rows *r, const Item *it) {
  if (it->node->reducer == RED_ARGMAX || it->nout == 0) return false;
  int out = r->plan->nrows + it->nout - 1, red = r->plan->nrows + it->nloops - 1;
  if (it->extent[it->nout - 1] > r->p->target->rows.vector_most) return false;
  int by_out = strided_reads(r->p->g, it->body, out),
      by_red = strided_reads(r->p->g, it->body, red);
  if (cut_by_output(r, it) && it->share * VECTOR_TERMS < 1) return false;
  if (by_out != by_red) return by_out < by_red;
  return it->extent[it->nout - 1] >= it->extent[it->nloops - 1];
}

/* for outputs { sum = 0; for reduced { sum += } store } */
void rows_sum_inside(Rows *r, Item *it) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, out_level = NEST + it->nout - 1, level = NEST + it->nloops - 1;
  rows_open_loops(r, it, nrows);
  it->value = emit_name(em, it->node->name);
  StrBuf head = {0};
  bool argmax = it->node->reducer == RED_ARGMAX, total = rows_is_long(it, 1, CPU_IN_LANES);
  const bool sums = rows_has_sums(it);
  if (sums) rows_begin_runs(r);
  if (total)
    rows_begin_total(r, &head, it);
  else if (sums)
    rows_begin_sums(r, &head, it);
  else
    sb_printf(&head, "%s %s = %s;\n", rows_acc_type(it), it->value,
              argmax ? "-1" : emit_zero(&r->em, it->node->reducer, it->node->type));
  StrBuf clause = {0};
  rows_begin_watch(r, &head, it);
  if (argmax) {
    it->sum = emit_name(em, "best");
    sb_printf(&head, "%s %s = %s;\n", it->body->type == TY_REAL ? "float" : "int64_t", it->sum,
              it->body->type == TY_REAL ? "-TD_INFF" : "INT64_MIN");
    rows_argmax(r, it, level);
  } else {
    const char *value = rows_value(r, it, level);
    const char *into = total  ? rows_put_part(r, &r->part_begin, &r->part_end, it)
                       : sums ? rows_sum_at(r, it)
                              : it->value;
    rows_reduce(r, rows_text(r, level), &clause, it, into, value);
  }
  /* the reduced loops, put together below the outputs' */
  StrBuf inner = {0};
  for (int i = it->nloops - 1; i >= it->nout; i--) {
    StrBuf outer = {0};
    if ((clause.n || sums) && i == it->nloops - 1) {
      rows_innermost(r, &outer, nrows + i, NEST + i, clause.n ? clause.s : "");
    } else {
      rows_open_windows(r, &outer, nrows + i);
      rows_for(r, &outer, nrows + i, false, NULL);
      StrBuf *own = rows_text(r, NEST + i);
      if (own->n) sb_write(&outer, own->s, own->n);
      if (inner.n) sb_write(&outer, inner.s, inner.n);
      sb_puts(&outer, "}\n");
      rows_close_windows(r, &outer, nrows + i);
    }
    sb_free(&inner);
    inner = outer;
  }
  sb_write(&head, inner.s, inner.n);
  StrBuf *out = rows_text(r, out_level);
  sb_write(out, head.s, head.n);
  if (argmax) sb_printf(out, "if (%s < 0) %s = 0;\n", it->value, it->value);
  if (total)
    sb_printf(out, "const float %s = (float)%s;\n", it->value, it->total);
  else if (sums)
    sb_printf(out, "const float %s = td_sum_of(%s);\n", it->value, it->sums);
  rows_end_watch(out, it, it->value);
  if (it->member->accumulates) {
    const char *at = it->sum;
    StrBuf index = {0};
    int64_t stride = 1;
    for (int i = it->nout - 1; i >= 0; i--) {
      sb_printf(&index, "%s%lld * %s", index.n ? " + " : "", (long long)stride, em->var[nrows + i]);
      stride *= it->extent[i];
    }
    rows_combine(r, out, it, arena_printf(em->arena, "%s[%s]", at, index.s), it->value);
    sb_free(&index);
  } else {
    rows_store(r, it, out_level, it->value);
  }
  em->nvars = nrows + it->nout;
  rows_close_loops(r, it->nout, false, "");
  sb_free(&clause);
  sb_free(&head);
  sb_free(&inner);
}

/* Which of an outside sum's loops is cut so that a block has some CPU_IN_ORDER terms, and into
 * how many iterations: the loops behind it have fewer terms than that together. */
static int blocked_loop(const Item *turned, int64_t *block) {
  int i = turned->nloops - 2;
  int64_t inner = 1;
  for (; i > turned->nout - 1 && inner * turned->extent[i] <= CPU_IN_ORDER; i--)
    inner *= turned->extent[i];
  *block = inner < CPU_IN_ORDER ? CPU_IN_ORDER / inner : 1;
  return i;
}

/* The windows of reduced loops, in the variables of the loops as they stand; those that the last
 * output gives are left out, as its loop is inside. */
static void turn_cuts(Rows *r, const Item *it, Item *turned, Expr *const *map) {
  const int n = r->plan->nrows + it->nloops;
  for (int k = it->nout - 1; k < it->nloops; k++) turned->cut[k] = NULL;
  for (int k = it->nout; k < it->nloops && !cut_by_output(r, it); k++) {
    if (!it->cut[k]) continue;
    Band *b = NEW(r->em.arena, Band);
    *b = *it->cut[k];
    for (int i = 0; i < b->n; i++) {
      BandWindow *w = &b->at[i];
      if (w->lo) w->lo = ex_subst(r->p->g, w->lo, map, n);
      if (w->hi) w->hi = ex_subst(r->p->g, w->hi, map, n);
    }
    turned->cut[k - 1] = b;
  }
}

/* for outputs but the last { array = 0; for reduced { for last: array += } store } */
void rows_sum_outside(Rows *r, Item *it) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, nout = it->nout, nred = it->nloops - nout;
  /* loops in the order: outputs but the last, reduced, the last output */
  Item turned = *it;
  Expr *map[IR_MAX_VARS] = {0};
  int last = nrows + nout - 1;
  for (int i = 0; i < nred; i++) {
    turned.extent[nout - 1 + i] = it->extent[nout + i];
    turned.axis[nout - 1 + i] = it->axis[nout + i];
    map[nrows + nout + i] = ex_var(r->p->g, last + i);
  }
  turned.extent[it->nloops - 1] = it->extent[nout - 1];
  turned.axis[it->nloops - 1] = it->axis[nout - 1];
  map[last] = ex_var(r->p->g, last + nred);
  turn_cuts(r, it, &turned, map);
  turned.body = ex_subst(r->p->g, it->body, map, last + nred + 1);
  turned.guard = it->guard ? ex_subst(r->p->g, it->guard, map, last + nred + 1) : NULL;
  for (int d = 0; d < it->node->rank && it->self;
       d++) /* partial sums have no element of their own */
    turned.element[d] = ex_subst(r->p->g, it->element[d], map, last + nred + 1);

  int head_level = nout > 1 ? NEST + nout - 2 : ROW, level = NEST + it->nloops - 1;
  rows_open_loops(r, &turned, nrows);
  const char *array = emit_name(em, it->node->name), *v = em->var[last + nred];
  const bool total = rows_is_long(it, 1, CPU_IN_ORDER);
  long long width = (long long)it->extent[nout - 1];
  const char *value = rows_value(r, &turned, level);
  rows_combine(r, rows_text(r, level), it, arena_printf(em->arena, "%s[%s]", array, v), value);
  int64_t block = CPU_IN_ORDER;
  const int blocked = total ? blocked_loop(&turned, &block) : -1;
  StrBuf *out = rows_text(r, head_level);
  sb_printf(out, "%s %s[%lld] __attribute__((aligned(64)));\n", rows_acc_type(it), array, width);
  const char *sum = array;
  if (total) {
    sum = emit_name(em, "total");
    sb_printf(out, "double %s[%lld] __attribute__((aligned(64)));\n", sum, width);
  }
  sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = %s;\n", v, v, width, v, sum, v,
            emit_zero(&r->em, it->node->reducer, it->node->type));
  StrBuf inner = {0};
  for (int i = it->nloops - 1; i >= nout - 1; i--) {
    StrBuf outer = {0};
    rows_open_windows(r, &outer, nrows + i);
    if (i == blocked) {
      const char *first, *end;
      rows_open_block(r, &outer, nrows + i, block, &first, &end);
      sb_printf(&outer, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = 0;\n", v, v, width, v,
                array, v);
      emit_for(em, &outer, em->var[nrows + i], first, end, NULL);
    } else {
      rows_for(r, &outer, nrows + i, i == it->nloops - 1, "");
    }
    StrBuf *own = rows_text(r, NEST + i);
    if (own->n) sb_write(&outer, own->s, own->n);
    if (inner.n) sb_write(&outer, inner.s, inner.n);
    sb_puts(&outer, "}\n");
    if (i == blocked)
      sb_printf(&outer, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] += %s[%s];\n}\n", v, v, width,
                v, sum, v, array, v);
    rows_close_windows(r, &outer, nrows + i);
    sb_free(&inner);
    inner = outer;
  }
  sb_write(out, inner.s, inner.n);
  const char *result = arena_printf(em->arena, "%s%s[%s]", total ? "(float)" : "", sum, v);
  emit_open(em, level);
  const char *at;
  if (it->member->accumulates) {
    StrBuf index = {0};
    sb_puts(&index, v);
    int64_t stride = width;
    for (int i = nout - 2; i >= 0; i--) {
      sb_printf(&index, " + %lld * %s", (long long)stride, em->var[nrows + i]);
      stride *= it->extent[i];
    }
    at = arena_printf(em->arena, "%s[%s]", it->sum, index.s);
    rows_combine(r, rows_text(r, level), it, at, result);
    sb_free(&index);
  } else if (rows_is_kept(r, it)) {
    if (!it->member->stored) rows_declare(r, it);
    at = emit_element(em, it->node, turned.element, level, true);
    sb_puts(rows_text(r, level), emit_store(em, it->node, at, result));
  }
  rows_for(r, out, last + nred, true, "");
  sb_write(out, rows_text(r, level)->s, rows_text(r, level)->n);
  sb_puts(out, "}\n");
  em->nvars = nrows + nout - 1;
  if (nout > 1)
    rows_close_loops(r, nout - 1, false, "");
  else
    em->nvars = nrows;
  sb_free(&inner);
}
