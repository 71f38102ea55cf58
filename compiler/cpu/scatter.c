/* SPDX-License-Identifier: MIT */
/* Scatters: zero, then every value is added where its index says. Pieces own
 * what they write: an output axis whose index is a bare variable is cut into
 * slices, and each piece runs all other variables in order, so that the sums
 * never depend on threads. Where an element may get more than a few terms, a slice
 * is added up in double precision in scratch memory and rounded at the end. */
#include "compiler/cpu/cpu.h"

#include <string.h>

enum { TOP, SLICE, FIRST };

typedef struct Scatter {
  Emit em;
  Node *n;
  int order[IR_MAX_VARS]; /* loops, outermost first */
  ScatterSlices slices;
  const char *totals;    /* their C name; NULL: there are none */
  const char *within;    /* with totals: the sliced variable, counted from the slice's beginning */
  Expr *at[IR_MAX_RANK]; /* where in the totals a value goes */
} Scatter;

/* A slice has so many numbers and a piece so many terms: is it worth adding up in double
 * precision? An output of which most elements get nothing is not: it would be moved thrice. */
static bool adds_long(const Node *n, int64_t numbers, int64_t terms) {
  enum { SPARSE = 8 };
  return n->type == TY_REAL && n->nvars < IR_MAX_VARS && terms > CPU_IN_ORDER &&
         numbers / SPARSE <= terms;
}

ScatterSlices scatter_slices(Plan *p, const Group *g) {
  const Node *n = g->members.at[0].node;
  const TargetRows *t = &p->target->rows;
  ScatterSlices s = {.axis = -1, .var = -1};
  for (int d = 0; d < n->rank; d++) {
    int v = scatter_bare(n, d);
    if (v >= 0 && (s.axis < 0 || n->shape[d] > n->shape[s.axis])) {
      s.axis = d;
      s.var = v;
    }
  }
  int64_t extent = s.axis < 0 ? 1 : n->shape[s.axis];
  s.width = (extent + t->slices_most - 1) / t->slices_most;
  if (s.axis == n->rank - 1 && s.width < t->slice_least)
    s.width = extent < t->slice_least ? extent : t->slice_least;
  if (s.width < 1) s.width = 1;
  s.pieces = (extent + s.width - 1) / s.width;
  int64_t stride[IR_MAX_RANK];
  plan_strides(p, n, stride);
  s.across = s.axis < 0 ? plan_room(p, n) : s.width * stride[s.axis];
  s.blocks = 1;
  for (int d = 0; d < s.axis; d++) s.blocks *= n->shape[d];
  int64_t terms = ir_evaluations(n);
  if (s.axis >= 0 && terms > 0) terms = terms / n->extent[s.var] * s.width;
  if (adds_long(n, s.across * s.blocks, terms)) s.totals = s.across * s.blocks;
  return s;
}

/* Variables in order, but a bare one of the last axis innermost: contiguous. */
static bool order_loops(Scatter *s) {
  int inner = s->n->rank > 0 ? scatter_bare(s->n, s->n->rank - 1) : -1, n = 0;
  for (int v = 0; v < s->n->nvars; v++)
    if (v != inner) s->order[n++] = v;
  if (inner >= 0) s->order[n++] = inner;
  return inner >= 0;
}

/* All of the output, or the slice in each of the blocks that lie around it, gaps and all. */
static void print_zero(Scatter *s, StrBuf *out, const char *base) {
  Node *n = s->n;
  int axis = s->slices.axis;
  int64_t stride[IR_MAX_RANK], before = 1, room = plan_room(s->em.plan, n);
  const char *i = emit_name(&s->em, "i"), *k = emit_name(&s->em, "k");
  if (axis < 0) {
    sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = 0;\n", i, i, (long long)room, i,
              base, i);
    return;
  }
  plan_strides(s->em.plan, n, stride);
  for (int d = 0; d < axis; d++) before *= n->shape[d];
  sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++)\n", i, i, (long long)before, i);
  sb_printf(
      out, "for (int64_t %s = slice * %lld; %s < slice_end * %lld; %s++) %s[%s * %lld + %s] = 0;\n",
      k, (long long)stride[axis], k, (long long)stride[axis], k, base, i,
      (long long)(axis > 0 ? stride[axis - 1] : room), k);
}

/* In place of the output: the slices of its blocks one after the other, all 0. The sliced variable,
 * counted from the slice's beginning, is variable nvars: the loop's own, of the type of positions,
 * so that a compiler sees that numbers lie side by side. */
static void open_totals(Scatter *s, StrBuf *out) {
  Emit *em = &s->em;
  Node *n = s->n;
  const int axis = s->slices.axis, var = n->nvars;
  EmitLocal local = {.node = n, .name = emit_name(em, "totals")};
  plan_strides(em->plan, n, local.stride);
  const int64_t around = axis > 0 ? local.stride[axis - 1] : 1;
  for (int d = 0; d < axis; d++) local.stride[d] = local.stride[d] / around * s->slices.across;
  vec_push(em->arena, &em->locals, local);
  const char *i = emit_name(em, "i");
  sb_printf(out, "double *const %s = (double *)call->scratch;\n", local.name);
  sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = 0.0;\n", i, i,
            (long long)s->slices.totals, i, local.name, i);
  s->totals = local.name;
  memcpy(s->at, n->index, sizeof s->at);
  if (axis < 0) return;
  em->nvars++;
  s->within = em->var[var] = emit_name(em, "k");
  em->extent[var] = s->slices.width;
  em->var_level[var] = em->var_level[s->slices.var];
  s->at[axis] = ex_var(em->g, var);
}

/* The totals, rounded, to where they belong. */
static void print_totals(Scatter *s, StrBuf *out, const char *base) {
  const ScatterSlices *c = &s->slices;
  const char *i = emit_name(&s->em, "i"), *k = emit_name(&s->em, "k");
  int64_t stride[IR_MAX_RANK];
  plan_strides(s->em.plan, s->n, stride);
  const long long across = c->across, along = c->axis < 0 ? 0 : stride[c->axis],
                  around = c->axis > 0 ? stride[c->axis - 1] : 0;
  sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++)\n", i, i, (long long)c->blocks, i);
  if (c->axis < 0)
    sb_printf(out, "for (int64_t %s = 0; %s < %lld; %s++) %s[%s] = (float)%s[%s];\n", k, k, across,
              k, base, k, s->totals, k);
  else
    sb_printf(out,
              "for (int64_t %s = 0; %s < (slice_end - slice) * %lld; %s++)\n"
              "%s[%s * %lld + slice * %lld + %s] = (float)%s[%s * %lld + %s];\n",
              k, k, along, k, base, i, around, along, k, s->totals, i, across, k);
}

static void print_loop(Scatter *s, StrBuf *out, int var, bool simd) {
  const char *begin = "0", *end = arena_printf(s->em.arena, "%lld", (long long)s->n->extent[var]);
  if (var == s->slices.var) {
    begin = "slice";
    if (s->n->extent[var] < s->n->shape[s->slices.axis])
      end = arena_printf(s->em.arena, "(slice_end < %s ? slice_end : %s)", end, end);
    else
      end = "slice_end";
    if (s->within) {
      sb_printf(out, "const int32_t %s_end = (int32_t)(%s - slice);\n", s->within, end);
      sb_printf(out, "%sfor (int32_t %s = 0; %s < %s_end; %s++) {\n",
                simd ? "#pragma omp simd\n" : "", s->within, s->within, s->within, s->within);
      sb_printf(out, "const int64_t %s = slice + %s;\n", s->em.var[var], s->within);
      return;
    }
  }
  emit_for(&s->em, out, s->em.var[var], begin, end, simd ? "" : NULL);
}

void emit_scatter(Plan *p, Group *g, TdKernel *k) {
  Scatter s = {.n = g->members.at[0].node, .slices = scatter_slices(p, g)};
  Emit *em = &s.em;
  Node *n = s.n;
  emit_begin(em, p, g);
  em->row_level = SLICE;
  bool simd = order_loops(&s);
  em->nvars = n->nvars;
  for (int i = 0; i < n->nvars; i++) {
    int v = s.order[i];
    em->var[v] = emit_name(em, v < n->rank && n->axis[v] ? n->axis[v] : "i");
    em->extent[v] = n->extent[v];
    em->var_level[v] = FIRST + i;
  }
  StrBuf zero = {0};
  if (s.slices.totals) open_totals(&s, &zero);
  Expr *const *index = s.totals ? s.at : n->index;
  int level = n->nvars ? FIRST + n->nvars - 1 : SLICE;
  const char *value = emit_value(em, n->body, level), *when = emit_condition(em, n, level);
  if (when) { /* the index is only good where the condition holds */
    sb_printf(&em->level[level].text, "if (%s) {\n", when);
    emit_open(em, level + 1);
    const char *at = emit_element(em, n, index, level + 1, true);
    if (em->level[level + 1].text.n) sb_puts(&em->level[level].text, em->level[level + 1].text.s);
    sb_printf(&em->level[level].text, "%s += %s;\n}\n", at, value);
  } else {
    const char *at = emit_element(em, n, index, level, true);
    sb_printf(&em->level[level].text, "%s += %s;\n", at, value);
  }
  StrBuf out = {0}, inner = {0};
  for (int i = n->nvars - 1; i >= 0; i--) {
    StrBuf outer = {0};
    print_loop(&s, &outer, s.order[i], simd && i == n->nvars - 1);
    if (em->level[FIRST + i].text.n) sb_puts(&outer, em->level[FIRST + i].text.s);
    if (inner.n) sb_puts(&outer, inner.s);
    sb_puts(&outer, "}\n");
    sb_free(&inner);
    inner = outer;
  }
  const char *base = emit_pointer(em, n, true);
  int64_t extent = s.slices.axis < 0 ? 1 : n->shape[s.slices.axis];
  sb_puts(&out, "{\n");
  emit_prologue(em, &out);
  if (em->level[TOP].text.n) sb_puts(&out, em->level[TOP].text.s);
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (s.slices.axis >= 0) {
    sb_printf(&out, "const int64_t slice = piece * %lld;\n", (long long)s.slices.width);
    sb_printf(&out, "const int64_t slice_end = slice + %lld < %lld ? slice + %lld : %lld;\n",
              (long long)s.slices.width, (long long)extent, (long long)s.slices.width,
              (long long)extent);
  }
  if (s.totals)
    sb_puts(&out, zero.s);
  else
    print_zero(&s, &out, base);
  if (em->level[SLICE].text.n) sb_puts(&out, em->level[SLICE].text.s);
  if (inner.n) sb_puts(&out, inner.s);
  if (s.totals) print_totals(&s, &out, base);
  sb_puts(&out, "}\n}\n");
  k->source = arena_strndup(em->arena, out.s, out.n);
  sb_free(&out);
  sb_free(&zero);
  sb_free(&inner);
  emit_end(em);
}
