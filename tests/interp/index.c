/* SPDX-License-Identifier: MIT */
/* How far an index runs: as its range says, else as the header, else as its bare uses, else
 * as the dim of its letter in upper case; and which indices a right side leaves free. */
#include <ctype.h>
#include <string.h>

#include "tests/interp/internal.h"

Letter *find_letter(Context *c, const char *name) {
  for (int i = 0; i < c->nletters; i++)
    if (c->letters[i].name == name) return &c->letters[i];
  return NULL;
}

Index *find_index(const Context *c, const char *name) {
  for (Frame *f = c->frame; f; f = f->outer)
    for (int i = f->n - 1; i >= 0; i--)
      if (f->at[i].name == name) return &f->at[i];
  return NULL;
}

bool first_point(Frame *f) {
  for (int i = 0; i < f->n; i++) {
    f->at[i].now = 0;
    if (f->at[i].extent < 1) return false;
  }
  return true;
}

bool next_point(Frame *f) {
  for (int i = f->n - 1; i >= 0; i--) {
    if (++f->at[i].now < f->at[i].extent) return true;
    f->at[i].now = 0;
  }
  return false;
}

/* ---- walking ------------------------------------------------------------------------ */

/* Does the reducer e make `name` an index of its own? softmax leaves its indices where they are. */
static bool hides(const AExpr *e, const char *name) {
  if (e->kind != A_REDUCE || !strcmp(e->name, "softmax")) return false;
  for (int i = 0; i < e->items.n; i++)
    if (bound_by(&e->items.at[i]) == name) return true;
  return false;
}

typedef void Visit(Context *c, const AExpr *e, void *ctx);

/* e and what stands below it, without what a call that is indexed at once computes; `name`, if
 * not NULL, is the index whose scope it is. */
static void walk(Context *c, const AExpr *e, const char *name, Visit *visit, void *ctx) {
  if (!e || (name && hides(e, name))) return;
  visit(c, e, ctx);
  if (e->kind == A_INDEX) {
    if (e->a->kind != A_CALL) walk(c, e->a, name, visit, ctx);
  } else if (e->kind != A_CALL) {
    walk(c, e->a, name, visit, ctx);
  }
  walk(c, e->b, name, visit, ctx);
  walk(c, e->c, name, visit, ctx);
  walk(c, e->guard, name, visit, ctx);
  for (int i = 0; i < e->args.n; i++) walk(c, e->args.at[i].value, name, visit, ctx);
  for (int i = 0; i < e->items.n && (e->kind == A_INDEX || e->kind == A_REDUCE); i++) {
    const AItem *it = &e->items.at[i];
    if (e->kind == A_INDEX || !it->var) walk(c, it->expr, name, visit, ctx);
    walk(c, it->other, name, visit, ctx);
  }
}

/* ---- bare uses ---------------------------------------------------------------------- */

static bool shape_of(Context *c, const AExpr *base, Value *out) {
  if (base->kind == A_NAME) {
    const Value *v = find_name(c->scope, base->name);
    if (v) *out = *v;
    return v && v->kind == V_TENSOR;
  }
  if (base->kind != A_CALL && base->kind != A_MEMBER) return false;
  *out = base->kind == A_CALL ? whole_call(c, base) : eval(c, base, false);
  return out->kind == V_TENSOR;
}

typedef struct Uses {
  const char *name;
  bool found;
  Axis axis;
  Span where;
} Uses;

static void find_use(Context *c, const AExpr *e, void *ctx) {
  Uses *u = ctx;
  Value base;
  if (e->kind != A_INDEX) return;
  int dots = 0;
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    if (it->ellipsis) dots = i + 1;
    if (!it->expr || it->expr->kind != A_NAME || it->expr->name != u->name) continue;
    if (!shape_of(c, e->a, &base)) continue;
    int k = dots ? base.rank - e->items.n + i : i;
    if (k < 0 || k >= base.rank) UNCOVERED(c->in, e->span, "a read with so many indices");
    if (u->found && u->axis.extent != base.axis[k].extent)
      UNCOVERED(c->in, e->span, "index %s has two extents", u->name);
    if (!u->found) u->axis = base.axis[k];
    u->found = true;
  }
}

static bool upper_dim(Context *c, const char *name, Axis *out) {
  char upper[64];
  size_t n = strlen(name);
  if (n >= sizeof upper) return false;
  for (size_t i = 0; i <= n; i++) upper[i] = (char)toupper((unsigned char)name[i]);
  const Value *v = find_name(c->home, intern(c->in->names, upper));
  if (!v || !v->known || !v->id || v->one.kind != INTERP_WHOLE) return false;
  *out = (Axis){v->one.whole, v->id};
  return true;
}

static Index written(Context *c, const AItem *it) {
  Index x = {.name = it->var};
  if (!it->hi) {
    x.extent = eval_extent(c, it->lo, &x.id);
    return x;
  }
  const char *id;
  x.first = eval_extent(c, it->lo, &id);
  x.extent = eval_extent(c, it->hi, &id) - x.first;
  return x;
}

/* The range that the left side gives an index of that name. */
static const AItem *written_left(const Context *c, const char *name) {
  for (int i = 0; c->left && i < c->left->items.n; i++)
    if (c->left->items.at[i].var == name) return &c->left->items.at[i];
  return NULL;
}

Index index_of(Context *c, const char *name, const AItem *item, const AExpr *const *where, int n,
               Span at) {
  if (item && item->var) return written(c, item);
  const AItem *left = written_left(c, name);
  if (left) return written(c, left);
  const Letter *l = find_letter(c, name);
  if (l) return (Index){.name = name, .extent = l->axis.extent, .id = l->axis.id};
  Uses u = {.name = name};
  Axis dim = {-1, NULL};
  for (int i = 0; i < n; i++) walk(c, where[i], name, find_use, &u);
  bool letter = upper_dim(c, name, &dim);
  if (!u.found && !letter) UNCOVERED(c->in, at, "no range of index %s", name);
  if (!u.found) u.axis = dim;
  if (letter && dim.extent == u.axis.extent) u.axis.id = dim.id; /* `axis S = L`, and an index s */
  return (Index){.name = name, .extent = u.axis.extent, .id = u.axis.id};
}

/* ---- free indices ------------------------------------------------------------------- */

typedef struct Free {
  const AExpr *root;
  const char **out;
  int n, most;
} Free;

static void add_free(Free *f, const char *name) {
  for (int i = 0; i < f->n; i++)
    if (f->out[i] == name) return;
  if (f->n < f->most) f->out[f->n++] = name;
}

static bool is_word(const char *name) {
  static const char *const words[] = {"inf", "true", "false", "training"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(words[i], name)) return true;
  return false;
}

/* Names that some reducer around e, below `root`, binds are none of the statement's: each is
 * looked for in the scope that is left when reducers hide it. */
typedef struct Sought {
  const char *name;
  bool bare, any;
} Sought;

static void seek(Context *c, const AExpr *e, void *ctx) {
  (void)c;
  Sought *s = ctx;
  if (e->kind == A_NAME && e->name == s->name) s->any = true;
  for (int i = 0; e->kind == A_INDEX && i < e->items.n; i++) {
    const AExpr *x = e->items.at[i].expr;
    if (x && x->kind == A_NAME && x->name == s->name) s->bare = true;
  }
  for (int i = 0; e->kind == A_REDUCE && i < e->items.n; i++) /* softmax: its own are left */
    if (bound_by(&e->items.at[i]) == s->name) s->bare = s->any = true;
}

static void collect(Context *c, const AExpr *e, void *ctx) {
  Free *f = ctx;
  const char *name = e->kind == A_NAME ? e->name : NULL;
  if (!name || find_index(c, name) || is_word(name)) return;
  const Letter *l = find_letter(c, name);
  if (find_name(c->scope, name) || counts_steps(c, name)) return;
  Sought s = {.name = name};
  walk(c, f->root, name, seek, &s);
  if (l ? s.bare : s.any) add_free(f, name); /* a letter of the header is an extent elsewhere */
}

int free_indices(Context *c, const AExpr *e, const char **out, int most) {
  Free f = {e, out, 0, most};
  walk(c, e, NULL, collect, &f);
  return f.n;
}

bool is_product(const AExpr *e) {
  if (e->kind == A_UNARY) return e->op == OP_NEG && is_product(e->a);
  if (e->kind != A_BINARY) return e->kind != A_COND;
  if (e->op == OP_MUL) return is_product(e->a) && is_product(e->b);
  return e->op == OP_DIV && is_product(e->a) &&
         (e->b->kind == A_NUM || e->b->kind == A_NAME || e->b->kind == A_CALL);
}
