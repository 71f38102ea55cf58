/* SPDX-License-Identifier: MIT */
/* Compiling kernels for a GPU. See compile.h.
 *
 * An entry of the cache is the code, the compiler's log with its NUL, and the log's length in
 * eight bytes. */
#include "runtime/cuda/compile.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/threads.h"
#include "runtime/system/cache.h"
#include "runtime/version.h"

/* Of every compilation, behind the architecture. No fast mathematics: the result of an
 * operation is the same here as on the CPU. */
static const char *const flags[] = {"--std=c++17", "--fmad=true", "--ptxas-options=-v",
                                    "--ptxas-options=--warn-on-spills", NULL};
enum { FLAGS = sizeof flags / sizeof *flags - 1 };

const char *const *cubin_flags(void) { return flags; }

/* From 9.0 on, instructions that only this very architecture has come with the letter. */
void cubin_architecture(char out[16], int major, int minor) {
  snprintf(out, 16, "sm_%d%d%s", major % 1000, minor % 100, major >= 9 ? "a" : "");
}

void cubin_free(Cubin *c) {
  free(c->code);
  *c = (Cubin){0};
}

/* ---- one compilation ------------------------------------------------------------------ */

typedef struct Job {
  const char *text;
  NvrtcResult result;
  bool stopped, no_memory;
  uint8_t *entry; /* as the cache keeps it */
  size_t bytes;   /* of the entry */
  char *log;      /* after a failure */
} Job;

static char *program_log(const Nvrtc *n, NvrtcProgram program, size_t *bytes) {
  size_t size = 0;
  if (n->nvrtcGetProgramLogSize(program, &size) != NVRTC_OK) size = 0;
  char *log = calloc(size + 1, 1);
  if (log != NULL && size > 0 && n->nvrtcGetProgramLog(program, log) != NVRTC_OK) log[0] = '\0';
  *bytes = log != NULL ? strlen(log) + 1 : 0;
  return log;
}

/* Code, log and its length, in one block. */
static void take_code(const Nvrtc *n, NvrtcProgram program, const char *log, size_t log_bytes,
                      Job *job) {
  size_t code = 0;
  uint64_t length = log_bytes;
  job->result = n->nvrtcGetCUBINSize(program, &code);
  if (job->result != NVRTC_OK) return;
  job->entry = malloc(code + log_bytes + sizeof length);
  job->no_memory = job->entry == NULL;
  if (job->no_memory) return;
  job->result = n->nvrtcGetCUBIN(program, (char *)job->entry);
  memcpy(job->entry + code, log, log_bytes);
  memcpy(job->entry + code + log_bytes, &length, sizeof length);
  job->bytes = code + log_bytes + sizeof length;
}

static void compile(const CubinCompiler *c, const char *name, Job *job) {
  const Nvrtc *n = c->nvrtc;
  const char *options[FLAGS + 1];
  char architecture[48];
  NvrtcProgram program;
  snprintf(architecture, sizeof architecture, "--gpu-architecture=%s", c->architecture);
  options[0] = architecture;
  for (int i = 0; i < FLAGS; i++) options[i + 1] = flags[i];
  job->result = n->nvrtcCreateProgram(&program, job->text, name, 0, NULL, NULL);
  if (job->result != NVRTC_OK) return;
  job->result = n->nvrtcCompileProgram(program, FLAGS + 1, options);
  size_t log_bytes;
  job->log = program_log(n, program, &log_bytes);
  job->no_memory = job->log == NULL;
  if (job->result == NVRTC_OK && job->log != NULL) take_code(n, program, job->log, log_bytes, job);
  n->nvrtcDestroyProgram(&program);
}

static void job_free(Job *job) {
  free(job->entry);
  free(job->log);
}

/* ---- all of them ------------------------------------------------------------------------ */

typedef struct Build {
  const CubinCompiler *compiler;
  const TdProgram *program;
  const int *group;
  KernelUnits *units;
  Cubin *out;
  Cache *cache;
  Job *jobs; /* by unit */
  int *todo; /* units that the cache did not have */
  int ntodo;
} Build;

static bool stopped(const Build *b) {
  const volatile sig_atomic_t *stop = b->compiler->options.stop;
  return stop != NULL && *stop != 0;
}

static void compile_some(void *ctx, int worker, int64_t begin, int64_t end) {
  const Build *b = ctx;
  (void)worker;
  for (int64_t i = begin; i < end; i++) {
    Job *job = &b->jobs[b->todo[i]];
    job->text = b->units->at[b->todo[i]].text;
    job->stopped = stopped(b);
    if (!job->stopped) compile(b->compiler, "kernels.cu", job);
  }
}

static void say_failure(const Build *b, const TdKernel *k, const Job *job, TdError *err) {
  const Nvrtc *n = b->compiler->nvrtc;
  const char *why = n->nvrtcGetErrorString(job->result);
  const char *log = job->log != NULL ? job->log : "";
  if (job->no_memory || job->result == NVRTC_NO_MEMORY)
    td_fail_memory(err);
  else if (job->result == NVRTC_NO_BUILTINS)
    td_fail(err, TD_NO_TOOL, "%s lacks its libnvrtc-builtins, which belongs beside it:\n%.2000s",
            n->file.path, log);
  else
    td_fail(err, TD_NO_TOOL, "NVRTC %d.%d cannot compile %s (%s) for %s: %s\n%.3000s", n->major,
            n->minor, k->name, k->where != NULL ? k->where : "?", b->compiler->architecture, why,
            log);
}

/* Which kernel of the unit it is: each by itself. */
static bool blame(const Build *b, const KernelUnit *u, const Job *job, TdError *err) {
  const TdProgram *p = b->program;
  if (job->result == NVRTC_NOT_COMPILED)
    for (int k = u->first; k <= u->last && u->first < u->last && !stopped(b); k++) {
      if (b->group[k] < 0 || p->kernels[k].kind == TD_PRODUCT) continue;
      StrBuf text = {0};
      sb_printf(&text, "%s\n%s\n", p->prelude, p->kernels[k].source);
      Job alone = {.text = text.s};
      if (text.s != NULL) compile(b->compiler, "kernels.cu", &alone);
      bool bad = alone.result == NVRTC_NOT_COMPILED;
      if (bad) say_failure(b, &p->kernels[k], &alone, err);
      job_free(&alone);
      sb_free(&text);
      if (bad) return false;
    }
  say_failure(b, &p->kernels[u->first], job, err);
  return false;
}

/* An entry, which is taken, as a unit's code. */
static bool take_entry(Cubin *out, uint8_t *entry, size_t n) {
  uint64_t log;
  if (n > sizeof log) {
    memcpy(&log, entry + n - sizeof log, sizeof log);
    if (log >= 1 && log < n - sizeof log && entry[n - sizeof log - 1] == '\0') {
      size_t code = n - sizeof log - (size_t)log;
      *out = (Cubin){.code = entry, .bytes = code, .log = (const char *)entry + code};
      return true;
    }
  }
  free(entry);
  return false;
}

/* What the cache has; the others are still to do. */
static void look_up(Build *b) {
  b->ntodo = 0;
  for (int i = 0; i < b->units->n; i++) {
    KernelUnit *u = &b->units->at[i];
    uint8_t *bytes;
    size_t n;
    if (b->out[i].code == NULL && cache_get(b->cache, u->key, "cubin", &bytes, &n))
      u->cached = take_entry(&b->out[i], bytes, n);
    if (b->out[i].code == NULL) b->todo[b->ntodo++] = i;
  }
}

/* The results, in the order of the units: what was made is kept even if another failed. */
static bool collect(Build *b, TdError *err) {
  bool ok = true;
  for (int i = 0; i < b->ntodo; i++) {
    int unit = b->todo[i];
    Job *job = &b->jobs[unit];
    bool made = job->entry != NULL && job->result == NVRTC_OK;
    if (made) {
      cache_put(b->cache, b->units->at[unit].key, "cubin", job->entry, job->bytes); /* or again */
      made = take_entry(&b->out[unit], job->entry, job->bytes);
      job->entry = NULL;
      job->result = made ? NVRTC_OK : NVRTC_NOT_COMPILED;
    }
    if (made || !ok) continue;
    ok = job->stopped || stopped(b) ? td_fail(err, TD_STOPPED, "stopped while compiling kernels")
                                    : blame(b, &b->units->at[unit], job, err);
  }
  return ok;
}

static bool make(Build *b, TdError *err) {
  const JitOptions *o = &b->compiler->options;
  int threads = o->parallel > 0 ? o->parallel : cpu_count();
  Pool *pool = pool_new(b->ntodo < threads ? b->ntodo : threads, err);
  if (pool == NULL) return false;
  if (o->note != NULL) o->note(o->note_ctx, b->ntodo);
  pool_run(pool, compile_some, b, b->ntodo);
  pool_free(pool);
  return collect(b, err);
}

/* ---- keys --------------------------------------------------------------------------------- */

/* What every key has in common. A library that was put in another's place is another compiler. */
static Digest *key_begin(const CubinCompiler *c, const char *kind) {
  char version[64];
  Digest *d = digest_new();
  if (d == NULL) return NULL;
  snprintf(version, sizeof version, "nvrtc %d.%d", c->nvrtc->major, c->nvrtc->minor);
  digest_add_string(d, "tdc " TDC_VERSION);
  digest_add_string(d, kind);
  digest_add_string(d, version);
  digest_add(d, &c->nvrtc->file.bytes, sizeof c->nvrtc->file.bytes);
  digest_add(d, &c->nvrtc->file.changed, sizeof c->nvrtc->file.changed);
  digest_add_string(d, c->architecture);
  for (int i = 0; i < FLAGS; i++) digest_add_string(d, flags[i]);
  return d;
}

static bool make_keys(const CubinCompiler *c, KernelUnits *u, TdError *err) {
  for (int i = 0; i < u->n; i++) {
    Digest *d = key_begin(c, "cubin");
    if (d == NULL) return td_fail_memory(err);
    digest_add_string(d, u->at[i].text);
    if (!digest_end_hex(d, u->at[i].key)) return td_fail_memory(err);
  }
  Digest *d = key_begin(c, "cubins");
  if (d == NULL) return td_fail_memory(err);
  for (int i = 0; i < u->n; i++) digest_add_string(d, u->at[i].key);
  return digest_end_hex(d, u->key) || td_fail_memory(err);
}

/* ---- from the cache or made ------------------------------------------------------------------ */

bool cubins_make(const CubinCompiler *c, const TdProgram *p, const int *group, KernelUnits *units,
                 Cubin *out, JitStats *stats, TdError *err) {
  const JitOptions *o = &c->options;
  Build b = {.compiler = c, .program = p, .group = group, .units = units, .out = out};
  b.jobs = calloc((size_t)units->n + 1, sizeof *b.jobs);
  b.todo = calloc((size_t)units->n + 1, sizeof *b.todo);
  bool ok = ((b.jobs != NULL && b.todo != NULL) || td_fail_memory(err)) &&
            make_keys(c, units, err) &&
            (b.cache = cache_open(o->hook, o->cache, o->no_cache, err)) != NULL;
  if (ok) look_up(&b);
  if (ok && b.ntodo > 0) {
    int lock = cache_lock(b.cache, units->key, 900, o->stop);
    look_up(&b); /* another process was faster */
    stats->compiled += b.ntodo;
    stats->loaded_whole = stats->loaded_whole && b.ntodo == 0;
    ok = b.ntodo == 0 || make(&b, err);
    cache_unlock(b.cache, units->key, lock);
  }
  stats->units += units->n;
  for (int i = 0; b.jobs != NULL && i < units->n; i++) job_free(&b.jobs[i]);
  free(b.jobs);
  free(b.todo);
  cache_close(b.cache);
  return ok;
}
