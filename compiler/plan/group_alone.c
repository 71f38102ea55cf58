/* SPDX-License-Identifier: MIT */
/* A node that joins nothing makes a group of its own: rows along memory, a matrix product, a
 * scatter, or partial sums of it. See group.h. */
#include "compiler/plan/contract.h"
#include "compiler/plan/group.h"

typedef struct Strides {
  Plan *p;
  const Node *n;
  int out, red;
  int64_t weight_out, weight_red;
} Strides;

static void weigh(Expr *e, void *ctx) {
  Strides *s = ctx;
  if (e->kind != E_READ) return;
  int64_t stride = 1, by_out = 0, by_red = 0, count = 1;
  for (int d = e->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (ex_affine(s->p->g, e->args[d], &a)) {
      if (s->out >= 0) by_out += a.coef[s->out] * stride;
      if (s->red >= 0) by_red += a.coef[s->red] * stride;
    }
    stride *= e->node->shape[d];
    if (e->args[d]->vars)
      count *= e->node->shape[d]; /* of one iteration: a row of a stack is no more than the value */
  }
  if (by_out == 1 || by_out == -1) s->weight_out += count;
  if (by_red == 1 || by_red == -1) s->weight_red += count;
}

/* Does memory run along the last output variable rather than the last reduced? */
static bool runs_along_output(Plan *p, const Node *n) {
  if (n->rank == 0) return false;
  Strides s = {p, n, n->rank - 1, n->nvars - 1, 0, 0};
  ex_visit(p->g, n->body, weigh, &s);
  return s.weight_out > s.weight_red;
}

/* Few results from many values: partial sums over leading reduced variables. */
static bool own_partial_sums(Plan *p, Node *n, int *nrows, int *rowvar) {
  int64_t out = extents_product(n->extent, n->rank), work = ir_evaluations(n);
  if (!node_accumulates(n) || work < p->target->rows.split_work ||
      work / out < p->target->rows.split_terms || out > p->target->rows.row_most)
    return false;
  bool column = runs_along_output(p, n);
  int64_t parallel = column ? out / n->extent[n->rank - 1] : out;
  if (parallel >= p->target->rows.rows_least) return false;
  int64_t rows = 1;
  *nrows = 0;
  for (int v = n->rank; v < n->nvars; v++) { /* leave an inner loop, unless outputs are one */
    bool last = v == n->nvars - 1;
    if (n->extent[v] == 1) continue;
    if (rows >= p->target->rows.partials_most || (last && !column && *nrows > 0)) break;
    rowvar[(*nrows)++] = v;
    rows *= n->extent[v];
  }
  /* the second sum has far fewer terms, or it would be split again and again */
  int64_t partials = rows < p->target->rows.partials_most ? rows : p->target->rows.partials_most;
  return rows >= p->target->rows.rows_least && work / out >= 4 * partials;
}

/* n alone, each of its elements a row. */
static void group_add_all(Plan *p, Group *g, Node *n) {
  int rowvar[IR_MAX_VARS];
  for (int v = 0; v < n->rank; v++) {
    if (n->extent[v] == 1) continue;
    rowvar[g->nrows] = v;
    g->row_extent[g->nrows++] = n->extent[v];
  }
  group_add(p, g, n, rowvar, false);
}

bool group_alone(Plan *p, Node *n) {
  Group *g = plan_new_group(p, n->region, n->kind == N_SCATTER ? GROUP_SCATTER : GROUP_ROWS);
  int rowvar[IR_MAX_VARS];
  for (int k = 0; k < IR_MAX_VARS; k++) rowvar[k] = k;
  g->late = plan_info(p, n)->commits != NULL;
  g->once = plan_info(p, n)->once;
  if (g->kind == GROUP_SCATTER) {
    group_add(p, g, n, rowvar, false);
    return true;
  }
  if (p->options->contractions && contract_matches(p->g, &p->target->products, n)) {
    Node *sums = group_pieces(p, n);
    g->kind = GROUP_CONTRACTION;
    g->contraction = contract_find(p->g, &p->target->products, sums);
    group_add_all(p, g, sums);
    return sums == n;
  } else if (p->options->fuse_rows && own_partial_sums(p, n, &g->nrows, rowvar)) {
    for (int k = 0; k < g->nrows; k++) g->row_extent[k] = n->extent[rowvar[k]];
    group_split_sum(p, g, n, rowvar);
    return false;
  }
  int outer = n->rank;
  if (g->kind == GROUP_ROWS && n->reducer != RED_NONE && runs_along_output(p, n) &&
      !plan_adds_up(p, n))
    outer--;
  g->nrows = 0;
  for (int v = 0; v < outer; v++) {
    if (n->extent[v] == 1) continue; /* rows are what varies */
    rowvar[g->nrows] = v;
    g->row_extent[g->nrows++] = n->extent[v];
  }
  if (g->nrows == 0) vec_push(p->arena, &p->scalars, g);
  group_add(p, g, n, rowvar, false);
  return true;
}
