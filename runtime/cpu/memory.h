/* SPDX-License-Identifier: MIT */
/* The memory functions of devices that keep theirs in the host's: its name is its
 * address. */
#ifndef TDC_MEMORY_H
#define TDC_MEMORY_H

#include "runtime/device.h"

DeviceMemory *host_alloc(Device *d, size_t bytes, TdError *err);
void host_free(Device *d, DeviceMemory *m, size_t bytes);
void host_upload(Device *d, DevicePlace to, const void *from, size_t bytes);
bool host_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err);
void host_zero(Device *d, DeviceMemory *m, size_t bytes);
void host_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes);
bool host_finite(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err);
bool host_sync(Device *d, TdError *err); /* nothing is ever under way */

char *host_address(DevicePlace p);
/* Has this machine the memory to run the program with so many threads? */
bool host_fits(const TdProgram *p, int threads, TdError *err);

#endif
