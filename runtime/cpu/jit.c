/* SPDX-License-Identifier: MIT */
/* Compiling kernels at run time. See jit.h. */
#define _GNU_SOURCE /* memfd_create */
#include "runtime/cpu/jit.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/cpu/jit_units.h"
#include "runtime/system/cache.h"
#include "runtime/system/spawn.h"
#include "runtime/cpu/threads.h"

enum { FULL_DISK = 1 << 20 }; /* a disk with less than this is full */

typedef struct JitLibrary {
  void *handle;
  int fd; /* of its bytes in memory; -1: a file's */
} JitLibrary;

struct Jit {
  const TdProgram *program;
  JitOptions options;
  Toolchain tools;
  JitLibrary *libraries; /* one for each call that made something */
  int nlibraries;
  bool *made;                 /* by entry */
  KernelFunction **functions; /* by kernel; NULL: not made yet */
  JitStats stats;
};

/* A library on its way. */
typedef struct Build {
  Jit *jit;
  const int *group; /* by kernel; below 0: not in it */
  KernelUnits units;
  Cache *cache;
  char *work; /* folder of this build */
} Build;

/* ---- running the compiler -------------------------------------------------------------- */

typedef struct Args {
  const char **at;
  int n;
} Args;

static Args args_begin(const Build *b, int more) {
  const Toolchain *t = &b->jit->tools;
  int flags = 0;
  while (toolchain_flags()[flags] != NULL) flags++;
  Args a = {calloc((size_t)(t->nwords + flags + t->nextra + more + 1), sizeof(char *)), 0};
  if (a.at == NULL) return a;
  for (int i = 0; i < t->nwords; i++) a.at[a.n++] = t->words[i];
  for (int i = 0; i < flags; i++) a.at[a.n++] = toolchain_flags()[i];
  for (int i = 0; i < t->nextra; i++) a.at[a.n++] = t->extra[i];
  return a;
}

static char *work_path(const Build *b, int unit, const char *ext) {
  char name[64];
  snprintf(name, sizeof name, "unit-%d.%s", unit, ext);
  return io_join(b->work, name);
}

static bool work_write(const Build *b, const char *path, const void *bytes, size_t n,
                       TdError *err) {
  IoFile *f = path != NULL ? io_create(b->jit->options.hook, path, 0600, err) : NULL;
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
static bool prepare_unit(Build *b, int i, SpawnJob *job, TdError *err) {
  KernelUnit *u = &b->units.at[i];
  uint8_t *bytes;
  size_t n;
  char *object = work_path(b, i, "o"), *source = work_path(b, i, "c");
  bool ok = (object != NULL && source != NULL) || td_fail_memory(err);
  if (ok && cache_get(b->cache, u->key, "o", &bytes, &n)) {
    u->cached = work_write(b, object, bytes, n, err);
    ok = u->cached;
    free(bytes);
  } else if (ok && work_write(b, source, u->text, u->n, err)) {
    Args a = args_begin(b, 16);
    ok = a.at != NULL || td_fail_memory(err);
    if (ok) {
      for (const char *const *f = jit_part_flags(); u->part && *f != NULL; f++) a.at[a.n++] = *f;
      a.at[a.n++] = "-c";
      a.at[a.n++] = "-o";
      a.at[a.n++] = object;
      a.at[a.n++] = source;
      job->argv = a.at;
      return true; /* the job holds the paths now */
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

static bool run_compilers(const Build *b, SpawnJob *jobs, const int *unit_of, int n, TdError *err) {
  const JitOptions *o = &b->jit->options;
  if (n > 0 && o->note != NULL) o->note(o->note_ctx, n);
  if (spawn_all(jobs, n, o->parallel > 0 ? o->parallel : cpu_count(), o->stop)) return true;
  for (int i = 0; i < n; i++) {
    if (jobs[i].code == 0 && jobs[i].started && !jobs[i].timed_out && !jobs[i].cancelled) continue;
    const KernelUnit *u = &b->units.at[unit_of[i]];
    return compiler_failed(&jobs[i],
                           u->part ? "the prelude" : b->jit->program->kernels[u->first].name, err);
  }
  return false;
}

/* Said to have done its work, has it? (While its folder is there: that may be cleared.) */
static bool wrote(const Build *b, const char *path, TdError *err) {
  if (io_exists(path) || !io_exists(b->work)) return true;
  return td_fail(err, TD_NO_TOOL,
                 "'%s' ended without an error, but wrote nothing: it is no C compiler",
                 b->jit->tools.words[0]);
}

static bool keep_objects(const Build *b, const int *unit_of, int n, TdError *err) {
  bool ok = true;
  for (int i = 0; ok && i < n; i++) {
    char *object = work_path(b, unit_of[i], "o");
    uint8_t *bytes;
    size_t size;
    ok = object != NULL ? wrote(b, object, err) : td_fail_memory(err);
    ok = ok && io_read_file(b->jit->options.hook, object, SIZE_MAX / 2, &bytes, &size, err);
    if (ok) {
      cache_put(b->cache, b->units.at[unit_of[i]].key, "o", bytes, size); /* or made again */
      free(bytes);
    }
    free(object);
  }
  return ok;
}

static bool compile(Build *b, TdError *err) {
  SpawnJob *jobs = calloc((size_t)b->units.n + 1, sizeof *jobs);
  int *unit_of = calloc((size_t)b->units.n + 1, sizeof *unit_of), n = 0;
  StrBuf temp = {0};
  sb_printf(&temp, "TMPDIR=%s", b->work); /* so that a killed compiler leaves nothing behind */
  const char *const env[] = {"LC_ALL=C", temp.s, NULL};
  double timeout = b->jit->options.timeout > 0 ? b->jit->options.timeout : 600;
  bool ok = (jobs != NULL && unit_of != NULL && temp.s != NULL) || td_fail_memory(err);
  for (int i = 0; ok && i < b->units.n; i++) {
    jobs[n] = (SpawnJob){.extra_env = env, .timeout = timeout};
    ok = prepare_unit(b, i, &jobs[n], err);
    if (jobs[n].argv != NULL) unit_of[n++] = i;
  }
  b->jit->stats.compiled += n;
  ok = ok && run_compilers(b, jobs, unit_of, n, err) && keep_objects(b, unit_of, n, err);
  for (int i = 0; jobs != NULL && i < n; i++) job_free(&jobs[i]);
  free(jobs);
  free(unit_of);
  sb_free(&temp);
  return ok;
}

/* The library's bytes, malloc'ed. */
static uint8_t *link_units(Build *b, size_t *n, TdError *err) {
  Args a = args_begin(b, b->units.n + 4);
  char *out = io_join(b->work, "kernels.so");
  uint8_t *bytes = NULL;
  int objects = a.n;
  bool ok = (a.at != NULL && out != NULL) || td_fail_memory(err);
  if (ok) {
    a.at[a.n++] = "-shared";
    a.at[a.n++] = "-o";
    a.at[a.n++] = out;
    objects = a.n;
    for (int i = 0; i < b->units.n; i++) ok = (a.at[a.n++] = work_path(b, i, "o")) != NULL && ok;
    a.at[a.n++] = "-lm";
  }
  SpawnJob job = {.argv = a.at, .timeout = 120};
  if (ok && !spawn_all(&job, 1, 1, b->jit->options.stop))
    ok = compiler_failed(&job, "linking the kernels", err);
  ok = ok && wrote(b, out, err);
  if (ok && !io_read_file(b->jit->options.hook, out, SIZE_MAX / 2, &bytes, n, err)) bytes = NULL;
  sb_free(&job.output);
  for (int i = objects; a.at != NULL && i < objects + b->units.n && i < a.n; i++)
    free((char *)a.at[i]);
  free(a.at);
  free(out);
  return bytes;
}

/* ---- loading ----------------------------------------------------------------------------- */

/* The bytes that were verified, by way of memory: a file's could be others by now. *kept is
 * to be closed when the library is, not before: the loader knows libraries by their paths. */
static void *load_from_memory(const uint8_t *bytes, size_t n, int *kept) {
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
  if (library == NULL)
    close(fd);
  else
    *kept = fd;
  return library;
}

/* All functions of the build, or none. */
static bool resolve(const Build *b, void *library) {
  const TdProgram *p = b->jit->program;
  for (int i = 0; i < p->nkernels; i++)
    if (b->group[i] >= 0 && dlsym(library, p->kernels[i].name) == NULL) return false;
  for (int i = 0; i < p->nkernels; i++) {
    if (b->group[i] < 0) continue;
    void *f = dlsym(library, p->kernels[i].name);
    memcpy(&b->jit->functions[i], &f, sizeof f);
  }
  return true;
}

static void library_close(const JitLibrary *l) {
  if (l->handle != NULL) dlclose(l->handle);
  if (l->fd >= 0) close(l->fd);
}

static bool load(Build *b, const uint8_t *bytes, size_t n, bool stored) {
  JitLibrary l = {.fd = -1};
  l.handle = load_from_memory(bytes, n, &l.fd);
  if (l.handle == NULL && stored) { /* where files in memory are not run */
    char *path = cache_path(b->cache, b->units.key, "so");
    if (path != NULL) l.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    free(path);
  }
  if (l.handle != NULL && resolve(b, l.handle)) {
    b->jit->libraries[b->jit->nlibraries++] = l;
    return true;
  }
  library_close(&l);
  return false;
}

static bool load_cached(Build *b) {
  uint8_t *bytes;
  size_t n;
  if (!cache_get(b->cache, b->units.key, "so", &bytes, &n)) return false;
  bool ok = load(b, bytes, n, true);
  free(bytes);
  if (!ok) cache_drop(b->cache, b->units.key, "so");
  return ok;
}

/* ---- a library ------------------------------------------------------------------------------ */

static bool make(Build *b, TdError *err) {
  b->work = cache_work_folder(b->cache, err);
  if (b->work == NULL || !compile(b, err)) return false;
  size_t n;
  uint8_t *bytes = link_units(b, &n, err);
  if (bytes == NULL) return false;
  bool stored = cache_put(b->cache, b->units.key, "so", bytes, n);
  bool ok = load(b, bytes, n, stored);
  free(bytes);
  if (ok) return true;
  const char *why = dlerror();
  return td_fail(err, TD_NO_TOOL, "the compiled kernels cannot be loaded: %s",
                 why != NULL ? why : "a kernel is missing");
}

/* Is it worth trying in another folder? When somebody cleared the cache, our work
 * folder with it; when the cache cannot be written; when a compiler failed and
 * its disk is full. */
static bool folder_failed(const Build *b, const TdError *err) {
  struct statvfs disk;
  if (err->status == TD_STOPPED) return false;
  if (b->work == NULL || !io_exists(b->work) || err->status == TD_IO_FAILED) return true;
  return statvfs(b->work, &disk) == 0 && disk.f_bavail * disk.f_frsize < FULL_DISK;
}

/* Once more, in a folder that nobody else knows. */
static bool make_elsewhere(Build *b, TdError *err) {
  if (b->work != NULL) cache_remove_folder(b->work);
  cache_close(b->cache);
  free(b->work);
  b->work = NULL;
  b->cache = cache_open(b->jit->options.hook, NULL, true, err);
  return b->cache != NULL && make(b, err);
}

static bool load_or_make(Build *b, TdError *err) {
  const JitOptions *o = &b->jit->options;
  if (load_cached(b)) return true;
  int lock = cache_lock(b->cache, b->units.key, 900, o->stop);
  bool found = lock >= 0 && load_cached(b); /* another process was faster */
  bool ok = found || make(b, err);
  cache_unlock(b->cache, b->units.key, lock);
  if (!found) b->jit->stats.loaded_whole = false;
  if (!ok && folder_failed(b, err)) ok = make_elsewhere(b, err);
  if (b->work != NULL) cache_remove_folder(b->work);
  return ok;
}

/* The library of all kernels with a group. */
static bool build(Jit *j, const int *group, TdError *err) {
  double start = clock_seconds();
  Build b = {.jit = j, .group = group};
  const JitOptions *o = &j->options;
  bool ok = jit_units_make(&b.units, j->program, &j->tools, group, err) &&
            (b.cache = cache_open(o->hook, o->cache, o->no_cache, err)) != NULL;
  j->stats.units += b.units.n;
  if (ok && b.units.n > 0) ok = load_or_make(&b, err);
  units_free(&b.units);
  cache_close(b.cache);
  free(b.work);
  j->stats.seconds += clock_seconds() - start;
  return ok;
}

/* ---- which kernels ---------------------------------------------------------------- */

bool jit_need(Jit *j, const int *entries, int n, TdError *err) {
  bool any = false;
  int *group = kernel_groups(j->program, j->made, entries, n, &any, err);
  bool ok = group != NULL && (!any || build(j, group, err));
  for (int i = 0; ok && i < n; i++) j->made[entries[i]] = true;
  free(group);
  return ok;
}

bool jit_has(const Jit *j, int entry) { return j->made[entry]; }

Jit *jit_open(const TdProgram *p, const JitOptions *o, TdError *err) {
  Jit *j = calloc(1, sizeof *j);
  if (j == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  j->program = p;
  j->options = *o;
  j->stats.loaded_whole = p->nkernels > 0;
  j->functions = calloc((size_t)p->nkernels + 1, sizeof *j->functions);
  j->made = calloc((size_t)p->nentries + 1, sizeof *j->made);
  j->libraries = calloc((size_t)p->nentries + 1, sizeof *j->libraries);
  bool ok =
      (j->functions != NULL && j->made != NULL && j->libraries != NULL) || td_fail_memory(err);
  if (ok && toolchain_find(&j->tools, o->stop, err)) return j;
  jit_close(j);
  return NULL;
}

Jit *jit_build(const TdProgram *p, const JitOptions *o, TdError *err) {
  Jit *j = jit_open(p, o, err);
  int *group = j != NULL ? kernel_groups_all(p, err) : NULL;
  bool ok = group != NULL && build(j, group, err);
  for (int e = 0; ok && e < p->nentries; e++) j->made[e] = true;
  free(group);
  if (ok) return j;
  jit_close(j);
  return NULL;
}

KernelFunction *jit_kernel(const Jit *j, int kernel) { return j->functions[kernel]; }
const JitStats *jit_stats(const Jit *j) { return &j->stats; }
const char *jit_compiler(const Jit *j) { return j->tools.version; }

void jit_close(Jit *j) {
  if (j == NULL) return;
  for (int i = 0; i < j->nlibraries; i++) library_close(&j->libraries[i]);
  toolchain_free(&j->tools);
  free(j->functions);
  free(j->made);
  free(j->libraries);
  free(j);
}
