/* SPDX-License-Identifier: MIT */
/* Random graphs: well formed, the same after printing and reading, and of the
 * same value after every pass. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "compiler/backend.h"
#include "compiler/passes/pipeline.h"
#include "tests/randgraph.h"

typedef struct World {
  Arena *arena;
  Interner *names;
  Graph *g;
  const char *why;
} World;

static World world_new(const RandSpec *spec) {
  World w = {.arena = arena_new()};
  w.names = interner_new(w.arena);
  w.g = randgraph_new(w.arena, w.names, spec);
  return w;
}

static Eval *evaluated(Graph *g, uint64_t seed, const char **message) {
  Eval *ev = eval_new(g, seed, 3);
  randgraph_fill(ev, g, seed);
  *message = eval_run(ev);
  return ev;
}

static bool close_to(double a, double b, double tolerance) {
  if (a == b || (a != a && b != b)) return true;
  return fabs(a - b) <= tolerance * (1 + fmax(fabs(a), fabs(b)));
}

static bool same_values(Eval *x, const Node *a, Eval *y, const Node *b, double tolerance) {
  if (ir_count(a) != ir_count(b)) return false;
  const double *u = eval_value(x, (Node *)a), *v = eval_value(y, (Node *)b);
  for (int64_t i = 0; i < ir_count(a); i++)
    if (!close_to(u[i], v[i], tolerance)) return false;
  return true;
}

/* Same outputs and states after a run; NULL or what differs. */
static const char *compare(Arena *arena, Graph *g, Graph *h, uint64_t seed, double tolerance) {
  const char *message = NULL, *other = NULL, *why = NULL;
  Eval *x = evaluated(g, seed, &message), *y = evaluated(h, seed, &other);
  if (message || other)
    why = arena_printf(arena, "evaluation: %s / %s", message ? message : "fine",
                       other ? other : "fine");
  if (!why && (g->outputs.n != h->outputs.n || g->updates.n != h->updates.n))
    why = "other outputs or updates";
  for (int i = 0; !why && i < g->outputs.n; i++)
    if (!same_values(x, g->outputs.at[i].node, y, h->outputs.at[i].node, tolerance))
      why = arena_printf(arena, "the output '%s' differs", g->outputs.at[i].name);
  for (int i = 0; !why && i < g->updates.n; i++)
    if (!same_values(x, g->updates.at[i].state, y, h->updates.at[i].state, tolerance))
      why = arena_printf(arena, "the state '%s' differs", g->updates.at[i].state->name);
  eval_free(x);
  eval_free(y);
  return why;
}

static const char *check_text(World *w, const RandSpec *spec) {
  StrBuf once = {0}, twice = {0};
  ir_print(w->g, &once);
  Diags *d = diags_new(w->arena);
  Graph *again = ir_parse(w->arena, w->names, d, diags_source(d, "graph.ir", once.s, once.n));
  const char *why = NULL;
  if (!again) {
    why = arena_printf(w->arena, "its text is not read: %s", diags_at(d, 0)->message);
  } else {
    ir_print(again, &twice);
    if (strcmp(once.s, twice.s) != 0)
      why = "printed twice it differs";
    else
      why = compare(w->arena, w->g, again, spec->seed, 0);
  }
  sb_free(&once);
  sb_free(&twice);
  return why;
}

static const char *check_pass(World *w, const RandSpec *spec, const char *pass) {
  World other = world_new(spec);
  const char *why = NULL;
  const PassOptions every = pass_options(backend_target("cpu"));
  if (pass)
    pipeline_run_one(other.g, &every, pass);
  else
    pipeline_run(other.g, &(PipelineOptions){.passes = &every, .verify = true});
  const PassInfo *info = pass ? pipeline_find(pass) : NULL; /* the pipeline verifies by itself */
  const char *broken = info && !info->unprovable ? ir_verify(other.g) : NULL;
  if (broken) why = arena_printf(w->arena, "after %s: %s", pass ? pass : "all passes", broken);
  /* simplifying may drop terms of a sum that are 0, and reorder nothing else */
  if (!why) why = compare(w->arena, w->g, other.g, spec->seed, 1e-9);
  if (why) why = arena_printf(w->arena, "%s: %s", pass ? pass : "all passes", why);
  arena_free(other.arena);
  return why;
}

static bool fails(const RandSpec *spec, void *ctx) {
  StrBuf *out = ctx;
  World w = world_new(spec);
  const char *why = ir_verify(w.g), *message = NULL;
  if (!why) {
    eval_free(evaluated(w.g, spec->seed, &message));
    why = message;
  }
  if (!why) why = check_text(&w, spec);
  for (int i = 0; !why && i < pipeline_count(); i++)
    why = check_pass(&w, spec, pipeline_at(i)->name);
  if (!why) why = check_pass(&w, spec, NULL);
  if (why && out) {
    sb_printf(out, "seed %llu, size %d, output %d: %s\n", (unsigned long long)spec->seed,
              spec->size, spec->only, why);
    ir_print(w.g, out);
  }
  bool failed = why != NULL;
  arena_free(w.arena);
  return failed;
}

/* RANDOM_GRAPHS=first:count asks for other seeds. */
static void random_graphs(void **state) {
  (void)state;
  const char *wanted = getenv("RANDOM_GRAPHS");
  const char *longer = getenv("TDC_TEST_LONG");
  unsigned long first = 1, count = longer && *longer == '1' ? 20000 : 300;
  if (wanted) {
    char *end;
    first = strtoul(wanted, &end, 10);
    if (*end == ':') count = strtoul(end + 1, NULL, 10);
  }
  for (unsigned long i = 0; i < count; i++) {
    RandSpec spec = {.seed = first + i,
                     .size = 1 + (int)((first + i) % 40),
                     .only = -1,
                     .smooth = (first + i) % 2};
    if (!fails(&spec, NULL)) continue;
    StrBuf text = {0};
    spec = randgraph_shrink(spec, fails, NULL);
    fails(&spec, &text);
    fputs(text.s, stderr);
    sb_free(&text);
    fail();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(random_graphs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
