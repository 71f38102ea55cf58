/* SPDX-License-Identifier: MIT */
/* Flags for kernels whose speed is not the subject: the C compiler takes a quarter of the time that
 * it takes with the runtime's own. Some are left to those: see tests/models.c, tests/ops.c. */
#ifndef TDC_TESTS_QUICK_H
#define TDC_TESTS_QUICK_H

#define QUICK_FLAGS "-Og -fira-region=one"

#endif
