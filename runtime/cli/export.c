/* SPDX-License-Identifier: MIT */
/* tdc export: the weights alone, in half precision. */
#include <math.h>
#include <stdlib.h>

#include "runtime/cli/cli.h"
#include "runtime/store/record.h"
#include "runtime/system/json.h"

/* With what samplers need of the text: its symbols and how often each occurs. `kept`: of the
 * weights that were trained, or NULL. */
static bool export_to(const Project *p, Session *s, const CheckpointInfo *kept, uint64_t seed,
                      const char *to, TdError *err) {
  CheckpointInfo info = {.program = p->unit->name, .seed = seed, .best = (double)INFINITY};
  if (kept != NULL) info = *kept;
  StrBuf unigram = {0}, vocabulary = {0};
  const Dataset *d = p->unit->ndata > 0 ? data_store_find(p->data, p->unit->data[0].name) : NULL;
  if (d != NULL && info.unigram == NULL) {
    dataset_write_unigram(d, &unigram);
    info.unigram = unigram.s;
  }
  if (d != NULL && kept == NULL) {
    vocabulary_write(&d->vocabulary, &vocabulary);
    info.vocabulary = vocabulary.s;
    info.tokens = tokens_name(d->vocabulary.kind);
  }
  char *record;
  bool ok = record_without_folders(info.record, &record) || td_fail_memory(err);
  info.record = record;
  ok = ok && weights_export(NULL, to, s, p->unit, &info, err);
  sb_free(&unigram);
  sb_free(&vocabulary);
  free(record);
  return ok;
}

static int exported(Cli *c, const Unit *u, const char *to) {
  if (!c->json) return cli_done(c);
  return cli_json(
      c, json_pack("{s:o, s:I}", "output", json_text(to), "parameters", (json_int_t)u->nweights),
      JSON_COMPACT);
}

int cli_export(Cli *c) {
  Project p;
  Machine m = {0};
  TdError err = {0};
  int code = 0;
  uint64_t seed = 0;
  UnitOptions o = {.no_train = true, .no_eval = true, .no_models = true};
  const char *to = cli_text(c, "output", NULL);
  if (to == NULL) return cli_usage(c, "where to? -o PATH.safetensors");
  if (!cli_seed(c, &seed)) return TD_BAD_USAGE;
  if (cli_has(c, "seed") && !cli_has(c, "untrained"))
    return cli_usage(c, "--seed is that of --untrained weights");
  Checkpoint *w = NULL;
  if (cli_project(c, &p, &o, &code) && cli_weights_find(c, &p, &w, &code)) {
    if (p.unit->nparameters == 0)
      code = cli_usage(c, "%s has no parameters: there are no weights to export", p.unit->path);
    else if (cli_start(c, &p, &m, NULL, w, seed, &code))
      code = export_to(&p, m.session, w != NULL ? checkpoint_info(w) : NULL, seed, to, &err)
                 ? exported(c, p.unit, to)
                 : cli_fail(c, &err);
  }
  checkpoint_close(w);
  machine_close(&m);
  project_close(&p);
  return code;
}
