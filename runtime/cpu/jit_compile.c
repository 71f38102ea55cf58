/* SPDX-License-Identifier: MIT */
/* Compiling and linking units. See jit_compile.h. */
#include "runtime/cpu/jit_compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/symbols.h"
#include "runtime/cpu/threads.h"
#include "runtime/system/spawn.h"

/* ---- running the compiler -------------------------------------------------------------- */

typedef struct Args {
  const char **at;
  int n;
} Args;

static Args args_begin(const Build *b, int more) {
  const Toolchain *t = b->tools;
  int flags = 0;
  while (toolchain_flags()[flags] != NULL) flags++;
  Args a = {calloc((size_t)(t->nwords + flags + t->nextra + more + 1), sizeof(char *)), 0};
  if (a.at == NULL) return a;
  for (int i = 0; i < t->nwords; i++) a.at[a.n++] = t->words[i];
  for (int i = 0; i < flags; i++) a.at[a.n++] = toolchain_flags()[i];
  for (int i = 0; i < t->nextra; i++) a.at[a.n++] = t->extra[i];
  return a;
}

static char *work_path(const Build *b, const char *kind, int number, const char *ext) {
  char name[64];
  snprintf(name, sizeof name, "%s-%d.%s", kind, number, ext);
  return io_join(b->work, name);
}

static bool work_write(const Build *b, const char *path, const void *bytes, size_t n,
                       TdError *err) {
  IoFile *f = path != NULL ? io_create(b->options->hook, path, 0600, err) : NULL;
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
  char *object = work_path(b, "unit", i, "o"), *source = work_path(b, "unit", i, "c");
  bool ok = (object != NULL && source != NULL) || td_fail_memory(err);
  if (ok && !u->shared && cache_get(b->cache, u->key, "o", &bytes, &n)) {
    u->cached = work_write(b, object, bytes, n, err);
    ok = u->cached;
    free(bytes);
  } else if (ok && work_write(b, source, u->text, u->n, err)) {
    Args a = args_begin(b, 16);
    ok = a.at != NULL || td_fail_memory(err);
    if (ok) {
      for (const char *const *f = jit_unit_flags(u->shared); *f != NULL; f++) a.at[a.n++] = *f;
      a.at[a.n++] = "-fno-lto"; /* symbols are looked for in what it writes */
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
  const JitOptions *o = b->options;
  if (spawn_all(jobs, n, o->parallel > 0 ? o->parallel : cpu_count(), o->stop)) return true;
  for (int i = 0; i < n; i++) {
    if (jobs[i].code == 0 && jobs[i].started && !jobs[i].timed_out && !jobs[i].cancelled) continue;
    const KernelUnit *u = &b->units.at[unit_of[i]];
    return compiler_failed(&jobs[i], u->shared ? "the prelude" : b->program->kernels[u->first].name,
                           err);
  }
  return false;
}

/* Said to have done its work, has it? (While its folder is there: that may be cleared.) */
static bool wrote(const Build *b, const char *path, TdError *err) {
  if (io_exists(path) || !io_exists(b->work)) return true;
  return td_fail(err, TD_NO_TOOL,
                 "'%s' ended without an error, but wrote nothing: it is no C compiler",
                 b->tools->words[0]);
}

/* Its bytes, malloc'ed; NULL when it cannot be read. */
static uint8_t *read_object(const Build *b, int unit, size_t *n, TdError *err) {
  char *object = work_path(b, "unit", unit, "o");
  uint8_t *bytes = NULL;
  bool ok = object != NULL ? wrote(b, object, err) : td_fail_memory(err);
  if (ok && !io_read_file(b->options->hook, object, SIZE_MAX / 2, &bytes, n, err)) bytes = NULL;
  free(object);
  return bytes;
}

/* The longest first, so that no processor is left with one of them at the end. */
static int by_size(const void *a, const void *b) {
  const KernelUnit *x = *(const KernelUnit *const *)a, *y = *(const KernelUnit *const *)b;
  return x->n != y->n ? (x->n < y->n ? 1 : -1) : x < y ? -1 : x > y;
}

/* The units from `from` on. */
static bool compile_from(Build *b, int from, TdError *err) {
  int units = b->units.n - from, n = 0;
  SpawnJob *jobs = calloc((size_t)units + 1, sizeof *jobs);
  int *unit_of = calloc((size_t)units + 1, sizeof *unit_of);
  const KernelUnit **order = calloc((size_t)units + 1, sizeof *order);
  StrBuf temp = {0};
  sb_printf(&temp, "TMPDIR=%s", b->work); /* so that a killed compiler leaves nothing behind */
  const char *const env[] = {"LC_ALL=C", temp.s, NULL};
  const JitOptions *o = b->options;
  bool ok =
      (jobs != NULL && unit_of != NULL && order != NULL && temp.s != NULL) || td_fail_memory(err);
  for (int i = 0; ok && i < units; i++) order[i] = &b->units.at[from + i];
  if (ok) qsort(order, (size_t)units, sizeof *order, by_size);
  for (int i = 0; ok && i < units; i++) {
    int unit = (int)(order[i] - b->units.at);
    jobs[n] = (SpawnJob){.extra_env = env, .timeout = o->timeout > 0 ? o->timeout : 600};
    ok = prepare_unit(b, unit, &jobs[n], err);
    if (jobs[n].argv != NULL) unit_of[n++] = unit;
  }
  if (ok && n > 0 && !b->noted && o->note != NULL) o->note(o->note_ctx, n);
  b->noted = b->noted || n > 0;
  b->stats->compiled += n;
  ok = ok && run_compilers(b, jobs, unit_of, n, err);
  for (int i = 0; ok && i < n; i++) {
    size_t size;
    uint8_t *bytes = read_object(b, unit_of[i], &size, err);
    const KernelUnit *u = &b->units.at[unit_of[i]];
    ok = bytes != NULL;
    if (ok && !u->shared) cache_put(b->cache, u->key, "o", bytes, size); /* or made again */
    free(bytes);
  }
  for (int i = 0; jobs != NULL && i < n; i++) job_free(&jobs[i]);
  free(jobs);
  free(unit_of);
  free(order);
  sb_free(&temp);
  return ok;
}

/* ---- what units share --------------------------------------------------------------------- */

/* Which functions of the prelude a kernel calls, the C compiler knows when it has compiled it: tile
 * heights follow from a processor's registers. Those that the cache has nowhere are compiled a few
 * at a time, since the prelude takes as long to read as one of them to compile; the object is
 * kept under the name of each. */
enum { SHARED_LEAST = 4 }; /* functions of a unit, if there are two of these */

typedef struct Names {
  const Build *build;
  char **at;
  int n, room;
  bool failed;
  TdError *err;
} Names;

/* Names that begin with td_ are the prelude's. */
static bool add_name(void *ctx, const char *name) {
  Names *names = ctx;
  if (strncmp(name, "td_", 3) != 0) return true;
  for (int i = 0; i < names->n; i++)
    if (strcmp(names->at[i], name) == 0) return true;
  if (names->n == names->room) {
    int room = 2 * names->room + 16;
    char **at = realloc(names->at, (size_t)room * sizeof *at);
    names->failed = at == NULL;
    if (names->failed) return td_fail_memory(names->err);
    names->at = at;
    names->room = room;
  }
  char *copy = strdup(name);
  names->failed = copy == NULL;
  if (names->failed) return td_fail_memory(names->err);
  names->at[names->n++] = copy;
  return true;
}

static bool find_names(Names *names, TdError *err) {
  const Build *b = names->build;
  bool ok = true;
  for (int i = 0; ok && i < b->units.n; i++) {
    size_t n;
    uint8_t *bytes = read_object(b, i, &n, err);
    ok = bytes != NULL;
    if (ok && !symbols_undefined(bytes, n, add_name, names))
      ok = names->failed
               ? false
               : td_fail(err, TD_NO_TOOL, "what the C compiler '%s' wrote is no ELF object",
                         b->tools->words[0]);
    free(bytes);
  }
  return ok;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lays out the objects that the cache has; the others' names come first then. Functions that
 * were compiled together have the same object. */
static bool lay_out_shared(Build *b, Names *names, int *missing, TdError *err) {
  char key[DIGEST_HEX], digest[DIGEST_HEX], (*known)[DIGEST_HEX];
  bool ok = (known = calloc((size_t)names->n + 1, sizeof *known)) != NULL || td_fail_memory(err);
  *missing = b->nexisting = 0;
  for (int i = 0; ok && i < names->n; i++) {
    uint8_t *bytes;
    size_t n;
    ok = jit_shared_key(b->program, b->tools, names->at[i], key, err);
    if (ok && cache_get(b->cache, key, "o", &bytes, &n)) {
      ok = digest_of(bytes, n, digest) || td_fail_memory(err);
      int k = 0;
      while (k < b->nexisting && strcmp(known[k], digest) != 0) k++;
      if (ok && k == b->nexisting) {
        char *path = work_path(b, "shared", k, "o");
        ok = work_write(b, path, bytes, n, err);
        memcpy(known[b->nexisting++], digest, sizeof digest);
        free(path);
      }
      free(bytes);
    } else if (ok) {
      char *name = names->at[i];
      names->at[i] = names->at[*missing];
      names->at[(*missing)++] = name;
    }
  }
  free(known);
  return ok;
}

/* Names k, k + step, ... of n, which a unit has. */
static bool keep_shared(const Build *b, int unit, const Names *names, int k, int step, int n,
                        TdError *err) {
  size_t size;
  uint8_t *bytes = read_object(b, unit, &size, err);
  bool ok = bytes != NULL;
  for (char key[DIGEST_HEX]; ok && k < n; k += step) {
    ok = jit_shared_key(b->program, b->tools, names->at[k], key, err);
    if (ok) cache_put(b->cache, key, "o", bytes, size);
  }
  free(bytes);
  return ok;
}

static bool compile_shared(Build *b, Names *names, TdError *err) {
  int missing, from = b->units.n, parallel = b->options->parallel;
  qsort(names->at, (size_t)names->n, sizeof *names->at, by_name);
  if (!lay_out_shared(b, names, &missing, err)) return false;
  if (parallel <= 0) parallel = cpu_count();
  int n = missing / SHARED_LEAST < parallel ? missing / SHARED_LEAST : parallel;
  if (n < 1 && missing > 0) n = 1;
  char **some = calloc((size_t)missing + 1, sizeof *some);
  bool ok = some != NULL || td_fail_memory(err);
  for (int k = 0; ok && k < n; k++) {
    int count = 0;
    for (int i = k; i < missing; i += n) some[count++] = names->at[i];
    ok = units_share(&b->units, b->program, some, count, err);
  }
  b->stats->units += n;
  ok = ok && compile_from(b, from, err);
  for (int k = 0; ok && k < n; k++) ok = keep_shared(b, from + k, names, k, n, missing, err);
  free(some);
  return ok;
}

bool jit_compile(Build *b, TdError *err) {
  units_drop_shared(&b->units); /* of a try before */
  if (!compile_from(b, 0, err)) return false;
  if (!b->program->shares) return true;
  Names names = {.build = b, .err = err};
  bool ok = find_names(&names, err) && compile_shared(b, &names, err);
  for (int i = 0; i < names.n; i++) free(names.at[i]);
  free(names.at);
  return ok;
}

/* ---- linking ---------------------------------------------------------------------------- */

uint8_t *jit_link(Build *b, size_t *n, TdError *err) {
  Args a = args_begin(b, b->units.n + b->nexisting + 4);
  char *out = io_join(b->work, "kernels.so");
  uint8_t *bytes = NULL;
  int objects = a.n;
  bool ok = (a.at != NULL && out != NULL) || td_fail_memory(err);
  if (ok) {
    a.at[a.n++] = "-shared";
    a.at[a.n++] = "-o";
    a.at[a.n++] = out;
    objects = a.n;
    for (int i = 0; i < b->units.n; i++)
      ok = (a.at[a.n++] = work_path(b, "unit", i, "o")) != NULL && ok;
    for (int i = 0; i < b->nexisting; i++)
      ok = (a.at[a.n++] = work_path(b, "shared", i, "o")) != NULL && ok;
    ok = ok || td_fail_memory(err);
    a.at[a.n++] = "-lm";
  }
  SpawnJob job = {.argv = a.at, .timeout = 120};
  if (ok && !spawn_all(&job, 1, 1, b->options->stop))
    ok = compiler_failed(&job, "linking the kernels", err);
  ok = ok && wrote(b, out, err);
  if (ok && !io_read_file(b->options->hook, out, SIZE_MAX / 2, &bytes, n, err)) bytes = NULL;
  sb_free(&job.output);
  for (int i = objects; i < objects + b->units.n + b->nexisting && i < a.n; i++)
    free((char *)a.at[i]);
  free(a.at);
  free(out);
  return bytes;
}
