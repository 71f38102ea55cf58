/* SPDX-License-Identifier: MIT */
/* The plan of a program as text: entries with their steps' kernels, and where
 * every buffer lives and how long. */
#include "compiler/backend.h"

#include <string.h>

static const char *type_text(TdType t) {
  switch (t) {
  case TD_F32: return "f32";
  case TD_F64: return "f64";
  case TD_BF16: return "bf16";
  case TD_F16: return "f16";
  case TD_I32: return "i32";
  case TD_U8: return "u8";
  }
  return "?";
}

static void print_amount(StrBuf *out, double x, const char *unit) {
  static const struct {
    double at;
    const char *prefix;
  } steps[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
  for (int i = 0; i < 3; i++)
    if (x >= steps[i].at) {
      sb_printf(out, "%8.2f %s%s", x / steps[i].at, steps[i].prefix, unit);
      return;
    }
  sb_printf(out, "%8.0f  %s", x, unit);
}

static void print_shape(StrBuf *out, const TdBuffer *b) {
  sb_puts(out, type_text(b->type));
  for (int d = 0; d < b->rank; d++)
    sb_printf(out, "%s%lld", d ? ", " : "[", (long long)b->shape[d]);
  if (b->rank) sb_putc(out, ']');
}

/* By buffer, the first and the last step that touch it; -1: none. */
static void lifetimes(const TdEntry *e, int *first, int *last) {
  for (int b = 0; b < e->nbuffers; b++) first[b] = last[b] = -1;
  for (int s = 0; s < e->nsteps; s++)
    for (int i = 0; i < e->steps[s].nargs; i++) {
      int b = e->steps[s].args[i];
      if (first[b] < 0) first[b] = s;
      last[b] = s;
    }
}

static void print_steps(const TdProgram *p, const TdEntry *e, StrBuf *out) {
  int depth = 0;
  double times[TD_MAX_LOOPS + 1] = {1};
  for (int s = 0; s < e->nsteps; s++) {
    const TdStep *step = &e->steps[s];
    if (step->kind == TD_END) depth--;
    if (step->kind == TD_LAUNCH) {
      const TdKernel *k = &p->kernels[step->kernel];
      sb_printf(out, "  %4d %*s%-*s %-11s %5lld pieces ", s, 2 * depth, "", 48 - 2 * depth, k->name,
                k->klass, (long long)k->launch.cpu.pieces);
      print_amount(out, times[depth] * k->flops, "flop");
      print_amount(out, times[depth] * k->bytes, "B");
      int length;
      const char *line = td_step_line(step, &length);
      sb_printf(out, "  %.*s\n", length, line);
    } else if (step->kind == TD_LOOP) {
      sb_printf(out, "  %4d %*sloop %lld%s%s\n", s, 2 * depth, "", (long long)step->count,
                step->reverse ? " reverse" : "", step->once ? ", in the first run" : "");
      times[depth + 1] = times[depth] * (double)step->count;
      depth++;
    }
  }
}

static void print_buffers(Arena *a, const TdProgram *p, const TdEntry *e, StrBuf *out) {
  static const char *const kinds[] = {"temp", "state", "input", "const", "kept"};
  int *first = NEWN(a, int, e->nbuffers + 1), *last = NEWN(a, int, e->nbuffers + 1);
  lifetimes(e, first, last);
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (first[i] < 0) continue;
    sb_printf(out, "  %-5s ", kinds[b->kind]);
    print_amount(out, (double)b->bytes, "B");
    if (b->kind == TD_TEMP)
      sb_printf(out, " at %10zu", b->offset);
    else
      sb_printf(out, "%14s", "");
    sb_printf(out, "  steps %4d - %-4d %s ", first[i], last[i],
              b->kind == TD_STATE ? p->states[b->state].name : b->name);
    print_shape(out, b);
    sb_putc(out, '\n');
  }
}

void backend_print_plan(Arena *a, const TdProgram *p, StrBuf *out) {
  sb_printf(out, "program %s: %d kernels, %d entries\n", p->name, p->nkernels, p->nentries);
  double state_bytes = 0;
  for (int i = 0; i < p->nstates; i++)
    state_bytes += (double)p->states[i].count * (double)td_type_size(p->states[i].type);
  sb_puts(out, "states");
  print_amount(out, state_bytes, "B");
  sb_puts(out, "\n");
  for (int i = 0; i < p->nentries; i++) {
    const TdEntry *e = &p->entries[i];
    sb_printf(out, "\nentry %s:", e->name);
    print_amount(out, e->flops, "flop");
    print_amount(out, e->bytes, "B moved");
    sb_puts(out, ", temporaries");
    print_amount(out, (double)e->arena_bytes, "B");
    sb_puts(out, " (unshared");
    print_amount(out, (double)e->arena_sum, "B)");
    sb_putc(out, '\n');
    print_steps(p, e, out);
    print_buffers(a, p, e, out);
  }
}
