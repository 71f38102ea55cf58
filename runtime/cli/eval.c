/* SPDX-License-Identifier: MIT */
/* tdc eval: the loss and the metrics on held-out data; with --samples, texts of the sampler
 * measured against it; with --sweep, those of many settings (sweep.h). */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/measure.h"
#include "runtime/cli/sweep.h"
#include "runtime/system/json.h"
#include "runtime/train/evaluate.h"

static const char *claim_of(const Unit *u, const char *name) {
  const UnitMetric *m = unit_metric(u, name);
  return m != NULL ? m->claim : NULL;
}

static json_t *value_json(const Unit *u, const Evaluation *e, int i) {
  const char *claim = claim_of(u, e->name[i]);
  json_t *o = json_pack("{s:f, s:o}", "mean", e->mean[i], "error", json_finite(e->error[i]));
  return claim != NULL ? json_with(o, "claim", json_text(claim)) : o;
}

/* `m`: what was sampled, or NULL. */
static int show(Cli *c, const Unit *u, const Evaluation *e, const Sampled *m) {
  if (c->json) {
    json_t *o = json_pack("{s:I, s:I}", "batches", (json_int_t)e->batches, "windows",
                          (json_int_t)e->windows);
    if (e->symbols > 0) o = json_with(o, "symbols", json_integer((json_int_t)e->symbols));
    for (int i = 0; i < e->n; i++)
      if (isfinite(e->mean[i])) o = json_with(o, e->name[i], value_json(u, e, i));
    if (m != NULL) o = json_with(o, "samples", sampled_json(m));
    return cli_json(c, o, JSON_COMPACT);
  } else {
    printf("%" PRId64 " windows in %" PRId64 " batches", e->windows, e->batches);
    if (e->symbols > 0) printf(", %" PRId64 " symbols once each", e->symbols);
    fputs("\n", stdout);
    for (int i = 0; i < e->n; i++) {
      char mean[32], error[32];
      format_number(mean, e->mean[i]);
      format_number(error, e->error[i]);
      const char *claim = claim_of(u, e->name[i]);
      printf("  %-20s %s +- %s%s%s\n", e->name[i], mean, error, claim != NULL ? "  " : "",
             claim != NULL ? claim : "");
    }
    if (m != NULL) sampled_print(m, stdout);
  }
  return cli_done(c);
}

static bool evaluate_all(Cli *c, const Project *p, Session *s, uint64_t seed, int64_t batches,
                         Evaluation *e, int *code) {
  Feed feed = {0};
  TdError err = {0};
  bool ok = feed_open(&feed, s, p->unit, "eval", p->data, &err);
  if (ok) feed_valid_once(&feed);
  ok = ok && evaluate(&feed, seed, batches, c->stop, e, &err);
  if (ok && !isfinite(e->mean[0]))
    ok = td_fail(&err, TD_NOT_FINITE, "the %s is no number", e->name[0]);
  if (!ok) *code = cli_fail(c, &err);
  feed_close(&feed);
  return ok;
}

/* With a judge, if --judge names one. */
static bool sample_all(Cli *c, Sampled *s, Project *p, Machine *m, int64_t count, uint64_t seed,
                       int *code) {
  Other other = {0};
  Judge judge;
  bool judged = cli_has(c, "judge");
  bool ok = (!judged || cli_judge(c, &other, &judge, seed, code)) &&
            sampled_take(c, s, p, m->session, count, seed, cli_has(c, "controls"),
                         judged ? &judge : NULL, code);
  other_close(&other);
  return ok;
}

/* What --metric names, the last one NULL; NULL too where it names none, or memory is out. */
static const char **asked_metrics(const Cli *c) {
  const char **out = cli_has(c, "metric") ? calloc((size_t)c->ngiven + 1, sizeof *out) : NULL;
  for (int i = 0, n = 0; out != NULL && i < c->ngiven; i++)
    if (strcmp(c->given[i].name, "metric") == 0) out[n++] = c->given[i].value;
  return out;
}

/* Only those asked for were compiled: which there are needs another look. */
static bool metrics_known(Cli *c, const Unit *u, const char *const *asked, int *code) {
  for (; asked != NULL && *asked != NULL; asked++) {
    if (unit_metric(u, *asked) != NULL) continue;
    Project p;
    const char *names[64], *near = NULL;
    int n = 0;
    UnitOptions all = {
        .check_only = true, .no_train = true, .no_samplers = true, .no_models = true};
    if (cli_project_telling(c, &p, &all, TELL_NOTHING, code)) {
      for (; n < p.unit->nmetrics && n < 64; n++) names[n] = p.unit->metrics[n].name;
      near = did_you_mean(*asked, names, n);
      if (near == NULL && n > 0) near = names[0];
    }
    *code = cli_usage(c, "%s has no metric '%.100s'%s%s%s", u->path, *asked,
                      near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                      near != NULL ? "?" : "");
    project_close(&p);
    return false;
  }
  return true;
}

int cli_eval(Cli *c) {
  Project p;
  Machine m = {0};
  Evaluation e;
  Sampled sampled = {0};
  int code = 0;
  uint64_t seed = 0;
  int64_t batches = 0, count = 0;
  if (cli_has(c, "sweep")) return cli_sweep(c);
  if (c->nargs > 1) return cli_usage(c, "several files go with --sweep");
  if (!cli_seed(c, &seed) || !cli_int(c, "batches", 1, 1000000000, &batches) ||
      !cli_int(c, "samples", 2, 1000000, &count))
    return TD_BAD_USAGE;
  const char **asked = asked_metrics(c);
  UnitOptions o = {
      .no_train = true, .no_samplers = count == 0, .no_models = true, .metrics = asked};
  Checkpoint *w = NULL;
  bool ok = cli_project(c, &p, &o, &code) && metrics_known(c, p.unit, asked, &code) &&
            cli_weights_find(c, &p, &w, &code) && cli_start(c, &p, &m, "eval", w, seed, &code) &&
            evaluate_all(c, &p, m.session, seed, batches, &e, &code) &&
            (count == 0 || sample_all(c, &sampled, &p, &m, count, seed, &code));
  if (ok) code = show(c, p.unit, &e, count > 0 ? &sampled : NULL);
  free(asked);
  sampled_close(&sampled);
  checkpoint_close(w);
  machine_close(&m);
  project_close(&p);
  return code;
}
