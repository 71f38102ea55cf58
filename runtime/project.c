/* SPDX-License-Identifier: MIT */
/* Opening a .td file: read, compile, keep. */
#include "runtime/project.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/system/digest.h"

enum { SOURCE_LIMIT = 64 << 20 };

typedef struct Loader {
  const IoHook *hook;
  TdError error;
} Loader;

/* Text for `use "path"`. */
static const char *project_load(void *ctx, Arena *a, const char *path, size_t *size,
                                const char **why) {
  Loader *l = ctx;
  uint8_t *bytes;
  if (!io_read_file(l->hook, path, SOURCE_LIMIT, &bytes, size, &l->error)) {
    *why = arena_strdup(a, l->error.message);
    return NULL;
  }
  const char *text = arena_strndup(a, (const char *)bytes, *size);
  free(bytes);
  return text;
}

static bool project_compile(Project *p, const ProjectOptions *o, TdError *err) {
  Loader loader = {.hook = o->search.hook};
  UnitOptions options = o->unit;
  options.query = data_store_query;
  options.query_ctx = p->data;
  options.load = project_load;
  options.load_ctx = &loader;
  p->unit = unit_compile(p->arena, p->names, p->diags, p->file, &options);
  if (p->unit == NULL) {
    const TdError *why = data_store_error(p->data);
    if (why->status == TD_OK && diags_errors(p->diags) == 0) return td_fail_memory(err);
    TdStatus status = why->status != TD_OK ? why->status : TD_BAD_FILE;
    return td_fail(err, status, "%s has errors", o->path);
  }
  return digest_of(p->unit->source_hash, p->unit->source_size, p->source_sha256) ||
         td_fail_memory(err);
}

/* What compiling needs before it waits for memory to run out itself. False when it has. */
static bool project_begin(Project *p, const char *path, const uint8_t *text, size_t size) {
  jmp_buf unwind;
  if (setjmp(unwind) == 0) {
    arena_guard(p->arena, &unwind);
    p->names = interner_new(p->arena);
    Diags *d = diags_new(p->arena);
    p->file = diags_source(d, path, (const char *)text, size);
    p->diags = d;
  }
  arena_guard(p->arena, NULL);
  return p->diags != NULL;
}

bool project_open(Project *p, const ProjectOptions *o, TdError *err) {
  *p = (Project){0};
  uint8_t *text = NULL;
  size_t size = 0;
  if (!io_read_file(o->search.hook, o->path, SOURCE_LIMIT, &text, &size, err)) return false;
  p->arena = arena_try_new();
  p->data = data_store_new(&o->search);
  bool ok = (p->arena != NULL && p->data != NULL) || td_fail_memory(err);
  if (ok) {
    data_store_offer(p->data, o->tokens, o->vocabulary, o->unigram);
    ok = project_begin(p, o->path, text, size) ? project_compile(p, o, err) : td_fail_memory(err);
  }
  free(text);
  return ok;
}

void project_close(Project *p) {
  data_store_free(p->data);
  if (p->arena != NULL) arena_free(p->arena);
  *p = (Project){0};
}

void project_report(const Project *p, bool json, bool colour, FILE *out) {
  if (p->diags == NULL) return;
  StrBuf s = {0};
  if (json)
    diags_print_json(p->diags, &s);
  else
    diags_print(p->diags, &s, colour);
  if (s.n > 0) fwrite(s.s, 1, s.n, out);
  sb_free(&s);
}
