/* SPDX-License-Identifier: MIT */
/* What tdc eval and tdc compare tell: held-out text, texts and controls, sweeps, comparisons, with
 * files in which every number can be worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/system/io.h"
#include "runtime/td.h"
#include "tests/cases.h"
#include "tests/sandbox.h"

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", SANDBOX_NOISY);
  return 0;
}

/* Seven held-out windows, of a, b .. g: their mean is d, 100, whatever the batch is. */
static void test_every_window_counts(void **state) {
  (void)state;
  sandbox_write("steps.txt", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzaaaabbbbccccddddeeeeffffggggyy");
  sandbox_write("mean.td", "data text { source \"./steps.txt\"  tokens bytes  split 0.49 }\n"
                           "dim B = 2, L = 4, V = text.vocab\n"
                           "model pick(x: id<V>[B,L]) -> y[B,L] {\n"
                           "  param w[V] ~ normal(0, 0)\n"
                           "  y[b,l] = w[x[b,l]]\n"
                           "}\n"
                           "loss main(x: id<V>[B,L]) {\n"
                           "  y = pick(x)\n"
                           "  minimize mean[b,l](real(x[b,l]) + y[b,l])\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  for (int b = 1; b <= 9; b++) {
    char line[100];
    snprintf(line, sizeof line, "eval mean.td --untrained --reference -q --json -D B=%d", b);
    sandbox_says(line, NULL, 0, "\"windows\":7,", true);
    sandbox_says(line, NULL, 0, "\"loss\":{\"mean\":100.0,", true);
  }
  sandbox_says("eval mean.td --untrained -q --json -D B=4", NULL, 0, "\"mean\":100.0,", true);
  sandbox_says("eval mean.td --untrained -q --json -D B=2 --batches 1", NULL, 0, "\"mean\":97.5,",
               true);
}

/* Held out are a .. k, 97 .. 107, behind ten z, 122. Windows of five, whose last four symbols
 * are reported: the first begins in the z; a window more has i j k, which alone are new. So
 * `own` is the mean of a .. k, 102; `before`, of z a .. j, is (122 + 10 101.5) / 11 = 103.36;
 * `all` reports one number of the whole windows z .. d and d .. h, of which the sums are 516 and
 * 510. Where windows end with the text, a .. h, nothing is new behind them. */
static void test_every_symbol_counts(void **state) {
  static const char *const texts[][2] = {{"once.txt", "zzzzzzzzzzabcdefghijk"},
                                         {"whole.txt", "zzzzzzzzzzabcdefgh"}};
  (void)state;
  for (int i = 0; i < 2; i++) {
    char td[900], path[20];
    sandbox_write(texts[i][0], texts[i][1]);
    snprintf(td, sizeof td,
             "data text { source \"./%s\"  tokens bytes  split %s }\n"
             "dim B = 2, L = 4, V = text.vocab\n"
             "param w[V] = 0\n"
             "loss main(x: id<V>[B,L+1]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
             "metric own(x: id<V>[B,L+1]) exact {\n"
             "  n[b,l in L] = real(x[b,l+1])\n"
             "  report n\n"
             "}\n"
             "metric before(x: id<V>[B,L+1]) {\n"
             "  n[b,l in L] = real(x[b,l])\n"
             "  report n\n"
             "}\n"
             "metric all(x: id<V>[B,L+1]) { report sum[b,l](real(x[b,l])) / B }\n"
             "train { loss main  sgd(lr = 0.1)  steps 5 }\n",
             texts[i][0], i == 0 ? "0.48" : "0.56");
    snprintf(path, sizeof path, "once%d.td", i);
    sandbox_write(path, td);
  }
  static const char *const says[] = {"\"windows\":3,\"symbols\":11,", "\"own\":{\"mean\":102.0,",
                                     "\"before\":{\"mean\":103.3636363636363",
                                     "\"all\":{\"mean\":513.0,"};
  for (int b = 1; b <= 3; b++)
    for (size_t k = 0; k < sizeof says / sizeof *says; k++) {
      char line[100];
      snprintf(line, sizeof line, "eval once0.td --untrained --reference -q --json -D B=%d", b);
      sandbox_says(line, NULL, 0, says[k], true);
    }
  sandbox_says("eval once0.td --untrained -q", NULL, 0, "3 windows in 2 batches, 11 symbols once",
               true);
  sandbox_says("eval once0.td --untrained -q --json", NULL, 0, "\"own\":{\"mean\":102.0,", true);
  /* some of it: the two whole windows, z out of them */
  sandbox_says("eval once0.td --untrained --reference -q --json --batches 1", NULL, 0,
               "\"own\":{\"mean\":100.5,", true);
  /* a .. h, 97 .. 104 */
  sandbox_says("eval once1.td --untrained --reference -q --json", NULL, 0,
               "\"windows\":2,\"symbols\":8,", true);
  sandbox_says("eval once1.td --untrained --reference -q --json", NULL, 0,
               "\"own\":{\"mean\":100.5,", true);
}

/* PATH.td of B rows of L symbols of a text, with one weight a symbol, and what else it has; and its
 * weights, PATH.safetensors. */
static void write_program(const char *path, const char *text, int rows, int length,
                          const char *rest) {
  StrBuf td = {0}, file = {0}, line = {0};
  sb_printf(&td,
            "data text { source \"./%s\"  tokens chars  split 0.6 }\n"
            "dim B = %d, L = %d, V = text.vocab\n"
            "param w[V] ~ normal(0, 1)\n"
            "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
            "%s"
            "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n",
            text, rows, length, rest);
  sb_printf(&file, "%s.td", path);
  sandbox_write(file.s, td.s);
  sb_printf(&line, "export %s.td --untrained -o %s.safetensors", path, path);
  sandbox_says(line.s, NULL, 0, "", true);
  sb_free(&td);
  sb_free(&file);
  sb_free(&line);
}

/* One that charges 1 bit for a symbol and 3 for all others, in windows of `length`. */
static void write_judge(const char *path, const char *text, int length, int symbol) {
  char metric[200];
  snprintf(metric, sizeof metric,
           "metric bits(x: id<V>[B,L]) exact {\n"
           "  report mean[b,l in 1 : L](x[b,l] == %d ? 1.0 : 3.0)\n"
           "}\n",
           symbol);
  write_program(path, text, 2, length, metric);
}

/* A text of five symbols, blank , a b c, and a sampler that writes one of them alone. */
static void write_flat(void) {
  StrBuf text = {0};
  for (int i = 0; i < 60; i++) sb_puts(&text, i % 2 == 0 ? "abc bbbbb " : "cab aabb, ");
  sandbox_write("long.txt", text.s);
  sb_free(&text);
  write_program("flat", "long.txt", 4, 16,
                "sampler flat(letter = 3 in 0 .. V - 1) {\n"
                "  state s[b in B, l in L] = 0\n"
                "  for t in 1 .. 3 { s[b,l] = min(t, 1) * letter }\n"
                "  emit s[b,l]\n"
                "}\n");
}

/* What sampling takes is without what its kernels took to compile, here by a compiler that
 * sleeps for a second. */
static void test_compiling_is_not_sampling(void **state) {
  (void)state;
  write_flat();
  sandbox_shell(
      "printf '#!/bin/sh\\nsleep 1\\nexec cc \"$@\"\\n' > slow && chmod +x slow && "
      "TDC_CC=$PWD/slow $TDC eval flat.td --untrained -q --samples 12 --json --no-cache | "
      "grep -o '\"evaluations\":3,\"seconds\":[^,}]*' | sed 's/.*://' | "
      "awk '{ print ($1 > 0 && $1 < 0.8) ? \"apart\" : \"together\" }'",
      0, "apart\n");
}

/* A sampler that writes b, and nothing else: 12 rows of 16 hold 192 symbols of one kind, so their
 * entropy is 0, 1/192 of them distinct; of the nine 8-grams of a row eight stood there before; the
 * text has no word that the row's ends do not cut. The longest run of b in the text is 5. */
static void test_samples_are_measured(void **state) {
  static const Case cases[] = {
      {"eval flat.td --untrained -q --samples 12", 0, "12 texts of 16 symbols by sampler flat"},
      {"eval flat.td --untrained -q --samples 12", 0, "15 windows in 5 batches"},
      {"eval flat.td --untrained -q --samples 12", 0,
       "longest copy, symbols                     5"},
      {"eval flat.td --untrained -q --samples 12", 0,
       "% of 8-grams repeated in a row         88.9"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"distinct1\":0.005208333333333333,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"entropy\":0.0,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"js_words\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"evaluations\":3,"},
      {"eval flat.td --untrained -q --samples 12 --json", 0, "\"line_length\":null,"},
      {"eval flat.td --untrained -q --samples 4 --set letter=0 --json", 0, "\"longest_copy\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --controls --json", 0, "\"longest_copy\":16.0,"},
      {"eval flat.td --untrained -q --samples 12 --controls --json", 0, "\"fooled\":{\"judge\":"},
      {"eval flat.td --untrained -q --samples 12 --controls", 0, "training text"},
      /* the second batch begins on states that the first one left at 3 */
      {"sample flat.td --untrained -q -n 5 --reference", 0,
       "bbbbbbbbbbbbbbbb\n\n--------\nbbbbbbbbbbbbbbbb\n"},
      {"eval flat.td --untrained --samples 12 --sampler flt", 2, "did you mean flat"},
      {"eval flat.td --untrained --samples 12 --set lettr=0", 2, "did you mean --letter"},
      {"eval flat.td --untrained --samples 12 --set letter", 2, "takes NAME=VALUE"},
      {"eval flat.td --untrained --samples 12 --set letter=9", 2, "--letter takes"},
      {"eval flat.td --untrained --samples 1", 2, "--samples"},
      {"eval flat.td --untrained --controls", 2, "--controls goes with --samples"},
      {"eval m.td --untrained --samples 2 --data short.txt", 1, "shorter than one window"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  sandbox_write("short.txt", "the quick brown fox jumps over");
  try_all(cases);
}

/* Judges that charge 1 bit for a b and 3 for all else. A row follows an end, which is not charged,
 * where the windows are one longer than rows, 17: all b cost 1, all a 3. In windows of 6 every
 * sixth symbol of 12 x 17 begins one and is not: 34 windows, in which 10 of the 12 ends are
 * charged, 0 and 102 = 6 x 17 begin windows: (160 + 3 10) / 170. */
static void test_samples_are_judged(void **state) {
  static const Case cases[] = {
      {"eval flat.td --untrained -q --samples 12 --json --judge judge.td", 0, "\"neural\":1.0,"},
      {"eval flat.td --untrained -q --samples 12 --judge judge.td", 0, "by the judge"},
      {"eval flat.td --untrained -q --samples 12 --json --judge judge.td --set letter=2", 0,
       "\"neural\":3.0,"},
      {"eval flat.td --untrained -q --samples 12 --json --judge short.td", 0,
       "\"neural\":1.1176470"},
      {"eval flat.td --untrained -q --samples 12 --judge flat.td --judge-weights flat.safetensors",
       1, "cannot judge"},
      {"eval flat.td --untrained -q --samples 12 --judge other.td", 1, "has no ','"},
      {"eval flat.td --untrained -q --samples 12 --judge absent.td", 4, "absent.td"},
      {"eval flat.td --untrained -q --judge judge.td", 2, "--judge goes with --samples"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  sandbox_write("abc.txt", "abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc abc ");
  write_judge("judge", "long.txt", 17, 3);
  write_judge("short", "long.txt", 6, 3);
  write_judge("other", "abc.txt", 17, 1);
  try_all(cases);
}

/* A list of words: cab and aabb, whatever their case, are in it, and lines with other things
 * than letters are no words. Held-out rows begin at 0 (three times), 12 (3), 4 (3), 16 (1) and 8
 * (2) of `abc bbbbb cab aabb, `; of the whole words in them 1 of 2, 1 of 2, 2 of 2, 0 of 2 and 2
 * of 3 are in the list: 16 of 26. What is written is no word. A judge whose sampler writes b (3)
 * at temperature 0.3 and c at any other is the control that it is: b costs 1 bit, c 3. */
static void test_words_and_cold(void **state) {
#define WITH "eval flat.td --untrained -q --samples 12 --reference "
  static const Case cases[] = {
      {WITH "--words list.txt --json", 0, "\"listed\":0.0,"},
      {WITH "--words list.txt --json", 0, "\"word_list\":\"list.txt\""},
      {WITH "--words list.txt", 0, "% words of 3+ letters in the list"},
      {WITH "--words list.txt --controls", 0, "listed"},
      {WITH "--words none.txt", 1, "no line is a word of letters alone"},
      {WITH "--words absent.txt", 4, "absent.txt"},
      {"eval flat.td --words list.txt", 2, "--words goes with --samples"},
      {WITH "--controls --words list.txt", 0, "has a temperature"},
      {WITH "--controls --json --judge cold.td", 0, "\"cold\":{\"judge\":"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  sandbox_write("list.txt", "Cab\naabb\r\nit's\nabc bbbbb\nx1\n");
  sandbox_write("none.txt", "it's\n\n12\n");
  sandbox_write("cold.td", "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
                           "dim B = 4, W = 17, L = 16, V = text.vocab\n"
                           "param p[V] ~ normal(0, 1)\n"
                           "loss main(x: id<V>[B,W]) { minimize mean[b,w](p[x[b,w]]^2) }\n"
                           "metric bits(x: id<V>[B,W]) exact {\n"
                           "  report mean[b,w in 1 : W](x[b,w] == 3 ? 1.0 : 3.0)\n"
                           "}\n"
                           "sampler hot(temperature = 1.0 in 0 .. 10) {\n"
                           "  state s[b in B, l in L] = 0\n"
                           "  for t in 1 .. 3 { s[b,l] = abs(temperature - 0.3) < 1e-6 ? 3 : 4 }\n"
                           "  emit s[b,l]\n"
                           "}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n");
  sandbox_says("export cold.td --untrained -o cold.safetensors", NULL, 0, "", true);
  try_all(cases);
  sandbox_shell("$TDC " WITH "--controls --json --judge cold.td | sed 's/.*\"cold\"://; s/}.*//'",
                0, "\"neural\":1.0,");
  sandbox_shell("$TDC " WITH "--words list.txt --json | sed 's/.*\"held_out\"://; s/}.*//'", 0,
                "\"listed\":0.615384615384615");
}

/* turn.td and turn2.td write one letter; cost.td charges 1 bit for a b (3) and 3 for all else.
 * Twelve rows of 16 of one letter have 12 x 13 4-grams of one kind, 1/156 of them distinct, so what
 * costs 1 bit is on the frontier and what costs 3 is not. In the first plot evaluations 2 and 4 lie
 * at 1 and 2 of .96 .. 2.04, 72.3 and 429.7 of the 386 from 58 on; bits 1 and 3, held-out text's
 * between, at 276 - 246 (.08, 2.08) / 2.16. */
static void test_sweep(void **state) {
#define SWEEP "eval turn.td --untrained -q --samples 12 --judge cost.td --reference "
#define GRID SWEEP "--sweep letter=2,3 --sweep turns=2,4 "
  static const Case cases[] = {
      {GRID, 0, "| letter | turns | evaluations | seconds | neural | judge |"},
      {GRID, 0, "| 2 | 2 | 2 | "},
      {GRID, 0, "| 2 | 4 | 4 | "},
      {GRID, 0, "| 3 | 2 | 2 | "},
      {GRID, 0, "| held-out text | | | | "},
      {GRID "-o grid --json", 0,
       "\"settings\":{\"letter\":\"2\",\"turns\":\"4\"},\"evaluations\":4,"},
      /* two files, and a sampler that lacks a parameter */
      {"eval turn.td turn2.td --untrained -q --samples 12 --reference --sweep letter=2,3 "
       "--sampler fixed --sampler flat",
       0, "| turn2.td | fixed | - | 3 |"},
      {SWEEP "--sweep letter", 2, "takes NAME=VALUE,VALUE"},
      {SWEEP "--sweep letter=2,,3", 2, "takes NAME=VALUE,VALUE"},
      {SWEEP "--sweep letter=2 --sweep letter=3", 2, "'letter' twice"},
      {SWEEP "--sweep letter=2 --set letter=3", 2, "--set and --sweep both give 'letter'"},
      {SWEEP "--sweep lettr=2", 2, "no sampler has a parameter 'lettr'; did you mean letter?"},
      {SWEEP "--sweep letter=2,9", 2, "--letter takes"},
      {SWEEP "--sweep letter=2 --sampler flt", 2, "has none of the samplers"},
      {SWEEP "--sweep letter=2 --controls", 2, "exclude each other"},
      {"eval turn.td --sweep letter=2", 2, "--sweep goes with --samples"},
      {"eval turn.td -o grid", 2, "--output goes with --sweep"},
      {"eval turn.td turn2.td", 2, "several files go with --sweep"},
      {NULL, 0, NULL}};
#define TURNS                                                        \
  "sampler flat(letter = 3 in 0 .. V - 1, turns = 3) {\n"            \
  "  state s[b in B, l in L] = 0\n"                                  \
  "  for t in 1 .. 12 steps turns { s[b,l] = min(t, 1) * letter }\n" \
  "  emit s[b,l]\n"                                                  \
  "}\n"
  (void)state;
  write_flat();
  write_program("turn", "long.txt", 4, 16, TURNS);
  write_program("turn2", "long.txt", 4, 16,
                TURNS "sampler fixed() {\n"
                      "  state s[b in B, l in L] = 3\n"
                      "  for t in 1 .. 3 { s[b,l] = s[b,l] }\n"
                      "  emit s[b,l]\n"
                      "}\n");
  write_judge("cost", "long.txt", 17, 3);
  try_all(cases);
  sandbox_shell("cat grid/evaluations.svg", 0, "points=\" 72.3,39.1 429.7,39.1\"");
  sandbox_shell("cat grid/evaluations.svg", 0, "points=\" 72.3,266.9 429.7,266.9\"");
  sandbox_shell("cat grid/evaluations.svg", 0, "&#9679; letter=2, by turns");
  sandbox_shell("cat grid/frontier.svg", 0, "&#9679; turns=4, by letter");
  sandbox_shell("grep -c '0.006 .* [*] |$' grid/table.md", 0, "2");
  sandbox_shell("grep '^| 3 .* 1.00 | .* 0.006 .* [*] |$' grid/table.md", 0, "| 3 | 4 | 4 |");
  sandbox_shell("grep '\"frontier\": true' grid/points.json | wc -l", 0, "2");
}

/* A sampler that writes what it is given, and one letter elsewhere. */
static void write_keep(void) {
  write_program("keep", "long.txt", 4, 16,
                "metric m(x: id<V>[B,L]) bound { report mean[b,l](w[x[b,l]]^2) }\n"
                "sampler flat(letter = 3 in 0 .. V - 1, prompt = \"\") {\n"
                "  state s[b in B, l in L] = letter\n"
                "  for t in 1 .. 3 { s[b,l] = prompt.given[l] ? prompt[l] : letter }\n"
                "  emit s[b,l]\n"
                "}\n");
}

/* keep.td writes what it is given, and one letter elsewhere. Of 16 symbols the gap is the one at
 * 7. Held-out windows 1 and 7 of "abc bbbbb cab aabb, " over and over begin at its symbols 16
 * and 12: both have a blank (0) there. So a blank is right always, and b (3) never; flat.td takes
 * no text. */
static void test_compare(void **state) {
#define COMPARE_ANY "compare keep.td flat.td --seeds 2 --samples 4 -q --reference "
#define COMPARE COMPARE_ANY "--windows 1 "
  static const Case cases[] = {
      {COMPARE, 0, "| % from both sides | 0.0 | - | - |"},
      {COMPARE "--set letter=0", 0, "| % from both sides | 100.0 | - | - |"},
      {COMPARE "--set letter=0", 0, "| % from what stands before | 100.0 | - | - |"},
      /* of windows 1, 3, 7, 11, from symbols 16, 8, 12, 16 on, the second has an a there */
      {COMPARE_ANY "--set letter=0 --windows 2", 0, "| % from both sides | 75.0 ± 25.0 | - | - |"},
      {COMPARE, 0, "| evaluations a text | 3 | 3 | - |"},
      {COMPARE, 0, "| parameters | 5 | 5 | - |"},
      /* the text repeats itself every 20 symbols, so its first 4 alone are news to the judge */
      {COMPARE, 0, "| first quarter | 1.19 | 1.19 | 1.37 |"},
      {COMPARE, 0, "| last | 0.71 | 0.71 | 0.01 |"},
      {COMPARE, 0, "| last less first | -0.48 | -0.48 | -1.36 |"},
      {COMPARE, 0, "| texts together | 4 | 4 | - |"},
      {COMPARE "--json", 0, "\"memory_alone\":{\"mean\":0."},
      {COMPARE "--samples 3 -D L=32", 0, "| texts together | 3 | 3 | - |"},
      {COMPARE "-D M=32", 1, "M"},
      /* what follows is the same, whatever the prompt is */
      {COMPARE "--json", 0, "\"noise_rise\":{\"mean\":0.0,\"error\":0.0,"},
      {COMPARE, 0, "| | keep.td | flat.td | held-out text |"},
      {COMPARE, 0, "| % of 8-grams repeated in a row | 88.9 | 88.9 | "},
      {COMPARE "--json", 0,
       "\"gap_gain\":{\"mean\":0.0,\"error\":0.0,\"held_out\":null,\"seeds\":[0.0,0.0]}"},
      {COMPARE "--json", 0, "\"claim\":\"bound\""},
      {COMPARE "--json --judge keep.td --batches 1", 1, "cannot judge"},
      {COMPARE "--json --judge charge.td", 0, "\"neural\":{\"mean\":1.0,\"error\":0.0,"},
      /* weights of 1 and of 3: their squares 1 and 9 have the mean 5, and 4 for its error */
      {"compare keep.td=ones.safetensors,threes.safetensors --seeds 2 --samples 4 -q --json", 0,
       "\"likelihood\":{\"mean\":5.0,\"error\":4.0,\"held_out\":null,\"seeds\":[1.0,9.0]}"},
      {"compare keep.td=ones.safetensors,absent --seeds 2 --samples 4 -q", 4, "absent"},
      {"compare flat.td keep.td --seeds 2 --samples 4 --reference", 0,
       "keep.td: seed 2 of 2: texts from a part, "},
      {COMPARE "--html page.html -o table.md", 0, ""},
      {COMPARE "--html /dev/full", 4, "/dev/full"},
      {"compare keep.td absent.td -q --reference --samples 4", 4, "absent.td"},
      {"compare flat.td keep.td -q --seeds 0", 2, "--seeds"},
      {"compare", 2, "FILE.td"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  write_keep();
  write_judge("charge", "long.txt", 17, 3);
  for (int i = 1; i <= 3; i += 2) {
    char td[600];
    snprintf(td, sizeof td,
             "data text { source \"./long.txt\"  tokens chars  split 0.6 }\n"
             "dim B = 4, L = 16, V = text.vocab\n"
             "param w[V] = %d\n"
             "loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]^2) }\n"
             "train { loss main  adam(lr = 0.01)  batch B  steps 1 }\n",
             i);
    sandbox_write("other.td", td);
    sandbox_says(i == 1 ? "export other.td --untrained -o ones.safetensors"
                        : "export other.td --untrained -o threes.safetensors",
                 NULL, 0, "", true);
  }
  try_all(cases);
  sandbox_shell("cat page.html", 0, "<h1>Comparison</h1>");
  sandbox_shell("cat page.html", 0, "<h2>Robustness: quality after a prompt</h2>");
  sandbox_shell("cat page.html", 0, "% from both sides</text>");
  sandbox_shell("cat page.html", 0, "</html>");
  sandbox_shell("cat table.md", 0, "| evaluations a text | 3 | 3 | - |");
}

/* Two runs of rows of 4 x 16 symbols. Of the first, which was resumed after 3 CPU seconds, the
 * last evaluation is at 4 seconds and 1920 symbols; of the other at 6 and 1280. So equal cost is
 * 4 seconds, where the second, on its way from 6 at 2 to 3 at 6, is at 4.5, and 1280 symbols,
 * where the first is at 4. In the picture CPU seconds 1 .. 6 lie at 44 .. 428 and values 2 .. 8 at
 * 330 .. 30, by their logarithms: log 3 / log 6 = .6131, log 4 / log 6 = .7737; 4 is half-way from
 * 2 to 8. */
static void test_compare_runs(void **state) {
#define RUNS "keep.td=one,two "
  static const Case cases[] = {
      {"compare " RUNS "--seeds 3 --samples 4 -q --reference", 0, "| CPU seconds | 5 ± 1 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| best value validated | 2.500 ± 0.500 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| at equal CPU seconds | 3.250 ± 1.250 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "| at equal characters | 3.500 ± 0.500 | - |"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference", 0,
       "Equal cost is what the shortest run took: 4 CPU seconds, 0.00 million characters."},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference --json", 0,
       "\"equal_cpu\":4.0,\"equal_characters\":1280.0,"},
      {"compare " RUNS "--seeds 2 --samples 4 -q --reference --json", 0,
       "\"runs\":[[[640.0,1.0,8.0],[1280.0,3.0,4.0],[1920.0,4.0,2.0]],[[640.0,2.0,6.0],"},
      /* a third of three times 0.7 is another number than 0.7 */
      {"compare keep.td=three,three,three --samples 4 -q --reference --json", 0,
       "\"train_cpu\":{\"mean\":0.69999999999999996,\"error\":0.0,"},
      {"compare " RUNS "-q --curves curves.svg", 0, ""},
      {"compare keep.td=four -q --curves near.svg", 0, ""},
      {"compare " RUNS "--seeds 1 --samples 4 -q --reference --html runs.html", 0, ""},
      {"compare k<e|p.td=one/log.jsonl -q --curves escaped.svg", 0, ""},
      {"compare k<e|p.td --seeds 1 --samples 4 -q --reference", 0, "| k<e\\|p.td |"},
      {"compare keep.td -q --curves none.svg", 2, "no run with a log"},
      {"compare " RUNS "-q --curves curves.svg --json", 2, "exclude each other"},
      {"compare " RUNS "-q --curves /dev/full", 4, "/dev/full"},
      /* as its run was: 2 rows of 8, so 2 steps read 32 symbols */
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference --json", 0, "\"runs\":[[[32.0,"},
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference", 0, "| texts together | 2 | - |"},
      {"compare keep.td=run --seeds 1 --samples 4 -q --reference -D B=3", 0,
       "| texts together | 3 | - |"},
      {NULL, 0, NULL}};
  (void)state;
  write_flat();
  write_keep();
  sandbox_shell("mkdir one two three four", 0, "");
  sandbox_write("one/log.jsonl", "{\"step\":1,\"loss\":9,\"cpu\":0.5}\n"
                                 "{\"step\":10,\"valid\":{\"loss\":1,\"m\":8},\"cpu\":1}\n"
                                 "{\"step\":20,\"valid\":{\"loss\":1,\"m\":4},\"cpu\":3}\n"
                                 "{\"step\":22,\"loss\":9,\"cpu\":0.5}\n"
                                 "{\"step\":30,\"valid\":{\"loss\":1,\"m\":2},\"cpu\":1}\n");
  sandbox_write("four/log.jsonl",
                "{\"step\":10,\"valid\":{\"m\":1},\"cpu\":1}\n{\"step\":20,"
                "\"valid\":{\"m\":1.000000000001},\"cpu\":1.0000000000000002}\n{\"step\":");
  sandbox_write("three/log.jsonl", "{\"step\":10,\"valid\":{\"loss\":1,\"m\":6},\"cpu\":0.7}\n");
  sandbox_write("two/log.jsonl", "{\"step\":10,\"valid\":{\"loss\":1,\"m\":6},\"cpu\":2}\n"
                                 "{\"step\":20,\"valid\":{\"loss\":1,\"m\":3},\"cpu\":6}\n");
  sandbox_shell(
      "cp keep.safetensors one/best.safetensors && cp keep.safetensors two/best.safetensors"
      " && cp keep.safetensors three/best.safetensors"
      " && cp keep.td 'k<e|p.td' && cp keep.safetensors 'k<e|p.safetensors'",
      0, "");
  sandbox_says("train keep.td --steps 2 -D B=2 -D L=8 -o run -q --reference", NULL, 0, "", true);
  try_all(cases);
  sandbox_shell("cat curves.svg", 0, "m against CPU seconds");
  sandbox_shell("cat curves.svg", 0, " points=\" 44.0,30.0 279.4,180.0 341.1,330.0\"");
  /* the style; of values five in steps of 2e-13, twice; of symbols 700, 800 .. 1200; of seconds,
   * which are next to each other, none */
  sandbox_shell("grep -c axis near.svg", 0, "17\n");
  sandbox_shell("cat escaped.svg", 0, ">k&lt;e|p, bound<");
  sandbox_shell("cat runs.html", 0, "sampler flat; weights one, two</p>");
  sandbox_shell("cat runs.html", 0,
                "1 seed of 4 texts each, prompts and gaps of 3 held-out texts.");
  sandbox_shell("cat runs.html", 0, " points=\" 44.0,30.0 279.4,180.0 341.1,330.0\"");
}

/* Training text is all b, and so is noise; held-out text is all a. The sampler writes b behind as
 * many b as are wanted and a behind others: where it writes b, the judge is at 0 bits. Of the 32
 * symbols of a prompt 5% are 1.6, 10% 3.2 and 20% 6.4. A gap stands behind no b. */
static void test_compare_noise(void **state) {
#define WANT "compare want.td --seeds 2 --windows 2 --samples 2 -q --reference --set want="
  static const Case cases[] = {{WANT "0", 0, "| of held-out text | 0.00 |"},
                               {WANT "2", 0, "| with 5% noise in it | 0.00 |"},
                               {WANT "3", 0, "| with 10% | 0.00 |"},
                               {WANT "6", 0, "| with 20% | 0.00 |"},
                               {WANT "32", 0, "| of noise alone: what follows first | 0.00 |"},
                               {WANT "32", 0, "| of noise alone: later on | 0.00 |"},
                               {WANT "0", 0, "| % from what stands before | 0.0 | - |"},
                               {WANT "1", 0, "| % from what stands before | 100.0 | - |"},
                               {WANT "1", 0, "| % from both sides | 100.0 | - |"},
                               {WANT "1", 0, "| gain, points | 0.0 | - |"},
                               {NULL, 0, NULL}};
  static const char *const rows[] = {"of held-out text", "with 5% noise in it", "with 10%",
                                     "with 20%", "of noise alone: later on"};
  (void)state;
  StrBuf text = {0};
  for (int i = 0; i < 2000; i++) sb_putc(&text, i < 1200 ? 'b' : 'a');
  sandbox_write("halves.txt", text.s);
  sb_free(&text);
  write_program("want", "halves.txt", 2, 128,
                "sampler write(want = 0 in 0 .. 32, prompt = \"\") {\n"
                "  n = sum[l in L](prompt.given[l] && prompt[l] == 1 ? 1 : 0)\n"
                "  state s[b in B, l in L] = 0\n"
                "  for t in 1 .. 1 {\n"
                "    s[b,l] = prompt.given[l] ? prompt[l] : n == want ? 1 : 0\n"
                "  }\n"
                "  emit s[b,l]\n"
                "}\n");
  try_all(cases);
  for (int i = 0; i < 5; i++) { /* one b in it: none of these */
    char row[100];
    snprintf(row, sizeof row, "| %s | 0.00 |", rows[i]);
    sandbox_says(WANT "1", NULL, 0, row, false);
  }
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_window_counts),
      cmocka_unit_test(test_every_symbol_counts),
      cmocka_unit_test(test_compiling_is_not_sampling),
      cmocka_unit_test(test_samples_are_measured),
      cmocka_unit_test(test_samples_are_judged),
      cmocka_unit_test(test_words_and_cold),
      cmocka_unit_test(test_sweep),
      cmocka_unit_test(test_compare),
      cmocka_unit_test(test_compare_runs),
      cmocka_unit_test(test_compare_noise),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
