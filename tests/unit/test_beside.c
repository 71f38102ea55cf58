/* SPDX-License-Identifier: MIT */
/* Two models side by side, and several texts at once: what a terminal shows, what a pipe gets, what
 * a page holds. */
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/view/viewer.h"
#include "tests/sandbox.h"

/* ---- frames ------------------------------------------------------------------------------- */

static const uint32_t letters[] = {'d', 'e', '\n'};
static const Vocabulary vocabulary = {
    .kind = TOKENS_CHARS, .size = 3, .symbols = (uint32_t *)(uintptr_t)letters};

/* A viewer on a terminal of its own. */
typedef struct Screen {
  Viewer w;
  int user;
  FILE *out;
} Screen;

static Screen screen_new(unsigned short rows, unsigned short columns, bool colour) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  Screen s;
  int program;
  assert_int_equal(openpty(&s.user, &program, NULL, NULL, &size), 0);
  s.out = fdopen(program, "w");
  Terminal t = {.out = s.out, .tty = true, .live = true, .unicode = true, .colour = colour};
  s.w = viewer_new(t, &vocabulary);
  return s;
}

/* What was drawn since, up to the cursor's being shown again. */
static char *screen_end(Screen *s) {
  viewer_end(&s->w);
  char *said = calloc(1, 1 << 14);
  for (size_t k = 0; strstr(said, "\033[?25h") == NULL;) {
    ssize_t got = read(s->user, said + k, (1 << 14) - 1 - k);
    assert_true(got > 0);
    k += (size_t)got;
  }
  fclose(s->out);
  close(s->user);
  return said;
}

static SampleFrame frame_of(const int32_t *ids, int64_t batch, int64_t window, int64_t done) {
  return (SampleFrame){.done = done,
                       .count = 2,
                       .evaluations = done,
                       .in_all = 2,
                       .seconds = 0.03,
                       .batch = batch,
                       .window = window,
                       .ids = ids,
                       .glyph = "\xc2\xb7"};
}

static void shows(const char *said, const char *what) {
  if (strstr(said, what) == NULL) fail_msg("no '%s' in '%s'", what, said);
}

#define SPACES30 "                              "
#define NEXT "\r\n\r\033[K"

/* 71 columns are two panes of 34 and a rule; one line fewer columns, and they stand one below the
 * other. The left text has two lines, the right one one. */
static void test_two_panes(void **state) {
  (void)state;
  static const int32_t left[4] = {0, 2, 1, 3}, right[4] = {1, 1, 0, 0};
  SampleFrame a = frame_of(left, 1, 4, 1), b = frame_of(right, 1, 4, 2);
  for (int narrow = 0; narrow < 2; narrow++) {
    Screen s = screen_new(24, narrow ? 70 : 71, false);
    viewer_beside(&s.w, "one (x)", &vocabulary, "two (y)");
    s.w.note = "equal";
    assert_true(viewer_fits(&s.w));
    viewer_draw_panes(&s.w, (const SampleFrame *const[]){&a, &b});
    char *said = screen_end(&s);
    if (narrow)
      shows(said, "\033[Kd" NEXT "e\xc2\xb7" NEXT NEXT "one (x)" NEXT
                  "1 of 2 evaluations, 30 ms" NEXT NEXT "eedd" NEXT NEXT "two (y)" NEXT
                  "2 evaluations, 30 ms" NEXT "equal\r\n");
    else
      shows(said, "\033[Kd" SPACES30 "    \xe2\x94\x82 eedd" NEXT "e\xc2\xb7" SPACES30
                  "   \xe2\x94\x82 " NEXT SPACES30 "     \xe2\x94\x82 " NEXT
                  "one (x)                            \xe2\x94\x82 two (y)" NEXT
                  "1 of 2 evaluations, 30 ms          \xe2\x94\x82 2 evaluations, 30 ms" NEXT
                  "equal\r\n");
    free(said);
  }
  /* nothing to see of one of them yet; a terminal with no line for a text */
  Screen s = screen_new(24, 80, false);
  viewer_beside(&s.w, "one", &vocabulary, "two");
  viewer_draw_panes(&s.w, (const SampleFrame *const[]){NULL, &b});
  char *said = screen_end(&s);
  shows(said, "no evaluation yet");
  free(said);
  s = screen_new(4, 80, false);
  viewer_beside(&s.w, "one", &vocabulary, "two");
  assert_false(viewer_fits(&s.w));
  said = screen_end(&(Screen){.w = {.terminal = s.w.terminal, .lines = 1}, s.user, s.out});
  free(said);
}

/* Three texts of four symbols, the second with two line ends. In ten lines all stand with a free
 * line between; where a text lost lines, those below it stay; the last frame is without gaps. */
static void test_several_texts(void **state) {
  (void)state;
  static const int32_t first[12] = {0, 0, 0, 0, 1, 2, 1, 2, 0, 1, 0, 1},
                       then[12] = {0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1};
  SampleFrame f = frame_of(first, 3, 4, 1), g = frame_of(then, 3, 4, 1),
              h = frame_of(then, 3, 4, 2);
  Screen s = screen_new(10, 20, false);
  s.w.texts = 3;
  viewer_draw(&s.w, &f);
  assert_int_equal(s.w.pane[0].whole, 3);
  viewer_draw(&s.w, &g);
  viewer_draw(&s.w, &h);
  char *said = screen_end(&s);
  shows(said, "\033[Kdddd" NEXT NEXT "e" NEXT "e" NEXT NEXT NEXT "dede" NEXT "step 1 of 2\r\n");
  shows(said, "\033[Kdddd" NEXT NEXT "eeee" NEXT NEXT NEXT NEXT "dede" NEXT "step 1 of 2\r\n");
  shows(said, "\033[Kdddd" NEXT NEXT "eeee" NEXT NEXT "dede" NEXT "step 2 of 2\r\n");
  free(said);
  /* Eight lines, six of them for texts: they have seven with the gaps, so each gets one, and only
   * the first is whole. Five lines, three for texts: room for two of them. */
  s = screen_new(8, 20, false);
  s.w.texts = 3;
  viewer_draw(&s.w, &f);
  assert_int_equal(s.w.pane[0].whole, 1);
  said = screen_end(&s);
  shows(said, "\033[Kdddd" NEXT NEXT "e" NEXT NEXT "dede" NEXT "step 1 of 2\r\n");
  free(said);
  s = screen_new(6, 50, false);
  s.w.texts = 3;
  viewer_draw(&s.w, &g);
  assert_int_equal(s.w.pane[0].whole, 2);
  said = screen_end(&s);
  shows(said, "\033[Kdddd" NEXT NEXT "eeee" NEXT "step 1 of 2, texts 1 to 2 of 3\r\n");
  free(said);
}

/* What changed since the frame before is marked, as long as it may change again and the sampler
 * does not tell how sure it is; else its probability is the shade. */
static void test_shades(void **state) {
  (void)state;
#define FRESH "\033[38;5;16;48;5;222m"
  static const int32_t first[4] = {3, 0, 0, 1}, then[4] = {1, 1, 0, 1};
  static const float sure[4] = {0.95f, 0.7f, 0.4f, 0.1f};
  SampleFrame f = frame_of(first, 1, 4, 1), g = frame_of(then, 1, 4, 1),
              h = frame_of(then, 1, 4, 2);
  SampleFrame i = g, j = f;
  i.confidence = j.confidence = sure;
  Screen s = screen_new(24, 80, true);
  viewer_draw(&s.w, &f);
  viewer_draw(&s.w, &g);
  viewer_draw(&s.w, &f);
  viewer_draw(&s.w, &h);
  viewer_draw(&s.w, &i);
  viewer_draw(&s.w, &j);
  char *said = screen_end(&s);
  shows(said, "\033[K\033[2;38;5;244m\xc2\xb7\033[0mdde\r\n");
  shows(said, "\033[K" FRESH "ee\033[0mde\r\n");
  shows(said, "\033[Keede\r\n");
  shows(said, "\033[Ke\033[2me\033[0m\033[38;5;244md\033[0m\033[2;38;5;244me\033[0m\r\n");
  /* of a place that is not decided it says something too */
  shows(said, "\033[K\xc2\xb7\033[2md");
  free(said);
}

/* ---- whole commands ------------------------------------------------------------------------- */

/* One goes to the right, the symbols of row b from the b-th on, the other to the left with one
 * letter. */
static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  char text[400] = "";
  for (int i = 0; i < 100; i++) strcat(text, "abc");
  sandbox_write("abc.txt", text);
#define HEAD                                                      \
  "data text { source \"./abc.txt\"  tokens chars  split 0.6 }\n" \
  "dim B = 4, L = 6, V = text.vocab\n"
  sandbox_write("right.td", HEAD
                "sampler right(prompt: id<V>[L] = \"\") {\n"
                "  state x[b in B, l in L] = prompt.given[l] ? prompt[l] : V\n"
                "  for i in 0 .. L - 1 { x[b,l] = l == i && x[b,l] == V ? (b + l) % V : x[b,l] }\n"
                "  emit x[b,l] else \"_\"\n"
                "}\n");
  sandbox_write("left.td",
                HEAD "sampler left(letter = 0 in 0 .. V - 1, text: id<V>[L] = \"\") {\n"
                     "  state x[b in B, l in L] = text.given[l] ? text[l] : V\n"
                     "  for i in L - 1 .. 0 { x[b,l] = l == i && x[b,l] == V ? letter : x[b,l] }\n"
                     "  emit x[b,l] else \"_\"\n"
                     "}\n"
                     "sampler mute(letter = 0 in 0 .. V - 1) {\n"
                     "  state x[b in B, l in L] = 0\n"
                     "  for i in 0 .. 1 { x[b,l] = letter }\n"
                     "  emit x[b,l]\n"
                     "}\n");
  return 0;
}

#define RIGHT "sample right.td --reference -q "

/* The prompt is given to both, under whatever name the other has it; flags are the first one's. */
static void test_plain(void **state) {
  (void)state;
  static const struct {
    const char *line, *says;
    int code;
  } cases[] = {
      {RIGHT "--beside left.td", "== right (right): 6 evaluations, ", 0},
      {RIGHT "--beside left.td", " ==\nabcabc\n\n== left (left): 6 evaluations, ", 0},
      {RIGHT "--beside left.td --beside-set letter=2", " ==\ncccccc\n", 0},
      {RIGHT "--beside left.td -n 2 --prompt c --beside-set letter=1",
       " ==\ncbcabc\n\n--------\nccabca\n\n== left (left, letter 1): 6 evaluations of 2 texts "
       "each, ",
       0},
      {RIGHT "--beside left.td -n 2 --prompt c --beside-set letter=1",
       " ==\ncbbbbb\n\n--------\ncbbbbb\n", 0},
      {RIGHT "--beside left.td --infill b__b", " ==\nbbcbbc\n\n", 0},
      {RIGHT "--beside left.td --infill b__b", " ==\nbaabaa\n", 0},
      {RIGHT "--beside left.td -n 5", ": 12 evaluations of 4 texts each, ", 0},
      {RIGHT "--beside left.td --beside-sampler mute", "== left (mute): 2 evaluations", 0},
      {RIGHT "--beside left.td --watch", "needs a terminal", 0},
      {RIGHT "--beside left.td --json -n 2 --prompt c",
       "[{\"model\":\"right\",\"sampler\":\"right\",\"evaluations\":6,\"rows\":2,\"seconds\":", 0},
      {RIGHT "--beside left.td --json -n 2 --prompt c", "\"texts\":[\"cbcabc\",\"ccabca\"]},{", 0},
      {RIGHT "--beside left.td --json --prompt c", "\"texts\":[\"caaaaa\"]}]\n", 0},
      {RIGHT "--beside left.td --html /dev/stdout -n 2",
       "\"name\":\"left\",\"detail\":\"left\",\"steps\":6,\"evaluations\":6,\"microseconds\":[", 0},
      {RIGHT "--beside left.td --html /dev/stdout -n 2",
       "\"frames\":[{\"done\":1,\"rows\":[{\"text\":\"_____a\"},{\"text\":\"_____a\"}]},", 0},
      {RIGHT "--beside left.td --gif /dev/stdout", "GIF89a", 0},
      {RIGHT "--beside left.td --gif /dev/full", "/dev/full: No space left", 4},
      {RIGHT "--beside left.td -o /dev/full", "/dev/full: No space left", 4},
      {RIGHT "--beside absent.td", "absent.td", 4},
      {RIGHT "--beside left.td --beside-sampler lift", "did you mean left", 2},
      {RIGHT "--beside left.td --beside-set ltter=1", "did you mean --letter", 2},
      {RIGHT "--beside left.td --beside-set letter=7", "left.td: --letter takes", 2},
      {RIGHT "--beside left.td --beside-set letter", "--beside-set takes NAME=VALUE", 2},
      {RIGHT "--beside left.td --beside-sampler mute --prompt c",
       "sampler mute of left.td takes no text", 2},
      {RIGHT "--beside-set letter=1", "--beside-set goes with --beside", 2},
      {RIGHT "--beside-weights w", "--beside-weights goes with --beside", 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char *line = strdup(cases[i].line), *quiet = strstr(line, " -q");
    if (strstr(line, "--watch") != NULL) memcpy(quiet, "   ", 3);
    sandbox_says(line, NULL, cases[i].code, cases[i].says, true);
    free(line);
  }
}

/* A network is evaluated as often as it is called in an iteration: here by an op, and in a loop of
 * three; not by another model. Two iterations are eight. */
static void test_evaluations(void **state) {
  (void)state;
  sandbox_write("many.td",
                HEAD "model one(x: id<V>[B,L]) -> y[B,L] { y[b,l] = (x[b,l] + 1.0) / V }\n"
                     "model two(x: id<V>[B,L]) -> y[B,L] {\n"
                     "  z = one(x)\n"
                     "  y[b,l] = one(x)[b,l] + z[b,l]\n"
                     "}\n"
                     "op apart(x: id<V>[B,L]) -> y[B,L] { y = one(x) }\n"
                     "sampler many() {\n"
                     "  state x[b in B, l in L] = 0\n"
                     "  for t in 1 .. 2 {\n"
                     "    y = apart(x)\n"
                     "    for i in 3 {\n"
                     "      z = two(x)\n"
                     "      y[b,l] = y[b,l] + z[b,l]\n"
                     "    }\n"
                     "    x[b,l] = y[b,l] > 1 ? 1 : 0\n"
                     "  }\n"
                     "  emit x[b,l]\n"
                     "}\n");
  sandbox_says(RIGHT "--beside many.td", NULL, 0, "== many (many): 8 evaluations, ", true);
  sandbox_says(RIGHT "--beside many.td --html /dev/stdout", NULL, 0,
               "\"steps\":2,\"evaluations\":8,", true);
}

/* On a terminal each is drawn in its half, and what was seen is not said again. */
static void test_watched(void **state) {
  (void)state;
  char *said = sandbox_terminal(RIGHT "--beside left.td --watch --color never -n 2", 90);
#define HALF "                                     "
  shows(said, "abcabc" HALF " \xe2\x94\x82 aaaaaa" NEXT HALF "       \xe2\x94\x82 " NEXT
              "bcabca" HALF " \xe2\x94\x82 aaaaaa" NEXT);
  shows(said, "a_____" HALF " \xe2\x94\x82 ");
  shows(said, "equal seconds of computing for both\r\n\033[J");
  assert_null(strstr(said, "=="));
  assert_string_equal(strstr(said, "\033[?25h"), "\033[?25h");
  free(said);
  /* who computes more texts at once is said to */
  sandbox_shell("sed 's/B = 4/B = 2/' left.td > pair.td", 0, "");
  said = sandbox_terminal(RIGHT "--beside pair.td --watch --color never -n 4", 90);
  shows(said, "equal seconds of computing for both, 4 texts at once and 2\r\n");
  free(said);
  sandbox_says(RIGHT "--beside pair.td --html /dev/stdout -n 4", NULL, 0,
               "\"detail\":\"seed 0, 4 texts at once and 2\"", true);
  /* of five texts four are computed at once, and seen: the fifth is printed, under its model */
  said = sandbox_terminal(RIGHT "--beside left.td --watch --color never -n 5", 90);
  shows(said, "\033[?25h== right (right): 12 evaluations of 4 texts each, ");
  shows(said, " ==\r\n\r\n--------\r\nabcabc\r\n\r\n== left (left): 12 evaluations");
  free(said);
}

/* Each has its seconds, whatever a turn takes: the first sums fifteen million products in three
 * turns, the second counts to forty meanwhile. By the first one's second turn it is done, in fewer
 * frames than it has turns. */
static void test_equal_seconds(void **state) {
  (void)state;
  sandbox_write("heavy.td", HEAD "dim N = 170\n"
                                 "sampler heavy() {\n"
                                 "  state w[i in N, j in N] = 1.0 / (1 + i + j)\n"
                                 "  for t in 1 .. 3 {\n"
                                 "    v[i,j] = sum[k](w[i,k] * w[k,j]) / (N * N * N)\n"
                                 "    w[i,j] = v[i,j]\n"
                                 "  }\n"
                                 "  x[b in B, l in L] = (l + (w[0,0] > 1e30 ? 1 : 0)) % V\n"
                                 "  emit x[b,l]\n"
                                 "}\n");
  sandbox_write("light.td", HEAD "sampler light() {\n"
                                 "  state x[b in B, l in L] = V\n"
                                 "  for i in 1 .. 40 { x[b,l] = i % V }\n"
                                 "  emit x[b,l] else \"_\"\n"
                                 "}\n");
  char *said = sandbox_terminal(
      "sample heavy.td --beside light.td --watch --color never -q --reference", 90);
  const char *second = strstr(said, "2 of 3 evaluations");
  assert_non_null(second);
  const char *other = strstr(second, "40 evaluations");
  assert_non_null(other);
  assert_true(other < strstr(second, "\n"));
  int frames = 0;
  for (const char *p = said; (p = strstr(p, "\033[J")) != NULL; p++) frames++;
  assert_true(frames < 20);
  free(said);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_two_panes),     cmocka_unit_test(test_several_texts),
      cmocka_unit_test(test_shades),        cmocka_unit_test(test_plain),
      cmocka_unit_test(test_evaluations),   cmocka_unit_test(test_watched),
      cmocka_unit_test(test_equal_seconds),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
