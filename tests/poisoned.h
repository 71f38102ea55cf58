/* SPDX-License-Identifier: MIT */
/* A device for tests, around another: before an entry runs, all that it has to write before it
 * reads it is filled with numbers that no sum survives. */
#ifndef TDC_TESTS_POISONED_H
#define TDC_TESTS_POISONED_H

#include "runtime/device.h"

/* NULL stays NULL. The device inside belongs to it. */
Device *poisoned_device(Device *inside, const TdProgram *p);

#endif
