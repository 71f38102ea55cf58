/* SPDX-License-Identifier: MIT */
/* Measures of text, held to numbers worked out by hand; and the controls, which every headline
 * has to rank. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compiler/ir/draws.h"
#include "runtime/text/controls.h"

static void close_to(double x, double y) {
  if (!(fabs(x - y) < 1e-9)) fail_msg("%.12g, not %.12g", x, y);
}

/* One row, a number a byte. */
static Texts row_of(const char *text) {
  TdError err = {0};
  Texts t;
  assert_true(texts_new(&t, 1, (int64_t)strlen(text), &err));
  for (int64_t i = 0; i < t.width; i++) t.ids[i] = (uint8_t)text[i];
  return t;
}

static Alphabet bytes(void) {
  TdError err = {0};
  Vocabulary v = {.kind = TOKENS_ASCII, .size = 128};
  Alphabet a;
  assert_true(alphabet_new(&a, &v, &err));
  return a;
}

/* ---- n-grams ------------------------------------------------------------------------------ */

/* aab and abb: shares 2/3, 1/3 against 1/3, 2/3, so 2/3 lb(4/3) + 1/3 lb(2/3). Of pairs, aa ab
 * against ab bb: half of each side stands alone, a bit each: 1/2. */
static void divergence(void **state) {
  TdError err = {0};
  Texts a = row_of("aab"), b = row_of("abb"), x = row_of("xyz");
  Counts one = {0}, two = {0}, apart = {0}, empty = {0};
  (void)state;
  assert_true(counts_grams(&one, &a, 1, 0, &err) && counts_grams(&one, &b, 1, 1, &err));
  assert_true(counts_grams(&two, &a, 2, 0, &err) && counts_grams(&two, &b, 2, 1, &err));
  assert_true(counts_grams(&apart, &a, 1, 0, &err) && counts_grams(&apart, &x, 1, 1, &err));
  close_to(counts_divergence(&one), 0.081704166); /* 1 - H(1/3) */
  close_to(counts_divergence(&two), 0.5);
  close_to(counts_divergence(&apart), 1);
  assert_true(isnan(counts_divergence(&empty)));
  assert_int_equal(counts_kinds(&two, 0), 2);
  assert_int_equal(one.total[0], 3);
  counts_free(&one);
  counts_free(&two);
  counts_free(&apart);
  texts_free(&a);
  texts_free(&b);
  texts_free(&x);
}

/* Lines of letters alone, small: abc twice, and the accented letter where text is of characters, as
 * its two bytes where it is not; nothing of `it's`, of a blank line, of bytes that are no text. */
static void lists_of_words(void **state) {
  static const char text[] = "abc\nABC\r\nit's\n\n\xc3\x89ta\nx\xff\nend";
  TdError err = {0};
  Texts want[2] = {row_of("abc"), row_of("end")};
  const int32_t point[3] = {0xe9, 't', 'a'}, bytes_of[4] = {0xc3, 0x89, 't', 'a'};
  (void)state;
  for (int kind = 0; kind < 2; kind++) {
    Counts c = {0};
    int32_t *points;
    assert_true(words_list(&c, &points, kind == 0 ? TOKENS_CHARS : TOKENS_BYTES,
                           (const uint8_t *)text, sizeof text - 1, &err));
    assert_int_equal(counts_find(&c, want[0].ids, 3)->times[0], 2);
    assert_int_equal(counts_find(&c, want[1].ids, 3)->times[0], 1);
    assert_non_null(kind == 0 ? counts_find(&c, point, 3) : counts_find(&c, bytes_of, 4));
    assert_int_equal(c.n, kind == 0 ? 3 : 4); /* bytes: x and 0xff may be a word */
    counts_free(&c);
    free(points);
  }
  texts_free(&want[0]);
  texts_free(&want[1]);
}

/* A row's last symbols and the next row's first are no n-gram. */
static void rows_apart(void **state) {
  TdError err = {0};
  Texts t = row_of("abcabd");
  Counts c = {0};
  (void)state;
  t.rows = 2;
  t.width = 3;
  assert_true(counts_grams(&c, &t, 2, 0, &err));
  assert_int_equal(c.total[0], 4);
  assert_int_equal(counts_kinds(&c, 0), 3);                 /* ab bc bd: distinct-2 is 3/4 */
  assert_int_equal(counts_find(&c, t.ids, 2)->times[0], 2); /* ab */
  assert_null(counts_find(&c, t.ids + 2, 2));               /* ca */
  counts_free(&c);
  texts_free(&t);
}

/* aabab, pairs. Before a stood the beginning, a and b; before b only a: 3 and 1 of 4, one kind of
 * 1 and none of 2: D_0 = 1, p(a) = (3 - 1 + 2/2) / 4 = 3/4. Pairs aa ba once, ab twice:
 * D_1 = 2/4, p(b | a) = (2 - 1/2 + 1/2 2 1/4) / 3 = 7/12, p(b | b) = 1/2 1/4 = 1/8. */
static void kneser_ney(void **state) {
  static const int32_t text[] = {0, 0, 1, 0, 1}, a[] = {0}, b[] = {1};
  TdError err = {0};
  (void)state;
  Ngram *m = ngram_new(text, 5, 2, 2, &err);
  assert_non_null(m);
  close_to(ngram_probability(m, NULL, 0, 0), 0.75);
  close_to(ngram_probability(m, NULL, 0, 1), 0.25);
  close_to(ngram_probability(m, a, 1, 1), 7.0 / 12);
  close_to(ngram_probability(m, a, 1, 0), 5.0 / 12);
  close_to(ngram_probability(m, b, 1, 1), 0.125);
  double mean, error;
  Texts t = {(int32_t[]){0, 1, 1, 1}, 2, 2}; /* ab: lb 4/3 and lb 12/7; bb: 2 and 3 bits */
  ngram_bits(m, &t, 0, 2, &mean, &error);
  double first = (log2(4.0 / 3) + log2(12.0 / 7)) / 2;
  close_to(mean, (first + 2.5) / 2);
  close_to(error, (2.5 - first) / 2);   /* of two: half their distance */
  ngram_bits(m, &t, 1, 2, &mean, NULL); /* the second symbols alone */
  close_to(mean, (log2(12.0 / 7) + 3) / 2);
  assert_int_equal(ngram_draw(m, a, 1, 1, 0.3), 0); /* after a: a once, b twice */
  assert_int_equal(ngram_draw(m, a, 1, 1, 0.4), 1);
  assert_int_equal(ngram_draw(m, b, 1, 1, 0.99), 0);
  ngram_free(m);
}

/* Whatever came before, the probabilities sum to one: seen, unseen, short, none of the text's. */
static void sums_to_one(void **state) {
  enum { V = 5, N = 300 };
  int32_t text[N], history[6];
  TdError err = {0};
  (void)state;
  for (int i = 0; i < N; i++) /* symbol 4 never occurs */
    text[i] = (int32_t)draw_pick(1, 0, 7, (uint64_t)i, i % 3 == 0 ? 2 : 4);
  for (int order = 1; order <= 4; order++) {
    Ngram *m = ngram_new(text, N, V, order, &err);
    assert_non_null(m);
    for (int trial = 0; trial < 50; trial++) {
      double sum = 0;
      for (int i = 0; i < 6; i++)
        history[i] = (int32_t)draw_pick(2, (uint64_t)trial, 7, (uint64_t)i, V);
      for (int32_t w = 0; w < V; w++) {
        double p = ngram_probability(m, history, trial % 7, w);
        assert_true(p > 0 && p < 1);
        sum += p;
      }
      close_to(sum, 1);
    }
    ngram_free(m);
  }
}

/* ---- copying ------------------------------------------------------------------------------ */

/* Of "a cat sad" the text "the cat sat" has " cat sa", 7 symbols of 9. */
static void copies(void **state) {
  TdError err = {0};
  Texts train = row_of("the cat sat"), t = row_of("a cat sad");
  int32_t matched[16];
  static const int32_t expected[] = {1, 1, 2, 3, 4, 5, 6, 7, 0};
  (void)state;
  Automaton *s = automaton_new(train.ids, train.width, &err);
  assert_non_null(s);
  automaton_match(s, t.ids, t.width, matched);
  for (int i = 0; i < 9; i++) assert_int_equal(matched[i], expected[i]);
  assert_int_equal(automaton_longest(s, &t, matched), 7);
  close_to(automaton_share(s, &t, 5, matched), 7.0 / 9);
  close_to(automaton_share(s, &t, 8, matched), 0);
  close_to(automaton_share(s, &t, 1, matched), 8.0 / 9);
  automaton_free(s);
  texts_free(&train);
  texts_free(&t);
}

/* Against every start in turn. */
static void copies_by_force(void **state) {
  enum { N = 200, W = 60 };
  int32_t text[N], row[W], matched[W];
  TdError err = {0};
  (void)state;
  for (int kinds = 1; kinds <= 4; kinds++) {
    for (int i = 0; i < N; i++) text[i] = (int32_t)draw_pick(3, 0, 1, (uint64_t)i, kinds);
    for (int i = 0; i < W; i++) row[i] = (int32_t)draw_pick(4, 0, 1, (uint64_t)i, kinds + 1);
    Automaton *s = automaton_new(text, N, &err);
    assert_non_null(s);
    automaton_match(s, row, W, matched);
    for (int end = 0; end < W; end++) {
      int best = 0;
      for (int at = 0; at < N; at++) {
        int n = 0;
        while (n <= end && n <= at && row[end - n] == text[at - n]) n++;
        if (n > best) best = n;
      }
      assert_int_equal(matched[end], best);
    }
    automaton_free(s);
  }
}

/* ---- words and lines ---------------------------------------------------------------------- */

/* The first and the last are cut. hello twice and bye, of which hello is known. */
static void words(void **state) {
  TdError err = {0};
  Alphabet a = bytes();
  Texts t = row_of("xx Hello hello, bye yy"), k = row_of(" hello "), lower, known_lower;
  Counts c = {0}, known = {0};
  (void)state;
  assert_true(words_lower(&a, &t, &lower, &err) && words_lower(&a, &k, &known_lower, &err));
  assert_true(words_count(&c, &lower, 0, &err) && words_count(&known, &known_lower, 0, &err));
  assert_int_equal(c.total[0], 3);
  assert_int_equal(c.n, 2);
  close_to(words_known(&c, 0, &known, 3), 2.0 / 3);
  close_to(words_known(&c, 0, &known, 5), 1);
  close_to(words_known(&c, 0, &known, 6), 0);
  counts_free(&c);
  counts_free(&known);
  texts_free(&t);
  texts_free(&k);
  texts_free(&lower);
  texts_free(&known_lower);
  alphabet_free(&a);
}

/* Letters beyond ASCII are letters, and are small where they have a small form. */
static void letters_of_unicode(void **state) {
  static const char text[] =
      "\xc3\x89lan \xc3\xa9lan, \xe6\x97\xa5\xe6\x9c\xac."; /* and 2 of Han */
  TdError err = {0};
  Vocabulary v;
  Alphabet a;
  Texts t, lower;
  Counts c = {0};
  size_t n;
  (void)state;
  assert_true(vocabulary_make(&v, TOKENS_CHARS, "it", (const uint8_t *)text, strlen(text), &err));
  assert_true(alphabet_new(&a, &v, &err) && texts_new(&t, 1, (int64_t)strlen(text) + 1, &err));
  t.ids[0] = -1; /* no symbol, nor a letter */
  assert_true(vocabulary_encode(&v, (const uint8_t *)text, strlen(text), t.ids + 1, &n, NULL));
  t.width = (int64_t)n + 1;
  assert_true(words_lower(&a, &t, &lower, &err) && words_count(&c, &lower, 0, &err));
  assert_int_equal(c.total[0], 3); /* élan twice and 日本 */
  assert_int_equal(c.n, 2);
  assert_int_equal(c.at[0].times[0], 2);
  assert_int_equal(c.at[1].n, 2);
  assert_int_equal(a.newline, -1);
  counts_free(&c);
  texts_free(&t);
  texts_free(&lower);
  alphabet_free(&a);
  vocabulary_free(&v);
}

/* Whole lines: bcd, ROMEO:, foo bar, of 3, 6, 7 symbols; variance 94/3 - (16/3)^2 = 26/9. */
static void lines(void **state) {
  TdError err = {0};
  Alphabet a = bytes();
  Texts t = row_of("a:\nbcd\n\nROMEO:\nfoo bar\nx:");
  Counts names = {0};
  Lines l;
  (void)state;
  assert_true(lines_count(&a, &t, &l, &names, 0, &err));
  assert_int_equal(l.n, 3);
  assert_int_equal(l.headers, 1);
  close_to(l.length, 16.0 / 3);
  close_to(l.deviation, sqrt(26.0) / 3);
  assert_int_equal(names.at[0].n, 6);
  counts_free(&names);
  texts_free(&t);
  alphabet_free(&a);
}

/* ---- the controls --------------------------------------------------------------------------- */

static Reference reference;
static Dataset *dataset;
static Measures measured[CONTROLS_ALL];
static bool have[CONTROLS_ALL];

/* A play in a language of its own: stems of one to three syllables, the first far more frequent,
 * with endings by their class; a noun has its own few verbs and adjectives; a speaker stands before
 * every few lines. 8 symbols do not tell it all. */
static uint64_t drawn;
static int64_t pick(int64_t n) { return draw_pick(9, 0, 1, drawn++, n); }

/* Below n, most often near 0. */
static int64_t rank(int64_t n) {
  double u = draw_uniform(9, 0, 2, drawn++);
  return (int64_t)((double)n * u * u * u * u);
}

static void put_stem(StrBuf *out, uint32_t site, int64_t number) {
  static const char *const heads[] = {"b", "br", "d", "f", "gl", "k",
                                      "l", "m",  "n", "s", "st", "t"},
                           *const hearts[] = {"a", "e", "i", "o", "u", "ai"},
                           *const tails[] = {"", "n", "r", "l", "st", "m"};
  uint64_t at = (uint64_t)number * 16;
  int64_t syllables = 1 + draw_pick(9, 1, site, at, 3);
  for (int64_t i = 0; i < syllables; i++) {
    sb_puts(out, heads[draw_pick(9, 1, site, ++at, 12)]);
    sb_puts(out, hearts[draw_pick(9, 1, site, ++at, 6)]);
    sb_puts(out, tails[draw_pick(9, 1, site, ++at, 6)]);
  }
}

static void put_nouns(StrBuf *out, bool verb) {
  enum { NOUN = 11, ADJECTIVE, VERB, NOUNS = 3000, OWN = 8 };
  static const char *const endings[] = {"", "s", "es"}, *const times[] = {"ed", "ing", "es"},
                           *const before[] = {"the ", "a ", "my ", "thy "};
  int64_t noun = rank(NOUNS);
  sb_puts(out, before[rank(4)]);
  if (pick(2) == 0) {
    put_stem(out, ADJECTIVE, noun / 3 * OWN + rank(OWN));
    sb_puts(out, "ly ");
  }
  put_stem(out, NOUN, noun);
  sb_puts(out, endings[rank(3)]);
  if (!verb) return;
  sb_puts(out, " ");
  put_stem(out, VERB, noun / 5 * OWN + rank(OWN));
  sb_puts(out, times[rank(3)]);
  sb_puts(out, " ");
}

static void write_play(StrBuf *out, size_t n) {
  static const char *const speakers[] = {"ROMEO", "FIRST LORD", "NURSE", "CLOWN", "DUKE"};
  for (drawn = 0; out->n < n;) {
    sb_printf(out, "%s:\n", speakers[pick(5)]);
    for (int64_t i = 1 + pick(5); i > 0; i--) {
      put_nouns(out, true);
      put_nouns(out, false);
      sb_puts(out, i > 1 && pick(2) == 0 ? ",\n" : ".\n");
    }
    sb_puts(out, "\n");
  }
}

static int measure_controls(void **state) {
  char path[] = "/tmp/test_text.XXXXXX";
  StrBuf text = {0};
  TdError err = {0};
  (void)state;
  close(mkstemp(path));
  write_play(&text, 300000);
  assert_true(io_write_file(NULL, path, text.s, text.n, &err));
  sb_free(&text);
  CorpusSearch search = {0};
  DataDecl decl = {.name = "text", .source = path, .tokens = TOKENS_CHARS, .split = 0.9};
  dataset = dataset_load(&search, &decl, &err);
  assert_non_null(dataset);
  unlink(path);
  assert_true(reference_open(&reference, dataset, 48, 128, &err));
  for (ControlId id = 0; id < CONTROLS; id++) {
    Texts t;
    assert_true(control_make(&reference, dataset, id, 5, &t, &err));
    assert_true(measure(&reference, &t, &measured[id], &err));
    have[id] = true;
    texts_free(&t);
  }
  return 0;
}

static int forget_controls(void **state) {
  (void)state;
  reference_close(&reference);
  dataset_free(dataset);
  return 0;
}

static bool headline(MeasureId id) {
  return control_breaks(&reference, measured, have, id) == NULL;
}

/* What texts are compared by ranks every control as it must. */
static void headlines_rank_controls(void **state) {
  static const MeasureId good[] = {M_JUDGE, M_JS4, M_JS5, M_JS_WORDS, M_VARIED_WORDS};
  static const ControlId noisy[] = {C_VALIDATION, C_NOISE5, C_NOISE10};
  static const ControlId written[] = {C_VALIDATION, C_5GRAM, C_3GRAM, C_UNIGRAM};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (!headline(good[i])) fail_msg("%s is fooled", measure_kinds[good[i]].name);
  for (int i = 0; i + 1 < 3; i++)
    assert_true(measured[noisy[i]].value[M_JS4] < measured[noisy[i + 1]].value[M_JS4]);
  for (int i = 0; i + 1 < 4; i++)
    assert_true(measured[written[i]].value[M_JS4] < measured[written[i + 1]].value[M_JS4]);
  assert_true(measured[C_REPEATED].value[M_JS4] > measured[C_3GRAM].value[M_JS4]);
}

/* What each control fools: single symbols do not see an order, nor noise as frequent as they;
 * one line again and again, or what copies, is likelier than real text. No headline alone. */
static void the_fooled_are_no_headlines(void **state) {
  (void)state;
  assert_false(headline(M_JS1));
  assert_false(headline(M_ENTROPY));
  assert_false(headline(M_DISTINCT1));
  assert_true(measured[C_REPEATED].value[M_VARIED_WORDS] < 0.1); /* variety tells */
  assert_true(measured[C_VALIDATION].value[M_VARIED_WORDS] > 0.8);
  assert_true(measured[C_REPEATED].value[M_JUDGE] < reference.real.value[M_JUDGE]);
  assert_true(measured[C_8GRAM].value[M_JUDGE] < reference.real.value[M_JUDGE]);
  assert_true(measured[C_REPEATED].value[M_REPEATED] > 0.5);
}

/* The play repeats itself: a fifth of validation stands in copies of 30. All of training does. */
static void the_copy_alarm_rings(void **state) {
  static const ControlId quiet[] = {C_VALIDATION, C_NOISE5, C_SHUFFLED, C_5GRAM, C_UNIGRAM};
  (void)state;
  assert_true(measure_copies(&reference, &measured[C_TRAINING]));
  close_to(measured[C_TRAINING].value[M_COPIED50], 1);
  close_to(measured[C_TRAINING].value[M_LONGEST], 128);
  for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
    assert_false(measure_copies(&reference, &measured[quiet[i]]));
}

/* A demand passed over is none that is broken, and a measure without a number is fooled. */
static void demands(void **state) {
  bool none[CONTROLS_ALL] = {false}, two[CONTROLS_ALL] = {false};
  Measures m[CONTROLS_ALL] = {0};
  Reference r = {0};
  (void)state;
  two[C_VALIDATION] = two[C_NOISE5] = true;
  assert_null(control_breaks(&r, m, none, M_JS4));
  assert_int_equal(control_breaks(&r, m, two, M_JS4)->worse, C_NOISE5); /* equal */
  m[C_NOISE5].value[M_JS4] = 0.1;
  assert_null(control_breaks(&r, m, two, M_JS4));
  m[C_VALIDATION].value[M_JS4] = (double)NAN;
  assert_non_null(control_breaks(&r, m, two, M_JS4));
}

/* Words keep their places, the letters of all of them are the same, and seeds are what differs. */
static void controls_are_made(void **state) {
  TdError err = {0};
  Texts valid, shuffled, noisy, again, other;
  int64_t changed = 0, sum = 0, differ = 0;
  (void)state;
  assert_true(control_make(&reference, dataset, C_VALIDATION, 1, &valid, &err) &&
              control_make(&reference, dataset, C_SHUFFLED, 1, &shuffled, &err) &&
              control_make(&reference, dataset, C_NOISE10, 1, &noisy, &err) &&
              control_make(&reference, dataset, C_NOISE10, 1, &again, &err) &&
              control_make(&reference, dataset, C_NOISE10, 2, &other, &err));
  int64_t n = valid.rows * valid.width;
  for (int64_t i = 0; i < n; i++) {
    sum += shuffled.ids[i] - valid.ids[i];
    changed += noisy.ids[i] != valid.ids[i];
    differ += noisy.ids[i] != other.ids[i];
  }
  assert_int_equal(sum, 0);
  assert_memory_equal(noisy.ids, again.ids, (size_t)n * sizeof *noisy.ids);
  assert_true(differ > 0);
  /* of 6144 places 614.4 are drawn anew, 24 the deviation; some draw what stood there */
  assert_in_range(changed, 614 - 5 * 24 - 60, 614 + 5 * 24);
  texts_free(&valid);
  texts_free(&shuffled);
  texts_free(&noisy);
  texts_free(&again);
  texts_free(&other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(divergence),
      cmocka_unit_test(rows_apart),
      cmocka_unit_test(lists_of_words),
      cmocka_unit_test(kneser_ney),
      cmocka_unit_test(sums_to_one),
      cmocka_unit_test(copies),
      cmocka_unit_test(copies_by_force),
      cmocka_unit_test(words),
      cmocka_unit_test(letters_of_unicode),
      cmocka_unit_test(lines),
      cmocka_unit_test(headlines_rank_controls),
      cmocka_unit_test(the_fooled_are_no_headlines),
      cmocka_unit_test(the_copy_alarm_rings),
      cmocka_unit_test(demands),
      cmocka_unit_test(controls_are_made),
  };
  return cmocka_run_group_tests(tests, measure_controls, forget_controls);
}
