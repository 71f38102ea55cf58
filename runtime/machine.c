/* SPDX-License-Identifier: MIT */
/* The devices there are. */
#include "runtime/machine.h"

#include <string.h>

#include "runtime/cpu/device.h"
#include "runtime/reference.h"

static Device *open_cpu(Machine *m, const Unit *u, const JitOptions *o, TdError *err) {
  m->jit = jit_open(u->program, o, err);
  return m->jit != NULL ? cpu_device(u->program, m->jit, m->pool, err) : NULL;
}

static Device *open_reference(Machine *m, const Unit *u, const JitOptions *o, TdError *err) {
  (void)m;
  (void)o;
  return reference_device(u, err);
}

static const struct {
  const char *name;
  Device *(*open)(Machine *m, const Unit *u, const JitOptions *o, TdError *err);
} devices[] = {{"cpu", open_cpu}, {"reference", open_reference}};

bool machine_open(Machine *m, const char *device, const Unit *u, int threads, const JitOptions *o,
                  TdError *err) {
  *m = (Machine){.pool = pool_new(threads, err)};
  if (m->pool == NULL) return false;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    if (strcmp(devices[i].name, device) != 0) continue;
    m->session = session_new(u->program, devices[i].open(m, u, o, err), err);
    return m->session != NULL;
  }
  return td_fail(err, TD_BAD_USAGE, "there is no device '%.100s'", device);
}

void machine_close(Machine *m) {
  session_free(m->session);
  jit_close(m->jit);
  pool_free(m->pool);
  *m = (Machine){0};
}
