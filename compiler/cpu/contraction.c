/* SPDX-License-Identifier: MIT */
/* Contraction kernels: what stands inside the template's loops. Operands become
 * plain reads where they can, else text that packing evaluates; the members of
 * the group become the epilogue: statements a row, statements an element. */
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/gemm_write.h"
#include "compiler/ir/linear.h"

#include <string.h>

enum { TOP, ROW, ELEMENT };
enum { ROW_MAX = 16384 }; /* columns of a row that waits on the stack */

typedef struct Writer {
  Emit em;
  Plan *p;
  Group *g;
  Node *n;
  Contraction *c;
  const char *load_head[2], *load_value[2]; /* statements, expression; of runs: no expression */
  const char *again, *some;
  const char *epilogue_row, *epilogue;
  StrBuf epilogue_after;
  const char *prologue;
  GemmPlan *plan;
} Writer;

/* ---- operands ------------------------------------------------------------------------- */

/* The place with all variables 0, as a C expression. */
static const char *affine_base(Writer *w, const Linear *lin, const char *pointer) {
  Emit *em = &w->em;
  StrBuf base = {0};
  sb_printf(&base, "(%s", pointer);
  for (int i = 0; i < lin->n; i++)
    if (lin->term[i].atom->kind != E_VAR)
      sb_printf(&base, " + %lld * (int64_t)%s", (long long)lin->term[i].coef,
                emit_value(em, lin->term[i].atom, TOP));
  if (lin->constant) sb_printf(&base, " + %lld", (long long)lin->constant);
  sb_putc(&base, ')');
  const char *text = arena_strndup(em->arena, base.s, base.n);
  sb_free(&base);
  return text;
}

/* The variables that were named since the last time, by axis. */
static GemmVars named(Writer *w) {
  GemmVars vars = {{0}};
  for (int k = 0; k < GEMM_AXES; k++)
    for (int v = 0; v < w->c->nvars[k]; v++)
      if (w->em.used_vars >> w->c->var[k][v] & 1) vars.of[k] |= 1u << v;
  w->em.used_vars = 0;
  return vars;
}

/* Where a run of an operand begins that has such ones, or that it is of zeros. */
static void write_run(Writer *w, GemmSide side, const GemmOperand *out) {
  Emit *em = &w->em;
  StrBuf *text = &em->level[ELEMENT].text;
  OperandRun run;
  if (!operand_run(w->p, w->n, w->c, side, operand_along(w->c, side, out->along_k), &run))
    bug("an operand in runs has none");
  const char *type = out->half ? "uint16_t" : "float",
             *pointer = emit_pointer(em, run.read->node, false);
  const char *where = run.where ? emit_value(em, run.where, ELEMENT) : NULL;
  if (where) {
    sb_printf(text, "const %s *source = 0;\nif (%s) {\n", type, where);
    emit_open(em, ELEMENT + 1);
  }
  int level = where ? ELEMENT + 1 : ELEMENT;
  const char *at = emit_value(em, emit_position(em, run.read->node, run.read->args), level);
  if (where) {
    StrBuf *inside = &em->level[level].text;
    if (inside->n) sb_write(text, inside->s, inside->n);
    sb_printf(text, "source = %s + (%s);\n}\n", pointer, at);
  } else {
    sb_printf(text, "const %s *const source = %s + (%s);\n", type, pointer, at);
  }
  w->load_head[side] = arena_strndup(em->arena, text->s, text->n);
  w->plan->load_vars[side] = named(w);
}

/* The text of an operand whose geometry is known: where it begins, or how it is evaluated. */
static void write_operand(Writer *w, GemmSide side, GemmOperand *out) {
  Emit *em = &w->em;
  Expr *e = w->c->operand[side], *where = w->c->where[side];
  if (out->plain) {
    Linear lin;
    if (!product_place(w->p, w->n, e->node, e->args, &lin)) bug("a plain operand has no place");
    out->base = affine_base(w, &lin, emit_pointer(em, e->node, false));
    return;
  }
  if (out->moves.n) {
    GemmMoves moves;
    Expr *read;
    Linear lin;
    if (!(out->turned ? product_turned : product_moves)(w->p, w->n, w->c, &moves, &read, &lin))
      bug("a moved operand is none");
    out->base = affine_base(w, &lin, emit_pointer(em, read->node, false));
  }
  emit_open(em, ELEMENT);
  if (out->runs) {
    write_run(w, side, out);
    return;
  }
  const char *value = emit_value(em, e, ELEMENT);
  if (where)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, where, ELEMENT), value);
  StrBuf *text = &em->level[ELEMENT].text;
  w->load_head[side] = text->n ? arena_strndup(em->arena, text->s, text->n) : "";
  w->load_value[side] = value;
  w->plan->load_vars[side] = named(w);
}

/* A term of the sum as it is meant: added where its conditions hold. */
static void write_again(Writer *w) {
  Emit *em = &w->em;
  const Contraction *c = w->c;
  const char *value[2];
  Expr *where = NULL;
  em->used_vars = 0;
  for (int side = 0; side < 2; side++)
    if (c->where[side]) where = where ? ex2(w->p->g, P_and, where, c->where[side]) : c->where[side];
  emit_open(em, ELEMENT);
  const char *condition = emit_value(em, where, ELEMENT);
  emit_open(em, ELEMENT + 1);
  for (int side = 0; side < 2; side++) value[side] = emit_value(em, c->operand[side], ELEMENT + 1);
  const StrBuf *before = &em->level[ELEMENT].text, *inside = &em->level[ELEMENT + 1].text;
  w->again = arena_printf(em->arena, "%sif (%s) {\n%stotal += (double)%s * (double)%s;\n}\n",
                          before->n ? before->s : "", condition, inside->n ? inside->s : "",
                          value[0], value[1]);
  w->plan->again_vars = named(w);
}

static void write_some(Writer *w) {
  Emit *em = &w->em;
  em->used_vars = 0;
  emit_open(em, ELEMENT);
  const char *condition = emit_value(em, w->c->where[GEMM_A], ELEMENT);
  const StrBuf *before = &em->level[ELEMENT].text;
  w->some = arena_printf(em->arena, "%ssome = %s;\n", before->n ? before->s : "", condition);
  w->plan->some_vars = named(w);
}

/* ---- the epilogue ------------------------------------------------------------------------ */

/* A place that every element of the product has of its own, in memory that is
 * not near already, is worth fetching while the product is summed. */
static void add_ahead(Writer *w, Node *node, Expr *const *index, bool write) {
  GemmPlan *plan = w->plan;
  Linear lin;
  if (plan->naheads == GEMM_AHEADS || ir_count(node) < ir_count(w->n) ||
      !product_place(w->p, w->n, node, index, &lin))
    return;
  GemmAhead *a = &plan->ahead[plan->naheads];
  *a = (GemmAhead){.base = affine_base(w, &lin, emit_pointer(&w->em, node, write)),
                   .half = plan_type(w->p, node) == TD_BF16};
  for (int k = 0; k < GEMM_K; k++) product_strides(w->c, &lin, (GemmAxisKind)k, a->stride[k]);
  for (int i = 0; i < plan->naheads; i++)
    if (strcmp(plan->ahead[i].base, a->base) == 0) return;
  plan->naheads++;
}

static void find_ahead(Expr *e, void *ctx) {
  Writer *w = ctx;
  if (e->kind != E_READ) return;
  for (int i = 0; i < w->g->members.n; i++)
    if (w->g->members.at[i].node == e->node) return;
  add_ahead(w, e->node, e->args, false);
}

/* Of batch or m. */
static bool is_row_variable(const Contraction *c, int64_t var) {
  for (int kind = 0; kind < GEMM_N; kind++)
    for (int v = 0; v < c->nvars[kind]; v++)
      if (c->var[kind][v] == var) return true;
  return false;
}

/* The store of a member's element. Numbers in bf16 that lie side by side wait as
 * floats until their row ends: a loop that also makes numbers of another size
 * takes twice as many at once as there are registers for. `only_sum`: the sum itself is all that is
 * stored, and waits where it was summed. */
static void write_store(Writer *w, const Member *m, Expr *const *index, const char *name,
                        bool only_sum) {
  Emit *em = &w->em;
  StrBuf *text = &em->level[ELEMENT].text;
  Linear lin;
  int64_t stride[IR_MAX_VARS] = {0}, by_column;
  bool narrow =
      plan_type(w->p, m->node) == TD_BF16 && product_place(w->p, w->n, m->node, index, &lin);
  if (narrow) product_strides(w->c, &lin, GEMM_N, stride);
  narrow = narrow && w->c->extent[GEMM_N] <= ROW_MAX;
  if (!narrow || !gemm_flat_stride(&w->plan->axis[GEMM_N], stride, &by_column) || by_column != 1) {
    sb_puts(text, emit_store(em, m->node, emit_element(em, m->node, index, ELEMENT, true), name));
    return;
  }
  const char *row = "finished";
  if (only_sum) {
    text->n = 0; /* there is nothing to do for each */
  } else {
    row = emit_name(em, "row");
    sb_printf(&em->level[ROW].text, "float %s[COLUMNS + TD_LANES] __attribute__((aligned(64)));\n",
              row);
    sb_printf(text, "%s[q] = %s;\n", row, name);
  }
  sb_printf(&w->epilogue_after, "td_narrow_run(%s",
            affine_base(w, &lin, emit_pointer(em, m->node, true)));
  for (int i = 0; i < lin.n; i++) {
    const Expr *atom = lin.term[i].atom;
    if (atom->kind != E_VAR || !is_row_variable(w->c, atom->inum)) continue;
    sb_printf(&w->epilogue_after, " + %lld * %s", (long long)lin.term[i].coef,
              emit_var(em, (int)atom->inum));
  }
  sb_printf(&w->epilogue_after, " + column0, %s, columns);\n", row);
}

static void write_member(Writer *w, Member *m, const char *value) {
  Emit *em = &w->em;
  Graph *g = w->p->g;
  Expr *map[IR_MAX_VARS], *element[IR_MAX_RANK];
  for (int v = 0; v < m->node->nvars; v++) map[v] = ex_int(g, 0);
  for (int k = 0; k < w->g->nrows; k++)
    map[m->rowvar[k]] = ex_var(g, w->g->members.at[0].rowvar[k]);
  StrBuf *text = &em->level[ELEMENT].text;
  const bool only_sum = value && w->g->members.n == 1 && strcmp(value, GEMM_SUM) == 0;
  if (!value) {
    Expr *body = ex_subst(g, m->node->body, map, m->node->nvars);
    ex_visit(g, body, find_ahead, w);
    value = emit_value(em, body, ELEMENT);
    if (m->node->guard) {
      const char *guard = emit_value(em, ex_subst(g, m->node->guard, map, m->node->nvars), ELEMENT);
      value = arena_printf(em->arena, "(%s ? %s : %s)", guard, value,
                           emit_zero(&w->em, RED_NONE, m->node->type));
    }
  }
  const char *name = emit_name(em, m->node->name);
  const char *type = m->node->type == TY_REAL  ? "float"
                     : m->node->type == TY_INT ? "int32_t"
                                               : "_Bool";
  sb_printf(text, "const %s %s = %s;\n", type, name, value);
  for (int d = 0; d < m->node->rank; d++) element[d] = map[d];
  emit_define(em, ex_read(g, m->node, element), ELEMENT, name);
  if (m->stored) add_ahead(w, m->node, element, true);
  if (m->stored) write_store(w, m, element, name, only_sum);
}

static const char *level_text(Writer *w, int level) {
  const StrBuf *t = &w->em.level[level].text;
  return t->n ? arena_strndup(w->em.arena, t->s, t->n) : "";
}

static void write_epilogue(Writer *w) {
  Emit *em = &w->em;
  for (int k = 0; k < GEMM_N; k++) /* batch and m: known a row earlier */
    for (int v = 0; v < w->c->nvars[k]; v++) em->var_level[w->c->var[k][v]] = ROW;
  emit_open(em, ROW);
  emit_open(em, ELEMENT);
  em->used_vars = 0; /* what operands named is theirs */
  int64_t stride = 1;
  em->run = (EmitRun){.nvars = w->c->nvars[GEMM_N],
                      .level = ROW,
                      .start = "column0",
                      .count = "columns",
                      .index = "q",
                      .room = "COLUMNS"};
  for (int v = w->c->nvars[GEMM_N] - 1; v >= 0; v--) {
    em->run.var[v] = w->c->var[GEMM_N][v];
    em->run.stride[v] = stride;
    stride *= w->n->extent[w->c->var[GEMM_N][v]];
  }
  for (int i = 0; i < w->g->members.n; i++)
    write_member(w, &w->g->members.at[i],
                 i == 0 ? emit_finished(&w->em, w->c, ELEMENT, GEMM_SUM) : NULL);
  w->epilogue_row = level_text(w, ROW);
  w->epilogue = level_text(w, ELEMENT);
  w->plan->epilogue_vars = named(w);
}

/* ---- windows -------------------------------------------------------------------------- */

static void write_window(Writer *w, const ProductBand *band, GemmWindow *out) {
  Emit *em = &w->em;
  if (!band->any) return;
  emit_open(em, ELEMENT);
  em->used_vars = 0;
  for (int i = 0; i < band->flat.n; i++) {
    const BandWindow *b = &band->flat.at[i];
    out->from[i] = b->lo ? emit_value(em, b->lo, ELEMENT) : "0";
    out->to[i] = b->hi ? emit_value(em, b->hi, ELEMENT)
                       : arena_printf(em->arena, "%lld", (long long)band->extent);
  }
  const StrBuf *text = &em->level[ELEMENT].text;
  out->head = text->n ? arena_strndup(em->arena, text->s, text->n) : "";
  out->vars = named(w);
}

static void write_windows(Writer *w) {
  const ProductBands bands = product_bands(w->p, w->g);
  for (int side = 0; side < 2; side++) write_window(w, &bands.k[side], &w->plan->k_of[side]);
  write_window(w, &bands.columns, &w->plan->columns_of_row);
}

/* ---- callbacks: the text is ready ---------------------------------------------------------- */

static void put_prologue(StrBuf *out, void *ctx) { sb_puts(out, ((Writer *)ctx)->prologue); }

static void put_load(StrBuf *out, void *ctx, GemmSide side, const char *into) {
  const Writer *w = ctx;
  sb_printf(out, "%s%s = %s;\n", w->load_head[side], into, w->load_value[side]);
}

static void put_load_run(StrBuf *out, void *ctx, GemmSide side) {
  sb_puts(out, ((const Writer *)ctx)->load_head[side]);
}

static void put_again(StrBuf *out, void *ctx) { sb_puts(out, ((const Writer *)ctx)->again); }

static void put_some(StrBuf *out, void *ctx) { sb_puts(out, ((const Writer *)ctx)->some); }

static void put_epilogue(StrBuf *out, void *ctx) { sb_puts(out, ((Writer *)ctx)->epilogue); }

static void put_epilogue_row(StrBuf *out, void *ctx) {
  sb_puts(out, ((Writer *)ctx)->epilogue_row);
}

static void put_epilogue_after(StrBuf *out, void *ctx) {
  const StrBuf *text = &((Writer *)ctx)->epilogue_after;
  if (text->n) sb_write(out, text->s, text->n);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void begin(Writer *w, Plan *p, Group *g, GemmPlan *plan) {
  Emit *em = &w->em;
  *w = (Writer){.p = p, .g = g, .n = g->members.at[0].node, .c = g->contraction, .plan = plan};
  product_geometry(p, g, plan);
  plan->ctx = w;
  plan->prologue = put_prologue;
  plan->load = put_load;
  plan->load_run = put_load_run;
  plan->again = put_again;
  plan->some = put_some;
  plan->epilogue = put_epilogue;
  plan->epilogue_row = put_epilogue_row;
  plan->epilogue_after = put_epilogue_after;
  emit_begin(em, p, g);
  em->row_level = ELEMENT;
  em->next_name = 1;
  em->nvars = w->n->nvars;
  for (int v = 0; v < em->nvars; v++) {
    em->var[v] = emit_name(em, v >= w->n->rank ? "r" : w->n->axis[v] ? w->n->axis[v] : "i");
    em->extent[v] = w->n->extent[v];
    em->var_level[v] = ELEMENT;
  }
  for (int k = 0; k < GEMM_AXES; k++)
    for (int v = 0; v < w->c->nvars[k]; v++) plan->axis[k].var[v] = em->var[w->c->var[k][v]];
}

static void finish(Writer *w, TdKernel *k, const char **note,
                   void (*write)(StrBuf *out, GemmPlan *plan)) {
  Emit *em = &w->em;
  Plan *p = w->p;
  StrBuf head = {0}, out = {0}, line = {0};
  emit_prologue(em, &head);
  sb_puts(&head, level_text(w, TOP));
  w->prologue = arena_strndup(p->arena, head.s ? head.s : "", head.n);
  w->plan->note = &line;
  write(&out, w->plan);
  *note = arena_strndup(p->arena, line.s, line.n);
  k->source = arena_strndup(p->arena, out.s, out.n);
  k->split = w->plan->split != 0;
  sb_free(&head);
  sb_free(&line);
  sb_free(&out);
  sb_free(&w->epilogue_after);
  emit_end(em);
}

/* Where B lies packed, for this iteration. */
static const char *packed_place(Writer *w, bool writes) {
  Emit *em = &w->em;
  const Packed *packed = w->g->packed;
  const char *at = emit_buffer(em, packed->buffer, "float", writes),
             *type = w->plan->narrow ? "uint16_t" : "float";
  for (int i = 0; i < packed->nloops; i++) {
    int slot = plan_depth(packed->loops[i]->node->region);
    int64_t step = packed->count;
    for (int k = i + 1; k < packed->nloops; k++) step *= packed->loops[k]->count;
    em->uses_counters |= 1u << slot;
    at = arena_printf(em->arena, "%s + %lld * ix%d", at, (long long)step, slot);
  }
  return arena_printf(em->arena, "((%s%s *)(%s))", writes ? "" : "const ", type, at);
}

void emit_contraction(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w;
  GemmPlan plan;
  begin(&w, p, g, &plan);
  write_operand(&w, GEMM_A, &plan.operand[GEMM_A]);
  if (g->packed)
    plan.packed = packed_place(&w, false);
  else
    write_operand(&w, GEMM_B, &plan.operand[GEMM_B]);
  if (plan.leaves_out) write_again(&w);
  if (plan.may_be_empty) write_some(&w);
  write_windows(&w);
  if (plan.plain_output)
    plan.output = emit_pointer(&w.em, w.n, true);
  else
    write_epilogue(&w);
  finish(&w, k, note, contract_emit);
}

void emit_packing(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w;
  GemmPlan plan;
  begin(&w, p, g, &plan);
  write_operand(&w, GEMM_B, &plan.operand[GEMM_B]);
  plan.packed = packed_place(&w, true);
  plan.columns = g->packed->columns;
  plan.depth = g->packed->depth;
  finish(&w, k, note, contract_pack);
}
