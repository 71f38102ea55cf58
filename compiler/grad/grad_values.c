/* SPDX-License-Identifier: MIT */
/* Forward values as a backward loop body sees them. The body runs again in the
 * opposite order; of iteration i it reads
 *
 *     outer nodes            as they are
 *     cheap maps             computed again: cloned, counter for counter, so that
 *                            a draw draws the same number
 *     everything else        stack[i, ...]: saved by the forward loop
 *
 * `@save` and `@recompute` override the choice. At the top there is nothing to
 * do. The same cloning puts a user's `grad` clause where its cotangent is. */
#include "compiler/grad/grad_internal.h"

/* The frame whose forward body holds n; NULL when n is visible as it is. */
static GradFrame *owner_of(GradFrame *f, const Node *n) {
  for (; f && f->parent; f = f->parent)
    if (n->region == f->forward) return f;
  return NULL;
}

static bool recomputed(const Node *n) {
  if (n->kind == N_CONST || n->kind == N_VIEW) return true;
  if (n->kind != N_COMP && n->kind != N_SCATTER) return false;
  if (n->save == SAVE_KEEP && n->rank < IR_MAX_RANK) return false;
  if (n->save == SAVE_RECOMPUTE || n->rank == IR_MAX_RANK) return true;
  return ir_is_map(n);
}

static Expr *saved_read(GradFrame *f, GradFrame *owner, Node *n, Expr *const *index);
static Node *frame_node(GradFrame *f, Node *n);

static Expr *frame_read(GradFrame *f, Node *n, Expr *const *index) {
  GradFrame *owner = owner_of(f, n);
  if (!owner) return ex_read(f->pass->graph, n, index);
  if (n->id < f->pass->nnodes && f->pass->clone[n->id])
    return ex_read(f->pass->graph, f->pass->clone[n->id], index);
  return saved_read(f, owner, n, index);
}

static Expr *saved_read(GradFrame *f, GradFrame *owner, Node *n, Expr *const *index) {
  if (n->rank == IR_MAX_RANK) {
    f->pass->errors++;
    diag_error(f->pass->diags, E_GRADIENT_RANK, n->span,
               "'%s' has %d axes, too many to be kept for every iteration of the loop around it",
               n->name, n->rank);
    return n->type == TY_REAL  ? ex_num(f->pass->graph, 0)
           : n->type == TY_INT ? ex_int(f->pass->graph, 0)
                               : ex_bool(f->pass->graph, false);
  }
  Node *stack = ir_stack(f->pass->graph, owner->forward_loop, n);
  Expr *row[IR_MAX_RANK] = {ex_loopvar(f->pass->graph, owner->backward_loop)};
  for (int i = 0; i < n->rank; i++) row[i + 1] = index[i];
  return frame_read(owner->parent, stack, row);
}

/* ---- copies ------------------------------------------------------------------------- */

/* One copying of nodes: a frame, and on top of it what was copied already. */
typedef struct Copier {
  GradFrame *frame;
  Region *to;
  Node **map; /* by node id; NULL: nothing beyond the frame's own */
  int nmap;
  VEC(Loop *) loops, copies;
} Copier;

static Expr *copy_step(Graph *g, Expr *e, void *ctx) {
  Copier *c = ctx;
  if (e->kind == E_LOOPVAR) {
    for (int i = 0; i < c->loops.n; i++)
      if (c->loops.at[i] == e->loop) return ex_loopvar(g, c->copies.at[i]);
    for (GradFrame *f = c->frame; f->parent; f = f->parent)
      if (f->forward_loop == e->loop) return ex_loopvar(g, f->backward_loop);
  } else if (e->kind == E_READ) {
    if (e->node->id < c->nmap && c->map[e->node->id])
      return ex_read(g, c->map[e->node->id], e->args);
    return frame_read(c->frame, e->node, e->args);
  }
  return e;
}

static void prepare(GradFrame *f, Node *n);

static void prepare_read(Expr *e, void *ctx) {
  const Copier *c = ctx;
  if (e->kind != E_READ || (e->node->id < c->nmap && c->map[e->node->id])) return;
  prepare(c->frame, e->node);
}

static Expr *copy_expr(Copier *c, Expr *e) {
  if (!e || (!e->reads && !e->counts)) return e;
  ex_visit(c->frame->pass->graph, e, prepare_read, c);
  return ex_map(c->frame->pass->graph, e, copy_step, c);
}

static Node *copy_ref(Copier *c, Node *n) {
  if (n->id < c->nmap && c->map[n->id]) return c->map[n->id];
  return frame_node(c->frame, n);
}

static void copy_region(Copier *c, const Region *from);

static Node *copy_loop(Copier *c, const Loop *l) {
  Graph *g = c->frame->pass->graph;
  Loop *copy = ir_loop(g, c->to, l->var, l->count, l->reverse, l->node->span);
  vec_push(g->arena, &c->loops, (Loop *)l);
  vec_push(g->arena, &c->copies, copy);
  for (int k = 0; k < l->carries.n; k++) {
    const Carry *x = &l->carries.at[k];
    c->map[x->in->id] = ir_carry(g, copy, x->in->name, copy_ref(c, x->init));
  }
  Region *around = c->to;
  c->to = copy->body;
  copy_region(c, l->body);
  for (int k = 0; k < l->carries.n; k++)
    copy->carries.at[k].next = copy_ref(c, l->carries.at[k].next);
  c->to = around;
  return copy->node;
}

static Loop *copied_loop(const Copier *c, const Loop *l) {
  for (int i = 0; i < c->loops.n; i++)
    if (c->loops.at[i] == l) return c->copies.at[i];
  bug("loop %d was not copied", l->id);
}

static Node *copy_node(Copier *c, Node *n) {
  Graph *g = c->frame->pass->graph;
  Node *m = NULL;
  Expr *index[IR_MAX_RANK];
  VEC(Node *) parts = {0};
  switch (n->kind) {
  case N_CONST:
    m = ir_const(g, c->to, n->name, n->type, n->rank, n->shape, n->data, n->span);
    break;
  case N_VIEW:
    m = ir_view(g, c->to, n->name, copy_ref(c, n->base), n->offset, n->rank, n->shape, n->span);
    break;
  case N_PACK:
    for (int k = 0; k < n->parts.n; k++) vec_push(g->arena, &parts, copy_ref(c, n->parts.at[k]));
    m = ir_pack(g, c->to, n->name, parts.at, parts.n, n->span);
    break;
  case N_COMP: {
    Expr *guard = copy_expr(c, n->guard), *body = copy_expr(c, n->body);
    m = ir_comp(g, c->to, n->name, n->span, n->rank, n->nvars - n->rank, n->extent, n->reducer,
                guard, body);
    break;
  }
  case N_SCATTER: {
    for (int k = 0; k < n->rank; k++) index[k] = copy_expr(c, n->index[k]);
    Expr *guard = copy_expr(c, n->guard), *body = copy_expr(c, n->body);
    m = ir_scatter(g, c->to, n->name, n->span, n->rank, n->shape, n->nvars, n->extent, index, guard,
                   body);
    break;
  }
  case N_LOOP: m = copy_loop(c, n->loop); break;
  case N_FINAL: m = ir_final(g, copied_loop(c, n->loop), n->slot); break;
  case N_STACK:
    m = ir_stack(g, copied_loop(c, n->loop), copy_ref(c, n->loop->emits.at[n->slot]));
    break;
  case N_INPUT:
  case N_STATE:
  case N_CARRY:
  case N_COTANGENT: bug("'%s' cannot be copied", n->name);
  }
  for (int k = 0; k < IR_MAX_VARS; k++) m->axis[k] = n->axis[k];
  m->lo = n->lo;
  m->hi = n->hi;
  m->save = n->save;
  return m;
}

static void copy_region(Copier *c, const Region *from) {
  int n = from->nodes.n;
  for (int i = 0; i < n; i++) {
    Node *x = from->nodes.at[i];
    if (x->kind != N_CARRY) c->map[x->id] = copy_node(c, x);
  }
}

/* ---- frames ----------------------------------------------------------------------------- */

/* Make the clone of n, if it is to have one, and of what that reads. */
static void prepare(GradFrame *f, Node *n) {
  GradFrame *owner = owner_of(f, n);
  if (!owner || n->id >= f->pass->nnodes || f->pass->clone[n->id] || !recomputed(n)) return;
  Copier c = {.frame = owner, .to = owner->backward};
  f->pass->clone[n->id] = copy_node(&c, n);
}

Expr *grad_frame_expr(GradFrame *f, Expr *e) {
  if (!e || !f->parent) return e;
  Copier c = {.frame = f};
  return copy_expr(&c, e);
}

static Node *frame_node(GradFrame *f, Node *n) {
  GradFrame *owner = owner_of(f, n);
  if (!owner) return n;
  prepare(f, n);
  if (n->id < f->pass->nnodes && f->pass->clone[n->id]) return f->pass->clone[n->id];
  Graph *g = f->pass->graph;
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++) index[i] = ex_var(g, i);
  Node *m = ir_comp(g, owner->backward, n->name, n->span, n->rank, 0, n->shape, RED_NONE, NULL,
                    frame_read(owner, n, index));
  for (int k = 0; k < n->rank; k++) m->axis[k] = n->axis[k];
  return m;
}

/* ---- a user's derivative ------------------------------------------------------------------ */

typedef struct Marking {
  bool *of;
  bool found;
} Marking;

static void find_marked(Node *n, void *ctx) {
  Marking *m = ctx;
  if (m->of[n->id]) m->found = true;
}

static void set_marked(Node *n, void *ctx) {
  Marking *m = ctx;
  m->of[n->id] = true;
}

void grad_frame_vjp(GradFrame *f, const Vjp *vjp, Node *cotangent, const bool *wanted,
                    Node **adjoint) {
  GradPass *p = f->pass;
  const Region *r = vjp->cotangent->region;
  int total = p->graph->nodes.n, count = r->nodes.n;
  Marking after = {NEWN(p->arena, bool, total), false},
          needed = {NEWN(p->arena, bool, total), false};
  after.of[vjp->cotangent->id] = true;
  for (int i = 0; i < count; i++) { /* what depends on the cotangent */
    after.found = false;
    ir_each_read(p->graph, r->nodes.at[i], find_marked, &after);
    if (after.found) after.of[r->nodes.at[i]->id] = true;
  }
  for (int k = 0; k < vjp->wrt.n; k++)
    if (wanted[k]) needed.of[vjp->adjoint.at[k]->id] = true;
  for (int i = count - 1; i >= 0; i--) /* and leads to an adjoint */
    if (needed.of[r->nodes.at[i]->id] && after.of[r->nodes.at[i]->id])
      ir_each_read(p->graph, r->nodes.at[i], set_marked, &needed);
  Copier c = {.frame = f, .to = f->backward, .map = NEWN(p->arena, Node *, total), .nmap = total};
  c.map[vjp->cotangent->id] = cotangent;
  for (int i = 0; i < count; i++) {
    Node *n = r->nodes.at[i];
    if (after.of[n->id] && needed.of[n->id] && !c.map[n->id]) c.map[n->id] = copy_node(&c, n);
  }
  for (int k = 0; k < vjp->wrt.n; k++)
    adjoint[k] = wanted[k] ? copy_ref(&c, vjp->adjoint.at[k]) : NULL;
}
