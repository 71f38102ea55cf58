/* SPDX-License-Identifier: MIT */
/* How a C-like language spells what kernels are made of. Expressions and loops are
 * written once (value.c, read.c, storage.c, loop.c); a dialect is a constant table of
 * the words that differ. Primitives are spelled in ops.def, alike in all. Patterns have their
 * arguments as $0 $1 $2; $r is the suffix of functions of reals, $t the type of reals. */
#ifndef TDC_DIALECT_H
#define TDC_DIALECT_H

#include "compiler/ir/prims.h"

typedef struct Dialect {
  const char *name;
  const char *suffix;               /* $r */
  const char *prefix;               /* of all functions that are not the language's own */
  const char *value[3];             /* by Type: a value in a register; an integer in 32 bits */
  const char *stored[3];            /* by Type: an element of a buffer */
  const char *wide, *unsigned_wide; /* an integer in 64 bits */
  const char *half;                 /* an element that is stored in bf16; */
  const char *widen, *narrow;       /* patterns: such an element as a real, and back */
  const char *restrict_word;
  /* constants */
  const char *nan, *infinity;
  const char *int_least, *int_most, *wide_least; /* of 32 bits, of 64 */
  /* what a kernel is given, and the names that expressions use for it */
  const char *argument; /* pattern: the address of buffer argument number $0 */
  const char *control;  /* statements: declare `ctl`, a pointer to the TdControl; "": it is there */
  const char *counter;  /* statements: declare ix$0, the counter of loop slot $0; "": it is there */
  /* pattern: 1 + erf($0) without cancellation; and in a kernel that also has exp(-($0 * $0)), which
   * is the third pattern, as it has that in common with it; NULL: no */
  const char *one_plus_erf, *one_plus_erf_beside, *gauss;
  /* Loops whose iterations are independent: what stands before one, $0 its clauses; NULL:
   * nothing. Draws of such a loop can be made before it, all at once: an array $0 of room
   * for $1 of type $2, and filling it by draw $1 with site $2 from number $3 on, $4 of them,
   * and what the draw takes besides as $5; NULL: no. */
  const char *vector_loop;
  const char *draw_array, *draw_run;
  bool numbers; /* launches may give kernels numbers of their text (numbers.c) */
} Dialect;

/* -- dialect.c -------------------------------------------------------------------- */
/* The pattern with its arguments, which may be NULL when it has none. In the arena. */
const char *dialect_spell(const Dialect *d, Arena *a, const char *pattern, const char *const *args);
/* The text of a prelude with scalar.h in the place of its #include. */
const char *dialect_prelude(Arena *a, const char *text);
const char *scalar_text(void); /* scalar.h, embedded by the build */

/* -- cpu/dialect.c, cuda/dialect.c ------------------------------------------------- */
extern const Dialect dialect_c;
extern const Dialect dialect_cuda;

#endif
