/* SPDX-License-Identifier: MIT */
/* The bytes that a plan says its launches move, against a second derivation: every read of
 * every member is carried out on paper, for all values of the variables, and the elements
 * that were touched are counted. The plan may not say less, and hardly more. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/backend.h"
#include "compiler/cpu/cpu.h"
#include "compiler/ir/clone.h"
#include "compiler/ir/text.h"
#include "compiler/passes/pipeline.h"
#include "tests/model.h"

enum { POINTS_MOST = 1 << 21 }; /* of a member: larger ones take too long on paper */

/* ---- integers ------------------------------------------------------------------------- */

/* The value of an index; false when it depends on data, which paper does not have. */
static bool value_of(const Expr *e, const int64_t *var, int64_t *out) {
  int64_t a = 0, b = 0;
  switch (e->kind) {
  case E_INT: *out = e->inum; return true;
  case E_VAR: *out = var[e->inum]; return true;
  case E_LOOPVAR: *out = 0; return true; /* the first iteration: the others are alike */
  case E_PRIM: break;
  case E_NUM:
  case E_BOOL:
  case E_READ: return false;
  }
  if (e->type != TY_INT || e->nargs > 2 || e->args[0]->type != TY_INT) return false;
  if (!value_of(e->args[0], var, &a) || (e->nargs == 2 && !value_of(e->args[1], var, &b)))
    return false;
  return prim_int(e->prim, a, b, out);
}

/* ---- what a group touches --------------------------------------------------------------- */

typedef struct Touched {
  const Node *node;
  uint8_t *element; /* by position: was it read? */
} Touched;

typedef struct Paper {
  Plan *p;
  const Group *g;
  Node *reader;
  int64_t var[IR_MAX_VARS];
  Touched at[64];
  int n;
} Paper;

static Touched *touched(Paper *x, const Node *n) {
  for (int i = 0; i < x->n; i++)
    if (x->at[i].node == n) return &x->at[i];
  assert_true(x->n < 64);
  x->at[x->n] = (Touched){n, calloc((size_t)ir_count(n) + 1, 1)};
  assert_non_null(x->at[x->n].element);
  return &x->at[x->n++];
}

/* What data may decide at worst: another place for other values of the variables. */
static int64_t elsewhere(const Paper *x, const Expr *index, int64_t extent) {
  int64_t i = 0;
  for (int v = 0; v < x->reader->nvars; v++)
    if (index->vars >> v & 1) i = (i * x->reader->extent[v] + x->var[v]) % extent;
  return i;
}

static void touch_element(const Paper *x, const Expr *e, uint8_t *element) {
  const Node *n = e->node;
  int64_t at = 0;
  for (int d = 0; d < n->rank; d++) {
    int64_t i;
    if (!value_of(e->args[d], x->var, &i)) i = elsewhere(x, e->args[d], n->shape[d]);
    if (i < 0 || i >= n->shape[d]) return; /* it stands behind a condition */
    at = at * n->shape[d] + i;
  }
  element[at] = 1;
}

static void touch(Expr *e, void *ctx) {
  Paper *x = ctx;
  if (e->kind != E_READ || e->node == x->p->g->step) return;
  const NodeInfo *info = plan_info(x->p, e->node);
  if (info->group == x->g || !info->placed) return;
  touch_element(x, e, touched(x, e->node)->element);
}

static void touch_member(Paper *x, const Member *m) {
  x->reader = m->node;
  memset(x->var, 0, sizeof x->var);
  for (int v = 0; v < m->node->nvars; v++)
    if (m->node->extent[v] == 0) return;
  for (;;) {
    ir_visit_exprs(x->p->g, m->node, touch, x);
    int v = m->node->nvars - 1;
    while (v >= 0 && ++x->var[v] == m->node->extent[v]) x->var[v--] = 0;
    if (v < 0) return;
  }
}

static double bytes_of(Plan *p, const Node *n, int64_t count) {
  return (double)count * (double)td_type_size(plan_type(p, n));
}

/* -1: the group is too large, or of a kind whose reads are not its members'. */
static double on_paper(Plan *p, Group *g) {
  Paper x = {.p = p, .g = g};
  double bytes = 0;
  if (g->dropped || g->packed ||
      (g->kind != GROUP_ROWS && g->kind != GROUP_SCATTER && g->kind != GROUP_CONTRACTION))
    return -1;
  for (int i = 0; i < g->members.n; i++)
    if (ir_evaluations(g->members.at[i].node) > POINTS_MOST) return -1;
  for (int i = 0; i < g->members.n; i++) {
    const Member *m = &g->members.at[i];
    touch_member(&x, m);
    if (m->stored) bytes += bytes_of(p, m->node, ir_count(m->node));
  }
  for (int i = 0; i < x.n; i++) {
    int64_t count = 0;
    for (int64_t k = 0; k < ir_count(x.at[i].node); k++) count += x.at[i].element[k];
    bytes += bytes_of(p, x.at[i].node, count);
    free(x.at[i].element);
  }
  return bytes;
}

/* ---- models -------------------------------------------------------------------------------- */

typedef struct Sum {
  double said, paper, whole;
  int groups;
} Sum;

static void compare_entry(Model *m, const UnitEntry *e, Sum *sum) {
  BackendOptions options = backend_defaults();
  PassOptions passes = pass_options(&cpu_target);
  PlanStates states = {0};
  Plan p = {.arena = m->arena,
            .diags = m->diags,
            .g = graph_clone(m->arena, e->graph),
            .name = e->name,
            .options = &options,
            .target = &cpu_target,
            .states = &states};
  passes.recompute = 0;
  pipeline_run(p.g, &(PipelineOptions){.passes = &passes, .verify = true});
  plan_make(&p);
  for (int i = 0; i < p.groups.n; i++) {
    Group *g = p.groups.at[i];
    double paper = on_paper(&p, g), said = g->launch.bytes;
    if (paper < 0) continue;
    if (said < paper || said > 1.5 * paper + 64)
      fail_msg("%s: %s: '%s' is said to move %.0f bytes, on paper %.0f", m->path, e->name,
               g->members.at[0].node->name, said, paper);
    sum->said += said;
    sum->paper += paper;
    for (int k = 0; k < g->launch.args.n; k++)
      sum->whole += (double)p.buffers.at[g->launch.args.at[k]].td.bytes;
    sum->groups++;
  }
}

static void bytes_are_those_on_paper(void **state) {
  (void)state;
  glob_t found = {0};
  Sum sum = {0};
  assert_int_equal(glob("tests/models/*.td", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    Model m;
    assert_true(model_open(&m, found.gl_pathv[i], NULL, 0, "tests/models/verse.txt", 0, NULL));
    for (int e = 0; e < m.unit->nentries; e++)
      if (strcmp(m.unit->entries[e].name, "train") == 0)
        compare_entry(&m, &m.unit->entries[e], &sum);
    model_close(&m);
  }
  globfree(&found);
  print_message("%d groups: said %.0f, on paper %.0f, all of their buffers %.0f bytes\n",
                sum.groups, sum.said, sum.paper, sum.whole);
  assert_true(sum.groups > 200 && sum.said < 1.05 * sum.paper && sum.whole > 1.2 * sum.said);
}

/* ---- draws and functions --------------------------------------------------------------------- */

/* What depends on a row alone is computed once a row, what two members have once for both. */
static void draws_and_functions_are_counted(void **state) {
  (void)state;
  static const char text[] =
      "graph masked\n"
      "input x: real[64, 32]\n"
      "state s: real[64]\n"
      "y[m:64, n:32] = (uniform(7, 32*m + n) < 0.5 ? 0.0 : x[m, n]) * exp(s[m])\n"
      "z[m:64, n:32] = y[m, n] + (uniform(7, 32*m + n) < 0.5 ? 0.0 : sqrt(x[m, n]))\n"
      "output y = y\n"
      "output z = z\n";
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "masked.ir", text, strlen(text)));
  assert_non_null(g);
  BackendOptions options = backend_defaults();
  PlanStates states = {0};
  Plan p = {.arena = a,
            .diags = d,
            .g = g,
            .name = "masked",
            .options = &options,
            .target = &cpu_target,
            .states = &states};
  plan_make(&p);
  assert_int_equal(p.groups.n, 1);
  const TargetRates *r = &cpu_target.rates;
  const Launch *l = &p.groups.at[0]->launch;
  assert_true(l->dear == 64 * 32 * r->draw + 64 * r->function && r->draw > 0 && r->function > 0);
  assert_true(l->read == 4 * (64 * 32 + 64) && l->bytes == l->read + 2 * 4 * 64 * 32);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(draws_and_functions_are_counted),
                                     cmocka_unit_test(bytes_are_those_on_paper)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
