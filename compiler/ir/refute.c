/* SPDX-License-Identifier: MIT */
/* Reads out of bounds that a condition does not save. The verifier takes a read under a
 * condition on trust, since no proof covers every condition; here a node is looked at for some
 * values of its variables, the least and the greatest of each above all: what is asked for
 * there whatever else is must be in bounds. Nothing that is right is refused.
 *
 *     a[i:8] = sum[k:8](k == i ? x[k] : 0.0), x of 7    ->    x[7] where i = 7, k = 7       */
#include "compiler/ir/verify.h"
#include "compiler/ir/walk.h"

/* Points of one node, and subexpressions of one file that are looked at: time has an end. */
enum { POINTS = 512, LOOKED_AT = 4000000 };

typedef struct Refuter {
  Graph *g;
  Node *n;
  int64_t at[IR_MAX_VARS];
  int64_t left; /* of LOOKED_AT */
  const char *wrong;
} Refuter;

static const char *point_text(Refuter *r) {
  const char *text = "";
  for (int k = 0; k < r->n->nvars; k++) {
    const char *name = r->n->axis[k] ? r->n->axis[k] : arena_printf(r->g->arena, "v%d", k);
    text = arena_printf(r->g->arena, "%s%s%s = %lld", text, k ? ", " : " where ", name,
                        (long long)r->at[k]);
  }
  return text;
}

static void check_index(Refuter *r, const Expr *index, int axis, const Node *of, const char *what) {
  if (r->wrong || index->kind != E_INT || (index->inum >= 0 && index->inum < of->shape[axis]))
    return;
  r->wrong = arena_printf(r->g->arena, "node %d '%s': index %d of %s '%s' is %lld, of %lld%s",
                          r->n->id, r->n->name, axis, what, of->name, (long long)index->inum,
                          (long long)of->shape[axis], point_text(r));
}

static void check_read(Expr *e, void *ctx) {
  Refuter *r = ctx;
  for (int d = 0; d < e->nargs && e->kind == E_READ; d++)
    check_index(r, e->args[d], d, e->node, "the read of");
}

/* e at the point, folded: conditions that hold there are gone. */
static Expr *here(Refuter *r, Expr *e) {
  Expr *map[IR_MAX_VARS];
  for (int k = 0; k < r->n->nvars; k++) map[k] = ex_int(r->g, r->at[k]);
  ExprWalk *w = walk_take(r->g, e);
  r->left -= w->n;
  walk_give(r->g, w);
  return ex_subst(r->g, e, map, r->n->nvars);
}

static Expr *checked(Refuter *r, Expr *e) {
  Expr *at = here(r, e);
  ex_visit_eager(r->g, at, check_read, r);
  return at;
}

static void check_point(Refuter *r) {
  Node *n = r->n;
  if (n->guard) {
    Expr *guard = checked(r, n->guard);
    if (guard->kind != E_BOOL || !guard->inum) return;
  }
  checked(r, n->body);
  for (int k = 0; n->kind == N_SCATTER && k < n->rank; k++)
    check_index(r, checked(r, n->index[k]), k, n, "what is added to");
}

/* The next of the values that are tried of a variable: 0, 1, the last but one and the last. */
static bool step(int64_t *x, int64_t extent, bool few) {
  int64_t next = *x + 1;
  if (next >= extent) return false;
  if (few)
    next = extent - 1;
  else if (next == 2 && extent > 4)
    next = extent - 2;
  *x = next;
  return true;
}

static void refute_node(Refuter *r) {
  const Node *n = r->n;
  int64_t points = 1;
  for (int k = 0; k < n->nvars; k++) {
    if (n->extent[k] == 0) return;
    if (points <= POINTS) points *= min_of(n->extent[k], 4);
    r->at[k] = 0;
  }
  bool few = points > POINTS;
  for (int i = 0; i < POINTS && r->left > 0 && !r->wrong; i++) {
    check_point(r);
    int k = n->nvars - 1;
    for (; k >= 0 && !step(&r->at[k], n->extent[k], few); k--) r->at[k] = 0;
    if (k < 0) return;
  }
}

static void refute_region(Refuter *r, const Region *region, Node **where) {
  for (int i = 0; i < region->nodes.n && !r->wrong; i++) {
    Node *n = region->nodes.at[i];
    if (n->kind == N_LOOP && n->loop->count > 0) refute_region(r, n->loop->body, where);
    if (!ir_computes(n) || ir_proved(r->g, n, true)) continue;
    r->n = *where = n;
    refute_node(r);
  }
}

const char *ir_refute(Graph *g, Node **where) {
  Refuter r = {.g = g, .left = LOOKED_AT};
  refute_region(&r, g->top, where);
  return r.wrong;
}
