/* SPDX-License-Identifier: MIT */
/* A device for tests, around each that keeps its memory in the host's: nobody may touch
 * that memory but the device itself, while it works. Everything else in the process gets
 * SIGSEGV, and so does the device behind the end of a block. What may be put off is put
 * off until somebody waits for it, as by a device that works beside the host.
 *
 * A program that is linked with this file and GUARDED_LDFLAGS of the Makefile has it in
 * place of every device. */
#ifndef TDC_TESTS_GUARDED_H
#define TDC_TESTS_GUARDED_H

#include "runtime/device.h"

/* The blocks of the guarded device that was made last, and where each is. */
int guarded_blocks(void);
char *guarded_block(int i, size_t *bytes);

/* Of the next `waits` times that somebody waits for a guarded device, the last fails, and
 * all after it, with TD_NO_TOOL and a message that says "lost". 0: none. */
void guarded_break(int waits);

#endif
