/* SPDX-License-Identifier: MIT */
/* See attention.h. */
#include "tests/attention.h"

#include "compiler/grad/grad.h"

static const Span nowhere;

typedef struct Build {
  Graph *g;
  Region *r;
  Loop *loop;
} Build;

#define EXTENTS(...) \
  (const int64_t[]) { __VA_ARGS__ }

static Expr *at(Build *t, Node *n, const char *vars) { /* '@': the layer */
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++)
    index[i] = vars[i] == '@' ? ex_loopvar(t->g, t->loop) : ex_var(t->g, vars[i] - '0');
  return ex_read(t->g, n, index);
}

static Expr *mul(Build *t, Expr *a, Expr *b) { return ex2(t->g, P_mul, a, b); }
static Expr *num(Build *t, double x) { return ex_num(t->g, x); }

static Node *comp(Build *t, const char *name, int rank, int nred, const int64_t *extent,
                  Reducer red, Expr *guard, Expr *body) {
  return ir_comp(t->g, t->r, name, nowhere, rank, nred, extent, red, guard, body);
}

static Node *input(Build *t, const char *name, int rank, const int64_t *shape) {
  return ir_input(t->g, name, TY_REAL, rank, shape, 0, 0, nowhere);
}

static void output(Build *t, const char *name, Node *n) {
  Output o = {name, n};
  vec_push(t->g->arena, &t->g->outputs, o);
}

/* uniform() < 0.25 ? 0 : p / 0.75, drawn again in the backward pass */
static Node *dropped(Build *t, const Attention *s, Node *p) {
  Expr *at_p = ex_var(t->g, 0);
  const int64_t extent[] = {s->h, s->l, s->l};
  for (int k = 0; k < 3; k++)
    at_p = ex2(t->g, P_add, mul(t, at_p, ex_int(t->g, extent[k])), ex_var(t->g, k + 1));
  Expr *u = ex2(t->g, P_uniform, ex_int(t->g, 4711), at_p);
  Expr *kept = ex3(t->g, P_select, ex2(t->g, P_lt, u, num(t, 0.25)), num(t, 0),
                   mul(t, at(t, p, "0123"), num(t, 1 / 0.75)));
  return comp(t, "dropped", 4, 0, EXTENTS(s->b, s->h, s->l, s->l), RED_NONE, NULL, kept);
}

static Node *softmax(Build *t, const Attention *s, Node *x) {
  Expr *guard = s->causal ? ex2(t->g, P_le, ex_var(t->g, 3), ex_var(t->g, 2)) : NULL;
  if (s->band)
    guard = ex2(t->g, P_lt, ex1(t->g, P_abs, ex2(t->g, P_sub, ex_var(t->g, 3), ex_var(t->g, 2))),
                ex_int(t->g, s->band));
  if (s->sinks)
    guard = ex2(t->g, P_or, guard, ex2(t->g, P_lt, ex_var(t->g, 3), ex_int(t->g, s->sinks)));
  const int64_t *space = EXTENTS(s->b, s->h, s->l, s->l);
  Node *m = comp(t, "max", 3, 1, space, RED_MAX, guard, at(t, x, "0123"));
  Node *e = comp(t, "exp", 4, 0, space, RED_NONE, guard,
                 ex1(t->g, P_exp, ex2(t->g, P_sub, at(t, x, "0123"), at(t, m, "012"))));
  Node *z = comp(t, "sum", 3, 1, space, RED_SUM, guard, at(t, e, "0123"));
  return comp(t, "p", 4, 0, space, RED_NONE, NULL,
              ex2(t->g, P_div, at(t, e, "0123"), at(t, z, "012")));
}

/* h [b, l, h, e] -> softmax(q k) v with q, k, v = h times weights w [layer, 3, e] */
static Node *attention(Build *t, const Attention *s, Node *x, Node *w, Node *bias) {
  const int64_t *space = EXTENTS(s->b, s->l, s->h, s->e);
  Node *part[3];
  for (int k = 0; k < 3; k++) {
    Expr *wk = ex_read(t->g, w,
                       (Expr *[]){t->loop ? ex_loopvar(t->g, t->loop) : ex_int(t->g, 0),
                                  ex_int(t->g, k), ex_var(t->g, s->shared_keys && k > 0 ? 2 : 3)});
    Expr *xk = mul(t, at(t, x, s->shared_keys && k > 0 ? "0132" : "0123"), wk);
    const char *name = (const char *[]){"q", "k", "v"}[k];
    if (s->shared_keys && k > 0) /* the mean over heads */
      part[k] = comp(t, name, 3, 1, EXTENTS(s->b, s->l, s->e, s->h), RED_SUM, NULL,
                     mul(t, num(t, 1.0 / (double)s->h), xk));
    else
      part[k] = comp(t, name, 4, 0, space, RED_NONE, NULL, ex1(t->g, P_sin, xk));
  }
  Node *q = part[0], *k = part[1], *v = part[2];
  Expr *key = at(t, k, s->shared_keys ? "034" : "0314");
  if (s->turned)
    key = mul(t, key, ex1(t->g, P_cos, mul(t, num(t, 0.1), ex1(t->g, P_real, ex_var(t->g, 3)))));
  Node *score = comp(t, "score", 4, 1, EXTENTS(s->b, s->h, s->l, s->l, s->e), RED_SUM, NULL,
                     mul(t, num(t, 0.5), mul(t, at(t, q, "0214"), key)));
  if (bias)
    score = comp(t, "biased", 4, 0, EXTENTS(s->b, s->h, s->l, s->l), RED_NONE, NULL,
                 ex2(t->g, P_add, at(t, score, "0123"), at(t, bias, "23")));
  Node *p = softmax(t, s, score);
  if (s->dropout) p = dropped(t, s, p);
  return comp(t, "y", 4, 1, EXTENTS(s->b, s->l, s->h, s->e, s->l), RED_SUM, NULL,
              mul(t, at(t, p, "0214"), at(t, v, s->shared_keys ? "043" : "0423")));
}

Graph *attention_graph(Arena *arena, Diags *diags, const Attention *s) {
  Graph *g = graph_new(arena, interner_new(arena), "attention");
  Build build = {.g = g, .r = g->top}, *t = &build;
  const int64_t *space = EXTENTS(s->b, s->l, s->h, s->e);
  Node *x = input(t, "x", 4, space), *w = input(t, "w", 3, EXTENTS(s->layers, 3, s->e));
  Node *bias = s->bias ? input(t, "bias", 2, EXTENTS(s->l, s->l)) : NULL, *y;
  if (s->layers > 1) {
    t->loop = ir_loop(t->g, t->g->top, "i", s->layers, false, nowhere);
    Node *in = ir_carry(t->g, t->loop, "h", x);
    t->r = t->loop->body;
    Node *a = attention(t, s, in, w, bias);
    t->loop->carries.at[0].next = comp(t, "next", 4, 0, space, RED_NONE, NULL,
                                       ex2(t->g, P_add, at(t, in, "0123"), at(t, a, "0123")));
    t->r = t->g->top;
    y = ir_final(t->g, t->loop, 0);
  } else {
    y = attention(t, s, x, w, bias);
  }
  output(t, "y", comp(t, "out", 4, 0, space, RED_NONE, NULL, at(t, y, "0123")));
  if (!s->gradients) return g;
  Node *loss =
           comp(t, "loss", 0, 4, space, RED_SUM, NULL, mul(t, at(t, y, "0123"), at(t, y, "0123"))),
       *d[2];
  if (!grad_reverse(g, diags, loss, (Node *[]){x, w}, 2, d)) bug("attention has no gradient");
  output(t, "dx", d[0]);
  output(t, "dw", d[1]);
  return g;
}
