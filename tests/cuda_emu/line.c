/* SPDX-License-Identifier: MIT */
/* From an address of a kernel's code to its line: by addr2line, from the module's image,
 * when something is to be told about it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/shadow.h"

extern char **environ;

/* The first line that a program prints. */
static void first_line(const char *const *argv, char *text, size_t room) {
  int ends[2];
  pid_t pid;
  *text = '\0';
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  int failed = posix_spawnp(&pid, argv[0], &files, NULL, (char *const *)argv, environ);
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  ssize_t n = failed ? 0 : read(ends[0], text, room - 1);
  close(ends[0]);
  if (!failed) waitpid(pid, NULL, 0);
  text[n > 0 ? n : 0] = '\0';
  text[strcspn(text, "\n")] = '\0';
}

const char *shadow_line(const void *pc) {
  static char text[PATH_MAX + 32];
  char found[PATH_MAX], path[] = "/tmp/tdc-emu-line-XXXXXX", offset[32];
  Dl_info info;
  size_t bytes;
  *text = '\0';
  const void *image = dladdr(pc, &info) != 0 ? module_image(info.dli_fbase, &bytes) : NULL;
  int fd = image != NULL ? mkstemp(path) : -1;
  if (fd < 0) return text;
  snprintf(offset, sizeof offset, "%#lx",
           (unsigned long)((uintptr_t)pc - (uintptr_t)info.dli_fbase - 1));
  if (write(fd, image, bytes) == (ssize_t)bytes) {
    const char *const argv[] = {"addr2line", "-e", path, offset, NULL};
    first_line(argv, found, sizeof found);
    found[strcspn(found, " ")] = '\0'; /* "(discriminator 3)" */
    const char *slash = strrchr(found, '/'), *name = slash != NULL ? slash + 1 : found;
    if (*name != '\0' && *name != '?') snprintf(text, sizeof text, ", at %s", name);
  }
  close(fd);
  unlink(path);
  return text;
}
