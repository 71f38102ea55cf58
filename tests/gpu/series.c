/* SPDX-License-Identifier: MIT */
/* Runs that are started together against the same ones by one: each has its own inputs, seed, step
 * and numbers, although what is started was fixed when it was captured; weights that are loaded in
 * between count; and what is not finite is seen where it lies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/ir/draws.h"
#include "compiler/ir/text.h"
#include "tests/gpu/check.h"

enum { AHEAD = 16, TOGETHER = 8, STEPS = 51, LOADED = 32, ROWS = 64, WIDTH = 96 };

typedef struct Case {
  const char *name, *text;
  TdType act;
  bool repeated; /* weights stay, and copies of them are kept from run to run */
} Case;

#define TEXT(updated, from, next)                                                            \
  "state w: real[96, 96]\ninput x: real[64, 96]\n" updated "y[i:64, j:96] = sum[k:96](" from \
  "[i, k] * w[j, k])\nu[i:64] = uniform(7, i)\n"                                             \
  "loss[] = sum[i:64, j:96](y[i, j] * u[i])\n" next "output loss = loss\noutput y = y\n"

static const Case cases[] = {
    {"eight_steps_in_a_graph",
     TEXT("", "x",
          "r[j:96, k:96] = 0.5 * w[j, k] + x[mod(j, 64), k] * u[mod(k, 64)]\nupdate w = r\n"),
     TD_F32, false},
    {"iterations_in_a_graph_and_new_weights",
     TEXT("state s: real[64, 96]\n", "s",
          "n[i:64, j:96] = 0.01 * y[i, j] + x[i, j] + u[i]\nupdate s = n\n"),
     TD_BF16, true}};

/* Of 51 steps 2 x 8 go one by one, then 2 x 8 are captured, 2 x 8 are graphs, and 3 are left. */
typedef struct Run {
  Session *session;
  Series *series; /* NULL: one by one */
  double loss[STEPS], kept[AHEAD * 2];
} Run;

static bool load(Session *s, int turn) {
  float w[WIDTH * WIDTH];
  for (int i = 0; i < WIDTH * WIDTH; i++)
    w[i] = (float)draw_normal(9, turn, draw_site("w"), (uint64_t)i);
  session_write_state(s, session_state(s, "w"), 0, WIDTH * WIDTH, w);
  return true;
}

/* The numbers of steps until `done`. */
static bool read_series(Run *r, int done, TdError *err) {
  int n = series_length(r->series);
  if (!series_read(r->series, r->kept, err)) return false;
  for (int i = 0; i < n; i++) r->loss[done - n + i] = r->kept[2 * i];
  return true;
}

static bool step(Run *r, int i, TdError *err) {
  float x[ROWS * WIDTH];
  for (int k = 0; k < ROWS * WIDTH; k++)
    x[k] = (float)draw_normal(3, i, draw_site("x"), (uint64_t)k);
  if (i == 0 || i == LOADED) load(r->session, i);
  if (r->series != NULL) {
    if (!series_set_reals(r->series, "x", x, ROWS * WIDTH, err)) return false;
    series_run(r->series, 11, i + 1);
    return (!series_full(r->series) && i + 1 < STEPS) || read_series(r, i + 1, err);
  }
  if (!session_set_reals(r->session, 0, "x", x, ROWS * WIDTH, err)) return false;
  session_run(r->session, 0, 11, i + 1);
  r->loss[i] = session_scalar(r->session, 0, "loss");
  return true;
}

static bool run_all(const TdProgram *p, bool together, Run *r) {
  TdError err = {0};
  *r = (Run){.session = check_session(p, &err)};
  bool ok = r->session != NULL && session_need(r->session, (const char *const[]){".", NULL}, &err);
  if (ok && together) {
    r->series = session_series(r->session, 0, AHEAD, TOGETHER, (const char *const[]){"x"}, 1, &err);
    ok = r->series != NULL;
  }
  for (int i = 0; ok && i < STEPS; i++) ok = step(r, i, &err);
  ok = ok && session_sync(r->session, &err);
  return ok || check_wrong("%s", err.message);
}

static bool same_states(const TdProgram *p, const Run *a, const Run *b) {
  for (int i = 0; i < p->nstates; i++) {
    size_t bytes = (size_t)p->states[i].count * td_type_size(p->states[i].type);
    char *x = malloc(bytes + 1), *y = malloc(bytes + 1);
    bool ok = x != NULL && y != NULL &&
              session_read_state(a->session, i, 0, p->states[i].count, x, NULL) &&
              session_read_state(b->session, i, 0, p->states[i].count, y, NULL) &&
              memcmp(x, y, bytes) == 0;
    free(x);
    free(y);
    if (!ok) return check_wrong("'%s' is another one", p->states[i].name);
  }
  return true;
}

static bool same_runs(const TdProgram *p, const Run *alone, const Run *together) {
  for (int i = 0; i < STEPS; i++)
    if (!isfinite(alone->loss[i]) || alone->loss[i] != together->loss[i])
      return check_wrong("step %d gives %.9g alone, %.9g with others", i + 1, alone->loss[i],
                         together->loss[i]);
  return same_states(p, alone, together);
}

/* Is there something that is kept? */
static bool keeps(const TdProgram *p) {
  for (int i = 0; i < p->entries[0].nsteps; i++)
    if (p->entries[0].steps[i].once) return true;
  return false;
}

/* Weights that the run left, one of them no number: found, and told which. */
static bool seen(const Run *r) {
  static const float wrong[] = {NAN, INFINITY};
  float last;
  int state = session_state(r->session, "w");
  if (session_check_states(r->session).found)
    return check_wrong("finite weights are said not to be");
  if (!session_read_state(r->session, state, WIDTH * WIDTH - 1, 1, &last, NULL)) return false;
  for (int i = 0; i < 2; i++) {
    session_write_state(r->session, state, WIDTH * WIDTH - 1, 1, &wrong[i]);
    NanSource n = session_check_states(r->session);
    if (!n.found || n.infinite != (i == 1) || n.index != WIDTH * WIDTH - 1)
      return check_wrong("a weight is not finite, and that is not seen");
  }
  session_write_state(r->session, state, WIDTH * WIDTH - 1, 1, &last);
  return !session_check_states(r->session).found || check_wrong("it is whole again");
}

static bool holds(const Case *c, Arena *arena, bool *saw) {
  Run alone, together = {0};
  Diags *d = diags_new(arena);
  const char *text = arena_printf(arena, "graph it\n%s", c->text);
  Graph *g = ir_parse(arena, interner_new(arena), d, diags_source(d, c->name, text, strlen(text)));
  if (g == NULL) return check_wrong("%s", diags_count(d) ? diags_at(d, 0)->message : "no graph");
  Backend *be = backend_new(arena, d, "check", NULL);
  backend_for(be, backend_target("cuda"));
  backend_activations(be, c->act);
  backend_repeated(be, c->repeated);
  if (!backend_entry(be, g, "main")) return check_wrong("it does not compile");
  const TdProgram *p = backend_finish(be);
  if (c->repeated && !keeps(p)) return check_wrong("nothing is kept from run to run");
  bool ok =
      run_all(p, false, &alone) && run_all(p, true, &together) && same_runs(p, &alone, &together);
  *saw = ok && seen(&together);
  session_free(alone.session);
  session_free(together.session);
  return ok;
}

void check_series(Suite *s) {
  bool saw = true;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool this_one = false;
    Arena *arena = arena_new();
    check_verdict(s, cases[i].name, holds(&cases[i], arena, &this_one));
    arena_free(arena);
    saw = saw && this_one;
  }
  check_verdict(s, "what_is_not_finite_is_seen", saw);
}
