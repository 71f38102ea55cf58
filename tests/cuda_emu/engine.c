/* SPDX-License-Identifier: MIT */
/* Blocks of threads. A thread is a call of the kernel's function; it begins as the next
 * turn of a loop on a fiber (fiber.c), and only when it has to wait for others does it keep
 * that fiber and another goes on. So a block in which nobody waits is a loop. The last lane
 * that arrives at a warp's operation carries it out, the last thread at a barrier opens it.
 * When nobody can go on and not all are done, what they wait for is told.
 *
 * Which block, warp and lane begins first, and whether threads begin before others go on,
 * is drawn from TDC_EMU_SEED. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/engine.h"
#include "tests/cuda_emu/fiber.h"

typedef enum State { BEFORE, RUNS, AT_SHUFFLE, AT_WARP_BARRIER, AT_BARRIER, DONE } State;

typedef struct Lane {
  State state;
  Fiber *fiber; /* while it waits */
  uint64_t value, result;
  int from;            /* the lane whose value it gets */
  const void *with[3]; /* what it brings to a meeting */
} Lane;

typedef struct Gathering { /* of a warp, or a block */
  int arrived;
  uint64_t site;
  int first; /* who came first */
} Gathering;

enum { ORDERS = 8 };

/* Of what every thread does at every wait: one frame on its stack. */
#define FAST inline __attribute__((always_inline))

static struct {
  const Launch *launch; /* NULL: none runs */
  long long block;
  int thread;   /* that runs; <0: none */
  Fiber *fiber; /* that it runs on */
  void *home;   /* the host's stack */
  sigjmp_buf out;
  CUresult failed;
  Lane lanes[MOST_THREADS];
  Gathering warps[MOST_THREADS / WARP], block_barrier;
  int threads, started, done; /* of the block */
  const short *order;         /* of beginning */
  bool eager;                 /* threads begin before those go on that waited */
  short ready[MOST_THREADS];
  unsigned next, nready; /* a ring */
  short orders[ORDERS][MOST_THREADS];
  int ordered; /* for so many threads */
} E = {.thread = -1};

char *engine_shared;
size_t engine_shared_size;
static char *shared_end; /* from here on nobody can */

bool engine_runs(void) { return E.launch != NULL; }
bool engine_checked(void) { return E.launch != NULL && E.launch->checked; }
const char *engine_kernel(void) { return E.launch->kernel->name; }
int engine_thread(void) { return E.thread; }
bool engine_on_stack(uintptr_t at) {
  return at - (uintptr_t)E.fiber->stack < (uintptr_t)FIBER_STACK;
}
int engine_threads(void) { return E.launch->threads; }

const char *engine_where(char *text, size_t bytes) {
  *text = '\0';
  if (E.launch == NULL) return text;
  int n = snprintf(text, bytes, "kernel %s, block %lld", E.launch->kernel->name, E.block);
  if (E.thread >= 0 && n > 0 && (size_t)n < bytes)
    snprintf(text + n, bytes - (size_t)n, ", thread %d", E.thread);
  return text;
}

/* ---- who runs next -------------------------------------------------------------- */

static void make_ready(int thread) {
  E.lanes[thread].state = RUNS;
  E.ready[(unsigned)(E.next + E.nready++) % MOST_THREADS] = (short)thread;
}

static FAST bool begins(void) { return E.started < E.threads && (E.eager || E.nready == 0); }

/* From the running fiber, whose place is saved, to whoever goes on. */
static FAST void go_on(void **save) {
  if (begins()) {
    E.fiber = fiber_take();
    fiber_switch(save, E.fiber->sp);
  } else if (E.nready > 0) {
    E.thread = E.ready[E.next];
    E.next = (unsigned)(E.next + 1) % MOST_THREADS;
    E.nready--;
    E.fiber = E.lanes[E.thread].fiber;
    fiber_switch(save, E.fiber->sp);
  } else {
    fiber_switch(save, E.home);
  }
}

void fiber_body(void) {
  for (;;) {
    while (begins()) {
      int t = E.order[E.started++];
      E.thread = t;
      E.lanes[t].state = RUNS;
      const EmuKernel *k = E.launch->kernel;
      k->call(k->function, E.launch->arguments);
      warp_thread_ends(t);
      E.lanes[t].state = DONE;
      E.done++;
      E.thread = -1;
    }
    Fiber *me = E.fiber;
    fiber_return(me);
    go_on(&me->sp);
  }
}

static FAST void wait_as(State state) {
  Lane *me = &E.lanes[E.thread];
  me->state = state;
  me->fiber = E.fiber;
  go_on(&E.fiber->sp);
}

void engine_fail(CUresult code) {
  static void *nowhere;
  E.failed = code;
  fiber_switch(&nowhere, E.home);
  abort();
}

void engine_interrupt(CUresult code) {
  E.failed = code;
  siglongjmp(E.out, 1);
}

/* ---- what threads do together: called by kernels ----------------------------------- */

static int line_of(uint64_t site) { return (int)(site & 0xffffffffu); }

static __attribute__((noinline, cold)) void elsewhere(const Gathering *g, uint64_t site,
                                                      const char *kind, const char *what) {
  if (emu_report(kind, "%s of line %d, where thread %d waits at another, of line %d", what,
                 line_of(site), g->first, line_of(g->site)))
    engine_fail(CUDA_ERROR_LAUNCH_FAILED);
}

/* True: the caller is the last. */
static FAST bool gather(Gathering *g, int all, uint64_t site, const char *kind, const char *what) {
  if (g->arrived == 0) {
    g->site = site;
    g->first = E.thread;
  } else if (g->site != site) {
    elsewhere(g, site, kind, what);
  }
  if (++g->arrived < all) return false;
  g->arrived = 0;
  return true;
}

/* The lanes of this warp but the caller. */
static void wake_warp(int first) {
  for (int i = first; i < first + WARP; i++)
    if (i != E.thread) make_ready(i);
}

static __attribute__((noinline, cold)) void no_lane(Lane *me, int own, uint64_t site) {
  if (emu_report("out of bounds", "a shuffle with lane %d, line %d", me->from, line_of(site)))
    engine_fail(CUDA_ERROR_LAUNCH_FAILED);
  me->from = own;
}

ENTRY(emu_shuffle);
unsigned long long BODY(emu_shuffle)(unsigned long long value, int lane, int exchange,
                                     unsigned long long site);
unsigned long long BODY(emu_shuffle)(unsigned long long value, int lane, int exchange,
                                     unsigned long long site) {
  unsigned t = (unsigned)E.thread, own = t % WARP, first = t - own;
  Lane *me = &E.lanes[t];
  me->value = value;
  me->from = exchange ? (int)own ^ lane : lane;
  if (me->from < 0 || me->from >= WARP) no_lane(me, (int)own, site);
  if (!gather(&E.warps[t / WARP], WARP, site, "divergence", "at the shuffle")) {
    wait_as(AT_SHUFFLE);
    return E.lanes[E.thread].result;
  }
  for (unsigned i = first; i < first + WARP; i++)
    E.lanes[i].result = E.lanes[first + (unsigned)E.lanes[i].from].value;
  wake_warp((int)first);
  return me->result;
}

bool engine_meet(Meeting *m, void *a, const void *b, const void *c, uint64_t site,
                 const char *what) {
  int me = E.thread;
  Lane *first = &E.lanes[me / WARP * WARP];
  E.lanes[me].with[0] = a, E.lanes[me].with[1] = b, E.lanes[me].with[2] = c;
  if (!gather(&E.warps[me / WARP], WARP, site, "divergence", what)) {
    wait_as(AT_SHUFFLE);
    return false;
  }
  for (int i = 0; i < WARP; i++) {
    m->a[i] = (void *)(uintptr_t)first[i].with[0];
    m->b[i] = first[i].with[1];
    m->c[i] = first[i].with[2];
  }
  return true;
}

void engine_parted(void) { wake_warp(E.thread / WARP * WARP); }

ENTRY(emu_warp_barrier);
void BODY(emu_warp_barrier)(unsigned long long site);
void BODY(emu_warp_barrier)(unsigned long long site) {
  int me = E.thread;
  if (!gather(&E.warps[me / WARP], WARP, site, "divergence", "at the warp barrier")) {
    wait_as(AT_WARP_BARRIER);
    return;
  }
  if (shadow_on) shadow_warp_barrier(me / WARP);
  wake_warp(me / WARP * WARP);
}

ENTRY(emu_barrier);
void BODY(emu_barrier)(unsigned long long site);
void BODY(emu_barrier)(unsigned long long site) {
  int me = E.thread, n = E.launch->threads;
  if (!gather(&E.block_barrier, n, site, "different barriers", "at the barrier")) {
    wait_as(AT_BARRIER);
    return;
  }
  if (shadow_on) shadow_barrier();
  for (int i = 0; i < n; i++)
    if (E.order[i] != me) make_ready(E.order[i]);
}

unsigned emu_ticket(unsigned *counter, unsigned last) {
  if (shadow_on && E.launch->checked) shadow_ticket(counter);
  unsigned old = *counter;
  *counter = old >= last ? 0 : old + 1;
  return old;
}

void emu_fence(void) {}
int emu_thread(void) { return E.thread; }
int emu_threads(void) { return E.launch->threads; }
long long emu_block(void) { return E.block % E.launch->grid_x; }
long long emu_blocks(void) { return E.launch->grid_x; }
unsigned char *emu_shared(void) { return (unsigned char *)engine_shared; }

/* ---- nobody can go on ------------------------------------------------------------------ */

static int count(State s, int from, int to, int *first) {
  int n = 0;
  for (int i = to; i-- > from;)
    if (E.lanes[i].state == s) {
      n++;
      *first = i;
    }
  return n;
}

static void report_stuck(void) {
  int n = E.launch->threads, other = 0, first = 0;
  for (int w = 0; w * WARP < n; w++) {
    Gathering *g = &E.warps[w];
    int end = w * WARP + WARP < n ? w * WARP + WARP : n;
    if (g->arrived == 0) continue;
    E.thread = g->first;
    bool shuffles = E.lanes[g->first].state == AT_SHUFFLE;
    const char *what = shuffles ? "shuffle" : "warp barrier";
    int line = line_of(g->site);
    if (count(DONE, w * WARP, end, &other) > 0)
      emu_report("early exit", "a %s of line %d waits for thread %d, which has returned", what,
                 line, other);
    else if (count(AT_BARRIER, w * WARP, end, &other) > 0)
      emu_report("divergence", "a %s of line %d waits for thread %d, which waits at a barrier",
                 what, line, other);
    else
      emu_report("divergence", "a %s of line %d in a warp of %d threads", what, line,
                 end - w * WARP);
    return;
  }
  int waiting = count(AT_BARRIER, 0, n, &first);
  if (waiting > 0 && count(DONE, 0, n, &other) > 0) {
    E.thread = first;
    emu_report("early exit",
               "%d threads at the barrier of line %d wait for thread %d and %d more, "
               "which have returned",
               waiting, line_of(E.block_barrier.site), other, E.done - 1);
    return;
  }
  E.thread = -1;
  emu_report("deadlock", "%d threads are done of %d", E.done, n);
}

/* ---- blocks --------------------------------------------------------------------------- */

static void shuffle(short *x, int n) {
  for (int i = n; i-- > 1;) {
    int k = (int)random_below((uint64_t)i + 1);
    short t = x[i];
    x[i] = x[k], x[k] = t;
  }
}

/* Orders in which n threads begin: of most, warp by warp. */
static void draw_orders(int n) {
  if (E.ordered == n) return;
  E.ordered = n;
  int warps = (n + WARP - 1) / WARP;
  for (int k = 0; k < ORDERS; k++) {
    short of_warps[MOST_THREADS / WARP], *to = E.orders[k];
    for (int w = 0; w < warps; w++) of_warps[w] = (short)w;
    shuffle(of_warps, warps);
    int at = 0;
    for (int w = 0; w < warps; w++) {
      int begin = at;
      for (int i = of_warps[w] * WARP; i < n && i < (of_warps[w] + 1) * WARP; i++)
        to[at++] = (short)i;
      shuffle(to + begin, at - begin);
    }
    if (k == 0) shuffle(to, n);
  }
}

static void poison_shared(void) {
  const uint32_t poison = POISON;
  for (size_t i = 0; i < engine_shared_size; i += 4)
    memcpy(engine_shared + i, &poison, engine_shared_size - i < 4 ? engine_shared_size - i : 4);
}

static void run_block(long long block) {
  int n = E.launch->threads;
  E.block = block;
  E.started = E.done = E.next = E.nready = 0;
  E.block_barrier.arrived = 0;
  memset(E.warps, 0, sizeof E.warps);
  for (int i = 0; i < n; i++) E.lanes[i].state = BEFORE;
  uint64_t draw = random_below(ORDERS * 4);
  E.order = E.orders[draw % ORDERS];
  E.eager = draw / ORDERS == 0;
  poison_shared();
  if (shadow_on) shadow_block(block);
  go_on(&E.home);
  E.thread = -1;
  if (E.failed == CUDA_SUCCESS && E.done < n) {
    report_stuck();
    E.failed = CUDA_ERROR_LAUNCH_FAILED;
  }
}

static long long common(long long a, long long b) { return b == 0 ? a : common(b, a % b); }

CUresult engine_run(const Launch *l) {
  if (shared_end == NULL) {
    size_t room = (SHARED_OPTIN + 4095) / 4096 * 4096;
    char *map = mmap(NULL, room + 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + 4096, room, PROT_READ | PROT_WRITE) != 0) abort();
    shared_end = map + 4096 + room;
  }
  engine_shared_size = l->shared;
  engine_shared = shared_end - (l->shared + 15) / 16 * 16;
  draw_orders(l->threads);
  E.launch = l;
  E.threads = l->threads;
  E.failed = CUDA_SUCCESS;
  if (shadow_on) shadow_launch(l);
  if (sigsetjmp(E.out, 1) == 0) {
    long long n = l->blocks, first = (long long)random_below((uint64_t)n), step;
    do step = 1 + (long long)random_below((uint64_t)n);
    while (common(n, step) != 1);
    for (long long i = 0; i < n && E.failed == CUDA_SUCCESS; i++) run_block((first + i * step) % n);
  }
  if (E.failed != CUDA_SUCCESS) {
    fiber_forget_all();
    warp_forget();
  }
  E.launch = NULL;
  E.thread = -1;
  return E.failed;
}

bool engine_explain(uintptr_t address, char *text, size_t bytes) {
  uintptr_t end = (uintptr_t)shared_end, begin = (uintptr_t)engine_shared;
  if (shared_end != NULL && address >= end - SHARED_OPTIN - 8192 && address < end + 4096) {
    snprintf(text, bytes, "shared memory, at byte %lld of %zu", (long long)(address - begin),
             engine_shared_size);
    return true;
  }
  const Fiber *f = fiber_of(address);
  if (f == NULL) return false;
  snprintf(text, bytes, "a thread's stack");
  return true;
}
