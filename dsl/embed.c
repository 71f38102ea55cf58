/* SPDX-License-Identifier: MIT */
/* A build tool: text files as C arrays, so that the program carries the
 * standard library and the prelude of generated code with it.
 *
 *   embed std FILE.td...       defines std_source, std_count, std_name (ast.h)
 *   embed text NAME FILE...    defines const char *NAME(void): the files, one behind the other
 *
 * Numbers instead of string literals: no limit on length, no escapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(const char *what, const char *path) {
  fprintf(stderr, "embed: %s: %s\n", what, path);
  exit(1);
}

static void write_bytes(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in) die("cannot open", path);
  int column = 0;
  for (int c; (c = getc(in)) != EOF;) {
    printf("%d,", c);
    if (++column % 24 == 0) putchar('\n');
  }
  if (ferror(in)) die("cannot read", path);
  fclose(in);
}

/* The bytes of n files and a final 0, as an array. */
static void write_array(char **paths, int n, const char *name, int number) {
  printf("static const unsigned char %s_%d[] = {\n", name, number);
  for (int i = 0; i < n; i++) write_bytes(paths[i]);
  printf("0};\n");
}

/* dsl/std/nn.td -> nn */
static void write_stem(const char *path) {
  const char *slash = strrchr(path, '/');
  const char *stem = slash ? slash + 1 : path;
  const char *dot = strrchr(stem, '.');
  printf("\"%.*s\"", (int)(dot ? (size_t)(dot - stem) : strlen(stem)), stem);
}

static void write_library(char **paths, int n) {
  printf("#include \"dsl/ast.h\"\n#include <string.h>\n");
  for (int i = 0; i < n; i++) write_array(paths + i, 1, "text", i);
  printf("static const struct { const char *name; const unsigned char *text; size_t size; } "
         "FILES[] = {\n");
  for (int i = 0; i < n; i++) {
    printf("  {");
    write_stem(paths[i]);
    printf(", text_%d, sizeof text_%d - 1},\n", i, i);
  }
  printf("  {NULL, NULL, 0}\n};\n");
  printf("const char *std_source(const char *name, size_t *size) {\n"
         "  for (int i = 0; FILES[i].name; i++) {\n"
         "    if (strcmp(FILES[i].name, name)) continue;\n"
         "    *size = FILES[i].size;\n"
         "    return (const char *)FILES[i].text;\n"
         "  }\n"
         "  return NULL;\n"
         "}\n"
         "int std_count(void) { return %d; }\n"
         "const char *std_name(int i) { return i >= 0 && i < %d ? FILES[i].name : NULL; }\n",
         n, n);
}

int main(int argc, char **argv) {
  if (argc >= 2 && !strcmp(argv[1], "std")) {
    write_library(argv + 2, argc - 2);
  } else if (argc >= 4 && !strcmp(argv[1], "text")) {
    write_array(argv + 3, argc - 3, "text", 0);
    printf("const char *%s(void);\nconst char *%s(void) { return (const char *)text_0; }\n",
           argv[2], argv[2]);
  } else {
    fprintf(stderr, "usage: embed std FILE.td... | embed text NAME FILE...\n");
    return 2;
  }
  return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
