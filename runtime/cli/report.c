/* SPDX-License-Identifier: MIT */
/* Errors as messages and exit codes. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/cli.h"
#include "runtime/system/json.h"

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

/* As JSON on stdout. False when it did not get there. */
static bool fail_json(const TdError *err) {
  char *text = json_write(json_pack("{s:{s:s, s:o}}", "error", "kind", status_word(err->status),
                                    "message", json_text(err->message)),
                          JSON_COMPACT);
  bool ok = text != NULL && puts(text) >= 0 && fflush(stdout) == 0 && !ferror(stdout);
  free(text);
  return ok;
}

int cli_fail(const Cli *c, const TdError *err) {
  if (!c->json || !fail_json(err)) {
    fprintf(stderr, "%stdc:%s ", terminal_style(&c->err, "\033[1;31m"),
            terminal_style(&c->err, "\033[0m"));
    terminal_print(&c->err, err->message, strlen(err->message)); /* may hold names out of a file */
    fputc('\n', stderr);
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

/* Has whoever was reading the output gone? */
static bool reader_gone(void) {
  struct pollfd out = {.fd = 1, .events = POLLOUT};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* `why`: what a write to stdout just failed with, or 0. */
static int done(int why) {
  TdError err = {0};
  if (fflush(stdout) != 0 && why == 0) why = errno;
  if (why == 0 && !ferror(stdout)) return 0;
  if (why == EPIPE || reader_gone()) return 128 + SIGPIPE; /* it has enough */
  if (why != 0) /* else it was long ago, and nobody kept the reason */
    td_fail_errno(&err, TD_IO_FAILED, why, "cannot write the output");
  else
    td_fail(&err, TD_IO_FAILED, "cannot write the output");
  fprintf(stderr, "tdc: %s\n", err.message);
  return TD_IO_FAILED;
}

int cli_json(const Cli *c, json_t *result, size_t flags) {
  TdError err = {0};
  /* on a terminal nothing may act that strings hold */
  char *text = json_write(result, flags | (c->out.tty ? JSON_ENSURE_ASCII : 0));
  if (text == NULL) {
    td_fail_memory(&err);
    return cli_fail(c, &err);
  }
  int why = puts(text) < 0 ? errno : 0;
  free(text);
  return done(why);
}

int cli_done(const Cli *c) {
  (void)c;
  return done(0);
}
