/* tdc explain: what an error code means. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

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
  if (c->nargs == 0) return list_codes(c);
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
  printf("%c%04ld: %s\n\n%s\n", warning ? 'W' : 'E', code, title != NULL ? title : "", text);
  return cli_done(c);
}
