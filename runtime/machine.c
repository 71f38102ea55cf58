/* SPDX-License-Identifier: MIT */
/* The devices there are. */
#include "runtime/machine.h"

#include <string.h>

#include "runtime/cpu/device.h"
#include "runtime/cpu/toolchain.h"
#include "runtime/cuda/compile.h"
#include "runtime/reference.h"

static Device *open_cpu(Machine *m, const Unit *u, const JitOptions *o, TdError *err) {
  m->jit = jit_open(u->program, o, err);
  return m->jit != NULL ? cpu_device(u->program, m->jit, m->pool, err) : NULL;
}

static Device *open_cuda(Machine *m, const Unit *u, const JitOptions *o, TdError *err) {
  return cuda_device(u->program, o, &m->cuda, err);
}

static Device *open_reference(Machine *m, const Unit *u, const JitOptions *o, TdError *err) {
  (void)m;
  (void)o;
  return reference_device(u, err);
}

static const struct {
  const char *name, *target;
  bool on_host;
  Device *(*open)(Machine *m, const Unit *u, const JitOptions *o, TdError *err);
} devices[] = {{"cpu", "cpu", true, open_cpu},
               {"cuda", "cuda", false, open_cuda},
               {"reference", "cpu", true, open_reference}};
enum { DEVICES = sizeof devices / sizeof *devices };

/* DEVICES: there is none of that name. */
static int find(const char *device) {
  int i = 0;
  while (i < DEVICES && strcmp(devices[i].name, device) != 0) i++;
  return i;
}

bool machine_on_host(const char *device) {
  int i = find(device);
  return i == DEVICES || devices[i].on_host;
}

bool machine_has(const char *device) { return find(device) < DEVICES; }

void machine_devices(StrBuf *out) {
  for (int i = 0; i < DEVICES; i++)
    sb_printf(out, "%s%s", i == 0 ? "" : i + 1 < DEVICES ? ", " : " or ", devices[i].name);
}

static bool no_device(const char *device, TdError *err) {
  StrBuf names = {0};
  machine_devices(&names);
  td_fail(err, TD_BAD_USAGE, "there is no device '%.100s': it is %s", device,
          names.s != NULL ? names.s : "?");
  sb_free(&names);
  return false;
}

const char *machine_target(const char *device, TdError *err) {
  int i = find(device);
  if (i < DEVICES) return devices[i].target;
  no_device(device, err);
  return NULL;
}

bool machine_open(Machine *m, const char *device, const Unit *u, int threads, const JitOptions *o,
                  TdError *err) {
  int i = find(device);
  *m = (Machine){.device = i < DEVICES ? devices[i].name : NULL};
  if (i == DEVICES) return no_device(device, err);
  m->pool = pool_new(threads, err);
  if (m->pool == NULL) return false;
  m->session = session_new(u->program, devices[i].open(m, u, o, err), err);
  return m->session != NULL;
}

const JitStats *machine_stats(const Machine *m) {
  return m->jit != NULL ? jit_stats(m->jit) : m->cuda.stats;
}

RecordMachine machine_record(const Machine *m) {
  RecordMachine r = {.device = m->device, .threads = pool_threads(m->pool)};
  if (m->jit != NULL) {
    r.compiler = jit_compiler(m->jit);
    r.flags = toolchain_flags();
  } else if (m->cuda.stats != NULL) {
    r.compiler = m->cuda.compiler;
    r.flags = cubin_flags();
    r.gpu = m->cuda.gpu;
  }
  return r;
}

void machine_close(Machine *m) {
  session_free(m->session);
  jit_close(m->jit);
  pool_free(m->pool);
  *m = (Machine){0};
}
