/* SPDX-License-Identifier: MIT */
/* Bodies too long for one kernel are cut: subexpressions of about half of what a kernel may have
 * (TargetRows.exprs_most) become nodes of their own. The gradient of what a thousand statements
 * read is one sum of a thousand terms, and compilers take more than a thousand times as long for
 * it as for one.
 *
 * needs       regions in order; nothing is substituted any more (pass_inline)
 * guarantees  values stay, and the order in which a sum's terms are added; new nodes stand before
 *             the node they were part of, and have no more elements than it or an array that
 *             they read
 * breaks      nothing: what is read without a guard now is proved to be in bounds
 *
 *     d[i] = a0[i] + a1[i] + ... + a999[i]
 *  -> p[i] = a0[i] + ... + a255[i]; q[i] = p[i] + a256[i] + ...; d[i] = q[i] + ... + a999[i]  */
#include "compiler/ir/walk.h"
#include "compiler/passes/pipeline.h"

/* A part of the walk that has been gone through: all of an expression that was not met before. */
typedef struct Done {
  const Expr *e;
  int exprs;
} Done;

static double points(const Node *n, uint32_t vars) {
  double count = 1;
  for (int v = 0; v < n->nvars; v++)
    if (vars >> v & 1) count *= (double)n->extent[v];
  return count;
}

static void find_largest(Expr *e, void *ctx) {
  double *most = ctx;
  if (e->kind == E_READ && (double)ir_count(e->node) > *most) *most = (double)ir_count(e->node);
}

static bool may_be_node(Graph *g, const Node *n, Expr *e) {
  double most = n->kind == N_COMP ? (double)ir_count(n) : 0;
  if (e->kind != E_PRIM || e->type != TY_REAL || e == n->body) return false;
  if (__builtin_popcount(e->vars) > IR_MAX_RANK) return false;
  ex_visit(g, e, find_largest, &most);
  return points(n, e->vars) <= most && ex_reads_in_range(g, e, n->extent, n->nvars);
}

/* How many expressions are left where part e is one read: what it shares with others stays. */
static int left_without(Graph *g, const ExprWalk *w, const Expr *e) {
  bool *needed = NEWN(g->arena, bool, w->n);
  int left = 0;
  needed[w->n - 1] = true;
  for (int i = w->n - 1; i >= 0; i--) {
    if (!needed[i]) continue;
    left++;
    for (int a = 0; a < w->order[i]->nargs && w->order[i] != e; a++)
      needed[walk_slot(w, w->order[i]->args[a])] = true;
  }
  return left;
}

/* The first subexpression of at least so many expressions that may be a node, and that few others
 * share the parts of; NULL. */
static Expr *find_part(Graph *g, const Node *n, const ExprWalk *w, int least) {
  enum { TRIES = 64, GAIN = 8 };
  Done *done = NEWN(g->arena, Done, w->n + 1);
  int ndone = 0;
  for (int i = 0, tries = 0; i < w->n && tries < TRIES; i++) {
    Expr *e = w->order[i];
    int exprs = 1;
    for (bool more = true; more && ndone > 0;) {
      more = false;
      for (int a = 0; a < e->nargs && !more; a++) more = e->args[a] == done[ndone - 1].e;
      if (more) exprs += done[--ndone].exprs;
    }
    done[ndone++] = (Done){e, exprs};
    if (exprs < least) continue;
    tries++;
    if (may_be_node(g, n, e) && left_without(g, w, e) <= w->n - least / GAIN) return e;
  }
  return NULL;
}

static Node *make_part(Graph *g, Node *n, Expr *e) {
  int64_t extent[IR_MAX_VARS];
  Expr *map[IR_MAX_VARS] = {0}, *index[IR_MAX_RANK];
  const char *axis[IR_MAX_VARS];
  int rank = 0;
  for (int v = 0; v < n->nvars; v++) {
    if (!(e->vars >> v & 1)) continue;
    index[rank] = ex_var(g, v);
    extent[rank] = n->extent[v];
    axis[rank] = n->kind == N_COMP ? n->axis[v] : NULL;
    map[v] = ex_var(g, rank++);
  }
  Node *m = ir_comp(g, n->region, n->name, n->span, rank, 0, extent, RED_NONE, NULL,
                    ex_subst(g, e, map, n->nvars));
  for (int d = 0; d < rank; d++) m->axis[d] = axis[d];
  ir_same_users(g, m, n);
  m->again = n->again;
  ir_put_before(m, n);
  n->body = ex_replace(g, n->body, e, ex_read(g, m, index));
  return m;
}

static void cut_node(Graph *g, Node *n, int most) {
  for (;;) {
    ExprWalk *w = walk_take(g, n->body);
    Expr *e = w->n > most ? find_part(g, n, w, most / 2) : NULL;
    walk_give(g, w);
    if (!e) return;
    cut_node(g, make_part(g, n, e), most);
  }
}

static void cut_region(Graph *g, Region *r, int most) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      cut_region(g, n->loop->body, most);
    else if (ir_computes(n))
      cut_node(g, n, most);
    while (r->nodes.at[i] != n) i++; /* parts moved it */
  }
}

void pass_cut(Graph *g, const PassOptions *o) { cut_region(g, g->top, o->target->rows.exprs_most); }
