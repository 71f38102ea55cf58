/* SPDX-License-Identifier: MIT */
/* Prints the expressions of a node. What occurs in several places and is long, or
 * nests deep, is bound to a name first. */
#include <math.h>

#include "compiler/ir/print.h"
#include "compiler/ir/spelling.h"
#include "compiler/ir/walk.h"

void print_name(Printer *p, const Node *n) {
  text_name(p->out, n->name);
  if (p->ordinal[n->id] > 1) sb_printf(p->out, "'%d", p->ordinal[n->id]);
}

/* ---- expressions --------------------------------------------------------------- */

static void print_args(Printer *p, Expr *e, char open, char close) {
  sb_putc(p->out, open);
  for (int i = 0; i < e->nargs; i++) {
    if (i > 0) sb_puts(p->out, ", ");
    print_expr(p, e->args[i], LEVEL_SELECT);
  }
  sb_putc(p->out, close);
}

static void print_prim(Printer *p, Expr *e, int level) {
  const Infix *f = text_infix_of(e->prim);
  int own = f                     ? f->level
            : e->prim == P_select ? LEVEL_SELECT
            : e->prim == P_not    ? LEVEL_NOT
            : e->prim == P_neg    ? LEVEL_UNARY
                                  : LEVEL_ATOM;
  if (own < level) sb_putc(p->out, '(');
  if (f) {
    bool chain = f->level != LEVEL_COMPARE; /* comparisons do not chain */
    print_expr(p, e->args[0], chain ? own : own + 1);
    bool tight = e->prim == P_mul && e->type == TY_INT;
    sb_printf(p->out, tight ? "%s" : " %s ", f->spelling);
    print_expr(p, e->args[1], own + 1);
  } else if (e->prim == P_select) {
    print_expr(p, e->args[0], LEVEL_OR);
    sb_puts(p->out, " ? ");
    print_expr(p, e->args[1], LEVEL_OR);
    sb_puts(p->out, " : ");
    print_expr(p, e->args[2], LEVEL_SELECT);
  } else if (e->prim == P_not) {
    sb_puts(p->out, "not ");
    print_expr(p, e->args[0], LEVEL_NOT);
  } else if (e->prim == P_neg) {
    sb_putc(p->out, '-');
    print_expr(p, e->args[0], LEVEL_ATOM);
  } else {
    sb_puts(p->out, prim_info(e->prim)->name);
    print_args(p, e, '(', ')');
  }
  if (own < level) sb_putc(p->out, ')');
}

/* What begins with a minus sign is an operand only in brackets or alone. */
static void print_number(Printer *p, Expr *e, int level) {
  bool negative =
      e->kind == E_INT ? e->inum < 0 : e->kind == E_NUM && e->num == e->num && signbit(e->num);
  bool parens = negative && level > LEVEL_UNARY;
  if (parens) sb_putc(p->out, '(');
  if (e->kind == E_INT)
    sb_printf(p->out, "%lld", (long long)e->inum);
  else if (e->kind == E_BOOL)
    sb_puts(p->out, e->inum ? "true" : "false");
  else
    text_real(p->out, e->num);
  if (parens) sb_putc(p->out, ')');
}

void print_expr(Printer *p, Expr *e, int level) {
  if (p->info[e->id].let) {
    sb_printf(p->out, "$%d", p->info[e->id].let);
    return;
  }
  switch (e->kind) {
  case E_NUM:
  case E_INT:
  case E_BOOL: print_number(p, e, level); break;
  case E_VAR:
    if (p->named[e->inum])
      text_name(p->out, p->var[e->inum]);
    else
      sb_puts(p->out, p->var[e->inum]);
    break;
  case E_LOOPVAR:
    sb_putc(p->out, '@');
    print_name(p, e->loop->node);
    break;
  case E_READ:
    print_name(p, e->node);
    print_args(p, e, '[', ']');
    break;
  case E_PRIM: print_prim(p, e, level); break;
  }
}

/* ---- sharing --------------------------------------------------------------------- */

enum { HEIGHT_MAX = 24, WEIGHT_REAL = 5, WEIGHT_INT = 12 };

static PrintInfo *info_of(Printer *p, const Expr *e) {
  PrintInfo *i = &p->info[e->id];
  if (i->epoch != p->epoch) *i = (PrintInfo){.epoch = p->epoch};
  return i;
}

/* Counts uses below `root`, which is used once itself. */
static void count_uses(Printer *p, Expr *root) {
  if (!root) return;
  ExprWalk *w = walk_take(p->g, root);
  for (int i = 0; i < w->n; i++) {
    Expr *e = w->order[i];
    PrintInfo *x = info_of(p, e);
    if (x->weight > 0) continue; /* below another root already */
    x->weight = 1;
    for (int k = 0; k < e->nargs; k++) info_of(p, e->args[k])->uses++;
  }
  info_of(p, root)->uses++;
  walk_give(p->g, w);
}

/* Decides what is bound, arguments first: weights and heights are of the text. */
static void bind_shared(Printer *p, Expr *root) {
  if (!root) return;
  ExprWalk *w = walk_take(p->g, root);
  for (int i = 0; i < w->n; i++) {
    Expr *e = w->order[i];
    PrintInfo *x = info_of(p, e);
    if (x->height > 0) continue;
    int weight = 1, height = 0;
    for (int k = 0; k < e->nargs; k++) {
      PrintInfo *a = info_of(p, e->args[k]);
      weight += a->let ? 1 : a->weight;
      if (!a->let && a->height > height) height = a->height;
    }
    x->weight = weight;
    x->height = height + 1;
    bool heavy = weight >= (e->type == TY_REAL ? WEIGHT_REAL : WEIGHT_INT);
    bool leaf = e->nargs == 0;
    if (!leaf && ((x->uses > 1 && heavy) || x->height >= HEIGHT_MAX)) {
      vec_push(p->arena, &p->bound, e);
      x->let = ++p->lets;
    }
  }
  walk_give(p->g, w);
}

void print_exprs_begin(Printer *p, Node *n) {
  p->epoch++;
  p->lets = 0;
  p->bound.n = 0;
  for (int pass = 0; pass < 2; pass++) {
    void (*f)(Printer *, Expr *) = pass == 0 ? count_uses : bind_shared;
    f(p, n->guard);
    if (n->kind == N_SCATTER)
      for (int k = 0; k < n->rank; k++) f(p, n->index[k]);
    f(p, n->body);
  }
}

void print_exprs_end(Printer *p) {
  for (int i = 0; i < p->bound.n; i++) p->info[p->bound.at[i]->id].let = 0;
}
