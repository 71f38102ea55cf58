/* SPDX-License-Identifier: MIT */
/* Flags for kernels whose speed is not the subject: the C compiler takes a quarter of the time that
 * it takes with the runtime's own. Some are left to those: see tests/models.c, tests/ops.c. */
#ifndef TDC_TESTS_QUICK_H
#define TDC_TESTS_QUICK_H

#define QUICK_OF(and)                                                                            \
  "-Og" and "-fira-region=one" and "-fno-reorder-blocks" and "-fno-guess-branch-probability" and \
      "-fno-shrink-wrap" and "-fno-cprop-registers" and "-fno-expensive-optimizations"
#define QUICK_COMMA ,
#define QUICK_FLAGS QUICK_OF(" ")        /* words of a string */
#define QUICK_LIST QUICK_OF(QUICK_COMMA) /* strings */

#endif
