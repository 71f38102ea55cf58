/* SPDX-License-Identifier: MIT */
/* Products of which a condition leaves every second place, or every third, as the gradient of what
 * a convolution reads in overlapping strides, and convolutions that are turned around: one product
 * for each residue of an output's variable, in which no term is left out for it.
 *
 *     y[l, c] = sum over k < 3, o | mod(l - k + 1, 2) = 0 (d[(l - k + 1) / 2, o] w[k, c, o])
 * ->  even[q, c] = sum over j < 1, o (d[q - j, o] w[2 j + 1, c, o])
 *     odd[q, c] = sum over j < 2, o (d[q - j + 1, o] w[2 j, c, o])
 *     p = even, odd
 *     y[l, c] = p[mod(l, 2) * 64 + l / 2 * 8 + c]
 *
 * or, where the parts are not equally large, mod(l, 2) = 0 ? even[l / 2, c] : odd[l / 2, c].
 *
 * needs       regions in order; after `taps`, which counts how often the whole product reads
 * guarantees  each element is the sum of the same terms but those that the condition leaves out;
 *             a product is only taken apart if each part is one that the target takes, and
 *             keeps the condition that its reads need; what intervals prove of the parts is folded
 * breaks      nothing */
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"
#include "compiler/plan/contract.h"

enum { CONDITIONS = 3 };

/* mod(by_outer * outer + by_reduced * reduced + rest, stride) = 0 */
typedef struct Stride {
  int outer, reduced; /* variables; reduced: or NONE */
  int64_t by_outer, by_reduced, rest, stride;
} Stride;

typedef struct Strides {
  Graph *g;
  const TargetProducts *target;
  Node *n;
  Stride at[CONDITIONS];
  int count;
  int64_t classes; /* residues of all outer variables */
} Strides;

static int64_t divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

/* The only variable from..to - 1 with a coefficient; NONE, or SEVERAL. */
enum { NONE = -1, SEVERAL = -2 };
static int only(const Affine *a, int from, int to) {
  int found = NONE;
  for (int v = from; v < to; v++) {
    if (a->coef[v] == 0) continue;
    if (found >= 0) return SEVERAL;
    found = v;
  }
  return found;
}

static void add_stride(Strides *s, Expr *e) {
  const Node *n = s->n;
  Affine a;
  for (int i = 0; i < 2; i++) {
    const Expr *mod = e->args[i], *zero = e->args[1 - i];
    if (!ex_is_prim(mod, P_mod) || zero->kind != E_INT || zero->inum != 0) continue;
    if (mod->args[1]->kind != E_INT || !ex_affine(s->g, mod->args[0], &a)) continue;
    Stride x = {.outer = only(&a, 0, n->rank),
                .reduced = only(&a, n->rank, n->nvars),
                .stride = mod->args[1]->inum};
    if (x.outer < 0 || x.reduced == SEVERAL || a.rest->kind != E_INT || x.stride < 2 ||
        s->count == CONDITIONS || s->classes * x.stride > s->target->residues)
      continue;
    bool fresh = true;
    for (int k = 0; k < s->count; k++)
      fresh = fresh && s->at[k].outer != x.outer &&
              (x.reduced == NONE || s->at[k].reduced != x.reduced);
    if (!fresh || n->extent[x.outer] < x.stride) continue;
    x.by_outer = a.coef[x.outer] % x.stride;
    x.by_reduced = x.reduced == NONE ? 0 : a.coef[x.reduced] % x.stride;
    x.rest = a.rest->inum % x.stride;
    s->at[s->count++] = x;
    s->classes *= x.stride;
    return;
  }
}

static void find_strides(Strides *s, Expr *guard) {
  if (ex_is_prim(guard, P_and)) {
    find_strides(s, guard->args[0]);
    find_strides(s, guard->args[1]);
  } else if (ex_is_prim(guard, P_eq)) {
    add_stride(s, guard);
  }
}

/* The reduced variable is `first` and every `step`th from there, if the outer one leaves `residue`;
 * false: there is none. */
static bool terms_of(const Stride *x, int64_t residue, int64_t *first, int64_t *step) {
  *step = x->stride / divisor(x->by_reduced, x->stride);
  for (*first = 0; *first < *step; ++*first)
    if ((x->by_outer * residue + x->by_reduced * *first + x->rest) % x->stride == 0) return true;
  return false;
}

static int64_t residue_of(const Strides *s, int64_t class, int which) {
  for (int k = s->count - 1; k > which; k--) class /= s->at[k].stride;
  return class % s->at[which].stride;
}

static Expr *scaled(Graph *g, int64_t by, int var, int64_t first) {
  return ex2(g, P_add, ex2(g, P_mul, ex_int(g, by), ex_var(g, var)), ex_int(g, first));
}

/* The product of a class; NULL: it has no terms. */
static Node *part_of(const Strides *s, int64_t class) {
  Node *n = s->n;
  Graph *g = s->g;
  int64_t extent[IR_MAX_VARS];
  Expr *map[IR_MAX_VARS];
  for (int v = 0; v < n->nvars; v++) {
    extent[v] = n->extent[v];
    map[v] = ex_var(g, v);
  }
  for (int k = 0; k < s->count; k++) {
    const Stride *x = &s->at[k];
    const int64_t residue = residue_of(s, class, k);
    int64_t first, step;
    if (!terms_of(x, residue, &first, &step)) return NULL;
    extent[x->outer] = (n->extent[x->outer] - residue + x->stride - 1) / x->stride;
    map[x->outer] = scaled(g, x->stride, x->outer, residue);
    if (x->reduced == NONE) continue;
    if (first >= n->extent[x->reduced]) return NULL;
    extent[x->reduced] = (n->extent[x->reduced] - first + step - 1) / step;
    map[x->reduced] = scaled(g, step, x->reduced, first);
  }
  Expr *guard = ex_subst(g, n->guard, map, n->nvars);
  if (guard->kind == E_BOOL && guard->inum) guard = NULL;
  Node *part = ir_comp(g, n->region, n->name, n->span, n->rank, n->nvars - n->rank, extent, RED_SUM,
                       guard, ex_subst(g, n->body, map, n->nvars));
  for (int v = 0; v < n->nvars; v++) part->axis[v] = n->axis[v];
  ir_same_users(g, part, n);
  ir_put_before(part, n);
  return part;
}

/* Where an element of n is among those of its class. */
static Expr *from_part(const Strides *s, Node *part) {
  Graph *g = s->g;
  Expr *at[IR_MAX_RANK];
  if (!part) return ex_num(g, 0);
  for (int d = 0; d < part->rank; d++) at[d] = ex_var(g, d);
  for (int k = 0; k < s->count; k++) {
    const int d = s->at[k].outer;
    const int64_t stride = s->at[k].stride;
    at[d] = ex2(g, P_div, at[d], ex_int(g, stride));
    if ((s->n->extent[d] - 1) / stride >=
        part->shape[d]) /* of other residues, which are not read */
      at[d] = ex2(g, P_min, at[d], ex_int(g, part->shape[d] - 1));
  }
  return ex_read(g, part, at);
}

static Expr *is_class(const Strides *s, int64_t class) {
  Graph *g = s->g;
  Expr *is = NULL;
  for (int k = 0; k < s->count; k++) {
    Expr *residue = ex2(g, P_mod, ex_var(g, s->at[k].outer), ex_int(g, s->at[k].stride));
    is = ex_and(g, is, ex2(g, P_eq, residue, ex_int(g, residue_of(s, class, k))));
  }
  return is;
}

/* All parts one behind the other, if they are equally large: an element is then read from one
 * place, where a choice among parts is no loop of vectors. NULL: they are not. */
static Expr *from_pack(const Strides *s, Node **parts) {
  Graph *g = s->g;
  const int64_t count = parts[0] ? ir_count(parts[0]) : 0;
  for (int64_t i = 0; i < s->classes; i++)
    if (!parts[i] || ir_count(parts[i]) != count) return NULL;
  Node *pack = ir_pack(g, s->n->region, s->n->name, parts, (int)s->classes, s->n->span);
  ir_put_before(pack, s->n);
  Expr *class = ex_int(g, 0), *place = ex_int(g, 0);
  for (int k = 0; k < s->count; k++) {
    Expr *stride = ex_int(g, s->at[k].stride);
    class = ex2(g, P_add, ex2(g, P_mul, class, stride),
                ex2(g, P_mod, ex_var(g, s->at[k].outer), stride));
  }
  for (int d = 0; d < s->n->rank; d++) {
    Expr *at = ex_var(g, d);
    for (int k = 0; k < s->count; k++)
      if (s->at[k].outer == d) at = ex2(g, P_div, at, ex_int(g, s->at[k].stride));
    place = ex2(g, P_add, ex2(g, P_mul, place, ex_int(g, parts[0]->shape[d])), at);
  }
  place = ex2(g, P_add, ex2(g, P_mul, class, ex_int(g, count)), place);
  return ex_read(g, pack, &place);
}

static void take_apart(Graph *g, const TargetProducts *t, Node *n) {
  Strides s = {.g = g, .target = t, .n = n, .classes = 1};
  if (n->reducer != RED_SUM || n->type != TY_REAL || !n->guard || n->vjp ||
      !contract_matches(g, t, n))
    return;
  find_strides(&s, n->guard);
  if (s.count == 0) return;
  Node **parts = NEWN(g->arena, Node *, (size_t)s.classes);
  for (int64_t i = 0; i < s.classes; i++) {
    parts[i] = part_of(&s, i);
    if (parts[i] && (!contract_matches(g, t, parts[i]) || !ir_proved(g, parts[i], false)))
      return; /* nobody reads these */
  }
  Expr *body = from_pack(&s, parts), *packed = body;
  if (!packed) body = from_part(&s, parts[s.classes - 1]);
  for (int64_t i = s.classes - 2; i >= 0 && !packed; i--)
    body = ex3(g, P_select, is_class(&s, i), from_part(&s, parts[i]), body);
  n->reducer = RED_NONE;
  n->nvars = n->rank;
  n->guard = NULL;
  n->body = body;
}

static void each_region(Graph *g, const TargetProducts *t, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      each_region(g, t, n->loop->body);
    else if (n->kind == N_COMP)
      take_apart(g, t, n);
    while (r->nodes.at[i] != n) i++; /* new ones moved it */
  }
}

void pass_strides(Graph *g, const PassOptions *o) {
  if (o->target->products.residues <= 1) return;
  each_region(g, &o->target->products, g->top);
  ir_prune(g);
  if (o->simplify) pass_simplify(g, o); /* conditions that hold everywhere in a class */
}
