/* SPDX-License-Identifier: MIT */
/* CUDA C++ as NVRTC compiles it without headers: no <stdint.h>, no <math.h>. A kernel's
 * buffers, counters and control are parameters by value. */
#include "compiler/emit/dialect.h"

const Dialect dialect_cuda = {
    .name = "CUDA",
    .spelling = SPELL_CUDA,
    .suffix = "f",
    .prefix = "td_",
    .value = {[TY_REAL] = "float", [TY_INT] = "int", [TY_BOOL] = "bool"},
    .stored = {[TY_REAL] = "float", [TY_INT] = "int", [TY_BOOL] = "unsigned char"},
    .wide = "long long",
    .unsigned_wide = "unsigned long long",
    .half = "unsigned short",
    .widen = "td_wide($0)",
    .narrow = "td_narrow($0)",
    .restrict_word = "__restrict__",
    .nan = "__int_as_float(0x7fc00000)",
    .infinity = "__int_as_float(0x7f800000)",
    .int_least = "(-2147483647 - 1)",
    .int_most = "2147483647",
    .wide_least = "(-9223372036854775807LL - 1)",
    .argument = "arg$0",
    .control = "const TdControl *const ctl = &control;\n",
    .counter = "",
    .one_plus_erf = "erfc$r(-($0))",
};
