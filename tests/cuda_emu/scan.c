/* SPDX-License-Identifier: MIT */
/* The kernels of a unit's text: what stands behind TD_KERNEL. From them the table that a
 * module exports (EmuUnit) is written behind the text. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/scan.h"

/* Comments, text in quotes and preprocessor lines become spaces; line ends stay. */
static void blank(char *s) {
  bool begins = true; /* only space before on this line */
  for (char *p = s; *p != '\0'; p++) {
    char *end = NULL;
    if (p[0] == '/' && p[1] == '/')
      end = p + strcspn(p, "\n");
    else if (p[0] == '/' && p[1] == '*')
      end = strstr(p + 2, "*/"), end = end ? end + 2 : p + strlen(p);
    else if (*p == '#' && begins) {
      for (end = p + strcspn(p, "\n"); *end == '\n' && end[-1] == '\\';)
        end += 1 + strcspn(end + 1, "\n");
    } else if (*p == '"' || *p == '\'') {
      for (end = p + 1; *end != '\0' && *end != *p && *end != '\n'; end++)
        if (*end == '\\' && end[1] != '\0') end++;
      if (*end == *p) end++;
    }
    if (end != NULL) {
      for (; p < end; p++)
        if (*p != '\n') *p = ' ';
      p--;
      continue;
    }
    begins = *p == '\n' || (begins && isspace((unsigned char)*p));
  }
}

static const char *space(const char *p) {
  while (isspace((unsigned char)*p)) p++;
  return p;
}

/* Behind the bracket that closes the one at p; NULL: none does. */
static const char *closed(const char *p) {
  int depth = 0;
  for (; *p != '\0'; p++) {
    depth += *p == '(';
    depth -= *p == ')';
    if (depth == 0) return p + 1;
  }
  return NULL;
}

static bool is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Parameters between brackets: '*' or '.' each. */
static void parameters(const char *p, const char *end, char *kinds, size_t room, int *n) {
  *n = 0;
  p = space(p + 1);
  if (strncmp(p, "void", 4) == 0 && space(p + 4) == end - 1) return;
  if (p == end - 1) return;
  for (bool pointer = false; p < end; p++) {
    if (*p == '*') pointer = true;
    if (*p != ',' && p != end - 1) continue;
    if ((size_t)*n + 1 < room) kinds[(*n)++] = pointer ? '*' : '.';
    kinds[*n] = '\0';
    pointer = false;
  }
}

static void write_kernel(FILE *out, FILE *table, const char *bounds, const char *bounds_end,
                         const char *name, int length, const char *kinds, int n) {
  fprintf(out,
          "EMU_CALL emu_call_%.*s(void *f, const unsigned long long *a) {\n  (void)a;\n"
          "  ((void (*)(",
          length, name);
  for (int i = 0; i < n; i++) fprintf(out, "%sunsigned long long", i > 0 ? ", " : "");
  fprintf(out, "%s))f)(", n > 0 ? "" : "void");
  for (int i = 0; i < n; i++) fprintf(out, "%sa[%d]", i > 0 ? ", " : "", i);
  fprintf(out, ");\n}\n");
  fprintf(table, "  {\"%.*s\", (void *)%.*s, emu_call_%.*s, %.*s, %d, \"%s\"},\n", length, name,
          length, name, length, name, (int)(bounds_end - 1 - (bounds + 1)), bounds + 1, n, kinds);
}

/* Names of the kernels, for the log, in `names`, one a line. */
char *scan_table(const char *source, int abi, int capability, bool specific, bool checked,
                 char **names) {
  char *text = strdup(source), *calls = NULL, *rows = NULL, *list = NULL, *all = NULL;
  size_t ncalls = 0, nrows = 0, nlist = 0;
  FILE *out = open_memstream(&calls, &ncalls), *table = open_memstream(&rows, &nrows);
  FILE *called = open_memstream(&list, &nlist);
  int nkernels = 0;
  blank(text);
  for (const char *p = text; (p = strstr(p, "TD_KERNEL")) != NULL;) {
    bool alone = (p == text || !is_name(p[-1])) && !is_name(p[9]);
    const char *bounds = space(p + 9), *name, *open, *end;
    p += 9;
    if (!alone || *bounds != '(' || (name = closed(bounds)) == NULL) continue;
    const char *bounds_end = name;
    name = space(name);
    int length = 0;
    while (is_name(name[length])) length++;
    open = space(name + length);
    if (length == 0 || *open != '(' || (end = closed(open)) == NULL) continue;
    char kinds[MOST_ARGUMENTS + 1] = "";
    int n;
    parameters(open, end, kinds, sizeof kinds, &n);
    write_kernel(out, table, bounds, bounds_end, name, length, kinds, n);
    fprintf(called, "%.*s\n", length, name);
    nkernels++;
  }
  fclose(out), fclose(table), fclose(called);
  if (asprintf(&all,
               "\n#define EMU_CALL static __attribute__((no_sanitize(\"thread\"))) void\n%s"
               "static const EmuKernel emu_table[] = {\n%s  {0}\n};\n"
               "extern const EmuUnit emu_unit __attribute__((visibility(\"default\")));\n"
               "const EmuUnit emu_unit = {%d, %d, %d, %d, %d, emu_table};\n",
               calls, rows, abi, capability, specific, checked, nkernels) < 0)
    all = NULL;
  free(text), free(calls), free(rows);
  *names = list;
  return all;
}

/* The first line that includes something, from 1; 0: none does. `what` gets what. */
int scan_include(const char *source, char *what, size_t room) {
  int line = 1;
  for (const char *p = source; *p != '\0'; line++) {
    const char *q = p + strspn(p, " \t");
    if (*q == '#' && strncmp(q + 1 + strspn(q + 1, " \t"), "include", 7) == 0) {
      q = q + strcspn(q, "\"<\n");
      snprintf(what, room, "%.*s", (int)strcspn(q + (*q != '\n'), "\">\n"), q + (*q != '\n'));
      return line;
    }
    p += strcspn(p, "\n");
    p += *p == '\n';
  }
  return 0;
}
