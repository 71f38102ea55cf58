/* SPDX-License-Identifier: MIT */
/* tdc fmt: the canonical layout. */
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"

/* Layout of one file into `out`. False after diagnostics or a message. */
static bool format_file(Cli *c, const char *path, StrBuf *out, const char *text, size_t n,
                        int *code) {
  Arena *a = arena_new();
  if (a == NULL) {
    TdError err = {0};
    td_fail_memory(&err);
    *code = cli_fail(c, &err);
    return false;
  }
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  AFile *file = ast_parse(a, names, d, diags_source(d, path, text, n));
  bool ok = diags_errors(d) == 0;
  if (ok) {
    ast_print_file(file, out);
  } else {
    StrBuf s = {0};
    diags_print(d, &s, c->err.colour);
    fputs(s.s != NULL ? s.s : "", stderr);
    sb_free(&s);
    *code = TD_BAD_FILE;
  }
  arena_free(a);
  return ok;
}

static int fmt_one(Cli *c, const char *path) {
  TdError err = {0};
  uint8_t *text;
  size_t n;
  int code = 0;
  StrBuf s = {0};
  if (!io_read_file(NULL, path, 64 << 20, &text, &n, &err)) return cli_fail(c, &err);
  if (format_file(c, path, &s, (const char *)text, n, &code)) {
    bool same = s.n == n && memcmp(s.s != NULL ? s.s : "", text, n) == 0;
    const char *to = cli_text(c, "output", NULL);
    if (cli_has(c, "check")) {
      if (!same) printf("%s\n", path);
      code = same ? 0 : TD_BAD_FILE;
    } else if (cli_has(c, "write") || to != NULL) {
      if ((!same || to != NULL) && !io_write_file(NULL, to != NULL ? to : path, s.s, s.n, &err))
        code = cli_fail(c, &err);
    } else {
      fwrite(s.s != NULL ? s.s : "", 1, s.n, stdout);
    }
  }
  sb_free(&s);
  free(text);
  return code;
}

int cli_fmt(Cli *c) {
  if (cli_has(c, "output") && c->nargs > 1) return cli_usage(c, "-o is for one file");
  int worst = 0;
  for (int i = 0; i < c->nargs; i++) {
    int code = fmt_one(c, c->args[i]);
    if (code > worst) worst = code;
  }
  int done = cli_done(c);
  return worst != 0 ? worst : done;
}
