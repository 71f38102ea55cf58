/* SPDX-License-Identifier: MIT */
/* Asking a run to stop. SIGINT, SIGTERM and SIGHUP leave their number in one
 * flag that loops look at between steps; a second SIGINT ends the process at
 * once, with the compilers that run for it and the folders they work in (litter.h).
 * SIGPIPE is ignored: writing to a closed pipe fails instead. */
#ifndef TDC_SIGNALS_H
#define TDC_SIGNALS_H

#include <signal.h>

/* Installs the handlers; the flag is 0 until a signal comes. */
const volatile sig_atomic_t *signals_install(void);

#endif
