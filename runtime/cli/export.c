/* SPDX-License-Identifier: MIT */
/* tdc export: the weights alone, in half precision. */
#include <stdlib.h>

#include "runtime/cli/cli.h"
#include "runtime/store/record.h"

/* With what samplers need of the text: its symbols and how often each occurs. */
static bool export_to(const Project *p, Session *s, const CheckpointInfo *kept, const char *to,
                      TdError *err) {
  CheckpointInfo info = *kept;
  StrBuf unigram = {0};
  const Dataset *d = p->unit->ndata > 0 ? data_store_find(p->data, p->unit->data[0].name) : NULL;
  if (d != NULL && info.unigram == NULL) {
    dataset_write_unigram(d, &unigram);
    info.unigram = unigram.s;
  }
  char *record;
  bool ok = record_without_folders(info.record, &record) || td_fail_memory(err);
  info.record = record;
  ok = ok && weights_export(NULL, to, s, p->unit, &info, err);
  sb_free(&unigram);
  free(record);
  return ok;
}

int cli_export(Cli *c) {
  Project p;
  Machine m = {0};
  TdError err = {0};
  int code = 0;
  UnitOptions o = {.no_train = true, .no_eval = true, .no_models = true};
  const char *to = cli_text(c, "output", NULL);
  if (to == NULL) return cli_usage(c, "where to? -o PATH.safetensors");
  Checkpoint *w = NULL;
  if (cli_project(c, &p, &o, &code) && cli_weights_find(c, &p, &w, &code)) {
    if (w == NULL)
      code = cli_usage(c, "there are no trained weights to export");
    else if (cli_start(c, &p, &m, NULL, w, 0, &code))
      code =
          export_to(&p, m.session, checkpoint_info(w), to, &err) ? cli_done(c) : cli_fail(c, &err);
  }
  checkpoint_close(w);
  machine_close(&m);
  project_close(&p);
  return code;
}
