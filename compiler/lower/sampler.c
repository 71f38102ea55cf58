/* SPDX-License-Identifier: MIT */
/* Samplers: three entries of one declaration. `init` makes the state, `step` is
 * one turn of the loop, `emit` turns the state into text. What stands before
 * the loop and is no state is computed again in each of them. */
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

typedef struct StateInfo {
  const char *name;
  Type type;
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *ids[IR_MAX_RANK];
  const char *id;
  int64_t lo, hi;
  Span span;
} StateInfo;

typedef struct Sampler {
  Lowering *l;
  Fn *fn;
  ADecl *d;
  AStmt *loop;
  int loop_at;
  UnitSampler *u;
  bool unsettled; /* a state's range grows: what it is at the end is not known */
  VEC(StateInfo) states;
  VEC(Node *) state_nodes; /* of the entry being built */
  VEC(Node *) first_nodes; /* of `init` */
} Sampler;

static StateInfo *state_info(Sampler *p, const char *name) {
  for (int i = 0; i < p->states.n; i++)
    if (p->states.at[i].name == name) return &p->states.at[i];
  return NULL;
}

static Node *state_node(Sampler *p, const StateInfo *info) {
  Lowering *l = p->l;
  Node *n = ir_state(l->g, arena_printf(l->arena, "%s.%s", p->d->name, info->name), info->type,
                     info->rank, info->shape, info->span);
  n->lo = info->lo;
  n->hi = info->hi;
  vec_push(l->arena, &p->state_nodes, n);
  return n;
}

static void bind_state(Sampler *p, Scope *s, const ATarget *t, Value *v) {
  Binding b = {.name = t->name, .value = v, .span = t->span, .mutable_ = true};
  vec_push(p->l->arena, &s->names, b);
}

/* Everything before the loop. After an error the rest is looked at too. */
static bool prologue(Sampler *p, Scope *s, bool init) {
  Lowering *l = p->l;
  bool ok = true;
  for (int i = 0; i < p->loop_at; i++) {
    AStmt *st = p->d->body.at[i];
    if (st->kind != S_STATE) {
      l->undrawn = st;
      l->looping = p->loop != NULL;
      ok = lower_body(l, s, &p->d->body.at[i], 1) && ok;
      l->undrawn = NULL;
      continue;
    }
    const ATarget *t = &st->targets.at[0];
    if (init) {
      Value *v = lower_assign_value(l, s, t, st->value, st->drawn, st->span);
      if (v->kind == V_NUM) v = v_scalar(l, v_expr(l, v));
      if (!usable(l, v, st->value->span)) {
        scope_set(l, s, t->name, v_poison(l), t->span);
        ok = false;
        continue;
      }
      v = value_bind(l, v, t->name, st->span);
      Node *n = value_node(l, v, t->name, st->span);
      StateInfo info = {.name = t->name,
                        .type = n->type,
                        .rank = v->rank,
                        .id = v->id,
                        .lo = n->lo,
                        .hi = n->hi,
                        .span = t->span};
      for (int k = 0; k < v->rank; k++) {
        info.shape[k] = v->axis[k].extent;
        info.ids[k] = v->axis[k].id;
      }
      vec_push(l->arena, &p->states, info);
      Update u = {state_node(p, &info), n};
      vec_push(l->arena, &p->first_nodes, u.state);
      vec_push(l->arena, &l->g->updates, u);
      scope_set(l, s, t->name, v, t->span);
    } else {
      StateInfo *info = state_info(p, t->name);
      if (!info) { /* of no value */
        bind_state(p, s, t, v_poison(l));
        ok = false;
        continue;
      }
      Value *v = v_of_node(l, state_node(p, info), info->ids);
      v->id = info->id;
      v->what = t->name;
      v->span = t->span;
      bind_state(p, s, t, v);
    }
  }
  return ok;
}

/* `steps n [without ..]`: as many as there are values in the range, at most. */
static bool loop_steps(Sampler *p, Scope *s) {
  Lowering *l = p->l;
  const AStmt *st = p->loop;
  UnitSampler *u = p->u;
  const int64_t most = u->steps - u->without_first - u->without_last;
  UnitParam *named = NULL;
  for (int i = 0; i < u->nparams && st->steps->kind == A_NAME; i++)
    if (u->params[i].kind == PARAM_INT && u->params[i].name == st->steps->name)
      named = &u->params[i];
  double n = named ? named->dflt : 0;
  bool whole = true;
  if (!named && !lower_number(l, s, st->steps, &n, &whole)) return false;
  const char *of = aends_spelling(st->ends);
  if (most < 1) {
    lower_error(l, 405, st->steps->span, "nothing is left of the loop's range without its %s", of);
    return false;
  }
  if (!whole || n < 1 || n > (double)most) {
    lower_error(l, 405, st->steps->span,
                "'steps' must be a whole number in 1 .. %lld, the values of the loop%s%s",
                (long long)most, of ? " without its " : "", of ? of : "");
    return false;
  }
  u->steps = (int64_t)n;
  if (!named) return true;
  u->steps_param = named->name;
  unit_param_within(l->arena, named, 1, (double)most);
  return true;
}

static bool loop_bounds(Sampler *p, Scope *s) {
  Lowering *l = p->l;
  AStmt *st = p->loop;
  UnitSampler *u = p->u;
  int64_t lo = 0, hi = 0;
  if (st->carries.n || st->emits.n) {
    lower_error(l, 405, st->span,
                "a sampler's loop carries its states; it has no 'carry' and no 'emit' of its own");
    return false;
  }
  if (st->range == RANGE_COUNT) {
    if (!lower_extent(l, s, st->hi, &hi, NULL)) return false;
    hi -= 1;
  } else {
    if (!lower_range_ends(l, s, st->lo, st->hi, &lo, &hi)) return false;
    if (st->range == RANGE_COLON) hi -= 1;
    if (st->range == RANGE_COLON && hi < lo) {
      Diag *x = lower_error(l, 208, st->lo->span, "the loop over '%s' is empty", st->var);
      diag_hint(l->d, x, "downwards, with both ends: %lld .. %lld", (long long)lo,
                (long long)hi + 1);
      return false;
    }
  }
  u->has_loop = true;
  u->var = st->var;
  u->next_var = st->next_var;
  u->lo = lo;
  u->hi = hi;
  u->without_first = st->ends == WITHOUT_FIRST || st->ends == WITHOUT_ENDS;
  u->without_last = st->ends == WITHOUT_LAST || st->ends == WITHOUT_ENDS;
  u->steps = (u->lo > u->hi ? u->lo - u->hi : u->hi - u->lo) + 1;
  return !st->steps || loop_steps(p, s);
}

static void bind_loop_vars(Sampler *p, Scope *s) {
  Lowering *l = p->l;
  const UnitSampler *u = p->u;
  const bool down = u->lo > u->hi;
  int64_t lo = down ? u->hi : u->lo, hi = down ? u->lo : u->hi;
  int64_t least = lo + (down ? u->without_last : u->without_first),
          most = hi - (down ? u->without_first : u->without_last);
  Value *t = entry_input(l, u->var, TY_INT, 0, NULL, NULL, least, most, NULL, p->loop->span);
  scope_set(l, s, u->var, t, p->loop->span);
  if (!u->next_var) return;
  /* No point comes twice; the last of them may be the last value's next. */
  int64_t by = down ? -1 : 1, first = u->lo + by * (1 + u->without_first),
          last = u->hi + by * (1 - u->without_last);
  Value *n = entry_input(l, u->next_var, TY_INT, 0, NULL, NULL, down ? last : first,
                         down ? first : last, NULL, p->loop->span);
  scope_set(l, s, u->next_var, n, p->loop->span);
}

static Entry *begin(Sampler *p, const char *what) {
  Lowering *l = p->l;
  Entry *e = entry_new(l, arena_printf(l->arena, "sample.%s.%s", p->d->name, what));
  e->ema = l->unit->train.ema > 0;
  p->state_nodes.n = 0;
  return e;
}

/* *open: the header and the loop are settled, so that the rest can be looked at. */
static bool build_init(Sampler *p, bool *open) {
  Lowering *l = p->l;
  Entry *e = begin(p, "init");
  Context c = context_begin(l, e);
  l->draw_path = p->d->name;
  Scope *s = scope_new(l, p->fn->scope, true);
  bool ok = *open = bind_sampler_parameters(l, s, p->d, p->u);
  ok = ok && prologue(p, s, true);
  if (*open && p->loop) *open = loop_bounds(p, s);
  ok = ok && *open;
  context_end(l, &c);
  if (ok) entry_add(l, e);
  return ok;
}

/* `init` may run again, on states as the last step left them. */
static void hold_what_steps_leave(Sampler *p) {
  for (int i = 0; i < p->states.n; i++) {
    p->first_nodes.at[i]->lo = p->states.at[i].lo;
    p->first_nodes.at[i]->hi = p->states.at[i].hi;
  }
}

/* One turn. An integer state's range may grow from turn to turn: widened and
 * tried again, a few times. */
static bool build_step(Sampler *p) {
  Lowering *l = p->l;
  StateInfo *growing = NULL;
  for (int round = 0; round < 4; round++) {
    Entry *e = begin(p, "step");
    e->repeated = true;
    Context c = context_begin(l, e);
    l->draw_path = p->d->name;
    Scope *s = scope_new(l, p->fn->scope, true);
    bool ok = bind_sampler_parameters(l, s, p->d, p->u) && prologue(p, s, false);
    bool widened = false;
    bind_loop_vars(p, s);
    Value *step =
        entry_input(l, "step", TY_INT, 0, NULL, NULL, 0, (int64_t)1 << 40, NULL, p->loop->span);
    l->g->step = step->e->node;
    l->evaluations = 0;
    ok = lower_body(l, s, p->loop->body.at, p->loop->body.n) && ok;
    p->u->evaluations = l->evaluations > 0 ? l->evaluations : 1;
    for (int i = 0; ok && i < p->states.n; i++) {
      StateInfo *info = &p->states.at[i];
      Value *v = scope_here(s, info->name)->value;
      if (v->kind == V_NUM) v = v_scalar(l, v_expr(l, v));
      bool same = v->kind == V_TENSOR && v->rank == info->rank;
      if (same && info->type == TY_REAL) v->e = to_real(l, v->e);
      same = same && v->e->type == info->type;
      for (int k = 0; same && k < v->rank; k++) same = v->axis[k].extent == info->shape[k];
      if (!same) {
        Value was = {.kind = V_TENSOR, .rank = info->rank};
        for (int k = 0; k < info->rank; k++)
          was.axis[k] = (ValueAxis){.extent = info->shape[k], .id = info->ids[k]};
        if (v->kind == V_TENSOR) {
          Diag *x = lower_error(l, 319, info->span,
                                "state '%s' enters a step as %s%s and leaves it as %s%s",
                                info->name, type_name(info->type), shape_text(l, &was),
                                type_name(v->e->type), shape_text(l, v));
          if (v->span.line) diag_note(l->d, x, v->span, "it gets its value here");
          diag_hint(l->d, x, "what a step changes keeps its shape and type");
        } else {
          usable(l, v, info->span);
        }
        ok = false;
        break;
      }
      Node *n = value_node(l, v, info->name, p->loop->span);
      if (n->type == TY_INT && (n->lo < info->lo || n->hi > info->hi)) {
        if (n->lo < info->lo) info->lo = n->lo;
        if (n->hi > info->hi) info->hi = n->hi;
        widened = true;
        growing = info;
      }
      if (n == p->state_nodes.at[i]) continue;
      Update u = {p->state_nodes.at[i], n};
      vec_push(l->arena, &l->g->updates, u);
    }
    context_end(l, &c);
    if (!ok) return false;
    if (!widened) {
      entry_add(l, e);
      hold_what_steps_leave(p);
      return true;
    }
  }
  p->unsettled = true;
  Diag *x = lower_error(
      l, 319, growing->span,
      "the range of the integer state '%s' grows from step to step: %lld .. %lld and further",
      growing->name, (long long)growing->lo, (long long)growing->hi);
  diag_note(l->d, x, p->loop->span, "in this loop");
  diag_hint(l->d, x, "keep it inside: min(max(...), ...)");
  return false;
}

/* In which order does the first tensor indexed by both name them? 1: a before b,
 * -1: b before a, 0: none has both. */
static int index_order(const AExpr *e, const char *a, const char *b) {
  if (!e) return 0;
  if (e->kind == A_INDEX) {
    int at_a = -1, at_b = -1;
    for (int i = 0; i < e->items.n; i++) {
      const AExpr *x = e->items.at[i].expr;
      if (x && x->kind == A_NAME && x->name == a) at_a = i;
      if (x && x->kind == A_NAME && x->name == b) at_b = i;
    }
    if (at_a >= 0 && at_b >= 0) return at_a < at_b ? 1 : -1;
  }
  int order = index_order(e->a, a, b);
  for (int i = 0; i < e->args.n && !order; i++) order = index_order(e->args.at[i].value, a, b);
  for (int i = 0; i < e->items.n && !order; i++) order = index_order(e->items.at[i].expr, a, b);
  if (!order) order = index_order(e->b, a, b);
  return order ? order : index_order(e->c, a, b);
}

/* Does an `emit` stand in the wrong place, where it was reported? */
static bool misplaced_emit(const Lowering *l) {
  for (int i = 0; i < l->misplaced.n; i++)
    if (l->misplaced.at[i]->kind == S_EMIT) return true;
  return false;
}

/* The symbols of the data that spells the text; 0: not known. */
static int64_t vocabulary(const Sampler *p) {
  for (int i = 0; p->u->data && i < p->l->datas.n; i++) {
    Data *d = p->l->datas.at[i];
    if (!strcmp(d->info.name, p->u->data))
      return data_ready(p->l, d, p->d->name_span) ? d->got.vocab : 0;
  }
  return 0;
}

/* Is each of these integers a symbol? Else an error. */
static bool emits_symbols(const Sampler *p, const Node *n, int64_t most, Span at) {
  if (!most || p->unsettled || (n->lo >= 0 && n->hi < most)) return true;
  Diag *x =
      lower_error(p->l, 419, at, "these integers may run over %lld .. %lld; symbols are 0 .. %lld",
                  (long long)n->lo, (long long)n->hi, (long long)most - 1);
  diag_hint(p->l->d, x,
            "min(max(x, 0), %lld) is a symbol; emit x else \"_\" shows what is none as that",
            (long long)most - 1);
  return false;
}

static bool build_emit(Sampler *p) {
  Lowering *l = p->l;
  Entry *e = begin(p, "emit");
  Context c = context_begin(l, e);
  l->draw_path = p->d->name;
  Scope *s = scope_new(l, p->fn->scope, true);
  bool ok = bind_sampler_parameters(l, s, p->d, p->u) && prologue(p, s, false);
  bool emitted = false;
  for (int i = p->loop ? p->loop_at + 1 : p->loop_at; i < p->d->body.n; i++) {
    AStmt *st = p->d->body.at[i];
    if (st->kind != S_EMIT) {
      ok = lower_body(l, s, &p->d->body.at[i], 1) && ok;
      continue;
    }
    if (emitted) {
      lower_error(l, 403, st->span, "a second 'emit': a sampler emits once");
      ok = false;
      break;
    }
    emitted = true;
    /* `emit argmax[v](x[b,l,v])` has free indices: the axes of the text, [b, l]. */
    Frame *f;
    int frames = l->reduce_frames.n, calls = l->call_values.n;
    l->stmt_name = "text";
    Value *v = infer_indices(l, s, NULL, st->value, &f) ? lower_expr(l, s, st->value) : v_poison(l);
    if (v->kind == V_TENSOR && v->rank == 0)
      for (int k = 0; k < f->vars.n && v->rank < IR_MAX_RANK; k++) {
        ValueAxis a = {f->vars.at[k].extent, f->vars.at[k].id, f->vars.at[k].var};
        v->axis[v->rank++] = a;
      }
    if (v->kind == V_TENSOR && v->rank == 2 && f->vars.n == 2 &&
        index_order(st->value, f->vars.at[0].name, f->vars.at[1].name) < 0) {
      ValueAxis first = v->axis[0]; /* rows of the text first, whatever was met first */
      v->axis[0] = v->axis[1];
      v->axis[1] = first;
    }
    l->frame = NULL;
    l->reduce_frames.n = frames;
    l->call_values.n = calls;
    l->stmt_name = NULL;
    if (v->kind == V_POISON) {
      ok = false;
      break;
    }
    if (v->kind != V_TENSOR || v->rank != 2 || v_type(v) != TY_INT) {
      Diag *x = lower_error(l, 419, st->value->span,
                            "a sampler emits the symbols of a text, integers over [b, l]");
      diag_hint(l->d, x, "emit argmax[v](x[b,l,v])");
      ok = false;
      break;
    }
    Node *n = value_node(l, v, "text", st->span);
    p->u->glyph = st->glyph;
    const int64_t most = vocabulary(p); /* what spells the text is read, whoever else does */
    if (!st->glyph) ok = emits_symbols(p, n, most, st->value->span) && ok;
    Output o = {"text", n};
    vec_push(l->arena, &l->g->outputs, o);
    p->u->batch = n->shape[0];
    p->u->window = n->shape[1];
    if (v->axis[0].id) p->u->rows = sampler_rows(l, v->axis[0].id);
  }
  ok = ok && emitted;
  if (!emitted && !misplaced_emit(l)) {
    Diag *x = lower_error(l, 419, p->d->name_span, "sampler '%s' emits nothing", p->d->name);
    diag_hint(l->d, x, "end it with  emit argmax[v](x[b,l,v])");
  }
  for (int i = 0; ok && i < l->logs.n; i++) vec_push(l->arena, &l->g->outputs, l->logs.at[i]);
  context_end(l, &c);
  if (ok) entry_add(l, e);
  return ok;
}

bool build_samplers(Lowering *l) {
  bool ok = true;
  VEC(UnitSampler) all = {0};
  for (int i = 0; i < l->root->names.n; i++) {
    Value *v = l->root->names.at[i].value;
    if (v->kind != V_FN || v->fn->decl->kind != D_SAMPLER) continue;
    ADecl *d = v->fn->decl;
    vec_push(l->arena, &l->instantiated, d);
    if (l->options->only_sampler && strcmp(l->options->only_sampler, d->name) != 0) continue;
    UnitSampler u = {.name = d->name, .data = l->loss_data, .span = d->name_span};
    if (!u.data && l->datas.n == 1) u.data = l->datas.at[0]->info.name;
    Sampler p = {.l = l, .fn = v->fn, .d = d, .u = &u, .loop_at = d->body.n};
    for (int k = 0; k < d->body.n; k++) {
      if (d->body.at[k]->kind == S_EMIT && !p.loop) {
        p.loop_at = k < p.loop_at ? k : p.loop_at;
        break;
      }
      if (d->body.at[k]->kind != S_FOR || d->body.at[k]->is_scan) continue;
      p.loop = d->body.at[k];
      p.loop_at = k;
      break;
    }
    bool open, one = build_init(&p, &open);
    if (open && p.loop) one = build_step(&p) && one;
    if (open) one = build_emit(&p) && one;
    if (one) vec_push(l->arena, &all, u);
    ok = ok && one;
  }
  l->unit->samplers = all.at;
  l->unit->nsamplers = all.n;
  return ok;
}
