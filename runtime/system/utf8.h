/* SPDX-License-Identifier: MIT */
/* UTF-8: one code point at a time, nothing overlong, no surrogates. */
#ifndef TDC_UTF8_H
#define TDC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dsl/base.h"

/* Bytes of the code point at s (1 .. 4), which goes to *point; 0 if there is no
 * valid one in the n bytes. */
size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *point);
/* Writes 1 .. 4 bytes; returns how many. */
size_t utf8_put(uint32_t point, char out[4]);

/* Columns that it fills on a terminal: 2 for wide characters, 0 for a mark on what stands
 * before it; -1 for what shows nothing, or moves the cursor or the order of the text. */
int utf8_columns(uint32_t point);

bool utf8_valid(const char *text, size_t n);

/* Appends the text, with U+FFFD in the place of every byte that is part of no
 * code point: for formats that take nothing but UTF-8, as JSON. */
void utf8_mend(StrBuf *out, const char *text, size_t n);

#endif
