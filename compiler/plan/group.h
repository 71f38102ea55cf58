/* SPDX-License-Identifier: MIT */
/* Between the files that cut a region into groups: group.c, and what it asks. */
#ifndef TDC_COMPILER_PLAN_GROUP_H
#define TDC_COMPILER_PLAN_GROUP_H

#include "compiler/plan/plan.h"

/* ---- group_rows.c: what a group consists of ------------------------------------------------- */

int64_t extents_product(const int64_t *x, int n);
/* Evaluations of all members' bodies. */
int64_t group_work(const Group *g);
/* Evaluations of n for one row, where its variables rowvar[0 .. nrows) are the row. */
int64_t node_trailing(const Node *n, const int *rowvar, int nrows);
/* Expressions of n's body. */
int node_exprs(Plan *p, const Node *n);
/* Is each member one number a row? */
bool group_is_elementwise(const Group *g);

void group_set_rows(Plan *p, Group *g, int nrows);
/* n becomes a member; its variable rowvar[k] is row k. */
void group_add(Plan *p, Group *g, Node *n, const int *rowvar, bool accumulates);
/* Sums over the group's rows: partial ones in g; y adds these up, and is not grouped. */
void group_split_sum(Plan *p, Group *g, Node *y, const int *rowvar);

/* ---- group_join.c: what may be in one kernel ------------------------------------------------ */

/* A sum of which parts can be added up by another node? */
bool node_accumulates(const Node *n);
/* n became a member. (Or its partial sums did, and n is as it stands after group_split_sum.) */
bool group_joins(Plan *p, Group *g, Node *n);
/* The same of a group that n does not read, and that reads rows of x as n does. */
bool group_joins_by_share(Plan *p, Group *g, Node *n, const Node *x);
/* n, a member of g, may read `other` too: then g takes it over, where it can. */
void group_absorb(Plan *p, Group *g, Group *other, Node *n);

/* ---- pieces.c: products of few results ------------------------------------------------------ */

/* n, a contraction; or, where it is worth it, a product of its sums by pieces of k, that n then
 * adds up and that is not grouped yet. */
Node *group_pieces(Plan *p, Node *n);

/* ---- group_alone.c -------------------------------------------------------------------------- */

/* A group of n alone. False: of its partial sums; n, which adds them up, is to be grouped. */
bool group_alone(Plan *p, Node *n);

#endif
