/* SPDX-License-Identifier: MIT */
/* tdc explain: what an error code means. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"

/* {"code":"E0204","title":...,"text":...}; without the text in a list. */
static json_t *code_json(int code, bool warning, const char *text) {
  char name[16];
  const char *title = diag_title(code, warning);
  snprintf(name, sizeof name, "%c%04d", warning ? 'W' : 'E', code);
  json_t *o = json_pack("{s:s, s:s}", "code", name, "title", title != NULL ? title : "");
  return text != NULL ? json_with(o, "text", json_text(text)) : o;
}

static int list_json(const Cli *c) {
  json_t *all = json_array();
  for (int i = 0; i < diag_code_count(); i++) {
    bool warning;
    int code = diag_code_at(i, &warning);
    all = json_and(all, code_json(code, warning, NULL));
  }
  return cli_json(c, all, JSON_COMPACT);
}

static int list_codes(const Cli *c) {
  for (int i = 0; i < diag_code_count(); i++) {
    bool warning;
    int code = diag_code_at(i, &warning);
    const char *title = diag_title(code, warning);
    printf("%c%04d  %s\n", warning ? 'W' : 'E', code, title != NULL ? title : "");
  }
  return cli_done(c);
}

int cli_explain(Cli *c) {
  if (c->nargs == 0) return c->json ? list_json(c) : list_codes(c);
  const char *word = c->args[0];
  char letter = (char)toupper((unsigned char)word[0]), *end;
  bool lettered = letter == 'E' || letter == 'W';
  long code = strtol(word + lettered, &end, 10);
  if (!isdigit((unsigned char)word[lettered]) || *end != '\0' || code < 0 || code > 9999)
    return cli_usage(c, "'%.100s' is no error code such as E0204", word);
  bool warning = letter == 'W';
  const char *text = diag_explain((int)code, warning), *title = diag_title((int)code, warning);
  if (text == NULL && !lettered) {
    warning = true;
    text = diag_explain((int)code, true);
    title = diag_title((int)code, true);
  }
  if (text == NULL)
    return cli_usage(c, "there is no code '%.100s'; `tdc explain` lists them", word);
  if (c->json) return cli_json(c, code_json((int)code, warning, text), JSON_COMPACT);
  printf("%c%04ld: %s\n\n%s\n", warning ? 'W' : 'E', code, title != NULL ? title : "", text);
  return cli_done(c);
}
