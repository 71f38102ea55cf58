/* SPDX-License-Identifier: MIT */
/* Grids and blocks, by extents alone: no sum depends on the device. */
#include "compiler/cuda/cuda.h"

enum {
  SHORT_LOOP = 8,   /* iterations inside a row that one thread does alone */
  WARP_MOST = 1024, /* longest row of a warp */
  WARP_ROWS = 512,  /* with fewer rows than this, a block takes each */
  TURNS_LEAST = 4,  /* warps that take turns at a piece's rows */
  PROCESSORS = 132,
  BLOCKS_WAITING = 4,   /* of one processor: 64 registers a thread */
  LONG_SUM = 256,       /* terms that a thread adds one after another */
  LONG_NARROW = 4096,   /* terms of a product on tensor cores, 16 of which are added at a time */
  LONG_WIDE = 512,      /* of one that is not */
  COSTLY = 16,          /* operations of an operand's element */
  NEAR_MOST = 24 << 10, /* bytes of sums over rows in shared memory */
  LOOP_LEAST = 64,      /* threads of a block that runs a loop, */
  LOOP_MOST = 512,      /* at most: registers for any body */
  LIST_LEAST = 512,     /* positions of a scatter that are listed, */
  LIST_NUMBERS = 512,   /* numbers of the output for a block, at most, */
  LIST_BLOCKS = 16      /* blocks for a processor, about */
};
static const double LOOKS_MOST = 0x1p32; /* comparisons of a scatter that gathers */

/* ---- rows --------------------------------------------------------------------------------- */

static int64_t extents(const Item *it, int from, int to) {
  int64_t n = 1;
  for (int i = from; i < to; i++) n *= it->extent[i];
  return n;
}

/* The most threads that the item keeps busy within a row. */
static int64_t width(const Item *it) {
  if (it->form != FORM_MIXED) return extents(it, 0, it->nloops);
  int64_t out = extents(it, 0, it->nout), terms = extents(it, it->nout, it->nloops);
  return out > terms ? out : terms;
}

bool cuda_shares_sum(const CudaRows *c, const Item *it) {
  return c->team > 1 && extents(it, 0, it->nout) * 2 <= c->team &&
         extents(it, it->nout, it->nloops) >= CUDA_WARP;
}

/* How often something is done by a team of so many, by each. */
static int64_t share(int64_t times, int team) { return (times + team - 1) / team; }

bool cuda_is_long(const CudaRows *c, const Item *it) {
  if (it->node->reducer != RED_SUM || it->node->type != TY_REAL) return false;
  bool sums = it->member->accumulates;
  int apart = c->spread ? c->team : c->turns ? c->teams : 1;
  int64_t rows = !sums ? 1 : share(c->per_piece, apart);
  int64_t terms = extents(it, it->nout, it->nloops);
  if (c->columns) return sums && rows > LONG_SUM;
  if (it->form == FORM_MIXED) /* the sums over rows are of what each row comes to */
    return (cuda_shares_sum(c, it) ? share(terms, c->team) : terms) > LONG_SUM;
  if (sums) return it->nout == 0 && rows * share(terms, c->team) > LONG_SUM;
  return it->form == FORM_REDUCE && share(terms, c->team) > LONG_SUM;
}

size_t cuda_array_bytes(const Item *it) { return (item_array_bytes(it) + 15) / 16 * 16; }

bool cuda_short(const CudaRows *c, const RowPlan *r) {
  bool fits = r->rows < CUDA_SHORT && c->pieces < CUDA_SHORT;
  for (int i = 0; i < r->nitems; i++)
    fits = fits && extents(&r->items[i], 0, r->items[i].nloops) < CUDA_SHORT;
  return fits;
}

size_t cuda_sum_bytes(const Item *it) {
  if (!it->member->accumulates || it->nout == 0) return 0;
  return (size_t)(extents(it, 0, it->nout) * 4 + 15) / 16 * 16;
}

/* Nothing but one nest of maps and of sums over rows with a result for each point? */
static bool is_columns(const RowPlan *r) {
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    bool sums = it->member->accumulates && it->nout == it->nloops;
    if (it->nest != r->items[0].nest || it->nloops == 0) return false;
    if (it->form != FORM_MAP && !sums) return false;
  }
  return !r->flat;
}

/* Sums over rows that warps can take turns at: each is of points that lanes have. */
static bool takes_turns(const RowPlan *r, const CudaRows *c) {
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    if (!it->member->accumulates) continue;
    if (it->form == FORM_MIXED || it->nloops == 0 || it->node->type == TY_BOOL) return false;
    if (it->nout > 0 && !c->near) return false;
  }
  return !r->flat && c->per_piece >= TURNS_LEAST;
}

static void choose_team(const Plan *p, const RowPlan *r, bool accumulates, CudaRows *out) {
  int64_t widest = 1;
  for (int i = 0; i < r->nitems; i++) {
    if (width(&r->items[i]) > widest) widest = width(&r->items[i]);
    out->arrays += cuda_array_bytes(&r->items[i]);
  }
  bool few = r->rows < WARP_ROWS || accumulates;
  if (r->flat)
    out->team = out->spread ? CUDA_BLOCK : 1;
  else if (widest <= SHORT_LOOP && !few && out->arrays == 0)
    out->team = 1;
  else
    out->team = widest > WARP_MOST || (few && widest > 2 * CUDA_WARP) ? CUDA_BLOCK : CUDA_WARP;
  out->turns = accumulates && widest <= WARP_MOST && widest > 2 * CUDA_WARP && takes_turns(r, out);
  if (out->turns) out->team = CUDA_WARP;
  out->teams = CUDA_BLOCK / out->team;
  if (out->team == 1) return;
  size_t most = p->target->memory.on_chip / 4; /* several blocks at a time */
  while (out->teams > 1 && (size_t)out->teams * out->arrays > most) out->teams /= 2;
  if (!out->turns || out->teams >= TURNS_LEAST) return;
  out->turns = false;
  out->team = CUDA_BLOCK;
  out->teams = 1;
}

CudaRows cuda_rows(const Plan *p, const Group *g) {
  const RowPlan *r = g->rows;
  CudaRows out = {.per_piece = g->rows_fixed ? g->block : 1};
  bool accumulates = false;
  for (int i = 0; i < r->nitems; i++) accumulates = accumulates || r->items[i].member->accumulates;
  if (out.per_piece < 1) out.per_piece = 1;
  if (out.per_piece > r->rows && r->rows > 0) out.per_piece = r->rows;
  out.spread = r->flat && accumulates;
  if (r->flat && !accumulates) out.per_piece = 1;
  out.pieces = (r->rows + out.per_piece - 1) / out.per_piece;
  out.columns = accumulates && is_columns(r);
  if (out.columns) { /* as few passes as there can be, all as wide */
    int64_t points = width(&r->items[0]), passes = (points + CUDA_BLOCK - 1) / CUDA_BLOCK;
    out.team = (int)((points + passes - 1) / passes + CUDA_WARP - 1) / CUDA_WARP * CUDA_WARP;
    out.teams = 1;
    return out;
  }
  size_t sums = 0;
  for (int i = 0; i < r->nitems; i++) sums += cuda_sum_bytes(&r->items[i]);
  out.near = sums > 0 && sums <= NEAR_MOST;
  if (out.near) out.arrays = sums;
  choose_team(p, r, accumulates, &out);
  if (out.team == CUDA_BLOCK || out.turns) out.room = 16 * (CUDA_BLOCK / CUDA_WARP);
  return out;
}

/* ---- loops --------------------------------------------------------------------------------- */

static int64_t widest_of(const RowPlan *r) {
  int64_t widest = 1;
  for (int i = 0; i < r->nitems; i++)
    if (width(&r->items[i]) > widest) widest = width(&r->items[i]);
  return widest;
}

/* Rows of the group for each independent row of the loop. */
static int64_t rows_each(const LoopKernel *k, const Group *g) { return g->rows->rows / k->rows; }

/* The team that is through first: a thread, a warp or the block for each row. */
CudaRows cuda_rows_within(const LoopKernel *k, int threads, const Group *g) {
  const RowPlan *r = g->rows;
  CudaRows out = {.per_piece = 1, .pieces = k->slice * rows_each(k, g)};
  int64_t widest = widest_of(r);
  for (int i = 0; i < r->nitems; i++) out.arrays += cuda_array_bytes(&r->items[i]);
  const int team[] = {threads, CUDA_WARP, 1};
  int64_t least = INT64_MAX;
  for (int i = 0; i < 3; i++) {
    int teams = threads / team[i];
    bool fits = i == 0 || (i == 1 ? (size_t)teams * out.arrays <= NEAR_MOST : out.arrays == 0);
    int64_t turns = share(out.pieces, teams) * share(widest, team[i]);
    if (!(r->flat ? i == 2 : fits) || (turns >= least && !r->flat)) continue;
    least = turns;
    out.team = team[i];
    out.teams = teams;
  }
  if (out.team == threads) out.room = (size_t)(16 * (threads / CUDA_WARP));
  return out;
}

CudaLoop cuda_loop(const Group *g) {
  const LoopKernel *k = g->kernel;
  CudaLoop out = {.threads = LOOP_LEAST, .slices = (k->rows + k->slice - 1) / k->slice};
  for (int i = 0; i < k->body.n; i++) {
    int64_t points = k->slice * rows_each(k, k->body.at[i]) * widest_of(k->body.at[i]->rows);
    while (out.threads < points && out.threads < LOOP_MOST) out.threads += CUDA_WARP;
  }
  for (int i = 0; i < k->body.n; i++) {
    CudaRows c = cuda_rows_within(k, out.threads, k->body.at[i]);
    size_t own = c.room + (size_t)c.teams * c.arrays;
    if (own > out.shared) out.shared = own;
  }
  out.shared += k->near_bytes;
  return out;
}

static void set(TdLaunch *out, int64_t grid, int threads, size_t shared) {
  for (int d = 0; d < 3; d++) out->gpu.grid[d] = out->gpu.block[d] = 1;
  out->gpu.grid[0] = grid;
  out->gpu.block[0] = threads;
  out->gpu.shared = shared;
  out->gpu.resident = 1;
}

static void shape_rows(const Plan *p, const Group *g, TdLaunch *out) {
  CudaRows c = cuda_rows(p, g);
  set(out, c.turns ? c.pieces : (c.pieces + c.teams - 1) / c.teams, c.teams * c.team,
      c.room + (size_t)c.teams * c.arrays);
  /* pieces of many rows wait at barriers or for memory: others fill the time */
  if ((c.team == CUDA_BLOCK || c.turns) && c.per_piece > 1) out->gpu.resident = BLOCKS_WAITING;
}

/* ---- products --------------------------------------------------------------------------- */

/* Tiles for tensor cores, and how much of their peak they reach beside the largest, in percent:
 * a small one reads operands more often. Of equals the first. */
static const struct {
  int rows, columns, percent;
} tiles[] = {{128, 128, 100}, {64, 128, 85}, {128, 64, 80}, {64, 64, 65}};

/* The one of which all are done first, each processor one after another. A large tile's sums
 * leave no registers for parts. */
static void choose_tile(const int64_t *extent, CudaTile *t) {
  double least = 0;
  for (size_t i = t->parts ? sizeof tiles / sizeof *tiles - 1 : 0; i < sizeof tiles / sizeof *tiles;
       i++) {
    int64_t down = (extent[GEMM_M] + tiles[i].rows - 1) / tiles[i].rows,
            across = (extent[GEMM_N] + tiles[i].columns - 1) / tiles[i].columns,
            rounds = share(down * across * extent[GEMM_BATCH], PROCESSORS);
    double time = (double)rounds * tiles[i].rows * tiles[i].columns / tiles[i].percent;
    if (least > 0 && time >= least) continue;
    least = time;
    t->rows = tiles[i].rows;
    t->columns = tiles[i].columns;
  }
}

/* Steps under way: as many as 48 KB hold, where copies run ahead, and no more than there are. */
static int stages_of(Plan *p, const Group *g, const CudaTile *t) {
  bool copies =
      product_lie(p, g, GEMM_A) == PRODUCT_COPIED || product_lie(p, g, GEMM_B) == PRODUCT_COPIED;
  int64_t steps = share(g->contraction->extent[GEMM_K], CUDA_MMA_DEPTH);
  int most = t->rows + t->columns > 3 * CUDA_TILE ? 3 : 4;
  if (!copies || steps < 2) return 2;
  return steps < most ? (int)steps : most;
}

CudaTile cuda_tile(Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  const int64_t *extent = c->extent;
  CudaTile t = {.narrow = p->rounds, .rows = CUDA_TILE, .columns = CUDA_TILE};
  t.parts = extent[GEMM_K] > (t.narrow ? LONG_NARROW : LONG_WIDE);
  /* registers for operands that take much computing, and for sums in two stages */
  double cost = plan_flops(p->g, c->operand[GEMM_A]) + plan_flops(p->g, c->operand[GEMM_B]);
  t.resident = t.narrow && cost < COSTLY ? 2 : 1;
  if (t.narrow) choose_tile(extent, &t);
  t.down = (extent[GEMM_M] + t.rows - 1) / t.rows;
  t.across = (extent[GEMM_N] + t.columns - 1) / t.columns;
  t.shared = CUDA_TILE_BYTES;
  if (!t.narrow) return t;
  t.stages = stages_of(p, g, &t);
  size_t operands = (size_t)(t.stages * (t.rows + t.columns) * CUDA_MMA_DEPTH * 2);
  size_t stage = (size_t)(t.rows / 2 * (t.columns + CUDA_STAGE_GAP) * 4);
  t.shared = operands > stage ? operands : stage;
  return t;
}

/* ---- scatters --------------------------------------------------------------------------- */

/* One axis is named by a value, the others have a variable for each of their numbers, and whether
 * the value lands does not depend on these. */
static bool names_rows(const Node *n, const CudaScatter *s, uint32_t *owned) {
  int named = 0;
  for (int d = 0; d < n->rank; d++) {
    if (s->var[d] < 0)
      named++;
    else if (n->extent[s->var[d]] != n->shape[d])
      return false;
    else
      *owned |= 1u << s->var[d];
  }
  return named == 1 && (!n->guard || (n->guard->vars & *owned) == 0);
}

/* Columns are lanes, one or two each; rows that are many go by several, so that positions are
 * not looked through too often. */
static bool choose_lists(const Node *n, CudaScatter *s) {
  uint32_t owned = 0;
  double numbers = 1;
  int64_t rows = 1;
  s->positions = s->width = 1;
  if (!names_rows(n, s, &owned)) return false;
  for (int v = 0; v < n->nvars; v++) numbers *= (double)n->extent[v];
  if (numbers >= CUDA_SHORT) return false;
  for (int v = 0; v < n->nvars; v++) *(owned >> v & 1 ? &s->width : &s->positions) *= n->extent[v];
  for (int d = 0; d < n->rank; d++)
    if (s->var[d] < 0) rows = n->shape[d];
  s->columns = s->width > CUDA_WARP ? 2 * CUDA_WARP : CUDA_WARP;
  int64_t slices = (s->width + s->columns - 1) / s->columns;
  for (s->rows = 1; s->rows * 2 * s->columns <= LIST_NUMBERS;) {
    if ((rows + s->rows - 1) / s->rows * slices <= LIST_BLOCKS * PROCESSORS) break;
    s->rows *= 2;
  }
  s->count = (rows + s->rows - 1) / s->rows * slices;
  return s->positions >= LIST_LEAST && rows < CUDA_SHORT && s->count < CUDA_SHORT;
}

/* Looking takes a comparison for each value and each place that it could have; adding takes
 * a way to memory and back for each value, one after another. */
CudaScatter cuda_scatter(const Node *n) {
  CudaScatter s = {.axis = -1, .count = 1};
  double work = 1, out = 1;
  for (int v = 0; v < n->nvars; v++) work *= (double)n->extent[v];
  for (int d = 0; d < n->rank; d++) {
    s.var[d] = scatter_bare(n, d);
    out *= (double)n->shape[d];
    if (s.var[d] < 0)
      work *= (double)n->shape[d];
    else if (s.axis < 0 || n->shape[d] > n->shape[s.axis])
      s.axis = d;
  }
  s.lists = choose_lists(n, &s);
  if (s.lists) return s;
  s.count = 1;
  s.gathers = n->rank > 0 && work < LOOKS_MOST && out < CUDA_SHORT;
  if (s.gathers)
    s.count = ir_count(n);
  else if (s.axis >= 0)
    s.count = n->shape[s.axis];
  return s;
}

/* ---- all ---------------------------------------------------------------------------------- */

void cuda_shape(Plan *p, Group *g) {
  TdLaunch *out = &g->launch.shape;
  switch (g->kind) {
  case GROUP_ROWS: shape_rows(p, g, out); return;
  case GROUP_SCATTER: {
    CudaScatter s = cuda_scatter(g->members.at[0].node);
    if (s.lists) {
      set(out, s.count, CUDA_BLOCK,
          (size_t)(CUDA_BLOCK / CUDA_WARP) * (size_t)(s.rows * s.columns * 8 + CUDA_LIST_BYTES));
      return;
    }
    int threads = s.gathers ? CUDA_BLOCK : CUDA_WARP;
    set(out, (s.count + threads - 1) / threads, threads, 0);
    return;
  }
  case GROUP_CONTRACTION: {
    CudaTile t = cuda_tile(p, g);
    set(out, g->contraction->extent[GEMM_BATCH] * t.down * t.across, CUDA_BLOCK, t.shared);
    out->gpu.resident = t.resident;
    return;
  }
  case GROUP_LOOP: {
    CudaLoop l = cuda_loop(g);
    set(out, l.slices, l.threads, l.shared);
    return;
  }
  case GROUP_PACK:
  case GROUP_CHAIN: break; /* chain_shape.c */
  }
  bug("a group that this target has no kernel for");
}
