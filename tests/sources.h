/* SPDX-License-Identifier: MIT */
/* What tests of the language share: sources read whole, and a text to compile them
 * with that nobody has to have. */
#ifndef TDC_TESTS_SOURCES_H
#define TDC_TESTS_SOURCES_H

#include "compiler/unit.h"

enum { SOME_SYMBOLS = 65 };

char *file_text(const char *path); /* malloc'ed; NULL when it cannot be read */
/* A DataQuery: some text of SOME_SYMBOLS symbols. */
bool some_text(void *ctx, const DataDecl *d, DataInfo *out, const char **why);

#endif
