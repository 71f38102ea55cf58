/* SPDX-License-Identifier: MIT */
/* Nodes, loops and regions of a graph. Expressions are made in expr.c, what is
 * dead goes in prune.c, and the invariants are written down in verify.c. */
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

static Region *region_new(Graph *g, Loop *loop, Region *parent) {
  Region *r = NEW(g->arena, Region);
  r->loop = loop;
  r->parent = parent;
  return r;
}

Graph *graph_new(Arena *a, Interner *names, const char *name) {
  Graph *g = NEW(a, Graph);
  g->arena = a;
  g->names = names;
  g->name = intern(names, name);
  g->top = region_new(g, NULL, NULL);
  return g;
}

Node *ir_node(Graph *g, Region *r, NodeKind kind, Type type, int rank, const int64_t *shape,
              const char *name, Span span) {
  if (rank < 0 || rank > IR_MAX_RANK) bug("'%s' has rank %d", name ? name : "", rank);
  Node *n = NEW(g->arena, Node);
  n->kind = kind;
  n->id = g->nodes.n;
  n->type = type;
  n->rank = rank;
  for (int i = 0; i < rank; i++) n->shape[i] = shape[i];
  n->lo = type == TY_BOOL ? 0 : IR_INT_MIN;
  n->hi = type == TY_BOOL ? 1 : IR_INT_MAX;
  n->name = intern(g->names, name ? name : "");
  n->span = span;
  n->region = r;
  vec_push(g->arena, &g->nodes, n);
  vec_push(g->arena, &r->nodes, n);
  if (g->user.line > 0) ir_add_user(g, n, g->user);
  return n;
}

void ir_add_user(Graph *g, Node *n, Span user) {
  for (int i = 0; i < n->users.n; i++)
    if (n->users.at[i].file == user.file && n->users.at[i].line == user.line) return;
  vec_push(g->arena, &n->users, user);
}

void ir_same_users(Graph *g, Node *n, const Node *as) {
  n->users.n = n->users.cap = as->users.n;
  n->users.at = NEWN(g->arena, Span, as->users.n + 1);
  for (int i = 0; i < as->users.n; i++) n->users.at[i] = as->users.at[i];
}

Node *ir_input(Graph *g, const char *name, Type type, int rank, const int64_t *shape, int64_t lo,
               int64_t hi, Span at) {
  Node *n = ir_node(g, g->top, N_INPUT, type, rank, shape, name, at);
  if (type == TY_INT) {
    n->lo = lo;
    n->hi = hi;
  }
  return n;
}

Node *ir_state(Graph *g, const char *name, Type type, int rank, const int64_t *shape, Span at) {
  return ir_node(g, g->top, N_STATE, type, rank, shape, name, at);
}

Node *ir_const(Graph *g, Region *r, const char *name, Type type, int rank, const int64_t *shape,
               const double *data, Span at) {
  Node *n = ir_node(g, r, N_CONST, type, rank, shape, name, at);
  n->data = data;
  if (type == TY_INT) {
    int64_t count = ir_count(n);
    n->lo = n->hi = count > 0 ? prim_floor_int(data[0]) : 0;
    for (int64_t i = 1; i < count; i++) {
      int64_t x = prim_floor_int(data[i]);
      if (x < n->lo) n->lo = x;
      if (x > n->hi) n->hi = x;
    }
  }
  return n;
}

/* The largest product of up to `count` factors whose absolute values are at most
 * `most`; false: it does not fit. */
static bool power_bound(int64_t most, int64_t count, int64_t *out) {
  *out = 1;
  if (most <= 1) return true;
  for (int64_t i = 0; i < count; i++)
    if (!mul_fits(*out, most, out)) return false;
  return true;
}

/* Of integers lo .. hi; partial products lie in it too. */
static bool product_bounds(int64_t count, int64_t *lo, int64_t *hi) {
  bool negative = *lo < 0;
  int64_t most = *hi > -*lo ? *hi : -*lo; /* lo is bounded: -lo exists */
  if (!power_bound(most, count, hi)) return false;
  *lo = negative ? -*hi : 0;
  return true;
}

/* Bounds of an integer result; `count` is how many values each element reduces. What
 * may not fit 64 bits has none. */
static void integer_bounds(Graph *g, Node *n) {
  int64_t lo, hi, count = 1;
  bool certain = n->guard == NULL; /* no element reduces nothing */
  for (int k = n->rank; k < n->nvars; k++) {
    if (n->extent[k] == 0) certain = false;
    if (!mul_fits(count, n->extent[k], &count)) count = INT64_MAX;
  }
  n->lo = INT64_MIN;
  n->hi = INT64_MAX;
  if (n->reducer == RED_ARGMAX) {
    n->lo = 0;
    n->hi = count > 0 ? count - 1 : 0;
    return;
  }
  if (!ex_interval(g, n->body, n->extent, n->nvars, &lo, &hi)) return;
  switch (n->reducer) {
  case RED_SUM:
    if (!certain && lo > 0) lo = 0;
    if (!certain && hi < 0) hi = 0;
    if (__builtin_mul_overflow(lo, count, &lo) || __builtin_mul_overflow(hi, count, &hi)) return;
    break;
  case RED_NONE:
    if (!certain && lo > 0) lo = 0;
    if (!certain && hi < 0) hi = 0;
    break;
  case RED_MAX:
    if (!certain) lo = IR_INT_MIN;
    if (!certain && hi < lo) hi = lo;
    break;
  case RED_MIN:
    if (!certain) hi = IR_INT_MAX;
    if (!certain && lo > hi) lo = hi;
    break;
  case RED_PROD:
    if (!product_bounds(count, &lo, &hi)) return;
    break;
  case RED_ARGMAX: return;
  }
  n->lo = lo;
  n->hi = hi;
}

Node *ir_comp(Graph *g, Region *r, const char *name, Span at, int rank, int nred,
              const int64_t *extent, Reducer red, Expr *guard, Expr *body) {
  if (rank + nred > IR_MAX_VARS || nred < 0) bug("'%s' has %d variables", name, rank + nred);
  if ((red == RED_NONE) != (nred == 0))
    bug("'%s': %s over %d variables", name, reducer_name(red), nred);
  Type type = red == RED_ARGMAX ? TY_INT : body->type;
  Node *n = ir_node(g, r, N_COMP, type, rank, extent, name, at);
  n->reducer = red;
  n->nvars = rank + nred;
  for (int k = 0; k < n->nvars; k++) n->extent[k] = extent[k];
  n->guard = guard && guard->kind == E_BOOL && guard->inum ? NULL : guard;
  n->body = body;
  if (type == TY_INT) integer_bounds(g, n);
  return n;
}

Node *ir_comp_like(Graph *g, Region *r, const Node *n, Expr *guard, Expr *body) {
  Node *like = ir_node(g, r, N_COMP, n->type, n->rank, n->shape, n->name, n->span);
  like->reducer = n->reducer;
  like->nvars = n->nvars;
  like->lo = n->lo;
  like->hi = n->hi;
  for (int v = 0; v < n->nvars; v++) {
    like->extent[v] = n->extent[v];
    like->axis[v] = n->axis[v];
  }
  like->guard = guard;
  like->body = body;
  return like;
}

Node *ir_scatter(Graph *g, Region *r, const char *name, Span at, int rank, const int64_t *shape,
                 int nvars, const int64_t *extent, Expr *const *index, Expr *guard, Expr *body) {
  if (nvars < 0 || nvars > IR_MAX_VARS) bug("'%s' has %d variables", name, nvars);
  Node *n = ir_node(g, r, N_SCATTER, body->type, rank, shape, name, at);
  n->reducer = RED_SUM;
  n->nvars = nvars;
  for (int k = 0; k < nvars; k++) n->extent[k] = extent[k];
  for (int i = 0; i < rank; i++) n->index[i] = index[i];
  n->guard = guard && guard->kind == E_BOOL && guard->inum ? NULL : guard;
  n->body = body;
  return n;
}

Node *ir_view(Graph *g, Region *r, const char *name, Node *base, int64_t offset, int rank,
              const int64_t *shape, Span at) {
  Node *n = ir_node(g, r, N_VIEW, base->type, rank, shape, name, at);
  n->base = base;
  n->offset = offset;
  n->lo = base->lo;
  n->hi = base->hi;
  return n;
}

Node *ir_pack(Graph *g, Region *r, const char *name, Node *const *parts, int n, Span at) {
  if (n < 1) bug("'%s' packs nothing", name);
  int64_t total = 0;
  for (int i = 0; i < n; i++)
    if (!add_fits(total, ir_count(parts[i]), &total)) bug("'%s' is too large", name);
  Node *pack = ir_node(g, r, N_PACK, parts[0]->type, 1, &total, name, at);
  pack->lo = parts[0]->lo;
  pack->hi = parts[0]->hi;
  for (int i = 0; i < n; i++) {
    vec_push(g->arena, &pack->parts, parts[i]);
    if (parts[i]->lo < pack->lo) pack->lo = parts[i]->lo;
    if (parts[i]->hi > pack->hi) pack->hi = parts[i]->hi;
  }
  return pack;
}

/* ---- loops ---------------------------------------------------------------- */

Loop *ir_loop(Graph *g, Region *r, const char *var, int64_t count, bool reverse, Span at) {
  Loop *l = NEW(g->arena, Loop);
  l->id = g->loops.n;
  l->count = count;
  l->reverse = reverse;
  l->var = intern(g->names, var ? var : "i");
  l->body = region_new(g, l, r);
  l->node = ir_node(g, r, N_LOOP, TY_INT, 0, NULL, l->var, at);
  l->node->loop = l;
  vec_push(g->arena, &g->loops, l);
  return l;
}

Node *ir_carry(Graph *g, Loop *l, const char *name, Node *init) {
  Node *in = ir_node(g, l->body, N_CARRY, init->type, init->rank, init->shape, name, l->node->span);
  in->loop = l;
  in->slot = l->carries.n;
  Carry c = {.init = init, .in = in, .next = NULL};
  vec_push(g->arena, &l->carries, c);
  return in;
}

/* The node of this kind and slot in the region around the loop, or NULL. */
static Node *result_of(Loop *l, NodeKind kind, int slot) {
  Region *r = l->node->region;
  for (int i = r->nodes.n - 1; i >= 0; i--) {
    Node *n = r->nodes.at[i];
    if (n->kind == kind && n->loop == l && n->slot == slot) return n;
    if (n == l->node) break;
  }
  return NULL;
}

Node *ir_final(Graph *g, Loop *l, int carry) {
  if (carry < 0 || carry >= l->carries.n) bug("loop %d has no carry %d", l->id, carry);
  Node *n = result_of(l, N_FINAL, carry);
  if (n) return n;
  Node *in = l->carries.at[carry].in;
  n = ir_node(g, l->node->region, N_FINAL, in->type, in->rank, in->shape, in->name, in->span);
  n->lo = in->lo;
  n->hi = in->hi;
  n->loop = l;
  n->slot = carry;
  return n;
}

Node *ir_stack(Graph *g, Loop *l, Node *value) {
  int slot = 0;
  while (slot < l->emits.n && l->emits.at[slot] != value) slot++;
  if (slot == l->emits.n) vec_push(g->arena, &l->emits, value);
  Node *n = result_of(l, N_STACK, slot);
  if (n) return n;
  if (value->rank == IR_MAX_RANK) bug("'%s' has too many axes to stack", value->name);
  int64_t shape[IR_MAX_RANK] = {l->count};
  for (int i = 0; i < value->rank; i++) shape[i + 1] = value->shape[i];
  n = ir_node(g, l->node->region, N_STACK, value->type, value->rank + 1, shape, value->name,
              value->span);
  n->axis[0] = l->var;
  for (int i = 0; i < value->rank; i++) n->axis[i + 1] = value->axis[i];
  n->lo = value->lo;
  n->hi = value->hi;
  n->loop = l;
  n->slot = slot;
  return n;
}

Node *ir_stack_behind(Graph *g, Loop *l, Node *value) {
  Node *stack = ir_stack(g, l, value);
  Region *r = stack->region;
  int at = r->nodes.n - 1;
  while (r->nodes.at[at] != stack) at--;
  for (; at > 0 && r->nodes.at[at - 1] != l->node; at--) r->nodes.at[at] = r->nodes.at[at - 1];
  r->nodes.at[at] = stack;
  return stack;
}

void ir_put_before(Node *last, const Node *at) {
  Region *r = last->region;
  int i = r->nodes.n - 1;
  for (; r->nodes.at[i - 1] != at; i--) r->nodes.at[i] = r->nodes.at[i - 1];
  r->nodes.at[i] = r->nodes.at[i - 1];
  r->nodes.at[i - 1] = last;
}

/* ---- questions -------------------------------------------------------------- */

Expr *ir_read_all(Graph *g, Node *n) {
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++) index[i] = ex_var(g, i);
  return ex_read(g, n, index);
}

int64_t ir_count(const Node *n) {
  int64_t count = 1;
  for (int i = 0; i < n->rank; i++)
    if (!mul_fits(count, n->shape[i], &count)) bug("'%s' is too large", n->name);
  return count;
}

bool ir_visible(const Region *from, const Node *n) {
  for (; from; from = from->parent)
    if (from == n->region) return true;
  return false;
}

bool ir_inside(const Region *r, const Loop *l) {
  for (; r; r = r->parent)
    if (r->loop == l) return true;
  return false;
}

bool ir_computes(const Node *n) { return n->kind == N_COMP || n->kind == N_SCATTER; }

bool ir_is_map(const Node *n) { return n->kind == N_COMP && n->reducer == RED_NONE; }

int64_t ir_evaluations(const Node *n) {
  int64_t count = 1;
  for (int v = 0; v < n->nvars; v++) count *= n->extent[v];
  return count;
}

void ir_visit_exprs(Graph *g, Node *n, ExprVisit *f, void *ctx) {
  if (n->body) ex_visit(g, n->body, f, ctx);
  if (n->guard) ex_visit(g, n->guard, f, ctx);
  for (int d = 0; d < n->rank && n->kind == N_SCATTER; d++) ex_visit(g, n->index[d], f, ctx);
}

/* ---- reads ------------------------------------------------------------------ */

/* What one call of ir_each_read found, kept while it reports so that calls may
 * nest; lists are reused. */
typedef struct ReadList ReadList;
struct ReadList {
  VEC(Node *) nodes;
  ReadList *next;
};

struct ReadScratch {
  uint32_t *stamp; /* by node id: == epoch when found already */
  int cap;
  uint32_t epoch;
  ReadList *idle;
};

typedef struct Reads {
  Graph *g;
  ReadList *list;
  const Region *inside; /* N_LOOP: only what lies outside this region */
} Reads;

static bool within(const Region *r, const Region *outer) {
  for (; r; r = r->parent)
    if (r == outer) return true;
  return false;
}

static void found(Node *n, Reads *reads) {
  struct ReadScratch *s = reads->g->reads;
  if (s->stamp[n->id] == s->epoch) return;
  s->stamp[n->id] = s->epoch;
  if (!reads->inside || !within(n->region, reads->inside))
    vec_push(reads->g->arena, &reads->list->nodes, n);
}

static void found_expr(Expr *e, Reads *reads) {
  if (!e || !e->reads) return;
  ExprWalk *w = walk_take(reads->g, e);
  for (int i = 0; i < w->n; i++)
    if (w->order[i]->kind == E_READ) found(w->order[i]->node, reads);
  walk_give(reads->g, w);
}

static void find_reads(Node *n, Reads *reads) {
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_CARRY:
  case N_COTANGENT: break;
  case N_VIEW: found(n->base, reads); break;
  case N_PACK:
    for (int i = 0; i < n->parts.n; i++) found(n->parts.at[i], reads);
    break;
  case N_SCATTER:
  case N_COMP:
    if (n->kind == N_SCATTER)
      for (int i = 0; i < n->rank; i++) found_expr(n->index[i], reads);
    found_expr(n->guard, reads);
    found_expr(n->body, reads);
    break;
  case N_LOOP:
    for (int i = 0; i < n->loop->carries.n; i++) {
      found(n->loop->carries.at[i].init, reads);
      if (n->loop->carries.at[i].next) found(n->loop->carries.at[i].next, reads);
    }
    for (int i = 0; i < n->loop->emits.n; i++) found(n->loop->emits.at[i], reads);
    for (int i = 0; i < n->loop->body->nodes.n; i++) find_reads(n->loop->body->nodes.at[i], reads);
    break;
  case N_FINAL:
  case N_STACK: found(n->loop->node, reads); break;
  }
}

static struct ReadScratch *read_scratch(Graph *g) {
  if (!g->reads) g->reads = NEW(g->arena, struct ReadScratch);
  struct ReadScratch *s = g->reads;
  if (s->cap < g->nodes.n) {
    s->cap = 2 * g->nodes.n;
    s->stamp = NEWN(g->arena, uint32_t, s->cap);
    s->epoch = 0;
  }
  s->epoch++;
  return s;
}

void ir_each_read(Graph *g, Node *n, void (*f)(Node *read, void *ctx), void *ctx) {
  struct ReadScratch *s = read_scratch(g);
  ReadList *list = s->idle;
  if (list)
    s->idle = list->next;
  else
    list = NEW(g->arena, ReadList);
  list->nodes.n = 0;
  Reads reads = {g, list, n->kind == N_LOOP ? n->loop->body : NULL};
  find_reads(n, &reads);
  for (int i = 0; i < list->nodes.n; i++) f(list->nodes.at[i], ctx);
  list->next = s->idle;
  s->idle = list;
}

typedef struct Sought {
  const Node *node;
  bool found;
} Sought;

static void note_sought(Node *read, void *ctx) {
  Sought *s = ctx;
  if (read == s->node) s->found = true;
}

bool ir_reads(Graph *g, Node *n, const Node *of) {
  Sought s = {of, false};
  ir_each_read(g, n, note_sought, &s);
  return s.found;
}
