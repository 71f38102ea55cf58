/* SPDX-License-Identifier: MIT */
/* See emulated.h. */
#include "tests/emulated.h"

#include <stdlib.h>
#include <string.h>

#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "runtime/cuda/device.h"
#include "tests/compiled.h"

void emulate(bool checked) {
  setenv("TDC_CUDA_LIBRARIES", "build/tests/cuda_emu:-", 1);
  setenv("TDC_EMU_CHECK", checked ? "1" : "0", 1);
  setenv("TDC_EMU_ZEROS", checked ? "0" : "1", 1);
}

Graph *emulated_graph(Arena *a, const char *name, const char *text) {
  Diags *d = diags_new(a);
  const char *whole = arena_printf(a, "graph it\n%s", text);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, name, whole, strlen(whole)));
  if (!g) bug("%s: %s", name, diags_count(d) ? diags_at(d, 0)->message : "no graph");
  return g;
}

Session *emulated_session(const TdProgram *p) {
  static CudaInfo info;
  JitOptions options = {.cache = getenv("TDC_CACHE") ? NULL : "build/tests/jit"};
  TdError err = {0};
  Session *s = session_new(p, cuda_device(p, &options, &info, &err), &err);
  if (s && session_need(s, (const char *const[]){".", NULL}, &err)) return s;
  fprintf(stderr, "%s: %s\n", p->name, err.message);
  session_free(s);
  return NULL;
}

/* The same values into both. */
static void fill(Session *s, int entry, Graph *g, Eval *ev, uint64_t random) {
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    int64_t count = ir_count(n);
    if (n == g->step) {
      x[0] = (double)compared_control(0).step;
      continue;
    }
    void *room = calloc((size_t)count + 1, 4);
    for (int64_t k = 0; k < count; k++) {
      x[k] = compared_value(n, &random);
      compared_store(room, n->type, k, x[k]);
    }
    int state = n->kind == N_STATE ? session_state(s, n->name) : -1;
    TdError err = {0};
    bool taken = true;
    if (state >= 0)
      session_write_state(s, state, 0, count, room);
    else if (n->kind == N_INPUT && session_input(s, entry, n->name))
      taken = n->type == TY_REAL  ? session_set_reals(s, entry, n->name, room, count, &err)
              : n->type == TY_INT ? session_set_ints(s, entry, n->name, room, count, &err)
                                  : session_set_bools(s, entry, n->name, room, count, &err);
    if (!taken) bug("%s", err.message);
    free(room);
  }
}

static int differ_output(Session *s, int entry, const Output *o, Eval *ev, double tolerance) {
  const TdBuffer *b = session_output(s, entry, o->name);
  TdError err = {0};
  if (!b || b->count != ir_count(o->node)) return 1;
  void *got = malloc((size_t)b->count * td_type_size(b->type) + 1);
  int wrong = 1;
  if (session_read_output(s, entry, o->name, 0, b->count, got, &err))
    wrong = compared(o->name, eval_value(ev, o->node), got, b->type, b->count, tolerance);
  else
    fprintf(stderr, "%s: %s\n", o->name, err.message);
  free(got);
  return wrong;
}

static int differ_state(Session *s, Node *n, Eval *ev, double tolerance) {
  int k = session_state(s, n->name);
  const TdState *state = &session_program(s)->states[k];
  TdError err = {0};
  void *got = malloc((size_t)state->count * td_type_size(state->type) + 1);
  int wrong = 1;
  if (session_read_state(s, k, 0, state->count, got, &err))
    wrong = compared(n->name, eval_bind(ev, n), got, state->type, state->count, tolerance);
  else
    fprintf(stderr, "%s: %s\n", n->name, err.message);
  free(got);
  return wrong;
}

int emulated_compare(Session *s, int entry, Graph *g, uint64_t seed, double tolerance, int rounds) {
  TdControl control = compared_control(seed);
  Eval *ev = eval_new(g, control.seed, control.step);
  int wrong = 0;
  fill(s, entry, g, ev, control.seed | 1);
  for (int round = 0; round < rounds && wrong == 0; round++) {
    const char *why = eval_run(ev);
    if (why) {
      fprintf(stderr, "evaluator: %s\n", why);
      wrong++;
      break;
    }
    session_run(s, entry, control.seed, control.step);
    for (int i = 0; i < g->outputs.n; i++)
      wrong += differ_output(s, entry, &g->outputs.at[i], ev, tolerance);
    for (int i = 0; i < g->updates.n; i++)
      wrong += differ_state(s, g->updates.at[i].state, ev, tolerance);
  }
  eval_free(ev);
  return wrong;
}
