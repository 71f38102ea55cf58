/* SPDX-License-Identifier: MIT */
/* See guarded.h. Each block is a mapping of its own that ends at a page nobody can ever
 * reach. What is put off lies in a queue with copies of what was uploaded. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "tests/guarded.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dsl/base.h"
#include "runtime/cpu/device.h"
#include "runtime/reference.h"

enum { PAGE = 4096 };

typedef struct Block {
  char *map, *at;
  size_t pages; /* bytes that can be unlocked */
  size_t bytes; /* asked for */
} Block;

typedef enum Kind { UPLOAD, ZERO, COPY, RUN } Kind;

typedef struct Work {
  Kind kind;
  DevicePlace to, from;
  size_t bytes;
  void *data; /* UPLOAD */
  DeviceRun run;
} Work;

typedef struct Guarded {
  Device device;
  Device *inside;
  const TdProgram *program;
  DeviceLayout layout;
  Block *blocks;
  int nblocks;
  Work *queue;
  int done, queued;
} Guarded;

static Guarded *newest;

int guarded_blocks(void) { return newest != NULL ? newest->nblocks : 0; }

char *guarded_block(int i, size_t *bytes) {
  *bytes = newest->blocks[i].bytes;
  return newest->blocks[i].at;
}

static int waits_left = -1; /* below 0: never */

void guarded_break(int waits) { waits_left = waits > 0 ? waits : -1; }

static bool still_there(TdError *err) {
  if (waits_left > 0) waits_left--;
  return waits_left != 0 || td_fail(err, TD_NO_TOOL, "the device is lost");
}

/* ---- locks ----------------------------------------------------------------------- */

static Block *block_of(const Guarded *g, const DeviceMemory *m) {
  for (int i = 0; i < g->nblocks; i++)
    if (g->blocks[i].at == (const char *)m) return &g->blocks[i];
  bug("this memory is none of the device's");
}

static void set_lock(const Block *b, bool locked) {
  if (mprotect(b->map, b->pages, locked ? PROT_NONE : PROT_READ | PROT_WRITE) != 0)
    bug("a block cannot be %s", locked ? "locked" : "unlocked");
}

/* The block of a place that so many bytes fit behind. */
static const Block *reaching(const Guarded *g, DevicePlace p, size_t bytes) {
  const Block *b = block_of(g, p.memory);
  if (p.offset > b->bytes || bytes > b->bytes - p.offset)
    bug("%zu bytes at %zu of a block of %zu", bytes, p.offset, b->bytes);
  return b;
}

/* What an entry may touch: its buffers, and the states. */
static void set_locks(const Guarded *g, int entry, bool locked) {
  const TdEntry *e = &g->program->entries[entry];
  for (int i = 0; i < g->program->nstates; i++) set_lock(block_of(g, g->layout.states[i]), locked);
  for (int i = 0; i < e->nbuffers; i++)
    set_lock(block_of(g, g->layout.buffers[entry][i].memory), locked);
}

/* ---- work ------------------------------------------------------------------------ */

typedef struct Watched {
  const Guarded *guarded;
  const DeviceRun *run;
} Watched;

/* Who watches is no part of the device. */
static void watch_launch(void *ctx, int step, bool before) {
  const Watched *w = ctx;
  set_locks(w->guarded, w->run->entry, true);
  w->run->watch->launch(w->run->watch->ctx, step, before);
  set_locks(w->guarded, w->run->entry, false);
}

static void watch_time(void *ctx, int step, double begin, double end) {
  const Watched *w = ctx;
  set_locks(w->guarded, w->run->entry, true);
  w->run->watch->time(w->run->watch->ctx, step, begin, end);
  set_locks(w->guarded, w->run->entry, false);
}

static void watch_value(void *ctx, const char *name, const TdStep *place, const double *x,
                        int64_t count) {
  const Watched *w = ctx;
  set_locks(w->guarded, w->run->entry, true);
  w->run->watch->value(w->run->watch->ctx, name, place, x, count);
  set_locks(w->guarded, w->run->entry, false);
}

static void run_now(const Guarded *g, const DeviceRun *run) {
  Watched watched = {g, run};
  const DeviceWatch *asked = run->watch;
  DeviceWatch watch = {.ctx = &watched,
                       .launch = asked != NULL && asked->launch != NULL ? watch_launch : NULL,
                       .time = asked != NULL && asked->time != NULL ? watch_time : NULL,
                       .value = asked != NULL && asked->value != NULL ? watch_value : NULL};
  DeviceRun inner = *run;
  if (asked != NULL) inner.watch = &watch;
  set_locks(g, run->entry, false);
  g->inside->does->run(g->inside, &inner);
  set_locks(g, run->entry, true);
}

static void do_work(const Guarded *g, const Work *w) {
  if (w->kind == RUN) {
    run_now(g, &w->run);
    return;
  }
  const Block *to = reaching(g, w->to, w->bytes),
              *from = w->kind == COPY ? reaching(g, w->from, w->bytes) : to;
  set_lock(to, false);
  set_lock(from, false);
  if (w->kind == UPLOAD) g->inside->does->upload(g->inside, w->to, w->data, w->bytes);
  if (w->kind == COPY) g->inside->does->copy(g->inside, w->to, w->from, w->bytes);
  if (w->kind == ZERO) memset(to->at, 0, w->bytes); /* the inner one may clear whole pages */
  set_lock(to, true);
  set_lock(from, true);
}

/* Who watches a run comes here again. */
static void catch_up(Guarded *g) {
  while (g->done < g->queued) {
    Work w = g->queue[g->done++];
    do_work(g, &w);
    free(w.data);
  }
  g->done = g->queued = 0;
}

static void put_off(Guarded *g, Work w) {
  g->queue = realloc(g->queue, ((size_t)g->queued + 1) * sizeof *g->queue);
  if (g->queue == NULL) bug("no memory for work put off");
  g->queue[g->queued++] = w;
}

/* ---- the device ------------------------------------------------------------------ */

static DeviceMemory *guarded_alloc(Device *d, size_t bytes, TdError *err) {
  Guarded *g = (Guarded *)d;
  size_t lines = bytes > 0 ? (bytes + TD_LINE - 1) / TD_LINE * TD_LINE : TD_LINE,
         pages = (lines + PAGE - 1) / PAGE * PAGE;
  Block *more = realloc(g->blocks, ((size_t)g->nblocks + 1) * sizeof *more);
  if (more != NULL) g->blocks = more;
  char *map = mmap(NULL, pages + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (more == NULL || map == MAP_FAILED) {
    td_fail_memory(err);
    return NULL;
  }
  Block b = {.map = map, .at = map + pages - lines, .pages = pages, .bytes = bytes};
  g->blocks[g->nblocks++] = b;
  return (DeviceMemory *)b.at;
}

static void guarded_free(Device *d, DeviceMemory *m, size_t bytes) {
  Guarded *g = (Guarded *)d;
  catch_up(g);
  Block *b = block_of(g, m);
  if (b->bytes != bytes) bug("a block of %zu bytes is freed as one of %zu", b->bytes, bytes);
  munmap(b->map, b->pages + PAGE);
  *b = g->blocks[--g->nblocks];
}

static void guarded_upload(Device *d, DevicePlace to, const void *from, size_t bytes) {
  void *data = malloc(bytes + 1);
  if (data == NULL) bug("no memory for work put off");
  if (bytes > 0) memcpy(data, from, bytes);
  put_off((Guarded *)d, (Work){.kind = UPLOAD, .to = to, .bytes = bytes, .data = data});
}

static bool guarded_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err) {
  Guarded *g = (Guarded *)d;
  catch_up(g);
  if (!still_there(err)) return false;
  const Block *b = reaching(g, from, bytes);
  set_lock(b, false);
  bool ok = g->inside->does->download(g->inside, to, from, bytes, err);
  set_lock(b, true);
  return ok;
}

static void guarded_zero(Device *d, DeviceMemory *m, size_t bytes) {
  Guarded *g = (Guarded *)d;
  if (block_of(g, m)->bytes != bytes) bug("a part of a block is set to zero");
  put_off(g, (Work){.kind = ZERO, .to = {m, 0}, .bytes = bytes});
}

static void guarded_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes) {
  put_off((Guarded *)d, (Work){.kind = COPY, .to = to, .from = from, .bytes = bytes});
}

static bool guarded_prepare(Device *d, const DeviceLayout *at, const int *entries, int n,
                            TdError *err) {
  Guarded *g = (Guarded *)d;
  g->layout = *at;
  return g->inside->does->prepare(g->inside, at, entries, n, err);
}

static void guarded_run(Device *d, const DeviceRun *r) {
  Guarded *g = (Guarded *)d;
  put_off(g, (Work){.kind = RUN, .run = *r});
  if (r->watch != NULL) catch_up(g);
}

static bool guarded_finite(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err) {
  Guarded *g = (Guarded *)d;
  catch_up(g);
  if (!still_there(err)) return false;
  for (int i = 0; i < n; i++)
    set_lock(reaching(g, all[i].at, (size_t)all[i].count * td_type_size(all[i].type)), false);
  bool ok = g->inside->does->finite(g->inside, all, n, good, err);
  for (int i = 0; i < n; i++) set_lock(block_of(g, all[i].at.memory), true);
  return ok;
}

static void guarded_run_series(Device *d, const DeviceSeries *s) {
  device_run_each(d, &((Guarded *)d)->layout, s);
}

static bool guarded_sync(Device *d, TdError *err) {
  Guarded *g = (Guarded *)d;
  catch_up(g);
  return still_there(err) && g->inside->does->sync(g->inside, err);
}

static void guarded_close(Device *d) {
  Guarded *g = (Guarded *)d;
  if (g->nblocks > 0) bug("%d blocks of the device were never freed", g->nblocks);
  g->inside->does->close(g->inside);
  if (newest == g) newest = NULL;
  free(g->blocks);
  free(g->queue);
  free(g);
}

static const DeviceInterface guarded_does = {
    .name = "guarded",
    .behind = true,
    .alloc = guarded_alloc,
    .free = guarded_free,
    .upload = guarded_upload,
    .download = guarded_download,
    .zero = guarded_zero,
    .copy = guarded_copy,
    .prepare = guarded_prepare,
    .run = guarded_run,
    .run_series = guarded_run_series,
    .finite = guarded_finite,
    .sync = guarded_sync,
    .close = guarded_close,
};

static Device *guard(Device *inside, const TdProgram *p, TdError *err) {
  if (inside == NULL) return NULL;
  Guarded *g = calloc(1, sizeof *g);
  if (g == NULL) {
    td_fail_memory(err);
    inside->does->close(inside);
    return NULL;
  }
  *g = (Guarded){.device = {&guarded_does}, .inside = inside, .program = p};
  newest = g;
  return &g->device;
}

/* ---- in place of the devices: the linker's --wrap ------------------------------------ */

Device *__real_cpu_device(const TdProgram *p, Jit *jit, Pool *pool, TdError *err);
Device *__wrap_cpu_device(const TdProgram *p, Jit *jit, Pool *pool, TdError *err);
Device *__real_reference_device(const Unit *u, TdError *err);
Device *__wrap_reference_device(const Unit *u, TdError *err);

Device *__wrap_cpu_device(const TdProgram *p, Jit *jit, Pool *pool, TdError *err) {
  return guard(__real_cpu_device(p, jit, pool, err), p, err);
}

Device *__wrap_reference_device(const Unit *u, TdError *err) {
  return guard(__real_reference_device(u, err), u->program, err);
}
