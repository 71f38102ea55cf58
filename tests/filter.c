/* SPDX-License-Identifier: MIT */
/* One test of a program of cmocka tests: ONLY=NAME, in which * and ? stand for what they do
 * in a shell. Linked into all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void run_only(void) {
  const char *only = getenv("ONLY");
  if (only != NULL && *only != '\0') cmocka_set_test_filter(only);
}
