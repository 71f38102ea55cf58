/* SPDX-License-Identifier: MIT */
/* C with GNU's extensions, beside prelude.h. */
#include "compiler/emit/dialect.h"

const Dialect dialect_c = {
    .name = "C",
    .suffix = "f",
    .prefix = "td_",
    .value = {[TY_REAL] = "float", [TY_INT] = "int32_t", [TY_BOOL] = "_Bool"},
    .stored = {[TY_REAL] = "float", [TY_INT] = "int32_t", [TY_BOOL] = "uint8_t"},
    .wide = "int64_t",
    .unsigned_wide = "uint64_t",
    .half = "uint16_t",
    .widen = "td_wide($0)",
    .narrow = "td_narrow($0)",
    .restrict_word = "restrict",
    .nan = "TD_NANF",
    .infinity = "TD_INFF",
    .int_least = "INT32_MIN",
    .int_most = "INT32_MAX",
    .wide_least = "INT64_MIN",
    .argument = "call->arg[$0]",
    .control = "const TdControl control = *call->ctl, *const ctl = &control;\n",
    .counter = "const int64_t ix$0 = call->ix[$0];\n",
    .one_plus_erf = "td_erf1p_table$r($0)",
    .one_plus_erf_beside = "td_erf1p_gauss$r($0)",
    .gauss = "td_gauss$r($0)",
    .vector_loop = "#pragma omp simd$0\n",
    .draw_array = "$2 $0[$1 + TD_LANES] __attribute__((aligned(64)));\n",
    .draw_run = "td_$1_run($0, ctl, $2, $3, $4$5);\n",
    .numbers = true,
};
