/* SPDX-License-Identifier: MIT */
/* What the files that write diagnostics share: the collection itself, the order
 * in which it is shown, and the reading of UTF-8. */
#ifndef TDC_DIAG_INTERNAL_H
#define TDC_DIAG_INTERNAL_H

#include "dsl/diag.h"

enum { WARNING_MAX = 100 }; /* further warnings are dropped */

struct Diags {
  Arena *arena;
  VEC(Source) sources;
  VEC(Diag *) all;
  int errors, warnings;
  jmp_buf *unwind;
};

/* -- diag.c */
const Diag **diags_sorted(const Diags *d); /* by place, then by arrival */
const char *diag_level_name(DiagLevel level);
/* Bytes of the UTF-8 sequence at s (1..4), or 0 when there is none; n > 0. */
size_t utf8_length(const char *s, size_t n);

#endif
