/* SPDX-License-Identifier: MIT */
/* Faults of the host's processor, told as what they are here: a kernel outside its memory,
 * or the host inside the device's. The first ends the launch, the second the process. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/engine.h"
#include "tests/cuda_emu/signals.h"

const char *signals_work;
static struct sigaction before[NSIG];

static void of_kernel(int signal, uintptr_t at) {
  char what[160];
  if (signal == SIGFPE) {
    emu_report("division by zero", "of integers");
  } else if (engine_explain(at, what, sizeof what)) {
    emu_report(strstr(what, "stack") != NULL ? "stack overflow" : "out of bounds", "%s", what);
  } else {
    memory_holds(at, 1, what, sizeof what);
    emu_report(strstr(what, "freed") != NULL ? "use after free" : "out of bounds",
               "address %#llx: %s", (unsigned long long)at, what);
  }
  engine_interrupt(CUDA_ERROR_ILLEGAL_ADDRESS);
}

static void caught(int signal, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t at = (uintptr_t)info->si_addr;
  if (engine_runs()) of_kernel(signal, at);
  if (signal != SIGFPE && memory_is_device(at)) {
    char what[160] = "a live block";
    memory_holds(at, 1, what, sizeof what);
    emu_report("host access", "the host touches the device's memory at %#llx: %s",
               (unsigned long long)at, what);
  } else if (signal != SIGFPE && signals_work != NULL) {
    emu_report("host memory", "%s meets host memory at %#llx that is not there", signals_work,
               (unsigned long long)at);
  }
  sigaction(signal, &before[signal], NULL); /* it comes again, to whoever was there first */
}

void signals_start(void) {
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
  sigemptyset(&action.sa_mask);
  const int which[] = {SIGSEGV, SIGBUS, SIGFPE};
  for (int i = 0; i < 3; i++) {
    sigaction(which[i], &action, &old);
    if (!(old.sa_flags & SA_SIGINFO) || old.sa_sigaction != caught) before[which[i]] = old;
  }
}

void signals_thread(void) {
  static _Thread_local bool done;
  static _Thread_local char stack[64 << 10];
  signals_start(); /* others may have put theirs in its place */
  if (done) return;
  done = true;
  stack_t old, mine = {.ss_sp = stack, .ss_size = sizeof stack};
  if (sigaltstack(NULL, &old) == 0 && (old.ss_flags & SS_DISABLE)) sigaltstack(&mine, NULL);
}
