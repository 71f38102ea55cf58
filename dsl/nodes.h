/* SPDX-License-Identifier: MIT */
/* The makers of tree nodes that the grammar's actions call. Each also checks
 * the few rules of form that are clearer in C than in productions. */
#ifndef TDC_NODES_H
#define TDC_NODES_H

#include "dsl/parse_internal.h"

/* What stands between braces; the grammar passes it up to its owner. */
typedef struct Body {
  Span span;
  AStmts stmts;
  VEC(AExpr *) settings;
  ATargets *cotangents; /* of a grad clause */
} Body;

Span span_join(Span first, Span last);
void too_deep(Parser *p, Span at);

AExpr *expr_name(Parser *p, Span at, const Token *t);
AExpr *expr_number(Parser *p, Span at, const Token *t);
AExpr *expr_string(Parser *p, Span at, const Token *t);
AExpr *expr_character(Parser *p, Span at, const Token *t);
AExpr *expr_parens(Parser *p, Span at, AExpr *inner);
AExpr *expr_member(Parser *p, Span at, AExpr *group, const Token *name, Span name_span);
AExpr *expr_call(Parser *p, Span at, AExpr *callee, const AArgs *args, Span open);
AExpr *expr_index(Parser *p, Span at, AExpr *base, const AItems *items, AExpr *guard, Span open);
AExpr *expr_unary(Parser *p, Span at, AOp op, Span op_span, AExpr *a);
AExpr *expr_binary(Parser *p, Span at, AOp op, Span op_span, AExpr *a, AExpr *b);
AExpr *expr_choice(Parser *p, Span at, Span op_span, AExpr *a, AExpr *b, AExpr *c);
AExpr *expr_complete(Parser *p, AExpr *e); /* nothing follows: a guard had no body */

ATarget *target_new(Parser *p, Span at, const Token *name, const AItems *items);
ATargets *one_target(Parser *p, const ATarget *t);
AStmt *stmt_define(Parser *p, AStmtKind kind, Span at, const ATargets *targets, AExpr *value,
                   bool drawn);
void stmt_attribute(Parser *p, AStmt *s, const Token *name, Span at);
void emit_glyph(Parser *p, AStmt *s, const Token *glyph, Span at);
AStmt *loop_new(Parser *p, ARangeKind range, AExpr *lo, AExpr *hi, AExpr *steps);
AEnds ends_named(Parser *p, const Token *name, Span at); /* steps n without NAME */
AStmt *loop_vars(AStmt *s, const Token *var, const Token *next, Span var_span, bool is_scan);
void loop_finish(AStmt *s, const ABinds *carries, const Body *body, const ABinds *emits);

/* `expect` waits for the statement or declaration it stands before: at the end of a body's
 * list as a statement of its own, in the parser. */
void expect_new(Parser *p, AExpects *list, Span at, const Token *code, Span code_span,
                const Token *reason);
void expect_left(Parser *p, AExpects *list); /* nothing came: an error */
AExpects *stmts_expects(Parser *p, AStmts *list);
void stmts_push(Parser *p, AStmts *list, AStmt *s);
AStmts *stmts_end(Parser *p, AStmts *list);
void decl_push(Parser *p, ADecl *d);

ADecl *decl_new(Parser *p, ADeclKind kind, Span at, const Token *name, Span name_span);
void decl_numbers(Parser *p, ADecl *d, const ABinds *binds); /* NULL: none */
void decl_settings(ADecl *d, const Body *settings, Span open, Span close);
void decl_body(ADecl *d, const Body *body);
void decl_equation(Parser *p, ADecl *d, AExpr *value, Span equals);
void decl_finish(ADecl *d, Span at, const Body *grad, bool nocheck);
AFormal *formal_new(Parser *p, Span at, const Token *name, AExpr *bound, const AItems *items);
AFormal *formal_default(AFormal *f, Span at, AExpr *dflt);
AFormal *formal_range(AFormal *f, ARangeKind range, AExpr *lo, AExpr *hi);
AExpr *only_id(Parser *p, const Token *name, AExpr *bound, Span at);

void attach_docs(Arena *a, AFile *f); /* comment blocks above declarations */

#endif
