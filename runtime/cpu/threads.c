/* SPDX-License-Identifier: MIT */
/* The thread pool. One atomic word, the ticket, holds the number of the job and
 * how many of its chunks are unclaimed; a worker claims one by compare and
 * swap. A claim that succeeds proves that the job is alive, so a worker that
 * slept through a job can neither disturb it nor hold it up. */
#define _GNU_SOURCE /* CPU_COUNT */
#include "runtime/cpu/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  SPINS = 2000,
  SPINS_A_TURN = 512,
  CHUNKS_PER_THREAD = 8,
  THREADS_MAX = 256,
  CACHE_LINE = 64
};

typedef struct Worker {
  Pool *pool;
  int id;
  pthread_t thread;
} Worker;

struct Pool {
  _Alignas(CACHE_LINE) _Atomic uint64_t ticket; /* job << 32 | unclaimed chunks */
  _Alignas(CACHE_LINE) _Atomic int64_t unfinished;
  _Alignas(CACHE_LINE) _Atomic int sleepers; /* workers that wait for a job */
  _Atomic bool waiting;                      /* the caller sleeps until the job is done */
  _Atomic bool quit;
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  int threads, started;
  /* the job; written before its ticket, read after a claim */
  PoolTask *task;
  void *ctx;
  int64_t pieces, chunks;
  Worker worker[THREADS_MAX];
};

static inline void relax(void) {
#if defined __x86_64__ || defined __i386__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

/* The i-th turn of waiting for another thread. Now and then it offers that thread the processor:
 * where both run on one, it gets it before all turns are over. Not at once, as there may be others
 * that want the processor, and most waits are a few microseconds. */
static inline void spin(int i) {
  if (i % SPINS_A_TURN == SPINS_A_TURN - 1)
    sched_yield();
  else
    relax();
}

/* Claim one chunk and run it. */
static bool pool_claim(Pool *p, int worker) {
  uint64_t t = atomic_load_explicit(&p->ticket, memory_order_relaxed);
  do {
    if ((uint32_t)t == 0) return false;
  } while (!atomic_compare_exchange_weak_explicit(&p->ticket, &t, t - 1, memory_order_acquire,
                                                  memory_order_relaxed));
  int64_t chunk = p->chunks - (int64_t)(uint32_t)t;
  int64_t begin = p->pieces * chunk / p->chunks, end = p->pieces * (chunk + 1) / p->chunks;
  p->task(p->ctx, worker, begin, end);
  if (atomic_fetch_sub(&p->unfinished, 1) == 1 && atomic_load(&p->waiting)) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
  }
  return true;
}

static void pool_sleep(Pool *p) {
  pthread_mutex_lock(&p->lock);
  atomic_fetch_add(&p->sleepers, 1);
  while ((uint32_t)atomic_load(&p->ticket) == 0 && !atomic_load(&p->quit))
    pthread_cond_wait(&p->wake, &p->lock);
  atomic_fetch_sub(&p->sleepers, 1);
  pthread_mutex_unlock(&p->lock);
}

static void *pool_work(void *arg) {
  Worker *w = arg;
  int spins = 0;
  while (!atomic_load_explicit(&w->pool->quit, memory_order_relaxed)) {
    if (pool_claim(w->pool, w->id)) {
      spins = 0;
    } else if (++spins < SPINS) {
      spin(spins);
    } else {
      pool_sleep(w->pool);
      spins = 0;
    }
  }
  return NULL;
}

Pool *pool_new(int threads, TdError *err) {
  Pool *p = aligned_alloc(CACHE_LINE, (sizeof *p + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
  if (p == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  if (threads < 1) threads = cpu_count();
  if (threads > THREADS_MAX) threads = THREADS_MAX;
  atomic_init(&p->ticket, 0);
  atomic_init(&p->unfinished, 0);
  atomic_init(&p->sleepers, 0);
  atomic_init(&p->waiting, false);
  atomic_init(&p->quit, false);
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->wake, NULL);
  pthread_cond_init(&p->done, NULL);
  p->threads = threads;
  p->started = 1;
  /* signals are the main thread's */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  for (; p->started < threads; p->started++) {
    Worker *w = &p->worker[p->started];
    *w = (Worker){.pool = p, .id = p->started};
    if (pthread_create(&w->thread, NULL, pool_work, w) != 0) break;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  p->threads = p->started; /* fewer threads do the same work */
  return p;
}

void pool_free(Pool *p) {
  if (p == NULL) return;
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->quit, true);
  pthread_cond_broadcast(&p->wake);
  pthread_mutex_unlock(&p->lock);
  for (int i = 1; i < p->started; i++) pthread_join(p->worker[i].thread, NULL);
  pthread_cond_destroy(&p->done);
  pthread_cond_destroy(&p->wake);
  pthread_mutex_destroy(&p->lock);
  free(p);
}

int pool_threads(const Pool *p) { return p->threads; }

static void pool_finish(Pool *p) {
  for (int i = 0; i < SPINS; i++) {
    if (atomic_load_explicit(&p->unfinished, memory_order_acquire) == 0) return;
    spin(i);
  }
  pthread_mutex_lock(&p->lock);
  atomic_store(&p->waiting, true);
  while (atomic_load(&p->unfinished) != 0) pthread_cond_wait(&p->done, &p->lock);
  atomic_store(&p->waiting, false);
  pthread_mutex_unlock(&p->lock);
}

void pool_run(Pool *p, PoolTask *task, void *ctx, int64_t pieces) {
  if (pieces < 1) return;
  if (p->threads == 1 || pieces == 1) {
    task(ctx, 0, 0, pieces);
    return;
  }
  int64_t most = (int64_t)p->threads * CHUNKS_PER_THREAD, chunks = pieces < most ? pieces : most;
  p->task = task;
  p->ctx = ctx;
  p->pieces = pieces;
  p->chunks = chunks;
  atomic_store(&p->unfinished, chunks);
  uint64_t job = (atomic_load_explicit(&p->ticket, memory_order_relaxed) >> 32) + 1;
  atomic_store(&p->ticket, job << 32 | (uint64_t)chunks);
  if (atomic_load(&p->sleepers) > 0) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
  }
  while (pool_claim(p, 0)) {}
  pool_finish(p);
}

/* What a container may use: quota / period of its control group, or 0. */
static int cpu_quota(void) {
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (f == NULL) return 0;
  long long quota, period;
  int n = fscanf(f, "%lld %lld", &quota, &period);
  fclose(f);
  return n == 2 && quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

int cpu_count(void) {
  cpu_set_t set;
  long n =
      sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  int quota = cpu_quota();
  if (quota > 0 && quota < n) n = quota;
  return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : (int)n;
}
