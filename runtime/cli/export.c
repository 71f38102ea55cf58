/* tdc export: the weights alone, in half precision. */
#include <stdlib.h>

#include "runtime/cli/cli.h"

int cli_export(Cli *c) {
  Project p;
  Machine m = { 0 };
  TdError err = { 0 };
  int code = 0;
  UnitOptions o = { .no_train = true, .no_eval = true, .no_models = true };
  const char *to = cli_text(c, "output", NULL);
  if (to == NULL) return cli_usage(c, "where to? -o PATH.safetensors");
  if (cli_project(c, &p, &o, &code) && cli_machine(c, &m, p.unit->program, &code)) {
    char *folder = cli_run_folder(c, p.unit);
    Checkpoint *w = folder != NULL ? weights_find(NULL, cli_text(c, "weights", NULL), folder, p.unit, &err) : NULL;
    bool ok = w != NULL && weights_restore(m.session, p.unit, w, &err) &&
              weights_export(NULL, to, m.session, p.unit, checkpoint_info(w), &err);
    checkpoint_close(w);
    free(folder);
    code = ok ? cli_done(c) : cli_fail(c, &err);
  }
  cli_machine_free(&m);
  project_close(&p);
  return code;
}
