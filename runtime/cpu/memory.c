/* SPDX-License-Identifier: MIT */
/* Device memory that is the host's. */
#include "runtime/cpu/memory.h"

#include <string.h>
#include <unistd.h>

#include "runtime/cpu/block.h"

char *host_address(DevicePlace p) { return (char *)p.memory + p.offset; }

DeviceMemory *host_alloc(Device *d, size_t bytes, TdError *err) {
  (void)d;
  char *block = block_new(bytes);
  if (block == NULL) td_fail_memory(err);
  return (DeviceMemory *)block;
}

void host_free(Device *d, DeviceMemory *m, size_t bytes) {
  (void)d;
  block_free((char *)m, bytes);
}

void host_upload(Device *d, DevicePlace to, const void *from, size_t bytes) {
  (void)d;
  if (bytes > 0) memcpy(host_address(to), from, bytes);
}

bool host_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err) {
  (void)d;
  (void)err;
  if (bytes > 0) memcpy(to, host_address(from), bytes);
  return true;
}

void host_zero(Device *d, DeviceMemory *m, size_t bytes) {
  (void)d;
  block_clear((char *)m, bytes);
}

void host_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes) {
  (void)d;
  if (bytes > 0) memmove(host_address(to), host_address(from), bytes);
}

/* A vector at a time: weights are looked at after every sampling. */
#define ALL_FINITE(type)                                                               \
  for (; i + RUN <= count; i += RUN) {                                                 \
    type bits[RUN], bad = 0;                                                           \
    memcpy(bits, (const type *)x + i, sizeof bits);                                    \
    for (int k = 0; k < RUN; k++) bad |= (type)((bits[k] & (type)mask) == (type)mask); \
    if (bad) return false;                                                             \
  }                                                                                    \
  for (type bits; i < count; i++) {                                                    \
    memcpy(&bits, (const type *)x + i, sizeof bits);                                   \
    if ((bits & (type)mask) == (type)mask) return false;                               \
  }                                                                                    \
  return true

static bool all_finite(const void *x, TdType t, int64_t count) {
  enum { RUN = 1024 };
  uint64_t mask = td_type_exponent(t);
  int64_t i = 0;
  switch (mask != 0 ? td_type_size(t) : 0) {
  case 2: ALL_FINITE(uint16_t);
  case 4: ALL_FINITE(uint32_t);
  case 8: ALL_FINITE(uint64_t);
  default: return true;
  }
}

bool host_finite(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err) {
  (void)d;
  (void)err;
  *good = 0;
  while (*good < n && all_finite(host_address(all[*good].at), all[*good].type, all[*good].count))
    (*good)++;
  return true;
}

bool host_sync(Device *d, TdError *err) {
  (void)d;
  (void)err;
  return true;
}

bool host_fits(const TdProgram *p, int threads, TdError *err) {
  size_t need;
  if (!td_program_memory(p, threads, &need))
    return td_fail(err, TD_BAD_FILE, "the program needs more memory than can be counted");
  double have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  if (have > 0 && (double)need > have)
    return td_fail(
        err, TD_IO_FAILED,
        "the program needs %.1f GB of memory, this machine has %.1f GB; a smaller batch?",
        (double)need / 1e9, have / 1e9);
  return true;
}
