/* SPDX-License-Identifier: MIT */
/* Tests of the textual IR and of single passes, for the file-driven runner. */
#ifndef TDC_TESTS_RUN_IR_H
#define TDC_TESTS_RUN_IR_H

#include "dsl/base.h"

/* Reads the graph, runs the passes of its `# pass: NAME ...` lines (for the CPU, or what a line
 * `# target: NAME` says), verifies, and prints it to `out`; or the reader's diagnostics. False
 * with a line on stdout when the result breaks an invariant or is not read back as it was
 * printed. */
bool run_ir_text(const char *path, const char *text, size_t n, StrBuf *out);

/* The plan of the graph, after the passes of `# pass:` lines if there are any: as `# plan:`
 * lines say (`bf16`, `repeated`), without the compiler's options that `# without:` lines name.
 * False with a line on stdout when the file is wrong. */
bool run_plan_text(const char *path, const char *text, size_t n, StrBuf *out);

#endif
