/* SPDX-License-Identifier: MIT */
/* Which statements stand where: `minimize` in a loss, `state` before a sampler's
 * loop, `param` in what owns parameters, ranges at a sampler. Checked once, on the syntax;
 * lowering skips what was found. */
#include "compiler/lower/lower.h"

enum { IN_OP = 1, IN_BLOCK = 2, IN_LOSS = 4, IN_METRIC = 8, IN_SAMPLER = 16, IN_GRAD = 32 };

typedef struct Rule {
  const char *word;
  int where;
  bool in_loops;
  const char *belongs; /* completes "'state' ..." */
} Rule;

static const Rule *rule_of(AStmtKind kind) {
  static const Rule rules[] = {
      [S_PARAM] = {"param", IN_BLOCK, true, "belongs to a block, a model or the file"},
      [S_MINIMIZE] = {"minimize", IN_LOSS, false, "belongs to a loss, outside its loops"},
      [S_REPORT] = {"report", IN_METRIC, false, "belongs to a metric, outside its loops"},
      [S_LOG] = {"log", IN_LOSS | IN_METRIC | IN_SAMPLER, false,
                 "belongs to a loss or a metric, outside loops, or to a sampler, after its loop"},
      [S_STATE] = {"state", IN_SAMPLER, false, "belongs to a sampler, before its loop"},
      [S_EMIT] = {"emit", IN_SAMPLER, false, "ends a sampler, after its loop"},
      [S_ERROR] = {0},
  };
  return (size_t)kind < sizeof rules / sizeof *rules && rules[kind].word ? &rules[kind] : NULL;
}

static int place_of(ADeclKind kind) {
  switch (kind) {
  case D_OP: return IN_OP;
  case D_BLOCK:
  case D_MODEL: return IN_BLOCK;
  case D_LOSS: return IN_LOSS;
  case D_METRIC: return IN_METRIC;
  case D_SAMPLER: return IN_SAMPLER;
  case D_SCHEDULE:
  case D_USE:
  case D_CONST:
  case D_DIM:
  case D_AXIS:
  case D_PARAM:
  case D_DATA:
  case D_TRAIN:
  case D_PRECISION: break;
  }
  return 0;
}

static void hint_of(Lowering *l, const ADecl *d, const AStmt *st, Diag *x) {
  if (st->kind == S_PARAM && d->kind == D_OP)
    diag_hint(l->d, x, "declare it as a block: block %s(...)", d->name);
  else if (st->kind == S_PARAM)
    diag_hint(l->d, x, "declare it outside, param ... at the top level, or in the model");
  else if (st->kind == S_EMIT && d->kind != D_SAMPLER)
    diag_hint(l->d, x, "the results of %s '%s' are named in its header", adecl_spelling(d->kind),
              d->name);
  else if (st->kind == S_STATE && d->kind != D_SAMPLER)
    diag_hint(l->d, x, "a loop carries: scan t carry h[b] = h0[b] { ... }");
  else if (st->kind == S_REPORT && d->kind == D_LOSS)
    diag_hint(l->d, x, "log NAME = ... records a number beside the loss");
}

static void statements(Lowering *l, const ADecl *d, const AStmts *body, int place, int loops) {
  bool after_loop = false;
  for (int i = 0; i < body->n; i++) {
    const AStmt *st = body->at[i];
    const Rule *r = rule_of(st->kind);
    bool early = st->kind == S_STATE && after_loop;
    if (r && (!(r->where & place) || (loops && !r->in_loops) || early)) {
      hint_of(l, d, st, lower_error(l, 404, st->span, "'%s' %s", r->word, r->belongs));
      vec_push(l->arena, &l->misplaced, st);
    }
    if (st->kind != S_FOR) continue;
    after_loop = after_loop || !st->is_scan;
    statements(l, d, &st->body, place, loops + 1);
  }
}

/* What a user gives at the door has a range; what a program gives is proved. */
static void ranges(Lowering *l, const ADecl *d) {
  for (int i = 0; i < d->formals.n; i++) {
    const AFormal *f = &d->formals.at[i];
    if (!f->lo) continue;
    Diag *x = lower_error(l, 422, f->lo->span, "only a sampler's parameter has a range");
    diag_hint(l->d, x, "min(max(%s, LO), HI) keeps a number inside", f->name);
  }
}

void find_misplaced(Lowering *l, const ADecl *d) {
  int place = place_of(d->kind);
  if (!place) return;
  if (d->kind != D_SAMPLER) ranges(l, d);
  statements(l, d, &d->body, place, 0);
  statements(l, d, &d->grad.body, IN_GRAD, 0);
}

bool is_misplaced(const Lowering *l, const AStmt *st) {
  for (int i = 0; i < l->misplaced.n; i++)
    if (l->misplaced.at[i] == st) return true;
  return false;
}
