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

#include "runtime/cpu/jit_compile.h"

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
static bool resolve(Jit *j, const Build *b, void *library) {
  const TdProgram *p = b->program;
  for (int i = 0; i < p->nkernels; i++)
    if (b->group[i] >= 0 && dlsym(library, p->kernels[i].name) == NULL) return false;
  for (int i = 0; i < p->nkernels; i++) {
    if (b->group[i] < 0) continue;
    void *f = dlsym(library, p->kernels[i].name);
    memcpy(&j->functions[i], &f, sizeof f);
  }
  return true;
}

static void library_close(const JitLibrary *l) {
  if (l->handle != NULL) dlclose(l->handle);
  if (l->fd >= 0) close(l->fd);
}

static bool load(Jit *j, Build *b, const uint8_t *bytes, size_t n, bool stored) {
  JitLibrary l = {.fd = -1};
  l.handle = load_from_memory(bytes, n, &l.fd);
  if (l.handle == NULL && stored) { /* where files in memory are not run */
    char *path = cache_path(b->cache, b->units.key, "so");
    if (path != NULL) l.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    free(path);
  }
  if (l.handle != NULL && resolve(j, b, l.handle)) {
    j->libraries[j->nlibraries++] = l;
    return true;
  }
  library_close(&l);
  return false;
}

static bool load_cached(Jit *j, Build *b) {
  uint8_t *bytes;
  size_t n;
  if (!cache_get(b->cache, b->units.key, "so", &bytes, &n)) return false;
  bool ok = load(j, b, bytes, n, true);
  free(bytes);
  if (!ok) cache_drop(b->cache, b->units.key, "so");
  return ok;
}

/* ---- a library ------------------------------------------------------------------------------ */

static bool make(Jit *j, Build *b, TdError *err) {
  b->work = cache_work_folder(b->cache, err);
  if (b->work == NULL || !jit_compile(b, err)) return false;
  size_t n;
  uint8_t *bytes = jit_link(b, &n, err);
  if (bytes == NULL) return false;
  bool stored = cache_put(b->cache, b->units.key, "so", bytes, n);
  bool ok = load(j, b, bytes, n, stored);
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
static bool make_elsewhere(Jit *j, Build *b, TdError *err) {
  if (b->work != NULL) cache_remove_folder(b->work);
  cache_close(b->cache);
  free(b->work);
  b->work = NULL;
  b->cache = cache_open(b->options->hook, NULL, true, err);
  return b->cache != NULL && make(j, b, err);
}

static bool load_or_make(Jit *j, Build *b, TdError *err) {
  const JitOptions *o = b->options;
  if (load_cached(j, b)) return true;
  int lock = cache_lock(b->cache, b->units.key, 900, o->stop);
  bool found = lock >= 0 && load_cached(j, b); /* another process was faster */
  bool ok = found || make(j, b, err);
  cache_unlock(b->cache, b->units.key, lock);
  if (!found) b->stats->loaded_whole = false;
  if (!ok && folder_failed(b, err)) ok = make_elsewhere(j, b, err);
  if (b->work != NULL) cache_remove_folder(b->work);
  return ok;
}

/* The library of all kernels with a group. */
static bool build(Jit *j, const int *group, TdError *err) {
  double start = clock_seconds();
  const JitOptions *o = &j->options;
  Build b = {
      .program = j->program, .options = o, .tools = &j->tools, .stats = &j->stats, .group = group};
  bool ok = jit_units_make(&b.units, j->program, &j->tools, group, err) &&
            (b.cache = cache_open(o->hook, o->cache, o->no_cache, err)) != NULL;
  j->stats.units += b.units.n;
  if (ok && b.units.n > 0) ok = load_or_make(j, &b, err);
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
  any = false;
  for (int k = 0; group != NULL && k < j->program->nkernels; k++) {
    if (j->functions[k] != NULL) group[k] = -1; /* another entry's, which are made */
    any = any || group[k] >= 0;
  }
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
