/* SPDX-License-Identifier: MIT */
/* What the writers of contraction kernels share: the text of C, extents and
 * strides, loops over the variables of an axis, operands evaluated into a stage,
 * the epilogue, scratch memory. */
#include "compiler/cpu/gemm_write.h"

#include <string.h>

/* ---- text ---------------------------------------------------------------------- */
void gemm_line(GemmWriter *w, const char *fmt, ...) {
  for (int i = 0; i < w->indent; i++) sb_puts(w->out, "  ");
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(w->out, fmt, ap);
  va_end(ap);
  sb_putc(w->out, '\n');
}

void gemm_open(GemmWriter *w, const char *fmt, ...) {
  StrBuf head = {0};
  va_list ap;
  va_start(ap, fmt);
  sb_vprintf(&head, fmt, ap);
  va_end(ap);
  gemm_line(w, "%s {", head.s);
  w->indent++;
  sb_free(&head);
}

void gemm_open_tiles(GemmWriter *w) {
  if (w->tiles == GEMM_FLOATS) {
    gemm_line(w, "for (int64_t tile = 0, i = 0, height; tile < tiles; tile++, i += height) {");
    w->indent++;
    if (w->moved)
      gemm_line(w, "height = RUN / TD_TILES_OF(RUN) + (tile %% TD_TILES_OF(RUN) < RUN %% "
                   "TD_TILES_OF(RUN));");
    else
      gemm_line(w, "height = rows / tiles + (tile < rows %% tiles);");
    return;
  }
  gemm_open(w, "for (int64_t i = 0; i < rows; i += STRIP)");
  gemm_line(w, "const int64_t height = rows - i < STRIP ? rows - i : STRIP;");
  if (gemm_banded(w)) gemm_line(w, "const int64_t tile = i / STRIP;");
}

void gemm_close(GemmWriter *w) {
  w->indent--;
  gemm_line(w, "}");
}

void gemm_head(GemmWriter *w, const char *what) {
  const GemmPlan *plan = w->plan;
  if (plan->note) {
    sb_puts(plan->note, what);
  } else {
    if (plan->comment) gemm_line(w, "/* %s */", plan->comment);
    gemm_line(w, "/* %s */", what);
    gemm_line(w, "void %s(const TdCall *call, int64_t begin, int64_t end)", plan->name);
  }
  gemm_scope(w);
}

void gemm_paste(GemmWriter *w, const StrBuf *text) {
  for (const char *s = text->s; s && *s;) {
    const char *end = strchr(s, '\n');
    size_t n = end ? (size_t)(end - s) : strlen(s);
    gemm_line(w, "%.*s", (int)n, s);
    s = end ? end + 1 : s + n;
  }
}

/* ---- extents and strides ---------------------------------------------------------- */
int64_t gemm_extent(const GemmAxis *axis) {
  int64_t n = 1;
  for (int v = 0; v < axis->nvars; v++) n *= axis->extent[v];
  return n;
}

bool gemm_flat_stride(const GemmAxis *axis, const int64_t *stride, int64_t *out) {
  int64_t step = 0, inner = 1;
  bool found = false;
  if (axis->cut) return false;
  for (int v = axis->nvars - 1; v >= 0; v--) {
    if (axis->extent[v] == 1) continue;
    if (!found)
      step = stride[v], found = true;
    else if (stride[v] != step * inner)
      return false;
    inner *= axis->extent[v];
  }
  *out = step;
  return true;
}

/* ---- windows ---------------------------------------------------------------------------- */
bool gemm_bands_k(const GemmWriter *w) {
  return w->plan->k_of[GEMM_A].any || w->plan->k_of[GEMM_B].any;
}

bool gemm_is_list(const GemmWindow *x) { return x->n > 1; }

bool gemm_lists_k(const GemmWriter *w) {
  return gemm_is_list(&w->plan->k_of[GEMM_A]) || gemm_is_list(&w->plan->k_of[GEMM_B]);
}

bool gemm_lists(const GemmWriter *w) {
  return gemm_lists_k(w) || gemm_is_list(&w->plan->columns_of_row);
}

bool gemm_banded(const GemmWriter *w) { return gemm_bands_k(w) || w->plan->columns_of_row.any; }

/* ---- variables --------------------------------------------------------------------- */
int64_t gemm_same_b(const GemmWriter *w) {
  const GemmAxis *batch = &w->plan->axis[GEMM_BATCH];
  int64_t same = 1;
  for (int v = 0; v < batch->nvars; v++)
    if (w->plan->period[v]) same *= batch->extent[v] / w->plan->period[v];
  return same;
}

/* The batch, where those of the same B follow one another: each variable is its place in a period
 * and, behind the places of all, how many periods are before it. */
static void decode_periods(GemmWriter *w, const char *flat, uint32_t vars) {
  const GemmAxis *axis = &w->plan->axis[GEMM_BATCH];
  const int64_t *period = w->plan->period;
  int64_t places = gemm_same_b(w), periods = 1;
  for (int v = axis->nvars - 1; v >= 0; v--) {
    const long long times = axis->extent[v] / period[v];
    if (vars >> v & 1)
      gemm_line(w, "const int64_t %s = (%s) / %lld %% %lld + (%s) / %lld %% %lld * %lld;",
                axis->var[v], flat, (long long)places, (long long)period[v], flat,
                (long long)periods, times, (long long)period[v]);
    places *= period[v];
    periods *= times;
  }
}

/* An axis whose last variable is cut into blocks, which are outermost. */
static void decode_cut(GemmWriter *w, const GemmAxis *axis, const char *flat, uint32_t vars,
                       bool with_last) {
  const int last = axis->nvars - 1;
  const long long block = gemm_extent(axis) / axis->extent[last] * axis->cut, cut = axis->cut;
  int64_t inner = block;
  for (int v = 0; v < last; v++) {
    inner /= axis->extent[v];
    if (vars >> v & 1)
      gemm_line(w, "const int64_t %s = (%s) / %lld %% %lld;", axis->var[v], flat, (long long)inner,
                (long long)axis->extent[v]);
  }
  if (with_last && vars >> last & 1)
    gemm_line(w, "const int64_t %s = (%s) / %lld * %lld + (%s) %% %lld;", axis->var[last], flat,
              block, cut, flat, cut);
}

void gemm_decode(GemmWriter *w, GemmAxisKind kind, const char *flat, uint32_t vars,
                 bool with_last) {
  const GemmAxis *axis = &w->plan->axis[kind];
  if (axis->cut) {
    decode_cut(w, axis, flat, vars, with_last);
    return;
  }
  if (kind == GEMM_BATCH && axis->nvars && w->plan->period[0]) {
    decode_periods(w, flat, vars);
    return;
  }
  int64_t inner = gemm_extent(axis);
  for (int v = 0; v < axis->nvars; v++) {
    inner /= axis->extent[v];
    if ((v == axis->nvars - 1 && !with_last) || !(vars >> v & 1)) continue;
    char divide[40] = "", modulo[40] = "";
    if (inner > 1) snprintf(divide, sizeof divide, " / %lld", (long long)inner);
    if (v > 0) snprintf(modulo, sizeof modulo, " %% %lld", (long long)axis->extent[v]);
    gemm_line(w, "const int64_t %s = %s%s%s%s%s;", axis->var[v], *divide || *modulo ? "(" : "",
              flat, *divide || *modulo ? ")" : "", divide, modulo);
  }
}

/* The head of a loop over the runs of an axis's last variable: `from`, from where on, and `run`,
 * how many. Declared are the other variables, and `first`, the last one's first value. */
static void open_runs(GemmWriter *w, GemmAxisKind kind, const char *start, const char *count,
                      uint32_t vars) {
  const GemmAxis *axis = &w->plan->axis[kind];
  const long long extent = axis->cut ? axis->cut : axis->extent[axis->nvars - 1];
  gemm_line(w, "for (int64_t from = 0, run; from < %s; from += run) {", count);
  w->indent++;
  gemm_line(w, "const int64_t flat = %s + from, %s = flat %% %lld;", start,
            axis->cut ? "within" : "first", extent);
  gemm_line(w, "const int64_t rest = %s - from;", count);
  if (axis->cut) {
    gemm_line(w, "run = %lld - within < rest ? %lld - within : rest;", extent, extent);
    gemm_line(w, "const int64_t first = flat / %lld * %lld + within;",
              (long long)(gemm_extent(axis) / axis->extent[axis->nvars - 1] * axis->cut), extent);
  } else {
    gemm_line(w, "run = %lld - first < rest ? %lld - first : rest;", extent, extent);
  }
  gemm_decode(w, kind, "flat", vars, false);
}

/* A simd loop over flat indices start .. start + count - 1 of an axis around
 * `body`, which names these variables of the axis; `q` counts from 0. */
static void run_loop(GemmWriter *w, GemmAxisKind kind, const char *start, const char *count,
                     const StrBuf *body, uint32_t vars) {
  const GemmAxis *axis = &w->plan->axis[kind];
  const char *last = axis->nvars ? axis->var[axis->nvars - 1] : NULL;
  bool one = gemm_extent(axis) == (axis->nvars ? axis->extent[axis->nvars - 1] : 1);
  char flat[64];
  if (one || axis->extent[axis->nvars - 1] < 8) {
    /* one variable, or the last one is too short to make a loop of its own */
    gemm_line(w, "#pragma omp simd");
    gemm_line(w, "for (int64_t q = 0; q < %s; q++) {", count);
    w->indent++;
    snprintf(flat, sizeof flat, "%s + q", start);
    gemm_decode(w, kind, flat, vars, true);
    gemm_paste(w, body);
    gemm_close(w);
    return;
  }
  open_runs(w, kind, start, count, vars);
  gemm_line(w, "#pragma omp simd");
  gemm_open(w, "for (int64_t q = from; q < from + run; q++)");
  if (vars >> (axis->nvars - 1) & 1) gemm_line(w, "const int64_t %s = first + q - from;", last);
  gemm_paste(w, body);
  gemm_close(w);
  gemm_close(w);
}

uint32_t gemm_moving(const GemmAxis *axis, const int64_t *stride) {
  uint32_t vars = 0;
  for (int v = 0; v < axis->nvars; v++)
    if (stride[v] && axis->extent[v] > 1) vars |= 1u << v;
  return vars;
}

void gemm_strides(StrBuf *out, const GemmAxis *axis, const int64_t *stride) {
  for (int v = 0; v < axis->nvars; v++)
    if (stride[v] && axis->extent[v] > 1)
      sb_printf(out, " + %lld * %s", (long long)stride[v], axis->var[v]);
}

/* ---- operands ------------------------------------------------------------------------ */
static void read_plain(const GemmWriter *w, GemmSide side, StrBuf *out) {
  const GemmPlan *plan = w->plan;
  const GemmOperand *operand = &plan->operand[side];
  if (w->runs[side])
    sb_printf(out, "const %s *const source = (%s)", operand->half ? "uint16_t" : "float",
              operand->base);
  else
    sb_printf(out, "stage[at] = %s(%s)[0", operand->half ? "td_wide(" : "", operand->base);
  gemm_strides(out, &plan->axis[GEMM_BATCH], operand->stride_batch);
  gemm_strides(out, &plan->axis[gemm_outer(side)], operand->stride_outer);
  gemm_strides(out, &plan->axis[GEMM_K], operand->stride_k);
  sb_puts(out, w->runs[side] ? ";\n" : operand->half ? "]);\n" : "];\n");
}

bool gemm_along_k(const GemmWriter *w, GemmSide side) {
  const GemmOperand *operand = &w->plan->operand[side];
  const GemmAxis *k = &w->plan->axis[GEMM_K], *outer = &w->plan->axis[gemm_outer(side)];
  if (!operand->plain) return operand->along_k;
  int64_t by_k = k->nvars ? operand->stride_k[k->nvars - 1] : 0;
  int64_t by_outer = outer->nvars ? operand->stride_outer[outer->nvars - 1] : 0;
  return by_k == 1 || by_outer != 1;
}

bool gemm_is_deep(const GemmWriter *w) {
  return w->extent[GEMM_K] > DEPTH_GROUP * (w->tiles == GEMM_ROUNDED ? NARROW_LIMIT : DEPTH_LIMIT);
}

const char *gemm_adds(const GemmWriter *w) {
  if (gemm_lists_k(w)) return "1";
  if (gemm_bands_k(w)) return "!first";
  return w->block.grouped ? "k0 / DEPTH % GROUP > 0" : w->block.depth_blocks > 1 ? "k0 > 0" : "0";
}

/* Is there a block of k behind this one? */
static const char *more_blocks(const GemmWriter *w) {
  return gemm_bands_k(w) ? "!done" : "k0 + depth < K";
}

void gemm_put_totals(GemmWriter *w) {
  const long long stride = w->block.stride;
  const bool bands = gemm_bands_k(w);
  const char *more = more_blocks(w);
  if (!w->block.grouped) {
    if (w->block.depth_blocks > 1) gemm_line(w, "if (%s) continue;", more);
    return;
  }
  gemm_line(w, "float *const total = totals + i * %lld;", stride);
  if (bands) gemm_line(w, "const _Bool again = k0 / DEPTH / GROUP > k_first / DEPTH / GROUP;");
  gemm_open(w, "if (%s)", more);
  gemm_line(w, "if (k0 / DEPTH %% GROUP == GROUP - 1)");
  gemm_line(w, "  td_add_rows(total, target, height * %lld, %s);", stride,
            bands ? "again" : "k0 / DEPTH >= GROUP");
  gemm_line(w, "continue;");
  gemm_close(w);
  gemm_line(w, "%std_add_rows(target, total, height * %lld, 1);", bands ? "if (again) " : "",
            stride);
}

void gemm_address(GemmWriter *w, GemmSide side, const char *name, const char *outer0,
                  const char *k0) {
  const GemmOperand *operand = &w->plan->operand[side];
  StrBuf b = {0};
  gemm_strides(&b, &w->plan->axis[GEMM_BATCH], operand->stride_batch);
  gemm_line(w, "const %s *%s = %s%s + %s * %lld + %s * %lld;", operand->half ? "uint16_t" : "float",
            name, operand->base, b.s ? b.s : "", outer0, (long long)w->outer_stride[side], k0,
            (long long)w->k_stride[side]);
  sb_free(&b);
}

void gemm_scope(GemmWriter *w) {
  gemm_line(w, "{");
  w->indent++;
}

/* A block of an operand in runs. Lines that differ in their axis's last variable alone are the
 * innermost loop: the others' places and conditions are found once for all of these. */
static void put_runs(GemmWriter *w, GemmSide side, const char *outer0, const char *count,
                     const char *k0, const char *depth, const char *statement) {
  bool by_k = gemm_along_k(w, side);
  const GemmAxisKind outer = gemm_outer(side), across = by_k ? outer : GEMM_K,
                     along = by_k ? GEMM_K : outer;
  const GemmAxis *axis = &w->plan->axis[along], *lines = &w->plan->axis[across];
  const uint32_t *vars = w->load_vars[side].of;
  const long long extent = lines->nvars ? lines->extent[lines->nvars - 1] : 1;
  gemm_line(w, "for (int64_t line = 0, lines; line < %s; line += lines) {", by_k ? count : depth);
  w->indent++;
  gemm_line(w, "const int64_t start = %s + line, mark = start %% %lld;", by_k ? outer0 : k0,
            extent);
  gemm_line(w, "const int64_t left = %s - line;", by_k ? count : depth);
  gemm_line(w, "lines = %lld - mark < left ? %lld - mark : left;", extent, extent);
  gemm_decode(w, across, "start", vars[across], false);
  open_runs(w, along, by_k ? k0 : outer0, by_k ? depth : count, vars[along]);
  if (vars[along] >> (axis->nvars - 1) & 1)
    gemm_line(w, "const int64_t %s = first;", axis->var[axis->nvars - 1]);
  gemm_open(w, "for (int64_t r = line; r < line + lines; r++)");
  if (lines->nvars && vars[across] >> (lines->nvars - 1) & 1)
    gemm_line(w, "const int64_t %s = mark + r - line;", lines->var[lines->nvars - 1]);
  gemm_paste(w, &w->load[side]);
  gemm_line(w, "%s", statement);
  gemm_close(w);
  gemm_close(w);
  gemm_close(w);
}

void gemm_stage_runs(GemmWriter *w, GemmSide side, const char *outer0, const char *count,
                     const char *k0, const char *depth, const char *statement) {
  put_runs(w, side, outer0, count, k0, depth, statement);
}

bool gemm_half_stage(const GemmWriter *w, GemmSide side) {
  return w->tiles == GEMM_ROUNDED && w->runs[side] && w->plan->operand[side].half;
}

/* Evaluate a block of an operand into `stage`: [count][STAGE_K] along k, else
 * [depth][stride]. */
void gemm_stage(GemmWriter *w, GemmSide side, const char *outer0, const char *count, const char *k0,
                const char *depth, const char *stride) {
  bool by_k = gemm_along_k(w, side);
  GemmAxisKind outer = gemm_outer(side);
  StrBuf body = {0};
  char flat[64];
  if (w->runs[side]) {
    const bool half = gemm_half_stage(w, side);
    sb_printf(&body, "td_bring%s(%sstage + r * %s + from, source, run);",
              half                          ? "_half"
              : w->plan->operand[side].half ? "_wide"
                                            : "",
              half ? "(uint16_t *)" : "", stride);
    put_runs(w, side, outer0, count, k0, depth, body.s);
    sb_free(&body);
    return;
  }
  sb_printf(&body, "const int64_t at = r * %s + q;\n%s", stride, w->load[side].s);
  gemm_line(w, "for (int64_t r = 0; r < %s; r++) {", by_k ? count : depth);
  w->indent++;
  snprintf(flat, sizeof flat, "%s + r", by_k ? outer0 : k0);
  const GemmAxisKind lines = by_k ? outer : GEMM_K, along = by_k ? GEMM_K : outer;
  const uint32_t *vars = w->load_vars[side].of;
  gemm_decode(w, lines, flat, vars[lines], true);
  run_loop(w, along, by_k ? k0 : outer0, by_k ? depth : count, &body, vars[along]);
  gemm_close(w);
  sb_free(&body);
}

/* ---- results ---------------------------------------------------------------------------- */
/* An operand is 0 where a term is left out, and 0 times what is not finite is NaN. A sum that is
 * NaN is rare: its terms are added up one by one, those that are in it. */
void gemm_put_again(GemmWriter *w, int64_t stride) {
  const uint32_t *vars = w->again_vars.of;
  const bool window = w->plan->columns_of_row.any && !gemm_lists(w);
  const char *from = window ? "c_from" : "0", *to = window ? "c_to" : "columns";
  if (!w->plan->leaves_out) return;
  gemm_line(w, "/* where it is NaN, without the terms that are left out */");
  if (w->direct && w->block.depth_blocks > 1) gemm_line(w, "if (%s) continue;", more_blocks(w));
  gemm_open(w, "for (int64_t r = 0; r < height; r++)");
  gemm_line(w, "float *const sum = target + r * %lld;", (long long)stride);
  gemm_line(w, "if (!td_any_nan(sum + %s, %s - %s)) continue;", from, to, from);
  gemm_decode(w, GEMM_M, "(row0 + i + r)", vars[GEMM_M], true);
  gemm_open(w, "for (int64_t q = %s; q < %s; q++)", from, to);
  gemm_line(w, "if (!td_any_nan(sum + q, 1)) continue;");
  gemm_decode(w, GEMM_N, "(column0 + q)", vars[GEMM_N], true);
  gemm_line(w, "double total = 0;");
  gemm_open(w, "for (int64_t term = 0; term < K; term++)");
  gemm_decode(w, GEMM_K, "term", vars[GEMM_K], true);
  gemm_paste(w, &w->again);
  gemm_close(w);
  gemm_line(w, "sum[q] = (float)total;");
  gemm_close(w);
  gemm_close(w);
}

void gemm_epilogue(GemmWriter *w) {
  const uint32_t *vars = w->epilogue_vars.of;
  gemm_open(w, "for (int64_t r = 0; r < height; r++)");
  gemm_line(w, "const float *finished = target + r * %lld;", (long long)w->block.stride);
  gemm_decode(w, GEMM_M, "row0 + i + r", vars[GEMM_M] | w->some_vars.of[GEMM_M], true);
  if (w->plan->may_be_empty) {
    /* as wide as what is chosen by it: gcc makes no vectors of a loop that chooses by a _Bool */
    gemm_line(w, "int32_t some = 0; /* are there terms? */");
    gemm_open(w, "for (int64_t term = 0; term < K && !some; term++)");
    gemm_decode(w, GEMM_K, "term", w->some_vars.of[GEMM_K], true);
    gemm_paste(w, &w->some);
    gemm_close(w);
  }
  gemm_paste(w, &w->epilogue_row);
  if (w->epilogue.n > 0) run_loop(w, GEMM_N, "column0", "columns", &w->epilogue, vars[GEMM_N]);
  gemm_paste(w, &w->epilogue_after);
  gemm_close(w);
}

static void store_plain(const GemmWriter *w, StrBuf *out) {
  const GemmPlan *plan = w->plan;
  sb_printf(out, "(%s)[0", plan->output);
  for (int k = 0; k < GEMM_K; k++) gemm_strides(out, &plan->axis[k], plan->stride_output[k]);
  sb_puts(out, "] = " GEMM_SUM ";\n");
}

bool gemm_shares_b(const GemmWriter *w) {
  const GemmOperand *operand = &w->plan->operand[GEMM_B];
  for (int v = 0; v < w->plan->axis[GEMM_BATCH].nvars; v++)
    if (operand->stride_batch[v] != 0) return false;
  return operand->plain;
}

void gemm_take_scratch(GemmWriter *w, const char *name, int64_t floats) {
  int64_t before = (int64_t)(w->taken / sizeof(float));
  if (floats == 0) return;
  gemm_line(w, "float *const %s = (float *)call->scratch + %lld;", name, (long long)before);
  w->taken += (size_t)floats * sizeof(float);
}

/* Ask the callbacks for their texts, once each; the prologue last, when it is
 * known what the others need. */
void gemm_collect_load(GemmWriter *w, GemmSide side) {
  GemmPlan *plan = w->plan;
  const GemmOperand *o = &plan->operand[side];
  GemmVars *vars = &w->load_vars[side];
  if (o->plain) {
    const GemmAxisKind outer = gemm_outer(side);
    read_plain(w, side, &w->load[side]);
    vars->of[GEMM_BATCH] = gemm_moving(&plan->axis[GEMM_BATCH], o->stride_batch);
    vars->of[outer] = gemm_moving(&plan->axis[outer], o->stride_outer);
    vars->of[GEMM_K] = gemm_moving(&plan->axis[GEMM_K], o->stride_k);
    return;
  }
  *vars = plan->load_vars[side];
  if (w->runs[side])
    plan->load_run(&w->load[side], plan->ctx, side);
  else
    plan->load(&w->load[side], plan->ctx, side, "stage[at]");
}

void gemm_collect_texts(GemmWriter *w, StrBuf *prologue) {
  GemmPlan *plan = w->plan;
  gemm_collect_load(w, GEMM_A);
  if (!plan->packed) gemm_collect_load(w, GEMM_B);
  if (plan->leaves_out) {
    plan->again(&w->again, plan->ctx);
    w->again_vars = plan->again_vars;
  }
  if (plan->may_be_empty) {
    plan->some(&w->some, plan->ctx);
    w->some_vars = plan->some_vars;
  }
  if (plan->plain_output) {
    store_plain(w, &w->epilogue);
    for (int k = 0; k < GEMM_K; k++)
      w->epilogue_vars.of[k] = gemm_moving(&plan->axis[k], plan->stride_output[k]);
  } else {
    plan->epilogue(&w->epilogue, plan->ctx);
    w->epilogue_vars = plan->epilogue_vars;
  }
  if (!plan->plain_output && plan->epilogue_row) plan->epilogue_row(&w->epilogue_row, plan->ctx);
  if (!plan->plain_output && plan->epilogue_after)
    plan->epilogue_after(&w->epilogue_after, plan->ctx);
  if (plan->prologue) plan->prologue(prologue, plan->ctx);
}

void gemm_take_texts(GemmWriter *w, const GemmWriter *from) {
  memcpy(w->load, from->load, sizeof w->load);
  memcpy(w->load_vars, from->load_vars, sizeof w->load_vars);
  w->epilogue = from->epilogue;
  w->epilogue_row = from->epilogue_row;
  w->epilogue_after = from->epilogue_after;
  w->epilogue_vars = from->epilogue_vars;
  w->again = from->again;
  w->again_vars = from->again_vars;
  w->some = from->some;
  w->some_vars = from->some_vars;
  w->indent = from->indent;
}

void gemm_decode_batch(GemmWriter *w) {
  uint32_t vars = w->load_vars[GEMM_A].of[GEMM_BATCH] | w->load_vars[GEMM_B].of[GEMM_BATCH] |
                  w->epilogue_vars.of[GEMM_BATCH] | w->again_vars.of[GEMM_BATCH] |
                  w->some_vars.of[GEMM_BATCH] | w->plan->columns_of_row.vars.of[GEMM_BATCH];
  for (int side = 0; side < 2; side++) vars |= w->plan->k_of[side].vars.of[GEMM_BATCH];
  gemm_decode(w, GEMM_BATCH, "piece / (ROW_BLOCKS * COLUMN_BLOCKS)", vars, true);
}

/* What is not whole rows of contiguous numbers is left to itself. */
void gemm_choose_aheads(GemmWriter *w) {
  const GemmPlan *plan = w->plan;
  for (int i = 0; i < plan->naheads; i++) {
    int64_t by_row, by_column;
    if (w->direct ||
        !gemm_flat_stride(&plan->axis[GEMM_M], plan->ahead[i].stride[GEMM_M], &by_row) ||
        !gemm_flat_stride(&plan->axis[GEMM_N], plan->ahead[i].stride[GEMM_N], &by_column) ||
        by_column != 1)
      continue;
    w->ahead[w->naheads].what = &plan->ahead[i];
    w->ahead[w->naheads++].by_row = by_row;
  }
}
