/* SPDX-License-Identifier: MIT */
/* Sums of products that are no library's: operands that are computed, conditions, maps on
 * the sums. A block sums a tile of one batch's result, a thread four by four of it:
 *
 *     for depth terms at a time           each thread evaluates some elements of both
 *       operands -> shared memory         operands; beyond the edges they are 0
 *       16 products of each thread's rows and columns
 *     the members of the group, in order, at each element inside                       */
#include "compiler/cuda/cuda.h"
#include "compiler/ir/linear.h"

enum { TOP, ELEMENT };
enum { SERIAL_MOST = 512 }; /* terms added one after another; then blocks of them */

typedef struct Writer {
  Emit em;
  Plan *p;
  Group *g;
  Node *n;
  const Contraction *c;
} Writer;

static const char *take(Writer *w, StrBuf *b) {
  const char *text = b->n ? arena_strndup(w->em.arena, b->s, b->n) : "";
  sb_free(b);
  return text;
}

/* The variables of an axis from the position along it, those that were named. */
static void print_variables(Writer *w, StrBuf *out, GemmAxisKind kind, const char *at) {
  int64_t stride = w->c->extent[kind];
  for (int i = 0; i < w->c->nvars[kind]; i++) {
    int v = w->c->var[kind][i];
    stride /= w->n->extent[v];
    if (!(w->em.used_vars >> v & 1)) continue;
    sb_printf(out, "const long long %s = %s", w->em.var[v], at);
    if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
    if (i > 0) sb_printf(out, " %% %lld", (long long)w->n->extent[v]);
    sb_puts(out, ";\n");
  }
}

/* Is the operand one read whose neighbours along k lie side by side? Then neighbouring
 * threads take neighbouring terms, else neighbouring rows. */
static bool along_terms(Writer *w, GemmSide side) {
  const Contraction *c = w->c;
  Expr *e = c->operand[side];
  int64_t stride[IR_MAX_VARS] = {0};
  Linear lin;
  if (e->kind != E_READ || !product_place(w->p, w->n, e->node, e->args, &lin)) return true;
  product_strides(c, &lin, GEMM_K, stride);
  return c->nvars[GEMM_K] > 0 && stride[c->nvars[GEMM_K] - 1] == 1;
}

/* A block's part of an operand, into shared memory, term by term. */
static const char *operand_text(Writer *w, GemmSide side) {
  Emit *em = &w->em;
  const Contraction *c = w->c;
  GemmAxisKind outer = gemm_outer(side);
  const char *tile = side == GEMM_A ? "left" : "right", *from = side == GEMM_A ? "row0" : "column0";
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  const char *value = emit_value(em, c->operand[side], ELEMENT);
  if (c->where[side])
    value =
        arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, c->where[side], ELEMENT), value);
  StrBuf out = {0};
  bool terms = along_terms(w, side);
  sb_printf(&out, "for (int i = td_thread(); i < %d; i += %d) {\n", CUDA_TILE * CUDA_DEPTH,
            CUDA_BLOCK);
  sb_printf(&out,
            terms ? "const int at = i / %d, term = i %% %d;\n"
                  : "const int at = i %% %d, term = i / %d;\n",
            terms ? CUDA_DEPTH : CUDA_TILE, terms ? CUDA_DEPTH : CUDA_TILE);
  sb_printf(&out, "const long long outer = %s + at, k = k0 + term;\nfloat value = 0.0f;\n", from);
  sb_printf(&out, "if (outer < %lld && k < %lld) {\n", (long long)c->extent[outer],
            (long long)c->extent[GEMM_K]);
  print_variables(w, &out, GEMM_BATCH, "batch");
  print_variables(w, &out, outer, "outer");
  print_variables(w, &out, GEMM_K, "k");
  if (em->level[ELEMENT].text.n) sb_puts(&out, em->level[ELEMENT].text.s);
  sb_printf(&out, "value = %s;\n}\n", value);
  sb_printf(&out, "%s[term * %d + at] = value;\n}\n", tile, CUDA_PITCH);
  return take(w, &out);
}

/* ---- what follows the sums ---------------------------------------------------------------- */

static const char *finished_sum(Writer *w) {
  Emit *em = &w->em;
  const char *value = "total";
  if (w->c->factor)
    value = arena_printf(em->arena, "(%s * %s)", value, emit_value(em, w->c->factor, ELEMENT));
  if (w->c->condition)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, w->c->condition, ELEMENT),
                         value);
  return value;
}

static void write_member(Writer *w, int i) {
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

static const char *results_text(Writer *w) {
  Emit *em = &w->em;
  const Contraction *c = w->c;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  for (int i = 0; i < w->g->members.n; i++) write_member(w, i);
  StrBuf out = {0};
  sb_puts(&out, "#pragma unroll\nfor (int i = 0; i < 4; i++)\n#pragma unroll\n"
                "for (int j = 0; j < 4; j++) {\n");
  sb_puts(&out, "const long long m = row0 + down + i, n = column0 + across + j;\n");
  sb_printf(&out, "if (m < %lld && n < %lld) {\nconst float total = sum[i][j];\n",
            (long long)c->extent[GEMM_M], (long long)c->extent[GEMM_N]);
  print_variables(w, &out, GEMM_BATCH, "batch");
  print_variables(w, &out, GEMM_M, "m");
  print_variables(w, &out, GEMM_N, "n");
  if (em->level[ELEMENT].text.n) sb_puts(&out, em->level[ELEMENT].text.s);
  sb_puts(&out, "}\n}\n");
  return take(w, &out);
}

/* ---- the kernel --------------------------------------------------------------------------- */

static void print_place(const Writer *w, StrBuf *out) {
  const Contraction *c = w->c;
  long long rows = (long long)(c->extent[GEMM_M] + CUDA_TILE - 1) / CUDA_TILE;
  long long columns = (long long)(c->extent[GEMM_N] + CUDA_TILE - 1) / CUDA_TILE;
  sb_printf(out, "const long long column0 = td_block() %% %lld * %d;\n", columns, CUDA_TILE);
  sb_printf(out, "const long long row0 = td_block() / %lld %% %lld * %d;\n", columns, rows,
            CUDA_TILE);
  if (c->extent[GEMM_BATCH] > 1)
    sb_printf(out, "const long long batch = td_block() / %lld;\n", columns * rows);
  else
    sb_puts(out, "const long long batch = 0;\n");
  sb_puts(out, "const int down = td_thread() / 16 * 4, across = td_thread() % 16 * 4;\n");
  sb_puts(out, "float *const left = (float *)td_shared_memory();\n");
  sb_printf(out, "float *const right = left + %d;\n", CUDA_DEPTH * CUDA_PITCH);
}

static void print_sums(const Writer *w, StrBuf *out, const char *left, const char *right) {
  bool blocks = w->c->extent[GEMM_K] > SERIAL_MOST;
  const char *into = blocks ? "part" : "sum";
  sb_puts(out, "float sum[4][4] = {{0}};\n");
  if (blocks) sb_puts(out, "float part[4][4] = {{0}};\n");
  sb_printf(out, "for (long long k0 = 0; k0 < %lld; k0 += %d) {\n", (long long)w->c->extent[GEMM_K],
            CUDA_DEPTH);
  sb_printf(out, "%s%std_barrier();\n", left, right);
  sb_printf(out,
            "#pragma unroll\nfor (int term = 0; term < %d; term++)\n#pragma unroll\n"
            "for (int i = 0; i < 4; i++)\n#pragma unroll\nfor (int j = 0; j < 4; j++)\n",
            CUDA_DEPTH);
  sb_printf(out, "%s[i][j] += left[term * %d + down + i] * right[term * %d + across + j];\n", into,
            CUDA_PITCH, CUDA_PITCH);
  sb_puts(out, "td_barrier();\n");
  if (blocks) {
    sb_printf(out, "if ((k0 / %d + 1) %% %d == 0)\n", CUDA_DEPTH, SERIAL_MOST / CUDA_DEPTH);
    sb_puts(out, "for (int i = 0; i < 4; i++)\nfor (int j = 0; j < 4; j++) {\n"
                 "sum[i][j] += part[i][j];\npart[i][j] = 0.0f;\n}\n");
  }
  sb_puts(out, "}\n");
  if (blocks)
    sb_puts(out,
            "for (int i = 0; i < 4; i++)\nfor (int j = 0; j < 4; j++) sum[i][j] += part[i][j];\n");
}

void cuda_emit_product(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w = {.p = p, .g = g, .n = g->members.at[0].node, .c = g->contraction};
  Emit *em = &w.em;
  emit_begin(em, p, g);
  em->row_level = ELEMENT;
  em->nvars = w.n->nvars;
  for (int v = 0; v < w.n->nvars; v++) {
    em->var[v] = emit_name(em, v < w.n->rank && w.n->axis[v] ? w.n->axis[v] : "r");
    em->extent[v] = w.n->extent[v];
    em->var_level[v] = ELEMENT;
  }
  const char *left = operand_text(&w, GEMM_A), *right = operand_text(&w, GEMM_B);
  const char *results = results_text(&w);
  StrBuf out = {0};
  sb_puts(&out, "{\n");
  emit_prologue(em, &out);
  print_place(&w, &out);
  if (em->level[TOP].text.n) sb_puts(&out, em->level[TOP].text.s);
  print_sums(&w, &out, left, right);
  sb_printf(&out, "%s}\n", results);
  k->source = take(&w, &out);
  k->parts = em->parts;
  *note = arena_printf(em->arena, "%lld x %lld x %lld, %lld of them, a block for %d x %d",
                       (long long)w.c->extent[GEMM_M], (long long)w.c->extent[GEMM_N],
                       (long long)w.c->extent[GEMM_K], (long long)w.c->extent[GEMM_BATCH],
                       CUDA_TILE, CUDA_TILE);
  emit_end(em);
}
