/* SPDX-License-Identifier: MIT */
/* Graphs as text (IR.md): printing and reading are inverse to each other. */
#ifndef TDC_TEXT_H
#define TDC_TEXT_H

#include "compiler/ir/ir.h"
#include "dsl/diag.h"

void ir_print(Graph *g, StrBuf *out);
Graph *ir_parse(Arena *a, Interner *names, Diags *d, int file); /* NULL after an error */

#endif
