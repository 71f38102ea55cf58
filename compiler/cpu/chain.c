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
 * Blocks depend on the extents alone, so every sum has one order of additions.
 *
 * With a band (chain_band.c) the tiles and the loops of `main` take columns lo .. hi - 1 only, all
 * that matter for one of the block's rows. If what is outside may not be left out there, all
 * columns are taken:
 *
 *     lo, hi = the hull of the rows' windows, in whole tiles
 *     again: IN products, `main`; with all columns, if some row asks for it
 *
 * as they are if an operand that such zeros are multiplied with is not finite.
 *
 * Of several windows (k < 4 || l - k < 64) each has a hull; those that meet are one, and tiles and
 * loops take one after the other:
 *
 *     for each of them: lo, hi = its ends; the tiles, or the loop, from lo to hi */
#include "compiler/cpu/chain_tiles.h"
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/gemm_write.h"
#include "compiler/cpu/tiles.h"

#include <string.h>

/* A value of the kernel in scratch memory, with its names. */
typedef struct Block {
  const ChainBlock *shape;
  const char *name; /* its memory */
  const char *row;  /* the current row's; NULL: it has no rows */
  const char *half; /* of all rows in bf16, `name` is of one; NULL: that has all of them */
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

#define BAND_WIDTH "(" CPU_BAND_TO " - " CPU_BAND_FROM ")"

static const char *num(Writer *w, int64_t x) {
  return arena_printf(w->em.arena, "%lld", (long long)x);
}

/* ---- windows ----------------------------------------------------------------------------- */

static bool has_windows(const Writer *w) { return w->c->band && w->c->band->columns.n > 1; }

/* Around what is done with columns lo .. hi - 1: with each window's. */
static void open_windows(Writer *w) {
  if (!has_windows(w)) return;
  line(w, "for (int w = 0; w < %s; w++) {", CPU_BAND_WINDOWS);
  line(w, "const int64_t %s = %s[2 * w], %s = %s[2 * w + 1];", CPU_BAND_FROM, CPU_BAND_ENDS,
       CPU_BAND_TO, CPU_BAND_ENDS);
}

static void close_windows(Writer *w) {
  if (has_windows(w)) line(w, "}");
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
    if (chain_halved(w->shape, shape)) b.half = emit_name(&w->em, "half");
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
    if (w->blocks.at[i].half)
      take(w, "uint16_t", w->blocks.at[i].half, (int64_t)chain_half_bytes(w->shape, b));
  }
}

/* How the factors of a product are multiplied, as chain_tiles.h has it. */
static int form_of(const Writer *w, const ChainProduct *q) {
  return w->narrow ? CHAIN_ROUNDED : w->shape->parts[q - w->c->products.at];
}

/* Packed factors are floats, in whose place their parts may lie, or bf16, with k rounded up to
 * what tiles take at once. */
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
  const char *text = emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals,
                                   &w->scratch, NULL, NULL);
  if (*text) line(w, "{\n%s}", text);
}

/* The variables of a block's rows. */
static uint32_t row_variables(const Chain *c) { return (1u << c->nrows) - (1u << c->nbatch); }

/* Must the row have all columns? */
static const char *look_at_zero(Emit *em, int level, const void *ctx) {
  const ChainBand *band = ctx;
  return arena_printf(em->arena, "all |= !(%s == 0);\n", emit_value(em, band->zero, level));
}

/* The row's numbers that only products read, as these want them, while they are in the nearest
 * cache. */
static void put_halves(Writer *w, int program, bool banded) {
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    if (!b->half || member_of(w->g, b->shape->node)->program != program) continue;
    const int64_t columns = chain_halved(w->shape, b->shape);
    const bool part = banded && columns == w->c->band->extent;
    if (part) open_windows(w);
    line(w, "td_narrow_run(%s + r * %lld%s, %s%s, %s);", b->half,
         (long long)chain_half_width(columns), part ? " + " CPU_BAND_FROM : "", b->row,
         part ? " + " CPU_BAND_FROM : "", part ? BAND_WIDTH : num(w, columns));
    if (part) close_windows(w);
  }
}

static void put_row_program(Writer *w, int program) {
  const ChainBand *band = program == CHAIN_MAIN ? w->c->band : NULL;
  w->em.used_vars &= ~row_variables(w->c);
  for (int i = 0; i < w->em.locals.n; i++) w->em.locals.at[i].used = false;
  const char *text = emit_row_text(&w->em, w->p, w->g, w->c->program[program], &w->locals,
                                   &w->scratch, band && band->zero ? look_at_zero : NULL, band);
  if (!*text) return;
  line(w, "for (int64_t r = 0; r < rows; r++) {");
  put_variables(w, &w->body, w->c->nbatch, w->c->nrows, "row0 + r");
  for (int i = 0; i < w->blocks.n; i++) {
    const Block *b = &w->blocks.at[i];
    if (!b->row || !emit_local(&w->em, b->shape->node)->used) continue;
    const char *type = emit_ctype(&w->em, b->shape->node->type);
    if (b->half)
      line(w, "%s *restrict const %s = %s;", type, b->row, b->name);
    else
      line(w, "%s *restrict const %s = %s + r * %lld;", type, b->row, b->name,
           (long long)b->shape->width);
  }
  line(w, "%s", text);
  put_halves(w, program, band != NULL);
  line(w, "}");
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
    const int64_t width =
        block->half ? chain_half_width(chain_halved(w->shape, block->shape)) : block->shape->width;
    bool by_row = which == 0 ? q->role != CHAIN_COLUMN : false;
    m.across = !block->row ? q->role == CHAIN_IN ? q->k : q->s : by_row ? width : 1;
    m.along = block->row && !by_row ? width : 1;
    m.half = block->half != NULL;
    sb_puts(&b, block->half ? block->half : block->name);
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
static void put_row_product(Writer *w, const ChainProduct *q, const ChainPacked *whole) {
  bool in = q->role == CHAIN_IN, banded = w->c->band != NULL;
  int64_t k = in ? q->k : q->s;
  int64_t depth = chain_depth(w->shape, k);
  bool many = k > DEPTH_WHOLE || (banded && !in);
  const Block *c = block_of(w, q->sum);
  ChainPacked part = *whole, *packed = &part;
  const char *from = "0", *to = num(w, k);
  if (banded && in) part.width = BAND_WIDTH;
  if (banded && !in) {
    from = CPU_BAND_FROM;
    to = CPU_BAND_TO;
  }
  open_windows(w);
  if (many) {
    line(w, "for (int64_t k0 = %s; k0 < %s; k0 += %lld) {", from, to, (long long)depth);
    line(w, "const int64_t depth = %s - k0 < %lld ? %s - k0 : %lld;", to, (long long)depth, to,
         (long long)depth);
  }
  ChainTiles t = {.column = banded && in ? CPU_BAND_FROM : NULL,
                  .a = matrix_of(w, q, 0, "row0", many ? "k0" : NULL),
                  .rows = "rows",
                  .height = w->shape->rows,
                  .last = w->shape->last_rows,
                  .b = packed,
                  .k0 = many ? "k0" : "0",
                  .depth = many ? "depth" : num(w, k),
                  .whole = many ? 0 : k,
                  .c = c->name,
                  .c_stride = c->shape->width,
                  .add = many ? arena_printf(w->em.arena, "k0 > %s%s", from,
                                             banded && !in && has_windows(w) ? " || w > 0" : "")
                              : "0"};
  t.spare = arena_printf(w->em.arena, "%lld - row0", (long long)w->c->rows);
  chain_tiles(&w->body, form_of(w, q), &t);
  if (many) line(w, "}");
  close_windows(w);
}

/* The same of columns lo .. hi - 1 only. Not turned they are rows of the result: a strip at a
 * time, so that tiles have heights that are known. */
static void put_banded_column_product(Writer *w, const ChainProduct *q) {
  const Block *c = block_of(w, q->sum);
  const char *first = q->turned ? CPU_BAND_FROM : "first";
  ChainMatrix x = matrix_of(w, q, 0, first, NULL), y = matrix_of(w, q, 1, NULL, "row0");
  int64_t n = q->turned ? q->s : q->e;
  int64_t rest = q->s % STRIP_ROWS, height = min_of(q->s, STRIP_ROWS);
  ChainPacked b = {"packed_b", n, chain_room(w->shape, w->shape->rows),
                   q->turned ? BAND_WIDTH : NULL};
  ChainTiles t = {.a = q->turned ? y : x,
                  .rows = q->turned ? num(w, q->e) : "strip",
                  .height = q->turned ? q->e : height,
                  .last = q->turned ? q->e
                          : rest    ? rest
                                    : height,
                  .spare = q->turned ? num(w, q->e)
                                     : arena_printf(w->em.arena, "%lld - first", (long long)q->s),
                  .b = &b,
                  .k0 = "0",
                  .depth = "rows",
                  .c = c->name,
                  .c_stride = chain_padded(w->p->target, n),
                  .add = "1"};
  t.in_place = chain_in_place(w->shape, q, x.along);
  if (q->turned) open_windows(w);
  chain_pack_b(&w->body, form_of(w, q), &b, q->turned ? x : y, "rows");
  if (!q->turned) open_windows(w);
  if (q->turned) {
    /* the packed columns are those of the band alone: they begin at column 0 of B */
    t.c = arena_printf(w->em.arena, "%s + %s", c->name, CPU_BAND_FROM);
    chain_tiles(&w->body, form_of(w, q), &t);
    close_windows(w);
    return;
  }
  line(w, "for (int64_t first = %s; first < %s; first += %d) {", CPU_BAND_FROM, CPU_BAND_TO,
       STRIP_ROWS);
  line(w, "const int64_t strip = %s - first < %d ? %s - first : %d;", CPU_BAND_TO, STRIP_ROWS,
       CPU_BAND_TO, STRIP_ROWS);
  t.c = arena_printf(w->em.arena, "%s + first * %lld", c->name, (long long)t.c_stride);
  chain_tiles(&w->body, form_of(w, q), &t);
  line(w, "}");
  close_windows(w);
}

/* COLUMN: the wide block turned, times the block's rows of Y; onto what the blocks before gave. */
static void put_column_product(Writer *w, const ChainProduct *q) {
  if (w->c->band) {
    put_banded_column_product(w, q);
    return;
  }
  const Block *c = block_of(w, q->sum);
  ChainMatrix x = matrix_of(w, q, 0, NULL, NULL), y = matrix_of(w, q, 1, NULL, "row0");
  int64_t m = q->turned ? q->e : q->s, n = q->turned ? q->s : q->e;
  ChainPacked b = {"packed_b", n, chain_room(w->shape, w->shape->rows), NULL};
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
  chain_pack_b(&w->body, form_of(w, q), &b, q->turned ? x : y, "rows");
  chain_tiles(&w->body, form_of(w, q), &t);
}

/* ---- the band ------------------------------------------------------------------------ */

/* C: is each of outer x k numbers of an operand finite? */
static const char *all_finite(Writer *w, ChainMatrix m, const char *outer, const char *k) {
  bool by_outer = m.along == 1;
  return arena_printf(w->em.arena, "td_%sfinite(%s, %s, %lld, %s, %lld)", m.half ? "narrow_" : "",
                      m.from, by_outer ? outer : k, (long long)(by_outer ? m.across : m.along),
                      by_outer ? k : outer, (long long)(by_outer ? m.along : m.across));
}

static bool must_be_finite(const Writer *w, int product) {
  return w->c->band && w->c->band->finite >> product & 1;
}

/* Of the batch: Y of IN and ROW products. What is found is kept beside what is packed. */
static void put_finite_batch(Writer *w) {
  if (!w->c->band) return;
  sb_puts(&w->body, "*sure = 1");
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    bool in = q->role == CHAIN_IN;
    if (!must_be_finite(w, i) || q->role == CHAIN_COLUMN) continue;
    sb_printf(&w->body, " && %s",
              all_finite(w, matrix_of(w, q, 1, NULL, NULL), num(w, in ? q->s : q->e),
                         num(w, in ? q->k : q->s)));
  }
  line(w, ";");
}

/* Of a block's rows: X of IN products, Y of COLUMN products; before `main`, or what it makes. */
static void put_finite_rows(Writer *w, bool made) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (!must_be_finite(w, i) || q->role == CHAIN_ROW) continue;
    bool in = q->role == CHAIN_IN;
    const ChainOperand *o = &q->operand[in ? 0 : 1];
    if ((!o->plain && member_of(w->g, o->node)->program == CHAIN_MAIN) != made) continue;
    line(w, "all |= !%s;",
         in ? all_finite(w, matrix_of(w, q, 0, "row0", NULL), "rows", num(w, q->k))
            : all_finite(w, matrix_of(w, q, 1, NULL, "row0"), num(w, q->e), "rows"));
  }
}

/* Ends of windows that all rows have in whole tiles. */
static void put_whole_tiles(Writer *w, const char *lo, const char *hi) {
  line(w, "%s = %s / %d * %d;\n%s = (%s + %d) / %d * %d;", lo, lo, WIDEST_TILE, WIDEST_TILE, hi, hi,
       WIDEST_TILE - 1, WIDEST_TILE, WIDEST_TILE);
}

static void put_more(Writer *w, const char *from, const char *to, const char *lo, const char *hi) {
  line(w, "if (%s < %s && %s < %s) %s = %s;", from, to, from, lo, lo, from);
  line(w, "if (%s < %s && %s > %s) %s = %s;", from, to, to, hi, hi, to);
}

/* lo and hi: what the block's rows need, in whole tiles; or the ends of several windows. */
static void put_ends(Writer *w) {
  enum { LEVEL = 1 };
  Emit *em = &w->em;
  const ChainBand *b = w->c->band;
  const long long extent = b->extent;
  const int n = b->columns.n;
  em->used_vars &= ~row_variables(w->c);
  em->nvars = w->c->nrows;
  for (int v = 0; v < w->c->nrows; v++) {
    em->extent[v] = w->g->row_extent[v];
    em->var_level[v] = LEVEL;
  }
  emit_open(em, LEVEL);
  const char *from[BAND_WINDOWS], *to[BAND_WINDOWS];
  for (int i = 0; i < n; i++) {
    from[i] = b->columns.at[i].lo ? emit_value(em, b->columns.at[i].lo, LEVEL) : "0";
    to[i] = b->columns.at[i].hi ? emit_value(em, b->columns.at[i].hi, LEVEL) : num(w, extent);
  }
  const StrBuf *text = &em->level[LEVEL].text;
  if (n == 1) {
    line(w, "int64_t lo = %lld, hi = 0;", extent);
  } else {
    line(w, "int64_t %s[%d];", CPU_BAND_ENDS, 2 * n);
    for (int i = 0; i < n; i++)
      line(w, "%s[%d] = %lld, %s[%d] = 0;", CPU_BAND_ENDS, 2 * i, extent, CPU_BAND_ENDS, 2 * i + 1);
  }
  line(w, "for (int64_t r = 0; r < rows; r++) {");
  put_variables(w, &w->body, w->c->nbatch, w->c->nrows, "row0 + r");
  if (text->n) sb_write(&w->body, text->s, text->n);
  for (int i = 0; i < n; i++) {
    const char *f = n == 1 ? "from" : arena_printf(em->arena, "from%d", i);
    const char *t = n == 1 ? "to" : arena_printf(em->arena, "to%d", i);
    line(w, "const int64_t %s = %s, %s = %s;", f, from[i], t, to[i]);
    if (n == 1)
      put_more(w, f, t, CPU_BAND_FROM, CPU_BAND_TO);
    else
      put_more(w, f, t, arena_printf(em->arena, "%s[%d]", CPU_BAND_ENDS, 2 * i),
               arena_printf(em->arena, "%s[%d]", CPU_BAND_ENDS, 2 * i + 1));
  }
  line(w, "}");
  if (n == 1) {
    put_whole_tiles(w, CPU_BAND_FROM, CPU_BAND_TO);
    line(w, "if (lo >= hi) lo = 0, hi = %d; /* nothing: something that is 0 */", WIDEST_TILE);
    line(w, "if (hi > %lld) hi = %lld;", extent, extent);
  } else {
    line(w, "for (int i = 0; i < %d; i += 2) {\nint64_t *const end = %s + i;", 2 * n,
         CPU_BAND_ENDS);
    put_whole_tiles(w, "end[0]", "end[1]");
    line(w, "if (end[1] > %lld) end[1] = %lld;\n}", extent, extent);
    line(w, "int %s = td_windows(%s, %d);", CPU_BAND_WINDOWS, CPU_BAND_ENDS, n);
    line(w, "if (%s[1] == 0) %s[1] = %lld; /* nothing: something that is 0 */", CPU_BAND_ENDS,
         CPU_BAND_ENDS, (long long)min_of(WIDEST_TILE, extent));
  }
  emit_open(em, LEVEL); /* what the loop names is no more */
}

/* COLUMN products add to what is there. */
static void put_cleared(Writer *w) {
  for (int i = 0; w->c->band && i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role != CHAIN_COLUMN) continue;
    const Block *c = block_of(w, q->sum);
    line(w, "for (int64_t i = 0; i < %lld; i++) %s[i] = 0;", (long long)c->shape->count, c->name);
  }
}

/* ---- the function ----------------------------------------------------------------- */

static void put_fresh(Writer *w) {
  for (int i = 0; i < w->c->products.n; i++) {
    const ChainProduct *q = &w->c->products.at[i];
    if (q->role == CHAIN_COLUMN) continue;
    chain_pack_b(&w->body, form_of(w, q), &w->packed[i], matrix_of(w, q, 1, NULL, NULL),
                 num(w, q->role == CHAIN_IN ? q->k : q->s));
  }
  put_finite_batch(w);
}

static void put_wide_values(Writer *w) {
  const Chain *c = w->c;
  for (int i = 0; i < c->products.n; i++)
    if (c->products.at[i].role == CHAIN_IN) put_row_product(w, &c->products.at[i], &w->packed[i]);
  put_row_program(w, CHAIN_MAIN);
}

static void put_banded_values(Writer *w) {
  put_ends(w);
  line(w, "_Bool all = !*sure;");
  put_finite_rows(w, false);
  line(w, "for (int turn = all;; turn++) {");
  if (has_windows(w))
    line(w, "if (turn) %s = 1, %s[0] = 0, %s[1] = %lld;", CPU_BAND_WINDOWS, CPU_BAND_ENDS,
         CPU_BAND_ENDS, (long long)w->c->band->extent);
  else
    line(w, "if (turn) lo = 0, hi = %lld;", (long long)w->c->band->extent);
  put_wide_values(w);
  put_finite_rows(w, true);
  line(w, "if (turn || !all) break;\n}");
}

static void put_block(Writer *w) {
  const Chain *c = w->c;
  put_row_program(w, CHAIN_BEFORE);
  if (c->band)
    put_banded_values(w);
  else
    put_wide_values(w);
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
  put_cleared(w);
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
    w->packed[i] = (ChainPacked){.name = emit_name(&w->em, "packed"),
                                 .columns = in ? q->s : q->e,
                                 .room = chain_room(w->shape, in ? q->k : q->s)};
    take(w, factor_type(w), w->packed[i].name,
         (int64_t)chain_packed_bytes(w->shape, w->shape->parts[i], w->packed[i].columns,
                                     w->packed[i].room));
  }
}

/* Around all pieces. */
static void put_tiles_lent(const Writer *w, StrBuf *out, const char *what) {
  if (w->narrow) sb_printf(out, "td_narrow_%s();\n", what);
  if (w->shape->split) sb_printf(out, "%s\ntd_narrow_%s();\n#endif\n", GEMM_IF_PARTS, what);
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
  if (w->c->band)
    sb_puts(&out, "int64_t *const sure = (int64_t *)(held + 1); /* are all of them finite? */\n");
  put_tiles_lent(w, &out, "open");
  sb_puts(&out, "for (int64_t piece = begin; piece < end; piece++) {\n");
  if (w->c->columns)
    sb_puts(&out, "const int64_t batch = piece;\n");
  else
    sb_printf(&out, "const int64_t batch = piece / %lld;\n", (long long)w->shape->row_blocks);
  put_variables(w, &out, 0, w->c->nbatch, "batch");
  sb_write(&out, w->body.s, w->body.n);
  sb_puts(&out, "}\n");
  put_tiles_lent(w, &out, "close");
  sb_puts(&out, "}\n");
  k->split = w->shape->split;
  k->source = arena_strndup(w->em.arena, out.s, out.n);
  if (w->scratch > w->g->launch.shape.cpu.scratch)
    bug("%s takes more scratch memory than planned", w->g->members.at[0].node->name);
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
              .narrow = p->rounds};
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
