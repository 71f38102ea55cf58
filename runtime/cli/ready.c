/* SPDX-License-Identifier: MIT */
/* A build tool: the shared functions of the CPU's preludes, compiled as the runtime would for this
 * processor (runtime/cpu/ready.h).
 *
 *   ready FILE.c        writes the file, and FILE.unit.c and FILE.unit.o beside it
 *
 * A file that has the same keys stays as it is, so that nothing is built again. Without a C
 * compiler that works, the file says that nothing is ready, and so does a line on stderr: programs
 * compile these functions themselves then. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/plan/target.h"
#include "runtime/cpu/jit_units.h"
#include "runtime/cpu/ready.h"
#include "runtime/system/io.h"
#include "runtime/system/spawn.h"

enum { PRELUDES = 3, COMPILE_SECONDS = 300 };

typedef struct Made {
  Arena *arena;
  Toolchain tools;
  const char *text; /* the largest of the preludes; the others are beginnings of it */
  char keys[PRELUDES][DIGEST_HEX];
  uint8_t *object;
  size_t n;
} Made;

static bool make_keys(Made *m, TdError *err) {
  static const bool rounds[PRELUDES] = {false, true, true}, splits[PRELUDES] = {false, false, true};
  const Target *cpu = backend_target("cpu");
  for (int i = 0; i < PRELUDES; i++) {
    bool shares;
    const char *text = cpu->prelude(m->arena, rounds[i], splits[i], &shares);
    if (m->text != NULL && strncmp(text, m->text, strlen(m->text)) != 0)
      return td_fail(err, TD_BAD_USAGE, "a prelude does not begin as the one before");
    m->text = text;
    if (!jit_ready_key(&m->tools, text, m->keys[i], err)) return false;
  }
  return true;
}

static bool compile(Made *m, const char *path, TdError *err) {
  StrBuf text = {0};
  const char *source = arena_printf(m->arena, "%s.unit.c", path);
  const char *object = arena_printf(m->arena, "%s.unit.o", path);
  const char **argv = NEWN(m->arena, const char *, m->tools.nwords + m->tools.nextra + 64);
  int n = 0;
  for (int i = 0; i < m->tools.nwords; i++) argv[n++] = m->tools.words[i];
  for (const char *const *f = toolchain_flags(); *f != NULL; f++) argv[n++] = *f;
  for (const char *const *f = jit_unit_flags(true, false); *f != NULL; f++) argv[n++] = *f;
  for (int i = 0; i < m->tools.nextra; i++) argv[n++] = m->tools.extra[i];
  const char *const rest[] = {"-fno-lto", "-c", "-o", object, source};
  for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) argv[n++] = rest[i];
  sb_printf(&text, "#define TD_DEFINES\n%s", m->text);
  FILE *f = text.s != NULL ? fopen(source, "w") : NULL;
  bool ok = f != NULL && fwrite(text.s, 1, text.n, f) == text.n;
  ok = (f != NULL && fclose(f) == 0 && ok) ||
       td_fail(err, TD_IO_FAILED, "%s cannot be written", source);
  sb_free(&text);
  SpawnJob job = {.argv = argv, .timeout = COMPILE_SECONDS};
  if (ok && !spawn_all(&job, 1, 1, NULL))
    ok = td_fail(err, TD_NO_TOOL, "'%s' failed: %.2000s", argv[0],
                 job.output.s != NULL ? job.output.s : "");
  sb_free(&job.output);
  return ok && io_read_file(NULL, object, SIZE_MAX / 2, &m->object, &m->n, err);
}

static bool write_made(const Made *m, const char *path) {
  FILE *f = fopen(path, "w");
  if (f == NULL) return false;
  fprintf(f, "#include \"runtime/cpu/ready.h\"\nstatic const char *const keys[] = {\n");
  for (int i = 0; i < PRELUDES && m->object != NULL; i++) fprintf(f, "  \"%s\",\n", m->keys[i]);
  fprintf(f, "  NULL\n};\nstatic const uint8_t object[] = {\n");
  for (size_t i = 0; i < m->n; i++) fprintf(f, "%d,%s", m->object[i], i % 24 == 23 ? "\n" : "");
  fprintf(f, "0};\nconst Ready ready = {keys, object, %zu};\n", m->n);
  return fclose(f) == 0;
}

/* Has the file these keys, and so what would be written? */
static bool is_made(const Made *m, const char *path) {
  uint8_t *bytes = NULL;
  size_t n;
  TdError err = {0};
  if (!io_read_file(NULL, path, SIZE_MAX / 2, &bytes, &n, &err)) return false;
  char *text = realloc(bytes, n + 1);
  bool all = text != NULL;
  if (all) text[n] = '\0';
  for (int i = 0; all && i < PRELUDES; i++) all = strstr(text, m->keys[i]) != NULL;
  free(text != NULL ? text : (char *)bytes);
  return all;
}

int main(int argc, char **argv) {
  TdError err = {0};
  if (argc != 2) {
    fprintf(stderr, "usage: ready FILE.c\n");
    return 2;
  }
  Made m = {.arena = arena_new()};
  bool ok = toolchain_find(&m.tools, NULL, &err) && make_keys(&m, &err);
  if (ok && is_made(&m, argv[1])) return 0;
  if (!ok || !compile(&m, argv[1], &err))
    fprintf(stderr, "ready: programs will compile the prelude's functions themselves: %s\n",
            err.message);
  return write_made(&m, argv[1]) ? 0 : 1;
}
