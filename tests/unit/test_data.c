/* SPDX-License-Identifier: MIT */
/* Texts, tokenizers and windows: what is read, what is refused, and that a
 * window depends on seed, step and row alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/data/data.h"
#include "runtime/system/utf8.h"
#include "tests/sandbox.h"

static int make_folder(void **state) {
  if (sandbox_make(state) != 0) return -1;
  setenv("TDC_OFFLINE", "1", 1);
  setenv("TDC_DATA", *state, 1);
  setenv("XDG_CACHE_HOME", "/nonexistent", 1);
  return 0;
}

static char *put(const char *folder, const char *name, const char *text, size_t n) {
  char *path = io_join(folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, n, f), n);
  fclose(f);
  return path;
}

static Dataset *load(const char *source, Tokens tokens, double split, TdError *err) {
  CorpusSearch search = {0};
  DataDecl decl = {.name = "text", .source = source, .tokens = tokens, .split = split};
  *err = (TdError){0};
  return dataset_load(&search, &decl, err);
}

static int32_t token(const Dataset *d, int64_t i) {
  int32_t id;
  dataset_read(d, i, 1, &id);
  return id;
}

static void test_chars(void **state) {
  char *path = put(*state, "a.txt",
                   "b\xc3\xa9"
                   "a\nb",
                   6);
  TdError err;
  Dataset *d = load(path, TOKENS_CHARS, 1, &err);
  assert_non_null(d);
  assert_true(d->count == 5 && d->train == 5 && d->vocabulary.size == 4); /* \n a b e-acute */
  static const int32_t want[] = {2, 3, 1, 0, 2};
  int32_t read[5];
  dataset_read(d, 0, 5, read);
  assert_memory_equal(read, want, sizeof want);
  assert_int_equal(dataset_bytes(d), 5 + 4 * (4 + 8)); /* tokens; code points and shares */
  assert_true(d->unigram[2] == 0.4 && d->unigram[0] == 0.2);
  StrBuf s = {0};
  for (int i = 0; i < 5; i++) vocabulary_spell(&d->vocabulary, token(d, i), &s);
  assert_string_equal(s.s, "b\xc3\xa9"
                           "a\nb");
  sb_free(&s);
  vocabulary_write(&d->vocabulary, &s);
  assert_string_equal(s.s, "10 97 98 233");
  assert_true(vocabulary_same(&d->vocabulary, "chars", s.s));
  assert_false(vocabulary_same(&d->vocabulary, "bytes", s.s));
  assert_false(vocabulary_same(&d->vocabulary, "chars", "10 97"));
  sb_free(&s);
  int32_t ids[8];
  size_t n, offset;
  assert_false(vocabulary_encode(&d->vocabulary, (const uint8_t *)"ab?", 3, ids, &n, &offset));
  assert_true(n == 2 && offset == 2);
  assert_false(vocabulary_encode(&d->vocabulary, (const uint8_t *)"a\xc3", 2, ids, &n, &offset));
  assert_int_equal(offset, 1);
  dataset_free(d);
  free(path);
}

static void test_bytes_and_ascii(void **state) {
  char *path = put(*state, "b.bin", "a\0\xff", 3);
  TdError err;
  Dataset *d = load(path, TOKENS_BYTES, 1, &err);
  assert_true(d != NULL && d->count == 3 && d->vocabulary.size == 256 && token(d, 2) == 255);
  dataset_free(d);
  assert_null(load(path, TOKENS_ASCII, 1, &err));
  assert_non_null(strstr(err.message, "byte 2 is 0xff"));
  assert_null(load(path, TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "not UTF-8: byte 2"));
  free(path);
}

static void test_utf8_is_strict(void **state) {
  (void)state;
  static const char *const bad[] = {"\x80",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xe0\x80\x80",
                                    "\xed\xa0\x80",
                                    "\xf0\x80\x80\x80",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xff",
                                    "\xc3",
                                    "\xe2\x82",
                                    "\xc3("};
  Vocabulary v;
  TdError err;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(
        vocabulary_make(&v, TOKENS_CHARS, "x", (const uint8_t *)bad[i], strlen(bad[i]), &err));
  StrBuf mended = {0};
  utf8_mend(&mended, "a\xc3\xa9\xc3(\xff\xe2\x82", 8); /* e-acute stays, halves go */
  assert_string_equal(mended.s, "a\xc3\xa9\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
  sb_free(&mended);
}

/* A text of so many code points from U+20000 on, each once, twice over. */
static void check_width(const char *folder, uint32_t kinds, int width) {
  StrBuf s = {0};
  char one[4];
  TdError err;
  for (uint32_t i = 0; i < 2 * kinds; i++) {
    uint32_t p = 0x20000 + i % kinds;
    sb_write(&s, one, utf8_put(p, one));
  }
  char *path = put(folder, "wide.txt", s.s, s.n);
  Dataset *d = load(path, TOKENS_CHARS, 1, &err);
  assert_non_null(d);
  assert_true(d->count == 2 * kinds && d->vocabulary.size == kinds);
  assert_int_equal(vocabulary_width(&d->vocabulary), width);
  for (uint32_t i = 0; i < 2 * kinds; i += 37) assert_int_equal(token(d, i), i % kinds);
  assert_int_equal(dataset_bytes(d), 2 * kinds * (uint32_t)width + kinds * 12);
  int32_t window[5];
  assert_true(dataset_train_window(d, 3, 1, 0, 5, window, &err));
  int64_t at = dataset_train_offset(d, 3, 1, 0, 5);
  for (int i = 0; i < 5; i++) assert_int_equal(window[i], (at + i) % kinds);
  dataset_free(d);
  free(path);
  sb_free(&s);
}

static void test_widths(void **state) {
  check_width(*state, 256, 1);
  check_width(*state, 257, 2);
  check_width(*state, 65536, 2);
  check_width(*state, 65537, 4);
}

static size_t most_resident(void) {
  struct rusage u;
  assert_int_equal(getrusage(RUSAGE_SELF, &u), 0);
  return (size_t)u.ru_maxrss * 1024;
}

/* A text takes its size while it is read and after: its bytes become its tokens. */
static void test_takes_its_size(void **state) {
  enum { SIZE = 32 << 20, SLACK = 1 << 20 };
  char *text = malloc(SIZE);
  assert_non_null(text);
  for (size_t i = 0; i < SIZE; i++) text[i] = (char)('a' + i % 23);
  char *path = put(*state, "large.txt", text, SIZE);
  free(text); /* and what it took is given back: the next as large is taken from the system too */
  size_t before = most_resident();
  TdError err;
  Dataset *d = load(path, TOKENS_CHARS, 0.9, &err);
  assert_true(d != NULL && d->count == SIZE && token(d, SIZE - 1) == (SIZE - 1) % 23);
  assert_int_equal(dataset_bytes(d), SIZE + 23 * (4 + 8));
  assert_true(most_resident() <= before + SLACK); /* no more than the one that was freed */
  dataset_free(d);
  free(path);
}

/* A byte-order mark is no symbol of characters, and three bytes of bytes. */
static void test_byte_order_mark(void **state) {
  char *path = put(*state, "mark.txt",
                   "\xef\xbb\xbf"
                   "ab\xef\xbb\xbf",
                   8),
       *alone = put(*state, "alone.txt", "\xef\xbb\xbf", 3),
       *ascii = put(*state, "ascii.txt",
                    "\xef\xbb\xbf"
                    "ba",
                    5);
  TdError err;
  Dataset *d = load(path, TOKENS_CHARS, 1, &err);
  assert_true(d != NULL && d->count == 3 && d->vocabulary.size == 3);
  assert_true(token(d, 0) == 0 && token(d, 1) == 1 && token(d, 2) == 2); /* elsewhere it is one */
  dataset_free(d);
  d = load(ascii, TOKENS_ASCII, 1, &err);
  assert_true(d != NULL && d->count == 2 && token(d, 0) == 'b' && token(d, 1) == 'a');
  dataset_free(d);
  d = load(path, TOKENS_BYTES, 1, &err);
  assert_true(d != NULL && d->count == 8 && token(d, 0) == 0xef);
  dataset_free(d);
  assert_null(load(alone, TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "is empty"));
  free(path);
  free(alone);
  free(ascii);
}

static void test_windows(void **state) {
  char text[1000];
  for (int i = 0; i < 1000; i++) text[i] = (char)('a' + i % 7);
  char *path = put(*state, "w.txt", text, sizeof text);
  TdError err;
  Dataset *d = load(path, TOKENS_CHARS, 0.9, &err);
  assert_true(d != NULL && d->train == 900 && dataset_valid_count(d, 33) == 3);
  int64_t lowest = 1000, highest = -1, same = 0;
  for (int64_t step = 1; step <= 300; step++) {
    for (int64_t row = 0; row < 8; row++) {
      int64_t at = dataset_train_offset(d, 7, step, row, 64);
      assert_true(at >= 0 && at + 64 <= 900);
      assert_true(at == dataset_train_offset(d, 7, step, row, 64));
      same += at == dataset_train_offset(d, 8, step, row, 64);
      if (at < lowest) lowest = at;
      if (at > highest) highest = at;
    }
  }
  assert_true(lowest < 10 && highest > 826 && same < 40);
  int32_t window[64];
  assert_true(dataset_train_window(d, 7, 1, 0, 64, window, &err));
  assert_int_equal(window[0], token(d, dataset_train_offset(d, 7, 1, 0, 64)));
  dataset_valid_window(d, 2, 33, window);
  assert_int_equal(window[0], token(d, 900 + 66));
  assert_true(dataset_train_offset(d, 7, 1, 0, 900) == 0);
  int32_t big[901];
  assert_false(dataset_train_window(d, 7, 1, 0, 901, big, &err));
  assert_non_null(strstr(err.message, "900"));
  dataset_free(d);
  free(path);
}

static void test_paths(void **state) {
  const char *folder = *state;
  TdError err;
  assert_null(load("./no-such-file.txt", TOKENS_CHARS, 1, &err));
  assert_int_equal(err.status, TD_IO_FAILED);
  char *empty = put(folder, "empty.txt", "", 0);
  assert_null(load(empty, TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "is empty"));
  char *pipe_path = io_join(folder, "pipe.txt"), *link_path = io_join(folder, "link.txt");
  assert_int_equal(mkfifo(pipe_path, 0600), 0);
  assert_null(load(pipe_path, TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "a pipe"));
  char with_slash[64];
  snprintf(with_slash, sizeof with_slash, "%s/", folder);
  assert_null(load(with_slash, TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "a folder"));
  assert_null(load("/dev/zero", TOKENS_CHARS, 1, &err));
  assert_non_null(strstr(err.message, "a device"));
  char *real = put(folder, "real.txt", "abc", 3);
  assert_int_equal(symlink("real.txt", link_path), 0);
  Dataset *d = load(link_path, TOKENS_CHARS, 1, &err);
  assert_non_null(d);
  dataset_free(d);
  assert_null(load(real, TOKENS_CHARS, 0, &err));
  assert_null(load(real, TOKENS_CHARS, 0.1, &err));
  assert_non_null(strstr(err.message, "none to train on"));
  free(empty);
  free(pipe_path);
  free(link_path);
  free(real);
}

/* Relative paths start at the .td file's folder, then at the working folder. */
static void test_beside_the_file(void **state) {
  char *path = put(*state, "beside.txt", "xyz", 3), td[64];
  snprintf(td, sizeof td, "%s/model.td", (const char *)*state);
  CorpusSearch search = {0};
  DataDecl decl = {
      .name = "text", .source = "beside.txt", .tokens = TOKENS_CHARS, .split = 1, .td_file = td};
  TdError err = {0};
  Dataset *d = dataset_load(&search, &decl, &err);
  assert_true(d != NULL && d->count == 3);
  dataset_free(d);
  search.override = path;
  decl.source = "tiny_shakespeare";
  d = dataset_load(&search, &decl, &err);
  assert_true(d != NULL && d->count == 3);
  dataset_free(d);
  free(path);
}

static void shrink(const char *path) { assert_int_equal(truncate(path, 10), 0); }

static int shrink_before(void *ctx, IoCall call, const char *path) {
  (void)ctx;
  if (call == IO_READ) shrink(path);
  return 0;
}

static void test_shrinking(void **state) {
  char text[100] = {0};
  memset(text, 'x', sizeof text);
  char *path = put(*state, "s.txt", text, sizeof text);
  IoHook hook = {shrink_before, NULL};
  CorpusSearch search = {.hook = &hook};
  DataDecl decl = {.name = "text", .source = path, .tokens = TOKENS_CHARS, .split = 1};
  TdError err = {0};
  assert_null(dataset_load(&search, &decl, &err));
  assert_non_null(strstr(err.message, "became shorter"));
  free(path);
}

static void test_corpora(void **state) {
  TdError err;
  char *cut = put(*state, "tiny_shakespeare.txt", "First Citizen:", 14);
  char here[1024];
  assert_non_null(getcwd(here, sizeof here));
  assert_int_equal(chdir(*state), 0); /* away from any ../shared/data */
  setenv("TDC_DATA", ".", 1);
  Dataset *d = load("tiny_shakespeare", TOKENS_CHARS, 0.9, &err);
  assert_int_equal(chdir(here), 0);
  if (d == NULL) {
    assert_int_equal(err.status, TD_DAMAGED);
    assert_non_null(strstr(err.message, "SHA-256"));
    assert_non_null(strstr(err.message, "curl -L"));
    assert_non_null(strstr(err.message, "--data"));
  }
  dataset_free(d);
  assert_null(load("no_such_corpus", TOKENS_CHARS, 0.9, &err));
  assert_int_equal(err.status, TD_BAD_FILE);
  assert_non_null(strstr(err.message, "tiny_shakespeare"));
  free(cut);
}

static void test_store(void **state) {
  char *path = put(*state, "store.txt", "hello", 5);
  CorpusSearch search = {0};
  DataStore *store = data_store_new(&search);
  DataDecl decl = {.name = "text", .source = path, .tokens = TOKENS_CHARS, .split = 1};
  DataInfo info;
  const char *why = NULL;
  assert_true(data_store_query(store, &decl, &info, &why));
  assert_true(info.vocab == 4 && info.unigram != NULL);
  assert_non_null(data_store_find(store, "text"));
  assert_null(data_store_find(store, "other"));
  decl.source = "./absent.txt";
  assert_false(data_store_query(store, &decl, &info, &why));
  assert_non_null(strstr(why, "absent"));
  assert_int_equal(data_store_error(store)->status, TD_IO_FAILED);
  data_store_free(store);
  free(path);
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, sandbox_remove)
  const struct CMUnitTest tests[] = {
      IN_FOLDER(test_chars),     IN_FOLDER(test_bytes_and_ascii), IN_FOLDER(test_utf8_is_strict),
      IN_FOLDER(test_widths),    IN_FOLDER(test_byte_order_mark), IN_FOLDER(test_takes_its_size),
      IN_FOLDER(test_windows),   IN_FOLDER(test_paths),           IN_FOLDER(test_beside_the_file),
      IN_FOLDER(test_shrinking), IN_FOLDER(test_corpora),         IN_FOLDER(test_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
