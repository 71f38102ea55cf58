/* SPDX-License-Identifier: MIT */
/* Makes the nodes of the tree for the grammar, and checks form where it does:
 * depth, chained comparisons, reducers and their guards, draws, attributes. */
#include "dsl/nodes.h"

#include <string.h>

#include "dsl/diag_internal.h"

Span span_join(Span first, Span last) {
  first.end_line = last.end_line;
  first.end_col = last.end_col;
  return first;
}

void too_deep(Parser *p, Span at) {
  if (p->stopped || p->said_too_deep) return;
  p->said_too_deep = true;
  Diag *x = syntax_diag(p, 109, at, "the expression nests deeper than %d", (int)AST_MAX_DEPTH);
  diag_hint(p->diags, x, "give parts of it names of their own");
}

/* ---- expressions -------------------------------------------------------------- */

static AExpr *node(Parser *p, AExprKind kind, Span at) {
  AExpr *e = NEW(p->arena, AExpr);
  e->kind = kind;
  e->span = at;
  e->depth = 1;
  return e;
}

/* Raises the depth of e over a part; beyond the limit e becomes A_ERROR. */
static void holds(Parser *p, AExpr *e, const AExpr *part) {
  if (!part || e->kind == A_ERROR) return;
  if (part->depth >= e->depth) e->depth = part->depth + 1;
  if (e->depth <= AST_MAX_DEPTH) return;
  too_deep(p, e->span);
  *e = (AExpr){.kind = A_ERROR, .span = e->span, .depth = 1};
}

AExpr *expr_name(Parser *p, Span at, const Token *t) {
  AExpr *e = node(p, A_NAME, at);
  e->name = t->text;
  return e;
}

AExpr *expr_number(Parser *p, Span at, const Token *t) {
  AExpr *e = node(p, A_NUM, at);
  e->text = t->text;
  e->num = t->num;
  e->inum = t->inum;
  e->is_int = t->is_int;
  return e;
}

AExpr *expr_string(Parser *p, Span at, const Token *t) {
  AExpr *e = node(p, A_STR, at);
  e->str = t->str;
  return e;
}

AExpr *expr_character(Parser *p, Span at, const Token *t) {
  AExpr *e = node(p, A_CHARACTER, at);
  e->str = t->str;
  return e;
}

AExpr *expr_parens(Parser *p, Span at, AExpr *inner) {
  (void)p;
  inner->parens = true;
  inner->span = at;
  return inner;
}

/* A guard that no body followed. */
AExpr *expr_complete(Parser *p, AExpr *e) {
  if (e->kind != A_INDEX || !e->guard || e->parens) return e;
  Diag *x = syntax_diag(p, 113, e->guard->span, "a guard stands only in a reducer");
  diag_label(p->diags, x, e->guard->span, "this condition guards a read");
  diag_hint(p->diags, x, "write condition ? x[i] : 0, or name[i | condition](body) to reduce");
  e->guard = NULL;
  return e;
}

AExpr *expr_member(Parser *p, Span at, AExpr *group, const Token *name, Span name_span) {
  AExpr *e = node(p, A_MEMBER, at);
  e->a = expr_complete(p, group);
  e->name = name->text;
  e->op_span = name_span;
  holds(p, e, e->a);
  return e;
}

static void items_depth(Parser *p, AExpr *e, const AItems *items) {
  for (int i = 0; i < items->n && e->kind != A_ERROR; i++) {
    holds(p, e, items->at[i].expr);
    holds(p, e, items->at[i].other);
    holds(p, e, items->at[i].lo);
    holds(p, e, items->at[i].hi);
  }
}

AExpr *expr_index(Parser *p, Span at, AExpr *base, const AItems *items, AExpr *guard, Span open) {
  AExpr *e = node(p, A_INDEX, at);
  e->a = expr_complete(p, base);
  e->items = *items;
  e->guard = guard;
  e->op_span = open;
  holds(p, e, e->a);
  holds(p, e, guard);
  items_depth(p, e, items);
  return e;
}

/* name[items | guard](body): the index that was built is turned into a reducer. */
static AExpr *reduce(Parser *p, Span at, AExpr *index, const AArgs *args, Span open) {
  AExpr *e = index;
  e->kind = A_REDUCE;
  e->name = index->a->name;
  e->span = at;
  e->a = NULL;
  if (args->n == 1 && !args->at[0].name) {
    e->a = args->at[0].value;
  } else {
    Span where = args->n > 1 ? args->at[1].span : args->n ? args->at[0].span : open;
    Diag *x = syntax_diag(p, 112, where, "%s[...] reduces one expression, %s", e->name,
                          args->n > 1 ? "not several"
                          : args->n   ? "not a named argument"
                                      : "and here is none");
    diag_hint(p->diags, x, "write %s[i](body)", e->name);
    e->a = node(p, A_ERROR, at);
  }
  holds(p, e, e->a);
  return e;
}

AExpr *expr_call(Parser *p, Span at, AExpr *callee, const AArgs *args, Span open) {
  if (callee->kind == A_INDEX && !callee->parens && callee->a->kind == A_NAME && !callee->a->parens)
    return reduce(p, at, callee, args, open);
  bool named = (callee->kind == A_NAME || callee->kind == A_MEMBER) && !callee->parens;
  if (!named && callee->kind != A_ERROR) {
    Diag *x = syntax_diag(p, 118, callee->span, "only a name can be called");
    const AExpr *f = callee->kind == A_CALL ? callee->a : callee;
    bool name = (f->kind == A_NAME || f->kind == A_MEMBER) && callee->kind == A_CALL;
    if (!name || !diag_hint_idiom(p->diags, x, f->name))
      diag_hint(p->diags, x, "a product is written with '*'");
  }
  AExpr *e = node(p, A_CALL, at);
  e->a = callee;
  e->args = *args;
  e->op_span = open;
  holds(p, e, callee);
  for (int i = 0; i < args->n && e->kind != A_ERROR; i++) holds(p, e, args->at[i].value);
  return e;
}

AExpr *expr_unary(Parser *p, Span at, AOp op, Span op_span, AExpr *a) {
  AExpr *e = node(p, A_UNARY, at);
  e->op = op;
  e->a = a;
  e->op_span = op_span;
  holds(p, e, a);
  return e;
}

static bool is_comparison(const AExpr *e) {
  return e->kind == A_BINARY && e->op >= OP_LT && e->op <= OP_NE && !e->parens;
}

static bool is_order(AOp op) { return op >= OP_LT && op <= OP_GE; }

AExpr *expr_binary(Parser *p, Span at, AOp op, Span op_span, AExpr *a, AExpr *b) {
  if (op >= OP_LT && op <= OP_NE && is_comparison(a) && is_order(op) == is_order(a->op)) {
    Diag *x = syntax_diag(p, 111, op_span, "comparisons do not chain");
    diag_hint(p->diags, x, "write a %s b && b %s c", aop_spelling(a->op), aop_spelling(op));
  }
  AExpr *e = node(p, A_BINARY, at);
  e->op = op;
  e->a = a;
  e->b = b;
  e->op_span = op_span;
  holds(p, e, a);
  holds(p, e, b);
  return e;
}

AExpr *expr_choice(Parser *p, Span at, Span op_span, AExpr *a, AExpr *b, AExpr *c) {
  AExpr *e = node(p, A_COND, at);
  e->a = a;
  e->b = b;
  e->c = c;
  e->op_span = op_span;
  holds(p, e, a);
  holds(p, e, b);
  holds(p, e, c);
  return e;
}

/* ---- statements ------------------------------------------------------------------ */

ATarget *target_new(Parser *p, Span at, const Token *name, const AItems *items) {
  ATarget *t = NEW(p->arena, ATarget);
  t->span = at;
  t->name = name->text;
  t->indexed = items != NULL;
  if (items) t->items = *items;
  return t;
}

ATargets *one_target(Parser *p, const ATarget *t) {
  ATargets *list = NEW(p->arena, ATargets);
  vec_push(p->arena, list, *t);
  return list;
}

/* `drawn` comes with a distribution: a call, and one value but for parameters. */
static void check_draw(Parser *p, AStmtKind kind, const ATargets *targets, const AExpr *value) {
  if (value->kind != A_CALL && value->kind != A_ERROR) {
    Diag *x = syntax_diag(p, 114, value->span, "expected a distribution after '~'");
    diag_hint(p->diags, x, "write a call such as normal(0, 0.02) or uniform(T)");
  }
  if (kind == S_DRAW && targets->n > 1) {
    Diag *x = syntax_diag(p, 114, targets->at[1].span, "'~' draws one value at a time");
    diag_hint(p->diags, x, "give each its own line");
  }
}

AStmt *stmt_define(Parser *p, AStmtKind kind, Span at, const ATargets *targets, AExpr *value,
                   bool drawn) {
  AStmt *s = NEW(p->arena, AStmt);
  s->kind = kind;
  s->span = at;
  if (targets) s->targets = *targets;
  s->value = value;
  s->drawn = drawn;
  if (drawn) check_draw(p, kind, targets, value);
  return s;
}

void stmt_attribute(Parser *p, AStmt *s, const Token *name, Span at) {
  s->save = !strcmp(name->text, "save");
  s->recompute = !strcmp(name->text, "recompute");
  if (s->save || s->recompute) return;
  static const char *const KNOWN[] = {"save", "recompute"};
  const char *meant = did_you_mean(name->text, KNOWN, 2);
  Diag *x = syntax_diag(p, 117, at, "unknown attribute '@%.40s'", name->text);
  if (meant)
    diag_hint(p->diags, x, "did you mean @%s?", meant);
  else
    diag_hint(p->diags, x, "the attributes are @save and @recompute");
}

/* One character of a line: nothing that a terminal would act upon. */
void emit_glyph(Parser *p, AStmt *s, const Token *glyph, Span at) {
  const char *g = glyph->str;
  size_t n = strlen(g), size = n ? utf8_length(g, n) : 0;
  unsigned char c = (unsigned char)g[0], d = (unsigned char)(n ? g[1] : 0);
  s->glyph = g;
  if (size == n && n && c >= 0x20 && c != 0x7F && !(c == 0xC2 && d < 0xA0)) return;
  Diag *x = syntax_diag(p, 120, at, "what is shown for no symbol is one character");
  diag_hint(p->diags, x, "emit x[b,l] else \"_\"");
}

AStmt *loop_new(Parser *p, ARangeKind range, AExpr *lo, AExpr *hi, AExpr *steps) {
  AStmt *s = NEW(p->arena, AStmt);
  s->kind = S_FOR;
  s->range = range;
  s->has_range = hi != NULL;
  s->lo = lo;
  s->hi = hi;
  s->steps = steps;
  return s;
}

AEnds ends_named(Parser *p, const Token *name, Span at) {
  const char *known[3];
  for (int k = 0; k < 3; k++) {
    known[k] = aends_spelling((AEnds)(k + 1));
    if (!strcmp(name->text, known[k])) return (AEnds)(k + 1);
  }
  const char *meant = did_you_mean(name->text, known, 3);
  Diag *x = syntax_diag(p, 121, at, "steps go without 'first', 'last' or both 'ends'");
  diag_hint(p->diags, x, "for t, u in T-1 .. 0 steps 8 without %s", meant ? meant : "last");
  return ENDS_BOTH;
}

AStmt *loop_vars(AStmt *s, const Token *var, const Token *next, Span var_span, bool is_scan) {
  s->var = var->text;
  s->next_var = next ? next->text : NULL;
  s->var_span = var_span;
  s->is_scan = is_scan;
  return s;
}

void loop_finish(AStmt *s, const ABinds *carries, const Body *body, const ABinds *emits) {
  if (carries) s->carries = *carries;
  if (emits) s->emits = *emits;
  s->body = body->stmts;
  s->braces = body->span;
}

/* ---- expected warnings -------------------------------------------------------------- */

void expect_new(Parser *p, AExpects *list, Span at, const Token *code, Span code_span,
                const Token *reason) {
  AExpect e = {.span = at, .code_span = code_span, .code = code->text, .reason = reason->str};
  vec_push(p->arena, list, e);
}

void expect_left(Parser *p, AExpects *list) {
  if (!list->n) return;
  Diag *x = syntax_diag(p, 119, list->at[0].span, "'expect' stands before nothing");
  diag_hint(p->diags, x, "it is about the statement or declaration behind it");
  *list = (AExpects){0};
}

static AStmt *waiting(const AStmts *list) {
  AStmt *last = list->n ? list->at[list->n - 1] : NULL;
  return last && last->kind == S_ERROR && last->expects.n ? last : NULL;
}

AExpects *stmts_expects(Parser *p, AStmts *list) {
  AStmt *s = waiting(list);
  if (!s) {
    s = NEW(p->arena, AStmt);
    s->kind = S_ERROR;
    vec_push(p->arena, list, s);
  }
  return &s->expects;
}

void stmts_push(Parser *p, AStmts *list, AStmt *s) {
  const AStmt *before = waiting(list);
  if (before) {
    s->expects = before->expects;
    list->n--;
  }
  vec_push(p->arena, list, s);
}

AStmts *stmts_end(Parser *p, AStmts *list) {
  AStmt *before = waiting(list);
  if (before) {
    expect_left(p, &before->expects);
    list->n--;
  }
  return list;
}

void decl_push(Parser *p, ADecl *d) {
  d->expects = p->expects;
  p->expects = (AExpects){0};
  vec_push(p->arena, &p->out->decls, d);
}

/* ---- declarations ------------------------------------------------------------------ */

ADecl *decl_new(Parser *p, ADeclKind kind, Span at, const Token *name, Span name_span) {
  ADecl *d = NEW(p->arena, ADecl);
  d->kind = kind;
  d->span = at;
  d->name = name ? name->text : NULL;
  d->name_span = name_span;
  return d;
}

/* Names and their values; brackets would be dropped. */
void decl_numbers(Parser *p, ADecl *d, const ABinds *binds) {
  if (binds) d->binds = *binds;
  for (int i = 0; i < d->binds.n; i++) {
    const ATarget *t = &d->binds.at[i].target;
    if (!t->indexed) continue;
    Diag *x = syntax_diag(p, 107, t->span, "expected '=' behind '%s': it is one number", t->name);
    diag_hint(p->diags, x, "a table is computed in a schedule, a tensor in an op");
  }
}

void decl_settings(ADecl *d, const Body *settings, Span open, Span close) {
  d->settings.at = settings->settings.at;
  d->settings.n = settings->settings.n;
  d->settings.cap = settings->settings.cap;
  d->braces = span_join(open, close);
}

void decl_body(ADecl *d, const Body *body) {
  d->body = body->stmts;
  d->braces = body->span;
}

/* op f(...) -> y[i] = e: the body is the one definition y[i] = e. */
void decl_equation(Parser *p, ADecl *d, AExpr *value, Span equals) {
  if (d->results.n != 1 || d->results.at[0].id_bound) {
    Diag *x = syntax_diag(p, 115, equals, "the '=' form needs exactly one result, with no type");
    diag_hint(p->diags, x, "write %s %s(...) -> y[i] = ...", adecl_spelling(d->kind), d->name);
    return;
  }
  const AFormal *result = &d->results.at[0];
  ATarget t = {result->span, result->name, result->is_tensor, result->items};
  AStmt *s = stmt_define(p, S_ASSIGN, span_join(result->span, value->span), one_target(p, &t),
                         value, false);
  vec_push(p->arena, &d->body, s);
  d->expr_body = true;
}

void decl_finish(ADecl *d, Span at, const Body *grad, bool nocheck) {
  d->span = at;
  d->grad.nocheck = nocheck;
  if (!grad) return;
  d->grad.present = true;
  d->grad.span = grad->span;
  d->grad.cotangents = *grad->cotangents;
  d->grad.body = grad->stmts;
  d->grad.braces = grad->span;
}

AFormal *formal_new(Parser *p, Span at, const Token *name, AExpr *bound, const AItems *items) {
  AFormal *f = NEW(p->arena, AFormal);
  f->span = at;
  f->name = name->text;
  f->id_bound = bound;
  f->is_tensor = items != NULL;
  if (items) f->items = *items;
  return f;
}

AFormal *formal_default(AFormal *f, Span at, AExpr *dflt) {
  f->span = at;
  f->dflt = dflt;
  return f;
}

AFormal *formal_range(AFormal *f, ARangeKind range, AExpr *lo, AExpr *hi) {
  f->range = range;
  f->lo = lo;
  f->hi = hi;
  return f;
}

AExpr *only_id(Parser *p, const Token *name, AExpr *bound, Span at) {
  if (!strcmp(name->text, "id") && bound) return bound;
  Diag *x = syntax_diag(p, 116, at, "unknown kind of parameter '%.40s'", name->text);
  diag_hint(p->diags, x, "write id<N> for whole numbers below N; a tensor needs only its brackets");
  return bound;
}

/* ---- documentation ------------------------------------------------------------------ */

/* The lines of own-line comments that end directly above `line`, or NULL. */
static const char *doc_above(Arena *a, const AFile *f, int line) {
  int last = -1, first;
  for (int low = 0, high = f->comments.n; low < high;) { /* the last one above the line */
    int middle = (low + high) / 2;
    if (f->comments.at[middle].span.line < line) {
      last = middle;
      low = middle + 1;
    } else
      high = middle;
  }
  for (first = last + 1; first > 0; first--) {
    const AComment *c = &f->comments.at[first - 1];
    if (!c->own_line || c->span.line != line - (last - first + 2)) break;
  }
  if (first > last) return NULL;
  StrBuf doc = {0};
  for (int i = first; i <= last; i++) {
    const char *text = f->comments.at[i].text;
    text += strspn(text, "#");
    if (*text == ' ') text++;
    if (i > first) sb_putc(&doc, '\n');
    sb_puts(&doc, text);
  }
  const char *kept = arena_strndup(a, doc.s, doc.n);
  sb_free(&doc);
  return kept;
}

void attach_docs(Arena *a, AFile *f) {
  for (int i = 0; i < f->decls.n; i++)
    f->decls.at[i]->doc = doc_above(a, f, f->decls.at[i]->span.line);
}
