/* SPDX-License-Identifier: MIT */
/* The invariants of a graph. Every pass may rely on them and must leave them:
 *
 *  - a node stands once, in the list of its own region; what it reads stands
 *    before it, there or in a region around it
 *  - expressions are typed, their variables below nvars, their loop counters
 *    those of loops around the node; a read has an index for each axis
 *  - an index is proved in bounds by intervals, or is asked for only under a
 *    guard, select, and, or
 *  - extents match shapes, carries match init and next, results their slots, of which each
 *    has one at most
 *  - no output and no update needs a cotangent, which has no value
 *  - integer nodes keep the range of what feeds them, and all but the step lie in 32 bits
 *  - mark is 0 and note NULL between passes
 */
#include "compiler/ir/ir.h"
#include "compiler/ir/verify.h"
#include "compiler/ir/walk.h"

#include <string.h>

typedef struct Verifier {
  Graph *g;
  int *order; /* by node id: position in the text, 0 = not in the graph */
  int next;
  Node *node;                 /* being verified */
  uint8_t **finals, **stacks; /* by loop id and slot: met */
  bool fine;                  /* of a visit */
  const char *broken;
} Verifier;

static bool fail(Verifier *v, const char *fmt, ...) TD_PRINTF(2, 3);

static bool fail(Verifier *v, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  const char *what = arena_vprintf(v->g->arena, fmt, ap);
  va_end(ap);
  if (v->node && v->node->span.line > 0)
    v->broken = arena_printf(v->g->arena, "node %d '%s' (line %d): %s", v->node->id, v->node->name,
                             v->node->span.line, what);
  else if (v->node)
    v->broken = arena_printf(v->g->arena, "node %d '%s': %s", v->node->id, v->node->name, what);
  else
    v->broken = what;
  return false;
}

/* ---- order ------------------------------------------------------------------------ */

static bool number(Verifier *v, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (!n) return fail(v, "a region holds a null node");
    if (n->id < 0 || n->id >= v->g->nodes.n || v->g->nodes.at[n->id] != n)
      return fail(v, "the node '%s' is not the graph's", n->name ? n->name : "");
    v->node = n;
    if (v->order[n->id]) return fail(v, "stands in two places");
    if (n->region != r) return fail(v, "stands in a region that is not its own");
    v->order[n->id] = ++v->next;
    if (n->kind != N_LOOP) continue;
    Loop *l = n->loop;
    if (!l || l->node != n || !l->body || l->body->loop != l || l->body->parent != r)
      return fail(v, "the loop and its body do not refer to each other");
    if (l->id < 0 || l->id >= v->g->loops.n || v->g->loops.at[l->id] != l)
      return fail(v, "the loop is not the graph's");
    if (!number(v, l->body)) return false;
  }
  return true;
}

/* May `reader`'s region read n at `reader`'s place? */
static bool readable(Verifier *v, const Region *from, int place, const Node *n) {
  if (!n || !v->order[n->id])
    return fail(v, "reads '%s', which is not in the graph", n ? n->name : "nothing");
  if (n->kind == N_LOOP) return fail(v, "reads a loop, which has no value");
  if (!ir_visible(from, n)) return fail(v, "reads '%s' inside a loop from outside", n->name);
  if (v->order[n->id] >= place) return fail(v, "reads '%s', which comes later", n->name);
  return true;
}

static bool readable_here(Verifier *v, const Node *n) {
  return readable(v, v->node->region, v->order[v->node->id], n);
}

/* ---- expressions --------------------------------------------------------------------- */

static bool verify_prim(Verifier *v, const Expr *e) {
  const PrimInfo *info = prim_info(e->prim);
  Type types[3] = {TY_REAL, TY_REAL, TY_REAL}, result;
  if (e->nargs != info->arity) return fail(v, "%s with %d arguments", info->name, e->nargs);
  for (int k = 0; k < e->nargs; k++) types[k] = e->args[k]->type;
  if (!prim_result(e->prim, types, &result) || result != e->type)
    return fail(v, "%s of the wrong types", info->name);
  if (prim_draws(e->prim) &&
      (e->args[0]->kind != E_INT || e->args[0]->inum < 0 || e->args[0]->inum > (int64_t)UINT32_MAX))
    return fail(v, "the site of %s is no 32-bit constant", info->name);
  return true;
}

static bool verify_one(Verifier *v, const Expr *e) {
  switch (e->kind) {
  case E_NUM:
    return e->type == TY_REAL || fail(v, "a real constant of type %s", type_name(e->type));
  case E_INT: return e->type == TY_INT || fail(v, "an int constant of type %s", type_name(e->type));
  case E_BOOL:
    return e->type == TY_BOOL || fail(v, "a bool constant of type %s", type_name(e->type));
  case E_VAR:
    if (e->inum < 0 || e->inum >= v->node->nvars)
      return fail(v, "uses variable %d of %d", (int)e->inum, v->node->nvars);
    return true;
  case E_LOOPVAR:
    return ir_inside(v->node->region, e->loop) ||
           fail(v, "uses the counter of '%s' outside of it", e->loop->var);
  case E_READ:
    if (!readable_here(v, e->node)) return false;
    if (e->nargs != e->node->rank)
      return fail(v, "reads '%s' with %d indices", e->node->name, e->nargs);
    if (e->type != e->node->type)
      return fail(v, "reads '%s' as %s", e->node->name, type_name(e->type));
    for (int k = 0; k < e->nargs; k++)
      if (e->args[k]->type != TY_INT)
        return fail(v, "index %d of '%s' is no integer", k, e->node->name);
    return true;
  case E_PRIM: return verify_prim(v, e);
  }
  return fail(v, "an expression of no kind");
}

static bool verify_expr(Verifier *v, Expr *e) {
  ExprWalk *w = walk_take(v->g, e);
  bool fine = true;
  for (int i = 0; i < w->n && fine; i++) fine = verify_one(v, w->order[i]);
  walk_give(v->g, w);
  return fine;
}

static bool in_bounds(Verifier *v, const Expr *index, int64_t extent) {
  return ex_in_range(v->g, index, v->node->extent, v->node->nvars, extent);
}

static void verify_read(Expr *e, void *ctx) {
  Verifier *v = ctx;
  for (int k = 0; e->kind == E_READ && k < e->nargs && v->fine; k++)
    if (!in_bounds(v, e->args[k], e->node->shape[k]))
      v->fine = fail(v, "index %d of the read of '%s' is neither proved below %lld nor guarded", k,
                     e->node->name, (long long)e->node->shape[k]);
}

/* What is computed whatever the values: its reads must be proved. */
static bool verify_bounds(Verifier *v, Expr *root) {
  v->fine = true;
  if (root->reads) ex_visit_eager(v->g, root, verify_read, v);
  return v->fine;
}

bool ir_proved(Graph *g, Node *n, bool all) {
  Verifier v = {.g = g, .node = n};
  for (int k = 0; k < n->nvars; k++)
    if (n->extent[k] == 0) return true;
  if (all && !ex_reads_in_range(g, n->guard, n->extent, n->nvars)) return false;
  if (all && !ex_reads_in_range(g, n->body, n->extent, n->nvars)) return false;
  if (n->guard && !all) return verify_bounds(&v, n->guard);
  bool fine = verify_bounds(&v, n->body);
  for (int k = 0; n->kind == N_SCATTER && k < n->rank && fine; k++)
    fine = verify_bounds(&v, n->index[k]) && in_bounds(&v, n->index[k], n->shape[k]);
  return fine;
}

/* ---- nodes --------------------------------------------------------------------------- */

static bool same_shape(const Node *a, const Node *b) {
  if (a->rank != b->rank || a->type != b->type) return false;
  for (int k = 0; k < a->rank; k++)
    if (a->shape[k] != b->shape[k]) return false;
  return true;
}

static bool holds_range(const Node *outer, const Node *inner) {
  return outer->type != TY_INT || (outer->lo <= inner->lo && outer->hi >= inner->hi);
}

static bool is_empty(const Node *n) {
  for (int k = 0; k < n->nvars; k++)
    if (n->extent[k] == 0) return true;
  return false;
}

/* Guard and body, as far as they are computed whatever the values. */
static bool verify_eager(Verifier *v) {
  const Node *n = v->node;
  if (is_empty(n)) return true;
  return n->guard ? verify_bounds(v, n->guard) : verify_bounds(v, n->body);
}

/* Where a scatter's values go. */
static bool verify_places(Verifier *v) {
  const Node *n = v->node;
  if (is_empty(n) || n->guard) return true;
  for (int k = 0; k < n->rank; k++) {
    if (!verify_bounds(v, n->index[k])) return false;
    if (!in_bounds(v, n->index[k], n->shape[k]))
      return fail(v, "index %d is neither proved below %lld nor guarded", k,
                  (long long)n->shape[k]);
  }
  return true;
}

static bool verify_extents(Verifier *v) {
  Node *n = v->node;
  if (n->nvars < 0 || n->nvars > IR_MAX_VARS) return fail(v, "has %d variables", n->nvars);
  int64_t count = 1;
  for (int k = 0; k < n->nvars; k++) {
    if (n->extent[k] < 0) return fail(v, "variable %d has a negative extent", k);
    if (n->extent[k] > 0 && !mul_fits(count, n->extent[k], &count))
      return fail(v, "its index space overflows");
  }
  if (!n->body) return fail(v, "has no body");
  if (n->guard &&
      (!verify_expr(v, n->guard) || (n->guard->type != TY_BOOL && fail(v, "its guard is no bool"))))
    return false;
  return verify_expr(v, n->body) && verify_eager(v);
}

static bool verify_comp(Verifier *v) {
  Node *n = v->node;
  if (n->nvars < n->rank) return fail(v, "has fewer variables than axes");
  if ((n->reducer == RED_NONE) != (n->nvars == n->rank))
    return fail(v, "%s over %d variables", reducer_name(n->reducer), n->nvars - n->rank);
  for (int k = 0; k < n->rank; k++)
    if (n->extent[k] != n->shape[k])
      return fail(v, "variable %d has another extent than axis %d", k, k);
  if (!verify_extents(v)) return false;
  Type body = n->body->type;
  if (n->type != (n->reducer == RED_ARGMAX ? TY_INT : body))
    return fail(v, "its body is %s", type_name(body));
  if (body == TY_BOOL &&
      (n->reducer == RED_SUM || n->reducer == RED_PROD || n->reducer == RED_ARGMAX))
    return fail(v, "%s of bools", reducer_name(n->reducer));
  return true;
}

static bool verify_scatter(Verifier *v) {
  Node *n = v->node;
  for (int k = 0; k < n->rank; k++) {
    if (!n->index[k]) return fail(v, "index %d is missing", k);
    if (n->index[k]->type != TY_INT) return fail(v, "index %d is no integer", k);
    if (!verify_expr(v, n->index[k])) return false;
  }
  if (!verify_extents(v)) return false;
  if (n->body->type != n->type || n->type == TY_BOOL)
    return fail(v, "adds %s", type_name(n->body->type));
  return verify_places(v);
}

static bool verify_view(Verifier *v) {
  Node *n = v->node;
  int64_t end;
  if (!readable_here(v, n->base)) return false;
  if (n->base->rank != 1 || n->base->type != n->type)
    return fail(v, "its base is not a flat %s", type_name(n->type));
  if (n->offset < 0 || !add_fits(n->offset, ir_count(n), &end) || end > n->base->shape[0])
    return fail(v, "reaches beyond its base");
  return holds_range(n, n->base) || fail(v, "has a narrower range than its base");
}

static bool verify_pack(Verifier *v) {
  Node *n = v->node;
  int64_t total = 0;
  if (n->parts.n < 1) return fail(v, "packs nothing");
  for (int i = 0; i < n->parts.n; i++) {
    Node *part = n->parts.at[i];
    if (!readable_here(v, part)) return false;
    if (part->type != n->type) return fail(v, "part %d is %s", i, type_name(part->type));
    if (!holds_range(n, part)) return fail(v, "has a narrower range than part %d", i);
    if (!add_fits(total, ir_count(part), &total)) return fail(v, "is too large");
  }
  if (n->rank != 1 || n->shape[0] != total)
    return fail(v, "has not the %lld elements of its parts", (long long)total);
  return true;
}

static bool verify_loop(Verifier *v) {
  Node *n = v->node;
  Loop *l = n->loop;
  if (l->count < 0) return fail(v, "runs %lld times", (long long)l->count);
  v->finals[l->id] = NEWN(v->g->arena, uint8_t, l->carries.n + 1);
  v->stacks[l->id] = NEWN(v->g->arena, uint8_t, l->emits.n + 1);
  int end = v->order[n->id];
  for (int i = 0; i < l->body->nodes.n; i++) /* the last position inside, nested loops included */
    if (v->order[l->body->nodes.at[i]->id] > end) end = v->order[l->body->nodes.at[i]->id];
  for (int k = 0; k < l->carries.n; k++) {
    Carry *c = &l->carries.at[k];
    if (!readable_here(v, c->init)) return false;
    if (!c->in || !v->order[c->in->id] || c->in->kind != N_CARRY || c->in->loop != l ||
        c->in->slot != k || c->in->region != l->body)
      return fail(v, "carry %d has no node in the body", k);
    if (!c->next) return fail(v, "carry '%s' has no next", c->in->name);
    if (!readable(v, l->body, end + 1, c->next)) return false;
    if (!same_shape(c->in, c->init))
      return fail(v, "carry '%s' has another shape or type than its init", c->in->name);
    if (!same_shape(c->in, c->next))
      return fail(v, "carry '%s' has another shape or type than its next", c->in->name);
    if (!holds_range(c->in, c->init) || !holds_range(c->in, c->next))
      return fail(v, "carry '%s' has a narrower range than its init or next", c->in->name);
  }
  for (int k = 0; k < l->emits.n; k++)
    if (!readable(v, l->body, end + 1, l->emits.at[k])) return false;
  return true;
}

static bool verify_result(Verifier *v) {
  Node *n = v->node;
  Loop *l = n->loop;
  if (!l || !v->order[l->node->id] || l->node->region != n->region)
    return fail(v, "its loop is not beside it");
  if (v->order[l->node->id] > v->order[n->id]) return fail(v, "comes before its loop");
  if (n->kind == N_FINAL) {
    if (n->slot < 0 || n->slot >= l->carries.n) return fail(v, "there is no carry %d", n->slot);
    Node *in = l->carries.at[n->slot].in;
    if (v->finals[l->id][n->slot]++) return fail(v, "the carry has another result");
    if (!same_shape(n, in)) return fail(v, "has another shape or type than the carry");
    return holds_range(n, in) || fail(v, "has a narrower range than the carry");
  }
  if (n->slot < 0 || n->slot >= l->emits.n) return fail(v, "there is no emit %d", n->slot);
  if (v->stacks[l->id][n->slot]++) return fail(v, "emit %d has another result", n->slot);
  Node *emit = l->emits.at[n->slot];
  bool fits = n->rank == emit->rank + 1 && n->type == emit->type && n->shape[0] == l->count;
  for (int k = 0; k < emit->rank && fits; k++) fits = n->shape[k + 1] == emit->shape[k];
  if (!fits) return fail(v, "is no stack of what the loop emits");
  return holds_range(n, emit) || fail(v, "has a narrower range than what the loop emits");
}

static bool verify_vjp(Verifier *v) {
  Node *n = v->node;
  Vjp *x = n->vjp;
  if (!x->cotangent && x->wrt.n == 0) return true; /* a constant to differentiation */
  if (!x->cotangent || !v->order[x->cotangent->id] || x->cotangent->kind != N_COTANGENT)
    return fail(v, "its derivative has no cotangent");
  if (!same_shape(n, x->cotangent)) return fail(v, "its cotangent has another shape or type");
  if (x->wrt.n != x->adjoint.n) return fail(v, "%d adjoints for %d values", x->adjoint.n, x->wrt.n);
  for (int i = 0; i < x->wrt.n; i++) {
    if (!x->wrt.at[i] || !v->order[x->wrt.at[i]->id])
      return fail(v, "its derivative is by a node that is not there");
    Node *a = x->adjoint.at[i];
    if (!a) continue;
    if (!v->order[a->id]) return fail(v, "adjoint %d is not in the graph", i);
    if (!same_shape(a, x->wrt.at[i]))
      return fail(v, "adjoint %d has another shape or type than its value", i);
  }
  return true;
}

static bool verify_node(Verifier *v, Node *n) {
  v->node = n;
  if (!n->name) return fail(v, "has no name");
  if (n->rank < 0 || n->rank > IR_MAX_RANK) return fail(v, "has rank %d", n->rank);
  int64_t count = 1;
  for (int k = 0; k < n->rank; k++) {
    if (n->shape[k] < 0) return fail(v, "axis %d has a negative extent", k);
    if (!mul_fits(count, n->shape[k], &count)) return fail(v, "has too many elements");
  }
  if (n->type == TY_INT && n->lo > n->hi && count > 0) return fail(v, "its range is empty");
  if (n->type == TY_INT && n->kind != N_LOOP && n != v->g->step && count > 0 &&
      (n->lo < IR_INT_MIN || n->hi > IR_INT_MAX))
    return fail(v, "its integers may not fit 32 bits");
  if (n->mark != 0 || n->note != NULL) return fail(v, "a pass left its mark");
  if (n->vjp && !verify_vjp(v)) return false;
  switch (n->kind) {
  case N_INPUT:
  case N_STATE: return n->region == v->g->top || fail(v, "stands in a loop");
  case N_CONST: return n->data != NULL || count == 0 || fail(v, "has no data");
  case N_VIEW: return verify_view(v);
  case N_PACK: return verify_pack(v);
  case N_COMP: return verify_comp(v);
  case N_SCATTER: return verify_scatter(v);
  case N_LOOP: return verify_loop(v);
  case N_CARRY:
    return (n->loop && n->region == n->loop->body && n->slot >= 0 && n->slot < n->loop->carries.n &&
            n->loop->carries.at[n->slot].in == n) ||
           fail(v, "is no carry of its loop");
  case N_FINAL:
  case N_STACK: return verify_result(v);
  case N_COTANGENT: return true;
  }
  return fail(v, "is of no kind");
}

static bool verify_region(Verifier *v, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (!verify_node(v, n)) return false;
    if (n->kind == N_LOOP && !verify_region(v, n->loop->body)) return false;
  }
  return true;
}

/* ---- the graph's ends -------------------------------------------------------------------- */

static bool at_top(Verifier *v, const Node *n, const char *what) {
  if (!n || !v->order[n->id] || n->region != v->g->top || n->kind == N_LOOP)
    return fail(v, "%s is no value of the top region", what);
  return true;
}

static bool verify_ends(Verifier *v) {
  Graph *g = v->g;
  v->node = NULL;
  for (int i = 0; i < g->outputs.n; i++) {
    const Output *o = &g->outputs.at[i];
    if (!o->name) return fail(v, "an output without a name");
    if (!at_top(v, o->node, arena_printf(g->arena, "the output '%s'", o->name))) return false;
    for (int k = 0; k < i; k++)
      if (strcmp(g->outputs.at[k].name, o->name) == 0) return fail(v, "two outputs '%s'", o->name);
  }
  for (int i = 0; i < g->updates.n; i++) {
    const Update *u = &g->updates.at[i];
    if (!at_top(v, u->state, "an updated state") || !at_top(v, u->value, "the value of an update"))
      return false;
    if (u->state->kind != N_STATE)
      return fail(v, "an update of '%s', which is no state", u->state->name);
    if (!same_shape(u->state, u->value))
      return fail(v, "the update of '%s' has another shape or type", u->state->name);
    if (!holds_range(u->state, u->value))
      return fail(v, "the update of '%s' has a wider range", u->state->name);
    for (int k = 0; k < i; k++)
      if (g->updates.at[k].state == u->state) return fail(v, "two updates of '%s'", u->state->name);
  }
  if (g->step && (!at_top(v, g->step, "the step") || g->step->kind != N_INPUT ||
                  g->step->type != TY_INT || g->step->rank != 0))
    return v->broken ? false : fail(v, "the step is no integer input of rank 0");
  const Node *missing = ir_missing(g);
  if (missing) v->node = g->nodes.at[missing->id];
  return !missing || fail(v, "has no value, but an output or an update needs it");
}

/* Inputs and states are known by name outside. */
static bool verify_names(Verifier *v) {
  VEC(Node *) named = {0};
  for (int i = 0; i < v->g->top->nodes.n; i++) {
    Node *n = v->g->top->nodes.at[i];
    if (n->kind == N_INPUT || n->kind == N_STATE) vec_push(v->g->arena, &named, n);
  }
  for (int i = 0; i < named.n; i++)
    for (int k = 0; k < i; k++)
      if (named.at[i]->kind == named.at[k]->kind &&
          strcmp(named.at[i]->name, named.at[k]->name) == 0) {
        v->node = named.at[i];
        return fail(v, "another %s has this name",
                    named.at[i]->kind == N_INPUT ? "input" : "state");
      }
  return true;
}

const char *ir_verify_where(Graph *g, Node **where) {
  Verifier v = {.g = g};
  v.order = NEWN(g->arena, int, g->nodes.n + 1);
  v.finals = NEWN(g->arena, uint8_t *, g->loops.n + 1);
  v.stacks = NEWN(g->arena, uint8_t *, g->loops.n + 1);
  if (number(&v, g->top) && verify_region(&v, g->top) && verify_ends(&v)) verify_names(&v);
  *where = v.broken ? v.node : NULL;
  return v.broken;
}

const char *ir_verify(Graph *g) {
  Node *where;
  return ir_verify_where(g, &where);
}
