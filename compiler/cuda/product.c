/* SPDX-License-Identifier: MIT */
/* Sums of products that are no library's: operands that are computed, conditions, maps on
 * the sums. What both kinds of kernel are made of: the operands' values, the members of
 * the group at one element of the result. */
#include "compiler/cuda/product.h"

enum { ELEMENT = PRODUCT_ELEMENT };

const char *product_take(ProductWriter *w, StrBuf *b) {
  const char *text = b->n ? arena_strndup(w->em.arena, b->s, b->n) : "";
  sb_free(b);
  return text;
}

void product_add_parts(StrBuf *out, int rows, int columns, int elements) {
  const char *e = elements > 0 ? "[e]" : "";
  sb_printf(out, "#pragma unroll\nfor (int i = 0; i < %d; i++)\n#pragma unroll\n", rows);
  sb_printf(out, "for (int j = 0; j < %d; j++)", columns);
  if (elements > 0) sb_printf(out, "\n#pragma unroll\nfor (int e = 0; e < %d; e++)", elements);
  sb_printf(out, " {\ntd_add_long(&sum[i][j]%s, &over[i][j]%s, part[i][j]%s);\n", e, e, e);
  sb_printf(out, "part[i][j]%s = 0.0f;\n}\n", e);
}

/* The variables of an axis from the position along it, those that were named. */
void product_variables(ProductWriter *w, StrBuf *out, GemmAxisKind kind, const char *at) {
  for (int i = 0; i < w->c->nvars[kind]; i++) {
    int v = w->c->var[kind][i];
    int64_t stride = 1;
    for (int k = i + 1; k < w->c->nvars[kind]; k++) stride *= w->n->extent[w->c->var[kind][k]];
    if (!(w->em.used_vars >> v & 1)) continue;
    sb_printf(out, "const %s %s = %s", emit_var_type(&w->em), w->em.var[v], at);
    if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
    if (i > 0) sb_printf(out, " %% %lld", (long long)w->n->extent[v]);
    sb_puts(out, ";\n");
  }
}

const char *product_value(ProductWriter *w, GemmSide side, const char **statements) {
  Emit *em = &w->em;
  const Contraction *c = w->c;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  const char *value = emit_value(em, c->operand[side], ELEMENT);
  if (c->where[side])
    value =
        arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, c->where[side], ELEMENT), value);
  const StrBuf *text = &em->level[ELEMENT].text;
  *statements = text->n ? arena_strndup(em->arena, text->s, text->n) : "";
  return value;
}

/* ---- what follows the sums ---------------------------------------------------------------- */

static const char *finished_sum(ProductWriter *w) {
  Emit *em = &w->em;
  const char *value = "total";
  if (w->c->factor)
    value = arena_printf(em->arena, "(%s * %s)", value, emit_value(em, w->c->factor, ELEMENT));
  if (w->c->condition)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, w->c->condition, ELEMENT),
                         value);
  return value;
}

static void write_member(ProductWriter *w, int i) {
  Emit *em = &w->em;
  Graph *g = w->p->g;
  const Member *m = &w->g->members.at[i];
  Expr *map[IR_MAX_VARS], *element[IR_MAX_RANK];
  for (int v = 0; v < m->node->nvars; v++) map[v] = ex_int(g, 0);
  for (int k = 0; k < w->g->nrows; k++)
    map[m->rowvar[k]] = ex_var(g, w->g->members.at[0].rowvar[k]);
  const char *value;
  if (i == 0) {
    value = finished_sum(w);
  } else {
    value = emit_value(em, ex_subst(g, m->node->body, map, m->node->nvars), ELEMENT);
    if (m->node->guard) {
      const char *guard = emit_value(em, ex_subst(g, m->node->guard, map, m->node->nvars), ELEMENT);
      value = arena_printf(em->arena, "(%s ? %s : %s)", guard, value,
                           emit_zero(em, RED_NONE, m->node->type));
    }
  }
  const char *name = emit_name(em, m->node->name);
  StrBuf *text = &em->level[ELEMENT].text;
  sb_printf(text, "const %s %s = %s;\n", em->dialect->value[m->node->type], name, value);
  for (int d = 0; d < m->node->rank; d++) element[d] = map[d];
  emit_define(em, ex_read(g, m->node, element), ELEMENT, name);
  if (!m->stored) return;
  const char *at = emit_element(em, m->node, element, ELEMENT, true);
  sb_puts(text, emit_store(em, m->node, at, name));
}

const char *product_results(ProductWriter *w) {
  Emit *em = &w->em;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  for (int i = 0; i < w->g->members.n; i++) write_member(w, i);
  StrBuf out = {0};
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, GEMM_M, "m");
  product_variables(w, &out, GEMM_N, "n");
  if (em->level[ELEMENT].text.n) sb_puts(&out, em->level[ELEMENT].text.s);
  return product_take(w, &out);
}
