/* SPDX-License-Identifier: MIT */
/* tdc compare: several models measured alike, as a table, as JSON and as a page. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"
#include "runtime/cli/measure.h"

static bool write_page(const Comparison *k, const char *path, TdError *err) {
  StrBuf s = {0};
  compare_page(k, &s);
  bool ok = s.s != NULL ? io_write_file(NULL, path, s.s, s.n, err) : td_fail_memory(err);
  sb_free(&s);
  return ok;
}

static int show(Cli *c, const Comparison *k) {
  const char *html = cli_text(c, "html", NULL), *to = cli_text(c, "output", NULL);
  StrBuf s = {0};
  TdError err = {0};
  bool ok = html == NULL || write_page(k, html, &err);
  compare_markdown(k, &s);
  if (ok && to != NULL) ok = io_write_file(NULL, to, s.s, s.n, &err);
  int code = !ok ? cli_fail(c, &err) : c->json ? cli_json(c, compare_json(k), JSON_COMPACT) : 0;
  if (ok && !c->json && to == NULL) terminal_print(&c->out, s.s, s.n);
  sb_free(&s);
  return code != 0 ? code : cli_done(c);
}

static bool take_all(Cli *c, Comparison *k, uint64_t seed, int64_t batches, Judge *judge,
                     int *code) {
  const int64_t each[COMPARE_PARTS] = {[PART_OPEN] = 1,
                                       [PART_LIKELIHOOD] = k->seeds,
                                       [PART_TEXTS] = k->seeds,
                                       [PART_GIVEN] = k->seeds * k->windows * GIVEN_TEXTS};
  CompareProgress *p = compare_progress_new(c->err, c->quiet, k->n, each);
  bool ok = p != NULL;
  if (!ok) {
    TdError err = {0};
    td_fail_memory(&err);
    *code = cli_fail(c, &err);
  }
  for (int i = 0; ok && i < k->n; i++)
    ok = compare_take(c, k, &k->models[i], p, seed, batches, judge, code);
  if (p != NULL) compare_progress_clear(p);
  compare_progress_free(p);
  return ok;
}

static bool judge_and_take(Cli *c, Comparison *k, uint64_t seed, int64_t batches, int *code) {
  if (!cli_has(c, "judge")) return take_all(c, k, seed, batches, NULL, code);
  Other other;
  Judge judge;
  bool ok = cli_judge(c, &other, &judge, 0, code);
  k->judged = true;
  ok = ok && take_all(c, k, seed, batches, &judge, code);
  other_close(&other);
  return ok;
}

int cli_compare(Cli *c) {
  int code = TD_BAD_USAGE;
  uint64_t seed = 0;
  int64_t batches = 0, seeds = 3;
  Comparison k = {.samples = 16, .windows = 3};
  if (!cli_seed(c, &seed) || !cli_int(c, "batches", 1, 1000000000, &batches) ||
      !cli_int(c, "samples", 2, 1000000, &k.samples) ||
      !cli_int(c, "windows", 1, 1000, &k.windows) || !cli_int(c, "seeds", 1, MOST_SEEDS, &seeds))
    return TD_BAD_USAGE;
  k.seeds = (int)seeds;
  k.models = calloc((size_t)c->nargs, sizeof *k.models);
  TdError err = {0};
  bool ok = k.models != NULL;
  for (; ok && k.n < c->nargs; k.n++) ok = compared_name(&k.models[k.n], c->args[k.n]);
  for (int i = 0; i < k.n && !cli_has(c, "seeds"); i++)
    if (k.models[i].nweights > k.seeds) k.seeds = (int)min_of(k.models[i].nweights, MOST_SEEDS);
  if (!ok) {
    td_fail_memory(&err);
    code = cli_fail(c, &err);
  } else if (judge_and_take(c, &k, seed, batches, &code)) {
    code = show(c, &k);
  }
  for (int i = 0; i < k.n; i++) compared_free(&k.models[i]);
  free(k.models);
  return code;
}
