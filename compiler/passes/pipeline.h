/* SPDX-License-Identifier: MIT */
/* Passes from graph to graph: each a function of its own that can run alone
 * (`tdc opt -p NAME`), listed in one table, and one loop that runs them. */
#ifndef TDC_PIPELINE_H
#define TDC_PIPELINE_H

#include "compiler/ir/ir.h"

typedef void GraphPass(Graph *g);

/* Each keeps what the outputs and updates are, and needs a verified graph. */
void pass_recompute(Graph *g); /* recompute.c: stacks of values marked `save recompute` */
void pass_simplify(Graph *g);  /* simplify.c: expressions by what intervals prove */
void pass_cse(Graph *g);       /* cse.c: equal nodes become one */
void pass_hoist(Graph *g);     /* hoist.c: loop-invariant nodes leave the loop */
/* ir_prune (ir.h): what nothing needs goes */

typedef struct GraphPassInfo {
  const char *name;
  GraphPass *run;
  const char *needs; /* a pass that should have run before, or NULL */
  const char *what;  /* one line for `tdc opt --help` */
} GraphPassInfo;

int pipeline_count(void);
const GraphPassInfo *pipeline_at(int i);              /* in the order of a run */
const GraphPassInfo *pipeline_find(const char *name); /* or NULL */

typedef struct PipelineOptions {
  bool verify;             /* ir_verify after every pass; what is broken is a bug() */
  const char *const *skip; /* names of passes to leave out, NULL at the end; or NULL */
  /* called after each pass, for --dump=PASS and timings; or NULL */
  void (*after)(Graph *g, const GraphPassInfo *pass, double seconds, void *ctx);
  void *ctx;
} PipelineOptions;

void pipeline_run(Graph *g, const PipelineOptions *options); /* NULL: defaults */
bool pipeline_run_one(Graph *g, const char *name);           /* false: no such pass */

#endif
