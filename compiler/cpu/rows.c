/* SPDX-License-Identifier: MIT */
/* Row kernels: for each point of the row space, the members' values one after
 * another. Maps, row reductions, sums over rows and small products all have
 * this form:
 *
 *     for each piece                 accumulators
 *       for each row                 values of the row
 *         nest: loops over the       values of a point
 *           members' other variables
 *
 * Neighbouring members that run over the same loops, and read each other only
 * at the same point, share one nest. The innermost loop is `omp simd`; where it sums or stores in
 * bf16, and its extent allows, it goes by runs of CPU_RUN iterations.
 *
 * Long sums are cut into blocks: a block is summed in single precision, and what blocks
 * come to in double, so that the rounding errors of a sum are those of a block. */
#include "compiler/cpu/rows_write.h"

/* The elements of a long sum over rows: a block of rows is summed where the piece's result
 * will be, and added up in scratch memory. Gives the text where a block begins. */
static StrBuf *begin_totals(Rows *r, Item *it, long long count) {
  it->totals = emit_name(&r->em, "totals");
  sb_printf(&r->locals, "double *restrict %s = (double *)(call->scratch + %zu);\n", it->totals,
            r->scratch);
  r->scratch += ((size_t)count * sizeof(double) + 63) / 64 * 64;
  sb_printf(rows_text(r, PIECE), "for (int64_t i = 0; i < %lld; i++) %s[i] = 0.0;\n", count,
            it->totals);
  sb_printf(&r->block_end, "for (int64_t i = 0; i < %lld; i++) %s[i] += %s[i];\n", count,
            it->totals, it->sum);
  sb_printf(&r->piece_end, "for (int64_t i = 0; i < %lld; i++) %s[i] = (float)%s[i];\n", count,
            it->sum, it->totals);
  return rows_text(r, BLOCK);
}

/* Accumulators of sums over rows: a piece's partial results, cleared before its
 * rows. Scalars are kept in a variable and stored after them. */
static void open_accumulators(Rows *r) {
  Emit *em = &r->em;
  for (int i = 0; i < r->plan->nitems; i++) {
    Item *it = &r->plan->items[i];
    if (!it->member->accumulates) continue;
    int64_t count = ir_count(it->node) / it->node->shape[0];
    const char *zero = emit_zero(&r->em, it->node->reducer, it->node->type);
    const char *base = emit_pointer(em, it->node, true);
    it->sum = emit_name(em, it->node->name);
    if (it->nout == 0 && rows_is_long(it, r->per_piece, CPU_IN_LANES)) {
      rows_begin_total(r, rows_text(r, PIECE), it);
      sb_printf(&r->piece_end, "%s[piece] = (float)%s;\n", base, it->total);
    } else if (it->nout == 0) {
      sb_printf(rows_text(r, PIECE), "%s %s = %s;\n", rows_acc_type(it), it->sum, zero);
      if (rows_in_lanes(r, it)) rows_begin_watch(r, rows_text(r, PIECE), it);
      rows_end_watch(&r->piece_end, it, it->sum);
      sb_printf(&r->piece_end, "%s[piece] = %s;\n", base, it->sum);
    } else {
      sb_printf(rows_text(r, PIECE), "%s *%s = %s + piece * %lld;\n",
                emit_ctype(&r->em, it->node->type), it->sum, base, (long long)count);
      StrBuf *begin = rows_text(r, PIECE);
      if (cpu_totals(it, r->per_piece)) begin = begin_totals(r, it, (long long)count);
      sb_printf(begin, "for (int64_t i = 0; i < %lld; i++) %s[i] = %s;\n", (long long)count,
                it->sum, zero);
    }
  }
}

static void print_row_loop(Rows *r, StrBuf *out) {
  Emit *em = &r->em;
  const RowPlan *plan = r->plan;
  StrBuf *body = rows_text(r, ROW);
  if (!body->n) return;
  if (plan->nrows == 0) {
    sb_write(out, body->s, body->n);
    return;
  }
  const char *row = plan->nrows == 1 ? em->var[0] : "row";
  if (r->per_piece == 1 && !rows_text(r, BLOCK)->n) {
    sb_printf(out, "{\nconst int64_t %s = piece;\n", row);
  } else {
    const char *end = arena_printf(em->arena, "%lld", (long long)plan->rows);
    if (r->pieces > 1) {
      end = "row_end";
      sb_printf(out, "%sint64_t row_end = (piece + 1) * %lld;\n",
                plan->rows % r->per_piece ? "" : "const ", (long long)r->per_piece);
      if (plan->rows % r->per_piece)
        sb_printf(out, "if (row_end > %lld) row_end = %lld;\n", (long long)plan->rows,
                  (long long)plan->rows);
    }
    const char *begin =
        r->pieces > 1 ? arena_printf(em->arena, "piece * %lld", (long long)r->per_piece) : "0";
    StrBuf *block = rows_text(r, BLOCK);
    if (block->n) {
      const char *size = plan->flat ? "TD_BLOCK" : arena_printf(em->arena, "%d", CPU_IN_ORDER);
      sb_printf(out, "for (int64_t block = %s; block < %s; block += %s) {\n", begin, end, size);
      sb_printf(out, "const int64_t block_end = block + %s < %s ? block + %s : %s;\n", size, end,
                size, end);
      sb_write(out, block->s, block->n);
      begin = "block";
      end = "block_end";
    }
    const char *clauses = r->row_clause ? r->row_clause : "";
    emit_for(em, out, row, begin, end, plan->flat ? clauses : NULL);
  }
  int64_t stride = 1;
  for (int k = plan->nrows - 1; k >= 0 && plan->nrows > 1; k--) {
    if (em->used_vars >> k & 1) {
      sb_printf(out, "const int64_t %s = row", em->var[k]);
      if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
      if (k > 0) sb_printf(out, " %% %lld", (long long)plan->row_extent[k]);
      sb_puts(out, ";\n");
    }
    stride *= plan->row_extent[k];
  }
  sb_write(out, body->s, body->n);
  sb_puts(out, "}\n");
  if (!rows_text(r, BLOCK)->n) return;
  if (r->block_end.n) sb_write(out, r->block_end.s, r->block_end.n);
  sb_puts(out, "}\n");
}

static void finish(Rows *r, TdKernel *k) {
  StrBuf out = {0}, inner = {0};
  print_row_loop(r, &inner);
  sb_puts(&out, "{\n");
  emit_prologue(&r->em, &out);
  if (rows_text(r, TOP)->n) sb_write(&out, rows_text(r, TOP)->s, rows_text(r, TOP)->n);
  if (r->locals.n) sb_write(&out, r->locals.s, r->locals.n);
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (rows_text(r, PIECE)->n) sb_write(&out, rows_text(r, PIECE)->s, rows_text(r, PIECE)->n);
  sb_write(&out, inner.s, inner.n);
  if (r->piece_end.n) sb_write(&out, r->piece_end.s, r->piece_end.n);
  sb_puts(&out, "}\n}\n");
  k->source = arena_strndup(r->em.arena, out.s, out.n);
  if (r->scratch > r->g->launch.shape.cpu.scratch)
    bug("%s takes more scratch memory than planned", r->g->members.at[0].node->name);
  sb_free(&out);
  sb_free(&inner);
  sb_free(&r->piece_end);
  sb_free(&r->block_end);
  sb_free(&r->locals);
}

const char *emit_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, StrBuf *locals,
                          size_t *scratch, EmitAfter *after, const void *ctx) {
  Rows r = {.em = *em, .p = p, .g = g, .plan = rows, .locals = *locals, .scratch = *scratch};
  r.em.nvars = rows->nrows;
  r.em.in_bounds = rows->in_bounds;
  r.em.row_level = ROW;
  for (int v = 0; v < rows->nrows; v++) {
    r.em.extent[v] = rows->row_extent[v];
    r.em.var_level[v] = ROW;
  }
  emit_open(&r.em, ROW);
  rows_items(&r);
  if (after) sb_puts(rows_text(&r, ROW), after(&r.em, ROW, ctx));
  *em = r.em;
  *locals = r.locals;
  *scratch = r.scratch;
  const StrBuf *text = &em->level[ROW].text;
  return text->n ? arena_strndup(em->arena, text->s, text->n) : "";
}

void emit_rows(Plan *p, Group *g, TdKernel *k) {
  Rows r = {.p = p, .g = g, .plan = g->rows};
  Emit *em = &r.em;
  emit_begin(em, p, g);
  em->row_level = ROW;
  em->in_bounds = r.plan->in_bounds;
  em->nvars = r.plan->nrows;
  for (int v = 0; v < r.plan->nrows; v++) {
    em->var[v] = emit_name(em, r.plan->row_axis[v]);
    em->extent[v] = r.plan->row_extent[v];
    em->var_level[v] = ROW;
  }
  r.per_piece = cpu_rows_per_piece(p, g);
  r.pieces = g->launch.shape.cpu.pieces;
  if (r.plan->flat)
    em->run = (EmitRun){.nvars = 1,
                        .var = {0},
                        .stride = {1},
                        .level = BLOCK,
                        .start = "block",
                        .count = "block_end - block",
                        .index = arena_printf(em->arena, "%s - block", em->var[0]),
                        .room = "TD_BLOCK"};
  open_accumulators(&r);
  rows_items(&r);
  finish(&r, k);
  emit_end(em);
}
