/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_PTX_H
#define TDC_CUDA_EMU_PTX_H

#include <stdbool.h>

/* C text that stands behind head.h, with the table of scan.h, and the kernels' names, one a
 * line; NULL, with what has no translation. All malloc'ed. `name`: of the source, for lines. */
char *ptx_to_c(const char *ptx, const char *name, int abi, int capability, bool specific,
               bool checked, char **names, char **error);

#endif
