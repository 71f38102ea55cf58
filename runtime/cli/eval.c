/* SPDX-License-Identifier: MIT */
/* tdc eval: the loss and the metrics on held-out data. */
#include <inttypes.h>
#include <math.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"
#include "runtime/train/evaluate.h"

static int show(Cli *c, const Evaluation *e) {
  if (c->json) {
    json_t *o = json_pack("{s:I, s:I}", "batches", (json_int_t)e->batches, "windows",
                          (json_int_t)e->windows);
    for (int i = 0; i < e->n; i++)
      if (isfinite(e->mean[i]))
        o = json_with(
            o, e->name[i],
            json_pack("{s:f, s:o}", "mean", e->mean[i], "error", json_finite(e->error[i])));
    return cli_json(c, o, JSON_COMPACT);
  } else {
    printf("%" PRId64 " windows in %" PRId64 " batches\n", e->windows, e->batches);
    for (int i = 0; i < e->n; i++) {
      char mean[32], error[32];
      format_number(mean, e->mean[i]);
      format_number(error, e->error[i]);
      printf("  %-20s %s +- %s\n", e->name[i], mean, error);
    }
  }
  return cli_done(c);
}

int cli_eval(Cli *c) {
  Project p;
  Machine m = {0};
  Feed feed = {0};
  Evaluation e;
  TdError err = {0};
  int code = 0;
  uint64_t seed = 0;
  int64_t batches = 0;
  UnitOptions o = {.no_train = true, .no_samplers = true, .no_models = true};
  if (!cli_seed(c, &seed) || !cli_int(c, "batches", 1, 1000000000, &batches)) return TD_BAD_USAGE;
  Checkpoint *w = NULL;
  if (cli_project(c, &p, &o, &code) && cli_weights_find(c, &p, &w, &code) &&
      cli_start(c, &p, &m, "eval", w, seed, &code)) {
    bool ok = feed_open(&feed, m.session, p.unit, "eval", p.data, &err) &&
              evaluate(&feed, seed, batches, c->stop, &e, &err);
    if (ok && !isfinite(e.mean[0]))
      ok = td_fail(&err, TD_NOT_FINITE, "the %s is no number", e.name[0]);
    code = ok ? show(c, &e) : cli_fail(c, &err);
  }
  feed_close(&feed);
  checkpoint_close(w);
  machine_close(&m);
  project_close(&p);
  return code;
}
