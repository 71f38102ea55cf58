/* SPDX-License-Identifier: MIT */
/* The grammar: tokens (as layout.c delivers them) to the tree of ast.h, nothing
 * inferred. Errors are worded in complain.c; a broken statement is skipped up to
 * its end and parsing goes on, so that one run reports several. The stacks grow
 * in the compilation's arena. Node makers are in nodes.c. */
%define api.pure full
%define api.prefix {td_}
%define api.location.type {Span}
%define parse.error custom
%define lr.type canonical-lr
%define lr.default-reduction consistent
%locations
%expect 0
%param {Parser *p}

%code requires {
#include "dsl/parse_internal.h"
#include "dsl/nodes.h"
}

%union {
  const Token *token;
  AExpr       *expr;
  AItem        item;
  AItems      *items;
  AArg         arg;
  AArgs       *args;
  ATargets    *targets;
  ATarget     *target;
  ABinds      *binds;
  AFormal     *formal;
  AFormals    *formals;
  AStmt       *stmt;
  AStmts      *stmts;
  Body        *body;
  ADecl       *decl;
  int          kind;
  bool         yes;
  AClaim       claim;
  AEnds        ends;
}

%code {
#include <string.h>

enum { STACK_MAX = 16000 };

static int td_lex(TD_STYPE *value, Span *place, Parser *p);
static void td_error(const Span *at, Parser *p, const char *message);

/* Grow the parser's stacks in the arena; entries below are kept. */
#define yyoverflow(message, ss, ss_bytes, vs, vs_bytes, ls, ls_bytes, size)                        \
  do {                                                                                             \
    if (*(size) >= STACK_MAX) {                                                                    \
      too_deep(p, yylloc);                                                                         \
      YYABORT;                                                                                     \
    }                                                                                              \
    *(ss) = arena_grow(p->arena, *(ss), (size_t)(ss_bytes), 2 * (size_t)(ss_bytes));               \
    *(vs) = arena_grow(p->arena, *(vs), (size_t)(vs_bytes), 2 * (size_t)(vs_bytes));               \
    *(ls) = arena_grow(p->arena, *(ls), (size_t)(ls_bytes), 2 * (size_t)(ls_bytes));               \
    *(size) *= 2;                                                                                  \
  } while (0)

#define YYLLOC_DEFAULT(current, rhs, n)                                                            \
  do {                                                                                             \
    if (n) {                                                                                       \
      (current) = YYRHSLOC(rhs, 1);                                                                \
      (current).end_line = YYRHSLOC(rhs, n).end_line;                                              \
      (current).end_col = YYRHSLOC(rhs, n).end_col;                                                \
    } else {                                                                                       \
      (current) = YYRHSLOC(rhs, 0);                                                                \
      (current).line = (current).end_line;                                                         \
      (current).col = (current).end_col;                                                           \
    }                                                                                              \
  } while (0)

#define PUSH(list, x) vec_push(p->arena, (list), (x))
}

%token END_OF_FILE 0 START_FILE START_EXPR
%token <token> NAME NUM STR CHARACTER
%token EOL APART "'(' apart" ARROW "->" ELLIPSIS "..." DOTS ".."
%token EQUAL "==" UNEQUAL "!=" AT_MOST "<=" AT_LEAST ">=" AND "&&" OR "||"
%token USE CONST DIM AXIS DATA TRAIN PRECISION SCHEDULE OP BLOCK MODEL LOSS METRIC SAMPLER
%token PARAM STATE FOR SCAN MINIMIZE REPORT LOG EMIT LOOP_EMIT
%token IN ELSE STEPS CARRY GRAD NOCHECK EXACT BOUND ASKED EXPECT WITH WITHOUT

%right '?' ':'
%left OR
%left AND
%left EQUAL UNEQUAL
%left '<' AT_MOST '>' AT_LEAST
%left '+' '-'
%left '*' '/' '%'
%precedence SIGN
%right '^'

%type <expr> expr arith postfix setting word bound opt_bound guard
%type <item> item
%type <items> items item_list dims
%type <arg> arg
%type <args> args arg_list
%type <target> target
%type <targets> targets
%type <binds> binds carries opt_emit opt_with
%type <formal> formal result
%type <formals> formals formal_list results
%type <stmt> stmt assignment param loop_head range
%type <stmts> stmts
%type <body> body settings opt_grad
%type <decl> decl op_head
%type <kind> numbers operation root
%type <yes> opt_nocheck opt_asked
%type <claim> opt_claim
%type <ends> opt_without

%%

start:
    START_FILE decls                    { expect_left(p, &p->expects); }
  | START_EXPR expr EOL                 { p->out_expr = $2; }
  ;

/* ---- declarations ---- */

decls:
    %empty
  | decls EOL
  | decls decl EOL                      { decl_push(p, $2); }
  | decls EXPECT NAME STR EOL
      { expect_new(p, &p->expects, span_join(@2, @4), $3, @3, $4); }
  | decls error EOL                     { yyerrok; }
  ;

decl:
    USE NAME opt_with
      { $$ = decl_new(p, D_USE, @$, $2, @2); decl_numbers(p, $$, $3); $$->with_span = @3; }
  | USE STR opt_with
      {
        $$ = decl_new(p, D_USE, @$, NULL, @2);
        $$->path = $2->str;
        decl_numbers(p, $$, $3);
        $$->with_span = @3;
      }
  | numbers binds
      { $$ = decl_new(p, (ADeclKind)$1, @$, NULL, @1); decl_numbers(p, $$, $2); }
  | param                               { $$ = decl_new(p, D_PARAM, @$, NULL, @1); $$->stmt = $1; }
  | DATA NAME '{' settings '}'
      { $$ = decl_new(p, D_DATA, @$, $2, @2); decl_settings($$, $4, @3, @5); }
  | TRAIN '{' settings '}'
      { $$ = decl_new(p, D_TRAIN, @$, NULL, @1); decl_settings($$, $3, @2, @4); }
  | TRAIN NAME '{' settings '}'
      { $$ = decl_new(p, D_TRAIN, @$, $2, @2); decl_settings($$, $4, @3, @5); }
  | PRECISION '{' settings '}'
      { $$ = decl_new(p, D_PRECISION, @$, NULL, @1); decl_settings($$, $3, @2, @4); }
  | SCHEDULE NAME '[' expr ']' body
      { $$ = decl_new(p, D_SCHEDULE, @$, $2, @2); $$->extent = $4; decl_body($$, $6); }
  | root NAME '(' formals ')' opt_claim opt_asked body
      {
        $$ = decl_new(p, (ADeclKind)$1, @$, $2, @2);
        $$->formals = *$4;
        $$->claim = $6;
        $$->asked = $7;
        decl_body($$, $8);
      }
  | op_head body opt_grad opt_nocheck   { $$ = $1; decl_body($$, $2); decl_finish($$, @$, $3, $4); }
  | op_head '=' expr opt_grad opt_nocheck
      { $$ = $1; decl_equation(p, $$, $3, @2); decl_finish($$, @$, $4, $5); }
  ;

numbers: CONST { $$ = D_CONST; } | DIM { $$ = D_DIM; } | AXIS { $$ = D_AXIS; } ;
opt_with: %empty { $$ = NULL; } | WITH binds { $$ = $2; } ;
operation: OP { $$ = D_OP; } | BLOCK { $$ = D_BLOCK; } | MODEL { $$ = D_MODEL; } ;
/* these two after a metric's formals alone: see layout.c */
opt_claim: %empty { $$ = CLAIM_NONE; } | EXACT { $$ = CLAIM_EXACT; } | BOUND { $$ = CLAIM_BOUND; } ;
opt_asked: %empty { $$ = false; } | ASKED { $$ = true; } ;
root: LOSS { $$ = D_LOSS; } | METRIC { $$ = D_METRIC; } | SAMPLER { $$ = D_SAMPLER; } ;

op_head:
    operation NAME '(' formals ')'
      { $$ = decl_new(p, (ADeclKind)$1, @$, $2, @2); $$->formals = *$4; }
  | operation NAME '(' formals ')' ARROW results
      { $$ = decl_new(p, (ADeclKind)$1, @$, $2, @2); $$->formals = *$4; $$->results = *$7; }
  ;

opt_grad:
    %empty                              { $$ = NULL; }
  | GRAD '(' targets ')' body           { $$ = $5; $$->cotangents = $3; $$->span = @$; }
  ;

opt_nocheck: %empty { $$ = false; } | NOCHECK { $$ = true; } ;

formals:
    %empty                              { $$ = NEW(p->arena, AFormals); }
  | formal_list
  | formal_list ','
  ;

formal_list:
    formal                              { $$ = NEW(p->arena, AFormals); PUSH($$, *$1); }
  | formal_list ',' formal              { $$ = $1; PUSH($$, *$3); }
  ;

formal:
    result
  | result '=' expr                     { $$ = formal_default($1, @$, $3); }
  | result '=' expr IN expr DOTS expr
      { $$ = formal_range(formal_default($1, @$, $3), RANGE_DOTS, $5, $7); }
  | result '=' expr IN expr ':' expr
      { $$ = formal_range(formal_default($1, @$, $3), RANGE_COLON, $5, $7); }
  ;

results:
    result                              { $$ = NEW(p->arena, AFormals); PUSH($$, *$1); }
  | results ',' result                  { $$ = $1; PUSH($$, *$3); }
  ;

result: NAME opt_bound dims             { $$ = formal_new(p, @$, $1, $2, $3); } ;

opt_bound: %empty { $$ = NULL; } | ':' bound { $$ = $2; } ;

bound:
    NAME                                { $$ = only_id(p, $1, NULL, @1); }
  | NAME '<' arith '>'                  { $$ = only_id(p, $1, $3, @1); }
  ;

dims: %empty { $$ = NULL; } | '[' items ']' { $$ = $2; } ;

/* ---- settings: words, numbers, strings and calls in a row ---- */

settings:
    %empty                              { $$ = NEW(p->arena, Body); }
  | settings EOL
  | settings setting                    { $$ = $1; PUSH(&$$->settings, $2); }
  | settings error EOL                  { $$ = $1; yyerrok; }
  ;

setting:
    word
  | NUM                                 { $$ = expr_number(p, @$, $1); }
  | '-' NUM
      { $$ = expr_unary(p, @$, OP_NEG, @1, expr_number(p, @2, $2)); }
  | STR                                 { $$ = expr_string(p, @$, $1); }
  | APART expr ')'                      { $$ = expr_parens(p, @$, $2); }
  ;

word:
    NAME                                { $$ = expr_name(p, @$, $1); }
  | word '.' NAME                       { $$ = expr_member(p, @$, $1, $3, @3); }
  | word '(' args ')'                   { $$ = expr_call(p, @$, $1, $3, @2); }
  ;

/* ---- statements ---- */

body: '{' stmts '}'
      { $$ = NEW(p->arena, Body); $$->stmts = *stmts_end(p, $2); $$->span = @$; } ;

stmts:
    %empty                              { $$ = NEW(p->arena, AStmts); }
  | stmts EOL
  | stmts stmt EOL                      { $$ = $1; stmts_push(p, $$, $2); }
  | stmts EXPECT NAME STR EOL
      { $$ = $1; expect_new(p, stmts_expects(p, $$), span_join(@2, @4), $3, @3, $4); }
  | stmts error EOL                     { $$ = $1; yyerrok; }
  ;

stmt:
    assignment
  | '@' NAME assignment                 { $$ = $3; $$->span = @$; stmt_attribute(p, $$, $2, @2); }
  | targets '~' expr                    { $$ = stmt_define(p, S_DRAW, @$, $1, $3, true); }
  | param
  | STATE target '=' expr
      { $$ = stmt_define(p, S_STATE, @$, one_target(p, $2), $4, false); }
  | STATE target '~' expr
      { $$ = stmt_define(p, S_STATE, @$, one_target(p, $2), $4, true); }
  | LOG target '=' expr
      { $$ = stmt_define(p, S_LOG, @$, one_target(p, $2), $4, false); }
  | MINIMIZE expr                       { $$ = stmt_define(p, S_MINIMIZE, @$, NULL, $2, false); }
  | REPORT expr                         { $$ = stmt_define(p, S_REPORT, @$, NULL, $2, false); }
  | EMIT expr                           { $$ = stmt_define(p, S_EMIT, @$, NULL, $2, false); }
  | EMIT expr ELSE STR
      { $$ = stmt_define(p, S_EMIT, @$, NULL, $2, false); emit_glyph(p, $$, $4, @4); }
  | loop_head carries body opt_emit     { $$ = $1; $$->span = @$; loop_finish($$, $2, $3, $4); }
  ;

assignment: targets '=' expr            { $$ = stmt_define(p, S_ASSIGN, @$, $1, $3, false); } ;

param:
    PARAM targets '=' expr              { $$ = stmt_define(p, S_PARAM, @$, $2, $4, false); }
  | PARAM targets '~' expr              { $$ = stmt_define(p, S_PARAM, @$, $2, $4, true); }
  ;

targets:
    target                              { $$ = one_target(p, $1); }
  | targets ',' target                  { $$ = $1; PUSH($$, *$3); }
  ;

target: NAME dims                       { $$ = target_new(p, @$, $1, $2); } ;

binds:
    target '=' expr
      { $$ = NEW(p->arena, ABinds); PUSH($$, ((ABind){*$1, $3, @$})); }
  | binds ',' target '=' expr
      { $$ = $1; PUSH($$, ((ABind){*$3, $5, span_join(@3, @5)})); }
  ;

loop_head:
    FOR NAME IN range                   { $$ = loop_vars($4, $2, NULL, @2, false); }
  | FOR NAME ',' NAME IN range          { $$ = loop_vars($6, $2, $4, @2, false); }
  | SCAN NAME IN range                  { $$ = loop_vars($4, $2, NULL, @2, true); }
  | SCAN NAME
      { $$ = loop_vars(loop_new(p, RANGE_COUNT, NULL, NULL, NULL), $2, NULL, @2, true); }
  ;

range:
    expr                                { $$ = loop_new(p, RANGE_COUNT, NULL, $1, NULL); }
  | expr DOTS expr                      { $$ = loop_new(p, RANGE_DOTS, $1, $3, NULL); }
  | expr DOTS expr STEPS expr opt_without
      { $$ = loop_new(p, RANGE_DOTS, $1, $3, $5); $$->ends = $6; }
  | expr ':' expr                       { $$ = loop_new(p, RANGE_COLON, $1, $3, NULL); }
  | expr ':' expr STEPS expr opt_without
      { $$ = loop_new(p, RANGE_COLON, $1, $3, $5); $$->ends = $6; }
  ;

opt_without:
    %empty                              { $$ = ENDS_BOTH; }
  | WITHOUT NAME                        { $$ = ends_named(p, $2, @2); }
  ;

carries: %empty { $$ = NULL; } | CARRY binds { $$ = $2; } ;
opt_emit: %empty { $$ = NULL; } | LOOP_EMIT binds { $$ = $2; } ;

/* ---- between brackets ---- */

items:
    %empty                              { $$ = NEW(p->arena, AItems); }
  | item_list
  | item_list ','
  ;

item_list:
    item                                { $$ = NEW(p->arena, AItems); PUSH($$, $1); }
  | item_list ',' item                  { $$ = $1; PUSH($$, $3); }
  ;

item:
    expr                                { $$ = (AItem){.span = @$, .expr = $1}; }
  | expr ELSE expr                      { $$ = (AItem){.span = @$, .expr = $1, .other = $3}; }
  | NAME IN expr                        { $$ = (AItem){.span = @$, .var = $1->text, .lo = $3}; }
  | NAME IN expr ':' expr
      { $$ = (AItem){.span = @$, .var = $1->text, .lo = $3, .hi = $5}; }
  | ELLIPSIS                            { $$ = (AItem){.span = @$, .ellipsis = true}; }
  ;

guard: %empty { $$ = NULL; } | '|' expr { $$ = $2; } ;

args:
    %empty                              { $$ = NEW(p->arena, AArgs); }
  | arg_list
  | arg_list ','
  ;

arg_list:
    arg                                 { $$ = NEW(p->arena, AArgs); PUSH($$, $1); }
  | arg_list ',' arg                    { $$ = $1; PUSH($$, $3); }
  ;

arg:
    expr                                { $$ = (AArg){@$, NULL, $1}; }
  | NAME '=' expr                       { $$ = (AArg){@$, $1->text, $3}; }
  ;

/* ---- expressions; `arith` is what may stand in id<...>, before its '>' ---- */

expr:
    arith
  | expr '<' expr                       { $$ = expr_binary(p, @$, OP_LT, @2, $1, $3); }
  | expr AT_MOST expr                   { $$ = expr_binary(p, @$, OP_LE, @2, $1, $3); }
  | expr '>' expr                       { $$ = expr_binary(p, @$, OP_GT, @2, $1, $3); }
  | expr AT_LEAST expr                  { $$ = expr_binary(p, @$, OP_GE, @2, $1, $3); }
  | expr EQUAL expr                     { $$ = expr_binary(p, @$, OP_EQ, @2, $1, $3); }
  | expr UNEQUAL expr                   { $$ = expr_binary(p, @$, OP_NE, @2, $1, $3); }
  | expr AND expr                       { $$ = expr_binary(p, @$, OP_AND, @2, $1, $3); }
  | expr OR expr                        { $$ = expr_binary(p, @$, OP_OR, @2, $1, $3); }
  | expr '?' expr ':' expr              { $$ = expr_choice(p, @$, @2, $1, $3, $5); }
  ;

arith:
    postfix                             { $$ = expr_complete(p, $1); }
  | arith '+' arith                     { $$ = expr_binary(p, @$, OP_ADD, @2, $1, $3); }
  | arith '-' arith                     { $$ = expr_binary(p, @$, OP_SUB, @2, $1, $3); }
  | arith '*' arith                     { $$ = expr_binary(p, @$, OP_MUL, @2, $1, $3); }
  | arith '/' arith                     { $$ = expr_binary(p, @$, OP_DIV, @2, $1, $3); }
  | arith '%' arith                     { $$ = expr_binary(p, @$, OP_MOD, @2, $1, $3); }
  | arith '^' arith                     { $$ = expr_binary(p, @$, OP_POW, @2, $1, $3); }
  | '-' arith %prec SIGN                { $$ = expr_unary(p, @$, OP_NEG, @1, $2); }
  | '!' arith %prec SIGN                { $$ = expr_unary(p, @$, OP_NOT, @1, $2); }
  ;

postfix:
    NAME                                { $$ = expr_name(p, @$, $1); }
  | NUM                                 { $$ = expr_number(p, @$, $1); }
  | STR                                 { $$ = expr_string(p, @$, $1); }
  | CHARACTER                           { $$ = expr_character(p, @$, $1); }
  | '(' expr ')'                        { $$ = expr_parens(p, @$, $2); }
  | postfix '.' NAME                    { $$ = expr_member(p, @$, $1, $3, @3); }
  | postfix '(' args ')'                { $$ = expr_call(p, @$, $1, $3, @2); }
  | postfix '[' items guard ']'         { $$ = expr_index(p, @$, $1, $3, $4, @2); }
  ;

%%

static int td_lex(TD_STYPE *value, Span *place, Parser *p) {
  Token t;
  int kind = layout_next(&t, place, p);
  value->token = &p->tokens.at[p->current];
  return kind;
}

/* Called for anything but a syntax error, which is yyreport_syntax_error's. */
static void td_error(const Span *at, Parser *p, const char *message) {
  (void)message;
  too_deep(p, *at);
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *p) {
  yysymbol_kind_t symbols[YYNTOKENS];
  int expected[YYNTOKENS], n = 0, got = END_OF_FILE;
  int count = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
  for (int kind = 0; kind <= YYMAXUTOK; kind++) {
    yysymbol_kind_t symbol = YYTRANSLATE(kind);
    if (symbol == yypcontext_token(context)) got = kind;
    for (int i = 0; i < count; i++)
      if (symbols[i] == symbol && symbol > YYSYMBOL_YYUNDEF) expected[n++] = kind;
  }
  syntax_error(p, got, expected, n, *yypcontext_location(context));
  layout_recover(p);
  return 0;
}

/* ---- entry points ------------------------------------------------------------------ */

static Parser *parser_new(Arena *a, Interner *in, Diags *d, int file, int start) {
  Parser *p = NEW(a, Parser);
  p->arena = a;
  p->names = in;
  p->diags = d;
  p->file = file;
  p->start_kind = start;
  p->statement_col = 1;
  p->out = NEW(a, AFile);
  p->out->file = file;
  return p;
}

static void run(Parser *p) {
  if (lex_source(p) && !p->stopped) td_parse(p);
  if (p->at_limit)                    /* nothing is held any more: unwind, if the caller wants it */
    diag_error(p->diags, 107, p->tokens.n ? p->tokens.at[p->current].span : (Span){0},
               "too many errors; the rest of the file was not read");
}

AFile *ast_parse(Arena *a, Interner *in, Diags *d, int file) {
  Parser *p = parser_new(a, in, d, file, START_FILE);
  run(p);
  AFile *out = p->out;
  for (int i = 0; i < p->comments.n; i++) vec_push(a, &out->comments, p->comments.at[i]);
  attach_docs(a, out);
  return out;
}

AExpr *ast_parse_expr(Arena *a, Interner *in, Diags *d, int file) {
  int errors = diags_errors(d);
  Parser *p = parser_new(a, in, d, file, START_EXPR);
  run(p);
  return diags_errors(d) > errors ? NULL : p->out_expr;
}
