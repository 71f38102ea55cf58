/* SPDX-License-Identifier: MIT */
/* See run_ir.h. */
#include "tests/run_ir.h"

#include <string.h>

#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"

/* The words after "# pass:" at the beginning of a line, each run in turn. */
static bool run_passes(const char *path, const char *text, size_t n, Graph *g) {
  static const char mark[] = "# pass:";
  const char *end = text + n;
  const PassOptions every = pass_options(backend_target("cpu"));
  for (const char *line = text; line < end;) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop) stop = end;
    if ((size_t)(stop - line) >= sizeof mark - 1 && memcmp(line, mark, sizeof mark - 1) == 0) {
      const char *at = line + sizeof mark - 1;
      while (at < stop) {
        while (at < stop && (*at == ' ' || *at == ',')) at++;
        const char *from = at;
        while (at < stop && *at != ' ' && *at != ',') at++;
        const char *name = internn(g->names, from, (size_t)(at - from));
        if (!*name || strcmp(name, "none") == 0 || pipeline_run_one(g, &every, name)) continue;
        printf("%s: there is no pass '%s'\n", path, name);
        return false;
      }
    }
    line = stop + (stop < end);
  }
  return true;
}

static bool reads_back(const char *path, Arena *a, Interner *names, const StrBuf *text) {
  Diags *d = diags_new(a);
  StrBuf again = {0}, errors = {0};
  Graph *g = ir_parse(a, names, d, diags_source(d, "(printed)", text->s, text->n));
  if (g) {
    ir_print(g, &again);
  } else {
    diags_print(d, &errors, false);
    printf("%s: the printed graph is not read:\n%s", path, errors.s ? errors.s : "");
  }
  bool same = g && strcmp(again.s, text->s) == 0;
  if (g && !same) printf("%s: printed twice it differs:\n%s---\n%s", path, text->s, again.s);
  sb_free(&again);
  sb_free(&errors);
  return same;
}

bool run_ir_text(const char *path, const char *text, size_t n, StrBuf *out) {
  Arena *a = arena_new();
  Interner *names = interner_new(a);
  Diags *d = diags_new(a);
  bool fine = true;
  Graph *g = ir_parse(a, names, d, diags_source(d, path, text, n));
  if (!g) {
    diags_print(d, out, false);
  } else if (run_passes(path, text, n, g)) {
    const char *broken = ir_verify(g);
    if (broken) printf("%s: the result breaks an invariant: %s\n", path, broken);
    ir_print(g, out);
    fine = !broken && reads_back(path, a, names, out);
  } else {
    fine = false;
  }
  arena_free(a);
  return fine;
}
