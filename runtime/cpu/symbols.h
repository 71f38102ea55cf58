/* SPDX-License-Identifier: MIT */
/* What an object that a C compiler wrote leaves to others. */
#ifndef TDC_SYMBOLS_H
#define TDC_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Calls found() with each symbol that the object names and does not define, until one answers
 * false. False then, and when the bytes are no relocatable ELF file of this machine's word size
 * and byte order, or a damaged one; nothing beyond them is read. */
bool symbols_undefined(const uint8_t *bytes, size_t n, bool (*found)(void *ctx, const char *name),
                       void *ctx);

#endif
