/* SPDX-License-Identifier: MIT */
/* Chains of products: one function for all parts of a group (chain.h).
 *
 *   for each piece: a block of rows of one batch, or with COLUMN products a batch
 *     pack the Y of IN and ROW products, unless the piece before did
 *     for each block of rows
 *       program `before`: X of IN products that are no plain reads
 *       IN products: tiles into blocks [row][column] in scratch memory
 *       program `main`: row by row, from block to block
 *       ROW products; program `after`, which stores their results
 *       COLUMN products, added up over the blocks
 *     program `last`: stores what the COLUMN products gave
 *
 * Blocks depend on the extents alone, so every sum has one order of additions. */
#include "compiler/cpu/chain_tiles.h"
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/tiles.h"

#include <string.h>

/* A value of the kernel in scratch memory, with its names. */
typedef struct Block {
  const ChainBlock *shape;
  const char *name; /* its memory */
  const char *row;  /* the current row's; NULL: it has no rows */
} Block;

typedef struct Writer {
  Emit em;
  Plan *p;
  Group *g;
  Chain *c;
  const ChainShape *shape;
  VEC(Block) blocks;
  ChainPacked *packed; /* Y of each product that keeps it */
  bool narrow;         /* factors are rounded to bf16 */
  StrBuf locals;       /* declarations at the top */
  StrBuf body;
  size_t scratch;
} Writer;

static void TD_PRINTF(2, 3) line(Writer *w, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(&w->body, fmt, ap);
  va_end(ap);
  sb_putc(&w->body, '\n');
}

static const char *num(Writer *w, int64_t x) {
  return arena_printf(w->em.arena, "%lld", (long long)x);
}

/* ---- blocks ---------------------------------------------------------------------------- */

static Block *block_of(Writer *w, const Node *n) {
  for (int i = 0; i < w->blocks.n; i++)
    if (w->blocks.at[i].shape->node == n) return &w->blocks.at[i];
  return NULL;
}

static void name_blocks(Writer *w) {
  for (int i = 0; i < w->shape->blocks.n; i++) {
    const ChainBlock *shape = &w->shape->blocks.at[i];
    EmitLocal local = {.node = shape->node, .name = emit_name(&w->em, shape->node->name)};
    for (int d = 0; d < shape->node->rank; d++) local.stride[d] = shape->stride[d];
    Block b = {.shape = shape, .name = local.name};
    if (shape->rows) {
      b.name = emit_name(&w->em, "block");
      b.row = local.name;
    }
    vec_push(w->em.arena, &w->em.locals, local);
    vec_push(w->em.arena, &w->blocks, b);
  }
}

/* ---- scratch memory ------------------------------------------------------------------------ */

static void take(Writer *w, const char *type, const char *name, int64_t bytes) {
  if (bytes == 0) return;
  sb_printf(&w->locals, "%s *const %s = (%s *)(call->scratch + %zu);\n", type, name, type,
            w->scratch);
  w->scratch += (size_t)round_up(bytes, 64);
}

static void take_blocks(Writer *w) {
  for (int i = 0; i < w->blocks.n; i++) {
    const ChainBlock *b = w->blocks.at[i].shape;
    take(w, emit_ctype(&w->em, b->node->type), w->blocks.at[i].name,
         (int64_t)chain_block_bytes(w->shape, b));
  }
}

/* Packed factors are floats or bf16, with k rounded up to what tiles take at once. */
static const char *factor_type(const Writer *w) { return w->narrow ? "uint16_t" : "float"; }

/* ---- programs --------------------------------------------------------------------- */

/* The variables from .. to - 1 that the text below uses, out of their flat position. */
static void put_variables(Writer *w, StrBuf *out, int from, int to, const char *flat) {
  int64_t inner = 1;
  for (int k = to - 1; k >= from; k--) {
    if (w->em.used_vars >> k & 1) {
      sb_printf(out, "const int64_t %s = (%s)", w->em.var[k], flat);
      if (inner > 1) sb_printf(out, " / %lld", (long long)inner);
      if (k > from) sb_printf(out, " %% %lld", (long long)w->g->row_extent[k]);
      sb_puts(out, ";\n");
    }
    inner *= w->g->row_extent[k];
  }
}

static void put_batch_program(Writer *w, int program) {
  const char *text =
      emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch);
  if (*text) line(w, "{\n%s}", text);
}

static void put_row_program(Writer *w, int program) {
  const uint32_t rows = (1u << w->c->nrows) - (1u << w->c->nbatch);
  w->em.used_vars &= ~rows;
  for (int i = 0; i < w->em.locals.n; i++) w->em.locals.at[i].used = false;
  const char *text =
      emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals, &w->scratch);
  if (!*text) return;
  line(w, "for (int64_t r = 0; r < rows; r++) {");
  put_variables(w, &w->body, w->c->nbatch, w->c->nrows, "row0 + r");
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    if (b->row && emit_local(&w->em, b->shape->node)->used)
      line(w, "%s *restrict const %s = %s + r * %lld;", emit_ctype(&w->em, b->shape->node->type),
           b->row, b->name, (long long)b->shape->width);
  }
  line(w, "%s}", text);
}

/* ---- operands --------------------------------------------------------------------- */

/* An operand from row `outer0` and k `k0` on (C texts, or NULL: 0). */
static ChainMatrix matrix_of(Writer *w, const ChainProduct *q, int which, const char *outer0,
                             const char *k0) {
  const ChainOperand *o = &q->operand[which];
  StrBuf b = {0};
  ChainMatrix m = {.across = o->outer_stride, .along = o->k_stride};
  if (o->plain) {
    m.half = plan_type(w->p, o->node) == TD_BF16;
    sb_puts(&b, emit_pointer(&w->em, o->node, false));
    if (o->base->kind != E_INT || o->base->inum != 0)
      sb_printf(&b, " + (int64_t)(%s)", emit_value(&w->em, o->base, 0));
    for (int k = 0; k < w->c->nbatch; k++)
      if (o->batch_stride[k])
        sb_printf(&b, " + %lld * %s", (long long)o->batch_stride[k], emit_var(&w->em, k));
  } else {
    const Block *block = block_of(w, o->node);
    bool by_row = which == 0 ? q->role != CHAIN_COLUMN : false;
    m.across = !block->row ? q->role == CHAIN_IN ? q->k : q->s : by_row ? block->shape->width : 1;
    m.along = block->row && !by_row ? block->shape->width : 1;
    sb_puts(&b, block->name);
    outer0 = block->row && by_row ? NULL : outer0;
    if (block->row && !by_row) k0 = NULL;
  }
  if (outer0) sb_printf(&b, " + %s * %lld", outer0, (long long)m.across);
  if (k0) sb_printf(&b, " + %s * %lld", k0, (long long)m.along);
  m.from = arena_strndup(w->em.arena, b.s, b.n);
  sb_free(&b);
  return m;
}

/* IN and ROW: a block of rows by k, times packed Y. */
static void put_row_product(Writer *w, const ChainProduct *q, const ChainPacked *packed) {
  bool in = q->role == CHAIN_IN;
  int64_t k = in ? q->k : q->s;
  int64_t depth = chain_depth(w->shape, k);
  bool many = k > DEPTH_WHOLE;
  const Block *c = block_of(w, q->sum);
  if (many) {
    line(w, "for (int64_t k0 = 0; k0 < %lld; k0 += %lld) {", (long long)k, (long long)depth);
    line(w, "const int64_t depth = %lld - k0 < %lld ? %lld - k0 : %lld;", (long long)k,
         (long long)depth, (long long)k, (long long)depth);
  }
  ChainTiles t = {.a = matrix_of(w, q, 0, "row0", many ? "k0" : NULL),
                  .rows = "rows",
                  .height = w->shape->rows,
                  .last = w->shape->last_rows,
                  .b = packed,
                  .k0 = many ? "k0" : "0",
                  .depth = many ? "depth" : num(w, k),
                  .whole = many ? 0 : k,
                  .c = c->name,
                  .c_stride = c->shape->width,
                  .add = many ? "k0 > 0" : "0"};
  t.spare = arena_printf(w->em.arena, "%lld - row0", (long long)w->c->rows);
  chain_tiles(&w->body, w->narrow, &t);
  if (many) line(w, "}");
}

/* COLUMN: the wide block turned, times the block's rows of Y; onto what the blocks before gave. */
static void put_column_product(Writer *w, const ChainProduct *q) {
  const Block *c = block_of(w, q->sum);
  ChainMatrix x = matrix_of(w, q, 0, NULL, NULL), y = matrix_of(w, q, 1, NULL, "row0");
  int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
  ChainPacked b = {"packed_b", n, chain_room(w->shape, w->shape->rows)};
  ChainTiles t = {.a = q->turned ? y : x,
                  .rows = num(w, m),
                  .height = m,
                  .last = m,
                  .spare = num(w, m),
                  .b = &b,
                  .k0 = "0",
                  .depth = "rows",
                  .c = c->name,
                  .c_stride = chain_padded(w->p->target, n),
                  .add = "row0 > 0"};
  t.in_place = chain_in_place(w->shape, q, x.along);
  chain_pack_b(&w->body, w->narrow, &b, q->turned ? x : y, "rows");
  chain_tiles(&w->body, w->narrow, &t);
}

/* ---- the function ----------------------------------------------------------------- */

static void put_fresh(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    chain_pack_b(&w->body, w->narrow, &w->packed[i], matrix_of(w, q, 1, NULL, NULL),
                 num(w, q->role == CHAIN_IN ? q->k : q->s));
  }
}

static void put_block(Writer *w) {
  const Chain *c = w->c;
  put_row_program(w, CHAIN_BEFORE);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_IN) put_row_product(w, &c->products.at[i], &w->packed[i]);
  put_row_program(w, CHAIN_MAIN);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_ROW) put_row_product(w, &c->products.at[i], &w->packed[i]);
  put_row_program(w, CHAIN_AFTER);
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_COLUMN) put_column_product(w, &c->products.at[i]);
}

static void put_piece(Writer *w) {
  line(w, "if (held->block != batch) {");
  put_batch_program(w, CHAIN_FRESH);
  put_fresh(w);
  line(w, "held->block = batch;\n}");
  if (w->c->columns)
    line(w, "for (int64_t row0 = 0; row0 < %lld; row0 += %lld) {", (long long)w->c->rows,
         (long long)w->shape->rows);
  else
    line(w, "const int64_t row0 = piece %% %lld * %lld;", (long long)w->shape->row_blocks,
         (long long)w->shape->rows);
  line(w, "const int64_t rows = %lld - row0 < %lld ? %lld - row0 : %lld;", (long long)w->c->rows,
       (long long)w->shape->rows, (long long)w->c->rows, (long long)w->shape->rows);
  put_block(w);
  if (w->c->columns) line(w, "}");
  put_batch_program(w, CHAIN_LAST);
}

static void name_packed(Writer *w) {
  w->packed = NEWN(w->em.arena, ChainPacked, w->c->products.n + 1);
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    bool in = q->role == CHAIN_IN;
    w->packed[i] = (ChainPacked){emit_name(&w->em, "packed"), in ? q->s : q->e,
                                 chain_room(w->shape, in ? q->k : q->s)};
    take(w, factor_type(w), w->packed[i].name,
         (int64_t)chain_packed_bytes(w->shape, w->packed[i].columns, w->packed[i].room));
  }
}

static void finish(Writer *w, TdKernel *k) {
  StrBuf out = {0};
  take(w, factor_type(w), "packed_a", w->shape->packed_a);
  take(w, factor_type(w), "packed_b", w->shape->packed_b);
  sb_puts(&out, "{\n");
  emit_prologue(&w->em, &out);
  if (w->em.level[0].text.n) sb_write(&out, w->em.level[0].text.s, w->em.level[0].text.n);
  if (w->locals.n) sb_write(&out, w->locals.s, w->locals.n);
  sb_puts(&out,
          "TdHeld *const held = td_held(call);      /* the batch whose operands are packed */\n");
  if (w->narrow) sb_puts(&out, "td_narrow_open();\n");
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (w->c->columns)
    sb_puts(&out, "const int64_t batch = piece;\n");
  else
    sb_printf(&out, "const int64_t batch = piece / %lld;\n", (long long)w->shape->row_blocks);
  put_variables(w, &out, 0, w->c->nbatch, "batch");
  sb_write(&out, w->body.s, w->body.n);
  sb_puts(&out, w->narrow ? "}\ntd_narrow_close();\n}\n" : "}\n}\n");
  k->source = arena_strndup(w->em.arena, out.s, out.n);
  if (w->scratch > w->g->launch.shape.cpu.scratch)
    bug("%s takes more scratch memory than planned", w->g->members.at[0].node->name);
  k->parts = w->em.parts | (w->narrow ? PRELUDE_NARROW : PRELUDE_TILES);
  sb_free(&out);
  sb_free(&w->body);
  sb_free(&w->locals);
}

void emit_chain(Plan *p, Group *g, TdKernel *k, const char **note) {
  Writer w = {.p = p,
              .g = g,
              .c = g->chain,
              .shape = chain_shape(p, g),
              .scratch = HELD * sizeof(float),
              .narrow = p->act == TD_BF16};
  Emit *em = &w.em;
  emit_begin(em, p, g);
  const RowPlan *rows = w.c->program[CHAIN_MAIN];
  for (int v = 0; v < w.c->nrows; v++) em->var[v] = emit_name(em, rows->row_axis[v]);
  name_blocks(&w);
  take_blocks(&w);
  name_packed(&w);
  put_piece(&w);
  finish(&w, k);
  *note = arena_printf(p->arena, "%lld rows in blocks of %lld, %lld times", (long long)w.c->rows,
                       (long long)w.shape->rows, (long long)w.c->batch);
  emit_end(em);
}
