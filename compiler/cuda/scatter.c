/* SPDX-License-Identifier: MIT */
/* Scatters: every value is added where its index says. A thread owns what it writes, and
 * adds in the order of the variables, so that the sums are always the same:
 *
 *     lists       where many positions name a row each: scatter_list.c
 *     gathering   a thread for each number of the output runs through all values and adds
 *                 those that fall there; bare axes say which can
 *     slices      where that would be too many: a bare axis is cut into its elements; each
 *                 thread clears its slice and adds to it                              */
#include "compiler/cuda/scatter.h"

enum { TOP, SLICE, FIRST };

/* The slice in each of the blocks that lie around it; all of the output. */
static void print_zero(Scatter *s, StrBuf *out, const char *base) {
  Node *n = s->n;
  int axis = s->cut.axis;
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

/* The addition at one point; the place is only good where the condition holds. */
static void print_point(Scatter *s, int level) {
  Emit *em = &s->em;
  Node *n = s->n;
  StrBuf *text = &em->level[level].text;
  const char *value = emit_value(em, n->body, level), *when = emit_condition(em, n, level);
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

/* Does the value fall to this thread? Then it is computed and added. */
static void print_look(Scatter *s, int level) {
  Emit *em = &s->em;
  Node *n = s->n;
  StrBuf when = {0};
  if (n->guard) sb_printf(&when, "%s", emit_value(em, n->guard, level));
  for (int d = 0; d < n->rank; d++)
    if (s->cut.var[d] < 0)
      sb_printf(&when, "%s%s == %s", when.n ? " && " : "", emit_value(em, n->index[d], level),
                s->at[d]);
  emit_open(em, level + 1);
  const char *value = emit_value(em, n->body, level + 1);
  StrBuf *text = &em->level[level].text;
  if (when.n) sb_printf(text, "if (%s) {\n", when.s);
  if (em->level[level + 1].text.n) sb_puts(text, em->level[level + 1].text.s);
  sb_printf(text, "sum += %s;\n%s", value, when.n ? "}\n" : "");
  sb_free(&when);
}

/* The place on an axis that variable v is the index of, and the axis; or NULL. */
static const char *fixed(const Scatter *s, int v, int *axis) {
  for (int d = 0; d < s->n->rank; d++)
    if (s->cut.var[d] == v && (s->cut.gathers || d == s->cut.axis)) {
      *axis = d;
      return s->cut.gathers ? s->at[d] : "slice";
    }
  return NULL;
}

/* The loops, innermost last; of a variable that the thread has the value of, one iteration
 * or none. */
static const char *print_loops(Scatter *s) {
  Emit *em = &s->em;
  const char *inside = "";
  for (int v = s->n->nvars - 1; v >= 0; v--) {
    StrBuf out = {0};
    int axis;
    const char *extent = arena_printf(em->arena, "%lld", (long long)s->n->extent[v]);
    const char *place = fixed(s, v, &axis);
    if (!place)
      emit_for(em, &out, em->var[v], "0", extent, NULL);
    else if (s->n->extent[v] < s->n->shape[axis])
      sb_printf(&out, "if (%s < %s) {\n", place, extent);
    else
      sb_puts(&out, "{\n");
    if (place) sb_printf(&out, "const %s %s = %s;\n", emit_var_type(em), em->var[v], place);
    if (em->level[FIRST + v].text.n) sb_puts(&out, em->level[FIRST + v].text.s);
    sb_printf(&out, "%s}\n", inside);
    inside = arena_strndup(em->arena, out.s, out.n);
    sb_free(&out);
  }
  return inside;
}

static void print_slices(Scatter *s, StrBuf *out) {
  Emit *em = &s->em;
  int last = s->n->nvars ? FIRST + s->n->nvars - 1 : SLICE;
  print_point(s, last);
  const char *loops = print_loops(s), *base = emit_pointer(em, s->n, true);
  emit_prologue(em, out);
  sb_printf(out, "const %s slice = (%s)td_block() * %d + td_thread();\n", emit_var_type(em),
            emit_var_type(em), CUDA_WARP);
  sb_printf(out, "if (slice >= %lld) return;\n", (long long)s->cut.count);
  if (em->level[TOP].text.n) sb_puts(out, em->level[TOP].text.s);
  print_zero(s, out, base);
  if (em->level[SLICE].text.n) sb_puts(out, em->level[SLICE].text.s);
  sb_puts(out, loops);
}

static void print_gathering(Scatter *s, StrBuf *out) {
  Emit *em = &s->em;
  Node *n = s->n;
  int64_t stride[IR_MAX_RANK];
  StrBuf places = {0}, store = {0};
  plan_strides(em->plan, n, stride);
  for (int d = 0; d < n->rank; d++) {
    s->at[d] = emit_name(em, "at");
    int64_t inner = 1;
    for (int k = d + 1; k < n->rank; k++) inner *= n->shape[k];
    sb_printf(&places, "const int %s = number", s->at[d]);
    if (inner > 1) sb_printf(&places, " / %lld", (long long)inner);
    sb_printf(&places, d > 0 ? " %% %lld;\n" : ";\n", (long long)n->shape[d]);
    sb_printf(&store, " + %lld * %s", (long long)stride[d], s->at[d]);
  }
  print_look(s, n->nvars ? FIRST + n->nvars - 1 : SLICE);
  const char *loops = print_loops(s), *base = emit_pointer(em, n, true);
  emit_prologue(em, out);
  sb_printf(out, "const int number = (int)td_block() * %d + td_thread();\n", CUDA_BLOCK);
  sb_printf(out, "if (number >= %lld) return;\n%s", (long long)s->cut.count, places.s);
  for (int level = TOP; level <= SLICE; level++)
    if (em->level[level].text.n) sb_puts(out, em->level[level].text.s);
  /* as many values as there are may fall to one place */
  sb_printf(out, "%s sum = 0;\n%s", n->type == TY_REAL ? "double" : "int", loops);
  sb_printf(out, "%s[%s] = (%s)sum;\n", base, store.s + 3, em->dialect->value[n->type]);
  sb_free(&places);
  sb_free(&store);
}

void cuda_emit_scatter(Plan *p, Group *g, TdKernel *k) {
  Scatter s = {.n = g->members.at[0].node, .cut = cuda_scatter(g->members.at[0].node)};
  Emit *em = &s.em;
  Node *n = s.n;
  emit_begin(em, p, g);
  em->row_level = SLICE;
  em->nvars = n->nvars;
  em->short_vars = s.cut.count < CUDA_SHORT && s.cut.width < CUDA_SHORT;
  for (int v = 0; v < n->nvars; v++) {
    em->short_vars &= n->extent[v] < CUDA_SHORT;
    em->var[v] = emit_name(em, v < n->rank && n->axis[v] ? n->axis[v] : "i");
    em->extent[v] = n->extent[v];
    em->var_level[v] = FIRST + v;
  }
  StrBuf out = {0};
  sb_puts(&out, "{\n");
  if (s.cut.lists)
    scatter_print_lists(&s, &out);
  else if (s.cut.gathers)
    print_gathering(&s, &out);
  else
    print_slices(&s, &out);
  sb_puts(&out, "}\n");
  k->source = arena_strndup(em->arena, out.s, out.n);
  sb_free(&out);
  emit_end(em);
}
