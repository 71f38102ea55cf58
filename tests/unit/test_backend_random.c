/* SPDX-License-Identifier: MIT */
/* Random graphs, compiled, against the evaluator: every option on, and each one
 * off in turn. A failure is shrunk to a seed and printed with its kernels.
 *
 *   test_backend_random [COUNT [FIRST [-O3 | -fsanitize=...]]]
 *
 * Without arguments 300 graphs, with TDC_TEST_LONG=1 20,000. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/ir/text.h"
#include "tests/compiled.h"
#include "tests/randgraph.h"

enum { OPTIONS = sizeof(BackendOptions) / sizeof(bool), BATCH = 12, ALL_ON = OPTIONS, ALL_OFF };

typedef struct World {
  Arena *arena;
  Interner *names;
  Backend *backend;
  Graph *graph[BATCH];
  int n;
  int chains; /* kernels of that class */
  const char *const *flags;
} World;

static int recomputed; /* values that later loops computed again, in all graphs */

static BackendOptions options_of(int which) {
  BackendOptions o;
  bool *flag = &o.simplify;
  for (int k = 0; k < OPTIONS; k++) flag[k] = which == ALL_ON || (which != ALL_OFF && k != which);
  o.keep_values = which == ALL_ON; /* two loops are rare: with every other option, too */
  return o;
}

static World world_new(int which, const char *const *flags) {
  World w = {.arena = arena_new(), .flags = flags};
  w.names = interner_new(w.arena);
  BackendOptions o = options_of(which);
  Diags *d = diags_new(w.arena);
  diags_source(d, "random", "", 0);
  w.backend = backend_new(w.arena, d, "random", &o);
  return w;
}

/* States get the number of their graph in front: they are shared by name. */
static void add_graph(World *w, const RandSpec *spec) {
  Graph *g = randgraph_new(w->arena, w->names, spec);
  for (int i = 0; i < g->nodes.n; i++)
    if (g->nodes.at[i]->kind == N_STATE)
      g->nodes.at[i]->name = arena_printf(w->arena, "g%d.%s", w->n, g->nodes.at[i]->name);
  backend_entry(w->backend, g, arena_printf(w->arena, "g%d", w->n));
  recomputed += backend_recomputed(w->backend);
  w->graph[w->n++] = g;
}

/* A bit for each graph that differs; all of them when the program does not compile. */
static uint32_t run_world(World *w, uint64_t seed) {
  const TdProgram *p = backend_finish(w->backend);
  for (int i = 0; i < p->nkernels; i++) w->chains += strcmp(p->kernels[i].klass, "chain") == 0;
  Compiled *c = compiled_new(p, w->flags);
  uint32_t wrong = c ? 0 : ~0u;
  for (int i = 0; i < w->n && c; i++)
    if (compiled_compare(c, i, w->graph[i], seed, 1e-3, 2) != 0) wrong |= 1u << i;
  compiled_free(c);
  return wrong;
}

typedef struct Failing {
  int which;
  const char *const *flags;
} Failing;

static bool fails(const RandSpec *spec, void *ctx) {
  const Failing *f = ctx;
  World w = world_new(f->which, f->flags);
  add_graph(&w, spec);
  bool wrong = run_world(&w, spec->seed) != 0;
  arena_free(w.arena);
  return wrong;
}

static void report(RandSpec spec, int which, const char *const *flags) {
  Failing f = {which, flags};
  RandSpec least = randgraph_shrink(spec, fails, &f);
  fprintf(stderr, "FAILS: seed %llu size %d only %d, option %d off (%d: none, %d: all)\n",
          (unsigned long long)least.seed, least.size, least.only, which, ALL_ON, ALL_OFF);
  World w = world_new(which, flags);
  add_graph(&w, &least);
  StrBuf text = {0};
  ir_print(w.graph[0], &text);
  TdProgram *p = backend_finish(w.backend);
  fprintf(stderr, "%s\n", text.s);
  for (int i = 0; i < p->nkernels; i++) fprintf(stderr, "%s\n", p->kernels[i].source);
  sb_free(&text);
  arena_free(w.arena);
}

/* Chains use every tile there is, which takes seconds to compile: in one batch of
 * eight. Loops that mirror others are in every second one. */
static RandSpec spec_of(uint64_t seed) {
  return (RandSpec){.seed = seed,
                    .size = 1 + (int)(seed * 7 % 36),
                    .only = -1,
                    .smooth = true,
                    .mirror = seed / BATCH % 2 == 1,
                    .chains = seed / BATCH % 8 == 0};
}

static int check_batch(uint64_t first, int count, int which, const char *const *flags,
                       int *chains) {
  World w = world_new(which, flags);
  for (int i = 0; i < count; i++) {
    RandSpec spec = spec_of(first + (uint64_t)i);
    add_graph(&w, &spec);
  }
  uint32_t wrong = run_world(&w, first);
  *chains += w.chains;
  arena_free(w.arena);
  for (int i = 0; i < count; i++)
    if (wrong >> i & 1) {
      RandSpec spec = spec_of(first + (uint64_t)i);
      Failing f = {which, flags};
      if (wrong == ~0u && !fails(&spec, &f)) continue;
      report(spec, which, flags);
      return 1;
    }
  return wrong != 0;
}

/* The compiler's effort changes from batch to batch: optimised and plain C must
 * both mean what the graph means. Little effort is a third of the time. */
static const char *effort(int batch) {
  static const char *const levels[] = {"-O3", "-Og", "-Og", "-Og", "-O1", "-Og", "-Og", "-Og"};
  return batch == 1 ? "-O0" : levels[batch % 8];
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  int count = argc > 1 ? atoi(argv[1]) : longer && *longer == '1' ? 20000 : 300;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  int failed = 0, done = 0, chains = 0;
  for (int batch = 0; done < count && failed < 5; batch++) {
    int n = count - done < BATCH ? count - done : BATCH, off = batch % (OPTIONS + 1);
    const char *const flags[] = {argc > 3 ? argv[3] : effort(batch), argc > 4 ? argv[4] : NULL,
                                 NULL};
    failed += check_batch(first + (uint64_t)done, n, ALL_ON, flags, &chains);
    failed +=
        check_batch(first + (uint64_t)done, n, off == OPTIONS ? ALL_OFF : off, flags, &chains);
    done += n;
  }
  fprintf(stderr, "%d kernels were chains, %d values were computed again\n", chains, recomputed);
  printf("%d passed, %d failed\n", done - failed, failed);
  return failed != 0;
}
