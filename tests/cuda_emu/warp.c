/* SPDX-License-Identifier: MIT */
/* What a warp does together beside shuffles: votes, matrices from shared memory, products of
 * small matrices. And copies into shared memory that go on by themselves: what they write is
 * nothing until it is waited for. */
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/engine.h"
#include "tests/cuda_emu/fiber.h"
#include "tests/cuda_emu/shadow.h"

#define HERE __builtin_return_address(0)

/* ---- votes ---------------------------------------------------------------------------- */

/* Bit l: lane l said so. Below 0: it was asked of a part of the warp. */
unsigned emu_ballot(int here, unsigned long long site) {
  unsigned all = 0;
  Meeting m;
  if (here < 0) {
    emu_report("divergence", "a ballot of a part of a warp");
    engine_fail(CUDA_ERROR_LAUNCH_FAILED);
  }
  if (!engine_meet(&m, &all, &here, NULL, site, "at the ballot")) return all;
  for (int l = 0; l < WARP; l++)
    if (*(const int *)m.b[l] != 0) all |= 1u << l;
  for (int l = 0; l < WARP; l++) *(unsigned *)m.a[l] = all;
  engine_parted();
  return all;
}

/* ---- matrices -------------------------------------------------------------------------- */

static void check_row(const void *row, unsigned bytes, const char *what) {
  uintptr_t at = (uintptr_t)row, base = (uintptr_t)engine_shared;
  char where[160];
  if (at - base <= engine_shared_size && bytes <= engine_shared_size - (at - base)) {
    if (at % bytes == 0) return;
    emu_report("misaligned", "%s, at byte %zu of shared memory", what, (size_t)(at - base));
    engine_fail(CUDA_ERROR_MISALIGNED_ADDRESS);
  }
  if (!engine_explain(at, where, sizeof where)) strcpy(where, "no shared memory");
  emu_report("out of bounds", "%s: %s", what, where);
  engine_fail(CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* r[i] of lane l: of row l / 4 of matrix i two numbers, the 2 (l % 4)-th and the next; turned,
 * of column l / 4. */
void emu_ldmatrix(uint32_t *r, const void *row, int turned, unsigned long long site) {
  Meeting m;
  check_row(row, 16, "ldmatrix");
  if (shadow_on) shadow_touch((uintptr_t)row, 16, false, HERE);
  if (!engine_meet(&m, r, row, NULL, site, turned ? "at the turned ldmatrix" : "at the ldmatrix"))
    return;
  for (int l = 0; l < WARP; l++)
    for (int i = 0; i < 4; i++) {
      uint16_t two[2];
      const char *const *rows = (const char *const *)m.b + 8 * i;
      if (turned) {
        memcpy(&two[0], rows[2 * (l % 4)] + 2 * (l / 4), 2);
        memcpy(&two[1], rows[2 * (l % 4) + 1] + 2 * (l / 4), 2);
      } else {
        memcpy(two, rows[l / 4] + 4 * (l % 4), 4);
      }
      memcpy((uint32_t *)m.a[l] + i, two, 4);
    }
  engine_parted();
}

static double low(uint32_t u) {
  float x;
  u <<= 16;
  memcpy(&x, &u, 4);
  return (double)x;
}
static double high(uint32_t u) { return low(u >> 16); }

/* c += a b: 16 x 16 times 16 x 8, with sums in double, rounded once. */
ENTRY(emu_mma_bf16);
void BODY(emu_mma_bf16)(float *c, const uint32_t *a, const uint32_t *b, unsigned long long site);
void BODY(emu_mma_bf16)(float *c, const uint32_t *a, const uint32_t *b, unsigned long long site) {
  Meeting m;
  if (!engine_meet(&m, c, a, b, site, "at the mma")) return;
  double x[16][16], y[16][8], sum[16][8];
  for (int l = 0; l < WARP; l++) {
    const uint32_t *p = m.b[l], *q = m.c[l];
    int g = l / 4, t = 2 * (l % 4);
    for (int i = 0; i < 4; i++) { /* rows g, g + 8, g, g + 8; columns t, t, t + 8, t + 8 */
      x[g + 8 * (i % 2)][t + 8 * (i / 2)] = low(p[i]);
      x[g + 8 * (i % 2)][t + 8 * (i / 2) + 1] = high(p[i]);
    }
    for (int i = 0; i < 2; i++) {
      y[t + 8 * i][g] = low(q[i]);
      y[t + 8 * i + 1][g] = high(q[i]);
    }
    for (int i = 0; i < 4; i++)
      sum[g + 8 * (i / 2)][t + i % 2] = (double)((const float *)m.a[l])[i];
  }
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < 16; k++)
      for (int j = 0; j < 8; j++) sum[i][j] += x[i][k] * y[k][j];
  for (int l = 0; l < WARP; l++)
    for (int i = 0; i < 4; i++)
      ((float *)m.a[l])[i] = (float)sum[l / 4 + 8 * (i / 2)][2 * (l % 4) + i % 2];
  engine_parted();
}

/* ---- copies ---------------------------------------------------------------------------- */

typedef struct Copy {
  char *to;
  const char *from;
  int group;
} Copy;
typedef struct Copies {
  Copy *of;
  int n, room;
  int groups; /* closed */
} Copies;
static Copies pending[MOST_THREADS];

/* 16 bytes of the device's memory. */
void emu_copy_async(void *to, const void *from) {
  const uint32_t poison[4] = {POISON, POISON, POISON, POISON};
  Copies *mine = &pending[engine_thread()];
  check_row(to, 16, "an asynchronous copy");
  if ((uintptr_t)from % 16 != 0) {
    emu_report("misaligned", "an asynchronous copy from %p", from);
    engine_fail(CUDA_ERROR_MISALIGNED_ADDRESS);
  }
  if (shadow_on) {
    shadow_touch((uintptr_t)from, 16, false, HERE);
    shadow_touch((uintptr_t)to, 16, true, HERE);
    shadow_pending((uintptr_t)to, 16);
  }
  memcpy(to, poison, 16);
  if (mine->n == mine->room) {
    mine->room = mine->room * 2 + 16;
    mine->of = realloc(mine->of, (size_t)mine->room * sizeof *mine->of);
    if (mine->of == NULL) abort();
  }
  mine->of[mine->n++] = (Copy){to, from, mine->groups};
}

void emu_copy_commit(void) { pending[engine_thread()].groups++; }

/* Until so many closed groups, the last ones, may still be under way. */
void emu_copy_wait(int left) {
  Copies *mine = &pending[engine_thread()];
  int kept = 0;
  for (int i = 0; i < mine->n; i++) {
    Copy c = mine->of[i];
    if (c.group >= mine->groups - left) {
      mine->of[kept++] = c;
      continue;
    }
    memcpy(c.to, c.from, 16);
    if (shadow_on) shadow_touch((uintptr_t)c.to, 16, true, HERE);
  }
  mine->n = kept;
}

void warp_thread_ends(int thread) {
  Copies *mine = &pending[thread];
  if (mine->n > 0)
    if (emu_report("pending copy", "ends with %d copies that it did not wait for", mine->n))
      engine_fail(CUDA_ERROR_LAUNCH_FAILED);
  mine->n = mine->groups = 0;
}

void warp_forget(void) {
  for (int i = 0; i < MOST_THREADS; i++) pending[i].n = pending[i].groups = 0;
}
