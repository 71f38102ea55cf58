/* SPDX-License-Identifier: MIT */
/* What the models of models/ say of a text whose distribution is known: two symbols, each
 * by itself, `b` a quarter of the time. The best predictor knows no context, and several
 * models are that before their first step, since what they add to it begins at 0. Then each
 * bound is a number that can be worked out here, at or above the entropy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/evaluate.h"
#include "tests/model.h"

enum { SYMBOLS = 20000, HELD = SYMBOLS / 10, SEEDS = 4 };
static const char text_path[] = "build/tests/coins.txt";

typedef struct Coins {
  double frequent;      /* the share of `b` where the model learns its frequency */
  double held;          /* and in what is held out */
  double cross_entropy; /* of the one by the other, bits: what the best model takes */
} Coins;

static Coins coins(double frequent, double held) {
  return (Coins){frequent, held, -(held * log2(frequent) + (1 - held) * log2(1 - frequent))};
}

/* The text, always the same one. */
static Coins flip_coins(void) {
  FILE *f = fopen(text_path, "w");
  assert_non_null(f);
  uint64_t x = 12345;
  int seen = 0, held = 0;
  for (int i = 0; i < SYMBOLS; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    bool b = x >> 62 == 0;
    (i < SYMBOLS - HELD ? &seen : &held)[0] += b;
    fputc(b ? 'b' : 'a', f);
  }
  fclose(f);
  return coins((double)seen / (SYMBOLS - HELD), (double)held / HELD);
}

/* ---- Gaussian noise on two coordinates ---------------------------------------------------- */

/* A time's mean square error (both coordinates) and cross-entropy in nats of the posterior. The
 * difference d of the coordinates is all that tells: N(+-signal, 2 sigma^2), and
 * the odds of `b` are those of its frequency times exp(signal d / sigma^2). */
static void posterior(const Coins *c, double snr, double *miss, double *nats) {
  enum { POINTS = 4000 };
  const double signal = sqrt(snr / (1 + snr)), sigma = sqrt(1 / (1 + snr));
  const double prior = log(c->frequent / (1 - c->frequent));
  *miss = *nats = 0;
  for (int i = 0; i < POINTS; i++) {
    double z = -8 + 16 * (i + 0.5) / POINTS, weight = exp(-z * z / 2) / sqrt(2 * acos(-1));
    weight *= 16.0 / POINTS;
    for (int b = 0; b < 2; b++) {
      double d = (b ? signal : -signal) + sqrt(2) * sigma * z;
      double odds = prior + signal * d / (sigma * sigma), wrong = 1 / (1 + exp(b ? odds : -odds));
      double share = b ? c->held : 1 - c->held;
      *miss += weight * share * 2 * wrong * wrong;
      *nats += weight * share * -log1p(-wrong);
    }
  }
}

/* Bits: the steps of the sampler, the first time, and `start` for the last. */
static double gaussian(const Coins *c, const double *snr, int times, double start) {
  double sum = start, miss, nats;
  for (int t = 0; t < times; t++) {
    posterior(c, snr[t], &miss, &nats);
    sum += t > 0 ? 0.5 * (snr[t - 1] - snr[t]) * miss / log(2) : nats / log(2);
  }
  return sum;
}

/* r / 1.8 is the tangent of angles spread from atan(6 / 1.8) to atan(.1 / 1.8); starts at
 * N(0, 1). */
static double gauss_bits(const Coins *c) {
  double snr[16];
  for (int t = 0; t < 16; t++) {
    double from = atan(6 / 1.8), to = atan(0.1 / 1.8);
    snr[t] = pow(1.8 * tan(from + (to - from) * t / 15), 2);
  }
  double a = snr[15] / (1 + snr[15]), s = 1 - a;
  return gaussian(c, snr, 16, 0.5 * (2 * (s - 1 - log(s)) + a) / log(2));
}

/* The article's betas; starts at the mean of x_T. */
static double repaired_bits(const Coins *c) {
  double snr[16], abar = 1;
  for (int t = 0; t < 16; t++) {
    abar *= 1 - (1e-4 + (0.02 - 1e-4) * t / 15);
    snr[t] = abar / (1 - abar);
  }
  double of_b = pow(1 - c->frequent, 2), of_a = pow(c->frequent, 2); /* twice: two coordinates */
  double off = 2 * (c->held * of_b + (1 - c->held) * of_a);
  return gaussian(c, snr, 16, 0.5 * snr[15] * off / log(2));
}

/* Noise predicted to be 0: x_0 is taken for x_t / signal, whose square error is 2 / snr (two
 * coordinates), and at the first time nothing is left to doubt. Starts at N(0, 1). */
static double no_noise_bits(const Coins *c) {
  (void)c;
  double before = 0, abar = 1, sum = 0;
  for (int t = 0; t < 16; t++) {
    abar *= 1 - (1e-4 + (0.02 - 1e-4) * t / 15);
    double snr = abar / (1 - abar);
    sum += t > 0 ? 0.5 * (before - snr) * 2 / snr : 0;
    before = snr;
  }
  return (sum + 0.5 * (2 * (-abar - log(1 - abar)) + abar)) / log(2);
}

/* One bit, -1 or 1: as far apart as two coordinates of half the noise. r is the tangent of angles
 * spread from atan(5) to atan(.1). */
static double bits_bits(const Coins *c) {
  double snr[16];
  for (int t = 0; t < 16; t++) {
    double r = tan(atan(5) + (atan(0.1) - atan(5)) * t / 15);
    snr[t] = 2 * r * r;
  }
  double a = snr[15] / (2 + snr[15]), s = 1 - a;
  return gaussian(c, snr, 16, 0.5 * (s - 1 - log(s) + a) / log(2));
}

/* Lines to noise, in time: r = (1 - t) / t, any number of steps between .14 and .98. */
static double flow_bits(const Coins *c) {
  enum { POINTS = 600 };
  const double near = 0.14, far = 0.98;
  double sum = 0, miss, nats;
  for (int i = 0; i < POINTS; i++) {
    double t = near + (far - near) * (i + 0.5) / POINTS;
    posterior(c, pow((1 - t) / t, 2), &miss, &nats);
    sum += (far - near) / POINTS * (1 - t) / (t * t * t) * miss;
  }
  posterior(c, pow((1 - near) / near, 2), &miss, &nats);
  double start = 0.5 * (2 * (far * far - 1 - 2 * log(far)) + pow(1 - far, 2));
  return (sum + nats + start) / log(2);
}

/* Symbols replaced by random ones, hidden, or both, until none is left: the steps back from there
 * are those of the process itself, so nothing is lost. */
static double exact_bits(const Coins *c) { return c->cross_entropy; }

/* ---- models beside them ------------------------------------------------------------------- */

typedef struct Row {
  const char *name;
  double (*bits)(const Coins *c);
  bool zero;    /* with weights of 0 in place of the initial ones */
  bool untimed; /* without steps T */
  bool joint;   /* one number of a window */
  Define size;  /* one more, if it has a name */
} Row;

static void without_weights(Session *s) {
  const TdProgram *p = session_program(s);
  for (int i = 0; i < p->nstates; i++) {
    const TdState *st = &p->states[i];
    if (strncmp(st->name, "params.", 7) != 0 && strncmp(st->name, "ema.", 4) != 0) continue;
    void *zeros = calloc((size_t)st->count, td_type_size(st->type));
    assert_non_null(zeros);
    session_write_state(s, i, 0, st->count, zeros);
    free(zeros);
  }
}

typedef struct Measured {
  double mean[2], error[2];
  int64_t symbols; /* counted one by one */
} Measured;

/* Metrics of an untrained model on a text, over its held-out windows and some seeds. */
static Measured measured(const char *name, const char *text, const Define *sizes, int nsizes,
                         bool zero, const char *const metric[2]) {
  const UnitOptions more = {.no_update = true, .no_samplers = true, .no_models = true};
  char path[64];
  snprintf(path, sizeof path, "models/%s_nano.td", name);
  Model m;
  Running r;
  Feed feed;
  TdError err = {0};
  double square[2] = {0};
  Measured out = {{0}, {0}, 0};
  assert_true(model_open(&m, path, sizes, nsizes, text, 0, &more));
  assert_true(model_build(&m) && running_open(&r, &m, 1));
  session_run(r.session, session_entry(r.session, "init"), 1, 0);
  if (zero) without_weights(r.session);
  assert_true(feed_open(&feed, r.session, m.unit, "eval", m.data, &err));
  feed_valid_once(&feed);
  for (uint64_t seed = 0; seed < SEEDS; seed++) {
    Evaluation e;
    assert_true(evaluate(&feed, seed, 0, NULL, &e, &err));
    out.symbols = e.symbols;
    for (int k = 0; k < 2; k++) {
      double x = metric[k] ? evaluation_of(&e, metric[k]) : 0;
      out.mean[k] += x / SEEDS;
      square[k] += x * x / SEEDS;
    }
  }
  for (int k = 0; k < 2; k++)
    out.error[k] = sqrt(fmax(square[k] - out.mean[k] * out.mean[k], 0) / (SEEDS - 1)) + 1e-6;
  feed_close(&feed);
  running_close(&r);
  model_close(&m);
  return out;
}

static void is_near(const char *name, const Measured *m, int k, double want) {
  print_message("%s: %.4f +- %.4f bits, by hand %.4f\n", name, m->mean[k], m->error[k], want);
  assert_true(fabs(m->mean[k] - want) <= 5 * m->error[k]);
  assert_true(m->error[k] < 0.06 * want);
}

static const Row rows[] = {
    {.name = "gauss", .bits = gauss_bits},
    {.name = "shakespeare_repaired", .bits = repaired_bits},
    {.name = "bits", .bits = bits_bits, .size = {"J", "1"}},
    {.name = "flow", .bits = flow_bits, .untimed = true},
    {.name = "uniform", .bits = exact_bits},
    {.name = "d3pm", .bits = exact_bits},
    {.name = "prime", .bits = exact_bits, .untimed = true, .size = {"J", "1"}},
    {.name = "block", .bits = exact_bits, .untimed = true, .size = {"C", "5"}},
    {.name = "shakespeare", .bits = no_noise_bits, .zero = true},
    {.name = "shakespeare_unet", .bits = no_noise_bits, .zero = true},
    {.name = "diffusion_lm_gumbel",
     .bits = exact_bits,
     .zero = true,
     .untimed = true,
     .joint = true},
};

/* What is held out is a window of `a` and half of one of `b`: bounds whose terms are places' own
 * count each of these symbols once, those of latents the window alone. */
static void bounds_are_those_by_hand(void **state) {
  (void)state;
  enum { WINDOW = 50, LEARNT = 9 * (WINDOW + WINDOW / 2) };
  FILE *f = fopen(text_path, "w");
  assert_non_null(f);
  int seen = 0;
  for (int i = 0; i < LEARNT + WINDOW + WINDOW / 2; i++) {
    bool b = i < LEARNT ? i % 4 == 3 : i >= LEARNT + WINDOW;
    if (i < LEARNT) seen += b;
    fputc(b ? 'b' : 'a', f);
  }
  fclose(f);
  Coins all = coins((double)seen / LEARNT, 1.0 / 3), first = coins(all.frequent, 0);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const Row *row = &rows[i];
    const Coins *c = row->joint ? &first : &all;
    double want = row->bits(c);
    Define sizes[6] = {{"B", "40"}, {"L", "50"}, {"D", "8"}, {"N", "2"}, {"T", "16"}};
    int n = row->untimed ? 4 : 5;
    if (row->size.name) sizes[n++] = row->size;
    Measured m = measured(row->name, text_path, sizes, n, row->zero,
                          (const char *const[]){"bits_per_char", NULL});
    assert_true(want >= c->cross_entropy - 1e-9);
    is_near(row->name, &m, 0, want);
    assert_int_equal(m.symbols, row->joint ? 0 : WINDOW + WINDOW / 2);
  }
}

/* ---- digits of symbols -------------------------------------------------------------------- */

/* Four symbols, whose two digits agree three times of four. Each digit with its own term bounds
 * the entropy; one term for all hidden digits of a symbol is half of what both take, and half of
 * what one takes when the other is seen: less than the text does. */
static void digits_have_terms_of_their_own(void **state) {
  (void)state;
  static const char path[] = "build/tests/fours.txt";
  static const Define small[] = {{"B", "20"}, {"L", "10"}, {"D", "8"},
                                 {"N", "2"},  {"J", "2"},  {"R", "2"}};
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  uint64_t x = 54321;
  double p[4] = {0}, held[4] = {0};
  for (int i = 0; i < SYMBOLS; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    int high = (int)(x >> 63), symbol = 2 * high + (x >> 60 & 3 ? high : !high);
    (i < SYMBOLS - HELD ? p : held)[symbol] += 1;
    fputc('a' + symbol, f);
  }
  fclose(f);
  double whole = 0, rest = 0; /* of a symbol; of one digit beside the other, twice */
  for (int v = 0; v < 4; v++) {
    double share = held[v] / HELD, all = SYMBOLS - HELD;
    whole -= share * log2(p[v] / all);
    rest -= share * (log2(p[v] / (p[v] + p[v ^ 1])) + log2(p[v] / (p[v] + p[v ^ 2])));
  }
  Measured m = measured("prime", path, small, 6, false,
                        (const char *const[]){"bits_per_char", "joint_bits"});
  is_near("prime", &m, 0, whole);
  is_near("prime, digits together", &m, 1, (whole + rest) / 2);
  assert_true((whole + rest) / 2 < whole - 0.05);
}

/* ---- latents ------------------------------------------------------------------------------- */

/* Diffusion that knows nothing of latents takes them for what it starts from, N(0, 1): its bound is
 * the KL of an autoencoder, which has a closed form. */
static void diffusion_begins_as_the_normal(void **state) {
  (void)state;
  static const Define small[] = {{"B", "20"}, {"L", "10"}, {"D", "8"}, {"N", "1"}};
  flip_coins();
  Measured m = measured("diffusion_lm_vae", text_path, small, 4, false,
                        (const char *const[]){"latent_bits", "kl_bits"});
  is_near("diffusion_lm_vae", &m, 0, m.mean[1]);
}

/* Codes drawn of what the encoder says, which is sure of some, against a prior that knows nothing
 * and a text that is not read from them yet: its frequencies, and at most the K codes. */
static void codes_begin_unread(void **state) {
  (void)state;
  static const Define small[] = {{"B", "20"}, {"L", "10"}, {"D", "8"}, {"N", "1"}, {"K", "4"}};
  Coins c = flip_coins();
  Measured m = measured("diffusion_lm_gumbel", text_path, small, 5, false,
                        (const char *const[]){"text_bits", "code_bits"});
  is_near("diffusion_lm_gumbel, text", &m, 0, c.cross_entropy);
  print_message("diffusion_lm_gumbel, codes: %.4f bits\n", m.mean[1]);
  assert_true(m.mean[1] > 0.05 && m.mean[1] <= 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bounds_are_those_by_hand), cmocka_unit_test(digits_have_terms_of_their_own),
      cmocka_unit_test(diffusion_begins_as_the_normal), cmocka_unit_test(codes_begin_unread)};
  model_quick(NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
