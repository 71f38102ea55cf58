/* SPDX-License-Identifier: MIT */
/* Random graphs, compiled for CUDA, on the emulated device against the evaluator: every option
 * of the backend on and each one off in turn, temporaries' rows with gaps and without, every
 * load and store watched in every second batch, products apart from what follows them, and sums in
 * pieces, where the target's numbers say so or wherever it can be. A failure is shrunk to a seed
 * and printed with its kernels; alone (COUNT is 1) a graph meets every option.
 *
 *   test_cuda_random [COUNT [FIRST]]
 *
 * Without arguments 24 graphs, with TDC_TEST_LONG=1 3,000. A batch has a process of its own, as
 * a device that failed stays so, and what is watched is decided when it is opened. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compiler/backend.h"
#include "compiler/cuda/cuda.h"
#include "compiler/ir/text.h"
#include "tests/emulated.h"
#include "tests/randgraph.h"

enum { OPTIONS = sizeof(BackendOptions) / sizeof(bool), ALL_ON = OPTIONS, ALL_OFF, BATCH = 12 };

/* How a batch is compiled and run. */
typedef struct Way {
  int off;      /* the option; ALL_ON: none, ALL_OFF: all */
  bool gaps;    /* between the rows of temporaries */
  bool watched; /* every load and store */
  bool apart;   /* products are a library's whatever follows, and sums of few results in pieces */
} Way;

/* Kernels of our own take for ever, pieces and launches nothing. */
static void take_apart(Target *t) {
  t->products.own = (TargetSpeed){1, 1};
  t->products.pieces.terms_least = 2;
  t->products.pieces.term = t->products.pieces.narrow_term = 1;
}

static BackendOptions options_of(const Way *w) {
  BackendOptions o;
  bool *flag = &o.simplify;
  for (int k = 0; k < OPTIONS; k++)
    flag[k] = w->off == ALL_ON || (w->off != ALL_OFF && k != w->off);
  return o;
}

/* Graphs of one program. */
typedef struct World {
  Arena *arena;
  Target target;
  Backend *backend;
  Graph *graph[BATCH];
  int n;
} World;

static void world_open(World *w, const Way *way, const RandSpec *spec, int n) {
  *w = (World){.arena = arena_new(), .target = cuda_target, .n = n};
  Interner *names = interner_new(w->arena);
  Diags *d = diags_new(w->arena);
  BackendOptions o = options_of(way);
  if (!way->gaps) w->target.memory.pitch = 1;
  if (way->apart) take_apart(&w->target);
  diags_source(d, "random", "", 0);
  w->backend = backend_new(w->arena, d, "random", &o);
  backend_for(w->backend, &w->target);
  for (int i = 0; i < n; i++) {
    Graph *g = w->graph[i] = randgraph_new(w->arena, names, &spec[i]);
    for (int k = 0; k < g->nodes.n; k++) /* states are shared by name */
      if (g->nodes.at[k]->kind == N_STATE)
        g->nodes.at[k]->name = arena_printf(w->arena, "g%d.%s", i, g->nodes.at[k]->name);
    /* as parts of one sampler, graphs share translation units */
    backend_entry(w->backend, g, arena_printf(w->arena, "sample.g%d", i));
  }
}

/* A bit for each graph that differs. Values are drawn from the graph's own seed, so that it
 * differs alone, too. */
static unsigned run_here(const Way *way, const RandSpec *spec, int n) {
  World w;
  unsigned wrong = 0;
  emulate(way->watched);
  world_open(&w, way, spec, n);
  Session *s = emulated_session(backend_finish(w.backend));
  if (!s) return (1u << n) - 1;
  for (int i = 0; i < n; i++)
    if (emulated_compare(s, i, w.graph[i], spec[i].seed, 1e-3, 2) != 0) wrong |= 1u << i;
  session_free(s);
  arena_free(w.arena);
  return wrong;
}

static unsigned run(const Way *way, const RandSpec *spec, int n) {
  int channel[2], status = 0;
  unsigned wrong = ~0u;
  fflush(NULL);
  if (pipe(channel) != 0) return wrong;
  pid_t child = fork();
  if (child == 0) {
    wrong = run_here(way, spec, n);
    _exit(write(channel[1], &wrong, sizeof wrong) == (ssize_t)sizeof wrong ? 0 : 1);
  }
  close(channel[1]);
  bool told = read(channel[0], &wrong, sizeof wrong) == (ssize_t)sizeof wrong;
  close(channel[0]);
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0 || !told) {
    fprintf(stderr, "the process of a batch ended with status %x\n", (unsigned)status);
    return ~0u;
  }
  return wrong;
}

static bool fails(const RandSpec *spec, void *ctx) { return run(ctx, spec, 1) != 0; }

static void report(RandSpec spec, Way *way) {
  RandSpec least = randgraph_shrink(spec, fails, way);
  fprintf(stderr, "FAILS: seed %llu size %d only %d, option %d off (%d: none, %d: all)%s%s%s\n",
          (unsigned long long)least.seed, least.size, least.only, way->off, ALL_ON, ALL_OFF,
          way->gaps ? "" : ", rows without gaps", way->watched ? ", watched" : "",
          way->apart ? ", products apart" : "");
  World w;
  StrBuf text = {0};
  world_open(&w, way, &least, 1);
  ir_print(w.graph[0], &text);
  TdProgram *p = backend_finish(w.backend);
  fprintf(stderr, "%s\n", text.s);
  for (int i = 0; i < p->nkernels; i++)
    fprintf(stderr, "%s\n", p->kernels[i].source ? p->kernels[i].source : p->kernels[i].name);
  sb_free(&text);
  arena_free(w.arena);
}

/* Every fourth batch has products of products, every second loops that mirror others. */
static RandSpec spec_of(uint64_t seed) {
  return (RandSpec){.seed = seed,
                    .size = 1 + (int)(seed * 7 % 36),
                    .only = -1,
                    .smooth = true,
                    .mirror = seed / BATCH % 2 == 1,
                    .chains = seed / BATCH % 4 == 0};
}

/* 1 if one of the batch fails. */
static int check(uint64_t first, int n, Way way) {
  RandSpec spec[BATCH] = {0};
  for (int i = 0; i < n; i++) spec[i] = spec_of(first + (uint64_t)i);
  unsigned wrong = run(&way, spec, n);
  if (wrong == 0) return 0;
  for (int i = 0; i < n; i++)
    if (wrong >> i & 1 && fails(&spec[i], &way)) {
      report(spec[i], &way);
      return 1;
    }
  fprintf(stderr, "FAILS, but not alone: seeds from %llu on, mask %x, option %d off\n",
          (unsigned long long)first, wrong, way.off);
  return 1;
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  int count = argc > 1 ? atoi(argv[1]) : longer && *longer == '1' ? 3000 : 24, failed = 0;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  int rounds = count == 1 ? 8 * (OPTIONS + 2) : (count + BATCH - 1) / BATCH, passed = 0;
  for (int i = 0; i < rounds && failed < 5; i++) {
    int at = count == 1 ? 0 : i * BATCH, n = count - at < BATCH ? count - at : BATCH;
    Way way = {.off = count == 1  ? i / 8
                      : i % 3 < 2 ? ALL_ON
                                  : i / 3 % (OPTIONS + 2),
               .gaps = i % 2 == 0,
               .watched = i / 2 % 2 == 0,
               .apart = count == 1 ? i / 4 % 2 == 0 : i % 2 == 1};
    int bad = check(first + (uint64_t)at, n, way);
    failed += bad;
    passed += n - bad;
  }
  printf("%d passed, %d failed\n", passed, failed);
  return failed != 0;
}
