/* tdc export: the weights alone, in half precision. */
#include "runtime/cli/cli.h"

int cli_export(Cli *c) {
  Project p;
  Machine m = { 0 };
  TdError err = { 0 };
  int code = 0;
  UnitOptions o = { .no_train = true, .no_eval = true, .no_models = true };
  const char *to = cli_text(c, "output", NULL);
  if (to == NULL) return cli_usage(c, "where to? -o PATH.safetensors");
  Checkpoint *w = NULL;
  if (cli_project(c, &p, &o, &code) && cli_weights_find(c, &p, &w, &code)) {
    if (w == NULL) code = cli_usage(c, "there are no trained weights to export");
    else if (cli_machine(c, &m, p.unit->program, &code) && cli_weights_load(c, &p, m.session, w, 0, &code))
      code = weights_export(NULL, to, m.session, p.unit, checkpoint_info(w), &err) ? cli_done(c) : cli_fail(c, &err);
  }
  checkpoint_close(w);
  cli_machine_free(&m);
  project_close(&p);
  return code;
}
