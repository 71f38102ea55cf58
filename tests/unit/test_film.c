/* SPDX-License-Identifier: MIT */
/* Animated pictures: what is written is read again by a decoder after the specification of
 * GIF89a, which shares nothing with the encoder, and pixels are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/view/film.h"
#include "runtime/view/gif.h"

/* ---- the decoder ------------------------------------------------------------------------ */

typedef struct Image {
  int x, y, wide, tall; /* the rectangle that the file has of it */
  int hundredths;
  uint8_t *rgb; /* [height, width, 3] the whole picture, with what stood before */
} Image;

typedef struct Animation {
  int width, height, n, colours;
  bool loops;
  Image images[300];
} Animation;

static int word(const uint8_t *p) { return p[0] | p[1] << 8; }

/* Sub-blocks, joined; returns what follows them. */
static const uint8_t *join(const uint8_t *p, uint8_t *out, size_t *n) {
  for (*n = 0; *p != 0; p += *p + 1) {
    memcpy(out + *n, p + 1, *p);
    *n += *p;
  }
  return p + 1;
}

/* Codes to the pixels that they stand for, as appendix F has it. Returns how many. */
static size_t unpack(int least, const uint8_t *data, size_t bytes, uint8_t *out, size_t room) {
  static int before[4096], last[4096], length[4096];
  const int clear = 1 << least, end = clear + 1;
  int width = least + 1, next = clear + 2, old = -1;
  size_t bit = 0, n = 0;
  for (int i = 0; i < clear; i++) {
    last[i] = i;
    length[i] = 1;
  }
  for (;;) {
    int code = 0;
    assert_true(bit + (size_t)width <= 8 * bytes);
    for (int i = 0; i < width; i++, bit++) code |= (data[bit / 8] >> bit % 8 & 1) << i;
    if (code == end) break;
    if (code == clear) {
      width = least + 1;
      next = clear + 2;
      old = -1;
      continue;
    }
    assert_true(old < 0 ? code < clear : code <= next);
    if (old >= 0 && next < 4096) { /* the last string and the first pixel of this one */
      int first = code < next ? code : old;
      while (length[first] > 1) first = before[first];
      before[next] = old;
      last[next] = last[first];
      length[next] = length[old] + 1;
      next++;
      if (next == 1 << width && width < 12) width++;
    }
    size_t to = n + (size_t)length[code];
    assert_true(to <= room);
    for (int s = code, k = length[code]; k > 0; s = before[s], k--)
      out[n + (size_t)k - 1] = (uint8_t)last[s];
    n = to;
    old = code;
  }
  assert_true(bit <= 8 * bytes && bit > 8 * (bytes - 1)); /* nothing stands after the end */
  return n;
}

static void read_image(Animation *a, const uint8_t *table, const uint8_t **p, int see_through,
                       int hundredths) {
  Image *m = &a->images[a->n];
  size_t pixels = (size_t)a->width * (size_t)a->height, n;
  *m = (Image){word(*p + 1), word(*p + 3), word(*p + 5), word(*p + 7), hundredths, NULL};
  assert_int_equal((*p)[9], 0); /* no table of its own, lines in order */
  assert_true(m->x + m->wide <= a->width && m->y + m->tall <= a->height);
  int least = (*p)[10];
  uint8_t *data = malloc(8 * pixels + 4096), *part = malloc(pixels);
  *p = join(*p + 11, data, &n);
  size_t area = (size_t)m->wide * (size_t)m->tall;
  assert_int_equal(unpack(least, data, n, part, area), area);
  m->rgb = calloc(pixels, 3);
  if (a->n > 0) memcpy(m->rgb, a->images[a->n - 1].rgb, 3 * pixels);
  for (size_t i = 0; i < area; i++) {
    size_t at = ((size_t)m->y + i / (size_t)m->wide) * (size_t)a->width + (size_t)m->x +
                i % (size_t)m->wide;
    assert_true(part[i] < a->colours);
    if (part[i] != see_through) memcpy(m->rgb + 3 * at, table + 3 * part[i], 3);
  }
  free(data);
  free(part);
  a->n++;
}

static Animation *read_gif(const uint8_t *bytes, size_t n) {
  Animation *a = calloc(1, sizeof *a);
  uint8_t some[1024];
  size_t size;
  int see_through = -1, hundredths = 0;
  assert_memory_equal(bytes, "GIF89a", 6);
  a->width = word(bytes + 6);
  a->height = word(bytes + 8);
  assert_true(bytes[10] & 0x80);
  a->colours = 2 << (bytes[10] & 7);
  const uint8_t *table = bytes + 13, *p = table + 3 * a->colours;
  for (; *p != 0x3b;) {
    assert_true(p < bytes + n);
    if (*p == 0x2c) {
      assert_true(a->n < 300);
      read_image(a, table, &p, see_through, hundredths);
    } else if (p[1] == 0xf9) {
      assert_int_equal(p[0], 0x21);
      assert_int_equal(p[2], 4);
      assert_int_equal(p[3] >> 2, 1); /* is left standing */
      see_through = p[3] & 1 ? p[6] : -1;
      hundredths = word(p + 4);
      p += 8;
    } else {
      assert_int_equal(p[0], 0x21);
      a->loops = a->loops || (p[1] == 0xff && memcmp(p + 2, "\x0bNETSCAPE2.0\3\1\0\0", 16) == 0);
      p = join(p + 2, some, &size);
    }
  }
  assert_ptr_equal(p + 1, bytes + n);
  return a;
}

static void animation_free(Animation *a) {
  for (int i = 0; i < a->n; i++) free(a->images[i].rgb);
  free(a);
}

/* ---- the encoder ---------------------------------------------------------------------------- */

static uint32_t chance(uint32_t *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

/* Two pixels of colour 0 between 4, which forgets, and 5, which ends, three bits each from the
 * lowest on: 4 + (0 << 3) + (0 << 6) + (5 << 9) = 0x0a04. */
static void test_bytes_by_hand(void **state) {
  (void)state;
  static const uint8_t colours[2][3] = {{1, 2, 3}, {4, 5, 6}};
  static const char want[] = "GIF89a\2\0\1\0\xf1\0\0\1\2\3\4\5\6\0\0\0\0\0\0"
                             "\x21\xff\x0bNETSCAPE2.0\3\1\0\0\0"
                             "\x21\xf9\4\4\7\0\2\0"
                             "\x2c\0\0\0\0\2\0\1\0\0\2\2\x04\x0a\0"
                             "\x3b";
  Gif *g = gif_new(2, 1, colours, 2, NULL);
  size_t n;
  gif_frame(g, (const uint8_t[]){0, 0}, 7);
  const char *bytes = gif_end(g, &n);
  assert_int_equal(n, sizeof want - 1);
  assert_memory_equal(bytes, want, n);
  gif_free(g);
}

/* Noise fills the table of codes many times over, one colour leaves it nearly empty, and between
 * them lie all widths of codes; from frame to frame some rectangle changes. */
static void round_trip(int width, int height, int ncolours, int kind, uint32_t seed) {
  enum { FRAMES = 5 };
  uint8_t colours[GIF_COLOURS][3], *pixels[FRAMES];
  size_t area = (size_t)width * (size_t)height, n;
  for (int i = 0; i < ncolours; i++)
    for (int k = 0; k < 3; k++) colours[i][k] = (uint8_t)chance(&seed);
  Gif *g = gif_new(width, height, (const uint8_t(*)[3])colours, ncolours, NULL);
  for (int f = 0; f < FRAMES; f++) {
    pixels[f] = malloc(area);
    uint32_t x0 = chance(&seed) % (uint32_t)width, y0 = chance(&seed) % (uint32_t)height;
    for (size_t i = 0; i < area; i++) {
      bool stays = f > 0 && (i % (size_t)width < x0 || i / (size_t)width < y0 || f == 3);
      uint32_t drawn = kind == 0 ? 0 : kind == 1 ? chance(&seed) : chance(&seed) % 40 / 39;
      pixels[f][i] =
          stays ? pixels[f - 1][i] : (uint8_t)((drawn + (uint32_t)f) % (uint32_t)ncolours);
    }
    gif_frame(g, pixels[f], 10 + f);
  }
  const char *bytes = gif_end(g, &n);
  Animation *a = read_gif((const uint8_t *)bytes, n);
  assert_int_equal(a->width, width);
  assert_int_equal(a->height, height);
  assert_int_equal(a->n, FRAMES);
  assert_true(a->loops);
  for (int f = 0; f < FRAMES; f++) {
    assert_int_equal(a->images[f].hundredths, 10 + f);
    for (size_t i = 0; i < area; i++)
      if (memcmp(a->images[f].rgb + 3 * i, colours[pixels[f][i]], 3) != 0)
        fail_msg("%d x %d, %d colours: pixel %zu of frame %d", width, height, ncolours, i, f);
    free(pixels[f]);
  }
  assert_int_equal(a->images[3].wide * a->images[3].tall, 1); /* as the frame before it */
  animation_free(a);
  gif_free(g);
}

static void test_round_trips(void **state) {
  (void)state;
  static const int sizes[][2] = {{1, 1}, {2, 3}, {7, 1}, {64, 33}, {300, 200}};
  static const int ncolours[] = {1, 2, 3, 4, 13, 127, 255};
  for (size_t s = 0; s < 5; s++)
    for (size_t c = 0; c < 7; c++)
      for (int kind = 0; kind < 3; kind++)
        round_trip(sizes[s][0], sizes[s][1], ncolours[c], kind, (uint32_t)(s * 100 + c * 10) + 7);
}

/* One pixel of 20 x 10 changes: one pixel is written. */
static void test_what_changed_is_written(void **state) {
  (void)state;
  static const uint8_t colours[3][3] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}};
  uint8_t pixels[200] = {0};
  Gif *g = gif_new(20, 10, colours, 3, NULL);
  size_t n;
  gif_frame(g, pixels, 4);
  pixels[7 * 20 + 13] = 1;
  gif_frame(g, pixels, 4);
  pixels[7 * 20 + 13] = 2;
  pixels[4 * 20 + 15] = 1;
  gif_frame(g, pixels, 300);
  const char *bytes = gif_end(g, &n);
  Animation *a = read_gif((const uint8_t *)bytes, n);
  const Image *one = &a->images[1], *two = &a->images[2];
  assert_true(one->x == 13 && one->y == 7 && one->wide == 1 && one->tall == 1);
  assert_true(two->x == 13 && two->y == 4 && two->wide == 3 && two->tall == 4);
  assert_memory_equal(two->rgb + (size_t)3 * (7 * 20 + 13), "\0\xff\0", 3);
  assert_memory_equal(two->rgb + (size_t)3 * (7 * 20 + 12), "\0\0\0", 3);
  assert_int_equal(two->hundredths, 300);
  animation_free(a);
  gif_free(g);
}

static void test_sizes(void **state) {
  (void)state;
  static const uint8_t colours[1][3] = {{0}};
  static const int64_t sizes[][2] = {{0, 1},     {1, 0},  {65536, 1},
                                     {1, 65536}, {-1, 5}, {INT64_MAX, INT64_MAX}};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    TdError err = {0};
    assert_null(gif_new(sizes[i][0], sizes[i][1], colours, 1, &err));
    assert_int_equal(err.status, TD_BAD_USAGE);
    assert_non_null(strstr(err.message, "1 .. 65535 pixels a side"));
  }
}

/* ---- text as a picture --------------------------------------------------------------- */

static const uint32_t symbols[] = {'\n', 'L', 'T'};
static const Vocabulary vocabulary = {
    .kind = TOKENS_CHARS, .size = 3, .symbols = (uint32_t *)symbols};

/* Of a film, or of two beside each other. */
static Animation *written_beside(Film *f, Film *other) {
  char path[] = "/tmp/tdc-film-XXXXXX";
  TdError err = {0};
  uint8_t *bytes;
  size_t n;
  close(mkstemp(path));
  bool ok = other == NULL ? film_write(f, NULL, path, &err)
                          : film_write_beside(f, other, NULL, path, &err);
  if (!ok) fail_msg("%s", err.message);
  assert_true(io_read_file(NULL, path, 1 << 24, &bytes, &n, &err));
  Animation *a = read_gif(bytes, n);
  free(bytes);
  unlink(path);
  film_free(f);
  film_free(other);
  return a;
}

static Animation *written(Film *f) { return written_beside(f, NULL); }

/* All that a cell of 10 x 18 holds beside paper is of that colour; how much of it there is. Columns
 * are counted from `left`. */
static int ink_from(const Animation *a, int left, int frame, int column, int line,
                    uint32_t colour) {
  const uint8_t *rgb = a->images[frame].rgb;
  int n = 0;
  for (int y = 0; y < 18; y++)
    for (int x = 0; x < 10; x++) {
      const uint8_t *p = rgb + 3 * ((52 + 24 * line + y) * a->width + left + 12 * column + x);
      uint32_t here = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
      if (here == 0xfbfaf7) continue;
      if (here != colour) fail_msg("frame %d, %d, %d: %06x", frame, column, line, (unsigned)here);
      n++;
    }
  return n;
}

static int ink(const Animation *a, int frame, int column, int line, uint32_t colour) {
  return ink_from(a, 16, frame, column, line, colour);
}

/* Letters by hand, four pixels for each of theirs: an L is 7 + 4, a T 5 + 6, "_" 5, the mark of a
 * line's end 13. A prompt of one L, then places of which none, one, two are decided:
 * the text "LT\nL", whose lines are those of all frames. */
static void test_letters(void **state) {
  (void)state;
  static const uint8_t given[] = {1, 0, 0, 0};
  static const int32_t ids[3][4] = {{1, 3, 3, 3}, {1, 0, 3, 3}, {1, 2, 0, 1}};
  static const float sure[3][4] = {{1, 0, 0, 0}, {1, 1, 0, 0}, {1, 1, 1, 0.4f}};
  Film *f = film_new(&(FilmOptions){
      .vocabulary = &vocabulary, .title = "", .rows = 5, .given = given, .ngiven = 4});
  for (int i = 0; i < 3; i++)
    film_add(f, &(SampleFrame){.done = i + 1,
                               .count = 3,
                               .evaluations = 2 * i,
                               .batch = 1,
                               .window = 4,
                               .ids = ids[i],
                               .glyph = "_",
                               .confidence = sure[i]});
  Animation *a = written(f);
  assert_int_equal(a->n, 3);
  assert_int_equal(a->images[2].hundredths, 300);
  /* forty letters wide, two lines of text, the title above and two and a half below */
  assert_int_equal(a->width, 2 * 16 + 40 * 12);
  assert_int_equal(a->height, 2 * 16 + 5 * 24);
  for (int frame = 0; frame < 3; frame++)
    assert_int_equal(ink(a, frame, 0, 0, 0x0b6bcb), 4 * 11); /* the prompt */
  /* "step 2 of 3, 2 evaluations" has an e in place 15; in the first frame nobody counted */
  assert_int_equal(ink(a, 0, 15, 3, 0), 0);
  assert_int_equal(ink(a, 1, 15, 3, 0x5b6270), 4 * 14);
  assert_int_equal(ink(a, 0, 1, 0, 0xb4aea0), 4 * 5);
  assert_int_equal(ink(a, 0, 2, 0, 0xb4aea0), 4 * 5);
  assert_int_equal(ink(a, 0, 0, 1, 0xb4aea0), 4 * 5);
  assert_int_equal(ink(a, 0, 1, 1, 0), 0);
  assert_int_equal(ink(a, 1, 1, 0, 0xb4aea0), 4 * 13);
  assert_int_equal(ink(a, 2, 1, 0, 0x16181d), 4 * 11);
  assert_int_equal(ink(a, 2, 2, 0, 0xb4aea0), 4 * 13);
  assert_int_equal(ink(a, 2, 0, 1, 0x7a7c84), 4 * 11); /* 0.4 of 7 shades: the third */
  animation_free(a);
}

/* Two side by side, by their seconds: one has frames after 1 and 4 seconds, the other after 2, and
 * then no more. 120 pictures show the first four seconds, a picture after each thirtieth; lines are
 * of 40 letters at most, both pictures 40 wide. */
static void test_two_films(void **state) {
  (void)state;
  static int32_t first[41], then[41], other[2] = {1, 2};
  for (int i = 0; i < 41; i++) {
    first[i] = 3;
    then[i] = 1;
  }
  Film *a = film_new(&(FilmOptions){.vocabulary = &vocabulary, .title = "", .rows = 1});
  Film *b = film_new(&(FilmOptions){.vocabulary = &vocabulary, .title = "", .rows = 1});
  SampleFrame f = {.done = 1, .count = 2, .batch = 1, .window = 41, .ids = first, .glyph = "_"};
  SampleFrame g = {.done = 1, .count = 1, .seconds = 2, .batch = 1, .window = 2, .ids = other};
  f.seconds = 1;
  film_add(a, &f);
  f.done = 2;
  f.seconds = 4;
  f.ids = then;
  film_add(a, &f);
  film_add(b, &g);
  Animation *m = written_beside(a, b);
  int right = 3 * 16 + 40 * 12;
  assert_int_equal(m->n, 120);
  assert_int_equal(m->width, 4 * 16 + 2 * 40 * 12);
  assert_int_equal(m->height, 2 * 16 + 5 * 24); /* of the taller one */
  assert_int_equal(ink(m, 28, 0, 0, 0), 0);
  assert_int_equal(ink(m, 29, 0, 0, 0xb4aea0), 4 * 5);
  assert_int_equal(ink(m, 29, 0, 1, 0xb4aea0), 4 * 5); /* the 41st */
  assert_int_equal(ink(m, 118, 0, 0, 0xb4aea0), 4 * 5);
  assert_int_equal(ink(m, 119, 0, 0, 0x16181d), 4 * 11);
  assert_int_equal(ink_from(m, right, 58, 0, 0, 0), 0);
  assert_int_equal(ink_from(m, right, 59, 0, 0, 0x16181d), 4 * 11);
  assert_int_equal(ink_from(m, right, 119, 1, 0, 0x16181d), 4 * 11);
  assert_int_equal(m->images[0].hundredths, 7);
  assert_int_equal(m->images[119].hundredths, 300);
  animation_free(m);
}

/* A process that begins with the text has the lines of its first frame. */
static void test_lines_of_the_text(void **state) {
  (void)state;
  static const int32_t ids[2][3] = {{1, 0, 2}, {2, 1, 0}};
  Film *f = film_new(
      &(FilmOptions){.vocabulary = &vocabulary, .title = "", .rows = 1, .from_text = true});
  for (int i = 0; i < 2; i++)
    film_add(f, &(SampleFrame){.done = i, .count = 1, .batch = 1, .window = 3, .ids = ids[i]});
  Animation *a = written(f);
  assert_int_equal(a->n, 2);
  assert_int_equal(a->images[0].hundredths, 150);
  assert_int_equal(ink(a, 0, 1, 0, 0xb4aea0), 4 * 13);
  assert_int_equal(ink(a, 0, 0, 1, 0x16181d), 4 * 11);
  assert_int_equal(ink(a, 1, 0, 0, 0x16181d), 4 * 11);
  assert_int_equal(ink(a, 1, 1, 0, 0x16181d), 4 * 11);
  assert_int_equal(ink(a, 1, 0, 1, 0xb4aea0), 4 * 13);
  animation_free(a);
}

/* Where there is no text the numbers themselves, -7 in three columns of pixels' letters: two
 * and a gap. */
static void test_numbers(void **state) {
  (void)state;
  static const int32_t ids[2] = {-7, 1};
  Film *f = film_new(&(FilmOptions){.title = "", .rows = 1});
  film_add(f, &(SampleFrame){.done = 1, .count = 1, .batch = 1, .window = 2, .ids = ids});
  Animation *a = written(f);
  assert_int_equal(ink(a, 0, 0, 0, 0x16181d), 4 * 5);       /* - */
  assert_int_equal(ink(a, 0, 1, 0, 0x16181d), 4 * (5 + 6)); /* 7 */
  assert_int_equal(ink(a, 0, 2, 0, 0), 0);
  assert_int_equal(ink(a, 0, 3, 0, 0x16181d), 4 * (5 + 2 + 6)); /* 1 */
  animation_free(a);
}

/* 128 characters through 128 steps, every one of them another in each: under a megabyte. A run
 * of a thousand steps has 256 frames at most, the last among them. */
static void test_size(void **state) {
  (void)state;
  static int32_t ids[128];
  static float sure[128];
  static const int64_t counts[] = {128, 1000};
  uint32_t ascii[95], seed = 5;
  for (uint32_t i = 0; i < 95; i++) ascii[i] = 32 + i;
  Vocabulary v = {.kind = TOKENS_CHARS, .size = 95, .symbols = ascii};
  for (int k = 0; k < 2; k++) {
    char path[] = "/tmp/tdc-film-XXXXXX";
    TdError err = {0};
    uint8_t *bytes;
    size_t n;
    Film *f = film_new(&(FilmOptions){.vocabulary = &v, .title = "all of it", .rows = 1});
    for (int64_t step = 1; step <= counts[k]; step++) {
      for (int i = 0; i < 128; i++) {
        ids[i] = (int32_t)(chance(&seed) % 95);
        sure[i] = (float)(chance(&seed) % 100) / 99;
      }
      film_add(f, &(SampleFrame){.done = step,
                                 .count = counts[k],
                                 .batch = 1,
                                 .window = 128,
                                 .ids = ids,
                                 .confidence = sure});
    }
    close(mkstemp(path));
    assert_true(film_write(f, NULL, path, &err));
    assert_true(io_read_file(NULL, path, 1 << 24, &bytes, &n, &err));
    Animation *a = read_gif(bytes, n);
    assert_int_equal(a->n, k == 0 ? 128 : 250);
    assert_int_equal(a->images[a->n - 1].hundredths, 300);
    if (k == 0 && n >= 1000000) fail_msg("%zu bytes", n);
    animation_free(a);
    free(bytes);
    unlink(path);
    film_free(f);
  }
}

/* What does not fit is said, and where nothing is drawn no file appears. */
static void test_failures(void **state) {
  (void)state;
  TdError err = {0};
  Film *f = film_new(&(FilmOptions){.vocabulary = &vocabulary, .title = "", .rows = 1});
  assert_false(film_write(f, NULL, "/tmp/never.gif", &err));
  assert_non_null(strstr(err.message, "no text to draw"));
  assert_false(io_exists("/tmp/never.gif"));
  int64_t window = 200000; /* 3125 lines of 64 letters and more than 65535 pixels */
  int32_t *ids = calloc((size_t)window, sizeof *ids);
  film_add(f, &(SampleFrame){.done = 1, .count = 1, .batch = 1, .window = window, .ids = ids});
  assert_false(film_write(f, NULL, "/tmp/never.gif", &err));
  assert_non_null(strstr(err.message, "pixels is too large"));
  assert_false(io_exists("/tmp/never.gif"));
  film_free(f);
  free(ids);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes_by_hand),
                                     cmocka_unit_test(test_round_trips),
                                     cmocka_unit_test(test_what_changed_is_written),
                                     cmocka_unit_test(test_sizes),
                                     cmocka_unit_test(test_letters),
                                     cmocka_unit_test(test_lines_of_the_text),
                                     cmocka_unit_test(test_two_films),
                                     cmocka_unit_test(test_numbers),
                                     cmocka_unit_test(test_size),
                                     cmocka_unit_test(test_failures)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
