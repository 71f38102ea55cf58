/* SPDX-License-Identifier: MIT */
/* Compiling and linking units. See jit_compile.h. */
#include "runtime/cpu/jit_compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cpu/ready.h"
#include "runtime/cpu/symbols.h"
#include "runtime/cpu/threads.h"
#include "runtime/system/spawn.h"

/* ---- running the compiler -------------------------------------------------------------- */

typedef struct Args {
  const char **at;
  int n;
} Args;

/* `unit`: flags of what is compiled, NULL at the end. The user's come last and win. */
static Args args_begin(const Build *b, const char *const *unit, int more) {
  const Toolchain *t = b->tools;
  int flags = 0, own = 0;
  while (toolchain_flags()[flags] != NULL) flags++;
  while (unit[own] != NULL) own++;
  Args a = {calloc((size_t)(t->nwords + flags + own + t->nextra + more + 1), sizeof(char *)), 0};
  if (a.at == NULL) return a;
  for (int i = 0; i < t->nwords; i++) a.at[a.n++] = t->words[i];
  for (int i = 0; i < flags; i++) a.at[a.n++] = toolchain_flags()[i];
  for (int i = 0; i < own; i++) a.at[a.n++] = unit[i];
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

/* ---- units ------------------------------------------------------------------------------- */

/* Objects that the cache has are laid out; for the others *job is what makes them. */
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
    Args a = args_begin(b, jit_unit_flags(u->shared, u->brief), 8);
    ok = a.at != NULL || td_fail_memory(err);
    if (ok) {
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

/* ---- the queue --------------------------------------------------------------------------- */

/* Which functions of the prelude a kernel calls, the C compiler knows when it has compiled it: tile
 * heights follow from a processor's registers. Those that the cache has nowhere are compiled as
 * soon as an object has named them, before the kernels that are left, a few at a time, since a
 * compiler takes as long to start as for one of them. The object is kept under the name of each. */
enum { SHARED_MOST = 4 };

typedef struct Shared { /* such a function */
  struct Shared *next;
  bool found; /* in the cache, or in a unit that is made */
  char name[];
} Shared;

typedef struct Task { /* a unit that is made */
  SpawnJob job;
  int unit, nnames;
  bool started;
  char *names[SHARED_MOST]; /* of a shared one: Shared.name */
  struct Task *next;
} Task;

typedef struct Queue {
  Build *b;
  Task *tasks; /* what is started first comes first */
  Shared *shared;
  char (*digests)[DIGEST_HEX]; /* of the objects that were laid out for these; b->nexisting */
  const char *const *env;
  bool failed;
  TdError *err;
} Queue;

static bool add_task(Queue *q, int unit, char *const *names, int nnames) {
  const JitOptions *o = q->b->options;
  Task *t = calloc(1, sizeof *t);
  if (t == NULL) return td_fail_memory(q->err);
  t->job = (SpawnJob){.extra_env = q->env, .timeout = o->timeout > 0 ? o->timeout : 600};
  t->unit = unit;
  for (int i = 0; i < nnames; i++) t->names[t->nnames++] = names[i];
  bool ok = prepare_unit(q->b, unit, &t->job, q->err);
  if (!ok || t->job.argv == NULL) {
    free(t);
    return ok;
  }
  t->next = q->tasks;
  q->tasks = t;
  return true;
}

/* Names that begin with td_ are the prelude's. */
static bool add_name(void *ctx, const char *name) {
  Queue *q = ctx;
  if (strncmp(name, "td_", 3) != 0) return true;
  for (Shared *s = q->shared; s != NULL; s = s->next)
    if (strcmp(s->name, name) == 0) return true;
  const size_t room = strlen(name) + 1;
  Shared *s = malloc(sizeof *s + room);
  q->failed = s == NULL;
  if (s == NULL) return td_fail_memory(q->err);
  s->next = q->shared;
  s->found = false;
  memcpy(s->name, name, room);
  q->shared = s;
  return true;
}

/* Functions that were compiled together have the same object, which is laid out once. */
static bool lay_out_shared(Queue *q, const uint8_t *bytes, size_t n) {
  Build *b = q->b;
  char digest[DIGEST_HEX];
  if (!digest_of(bytes, n, digest)) return td_fail_memory(q->err);
  for (int i = 0; i < b->nexisting; i++)
    if (strcmp(q->digests[i], digest) == 0) return true;
  void *more = realloc(q->digests, ((size_t)b->nexisting + 1) * sizeof *q->digests);
  if (more == NULL) return td_fail_memory(q->err);
  q->digests = more;
  char *path = work_path(b, "shared", b->nexisting, "o");
  bool ok = work_write(b, path, bytes, n, q->err);
  memcpy(q->digests[b->nexisting++], digest, sizeof digest);
  free(path);
  return ok;
}

/* What was compiled with the project, if it was by the same compiler, from the same text. */
static bool take_ready(Queue *q) {
  Build *b = q->b;
  char key[DIGEST_HEX];
  b->ready = false;
  if (!b->program->shares || ready.keys[0] == NULL) return true;
  if (!jit_ready_key(b->tools, b->program->prelude, key, q->err)) return false;
  for (const char *const *k = ready.keys; *k != NULL && !b->ready; k++)
    b->ready = strcmp(*k, key) == 0;
  return !b->ready || lay_out_shared(q, ready.object, ready.n);
}

static bool share(Queue *q, char *const *names, int n) {
  q->b->stats->units++;
  return units_share(&q->b->units, names, n, q->err) && add_task(q, q->b->units.n - 1, names, n);
}

/* What an object names is found in the cache, or made. */
static bool take_names(Queue *q, const uint8_t *bytes, size_t n) {
  Build *b = q->b;
  if (!b->program->shares || b->ready) return true;
  if (!symbols_undefined(bytes, n, add_name, q))
    return q->failed
               ? false
               : td_fail(q->err, TD_NO_TOOL, "what the C compiler '%s' wrote is no ELF object",
                         b->tools->words[0]);
  char *names[SHARED_MOST], key[DIGEST_HEX];
  int missing = 0;
  bool ok = true;
  for (Shared *s = q->shared; ok && s != NULL; s = s->next) {
    uint8_t *object;
    size_t size;
    if (s->found) continue;
    s->found = true;
    ok = jit_shared_key(b->tools, b->program->prelude, s->name, key, q->err);
    if (ok && cache_get(b->cache, key, "o", &object, &size)) {
      ok = lay_out_shared(q, object, size);
      free(object);
    } else if (ok) {
      names[missing++] = s->name;
    }
    if (missing < SHARED_MOST) continue;
    ok = ok && share(q, names, missing);
    missing = 0;
  }
  return ok && (missing == 0 || share(q, names, missing));
}

/* The object of a unit is there: what it names, and for those that come after it. */
static bool take_object(Queue *q, int unit, const Task *made) {
  Build *b = q->b;
  const KernelUnit *u = &b->units.at[unit];
  const bool shared = u->shared;
  char key[DIGEST_HEX];
  size_t n;
  uint8_t *bytes = read_object(b, unit, &n, q->err);
  bool ok = bytes != NULL;
  if (ok && made != NULL && !shared) cache_put(b->cache, u->key, "o", bytes, n); /* or made again */
  for (int i = 0; ok && shared && i < made->nnames; i++) {
    ok = jit_shared_key(b->tools, b->program->prelude, made->names[i], key, q->err);
    if (ok) cache_put(b->cache, key, "o", bytes, n);
  }
  ok = ok && (shared || take_names(q, bytes, n));
  free(bytes);
  return ok;
}

static SpawnJob *next_job(void *ctx) {
  Queue *q = ctx;
  Task *t = q->tasks;
  while (t != NULL && t->started) t = t->next;
  if (t == NULL || q->failed) return NULL;
  t->started = true;
  q->b->stats->compiled++;
  return &t->job;
}

static void job_ended(void *ctx, SpawnJob *job) {
  Queue *q = ctx;
  const Task *t = (const Task *)job; /* whose first member it is */
  const KernelUnit *u = &q->b->units.at[t->unit];
  if (q->failed) return;
  if (job->code == 0 && job->started && !job->timed_out && !job->cancelled)
    q->failed = !take_object(q, t->unit, t);
  else
    q->failed = !compiler_failed(
        job, u->shared ? "the prelude" : q->b->program->kernels[u->first].name, q->err);
}

/* The longest first, so that no processor is left with one of them at the end. */
static int by_size(const void *a, const void *b) {
  const KernelUnit *x = *(const KernelUnit *const *)a, *y = *(const KernelUnit *const *)b;
  return x->n != y->n ? (x->n < y->n ? 1 : -1) : x < y ? -1 : x > y;
}

/* Tasks for the units of kernels that the cache does not have. */
static bool add_units(Queue *q) {
  Build *b = q->b;
  const int n = b->units.n;
  const KernelUnit **order = calloc((size_t)n + 1, sizeof *order);
  int *unit = calloc((size_t)n + 1, sizeof *unit);
  bool ok = (order != NULL && unit != NULL) || td_fail_memory(q->err);
  for (int i = 0; ok && i < n; i++) order[i] = &b->units.at[i];
  if (ok) qsort(order, (size_t)n, sizeof *order, by_size);
  for (int i = 0; ok && i < n; i++) unit[i] = (int)(order[i] - b->units.at);
  for (int i = n - 1; ok && i >= 0; i--) ok = add_task(q, unit[i], NULL, 0); /* to the front */
  for (int i = 0; ok && i < n; i++)
    if (b->units.at[i].cached) ok = take_object(q, i, NULL);
  free(order);
  free(unit);
  return ok;
}

static void queue_free(Queue *q) {
  for (Task *t = q->tasks, *next; t != NULL; t = next) {
    next = t->next;
    job_free(&t->job);
    free(t);
  }
  for (Shared *s = q->shared, *next; s != NULL; s = next) {
    next = s->next;
    free(s);
  }
  free(q->digests);
}

bool jit_compile(Build *b, TdError *err) {
  const JitOptions *o = b->options;
  int waiting = 0;
  StrBuf temp = {0};
  sb_printf(&temp, "TMPDIR=%s", b->work); /* so that a killed compiler leaves nothing behind */
  const char *const env[] = {"LC_ALL=C", temp.s, NULL};
  Queue q = {.b = b, .env = env, .err = err};
  units_drop_shared(&b->units); /* of a try before */
  b->nexisting = 0;
  q.failed = temp.s == NULL ? !td_fail_memory(err) : !take_ready(&q) || !add_units(&q);
  for (Task *t = q.tasks; t != NULL; t = t->next) waiting++;
  if (!q.failed && waiting > 0 && !b->noted && o->note != NULL) o->note(o->note_ctx, waiting);
  b->noted = b->noted || waiting > 0;
  const SpawnQueue queue = {next_job, job_ended, &q};
  if (!q.failed) spawn_queue(&queue, o->parallel > 0 ? o->parallel : cpu_count(), o->stop);
  for (Task *t = q.tasks; t != NULL && !q.failed; t = t->next)
    q.failed = !t->started && !td_fail(err, TD_STOPPED, "stopped while compiling kernels");
  queue_free(&q);
  sb_free(&temp);
  return !q.failed;
}

/* ---- linking ---------------------------------------------------------------------------- */

uint8_t *jit_link(Build *b, size_t *n, TdError *err) {
  Args a = args_begin(b, jit_unit_flags(false, false), b->units.n + b->nexisting + 4);
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
