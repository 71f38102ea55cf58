/* SPDX-License-Identifier: MIT */
/* Storage: a buffer and an offset for every node that has one. A value is
 * written where its owner keeps it: into its part of a pack, its row of a stack,
 * the carry it starts; views are places inside their base.
 *
 * needs       owners, groups, and which of them are dropped, are final
 * guarantees  every node that is in memory has a place; two share elements only if one is
 *             stored for the other or shows it; buffers have their kind and shape, and a
 *             type that plan_narrow may change
 *
 *     pack g = a, s; stack s of r, in a loop with counter i
 * ->  g = b0; a = b0; s = b0 + |a|; r = b0 + |a| + i * |r|                          */
#include "compiler/plan/plan.h"

int plan_buffer(Plan *p, TdBufferKind kind, const char *name, Type type, int rank,
                const int64_t *shape) {
  PlanBuffer b = {.first = -1, .last = -1};
  b.td.kind = kind;
  b.td.name = name;
  b.td.type = plan_storage(type);
  b.td.rank = rank;
  b.td.count = 1;
  b.td.state = -1;
  for (int d = 0; d < rank; d++) {
    b.td.shape[d] = shape[d];
    b.td.count *= shape[d];
  }
  b.td.pitch = rank > 0 ? shape[rank - 1] : 1;
  int64_t bytes;
  if (!mul_fits(b.td.count, (int64_t)td_type_size(b.td.type), &bytes))
    bug("'%s' is too large", name);
  b.td.bytes = (size_t)bytes;
  vec_push(p->arena, &p->buffers, b);
  return p->buffers.n - 1;
}

static Place whole(int buffer) { return (Place){.buffer = buffer}; }

static Place own_buffer(Plan *p, const Node *n, TdBufferKind kind) {
  int b = plan_buffer(p, kind, n->name, n->type, n->rank, n->shape);
  p->buffers.at[b].td.lo = n->lo;
  p->buffers.at[b].td.hi = n->hi;
  p->buffers.at[b].td.count = plan_room(p, n);
  p->buffers.at[b].td.pitch = plan_pitch(p, n);
  p->buffers.at[b].td.bytes =
      (size_t)p->buffers.at[b].td.count * td_type_size(p->buffers.at[b].td.type);
  return whole(b);
}

static Place state_buffer(Plan *p, const Node *n) {
  Place at = own_buffer(p, n, TD_STATE);
  p->buffers.at[at.buffer].td.state =
      plan_state(p->arena, p->states, n->name, n->type, n->rank, n->shape);
  return at;
}

static const void *const_data(Plan *p, const Node *n) {
  int64_t count = ir_count(n);
  void *data = arena_alloc(p->arena, (size_t)count * td_type_size(plan_storage(n->type)));
  for (int64_t i = 0; i < count; i++) {
    if (n->type == TY_REAL)
      ((float *)data)[i] = (float)n->data[i];
    else if (n->type == TY_INT)
      ((int32_t *)data)[i] = (int32_t)n->data[i];
    else
      ((uint8_t *)data)[i] = n->data[i] != 0;
  }
  return data;
}

static Place place_of(Plan *p, Node *n);
static Place carry_row(Plan *p, Node *in, int64_t row);

/* Where its part `index` begins, in elements. */
static int64_t part_at(Plan *p, const Node *pack, int index) {
  if (!plan_info(p, pack)->part_at) {
    int64_t *at = NEWN(p->arena, int64_t, pack->parts.n + 1);
    for (int i = 0; i < pack->parts.n; i++) at[i + 1] = at[i] + ir_count(pack->parts.at[i]);
    plan_info(p, pack)->part_at = at;
  }
  return plan_info(p, pack)->part_at[index];
}

/* Where n's owner keeps it. */
static Place owned_place(Plan *p, Node *n, Node *owner) {
  Place at = place_of(p, owner);
  if (owner->kind == N_PACK) {
    at.offset += part_at(p, owner, plan_info(p, n)->owner_index);
  } else if (owner->kind == N_STACK) {
    at.stride[plan_depth(owner->loop->node->region)] += plan_room(p, n);
  } else if (owner->kind == N_CARRY && plan_info(p, owner)->rows) {
    int64_t row = plan_room(p, n);
    if (plan_info(p, n)->owner_index == 0)
      at = carry_row(p, owner, owner->loop->reverse ? owner->loop->count : 0);
    else
      at.offset += owner->loop->reverse ? -row : row;
  }
  return at;
}

/* A carry kept as rows: iteration i of count finds row i and leaves row i + 1;
 * in reverse it finds row i + 1 and leaves row i. */
static Place new_rows(Plan *p, const Node *n) {
  int64_t shape[IR_MAX_RANK] = {n->loop->count + 1, plan_room(p, n)};
  Place at = whole(plan_buffer(p, TD_TEMP, n->name, n->type, 2, shape));
  at.stride[plan_depth(n->loop->node->region)] = shape[1];
  at.offset = n->loop->reverse ? shape[1] : 0;
  return at;
}

static Place carry_row(Plan *p, Node *in, int64_t row) {
  Place at = place_of(p, in);
  at.stride[plan_depth(in->loop->node->region)] = 0;
  at.offset = row * plan_room(p, in);
  return at;
}

static Place find_place(Plan *p, Node *n) {
  Node *owner = plan_info(p, n)->owner;
  switch (n->kind) {
  case N_INPUT: return own_buffer(p, n, TD_INPUT);
  case N_STATE: return state_buffer(p, n);
  case N_CONST: {
    Place at = own_buffer(p, n, TD_CONST);
    p->buffers.at[at.buffer].td.data = const_data(p, n);
    return at;
  }
  case N_VIEW: {
    Place at = place_of(p, n->base);
    at.offset += n->offset;
    return at;
  }
  case N_FINAL: {
    Node *in = n->loop->carries.at[n->slot].in;
    if (!plan_info(p, in)->rows) return place_of(p, in);
    return carry_row(p, in, n->loop->reverse ? 0 : n->loop->count);
  }
  case N_CARRY: return plan_info(p, n)->rows ? new_rows(p, n) : own_buffer(p, n, TD_TEMP);
  case N_COMP:
  case N_SCATTER:
  case N_STACK:
  case N_PACK:
    if (plan_info(p, n)->rows_of)
      return carry_row(p, plan_info(p, n)->rows_of, n->loop->reverse != plan_info(p, n)->rows_next);
    if (owner && owner != n) return owned_place(p, n, owner);
    return own_buffer(p, n, plan_info(p, n)->kept ? TD_KEPT : TD_TEMP);
  case N_LOOP:
  case N_COTANGENT: break;
  }
  bug("'%s' has no value to store", n->name);
}

static bool needs_no_place(Plan *p, const Node *n) {
  const NodeInfo *info = plan_info(p, n);
  return n->kind == N_COTANGENT || n == p->g->step || info->local ||
         (info->group && info->group->dropped);
}

static Place place_of(Plan *p, Node *n) {
  if (!plan_info(p, n)->placed) {
    Place at = find_place(p, n);
    plan_info(p, n)->place = at;
    plan_info(p, n)->placed = true;
  }
  return plan_info(p, n)->place;
}

static void place_region(Plan *p, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      place_region(p, n->loop->body);
    else if (!needs_no_place(p, n))
      place_of(p, n);
  }
}

void plan_place(Plan *p) { place_region(p, p->g->top); }
