/* SPDX-License-Identifier: MIT */
/* What devices have in common. */
#include "runtime/device.h"

static DevicePlace slot_of(const DeviceSlots *s, int i) {
  return (DevicePlace){s->at.memory, s->at.offset + (size_t)i * s->stride};
}

void device_run_each(Device *d, const DeviceLayout *at, const DeviceSeries *s) {
  const DevicePlace *buffers = at->buffers[s->entry];
  for (int i = s->first; i < s->first + s->n; i++) {
    DeviceRun run = {.entry = s->entry,
                     .seed = s->seed,
                     .step = s->step + (i - s->first),
                     .holds = i > s->first ? s->then_holds : s->holds};
    for (int k = 0; k < s->ninputs; k++)
      d->does->copy(d, buffers[s->inputs[k].buffer], slot_of(&s->inputs[k], i), s->inputs[k].bytes);
    d->does->run(d, &run);
    for (int k = 0; k < s->noutputs; k++)
      d->does->copy(d, slot_of(&s->outputs[k], i), buffers[s->outputs[k].buffer],
                    s->outputs[k].bytes);
  }
}
