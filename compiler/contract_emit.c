/* Contraction kernels: the whole C function of one (batched) matrix product
 *
 *     sum[b, i, j] = sum over p of A[b, i, p] * B[b, j, p]
 *
 * with what rides along: operands that are expressions are evaluated while they
 * are packed, what consumes the sums runs on each row of tiles while it is in
 * the nearest cache. The arithmetic is in the prelude (td_tile_row_of,
 * td_pack_a_*, td_pack_b_*); the function emitted here is the order of calls:
 *
 *   for each piece: a block of rows x a block of columns of one batch
 *     for each block of k
 *       pack B, unless the piece before did (pieces share blocks of columns)
 *       pack A, unless it can be read where it lies
 *       for each row of tiles: multiply, while what is packed next is fetched;
 *         after the last block of k: the epilogue
 *
 * Blocks depend on the extents alone, so every sum has one order of additions. */
#include "compiler/backend_internal.h"

#include <ctype.h>
#include <string.h>

enum {
  WIDEST_TILE = 32,              /* columns, over all targets */
  TALLEST_TILE = 14,             /* rows */
  LANES = 16,                    /* of the widest target: what packing may overrun */
  DEPTH_WHOLE = 384,             /* k up to here is one block, else blocks of */
  DEPTH_LIMIT = 256,
  ROWS_LIMIT = 256,              /* of a piece */
  PACKED_LIMIT = 1 << 20,        /* floats of packed B a thread keeps */
  NEAR_LIMIT = 1 << 18,          /* floats that stay in the second cache */
  NEAR_STRIDE = 512,             /* floats between steps of k that a prefetcher follows */
  PIECES_WANTED = 16,
  PIECE_WORK = 4000000,          /* products that make a piece worth its while */
  SLAB = 32,                     /* k at a time, when B is evaluated along its columns */
  HELD = 16                      /* floats at the start of the scratch memory: a TdHeld */
};

typedef struct Blocks {
  int64_t rows, row_blocks, last_rows;
  int64_t columns, column_blocks;
  int64_t depth, depth_blocks;
  int64_t padded;                /* columns, rounded up to whole tiles */
} Blocks;

typedef struct Writer {
  StrBuf   *out;
  GemmPlan *plan;
  Blocks    block;
  int64_t   extent[GEMM_AXES];
  bool      flat[2];             /* the operand's rows and k have one stride each */
  int64_t   outer_stride[2], k_stride[2];
  bool      in_place;            /* A is not packed: its rows are contiguous, k near */
  bool      direct;              /* tiles go straight to the output */
  int       naheads;             /* of the plan's that are rows of floats in memory */
  struct { const GemmAhead *what; int64_t by_row; } ahead[GEMM_AHEADS];
  StrBuf    load[2];             /* "stage[at] = element;" with what comes before it */
  StrBuf    epilogue;            /* consumes finished[q] */
  StrBuf    epilogue_row;
  int       indent;
} Writer;

/* ---- text ---------------------------------------------------------------------- */
static void TD_PRINTF(2, 3) line(Writer *w, const char *fmt, ...) {
  for (int i = 0; i < w->indent; i++) sb_puts(w->out, "  ");
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(w->out, fmt, ap);
  va_end(ap);
  sb_putc(w->out, '\n');
}

static void open_block(Writer *w, const char *head) {
  line(w, "%s {", head);
  w->indent++;
}

static void close_block(Writer *w) {
  w->indent--;
  line(w, "}");
}

static bool identifier_char(char c) { return isalnum((unsigned char)c) || c == '_'; }

static bool mentions(const char *text, const char *name) {
  size_t n = strlen(name);
  for (const char *at = text; at && (at = strstr(at, name)); at += n)
    if (!identifier_char(at[n]) && (at == text || !identifier_char(at[-1]))) return true;
  return false;
}

/* Append text made by a callback, indented to where it stands. */
static void paste(Writer *w, const StrBuf *text) {
  for (const char *s = text->s; s && *s;) {
    const char *end = strchr(s, '\n');
    size_t n = end ? (size_t)(end - s) : strlen(s);
    line(w, "%.*s", (int)n, s);
    s = end ? end + 1 : s + n;
  }
}

/* ---- extents and strides ---------------------------------------------------------- */
static int64_t axis_extent(const GemmAxis *axis) {
  int64_t n = 1;
  for (int v = 0; v < axis->nvars; v++) n *= axis->extent[v];
  return n;
}

/* One stride for the flat index, if the variables' strides agree. */
static bool flat_stride(const GemmAxis *axis, const int64_t *stride, int64_t *out) {
  int64_t step = 0, inner = 1;
  bool found = false;
  for (int v = axis->nvars - 1; v >= 0; v--) {
    if (axis->extent[v] == 1) continue;
    if (!found) step = stride[v], found = true;
    else if (stride[v] != step * inner) return false;
    inner *= axis->extent[v];
  }
  *out = step;
  return true;
}

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- the choice of blocks ----------------------------------------------------------- */
/* Cycles an element takes to pack, as measured; less than one is copied. */
static double packing_cost(const Writer *w, GemmSide side) {
  const GemmOperand *operand = &w->plan->operand[side];
  if (operand->expensive) return 6;
  if (!w->flat[side]) return 0.6;
  if (side == GEMM_B) return w->outer_stride[side] == 1 || w->k_stride[side] == 1 ? 0.35 : 1;
  return w->in_place ? 0.05 : w->k_stride[side] == 1 ? 0.2 : w->outer_stride[side] == 1 ? 0.4 : 1;
}

/* Cycles for each k, roughly: packing A once for each block of columns, B once
 * for each and once more where a second thread starts, and reading packed B
 * again for each block of rows. */
static double cost_of(const Writer *w, int64_t row_blocks, int64_t columns, int64_t column_blocks) {
  double m = (double)w->extent[GEMM_M], n = (double)w->extent[GEMM_N];
  double a = m * (double)column_blocks * packing_cost(w, GEMM_A), b = n * packing_cost(w, GEMM_B);
  if (row_blocks > 1) b *= (double)(column_blocks + 1) / (double)column_blocks;
  bool far = columns * w->extent[GEMM_K] > NEAR_LIMIT;
  return a + b + (double)row_blocks * n * (far ? 0.06 : 0.02);
}

static Blocks choose_blocks(const Writer *w) {
  const int64_t *e = w->extent;
  int64_t m = e[GEMM_M], n = e[GEMM_N], k = e[GEMM_K], batch = e[GEMM_BATCH];
  int64_t widest = most(WIDEST_TILE, PACKED_LIMIT / k / WIDEST_TILE * WIDEST_TILE);
  int64_t fewest = ceil_div(n, widest);
  double work = (double)batch * (double)m * (double)n * (double)k;
  bool large = work > PIECES_WANTED * PIECE_WORK;
  int64_t wanted = large ? PIECES_WANTED : (int64_t)(work / PIECE_WORK) + 1;
  Blocks best = { 0 };
  double least_cost = 0;
  for (int64_t try = 0; try < 256; try++) {
    int64_t columns = round_up(ceil_div(n, fewest + try / 4), WIDEST_TILE);
    int64_t column_blocks = ceil_div(n, columns);
    /* as many pieces as are wanted, or half, a quarter of that */
    int64_t pieces = most(1, wanted >> try % 4);
    int64_t row_blocks = most(ceil_div(m, ROWS_LIMIT), ceil_div(pieces, batch * column_blocks));
    int64_t rows = ceil_div(m, least(row_blocks, ceil_div(m, 2 * LANES)));
    row_blocks = ceil_div(m, rows);
    double cost = cost_of(w, row_blocks, columns, column_blocks);
    int64_t made = batch * row_blocks * column_blocks;
    if (made < wanted) cost += (2 * made < wanted ? 0.2 : 0.04) * (double)m * (double)n / 32;
    if (best.rows && cost >= least_cost) continue;
    least_cost = cost;
    best.rows = rows;
    best.row_blocks = row_blocks;
    best.columns = columns;
    best.column_blocks = column_blocks;
  }
  best.last_rows = m - (best.row_blocks - 1) * best.rows;
  best.depth = round_up(k <= DEPTH_WHOLE ? k : ceil_div(k, ceil_div(k, DEPTH_LIMIT)), LANES);
  best.depth_blocks = ceil_div(k, best.depth);
  best.padded = round_up(least(best.columns, n), WIDEST_TILE);
  return best;
}

/* ---- variables --------------------------------------------------------------------- */
/* Declare those variables of an axis that `text` mentions, from the flat index. */
static void decode(Writer *w, GemmAxisKind kind, const char *flat, const char *text,
                   bool with_last) {
  const GemmAxis *axis = &w->plan->axis[kind];
  int64_t inner = axis_extent(axis);
  for (int v = 0; v < axis->nvars; v++) {
    inner /= axis->extent[v];
    if ((v == axis->nvars - 1 && !with_last) || !mentions(text, axis->var[v])) continue;
    char divide[40] = "", modulo[40] = "";
    if (inner > 1) snprintf(divide, sizeof divide, " / %lld", (long long)inner);
    if (v > 0) snprintf(modulo, sizeof modulo, " %% %lld", (long long)axis->extent[v]);
    line(w, "const int64_t %s = %s%s%s%s%s;", axis->var[v], *divide || *modulo ? "(" : "", flat,
         *divide || *modulo ? ")" : "", divide, modulo);
  }
}

/* A simd loop over flat indices start .. start + count - 1 of an axis around
 * `body`, which mentions the axis's variables; `q` counts from 0. */
static void run_loop(Writer *w, GemmAxisKind kind, const char *start, const char *count,
                     const StrBuf *body) {
  const GemmAxis *axis = &w->plan->axis[kind];
  const char *last = axis->nvars ? axis->var[axis->nvars - 1] : NULL;
  bool one = axis_extent(axis) == (axis->nvars ? axis->extent[axis->nvars - 1] : 1);
  char flat[64];
  if (one || axis->extent[axis->nvars - 1] < 8) {
    /* one variable, or the last one is too short to make a loop of its own */
    line(w, "#pragma omp simd");
    line(w, "for (int64_t q = 0; q < %s; q++) {", count);
    w->indent++;
    snprintf(flat, sizeof flat, "%s + q", start);
    decode(w, kind, flat, body->s, true);
    paste(w, body);
    close_block(w);
    return;
  }
  long long extent = axis->extent[axis->nvars - 1];
  line(w, "for (int64_t from = 0, run; from < %s; from += run) {", count);
  w->indent++;
  line(w, "const int64_t flat = %s + from, first = flat %% %lld;", start, extent);
  line(w, "const int64_t rest = %s - from;", count);
  line(w, "run = %lld - first < rest ? %lld - first : rest;", extent, extent);
  decode(w, kind, "flat", body->s, false);
  line(w, "#pragma omp simd");
  open_block(w, "for (int64_t q = from; q < from + run; q++)");
  if (mentions(body->s, last)) line(w, "const int64_t %s = first + q - from;", last);
  paste(w, body);
  close_block(w);
  close_block(w);
}

/* " + stride * variable" for each variable that moves the address */
static void put_strides(StrBuf *out, const GemmAxis *axis, const int64_t *stride) {
  for (int v = 0; v < axis->nvars; v++)
    if (stride[v] && axis->extent[v] > 1)
      sb_printf(out, " + %lld * %s", (long long)stride[v], axis->var[v]);
}

/* ---- operands ------------------------------------------------------------------------ */
static GemmAxisKind outer_axis(GemmSide side) { return side == GEMM_A ? GEMM_M : GEMM_N; }

static void read_plain(const Writer *w, GemmSide side, StrBuf *out) {
  const GemmPlan *plan = w->plan;
  const GemmOperand *operand = &plan->operand[side];
  sb_printf(out, "stage[at] = (%s)[0", operand->base);
  put_strides(out, &plan->axis[GEMM_BATCH], operand->stride_batch);
  put_strides(out, &plan->axis[outer_axis(side)], operand->stride_outer);
  put_strides(out, &plan->axis[GEMM_K], operand->stride_k);
  sb_puts(out, "];\n");
}

static bool along_k(const Writer *w, GemmSide side) {
  const GemmOperand *operand = &w->plan->operand[side];
  const GemmAxis *k = &w->plan->axis[GEMM_K], *outer = &w->plan->axis[outer_axis(side)];
  if (!operand->plain) return operand->along_k;
  int64_t by_k = k->nvars ? operand->stride_k[k->nvars - 1] : 0;
  int64_t by_outer = outer->nvars ? operand->stride_outer[outer->nvars - 1] : 0;
  return by_k == 1 || by_outer != 1;
}

/* `name`: where element (outer0, k0) of a flat operand lies */
static void put_address(Writer *w, GemmSide side, const char *name, const char *outer0,
                        const char *k0) {
  const GemmOperand *operand = &w->plan->operand[side];
  StrBuf b = { 0 };
  put_strides(&b, &w->plan->axis[GEMM_BATCH], operand->stride_batch);
  line(w, "const float *%s = %s%s + %s * %lld + %s * %lld;", name, operand->base, b.s ? b.s : "",
       outer0, (long long)w->outer_stride[side], k0, (long long)w->k_stride[side]);
  sb_free(&b);
}

static void open_scope(Writer *w) {
  line(w, "{");
  w->indent++;
}

/* Evaluate a block of an operand into `stage`: [count][STAGE_K] along k, else
 * [depth][stride]. */
static void put_stage(Writer *w, GemmSide side, const char *outer0, const char *count,
                      const char *k0, const char *depth, const char *stride) {
  bool by_k = along_k(w, side);
  GemmAxisKind outer = outer_axis(side);
  StrBuf body = { 0 };
  char flat[64];
  sb_printf(&body, "const int64_t at = r * %s + q;\n%s", stride, w->load[side].s);
  line(w, "for (int64_t r = 0; r < %s; r++) {", by_k ? count : depth);
  w->indent++;
  snprintf(flat, sizeof flat, "%s + r", by_k ? outer0 : k0);
  decode(w, by_k ? outer : GEMM_K, flat, body.s, true);
  run_loop(w, by_k ? GEMM_K : outer, by_k ? k0 : outer0, by_k ? depth : count, &body);
  close_block(w);
  sb_free(&body);
}

/* The block of k that begins at k0, for all columns of the piece. */
static void put_pack_b(Writer *w) {
  long long across = w->outer_stride[GEMM_B], along = w->k_stride[GEMM_B];
  if (w->flat[GEMM_B]) {
    put_address(w, GEMM_B, "from", "column0", "k0");
    if (across == 1)
      line(w, "td_pack_b_rows(packed_b, PANEL, k0, from, %lld, columns, depth);", along);
    else
      line(w, "td_pack_b_turned(packed_b, PANEL, k0, from, %lld, %lld, columns, depth);", across,
           along);
  } else if (along_k(w, GEMM_B)) {
    open_block(w, "for (int64_t j = 0; j < columns; j += TD_TILE_COLUMNS)");
    line(w, "const int64_t rest = columns - j;");
    line(w, "const int64_t count = rest < TD_TILE_COLUMNS ? rest : TD_TILE_COLUMNS;");
    put_stage(w, GEMM_B, "column0 + j", "count", "k0", "depth", "DEPTH");
    line(w, "float *panel = packed_b + j / TD_TILE_COLUMNS * PANEL;");
    line(w, "td_pack_b_turned(panel, PANEL, k0, stage, DEPTH, 1, count, depth);");
    close_block(w);
  } else {
    char stride[32];
    snprintf(stride, sizeof stride, "%lld", (long long)w->block.padded);
    line(w, "for (int64_t slab = k0; slab < k0 + depth; slab += %d) {", SLAB);
    w->indent++;
    line(w, "const int64_t rest = k0 + depth - slab, thick = rest < %d ? rest : %d;", SLAB, SLAB);
    put_stage(w, GEMM_B, "column0", "columns", "slab", "thick", stride);
    line(w, "td_pack_b_rows(packed_b, PANEL, slab, stage, %s, columns, thick);", stride);
    close_block(w);
  }
}

/* Tiles of `rows` rows: each iteration has `tile`, its first row `i` and `height`. */
static void open_tiles(Writer *w) {
  line(w, "for (int64_t tile = 0, i = 0, height; tile < tiles; tile++, i += height) {");
  w->indent++;
  line(w, "height = rows / tiles + (tile < rows %% tiles);");
}

static void put_pack_a(Writer *w) {
  long long across = w->outer_stride[GEMM_A], along = w->k_stride[GEMM_A];
  line(w, "/* pack A, a panel for each row of tiles */");
  if (w->flat[GEMM_A]) {
    open_scope(w);
    put_address(w, GEMM_A, "from", "row0", "k0");
    if (along == 1)
      line(w, "td_pack_a_turned(packed_a, from, %lld, rows, depth);", across);
    else
      line(w, "td_pack_a_rows(packed_a, from, %lld, %lld, rows, depth, M - row0);", across, along);
    close_block(w);
  } else if (along_k(w, GEMM_A)) {
    open_tiles(w);
    put_stage(w, GEMM_A, "row0 + i", "height", "k0", "depth", "DEPTH");
    line(w, "td_pack_a_turned(packed_a + td_panel_a(tile, depth), stage, DEPTH, height, depth);");
    close_block(w);
  } else {
    put_stage(w, GEMM_A, "row0", "rows", "k0", "depth", "(ROWS + TD_LANES)");
    line(w, "td_pack_a_rows(packed_a, stage, 1, ROWS + TD_LANES, rows, depth, ROWS + TD_LANES);");
  }
}

/* ---- results ---------------------------------------------------------------------------- */
static void put_epilogue(Writer *w) {
  StrBuf both = { 0 };
  const char *row = w->epilogue_row.s, *element = w->epilogue.s;
  sb_printf(&both, "%s%s", row ? row : "", element ? element : "");
  open_block(w, "for (int64_t r = 0; r < height; r++)");
  line(w, "const float *finished = target + r * %lld;", (long long)w->block.padded);
  decode(w, GEMM_M, "row0 + i + r", both.s ? both.s : "", true);
  paste(w, &w->epilogue_row);
  run_loop(w, GEMM_N, "column0", "columns", &w->epilogue);
  close_block(w);
  sb_free(&both);
}

static void store_plain(const Writer *w, StrBuf *out) {
  const GemmPlan *plan = w->plan;
  sb_printf(out, "(%s)[0", plan->output);
  for (int k = 0; k < GEMM_K; k++) put_strides(out, &plan->axis[k], plan->stride_output[k]);
  sb_puts(out, "] = finished[q];\n");
}

static bool shares_b(const Writer *w) {
  const GemmOperand *operand = &w->plan->operand[GEMM_B];
  for (int v = 0; v < w->plan->axis[GEMM_BATCH].nvars; v++)
    if (operand->stride_batch[v] != 0) return false;
  return operand->plain;
}

/* While this block is multiplied, what is packed next is on its way: the next
 * block of k, or the first one of the next piece. */
static void put_next(Writer *w) {
  const GemmPlan *plan = w->plan;
  line(w, "TdFetch fetch[FETCHES] = { 0 };");
  if (!w->flat[GEMM_A] && !w->flat[GEMM_B]) return;
  bool many = w->block.depth_blocks > 1;
  const char *per_batch = "(ROW_BLOCKS * COLUMN_BLOCKS)";
  if (many) {
    line(w, "const int64_t next_k = k0 + DEPTH < K ? k0 + DEPTH : 0;");
    line(w, "const int64_t next = next_k ? piece : piece + 1;");
    line(w, "const int64_t next_depth = K - next_k < DEPTH ? K - next_k : DEPTH;");
  } else {
    line(w, "const int64_t next_k = 0, next = piece + 1, next_depth = K;");
  }
  open_block(w, "if (next < end)");
  StrBuf strides = { 0 };
  char flat[64];
  for (int side = 0; side < 2; side++)
    if (w->flat[side])
      put_strides(&strides, &plan->axis[GEMM_BATCH], plan->operand[side].stride_batch);
  snprintf(flat, sizeof flat, "next / %s", per_batch);
  decode(w, GEMM_BATCH, flat, strides.s ? strides.s : "", true);
  sb_free(&strides);
  if (w->flat[GEMM_A]) {
    open_scope(w);
    line(w, "const int64_t next_row = next %% ROW_BLOCKS * ROWS;");
    put_address(w, GEMM_A, "from", "next_row", "next_k");
    line(w, "const int64_t rest = M - next_row;");
    line(w, "td_fetch_begin(&fetch[FETCHES - 2], from, %lld, %lld, rest < ROWS ? rest : ROWS, next_depth);",
         (long long)w->outer_stride[GEMM_A], (long long)w->k_stride[GEMM_A]);
    close_block(w);
  }
  if (w->flat[GEMM_B]) {
    line(w, "if (next == piece ? fresh : next / ROW_BLOCKS%s != block) {",
         shares_b(w) ? " % COLUMN_BLOCKS" : "");
    w->indent++;
    line(w, "const int64_t next_column = next / ROW_BLOCKS %% COLUMN_BLOCKS * COLUMNS;");
    line(w, "const int64_t rest = N - next_column;");
    put_address(w, GEMM_B, "from", "next_column", "next_k");
    line(w, "td_fetch_begin(&fetch[FETCHES - 1], from, %lld, %lld, rest < COLUMNS ? rest : COLUMNS,",
         (long long)w->outer_stride[GEMM_B], (long long)w->k_stride[GEMM_B]);
    line(w, "               next_depth);");
    close_block(w);
  }
  line(w, "td_fetch_share(fetch + FETCHES - 2, 2, tiles * turns);");
  close_block(w);
}

/* While a row of tiles is multiplied, what its epilogue reads and writes is on
 * its way: each of these for an equal part of the tiles, what comes next for
 * the rest. */
static void put_ahead(Writer *w) {
  bool many = w->block.depth_blocks > 1;
  if (w->naheads == 0) return;
  if (many) open_block(w, "if (k0 + depth >= K)");
  for (int i = 0; i < w->naheads; i++) {
    const GemmAhead *a = w->ahead[i].what;
    StrBuf at = { 0 };
    put_strides(&at, &w->plan->axis[GEMM_BATCH], a->stride[GEMM_BATCH]);
    line(w, "td_fetch_begin(&fetch[%d], %s%s + (row0 + i) * %lld + column0, %lld, 1, height, columns);", i, a->base,
         at.s ? at.s : "", (long long)w->ahead[i].by_row, (long long)w->ahead[i].by_row);
    line(w, "td_fetch_share(&fetch[%d], 1, turns);", i);
    sb_free(&at);
  }
  if (many) close_block(w);
}

static void put_multiply(Writer *w) {
  const GemmPlan *plan = w->plan;
  const Blocks *b = &w->block;
  bool many = b->depth_blocks > 1;
  line(w, "/* multiply: one row of tiles after the other */");
  if (w->flat[GEMM_A] || w->flat[GEMM_B] || w->naheads > 0)
    line(w, "const int64_t turns = td_fetch_turns(vectors, depth, FETCHES - 1);");
  put_next(w);
  open_tiles(w);
  put_ahead(w);
  int64_t stride = b->padded;
  if (w->direct) {
    int64_t by_row = 0;
    flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row);
    StrBuf at = { 0 };
    put_strides(&at, &plan->axis[GEMM_BATCH], plan->stride_output[GEMM_BATCH]);
    line(w, "float *target = %s%s + (row0 + i) * %lld + column0;", plan->output, at.s ? at.s : "",
         (long long)by_row);
    sb_free(&at);
    stride = by_row;
  } else {
    line(w, many ? "float *target = sums + i * %lld;" : "float *target = sums;", (long long)stride);
  }
  bool turned = w->flat[GEMM_A] ? w->k_stride[GEMM_A] == 1 : along_k(w, GEMM_A);
  line(w, "const TdTiles t = {");
  w->indent++;
  line(w, ".depth = depth, .k0 = k0, .b = packed_b, .panel = PANEL, .vectors = vectors,");
  if (w->in_place) line(w, ".a = rows_a + i, .a_step = %lld,", (long long)w->k_stride[GEMM_A]);
  else line(w, ".a = packed_a + td_panel_a(tile, depth), .a_step = TD_LANES,");
  line(w, ".c = target, .c_stride = %lld, .add = %s, .fetch = fetch,", (long long)stride,
       many ? "k0 > 0" : "0");
  line(w, ".fetches = FETCHES");
  w->indent--;
  line(w, "};");
  line(w, "td_tile_row_of(ROWS, LAST_ROWS, ODD, %d, %d, height, &t);", turned, w->direct);
  if (!w->direct) {
    if (many) line(w, "if (k0 + depth < K) continue;");
    put_epilogue(w);
  }
  close_block(w);
}

/* ---- the function ------------------------------------------------------------------------ */
/* `name`: the next `floats` of the scratch memory, if there are any. */
static void take_scratch(Writer *w, const char *name, int64_t floats) {
  int64_t before = (int64_t)(w->plan->scratch / sizeof(float));
  if (floats == 0) return;
  line(w, "float *const %s = (float *)call->scratch + %lld;", name, (long long)before);
  w->plan->scratch += (size_t)floats * sizeof(float);
}

static void put_scratch(Writer *w) {
  const Blocks *b = &w->block;
  /* the widest of the targets: 14 rows a tile in 16 lanes, 6 in 8, 4 in 4 */
  int64_t rows = most(ceil_div(b->rows, TALLEST_TILE) * LANES, ceil_div(b->rows, 6) * 8);
  rows = most(rows, ceil_div(b->rows, 4) * 4);
  int64_t stage = 0;
  for (int side = 0; side < 2; side++) {
    int64_t tile = side == GEMM_A ? TALLEST_TILE : WIDEST_TILE, floats = tile * b->depth;
    if (!along_k(w, side))
      floats = side == GEMM_A ? b->depth * (b->rows + LANES) + LANES : SLAB * b->padded;
    if (!w->flat[side]) stage = most(stage, floats);
  }
  int64_t sums = (b->depth_blocks > 1 ? b->rows : TALLEST_TILE) * b->padded;
  w->plan->scratch = HELD * sizeof(float);
  take_scratch(w, "packed_b", b->padded * w->extent[GEMM_K]);
  take_scratch(w, "packed_a", w->in_place ? 0 : rows * b->depth);
  take_scratch(w, "sums", w->direct ? 0 : sums);
  take_scratch(w, "stage", stage);
}

static void put_head(Writer *w) {
  const Blocks *b = &w->block;
  const int64_t *e = w->extent;
  if (w->plan->comment) line(w, "/* %s */", w->plan->comment);
  line(w, "/* C[%lld][%lld] = A[%lld][%lld] B[%lld][%lld], %lld times; in pieces of",
       (long long)e[GEMM_M], (long long)e[GEMM_N], (long long)e[GEMM_M], (long long)e[GEMM_K],
       (long long)e[GEMM_K], (long long)e[GEMM_N], (long long)e[GEMM_BATCH]);
  line(w, " * %lld x %lld, %lld of k at a time */", (long long)b->rows, (long long)b->columns,
       (long long)b->depth);
  line(w, "void %s(const TdCall *call, int64_t begin, int64_t end)", w->plan->name);
  line(w, "{");
  w->indent++;
  line(w, "enum { M = %lld, N = %lld, K = %lld, ROWS = %lld, LAST_ROWS = %lld, COLUMNS = %lld,",
       (long long)e[GEMM_M], (long long)e[GEMM_N], (long long)e[GEMM_K], (long long)b->rows,
       (long long)b->last_rows, (long long)b->columns);
  line(w, "       DEPTH = %lld, ROW_BLOCKS = %lld, COLUMN_BLOCKS = %lld,", (long long)b->depth,
       (long long)b->row_blocks, (long long)b->column_blocks);
  line(w, "       PANEL = K * TD_TILE_COLUMNS,");
  /* columns of a block are a multiple of a tile's, those of the last block may not be */
  line(w, "       ODD = (N %% COLUMNS + TD_LANES - 1) / TD_LANES %% 2, FETCHES = %d };", w->naheads + 2);
}

static void put_pieces(Writer *w) {
  open_block(w, "for (int64_t piece = begin; piece < end; piece++)");
  line(w, "const int64_t row0 = piece %% ROW_BLOCKS * ROWS;");
  line(w, "const int64_t column0 = piece / ROW_BLOCKS %% COLUMN_BLOCKS * COLUMNS;");
  line(w, "const int64_t rows = M - row0 < ROWS ? M - row0 : ROWS, tiles = TD_TILES_OF(rows);");
  line(w, "const int64_t columns = N - column0 < COLUMNS ? N - column0 : COLUMNS;");
  line(w, "const int64_t vectors = (columns + TD_LANES - 1) / TD_LANES;");
  StrBuf all = { 0 };
  const StrBuf *texts[] = { &w->load[GEMM_A], &w->load[GEMM_B], &w->epilogue, &w->epilogue_row };
  for (int i = 0; i < 4; i++) sb_puts(&all, texts[i]->s ? texts[i]->s : "");
  decode(w, GEMM_BATCH, "piece / (ROW_BLOCKS * COLUMN_BLOCKS)", all.s, true);
  sb_free(&all);
  line(w, "const int64_t block = piece / ROW_BLOCKS%s, fresh = held->block != block;",
       shares_b(w) ? " % COLUMN_BLOCKS" : "");
  line(w, "held->block = block;");
  bool many = w->block.depth_blocks > 1;
  if (many) {
    open_block(w, "for (int64_t k0 = 0; k0 < K; k0 += DEPTH)");
    line(w, "const int64_t depth = K - k0 < DEPTH ? K - k0 : DEPTH;");
  } else {
    line(w, "const int64_t k0 = 0, depth = K;");
  }
  line(w, "/* pack B: panels of TD_TILE_COLUMNS columns, [k][columns] each */");
  open_block(w, "if (fresh)");
  put_pack_b(w);
  close_block(w);
  if (w->in_place) put_address(w, GEMM_A, "rows_a", "row0", "k0");
  else put_pack_a(w);
  put_multiply(w);
  if (many) close_block(w);
  close_block(w);
}

/* Ask the callbacks for their texts, once each; the prologue last, when it is
 * known what the others need. */
static void collect_texts(Writer *w, StrBuf *prologue) {
  GemmPlan *plan = w->plan;
  for (int side = 0; side < 2; side++) {
    if (plan->operand[side].plain) read_plain(w, side, &w->load[side]);
    else plan->load(&w->load[side], plan->ctx, side, "stage[at]");
  }
  if (plan->plain_output) store_plain(w, &w->epilogue);
  else plan->epilogue(&w->epilogue, plan->ctx, "finished[q]");
  if (!plan->plain_output && plan->epilogue_row) plan->epilogue_row(&w->epilogue_row, plan->ctx);
  if (plan->prologue) plan->prologue(prologue, plan->ctx);
}

/* Those that are not whole rows of floats are left to themselves. */
static void choose_aheads(Writer *w) {
  const GemmPlan *plan = w->plan;
  for (int i = 0; i < plan->naheads; i++) {
    int64_t by_row, by_column;
    if (w->direct || !flat_stride(&plan->axis[GEMM_M], plan->ahead[i].stride[GEMM_M], &by_row) ||
        !flat_stride(&plan->axis[GEMM_N], plan->ahead[i].stride[GEMM_N], &by_column) || by_column != 1)
      continue;
    w->ahead[w->naheads].what = &plan->ahead[i];
    w->ahead[w->naheads++].by_row = by_row;
  }
}

void contract_emit(StrBuf *out, GemmPlan *plan) {
  Writer w = { .out = out, .plan = plan };
  for (int k = 0; k < GEMM_AXES; k++) w.extent[k] = axis_extent(&plan->axis[k]);
  for (int side = 0; side < 2; side++) {
    const GemmOperand *operand = &plan->operand[side];
    const GemmAxis *outer = &plan->axis[outer_axis(side)], *k = &plan->axis[GEMM_K];
    w.flat[side] = operand->plain &&
                   flat_stride(outer, operand->stride_outer, &w.outer_stride[side]) &&
                   flat_stride(k, operand->stride_k, &w.k_stride[side]);
  }
  int64_t by_row, by_column;
  w.direct = plan->plain_output && w.extent[GEMM_N] % LANES == 0 &&
             flat_stride(&plan->axis[GEMM_M], plan->stride_output[GEMM_M], &by_row) &&
             flat_stride(&plan->axis[GEMM_N], plan->stride_output[GEMM_N], &by_column) &&
             by_column == 1;
  w.in_place = w.flat[GEMM_A] && w.outer_stride[GEMM_A] == 1 && w.k_stride[GEMM_A] <= NEAR_STRIDE;
  w.block = choose_blocks(&w);
  plan->pieces = w.extent[GEMM_BATCH] * w.block.row_blocks * w.block.column_blocks;
  StrBuf prologue = { 0 };
  collect_texts(&w, &prologue);
  choose_aheads(&w);
  put_head(&w);
  paste(&w, &prologue);
  put_scratch(&w);
  line(&w, "TdHeld *const held = td_held(call);      /* the block of B that is packed */");
  put_pieces(&w);
  close_block(&w);
  sb_free(&prologue);
  for (int side = 0; side < 2; side++) sb_free(&w.load[side]);
  sb_free(&w.epilogue);
  sb_free(&w.epilogue_row);
}
