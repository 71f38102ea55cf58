/* SPDX-License-Identifier: MIT */
/* GIF89a, and the compression that it has (Welch's, with codes of 3 to 12 bits). See gif.h. */
#include "runtime/view/gif.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CODES = 4096, BLOCK = 255 };

/* Strings of pixels that were met get a code each; what is written is codes. */
typedef struct Packer {
  StrBuf *out;
  int kinds; /* of pixels: a power of 2, at least 4 */
  uint32_t bits;
  int nbits; /* that fill no byte yet */
  char block[BLOCK];
  int n;          /* bytes in it */
  int free;       /* the next code that stands for nothing yet */
  int width;      /* bits of a code */
  uint16_t *next; /* [CODES, kinds] the code of a string and one pixel after it; 0: none yet */
} Packer;

struct Gif {
  int width, height;
  int ncolours, depth; /* bits of a colour's number; `ncolours` is the one that is transparent */
  int64_t frames;
  uint8_t *shown, *part; /* [height, width] what there is to see; a rectangle of changes */
  Packer packer;
  StrBuf out;
};

static void put16(StrBuf *out, int x) {
  sb_putc(out, (char)(x & 0xff));
  sb_putc(out, (char)(x >> 8));
}

/* ---- compression ------------------------------------------------------------------- */

static void put_block(Packer *p) {
  if (p->n == 0) return;
  sb_putc(p->out, (char)p->n);
  sb_write(p->out, p->block, (size_t)p->n);
  p->n = 0;
}

static void put_byte(Packer *p) {
  p->block[p->n++] = (char)(p->bits & 0xff);
  p->bits >>= 8;
  if (p->n == BLOCK) put_block(p);
}

static void put_code(Packer *p, int code) {
  p->bits |= (uint32_t)code << p->nbits;
  for (p->nbits += p->width; p->nbits >= 8; p->nbits -= 8) put_byte(p);
}

/* `kinds` itself is the code that forgets all strings, the one after it ends the picture. */
static void begin_anew(Packer *p) {
  int first = p->kinds + 2;
  memset(p->next, 0, (size_t)CODES * (size_t)p->kinds * sizeof *p->next);
  p->free = first;
  for (p->width = 1; 1 << p->width < first; p->width++) continue;
}

static void pack(Packer *p, const uint8_t *pixels, int64_t n) {
  int least = 0;
  while (1 << least < p->kinds) least++;
  sb_putc(p->out, (char)least);
  begin_anew(p);
  put_code(p, p->kinds);
  int string = pixels[0];
  for (int64_t i = 1; i < n; i++) {
    uint16_t *longer = &p->next[string * p->kinds + pixels[i]];
    if (*longer != 0) {
      string = *longer;
      continue;
    }
    put_code(p, string);
    if (p->free == CODES) {
      put_code(p, p->kinds);
      begin_anew(p);
    } else {
      /* the reader knows this code one later, and widens its own when it does */
      if (p->free == 1 << p->width) p->width++;
      *longer = (uint16_t)p->free++;
    }
    string = pixels[i];
  }
  put_code(p, string);
  if (p->free == 1 << p->width && p->width < 12) p->width++; /* the reader counts that one too */
  put_code(p, p->kinds + 1);
  if (p->nbits > 0) put_byte(p);
  p->bits = 0;
  p->nbits = 0;
  put_block(p);
  sb_putc(p->out, 0);
}

/* ---- the file ------------------------------------------------------------------------ */

static void put_head(Gif *g, const uint8_t (*colours)[3]) {
  sb_puts(&g->out, "GIF89a");
  put16(&g->out, g->width);
  put16(&g->out, g->height);
  sb_putc(&g->out, (char)(0x80 | 7 << 4 | (g->depth - 1))); /* a table of 2^depth colours */
  sb_write(&g->out, "\0\0", 2); /* the background is colour 0; pixels are square */
  for (int i = 0; i < 1 << g->depth; i++)
    sb_write(&g->out, i < g->ncolours ? (const char *)colours[i] : "\0\0\0", 3);
  sb_write(&g->out, "\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", 19); /* for ever */
}

Gif *gif_new(int64_t width, int64_t height, const uint8_t (*colours)[3], int ncolours,
             TdError *err) {
  if (width < 1 || height < 1 || width > GIF_SIDE || height > GIF_SIDE) {
    td_fail(err, TD_BAD_USAGE, "a GIF has 1 .. %d pixels a side, not %" PRId64 " x %" PRId64,
            GIF_SIDE, width, height);
    return NULL;
  }
  if (ncolours < 1 || ncolours > GIF_COLOURS) bug("a GIF of %d colours", ncolours);
  Gif *g = calloc(1, sizeof *g);
  if (g != NULL) {
    g->width = (int)width;
    g->height = (int)height;
    g->ncolours = ncolours;
    while (1 << g->depth < ncolours + 1) g->depth++;
    g->packer = (Packer){.out = &g->out, .kinds = g->depth < 2 ? 4 : 1 << g->depth};
    g->shown = malloc((size_t)(width * height));
    g->part = malloc((size_t)(width * height));
    g->packer.next = malloc((size_t)CODES * (size_t)g->packer.kinds * sizeof *g->packer.next);
  }
  if (g == NULL || g->shown == NULL || g->part == NULL || g->packer.next == NULL) {
    gif_free(g);
    td_fail_memory(err);
    return NULL;
  }
  put_head(g, colours);
  return g;
}

typedef struct Box {
  int x0, y0, x1, y1; /* the ends are not in it */
} Box;

/* Where the frame differs from what is shown; where nothing does, one pixel that stays. */
static Box changed(const Gif *g, const uint8_t *pixels) {
  Box b = {g->width, g->height, 0, 0};
  for (int y = 0; y < g->height; y++) {
    const uint8_t *now = pixels + (int64_t)y * g->width, *was = g->shown + (now - pixels);
    int first = 0, last = g->width;
    if (memcmp(now, was, (size_t)g->width) == 0) continue;
    while (now[first] == was[first]) first++;
    while (now[last - 1] == was[last - 1]) last--;
    b = (Box){first < b.x0 ? first : b.x0, y < b.y0 ? y : b.y0, last > b.x1 ? last : b.x1, y + 1};
  }
  return b.y1 > 0 ? b : (Box){0, 0, 1, 1};
}

void gif_frame(Gif *g, const uint8_t *pixels, int hundredths) {
  bool first = g->frames++ == 0;
  Box b = first ? (Box){0, 0, g->width, g->height} : changed(g, pixels);
  int64_t n = 0;
  for (int y = b.y0; y < b.y1; y++)
    for (int x = b.x0; x < b.x1; x++) {
      int64_t at = (int64_t)y * g->width + x;
      if (pixels[at] >= g->ncolours) bug("colour %d of %d", pixels[at], g->ncolours);
      bool stays = !first && pixels[at] == g->shown[at];
      g->part[n++] = (uint8_t)(stays ? g->ncolours : pixels[at]);
    }
  sb_write(&g->out, first ? "\x21\xf9\x04\x04" : "\x21\xf9\x04\x05", 4); /* it is left standing */
  put16(&g->out, hundredths < 0 ? 0 : hundredths > 65535 ? 65535 : hundredths);
  sb_putc(&g->out, (char)g->ncolours);
  sb_putc(&g->out, 0);
  sb_putc(&g->out, 0x2c);
  put16(&g->out, b.x0);
  put16(&g->out, b.y0);
  put16(&g->out, b.x1 - b.x0);
  put16(&g->out, b.y1 - b.y0);
  sb_putc(&g->out, 0);
  pack(&g->packer, g->part, n);
  memcpy(g->shown, pixels, (size_t)g->width * (size_t)g->height);
}

const char *gif_end(Gif *g, size_t *n) {
  sb_putc(&g->out, 0x3b);
  *n = g->out.n;
  return g->out.s;
}

void gif_free(Gif *g) {
  if (g == NULL) return;
  free(g->shown);
  free(g->part);
  free(g->packer.next);
  sb_free(&g->out);
  free(g);
}
