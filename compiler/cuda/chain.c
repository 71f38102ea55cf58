/* SPDX-License-Identifier: MIT */
/* Chains of products: one kernel for all parts of a group (plan/chain.h). Wide values, rows x
 * columns, lie in shared memory.
 *
 *   a block's piece: a block of rows of one batch, or with COLUMN products a batch
 *     for each block of rows
 *       program `before`, a warp a row: X of IN products that are no plain reads
 *       IN products, by all threads, into [row][column]
 *       program `main`, a warp a row
 *       ROW products; program `after`, a warp a row, which stores their results
 *       COLUMN products, onto what each thread keeps of them
 *     what COLUMN products gave -> shared memory; program `last`, by all threads
 *
 * What a batch computes for all of its rows, program `fresh`, is computed where it is staged.
 * Blocks depend on the extents alone, so every sum has one order of additions. */
#include "compiler/cuda/chain.h"

enum { PIECE = CHAIN_LEVEL - 1 };

/* ---- names ------------------------------------------------------------------------------ */

static void name_variables(ChainWriter *w) {
  Emit *em = &w->em;
  const RowPlan *rows = w->c->program[CHAIN_MAIN];
  for (int v = 0; v < w->c->nrows; v++) {
    em->var[v] = emit_name(em, rows->row_axis[v]);
    em->extent[v] = w->g->row_extent[v];
    em->var_level[v] = v < w->c->nbatch ? PIECE : CHAIN_LEVEL;
  }
  em->row_level = CHAIN_LEVEL;
  em->nvars = w->c->nrows;
  em->short_vars = w->shape->pieces < CUDA_SHORT && w->c->rows * w->c->batch < CUDA_SHORT;
  for (int i = 0; i < CHAIN_PROGRAMS; i++)
    em->short_vars = em->short_vars && cuda_short(&w->warp, w->c->program[i]);
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    em->short_vars = em->short_vars && q->s < CUDA_SHORT && q->k < CUDA_SHORT && q->e < CUDA_SHORT;
  }
}

static bool is_fresh(const ChainWriter *w, const Node *n) {
  return member_of(w->g, n)->program == CHAIN_FRESH;
}

/* Blocks are locals of row programs: by the pointer to a row, or to all of a batch. */
static void name_blocks(ChainWriter *w) {
  Emit *em = &w->em;
  for (int i = 0; i < w->shape->blocks.n; i++) {
    const ChainBlock *b = &w->shape->blocks.at[i];
    EmitLocal local = {.node = b->node, .name = chain_block_name(w, b->node)};
    if (is_fresh(w, b->node)) continue;
    if (b->rows) local.name = emit_name(em, b->node->name);
    for (int d = 0; d < b->node->rank; d++) local.stride[d] = b->stride[d];
    vec_push(em->arena, &em->locals, local);
  }
}

static void declare_block(ChainWriter *w, StrBuf *out, const Node *n, size_t at) {
  const char *type = emit_ctype(&w->em, n->type);
  chain_line(out, "%s *const %s = (%s *)(td_shared_memory() + %zu);", type, chain_block_name(w, n),
             type, at);
}

static void declare_blocks(ChainWriter *w, StrBuf *out) {
  const CudaChain *s = w->shape;
  for (int i = 0; i < s->blocks.n; i++)
    if (s->slot.at[i] >= 0)
      declare_block(w, out, s->blocks.at[i].node, s->slots.at[s->slot.at[i]].at);
  for (int i = 0; i < w->c->products.n; i++)
    if (w->c->products.at[i].role == CHAIN_COLUMN)
      declare_block(w, out, w->c->products.at[i].sum, s->sums[i]);
}

/* ---- programs --------------------------------------------------------------------------- */

/* The variables from .. to - 1 that were named, out of their flat position. */
static void put_variables(ChainWriter *w, StrBuf *out, int from, int to, const char *flat) {
  int64_t inner = 1;
  for (int k = to - 1; k >= from; k--) {
    if (w->em.used_vars >> k & 1) {
      sb_printf(out, "const %s %s = (%s)", emit_var_type(&w->em), w->em.var[k], flat);
      if (inner > 1) sb_printf(out, " / %lld", (long long)inner);
      if (k > from) sb_printf(out, " %% %lld", (long long)w->g->row_extent[k]);
      sb_puts(out, ";\n");
    }
    inner *= w->g->row_extent[k];
  }
}

static void put_rows_of_blocks(ChainWriter *w) {
  for (int i = 0; i < w->shape->blocks.n; i++) {
    const ChainBlock *b = &w->shape->blocks.at[i];
    EmitLocal *local = b->rows ? emit_local(&w->em, b->node) : NULL;
    if (!local || !local->used) continue;
    chain_line(&w->body, "%s *const %s = %s + r * %lld;", emit_ctype(&w->em, b->node->type),
               local->name, chain_block_name(w, b->node), (long long)b->width);
  }
}

/* A warp a row. */
static void put_row_program(ChainWriter *w, int program) {
  Emit *em = &w->em;
  if (w->c->program[program]->nitems == 0) return;
  size_t own;
  em->used_vars &= (1u << w->c->nbatch) - 1;
  for (int i = 0; i < em->locals.n; i++) em->locals.at[i].used = false;
  int locals = em->locals.n;
  const char *text = cuda_row_text(em, w->p, w->g, w->c->program[program], &w->warp, &own);
  em->locals.n = locals; /* its own arrays are no other program's */
  if (own > w->shape->near) bug("a chain's rows take more shared memory than planned");
  StrBuf *out = &w->body;
  chain_line(out, "#pragma unroll 1\nfor (%s r = td_thread() / %d; r < rows; r += %d) {",
             emit_var_type(em), CUDA_WARP, w->shape->threads / CUDA_WARP);
  chain_line(out, "const int lane = td_thread() %% %d;", CUDA_WARP);
  if (own > 0)
    chain_line(out,
               "unsigned char *const memory = td_shared_memory() + %zu + td_thread() / %d * %zu;",
               w->shape->arrays, CUDA_WARP, w->shape->near);
  put_variables(w, out, w->c->nbatch, w->c->nrows, "row0 + r");
  put_rows_of_blocks(w);
  chain_line(out, "%s}", text);
}

static void put_last(ChainWriter *w) {
  if (w->c->program[CHAIN_LAST]->nitems == 0) return;
  size_t own;
  StrBuf *out = &w->body;
  const char *text = cuda_row_text(&w->em, w->p, w->g, w->c->program[CHAIN_LAST], &w->block, &own);
  if (own > w->shape->last_own) bug("a chain's end takes more shared memory than planned");
  chain_line(out, "{\nconst int lane = td_thread();");
  chain_line(out, "unsigned char *const room = td_shared_memory();\n(void)room;");
  if (own > 0)
    chain_line(out, "unsigned char *const memory = td_shared_memory() + %zu;", w->shape->last);
  chain_line(out, "%s}", text);
}

/* ---- the kernel ------------------------------------------------------------------------- */

static void put_barrier(ChainWriter *w) { chain_line(&w->body, "td_barrier();"); }

static int put_products(ChainWriter *w, ChainRole role) {
  int n = 0;
  for (int i = 0; i < w->c->products.n; i++)
    if (w->c->products.at[i].role == role) {
      (w->shape->narrow ? chain_mma_row : chain_fma_row)(w, &w->c->products.at[i]);
      n++;
    }
  return n;
}

static void put_block(ChainWriter *w) {
  put_row_program(w, CHAIN_BEFORE);
  put_products(w, CHAIN_IN);
  put_barrier(w);
  put_row_program(w, CHAIN_MAIN);
  /* products wait for all threads before they read values of rows, but for what is staged */
  if (put_products(w, CHAIN_ROW) == 0) put_barrier(w);
  if (w->c->program[CHAIN_AFTER]->nitems > 0) put_barrier(w);
  put_row_program(w, CHAIN_AFTER);
  for (int i = 0; i < w->c->products.n; i++)
    if (w->c->products.at[i].role == CHAIN_COLUMN)
      (w->shape->narrow ? chain_mma_column : chain_fma_column)(w, i);
}

static void put_piece(ChainWriter *w) {
  const Chain *c = w->c;
  StrBuf *out = &w->body;
  const char *type = emit_var_type(&w->em);
  long long step = (long long)w->shape->rows, rows = (long long)c->rows;
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_COLUMN)
      (w->shape->narrow ? chain_mma_open : chain_fma_open)(w, i);
  if (c->columns)
    chain_line(out, "#pragma unroll 1\nfor (%s row0 = 0; row0 < %lld; row0 += %lld) {", type, rows,
               step);
  else
    chain_line(out, "const %s row0 = piece %% %lld * %lld;", type, (long long)w->shape->row_blocks,
               step);
  if (rows % step)
    chain_line(out, "const %s rows = %lld - row0 < %lld ? %lld - row0 : %lld;", type, rows, step,
               rows, step);
  else
    chain_line(out, "const %s rows = %lld;", type, step);
  put_block(w);
  if (!c->columns) return;
  chain_line(out, "}");
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_COLUMN)
      (w->shape->narrow ? chain_mma_close : chain_fma_close)(w, i);
  put_barrier(w);
  put_last(w);
}

static void finish(ChainWriter *w, TdKernel *k) {
  Emit *em = &w->em;
  StrBuf out = {0};
  sb_puts(&out, "{\n");
  emit_prologue(em, &out);
  declare_blocks(w, &out);
  if (em->level[0].text.n) sb_puts(&out, em->level[0].text.s);
  chain_line(&out, "const %s piece = (%s)td_block();", emit_var_type(em), emit_var_type(em));
  if (w->c->columns)
    put_variables(w, &out, 0, w->c->nbatch, "piece");
  else
    put_variables(w, &out, 0, w->c->nbatch,
                  arena_printf(em->arena, "piece / %lld", (long long)w->shape->row_blocks));
  if (em->level[PIECE].text.n) sb_puts(&out, em->level[PIECE].text.s);
  if (w->pointers.n) sb_puts(&out, w->pointers.s);
  sb_write(&out, w->body.s, w->body.n);
  sb_puts(&out, "}\n");
  sb_free(&w->body);
  sb_free(&w->pointers);
  k->source = chain_take(w, &out);
}

void cuda_emit_chain(Plan *p, Group *g, TdKernel *k, const char **note) {
  ChainWriter w = {.p = p,
                   .g = g,
                   .c = g->chain,
                   .shape = cuda_chain(p, g),
                   .warp = {.team = CUDA_WARP, .per_piece = 1},
                   .block = {.teams = 1, .per_piece = 1}};
  w.block.team = w.shape->threads;
  w.warp.teams = w.shape->threads / CUDA_WARP;
  w.warp.pieces = w.block.pieces = w.shape->pieces;
  emit_begin(&w.em, p, g);
  name_variables(&w);
  name_blocks(&w);
  put_piece(&w);
  finish(&w, k);
  *note =
      arena_printf(p->arena, "%lld rows in blocks of %lld, %lld times; %d values of a row in %d",
                   (long long)w.c->rows, (long long)w.shape->rows, (long long)w.c->batch,
                   w.shape->slot.n, w.shape->slots.n);
  emit_end(&w.em);
}
