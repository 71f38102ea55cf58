/* SPDX-License-Identifier: MIT */
/* Big blocks are mappings of their own, small ones come from the heap. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "runtime/cpu/block.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "compiler/program/program.h"

/* A mapping begins at any page: one that is longer by the alignment is cut at
 * both ends. */
static char *map_aligned(size_t bytes, size_t align) {
  if (bytes > SIZE_MAX - align) return NULL;
  char *p = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  size_t before = (align - (uintptr_t)p % align) % align, after = align - before;
  if (before > 0) munmap(p, before);
  if (after > 0) munmap(p + before + bytes, after);
  madvise(p + before, bytes, MADV_HUGEPAGE);
  return p + before;
}

char *block_new(size_t bytes) {
  size_t align, n = td_block(bytes, &align);
  if (n == 0) return NULL;
  if (align > TD_LINE) return map_aligned(n, align);
  char *p = aligned_alloc(align, n);
  return p != NULL ? memset(p, 0, n) : NULL;
}

void block_clear(char *block, size_t bytes) {
  size_t align, n = td_block(bytes, &align);
  if (align == TD_LINE || madvise(block, n, MADV_DONTNEED) != 0) memset(block, 0, bytes);
}

void block_free(char *block, size_t bytes) {
  size_t align, n = td_block(bytes, &align);
  if (block == NULL) return;
  if (align > TD_LINE)
    munmap(block, n);
  else
    free(block);
}
