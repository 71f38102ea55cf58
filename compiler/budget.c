/* SPDX-License-Identifier: MIT */
/* Which values are computed again so that a program fits into a budget.
 *
 * The measure is the plan itself: an entry is compiled with k values dropped,
 * those first that cost the least for a byte (recompute.c), and the plan says
 * what its temporaries take. More values dropped take less, nearly always, so k
 * is found by halving; where all of them together do not do, every k is tried. */
#include "compiler/budget.h"

#include <limits.h>

enum { ROUNDS = 3, NAMED = 4 };

/* One entry alone, with so many values computed again; *made: how many there were. */
static const TdEntry *trial(const Budget *b, int entry, int level, int *made) {
  Backend *be = b->begin(b->ctx);
  backend_recompute(be, level);
  backend_repeated(be, b->entries[entry].repeated);
  if (!backend_entry(be, b->entries[entry].graph, b->entries[entry].name)) return NULL;
  *made = backend_recomputed(be);
  return &backend_finish(be)->entries[0];
}

static const TdProgram *whole(const Budget *b, const int *level) {
  Backend *be = b->begin(b->ctx);
  for (int i = 0; i < b->nentries; i++) {
    backend_recompute(be, level[i]);
    backend_repeated(be, b->entries[i].repeated);
    if (!backend_entry(be, b->entries[i].graph, b->entries[i].name)) return NULL;
  }
  return backend_finish(be);
}

/* As it is allocated. */
static int64_t arena_block(const TdEntry *e) {
  size_t align;
  return (int64_t)td_block(e->arena_bytes, &align);
}

/* The entry with the fewest temporaries of all levels from 1 to n. */
static const TdEntry *least_of(const Budget *b, int entry, int n) {
  const TdEntry *least = NULL;
  for (int k = 1, made; k <= n; k++) {
    const TdEntry *e = trial(b, entry, k, &made);
    if (e && (!least || e->arena_bytes < least->arena_bytes)) least = e;
  }
  return least;
}

/* The lowest level whose temporaries fit; false, with the least there is, when none does. */
static bool fit(const Budget *b, int entry, int64_t room, int *level, const TdEntry **least) {
  int n, low = 0, made;
  *least = trial(b, entry, INT_MAX, &n);
  if (*least && arena_block(*least) > room && n > 0) *least = least_of(b, entry, n);
  if (!*least || arena_block(*least) > room) return false;
  int high = n; /* fits, or a level below it does */
  while (high - low > 1) {
    int middle = low + (high - low) / 2;
    const TdEntry *e = trial(b, entry, middle, &made);
    if (e && arena_block(e) <= room)
      high = middle;
    else
      low = middle;
  }
  for (; high > 0; high--) {
    const TdEntry *e = trial(b, entry, high, &made);
    if (e && arena_block(e) <= room) break;
  }
  *level = high;
  return high > 0;
}

static int64_t largest_arena(const TdProgram *p) {
  int64_t most = 0;
  for (int i = 0; i < p->nentries; i++)
    if (arena_block(&p->entries[i]) > most) most = arena_block(&p->entries[i]);
  return most;
}

/* Levels for all entries whose temporaries are more than `room`. */
static bool fit_all(const Budget *b, const TdProgram *p, int64_t room, int *level, Shortage *s) {
  bool fits = true;
  for (int i = 0; i < b->nentries; i++) {
    const TdEntry *least;
    if (arena_block(&p->entries[i]) <= room || fit(b, i, room, &level[i], &least)) continue;
    fits = false;
    if (least && (!s->entry || least->arena_bytes > s->entry->arena_bytes)) s->entry = least;
  }
  return fits;
}

bool budget_meet(const Budget *b, int *level, Shortage *s) {
  int64_t lacking = 0;
  *s = (Shortage){.text = b->text};
  for (int round = 0; round < ROUNDS; round++) { /* other kernels may take more scratch */
    const TdProgram *p = whole(b, level);
    size_t bytes;
    if (!p || !td_program_memory(p, b->threads, &bytes)) return false;
    int64_t all = (int64_t)bytes + b->text;
    if (all <= b->bytes) return true;
    s->fixed = all - largest_arena(p);
    lacking = round == 0 ? 0 : lacking + all - b->bytes;
    for (int i = 0; i < b->nentries; i++) level[i] = 0;
    if (round > 0) p = whole(b, level);
    if (!p || !fit_all(b, p, b->bytes - s->fixed - lacking, level, s)) break;
  }
  s->least = s->fixed + (s->entry ? arena_block(s->entry) : 0) + lacking;
  return false;
}

/* ---- in words ------------------------------------------------------------------------ */

const char *budget_text(Arena *a, int64_t bytes) {
  bool small = bytes < 10000000;
  int64_t unit = small ? 1000 : 1000000;
  return arena_printf(a, "%lld%s", (long long)(bytes / unit + (bytes % unit != 0)),
                      small ? "K" : "M");
}

/* The largest temporary that is smaller than the last one named, or as large and behind it. */
static int next_largest(const TdEntry *e, int last) {
  int best = -1;
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *x = &e->buffers[i];
    bool named = last >= 0 && (x->bytes > e->buffers[last].bytes ||
                               (x->bytes == e->buffers[last].bytes && i <= last));
    if (x->kind != TD_TEMP || named) continue;
    if (best < 0 || x->bytes > e->buffers[best].bytes) best = i;
  }
  return best;
}

const char *budget_explain(Arena *a, const Shortage *s) {
  StrBuf text = {0};
  sb_printf(&text, "states, inputs, tables, packed weights and scratch take %s",
            budget_text(a, s->fixed - s->text));
  if (s->text > 0) sb_printf(&text, ", the text %s", budget_text(a, s->text));
  if (s->entry) {
    sb_printf(&text, ", the temporaries of '%s' %s", s->entry->name,
              budget_text(a, arena_block(s->entry)));
    int last = -1;
    for (int i = 0; i < NAMED && (last = next_largest(s->entry, last)) >= 0; i++)
      sb_printf(&text, "%s%s %s", i == 0 ? "; the largest are " : ", ",
                s->entry->buffers[last].name,
                budget_text(a, (int64_t)s->entry->buffers[last].bytes));
  }
  const char *out = arena_strdup(a, text.s ? text.s : "");
  sb_free(&text);
  return out;
}
