/* SPDX-License-Identifier: MIT */
/* Scopes, and what the names in them stand for. */
#ifndef TDC_SCOPE_H
#define TDC_SCOPE_H

#include "compiler/lower/value.h"
#include "dsl/namemap.h"

typedef struct Binding {
  const char *name;
  Value *value;
  Span span;
  bool pattern;  /* an index name of a header: an extent, and an index where an index stands */
  bool mutable_; /* a loop's carry or a sampler's state */
} Binding;

struct Scope {
  Scope *parent;
  bool function; /* assignments do not reach beyond */
  VEC(Binding) names;
  Arena *arena;
  NameMap index; /* from a name to 1 + its last place in `names`, of so many of them: */
  int indexed;
  ValueAxis ellipsis[IR_MAX_RANK]; /* what `...` stands for in this function */
  int nellipsis;
  bool has_ellipsis;
};

struct Fn {
  ADecl *decl;
  Scope *scope;
};

/* -- lower_scope.c: finding names ---------------------------------------------- */
Scope *scope_new(Lowering *l, Scope *parent, bool function);
Binding *scope_find(Scope *s, const char *name);
Binding *scope_here(Scope *s, const char *name);
void scope_set(Lowering *l, Scope *s, const char *name, Value *v, Span at);
const char *std_declaring(const char *function); /* the library that declares it, or NULL */
Fn *find_fn(Lowering *l, Scope *s, const char *name);

/* -- lower_name.c: what they stand for ------------------------------------------- */
/* What an unknown name may mean: one of those known, or one of a library. */
void hint_name(Lowering *l, Diag *x, const char *name, const char *const *known, int n);
/* Is this name, which nothing has, to be reported? Once in a function, and not where what a file
 * imports is missing. */
bool name_is_news(Lowering *l, const Scope *s, const char *name);
/* Error and poison when unknown. */
Value *lookup(Lowering *l, Scope *s, const char *name, Span at);
/* What `step` and `steps` are in scope s of a loss: the number of the training step, and how many
 * there are; on held-out text both are the last. NULL: another name, or no loss. */
Value *loss_step(Lowering *l, Scope *s, const char *name, Span at);
Value *member(Lowering *l, Value *base, const char *name, Span at);
/* 'a': the number of that symbol of the text that the file declares. */
Value *symbol_value(Lowering *l, Scope *s, const char *symbol, Span at);
Value *binding_value(Lowering *l, Binding *b);

/* -- lower_use.c ------------------------------------------------- */
/* Of a library; NULL after an error. */
Scope *std_scope(Lowering *l, const char *name, Span at);

#endif
