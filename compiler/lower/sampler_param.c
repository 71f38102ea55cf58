/* SPDX-License-Identifier: MIT */
/* A sampler's parameters: their kinds and defaults, where their values lie, and the
 * inputs that they are in each of the sampler's entries. */
#include <math.h>
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

enum { E_RANGE = 422, W_UNREAD = 907 };

/* ---- numbers ------------------------------------------------------------------ */

/* As a user writes it: 10, 0.5, -inf. */
static const char *number_text(Lowering *l, double x) {
  char text[32];
  if (fabs(x) < 1e9 && x == floor(x)) return arena_printf(l->arena, "%.0f", x);
  fmt_double(text, x);
  return arena_strdup(l->arena, text);
}

bool unit_param_takes(const UnitParam *p, double x) {
  float kept = (float)x; /* as the program gets it */
  if (p->kind == PARAM_INT && x != floor(x)) return false;
  if (!isfinite(kept) || !(x >= p->lo && x <= p->hi)) return false;
  return !p->below || kept < (float)p->hi;
}

void unit_param_within(Arena *a, UnitParam *p, double lo, double hi) {
  if (lo > p->lo) p->lo = lo;
  if (hi < p->hi) p->hi = hi;
  p->range = arena_printf(a, "%.0f .. %.0f", p->lo, p->hi);
}

/* One end of the range of f. Whole numbers have whole ends, or none. */
static bool range_end(Lowering *l, Scope *s, const AFormal *f, const AExpr *e, bool whole,
                      double *out) {
  bool is_int;
  if (!lower_number(l, s, e, out, &is_int)) return false;
  if (!whole || is_int || isinf(*out)) return true;
  Diag *x = lower_error(l, E_RANGE, e->span,
                        "'%s' is a whole number, and the end of its range is %g", f->name, *out);
  diag_hint(l->d, x, "a default of %s makes it a real number", "1.0");
  return false;
}

/* What `in lo .. hi` or `in lo : hi` says, into u. */
static bool number_range(Lowering *l, Scope *s, const AFormal *f, UnitParam *u) {
  bool whole = u->kind == PARAM_INT, colon = f->range == RANGE_COLON;
  const double least = whole ? IR_INT_MIN : -(double)INFINITY,
               most = whole ? IR_INT_MAX : (double)INFINITY;
  u->lo = least;
  u->hi = most;
  if (!f->lo) return true;
  double lo, hi;
  if (!range_end(l, s, f, f->lo, whole, &lo) || !range_end(l, s, f, f->hi, whole, &hi))
    return false;
  u->lo = fmax(least, lo);
  u->hi = fmin(most, whole && colon ? hi - 1 : hi);
  u->below = !whole && colon && isfinite(hi);
  u->range = u->below ? arena_printf(l->arena, "%s : %s (below %s)", number_text(l, lo),
                                     number_text(l, hi), number_text(l, hi))
                      : arena_printf(l->arena, "%s .. %s", number_text(l, lo),
                                     number_text(l, whole && colon ? hi - 1 : hi));
  if (u->below ? u->lo >= u->hi : u->lo > u->hi) {
    lower_error(l, E_RANGE, f->lo->span, "nothing lies in the range of '%s'", f->name);
    return false;
  }
  return true;
}

static bool bind_number(Lowering *l, Scope *s, const AFormal *f, const Value *v, UnitParam *u) {
  if (!whole_constant(l, v, f->span)) return false;
  u->kind = v->is_int ? PARAM_INT : PARAM_REAL;
  u->dflt = v->is_int ? (double)v->inum : v->num;
  if (!number_range(l, s, f, u)) return false;
  if (!unit_param_takes(u, u->dflt)) {
    if (u->range)
      lower_error(l, E_RANGE, f->dflt->span, "the default of '%s' is %s, outside of its range %s",
                  f->name, number_text(l, u->dflt), u->range);
    else
      lower_error(l, E_RANGE, f->dflt->span,
                  "the default of '%s' is %s: no number that 32 bits hold", f->name,
                  number_text(l, u->dflt));
    return false;
  }
  bool whole = u->kind == PARAM_INT;
  Value *in = entry_input(l, f->name, whole ? TY_INT : TY_REAL, 0, NULL, NULL,
                          whole ? (int64_t)u->lo : 0, whole ? (int64_t)u->hi : 0, NULL, f->span);
  scope_set(l, s, f->name, in, f->span);
  return true;
}

/* ---- texts --------------------------------------------------------------------- */

static bool bind_text(Lowering *l, Scope *s, const AFormal *f, const Value *v, UnitParam *u) {
  int64_t window = l->loss_window, hi = l->vocab;
  const char *wid = NULL, *vid = l->vocab_id;
  if (f->lo) {
    lower_error(l, E_RANGE, f->lo->span, "'%s' is a text: only numbers have a range", f->name);
    return false;
  }
  if (f->items.n == 1 && f->items.at[0].expr &&
      !lower_extent(l, s, f->items.at[0].expr, &window, &wid))
    return false;
  if (f->id_bound && !lower_extent(l, s, f->id_bound, &hi, &vid)) return false;
  if (!window || !hi) {
    if (diags_errors(l->d) > 0) return false; /* what would say it is wrong already */
    Diag *x =
        lower_error(l, 418, f->span,
                    "nothing says how long the text '%s' may be, or of which symbols", f->name);
    diag_hint(l->d, x, "%s: id<V>[L] = \"\"", f->name);
    return false;
  }
  u->kind = PARAM_TEXT;
  u->text = v->str;
  Value *ids = entry_input(l, arena_printf(l->arena, "%s.ids", f->name), TY_INT, 1, &window, &wid,
                           0, hi - 1, NULL, f->span);
  ids->id = vid;
  ids->what = f->name;
  ids->given = entry_input(l, arena_printf(l->arena, "%s.mask", f->name), TY_BOOL, 1, &window, &wid,
                           0, 1, NULL, f->span);
  scope_set(l, s, f->name, ids, f->span);
  return true;
}

/* ---- all of them ------------------------------------------------------------------ */

static bool bind_one(Lowering *l, Scope *s, const AFormal *f, UnitParam *u) {
  if (!f->dflt) {
    Diag *x =
        lower_error(l, 418, f->span, "a sampler's parameter needs a default: it becomes a flag");
    diag_hint(l->d, x, "%s = 1.0, or %s = \"\" for a text", f->name, f->name);
    return false;
  }
  Value *v = lower_expr(l, s, f->dflt);
  if (v->kind == V_TEXT) return bind_text(l, s, f, v, u);
  if (v->kind == V_NUM) return bind_number(l, s, f, v, u);
  lower_error(l, 418, f->span, "a sampler's parameter is a number or a text");
  return false;
}

bool bind_sampler_parameters(Lowering *l, Scope *s, const ADecl *d, UnitSampler *u) {
  VEC(UnitParam) params = {0};
  for (int i = 0; i < d->formals.n; i++) {
    const AFormal *f = &d->formals.at[i];
    UnitParam one = {.name = f->name, .span = f->span};
    if (!bind_one(l, s, f, &one)) return false;
    vec_push(l->arena, &params, one);
  }
  if (u->params) return true; /* of another entry, the same */
  u->params = params.at;
  u->nparams = params.n;
  return true;
}

/* ---- what is done with them --------------------------------------------------------- */

static Graph *graph_named(const Lowering *l, const char *name) {
  for (int i = 0; i < l->entries.n; i++)
    if (!strcmp(l->entries.at[i]->name, name)) return l->entries.at[i]->g;
  return NULL;
}

/* Does anything in g read an input of that name? */
static bool reads_input(Graph *g, const char *name) {
  const Region *top = g->top; /* a loop reads what its body does */
  for (int i = 0; i < top->nodes.n; i++) {
    const Node *in = top->nodes.at[i];
    if (in->kind != N_INPUT || strcmp(in->name, name) != 0) continue;
    for (int k = 0; k < top->nodes.n; k++)
      if (ir_reads(g, top->nodes.at[k], in)) return true;
    for (int k = 0; k < g->outputs.n; k++)
      if (g->outputs.at[k].node == in) return true;
    for (int k = 0; k < g->updates.n; k++)
      if (g->updates.at[k].value == in) return true;
  }
  return false;
}

static bool is_read(Lowering *l, const UnitSampler *u, const UnitParam *p) {
  static const char *const parts[] = {"init", "step", "emit"}, *const of_text[] = {".ids", ".mask"};
  if (u->steps_param && !strcmp(u->steps_param, p->name)) return true;
  for (int i = 0; i < 3; i++) {
    Graph *g = graph_named(l, arena_printf(l->arena, "sample.%s.%s", u->name, parts[i]));
    if (!g) continue;
    if (p->kind != PARAM_TEXT && reads_input(g, p->name)) return true;
    for (int k = 0; k < 2 && p->kind == PARAM_TEXT; k++)
      if (reads_input(g, arena_printf(l->arena, "%s%s", p->name, of_text[k]))) return true;
  }
  return false;
}

void unread_parameters(Lowering *l) {
  for (int i = 0; i < l->unit->nsamplers; i++) {
    const UnitSampler *u = &l->unit->samplers[i];
    for (int k = 0; k < u->nparams; k++) {
      const UnitParam *p = &u->params[k];
      if (is_read(l, u, p)) continue;
      Diag *x = lower_warn(l, W_UNREAD, p->span, "nothing that sampler '%s' makes depends on '%s'",
                           u->name, p->name);
      diag_hint(l->d, x, "use it, or leave it out: it is a flag that does nothing");
    }
  }
}
