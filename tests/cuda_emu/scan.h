/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_SCAN_H
#define TDC_CUDA_EMU_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* C text that stands behind a unit's source and exports its kernels, malloc'ed; and their
 * names, one a line, malloc'ed. */
char *scan_table(const char *source, int abi, int capability, bool specific, bool checked,
                 char **names);
/* The line, from 1, that first includes something, and what; 0: none does. */
int scan_include(const char *source, char *what, size_t room);

/* head.h, as text; and a number that changes with it */
const char *head_text(void);
int head_number(void);

#endif
