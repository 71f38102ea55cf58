/* SPDX-License-Identifier: MIT */
/* Nests that neighbouring items share: maps, reductions over all loops, and sums over rows
 * with a slot for each point. */
#include "compiler/cpu/rows_write.h"

static void begin_reduction(Rows *r, Item *it) {
  Emit *em = &r->em;
  it->value = emit_name(em, it->node->name);
  if (rows_is_long(it, 1, CPU_IN_LANES)) {
    rows_begin_total(r, rows_text(r, ROW), it);
    return;
  }
  if (r->lane && rows_has_sums(it)) {
    rows_begin_sums(r, rows_text(r, ROW), it);
    return;
  }
  bool argmax = it->node->reducer == RED_ARGMAX;
  sb_printf(rows_text(r, ROW), "%s %s = %s;\n", rows_acc_type(it), it->value,
            argmax ? "-1" : emit_zero(&r->em, it->node->reducer, it->node->type));
  if (argmax) {
    it->sum = emit_name(em, "best");
    sb_printf(rows_text(r, ROW), "%s %s = %s;\n", it->body->type == TY_REAL ? "float" : "int64_t",
              it->sum, it->body->type == TY_REAL ? "-TD_INFF" : "INT64_MIN");
  }
  rows_begin_watch(r, rows_text(r, ROW), it);
}

/* A sum over rows in a variable that a vector loop adds to. */
bool rows_in_lanes(const Rows *r, const Item *it) {
  return it->member->accumulates && it->nout == 0 && (it->nloops > 0 || r->plan->flat);
}

/* Is their loop a vector loop that goes by runs? A search makes it one of single numbers. */
static bool wants_runs(Rows *r, const Item *first, const Item *last) {
  bool any = false;
  for (const Item *it = first; it <= last; it++) {
    if (item_searches(it)) return false;
    any = any || (it->form == FORM_REDUCE && rows_has_sums(it)) || rows_stores_runs(r, it);
  }
  return any;
}

/* One nest over the loops that items first .. last share; every item is a map,
 * a reduction over all loops, or a sum over rows with one slot a point. */
static void emit_shared_nest(Rows *r, Item *first, Item *last) {
  Emit *em = &r->em;
  int nrows = r->plan->nrows, n = first->nloops, level = n ? NEST + n - 1 : ROW;
  bool simd = n > 0;
  StrBuf clause = {0};
  rows_open_loops(r, first, nrows);
  if (wants_runs(r, first, last)) rows_begin_runs(r);
  for (Item *it = first; it <= last; it++) {
    bool reduces = it->form == FORM_REDUCE && n > 0;
    if (reduces && !it->member->accumulates) begin_reduction(r, it);
    if (item_searches(it)) {
      simd = false;
      rows_argmax(r, it, level);
    } else if (it->member->accumulates) {
      const char *value = rows_value(r, it, level);
      const char *into = it->sum;
      if (it->nout > 0) {
        StrBuf at = {0};
        int64_t stride = 1;
        for (int i = it->nout - 1; i >= 0; i--) {
          sb_printf(&at, "%s%lld * %s", at.n ? " + " : "", (long long)stride, em->var[nrows + i]);
          stride *= it->extent[i];
        }
        into = arena_printf(em->arena, "%s[%s]", it->sum, at.s);
        sb_free(&at);
      }
      if (rows_in_lanes(r, it) && it->total)
        into = n > 0 ? rows_put_part(r, &r->part_begin, &r->part_end, it)
                     : rows_put_part(r, rows_text(r, BLOCK), &r->block_end, it);
      else if (it->nout == 0 && it->total)
        into = it->total;
      else if (rows_in_lanes(r, it) && r->lane && rows_has_sums(it)) {
        rows_begin_sums(r, rows_text(r, ROW), it);
        into = rows_sum_at(r, it);
      }
      if (rows_in_lanes(r, it))
        rows_reduce(r, rows_text(r, level), &clause, it, into, value);
      else
        rows_combine(r, rows_text(r, level), it, into, value);
    } else if (reduces) {
      const char *value = rows_value(r, it, level);
      const char *into = it->total  ? rows_put_part(r, &r->part_begin, &r->part_end, it)
                         : it->sums ? rows_sum_at(r, it)
                                    : it->value;
      rows_reduce(r, rows_text(r, level), &clause, it, into, value);
    } else {
      const char *value = rows_value(r, it, level);
      it->value = emit_name(em, it->node->name);
      sb_printf(rows_text(r, level), "const %s %s = %s;\n", rows_acc_type(it), it->value, value);
      rows_store(r, it, level, it->value);
      emit_define(em, it->self, level, it->value);
    }
  }
  if (n)
    rows_close_loops(r, n, simd, clause.n ? clause.s : "");
  else if (clause.n)
    r->row_clause = arena_printf(em->arena, "%s%s", r->row_clause ? r->row_clause : "", clause.s);
  for (Item *it = first; it <= last && n > 0; it++) {
    if (it->sums && it->member->accumulates && !it->total)
      sb_printf(rows_text(r, ROW), "%s += td_sum_of(%s);\n", it->sum, it->sums);
    if (it->form == FORM_REDUCE && !it->member->accumulates) {
      if (item_searches(it))
        sb_printf(rows_text(r, ROW), "if (%s < 0) %s = 0;\n", it->value, it->value);
      if (it->total)
        sb_printf(rows_text(r, ROW), "const float %s = (float)%s;\n", it->value, it->total);
      else if (it->sums)
        sb_printf(rows_text(r, ROW), "const float %s = td_sum_of(%s);\n", it->value, it->sums);
      rows_end_watch(rows_text(r, ROW), it, it->value);
      rows_store(r, it, ROW, it->value);
      emit_define(em, it->self, ROW, it->value);
    }
  }
  sb_free(&clause);
}

void rows_items(Rows *r) {
  for (int i = 0; i < r->plan->nitems;) {
    Item *it = &r->plan->items[i];
    int last = i;
    while (last + 1 < r->plan->nitems && r->plan->items[last + 1].nest == it->nest) last++;
    if (it->form != FORM_MIXED)
      emit_shared_nest(r, it, &r->plan->items[last]);
    else if (rows_sums_outside(r, it))
      rows_sum_outside(r, it);
    else
      rows_sum_inside(r, it);
    i = last + 1;
  }
}
