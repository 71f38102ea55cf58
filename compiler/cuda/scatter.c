/* SPDX-License-Identifier: MIT */
/* Scatters: zero, then every value is added where its index says. A thread owns what it
 * writes: an output axis whose index is a bare variable is cut into its elements, and
 * each thread runs all other variables in order, so that the sums are always the same. */
#include "compiler/cuda/cuda.h"

enum { TOP, SLICE, FIRST };

typedef struct Scatter {
  Emit em;
  Node *n;
  CudaSlices slices;
} Scatter;

/* The slice in each of the blocks that lie around it; all of the output. */
static void print_zero(Scatter *s, StrBuf *out, const char *base) {
  Node *n = s->n;
  int axis = s->slices.axis;
  int64_t stride[IR_MAX_RANK], before = 1, room = plan_room(s->em.plan, n);
  const char *i = emit_name(&s->em, "i"), *k = emit_name(&s->em, "k");
  if (axis < 0) {
    sb_printf(out, "for (long long %s = 0; %s < %lld; %s++) %s[%s] = 0;\n", i, i, (long long)room,
              i, base, i);
    return;
  }
  plan_strides(s->em.plan, n, stride);
  for (int d = 0; d < axis; d++) before *= n->shape[d];
  sb_printf(out, "for (long long %s = 0; %s < %lld; %s++)\n", i, i, (long long)before, i);
  sb_printf(out, "for (long long %s = 0; %s < %lld; %s++) ", k, k, (long long)stride[axis], k);
  sb_printf(out, "%s[%s * %lld + (long long)slice * %lld + %s] = 0;\n", base, i,
            (long long)(axis > 0 ? stride[axis - 1] : room), (long long)stride[axis], k);
}

/* The condition under which the value lands inside: the guard, and bounds that were not
 * proved; or NULL. */
static const char *condition(Scatter *s, int level) {
  Emit *em = &s->em;
  Expr *all = s->n->guard ? s->n->guard : ex_bool(em->g, true);
  for (int d = 0; d < s->n->rank; d++) {
    int64_t lo, hi;
    bool bounded = ex_interval(em->g, s->n->index[d], s->n->extent, s->n->nvars, &lo, &hi);
    if (bounded && lo >= 0 && hi < s->n->shape[d]) continue;
    all = ex2(em->g, P_and, all, ex2(em->g, P_le, ex_int(em->g, 0), s->n->index[d]));
    all = ex2(em->g, P_and, all, ex2(em->g, P_lt, s->n->index[d], ex_int(em->g, s->n->shape[d])));
  }
  return all->kind == E_BOOL && all->inum ? NULL : emit_value(em, all, level);
}

/* The addition at one point; the place is only good where the condition holds. */
static void print_point(Scatter *s, int level) {
  Emit *em = &s->em;
  Node *n = s->n;
  StrBuf *text = &em->level[level].text;
  const char *value = emit_value(em, n->body, level), *when = condition(s, level);
  if (!when) {
    const char *at = emit_element(em, n, n->index, level, true);
    sb_printf(text, "%s += %s;\n", at, value);
    return;
  }
  sb_printf(text, "if (%s) {\n", when);
  emit_open(em, level + 1);
  const char *at = emit_element(em, n, n->index, level + 1, true);
  if (em->level[level + 1].text.n) sb_puts(text, em->level[level + 1].text.s);
  sb_printf(text, "%s += %s;\n}\n", at, value);
}

/* The loops, innermost last; the one that the slice is of has one iteration or none. */
static const char *print_loops(Scatter *s) {
  Emit *em = &s->em;
  const char *inside = "";
  for (int v = s->n->nvars - 1; v >= 0; v--) {
    StrBuf out = {0};
    const char *extent = arena_printf(em->arena, "%lld", (long long)s->n->extent[v]);
    if (v != s->slices.var)
      emit_for(em, &out, em->var[v], "0", extent, NULL);
    else if (s->n->extent[v] < s->slices.count)
      sb_printf(&out, "if (slice < %s) {\nconst %s %s = slice;\n", extent, emit_var_type(em),
                em->var[v]);
    else
      sb_printf(&out, "{\nconst %s %s = slice;\n", emit_var_type(em), em->var[v]);
    if (em->level[FIRST + v].text.n) sb_puts(&out, em->level[FIRST + v].text.s);
    sb_printf(&out, "%s}\n", inside);
    inside = arena_strndup(em->arena, out.s, out.n);
    sb_free(&out);
  }
  return inside;
}

void cuda_emit_scatter(Plan *p, Group *g, TdKernel *k) {
  Scatter s = {.n = g->members.at[0].node, .slices = cuda_slices(g->members.at[0].node)};
  Emit *em = &s.em;
  Node *n = s.n;
  emit_begin(em, p, g);
  em->row_level = SLICE;
  em->nvars = n->nvars;
  em->short_vars = s.slices.count < CUDA_SHORT;
  for (int v = 0; v < n->nvars; v++) em->short_vars &= n->extent[v] < CUDA_SHORT;
  for (int v = 0; v < n->nvars; v++) {
    em->var[v] = emit_name(em, v < n->rank && n->axis[v] ? n->axis[v] : "i");
    em->extent[v] = n->extent[v];
    em->var_level[v] = FIRST + v;
  }
  print_point(&s, n->nvars ? FIRST + n->nvars - 1 : SLICE);
  const char *loops = print_loops(&s), *base = emit_pointer(em, n, true);
  StrBuf out = {0};
  sb_puts(&out, "{\n");
  emit_prologue(em, &out);
  sb_printf(&out, "const %s slice = (%s)td_block() * %d + td_thread();\n", emit_var_type(em),
            emit_var_type(em), CUDA_WARP);
  sb_printf(&out, "if (slice >= %lld) return;\n", (long long)s.slices.count);
  if (em->level[TOP].text.n) sb_puts(&out, em->level[TOP].text.s);
  print_zero(&s, &out, base);
  if (em->level[SLICE].text.n) sb_puts(&out, em->level[SLICE].text.s);
  sb_puts(&out, loops);
  sb_puts(&out, "}\n");
  k->source = arena_strndup(em->arena, out.s, out.n);
  k->parts = em->parts;
  sb_free(&out);
  emit_end(em);
}
