/* SPDX-License-Identifier: MIT */
/* Random graphs, compiled, against the evaluator: every option on, and each one
 * off in turn. A failure is shrunk to a seed and printed with its kernels; alone
 * (COUNT is 1) a graph meets every option.
 *
 *   test_backend_random [COUNT [FIRST [FLAG ...]]]     flags of the C compiler
 *
 * Without arguments 75 graphs, with TDC_TEST_LONG=1 20,000. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/ir/text.h"
#include "tests/compiled.h"
#include "tests/randgraph.h"
#include "tests/quick.h"

enum { OPTIONS = sizeof(BackendOptions) / sizeof(bool), BATCH = 12, ALL_ON = OPTIONS, ALL_OFF };
enum {
  TOGETHER = 6,
  ROUND = 32
}; /* batches in one run of the C compiler; batches to choose from */

/* Graphs planned with one set of options: a program. */
typedef struct World {
  Arena *arena;
  Interner *names;
  Backend *backend;
  Graph *graph[BATCH];
  int n;
} World;

static int recomputed; /* values that later loops computed again, in all graphs */
static int chains;     /* kernels of that class, in all graphs */

static BackendOptions options_of(int which) {
  BackendOptions o;
  bool *flag = &o.simplify;
  for (int k = 0; k < OPTIONS; k++) flag[k] = which == ALL_ON || (which != ALL_OFF && k != which);
  o.keep_values = which == ALL_ON; /* two loops are rare: with every other option, too */
  return o;
}

static World world_new(int which) {
  World w = {.arena = arena_new()};
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

/* A bit for each graph of the world, program `program` of the library, that differs. Values
 * are drawn from the graph's own seed, so that it differs alone, too. */
static uint32_t run_world(const World *w, const Library *l, int program, uint64_t first) {
  Compiled *c = compiled_of(l, program);
  uint32_t wrong = 0;
  for (int i = 0; i < w->n; i++)
    if (compiled_compare(c, i, w->graph[i], first + (uint64_t)i, 1e-3, 2) != 0) wrong |= 1u << i;
  compiled_free(c);
  return wrong;
}

typedef struct Failing {
  int which;
  const char *const *flags;
} Failing;

static bool fails(const RandSpec *spec, void *ctx) {
  const Failing *f = ctx;
  World w = world_new(f->which);
  add_graph(&w, spec);
  const TdProgram *p = backend_finish(w.backend);
  Library *l = library_new(&p, 1, f->flags);
  bool wrong = !l || run_world(&w, l, 0, spec->seed) != 0;
  library_free(l);
  arena_free(w.arena);
  return wrong;
}

static void report(RandSpec spec, int which, const char *const *flags) {
  Failing f = {which, flags};
  RandSpec least = randgraph_shrink(spec, fails, &f);
  fprintf(stderr, "FAILS: seed %llu size %d only %d, %s, option %d off (%d: none, %d: all)\n",
          (unsigned long long)least.seed, least.size, least.only, flags[0], which, ALL_ON, ALL_OFF);
  World w = world_new(which);
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

/* The compiler's effort changes from batch to batch: optimised and plain C must
 * both mean what the graph means. Little effort is a quarter of the time. */
static const char *const *effort(int batch) {
  static const char *const much[] = {"-O3", NULL}, *const some[] = {"-O1", NULL},
                           *const little[] = {QUICK_LIST, NULL}, *const none[] = {"-O0", NULL};
  if (batch == 1) return none;
  return batch % 8 == 0 ? much : batch % 8 == 4 ? some : little;
}

/* `count` graphs from seed `first` on, with every option on and with one off. */
typedef struct Batch {
  uint64_t first;
  int count, off;
  const char *const *flags; /* of the C compiler; NULL at the end */
  bool done;
} Batch;

static int which_of(const Batch *b, int side) { return side ? b->off : ALL_ON; }

static World batch_world(const Batch *b, int which) {
  World w = world_new(which);
  for (int i = 0; i < b->count; i++) {
    RandSpec spec = spec_of(b->first + (uint64_t)i);
    add_graph(&w, &spec);
  }
  return w;
}

/* The first graph of those that differ; false: none does when it is alone. */
static bool report_first(const Batch *b, int which, uint32_t wrong) {
  Failing f = {which, b->flags};
  for (int i = 0; i < b->count; i++) {
    RandSpec spec = spec_of(b->first + (uint64_t)i);
    if (!(wrong >> i & 1) || !fails(&spec, &f)) continue;
    report(spec, which, b->flags);
    return true;
  }
  return false;
}

/* Batches with the same flags, in one run of the C compiler; how many programs failed. */
static int check_together(const Batch *const *batch, int n) {
  World world[2 * TOGETHER];
  const TdProgram *program[2 * TOGETHER];
  int failed = 0;
  for (int i = 0; i < 2 * n; i++) {
    world[i] = batch_world(batch[i / 2], which_of(batch[i / 2], i % 2));
    program[i] = backend_finish(world[i].backend);
    for (int k = 0; k < program[i]->nkernels; k++)
      chains += strcmp(program[i]->kernels[k].klass, "chain") == 0;
  }
  Library *l = library_new(program, 2 * n, batch[0]->flags);
  bool said = false; /* what the C compiler refuses is said once */
  for (int i = 0; i < 2 * n && !said; i++) {
    const Batch *b = batch[i / 2];
    uint32_t wrong = l ? run_world(&world[i], l, i, b->first) : ~0u;
    if (wrong == 0) continue;
    bool alone = report_first(b, which_of(b, i % 2), wrong);
    failed += l || alone;
    said = !l && alone;
    if (l && !alone)
      fprintf(stderr, "FAILS, but not alone: seeds %llu to %llu, mask %x, option %d off\n",
              (unsigned long long)b->first, (unsigned long long)b->first + (unsigned)b->count - 1,
              wrong, which_of(b, i % 2));
  }
  library_free(l);
  for (int i = 0; i < 2 * n; i++) arena_free(world[i].arena);
  return l || failed ? failed : 1;
}

/* Together is what has the same flags. */
static int check_round(Batch *batch, int n) {
  int failed = 0;
  for (int i = 0; i < n; i++) {
    const Batch *some[TOGETHER];
    int count = 0;
    for (int k = i; k < n && !batch[i].done && count < TOGETHER; k++)
      if (!batch[k].done && batch[k].flags == batch[i].flags) some[count++] = &batch[k];
    for (int k = 0; k < count; k++) batch[some[k] - batch].done = true;
    if (count > 0) failed += check_together(some, count);
  }
  return failed;
}

/* Batch `number` of the graphs from seed `first` on. A graph alone meets each option. Without
 * flags its number decides. */
static Batch batch_at(uint64_t first, int count, int number, const char *const *flags) {
  bool alone = count == 1;
  int at = alone ? 0 : number * BATCH, off = number % (OPTIONS + 1);
  return (Batch){.first = first + (uint64_t)at,
                 .count = count - at < BATCH ? count - at : BATCH,
                 .off = off == OPTIONS ? ALL_OFF : off,
                 .flags = flags ? flags : effort(alone ? 0 : number)};
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  int count = argc > 1 ? atoi(argv[1]) : longer && *longer == '1' ? 20000 : 75;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  const char *const *flags = argc > 3 ? (const char *const *)(argv + 3) : NULL;
  int batches = count == 1 ? OPTIONS + 1 : (count + BATCH - 1) / BATCH, failed = 0, done = 0;
  while (done < batches && failed < 5) {
    Batch round[ROUND];
    int n = 0;
    while (n < ROUND && done < batches) round[n++] = batch_at(first, count, done++, flags);
    failed += check_round(round, n);
  }
  fprintf(stderr, "%d kernels were chains, %d values were computed again\n", chains, recomputed);
  printf("%d passed, %d failed\n", (done * BATCH < count ? done * BATCH : count) - failed, failed);
  return failed != 0;
}
