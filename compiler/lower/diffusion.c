/* SPDX-License-Identifier: MIT */
/* Schedules: one-dimensional tables of a diffusion process, evaluated once, at
 * compile time, in double precision by the reference evaluator. */
#include <string.h>

#include "compiler/eval/eval.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

static void name_indices(Lowering *l, DiffusionSchedule *x, Scope *s, const char *id) {
  for (int i = 0; i < x->decl->body.n; i++) {
    const AStmt *st = x->decl->body.at[i];
    for (int k = 0; k < st->targets.n; k++)
      for (int j = 0; j < st->targets.at[k].items.n; j++) {
        const AItem *it = &st->targets.at[k].items.at[j];
        if (!it->expr || it->expr->kind != A_NAME || scope_here(s, it->expr->name)) continue;
        Binding b = {.name = it->expr->name,
                     .value = v_int(l, x->extent, id),
                     .span = it->span,
                     .pattern = true};
        b.value->span = it->span;
        vec_push(l->arena, &s->names, b);
      }
  }
}

enum { TABLES_MAX = 1 << 22, WORK_MAX = 1 << 27 };

/* Will the tables be computed in a moment, and fit? */
static bool affordable(Lowering *l, const DiffusionSchedule *x) {
  int64_t numbers = 0, work = 0;
  bool fits = true;
  for (int i = 0; i < l->g->nodes.n && fits; i++) {
    const Node *n = l->g->nodes.at[i];
    int64_t steps = 1, count = 1;
    for (int k = 0; k < n->nvars && fits; k++) fits = mul_fits(steps, n->extent[k], &steps);
    for (int k = 0; k < n->rank && fits; k++) fits = mul_fits(count, n->shape[k], &count);
    fits = fits && add_fits(work, steps, &work) && add_fits(numbers, count, &numbers) &&
           numbers <= TABLES_MAX && work <= WORK_MAX;
  }
  if (!fits)
    lower_error(l, 216, x->decl->extent->span,
                "the tables of schedule '%s' are too large to be computed here", x->decl->name);
  return fits;
}

static bool tables(Lowering *l, DiffusionSchedule *x, Scope *s) {
  if (!affordable(l, x)) return false;
  Eval *ev = eval_new(l->g, 0, 0);
  if (!ev) out_of_memory(NULL);
  const char *why = eval_run(ev);
  bool ok = !why;
  for (int i = 0; !why && i < x->decl->body.n; i++) {
    const ATarget *t = &x->decl->body.at[i]->targets.at[0];
    Binding *b = scope_here(s, t->name);
    if (!b || (b->value->kind != V_TENSOR && b->value->kind != V_NUM)) continue;
    Table *out = NEW(l->arena, Table);
    out->name = arena_printf(l->arena, "%s.%s", x->decl->name, t->name);
    out->span = t->span;
    if (b->value->kind == V_NUM) {
      ok = whole_constant(l, b->value, t->span) && ok;
      out->type = b->value->is_int ? TY_INT : TY_REAL;
      out->data = NEW(l->arena, double);
      *out->data = b->value->is_int ? (double)b->value->inum : b->value->num;
    } else {
      Node *n = b->value->e->node;
      out->type = n->type;
      out->rank = n->rank;
      for (int k = 0; k < n->rank; k++) {
        out->shape[k] = n->shape[k];
        out->id[k] = b->value->axis[k].id;
      }
      out->data = NEWN(l->arena, double, ir_count(n) ? ir_count(n) : 1);
      memcpy(out->data, eval_value(ev, n), sizeof(double) * (size_t)ir_count(n));
    }
    vec_push(l->arena, &x->tables, out);
  }
  if (why) lower_error(l, 408, x->decl->span, "this schedule cannot be evaluated: %s", why);
  eval_free(ev);
  return ok;
}

bool diffusion_ready(Lowering *l, DiffusionSchedule *x, Span at) {
  if (x->done) return x->tables.n > 0;
  if (x->busy) {
    lower_error(l, 408, at, "schedule '%s' depends on itself", x->decl->name);
    return false;
  }
  x->busy = true;
  Entry *e = entry_new(l, x->decl->name);
  Context c = context_begin(l, e);
  Scope *s = scope_new(l, x->scope, true);
  const char *id = NULL;
  int before = l->nerrors;
  bool ok = x->decl->extent ? lower_extent(l, x->scope, x->decl->extent, &x->extent, &id) : false;
  if (ok) {
    name_indices(l, x, s, id);
    for (int i = 0; i < x->decl->body.n && ok; i++)
      if (x->decl->body.at[i]->kind != S_ASSIGN || x->decl->body.at[i]->targets.n != 1) {
        lower_error(l, 408, x->decl->body.at[i]->span,
                    "a schedule holds definitions of tables only: beta[t] = ...");
        ok = false;
      }
    ok = ok && lower_body(l, s, x->decl->body.at, x->decl->body.n);
    for (int i = 0; i < s->names.n && ok; i++) {
      Value *v = s->names.at[i].value;
      if (v->kind == V_TENSOR)
        s->names.at[i].value = value_bind(l, v, s->names.at[i].name, x->decl->span);
      if (v->kind == V_TENSOR &&
          s->names.at[i].value->e->kind != E_READ) { /* a scalar expression */
        Node *n = value_node(l, v, s->names.at[i].name, x->decl->span);
        s->names.at[i].value = v_of_node(l, n, NULL);
      }
    }
    entry_settle(e);
    ok = ok && l->nerrors == before && e->views.n == 0 && tables(l, x, s);
    if (e->views.n)
      lower_error(l, 408, x->decl->span,
                  "a schedule is a table of numbers known at compile time; one that is learned is "
                  "an op with parameters");
  }
  context_end(l, &c);
  x->done = true;
  x->busy = false;
  return ok;
}
