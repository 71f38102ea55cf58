/* SPDX-License-Identifier: MIT */
/* Which groups wait for which, and an order that respects it.
 *
 * needs       the group of each node; Group.after as far as it is known
 * guarantees  an order of a region's groups in which each follows all that it waits for:
 *             who computes what its members read, also through views, packs and the
 *             results of loops, and its edges; late groups after the others; of what is
 *             left, in the order in which they were made. A circle is a bug
 *
 *     y reads g = pack(a, b)        ->  a, b, y
 *     t, late, into s; y reads s    ->  y, t                                       */
#include "compiler/plan/plan.h"

typedef struct Waits {
  Plan *p;
  const Group *g; /* does not wait for itself */
  void (*f)(Group *, void *);
  void *ctx;
} Waits;

static void wait_for_sources(const Waits *w, Node *n) {
  const Sources *s = node_sources(w->p, n);
  for (int i = 0; i < s->n; i++) {
    Group *before = plan_info(w->p, s->at[i])->group;
    if (before && before != w->g && before->region == n->region) w->f(before, w->ctx);
  }
}

void node_waits(Plan *p, Node *n, void (*f)(Group *before, void *ctx), void *ctx) {
  wait_for_sources(&(Waits){p, NULL, f, ctx}, n);
}

bool node_reads_around(Plan *p, Node *n, const Group *g) {
  const Sources *s = node_sources(p, n);
  for (int i = s->direct; i < s->n; i++)
    if (plan_info(p, s->at[i])->group == g) return true;
  return false;
}

void group_wait_for(Plan *p, Group *g, Group *before) {
  vec_push(p->arena, &g->after, before);
  vec_push(p->arena, &before->holds, g);
}

void group_waits(Plan *p, Group *g, void (*f)(Group *before, void *ctx), void *ctx) {
  Waits w = {p, g, f, ctx};
  if (g->kind == GROUP_LOOP) wait_for_sources(&w, g->loop->node);
  for (int i = 0; i < g->members.n; i++) wait_for_sources(&w, g->members.at[i].node);
  for (int i = 0; i < g->after.n; i++) f(g->after.at[i], ctx);
}

/* ---- does one wait for the other? ------------------------------------------------------ */

/* A search from both ends, a group at a time: one of them often has little around it.
 * Each remembers what it met by the number of the search. */
typedef struct Search {
  Plan *p;
  const Group *from, *to;
  int number;
  bool found;
} Search;

bool group_is_below(Plan *p, const Group *g, const Group *to) {
  int n = g->kind == GROUP_LOOP ? 1 : g->members.n, m = to->kind == GROUP_LOOP ? 1 : to->members.n;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < m; k++) {
      const Node *a = g->kind == GROUP_LOOP ? g->loop->node : g->members.at[i].node;
      const Node *b = to->kind == GROUP_LOOP ? to->loop->node : to->members.at[k].node;
      if (node_is_below(p, a, b)) return true;
    }
  return false;
}

static void go_back(Group *g, void *ctx) {
  Search *s = ctx;
  if (g->back == s->number) return;
  g->back = s->number;
  s->found = s->found || g == s->to || g->ahead == s->number || group_is_below(s->p, g, s->to);
  vec_push(s->p->arena, &s->p->behind, g);
}

static void go_ahead(Group *g, Search *s) {
  if (g->ahead == s->number) return;
  g->ahead = s->number;
  s->found = s->found || g == s->from || g->back == s->number || group_is_below(s->p, s->from, g);
  vec_push(s->p->arena, &s->p->ahead, g);
}

static void go_to_readers(Group *g, const Node *n, Search *s) {
  for (int i = 0; i < plan_info(s->p, n)->readers.n; i++) {
    Group *reader = plan_info(s->p, plan_info(s->p, n)->readers.at[i])->group;
    if (reader && reader != g && reader->region == g->region) go_ahead(reader, s);
  }
}

static void go_on(Group *g, Search *s) {
  if (g->kind == GROUP_LOOP) go_to_readers(g, g->loop->node, s);
  for (int i = 0; i < g->members.n; i++) go_to_readers(g, g->members.at[i].node, s);
  for (int i = 0; i < g->holds.n; i++) go_ahead(g->holds.at[i], s);
}

bool group_follows(Plan *p, Group *from, Group *to) {
  Search s = {.p = p, .from = from, .to = to, .number = ++p->searches};
  p->behind.n = p->ahead.n = 0;
  go_back(from, &s);
  go_ahead(to, &s);
  for (int i = 0; !s.found && i < p->behind.n && i < p->ahead.n; i++) {
    group_waits(p, p->behind.at[i], go_back, &s);
    if (!s.found) go_on(p->ahead.at[i], &s);
  }
  return s.found;
}

/* ---- an order ------------------------------------------------------------------------- */

/* Depth first: a group is listed right after what it waits for. `left` holds, for each
 * group on the way, what is left of its list. */
typedef struct Visit {
  Plan *p;
  Groups left;
} Visit;

static void add_left(Group *g, void *ctx) {
  Visit *v = ctx;
  vec_push(v->p->arena, &v->left, g);
}

static void turn(Groups *g, int from) {
  for (int i = from, k = g->n - 1; i < k; i++, k--) {
    Group *x = g->at[i];
    g->at[i] = g->at[k];
    g->at[k] = x;
  }
}

/* A group stays below its list until all of that is listed. */
static void visit(Visit *v, Group *root, Groups *out) {
  add_left(root, v);
  while (v->left.n > 0) {
    Group *g = v->left.at[v->left.n - 1];
    if (g->mark == 0) {
      g->mark = 1;
      int from = v->left.n;
      group_waits(v->p, g, add_left, v);
      turn(&v->left, from);
      for (int i = from; i < v->left.n; i++)
        if (v->left.at[i]->mark == 1)
          bug("kernels wait for each other in a circle at '%s'",
              g->members.n ? g->members.at[0].node->name : "loop");
      continue;
    }
    if (g->mark == 1) vec_push(v->p->arena, out, g);
    g->mark = 2;
    v->left.n--;
  }
}

void group_order(Plan *p, const Region *r, Groups *out) {
  Visit v = {.p = p};
  for (int late = 0; late < 2; late++)
    for (int i = 0; i < p->groups.n; i++)
      if (p->groups.at[i]->region == r && p->groups.at[i]->late == late &&
          !p->groups.at[i]->dropped)
        visit(&v, p->groups.at[i], out);
  for (int i = 0; i < out->n; i++) out->at[i]->mark = 0;
}
