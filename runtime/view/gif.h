/* SPDX-License-Identifier: MIT */
/* An animated picture (GIF89a), made of whole frames of colour numbers. Of each frame after the
 * first the rectangle is written in which it differs from the one before, and within that what
 * stays is transparent. It is shown again and again. */
#ifndef TDC_GIF_H
#define TDC_GIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dsl/base.h"
#include "runtime/system/error.h"

enum { GIF_COLOURS = 255, GIF_SIDE = 65535 }; /* at most */

typedef struct Gif Gif;
/* So many pixels a line, so many lines; the colours are red, green, blue. NULL after an error. */
Gif *gif_new(int64_t width, int64_t height, const uint8_t (*colours)[3], int ncolours,
             TdError *err);
/* Pixels [height, width], each the number of a colour, shown for so many hundredths of a second. */
void gif_frame(Gif *g, const uint8_t *pixels, int hundredths);
/* The file's bytes, once; they live as long as g. */
const char *gif_end(Gif *g, size_t *n);
void gif_free(Gif *g); /* NULL is allowed */

#endif
