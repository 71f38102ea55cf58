/* SPDX-License-Identifier: MIT */
/* Files: what one declares, what it uses of others, and with which numbers. */
#ifndef TDC_LOWER_FILE_H
#define TDC_LOWER_FILE_H

#include "compiler/lower/scope.h"

/* A const, dim or axis given anew from outside the file that declares it. */
typedef struct Override {
  const char *name;
  const char *text;   /* of -D */
  const AExpr *value; /* of `with`; computed where the declaration stands */
  Span span;          /* of `with` */
  AExpr *parsed;      /* of text, once it was asked for */
  bool bad, used;     /* the text is no expression; a declaration was found */
} Override;

/* All that is said of one file: by who uses it, and by who uses that. The outermost counts, and
 * reaches a name that none of the files on the way declares itself. */
typedef struct Overrides {
  struct Overrides *outer; /* of the file that uses this one; NULL: its own are those of -D */
  const AFile *file;       /* this one, when it was read */
  VEC(Override *) own;
} Overrides;

/* What a file trains: its own declarations, or those of a file that it uses. */
typedef struct Roots {
  ADecl *train, *precision; /* or NULL */
  Scope *scope;             /* of train */
} Roots;

/* A file that another one uses. */
typedef struct Used {
  const ADecl *at;
  Scope *scope;
  Roots roots;
} Used;
typedef VEC(Used) Taken;

/* -- lower_override.c ------------------------------------------------------------------ */
/* What is said of that name in the file, or NULL; all that say something are used now. */
Override *override_of(const Overrides *o, const char *name);
/* Its expression; NULL after an error. */
const AExpr *override_value(Lowering *l, Override *v);
/* Would a -D of that name reach the file? */
bool override_reaches(const Overrides *o, const char *name);
/* All that reaches the file, as text: equal texts, equal numbers. */
const char *override_key(Lowering *l, const Overrides *o);
/* Errors where a `with`, or where -D, names nothing. */
bool overrides_used(Lowering *l, const Overrides *o, const Scope *s, const char *file);

/* -- lower_use.c ------------------------------------------------------------------------- */
/* NULL after an error. */
Scope *std_used(Lowering *l, const ADecl *use);
/* False after an error. */
bool path_used(Lowering *l, const ADecl *use, Overrides *over, Used *out);
void import_names(Lowering *l, Scope *into, const Scope *from);
/* What a file without a loss of its own has from those it uses. */
void take_roots(Lowering *l, Scope *scope, const Taken *taken, Roots *out);

/* -- lower_file.c ------------------------------------------------------------------------- */
/* Declarations into scope. `over`: NULL for the library's. */
bool declare_file(Lowering *l, int file, Scope *scope, Overrides *over, Roots *roots);

#endif
