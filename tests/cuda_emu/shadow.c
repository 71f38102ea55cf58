/* SPDX-License-Identifier: MIT */
/* Every load and store of kernels, with TDC_EMU_CHECK=1: is it within a live block, aligned,
 * of bytes that somebody wrote; and do two threads touch the same bytes, one of them
 * writing, with nothing between that orders them?
 *
 * Kernels are compiled with -fsanitize=thread, whose calls are defined here; its library is
 * not there. What orders threads: of a block, its barriers; of a warp, those and the warp's
 * (shuffles do not order memory); of a launch's blocks, only a ticket (td_ticket: what a
 * block did before it took one, as far as its barriers order that before the taker, is done
 * for who takes a later one of the same counter, and for its block from its next barrier
 * on); launches, always, since a stream is one. So an access is remembered by the interval
 * between barriers, numbered through all blocks and launches, by the number of warp barriers
 * within it, and by its thread: one word for the last write and one for the reads since, for
 * each four bytes, or for each byte where smaller accesses are met. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/cuda_emu/banks.h"
#include "tests/cuda_emu/engine.h"
#include "tests/cuda_emu/shadow.h"

bool shadow_on;

/* interval << 32 | warp barriers << 14 | thread << 3 | flags; 0: never */
typedef uint64_t Mark;
enum { LANES = 1, WARPS = 2, BLOCKS = 4, SEVERAL = 7 }; /* readers: several of a warp, ... */
enum { TICKET = 1 << 13 };                              /* the thread has its ticket */
typedef struct Cell {
  Mark write, read;
} Cell;
static const Mark split = ~(Mark)0; /* in a write: look at the bytes' cells */

/* Memory that is watched: of each word (4 bytes) a byte of state, a cell, four for its bytes. */
typedef struct Area {
  uintptr_t base;
  size_t bytes;
  uint8_t *state; /* bits 0-3: the byte may be touched; 4-7: it was written */
  Cell *cells;
  Cell (*of_bytes)[4];
} Area;
static Area global, shared;

static uint32_t interval, block_began, launch_began;
static uint32_t warp_barriers[MOST_THREADS / WARP];

/* ---- areas ------------------------------------------------------------------------------- */

static void *reserve(size_t bytes) {
  void *p =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    fprintf(stderr, "cuda_emu: no room for TDC_EMU_CHECK\n");
    abort();
  }
  return p;
}

static Area area(uintptr_t base, size_t bytes) {
  size_t words = bytes / 4 + 1;
  return (Area){base, bytes, reserve(words), reserve(words * sizeof(Cell)),
                reserve(words * sizeof(Cell[4]))};
}

void shadow_start(void *base, size_t bytes) {
  if (global.base != 0) return;
  global = area((uintptr_t)base, bytes);
  shared = area(0, SHARED_OPTIN);
}

/* Sets or clears bits of state: `low` of bytes that live, `low` << 4 of written ones. */
static void mark(uintptr_t at, size_t bytes, int bits, bool on) {
  for (size_t i = at - global.base, end = i + bytes; i < end;) {
    if (i % 4 == 0 && end - i >= 4) {
      size_t words = (end - i) / 4;
      for (size_t w = i / 4; w < i / 4 + words; w++)
        global.state[w] = (uint8_t)(on ? global.state[w] | bits : global.state[w] & ~bits);
      i += words * 4;
    } else {
      int bit = (1 << i % 4 | 16 << i % 4) & bits;
      global.state[i / 4] = (uint8_t)(on ? global.state[i / 4] | bit : global.state[i / 4] & ~bit);
      i++;
    }
  }
}

void shadow_alive(uintptr_t at, size_t bytes, bool alive) {
  mark(at, bytes, 0xff, false);
  if (alive) mark(at, bytes, 0x0f, true);
}

void shadow_written(uintptr_t at, size_t bytes) { mark(at, bytes, 0xf0, true); }

static bool byte_written(uintptr_t at) {
  size_t i = at - global.base;
  return global.state[i / 4] >> (4 + i % 4) & 1;
}

bool shadow_is_written(uintptr_t at, size_t bytes) {
  for (size_t i = 0; i < bytes; i++)
    if (!byte_written(at + i)) return false;
  return true;
}

void shadow_copied(uintptr_t to, uintptr_t from, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) mark(to + i, 1, 0xf0, byte_written(from + i));
}

/* ---- tickets ------------------------------------------------------------------------------ */

/* The blocks of this launch so far, by their first interval; the last ticket of each. */
typedef struct Run {
  uint32_t began;
  uint32_t interval; /* when it took the ticket; 0: it took none */
  int thread;
  const unsigned *counter;
} Run;
static Run *runs;
static size_t nruns, runs_room;

/* An earlier block's access, by its mark, before its ticket of a counter that the running
 * thread has a later one of? */
static bool released(Mark m) {
  const Run *mine = &runs[nruns - 1];
  uint32_t when = (uint32_t)(m >> 32);
  int thread = (int)(m >> 3 & 1023);
  if (mine->interval == 0 || !(interval > mine->interval || engine_thread() == mine->thread))
    return false;
  size_t low = 0, high = nruns;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (runs[middle].began <= when)
      low = middle;
    else
      high = middle;
  }
  const Run *his = &runs[low];
  return his->counter == mine->counter && his->interval != 0 &&
         (when < his->interval ||
          (when == his->interval && thread == his->thread && !(m & TICKET)));
}

void shadow_ticket(unsigned *counter) {
  uintptr_t at = (uintptr_t)counter;
  if (at - global.base >= global.bytes || at % 4 != 0 ||
      (global.state[(at - global.base) / 4] & 15) != 15 || !shadow_is_written(at, 4)) {
    emu_report("bad address", "a ticket of %p", (void *)counter);
    engine_fail(CUDA_ERROR_ILLEGAL_ADDRESS);
  }
  Run *run = &runs[nruns - 1];
  *run = (Run){run->began, interval, engine_thread(), counter};
}

/* ---- what runs ---------------------------------------------------------------------------- */

void shadow_launch(const Launch *l) {
  (void)l;
  launch_began = interval + 1;
  nruns = 0;
  shared.base = (uintptr_t)engine_shared;
  shared.bytes = engine_shared_size;
}

void shadow_block(long long block) {
  (void)block;
  if (banks_on) banks_barrier();
  if (nruns == runs_room) {
    runs_room = runs_room * 2 + 1024;
    runs = realloc(runs, runs_room * sizeof *runs);
    if (runs == NULL) abort();
  }
  block_began = ++interval;
  runs[nruns++] = (Run){.began = interval};
  memset(warp_barriers, 0, sizeof warp_barriers);
  memset(shared.state, 0, shared.bytes / 4 + 1);
}

void shadow_barrier(void) {
  if (banks_on) banks_barrier();
  interval++;
  memset(warp_barriers, 0, sizeof warp_barriers);
}

void shadow_warp_barrier(int warp) { warp_barriers[warp]++; }

/* ---- races -------------------------------------------------------------------------------- */

typedef struct Access {
  uintptr_t at;
  unsigned bytes;
  bool write;
  const void *pc;
  Mark mark;       /* who */
  uint32_t oldest; /* marks of earlier intervals are of another time */
} Access;

static Mark me(void) {
  int t = engine_thread();
  const Run *run = &runs[nruns - 1];
  bool ticket = run->interval == interval && run->thread == t;
  return (Mark)interval << 32 | (Mark)warp_barriers[t / WARP] << 14 | (Mark)t << 3 |
         (ticket ? TICKET : 0);
}

/* Is an access done, for the running thread, or its own? */
static inline bool ordered(Mark m, const Access *a) {
  uint32_t when = (uint32_t)(m >> 32);
  if (when < a->oldest) return true;
  if ((m ^ a->mark) >> 3 == 0 && (m & SEVERAL) == 0) return true;
  if (m & BLOCKS) return released(m);
  if (when != interval) return when >= block_began || released(m);
  if (m & WARPS) return false;
  int his = (int)(m >> 3 & 1023), mine = (int)(a->mark >> 3 & 1023);
  if (his == mine && (m & LANES) == 0) return true;
  return his / WARP == mine / WARP && (uint32_t)m >> 14 < (uint32_t)a->mark >> 14;
}

/* The reads of a cell and one more. */
static inline Mark with_read(Mark m, const Access *a) {
  uint32_t when = (uint32_t)(m >> 32);
  if (when < a->oldest) return a->mark;
  if (when != interval) {
    if (m & BLOCKS) return a->mark | BLOCKS;
    return when >= block_began || released(m) ? a->mark : a->mark | BLOCKS;
  }
  if (m & (WARPS | BLOCKS)) return m;
  int his = (int)(m >> 3 & 1023), mine = (int)(a->mark >> 3 & 1023);
  if (his / WARP != mine / WARP) return a->mark | WARPS;
  if ((uint32_t)m >> 14 != (uint32_t)a->mark >> 14) return a->mark;
  return his == mine ? m : m | LANES;
}

static void place(uintptr_t at, char *text, size_t room);

static void report_race(Mark m, bool wrote, const Access *a) {
  char where[200], who[80];
  place(a->at, where, sizeof where);
  uint32_t when = (uint32_t)(m >> 32);
  int thread = (int)(m >> 3 & 1023);
  bool here = when >= block_began && !(m & BLOCKS);
  snprintf(who, sizeof who, m & SEVERAL ? "several threads" : "thread %d", thread);
  if (emu_report("race", "%s %u bytes of %s%s, which %s%s %s%s", a->write ? "writes" : "reads",
                 a->bytes, where, shadow_line(a->pc), who, here ? "" : " of another block",
                 wrote ? "wrote" : "read", here ? " since the last barrier" : ""))
    engine_fail(CUDA_ERROR_LAUNCH_FAILED);
}

static inline void touch_cell(Cell *c, const Access *a) {
  if (!ordered(c->write, a)) report_race(c->write, true, a);
  if (a->write) {
    if (!ordered(c->read, a)) report_race(c->read, false, a);
    *c = (Cell){a->mark, 0};
  } else {
    c->read = with_read(c->read, a);
  }
}

/* Bytes of one word, as a mask. */
static void touch_bytes(Area *area, size_t word, int mask, const Access *a) {
  Cell *c = &area->cells[word], *parts = area->of_bytes[word];
  if (c->write != split) {
    for (int i = 0; i < 4; i++) parts[i] = *c;
    c->write = split;
  }
  for (int i = 0; i < 4; i++)
    if (mask >> i & 1) touch_cell(&parts[i], a);
  if (mask == 15 && a->write) *c = (Cell){a->mark, 0};
}

/* ---- loads and stores ---------------------------------------------------------------------- */

/* Which memory, in words. */
static void place(uintptr_t at, char *text, size_t room) {
  char why[160];
  if (engine_explain(at, text, room)) return;
  if (!memory_holds(at, 1, why, sizeof why))
    snprintf(text, room, "%s", why);
  else
    memory_place(at, text, room);
}

static void bad(const char *kind, const Access *a, CUresult code) {
  char where[200];
  place(a->at, where, sizeof where);
  if (emu_report(strstr(where, "freed") != NULL ? "use after free" : kind, "%s %u bytes of %s%s",
                 a->write ? "writes" : "reads", a->bytes, where, shadow_line(a->pc)))
    engine_fail(code);
}

static inline void touch_word(Area *area, size_t word, int mask, const Access *a) {
  uint8_t *state = &area->state[word];
  if (a->write)
    *state |= (uint8_t)(mask << 4);
  else if ((*state >> 4 & mask) != mask)
    bad("uninitialised", a, CUDA_ERROR_LAUNCH_FAILED);
  if (mask == 15 && area->cells[word].write != split)
    touch_cell(&area->cells[word], a);
  else
    touch_bytes(area, word, mask, a);
}

static void touch_area(Area *area, const Access *a) {
  size_t i = a->at - area->base, end = i + a->bytes;
  while (i < end) {
    unsigned first = i % 4, n = end - i < 4 - first ? (unsigned)(end - i) : 4 - first;
    int mask = ((1 << n) - 1) << first;
    if (area == &global && (area->state[i / 4] & mask) != mask)
      bad("out of bounds", a, CUDA_ERROR_ILLEGAL_ADDRESS);
    else
      touch_word(area, i / 4, mask, a);
    i += n;
  }
}

/* Constants of the module may be read; a thread's stack is its own. */
static bool is_private(const Access *a) {
  static uintptr_t constant; /* a page that holds some */
  if (engine_on_stack(a->at)) return true;
  Dl_info info;
  if (a->write) return false;
  if (a->at >> 12 == constant) return true;
  if (dladdr((const void *)a->at, &info) == 0) return false;
  constant = a->at >> 12;
  return true;
}

static void touch(uintptr_t at, unsigned bytes, bool write, bool whole, const void *pc) {
  if (!engine_runs() || engine_thread() < 0) return;
  Access a = {at, bytes, write, pc, me(), launch_began};
  if (whole && (at & (bytes - 1)) != 0) bad("misaligned", &a, CUDA_ERROR_MISALIGNED_ADDRESS);
  if (at - global.base < global.bytes) {
    touch_area(&global, &a);
  } else if (at - shared.base < shared.bytes && bytes <= shared.bytes - (at - shared.base)) {
    a.oldest = block_began;
    if (banks_on) banks_touch(pc, engine_kernel(), engine_thread(), at - shared.base, bytes);
    touch_area(&shared, &a);
  } else if (!is_private(&a)) {
    bad("out of bounds", &a, CUDA_ERROR_ILLEGAL_ADDRESS);
  }
}

void shadow_touch(uintptr_t at, unsigned bytes, bool write, const void *pc) {
  if (engine_checked()) touch(at, bytes, write, true, pc);
}

void shadow_pending(uintptr_t at, unsigned bytes) {
  if (!engine_checked()) return;
  for (size_t i = (at - shared.base) / 4, n = bytes / 4; n > 0; n--, i++) shared.state[i] &= 15;
}

/* What -fsanitize=thread calls. */
#define HERE __builtin_return_address(0)
#define OF_SIZE(n)                                                                               \
  EMU_API void __tsan_read##n(void *p);                                                          \
  EMU_API void __tsan_write##n(void *p);                                                         \
  EMU_API void __tsan_unaligned_read##n(void *p);                                                \
  EMU_API void __tsan_unaligned_write##n(void *p);                                               \
  EMU_API void __tsan_read##n(void *p) { touch((uintptr_t)p, n, false, true, HERE); }            \
  EMU_API void __tsan_write##n(void *p) { touch((uintptr_t)p, n, true, true, HERE); }            \
  EMU_API void __tsan_unaligned_read##n(void *p) { touch((uintptr_t)p, n, false, false, HERE); } \
  EMU_API void __tsan_unaligned_write##n(void *p) { touch((uintptr_t)p, n, true, false, HERE); }
OF_SIZE(1)
OF_SIZE(2)
OF_SIZE(4)
OF_SIZE(8)
OF_SIZE(16)

EMU_API void __tsan_read_range(void *p, size_t bytes);
EMU_API void __tsan_write_range(void *p, size_t bytes);
EMU_API void __tsan_func_entry(void *pc);
EMU_API void __tsan_func_exit(void);
EMU_API void __tsan_init(void);
void __tsan_read_range(void *p, size_t n) { touch((uintptr_t)p, (unsigned)n, false, false, HERE); }
void __tsan_write_range(void *p, size_t n) { touch((uintptr_t)p, (unsigned)n, true, false, HERE); }
void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void) {}
void __tsan_init(void) {}
