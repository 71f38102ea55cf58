/* SPDX-License-Identifier: MIT */
/* The graph passes in their order, and the one loop that runs them. */
#include "compiler/passes/pipeline.h"
#include "compiler/ir/verify.h"

#include <string.h>
#include <time.h>

static const GraphPassInfo passes[] = {
    {"recompute", pass_recompute, NULL,
     "compute values marked `save recompute` again where a later loop reads them"},
    {"simplify", pass_simplify, NULL,
     "fold what intervals prove: guards, divisions, variables of extent 1"},
    {"hoist", pass_hoist, "simplify", "move loop-invariant nodes out of loops"},
    {"cse", pass_cse, "hoist", "merge nodes that compute the same"},
    {"prune", ir_prune, "cse", "remove nodes, carries and emits that nothing needs"},
};

int pipeline_count(void) { return (int)(sizeof passes / sizeof *passes); }

const GraphPassInfo *pipeline_at(int i) {
  if (i < 0 || i >= pipeline_count()) bug("there is no pass %d", i);
  return &passes[i];
}

const GraphPassInfo *pipeline_find(const char *name) {
  for (int i = 0; i < pipeline_count(); i++)
    if (strcmp(passes[i].name, name) == 0) return &passes[i];
  return NULL;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool skipped(const PipelineOptions *o, const char *name) {
  for (const char *const *s = o->skip; s && *s; s++)
    if (strcmp(*s, name) == 0) return true;
  return false;
}

void pipeline_run(Graph *g, const PipelineOptions *options) {
  static const PipelineOptions defaults;
  const PipelineOptions *o = options ? options : &defaults;
  for (int i = 0; i < pipeline_count(); i++) {
    if (skipped(o, passes[i].name)) continue;
    double start = now();
    passes[i].run(g);
    double seconds = now() - start;
    const char *broken = o->verify ? ir_verify(g) : NULL;
    if (broken) bug("after the pass '%s': %s", passes[i].name, broken);
    if (o->after) o->after(g, &passes[i], seconds, o->ctx);
  }
}

bool pipeline_run_one(Graph *g, const char *name) {
  const GraphPassInfo *pass = pipeline_find(name);
  if (pass) pass->run(g);
  return pass != NULL;
}
