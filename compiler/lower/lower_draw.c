/* SPDX-License-Identifier: MIT */
/* Random draws: pure functions of (seed, site, step, position). The site is the
 * qualified place in the source, the position the flat index over everything
 * the draw stands under: loops, the statement's indices, reducers. */
#include <string.h>

#include "compiler/ir/draws.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

/* Is e 1 - x? */
static bool is_rest(const Expr *e) {
  return ex_is_prim(e, P_sub) && e->args[0]->kind == E_NUM && e->args[0]->num == 1;
}

Expr *log_of_draw(Graph *g, Prim p, Expr *e) {
  Expr *u = named_value(g, e);
  bool rest = p == P_log1p ? ex_is_prim(u, P_neg) : is_rest(u);
  if (p == P_log1p && !rest) return NULL;
  if (rest) u = named_value(g, u->args[u->nargs - 1]);
  if (!ex_is_prim(u, P_uniform)) return NULL;
  return ex2(g, rest ? P_log_rest : P_log_uniform, u->args[0], u->args[1]);
}

bool is_distribution(const char *name) {
  return !strcmp(name, "uniform") || !strcmp(name, "normal") || !strcmp(name, "bernoulli");
}

/* Does a frame within f name another index the same? `softmax[c](...)` in the
 * statement of y[b,c] draws once for each of its own c, not for each pair. */
static bool shadowed(const Frame *innermost, const Frame *f, const char *name) {
  bool found = false;
  for (const Frame *in = innermost; in != f; in = in->parent) {
    for (int i = 0; i < in->vars.n; i++) found = found || (name && in->vars.at[i].name == name);
    if (in->barrier) found = false;
  }
  return found;
}

static void frames_in_order(Lowering *l, const Frame *f, Expr **flat, int64_t *total, int *nvars) {
  if (!f) return;
  frames_in_order(l, f->parent, flat, total, nvars);
  for (int i = 0; i < f->vars.n; i++) {
    const IndexVar *v = &f->vars.at[i];
    if (v->implicit || shadowed(l->frame, f, v->name)) continue;
    *flat =
        ex2(l->g, P_add, ex2(l->g, P_mul, *flat, ex_int(l->g, v->extent)), ex_var(l->g, v->var));
    if (!mul_fits(*total, v->extent, total)) *total = INT64_MAX;
    ++*nvars;
  }
}

static void loops_in_order(Lowering *l, const LoopContext *c, Expr **flat, int64_t *total) {
  if (!c) return;
  loops_in_order(l, c->parent, flat, total);
  *flat = ex2(l->g, P_add, ex2(l->g, P_mul, *flat, ex_int(l->g, c->loop->count)),
              ex_loopvar(l->g, c->loop));
  if (!mul_fits(*total, c->loop->count, total)) *total = INT64_MAX;
}

/* The error of a draw that a sampler makes in a statement which is no state. */
static void undrawn(Lowering *l, Span at) {
  const AStmt *st = l->undrawn;
  Diag *x =
      lower_error(l, 407, at, "%s",
                  l->looping ? "a draw before a sampler's loop would be drawn again at every step"
                             : "a draw of a sampler belongs to a state: what is none is computed "
                               "again for the text");
  if (st->targets.n != 1) {
    diag_hint(l->d, x, "draw into a state first: state e[b,l] ~ normal()");
    return;
  }
  StrBuf b = {0};
  ast_print_target(&st->targets.at[0], &b);
  sb_puts(&b, st->kind == S_DRAW ? " ~ " : " = ");
  ast_print_expr(st->value, &b);
  diag_hint(l->d, x, "keep it: state %s", b.s);
  sb_free(&b);
}

static Expr *draw(Lowering *l, Prim p, const char *kind, bool target, Span at) {
  if (l->undrawn) {
    undrawn(l, at);
    return NULL;
  }
  Expr *flat = ex_int(l->g, 0);
  int64_t total = 1;
  int nvars = 0;
  loops_in_order(l, l->loops, &flat, &total);
  frames_in_order(l, l->frame, &flat, &total, &nvars);
  if (nvars == 0 && !target) {
    Diag *x = lower_error(l, 220, at,
                          "a draw in a whole-tensor expression has no indices to differ by: all "
                          "elements would get one number");
    diag_hint(l->d, x,
              "write the statement with indices (y[b,l] = x[b,l] + normal()), or draw into a name "
              "first (e[b,l] ~ normal())");
    return NULL;
  }
  if (total > (int64_t)1 << 46) {
    lower_error(l, 216, at, "too many draws in one statement");
    return NULL;
  }
  const char *site =
      arena_printf(l->arena, "%s:%s.%s", l->draw_path, l->stmt_name ? l->stmt_name : "", kind);
  int k = path_count(l, site);
  if (k > 1) site = arena_printf(l->arena, "%s#%d", site, k);
  return ex2(l->g, p, ex_int(l->g, (int64_t)draw_site(site)), flat);
}

Value *lower_draw(Lowering *l, Scope *s, const AExpr *e) {
  const char *kind = e->a->name;
  Value *args[2] = {NULL, NULL};
  if (e->args.n > 2) {
    lower_error(l, 309, e->span, "%s takes at most two arguments", kind);
    return v_poison(l);
  }
  for (int i = 0; i < e->args.n; i++) {
    args[i] = lower_expr(l, s, e->args.at[i].value);
    if (args[i]->kind == V_POISON) return args[i];
    if (!v_scalar_like(args[i])) {
      lower_error(l, 206, e->args.at[i].span,
                  "an argument of a draw is one number for each index, this has the axes %s",
                  shape_text(l, args[i]));
      return v_poison(l);
    }
  }
  bool bernoulli = !strcmp(kind, "bernoulli");
  Expr *u = draw(l, !strcmp(kind, "normal") ? P_normal : P_uniform, kind, l->drawing == e, e->span);
  if (!u) return v_poison(l);
  Expr *a = args[0] ? v_expr(l, args[0]) : NULL, *b = args[1] ? v_expr(l, args[1]) : NULL;
  if (bernoulli) {
    if (!a || b) {
      lower_error(l, 309, e->span, "bernoulli takes one argument, the probability of true");
      return v_poison(l);
    }
    return v_scalar(l, ex2(l->g, P_lt, u, to_real(l, a)));
  }
  if (!a) return v_scalar(l, u);
  if (!strcmp(kind, "normal")) {
    if (!b) {
      lower_error(l, 309, e->span, "normal takes no argument or two, mean and standard deviation");
      return v_poison(l);
    }
    return v_scalar(l, ex2(l->g, P_add, to_real(l, a), ex2(l->g, P_mul, to_real(l, b), u)));
  }
  /* uniform(n) and uniform(a, b) of integers draw integers, uniform(a, b) of reals reals */
  bool ints = a->type == TY_INT && (!b || b->type == TY_INT);
  if (!b && !ints) {
    lower_error(l, 309, e->span, "uniform takes nothing, an extent, or two bounds");
    return v_poison(l);
  }
  if (!b) {
    b = a;
    a = ex_int(l->g, 0);
  }
  if (!ints) {
    a = to_real(l, a);
    return v_scalar(l,
                    ex2(l->g, P_add, a, ex2(l->g, P_mul, ex2(l->g, P_sub, to_real(l, b), a), u)));
  }
  Expr *n = ex2(l->g, P_sub, b, a);
  if (n->kind == E_INT && (n->inum < 1 || n->inum > (int64_t)1 << 31)) {
    lower_error(l, 309, e->span, "uniform draws integers from 1 .. 2^31 values, this is %lld",
                (long long)n->inum);
    return v_poison(l);
  }
  Expr *k = ex2(l->g, P_add, a, ex3(l->g, P_pick, u->args[0], u->args[1], n));
  if (!whole_computed(l, n, e->span) || !whole_computed(l, k, e->span)) return v_poison(l);
  Value *v = v_scalar(l, k);
  v->id = args[0]->id;
  return v;
}
