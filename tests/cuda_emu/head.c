/* SPDX-License-Identifier: MIT */
/* A module fits the driver that it was compiled for: this number says so. */
#include <stdint.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/scan.h"

int head_number(void) {
  uint32_t h = 2166136261u ^ EMU_ABI;
  for (const char *p = head_text(); *p != '\0'; p++) h = (h ^ (unsigned char)*p) * 16777619u;
  return (int)(h & 0x7fffffffu);
}
