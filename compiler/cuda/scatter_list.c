/* SPDX-License-Identifier: MIT */
/* Scatters along one axis whose index is a value, as the gradient of an embedding: a block
 * has some rows of the output, indices of that axis, and of each some columns, numbers of the
 * other axes. Its warps share the positions, the iterations in which a row is named, each a
 * run of them:
 *
 *     for each run of 128       the positions whose row is the block's -> the warp's list, in order
 *       once there are some     for each of the list, 4 at a time: their values, a lane each
 *                               column -> the warp's sums, one after another
 *     a barrier; each number is the sum of the warps' sums, in order
 *
 * Which values a warp adds and in which order follows from extents alone, so the sums are the
 * same in every run. They are kept in double: as many values as there are may fall to one place. */
#include "compiler/cuda/scatter.h"

enum { TOP, POSITION, COLUMN };
enum { WARPS = CUDA_BLOCK / CUDA_WARP, RUN = 4 * CUDA_WARP };

/* The variables that were named, of positions or of columns, from the flat number `at`. */
static void print_variables(const Scatter *s, StrBuf *out, bool columns, const char *at) {
  const Node *n = s->n;
  int64_t stride = 1, all = columns ? s->cut.width : s->cut.positions;
  for (int k = n->nvars - 1; k >= 0; k--) {
    int v = columns ? (k < n->rank ? s->cut.var[k] : -1) : k; /* columns in the order of axes */
    if (v < 0 || (!columns && scatter_owned(s, v))) continue;
    int64_t extent = n->extent[v];
    if (s->em.used_vars >> v & 1) {
      sb_printf(out, "const %s %s = %s", emit_var_type(&s->em), s->em.var[v], at);
      if (stride > 1) sb_printf(out, " / %lld", (long long)stride);
      if (stride * extent < all) sb_printf(out, " %% %lld", (long long)extent);
      sb_puts(out, ";\n");
    }
    stride *= extent;
  }
}

/* Which row the position names, less the block's first, where the guard holds. */
static const char *row_text(Scatter *s) {
  Emit *em = &s->em;
  Node *n = s->n;
  emit_open(em, POSITION);
  emit_open(em, COLUMN);
  em->used_vars = 0;
  StrBuf out = {0};
  const char *guard = n->guard ? emit_value(em, n->guard, POSITION) : NULL;
  const char *row = NULL;
  for (int d = 0; d < n->rank; d++)
    if (s->cut.var[d] < 0) row = emit_value(em, n->index[d], COLUMN);
  print_variables(s, &out, false, "position");
  if (em->level[POSITION].text.n) sb_puts(&out, em->level[POSITION].text.s);
  if (guard) sb_printf(&out, "if (%s) {\n", guard);
  if (em->level[COLUMN].text.n) sb_puts(&out, em->level[COLUMN].text.s);
  sb_printf(&out, "row = (unsigned)(%s) - (unsigned)row0;\n%s", row, guard ? "}\n" : "");
  const char *text = arena_strndup(em->arena, out.s, out.n);
  sb_free(&out);
  return text;
}

/* The value of one position and column, and the statements before it by level. */
static const char *value_text(Scatter *s) {
  Emit *em = &s->em;
  StrBuf out = {0};
  emit_open(em, POSITION);
  emit_open(em, COLUMN);
  em->used_vars = 0;
  const char *value = emit_value(em, s->n->body, COLUMN);
  print_variables(s, &out, false, "position");
  if (em->level[POSITION].text.n) sb_puts(&out, em->level[POSITION].text.s);
  sb_printf(&out, "#pragma unroll\nfor (int j = 0; j < %d; j++) {\n", s->cut.columns / CUDA_WARP);
  sb_printf(&out, "const %s own = column0 + lane + j * %d, column = own < %lld ? own : 0;\n",
            emit_var_type(em), CUDA_WARP, (long long)s->cut.width);
  print_variables(s, &out, true, "column");
  if (em->level[COLUMN].text.n) sb_puts(&out, em->level[COLUMN].text.s);
  sb_printf(&out, "value[u][j] = %s;\n}\n", value);
  const char *text = arena_strndup(em->arena, out.s, out.n);
  sb_free(&out);
  return text;
}

static void print_list(const Scatter *s, StrBuf *out, const char *row) {
  const char *type = emit_var_type(&s->em);
  long long each = (long long)(s->cut.positions + WARPS - 1) / WARPS;
  sb_printf(out,
            "const %s begin = warp * %lld, stop = begin + %lld, end = stop < %lld ? stop : "
            "%lld;\nint count = 0;\n",
            type, each, each, (long long)s->cut.positions, (long long)s->cut.positions);
  sb_printf(out, "for (%s from = begin; from < end; from += %d) {\n", type, RUN);
  sb_printf(out, "#pragma unroll\nfor (int i = 0; i < %d; i += %d) {\n", RUN, CUDA_WARP);
  sb_printf(out, "const %s position = from + i + lane;\nunsigned row = %d;\n", type, s->cut.rows);
  sb_printf(out, "if (position < end) {\n%s}\n", row);
  sb_printf(out, "const bool here = row < %d;\nconst uint32_t all = td_ballot(here);\n",
            s->cut.rows);
  sb_puts(out, "const int place = count + td_bit_count(all & ((1u << lane) - 1u));\n"
               "if (here) {\nlist[2 * place] = (int)position;\nlist[2 * place + 1] = (int)row;\n}\n"
               "count += td_bit_count(all);\n}\n");
}

/* All that the list has, if it is time: it has room for a run more, or there is none. */
static void print_sums(const Scatter *s, StrBuf *out, const char *value) {
  const char *type = s->n->type == TY_REAL ? "float" : "int";
  int across = s->cut.columns / CUDA_WARP;
  sb_printf(out, "if (count < %d && from + %d < end) continue;\n", CUDA_WARP, RUN);
  sb_puts(out, "td_warp_barrier();\n#pragma unroll 1\n"
               "for (int first = 0; first < count; first += 4) {\n");
  sb_printf(out, "%s value[4][%d];\nint row[4];\n", type, across);
  sb_puts(out, "#pragma unroll\nfor (int u = 0; u < 4; u++) {\n"
               "const int entry = first + u < count ? first + u : 0;\n");
  sb_printf(out, "const %s position = list[2 * entry];\nrow[u] = list[2 * entry + 1];\n",
            emit_var_type(&s->em));
  sb_printf(out,
            "%s}\n#pragma unroll\nfor (int u = 0; u < 4; u++)\nif (first + u < count)\n"
            "#pragma unroll\nfor (int j = 0; j < %d; j++) sums[row[u] * %d + j * %d + lane] += "
            "value[u][j];\n}\n",
            value, across, s->cut.columns, CUDA_WARP);
  sb_puts(out, "td_warp_barrier();\ncount = 0;\n}\n");
}

static void print_store(Scatter *s, StrBuf *out, const char *base) {
  Node *n = s->n;
  const char *sum = n->type == TY_REAL ? "double" : "int", *type = emit_var_type(&s->em);
  int64_t stride[IR_MAX_RANK], inner = 1;
  int numbers = s->cut.rows * s->cut.columns;
  plan_strides(s->em.plan, n, stride);
  sb_printf(out, "td_barrier();\nfor (int i = td_thread(); i < %d; i += %d) {\n", numbers,
            CUDA_BLOCK);
  sb_printf(out, "const %s row = row0 + i / %d, column = column0 + i %% %d;\n", type,
            s->cut.columns, s->cut.columns);
  int64_t rows = 1;
  for (int d = 0; d < n->rank; d++)
    if (s->cut.var[d] < 0) rows = n->shape[d];
  bool within = rows % s->cut.rows == 0, all = s->cut.width % s->cut.columns == 0;
  if (!within || !all) sb_puts(out, "if (");
  if (!within) sb_printf(out, "row < %lld%s", (long long)rows, all ? "" : " && ");
  if (!all) sb_printf(out, "column < %lld", (long long)s->cut.width);
  sb_printf(out, "%s{\n%s sum = 0;\n", within && all ? "" : ") ", sum);
  sb_printf(out, "for (int w = 0; w < %d; w++) sum += of_warps[w * %d + i];\n", WARPS, numbers);
  StrBuf at = {0};
  for (int d = n->rank - 1; d >= 0; d--) {
    if (s->cut.var[d] < 0) {
      sb_printf(&at, " + %lld * row", (long long)stride[d]);
      continue;
    }
    sb_printf(&at, " + %lld * (column", (long long)stride[d]);
    if (inner > 1) sb_printf(&at, " / %lld", (long long)inner);
    if (inner * n->shape[d] < s->cut.width) sb_printf(&at, " %% %lld", (long long)n->shape[d]);
    sb_puts(&at, ")");
    inner *= n->shape[d];
  }
  sb_printf(out, "%s[%s] = (%s)sum;\n}\n}\n", base, at.s + 3, s->em.dialect->value[n->type]);
  sb_free(&at);
}

void scatter_print_lists(Scatter *s, StrBuf *out) {
  Emit *em = &s->em;
  const char *type = emit_var_type(em), *sum = s->n->type == TY_REAL ? "double" : "int";
  int numbers = s->cut.rows * s->cut.columns;
  for (int v = 0; v < s->n->nvars; v++) em->var_level[v] = scatter_owned(s, v) ? COLUMN : POSITION;
  const char *row = row_text(s), *value = value_text(s), *base = emit_pointer(em, s->n, true);
  long long slices = (long long)((s->cut.width + s->cut.columns - 1) / s->cut.columns);
  emit_prologue(em, out);
  sb_puts(out, "const int warp = td_thread() / 32, lane = td_thread() % 32;\n");
  sb_printf(out,
            "const %s row0 = (%s)td_block() / %lld * %d, column0 = (%s)td_block() %% %lld * %d;\n",
            type, type, slices, s->cut.rows, type, slices, s->cut.columns);
  sb_printf(out,
            "%s *const of_warps = (%s *)td_shared_memory(), *const sums = of_warps + warp * %d;\n",
            sum, sum, numbers);
  sb_printf(out, "int *const list = (int *)(td_shared_memory() + %d) + warp * %d;\n",
            WARPS * numbers * 8, CUDA_LIST_BYTES / 4);
  sb_printf(out, "for (int i = lane; i < %d; i += 32) sums[i] = 0;\n", numbers);
  if (em->level[TOP].text.n) sb_puts(out, em->level[TOP].text.s);
  print_list(s, out, row);
  print_sums(s, out, value);
  print_store(s, out, base);
}
