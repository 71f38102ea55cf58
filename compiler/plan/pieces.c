/* SPDX-License-Identifier: MIT */
/* Products of few results and long sums, as gradients of narrow weights are: a few blocks would
 * walk through all of k while the rest of the device waits. k is cut into pieces, each a
 * batch of its own, and another kernel adds up what they give, in order. The result follows from
 * the extents and the target's numbers: nothing depends on what runs when.
 *
 *     y[i, j] = sum over b:32, l (x[b, l, i] * d[b, l, j])
 * ->  y'[b, i, j] = sum over l (x[b, l, i] * d[b, l, j]); y[i, j] = sum over b:32 (y'[b, i, j])
 *
 * The outermost variables of k go out whole, the one at which there are enough pieces in equal
 * parts.
 *
 * needs       a contraction that is not grouped
 * guarantees  both sums have all terms of the old one, once
 * breaks      y reads a new node, which stands last in its region                          */
#include "compiler/plan/group.h"
#include "compiler/plan/product.h"

/* Variables of k that go out whole, in their order, and the parts of the one after them. */
typedef struct Cut {
  int whole;
  int64_t parts, pieces;
} Cut;

static int64_t share(int64_t n, int64_t each) { return (n + each - 1) / each; }

/* A loop over so few rows may be one kernel (loop_kernel.c): rows come first in all it has. */
static bool may_be_looped(const Plan *p, const Node *n) {
  const TargetLoops *t = &p->target->loops;
  int v = 0;
  while (v < n->rank - 1 && n->extent[v] == 1) v++;
  return p->options->loops && t->any && n->region->loop && n->extent[v] <= t->slices_most;
}

/* The fewest pieces that are at least as many as wanted, or else the most that are long enough. */
static Cut cut_of(const Node *n, const Contraction *c, int64_t wanted, int64_t most) {
  Cut best = {0, 1, 1};
  int64_t before = 1;
  for (int i = 0; i < c->nvars[GEMM_K] && before <= most; i++) {
    int64_t extent = n->extent[c->var[GEMM_K][i]];
    for (int64_t parts = 1; parts <= extent && before * parts <= most; parts++) {
      Cut x = {i, parts, before * parts};
      if (extent % parts != 0 || best.pieces >= wanted || x.pieces <= best.pieces) continue;
      best = x;
    }
    before *= extent;
  }
  return best;
}

static bool is_worth(const Plan *p, const Contraction *c, int64_t pieces) {
  const TargetPieces *t = &p->target->products.pieces;
  const TargetRates *r = &p->target->rates;
  double sums = (double)c->extent[GEMM_BATCH] * (double)c->extent[GEMM_M] *
                (double)c->extent[GEMM_N] * (double)pieces;
  double terms = (double)c->extent[GEMM_K] * (1 - 1 / (double)pieces);
  return terms * (p->rounds ? t->narrow_term : t->term) >
         r->launch + 2 * sums * (double)sizeof(float) / r->bytes;
}

/* The variables of y in those of its pieces: these first, then the results' axes. */
static Node *make_pieces(Plan *p, Node *y, const Contraction *c, const Cut *cut) {
  Graph *g = p->g;
  int out = cut->whole + (cut->parts > 1), nvars = out + y->rank, split = -1;
  int64_t shape[IR_MAX_RANK], extent[IR_MAX_VARS];
  Expr *map[IR_MAX_VARS] = {0};
  for (int i = 0; i < out; i++) {
    int v = c->var[GEMM_K][i];
    bool whole = i < cut->whole;
    shape[i] = whole ? y->extent[v] : cut->parts;
    if (whole)
      map[v] = ex_var(g, i);
    else
      split = v;
  }
  for (int d = 0; d < y->rank; d++) {
    shape[out + d] = y->shape[d];
    map[d] = ex_var(g, out + d);
  }
  for (int d = 0; d < nvars; d++) extent[d] = shape[d];
  for (int v = y->rank; v < y->nvars; v++) {
    if (map[v]) continue;
    map[v] = ex_var(g, nvars);
    extent[nvars++] = v == split ? y->extent[v] / cut->parts : y->extent[v];
    if (v == split)
      map[v] = ex2(g, P_add, map[v],
                   ex2(g, P_mul, ex_var(g, cut->whole), ex_int(g, y->extent[v] / cut->parts)));
  }
  Expr *body = ex_subst(g, y->body, map, y->nvars),
       *guard = y->guard ? ex_subst(g, y->guard, map, y->nvars) : NULL;
  Node *part = ir_node(g, y->region, N_COMP, y->type, out + y->rank, shape, y->name, y->span);
  ir_same_users(g, part, y);
  part->reducer = y->reducer;
  part->again = y->again;
  part->nvars = nvars;
  part->guard = guard;
  part->body = body;
  for (int v = 0; v < nvars; v++) part->extent[v] = extent[v];
  for (int d = 0; d < y->rank; d++) part->axis[out + d] = y->axis[d];
  return part;
}

/* y adds up its pieces. */
static void add_up(Plan *p, Node *y, Node *part) {
  int out = part->rank - y->rank;
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < out; i++) {
    index[i] = ex_var(p->g, y->rank + i);
    y->extent[y->rank + i] = part->shape[i];
    y->axis[y->rank + i] = NULL;
  }
  for (int d = 0; d < y->rank; d++) index[out + d] = ex_var(p->g, d);
  y->nvars = part->rank;
  y->guard = NULL;
  y->body = ex_read(p->g, part, index);
}

Node *group_pieces(Plan *p, Node *n) {
  const TargetProducts *t = &p->target->products;
  const Contraction *c = contract_find(p->g, t, n);
  if (t->pieces.blocks == 0 || !p->options->fuse_rows) return n;
  int64_t tiles = share(c->extent[GEMM_M], t->pieces.tile) *
                  share(c->extent[GEMM_N], t->pieces.tile) * c->extent[GEMM_BATCH];
  int64_t most = c->extent[GEMM_K] / t->pieces.terms_least;
  if (most > t->pieces.most) most = t->pieces.most;
  if (tiles * 2 > t->pieces.blocks || most < 2 || product_may_chain(p, c) || may_be_looped(p, n))
    return n;
  Cut cut = cut_of(n, c, share(t->pieces.blocks, tiles), most);
  if (cut.pieces < 2 || n->rank + cut.whole + (cut.parts > 1) > IR_MAX_RANK ||
      n->nvars + 1 > IR_MAX_VARS || !is_worth(p, c, cut.pieces))
    return n;
  if (cut.parts > 1 && cut.parts == n->extent[c->var[GEMM_K][cut.whole]]) {
    cut.whole++;
    cut.parts = 1;
  }
  Node *part = make_pieces(p, n, c, &cut);
  if (!contract_matches(p->g, t, part)) { /* too little in each */
    part->region->nodes.n--;
    p->g->nodes.n--;
    return n;
  }
  NodeInfo whole = *plan_info(p, n);
  plan_info(p, part)->position = whole.position;
  plan_info(p, part)->once = whole.once;
  plan_info(p, part)->pieces = true;
  plan_info(p, n)->library = false; /* maps join what adds up */
  add_up(p, n, part);
  return part;
}
