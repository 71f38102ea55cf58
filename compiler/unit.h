/* SPDX-License-Identifier: MIT */
/* A compiled .td file: its graphs, its program, and what the runtime must know
 * besides: where the data comes from, how to train, which samplers there are.
 *
 * Everything is allocated in the arena given; errors go to the diagnostics. */
#ifndef TDC_UNIT_H
#define TDC_UNIT_H

#include "compiler/ir/ir.h"
#include "dsl/ast.h"
#include "dsl/diag.h"
#include "compiler/program/program.h"

/* ---- data ---------------------------------------------------------------- */
typedef enum { TOKENS_CHARS, TOKENS_BYTES, TOKENS_ASCII } Tokens;

typedef struct DataDecl {
  const char *name;   /* "text" */
  const char *source; /* a path, or the name of a corpus (no '/' and no '.') */
  Tokens tokens;
  double split;        /* share of the text that trains, e.g. 0.9 */
  uint64_t seed;       /* of the random windows */
  const char *td_file; /* the .td file that declares it: relative paths start there */
  Span span;
} DataDecl;

typedef struct DataInfo {
  int64_t vocab;         /* number of symbols */
  const double *unigram; /* [vocab], of the training split, sums to 1 */
  double entropy;        /* of the unigram distribution, nats */
  int64_t bytes;         /* of memory that the text takes while the program runs */
  /* The number of the symbol with these n bytes, -1: there is none; NULL: nothing is known. */
  int64_t (*symbol)(const void *symbols, const char *bytes, size_t n);
  const void *symbols;
} DataInfo;

/* Asked once for each data declaration, before shapes are inferred. False with
 * *why set to a message (in any storage that outlives the compilation) when the data is not to
 * be had.
 * `path` overrides (--data) are the callee's business. */
typedef bool DataQuery(void *ctx, const DataDecl *decl, DataInfo *out, const char **why);

/* ---- what an entry needs at each run --------------------------------------- */
/* Inputs are the TD_INPUT buffers of the entry, found by name:
 *   "step"                  rank-0 int: train: steps done before this one + 1; samplers:
 *     iteration, from 1
 *   a loss's formals        e.g. "x": id<V>[B, L]: B windows of L tokens of `data`
 *   "counted.from"          rank-0 int: eval: the first that counts of the symbols that metrics
 *     report one by one
 *   a sampler's numbers     e.g. "temperature": rank 0, real or int
 *   a sampler's texts       "prompt.ids": int [L], "prompt.mask": bool [L] (true where the text
 *     gives the symbol)
 *   a sampler's loop        "t" (and "u"), rank-0 int: the loop variables */
typedef struct UnitInput {
  const char *name;
  Type type;
  int rank;
  int64_t shape[IR_MAX_RANK];
  int64_t lo, hi;   /* TY_INT */
  const char *data; /* name of the DataDecl that feeds it, or NULL */
} UnitInput;

typedef struct UnitEntry {
  const char *name; /* also the TdEntry's: "init", "train", "eval", "model.denoise",
                                   "sample.ddpm.init", "sample.ddpm.step", "sample.ddpm.emit" */
  Graph *graph;     /* for the reference evaluator */
  bool repeated;    /* runs many times while parameters stay: a sampler's step */
  int recompute;    /* values that its program computes again for a later loop, to fit */
  UnitInput *inputs;
  int ninputs;
  /* outputs: the TdEntry's outputs, by name. "train", "eval": "loss" first, then logged scalars,
   * the metrics
   * (eval), "lr", "grad_norm" (train). emit: "text" (int [B, L]) then what `log` names, e.g.
   * "confidence" [B, L] */
} UnitEntry;

/* ---- training -------------------------------------------------------------- */
typedef struct UnitTrain {
  bool present;
  const char *loss; /* its name; the entries are "train" and "eval" */
  Span span;
  const char *data;      /* the DataDecl that feeds it */
  int64_t batch, window; /* rows and tokens of a row of the data input */
  int64_t steps;
  int64_t checkpoint_every; /* 0 = only at the end */
  int64_t eval_every, eval_batches;
  const char *sample; /* a sampler's name or NULL */
  int64_t sample_every;
  int64_t keep;      /* checkpoints kept besides the best (default 3) */
  int64_t patience;  /* stop after so many evaluations without a better loss; 0 = never */
  int64_t log_every; /* default 10 */
  double ema; /* 0 = none: else states "ema.*" shadow "params.*"; eval and samplers read them */
  const char *optimizer;
} UnitTrain;

/* ---- samplers -------------------------------------------------------------- */
typedef enum { PARAM_REAL, PARAM_INT, PARAM_TEXT } UnitParamKind;
typedef struct UnitParam {
  const char *name;
  UnitParamKind kind;
  double dflt;
  double lo, hi;     /* numbers lie in lo .. hi; an infinite end is open */
  bool below;        /* and are less than hi */
  const char *range; /* in words, "0 .. 9", "0 : 10 (below 10)"; NULL: any number */
  const char *text;  /* default of a PARAM_TEXT */
  Span span;
} UnitParam;

/* The driver loop: for t in lo .. hi (inclusive, either direction), or `steps`
 * values spread evenly over it: of m points, point k is lo + round_half_away((hi - lo) * k /
 * (m - 1)), and n values are n points, or those of n + 1 or n + 2 without an end or both. The
 * runtime runs init once, step for each value (inputs t and, when named, u = the next point, or
 * hi - 1 / hi + 1 one past the last), and emit whenever it wants to look. */
typedef struct UnitSampler {
  const char *name;
  UnitParam *params;
  int nparams;
  bool has_loop;
  const char *var, *next_var;
  int64_t lo, hi;
  int64_t steps;       /* default number of iterations */
  int64_t evaluations; /* of models in an iteration, not those that a model makes of others; 1
                          where what is evaluated is no `model` */
  bool without_first, without_last; /* lo or hi is a point and no value */
  const char *steps_param;          /* the parameter that sets it, or NULL: fixed */
  const char *data;                 /* whose vocabulary spells the result, or NULL */
  const char *glyph;                /* how a number that is none of its symbols is shown, or NULL */
  int64_t batch, window;            /* shape of the emitted text */
  const char *rows; /* the dim that `batch` is, if it may be given anew for other numbers of
                              texts (`-D rows=n`); NULL: it is what the file says */
  Span span;
} UnitSampler;

/* ---- metrics ---------------------------------------------------------------- */
/* What the file says of a metric's number: a likelihood in whatever unit, exact or no better than
 * the truth. */
typedef struct UnitMetric {
  const char *name;  /* of the output of "eval" */
  const char *claim; /* "exact", "bound"; NULL: nothing */
  int64_t symbols;   /* it is the mean over so many of the last symbols of each row, those from the
                        input "counted.from" on; 0: over whatever it says. All that are not 0 are
                        equal */
} UnitMetric;

/* ---- parameters -------------------------------------------------------------- */
typedef struct UnitParameter {
  const char *name;  /* "denoise.layer.wq" */
  const char *state; /* "params.matrix" or "params.vector" */
  int64_t offset;    /* elements */
  int rank;
  int64_t shape[IR_MAX_RANK];
  Span span;
} UnitParameter;

typedef struct Unit {
  const char *name; /* of the file, without folder and ".td" */
  const char *path;
  TdProgram *program; /* NULL when options.check_only */
  UnitEntry *entries;
  int nentries;
  DataDecl *data;
  int ndata;
  DataInfo *data_info;
  UnitTrain train;
  UnitSampler *samplers;
  int nsamplers;
  UnitMetric *metrics;
  int nmetrics;
  UnitParameter *parameters;
  int nparameters;
  TdType act;       /* how activations are stored and multiplied: TD_F32, TD_BF16 */
  int split;        /* and those in f32: TD_SPLIT_* */
  int64_t nweights; /* numbers in all parameters */
  int64_t memory;   /* the options' */
  int threads;
  const char **models;
  int nmodels;
  const char *source_hash; /* the text of all sources joined, for the runtime to hash */
  size_t source_size;
  struct Lowering *lowering; /* of the compilation: trial.h instantiates further ops with it */
} Unit;

typedef struct Define {
  const char *name, *value;
} Define; /* -D name=value */

typedef struct UnitOptions {
  const Define *defines;
  int ndefines;
  DataQuery *query;
  void *query_ctx;
  bool check_only; /* stop after the graphs were built and verified */
  bool verify;     /* run the IR verifier after every pass */
  bool no_train, no_eval, no_samplers, no_models; /* leave these entries out */
  bool no_update;           /* with check_only: the training entry ends with the loss */
  const char *only_sampler; /* or NULL: all */
  const char *const
      *metrics;          /* these alone, the last one NULL; NULL: all that need not be asked for,
                                 with check_only all */
  const char *dump_pass; /* --dump=PASS: the IR after that pass goes to dump */
  StrBuf *dump;
  const char *target; /* a name of backend_target; NULL: "cpu" */
  const char *act;    /* "f32" or "bf16" instead of what `precision` says; NULL: that */
  /* "f32", "fma", "split6", "split3", "bf16" instead of what it says; NULL: that */
  const char *product;
  int64_t memory; /* bytes that program and text may take, with so many threads; 0: no limit */
  bool no_text;   /* the program is for elsewhere: its text does not count */
  int threads;
  uint32_t disable; /* bit k: backend option k off (tests) */
  /* reads another source file for `use "path"`; NULL: use is an error. Text in the arena. */
  const char *(*load)(void *ctx, Arena *a, const char *path, size_t *size, const char **why);
  void *load_ctx;
} UnitOptions;

/* The program's name, of *n bytes: the file's without folders and its last extension. It
 * serves as a folder's name. */
const char *unit_name(const char *path, size_t *n);

/* Compile the source registered as `file`. NULL after errors. Unwinds nowhere:
 * guards of arena and diagnostics are set inside. */
Unit *unit_compile(Arena *a, Interner *names, Diags *d, int file, const UnitOptions *o);
/* The entries of a compiled unit as a program for another target, a name of backend_target;
 * as much is computed again as in the unit's own. NULL: memory ran out, or the diagnostics
 * have the error. */
TdProgram *unit_program_for(const Unit *u, const char *target);

/* A program of one entry alone, for a target, in which every statement has a kernel of its own,
 * for looking at what each of them gives. It lives as long as the unit; NULL when memory is out. */
TdProgram *unit_plain(const Unit *u, const char *entry, const char *target);
/* Where a value of an entry's graph comes from: see TdStep. */
void unit_place(const Unit *u, const Node *n, TdStep *place);
const UnitEntry *unit_entry(const Unit *u, const char *name);
/* What the text takes beside the program, its symbols and the windows on their way into it. */
int64_t unit_text_bytes(const Unit *u);
const UnitMetric *unit_metric(const Unit *u, const char *name);   /* or NULL */
const UnitSampler *unit_sampler(const Unit *u, const char *name); /* NULL name: the first */
/* Value k of a sampler's loop of n iterations; n: what comes after the last. */
int64_t unit_loop_value(const UnitSampler *s, int64_t k, int64_t n);

/* -- lower/sampler_param.c */
/* May a sampler's number be x? It must be one that a float holds, or an int32, and in range. */
bool unit_param_takes(const UnitParam *p, double x);

#endif
