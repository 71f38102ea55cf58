/* SPDX-License-Identifier: MIT */
/* Blocks of zeroed memory for states, arenas and scratch; td_block says what one
 * takes. Big ones lie on huge pages, which saves much of the address
 * translation of streaming kernels, and come from the kernel already zeroed:
 * pages nobody touches cost nothing. */
#ifndef TDC_BLOCK_H
#define TDC_BLOCK_H

#include <stddef.h>

char *block_new(size_t bytes);               /* NULL: no memory */
void block_clear(char *block, size_t bytes); /* zero again */
void block_free(char *block, size_t bytes);  /* the size it was made with; block may be NULL */

#endif
