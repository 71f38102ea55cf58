/* SPDX-License-Identifier: MIT */
/* What the writers of contraction kernels share: gemm_emit.c (products of
 * floats) and gemm_narrow.c (by tiles of bf16: factors rounded, or split). Nothing
 * else includes this. Grouped by defining file. */
#ifndef TDC_GEMM_WRITE_H
#define TDC_GEMM_WRITE_H

#include "compiler/cpu/gemm.h"
#include "compiler/cpu/tiles.h"

enum {
  NARROW_WHOLE = 640, /* k of a product in bf16 up to here is one block */
  SLAB = 32           /* k at a time, when B is evaluated along its columns */
};

/* Blocks of k whose sums are added to one another; where there are more, groups of so many
 * are, and then the groups: else the rounding errors of adding block to block would grow. */
enum { DEPTH_GROUP = 16, NARROW_LIMIT = 512 /* k of a block in bf16, where it is not whole */ };

typedef struct GemmBlocks {
  int64_t rows, row_blocks, last_rows;
  int64_t columns, column_blocks;
  int64_t depth, depth_blocks;
  bool grouped;   /* more than DEPTH_GROUP of these */
  int64_t padded; /* columns, rounded up to whole tiles */
  int64_t stride; /* of the rows of sums that wait for their epilogue */
} GemmBlocks;

/* What multiplies. A plan that is split has two bodies: GEMM_PARTS, and GEMM_FLOATS where the
 * processor has no tiles. GEMM_FEW are no tiles: gemm_few.c. */
typedef enum { GEMM_FLOATS, GEMM_ROUNDED, GEMM_PARTS, GEMM_FEW } GemmTiles;

typedef struct GemmWriter {
  StrBuf *out;
  GemmPlan *plan;
  GemmTiles tiles;
  GemmBlocks block;
  int64_t extent[GEMM_AXES];
  bool flat[2]; /* the operand's rows and k have one stride each */
  int64_t outer_stride[2], k_stride[2];
  bool in_place; /* A is not packed, but read where it lies */
  bool direct;   /* tiles go straight to the output */
  bool runs[2];  /* the operand is copied run by run */
  bool moved;    /* A is read from a copy of its places, */
  bool turned;   /* which is turned */
  int naheads;   /* of the plan's that are rows of floats in memory */
  struct {
    const GemmAhead *what;
    int64_t by_row;
  } ahead[GEMM_AHEADS];
  StrBuf load[2];  /* "stage[at] = element;" with what comes before it */
  StrBuf epilogue; /* consumes finished[q] */
  StrBuf epilogue_row, epilogue_after;
  StrBuf again;                                                /* adds a term to `total` */
  StrBuf some;                                                 /* is a term in the sum? */
  GemmVars load_vars[2], epilogue_vars, again_vars, some_vars; /* that these texts name */
  int indent;
  size_t taken; /* bytes of scratch memory that have a name */
} GemmWriter;

/* Floats of scratch memory a thread. */
typedef struct GemmScratch {
  int64_t packed_b, packed_a, sums, totals, stage, bands;
} GemmScratch;

/* -- gemm_write.c ------------------------------------------------------------- */
/* A line of C; one that opens a block ("head {"), a block without a head, its end. */
void TD_PRINTF(2, 3) gemm_line(GemmWriter *w, const char *fmt, ...);
void TD_PRINTF(2, 3) gemm_open(GemmWriter *w, const char *fmt, ...);
void gemm_scope(GemmWriter *w);
void gemm_close(GemmWriter *w);
/* The function up to its brace; `what` it computes stands above it, or where the plan wants it. */
void gemm_head(GemmWriter *w, const char *what);
/* Append text made by a callback, indented to where it stands. */
void gemm_paste(GemmWriter *w, const StrBuf *text);

int64_t gemm_extent(const GemmAxis *axis);
/* One stride for the flat index, if the variables' strides agree. */
bool gemm_flat_stride(const GemmAxis *axis, const int64_t *stride, int64_t *out);
bool gemm_along_k(const GemmWriter *w, GemmSide side);
bool gemm_banded(const GemmWriter *w);  /* are there windows of any kind, */
bool gemm_bands_k(const GemmWriter *w); /* or of k? */
/* Several of a kind, of some, of k? Then sums are 0 at first; of k, tiles always add to them. */
bool gemm_is_list(const GemmWindow *x);
bool gemm_lists(const GemmWriter *w);
bool gemm_lists_k(const GemmWriter *w);
bool gemm_is_deep(const GemmWriter *w); /* may k be cut into groups of blocks? */
/* After the tiles of a row: what its sums wait for. Behind it stands the epilogue. */
void gemm_put_totals(GemmWriter *w);
/* ".add", whether this block is added to the one before it */
const char *gemm_adds(const GemmWriter *w);
bool gemm_shares_b(const GemmWriter *w);  /* all batches have the same B */
int64_t gemm_same_b(const GemmWriter *w); /* so many that follow one another do, by periods */

/* Declare those of an axis's variables that are in the set, from the flat index. */
void gemm_decode(GemmWriter *w, GemmAxisKind kind, const char *flat, uint32_t vars, bool with_last);
/* The same of the batch, for all texts, from `piece`. */
void gemm_decode_batch(GemmWriter *w);
/* The variables that move an address of these strides. */
uint32_t gemm_moving(const GemmAxis *axis, const int64_t *stride);
/* " + stride * variable" for each variable that moves the address */
void gemm_strides(StrBuf *out, const GemmAxis *axis, const int64_t *stride);
/* `name`: where element (outer0, k0) of a flat operand lies */
void gemm_address(GemmWriter *w, GemmSide side, const char *name, const char *outer0,
                  const char *k0);
/* Evaluate a block of an operand into `stage`: [count][stride] along k, else
 * [depth][stride]. */
void gemm_stage(GemmWriter *w, GemmSide side, const char *outer0, const char *count, const char *k0,
                const char *depth, const char *stride);
/* Does that stage hold bf16, as the operand's runs do? */
bool gemm_half_stage(const GemmWriter *w, GemmSide side);
/* The same along k, each run of row `r` of a tile by a statement that is given `source`, `from`,
 * its place in the block of k, and `run`, its length. */
void gemm_stage_runs(GemmWriter *w, GemmSide side, const char *outer0, const char *count,
                     const char *k0, const char *depth, const char *statement);
/* Where terms may be left out, after the last block of k: sums that are NaN in `height` rows at
 * `target`, `stride` apart, whose first is row0 + i. */
void gemm_put_again(GemmWriter *w, int64_t stride);
/* Rows of tiles: each iteration has `tile`, its first row `i` and `height`. */
void gemm_open_tiles(GemmWriter *w);
/* Each of `height` rows at `target`, whose first is row0 + i. */
void gemm_epilogue(GemmWriter *w);
/* `name`: the next `floats` of the scratch memory, if there are any. */
void gemm_take_scratch(GemmWriter *w, const char *name, int64_t floats);
/* Ask the callbacks for their texts, once each; for the text of one operand. */
void gemm_collect_load(GemmWriter *w, GemmSide side);
void gemm_collect_texts(GemmWriter *w, StrBuf *prologue);
/* Which of the plan's reads and writes of the epilogue may be fetched ahead. */
void gemm_choose_aheads(GemmWriter *w);
/* The other body of the plan that `from` writes: the same texts, from where that one ends. */
void gemm_take_texts(GemmWriter *w, const GemmWriter *from);
#define GEMM_IF_PARTS "#if TD_SPLIT_TILES"

/* -- gemm_blocks.c ------------------------------------------------------------- */
GemmBlocks gemm_choose_blocks(const GemmWriter *w);
/* The same pieces as another body of the plan has. */
GemmBlocks gemm_same_pieces(const GemmWriter *w, const GemmBlocks *as);

/* -- gemm_few.c -------------------------------------------------------------- */
/* Has it few rows, and a B that is best read where it lies? flat and strides are known. */
bool gemm_is_few(const GemmWriter *w);
GemmBlocks gemm_few_blocks(const GemmWriter *w);
GemmScratch gemm_few_scratch(const GemmWriter *w);
/* What stands in the function; blocks are chosen. */
void gemm_few(GemmWriter *w, const StrBuf *prologue);

/* -- gemm_band.c -------------------------------------------------------------- */
int64_t gemm_band_scratch(const GemmWriter *w); /* floats */
void gemm_band_take(GemmWriter *w);
/* Of a piece: the windows of its rows of tiles and columns, and their hull. */
void gemm_band_piece(GemmWriter *w);
/* The loop over the blocks of k in it, that declares k0, depth, whether it is the `first` one whose
 * sums are written and not added, and whether the piece is `done` behind it. */
void gemm_band_open_blocks(GemmWriter *w);
void gemm_band_open_packing(GemmWriter *w); /* the block of `B`, unless it is packed */
/* Of columns that are packed together: kf .. ke - 1, their steps of the block, if there are any. */
void gemm_band_open_packed(GemmWriter *w, const char *column);
void gemm_band_close_packed(GemmWriter *w);
/* A row of tiles around `target`; in it, once A is packed, columns that have a window together. */
void gemm_band_open_row(GemmWriter *w, int64_t stride);
void gemm_band_open_columns(GemmWriter *w, int64_t stride);
void gemm_band_close_row(GemmWriter *w);
/* C expressions of what is multiplied there: its steps of k and those of the row of tiles that A is
 * packed for, columns in the piece. */
typedef struct GemmSteps {
  const char *from, *depth, *a_from, *a_depth, *column, *columns;
} GemmSteps;
GemmSteps gemm_band_steps(const GemmWriter *w);

/* -- gemm_function.c ------------------------------------------------------------ */
typedef struct GemmBody {
  const char *panels;               /* how packed B lies, for the comment */
  void (*constants)(GemmWriter *w); /* besides the extents and blocks */
  void (*scratch)(GemmWriter *w);
  void (*multiply)(GemmWriter *w); /* a block of k of a piece, B being packed */
  const char *open, *close;        /* statements around the pieces, or NULL */
} GemmBody;
/* Ask for all texts; flat, strides, direct, in_place and block are known. Then the head: the
 * function's brace is open. */
void gemm_begin(GemmWriter *w, StrBuf *prologue);
/* What stands between the braces, of one body. */
void gemm_function(GemmWriter *w, const GemmBody *body, const StrBuf *prologue);

/* -- gemm_pack.c --------------------------------------------------------------- */
/* The function that packs all of B; flat strides, columns and depth are known. `other`: the
 * same for processors without tiles, of a plan that is split; or NULL. */
void gemm_pack_kernel(GemmWriter *w, GemmWriter *other);
int64_t gemm_pack_stage(const GemmWriter *w); /* floats of its scratch memory */
/* `block`, of packed B, in a piece; and where it lies, or whether it must be packed. */
void gemm_put_block(GemmWriter *w);
int64_t gemm_packed_blocks(const GemmWriter *w);
int64_t gemm_packed_block(const GemmWriter *w); /* numbers in one */
/* The block of k that begins at k0, for all columns of the piece. */
void gemm_pack_b(GemmWriter *w);
/* PANEL and BLOCK: from panel to panel, from one block of k to the next. */
void gemm_put_panel(GemmWriter *w);
int64_t gemm_panel(const GemmWriter *w, int64_t depth);   /* numbers of 32 rows or columns, split */
int gemm_parts(const GemmWriter *w);                      /* of a number, where these are split */
bool gemm_contiguous(const GemmWriter *w, GemmSide side); /* along k or across it */

/* -- gemm_moves.c --------------------------------------------------------------- */
/* Of a plan whose A is read at moved places, for tiles of bf16: can its pieces be? Rows and depth
 * of a block are known. */
bool gemm_moves_fit(const GemmWriter *w);
/* Floats of scratch memory for the places of a piece, and their spans. */
int64_t gemm_places_room(const GemmWriter *w);
int64_t gemm_spans_room(const GemmWriter *w);
/* `taps` and `moves`, constants of the function; the copy of a piece's places in packed_a. */
void gemm_put_moves(GemmWriter *w);
void gemm_pack_places(GemmWriter *w);
/* `at`, the place of the strip's first row, in numbers from packed_a, and `below`, from there to
 * the one of the row 16 below. */
void gemm_put_strip(GemmWriter *w);
int64_t gemm_place(const GemmWriter *w);     /* numbers of one */
int64_t gemm_place_row(const GemmWriter *w); /* from row to row */
/* For both kinds of copies. The first place of a row, or step of k, for the first tap; from the
 * first tap's place to another's; to the last tap's; how many the piece or block has that has most.
 * And `name`, the first of `row`, with `then` behind it. */
int64_t gemm_place_of(const GemmWriter *w, int64_t row);
int64_t gemm_tap_place(const GemmWriter *w, int64_t tap);
int64_t gemm_reach(const GemmWriter *w);
int64_t gemm_most_places(const GemmWriter *w);
void gemm_put_place(GemmWriter *w, const char *name, const char *row, const char *then);

/* -- gemm_places.c -------------------------------------------------------------- */
/* The same for tiles of floats: can its pieces be? moved and turned are what they would be. */
bool gemm_places_fit(const GemmWriter *w);
int64_t gemm_copy_room(const GemmWriter *w); /* floats of scratch memory */
void gemm_put_copy(GemmWriter *w);           /* constants of the function, */
void gemm_copy_places(GemmWriter *w);        /* the copy of a piece, or of its block of k, */
void gemm_put_copied(GemmWriter *w);         /* and what the tiles are told of it */
/* Do numbers lie evenly that are copied next? Then those of next_row and next_k are fetched. */
bool gemm_copies_evenly(const GemmWriter *w);
void gemm_fetch_places(GemmWriter *w);

/* -- gemm_turned.c -------------------------------------------------------------- */
/* Can channels be in so many blocks, and how many rows has each with its taps? */
bool gemm_turned_rows(const GemmWriter *w, int64_t blocks, int64_t *rows);
bool gemm_turned_fits(const GemmWriter *w);    /* rows and depth of a block are known */
int64_t gemm_turned_room(const GemmWriter *w); /* floats of scratch memory, */
int64_t gemm_turned_spans(const GemmWriter *w);
void gemm_put_turned(GemmWriter *w);       /* constants of the function, */
void gemm_turn_places(GemmWriter *w);      /* the copy of a block of k, */
void gemm_put_turned_strip(GemmWriter *w); /* `at` and `below` of a strip, as gemm_put_strip, */
void gemm_put_turned_rows(GemmWriter *w);  /* and what the tiles are told of it */

/* -- gemm_narrow.c ------------------------------------------------------------- */
/* For tiles of bf16. Which operands and results need no copy; flat, outer_stride
 * and k_stride are known. */
void gemm_narrow_choose(GemmWriter *w);
GemmScratch gemm_narrow_scratch(const GemmWriter *w);
/* What stands in the function; blocks are chosen. */
void gemm_narrow(GemmWriter *w, const StrBuf *prologue);

#endif
