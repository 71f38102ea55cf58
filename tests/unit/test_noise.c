/* SPDX-License-Identifier: MIT */
/* The samplers `forward` of models/: they turn a text to the noise that the model's loss makes.
 * How much of it is left after each turn is worked out here, from the schedules as the files'
 * headers have them; no network is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/sample.h"
#include "tests/model.h"

enum { ROWS = 16, WINDOW = 128, TURNS = 5, GIVEN = 100 };
static const char verse[] = "tests/models/verse.txt";

typedef struct Seen {
  int64_t frames, rows, window, symbols;
  const int32_t *text;         /* [GIVEN] */
  double same[TURNS + 1];      /* shares of the places that are given: as the text has them, */
  double none[TURNS + 1];      /* no symbol */
  int hidden[TURNS + 1][ROWS]; /* places that are none, row by row */
  int32_t ids[TURNS + 1][ROWS * WINDOW];
} Seen;

static bool look(void *ctx, const SampleFrame *f) {
  Seen *s = ctx;
  assert_true(f->done == s->frames && f->count == TURNS);
  assert_true(f->batch == ROWS && f->window == WINDOW);
  memcpy(s->ids[f->done], f->ids, sizeof s->ids[0]);
  for (int row = 0; row < ROWS; row++)
    for (int i = 0; i < GIVEN; i++) {
      int32_t id = f->ids[row * WINDOW + i];
      s->same[f->done] += (id == s->text[i]) / (double)(ROWS * GIVEN);
      s->none[f->done] += (id >= s->symbols) / (double)(ROWS * GIVEN);
      s->hidden[f->done][row] += id >= s->symbols;
    }
  s->frames++;
  return true;
}

/* A hundred symbols of the text through five turns of a model's noise; to be freed. */
static Seen *turned(const char *name, int64_t *symbols) {
  char path[64];
  static int32_t text[GIVEN];
  static const Define size[] = {{"B", "16"}, {"L", "128"}};
  static const TdSetting few = {"steps", "5"};
  const UnitOptions more = {
      .no_train = true, .no_eval = true, .no_models = true, .only_sampler = "forward"};
  Model m;
  Running r = {0};
  TdError err = {0};
  snprintf(path, sizeof path, "models/%s.td", name);
  assert_true(model_open(&m, path, size, 2, verse, 0, &more));
  assert_true(running_evaluated(&r, &m));
  const Dataset *d = data_store_find(m.data, "text");
  dataset_read(d, 0, GIVEN, text);
  Seen *s = calloc(1, sizeof *s);
  s->text = text;
  *symbols = s->symbols = d->vocabulary.size;
  SampleRequest request = {.sampler = unit_sampler(m.unit, "forward"),
                           .vocabulary = &d->vocabulary,
                           .settings = &few,
                           .nsettings = 1,
                           .fed = "clean",
                           .symbols = text,
                           .nsymbols = GIVEN,
                           .start = true,
                           .seed = 3};
  if (!sample_run(r.session, &request, true, look, s, &err)) fail_msg("%s: %s", path, err.message);
  assert_int_equal(s->frames, TURNS + 1);
  assert_true(s->same[0] > 0.999999);
  running_close(&r);
  model_close(&m);
  return s;
}

/* Within five standard errors of a share of that many places. */
static void near_share(const char *name, int turn, double have, double want) {
  double slack = 5 * sqrt(want * (1 - want) / (ROWS * GIVEN)) + 1e-9;
  if (fabs(have - want) > slack)
    fail_msg("%s: after turn %d %g of the places, not %g +- %g", name, turn, have, want, slack);
}

/* ---- schedules ------------------------------------------------------------------------------ */

/* From -1, the text itself, to the last time in five turns, even ones: 25.6, 51.2, ... further. */
static const int times[TURNS + 1] = {-1, 25, 50, 76, 101, 127};

/* gauss.td, bits.td: r is `middle` times the tangent of even angles. */
static double angled(double most, double middle, int t) {
  double from = atan(most / middle), to = atan(0.1 / middle);
  return middle * tan(from + (to - from) * t / 127);
}

/* shakespeare.td: the root of abar / (1 - abar), beta from 1e-4 to .02. */
static double articles(int t) {
  double abar = 1;
  for (int s = 0; s <= t; s++) abar *= 1 - (1e-4 + (0.02 - 1e-4) * s / 127);
  return sqrt(abar / (1 - abar));
}

/* flow.td: 256 turns at most from .14 to .98, of which are taken -1, 50, 101, 153, 204 and 255. */
static double straight(int turn) {
  static const int at[TURNS + 1] = {-1, 50, 101, 153, 204, 255};
  double t = 0.14 + (0.98 - 0.14) * at[turn] / 255;
  return (1 - t) / t;
}

static double below(double z) { return 0.5 * erfc(-z / sqrt(2)); }

/* A coordinate of r and n - 1 of 0, each with a standard normal draw added: the chance that the
 * first is the largest. */
static double largest(double r, int64_t n) {
  enum { POINTS = 4000 };
  double sum = 0;
  for (int i = 0; i < POINTS; i++) {
    double z = -8 + 16 * (i + 0.5) / POINTS;
    sum += exp(-z * z / 2) / sqrt(2 * acos(-1)) * pow(below(z + r), (double)n - 1) * 16 / POINTS;
  }
  return sum;
}

/* ---- kinds of noise -------------------------------------------------------------------------- */

static void test_gaussian(void **state) {
  (void)state;
  static const char *const names[] = {"gauss", "shakespeare", "shakespeare_repaired",
                                      "shakespeare_unet", "flow"};
  for (int k = 0; k < 5; k++) {
    int64_t n;
    Seen *s = turned(names[k], &n);
    for (int turn = 1; turn <= TURNS; turn++) {
      double r = k == 0   ? angled(6, 1.8, times[turn])
                 : k == 4 ? straight(turn)
                          : articles(times[turn]);
      near_share(names[k], turn, s->same[turn], largest(r, n));
      assert_true(s->none[turn] == 0);
    }
    free(s);
  }
}

static double chance(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return ((double)(*seed >> 11) + 0.5) / 9007199254740992.0;
}

/* Seven coordinates of -r and r, a standard normal draw added to each: how often is a symbol of
 * the text still the nearest? Draws of this test's own, two hundred a place. */
static double nearest(double r, const int32_t *text, int64_t n) {
  enum { DRAWS = 200 };
  uint64_t seed = 9;
  int hits = 0;
  for (int i = 0; i < GIVEN * DRAWS; i++) {
    double x[7], best = -INFINITY;
    int32_t found = -1, is = text[i % GIVEN];
    for (int j = 0; j < 7; j++)
      x[j] = (is >> j & 1 ? r : -r) +
             sqrt(-2 * log(chance(&seed))) * cos(2 * acos(-1) * chance(&seed));
    for (int32_t v = 0; v < n; v++) {
      double sum = 0;
      for (int j = 0; j < 7; j++) sum += v >> j & 1 ? x[j] : -x[j];
      if (sum > best) {
        best = sum;
        found = v;
      }
    }
    hits += found == is;
  }
  return (double)hits / (GIVEN * DRAWS);
}

static void test_bits(void **state) {
  (void)state;
  int64_t n;
  Seen *s = turned("bits", &n);
  for (int turn = 1; turn <= TURNS; turn++)
    near_share("bits", turn, s->same[turn], nearest(angled(5, 1, times[turn]), s->text, n));
  free(s);
}

static void test_symbols_for_symbols(void **state) {
  (void)state;
  int64_t n;
  Seen *s = turned("uniform", &n);
  for (int turn = 1; turn <= TURNS; turn++) {
    double kept = 1 - (times[turn] + 1) / 128.0;
    near_share("uniform", turn, s->same[turn], kept + (1 - kept) / (double)n);
  }
  free(s);
  s = turned("d3pm", &n); /* of ten that do not stay nine are masked */
  for (int turn = 1; turn <= TURNS; turn++) {
    double kept = 1 - (times[turn] + 1) / 128.0;
    near_share("d3pm", turn, s->same[turn], kept + (1 - kept) * 0.1 / (double)n);
    near_share("d3pm", turn, s->none[turn], (1 - kept) * 0.9);
  }
  free(s);
}

/* What is hidden stays so, what is seen is the text's, beyond the text nothing ever is seen. */
static void hides(const char *name, const Seen *s) {
  for (int turn = 1; turn <= TURNS; turn++)
    for (int i = 0; i < ROWS * WINDOW; i++) {
      bool in = i % WINDOW < GIVEN;
      int32_t was = s->ids[turn - 1][i], is = s->ids[turn][i];
      if (is != s->symbols && (!in || was != is || is != s->text[i % WINDOW]))
        fail_msg("%s: turn %d, place %d: %d after %d", name, turn, i, is, was);
    }
}

/* Twenty of a hundred in each turn, whatever is drawn. */
static void test_masks(void **state) {
  (void)state;
  static const char *const names[] = {"mask", "block"};
  for (int k = 0; k < 2; k++) {
    int64_t n;
    Seen *s = turned(names[k], &n);
    for (int turn = 0; turn <= TURNS; turn++)
      for (int row = 0; row < ROWS; row++) assert_int_equal(s->hidden[turn][row], 20 * turn);
    hides(names[k], s);
    /* blocks of 16: before a place of one is hidden, all those behind it are */
    for (int i = 0; k == 1 && i < ROWS * WINDOW; i++)
      for (int turn = 1; i % WINDOW < GIVEN && turn <= TURNS; turn++)
        for (int j = (i / 16 + 1) * 16; s->ids[turn][i] == n && j % WINDOW > i % WINDOW; j++)
          assert_int_equal(s->ids[turn][j], n);
    free(s);
  }
}

/* 140 of 700 digits in each turn; a symbol is seen while its seven are: all of seven draws
 * without returning are among those left. */
static void test_digits(void **state) {
  (void)state;
  int64_t n;
  Seen *s = turned("prime", &n);
  for (int turn = 1; turn <= TURNS; turn++) {
    double all = 1;
    for (int i = 0; i < 7; i++) all *= fmax(0, 700 - 140 * turn - i) / (700 - i);
    near_share("prime", turn, s->same[turn], all);
    near_share("prime", turn, s->none[turn], 1 - all);
  }
  hides("prime", s);
  free(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gaussian), cmocka_unit_test(test_bits),
                                     cmocka_unit_test(test_symbols_for_symbols),
                                     cmocka_unit_test(test_masks), cmocka_unit_test(test_digits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
