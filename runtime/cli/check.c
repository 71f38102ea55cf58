/* SPDX-License-Identifier: MIT */
/* tdc check: errors and warnings, nothing else. */
#include "runtime/cli/cli.h"

int cli_check(Cli *c) {
  Project p;
  int code = 0;
  UnitOptions o = {.check_only = true, .verify = true};
  if (cli_project(c, &p, &o, &code)) {
    if (c->json) { /* warnings are the result here */
      project_report(&p, true, false, stdout);
    } else if (!c->quiet) {
      int n = diags_warnings(p.diags);
      fprintf(stderr, "%s: %s", c->args[0], n == 0 ? "no errors\n" : "");
      if (n > 0) fprintf(stderr, "%d warning%s\n", n, n == 1 ? "" : "s");
    }
    code = cli_done(c);
  }
  project_close(&p);
  return code;
}
