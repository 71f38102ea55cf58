/* SPDX-License-Identifier: MIT */
/* The abstract syntax of a .td file, as the grammar (parse.y) builds it: what
 * was written, with a span on every node, and nothing inferred. Everything
 * lives in the compilation's arena; names are interned. */
#ifndef TDC_AST_H
#define TDC_AST_H

#include "dsl/base.h"
#include "dsl/diag.h"

enum { AST_MAX_DEPTH = 200 }; /* of brackets, and of each expression */

/* ---- expressions ------------------------------------------------------- */
typedef struct AExpr AExpr;

typedef enum {
  A_NUM,       /* 12, 1e-4                     num, is_int, text              */
  A_STR,       /* "text"                       str (escapes decoded)          */
  A_CHARACTER, /* 'a'                       str: its bytes                 */
  A_NAME,      /* x                            name                           */
  A_MEMBER,    /* noise.abar                   a, name                        */
  A_INDEX,     /* x[i, j + 1 else 0]           a, items                       */
  A_REDUCE,    /* sum[k in 0:K | g](body)      name, items, guard, a (body)   */
  A_CALL,      /* f(x, eps = 1e-5)             a (callee: A_NAME/A_MEMBER), args */
  A_UNARY,     /* -x, !x                       op, a                          */
  A_BINARY,    /* x + y                        op, a, b                       */
  A_COND,      /* c ? x : y                    a, b, c                        */
  A_ERROR      /* what error recovery left                                    */
} AExprKind;

typedef enum {
  OP_ADD,
  OP_SUB,
  OP_MUL,
  OP_DIV,
  OP_MOD,
  OP_POW,
  OP_LT,
  OP_LE,
  OP_GT,
  OP_GE,
  OP_EQ,
  OP_NE,
  OP_AND,
  OP_OR,
  OP_NEG,
  OP_NOT
} AOp;
const char *aop_spelling(AOp op);

/* One entry between brackets. Exactly one of the forms:
 *   expr              any expression (an index, an extent, a bare variable)
 *   expr else other   a read that yields `other` out of bounds
 *   name in lo : hi   a variable with its range, hi exclusive
 *   name in D         a variable over a dim, an axis or an extent (hi == NULL, lo = D)
 *   ...               the rest of the axes                                     */
typedef struct AItem {
  Span span;
  bool ellipsis;
  const char *var; /* the variable of an `in` form, or NULL */
  AExpr *expr;     /* the plain form, or NULL */
  AExpr *other;    /* after `else`, or NULL */
  AExpr *lo, *hi;  /* of an `in` form */
} AItem;
typedef VEC(AItem) AItems;

typedef struct AArg {
  Span span;
  const char *name;
  AExpr *value;
} AArg; /* name: NULL if positional */
typedef VEC(AArg) AArgs;

struct AExpr {
  AExprKind kind;
  AOp op;
  bool is_int;  /* A_NUM written without point or exponent */
  int64_t inum; /* its value, when it fits */
  double num;
  const char *text; /* A_NUM: as written */
  const char *name;
  const char *str;
  AExpr *a, *b, *c;
  AExpr *guard; /* A_REDUCE: after '|' */
  AItems items;
  AArgs args;
  int depth;   /* of the tree below; at most AST_MAX_DEPTH */
  bool parens; /* stood in parentheses of its own */
  Span span;
  Span op_span; /* of the operator, the member name or the bracket */
};

/* ---- statements -------------------------------------------------------- */
typedef struct AStmt AStmt;
typedef VEC(AStmt *) AStmts;

/* What stands left of '=' or '~': x or x[b, l in 0:L-1, ...] */
typedef struct ATarget {
  Span span;
  const char *name;
  bool indexed; /* brackets were written (even for x[]) */
  AItems items;
} ATarget;
typedef VEC(ATarget) ATargets;

typedef struct ABind {
  ATarget target;
  AExpr *value;
  Span span;
} ABind; /* target = value */
typedef VEC(ABind) ABinds;

/* expect W0901 "reason": a warning that the author knows of. It stands before a statement or
 * a declaration, and is about that one. */
typedef struct AExpect {
  Span span, code_span;
  const char *code, *reason;
} AExpect;
typedef VEC(AExpect) AExpects;

typedef enum {
  S_ASSIGN,   /* x[i] = e      a, b = f(x)      targets, value, save/recompute */
  S_DRAW,     /* t[b] ~ uniform(T)              targets (one), value (A_CALL)  */
  S_PARAM,    /* param w[D,H], b[H] ~ normal(0, 0.02) | = 1    targets, value, drawn */
  S_FOR,      /* for i in N { }   for t, u in T-1 .. 0 steps n { }
                   for i in N carry h[b] = h0[b] { } emit y[..] = e     (see range) */
  S_MINIMIZE, /* minimize e                     value                          */
  S_LOG,      /* log name = e                   targets (one), value           */
  S_REPORT,   /* report e  (metric)             value                          */
  S_STATE,    /* state x[B,L] ~ normal() | = e  targets (one), value, drawn    */
  S_EMIT,     /* emit e [else "_"]  (sampler)   value, glyph                   */
  S_ERROR
} AStmtKind;

/* The range of a loop.  `in N`: lo == NULL, hi = N (0 .. N-1 ascending).
 * `in lo .. hi`: both ends inclusive, descending when lo > hi.
 * `in lo : hi`: half open, ascending.  `steps n`: n values spread evenly from
 * lo to hi, both included; `steps n without last` leaves an end of as many more out. */
typedef enum { RANGE_COUNT, RANGE_DOTS, RANGE_COLON } ARangeKind;
typedef enum { ENDS_BOTH, WITHOUT_FIRST, WITHOUT_LAST, WITHOUT_ENDS } AEnds;
const char *aends_spelling(AEnds e); /* "first", "last", "ends"; NULL: both are there */

struct AStmt {
  AStmtKind kind;
  Span span;
  ATargets targets;
  AExpr *value;
  bool drawn;           /* '~' instead of '=' (S_PARAM, S_STATE) */
  const char *glyph;    /* S_EMIT: shown for what is no symbol, or NULL */
  bool save, recompute; /* @save, @recompute before an assignment */
  /* S_FOR; `scan` is the same statement, remembered for the printer */
  bool is_scan;
  const char *var, *next_var; /* next_var: the u of `for t, u in`, or NULL */
  Span var_span;
  ARangeKind range;
  AExpr *lo, *hi, *steps;
  AEnds ends;     /* of steps */
  bool has_range; /* `scan t carry ...` may leave the range out */
  ABinds carries; /* carry h[b,k] = h0[b,k] */
  AStmts body;
  Span braces;      /* of the body, from '{' to '}' */
  ABinds emits;     /* } emit y[b,t,k] = h[b,k], ... */
  AExpects expects; /* in the lines before */
};

/* ---- declarations ------------------------------------------------------ */
typedef struct ADecl ADecl;
typedef VEC(ADecl *) ADecls;

/* A formal parameter.
 *   x[b,l,d]           tensor, pattern of index names, `...`, dims or extents
 *   t: id<T>[B]        integers below T
 *   o                  a scalar or an extent
 *   eps = 1e-5         with a default
 *   k = 0 in 0 .. 9    and where the values lie: a sampler's                 */
typedef struct AFormal {
  Span span;
  const char *name;
  AExpr *id_bound; /* T of id<T>, or NULL */
  bool is_tensor;  /* brackets were written */
  AItems items;
  AExpr *dflt;      /* or NULL */
  AExpr *lo, *hi;   /* `in lo .. hi`, `in lo : hi` after the default, or NULL */
  ARangeKind range; /* RANGE_DOTS or RANGE_COLON */
} AFormal;
typedef VEC(AFormal) AFormals;

typedef enum {
  D_USE,      /* use nn | use "path.td" [with L = 1]    name or path, binds */
  D_CONST,    /* const a = 1, b = 2           binds                   */
  D_DIM,      /* dim B = 32                   binds                   */
  D_AXIS,     /* axis S = L                   binds                   */
  D_PARAM,    /* param w[D] ~ normal(0, 1)    stmt (an S_PARAM)       */
  D_DATA,     /* data text { ... }            name, settings          */
  D_SCHEDULE, /* schedule noise[T] { ... }    name, extent, body      */
  D_OP,
  D_BLOCK,
  D_MODEL, /* name, formals, results, body, grad       */
  D_LOSS,
  D_METRIC,
  D_SAMPLER,  /* name, formals, body                  */
  D_TRAIN,    /* train [NAME] { ... }         name or NULL, settings  */
  D_PRECISION /* precision { ... }            settings                */
} ADeclKind;
const char *adecl_spelling(ADeclKind k); /* "op", "block", ... */

typedef struct AGrad { /* grad(dy, ...) { dx[...] = ... } [nocheck] */
  bool present, nocheck;
  Span span;
  ATargets cotangents; /* dy or dy[i,j] */
  AStmts body;
  Span braces;
} AGrad;

/* What a metric says of its number: metric m(x) exact { }. */
typedef enum { CLAIM_NONE, CLAIM_EXACT, CLAIM_BOUND } AClaim;
const char *aclaim_spelling(AClaim c); /* "exact", "bound"; NULL: it says nothing */

struct ADecl {
  ADeclKind kind;
  Span span, name_span;
  const char *name;
  const char *path; /* D_USE "path" */
  Span with_span;   /* of its `with` */
  const char *doc;  /* the comment block that stands directly above, '#' stripped, or NULL */
  ABinds binds;
  AStmt *stmt;
  VEC(AExpr *) settings; /* primaries in a row: names, numbers, strings, calls */
  AExpr *extent;
  AFormals formals;
  AFormals results; /* patterns; `-> y[b,l]` */
  AClaim claim;     /* D_METRIC */
  bool asked;       /* D_METRIC: computed where somebody asks for it */
  AStmts body;
  Span braces;    /* of the body or the settings; line 0: none */
  bool expr_body; /* `-> y[...] = e`: body is that one assignment */
  AGrad grad;
  AExpects expects; /* in the lines before */
};

/* A comment as the scanner saw it, from its '#', without trailing blanks; the
 * printer puts it back. */
typedef struct AComment {
  Span span;
  const char *text;
  bool own_line;
} AComment;

typedef struct AFile {
  int file; /* index into Sources */
  ADecls decls;
  VEC(AComment) comments;
} AFile;

/* -- ast.c ------------------------------------------------------------------ */
/* Where the name with which e begins stands: of a reducer. */
Span aexpr_name_span(const AExpr *e);

/* -- calls.c ---------------------------------------------------------------- */
/* Does the file call the function of that (interned) name, outside of `but`? */
bool ast_calls(const AFile *f, const char *name, const ADecl *but);

/* -- parse.y, lex.l ------------------------------------------------------- */
/* Parse one source registered with `d`. Errors go to `d`; what could be parsed
 * comes back. Never NULL. Nesting deeper than 200 is an error, not a stack overflow. */
AFile *ast_parse(Arena *a, Interner *in, Diags *d, int file);

/* Parse a single expression, for `-D name=expr` and tests. NULL after an error. */
AExpr *ast_parse_expr(Arena *a, Interner *in, Diags *d, int file);

/* -- print.c: the formatter's core ---------------------------------------- */
void ast_print_file(const AFile *f, StrBuf *out); /* canonical layout, comments kept */
void ast_print_expr(const AExpr *e, StrBuf *out); /* minimal parentheses */
void ast_print_target(const ATarget *t, StrBuf *out);

/* -- dump.c: every part of the tree as text, without places and comments ---- */
void ast_dump(const AFile *f, StrBuf *out); /* equal dumps: equal meaning */

/* -- std.c (made at build time from dsl/std/ *.td) ------------------------- */
const char *std_source(const char *name, size_t *size); /* "nn" -> its text, or NULL */
int std_count(void);
const char *std_name(int i);

#endif
