/* SPDX-License-Identifier: MIT */
/* The functions that a prelude's units share, compiled when the project was: nobody waits for them.
 * They serve where all that their machine code depends on is what it was then, else they are
 * compiled as before (jit_compile.c). build/gen/ready.c, which runtime/cli/ready.c writes, or
 * ready_none.c. */
#ifndef TDC_READY_H
#define TDC_READY_H

#include <stddef.h>
#include <stdint.h>

typedef struct Ready {
  const char *const *keys; /* jit_ready_key of the preludes that it serves; NULL at the end */
  const uint8_t *object;   /* n bytes, with all functions of the largest of them, weak */
  size_t n;
} Ready;

extern const Ready ready;

#endif
