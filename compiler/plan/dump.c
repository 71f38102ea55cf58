/* SPDX-License-Identifier: MIT */
/* A plan as text, whole, for tests and for who wonders why: "The plan as text" in
 * compiler/ir/IR.md explains the lines. The same plan gives the same text, and nothing
 * in a line depends on the width of another, so that a difference is where it arose. */
#include "compiler/ir/spelling.h"
#include "compiler/plan/chain.h"
#include "compiler/plan/product.h"

typedef struct Dump {
  Plan *p;
  StrBuf *out;
  const Group *g; /* whose lines are printed */
  int indent;
} Dump;

static void begin_line(const Dump *d, int more) {
  sb_printf(d->out, "%*s", 2 * (d->indent + more), "");
}

static void print_list(StrBuf *out, const int64_t *x, int n) {
  for (int i = 0; i < n; i++) sb_printf(out, "%s%lld", i > 0 ? ", " : "", (long long)x[i]);
}

static void print_number(StrBuf *out, double x) {
  char buf[32];
  if (x < 1e15 && x == (double)(int64_t)x) {
    sb_printf(out, "%lld", (long long)x);
  } else {
    fmt_double(buf, x);
    sb_puts(out, buf);
  }
}

static void print_place(const Dump *d, const Place *at) {
  if (at->buffer < 0) {
    sb_puts(d->out, "nowhere");
    return;
  }
  sb_printf(d->out, "b%d", at->buffer);
  if (at->offset != 0) sb_printf(d->out, " + %lld", (long long)at->offset);
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (at->stride[s] != 0) sb_printf(d->out, " + ix%d * %lld", s, (long long)at->stride[s]);
}

/* ---- members --------------------------------------------------------------------------- */

/* The row that variable v of the member is, or -1. */
static int row_of(const Dump *d, const Member *m, int v) {
  for (int k = 0; k < d->g->nrows; k++)
    if (m->rowvar[k] == v) return k;
  return -1;
}

/* Variables from .. to - 1: rows by their names, the others by their extents. */
static void print_variables(const Dump *d, const Member *m, const Item *it, int from, int to) {
  for (int v = from; v < to; v++) {
    int row = row_of(d, m, v);
    bool written_out =
        it && it->part && v < m->node->rank && it->element[v]->kind == E_INT && row < 0;
    if (v > from) sb_puts(d->out, ", ");
    if (row >= 0 && m->node->extent[v] > 1)
      sb_printf(d->out, "r%d", row);
    else if (written_out)
      sb_printf(d->out, "=%lld", (long long)it->element[v]->inum);
    else
      sb_printf(d->out, "%lld", (long long)m->node->extent[v]);
  }
}

/* "z[r0, 16] = sum over [128] -> b4". */
static void print_member(const Dump *d, const Member *m, const Item *it) {
  const Node *n = m->node;
  int rank = m->accumulates ? n->rank - 1 : n->rank;
  text_name(d->out, n->name);
  sb_putc(d->out, '[');
  if (n->kind == N_SCATTER) print_list(d->out, n->shape, n->rank);
  if (m->accumulates)
    sb_printf(d->out, "blocks:%lld%s", (long long)n->shape[0], rank > 0 ? ", " : "");
  if (n->kind != N_SCATTER) print_variables(d, m, it, 0, rank);
  sb_putc(d->out, ']');
  if (n->kind == N_SCATTER || n->reducer != RED_NONE) {
    bool all = n->kind == N_SCATTER;
    sb_printf(d->out, " = %s over [", all ? "scatter" : reducer_name(n->reducer));
    print_variables(d, m, it, all ? 0 : rank, n->nvars);
    sb_putc(d->out, ']');
  }
  if (m->stored) {
    sb_puts(d->out, " -> ");
    print_place(d, &plan_info(d->p, n)->place);
  } else if (it && it->array) {
    sb_puts(d->out, ", array");
  }
  sb_putc(d->out, '\n');
}

static void print_end(const Dump *d, const Expr *e);

static void print_ends(const Dump *d, const Expr *e, const char *between) {
  for (int i = 0; i < e->nargs; i++) {
    if (i > 0) sb_puts(d->out, between);
    print_end(d, e->args[i]);
  }
}

/* An integer in the rows, r0, r1, ..., or what it is made of. */
static void print_end(const Dump *d, const Expr *e) {
  static const struct {
    Prim prim;
    const char *sign;
  } infix[] = {{P_add, " + "}, {P_sub, " - "}, {P_mul, "*"}, {P_lt, " < "}, {P_le, " <= "}};
  const char *sign = NULL;
  for (size_t i = 0; i < sizeof infix / sizeof *infix; i++)
    if (ex_is_prim(e, infix[i].prim)) sign = infix[i].sign;
  if (e->kind == E_VAR) {
    sb_printf(d->out, "r%lld", (long long)e->inum);
  } else if (e->kind == E_LOOPVAR) {
    sb_puts(d->out, "@");
    text_name(d->out, e->loop->var);
  } else if (e->kind == E_READ) {
    text_name(d->out, e->node->name);
    sb_putc(d->out, '[');
    print_ends(d, e, ", ");
    sb_putc(d->out, ']');
  } else if (e->kind == E_NUM) {
    sb_printf(d->out, "%g", e->num);
  } else if (e->kind != E_PRIM) {
    sb_printf(d->out, "%lld", (long long)e->inum);
  } else {
    sb_printf(d->out, "%s(", sign ? "" : prim_info(e->prim)->name);
    print_ends(d, e, sign ? sign : ", ");
    sb_putc(d->out, ')');
  }
}

static void print_band(const Dump *d, const Band *b, int64_t extent, double share) {
  for (int i = 0; i < b->n; i++) {
    const BandWindow *w = &b->at[i];
    sb_puts(d->out, i ? " and from " : "from ");
    if (w->lo)
      print_end(d, w->lo);
    else
      sb_putc(d->out, '0');
    sb_puts(d->out, " to ");
    if (w->hi)
      print_end(d, w->hi);
    else
      sb_printf(d->out, "%lld", (long long)extent);
  }
  sb_printf(d->out, " of %lld, %.3g of all\n", (long long)extent, share);
}

/* A row plan's nests, each with the loops that its members share. */
static void print_nests(const Dump *d, const RowPlan *r, int more) {
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    bool first = i == 0 || it->nest != r->items[i - 1].nest;
    if (first && it->nloops > 0) {
      begin_line(d, more);
      sb_puts(d->out, "loops [");
      print_list(d->out, it->extent, it->nloops);
      sb_puts(d->out, it->banded ? "] banded\n" : "]\n");
      for (int k = 0; k < it->nloops; k++) {
        if (!it->cut[k]) continue;
        begin_line(d, more + 1);
        sb_printf(d->out, "loop %d ", k);
        print_band(d, it->cut[k], it->extent[k], it->share);
      }
    } else if (first) {
      begin_line(d, more);
      sb_puts(d->out, "no loops\n");
    }
    begin_line(d, more + 1);
    print_member(d, it->member, it);
  }
}

static void print_rows(const Dump *d, const RowPlan *r) {
  begin_line(d, 2);
  sb_puts(d->out, "rows [");
  print_list(d->out, r->row_extent, r->nrows);
  sb_printf(d->out, "]%s%s\n", r->flat ? ", flat" : "", r->in_bounds ? "" : ", unproved");
  print_nests(d, r, 2);
}

static void print_packing(const Dump *d, const Packed *packed) {
  sb_printf(d->out, "b%d, columns %lld, depth %lld, %lld elements", packed->buffer,
            (long long)packed->columns, (long long)packed->depth, (long long)packed->count);
  for (int i = 0; i < packed->nloops; i++) {
    sb_puts(d->out, i > 0 ? ", " : " each of ");
    text_name(d->out, packed->loops[i]->var);
  }
}

static void print_matrix(const Dump *d, const char *name, const TdOperand *o) {
  Place at = {.buffer = d->g->launch.args.at[o->arg], .offset = o->offset};
  for (int s = 0; s < TD_MAX_LOOPS; s++) at.stride[s] = o->by_slot[s];
  begin_line(d, 3);
  sb_printf(d->out, "%s = ", name);
  print_place(d, &at);
  sb_printf(d->out, ", strides of batch %lld, row %lld, column %lld\n", (long long)o->batch,
            (long long)o->row, (long long)o->column);
}

static void print_library_product(const Dump *d, const TdProduct *x) {
  begin_line(d, 2);
  sb_puts(d->out, "by a library\n");
  print_matrix(d, "a", &x->a);
  print_matrix(d, "b", &x->b);
  print_matrix(d, "c", &x->c);
}

static void print_product_bands(const Dump *d, ProductBands bands) {
  const ProductBand *of[] = {&bands.k[GEMM_A], &bands.k[GEMM_B], &bands.columns};
  static const char *const what[] = {"k of a row", "k of a column", "columns of a row"};
  for (int i = 0; i < 3; i++) {
    if (!of[i]->any) continue;
    begin_line(d, 2);
    sb_printf(d->out, "%s ", what[i]);
    print_band(d, &of[i]->flat, of[i]->extent, of[i]->share);
  }
}

static void print_product(const Dump *d) {
  const Contraction *c = d->g->contraction;
  begin_line(d, 2);
  const int split = product_split(d->p, d->g);
  sb_printf(d->out, "product batch %lld, m %lld, n %lld, k %lld%s%s%s%s",
            (long long)c->extent[GEMM_BATCH], (long long)c->extent[GEMM_M],
            (long long)c->extent[GEMM_N], (long long)c->extent[GEMM_K], c->factor ? ", factor" : "",
            c->condition ? ", condition" : "", c->where[GEMM_A] ? ", A where" : "",
            c->where[GEMM_B] ? ", B where" : "");
  if (split) sb_printf(d->out, ", split%d", split);
  if (d->g->packed) {
    sb_puts(d->out, ", B packed in ");
    print_packing(d, d->g->packed);
  }
  sb_putc(d->out, '\n');
  print_product_bands(d, product_bands(d->p, d->g));
  if (d->g->launch.product) print_library_product(d, d->g->launch.product);
  for (int i = 0; i < d->g->members.n; i++) {
    begin_line(d, 2);
    print_member(d, &d->g->members.at[i], NULL);
  }
}

static void print_pack(const Dump *d) {
  const Packed *packed = d->g->packed;
  begin_line(d, 2);
  sb_puts(d->out, "packs ");
  text_name(d->out, d->g->contraction->operand[GEMM_B]->node->name);
  sb_puts(d->out, " into ");
  print_packing(d, packed);
  if (packed->before) {
    sb_puts(d->out, ", before ");
    text_name(d->out, packed->before->var);
  }
  sb_putc(d->out, '\n');
}

/* ---- chains -------------------------------------------------------------------------- */

static void print_operand(const Dump *d, const char *side, const ChainOperand *o) {
  sb_printf(d->out, ", %s ", side);
  text_name(d->out, o->node->name);
  sb_puts(d->out, o->plain ? " in memory" : " here");
}

static void print_chain_products(const Dump *d, ChainRole role) {
  static const char *const roles[] = {"in", "row", "column"};
  const Chain *c = d->g->chain;
  for (int i = 0; i < c->products.n; i++) {
    const ChainProduct *q = &c->products.at[i];
    if (q->role != role) continue;
    begin_line(d, 2);
    sb_printf(d->out, "product %s, wide %lld, %s %lld%s", roles[role], (long long)q->s,
              role == CHAIN_IN ? "k" : "own", (long long)(role == CHAIN_IN ? q->k : q->e),
              q->turned ? ", turned" : "");
    print_operand(d, "X", &q->operand[0]);
    print_operand(d, "Y", &q->operand[1]);
    sb_putc(d->out, '\n');
    begin_line(d, 3);
    print_member(d, member_of(d->g, q->sum), NULL);
  }
}

static void print_program(const Dump *d, int program) {
  static const char *const names[] = {"main", "fresh", "before", "after", "last"};
  const RowPlan *r = d->g->chain->program[program];
  if (r->nitems == 0) return;
  begin_line(d, 2);
  sb_printf(d->out, "program %s\n", names[program]);
  print_nests(d, r, 3);
}

/* In the order in which a piece runs. */
static void print_chain(const Dump *d) {
  const Chain *c = d->g->chain;
  begin_line(d, 2);
  sb_printf(d->out, "batches %lld, rows %lld%s\n", (long long)c->batch, (long long)c->rows,
            c->columns ? ", a piece is a batch" : "");
  if (c->band) {
    begin_line(d, 2);
    sb_puts(d->out, "band ");
    print_band(d, &c->band->columns, c->band->extent, c->band->share);
  }
  print_program(d, CHAIN_FRESH);
  print_program(d, CHAIN_BEFORE);
  print_chain_products(d, CHAIN_IN);
  print_program(d, CHAIN_MAIN);
  print_chain_products(d, CHAIN_ROW);
  print_program(d, CHAIN_AFTER);
  print_chain_products(d, CHAIN_COLUMN);
  print_program(d, CHAIN_LAST);
}

/* ---- steps ------------------------------------------------------------------------------- */

static int step_of(const Plan *p, const Group *g) {
  for (int s = 0; s < p->steps.n; s++) {
    const PlanStep *step = &p->steps.at[s];
    if (step->group == g || (step->kind == TD_LOOP && g->loop && step->loop == g->loop)) return s;
  }
  return -1;
}

/* What order.c could not see in what the group reads. */
static void print_order(const Dump *d) {
  if (d->g->late) sb_puts(d->out, ", late");
  const char *before = ", after ";
  for (int i = 0; i < d->g->after.n; i++) {
    int s = step_of(d->p, d->g->after.at[i]);
    if (s < 0) continue;
    sb_printf(d->out, "%s%d", before, s);
    before = " ";
  }
}

static void print_shape_of(const Dump *d, const TdLaunch *l) {
  if (l->cpu.pieces != 0) sb_printf(d->out, "; pieces %lld", (long long)l->cpu.pieces);
  if (l->cpu.scratch != 0) sb_printf(d->out, ", scratch %zu", l->cpu.scratch);
  if (l->gpu.grid[0] == 0) return;
  sb_puts(d->out, "; grid [");
  print_list(d->out, l->gpu.grid, 3);
  sb_printf(d->out, "], block [%d, %d, %d], shared %zu", l->gpu.block[0], l->gpu.block[1],
            l->gpu.block[2], l->gpu.shared);
}

static void print_arguments(const Dump *d, const Launch *l) {
  begin_line(d, 2);
  sb_puts(d->out, "args");
  for (int i = 0; i < l->args.n; i++) {
    sb_printf(d->out, "%s b%d ", i > 0 ? "," : "", l->args.at[i]);
    if (l->begins.at[i]) sb_printf(d->out, "+ %lld ", (long long)l->begins.at[i]);
    text_name(d->out, d->p->buffers.at[l->args.at[i]].td.name);
    if (l->writes.at[i]) sb_putc(d->out, '*');
  }
  for (int s = 0; s < TD_MAX_LOOPS; s++)
    if (l->counters >> s & 1) sb_printf(d->out, "; ix%d", s);
  if (l->control) sb_puts(d->out, "; control");
  sb_putc(d->out, '\n');
}

static void print_kind(const Dump *d) {
  const Group *g = d->g;
  sb_printf(d->out, "%s over [", plan_class(g));
  print_list(d->out, g->row_extent, g->kind == GROUP_PACK ? 0 : g->nrows);
  sb_putc(d->out, ']');
  if (g->rows_fixed) sb_printf(d->out, ", blocks of %lld", (long long)g->block);
  if (plan_first(g)->again) sb_puts(d->out, ", again");
}

static void print_loop(const Dump *d, const Loop *l) {
  sb_puts(d->out, "loop ");
  text_name(d->out, l->var);
  sb_printf(d->out, ":%lld%s", (long long)l->count, l->reverse ? " reverse" : "");
}

/* What a part keeps near, and the groups that it runs in each iteration. */
static void print_parts(Dump *d) {
  const Group *g = d->g;
  const LoopKernel *k = g->kernel;
  for (int i = 0; i < k->near.n; i++) {
    const LoopNear *x = &k->near.at[i];
    begin_line(d, 2);
    sb_puts(d->out, "near ");
    text_name(d->out, x->node->name);
    sb_putc(d->out, '[');
    print_list(d->out, x->node->shape + x->fixed, x->node->rank - x->fixed);
    sb_printf(d->out, "], pitch %lld, bytes %zu\n", (long long)x->pitch, x->bytes);
  }
  d->indent++;
  for (int i = 0; i < k->body.n; i++) {
    d->g = k->body.at[i];
    begin_line(d, 1);
    print_kind(d);
    sb_putc(d->out, '\n');
    print_rows(d, d->g->rows);
  }
  d->indent--;
}

static void print_launch(Dump *d, int s, const PlanStep *step) {
  const Group *g = d->g = step->group;
  begin_line(d, 1);
  sb_printf(d->out, "%d ", s);
  if (g->kernel) {
    print_loop(d, g->loop);
    sb_printf(d->out, " in one kernel, %lld of %lld rows a part", (long long)g->kernel->slice,
              (long long)g->kernel->rows);
  } else {
    print_kind(d);
  }
  if (step->once) sb_puts(d->out, step->once == TD_ONCE ? ", once for all" : ", once");
  print_order(d);
  print_shape_of(d, &g->launch.shape);
  sb_puts(d->out, "; flops ");
  print_number(d->out, g->launch.flops);
  sb_puts(d->out, ", bytes ");
  print_number(d->out, g->launch.bytes);
  sb_putc(d->out, '\n');
  print_arguments(d, &g->launch);
  switch (g->kind) {
  case GROUP_ROWS: print_rows(d, g->rows); break;
  case GROUP_CONTRACTION: print_product(d); break;
  case GROUP_PACK: print_pack(d); break;
  case GROUP_CHAIN: print_chain(d); break;
  case GROUP_SCATTER:
    begin_line(d, 2);
    print_member(d, &g->members.at[0], NULL);
    break;
  case GROUP_LOOP: print_parts(d); break;
  }
}

/* Why it is no kernel of its own, where a target has such. */
static void print_apart(const Dump *d, const Loop *l) {
  const Group *g = plan_info(d->p, l->node)->group;
  if (g && g->apart) sb_printf(d->out, ", not one kernel: %s", g->apart);
}

static void print_steps(Dump *d) {
  for (int s = 0; s < d->p->steps.n; s++) {
    const PlanStep *step = &d->p->steps.at[s];
    switch (step->kind) {
    case TD_LAUNCH: print_launch(d, s, step); break;
    case TD_LOOP:
      begin_line(d, 1);
      sb_printf(d->out, "%d ", s);
      print_loop(d, step->loop);
      sb_puts(d->out, step->once ? ", once" : "");
      print_apart(d, step->loop);
      sb_puts(d->out, " {\n");
      d->indent++;
      break;
    case TD_END:
      d->indent--;
      begin_line(d, 1);
      sb_printf(d->out, "%d }\n", s);
      break;
    }
  }
}

/* ---- storage ------------------------------------------------------------------------------ */

/* Values that no kernel makes: they are where others are. */
static const char *place_kind(const Node *n) {
  switch (n->kind) {
  case N_VIEW: return "view";
  case N_PACK: return "pack";
  case N_CARRY: return "carry";
  case N_FINAL: return "final";
  case N_STACK: return "stack";
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_COMP:
  case N_SCATTER:
  case N_LOOP:
  case N_COTANGENT: break;
  }
  return NULL;
}

static void print_places(Dump *d, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    const Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP) print_places(d, n->loop->body);
    if (place_kind(n) == NULL || !plan_info(d->p, n)->placed) continue;
    sb_printf(d->out, "  %s ", place_kind(n));
    text_name(d->out, n->name);
    sb_puts(d->out, " = ");
    print_place(d, &plan_info(d->p, n)->place);
    sb_putc(d->out, '\n');
  }
  for (int i = 0; !r->loop && i < d->p->outputs.n; i++) {
    sb_puts(d->out, "  output ");
    text_name(d->out, d->p->outputs.at[i].name);
    sb_printf(d->out, " = b%d\n", d->p->outputs.at[i].buffer);
  }
}

static void print_buffer(const Dump *d, int i) {
  static const char *const kinds[] = {"temp", "state", "input", "const", "kept"};
  static const char *const types[] = {"f32", "f64", "bf16", "f16", "i32", "u8"};
  const PlanBuffer *b = &d->p->buffers.at[i];
  sb_printf(d->out, "  b%d %s ", i, kinds[b->td.kind]);
  text_name(d->out, b->td.name);
  sb_printf(d->out, ": %s[", types[b->td.type]);
  print_list(d->out, b->td.shape, b->td.rank);
  bool gaps = b->td.rank > 0 && b->td.pitch != b->td.shape[b->td.rank - 1];
  sb_puts(d->out, "]");
  if (gaps) sb_printf(d->out, ", pitch %lld", (long long)b->td.pitch);
  sb_printf(d->out, ", bytes %zu", b->td.bytes);
  if (b->first < 0) {
    sb_puts(d->out, ", unused\n");
    return;
  }
  if (b->td.kind == TD_TEMP) sb_printf(d->out, " at %zu", b->td.offset);
  sb_printf(d->out, ", steps %d-%d\n", b->first, b->last);
}

static bool in_arena(const PlanBuffer *b) { return b->td.kind == TD_TEMP && b->first >= 0; }

/* Buffers by the offset at which they begin; two in a line take turns. */
static void print_room(const Dump *d) {
  const Plan *p = d->p;
  size_t from = 0;
  for (bool more = true; more;) {
    size_t at = SIZE_MAX;
    for (int i = 0; i < p->buffers.n; i++) {
      const PlanBuffer *b = &p->buffers.at[i];
      if (in_arena(b) && b->td.offset >= from && b->td.offset < at) at = b->td.offset;
    }
    more = at != SIZE_MAX;
    if (!more) break;
    sb_printf(d->out, "  at %zu:", at);
    for (int i = 0; i < p->buffers.n; i++)
      if (in_arena(&p->buffers.at[i]) && p->buffers.at[i].td.offset == at)
        sb_printf(d->out, " b%d", i);
    sb_putc(d->out, '\n');
    from = at + 1;
  }
}

/* What the target's rates allow at best; the largest of the three binds. */
static void print_floor(const Plan *p, StrBuf *out) {
  const TargetRates *r = &p->target->rates;
  double flops = p->rounds ? r->narrow_flops : r->flops;
  sb_printf(out, "\nfloor in us: memory %.3g, arithmetic %.3g, launches %.3g\n",
            1e6 * p->bytes / r->bytes, 1e6 * p->flops / flops, 1e6 * p->launches * r->launch);
}

void plan_dump(Plan *p, StrBuf *out) {
  Dump d = {.p = p, .out = out};
  sb_puts(out, "plan ");
  text_name(out, p->name);
  sb_printf(out, " for %s%s%s: arena %zu", p->target->name,
            p->act == TD_BF16 ? ", act bf16"
            : p->rounds       ? ", product bf16"
                              : "",
            p->repeated ? ", repeated" : "", p->arena_bytes);
  if (p->arena_sum != p->arena_bytes) sb_printf(out, " of %zu", p->arena_sum);
  sb_puts(out, ", flops ");
  print_number(out, p->flops);
  sb_puts(out, ", bytes ");
  print_number(out, p->bytes);
  print_floor(p, out);
  sb_puts(out, "steps\n");
  print_steps(&d);
  sb_puts(out, "places\n");
  print_places(&d, p->g->top);
  sb_puts(out, "buffers\n");
  for (int i = 0; i < p->buffers.n; i++) print_buffer(&d, i);
  sb_puts(out, "room\n");
  print_room(&d);
}
