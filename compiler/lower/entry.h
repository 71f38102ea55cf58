/* SPDX-License-Identifier: MIT */
/* Entries: graphs under construction with the parameters they read, what is made
 * of `train { ... }`, and who builds which entry. */
#ifndef TDC_ENTRY_H
#define TDC_ENTRY_H

#include "compiler/lower/lower.h"
#include "compiler/unit.h"

struct Parameter {
  const char *name; /* qualified */
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *axis[IR_MAX_RANK];
  bool matrix; /* rank >= 2 without the stacking axes: decays */
  Span span;
  Node *init; /* in the init graph */
  int64_t offset;
  bool named;    /* at the top level, and by a branch that a known condition leaves out */
  bool left_out; /* a condition that is known leaves out all that reads it: it is in no program */
};

typedef struct ParamView {
  int param;
  bool ema;
  Node *node;
} ParamView;

/* What belongs to one graph under construction. */
struct Entry {
  Graph *g;
  const char *name;
  bool training; /* dropout draws */
  bool ema;      /* parameters are read from the averages */
  bool init;     /* the init graph */
  bool repeated; /* a sampler's step */
  Value *step;   /* the number of the training step, where it was asked for */
  VEC(ParamView) views;
  VEC(Node *) left_out; /* what branches name that a known condition leaves out */
  Node *flat[2];        /* N_STATE params.matrix, params.vector of this graph */
  VEC(UnitInput) inputs;
  struct {
    Table *table;
    Node *node;
  } * tables;
  int ntables, captables;
};

typedef struct TrainSettings {
  ADecl *decl;
  Scope *scope;           /* of the file that it stands in */
  const AExpr *optimizer; /* the call, e.g. adamw(lr = 1e-3) */
  const AExpr *clip;      /* or NULL */
  Fn *loss;
  Entry *train, *eval;
  Node *loss_node; /* of train */
  Span loss_span;
} TrainSettings;

/* -- entry.c -------------------------------------------------------------------------- */
Entry *entry_new(Lowering *l, const char *name);
void entry_enter(Lowering *l, Entry *e);
Value *entry_input(Lowering *l, const char *name, Type t, int rank, const int64_t *shape,
                   const char *const *ids, int64_t lo, int64_t hi, const char *data, Span at);
/* The number of the training step, an input of the entry from the first time on. */
Value *entry_step(Lowering *l, Span at);
Value *param_value(Lowering *l, int param);
/* Leaves to the front of the graph, which is whole. */
void entry_settle(Entry *e);
/* Settle it, and make it an entry of the unit. */
void entry_add(Lowering *l, Entry *e);

/* What must not leak from one entry, schedule or initial value into another. */
typedef struct Context {
  Lowering saved;
} Context;
Context context_begin(Lowering *l, Entry *e);
void context_end(Lowering *l, const Context *c);

/* -- inputs.c ------------------------------------------------------------------------- */
/* The formals of d as inputs of the entry, named in s. `from_data`: of a loss, which takes
 * windows of a declared text. False after an error. */
bool bind_inputs(Lowering *l, Scope *s, ADecl *d, bool from_data);

/* -- settings.c ----------------------------------------------------------------------- */
bool settings_train(Lowering *l, TrainSettings *t, ADecl *d, Scope *s);
bool settings_precision(Lowering *l, ADecl *d);

/* -- objective.c: the entries `train` and `eval` ----------------------------------------- */
bool build_objective(Lowering *l, TrainSettings *t);
/* Gradients and the optimizer's updates, once the parameters' layout is fixed. */
bool finish_objective(Lowering *l, TrainSettings *t);

/* -- left_out.c --------------------------------------------------------------------------- */
/* e is the branch of a condition that is known, and is not lowered. */
void leave_out(Lowering *l, Scope *s, const AExpr *e);
/* Which parameters are left out with it? All entries are whole. */
void left_out_parameters(Lowering *l);

/* -- sampler_param.c ------------------------------------------------------------------- */
/* The parameters of sampler d as inputs of the entry, named in s. The first time u is told of
 * them. False after an error. */
bool bind_sampler_parameters(Lowering *l, Scope *s, const ADecl *d, UnitSampler *u);
/* A number that must lie in lo .. hi besides. */
void unit_param_within(Arena *a, UnitParam *p, double lo, double hi);

/* Warns of parameters that nothing a sampler makes depends on. The entries are whole and
 * pruned. */
void unread_parameters(Lowering *l);
/* -- own_elements.c ----------------------------------------------------------------------- */
/* Does what an optimizer computes, the nodes from `first` on, depend on the same elements of
 * these rows (weights, gradient, states) alone? Else an error. */
bool own_elements(Lowering *l, const ADecl *optimizer, int first, Node *const *rows, int nrows,
                  Span call);

/* -- sampler_rows.c -------------------------------------------------------------------- */
/* The dim, if it is one of the user's file that can be given anew for other numbers of rows;
 * else NULL. */
const char *sampler_rows(Lowering *l, const char *dim);

/* -- sampler.c ------------------------------------------------------------------------- */
bool build_samplers(Lowering *l);

/* -- models.c --------------------------------------------------------------------------- */
bool build_models(Lowering *l);

#endif
