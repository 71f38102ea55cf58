/* SPDX-License-Identifier: MIT */
/* Proofs of bounds against enumeration. A read x[f(i)] under a condition is accepted for the
 * least extent of x that holds every f(i) which the condition lets through, and for none less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/unit.h"

enum { RUN = 16, E_BOUNDS = 205 }; /* i runs over 0 .. RUN - 1 */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t modulo(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

/* X(how it is written, what it is) */
#define CONDITIONS(X)                         \
  X("i >= 0", true)                           \
  X("i < 8", i < 8)                           \
  X("8 > i", i < 8)                           \
  X("!(i > 6)", i <= 6)                       \
  X("i >= 3 && i < 11", i >= 3 && i < 11)     \
  X("i >= 5", i >= 5)                         \
  X("i == 6", i == 6)                         \
  X("i != 0", i != 0)                         \
  X("2 * i + 1 < 16", 2 * i + 1 < 16)         \
  X("20 - 3 * i > 0", 20 - 3 * i > 0)         \
  X("min(i, 9) < 9", i < 9)                   \
  X("min(i, 9) > 3", i > 3)                   \
  X("max(i, 3) < 8", i < 8)                   \
  X("max(i, 3) > 3 && i < 9", i > 3 && i < 9) \
  X("abs(i - 8) < 3", i > 5 && i < 11)        \
  X("abs(i + 2) > 4", i > 2)                  \
  X("max(2 * min(i, 12), 3) <= 20", i <= 10)  \
  X("clamp(i, 2, 13) < 7", i < 7)             \
  X("i % 16 < 5", i < 5)                      \
  X("(i + 32) % 16 >= 5", i >= 5)             \
  X("i < 12 && i % 16 > 2", i > 2 && i < 12)

#define INDICES(X)                                               \
  X("i", i)                                                      \
  X("i / 2", floor_div(i, 2))                                    \
  X("i / 3 + 1", floor_div(i, 3) + 1)                            \
  X("(i - 1) / 2", floor_div(i - 1, 2))                          \
  X("2 * i / 3", floor_div(2 * i, 3))                            \
  X("(i / 2) * 2", 2 * floor_div(i, 2))                          \
  X("i / 2 / 2", floor_div(i, 4))                                \
  X("i / -2 + 9", floor_div(i, -2) + 9)                          \
  X("12 / (i + 1)", 12 / (i + 1))                                \
  X("min(i / 2, 3)", least(floor_div(i, 2), 3))                  \
  X("min(i, 5) / 2", floor_div(least(i, 5), 2))                  \
  X("max(i - 5, 0)", most(i - 5, 0))                             \
  X("max(3, i / 2)", most(3, floor_div(i, 2)))                   \
  X("min(max(i / 2, 2), 6)", least(most(floor_div(i, 2), 2), 6)) \
  X("clamp(i / 2, 1, 5)", least(most(floor_div(i, 2), 1), 5))    \
  X("clamp(i - 4, 0, 6)", least(most(i - 4, 0), 6))              \
  X("abs(i - 7)", llabs(i - 7))                                  \
  X("abs(i / 2 - 3)", llabs(floor_div(i, 2) - 3))                \
  X("15 - i", 15 - i)                                            \
  X("15 - i / 2", 15 - floor_div(i, 2))                          \
  X("i % 16", modulo(i, 16))                                     \
  X("(i - 16) % 16", modulo(i - 16, 16))                         \
  X("i - 3", i - 3)

static bool condition(int k, int64_t i) {
  int at = 0;
#define X(text, value) \
  if (k == at++) return (value);
  CONDITIONS(X)
#undef X
  return false;
}

static int64_t index_at(int k, int64_t i) {
  int at = 0;
#define X(text, value) \
  if (k == at++) return (value);
  INDICES(X)
#undef X
  return 0;
}

#define X(text, value) text,
static const char *const conditions[] = {CONDITIONS(X)}, *const indices[] = {INDICES(X)};
#undef X
enum {
  NCONDITIONS = sizeof conditions / sizeof *conditions,
  NINDICES = sizeof indices / sizeof *indices
};

/* Is the read accepted where x has so many elements? Else E0205 and nothing else. */
static bool accepted(const char *guard, const char *index, long long extent) {
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  const char *text =
      arena_printf(a, "op f(v[%d], x[%lld]) -> y[%d] { y[i in %d] = %s ? x[%s] : v[i] }\n", RUN,
                   extent, RUN, RUN, guard, index);
  UnitOptions o = {.check_only = true};
  unit_compile(a, interner_new(a), d, diags_source(d, "bounds.td", text, strlen(text)), &o);
  bool ok = diags_count(d) == 0;
  if (!ok && (diags_count(d) != 1 || diags_at(d, 0)->code != E_BOUNDS))
    fail_msg("%s: %04d %s", text, diags_at(d, 0)->code, diags_at(d, 0)->message);
  arena_free(a);
  return ok;
}

static void conditions_and_functions_together(void **state) {
  (void)state;
  int wrong = 0, pairs = 0;
  for (int c = 0; c < NCONDITIONS; c++)
    for (int k = 0; k < NINDICES; k++) {
      int64_t lo = INT64_MAX, hi = INT64_MIN;
      for (int64_t i = 0; i < RUN; i++) {
        if (!condition(c, i)) continue;
        lo = least(lo, index_at(k, i));
        hi = most(hi, index_at(k, i));
      }
      assert_true(lo <= hi);
      bool fits = accepted(conditions[c], indices[k], lo < 0 ? 100 : hi + 1);
      bool less = lo >= 0 && hi > 0 && accepted(conditions[c], indices[k], hi);
      if (fits != (lo >= 0) || less)
        print_message("%s ? x[%s] runs over %lld .. %lld: %s\n", conditions[c], indices[k],
                      (long long)lo, (long long)hi, less || lo < 0 ? "unsound" : "not proved");
      wrong += fits != (lo >= 0) || less;
      pairs++;
    }
  assert_int_equal(wrong, 0);
  assert_int_equal(pairs, NCONDITIONS * NINDICES);
}

/* int() of numbers that lie somewhere by their form: the integers are 0 .. `extent` - 1, and none
 * of them is left out. v[i] is any number. */
static void integers_of_numbers(void **state) {
  (void)state;
  static const struct {
    const char *index;
    int extent;
  } cases[] = {{"int(clamp(v[i], 0, 9))", 10},
               {"int(clamp(v[i], -3, 3)) + 3", 7},
               {"int(clamp(v[i], 2, 5))", 6}, /* of NaN 0 */
               {"int(8 * sigmoid(v[i]))", 9},
               {"int(10 * (v[i] % 1))", 10}, /* below 10, whatever it rounds to */
               {"int(10 * ((v[i] + i / 16) % 1))", 10},
               {"int(1 + 9 * (v[i] % 1))", 10},
               {"int(3 * (1 - v[i] % 1))", 4},
               {"int((v[i] % 7) / 7)", 1},
               {"int(min(abs(v[i]), 4.5))", 5},
               {"int(abs(clamp(v[i], -6, 2)))", 7},
               {"int(2.5 + 2 * cos(v[i]))", 5},
               {"int(tanh(v[i]) + 1)", 3},
               {"int(clamp(v[i], 0, 49) / 49)", 2},
               {"int(0.29 * clamp(v[i], 0, 100))", 30}, /* 0.29 * 100 is less than 29 in binary */
               {"int(floor(clamp(v[i], 0.5, 7.5)))", 8},
               {"int(round(clamp(v[i], 0.5, 7.5)))", 9},
               {"int(v[i] > 0 ? 6.0 : 2.0)", 7},
               {"int(real(i) / 3)", 6},
               {"int(exp(min(v[i], 0)))", 2},
               {"int(sqrt(clamp(v[i], 0, 81)))", 10},
               {"int(max(min(v[i], 4), -v[i] % 6))", 6}};
  int wrong = 0;
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    bool fits = accepted("i >= 0", cases[k].index, cases[k].extent),
         less = cases[k].extent > 1 && accepted("i >= 0", cases[k].index, cases[k].extent - 1);
    if (!fits || less)
      print_message("%s in %d: %s\n", cases[k].index, cases[k].extent,
                    less ? "too few" : "refused");
    wrong += !fits || less;
  }
  assert_int_equal(wrong, 0);
  assert_false(accepted("i >= 0", "int(v[i])", 1000000));
  assert_false(accepted("i >= 0", "int(clamp(v[i], 0, 9) / clamp(v[i], 0, 1))", 1000000));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(conditions_and_functions_together),
                                     cmocka_unit_test(integers_of_numbers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
