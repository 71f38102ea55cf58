/* SPDX-License-Identifier: MIT */
/* Chooses what a loop keeps for a later one. Reverse mode keeps what it
 * differentiates (a product before dropout, scores before softmax) and computes
 * the rest again; where the later loop only needs a value that follows from what
 * was kept, and keeping that value instead costs no more memory, it is kept.
 *
 *     loop i { s = ...; p = exp(s[k]); emit s }
 *     loop j reverse { p' = exp(S[@j, k]); ... p' ... }
 * ->  loop i { s = ...; p = exp(s[k]); emit p }
 *     loop j reverse { p' = P[@j, k]; ... p' ... }
 *
 * needs       regions in order
 * guarantees  values stay; stacks that nobody reads any more are pruned
 * breaks      nothing                                                            */
#include "compiler/passes/pipeline.h"

typedef struct Match { /* of a node of the later loop */
  Node *again;         /* there */
  Node *first;         /* the same value in the earlier loop */
  bool kept;           /* stacked now */
} Match;

typedef struct Restack {
  Graph *g;
  Loop *earlier, *later;
  VEC(Match) matches;
  bool fails;
} Restack;

static Match *match_of(Restack *r, const Node *n) {
  for (int i = 0; i < r->matches.n; i++)
    if (r->matches.at[i].again == n) return &r->matches.at[i];
  return NULL;
}

/* The expression as the earlier loop would write it. */
static Expr *translate(Graph *g, Expr *e, void *ctx) {
  Restack *r = ctx;
  if (e->kind == E_LOOPVAR && e->loop == r->later) return ex_loopvar(g, r->earlier);
  if (e->kind != E_READ) return e;
  const Node *n = e->node;
  if (n->kind == N_STACK && n->loop == r->earlier) {
    bool own_row =
        e->args[0]->kind == E_LOOPVAR && e->args[0]->loop == r->earlier; /* renamed already */
    if (!own_row) r->fails = true;
    return own_row ? ex_read(g, r->earlier->emits.at[n->slot], e->args + 1) : e;
  }
  if (!ir_inside(n->region, r->later)) return e;
  Match *m = match_of(r, n);
  if (!m) r->fails = true;
  return m ? ex_read(g, m->first, e->args) : e;
}

static bool same_space(const Node *a, const Node *b) {
  if (a->kind != b->kind || a->type != b->type || a->rank != b->rank || a->nvars != b->nvars ||
      a->reducer != b->reducer)
    return false;
  for (int v = 0; v < a->nvars; v++)
    if (a->extent[v] != b->extent[v]) return false;
  return true;
}

static void find_matches(Restack *r) {
  Graph *g = r->g;
  Region *later = r->later->body, *earlier = r->earlier->body;
  for (int i = 0; i < later->nodes.n; i++) {
    Node *n = later->nodes.at[i];
    if (n->kind != N_COMP) continue;
    r->fails = false;
    Expr *body = ex_map(g, n->body, translate, r),
         *guard = n->guard ? ex_map(g, n->guard, translate, r) : NULL;
    for (int k = 0; k < earlier->nodes.n && !r->fails; k++) {
      Node *m = earlier->nodes.at[k];
      if (!same_space(n, m) || m->body != body || m->guard != guard) continue;
      Match match = {n, m, false};
      vec_push(g->arena, &r->matches, match);
      break;
    }
  }
}

/* ---- who needs what ---------------------------------------------------------------------- */

/* Is `n` still read in the later loop, when the kept matches come out of stacks
 * and matches that nobody needs are not computed? */
static bool needed(Restack *r, const Node *n) {
  const Region *body = r->later->body;
  for (int i = 0; i < body->nodes.n; i++) {
    Node *reader = body->nodes.at[i];
    if (!ir_reads(r->g, reader, n)) continue;
    Match *m = match_of(r, reader);
    if (!m || (!m->kept && needed(r, reader))) return true;
  }
  for (int i = 0; i < r->later->carries.n; i++)
    if (r->later->carries.at[i].next == n) return true;
  for (int i = 0; i < r->later->emits.n; i++)
    if (r->later->emits.at[i] == n) return true;
  return false;
}

static bool read_elsewhere(Restack *r, const Node *stack) {
  const Region *around = r->later->node->region;
  for (int i = 0; i < around->nodes.n; i++) {
    Node *n = around->nodes.at[i];
    if (n != r->later->node && n != stack && ir_reads(r->g, n, stack)) return true;
  }
  for (int i = 0; i < r->g->outputs.n; i++)
    if (r->g->outputs.at[i].node == stack) return true;
  return false;
}

static int64_t bytes_of(const Node *n) { return ir_count(n) * (n->type == TY_BOOL ? 1 : 4); }

/* Bytes of the earlier loop's stacks that the later loop still needs. */
static int64_t stacked_bytes(Restack *r) {
  const Region *around = r->earlier->node->region;
  int64_t bytes = 0;
  for (int i = 0; i < around->nodes.n; i++) {
    const Node *n = around->nodes.at[i];
    if (n->kind == N_STACK && n->loop == r->earlier && (read_elsewhere(r, n) || needed(r, n)))
      bytes += bytes_of(n);
  }
  for (int i = 0; i < r->matches.n; i++)
    if (r->matches.at[i].kept) bytes += bytes_of(r->matches.at[i].first) * r->earlier->count;
  return bytes;
}

/* ---- doing it --------------------------------------------------------------------- */

static void keep(Restack *r, const Match *m) {
  Graph *g = r->g;
  Node *n = m->again, *stack = ir_stack_behind(g, r->earlier, m->first);
  Expr *index[IR_MAX_RANK] = {ex_loopvar(g, r->later)};
  for (int d = 0; d < n->rank; d++) index[d + 1] = ex_var(g, d);
  n->reducer = RED_NONE;
  n->nvars = n->rank;
  n->guard = NULL;
  n->body = ex_read(g, stack, index);
}

static void restack(Graph *g, Loop *earlier, Loop *later) {
  Restack r = {.g = g, .earlier = earlier, .later = later};
  find_matches(&r);
  int64_t bytes = stacked_bytes(&r);
  for (int i = r.matches.n - 1; i >= 0; i--) { /* what stands nearest to its use first */
    Match *m = &r.matches.at[i];
    if (m->first->rank + 1 > IR_MAX_RANK || !needed(&r, m->again)) continue;
    m->kept = true;
    int64_t now = stacked_bytes(&r);
    if (now <= bytes + bytes / 256)
      bytes = now;
    else
      m->kept = false;
  }
  for (int i = 0; i < r.matches.n; i++)
    if (r.matches.at[i].kept) keep(&r, &r.matches.at[i]);
}

void pass_restack(Graph *g, const PassOptions *o) {
  (void)o;
  Region *top = g->top;
  for (int i = 0; i < top->nodes.n; i++)
    for (int k = i + 1; k < top->nodes.n && top->nodes.at[i]->kind == N_LOOP; k++) {
      Node *a = top->nodes.at[i], *b = top->nodes.at[k];
      if (b->kind == N_LOOP && a->loop->count == b->loop->count) restack(g, a->loop, b->loop);
    }
  ir_prune(g);
}
