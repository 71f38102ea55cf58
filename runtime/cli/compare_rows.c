/* SPDX-License-Identifier: MIT */
/* The rows of a comparison, and their means. See compare.h. */
#include <math.h>

#include "runtime/cli/compare.h"

static const RowKind kinds[COMPARE_ROWS - MEASURES] = {
    [R_LIKELIHOOD - MEASURES] = {"Likelihood", "likelihood", "of held-out text", 3, 1},
    [R_QUARTER -
        MEASURES] = {"By position: bits by the 8-gram judge", "quarter1", "first quarter", 2, 1},
    [R_QUARTER + 1 - MEASURES] = {NULL, "quarter2", "second", 2, 1},
    [R_QUARTER + 2 - MEASURES] = {NULL, "quarter3", "third", 2, 1},
    [R_QUARTER + 3 - MEASURES] = {NULL, "quarter4", "last", 2, 1},
    [R_DRIFT - MEASURES] = {NULL, "drift", "last less first", 2, 1},
    [R_CONTINUED - MEASURES] = {"After a prompt: bits by the 8-gram judge", "continued",
                                "of held-out text", 2, 1},
    [R_NOISE5 - MEASURES] = {NULL, "noise5", "with 5% noise in it", 2, 1},
    [R_NOISE10 - MEASURES] = {NULL, "noise10", "with 10%", 2, 1},
    [R_NOISE20 - MEASURES] = {NULL, "noise20", "with 20%", 2, 1},
    [R_RISE - MEASURES] = {NULL, "noise_rise", "20% less none", 2, 1},
    [R_LOST - MEASURES] = {NULL, "lost", "of noise alone: what follows first", 2, 1},
    [R_LOST_ON - MEASURES] = {NULL, "lost_on", "of noise alone: later on", 2, 1},
    [R_LEFT - MEASURES] = {"Context: symbols of a gap guessed", "gap_left",
                           "% from what stands before", 1, 100},
    [R_BOTH - MEASURES] = {NULL, "gap_both", "% from both sides", 1, 100},
    [R_GAIN - MEASURES] = {NULL, "gap_gain", "gain, points", 1, 100},
    [R_STEPS - MEASURES] = {"Cost", "evaluations", "evaluations a text", 0, 1},
    [R_ALONE - MEASURES] = {NULL, "seconds_alone", "seconds a text, alone", 3, 1},
    [R_SECONDS - MEASURES] = {NULL, "seconds", "seconds a text, together", 3, 1},
    [R_CPU_ALONE - MEASURES] = {NULL, "cpu_alone", "CPU seconds a text, alone", 3, 1},
    [R_CPU - MEASURES] = {NULL, "cpu", "CPU seconds a text, together", 3, 1},
    [R_SPEED_ALONE - MEASURES] = {NULL, "speed_alone", "characters a second, alone", 0, 1},
    [R_SPEED - MEASURES] = {NULL, "speed", "characters a second, together", 0, 1},
    [R_ROWS - MEASURES] = {NULL, "together", "texts together", 0, 1},
    [R_MEMORY_ALONE - MEASURES] = {NULL, "memory_alone", "memory, MB, alone", 1, 1},
    [R_MEMORY - MEASURES] = {NULL, "memory", "memory, MB, together", 1, 1},
    [R_PARAMETERS - MEASURES] = {NULL, "parameters", "parameters", 0, 1},
    [R_TRAIN_CPU - MEASURES] = {"Training, by the runs' logs", "train_cpu", "CPU seconds", 0, 1},
    [R_TRAIN_CHARACTERS - MEASURES] = {NULL, "train_characters", "million characters read", 2, 1},
    [R_TRAIN_BEST - MEASURES] = {NULL, "train_best", "best value validated", 3, 1},
    [R_AT_CPU - MEASURES] = {NULL, "at_cpu", "at equal CPU seconds", 3, 1},
    [R_AT_CHARACTERS - MEASURES] = {NULL, "at_characters", "at equal characters", 3, 1},
};

RowKind compare_row(int row) {
  if (row >= MEASURES) return kinds[row - MEASURES];
  const MeasureKind *m = &measure_kinds[row];
  return (RowKind){row == 0 ? "Texts" : NULL, m->name, m->heading, m->decimals, m->scale};
}

/* Seeds that have a number of their own: there is a run for each of the weights, whatever is drawn
 * besides. */
static int seeds_of(const Comparison *k, const Compared *m, int row) {
  if (row < R_TRAIN_CPU || row > R_AT_CHARACTERS) return k->seeds;
  return m->nefforts < MOST_SEEDS ? m->nefforts : MOST_SEEDS;
}

void compare_mean(const Comparison *k, const Compared *m, int row, double *mean, double *error) {
  int seeds = seeds_of(k, m, row);
  double sum = 0, squares = 0, n = seeds;
  for (int i = 0; i < seeds; i++) sum += m->value[row][i];
  *mean = seeds > 0 ? sum / n : (double)NAN;
  bool same = true; /* the mean of equal numbers need not be one of them */
  for (int i = 1; i < seeds; i++) same = same && m->value[row][i] == m->value[row][0];
  if (same && seeds > 0) *mean = m->value[row][0];
  for (int i = 0; i < seeds; i++)
    squares += (m->value[row][i] - *mean) * (m->value[row][i] - *mean);
  *error = seeds > 1 ? sqrt(squares / (n - 1) / n) : 0;
}

bool compare_empty(const Comparison *k, int row) {
  if (row == M_NEURAL && !k->judged) return true;
  for (int i = 0; i < k->n; i++) {
    double mean, error;
    compare_mean(k, &k->models[i], row, &mean, &error);
    if (!isnan(mean)) return false;
  }
  return true;
}
