/* SPDX-License-Identifier: MIT */
/* See finite_case.h. */
#include "tests/finite_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 70001, ROWS = 70, SKIPPED = 24 }; /* bytes before the first */

/* The largest finite number, the least one, infinities and a NaN, as bits; of integers, the same
 * question with -1. */
static const struct {
  TdType type;
  uint64_t large, small, bad[3];
} types[] = {{TD_F32, 0x7f7fffff, 0x80000001, {0x7f800000, 0xff800000, 0x7f800001}},
             {TD_F64,
              0x7fefffffffffffff,
              0x8000000000000001,
              {0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000001}},
             {TD_BF16, 0x7f7f, 0x8001, {0x7f80, 0xff80, 0x7f81}},
             {TD_F16, 0x7bff, 0x8001, {0x7c00, 0xfc00, 0x7c01}},
             {TD_I32, 0x7fffffff, 0, {0xffffffff, 0x7f800000, 0x7ff00000}},
             {TD_U8, 0x7f, 0, {0xff, 0xff, 0xff}}};

/* Number i of them all is that one. */
static void put(Device *d, DevicePlace at, size_t size, int64_t i, uint64_t bits) {
  at.offset += (size_t)i * size;
  d->does->upload(d, at, &bits, size); /* little end first */
}

static int good_of(Device *d, const DeviceNumbers *all, int n) {
  int good = -1;
  TdError err = {0};
  if (!d->does->finite(d, all, n, &good, &err)) fail_msg("%s", err.message);
  return good;
}

static void one_type(Device *d, int k) {
  static const int64_t where[] = {0, 1, 1023, 1024, 65536, COUNT - 1};
  TdError err = {0};
  size_t size = td_type_size(types[k].type), bytes = SKIPPED + COUNT * size + SKIPPED;
  DeviceMemory *m = d->does->alloc(d, bytes, &err);
  char *fill = malloc(bytes);
  assert_true(m != NULL && fill != NULL);
  memset(fill, 0xff, bytes); /* NaN on both sides */
  for (size_t i = 0; i < COUNT; i++)
    memcpy(fill + SKIPPED + i * size, i % 2 ? &types[k].small : &types[k].large, size);
  d->does->upload(d, (DevicePlace){m, 0}, fill, bytes);
  DeviceNumbers all = {{m, SKIPPED}, types[k].type, COUNT};
  bool real = types[k].type != TD_I32 && types[k].type != TD_U8;
  assert_int_equal(good_of(d, &all, 1), 1);
  for (size_t i = 0; i < sizeof where / sizeof *where; i++) {
    put(d, all.at, size, where[i], types[k].bad[i % 3]);
    if (good_of(d, &all, 1) != !real)
      fail_msg("type %d, number %lld", (int)types[k].type, (long long)where[i]);
    put(d, all.at, size, where[i], types[k].large);
  }
  put(d, all.at, size, COUNT - 1, types[k].bad[0]); /* not looked at */
  all.count--;
  assert_int_equal(good_of(d, &all, 1), 1);
  free(fill);
  d->does->free(d, m, bytes);
}

/* Of 70 rows of three the 67th is the first with a NaN; none of no row. */
static void many_rows(Device *d) {
  TdError err = {0};
  size_t bytes = sizeof(float[ROWS][3]);
  DeviceMemory *m = d->does->alloc(d, bytes, &err);
  DeviceNumbers all[ROWS];
  assert_non_null(m);
  for (int i = 0; i < ROWS; i++)
    all[i] = (DeviceNumbers){{m, sizeof(float[3]) * (size_t)i}, TD_F32, 3};
  assert_int_equal(good_of(d, all, ROWS), ROWS);
  put(d, all[68].at, 4, 0, 0x7f800000);
  put(d, all[66].at, 4, 2, 0x7fc00000);
  assert_int_equal(good_of(d, all, ROWS), 66);
  assert_int_equal(good_of(d, all, 66), 66);
  put(d, all[2].at, 4, 1, 0xff800000);
  assert_int_equal(good_of(d, all, ROWS), 2);
  assert_int_equal(good_of(d, all, 0), 0);
  d->does->free(d, m, bytes);
}

void finite_case(Device *d) {
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) one_type(d, (int)k);
  many_rows(d);
}
