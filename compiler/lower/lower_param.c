/* SPDX-License-Identifier: MIT */
/* Parameters: their shapes, an axis for each loop that stacks them included, and their initial
 * values, which are nodes of the init graph. */
#include <ctype.h>
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"
#include "dsl/namemap.h"

typedef struct Foreign {
  const Graph *g;
  bool found;
} Foreign;

static void check_read(Expr *e, void *ctx) {
  Foreign *f = ctx;
  if (e->kind != E_READ) return;
  bool mine = e->node->id < f->g->nodes.n && f->g->nodes.at[e->node->id] == e->node;
  if (!mine) f->found = true;
}

/* Does e read nodes of g alone? */
static bool reads_only(Lowering *l, Expr *e, const Graph *g) {
  Foreign f = {g, false};
  ex_visit(l->g, e, check_read, &f);
  return !f.found;
}

/* What a parameter's axis is called in its initial value: as it is written, `i in D`, or as the
 * header's letter in its brackets, or by the letter of a dim there, `d` of D, where nothing else
 * has that name. NULL: nothing. */
static const char *own_index(Lowering *l, Scope *s, const ATarget *t, int axis) {
  const AItem *it = &t->items.at[axis];
  if (it->var) return it->var;
  const char *name = it->expr && it->expr->kind == A_NAME ? it->expr->name : NULL;
  const Binding *b = name ? scope_find(s, name) : NULL;
  if (!b || b->pattern) return name;
  char *low = arena_strdup(l->arena, name);
  low[0] = (char)tolower((unsigned char)low[0]);
  const char *letter = intern(l->names, low);
  return letter == name || scope_find(s, letter) ? NULL : letter;
}

/* The parameter's own indices, into f. False after an error. */
static bool own_indices(Lowering *l, Scope *s, const ATarget *t, const Parameter *p, int nstack,
                        Frame *f) {
  for (int k = 0; k < p->rank; k++) {
    const AItem *it = k >= nstack ? &t->items.at[k - nstack] : NULL;
    const char *name = it ? own_index(l, s, t, k - nstack) : NULL;
    for (int j = nstack; name && j < p->rank; j++) {
      if (j == k || own_index(l, s, t, j - nstack) != name) continue;
      if (it->var && j < k) {
        lower_error(l, 207, it->span, "index '%s' stands here twice", name);
        return false;
      }
      if (!it->var) name = NULL; /* w[D,D]: which of them would d be? */
    }
    IndexVar v = {.name = name, .extent = p->shape[k], .span = it ? it->span : t->span};
    v.var = new_var(l, v.extent, name);
    v.id = p->axis[k];
    v.ranged = it && it->var;
    vec_push(l->arena, &f->vars, v);
  }
  return true;
}

/* The initial value as a node of the init graph: [stacking axes..., own axes...]. */
static Node *initial_value(Lowering *l, Scope *s, const ATarget *t, const AStmt *st,
                           const Parameter *p, int nstack) {
  Entry *entry = l->entry;
  Region *region = l->region;
  Frame *frame = l->frame;
  LoopContext *loops = l->loops;
  const char *draw_path = l->draw_path, *stmt = l->stmt_name;
  int frames = l->reduce_frames.n, calls = l->call_values.n;
  entry_enter(l, l->init);
  l->loops = NULL;
  l->draw_path = "init";
  l->stmt_name = p->name;
  l->frame = NULL;
  Frame *f = frame_push(l, true, NULL);
  bool named = own_indices(l, s, t, p, nstack, f);
  const AExpr *drawing = l->drawing;
  const AStmt *undrawn = l->undrawn;
  l->drawing = st->value;
  l->undrawn = NULL; /* it is drawn when training begins, wherever the parameter is met first */
  Value *v = named && infer_in(l, s, st->value) ? lower_expr(l, s, st->value) : v_poison(l);
  l->drawing = drawing;
  l->undrawn = undrawn;
  Node *out = NULL;
  if (v->kind != V_POISON && !v_scalar_like(v)) {
    lower_error(l, 206, st->value->span,
                "an initial value is one number for each index of the parameter");
  } else if (v->kind != V_POISON) {
    Expr *e = to_real(l, v_expr(l, v));
    if (!reads_only(l, e, l->g)) {
      lower_error(l, 316, st->value->span,
                  "an initial value can depend on constants, indices and draws only");
    } else {
      Value full = {.kind = V_TENSOR, .rank = p->rank, .e = e};
      for (int k = 0; k < p->rank; k++) {
        ValueAxis a = {p->shape[k], p->axis[k], f->vars.at[k].var};
        full.axis[k] = a;
      }
      out = value_node(l, &full, arena_printf(l->arena, "init.%s", p->name), st->span);
    }
  }
  entry_enter(l, entry);
  l->region = region;
  l->frame = frame;
  l->loops = loops;
  l->draw_path = draw_path;
  l->stmt_name = stmt;
  l->reduce_frames.n = frames;
  l->call_values.n = calls;
  return out;
}

typedef VEC(Loop *) Loops;

/* The loops over which parameters made here are stacked, outermost first. */
static void stacking_loops(Lowering *l, Loops *out) {
  for (LoopContext *c = l->loops; c && c != l->stack_stop; c = c->parent)
    if (c->stacks) vec_push(l->arena, out, c->loop);
  for (int i = 0; i < out->n / 2; i++) {
    Loop *k = out->at[i];
    out->at[i] = out->at[out->n - 1 - i];
    out->at[out->n - 1 - i] = k;
  }
}

/* The parameter's shape: an axis for each loop that stacks it, then its own. */
static bool param_shape(Lowering *l, Scope *s, const ATarget *t, const Loops *stack, Parameter *p) {
  int64_t count = 1;
  bool fits = stack->n <= IR_MAX_RANK;
  for (int i = 0; i < stack->n && fits; i++) p->shape[p->rank++] = stack->at[i]->count;
  for (int i = 0; i < t->items.n && fits; i++) {
    const AItem *it = &t->items.at[i];
    int64_t extent;
    const char *id = NULL;
    const AExpr *e = it->var && !it->hi ? it->lo : it->expr;
    if (!e || it->other) {
      Diag *x = lower_error(l, 209, it->span, "a parameter's brackets hold extents");
      if (it->var) diag_hint(l->d, x, "from 0 to an extent: %s in 8", it->var);
      return false;
    }
    if (!lower_extent(l, s, e, &extent, &id)) return false;
    if (!id && e->kind == A_NAME) id = e->name;
    fits = p->rank < IR_MAX_RANK;
    if (!fits) break;
    p->axis[p->rank] = id;
    p->shape[p->rank++] = extent;
  }
  if (!fits) {
    lower_error(l, 215, t->span, "a parameter has at most %d axes, stacking included", IR_MAX_RANK);
    return false;
  }
  for (int k = 0; k < p->rank; k++)
    if (!mul_fits(count, p->shape[k], &count) || count > (int64_t)1 << 36) {
      lower_error(l, 216, t->span, "parameter '%s' would have more than 2^36 elements", p->name);
      return false;
    }
  p->matrix = t->items.n >= 2;
  return true;
}

/* The number of the parameter in the unit, -1 after an error. One that is met again is the same. */
static int param_number(Lowering *l, Scope *s, const ATarget *t, const AStmt *st, Parameter *p,
                        int nstack) {
  int *known = namemap_at(l->arena, l->param_index, p->name), i = *known - 1;
  if (i >= 0 && i < l->params.n && strcmp(l->params.at[i].name, p->name) == 0) {
    const Parameter *old = &l->params.at[i];
    bool same = old->rank == p->rank;
    for (int k = 0; same && k < p->rank; k++) same = old->shape[k] == p->shape[k];
    if (same) return i;
    Diag *x = lower_error(l, 317, t->span, "parameter '%s' is used with two shapes", p->name);
    diag_note(
        l->d, x, old->span,
        "its first shape was fixed here; a model has one set of parameters wherever it is used");
    return -1;
  }
  if (st->value) p->init = initial_value(l, s, t, st, p, nstack);
  if (!p->init) return -1;
  vec_push(l->arena, &l->params, *p);
  *namemap_at(l->arena, l->param_index, p->name) = l->params.n;
  return l->params.n - 1;
}

/* What the name stands for where it is declared: in loops that stack it, one row. */
static Value *param_here(Lowering *l, int number, const Parameter *p, const Loops *stack) {
  Value *whole = param_value(l, number), *v = NEW(l->arena, Value);
  *v = *whole;
  int vars[IR_MAX_RANK];
  Expr *by[IR_MAX_RANK];
  for (int i = 0; i < stack->n; i++) {
    vars[i] = whole->axis[i].var;
    by[i] = ex_loopvar(l->g, stack->at[i]);
  }
  v->e = subst_vars(l, whole->e, vars, by, stack->n);
  v->rank = p->rank - stack->n;
  for (int k = 0; k < v->rank; k++) {
    v->axis[k] = whole->axis[stack->n + k];
    v->axis[k].id = p->axis[stack->n + k];
  }
  return v;
}

static bool declare_param(Lowering *l, Scope *s, const ATarget *t, const AStmt *st,
                          bool file_level) {
  Parameter p = {.name = t->name, .span = t->span};
  if (*l->param_path) p.name = arena_printf(l->arena, "%s.%s", l->param_path, t->name);
  Loops stack = {0};
  stacking_loops(l, &stack);
  if (!param_shape(l, s, t, &stack, &p)) return false;
  int number = param_number(l, s, t, st, &p, stack.n);
  if (number < 0) return false;
  Value *v;
  if (file_level) {
    v = v_poison(l);
    v->kind = V_PARAM;
    v->param = number;
  } else {
    v = param_here(l, number, &p, &stack);
  }
  v->what = t->name;
  v->span = t->span;
  scope_set(l, s, t->name, v, t->span);
  return true;
}

bool lower_param_stmt(Lowering *l, Scope *s, AStmt *st) {
  bool ok = true;
  bool file_level = l->calls == NULL;
  for (int i = 0; i < st->targets.n; i++) {
    if (scope_here(s, st->targets.at[i].name)) {
      may_assign(l, s, &st->targets.at[i], NULL);
      ok = false;
      continue;
    }
    if (!declare_param(l, s, &st->targets.at[i], st, file_level)) {
      scope_set(l, s, st->targets.at[i].name, v_poison(l), st->span);
      ok = false;
    }
  }
  return ok;
}
