/* SPDX-License-Identifier: MIT */
/* Errors as messages and exit codes. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "runtime/cli/cli.h"

static const char *status_word(TdStatus s) {
  switch (s) {
  case TD_OK: return "ok";
  case TD_BAD_FILE: return "file";
  case TD_BAD_USAGE: return "usage";
  case TD_NO_TOOL: return "tool";
  case TD_IO_FAILED: return "io";
  case TD_DAMAGED: return "damaged";
  case TD_NOT_FINITE: return "numeric";
  case TD_STOPPED: return "stopped";
  }
  return "unknown";
}

int cli_fail(const Cli *c, const TdError *err) {
  if (c->json) {
    json_t *o = json_pack("{s:{s:s, s:s}}", "error", "kind", status_word(err->status), "message",
                          err->message);
    if (o != NULL) json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
  } else {
    fprintf(stderr, "%stdc:%s %s\n", terminal_style(&c->err, "\033[1;31m"),
            terminal_style(&c->err, "\033[0m"), err->message);
  }
  fflush(stdout);
  return err->status == TD_STOPPED ? 128 + (err->signal != 0 ? err->signal : SIGINT)
                                   : (int)err->status;
}

int cli_usage(const Cli *c, const char *fmt, ...) {
  TdError err = {.status = TD_BAD_USAGE};
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(err.message, sizeof err.message, fmt, ap);
  va_end(ap);
  size_t n = strlen(err.message);
  if (!c->json)
    snprintf(err.message + n, sizeof err.message - n, "\n`tdc %s --help` shows what it takes",
             c->command->name);
  return cli_fail(c, &err);
}

int cli_done(const Cli *c) {
  TdError err = {0};
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  if (errno == EPIPE) return 128 + SIGPIPE; /* whoever was reading has enough */
  td_fail_errno(&err, TD_IO_FAILED, errno, "cannot write the output");
  fprintf(stderr, "tdc: %s\n", err.message);
  (void)c;
  return TD_IO_FAILED;
}
