/* Compiling kernels at run time. See jit.h. */
#define _GNU_SOURCE             /* memfd_create */
#include "runtime/jit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "runtime/cache.h"
#include "runtime/spawn.h"
#include "runtime/threads.h"
#include "runtime/toolchain.h"
#include "runtime/version.h"

enum {
  UNIT_BYTES = 36000,           /* a unit is closed when its kernels' text reaches this */
  FULL_DISK = 1 << 20           /* a disk with less than this is full */
};

/* Parts are loops written out by hand: more effort finds nothing in them, and
 * takes half as long again. */
static const char *const part_flags[] = { "-O2", "-ftree-vectorize" };
enum { PART_FLAGS = sizeof part_flags / sizeof *part_flags };

/* One translation unit: kernels, or a part of the prelude. */
typedef struct JitUnit {
  int    first, end;            /* kernels; none in a part */
  char  *text;
  size_t n;
  char   key[DIGEST_HEX];
  bool   cached;                /* its object is already in the work folder */
} JitUnit;

struct Jit {
  const TdProgram *program;
  const JitOptions *options;
  Toolchain        tools;
  Cache           *cache;
  JitUnit         *units;
  int              nunits;
  char             key[DIGEST_HEX];              /* of the library */
  char            *work;                         /* folder of this build */
  void            *library;
  KernelFunction **functions;
  JitStats         stats;
};

static double jit_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- units ------------------------------------------------------------------------- */

/* A kernel without the comment above it, which names the .td line: a line that
 * moves is no reason to compile anything. */
static const char *kernel_code(const TdKernel *k) {
  const char *code = strncmp(k->source, "/*", 2) == 0 ? strstr(k->source, "*/\n") : NULL;
  return code != NULL ? code + 3 : k->source;
}

/* Where units end is decided by the kernels' own text, so that a kernel that
 * grows or appears does not shift all the units behind it. */
static bool unit_ends_after(const char *source, size_t so_far) {
  uint32_t h = 2166136261u;
  for (const char *p = source; *p != '\0'; p++) h = (h ^ (uint8_t)*p) * 16777619u;
  return so_far >= UNIT_BYTES || (so_far >= UNIT_BYTES / 2 && (h >> 7) % 4 == 0);
}

static bool unit_end(JitUnit *u, StrBuf *s, TdError *err) {
  u->text = s->s;
  u->n = s->n;
  return u->text != NULL || td_fail_memory(err);
}

static bool unit_is_part(const JitUnit *u) { return u->end == 0; }

static bool part_needed(const TdProgram *p, const char *word) {
  for (int k = 0; k < p->nkernels; k++)
    if (strstr(p->kernels[k].source, word) != NULL) return true;
  return false;
}

/* Parts come first: they take longest. Their text does not depend on the
 * program, so that the cache has them after the first one. */
static bool jit_group_parts(Jit *j, TdError *err) {
  const TdProgram *p = j->program;
  for (int i = 0; p->parts != NULL && p->parts[i] != NULL; i++) {
    if (!part_needed(p, p->parts[i])) continue;
    StrBuf s = { 0 };
    sb_printf(&s, "#define TD_PART %d\n%s", i + 1, p->prelude);
    if (!unit_end(&j->units[j->nunits++], &s, err)) return false;
  }
  return true;
}

static bool jit_group(Jit *j, TdError *err) {
  const TdProgram *p = j->program;
  int parts = 0;
  while (p->parts != NULL && p->parts[parts] != NULL) parts++;
  j->units = calloc((size_t)p->nkernels + (size_t)parts + 1, sizeof *j->units);
  if (j->units == NULL) return td_fail_memory(err);
  if (!jit_group_parts(j, err)) return false;
  for (int k = 0; k < p->nkernels;) {
    JitUnit *u = &j->units[j->nunits++];
    StrBuf s = { 0 };
    size_t size = 0;
    u->first = k;
    sb_printf(&s, "%s%s", parts > 0 ? "#define TD_PART 0\n" : "", p->prelude);
    bool ends = false;
    while (k < p->nkernels && !ends) {
      const char *source = kernel_code(&p->kernels[k++]);
      sb_printf(&s, "\n%s\n", source);
      size += strlen(source);
      ends = unit_ends_after(source, size);
    }
    u->end = k;
    if (!unit_end(u, &s, err)) return false;
  }
  return true;
}

/* ---- keys --------------------------------------------------------------------------- */

/* What every key has in common. */
static Digest *jit_key_begin(const Jit *j, const char *kind) {
  Digest *d = digest_new();
  if (d == NULL) return NULL;
  digest_add_string(d, "tdc " TDC_VERSION);
  digest_add_string(d, kind);
  digest_add_string(d, j->tools.version);
  digest_add_string(d, j->tools.cpu);
  for (int i = 0; i < j->tools.nwords; i++) digest_add_string(d, j->tools.words[i]);
  for (const char *const *f = toolchain_flags(); *f != NULL; f++) digest_add_string(d, *f);
  digest_add_string(d, "");
  for (int i = 0; i < j->tools.nextra; i++) digest_add_string(d, j->tools.extra[i]);
  return d;
}

static bool jit_make_keys(Jit *j, TdError *err) {
  for (int i = 0; i < j->nunits; i++) {
    Digest *d = jit_key_begin(j, "object");
    if (d == NULL) return td_fail_memory(err);
    for (int f = 0; unit_is_part(&j->units[i]) && f < PART_FLAGS; f++)
      digest_add_string(d, part_flags[f]);
    digest_add_string(d, j->units[i].text);
    if (!digest_end_hex(d, j->units[i].key)) return td_fail_memory(err);
  }
  Digest *d = jit_key_begin(j, "library");
  if (d == NULL) return td_fail_memory(err);
  for (int i = 0; i < j->nunits; i++) digest_add_string(d, j->units[i].key);
  return digest_end_hex(d, j->key) || td_fail_memory(err);
}

/* ---- running the compiler -------------------------------------------------------------- */

typedef struct Args { const char **at; int n; } Args;

static Args args_begin(const Jit *j, int more) {
  int flags = 0;
  while (toolchain_flags()[flags] != NULL) flags++;
  Args a = { calloc((size_t)(j->tools.nwords + flags + j->tools.nextra + more + 1), sizeof(char *)),
             0 };
  if (a.at == NULL) return a;
  for (int i = 0; i < j->tools.nwords; i++) a.at[a.n++] = j->tools.words[i];
  for (int i = 0; i < flags; i++) a.at[a.n++] = toolchain_flags()[i];
  for (int i = 0; i < j->tools.nextra; i++) a.at[a.n++] = j->tools.extra[i];
  return a;
}

static char *work_path(const Jit *j, int unit, const char *ext) {
  char name[64];
  snprintf(name, sizeof name, "unit-%d.%s", unit, ext);
  return io_join(j->work, name);
}

static bool work_write(const Jit *j, const char *path, const void *bytes, size_t n, TdError *err) {
  IoFile *f = path != NULL ? io_create(j->options->hook, path, 0600, err) : NULL;
  if (f == NULL) return path == NULL ? td_fail_memory(err) : false;
  if (io_write(f, bytes, n, err)) return io_commit_quick(f, err);
  io_abandon(f);
  return false;
}

static bool compiler_failed(const SpawnJob *job, const char *what, TdError *err) {
  const char *said = job->output.s != NULL ? job->output.s : "";
  if (job->cancelled) return td_fail(err, TD_STOPPED, "stopped while compiling kernels");
  if (job->error == ENOMEM) return td_fail_memory(err);
  if (!job->started)
    return td_fail_errno(err, TD_NO_TOOL, job->error, "cannot start the C compiler '%s'",
                         job->argv[0]);
  if (job->timed_out)
    return td_fail(err, TD_NO_TOOL, "the C compiler '%s' did not finish %s within %g seconds",
                   job->argv[0], what, job->timeout);
  return td_fail(err, TD_NO_TOOL, "the C compiler '%s' failed on %s (exit %d):\n%.3000s",
                 job->argv[0], what, job->code, said);
}

/* Objects that the cache has are laid out; the others become jobs. */
static bool jit_prepare_unit(Jit *j, int i, SpawnJob *job, TdError *err) {
  JitUnit *u = &j->units[i];
  uint8_t *bytes;
  size_t n;
  char *object = work_path(j, i, "o"), *source = work_path(j, i, "c");
  bool ok = (object != NULL && source != NULL) || td_fail_memory(err);
  if (ok && cache_get(j->cache, u->key, "o", &bytes, &n)) {
    u->cached = work_write(j, object, bytes, n, err);
    ok = u->cached;
    free(bytes);
  } else if (ok && work_write(j, source, u->text, u->n, err)) {
    Args a = args_begin(j, 5 + PART_FLAGS);
    ok = a.at != NULL || td_fail_memory(err);
    if (ok) {
      for (int f = 0; unit_is_part(u) && f < PART_FLAGS; f++) a.at[a.n++] = part_flags[f];
      a.at[a.n++] = "-c";
      a.at[a.n++] = "-o";
      a.at[a.n++] = object;
      a.at[a.n++] = source;
      job->argv = a.at;
      return true;              /* the job holds the paths now */
    }
  } else {
    ok = false;
  }
  free(object);
  free(source);
  return ok;
}

static void job_free(SpawnJob *job) {
  int n = 0;
  if (job->argv == NULL) return;
  while (job->argv[n] != NULL) n++;
  free((char *)job->argv[n - 1]);
  free((char *)job->argv[n - 2]);
  free((void *)job->argv);
  sb_free(&job->output);
}

static bool jit_compile(Jit *j, TdError *err) {
  SpawnJob *jobs = calloc((size_t)j->nunits + 1, sizeof *jobs);
  int *unit_of = calloc((size_t)j->nunits + 1, sizeof *unit_of), n = 0;
  StrBuf temp = { 0 };
  sb_printf(&temp, "TMPDIR=%s", j->work); /* so that a killed compiler leaves nothing behind */
  const char *const env[] = { "LC_ALL=C", temp.s, NULL };
  bool ok = (jobs != NULL && unit_of != NULL && temp.s != NULL) || td_fail_memory(err);
  for (int i = 0; ok && i < j->nunits; i++) {
    jobs[n] = (SpawnJob){ .extra_env = env,
                          .timeout = j->options->timeout > 0 ? j->options->timeout : 600 };
    ok = jit_prepare_unit(j, i, &jobs[n], err);
    if (jobs[n].argv != NULL) unit_of[n++] = i;
  }
  j->stats.compiled = n;
  if (ok && n > 0 && j->options->note != NULL) j->options->note(j->options->note_ctx, n);
  if (ok && !spawn_all(jobs, n, j->options->parallel > 0 ? j->options->parallel : cpu_count(),
                       j->options->stop)) {
    ok = false;
    for (int i = 0; i < n; i++)
      if (jobs[i].code != 0 || !jobs[i].started || jobs[i].timed_out || jobs[i].cancelled) {
        const JitUnit *u = &j->units[unit_of[i]];
        compiler_failed(&jobs[i], unit_is_part(u) ? "the prelude" : j->program->kernels[u->first].name,
                        err);
        break;
      }
  }
  for (int i = 0; ok && i < n; i++) {
    char *object = work_path(j, unit_of[i], "o");
    uint8_t *bytes;
    size_t size;
    ok = object != NULL && io_read_file(j->options->hook, object, SIZE_MAX / 2, &bytes, &size, err);
    if (ok) {
      cache_put(j->cache, j->units[unit_of[i]].key, "o", bytes, size);
      free(bytes);
    }
    free(object);
  }
  for (int i = 0; jobs != NULL && i < n; i++) job_free(&jobs[i]);
  free(jobs);
  free(unit_of);
  sb_free(&temp);
  return ok;
}

/* The library's bytes, malloc'ed. */
static uint8_t *jit_link(Jit *j, size_t *n, TdError *err) {
  Args a = args_begin(j, j->nunits + 4);
  char *out = io_join(j->work, "kernels.so");
  uint8_t *bytes = NULL;
  int objects = a.n;
  bool ok = (a.at != NULL && out != NULL) || td_fail_memory(err);
  if (ok) {
    a.at[a.n++] = "-shared";
    a.at[a.n++] = "-o";
    a.at[a.n++] = out;
    objects = a.n;
    for (int i = 0; i < j->nunits; i++) ok = (a.at[a.n++] = work_path(j, i, "o")) != NULL && ok;
    a.at[a.n++] = "-lm";
  }
  SpawnJob job = { .argv = a.at, .timeout = 120 };
  if (ok && !spawn_all(&job, 1, 1, j->options->stop))
    ok = compiler_failed(&job, "linking the kernels", err);
  if (ok && !io_read_file(j->options->hook, out, SIZE_MAX / 2, &bytes, n, err)) bytes = NULL;
  sb_free(&job.output);
  for (int i = objects; a.at != NULL && i < objects + j->nunits && i < a.n; i++)
    free((char *)a.at[i]);
  free(a.at);
  free(out);
  return bytes;
}

/* ---- loading ----------------------------------------------------------------------------- */

/* By way of memory, where the cache's file system does not allow to run files. */
static void *load_from_memory(const uint8_t *bytes, size_t n) {
  int fd = memfd_create("tdc-kernels", MFD_CLOEXEC);
  if (fd < 0) return NULL;
  size_t at = 0;
  while (at < n) {
    ssize_t got = write(fd, bytes + at, n - at);
    if (got <= 0) break;
    at += (size_t)got;
  }
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  void *library = at == n ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  close(fd);
  return library;
}

static bool jit_resolve(Jit *j) {
  const TdProgram *p = j->program;
  for (int i = 0; i < p->nkernels; i++) {
    void *f = dlsym(j->library, p->kernels[i].name);
    if (f == NULL) return false;
    memcpy(&j->functions[i], &f, sizeof f);
  }
  return true;
}

static bool jit_load(Jit *j, const uint8_t *bytes, size_t n, bool stored) {
  char *path = stored ? cache_path(j->cache, j->key, "so") : NULL;
  if (path != NULL) j->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  free(path);
  if (j->library == NULL) j->library = load_from_memory(bytes, n);
  if (j->library == NULL) return false;
  if (jit_resolve(j)) return true;
  dlclose(j->library);
  j->library = NULL;
  return false;
}

static bool jit_load_cached(Jit *j) {
  uint8_t *bytes;
  size_t n;
  if (!cache_get(j->cache, j->key, "so", &bytes, &n)) return false;
  bool ok = jit_load(j, bytes, n, true);
  free(bytes);
  if (!ok) cache_drop(j->cache, j->key, "so");
  return ok;
}

static bool jit_make(Jit *j, TdError *err) {
  j->work = cache_work_folder(j->cache, err);
  if (j->work == NULL || !jit_compile(j, err)) return false;
  size_t n;
  uint8_t *bytes = jit_link(j, &n, err);
  if (bytes == NULL) return false;
  bool stored = cache_put(j->cache, j->key, "so", bytes, n);
  bool ok = jit_load(j, bytes, n, stored);
  free(bytes);
  if (ok) return true;
  const char *why = dlerror();
  return td_fail(err, TD_NO_TOOL, "the compiled kernels cannot be loaded: %s",
                 why != NULL ? why : "a kernel is missing");
}

/* Is it worth trying in another folder? When somebody cleared the cache, our work
 * folder with it; when the cache cannot be written; when a compiler failed and
 * its disk is full. */
static bool jit_folder_failed(const Jit *j, const TdError *err) {
  struct statvfs disk;
  if (err->status == TD_STOPPED) return false;
  if (j->work == NULL || !io_exists(j->work) || err->status == TD_IO_FAILED) return true;
  return statvfs(j->work, &disk) == 0 && disk.f_bavail * disk.f_frsize < FULL_DISK;
}

/* Once more, in a folder that nobody else knows. */
static bool jit_make_elsewhere(Jit *j, TdError *err) {
  if (j->work != NULL) cache_remove_folder(j->work);
  cache_close(j->cache);
  free(j->work);
  j->work = NULL;
  j->cache = cache_open(j->options->hook, NULL, true, err);
  return j->cache != NULL && jit_make(j, err);
}

Jit *jit_build(const TdProgram *p, const JitOptions *o, TdError *err) {
  double start = jit_clock();
  Jit *j = calloc(1, sizeof *j);
  if (j == NULL) { td_fail_memory(err); return NULL; }
  j->program = p;
  j->options = o;
  j->functions = calloc((size_t)p->nkernels + 1, sizeof *j->functions);
  bool ok = j->functions != NULL || td_fail_memory(err);
  ok = ok && toolchain_find(&j->tools, o->stop, err) && jit_group(j, err) && jit_make_keys(j, err);
  ok = ok && (j->cache = cache_open(o->hook, o->cache, o->no_cache, err)) != NULL;
  j->stats.units = j->nunits;
  if (ok && p->nkernels > 0 && !(j->stats.loaded_whole = jit_load_cached(j))) {
    int lock = cache_lock(j->cache, j->key, 900, o->stop);
    j->stats.loaded_whole = lock >= 0 && jit_load_cached(j);      /* another process was faster */
    ok = j->stats.loaded_whole || jit_make(j, err);
    cache_unlock(j->cache, j->key, lock);
    if (!ok && jit_folder_failed(j, err)) ok = jit_make_elsewhere(j, err);
    if (j->work != NULL) cache_remove_folder(j->work);
  }
  for (int i = 0; i < j->nunits; i++) {
    free(j->units[i].text);
    j->units[i].text = NULL;
  }
  cache_close(j->cache);
  j->cache = NULL;
  j->options = NULL;
  j->stats.seconds = jit_clock() - start;
  if (ok) return j;
  jit_close(j);
  return NULL;
}

KernelFunction *jit_kernel(const Jit *j, int kernel) { return j->functions[kernel]; }
const JitStats *jit_stats(const Jit *j) { return &j->stats; }
const char *jit_compiler(const Jit *j) { return j->tools.version; }

void jit_close(Jit *j) {
  if (j == NULL) return;
  if (j->library != NULL) dlclose(j->library);
  toolchain_free(&j->tools);
  free(j->functions);
  free(j->units);
  free(j->work);
  free(j);
}
