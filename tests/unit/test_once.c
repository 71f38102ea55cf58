/* SPDX-License-Identifier: MIT */
/* What is the same in many runs is computed once for them: tables in the first run of an entry,
 * what follows from parameters when these changed. By numbers worked out by hand, and by counting
 * which kernels run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/model.h"

enum { B = 2, L = 512, V = 28, N = B * L * V };

/* Every run: x = (x / 2 + sin(l / 2 + v)) exp(a[v]). */
static const char text[] =
    "data text { source \"verse.txt\"  tokens chars  split 0.9 }\n"
    "dim B = 2, L = 512, V = text.vocab\n"
    "param a[V] ~ normal(0, 1)\n"
    "sampler walk() {\n"
    "  state x[b in B, l in L, v in V] = 0.0\n"
    "  for t in 0 .. 2 { x[b,l,v] = (0.5 * x[b,l,v] + sin(l * 0.5 + v)) * exp(a[v]) }\n"
    "  emit argmax[v](x[b,l,v])\n"
    "}\n";

typedef struct Walk {
  Model m;
  Running r;
  const TdEntry *entry;
  int init, step, x, a;
} Walk;

static void open_text(Walk *w, const char *source, const UnitOptions *o) {
  static const char file[] = "build/tests/once.td";
  FILE *f = fopen(file, "w");
  assert_non_null(f);
  fputs(source, f);
  assert_int_equal(fclose(f), 0);
  assert_true(model_open(&w->m, file, NULL, 0, NULL, V, o));
  assert_true(model_build(&w->m) && running_open(&w->r, &w->m, 1));
  w->init = session_entry(w->r.session, "sample.walk.init");
  w->step = session_entry(w->r.session, "sample.walk.step");
  w->x = session_state(w->r.session, "walk.x");
  w->a = session_state(w->r.session, source == text ? "params.vector" : "params.matrix");
  assert_true(w->init >= 0 && w->step >= 0 && w->x >= 0 && w->a >= 0);
  w->entry = &w->m.unit->program->entries[w->step];
}

static void open_walk(Walk *w, const UnitOptions *o) { open_text(w, text, o); }

static void close_walk(Walk *w) {
  running_close(&w->r);
  model_close(&w->m);
}

static void set_parameters(const Walk *w, float value) {
  float a[V];
  for (int i = 0; i < V; i++) a[i] = value;
  session_write_state(w->r.session, w->a, 0, V, a);
}

typedef struct Count {
  const TdEntry *e;
  int of[TD_LASTING + 1];
} Count;

static void note(void *ctx, int step, bool before) {
  Count *c = ctx;
  c->of[c->e->steps[step].once] += before;
}

/* A run, in which so many launches of each kind are made. */
static void run(Walk *w, int once, int lasting) {
  Count c = {.e = w->entry};
  DeviceWatch watch = {.ctx = &c, .launch = note};
  session_run_watched(w->r.session, w->step, 7, 1, &watch);
  assert_int_equal(c.of[TD_ANEW], 1);
  assert_int_equal(c.of[TD_ONCE], once);
  assert_int_equal(c.of[TD_LASTING], lasting);
}

static void check(const Walk *w, double factor) {
  float *x = state_of(w->r.session, w->x);
  for (int i = 0; i < N; i++) {
    double want = factor * sin(i / V % L * 0.5 + i % V);
    if (fabs(x[i] - want) > 1e-6 * factor)
      fail_msg("x[%d] is %.9g, not %.9g", i, (double)x[i], want);
  }
  free(x);
}

static void tables_are_made_once(void **state) {
  (void)state;
  Walk w;
  open_walk(&w, NULL);
  set_parameters(&w, 0);
  session_run(w.r.session, w.init, 7, 0);
  run(&w, 1, 1);
  check(&w, 1);
  run(&w, 0, 0);
  check(&w, 1.5); /* 0.5 + 1 */
  set_parameters(&w, logf(4));
  run(&w, 0, 1); /* parameters changed: not the table */
  check(&w, 7);  /* (0.75 + 1) 4 */
  run(&w, 0, 0);
  check(&w, 18);
  /* another sampling of the process: its init writes x, which nothing that is kept follows from */
  session_run(w.r.session, w.init, 8, 0);
  run(&w, 0, 0);
  check(&w, 4);
  set_parameters(&w, logf(2)); /* in the middle of it */
  run(&w, 0, 1);
  check(&w, 6);                                                       /* (2 + 1) 2 */
  session_run(w.r.session, session_entry(w.r.session, "init"), 8, 0); /* an entry writes them */
  run(&w, 0, 1);
  run(&w, 0, 0);
  session_clear(w.r.session);
  run(&w, 0, 1);
  check(&w, 1); /* a is 0 again, and x was */
  /* who looks for a NaN sees all that is computed */
  assert_false(session_trace(w.r.session, w.step, 7, 1).found);
  set_parameters(&w, 200); /* exp overflows, in what is made from parameters alone; 0 inf is NaN */
  NanSource nan = session_trace(w.r.session, w.step, 7, 1);
  assert_true(nan.found && !nan.infinite);
  assert_non_null(nan.first);
  assert_int_equal(nan.first_index, 0);
  close_walk(&w);
}

/* Bit by bit what it is where nothing is kept. */
static void nothing_else_changes(void **state) {
  (void)state;
  enum { KEEP_VALUES = 8 };
  const UnitOptions off = {.disable = 1u << KEEP_VALUES};
  Walk kept, anew;
  open_walk(&kept, NULL);
  open_walk(&anew, &off);
  int steps = 0;
  for (int i = 0; i < anew.entry->nsteps; i++) steps += anew.entry->steps[i].once != TD_ANEW;
  for (int i = 0; i < anew.entry->nbuffers; i++) steps += anew.entry->buffers[i].kind == TD_KEPT;
  assert_int_equal(steps, 0);
  size_t with, without;
  assert_true(td_program_memory(kept.m.unit->program, 1, &with));
  assert_true(td_program_memory(anew.m.unit->program, 1, &without));
  assert_true(with > without); /* what is kept counts */
  set_parameters(&kept, 0.3f);
  set_parameters(&anew, 0.3f);
  session_run(kept.r.session, kept.init, 7, 0);
  session_run(anew.r.session, anew.init, 7, 0);
  for (int k = 0; k < 3; k++) {
    session_run(kept.r.session, kept.step, 7, k + 1);
    session_run(anew.r.session, anew.step, 7, k + 1);
  }
  float *x = state_of(kept.r.session, kept.x), *y = state_of(anew.r.session, anew.x);
  assert_memory_equal(x, y, N * sizeof *x);
  free(x);
  free(y);
  close_walk(&kept);
  close_walk(&anew);
}

/* A training step's positional encodings: computed in the first alone. */
static void training_keeps_tables(void **state) {
  (void)state;
  const UnitOptions o = {.no_samplers = true, .no_eval = true, .no_models = true};
  Model m;
  if (!model_open(&m, "models/shakespeare_nano.td", NULL, 0, NULL, 65, &o))
    fail_msg("it does not compile");
  const TdProgram *p = m.unit->program;
  int once = 0, kept = 0;
  for (int i = 0; i < p->nentries; i++)
    for (int k = 0; k < p->entries[i].nsteps && !strcmp(p->entries[i].name, "train"); k++) {
      const TdStep *step = &p->entries[i].steps[k];
      once += step->kind == TD_LAUNCH && step->once == TD_ONCE;
      assert_int_not_equal(step->once, TD_LASTING);
      for (int a = 0; step->kind == TD_LAUNCH && step->once == TD_ANEW && a < step->nargs; a++)
        kept += p->entries[i].buffers[step->args[a]].kind == TD_KEPT;
    }
  assert_true(once > 0);
  assert_true(kept > 0);
  model_close(&m);
}

/* A product with one row reads its weights in bf16, where activations are: numbers that have more
 * digits than that are rounded, once for a sampling. */
static void weights_of_one_row(void **state) {
  (void)state;
  enum { K = 1024 };
  static const char row[] =
      "data text { source \"verse.txt\"  tokens chars  split 0.9 }\n"
      "dim B = 1, L = 1, K = 1024, V = text.vocab\n"
      "param w[K,V] ~ normal(0, 1)\n"
      "sampler walk() {\n"
      "  state x[b in B, l in L, v in V] = 1.0\n"
      "  for t in 0 .. 2 { x[b,l,v] = sum[k](x[b,l,k % 2] * w[k,v]) / 1024 }\n"
      "  emit argmax[v](x[b,l,v])\n"
      "}\n";
  static const float in_bf16[] = {1, 1.5f, 1.0078125f}, given[] = {1.001953125f, 1.5f, 1.0078125f};
  for (int narrow = 0; narrow < 2; narrow++) {
    const UnitOptions o = {.act = narrow ? "bf16" : "f32"};
    Walk w;
    open_text(&w, row, &o);
    float *weights = malloc(sizeof(float) * K * V);
    assert_non_null(weights);
    for (int i = 0; i < 3; i++) {
      for (int k = 0; k < K * V; k++) weights[k] = given[i];
      session_write_state(w.r.session, w.a, 0, (int64_t)K * V, weights);
      session_run(w.r.session, w.init, 7, 0);
      const float want = narrow ? in_bf16[i] : given[i];
      for (int run = 0; run < 2; run++) {
        session_run(w.r.session, w.step, 7, run + 1);
        float *x = state_of(w.r.session, w.x);
        for (int v = 0; v < V; v++)
          if (fabsf(x[v] - (run ? want * want : want)) > 1e-5f)
            fail_msg("%s: x[%d] is %.9g", o.act, v, (double)x[v]);
        free(x);
      }
    }
    free(weights);
    close_walk(&w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_are_made_once), cmocka_unit_test(nothing_else_changes),
      cmocka_unit_test(training_keeps_tables), cmocka_unit_test(weights_of_one_row)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
