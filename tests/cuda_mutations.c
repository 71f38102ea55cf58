/* SPDX-License-Identifier: MIT */
/* Does the emulated device see what is wrong with kernels? Those of small graphs, one for each
 * kind of kernel, are damaged at one place at a time: each barrier, bound, predicate, swizzle,
 * lane index and half of shared memory removed or shifted, in the kernels and in the reductions
 * of the prelude. Each damaged kernel runs with every load and store watched, and must be told
 * of or give other numbers than the evaluator; those that cannot are listed with the reason.
 *
 *   cuda_mutations [show]     show: the kernels, and nothing else */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compiler/backend.h"
#include "compiler/plan/target.h"
#include "tests/emulated.h"

enum { SEED = 3, MUTANTS_MOST = 400 };

/* ---- what is damaged ---------------------------------------------------------------------- */

typedef struct Case {
  const char *name, *needs; /* something that stands in its kernels: they are of that kind */
  const char *text;         /* the graph */
  TdType act;
  const char *only; /* the edits that the case is for, by what they look for; NULL: all */
  int first;        /* kernel that is damaged: those before make what it reads */
} Case;

/* One that is like attention, with its gradient. */
#define CHAIN                                                                                  \
  "input q: real[4, 70, 35]\ninput k: real[4, 45, 35]\ninput v: real[4, 45, 35]\n"             \
  "s[b:4, i:70, j:45] = sum[e:35](q[b, i, e] * k[b, j, e])\n"                                  \
  "m[b:4, i:70] = max[j:45](s[b, i, j])\n"                                                     \
  "p[b:4, i:70, j:45] = (s[b, i, j] < m[b, i] ? 0.5 : 4.0) * (0.0 < s[b, i, j] ? 1.0 : 2.0)\n" \
  "z[b:4, i:70] = sum[j:45](p[b, i, j])\n"                                                     \
  "t[b:4, i:70, j:45] = z[b, i] < 38.0 ? p[b, i, j] : 2.0 * p[b, i, j]\n"                      \
  "y[b:4, i:70, e:35] = sum[j:45](t[b, i, j] * v[b, j, e])\n"                                  \
  "d[b:4, j:45, e:35] = sum[i:70](t[b, i, j] * max(q[b, i, e], -0.5))\n"                       \
  "output y = y\noutput d = d\n"

static const Case cases[] = {
    {"product_fma", "right[term * ",
     "input a: real[67, 35]\ninput b: real[35, 66]\n"
     "y[i:67, j:66] = sum[k:35](max(a[i, k], 0.0) * b[k, j])\noutput y = y\n",
     TD_F32, NULL, 0},
    {"product_in_parts", "td_add_long",
     "input a: real[9, 701]\ninput b: real[701, 8]\n" /* a prime: no pieces of k */
     "y[i:9, j:8] = sum[k:701](max(a[i, k], 0.0) * b[k, j])\noutput y = y\n",
     TD_F32, NULL, 0},
    /* 5 sums of 129 terms; what adds them up has the mark, a loop over 5 */
    {"product_pieces", " < 5;",
     "input a: real[645, 9]\ninput b: real[645, 40]\n"
     "y[i:9, j:40] = sum[k:645](max(a[k, i], 0.0) * b[k, j])\noutput y = y\n",
     TD_F32, NULL, 0},
    {"product_mma", "td_mma_bf16",
     "input a: real[67, 70]\ninput b: real[70, 66]\n"
     "y[i:67, j:66] = sum[k:70](max(a[i, k], 0.0) * max(b[k, j], -0.5))\noutput y = y\n",
     TD_BF16, NULL, 0},
    {"product_mma_plain", "td_narrow_chunk",
     "input a: real[72, 104]\ninput b: real[72, 104]\n"
     "y[i:72, j:72] = sum[k:104](a[i, k] * b[j, k])\nz[i:72, j:72] = max(y[i, j], 0.25)\n"
     "output z = z\n",
     TD_BF16, NULL, 0},
    /* what a product leaves is bf16, small whole numbers here, which others copy: rows of terms,
     * 3 steps under way of 3 */
    {"product_mma_copied", "td_copy_async",
     "input a: real[70, 40]\ninput b: real[40, 96]\n"
     "y[i:70, k:96] = sum[v:40]((0.0 < a[i, v] ? 1.0 : 0.0) * (0.0 < b[v, k] ? 1.0 : -1.0))\n"
     "z[i:70, j:70] = sum[k:96](y[i, k] * y[j, k])\nw[i:70, j:70] = max(z[i, j], 0.25)\n"
     "output w = w\n",
     TD_BF16, NULL, 1},
    /* what follows the sums reads four neighbours at a time, in bf16 and in f32 */
    {"product_mma_residual", "td_wide_quad",
     "input a: real[70, 40]\ninput b: real[40, 96]\ninput c: real[96, 96]\ninput d: real[96]\n"
     "y[i:70, k:96] = sum[v:40]((0.0 < a[i, v] ? 1.0 : 0.0) * (0.0 < b[v, k] ? 1.0 : -1.0))\n"
     "z[i:70, j:96] = sum[k:96](y[i, k] * (0.0 < c[k, j] and k < 2 ? 1.0 : 0.0))\n"
     "w[i:70, j:96] = max(z[i, j] + y[i, j], d[j])\noutput w = w\n",
     TD_BF16, "n = n0 + e; n = n0; @.at[e] + @.at[e])", 1},
    /* turned, one of two in f32, 4 steps under way of 5 */
    {"product_mma_ring", "td_wait(2)",
     "input a: real[150, 40]\ninput b: real[40, 72]\ninput c: real[150, 72]\n"
     "y[i:150, k:72] = sum[v:40]((0.0 < a[i, v] ? 1.0 : 0.0) * (0.0 < b[v, k] ? 1.0 : -1.0))\n"
     "z[k:72, l:72] = sum[i:150](y[i, k] * c[i, l])\nw[k:72, l:72] = max(z[k, l], 0.25)\n"
     "output w = w\n",
     TD_BF16, NULL, 1},
    {"product_mma_wide", "left_next[2]",
     "input a: real[132, 100, 40]\ninput b: real[132, 40, 69]\n"
     "y[c:132, i:100, j:69] = sum[k:40](max(a[c, i, k], 0.0) * max(b[c, k, j], -0.5))\noutput y = "
     "y\n",
     TD_BF16, "td_thread() + i * 256", 0},
    {"rows_of_warps", "td_warp_sum",
     "input x: real[5, 50]\n"
     "m[b:5] = sum[d:50](x[b, d])\ne[b:5, d:50] = exp(x[b, d] - 0.02 * m[b])\n"
     "s[b:5] = sum[d:50](e[b, d])\ny[b:5, d:50] = e[b, d] / s[b]\n"
     "z[b:5, d:50] = y[b, 49 - d] + s[b]\noutput z = z\noutput s = s\n",
     TD_F32, NULL, 0},
    {"rows_of_blocks", "td_block_sum",
     "input x: real[3, 300]\n"
     "m[b:3] = sum[d:300](x[b, d])\ne[b:3, d:300] = exp(x[b, d] - 0.02 * m[b])\n"
     "s[b:3] = sum[d:300](e[b, d])\ny[b:3, d:300] = e[b, d] / s[b]\n"
     "z[b:3, d:300] = y[b, 299 - d] + s[b]\noutput z = z\noutput s = s\n",
     TD_F32, NULL, 0},
    {"rows_without_reductions",
     "td_barrier", /* what other threads made, and no reduction between */
     "input x: real[3, 300]\n"
     "e[b:3, d:300] = exp(x[b, d])\nz[b:3, d:300] = e[b, 299 - d] * e[b, d]\noutput z = z\n"
     "output e = e\n",
     TD_F32, NULL, 0},
    {"rows_in_place", "td_warp_sum", /* 31 lanes read what lane 0 stores */
     "state s: real[5]\ninput x: real[5, 50]\n"
     "y[b:5] = sum[d:50](x[b, d] * s[b])\nupdate s = y\n",
     TD_F32, NULL, 0},
    {"columns", "row_end",
     "input x: real[1700, 64]\ny[d:64] = sum[b:1700](x[b, d] * x[b, d])\noutput y = y\n", TD_F32,
     NULL, 0},
    {"columns_of_few_rows", "td_block_sum", /* one after another in the same room */
     "input x: real[700, 40]\ny[d:40] = sum[b:700](x[b, d] * x[b, d])\noutput y = y\n", TD_F32,
     NULL, 0},
    {"rows_and_columns", "memory",
     "input x: real[1700, 64]\ninput w: real[64]\n"
     "m[b:1700] = sum[d:64](x[b, d] * w[d])\ng[b:1700, d:64] = x[b, d] - m[b] * w[d]\n"
     "c[d:64] = sum[b:1700](g[b, d])\noutput g = g\noutput c = c\n",
     TD_F32, NULL, 0},
    /* eight warps at 16 rows; every lane has three points, or some have four */
    {"rows_in_turn", "row_end",
     "input x: real[1700, 96]\ninput w: real[96]\n"
     "m[b:1700] = sum[d:96](x[b, d] * w[d])\ng[b:1700, d:96] = x[b, d] - m[b] * w[d]\n"
     "c[d:96] = sum[b:1700](g[b, d])\ns[] = sum[b:1700, d:96](x[b, d] * w[d])\n"
     "output g = g\noutput c = c\noutput s = s\n",
     TD_F32, NULL, 0},
    {"rows_in_turn_uneven", "row_end",
     "input x: real[1700, 100]\ninput w: real[100]\n"
     "m[b:1700] = sum[d:100](x[b, d] * w[d])\ng[b:1700, d:100] = x[b, d] - m[b] * w[d]\n"
     "c[d:100] = sum[b:1700](g[b, d])\noutput g = g\noutput c = c\n",
     TD_F32, NULL, 0},
    {"all", "row_end", "input x: real[73628]\ny[] = sum[k:73628](x[k])\noutput y = y\n", TD_F32,
     NULL, 0},
    /* the place of the first, the last and one of a second round, of nothing, and of values that
     * are no larger than none */
    {"argmax", "td_block_argmax",
     "input x: real[5, 50]\ninput w: real[5, 300]\n"
     "y[b:5] = argmax[d:50 | b < 4 and (b != 2 or 0 < d)](b == 1 and d == 0 or b == 0 and d == 40 "
     "or b == 3 and d == 20 "
     "? 2.0 : (b == 2 ? -inf : x[b, d]))\n"
     "z[b:5] = argmax[d:300 | b < 4 and (b != 2 or 0 < d)](b == 1 and d == 0 or b == 0 and d == "
     "250 "
     "? 2.0 : (b == 2 ? -inf : w[b, d]))\noutput y = y\noutput z = z\n",
     TD_F32, NULL, 0},
    {"argmax_of_columns", "td_block_argmax",
     "input x: real[700, 40]\ny[d:40] = argmax[b:700](x[b, d])\noutput y = y\n", TD_F32, NULL, 0},
    /* what a group stores the next one reads at other columns, and the first one then */
    {"loop", "ix0 < 4",
     "input x: real[8, 70]\ninput u: real[70, 70]\n"
     "loop t:4 {\n  carry h: real[8, 70] = x\n"
     "  n[b:8, k:70] = sum[j:70](h[b, j] * u[j, k])\n"
     "  m[b:8, k:70] = tanh(n[b, 69 - k] * 0.2)\n"
     "  a[b:8] = sum[k:70](m[b, k])\n  o[b:8, k:70] = m[b, k] - 0.1 * a[b] + x[7 - b, k]\n"
     "  next h = o\n}\nfinal y: real[8, 70] = h\noutput y = y\n",
     TD_F32, NULL, 0},
    {"scatter_that_gathers", "number >= ",
     "input a: real[70, 3]\n"
     "scatter y: real[9, 3] over [v0:70, v1:3] at [mod(v0 * v0, 9), v1] add a[v0, v1]\n"
     "output y = y\n",
     TD_F32, NULL, 0},
    {"scatter_in_slices", "slice >= ",
     "input a: real[70000, 2]\n"
     "scatter y: real[200, 200, 2] over [v0:70000, v1:2] at [mod(v0 * 7, 200), mod(v0 * 3, 199), "
     "v1] add a[v0, v1]\noutput y = y\n",
     TD_F32, NULL, 0},
    /* two blocks for the columns; of a warp's 338 positions 40 of the first 128 are row 0's, all of
     * the next, and none then */
    {"scatter_of_rows", "td_ballot",
     "input a: real[9, 300, 70]\n"
     "scatter y: real[70, 5] over [v0:300, v1:70, v2:9 | v0 < 290] at [v1, 88 <= mod(9 * v0 + v2, "
     "338) and mod(9 * v0 + v2, 338) < 256 ? 0 : 1 + mod(v0, 4)] add a[v2, v0, v1]\n"
     "output y = y\n",
     TD_F32, NULL, 0},
    {"scatter_of_many_rows", "row < 2",
     "input a: real[600, 40]\n"
     "scatter y: real[2113, 40] over [v0:600, v1:40] at [mod(v0 * v0, 2100), v1] "
     "add a[v0, v1]\noutput y = y\n",
     TD_F32, "row[u] * #, if (row < #, own < # ? own : 0", 0},
    /* numbers that bf16 holds, whatever the sums come to */
    {"chain_fma", "column_", CHAIN, TD_F32, NULL, 0},
    {"chain_mma", "td_mma_bf16", CHAIN, TD_BF16, NULL, 0},
    /* keys that a product left in bf16 are copied, two steps ahead */
    {"chain_copied", "td_copy_async",
     "input q: real[8, 20, 16]\ninput a: real[8, 72, 40]\ninput c: real[40, 16]\n"
     "k[b:8, j:72, e:16] = sum[v:40]((0.0 < a[b, j, v] ? 1.0 : 0.0) * (0.0 < c[v, e] ? 1.0 : "
     "-1.0))\n"
     "s[b:8, i:20, j:72] = sum[e:16](q[b, i, e] * k[b, j, e])\n"
     "m[b:8, i:20] = max[j:72](s[b, i, j])\n"
     "t[b:8, i:20, j:72] = (s[b, i, j] < m[b, i] ? 0.5 : 4.0) * (0.0 < s[b, i, j] ? 1.0 : 2.0)\n"
     "y[b:8, i:20, e:16] = sum[j:72](t[b, i, j] * k[b, j, e])\n"
     "output y = y\n",
     TD_BF16, "td_wait(#), td_barrier();, (step + 2) % 3, [step % 3, ^ (", 1},
};
enum { CASES = sizeof cases / sizeof *cases };

/* Large kernels: each so many-th mutant, all of them with TDC_TEST_LONG=1. */
typedef struct Thinned {
  const char *name;
  int every;
} Thinned;
static const Thinned thinned[] = {{"chain_fma", 8},          {"chain_mma", 12},
                                  {"product_mma", 3},        {"product_mma_plain", 4},
                                  {"product_mma_copied", 4}, {"product_mma_ring", 4},
                                  {"rows_in_turn", 3},       {"rows_in_turn_uneven", 3}};

/* `from` becomes `to`, one place after another. '#' in `from` is any number, '@' any name; in `to`
 * they are the first ones that were met. */
typedef struct Edit {
  const char *from, *to;
} Edit;

static const Edit edits[] = {
    {"td_barrier();", ";"},
    {"td_warp_barrier();", ";"},
    {" < #; @ += 96)", " <= #; @ += 96)"},
    {"slice_begin = td_block()", "slice_begin = 0"},
    {"slice_end = slice_begin + #", "slice_end = slice_begin + # + 1"},
    {"ix0 < #", "ix0 < # - 1"},
    {"if (outer < #", "if (1"},
    {"&& k < #)", ")"},
    {"if (m < #", "if (1"},
    {"&& n < #)", ")"},
    {"if (outer0 < #", "if (1"},
    {"&& term0 < #)", ")"},
    {"if (piece >= #) return;", ""},
    {"if (slice >= #) return;", ""},
    {"if (number >= #) return;", ""},
    {" < row_end;", " <= row_end;"},
    {"(piece + 1) * # < # ?", "1 ?"},
    {" < #; @ += 32)", " <= #; @ += 32)"},
    {" < #; @ += 64)", " <= #; @ += 64)"},
    {" < #; @ += 256)", " <= #; @ += 256)"},
    {"int @ = 0; @ < 54;", "int @ = 1; @ < 54;"},
    {"int @ = 0; @ < 5;", "int @ = 1; @ < 5;"},
    {"int @ = 0; @ < 5;", "int @ = 0; @ < 4;"},
    {"if (lane == 0)", "if (lane == 1)"},
    {"if (lane == 0)", "if (1)"},
    {"= lane;", "= lane + 1;"},
    {"lane & 7", "lane & 3"},
    {"lane >> 3 & 1", "lane >> 2 & 1"},
    {"lane >> 4", "lane >> 3"},
    {"lane / 4", "lane / 8"},
    {"lane % 4 * 2", "lane % 2 * 2"},
    {"warp / 4", "warp / 8"},
    {"warp % 4", "warp % 2"},
    {"^ (", "+ 0 * ("},
    {"[step % # *", "[(step + 1) % # *"},
    {"[(step + 1) % # *", "[0 *"},
    {"[ahead % # *", "[0 *"},
    {"step >= 0", "step >= 1"},
    {"step >= -1 && ", ""},
    {"if (ahead < #)", "if (1)"},
    {"ahead = step + #", "ahead = step + 1"},
    {"td_wait(#)", "td_wait(3)"},
    {"(step + 2) % 3", "(step + 1) % 3"},
    {"[step % 3", "[(step + 1) % 3"},
    {"td_commit();", ";"},
    {"*to = td_chunk_of(0, 0);", ";"},
    {"step = -#;", "step = 0;"},
    {"td_thread() / 16", "td_thread() / 32"},
    {"td_thread() % 16", "td_thread() % 8"},
    {"td_thread() % 32", "td_thread() % 16"},
    {"td_thread() / 32", "td_thread() / 64"},
    {"td_thread() + i * 256", "td_thread() + i * 128"},
    {"+ half * #", "+ half * 31"},
    {"if (warp / 4 == half)", ""},
    {"(k0 / 16 + 1) % 8 == 0", "(k0 / 16 + 1) % 8 == 1"},
    {"k0 += 16", "k0 += 17"},
    {" == at", " <= at"},
    {"% 32;", "% 31;"},
    {"row[u] * #", "0 * #"},
    {"if (position < end)", "if (1)"},
    {"from += 128", "from += 96"},
    {"begin + #", "begin + 32"},
    {"warp * #, stop", "warp * 33, stop"},
    {"(1u << lane) - 1u", "(2u << lane) - 1u"},
    {"place = count +", "place ="},
    {"= (unsigned)@(", "= (unsigned)("},
    {"first + u < count ? first + u : 0", "first + u"},
    {"if (first + u < count)", ""},
    {"first += 4", "first += 5"},
    {"count = 0;\n}", "}"},
    {"own < # ? own : 0", "own"},
    {"if (row < #", "if (1"},
    {"if (column < #)", "if (1)"},
    {"&& column < #)", ")"},
    {"w < 8", "w < 7"},
    {"sums[i] = 0;", ";"},
    {"if (count < 32 &&", "if (count < 64 &&"},
    {"&& from + 128 < end", ""},
    {"term * 68 + at", "term * 64 + at"},
    {"term * 68 + down", "term * 67 + down"},
    {"row * 72 + column", "row * 71 + column"},
    {"n = n0 + e;", "n = n0;"},
    {"n = n0;", "n = n0 + 4;"},
    {"@.at[e] +", "@.at[0] +"},
    {"@.at[e])", "@.at[0])"},
    {"totals.at[e]", "totals.at[3 - e]"},
    {"_all.at[e]", "_all.at[3 - e]"},
    {"if (e == 3)", "if (e == 2)"},
    {"&& n0 < #)", ")"},
    {"% 16 * 4;", "% 16 * 3;"},
    {"step + 1) * 32", "step + 1) * 31"},
    {"if (@ < 0) @ = 0;", ""},
    {"|| @ < 0)", ")"},
};
/* In the prelude's reductions. */
static const Edit prelude_edits[] = {
    {"td_barrier(); ", "; "},
    {"mask < TD_WARP", "mask < TD_WARP / 2"},
    {"td_thread() & mask ?", "0 ?"},
    {"if (td_thread() % TD_WARP == 0)", "if (td_thread() % TD_WARP == 1)"},
    {"if (td_thread() % TD_WARP == 0)", "if (1)"},
    {"i < warps", "i < warps - 1"},
    {"!(*best > other) && ", ""},
    {"place < *at", "place > *at"},
};
enum {
  EDITS = sizeof edits / sizeof *edits,
  PRELUDE = sizeof prelude_edits / sizeof *prelude_edits
};

/* What cannot change a result. */
typedef struct Excused {
  const char *in; /* the case; "": each */
  const char *from, *to;
  int place; /* which of those that `from` is at; -1: all */
  const char *why;
} Excused;
static const char unshared[] = "threads read nothing there that another one wrote",
                  chunk[] = "a thread has one chunk, i is 0; product_mma_wide has two";
static const Excused excused[] = {
    {"", "if (lane == 0)", "if (lane == 1)", -1, "every thread of the team has the value"},
    {"prelude", "if (td_thread() % TD_WARP == 0)", "if (td_thread() % TD_WARP == 1)", -1,
     "every lane has the value"},
    {"prelude", "td_thread() & mask ?", "0 ?", -1,
     "the order of two matters to no sum, and to a maximum in the sign of zero alone"},
    {"product_fma", " < #; @ += 256)", " <= #; @ += 256)", 0,
     "number 64 of a row of the left tile is the gap before the next"},
    {"product_pieces", " < #; @ += 256)", " <= #; @ += 256)", 0,
     "number 64 of a row of the left tile is the gap before the next"},
    {"product_in_parts", " < #; @ += 256)", " <= #; @ += 256)", 0,
     "number 64 of a row of the left tile is the gap before the next"},
    {"product_in_parts", "(k0 / 16 + 1) % 8 == 0", "(k0 / 16 + 1) % 8 == 1", -1,
     "parts end elsewhere, the last one behind the loop"},
    {"product_mma", "td_thread() + i * 256", "td_thread() + i * 128", -1, chunk},
    {"product_mma_plain", "td_thread() + i * 256", "td_thread() + i * 128", -1, chunk},
    {"product_mma_copied", "td_thread() + i * 256", "td_thread() + i * 128", -1, chunk},
    {"product_mma_ring", "td_thread() + i * 256", "td_thread() + i * 128", -1, chunk},
    {"product_mma_ring", "if (ahead < #)", "if (1)", -1, "terms that are none are 0 in the tile"},
    {"product_mma_ring", "step >= -1 && ", "", 1,
     "what is kept too early lies where copies go later"},
    {"scatter_of_rows", "row[u] * #", "0 * #", -1, "the block has one row"},
    {"scatter_of_rows", "own < # ? own : 0", "own", -1,
     "what is read then is the next row's, and is not stored"},
    {"rows_of_warps", "td_warp_barrier();", ";", 0, unshared},
    {"rows_of_warps", "td_warp_barrier();", ";", 2, unshared},
    {"rows_of_blocks", "td_barrier();", ";", 0, unshared},
    {"rows_and_columns", "td_warp_barrier();", ";", -1, unshared},
    {"rows_in_turn", "td_warp_barrier();", ";", -1, unshared},
    {"rows_in_turn", "td_barrier();", ";", 0,
     "the block's sum that follows has one before its end"},
    {"rows_in_turn_uneven", "td_warp_barrier();", ";", -1, unshared},
    {"chain_fma", "td_warp_barrier();", ";", -1, unshared},
    {"chain_fma", " < #; @ += 64)", " <= #; @ += 64)", -1,
     "neither 70 rows nor 45 or 35 columns are a multiple of 64"},
    {"chain_fma", "if (ahead < #)", "if (1)", -1,
     "what is fetched behind the last term is 0, and is not kept"},
    {"chain_mma", "td_warp_barrier();", ";", -1, unshared},
    {"chain_mma", " < #; @ += 64)", " <= #; @ += 64)", -1, "70 rows are no multiple of 64"},
    {"argmax", "td_warp_barrier();", ";", -1, unshared},
    {"argmax_of_columns", "if (@ < 0) @ = 0;", "", -1, "there is a value"},
    {"argmax_of_columns", "|| @ < 0)", ")", -1, "a value is larger than none"},
};
enum { EXCUSED = sizeof excused / sizeof *excused };

/* ---- damage ------------------------------------------------------------------------------- */

typedef struct Mutant {
  int kernel;       /* of the program; -1: the prelude */
  const Edit *edit; /* at the place-th of its places */
  int place;
  const char *text;
} Mutant;

static bool in_number(char c) { return c >= '0' && c <= '9'; }
static bool in_name(char c) {
  return c == '_' || in_number(c) || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* What was met: the first number and the first name. */
typedef struct Met {
  const char *number, *name;
  int digits, letters;
} Met;

/* The length of what matches at `at`; 0: nothing. */
static size_t match(const char *at, const char *from, Met *met) {
  const char *begin = at;
  *met = (Met){0};
  for (; *from; from++) {
    const char *first = at;
    if (*from == '#')
      while (in_number(*at)) at++;
    else if (*from == '@')
      while (in_name(*at)) at++;
    else if (*at++ != *from)
      return 0;
    if (at == first) return 0;
    if (*from == '#' && !met->number) met->number = first, met->digits = (int)(at - first);
    if (*from == '@' && !met->name) met->name = first, met->letters = (int)(at - first);
  }
  return (size_t)(at - begin);
}

/* `text` with the edit at its place-th place; NULL: there are not so many. */
static const char *edited(Arena *a, const char *text, const Edit *e, int place) {
  Met met;
  for (const char *at = text; *at; at++) {
    size_t n = match(at, e->from, &met);
    bool within = in_name(*e->from) && at > text && in_name(at[-1]);
    if (n == 0 || within || place-- > 0) continue;
    StrBuf to = {0};
    for (const char *c = e->to; *c; c++) {
      if (*c == '#')
        sb_write(&to, met.number, (size_t)met.digits);
      else if (*c == '@')
        sb_write(&to, met.name, (size_t)met.letters);
      else
        sb_putc(&to, *c);
    }
    const char *out = arena_printf(a, "%.*s%s%s", (int)(at - text), text, to.s ? to.s : "", at + n);
    sb_free(&to);
    return out;
  }
  return NULL;
}

/* In the kernels from the `first` on; below 0: in the prelude. */
static int find_mutants(Arena *a, const TdProgram *p, int first, const char *only, Mutant *out) {
  int n = 0;
  for (int k = first; k < (first < 0 ? 0 : p->nkernels); k++)
    for (int e = 0; e < (k < 0 ? PRELUDE : EDITS); e++)
      for (int place = 0; n < MUTANTS_MOST && (k < 0 || p->kernels[k].source); place++) {
        const Edit *edit = k < 0 ? &prelude_edits[e] : &edits[e];
        const char *text = edited(a, k < 0 ? p->prelude : p->kernels[k].source, edit, place);
        if (!text || (only && !strstr(only, edit->from))) break;
        out[n++] = (Mutant){k, edit, place, text};
      }
  return n;
}

/* The program with an entry more for each mutant, whose kernels are its own: kernels that are
 * as they were come once. */
static TdProgram *with_mutants(Arena *a, const TdProgram *p, const Mutant *m, int n) {
  TdProgram *out = NEW(a, TdProgram);
  *out = *p;
  out->kernels = NEWN(a, TdKernel, p->nkernels + n);
  out->entries = NEWN(a, TdEntry, 1 + n);
  out->nkernels = p->nkernels + n;
  out->nentries = 1 + n;
  memcpy(out->kernels, p->kernels, (size_t)p->nkernels * sizeof *p->kernels);
  for (int i = 0; i <= n; i++) {
    TdEntry *e = &out->entries[i];
    *e = p->entries[0];
    e->name = arena_printf(a, "sample.it.m%d", i); /* together, in units of many kernels */
    if (i == 0) continue;
    const TdKernel *k = &p->kernels[m[i - 1].kernel];
    TdKernel *own = &out->kernels[p->nkernels + i - 1];
    const char *head = arena_printf(a, " %s(", k->name), *text = m[i - 1].text,
               *at = strstr(text, head);
    *own = *k;
    own->name = arena_printf(a, "%s_m%d", k->name, i);
    own->source =
        arena_printf(a, "%.*s %s(%s", (int)(at - text), text, own->name, at + strlen(head));
    e->steps = NEWN(a, TdStep, e->nsteps);
    memcpy(e->steps, p->entries[0].steps, (size_t)e->nsteps * sizeof *e->steps);
    for (int s = 0; s < e->nsteps; s++)
      if (e->steps[s].kind == TD_LAUNCH && e->steps[s].kernel == m[i - 1].kernel)
        e->steps[s].kernel = p->nkernels + i - 1;
  }
  return out;
}

/* ---- running ------------------------------------------------------------------------------- */

/* Sums over rows of a chain are part of it, whatever their number: others are plain products. */
static TdProgram *program_of(const Case *c, Arena *a) {
  Target *target = NEW(a, Target);
  *target = *backend_target("cuda");
  target->chains.stored_most = 0;
  Backend *be = backend_new(a, diags_new(a), c->name, NULL);
  backend_for(be, target);
  backend_activations(be, c->act);
  if (!backend_entry(be, emulated_graph(a, c->name, c->text), "main"))
    bug("%s is not compiled", c->name);
  return backend_finish(be);
}

/* What a device that works or waits for ever is ended by: seconds that it computes, and that pass
 * (on a machine where much else runs, many more). */
enum { COMPUTES_MOST = 20, PASS_MOST = 600 };

typedef struct Verdict {
  bool seen;
  char how[160];
} Verdict;

/* In a process of its own: what it does to the device stays there. */
static Verdict run(Session *s, const TdProgram *compiled_there, int entry, Graph *g) {
  static const char said[] = "build/tests/cuda_mutations.said";
  Verdict v = {.how = "other numbers"};
  int status = 0;
  unlink(said);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    const struct itimerval most = {.it_value.tv_sec = COMPUTES_MOST};
    setitimer(ITIMER_PROF, &most, NULL);
    alarm(PASS_MOST);
    setenv("TDC_EMU_REPORT", said, 1);
    if (!freopen("/dev/null", "w", stderr)) _exit(2);
    Session *own = compiled_there ? emulated_session(compiled_there) : s;
    _exit(!own ? 2 : emulated_compare(own, entry, g, SEED, 1e-4, 2) != 0);
  }
  if (child < 0 || waitpid(child, &status, 0) != child) bug("no process for a mutant");
  v.seen = status != 0;
  if (WIFSIGNALED(status)) snprintf(v.how, sizeof v.how, "signal %d", WTERMSIG(status));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2) snprintf(v.how, sizeof v.how, "not compiled");
  FILE *f = fopen(said, "r");
  if (f && fgets(v.how, sizeof v.how, f)) v.how[strcspn(v.how, "\n")] = '\0';
  if (f) fclose(f);
  return v;
}

typedef struct Counts {
  int passed, failed, seen, excused;
  bool used[EXCUSED];
} Counts;

static const Excused *excuse(const Case *c, const Mutant *m, Counts *n) {
  for (int i = 0; i < EXCUSED; i++) {
    const Excused *x = &excused[i];
    if (strcmp(x->from, m->edit->from) != 0 || strcmp(x->to, m->edit->to) != 0) continue;
    if (*x->in && strcmp(x->in, c->name) != 0) continue;
    if (x->place >= 0 && x->place != m->place) continue;
    n->used[i] = true;
    return x;
  }
  return NULL;
}

static void judge(const Case *c, const Mutant *m, const Verdict *v, Counts *n) {
  const Excused *x = excuse(c, m, n);
  bool compiled = strcmp(v->how, "not compiled") != 0;
  bool good = compiled && v->seen == (x == NULL);
  n->seen += good && v->seen;
  n->excused += good && !v->seen;
  *(good ? &n->passed : &n->failed) += 1;
  if (!good || getenv("SHOW"))
    printf("%s%s, %s %d: '%s' to '%s', place %d: %s\n", good ? "" : "FAILED ", c->name,
           m->kernel < 0 ? "prelude" : "kernel", m->kernel, m->edit->from, m->edit->to, m->place,
           v->seen ? v->how : "not seen");
}

static int every(const char *name) {
  const char *longer = getenv("TDC_TEST_LONG");
  for (size_t i = 0; i < sizeof thinned / sizeof *thinned && !(longer && *longer == '1'); i++)
    if (strcmp(thinned[i].name, name) == 0) return thinned[i].every;
  return 1;
}

static void check(const Case *c, Counts *n) {
  Arena *a = arena_new();
  Graph *g = emulated_graph(a, c->name, c->text);
  const TdProgram *p = program_of(c, a);
  bool kind = false;
  for (int k = 0; k < p->nkernels; k++)
    kind = kind || (p->kernels[k].source && strstr(p->kernels[k].source, c->needs));
  if (!kind) printf("%s: no kernel with '%s'\n", c->name, c->needs);
  *(kind ? &n->passed : &n->failed) += 1;
  Mutant *m = NEWN(a, Mutant, MUTANTS_MOST);
  int count = find_mutants(a, p, c->first, c->only, m);
  int kept = 0;
  for (int i = 0; i < count; i += every(c->name)) m[kept++] = m[i];
  count = kept;
  TdProgram *all = with_mutants(a, p, m, count);
  Session *s = emulated_session(all);
  if (!s) {
    n->failed++;
    return;
  }
  Verdict right = run(s, NULL, 0, g);
  *(right.seen ? &n->failed : &n->passed) += 1;
  if (right.seen) printf("%s, undamaged: %s\n", c->name, right.how);
  for (int i = 0; i < count; i++) {
    Verdict v = run(s, NULL, 1 + i, g);
    judge(c, &m[i], &v, n);
  }
  session_free(s);
  arena_free(a);
}

/* Each mutant of the prelude, by the first of these cases that sees it. */
static const char *const reducing[] = {"rows_of_warps", "rows_of_blocks", "argmax",
                                       "columns_of_few_rows", "argmax_of_columns"};
enum { REDUCING = sizeof reducing / sizeof *reducing };

static void check_prelude(Counts *n) {
  static const Case prelude = {.name = "prelude"};
  Arena *a = arena_new();
  Mutant *m = NEWN(a, Mutant, MUTANTS_MOST);
  int count = 0;
  for (int i = 0; i < count || i == 0; i++) {
    Verdict v = {0};
    for (int k = 0; k < REDUCING && !v.seen; k++) {
      int c = 0;
      while (strcmp(cases[c].name, reducing[k]) != 0) c++;
      TdProgram *p = program_of(&cases[c], a);
      if (count == 0) count = find_mutants(a, p, -1, NULL, m);
      p->prelude = m[i].text;
      v = run(NULL, p, 0, emulated_graph(a, cases[c].name, cases[c].text));
    }
    judge(&prelude, &m[i], &v, n);
  }
  arena_free(a);
}

static void show(const Case *c) {
  Arena *a = arena_new();
  const TdProgram *p = program_of(c, a);
  for (int k = 0; k < p->nkernels; k++)
    printf("/* %s */ %s\n", c->name, p->kernels[k].source ? p->kernels[k].source : "product");
  arena_free(a);
}

int main(int argc, char **argv) {
  Counts n = {0};
  const char *only = getenv("ONLY");
  emulate(true);
  for (int i = 0; i < CASES; i++)
    if (argc > 1 && strcmp(argv[1], "show") == 0)
      show(&cases[i]);
    else if (!only || strcmp(only, cases[i].name) == 0)
      check(&cases[i], &n);
  if (argc == 1 && (!only || strcmp(only, "prelude") == 0)) check_prelude(&n);
  for (int i = 0; i < EXCUSED && argc == 1 && !only; i++) {
    if (!n.used[i] && every(excused[i].in) > 1) continue; /* it may be left out */
    *(n.used[i] ? &n.passed : &n.failed) += 1;
    if (!n.used[i])
      printf("no mutant of %s is excused since %s: %s\n", excused[i].in, excused[i].why,
             excused[i].from);
  }
  printf("%d mutants were seen, %d cannot be\n", n.seen, n.excused);
  printf("%d passed, %d failed\n", n.passed, n.failed);
  return n.failed > 0;
}
