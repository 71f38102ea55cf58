/* SPDX-License-Identifier: MIT */
/* Which sampler runs, what shows its texts, and where they go: for one model and for two. See
 * sample.h. */
#include <string.h>

#include "runtime/cli/sample.h"
#include "runtime/system/json.h"

/* Only the sampler asked for was compiled: which ones there are needs another look. */
static int no_sampler(Cli *c, const char *path, const char *name) {
  Project p;
  int code = 0, n = 0;
  const char *names[64];
  UnitOptions o = {.check_only = true, .no_train = true, .no_eval = true, .no_models = true};
  StrBuf all = {0};
  c->quiet = true; /* the warnings have been read */
  if (cli_project(c, &p, &o, &code)) {
    for (int i = 0; i < p.unit->nsamplers && n < 64; i++) {
      names[n++] = p.unit->samplers[i].name;
      sb_printf(&all, "%s %s", i > 0 ? "," : "; it has", names[i]);
    }
    const char *near = did_you_mean(name, names, n);
    if (near != NULL)
      code = cli_usage(c, "%s has no sampler '%.100s'; did you mean %s?", path, name, near);
    else
      code = cli_usage(c, "%s has no sampler '%.100s'%s", path, name, all.s != NULL ? all.s : "");
  }
  sb_free(&all);
  project_close(&p);
  return code;
}

const UnitSampler *sample_choose(Cli *c, const Unit *u, const char *path, const char *name,
                                 int *code) {
  const UnitSampler *s = unit_sampler(u, name);
  if (s != NULL) return s;
  *code = name != NULL ? no_sampler(c, path, name) : cli_usage(c, "%s has no sampler", path);
  return NULL;
}

bool sample_watches(const Cli *c, const Viewer *w) {
  if (!cli_has(c, "watch")) return false;
  if (c->out.live && viewer_fits(w)) return true;
  if (!c->quiet)
    fprintf(stderr, "tdc: --watch needs a terminal%s; here is the result alone\n",
            c->out.live ? " with more room" : "");
  return false;
}

bool sample_put(const Cli *c, json_t *json, const char *text, size_t n, TdError *err) {
  const char *to = cli_text(c, "output", NULL);
  char *line = NULL;
  StrBuf s = {0};
  if (c->json) {
    line = json_write(json, JSON_COMPACT | (c->out.tty ? JSON_ENSURE_ASCII : 0));
    if (line == NULL) return td_fail_memory(err);
    sb_printf(&s, "%s\n", line);
    free(line);
    text = s.s != NULL ? s.s : "";
    n = s.n;
  }
  bool ok = true;
  if (to != NULL)
    ok = io_write_file(NULL, to, text, n, err);
  else
    terminal_print(&c->out, text, n);
  sb_free(&s);
  return ok;
}

void sample_detail(const Side *s, StrBuf *out) {
  const SampleRequest *r = &s->request;
  for (int i = 0; i < r->nsettings; i++)
    for (int k = 0; k < r->sampler->nparams; k++)
      if (r->sampler->params[k].kind == PARAM_TEXT &&
          strcmp(r->sampler->params[k].name, r->settings[i].name) == 0)
        sb_printf(out, ", %s \u201c%s\u201d", r->settings[i].name, r->settings[i].value);
}
