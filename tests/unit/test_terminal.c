/* SPDX-License-Identifier: MIT */
/* What texts do to a terminal: wide characters fill two columns, marks none, and nothing that
 * a text holds acts. */
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

#include "runtime/system/utf8.h"
#include "runtime/view/viewer.h"
#include "tests/sandbox.h"

/* By the Unicode Character Database: East_Asian_Width, General_Category. */
static void test_columns(void **state) {
  (void)state;
  static const struct {
    uint32_t point;
    int columns;
  } all[] = {{'a', 1},     {' ', 1},     {0xe9, 1},    {0x2501, 1},  {0x4e00, 2},
             {0xff21, 2},  {0xac00, 2},  {0x1f600, 2}, {0x301, 0},   {0x5b0, 0},
             {0, -1},      {0x1b, -1},   {0x7f, -1},   {0x9b, -1},   {0xad, -1},
             {0x200d, -1}, {0x202e, -1}, {0x2028, -1}, {0xfeff, -1}, {0x378, -1}};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    if (utf8_columns(all[i].point) != all[i].columns)
      fail_msg("U+%04X: %d columns, not %d", all[i].point, utf8_columns(all[i].point),
               all[i].columns);
}

static void becomes(Terminal t, const char *text, const char *what) {
  StrBuf s = {0};
  terminal_text(&t, &s, text, strlen(text));
  assert_string_equal(s.s, what);
  sb_free(&s);
}

static void test_texts(void **state) {
  (void)state;
  static const char hostile[] = "a\033[31mb\r\nc\rd\xff\xc2\x9b\x7f\xc3\xa9\t\xe4\xb8\x80";
  becomes((Terminal){.tty = true, .unicode = true}, hostile,
          "a\xef\xbf\xbd[31mb\nc\xef\xbf\xbd"
          "d\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\t\xe4\xb8\x80");
  becomes((Terminal){.tty = true}, hostile, "a?[31mb\nc?d????\t?"); /* no UTF-8: no C1 in it */
  becomes((Terminal){.unicode = true}, hostile, hostile);
}

/* ---- --watch --------------------------------------------------------------------------- */

/* What one frame of the symbols draws in so many columns. */
static char *drawn(const uint32_t *symbols, int64_t kinds, const int32_t *ids, int64_t n,
                   unsigned short columns, bool colour) {
  struct winsize size = {.ws_row = 24, .ws_col = columns};
  int user, program;
  assert_int_equal(openpty(&user, &program, NULL, NULL, &size), 0);
  FILE *out = fdopen(program, "w");
  Vocabulary v = {.kind = TOKENS_CHARS, .size = kinds, .symbols = (uint32_t *)symbols};
  Viewer w = viewer_new(
      (Terminal){.out = out, .tty = true, .live = true, .unicode = true, .colour = colour}, &v);
  SampleFrame f = {.done = 1, .count = 1, .batch = 1, .window = n, .ids = ids, .glyph = "\xc2\xb7"};
  viewer_draw(&w, &f);
  viewer_end(&w);
  char *said = calloc(1, 8192);
  for (size_t k = 0; strstr(said, "\033[?25h") == NULL;) {
    ssize_t got = read(user, said + k, 8191 - k);
    assert_true(got > 0);
    k += (size_t)got;
  }
  fclose(out);
  close(user);
  return said;
}

static void test_watch_counts_columns(void **state) {
  (void)state;
  static const uint32_t symbols[] = {0x1b, 'e', 0x301, 0x4e00, 0x1f600};
  int32_t ids[13];
  /* seven wide ones in 13 columns: six, then one */
  for (int i = 0; i < 13; i++) ids[i] = i % 2 == 0 ? 3 : 4;
  char *said = drawn(symbols, 5, ids, 7, 13, false);
  assert_non_null(strstr(said, "\033[K\xe4\xb8\x80\xf0\x9f\x98\x80\xe4\xb8\x80\xf0\x9f\x98\x80"
                               "\xe4\xb8\x80\xf0\x9f\x98\x80\r\n\r\033[K\xe4\xb8\x80\r\n"));
  free(said);
  /* marks take no column: twelve letters, one of them marked, on one line of 12 */
  for (int i = 0; i < 13; i++) ids[i] = i == 5 ? 2 : 1;
  said = drawn(symbols, 5, ids, 13, 12, false);
  assert_non_null(strstr(said, "\033[Keeeee\xcc\x81"
                               "eeeeeee\r\n\r\033[Kstep 1"));
  free(said);
  /* a mark that begins a line has a circle to stand on; ESC is drawn as U+FFFD */
  ids[0] = 2;
  ids[1] = 0;
  said = drawn(symbols, 5, ids, 2, 12, false);
  assert_non_null(strstr(said, "\033[K\xe2\x97\x8c\xcc\x81\xef\xbf\xbd\r\n\r\033[Kstep 1"));
  free(said);
}

/* What is no symbol is drawn as the sampler says, and takes the columns of that. */
static void test_watch_shows_what_is_no_symbol(void **state) {
  (void)state;
  static const uint32_t symbols[] = {'d', 'e'};
  static const int32_t ids[13] = {1, 2, 0, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2};
  char *said = drawn(symbols, 2, ids, 13, 12, false);
#define DOTS(n) n n n n n n n n
  assert_non_null(strstr(said, "\033[Ke\xc2\xb7"
                               "d" DOTS("\xc2\xb7") "e\r\n\r\033[K\xc2\xb7\r\n"));
#undef DOTS
  free(said);
  /* where there are colours it is dim */
  said = drawn(symbols, 2, ids, 3, 12, true);
  assert_non_null(strstr(said, "\033[Ke\033[2;38;5;244m\xc2\xb7\033[0md\r\n"));
  free(said);
}

/* ---- whole commands ------------------------------------------------------------------- */

/* A sampler that says all symbols of its text, ESC and the C1 control CSI among them. */
static void test_samples_do_not_act(void **state) {
  (void)state;
  static const char letters[] = "ab\033[2J\xc2\x9b";
  char text[400] = "";
  for (int i = 0; i < 40; i++) strcat(text, letters);
  sandbox_write("text.txt", text);
  sandbox_write("esc.td", SANDBOX_MODEL("h") "sampler all() {\n"
                                             "  state x[b in B, l in L] = min(l, V - 1)\n"
                                             "  emit x[b,l]\n"
                                             "}\n"
                                             "train { loss main  adam(lr = 0.01)  batch B  steps "
                                             "2  sample all every 1 }\n");
  /* symbols by number: ESC 2 J [ a b CSI; the last one fills the line */
  static const char shown[] = "\xef\xbf\xbd"
                              "2J[ab\xef\xbf\xbd\xef\xbf\xbd";
  static const char *const lines[] = {"sample esc.td --untrained -q --reference",
                                      "sample esc.td --untrained -q --reference --watch",
                                      "train esc.td --reference -o esc --overwrite"};
  for (int i = 0; i < 3; i++) {
    char *said = sandbox_terminal(lines[i], 90);
    if (strstr(said, shown) == NULL) fail_msg("%s: %s", lines[i], said);
    assert_null(strstr(said, "\033[2J"));
    assert_null(strstr(said, "\033"
                             "2J"));
    assert_null(strstr(said, "\xc2\x9b"));
    free(said);
  }
  char *said = sandbox_terminal("sample esc.td --untrained -q --reference --json", 90);
  assert_string_equal(said, "[\"\\u001B2J[ab\\u009B\\u009B\"]\r\n");
  free(said);
  /* into a file: byte for byte */
  said = sandbox_tdc("sample esc.td --untrained -q --reference", NULL, 0);
  assert_string_equal(said, "\033"
                            "2J[ab\xc2\x9b\xc2\x9b\n");
  free(said);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_columns),
      cmocka_unit_test(test_texts),
      cmocka_unit_test(test_watch_counts_columns),
      cmocka_unit_test(test_watch_shows_what_is_no_symbol),
      cmocka_unit_test(test_samples_do_not_act),
  };
  return cmocka_run_group_tests(tests, sandbox_enter, sandbox_leave);
}
