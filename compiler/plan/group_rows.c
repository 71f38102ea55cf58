/* SPDX-License-Identifier: MIT */
/* What a group consists of: members, rows, and sums over its rows. See group.h. */
#include "compiler/ir/walk.h"
#include "compiler/plan/group.h"

int64_t extents_product(const int64_t *x, int n) {
  int64_t p = 1;
  for (int i = 0; i < n; i++) p *= x[i];
  return p;
}

/* Rows of one piece, when members accumulate. */
static int64_t block_of(const TargetRows *t, const Group *g) {
  int64_t rows = extents_product(g->row_extent, g->nrows), most = t->partials_most;
  int64_t block = (rows + most - 1) / most, unit = t->partial_unit;
  if (t->partial_rows > 0 && block > t->partial_rows) {
    block = (rows + 2 * most - 1) / (2 * most);
    if (block < t->partial_rows) block = t->partial_rows;
  }
  if (g->nrows == 1 && block > 1) block = (block + unit - 1) / unit * unit;
  return block > 0 ? block : 1;
}

int64_t group_work(const Group *g) {
  int64_t work = 0;
  for (int i = 0; i < g->members.n; i++) work += ir_evaluations(g->members.at[i].node);
  return work;
}

int64_t node_trailing(const Node *n, const int *rowvar, int nrows) {
  int64_t count = 1;
  for (int v = 0; v < n->nvars; v++) {
    bool row = false;
    for (int k = 0; k < nrows; k++) row = row || rowvar[k] == v;
    if (!row) count *= n->extent[v];
  }
  return count;
}

int node_exprs(Plan *p, const Node *n) {
  ExprWalk *w = walk_take(p->g, n->body);
  const int exprs = w->n;
  walk_give(p->g, w);
  return exprs;
}

bool group_is_elementwise(const Group *g) {
  for (int i = 0; i < g->members.n; i++)
    if (node_trailing(g->members.at[i].node, g->members.at[i].rowvar, g->nrows) != 1) return false;
  return true;
}

void group_add(Plan *p, Group *g, Node *n, const int *rowvar, bool accumulates) {
  Member m = {.node = n, .stored = true, .accumulates = accumulates};
  for (int k = 0; k < g->nrows; k++) m.rowvar[k] = rowvar[k];
  vec_push(p->arena, &g->members, m);
  g->exprs += node_exprs(p, n);
  plan_info(p, n)->group = g;
  node_sources(p, n); /* partial sums are new */
}

void group_set_rows(Plan *p, Group *g, int nrows) {
  if (nrows == 0 && g->nrows > 0) vec_push(p->arena, &p->scalars, g);
  g->nrows = nrows;
}

/* y = red over r of body becomes partial[block] = red over the block's rows, in
 * g, and y = red over blocks of partial. */
void group_split_sum(Plan *p, Group *g, Node *y, const int *rowvar) {
  int64_t rows = extents_product(g->row_extent, g->nrows),
          block = g->rows_fixed ? g->block : block_of(&p->target->rows, g);
  int64_t shape[IR_MAX_RANK], extent[IR_MAX_VARS];
  if (y->rank + 1 > IR_MAX_RANK) bug("'%s' has too many axes", y->name);
  shape[0] = extent[y->rank] = (rows + block - 1) / block;
  for (int d = 0; d < y->rank; d++) shape[d + 1] = extent[d] = y->shape[d];
  Node *part = ir_node(p->g, y->region, N_COMP, y->type, y->rank + 1, shape, y->name, y->span);
  ir_same_users(p->g, part, y);
  part->lo = y->type == TY_INT ? INT32_MIN : 0;
  part->hi = y->type == TY_INT ? INT32_MAX : 0;
  part->reducer = y->reducer;
  part->again = y->again;
  part->nvars = y->nvars;
  part->guard = y->guard;
  part->body = y->body;
  for (int v = 0; v < y->nvars; v++) part->extent[v] = y->extent[v];
  for (int d = 0; d < y->rank; d++) part->axis[d + 1] = y->axis[d];
  NodeInfo whole = *plan_info(p, y);
  plan_info(p, part)->position = whole.position;
  plan_info(p, part)->once = whole.once;
  group_add(p, g, part, rowvar, true);
  g->rows_fixed = true;
  g->block = block;
  Expr *index[IR_MAX_RANK];
  index[0] = ex_var(p->g, y->rank);
  for (int d = 0; d < y->rank; d++) index[d + 1] = ex_var(p->g, d);
  y->nvars = y->rank + 1;
  y->extent[y->rank] = shape[0];
  y->guard = NULL;
  y->body = ex_read(p->g, part, index);
}

void group_take(Plan *p, Group *g, Group *from) {
  for (int i = 0; i < from->members.n; i++) {
    Member m = from->members.at[i];
    int at = g->members.n;
    vec_push(p->arena, &g->members, m);
    for (; at > 0 &&
           plan_info(p, g->members.at[at - 1].node)->position > plan_info(p, m.node)->position;
         at--)
      g->members.at[at] = g->members.at[at - 1];
    g->members.at[at] = m;
    plan_info(p, m.node)->group = g;
  }
  g->exprs += from->exprs;
  from->members.n = 0;
  from->dropped = true;
}

Group *plan_new_group(Plan *p, Region *r, GroupKind kind) {
  Group *g = NEW(p->arena, Group);
  g->kind = kind;
  g->id = p->groups.n;
  g->region = r;
  vec_push(p->arena, &p->groups, g);
  return g;
}
