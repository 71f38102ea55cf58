/* SPDX-License-Identifier: MIT */
/* Sums of products that are no library's: operands that are computed, conditions, maps on
 * the sums. What both kinds of kernel are made of: the operands' values. */
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
