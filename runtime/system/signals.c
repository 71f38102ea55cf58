/* SPDX-License-Identifier: MIT */
/* The signal flag: the one variable a handler may touch. */
#include "runtime/system/signals.h"

#include <stddef.h>

#include "runtime/system/litter.h"

static volatile sig_atomic_t raised;

static void signals_note(int number) {
  if (raised != 0 && number == SIGINT) { /* the user insists */
    litter_take_away();
    signal(SIGINT, SIG_DFL);
    raise(SIGINT);
  }
  raised = number;
}

const volatile sig_atomic_t *signals_install(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct sigaction now, action = {.sa_handler = signals_note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    /* what the parent made us ignore (nohup) stays ignored */
    if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN) continue;
    sigaction(numbers[i], &action, NULL);
  }
  signal(SIGPIPE, SIG_IGN); /* a write that fails says so itself: what was begun is cleared away */
  signal(SIGXFSZ, SIG_IGN);
  return &raised;
}
