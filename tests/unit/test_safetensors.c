/* SPDX-License-Identifier: MIT */
/* The safetensors reader against files that break its rules one at a time, and
 * the number formats against the compiler's own. */
#include <math.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <jansson.h>

#include "runtime/system/cache.h"
#include "runtime/store/safetensors.h"

/* A file in memory: length field, header text, `data` zero bytes. */
static uint8_t *make_file(const char *header, size_t data, size_t *n) {
  size_t h = strlen(header);
  *n = 8 + h + data;
  uint8_t *p = calloc(*n + 1, 1);
  assert_non_null(p);
  for (int i = 0; i < 8; i++) p[i] = (uint8_t)(h >> (8 * i));
  memcpy(p + 8, header, h);
  return p;
}

static bool accepts(const char *header, size_t data) {
  size_t n;
  uint8_t *p = make_file(header, data, &n);
  TdError err = {0};
  StFile *f = st_open_memory("test", p, n, &err);
  bool ok = f != NULL;
  if (!ok) assert_int_equal(err.status, TD_DAMAGED);
  st_close(f);
  free(p);
  return ok;
}

static void test_rules(void **state) {
  (void)state;
  assert_true(accepts("{}", 0));
  assert_true(accepts("{}   ", 0));
  assert_true(accepts("{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}", 24));
  assert_true(accepts("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4));
  assert_true(accepts("{\"a\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[0,0]}}", 0));
  assert_true(accepts("{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"U8\",\"shape\":[1],"
                      "\"data_offsets\":[0,1]}}",
                      1));
  static const struct {
    const char *header;
    size_t data;
  } broken[] = {
      {"", 0},
      {"{", 0},
      {"[]", 0},
      {" {}", 0},
      {"{}x", 0},
      {"{}", 1},
      {"null", 0},
      {"{\"a\":1}", 0},
      {"{\"a\":{}}", 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 0},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,0]}}", 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,3]}}", 3},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 4},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 5},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\","
       "\"shape\":[2],\"data_offsets\":[1,3]}}",
       3},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\","
       "\"shape\":[1],\"data_offsets\":[1,2]}}",
       2},
      {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\","
       "\"shape\":[1],\"data_offsets\":[2,3]}}",
       3},
      {"{\"__metadata__\":1}", 0},
      {"{\"__metadata__\":{\"a\":1}}", 0},
      {"{\"__metadata__\":[]}", 0},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
  };
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
    if (accepts(broken[i].header, broken[i].data)) fail_msg("accepted: %s", broken[i].header);
}

/* ---- memory that runs out within libjansson ---------------------------------- */

static long until_refused; /* allocations; below 0: none is refused */
static void *json_malloc_counted(size_t n) {
  if (until_refused < 0 || until_refused-- > 0) return malloc(n);
  errno = ENOMEM;
  return NULL;
}

/* Every allocation refused once: no header, which says why; never one that lacks a piece. */
static void test_memory_for_the_header(void **state) {
  (void)state;
  float a[6] = {0};
  const StSource sources[] = {
      {.name = "a", .type = ST_F32, .from = ST_F32, .rank = 2, .shape = {2, 3}, .data = a},
      {.name = "b", .type = ST_F32, .from = ST_F32, .rank = 1, .shape = {6}, .data = a}};
  const StPair meta[] = {{"format", "pt"}, {"step", "1"}};
  size_t n, whole;
  TdError err = {0};
  uint8_t *right = st_make_header(sources, 2, meta, 2, &whole, &err);
  assert_non_null(right);
  json_set_alloc_funcs(json_malloc_counted, free);
  bool done = false;
  for (long k = 0; !done && k < 1000; k++) {
    until_refused = k;
    uint8_t *header = st_make_header(sources, 2, meta, 2, &n, &err);
    done = until_refused >= 0;
    until_refused = -1;
    if (header == NULL)
      assert_string_equal(err.message, "out of memory");
    else if (n != whole || memcmp(header, right, n) != 0)
      fail_msg("a header that lacks a piece when allocation %ld is refused:\n%.*s", k, (int)n - 8,
               (const char *)header + 8);
    free(header);
  }
  json_set_alloc_funcs(malloc, free);
  assert_true(done);
  free(right);
}

/* A name given twice and one that is no text are said apart. */
static void test_names_of_the_header(void **state) {
  (void)state;
  float a[1] = {0};
  StSource sources[] = {{.name = "a", .type = ST_F32, .from = ST_F32, .data = a},
                        {.name = "a", .type = ST_F32, .from = ST_F32, .data = a}};
  StPair meta[] = {{"k", "\xff"}};
  size_t n;
  TdError err = {0};
  assert_null(st_make_header(sources, 2, NULL, 0, &n, &err));
  assert_non_null(strstr(err.message, "given twice"));
  sources[1].name = "\xfe";
  assert_null(st_make_header(sources, 2, NULL, 0, &n, &err));
  assert_non_null(strstr(err.message, "not UTF-8"));
  assert_null(st_make_header(sources, 1, meta, 1, &n, &err));
  assert_non_null(strstr(err.message, "not UTF-8"));
}

static void test_lengths(void **state) {
  (void)state;
  static const uint64_t lengths[] = {
      0, 1, 3, 100, UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 32, 1000000000};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
    uint8_t p[10] = {0, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    for (int k = 0; k < 8; k++) p[k] = (uint8_t)(lengths[i] >> (8 * k));
    TdError err = {0};
    assert_null(st_open_memory("test", p, sizeof p, &err));
  }
  for (size_t n = 0; n < 10; n++) {
    TdError err = {0};
    assert_null(st_open_memory("test", "\2\0\0\0\0\0\0\0{}", n, &err));
  }
}

/* ---- a second reader ----------------------------------------------------------- */

/* The rules over libjansson's tree of the header: what the scanner must agree with. */
typedef struct Read {
  const char *name;
  StType type;
  int rank;
  int64_t shape[ST_MAX_RANK], begin, end;
} Read;

static bool tree_sizes(json_t *list, int64_t *sizes, size_t least, size_t most) {
  if (!json_is_array(list) || json_array_size(list) < least || json_array_size(list) > most)
    return false;
  for (size_t i = 0; i < json_array_size(list); i++) {
    json_t *e = json_array_get(list, i);
    if (!json_is_integer(e) || json_integer_value(e) < 0) return false;
    sizes[i] = json_integer_value(e);
  }
  return true;
}

static bool tree_tensor(json_t *o, int64_t data, Read *t) {
  int64_t offsets[2], bytes;
  json_t *dtype = json_object_get(o, "dtype"), *shape = json_object_get(o, "shape");
  if (json_object_size(o) != 3 || !json_is_string(dtype) ||
      !tree_sizes(shape, t->shape, 0, ST_MAX_RANK) ||
      !tree_sizes(json_object_get(o, "data_offsets"), offsets, 2, 2))
    return false;
  for (t->type = 0; t->type < ST_TYPES; t->type++)
    if (strcmp(json_string_value(dtype), st_type_name(t->type)) == 0) break;
  if (t->type == ST_TYPES) return false;
  t->rank = (int)json_array_size(shape);
  t->begin = offsets[0];
  t->end = offsets[1];
  double count = (double)st_type_size(t->type); /* exact below 2^53: a header here has no more */
  for (int i = 0; i < t->rank; i++) {
    count *= t->shape[i];
    if (count > 9e15) return false;
  }
  bytes = (int64_t)count;
  return t->begin <= t->end && t->end <= data && t->end - t->begin == bytes;
}

static int tree_order(const void *x, const void *y) {
  const Read *a = x, *b = y;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return (a->end > b->end) - (a->end < b->end);
}

enum { TREE_MOST = 16 };

/* The number of tensors, -1: refused. *tree owns the names. */
static int tree_read(const uint8_t *p, size_t n, Read *t, json_t **tree) {
  uint64_t header = 0;
  for (int i = 0; i < 8; i++) header |= (uint64_t)p[i] << (8 * i);
  if (header > n - 8 || header < 2 || p[8] != '{') return -1;
  if (memchr(p + 8, 0, header)) return -1; /* libjansson overlooks one behind a number */
  int64_t data = (int64_t)(n - 8 - header), at = 0;
  int count = 0;
  json_error_t why;
  *tree = json_loadb((const char *)p + 8, header, JSON_REJECT_DUPLICATES, &why);
  if (!json_is_object(*tree)) return -1;
  const char *name;
  json_t *o, *text;
  json_object_foreach(*tree, name, o) {
    const char *key;
    if (strcmp(name, "__metadata__") != 0) {
      t[count].name = name;
      if (!tree_tensor(o, data, &t[count++])) return -1;
      continue;
    }
    if (!json_is_object(o)) return -1;
    json_object_foreach(o, key, text) {
      if (!json_is_string(text)) return -1;
    }
  }
  qsort(t, (size_t)count, sizeof *t, tree_order);
  for (int i = 0; i < count; at = t[i++].end)
    if (t[i].begin != at) return -1;
  return at == data ? count : -1;
}

/* Both readers on one file: true if they take it. */
static bool compare_readers(const uint8_t *p, size_t n) {
  Read t[TREE_MOST];
  json_t *tree = NULL;
  TdError err = {0};
  int count = tree_read(p, n, t, &tree);
  StFile *f = st_open_memory("test", p, n, &err);
  if ((f != NULL) != (count >= 0))
    fail_msg("%s by the scanner: %.*s", f ? "accepted" : err.message, (int)n - 8,
             (const char *)p + 8);
  for (int i = 0; f != NULL && i < count; i++) {
    const StTensor *x = st_find(f, t[i].name);
    assert_non_null(x);
    assert_true(x->type == t[i].type && x->rank == t[i].rank && (int64_t)x->begin == t[i].begin &&
                (int64_t)x->end == t[i].end);
    for (int k = 0; k < x->rank; k++) assert_true(x->shape[k] == t[i].shape[k]);
  }
  if (f != NULL) {
    json_t *meta = json_object_get(tree, "__metadata__"), *text;
    const char *key;
    assert_int_equal(st_count(f), count);
    assert_int_equal(st_meta_count(f), json_object_size(meta));
    json_object_foreach(meta, key, text) {
      assert_string_equal(st_meta(f, key), json_string_value(text));
    }
  }
  st_close(f);
  json_decref(tree);
  return f != NULL;
}

/* Bytes of a header changed, taken out, put in, one to three at a time, out of those that mean
 * something there. */
static void test_scanner_agrees_with_a_tree(void **state) {
  (void)state;
  static const char *const headers[] = {
      "{\"a\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[0,6]}, \"b\\u00e9\" : "
      "{\"shape\":[],"
      "\"dtype\":\"BF16\",\"data_offsets\":[6,8]}}",
      "{\"__metadata__\":{\"k\":\"v\\n\\ud83d\\ude00\",\"format\":\"pt\"},\n\t\"x\":{\"dtype\":"
      "\"F32\","
      "\"shape\":[ 2 ],\"data_offsets\":[0,8]}}  ",
      "{\"a\":{\"dtype\":\"I8\",\"shape\":[0,9],\"data_offsets\":[0,0]},\"\":{\"dtype\":\"U8\","
      "\"shape\":"
      "[8],\"data_offsets\":[0,8]}}",
  };
  static const char bytes[] =
      "{}[]:,\"\\ \t\n0123456789-+.eEu/abdfnrtUXF\x01\x00\x7f\xc3\xa9\xed\xa0\x80\xff";
  uint32_t random = 1;
  int accepted = 0, tries = 0;
  for (size_t h = 0; h < sizeof headers / sizeof *headers; h++)
    for (int i = 0; i < 40000; i++, tries++) {
      char text[512];
      size_t n = strlen(headers[h]), whole;
      memcpy(text, headers[h], n + 1);
      for (int edits = i % 4; edits > 0; edits--) {
        random = random * 1664525 + 1013904223;
        size_t at = (random >> 8) % n;
        char c = bytes[(random >> 20) % (sizeof bytes - 1)];
        switch (random >> 29 & 3) {
        case 0: memmove(text + at, text + at + 1, n-- - at); break;
        case 1:
          memmove(text + at + 1, text + at, ++n - at);
          text[at] = c;
          break;
        default: text[at] = c;
        }
      }
      text[n] = '\0';
      uint8_t *p = calloc(n + 17, 1);
      whole = n + 16;
      for (int k = 0; k < 8; k++) p[k] = (uint8_t)(n >> (8 * k));
      memcpy(p + 8, text, n);
      accepted += compare_readers(p, whole);
      free(p);
    }
  assert_true(accepted > tries / 4 && accepted < tries / 2); /* a quarter is not edited */
}

static long resident_kb(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return u.ru_maxrss;
}

/* Of 8 MB of header a tree took 600 MB. */
static void test_memory_is_bounded_by_the_header(void **state) {
  (void)state;
  enum { SIZE = 8 << 20 };
  for (int pairs = 0; pairs < 2; pairs++) {
    char *text = malloc(SIZE + 128);
    size_t n = (size_t)sprintf(text, pairs ? "{\"__metadata__\":{\"\":\"\""
                                           : "{\"\":{\"dtype\":\"U8\","
                                             "\"shape\":[0],\"data_offsets\":[0,0]}");
    for (int i = 0; n < SIZE; i++)
      n += (size_t)sprintf(text + n,
                           pairs ? ",\"%x\":\"\""
                                 : ",\"%x\":{\"dtype\":\"U8\",\"shape\":[0],"
                                   "\"data_offsets\":[0,0]}",
                           i);
    n += (size_t)sprintf(text + n, pairs ? "}}" : "}");
    size_t whole;
    uint8_t *p = make_file(text, 0, &whole);
    free(text);
    long before = resident_kb();
    TdError err = {0};
    StFile *f = st_open_memory("test", p, whole, &err);
    assert_non_null(f);
    assert_true(pairs ? st_meta_count(f) > 500000 : st_count(f) > 100000);
    assert_non_null(pairs ? (const void *)st_meta(f, "1f") : (const void *)st_find(f, "1f"));
    long took = resident_kb() - before;
    if (took > 8 * (SIZE >> 10)) fail_msg("%ld KB for a header of %d KB", took, SIZE >> 10);
    st_close(f);
    free(p);
  }
}

/* What was accepted must obey the rules, checked here once more. */
static void check_layout(const StFile *f, size_t size) {
  size_t header;
  st_header(f, &header);
  uint64_t at = 0;
  for (int i = 0; i < st_count(f); i++) {
    const StTensor *t = st_at(f, i);
    int64_t n = 1;
    for (int k = 0; k < t->rank; k++) n *= t->shape[k];
    assert_true(t->begin == at && t->end - t->begin == (uint64_t)n * st_type_size(t->type));
    at = t->end;
  }
  assert_true(header + at == size);
}

static void test_every_edit(void **state) {
  (void)state;
  float a[6] = {0};
  int32_t b[2] = {0};
  StSource sources[] = {
      {.name = "layer.weight",
       .type = ST_F32,
       .from = ST_F32,
       .rank = 2,
       .shape = {2, 3},
       .data = a},
      {.name = "ids", .type = ST_I32, .from = ST_I32, .rank = 1, .shape = {2}, .data = b},
      {.name = "half", .type = ST_F16, .from = ST_F32, .rank = 1, .shape = {6}, .data = a},
  };
  StPair meta[] = {{"format", "pt"}};
  size_t header;
  TdError err = {0};
  uint8_t *h = st_make_header(sources, 3, meta, 1, &header, &err);
  assert_non_null(h);
  size_t n = header + 24 + 8 + 12, accepted = 0;
  uint8_t *p = calloc(n, 1);
  memcpy(p, h, header);
  for (size_t i = 0; i < header; i++) {
    uint8_t old = p[i];
    for (int x = 0; x < 256; x++) {
      if (x == old) continue;
      p[i] = (uint8_t)x;
      StFile *f = st_open_memory("test", p, n, &err);
      if (f != NULL) {
        check_layout(f, n);
        accepted++;
      }
      st_close(f);
      if (x % 8 == 0) compare_readers(p, n);
    }
    p[i] = old;
  }
  assert_true(accepted > 0); /* a renamed tensor is a valid file */
  free(p);
  free(h);
}

static void test_round_trip(void **state) {
  (void)state;
  char folder[] = "st-test-XXXXXX";
  assert_non_null(mkdtemp(folder));
  char *path = io_join(folder, "x.safetensors");
  float f32[4] = {1.5f, -0.0f, INFINITY, 3e-8f}, back[4];
  double f64[1] = {0.1};
  int64_t i64[2] = {INT64_MIN, 7};
  uint8_t u8[3] = {0, 1, 255};
  StSource sources[] = {
      {.name = "a", .type = ST_F32, .from = ST_F32, .rank = 1, .shape = {4}, .data = f32},
      {.name = "b", .type = ST_F64, .from = ST_F64, .rank = 0, .shape = {0}, .data = f64},
      {.name = "c", .type = ST_I64, .from = ST_I64, .rank = 1, .shape = {2}, .data = i64},
      {.name = "d", .type = ST_U8, .from = ST_U8, .rank = 1, .shape = {3}, .data = u8},
      {.name = "e", .type = ST_BF16, .from = ST_F32, .rank = 1, .shape = {4}, .data = f32},
      {.name = "n\xc3\xa9 \"q\"",
       .type = ST_F32,
       .from = ST_F32,
       .rank = 1,
       .shape = {0},
       .data = f32},
  };
  StPair meta[] = {{"note", "line\n\"quote\""}};
  TdError err = {0};
  assert_true(st_write_file(NULL, path, sources, 6, meta, 1, &err));
  StFile *f = st_open(NULL, path, &err);
  assert_non_null(f);
  assert_int_equal(st_count(f), 6);
  assert_string_equal(st_meta(f, "note"), "line\n\"quote\"");
  assert_null(st_meta(f, "other"));
  assert_true(st_read(f, st_find(f, "a"), back, &err));
  assert_memory_equal(back, f32, sizeof f32);
  int64_t ints[2];
  assert_true(st_read(f, st_find(f, "c"), ints, &err));
  assert_memory_equal(ints, i64, sizeof i64);
  uint16_t half[4];
  assert_true(st_read(f, st_find(f, "e"), half, &err));
  for (int i = 0; i < 4; i++) assert_int_equal(half[i], bf16_from_f32(f32[i]));
  char one[65], two[65];
  assert_true(st_digest(f, st_find(f, "e"), one, &err) && st_source_digest(&sources[4], two, &err));
  assert_string_equal(one, two);
  assert_non_null(st_find(f, "n\xc3\xa9 \"q\""));
  st_close(f);
  free(path);
  cache_remove_folder(folder);
}

static void test_writer_refuses(void **state) {
  (void)state;
  float x[1] = {0};
  size_t n;
  TdError err = {0};
  StSource twice[] = {
      {.name = "a", .type = ST_F32, .from = ST_F32, .rank = 1, .shape = {1}, .data = x},
      {.name = "a", .type = ST_F32, .from = ST_F32, .rank = 1, .shape = {1}, .data = x}};
  assert_null(st_make_header(twice, 2, NULL, 0, &n, &err));
  StSource latin[] = {
      {.name = "\xe9", .type = ST_F32, .from = ST_F32, .rank = 1, .shape = {1}, .data = x}};
  assert_null(st_make_header(latin, 1, NULL, 0, &n, &err));
}

#ifdef __FLT16_MAX__ /* a compiler that has the type tells what is right */
static float from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
#endif

static void test_half(void **state) {
  (void)state;
  for (uint32_t h = 0; h < 65536; h++) {
    float x = f32_from_f16((uint16_t)h);
    if (isnan(x))
      assert_true(isnan(f32_from_f16(f16_from_f32(x))));
    else
      assert_int_equal(f16_from_f32(x), h);
    float y = f32_from_bf16((uint16_t)h);
    if (isnan(y))
      assert_true(isnan(f32_from_bf16(bf16_from_f32(y))));
    else
      assert_int_equal(bf16_from_f32(y), h);
  }
#ifdef __FLT16_MAX__
  uint32_t u = 12345;
  for (int i = 0; i < 300000; i++) {
    u = u * 1664525u + 1013904223u;
    /* exponents around those of half precision */
    uint32_t bits = (u & 0x807fffffu) | ((95 + (u >> 8) % 55) << 23);
    if (i % 4 == 0) bits &= 0xfffff000u; /* ties */
    __extension__ _Float16 want = (_Float16)from_bits(bits);
    uint16_t w;
    memcpy(&w, &want, sizeof w);
    assert_int_equal(f16_from_f32(from_bits(bits)), w);
  }
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rules),
      cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_memory_for_the_header),
      cmocka_unit_test(test_names_of_the_header),
      cmocka_unit_test(test_every_edit),
      cmocka_unit_test(test_scanner_agrees_with_a_tree),
      cmocka_unit_test(test_memory_is_bounded_by_the_header),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_writer_refuses),
      cmocka_unit_test(test_half),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
