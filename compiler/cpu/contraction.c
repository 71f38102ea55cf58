/* SPDX-License-Identifier: MIT */
/* Contraction kernels: what stands inside the template's loops. Operands become
 * plain reads where they can, else text that packing evaluates; the members of
 * the group become the epilogue: statements a row, statements an element. */
#include "compiler/plan/contract.h"
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
  const char *load_head[2], *load_value[2]; /* statements, expression */
  const char *epilogue_row, *epilogue;      /* `SUM` stands for the sum */
  StrBuf epilogue_after;
  const char *prologue;
  GemmPlan *plan;
} Writer;

#define SUM "sum_0" /* never an emitted name: those count from 1 here */

/* ---- operands ------------------------------------------------------------------------- */

typedef struct Direction {
  Writer *w;
  int k, outer;
  int64_t along_k, along_outer;
  bool expensive;
} Direction;

static void weigh(Expr *e, void *ctx) {
  Direction *d = ctx;
  if (e->kind == E_PRIM) {
    PrimSig s = prim_info(e->prim)->sig;
    if ((s == SIG_REAL && e->prim != P_floor && e->prim != P_round) || s == SIG_DRAW)
      d->expensive = true;
  }
  if (e->kind != E_READ) return;
  int64_t stride = 1, by_k = 0, by_outer = 0;
  for (int i = e->node->rank - 1; i >= 0; i--) {
    Affine a;
    if (ex_affine(d->w->p->g, e->args[i], &a)) {
      by_k += d->k < 0 ? 0 : a.coef[d->k] * stride;
      by_outer += d->outer < 0 ? 0 : a.coef[d->outer] * stride;
    }
    stride *= e->node->shape[i];
  }
  int64_t count = ir_count(e->node);
  if (by_k == 1) d->along_k += count;
  if (by_outer == 1) d->along_outer += count;
}

/* Where a read of a real that is always in bounds lies, as a sum of atoms of which
 * only variables vary. */
static bool affine_place(Writer *w, const Node *node, Expr *const *index, Linear *lin) {
  Emit *em = &w->em;
  if (node->type != TY_REAL) return false;
  linear_init(lin);
  int64_t stride = 1;
  for (int d = node->rank - 1; d >= 0; d--) {
    int64_t lo, hi;
    if (!ex_interval(w->p->g, index[d], em->extent, em->nvars, &lo, &hi) || lo < 0 ||
        hi >= node->shape[d])
      return false;
    if (!linear_add(lin, index[d], stride)) return false;
    stride *= node->shape[d];
  }
  for (int i = 0; i < lin->n; i++)
    if (lin->term[i].atom->kind != E_VAR && lin->term[i].atom->vars) return false;
  return true;
}

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

/* The place's strides by the variables of one axis. */
static void affine_strides(const Writer *w, const Linear *lin, GemmAxisKind kind, int64_t *stride) {
  for (int v = 0; v < w->c->nvars[kind]; v++)
    for (int i = 0; i < lin->n; i++)
      if (lin->term[i].atom->kind == E_VAR && lin->term[i].atom->inum == w->c->var[kind][v])
        stride[v] = lin->term[i].coef;
}

/* One read of a real at an affine place that is always in bounds. */
static bool plain_operand(Writer *w, Expr *e, const Expr *where, GemmSide side, GemmOperand *out) {
  Linear lin;
  if (where || e->kind != E_READ || !affine_place(w, e->node, e->args, &lin)) return false;
  out->base = affine_base(w, &lin, emit_pointer(&w->em, e->node, false));
  affine_strides(w, &lin, GEMM_BATCH, out->stride_batch);
  affine_strides(w, &lin, side == GEMM_A ? GEMM_M : GEMM_N, out->stride_outer);
  affine_strides(w, &lin, GEMM_K, out->stride_k);
  out->plain = true;
  out->half = plan_type(w->p, e->node) == TD_BF16;
  return true;
}

static int last_var(const Contraction *c, GemmAxisKind kind) {
  return c->nvars[kind] ? c->var[kind][c->nvars[kind] - 1] : -1;
}

static void write_operand(Writer *w, GemmSide side, GemmOperand *out) {
  Emit *em = &w->em;
  Expr *e = w->c->operand[side], *where = w->c->where[side];
  if (plain_operand(w, e, where, side, out)) return;
  Direction d = {.w = w,
                 .k = last_var(w->c, GEMM_K),
                 .outer = last_var(w->c, side == GEMM_A ? GEMM_M : GEMM_N)};
  ex_visit(w->p->g, e, weigh, &d);
  out->along_k = d.along_k >= d.along_outer;
  out->expensive = d.expensive;
  emit_open(em, ELEMENT);
  const char *value = emit_value(em, e, ELEMENT);
  if (where)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, where, ELEMENT), value);
  StrBuf *text = &em->level[ELEMENT].text;
  w->load_head[side] = text->n ? arena_strndup(em->arena, text->s, text->n) : "";
  w->load_value[side] = value;
}

/* ---- the epilogue ------------------------------------------------------------------------ */

/* A place that every element of the product has of its own, in memory that is
 * not near already, is worth fetching while the product is summed. */
static void add_ahead(Writer *w, Node *node, Expr *const *index, bool write) {
  GemmPlan *plan = w->plan;
  Linear lin;
  if (plan->naheads == GEMM_AHEADS || ir_count(node) < ir_count(w->n) ||
      !affine_place(w, node, index, &lin))
    return;
  GemmAhead *a = &plan->ahead[plan->naheads];
  *a = (GemmAhead){.base = affine_base(w, &lin, emit_pointer(&w->em, node, write)),
                   .half = plan_type(w->p, node) == TD_BF16};
  for (int k = 0; k < GEMM_K; k++) affine_strides(w, &lin, (GemmAxisKind)k, a->stride[k]);
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
 * takes twice as many at once as there are registers for. */
static void write_store(Writer *w, const Member *m, Expr *const *index, const char *name) {
  Emit *em = &w->em;
  StrBuf *text = &em->level[ELEMENT].text;
  Linear lin;
  int64_t stride[IR_MAX_VARS] = {0}, by_column;
  bool narrow = plan_type(w->p, m->node) == TD_BF16 && affine_place(w, m->node, index, &lin);
  if (narrow) affine_strides(w, &lin, GEMM_N, stride);
  narrow = narrow && w->c->extent[GEMM_N] <= ROW_MAX;
  if (!narrow || !gemm_flat_stride(&w->plan->axis[GEMM_N], stride, &by_column) || by_column != 1) {
    sb_puts(text, emit_store(em, m->node, emit_element(em, m->node, index, ELEMENT, true), name));
    return;
  }
  const char *row = emit_name(em, "row");
  sb_printf(&em->level[ROW].text, "float %s[COLUMNS + TD_LANES] __attribute__((aligned(64)));\n",
            row);
  sb_printf(text, "%s[q] = %s;\n", row, name);
  em->parts |= PRELUDE_NARROW;
  sb_printf(&w->epilogue_after, "td_narrow_run(%s",
            affine_base(w, &lin, emit_pointer(em, m->node, true)));
  for (int i = 0; i < lin.n; i++) {
    const Expr *atom = lin.term[i].atom;
    if (atom->kind != E_VAR || !is_row_variable(w->c, atom->inum)) continue;
    sb_printf(&w->epilogue_after, " + %lld * %s", (long long)lin.term[i].coef, em->var[atom->inum]);
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
  if (!value) {
    Expr *body = ex_subst(g, m->node->body, map, m->node->nvars);
    ex_visit(g, body, find_ahead, w);
    value = emit_value(em, body, ELEMENT);
    if (m->node->guard) {
      const char *guard = emit_value(em, ex_subst(g, m->node->guard, map, m->node->nvars), ELEMENT);
      value = arena_printf(em->arena, "(%s ? %s : %s)", guard, value,
                           emit_zero(RED_NONE, m->node->type));
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
  if (m->stored) write_store(w, m, element, name);
}

static const char *finished_sum(Writer *w) {
  Emit *em = &w->em;
  const char *value = SUM;
  if (w->c->factor)
    value = arena_printf(em->arena, "(%s * %s)", value, emit_value(em, w->c->factor, ELEMENT));
  if (w->c->condition)
    value = arena_printf(em->arena, "(%s ? %s : 0.0f)", emit_value(em, w->c->condition, ELEMENT),
                         value);
  return value;
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
    write_member(w, &w->g->members.at[i], i == 0 ? finished_sum(w) : NULL);
  w->epilogue_row = level_text(w, ROW);
  w->epilogue = level_text(w, ELEMENT);
}

static void plain_output(Writer *w, GemmPlan *plan) {
  if (w->g->members.n != 1 || w->c->factor || w->c->condition || plan_type(w->p, w->n) != TD_F32)
    return;
  plan->plain_output = true;
  plan->output = emit_pointer(&w->em, w->n, true);
  int64_t stride = 1, by_var[IR_MAX_VARS] = {0};
  for (int d = w->n->rank - 1; d >= 0; d--) {
    by_var[d] = stride;
    stride *= w->n->shape[d];
  }
  for (int k = 0; k < GEMM_K; k++)
    for (int v = 0; v < w->c->nvars[k]; v++) plan->stride_output[k][v] = by_var[w->c->var[k][v]];
}

/* ---- callbacks: the text is ready ---------------------------------------------------------- */

static void put_prologue(StrBuf *out, void *ctx) { sb_puts(out, ((Writer *)ctx)->prologue); }

static void put_load(StrBuf *out, void *ctx, GemmSide side, const char *into) {
  const Writer *w = ctx;
  sb_printf(out, "%s%s = %s;\n", w->load_head[side], into, w->load_value[side]);
}

static void put_epilogue(StrBuf *out, void *ctx, const char *sum) {
  const Writer *w = ctx;
  const char *at = w->epilogue, *next;
  while ((next = strstr(at, SUM)) != NULL) {
    sb_write(out, at, (size_t)(next - at));
    sb_puts(out, sum);
    at = next + strlen(SUM);
  }
  sb_puts(out, at);
}

static void put_epilogue_row(StrBuf *out, void *ctx) {
  sb_puts(out, ((Writer *)ctx)->epilogue_row);
}

static void put_epilogue_after(StrBuf *out, void *ctx) {
  const StrBuf *text = &((Writer *)ctx)->epilogue_after;
  if (text->n) sb_write(out, text->s, text->n);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void set_axes(Writer *w, GemmPlan *plan) {
  for (int k = 0; k < GEMM_AXES; k++) {
    plan->axis[k].nvars = w->c->nvars[k];
    for (int v = 0; v < w->c->nvars[k]; v++) {
      plan->axis[k].var[v] = w->em.var[w->c->var[k][v]];
      plan->axis[k].extent[v] = w->n->extent[w->c->var[k][v]];
    }
  }
}

static double count_flops(Writer *w) {
  double out = (double)ir_count(w->n), sum = 2 * out * (double)w->c->extent[GEMM_K];
  for (int i = 1; i < w->g->members.n; i++)
    sum += out * emit_flops(w->p->g, w->g->members.at[i].node->body);
  return sum;
}

static void begin(Writer *w, Plan *p, Group *g, GemmPlan *plan) {
  Emit *em = &w->em;
  *w = (Writer){.p = p, .g = g, .n = g->members.at[0].node, .c = g->contraction, .plan = plan};
  *plan = (GemmPlan){.name = "kernel",
                     .ctx = w,
                     .prologue = put_prologue,
                     .load = put_load,
                     .epilogue = put_epilogue,
                     .epilogue_row = put_epilogue_row,
                     .epilogue_after = put_epilogue_after,
                     .narrow = p->be->act == TD_BF16};
  emit_begin(em, p, g);
  em->row_level = ELEMENT;
  em->next_name = 1;
  em->nvars = w->n->nvars;
  for (int v = 0; v < em->nvars; v++) {
    em->var[v] = emit_name(em, v >= w->n->rank ? "r" : w->n->axis[v] ? w->n->axis[v] : "i");
    em->extent[v] = w->n->extent[v];
    em->var_level[v] = ELEMENT;
  }
  set_axes(w, plan);
}

/* The template's function without its head, and the line on the blocks above it. */
static void finish(Writer *w, TdKernel *k, const char **note,
                   void (*write)(StrBuf *out, GemmPlan *plan)) {
  Emit *em = &w->em;
  Plan *p = w->p;
  StrBuf head = {0}, out = {0};
  emit_prologue(em, &head);
  sb_puts(&head, level_text(w, TOP));
  w->prologue = arena_strndup(p->arena, head.s ? head.s : "", head.n);
  write(&out, w->plan);
  const char *body = strstr(out.s, "\n{\n"), *comment = strstr(out.s, "/* "),
             *end = strstr(out.s, " */");
  if (!body || !comment || !end) bug("the template of contractions changed its shape");
  *note = arena_strndup(p->arena, comment + 3, (size_t)(end - comment - 3));
  k->source = arena_strdup(p->arena, body + 1);
  k->launch.cpu.pieces = w->plan->pieces;
  k->launch.cpu.scratch = w->plan->scratch;
  k->parts = em->parts | (w->plan->narrow ? PRELUDE_NARROW : PRELUDE_TILES);
  sb_free(&head);
  sb_free(&out);
  sb_free(&w->epilogue_after);
  emit_arguments(em);
  emit_end(em);
}

/* Where B lies packed, for this iteration. */
static const char *packed_place(Writer *w, bool writes) {
  Emit *em = &w->em;
  const Group *g = w->g;
  const char *at = emit_buffer(em, g->packed - 1, "float", writes),
             *type = w->plan->narrow ? "uint16_t" : "float";
  for (int i = 0; i < g->npacked_for; i++) {
    int slot = plan_depth(g->packed_for[i]->node->region);
    int64_t step = g->packed_count;
    for (int k = i + 1; k < g->npacked_for; k++) step *= g->packed_for[k]->count;
    em->uses_counters |= 1u << slot;
    at = arena_printf(em->arena, "%s + %lld * ix%d", at, (long long)step, slot);
  }
  return arena_printf(em->arena, "((%s%s *)(%s))", writes ? "" : "const ", type, at);
}

/* How B lies is known even where it is read packed; then nothing of it is an argument. */
static void write_operands(Writer *w) {
  Emit *em = &w->em;
  write_operand(w, GEMM_A, &w->plan->operand[GEMM_A]);
  int pointers = em->pointers.n, args = em->args.n;
  write_operand(w, GEMM_B, &w->plan->operand[GEMM_B]);
  if (!w->g->packed) return;
  em->pointers.n = pointers;
  em->args.n = em->arg_writes.n = args;
  w->plan->packed = packed_place(w, false);
}

static void write_product(Writer *w, GemmPlan *plan, Plan *p, Group *g, TdKernel *k,
                          const char **note) {
  begin(w, p, g, plan);
  write_operands(w);
  plain_output(w, plan);
  if (!plan->plain_output) write_epilogue(w);
  k->flops = count_flops(w);
  finish(w, k, note, contract_emit);
}

void emit_contraction(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w;
  GemmPlan plan;
  write_product(&w, &plan, p, g, k, note);
}

/* ---- operand B packed beforehand ------------------------------------------------------------- */

typedef struct Invariance {
  Plan *p;
  const Group *g;
  bool fails;
} Invariance;

/* Does it follow from what the loop is given? */
static void check_invariant(Expr *e, void *ctx) {
  Invariance *x = ctx;
  if (e->kind == E_LOOPVAR && e->loop == x->g->region->loop) x->fails = true;
  if (e->kind == E_READ && !ir_visible(x->g->region->parent, e->node)) x->fails = true;
}

/* Or from states that the entry leaves as they are? */
static void check_lasting(Expr *e, void *ctx) {
  Invariance *x = ctx;
  if (e->kind != E_READ) return;
  const Node *n = e->node;
  while (n->kind == N_VIEW) n = n->base;
  x->fails = x->fails || n->kind != N_STATE;
  for (int i = 0; i < x->p->g->updates.n; i++)
    x->fails = x->fails || x->p->g->updates.at[i].state == n;
}

static bool may_pack(Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  if (!p->be->options.in_place || g->kind != GROUP_CONTRACTION || g->packed) return false;
  return !c->where[GEMM_B] && c->operand[GEMM_B]->kind == E_READ &&
         c->operand[GEMM_B]->node->type == TY_REAL;
}

/* Loops around g whose counters B is read with. */
static void list_loops(Plan *p, Group *g) {
  g->npacked_for = 0;
  for (const Region *r = g->region; r->loop; r = r->parent) {
    if (!ex_has_loopvar(p->g, g->contraction->operand[GEMM_B], r->loop)) continue;
    memmove(g->packed_for + 1, g->packed_for, (size_t)g->npacked_for * sizeof *g->packed_for);
    g->packed_for[0] = r->loop;
    g->npacked_for++;
  }
}

/* See how the kernel cuts B, and make the buffer. */
static bool make_packed(Plan *p, Group *g, TdBufferKind kind) {
  Writer w;
  GemmPlan plan;
  TdKernel ignored = {0};
  const char *note;
  write_product(&w, &plan, p, g, &ignored, &note);
  if (!plan.operand[GEMM_B].plain) return false;
  int64_t count = plan.narrow ? (plan.packed_count + 1) / 2 : plan.packed_count;
  g->packed_count = count;
  for (int i = 0; i < g->npacked_for; i++)
    if (!mul_fits(count, g->packed_for[i]->count, &count) || count > INT32_MAX) return false;
  g->packed_columns = plan.columns;
  g->packed_depth = plan.depth;
  const char *name =
      arena_printf(p->arena, "packed %s", g->contraction->operand[GEMM_B]->node->name);
  g->packed = 1 + plan_buffer(p, kind, name, TY_REAL, 1, &count);
  return true;
}

bool contraction_packs(Plan *p, Group *g) {
  Invariance x = {.p = p, .g = g};
  if (!may_pack(p, g) || !g->region->loop || g->region->loop->count < 2) return false;
  ex_visit(p->g, g->contraction->operand[GEMM_B], check_invariant, &x);
  g->npacked_for = 0;
  return !x.fails && make_packed(p, g, TD_TEMP);
}

/* Packing an element of B takes as long as multiplying it with a dozen rows in f32
 * and 150 in bf16: with many more rows the memory is not worth it. */
static bool few_rows(Plan *p, const Contraction *c) {
  enum { FEW = 128, FEW_NARROW = 1024 };
  return c->extent[GEMM_M] <= (p->be->act == TD_BF16 ? FEW_NARROW : FEW);
}

bool contraction_keeps(Plan *p, Group *g) {
  Invariance x = {.p = p, .g = g};
  if (!may_pack(p, g) || !few_rows(p, g->contraction)) return false;
  ex_visit(p->g, g->contraction->operand[GEMM_B], check_lasting, &x);
  if (x.fails) return false;
  list_loops(p, g);
  return make_packed(p, g, TD_KEPT);
}

void emit_packing(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w;
  GemmPlan plan;
  begin(&w, p, g, &plan);
  write_operand(&w, GEMM_B, &plan.operand[GEMM_B]);
  plan.packed = packed_place(&w, true);
  plan.columns = g->packed_columns;
  plan.depth = g->packed_depth;
  finish(&w, k, note, contract_pack);
  k->bytes = 4.0 * (double)ir_count(w.c->operand[GEMM_B]->node) +
             (plan.narrow ? 2.0 : 4.0) * (double)plan.packed_count;
}
