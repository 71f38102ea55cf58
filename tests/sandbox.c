/* SPDX-License-Identifier: MIT */
/* See sandbox.h. */
#include "tests/sandbox.h"

#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/system/cache.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"
#include "tests/quick.h"

static char tdc[8192];

int sandbox_make(void **state) {
  char here[4096];
  char *folder = getcwd(here, sizeof here) != NULL ? io_join(here, "sandbox-XXXXXX") : NULL;
  if (folder == NULL || mkdtemp(folder) == NULL) return -1;
  *state = folder;
  return 0;
}

int sandbox_compile(void **state) {
  unsetenv("TDC_CC");
  setenv("TDC_CFLAGS", "-O1", 1);
  return sandbox_make(state);
}

int sandbox_remove(void **state) {
  cache_remove_folder(*state);
  free(*state);
  return 0;
}

int sandbox_enter(void **state) {
  char here[4096], shared[4200];
  if (getcwd(here, sizeof here) == NULL) return -1;
  snprintf(shared, sizeof shared, "%s/build/tests/jit", here);
  if (sandbox_make(state) != 0 || chdir(*state) != 0) return -1;
  setenv("TDC_CACHE", shared, 1);
  setenv("TDC_CFLAGS", QUICK_FLAGS, 1);
  setenv("TDC_OFFLINE", "1", 1);
  sandbox_write("text.txt", "the quick brown fox jumps over the lazy dog, "
                            "the quick brown fox jumps over the lazy dog");
  return 0;
}

int sandbox_leave(void **state) { return chdir("..") == 0 ? sandbox_remove(state) : -1; }

void sandbox_write(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  assert_int_equal(fclose(f), 0);
}

bool sandbox_find(const char *test) {
  char here[4096];
  char *folder = io_dirname(test);
  bool found = folder != NULL && getcwd(here, sizeof here) != NULL;
  if (found && folder[0] == '/')
    snprintf(tdc, sizeof tdc, "%s/../tdc", folder);
  else if (found)
    snprintf(tdc, sizeof tdc, "%s/%s/../tdc", here, folder);
  free(folder);
  return found && access(tdc, X_OK) == 0;
}

char *sandbox_tdc(const char *line, const char *env, int code) {
  int n;
  char **words = spawn_words(line, &n);
  assert_non_null(words);
  const char **argv = calloc((size_t)n + 2, sizeof *argv);
  assert_non_null(argv);
  argv[0] = tdc;
  for (int i = 0; i < n; i++) argv[i + 1] = words[i];
  const char *const extra[] = {env, NULL};
  SpawnJob job = {.argv = argv, .extra_env = extra, .timeout = 120};
  spawn_all(&job, 1, 1, NULL);
  free(argv);
  free(words);
  char *said = job.output.s != NULL ? job.output.s : strdup("");
  if (job.code != code) fail_msg("tdc %s: exit %d, not %d:\n%s", line, job.code, code, said);
  return said;
}

void sandbox_says(const char *line, const char *env, int code, const char *what, bool expected) {
  char *said = sandbox_tdc(line, env, code);
  if ((strstr(said, what) != NULL) != expected)
    fail_msg("tdc %s: %s '%s' in:\n%s", line, expected ? "no" : "a", what, said);
  free(said);
}

void sandbox_exec(const char *line) {
  int n;
  char **words = spawn_words(line, &n);
  char **argv = words != NULL ? calloc((size_t)n + 2, sizeof *argv) : NULL;
  if (argv != NULL) {
    argv[0] = tdc;
    memcpy(argv + 1, words, (size_t)n * sizeof *argv);
    execv(tdc, argv);
  }
  _exit(127);
}

char *sandbox_terminal(const char *line, unsigned short columns) {
  struct winsize size = {.ws_row = 24, .ws_col = columns};
  int user;
  size_t n = 0;
  pid_t child = forkpty(&user, NULL, NULL, &size);
  assert_true(child >= 0);
  if (child == 0) {
    setenv("TERM", "xterm", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    sandbox_exec(line);
  }
  char *said = calloc(1, 1 << 16);
  for (ssize_t got; n < (1 << 16) - 1 && (got = read(user, said + n, (1 << 16) - 1 - n)) > 0;)
    n += (size_t)got;
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  close(user);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("%s: %s", line, said);
  return said;
}

void sandbox_shell(const char *line, int code, const char *what) {
  const char *const argv[] = {"/bin/sh", "-c", line, NULL};
  StrBuf here = {0};
  sb_printf(&here, "TDC=%s", tdc);
  const char *const extra[] = {here.s, NULL};
  SpawnJob job = {.argv = argv, .extra_env = extra, .timeout = 120};
  spawn_all(&job, 1, 1, NULL);
  const char *said = job.output.s != NULL ? job.output.s : "";
  if (job.code != code || strstr(said, what) == NULL)
    fail_msg("%s: exit %d, not %d with '%s':\n%s", line, job.code, code, what, said);
  sb_free(&here);
  sb_free(&job.output);
}
