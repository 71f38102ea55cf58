/* SPDX-License-Identifier: MIT */
/* What a product does with its sums: the members of the group, in order, at one element of the
 * result, or at four neighbours of a row, whose reads and stores go 8 or 16 bytes at a time where
 * they lie side by side. */
#include "compiler/cuda/product.h"

enum { ELEMENT = PRODUCT_ELEMENT };
enum { FOUR = 4, READS_MOST = 4 /* which take four registers each */ };

typedef struct Four {
  ProductWriter *w;
  Expr *read[READS_MOST];
  const char *name[READS_MOST];
  int n;
} Four;

/* An expression of a member in the variables of the product's node. */
static Expr *of_member(ProductWriter *w, const Member *m, Expr *e) {
  Expr *map[IR_MAX_VARS];
  for (int v = 0; v < m->node->nvars; v++) map[v] = ex_int(w->p->g, 0);
  for (int k = 0; k < w->g->nrows; k++)
    map[m->rowvar[k]] = ex_var(w->p->g, w->g->members.at[0].rowvar[k]);
  return ex_subst(w->p->g, e, map, m->node->nvars);
}

/* Which of its elements a member is. */
static void element_of(ProductWriter *w, const Member *m, Expr **out) {
  for (int d = 0; d < m->node->rank; d++) out[d] = ex_int(w->p->g, 0);
  for (int k = 0; k < w->g->nrows; k++)
    if (m->rowvar[k] < m->node->rank)
      out[m->rowvar[k]] = ex_var(w->p->g, w->g->members.at[0].rowvar[k]);
}

static bool is_side_by_side(ProductWriter *w, const Node *n, Expr *const *index) {
  return n->type == TY_REAL && product_aligned(w->p, w->g, n, index, GEMM_N, FOUR, FOUR);
}

static bool stores_four(ProductWriter *w, const Member *m) {
  Expr *element[IR_MAX_RANK];
  element_of(w, m, element);
  return m->stored && is_side_by_side(w, m->node, element);
}

/* The values of a member are named; those that go out by fours are kept in NAME_all until the
 * last one is there. */
static void write_member(ProductWriter *w, int i, bool four, StrBuf *before) {
  Emit *em = &w->em;
  const Member *m = &w->g->members.at[i];
  Expr *element[IR_MAX_RANK];
  const char *value;
  if (i == 0) {
    value = emit_finished(&w->em, w->c, ELEMENT, "total");
  } else {
    value = emit_value(em, of_member(w, m, m->node->body), ELEMENT);
    if (m->node->guard) {
      const char *guard = emit_value(em, of_member(w, m, m->node->guard), ELEMENT);
      value = arena_printf(em->arena, "(%s ? %s : %s)", guard, value,
                           emit_zero(em, RED_NONE, m->node->type));
    }
  }
  const char *name = emit_name(em, m->node->name);
  StrBuf *text = &em->level[ELEMENT].text;
  sb_printf(text, "const %s %s = %s;\n", em->dialect->value[m->node->type], name, value);
  element_of(w, m, element);
  emit_define(em, ex_read(w->p->g, m->node, element), ELEMENT, name);
  if (!m->stored) return;
  const char *at = emit_element(em, m->node, element, ELEMENT, true);
  if (!four || !stores_four(w, m)) {
    sb_puts(text, emit_store(em, m->node, at, name));
    return;
  }
  bool half = plan_type(w->p, m->node) == TD_BF16;
  sb_printf(before, "td_quad %s_all;\n", name);
  sb_printf(text, "%s_all.at[e] = %s;\nif (e == %d) ", name, name, FOUR - 1);
  sb_printf(text,
            half ? "*(uint64_t *)(&%s - %d) = td_narrow_quad(%s_all);\n"
                 : "*(td_quad *)(&%s - %d) = %s_all;\n",
            at, FOUR - 1, name);
}

static void print_variables(ProductWriter *w, StrBuf *out) {
  product_variables(w, out, GEMM_BATCH, "batch");
  product_variables(w, out, GEMM_M, "m");
  product_variables(w, out, GEMM_N, "n");
  if (w->em.level[ELEMENT].text.n) sb_puts(out, w->em.level[ELEMENT].text.s);
}

const char *product_results(ProductWriter *w) {
  StrBuf out = {0};
  emit_open(&w->em, ELEMENT);
  w->em.used_vars = 0;
  for (int i = 0; i < w->g->members.n; i++) write_member(w, i, false, NULL);
  print_variables(w, &out);
  return product_take(w, &out);
}

/* ---- four at a time ----------------------------------------------------------------------- */

/* A read of memory whose four neighbours lie side by side. */
static void find_read(Expr *e, void *ctx) {
  Four *f = ctx;
  if (e->kind != E_READ || plan_info(f->w->p, e->node)->group == f->w->g) return;
  for (int i = 0; i < f->n; i++)
    if (f->read[i] == e) return;
  if (f->n < READS_MOST && is_side_by_side(f->w, e->node, e->args)) f->read[f->n++] = e;
}

static void find_reads(Four *f) {
  ProductWriter *w = f->w;
  if (w->c->factor) ex_visit(w->p->g, w->c->factor, find_read, f);
  if (w->c->condition) ex_visit(w->p->g, w->c->condition, find_read, f);
  for (int i = 1; i < w->g->members.n; i++) {
    const Member *m = &w->g->members.at[i];
    ex_visit(w->p->g, of_member(w, m, m->node->body), find_read, f);
    if (m->node->guard) ex_visit(w->p->g, of_member(w, m, m->node->guard), find_read, f);
  }
}

static void print_reads(Four *f, StrBuf *out) {
  Emit *em = &f->w->em;
  for (int i = 0; i < f->n; i++) {
    Expr *e = f->read[i];
    bool half = plan_type(f->w->p, e->node) == TD_BF16;
    f->name[i] = emit_name(em, e->node->name);
    emit_open(em, ELEMENT);
    em->used_vars = 0;
    const char *at = emit_element(em, e->node, e->args, ELEMENT, false);
    sb_printf(out, "td_quad %s;\n{\nconst %s n = n0;\n", f->name[i], emit_var_type(em));
    print_variables(f->w, out);
    sb_printf(out,
              half ? "%s = td_wide_quad(*(const uint64_t *)&%s);\n}\n"
                   : "%s = *(const td_quad *)&%s;\n}\n",
              f->name[i], at);
  }
}

const char *product_results_of_four(ProductWriter *w) {
  Emit *em = &w->em;
  Four f = {.w = w};
  bool any = false;
  for (int i = 0; i < w->g->members.n; i++) any = any || stores_four(w, &w->g->members.at[i]);
  if (!any) return NULL;
  StrBuf out = {0};
  find_reads(&f);
  print_reads(&f, &out);
  const char *total = product_total(w, "totals.at[e]");
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  for (int i = 0; i < f.n; i++)
    emit_define(em, f.read[i], ELEMENT, arena_printf(em->arena, "%s.at[e]", f.name[i]));
  for (int i = 0; i < w->g->members.n; i++) write_member(w, i, true, &out);
  sb_printf(&out, "#pragma unroll\nfor (int e = 0; e < %d; e++) {\n", FOUR);
  sb_printf(&out, "const %s n = n0 + e;\n%s", emit_var_type(em), total);
  print_variables(w, &out);
  sb_puts(&out, "}\n");
  return product_take(w, &out);
}
