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

/* A term of the sum as it is meant: added where its conditions hold. */
static void print_term(ProductWriter *w, StrBuf *out) {
  Emit *em = &w->em;
  const Contraction *c = w->c;
  const Expr *where = c->where[GEMM_A], *other = c->where[GEMM_B];
  const char *holds = emit_value(em, where ? c->where[GEMM_A] : c->where[GEMM_B], ELEMENT);
  if (where && other)
    holds = arena_printf(em->arena, "%s && %s", holds, emit_value(em, c->where[GEMM_B], ELEMENT));
  emit_open(em, ELEMENT + 1);
  const char *a = emit_value(em, c->operand[GEMM_A], ELEMENT + 1),
             *b = emit_value(em, c->operand[GEMM_B], ELEMENT + 1);
  const StrBuf *before = &em->level[ELEMENT].text, *inside = &em->level[ELEMENT + 1].text;
  sb_printf(out, "%sif (%s) {\n%sagain += (double)%s * (double)%s;\n}\n",
            before->n ? before->s : "", holds, inside->n ? inside->s : "", a, b);
}

/* Is there a term in the sum? */
static void print_some(ProductWriter *w, StrBuf *out) {
  emit_open(&w->em, ELEMENT);
  w->em.used_vars = 0;
  const char *holds = emit_value(&w->em, w->c->where[GEMM_A], ELEMENT);
  const StrBuf *before = &w->em.level[ELEMENT].text;
  sb_puts(out, "bool some = false;\n{\n");
  product_variables(w, out, GEMM_BATCH, "batch");
  product_variables(w, out, GEMM_M, "m");
  sb_printf(out, "#pragma unroll 1\nfor (%s k = 0; k < %lld && !some; k++) {\n",
            emit_var_type(&w->em), (long long)w->c->extent[GEMM_K]);
  product_variables(w, out, GEMM_K, "k");
  sb_printf(out, "%ssome = %s;\n}\n}\n", before->n ? before->s : "", holds);
}

const char *product_total(ProductWriter *w, const char *sum) {
  StrBuf out = {0}, term = {0};
  if (!contract_leaves_out(w->c)) {
    sb_printf(&out, "const float total = %s;\n", sum);
    return product_take(w, &out);
  }
  emit_open(&w->em, ELEMENT);
  w->em.used_vars = 0;
  print_term(w, &term);
  sb_printf(&out, "float total = %s;\nif (total != total) {\n", sum);
  product_variables(w, &out, GEMM_BATCH, "batch");
  product_variables(w, &out, GEMM_M, "m");
  product_variables(w, &out, GEMM_N, "n");
  sb_puts(&out, "double again = 0;\n#pragma unroll 1\n");
  sb_printf(&out, "for (%s k = 0; k < %lld; k++) {\n", emit_var_type(&w->em),
            (long long)w->c->extent[GEMM_K]);
  product_variables(w, &out, GEMM_K, "k");
  sb_printf(&out, "%s}\ntotal = (float)again;\n}\n", term.s);
  if (w->c->may_be_empty) print_some(w, &out);
  sb_free(&term);
  return product_take(w, &out);
}
