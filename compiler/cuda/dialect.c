/* SPDX-License-Identifier: MIT */
/* CUDA C++ beside prelude.h. A kernel's buffers and counters are its parameters, and the
 * address of the control block. */
#include "compiler/emit/dialect.h"

const Dialect dialect_cuda = {
    .name = "CUDA",
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
    .nan = "TD_NANF",
    .infinity = "TD_INFF",
    .int_least = "(-2147483647 - 1)",
    .int_most = "2147483647",
    .wide_least = "(-9223372036854775807LL - 1)",
    .argument = "arg$0",
    .control = "",
    .counter = "",
    .one_plus_erf = "td_erf1p$r($0)",
};
