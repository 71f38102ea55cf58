/* SPDX-License-Identifier: MIT */
/* The graph passes in their order, and the one loop that runs them. */
#include "compiler/passes/pipeline.h"
#include "compiler/ir/verify.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum { ALWAYS = -1 };

static void pass_prune(Graph *g, const PassOptions *o) {
  (void)o;
  ir_prune(g);
}

#define BY(option) (int)offsetof(PassOptions, option)

static const PassInfo passes[] = {
    {"again", pass_again, BY(chains), false, false, NULL,
     "make products that a loop stacks again in the later loop that reads them"},
    {"restack", pass_restack, BY(simplify), false, false, NULL,
     "keep for a later loop what it needs in the end, where that takes no more memory"},
    {"totals", pass_totals, BY(loops), false, false, NULL,
     "add up once, after a loop, what its iterations add to a sum"},
    {"tables", pass_tables, BY(simplify), false, false, NULL,
     "compute costly subexpressions of few variables once, in nodes of their own"},
    {"recompute", pass_recompute, BY(simplify), true, false, NULL,
     "compute values marked `save recompute` again where a later loop reads them"},
    {"simplify", pass_simplify, BY(simplify), true, false, NULL,
     "fold what intervals prove: guards, divisions, variables of extent 1"},
    {"taps", pass_taps, BY(contractions), false, false, "simplify",
     "store what a product would compute again for each place that it is read from"},
    {"strides", pass_strides, BY(contractions), false, false, "taps",
     "make a product that leaves out every second place one for each residue"},
    {"hoist", pass_hoist, BY(simplify), true, false, "simplify",
     "move loop-invariant nodes out of loops"},
    {"cse", pass_cse, BY(simplify), true, false, "hoist", "merge nodes that compute the same"},
    {"prune", pass_prune, ALWAYS, true, false, "cse",
     "remove nodes, carries and emits that nothing needs"},
    {"gather", pass_gather, BY(contractions), false, false, "cse",
     "multiply a table in place of many rows that are looked up in it"},
    {"inline", pass_inline, BY(fuse_maps), false, true, "prune",
     "substitute maps that cost less to compute again than to keep"},
    {"budget", pass_budget, ALWAYS, false, false, "inline",
     "compute values again where a later loop reads them, until memory suffices"},
    {"join", pass_join, BY(contractions), false, true, "inline",
     "make products with weights that lie one behind the other, of the same, one product"},
    {"batch", pass_batch, BY(batches), false, true, "inline",
     "make products that a loop only stacks after it, as one of all iterations"},
    {"twice", pass_twice, BY(chains), false, false, "inline",
     "make products of products again for the second use in their region"},
    {"cut", pass_cut, ALWAYS, false, false, "inline",
     "cut bodies that are too long for one kernel into nodes of their own"},
};

PassOptions pass_options(const Target *t) {
  return (PassOptions){.target = t,
                       .simplify = true,
                       .fuse_maps = true,
                       .contractions = true,
                       .chains = true,
                       .batches = true,
                       .keeps = true,
                       .loops = true,
                       .recompute = INT_MAX};
}

int pipeline_count(void) { return (int)(sizeof passes / sizeof *passes); }

const PassInfo *pipeline_at(int i) {
  if (i < 0 || i >= pipeline_count()) bug("there is no pass %d", i);
  return &passes[i];
}

const PassInfo *pipeline_find(const char *name) {
  for (int i = 0; i < pipeline_count(); i++)
    if (strcmp(passes[i].name, name) == 0) return &passes[i];
  return NULL;
}

static bool wanted(const PassInfo *pass, const PipelineOptions *o, const PassOptions *switches) {
  if (o->general && !pass->general) return false;
  for (const char *const *s = o->skip; s && *s; s++)
    if (strcmp(*s, pass->name) == 0) return false;
  return pass->option == ALWAYS || *(const bool *)((const char *)switches + pass->option);
}

void pipeline_run(Graph *g, const PipelineOptions *o) {
  const PassOptions *switches = o->passes;
  bool provable = true;
  for (int i = 0; i < pipeline_count(); i++) {
    const PassInfo *pass = &passes[i];
    if (!wanted(pass, o, switches)) continue;
    double start = clock_seconds();
    pass->run(g, switches);
    double seconds = clock_seconds() - start;
    provable = provable && !pass->unprovable;
    const char *broken = o->verify && provable ? ir_verify(g) : NULL;
    if (broken) bug("%s: after the pass '%s': %s", g->name, pass->name, broken);
    if (o->after) o->after(g, pass, seconds, o->ctx);
  }
}

bool pipeline_run_one(Graph *g, const PassOptions *o, const char *name) {
  const PassInfo *pass = pipeline_find(name);
  if (!pass) return false;
  pass->run(g, o);
  const char *broken = pass->unprovable ? NULL : ir_verify(g);
  if (broken) bug("%s: after the pass '%s': %s", g->name, name, broken);
  return true;
}
