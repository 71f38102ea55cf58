/* SPDX-License-Identifier: MIT */
/* The loops of a nest: over an item's own variables, from end to end or over windows of
 * them, and put together from the inside out when all texts of their bodies are there. */
#include "compiler/cpu/rows_write.h"

#include <string.h>

/* Does its loop run over less than its extent? */
static bool is_cut(const Rows *r, int var) {
  return r->from[var][0] != '0' || strcmp(r->to[var], rows_decimal(r, r->em.extent[var])) != 0;
}

/* The ends of a loop over windows, at the level around it. */
static void put_ends(Rows *r, int var, const Band *b, int level) {
  Emit *em = &r->em;
  const char *lo[BAND_WINDOWS], *hi[BAND_WINDOWS];
  for (int i = 0; i < b->n; i++) {
    lo[i] = b->at[i].lo ? emit_value(em, b->at[i].lo, level) : "0";
    hi[i] = b->at[i].hi ? emit_value(em, b->at[i].hi, level) : rows_decimal(r, em->extent[var]);
  }
  StrBuf *out = rows_text(r, level);
  r->from[var] = emit_name(em, "from");
  r->to[var] = emit_name(em, "to");
  if (b->n == 1) {
    sb_printf(out, "const int64_t %s = %s, %s = %s > %s ? %s : %s;\n", r->from[var], lo[0],
              r->to[var], hi[0], r->from[var], hi[0], r->from[var]);
    return;
  }
  r->ends[var] = emit_name(em, "ends");
  r->windows[var] = emit_name(em, "windows");
  sb_printf(out, "int64_t %s[] = {", r->ends[var]);
  for (int i = 0; i < b->n; i++) sb_printf(out, "%s%s, %s", i ? ", " : "", lo[i], hi[i]);
  sb_printf(out, "};\nconst int %s = td_windows(%s, %d);\n", r->windows[var], r->ends[var], b->n);
}

static void name_ends(Rows *r, const Item *it, int var, int64_t extent) {
  const Band *chain = it->banded ? &r->g->chain->band->columns : NULL;
  r->from[var] = chain ? CPU_BAND_FROM : "0";
  r->to[var] = chain ? CPU_BAND_TO : rows_decimal(r, extent);
  r->ends[var] = chain && chain->n > 1 ? CPU_BAND_ENDS : NULL;
  r->windows[var] = chain && chain->n > 1 ? CPU_BAND_WINDOWS : NULL;
}

void rows_open_loops(Rows *r, const Item *it, int first_var) {
  Emit *em = &r->em;
  em->nvars = first_var + it->nloops;
  for (int i = 0; i < it->nloops; i++) {
    const int v = first_var + i;
    em->var[v] = emit_name(em, it->axis[i]);
    em->extent[v] = it->extent[i];
    em->var_level[v] = NEST + i;
    name_ends(r, it, v, it->extent[i]);
    emit_open(em, NEST + i);
    if (it->cut[i]) put_ends(r, v, it->cut[i], i > 0 ? NEST + i - 1 : ROW);
  }
  int last = it->nloops - 1, v = first_var + last;
  if (last < 0 || it->extent[last] > r->p->target->rows.vector_most) return;
  em->run = (EmitRun){.nvars = 1,
                      .var = {v},
                      .stride = {1},
                      .level = NEST + last - 1,
                      .count = r->to[v],
                      .index = em->var[v],
                      .room = rows_decimal(r, it->extent[last])};
  if (!is_cut(r, v)) return;
  const char *from = r->from[v], *to = r->to[v];
  if (r->ends[v]) { /* of several windows, their hull */
    from = arena_printf(em->arena, "%s[0]", r->ends[v]);
    to = arena_printf(em->arena, "%s[2 * %s - 1]", r->ends[v], r->windows[v]);
  }
  em->run.start = from;
  em->run.count = arena_printf(em->arena, "%s - %s", to, from);
  em->run.index = arena_printf(em->arena, "%s - %s", em->var[v], from);
}

void rows_open_windows(Rows *r, StrBuf *out, int var) {
  const char *ends = r->ends[var];
  if (!ends) return;
  const char *w = emit_name(&r->em, "w");
  sb_printf(out, "for (int %s = 0; %s < %s; %s++) {\n", w, w, r->windows[var], w);
  sb_printf(out, "const int64_t %s = %s[2 * %s], %s = %s[2 * %s + 1];\n", r->from[var], ends, w,
            r->to[var], ends, w);
}

void rows_close_windows(Rows *r, StrBuf *out, int var) {
  if (r->ends[var]) sb_puts(out, "}\n");
}

void rows_for(Rows *r, StrBuf *out, int var, bool simd, const char *clause) {
  const Emit *em = &r->em;
  emit_for(em, out, em->var[var], r->from[var], r->to[var], simd ? clause : NULL);
}

/* A loop over blocks of a variable's iterations, from *first to *end. */
void rows_open_block(Rows *r, StrBuf *out, int var, int64_t block, const char **first,
                     const char **end) {
  Emit *em = &r->em;
  const long long extent = em->extent[var], size = block;
  const char *to = r->to[var];
  *first = emit_name(em, "first");
  *end = emit_name(em, "end");
  sb_printf(out, "for (int64_t %s = %s; %s < %s; %s += %lld) {\n", *first, r->from[var], *first, to,
            *first, size);
  sb_printf(out, "const int64_t %s = ", *end);
  if (is_cut(r, var) || extent % size)
    sb_printf(out, "%s + %lld > %s ? %s : ", *first, size, to, to);
  sb_printf(out, "%s + %lld;\n", *first, size);
}

/* The loop over the last variable, its text inside, with what stands around its blocks. */
void rows_innermost(Rows *r, StrBuf *out, int var, int level, const char *clause) {
  Emit *em = &r->em;
  const StrBuf *body = rows_text(r, level);
  const long long extent = em->extent[var];
  const bool blocks = r->part_begin.n && extent > CPU_IN_LANES;
  const char *from = r->from[var], *to = r->to[var];
  rows_open_windows(r, out, var);
  if (blocks) rows_open_block(r, out, var, CPU_IN_LANES, &from, &to);
  if (r->part_begin.n) sb_write(out, r->part_begin.s, r->part_begin.n);
  if (r->lane) {
    const char *run = r->run;
    /* unrolled, each of its reads is of another address a row: that is not fetched ahead */
    sb_puts(out, "#pragma GCC unroll 1\n");
    sb_printf(out, "for (int64_t %s = %s; %s < %s; %s += TD_RUN) {\n", run, from, run, to, run);
    if (r->run_begin.n) sb_write(out, r->run_begin.s, r->run_begin.n);
    emit_for(em, out, r->lane, "0", "TD_RUN", clause);
    sb_printf(out, "const int64_t %s = %s + %s;\n", em->var[var], run, r->lane);
  } else {
    emit_for(em, out, em->var[var], from, to, clause);
  }
  if (body->n) sb_write(out, body->s, body->n);
  sb_puts(out, "}\n");
  if (r->lane) {
    if (r->run_end.n) sb_write(out, r->run_end.s, r->run_end.n);
    sb_puts(out, "}\n");
    sb_free(&r->run_begin);
    sb_free(&r->run_end);
    r->run = r->lane = NULL;
  }
  if (r->part_end.n) sb_write(out, r->part_end.s, r->part_end.n);
  if (blocks) sb_puts(out, "}\n");
  rows_close_windows(r, out, var);
  sb_free(&r->part_begin);
  sb_free(&r->part_end);
}

/* Put the open loops' texts together, innermost first, onto the row's text. */
void rows_close_loops(Rows *r, int nloops, bool simd, const char *clause) {
  int first_var = r->em.nvars - nloops;
  StrBuf inner = {0};
  for (int i = nloops - 1; i >= 0; i--) {
    StrBuf outer = {0};
    if (simd && i == nloops - 1) {
      rows_innermost(r, &outer, first_var + i, NEST + i, clause);
    } else {
      rows_open_windows(r, &outer, first_var + i);
      rows_for(r, &outer, first_var + i, false, clause);
      StrBuf *own = rows_text(r, NEST + i);
      if (own->n) sb_write(&outer, own->s, own->n);
      if (inner.n) sb_write(&outer, inner.s, inner.n);
      sb_puts(&outer, "}\n");
      rows_close_windows(r, &outer, first_var + i);
    }
    sb_free(&inner);
    inner = outer;
  }
  if (inner.n) sb_write(rows_text(r, ROW), inner.s, inner.n);
  sb_free(&inner);
  r->em.nvars = r->plan->nrows;
  r->em.run.nvars = 0;
}
