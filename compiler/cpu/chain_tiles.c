/* SPDX-License-Identifier: MIT */
/* Chains of products: the text of one product of matrices in memory or scratch,
 * through the tiles of the prelude or, with factors rounded to bf16, of
 * prelude_tiles.h, or in parts of bf16, of prelude_split.h. */
#include "compiler/cpu/chain_tiles.h"
#include "compiler/cpu/cpu.h"
#include "compiler/cpu/gemm_write.h"
#include "compiler/cpu/tiles.h"

enum {
  STRIP = 32,
  TILE = 16
}; /* rows that the tiles of bf16 take at once (and steps of k); of one tile */

static void TD_PRINTF(2, 3) line(StrBuf *out, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(out, fmt, ap);
  va_end(ap);
  sb_putc(out, '\n');
}

static const char *width_of(char *text, size_t size, const ChainPacked *b) {
  if (b->width) return b->width;
  snprintf(text, size, "%lld", (long long)b->columns);
  return text;
}

/* " + column * step" behind a pointer. */
static void put_column(StrBuf *out, const ChainTiles *t, int64_t step) {
  if (!t->column) return;
  sb_printf(out, " + %s", t->column);
  if (step != 1) sb_printf(out, " * %lld", (long long)step);
}

static void narrow_pack_b(StrBuf *out, const ChainPacked *b, ChainMatrix m, const char *depth) {
  bool turned = m.across != 1;
  char width[24];
  line(out, "td_narrow_pack_b%s(%s, %lld * TD_NARROW_COLUMNS, 0, %s, %d, %lld, %s, %s);",
       turned ? "_turned" : "", b->name, (long long)b->room, m.from, m.half,
       (long long)(turned ? m.across : m.along), width_of(width, sizeof width, b), depth);
}

static void floats_pack_b(StrBuf *out, const ChainPacked *b, ChainMatrix m, const char *depth) {
  char text[24];
  const char *width = width_of(text, sizeof text, b);
  if (m.across == 1)
    line(out, "td_pack_b_rows(%s, %lld * TD_TILE_COLUMNS, 0, %s, %lld, %s, %s);", b->name,
         (long long)b->room, m.from, (long long)m.along, width, depth);
  else
    line(out, "td_pack_b_turned(%s, %lld * TD_TILE_COLUMNS, 0, %s, %lld, %lld, %s, %s);", b->name,
         (long long)b->room, m.from, (long long)m.across, (long long)m.along, width, depth);
}

static void split_pack_b(StrBuf *out, int parts, const ChainPacked *b, ChainMatrix m,
                         const char *depth) {
  bool turned = m.across != 1;
  char width[24];
  line(out, "td_split_pack_b%s((uint16_t *)%s, %lld, 0, %s, %d, %lld, %s, %s);",
       turned ? "_turned" : "", b->name, (long long)chain_split_panel(parts, b->room), m.from,
       parts, (long long)(turned ? m.across : m.along), width_of(width, sizeof width, b), depth);
}

void chain_pack_b(StrBuf *out, int form, const ChainPacked *b, ChainMatrix m, const char *depth) {
  if (form == CHAIN_ROUNDED) {
    narrow_pack_b(out, b, m, depth);
    return;
  }
  if (form != CHAIN_FLOATS) {
    line(out, "%s", GEMM_IF_PARTS);
    split_pack_b(out, form, b, m, depth);
    line(out, "#else");
  }
  floats_pack_b(out, b, m, depth);
  if (form != CHAIN_FLOATS) line(out, "#endif");
}

static void narrow_tiles(StrBuf *out, const ChainTiles *t) {
  bool turned = t->a.along != 1;
  /* whole tiles of bf16 need no packing */
  bool in_place = t->a.half && !turned && t->whole && t->whole % STRIP == 0 &&
                  t->height % TILE == 0 && t->last % TILE == 0;
  line(out, "{");
  line(out, "TdFetch fetch[1] = { 0 };");
  line(out, "const int64_t steps = (%s + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH;", t->depth);
  line(out, "for (int64_t i = 0; i < %s; i += %d) {", t->rows, STRIP);
  line(out, "const int64_t rest = %s - i, height = rest < %d ? rest : %d;", t->rows, STRIP, STRIP);
  if (!in_place)
    line(out, "td_narrow_pack_a%s(packed_a, %s + i * %lld, %d, %lld, height, %s);",
         turned ? "_turned" : "", t->a.from, (long long)t->a.across, t->a.half,
         (long long)(turned ? t->a.along : t->a.across), t->depth);
  line(out, "const TdNarrow t = {");
  if (in_place)
    line(out, ".a = %s + i * %lld, .a_row = %lld, .a_step = TD_NARROW_DEPTH, .a_half = %d * %lld,",
         t->a.from, (long long)t->a.across, (long long)t->a.across, TILE, (long long)t->a.across);
  else
    line(out, ".a = packed_a, .a_row = TD_NARROW_DEPTH, .a_step = TD_NARROW_TILE, .a_half = steps "
              "* TD_NARROW_TILE,");
  sb_printf(out, ".depth = steps * TD_NARROW_DEPTH, .b = %s + %s * TD_NARROW_COLUMNS", t->b->name,
            t->k0);
  put_column(out, t, t->b->room);
  line(out, ", .panel = %lld * TD_NARROW_COLUMNS,", (long long)t->b->room);
  sb_printf(out, ".c = %s + i * %lld", t->c, (long long)t->c_stride);
  put_column(out, t, 1);
  char width[24];
  line(out, ", .c_stride = %lld, .columns = %s, .tall = height > TD_NARROW_ROWS, .add = %s,",
       (long long)t->c_stride, width_of(width, sizeof width, t->b), t->add);
  line(out, ".fetch = fetch, .fetches = 1");
  line(out, "};");
  line(out, "td_narrow_row(&t);\n}\n}");
}

static void split_tiles(StrBuf *out, int parts, const ChainTiles *t) {
  bool turned = t->a.along != 1;
  long long panel = (long long)chain_split_panel(parts, t->b->room);
  line(out, "{");
  line(out, "TdFetch fetch[1] = { 0 };");
  line(out, "uint16_t *const cells = (uint16_t *)packed_a;");
  line(out, "for (int64_t i = 0; i < %s; i += %d) {", t->rows, STRIP);
  line(out, "const int64_t rest = %s - i, height = rest < %d ? rest : %d;", t->rows, STRIP, STRIP);
  line(out, "td_split_pack_a%s(cells, %s + i * %lld, %d, %lld, height, %s);",
       turned ? "_turned" : "", t->a.from, (long long)t->a.across, parts,
       (long long)(turned ? t->a.along : t->a.across), t->depth);
  line(out, "const TdSplit t = {");
  sb_printf(out, ".depth = %s, .skip_b = %s / TD_SPLIT_SIDE, .parts = %d, .a = cells,\n", t->depth,
            t->k0, parts);
  sb_puts(out, ".a_row = TD_NARROW_DEPTH, .a_half = TD_NARROW_TILE, .a_part = TD_SPLIT_PART,\n");
  sb_printf(out, ".b = (const uint16_t *)%s", t->b->name);
  if (t->column) sb_printf(out, " + %s / %d * %lld", t->column, WIDEST_TILE, panel);
  line(out, ", .panel = %lld,", panel);
  sb_printf(out, ".c = %s + i * %lld", t->c, (long long)t->c_stride);
  put_column(out, t, 1);
  char width[24];
  line(out, ", .c_stride = %lld, .columns = %s, .rows = height, .add = %s,", (long long)t->c_stride,
       width_of(width, sizeof width, t->b), t->add);
  line(out, ".fetch = fetch, .fetches = 1");
  line(out, "};");
  line(out, "td_split_row(&t);\n}\n}");
}

static void floats_tiles(StrBuf *out, const ChainTiles *t) {
  bool turned = !t->in_place && t->a.along == 1;
  line(out, "{");
  if (turned)
    line(out, "td_pack_a_turned(packed_a, %s, %lld, %s, %s);", t->a.from, (long long)t->a.across,
         t->rows, t->depth);
  else if (!t->in_place)
    line(out, "td_pack_a_rows(packed_a, %s, %lld, %lld, %s, %s, %s);", t->a.from,
         (long long)t->a.across, (long long)t->a.along, t->rows, t->depth, t->spare);
  line(out, "const int64_t tiles = TD_TILES_OF(%s);", t->rows);
  line(out, "TdFetch fetch[1] = { 0 };");
  line(out, "for (int64_t tile = 0, i = 0, height; tile < tiles; tile++, i += height) {");
  line(out, "height = %s / tiles + (tile < %s %% tiles);", t->rows, t->rows);
  line(out, "const TdTiles t = {");
  sb_printf(out, ".depth = %s, .k0 = %s, .b = %s", t->depth, t->k0, t->b->name);
  put_column(out, t, t->b->room);
  line(out, ", .panel = %lld * TD_TILE_COLUMNS,", (long long)t->b->room);
  char width[24];
  line(out, ".vectors = (%s + TD_LANES - 1) / TD_LANES,", width_of(width, sizeof width, t->b));
  if (t->in_place)
    line(out, ".a = %s + i, .a_step = %lld,", t->a.from, (long long)t->a.along);
  else
    line(out, ".a = packed_a + td_panel_a(tile, %s), .a_step = TD_LANES,", t->depth);
  sb_printf(out, ".c = %s + i * %lld", t->c, (long long)t->c_stride);
  put_column(out, t, 1);
  line(out, ", .c_stride = %lld, .add = %s, .fetch = fetch, .fetches = 1", (long long)t->c_stride,
       t->add);
  line(out, "};");
  line(out, "td_tile_row_of(%lld, %lld, (%lld + TD_LANES - 1) / TD_LANES %% 2, %d, 0, height, &t);",
       (long long)t->height, (long long)t->last, (long long)t->b->columns, turned);
  line(out, "}\n}");
}

void chain_tiles(StrBuf *out, int form, const ChainTiles *t) {
  if (form == CHAIN_ROUNDED) {
    narrow_tiles(out, t);
    return;
  }
  if (form != CHAIN_FLOATS) {
    line(out, "%s", GEMM_IF_PARTS);
    split_tiles(out, form, t);
    line(out, "#else");
  }
  floats_tiles(out, t);
  if (form != CHAIN_FLOATS) line(out, "#endif");
}
