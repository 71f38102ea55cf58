/* SPDX-License-Identifier: MIT */
/* Passes from graph to graph: each a function of its own that can run alone
 * (`tdc opt -p NAME`), listed in one table in the order of a compilation, and one
 * loop that runs them. Every pass keeps what the outputs and updates are, and
 * needs a verified graph; the head of its file says what else it promises. */
#ifndef TDC_PIPELINE_H
#define TDC_PIPELINE_H

#include "compiler/plan/target.h"

/* What passes must know besides the graph. */
typedef struct PassOptions {
  const Target *target; /* what it will be compiled for: what is cheap there, what is a product */
  bool simplify, fuse_maps, contractions, chains; /* as in BackendOptions */
  bool batches;    /* memory need not be saved: `batch` may take some */
  bool keeps;      /* memory need not be saved: tables may be kept from run to run */
  bool repeated;   /* the entry runs many times while parameters stay as they are */
  bool loops;      /* the same, the target has loops in one kernel, and memory need not be saved */
  int recompute;   /* `budget`: values not to be kept for a later loop, at most */
  int *recomputed; /* `budget`: how many there were goes here; or NULL */
} PassOptions;
/* Everything is on, and no value is kept that can be computed again: so every pass that
 * runs alone does what it can. */
PassOptions pass_options(const Target *t);

typedef void GraphPass(Graph *g, const PassOptions *o);

GraphPass pass_again;     /* again.c: products that a later loop can make of what it has */
GraphPass pass_restack;   /* restack.c: what a loop keeps for a later one */
GraphPass pass_totals;    /* totals.c: sums that loops only carry */
GraphPass pass_tables;    /* tables.c: costly subexpressions of few variables */
GraphPass pass_recompute; /* recompute.c: values marked `save recompute` */
GraphPass pass_simplify;  /* simplify.c: expressions by what intervals prove */
GraphPass pass_taps;      /* taps.c: what convolutions would compute again for each tap */
GraphPass pass_strides;   /* strides.c: products of every second place, one for each residue */
GraphPass pass_hoist;     /* hoist.c: loop-invariant nodes leave the loop */
GraphPass pass_cse;       /* cse.c: equal nodes become one */
GraphPass pass_gather;    /* gather.c: products of rows that are a table's */
GraphPass pass_inline;    /* inline.c: maps into what reads them */
GraphPass pass_budget;    /* recompute.c: as many values as the budget asks for */
GraphPass pass_join;      /* join.c: products that share an operand */
GraphPass pass_batch;     /* batch.c: products that a loop only stacks, all at once */
GraphPass pass_twice;     /* twice.c: products that one region needs twice */
GraphPass pass_cut;       /* cut.c: long bodies into several */

typedef struct PassInfo {
  const char *name;
  GraphPass *run;
  int option;        /* offset of the bool of PassOptions that switches it; -1: it always runs */
  bool general;      /* decides by the graph alone, whatever it is compiled for */
  bool unprovable;   /* bounds hold afterwards, but ir_verify cannot prove them any more */
  const char *needs; /* a pass that should have run before, or NULL */
  const char *what;  /* its contract in one line */
} PassInfo;

int pipeline_count(void);
const PassInfo *pipeline_at(int i);              /* in the order of a run */
const PassInfo *pipeline_find(const char *name); /* or NULL */

typedef struct PipelineOptions {
  const PassOptions *passes;
  bool general; /* the general passes only */
  bool verify;  /* ir_verify after every pass, as long as it can; what is broken is a bug() */
  const char *const *skip; /* names of passes to leave out, NULL at the end; or NULL */
  /* called after each pass, for --dump=PASS and timings; or NULL */
  void (*after)(Graph *g, const PassInfo *pass, double seconds, void *ctx);
  void *ctx;
} PipelineOptions;

void pipeline_run(Graph *g, const PipelineOptions *o);
bool pipeline_run_one(Graph *g, const PassOptions *o, const char *name); /* false: no such pass */

#endif
