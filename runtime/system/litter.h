/* SPDX-License-Identifier: MIT */
/* What must not be left when a signal ends the process at once: other programs that run for
 * it, and folders that it works in. They are noted as they come and go; taking them away
 * calls nothing but what a signal's handler may call. */
#ifndef TDC_LITTER_H
#define TDC_LITTER_H

#include <stdbool.h>
#include <sys/types.h>

/* Between making something and noting it no handler runs on this thread; may not be nested. */
void litter_hold(void);
void litter_release(void);

/* A child, the first of a process group of its own, begins or was waited for. */
void litter_child(pid_t child, bool lives);
/* A folder is made or is gone. Paths of over 500 bytes are not noted. */
void litter_folder(const char *path, bool there);

/* Kills the children with their groups, removes the folders with what lies in them. */
void litter_take_away(void);

#endif
