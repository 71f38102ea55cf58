/* SPDX-License-Identifier: MIT */
/* Prints a graph in the textual form of IR.md. What is shared within a node is
 * printed once, as `$1 = ...`, so the text is never longer than the graph. */
#include <math.h>
#include <string.h>

#include "compiler/ir/ir.h"
#include "compiler/ir/print.h"
#include "compiler/ir/spelling.h"
#include "compiler/ir/text.h"

/* ---- statements -------------------------------------------------------------------- */

static void indent(Printer *p) {
  for (int i = 0; i < p->indent; i++) sb_puts(p->out, "  ");
}

/* v3 is what an unnamed variable 3 is called. */
static bool is_default_name(const char *s) {
  if (s[0] != 'v' || !s[1]) return false;
  for (s++; *s; s++)
    if (*s < '0' || *s > '9') return false;
  return true;
}

/* Names for the variables: axis names where they tell the variables apart. */
static bool name_vars(Printer *p, Node *n) {
  bool all = true;
  for (int k = 0; k < n->nvars; k++) {
    const char *a = n->kind == N_COMP ? n->axis[k] : NULL;
    bool usable = a && !is_default_name(a);
    for (int j = 0; j < n->nvars && usable; j++)
      if (j != k && n->axis[j] && strcmp(n->axis[j], a) == 0) usable = false;
    p->named[k] = usable;
    p->var[k] = usable ? a : arena_printf(p->arena, "v%d", k);
    if (a && !usable) all = false;
  }
  return all;
}

static void print_vars(Printer *p, Node *n, int from, int to, Expr *guard) {
  sb_putc(p->out, '[');
  for (int k = from; k < to; k++) {
    if (k > from) sb_puts(p->out, ", ");
    if (p->named[k])
      text_name(p->out, p->var[k]);
    else
      sb_puts(p->out, p->var[k]);
    sb_printf(p->out, ":%lld", (long long)n->extent[k]);
  }
  if (guard) {
    sb_puts(p->out, to > from ? " | " : "| ");
    print_expr(p, guard, LEVEL_SELECT);
  }
  sb_putc(p->out, ']');
}

static void print_type(Printer *p, const Node *n) {
  sb_printf(p->out, ": %s", type_name(n->type));
  if (n->rank == 0) return;
  sb_putc(p->out, '[');
  for (int k = 0; k < n->rank; k++) {
    if (k > 0) sb_puts(p->out, ", ");
    if (n->axis[k]) {
      text_name(p->out, n->axis[k]);
      sb_putc(p->out, ':');
    }
    sb_printf(p->out, "%lld", (long long)n->shape[k]);
  }
  sb_putc(p->out, ']');
}

static void print_range(Printer *p, const Node *n) {
  if (n->type != TY_INT || (n->lo == IR_INT_MIN && n->hi == IR_INT_MAX)) return;
  sb_puts(p->out, " in");
  if (n->lo != IR_INT_MIN) sb_printf(p->out, " %lld", (long long)n->lo);
  sb_puts(p->out, " ..");
  if (n->hi != IR_INT_MAX) sb_printf(p->out, " %lld", (long long)n->hi);
}

static void print_axes(Printer *p, const Node *n) {
  sb_puts(p->out, " axes(");
  for (int k = 0; k < n->nvars; k++) {
    if (k > 0) sb_puts(p->out, ", ");
    if (n->axis[k])
      text_name(p->out, n->axis[k]);
    else
      sb_putc(p->out, '_');
  }
  sb_putc(p->out, ')');
}

/* What else there is to say, after a semicolon. */
static void print_tail(Printer *p, const Node *n, bool axes) {
  bool place = n->span.line > 0;
  bool step = n == p->g->step;
  if (place || step || axes || n->save != SAVE_AUTO || n->again) sb_puts(p->out, " ;");
  if (step) sb_puts(p->out, " step");
  if (n->save == SAVE_KEEP) sb_puts(p->out, " save keep");
  if (n->save == SAVE_RECOMPUTE) sb_puts(p->out, " save recompute");
  if (n->again) sb_puts(p->out, " again");
  if (axes) print_axes(p, n);
  if (place) {
    sb_puts(p->out, " at ");
    if (n->span.file > 0) sb_printf(p->out, "%d/", n->span.file);
    sb_printf(p->out, "%d:%d-%d:%d", n->span.line, n->span.col > 0 ? n->span.col : 0,
              n->span.end_line > 0 ? n->span.end_line : 0,
              n->span.end_col > 0 ? n->span.end_col : 0);
  }
  sb_putc(p->out, '\n');
}

/* The lines of a block: bound expressions, the guard. */
static void print_block(Printer *p, Node *n) {
  sb_puts(p->out, " {\n");
  p->indent++;
  for (int i = 0; i < p->bound.n; i++) {
    PrintInfo *x = &p->info[p->bound.at[i]->id];
    int let = x->let;
    x->let = 0;
    indent(p);
    sb_printf(p->out, "$%d = ", let);
    print_expr(p, p->bound.at[i], LEVEL_SELECT);
    sb_putc(p->out, '\n');
    x->let = let;
  }
  if (n->guard) {
    indent(p);
    sb_puts(p->out, "when ");
    print_expr(p, n->guard, LEVEL_SELECT);
    sb_putc(p->out, '\n');
  }
  indent(p);
}

static void end_block(Printer *p) {
  sb_putc(p->out, '\n');
  p->indent--;
  indent(p);
  sb_putc(p->out, '}');
}

static void print_comp(Printer *p, Node *n) {
  bool named = name_vars(p, n);
  print_exprs_begin(p, n);
  bool block = p->lets > 0;
  Expr *guard = block ? NULL : n->guard;
  bool reduces = n->reducer != RED_NONE;
  print_name(p, n);
  print_vars(p, n, 0, n->rank, reduces ? NULL : guard);
  print_range(p, n);
  sb_puts(p->out, block && !reduces ? " =" : " = ");
  if (reduces) {
    sb_puts(p->out, reducer_name(n->reducer));
    print_vars(p, n, n->rank, n->nvars, guard);
  }
  if (block)
    print_block(p, n);
  else if (reduces)
    sb_putc(p->out, '(');
  print_expr(p, n->body, LEVEL_SELECT);
  if (block)
    end_block(p);
  else if (reduces)
    sb_putc(p->out, ')');
  print_exprs_end(p);
  print_tail(p, n, !named);
}

static void print_scatter(Printer *p, Node *n) {
  name_vars(p, n);
  print_exprs_begin(p, n);
  bool block = p->lets > 0;
  sb_puts(p->out, "scatter ");
  print_name(p, n);
  print_type(p, n);
  print_range(p, n);
  sb_puts(p->out, " over ");
  print_vars(p, n, 0, n->nvars, block ? NULL : n->guard);
  if (block) print_block(p, n);
  sb_puts(p->out, block ? "at [" : " at [");
  for (int k = 0; k < n->rank; k++) {
    if (k > 0) sb_puts(p->out, ", ");
    print_expr(p, n->index[k], LEVEL_SELECT);
  }
  sb_puts(p->out, "] add ");
  print_expr(p, n->body, LEVEL_SELECT);
  if (block) end_block(p);
  print_exprs_end(p);
  print_tail(p, n, false);
}

static void print_data(Printer *p, const Node *n) {
  int64_t count = ir_count(n);
  size_t line = p->out->n;
  sb_puts(p->out, " = {");
  for (int64_t i = 0; n->data && i < count; i++) {
    if (i > 0) sb_putc(p->out, ',');
    if (p->out->n - line > 84) {
      sb_putc(p->out, '\n');
      line = p->out->n;
      indent(p);
      sb_puts(p->out, "   ");
    }
    if (i > 0) sb_putc(p->out, ' ');
    if (n->type == TY_REAL)
      text_real(p->out, n->data[i]);
    else if (n->type == TY_INT)
      sb_printf(p->out, "%lld", (long long)n->data[i]);
    else
      sb_puts(p->out, n->data[i] != 0 ? "true" : "false");
  }
  sb_putc(p->out, '}');
}

static void print_region(Printer *p, const Region *r);

static void print_loop(Printer *p, Node *n) {
  Loop *l = n->loop;
  sb_puts(p->out, "loop ");
  print_name(p, n);
  sb_printf(p->out, ":%lld%s {", (long long)l->count, l->reverse ? " reverse" : "");
  print_tail(p, n, false);
  p->indent++;
  print_region(p, l->body);
  for (int i = 0; i < l->carries.n; i++) {
    indent(p);
    sb_puts(p->out, "next ");
    print_name(p, l->carries.at[i].in);
    sb_puts(p->out, " = ");
    if (l->carries.at[i].next)
      print_name(p, l->carries.at[i].next);
    else
      sb_puts(p->out, "none");
    sb_putc(p->out, '\n');
  }
  for (int i = 0; i < l->emits.n; i++) {
    indent(p);
    sb_printf(p->out, "emit %d = ", i);
    print_name(p, l->emits.at[i]);
    sb_putc(p->out, '\n');
  }
  p->indent--;
  indent(p);
  sb_puts(p->out, "}\n");
}

/* keyword, name, type, range; then what follows the equals sign */
static void print_plain(Printer *p, Node *n, const char *keyword) {
  sb_printf(p->out, "%s ", keyword);
  print_name(p, n);
  print_type(p, n);
  print_range(p, n);
}

static void print_node(Printer *p, Node *n) {
  indent(p);
  switch (n->kind) {
  case N_INPUT: print_plain(p, n, "input"); break;
  case N_STATE: print_plain(p, n, "state"); break;
  case N_COTANGENT: print_plain(p, n, "cotangent"); break;
  case N_CONST:
    print_plain(p, n, "const");
    print_data(p, n);
    break;
  case N_VIEW:
    print_plain(p, n, "view");
    sb_puts(p->out, " = ");
    print_name(p, n->base);
    sb_printf(p->out, " + %lld", (long long)n->offset);
    break;
  case N_PACK:
    print_plain(p, n, "pack");
    for (int i = 0; i < n->parts.n; i++) {
      sb_puts(p->out, i == 0 ? " = " : ", ");
      print_name(p, n->parts.at[i]);
    }
    break;
  case N_CARRY:
    print_plain(p, n, "carry");
    sb_puts(p->out, " = ");
    print_name(p, n->loop->carries.at[n->slot].init);
    break;
  case N_FINAL:
    print_plain(p, n, "final");
    sb_puts(p->out, " = ");
    print_name(p, n->loop->carries.at[n->slot].in);
    break;
  case N_STACK:
    print_plain(p, n, "stack");
    sb_puts(p->out, " = ");
    print_name(p, n->loop->node);
    sb_printf(p->out, " emit %d", n->slot);
    break;
  case N_COMP: print_comp(p, n); return;
  case N_SCATTER: print_scatter(p, n); return;
  case N_LOOP: print_loop(p, n); return;
  }
  print_tail(p, n, false);
}

static void print_region(Printer *p, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) print_node(p, r->nodes.at[i]);
}

/* ---- the whole ------------------------------------------------------------------------ */

typedef struct NameCount {
  const char *name;
  int count;
} NameCount;

static NameCount *count_of(NameCount *table, int size, const char *s) {
  uint64_t h = (uint64_t)(uintptr_t)s * UINT64_C(0x9e3779b97f4a7c15);
  int at = (int)(h >> 33) & (size - 1);
  while (table[at].name && table[at].name != s) at = (at + 1) & (size - 1);
  table[at].name = s;
  return &table[at];
}

static void number_names(Printer *p, const Region *r, NameCount *table, int size) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    p->ordinal[n->id] = ++count_of(table, size, intern(p->g->names, n->name))->count;
    if (n->kind == N_LOOP) number_names(p, n->loop->body, table, size);
  }
}

static void print_vjp(Printer *p, const Node *n) {
  sb_puts(p->out, "vjp ");
  print_name(p, n);
  sb_puts(p->out, " from ");
  if (n->vjp->cotangent)
    print_name(p, n->vjp->cotangent);
  else
    sb_puts(p->out, "none");
  if (n->vjp->nocheck) sb_puts(p->out, " nocheck");
  for (int i = 0; i < n->vjp->wrt.n; i++) {
    sb_puts(p->out, i == 0 ? ": " : ", ");
    print_name(p, n->vjp->wrt.at[i]);
    sb_puts(p->out, " -> ");
    if (n->vjp->adjoint.at[i])
      print_name(p, n->vjp->adjoint.at[i]);
    else
      sb_puts(p->out, "none");
  }
  sb_putc(p->out, '\n');
}

static void print_vjps(Printer *p, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->vjp) print_vjp(p, n);
    if (n->kind == N_LOOP) print_vjps(p, n->loop->body);
  }
}

void ir_print(Graph *g, StrBuf *out) {
  Printer p = {.g = g, .arena = arena_new(), .out = out};
  int size = 64;
  while (size < 2 * g->nodes.n + 2) size *= 2;
  p.ordinal = NEWN(p.arena, int, g->nodes.n + 1);
  p.info = NEWN(p.arena, PrintInfo, g->nexprs + 1);
  number_names(&p, g->top, NEWN(p.arena, NameCount, size), size);
  sb_puts(out, "graph ");
  text_name(out, g->name);
  sb_puts(out, "\n");
  print_region(&p, g->top);
  print_vjps(&p, g->top);
  for (int i = 0; i < g->outputs.n; i++) {
    sb_puts(out, "output ");
    text_name(out, g->outputs.at[i].name);
    sb_puts(out, " = ");
    print_name(&p, g->outputs.at[i].node);
    sb_putc(out, '\n');
  }
  for (int i = 0; i < g->updates.n; i++) {
    sb_puts(out, "update ");
    print_name(&p, g->updates.at[i].state);
    sb_puts(out, " = ");
    print_name(&p, g->updates.at[i].value);
    sb_putc(out, '\n');
  }
  arena_free(p.arena);
}
