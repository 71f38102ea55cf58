/* SPDX-License-Identifier: MIT */
/* Letters of pixels, for pictures: ASCII, a mark where a line ends, a dot, and a box for
 * whatever else there is. */
#ifndef TDC_FONT_H
#define TDC_FONT_H

#include <stdbool.h>
#include <stdint.h>

enum { FONT_WIDE = 5, FONT_TALL = 9 }; /* of which two are below the line */

/* Is that pixel of the character ink? '\n' is the mark. */
bool font_ink(uint32_t point, int x, int y);

#endif
