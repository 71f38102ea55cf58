/* SPDX-License-Identifier: MIT */
/* What was found. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cuda_emu/emu.h"

static int reports;
static char last[1024];

int emu_reports(void) { return reports; }
const char *emu_last_report(void) { return last; }

/* TDC_EMU_ALLOW=race,leak */
static bool allowed(const char *kind) {
  const char *list = getenv("TDC_EMU_ALLOW");
  size_t length = strlen(kind);
  for (const char *at = list; at != NULL && (at = strstr(at, kind)) != NULL; at += length)
    if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ',')) return true;
  return false;
}

bool emu_report(const char *kind, const char *format, ...) {
  if (allowed(kind)) return false;
  char where[256];
  engine_where(where, sizeof where);
  int n = snprintf(last, sizeof last, "%s: %s%s", kind, where, *where != '\0' ? ": " : "");
  va_list args;
  va_start(args, format);
  if (n >= 0 && (size_t)n < sizeof last) vsnprintf(last + n, sizeof last - (size_t)n, format, args);
  va_end(args);
  reports++;
  dprintf(STDERR_FILENO, "cuda_emu: %s\n", last);
  const char *file = getenv("TDC_EMU_REPORT");
  int fd = file != NULL ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (fd >= 0) {
    dprintf(fd, "%s\n", last);
    close(fd);
  }
  return true;
}
