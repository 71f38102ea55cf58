/* SPDX-License-Identifier: MIT */
#include "tests/cuda_emu/emu.h"
bool shadow_on;
void shadow_start(void *base, size_t bytes) { (void)base, (void)bytes; }
void shadow_alive(uintptr_t at, size_t bytes, bool alive) { (void)at, (void)bytes, (void)alive; }
void shadow_written(uintptr_t at, size_t bytes) { (void)at, (void)bytes; }
void shadow_copied(uintptr_t to, uintptr_t from, size_t bytes) {
  (void)to, (void)from, (void)bytes;
}
bool shadow_is_written(uintptr_t at, size_t bytes) {
  (void)at, (void)bytes;
  return true;
}
void shadow_launch(const Launch *l) { (void)l; }
void shadow_block(long long block) { (void)block; }
void shadow_barrier(void) {}
void shadow_warp_barrier(int warp) { (void)warp; }
void shadow_ticket(unsigned *counter) { (void)counter; }
