/* SPDX-License-Identifier: MIT */
#include "tests/model.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/device.h"
#include "runtime/cuda/device.h"
#include "runtime/reference.h"
#include "tests/quick.h"

static bool query_vocabulary(void *ctx, const DataDecl *decl, DataInfo *out, const char **why) {
  (void)decl;
  (void)why;
  Model *m = ctx;
  *out = (DataInfo){.vocab = m->vocab, .unigram = m->unigram};
  return true;
}

static const char *load(void *ctx, Arena *a, const char *path, size_t *size, const char **why) {
  (void)ctx;
  TdError err = {0};
  uint8_t *bytes;
  if (!io_read_file(NULL, path, 1 << 20, &bytes, size, &err)) {
    *why = arena_strdup(a, err.message);
    return NULL;
  }
  const char *text = arena_strndup(a, (const char *)bytes, *size);
  free(bytes);
  return text;
}

static bool compile(Model *m, const char *source, size_t size, const Define *defines, int ndefines,
                    const char *text, const UnitOptions *more) {
  m->arena = arena_new();
  m->names = interner_new(m->arena);
  m->diags = diags_new(m->arena);
  int file = diags_source(m->diags, m->path, source, size);
  UnitOptions o = more ? *more : (UnitOptions){0};
  m->cuda = o.target != NULL && strcmp(o.target, "cuda") == 0;
  CorpusSearch search = {.override = text, .offline = true};
  o.defines = defines;
  o.ndefines = ndefines;
  o.verify = true;
  o.load = load;
  if (getenv("TDC_DISABLE")) o.disable = (uint32_t)strtoul(getenv("TDC_DISABLE"), NULL, 0);
  if (text) {
    m->data = data_store_new(&search);
    o.query = data_store_query;
    o.query_ctx = m->data;
  } else {
    m->unigram = NEWN(m->arena, double, m->vocab);
    for (int64_t i = 0; i < m->vocab; i++) m->unigram[i] = 1 / (double)m->vocab;
    o.query = query_vocabulary;
    o.query_ctx = m;
  }
  m->unit = unit_compile(m->arena, m->names, m->diags, file, &o);
  if (m->unit) return true;
  StrBuf said = {0};
  diags_print(m->diags, &said, false);
  fprintf(stderr, "%s", said.s ? said.s : "");
  sb_free(&said);
  return false;
}

bool model_open(Model *m, const char *path, const Define *defines, int ndefines, const char *text,
                int64_t vocab, const UnitOptions *more) {
  *m = (Model){.path = path, .vocab = vocab};
  TdError err = {0};
  uint8_t *source;
  size_t size;
  if (!io_read_file(NULL, path, 1 << 20, &source, &size, &err)) {
    fprintf(stderr, "%s\n", err.message);
    return false;
  }
  bool ok = compile(m, (const char *)source, size, defines, ndefines, text, more);
  free(source);
  return ok;
}

bool model_open_source(Model *m, const char *name, const char *source) {
  *m = (Model){.path = name};
  return compile(m, source, strlen(source), NULL, 0, NULL, NULL);
}

bool model_in_depth(const char *path, bool whole) {
  static const char *const deep[] = {"shakespeare", "mask", "gpt"}, folder[] = "models/";
  if (whole || strncmp(path, folder, strlen(folder)) != 0) return true;
  path += strlen(folder);
  for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
    size_t n = strlen(deep[i]);
    if (strncmp(path, deep[i], n) != 0) continue;
    if (strcmp(path + n, ".td") == 0 || strcmp(path + n, "_nano.td") == 0) return true;
  }
  return false;
}

static JitOptions jit_options(void) {
  return (JitOptions){.cache = getenv("TDC_CACHE") ? NULL : "build/tests/jit"};
}

static bool quick;
static const char *whole; /* what is compiled at full effort begins with it, or NULL */

void model_quick(const char *but) {
  const char *longer = getenv("TDC_TEST_LONG");
  quick = longer == NULL || *longer != '1';
  whole = but;
}

static bool begins(const char *path, const char *with) {
  return with != NULL && strncmp(path, with, strlen(with)) == 0;
}

bool model_build(Model *m) {
  TdError err = {0};
  JitOptions options = jit_options();
  if (m->cuda) return true;
  bool less = quick && !begins(m->path, whole) && getenv("TDC_CFLAGS") == NULL;
  if (less) setenv("TDC_CFLAGS", QUICK_FLAGS, 1);
  m->jit = jit_build(m->unit->program, &options, &err);
  if (less) unsetenv("TDC_CFLAGS");
  if (!m->jit) fprintf(stderr, "%s: %s\n", m->path, err.message);
  return m->jit != NULL;
}

void model_close(Model *m) {
  if (m->jit) jit_close(m->jit);
  if (m->data) data_store_free(m->data);
  if (m->arena) arena_free(m->arena);
  *m = (Model){0};
}

static Device *device_for(const Model *m, Pool *pool, TdError *err) {
  static CudaInfo info;
  const JitOptions options = jit_options();
  return m->cuda ? cuda_device(m->unit->program, &options, &info, err)
                 : cpu_device(m->unit->program, m->jit, pool, err);
}

static bool prepared(Running *r, const Model *m, TdError *err) {
  bool ok = r->session && session_need(r->session, (const char *const[]){".", NULL}, err);
  if (!ok) fprintf(stderr, "%s: %s\n", m->path, err->message);
  return ok;
}

bool running_evaluated(Running *r, const Model *m) {
  TdError err = {0};
  *r = (Running){.session = session_new(m->unit->program, reference_device(m->unit, &err), &err)};
  return prepared(r, m, &err);
}

bool running_open(Running *r, const Model *m, int threads) {
  TdError err = {0};
  *r = (Running){.pool = pool_new(threads, &err)};
  const TdProgram *p = m->unit->program;
  if (r->pool) r->session = session_new(p, device_for(m, r->pool, &err), &err);
  return prepared(r, m, &err);
}

void running_close(Running *r) {
  if (r->session) session_free(r->session);
  if (r->pool) pool_free(r->pool);
  *r = (Running){0};
}

Node *graph_leaf(const Graph *g, NodeKind kind, const char *name) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind == kind && strcmp(n->name, name) == 0) return n;
  }
  return NULL;
}

Node *graph_output(const Graph *g, const char *name) {
  for (int i = 0; i < g->outputs.n; i++)
    if (strcmp(g->outputs.at[i].name, name) == 0) return g->outputs.at[i].node;
  return NULL;
}

static void *room_for(const char *name, int64_t count, TdType type) {
  void *room = malloc((size_t)count * td_type_size(type) + 1);
  if (!room) bug("no memory to look at %s", name);
  return room;
}

void *output_of(const Session *s, int entry, const char *name) {
  const TdBuffer *b = session_output(s, entry, name);
  TdError err = {0};
  if (!b) bug("no output %s", name);
  void *room = room_for(name, b->count, b->type);
  if (!session_read_output(s, entry, name, 0, b->count, room, &err)) bug("%s", err.message);
  return room;
}

void *state_of(const Session *s, int state) {
  const TdState *st = &session_program(s)->states[state];
  TdError err = {0};
  void *room = room_for(st->name, st->count, st->type);
  if (!session_read_state(s, state, 0, st->count, room, &err)) bug("%s", err.message);
  return room;
}

double typed_value(const void *from, TdType type, int64_t i) {
  switch (type) {
  case TD_F32: return ((const float *)from)[i];
  case TD_F64: return ((const double *)from)[i];
  case TD_I32: return ((const int32_t *)from)[i];
  case TD_U8: return ((const uint8_t *)from)[i];
  case TD_BF16:
  case TD_F16: break;
  }
  bug("no program stores this type yet");
}
