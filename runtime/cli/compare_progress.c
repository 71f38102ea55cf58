/* SPDX-License-Identifier: MIT */
/* What a comparison is at, on stderr: a line that is drawn again on a terminal, elsewhere a line
 * for each kind of part. See compare.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare.h"

static const char *const names[COMPARE_PARTS] = {"opening it", "likelihood", "texts",
                                                 "texts from a part"};

/* Parts of one kind that were done, and what they took. */
typedef struct Spent {
  int64_t parts;
  double seconds;
} Spent;

struct CompareProgress {
  Terminal terminal;
  bool quiet, drawn;
  int models, model, part;
  int64_t each[COMPARE_PARTS]; /* parts of a model */
  double began;                /* the part that is under way */
  char shown[64];              /* what the last line told */
  Spent *spent;                /* [models, COMPARE_PARTS] */
};

CompareProgress *compare_progress_new(Terminal t, bool quiet, int models,
                                      const int64_t each[COMPARE_PARTS]) {
  CompareProgress *p = calloc(1, sizeof *p);
  if (p == NULL) return NULL;
  *p = (CompareProgress){.terminal = t, .quiet = quiet, .models = models};
  p->spent = calloc((size_t)models * COMPARE_PARTS, sizeof *p->spent);
  for (int i = 0; i < COMPARE_PARTS; i++) p->each[i] = each[i];
  if (p->spent != NULL) return p;
  free(p);
  return NULL;
}

void compare_progress_free(CompareProgress *p) {
  if (p == NULL) return;
  free(p->spent);
  free(p);
}

void compare_progress_clear(CompareProgress *p) {
  if (p->drawn) fputs("\r\033[K", p->terminal.out);
  p->drawn = false;
}

static Spent *spent_of(const CompareProgress *p, int model, int part) {
  return &p->spent[model * COMPARE_PARTS + part];
}

/* Of a model's part: as long as its others took, else as those of other models; below 0 where
 * nobody knows. */
static double seconds_each(const CompareProgress *p, int model, int part) {
  Spent sum = *spent_of(p, model, part);
  for (int i = 0; sum.parts == 0 && i < p->models; i++) sum = *spent_of(p, i, part);
  return sum.parts > 0 ? sum.seconds / (double)sum.parts : -1;
}

double compare_progress_left(const CompareProgress *p) {
  double left = 0;
  for (int m = p->model; m < p->models; m++)
    for (int part = 0; part < COMPARE_PARTS; part++) {
      double parts = (double)(p->each[part] - spent_of(p, m, part)->parts),
             each = parts > 0 ? seconds_each(p, m, part) : 0;
      if (each < 0) return -1;
      if (parts > 0) left += parts * each;
    }
  return left;
}

void compare_part_begin(CompareProgress *p, int model, const char *path, ComparePart part, int seed,
                        int seeds) {
  p->model = model;
  p->part = part;
  p->began = clock_seconds();
  char now[64], left[32];
  snprintf(now, sizeof now, "%d %d %d", model, (int)part, seed);
  bool again = strcmp(now, p->shown) == 0;
  if (p->quiet || (again && !p->terminal.live)) return;
  memcpy(p->shown, now, sizeof now);
  format_duration(left, compare_progress_left(p));
  StrBuf s = {0};
  terminal_text(&p->terminal, &s, path, strlen(path));
  if (part != PART_OPEN) sb_printf(&s, ": seed %d of %d", seed + 1, seeds);
  sb_printf(&s, ": %s", names[part]);
  if (part == PART_GIVEN && p->terminal.live)
    sb_printf(&s, " %" PRId64 "/%" PRId64, spent_of(p, model, part)->parts + 1, p->each[part]);
  if (compare_progress_left(p) >= 0) sb_printf(&s, ", %s left", left);
  fprintf(p->terminal.out, p->terminal.live ? "\r%s\033[K" : "%s\n", s.s != NULL ? s.s : "");
  fflush(p->terminal.out);
  p->drawn = p->terminal.live;
  sb_free(&s);
}

void compare_part_end(CompareProgress *p) {
  Spent *s = spent_of(p, p->model, p->part);
  s->parts++;
  s->seconds += clock_seconds() - p->began;
}
