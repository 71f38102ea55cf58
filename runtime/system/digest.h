/* SPDX-License-Identifier: MIT */
/* SHA-256, for corpora, cache keys and checksums. */
#ifndef TDC_DIGEST_H
#define TDC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65 }; /* hexadecimal, with its NUL */

typedef struct Digest Digest;
Digest *digest_new(void); /* NULL when memory is out */
void digest_add(Digest *d, const void *bytes, size_t n);
/* A string and its length, so that ("ab","c") and ("a","bc") differ. */
void digest_add_string(Digest *d, const char *s);
/* Frees d. False when a call of the library failed. */
bool digest_end(Digest *d, uint8_t out[DIGEST_BYTES]);
bool digest_end_hex(Digest *d, char out[DIGEST_HEX]);
void digest_free(Digest *d);

bool digest_of(const void *bytes, size_t n, char out[DIGEST_HEX]);
void digest_hex(const uint8_t bytes[DIGEST_BYTES], char out[DIGEST_HEX]);

#endif
