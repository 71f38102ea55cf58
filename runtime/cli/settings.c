/* SPDX-License-Identifier: MIT */
/* Which sampler, and its parameters, where they are no flags of their own: --sampler, --set,
 * --beside-set. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

static bool has_parameter(const UnitSampler *u, const char *name) {
  for (int i = 0; i < u->nparams; i++)
    if (strcmp(u->params[i].name, name) == 0) return true;
  return false;
}

TdSetting *cli_settings_of(Cli *c, const char *flag, const UnitSampler *only, int *n) {
  TdSetting *out = calloc((size_t)c->ngiven + 1, sizeof *out);
  *n = 0;
  for (int i = 0; out != NULL && i < c->ngiven; i++) {
    if (strcmp(c->given[i].name, flag) != 0) continue;
    const char *text = c->given[i].value, *eq = strchr(text, '=');
    if (eq == NULL || eq == text) {
      cli_usage(c, "--%s takes NAME=VALUE, not '%.100s'", flag, text);
      *n = -1;
      break;
    }
    char *name = strndup(text, (size_t)(eq - text));
    if (name != NULL && (only == NULL || has_parameter(only, name)))
      out[(*n)++] = (TdSetting){name, eq + 1};
    else
      free(name);
  }
  return out;
}

TdSetting *cli_settings(Cli *c, const UnitSampler *only, int *n) {
  return cli_settings_of(c, "set", only, n);
}

void cli_settings_free(TdSetting *s, int n) {
  for (int i = 0; s != NULL && i < n; i++) free((char *)(uintptr_t)s[i].name);
  free(s);
}

const UnitSampler *cli_sampler(Cli *c, const Unit *u) {
  const char *name = cli_text(c, "sampler", NULL), *names[64];
  const UnitSampler *found = unit_sampler(u, name);
  int n = 0;
  if (found != NULL) return found;
  for (; n < u->nsamplers && n < 64; n++) names[n] = u->samplers[n].name;
  const char *near = name != NULL ? did_you_mean(name, names, n) : NULL;
  if (name == NULL || n == 0)
    cli_usage(c, "%s has no sampler", u->path);
  else
    cli_usage(c, "%s has no sampler '%.100s'; did you mean %s?", u->path, name,
              near != NULL ? near : names[0]);
  return NULL;
}
