/* SPDX-License-Identifier: MIT */
/* Bank conflicts of shared memory, with TDC_EMU_CHECK=1 and TDC_EMU_BANKS=FILE: of each place
 * in a kernel how often a warp accesses shared memory there, and in how many turns. A turn
 * serves 32 banks of four bytes, each with one word for whoever wants it; accesses of 8 bytes
 * go by half warps, of 16 by quarters. Lanes run one after another here, so the n-th access of
 * a lane at a place is taken for the same one as the others' n-th, between two barriers. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/banks.h"
#include "tests/cuda_emu/engine.h"
#include "tests/cuda_emu/shadow.h"

bool banks_on;

enum { BANKS = 32, PLACES = 256 };
static const uint32_t none = ~(uint32_t)0;

typedef struct Round { /* of a warp: where each lane reads or writes, in bytes */
  uint32_t at[WARP];
} Round;
typedef struct Rounds {
  Round *of;
  int n, room;
  int done[WARP]; /* of each lane */
} Rounds;
typedef struct Place {
  const void *pc;
  char name[160];
  unsigned bytes;
  long long accesses, turns, least; /* least: turns without conflicts */
  Rounds warps[MOST_THREADS / WARP];
} Place;
static Place *places;
static int nplaces;

static Place *place_of(const void *pc, const char *kernel, unsigned bytes) {
  for (int i = 0; i < nplaces; i++)
    if (places[i].pc == pc) return &places[i];
  if (places == NULL) places = calloc(PLACES, sizeof *places);
  if (places == NULL || nplaces == PLACES) return NULL;
  Place *p = &places[nplaces++];
  p->pc = pc;
  p->bytes = bytes;
  snprintf(p->name, sizeof p->name, "%s%s", kernel, shadow_line(pc));
  return p;
}

void banks_touch(const void *pc, const char *kernel, int thread, size_t at, unsigned bytes) {
  Place *p = place_of(pc, kernel, bytes);
  if (p == NULL) return;
  Rounds *r = &p->warps[thread / WARP];
  int k = r->done[thread % WARP]++;
  if (k >= r->room) {
    r->room = r->room * 2 + 16;
    r->of = realloc(r->of, (size_t)r->room * sizeof *r->of);
    if (r->of == NULL) abort();
  }
  for (; r->n <= k; r->n++)
    for (int l = 0; l < WARP; l++) r->of[r->n].at[l] = none;
  r->of[k].at[thread % WARP] = (uint32_t)at;
}

/* Turns that these lanes take: the most words that one bank is asked for. */
static int turns(const uint32_t *at, int lanes, unsigned bytes) {
  uint32_t words[BANKS][WARP];
  int n[BANKS] = {0}, most = 0;
  for (int l = 0; l < lanes; l++)
    for (uint32_t w = at[l] / 4; at[l] != none && w <= (at[l] + bytes - 1) / 4; w++) {
      int bank = (int)(w % BANKS), i = 0;
      while (i < n[bank] && words[bank][i] != w) i++;
      if (i == n[bank] && i < WARP) words[bank][n[bank]++] = w;
      if (n[bank] > most) most = n[bank];
    }
  return most;
}

void banks_barrier(void) {
  for (Place *p = places; p < places + nplaces; p++)
    for (Rounds *r = p->warps; r < p->warps + MOST_THREADS / WARP; r++) {
      int lanes = p->bytes >= 16 ? WARP / 4 : p->bytes == 8 ? WARP / 2 : WARP;
      for (int k = 0; k < r->n; k++) {
        p->accesses++;
        for (int l = 0; l < WARP; l += lanes) {
          int t = turns(r->of[k].at + l, lanes, p->bytes);
          p->turns += t;
          p->least += t > 0;
        }
      }
      r->n = 0;
      memset(r->done, 0, sizeof r->done);
    }
}

/* A place a line: its kernel and line; accesses of warps; turns; turns without conflicts. */
void banks_write(void) {
  const char *path = getenv("TDC_EMU_BANKS");
  FILE *f = path != NULL ? fopen(path, "a") : NULL;
  for (Place *p = places; p < places + nplaces; p++) {
    if (f != NULL)
      fprintf(f, "%s: %lld accesses, %lld turns of %lld\n", p->name, p->accesses, p->turns,
              p->least);
    for (int w = 0; w < MOST_THREADS / WARP; w++) free(p->warps[w].of);
  }
  if (f != NULL) fclose(f);
  free(places);
  places = NULL;
  nplaces = 0;
}
