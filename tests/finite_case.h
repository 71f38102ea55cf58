/* SPDX-License-Identifier: MIT */
/* What a device says of numbers that are finite and of some that are not. */
#ifndef TDC_TESTS_FINITE_CASE_H
#define TDC_TESTS_FINITE_CASE_H

#include "runtime/device.h"

/* Fails the test where it is wrong. The device is ready; nothing of it stays. */
void finite_case(Device *d);

#endif
