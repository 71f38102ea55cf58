/* SPDX-License-Identifier: MIT */
/* Sums of contributions: the adjoint of a node is collected as terms and becomes
 * graph nodes once all readers were visited. Every term that sums over variables
 * is a comprehension of its own (a matrix product stays one that is recognised);
 * pure maps are joined into one expression with the sums of the others:
 *
 *     d.x[b,d] = d.x.1[b,d] + d.x.2[b,d] + select(guard, value, 0) + ...          */
#include "compiler/grad/grad_internal.h"

#include <stdlib.h>
#include <string.h>

Like adjoint_like(const Node *n) { return (Like){n->rank, n->shape, n->name, n->axis, n->span}; }

static const char *name_of(GradPass *p, const Like *like, int part) {
  if (part > 0) return arena_printf(p->arena, "d.%s.%d", like->name, part);
  return arena_printf(p->arena, "d.%s", like->name);
}

static void copy_axes(Node *n, const Like *like) {
  for (int i = 0; i < like->rank; i++) n->axis[i] = like->axis[i];
}

Node *adjoint_zeros(GradPass *p, Region *r, const Like *like) {
  Node *n = ir_comp(p->graph, r, name_of(p, like, 0), like->span, like->rank, 0, like->shape,
                    RED_NONE, NULL, ex_num(p->graph, 0));
  copy_axes(n, like);
  return n;
}

/* ---- terms -------------------------------------------------------------------- */

void adjoint_add(GradPass *p, Adjoint *a, const Like *like, const Share *s) {
  if (a->closed) bug("a contribution to '%s' comes late", like->name);
  Term t;
  if (!grad_invert(p->graph, like->rank, like->shape, s, &t)) {
    t = (Term){.scatter = true, .span = s->span};
    t.share = NEW(p->arena, Share);
    *t.share = *s;
  }
  t.user = p->graph->user;
  if (t.guard && t.guard->kind == E_BOOL && !t.guard->inum) return;
  vec_push(p->arena, &a->terms, t);
}

void adjoint_add_view(GradPass *p, Adjoint *a, const Node *base, Node *view, int64_t offset,
                      Span at) {
  if (a->closed) bug("a contribution to '%s' comes late", base->name);
  Term t = {.view = view, .offset = offset, .span = at, .user = p->graph->user};
  vec_push(p->arena, &a->terms, t);
}

/* The elements of a flat base that a view covers, as a map over the base. */
static Guarded view_map(GradPass *p, const Term *t) {
  Graph *g = p->graph;
  Expr *z = ex2(g, P_sub, ex_var(g, 0), ex_int(g, t->offset)), *index[IR_MAX_RANK];
  Expr *low = ex2(g, P_le, ex_int(g, 0), z), *high = ex2(g, P_lt, z, ex_int(g, ir_count(t->view)));
  for (int k = t->view->rank - 1; k >= 0; k--) {
    Expr *size = ex_int(g, t->view->shape[k]);
    index[k] = k > 0 ? ex2(g, P_mod, z, size) : z;
    z = ex2(g, P_div, z, size);
  }
  return (Guarded){ex2(g, P_and, low, high), ex_read(g, t->view, index)};
}

/* A reduced variable keeps its name where no other variable has it. */
static const char *free_name(const Node *n, const char *name, int nvars) {
  for (int k = 0; k < nvars; k++)
    if (n->axis[k] == name) return NULL;
  return name;
}

/* ---- nodes of terms --------------------------------------------------------------- */

static Node *sum_node(GradPass *p, Region *r, const Term *t, const Like *like, const char *name) {
  Node *n = ir_comp(p->graph, r, name, t->span, like->rank, t->nred, t->extent, RED_SUM, t->guard,
                    t->value);
  copy_axes(n, like);
  for (int k = 0; k < t->nred; k++)
    n->axis[like->rank + k] = free_name(n, t->axis[like->rank + k], like->rank + k);
  return n;
}

/* Is the target, and all that is read to find it, in bounds whatever the guard says? */
static bool in_bounds(Graph *g, const Share *s, const Like *like) {
  for (int a = 0; a < like->rank; a++)
    if (!ex_in_range(g, s->index[a], s->extent, s->nvars, like->shape[a]) ||
        !ex_reads_in_range(g, s->index[a], s->extent, s->nvars))
      return false;
  return true;
}

/* Variables that the target does not depend on are summed before scattering:
 * dE[id[b], d] += sum_k dy[b,k] * w[d,k]  scatters a [b,d] and is a product before. */
static Share sum_first(GradPass *p, Region *r, const Share *s, const Like *like, const char *name) {
  Graph *g = p->graph;
  uint32_t kept = 0;
  for (int a = 0; a < like->rank; a++) kept |= ex_vars(g, s->index[a]);
  bool pure = !s->guard || !(ex_vars(g, s->guard) & ~kept);
  Expr *map[IR_MAX_VARS] = {NULL};
  int64_t extent[IR_MAX_VARS];
  int n = 0, nkept = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < s->nvars; k++)
      if ((kept >> k & 1) == (pass == 0)) {
        map[k] = ex_var(g, n);
        extent[n++] = s->extent[k];
        if (pass == 0) nkept++;
      }
  if (nkept == s->nvars || nkept > IR_MAX_RANK || (!pure && !in_bounds(g, s, like))) return *s;
  Share out = {.nvars = nkept, .span = s->span};
  for (int k = 0; k < nkept; k++) out.extent[k] = extent[k];
  for (int a = 0; a < like->rank; a++) out.index[a] = ex_subst(g, s->index[a], map, s->nvars);
  Expr *guard = s->guard ? ex_subst(g, s->guard, map, s->nvars) : NULL;
  Node *sum =
      ir_comp(g, r, arena_printf(p->arena, "%s.rows", name), s->span, nkept, s->nvars - nkept,
              extent, RED_SUM, guard, ex_subst(g, s->value, map, s->nvars));
  out.guard = pure ? guard : NULL;
  out.value = ir_read_all(g, sum);
  return out;
}

static Node *scatter_node(GradPass *p, Region *r, const Term *t, const Like *like,
                          const char *name) {
  Share s = sum_first(p, r, t->share, like, name);
  Node *n = ir_scatter(p->graph, r, name, t->span, like->rank, like->shape, s.nvars, s.extent,
                       s.index, s.guard, s.value);
  copy_axes(n, like);
  return n;
}

static bool is_sum(const Term *t) { return t->scatter || t->nred > 0; }

/* It comes from the reader whose derivative the term is, not from what was read. */
static Node *term_node(GradPass *p, Region *r, const Term *t, const Like *like, const char *name) {
  Graph *g = p->graph;
  Span before = g->user;
  g->user = t->user;
  Node *n = t->scatter ? scatter_node(p, r, t, like, name) : sum_node(p, r, t, like, name);
  g->user = before;
  return n;
}

/* A flat base whose readers are views of disjoint pieces: their adjoints, packed. */
static int by_offset(const void *a, const void *b) {
  int64_t x = ((const Term *)a)->offset, y = ((const Term *)b)->offset;
  return (x > y) - (x < y);
}

static Node *pack_views(GradPass *p, Region *r, Adjoint *a, const Like *like) {
  VEC(Node *) parts = {0};
  Term *terms = NEWN(p->arena, Term, a->terms.n);
  memcpy(terms, a->terms.at, (size_t)a->terms.n * sizeof *terms);
  qsort(terms, (size_t)a->terms.n, sizeof *terms, by_offset);
  int64_t at = 0;
  for (int i = 0; i <= a->terms.n; i++) {
    if (i < a->terms.n && !terms[i].view) return NULL;
    int64_t next = i < a->terms.n ? terms[i].offset : like->shape[0], gap = next - at;
    if (gap < 0) return NULL;
    if (gap > 0) {
      Like hole = {1, &gap, like->name, like->axis, like->span};
      vec_push(p->arena, &parts, adjoint_zeros(p, r, &hole));
    }
    if (i == a->terms.n) break;
    vec_push(p->arena, &parts, terms[i].view);
    at = next + ir_count(terms[i].view);
  }
  return ir_pack(p->graph, r, name_of(p, like, 0), parts.at, parts.n, like->span);
}

/* ---- settling ------------------------------------------------------------------- */

/* The node that e reads at the axes themselves, if it has the right shape. */
static Node *whole_read(Graph *g, Expr *e, const Like *like) {
  if (e->kind != E_READ || e->node->rank != like->rank || e->type != TY_REAL) return NULL;
  for (int i = 0; i < like->rank; i++)
    if (e->args[i] != ex_var(g, i) || e->node->shape[i] != like->shape[i]) return NULL;
  return e->node;
}

static void join(GradPass *p, GuardedList *l, Guarded x) {
  for (int i = 0; i < l->n; i++)
    if (l->at[i].guard == x.guard) {
      l->at[i].value = ex2(p->graph, P_add, l->at[i].value, x.value);
      return;
    }
  vec_push(p->arena, l, x);
}

/* Sums first, then maps; those under one guard stand in one select. */
static Expr *joined(GradPass *p, Region *r, const Adjoint *a, const Like *like) {
  GuardedList all = {0};
  int part = 0;
  for (int i = 0; i < a->terms.n; i++) {
    const Term *t = &a->terms.at[i];
    if (!is_sum(t)) continue;
    Node *n = term_node(p, r, t, like, name_of(p, like, ++part));
    join(p, &all, (Guarded){NULL, ir_read_all(p->graph, n)});
  }
  for (int i = 0; i < a->terms.n; i++) {
    const Term *t = &a->terms.at[i];
    if (t->view)
      join(p, &all, view_map(p, t));
    else if (!is_sum(t))
      join(p, &all, (Guarded){t->guard, t->value});
  }
  Expr *sum = guard_select(p->graph, all.at[0]);
  for (int i = 1; i < all.n; i++)
    sum = ex2(p->graph, P_add, sum, guard_select(p->graph, all.at[i]));
  return sum;
}

bool adjoint_close(GradPass *p, Region *r, Adjoint *a, const Like *like) {
  if (a->closed) return a->node || a->inlined;
  a->closed = true;
  if (a->terms.n == 0) return false;
  if (a->terms.n == 1 && is_sum(&a->terms.at[0])) {
    a->node = term_node(p, r, &a->terms.at[0], like, name_of(p, like, 0));
    return true;
  }
  if (a->terms.at[0].view && (a->node = pack_views(p, r, a, like))) return true;
  Expr *e = joined(p, r, a, like);
  a->node = whole_read(p->graph, e, like);
  if (a->node) return true;
  if (!e->reads && !e->draws && !e->counts) {
    a->inlined = e;
    return true;
  }
  a->node = ir_comp(p->graph, r, name_of(p, like, 0), like->span, like->rank, 0, like->shape,
                    RED_NONE, NULL, e);
  copy_axes(a->node, like);
  a->node->users.n = a->node->users.cap = 0;
  for (int i = 0; i < a->terms.n; i++) /* what a sum gave has a node of its own */
    if (!is_sum(&a->terms.at[i]) && a->terms.at[i].user.line > 0)
      ir_add_user(p->graph, a->node, a->terms.at[i].user);
  return true;
}

Expr *adjoint_read(GradPass *p, const Adjoint *a, Expr *const *index) {
  if (!a->inlined) return ex_read(p->graph, a->node, index);
  int nmap = 0;
  while (a->inlined->vars >> nmap) nmap++;
  return ex_subst(p->graph, a->inlined, index, nmap);
}

Node *adjoint_node(GradPass *p, Region *r, Adjoint *a, const Like *like) {
  if (!a->node) {
    a->node = ir_comp(p->graph, r, name_of(p, like, 0), like->span, like->rank, 0, like->shape,
                      RED_NONE, NULL, a->inlined);
    copy_axes(a->node, like);
  }
  return a->node;
}

/* ---- places --------------------------------------------------------------------------- */

void adjoint_late(GradPass *p, const Region *r, int n) {
  for (int i = n; i < r->nodes.n; i++) vec_push(p->arena, &p->late, r->nodes.at[i]);
}

typedef struct Places {
  const Region *region;
  int *place; /* by node id: where it stands, or is to stand behind */
  int last;
} Places;

static void place_read(Node *read, void *ctx) {
  Places *x = ctx;
  if (read->region == x->region && x->place[read->id] > x->last) x->last = x->place[read->id];
}

void adjoint_move_up(GradPass *p, Region *r) {
  Graph *g = p->graph;
  int n = r->nodes.n, *next = NEWN(p->arena, int, n), *head = NEWN(p->arena, int, n + 1);
  Places x = {r, NEWN(p->arena, int, g->nodes.n), 0};
  bool *late = NEWN(p->arena, bool, g->nodes.n);
  Node **from = NEWN(p->arena, Node *, n + 1);
  for (int i = 0; i < p->late.n; i++) late[p->late.at[i]->id] = p->late.at[i]->region == r;
  memcpy(from, r->nodes.at, (size_t)n * sizeof *from);
  for (int i = 0; i < n; i++) x.place[from[i]->id] = i;
  for (int i = 0; i <= n; i++) head[i] = -1;
  for (int i = n - 1; i >= 0; i--) next[i] = -1;
  for (int i = 0; i < n; i++) {
    if (!late[from[i]->id]) continue;
    x.last = 0;
    ir_each_read(g, from[i], place_read, &x);
    x.place[from[i]->id] = x.last;
    int *end = &head[x.last]; /* behind those that came here before */
    while (*end >= 0) end = &next[*end];
    *end = i;
  }
  int k = 0;
  for (int i = 0; i < n; i++) {
    if (!late[from[i]->id]) r->nodes.at[k++] = from[i];
    for (int j = head[i]; j >= 0; j = next[j]) r->nodes.at[k++] = from[j];
  }
}
