/* UTF-8: one code point at a time, nothing overlong, no surrogates. */
#ifndef TDC_UTF8_H
#define TDC_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the code point at s (1 .. 4), which goes to *point; 0 if there is no
 * valid one in the n bytes. */
size_t utf8_decode(const uint8_t *s, size_t n, uint32_t *point);
/* Writes 1 .. 4 bytes; returns how many. */
size_t utf8_encode(uint32_t point, char out[4]);

#endif
