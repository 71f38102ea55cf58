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
  compare_effort(k);
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

/* ---- --curves -------------------------------------------------------------------------------- */

/* The logs of one model, which is looked at and not compiled. */
static bool read_runs(Cli *c, Compared *m, int *code) {
  UnitOptions look = {.check_only = true,
                      .no_samplers = true,
                      .no_models = true,
                      .defines = m->defines,
                      .ndefines = m->ndefines};
  Cli own = *c;
  const char *args[] = {m->path};
  own.args = args;
  own.nargs = 1;
  Project p;
  TdError err = {0};
  bool any = false, ok = cli_project(&own, &p, &look, code);
  if (ok) {
    const UnitMetric *u = unit_metric(p.unit, compared_metric(p.unit));
    m->metric = strdup(compared_metric(p.unit));
    m->claim = u != NULL && u->claim != NULL ? strdup(u->claim) : NULL;
  }
  m->efforts = calloc((size_t)m->nweights + 1, sizeof *m->efforts);
  StrBuf folder = {0};
  if (ok) sb_printf(&folder, "runs/%s", p.unit->name);
  if (ok && (m->efforts == NULL || folder.s == NULL)) {
    td_fail_memory(&err);
    *code = cli_fail(c, &err);
    ok = false;
  }
  for (int n = m->nweights > 0 ? m->nweights : 1; ok && m->nefforts < n; m->nefforts++) {
    Effort *e = &m->efforts[m->nefforts];
    ok = effort_read(e, m->nweights > 0 ? m->weights[m->nefforts] : folder.s,
                     compared_metric(p.unit), &p.unit->train, &err);
    any = any || e->n > 0;
    if (!ok) *code = cli_fail(c, &err);
  }
  if (ok && !any)
    *code = cli_usage(c, "%s: no run with a log: name its folder, %s=runs/NAME", m->path, m->path);
  sb_free(&folder);
  project_close(&p);
  return ok && any;
}

static int draw_curves(Cli *c, Comparison *k, const char *path) {
  int code = 0;
  TdError err = {0};
  StrBuf s = {0};
  for (int i = 0; i < k->n; i++)
    if (!read_runs(c, &k->models[i], &code)) return code;
  compare_curves(k, true, &s);
  bool ok = s.s != NULL ? io_write_file(NULL, path, s.s, s.n, &err) : td_fail_memory(&err);
  sb_free(&s);
  return ok ? cli_done(c) : cli_fail(c, &err);
}

int cli_compare(Cli *c) {
  int code = TD_BAD_USAGE;
  const char *curves = cli_text(c, "curves", NULL);
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
  for (; ok && k.n < c->nargs; k.n++)
    ok = compared_name(&k.models[k.n], c->args[k.n]) && compared_defines(c, &k.models[k.n]);
  for (int i = 0; i < k.n && !cli_has(c, "seeds"); i++)
    if (k.models[i].nweights > k.seeds) k.seeds = (int)min_of(k.models[i].nweights, MOST_SEEDS);
  if (!ok) {
    td_fail_memory(&err);
    code = cli_fail(c, &err);
  } else if (curves != NULL) {
    code = draw_curves(c, &k, curves);
  } else if (judge_and_take(c, &k, seed, batches, &code)) {
    code = show(c, &k);
  }
  for (int i = 0; i < k.n; i++) compared_free(&k.models[i]);
  free(k.models);
  return code;
}
