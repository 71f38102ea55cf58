/* SPDX-License-Identifier: MIT */
/* The device's memory: a reserved range of addresses that never come back, so that what was
 * freed stays unreachable. A block ends at a page that nobody can reach and begins at a
 * multiple of 256 and of no more; what its pages hold besides it is a pattern that is looked
 * at after every launch. Its pages are reachable only while the driver works. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/cuda_emu/emu.h"

enum { PAGE = 4096, ALIGNED = 256, EDGE = 0xc5, MARGIN = 256 };
static const size_t range_bytes = (size_t)64 << 30;

typedef struct Block {
  uintptr_t at;
  size_t bytes;
  uintptr_t map, end; /* its pages */
} Block;
typedef struct Blocks {
  Block *of; /* by address */
  int n, room;
} Blocks;

static uintptr_t range, unused;
static Blocks alive, freed;
static size_t used;
static int opened;

static bool push(Blocks *list, Block b) {
  if (list->n == list->room) {
    int room = list->room * 2 + 64;
    Block *of = realloc(list->of, (size_t)room * sizeof *of);
    if (of == NULL) return false;
    list->of = of, list->room = room;
  }
  list->of[list->n++] = b;
  return true;
}

/* The last block that begins at or below an address; <0: none does. */
static int below(const Blocks *list, uintptr_t at) {
  int low = 0, high = list->n;
  while (low < high) {
    int middle = (low + high) / 2;
    if (list->of[middle].at <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}

bool memory_start(void) {
  if (range != 0) {
    if (shadow_on) shadow_start((void *)range, range_bytes);
    return true;
  }
  void *at = mmap(NULL, range_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) return false;
  range = unused = (uintptr_t)at;
  if (shadow_on) shadow_start(at, range_bytes);
  return true;
}

bool memory_is_device(uintptr_t at) { return range != 0 && at - range < range_bytes; }
size_t memory_used(void) { return used; }
size_t memory_total(void) { return (size_t)setting("TDC_EMU_MEMORY", (long long)16 << 30); }
int memory_blocks(void) { return alive.n; }

static void set_reach(const Block *b, bool on) {
  if (mprotect((void *)b->map, b->end - b->map, on ? PROT_READ | PROT_WRITE : PROT_NONE) != 0)
    abort();
}

void memory_open(void) {
  if (opened++ > 0) return;
  for (int i = 0; i < alive.n; i++) set_reach(&alive.of[i], true);
}

bool memory_close(void) {
  bool intact = memory_intact(NULL);
  if (--opened > 0) return intact;
  for (int i = 0; i < alive.n; i++) set_reach(&alive.of[i], false);
  return intact;
}

/* The first of these bytes that is not the edges' pattern, or NULL. */
static const unsigned char *spoilt(uintptr_t from, uintptr_t to) {
  for (const unsigned char *p = (const unsigned char *)from; p < (const unsigned char *)to; p++)
    if (*p != EDGE) return p;
  return NULL;
}

bool memory_intact(const char *kernel) {
  bool intact = true;
  for (int i = 0; i < alive.n; i++) {
    const Block *b = &alive.of[i];
    uintptr_t low = b->at - b->map > MARGIN ? b->at - MARGIN : b->map;
    const unsigned char *p = spoilt(low, b->at);
    if (p == NULL) p = spoilt(b->at + b->bytes, b->end);
    if (p == NULL) continue;
    emu_report("out of bounds", "%s%s%sbyte %lld of a block of %zu bytes was written",
               kernel != NULL ? "kernel " : "", kernel != NULL ? kernel : "",
               kernel != NULL ? ": " : "", (long long)((uintptr_t)p - b->at), b->bytes);
    memset((void *)low, EDGE, b->at - low);
    memset((void *)(b->at + b->bytes), EDGE, b->end - b->at - b->bytes);
    intact = false;
  }
  return intact;
}

/* ---- poison: what a block holds before anybody wrote ------------------------------------ */

enum { POISONED = 4 << 20, FEW_BYTES = 64 << 10 };

/* A file of POISONED bytes of it, or -1. */
static int poisoned_file(void) {
  static int file = -1;
  static bool tried;
  if (tried) return file;
  tried = true;
  file = memfd_create("tdc-emu-poison", MFD_CLOEXEC);
  uint32_t *bytes = MAP_FAILED;
  if (file >= 0 && ftruncate(file, POISONED) == 0)
    bytes = mmap(NULL, POISONED, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (bytes == MAP_FAILED) {
    if (file >= 0) close(file);
    return file = -1;
  }
  for (size_t i = 0; i < POISONED / sizeof *bytes; i++) bytes[i] = POISON;
  munmap(bytes, POISONED);
  return file;
}

static void write_poison(uintptr_t at, size_t bytes) {
  const uint32_t poison = POISON;
  for (size_t i = 0; i < bytes / 4; i++) memcpy((char *)at + 4 * i, &poison, 4);
  memcpy((char *)at + bytes / 4 * 4, &poison, bytes % 4);
}

/* The same by pages of that file, which are copied when they are written: most of a large block
 * is never touched. */
static bool map_poison(uintptr_t from, uintptr_t to) {
  int file = poisoned_file();
  for (size_t n; file >= 0 && from < to; from += n) {
    n = to - from < POISONED ? to - from : POISONED;
    if (mmap((void *)from, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file,
             0) == MAP_FAILED)
      abort();
  }
  return file >= 0;
}

static void poison(uintptr_t at, size_t bytes) {
  uintptr_t first = (at + PAGE - 1) / PAGE * PAGE, last = (at + bytes) / PAGE * PAGE;
  if (bytes < FEW_BYTES || !map_poison(first, last)) {
    write_poison(at, bytes);
    return;
  }
  write_poison(at, first - at);
  write_poison(last, at + bytes - last);
}

CUresult memory_alloc(CUdeviceptr *at, size_t bytes) {
  size_t room = (bytes + ALIGNED - 1) / ALIGNED * ALIGNED, pages = (room + PAGE - 1) / PAGE * PAGE;
  if (bytes > memory_total() || memory_total() - used < room) return CUDA_ERROR_OUT_OF_MEMORY;
  if (pages + 2 * PAGE > range + range_bytes - unused) return CUDA_ERROR_OUT_OF_MEMORY;
  Block b = {.bytes = bytes, .map = unused + PAGE, .end = unused + PAGE + pages};
  b.at = b.end - room;
  if (b.at % (2 * ALIGNED) == 0 && b.at - b.map >= ALIGNED) b.at -= ALIGNED;
  if (!push(&alive, b)) return CUDA_ERROR_OUT_OF_MEMORY;
  unused = b.end;
  used += room;
  set_reach(&b, true);
  memset((void *)b.map, EDGE, b.at - b.map);
  memset((void *)(b.at + bytes), EDGE, b.end - b.at - bytes);
  poison(b.at, bytes);
  if (opened == 0) set_reach(&b, false);
  if (shadow_on) shadow_alive(b.at, bytes, true);
  *at = b.at;
  return CUDA_SUCCESS;
}

static void forget(int i) {
  Block b = alive.of[i];
  memmove(&alive.of[i], &alive.of[i + 1], (size_t)(alive.n - i - 1) * sizeof b);
  alive.n--;
  used -= (b.bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
  if (shadow_on) shadow_alive(b.at, b.bytes, false);
  madvise((void *)b.map, b.end - b.map, MADV_DONTNEED);
  set_reach(&b, false);
  int k = freed.n; /* by address, as blocks are looked for */
  if (!push(&freed, b)) return;
  for (; k > 0 && freed.of[k - 1].at > b.at; k--) freed.of[k] = freed.of[k - 1];
  freed.of[k] = b;
}

CUresult memory_free(CUdeviceptr at) {
  int i = below(&alive, at);
  if (i >= 0 && alive.of[i].at == at) {
    forget(i);
    return CUDA_SUCCESS;
  }
  int k = below(&freed, at);
  if (k >= 0 && freed.of[k].at == at)
    emu_report("double free", "cuMemFree of a block of %zu bytes that is freed", freed.of[k].bytes);
  else
    emu_report("bad handle", "cuMemFree of %#llx, where no block begins", at);
  return CUDA_ERROR_INVALID_VALUE;
}

void memory_free_all(void) {
  while (alive.n > 0) forget(alive.n - 1);
}

bool memory_holds(CUdeviceptr at, size_t bytes, char *why, size_t room) {
  int i = below(&alive, at);
  if (i >= 0 && at - alive.of[i].at <= alive.of[i].bytes &&
      bytes <= alive.of[i].bytes - (at - alive.of[i].at))
    return true;
  if (why == NULL) return false;
  int k = below(&freed, at);
  if (!memory_is_device(at))
    snprintf(why, room, "no memory of the device");
  else if (k >= 0 && at < freed.of[k].end && (i < 0 || freed.of[k].at > alive.of[i].at))
    snprintf(why, room, "byte %llu of a freed block of %zu bytes", at - freed.of[k].at,
             freed.of[k].bytes);
  else if (i >= 0)
    snprintf(why, room, "byte %llu of a block of %zu bytes", at - alive.of[i].at,
             alive.of[i].bytes);
  else
    snprintf(why, room, "before every block");
  return false;
}

void memory_place(uintptr_t at, char *text, size_t room) {
  const Block *b = &alive.of[below(&alive, at)];
  snprintf(text, room, "byte %zu of a block of %zu bytes", (size_t)(at - b->at), b->bytes);
}

/* ---- the host's memory that the device may reach -------------------------------------- */

static Blocks pinned;

void *pinned_alloc(size_t bytes) {
  size_t pages = (bytes + PAGE - 1) / PAGE * PAGE;
  char *map = mmap(NULL, pages + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return NULL;
  mprotect(map + pages, PAGE, PROT_NONE);
  Block b = {(uintptr_t)map, bytes, (uintptr_t)map, (uintptr_t)map + pages + PAGE};
  if (!push(&pinned, b)) return NULL;
  memset(map, 0xa5, bytes);
  for (int k = pinned.n - 1; k > 0 && pinned.of[k - 1].at > b.at; k--) {
    pinned.of[k] = pinned.of[k - 1];
    pinned.of[k - 1] = b;
  }
  return map;
}

bool pinned_free(void *at) {
  int i = below(&pinned, (uintptr_t)at);
  if (i < 0 || pinned.of[i].at != (uintptr_t)at) return false;
  munmap(at, pinned.of[i].end - pinned.of[i].map);
  memmove(&pinned.of[i], &pinned.of[i + 1], (size_t)(pinned.n - i - 1) * sizeof(Block));
  pinned.n--;
  return true;
}

bool pinned_holds(const void *at, size_t bytes) {
  int i = below(&pinned, (uintptr_t)at);
  return i >= 0 && (uintptr_t)at - pinned.of[i].at <= pinned.of[i].bytes &&
         bytes <= pinned.of[i].bytes - ((uintptr_t)at - pinned.of[i].at);
}

void pinned_free_all(void) {
  while (pinned.n > 0) pinned_free((void *)pinned.of[pinned.n - 1].at);
}

int pinned_blocks(void) { return pinned.n; }
