/* SPDX-License-Identifier: MIT */
/* What both sides of the contract need to know about storage types. */
#include "compiler/program/program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t td_type_size(TdType t) {
  switch (t) {
  case TD_F64: return 8;
  case TD_F32:
  case TD_I32: return 4;
  case TD_BF16:
  case TD_F16: return 2;
  case TD_U8: return 1;
  }
  fprintf(stderr, "program: unknown storage type %d\n", (int)t);
  abort();
}

uint64_t td_type_exponent(TdType t) {
  switch (t) {
  case TD_F32: return 0x7f800000u;
  case TD_F64: return 0x7ff0000000000000u;
  case TD_BF16: return 0x7f80;
  case TD_F16: return 0x7c00;
  case TD_I32:
  case TD_U8: break;
  }
  return 0;
}

size_t td_block(size_t bytes, size_t *align) {
  *align = bytes >= 2 * (size_t)TD_HUGE_PAGE ? TD_HUGE_PAGE : TD_LINE;
  if (bytes > SIZE_MAX - *align) return 0;
  size_t n = (bytes + *align - 1) / *align * *align;
  return n > 0 ? n : *align;
}

/* `times` blocks of count * size bytes. */
static bool add_blocks(int64_t *sum, int64_t count, size_t size, int times) {
  size_t align, bytes, block;
  int64_t all;
  if (count < 0 || __builtin_mul_overflow(count, size, &bytes)) return false;
  block = td_block(bytes, &align);
  return block > 0 && block < INT64_MAX / 2 && !__builtin_mul_overflow(block, times, &all) &&
         !__builtin_add_overflow(*sum, all, sum);
}

bool td_program_memory(const TdProgram *p, int threads, size_t *bytes) {
  int64_t sum = 0;
  size_t arena = 0, scratch = 0;
  for (int i = 0; i < p->nstates; i++)
    if (!add_blocks(&sum, p->states[i].count, td_type_size(p->states[i].type), 1)) return false;
  for (int e = 0; e < p->nentries; e++) {
    const TdEntry *entry = &p->entries[e];
    if (entry->arena_bytes > arena) arena = entry->arena_bytes;
    for (int i = 0; i < entry->nbuffers; i++) {
      const TdBuffer *b = &entry->buffers[i];
      if (b->kind != TD_TEMP && b->kind != TD_STATE &&
          !add_blocks(&sum, b->count, td_type_size(b->type), 1))
        return false;
    }
  }
  bool products = false;
  for (int k = 0; k < p->nkernels; k++) {
    products = products || p->kernels[k].kind == TD_PRODUCT;
    if (p->kernels[k].launch.cpu.scratch > scratch) scratch = p->kernels[k].launch.cpu.scratch;
  }
  if (arena > INT64_MAX / 2 || scratch > INT64_MAX / 2) return false;
  if (products && !add_blocks(&sum, TD_PRODUCT_MEMORY, 1, 1)) return false;
  if (!add_blocks(&sum, (int64_t)arena, 1, 1) || !add_blocks(&sum, (int64_t)scratch, 1, threads))
    return false;
  *bytes = (size_t)sum;
  return true;
}

static const struct {
  const char *name;
  int split, products;
} splits[] = {{"f32", TD_SPLIT_F32, 6},
              {"fma", TD_SPLIT_FMA, 0},
              {"split6", TD_SPLIT6, 6},
              {"split3", TD_SPLIT3, 3},
              {"bf16", TD_SPLIT_BF16, 1}};
enum { SPLITS = sizeof splits / sizeof *splits };

int td_split(const char *name) {
  for (int i = 0; i < SPLITS; i++)
    if (strcmp(splits[i].name, name) == 0) return splits[i].split;
  return -1;
}

const char *td_split_name(int split) {
  int i = 0;
  while (i + 1 < SPLITS && splits[i].split != split) i++;
  return splits[i].name;
}

int td_split_products(int split) {
  int i = 0;
  while (i + 1 < SPLITS && splits[i].split != split) i++;
  return splits[i].products;
}

bool td_split_agrees_with_bf16(int split) {
  return split == TD_SPLIT_F32 || split == TD_SPLIT_BF16;
}

const char *td_step_line(const TdStep *s, int *length) {
  const char *line = s->inside != NULL ? s->inside : s->where != NULL ? s->where : "";
  *length = (int)strcspn(line, ",");
  return line;
}

bool td_program_splits(const TdProgram *p) {
  bool any = false;
  for (int k = 0; k < p->nkernels; k++) any = any || p->kernels[k].split;
  return any;
}
