/* SPDX-License-Identifier: MIT */
/* An optimizer is given all matrices as one row of numbers, and all other parameters as
 * another: where one parameter ends and the next begins it cannot see. So an element of its
 * results may depend on the same element of weights, gradient and states, and on no other: a
 * sum over elements would be one over all parameters, a neighbour may be another's element. */
#include "compiler/ir/walk.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"

typedef struct Search {
  Lowering *l;
  uint32_t *rows; /* by node: bit d, axis d runs along the row */
  int *from;      /* by node: whose row that is, for messages */
  Node *at;       /* whose expressions are visited */
  bool changed;
  const Expr *other; /* reads other elements than its own */
} Search;

static void add_rows(Search *s, const Node *n, uint32_t rows, int from) {
  if ((s->rows[n->id] | rows) == s->rows[n->id]) return;
  if (!s->rows[n->id]) s->from[n->id] = from;
  s->rows[n->id] |= rows;
  s->changed = true;
}

static void visit(Expr *e, void *ctx) {
  Search *s = ctx;
  if (e->kind != E_READ) return;
  for (int d = 0; d < e->nargs; d++) {
    if (!(s->rows[e->node->id] >> d & 1)) continue;
    const int v = ex_bare_var(e->args[d]);
    if (v >= 0 && v < s->at->rank && s->at->kind == N_COMP)
      add_rows(s, s->at, UINT32_C(1) << v, s->from[e->node->id]);
    else if (!s->other)
      s->other = e;
  }
}

static void follow(Search *s, Node *n) {
  s->at = n;
  s->other = NULL;
  if (ir_computes(n)) ir_visit_exprs(s->l->g, n, visit, s);
  if (n->kind == N_CARRY || n->kind == N_FINAL) {
    const Carry *c = &n->loop->carries.at[n->slot];
    add_rows(s, n, s->rows[c->init->id] | s->rows[c->next->id], s->from[c->init->id]);
  }
  if (n->kind == N_STACK) {
    const Node *emitted = n->loop->emits.at[n->slot];
    add_rows(s, n, s->rows[emitted->id] << 1, s->from[emitted->id]);
  }
}

static void say(Search *s, const ADecl *d, Span call) {
  const Node *n = s->at, *row = s->l->g->nodes.at[s->from[s->other->node->id]];
  const bool reduces = n->reducer != RED_NONE;
  Diag *x =
      reduces
          ? lower_error(s->l, 424, n->span,
                        "optimizer '%s' reduces over all parameters: it is given them as one row "
                        "of numbers, not one by one",
                        d->name)
          : lower_error(s->l, 424, n->span,
                        "optimizer '%s' reads elements of '%s' that are not its own: it is given "
                        "all parameters as one row of numbers, not one by one",
                        d->name, row->name);
  diag_hint(s->l->d, x,
            reduces ? "compute each element of its own; the norm of all gradients is bounded by "
                      "'clip X' in train"
                    : "index weights, gradient and states alike: p2[...] = p[...] - lr * g[...]");
  diag_note(s->l->d, x, call, "it is the optimizer here");
}

bool own_elements(Lowering *l, const ADecl *d, int first, Node *const *rows, int nrows, Span call) {
  Graph *g = l->g;
  Search s = {.l = l,
              .rows = NEWN(l->arena, uint32_t, g->nodes.n + 1),
              .from = NEWN(l->arena, int, g->nodes.n + 1)};
  for (int i = 0; i < nrows; i++) add_rows(&s, rows[i], 1, rows[i]->id);
  do { /* loops carry rows back to nodes before them */
    s.changed = false;
    for (int i = first; i < g->nodes.n; i++) follow(&s, g->nodes.at[i]);
  } while (s.changed);
  for (int i = first; i < g->nodes.n; i++) {
    follow(&s, g->nodes.at[i]);
    if (!s.other) continue;
    say(&s, d, call);
    return false;
  }
  return true;
}
